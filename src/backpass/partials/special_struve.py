"""Struve's functions by their order, of every order of derivative, at real ν and x > 0.

Their series are jets of the order; where that of H would cancel it is Y_ν and an integral. Sections of the NIST DLMF
stand beside them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .jets import Linear, constant, derivative, over_gamma, times_exponential
from .special import _apply, repeated
from .special_hypergeometric import parted, series
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
        lambda g, out, n, v, x, name=_name: g * _apply(f"{name}_by_order")(n + 1, v, x),
        _struve_slope(_name),
        risky=True,
        notation=f"∂^{{0}}/∂{{1}}^{{0}} {_letter}_{{1}}({{2}})",
        domain={"low": 0.5, "high": 3.0},
        doc=f"The derivative of {_name} by its order, taken n times, at x > 0.",
    )
