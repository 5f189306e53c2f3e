"""Derivatives of a distribution function of any order, in its parameters too: what is common to the laws.

Let F(θ, x) = ∫ f(t; θ) dt up to x, and κ_ν = ∂^ν log f. Then ∂^ν f is f times the complete Bell polynomial of these
cumulants, and ∂^ν F its integral; over the whole range that is 0, since F(θ, ∞) = 1 for every θ. So it is taken over
the tail on x's side of the middle, where f falls from its largest value at x, by Gauss and Legendre's rule in a
variable in which log f is concave, as far as f matters.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

Order = tuple[int, ...]
_SLAB = 256
"""So many terms of a sum are held at a time for all entries."""
MOST = 1_000_000
"""Sums of more terms are not taken: what needs them is NaN."""
_FALL = 40.0
"""Where f is less than exp(−40) of its value at x, the integral ends."""


def bell(order: Order, cumulant: Callable[[Order], Any]) -> Any:
    """∂^ν exp(κ) / exp(κ) of the derivatives of κ (Faà di Bruno): E_{ν+e} = Σ_μ (ν over μ) κ_{μ+e} E_{ν−μ}"""
    cumulant = functools.cache(cumulant)

    @functools.cache
    def polynomial(order: Order) -> Any:
        axis = next((i for i, n in enumerate(order) if n), None)
        if axis is None:
            return 1.0
        step = tuple(int(i == axis) for i in range(len(order)))
        rest = _minus(order, step)
        total: Any = 0.0
        for part in itertools.product(*[range(n + 1) for n in rest]):
            count = math.prod(map(math.comb, rest, part))
            total = total + count * cumulant(_minus(part, step, -1)) * polynomial(_minus(rest, part))
        return total

    return polynomial(order)


def _minus(order: Order, other: Order, sign: int = 1) -> Order:
    return tuple(m - sign * n for m, n in zip(order, other, strict=True))


@functools.cache
def nodes() -> tuple[Any, Any]:
    """The places of Gauss and Legendre's rule for ∫₀¹, as a column, and its weights."""
    places, weights = np.polynomial.legendre.leggauss(48)
    return 0.5 * (places + 1)[:, None], 0.5 * weights


def tail(fall: Callable[[Any], tuple[Any, Any]], curvature: Any, integrand: Callable[[Any], Any]) -> Any:
    """∫₀^∞ exp(−fall(s)) integrand(s) ds, entry by entry. `fall` is convex, 0 at 0 and there of this curvature; it
    gives its value and its slope, by which Newton's steps find where the integral ends."""
    slope = fall(np.zeros_like(curvature))[1]
    end = 2 * _FALL / (slope + np.sqrt(slope**2 + 2 * _FALL * curvature))
    for _ in range(8):
        value, slope = fall(end)
        end = end - (value - _FALL) / slope
    places, weights = nodes()
    s = end * places
    return end * (weights @ (np.exp(-fall(s)[0]) * integrand(s)))


def total(count: int, term: Callable[[Any], Any]) -> Any:
    """Σᵢ term(i), 0 ≤ i < count, entry by entry; `term` takes some i at a time, as a column."""
    parts = [np.arange(k, min(k + _SLAB, count))[:, None] for k in range(0, count, _SLAB)]
    return sum(np.sum(term(i), axis=0) for i in parts)
