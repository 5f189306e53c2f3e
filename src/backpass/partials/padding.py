"""Padding and inserting: ``np.pad``, ``np.insert``, ``np.delete``, built from joins and gathers."""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass.graph import messages

from .declare import Traced, as_array, dtype_of, is_staged, is_whole, normal_axis, rule_for, shape_of, value_of
from .indexing import take

_REPEATS = ("edge", "reflect", "symmetric", "wrap")
_STATISTICS = {"maximum": np.max, "minimum": np.min, "mean": np.mean, "median": np.median}


@rule_for(np.pad)
def pad(array, pad_width, mode="constant", **kwargs):
    ndim = len(shape_of(array))
    if isinstance(pad_width, dict):
        given = {normal_axis(axis, ndim): width for axis, width in pad_width.items()}
        pad_width = [given.get(axis, (0, 0)) for axis in range(ndim)]
        pad_width = [(w, w) if is_whole(w) else w for w in pad_width]
    widths = np.broadcast_to(np.asarray(pad_width), (ndim, 2)).tolist()
    if mode in ("constant", "empty"):  # what NumPy leaves in an empty frame is anything
        values = _pairs(kwargs.pop("constant_values", 0), ndim)
        make = lambda a, axis, n, side: np.broadcast_to(  # noqa: E731
            _as(values[axis][side], dtype_of(a)), _with_length(a, axis, n)
        )
    elif mode == "linear_ramp":
        ends = _pairs(kwargs.pop("end_values", 0), ndim)
        make = lambda a, axis, n, side: _ramp(a, axis, n, side, ends[axis][side])  # noqa: E731
    elif mode in _STATISTICS:
        lengths = _pairs(kwargs.pop("stat_length", None), ndim)
        make = lambda a, axis, n, side: _statistic(  # noqa: E731
            _STATISTICS[mode], a, axis, n, side, lengths[axis][side]
        )
    elif mode in _REPEATS:
        odd = kwargs.pop("reflect_type", "even") == "odd" and mode in ("reflect", "symmetric")
        return _repeated(array, widths, mode, odd)
    else:
        raise messages.option_refused(
            "np.pad",
            f"mode={mode!r}",
            f"Modes with a rule: constant, empty, linear_ramp, {', '.join([*_STATISTICS, *_REPEATS])}.",
        )
    for axis, (before, after) in enumerate(widths):
        if mode not in ("constant", "empty") and (before or after) and not shape_of(array)[axis]:
            raise ValueError(f"can't extend empty axis {axis} using modes other than 'constant' or 'empty'")
        array = np.concatenate([make(array, axis, before, 0), array, make(array, axis, after, 1)], axis=axis)
    return array


def _pairs(value: Any, ndim: int) -> Any:
    if value is None:
        return [(None, None)] * ndim
    pairs = np.broadcast_to(as_array(value), (ndim, 2))
    return pairs if type(pairs) is Traced else pairs.tolist()


def _as(value: Any, dtype: np.dtype) -> Any:
    return as_array(value).astype(dtype)


def _with_length(a: Any, axis: int, n: int) -> tuple[int, ...]:
    return (*shape_of(a)[:axis], n, *shape_of(a)[axis + 1 :])


def _along(a: Any, axis: int, start: int | None, stop: int | None, step: int = 1) -> Any:
    return a[(slice(None),) * axis + (slice(start, stop, step),)]


def _ramp(a: Any, axis: int, n: int, side: int, end: Any) -> Any:
    """From the end value to the edge, the edge itself left out, as ``np.linspace(end, edge, n, endpoint=False)``."""
    edge = _along(a, axis, -1, None) if side else _along(a, axis, 0, 1)
    if n == 0:
        return _along(edge, axis, 0, 0)
    steps = np.arange(n).reshape(tuple(-1 if i == axis else 1 for i in range(len(shape_of(a)))))
    # np.linspace computes in float64 and rounds at the end.
    wide = edge.astype(np.float64)
    end = as_array(end).astype(np.float64)
    ramp = (steps * ((wide - end) / n) + end).astype(dtype_of(a))
    return _along(ramp, axis, None, None, -1) if side else ramp


def _statistic(function: Any, a: Any, axis: int, n: int, side: int, length: int | None) -> Any:
    if n == 0:
        return _along(a, axis, 0, 0)
    size = shape_of(a)[axis]
    length = size if length is None else min(int(length), size)
    chunk = _along(a, axis, size - length, None) if side else _along(a, axis, 0, length)
    return np.broadcast_to(function(chunk, axis=axis, keepdims=True), _with_length(a, axis, n))


def _repeated(array: Any, widths: list[Any], mode: Any, odd: bool) -> Any:
    shape = shape_of(array)
    for axis, (before, after) in enumerate(widths):
        if not before and not after:
            continue
        n = shape[axis]
        if odd and max(before, after) > n - (mode == "reflect"):
            raise messages.option_refused(
                "np.pad", "reflect_type='odd'", "It can reach no further than the array is long."
            )
        # NumPy pads positions as it pads values, so let it say which entry each padded place repeats.
        places = np.pad(np.arange(n), (before, after), mode=mode)
        edges = (_along(array, axis, 0, 1), _along(array, axis, -1, None))
        array = take(array, places, axis)
        if odd:
            parts = [
                2 * edges[0] - _along(array, axis, 0, before),
                _along(array, axis, before, before + n),
                2 * edges[1] - _along(array, axis, before + n, None),
            ]
            array = np.concatenate(parts, axis=axis)
    return array


@rule_for(np.delete)
def delete(arr, obj, axis=None):
    if axis is None:
        arr, axis = np.ravel(arr), 0
    axis = normal_axis(axis, len(shape_of(arr)))
    places = _places(obj, "np.delete")
    return take(arr, np.delete(np.arange(shape_of(arr)[axis]), places), axis)


def _places(obj: Any, what: str) -> Any:
    if is_staged(obj):
        raise messages.value_unknown(obj, what)
    return obj if isinstance(obj, slice) else value_of(obj)


@rule_for(np.insert)
def insert(arr, obj, values, axis=None):
    arr, values = as_array(arr), as_array(values)
    if axis is None:
        arr, axis = np.ravel(arr), 0
    ndim = len(shape_of(arr))
    axis = normal_axis(axis, ndim)
    n = shape_of(arr)[axis]
    obj = _places(obj, "np.insert")
    places = np.arange(n)[obj] if isinstance(obj, slice) else np.asarray(obj)
    if places.dtype == bool:
        places = np.flatnonzero(places)
    values = np.reshape(values, (1,) * (ndim - len(shape_of(values))) + shape_of(values))
    if places.ndim == 0:
        # As NumPy: at one place, the first axis of the values runs along the axis.
        values = np.moveaxis(values, 0, axis)
    count = shape_of(values)[axis] if places.size == 1 else places.size
    values = np.broadcast_to(values, _with_length(arr, axis, count))
    if dtype_of(values) != dtype_of(arr):
        values = values.astype(dtype_of(arr))
    # Where each entry of the result comes from: below n from the array, from n on the inserted ones.
    order = np.insert(np.arange(n), obj, np.arange(n, n + count))
    return take(np.concatenate([arr, values], axis=axis), order, axis)
