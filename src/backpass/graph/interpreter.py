"""The interpreter: a graph, run line by line with NumPy. Every other reading is tested against it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import messages
from .aval import aval_of
from .bundle import Bundle
from .errors import BackpassError, NonFiniteError
from .op import Kind
from .origin import Adjoint, state
from .program import Graph, GraphNode
from .traced import CONSTANT, Traced

Observer = Callable[[int, GraphNode, list[Any], Any], None]


def _planned(graph: Graph) -> tuple[list[Any], list[Any]]:
    """(starting registers, steps): each step holds the function, its registers, and those whose last use it is."""
    if graph._plan is None:
        last: dict[int, int] = {}
        for k, node in enumerate(graph.nodes):
            for i in node.inputs:
                last[i] = k
        kept = {*graph.outputs, *(k for k, node in enumerate(graph.nodes) if node.op is CONSTANT)}
        steps = []
        for k, node in enumerate(graph.nodes):
            if node.op.kind is not Kind.SOURCE:
                done = tuple({i for i in node.inputs if last[i] == k and i not in kept})
                steps.append((k, node.op, node.inputs, node.attrs, node.aval.weak, done))
        graph._plan = [node.value for node in graph.nodes], steps
    return graph._plan


def run(graph: Graph, leaves: list[Any], observe: Observer | None = None) -> list[Any]:
    """Outputs for inputs, both flat. `observe(position, node, arguments, value)` sees every line as it is computed."""
    if state.watching and observe is None:
        return _watched(graph, leaves)
    start, steps = _planned(graph)
    values = list(start)
    for position, leaf in zip(graph.inputs, leaves, strict=True):
        values[position] = leaf
    traced = any(type(leaf) is Traced for leaf in leaves)
    k = -1
    try:
        for k, op, inputs, attrs, weak, done in steps:
            args = [values[i] for i in inputs]
            value = op(*args, **attrs) if traced else op.run(*args, **attrs)
            if weak:
                value = _weak(value)
            values[k] = value
            if observe is not None:
                observe(k, graph.nodes[k], args, value)
            for i in done:
                values[i] = None
    except Exception as error:
        if k >= 0 and not isinstance(error, BackpassError):
            error.add_note(_line(graph, k))
        raise
    return [values[i] for i in graph.outputs]


def replay(graph: Graph, leaves: list[Any]) -> list[Any]:
    """Record a graph's lines on traced values, each under its own name and source line. Outputs for inputs, flat."""
    values: list[Any] = [node.value for node in graph.nodes]
    for position, leaf in zip(graph.inputs, leaves, strict=True):
        values[position] = leaf
    before = state.origin
    try:
        for k, node in enumerate(graph.nodes):
            if node.op.kind is Kind.SOURCE:
                continue
            origin = node.origin or before
            if origin is not None and node.adjoint is not None and type(values[node.adjoint[1]]) is Traced:
                origin = origin.noted(Adjoint(values[node.adjoint[1]].node, node.adjoint[0]))
            state.origin = origin
            value = node.op(*[values[i] for i in node.inputs], **node.attrs)
            values[k] = _weak(value) if node.aval.weak else value
    finally:
        state.origin = before
    return [values[i] for i in graph.outputs]


def _line(graph: Graph, k: int) -> str:
    """The line that failed and where the user wrote it."""
    names = graph.display_names()
    return f"  in {names[k]} = {graph._expression(k, names)}{_place(graph.nodes[k])}"


def _place(node: GraphNode) -> str:
    return f"\n{messages.place(node.origin)}" if node.origin else f"\n  {node.where.show()}" if node.where else ""


def _weak(value: Any) -> Any:
    """A Python number promotes weakly, and so must what was made from such."""
    if type(value) is not Traced:
        return value.item() if hasattr(value, "item") else value
    node = value.node
    node.value = node.value._replace(weak=True) if node.staged else _weak(node.value)
    return value


def apart(results: list[Any], given: list[Any]) -> list[Any]:
    """Results that share nothing they would not share without the graph: not a constant of it, not each other."""
    taken = {id(value) for value in given}
    for k, value in enumerate(results):
        if type(value) is np.ndarray:
            if id(value) in taken or not value.flags.writeable:
                value = results[k] = value.copy()
            taken.add(id(value))
    return results


