"""Characteristic values of Mathieu's equation by q, and of the spheroidal equation by c.

Each is an eigenvalue of a symmetric matrix D + τB, in which the equation is written by the Fourier or the Legendre
coefficients of its solution. Its derivatives by τ are those of perturbation theory (Kato 1966, II §2). Sections of the
NIST DLMF stand beside the matrices.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .special import _apply, repeated, special, whole

_ORDER = whole("an order")


def _derivative(n: int, level: int, fixed: np.ndarray, moving: np.ndarray, at: float) -> float:
    """The nth derivative of an eigenvalue of diag(fixed) + τ · moving at τ = `at`: n! times the nth term of its series
    in τ. The eigenvector's series stands in the basis of the eigenvectors, its own part held at 1."""
    values, vectors = np.linalg.eigh(np.diag(fixed) + at * moving)
    coupling = vectors.T @ moving @ vectors
    gaps = values[level] - values
    gaps[level] = np.inf
    parts, terms = [np.eye(len(fixed))[level]], [values[level]]
    for k in range(1, n + 1):
        moved = coupling @ parts[-1]
        terms.append(moved[level])
        parts.append((moved - sum(terms[i] * parts[k - i] for i in range(1, k + 1))) / gaps)
    return math.factorial(n) * terms[n]


def _each(derivative: Callable[..., float], allowed: Callable[..., bool]) -> Callable[..., np.ndarray]:
    """Entry by entry, for whole orders that there are; NaN for others."""

    def run(n: int, *args: np.ndarray) -> np.ndarray:
        rows = np.stack(args, axis=1).tolist()
        known = [allowed(*row[:-1]) and all(x == int(x) for x in row[:-1]) and math.isfinite(row[-1]) for row in rows]
        return np.array([derivative(n, *row) if k else np.nan for k, row in zip(known, rows, strict=True)])

    return run


def _mathieu(sign: int) -> Callable[..., float]:
    """a_m for sign 1, b_m for −1: the equations of the coefficients of cos and of sin (28.4.5–8)."""

    def derivative(n: int, m: float, q: float) -> float:
        odd = m % 2 == 1
        first = 1 if odd else 1 - sign
        size = int(m) // 2 + math.isqrt(int(abs(q))) + 14
        waves = first + 2.0 * np.arange(size)
        moving = np.eye(size, k=1) + np.eye(size, k=-1)
        if odd:
            moving[0, 0] = sign
        elif sign > 0:
            moving[0, 1] = moving[1, 0] = math.sqrt(2)
        return _derivative(n, int(m - first) // 2, waves**2, moving, q)

    return derivative


def _spheroidal(n: int, m: float, degree: float, gamma2: float) -> float:
    """λ at γ²: the matrix of −d/dx (1 − x²) d/dx + m²/(1 − x²) + γ²x² in normalised Legendre functions of the degrees
    m + p, m + p + 2, …, p = 0 or 1, by which x P̄_l = a_{l+1} P̄_{l+1} + a_l P̄_{l−1}, a_l² = (l² − m²)/(4l² − 1)."""
    level = int(degree - m) // 2
    size = level + math.isqrt(int(abs(gamma2))) // 2 + 14
    degrees = m + (degree - m) % 2 + 2.0 * np.arange(size)
    a = lambda l: np.sqrt((l * l - m * m) / (4 * l * l - 1))  # noqa: E731, E741
    beside = (a(degrees + 1) * a(degrees + 2))[:-1]
    moving = np.diag(a(degrees) ** 2 + a(degrees + 1) ** 2) + np.diag(beside, 1) + np.diag(beside, -1)
    return _derivative(n, level, degrees * (degrees + 1), moving, gamma2)


for _letter, _sign in (("a", 1), ("b", -1)):
    _name, _lowest = f"mathieu_{_letter}", (1 - _sign) // 2
    repeated(
        f"{_name}_by_q",
        _name,
        _each(_mathieu(_sign), lambda m, lowest=_lowest: m >= lowest),
        _ORDER,
        lambda g, out, n, m, q, name=_name: g * _apply(f"{name}_by_q")(n + 1, m, q),
        notation=f"∂^{{0}}/∂{{2}}^{{0}} {_letter}_{{1}}({{2}})",
        domain={"low": 0.5, "high": 3.0},
        doc=f"The derivative of {_name} by q, taken n times; of whole orders m.",
    )
    # In single precision SciPy's own search for a characteristic value may not come to an end.
    special(
        _name,
        _ORDER,
        lambda g, out, m, q, name=_name: g * _apply(f"{name}_by_q")(1, m, q),
        double=True,
        notation=f"{_letter}_{{0}}({{1}})",
        domain={"low": 0.5, "high": 3.0},
        doc="Characteristic value of Mathieu's equation (28.2.6); no derivative in the order.",
    )
repeated(
    "spheroidal_by_gamma2",
    "pro_cv",
    _each(_spheroidal, lambda m, degree: 0 <= m <= degree),
    _ORDER,
    _ORDER,
    lambda g, out, n, m, degree, gamma2: g * _apply("spheroidal_by_gamma2")(n + 1, m, degree, gamma2),
    notation="∂^{0}/∂{3}^{0} λ_{2}^{1}({3})",
    domain={"low": -3.0, "high": 3.0},
    doc="The derivative of a spheroidal characteristic value by γ², c² of prolate and −c² of oblate functions.",
)
for _name, _sign in (("pro_cv", 1.0), ("obl_cv", -1.0)):
    special(
        _name,
        _ORDER,
        _ORDER,
        lambda g, out, m, n, c, s=_sign: g * (2 * s * c) * _apply("spheroidal_by_gamma2")(1, m, n, s * c * c),
        double=True,
        notation="λ_{1}^{0}(" + ("−" if _sign < 0 else "") + "{2}²)",
        domain={"low": 0.5, "high": 3.0},
        doc="Characteristic value of the spheroidal equation (30.3); no derivative in the orders.",
    )
