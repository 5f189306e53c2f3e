"""The functions that leave NaN out: ``np.nansum`` … ``np.nanquantile``. A NaN gets derivative 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass.graph.aval import Aval

from .composite import _root_of_squares, composite, squared
from .declare import as_array, dtype_of, rule_for, shape_of, value_of
from .reductions import _keep
from .selection import _last, distribution_beside, first_axis, parts_of_one, quantiles, real, weighted_quantiles


def _present(a: Any, where: Any = np._NoValue) -> tuple[Any, Any]:
    a = as_array(a)
    present = np.logical_not(np.isnan(a))
    return a, present if where is np._NoValue or where is True else np.logical_and(present, where)


def _filled(a: Any, value: float) -> Any:
    return np.where(np.isnan(a), value, a)


@rule_for(np.nansum)
def nansum(a, axis=None, dtype=None, out=None, keepdims=np._NoValue, initial=np._NoValue, where=np._NoValue):
    return np.sum(_filled(as_array(a), 0.0), axis, dtype, None, keepdims, initial, where)


@rule_for(np.nanprod)
def nanprod(a, axis=None, dtype=None, out=None, keepdims=np._NoValue, initial=np._NoValue, where=np._NoValue):
    return np.prod(_filled(as_array(a), 1.0), axis, dtype, None, keepdims, initial, where)


@rule_for(np.nancumsum)
def nancumsum(a, axis=None, dtype=None, out=None):
    return np.cumsum(_filled(as_array(a), 0.0), axis=axis, dtype=dtype)


@rule_for(np.nancumprod)
def nancumprod(a, axis=None, dtype=None, out=None):
    return np.cumprod(_filled(as_array(a), 1.0), axis=axis, dtype=dtype)


def _count(present: Any, axis: Any, keepdims: Any) -> Any:
    return np.sum(present, axis=axis, keepdims=_keep(keepdims))


@rule_for(np.nanmean)
@composite("nanmean")
def nanmean(a, axis=None, dtype=None, out=None, keepdims=np._NoValue, *, where=np._NoValue):
    a, present = _present(a, where)
    total = np.sum(np.where(present, a, 0.0), axis=axis, dtype=dtype, keepdims=_keep(keepdims))
    return _divided(total, _count(present, axis, keepdims))


def _divided(total: Any, count: Any) -> Any:
    """total/count, NaN where nothing is counted; the result keeps the total's dtype."""
    dtype = dtype_of(total)
    result = np.where(count > 0, total / np.maximum(count, 1).astype(dtype), np.nan)
    return result if dtype_of(result) == dtype else result.astype(dtype)


@rule_for(np.nanvar)
@composite("nanvar")
def nanvar(
    a,
    axis=None,
    dtype=None,
    out=None,
    ddof=0,
    keepdims=np._NoValue,
    *,
    where=np._NoValue,
    mean=np._NoValue,
    correction=np._NoValue,
):
    a, present = _present(a, where)
    ddof = ddof if correction is np._NoValue else correction
    count = _count(present, axis, True)
    if mean is np._NoValue:
        mean = _divided(np.sum(np.where(present, a, 0.0), axis=axis, dtype=dtype, keepdims=True), count)
    away = np.where(present, np.where(present, a, 0.0) - mean, 0.0)
    total = np.sum(squared(away), axis=axis, dtype=dtype, keepdims=_keep(keepdims))
    return _divided(total, np.reshape(count, shape_of(total)) - ddof)


@rule_for(np.nanstd)
@composite("nanstd")
def nanstd(
    a,
    axis=None,
    dtype=None,
    out=None,
    ddof=0,
    keepdims=np._NoValue,
    *,
    where=np._NoValue,
    mean=np._NoValue,
    correction=np._NoValue,
):
    return _root_of_squares(nanvar(a, axis, dtype, None, ddof, keepdims, where=where, mean=mean, correction=correction))


def _extreme(name: str, function: Any, worst: float) -> Any:
    def implementation(a, axis=None, out=None, keepdims=np._NoValue, initial=np._NoValue, where=np._NoValue):
        a, present = _present(a, where)
        best = function(np.where(present, a, worst), axis=axis, keepdims=_keep(keepdims), initial=initial)
        if initial is not np._NoValue:
            return best
        return np.where(_count(present, axis, keepdims) > 0, best, np.nan).astype(dtype_of(a))

    implementation.__name__ = name
    return implementation


