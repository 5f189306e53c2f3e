"""`Sheet`: what the passes share: the graph, its values, its axis classes, and the symbols of the equations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backpass.graph.program import Graph, GraphNode
from backpass.graph.traced import CONSTANT

from .axes import Axes
from .expr import ZERO, Expr, OfComplex, complex_num, num, ref, var


@dataclass(eq=False, slots=True)
class Symbol:
    """A named array of the derivation."""

    number: int
    key: Any
    """How `Axes` calls it: its position in the graph, or a name of its own."""
    shape: tuple[int, ...]
    value: Any
    role: str
    """"theta", "data", "value" (computed), "constant", "adjoint" (∂L/∂ of another symbol), "step" (inside one)."""
    position: int | None = None
    base: str = ""
    label: int | None = None
    of: int | None = None
    """For an adjoint, the symbol that it belongs to."""
    suffix: str = ""
    auto: bool = False
    """Named by a pass, not by the user."""
    loops: str | None = None
    """An argument that a loop variable starts from is called after it, h⁽⁰⁾; this is its own name."""

    @property
    def name(self) -> str:
        return self.base + (superscript(self.label) if self.label is not None else "")


_RAISED = str.maketrans("0123456789+-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻")


def superscript(label: int) -> str:
    """⁽¹²⁾: in plain text labels are bracketed, since a² is a power."""
    return "⁽" + str(label).translate(_RAISED) + "⁾"


@dataclass(eq=False)
class Sheet:
    graph: Graph
    values: list[Any]
    axes: Axes
    symbols: list[Symbol] = field(default_factory=list)
    at: dict[int, Symbol] = field(default_factory=dict)
    """Position in the graph → its symbol."""
    hints: dict[tuple[int, int], Expr] = field(default_factory=dict)
    """(line, argument) → how the source writes a constant."""
    assumptions: set[str] = field(default_factory=set)
    nodes: list[GraphNode] = field(default_factory=list)
    """The graph's lines, and after them those of adjoint rules that were read in turn."""

    def __post_init__(self) -> None:
        self.nodes = list(self.graph.nodes)

    def new(self, key: Any, shape: tuple[int, ...], value: Any, role: str, **more: Any) -> Symbol:
        number = len(self.symbols)
        symbol = Symbol(OfComplex(number) if np.iscomplexobj(value) else number, key, shape, value, role, **more)
        self.symbols.append(symbol)
        return symbol

    def symbol_at(self, position: int, role: str = "value", **more: Any) -> Symbol:
        node = self.nodes[position]
        symbol = self.new(position, node.shape, self.values[position], role, position=position, **more)
        self.at[position] = symbol
        return symbol

    def index(self, key: Any, axis: int) -> Expr:
        """A fresh index along an axis; 0 where its length is 1."""
        classes = self.axes.classes(key)
        return ZERO if self.axes.length[classes[axis]] == 1 else var(classes[axis])

    def indices(self, symbol: Symbol) -> tuple[Expr, ...]:
        return tuple(self.index(symbol.key, i) for i in range(len(symbol.shape)))

    def ref(self, symbol: Symbol, indices: tuple[Expr, ...]) -> Expr:
        """An entry; axes of length 1 are not written."""
        return ref(symbol.number, [i for i, n in zip(indices, symbol.shape, strict=True) if n != 1])

    def pull(self, position: int, indices: tuple[Expr, ...]) -> Expr:
        """The entry of a line at `indices`, in terms of symbols."""
        symbol = self.at.get(position)
        if symbol is not None:
            return self.ref(symbol, indices)
        node = self.nodes[position]
        if node.op is CONSTANT:
            return self.constant(position, indices)
        return self.define(position, indices)

    def define(self, position: int, indices: tuple[Expr, ...]) -> Expr:
        """The right-hand side of a line: its operation applied to what its arguments are."""
        from .pull import PULL

        node = self.nodes[position]
        return PULL[node.op.name](self, position, node, indices)

    def constant(self, position: int, indices: tuple[Expr, ...]) -> Expr:
        from .constants import array_pattern

        node = self.nodes[position]
        value = np.asarray(node.value)
        if value.size == 1:
            only = value.reshape(-1)[0]
            return complex_num(only) if value.dtype.kind == "c" else num(float(only))
        found = array_pattern(value, indices)
        if found is not None:
            return found
        symbol = self.symbol_at(position, "constant", auto=True, base=f"c{position}")
        return self.ref(symbol, indices)

    def node(self, position: int) -> GraphNode:
        return self.nodes[position]


__all__ = ["Sheet", "Symbol", "superscript"]
