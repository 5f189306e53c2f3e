"""What shares memory: a slice writes through to its array, and sees what is written there, as in NumPy.

A traced value never changes, so ``x[i] = v`` moves the handle of x on to a new node, and all handles that stand for the
same memory must see it. The handle of an array that owns its memory is the *root* of a family; a view knows its parent,
how to be taken from it and how to be put back. To write into a view is to put the new content back into the parent, up
to the root. After that every view of the family is stale: its node is taken away, and whoever asks for it next has it
derived from the parent again. A handle that is never written to pays for none of this.

>>> import numpy as np, backpass as bp
>>> def f(x):
...     y = x * 1.0
...     row = y[0]
...     y[:, 1] = x[:, 0] ** 2
...     row *= 2.0
...     return np.sum(y)
>>> bp.grad(f)(np.array([[3.0, 1.0], [5.0, 1.0]]))
array([[14.,  0.],
       [11.,  0.]])

Writes to single entries wait until somebody reads the whole, so that filling n entries one by one is linear in n.
"""

from __future__ import annotations

import dis
import sys
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from . import messages
from .aval import Aval, aval_of
from .kept import copied
from .op import OPS, Op
from .origin import Origin, forced_origin, here, state

Key = tuple[int, ...]


class View:
    """How a handle was taken from another one: by an operation that shares memory."""

    __slots__ = ("parent", "op", "attrs", "sure", "type")

    def __init__(self, parent: Any, op: Op | None, attrs: dict[str, Any], sure: bool = True):
        self.parent = parent
        self.op = op
        self.attrs = attrs
        self.sure = sure
        """False in a staged trace where it depends on how the array will lie in memory."""
        self.type: Aval | None = None
        """Shape and dtype, once the view has been stale."""

    def derive(self) -> Any:
        """This view's handle, taken anew."""
        assert self.op is not None
        return self.op(self.parent, **self.attrs)

    def restore(self, new: Any) -> None:
        """Write this view's new content back into the parent."""
        self.op.window.restore(self.parent, new, **self.attrs)  # type: ignore[union-attr]

    def place(self, shape: tuple[int, ...], entry: Key) -> Key | None:
        """The entry of the parent that an entry of this view, which has this shape, is."""
        place = self.op.window.place  # type: ignore[union-attr]
        return place(self.parent.shape, shape, entry, **self.attrs) if place else None

    @property
    def key(self) -> tuple[Any, ...] | None:
        """The basic index, if the view is ``parent[key]``."""
        return self.attrs.get("key")

    @property
    def row(self) -> Key | None:
        """The key, when it is whole numbers alone."""
        key = self.attrs.get("key")
        return key if key is not None and all(type(k) is int and k >= 0 for k in key) else None


class OddView(View):
    """A view by more than one operation, such as a diagonal."""

    __slots__ = ("derivation", "restoration")

    def __init__(self, parent: Any, derivation: Callable[[Any], Any], restoration: Callable[[Any, Any], None]):
        super().__init__(parent, None, {})
        self.derivation = derivation
        self.restoration = restoration

    def derive(self) -> Any:
        return self.derivation(self.parent)

    def restore(self, new: Any) -> None:
        self.restoration(self.parent, new)

    def place(self, shape: tuple[int, ...], entry: Key) -> Key | None:
        return None


class Doubt(View):
    """What was a view for some memory orders only, after a write: nobody can tell what it holds."""

    __slots__ = ()

    def derive(self) -> Any:
        raise messages.maybe_view()

    def restore(self, new: Any) -> None:
        raise messages.maybe_view()


class Memory:
    """What a root knows of its family: the views, and the entries that were written since its node was made."""

    __slots__ = ("views", "room", "under", "pending", "length", "origin", "captured")

    def __init__(self) -> None:
        self.views: list[weakref.ref[Any]] = []
        self.room = 16
        self.under: Any = None
        """The node below the pending writes."""
        self.pending: dict[Key, Any] | None = None
        """Entry (or row, by its first `length` indices) → the node or plain value that it holds now."""
        self.length = 0
        self.origin: Origin | None = None
        self.captured: Any = None
        """Of a buffer: not None when a trace has read its content, which then must not change."""


def base_of(handle: Any) -> View | None:
    """How the handle is a view; None for a root."""
    kin = handle.kin
    return kin if isinstance(kin, View) else None


