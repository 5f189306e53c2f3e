"""Each rule against its published formula, written out here on its own in the plainest way, one number at a time."""

import json
import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from backpass.descent import (
    OPTIMIZERS,
    HyperparameterError,
    adagrad,
    adam,
    adamw,
    cosine,
    momentum,
    nesterov,
    per_leaf,
    rmsprop,
    sgd,
)
from backpass.graph.errors import DtypeError, ShapeError
from backpass.graph.pytree import PytreeError, flatten

ALL = sorted(OPTIMIZERS)


def gradient_of(x, k):
    """A gradient that depends on where one is and when: nothing cancels by symmetry."""
    return 2 * x + math.sin(k + x)


def follow(rule, x0, steps=12):
    """The path a rule takes on one number."""
    theta, path = np.array([x0]), []
    state = rule.init(theta)
    for step in range(steps):
        grad = np.array([gradient_of(float(theta[0]), step)])
        theta, state = rule.update(theta, grad, state, step)
        path.append(float(theta[0]))
    return path


def published_sgd(x, rates, lam):
    for k, eta in enumerate(rates):
        x = x - eta * (gradient_of(x, k) + lam * x)
        yield x


def published_momentum(x, rates, lam, mu=0.8):  # Sutskever et al. 2013, eqs. 1-2
    v = 0.0
    for k, eta in enumerate(rates):
        v = mu * v - eta * (gradient_of(x, k) + lam * x)
        x = x + v
        yield x


def published_adagrad(x, rates, lam, delta=1e-3):  # Duchi et al. 2011: x - eta (delta + s^1/2)^-1 g
    seen = []
    for k, eta in enumerate(rates):
        g = gradient_of(x, k) + lam * x
        seen.append(g)
        x = x - eta * g / (delta + math.sqrt(sum(old**2 for old in seen)))
        yield x


def published_rmsprop(x, rates, lam, eps=1e-3):  # Hinton's lecture 6e, slide 29
    mean_square = 0.0
    for k, eta in enumerate(rates):
        g = gradient_of(x, k) + lam * x
        mean_square = 0.7 * mean_square + 0.3 * g**2
        x = x - eta * g / (math.sqrt(mean_square) + eps)
        yield x


def published_adam(x, rates, lam, b1=0.8, b2=0.95, eps=1e-3, decoupled=False):  # Kingma & Ba 2015, algorithm 1
    m = v = 0.0
    for t, eta in enumerate(rates, start=1):
        g = gradient_of(x, t - 1) + (0 if decoupled else lam * x)
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        m_hat, v_hat = m / (1 - b1**t), v / (1 - b2**t)
        decay = lam * x if decoupled else 0.0  # Loshchilov & Hutter 2019, algorithm 2, line 12
        x = x - eta * (m_hat / (math.sqrt(v_hat) + eps) + decay)
        yield x


def published_adamw(x, rates, lam):
    return published_adam(x, rates, lam, decoupled=True)


CASES = {
    "sgd": (sgd, {}, published_sgd),
    "momentum": (momentum, {"momentum": 0.8}, published_momentum),
    "adagrad": (adagrad, {"epsilon": 1e-3}, published_adagrad),
    "rmsprop": (rmsprop, {"decay": 0.7, "epsilon": 1e-3}, published_rmsprop),
    "adam": (adam, {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3}, published_adam),
    "adamw": (adamw, {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3}, published_adamw),
}


@pytest.mark.parametrize("scheduled", [False, True])
@pytest.mark.parametrize("weight_decay", [0.0, 0.2])
@pytest.mark.parametrize("name", CASES)
def test_follows_the_published_formula(name, weight_decay, scheduled):
    factory, more, published = CASES[name]
    rate = cosine(0.1, steps=10, final=0.01) if scheduled else 0.1
    rates = [0.01 + 0.09 * (1 + math.cos(math.pi * min(k / 10, 1))) / 2 if scheduled else 0.1 for k in range(12)]
    path = follow(factory(rate, weight_decay=weight_decay, **more), 1.5)
    np.testing.assert_allclose(path, list(published(1.5, rates, weight_decay)), rtol=1e-13)


