"""Index equations of the Fourier transforms: X_k = Σ_n x_n·exp(−2πi·k·n/N)."""

from __future__ import annotations

from collections.abc import Callable

from backpass.graph.program import GraphNode

from .complexes import part
from .expr import IMAGINARY, ONE, PI, ZERO, Expr, add, bracket, dim, fn, mul, num, power, total
from .sheet import Sheet


def _length(sheet: Sheet, k: int, node: GraphNode) -> Expr:
    """The length of the transform, as that of the axis which has it."""
    n, axis = node.attrs["n"], node.attrs["axis"]
    for key in (node.inputs[0], k):
        if sheet.node(key).shape[axis] == n != 1:
            return dim(sheet.axes.classes(key)[axis])
    return num(n)


def _scale(node: GraphNode, length: Expr) -> Expr:
    """What the transform is divided by."""
    inverse = node.op.name in ("ifft", "irfft")
    norm = node.attrs["norm"]
    if norm == "ortho":
        return power(fn("√", length), -1)
    return power(length, -1) if inverse == (norm == "backward") else ONE


def _wave(sign: int, k: Expr, n: Expr, length: Expr) -> Expr:
    turns = mul(num(2 * sign), PI, IMAGINARY, k, n, (length, -1))
    return ONE if turns is ZERO else fn("exp", turns)


def _transform(sheet: Sheet, k: int, node: GraphNode, idx: tuple[Expr, ...]) -> Expr:
    source, axis, n = node.inputs[0], node.attrs["axis"], node.attrs["n"]
    length = _length(sheet, k, node)
    v = sheet.index(source, axis)
    entry = sheet.pull(source, tuple(v if i == axis else j for i, j in enumerate(idx)))
    have = sheet.node(source).shape[axis]
    inverse = node.op.name in ("ifft", "irfft")
    used = n // 2 + 1 if node.op.name == "irfft" else n
    e = mul(entry, _wave(1 if inverse else -1, idx[axis], v, length))
    if node.op.name == "irfft":
        # Each frequency but 0 and n/2 stands for two, itself and its mirror image.
        twice = add(num(2), mul(num(-1), bracket("=", v, ZERO)))
        if n % 2 == 0:
            twice = add(twice, mul(num(-1), bracket("=", mul(num(2), v), length)))
        e = mul(twice, part("Re", e))
    if have > used:
        e = mul(bracket("<", v, num(used)), e)
    return mul(_scale(node, length), e if v is ZERO else total(v, e))


Pull = Callable[[Sheet, int, GraphNode, tuple[Expr, ...]], Expr]
PULL: dict[str, Pull] = dict.fromkeys(("fft", "ifft", "rfft", "irfft"), _transform)

__all__ = ["PULL"]