rule_for(np.nanmax)(_extreme("nanmax", np.max, -np.inf))
rule_for(np.nanmin)(_extreme("nanmin", np.min, np.inf))


def _position(function: Any, worst: float) -> Any:
    def implementation(a, axis=None, out=None, *, keepdims=np._NoValue):
        a, present = _present(a)
        known = np.all(np.any(value_of(present), axis=axis)) if not isinstance(_known(present), Aval) else True
        if not known:
            raise ValueError("All-NaN slice encountered")
        return function(np.where(present, a, worst), axis=axis, keepdims=keepdims)

    return implementation


def _known(x: Any) -> Any:
    return x.node.value if hasattr(x, "node") else x


rule_for(np.nanargmax)(_position(np.argmax, -np.inf))
rule_for(np.nanargmin)(_position(np.argmin, np.inf))


# ---- quantiles
def _ordered(a: Any, axis: Any, keepdims: Any) -> tuple[Any, Any, Any]:
    """Sorted entries, NaN last, along one last axis; how many are numbers; and the shape that keepdims wants."""
    moved, kept = _last(a, axis, _keep(keepdims))
    ordered = np.sort(moved, axis=-1)
    return ordered, np.sum(np.logical_not(np.isnan(ordered)), axis=-1, keepdims=True), kept


def _at(ordered: Any, places: Any) -> Any:
    return np.take_along_axis(ordered, places.astype(np.intp), axis=-1)


@rule_for(np.nanmedian)
@composite("nanmedian")
def nanmedian(a, axis=None, out=None, overwrite_input=False, keepdims=np._NoValue):
    if not as_array(a).size:
        return nanmean(a, axis, keepdims=keepdims)
    ordered, count, kept = _ordered(a, axis, keepdims)
    low, high = np.maximum(count - 1, 0) // 2, np.maximum(np.minimum(count // 2, count - 1), 0)
    # Where one entry stands in the middle it is that entry; else the mean of two.
    middle = np.where(
        low == high, _at(ordered, low), np.mean(np.stack([_at(ordered, low), _at(ordered, high)]), axis=0)
    )
    result = np.where(count > 0, middle, np.nan)[..., 0]
    return result if kept is None else np.reshape(result, kept)


@composite("nanquantile")
def _nanquantile(a: Any, q: Any, weak: bool, axis: Any, method: str, keepdims: Any, weights: Any) -> Any:
    if not a.size:
        return nanmean(a, axis, keepdims=keepdims)
    if weights is None:
        ordered, count, kept = _ordered(a, axis, keepdims)
        entry = lambda places: _at(ordered, places)  # noqa: E731
        columns = quantiles(entry, np.maximum(count, 1).astype(dtype_of(q)), np.ravel(q), method, weak)
        result = np.moveaxis(np.where(count > 0, columns, np.nan).astype(dtype_of(columns)), -1, 0)
    else:
        moved, kept = first_axis(a, axis, _keep(keepdims))
        beside, _ = first_axis(distribution_beside(a, weights, axis, method), axis, False)
        missing = np.isnan(moved)
        none = np.all(missing, axis=0)
        beside = np.where(np.logical_and(missing, np.logical_not(none)), 0, beside)
        result = np.where(none, np.nan, weighted_quantiles(moved, beside, q)).astype(dtype_of(moved))
    return np.reshape(result, shape_of(q) + (kept if kept is not None else shape_of(result)[1:]))


@rule_for(np.nanquantile)
def nanquantile(
    a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=np._NoValue, *, weights=None
):
    return _nanquantile(real(a), *parts_of_one(q), axis, method, keepdims, weights)


@rule_for(np.nanpercentile)
def nanpercentile(
    a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=np._NoValue, *, weights=None
):
    return _nanquantile(real(a), *parts_of_one(q, 100), axis, method, keepdims, weights)


__all__ = ["nanmean", "nanmedian", "nanquantile", "nanstd", "nanvar"]
