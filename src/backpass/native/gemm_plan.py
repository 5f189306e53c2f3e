"""Which register tile a product is computed with, by a small model of what it costs."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from backpass.native.target import Target


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

    One column (n = 1) wastes a vector for each number: ask for `transposed()` instead.
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
    gather: Literal["", "a rows", "a inner", "b inner"] = ""

    def __post_init__(self) -> None:
        if self.dtype not in ("float32", "float64"):
            raise ValueError(f"a product of {self.dtype}: there are those of float32 and of float64")
        if min(self.m, self.n, self.k, self.batch) < 0:
            raise ValueError(f"negative size in {self}")

    def transposed(self) -> Product:
        """The product that computes Cᵀ = Bᵀ Aᵀ. A gather, which is not B's rows any more, must be asked for anew."""
        if self.gather:
            raise ValueError(f"gather {self.gather!r} has no transposed form")
        m, n, (pa, pb) = self.n, self.m, self.batch_strides
        return replace(self, m=m, n=n, a=self.b[::-1], b=self.a[::-1], batch_strides=(pb, pa))


@dataclass(frozen=True)
class Plan:
    """How a product is computed.

    A tile of `rows` by `vectors` accumulators stays in registers while p runs. B's panel, `vectors` vectors wide, is
    read where it lies ("direct") or packed first: its rows copied, transposed, or gathered entry by entry.
    """

    rows: int
    vectors: int
    panel: Literal["direct", "copy", "transpose", "entries"]
    unroll: int


@functools.lru_cache(maxsize=4096)
def choose(product: Product, target: Target) -> Plan:
    """The plan with the least estimated cost."""
    lanes = target.lanes(product.dtype)
    across = max(1, math.ceil(product.n / lanes))
    budget = target.registers - 2
    best: tuple[float, int, int] | None = None
    for vectors in range(1, min(4, across) + 1):
        for rows in range(1, min(14, max(1, product.m)) + 1):
            if rows * vectors + vectors + 1 > budget + 1:
                continue
            cost = _cost(product, rows, vectors, across)
            if best is None or cost < best[0]:
                best = cost, rows, vectors
    assert best is not None
    _, rows, vectors = best
    return Plan(rows, vectors, _panel(product, lanes, rows, vectors), 2 if product.k >= 16 else 1)


def _cost(product: Product, rows: int, vectors: int, across: int) -> float:
    """Cycles, roughly: a cycle has two multiply-adds, which take four, two loads, five instructions."""

    def tile(r: int, v: int) -> float:
        each = max(r * v / 2, 4.0, (r + v) / 2, (r * v + r + v + 2) / 5)
        return product.k * each + 2 * r * v + 10

    full, left = divmod(across, vectors)
    tiles, over = divmod(product.m, rows)

    def panel(v: int) -> float:
        return tiles * tile(rows, v) + (tile(over, v) if over else 0.0)

    variants = (1 + bool(over and tiles)) * (1 + bool(left and full))
    return (full * panel(vectors) + (panel(left) if left else 0.0)) * (1 + 0.01 * variants)


def _panel(product: Product, lanes: int, rows: int, vectors: int) -> Literal["direct", "copy", "transpose", "entries"]:
    if product.b[1] == 1 or product.n == 1:
        bytes_of_b = product.k * product.n * np.dtype(product.dtype).itemsize
        several = product.m > 2 * rows and product.n > vectors * lanes
        return "copy" if several and product.m >= 32 and bytes_of_b > 24_000 else "direct"
    if product.b[0] == 1 and product.gather != "b inner":
        return "transpose"
    return "entries"
