"""`bp.descend`: gradient descent on losses written as plain NumPy."""

import dataclasses
from typing import NamedTuple

import numpy as np
import pytest

import backpass as bp
from backpass.descent import adam, clip, cosine, momentum, named, one_cycle, sgd
from backpass.graph.errors import DataError, DtypeError, NonFiniteError, ShapeError
from backpass.graph.pytree import leaves_of, tree_map

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 3))
TRUE = np.array([1.5, -2.0, 0.5])
Y = X @ TRUE + 0.7


def line(theta, x, y):
    return np.mean((x @ theta["w"] + theta["b"] - y) ** 2)


def start():
    return {"w": np.zeros(3), "b": 0.0}


def bits(tree):
    return [np.asarray(leaf).tobytes() for leaf in leaves_of(tree)]


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"])
def test_every_optimizer_finds_the_known_minimum(optimizer):
    rate = {"sgd": 0.1, "momentum": 0.02, "nesterov": 0.02, "adagrad": 0.5}.get(optimizer, 0.1)
    decay = {"weight_decay": 0.0} if optimizer == "adamw" else {}
    schedule = rate if optimizer in ("sgd", "momentum", "nesterov", "adagrad") else cosine(rate, steps=390)
    rule = named(optimizer, learning_rate=schedule, **decay)
    theta, history = bp.descend(line, start(), (X, Y), rule, epochs=200, batch=30)
    np.testing.assert_allclose(theta["w"], TRUE, atol=1e-3)
    assert theta["b"] == pytest.approx(0.7, abs=1e-3)
    assert len(history) == 200
    assert history.stopped == "all epochs done"
    assert history.loss[-1] < 1e-5 < history.loss[0]


def test_full_batch_descent_is_the_formula_step_by_step():
    theta = {"w": np.array([0.3, 0.1, -0.2]), "b": 0.1}
    found, history = bp.descend(line, theta, (X, Y), sgd(0.05), epochs=5, batch=None)
    order = np.random.default_rng(0)
    expected = theta
    for epoch in range(5):
        rows = order.permutation(60)
        value, gradient = bp.value_and_grad(line)(expected, X[rows], Y[rows])
        assert history.loss[epoch] == pytest.approx(float(value), rel=1e-14)
        norm = np.sqrt(np.sum(gradient["w"] ** 2) + gradient["b"] ** 2)
        assert history["gradient_norm"][epoch] == pytest.approx(norm, rel=1e-12)
        expected = tree_map(lambda t, g: t - 0.05 * g, expected, gradient)
    np.testing.assert_allclose(found["w"], expected["w"], rtol=1e-14)
    assert found["b"] == pytest.approx(expected["b"], rel=1e-14)


@pytest.mark.parametrize("rule", [sgd(0.01), momentum(0.01), adam(0.01), clip(adam(one_cycle(0.1, 20)), norm=0.5)])
def test_interpreted_steps_have_the_bits_of_eager_steps(rule, monkeypatch):
    """The graph of a step, run by the interpreter, is the same arithmetic as the functions called one after another."""
    monkeypatch.setenv("BACKPASS_NATIVE", "0")

    def loss(theta, x, y):
        a = np.tanh(x @ theta["W"] + theta["b"])
        return np.mean((a @ theta["v"] - y) ** 2)

    draw = np.random.default_rng(1)
    for dtype in (np.float32, np.float64):
        theta = {"W": draw.normal(size=(3, 5)), "b": np.zeros(5), "v": draw.normal(size=5)}
        theta = {name: value.astype(dtype) for name, value in theta.items()}
        x, y = X.astype(dtype), Y.astype(dtype)
        found, _ = bp.descend(loss, theta, (x, y), rule, epochs=3, batch=16, seed=3)
        order, memory, step = np.random.default_rng(3), rule.init(theta), 0
        for _ in range(3):
            rows = order.permutation(60)
            for k in range(0, 60, 16):
                gradient = bp.grad(loss)(theta, x[rows[k : k + 16]], y[rows[k : k + 16]])
                theta, memory = rule.update(theta, gradient, memory, np.int64(step))
                step += 1
        assert bits(found) == bits(theta)


def test_same_seed_same_bits_and_another_seed_other_bits():
    runs = [bp.descend(line, start(), (X, Y), adam(0.01), epochs=4, seed=s)[0] for s in (5, 5, 6)]
    assert bits(runs[0]) == bits(runs[1]) != bits(runs[2])


