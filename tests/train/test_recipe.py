"""`Recipe`: defaults by the size of the table, and what a person's choices change."""

import pytest

from backpass.train.recipe import Recipe, recipe_for, validation_share


@pytest.mark.parametrize("rows", [10, 178, 999, 1_000, 1_797, 20_000, 100_000, 1_000_000, 10_000_000])
def test_defaults_suit_the_number_of_rows(rows):
    recipe = recipe_for(rows)
    assert 5 <= recipe.epochs <= 100
    assert 32 <= recipe.batch <= 1024
    assert 0 <= validation_share(rows) <= 0.2
    assert recipe.epochs * rows / recipe.batch < 1e5 or recipe.epochs == 5  # steps


def test_choices_replace_defaults_and_none_does_not():
    recipe = Recipe().with_choices(hidden=(5,), dropout=None, epochs=3)
    assert (recipe.hidden, recipe.dropout, recipe.epochs) == ((5,), Recipe().dropout, 3)
    assert [layer.units for layer in recipe.network(4).layers if hasattr(layer, "units")] == [5, 4]


def test_no_hidden_layer_is_a_linear_model():
    assert len(Recipe(hidden=()).network(3).layers) == 1


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "rmsprop"])
def test_adaptive_rules_run_on_one_cycle_over_the_whole_run(optimizer):
    rule = Recipe(optimizer=optimizer, learning_rate=0.02, epochs=10, batch=10).rule(rows=95)
    rates = [float(rule.rate_at(step)) for step in range(100)]
    assert max(rates) == pytest.approx(0.02, rel=1e-3)
    assert rates[0] < 0.005
    assert rates[-1] < 0.001


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov", "adagrad"])
def test_other_rules_keep_a_constant_rate(optimizer):
    rule = Recipe(optimizer=optimizer, learning_rate=0.02).rule(rows=95)
    assert rule.rate_at(0) == rule.rate_at(500) == 0.02


def test_weight_decay_and_clipping():
    assert Recipe(weight_decay=0.5).rule(100).hyperparameters["weight_decay"] == 0.5
    assert Recipe(optimizer="sgd").rule(100).hyperparameters["weight_decay"] == 0.0
    clipped = Recipe(clip_norm=2.0).rule(100)
    assert clipped.name == "clip"
    assert clipped.hyperparameters["norm"] == 2.0


def test_a_table_smaller_than_a_batch():
    assert float(Recipe(epochs=1, batch=500).rule(rows=3).rate_at(0)) > 0
