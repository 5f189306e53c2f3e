"""Matrix products as machine code: one function for one product, with what follows it fused in.

A tile of C, say 8 rows of two vectors, stays in registers while the inner index p runs: each round loads a piece of
B's row p once, spreads one number of A after another over a vector, and multiplies and adds. When p is through, the
sums are handed to the epilogue, which writes what becomes of them: bias and activation, a mask, a step of descent.
Each entry of C is summed in one order, whatever range of the work a call is given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from backpass.native.gemm_panel import pack
from backpass.native.gemm_plan import Plan, Product, choose
from backpass.native.gemm_writer import I64, POINTER, Index, Value, Writer, constant
from backpass.native.target import Target

__all__ = ["Cell", "Product", "emit", "units", "pack_size"]


@dataclass(frozen=True)
class Cell:
    """One vector of sums, handed to the epilogue: C[item][row, col : col + count].

    `item`, `row`, `col` are i64 values; `value` has as many lanes as the target, of which the first `count` hold sums
    (and the rest zeros or anything): loads and stores past `count` must be masked.
    """

    item: Value
    row: Value
    col: Value
    value: Value
    count: int


Extra = Sequence[Value]
Epilogue = Callable[[ir.IRBuilder, Cell, Extra], None]
Gather = Callable[[ir.IRBuilder, Value, Extra], Value]


def units(product: Product, target: Target) -> int:
    """How many units of work there are: tiles of rows or panels of columns, of each product of the batch."""
    if product.m == 0 or product.n == 0:
        return 0
    return product.batch * _units_each(product, target)


def pack_size(product: Product, target: Target) -> int:
    """How many elements of the product's dtype each thread must bring for packing; 0 if `pack` is not looked at."""
    plan = choose(product, target)
    if plan.panel == "direct" or 0 in (product.m, product.n):
        return 0
    return product.k * plan.vectors * target.lanes(product.dtype)


def emit(
    module: ir.Module,
    name: str,
    product: Product,
    target: Target,
    epilogue: Epilogue,
    extra: Sequence[ir.Type] = (),
    index: Gather | None = None,
    inline: bool = True,
) -> ir.Function:
    """Add to a module the function `void name(ptr a, ptr b, ptr pack, i64 begin, i64 end, *extra)`; returns it.

    A call computes units begin to end of `units(product, target)`. Calls that together cover the range once compute C
    once, in any order, and at the same time where each has its own `pack`: `pack_size(product, target)` elements, best
    aligned to 64 bytes, whose content is of no account. `a` and `b` point to A[0, 0] and B[0, 0] of the batch's first
    product (with a gather, to what index 0 would read). Nothing but `pack` is stored to, except by the epilogue. All
    pointers are noalias: what is stored through one must not be read or stored through another in the same call.

    `epilogue(builder, cell, extra)` writes what happens with a vector of sums; `extra` are the function's extra
    arguments. It may end in another block than it began in. It is written once for each vector of a tile, or, with
    `inline=False`, for a long one, once for each vector of a row, in a loop over the rows.
    `index(builder, i, extra)` writes the i64 index that a gathered row i (or inner index p) is found at.

    The function is internal, noinline, nounwind. NaN and infinity come through as the sums have them; with k = 0 every
    sum is 0.
    """
    if bool(product.gather) != (index is not None):
        raise ValueError(f"gather {product.gather!r} with {'no ' if index is None else 'an '}index")
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [POINTER, POINTER, POINTER, I64, I64, *extra]), name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    function.attributes.add("nounwind")
    for argument in function.args:
        if argument.type == POINTER:
            argument.add_attribute("noalias")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    if units(product, target):
        _Emission(Writer(module, builder, product.dtype, target), product, epilogue, index, inline).all()
    builder.ret_void()
    return function


def _units_each(product: Product, target: Target) -> int:
    plan = choose(product, target)
    if product.split == "rows":
        return math.ceil(product.m / plan.rows)
    return math.ceil(product.n / (plan.vectors * target.lanes(product.dtype)))