class Pair(NamedTuple):
    w: np.ndarray
    b: np.ndarray


@dataclasses.dataclass
class Record:
    w: np.ndarray
    b: np.ndarray


@pytest.mark.parametrize(
    ("theta", "read"),
    [
        (Pair(np.zeros(3), np.zeros(())), lambda t: (t.w, t.b)),
        (Record(np.zeros(3), np.zeros(())), lambda t: (t.w, t.b)),
        ([np.zeros(3), [np.zeros(())]], lambda t: (t[0], t[1][0])),
        ((np.zeros(3), {"b": np.zeros(())}), lambda t: (t[0], t[1]["b"])),
        ({"deep": {"w": np.zeros(3), "b": np.zeros((), np.float32)}}, lambda t: (t["deep"]["w"], t["deep"]["b"])),
    ],
    ids=["named tuple", "dataclass", "lists", "tuple", "mixed dtypes"],
)
def test_theta_keeps_its_structure_shapes_and_dtypes(theta, read):
    def loss(theta, x, y):
        w, b = read(theta)
        return np.mean((x @ w + b - y) ** 2)

    found, _ = bp.descend(loss, theta, (X, Y), adam(0.1), epochs=60)
    assert type(found) is type(theta)
    for before, after in zip(leaves_of(theta), leaves_of(found), strict=True):
        assert (np.shape(before), before.dtype) == (np.shape(after), after.dtype)
    np.testing.assert_allclose(read(found)[0], TRUE, atol=0.05)


def test_python_floats_stay_python_floats():
    theta, _ = bp.descend(lambda t: (t["a"] - 2.0) ** 2, {"a": 0.5}, optimizer=sgd(0.1), epochs=100)
    assert type(theta["a"]) is float
    assert theta["a"] == pytest.approx(2.0)
    alone, _ = bp.descend(lambda t: (t - 2.0) ** 2, 0.5, optimizer=sgd(0.1), epochs=100)
    assert type(alone) is float
    assert alone == pytest.approx(2.0)


def test_a_loss_without_data_takes_one_step_an_epoch():
    theta, history = bp.descend(lambda t: np.sum((t - 3.0) ** 2), np.zeros(2), optimizer=sgd(0.25), epochs=2)
    np.testing.assert_array_equal(theta, [2.25, 2.25])  # 3 (1 − ½²)
    assert history.loss == [18.0, 4.5]


def test_the_argument_is_neither_changed_nor_given_back():
    theta = {"w": np.array([0.1, 0.2, 0.3]), "b": np.array(0.4)}
    kept = tree_map(np.copy, theta)
    data = (X.copy(), Y.copy())
    found, _ = bp.descend(line, theta, data, epochs=2)
    assert bits(theta) == bits(kept)
    np.testing.assert_array_equal(data[0], X)
    interrupted, _ = bp.descend(line, theta, data, epochs=2, callback=_interrupt)
    for result in (found, interrupted):
        assert not any(np.shares_memory(a, b) for a, b in zip(leaves_of(theta), leaves_of(result), strict=True))


def _interrupt(epoch):
    raise KeyboardInterrupt


def test_theta_may_be_read_only():
    theta = np.zeros(3)
    theta.flags.writeable = False
    found, _ = bp.descend(lambda t: np.sum((t - 1) ** 2), theta, optimizer=sgd(0.5), epochs=1)
    np.testing.assert_array_equal(found, np.ones(3))


def test_validation_gives_back_the_best_theta_and_patience_stops():
    """On data whose validation set asks for less than the training set, the best θ lies on the way, not at the end."""
    held = (X, X @ TRUE * 0.5 + 0.7)
    seen = []
    theta, history = bp.descend(
        line, start(), (X, Y), sgd(0.02), epochs=300, batch=None, validation=held, patience=7, callback=seen.append
    )
    losses = history["validation_loss"]
    assert history.best == int(np.argmin(losses)) + 1
    assert 1 < history.best < len(history)
    assert len(history) == history.best + 7
    assert history.stopped == "no improvement in 7 epochs"
    assert float(line(theta, *held)) == pytest.approx(min(losses), rel=1e-12)
    assert seen == history.epochs
    again, _ = bp.descend(line, start(), (X, Y), sgd(0.02), epochs=history.best, batch=None)
    assert bits(again) == bits(theta)


