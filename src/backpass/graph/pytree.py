"""Pytrees: dicts, lists, tuples, named tuples and dataclasses, nested in any way, with arrays as leaves.

θ is rarely one array. A *pytree* is the nest that holds it; `flatten` takes it apart into a list of leaves and a `Tree`
that remembers the nest, and `Tree.unflatten` puts leaves back. ``None`` is an empty nest. Dict keys keep
their order. A named tuple whose class has ``__leaf__`` is a leaf.

>>> leaves, tree = flatten({"W": 1.0, "b": [2.0, None]})
>>> leaves, tree.paths
([1.0, 2.0], ('W', 'b.0'))
>>> tree.unflatten([10.0, 20.0])
{'W': 10.0, 'b': [20.0, None]}
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, cast

import numpy as np

from .errors import BackpassError

_LEAF = "leaf"
_NONE = "none"


class PytreeError(BackpassError, ValueError):
    """Two pytrees that should have the same structure do not."""


class Tree:
    """The structure of a pytree without its leaves; equal trees have equal structure."""

    __slots__ = ("kind", "meta", "children", "size", "_paths")

    def __init__(self, kind: Any, meta: Any, children: tuple[Tree, ...]):
        self.kind = kind
        self.meta = meta
        self.children = children
        self.size = 1 if kind is _LEAF else sum([child.size for child in children])
        self._paths: tuple[str, ...] | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tree) and (self.kind, self.meta, self.children) == (
            other.kind,
            other.meta,
            other.children,
        )

    def __hash__(self) -> int:
        return hash((self.kind, self.meta, self.children))

    def __repr__(self) -> str:
        return f"Tree({self.unflatten(['*'] * self.size)!r})"

    @property
    def paths(self) -> tuple[str, ...]:
        """A name for each leaf: ``W1``, ``layers.0.b``; ``""`` for a tree that is one leaf."""
        if self._paths is None:
            self._paths = tuple([""] if self is LEAF else _paths(self, "", []))
        return self._paths

    def takes(self, value: Any, leaves: list[Any]) -> bool:
        """Append the leaves of a value that has this structure, if it has; what stands for a leaf is not looked at."""
        kind, meta = self.kind, self.meta
        if kind is _LEAF:
            leaves.append(value)
            return True
        if kind is _NONE:
            return value is None
        if type(value) is not kind:
            return False
        if kind is tuple or kind is list:
            parts: Any = value
            if len(parts) != meta:
                return False
        elif issubclass(kind, dict):
            if tuple(value) != meta:
                return False
            parts = value.values()
        elif issubclass(kind, tuple):
            parts = value
        else:
            parts = [getattr(value, name) for name in meta]
        for child, part in zip(self.children, parts, strict=True):
            if child is LEAF:
                leaves.append(part)
            elif not child.takes(part, leaves):
                return False
        return True

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """Put `leaves` back into this structure."""
        if self is LEAF:
            return next(iter(leaves))
        return _build(self, iter(leaves))


LEAF = Tree(_LEAF, None, ())


_NUMBERS = frozenset((np.ndarray, np.float64, float, int))
"""Leaves, and most of them."""


def _parts(value: Any) -> tuple[Any, Any, list[Any]] | None:
    """(kind, meta, children) of a nest, or None for a leaf."""
    kind = type(value)
    if kind in _NUMBERS:
        return None
    if kind is dict:
        return dict, tuple(value), list(value.values())
    if kind is list or kind is tuple:
        return kind, len(value), list(value)
    if value is None:
        return _NONE, None, []
    if isinstance(value, tuple) and hasattr(kind, "_fields") and not hasattr(kind, "__leaf__"):
        return kind, kind._fields, list(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = tuple(field.name for field in dataclasses.fields(value))
        return kind, names, [getattr(value, name) for name in names]
    if isinstance(value, dict):
        return kind, tuple(value), list(value.values())
    return None


def flatten(value: Any) -> tuple[list[Any], Tree]:
    """Take a pytree apart: its leaves from left to right, and its structure."""
    leaves: list[Any] = []
    try:
        return leaves, _flatten(value, leaves)
    except RecursionError:
        raise PytreeError(f"this {type(value).__name__} is nested too deeply, or contains itself") from None


def _flatten(value: Any, leaves: list[Any]) -> Tree:
    parts = _parts(value)
    if parts is None:
        leaves.append(value)
        return LEAF
    kind, meta, children = parts
    trees = []
    for child in children:
        if child.__class__ in _NUMBERS:  # most of them, without a call for each
            leaves.append(child)
            trees.append(LEAF)
        else:
            trees.append(_flatten(child, leaves))
    return Tree(kind, meta, tuple(trees))


def _build(tree: Tree, leaves: Any) -> Any:
    kind = tree.kind
    if kind is _LEAF:
        return next(leaves)
    if kind is _NONE:
        return None
    children = [next(leaves) if child is LEAF else _build(child, leaves) for child in tree.children]
    if kind is dict:
        return dict(zip(tree.meta, children, strict=True))
    if kind is list:
        return children
    if kind is tuple:
        return tuple(children)
    if dataclasses.is_dataclass(kind):
        # __init__ may compute or refuse; a rebuilt nest only carries other leaves, so set the fields directly.
        new = object.__new__(cast(type, kind))
        for name, child in zip(tree.meta, children, strict=True):
            object.__setattr__(new, name, child)
        return new
    if issubclass(kind, tuple):
        return kind._make(children)  # type: ignore[attr-defined]
    new = kind.__new__(kind)  # a dict's subclass may want something else than pairs (defaultdict)
    new.update(dict(zip(tree.meta, children, strict=True)))
    return new


def _paths(tree: Tree, prefix: str, found: list[str]) -> list[str]:
    names = range(len(tree.children)) if isinstance(tree.meta, int) or tree.meta is None else tree.meta
    for name, child in zip(names, tree.children, strict=True):
        path = f"{prefix}.{name}" if prefix else str(name)
        if child is LEAF:
            found.append(path)
        else:
            _paths(child, path, found)
    return found


def leaves_of(value: Any) -> list[Any]:
    """The leaves of a pytree, from left to right."""
    return flatten(value)[0]


def tree_map(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """Apply `function` leaf by leaf; the other pytrees must have the structure of the first.

    >>> tree_map(lambda w, g: w - 0.5 * g, {"W": 1.0}, {"W": 2.0})
    {'W': 0.0}
    """
    leaves, structure = flatten(tree)
    columns = [leaves]
    for other in others:
        more, other_structure = flatten(other)
        if other_structure != structure:
            raise PytreeError(f"pytrees differ in structure:\n  {structure!r}\n  {other_structure!r}")
        columns.append(more)
    return structure.unflatten([function(*row) for row in zip(*columns, strict=True)])