def test_nesterov_takes_its_gradient_where_the_published_form_does():
    """Sutskever et al. 2013, eqs. 3-4, keep θ' and look ahead to θ' + μ v; Backpass keeps the look-ahead point."""
    x, v, mu, eta = 1.5, 0.0, 0.8, 0.1
    looked_at = []
    for k in range(12):
        looked_at.append(x + mu * v)
        v = mu * v - eta * gradient_of(looked_at[-1], k)
        x = x + v
    np.testing.assert_allclose([1.5, *follow(nesterov(eta, mu), 1.5)[:-1]], looked_at, rtol=1e-13)


@pytest.mark.parametrize(
    ("rule", "first"),
    [
        # The first step from θ = 1 with g = 0.25, by hand: g̃ = g + λθ where the decay is coupled.
        (sgd(0.5, weight_decay=0.25), 1 - 0.5 * 0.5),
        (nesterov(0.5, 0.5, weight_decay=0.25), 1 - 0.5 * 0.25 - 0.25),
        (adamw(0.5, weight_decay=0.25), 1 - 0.5 - 0.5 * 0.25),
        (adagrad(0.5), 1 - 0.5),
        (rmsprop(0.5, 0.84), 1 - 0.5 / 0.4),
        (adam(0.5), 1 - 0.5),
    ],
    ids=lambda value: value.name if hasattr(value, "name") else "",
)
def test_first_step_by_hand(rule, first):
    theta, _ = rule.update(np.array(1.0), np.array(0.25), rule.init(np.array(1.0)), 0)
    np.testing.assert_allclose(theta, first, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sgd", {"learning_rate": 0.01, "weight_decay": 0.0}),
        ("momentum", {"learning_rate": 0.01, "momentum": 0.9, "weight_decay": 0.0}),
        ("nesterov", {"learning_rate": 0.01, "momentum": 0.9, "weight_decay": 0.0}),
        ("adagrad", {"learning_rate": 0.01, "epsilon": 1e-10, "weight_decay": 0.0}),
        ("rmsprop", {"learning_rate": 0.001, "decay": 0.9, "epsilon": 1e-8, "weight_decay": 0.0}),
        ("adam", {"learning_rate": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.0}),
        ("adamw", {"learning_rate": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.01}),
    ],
)
def test_defaults_and_json(name, expected):
    rule = OPTIMIZERS[name]()
    assert rule.hyperparameters == expected
    assert json.loads(json.dumps(rule.to_json())) == {"name": name, **expected}
    assert repr(rule).startswith(f"{name}(learning_rate={expected['learning_rate']}, ")


@pytest.mark.parametrize("name", ALL)
def test_converges_on_a_convex_problem(name):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    true = np.array([1.0, -2.0, 0.5])
    y = x @ true + 3.0
    rule = OPTIMIZERS[name](cosine(0.5 if name == "adagrad" else 0.1, steps=600), weight_decay=0.0)
    theta = {"w": np.zeros(3), "b": np.zeros(())}
    state = rule.init(theta)
    for step in range(600):
        error = x @ theta["w"] + theta["b"] - y
        grad = {"w": 2 * x.T @ error / len(y), "b": 2 * np.mean(error)}
        theta, state = rule.update(theta, grad, state, step)
    np.testing.assert_allclose(theta["w"], true, atol=1e-3)
    np.testing.assert_allclose(theta["b"], 3.0, atol=1e-3)


class Layer(NamedTuple):
    W: np.ndarray
    b: np.ndarray | None


STEPS = [3, np.int64(3), np.int32(3), np.float32(3), np.array(3)]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
@pytest.mark.parametrize("scheduled", [False, True])
@pytest.mark.parametrize("name", ALL)
def test_structure_shapes_and_dtypes_are_kept(name, scheduled, step):
    rng = np.random.default_rng(1)
    theta = {
        "layers": [
            Layer(rng.normal(size=(2, 3)).astype(np.float32), None),
            Layer(rng.normal(size=(3, 0)), rng.normal(size=4)),
        ],
        "scale": np.array(2.0, np.float32),
        "temperature": np.float64(1.5),
    }
    before = [np.array(leaf) for leaf in flatten(theta)[0]]
    rule = OPTIMIZERS[name](cosine(0.1, steps=10) if scheduled else np.float64(0.1), weight_decay=0.1)
    state = rule.init(theta)
    # Gradients in another dtype must not widen θ.
    grad = flatten(theta)[1].unflatten([np.ones(np.shape(leaf), np.float64) for leaf in flatten(theta)[0]])
    after, new_state = rule.update(theta, grad, state, step)
    for tree in (after, *state.values(), *new_state.values()):
        leaves, structure = flatten(tree)
        assert structure == flatten(theta)[1]
        assert [(leaf.shape, leaf.dtype) for leaf in leaves] == [(leaf.shape, leaf.dtype) for leaf in before]
    assert state.keys() == new_state.keys()
    for leaf, old, new in zip(flatten(theta)[0], before, flatten(after)[0], strict=True):
        np.testing.assert_array_equal(leaf, old)  # nothing was written in place
        assert old.size == 0 or not np.array_equal(old, new)


