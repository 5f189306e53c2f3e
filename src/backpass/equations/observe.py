"""The numbers: every value of a traced function, and ∂L/∂ of every value, by autodiff."""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass.chain.backward import backward, fresh
from backpass.graph.interpreter import run
from backpass.graph.program import Graph, GraphNode
from backpass.graph.traced import CONSTANT, Node, Traced
from backpass.partials.declare import conjugated


def values_and_cotangents(graph: Graph, leaves: list[Any]) -> tuple[list[Any], dict[int, Any]]:
    """(the value of each line, line → ∂L/∂ of it), where L is the graph's first output.

    For z = x + iy that is ∂L/∂x + i ∂L/∂y.

    >>> import backpass as bp
    >>> graph = bp.trace(lambda x: x * x, 1.0)
    >>> values, cotangents = values_and_cotangents(graph, [3.0])
    >>> float(values[-1]), float(cotangents[0])
    (9.0, 6.0)
    """
    values: list[Any] = [node.value if node.op is CONSTANT else None for node in graph.nodes]
    nodes: dict[int, Node] = {}
    inputs = []
    for position, leaf in zip(graph.inputs, leaves, strict=True):
        values[position] = leaf
        if graph.nodes[position].dtype.kind in "fc":
            leaf = fresh(leaf)
            nodes[position] = leaf.node
        inputs.append(leaf)

    def observe(k: int, node: GraphNode, arguments: list[Any], value: Any) -> None:
        if type(value) is Traced:
            nodes[k] = value.node
            values[k] = value.node.value
        else:
            values[k] = value

    with np.errstate(all="ignore"):
        result = run(graph, inputs, observe)[0]
    if type(result) is not Traced:
        return values, {}
    kept: dict[int, Any] = {}
    wrt = [nodes[k] for k in graph.inputs if k in nodes]
    ends = backward([(result.node, np.ones((), result.dtype)[()], None)], wrt, kept)
    kept.update({n.index: g for n, g in zip(wrt, ends, strict=True) if g is not None})
    return values, {k: conjugated(kept[n.index]) for k, n in nodes.items() if n.index in kept}


__all__ = ["values_and_cotangents"]
