"""Noncentral distribution functions of ``scipy.special`` and their inverses. Degrees of freedom are held."""

from __future__ import annotations

from typing import Any

import numpy as np

from .special import _apply, special, undefined
from .special_distributions import LARGER, UNIT

_SHAPE = undefined("in a parameter of the distribution")


def _held(places: tuple[int, ...], domain: Any) -> Any:
    return {**domain, "hold": places}


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
    domain=_held((1,), LARGER),
    doc="Noncentral χ² distribution function, in variate and noncentrality; no derivative in the degrees of freedom.",
)
special(
    "chndtrix",
    lambda g, out, p, k, c: g / _noncentral(out, k, c),
    _SHAPE,
    lambda g, out, p, k, c: g * _noncentral(out, k + 2, c) / _noncentral(out, k, c),
    risky=True,
    notation="χ²⁻¹({0}; {1}, {2})",
    domain=_held((1,), UNIT),
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
    domain=_held((0, 1), UNIT),
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
