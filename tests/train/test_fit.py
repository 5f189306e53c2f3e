"""`bp.fit`: models of every kind, on arrays."""

import math

import numpy as np
import pytest

import backpass as bp
from backpass import nn
from backpass.graph.errors import DataError, DtypeError, ShapeError
from backpass.graph.pytree import leaves_of

draw = np.random.default_rng(0)
X = draw.normal(size=(240, 3))
LABELS = np.array(["low", "middle", "high"])[np.digitize(X[:, 0] + 0.2 * X[:, 1], [-0.5, 0.5])]
SIGN = X[:, 0] > X[:, 1]
NUMBER = 2 * X[:, 0] - X[:, 1] + 0.5


def fit(model, data, loss="cross_entropy", **options):
    return bp.fit(model, data, loss, progress=False, **{"epochs": 15, "optimizer": bp.descent.adam(0.03), **options})


def bits(model):
    return [leaf.tobytes() for leaf in leaves_of((model.theta, model.state))]


def accuracy(model, x=X, y=LABELS):
    return np.mean(model.predict(x) == y)


# --- models


def test_a_sequential_learns_labels_of_text():
    run = fit(nn.mlp([16, 3]), (X, LABELS))
    assert accuracy(run.model) > 0.95
    assert run.model.classes == ("high", "low", "middle")
    assert run.history["accuracy"][-1] == pytest.approx(accuracy(run.model))
    assert run.model.theta["dense_1"]["W"].dtype == np.float32
    chances = run.model.predict_proba(X)
    assert chances.shape == (240, 3)
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-5)
    assert run.stopped == "all epochs done"


def test_a_function_with_a_theta():
    def model(theta, x):
        return np.tanh(x @ theta["W"] + theta["b"]) @ theta["V"]

    start = {"W": draw.normal(size=(3, 8)), "b": np.zeros(8), "V": 0.1 * draw.normal(size=(8, 3))}
    kept = {name: value.copy() for name, value in start.items()}
    run = fit(model, (X, LABELS), theta=start, epochs=30)
    assert accuracy(run.model) > 0.95
    assert all(np.array_equal(start[name], kept[name]) for name in start)
    assert run.model.theta["W"].dtype == np.float32
    with pytest.raises(DataError, match="needs a θ to start from"):
        fit(model, (X, LABELS))


def test_a_function_with_numbers_in_its_theta():
    run = fit(lambda theta, x: x[:, 0] * theta["a"] + theta["b"], (X, 3 * X[:, 0] + 1), "squared_error",
              theta={"a": 0.0, "b": 0.0}, optimizer=bp.descent.adam(0.1), epochs=30)  # fmt: skip
    assert run.model.theta["a"] == pytest.approx(3, abs=0.01)
    np.testing.assert_allclose(run.model.predict(X), 3 * X[:, 0] + 1, atol=0.05)


class Gate(nn.Module):
    """A layer of one's own, with a state that counts what it was trained on and θ in another dtype."""

    def init(self, rng, x):
        return {"scale": np.ones(x.shape[-1])}, {"seen": 0, "mean": 0.0}

    def apply(self, theta, state, x, *, training=False, key=None):
        if training:
            state = {"seen": state["seen"] + x.shape[0], "mean": 0.9 * state["mean"] + 0.1 * np.mean(x)}
        return x * theta["scale"] - state["mean"], state


def test_a_class_of_ones_own_with_a_state():
    run = fit(nn.Sequential(Gate(), nn.Dense(3)), (X, LABELS), epochs=10, batch=50)
    assert accuracy(run.model) > 0.9
    state = run.model.state["gate_1"]
    assert state["seen"] == 2400
    assert state["mean"].dtype == np.float32
    assert state["mean"] != 0
    assert run.model.theta["gate_1"]["scale"].dtype == np.float32


class Plain:
    def init(self, rng, x):
        return {"w": np.zeros((x.shape[1], 3), x.dtype)}, {}

    def apply(self, theta, state, x, *, training=False, key=None):
        return x @ theta["w"], state


def test_an_object_with_init_and_apply():
    assert accuracy(fit(Plain(), (X, LABELS), epochs=30).model) > 0.65  # a line through the origin tells no middle


