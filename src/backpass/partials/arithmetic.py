"""Arithmetic: sums, products, quotients, powers, and the whole-number functions whose derivative is zero."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from backpass.graph.aval import Aval
from backpass.graph.memory import write

from .declare import (
    Kind,
    Op,
    Window,
    as_array,
    bind,
    conjugated,
    declare,
    dtype_of,
    is_complex,
    is_staged,
    negates,
    passes,
    pointwise,
    rule_for,
    ufunc_aval,
    value_of,
)

ANY = {"low": -3.0, "high": 3.0}
POSITIVE = {"low": 0.2, "high": 3.0}
NONZERO = {"low": 0.3, "high": 3.0, "signs": True}


def _is_finite(c):
    return math.isfinite(c) if c.__class__ is float else c.__class__ is int or bool(np.isfinite(c).all())


def _finite(*constants):
    return any(c is not None and _is_finite(c) for c in constants)


def _finite_divisor(a, b):
    return b is not None and _is_finite(b) and bool(np.all(np.not_equal(b, 0)))


def _steep_power(a, b):
    """The least exponent between 0 and 1."""
    between = np.asarray(1.0 if b is None or np.iscomplexobj(b) else b)
    return float(np.min(between[(between > 0) & (between < 1)], initial=1.0))


def _smooth_power(a, b):
    return b is not None and bool(np.all(np.isfinite(b)) and np.all(np.greater_equal(b, 1)))


ADD = pointwise(np.add, passes, passes, notation="{0} + {1}", domain=ANY)
SUBTRACT = pointwise(np.subtract, passes, negates, notation="{0} − {1}", domain=ANY)
MULTIPLY = pointwise(
    np.multiply,
    lambda g, out, a, b: g * b,
    lambda g, out, a, b: g * a,
    risky=True,
    tame=_finite,
    notation="{0} · {1}",
    domain=ANY,
)
DIVIDE = pointwise(
    np.divide,
    lambda g, out, a, b: g / b,
    lambda g, out, a, b: -g * out / b,
    risky=True,
    tame=_finite_divisor,
    notation="{0} / {1}",
    domain=NONZERO,
)


def _strong_product(a, b):
    product = np.multiply(a, b)
    return np.where(np.equal(b, 0), product.dtype.type(0), product)[()]


STRONG_PRODUCT = declare(
    Op(
        name="strong_product",
        kind=Kind.POINTWISE,
        run=_strong_product,
        aval=ufunc_aval(np.multiply),
        partials=(lambda g, out, a, b: STRONG_PRODUCT(g, b), lambda g, out, a, b: g * a),
        risky=True,
        notation="{0} · {1}",
        domain=ANY,
        doc="A product in which a zero of the second factor wins, also over an infinite or NaN first one.",
    )
)
NEGATIVE = pointwise(np.negative, negates, notation="−{0}", domain=ANY)
POSITIVE_ = pointwise(np.positive, passes, notation="{0}", domain=ANY)


def _as_complex(a, out):
    """A real base of a complex power, whose ln is complex where it is negative. Python's own powers are such."""
    return as_array(a).astype(dtype_of(out)) if is_complex(out) and not is_complex(a) else a


def _power_base(g, out, a, b):
    # b · a^(b−1), where b = 0 gives 0 for every a, 0 included.
    a = _as_complex(a, out)
    return g * np.where(b == 0, 0.0, b * np.power(a, np.where(b == 0, 1, b - 1)))


def _power_exponent(g, out, a, b):
    # a^b · ln a; at a = 0 the limit 0 where b > 0 (out = 0).
    base = np.where(out == 0, 1.0, _as_complex(a, out))
    return g * np.where(out == 0, 0.0, out * np.log(base))


POWER = pointwise(
    np.power,
    _power_base,
    _power_exponent,
    risky=True,
    tame=_smooth_power,
    steep=_steep_power,
    notation="{0}^{1}",
    domain=POSITIVE,
    kinks="0^0: ∂/∂a = 0, and ∂/∂b = −∞, the limit of the difference quotients from both sides.",
)
SQUARE = pointwise(np.square, lambda g, out, a: g * (2 * a), risky=True, even=True, notation="{0}²", domain=ANY)
RECIPROCAL = pointwise(np.reciprocal, lambda g, out, a: -g * out * out, risky=True, notation="1/{0}", domain=NONZERO)


