from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import backpass as bp
from backpass.graph.errors import BackpassError, DtypeError, ShapeError
from backpass.graph.staging import Compiled
from backpass.nn import (
    Activation,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Function,
    as_layer,
    constant,
    leaky_relu,
    make_key,
    relu,
)

X = np.random.default_rng(0).normal(size=(5, 3))


def test_dense():
    layer = Dense(4)
    theta, state = layer.init(0, X)
    assert {k: v.shape for k, v in theta.items()} == {"W": (3, 4), "b": (4,)}
    assert state == {}
    np.testing.assert_allclose(layer(theta, X), X @ theta["W"] + theta["b"])
    np.testing.assert_allclose(layer(theta, X[0]), X[0] @ theta["W"] + theta["b"])
    assert list(Dense(4, bias=False).init(0, X)[0]) == ["W"]
    assert Dense(2).init(0, np.zeros((2, 6, 3)))[0]["W"].shape == (3, 2)


@pytest.mark.parametrize("bias", [True, False])
def test_dense_gradient(bias, check_gradient):
    layer = Dense(2, bias=bias)
    theta, _ = layer.init(1, X)
    check_gradient(lambda theta: np.sum(np.sin(layer(theta, X))), theta)
    check_gradient(lambda x: np.sum(np.sin(layer(theta, x))), X)


def test_dense_initialisers():
    np.testing.assert_array_equal(Dense(4, init="zeros").init(0, X)[0]["W"], 0)
    np.testing.assert_array_equal(Dense(4, init=partial(constant, value=2.0)).init(0, X)[0]["W"], 2)
    np.testing.assert_array_equal(Dense(4, init={"name": "constant", "value": 2.0}).init(0, X)[0]["W"], 2)
    np.testing.assert_array_equal(Dense(4, init=lambda rng, shape, dtype: np.ones(shape, dtype)).init(0, X)[0]["W"], 1)
    np.testing.assert_array_equal(Dense(4).init(np.random.default_rng(7), X)[0]["W"], Dense(4).init(7, X)[0]["W"])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layer", [Dense(2), Dropout(0.3), Flatten(), Activation("gelu"), Function(np.sin)])
def test_dtype_is_kept(layer, dtype):
    x = X.astype(dtype)
    theta, state = layer.init(0, x)
    for training in (False, True):
        y, _ = layer.apply(theta, state, x, training=training, key=make_key(0))
        assert y.dtype == dtype
    for leaf in theta.values():
        assert leaf.dtype == dtype


def test_dense_errors():
    theta, _ = Dense(4).init(0, X)
    with pytest.raises(ShapeError, match=r"x has 2 features and W takes 3\n.*\(5, 2\)\n.*\(3, 4\)"):
        Dense(4)(theta, X[:, :2])
    with pytest.raises(DtypeError, match=r"int64; use x.astype\(np.float32\), or Embedding"):
        Dense(4).init(0, np.zeros((2, 3), int))
    with pytest.raises(ShapeError, match=r"batch of shape"):
        Dense(4).init(0, np.zeros(3))
    for units in (0, -1, 2.5, "many"):
        with pytest.raises(BackpassError, match="units is"):
            Dense(units)
    with pytest.raises(BackpassError, match="did you mean 'he_normal'"):
        Dense(4, init="he_norml")


@given(st.floats(0, 0.95), st.integers(0, 2**32 - 1))
def test_dropout_keeps_the_mean(rate, seed):
    y, _ = Dropout(rate).apply({}, {}, np.ones((100, 100)), training=True, key=make_key(seed))
    assert set(np.unique(y)) <= {0.0, 1 / (1 - rate)}
    deviation = np.sqrt(rate / (1 - rate) / y.size)
    assert abs(y.mean() - 1) <= 6 * deviation


def test_dropout():
    key = make_key(1, 2)
    layer = Dropout(0.4)
    y, _ = layer.apply({}, {}, X, training=True, key=key)
    np.testing.assert_array_equal(layer.apply({}, {}, X, training=True, key=key)[0], y)
    assert not np.array_equal(layer.apply({}, {}, X, training=True, key=make_key(1, 3))[0], y)
    np.testing.assert_array_equal(y[y != 0], (X * (1 / 0.6))[y != 0])
    assert layer.apply({}, {}, X)[0] is X
    assert Dropout(0.0).apply({}, {}, X, training=True)[0] is X
    g = bp.grad(lambda x: np.sum(layer.apply({}, {}, x, training=True, key=key)[0]))(X)
    np.testing.assert_array_equal(g, np.where(y != 0, 1 / 0.6, 0))
    np.testing.assert_array_equal(Compiled(lambda x, k: layer.apply({}, {}, x, training=True, key=k)[0])(X, key), y)
    infinite, _ = layer.apply({}, {}, np.full((50, 50), np.inf), training=True, key=key)
    assert not np.isnan(infinite).any()


