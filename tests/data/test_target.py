"""Which task a target sets, in words; labels and values there and back."""

import json

import numpy as np
import pytest

from backpass.data.table import Table
from backpass.data.target import Target, rare_classes
from backpass.graph.errors import DataError, ModelFileError

HUNDRED = np.arange(100)
TASKS = {
    "texts": (np.array(["b", "a", "c", "a"])[HUNDRED % 4], "classification", "has 3 different texts", ("a", "b", "c")),
    "yes or no": (HUNDRED % 2 == 0, "classification", "has the two values 'false' and 'true'", ("false", "true")),
    "two numbers": (HUNDRED % 2 + 0.5, "classification", "has two values, 0.5 and 1.5", ("0.5", "1.5")),
    "few whole numbers": (
        HUNDRED % 12 - 1,
        "classification",
        "has 12 different whole numbers in 100 rows",
        tuple(str(i) for i in range(-1, 11)),
    ),
    "many whole numbers": (HUNDRED % 50, "regression", "has 50 different whole numbers in 100 rows", ()),
    "few whole numbers, fewer rows": (HUNDRED[:40] % 9, "regression", "has 9 different whole numbers in 40 rows", ()),
    "numbers with decimals": (HUNDRED % 3 / 2, "regression", "has numbers with decimals", ()),
}


@pytest.mark.parametrize("what", TASKS)
def test_the_task_and_its_reason(what):
    values, task, reason, classes = TASKS[what]
    table = Table.from_arrays({"y": values})
    target = Target.fit(table, "y")
    assert (target.task, target.reason, target.classes) == (task, f"target 'y' {reason}: {task}", classes)
    encoded = target.encode(table)
    assert encoded.dtype == (np.int64 if task == "classification" else np.float32)
    decoded = target.decode(encoded)
    if task == "classification":
        assert decoded.tolist() == table["y"].texts().tolist()
    else:
        np.testing.assert_allclose(decoded, values, atol=1e-4)
        assert (encoded.mean(), encoded.std()) == (pytest.approx(0, abs=1e-6), pytest.approx(1, rel=1e-5))
    assert Target.from_json(json.dumps(target.to_json())) == target


def test_the_task_can_be_chosen():
    table = Table.from_arrays({"stars": HUNDRED % 5, "price": HUNDRED % 20 / 2})
    stars = Target.fit(table, "stars", "regression")
    assert stars.reason == "target 'stars' has 5 different whole numbers in 100 rows: regression, as asked for"
    price = Target.fit(table, "price", "classification")
    assert price.classes[:3] == ("0", "0.5", "1")
    assert price.decode(price.encode(table))[:3].tolist() == ["0", "0.5", "1"]


def test_values_are_standardised_by_the_given_rows():
    target = Target.fit(Table.from_arrays({"y": [0.0, 2.5, 100.0]}), "y", rows=np.array([0, 1]))
    assert (target.mean, target.std) == (1.25, 1.25)


REFUSED = {
    "no such column": (
        {"species": ["a", "b"], "x": [1, 2]},
        "specie",
        None,
        "t.csv has no column 'specie'; did you mean 'species'? Its columns: 'species', 'x'",
    ),
    "one text": (
        {"y": ["a", "a", None]},
        "y",
        None,
        "target 'y' of t.csv has one value only, 'a', in all of its 2 rows: there is nothing to tell apart",
    ),
    "one number": (
        {"y": [3, 3]},
        "y",
        None,
        "target 'y' of t.csv has one value only, '3', in all of its 2 rows: there is nothing to tell apart",
    ),
    "nothing": ({"y": [None, None]}, "y", None, "column 'y' of t.csv has no value in any of its 2 rows"),
    "dates": (
        {"y": np.arange(5).astype("M8[D]")},
        "y",
        None,
        "target 'y' holds dates; write it as a number (say, days since some day) to predict it",
    ),
    "names": (
        {"y": [f"name {i}" for i in range(20)]},
        "y",
        None,
        (
            "target 'y' has 20 different values in 20 rows; classes must repeat to be learned. Is it a name? "
            "Choose another target"
        ),
    ),
    "numbers as classes": (
        {"y": np.arange(20) / 3},
        "y",
        "classification",
        (
            "target 'y' has 20 different values in 20 rows; classes must repeat to be learned. Is it a name? "
            "Choose another target, or regression"
        ),
    ),
    "regression of texts": (
        {"y": ["a", "b", "a"]},
        "y",
        "regression",
        "target 'y' holds text ('a', 'b'), and regression predicts numbers; choose classification",
    ),
    "unknown task": (
        {"y": [1, 2]},
        "y",
        "ranking",
        "there is no task 'ranking'; the tasks are 'classification' and 'regression'",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_targets_that_cannot_be_predicted(what):
    arrays, name, task, message = REFUSED[what]
    with pytest.raises(DataError) as caught:
        Target.fit(Table.from_arrays(arrays, source="t.csv"), name, task)
    assert str(caught.value) == message


def test_later_targets_that_do_not_fit():
    target = Target.fit(Table.from_arrays({"y": ["a", "b", "a"]}), "y")
    with pytest.raises(DataError) as caught:
        target.encode(Table.from_arrays({"y": ["a", "c"]}, source="new.csv"))
    assert str(caught.value) == (
        "target 'y' of new.csv has classes that training did not have: 'c'; the model knows 'a', 'b'"
    )
    with pytest.raises(DataError) as caught:
        target.encode(Table.from_arrays({"y": ["a", None, None]}, source="new.csv"))
    assert str(caught.value) == (
        "target 'y' of new.csv has no value in 2 of 3 rows (the first is row 2); take those rows out"
    )


def test_rare_classes_are_said():
    target = Target.fit(Table.from_arrays({"y": ["a"] * 20 + ["b", "c", "c"]}), "y")
    labels = np.array([0] * 20 + [1, 2, 2])
    expected = "2 classes ('b', 'c') have fewer than 5 rows each: too few to learn or to judge by"
    assert rare_classes(target, labels) == [expected]
    assert rare_classes(target, labels, least=1) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "ranking"}, "target.task should be 'classification' or 'regression', and is 'ranking'"),
        ({"classes": ["a"]}, "target.classes should be two or more different names, and is ('a',)"),
        ({"classes": ["a", "a"]}, "target.classes should be two or more different names, and is ('a', 'a')"),
        ({"classes": "ab"}, "target.classes should be a list, and is 'ab'"),
        ({"std": 0}, "target.std should be more than 0, and is 0.0"),
        ({"kind": "blob"}, "target.kind should be 'number' or 'boolean' or 'text' or 'time', and is 'blob'"),
    ],
)
def test_damaged_states_are_refused(change, message):
    state = Target.fit(Table.from_arrays({"y": ["a", "b", "a"]}), "y").to_json()
    with pytest.raises(ModelFileError) as caught:
        Target.from_json(state | change)
    assert str(caught.value) == f"the model file is damaged: {message}"
    with pytest.raises(ModelFileError):
        Target.from_json("{")