def test_a_callback_that_returns_true_stops():
    _, history = bp.descend(line, start(), (X, Y), epochs=50, callback=lambda epoch: epoch.number == 3)
    assert (len(history), history.stopped) == (3, "callback")


def test_an_error_in_a_callback_is_not_swallowed():
    with pytest.raises(ZeroDivisionError):
        bp.descend(line, start(), (X, Y), epochs=2, callback=lambda epoch: 1 / 0)


def test_the_last_batch_may_be_smaller_and_counts_by_its_rows():
    theta, history = bp.descend(
        lambda t, x: np.mean(t * x), 1.0, (np.array([1.0, 2.0, 6.0]),), sgd(1e-12), batch=2, epochs=1
    )
    assert history.loss[0] == pytest.approx(3.0)
    assert type(theta) is float


def test_columns_of_the_history():
    _, history = bp.descend(line, start(), (X, Y), sgd(cosine(0.1, steps=6)), epochs=3, batch=30)
    assert history["number"] == [1, 2, 3]
    assert history["learning_rate"] == pytest.approx([0.1, 0.075, 0.025])
    assert all(seconds > 0 for seconds in history["seconds"])
    assert history["validation_loss"] == [None] * 3
    with pytest.raises(KeyError, match="there is no column 'lose'; there are number, loss"):
        history["lose"]


def test_a_loss_that_is_not_a_scalar_is_refused_before_the_first_step():
    with pytest.raises(ShapeError, match="needs a scalar"):
        bp.descend(lambda t, x: t * x, np.zeros(3), (X,))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"theta": {"w": np.zeros(3, int), "b": 0.0}}, DtypeError, "theta.w has dtype int64"),
        ({"theta": {"w": np.zeros(3), "b": 0}}, DtypeError, "theta.b is the int 0"),
        ({"data": (X, Y[:50])}, ShapeError, r"data\[0\]: shape \(60, 3\)\n    data\[1\]: shape \(50,\)"),
        ({"data": X}, DataError, r"data must be a tuple of arrays, such as \(X, y\); got ndarray"),
        ({"data": (X, 5.0)}, ShapeError, r"data\[1\] is the single value np.float64\(5.0\)"),
        ({"data": (X[:0], Y[:0])}, DataError, "the data has no rows"),
        ({"data": (X, Y.astype(str))}, DataError, r"data\[1\] holds str\d+ values"),
        ({"validation": (X,)}, ShapeError, "validation must hold 2 arrays"),
        ({"validation": (X[:, :2], Y)}, ShapeError, r"validation\[0\] has rows of shape \(2,\), data\[0\] of \(3,\)"),
        ({"patience": 3}, DataError, "patience needs rows to watch"),
        ({"epochs": 0}, ValueError, "epochs"),
        ({"batch": 0}, ValueError, "batch"),
        ({"batch": 2.5}, ValueError, "batch"),
        ({"optimizer": "adan"}, ValueError, "did you mean 'adam'"),
    ],
)
def test_arguments_that_cannot_be_used(arguments, error, message):
    given = {"theta": start(), "data": (X, Y), **arguments}
    with pytest.raises(error, match=message):
        bp.descend(line, given.pop("theta"), given.pop("data"), **given)


def test_a_theta_that_a_step_breaks_is_not_kept():
    """An infinite step breaks θ while the loss is still finite: what is kept is the θ before that step."""
    steps = cosine(1e200, steps=1000)
    with pytest.raises(NonFiniteError, match="stopped being finite in step 1") as caught:
        bp.descend(lambda t: np.sum(t * 1e200), np.array([1.0, 2.0]), optimizer=sgd(steps), epochs=5)
    np.testing.assert_array_equal(caught.value.theta, [1.0, 2.0])
    assert "multiply" in str(caught.value)


def test_a_gradient_whose_square_overflows_is_still_a_gradient():
    theta, history = bp.descend(
        lambda t: np.sum(t * np.float32(1e25)), np.array([1.0], np.float32), optimizer=sgd(1e-25), epochs=1
    )
    np.testing.assert_allclose(theta, [0.0], atol=1e-6)
    assert history["gradient_norm"] == [np.inf]
