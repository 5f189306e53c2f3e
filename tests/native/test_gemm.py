"""Products against NumPy in float64: every layout, tails in every dimension, no byte touched beyond an array's end."""

from __future__ import annotations

import ctypes
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llvmlite import ir

from backpass.native.gemm import Cell, Product, emit, pack_size, units
from backpass.native.gemm_writer import POINTER, Writer
from backpass.native.target import Target, runnable

from .machine_code import Compiled, Guarded

I64 = ir.IntType(64)
TARGETS = pytest.mark.parametrize("target", runnable(), ids=lambda target: target.name)


class Run:
    """A compiled product that stores C as [batch, m, n]; with `add`, adds to C what it stores."""

    def __init__(self, product: Product, target: Target, add: bool = False, inline: bool = True) -> None:
        self.product, self.target = product, target
        module = ir.Module("product")

        def epilogue(b: ir.IRBuilder, cell: Cell, extra: Any) -> None:
            w = Writer(module, b, product.dtype, target)
            row = b.add(b.mul(cell.item, ir.Constant(I64, product.m)), cell.row)
            at = w.at(extra[0], b.add(b.mul(row, ir.Constant(I64, product.n)), cell.col))
            value = b.fadd(w.load(at, cell.count), cell.value) if add else cell.value
            w.store(value, at, cell.count)

        def index(b: ir.IRBuilder, i: ir.Value, extra: Any) -> ir.Value:
            return b.load(b.gep(extra[1], [i], source_etype=I64), typ=I64)

        gather = index if product.gather else None
        emit(module, "product", product, target, epilogue, (POINTER, POINTER), gather, inline).linkage = "external"
        self.compiled = Compiled(module, target, opt=1)
        self.call = self.compiled.function(
            "product", *[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 2, *[ctypes.c_void_p] * 2
        )

    def __call__(self, a: int, b: int, parts: int = 1, start: float = np.nan, rows: Any = None) -> np.ndarray:
        """C from the addresses of A and B, computed in some parts, the last one first."""
        product = self.product
        c = Guarded(np.full((product.batch, product.m, product.n), start, product.dtype))
        pack = Guarded(np.full(pack_size(product, self.target), np.nan, product.dtype))
        index = Guarded(np.zeros(0, np.int64) if rows is None else np.asarray(rows, np.int64))
        total = units(product, self.target)
        cuts = [total * part // parts for part in range(parts + 1)]
        for begin, end in reversed(list(itertools.pairwise(cuts))):
            self.call(a, b, pack.address, begin, end, c.address, index.address)
        return c.array.copy()


def matrices(product: Product, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((product.batch, product.m, product.k)).astype(product.dtype)
    return a, rng.standard_normal((product.batch, product.k, product.n)).astype(product.dtype)


def laid_out(
    m: int, n: int, k: int, layout: str, dtype: str = "float32", batch: int = 1, split: Any = "rows"
) -> Product:
    """A product of packed matrices: layout "nn", "nt", "tn" or "tt", t for one that is stored transposed."""
    a = (k, 1) if layout[0] == "n" else (1, m)
    b = (n, 1) if layout[1] == "n" else (1, k)
    return Product(m, n, k, dtype, a, b, batch, (m * k, k * n), split)


def stored(array: np.ndarray, transposed: bool) -> np.ndarray:
    return np.ascontiguousarray(array.swapaxes(1, 2) if transposed else array)


def check(product: Product, layout: str, target: Target, **how: Any) -> None:
    a, b = matrices(product)
    expected = a.astype(np.float64) @ b.astype(np.float64)
    bound = (
        4 * np.finfo(product.dtype).eps * (np.abs(a).astype(np.float64) @ np.abs(b) * np.sqrt(product.k + 1) + 1e-30)
    )
    run = Run(product, target, **how)
    for low in (False, True):
        ga, gb = Guarded(stored(a, layout[0] == "t"), low), Guarded(stored(b, layout[1] == "t"), low)
        whole = run(ga.address, gb.address)
        assert np.all(np.abs(whole - expected) <= bound)
        for parts in (2, 3):
            np.testing.assert_array_equal(run(ga.address, gb.address, parts), whole)


SHAPES = [
    (1, 1, 1),
    (5, 3, 2),
    (32, 16, 4),
    (33, 65, 17),
    (64, 130, 90),
    (13, 1, 40),
    (1, 70, 9),
    (2, 5, 0),
]


@TARGETS
@pytest.mark.parametrize("layout", ["nn", "nt", "tn", "tt"])
@pytest.mark.parametrize("shape", SHAPES)
def test_product(shape: tuple[int, int, int], layout: str, target: Target) -> None:
    for dtype, split in (("float32", "rows"), ("float64", "columns")):
        check(laid_out(*shape, layout, dtype, split=split), layout, target)


@TARGETS
def test_empty(target: Target) -> None:
    for m, n in ((0, 3), (3, 0)):
        product = laid_out(m, n, 4, "nn")
        assert units(product, target) == 0
        assert Run(product, target)(0, 0).shape == (1, m, n)
    assert np.all(Run(laid_out(3, 5, 0, "nn"), target)(0, 0) == 0)


@TARGETS
@settings(max_examples=12)
@given(
    m=st.integers(1, 40),
    n=st.integers(1, 70),
    k=st.integers(0, 40),
    layout=st.sampled_from(["nn", "nt", "tn", "tt"]),
    dtype=st.sampled_from(["float32", "float64"]),
    batch=st.integers(1, 3),
    split=st.sampled_from(["rows", "columns"]),
    inline=st.booleans(),
)
def test_any_product(m, n, k, layout, dtype, batch, split, inline, target) -> None:
    check(laid_out(m, n, k, layout, dtype, batch, split), layout, target, inline=inline)
