"""Packing: a panel of B's columns copied into rows of whole vectors, which a tile then reads one after another."""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir

from backpass.native.gemm_plan import Plan, Product
from backpass.native.gemm_writer import I32, Index, Value, Writer

Inner = Callable[[Index], Index]
"""Where B's row p lies, in units of its stride."""


def pack(w: Writer, product: Product, plan: Plan, b: Value, to: Value, inner: Inner, counts: list[int]) -> None:
    """Copy all rows of a panel that starts at `b` to `to`, padding with zeros; counts: valid lanes of each vector."""
    write = {"copy": _copy, "transpose": _transpose, "entries": _entries}[plan.panel]
    write(w, product, b, to, inner, counts)


def _copy(w: Writer, product: Product, b: Value, to: Value, inner: Inner, counts: list[int]) -> None:
    with w.loop(0, product.k) as loop:
        row = w.at(b, w.scale(inner(loop.index), product.b[0]))
        there = w.at(to, w.scale(loop.index, w.lanes * len(counts)))
        for v, count in enumerate(counts):
            w.store(w.load(w.at(row, v * w.lanes), count), w.at(there, v * w.lanes))


def _entries(w: Writer, product: Product, b: Value, to: Value, inner: Inner, counts: list[int]) -> None:
    with w.loop(0, product.k) as loop:
        row = w.at(b, w.scale(inner(loop.index), product.b[0]))
        there = w.at(to, w.scale(loop.index, w.lanes * len(counts)))
        for v, count in enumerate(counts):
            vector: Value = w.zero
            for lane in range(count):
                entry = w.load_scalar(w.at(row, (v * w.lanes + lane) * product.b[1]))
                vector = w.builder.insert_element(vector, entry, ir.Constant(I32, lane))
            w.store(vector, w.at(there, v * w.lanes))


def _transpose(w: Writer, product: Product, b: Value, to: Value, inner: Inner, counts: list[int]) -> None:
    """Squares of as many columns as a vector has lanes: loaded along p, transposed in registers, stored along j."""
    whole = product.k // w.lanes * w.lanes

    def square(p: Index, size: int, v: int, count: int) -> None:
        start = w.at(b, w.add(p, v * w.lanes * product.b[1]))
        columns = [w.load(w.at(start, j * product.b[1]), size) if j < count else w.zero for j in range(w.lanes)]
        there = w.at(to, w.add(w.scale(p, w.lanes * len(counts)), v * w.lanes))
        for q, row in enumerate(w.transpose(columns)[:size]):
            w.store(row, w.at(there, q * w.lanes * len(counts)))

    for v, count in enumerate(counts):
        if whole:
            with w.loop(0, whole, w.lanes) as loop:
                square(loop.index, w.lanes, v, count)
        if product.k > whole:
            square(whole, product.k - whole, v, count)
