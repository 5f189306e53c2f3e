"""Local partials: which entries of a symbol the line of another reads, and with what factor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .differentiate import Backward
from .evaluate import evaluate
from .expr import ONE, Expr, add, mul, num, opened, ref, substitute, var

if TYPE_CHECKING:
    from .build import Builder
    from .line import Line


@dataclass(frozen=True)
class Block:
    """∂u/∂v along one way that the line of u reads v: factor(grid), between v at `here` and u at `there`."""

    of: int
    """u, the symbol whose line it is."""
    to: int
    """v, the symbol that it reads."""
    grid: tuple[Expr, ...]
    factor: Expr
    here: tuple[Expr, ...]
    there: tuple[Expr, ...]


@dataclass(frozen=True)
class Edges:
    """A block in numbers: entry `source` of v, entry `target` of u, and ∂u/∂v there; flat positions."""

    block: Block
    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    grid_shape: tuple[int, ...]


def blocks_of(builder: Builder, line: Line, active: set[int]) -> list[Block]:
    """All ways in which a forward line reads symbols that lie between θ and the loss."""
    sheet = builder.sheet
    assert line.expr is not None
    targets = {n: sheet.indices(sheet.symbols[n]) for n in line.expr.refs & active}
    received: list[tuple[int, Expr]] = []
    back = Backward(sheet, set(targets), targets, lambda n, e: received.append((n, e)))
    own = {i: var(i.data[0]) for i in line.indices if i.kind == "v"}
    indices = tuple(own.get(i, i) for i in line.indices)
    mark = -1 - line.symbol.number  # stands for ∂L/∂u: the received expressions are linear in it
    g = ref(mark, [i for i in indices if i.kind == "v"])
    out = sheet.ref(line.symbol, indices)
    back.send(substitute(line.expr, own), g, out, indices)
    found = []
    for n, e in received:
        here = tuple(i for i in targets[n] if i.kind == "v")
        for grid, factor, there in _linear(e, mark):
            found.append(Block(line.symbol.number, n, (*here, *grid), factor, here, there))
    return found


def _linear(e: Expr, mark: int) -> list[tuple[tuple[Expr, ...], Expr, tuple[Expr, ...]]]:
    """The terms of an expression linear in the symbol `mark`: (indices summed over, factor, where it is read)."""
    if e.kind == "r" and e.data == mark:
        return [((), ONE, e.parts)]
    out = []
    if e.kind == "+":
        for c, t in zip(e.data, e.parts, strict=True):
            if mark in t.refs:
                out += [(v, mul(num(c), f), at) for v, f, at in _linear(t, mark)]
    elif e.kind == "*":
        for b, p in zip(e.parts, e.data[1], strict=True):
            if mark in b.refs and p == 1:
                rest = [(x, q) for x, q in zip(e.parts, e.data[1], strict=True) if x is not b]
                out += [(v, mul(num(e.data[0]), f, *rest), at) for v, f, at in _linear(b, mark)]
    elif e.kind == "S" and e.data[0] == "Σ":
        v, body = opened(e)
        out += [((v, *w), f, at) for w, f, at in _linear(body, mark)]
    return out


def edges_of(builder: Builder, block: Block, at: tuple[int, ...] | None = None) -> Edges:
    """The block in numbers; with `at`, only for that one entry of v."""
    sheet = builder.sheet
    if at is not None:
        by = {v: num(i) for v, i in zip(block.here, at, strict=True)}
        grid = tuple(v for v in block.grid if v not in by)
        block = Block(
            block.of,
            block.to,
            grid,
            substitute(block.factor, by),
            tuple(by[v] for v in block.here),
            tuple(substitute(i, by) for i in block.there),
        )
    weight = evaluate(sheet, block.factor, block.grid)
    positions = []
    for number, indices in ((block.to, block.here), (block.of, block.there)):
        lengths = [n for n in sheet.symbols[number].shape if n != 1]
        flat = num(0)
        inside = np.ones(weight.shape, bool)
        for i, n in zip(indices, lengths, strict=True):
            flat = add(mul(num(n), flat), i)
            place = evaluate(sheet, i, block.grid)
            inside = inside & (place >= 0) & (place < n)
        positions.append(np.where(inside, evaluate(sheet, flat, block.grid), 0).astype(np.intp))
        weight = np.where(inside, weight, 0.0)
    return Edges(block, positions[0].reshape(-1), positions[1].reshape(-1), weight.reshape(-1), weight.shape)


__all__ = ["Block", "Edges", "blocks_of", "edges_of"]
