"""Trigonometric and hyperbolic functions, and angles between degrees and radians."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from backpass.graph.aval import Aval, aval_of, promoted

from .arithmetic import ANY, NONZERO
from .declare import Kind, Op, bind, declare, is_complex, pointwise, rule_for

INSIDE = {"low": -0.9, "high": 0.9}

SIN = pointwise(np.sin, lambda g, out, a: g * np.cos(a), risky=True, notation="sin({0})", domain=ANY)
COS = pointwise(np.cos, lambda g, out, a: -g * np.sin(a), risky=True, even=True, notation="cos({0})", domain=ANY)
TAN = pointwise(np.tan, lambda g, out, a: g * (1 + out * out), risky=True, notation="tan({0})", domain=INSIDE)


def _leg(a: Any) -> Any:
    """√(1 − a²) on NumPy's side of the branch cut: 1 − z would lose the sign of a zero."""
    return np.sqrt(-(a * a - 1)) if is_complex(a) else np.sqrt(1 - a * a)


ARCSIN = pointwise(np.arcsin, lambda g, out, a: g / _leg(a), risky=True, steep=0.5, notation="asin({0})", domain=INSIDE)
ARCCOS = pointwise(
    np.arccos, lambda g, out, a: -g / _leg(a), risky=True, steep=0.5, notation="acos({0})", domain=INSIDE
)
ARCTAN = pointwise(np.arctan, lambda g, out, a: g / (1 + a * a), notation="atan({0})", domain=ANY)
ARCTAN2 = pointwise(
    np.arctan2,
    lambda g, out, a, b: g * (b / (a * a + b * b)),
    lambda g, out, a, b: -g * (a / (a * a + b * b)),
    risky=True,
    notation="atan2({0}, {1})",
    domain=NONZERO,
    kinks="No derivative at (0, 0); NaN there.",
)
SINH = pointwise(
    np.sinh, lambda g, out, a: g * np.cosh(a), risky=True, overflows=True, notation="sinh({0})", domain=ANY
)
COSH = pointwise(
    np.cosh, lambda g, out, a: g * np.sinh(a), risky=True, even=True, overflows=True, notation="cosh({0})", domain=ANY
)
TANH = pointwise(np.tanh, lambda g, out, a: g * (1 - out * out), notation="tanh({0})", domain=ANY)
ARCSINH = pointwise(np.arcsinh, lambda g, out, a: g / np.sqrt(a * a + 1), notation="asinh({0})", domain=ANY)
ARCCOSH = pointwise(
    np.arccosh,
    lambda g, out, a: g / (np.sqrt(a - 1) * np.sqrt(a + 1)),  # √(a² − 1) would leave the branch where Re a < 0
    risky=True,
    steep=0.5,
    notation="acosh({0})",
    domain={"low": 1.2, "high": 3.0},
)
ARCTANH = pointwise(np.arctanh, lambda g, out, a: g / (1 - a * a), risky=True, notation="atanh({0})", domain=INSIDE)
DEG2RAD = pointwise(
    np.deg2rad, lambda g, out, a: g * (math.pi / 180), also=(np.radians,), notation="{0} · π/180", domain=ANY
)
RAD2DEG = pointwise(
    np.rad2deg, lambda g, out, a: g * (180 / math.pi), also=(np.degrees,), notation="{0} · 180/π", domain=ANY
)


def _sinc_partial(g, out, a):
    # d/dx sin(πx)/(πx) = (cos(πx) − sinc(x))/x; near 0, where that cancels, its series −π²x/3 + π⁴x³/30 − π⁶x⁵/840 + …
    near = np.abs(a) < 0.05
    if near.__class__ is np.ndarray and not np.count_nonzero(near):
        return g * ((np.cos(math.pi * a) - out) / a)
    far = np.where(near, 1.0, a)
    square = (math.pi * a) * (math.pi * a)
    series = -1 / 3 + square * (1 / 30 + square * (-1 / 840 + square * (1 / 45360 + square * (-1 / 3991680))))
    return g * np.where(near, math.pi**2 * a * series, (np.cos(math.pi * far) - np.sinc(far)) / far)


SINC = declare(
    Op(
        name="sinc",
        kind=Kind.POINTWISE,
        run=np.sinc,
        aval=lambda x: Aval(x.shape, promoted(x, aval_of(math.pi))),
        partials=(_sinc_partial,),
        notation="sinc({0})",
        domain=ANY,
        doc="sin(πx)/(πx), 1 at 0.",
    )
)
rule_for(np.sinc)(lambda x: bind(SINC, (x,)))
