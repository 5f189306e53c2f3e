"""Columns to features: what is learned, from which rows, and what later tables may bring."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpass.data.columns import FAR
from backpass.data.preprocess import Preprocessor
from backpass.data.table import Column, Table
from backpass.graph.errors import DataError, ModelFileError

N = 60
RANDOM = np.random.default_rng(0)


def people() -> Table:
    """Sixty rows with a column of every kind."""
    age = RANDOM.normal(40, 10, N).round(1)
    age[[3, 17]] = np.nan
    days = np.datetime64("2023-01-01T06") + (RANDOM.integers(0, 24 * 700, N)).astype("timedelta64[h]")
    sex: list[str | None] = list(RANDOM.choice(["female", "male"], N))
    sex[5] = None
    return Table.from_arrays(
        {
            "id": np.arange(1, N + 1),
            "age": age,
            "sex": sex,
            "fed": RANDOM.random(N) < 0.5,
            "zero_one": RANDOM.integers(0, 2, N),
            "joined": days,
            "name": [f"person {i}" for i in range(N)],
            "nothing": [None] * N,
            "same": [7] * N,
            "y": RANDOM.normal(size=N),
        },
        source="people.csv",
    )


PEOPLE = people()
FEATURES = [
    "age", "age is missing", "sex=female", "sex=male", "sex is missing", "fed=true", "zero_one", "joined: year",
    "joined: month sin", "joined: month cos", "joined: day of the week sin", "joined: day of the week cos",
    "joined: time of day sin", "joined: time of day cos",
]  # fmt: skip


def test_features_of_every_kind():
    pre = Preprocessor.fit(PEOPLE, "y")
    assert sorted(pre.feature_names) == sorted(FEATURES)
    x = pre.transform(PEOPLE)
    assert (x.shape, x.dtype) == ((N, len(FEATURES)), np.float32)
    assert np.isfinite(x).all()
    parts = dict(pre.parts)
    assert list(parts) == [encoder.name for encoder in pre.encoders]
    assert [pre.feature_names[k] for k in parts["sex"]] == [name for name in pre.feature_names if name[:3] == "sex"]
    by_name = dict(zip(pre.feature_names, x.T, strict=True))
    age = PEOPLE["age"].values
    known = ~np.isnan(age)
    np.testing.assert_allclose(by_name["age"][known], (age[known] - age[known].mean()) / age[known].std(), atol=1e-6)
    filled = (np.median(age[known]) - age[known].mean()) / age[known].std()
    np.testing.assert_allclose(by_name["age"][~known], filled, atol=1e-6)
    assert by_name["age is missing"].tolist() == (~known).astype(float).tolist()
    assert by_name["sex is missing"].sum() == 1
    assert np.array_equal(by_name["sex=female"] + by_name["sex=male"] + by_name["sex is missing"], np.ones(N))
    assert set(by_name["zero_one"]) == {0, 1}
    assert np.allclose(by_name["joined: month sin"] ** 2 + by_name["joined: month cos"] ** 2, 1)


def test_left_out_columns_are_said():
    assert Preprocessor.fit(PEOPLE, "y", exclude=["age"]).notices == [
        "column 'id' is left out: row numbers (1 to 60, each once)",
        "column 'name' is left out: 60 different texts in 60 rows: a name or free text, not a category",
        "column 'nothing' is left out: every value is missing",
        "column 'same' is left out: one value only, '7'",
    ]


def test_keep_and_exclude():
    pre = Preprocessor.fit(PEOPLE, "y", exclude=["age", "joined", "sex"], keep=["id"])
    assert pre.feature_names == ["id", "fed=true", "zero_one"]
    with pytest.raises(
        DataError, match=r"^people.csv has no column 'agee'; did you mean 'age'\? Its columns: 'id', 'age'"
    ):
        Preprocessor.fit(PEOPLE, "y", exclude=["agee"])


def test_nothing_left_to_learn_from():
    with pytest.raises(DataError) as caught:
        Preprocessor.fit(Table.from_arrays({"a": [1, 1], "y": [1, 2]}, source="t.csv"), "y")
    assert str(caught.value) == "t.csv has no column left to learn from ('a': one value only, '1')"
    with pytest.raises(DataError) as caught:
        Preprocessor.fit(Table.from_arrays({"y": [1, 2]}, source="t.csv"), "y")
    assert str(caught.value) == "t.csv has no column left to learn from (there is no other column)"


def test_row_numbers_are_used_when_there_is_nothing_else():
    assert Preprocessor.fit(Table.from_arrays({"x": np.arange(20), "y": np.arange(20) ** 2}), "y").feature_names == [
        "x"
    ]


@pytest.mark.parametrize(
    ("name", "values", "used"),
    [
        ("n", RANDOM.permutation(N), False),  # shuffled row numbers
        ("customer_id", RANDOM.permutation(N) * 7 + 1000, False),
        ("customerId", RANDOM.permutation(N) * 7 + 1000, False),
        ("year", np.arange(1960, 1960 + N), True),
        ("amount", RANDOM.permutation(N) * 7, True),
        ("id", RANDOM.permutation(N) / 7, True),
        ("grid", RANDOM.permutation(N) * 7 + 1000, True),
    ],
)
def test_identifiers(name, values, used):
    table = Table.from_arrays({name: values, "other": RANDOM.normal(size=N)})
    assert (name in Preprocessor.fit(table).feature_names) == used


def test_what_is_learned_comes_from_the_given_rows_alone():
    values = np.r_[np.zeros(10), np.ones(10), np.full(20, 1000.0)]
    texts = ["a", "b"] * 10 + ["c"] * 20
    table = Table.from_arrays({"x": values + np.tile([0, 0.5], 20), "s": texts, "late": [1.0] * 20 + [2.0] * 20})
    pre = Preprocessor.fit(table, rows=np.arange(20))
    assert pre.feature_names == ["x", "s=a", "s=b"]
    assert pre.left_out == {"late": "one value only, '1' in the training rows"}
    x = pre.transform(table)
    assert abs(x[:20, 0].mean()) < 1e-6
    assert x[20:, 1:].sum() == 0


def test_many_categories_are_capped_and_rare_ones_pooled():
    texts = [f"c{i}" for i in range(30) for _ in range(30 - i)]
    table = Table.from_arrays({"s": texts})
    pre = Preprocessor.fit(table, max_categories=5)
    assert pre.feature_names == ["s=c0", "s=c1", "s=c2", "s=c3", "s=c4", "s: other"]
    assert np.array_equal(pre.transform(table).sum(axis=1), np.ones(len(texts)))
    assert Preprocessor.fit(table).feature_names[-2:] == ["s=c27", "s: other"]  # c28 and c29 have two rows and one


def test_what_later_tables_may_bring_is_counted():
    table = Table.from_arrays(
        {"x": np.linspace(0, 1, 20), "s": ["a", "b"] * 10, "f": [True, False] * 10, "d": np.arange(20).astype("M8[D]")}
    )
    pre = Preprocessor.fit(table, keep=["d"])
    later = Table.from_arrays(
        {
            "d": np.array([0, 1, 2, "NaT"], "datetime64[D]"),
            "s": ["a", "neu", None, "b"],
            "f": ["true", "vielleicht", None, "false"],
            "x": [np.inf, None, 1e30, 0.5],
            "more": [1, 2, 3, 4],
        }
    )
    notices: list[str] = []
    x = pre.transform(later, notices)
    assert notices == [
        "column 'x': 1 missing value (training had none): its median 0.5 stands in",
        "column 'x': 1 infinite value, taken as missing",
        "column 'x': 1 value far outside what was trained on (0 to 1)",
        "column 's': 1 missing value (training had none): no category stands in",
        "column 's': 1 value that training did not have ('neu'): no category",
        "column 'f': 1 value neither 'false' nor 'true', taken as missing",
        "column 'f': 1 missing value (training had none): the commoner 'true' stands in",
        "column 'd': 1 missing value (training had none): the median date 1970-01-10T12:00:00 stands in",
    ]
    assert np.isfinite(x).all()
    assert x[2, 0] == FAR
    assert x[:, 1:3].tolist() == [[1, 0], [0, 0], [0, 0], [0, 1]]


def test_a_later_table_without_a_column():
    pre = Preprocessor.fit(PEOPLE, "y")
    less = PEOPLE.without(["age", "y"])
    with pytest.raises(DataError) as caught:
        pre.transform(less)
    assert str(caught.value) == (
        "people.csv lacks a column that the model was trained on: 'age'. Its columns: 'id', 'sex', 'fed', 'zero_one', "
        "'joined', 'name', 'nothing', 'same'"
    )
    with pytest.raises(DataError, match=r"2 columns that the model was trained on: 'age', 'sex' \(rename 'Age'\?\)"):
        pre.transform(Table.from_arrays({"Age": [1], "fed": [1], "zero_one": [1], "joined": [None]}))
    notices: list[str] = []
    x = pre.transform(less, notices, fill_missing_columns=True)
    assert notices == ["people.csv lacks 'age': taken as missing in every row"]
    assert x[:, 1].tolist() == [1.0] * N


def test_a_later_table_of_other_kinds():
    pre = Preprocessor.fit(Table.from_arrays({"n": np.arange(9) / 2, "s": ["1", "2", "x"] * 3}))
    later = Table.from_arrays({"n": ["1.5", "oops"], "s": [1, 2]})
    assert pre.transform(later)[:, 1:].tolist() == [[1, 0, 0], [0, 1, 0]]
    with pytest.raises(DataError) as caught:
        pre.transform(Table.from_arrays({"n": ["a", "b"], "s": ["x", "x"]}))
    assert str(caught.value) == "column 'n' should hold numbers; none of its values is one: 'a', 'b'"


def test_units_must_agree():
    kg = Column("w", "number", np.array([1.0, 2.0]), unit="kg")
    pre = Preprocessor.fit(Table((kg,)))
    with pytest.raises(DataError) as caught:
        pre.transform(Table((Column("w", "number", np.array([1.0]), unit="lb"),)))
    assert str(caught.value) == "column 'w' was learned with 'kg', and here it is in 'lb'; convert it"


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1.0, 1e30, 1e300])
def test_any_scale_of_numbers_is_standardised(scale):
    table = Table.from_arrays({"x": np.array([1.0, 2.0, 3.0, 6.0]) * scale})
    x = Preprocessor.fit(table).transform(table)[:, 0].astype(float)
    assert (x.mean(), x.std()) == (pytest.approx(0, abs=1e-6), pytest.approx(1, rel=1e-6))


def test_a_small_spread_on_a_large_offset_is_kept():
    table = Table.from_arrays({"x": 1e9 + np.arange(11) / 100})
    x = Preprocessor.fit(table).transform(table)[:, 0]
    np.testing.assert_allclose(x, (np.arange(11) - 5) / np.sqrt(10), atol=1e-4)


def test_months_and_hours_go_round():
    when = np.array(["2023-12-31T23:59", "2024-01-01T00:01", "2024-07-01T12:00"], "datetime64[us]")
    table = Table.from_arrays({"t": when})
    pre = Preprocessor.fit(table)
    x = dict(zip(pre.feature_names, pre.transform(table).T, strict=True))
    for cycle in ("month", "time of day"):
        wave = np.stack([x[f"t: {cycle} sin"], x[f"t: {cycle} cos"]])
        assert np.linalg.norm(wave[:, 0] - wave[:, 1]) < 0.02
        assert np.linalg.norm(wave[:, 0] - wave[:, 2]) > 1.9


def test_the_state_is_json_and_comes_back_equal():
    pre = Preprocessor.fit(PEOPLE, "y")
    text = json.dumps(pre.to_json(), allow_nan=False)
    again = Preprocessor.from_json(text)
    assert again == pre
    assert np.array_equal(again.transform(PEOPLE), pre.transform(PEOPLE))
    assert again.readings == pre.readings
    assert again.readings["joined"].kind == "time"


def damage(change):
    state = Preprocessor.fit(PEOPLE, "y").to_json()
    by_name = {column["name"]: column for column in state["columns"]}
    change(state, by_name)
    return state


DAMAGE = {
    "unknown encoder": (
        lambda state, by_name: by_name["age"].update(encoder="eval"),
        "preprocessor.columns[0].encoder should be 'number', 'raw', 'boolean', 'category', 'time' or 'image'",
    ),
    "text for a number": (
        lambda state, by_name: by_name["age"].update(mean="1"),
        "preprocessor.columns[0].mean should be a finite number, and is '1'",
    ),
    "not a number": (
        lambda state, by_name: by_name["age"].update(mean=float("nan")),
        "preprocessor.columns[0].mean should be a finite number, and is nan",
    ),
    "negative deviation": (
        lambda state, by_name: by_name["age"].update(std=-1.0),
        "preprocessor.columns[0].std should be at least 0, and is -1.0",
    ),
    "number for a boolean": (
        lambda state, by_name: by_name["age"].update(indicator=1),
        "preprocessor.columns[0].indicator should be true or false, and is 1",
    ),
    "one word": (
        lambda state, by_name: by_name["fed"].update(words=["a"]),
        "preprocessor.columns[2].words should be two words or none, and is ('a',)",
    ),
    "categories twice": (
        lambda state, by_name: by_name["sex"].update(categories=["a", "a"]),
        "preprocessor.columns[1].categories should be different texts, and is ('a', 'a')",
    ),
    "a category that is no text": (
        lambda state, by_name: by_name["sex"].update(categories=["a", 1]),
        "preprocessor.columns[1].categories[1] should be a text, and is 1",
    ),
    "an unknown cycle": (
        lambda state, by_name: by_name["joined"].update(cycles=["century"]),
        "preprocessor.columns[4].cycles should be some of 'month', 'weekday', 'hour', and is ('century',)",
    ),
    "a date out of range": (
        lambda state, by_name: by_name["joined"].update(fill=1e300),
        "preprocessor.columns[4].fill should be a time in microseconds, and is 1e+300",
    ),
    "no columns": (
        lambda state, by_name: state.update(columns=[]),
        "preprocessor.columns should be a list of columns, and is []",
    ),
    "a column twice": (
        lambda state, by_name: state.update(columns=[state["columns"][0]] * 2),
        "preprocessor.columns should be columns of different names, and is ['age', 'age']",
    ),
    "reasons that are no text": (
        lambda state, by_name: state.update(left_out={"a": 1}),
        "preprocessor.left_out should be an object of texts, and is {'a': 1}",
    ),
    "another object": (
        lambda state, by_name: state.pop("left_out"),
        "preprocessor should be an object with 'columns' and 'left_out', and is {'columns': [{'name': 'age', ",
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damaged_states_are_refused(what):
    change, message = DAMAGE[what]
    with pytest.raises(ModelFileError) as caught:
        Preprocessor.from_json(damage(change))
    assert str(caught.value).startswith(f"the model file is damaged: {message}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda column: column.pop("mean"), "preprocessor.columns[0] lacks 'mean'"),
        (lambda column: column.update(evil=1), "preprocessor.columns[0] has an unknown field 'evil'"),
    ],
)
def test_fields_of_other_versions_are_refused(change, message):
    state = damage(lambda state, by_name: change(by_name["age"]))
    with pytest.raises(ModelFileError) as caught:
        Preprocessor.from_json(state)
    assert str(caught.value) == f"the model file is damaged, or from a newer version: {message}"


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "null", "[]"])
def test_text_that_is_no_state(text):
    with pytest.raises(ModelFileError):
        Preprocessor.from_json(text)


CELLS = st.one_of(st.none(), st.floats(), st.integers(-(2**60), 2**60).map(float))


@given(st.lists(CELLS, min_size=2, max_size=30), st.lists(CELLS, min_size=1, max_size=9))
def test_any_numbers_give_finite_features(training, later):
    table = Table.from_arrays({"x": np.array([np.nan if v is None else v for v in training])})
    try:
        pre = Preprocessor.fit(table)
    except DataError:
        return
    x = pre.transform(Table.from_arrays({"x": np.array([np.nan if v is None else v for v in later])}))
    assert np.isfinite(x).all()
