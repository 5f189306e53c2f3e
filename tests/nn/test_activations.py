import numpy as np
import pytest
import scipy.special as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import backpass as bp
from backpass.nn import ACTIVATIONS, elu, gelu, leaky_relu, log_softmax, relu, sigmoid, silu, softmax, softplus

WIDE = np.array([-1e4, -1e3, -90.0, -40.0, -5.0, -1.0, -1e-3, 0.0, 1e-3, 1.0, 5.0, 40.0, 90.0, 1e3, 1e4])
ROWS = np.concatenate([WIDE, [-1e4, 1e4, 0.0]]).reshape(6, 3)

REFERENCES = {
    "identity": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.maximum(x, 0.01 * x),
    "elu": lambda x: np.where(x > 0, x, sp.expm1(np.minimum(x, 0))),
    "gelu": lambda x: x * sp.ndtr(x),
    "silu": lambda x: x * sp.expit(x),
    "tanh": np.tanh,
    "sigmoid": sp.expit,
    "softplus": lambda x: -sp.log_expit(-x),
    "softmax": lambda x: sp.softmax(x, axis=-1),
    "log_softmax": lambda x: sp.log_softmax(x, axis=-1),
}


def argument(name):
    return ROWS if "softmax" in name else WIDE


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_values(name, dtype):
    x = argument(name).astype(dtype)
    y = ACTIVATIONS[name](x)
    assert y.dtype == dtype
    assert y.shape == x.shape
    expected = REFERENCES[name](x.astype(np.float64))
    eps = np.finfo(dtype).eps
    atol = eps if name == "log_softmax" else 1e4 * np.finfo(dtype).smallest_normal
    np.testing.assert_allclose(y, expected, rtol=50 * eps, atol=atol)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_gradient_is_finite_far_out(name, dtype):
    x = argument(name).astype(dtype)
    weight = np.linspace(-1, 1, x.size).reshape(x.shape).astype(dtype)
    g = bp.grad(lambda x: np.sum(weight * ACTIVATIONS[name](x)))(x)
    assert g.dtype == dtype
    assert np.isfinite(g).all()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gradient(name, check_gradient):
    x = np.array([[-3.0, -0.7, 0.4], [0.01, 2.0, -0.02]])
    weight = np.array([[0.3, -1.0, 0.7], [1.1, 0.2, -0.5]])
    check_gradient(lambda x: np.sum(weight * ACTIVATIONS[name](x)), x)
    check_gradient(lambda x: np.sum(weight * gelu(x, approximate=True)), x)


@pytest.mark.parametrize(
    ("function", "first", "second"),
    [(sigmoid, 0.25, 0.0), (softplus, 0.5, 0.25), (silu, 0.5, 0.5), (gelu, 0.5, np.sqrt(2 / np.pi)), (relu, 0.0, 0.0),
     (leaky_relu, 0.01, 0.0), (elu, 1.0, 1.0)],
)  # fmt: skip
def test_derivatives_at_zero(function, first, second):
    """The two branches meet at 0 with the right slopes, to second order."""
    assert bp.grad(function)(0.0) == pytest.approx(first)
    assert bp.grad(bp.grad(function))(0.0) == pytest.approx(second)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_nan_is_not_hidden(name):
    assert np.isnan(ACTIVATIONS[name](np.array([[1.0, np.nan, -1.0]]))[0, 1])


def test_settings():
    x = np.array([-2.0, 3.0])
    np.testing.assert_allclose(leaky_relu(x, 0.5), [-1, 3])
    np.testing.assert_allclose(elu(x, alpha=2.0), [2 * np.expm1(-2), 3])
    np.testing.assert_allclose(gelu(x, approximate=True), gelu(x), atol=5e-4)
    np.testing.assert_allclose(softmax(np.eye(2), axis=0).sum(axis=0), 1)


def test_gelu_keeps_its_digits_in_the_lower_tail():
    x = np.array([-6.0, -10.0, -30.0])
    np.testing.assert_allclose(gelu(x), x * sp.ndtr(x), rtol=1e-13)


@given(
    arrays(
        np.float32,
        array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=6),
        elements=st.floats(-1e4, 1e4, width=32),
    )
)
def test_softmax_sums_to_one(x):
    p = softmax(x)
    np.testing.assert_allclose(p.sum(axis=-1), 1, rtol=1e-6)
    assert (p >= 0).all()
    np.testing.assert_allclose(np.exp(log_softmax(x)), p, atol=1e-6)


@given(st.floats(-1e4, 1e4))
def test_sigmoid_is_symmetric(x):
    x = np.array([x])
    np.testing.assert_allclose(sigmoid(x) + sigmoid(-x), 1, rtol=1e-15)
    np.testing.assert_allclose(softplus(x) - softplus(-x), x, atol=1e-12)


def test_log_softmax_of_large_logits_in_single_precision():
    x = np.array([[10000.0, 9999.0, 9998.0]], np.float32)
    np.testing.assert_allclose(log_softmax(x), sp.log_softmax([[2.0, 1.0, 0.0]], axis=-1), rtol=1e-6)