def test_dropout_errors():
    with pytest.raises(BackpassError, match="make_key"):
        Dropout(0.5).apply({}, {}, X, training=True)
    for rate in (1.0, -0.1, np.nan, "half"):
        with pytest.raises(BackpassError, match="rate is"):
            Dropout(rate)


def test_embedding(check_gradient):
    layer = Embedding(6, 2, dtype="float64")
    x = np.array([[0, 5, 5], [2, 0, 5]])
    theta, _ = layer.init(0, x)
    np.testing.assert_array_equal(layer(theta, x), theta["table"][x])
    weight = np.random.default_rng(1).normal(size=(2, 3, 2))
    check_gradient(lambda theta: np.sum(weight * np.sin(layer(theta, x))), theta)
    g = bp.grad(lambda theta: np.sum(layer(theta, x)))(theta)["table"]
    np.testing.assert_array_equal(g[:, 0], [2, 0, 1, 0, 0, 3])
    np.testing.assert_array_equal(Compiled(lambda x: layer(theta, x))(x), theta["table"][x])
    assert Embedding(6, 2).init(0, x)[0]["table"].dtype == np.float32
    lengths = np.linalg.norm(Embedding(500, 64).init(0, x)[0]["table"], axis=1)
    assert lengths.mean() == pytest.approx(1, rel=0.02)


def test_embedding_errors():
    layer = Embedding(6, 2)
    theta, _ = layer.init(0, np.array([0]))
    for wrong in (6, -1):
        with pytest.raises(ShapeError, match=f"x holds {wrong}; its rows are numbered from 0 to 5"):
            layer(theta, np.array([1, wrong]))
    with pytest.raises(DtypeError, match="float64"):
        layer(theta, np.array([1.0]))
    with pytest.raises(DtypeError, match="int64"):
        Embedding(6, 2, dtype="int64")


def test_flatten():
    assert Flatten()({}, np.zeros((4, 2, 3))).shape == (4, 6)
    assert Flatten()({}, np.zeros((0, 2, 3))).shape == (0, 6)
    assert Flatten()({}, np.zeros(4)).shape == (4, 1)


def test_activation():
    np.testing.assert_allclose(Activation("leaky_relu", slope=0.5)({}, np.array([-2.0])), [-1])
    np.testing.assert_allclose(Activation(partial(leaky_relu, slope=0.5))({}, np.array([-2.0])), [-1])
    with pytest.raises(BackpassError, match="did you mean 'sigmoid'"):
        Activation("sigmod")
    with pytest.raises(BackpassError, match="no setting 'alpha'; it has slope"):
        Activation("leaky_relu", alpha=0.5)


def test_function(check_gradient):
    start = {"a": [np.array([1.0, -2.0]), 0.5]}
    layer = Function(lambda theta, x: x * theta["a"][0] + theta["a"][1], start)
    theta, _ = layer.init(0, X[:, :2])
    theta["a"][0][0] = 7.0
    assert start["a"][0][0] == 1.0  # what was given to start from is not what training changes
    check_gradient(lambda theta: np.sum(layer(theta, X[:, :2]) ** 2), theta)
    made = Function(lambda theta, x: x @ theta, lambda rng, x: rng.normal(size=x.shape[-1])).init(0, X)[0]
    assert made.shape == (3,)


def test_as_layer():
    class Own:
        def init(self, rng, x):
            return {}, {}

        def apply(self, theta, state, x, *, training=False, key=None):
            return x, state

    own = Own()
    assert as_layer(own) is own
    assert as_layer(relu).name == "relu"
    assert as_layer("tanh").function is np.tanh
    assert repr(as_layer(lambda x: x)) == "Function(<lambda>)"
    for wrong, message in [
        (Dense, r"write Dense\(...\)"),
        (3, "3 is no layer"),
        (lambda theta, x: x, r"takes 2 arguments.*backpass.nn.Function\(<lambda>, theta\)"),
        (np.add, "takes 2 arguments"),
        ("rleu", "did you mean 'relu'"),
    ]:
        with pytest.raises(BackpassError, match=message):
            as_layer(wrong)
