"""Entries put elsewhere: insert, resize, choose, sets of unique values, and functions applied along an axis.

All of these are found by position: NumPy's own function is asked which entry lands where, then it is a gather.
"""

from __future__ import annotations

import numpy as np

from backpass.graph import messages
from backpass.graph.origin import forced_origin

from .declare import as_array, dtype_of, is_staged, lengths, normal_axis, rule_for, shape_of, value_of


@rule_for(np.resize)
def resize(a, new_shape):
    a = np.ravel(as_array(a))
    shape = lengths(new_shape)
    if any(length < 0 for length in shape):
        raise ValueError("all elements of `new_shape` must be non-negative")
    n, size = shape_of(a)[0], int(np.prod(shape, dtype=np.int64))
    if not n:
        return np.zeros(shape, dtype_of(a))
    return np.reshape(a[np.arange(size) % n], shape)


@rule_for(np.trim_zeros)
def trim_zeros(filt, trim="fb", axis=None):
    filt = as_array(filt)
    if is_staged(filt):
        raise messages.shape_depends_on_values("np.trim_zeros(x)", filt)
    ndim = len(shape_of(filt))
    axes = range(ndim) if axis is None else [normal_axis(a, ndim) for a in np.atleast_1d(axis)]
    places = np.argwhere(value_of(filt))
    for k in axes:
        n = shape_of(filt)[k]
        first, last = (int(places[:, k].min()), int(places[:, k].max()) + 1) if len(places) else (n, n)
        cut = slice(first if "f" in trim.lower() else 0, last if "b" in trim.lower() else n)
        filt = filt[(slice(None),) * k + (cut,)]
    return filt


# ---- functions along an axis
@rule_for(np.apply_along_axis)
def apply_along_axis(func1d, axis, arr, *args, **kwargs):
    arr = as_array(arr)
    ndim = len(shape_of(arr))
    axis = normal_axis(axis, ndim)
    moved = np.moveaxis(arr, axis, -1)
    outer = shape_of(moved)[:-1]
    if 0 in outer:
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    with forced_origin(None):  # what it calls has lines of its own
        results = [as_array(func1d(moved[place], *args, **kwargs)) for place in np.ndindex(outer)]
    inner = shape_of(results[0])
    whole = np.reshape(np.stack(results), (*outer, *inner))
    back = list(range(len(outer), len(outer) + len(inner)))
    order = [*range(axis), *back, *range(axis, len(outer))]
    return np.transpose(whole, order)


@rule_for(np.apply_over_axes)
def apply_over_axes(func, a, axes):
    a = as_array(a)
    ndim = len(shape_of(a))
    for axis in np.atleast_1d(axes).tolist():
        with forced_origin(None):
            result = func(a, axis + ndim if axis < 0 else axis)
        if len(shape_of(result)) != ndim:
            result = np.expand_dims(result, axis)
            if len(shape_of(result)) != ndim:
                raise ValueError("function is not returning an array of the correct shape")
        a = result
    return a


# ---- sets
def _first_places(x, what, **options):
    if is_staged(x):
        raise messages.shape_depends_on_values(what, x)
    return np.unique(value_of(x), return_index=True, return_inverse=True, return_counts=True, **options)


@rule_for(np.unique)
def unique(
    ar, return_index=False, return_inverse=False, return_counts=False, axis=None, *, equal_nan=True, sorted=True
):
    """The distinct values, each taken from where it stands first."""
    ar = as_array(ar)
    _, first, inverse, counts = _first_places(ar, "np.unique(x)", axis=axis, equal_nan=equal_nan)
    found = np.take(ar, first, axis=axis)
    extra = [
        part for part, wanted in ((first, return_index), (inverse, return_inverse), (counts, return_counts)) if wanted
    ]
    return (found, *extra) if extra else found


@rule_for(np.unique_values)
def unique_values(x, /):
    return unique(x, equal_nan=False)


@rule_for(np.unique_counts)
def unique_counts(x, /):
    return type(np.unique_counts([0]))(*unique(x, return_counts=True, equal_nan=False))


@rule_for(np.unique_inverse)
def unique_inverse(x, /):
    return type(np.unique_inverse([0]))(*unique(x, return_inverse=True, equal_nan=False))


@rule_for(np.unique_all)
def unique_all(x, /):
    return type(np.unique_all([0]))(*unique(x, True, True, True, equal_nan=False))


@rule_for(np.union1d)
def union1d(ar1, ar2):
    return unique(np.concatenate([np.ravel(as_array(ar1)), np.ravel(as_array(ar2))]))


@rule_for(np.intersect1d)
def intersect1d(ar1, ar2, assume_unique=False, return_indices=False):
    ar1, ar2 = np.ravel(as_array(ar1)), np.ravel(as_array(ar2))
    for part in (ar1, ar2):
        if is_staged(part):
            raise messages.shape_depends_on_values("np.intersect1d(a, b)", part)
    _, i, j = np.intersect1d(value_of(ar1), value_of(ar2), assume_unique, return_indices=True)
    return (ar1[i], i, j) if return_indices else ar1[i]


def _kept(ar1, ar2, assume_unique):
    if not assume_unique:
        ar1, ar2 = unique(ar1), unique(ar2)
    return np.ravel(as_array(ar1)), np.ravel(as_array(ar2))


@rule_for(np.setdiff1d)
def setdiff1d(ar1, ar2, assume_unique=False):
    ar1, ar2 = _kept(ar1, ar2, assume_unique)
    return ar1[isin(ar1, ar2, invert=True)]


@rule_for(np.setxor1d)
def setxor1d(ar1, ar2, assume_unique=False):
    ar1, ar2 = _kept(ar1, ar2, assume_unique)
    both = np.concatenate([ar1[isin(ar1, ar2, invert=True)], ar2[isin(ar2, ar1, invert=True)]])
    return np.sort(both)


@rule_for(np.isin)
def isin(element, test_elements, assume_unique=False, invert=False, *, kind=None):
    element, test_elements = as_array(element), as_array(test_elements)
    for part in (element, test_elements):
        if is_staged(part):
            raise messages.value_unknown(part, "np.isin")
    return np.isin(value_of(element), value_of(test_elements), assume_unique, invert, kind=kind)


@rule_for(np.lexsort)
def lexsort(keys, axis=-1):
    keys = [as_array(k) for k in keys]
    for key in keys:
        if is_staged(key):
            raise messages.value_unknown(key, "np.lexsort")
    return np.lexsort([value_of(k) for k in keys], axis=axis)


@rule_for(np.array_equiv)
def array_equiv(a1, a2):
    return np.array_equiv(value_of(a1), value_of(a2))
