"""Loops and branches written out: a scan as its steps, a branch as the one that ran.

A loop is one line of a graph, and its body a graph of its own. Its steps are alike, so that a derivation of them folds
back into a recurrence, h⁽ᵗ⁾ = …, and the backward recursion through time, δ⁽ᵗ⁾ = … δ⁽ᵗ⁺¹⁾ …, each with the range of t.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from backpass.graph.aval import Aval
from backpass.graph.interpreter import run
from backpass.graph.op import OPS, Kind
from backpass.graph.program import Graph, GraphNode
from backpass.graph.traced import CONSTANT


@dataclass
class Unrolled:
    """A graph without control operations, and what was decided on the way."""

    graph: Graph
    starts: dict[int, str] = field(default_factory=dict)
    """Constants that a loop starts from → what its body calls them."""
    taken: tuple[str, ...] = ()
    """What the lines hold under: the branch that ran, the number of steps."""


def unrolled(graph: Graph, leaves: Sequence[Any], most: int) -> Unrolled:
    """The graph with its loops and branches written out, at most about `most` lines; beyond that they stay."""
    if not any(node.op.kind is Kind.CONTROL for node in graph.nodes) or length_of(graph) > most:
        return Unrolled(graph)
    writer = _Writer()
    inputs = []
    for k, leaf in zip(graph.inputs, leaves, strict=True):
        inputs.append(writer.add(graph.nodes[k], leaf))
    outputs = tuple(writer.body(graph, inputs))
    made = Graph(writer.nodes, tuple(inputs), outputs, graph.in_tree, graph.out_tree, graph.name, graph.fixed)
    return Unrolled(made, writer.starts, tuple(dict.fromkeys(writer.taken)))


def length_of(graph: Graph) -> int:
    """About how many lines the graph has with its loops written out."""
    total = 0
    for node in graph.nodes:
        if node.op.name == "scan":
            total += node.attrs["length"] * length_of(node.attrs["body"])
        elif node.op.kind is Kind.CONTROL:
            bodies = [v for v in node.attrs.values() if isinstance(v, Graph)]
            bodies += [b for v in node.attrs.values() if isinstance(v, tuple) for b in v if isinstance(b, Graph)]
            total += sum(map(length_of, bodies))
        else:
            total += 1
    return total


class _Writer:
    """Writes lines of a graph and of its bodies one after another, and keeps their values."""

    def __init__(self) -> None:
        self.nodes: list[GraphNode] = []
        self.values: list[Any] = []
        self.starts: dict[int, str] = {}
        self.taken: list[str] = []

    def add(self, node: GraphNode, value: Any) -> int:
        self.nodes.append(node)
        self.values.append(value)
        return len(self.nodes) - 1

    def op(self, name: str, inputs: tuple[int, ...], like: GraphNode, label: str | None = None, **attrs: Any) -> int:
        """A line of our own, in the place of another."""
        op = OPS[name]
        aval = op.aval(*[self.nodes[i].aval for i in inputs], **attrs)
        value = op.run(*[self.values[i] for i in inputs], **attrs)
        return self.add(GraphNode(op, inputs, attrs, aval, label=label, place=like.where), value)

    def body(self, graph: Graph, given: list[int]) -> list[int]:
        """The lines of a graph on the lines `given`; where its results are."""
        at: dict[int, Any] = dict(zip(graph.inputs, given, strict=True))
        for k, node in enumerate(graph.nodes):
            if k in at:
                continue
            inputs = [at[i] for i in node.inputs]
            if node.op.kind is Kind.CONTROL:
                at[k] = self.control(node, inputs)
            elif node.op.name in ("item", "item_discrete"):
                at[k] = inputs[0][node.attrs["k"]]
            elif node.op is CONSTANT:
                at[k] = self.add(node, node.value)
            else:
                value = node.op.run(*[self.values[i] for i in inputs], **node.attrs)
                at[k] = self.add(replace(node, inputs=tuple(inputs), adjoint=None), value)
        return [at[k] for k in graph.outputs]

    def control(self, node: GraphNode, inputs: list[int]) -> list[int]:
        """The results of a control operation, each a line."""
        attrs = node.attrs
        if node.op.name == "scan":
            return self.scan(node, inputs)
        if node.op.name == "while":
            return self.loop(node, inputs)
        if node.op.name == "cond":
            k = min(max(int(self.values[inputs[0]]), 0), len(attrs["branches"]) - 1)
            self.taken.append(f"branch {k} of {len(attrs['branches'])} runs")
            return self.body(attrs["branches"][k], inputs[1:])
        return self.body(attrs["body"], inputs)

    def scan(self, node: GraphNode, inputs: list[int]) -> list[int]:
        attrs, body = node.attrs, node.attrs["body"]
        consts, carry, length = attrs["consts"], attrs["carry"], attrs["length"]
        stop = len(inputs) - 1 if attrs["counted"] else len(inputs)
        steps = length if not attrs["counted"] else min(int(self.values[inputs[stop]]), length)
        outside, xs = inputs[:consts], inputs[consts + carry : stop]
        state = self.started(body, consts, inputs[consts : consts + carry])
        rows: list[list[int]] = [[] for _ in range(len(body.outputs) - carry)]
        names = [body.nodes[i].label for i in body.inputs[consts + carry :]]
        for i in reversed(range(steps)) if attrs["reverse"] else range(steps):
            entries = [self.op("slice", (x,), node, label=names[n], key=(i,)) for n, x in enumerate(xs)]
            out = self.body(body, [*outside, *state, *entries])
            state = out[:carry]
            for row, y in zip(rows, out[carry:], strict=True):
                row.append(y)
        stacked = [self.stack(row[::-1] if attrs["reverse"] else row, node) for row in rows]
        # What a backward pass would keep is read by no line of the forward pass.
        return [*state, *stacked]

    def stack(self, rows: list[int], node: GraphNode) -> int:
        parts = [self.op("reshape", (y,), node, shape=(1, *self.nodes[y].shape)) for y in rows]
        return self.op("concatenate", tuple(parts), node, axis=0)

    def loop(self, node: GraphNode, inputs: list[int]) -> list[int]:
        attrs = node.attrs
        tests, consts = attrs["tests"], attrs["consts"]
        outside, inside = inputs[:tests], inputs[tests : tests + consts]
        state = self.started(attrs["body"], consts, inputs[tests + consts :])
        steps = 0
        while run(attrs["test"], [self.values[i] for i in (*outside, *state)])[0]:
            state = self.body(attrs["body"], [*inside, *state])
            steps += 1
        self.taken.append(f"the loop takes {steps} steps")
        count = self.add(
            GraphNode(CONSTANT, (), {}, Aval((), np.dtype(np.int64)), value=np.int64(steps)), np.int64(steps)
        )
        return [*state, count]

    def started(self, body: Graph, consts: int, state: list[int]) -> list[int]:
        """The first carry; constants get lines of their own, called as the body calls them."""
        out = []
        for n, k in enumerate(state):
            node = self.nodes[k]
            name = body.nodes[body.inputs[consts + n]].label
            if node.op is CONSTANT and node.dtype.kind == "f" and name is not None:
                k = self.add(node, node.value)
                self.starts[k] = name
            out.append(k)
        return out


__all__ = ["Unrolled", "length_of", "unrolled"]
