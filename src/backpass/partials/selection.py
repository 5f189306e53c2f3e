"""Selection by order: sort, argsort, median, quantiles. The order is found once; then each is a gather."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from backpass.graph.aval import Aval

from .composite import weights_beside
from .declare import (
    Kind,
    Op,
    along,
    as_array,
    bind,
    declare,
    dtype_of,
    is_complex,
    is_staged,
    normal_axis,
    rule_for,
    scalar_if_0d,
    shape_of,
    value_of,
)

ARGSORT = declare(
    Op(
        name="argsort",
        kind=Kind.DISCRETE,
        run=lambda x, axis, kind: np.argsort(x, axis=axis, kind=kind),
        aval=lambda x, axis, kind: Aval(x.shape, np.dtype(np.intp)),
        partials=(None,),
        notation="argsort {0}",
        kinks="At a tie the order is the sort's; with kind='stable', that of position.",
        doc="Positions that would sort the entries along an axis.",
    )
)
SEARCHSORTED = declare(
    Op(
        name="searchsorted",
        kind=Kind.DISCRETE,
        run=lambda a, v, side: np.searchsorted(a, v, side=side),
        aval=lambda a, v, side: Aval(v.shape, np.dtype(np.intp)),
        partials=(None, None),
        notation="searchsorted({0}, {1})",
        doc="Where values would be inserted into a sorted array.",
    )
)


@rule_for(np.argsort)
def argsort(a, axis=-1, kind=None, order=None, *, stable=None):
    a = as_array(a)
    if axis is None:
        a, axis = np.ravel(a), 0
    kind = "stable" if stable or kind in ("stable", "mergesort") else "quicksort"
    a, axis = along(a, axis)
    return bind(ARGSORT, (a,), {"axis": axis, "kind": kind})


@rule_for(np.sort)
def sort(a, axis=-1, kind=None, order=None, *, stable=None):
    a = as_array(a)
    if axis is None:
        a, axis = np.ravel(a), 0
    return np.take_along_axis(a, np.argsort(a, axis=axis, kind=kind, stable=stable), axis=axis)


@rule_for(np.partition)
def partition(a, kth, axis=-1, kind: Any = "introselect", order=None):
    positions = np.argpartition(value_of(a), kth, axis=axis, kind=kind)
    return np.take_along_axis(a, positions, axis=axis)


@rule_for(np.argpartition)
def argpartition(a, kth, axis=-1, kind: Any = "introselect", order=None):
    return np.argpartition(value_of(a), kth, axis=axis, kind=kind)


@rule_for(np.searchsorted)
def searchsorted(a, v, side="left", sorter=None):
    if sorter is not None:
        a = np.take(a, sorter)
    return SEARCHSORTED(as_array(a), as_array(v), side=side)


def _last(a: Any, axis: Any, keepdims: bool) -> tuple[Any, tuple[int, ...] | None]:
    """Bring the axes that a quantile runs over to the end as one; and the shape that keepdims wants."""
    a = as_array(a)
    shape = shape_of(a)
    axes = tuple(range(len(shape))) if axis is None else tuple(normal_axis(i, len(shape)) for i in np.atleast_1d(axis))
    rest = tuple(i for i in range(len(shape)) if i not in axes)
    moved = np.reshape(np.transpose(a, rest + axes), (*[shape[i] for i in rest], -1))
    return moved, tuple(1 if i in axes else n for i, n in enumerate(shape)) if keepdims else None


@rule_for(np.median)
def median(a, axis=None, out=None, overwrite_input=False, keepdims=False):
    moved, kept = _last(a, axis, keepdims)
    n = shape_of(moved)[-1]
    if not n:
        return np.mean(a, axis=axis, keepdims=keepdims)
    ordered = np.sort(moved, axis=-1)
    # NumPy takes the mean of the middle entries, and any NaN (sorted last) makes the result NaN.
    middle = ordered[..., n // 2] if n % 2 else np.mean(ordered[..., n // 2 - 1 : n // 2 + 1], axis=-1)
    last = ordered[..., -1]
    result = np.where(np.isnan(last), last, middle)
    return scalar_if_0d(result) if kept is None else np.reshape(result, kept)


def _between(alpha: float, beta: float) -> Any:
    return lambda n, q: n * q + (alpha + q * (1 - alpha - beta)) - 1


def _step(shift: float, down: Any) -> Any:
    """A place that jumps: the entry at floor where `down` holds, else the next."""

    def place(n: int, q: Any) -> Any:
        at = n * q - 1 - shift
        low = np.floor(at)
        return np.maximum(np.where(down(at - low, low), low, low + 1), 0)

    return place


_PLACES = {
    "linear": lambda n, q: (n - 1) * q,
    "lower": lambda n, q: np.floor((n - 1) * q),
    "higher": lambda n, q: np.ceil((n - 1) * q),
    "nearest": lambda n, q: np.round((n - 1) * q),
    "midpoint": lambda n, q: 0.5 * (np.floor((n - 1) * q) + np.ceil((n - 1) * q)),
    "inverted_cdf": _step(0.0, lambda part, low: part == 0),
    "averaged_inverted_cdf": lambda n, q: n * q - 1,
    "closest_observation": _step(0.5, lambda part, low: (part == 0) & (low % 2 == 1)),
    "interpolated_inverted_cdf": _between(0, 1),
    "hazen": _between(0.5, 0.5),
    "weibull": _between(0, 0),
    "median_unbiased": _between(1 / 3.0, 1 / 3.0),
    "normal_unbiased": _between(3 / 8.0, 3 / 8.0),
}
"""Where among n sorted entries, counted from 0, the quantile lies (Hyndman & Fan 1996), in NumPy's own arithmetic."""

