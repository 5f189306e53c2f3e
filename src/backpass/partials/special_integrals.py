"""Functions of ``scipy.special`` defined as an integral, whose derivative is the integrand; and elementary ones.

Fresnel, sine and cosine integrals, exponential integrals, Faddeeva, Voigt, Owen's T, integrals of Bessel functions;
degrees, SciPy's own cbrt, exp2, expm1 and log1p. Sections of the NIST DLMF stand beside the rules.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .special import ROOT_TWO_PI, TWO_OVER_ROOT_PI, _apply, special, whole

_ANY = {"low": -2.0, "high": 2.0}
_POSITIVE = {"low": 0.4, "high": 3.0}
ROOT_PI = math.sqrt(math.pi)


def _results(ufunc: str, *parts: tuple[str, Any, str], domain: Any = None, doc: str) -> None:
    """A ufunc with several results, each with its own derivative in the one argument."""
    for k, (name, slope, notation) in enumerate(parts):
        special(
            f"{ufunc}_{name}",
            lambda g, out, x, slope=slope: g * slope(x),
            of=ufunc,
            output=k,
            risky=True,
            notation=notation,
            domain=domain or _POSITIVE,
            doc=doc,
        )


def _over(numerator: Any, at_zero: float) -> Any:
    """numerator(x)/x, with its limit at 0."""

    def slope(x: Any) -> Any:
        zero = np.equal(x, 0)
        return np.where(zero, at_zero, numerator(x) / np.where(zero, 1.0, x))

    return slope


_results(
    "fresnel",
    ("s", lambda x: np.sin(0.5 * math.pi * x * x), "S({0})"),
    ("c", lambda x: np.cos(0.5 * math.pi * x * x), "C({0})"),
    domain=_ANY,
    doc="Fresnel integral ∫₀ˣ sin or cos(πt²/2) dt (7.2.7, 7.2.8).",
)
_results(
    "sici",
    ("si", _over(np.sin, 1.0), "Si({0})"),
    ("ci", lambda x: np.cos(x) / x, "Ci({0})"),
    doc="Sine or cosine integral (6.2.9, 6.2.11).",
)
_results(
    "shichi",
    ("shi", _over(np.sinh, 1.0), "Shi({0})"),
    ("chi", lambda x: np.cosh(x) / x, "Chi({0})"),
    doc="Hyperbolic sine or cosine integral (6.2.15, 6.2.16).",
)
_results(
    "itairy",
    ("ai", lambda x: _apply("airy_ai")(x), "∫₀^{0} Ai(t) dt"),
    ("bi", lambda x: _apply("airy_bi")(x), "∫₀^{0} Bi(t) dt"),
    ("ai_minus", lambda x: _apply("airy_ai")(-x), "∫₀^{0} Ai(−t) dt"),
    ("bi_minus", lambda x: _apply("airy_bi")(-x), "∫₀^{0} Bi(−t) dt"),
    doc="Integral of an Airy function from 0.",
)
_results(
    "itj0y0",
    ("j0", lambda x: _apply("j0")(x), "∫₀^{0} J₀(t) dt"),
    ("y0", lambda x: _apply("y0")(x), "∫₀^{0} Y₀(t) dt"),
    doc="Integral of a Bessel function from 0.",
)
_results(
    "iti0k0",
    ("i0", lambda x: _apply("i0")(x), "∫₀^{0} I₀(t) dt"),
    ("k0", lambda x: _apply("k0")(x), "∫₀^{0} K₀(t) dt"),
    doc="Integral of a modified Bessel function from 0.",
)
_results(
    "it2j0y0",
    ("j0", lambda x: (1 - _apply("j0")(x)) / x, "∫₀^{0} (1 − J₀(t))/t dt"),
    ("y0", lambda x: -_apply("y0")(x) / x, "∫_{0}^∞ Y₀(t)/t dt"),
    doc="Integral of a Bessel function over t.",
)
_results(
    "it2i0k0",
    ("i0", lambda x: (_apply("i0")(x) - 1) / x, "∫₀^{0} (I₀(t) − 1)/t dt"),
    ("k0", lambda x: -_apply("k0")(x) / x, "∫_{0}^∞ K₀(t)/t dt"),
    doc="Integral of a modified Bessel function over t.",
)
for _name, _slope, _text in (
    ("itstruve0", lambda x: _apply("struve")(0.0, x), "∫₀^{0} H₀(t) dt"),
    ("itmodstruve0", lambda x: _apply("modstruve")(0.0, x), "∫₀^{0} L₀(t) dt"),
    ("it2struve0", lambda x: -_apply("struve")(0.0, x) / x, "∫_{0}^∞ H₀(t)/t dt"),
):
    special(
        _name,
        lambda g, out, x, slope=_slope: g * slope(x),
        risky=True,
        notation=_text,
        domain=_POSITIVE,
        doc="Integral of a Struve function.",
    )


# ---- modified Fresnel integrals: F±(x) = ∫ₓ^∞ exp(±it²) dt, K±(x) = exp(∓i(x² + π/4)) F±(x)/√π
def _modified_fresnel(ufunc: str, sign: float, letter: str) -> None:
    special(
        f"{ufunc}_f",
        lambda g, out, x: g * -np.exp(sign * 1j * np.where(x < 0, np.nan, x * x)),
        of=ufunc,
        output=0,
        notation=f"F{letter}({{0}})",
        domain=_POSITIVE,
        kinks="NaN at x < 0, where SciPy's values are not those of the integral.",
        doc="Modified Fresnel integral ∫ₓ^∞ exp(±it²) dt, at x ≥ 0.",
    )
    special(
        f"{ufunc}_k",
        lambda g, out, x: (
            g * (-sign * 2j * x * out - complex(math.cos(math.pi / 4), -sign * math.sin(math.pi / 4)) / ROOT_PI)
        ),
        of=ufunc,
        output=1,
        notation=f"K{letter}({{0}})",
        domain=_ANY,
        doc="Modified Fresnel integral, scaled.",
    )


_modified_fresnel("modfresnelp", 1.0, "₊")
_modified_fresnel("modfresnelm", -1.0, "₋")


# ---- exponential integrals, Faddeeva, Voigt, Owen
def _expn(g: Any, out: Any, n: Any, x: Any) -> Any:
    # E_n′ = −E_{n−1} (8.19.13), and E₀ = exp(−x)/x.
    zero = np.equal(n, 0)
    return -g * np.where(zero, out * (1 + 1 / x), _apply("expn")(np.where(zero, 1, n - 1), x))


special(
    "expn",
    whole("the order"),
    _expn,
    risky=True,
    notation="E_{0}({1})",
    domain=_POSITIVE,
    doc="Exponential integral E_n (8.19); no derivative in the order.",
)
special(
    "wofz",
    lambda g, out, z: g * (-2 * z * out + 1j * TWO_OVER_ROOT_PI),
    notation="w({0})",
    domain=_ANY,
    doc="Faddeeva function exp(−z²) erfc(−iz) (7.10.2).",
)


def _voigt(x: Any, sigma: Any, gamma: Any) -> tuple[Any, Any]:
    """z = (x + iγ)/(σ√2), and w′(z)/(σ√(2π))."""
    z = (x + 1j * gamma) / (sigma * math.sqrt(2))
    return z, (-2 * z * _apply("wofz")(z) + 1j * TWO_OVER_ROOT_PI) / (sigma * ROOT_TWO_PI)


def _voigt_sigma(g: Any, out: Any, x: Any, sigma: Any, gamma: Any) -> Any:
    z, slope = _voigt(x, sigma, gamma)
    return g * (-(out + np.real(slope * z)) / sigma)


special(
    "voigt_profile",
    lambda g, out, x, s, c: g * np.real(_voigt(x, s, c)[1]) / (s * math.sqrt(2)),
    _voigt_sigma,
    lambda g, out, x, s, c: g * -np.imag(_voigt(x, s, c)[1]) / (s * math.sqrt(2)),
    risky=True,
    notation="V({0}; {1}, {2})",
    domain=_POSITIVE,
    kinks="σ = 0 is a Cauchy density: NaN there.",
    doc="Voigt profile: Re w((x + iγ)/(σ√2))/(σ√(2π)) (7.19).",
)
special(
    "owens_t",
    lambda g, out, h, a: g * (-0.5 / ROOT_TWO_PI) * np.exp(-0.5 * h * h) * _apply("erf")(a * h / math.sqrt(2)),
    lambda g, out, h, a: g * np.exp(-0.5 * h * h * (1 + a * a)) / (2 * math.pi * (1 + a * a)),
    notation="T({0}, {1})",
    domain=_ANY,
    doc="Owen's T: 1/(2π) ∫₀ᵃ exp(−h²(1 + t²)/2)/(1 + t²) dt (Owen 1956).",
)
special(
    "wrightomega",
    lambda g, out, z: g * (out / (1 + out)),
    notation="ω({0})",
    domain=_ANY,
    doc="Wright's ω: ω + log ω = z (4.13).",
)
# ---- degrees
_DEGREE = math.pi / 180
special(
    "sindg",
    lambda g, out, x: g * _DEGREE * _apply("cosdg")(x),
    notation="sin({0}°)",
    domain=_ANY,
    doc="Sine of degrees.",
)
special(
    "cosdg",
    lambda g, out, x: g * -_DEGREE * _apply("sindg")(x),
    notation="cos({0}°)",
    domain=_ANY,
    doc="Cosine of degrees.",
)
special(
    "tandg",
    lambda g, out, x: g * _DEGREE * (1 + out * out),
    risky=True,
    notation="tan({0}°)",
    domain=_ANY,
    doc="Tangent of degrees.",
)
special(
    "cotdg",
    lambda g, out, x: g * -_DEGREE * (1 + out * out),
    risky=True,
    notation="cot({0}°)",
    domain={"low": 40.0, "high": 50.0},
    doc="Cotangent of degrees.",
)
special(
    "radian",
    lambda g, out, d, m, s: g * _DEGREE,
    lambda g, out, d, m, s: g * (_DEGREE / 60),
    lambda g, out, d, m, s: g * (_DEGREE / 3600),
    notation="{0}° {1}′ {2}″",
    domain=_POSITIVE,
    doc="Degrees, minutes and seconds in radians.",
)

# ---- SciPy's own forms of NumPy's functions
special(
    "special_cbrt",
    lambda g, out, x: g / (3 * out * out),
    of="cbrt",
    risky=True,
    notation="∛{0}",
    domain=_POSITIVE,
    doc="Cube root.",
)
special(
    "special_exp2",
    lambda g, out, x: g * (out * math.log(2)),
    of="exp2",
    risky=True,
    notation="2^{0}",
    domain=_ANY,
    doc="2ˣ.",
)
special(
    "special_expm1",
    lambda g, out, x: g * (out + 1),
    of="expm1",
    risky=True,
    notation="exp({0}) − 1",
    domain=_ANY,
    doc="eˣ − 1.",
)
special(
    "special_log1p",
    lambda g, out, x: g / (1 + x),
    of="log1p",
    risky=True,
    notation="log(1 + {0})",
    domain=_POSITIVE,
    doc="log(1 + x).",
)
_STEPS = "The derivative is 0 between the jumps, and taken as 0 at them."
special(
    "special_round",
    None,
    of="round",
    notation="round({0})",
    domain=_ANY,
    kinks=_STEPS,
    doc="The nearest whole number, halves to even.",
)
special("gammasgn", None, notation="sign Γ({0})", domain=_ANY, kinks=_STEPS, doc="The sign of Γ.")