@pytest.mark.parametrize("name", ALL)
def test_float32_follows_float64(name):
    rule = OPTIMIZERS[name](0.05)
    wide, narrow = np.array([1.5, -0.3]), np.array([1.5, -0.3], np.float32)
    wide_state, narrow_state = rule.init(wide), rule.init(narrow)
    for step in range(50):
        wide, wide_state = rule.update(wide, 2 * wide, wide_state, step)
        # A float32 step number: 1 - 0.999**t taken in float32 would be wrong in the fourth digit.
        narrow, narrow_state = rule.update(narrow, 2 * narrow, narrow_state, np.float32(step))
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow, wide, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_no_gradient_no_step(name):
    rule = OPTIMIZERS[name](0.1, weight_decay=0.0)
    theta = np.array([1.0, -2.0], np.float32)
    after, state = rule.update(theta, np.zeros(2, np.float32), rule.init(theta), 0)
    np.testing.assert_array_equal(after, theta)
    assert all(not np.any(slot) for slot in state.values())


def test_theta_without_leaves_and_python_floats():
    for name in ALL:
        rule = OPTIMIZERS[name](0.1, weight_decay=0.0)
        assert rule.update({}, {}, rule.init({}), 0)[0] == {}
        theta, _ = rule.update({"w": 1.0}, {"w": 0.5}, rule.init({"w": 1.0}), 0)
        assert isinstance(theta["w"], float)
        assert theta["w"] < 1.0


finite = st.floats(-1e3, 1e3, allow_subnormal=False)
vectors = hnp.arrays(np.float64, 4, elements=finite)


@settings(max_examples=40, deadline=None)
@given(theta=vectors, grads=st.lists(vectors, min_size=1, max_size=5), name=st.sampled_from(ALL))
def test_a_pytree_moves_as_its_leaves_would(theta, grads, name):
    """Rules are element by element: splitting θ into leaves changes nothing, not even the last bit."""
    rule = OPTIMIZERS[name](0.1)
    whole, parts = theta, {"a": theta[:1], "b": (theta[1:].reshape(3, 1),)}
    whole_state, parts_state = rule.init(whole), rule.init(parts)
    for step, grad in enumerate(grads):
        whole, whole_state = rule.update(whole, grad, whole_state, step)
        parts, parts_state = rule.update(parts, {"a": grad[:1], "b": (grad[1:].reshape(3, 1),)}, parts_state, step)
    np.testing.assert_array_equal(np.concatenate([parts["a"], parts["b"][0].ravel()]), whole)


@settings(max_examples=40, deadline=None)
@given(
    grads=st.lists(hnp.arrays(np.float64, 3, elements=st.floats(0.01, 1e3)), min_size=1, max_size=5),
    scale=st.sampled_from([2.0**-6, 8.0]),
)
def test_adam_does_not_see_the_scale_of_the_loss(grads, scale):
    """Kingma & Ba, section 2.1: with ε negligible, rescaling the gradient leaves the steps alone; |Δθ| is bounded."""
    rule = adam(0.01, epsilon=1e-300)
    one, other = np.zeros(3), np.zeros(3)
    one_state, other_state = rule.init(one), rule.init(other)
    for step, grad in enumerate(grads):
        before = one
        one, one_state = rule.update(one, grad, one_state, step)
        other, other_state = rule.update(other, scale * grad, other_state, step)
        assert np.all(np.abs(one - before) <= 0.01 * 0.1 / math.sqrt(0.001))
    np.testing.assert_allclose(one, other, rtol=1e-9)


