"""The elementwise operations in LLVM IR, with NumPy's semantics for NaN, infinities, signed zeros and whole numbers.

`compute` takes the operation's name and its arguments in the dtypes of NumPy's own loop, which `loop_dtypes` asks NumPy
for. What is not here has no native form: it runs as an interpreter island.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from backpass.graph.aval import Aval, promotion_type
from backpass.graph.op import Op

from . import ir, vecmath
from .lanes import I1, Lanes, Value, call, constant

Emit = Callable[[Lanes, np.dtype, list[Value]], Value]

FLOATS = "f"
WHOLE = "iu"
NUMBERS = "iuf"
ALL = "biuf"

TABLE: dict[str, tuple[str, Emit]] = {}
"""Operation → (kinds of dtypes that its emitter takes, emitter)."""


def native(kinds: str, *names: str) -> Callable[[Emit], Emit]:
    def enter(emit: Emit) -> Emit:
        for name in names:
            TABLE[name] = kinds, emit
        return emit

    return enter


def supported(op: Op, avals: list[Aval], out: Aval) -> bool:
    """Is there a native form of this operation for these types?"""
    if out.dtype.kind not in ALL or out.dtype == np.float16 or out.dtype.itemsize > 8:
        return False
    if op.name in ("cast", "cast_discrete", "where"):
        return all(a.dtype.kind in ALL and a.dtype != np.float16 and a.dtype.itemsize <= 8 for a in avals)
    entry = TABLE.get(op.name)
    if entry is None:
        return False
    dtypes = loop_dtypes(op, avals)
    if dtypes is None:
        return False
    return all(
        d.kind in entry[0] and d != np.float16 and d.itemsize <= 8 and d == dtypes[0]
        for d in (dtypes[:-1] if op.name in _BOOLEAN else dtypes)
    )


def loop_dtypes(op: Op, avals: list[Aval]) -> tuple[np.dtype, ...] | None:
    """The dtypes of the loop that NumPy would run: its arguments' and its result's."""
    if op.name in _AS_RESULT:
        result = op.aval(*[a._replace(shape=()) for a in avals]).dtype  # shapes are the kernel's, not the operation's
        return (*[result] * len(avals), result)
    return _resolved(op, tuple(promotion_type(a) for a in avals))


@cache
def _resolved(op: Op, types: tuple[Any, ...]) -> tuple[np.dtype, ...] | None:
    ufunc = op.run
    if not isinstance(ufunc, np.ufunc) or ufunc.nout != 1:
        return None
    try:
        return tuple(ufunc.resolve_dtypes((*types, None)))
    except (TypeError, ValueError):
        return None


REDUCED = ("sum", "prod", "max", "min", "any", "all")
"""Reductions over axes of length 1 change at most the dtype."""
_AS_RESULT = {"sinc", "round", "fraction", "strong_product"}
_BOOLEAN = {
    "less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "logical_and", "logical_or", "logical_xor",
    "logical_not", "isfinite", "isnan", "isinf", "signbit",
}  # fmt: skip


def compute(op: Op, lanes: Lanes, dtypes: tuple[np.dtype, ...], args: list[Value]) -> Value:
    """The operation on arguments of the loop's dtypes."""
    if not isinstance(args[0].type, ir.VectorType):
        lanes = Lanes(lanes.b, 1)  # one value for all lanes
    return TABLE[op.name][1](lanes, dtypes[0], args)


def where(lanes: Lanes, condition: Value, a: Value, b: Value) -> Value:
    return lanes.b.select(condition, a, b)


