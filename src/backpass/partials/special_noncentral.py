"""Noncentral distribution functions of ``scipy.special`` and their inverses."""

from __future__ import annotations

from typing import Any

import numpy as np

from .mixtures import NONCENTRAL_BETA, NONCENTRAL_GAMMA
from .noncentral_student import NONCENTRAL_STUDENT
from .special import _apply
from .special_distributions import LARGER, UNIT, Slopes, distribution, inverse


# ---- χ²
def noncentral_chi_square_density(x: Any, k: Any, c: Any) -> Any:
    """½ exp(−(x + c)/2) (x/c)^{k/4 − ½} I_{k/2 − 1}(√(cx))"""
    rx, rc = np.sqrt(x), np.sqrt(c)
    power = np.exp((0.5 * k - 1) * (np.log(rx) - np.log(rc)))
    return 0.5 * np.exp(-0.5 * (rx - rc) ** 2) * power * _apply("ive")(0.5 * k - 1, rx * rc)


_CHI_SQUARE: Slopes = (
    noncentral_chi_square_density,
    lambda x, k, c: 0.5 * NONCENTRAL_GAMMA(1, 0, 0, 0.5 * k, 0.5 * c, 0.5 * x),
    lambda x, k, c: -noncentral_chi_square_density(x, k + 2, c),
)
distribution(
    "chndtr",
    _CHI_SQUARE,
    notation="χ²({0}; {1}, {2})",
    domain=LARGER,
    doc="Noncentral χ² distribution function of k degrees of freedom.",
)
for _name, _place, _where, _text, _what in (
    ("chndtrix", 0, UNIT, "χ²⁻¹({0}; {1}, {2})", "variate"),
    ("chndtridf", 1, {"low": 0.3, "high": 0.5}, "k: χ²({0}; k, {2}) = {1}", "number of degrees of freedom"),
    ("chndtrinc", 2, {"low": 0.3, "high": 0.45}, "c: χ²({0}; {1}, c) = {2}", "noncentrality"),
):
    inverse(
        _name,
        _CHI_SQUARE,
        _place,
        notation=_text,
        domain=_where,
        doc=f"The {_what} for which the noncentral χ² distribution function is p.",
    )


# ---- F
def _shifted_f(m: Any, n: Any, c: Any, f: Any, shift: int) -> Any:
    """The noncentral F distribution function with `shift` more degrees above, at the same beta variable."""
    return _apply("ncfdtr")(m + shift, n, c, f * m / (m + shift))


def noncentral_f_density(m: Any, n: Any, c: Any, f: Any) -> Any:
    """By I_y(a, b) − I_y(a + 1, b) = yᵃ(1 − y)ᵇ/(a B(a, b)) (8.17.20) in each term of the Poisson mixture."""
    zero, one, two = (_shifted_f(m, n, c, f, k) for k in (0, 2, 4))
    return (0.5 * m * (zero - one) + 0.5 * c * (one - two)) / f


def _f_of_odds(orders: tuple[int, int, int, int], m: Any, n: Any, c: Any, f: Any) -> Any:
    return NONCENTRAL_BETA(*orders, 0.5 * m, 0.5 * n, 0.5 * c, m * f / n)


_F: Slopes = (
    lambda m, n, c, f: 0.5 * _f_of_odds((1, 0, 0, 0), m, n, c, f) + f / n * _f_of_odds((0, 0, 0, 1), m, n, c, f),
    lambda m, n, c, f: (
        0.5 * _f_of_odds((0, 1, 0, 0), m, n, c, f) - m * f / (n * n) * _f_of_odds((0, 0, 0, 1), m, n, c, f)
    ),
    lambda m, n, c, f: 0.5 * (_shifted_f(m, n, c, f, 2) - _shifted_f(m, n, c, f, 0)),
    noncentral_f_density,
)
distribution(
    "ncfdtr",
    _F,
    notation="F({3}; {0}, {1}, {2})",
    domain={"low": 1.2, "high": 3.0},
    doc="Noncentral F distribution function of m and n degrees of freedom.",
)
inverse(
    "ncfdtri",
    _F,
    3,
    notation="F⁻¹({3}; {0}, {1}, {2})",
    domain=UNIT,
    doc="The variate for which the noncentral F distribution function is p.",
)


# ---- Student's t
def noncentral_student_density(v: Any, c: Any, t: Any) -> Any:
    """(ν/t) (F_{ν+2}(t √(1 + 2/ν)) − F_ν(t)) (Johnson, Kotz & Balakrishnan 1995, 31.5)."""
    return v / t * (_apply("nctdtr")(v + 2, c, t * np.sqrt(1 + 2 / v)) - _apply("nctdtr")(v, c, t))


def _student_in_noncentrality(v: Any, c: Any, t: Any) -> Any:
    """−√((ν − 1)/2) Γ((ν − 1)/2)/Γ(ν/2) times the density of ν − 1 at t √((ν − 1)/ν)."""
    w = v - 1
    ratio = np.exp(_apply("gammaln")(w / 2) - _apply("gammaln")(v / 2))
    return -np.sqrt(w / 2) * ratio * noncentral_student_density(w, c, t * np.sqrt(w / v))


_STUDENT: Slopes = (
    lambda v, c, t: NONCENTRAL_STUDENT(1, 0, 0, v, c, t),
    _student_in_noncentrality,
    noncentral_student_density,
)
distribution(
    "nctdtr",
    _STUDENT,
    notation="T({2}; {0}, {1})",
    domain={"low": 2.3, "high": 4.0},
    kinks="NaN at t = 0, and in the noncentrality for one degree of freedom or less, at second order two or less.",
    doc="Noncentral t distribution function of v degrees of freedom.",
)
for _name, _place, _where, _text, _what in (
    ("nctdtridf", 0, {"low": 0.4, "high": 0.5}, "v: T({2}; v, {1}) = {0}", "number of degrees of freedom"),
    ("nctdtrinc", 1, {"low": 0.3, "high": 0.8}, "c: T({2}; {0}, c) = {1}", "noncentrality"),
    ("nctdtrit", 2, {"low": 0.35, "high": 0.8}, "T⁻¹({2}; {0}, {1})", "variate"),
):
    inverse(
        _name,
        _STUDENT,
        _place,
        notation=_text,
        domain=_where,
        doc=f"The {_what} for which the noncentral t distribution function is p.",
    )
