"""`freeze`: from the nodes that a trace recorded to a `Graph`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .aval import aval_of
from .encode import GraphError
from .op import OPS
from .origin import Adjoint, Origin, Part
from .program import Graph, GraphNode
from .pytree import Tree
from .traced import ALIAS, CONSTANT, INPUT, Node, Traced


def freeze(
    inputs: list[Node],
    results: list[Any],
    in_tree: Tree,
    out_tree: Tree,
    name: str,
    fixed: dict[int, Any] | None = None,
) -> Graph:
    """The nodes between traced inputs and results as a Graph; what the results do not need is left out."""
    needed: dict[int, Node] = {n.index: n for n in inputs}
    stack = [r.node for r in results if type(r) is Traced and r.node.index not in needed]
    for node in stack:
        needed[node.index] = node
    while stack:
        for q in stack.pop().inputs:
            if q.__class__ is Node and q.index not in needed:
                needed[q.index] = q
                stack.append(q)
    order = sorted(needed.values(), key=lambda n: n.index)
    lines: list[GraphNode] = []
    position: dict[int, int] = {}
    constants: dict[Any, int] = {}
    composites: dict[int, int] = {}
    keep: list[Any] = []  # constants are told apart by id: hold them so that no id is used twice
    wanted = {n.index for n in inputs}

    def constant(value: Any, origin: Origin | None) -> int:
        keep.append(value)
        if isinstance(value, np.ndarray) and value.size > 1 and not any(value.strides):
            # One number stretched over a shape: keep the number, and let the graph stretch it.
            inner = constant(value[(0,) * value.ndim], origin)
            lines.append(
                GraphNode(OPS["broadcast_to"], (inner,), {"shape": value.shape}, aval_of(value), origin=origin)
            )
            return len(lines) - 1
        key = (type(value), repr(value)) if not isinstance(value, np.ndarray) else id(value)
        if key not in constants:
            constants[key] = len(lines)
            stored = value if isinstance(value, (np.generic, int, float, bool, complex)) else _kept(value)
            lines.append(GraphNode(CONSTANT, (), {}, aval_of(stored), value=stored, origin=origin))
        return constants[key]

    for node in [*inputs, *[n for n in order if n.index not in wanted]]:
        if node.index in wanted:
            position[node.index] = len(lines)
            lines.append(GraphNode(INPUT, (), {}, node.aval, label=_label(node), origin=node.origin))
            continue
        if node.op is INPUT:
            # Another trace's argument: for this function it is a constant.
            if node.staged:
                raise GraphError(f"{node!r} belongs to another trace: pass it to the function as an argument")
            position[node.index] = constant(node.value, node.origin)
            continue
        if node.op is CONSTANT:
            position[node.index] = constant(node.value, node.origin)
            continue
        sources = tuple(position[q.index] if q.__class__ is Node else constant(q, node.origin) for q in node.inputs)
        note = node.origin.note
        composite = adjoint = None
        if type(note) is Part:
            composite = (note.composite, composites.setdefault(id(note.instance), len(composites)))
        elif type(note) is Adjoint and note.node.index in position:
            adjoint = (note.mode, position[note.node.index])
        position[node.index] = len(lines)
        lines.append(
            GraphNode(
                node.op, sources, node.attrs or {}, node.aval, origin=node.origin, composite=composite, adjoint=adjoint
            )
        )
    results_of = {line.composite: k for k, line in enumerate(lines) if line.composite is not None}
    for k, line in enumerate(lines):
        if line.composite is not None and results_of[line.composite] != k:
            lines[k] = replace(line, inner=True)
    outputs = tuple(position[r.node.index] if type(r) is Traced else constant(r, None) for r in results)
    return Graph(lines, tuple(position[n.index] for n in inputs), outputs, in_tree, out_tree, name, fixed)


def _label(node: Node) -> str | None:
    """The name that an argument was given; a nested derivative's own identity for it keeps that name."""
    while node.op is ALIAS and node.inputs[0].__class__ is Node:
        node = node.inputs[0]
    return (node.attrs or {}).get("name") if node.op is INPUT else None


def _kept(value: Any) -> np.ndarray:
    """An array that nobody changes any more: the graph's own, since the user's may change after the trace."""
    array = np.array(value)
    array.flags.writeable = False
    return array
