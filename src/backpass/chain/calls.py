"""Calling a user's function on traced arguments, and unwrapping what comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from backpass.graph import messages
from backpass.graph.aval import Aval
from backpass.graph.errors import DtypeError
from backpass.graph.op import OPS
from backpass.graph.origin import state
from backpass.graph.pytree import LEAF, Tree, flatten
from backpass.graph.traced import Node, Traced, check_plain
from backpass.graph.user import run_user
from backpass.partials.declare import dtype_of

from .backward import fresh

assert OPS  # the families are entered by importing backpass.partials (through .rules)


class Call:
    """One traced call: the function's result, and the fresh nodes of the arguments to differentiate."""

    __slots__ = ("result", "inputs", "tree", "leaves", "outer")

    inputs: list[Node]

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        argnums: int | tuple[int, ...],
        names: tuple[str, ...] | None = None,
    ):
        self.outer = state.depth > 0
        if names is None:
            names = argument_names(function)
        if argnums.__class__ is int and 0 <= argnums < len(args):  # type: ignore[operator]
            leaf = args[argnums]  # type: ignore[index]
            if leaf.__class__ is float or (leaf.__class__ is np.ndarray and leaf.dtype.kind in "fc"):
                # One array or number: nothing to take apart, and nothing to put together again.
                self.leaves, self.tree = [leaf], LEAF
                handle = fresh(leaf, names[argnums] if argnums < len(names) else f"arg{argnums}")  # type: ignore[index, operator]
                self.inputs = [handle.node]
                if len(args) == 1:
                    self.result = run_user(function, (handle,), kwargs)
                else:
                    self.result = run_user(function, (*args[:argnums], handle, *args[argnums + 1 :]), kwargs)  # type: ignore[misc, operator]
                return
        one = not isinstance(argnums, tuple)
        places = _positions((argnums,) if one else argnums, len(args))
        chosen = [args[k] for k in places]
        self.leaves, self.tree = flatten(chosen[0] if one else tuple(chosen))
        of = [names[k] if k < len(names) else f"arg{k}" for k in places]
        paths = _paths(of, [self.tree] if one else self.tree.children)
        handles = [fresh(_number(leaf, path), path) for leaf, path in zip(self.leaves, paths, strict=True)]
        self.inputs = [h.node for h in handles]
        rebuilt = self.tree.unflatten(handles)
        new_args = list(args)
        for position, k in enumerate(places):
            new_args[k] = rebuilt if one else rebuilt[position]
        self.result = run_user(function, tuple(new_args), kwargs)

    def gradients(self, cotangents: list[Any], seeds: list[Any]) -> Any:
        """Rebuild the arguments' pytree with cotangents in the place of leaves, each with its leaf's type."""
        if self.tree is LEAF and not seeds and cotangents[0].__class__ is np.ndarray:
            (leaf,), (c,) = self.leaves, cotangents
            if leaf.__class__ is np.ndarray and leaf.dtype is c.dtype:
                if c.dtype.kind == "c":
                    return np.conjugate(c)
                return c if c.base is None and c.flags.writeable else c.copy()
        parts = [_like(leaf, c) for leaf, c in zip(self.leaves, cotangents, strict=True)]
        return self.tree.unflatten(apart(parts, seeds))


def unwrapped(result: Any, outer: bool) -> Any:
    """Concrete values in place of handles, unless an outer trace still needs them."""
    if type(result) is Traced:
        value = result.node.value
        return result if outer or type(value) is Aval else value
    leaves, tree = flatten(result)
    if not any(type(leaf) is Traced for leaf in leaves):
        return result
    return tree.unflatten([unwrapped(leaf, outer) if type(leaf) is Traced else leaf for leaf in leaves])


def apart(results: list[Any], given: list[Any]) -> list[Any]:
    """Arrays of their own: x + y passes one cotangent to both, and changing one result must not change the other."""
    taken = {id(array) for array in given}
    for k, array in enumerate(results):
        if type(array) is np.ndarray:
            if id(array) in taken or not (array.flags.owndata and array.flags.writeable):
                array = results[k] = array.copy()
            taken.add(id(array))
    return results


def _positions(argnums: tuple[int, ...], count: int) -> list[int]:
    places = []
    for k in argnums:
        if not -count <= k < count:
            raise TypeError(f"argnums={k}, but the function was called with {count} positional arguments")
        places.append(k % count)
    if len(set(places)) != len(places):
        raise ValueError(f"argnums={argnums} names an argument twice")
    return places


def argument_names(function: Callable[..., Any]) -> tuple[str, ...]:
    code = getattr(function, "__code__", None)
    return code.co_varnames[: code.co_argcount] if code is not None else ()


def _paths(names: list[str], trees: Iterable[Tree]) -> list[str]:
    paths = []
    for name, tree in zip(names, trees, strict=True):
        if tree is LEAF:
            paths.append(name)
        else:
            paths += [f"{name}.{path}" for path in tree.paths]
    return paths


def _number(leaf: Any, path: str) -> Any:
    """An argument's leaf as something that carries a derivative, or a clear refusal."""
    if leaf.__class__ is np.ndarray and leaf.dtype.kind in "fc":
        return leaf
    if type(leaf) in (float, complex) or (isinstance(leaf, (np.ndarray, np.generic)) and leaf.dtype.kind in "fc"):
        check_plain(leaf)
        return leaf
    if type(leaf) is Traced:
        if leaf.dtype.kind in "fc":
            return leaf
        raise _not_floating(path, messages.described(leaf))
    if isinstance(leaf, float):
        return float(leaf)
    if hasattr(leaf, "__array__") and not isinstance(leaf, (np.ndarray, np.generic)):
        array = np.asarray(leaf)
        if array.dtype.kind in "fc":
            return array
        raise _not_floating(path, messages.described(array))
    raise _not_floating(
        path, messages.described(leaf) if isinstance(leaf, (int, complex, np.ndarray, np.generic)) else repr(leaf)[:60]
    )


def _not_floating(path: str, what: str) -> DtypeError:
    return DtypeError(
        f"Cannot differentiate with respect to {path} = {what}: a derivative needs a floating dtype.\n"
        f"  Convert it first, for instance np.asarray({path.split('.')[0]}, dtype=float); "
        "or choose other arguments with argnums=."
    )


def _like(leaf: Any, c: Any) -> Any:
    """A gradient with its argument's own type: number for number, array for array; of a complex one ∂L/∂x + i ∂L/∂y."""
    if c.__class__ is np.ndarray and leaf.__class__ is np.ndarray and c.dtype is leaf.dtype and c.dtype.kind == "f":
        return c
    if c is None:
        if type(leaf) in (float, complex):
            return type(leaf)(0)
        zero = np.zeros(leaf.shape, leaf.dtype) if hasattr(leaf, "shape") else np.zeros(np.shape(leaf))
        return zero if isinstance(leaf, np.ndarray) or type(leaf) is Traced else zero[()]
    if dtype_of(c).kind == "c":
        c = np.conjugate(c)
    if type(c) is Traced:
        return c
    if isinstance(leaf, (float, complex)):
        return type(leaf)(c)
    return np.asarray(c, leaf.dtype) if isinstance(leaf, np.ndarray) else c


def output_nodes(result: Any) -> tuple[list[Any], Tree]:
    return flatten(result)
