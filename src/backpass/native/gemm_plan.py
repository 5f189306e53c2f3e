"""Which register tile a product is computed with, by a small model of what it costs."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from backpass.native.target import Target

Panel = Literal["direct", "copy", "transpose", "entries"]
Gather = Literal["", "a rows", "a inner", "b inner"]
"""Which index of a product counts what lies apart: see `Product`."""


@dataclass(frozen=True)
class Product:
    """A product whose sizes and layout are known when the code is written: C[i, j] = Σₚ A[i, p] B[p, j].

    `m`, `n`, `k`: rows of A and C, columns of B and C, and the inner size p runs over; any of them may be 0.
    `dtype`: "float32" or "float64".
    `a`: elements between A's rows, and between its columns: A[i, p] is at a + i a[0] + p a[1].
    `b`: the same of B: B[p, j] is at b + p b[0] + j b[1].
    `batch`: how many such products; `batch_strides`: elements between the A of one and of the next, and between the Bs.
    `split`: what the range of work counts, tiles of "rows" (each call packs B for itself) or panels of "columns".
    `gather`: "a rows": row i of A is row index(i); "a inner": column p of A is column index(p); "b inner": row p of B
    is row index(p). `emit` takes the index.

    One column (n = 1) gives the epilogue one number at a time: `transposed()` gives it vectors.
    """

    m: int
    n: int
    k: int
    dtype: str = "float32"
    a: tuple[int, int] = (0, 1)
    b: tuple[int, int] = (0, 1)
    batch: int = 1
    batch_strides: tuple[int, int] = (0, 0)
    split: Literal["rows", "columns"] = "rows"
    gather: Gather = ""

    def __post_init__(self) -> None:
        if self.dtype not in ("float32", "float64"):
            raise ValueError(f"a product of {self.dtype}: there are those of float32 and of float64")
        if min(self.m, self.n, self.k, self.batch) < 0:
            raise ValueError(f"negative size in {self}")

    def transposed(self) -> Product:
        """The product that computes Cᵀ = Bᵀ Aᵀ; there is none with gathered rows of A."""
        if self.gather == "a rows":
            raise ValueError("a product with gathered rows of A has no transposed form")
        turned: dict[Gather, Gather] = {"": "", "a inner": "b inner", "b inner": "a inner"}
        gather = turned[self.gather]
        strides = (self.batch_strides[1], self.batch_strides[0])
        a, b = (self.b[1], self.b[0]), (self.a[1], self.a[0])
        return replace(self, m=self.n, n=self.m, a=a, b=b, batch_strides=strides, gather=gather)


@dataclass(frozen=True)
class Tile:
    """C by register tiles: `rows` by `vectors` accumulators stay in registers while p runs.

    B's panel, `vectors` vectors wide, is read where it lies ("direct"), or packed first: its rows copied, its columns
    transposed, or all gathered entry by entry. Where A is large, `block` tiles of rows and `depth` inner indices are
    computed with all panels before the next, so that their part of A stays in a cache; between the depths the
    sums wait in memory. With `pack_a` that part of A is copied first. With `keep`, for a large A and a B that fits into
    the second cache, all panels are packed before the first tile: then a block is what the first cache holds.

    `swapped`: what is computed is Cᵀ = Bᵀ Aᵀ, with C's rows along the lanes: for a C of few columns. The tiles are
    transposed before the epilogue.
    """

    rows: int
    vectors: int
    panel: Panel
    depth: int
    block: int
    pack_a: bool
    swapped: bool
    keep: bool


@dataclass(frozen=True)
class Dot:
    """C by dot products, p along the lanes: `rows` by `columns` of them at a time, each in `partial` running sums.

    `pack`: B's columns, few, are copied first so that each lies together.
    """

    rows: int
    columns: int
    partial: int
    pack: bool


Plan = Tile | Dot
CACHE_BYTES = 8_388_608
"""What a part of A may take of the caches, and a packed panel an eighth of it."""
FIRST_BYTES, SECOND_BYTES = 16_384, 1_048_576
"""What a block of A may take of the first cache, and a packed B of the second, where all panels are kept."""
BLOCK_ROWS = 512
"""Rows of A that a panel of B is packed for, at least, before the depth is cut."""


@functools.lru_cache(maxsize=4096)
def choose(product: Product, target: Target) -> Plan:
    """The plan with the least estimated cost."""
    plans = [*_tiles(product, target, False)]
    if product.gather != "a rows" and product.n < target.lanes(product.dtype):
        plans += _tiles(product.transposed(), target, True)
    plans += _dots(product, target)
    return min(plans, key=lambda priced: priced[0])[1]


def _tiles(product: Product, target: Target, swapped: bool) -> list[tuple[float, Plan]]:
    lanes, size = target.lanes(product.dtype), np.dtype(product.dtype).itemsize
    across = max(1, math.ceil(product.n / lanes))
    accumulators = 24 if target.registers == 32 else 12
    if swapped and product.m > accumulators:
        return []
    plans = []
    for vectors in range(1, min(4, across) + 1):
        for rows in range(1, min(accumulators // vectors, max(1, product.m)) + 1):
            if swapped and rows < product.m:
                continue  # the epilogue is handed whole rows of C
            if rows * vectors + vectors + (1 if target.fma else 2) > target.registers:
                continue  # sums, a piece of B's row, the spread entry of A, and, without multiply-add, the product
            panel = _panel(product, lanes, rows, vectors)
            panels = math.ceil(across / vectors)
            pack_a = (
                product.a[0] == 1
                and product.a[1] != 1
                and product.gather != "a rows"
                and panels >= 3
                and product.m * product.k * size > 16_384
            )
            depth, block = _blocks(product, rows, panels, vectors * lanes * size, panel == "direct")
            packed_b = panels * vectors * lanes * product.k * size
            large_a = product.m * product.k * size > SECOND_BYTES * (0.25 if pack_a else 0.75)
            keep = large_a and panel != "direct" and panels > 1 and depth >= product.k and packed_b <= SECOND_BYTES
            if keep:
                tile_bytes = rows * max(1, product.k) * size
                block = min(block, max(2 if pack_a else 1, FIRST_BYTES // tile_bytes))
            plan = Tile(rows, vectors, panel, depth, block, pack_a, swapped, keep)
            plans.append((_tile_cost(product, plan, lanes, across), plan))
    return plans


def _blocks(product: Product, rows: int, panels: int, panel_row_bytes: int, direct: bool) -> tuple[int, int]:
    """`depth` and `block` of a tile's plan: all of k and of m where that fits into the cache."""
    m, k, size = product.m, max(1, product.k), np.dtype(product.dtype).itemsize
    height, depth = m, k
    if panels > 1 and m * k * size > 1.5 * CACHE_BYTES:
        height = CACHE_BYTES // (k * size)
        if height < min(m, BLOCK_ROWS):
            height = min(m, BLOCK_ROWS)
            depth = CACHE_BYTES // (height * size)
    if not direct:
        depth = min(depth, CACHE_BYTES // 8 // panel_row_bytes)
    depth = math.ceil(k / math.ceil(k / depth) / 16) * 16  # parts of one size, and of whole vectors
    return min(depth, k), math.ceil(math.ceil(m / math.ceil(m / max(1, height))) / rows) if m else 1


def _tile_cost(product: Product, plan: Tile, lanes: int, across: int) -> float:
    """Cycles, roughly: a cycle has two multiply-adds, which take four and little more, two loads, five instructions."""
    k = product.k

    def tile(r: int, v: int) -> float:
        each = max(r * v / 2, 5.0, (r + v) / 2, (r * v + r + v + 2) / 5)
        # A swapped tile is handed on row by row: its entries are collected one by one, or by a transposition.
        finish = v * lanes * (3 + 1.5 * min(r, 6)) if plan.swapped else 2 * r * v
        return k * each + finish + 10

    full, left = divmod(across, plan.vectors)
    tiles, over = divmod(product.m, plan.rows)

    def panel(v: int) -> float:
        packing = {"direct": 0.0, "copy": 1.5 / lanes, "transpose": 4.5 / lanes, "entries": 1.5}[plan.panel]
        return tiles * tile(plan.rows, v) + (tile(over, v) if over else 0.0) + packing * k * v * lanes

    variants = (1 + bool(over and tiles)) * (1 + bool(left and full))
    return (full * panel(plan.vectors) + (panel(left) if left else 0.0)) * (1 + 0.01 * variants) + 40 * (variants - 1)


def _panel(product: Product, lanes: int, rows: int, vectors: int) -> Panel:
    if product.b[1] == 1 or product.n == 1:
        bytes_of_b = product.k * product.n * np.dtype(product.dtype).itemsize
        several = product.m > 2 * rows and product.n > vectors * lanes
        return "copy" if several and product.m >= 32 and bytes_of_b > 24_000 else "direct"
    if product.b[0] == 1 and product.gather != "b inner":
        return "transpose"
    return "entries"


def _dots(product: Product, target: Target) -> list[tuple[float, Plan]]:
    """The plan by dot products, where A's rows lie together, and B's columns do or are few."""
    lanes, (m, n, k) = target.lanes(product.dtype), (product.m, product.n, product.k)
    together = product.b[0] == 1 and product.gather != "b inner"
    if product.a[1] != 1 or product.gather == "a inner" or not (together or n < lanes) or 0 in (m, n, k):
        return []
    columns = min(n, lanes)
    accumulators = 16 if target.registers == 32 else 8
    # As many rows as give one vector of sums, or as many accumulators as fit.
    rows = max(1, min(m, max(accumulators, lanes) // columns if n < lanes else accumulators // columns))
    partial = max(1, min(4, accumulators // 2 // (rows * columns), k // lanes))
    steps = math.ceil(k / lanes)
    cells = m * n
    loads = 0.5 * (1 + 1 / columns) if k * n * np.dtype(product.dtype).itemsize < 24_000 or m <= rows else 1.5
    groups = math.ceil(m / rows) * math.ceil(n / columns)
    reduce = groups * (min(lanes, rows * columns) * 3 + 10)
    packing = 0.0 if together else 1.5 * n * k
    cost = cells * steps * max(0.5, loads) + reduce + packing + math.ceil(m / rows) * rows * 3
    return [(cost, Dot(rows, columns, partial, not together))]
