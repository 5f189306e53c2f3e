"""Counts and sums in bins: ``np.bincount``, ``np.digitize``, ``np.histogram`` of one, two and more dimensions."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from backpass.graph import messages

from .declare import as_array, dtype_of, is_complex, is_staged, is_whole, rule_for, shape_of, value_of
from .indexing import SCATTER_ADD


@rule_for(np.bincount)
def bincount(x, /, weights=None, minlength=0):
    """Sums of the weights by bin: linear in them. Which bin an entry falls into is held fixed."""
    if is_staged(x):
        raise messages.shape_depends_on_values("np.bincount(x)", x)
    x = np.asarray(value_of(x))
    length = max(int(minlength), int(x.max()) + 1 if x.size else 0)
    if weights is None:
        return np.bincount(x, minlength=minlength)
    weights = as_array(weights)
    if shape_of(weights) != x.shape:
        raise ValueError("The weights and list don't have the same length.")
    if is_complex(weights):
        raise TypeError("bincount: the weights are real numbers; count np.real and np.imag of them apart")
    weights = weights if dtype_of(weights) == np.float64 else weights.astype(np.float64)
    return SCATTER_ADD(weights, x, shape=(length,), key=("index",))


@rule_for(np.digitize)
def digitize(x, bins, right=False):
    bins = as_array(bins)
    if is_staged(bins):
        raise messages.value_unknown(bins, "the direction in which np.digitize's bins run")
    known = value_of(bins)
    side = "left" if right else "right"
    if np.all(known[1:] >= known[:-1]):
        return np.searchsorted(bins, x, side=side)
    if not np.all(known[1:] <= known[:-1]):
        raise ValueError("bins must be monotonically increasing or decreasing")
    return len(known) - np.searchsorted(bins[::-1], x, side=side)


@rule_for(np.histogram_bin_edges)
def histogram_bin_edges(a, bins=10, range=None, weights=None):
    """The edges as NumPy has them; those between the smallest and the largest entry move with these two."""
    a = as_array(a)
    if not isinstance(bins, str) and not is_whole(bins):
        return as_array(bins)
    if is_staged(a) and (isinstance(bins, str) or range is None):
        raise messages.value_unknown(a, "the edges of np.histogram's bins")
    count = len(np.histogram_bin_edges(value_of(a), bins, range)) - 1 if isinstance(bins, str) else operator.index(bins)
    if range is not None:
        low, high = range
    elif not value_of(a).size:
        low, high = 0.0, 1.0
    else:
        low, high = np.min(a), np.max(a)
        if value_of(low) == value_of(high):
            low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, count + 1)


def _binned(flat: list[Any], edges: list[Any], weights: Any) -> Any:
    """Sums of the weights of the points in each cell; the last bin along an axis holds its right edge, too."""
    inside = np.logical_and.reduce([(x >= e[0]) & (x <= e[-1]) for x, e in zip(flat, edges, strict=True)])
    chosen = np.flatnonzero(inside)
    shape = tuple([len(e) - 1 for e in edges])
    cell = [
        np.clip(np.searchsorted(e, x[chosen], side="right") - 1, 0, n - 1)
        for x, e, n in zip(flat, edges, shape, strict=True)
    ]
    return SCATTER_ADD(weights[chosen], *cell, shape=shape, key=("index",) * len(shape))


def _known(a: Any, edges: Any, name: str) -> tuple[Any, Any]:
    """The values that say which bin each entry falls into."""
    if is_staged(a) or is_staged(edges):
        raise messages.value_unknown(a, f"the bin of each entry in {name}")
    return np.ravel(value_of(a)), value_of(edges)


@rule_for(np.histogram)
def histogram(a, bins=10, range=None, density=None, weights=None):
    """Which bin an entry falls into is held fixed: counts have derivative 0, sums of weights are linear in these."""
    a = as_array(a)
    edges = histogram_bin_edges(a, bins, range)
    flat, known = _known(a, edges, "np.histogram")
    counts = np.histogram(flat, operator.index(bins) if is_whole(bins) else known, range)[0]
    if weights is not None:
        counts = _binned([flat], [known], np.ravel(as_array(weights)))
    if density:
        counts = counts / np.diff(edges) / np.sum(counts)
    return counts, edges


@rule_for(np.histogramdd)
def histogramdd(sample, bins: Any = 10, range=None, density=None, weights=None):
    """As histogram, of points: the rows of an array, or a list of their coordinates."""
    points = np.stack(sample, axis=-1) if isinstance(sample, (list, tuple)) else as_array(sample)
    points = np.reshape(points, (-1, 1)) if len(shape_of(points)) == 1 else points
    columns = list(np.transpose(points))
    count = len(columns)
    bins = [bins] * count if is_whole(bins) else list(bins)
    if len(bins) != count:
        raise ValueError("The dimension of bins must be equal to the dimension of the sample x.")
    ranges = [None] * count if range is None else list(range)
    if len(ranges) != count:
        raise ValueError("range argument must have one entry per dimension")
    edges = [histogram_bin_edges(*each) for each in zip(columns, bins, ranges, strict=True)]
    known = [_known(c, e, "np.histogramdd") for c, e in zip(columns, edges, strict=True)]
    weights = np.ones(shape_of(points)[0]) if weights is None else as_array(weights).astype(np.float64)
    counts = _binned([flat for flat, _ in known], [e for _, e in known], weights)
    if density:
        total = np.sum(counts)
        for axis, e in enumerate(edges):
            counts = counts / np.reshape(np.diff(e), tuple([-1 if i == axis else 1 for i, _ in enumerate(edges)]))
        counts = counts / total
    return counts, edges


@rule_for(np.histogram2d)
def histogram2d(x, y, bins: Any = 10, range=None, density=None, weights=None):
    x, y = as_array(x), as_array(y)
    if shape_of(x) != shape_of(y):
        raise ValueError("x and y must have the same length.")
    if not is_whole(bins) and len(bins) not in (1, 2):
        bins = [as_array(bins)] * 2
    counts, edges = histogramdd([x, y], bins, range, density, weights)
    return counts, *edges
