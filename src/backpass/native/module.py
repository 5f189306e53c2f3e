"""A plan as one LLVM module: a function for each kernel, and the entry that calls them in order.

The entry is ``backpass_main(table, arena, flag, rank, ranks, barrier)``: `table` holds the addresses of inputs,
constants and outputs (in that order), `flag` an int64 that a kernel sets where an index is out of bounds, and behind it
what code and Python tell each other (`Word`). `ranks` threads may call it at once, each with its rank: each computes
its share of every kernel, and they meet at a barrier where one needs what another has written. No sum depends on how
many they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import numpy as np

from . import barrier, control_writer, denormal, gemm, ir, random
from .control import bodies
from .engine import ENTRY
from .kernel import Item, Kernel, Place, Plan, Root, RootKind
from .lanes import I8, I64, POINTER, Builder, Lanes, Value, i64, loop
from .memory import reads, rounded_up, writes
from .nest import Body, Nest, Values, combine, fetched, identity, owner
from .product import full_shape, product_arrangement, product_of, product_place
from .target import Target

LONG = 6
"""An epilogue of more values than this is written once, in a loop over a tile's rows."""
COLD = {"noinline", "optnone"}
"""What LLVM writes in half the time."""
LARGE = 1 << 20
"""Operations beside which what calls the kernels takes no time."""
LITTLE = 8192
"""Operations below which a kernel is not worth dividing."""


class Word(IntEnum):
    """The int64 words that begin with the flag."""

    FLAG = 0
    SPENT = 1
    """What loops have done since Python was last asked whether someone presses Ctrl-C."""
    CALLBACK = 2
    """Python's function for islands."""
    TABLE = 3
    ARENA = 4
    """Whose island it is: the table and the arena of its plan."""
    ROWS = 5
    """Which rows of the data make up the batch, where they lie apart."""


