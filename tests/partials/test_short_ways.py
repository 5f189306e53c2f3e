"""Rules take shorter ways on plain arrays; a graph of types, where no value is known, has the long one. Both agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special as sp

import backpass as bp

RNG = np.random.default_rng(0)
X = RNG.uniform(0.1, 0.9, 30)
SIGNED = RNG.normal(size=30)
GRID = RNG.normal(size=(4, 6))
SQUARE = RNG.normal(size=(5, 5)) + 4 * np.eye(5)
WEIGHTS = RNG.normal(size=30)
ZERO = np.where(np.arange(30) == 3, 0.0, X)
TIES = np.where(np.arange(30) % 3 == 0, 0.5, X)

CASES: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "prod": (np.prod, X),
    "prod with a zero": (np.prod, ZERO),
    "prod below the normal numbers": (lambda x: np.prod(x) * 1e200, np.full(12, 1e-27)),
    "prod along an axis": (lambda x: np.sum(np.prod(x, axis=1)), GRID),
    "cumsum": (lambda x: np.cumsum(x) @ WEIGHTS, X),
    "cumsum along an axis": (lambda x: np.sum(np.cumsum(x, axis=0) * GRID), GRID),
    "clip at ties": (lambda x: np.clip(x, 0.3, 0.5) @ WEIGHTS, TIES),
    "clip between arrays": (lambda x: np.clip(x, X / 2, [0.5] * 30) @ WEIGHTS, TIES),
    "maximum at ties": (lambda x: np.maximum(x, np.full(30, 0.5)) @ WEIGHTS, TIES),
    "maximum of a row": (lambda x: np.sum(np.maximum(x, GRID[0]) * GRID), GRID + 1e-3),
    "sinc": (lambda x: np.sinc(x) @ WEIGHTS, SIGNED),
    "sinc near zero": (lambda x: np.sinc(x) @ WEIGHTS, ZERO),
    "diag": (lambda x: np.diag(x) @ WEIGHTS[:5], SQUARE),
    "diag aside": (lambda x: np.diag(x, -2) @ WEIGHTS[:2], GRID),
    "diagonal of many": (
        lambda x: np.sum(np.diagonal(x, 1, axis1=2, axis2=0) ** 2),
        RNG.normal(size=(3, 2, 4)),
    ),
    "trace": (np.trace, SQUARE),
    "trace aside": (lambda x: np.trace(x, 2) ** 2, GRID),
    "trace of many": (lambda x: np.sum(np.trace(x, axis1=1, axis2=2) ** 2), RNG.normal(size=(3, 4, 4))),
    "norm": (np.linalg.norm, SIGNED),
    "norm at zero": (np.linalg.norm, np.zeros(3)),
    "std": (np.std, SIGNED),
    "std of equal numbers": (lambda x: np.sum(np.std(x, axis=1)), np.array([[1.0, 1.0], [1.0, 2.0]])),
    "nan_to_num": (lambda x: np.nan_to_num(x) @ WEIGHTS, SIGNED),
    "nan_to_num of NaN": (lambda x: np.nan_to_num(x * [1.0, np.nan, np.inf]) @ WEIGHTS[:3], SIGNED[:3] + 5),
    "roll": (lambda x: np.roll(x, 7) @ WEIGHTS, SIGNED),
    "cross": (lambda x: np.sum(np.cross(x, x[::-1]) * GRID[:, :3]), GRID[:, 3:]),
    "outer": (lambda x: np.sum(np.outer(x, x) ** 2), GRID),
    "einsum of one": (lambda x: np.sum(np.einsum("ij->j", x) ** 2), GRID),
    "einsum, repeated": (lambda x: np.einsum("iij->j", x) @ WEIGHTS[:2], RNG.normal(size=(3, 3, 2))),
    "einsum, stretched": (lambda x: np.sum(np.einsum("ij,kj->ik", x, GRID) ** 2), GRID[:, :1]),
    "singular values": (lambda x: np.sum(np.linalg.svd(x)[1] ** 3), GRID),
    "eigenvalues": (lambda x: np.sum(np.linalg.eigh(x)[0] ** 3), SQUARE + SQUARE.T),
    "eigenvalues and vectors": (lambda x: np.sum(np.abs(np.linalg.eigh(x)[1][0]) ** 3), SQUARE + SQUARE.T),
    "complex eigenvalues": (lambda x: np.sum(np.abs(np.linalg.eig(x)[0]) ** 3), SQUARE + 1j * SQUARE.T),
    "determinant": (np.linalg.det, SQUARE),
    "linspace": (lambda x: np.linspace(x[0], x[1], 30) @ WEIGHTS, SIGNED),
    "linspace without its end": (lambda x: np.linspace(x[0], 2.0, 30, endpoint=False) @ WEIGHTS, SIGNED),
    "linspace of equal ends": (lambda x: np.linspace(x[0], x[0], 30) @ WEIGHTS, SIGNED),
    "linspace of rows": (lambda x: np.sum(np.linspace(x[0], x[1], 5) * GRID[0] ** 2), GRID),
    "full": (lambda x: np.full(30, x[0]) @ WEIGHTS, SIGNED),
    "rectangles": (lambda x: np.trace(x) * np.trace(x.T), GRID),
    "slope": (lambda x: np.gradient(x) @ WEIGHTS, SIGNED),
    "slopes": (lambda x: np.sum(np.gradient(x)[1] ** 2), GRID),
    "stack": (lambda x: np.sum(np.stack([x, x * 2], axis=1) ** 2), SIGNED),
    "vstack": (lambda x: np.sum(np.vstack([x, x * 2]) ** 2), SIGNED),
    "tile": (lambda x: np.tile(x, 2) @ np.tile(WEIGHTS, 2), SIGNED),
    "single precision": (lambda x: np.sum(x * x), SIGNED.astype(np.float32)),
    "one number by its rows": (lambda x: np.mean(x) * np.max(x), GRID),
    "iv": (lambda x: np.sum(sp.iv(2.5, x)), X),
    "iv at zero": (lambda x: np.sum(sp.iv(2.5, x)), ZERO),
    "ive": (lambda x: np.sum(sp.ive(1, x)), SIGNED),
    "modulus": (lambda z: np.sum(np.abs(z) * WEIGHTS), SIGNED + 1j * X),
}


@pytest.mark.parametrize("name", CASES)
def test_the_short_way_is_the_long_one(name):
    function, x = CASES[name]
    gradient = bp.grad(function)
    with np.errstate(all="ignore"):
        short, long = gradient(x), bp.trace(gradient, x)(x)
    assert short.dtype == long.dtype == x.dtype
    tolerance = 1e-5 if x.dtype == np.float32 else 1e-11
    np.testing.assert_allclose(short, long, rtol=tolerance, atol=tolerance * np.max(np.abs(long)))


@pytest.mark.parametrize("ends", [(0.1, 0.9), (-3.0, 1e-300), (2.0, 2.0), (0.0, 5e-324)])
@pytest.mark.parametrize("num", [2, 3, 10, 1001])
@pytest.mark.parametrize("endpoint", [True, False])
def test_linspace_has_the_bits_of_numpys(ends: tuple[float, float], num: int, endpoint: bool) -> None:
    value = bp.vjp(lambda a, b: np.linspace(a, b, num, endpoint), *ends)[0]
    np.testing.assert_array_equal(value, np.linspace(*ends, num, endpoint), strict=True)


@pytest.mark.parametrize("n", [3, 5, 40, 1000])
def test_a_trace_has_the_bits_of_numpys(n):
    x = RNG.normal(size=(n, n + 1))
    for offset in (0, 1):
        assert bp.value_and_grad(lambda x, k=offset: np.trace(x, k))(x)[0] == np.trace(x, offset)
    assert bp.value_and_grad(np.trace)(x[:, 1:])[0] == np.trace(x[:, 1:])
