"""Distribution functions of ``scipy.special`` and their inverses.

The derivative in the variate is the density, that of an inverse its reciprocal. Counts and degrees of freedom are held:
a derivative in one is refused.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .special import ROOT_TWO_PI, _apply, special, undefined
from .special_forms import _beta_density, _chi_square_density, _gamma_density

_UNIT = {"low": 0.2, "high": 0.8}
_LARGER = {"low": 0.4, "high": 3.0}
_COUNT, _SHAPE = undefined("in a count"), undefined("in a parameter of the distribution")


def _held(places: tuple[int, ...], domain: Any) -> Any:
    return {**domain, "hold": places}


# ---- beta
special(
    "betaincc",
    _SHAPE,
    _SHAPE,
    lambda g, out, a, b, x: -g * _beta_density(x, a, b),
    risky=True,
    notation="1 − I({2}; {0}, {1})",
    domain=_held((0, 1), _UNIT),
    doc="1 − regularised incomplete beta (DLMF 8.17); no derivative in a and b.",
)
special(
    "betainccinv",
    _SHAPE,
    _SHAPE,
    lambda g, out, a, b, y: -g / _beta_density(out, a, b),
    risky=True,
    notation="(1 − I)⁻¹({2}; {0}, {1})",
    domain=_held((0, 1), _UNIT),
    doc="Inverse of betaincc; no derivative in a and b.",
)


# ---- F
def _f_density(d1: Any, d2: Any, x: Any) -> Any:
    ratio = d1 / d2
    scale = 0.5 * d1 * np.log(ratio) - _apply("betaln")(0.5 * d1, 0.5 * d2)
    return np.exp(scale + (0.5 * d1 - 1) * np.log(x) - 0.5 * (d1 + d2) * np.log1p(ratio * x))


for _name, _slope, _where, _text in (
    ("fdtr", lambda out, m, n, x: _f_density(m, n, x), _LARGER, "F({2}; {0}, {1})"),
    ("fdtrc", lambda out, m, n, x: -_f_density(m, n, x), _LARGER, "1 − F({2}; {0}, {1})"),
    ("fdtri", lambda out, m, n, p: 1 / _f_density(m, n, out), _UNIT, "F⁻¹({2}; {0}, {1})"),
):
    special(
        _name,
        _SHAPE,
        _SHAPE,
        lambda g, out, m, n, x, slope=_slope: g * slope(out, m, n, x),
        risky=True,
        notation=_text,
        domain=_held((0, 1), _where),
        doc="F distribution function, its complement or its inverse; no derivative in the degrees of freedom.",
    )

# ---- gamma, with rate a and shape b: P(b, ax)
for _name, _sign, _text in (("gdtr", 1.0, "P({1}, {0} {2})"), ("gdtrc", -1.0, "Q({1}, {0} {2})")):
    special(
        _name,
        lambda g, out, a, b, x, sign=_sign: g * sign * x * _gamma_density(a * x, b),
        _SHAPE,
        lambda g, out, a, b, x, sign=_sign: g * sign * a * _gamma_density(a * x, b),
        risky=True,
        notation=_text,
        domain=_held((1,), _LARGER),
        doc="Gamma distribution function or its complement, in rate and variate; no derivative in the shape.",
    )
special(
    "gdtrix",
    lambda g, out, a, b, p: g * -out / a,
    _SHAPE,
    lambda g, out, a, b, p: g / (a * _gamma_density(a * out, b)),
    risky=True,
    notation="P⁻¹({1}, {2})/{0}",
    domain=_held((1,), _UNIT),
    doc="The x whose gamma distribution function is p; no derivative in the shape.",
)
special(
    "gdtria",
    lambda g, out, p, b, x: g / (x * _gamma_density(out * x, b)),
    _SHAPE,
    lambda g, out, p, b, x: g * -out / x,
    risky=True,
    notation="P⁻¹({1}, {0})/{2}",
    domain=_held((1,), _UNIT),
    doc="The rate for which the gamma distribution function at x is p; no derivative in the shape.",
)
special(
    "chdtri",
    _SHAPE,
    lambda g, out, v, p: -g / _chi_square_density(out, v),
    risky=True,
    notation="(1 − χ²)⁻¹({1}; {0})",
    domain=_held((0,), _UNIT),
    doc="Inverse of chdtrc; no derivative in the degrees of freedom.",
)


# ---- noncentral χ²
def _noncentral(x: Any, k: Any, c: Any) -> Any:
    """½ exp(−(x + c)/2) (x/c)^{k/4 − ½} I_{k/2 − 1}(√(cx))"""
    rx, rc = np.sqrt(x), np.sqrt(c)
    power = np.exp((0.5 * k - 1) * (np.log(rx) - np.log(rc)))
    return 0.5 * np.exp(-0.5 * (rx - rc) ** 2) * power * _apply("ive")(0.5 * k - 1, rx * rc)


special(
    "chndtr",
    lambda g, out, x, k, c: g * _noncentral(x, k, c),
    _SHAPE,
    lambda g, out, x, k, c: -g * _noncentral(x, k + 2, c),
    risky=True,
    notation="χ²({0}; {1}, {2})",
    domain=_held((1,), _LARGER),
    doc="Noncentral χ² distribution function, in variate and noncentrality; no derivative in the degrees of freedom.",
)
special(
    "chndtrix",
    lambda g, out, p, k, c: g / _noncentral(out, k, c),
    _SHAPE,
    lambda g, out, p, k, c: g * _noncentral(out, k + 2, c) / _noncentral(out, k, c),
    risky=True,
    notation="χ²⁻¹({0}; {1}, {2})",
    domain=_held((1,), _UNIT),
    doc="Inverse of chndtr; no derivative in the degrees of freedom.",
)

special(
    "chndtrinc",
    lambda g, out, x, k, p: g * -_noncentral(x, k, out) / -_noncentral(x, k + 2, out),
    _SHAPE,
    lambda g, out, x, k, p: g / -_noncentral(x, k + 2, out),
    risky=True,
    notation="c: χ²({0}; {1}, c) = {2}",
    domain={"low": 0.3, "high": 0.45, "hold": (0, 1)},
    doc="The noncentrality for which chndtr is p; no derivative in the degrees of freedom.",
)


# ---- noncentral F and t
def _ncf(m: Any, n: Any, c: Any, f: Any, shift: int) -> Any:
    """The noncentral F distribution function with `shift` more degrees above, at the same beta variable."""
    return _apply("ncfdtr")(m + shift, n, c, f * m / (m + shift))


def _ncf_density(m: Any, n: Any, c: Any, f: Any) -> Any:
    """By I_y(a, b) − I_y(a + 1, b) = yᵃ(1 − y)ᵇ/(a B(a, b)) (8.17.20) in each term of the Poisson mixture."""
    zero, one, two = (_ncf(m, n, c, f, k) for k in (0, 2, 4))
    return (0.5 * m * (zero - one) + 0.5 * c * (one - two)) / f


def _ncf_slope(m: Any, n: Any, c: Any, f: Any) -> Any:
    """In the noncentrality: the weights of the mixture move one term on."""
    return 0.5 * (_ncf(m, n, c, f, 2) - _ncf(m, n, c, f, 0))


special(
    "ncfdtr",
    _SHAPE,
    _SHAPE,
    lambda g, out, m, n, c, f: g * _ncf_slope(m, n, c, f),
    lambda g, out, m, n, c, f: g * _ncf_density(m, n, c, f),
    risky=True,
    notation="F({3}; {0}, {1}, {2})",
    domain=_held((0, 1), {"low": 1.2, "high": 3.0}),
    doc="Noncentral F distribution function; no derivative in the degrees of freedom.",
)
special(
    "ncfdtri",
    _SHAPE,
    _SHAPE,
    lambda g, out, m, n, c, p: g * -_ncf_slope(m, n, c, out) / _ncf_density(m, n, c, out),
    lambda g, out, m, n, c, p: g / _ncf_density(m, n, c, out),
    risky=True,
    notation="F⁻¹({3}; {0}, {1}, {2})",
    domain=_held((0, 1), _UNIT),
    doc="Inverse of ncfdtr; no derivative in the degrees of freedom.",
)


def _nct_density(v: Any, c: Any, t: Any) -> Any:
    """(ν/t) (F_{ν+2}(t √(1 + 2/ν)) − F_ν(t)) (Johnson, Kotz & Balakrishnan 1995, 31.5)."""
    return v / t * (_apply("nctdtr")(v + 2, c, t * np.sqrt(1 + 2 / v)) - _apply("nctdtr")(v, c, t))


def _nct_slope(v: Any, c: Any, t: Any) -> Any:
    """In the noncentrality: −√((ν − 1)/2) Γ((ν − 1)/2)/Γ(ν/2) times the density of ν − 1 at t √((ν − 1)/ν)."""
    w = v - 1
    ratio = np.exp(_apply("gammaln")(w / 2) - _apply("gammaln")(v / 2))
    return -np.sqrt(w / 2) * ratio * _nct_density(w, c, t * np.sqrt(w / v))


_NCT = {"low": 2.3, "high": 4.0}
special(
    "nctdtr",
    _SHAPE,
    lambda g, out, v, c, t: g * _nct_slope(v, c, t),
    lambda g, out, v, c, t: g * _nct_density(v, c, t),
    risky=True,
    notation="T({2}; {0}, {1})",
    domain=_held((0,), _NCT),
    kinks="NaN at t = 0, and in the noncentrality for one degree of freedom or less, at second order two or less.",
    doc="Noncentral t distribution function; no derivative in the degrees of freedom.",
)
special(
    "nctdtrit",
    _SHAPE,
    lambda g, out, v, c, p: g * -_nct_slope(v, c, out) / _nct_density(v, c, out),
    lambda g, out, v, c, p: g / _nct_density(v, c, out),
    risky=True,
    notation="T⁻¹({2}; {0}, {1})",
    domain=_held((0,), {"low": 0.35, "high": 0.8}),
    doc="Inverse of nctdtr; no derivative in the degrees of freedom.",
)
special(
    "nctdtrinc",
    _SHAPE,
    lambda g, out, v, p, t: g / _nct_slope(v, out, t),
    lambda g, out, v, p, t: g * -_nct_density(v, out, t) / _nct_slope(v, out, t),
    risky=True,
    notation="c: T({2}; {0}, c) = {1}",
    domain=_held((0,), {"low": 0.3, "high": 0.8}),
    doc="The noncentrality for which nctdtr is p; no derivative in the degrees of freedom.",
)

# ---- counts
for _name, _slope, _where, _text in (
    ("bdtr", lambda out, k, n, p: -_beta_density(1 - p, n - k, k + 1), _UNIT, "B({0}; {1}, {2})"),
    ("bdtrc", lambda out, k, n, p: _beta_density(1 - p, n - k, k + 1), _UNIT, "1 − B({0}; {1}, {2})"),
    ("bdtri", lambda out, k, n, y: -1 / _beta_density(1 - out, n - k, k + 1), _UNIT, "B⁻¹({0}; {1}, {2})"),
    ("nbdtr", lambda out, k, n, p: _beta_density(p, n, k + 1), _UNIT, "NB({0}; {1}, {2})"),
    ("nbdtrc", lambda out, k, n, p: -_beta_density(p, n, k + 1), _UNIT, "1 − NB({0}; {1}, {2})"),
    ("nbdtri", lambda out, k, n, y: 1 / _beta_density(out, n, k + 1), _UNIT, "NB⁻¹({0}; {1}, {2})"),
):
    special(
        _name,
        _COUNT,
        _COUNT,
        lambda g, out, k, n, p, slope=_slope: g * slope(out, np.floor(k), n, p),
        risky=True,
        notation=_text,
        domain=_where,
        doc="(Negative) binomial distribution function of the probability, or its inverse; no derivative in counts.",
    )
for _name, _slope, _text in (
    ("pdtr", lambda out, k, m: -_gamma_density(m, k + 1), "Po({0}; {1})"),
    ("pdtrc", lambda out, k, m: _gamma_density(m, k + 1), "1 − Po({0}; {1})"),
    ("pdtri", lambda out, k, y: -1 / _gamma_density(out, k + 1), "Po⁻¹({0}; {1})"),
):
    special(
        _name,
        _COUNT,
        lambda g, out, k, m, slope=_slope: g * slope(out, np.floor(k), m),
        risky=True,
        notation=_text,
        domain=_UNIT if _name == "pdtri" else _LARGER,
        doc="Poisson distribution function in the mean, its complement or its inverse; no derivative in the count.",
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
    domain=_UNIT,
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
special(
    "tklmbda",
    lambda g, out, x, c: g / (np.power(out, c - 1) + np.power(1 - out, c - 1)),
    _SHAPE,
    risky=True,
    notation="Λ({0}; {1})",
    domain={"low": 0.2, "high": 0.8, "hold": (1,)},
    doc="Tukey's λ distribution function of x; no derivative in λ.",
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
    domain=_LARGER,
    doc="Survival function of Kolmogorov's limit distribution.",
)
special(
    "kolmogi",
    lambda g, out, p: g / _kolmogorov_slope(out),
    risky=True,
    notation="K⁻¹({0})",
    domain=_UNIT,
    doc="Inverse of kolmogorov.",
)
