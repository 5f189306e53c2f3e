"""Hypergeometric functions of ``scipy.special``, with their derivatives in parameters, of every order.

₀F₁, ₁F₁ and ₂F₁ are summed up as jets of their parameters, at an argument at which the series of positive parameters
has positive terms; Tricomi's U is an integral, or a recurrence from one. Sections of the NIST DLMF stand beside the
formulas.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .jets import Linear, constant, derivative, over, over_gamma, rising, times, times_exponential, times_gamma
from .special import _apply, family, in_parameter, largest, special
from .special_orders import first_kind

_MOST = 5000
"""Terms after which a series counts as not converging: ₂F₁ within 0.007 of 1."""
_LOST = 1e6
"""Where terms are larger than their sum by this factor, the sum is not given."""
_NODES = 10_000
"""Where the integral of U needs more nodes than this, U has no derivatives: a above 10⁶."""


def _size(jet: np.ndarray) -> np.ndarray:
    return np.max(np.abs(jet), axis=tuple(range(jet.ndim - 1)))


def series(jet: np.ndarray, upper: list[Linear], lower: list[Linear], z: np.ndarray) -> np.ndarray:
    """Σ (upper)ₖ/(lower)ₖ zᵏ/k! times the jet (16.2.1); NaN where it does not converge or cancels."""
    term = total = jet
    top, open_ = _size(jet), np.ones(len(z), bool)
    for k in range(_MOST):
        for a in upper:
            term = times(term, a.plus(k))
        for b in lower:
            term = over(term, b.plus(k))
        term = term * (z / (k + 1))
        total, now = total + term, _size(term)
        top = np.maximum(top, now)
        quiet, open_ = ~open_, now > 1e-17 * _size(total)
        if np.all(quiet & ~open_):
            break
    return np.where(open_ | (top > _LOST * _size(total)), np.nan, total)


def started(orders: tuple[int, ...], upper: list[Linear], lower: list[Linear], nz: int, size: int) -> np.ndarray:
    """The factor of the nzth derivative by z: that of parameters that are larger by nz (15.5.2, 13.3.16, 16.3.1)."""
    jet = constant(orders, np.ones(size))
    for a in upper:
        jet = rising(jet, a, nz)
    for b in lower:
        for k in range(nz):
            jet = over(jet, b.plus(k))
    return jet


def parted(where: np.ndarray, one: Any, other: Any, *args: np.ndarray) -> np.ndarray:
    """``one(*args)`` where this holds, and ``other(*args)`` elsewhere; entries are the last axis of all of them."""
    parts = [
        (chosen, function(*[a[..., chosen] for a in args])) for chosen, function in ((where, one), (~where, other))
    ]
    found = np.empty((*parts[0][1].shape[:-1], len(where)))
    for chosen, part in parts:
        found[..., chosen] = part
    return found


def _hyp0f1(n: int, nz: int, v: np.ndarray, z: np.ndarray) -> np.ndarray:
    start = started((n,), [], [Linear(v, (1,))], nz, len(v))

    def growing(start: np.ndarray, v: np.ndarray, z: np.ndarray) -> np.ndarray:
        return derivative(series(start, [], [Linear(v, (1,))], z))

    def oscillating(start: np.ndarray, v: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Γ(v) r^{1 − v} J_{v−1}(2r), r = √−z (10.16.9)."""
        r = np.sqrt(-z)
        bessel = [first_kind(k, v - 1, 2 * r) / math.factorial(k) for k in range(n + 1)]
        jet = times_gamma(times_exponential(np.stack(bessel), -np.log(r), (1,)), Linear(v, (1,)))
        jet = jet * r ** (1 - v) * _apply("gamma")(v)
        return derivative(np.stack([sum(start[i] * jet[k - i] for i in range(k + 1)) for k in range(n + 1)]))

    return parted(z > -1, growing, oscillating, start, v + nz, z)