def test_dropout_and_batch_norm_act_in_training_only():
    model = nn.Sequential(nn.Dense(32), nn.BatchNorm(), nn.relu, nn.Dropout(0.3), nn.Dense(3))
    run = fit(model, (X, LABELS), epochs=25)
    assert accuracy(run.model) > 0.93
    state = run.model.state["batch_norm_1"]
    assert all(np.isfinite(leaf).all() for leaf in leaves_of(state))
    assert any(np.any(leaf != 0) for leaf in leaves_of(state))
    np.testing.assert_array_equal(run.model.predict_proba(X), run.model.predict_proba(X))
    np.testing.assert_array_equal(run.model.predict_proba(X[:5]), run.model.predict_proba(X)[:5])
    plain = nn.softmax(model(run.model.theta, X.astype(np.float32), state=run.model.state))
    np.testing.assert_allclose(run.model.predict_proba(X), plain, rtol=2e-5, atol=1e-7)


def test_embeddings_take_whole_numbers():
    tokens = draw.integers(0, 12, size=(300, 2))
    y = (tokens.sum(axis=1) > 11).astype(int)
    run = fit(
        nn.Sequential(nn.Embedding(12, 4), nn.Flatten(), nn.Dense(16), nn.relu, nn.Dense(2)), (tokens, y), epochs=40
    )
    assert accuracy(run.model, tokens, y) > 0.95
    with pytest.raises(DataError, match="takes whole numbers"):
        run.model.predict(tokens + 0.5)
    with pytest.raises(ShapeError, match="rows are numbered from 0 to 11"):
        fit(nn.Sequential(nn.Embedding(12, 4), nn.Flatten(), nn.Dense(2)), (tokens + 5, y))


def test_images_of_any_shape():
    images = draw.normal(size=(60, 4, 4))
    y = images[:, 1, 1] > 0
    run = fit(nn.Sequential(nn.Flatten(), nn.Dense(2)), (images, y), epochs=30)
    assert accuracy(run.model, images, y) > 0.9


# --- losses


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", {"name": "huber", "delta": 0.5}])
@pytest.mark.parametrize("shape", [(240,), (240, 1)])
def test_losses_of_numbers(loss, shape):
    run = fit(nn.mlp([16, 1]), (X, NUMBER.reshape(shape)), loss, epochs=40)
    assert run.history["R²"][-1] > 0.97
    np.testing.assert_allclose(run.model.predict(X), NUMBER, atol=1.2)
    assert run.model.task == "regression"
    with pytest.raises(DataError, match="gives numbers, no class probabilities"):
        run.model.predict_proba(X)


def test_targets_of_several_numbers():
    y = np.stack([NUMBER, -NUMBER, X[:, 2]], axis=1)
    run = fit(nn.mlp([32, 3]), (X, y), "squared_error", epochs=40)
    assert run.model.predict(X).shape == (240, 3)
    assert run.history["R²"][-1] > 0.97


def test_quantile():
    noise = draw.normal(size=2000)
    run = fit(lambda theta, x: x[:, 0] * 0 + theta, (np.zeros((2000, 1)), noise), {"name": "quantile", "q": 0.9},
              theta=0.0, optimizer=bp.descent.adam(bp.descent.cosine(0.1, 315)), epochs=5)  # fmt: skip
    assert np.mean(noise < run.model.predict(np.zeros((1, 1)))[0]) == pytest.approx(0.9, abs=0.01)


def test_poisson_predicts_rates():
    rate = np.exp(0.5 * X[:, 0] + 1)
    counts = draw.poisson(rate)
    run = fit(nn.Sequential(nn.Dense(1)), (X, counts), "poisson", epochs=60)
    predicted = run.model.predict(X)
    assert (predicted > 0).all()
    assert np.corrcoef(predicted, rate)[0, 1] > 0.98
    assert run.history.epochs[0].scores == {}


@pytest.mark.parametrize("y", [SIGN, SIGN.astype(int), SIGN.astype(float), np.where(SIGN, "yes", "no"), SIGN[:, None]])
def test_binary_cross_entropy(y):
    run = fit(nn.Sequential(nn.Dense(1)), (X, y), "binary_cross_entropy", epochs=30)
    truth = y.reshape(240)
    assert accuracy(run.model, X, truth) > 0.95
    assert run.history["accuracy"][-1] == pytest.approx(accuracy(run.model, X, truth))
    chances = run.model.predict_proba(X)
    assert chances.shape == (240, 2)
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-6)
    assert np.mean((chances[:, 1] > 0.5) == SIGN) > 0.95


