"""Packing: pieces of A and B copied to where a tile reads them one after another."""

from __future__ import annotations

from collections.abc import Callable

from backpass.native import ir
from backpass.native.gemm_plan import Product, Tile
from backpass.native.gemm_writer import I64, POINTER, Index, Value, Writer, constant

Inner = Callable[[Index], Index]
"""Where A's column p or B's row p lies, in units of its stride."""


def pack_panel(
    w: Writer,
    product: Product,
    plan: Tile,
    b: Value,
    to: Value,
    inner: Inner,
    counts: list[int],
    start: Index,
    stop: Index,
) -> None:
    """Copy B's rows start to stop of a panel whose columns begin at `b`, filled up with zeros to whole vectors."""
    width = w.lanes * len(counts)
    if plan.panel == "transpose":
        transpose(w, w.at(b, start), product.b[1], to, width, w.add(stop, w.scale(start, -1)), sum(counts))
        return
    with w.loop(start, stop) as loop:
        row = w.at(b, w.scale(inner(loop.index), product.b[0]))
        there = w.at(to, w.scale(w.add(loop.index, w.scale(start, -1)), width))
        for v, count in enumerate(counts):
            here = w.at(row, v * w.lanes * product.b[1])
            piece = w.load(here, count) if plan.panel == "copy" else w.entries(here, product.b[1], count)
            w.store(piece, w.at(there, v * w.lanes))


def pack_rows(w: Writer, column: Value, to: Value, rows: int) -> None:
    """Copy a column's entries of a tile of rows, which lie together."""
    piece = ir.VectorType(w.scalar, rows)
    w.builder.store(w.builder.load(column, piece, align=w.size), to, align=w.size)


def pack_columns(w: Writer, product: Product, b: Value, to: Value, inner: Inner) -> None:
    """Copy B's columns, few, so that each lies together."""
    with w.loop(0, product.k) as loop:
        row, there = w.at(b, w.scale(inner(loop.index), product.b[0])), w.at(to, loop.index)
        for j in range(product.n):
            w.builder.store(w.load_scalar(w.at(row, j * product.b[1])), w.at(there, j * product.k), align=w.size)


def transpose(w: Writer, b: Value, stride: int, to: Value, width: int, depth: Index, columns: int) -> None:
    """to[p width + j] = b[j stride + p] for p < depth, j < columns; zeros fill both up to whole vectors."""
    arguments = (b, stride, to, width, depth, columns)
    w.builder.call(_transposition(w), [constant(argument) for argument in arguments])


def _transposition(caller: Writer) -> ir.Function:
    """What `transpose` calls, one for a module: squares are loaded along p, transposed in registers, stored along j."""
    name = f"gemm.transpose.{caller.suffix}"
    function = caller.module.function(name, ir.VoidType(), [POINTER, I64, POINTER, I64, I64, I64])
    if function.blocks:
        return function
    function.linkage = "internal"
    function.attributes.add("noinline")
    function.attributes.add("nounwind")
    b, stride, to, width, depth, columns = function.args
    b.add_attribute("noalias")
    to.add_attribute("noalias")
    builder = ir.Builder(function)
    w = caller.on(builder)
    lanes, scratch = constant(w.lanes), w.scratch(w.lanes)
    with w.loop(0, columns, w.lanes) as across, w.loop(0, depth, w.lanes) as down:
        j, p = constant(across.index), constant(down.index)
        start = w.at(b, builder.add(builder.mul(j, stride), p))
        deep, wide = builder.sub(depth, p), builder.sub(columns, j)
        whole = builder.and_(builder.icmp_signed(">=", deep, lanes), builder.icmp_signed(">=", wide, lanes))
        before, partial, square = builder.block, builder.append_basic_block(), builder.append_basic_block()
        builder.cbranch(whole, square, partial)
        builder.position_at_end(partial)
        below = w.lanes_below(deep)
        none = ir.Constant(below.type, [0] * w.lanes)
        with w.loop(0, w.lanes) as each:
            row = constant(each.index)
            mask = builder.select(builder.icmp_signed("<", row, wide), below, none)
            piece = w.load_where(w.at(start, builder.mul(row, stride)), mask)
            w.store(piece, w.at(scratch, w.scale(row, w.lanes)))
        partial = builder.block
        builder.branch(square)
        builder.position_at_end(square)
        source, apart = builder.phi(POINTER), builder.phi(I64)
        for phi, here, copied in ((source, start, scratch), (apart, stride, lanes)):
            phi.add_incoming(here, before)
            phi.add_incoming(copied, partial)
        rows = []
        for _ in range(w.lanes):
            rows.append(w.load(source))
            source = builder.gep(source, apart, w.scalar)
        there = w.at(to, builder.add(builder.mul(p, width), j))
        for row in w.transpose(rows):
            w.store(row, there)
            there = builder.gep(there, width, w.scalar)
    builder.ret_void()
    return function
