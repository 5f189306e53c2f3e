"""Plain arrays that take part in a trace are kept as they were: a trace reads them again when it goes backwards.

Code that reuses a buffer is ordinary NumPy. Without a copy every step below would see the buffer's last content:

>>> import numpy as np, backpass as bp
>>> def f(x):
...     buffer, total = np.empty(2), 0.0
...     for k in (1.0, 2.0):
...         buffer[:] = k
...         total += np.sum(x * buffer)
...     return total
>>> bp.grad(f)(np.zeros(2))
array([3., 3.])

A small array is always copied. A large one is copied where the code that uses it, or a caller of that code, can write
into arrays at all; that is read from its bytecode. (A large buffer that is filled only by a function called in between
is not seen.)
"""

from __future__ import annotations

import dis
from types import CodeType

import numpy as np
from numpy.lib.array_utils import byte_bounds

from .origin import Adjoint, Origin, state

SMALL = 4096
"""Bytes: copying less costs no more than finding out whether one must."""

_WRITES = ("STORE_SUBSCR", "STORE_SLICE", "DELETE_SUBSCR")
_WRITERS = frozenset(
    "at copyto fill fill_diagonal itemset out partition place put put_along_axis putmask resize shuffle sort".split()  # noqa: SIM905
)


def kept(array: np.ndarray, origin: Origin) -> np.ndarray:
    """The array, or a copy of it when it might change before the trace is done."""
    if not array.flags.writeable and array.base is None:
        return array
    if type(origin.note) is Adjoint:
        return array  # a derivative rule made it
    if array.nbytes <= SMALL:
        return array.copy(order="K")
    return _shared_copy(array) if may_write(origin) else array


def _shared_copy(array: np.ndarray) -> np.ndarray:
    """One copy serves as long as the array has not changed, so that reading it in a loop does not fill the memory."""
    held = state.kept.get(id(array))
    if held is None or held[0] is not array or not np.array_equal(held[1], array, equal_nan=array.dtype.kind in "fc"):
        held = state.kept[id(array)] = array, array.copy(order="K")
    return held[1]


def copied(array: np.ndarray) -> np.ndarray:
    """A copy with the very strides of the array, since sums and products round by them."""
    if array.flags.c_contiguous or array.flags.f_contiguous:
        return array.copy(order="K")
    low, high = byte_bounds(array)
    if high - low > 4 * array.nbytes:
        return array.copy(order="K")  # a few entries of something large
    start = array.__array_interface__["data"][0] - low
    copy = np.ndarray(array.shape, array.dtype, np.empty(high - low, np.uint8), start, array.strides)
    copy[...] = array
    return copy


def may_write(origin: Origin | None) -> bool:
    """Can the code of this place, or a caller's, change an array in place?"""
    while origin is not None:
        if origin.code is not None and _writes(origin.code):
            return True
        origin = origin.parent
    return False


_known: dict[int, tuple[CodeType, bool]] = {}


def _writes(code: CodeType) -> bool:
    known = _known.get(id(code))
    if known is None:
        writes = bool(_WRITERS.intersection(code.co_names)) or any(
            isinstance(names, tuple) and "out" in names for names in code.co_consts
        )
        writes = writes or any(
            i.opname in _WRITES or (i.opname == "BINARY_OP" and i.argrepr.endswith("="))
            for i in dis.get_instructions(code)
        )
        known = _known[id(code)] = code, writes
    return known[1]
