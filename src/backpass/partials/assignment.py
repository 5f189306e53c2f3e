"""Assignment: ``x[key] = v`` and NumPy's functions that write into an array, as operations that give the new array.

The handle of x then stands for the new array, and so does every view of it: ``graph/memory.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass.graph import messages
from backpass.graph.aval import Aval, aval_of
from backpass.graph.buffer import plain
from backpass.graph.memory import base_of, check_swap, entry_key, own_copy, write, write_entry
from backpass.graph.op import PACKED
from backpass.graph.traced import is_array

from .arithmetic import ANY
from .declare import (
    Kind,
    Op,
    Traced,
    as_array,
    declare,
    dtype_of,
    is_staged,
    normal_axis,
    rule_for,
    shape_of,
    value_of,
    writes,
)
from .indexing import GATHER, Key, _filled, _split_key, shape_after


def _writable(x: Any) -> np.ndarray:
    return own_copy(x) if isinstance(x, np.ndarray) else np.array(x)


def _checked_kind(x: Any, value: Any) -> None:
    if dtype_of(value).kind == "c" and dtype_of(x).kind != "c":
        raise TypeError(f"a complex value does not fit into an array of {dtype_of(x)}")


def _setitem(x: Any, *values: Any, keys: tuple[Key, ...]) -> Any:
    out = _writable(x)
    for key, value in zip(keys, values, strict=True):
        _checked_kind(x, value)
        out[key] = value
    return out


def _setitem_aval(x: Aval, *values: Aval, keys: tuple[Key, ...]) -> Aval:
    for key, value in zip(keys, values, strict=True):
        _checked_kind(x, value)
        _checked_fit(value.shape, shape_after(x.shape, key))
    return Aval(x.shape, x.dtype)


def _checked_fit(have: tuple[int, ...], want: tuple[int, ...]) -> None:
    if len(have) > len(want) or np.broadcast_shapes(have, want) != want:
        raise ValueError(f"could not broadcast input array from shape {have} into shape {want}")


def _setitem_adjoint(g: Any, out: Any, x: Any, *values: Any, keys: tuple[Key, ...], i: int) -> Any:
    # What was written over had no part in the result; what was written is where it was put.
    if i:
        return g[keys[i - 1]]
    return SETITEM(g, *[dtype_of(g).type(0)] * len(keys), keys=keys)


SETITEM = declare(
    Op(
        name="setitem",
        kind=Kind.LINEAR,
        run=_setitem,
        aval=_setitem_aval,
        adjoints=(_setitem_adjoint,),
        variadic=True,
        joint=True,
        selects=True,
        notation="write({*})",
        domain=ANY,
        doc="x with other values at basic indices, one key for each value; no two keys meet.",
    )
)


def _put(x: Any, v: Any, *indices: Any, key: Key) -> Any:
    _checked_kind(x, v)
    out = _writable(x)
    out[_filled(key, indices)] = v
    return out


def _put_aval(x: Aval, v: Aval, *indices: Aval, key: Key) -> Aval:
    _checked_kind(x, v)
    stand_ins = tuple(np.broadcast_to(np.zeros((), np.intp), i.shape) for i in indices)
    _checked_fit(v.shape, shape_after(x.shape, _filled(key, stand_ins)))
    return Aval(x.shape, x.dtype)


def _put_over(g: Any, out: Any, x: Any, v: Any, *indices: Any, key: Key) -> Any:
    return PUT(g, dtype_of(g).type(0), *indices, key=key)


def _put_value(g: Any, out: Any, x: Any, v: Any, *indices: Any, key: Key) -> Any:
    back = GATHER(g, *indices, key=key)
    last = WRITTEN_LAST(*indices, shape=shape_of(x), key=key)
    if type(last) is not Traced and last.all():
        return back
    return np.where(last, back, dtype_of(g).type(0))


PUT = declare(
    Op(
        name="put",
        kind=Kind.LINEAR,
        run=_put,
        aval=_put_aval,
        adjoints=(_put_over, _put_value),
        joint=True,
        selects=True,
        notation="write({*})",
        domain=ANY,
        doc="x with other values at integer indices, which are arguments; of several for one place the last counts.",
    )
)


def _add_at(x: Any, v: Any, *indices: Any, key: Key) -> Any:
    _checked_kind(x, v)
    out = _writable(x)
    np.add.at(out, _filled(key, indices), v)
    return out


ADD_AT = declare(
    Op(
        name="add_at",
        kind=Kind.LINEAR,
        run=_add_at,
        aval=_put_aval,
        adjoints=(
            lambda g, out, x, v, *indices, key: g,
            lambda g, out, x, v, *indices, key: GATHER(g, *indices, key=key) if indices else g[key],
        ),
        joint=True,
        selects=True,
        notation="{0} + scatter({1})",
        domain=ANY,
        doc="x with values added at indices, to one place as often as it occurs: ``np.add.at``.",
    )
)


def _written_last(*indices: Any, shape: tuple[int, ...], key: Key) -> Any:
    number = np.empty(shape, np.intp)
    places = _filled(key, indices)
    count = np.arange(number[places].size).reshape(number[places].shape)
    number[places] = count
    return np.asarray(number[places] == count)


WRITTEN_LAST = declare(
    Op(
        name="written_last",
        kind=Kind.DISCRETE,
        run=_written_last,
        aval=lambda *indices, shape, key: Aval(
            shape_after(shape, _filled(key, tuple(np.zeros(i.shape, np.intp) for i in indices))), np.dtype(bool)
        ),
        notation="last({*})",
        domain=ANY,
        doc="Which of the entries at integer indices is the last one for its place.",
    )
)


# ---- x[key] = value
@rule_for("setitem")
def setitem(x, key, value):
    if not shape_of(x) and x.kin is None and not is_array(x.node):
        raise TypeError(f"{messages.described(x)} is a number and does not take an assignment\n{messages.place()}")
    if type(value) is Traced and base_of(value) is not None and _is_same(x, value, key):
        return None  # x[key] += y puts the view back where it is
    check_swap(x, value)
    value = _stored(value, dtype_of(x))
    if (found := entry_key(x, key)) is not None:
        root, where = found
        shape = shape_of(root)[len(where) :]
        if shape_of(value) != shape:
            value = _fitting(value, shape)
        if type(value) is Traced:
            value = (value if shape or not is_array(value.node) else value[()]).node
        elif not shape:
            value = value[()]
        return write_entry(root, where, value)
    mask = _as_mask(x, key)
    if mask is not None:
        value = _stripped(value, len(shape_of(x)) - len(shape_of(mask)))
        if len(shape_of(value)) <= len(shape_of(x)) - len(shape_of(mask)):
            return write(x, np.where(_over_rows(mask, x), value, x))
        if is_staged(mask):
            raise messages.shape_depends_on_values("x[mask] = values, one for each True,", mask)
        key = value_of(mask)
    target, template, arrays = _split_key(x, key)
    if not arrays:
        value = _stripped(value, len(shape_after(shape_of(target), template)))
        return write(target, SETITEM(target, value, keys=(template,)))
    stand_ins = tuple(np.zeros(shape_of(i), np.intp) for i in arrays)
    value = _stripped(value, len(shape_after(shape_of(target), _filled(template, stand_ins))))
    return write(target, PUT(target, value, *arrays, key=template))


def _stored(value: Any, dtype: np.dtype) -> Any:
    """The value as the array holds it: with the array's dtype, by NumPy's own casting of assignments."""
    value = as_array(value)
    if type(value) is Traced:
        if dtype_of(value).kind == "c" and dtype.kind != "c":
            raise messages.DtypeError(f"cannot store {messages.described(value)} in {dtype}\n{messages.place()}")
        known = value.node.value
        weak = known.weak if type(known) is Aval else type(known) in (int, float)
        return value.astype(dtype) if value.dtype != dtype or weak else value
    if isinstance(value, np.ndarray) and value.dtype == dtype:
        return value
    stored = np.empty(shape_of(value), dtype)
    stored[...] = value
    return stored[()]


def _stripped(value: Any, ndim: int) -> Any:
    """Without leading axes of length 1 that the target has not."""
    shape = shape_of(value)
    while len(shape) > ndim and shape[0] == 1:
        shape = shape[1:]
    return value if shape == shape_of(value) else np.reshape(value, shape)


def _fitting(value: Any, shape: tuple[int, ...]) -> Any:
    value = _stripped(value, len(shape))
    if not shape and shape_of(value):
        raise messages.ShapeError(
            f"setting an array element with a sequence: {messages.described(value)}\n{messages.place()}"
        )
    try:
        _checked_fit(shape_of(value), shape)
    except ValueError as error:
        raise messages.ShapeError(f"{error}\n{messages.place()}") from None
    return value if shape_of(value) == shape else np.broadcast_to(value, shape)


def _as_mask(x: Any, key: Any) -> Any:
    """The key when it is one mask over the first axes of x."""
    if isinstance(key, tuple) and len(key) == 1:
        key = key[0]
    if isinstance(key, list):
        key = as_array(key)
    if not isinstance(key, (Traced, np.ndarray)) or key.dtype.kind != "b" or not key.shape:
        return None
    return key if key.shape == shape_of(x)[: len(key.shape)] else None


def _over_rows(mask: Any, x: Any) -> Any:
    return np.reshape(mask, shape_of(mask) + (1,) * (len(shape_of(x)) - len(shape_of(mask))))


def _is_same(x: Any, value: Any, key: Any) -> bool:
    """Is `value` the very view ``x[key]``?"""
    view = base_of(value)
    assert view is not None
    if view.parent is x and view.key is not None:
        return view.key == key or view.key == (key,) or view.key == _split_key(x, key)[1]
    found = entry_key(x, key)
    return found is not None and view.row is not None and view.parent is found[0] and view.row == found[1]


# What the rules of these leave in another order than NumPy does, which decides what a later reshape shares.
PACKED.update(
    (np.take, np.repeat, np.insert, np.delete, np.pad, np.vander, np.full_like, np.linalg.eigh, np.linalg.svd)
)
PACKED.update((np.linalg.qr, np.compress, np.take_along_axis, np.cross, np.linalg.cross))


# ---- NumPy's functions that write
def _places(indices: Any, size: int, mode: str) -> Any:
    """Flat indices, by `mode` of those that are out of bounds."""
    indices = np.ravel(as_array(indices))
    if mode == "wrap":
        return indices % size
    if mode == "clip":
        return np.clip(indices, 0, size - 1)
    if not is_staged(indices) and np.any((value_of(indices) < -size) | (value_of(indices) >= size)):
        raise messages.IndexingError(f"index is out of bounds for size {size}\n{messages.place()}")
    return np.where(indices < 0, indices + size, indices)


def _unravelled(places: Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    key = []
    for length in reversed(shape):
        key.append(places % length)
        places = places // length
    return tuple(reversed(key))


def _repeated(values: Any, count: int) -> Any:
    values = np.ravel(as_array(values))
    n = shape_of(values)[0]
    return values if n == count else values[np.arange(count) % n]


@writes(np.put)
def put(a, ind, v, mode="raise"):
    places = _places(ind, int(np.prod(shape_of(a), dtype=np.int64)), mode)
    if shape_of(places)[0] and shape_of(np.ravel(as_array(v)))[0]:
        a[_unravelled(places, shape_of(a))] = _repeated(v, shape_of(places)[0])


@writes(np.place)
def place(arr, mask, vals):
    if is_staged(mask):
        raise messages.shape_depends_on_values("np.place(x, mask, values)", mask)
    places = np.flatnonzero(value_of(mask))
    if places.size:
        if not shape_of(np.ravel(as_array(vals)))[0]:
            raise ValueError("Cannot insert from an empty array!")
        put(arr, places, vals)


@writes(np.putmask)
def putmask(a, mask, values):
    size = int(np.prod(shape_of(a), dtype=np.int64))
    values = np.reshape(_repeated(_stored(values, dtype_of(a)), size), shape_of(a))
    a[...] = np.where(np.reshape(as_array(mask), shape_of(a)), values, a)


@writes(np.copyto)
def copyto(dst, src, casting="same_kind", where=True):
    src = as_array(src)
    weak = aval_of(value_of(src) if not is_staged(src) else src.node.value).weak
    if not weak and not np.can_cast(dtype_of(src), dtype_of(dst), casting):  # type: ignore[arg-type]
        raise TypeError(f"Cannot cast array data from {dtype_of(src)} to {dtype_of(dst)} according to {casting!r}")
    dst[...] = src if where is True else np.where(where, _stored(src, dtype_of(dst)), dst)


@writes(np.fill_diagonal)
def fill_diagonal(a, val, wrap=False):
    shape = shape_of(a)
    if len(shape) < 2:
        raise ValueError("array must be at least 2-d")
    size = int(np.prod(shape, dtype=np.int64))
    end = size
    if len(shape) == 2:
        step = shape[1] + 1
        if not wrap:
            end = min(size, shape[1] * shape[1])
    else:
        if any(n != shape[0] for n in shape):
            raise ValueError("All dimensions of input must be of equal length")
        step = 1 + int(np.cumprod(shape[:-1]).sum())
    put(a, np.arange(0, end, step), val)


@writes(np.put_along_axis)
def put_along_axis(arr, indices, values, axis=-1):
    ndim = len(shape_of(arr))
    if axis is None:
        return put(arr, indices, np.broadcast_to(as_array(values), shape_of(indices)))
    axis = normal_axis(axis, ndim)
    grid = [
        indices if k == axis else np.arange(n).reshape(tuple(-1 if j == k else 1 for j in range(ndim)))
        for k, n in enumerate(shape_of(arr))
    ]
    arr[tuple(grid)] = values
    return None


def write_at(ufunc: Any, a: Any, indices: Any, b: Any) -> None:
    """``ufunc.at(a, indices, b)``: in place, and once for every time that an index occurs."""
    if dtype_of(a).kind not in "fc" and b is not None and dtype_of(b).kind in "fc":
        # NumPy cuts to a whole number each time it adds one. These are constants.
        if is_staged(a) or is_staged(b):
            raise messages.value_unknown(b, f"np.{ufunc.__name__}.at into whole numbers")
        changed = np.array(value_of(a))
        ufunc.at(changed, plain(indices), value_of(b))
        a[...] = changed
        return
    if ufunc in (np.add, np.subtract):
        target, template, arrays = _split_key(a, indices)
        b = _stored(b, dtype_of(a))
        write(target, ADD_AT(target, -b if ufunc is np.subtract else b, *arrays, key=template))
        return
    target, template, arrays = _split_key(a, indices)
    if any(is_staged(i) for i in arrays):
        raise messages.option_refused(
            f"np.{ufunc.__name__}.at",
            "indices",
            "One place may occur several times, which a graph cannot know; np.add.at and np.subtract.at do not mind.",
        )
    if not arrays:
        _apply(ufunc, a, indices, b)
        return
    shape = shape_of(target)
    number = np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)
    places = number[_filled(template, tuple(map(value_of, arrays)))]
    turns = _turns(places.ravel())
    if not np.any(turns):
        _apply(ufunc, a, indices, b)
        return
    if b is not None:
        b = np.ravel(np.broadcast_to(as_array(b), places.shape))
    for turn in range(turns.max() + 1):
        now = turns == turn
        _apply(ufunc, target, np.unravel_index(places.ravel()[now], shape), b if b is None else b[now])


def _apply(ufunc: Any, a: Any, key: Any, b: Any) -> None:
    result = ufunc(a[key]) if b is None else ufunc(a[key], b)
    if not np.can_cast(dtype_of(result), dtype_of(a), "same_kind"):
        raise messages.out_cast(f"np.{ufunc.__name__}.at", dtype_of(result), dtype_of(a), "same_kind")
    a[key] = result


def _turns(places: np.ndarray) -> np.ndarray:
    """For each of these places how often it occurred before."""
    order = np.argsort(places, kind="stable")
    sorted_ = places[order]
    first = np.flatnonzero(np.r_[True, sorted_[1:] != sorted_[:-1]]) if places.size else np.zeros(0, np.intp)
    turns = np.empty(places.size, np.intp)
    turns[order] = np.arange(places.size) - np.repeat(first, np.diff(np.r_[first, places.size]))
    return turns


__all__ = ["PUT", "SETITEM", "WRITTEN_LAST", "write_at"]
