"""Characteristic values of Mathieu's equation and its periodic solutions by q, those of the spheroidal equation by c.

Each value is an eigenvalue of a symmetric matrix D + τB, in which the equation is written by the Fourier or the
Legendre coefficients of its solution. Derivatives by τ are those of perturbation theory (Kato 1966, II §2). Sections of
the NIST DLMF stand beside the matrices.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .special import _apply, _scipy, repeated, special, whole

_ORDER = whole("an order")
_LARGEST = 2000
"""Where the matrix would be larger than this, there is no derivative: at q of some millions."""
DEGREE = math.pi / 180


Terms = list[Any]
"""The vectors that are coefficients of a series in what τ moves by."""


def _perturbed(n: int, level: int, fixed: np.ndarray, moving: np.ndarray, at: float) -> tuple[list[Any], Terms]:
    """Up to the nth power, the series of an eigenvalue of diag(fixed) + τ · moving at τ = `at`, and of its eigenvector,
    whose part along the one at `at` is held at 1."""
    values, vectors = np.linalg.eigh(np.diag(fixed) + at * moving)
    coupling = vectors.T @ moving @ vectors
    gaps = values[level] - values
    gaps[level] = np.inf
    parts, terms = [np.eye(len(fixed))[level]], [values[level]]
    for k in range(1, n + 1):
        moved = coupling @ parts[-1]
        terms.append(moved[level])
        parts.append((moved - sum(terms[i] * parts[k - i] for i in range(1, k + 1))) / gaps)
    return terms, [vectors @ part for part in parts]


def _of_length_one(parts: Terms) -> Terms:
    """A series of vectors over the root of their squared length; a power of a series by its recurrence (Euler)."""
    square = [sum(parts[i] @ parts[k - i] for i in range(k + 1)) for k in range(len(parts))]
    scale = [1.0]
    for k in range(1, len(parts)):
        scale.append(sum((0.5 * i - k) * square[i] * scale[k - i] for i in range(1, k + 1)) / k)
    return [sum(parts[i] * scale[k - i] for i in range(k + 1)) for k in range(len(parts))]


def _each(
    derivative: Callable[..., float],
    allowed: Callable[..., bool],
    size: Callable[..., int],
    orders: int,
    numbers: int = 1,
) -> Any:
    """Entry by entry, for the whole orders that there are; NaN for others, and where the matrix's size is too large."""

    def run(*given: Any) -> np.ndarray:
        rows = np.stack(given[numbers:], axis=1).tolist()
        known = [allowed(*row[:orders]) and row[:orders] == list(map(int, row[:orders])) for row in rows]
        finite = [all(map(math.isfinite, row)) and size(*row) <= _LARGEST for row in rows]
        fits = zip(known, finite, rows, strict=True)
        return np.array([derivative(*given[:numbers], *row) if k and f else np.nan for k, f, row in fits])

    return run


def _mathieu_size(m: float, q: float, *_: float) -> int:
    return int(m) // 2 + math.isqrt(int(abs(q))) + 14


def _mathieu(sign: int, m: float, q: float) -> tuple[int, np.ndarray, np.ndarray]:
    """Which eigenvalue a_m for sign 1 and b_m for −1 is, the frequencies of its cosines or sines, and the matrix that q
    multiplies beside their squares; the constant counts √2 (28.4.5–8)."""
    odd = m % 2 == 1
    first = 1 if odd else 1 - sign
    size = _mathieu_size(m, q)
    moving = np.eye(size, k=1) + np.eye(size, k=-1)
    if odd:
        moving[0, 0] = sign
    elif sign > 0:
        moving[0, 1] = moving[1, 0] = math.sqrt(2)
    return int(m - first) // 2, first + 2.0 * np.arange(size), moving


def _mathieu_value(sign: int) -> Callable[..., float]:
    def derivative(n: int, m: float, q: float) -> float:
        level, waves, moving = _mathieu(sign, m, q)
        return math.factorial(n) * _perturbed(n, level, waves**2, moving, q)[0][n]

    return derivative


