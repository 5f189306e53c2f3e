"""`capture`: the body of a control operation as a graph of its own.

A body is traced once, on types. What it reads from outside, an array of the enclosing function or a value of a trace
under way, becomes a further argument in front of its own, so that a derivative with respect to it flows:

>>> import numpy as np, backpass as bp
>>> def total(w):
...     return bp.scan(lambda c, x: (c + w * x, None), 0.0, np.arange(4.0))[0]
>>> bp.grad(total)(2.0)
6.0
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from .aval import Aval, aval_of
from .buffer import released
from .collector import collector_paused
from .freeze import freeze
from .origin import here, state
from .program import Graph
from .pytree import LEAF, Tree, flatten
from .simplify import simplify
from .traced import CONSTANT, INPUT, Node, Traced, recorded
from .user import run_user


class Captured(NamedTuple):
    """A body: its graph, whose first arguments are what it reads from outside, and those values."""

    graph: Graph
    outside: tuple[Traced, ...]
    result: Tree
    """How the body's own result nests."""


@collector_paused
def capture(
    function: Callable[..., Any], avals: list[Aval], tree: Tree, names: list[str], name: str | None = None
) -> Captured:
    """Trace `function` on arguments of these types, nested as `tree` (a tuple of arguments) has it."""
    origin = here(3)
    floor = recorded(INPUT, (), None, None, origin).node
    handles = [recorded(INPUT, (), {"name": n}, aval, origin) for n, aval in zip(names, avals, strict=True)]
    inputs = [handle.node for handle in handles]
    results, out_tree = run_user(function, tree.unflatten(handles), {}, _released)
    outside = _outside(inputs, results, floor.index)
    leading = [*outside, *inputs]
    flat = Tree(tuple, len(leading), (LEAF,) * len(leading))
    label = name or getattr(function, "__name__", "body")
    out = Tree(tuple, len(results), (LEAF,) * len(results))
    graph = simplify(freeze(leading, results, flat, out, label))
    return Captured(graph, tuple([Traced(node) for node in outside]), out_tree)


def _released(result: Any) -> tuple[list[Any], Tree]:
    results, tree = flatten(released(result))
    return [_strong(part) for part in results], tree


def _strong(result: Any) -> Any:
    """An array in place of a Python number: a bundle's part does not promote weakly."""
    if type(result) is not Traced:
        return np.asarray(result)[()]
    return np.positive(result) if result.node.aval.weak else result


def _outside(inputs: list[Node], results: list[Any], floor: int) -> list[Node]:
    """The values that the body reads and that depend on none of its arguments, in order of construction."""
    mine = {node.index for node in inputs}
    found: dict[int, Node] = {}
    stack = [r.node for r in results if type(r) is Traced]
    while stack:
        node = stack.pop()
        if node.index in found:
            continue
        found[node.index] = node
        if node.index > floor:
            stack += [q for q in node.inputs if q.__class__ is Node]
    order = sorted(found.values(), key=lambda node: node.index)
    depends = set(mine)
    for node in order:
        if any(q.__class__ is Node and q.index in depends for q in node.inputs):
            depends.add(node.index)
    read = {q.index for node in order if node.index in depends for q in node.inputs if q.__class__ is Node}
    read |= {r.node.index for r in results if type(r) is Traced}
    fixed: set[int] = set()  # made of constants in the body itself, such as an array that it fills
    for node in order:
        if node.op is CONSTANT or (node.index > floor and node.op is not INPUT and node.index not in depends):
            if all(q.__class__ is not Node or q.index in fixed for q in node.inputs):
                fixed.add(node.index)
    return [node for node in order if node.index in read and node.index not in depends and node.index not in fixed]


def merged(bodies: list[Captured], count: int) -> tuple[list[Graph], list[Traced]]:
    """The same bodies with one list of outside values for all; each has `count` arguments of its own behind them."""
    outside: dict[int, Traced] = {}
    for body in bodies:
        outside.update({handle.node.index: handle for handle in body.outside})
    handles = list(outside.values())
    place = {index: k for k, index in enumerate(outside)}
    graphs = []
    for body in bodies:
        wanted = [place[handle.node.index] for handle in body.outside]
        wanted += range(len(handles), len(handles) + count)
        avals = [handle.node.aval for handle in handles]
        avals += [body.graph.nodes[i].aval for i in body.graph.inputs[len(body.outside) :]]
        graphs.append(widened(body.graph, wanted, avals))
    return graphs, handles


def widened(graph: Graph, wanted: list[int], avals: list[Aval]) -> Graph:
    """The graph as one of more arguments, of which it reads those at the places `wanted`."""
    if wanted == list(range(len(avals))):
        return graph
    from dataclasses import replace

    from .node import GraphNode

    inputs: dict[int, GraphNode] = {place: graph.nodes[at] for place, at in zip(wanted, graph.inputs, strict=True)}
    lines = [inputs.get(k, GraphNode(INPUT, (), {}, aval)) for k, aval in enumerate(avals)]
    moved = dict(zip(graph.inputs, wanted, strict=True))
    for k, node in enumerate(graph.nodes):
        if k in moved:
            continue
        moved[k] = len(lines)
        adjoint = (node.adjoint[0], moved[node.adjoint[1]]) if node.adjoint else None
        lines.append(replace(node, inputs=tuple([moved[i] for i in node.inputs]), adjoint=adjoint))
    tree = Tree(tuple, len(avals), (LEAF,) * len(avals))
    outputs = tuple([moved[i] for i in graph.outputs])
    return Graph(lines, tuple(range(len(avals))), outputs, tree, graph.out_tree, graph.name)


def at_hand(outside: Iterable[Traced]) -> list[Any]:
    """The outside values as arguments: as they are within a trace; where none is under way, what they hold."""
    return [h if state.depth or h.node.staged else h.node.value for h in outside]


def input_avals(graph: Graph) -> list[Aval]:
    return [graph.nodes[k].aval for k in graph.inputs]


def output_avals(graph: Graph) -> list[Aval]:
    return [graph.nodes[k].aval._replace(weak=False) for k in graph.outputs]


def leaf_aval(leaf: Any) -> Aval:
    return leaf.node.aval if type(leaf) is Traced else aval_of(leaf)


__all__ = ["Captured", "at_hand", "capture", "input_avals", "leaf_aval", "merged", "output_avals", "widened"]
