"""Optimisers, schedules and clipping ask nothing of an array that a traced value cannot give.

`Opaque` is a value that may be computed with, by ufuncs, operators, `np.sum`, `np.where`, `np.zeros_like` and `astype`,
and never looked at: no float(), no truth value, no np.asarray, no assignment, no `out=`, no iteration.
"""

import numpy as np
import pytest
from numpy.lib.mixins import NDArrayOperatorsMixin

import backpass as bp
from backpass.descent import (
    OPTIMIZERS,
    clip,
    constant,
    cosine,
    global_norm,
    one_cycle,
    sgd,
    step_decay,
    warmup,
)
from backpass.graph.pytree import leaves_of, tree_map

ALLOWED = {np.sum, np.where, np.zeros_like}


class Opaque(NDArrayOperatorsMixin):
    def __init__(self, value):
        self._value = value

    shape = property(lambda self: np.shape(self._value))
    dtype = property(lambda self: np.asarray(self._value).dtype)

    def astype(self, dtype):
        return Opaque(np.asarray(self._value).astype(dtype))

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        assert (method, kwargs) == ("__call__", {}), f"{ufunc.__name__}.{method}({kwargs})"
        return Opaque(ufunc(*(unwrapped(value) for value in inputs)))

    def __array_function__(self, function, types, args, kwargs):
        assert function in ALLOWED, f"{function.__name__} is not among {ALLOWED}"
        return Opaque(function(*(unwrapped(value) for value in args), **kwargs))

    def refuse(self, *args, **kwargs):
        raise AssertionError("a traced value was looked at")

    __array__ = __float__ = __int__ = __index__ = __bool__ = __len__ = __iter__ = __getitem__ = __setitem__ = refuse


def unwrapped(value):
    return value._value if isinstance(value, Opaque) else value


def wrapped(tree):
    return tree_map(Opaque, tree)


def revealed(tree):
    return tree_map(unwrapped, tree)


RULES = [
    *(factory(0.1, weight_decay=0.1) for factory in OPTIMIZERS.values()),
    *(factory(warmup(cosine(0.1, steps=9), steps=3)) for factory in OPTIMIZERS.values()),
    sgd(one_cycle(0.1, steps=9)),
    sgd(step_decay(0.1, every=2)),
    sgd(constant(0.1)),
    clip(OPTIMIZERS["adam"](0.1), norm=0.5, value=0.4),
]


@pytest.mark.parametrize("step_dtype", [np.int64, np.float32, np.float64])
@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_a_step_on_opaque_values_is_the_same_step(rule, step_dtype):
    rng = np.random.default_rng(0)
    theta = {"W": rng.normal(size=(2, 3)).astype(np.float32), "b": rng.normal(size=3), "c": np.array(1.0, np.float32)}
    opaque = wrapped(theta)
    state, opaque_state = rule.init(theta), rule.init(opaque)
    for step in range(3):
        grad = tree_map(lambda leaf: rng.normal(size=leaf.shape).astype(leaf.dtype), theta)
        theta, state = rule.update(theta, grad, state, step_dtype(step))
        opaque, opaque_state = rule.update(opaque, wrapped(grad), opaque_state, Opaque(step_dtype(step)))
        for plain, seen in zip(leaves_of((theta, state)), leaves_of(revealed((opaque, opaque_state))), strict=True):
            assert plain.dtype == seen.dtype
            assert plain.shape == seen.shape
            np.testing.assert_array_equal(plain, seen)
    assert float(unwrapped(global_norm(opaque))) == float(global_norm(theta))


def test_a_traced_learning_rate_keeps_dtypes():
    """The learning rate may itself be traced, so that a derivative with respect to it can be taken."""
    rule = OPTIMIZERS["adamw"](Opaque(np.float64(0.1)))
    theta = {"w": np.ones(2, np.float32)}
    after, _ = rule.update(wrapped(theta), wrapped(theta), rule.init(wrapped(theta)), 0)
    plain = OPTIMIZERS["adamw"](0.1)
    expected, _ = plain.update(theta, theta, plain.init(theta), 0)
    assert revealed(after)["w"].dtype == np.float32
    np.testing.assert_allclose(revealed(after)["w"], expected["w"], rtol=1e-7)


LEARNERS = {
    **OPTIMIZERS,
    "clip": lambda rate: clip(OPTIMIZERS["adamw"](rate), norm=1.0),
    "scheduled": lambda rate: OPTIMIZERS["adam"](lambda step: rate * cosine(1.0, steps=8)(step)),
}


@pytest.mark.parametrize("name", LEARNERS)
def test_descent_itself_is_differentiated(name):
    """The loss after five steps, differentiated in the learning rate and in the starting θ."""
    pulls = np.random.default_rng(0).normal(size=(5, 2))

    def loss_after(rate, theta):
        rule = LEARNERS[name](rate)
        state = rule.init(theta)
        for step in range(5):
            theta, state = rule.update(theta, 2 * theta + pulls[step], state, step)
        return np.sum(theta**2)

    def slope(f, x, h=1e-6):
        return (f(x + h) - f(x - h)) / (2 * h)

    theta = np.array([1.0, 2.0])
    by_rate, by_theta = bp.grad(loss_after, argnums=(0, 1))(0.1, theta)
    np.testing.assert_allclose(by_rate, slope(lambda rate: loss_after(rate, theta), 0.1), rtol=1e-6)
    for direction, partial in zip(np.eye(2), by_theta, strict=True):
        expected = slope(lambda t, d=direction: loss_after(0.1, theta + t * d), 0.0)
        np.testing.assert_allclose(partial, expected, rtol=1e-6)
    assert bp.grad(loss_after, argnums=1)(0.1, theta.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_a_whole_training_step_is_one_graph(rule):
    """Forward, backward and update, traced once and run for as many steps as one likes."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 3)).astype(np.float32), rng.normal(size=8).astype(np.float32)
    theta = {"w": rng.normal(size=3).astype(np.float32), "b": np.zeros((), np.float32)}

    def loss(theta, x, y):
        return np.mean((np.tanh(x @ theta["w"] + theta["b"]) - y) ** 2)

    def train_step(theta, state, step, x, y):
        value, grad = bp.value_and_grad(loss)(theta, x, y)
        return *rule.update(theta, grad, state, step), value

    state = rule.init(theta)
    graph = bp.trace(train_step, theta, state, np.int64(0), x, y)
    other, other_state = theta, state
    for step in range(12):
        theta, state, value = train_step(theta, state, np.int64(step), x, y)
        other, other_state, other_value = graph(other, other_state, np.int64(step), x, y)
        for plain, staged in zip(
            leaves_of((theta, state, value)), leaves_of((other, other_state, other_value)), strict=True
        ):
            assert staged.dtype == plain.dtype == np.float32
            np.testing.assert_array_equal(staged, plain)  # to the last bit
