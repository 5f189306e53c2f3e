"""Indexing: slices, integer and boolean index arrays, and what NumPy builds from them (flip, roll, tile, repeat, …)."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from backpass.graph import messages
from backpass.graph.aval import Aval

from .arithmetic import ANY
from .declare import (
    Traced,
    Window,
    along,
    as_array,
    bind,
    dtype_of,
    fresh,
    holds_traced,
    is_staged,
    linear,
    normal_axes,
    normal_axis,
    rule_for,
    shape_of,
    value_of,
)
from .shape import CONCATENATE

Key = tuple[Any, ...]


def shape_after(shape: tuple[int, ...], key: Key) -> tuple[int, ...]:
    # A broadcast scalar has the shape and none of the memory, so NumPy itself answers.
    return np.broadcast_to(np.zeros((), np.bool_), shape)[key].shape


def _slice_add(buffer: Any, g: Any, x: Any, key: Key) -> None:
    part = buffer[key]
    if part.__class__ is np.ndarray:
        part += g  # a view
    else:
        buffer[key] = part + g


def _entry_of_slice(whole: tuple[int, ...], part: tuple[int, ...], entry: Key, key: Key) -> Key:
    """The entry of x that ``x[key][entry]`` is."""
    at, axis = 0, 0
    out: list[Any] = []
    rest = len(whole) - sum(k is not None and k is not Ellipsis for k in key)
    parts: tuple[Any, ...] = key if Ellipsis in key else (*key, Ellipsis)
    for k in parts:
        if k is None:
            at += 1
        elif k is Ellipsis:
            out += entry[at : at + rest]
            at, axis = at + rest, axis + rest
        elif isinstance(k, slice):
            start, _, step = k.indices(whole[axis])
            out.append(start + step * entry[at])
            at, axis = at + 1, axis + 1
        else:
            out.append(k % whole[axis])
            axis += 1
    return tuple(out)


SLICE = linear(
    "slice",
    lambda x, key: x[key],
    lambda x, key: Aval(shape_after(x.shape, key), x.dtype),
    lambda g, out, x, key: UNSLICE(g, shape=shape_of(x), key=key),
    accumulate=_slice_add,
    selects=True,
    window=Window(lambda x, new, key: x.__setitem__(key, new), _entry_of_slice),
    notation="{0}[{key}]",
    domain=ANY,
    doc="Basic indexing: whole numbers, slices, new axes and an ellipsis.",
)


def section(x: Any, key: Key) -> Any:
    """``x[key]`` on the way to something else: nobody will write through it, so it need not be known as a view."""
    return bind(SLICE, (x,), {"key": key}, True) if x.__class__ is Traced else x[key]


def _unslice(g: Any, shape: tuple[int, ...], key: Key) -> Any:
    out = np.zeros(shape, dtype_of(g))
    out[key] = g
    return out


UNSLICE = linear(
    "unslice",
    _unslice,
    lambda g, shape, key: Aval(tuple(shape), g.dtype),
    lambda c, out, g, shape, key: c[key],
    notation="scatter({0})",
    domain=ANY,
    doc="Zeros with the argument at a basic index; the adjoint of slice.",
)


def _filled(key: Key, indices: tuple[Any, ...]) -> Key:
    """The key with its index arrays put back: the string "index" marks their places."""
    if len(indices) == 1 and key[-1].__class__ is str:
        return (*key[:-1], indices[0])
    arrays = iter(indices)
    return tuple([next(arrays) if part == "index" and isinstance(part, str) else part for part in key])


def _gather_aval(x: Aval, *indices: Aval, key: Key) -> Aval:
    stand_ins = tuple(np.broadcast_to(np.zeros((), np.intp), i.shape) for i in indices)
    if 0 in x.shape:
        return Aval(shape_after(x.shape, _filled(key, stand_ins)), x.dtype)
    return Aval(shape_after(x.shape, _filled(key, stand_ins)), x.dtype)


def gathered_shape(x: Aval, *indices: Aval, key: Key) -> tuple[int, ...]:
    """The shape of what a key with index arrays picks."""
    return _gather_aval(x, *indices, key=key).shape


def _gather_add(buffer: Any, g: Any, x: Any, *indices: Any, key: Key) -> None:
    np.add.at(buffer, _filled(key, indices), g)


GATHER = linear(
    "gather",
    lambda x, *indices, key: x[_filled(key, indices)],
    _gather_aval,
    lambda g, out, x, *indices, key: SCATTER_ADD(g, *indices, shape=shape_of(x), key=key),
    accumulate=_gather_add,
    selects=True,
    notation="{0}[{1}]",
    domain=ANY,
    doc="Indexing by integer arrays, which are arguments; `key` marks their places among slices.",
)


def _scatter_add(g: Any, *indices: Any, shape: tuple[int, ...], key: Key) -> Any:
    if key == ("index",) and len(shape) == 2 and np.ndim(indices[0]) == 1 and np.ndim(g) == 2 and len(indices[0]) > 64:
        return _rows_add(g, indices[0], shape)
    out = np.zeros(shape, dtype_of(g))
    np.add.at(out, _filled(key, indices), g)
    return out


def _rows_add(g: Any, index: Any, shape: tuple[int, ...]) -> Any:
    """Σ of the rows of g with equal index: one sort and a segmented sum, much faster than ``np.add.at`` on rows."""
    index = np.where(index < 0, index + shape[0], index)
    order = np.argsort(index, kind="stable")
    rows, starts = np.unique(index[order], return_index=True)
    out = np.zeros(shape, dtype_of(g))
    out[rows] = np.add.reduceat(g[order], starts, axis=0)
    return out


SCATTER_ADD = linear(
    "scatter_add",
    _scatter_add,
    lambda g, *indices, shape, key: Aval(tuple(shape), g.dtype),
    lambda c, out, g, *indices, shape, key: GATHER(c, *indices, key=key),
    notation="scatter({0})",
    domain=ANY,
    doc="Zeros, to which the entries of the argument are added at integer indices; the adjoint of gather.",
)


def _split_key(x: Any, key: Any) -> tuple[Any, Key, list[Any]]:
    """(x, template, arrays): the key in normal form, index arrays taken out (their place marked "index")."""
    parts = [_listed(p) if isinstance(p, (list, tuple)) else p for p in (key if isinstance(key, tuple) else (key,))]
    shape = shape_of(x)
    rest = len(shape) - sum(_consumed(part) for part in parts)  # what an ellipsis stands for
    template: list[Any] = []
    arrays: list[Any] = []
    truths: list[int] = []
    axis = 0
    for part in parts:
        if part is None:
            template.append(None)
        elif part is Ellipsis:
            template.append(part)
            axis += rest
        elif isinstance(part, slice):
            template.append(_plain_slice(part))
            axis += 1
        elif isinstance(part, (int, np.integer)) and not isinstance(part, bool):
            template.append(int(part))
            axis += 1
        elif type(part) is Traced and part.shape == () and part.dtype.kind in "iu" and not part.node.staged:
            template.append(int(part.node.value))
            axis += 1
        elif hasattr(part, "__index__") and not isinstance(part, (bool, np.ndarray, Traced)):
            template.append(operator.index(part))
            axis += 1
        else:
            array = part if type(part) is Traced else np.asarray(part)
            kind = array.dtype.kind
            if kind == "b" and array.shape == ():
                # A truth value is an index array of one place or none, on an axis of its own.
                truths.append(axis + len(truths))
                template.append("index")
                arrays.append(np.zeros(int(bool(array)), np.intp))
            elif kind == "b":
                found = _positions(array, shape[axis : axis + len(array.shape)], axis)
                template += ["index"] * len(found)
                arrays += found
                axis += len(found)
            elif kind in "iu":
                template.append("index")
                arrays.append(array)
                axis += 1
            else:
                what = messages.described(array) if array.dtype.kind in "fc" else repr(part)
                raise messages.IndexingError(
                    f"an index must be whole numbers, slices or a mask, not {what}\n{messages.place()}"
                )
    return (np.expand_dims(x, tuple(truths)) if truths else x), tuple(template), arrays


def _listed(part: Any) -> Any:
    array = as_array(part)
    return array if array.size else array.astype(np.intp)  # [] is no float


def _consumed(part: Any) -> int:
    """How many axes a part of a key stands for."""
    if part is None or part is Ellipsis or isinstance(part, (bool, np.bool_)):
        return 0
    if isinstance(part, (Traced, np.ndarray)) and part.dtype.kind == "b":
        return part.ndim
    return 1


def _positions(mask: Any, lengths: tuple[int, ...], axis: int) -> Any:
    if is_staged(mask):
        raise messages.shape_depends_on_values("x[mask]", mask)
    if mask.shape != lengths:
        raise messages.IndexingError(
            f"a mask of shape {mask.shape} does not fit axis {axis} and on, of lengths {lengths}\n{messages.place()}"
        )
    return np.nonzero(value_of(mask))


def _plain_slice(part: slice) -> slice:
    bounds = [None if b is None else operator.index(b) for b in (part.start, part.stop, part.step)]
    return slice(*bounds)


@rule_for("getitem")
def getitem(x, key):
    if type(key) is int:
        return bind(SLICE, (x,), {"key": (key,)})
    x, template, arrays = _split_key(x, key)
    if not arrays:
        return bind(SLICE, (x,), {"key": template})
    return GATHER(x, *arrays, key=template)


# ---- NumPy's functions
@rule_for(np.take)
def take(a, indices, axis=None, out=None, mode="raise"):
    if axis is None:
        a, axis = np.ravel(a), 0
    a, axis = along(a, axis)
    indices = indices if type(indices) is Traced else np.asarray(indices)
    if mode == "clip":
        indices = np.clip(indices, 0, shape_of(a)[axis] - 1)
    elif mode == "wrap":
        indices = indices % shape_of(a)[axis]
    return GATHER(a, indices, key=(slice(None),) * axis + ("index",))


@rule_for(np.take_along_axis)
def take_along_axis(arr, indices, axis=-1):
    if axis is None:
        arr, axis = np.ravel(arr), 0
    ndim = len(shape_of(arr))
    axis = normal_axis(axis, ndim)
    if len(shape_of(indices)) != ndim:
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    shape = shape_of(arr)
    grid = [
        indices if i == axis else np.arange(n).reshape(tuple(-1 if j == i else 1 for j in range(ndim)))
        for i, n in enumerate(shape)
    ]
    return GATHER(arr, *grid, key=("index",) * ndim)


@rule_for(np.compress)
def compress(condition, a, axis=None, out=None):
    return take(a, np.nonzero(np.asarray(condition))[0], axis)


@rule_for(np.extract)
def extract(condition, arr):
    return take(np.ravel(arr), np.nonzero(np.ravel(np.asarray(condition)))[0])


@rule_for(np.nonzero)
def nonzero(a):
    if is_staged(a):
        raise messages.shape_depends_on_values("np.nonzero(x)", a)
    return np.nonzero(a.node.value)


@rule_for(np.flatnonzero)
def flatnonzero(a):
    return nonzero(np.ravel(a))[0]


@rule_for(np.argwhere)
def argwhere(a):
    return np.transpose(nonzero(a))


_WHOLE, _REVERSED = slice(None), slice(None, None, -1)


@rule_for(np.flip)
def flip(m, axis=None):
    ndim = len(shape_of(m))
    axes = normal_axes(axis, ndim)
    if not ndim:
        return as_array(m).copy()
    return bind(SLICE, (m,), {"key": tuple([_REVERSED if i in axes else _WHOLE for i in range(ndim)])})


rule_for(np.flipud)(lambda m: flip(m, 0))
rule_for(np.fliplr)(lambda m: flip(m, 1))


@rule_for(np.rot90)
def rot90(m, k=1, axes=(0, 1)):
    if len(axes) != 2:
        raise ValueError("len(axes) must be 2.")
    k %= 4
    if k == 0:
        return m[...]
    if k == 2:
        return flip(m, axes)
    if k == 1:
        return np.swapaxes(flip(m, axes[1]), *axes)
    return flip(np.swapaxes(m, *axes), axes[1])


@rule_for(np.roll)
def roll(a, shift, axis=None):
    if axis is None:
        shape = shape_of(a)
        return roll(a, shift, 0) if len(shape) == 1 else np.reshape(roll(np.ravel(a), shift, 0), shape)
    if shift.__class__ is int and axis.__class__ is int:
        turns = [(shift, axis)]
    else:
        shifts, axes = np.broadcast_arrays(shift, axis)
        turns = list(zip(shifts.ravel().tolist(), axes.ravel().tolist(), strict=True))
    moved = False
    for s, ax in turns:
        ax = normal_axis(ax, len(shape_of(a)))
        length = shape_of(a)[ax]
        s = s % length if length else 0
        if s:
            head, moved = (_WHOLE,) * ax, True
            last = section(a, (*head, slice(length - s, None)))
            a = CONCATENATE(last, section(a, (*head, slice(None, length - s))), axis=ax)
    return a.copy() if type(a) is Traced and not moved else a


@rule_for(np.repeat)
def repeat(a, repeats, axis=None):
    if axis is None:
        a, axis = np.ravel(as_array(a)), 0
    a, axis = along(a, axis)
    return take(a, np.repeat(np.arange(shape_of(a)[axis]), repeats), axis)


@rule_for(np.tile)
def tile(A, reps):
    reps = tuple(int(r) for r in reps) if isinstance(reps, (tuple, list, np.ndarray)) else (int(reps),)
    shape = shape_of(A)
    ndim = max(len(shape), len(reps))
    shape = (1,) * (ndim - len(shape)) + shape
    reps = (1,) * (ndim - len(reps)) + reps
    paired = [n for pair in zip(reps, shape, strict=True) for n in pair]
    apart = [n for s in shape for n in (1, s)]
    while len(apart) > len(shape_of(A)) and apart[0] == 1:
        del apart[0]  # broadcasting puts axes in front by itself
    rows = A if tuple(apart) == shape_of(A) else np.reshape(A, tuple(apart))
    spread = np.broadcast_to(rows, tuple(paired))
    return fresh(np.reshape(spread, tuple(r * s for r, s in zip(reps, shape, strict=True))))


rule_for(np.tril_indices_from)(lambda arr, k=0: np.tril_indices(shape_of(arr)[-2], k, shape_of(arr)[-1]))
rule_for(np.triu_indices_from)(lambda arr, k=0: np.triu_indices(shape_of(arr)[-2], k, shape_of(arr)[-1]))


def _like(creator: Any) -> Any:
    def implementation(a, dtype=None, order="K", subok=True, shape=None, *, device=None):
        return creator(shape_of(a) if shape is None else shape, dtype or dtype_of(a))

    return implementation


rule_for(np.zeros_like)(_like(np.zeros))
rule_for(np.ones_like)(_like(np.ones))
rule_for(np.empty_like)(_like(np.zeros))


@rule_for(np.full_like)
def full_like(a, fill_value, dtype=None, order="K", subok=True, shape=None, *, device=None):
    target = shape_of(a) if shape is None else shape
    dtype = dtype_of(a) if dtype is None else dtype
    if not (isinstance(fill_value, Traced) or holds_traced(fill_value)):
        return np.full(target, fill_value, dtype)
    return np.broadcast_to(as_array(fill_value).astype(dtype), target)


def astype_if(x: Any, dtype: Any) -> Any:
    return x.astype(dtype) if type(x) is Traced else np.asarray(x, dtype)


rule_for(np.result_type)(lambda *args: np.result_type(*[dtype_of(a) if type(a) is Traced else a for a in args]))
rule_for(np.iscomplexobj)(lambda x: dtype_of(x).kind == "c")
rule_for(np.isrealobj)(lambda x: dtype_of(x).kind != "c")


rule_for(np.copy)(lambda a, order="K", subok=False: a.copy())

__all__ = ["GATHER", "SCATTER_ADD", "SLICE", "UNSLICE"]
