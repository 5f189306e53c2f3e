"""Derivatives of Bessel functions by their order, of every order n: ∂ⁿC_ν(x)/∂νⁿ at real ν and x > 0.

Each function is an integral of exp(φ(t)) with ν in φ as −νt alone, so a derivative by ν multiplies the integrand by
−t. The path crosses the saddles of φ, so nothing large cancels, and ends where the integrand is 0 with all its slopes,
where the trapezoidal rule converges geometrically (Trefethen & Weideman 2014). Sections of the NIST DLMF stand beside
the integrals.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .special import _apply, largest, repeated

Integral = Callable[[int, Any, Any], Any]

FALLEN = 45.0
"""A path ends where the integrand has fallen by exp(−45)."""
_NODES = 5000
"""Where an integral needs more nodes than this, it is NaN: orders of some thousand that are far above the argument."""


def at_positive(integral: Integral, at_zero: float) -> Integral:
    """The integral at x > 0; at x = 0 and ν > 0 its limit, NaN elsewhere."""

    def run(n: int, v: np.ndarray, x: np.ndarray) -> np.ndarray:
        inside = np.isfinite(v) & np.isfinite(x) & (x > 0)
        found = integral(n, np.where(inside, v, 1.0), np.where(inside, x, 1.0))
        return np.where(inside, found, np.where((x == 0) & (v > 0), at_zero, np.nan))

    return run


def _reach(stiffness: Any, fall: float = FALLEN) -> Any:
    """The t at which stiffness · (cosh t − 1) is `fall`."""
    return np.arccosh(1 + fall / stiffness)


def _trapezoids(low: Any, high: Any, step: Any) -> tuple[np.ndarray, np.ndarray]:
    """Places from `low` to `high`, a row an entry, at most a step apart; and how far apart they are."""
    nodes = (high - low) / step
    count = largest(nodes, _NODES) + 1
    apart = np.where(nodes <= _NODES, (high - low) / count, np.nan)
    return low[:, None] + apart[:, None] * np.arange(count + 1), apart


def _second_kind(scaled: bool) -> Integral:
    """K: ∫₀^∞ tⁿ cosh(νt) exp(−x cosh t) dt, with sinh where n is odd (10.32.9). The integrand is positive."""

    def integral(n: int, v: np.ndarray, x: np.ndarray) -> np.ndarray:
        order = np.abs(v)
        root = np.hypot(order, x)
        peak = np.arcsinh(order / x)
        left = np.minimum(_reach(x * x / (root + order)), 1 + FALLEN / np.maximum(order, 1e-9))
        step = np.minimum(0.2, 0.5 / np.sqrt(root))
        t, apart = _trapezoids(np.maximum(peak - left, 0.0), peak + _reach(root), step)
        v, x, order = v[:, None], x[:, None], order[:, None]
        pair = 0.5 + 0.5 * np.exp(-2 * order * t) if n % 2 == 0 else -0.5 * np.sign(v) * np.expm1(-2 * order * t)
        f = t**n * pair * np.exp(order * t - 2 * x * np.sinh(0.5 * t) ** 2 - (0.0 if scaled else x))
        f[:, 0] *= 0.5
        return apart * np.sum(f, axis=1)

    return integral


def _loop(growth: np.ndarray, stiffness: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """t = u + iw with sinh u = growth · w/sin w, dt/dw, and the step of w: the upper half of a path from ∞ − iπ to
    ∞ + iπ, as far as stiffness · (1 − cos w) is small enough to matter."""
    count = 160
    end = 2 * np.arcsin(np.minimum(np.sqrt(0.5 * FALLEN / stiffness), 1.0))
    w = end[:, None] * ((np.arange(count) + 0.5) / count)
    ratio = w / np.sin(w)
    rise = growth[:, None] * ratio
    slope = growth[:, None] * (1 - ratio * np.cos(w)) / np.sin(w) / np.sqrt(1 + rise * rise)
    return np.arcsinh(rise) + 1j * w, slope + 1j, end / count


def _modified_first_kind(scaled: bool) -> Integral:
    """I: 1/(2πi) ∫ exp(x cosh t − νt) dt from ∞ − iπ to ∞ + iπ (10.32.12); I_{−ν} = I_ν + 2/π sin(νπ) K_ν (10.27.2)."""
    second_kind = _second_kind(scaled=False)

    def integral(n: int, v: np.ndarray, x: np.ndarray) -> np.ndarray:
        order = np.abs(v)
        t, dt, apart = _loop((order + 1) / x, np.hypot(order, x))
        drop = np.exp(-x) if scaled else np.ones_like(x)
        exponent = 2 * x[:, None] * np.sinh(0.5 * t) ** 2 - order[:, None] * t + (0.0 if scaled else x[:, None])
        found = apart * np.sum(np.imag((-t) ** n * np.exp(exponent) * dt), axis=1) / np.pi
        below = v < 0
        order, x, drop = order[below], x[below], drop[below]
        for k in range(n + 1):
            turned = np.pi**k * np.sin(np.pi * (order + 0.5 * k))
            found[below] += 2 / np.pi * math.comb(n, k) * turned * drop * second_kind(n - k, order, x)
        found[below] *= (-1.0) ** n
        return found

    return integral


def _beyond(n: int, v: np.ndarray, x: np.ndarray) -> np.ndarray:
    """J at ν ≥ x, where it is far smaller than Y: 1/(2πi) ∫ exp(x sinh t − νt) dt from ∞ − iπ to ∞ + iπ (10.9.17)."""
    growth = np.sqrt((v + 1 - x) * (v + 1 + x) + x ** (4 / 3)) / x
    t, dt, apart = _loop(growth, 0.6 * growth * x)
    f = (-t) ** n * np.exp(x[:, None] * np.sinh(t) - v[:, None] * t) * dt
    return apart * np.sum(np.imag(f), axis=1) / np.pi


def hankel(n: int, v: Any, x: Any, scaled: bool = False) -> Any:
    """H⁽¹⁾: 1/(πi) ∫ exp(x sinh t − νt) dt from −∞ to ∞ + iπ (10.9.18), on a smooth step of Im t from 0 to π.

    It passes i arccos(ν/x), the saddle where ν < x, as steeply as the integrand falls; where ν > x it keeps to the real
    axis around the saddle −arccosh(ν/x), and turns at the other, which is low."""
    order = np.abs(v)
    beyond = np.arccosh(np.maximum(order / x, 1.0))
    root = np.maximum(np.sqrt(np.abs((x - order) * (x + order))), np.minimum(x, x ** (2 / 3)))
    height = np.maximum(np.arccos(np.minimum(order / x, 1.0)), np.minimum(1.0, x ** (-1 / 3)))
    rate = np.minimum(np.pi / (height * (np.pi - height)), 4.0)
    middle = np.copysign(beyond - np.log(height / (np.pi - height)) / rate, v)
    end = beyond + _reach(root, 60.0)
    u, apart = _trapezoids(-end, end, np.minimum(np.minimum(0.12, 0.35 / np.sqrt(root)), 0.1 * height))
    v, x, rate = v[:, None], x[:, None], rate[:, None]
    step = 1 / (1 + np.exp(-rate * (u - middle[:, None])))
    t = u + 1j * np.pi * step
    dt = 1 + 1j * np.pi * rate * step * (1 - step)
    f = (-t) ** n * np.exp(x * np.sinh(t) - v * t - (1j * x if scaled else 0.0)) * dt
    return apart * np.sum(f, axis=1) / (1j * np.pi)


def first_kind(n: int, v: np.ndarray, x: np.ndarray) -> np.ndarray:
    found, beyond = np.empty(len(v)), v >= x
    found[beyond] = _beyond(n, v[beyond], x[beyond])
    found[~beyond] = hankel(n, v[~beyond], x[~beyond]).real
    return found


def _conjugate(scaled: bool) -> Integral:
    return lambda n, v, x: np.conj(hankel(n, v, x, scaled))


def _neighbours(name: str, below: Any, above: Any, own: Any = 0.0) -> Any:
    """∂/∂x: of C_ν it is below · C_{ν−1} + above · C_{ν+1} + own · C_ν (10.6.1, 10.29.1), and so of ∂ⁿC_ν/∂νⁿ."""

    def rule(g: Any, out: Any, n: Any, v: Any, x: Any) -> Any:
        by_order = _apply(f"{name}_by_order")
        return g * (below * by_order(n, v - 1, x) + above * by_order(n, v + 1, x) + own * out)

    return rule


for _name, _letter, _integral, _at_zero, _weights in (
    ("jv", "J", first_kind, 0.0, (0.5, -0.5)),
    ("yv", "Y", lambda n, v, x: hankel(n, v, x).imag, np.nan, (0.5, -0.5)),
    ("iv", "I", _modified_first_kind(scaled=False), 0.0, (0.5, 0.5)),
    ("ive", "exp(−{2}) I", _modified_first_kind(scaled=True), 0.0, (0.5, 0.5, -1.0)),
    ("kv", "K", _second_kind(scaled=False), np.nan, (-0.5, -0.5)),
    ("kve", "exp({2}) K", _second_kind(scaled=True), np.nan, (-0.5, -0.5, 1.0)),
    ("hankel1", "H⁽¹⁾", hankel, np.nan, (0.5, -0.5)),
    ("hankel2", "H⁽²⁾", _conjugate(scaled=False), np.nan, (0.5, -0.5)),
    ("hankel1e", "exp(−i {2}) H⁽¹⁾", lambda n, v, x: hankel(n, v, x, True), np.nan, (0.5, -0.5, -1j)),
    ("hankel2e", "exp(i {2}) H⁽²⁾", _conjugate(scaled=True), np.nan, (0.5, -0.5, 1j)),
):
    repeated(
        f"{_name}_by_order",
        _name,
        at_positive(_integral, _at_zero),
        lambda g, out, n, v, x, name=_name: g * _apply(f"{name}_by_order")(n + 1, v, x),
        _neighbours(_name, *_weights),
        risky=True,
        notation=f"∂^{{0}}/∂{{1}}^{{0}} {_letter}_{{1}}({{2}})",
        domain={"low": 0.5, "high": 3.0},
        doc=f"The derivative of {_name} by its order, taken n times, at x > 0.",
    )
