"""Patterns hold every entry that is not zero, and coloured derivatives are the dense ones; products with curvature."""

from typing import Any

import numpy as np
import pytest

import backpass as bp
from backpass.chain import sparse as module
from backpass.graph.errors import ShapeError

pytest.importorskip("scipy.sparse")
RNG = np.random.default_rng(2)
BAND = np.diag(np.ones(7)) + np.diag(np.ones(6), 1)
INDEX = np.array([3, 0, 0, 6])

FUNCTIONS: dict[str, Any] = {
    "pointwise": (lambda x: np.sin(x) * x, 7),
    "neighbours": (lambda x: x[1:] * x[:-1] ** 2, 12),
    "stencil": (lambda x: np.concatenate([x[:1], x[2:] - 2 * x[1:-1] + x[:-2], x[-1:]]) + np.exp(x), 17),
    "constant matrix": (lambda x: np.tanh(BAND @ x), 13),
    "sums": (lambda x: np.stack([np.sum(x[:2]), np.max(x[2:5]), np.prod(x[5:])]), 7),
    "gather": (lambda x: x[INDEX] * x[2], 8),
    "running": (np.cumsum, 28),
    "reshaped": (lambda x: np.sum(np.reshape(x[:6], (2, 3)) ** 2, axis=1), 6),
    "discrete": (lambda x: np.floor(x) * 2.0 + np.where(x > 0, x, 0.0), 7),
    "mixing": (lambda x: np.linalg.solve(np.eye(7) + 0.1 * np.outer(x, x), x), 49),
    "constant": (lambda x: np.ones(3), 0),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_pattern_and_derivative(name: str) -> None:
    f, entries = FUNCTIONS[name]
    x = RNG.uniform(0.5, 1.5, 7)
    pattern = bp.sparsity(f)(x)
    dense = bp.jacobian(f)(x)
    assert not np.any((dense != 0) & ~pattern)
    assert pattern.sum() == entries
    np.testing.assert_allclose(bp.sparse_jacobian(f)(x).toarray(), dense, rtol=1e-13, atol=1e-15)
    g = lambda x: np.sum(np.sin(f(x)))  # noqa: E731
    np.testing.assert_allclose(bp.sparse_hessian(g)(x).toarray(), bp.hessian(g)(x), rtol=1e-11, atol=1e-13)


def test_sweeps_are_as_many_as_the_band_is_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    coloured = module._coloured
    monkeypatch.setattr(module, "_coloured", lambda p: counts.append(coloured(p)[1]) or coloured(p))
    n = 1000
    f = lambda x: x[2:] * x[1:-1] - np.sin(x[:-2])  # noqa: E731
    found = bp.sparse_jacobian(f)(np.linspace(0.0, 1.0, n))
    assert counts == [3]
    assert found.nnz == 3 * (n - 2)
    bp.sparse_hessian(lambda x: np.sum((x[1:] - x[:-1] ** 2) ** 2))(np.linspace(0.0, 1.0, n))
    assert counts[-1] == 3


def test_two_axes_and_refusals() -> None:
    x = RNG.normal(size=(3, 4))
    f = lambda x: x[1:] * x[:-1]  # noqa: E731
    dense = bp.jacobian(f)(x).reshape(8, 12)
    np.testing.assert_allclose(bp.sparse_jacobian(f)(x).toarray(), dense)
    with pytest.raises(ShapeError, match="one array"):
        bp.sparsity(lambda t: t["a"])({"a": x, "b": x})


def test_gauss_newton_and_fisher_products() -> None:
    x, y = RNG.normal(size=(6, 3)), RNG.normal(size=6)
    theta, v = {"w": RNG.normal(size=3), "b": 0.3}, {"w": RNG.normal(size=3), "b": -0.7}
    flat = lambda t: np.concatenate([t["w"], np.reshape(t["b"], (1,))])  # noqa: E731
    model = lambda t: np.tanh(x @ t["w"] + t["b"])  # noqa: E731
    loss = lambda out: np.sum(np.logaddexp(out, 0.0) - out * y)  # noqa: E731
    jacobian = bp.jacobian(model)(theta)
    j = np.concatenate([jacobian["w"], jacobian["b"][:, None]], axis=1)
    h = bp.hessian(loss)(model(theta))
    np.testing.assert_allclose(flat(bp.gnvp(model, loss, theta, v)), j.T @ h @ j @ flat(v), rtol=1e-11)
    one = lambda t, x, y: -((np.tanh(x @ t["w"] + t["b"]) - y) ** 2)  # noqa: E731
    rows = np.stack([flat(bp.grad(one)(theta, a, b)) for a, b in zip(x, y, strict=True)])
    found = bp.fvp(one, theta, v, x, y)
    np.testing.assert_allclose(flat(found), rows.T @ (rows @ flat(v)) / 6, rtol=1e-11)
