"""What the emitters of products write with: an IRBuilder that knows one dtype, one target, and counted loops."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from backpass.native import ir
from backpass.native.lanes import first_lanes
from backpass.native.target import Target

I64 = ir.IntType(64)
I32 = ir.IntType(32)
POINTER = ir.PointerType()

Value = ir.Value
Index = Value | int
"""An index: known when the code is written (int), or when it runs."""


def constant(i: Index) -> Value:
    """An index as an LLVM value."""
    return ir.Constant(I64, i) if isinstance(i, int) else i


class Loop:
    """A loop being written: its index, what it carries from round to round, and, when it is closed, what came out."""

    def __init__(self, index: Index, carried: list[Value]) -> None:
        self.index = index
        self.carried = carried
        self.results = carried


class Writer:
    """Writes scalars and vectors of one dtype at the end of an IRBuilder."""

    def __init__(self, module: ir.Module, builder: ir.Builder, dtype: str, target: Target) -> None:
        self.module = module
        self.builder = builder
        self.target = target
        self.scalar: Any = ir.FloatType() if dtype == "float32" else ir.DoubleType()
        self.size = np.dtype(dtype).itemsize
        self.lanes = target.lanes(dtype)
        self.vector = ir.VectorType(self.scalar, self.lanes)
        self.zero = ir.Constant(self.vector, 0.0)
        self.dtype = dtype
        self.suffix = f"v{self.lanes}f{8 * self.size}"

    def on(self, builder: ir.Builder) -> Writer:
        """The same, at the end of another builder of the module."""
        return Writer(self.module, builder, self.dtype, self.target)

    # Indices.
    def add(self, x: Index, y: Index) -> Index:
        if isinstance(x, int) and isinstance(y, int):
            return x + y
        if isinstance(x, int):
            x, y = y, x
        return x if isinstance(y, int) and y == 0 else self.builder.add(constant(x), constant(y))

    def scale(self, x: Index, factor: int) -> Index:
        if isinstance(x, int) or factor == 0:
            return x * factor if isinstance(x, int) else 0
        return x if factor == 1 else self.builder.mul(x, constant(factor))

    def smaller(self, x: Index, y: Index) -> Index:
        if isinstance(x, int) and isinstance(y, int):
            return min(x, y)
        x, y = constant(x), constant(y)
        return self.builder.select(self.builder.icmp_signed("<", x, y), x, y)

    def larger(self, x: Index, y: Index) -> Index:
        if isinstance(x, int) and isinstance(y, int):
            return max(x, y)
        x, y = constant(x), constant(y)
        return self.builder.select(self.builder.icmp_signed(">", x, y), x, y)

    def less(self, x: Index, y: Index) -> Value | bool:
        if isinstance(x, int) and isinstance(y, int):
            return x < y
        return self.builder.icmp_signed("<", constant(x), constant(y))

    def at(self, pointer: Value, offset: Index) -> Value:
        """The address `offset` elements after a pointer."""
        if isinstance(offset, int) and offset == 0:
            return pointer
        return self.builder.gep(pointer, constant(offset), self.scalar, inbounds=True)

    # Memory.
    def load_scalar(self, pointer: Value) -> Value:
        return self.builder.load(pointer, self.scalar, align=self.size)

    def load(self, pointer: Value, count: int | None = None) -> Value:
        """A vector from memory: `count` entries, then zeros; no other memory is touched."""
        if count is None or count == self.lanes:
            return self.builder.load(pointer, self.vector, align=self.size)
        if count == 1:
            return self.builder.insert_element(self.zero, self.load_scalar(pointer), ir.Constant(I32, 0))
        return self.load_where(pointer, self._mask(count))

    def load_where(self, pointer: Value, mask: Value) -> Value:
        """A vector from memory where a mask of lanes says so, zeros elsewhere."""
        name = f"llvm.masked.load.{self.suffix}.p0"
        load = self.intrinsic(name, self.vector, [POINTER, mask.type, self.vector])
        return self.builder.call(load, [pointer, mask, self.zero])

    def lanes_below(self, count: Value) -> Value:
        """The mask of the lanes before `count`, which is known only when the code runs."""
        kind = ir.VectorType(I32, self.lanes)
        at_most = self.builder.trunc(constant(self.smaller(count, self.lanes)), I32)
        first = self.builder.insert_element(ir.Constant(kind, ir.Undefined), at_most, ir.Constant(I32, 0))
        return self.builder.icmp_signed(
            "<", ir.Constant(kind, list(range(self.lanes))), self.shuffle(first, first, [0] * self.lanes)
        )

    def entries(self, pointer: Value, stride: int, count: int) -> Value:
        """A vector of entries that lie `stride` apart, then zeros."""
        vector = self.zero
        for lane in range(count):
            entry = self.load_scalar(self.at(pointer, lane * stride))
            vector = self.builder.insert_element(vector, entry, ir.Constant(I32, lane))
        return vector

    def store(self, value: Value, pointer: Value, count: int | None = None) -> None:
        """The first `count` entries of a vector to memory; no other memory is touched."""
        if count is None or count == self.lanes:
            self.builder.store(value, pointer, align=self.size)
        elif count == 1:
            first = self.builder.extract_element(value, ir.Constant(I32, 0))
            self.builder.store(first, pointer, align=self.size)
        else:
            mask = self._mask(count)
            name = f"llvm.masked.store.{self.suffix}.p0"
            store = self.intrinsic(name, ir.VoidType(), [self.vector, POINTER, mask.type])
            self.builder.call(store, [value, pointer, mask])

    # Arithmetic.
    def spread(self, scalar: Value) -> Value:
        """A vector with the scalar in every lane."""
        first = self.builder.insert_element(ir.Constant(self.vector, ir.Undefined), scalar, ir.Constant(I32, 0))
        return self.shuffle(first, first, [0] * self.lanes)

    def shuffle(self, x: Value, y: Value, lanes: Sequence[int]) -> Value:
        """The lanes of x, then y, in the order that is asked for."""
        return self.builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(I32, len(lanes)), list(lanes)))

    def multiply_add(self, x: Value, y: Value, total: Value) -> Value:
        """x y + total, in one rounding where the target has it."""
        if not self.target.fma:
            return self.builder.fadd(total, self.builder.fmul(x, y))
        fma = self.intrinsic(f"llvm.fma.{self.suffix}", self.vector, [self.vector] * 3)
        return self.builder.call(fma, [x, y, total])

    # Exchanges of lanes, in the forms that processors have: within each 16 bytes, and whole pieces of 16 bytes.
    def sums(self, vectors: Sequence[Value]) -> Value:
        """The sum of the lanes of each vector, one a lane: no more vectors than each has lanes."""
        left: list[Value] = [*vectors, *[self.zero] * (self.lanes - len(vectors))]
        for exchange in self._exchanges():
            pairs = [left[i : i + 2] for i in range(0, len(left), 2)]
            left = [x if x is self.zero and y is self.zero else self.builder.fadd(*exchange(x, y)) for x, y in pairs]
        return left[0]

    def transpose(self, rows: Sequence[Value]) -> list[Value]:
        """A square of vectors, as many as each has lanes, with its rows and columns exchanged."""
        # Each exchange halves the rows of a part: its first results belong to one half of the columns, its second to
        # the other. Within 16 bytes the halves are the first and the second, of the pieces the even and the odd.
        parts = [list(rows)]
        for exchange in self._exchanges():
            following = []
            for part in parts:
                exchanged = [exchange(*part[i : i + 2]) for i in range(0, len(part), 2)]
                following += [[low for low, _ in exchanged], [high for _, high in exchanged]]
            parts = following
        columns = [part[0] for part in parts]
        # So the first bits of a part's number say which column of a piece, the last ones which piece, backwards.
        size = self._within()
        pieces = self.lanes // size
        reverse = [int(format(piece, f"0{max(1, (pieces - 1).bit_length())}b")[::-1], 2) for piece in range(pieces)]
        return [columns[inner * pieces + reverse[piece]] for piece in range(pieces) for inner in range(size)]

    def _within(self) -> int:
        """Lanes in 16 bytes."""
        return 16 // self.size

    def _exchanges(self) -> list[Callable[[Value, Value], tuple[Value, Value]]]:
        """One for each bit of a lane's number: of two vectors it makes two, each with half of both."""
        size, exchanges = self._within(), []
        unit = 1
        while unit < size:
            exchanges.append(functools.partial(self._interleave, unit))
            unit *= 2
        pieces = self.lanes // size
        while pieces > 1:
            exchanges.append(self._sort_pieces)
            pieces //= 2
        return exchanges

    def _interleave(self, unit: int, x: Value, y: Value) -> tuple[Value, Value]:
        """Units of lanes of x and y in turns: those of the first half of each 16 bytes, and of the second."""
        halves = []
        size = self._within()
        for half in (0, size // 2):
            lanes = []
            for piece in range(0, self.lanes, size):
                for start in range(piece + half, piece + half + size // 2, unit):
                    lanes += [*range(start, start + unit), *range(self.lanes + start, self.lanes + start + unit)]
            halves.append(self._fenced(self.shuffle(x, y, lanes)))
        return halves[0], halves[1]

    def _sort_pieces(self, x: Value, y: Value) -> tuple[Value, Value]:
        """The even pieces of 16 bytes of x, then of y, and the odd ones."""
        size = self._within()
        even = [lane for lane in range(2 * self.lanes) if lane // size % 2 == 0]
        halves = self.shuffle(x, y, even), self.shuffle(x, y, [lane + size for lane in even])
        return self._fenced(halves[0]), self._fenced(halves[1])

    def _fenced(self, x: Value) -> Value:
        """x as it is: LLVM would look for one exchange in place of several, find none, and take twice the time."""
        fence = self.intrinsic(f"llvm.arithmetic.fence.{self.suffix}", self.vector, [self.vector])
        return self.builder.call(fence, [x])

    def intrinsic(self, name: str, result: ir.Type, arguments: list[ir.Type]) -> ir.Function:
        """LLVM's intrinsic function of a name, declared once a module."""
        return self.module.function(name, result, arguments)

    # Control.
    @contextlib.contextmanager
    def loop(self, start: Index, stop: Index, step: int = 1, carried: Sequence[Value] = ()) -> Iterator[Loop]:
        """for index in range(start, stop, step), carrying values: set `carried` in it, read `results` after it.

        With known bounds a single round is written without a loop, and more without a test before the first.
        """
        known = False
        if isinstance(start, int) and isinstance(stop, int):
            known = True
            if start >= stop:
                raise ValueError(f"a loop from {start} to {stop} has no round to write")
            if start + step >= stop:
                loop = Loop(start, list(carried))
                yield loop
                loop.results = loop.carried
                return
        builder = self.builder
        before = builder.block
        body, after = builder.append_basic_block("loop"), builder.append_basic_block("after")
        if known:
            builder.branch(body)
        else:
            builder.cbranch(builder.icmp_signed("<", constant(start), constant(stop)), body, after)
        builder.position_at_end(body)
        index = builder.phi(I64)
        index.add_incoming(constant(start), before)
        phis = [builder.phi(value.type) for value in carried]
        for phi, value in zip(phis, carried, strict=True):
            phi.add_incoming(value, before)
        loop = Loop(index, list(phis))
        yield loop
        following = builder.add(index, constant(step))
        last = builder.block
        index.add_incoming(following, last)
        for phi, value in zip(phis, loop.carried, strict=True):
            phi.add_incoming(value, last)
        builder.cbranch(builder.icmp_signed("<", following, constant(stop)), body, after)
        builder.position_at_end(after)
        loop.results = loop.carried
        if not known:
            loop.results = []
            for none, some in zip(carried, loop.carried, strict=True):
                phi = builder.phi(none.type)
                phi.add_incoming(none, before)
                phi.add_incoming(some, last)
                loop.results.append(phi)

    @contextlib.contextmanager
    def when(self, condition: Value | bool) -> Iterator[None]:
        """What is written inside runs if the condition holds; one that is known must hold."""
        if isinstance(condition, bool):
            assert condition
            yield
        else:
            with self.builder.if_then(condition):
                yield

    def scratch(self, vectors: int) -> Value:
        """Room for some vectors on the stack."""
        return self.builder.alloca(self.vector, size=constant(vectors))

    def _mask(self, count: int) -> ir.Constant:
        return first_lanes(self.lanes, count)
