"""`Lanes`: an LLVM builder that works on a few entries at once, in NumPy's dtypes.

A value is a scalar where `width` is 1, and a vector of `width` lanes elsewhere. Truth values are ``i1`` in registers
and one byte in memory, as NumPy has them.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from . import ir

Value = ir.Value
Builder = ir.Builder
I1, I8, I32, I64 = (ir.IntType(n) for n in (1, 8, 32, 64))
POINTER = ir.PointerType()
_FLOATS = {2: ir.HalfType(), 4: ir.FloatType(), 8: ir.DoubleType()}


def scalar_type(dtype: np.dtype) -> ir.Type:
    """What an entry of this dtype is in a register."""
    if dtype.kind == "b":
        return I1
    return _FLOATS[dtype.itemsize] if dtype.kind == "f" else ir.IntType(8 * dtype.itemsize)


def memory_type(dtype: np.dtype) -> ir.Type:
    """What an entry of this dtype is in memory."""
    return I8 if dtype.kind == "b" else scalar_type(dtype)


def widened(type_: ir.Type, width: int) -> ir.Type:
    return type_ if width == 1 else ir.VectorType(type_, width)


def prefetch(b: Builder, pointer: Value, write: bool = False) -> None:
    """Let a cache line come to the first cache, and with `write` be this core's alone; any address will do."""
    fetch = intrinsic(b, "llvm.prefetch.p0", ir.VoidType(), [POINTER, I32, I32, I32])
    b.call(fetch, [pointer, *[ir.Constant(I32, k) for k in (int(write), 3, 1)]])


def i64(value: int) -> ir.Constant:
    return ir.Constant(I64, int(value))


@functools.lru_cache(maxsize=256)
def first_lanes(width: int, count: int) -> ir.Constant:
    """True in the first lanes only."""
    if count == width or width == 1:
        return ir.Constant(widened(I1, width), 1)
    return ir.Constant(widened(I1, width), [int(k < count) for k in range(width)])


def intrinsic(b: Builder, name: str, result: ir.Type, arguments: Sequence[ir.Type]) -> ir.Function:
    """Declare an intrinsic, or find its declaration."""
    return b.module.function(name, result, arguments)


def suffix(type_: ir.Type) -> str:
    """An intrinsic's name for this type: ``v16f32``."""
    if isinstance(type_, ir.VectorType):
        return f"v{type_.count}{suffix(type_.element)}"
    if isinstance(type_, ir.IntType):
        return f"i{type_.width}"
    return {"half": "f16", "float": "f32", "double": "f64"}[str(type_)]


def call(b: Builder, name: str, *arguments: Value) -> Value:
    """An intrinsic whose result and arguments have one type: ``llvm.fabs``."""
    type_ = arguments[0].type
    return b.call(intrinsic(b, f"{name}.{suffix(type_)}", type_, [a.type for a in arguments]), arguments)


@contextlib.contextmanager
def loop(b: Builder, start: Value, stop: Value, step: int = 1) -> Iterator[Value]:
    """``for i in range(start, stop, step)``; values that change over it go through memory or `Accumulators`."""
    head, body, end = (b.append_basic_block(name) for name in ("head", "body", "end"))
    before = b.block
    b.branch(head)
    b.position_at_end(head)
    i = b.phi(I64)
    i.add_incoming(start, before)
    b.cbranch(b.icmp_signed("<", i, stop), body, end)
    b.position_at_end(body)
    yield i
    after = b.add(i, i64(step), ("nsw",))
    i.add_incoming(after, b.block)
    b.branch(head)
    b.position_at_end(end)


