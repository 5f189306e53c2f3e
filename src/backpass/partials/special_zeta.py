"""Derivatives of the zeta functions of Hurwitz and Riemann by s, of every order n: Σ (−log(k + q))ⁿ/(k + q)ˢ.

Sections of the NIST DLMF stand beside the formulas.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .special import _apply, _polygamma, real_only, repeated, special

TERMS = 16
"""Terms that are summed one by one before the Euler–Maclaurin formula takes the rest."""
_CORRECTIONS = (1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000, 1 / 74724249600,
                -3617 / 10670622842880000, 43867 / 5109094217170944000, -174611 / 802857662698291200000,
                77683 / 14101100039391805440000, -236364091 / 1693824136731743669452800000)  # fmt: skip
"""B₂ⱼ/(2j)! of the Bernoulli numbers."""


def _hurwitz(n: int, s: np.ndarray, q: np.ndarray) -> np.ndarray:
    """∂ⁿζ(s, q)/∂sⁿ by Euler and Maclaurin (25.11.5), of f = (−log x)ⁿ/xˢ: a sum, then the integral from a = q + TERMS,
    f(a)/2 and the derivatives of f at a, which are x^{−s−m} times polynomials of log x."""
    x = q[:, None] + np.arange(TERMS)
    total = np.sum((-np.log(x)) ** n * x ** -s[:, None], axis=1)
    a = q + TERMS
    log, power = -np.log(a), a**-s
    integral = a * power / (s - 1)
    for k in range(1, n + 1):
        integral = (log**k * a * power - k * integral) / (s - 1)
    total += integral + 0.5 * log**n * power
    of_logs = [*[np.zeros_like(s)] * n, np.ones_like(s), np.zeros_like(s)]
    for order in range(2 * len(_CORRECTIONS) - 1):
        of_logs = [-(s + order) * of_logs[k] - (k + 1) * of_logs[k + 1] for k in range(n + 1)] + of_logs[-1:]
        power = power / a
        if order % 2 == 0:
            total -= _CORRECTIONS[order // 2] * power * sum(c * log**k for k, c in enumerate(of_logs))
    return total


def _of_positive(n: int, s: np.ndarray, q: np.ndarray) -> np.ndarray:
    return np.where((s > 1) & (q > 0), _hurwitz(n, s, np.where(q > 0, q, 1.0)), np.nan)


def _riemann(n: int, s: np.ndarray) -> np.ndarray:
    """Without the term 1 of ζ, which has no derivative; at s < −1 by reflection."""
    found = _hurwitz(n, s, np.full_like(s, 2.0))
    left = s < -1
    found[left] = (-1.0) ** n * _reflected(n, 1 - s[left])
    return found


def _reflected(n: int, t: np.ndarray) -> np.ndarray:
    """The nth derivative of ζ(1 − t) = 2 (2π)⁻ᵗ Γ(t) cos(πt/2) ζ(t) by t (25.4.2), at t > 1."""
    slopes = [_apply("psi")(t) - math.log(2 * math.pi), *[_polygamma(k, t) for k in range(1, n)]]
    growth = [2 * np.exp(_apply("gammaln")(t) - t * math.log(2 * math.pi))]
    for k in range(n):
        growth.append(sum(math.comb(k, i) * slopes[i] * growth[k - i] for i in range(k + 1)))
    turned = [(0.5 * math.pi) ** k * np.cos(0.5 * math.pi * (t + k)) for k in range(n + 1)]
    zeta = [_hurwitz(k, t, np.ones_like(t)) for k in range(n + 1)]
    return _product(_product(growth, turned), zeta)[n]


def _product(f: list[Any], g: list[Any]) -> list[Any]:
    """The derivatives of f · g by Leibniz's rule."""
    return [sum(math.comb(k, i) * f[i] * g[k - i] for i in range(k + 1)) for k in range(len(f))]


def _by_q(g: Any, out: Any, n: Any, s: Any, q: Any) -> Any:
    """−s ζ(s + 1, q) (25.11.17), derived n times by s."""
    by_s = _apply("zeta_by_s")
    return g * -(s * by_s(n, s + 1, q) + n * by_s(n - 1, s + 1, q))


repeated(
    "zeta_by_s",
    "zeta",
    _of_positive,
    lambda g, out, n, s, q: g * _apply("zeta_by_s")(n + 1, s, q),
    _by_q,
    risky=True,
    notation="∂^{0}/∂{1}^{0} ζ({1}, {2})",
    domain={"low": 1.5, "high": 4.0},
    doc="The derivative of ζ(s, q) by s, taken n times, at s > 1 and q > 0.",
)
repeated(
    "zetac_by_s",
    "zetac",
    _riemann,
    lambda g, out, n, s: g * _apply("zetac_by_s")(n + 1, s),
    risky=True,
    notation="∂^{0}/∂{1}^{0} ζ({1})",
    domain={"low": 1.5, "high": 4.0},
    doc="The derivative of Riemann's ζ(s) by s, taken n times.",
)


def _in_s(g: Any, out: Any, s: Any) -> Any:
    real_only(s)
    return g * _apply("zetac_by_s")(1, s)


special(
    "zetac",
    _in_s,
    risky=True,
    notation="ζ({0}) − 1",
    domain={"low": 1.5, "high": 4.0},
    doc="Riemann's ζ(s) − 1 (25.2.1).",
)
special(
    "riemann_zeta",
    _in_s,
    of="zeta",
    risky=True,
    notation="ζ({0})",
    domain={"low": 1.5, "high": 4.0},
    doc="Riemann's ζ(s) (25.2.1): what zeta is of one argument.",
)