def test_binary_cross_entropy_of_several_questions():
    y = np.stack([X[:, 0] > 0, X[:, 1] > 0], axis=1).astype(float)
    run = fit(nn.Sequential(nn.Dense(2)), (X, y), "binary_cross_entropy", epochs=30)
    assert run.model.predict(X).shape == (240, 2)
    assert np.mean(run.model.predict(X) == y) > 0.95


def test_binary_cross_entropy_of_probabilities():
    chance = 1 / (1 + np.exp(-2 * X[:, 0]))
    run = fit(nn.Sequential(nn.Dense(1)), (X, chance), "binary_cross_entropy", epochs=60, validation=(X, chance))
    np.testing.assert_allclose(run.model.predict_proba(X)[:, 1], chance, atol=0.02)


def test_hinge():
    many = fit(nn.Sequential(nn.Dense(3)), (X, LABELS), "hinge", epochs=40)
    assert accuracy(many.model) > 0.93
    assert many.history["accuracy"][-1] == pytest.approx(accuracy(many.model))
    for y in (SIGN, np.where(SIGN, 1, -1)):
        two = fit(nn.Sequential(nn.Dense(1)), (X, y), "hinge", epochs=30)
        assert accuracy(two.model, X, y) > 0.95
        assert two.history["accuracy"][-1] == pytest.approx(accuracy(two.model, X, y))
    with pytest.raises(DataError, match=r"gives scores.*no class probabilities"):
        many.model.predict_proba(X)


def test_cross_entropy_of_distributions():
    one_hot = np.eye(3)[np.digitize(X[:, 0], [-0.5, 0.5])]
    run = fit(nn.mlp([16, 3]), (X, one_hot), epochs=25, validation=0.2)
    assert run.model.classes == (0, 1, 2)
    assert np.mean(run.model.predict(X) == one_hot.argmax(axis=1)) > 0.95
    assert run.history["accuracy"][-1] > 0.9


def test_cross_entropy_for_every_step_of_a_sequence():
    tokens = draw.integers(0, 5, size=(80, 6))
    run = fit(nn.Sequential(nn.Embedding(5, 8), nn.Dense(5)), (tokens, (tokens + 1) % 5), epochs=30)
    np.testing.assert_array_equal(run.model.predict(tokens), (tokens + 1) % 5)
    assert run.history["accuracy"][-1] == 1


def test_label_smoothing_keeps_probabilities_from_the_ends():
    sharp, smooth = (
        fit(nn.mlp([16, 3]), (X, LABELS), {"name": "cross_entropy", "label_smoothing": s}, epochs=60).model
        for s in (0.0, 0.3)
    )
    assert smooth.predict_proba(X).max() < 0.95 < sharp.predict_proba(X).max()


def test_a_loss_of_ones_own():
    def log_cosh(output, target):
        return np.mean(np.log(np.cosh(output[:, 0] - target)))

    run = fit(nn.mlp([16, 1]), (X, NUMBER), log_cosh, epochs=40)
    assert run.history["R²"][-1] > 0.97
    assert run.model.info["loss"] == "log_cosh"


# --- weights


def test_a_weight_of_two_counts_as_two_rows():
    weight = draw.integers(1, 4, size=240)
    twice = np.repeat(np.arange(240), weight)
    options = {"epochs": 30, "batch": 10_000, "dtype": np.float64, "optimizer": bp.descent.sgd(0.1)}
    weighted = fit(nn.Sequential(nn.Dense(3)), (X, LABELS), sample_weight=weight, **options).model
    repeated = fit(nn.Sequential(nn.Dense(3)), (X[twice], LABELS[twice]), **options).model
    for a, b in zip(leaves_of(weighted.theta), leaves_of(repeated.theta), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6)  # sample weights are held in float32


def test_class_weights():
    rare = np.flatnonzero(LABELS == "high")[:6]
    rows = np.concatenate([rare, np.flatnonzero(LABELS != "high")])
    x, y = X[rows] * 0 + 1.0, LABELS[rows]  # nothing to learn from: the shares alone are learned
    options = {"epochs": 100, "batch": 1000, "optimizer": bp.descent.sgd(1.0)}
    plain = fit(nn.Sequential(nn.Dense(3)), (x, y), **options).model.predict_proba(x[:1])[0]
    np.testing.assert_allclose(plain, [np.mean(y == c) for c in ("high", "low", "middle")], atol=1e-3)
    balanced = fit(nn.Sequential(nn.Dense(3)), (x, y), class_weight="balanced", **options)
    np.testing.assert_allclose(balanced.model.predict_proba(x[:1])[0], 1 / 3, atol=1e-3)
    only = fit(nn.Sequential(nn.Dense(3)), (x, y), class_weight={"low": 0.0, "high": 2.0}, **options)
    high, middle = 2.0 * len(rare), np.sum(y == "middle")
    np.testing.assert_allclose(
        only.model.predict_proba(x[:1])[0], [high / (high + middle), 0, middle / (high + middle)], atol=0.02
    )