class ModuleWriter:
    """Writes one plan: that of a graph, or of a body `within` another one."""

    def __init__(self, plan: Plan, target: Target, within: ModuleWriter | None = None, prefix: str = ""):
        self.plan = plan
        self.target = target
        self.prefix = prefix
        self.module = ir.Module("backpass") if within is None else within.module
        self.scratch = scratch(plan, target)
        self.slots = slots(plan)
        self.numbers = numbers(plan) if within is None else within.numbers
        if within is not None:
            self.meeting = within.meeting

    def text(self) -> str:
        """The module's LLVM assembly."""
        return str(self.module)

    @property
    def cold(self) -> bool:
        """Do the functions that call the kernels take no time beside these?"""
        plain = not any(bodies(kernel) for kernel in self.plan.kernels)
        return plain and control_writer.total(self.plan) > LARGE

    def write(self) -> None:
        """Write the kernels and the entry."""
        type_ = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, POINTER, I64, I64, POINTER])
        self.main = main = ir.Function(self.module, type_, ENTRY)
        self.meeting = barrier.write(self.module)
        if self.cold:
            main.attributes |= COLD
        self.b = ir.Builder(main)
        self.table, self.arena, self.flag, self.rank, self.ranks, self.bar = main.args
        behind = self.b.add(i64(self.plan.arena), self.b.mul(self.rank, i64(self.scratch)))
        self.packing = self.b.gep(self.arena, behind, I8)
        self._kernels()

    def write_body(self) -> ir.Function:
        """Write a body: ``void body(table, arena, flag, rank, ranks, barrier, packing)``."""
        type_ = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, POINTER, I64, I64, POINTER, POINTER])
        body = ir.Function(self.module, type_, f"{self.prefix}body")
        body.linkage = "internal"
        body.attributes.add("nounwind")
        self.b = ir.Builder(body)
        self.table, self.arena, self.flag, self.rank, self.ranks, self.bar, self.packing = body.args
        self._kernels()
        return body

    def _kernels(self) -> None:
        self.crossing = Crossing()
        for number, kernel in enumerate(self.plan.kernels):
            if self.crossing.meets(kernel):
                self.meet()
            self._kernel(number, kernel)
        self.meet()
        self.b.ret_void()

    def meet(self) -> None:
        """All ranks come here before any goes on."""
        self.b.call(self.meeting, [self.bar, self.ranks])

    def share(self, units: int, work: int) -> tuple[Value, Value]:
        """This rank's part of so many units of work; the first rank's alone where there is little of it."""
        b = self.b
        first = b.icmp_signed("==", self.rank, i64(0))
        if units < 2 or work < LITTLE:
            return i64(0), b.select(first, i64(units), i64(0))
        cut = lambda k: b.sdiv(b.mul(k, i64(units)), self.ranks)  # noqa: E731
        return cut(self.rank), cut(b.add(self.rank, i64(1)))

    # ---- memory
    def address(self, item: Item) -> Value:
        """In the entry: where an item begins."""
        item = owner(item)
        if item.place is Place.ARENA:
            return self.b.gep(self.arena, i64(item.offset), I8)
        slot = self.b.gep(self.table, i64(self.slots[item]), I64)
        return self.b.load(slot, POINTER, align=8)

    # ---- kernels
    def _kernel(self, number: int, kernel: Kernel) -> None:
        name = f"{self.prefix}k{number}_{kernel.kind}"
        match kernel.kind:
            case "nest":
                self._nest(name, kernel)
            case "product":
                self._product(name, kernel)
            case "random":
                self._random(name, kernel)
            case "loop":
                control_writer.write_loop(self, name, kernel.control)
            case "branch":
                control_writer.write_branch(self, name, kernel.control)
            case _:
                self.ask(self.numbers[kernel])

    def _nest(self, name: str, kernel: Kernel) -> None:
        items = memory_of(kernel)
        function, b = self._function(name, len(items))
        begin, end, flag, *pointers = function.args
        values = Values(kernel, kernel.made, dict(zip(items, pointers, strict=True)), flag)
        nest = Nest(b, values)
        nest.write(begin, end)
        b.ret_void()
        work = math.prod(kernel.domain) * (1 + len(kernel.nodes))
        share = self.share(nest.units(), work)
        self._call(function, share, [self.flag, *[self.address(item) for item in items]])

    def _call(self, function: ir.Function, share: tuple[Value, Value], arguments: list[Value]) -> None:
        """Run a kernel on its share, if that is anything."""
        with self.b.if_then(self.b.icmp_signed("<", *share)):
            self.b.call(function, [*share, *arguments])

    def _function(self, name: str, pointers: int) -> tuple[Any, Builder]:
        type_ = ir.FunctionType(ir.VoidType(), [I64, I64, POINTER, *[POINTER] * pointers])
        function = ir.Function(self.module, type_, name)
        function.linkage = "internal"
        function.attributes.add("noinline")
        function.attributes.add("nounwind")
        for argument in function.args[2:]:
            argument.add_attribute("noalias")
        return function, self._able(ir.Builder(function))

    def _able(self, b: Builder) -> Builder:
        """Tell a builder what the processor can do, which the vector maths asks it."""
        b.has_fma, b.has_avx512 = self.target.fma, self.target.bits == 512
        return b

    def _product(self, name: str, kernel: Kernel) -> None:
        assert kernel.line is not None
        (a, left), (c, right) = kernel.operands
        shape = full_shape(kernel)
        product, swapped = product_of(kernel)
        items = memory_of(kernel)
        extra = [POINTER] * (1 + len(items) + bool(product.gather))
        made = product_arrangement(kernel, self.target.bits)

        def body_at(b: Builder, cell: gemm.Cell, given: Sequence[Value]) -> Body:
            self._able(b)
            values = Values(kernel, made, dict(zip(items, given[1:], strict=False)), given[0])
            lanes = Lanes(b, self.target.lanes(product.dtype), cell.count)
            where = product_place(kernel, shape, cell, swapped, b)
            return Body(values, lanes, where, False, {kernel.result: cell.value})  # type: ignore[dict-item]

        def epilogue(b: Builder, cell: gemm.Cell, given: Sequence[Value]) -> None:
            body = body_at(b, cell, given)
            written = [(root, body.ref(root.ref, root.target.dtype)) for root in kernel.roots]
            for root, value in written:
                if root.kind is RootKind.TOTAL:
                    add_up(body, root, value, cell.unit)
                else:
                    body.write(root, value)

        def row_at(b: Builder, i: Value, given: Sequence[Value]) -> Value:
            return b.load(b.gep(given[-1], i, I64), I64, align=8)

        def ahead(b: Builder, cell: gemm.Cell, given: Sequence[Value]) -> None:
            body_at(b, cell, given).fetch()

        index, inline = row_at if product.gather else None, len(kernel.nodes) <= LONG
        early = ahead if fetched(kernel) else None
        function = gemm.emit(self.module, name, product, self.target, epilogue, extra, index, inline, early)
        first, second = ((c, right), (a, left)) if swapped else ((a, left), (c, right))
        places = [
            self.b.gep(self.address(item), i64(view.offset * item.dtype.itemsize), I8) for item, view in (first, second)
        ]
        share = self.share(gemm.units(product, self.target), product.batch * product.m * product.n * product.k)
        rest = [self.flag, *[self.address(item) for item in items]]
        if product.gather:
            rest.append(self.b.load(self.word(Word.ROWS), POINTER, align=8))
        with self.b.if_then(self.b.icmp_signed("<", *share)):
            for root in kernel.roots:
                if root.kind is RootKind.TOTAL:
                    self._clear(root.target, share, self.target.lanes(product.dtype))
            self.b.call(function, [*places, self.packing, *share, *rest])

    def _clear(self, begun: Item, share: tuple[Value, Value], width: int) -> None:
        """Set the sums of this rank's units to nothing."""
        place = self.address(begun)
        with loop(self.b, *share) as unit:
            lanes = Lanes(self.b, width)
            nothing = lanes.constant(begun.dtype, identity(begun))
            lanes.store(nothing, place, self.b.mul(unit, i64(width)), begun.dtype, 1)

    def _random(self, name: str, kernel: Kernel) -> None:
        assert kernel.line is not None
        assert kernel.result is not None
        ((key, view),) = kernel.operands
        function, b = self._function(name, 2)
        begin, end, _, start, out = function.args
        width = self.target.bits // 32
        size = kernel.line.aval.size
        place = b.gep(start, i64(view.offset), ir.IntType(32))
        random.write(b, place, out, size, width, begin, end)
        b.ret_void()
        addresses = [self.address(key), self.address(kernel.result)]
        self._call(function, self.share(random.units(size, width), 16 * size), [self.flag, *addresses])

    # ---- Python
    def word(self, word: Word) -> Value:
        """Where one of the words behind the flag is."""
        return self.b.gep(self.flag, i64(word), I64)

    def ask(self, number: int) -> None:
        """Let Python run an island, or with a negative number look whether someone presses Ctrl-C."""
        b = self.b
        with b.if_then(b.icmp_signed("==", self.rank, i64(0))), denormal.usual(b):
            b.store(b.ptrtoint(self.table, I64), self.word(Word.TABLE), align=8)
            b.store(b.ptrtoint(self.arena, I64), self.word(Word.ARENA), align=8)
            callback = b.load(self.word(Word.CALLBACK), I64, align=8)
            b.call(b.inttoptr(callback, POINTER), [i64(number)], ir.FunctionType(ir.VoidType(), [I64]))