def _absolute(g, out, a):
    if not is_complex(a):
        return g * np.sign(a)
    zero = np.equal(out, 0)
    return np.where(zero, 0.0, g * np.conjugate(a) / np.where(zero, 1.0, out))


ABSOLUTE = pointwise(
    np.absolute,
    _absolute,
    also=(np.fabs,),
    risky=True,
    squared=(lambda g, out, a: g * (2 * conjugated(a)),),
    notation="|{0}|",
    domain=NONZERO,
    kinks="0 at x = 0, the mean of the two one-sided derivatives −1 and 1.",
)
REMAINDER = pointwise(
    np.remainder,
    passes,
    lambda g, out, a, b: -g * np.floor_divide(a, b),
    risky=True,
    notation="{0} mod {1}",
    domain={"low": 0.3, "high": 3.0, "kink_distance": "remainder"},
    kinks="Where a is a multiple of b the value jumps; the derivative is that of the piece to the right.",
)
FMOD = pointwise(
    np.fmod,
    passes,
    lambda g, out, a, b: -g * np.trunc(a / b),
    risky=True,
    notation="fmod({0}, {1})",
    domain={"low": 0.3, "high": 3.0},
    kinks="As remainder.",
)
HYPOT = pointwise(
    np.hypot,
    lambda g, out, a, b: g * np.where(out == 0, 0.0, a / np.where(out == 0, 1.0, out)),
    lambda g, out, a, b: g * np.where(out == 0, 0.0, b / np.where(out == 0, 1.0, out)),
    squared=(lambda g, out, a, b: g * (2 * a), lambda g, out, a, b: g * (2 * b)),
    notation="√({0}² + {1}²)",
    domain=NONZERO,
    kinks="0 at (0, 0), the smallest subgradient.",
)
FLOAT_POWER = pointwise(
    np.float_power,
    _power_base,
    _power_exponent,
    risky=True,
    steep=_steep_power,
    notation="{0}^{1}",
    domain=POSITIVE,
    kinks="As power.",
)
COPYSIGN = pointwise(
    np.copysign,
    lambda g, out, a, b: g * np.where(np.signbit(a) == np.signbit(b), 1.0, -1.0),
    None,
    notation="copysign({0}, {1})",
    domain=NONZERO,
    kinks="Zero counts by its sign bit.",
)

LDEXP = pointwise(
    np.ldexp, lambda g, out, a, n: np.ldexp(g, n), None, notation="{0} · 2^{1}", domain=ANY, doc="a · 2^n, n whole."
)
FRACTION = declare(
    Op(
        name="fraction",
        kind=Kind.POINTWISE,
        run=lambda x: np.modf(x)[0],
        aval=ufunc_aval(np.modf),
        partials=(passes,),
        notation="{0} − trunc({0})",
        domain=NONZERO,
        kinks="At a whole number the value jumps; the derivative is 1.",
        doc="What is left of a number beside its whole part, with its sign: the first result of np.modf.",
    )
)

_STEPS = "The derivative is 0 between the jumps, and taken as 0 at them."
for _ufunc, _sign in (
    (np.floor, "⌊{0}⌋"),
    (np.ceil, "⌈{0}⌉"),
    (np.rint, "round({0})"),
    (np.trunc, "trunc({0})"),
):
    pointwise(_ufunc, None, notation=_sign, domain=ANY, kinks=_STEPS)


def _complex_sign(z):
    """z/|z|, 0 at 0."""
    size = np.absolute(z)
    if is_staged(size) or np.isfinite(value_of(size)).all():
        return np.where(np.equal(size, 0), 0.0, z / np.where(np.equal(size, 0), 1.0, size))
    known = np.isfinite(value_of(size))
    return np.where(known, _complex_sign(np.where(known, z, 1.0)), np.sign(value_of(z)))