def root_of(handle: Any) -> Any:
    while isinstance(handle.kin, View):
        handle = handle.kin.parent
    return handle


def memory_of(root: Any) -> Memory:
    if root.kin is None:
        root.kin = Memory()
    return root.kin


def shared(handle: Any, view: View) -> Any:
    """Enter `handle` as a view."""
    handle.kin = view
    root = view.parent
    kin = root.kin
    while isinstance(kin, View):
        root = kin.parent
        kin = root.kin
    memory = Memory() if kin is None else kin
    root.kin = memory
    if len(memory.views) >= memory.room:
        memory.views = [reference for reference in memory.views if reference() is not None]
        memory.room = 2 * len(memory.views) + 16
    memory.views.append(weakref.ref(handle))
    return handle


def made_stale(root: Any, written: Key | None = None) -> None:
    """Take away the nodes of the root's views, but for rows that a write to one entry does not touch."""
    memory = root.kin
    if memory is None:
        return
    for reference in memory.views:
        handle = reference()
        if handle is None:
            continue
        view = handle.kin
        if not isinstance(view, View):
            continue  # it has gone its own way
        if (
            written is not None
            and view.row is not None
            and view.parent is root
            and len(view.row) == len(written)
            and view.row != written
        ):
            continue
        take_away(handle)
        if not _surely(handle, root):
            _doubted(handle)


def take_away(handle: Any) -> None:
    try:
        node = object.__getattribute__(handle, "node")
    except AttributeError:
        return  # stale already
    handle.kin.type = aval_of(getattr(node, "value", node))
    del handle.node


def _surely(handle: Any, ancestor: Any) -> bool:
    """Does the view share memory with this ancestor, whatever the memory order will be?"""
    while handle is not ancestor and isinstance(handle.kin, View):
        if not handle.kin.sure:
            return False
        handle = handle.kin.parent
    return True


def _doubted(handle: Any) -> None:
    view = handle.kin
    handle.kin = Doubt(view.parent, None, {}, False)
    handle.kin.type = view.type


def derived(handle: Any) -> Any:
    """The node of a handle that has none: pending writes are carried out, a stale view is taken anew."""
    kin = handle.kin
    if isinstance(kin, View):
        handle.node = kin.derive().node
    elif kin is not None and kin.pending is not None:
        _flush(handle, kin)
    else:
        raise messages.maybe_view()
    return handle.node


def type_of(handle: Any) -> Any:
    """The value or type of a handle with relatives, for its shape and dtype: these need no write carried out."""
    kin = handle.kin
    if isinstance(kin, View):
        return handle.node.value if kin.type is None else kin.type
    if kin is not None and kin.pending is not None:
        return kin.under.value
    return handle.node.value


# ---- writing
def write(handle: Any, new: Any) -> None:
    """The whole content of `handle` becomes `new`, a traced value of its shape and dtype that nobody else holds."""
    view = base_of(handle)
    if view is None:
        _settle(handle, new.node)
    elif view.sure:
        view.restore(new)
    else:
        _part(handle, new.node)


def _settle(root: Any, node: Any) -> None:
    value, old = node.value, root.node.value
    if type(value) is Aval:
        if value.weak:
            node.value = value._replace(weak=False)
        state.layouts[node.index] = state.layouts.get(root.node.index, root.node)
    else:
        if not isinstance(value, np.ndarray):
            node.value = value = np.asarray(value)  # NumPy keeps an array without axes, so it stays one
        if isinstance(old, np.ndarray) and value.strides != old.strides:
            # Strides decide whether a later reshape is a view, and how sums round.
            node.value = copy = own_copy(old)
            copy[...] = value
    root.node = node
    made_stale(root)


def own_copy(array: np.ndarray) -> np.ndarray:
    """A copy that can be written to, with the array's strides; one number stretched over a shape becomes an array."""
    if any(step == 0 and n > 1 for step, n in zip(array.strides, array.shape, strict=True)):
        return array.copy()
    return copied(array)


