import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import backpass as bp
from backpass.graph.errors import BackpassError, DtypeError, ShapeError
from backpass.nn import BatchNorm, LayerNorm

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 3)) * [1, 10, 0.1] + [0, 5, -5]
BATCHES = arrays(
    np.float64, st.tuples(st.integers(2, 6), st.integers(1, 3), st.integers(1, 4)), elements=st.floats(-100, 100)
)


@given(BATCHES)
def test_batch_norm_statistics(x):
    layer = BatchNorm(epsilon=1e-8)
    theta, state = layer.init(0, x)
    y, after = layer.apply(theta, state, x, training=True)
    variance = x.var(axis=(0, 1))
    np.testing.assert_allclose(y.mean(axis=(0, 1)), 0, atol=1e-6)
    np.testing.assert_allclose(y.var(axis=(0, 1)), variance / (variance + 1e-8), atol=1e-6)
    # One batch seen: the running statistics are its own.
    np.testing.assert_allclose(after["mean"], x.mean(axis=(0, 1)), atol=1e-12)
    np.testing.assert_allclose(after["variance"], x.var(axis=(0, 1), ddof=1), atol=1e-9)


def test_batch_norm_running_statistics():
    layer = BatchNorm(momentum=0.5)
    batches = RNG.normal(size=(5, 8, 3)) + 3
    theta, state = layer.init(0, batches[0])
    for batch in batches:
        _, state = layer.apply(theta, state, batch, training=True)
    means, variances = batches.mean(axis=1), batches.var(axis=1, ddof=1)
    mean, variance = means[:2].mean(axis=0), variances[:2].mean(axis=0)  # weights 1, 1/2, then 1 − momentum
    for m, v in zip(means[2:], variances[2:], strict=True):
        mean, variance = 0.5 * mean + 0.5 * m, 0.5 * variance + 0.5 * v
    np.testing.assert_allclose(state["mean"], mean)
    np.testing.assert_allclose(state["variance"], variance)
    assert state["steps"] == [5]
    x = RNG.normal(size=(2, 3))
    expected = (x - mean) / np.sqrt(variance + 1e-5)
    np.testing.assert_allclose(layer(theta, x, state=state), expected)
    assert layer.apply(theta, state, x)[1] is state


def test_layer_norm_statistics():
    layer = LayerNorm(epsilon=1e-12)
    x = RNG.normal(size=(4, 2, 5)) * 7 + 2
    theta, state = layer.init(0, x)
    y = layer(theta, x)
    np.testing.assert_allclose(y.mean(axis=-1), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(axis=-1), 1)
    assert state == {}


@pytest.mark.parametrize("layer", [BatchNorm(), LayerNorm()])
def test_gradient(layer, check_gradient):
    theta, state = layer.init(0, X)
    theta = {"gamma": RNG.normal(size=3), "beta": RNG.normal(size=3)}
    weight = RNG.normal(size=X.shape)

    def loss(theta, x, training):
        return np.sum(weight * layer.apply(theta, state, x, training=training)[0] ** 2)

    for training in (True, False):
        check_gradient(lambda theta, training=training: loss(theta, X, training), theta)
        check_gradient(lambda x, training=training: loss(theta, x, training), X)


@pytest.mark.parametrize("layer", [BatchNorm(), LayerNorm()])
def test_dtype_is_kept(layer):
    x = X.astype(np.float32)
    theta, state = layer.init(0, x)
    for training in (True, False):
        y, after = layer.apply(theta, state, x, training=training)
        assert y.dtype == np.float32
        for name, value in after.items():
            assert (value.dtype, value.shape) == (np.float32, state[name].shape)


def test_constant_feature_and_single_example():
    layer = BatchNorm()
    theta, state = layer.init(0, X)
    for x in (np.ones((4, 3)), X[:1]):
        y, after = layer.apply(theta, state, x, training=True)
        np.testing.assert_array_equal(y, 0)
        assert np.isfinite(after["variance"]).all()
        g = bp.grad(lambda x: np.sum(layer.apply(theta, state, x, training=True)[0] ** 2))(x)
        assert np.isfinite(g).all()


def test_errors():
    theta, state = BatchNorm().init(0, X)
    with pytest.raises(BackpassError, match=r"model\(theta, x, state=state\)"):
        BatchNorm()(theta, X)
    with pytest.raises(ShapeError, match=r"\(6, 2\), and its theta is for 3 features"):
        BatchNorm()(theta, X[:, :2], state=state)
    with pytest.raises(DtypeError, match="int64"):
        LayerNorm().init(0, np.zeros((2, 3), int))
    with pytest.raises(ShapeError, match="batch of shape"):
        LayerNorm().init(0, np.zeros(3))
    with pytest.raises(BackpassError, match=r"momentum is 1\.0"):
        BatchNorm(momentum=1.0)
    with pytest.raises(BackpassError, match="epsilon is 0"):
        LayerNorm(epsilon=0)
