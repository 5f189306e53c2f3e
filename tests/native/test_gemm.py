"""Products against NumPy in float64: every layout, tails in every dimension, no byte touched beyond an array's end."""

from __future__ import annotations

import ctypes
import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backpass.native import gemm_plan, ir
from backpass.native.gemm import Cell, Product, emit, pack_size, units
from backpass.native.gemm_plan import Dot, Tile, choose
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

        def epilogue(b: ir.Builder, cell: Cell, extra: Any) -> None:
            w = Writer(module, b, product.dtype, target)
            row = b.add(b.mul(cell.item, ir.Constant(I64, product.m)), cell.row)
            at = w.at(extra[0], b.add(b.mul(row, ir.Constant(I64, product.n)), cell.col))
            value = b.fadd(w.load(at, cell.count), cell.value) if add else cell.value
            w.store(value, at, cell.count)

        def index(b: ir.Builder, i: ir.Value, extra: Any) -> ir.Value:
            return b.load(b.gep(extra[1], i, I64), I64)

        gather = index if product.gather else None
        emit(module, "product", product, target, epilogue, (POINTER, POINTER), gather, inline).linkage = "external"
        self.compiled = Compiled(module, target, opt=1)
        self.call = self.compiled.function(
            "product", *[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 2, *[ctypes.c_void_p] * 2
        )

    def __call__(self, a: Any, b: Any, parts: int = 1, start: float = np.nan, rows: Any = None) -> np.ndarray:
        """C from A and B, which stay as they lie, computed in some parts, the last one first."""
        product = self.product
        c = Guarded(np.full((product.batch, product.m, product.n), start, product.dtype))
        pack = Guarded(np.full(pack_size(product, self.target), np.nan, product.dtype))
        index = Guarded(np.zeros(0, np.int64) if rows is None else np.asarray(rows, np.int64))
        total = units(product, self.target)
        cuts = [total * part // parts for part in range(parts + 1)]
        for begin, end in reversed(list(itertools.pairwise(cuts))):
            self.call(address(a), address(b), pack.address, begin, end, c.address, index.address)
        return c.array.copy()


def address(matrix: Any) -> int:
    return matrix.address if isinstance(matrix, Guarded) else matrix.ctypes.data


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
        whole = run(ga, gb)
        assert np.all(np.abs(whole - expected) <= bound)
        for parts in (2, 3):
            np.testing.assert_array_equal(run(ga, gb, parts), whole)


SHAPES = [
    (1, 1, 1),
    (5, 3, 2),
    (32, 16, 4),
    (33, 65, 17),
    (64, 130, 90),
    (40, 2, 64),
    (13, 1, 40),
    (1, 70, 9),
    (2, 5, 0),
]


@TARGETS
@pytest.mark.parametrize("layout", ["nn", "nt", "tn", "tt"])
@pytest.mark.parametrize("shape", SHAPES)
def test_product(shape: tuple[int, int, int], layout: str, target: Target) -> None:
    dtype, split = (("float32", "rows"), ("float64", "columns"))[sum(shape) % 2]
    check(laid_out(*shape, layout, dtype, split=split), layout, target)


@TARGETS
def test_empty(target: Target) -> None:
    for m, n in ((0, 3), (3, 0)):
        product = laid_out(m, n, 4, "nn")
        assert units(product, target) == 0
        assert Run(product, target)(np.zeros(0), np.zeros(0)).shape == (1, m, n)
    assert np.all(Run(laid_out(3, 5, 0, "nn"), target)(np.zeros(0), np.zeros(0)) == 0)


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


@TARGETS
@pytest.mark.parametrize("layout", ["nn", "nt", "tn", "tt"])
@pytest.mark.parametrize("shape", [(70, 150, 90)], ids=str)
def test_parts_that_fit_a_small_cache(
    shape: tuple[int, int, int], layout: str, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same code as with matrices of many megabytes: depths, blocks of rows, packed parts of A."""
    product = laid_out(*shape, layout)
    choose.cache_clear()
    expected = Run(product, target)
    monkeypatch.setattr(gemm_plan, "CACHE_BYTES", 12_000)
    monkeypatch.setattr(gemm_plan, "SECOND_BYTES", 0)
    monkeypatch.setattr(gemm_plan, "BLOCK_ROWS", 40)
    choose.cache_clear()
    plan = choose(product, target)
    assert isinstance(plan, Tile)
    assert plan.depth < product.k
    try:
        check(product, layout, target)
        check(replace(product, split="columns"), layout, target, inline=False)
        a, b = matrices(product)
        here = [Guarded(stored(x, letter == "t")) for x, letter in zip((a, b), layout, strict=True)]
        blocked = Run(product, target)(*here, parts=2)
    finally:
        monkeypatch.undo()
        choose.cache_clear()
    np.testing.assert_array_equal(blocked, expected(*here))


@TARGETS
@pytest.mark.parametrize("layout", ["nn", "nt", "tn"])
def test_panels_that_are_kept(layout: str, target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same code as with an A of megabytes beside a smaller B."""
    monkeypatch.setattr(gemm_plan, "FIRST_BYTES", 5_000)
    monkeypatch.setattr(gemm_plan, "SECOND_BYTES", 34_000)
    choose.cache_clear()
    product = laid_out(100, 100, 65, layout)
    plan = choose(product, target)
    assert isinstance(plan, Tile)
    assert plan.keep
    try:
        check(product, layout, target)
        check(replace(product, split="columns"), layout, target)
    finally:
        monkeypatch.undo()
        choose.cache_clear()


@TARGETS
def test_all_kinds_of_plan_are_tested(target: Target) -> None:
    products = [laid_out(*shape, layout) for shape in SHAPES for layout in ("nn", "nt", "tn", "tt")]
    plans = [choose(product, target) for product in products]
    assert any(isinstance(plan, Dot) and plan.pack for plan in plans)
    assert any(isinstance(plan, Dot) and not plan.pack for plan in plans)
    tiles = [plan for plan in plans if isinstance(plan, Tile)]
    assert {tile.panel for tile in tiles} >= {"direct", "copy", "transpose"}
    assert any(tile.swapped for tile in tiles)
    assert any(tile.pack_a for tile in tiles)


@TARGETS
@pytest.mark.parametrize("layout", ["nn", "nt", "tn", "tt"])
@pytest.mark.parametrize("shape", [(9, 40, 33), (40, 2, 30), (150, 100, 64), (1, 20, 40)], ids=str)
@pytest.mark.parametrize("gather", ["a rows", "a inner", "b inner"])
def test_gather(gather: Any, shape: tuple[int, int, int], layout: str, target: Target) -> None:
    """Rows of a larger matrix, in any order and again and again, as the product reads them."""
    product = replace(laid_out(*shape, layout), gather=gather)
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 20, product.m if gather == "a rows" else product.k)
    a, b = (x[0] for x in matrices(product))
    few_a, few_b = a, b
    if gather == "a rows":
        few_a = rng.standard_normal((20, product.k)).astype(np.float32)
        a = few_a[rows]
    elif gather == "a inner":
        few_a = rng.standard_normal((product.m, 20)).astype(np.float32)
        a = few_a[:, rows]
    else:
        few_b = rng.standard_normal((20, product.n)).astype(np.float32)
        b = few_b[rows]

    def place(matrix: np.ndarray, letter: str) -> tuple[Guarded, tuple[int, int]]:
        height, width = matrix.shape
        return Guarded(stored(matrix[None], letter == "t")), (1, height) if letter == "t" else (width, 1)

    (ga, strides_a), (gb, strides_b) = place(few_a, layout[0]), place(few_b, layout[1])
    run = Run(replace(product, a=strides_a, b=strides_b), target)
    c = run(ga, gb, rows=rows)
    np.testing.assert_allclose(c[0], a.astype(np.float64) @ b, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(run(ga, gb, 2, rows=rows), c)


@TARGETS
def test_strides(target: Target) -> None:
    """Rows and columns that are both apart, backwards, or the same one again."""
    m, n, k = 20, 35, 18
    big = np.random.default_rng(2).standard_normal((100, 200)).astype(np.float32)
    views = [
        (big[: 2 * m : 2, : 3 * k : 3], big[: 2 * k : 2, : 2 * n : 2]),
        (big[m - 1 :: -1][:m, :k], big[:k, n - 1 :: -1][:, :n]),
        (np.broadcast_to(big[0, :k], (m, k)), np.broadcast_to(big[:k, :1], (k, n))),
        (np.broadcast_to(big[:m, :1], (m, k)), np.broadcast_to(big[0, 0], (k, n))),
    ]
    for a, b in views:
        strides = [tuple(s // 4 for s in x.strides) for x in (a, b)]
        run = Run(Product(m, n, k, a=strides[0], b=strides[1]), target)
        expected = a.astype(np.float64) @ b
        np.testing.assert_allclose(run(a, b)[0], expected, rtol=1e-4, atol=1e-4)


@TARGETS
def test_one_matrix_for_the_whole_batch(target: Target) -> None:
    product = replace(laid_out(6, 20, 12, "nn", batch=4), batch_strides=(72, 0))
    a, b = matrices(product)
    c = Run(product, target)(Guarded(a), Guarded(b[0]), parts=3)
    np.testing.assert_allclose(c, a @ b[0], rtol=1e-5, atol=1e-5)


@TARGETS
@pytest.mark.parametrize("shape", [(3, 5, 40), (40, 2, 16), (20, 40, 7), (1, 33, 20)], ids=str)
def test_update_in_place_happens_once(shape: tuple[int, int, int], target: Target) -> None:
    for layout in ("nn", "nt", "tn"):
        product = laid_out(*shape, layout)
        a, b = matrices(product)
        here = [Guarded(stored(x, letter == "t")) for x, letter in zip((a, b), layout, strict=True)]
        c = Run(product, target, add=True, inline=False)(*here, parts=2, start=1.0)
        np.testing.assert_allclose(c, a.astype(np.float64) @ b + 1, rtol=1e-4, atol=1e-4)


@TARGETS
@pytest.mark.parametrize("shape", [(3, 5, 21), (30, 2, 16), (20, 40, 7)], ids=str)
def test_nan_and_infinity(shape: tuple[int, int, int], target: Target) -> None:
    """They reach the entries that NumPy says, and no other; also through a zero."""
    for layout in ("nn", "nt", "tn"):
        product = laid_out(*shape, layout)
        a, b = matrices(product)
        a[0, 1, 0], a[0, 2, 3], b[0, 3, 1] = np.nan, 0.0, np.inf
        here = [Guarded(stored(x, letter == "t")) for x, letter in zip((a, b), layout, strict=True)]
        c = Run(product, target)(*here)
        with np.errstate(invalid="ignore"):
            expected = a.astype(np.float64) @ b
        np.testing.assert_array_equal(np.isnan(c), np.isnan(expected))
        np.testing.assert_array_equal(np.isinf(c), np.isinf(expected))


def test_refusals() -> None:
    module = ir.Module("refusals")

    def nothing(b: ir.Builder, cell: Cell, extra: Any) -> None:
        pass

    with pytest.raises(ValueError, match="a product of int64"):
        Product(2, 2, 2, "int64")
    with pytest.raises(ValueError, match="negative size"):
        Product(2, -1, 2)
    with pytest.raises(ValueError, match="'a rows' with no index"):
        emit(module, "f", replace(laid_out(2, 2, 2, "nn"), gather="a rows"), runnable()[0], nothing)
    with pytest.raises(ValueError, match="gathered rows of A"):
        replace(laid_out(2, 2, 2, "nn"), gather="a rows").transposed()


def test_transposed() -> None:
    product = replace(laid_out(3, 1, 5, "nn"), gather="a inner")
    assert product.transposed().transposed() == product
    target = runnable()[0]
    plain = laid_out(30, 1, 50, "nn")
    a, b = matrices(plain)
    c = Run(plain.transposed(), target)(Guarded(b), Guarded(a))
    np.testing.assert_allclose(c[0].T, a[0] @ b[0], rtol=1e-5, atol=1e-5)
