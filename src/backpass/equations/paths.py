"""Chain-rule paths: ∂L/∂θᵢ as a sum over all ways from θᵢ to the loss, each a product of local partials.

Counting, the exact sum and the k largest products all come from one sweep over the derivation's lines from the loss
backwards (dynamic programming: a path's best continuation does not depend on how it got here).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backpass.graph.errors import DtypeError

from .build import Builder
from .derivation import Derivation
from .edges import Edges, blocks_of, edges_of
from .expr import OfComplex, num, substitute
from .text import plain, wrapped
from .unit import UnitWriter, shown


@dataclass(frozen=True)
class Step:
    """One local partial on a path."""

    name: str
    """The entry that it leads to: ``a_{0,2}``."""
    factor: str
    """∂(entry)/∂(entry before), as it is written."""
    value: float


@dataclass(frozen=True)
class Path:
    steps: tuple[Step, ...]
    product: float

    def __str__(self) -> str:
        """The product in numbers, in symbols, and the way that it goes."""
        steps = [s for s in self.steps if s.factor != "1"]
        values = " · ".join(f"({shown(s.value)})" if s.value < 0 else shown(s.value) for s in steps)
        factors = " · ".join(f"({s.factor})" if re.search(r" [+−] |/|^−", s.factor) else s.factor for s in steps)
        route = " → ".join(s.name for s in self.steps)
        return "\n".join(
            [f"{shown(self.product)} = {values or '1'}", *([f"  = {factors}"] if factors else []), f"  {route}"]
        )


@dataclass(frozen=True)
class Paths:
    """The paths of one θ to the loss."""

    of: str
    total: float
    """∂L/∂θ: the sum over all paths."""
    count: float
    """How many paths there are; exact below 2⁵³."""
    largest: tuple[Path, ...]
    """The k largest products, largest first."""
    flows: dict[str, np.ndarray]
    """For each symbol on the way, what flows through each of its entries: forward times backward partial."""

    @property
    def remainder(self) -> float:
        """What the paths that are not shown add up to."""
        return self.total - sum(p.product for p in self.largest)

    def through(self, name: str) -> np.ndarray:
        """The share of each unit of a layer: sums to `total` where every path passes through the layer.

        Raises:
            KeyError: no path leads through a symbol of that name.
        """
        if name not in self.flows:
            raise KeyError(f"no path of {self.of} leads through {name!r}; there are {', '.join(self.flows)}")
        return self.flows[name]

    def __str__(self) -> str:
        count = f"{int(self.count):,}" if self.count < 1e15 else f"{self.count:.2g}"
        rows = [f"∂L/∂{self.of} = {shown(self.total)}, the sum over {count} paths"]
        so_far = 0.0
        for p in self.largest:
            so_far += p.product
            first, *others = str(p).splitlines()
            rows += wrapped(f"  {first}   sum {shown(so_far)}")
            rows += [line for text in others for line in wrapped("  " + text)]
        rows.append(f"  remainder {shown(self.remainder)}")
        return "\n".join(rows)


def paths(function: Callable[..., Any], theta: Any, *args: Any, of: tuple[Any, ...], k: int = 10) -> Paths:
    """The chain-rule paths of one entry of θ to the loss, largest products first.

    Args:
        function: a loss as for `derive`; `theta` and `args` are its arguments.
        of: the θ: its name in the derivation and its indices, ``("W1", 2, 5)``.
        k: how many paths to list.

    Raises:
        NameError, IndexError: there is no such θ. ValueError: an operation on the way has no index equation.
        DtypeError: a value on the way is complex.

    Formula: ∂L/∂θ = Σ over paths θ → v₁ → … → L of Π ∂v_{s+1}/∂v_s (the multivariate chain rule; Bauer 1974).

    >>> import numpy as np
    >>> def loss(theta, x):
    ...     a = np.tanh(x @ theta["W1"])
    ...     return np.sum(a @ theta["W2"])
    >>> found = paths(loss, {"W1": np.ones((2, 3)), "W2": np.ones((3, 2))}, np.ones((1, 2)), of=("W1", 0, 1))
    >>> int(found.count), bool(abs(found.remainder) < 1e-12)
    (2, True)
    """
    builder = Builder(function, theta, args)
    for s in builder.sheet.symbols:
        if s.position in builder.cotangents and type(s.number) is OfComplex:
            place = builder.sheet.node(s.position).where
            raise DtypeError(
                f"paths multiplies slopes that are real numbers, and {s.name} is complex here."
                + ("" if place is None else f"\n  {place.show()}")
                + "\n  bp.derive prints the recursion that holds for it."
            )
    return _Sweep(builder, Derivation(builder, builder.leaves), k).result(of)


class _Sweep:
    def __init__(self, builder: Builder, derivation: Derivation, k: int):
        self.builder = builder
        self.derivation = derivation
        self.sheet = builder.sheet
        self.k = k
        self.edges: dict[int, list[Edges]] = {}
        self.best: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = {}
        """Per symbol: products (entry, rank), and for each the block, the edge in it, and the rank further on."""
        self.count: dict[int, np.ndarray] = {}

    def result(self, of: tuple[Any, ...]) -> Paths:
        line = self.derivation.line(str(of[0]))
        theta = line.of if line.kind == "gradient" else None
        if theta is None:
            raise NameError(f"{of[0]!r} is not a θ of this function")
        at = tuple(int(i) for i in of[1:])
        lengths = [n for n in theta.shape if n != 1]
        if len(at) != len(lengths) or any(not 0 <= i < n for i, n in zip(at, lengths, strict=False)):
            raise IndexError(f"{theta.name} has shape {tuple(lengths)}; the entry {at} is not in it")
        loss = self.sheet.at[self.builder.graph.outputs[0]].number
        reached = self._reached(theta.number)
        order = [m for m in self.builder.forward if m.symbol.number in reached and m.position is not None]
        between = {m.symbol.number for m in order} | {theta.number}
        for m in order:
            if m.expr is None:
                raise ValueError(f"{self.derivation.text_of(m)} has no index equation: its paths cannot be told apart")
            for block in blocks_of(self.builder, m, between):
                start = at if block.to == theta.number else None
                self.edges.setdefault(block.to, []).append(edges_of(self.builder, block, start))
        self.best[loss] = (np.ones((1, 1)), *[np.full((1, 1), -1) for _ in range(3)])  # type: ignore[assignment]
        self.count[loss] = np.ones(1)
        for m in reversed(order):
            if m.symbol.number != loss:
                self._collect(m.symbol.number)
        self._collect(theta.number)
        flat = int(np.ravel_multi_index(at, lengths)) if at else 0
        listed = tuple(self._path(theta.number, flat, r) for r in range(self.best[theta.number][0].shape[1]))
        listed = tuple(p for p in listed if p.product != 0)
        gradient = np.asarray(self.builder.cotangents[theta.position or 0], float).reshape(-1)
        return Paths(
            self._entry(theta.number, flat),
            float(gradient[flat]),
            float(self.count[theta.number][flat]),
            listed,
            self._flows(theta.number, flat, order),
        )

    def _reached(self, start: int) -> set[int]:
        found = {start}
        for line in self.builder.forward:
            if not line.reads.isdisjoint(found):
                found.add(line.symbol.number)
        return found - {start}

    def _size(self, n: int) -> int:
        return int(np.prod(self.sheet.symbols[n].shape, dtype=np.int64))

    def _collect(self, n: int) -> None:
        """The k best continuations of every entry of a symbol, from those of the symbols that read it."""
        size = self._size(n)
        count = np.zeros(size)
        value, source, block, edge, rank = [], [], [], [], []
        for b, edges in enumerate(self.edges.get(n, [])):
            further = edges.block.of
            if further not in self.best:
                continue
            used = np.flatnonzero(edges.weight)
            np.add.at(count, edges.source[used], self.count[further][edges.target[used]])
            ahead = self.best[further][0][edges.target[used]]
            product = edges.weight[used, None] * ahead
            value.append(product.reshape(-1))
            source.append(np.repeat(edges.source[used], product.shape[1]))
            block.append(np.full(product.size, b))
            edge.append(np.repeat(used, product.shape[1]))
            rank.append(np.tile(np.arange(product.shape[1]), len(used)))
        self.count[n] = count
        every = [np.concatenate(x) if x else np.zeros(0) for x in (value, source, block, edge, rank)]
        keep = np.flatnonzero(every[0] != 0)
        every = [x[keep] for x in every]
        order = np.lexsort((-np.abs(every[0]), every[1]))
        starts = every[1][order].astype(np.intp)
        place = np.arange(len(order)) - np.searchsorted(starts, starts)
        kept = order[place < self.k]
        rows, columns = every[1][kept].astype(np.intp), place[place < self.k]
        width = int(columns.max()) + 1 if len(columns) else 1
        tables = []
        for x, empty in zip([every[0], *every[2:]], (0.0, -1, -1, -1), strict=True):
            table = np.full((size, width), empty)
            table[rows, columns] = x[kept]
            tables.append(table)
        self.best[n] = tuple(tables)  # type: ignore[assignment]

    def _path(self, n: int, flat: int, rank: int) -> Path:
        product = float(self.best[n][0][flat, rank])
        steps = [Step(self._entry(n, flat), "1", 1.0)]
        while product != 0 and self.best[n][1][flat, rank] >= 0:
            _, block, edge, further = self.best[n]
            edges = self.edges[n][int(block[flat, rank])]
            e, rank = int(edge[flat, rank]), int(further[flat, rank])
            n, flat = edges.block.of, int(edges.target[e])
            steps.append(Step(self._entry(n, flat), self._factor(edges, e), float(edges.weight[e])))
        return Path(tuple(steps), product)

    def _factor(self, edges: Edges, e: int) -> str:
        place = np.unravel_index(e, edges.grid_shape) if edges.grid_shape else ()
        by = {v: num(int(i)) for v, i in zip(edges.block.grid, place, strict=True)}
        return plain(UnitWriter(self.sheet, self.derivation.letters).write(substitute(edges.block.factor, by)))

    def _entry(self, n: int, flat: int) -> str:
        symbol = self.sheet.symbols[n]
        lengths = [m for m in symbol.shape if m != 1]
        place = np.unravel_index(flat, lengths) if lengths else ()
        name = self.derivation.name(symbol)
        return name + ("_{" + ",".join(str(int(i)) for i in place) + "}" if place else "")

    def _flows(self, theta: int, flat: int, order: list[Any]) -> dict[str, np.ndarray]:
        tangent = {theta: np.zeros(self._size(theta))}
        tangent[theta][flat] = 1.0
        flows = {}
        incoming: dict[int, list[Edges]] = {}
        for blocks in self.edges.values():
            for edges in blocks:
                incoming.setdefault(edges.block.of, []).append(edges)
        for line in order:
            n = line.symbol.number
            t = np.zeros(self._size(n))
            for edges in incoming.get(n, []):
                if edges.block.to in tangent:
                    np.add.at(t, edges.target, edges.weight * tangent[edges.block.to][edges.source])
            tangent[n] = t
            back = self.builder.cotangents.get(line.position)
            if back is not None:
                shape = line.symbol.shape
                flows[self.derivation.name(line.symbol)] = (t * np.asarray(back, float).reshape(-1)).reshape(shape)
        return flows


__all__ = ["Path", "Paths", "Step", "paths"]
