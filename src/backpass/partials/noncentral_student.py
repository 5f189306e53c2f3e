"""Derivatives of the noncentral t distribution function of any order, one in its degrees of freedom at least.

F(t; v, c) is the expectation of Φ(tS − c) over S² = χ²/v of v degrees of freedom (Johnson, Kotz & Balakrishnan 1995,
31.5). What its density of log S has as derivatives in v integrates to 0 with a constant, so one is taken from Φ that
leaves it small where F or 1 − F is. The trapezoidal rule converges geometrically (Trefethen & Weideman 2014).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .cumulants import MOST, bell, total
from .special import _apply, family, largest
from .stirling import log_less_psi, log_minus, stirling_error

_FALL = 80.0
"""The density of log S is left out where it is less than exp(−80) of its largest value."""
_LOST = 1e8
"""Where terms add up to more than their sum by this factor, the sum is not given: v above some 10⁷."""


def _in_degrees(k: int, v: Any, z: Any) -> Any:
    """∂ᵏ/∂vᵏ of the logarithm of the density of z = log S"""
    found = 0.5**k * log_less_psi(k - 1, 0.5 * v)
    return found if k > 1 else found + 0.5 * log_minus(np.exp(2 * z), np.expm1(2 * z))


def _normal_slope(k: int, y: Any) -> Any:
    """Φ⁽ᵏ⁾, k ≥ 1"""
    return (-1.0) ** (k - 1) * _apply("eval_hermitenorm")(k - 1, y) * np.exp(-0.5 * y * y) / math.sqrt(2 * math.pi)


def _places(upper: Any, v: Any, c: Any) -> tuple[Any, Any, int]:
    """Where the sum over z begins, its step and how many terms it has: Φ less its value at s = 0 falls as s does."""
    left, right = 2 * _FALL / np.where(upper, v, v + 1), 2 * _FALL / v
    low = -0.25 * (left + np.sqrt(left * (left + 8)))
    high = 0.5 * np.log1p(right + np.sqrt(2 * right))
    step = 0.15 / np.sqrt(1 + (v + c * c) / 8)
    count = largest((high - low) / step, MOST) + 1
    return low, np.where((high - low) / step <= MOST, (high - low) / count, np.nan), count


def _log_density(v: Any, z: Any) -> Any:
    """Of z = log S, less log 2"""
    half = 0.5 * v
    stretch = log_minus(np.exp(2 * z), np.expm1(2 * z))
    return 0.5 * np.log(half / (2 * math.pi)) - stirling_error(half) + half * stretch


def _positive(n: int, k: int, m: int, v: Any, c: Any, t: Any) -> Any:
    """At t ≥ 0."""
    upper = (t > c) & (v >= 1)
    low, step, count = _places(upper, v, c)

    def term(i: Any) -> Any:
        z = low + step * i
        slopes = bell((n,), lambda order: _in_degrees(order[0], v, z))
        return np.exp(_log_density(v, z)) * slopes * _normal(k, m, upper, c, t, np.exp(z))

    def both(i: Any) -> Any:
        value = term(i)
        return np.stack([value, np.abs(value)], axis=1)

    found, size = total(count, both)
    return np.where(size > _LOST * np.abs(found), np.nan, 2 * step * found)


def _normal(k: int, m: int, upper: Any, c: Any, t: Any, s: Any) -> Any:
    """∂_cᵏ∂ₜᵐ Φ(ts − c), less what it is at s = 0, or in the upper tail at ∞."""
    y, sign, ndtr = t * s - c, (-1.0) ** k, _apply("ndtr")
    if k + m == 0:
        return np.where(upper, -ndtr(-y), ndtr(y) - ndtr(-c))
    found = sign * s**m * _normal_slope(k + m, y)
    return found if m else found - np.where(upper, 0.0, sign * _normal_slope(k, -c))


def _student(n: int, k: int, m: int, v: Any, c: Any, t: Any) -> Any:
    side = np.where(t < 0, -1.0, 1.0)
    valid = (v > 0) & np.isfinite(v) & np.isfinite(c) & np.isfinite(t)
    v0, c0, t0 = np.where(valid, v, 1.0), np.where(valid, side * c, 0.0), np.where(valid, side * t, 0.0)
    found = side ** (1 + k + m) * _positive(n, k, m, v0, c0, t0)
    return np.where(valid, found, np.where((v > 0) & np.isinf(t) & np.isfinite(c), 0.0, np.nan))


NONCENTRAL_STUDENT = family(
    "nctdtr_derivative",
    "nctdtr",
    3,
    _student,
    notation="∂ᵥ^{0} ∂_c^{1} ∂ₜ^{2} T({5}; {3}, {4})",
    domain={"low": 0.4, "high": 3.0},
    doc="∂ᵥⁿ∂_cᵏ∂ₜᵐ ∫₀^∞ Φ(ts − c) dF(s), n > 0, of the law F of √(χ²/v): the noncentral t law.",
)