@given(rate=st.floats(0, 0.9), decay=st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_adamw_decay_ignores_the_gradient_and_its_history(rate, decay):
    """Decoupled: the decay multiplies θ by 1 − ηλ, whatever Adam does beside it."""
    theta, grad = np.array([3.0, -1.0]), np.array([5.0, 1e-3])
    plain, decaying = adamw(rate, weight_decay=0.0), adamw(rate, weight_decay=decay)
    difference = (
        plain.update(theta, grad, plain.init(theta), 0)[0] - decaying.update(theta, grad, decaying.init(theta), 0)[0]
    )
    np.testing.assert_allclose(difference, rate * decay * theta, atol=1e-14)


def test_momentum_zero_is_sgd():
    for factory in (momentum, nesterov):
        assert follow(factory(0.1, 0.0), 1.5) == follow(sgd(0.1), 1.5)


@pytest.mark.parametrize("theta", [np.array([1, 2]), 3, np.array([True]), np.array([1j]), "text"])
def test_a_theta_that_cannot_move_is_refused(theta):
    with pytest.raises(DtypeError, match=r"theta\.layers\.0\.W .*moves real floating-point"):
        sgd().init({"layers": [{"W": theta}]})


def test_float16_loses_adams_epsilon_and_says_so():
    theta = {"w": np.ones(2, np.float16)}
    with pytest.raises(HyperparameterError, match=r"epsilon=1e-08 is 0 in float16, the dtype of theta\.w"):
        adam().init(theta)
    rule = adam(0.1, epsilon=1e-3)
    assert rule.update(theta, theta, rule.init(theta), 0)[0]["w"].dtype == np.float16


def test_a_gradient_that_does_not_fit_is_refused():
    rule = momentum()
    theta = {"w": np.zeros(3), "b": np.zeros(2)}
    state = rule.init(theta)
    with pytest.raises(PytreeError, match="the gradient does not have the structure of theta"):
        rule.update(theta, {"w": np.zeros(3)}, state, 0)
    with pytest.raises(ShapeError, match=r"the gradient at theta\.b has shape \(\), but theta there has shape \(2,\)"):
        rule.update(theta, {"w": np.zeros(3), "b": np.float64(1)}, state, 0)
    with pytest.raises(ShapeError, match=r"the state's 'velocity' at theta\.w has shape \(4,\)"):
        rule.update(theta, theta, {"velocity": {"w": np.zeros(4), "b": np.zeros(2)}}, 0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sgd(-0.1), r"learning_rate is -0\.1; it must be a finite number 0 or above"),
        (lambda: sgd(math.nan), "learning_rate is nan"),
        (lambda: sgd("fast"), "learning_rate is 'fast'"),
        (lambda: sgd(None), "learning_rate is None"),
        (lambda: sgd(np.ones(2)), r"learning_rate is array"),
        (lambda: adam(beta2=1.0), r"beta2 is 1\.0; it must be a finite number from 0 up to, but not including, 1"),
        (lambda: adam(epsilon=0), "epsilon is 0; it must be a finite number above 0"),
        (lambda: adamw(weight_decay=math.inf), "weight_decay is inf"),
        (lambda: momentum(momentum=1.5), r"momentum is 1\.5"),
    ],
)
def test_unusable_hyperparameters_are_refused(make, message):
    with pytest.raises(HyperparameterError, match=message):
        make()


def test_any_callable_is_a_schedule():
    rule = sgd(lambda step: 0.5 / (step + 1))
    assert follow(rule, 1.5, 3) == pytest.approx(list(published_sgd(1.5, [0.5, 0.25, 0.5 / 3], 0.0)))
    assert rule.rate_at(1) == 0.25
    assert rule.to_json()["learning_rate"] == {"name": rule.learning_rate.__qualname__}
    assert "lambda" in repr(rule)


def test_per_leaf_builds_a_rule_of_ones_own():
    lion = per_leaf(  # Chen et al., Symbolic Discovery of Optimization Algorithms, 2023
        "lion",
        {"learning_rate": 0.1},
        slots=("m",),
        scalars=lambda rate, step: (rate,),
        rule=lambda theta, grad, m, rate: (
            theta - rate * np.sign(0.9 * m + 0.1 * grad),
            0.99 * m + 0.01 * grad,
        ),
        l2=0.5,
    )
    theta, state = lion.update(np.array([2.0]), np.array([-0.5]), lion.init(np.array([2.0])), 0)
    np.testing.assert_allclose(theta, [1.9])
    np.testing.assert_allclose(state["m"], [0.005])