class _Emission:
    """One function being written."""

    def __init__(self, w: Writer, product: Product, epilogue: Epilogue, index: Gather | None, inline: bool) -> None:
        self.w = w
        self.product = product
        self.plan: Plan = choose(product, w.target)
        self.a, self.b, self.pack, self.begin, self.end, *self.extra = w.builder.function.args
        self.epilogue = epilogue
        self.index = index
        self.inline = inline
        self.item: Any = constant(0)
        self.each = _units_each(product, w.target)
        self.width = self.plan.vectors * w.lanes
        self.scratch = None if inline else w.scratch(self.plan.rows * self.plan.vectors)

    def all(self) -> None:
        """Every product of the batch, each with its part of the range."""
        w, each = self.w, self.each
        if self.product.batch == 1:
            self.one(self.begin, self.end)
            return
        a, b = self.a, self.b
        first = w.builder.udiv(self.begin, constant(each))
        last = w.builder.udiv(constant(w.add(self.end, each - 1)), constant(each))
        with w.loop(first, last) as items:
            self.item = items.index
            self.a = w.at(a, w.scale(self.item, self.product.batch_strides[0]))
            self.b = w.at(b, w.scale(self.item, self.product.batch_strides[1]))
            done = w.scale(self.item, -each)
            self.one(w.larger(w.add(self.begin, done), 0), w.smaller(w.add(self.end, done), each))

    def one(self, begin: Index, end: Index) -> None:
        """Units begin to end of one product."""
        product, w = self.product, self.w
        full, left = divmod(product.n, self.width)
        if product.split == "rows":
            with w.when(w.builder.icmp_signed("<", constant(begin), constant(end))):
                if full:
                    with w.loop(0, full) as panels:
                        self.panel(w.scale(panels.index, self.width), self.width, begin, end)
                if left:
                    self.panel(full * self.width, left, begin, end)
            return
        tiles = math.ceil(product.m / self.plan.rows)
        if full:
            with w.loop(begin, w.smaller(end, full)) as panels:
                self.panel(w.scale(panels.index, self.width), self.width, 0, tiles)
        if left:
            with w.when(w.builder.and_(self.less(begin, end), self.less(full, end))):
                self.panel(full * self.width, left, 0, tiles)

    def less(self, x: Index, y: Index) -> Value:
        return self.w.builder.icmp_signed("<", constant(x), constant(y))

    def panel(self, col: Index, columns: int, begin: Index, end: Index) -> None:
        """Tiles of rows begin to end, at least one, of a panel of columns."""
        w, product, plan = self.w, self.product, self.plan
        counts = [min(w.lanes, columns - start) for start in range(0, columns, w.lanes)]
        b = w.at(self.b, w.scale(col, product.b[1]))
        if plan.panel == "direct" or product.k == 0:
            stride = product.b[0]
        else:
            pack(w, product, plan, b, self.pack, self.b_inner, counts)
            b, stride = self.pack, w.lanes * len(counts)
        full, left = divmod(product.m, plan.rows)
        if full:
            known = isinstance(begin, int) and isinstance(end, int)
            with w.loop(begin, min(end, full) if known else w.smaller(end, full)) as tiles:
                self.tile(w.scale(tiles.index, plan.rows), plan.rows, col, counts, b, stride)
        if left:
            with w.when(isinstance(end, int) or self.less(full, end)):
                self.tile(full * plan.rows, left, col, counts, b, stride)

    def tile(self, row: Index, rows: int, col: Index, counts: list[int], b: Value, stride: int) -> None:
        """The sums of one register tile, and its epilogue."""
        w, product, plan = self.w, self.product, self.plan
        packed = b is self.pack
        gathered = product.gather == "a rows"
        starts = [w.at(self.a, w.scale(self.found(w.add(row, r)), product.a[0])) for r in range(rows * gathered)]
        start = self.a if gathered else w.at(self.a, w.scale(row, product.a[0]))

        def add(p: Index, sums: list[Value]) -> list[Value]:
            at = w.at(b, w.scale(p if packed else self.b_inner(p), stride))
            pieces = [w.load(w.at(at, v * w.lanes), None if packed else c) for v, c in enumerate(counts)]
            along = w.scale(self.found(p) if product.gather == "a inner" else p, product.a[1])
            if gathered:
                entries = [w.at(start, along) for start in starts]
            else:
                here = w.at(start, along)
                entries = [w.at(here, r * product.a[0]) for r in range(rows)]
            following = []
            for r, entry in enumerate(entries):
                x = w.spread(w.load_scalar(entry))
                following += [
                    w.multiply_add(x, piece, total)
                    for piece, total in zip(pieces, sums[r * len(counts) :], strict=False)
                ]
            return following

        sums: list[Value] = [w.zero] * (rows * len(counts))
        whole = product.k // plan.unroll * plan.unroll
        if whole:
            with w.loop(0, whole, plan.unroll, sums) as inner:
                for u in range(plan.unroll):
                    inner.carried = add(w.add(inner.index, u), inner.carried)
            sums = inner.results
        for p in range(whole, product.k):
            sums = add(p, sums)
        self.finish(row, rows, col, counts, sums)

    def finish(self, row: Index, rows: int, col: Index, counts: list[int], sums: list[Value]) -> None:
        """Hand the sums of a tile to the epilogue."""
        w = self.w
        if self.scratch is None or rows == 1:
            for r in range(rows):
                for v, count in enumerate(counts):
                    self.hand(w.add(row, r), w.add(col, v * w.lanes), sums[r * len(counts) + v], count)
            return
        for place, value in enumerate(sums):
            w.builder.store(value, w.at(self.scratch, place * w.lanes), align=w.size * w.lanes)
        with w.loop(0, rows) as each:
            for v, count in enumerate(counts):
                place = w.add(w.scale(each.index, len(counts) * w.lanes), v * w.lanes)
                value = w.builder.load(w.at(self.scratch, place), typ=w.vector, align=w.size * w.lanes)
                self.hand(w.add(row, each.index), w.add(col, v * w.lanes), value, count)

    def hand(self, row: Index, col: Index, value: Value, count: int) -> None:
        self.epilogue(self.w.builder, Cell(self.item, constant(row), constant(col), value, count), self.extra)

    def found(self, i: Index) -> Value:
        assert self.index is not None
        return self.index(self.w.builder, constant(i), self.extra)

    def b_inner(self, p: Index) -> Index:
        return self.found(p) if self.product.gather == "b inner" else p