class _Finder:
    """An observer that keeps the first operation whose result is not finite though its inputs are."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.names: list[str] | None = None
        self.found: NonFiniteError | None = None
        self.later: NonFiniteError | None = None  # −inf may be meant, as a mask is; the NaN that is made of it never is

    def __call__(self, k: int, node: GraphNode, args: list[Any], value: Any) -> None:
        if self.found is not None or is_finite(value):
            return
        if all(map(is_finite, args)):
            self.found = self._report(k, node, args, value)
        elif self.later is None and _has_nan(value) and not any(map(_has_nan, args)):
            self.later = self._report(k, node, args, value)

    def _report(self, k: int, node: GraphNode, args: list[Any], value: Any) -> NonFiniteError:
        self.names = self.names or self.graph.display_names()
        return _report(self.graph, self.names, k, node, args, value)


def find_nonfinite(graph: Graph, leaves: list[Any]) -> NonFiniteError | None:
    """Run again and name the first operation whose result is not finite though its inputs are; None if none is."""
    for position, leaf in zip(graph.inputs, leaves, strict=True):
        if not is_finite(leaf):
            name = graph.display_names()[position]
            return NonFiniteError(f"the argument {name} is not finite: {_extent(leaf)}")
    finder = _Finder(graph)
    with np.errstate(all="ignore"):
        run(graph, leaves, finder)
    return finder.found or finder.later


def _watched(graph: Graph, leaves: list[Any]) -> list[Any]:
    """A run under `debug_nonfinite`. The bodies of loops are watched by their own runs, so the innermost one speaks."""
    finder = _Finder(graph)

    def observe(k: int, node: GraphNode, args: list[Any], value: Any) -> None:
        finder(k, node, args, value)
        if finder.found is not None:
            raise finder.found

    results = run(graph, leaves, observe)
    if finder.later is not None:
        raise finder.later
    return results


def _has_nan(value: Any) -> bool:
    if type(value) is Bundle:
        return any(map(_has_nan, value.parts))
    return not is_finite(value) and bool(np.any(np.isnan(value)))


def is_finite(value: Any) -> bool:
    """Holds it neither NaN nor infinity?"""
    if type(value) is Bundle:
        return all(map(is_finite, value.parts))
    return not ((hasattr(value, "dtype") and value.dtype.kind in "fc") or isinstance(value, (float, complex))) or bool(
        np.all(np.isfinite(value))
    )


def _extent(value: Any) -> str:
    if type(value) is Bundle:
        return f"({', '.join(map(_extent, value.parts))})"
    array = np.asarray(value)
    if array.ndim == 0:
        return f"{array[()]!r}"
    finite = array[np.isfinite(array)] if array.dtype.kind in "fc" else array.ravel()
    bad = array.size - finite.size
    span = f"{finite.min():.4g} … {finite.max():.4g}" if finite.size else "none finite"
    return f"{aval_of(array)!r}, {span}" + (f", {bad} not finite" if bad else "")


def _report(graph: Graph, names: list[str], k: int, node: GraphNode, args: list[Any], value: Any) -> NonFiniteError:
    which = f"{node.adjoint[0]} pass" if node.adjoint else "forward pass"
    text = node.op.notation or f"{node.op.name}({', '.join('{' + str(i) + '}' for i in range(len(args)))})"
    try:
        equation = text.replace("{*}", ", ".join(names[i] for i in node.inputs)).format(
            *[names[i] for i in node.inputs], **{key: str(v) for key, v in node.attrs.items()}
        )
    except (IndexError, KeyError, ValueError):
        equation = graph._expression(k, names)
    rows = "\n".join({i: f"    {names[i]}: {_extent(a)}" for i, a in zip(node.inputs, args, strict=True)}.values())
    derived = f", the derivative of {names[node.adjoint[1]]}" if node.adjoint else ""
    return NonFiniteError(
        f"The first value that is not finite comes from {node.op.name} in the {which}{derived}:\n"
        f"    {names[k]} = {equation} → {_extent(value)}\n  with\n{rows}{_place(node)}"
    )


__all__ = ["apart", "find_nonfinite", "is_finite", "replay", "run"]