_WHOLE = ("lower", "higher", "nearest", "inverted_cdf", "closest_observation")


def quantiles(entry: Callable[[Any], Any], n: Any, q: Any, method: str, weak: bool) -> Any:
    """Quantiles of n sorted entries, of which `entry` gives those at places that are counted from 0.

    As NumPy: of a `weak` q, a bare number, the entries' dtype stays; an array of quantiles takes part in promotion.
    """
    if method not in _PLACES:
        raise ValueError(f"{method!r} is not a method of np.quantile; there are {', '.join(_PLACES)}")
    at = _PLACES[method](n, q)
    if method in _WHOLE:
        return entry(at)
    low = np.floor(at)
    part = at - low
    if method == "midpoint":
        part = np.where(part == 0, 0.0, 0.5).astype(dtype_of(at))
    elif method == "averaged_inverted_cdf":
        part = np.where(part == 0, 0.5, 1.0).astype(dtype_of(at))
    lower, upper = entry(np.clip(low, 0, n - 1)), entry(np.clip(low + 1, 0, n - 1))
    dtype = dtype_of(lower)
    up, down = (share.astype(dtype) if weak and dtype.kind == "f" else share for share in (part, 1 - part))
    step = upper - lower
    return np.where(part >= 0.5, upper - step * down, lower + step * up)


def weighted_quantiles(a: Any, weights: Any, q: Any) -> Any:
    """For each q the first of the entries, by size along axis 0, up to which the weights sum to the part q of all."""
    order = np.argsort(a, axis=0)
    ordered = np.take_along_axis(a, order, axis=0)
    heaped = np.cumsum(np.take_along_axis(weights, order, axis=0), axis=0, dtype=np.float64)
    heaped = heaped / heaped[-1]
    if not is_staged(heaped) and np.isnan(value_of(heaped[-1])).any():
        raise ValueError("Weights included NaN, inf or were all zero.")
    if dtype_of(q).kind == "f":
        heaped = heaped.astype(dtype_of(q))
    heaped = np.where(heaped == 0, -1, heaped)  # an entry without weight is not the first
    shape = shape_of(a)
    before = np.sum(heaped[:, None] < np.reshape(q, (-1, *[1] * (len(shape) - 1))), axis=0)
    return np.take_along_axis(ordered, np.minimum(before, shape[0] - 1), axis=0)


def distribution_beside(a: Any, weights: Any, axis: Any, method: str) -> Any:
    """Weights in the shape of the entries, for the one method that takes them."""
    if method != "inverted_cdf":
        raise ValueError(f"Only method 'inverted_cdf' supports weights. Got: {method}.")
    weights = weights_beside(a, weights, axis)
    if not is_staged(weights) and np.any(value_of(weights) < 0):
        raise ValueError("Weights must be non-negative.")
    return weights


def parts_of_one(q: Any, scale: int = 1) -> tuple[Any, bool]:
    """Quantiles, or percentiles by `scale`, as an array of parts of 1; and whether it is a bare number."""
    weak = type(q) in (int, float)
    q = np.true_divide(as_array(q), scale)
    if not is_staged(q) and not np.all((value_of(q) >= 0) & (value_of(q) <= 1)):
        raise ValueError(f"{'Quantiles' if scale == 1 else 'Percentiles'} must be in the range [0, {scale}]")
    return q, weak


def real(a: Any) -> Any:
    a = as_array(a)
    if is_complex(a):
        raise TypeError("a must be an array of real numbers")
    return a


def _quantile(a: Any, q: Any, weak: bool, axis: Any, method: str, keepdims: bool, weights: Any) -> Any:
    moved, kept = first_axis(a, axis, keepdims)
    rest = shape_of(moved)[1:]
    ordered = np.sort(moved, axis=0)
    if weights is None:
        spread = np.reshape(q, shape_of(q) + (1,) * len(rest))
        entry = lambda place: ordered[_as_index(np.reshape(place, shape_of(q)))]  # noqa: E731
        result = quantiles(entry, shape_of(moved)[0], spread, method, weak)
    else:
        beside, _ = first_axis(distribution_beside(a, weights, axis, method), axis, False)
        result = np.reshape(weighted_quantiles(moved, beside, q), shape_of(q) + rest)
    last = ordered[-1]
    result = np.where(np.isnan(last), last.astype(dtype_of(result)), result)
    return scalar_if_0d(result) if kept is None else np.reshape(result, shape_of(q) + kept)


@rule_for(np.quantile)
def quantile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None):
    return _quantile(real(a), *parts_of_one(q), axis, method, keepdims, weights)


@rule_for(np.percentile)
def percentile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None):
    return _quantile(real(a), *parts_of_one(q, 100), axis, method, keepdims, weights)


def _as_index(place: Any) -> Any:
    return place.astype(np.intp)


def first_axis(a: Any, axis: Any, keepdims: bool) -> tuple[Any, tuple[int, ...] | None]:
    """As `_last`, with the joined axis in front."""
    moved, kept = _last(a, axis, keepdims)
    return np.moveaxis(moved, -1, 0), kept
