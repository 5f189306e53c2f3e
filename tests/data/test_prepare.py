"""Real tables, written as people have them (texts, dates, holes), made ready for training."""

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from sklearn import datasets
from sklearn.linear_model import LogisticRegression, Ridge

from backpass.data.leaks import giveaways
from backpass.data.prepare import prepare
from backpass.data.preprocess import Preprocessor
from backpass.data.read import read_table
from backpass.data.table import Table
from backpass.data.target import Target
from backpass.graph.errors import DataError
from backpass.train.metrics import class_baseline, classification_scores, number_baseline, regression_scores

LOADERS = {
    "wine": datasets.load_wine,
    "breast_cancer": datasets.load_breast_cancer,
    "diabetes": datasets.load_diabetes,
}


def as_people_have_it(name: str) -> pa.Table:
    """The data set with a column that is text (made from its first), a date, a row number, a name, and holes."""
    data = LOADERS[name]()
    random = np.random.default_rng(1)
    n = len(data.target)
    columns = {str(feature).replace("/", " or "): data.data[:, i] for i, feature in enumerate(data.feature_names)}
    first, *_ = columns
    low, high = np.quantile(columns[first], [0.3, 0.7])
    level = np.select([columns[first] < low, columns[first] < high], ["low", "middle"], "high")
    holes = {column: random.random(n) < 0.05 for column in list(columns)[1:4]}
    made = {
        "": pa.array(np.arange(n)),
        "level": pa.array(level.astype(object), mask=random.random(n) < 0.1),
        "visit": pa.array(np.datetime64("2021-03-01") + random.integers(0, 900, n)),
        "patient": pa.array([f"no. {i}" for i in random.permutation(n)]),
    }
    for column, values in list(columns.items())[1:]:
        made[column] = pa.array(values, mask=holes.get(column))
    names = getattr(data, "target_names", None)
    made["answer"] = pa.array(data.target if names is None else np.asarray(names, object)[data.target])
    return pa.table(made)


@pytest.fixture(params=LOADERS, scope="module")
def files(request, tmp_path_factory):
    """One data set as CSV, as continental CSV and as Parquet."""
    table = as_people_have_it(request.param)
    folder = tmp_path_factory.mktemp(request.param)
    pa.csv.write_csv(table, folder / "data.csv")
    rows = (folder / "data.csv").read_text().replace(".", "§").replace(",", ";").replace("§", ",")
    (folder / "data2.csv").write_text(rows)
    pa.parquet.write_table(table, folder / "data.parquet")
    return request.param, [folder / "data.csv", folder / "data2.csv", folder / "data.parquet"]


def test_every_format_gives_the_same_features(files):
    _, paths = files
    ready = [prepare(read_table(path), "answer") for path in paths]
    for other in ready[1:]:
        np.testing.assert_allclose(other.x, ready[0].x, atol=1e-6)
        assert np.array_equal(other.y, ready[0].y)
        assert [np.array_equal(a, b) for a, b in zip(other.parts, ready[0].parts, strict=True)] == [True] * 3


def test_a_linear_model_on_the_features_beats_the_baseline(files):
    name, (path, *_) = files
    ready = prepare(read_table(path), "answer")
    (x, y), (held_x, held_y) = ready.part(ready.parts.train), ready.part(ready.parts.test)
    year = ready.preprocessor.feature_names.index("visit: year")
    assert (abs(x[:, year].mean()), x[:, year].std()) == (pytest.approx(0, abs=1e-5), pytest.approx(1, abs=1e-5))
    if ready.target.task == "classification":
        classes = len(ready.target.classes)
        scores = classification_scores(held_y, LogisticRegression(max_iter=1000).fit(x, y).predict_proba(held_x))
        baseline = classification_scores(held_y, class_baseline(y, classes, len(held_y)))
        assert scores["accuracy"] > 0.93
        assert baseline["accuracy"] < 0.7
        assert scores["log loss"] < baseline["log loss"] / 3
    else:
        assert name == "diabetes"
        predicted = ready.target.decode(Ridge(10.0).fit(x, y).predict(held_x))
        truth = ready.target.decode(held_y)
        scores = regression_scores(truth, predicted)
        assert scores["R²"] > 0.35
        assert scores["RMSE"] < regression_scores(truth, number_baseline(ready.target.decode(y), len(truth)))["RMSE"]


