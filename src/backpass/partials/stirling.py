"""Differences of log-gamma and polygamma functions without cancellation, by Stirling's series (DLMF 5.11, 5.15)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .special import _apply, _polygamma

_LARGE = 16.0
_BERNOULLI = {1: 1 / 2, 2: 1 / 6, 4: -1 / 30, 6: 1 / 42, 8: -1 / 30, 10: 5 / 66, 12: -691 / 2730, 14: 7 / 6}


def polygamma_step(n: int, x: Any, h: Any) -> Any:
    """ψ⁽ⁿ⁾(x + h) − ψ⁽ⁿ⁾(x), where x is large term by term of (−1)ⁿ⁻¹ Σₖ Bₖ (k + n − 1)!/k! x⁻ᵏ⁻ⁿ (5.15.8)."""
    large = x > _LARGE
    far, near = np.where(large, x, 2 * _LARGE), np.where(large, 1.0, x)
    step = np.log1p(h / far)
    power = lambda k: np.expm1(-k * step) / far**k  # noqa: E731
    series = math.factorial(n - 1) * power(n) if n else -step
    for k, bernoulli in _BERNOULLI.items():
        series = series + bernoulli * math.factorial(k + n - 1) / math.factorial(k) * power(k + n)
    return np.where(large, (-1.0) ** (n + 1) * series, _polygamma(n, near + h) - _polygamma(n, near))


def log_less_psi(n: int, x: Any) -> Any:
    """The nth derivative of log x − ψ(x), where x is large (−1)ⁿ Σₖ Bₖ (k + n − 1)!/k! x⁻ᵏ⁻ⁿ (5.11.2, 5.15.8)."""
    large = x > _LARGE
    far, near = np.where(large, x, _LARGE), np.where(large, 1.0, x)
    series = sum(b * math.factorial(k + n - 1) / math.factorial(k) / far ** (k + n) for k, b in _BERNOULLI.items())
    log = (-1.0) ** (n - 1) * math.factorial(n - 1) / near**n if n else np.log(near)
    return np.where(large, (-1.0) ** n * series, log - _polygamma(n, near))


def stirling_error(a: Any) -> Any:
    """log Γ(a) − (a − ½) log a + a − ½ log 2π (5.11.1)"""
    large = a > _LARGE
    w = 1 / np.where(large, a, _LARGE)
    series = w * np.polyval([1 / 1188, -1 / 1680, 1 / 1260, -1 / 360, 1 / 12], w * w)
    near = np.where(large, 1.0, a)
    exact = _apply("gammaln")(near) - (near - 0.5) * np.log(near) + near - 0.5 * math.log(2 * math.pi)
    return np.where(large, series, exact)


def log_minus(ratio: Any, excess: Any) -> Any:
    """log ρ − (ρ − 1), of ρ and of ρ − 1 (Loader 2000)."""
    near = np.abs(excess) < 0.3
    mu = np.where(near, excess, 0.0)
    w = mu / (2 + mu)
    series = np.polyval([2 / (2 * k + 1) for k in range(11, 0, -1)], w * w) * w**3
    return np.where(near, series - w * mu, np.log(np.where(near, 1.0, ratio)) - excess)