def _mathieu_function(name: str, sign: int) -> Callable[..., float]:
    """ce_m or se_m (28.4.1–4), n times by q and nx times by x in radians, with SciPy's sign."""

    def derivative(n: int, nx: int, m: float, q: float, x: float) -> float:
        level, waves, moving = _mathieu(sign, m, q)
        terms = _of_length_one(_perturbed(n, level, waves**2, moving, q)[1])
        weights = np.where(waves == 0, math.sqrt(0.5), 1.0)

        def at(coefficients: np.ndarray, nx: int) -> float:
            turned = waves * x * DEGREE + 0.5 * math.pi * (nx if sign > 0 else nx - 1)
            return float(np.sum(coefficients * weights * waves**nx * np.cos(turned)))

        value, slope = _scipy(name)(m, q, x)
        same = value * at(terms[0], 0) + slope * at(terms[0], 1)
        return math.copysign(math.factorial(n), same) * at(terms[n], nx)

    return derivative


def _spheroidal_size(m: float, degree: float, gamma2: float) -> int:
    return int(degree - m) // 2 + math.isqrt(int(abs(gamma2))) // 2 + 14


def _spheroidal(n: int, m: float, degree: float, gamma2: float) -> float:
    """λ at γ²: the matrix of −d/dx (1 − x²) d/dx + m²/(1 − x²) + γ²x² in normalised Legendre functions of the degrees
    m + p, m + p + 2, …, p = 0 or 1, by which x P̄_l = a_{l+1} P̄_{l+1} + a_l P̄_{l−1}, a_l² = (l² − m²)/(4l² − 1)."""
    level = int(degree - m) // 2
    size = _spheroidal_size(m, degree, gamma2)
    degrees = m + (degree - m) % 2 + 2.0 * np.arange(size)
    a = lambda l: np.sqrt((l * l - m * m) / (4 * l * l - 1))  # noqa: E731, E741
    beside = (a(degrees + 1) * a(degrees + 2))[:-1]
    moving = np.diag(a(degrees) ** 2 + a(degrees + 1) ** 2) + np.diag(beside, 1) + np.diag(beside, -1)
    return math.factorial(n) * _perturbed(n, level, degrees * (degrees + 1), moving, gamma2)[0][n]


for _letter, _sign in (("a", 1), ("b", -1)):
    _name, _lowest = f"mathieu_{_letter}", (1 - _sign) // 2
    repeated(
        f"{_name}_by_q",
        _name,
        _each(_mathieu_value(_sign), lambda m, lowest=_lowest: m >= lowest, _mathieu_size, orders=1),
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
for _name, _letter, _sign in (("mathieu_cem", "ce", 1), ("mathieu_sem", "se", -1)):
    repeated(
        f"{_name}_derivative",
        f"{_name}_value",
        _each(
            _mathieu_function(_name, _sign),
            lambda m, lowest=(1 - _sign) // 2: m >= lowest,
            _mathieu_size,
            orders=1,
            numbers=2,
        ),
        _ORDER,
        lambda g, out, n, nx, m, q, x, name=_name: g * _apply(f"{name}_derivative")(n + 1, nx, m, q, x),
        lambda g, out, n, nx, m, q, x, name=_name: g * DEGREE * _apply(f"{name}_derivative")(n, nx + 1, m, q, x),
        numbers=2,
        notation=f"∂^({{0}},{{1}}) {_letter}_{{2}}({{3}}, {{4}}°)",
        domain={"low": 0.5, "high": 3.0},
        doc=f"The derivatives of {_name} by q and by x in radians, taken as often as the first numbers say.",
    )
repeated(
    "spheroidal_by_gamma2",
    "pro_cv",
    _each(_spheroidal, lambda m, degree: 0 <= m <= degree, _spheroidal_size, orders=2),
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
