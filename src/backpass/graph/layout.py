"""How an array of a staged trace will lie in memory, where that decides whether a reshape is a view of it.

Values are not known then, but NumPy's strides follow from how an array was made: an argument lies as the one that was
given, what is created lies in C order, and most operations give C order for C order. For others it is not known.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import messages
from .aval import Aval
from .memory import View, own_copy, shared
from .op import OPS, Kind, Op
from .origin import state

_DEPTH = 64
_STRUCTURAL = frozenset(("gather", "sum", "prod", "max", "min"))


def shared_when_staged(op: Op, source: Any, attrs: dict[str, Any]) -> bool | None:
    """Is the result of `op` on the staged node `source` a view of it? None where nobody can tell."""
    if op.name != "reshape":
        return True
    have, want = source.value.shape, tuple(attrs["shape"])
    if len(have) <= 1 or source.value.size <= 1 or _proper(have) == _proper(want):
        return True
    ghost = _ghost(source, _DEPTH, {})
    return None if ghost is None else bool(np.may_share_memory(ghost, ghost.reshape(want)))


def order_of(leaf: Any) -> str:
    """How an argument lies in memory: "C", "F", or "" for neither."""
    if getattr(leaf, "ndim", 0) < 2 or not isinstance(leaf, np.ndarray):
        return "C"
    flags = leaf.flags
    return "C" if flags.c_contiguous else "F" if flags.f_contiguous else ""


def _proper(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)


def packed(handle: Any) -> Any:
    """Let the handle's value lie in C order, in memory of its own, as NumPy's function would have made it."""
    node = handle.node
    handle.kin = None
    if isinstance(node, np.ndarray):
        handle.node = node.copy()
    elif type(node.value) is Aval:
        state.layouts[node.index] = np.empty(node.value.shape, np.bool_)
    elif isinstance(node.value, np.ndarray):
        node.value = node.value.copy()
    return handle


def in_order(handle: Any, order: str) -> Any:
    """The handle itself where its value lies in this order, and a copy that does where not."""
    if not handle.shape:
        return handle
    found = ghost(handle)
    if found is not None and (found.flags.c_contiguous if order == "C" else found.flags.f_contiguous):
        return handle
    made = handle.copy(order=order)
    return made if found is not None else shared(made, View(handle, OPS["alias"], {"order": order}, sure=False))


def contiguous(node: Any) -> bool | None:
    """Does the node's value lie in one piece, in C order? None where nobody can tell."""
    ghost = _ghost(node, _DEPTH, {})
    return None if ghost is None else ghost.flags.c_contiguous


def ghost(handle: Any) -> np.ndarray | None:
    """An array that lies in memory as this handle's value, or this plain array, does; None where nobody can tell."""
    node = getattr(handle, "node", handle)
    return _ghost(node, _DEPTH, {}) if hasattr(node, "op") else np.asarray(node)


def lying(handle: Any) -> np.ndarray:
    """The same array, or an error in a staged trace that does not know it."""
    found = ghost(handle)
    if found is None:
        raise messages.value_unknown(handle, "how it lies in memory")
    return found


def strides_of(handle: Any) -> tuple[int, ...]:
    """The strides in bytes; an error in a staged trace that does not know them."""
    found = lying(handle)
    scale = handle.dtype.itemsize // found.itemsize
    return tuple(step * scale for step in found.strides)


def _ghost(node: Any, depth: int, seen: dict[int, np.ndarray | None]) -> np.ndarray | None:
    """An array with the strides that the node's value will have (in entries); None when they are not known.

    `seen` holds those found so far: a value that is read twice at each of many steps has very many paths to it.
    """
    node = state.layouts.get(getattr(node, "index", -1), node)
    if not hasattr(node, "op"):
        return node if isinstance(node, np.ndarray) else np.zeros((), np.bool_)
    if node.index not in seen:
        seen[node.index] = _ghost_of(node, depth, seen)
    return seen[node.index]


def _ghost_of(node: Any, depth: int, seen: dict[int, np.ndarray | None]) -> np.ndarray | None:
    name = node.op.name
    if type(node.value) is not Aval:
        return np.asarray(node.value)
    shape = node.value.shape
    if name == "input":
        order = (node.attrs or {}).get("order")
        return np.empty(shape, np.bool_, order=order) if order else None
    if not depth or name == "einsum":
        return None
    if node.op.window is not None or name in _STRUCTURAL:
        inner = _ghost(node.inputs[0], depth - 1, seen)
        rest = [np.zeros(i.value.shape if hasattr(i, "value") else np.shape(i), np.intp) for i in node.inputs[1:]]
        return None if inner is None else node.op.run(inner, *rest, **(node.attrs or {}))
    if name == "alias":
        inner = _ghost(node.inputs[0], depth - 1, seen)
        order = (node.attrs or {}).get("order")
        if order in ("C", "F"):
            return np.empty(shape, np.bool_, order=order)
        return inner.copy(order=order) if inner is not None and order else inner
    if name in ("setitem", "put", "add_at"):
        inner = _ghost(node.inputs[0], depth - 1, seen)
        return inner if inner is None or inner.flags.c_contiguous else own_copy(inner)
    if node.op.kind in (Kind.POINTWISE, Kind.DISCRETE) or name in ("where", "cast", "concatenate"):
        parts = [_ghost(part, depth - 1, seen) for part in node.inputs]
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        if name == "concatenate":
            return np.concatenate(known, **node.attrs)
        if np.broadcast_shapes(*[part.shape for part in known]) != shape:
            return None
        return np.nditer([*known, None], ["zerosize_ok"], order="K").operands[-1]  # allocates as a ufunc does
    return np.empty(shape, np.bool_) if name == "matmul" or len(shape) <= 1 else None
