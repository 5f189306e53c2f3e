"""Derivatives of Poisson mixtures of the gamma and of the beta law, whose first parameter grows by one.

With F(a) − F(a + 1) = δ(a), elementary (DLMF 8.8.5, 8.17.20), Σⱼ wⱼ F(a + j) of the weights wⱼ = exp(−λ) λʲ/j! is
F(a) − Σᵢ P(i + 1, λ) δ(a + i), and F(a + N) + Σᵢ Q(i + 1, λ) δ(a + i) where N terms are all that count: the first above
the middle, the second below, so that nothing large cancels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .cumulants import MOST, total
from .incomplete import BETA, GAMMA, beta_density, beta_step, gamma_density, gamma_step
from .special import _apply, family, largest


def _poisson(rate: Any, term: Callable[[Any], Any]) -> Any:
    """Σᵢ term(i), as far as a Poisson variable of this rate has a probability that counts."""
    return total(_count(rate), term)


def _count(rate: Any) -> int:
    return largest(_terms(rate), MOST) + 1


def _terms(rate: Any) -> Any:
    return rate + 10 * np.sqrt(rate) + 40


def _weight(j: Any, rate: Any) -> Any:
    return np.exp(_apply("xlogy")(j, rate) - rate - _apply("gammaln")(j + 1))


def _mixed(lower: Any, rate: Any, central: Callable[[Any], Any], step: Callable[[Any], Any]) -> Any:
    weight = lambda i: np.where(lower, _apply("gammaincc")(i + 1, rate), -_apply("gammainc")(i + 1, rate))  # noqa: E731
    return central(np.where(lower, _count(rate), 0)) + _poisson(rate, lambda i: weight(i) * step(i))


def _in_rate(times: int, law: Callable[[Any], Any], a: Any) -> Any:
    """∂ᵗ/∂λᵗ Σⱼ wⱼ F(a + j): each takes F(a + 1 + j) − F(a + j) for F(a + j)."""
    return sum((-1.0) ** (times - k) * math.comb(times, k) * law(a + k) for k in range(times + 1))


def _gamma(n: int, times: int, m: int, a: Any, rate: Any, x: Any) -> Any:
    rate = np.where(_terms(rate) <= MOST, rate, np.nan)

    def law(a: Any) -> Any:
        if m:
            return _poisson(rate, lambda j: _weight(j, rate) * gamma_density((n, m - 1), a + j, x))
        return _mixed(x < a + rate, rate, lambda j: GAMMA(n, 0, a + j, x), lambda i: gamma_step(n, a + i, x))

    return np.where(((x == 0) | np.isposinf(x)) & (m == 0), 0.0, _in_rate(times, law, a))


def _beta(i: int, j: int, times: int, m: int, a: Any, b: Any, rate: Any, r: Any) -> Any:
    rate = np.where(_terms(rate) <= MOST, rate, np.nan)

    def law(a: Any) -> Any:
        if m:
            return _poisson(rate, lambda k: _weight(k, rate) * beta_density((i, j, m - 1), a + k, b, r))
        central, step = lambda k: BETA(i, j, 0, a + k, b, r), lambda k: beta_step((i, j), a + k, b, r)
        return _mixed(r * b < a + rate, rate, central, step)

    return np.where(((r == 0) | np.isposinf(r)) & (m == 0), 0.0, _in_rate(times, law, a))


NONCENTRAL_GAMMA = family(
    "noncentral_gamma_derivative",
    "chndtr",
    3,
    _gamma,
    notation="∂ₐ^{0} ∂_λ^{1} ∂ₓ^{2} Σⱼ exp(−{4}) {4}ʲ/j! P({3} + j, {5})",
    domain={"low": 0.4, "high": 3.0},
    doc="∂ₐⁿ∂_λˡ∂ₓᵐ Σⱼ exp(−λ) λʲ/j! P(a + j, x), n + m > 0: the noncentral χ² law of 2a degrees of freedom at 2x.",
)
NONCENTRAL_BETA = family(
    "noncentral_beta_derivative",
    "ncfdtr",
    4,
    _beta,
    notation="∂ₐ^{0} ∂_b^{1} ∂_λ^{2} ∂ᵣ^{3} Σⱼ exp(−{6}) {6}ʲ/j! I({7}/(1 + {7}); {4} + j, {5})",
    domain={"low": 0.4, "high": 3.0},
    doc="∂ₐⁱ∂_bʲ∂_λˡ∂ᵣᵐ Σₖ exp(−λ) λᵏ/k! I(r/(1 + r); a + k, b), i + j + m > 0: the noncentral F law by its odds r.",
)