@contextlib.contextmanager
def carrying(
    b: Builder, start: Value, stop: Value, step: int, values: list[Value]
) -> Iterator[tuple[Value, list[Value]]]:
    """A loop that carries values: replace the entries of the list; after the loop it holds the results."""
    head, body, end = (b.append_basic_block(name) for name in ("head", "body", "end"))
    before = b.block
    b.branch(head)
    b.position_at_end(head)
    i = b.phi(I64)
    i.add_incoming(start, before)
    phis = []
    for value in values:
        phi = b.phi(value.type)
        phi.add_incoming(value, before)
        phis.append(phi)
    b.cbranch(b.icmp_signed("<", i, stop), body, end)
    b.position_at_end(body)
    current: list[Value] = list(phis)
    yield i, current
    after = b.add(i, i64(step), ("nsw",))
    i.add_incoming(after, b.block)
    for phi, value in zip(phis, current, strict=True):
        phi.add_incoming(value, b.block)
    b.branch(head)
    b.position_at_end(end)
    values[:] = phis


class Lanes:
    """Values of `width` lanes, of which the first `count` are entries and the others are not there."""

    def __init__(self, b: Builder, width: int, count: int | None = None):
        self.b = b
        self.width = width
        self.count = width if count is None else count

    def type(self, dtype: np.dtype) -> ir.Type:
        return widened(scalar_type(dtype), self.width)

    def constant(self, dtype: np.dtype, value: Any) -> ir.Constant:
        """A number in every lane."""
        return constant(dtype, value, self.width)

    def splat(self, value: Value) -> Value:
        """A scalar in every lane."""
        if self.width == 1 or isinstance(value.type, ir.VectorType):
            return value
        type_ = widened(value.type, self.width)
        if isinstance(value, ir.Constant):
            return ir.Constant(type_, value.number)
        first = self.b.insert_element(ir.Constant(type_, ir.Undefined), value, ir.Constant(I32, 0))
        zeros = ir.Constant(widened(I32, self.width), 0)
        return self.b.shuffle_vector(first, ir.Constant(type_, ir.Undefined), zeros)

    def iota(self) -> Value:
        """0, 1, 2 … as int64."""
        if self.width == 1:
            return i64(0)
        return ir.Constant(widened(I64, self.width), range(self.width))

    def mask(self) -> ir.Constant:
        """Which lanes are entries."""
        return first_lanes(self.width, self.count)

    # ---- memory
    def address(self, pointer: Value, index: Value, dtype: np.dtype) -> Value:
        return self.b.gep(pointer, index, memory_type(dtype), inbounds=True)

    def load(self, pointer: Value, index: Value, dtype: np.dtype, stride: int) -> Value:
        """Entries index, index + stride, … of a buffer; a scalar where the stride is 0."""
        b, element = self.b, memory_type(dtype)
        if self.width == 1 or stride == 0:
            return self._truth(self._load(self.address(pointer, index, dtype), element, dtype), dtype)
        if stride == 1:
            vector = widened(element, self.width)
            place = self.address(pointer, index, dtype)
            if self.count == self.width:
                return self._truth(self._load(place, vector, dtype), dtype)
            mask = self.mask()
            name = f"llvm.masked.load.{suffix(vector)}.p0"
            nothing = ir.Constant(vector, 0)
            load = intrinsic(b, name, vector, [POINTER, mask.type, vector])
            loaded = b.call(load, [place, mask, nothing])
            return self._truth(loaded, dtype)
        if self._far(element):
            vector = widened(element, self.width)
            places = self._apart(pointer, index, dtype, stride)
            nothing = ir.Constant(vector, 0)
            mask, size = self.mask(), ir.Constant(I32, dtype.itemsize)
            types = [places.type, I32, mask.type, vector]
            gather = intrinsic(b, f"llvm.masked.gather.{suffix(vector)}.v{self.width}p0", vector, types)
            return b.call(gather, [places, size, mask, nothing])
        places = [b.add(index, i64(k * stride)) for k in range(self.count)]
        return self.gathered(pointer, places, dtype)

    def _far(self, element: ir.Type) -> bool:
        """Has the processor an instruction for entries that lie apart?"""
        return self.b.has_avx512 and element != I8 and self.width > 2

    def _apart(self, pointer: Value, index: Value, dtype: np.dtype, stride: int) -> Value:
        """The places of entries index, index + stride, … as a vector."""
        steps = ir.Constant(widened(I64, self.width), [k * stride for k in range(self.width)])
        first = self.address(pointer, index, dtype)
        return self.b.gep(first, steps, memory_type(dtype))

    def gathered(self, pointer: Value, places: Sequence[Value], dtype: np.dtype) -> Value:
        """The entries at these places, one a lane."""
        element = memory_type(dtype)
        value: Value = ir.Constant(widened(element, self.width), 0)
        for k, place in enumerate(places):
            entry = self._load(self.address(pointer, place, dtype), element, dtype)
            value = self.b.insert_element(value, entry, ir.Constant(I32, k))
        return self._truth(value, dtype)

    def store(self, value: Value, pointer: Value, index: Value, dtype: np.dtype, stride: int) -> None:
        """Write the entries to index, index + stride, …"""
        b = self.b
        if dtype.kind == "b":
            value = b.zext(value, widened(I8, self.width if isinstance(value.type, ir.VectorType) else 1))
        if not isinstance(value.type, ir.VectorType):
            b.store(value, self.address(pointer, index, dtype), align=dtype.itemsize)
            return
        if stride == 1:
            place = self.address(pointer, index, dtype)
            if self.count == self.width:
                b.store(value, place, align=dtype.itemsize)
                return
            mask = self.mask()
            name = f"llvm.masked.store.{suffix(value.type)}.p0"
            b.call(intrinsic(b, name, ir.VoidType(), [value.type, POINTER, mask.type]), [value, place, mask])
            return
        if self._far(value.type.element):
            places, mask = self._apart(pointer, index, dtype, stride), self.mask()
            name = f"llvm.masked.scatter.{suffix(value.type)}.v{self.width}p0"
            scatter = intrinsic(b, name, ir.VoidType(), [value.type, places.type, I32, mask.type])
            b.call(scatter, [value, places, ir.Constant(I32, dtype.itemsize), mask])
            return
        for k in range(self.count):
            entry = b.extract_element(value, ir.Constant(I32, k))
            b.store(entry, self.address(pointer, b.add(index, i64(k * stride)), dtype), align=dtype.itemsize)

    def _load(self, place: Value, type_: ir.Type, dtype: np.dtype) -> Value:
        return self.b.load(place, type_, align=dtype.itemsize)

    def _truth(self, value: Value, dtype: np.dtype) -> Value:
        if dtype.kind != "b":
            return value
        return self.b.icmp_unsigned("!=", value, ir.Constant(value.type, None))

    # ---- conversions
    def cast(self, value: Value, have: np.dtype, want: np.dtype) -> Value:
        """As ``astype`` converts."""
        if have == want:
            return value
        b, to = self.b, widened(scalar_type(want), value.type.count if isinstance(value.type, ir.VectorType) else 1)
        if want.kind == "b":
            zero = ir.Constant(value.type, None)
            return b.fcmp_unordered("!=", value, zero) if have.kind == "f" else b.icmp_unsigned("!=", value, zero)
        if have.kind == "b":
            return b.uitofp(value, to) if want.kind == "f" else b.zext(value, to)
        if have.kind == "f":
            if want.kind == "f":
                return b.fpext(value, to) if want.itemsize > have.itemsize else b.fptrunc(value, to)
            return b.fptosi(value, to) if want.kind == "i" else b.fptoui(value, to)
        if want.kind == "f":
            return b.sitofp(value, to) if have.kind == "i" else b.uitofp(value, to)
        if want.itemsize == have.itemsize:
            return value
        if want.itemsize < have.itemsize:
            return b.trunc(value, to)
        return b.sext(value, to) if have.kind == "i" else b.zext(value, to)


def constant(dtype: np.dtype, value: Any, width: int = 1) -> ir.Constant:
    """A number of this dtype, in every lane."""
    type_ = widened(scalar_type(dtype), width)
    if dtype.kind == "f":
        return ir.Constant(type_, float(dtype.type(value)))
    return ir.Constant(type_, int(dtype.type(value)))
