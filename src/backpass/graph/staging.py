"""Staged tracing: run a function once on types instead of values, and keep the graph.

The result holds for every value of these shapes and dtypes, so reading a value during the trace is refused.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from .aval import Aval, aval_of
from .collector import collector_paused
from .freeze import freeze
from .layout import order_of
from .origin import here
from .program import Graph
from .pytree import Tree, flatten
from .simplify import simplify
from .traced import INPUT, Node, Traced, recorded
from .user import run_user


def is_dynamic(leaf: Any) -> bool:
    """Arrays, NumPy numbers and Python floats become arguments of the graph; everything else is part of its shape."""
    return isinstance(leaf, (np.ndarray, np.generic, Traced, Aval)) or type(leaf) is float


class Signature:
    """What a trace depends on: structure, shapes, dtypes, C or F order, and the values of what is not an array."""

    __slots__ = ("tree", "avals", "static", "key")

    def __init__(self, leaves: list[Any], tree: Tree):
        self.tree = tree
        self.avals = tuple([_aval(leaf) if is_dynamic(leaf) else None for leaf in leaves])
        self.static = tuple([None if is_dynamic(leaf) else leaf for leaf in leaves])
        # True == 1 == 1.0 in Python, but code tells them apart.
        self.key = (tree, self.avals, self.static, tuple(map(type, self.static)), tuple(map(order_of, leaves)))


def _aval(leaf: Any) -> Aval:
    return leaf.node.aval if type(leaf) is Traced else aval_of(leaf)


def trace(function: Callable[..., Any], *args: Any, simplified: bool = True) -> Graph:
    """Record `function` as a Graph, for arguments of these shapes and dtypes (their values are not looked at).

    Args:
        function: plain NumPy code, also one made by `bp.grad` and its kin.
        args: pytrees of arrays, numbers, or `Aval(shape, dtype)`; Python ints, strings and bools are held fixed.
        simplified: merge common subexpressions, fold constants and drop dead lines (results keep every bit).

    Raises:
        TracingError: the code reads a value (``if x > 0``, ``float(x)``).

    >>> import numpy as np, backpass as bp
    >>> print(bp.trace(lambda x, y: np.exp(x) * y, 1.0, np.zeros(3)))  # doctest: +ELLIPSIS
    graph <lambda>: 2 inputs, 4 nodes, 1 outputs
      x = input ...float64~
      y = input ...float64[3]
      %2 = exp(x) ...float64 ...
      %3 = multiply(%2, y) ...float64[3] ...
      return %3
    """
    leaves, tree = flatten(args)
    graph = _traced(function, leaves, tree)
    return simplify(graph) if simplified else graph


@collector_paused
def _traced(function: Callable[..., Any], leaves: list[Any], tree: Tree) -> Graph:
    names = _argument_paths(function, tree)
    handles: list[Any] = []
    inputs: list[Node] = []
    origin = here(3)
    for leaf, name in zip(leaves, names, strict=True):
        if is_dynamic(leaf):
            facts = {"name": name, "array": isinstance(leaf, np.ndarray), "order": order_of(leaf)}
            handle = recorded(INPUT, (), facts, _aval(leaf), origin)
            inputs.append(handle.node)
            handles.append(handle)
        else:
            handles.append(leaf)
    result = run_user(function, tree.unflatten(handles), {})
    results, out_tree = flatten(result)
    fixed = {k: leaf for k, leaf in enumerate(leaves) if not is_dynamic(leaf)}
    return freeze(inputs, results, tree, out_tree, getattr(function, "__name__", "f"), fixed)


def _argument_paths(function: Callable[..., Any], tree: Tree) -> list[str]:
    """``theta.W1`` for the leaf W1 of the argument theta."""
    inner = inspect_unwrapped(function)
    code = getattr(inner, "__code__", None)
    names = code.co_varnames[: code.co_argcount] if code is not None else ()
    out = []
    for k, argument in enumerate(tree.children):
        name = names[k] if k < len(names) else f"arg{k}"
        out += [f"{name}.{path}" if path else name for path in argument.paths]
    return out


def inspect_unwrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function inside wrappers made by functools.wraps."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__  # type: ignore[attr-defined]
    return function


class Compiled:
    """A function traced once per signature and then run by the interpreter, without the overhead of tracing.

    Python ints, strings and bools among the arguments are part of the signature. Values may not decide what is run.
    """

    def __init__(self, function: Callable[..., Any]):
        functools.update_wrapper(self, function)
        self.function = function
        self.graphs: dict[Any, Graph] = {}

    def graph(self, *args: Any) -> Graph:
        """The simplified graph for arguments of these shapes and dtypes."""
        return self._graph(*flatten(args))

    def _graph(self, leaves: list[Any], tree: Tree) -> Graph:
        signature = Signature(leaves, tree)
        try:
            graph = self.graphs.get(signature.key)
        except TypeError:
            wrong = next(leaf for leaf in signature.static if not isinstance(leaf, Hashable))
            raise TypeError(
                f"a compiled function takes arrays, numbers and hashable values; {wrong!r:.60} is a "
                f"{type(wrong).__name__}, which cannot be part of its signature."
            ) from None
        if graph is None:
            graph = self.graphs[signature.key] = simplify(_traced(self.function, leaves, tree))
        return graph

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from .interpreter import apart, run

        if kwargs:
            args = self._positional(args, kwargs)
        leaves, tree = flatten(args)
        if any(type(leaf) is Traced for leaf in leaves):
            return self.function(*args)  # inside another trace: be part of it
        graph = self._graph(leaves, tree)
        given = [leaf for leaf in leaves if is_dynamic(leaf)]
        return graph.out_tree.unflatten(apart(run(graph, given), given))

    def _positional(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """Keyword arguments in their places, so that f(x, y=1) and f(x, 1) are one graph."""
        bound = inspect.signature(self.function).bind(*args, **kwargs)
        bound.apply_defaults()
        if bound.kwargs:
            names = ", ".join(bound.kwargs)
            raise TypeError(
                f"a compiled function takes arguments that can be given by position; {names} of "
                f"{getattr(self.function, '__name__', 'f')} cannot. Wrap it: bp.compile(lambda x: f(x, {names}=...))."
            )
        return bound.args