def test_weights_count_in_the_loss_of_the_watched_rows_and_not_in_their_scores():
    weight = np.random.default_rng(3).uniform(0, 2, 240).astype(np.float32)
    held = np.arange(180, 240)
    data, options = (X[:180], LABELS[:180]), {"epochs": 1, "batch": 60}
    for sample, by_class in ((weight[held], None), (None, {"high": 3.0}), (weight[held], {"high": 3.0})):
        watched = (X[held], LABELS[held]) if sample is None else (X[held], LABELS[held], sample)
        run = fit(nn.mlp([16, 3]), data, validation=watched, class_weight=by_class, **options)
        chances = run.model.predict_proba(X[held])
        place = np.searchsorted(run.model.classes, LABELS[held])
        losses = -np.log(chances[np.arange(60), place])
        counts = np.ones(60) if sample is None else sample.astype(float)
        counts = counts * (np.where(LABELS[held] == "high", 3.0, 1.0) if by_class else 1.0)
        assert run.history["validation_loss"][0] == pytest.approx(np.average(losses, weights=counts), rel=1e-5)
        assert run.history["accuracy"][0] == pytest.approx(np.mean(chances.argmax(axis=1) == place))
    share = fit(nn.mlp([16, 3]), (X, LABELS), validation=0.25, sample_weight=weight, **options)
    assert (
        share.history["validation_loss"]
        != fit(nn.mlp([16, 3]), (X, LABELS), validation=0.25, **options).history["validation_loss"]
    )


# --- validation, early stopping, determinism


def test_validation_as_a_share_and_as_a_pair():
    share = fit(nn.mlp([16, 3]), (X, LABELS), validation=0.25)
    assert share.model.info["rows"] == 180
    pair = fit(nn.mlp([16, 3]), (X[:180], LABELS[:180]), validation=(X[180:], LABELS[180:]))
    for run in (share, pair):
        held = run.history["validation_loss"]
        assert all(math.isfinite(value) for value in held)
        assert run.history.best == int(np.argmin(held)) + 1
    chances = pair.model.predict_proba(X[180:])
    index = [pair.model.classes.index(label) for label in LABELS[180:]]
    best = -np.mean(np.log(chances[np.arange(60), index]))
    assert best == pytest.approx(min(pair.history["validation_loss"]), rel=1e-5)


def test_early_stopping_gives_back_the_best_theta():
    noisy = np.where(draw.random(240) < 0.3, draw.permutation(LABELS), LABELS)
    options = {"optimizer": bp.descent.adam(0.03), "seed": 1}
    held = (X[160:], noisy[160:])
    run = fit(nn.mlp([64, 3]), (X[:160], noisy[:160]), validation=held, patience=5, epochs=200, **options)
    assert run.stopped == "no improvement in 5 epochs"
    assert len(run.history) == run.history.best + 5 < 200
    again = fit(nn.mlp([64, 3]), (X[:160], noisy[:160]), epochs=run.history.best, **options)
    assert bits(again.model) == bits(run.model)


def test_same_seed_same_bits():
    def run(seed):
        model = nn.Sequential(nn.Dense(8), nn.relu, nn.Dropout(0.5), nn.Dense(3))
        return fit(model, (X, LABELS), validation=0.2, epochs=3, seed=seed)

    first, again, other = run(4), run(4), run(5)
    assert bits(first.model) == bits(again.model) != bits(other.model)
    assert first.history["validation_loss"] == again.history["validation_loss"]


def test_metrics_of_ones_own_are_columns_of_the_history():
    run = fit(nn.mlp([8, 1]), (X, NUMBER), "squared_error", epochs=2, validation=0.5,
              metrics={"worst": lambda y, out: np.max(np.abs(y - out.reshape(y.shape)))})  # fmt: skip
    assert len(run.history["worst"]) == 2
    assert set(run.history.epochs[0].scores) == {"R²", "worst"}


