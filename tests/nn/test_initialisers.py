import numpy as np
import pytest

from backpass.nn import INITIALISERS, constant, initialiser_before, leaky_relu, normal, orthogonal, relu
from backpass.nn.initialisers import fans

SHAPE = (400, 300)
VARIANCE = {"glorot": 2 / 700, "he": 2 / 400, "lecun": 1 / 400}


@pytest.mark.parametrize("family", VARIANCE)
@pytest.mark.parametrize("shape_of_numbers", ["uniform", "normal"])
def test_variance(family, shape_of_numbers):
    W = INITIALISERS[f"{family}_{shape_of_numbers}"](np.random.default_rng(0), SHAPE)
    assert W.var() == pytest.approx(VARIANCE[family], rel=0.02)
    assert abs(W.mean()) < 4 * np.sqrt(VARIANCE[family] / W.size)
    kurtosis = (W**4).mean() / W.var() ** 2
    assert kurtosis == pytest.approx(1.8 if shape_of_numbers == "uniform" else 3.0, rel=0.03)
    if shape_of_numbers == "uniform":
        assert np.abs(W).max() <= np.sqrt(3 * VARIANCE[family])


@pytest.mark.parametrize("name", INITIALISERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3, 4), (3, 3, 4, 5), (0, 4), (4, 1)])
def test_shape_and_dtype(name, dtype, shape):
    made = INITIALISERS[name](np.random.default_rng(0), shape, dtype)
    assert made.dtype == dtype
    assert made.shape == shape
    assert np.isfinite(made).all()
    np.testing.assert_array_equal(made, INITIALISERS[name](np.random.default_rng(0), shape, dtype))


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5), (2, 3, 4)])
def test_orthogonal(shape):
    W = orthogonal(np.random.default_rng(1), shape, gain=2.0).reshape(-1, shape[-1])
    gram = W @ W.T if W.shape[0] < W.shape[1] else W.T @ W
    np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-12)


def test_orthogonal_is_uniform():
    """Under the uniform measure the trace of a rotation has mean 0 and variance 1; QR alone gives another mean."""
    rng = np.random.default_rng(2)
    traces = np.array([np.trace(orthogonal(rng, (3, 3))) for _ in range(4000)])
    assert abs(traces.mean()) < 4 / np.sqrt(4000)
    assert traces.var() == pytest.approx(1.0, rel=0.1)


def test_orthogonal_needs_a_matrix():
    with pytest.raises(ValueError, match=r"two axes, got \(3,\)"):
        orthogonal(np.random.default_rng(0), (3,))


def test_fans():
    assert fans((3, 5)) == (3, 5)
    assert fans((3, 3, 8, 16)) == (72, 144)
    assert fans((7,)) == (7, 7)


def test_constant_and_normal():
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(constant(rng, (2,), np.float32, value=3.0), np.full(2, 3, np.float32))
    numbers = normal(rng, (10_000,), mean=5.0, std=0.1)
    assert numbers.mean() == pytest.approx(5.0, abs=0.005)
    assert numbers.std() == pytest.approx(0.1, rel=0.03)


def test_initialiser_before():
    assert initialiser_before(relu).__name__ == "he_normal"
    assert initialiser_before(np.tanh).__name__ == "glorot_uniform"
    assert initialiser_before(lambda x: x).__name__ == "glorot_uniform"
    assert initialiser_before(leaky_relu).keywords == {"slope": 0.01}


def test_signal_keeps_its_size_through_relu_layers():
    rng = np.random.default_rng(3)
    x = rng.standard_normal((200, 256))
    for _ in range(10):
        x = relu(x @ initialiser_before(relu)(rng, (256, 256)))
    assert 0.5 < (x**2).mean() < 2