# ---- arithmetic
@native(ALL, "add")
def _add(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
    if t.kind == "b":
        return v.b.or_(*a)
    return v.b.fadd(*a) if t.kind == "f" else v.b.add(a[0], a[1])


@native(NUMBERS, "subtract")
def _subtract(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
    return v.b.fsub(*a) if t.kind == "f" else v.b.sub(*a)


@native(ALL, "multiply")
def _multiply(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
    if t.kind == "b":
        return v.b.and_(*a)
    return v.b.fmul(*a) if t.kind == "f" else v.b.mul(a[0], a[1])


@native(FLOATS, "strong_product")
def _strong_product(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
    zero = v.b.fcmp_ordered("==", a[1], _zero(a[1]))
    return v.b.select(zero, _zero(a[0]), v.b.fmul(*a))


@native(FLOATS, "divide")
def _divide(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
    return v.b.fdiv(*a)


@native(NUMBERS, "negative")
def _negative(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
    return v.b.fneg(a[0]) if t.kind == "f" else v.b.sub(_zero(a[0]), a[0])


@native(NUMBERS, "positive")
def _positive(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
    return a[0]


@native(NUMBERS, "square")
def _square(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
    return _multiply(v, t, [a[0], a[0]])


@native(FLOATS, "reciprocal")
def _reciprocal(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
    return v.b.fdiv(v.splat(constant(t, 1)), a[0])


@native(ALL, "absolute")
def _absolute(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
    if t.kind == "f":
        return call(v.b, "llvm.fabs", a[0])
    if t.kind != "i":
        return a[0]
    return v.b.select(v.b.icmp_signed("<", a[0], _zero(a[0])), v.b.sub(_zero(a[0]), a[0]), a[0])


@native(FLOATS, "power", "float_power")
def _power(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
    exponent = a[1].number
    if exponent == 2:
        return v.b.fmul(a[0], a[0])  # as NumPy's own fast path has it
    if exponent == 1:
        return a[0]
    return vecmath.emit(v.b, "power", *a)


@native(NUMBERS, "fmod")
def _fmod(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
    if t.kind == "f":
        return v.b.frem(*a)
    x, safe, bad = _safe_divisor(v, t, a)
    rest = v.b.srem(x, safe) if t.kind == "i" else v.b.urem(x, safe)
    return v.b.select(bad, _zero(rest), rest)


def _safe_divisor(v: Lanes, t: np.dtype, a: list[Value]) -> tuple[Value, Value, Value]:
    """(dividend, a divisor that traps nowhere, where it was replaced): x/0, and the smallest number over −1."""
    x, y = a
    one = ir.Constant(y.type, 1)
    bad = v.b.icmp_signed("==", y, _zero(y))
    if t.kind == "i":
        low = v.splat(constant(t, np.iinfo(t).min))
        minus = v.splat(constant(t, -1))
        overflow = v.b.and_(v.b.icmp_signed("==", x, low), v.b.icmp_signed("==", y, minus))
        return x, v.b.select(v.b.or_(bad, overflow), one, y), bad
    return x, v.b.select(bad, one, y), bad


@native(NUMBERS, "remainder")
def _remainder(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
    b, (x, y) = v.b, a
    if t.kind != "f":
        x, safe, bad = _safe_divisor(v, t, a)
        rest = b.srem(x, safe) if t.kind == "i" else b.urem(x, safe)
        if t.kind == "i":
            off = b.and_(b.icmp_signed("!=", rest, _zero(rest)), _differ(v, rest, safe))
            rest = b.select(off, b.add(rest, safe), rest)
        return b.select(bad, _zero(rest), rest)
    rest = b.frem(x, y)
    zero = _zero(rest)
    off = b.and_(b.fcmp_unordered("!=", rest, zero), _opposite(v, rest, y))
    shifted = b.select(off, b.fadd(rest, y), rest)
    return b.select(b.fcmp_ordered("==", rest, zero), call(b, "llvm.copysign", zero, y), shifted)


@native(NUMBERS, "floor_divide")
def _floor_divide(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
    b, (x, y) = v.b, a
    if t.kind != "f":
        x, safe, bad = _safe_divisor(v, t, a)
        if t.kind == "u":
            return b.select(bad, _zero(x), b.udiv(x, safe))
        whole = b.sdiv(x, safe)
        rest = b.sub(x, b.mul(whole, safe))
        off = b.and_(b.icmp_signed("!=", rest, _zero(rest)), _differ(v, rest, safe))
        whole = b.select(off, b.sub(whole, v.splat(constant(t, 1))), whole)
        return b.select(bad, _zero(whole), whole)
    # NumPy's npy_floor_divide: by the remainder, so that the quotient is right where x/y rounds up.
    rest = b.frem(x, y)
    zero, one, half = _zero(x), v.splat(constant(t, 1)), v.splat(constant(t, 0.5))
    quotient = b.fdiv(b.fsub(x, rest), y)
    off = b.and_(b.fcmp_unordered("!=", rest, zero), _opposite(v, rest, y))
    quotient = b.select(off, b.fsub(quotient, one), quotient)
    low = call(b, "llvm.floor", quotient)
    low = b.select(b.fcmp_ordered(">", b.fsub(quotient, low), half), b.fadd(low, one), low)
    nothing = call(b, "llvm.copysign", zero, b.fdiv(x, y))
    result = b.select(b.fcmp_unordered("!=", quotient, zero), low, nothing)
    return b.select(b.fcmp_ordered("==", y, zero), b.fdiv(x, y), result)


def _differ(v: Lanes, x: Value, y: Value) -> Value:
    """Have two whole numbers different signs?"""
    return v.b.icmp_signed("<", v.b.xor(x, y), _zero(x))


def _opposite(v: Lanes, x: Value, y: Value) -> Value:
    """Is one of two real numbers below 0 and the other not?"""
    zero = _zero(x)
    return v.b.xor(v.b.fcmp_ordered("<", x, zero), v.b.fcmp_ordered("<", y, zero))


@native(FLOATS, "copysign")
def _copysign(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
    return call(v.b, "llvm.copysign", *a)


@native(NUMBERS, "sign")
def _sign(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
    b, x = v.b, a[0]
    zero, one = _zero(x), v.splat(constant(t, 1))
    if t.kind == "u":
        return b.select(b.icmp_unsigned(">", x, zero), one, zero)
    minus = v.splat(constant(t, -1))
    if t.kind == "i":
        return b.select(b.icmp_signed(">", x, zero), one, b.select(b.icmp_signed("<", x, zero), minus, zero))
    # x itself where it is NaN; +0 for both zeros.
    small = b.select(b.fcmp_ordered("==", x, zero), zero, x)
    return b.select(b.fcmp_ordered(">", x, zero), one, b.select(b.fcmp_ordered("<", x, zero), minus, small))


@native(FLOATS, "fraction")
def _fraction(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
    whole = call(v.b, "llvm.trunc", a[0])
    rest = v.b.fsub(a[0], whole)
    infinite = _isinf(v, t, a)
    return call(v.b, "llvm.copysign", v.b.select(infinite, _zero(rest), rest), a[0])


def _rounding(name: str, *names: str) -> None:
    def emit(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
        return call(v.b, name, a[0]) if t.kind == "f" else a[0]

    native(ALL, *names)(emit)


_rounding("llvm.floor", "floor")
_rounding("llvm.ceil", "ceil")
_rounding("llvm.trunc", "trunc")
_rounding("llvm.rint", "rint")


@native(FLOATS, "heaviside")
def _heaviside(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
    b, (x, h) = v.b, a
    zero, one = _zero(x), v.splat(constant(t, 1))
    at = b.select(b.fcmp_ordered("==", x, zero), h, x)
    return b.select(b.fcmp_ordered(">", x, zero), one, b.select(b.fcmp_ordered("<", x, zero), zero, at))


@native(FLOATS, "deg2rad")
def _deg2rad(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
    return v.b.fmul(a[0], v.splat(constant(t, np.pi / 180)))


@native(FLOATS, "rad2deg")
def _rad2deg(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
    return v.b.fmul(a[0], v.splat(constant(t, 180 / np.pi)))


# ---- choice
def _choice(names: tuple[str, str], signs: tuple[str, str], quiet: bool) -> None:
    for name, sign in zip(names, signs, strict=True):

        def emit(v: Lanes, t: np.dtype, a: list[Value], sign: str = sign) -> Value:
            b, (x, y) = v.b, a
            if t.kind == "b":
                return b.or_(x, y) if sign == ">" else b.and_(x, y)
            if t.kind == "f":
                nan = y if quiet else x  # fmax takes the other one, maximum the NaN
                # Of two equal ones the second: that is which zero NumPy's vector instructions give.
                first = b.or_(b.fcmp_ordered(sign, x, y), b.fcmp_unordered("uno", nan, nan))
                return b.select(first, x, y)
            compare = b.icmp_signed if t.kind == "i" else b.icmp_unsigned
            return b.select(compare(sign, x, y), x, y)

        native(ALL, name)(emit)


_choice(("maximum", "minimum"), (">", "<"), False)
_choice(("fmax", "fmin"), (">", "<"), True)


# ---- bits
@native("biu", "bitwise_and")
def _and(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
    return v.b.and_(*a)


@native("biu", "bitwise_or")
def _or(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
    return v.b.or_(*a)


@native("biu", "bitwise_xor")
def _xor(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
    return v.b.xor(*a)


@native("biu", "invert")
def _invert(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
    return v.b.not_(a[0])


def _shift(name: str, left: bool) -> None:
    def emit(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
        b, (x, n) = v.b, a
        width = 8 * t.itemsize
        fits = b.icmp_unsigned("<", n, v.splat(constant(np.dtype(f"u{t.itemsize}"), width)))
        if left:
            return b.select(fits, b.shl(x, b.select(fits, n, _zero(n))), _zero(x))
        most = b.select(fits, n, v.splat(constant(t, width - 1)))
        if t.kind == "i":
            return b.ashr(x, most)
        return b.select(fits, b.lshr(x, most), _zero(x))

    native(WHOLE, name)(emit)


_shift("left_shift", True)
_shift("right_shift", False)


# ---- comparisons and logic
def _comparison(name: str, sign: str) -> None:
    def emit(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
        if t.kind == "f":
            return v.b.fcmp_unordered(sign, *a) if sign == "!=" else v.b.fcmp_ordered(sign, *a)
        return v.b.icmp_signed(sign, *a) if t.kind == "i" else v.b.icmp_unsigned(sign, *a)

    native(ALL, name)(emit)


for _name, _sign_ in (
    ("less", "<"),
    ("less_equal", "<="),
    ("greater", ">"),
    ("greater_equal", ">="),
    ("equal", "=="),
    ("not_equal", "!="),
):
    _comparison(_name, _sign_)


def _truth(v: Lanes, t: np.dtype, x: Value) -> Value:
    return v.cast(x, t, np.dtype(bool))


def _logic(name: str, method: str) -> None:
    def emit(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
        return getattr(v.b, method)(*[_truth(v, t, x) for x in a])

    native(ALL, name)(emit)


_logic("logical_and", "and_")
_logic("logical_or", "or_")
_logic("logical_xor", "xor")


@native(ALL, "logical_not")
def _logical_not(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
    return v.b.not_(_truth(v, t, a[0]))


@native(ALL, "isnan")
def _isnan(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
    return v.b.fcmp_unordered("uno", a[0], a[0]) if t.kind == "f" else _constant_truth(v, False)


@native(ALL, "isinf")
def _isinf(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
    if t.kind != "f":
        return _constant_truth(v, False)
    return v.b.fcmp_ordered("==", call(v.b, "llvm.fabs", a[0]), v.splat(constant(t, np.inf)))


@native(ALL, "isfinite")
def _isfinite(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
    if t.kind != "f":
        return _constant_truth(v, True)
    return v.b.fcmp_ordered("<", call(v.b, "llvm.fabs", a[0]), v.splat(constant(t, np.inf)))


@native(FLOATS, "signbit")
def _signbit(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
    bits = ir.IntType(8 * t.itemsize)
    as_bits = v.b.bitcast(a[0], ir.VectorType(bits, v.width) if isinstance(a[0].type, ir.VectorType) else bits)
    return v.b.icmp_signed("<", as_bits, _zero(as_bits))


def _constant_truth(v: Lanes, truth: bool) -> Value:
    return v.splat(ir.Constant(I1, int(truth)))


def _zero(x: Value) -> ir.Constant:
    return ir.Constant(x.type, None)


# ---- elementary and special functions
def _elementary(name: str) -> None:
    def emit(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
        return vecmath.emit(v.b, name, *a)

    native(FLOATS, name)(emit)


for _name in vecmath.NAMES:
    if _name not in TABLE:
        _elementary(_name)


@native(FLOATS, "length")
def _length(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
    return vecmath.emit(v.b, "sqrt", *a)


@native(FLOATS, "sinc")
def _sinc(v: Lanes, t: np.dtype, a: list[Value]) -> Value:
    b = v.b
    zero = b.fcmp_ordered("==", a[0], _zero(a[0]))
    y = b.fmul(v.splat(constant(t, np.pi)), b.select(zero, v.splat(constant(t, 1e-20)), a[0]))
    return b.fdiv(vecmath.emit(b, "sin", y), y)


def expensive(op: Op) -> bool:
    """Does it cost so much that its value is kept rather than computed again?"""
    return op.name in vecmath.NAMES or op.name in (
        "divide",
        "remainder",
        "fmod",
        "floor_divide",
        "sinc",
        "length",
        "reciprocal",
    )
