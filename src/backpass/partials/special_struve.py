"""Struve's functions and Whittaker's D by their order, Wright's Bessel function by its parameters: of every order.

All are jets of series with positive terms, or integrals with the order in an exponent. Sections of the NIST DLMF stand
beside them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .jets import Linear, constant, derivative, over_gamma, times_exponential, times_gamma
from .special import _apply, family, repeated
from .special_hypergeometric import hyperu_derivative, kummer, parted, series
from .special_orders import at_positive, hankel

_SERIES_END = 10.0
"""Up to here the series of H is taken, whose terms alternate."""


def _struve_series(n: int, v: np.ndarray, x: np.ndarray, sign: float) -> np.ndarray:
    """(x/2)^{ν+1} Σ (∓x²/4)ᵏ/(Γ(k + 3/2) Γ(k + ν + 3/2)) (11.2.1–2)"""
    last = Linear(v + 1.5, (1,))
    jet = series(constant((n,), np.ones(len(x))), [Linear(1.0, (0,))], [Linear(1.5, (0,)), last], sign * 0.25 * x * x)
    jet = times_exponential(over_gamma(jet, last), np.log(0.5 * x), (1,))
    return derivative(jet) * (0.5 * x) ** (v + 1) / math.gamma(1.5)


def _struve_far(n: int, v: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Y_ν + 2 (x/2)^ν/(√π Γ(ν + ½)) ∫₀^∞ exp(−xt) (1 + t²)^{ν−½} dt (11.5.2), at xt = exp(s − exp(−s))."""
    s = np.arange(-4.0, 6.5, 0.08)
    t = np.exp(s - np.exp(-s)) / x[:, None]
    logs = np.log1p(t * t)
    weight = 0.08 * t * (1 + np.exp(-s)) * np.exp((v[:, None] - 0.5) * logs - x[:, None] * t)
    jet = np.stack([np.sum(weight * logs**k, axis=1) / math.factorial(k) for k in range(n + 1)])
    jet = times_exponential(over_gamma(jet, Linear(v + 0.5, (1,))), np.log(0.5 * x), (1,))
    return np.imag(hankel(n, v, x)) + derivative(jet) * 2 / math.sqrt(math.pi) * (0.5 * x) ** v


def _struve(n: int, v: np.ndarray, x: np.ndarray) -> np.ndarray:
    near = (x < _SERIES_END) | (v > x)
    return parted(near, lambda v, x: _struve_series(n, v, x, -1.0), lambda v, x: _struve_far(n, v, x), v, x)


def _whittaker(n: int, v: np.ndarray, x: np.ndarray) -> np.ndarray:
    """2^{ν/2} exp(−x²/4) times U(−ν/2, ½, x²/2) at x > 0 (12.7.14); elsewhere times √π ₁F₁(−ν/2; ½; x²/2)/Γ((1 − ν)/2)
    − √(2π) x ₁F₁((1 − ν)/2; 3/2; x²/2)/Γ(−ν/2) (12.4.1)."""

    def right(v: np.ndarray, x: np.ndarray) -> np.ndarray:
        half = np.full(len(x), 0.5)
        orders = [hyperu_derivative(k, 0, 0, -0.5 * v, half, 0.5 * x * x) for k in range(n + 1)]
        return np.stack([(-0.5) ** k * u / math.factorial(k) for k, u in enumerate(orders)])

    def left(v: np.ndarray, x: np.ndarray) -> np.ndarray:
        one = constant((n,), np.full(len(x), math.sqrt(math.pi)))
        half, more = Linear(-0.5 * v, (-0.5,)), Linear(0.5 - 0.5 * v, (-0.5,))
        even = over_gamma(kummer(one, half, Linear(np.full(len(x), 0.5), (0,)), 0.5 * x * x), more)
        odd = over_gamma(kummer(one, more, Linear(np.full(len(x), 1.5), (0,)), 0.5 * x * x), half)
        return even - math.sqrt(2) * x * odd

    jet = times_exponential(parted(x > 0, right, left, v, x), np.full(len(x), 0.5 * math.log(2)), (1,))
    return derivative(jet) * 2 ** (0.5 * v) * np.exp(-0.25 * x * x)


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


def _order(name: str) -> Any:
    return lambda g, out, n, v, x: g * _apply(f"{name}_by_order")(n + 1, v, x)


def _struve_slope(name: str) -> Any:
    """That of C_ν, C_{ν−1} − ν/x C_ν (11.4.27, 11.4.30), n times by ν."""

    def rule(g: Any, out: Any, n: Any, v: Any, x: Any) -> Any:
        by_order = _apply(f"{name}_by_order")
        return g * (by_order(n, v - 1, x) - (v * out + n * by_order(n - 1, v, x)) / x)

    return rule


for _name, _letter, _nth in (
    ("struve", "H", _struve),
    ("modstruve", "L", lambda n, v, x: _struve_series(n, v, x, 1.0)),
):
    repeated(
        f"{_name}_by_order",
        _name,
        at_positive(_nth, np.nan),
        _order(_name),
        _struve_slope(_name),
        risky=True,
        notation=f"∂^{{0}}/∂{{1}}^{{0}} {_letter}_{{1}}({{2}})",
        domain={"low": 0.5, "high": 3.0},
        doc=f"The derivative of {_name} by its order, taken n times, at x > 0.",
    )
repeated(
    "pbdv_by_order",
    "pbdv_value",
    _whittaker,
    _order("pbdv"),
    # D′_ν = x/2 D_ν − D_{ν+1} (12.8.3)
    lambda g, out, n, v, x: g * (0.5 * x * out - _apply("pbdv_by_order")(n, v + 1, x)),
    risky=True,
    notation="∂^{0}/∂{1}^{0} D_{1}({2})",
    domain={"low": 0.5, "high": 3.0},
    doc="The derivative of Whittaker's parabolic cylinder function D by its order, taken n times.",
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