def kummer(jet: np.ndarray, a: Linear, b: Linear, z: np.ndarray) -> np.ndarray:
    """The jet times ₁F₁(a; b; z); at z < 0 that is eᶻ ₁F₁(b − a; b; −z) (13.2.39)."""
    other = tuple(t - s for s, t in zip(a.slopes, b.slopes, strict=True))

    def growing(jet: np.ndarray, a_: np.ndarray, b_: np.ndarray, z: np.ndarray) -> np.ndarray:
        return series(jet, [Linear(a_, a.slopes)], [Linear(b_, b.slopes)], z)

    def decaying(jet: np.ndarray, a_: np.ndarray, b_: np.ndarray, z: np.ndarray) -> np.ndarray:
        return np.exp(z) * series(jet, [Linear(b_ - a_, other)], [Linear(b_, b.slopes)], -z)

    return parted(z >= 0, growing, decaying, jet, a.value, b.value, z)


def _hyp1f1(na: int, nb: int, nz: int, a: np.ndarray, b: np.ndarray, z: np.ndarray) -> np.ndarray:
    upper, lower = Linear(a, (1, 0)), Linear(b, (0, 1))
    start = started((na, nb), [upper], [lower], nz, len(z))
    return derivative(kummer(start, upper.plus(nz), lower.plus(nz), z))


def _hyp2f1(na: int, nb: int, nc: int, nz: int, a: Any, b: Any, c: Any, z: Any) -> np.ndarray:
    first, second, below = (1, 0, 0), (0, 1, 0), (0, 0, 1)
    start = started((na, nb, nc), [Linear(a, first), Linear(b, second)], [Linear(c, below)], nz, len(z))

    def right(start: Any, a: Any, b: Any, c: Any, z: Any) -> np.ndarray:
        return series(start, [Linear(a, first), Linear(b, second)], [Linear(c, below)], z)

    def left(start: Any, a: Any, b: Any, c: Any, z: Any) -> np.ndarray:
        """(1 − z)⁻ᵃ ₂F₁(a, c − b; c; z/(z − 1)) (15.8.1)"""
        jet = series(start, [Linear(a, first), Linear(c - b, (0, -1, 1))], [Linear(c, below)], z / (z - 1))
        return (1 - z) ** -a * times_exponential(jet, -np.log1p(-z), first)

    return derivative(parted(z >= 0, right, left, start, a + nz, b + nz, c + nz, np.where(z < 1, z, np.nan)))


