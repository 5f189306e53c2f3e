"""A kernel of products as the emitters of `gemm` take it, and as the loops around its epilogue."""

from __future__ import annotations

from dataclasses import replace

from . import gemm
from .arrange import Arrangement
from .batch import gather_of
from .kernel import Kernel
from .lanes import Builder, Value, i64
from .nest import Where
from .view import View


def product_of(kernel: Kernel) -> tuple[gemm.Product, bool]:
    """The product's sizes and strides, and whether it is computed as Cᵀ = Bᵀ Aᵀ."""
    assert kernel.line is not None
    (_, left), (_, right) = kernel.operands
    *batch, m, k = left.shape
    n = right.shape[-1]
    count = 1
    for length in batch:
        count *= length
    product = gemm.Product(
        m,
        n,
        k,
        kernel.line.aval.dtype.name,
        left.strides[-2:],  # type: ignore[arg-type]
        right.strides[-2:],  # type: ignore[arg-type]
        count,
        (_batch_stride(left), _batch_stride(right)),
        gather=gather_of(kernel),
    )
    if n == 1 and m > 1:
        return product.transposed(), True
    # The ranks share the larger operand: each packs only what it needs of B.
    return (replace(product, split="columns") if n > m and n >= 128 else product), False


def _batch_stride(view: View) -> int:
    walks = [(n, s) for n, s in zip(view.shape[:-2], view.strides[:-2], strict=True) if n != 1]
    return walks[-1][1] if walks else 0


def product_place(kernel: Kernel, shape: tuple[int, ...], cell: gemm.Cell, swapped: bool, b: Builder) -> Where:
    """Where in the kernel's domain a vector of sums stands."""
    row, col = (cell.col, cell.row) if swapped else (cell.row, cell.col)
    index: list[Value] = [col, row]
    rest = cell.item
    batch = [n for n in shape[:-2] if n != 1]
    for k, n in reversed(list(enumerate(batch))):
        index.append(b.urem(rest, i64(n)) if k else rest)
        rest = b.udiv(rest, i64(n)) if k else rest
    index.reverse()
    long = [*batch, *[n for n in shape[-2:] if n != 1]]
    kept = [*index[:-2], *[i for i, n in zip(index[-2:], shape[-2:], strict=True) if n != 1]]
    assert len(long) == len(kernel.domain)
    return dict(enumerate(kept))


def product_arrangement(kernel: Kernel, bits: int) -> Arrangement:
    """The epilogue's loops are the product's own: columns in the lanes, or rows where it is computed transposed."""
    assert kernel.line is not None
    shape = full_shape(kernel)
    _, swapped = product_of(kernel)
    axes = len(kernel.domain)
    along = 0 if swapped else 1
    vector = None
    if shape[-2:][along] != 1:
        vector = axes - 1 - (along == 0 and shape[-1] != 1)
    width = bits // 8 // kernel.line.aval.dtype.itemsize
    return Arrangement([[k] for k in range(axes)], list(kernel.domain), vector, width, [])


def full_shape(kernel: Kernel) -> tuple[int, ...]:
    """(…, m, n), whatever NumPy leaves away of it."""
    (_, left), (_, right) = kernel.operands
    return (*left.shape[:-1], right.shape[-1])
