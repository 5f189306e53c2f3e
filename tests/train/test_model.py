"""`Model`: predictions in chunks, labels, tables, and what it says about itself."""

import json
from pathlib import Path

import numpy as np
import pytest

import backpass as bp
from backpass import nn
from backpass.data.prepare import prepare
from backpass.data.table import Table
from backpass.graph.errors import DataError, ShapeError
from backpass.train.model import CHUNK
from backpass.train.recipe import Recipe
from backpass.train.session import train_table

draw = np.random.default_rng(0)
X = draw.normal(size=(2 * CHUNK + 7, 3)).astype(np.float32)
Y = np.where(X[:, 0] > 0, "yes", "no")


@pytest.fixture(scope="module")
def model():
    return bp.fit(nn.mlp([8, 2]), (X, Y), epochs=3, batch=64, progress=False).model


@pytest.fixture(scope="module")
def table():
    n = 200
    age = draw.uniform(0, 90, n)
    colour = draw.choice(["red", "green", "blue"], n)
    kind = np.where(age + 20 * (colour == "red") > 50, "old", "new")
    age[::17] = np.nan
    return Table.from_arrays({"age": age, "colour": colour.tolist(), "kind": kind.tolist()})


@pytest.fixture(scope="module")
def session(table):
    return train_table(prepare(table, "kind", validation=0.0), Recipe(hidden=(8,), epochs=20), progress=False)


@pytest.mark.parametrize("n", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 7])
def test_rows_are_predicted_alike_in_every_company(model, n):
    """The bits of a row's prediction depend neither on how many rows are asked for nor on their neighbours."""
    out = model.outputs(X[:n])
    assert out.shape == (n, 2)
    np.testing.assert_array_equal(out, model.outputs(X)[:n])
    np.testing.assert_array_equal(model.predict(X[:n]), model.predict(X)[:n])
    if n:
        np.testing.assert_array_equal(model.outputs(X[n - 1 : n])[0], out[-1])


def test_predictions_are_those_of_the_network(model):
    expected = nn.softmax(model.network(model.theta, X))
    np.testing.assert_allclose(model.outputs(X), expected, rtol=1e-5, atol=1e-7)


def test_inputs_of_another_dtype_layout_or_type(model):
    expected = model.outputs(X)
    for other in (X.astype(np.float64), np.asfortranarray(X), X.tolist(), X[:, ::-1].copy()[:, ::-1]):
        np.testing.assert_array_equal(model.outputs(other), expected)


def test_labels_have_their_own_type(model):
    assert model.predict(X[:2]).dtype.kind == "U"
    numbers = bp.fit(nn.mlp([2]), (X, (Y == "yes").astype(int)), epochs=1, progress=False).model
    assert numbers.predict(X[:2]).dtype == np.int64
    assert numbers.classes == (0, 1)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (X[:, :2], r"takes x of shape \(N, 3\), a row per example, and got shape \(537|519, 2\)"),
        (X[0], r"got shape \(3,\); for a single row write x\[None\]"),
        (np.float32(1.0), r"got shape \(\)"),
        (X[None], r"got shape \(1, 519, 3\)"),
    ],
)
def test_inputs_of_a_wrong_shape(model, x, message):
    with pytest.raises(ShapeError, match=message):
        model.predict(x)


def test_inputs_that_are_not_numbers(model):
    with pytest.raises(DataError, match=r"takes numbers \(float32\), got <U4"):
        model.predict(np.full((2, 3), "text"))
    with pytest.raises(DataError, match="was trained on arrays, not on a table"):
        model.predict(Table.from_arrays({"a": [1.0]}))


def test_what_is_missing_stays_missing(model):
    """A NaN in an input gives NaN for its own row, not an error and not a number for it or for another row."""
    x = X[:3].copy()
    x[1, 0] = np.nan
    out = model.outputs(x)
    assert np.isnan(out[1]).all()
    np.testing.assert_array_equal(out[[0, 2]], model.outputs(X[:3])[[0, 2]])


def test_a_model_of_a_table_prepares_tables(session, table):
    chances = session.model.predict_proba(table)
    labels = session.model.predict(table)
    assert chances.shape == (200, 2)
    assert session.model.classes == ("new", "old")
    np.testing.assert_array_equal(labels, np.array(["new", "old"])[chances.argmax(axis=1)])
    assert np.mean(labels == [table["kind"].texts()[i] for i in range(200)]) > 0.9


def test_a_data_frame_is_a_table(session, table):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({name: table[name].texts() for name in ("colour",)} | {"age": table["age"].values})
    np.testing.assert_array_equal(session.model.predict_proba(frame), session.model.predict_proba(table))
    with pytest.raises(DataError, match="lacks a column that the model was trained on: 'age'"):
        session.model.predict(frame[["colour"]])


def test_numbers_come_back_in_their_own_scale(table):
    x = np.linspace(0, 10, 200)
    line = Table.from_arrays({"x": x, "price": 1e6 * x + 5e7})
    model = train_table(
        prepare(line, "price", validation=0), Recipe(hidden=(8,), dropout=0.0, epochs=200), progress=False
    )
    predicted = model.model.predict(line)
    assert np.corrcoef(predicted, 1e6 * x + 5e7)[0, 1] > 0.99
    assert abs(predicted.mean() - 5.5e7) < 1e6


def test_it_says_what_it_is(model, session):
    assert repr(model) == "<Model: classification: 2 classes; θ has 50 numbers>"
    assert "classification of 'kind': 2 classes" in str(session.model)
    assert "dense_1.W" in str(model)
    run = bp.fit(nn.mlp([1]), (X, X[:, 0]), "squared_error", epochs=2, progress=False)
    assert repr(run).startswith("<Run: 2 epochs, all epochs done, loss ")
    assert "regression: numbers; θ has 4 numbers" in repr(run)
    assert json.dumps(run.model.info)


def test_a_file_tells_nothing_of_where_it_was_made(model, tmp_path):
    def own(theta, x):
        return x @ theta["W"]

    made = bp.fit(own, (X, X[:, :1]), "squared_error", theta={"W": np.ones((3, 1))}, epochs=1, progress=False).model
    for each in (model, made):
        each.save(tmp_path / "a.bp")
        assert str(Path(__file__).parent).encode() not in (tmp_path / "a.bp").read_bytes()
        assert str(Path(bp.__file__).parent).encode() not in (tmp_path / "a.bp").read_bytes()
    assert b"test_model.py" in (tmp_path / "a.bp").read_bytes()
