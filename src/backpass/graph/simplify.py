"""Simplification: common subexpressions, constants, dead lines, and algebra that keeps every bit.

Each rewrite is exact in floating point, signed zeros and NaN included: x·1, x/1, x − 0, −(−x), reshapes of reshapes,
transposes that undo each other, broadcasts that the next operation would do itself. Not x + 0, since −0 + 0 = 0.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .aval import Aval, aval_of
from .kept import SMALL
from .op import Kind
from .program import Graph, GraphNode
from .traced import CONSTANT

FOLD_LIMIT = 1 << 12
"""Entries: larger results are computed at run time rather than stored."""


def simplify(graph: Graph) -> Graph:
    """An equal graph with fewer lines. Names, source lines, composites and adjoint links are carried over."""
    rewriter = _Rewriter(graph)
    for position, node in enumerate(graph.nodes):
        rewriter.moved[position] = rewriter.rewrite(node)
    return rewriter.finish()


def _comparable(value: Any) -> Any:
    """An attribute as a key: equal only to the very same value (−0 is not 0, True is not 1)."""
    if isinstance(value, np.ndarray):
        return "array", value.dtype, value.shape, value.tobytes()
    if isinstance(value, Graph):
        return "graph", id(value)
    if isinstance(value, (tuple, list)):
        return tuple([_comparable(item) for item in value])
    return type(value), repr(value)


class _Rewriter:
    def __init__(self, graph: Graph):
        self.graph = graph
        self.lines: list[GraphNode] = []
        self.moved: dict[int, int] = {}
        self.known: dict[Any, int] = {}

    def emit(self, node: GraphNode) -> int:
        key = self._key(node)
        if key is not None:
            found = self.known.get(key)
            if found is not None:
                return found
            self.known[key] = len(self.lines)
        self.lines.append(node)
        return len(self.lines) - 1

    @staticmethod
    def _key(node: GraphNode) -> Any:
        if node.op is CONSTANT:
            array = np.asarray(node.value)
            if array.nbytes > SMALL:
                return ("constant", id(node.value))
            # Two that differ in their order of memory stay apart: a product rounds by it.
            return ("constant", type(node.value), node.aval, array.strides, array.tobytes())
        if node.op.kind is Kind.SOURCE:
            return None
        # By the operation itself, not its name: two custom rules may be called alike.
        attrs = tuple([(key, _comparable(node.attrs[key])) for key in sorted(node.attrs)])
        return (node.op, node.inputs, attrs, node.aval)

    def rewrite(self, node: GraphNode) -> int:
        inputs = tuple(self.moved[i] for i in node.inputs)
        if not inputs:
            return self.emit(node)
        inputs = self._without_broadcasts(node, inputs)
        same = self._identity(node, inputs)
        if same is not None:
            return same
        attrs = node.attrs
        inner = self.lines[inputs[0]]
        if node.op.name == "reshape" and inner.op.name == "reshape":
            inputs = inner.inputs
            if self.lines[inputs[0]].aval == node.aval:
                return inputs[0]
        elif node.op.name == "transpose" and inner.op.name == "transpose":
            axes = tuple(inner.attrs["axes"][a] for a in attrs["axes"])
            if axes == tuple(range(len(axes))) and self.lines[inner.inputs[0]].aval == node.aval:
                return inner.inputs[0]
            inputs, attrs = inner.inputs, {"axes": axes}
        new = replace(node, inputs=inputs, attrs=attrs, adjoint=self._link(node))
        return self.emit(self._folded(new))

    def _link(self, node: GraphNode) -> tuple[str, int] | None:
        return None if node.adjoint is None else (node.adjoint[0], self.moved[node.adjoint[1]])

    def _constant(self, position: int) -> Any:
        node = self.lines[position]
        return node.value if node.op is CONSTANT and node.aval.size == 1 and np.ndim(node.value) == 0 else None

    def _identity(self, node: GraphNode, inputs: tuple[int, ...]) -> int | None:
        """The line that this one only repeats, if there is one."""
        name, first = node.op.name, inputs[0]

        def fits(position: int) -> bool:
            return self.lines[position].aval == node.aval

        def is_number(position: int, number: int) -> bool:
            value = self._constant(position)
            return value is not None and np.isrealobj(value) and value == number and not np.signbit(value)

        match name:
            case "alias" | "positive" | "cast" | "broadcast_to" | "reshape" if fits(first):
                return first
            case "transpose" if tuple(node.attrs["axes"]) == tuple(range(len(node.shape))) and fits(first):
                return first
            case "negative" if self.lines[first].op.name == "negative" and fits(self.lines[first].inputs[0]):
                return self.lines[first].inputs[0]
            case "multiply" if is_number(inputs[1], 1) and fits(first):
                return first
            case "multiply" if is_number(first, 1) and fits(inputs[1]):
                return inputs[1]
            case "divide" if is_number(inputs[1], 1) and fits(first):
                return first
            case "subtract" if is_number(inputs[1], 0) and fits(first):
                return first
            case "where" if len(set(inputs[1:])) == 1 and fits(inputs[1]):
                return inputs[1]
        return None

    def _without_broadcasts(self, node: GraphNode, inputs: tuple[int, ...]) -> tuple[int, ...]:
        """Elementwise operations broadcast by themselves: read the small array instead of a stretched copy."""
        if node.op.kind not in (Kind.POINTWISE, Kind.DISCRETE) or node.attrs or len(inputs) < 2:
            return inputs
        for i, position in enumerate(inputs):
            source = self.lines[position]
            if source.op.name != "broadcast_to":
                continue
            tried = (*inputs[:i], source.inputs[0], *inputs[i + 1 :])
            try:
                aval: Aval = node.op.aval(*[self.lines[k].aval for k in tried])
            except (TypeError, ValueError):
                continue
            if aval.shape == node.shape and aval.dtype == node.dtype:
                inputs = tried
        return inputs

    def _folded(self, node: GraphNode) -> GraphNode:
        """A line whose arguments are all constants becomes one, when its result is small."""
        if node.op.name == "broadcast_to" or not node.inputs:
            return node  # the scalar is cheaper to keep, and elementwise operations stretch it themselves
        if node.op.kind is Kind.CONTROL:
            return node
        sources = [self.lines[i] for i in node.inputs]
        if node.aval.size > FOLD_LIMIT or any(s.op is not CONSTANT or s.aval.size > FOLD_LIMIT for s in sources):
            return node
        try:
            with np.errstate(all="ignore"):
                value = node.op.run(*[s.value for s in sources], **node.attrs)
        except Exception:  # what fails shall fail when it is run, as it does without the graph
            return node
        if node.aval.weak:
            value = value.item()
        if aval_of(value)[:2] != node.aval[:2]:
            return node
        return GraphNode(CONSTANT, (), {}, node.aval, value=value, origin=node.origin, place=node.place)

    def finish(self) -> Graph:
        """Drop what no output needs. Arguments stay: they are the signature."""
        outputs = tuple(self.moved[i] for i in self.graph.outputs)
        inputs = tuple(self.moved[i] for i in self.graph.inputs)
        live = set(outputs) | set(inputs)
        for position in range(len(self.lines) - 1, -1, -1):
            if position in live:
                live.update(self.lines[position].inputs)
        place: dict[int, int] = {}
        lines: list[GraphNode] = []
        for position, node in enumerate(self.lines):
            if position not in live:
                continue
            adjoint = node.adjoint
            if adjoint is not None:
                adjoint = (adjoint[0], place[adjoint[1]]) if adjoint[1] in place else None
            place[position] = len(lines)
            lines.append(replace(node, inputs=tuple(place[i] for i in node.inputs), adjoint=adjoint))
        _without_kept(lines, outputs := tuple(place[i] for i in outputs))
        graph = self.graph
        return Graph(
            lines,
            tuple(place[i] for i in inputs),
            outputs,
            graph.in_tree,
            graph.out_tree,
            graph.name,
            graph.fixed,
        )


def _without_kept(lines: list[GraphNode], outputs: tuple[int, ...]) -> None:
    """Loops whose stored carries nobody reads store none."""
    used: dict[int, int] = {}
    for node in lines:
        if node.op.name in ("item", "item_discrete"):
            used[node.inputs[0]] = max(used.get(node.inputs[0], 0), node.attrs["k"])
    for position, node in enumerate(lines):
        if node.op.kind is Kind.CONTROL and node.attrs.get("keep") and position not in outputs:
            attrs = {**node.attrs, "keep": False}
            aval = node.op.aval(*[lines[i].aval for i in node.inputs], **attrs)
            if used.get(position, 0) < len(aval.parts):
                lines[position] = replace(node, attrs=attrs, aval=aval)
