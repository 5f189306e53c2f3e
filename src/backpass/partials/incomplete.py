"""Derivatives of the incomplete gamma and beta functions of any order in their parameters: `cumulants.py` has the way.

Where x is below the middle, P(a, x) = P(a + 1, x) + xᵃ exp(−x)/Γ(a + 1) (DLMF 8.8.5) and its like for the beta
function (8.17.20) take what a small parameter makes long or steep out of the integral.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .cumulants import Order, bell, tail
from .special import _polygamma, family
from .stirling import log_minus, polygamma_step, stirling_error


def _log_power(x: Any, n: int) -> Any:
    """∂ⁿ log x"""
    return np.log(x) if n == 0 else (-1.0) ** (n - 1) * math.factorial(n - 1) / x**n


# ---- gamma
def _log_gamma_mass(a: Any, x: Any) -> Any:
    """log(xᵃ exp(−x)/Γ(a))"""
    return 0.5 * np.log(a / (2 * math.pi)) - stirling_error(a) + a * log_minus(x / a, (x - a) / a)


def gamma_density(order: Order, a: Any, x: Any) -> Any:
    def cumulant(order: Order) -> Any:
        n, m = order
        found: Any = _log_power(x, m) if n == 1 else 0.0
        if m == 0:
            found = found - _polygamma(n - 1, a)
        if n == 0:
            found = (a - 1) * _log_power(x, m) - (m == 1)
        return found

    return np.exp(_log_gamma_mass(a, x) - np.log(x)) * bell(order, cumulant)


def gamma_step(n: int, a: Any, x: Any) -> Any:
    """∂ₐⁿ of P(a, x) − P(a + 1, x) = xᵃ exp(−x)/Γ(a + 1)"""
    cumulant = lambda k: np.log(x) - _polygamma(0, a + 1) if k == (1,) else -_polygamma(k[0] - 1, a + 1)  # noqa: E731
    return np.exp(_log_gamma_mass(a + 1, x) - np.log(x)) * bell((n,), cumulant)


def _gamma_probability(n: int, a: Any, x: Any) -> Any:
    lower = x < a + 0.5
    shape, side = np.where(lower, a + 1, a), np.where(lower, 1.0, -1.0)
    middle = np.log(x) - _polygamma(0, shape)

    def fall(s: Any) -> tuple[Any, Any]:
        steps = x * np.expm1(-side * s)
        return side * (shape * s) + steps, side * (shape - x - steps)

    def factor(s: Any) -> Any:
        return bell((n,), lambda k: middle - side * s if k == (1,) else -_polygamma(k[0] - 1, shape))

    inside = np.exp(_log_gamma_mass(shape, x)) * tail(fall, x, factor)
    return np.where(lower, gamma_step(n, a, x) + inside, -inside)


def _gamma(n: int, m: int, a: Any, x: Any) -> Any:
    valid = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    a0, x0 = np.where(valid, a, 1.0), np.where(valid, x, 1.0)
    found = gamma_density((n, m - 1), a0, x0) if m else _gamma_probability(n, a0, x0)
    return np.where(valid, found, np.where((a > 0) & ((x == 0) | np.isposinf(x)), 0.0, np.nan))


GAMMA = family(
    "gammainc_derivative",
    "gammainc",
    2,
    _gamma,
    notation="∂ₐ^{0} ∂ₓ^{1} P({2}, {3})",
    domain={"low": 0.4, "high": 3.0},
    doc="∂ₐⁿ∂ₓᵐ of the regularised lower incomplete gamma (DLMF 8.2.4); for m = 0 ∫₀ˣ ∂ₐⁿ (tᵃ⁻¹ exp(−t)/Γ(a)) dt.",
)


# ---- beta, of the odds r = x/(1 − x), which lose nothing at either end
def _log_beta_mass(a: Any, b: Any, r: Any) -> Any:
    """log(xᵃ(1 − x)ᵇ/B(a, b))"""
    n = a + b
    low, high = (r * b - a) / (a * (1 + r)), (a - r * b) / (b * (1 + r))
    errors = stirling_error(n) - stirling_error(a) - stirling_error(b)
    powers = a * log_minus(r / (1 + r) * (n / a), low) + b * log_minus(n / b / (1 + r), high)
    return 0.5 * np.log(a * (b / n) / (2 * math.pi)) + errors + powers


def _beta_cumulant(order: Order, a: Any, b: Any, log_x: Any, log_y: Any, less: int = 0) -> Any:
    """∂ₐⁱ∂_bʲ of a log x + b log y − log Γ(a) − log Γ(b) + log Γ(a + b − less)"""
    i, j = order
    if i and j:
        return _polygamma(i + j - 1, a + b - less)
    found = polygamma_step(i - 1, a, b - less) if i else polygamma_step(j - 1, b, a - less)
    return found + (log_x if i else log_y) if i + j == 1 else found


def beta_density(order: Order, a: Any, b: Any, r: Any) -> Any:
    """Of r: rᵃ⁻¹(1 + r)⁻ᵃ⁻ᵇ/B(a, b)"""

    def cumulant(order: Order) -> Any:
        i, j, m = order
        log_x, log_y = -np.log1p(1 / r), -np.log1p(r)
        if m == 0:
            return _beta_cumulant((i, j), a, b, log_x, log_y)
        inner, outer = _log_power(r, m), _log_power(1 + r, m)
        if i + j == 0:
            return (a - 1) * inner - (a + b) * outer
        return (inner * (i == 1) - outer) if i + j == 1 else 0.0

    return np.exp(_log_beta_mass(a, b, r) - np.log(r)) * bell(order, cumulant)


def beta_step(order: Order, a: Any, b: Any, r: Any) -> Any:
    """∂ₐⁱ∂_bʲ of I(x; a, b) − I(x; a + 1, b) = xᵃ(1 − x)ᵇ/(a B(a, b))"""
    log_x, log_y = -np.log1p(1 / r), -np.log1p(r)
    cumulant = lambda order: _beta_cumulant(order, a + 1, b, log_x, log_y, less=1)  # noqa: E731
    return np.exp(_log_beta_mass(a + 1, b, r) - log_x) / (a + b) * bell(order, cumulant)


def _beta_probability(order: Order, a: Any, b: Any, r: Any) -> Any:
    lower, small = r * (b + 0.5) < a + 0.5, r < 1
    side, turn = np.where(lower, 1.0, -1.0), np.where(lower == small, -1.0, 1.0)
    a1, b1 = a + lower, b + ~lower
    n, log_r = a1 + b1, np.log(r)
    x, y = r / (1 + r), 1 / (1 + r)
    part, shape = np.where(small, x, y), np.where(small, a1, b1)

    def fall(s: Any) -> tuple[Any, Any]:
        steps = part * np.expm1(turn * s)
        return n * np.log1p(steps) - turn * (shape * s), turn * (n * (part + steps) / (1 + steps) - shape)

    def factor(s: Any) -> Any:
        u = log_r - side * s
        log_x, log_y = -np.logaddexp(0.0, -u), -np.logaddexp(0.0, u)
        return bell(order, lambda order: _beta_cumulant(order, a1, b1, log_x, log_y))

    first = np.where(lower, beta_step(order, a, b, r), beta_step(order[::-1], b, a, 1 / r))
    return side * (first + np.exp(_log_beta_mass(a1, b1, r)) * tail(fall, n * x * y, factor))


def _beta(i: int, j: int, m: int, a: Any, b: Any, r: Any) -> Any:
    valid = (a > 0) & (b > 0) & (r > 0) & np.isfinite(a) & np.isfinite(b) & np.isfinite(r)
    a0, b0, r0 = (np.where(valid, p, 1.0) for p in (a, b, r))
    found = beta_density((i, j, m - 1), a0, b0, r0) if m else _beta_probability((i, j), a0, b0, r0)
    return np.where(valid, found, np.where((a > 0) & (b > 0) & ((r == 0) | np.isposinf(r)), 0.0, np.nan))


BETA = family(
    "betaprime_derivative",
    "betainc",
    3,
    _beta,
    notation="∂ₐ^{0} ∂_b^{1} ∂ᵣ^{2} I({5}/(1 + {5}); {3}, {4})",
    domain={"low": 0.4, "high": 3.0},
    doc="∂ₐⁱ∂_bʲ∂ᵣᵐ of the regularised incomplete beta of r/(1 + r) (8.17.2), the distribution function of the odds r; "
    "for m = 0 ∫₀ʳ ∂ₐⁱ∂_bʲ (tᵃ⁻¹(1 + t)⁻ᵃ⁻ᵇ/B(a, b)) dt.",
)
