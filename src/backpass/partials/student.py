"""Derivatives of Student's distribution function of any order in its degrees of freedom: `cumulants.py` has the way.

With t = √v sinh w the density is proportional to cosh⁻ᵛ w. As a beta law it would have what is of order 1/v² as a
difference of two of order 1/v.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .cumulants import Order, bell, nodes, tail
from .special import family
from .stirling import log_minus, polygamma_step, stirling_error


def _log_scale(v: Any) -> Any:
    """−log B(½, v/2)"""
    half = 0.5 * v
    errors = stirling_error(half + 0.5) - stirling_error(half)
    return 0.5 * np.log(half / math.pi) + half * np.log1p(1 / v) - 0.5 + errors


def _log_cosh(w: Any) -> Any:
    return w + np.log1p(np.exp(-2 * w)) - math.log(2)


def _in_degrees(k: int, v: Any, w: Any) -> Any:
    """∂ᵏ/∂vᵏ of the logarithm of the density, at a fixed t."""
    rest = 1 / np.cosh(w) ** 2
    square = np.tanh(w) ** 2
    found = 0.5**k * polygamma_step(k - 1, 0.5 * v, 0.5)
    if k == 1:
        near = w < 1
        excess = np.where(near, log_minus(np.where(near, rest, 1.0), -square), square - 2 * _log_cosh(w))
        return found - 0.5 * rest / v + 0.5 * excess
    sign = (-1.0) ** k * 0.5 * v ** (1 - k)
    power = rest ** (k - 1)
    return found + sign * (math.factorial(k - 2) * (1 - power) - math.factorial(k - 1) * (square - rest / v) * power)


def _log_sum_slope(n: int, m: int, v: Any, t: Any) -> Any:
    """∂ᵥⁿ∂ₜᵐ log(v + t²), m ≥ 1"""
    along = lambda m: (-1.0) ** (m - 1) * math.factorial(m - 1) * 2 * np.real((t + 1j * np.sqrt(v)) ** -m)  # noqa: E731
    if n == 0:
        return along(m)
    power = (-1.0) ** (n - 1) * math.factorial(n - 1) / (v + t * t) ** n
    return power * bell((m,), lambda k: -n * along(k[0]))


def _density(order: Order, v: Any, t: Any) -> Any:
    w = np.arcsinh(np.abs(t) / np.sqrt(v))

    def cumulant(order: Order) -> Any:
        n, m = order
        if m == 0:
            return _in_degrees(n, v, w)
        found = -0.5 * (v + 1) * _log_sum_slope(n, m, v, t)
        return found - 0.5 * n * _log_sum_slope(n - 1, m, v, t) if n else found

    return np.exp(_log_scale(v) - 0.5 * np.log(v) - (v + 1) * _log_cosh(w)) * bell(order, cumulant)


def _near(n: int, v: Any, w: Any) -> Any:
    """∫₀ʷ"""
    places, weights = nodes()
    u = w * places
    return w * (weights @ (np.exp(_log_scale(v) - v * _log_cosh(u)) * bell((n,), lambda k: _in_degrees(k[0], v, u))))


def _far(n: int, v: Any, w: Any) -> Any:
    """∫_w^∞"""
    fall = lambda s: (v * (_log_cosh(w + s) - _log_cosh(w)), v * np.tanh(w + s))  # noqa: E731
    factor = lambda s: bell((n,), lambda k: _in_degrees(k[0], v, w + s))  # noqa: E731
    return np.exp(_log_scale(v) - v * _log_cosh(w)) * tail(fall, v / np.cosh(w) ** 2, factor)


def _probability(n: int, v: Any, t: Any) -> Any:
    """By the tail where t is large and, if v is small, cosh w an exponential."""
    w = np.arcsinh(np.abs(t) / np.sqrt(v))
    near = (np.abs(t) < 1.5) | ((v < 0.7) & (w < 12))
    found = np.empty(v.shape)
    found[near] = _near(n, v[near], w[near])
    found[~near] = -_far(n, v[~near], w[~near])
    return np.sign(t) * found


def _student(n: int, m: int, v: Any, t: Any) -> Any:
    valid = (v > 0) & np.isfinite(v) & np.isfinite(t)
    v0, t0 = np.where(valid, v, 1.0), np.where(valid, t, 0.0)
    found = _density((n, m - 1), v0, t0) if m else _probability(n, v0, t0)
    return np.where(valid, found, np.where((v > 0) & ~np.isnan(t), 0.0, np.nan))


STUDENT = family(
    "stdtr_derivative",
    "stdtr",
    2,
    _student,
    notation="∂ᵥ^{0} ∂ₜ^{1} T({3}; {2})",
    domain={"low": 0.4, "high": 3.0},
    doc="∂ᵥⁿ∂ₜᵐ of Student's distribution function of v degrees of freedom, at t; for m = 0 "
    "∫₀ᵗ ∂ᵥⁿ ((1 + u²/v)^(−(v + 1)/2)/(√v B(½, v/2))) du.",
)