pointwise(np.sign, None, complex_form=_complex_sign, notation="sign({0})", domain=ANY, kinks=_STEPS)
CONJUGATE = declare(
    Op(
        name="conjugate",
        kind=Kind.POINTWISE,
        run=np.conjugate,
        aval=ufunc_aval(np.conjugate),
        # Re(g dz̄) = Re(ḡ dz); a tangent is conjugated likewise.
        partials=(lambda g, out, a: np.conjugate(g),),
        notation="conj({0})",
        domain=ANY,
        doc="The complex conjugate; a real value as it is.",
    )
)


def joined(real: Any, imaginary: Any) -> Any:
    """real + i imaginary; where the one is not finite the other stays as it is, unlike in that sum."""
    if not is_staged(imaginary) and np.isfinite(value_of(imaginary)).all():
        return real + 1j * imaginary
    rest = np.where(np.isnan(imaginary), complex(0, np.nan), 0)
    for infinite in (np.inf, -np.inf):
        rest = np.where(imaginary == infinite, complex(0, infinite), rest)
    return real + 1j * np.where(np.isfinite(imaginary), imaginary, 0) + rest


REAL_PART = declare(
    Op(
        name="real",
        kind=Kind.LINEAR,
        run=lambda z: z.real if z.__class__ is np.ndarray else np.real(np.asarray(z))[()],
        aval=lambda z: Aval(z.shape, z.dtype.type(0).real.dtype),
        adjoints=(lambda g, out, z: g,),
        window=Window(lambda z, new: write(z, joined(new, IMAGINARY_PART(z)))),
        notation="Re({0})",
        domain=ANY,
        doc="The real part.",
    )
)
IMAGINARY_PART = declare(
    Op(
        name="imag",
        kind=Kind.LINEAR,
        run=lambda z: z.imag if z.__class__ is np.ndarray else np.imag(np.asarray(z))[()],
        aval=lambda z: Aval(z.shape, z.dtype.type(0).imag.dtype),
        # Im(dz) = Re(−i dz)
        adjoints=(lambda g, out, z: g * dtype_of(z).type(-1j) if is_complex(z) else np.zeros_like(g),),
        window=Window(lambda z, new: write(z, joined(REAL_PART(z), new))),
        notation="Im({0})",
        domain=ANY,
        doc="The imaginary part; 0 of a real value.",
    )
)
rule_for(np.real)(lambda val: bind(REAL_PART, (val,)) if is_complex(val) else val)
rule_for(np.imag)(lambda val: bind(IMAGINARY_PART, (val,)) if is_complex(val) else np.zeros(val.shape, val.dtype)[()])


@rule_for(np.conjugate)
def conjugate(x):
    return CONJUGATE(x) if is_complex(x) else np.positive(x)


def _round_aval(x: Aval, decimals: int) -> Aval:
    if x.dtype.kind != "b":
        return x
    if decimals:
        raise TypeError("truth values cannot be rounded to decimals")
    return Aval(x.shape, np.dtype(np.float16))


ROUND = declare(
    Op(
        name="round",
        kind=Kind.DISCRETE,
        run=lambda x, decimals: np.round(x, decimals),
        aval=_round_aval,
        partials=(None,),
        notation="round({0})",
        domain=ANY,
        kinks=_STEPS,
        doc="Rounded to so many decimals, halves to even.",
    )
)
rule_for(np.round, np.around)(lambda a, decimals=0, out=None: bind(ROUND, (a,), {"decimals": int(decimals)}))
FLOOR_DIVIDE = pointwise(np.floor_divide, None, None, notation="⌊{0} / {1}⌋", domain=NONZERO, kinks=_STEPS)
HEAVISIDE = pointwise(np.heaviside, None, None, notation="[{0} > 0]", domain=NONZERO, kinks=_STEPS)
for _ufunc, _sign in (
    (np.bitwise_and, "{0} & {1}"),
    (np.bitwise_or, "{0} | {1}"),
    (np.bitwise_xor, "{0} ⊕ {1}"),
    (np.left_shift, "{0} << {1}"),
    (np.right_shift, "{0} >> {1}"),
    (np.gcd, "gcd({0}, {1})"),
    (np.lcm, "lcm({0}, {1})"),
):
    pointwise(_ufunc, None, None, notation=_sign, domain={"dtype": "int64", "low": 0, "high": 6})
pointwise(np.invert, None, notation="~{0}", domain={"dtype": "int64"})
