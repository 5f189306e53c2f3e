"""``x.shape = s`` and ``x.resize(s)``: the handle itself takes another shape, under all its names.

>>> import numpy as np, backpass as bp
>>> def f(x):
...     y = x * 2.0
...     row = y[:2]
...     y.shape = (2, 2)
...     row[0] = x[3]
...     return y[0, 0] * y[1, 1]
>>> bp.grad(f)(np.array([1.0, 2.0, 3.0, 4.0]))
array([ 0.,  0.,  0., 16.])
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .memory import View, base_of, shared
from .op import FUNCTIONS


def reshaped(handle: Any, shape: Any) -> None:
    """The handle becomes a view of what it was, by another handle to which its own views pass."""
    before = type(handle)(handle.node)
    before.kin = handle.kin
    view = FUNCTIONS[np.reshape](before, shape)
    if view is not before and base_of(view) is None:
        raise AttributeError("Incompatible shape for in-place modification. Use `.reshape()` to make a copy.")
    if view is before or view.shape == handle.shape:
        return
    for reference in _views(before):
        other = reference()
        if other is not None and isinstance(other.kin, View) and other.kin.parent is handle:
            other.kin.parent = before
    kin = before.kin
    if isinstance(kin, View):
        shared(before, kin)
    handle.node = view.node
    shared(handle, view.kin)


def _views(handle: Any) -> list[Any]:
    while isinstance(handle.kin, View):
        handle = handle.kin.parent
    return handle.kin.views if handle.kin is not None else []


def resized(handle: Any, shape: Any) -> None:
    """The entries in the order of memory fill the new shape; what is left of it is 0."""
    shape = (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(map(int, shape))
    if base_of(handle) is not None:
        raise ValueError("cannot resize this array: it does not own its data")
    if any(reference() is not None for reference in _views(handle)):
        raise ValueError("cannot resize an array that references or is referenced by another array in this way.")
    node, size = handle.node, int(np.prod(shape, dtype=np.int64))
    order = _order(handle)
    flat = FUNCTIONS[np.ravel](type(handle)(node), order=order)[:size].copy()
    missing = size - flat.shape[0]
    if missing:
        flat = FUNCTIONS[np.concatenate]([flat, np.zeros(missing, handle.dtype)])
    handle.kin = None
    handle.node = FUNCTIONS[np.reshape](flat, shape, order=order).node


def _order(handle: Any) -> str:
    from .layout import lying

    flags = lying(handle).flags
    return "F" if flags.f_contiguous and not flags.c_contiguous else "C"


__all__ = ["reshaped", "resized"]
