"""Wright's generalised Bessel function and its logarithm, with derivatives in all arguments (DLMF 10.46)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .jets import Linear, constant, derivative, times_gamma
from .special import _apply, family, in_parameter, special


def _wright(na: int, nb: int, nx: int, a: np.ndarray, b: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Σ xᵏ/(k! Γ(a (k + nx) + b)) (10.46.1), whose terms are positive at b > 0."""
    total = constant((na, nb), np.zeros(len(x)))
    open_ = True
    for k in range(2000):
        u = Linear(a * (k + nx) + b, (k + nx, 1))
        size = np.exp(_apply("xlogy")(float(k), x) - math.lgamma(k + 1) - _apply("gammaln")(u.value))
        term = times_gamma(constant((na, nb), size), u, -1)
        total = total + term
        open_ = np.max(np.abs(term), axis=(0, 1)) > 1e-17 * np.max(np.abs(total), axis=(0, 1))
        if k > 2 and not np.any(open_):
            break
    return np.where(open_ | (b <= 0) | (a < 0) | (x < 0), np.nan, derivative(total))


special(
    "wright_bessel",
    in_parameter("wright_bessel", 0, 3),
    in_parameter("wright_bessel", 1, 3),
    lambda g, out, a, b, x: g * _apply("wright_bessel")(a, a + b, x),
    notation="Φ({0}, {1}; {2})",
    domain={"low": 0.3, "high": 1.5},
    doc="Wright's generalised Bessel function (10.46.1).",
)


def _log_wright(place: int) -> Any:
    slope = in_parameter("wright_bessel", place, 3)
    return lambda g, out, a, b, x: slope(g * np.exp(-out), out, a, b, x)


special(
    "log_wright_bessel",
    _log_wright(0),
    _log_wright(1),
    lambda g, out, a, b, x: g * np.exp(_apply("log_wright_bessel")(a, a + b, x) - out),
    notation="log Φ({0}, {1}; {2})",
    domain={"low": 0.3, "high": 1.5},
    doc="Its logarithm.",
)
family(
    "wright_bessel_derivative",
    "wright_bessel",
    3,
    _wright,
    notation="∂^({0},{1},{2}) Φ({3}, {4}; {5})",
    domain={"low": 0.3, "high": 1.5},
    doc="The derivatives of wright_bessel, taken in each argument as often as the first numbers say, at b > 0.",
)