def test_the_decisions_are_said(files):
    name, (path, *_) = files
    n = len(LOADERS[name]().target)
    notices = prepare(read_table(path), "answer").notices
    reason = {
        "wine": "3 different texts: classification",
        "breast_cancer": "2 different texts: classification",
        "diabetes": "214 different whole numbers in 442 rows: regression",
    }[name]
    assert notices == [
        f"target 'answer' has {reason}",
        f"column 'column_1' is left out: row numbers (0 to {n - 1}, each once)",
        f"column 'patient' is left out: {n} different texts in {n} rows: a name or free text, not a category",
    ]


def test_later_rows_are_read_the_same_way(files, tmp_path):
    """One row of the continental file, alone in a file of its own, gives the features that it had among all."""
    _, (_, path, _) = files
    table = read_table(path)
    ready = prepare(table, "answer")
    pre = Preprocessor.from_json(ready.preprocessor.to_json())
    header, *rows = path.read_text().splitlines()
    for row in (0, 7, 50):
        (tmp_path / "new.csv").write_text(f"{header}\n{rows[row]}\n")
        alone = read_table(tmp_path / "new.csv", kinds=pre.readings)
        np.testing.assert_array_equal(pre.transform(alone)[0], ready.x[row])


def test_a_table_too_small_to_split_is_trained_on_whole():
    ready = prepare(Table.from_arrays({"x": [1, 2, 3, 5], "y": ["a", "b", "a", "b"]}), "y")
    assert [len(part) for part in ready.parts] == [4, 0, 0]
    assert "4 rows are too few to hold any out: all are trained on, and nothing tells how well" in ready.notices


def test_rows_without_a_target_are_left_out():
    values = [None if i % 10 == 0 else i / 3 for i in range(50)]
    ready = prepare(Table.from_arrays({"x": np.arange(50) / 7, "y": values}), "y")
    assert len(ready.x) == len(ready.y) == 45
    assert ready.notices[0] == "5 of 50 rows have no value in 'y' and are left out"


def test_a_code_beside_the_classes_is_told():
    species = np.array(["cat", "dog", "owl"])[np.arange(60) % 3]
    x = np.random.default_rng(0).normal(size=60)
    table = Table.from_arrays({"code": np.arange(60) % 3, "x": x, "species": species})
    told = "column 'code' gives the target away: each of its values goes with one 'species' only; exclude it unless it "
    assert [notice for notice in prepare(table, "species").notices if "away" in notice] == [
        f"{told}will be known for new rows too"
    ]
    assert not [notice for notice in prepare(table, "species", exclude=["code"]).notices if "away" in notice]


def test_other_units_of_the_target_are_told():
    celsius = np.random.default_rng(0).normal(15, 8, 60)
    table = Table.from_arrays({"f": celsius * 1.8 + 32, "near": celsius + np.arange(60) % 2, "c": celsius})
    assert giveaways(table, "c") == [
        (
            "column 'f' gives the target away: it lies on a straight line with 'c'; exclude it unless it will be "
            "known for new rows too"
        )
    ]


def test_every_class_is_trained_on_and_tested(files):
    _, (path, *_) = files
    ready = prepare(read_table(path), "answer")
    if ready.target.task == "classification":
        for part in ready.parts:
            assert len(np.unique(ready.y[part])) == len(ready.target.classes)
        shares = [np.bincount(ready.y[part]) / len(part) for part in ready.parts]
        assert np.ptp(np.array(shares), axis=0).max() < 0.03


def test_mistakes_in_names_are_told_before_anything_is_learned(files):
    _, (path, *_) = files
    table = read_table(path)
    with pytest.raises(
        DataError, match=r"^data.csv has no column 'anser'; did you mean 'answer'\? Its columns: 'column_1'"
    ):
        prepare(table, "anser")
    with pytest.raises(DataError, match=r"^data.csv has no column 'levl'; did you mean 'level'\?"):
        prepare(table, "answer", exclude=["levl"])


def test_the_users_table_is_not_changed(files):
    _, (path, *_) = files
    table, again = read_table(path), read_table(path)
    prepare(table, "answer")
    for column, same in zip(table.columns, again.columns, strict=True):
        np.testing.assert_array_equal(column.values, same.values)
    assert Target.fit(table, "answer") == Target.fit(again, "answer")