def _tricomi(na: int, nb: int, nx: int, a: np.ndarray, b: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The jet of U at a > 0: 1/Γ(a) ∫₀^∞ exp(−xt) t^{a−1} (1 + t)^{b−a−1} dt (13.4.4), at t = c exp(s − exp(−s)) around
    the peak c of the integrand (Takahasi & Mori 1974)."""
    half = 0.5 * (b - x)
    root = np.sqrt(half * half + a * x)
    peak = np.where(half > 0, (half + root) / x, a / (root - half))
    low, high = -np.log(1 + 60 / a + np.log1p(60 * peak / a)), np.log(6 + (80 + 2 * np.abs(b)) / (x * peak))
    step = np.minimum(0.08, 0.3 / np.sqrt(a + 1))
    nodes = (high - low) / step
    count = largest(nodes, _NODES) + 1
    apart = np.where(nodes <= _NODES, (high - low) / count, np.nan)[:, None]
    s = low[:, None] + apart * np.arange(count + 1)
    t = peak[:, None] * np.exp(s - np.exp(-s))
    logs, shifted = np.log(t), np.log1p(t)
    exponent = -x[:, None] * t + a[:, None] * logs + (b - a - 1)[:, None] * shifted
    f = np.exp(exponent) * (1 + np.exp(-s)) * apart
    jet = np.empty((na + 1, nb + 1, nx + 1, len(x)))
    for i, j, k in np.ndindex(na + 1, nb + 1, nx + 1):
        jet[i, j, k] = np.sum(f * (logs - shifted) ** i * shifted**j * (-t) ** k, axis=1)
        jet[i, j, k] /= math.factorial(i) * math.factorial(j) * math.factorial(k)
    return over_gamma(jet, Linear(a, (1, 0, 0)))


def hyperu_derivative(na: int, nb: int, nx: int, a: np.ndarray, b: np.ndarray, x: np.ndarray) -> np.ndarray:
    """At a ≤ 0 by U(a − 1) = (2a − b + x) U(a) − a (a − b + 1) U(a + 1) from above (13.3.7); NaN at a < −1000.

    At whole a ≤ 0 U is a polynomial, 1 at a = 0, while ∂U/∂a may be larger than it by far: so may U at a + 1, then."""
    usable = (x > 0) & (a >= -1000) & np.isfinite(a + b + x)
    a, b, x = (np.where(usable, value, 1.0) for value in (a, b, x))
    polynomial = np.full(len(a), na == 0) & (a <= 0) & (a == np.floor(a))
    steps = np.where(polynomial, -a, np.maximum(np.ceil(1e-3 - a), 0.0))
    at = np.where(polynomial, 1.0, a + steps)
    here = _tricomi(na, nb, nx, at, b, x)
    above = _tricomi(na, nb, nx, at + 1, b, x) if np.any(steps) else here
    one = constant((na, nb, nx), np.ones(len(a)))
    here, above, at = np.where(polynomial, one, here), np.where(polynomial, 0.0, above), a + steps
    for k in range(int(np.max(steps, initial=0.0))):
        first, second = Linear(at, (1, 0, 0)), Linear(at - b + 1, (1, -1, 0))
        part = times(here, Linear(2 * at - b + x, (2, -1, 1)))
        below = part - times(times(above, first), second)
        moves = k < steps
        lost = moves & (np.abs(at - 1) < 1e-3) & (_size(part) > _LOST * _size(below))
        below = np.where(lost, np.nan, below)
        here, above, at = np.where(moves, below, here), np.where(moves, here, above), np.where(moves, at - 1, at)
    return np.where(usable, derivative(here), np.nan)


_HYPER = {"low": 0.5, "high": 0.9}
_TRICOMI = {"low": 0.6, "high": 2.0}
special(
    "hyp0f1",
    in_parameter("hyp0f1", 0, 2),
    lambda g, out, v, z: g * _apply("hyp0f1")(v + 1, z) / v,
    notation="₀F₁({0}; {1})",
    domain=_HYPER,
    doc="₀F₁ (16.2.1); in its last argument by 16.3.1.",
)
special(
    "hyp1f1",
    in_parameter("hyp1f1", 0, 3),
    in_parameter("hyp1f1", 1, 3),
    lambda g, out, a, b, z: g * (a / b) * _apply("hyp1f1")(a + 1, b + 1, z),
    notation="₁F₁({0}; {1}; {2})",
    domain=_HYPER,
    doc="Kummer's ₁F₁ (13.2.2); in its last argument by 13.3.15.",
)
special(
    "hyp2f1",
    in_parameter("hyp2f1", 0, 4),
    in_parameter("hyp2f1", 1, 4),
    in_parameter("hyp2f1", 2, 4),
    lambda g, out, a, b, c, z: g * (a * b / c) * _apply("hyp2f1")(a + 1, b + 1, c + 1, z),
    risky=True,
    notation="₂F₁({0}, {1}; {2}; {3})",
    domain={"low": 0.4, "high": 0.7},
    doc="Gauss's ₂F₁ (15.2.1); in its last argument by 15.5.1, in parameters at z < 0.99.",
)
special(
    "hyperu",
    in_parameter("hyperu", 0, 3),
    in_parameter("hyperu", 1, 3),
    lambda g, out, a, b, x: g * -a * _apply("hyperu")(a + 1, b + 1, x),
    risky=True,
    notation="U({0}, {1}, {2})",
    domain=_TRICOMI,
    doc="Tricomi's U (13.2.6); in its last argument by 13.3.22.",
)
for _name, _count, _nth, _text, _where in (
    ("hyp0f1", 2, _hyp0f1, "∂^({0},{1}) ₀F₁({2}; {3})", _HYPER),
    ("hyp1f1", 3, _hyp1f1, "∂^({0},{1},{2}) ₁F₁({3}; {4}; {5})", _HYPER),
    ("hyp2f1", 4, _hyp2f1, "∂^({0},{1},{2},{3}) ₂F₁({4}, {5}; {6}; {7})", {"low": 0.4, "high": 0.7}),
    ("hyperu", 3, hyperu_derivative, "∂^({0},{1},{2}) U({3}, {4}, {5})", _TRICOMI),
):
    family(
        f"{_name}_derivative",
        _name,
        _count,
        _nth,
        notation=_text,
        domain=_where,
        doc=f"The derivatives of {_name}, taken in each argument as often as the first numbers say.",
    )