def _part(handle: Any, node: Any) -> None:
    """Written to a view that may share memory or not: it goes its own way, and nobody may look at the others."""
    root = root_of(handle)
    if root.kin.pending is not None:
        _flush(root, root.kin)
    heirs = []
    for reference in root.kin.views:
        other = reference()
        if other is not None and other is not handle and isinstance(other.kin, View):
            if _descends(other, handle):
                heirs.append(reference)
                continue
            take_away(other)
            _doubted(other)
    old = handle.node
    handle.kin = Memory()
    handle.kin.views = heirs
    handle.node = old
    _settle(handle, node)
    root.kin = Memory()
    del root.node


def _descends(handle: Any, ancestor: Any) -> bool:
    while isinstance(handle.kin, View):
        handle = handle.kin.parent
        if handle is ancestor:
            return True
    return False


_STORES = frozenset(dis.opmap[name] for name in ("STORE_SUBSCR", "STORE_SLICE") if name in dis.opmap)


def check_swap(x: Any, value: Any) -> None:
    """Refuse ``x[i], x[j] = x[j], x[i]`` of rows when it is not Python code that says so.

    In Python both rows are views, and the second is stored as it was overwritten: NumPy's own semantics, and ours.
    Compiled code such as rng.shuffle means what it says; of plain arrays it copies the rows.
    """
    if not isinstance(base_of(value) if hasattr(type(value), "kin") else None, View):
        return
    try:
        object.__getattribute__(value, "node")
    except AttributeError:  # it was written over since it was taken
        if root_of(value) is root_of(x):
            frame = sys._getframe(1)
            while frame.f_code.co_name in ("setitem", "__setitem__") and frame.f_back is not None:
                frame = frame.f_back
            if frame.f_code.co_code[frame.f_lasti] not in _STORES:
                raise messages.swapped_by_code(x) from None


# ---- single entries
def entry_key(handle: Any, key: Any) -> tuple[Any, Key] | None:
    """(root, key) of an entry or row of the root that whole numbers `key` stand for; None when it is no such thing."""
    parts = key if type(key) is tuple else (key,)
    shape = handle.shape
    if not parts or len(parts) > len(shape):
        return None
    places = []
    for part, length in zip(parts, shape, strict=False):
        if type(part) is not int:
            if not isinstance(part, np.integer):
                return None
            part = int(part)
        if not -length <= part < length:
            return None
        places.append(part if part >= 0 else part + length)
    where = tuple(places)
    while (view := base_of(handle)) is not None:
        if not view.sure:
            return None
        row = view.row
        if row is not None:
            where = row + where
        else:
            placed = view.place(handle.shape, where) if len(where) == len(handle.shape) else None
            if placed is None:
                return None
            where = placed
        handle = view.parent
    return handle, where


def write_entry(root: Any, key: Key, value: Any) -> None:
    """``root[key] = value``, of the entry's own shape and dtype: it waits until the whole is needed."""
    memory = memory_of(root)
    if memory.pending is not None and memory.length != len(key):
        _flush(root, memory)
    if memory.pending is None:
        memory.under = root.node
        memory.pending = {}
        memory.length = len(key)
        del root.node
    memory.pending[key] = value
    memory.origin = here(3)
    made_stale(root, key)


def read_entry(handle: Any, key: Any) -> Any:
    """``handle[key]`` without carrying out the writes that wait; None when that cannot be."""
    root = handle
    while isinstance(root.kin, View):
        root = root.kin.parent
    memory = root.kin
    if memory is None or memory.pending is None:
        return None
    found = entry_key(handle, key)
    if found is None:
        return None
    where = found[1]
    if len(where) != memory.length:
        return None
    under = memory.under
    axes = len(root.shape) - len(where)
    if axes > 1:
        return None  # its strides would be those of the value that was written, not of a part of the array
    if where in memory.pending:
        value = memory.pending[where]
        if type(value) is not type(under):
            if not axes:
                return value
            return None
        result = type(root)(value)
    elif under.op.name == "constant" and not axes:
        return under.value[where]
    else:
        result = OPS["slice"](type(root)(under), key=where)
        result.kin = None
    if not axes:
        return result
    return shared(result, View(root, OPS["slice"], {"key": where}))


def _flush(root: Any, memory: Memory) -> None:
    pending, under, handle = memory.pending, memory.under, type(root)
    assert pending is not None
    memory.pending = memory.under = None
    values = [handle(value) if type(value) is type(under) else value for value in pending.values()]
    with forced_origin(memory.origin):
        root.node = OPS["setitem"](handle(under), *values, keys=tuple(pending)).node
