"""`debug_nonfinite`: the first operation, forward or backward, whose value stopped being finite, by name and line."""

from __future__ import annotations

from typing import Any

from backpass.graph.bundle import Bundle
from backpass.graph.freeze import freeze
from backpass.graph.interpreter import find_nonfinite, is_finite
from backpass.graph.origin import state
from backpass.graph.pytree import LEAF, Tree
from backpass.graph.traced import Node, Traced


class debug_nonfinite:
    """``with bp.debug_nonfinite():`` a value or derivative in here that is NaN or infinite raises where it was born.

    `NonFiniteError` names the operation, whether it is of the forward or of the backward pass (and then of which line
    it is the derivative), its equation, its inputs' ranges, and your line. It holds for `grad`, `vjp`, `jvp` and what
    is built on them, for compiled functions and for graphs, in the thread that entered. Infinities that were put in
    on purpose, such as −inf in a mask, are let pass until a NaN is made of them.

    Finding costs a second run of what went wrong; looking costs one pass over each value and derivative.

    >>> import numpy as np, backpass as bp
    >>> with bp.debug_nonfinite():
    ...     bp.grad(lambda x: np.sum(np.sqrt(x - 1.0)))(np.array([1.0, 2.0]))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    backpass.graph.errors.NonFiniteError: The first value that is not finite comes from divide in the backward pass...
    """

    def __enter__(self) -> debug_nonfinite:
        state.watching += 1
        return self

    def __exit__(self, *exc: object) -> None:
        state.watching -= 1


def examine(inputs: list[Node], results: list[Any]) -> None:
    """Raise NonFiniteError if something between these concrete nodes stopped being finite."""
    traced = [r for r in results if type(r) is Traced]
    if not traced or any(r.node.staged for r in traced) or not _suspicious([r.node for r in traced], inputs):
        return
    flat = lambda n: Tree(tuple, n, (LEAF,) * n)  # noqa: E731
    graph = freeze(inputs, traced, flat(len(inputs)), flat(len(traced)), "f")
    watching, state.watching = state.watching, 0
    try:
        error = find_nonfinite(graph, [node.value for node in inputs])
    finally:
        state.watching = watching
    if error is not None:
        raise error


def _suspicious(nodes: list[Node], inputs: list[Node]) -> bool:
    """Is any value on the way not finite?"""
    seen = {node.index for node in inputs}
    stack = [*nodes, *inputs]
    while stack:
        node = stack.pop()
        if not _all_finite(node.value):
            return True
        if node.index in seen:
            continue
        seen.add(node.index)
        stack += [q for q in node.inputs if q.__class__ is Node]
    return False


def _all_finite(value: Any) -> bool:
    return all(map(is_finite, value.parts)) if type(value) is Bundle else is_finite(value)


__all__ = ["debug_nonfinite", "examine"]
