"""Whole numbers that a trace computes are taken wherever NumPy takes one: as counts, places, lengths, axes, keys."""

import numpy as np
import pytest

import backpass as bp

X = np.array([0.5, 2.5, 1.5])
LAST = {
    "arange": lambda x, n: np.arange(n + 1) * x[:2],
    "array_split": lambda x, n: np.array_split(x, n + 1)[0],
    "broadcast_to": lambda x, n: np.broadcast_to(x[0], n + 2),
    "delete": lambda x, n: np.delete(x, n),
    "eye": lambda x, n: np.eye(3, k=n) @ x,
    "full": lambda x, n: np.full(n + 1, x[0]),
    "insert": lambda x, n: np.insert(x, n, x[0]),
    "matrix_power": lambda x, n: np.linalg.matrix_power(np.outer(x, x), n),
    "resize": lambda x, n: np.resize(x, n + 3),
    "tensordot": lambda x, n: np.tensordot(np.outer(x, x), np.outer(x, x), axes=n),
    "tri": lambda x, n: np.tri(3, k=n) @ x,
    "tril": lambda x, n: np.tril(np.outer(x, x), n - 1),
    "triu": lambda x, n: np.triu(np.outer(x, x), n),
    "triu_indices": lambda x, n: np.outer(x, x)[np.triu_indices(3, n)],
    "unravel_index": lambda x, n: np.outer(x, x)[np.unravel_index(n, (3, 3))],
    "ravel_multi_index": lambda x, n: np.outer(x, x).ravel()[np.ravel_multi_index((n, 0), (3, 3))],
    "zeros": lambda x, n: np.zeros(n) + x[0],
    "bits": lambda x, n: np.unpackbits(n.astype(np.uint8))[-3:] * x,
    "of another width": lambda x, n: (x > x[0]).view(np.int8) * x,
}


@pytest.mark.parametrize("name", LAST)
def test_a_whole_number_that_is_computed(name: str) -> None:
    def f(x):
        return np.sum(LAST[name](x, np.argmax(x)) ** 2)

    value, gradient = bp.value_and_grad(f)(X)
    assert value == f(X)
    slopes = [(f(X + 1e-6 * e) - f(X - 1e-6 * e)) / 2e-6 for e in np.eye(3)]
    np.testing.assert_allclose(gradient, slopes, rtol=1e-7, atol=1e-8)


def test_one_that_is_not_known_yet_is_refused() -> None:
    for name in ("delete", "insert", "unravel_index", "zeros"):
        with pytest.raises(bp.errors.BackpassError):
            bp.compile(lambda x, name=name: np.sum(LAST[name](x, np.argmax(x))))(X)