def test_everything_in_float64():
    run = fit(nn.mlp([8, 3]), (X, LABELS), dtype=np.float64, epochs=2)
    assert {leaf.dtype for leaf in leaves_of((run.model.theta, run.model.state))} == {np.dtype(np.float64)}
    assert run.model.predict_proba(X).dtype == np.float64


def test_class_numbers_of_which_some_are_absent():
    y = np.where(X[:, 0] > 0, 3, 1)
    run = fit(nn.mlp([8, 5]), (X, y), labels=5, epochs=30)
    assert run.model.classes == (0, 1, 2, 3, 4)
    assert accuracy(run.model, X, y) > 0.95


def test_the_data_are_not_changed():
    x, y = X.copy(), LABELS.copy()
    x.flags.writeable = False
    fit(nn.mlp([8, 3]), (x, y), epochs=2)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, LABELS)


def test_lists_will_do():
    run = fit(nn.Sequential(nn.Dense(2)), (X.tolist(), SIGN.tolist()), epochs=30)
    assert run.model.classes == (False, True)
    assert accuracy(run.model, X.tolist(), SIGN) > 0.95


# --- what cannot be used


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"data": X}, DataError, r"data must be a pair \(X, y\)"),
        ({"data": (X, LABELS[:100])}, ShapeError, r"X: shape \(240, 3\)\n    y: shape \(100,\)"),
        ({"data": (X, ["low"] * 240)}, DataError, "y holds one class only, 'low'"),
        ({"data": (X, NUMBER)}, DataError, r"y holds fractions, such as .*use loss='squared_error'"),
        ({"data": (X, np.array(["a", 1] * 120, object))}, DataError, r"labels of several kinds \(int, str\)"),
        ({"model": nn.mlp([10])}, ShapeError, r"gives 10 scores a row, and y has 3 classes .* last layer Dense\(3\)"),
        ({"model": nn.mlp([1])}, ShapeError, r"gives 1 scores? a row, and y has 3 classes"),
        ({"model": nn.mlp([10]), "data": (X, np.arange(240) % 9)}, ShapeError, "labels=10"),
        ({"loss": "squared_error"}, DataError, "y holds str.* values, not real numbers: '"),
        ({"loss": "squared_error", "data": (X, NUMBER)}, ShapeError, "output and target must have the same shape"),
        ({"loss": "binary_cross_entropy", "model": nn.mlp([1])}, DataError, "takes two classes, y has 3"),
        ({"loss": "crossentropy"}, ValueError, "did you mean 'cross_entropy'"),
        ({"optimizer": "admw"}, ValueError, "did you mean 'adamw'"),
        ({"labels": 2, "data": (X, np.arange(240) % 3)}, DataError, "whole numbers from 0 to 1"),
        ({"validation": 1.5}, DataError, "between 0 and 1"),
        ({"validation": "some"}, DataError, "a share such as 0.2"),
        ({"validation": (X, ["huge"] * 240)}, DataError, "classes that the training set lacks: 'huge'"),
        ({"validation": (X[:, :2], LABELS)}, ShapeError, r"validation X: shape \(240, 2\)\n    training X: shape"),
        ({"patience": 3}, DataError, "patience needs rows to watch"),
        ({"sample_weight": np.ones(5)}, ShapeError, "sample_weight has shape"),
        ({"sample_weight": -np.ones(240)}, DataError, "0 or above"),
        ({"class_weight": {"hihg": 2.0}}, DataError, "keys among 'high', 'low', 'middle'"),
        ({"class_weight": "balance"}, DataError, "must be 'balanced' or a dict"),
        ({"class_weight": "balanced", "loss": "poisson", "data": (X, X)}, DataError, "needs one class a row"),
        ({"model": nn.Dense}, ValueError, r"write Dense\(\.\.\.\)"),
        ({"epochs": 0}, ValueError, "epochs"),
    ],
)  # fmt: skip
def test_arguments_that_cannot_be_used(arguments, error, message):
    given = {"model": nn.mlp([3]), "data": (X, LABELS), **arguments}
    with pytest.raises(error, match=message):
        fit(given.pop("model"), given.pop("data"), **given)


def test_a_theta_of_whole_numbers_is_refused():
    with pytest.raises(DtypeError, match=r"theta\.a has dtype int64"):
        fit(lambda theta, x: x[:, 0] * theta["a"], (X, NUMBER), "squared_error", theta={"a": 1})
