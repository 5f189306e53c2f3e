"""Distribution functions of ``scipy.special`` and their inverses.

A distribution function F(θ) is given by its derivatives, its slopes: in the variate the density, in a parameter of the
law what `incomplete.py` computes. An inverse, which solves F(θ) = p for one of the θ, has its derivatives from them.
Counts are held: a derivative in one is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .incomplete import BETA, GAMMA
from .special import ROOT_TWO_PI, _apply, special, undefined
from .special_forms import _boxcox_in_lambda
from .student import STUDENT

UNIT = {"low": 0.2, "high": 0.8}
LARGER = {"low": 0.4, "high": 3.0}
Slopes = tuple[Callable[..., Any], ...]
_COUNT = undefined("in a count")


def distribution(name: str, slopes: Slopes, **record: Any) -> None:
    """Declare a distribution function."""
    partials = [lambda g, out, *theta, slope=slope: g * slope(*theta) for slope in slopes]
    special(name, *partials, risky=True, **record)


def inverse(name: str, slopes: Slopes, place: int, least: float | None = None, **record: Any) -> None:
    """Declare the θ_k, k = `place`, for which F(θ) is the p that stands there: 1/F_k in p, −Fᵢ/F_k in another θᵢ; where
    SciPy gives the `least` there is, 0."""

    def partial(i: int) -> Callable[..., Any]:
        def rule(g: Any, out: Any, *args: Any) -> Any:
            theta = (*args[:place], out, *args[place + 1 :])
            slope = slopes[place](*theta)
            found = g / slope if i == place else -g * slopes[i](*theta) / slope
            return found if least is None else np.where(out > least, found, 0.0)

        return rule

    special(name, *map(partial, range(len(slopes))), risky=True, **record)


def complement(slopes: Slopes) -> Slopes:
    """The slopes of 1 − F."""
    return tuple([lambda *theta, slope=slope: -slope(*theta) for slope in slopes])


# ---- beta
def _beta_density(x: Any, a: Any, b: Any) -> Any:
    return np.exp((a - 1) * np.log(x) + (b - 1) * np.log1p(-x) - _apply("betaln")(a, b))


_BETA: Slopes = (
    lambda a, b, x: BETA(1, 0, 0, a, b, x / (1 - x)),
    lambda a, b, x: BETA(0, 1, 0, a, b, x / (1 - x)),
    lambda a, b, x: _beta_density(x, a, b),
)
distribution(
    "betainc",
    _BETA,
    notation="I({2}; {0}, {1})",
    domain=UNIT,
    doc="Regularised incomplete beta (DLMF 8.17).",
)
distribution(
    "betaincc",
    complement(_BETA),
    notation="1 − I({2}; {0}, {1})",
    domain=UNIT,
    doc="1 − regularised incomplete beta (DLMF 8.17).",
)
inverse(
    "betaincinv",
    _BETA,
    2,
    notation="I⁻¹({2}; {0}, {1})",
    domain=UNIT,
    doc="The x whose regularised incomplete beta is y.",
)
inverse(
    "betainccinv",
    complement(_BETA),
    2,
    notation="(1 − I)⁻¹({2}; {0}, {1})",
    domain=UNIT,
    doc="Inverse of betaincc.",
)
inverse(
    "btdtria",
    _BETA,
    0,
    notation="a: I({2}; a, {1}) = {0}",
    domain=UNIT,
    doc="The first parameter for which the regularised incomplete beta is p.",
)
inverse(
    "btdtrib",
    _BETA,
    1,
    notation="b: I({2}; {0}, b) = {1}",
    domain=UNIT,
    doc="The second parameter for which the regularised incomplete beta is p.",
)


# ---- F: the beta law of the odds m x/n, of parameters m/2 and n/2
def _f_density(d1: Any, d2: Any, x: Any) -> Any:
    ratio = d1 / d2
    scale = 0.5 * d1 * np.log(ratio) - _apply("betaln")(0.5 * d1, 0.5 * d2)
    return np.exp(scale + (0.5 * d1 - 1) * np.log(x) - 0.5 * (d1 + d2) * np.log1p(ratio * x))


def _f_of_odds(orders: tuple[int, int, int], m: Any, n: Any, x: Any) -> Any:
    """Of both terms of a slope alike: where n is large, they are of order 1/n, and together of order 1/n²."""
    return BETA(*orders, 0.5 * m, 0.5 * n, m * x / n)


_F: Slopes = (
    lambda m, n, x: 0.5 * _f_of_odds((1, 0, 0), m, n, x) + x / n * _f_of_odds((0, 0, 1), m, n, x),
    lambda m, n, x: 0.5 * _f_of_odds((0, 1, 0), m, n, x) - m * x / (n * n) * _f_of_odds((0, 0, 1), m, n, x),
    _f_density,
)
distribution(
    "fdtr", _F, notation="F({2}; {0}, {1})", domain=LARGER, doc="F distribution function of m and n degrees of freedom."
)
distribution(
    "fdtrc",
    complement(_F),
    notation="1 − F({2}; {0}, {1})",
    domain=LARGER,
    doc="F survival function of m and n degrees of freedom.",
)
inverse(
    "fdtri",
    _F,
    2,
    notation="F⁻¹({2}; {0}, {1})",
    domain={"low": 0.5, "high": 0.9},
    doc="The x whose F distribution function is p.",
)
inverse(
    "fdtridfd",
    _F,
    1,
    notation="n: F({2}; {0}, n) = {1}",
    domain={"low": 0.3, "high": 0.5},
    doc="The degrees of freedom below for which the F distribution function at x is p.",
)


# ---- Student's t
def _student_density(v: Any, t: Any) -> Any:
    scale = _apply("gammaln")(0.5 * (v + 1)) - _apply("gammaln")(0.5 * v) - 0.5 * np.log(np.pi * v)
    return np.exp(scale - 0.5 * (v + 1) * np.log1p(t * t / v))


_STUDENT: Slopes = (lambda v, t: STUDENT(1, 0, v, t), _student_density)
distribution(
    "stdtr",
    _STUDENT,
    notation="T({1}; {0})",
    domain=LARGER,
    doc="Student's t distribution function of v degrees of freedom, at t.",
)
inverse(
    "stdtrit", _STUDENT, 1, notation="T⁻¹({1}; {0})", domain=UNIT, doc="The t whose Student distribution function is p."
)
inverse(
    "stdtridf",
    _STUDENT,
    0,
    notation="v: T({1}; v) = {0}",
    domain={"low": 0.55, "high": 0.65},
    doc="The degrees of freedom for which Student's distribution function at t is p.",
)


# ---- gamma
def _gamma_density(a: Any, x: Any) -> Any:
    return np.exp((a - 1) * np.log(x) - x - _apply("gammaln")(a))


def _gamma_slope(a: Any, x: Any) -> Any:
    """∂P(a, x)/∂a"""
    return GAMMA(1, 0, a, x)


_GAMMA: Slopes = (_gamma_slope, _gamma_density)
inverse(
    "gammaincinv",
    _GAMMA,
    1,
    notation="P⁻¹({0}, {1})",
    domain=UNIT,
    doc="The x whose regularised lower incomplete gamma is y.",
)
inverse(
    "gammainccinv",
    complement(_GAMMA),
    1,
    notation="Q⁻¹({0}, {1})",
    domain=UNIT,
    doc="The x whose regularised upper incomplete gamma is y.",
)

# ---- χ² of v degrees of freedom: P(v/2, x/2)
_CHI_SQUARE: Slopes = (
    lambda v, x: 0.5 * _gamma_slope(0.5 * v, 0.5 * x),
    lambda v, x: 0.5 * _gamma_density(0.5 * v, 0.5 * x),
)
distribution(
    "chdtr",
    _CHI_SQUARE,
    notation="χ²({1}; {0})",
    domain=LARGER,
    doc="Chi-square distribution function of v degrees of freedom, at x.",
)
distribution(
    "chdtrc",
    complement(_CHI_SQUARE),
    notation="1 − χ²({1}; {0})",
    domain=LARGER,
    doc="Chi-square survival function of v degrees of freedom, at x.",
)
inverse(
    "chdtri", complement(_CHI_SQUARE), 1, notation="(1 − χ²)⁻¹({1}; {0})", domain=UNIT, doc="The x whose chdtrc is p."
)
inverse(
    "chdtriv",
    _CHI_SQUARE,
    0,
    notation="v: χ²({1}; v) = {0}",
    domain=UNIT,
    doc="The degrees of freedom for which chdtr at x is p.",
)

# ---- gamma, with rate a and shape b: P(b, ax)
_GAMMA_OF_RATE: Slopes = (
    lambda a, b, x: x * _gamma_density(b, a * x),
    lambda a, b, x: _gamma_slope(b, a * x),
    lambda a, b, x: a * _gamma_density(b, a * x),
)
distribution(
    "gdtr",
    _GAMMA_OF_RATE,
    notation="P({1}, {0} {2})",
    domain=LARGER,
    doc="Gamma distribution function of rate, shape and variate.",
)
distribution(
    "gdtrc",
    complement(_GAMMA_OF_RATE),
    notation="Q({1}, {0} {2})",
    domain=LARGER,
    doc="Gamma survival function of rate, shape and variate.",
)
for _name, _place, _text, _what in (
    ("gdtria", 0, "P⁻¹({1}, {0})/{2}", "rate"),
    ("gdtrib", 1, "b: P(b, {0} {2}) = {1}", "shape"),
    ("gdtrix", 2, "P⁻¹({1}, {2})/{0}", "variate"),
):
    inverse(
        _name,
        _GAMMA_OF_RATE,
        _place,
        notation=_text,
        domain=UNIT,
        doc=f"The {_what} for which the gamma distribution function is p.",
    )

# ---- counts, which SciPy rounds down where they are given, not where they are sought
_BINOMIAL: Slopes = (
    lambda k, n, p: _BETA[1](n - k, k + 1, 1 - p) - _BETA[0](n - k, k + 1, 1 - p),
    lambda k, n, p: _BETA[0](n - k, k + 1, 1 - p),
    lambda k, n, p: -_beta_density(1 - p, n - k, k + 1),
)
_NEGATIVE_BINOMIAL: Slopes = (
    lambda k, n, p: _BETA[1](n, k + 1, p),
    lambda k, n, p: _BETA[0](n, k + 1, p),
    lambda k, n, p: _beta_density(p, n, k + 1),
)
_POISSON: Slopes = (
    lambda k, m: -_gamma_slope(k + 1, m),
    lambda k, m: -_gamma_density(k + 1, m),
)


def _of_last(name: str, slopes: Slopes, **record: Any) -> None:
    """A distribution function by the last of its parameters."""
    rule = lambda g, out, k, *theta: g * slopes[-1](np.floor(k), *theta)  # noqa: E731
    special(name, *[_COUNT] * (len(slopes) - 1), rule, risky=True, **record)


def _last(name: str, slopes: Slopes, **record: Any) -> None:
    """The last parameter for which the distribution function is y."""
    rule = lambda g, out, k, *theta: g / slopes[-1](np.floor(k), *theta[:-1], out)  # noqa: E731
    special(name, *[_COUNT] * (len(slopes) - 1), rule, risky=True, **record)


for _name, _slopes, _text in (
    ("bdtr", _BINOMIAL, "B({0}; {1}, {2})"),
    ("bdtrc", complement(_BINOMIAL), "1 − B({0}; {1}, {2})"),
    ("nbdtr", _NEGATIVE_BINOMIAL, "NB({0}; {1}, {2})"),
    ("nbdtrc", complement(_NEGATIVE_BINOMIAL), "1 − NB({0}; {1}, {2})"),
    ("pdtr", _POISSON, "Po({0}; {1})"),
    ("pdtrc", complement(_POISSON), "1 − Po({0}; {1})"),
):
    _of_last(
        _name,
        _slopes,
        notation=_text,
        domain=LARGER if _name.startswith("p") else UNIT,
        doc="(Negative) binomial or Poisson distribution function of the last parameter; no derivative in counts.",
    )
for _name, _slopes, _text in (
    ("bdtri", _BINOMIAL, "B⁻¹({0}; {1}, {2})"),
    ("nbdtri", _NEGATIVE_BINOMIAL, "NB⁻¹({0}; {1}, {2})"),
    ("pdtri", _POISSON, "Po⁻¹({0}; {1})"),
):
    _last(
        _name,
        _slopes,
        notation=_text,
        domain=UNIT,
        doc="The last parameter for which the distribution function at k is y; no derivative in counts.",
    )
for _name, _slopes, _place, _text in (
    ("bdtrik", _BINOMIAL, 0, "k: I(1 − {2}; {1} − k, k + 1) = {0}"),
    ("bdtrin", _BINOMIAL, 1, "n: I(1 − {2}; n − {0}, {0} + 1) = {1}"),
    ("nbdtrik", _NEGATIVE_BINOMIAL, 0, "k: I({2}; {1}, k + 1) = {0}"),
    ("nbdtrin", _NEGATIVE_BINOMIAL, 1, "n: I({2}; n, {0} + 1) = {1}"),
    ("pdtrik", _POISSON, 0, "k: Q(k + 1, {1}) = {0}"),
):
    inverse(
        _name,
        _slopes,
        _place,
        least=0.0,
        notation=_text,
        domain=UNIT,
        doc="The count, not rounded, for which the distribution function is y.",
    )


# ---- normal
special(
    "ndtri_exp",
    lambda g, out, y: g * ROOT_TWO_PI * np.exp(y + 0.5 * out * out),
    risky=True,
    notation="Φ⁻¹(exp({0}))",
    domain={"low": -3.0, "high": -0.2},
    doc="The normal quantile of exp(y).",
)


def _quantile_slope(p: Any) -> Any:
    return ROOT_TWO_PI * np.exp(0.5 * _apply("ndtri")(p) ** 2)


special(
    "nrdtrimn",
    lambda g, out, p, s, x: g * -s * _quantile_slope(p),
    lambda g, out, p, s, x: g * -_apply("ndtri")(p),
    lambda g, out, p, s, x: g,
    risky=True,
    notation="{2} − {1} Φ⁻¹({0})",
    domain=UNIT,
    doc="The mean for which the normal distribution function at x is p.",
)
special(
    "nrdtrisd",
    lambda g, out, m, p, x: -g / _apply("ndtri")(p),
    lambda g, out, m, p, x: g * -out * _quantile_slope(p) / _apply("ndtri")(p),
    lambda g, out, m, p, x: g / _apply("ndtri")(p),
    risky=True,
    notation="({2} − {0})/Φ⁻¹({1})",
    domain={"low": 0.55, "high": 0.9},
    doc="The standard deviation for which the normal distribution function at x is p.",
)


def _tukey_density(p: Any, c: Any) -> Any:
    return 1 / (np.power(p, c - 1) + np.power(1 - p, c - 1))


def _tukey_in_lambda(p: Any, c: Any) -> Any:
    """By x = (pᶜ − (1 − p)ᶜ)/c; 0 at the ends of the support and beyond."""
    beyond = np.where(np.logical_or(np.isnan(p), np.isnan(c)), np.nan, 0.0)
    inside = p * (1 - p) > 0
    p = np.where(inside, p, 0.5)
    rise = _boxcox_in_lambda(np.log(p), c) - _boxcox_in_lambda(np.log1p(-p), c)
    return np.where(inside, -rise * _tukey_density(p, c), beyond)


special(
    "tklmbda",
    lambda g, out, x, c: g * _tukey_density(out, c),
    lambda g, out, x, c: g * _tukey_in_lambda(out, c),
    risky=True,
    notation="Λ({0}; {1})",
    domain=UNIT,
    doc="Tukey's λ distribution function of x.",
)


# ---- Kolmogorov
def _kolmogorov_slope(y: Any) -> Any:
    """−d/dy of the limit distribution, by the series that converges fast: terms exp(−2k²y²), or exp(−(2k−1)²π²/8y²)."""
    small = y < 0.9
    a, b = np.where(small, 1.0, y), np.where(small, y, 1.0)
    large_sum = sum((-1) ** (k - 1) * -8.0 * k * k * a * np.exp(-2.0 * k * k * a * a) for k in range(1, 9))
    terms = [((2 * k - 1) * math.pi) ** 2 / 8 for k in range(1, 7)]
    small_sum = sum(np.exp(-c / (b * b)) * (2 * c / (b * b) - 1) for c in terms) * (-ROOT_TWO_PI / (b * b))
    return np.where(small, small_sum, large_sum)


special(
    "kolmogorov",
    lambda g, out, y: g * _kolmogorov_slope(y),
    risky=True,
    notation="K({0})",
    domain=LARGER,
    doc="Survival function of Kolmogorov's limit distribution.",
)
special(
    "kolmogi",
    lambda g, out, p: g / _kolmogorov_slope(out),
    risky=True,
    notation="K⁻¹({0})",
    domain=UNIT,
    doc="Inverse of kolmogorov.",
)
