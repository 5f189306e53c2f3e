"""Bessel functions of ``scipy.special`` and their kin: scaled forms, Hankel, Airy, Kelvin, Struve, parabolic cylinders.

Sections of the NIST DLMF stand beside the rules.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .special import _apply, in_order, real_only, special, undefined, whole

_ORDER = undefined("in the order")
_HELD = {"low": 0.5, "high": 3.0, "hold": (0,)}
_ORDERS = {"low": 0.5, "high": 3.0}
_POSITIVE = {"low": 0.4, "high": 3.0}


def _middle(name: str, sign: float, scale: float = 0.5) -> Any:
    """(C_{v−1} ± C_{v+1})/2 (10.6.1, 10.29.1)."""
    return lambda v, x: scale * (_apply(name)(v - 1, x) + sign * _apply(name)(v + 1, x))


def _on_the_line(name: str) -> Any:
    slope = _middle(name, -1.0)

    def rule(g: Any, out: Any, v: Any, x: Any) -> Any:
        real_only(x)  # exp(−|Im x|) is not holomorphic
        return g * slope(v, x)

    return rule


for _name, _letter in (("jve", "J"), ("yve", "Y")):
    special(
        _name,
        in_order(_name[:-1]),
        _on_the_line(_name),
        risky=True,
        notation=f"exp(−|Im {{1}}|) {_letter}_{{0}}({{1}})",
        domain=_ORDERS,
        doc=f"Scaled Bessel {_letter}: the scale is 1 on the real line; in the order at real x > 0.",
    )
for _name, _letter, _sign, _scale in (("kn", "K", 1.0, -0.5), ("yn", "Y", -1.0, 0.5)):
    _slope = _middle(_name, _sign, _scale)
    special(
        _name,
        whole("the order"),
        lambda g, out, n, x, slope=_slope: g * slope(n, x),
        risky=True,
        notation=f"{_letter}_{{0}}({{1}})",
        domain=_ORDERS,
        doc=f"Bessel {_letter} of whole order; no derivative in the order.",
    )
for _name, _turn, _text in (
    ("hankel1", 0.0, "H⁽¹⁾_{0}({1})"),
    ("hankel2", 0.0, "H⁽²⁾_{0}({1})"),
    ("hankel1e", -1j, "exp(−i {1}) H⁽¹⁾_{0}({1})"),
    ("hankel2e", 1j, "exp(i {1}) H⁽²⁾_{0}({1})"),
):
    _slope = _middle(_name, -1.0)
    special(
        _name,
        in_order(_name),
        lambda g, out, v, z, slope=_slope, turn=_turn: g * (slope(v, z) + turn * out),
        risky=True,
        notation=_text,
        domain=_ORDERS,
        doc="Hankel function, complex (10.6.1); in the order at real z > 0.",
    )
for _name, _letter in (("struve", "H"), ("modstruve", "L")):
    special(
        _name,
        in_order(_name),
        lambda g, out, v, x, name=_name: g * (_apply(name)(v - 1, x) - v / x * out),
        risky=True,
        notation=f"{_letter}_{{0}}({{1}})",
        domain=_ORDERS,
        doc="Struve function (11.4.27, 11.4.30); in the order at x > 0.",
    )
special(
    "besselpoly",
    lambda g, out, a, power, v: (
        g * (_apply("besselpoly")(a, power + 1, v - 1) - _apply("besselpoly")(a, power + 1, v + 1))
    ),
    undefined("in the power"),
    _ORDER,
    notation="∫₀¹ t^{1} J_{2}(2 {0} t) dt",
    domain={"low": 0.5, "high": 1.5, "hold": (1, 2)},
    doc="∫₀¹ x^λ J_ν(2ax) dx; its derivative in a (10.6.1); none in λ and ν.",
)


# ---- Airy functions: Ai″ = z Ai (9.2.1)
def _airy(ufunc: str, output: int, rule: Any, notation: str) -> None:
    part = ("ai", "aip", "bi", "bip")[output]
    special(
        f"{ufunc}_{part}",
        rule,
        of=ufunc,
        output=output,
        risky=True,
        notation=notation,
        domain=_POSITIVE if ufunc == "airye" else {"low": -3.0, "high": 2.0},
        doc="Airy function Ai, Ai′, Bi or Bi′" + (", scaled." if ufunc == "airye" else " (9.2)."),
    )


def _decay(z: Any) -> Any:
    """The slope of Bi's scale, exp(−|Re ⅔z^{3/2}|): −√z on the positive line, 0 on the negative."""
    real_only(z)
    positive = z > 0
    return np.where(positive, -np.sqrt(np.where(positive, z, 1.0)), 0.0)


