"""`train_table`: a table, a recipe, and the result on rows never seen."""

import numpy as np
import pytest

from backpass.data.prepare import prepare
from backpass.data.table import Table
from backpass.graph.errors import NonFiniteError
from backpass.graph.pytree import leaves_of
from backpass.train.metrics import classification_scores, regression_scores
from backpass.train.recipe import Recipe
from backpass.train.session import train_table

draw = np.random.default_rng(0)
AGE, COLOUR = draw.uniform(0, 90, 300), draw.choice(["red", "green"], 300)
PRICE = 100 * AGE + 2000 * (COLOUR == "red") + 1e5
TABLE = Table.from_arrays(
    {"age": AGE, "colour": COLOUR.tolist(), "old": np.where(AGE > 50, "yes", "no").tolist(), "price": PRICE}
)
SMALL = Recipe(hidden=(16,), dropout=0.0, learning_rate=0.02, epochs=60)


def train(target="old", recipe=SMALL, **options):
    exclude = ["price" if target == "old" else "old"]
    return train_table(prepare(TABLE, target, exclude=exclude, **options), recipe, progress=False)


def test_classes_are_judged_on_the_rows_held_out():
    session = train(validation=0.1, test=0.3)
    assert session.results.rows == 90
    assert session.results.model["accuracy"] > 0.95
    assert session.results.baseline_name in ("always 'yes'", "always 'no'")
    rows = session.prepared.parts.test
    truth = session.prepared.y[rows]
    chances = session.model.predict_proba(TABLE)[rows]
    assert session.results.model == pytest.approx(classification_scores(truth, chances), rel=1e-6)
    assert session.history.best is not None


def test_numbers_are_judged_in_their_own_unit():
    session = train("price", validation=0.0)
    assert session.results.model["R²"] > 0.99
    rows = session.prepared.parts.test
    predicted = session.model.predict(TABLE)[rows]
    assert session.results.model == pytest.approx(regression_scores(PRICE[rows], predicted), rel=1e-5)
    assert session.results.baseline["R²"] < 0.01
    assert session.history.best is None


def test_without_test_rows_there_is_no_result():
    session = train(validation=0.0, test=0.0)
    assert session.results is None
    assert len(session.prepared.parts.train) == 300


def test_test_rows_do_not_reach_training():
    """Other values in the held-out rows: the same θ, to the last bit."""
    first = train(test=0.3, validation=0.0)
    held = first.prepared.parts.test
    age = AGE.copy()
    age[held] = draw.permutation(age[held])
    other = Table.from_arrays(
        {"age": age, "colour": COLOUR.tolist(), "old": np.where(AGE > 50, "yes", "no").tolist(), "price": PRICE}
    )
    second = train_table(prepare(other, "old", exclude=["price"], test=0.3, validation=0.0), SMALL, progress=False)
    np.testing.assert_array_equal(second.prepared.parts.test, held)
    for a, b in zip(leaves_of(first.model.theta), leaves_of(second.model.theta), strict=True):
        np.testing.assert_array_equal(a, b)
    assert second.results.model["accuracy"] < first.results.model["accuracy"]


def test_same_seed_same_bits():
    runs = [train(), train()]
    leaves = [[leaf.tobytes() for leaf in leaves_of(run.model.theta)] for run in runs]
    assert leaves[0] == leaves[1]
    assert runs[0].results.model == runs[1].results.model


def test_a_class_that_only_the_held_out_rows_have():
    labels = ["a"] * 150 + ["b"] * 149 + ["c"]
    table = Table.from_arrays({"x": np.arange(300) * 1.5, "label": labels})
    for seed in range(3):
        prepared = prepare(table, "label", seed=seed, validation=0.0)
        session = train_table(prepared, Recipe(hidden=(4,), epochs=2), seed, progress=False)
        assert session.model.classes == ("a", "b", "c")
        assert session.model.predict_proba(table).shape == (300, 3)


def test_training_that_explodes_says_what_to_try():
    recipe = Recipe(hidden=(16, 16), optimizer="sgd", learning_rate=1e12, epochs=3)
    with pytest.raises(NonFiniteError) as caught:
        train("price", recipe)
    assert "--learning-rate 0.001, or --clip-norm 1" in " ".join(caught.value.__notes__)
    assert all(np.isfinite(leaf).all() for leaf in leaves_of(caught.value.theta))
