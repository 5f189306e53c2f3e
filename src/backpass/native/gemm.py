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

from backpass.native import ir
from backpass.native.gemm_dot import Dots
from backpass.native.gemm_plan import Dot, Product, choose
from backpass.native.gemm_tile import Hand, Tiles, panels_of, rooms, tiles_of
from backpass.native.gemm_writer import I64, POINTER, Index, Value, Writer, constant
from backpass.native.target import Target

__all__ = ["Cell", "Product", "emit", "units", "pack_size"]


@dataclass(frozen=True)
class Cell:
    """One vector of sums, handed to the epilogue: C[item][row, col : col + count].

    `item`, `row`, `col` and `unit`, the unit of work that it belongs to, are i64 values. `value` has as many lanes as
    the target, of which the first `count` hold sums (and the rest zeros or anything): loads and stores past `count`
    must be masked.
    """

    item: Value
    row: Value
    col: Value
    value: Value
    count: int
    unit: Value


Extra = Sequence[Value]
Epilogue = Callable[[ir.Builder, Cell, Extra], None]
Gather = Callable[[ir.Builder, Value, Extra], Value]


def units(product: Product, target: Target) -> int:
    """How many units of work there are: tiles of rows or panels of columns, of each product of the batch."""
    if product.m == 0 or product.n == 0:
        return 0
    return product.batch * _units_each(product, target)


def pack_size(product: Product, target: Target) -> int:
    """How many elements of the product's dtype each thread must bring for packing; 0 if `pack` is not looked at."""
    plan = choose(product, target)
    if 0 in (product.m, product.n):
        return 0
    if isinstance(plan, Dot):
        return product.k * product.n if plan.pack else 0
    return sum(rooms(product.transposed() if plan.swapped else product, plan, target))


def emit(
    module: ir.Module,
    name: str,
    product: Product,
    target: Target,
    epilogue: Epilogue,
    extra: Sequence[ir.Type] = (),
    index: Gather | None = None,
    inline: bool = True,
    ahead: Epilogue | None = None,
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
    `ahead`, called with a cell that has no value, writes what can be done before the sums of a tile are computed: ask
    for the cache lines that its epilogue will read.
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
    builder = ir.Builder(function)
    if units(product, target):
        _write(Writer(module, builder, product.dtype, target), product, target, epilogue, index, inline, ahead)
    builder.ret_void()
    return function


def _units_each(product: Product, target: Target) -> int:
    plan = choose(product, target)
    if isinstance(plan, Dot):
        return math.ceil(product.m / plan.rows if product.split == "rows" else product.n / plan.columns)
    inner = product.transposed() if plan.swapped else product
    by_tiles = (product.split == "rows") != plan.swapped
    return tiles_of(inner, plan) if by_tiles else panels_of(inner, plan, target)


def _write(
    w: Writer,
    product: Product,
    target: Target,
    epilogue: Epilogue,
    index: Gather | None,
    inline: bool,
    ahead: Epilogue | None,
) -> None:
    """The body of the function that the writer stands in."""
    a, b, pack, begin, end, *extra = w.builder.function.args
    plan, each = choose(product, target), _units_each(product, target)
    item: Index = 0

    def found(i: Index) -> Index:
        assert index is not None
        return index(w.builder, constant(i), extra)

    def handing(write: Epilogue) -> Hand:
        def hand(row: Index, col: Index, value: Value, count: int, unit: Index) -> None:
            unit = constant(w.add(w.scale(item, each), unit))
            write(w.builder, Cell(constant(item), constant(row), constant(col), value, count, unit), extra)

        return hand

    hand = handing(epilogue)

    if isinstance(plan, Dot):
        by_first = product.split == "rows"
        part: Dots | Tiles = Dots(w, product, plan, pack, found, hand, by_first)
        ranges = (math.ceil(product.m / plan.rows), math.ceil(product.n / plan.columns))
    else:
        inner = product.transposed() if plan.swapped else product
        by_first = (product.split == "rows") != plan.swapped
        part = Tiles(w, inner, plan, pack, found, hand, by_first, inline, None if ahead is None else handing(ahead))
        ranges = (tiles_of(inner, plan), panels_of(inner, plan, target))

    def one(first: Index, last: Index) -> None:
        here = [w.at(x, w.scale(item, stride)) for x, stride in zip((a, b), product.batch_strides, strict=True)]
        if not isinstance(plan, Dot) and plan.swapped:
            here.reverse()
        with w.when(w.less(first, last)):
            if by_first:
                part.region(here[0], here[1], (first, last), (0, ranges[1]))
            else:
                part.region(here[0], here[1], (0, ranges[0]), (first, last))

    if product.batch == 1:
        one(begin, end)
        return
    last = w.builder.udiv(constant(w.add(end, each - 1)), constant(each))
    with w.loop(w.builder.udiv(begin, constant(each)), last) as items:
        item = items.index
        done = w.scale(item, -each)
        one(w.larger(w.add(begin, done), 0), w.smaller(w.add(end, done), each))