_airy("airy", 0, lambda g, out, z: g * _apply("airy_aip")(z), "Ai({0})")
_airy("airy", 1, lambda g, out, z: g * z * _apply("airy_ai")(z), "Ai′({0})")
_airy("airy", 2, lambda g, out, z: g * _apply("airy_bip")(z), "Bi({0})")
_airy("airy", 3, lambda g, out, z: g * z * _apply("airy_bi")(z), "Bi′({0})")
_airy("airye", 0, lambda g, out, z: g * (_apply("airye_aip")(z) + np.sqrt(z) * out), "exp(⅔ {0}^1.5) Ai({0})")
_airy("airye", 1, lambda g, out, z: g * (z * _apply("airye_ai")(z) + np.sqrt(z) * out), "exp(⅔ {0}^1.5) Ai′({0})")
_airy("airye", 2, lambda g, out, z: g * (_apply("airye_bip")(z) + _decay(z) * out), "exp(−⅔ {0}^1.5) Bi({0})")
_airy("airye", 3, lambda g, out, z: g * (z * _apply("airye_bi")(z) + _decay(z) * out), "exp(−⅔ {0}^1.5) Bi′({0})")

# ---- Kelvin functions: (x ber′)′ = −x bei, (x bei′)′ = x ber, and so for ker and kei (10.61)
for _name, _slope in (("ber", "berp"), ("bei", "beip"), ("ker", "kerp"), ("kei", "keip")):
    special(
        _name,
        lambda g, out, x, slope=_slope: g * _apply(slope)(x),
        risky=True,
        notation=f"{_name}({{0}})",
        domain=_POSITIVE,
        doc="Kelvin function (10.61).",
    )
for _name, _other, _sign in (("berp", "bei", -1.0), ("beip", "ber", 1.0), ("kerp", "kei", -1.0), ("keip", "ker", 1.0)):
    special(
        _name,
        lambda g, out, x, other=_other, sign=_sign: g * (sign * _apply(other)(x) - out / x),
        risky=True,
        notation=f"{_name[:-1]}′({{0}})",
        domain=_POSITIVE,
        doc="Derivative of a Kelvin function (10.61).",
    )
for _k, (_part, _text) in enumerate(
    (("be", "ber + i bei"), ("ke", "ker + i kei"), ("bep", "ber′ + i bei′"), ("kep", "ker′ + i kei′"))
):
    special(
        f"kelvin_{_part}",
        (lambda g, out, x, part=_part: g * _apply(f"kelvin_{part}p")(x))
        if _k < 2
        else (lambda g, out, x, part=_part: g * (1j * _apply(f"kelvin_{part[:-1]}")(x) - out / x)),
        of="kelvin",
        output=_k,
        risky=True,
        notation=f"({_text})({{0}})",
        domain=_POSITIVE,
        doc="Kelvin functions as one complex number (10.61).",
    )


# ---- parabolic cylinders: the second result is the first's derivative
def _cylinder(ufunc: str, equation: Any, letter: str, *in_order: Any, domain: Any) -> None:
    for part, by_order, slope in zip(
        ("value", "slope"),
        in_order,
        (lambda v, x: _apply(ufunc + "_slope")(v, x), lambda v, x: equation(v, x) * _apply(ufunc + "_value")(v, x)),
        strict=True,
    ):
        special(
            f"{ufunc}_{part}",
            by_order,
            lambda g, out, v, x, slope=slope: g * slope(v, x),
            of=ufunc,
            output=int(part == "slope"),
            risky=True,
            notation=f"{letter}_{{0}}{'′' if part == 'slope' else ''}({{1}})",
            domain=domain,
            doc="Parabolic cylinder function (12.2), or its derivative.",
        )


def _by_order(ufunc: str, sign: int) -> tuple[Any, Any]:
    """In the order, of the value and of the slope, that of D is x/2 D_ν − D_{ν+1} and of V is V_{ν−1} − x/2 V_ν
    (12.8.3, 12.8.7)."""

    def slope(g: Any, out: Any, v: Any, x: Any) -> Any:
        by_order = _apply(f"{ufunc}_by_order")
        return g * sign * (0.5 * x * by_order(1, v, x) - by_order(1, v + sign, x))

    return in_order(ufunc), slope


_cylinder("pbdv", lambda v, x: x * x / 4 - v - 0.5, "D", *_by_order("pbdv", 1), domain=_ORDERS)
_cylinder("pbvv", lambda v, x: x * x / 4 - v - 0.5, "V", *_by_order("pbvv", -1), domain=_ORDERS)
_cylinder("pbwa", lambda a, x: a - x * x / 4, "W", _ORDER, _ORDER, domain=_HELD)