def add_up(body: Body, root: Root, value: Value, unit: Value) -> None:
    """Add the valid lanes of a value to the sums of a unit of work."""
    lanes, dtype = body.lanes, root.target.dtype
    whole, value = Lanes(lanes.b, lanes.width), lanes.splat(value)
    if lanes.count < lanes.width:
        value = lanes.b.select(lanes.mask(), value, whole.constant(dtype, identity(root.target)))
    pointer, at = body.of.pointer(root.target), lanes.b.mul(unit, i64(lanes.width))
    whole.store(combine(root.target, whole, whole.load(pointer, at, dtype, 1), value), pointer, at, dtype, 1)


class Crossing:
    """What has been read and written since the ranks last met."""

    def __init__(self) -> None:
        self.read: list[Span] = []
        self.written: list[Span] = []

    def meets(self, kernel: Kernel) -> bool:
        """Must the ranks meet before this kernel? If so, the books begin anew."""
        inputs, outputs = [span(i) for i in reads(kernel)], [span(i) for i in writes(kernel)]
        apart = overlap(inputs, self.written) or overlap(outputs, self.written) or overlap(outputs, self.read)
        if apart:
            self.read, self.written = [], []
        self.read += inputs
        self.written += outputs
        return apart


def islands(plan: Plan) -> list[tuple[Kernel, dict[Item, int]]]:
    """All islands of a plan and of the bodies in it, each with the places in its plan's table."""
    own, found = slots(plan), []
    for kernel in plan.kernels:
        if kernel.kind == "island":
            found.append((kernel, own))
        for body in bodies(kernel):
            found += islands(body.plan)
    return found


def numbers(plan: Plan) -> dict[Kernel, int]:
    """What Python knows each island by."""
    return {kernel: number for number, (kernel, _) in enumerate(islands(plan))}


Span = tuple[Item | None, int, int]
"""(whose memory, None for the arena; from, to)"""


def span(item: Item) -> Span:
    item = owner(item)
    if item.place is not Place.ARENA:
        return item, 0, 1
    return None, item.offset, item.offset + max(1, item.line.aval.size * item.dtype.itemsize)


def overlap(one: list[Span], other: list[Span]) -> bool:
    return any(a[0] is b[0] and a[1] < b[2] and b[1] < a[2] for a in one for b in other)


def scratch(plan: Plan, target: Target) -> int:
    """Bytes that a rank's products pack into, behind the arena."""
    most = 0
    for kernel in plan.kernels:
        most = max([most, *[scratch(body.plan, target) for body in bodies(kernel)]])
        if kernel.kind == "product":
            product, _ = product_of(kernel)
            most = max(most, rounded_up(gemm.pack_size(product, target) * np.dtype(product.dtype).itemsize))
    return most


def slots(plan: Plan) -> dict[Item, int]:
    """Item → its place in the table: inputs, constants that are no single numbers, outputs."""
    items = [*plan.inputs, *[c for c in plan.constants if not c.immediate]]
    items += [o for o in plan.outputs if o.place is Place.OUTPUT and o.shared is None]
    return {item: k for k, item in enumerate(items)}


def memory_of(kernel: Kernel) -> list[Item]:
    """The memory that a nest, or a product's epilogue, touches; each once."""
    found = [owner(ref.item) for ref, _ in kernel.leaves]
    found += [owner(root.target) for root in kernel.roots]
    found += [owner(node.gathered.base) for node in kernel.nodes if node.gathered is not None]
    return list(dict.fromkeys(item for item in found if not item.immediate))
