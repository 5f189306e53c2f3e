"""Smirnov's distribution of the one-sided Kolmogorov statistic Dₙ⁺ of n samples, and its inverse.

P(Dₙ⁺ ≥ d) = Σₖ binom(n, k) d (d + k/n)^{k−1} (1 − d − k/n)^{n−k} over k ≤ n(1 − d) (Birnbaum & Tingey 1951). Its
terms end one after the other as d grows, the kth where 1 − d − k/n is 0.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .special import _apply, largest, repeated, special, whole

_COUNT = whole("the number of samples")
_TOGETHER = 256
_SAMPLES = 1_000_000
"""Of more samples than this there is no derivative: the sum has as many terms."""


def _falling(a: Any, k: int) -> Any:
    """a (a − 1) … (a − k + 1)"""
    return math.prod([a - i for i in range(k)], start=np.ones_like(a))


def _smirnov(order: int, n: np.ndarray, d: np.ndarray) -> np.ndarray:
    """The derivative of this order by d, from term to term; that of k = 0 is (1 − d)ⁿ."""
    total = (-1.0) ** order * _falling(n, order) * (1 - d) ** (n - order)
    for first in range(1, largest(n, _SAMPLES) + 1, _TOGETHER):
        k = np.arange(first, first + _TOGETHER)
        total += np.sum(_terms(order, n[:, None], d[:, None], k), axis=1)
    return np.where((d >= 0) & (d <= 1) & (n <= _SAMPLES), total, np.nan)


def _terms(order: int, n: np.ndarray, d: np.ndarray, k: np.ndarray) -> np.ndarray:
    counted = 1 - d - k / n > 0
    k = np.where(counted, k, 0.0)
    up, down = d + k / n, 1 - d - k / n
    choices = _apply("gammaln")(n + 1) - _apply("gammaln")(k + 1) - _apply("gammaln")(n - k + 1)
    weight = np.exp(choices + (k - 1) * np.log(up) + (n - k) * np.log(down))

    def product(m: int) -> Any:
        """The mth derivative of up^{k−1} down^{n−k}, over their product."""
        slopes = [
            math.comb(m, i) * _falling(k - 1, i) / up**i * _falling(n - k, m - i) / (-down) ** (m - i)
            for i in range(m + 1)
        ]
        return sum(slopes)

    value = d * product(order) + (order * product(order - 1) if order else 0.0)
    return np.where(counted, weight * value, 0.0)


repeated(
    "smirnov_by_d",
    "smirnov",
    _smirnov,
    _COUNT,
    lambda g, out, order, n, d: g * _apply("smirnov_by_d")(order + 1, n, d),
    notation="∂^{0}/∂{2}^{0} P(D₊ ≥ {2}; {1})",
    domain={"low": 0.05, "high": 0.75},
    kinks="Where n d is a whole number the derivative is that from the right.",
    doc="The derivative of Smirnov's survival function by d, taken as often as the first argument says.",
)
special(
    "smirnov",
    _COUNT,
    lambda g, out, n, d: g * _apply("smirnov_by_d")(1, n, d),
    notation="P(D₊ ≥ {1}; {0})",
    domain={"low": 0.05, "high": 0.75},
    kinks="Where n d is a whole number the derivative is that from the right.",
    doc="Survival function of the one-sided Kolmogorov–Smirnov statistic of n samples; no derivative in n.",
)
special(
    "smirnovi",
    _COUNT,
    lambda g, out, n, p: g / _apply("smirnov_by_d")(1, n, out),
    risky=True,
    notation="d: P(D₊ ≥ d; {0}) = {1}",
    domain={"low": 0.1, "high": 0.9},
    kinks="Where n d is a whole number the derivative is that of the smaller p.",
    doc="The d for which Smirnov's survival function is p; no derivative in n.",
)
