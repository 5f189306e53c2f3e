"""`Arithmetic`: the instructions that the formulas of this folder are written in, for one number or a vector of them.

``a * b + c`` of `Number` values appends an ``fmul`` and an ``fadd``; a Python number beside a `Number` becomes a
constant. Comparisons give masks for `Arithmetic.where`. It is strict IEEE arithmetic: no fast-math flag is set, so LLVM
may neither reorder nor contract it, and the error-free transformations below mean what they say.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from backpass.native import ir

from .coefficients import Turns

DOUBLE = ir.DoubleType()
I32 = ir.IntType(32)
I64 = ir.IntType(64)


class Number:
    """A value in the formulas: a number, a whole number (its bits) or a mask, in every lane."""

    __slots__ = ("w", "v")

    def __init__(self, w: Arithmetic, v: Any) -> None:
        self.w = w
        self.v = v

    def __add__(self, other: Any) -> Number:
        return self.w.binary("add", self, other)

    def __radd__(self, other: Any) -> Number:
        return self.w.binary("add", other, self)

    def __sub__(self, other: Any) -> Number:
        return self.w.binary("sub", self, other)

    def __rsub__(self, other: Any) -> Number:
        return self.w.binary("sub", other, self)

    def __mul__(self, other: Any) -> Number:
        return self.w.binary("mul", self, other)

    def __rmul__(self, other: Any) -> Number:
        return self.w.binary("mul", other, self)

    def __truediv__(self, other: Any) -> Number:
        return self.w.binary("div", self, other)

    def __rtruediv__(self, other: Any) -> Number:
        return self.w.binary("div", other, self)

    def __neg__(self) -> Number:
        return Number(self.w, self.w.b.fneg(self.v))

    def __abs__(self) -> Number:
        return self.w.intrinsic("fabs", self)

    def __and__(self, other: Any) -> Number:
        return self.w.binary("and_", self, other)

    def __or__(self, other: Any) -> Number:
        return self.w.binary("or_", self, other)

    def __xor__(self, other: Any) -> Number:
        return self.w.binary("xor", self, other)

    def __invert__(self) -> Number:
        return Number(self.w, self.w.b.not_(self.v))

    def __lshift__(self, places: int) -> Number:
        return self.w.binary("shl", self, places)

    def __rshift__(self, places: int) -> Number:
        """Zeros come in from the left."""
        return self.w.binary("lshr", self, places)

    def __lt__(self, other: Any) -> Number:
        return self.w.compare("<", self, other)

    def __le__(self, other: Any) -> Number:
        return self.w.compare("<=", self, other)

    def __gt__(self, other: Any) -> Number:
        return self.w.compare(">", self, other)

    def __ge__(self, other: Any) -> Number:
        return self.w.compare(">=", self, other)

    def equals(self, other: Any) -> Number:
        """Where both are the same number; a NaN never is."""
        return self.w.compare("==", self, other)

    def differs(self, other: Any) -> Number:
        """Where they are not the same number; a NaN always differs."""
        return self.w.compare("!=", self, other)


class Arithmetic:
    """Appends instructions on `type` at the builder's position.

    `digits` is the number of bits that the result must be right to: it chooses the coefficients. 24 is float32 and 53
    float64; 40 is a float32 function in float64, where short polynomials do and no rounding on the way is seen.
    """

    def __init__(self, b: ir.Builder, type: ir.Type, digits: int | None = None) -> None:
        vector = isinstance(type, ir.VectorType)
        element = type.element if vector else type
        self.b = b
        self.type = type
        self.count = type.count if vector else 0
        self.single = isinstance(element, ir.FloatType)
        self.digits = digits or (24 if self.single else 53)
        self.bits, self.mantissa, self.bias = (32, 23, 127) if self.single else (64, 52, 1023)
        self.whole = ir.VectorType(ir.IntType(self.bits), self.count) if vector else ir.IntType(self.bits)
        self.fused = b.has_fma
        """Without the instruction, llvm.fma would become a call of libm's slow emulation."""
        self.scales = b.has_avx512 and self.bits * self.count == 512
        """Is there an instruction that multiplies by a power of 2?"""
        suffix = "f32" if self.single else "f64"
        self.suffix = f"v{self.count}{suffix}" if vector else suffix

    # Constants and instructions

    def operand(self, x: Any, like: Any) -> Any:
        return x.v if isinstance(x, Number) else ir.Constant(like, x)

    def binary(self, name: str, x: Any, y: Any) -> Number:
        like = (x if isinstance(x, Number) else y).v.type
        element = like.element if isinstance(like, ir.VectorType) else like
        if name in ("add", "sub", "mul", "div") and not isinstance(element, ir.IntType):
            name = "f" + name
        return Number(self, getattr(self.b, name)(self.operand(x, like), self.operand(y, like)))

    def compare(self, sign: str, x: Any, y: Any) -> Number:
        like = (x if isinstance(x, Number) else y).v.type
        element = like.element if isinstance(like, ir.VectorType) else like
        a, c = self.operand(x, like), self.operand(y, like)
        if isinstance(element, ir.IntType):
            return Number(self, self.b.icmp_signed(sign, a, c))
        return Number(self, (self.b.fcmp_unordered if sign == "!=" else self.b.fcmp_ordered)(sign, a, c))

    def intrinsic(self, name: str, *args: Any) -> Number:
        full = f"llvm.{name}.{self.suffix}"
        function = self.b.module.function(full, self.type, [self.type] * len(args))
        return Number(self, self.b.call(function, [self.operand(x, self.type) for x in args]))

    def constant(self, x: float) -> Number:
        return Number(self, ir.Constant(self.type, x))

    def where(self, mask: Number, x: Any, y: Any) -> Number:
        like = x.v.type if isinstance(x, Number) else y.v.type if isinstance(y, Number) else self.type
        return Number(self, self.b.select(mask.v, self.operand(x, like), self.operand(y, like)))

    def fma(self, x: Any, y: Any, z: Any) -> Number:
        """x·y + z, rounded once where the machine can; a formula that needs that asks `times` instead."""
        return self.intrinsic("fma", x, y, z) if self.fused else x * y + z

    def sqrt(self, x: Number) -> Number:
        return self.intrinsic("sqrt", x)

    def rint(self, x: Number) -> Number:
        """The nearest whole number, of two the even one."""
        if self.fused:
            return self.intrinsic("rint", x)
        # Before SSE4.1 the intrinsic would be a call.
        top = 2.0**self.mantissa
        return self.where(abs(x) < top, self.copysign((abs(x) + top) - top, x), x)

    def copysign(self, x: Any, sign: Number) -> Number:
        return self.intrinsic("copysign", x, sign)

    def at_most(self, x: Number, bound: float) -> Number:
        """min(x, bound), and NaN where x is: one instruction on x86."""
        return self.where(x > bound, bound, x)

    def at_least(self, x: Number, bound: float) -> Number:
        return self.where(x < bound, bound, x)

    def poly(self, x: Number, coefficients: Sequence[float]) -> Number:
        """Horner's rule, the highest power's coefficient first."""
        total: Any = coefficients[0]
        if len(coefficients) == 1:
            return self.constant(total)
        for c in coefficients[1:]:
            total = self.fma(total, x, c)
        return total

    # Bits

    def to_bits(self, x: Number) -> Number:
        return Number(self, self.b.bitcast(x.v, self.whole))

    def from_bits(self, i: Number) -> Number:
        return Number(self, self.b.bitcast(i.v, self.type))

    def bits_of(self, x: float) -> int:
        """The bits of one number, for a constant."""
        return (
            struct.unpack("<i", struct.pack("<f", x))[0]
            if self.single
            else struct.unpack("<q", struct.pack("<d", x))[0]
        )

    @property
    def shifter(self) -> float:
        """1.5·2^mantissa: adding it rounds to the nearest whole number, which then stands in the low bits."""
        return 1.5 * 2.0**self.mantissa

    @property
    def tiny(self) -> float:
        """The smallest normal number."""
        return 2.0 ** (1 - self.bias)

    def scale(self, x: Number, n: Number) -> Number:
        """x · 2^n, rounded once."""
        mask = ir.IntType(self.count)
        full = f"llvm.x86.avx512.mask.scalef.p{'s' if self.single else 'd'}.512"
        function = self.b.module.function(full, self.type, [self.type, self.type, self.type, mask, I32])
        # Every lane, in the current rounding mode.
        rest = [ir.Constant(self.type, ir.Undefined), ir.Constant(mask, -1), ir.Constant(I32, 4)]
        return Number(self, self.b.call(function, [x.v, n.v, *rest]))

    # Error-free transformations: the rounded result and what rounding lost

    def two_sum(self, x: Any, y: Any) -> tuple[Number, Number]:
        s = x + y
        part = s - x
        return s, (x - (s - part)) + (y - part)

    def fast_two_sum(self, x: Any, y: Any) -> tuple[Number, Number]:
        """As `two_sum`, where |x| ≥ |y|."""
        s = x + y
        return s, y - (s - x)

    def times(self, x: Any, y: Any) -> tuple[Number, Number]:
        """x·y exactly, as a sum of two; by Dekker's splitting where the machine has no fma."""
        p = x * y
        if self.fused:
            return p, self.fma(x, y, -p)
        (a, c), (d, e) = self._halves(x), self._halves(y)
        return p, ((a * d - p) + a * e + c * d) + c * e

    def _halves(self, x: Any) -> tuple[Any, Any]:
        places = (self.mantissa + 2) // 2
        if not isinstance(x, Number):
            mantissa, exponent = math.frexp(x)
            high = math.ldexp(round(math.ldexp(mantissa, places - 1)), exponent - places + 1)
            return high, x - high
        scaled = x * (2.0**places + 1.0)
        high = scaled - (scaled - x)
        return high, x - high

    def quotient(self, x: Number, x_low: Any, y: Number, y_low: Any) -> tuple[Number, Number]:
        """(x + x_low) / (y + y_low)."""
        q = x / y
        p, lost = self.times(q, y)
        return q, (((x - p) - lost) + (x_low - q * y_low)) / y

    def root(self, x: Number, x_low: Number) -> tuple[Number, Number]:
        """√(x + x_low)."""
        r = self.sqrt(x)
        p, lost = self.times(r, r)
        return r, (((x - p) - lost) + x_low) / (r + r)

    # float32 in float64

    def wide(self) -> Arithmetic:
        """Arithmetic of float64 for these of float32."""
        return Arithmetic(self.b, ir.VectorType(DOUBLE, self.count) if self.count else DOUBLE, 40)

    def widen(self, x: Number) -> Number:
        w = self.wide()
        return Number(w, self.b.fpext(x.v, w.type))

    def narrow(self, x: Number) -> Number:
        return Number(self, self.b.fptrunc(x.v, self.type))

    # Tables

    def look_up(self, table: Turns, row: Number) -> list[Number]:
        """The entries of the table's row, for 64-bit row numbers in range."""
        b = self.b
        found = b.module.globals.get(table.name)
        if found is None:
            data = b"".join(struct.pack(f"<{table.parts}d", *row) for row in table.rows)
            found = ir.Data(b.module, table.name, data)
        pointer = ir.PointerType()
        address = row << (8 * table.parts).bit_length() - 1
        if not self.count:
            places = [b.gep(found, (address + 8 * part).v, ir.IntType(8)) for part in range(table.parts)]
            return [Number(self, b.load(place, DOUBLE)) for place in places]
        start = b.ptrtoint(found, I64)
        undefined = ir.Constant(self.whole, ir.Undefined)
        starts = b.insert_element(undefined, start, ir.Constant(I32, 0))
        starts = b.shuffle_vector(starts, undefined, ir.Constant(ir.VectorType(I32, self.count), [0] * self.count))
        address = Number(self, starts) + address
        pointers = ir.VectorType(pointer, self.count)
        mask = ir.VectorType(ir.IntType(1), self.count)
        full = f"llvm.masked.gather.{self.suffix}.v{self.count}p0"
        gather = b.module.function(full, self.type, [pointers, I32, mask, self.type])
        rest = [ir.Constant(I32, 8), ir.Constant(mask, [1] * self.count), ir.Constant(self.type, ir.Undefined)]
        places = [b.inttoptr((address + 8 * part).v, pointers) for part in range(table.parts)]
        return [Number(self, b.call(gather, [place, *rest])) for place in places]


def widely(function: Callable[..., Number]) -> Callable[..., Number]:
    """The function with float32 computed in float64: no rounding on the way is seen in the result."""

    @wraps(function)
    def either(w: Arithmetic, *args: Number) -> Number:
        return w.narrow(function(w.wide(), *map(w.widen, args))) if w.single else function(w, *args)

    return either
