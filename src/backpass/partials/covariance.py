"""Statistics: covariance, correlation, sums by bin."""

from __future__ import annotations

import numpy as np

from backpass.graph import messages

from .composite import composite
from .declare import as_array, conjugated, dtype_of, is_complex, is_staged, rule_for, shape_of, value_of
from .indexing import SCATTER_ADD


def _rows(m):
    m = as_array(m)
    if len(shape_of(m)) > 2:
        raise ValueError(f"m has more than 2 dimensions: shape {shape_of(m)}")
    return m if len(shape_of(m)) == 2 else np.reshape(m, (1, -1))


@rule_for(np.cov)
@composite("cov")
def cov(m, y=None, rowvar=True, bias=False, ddof=None, fweights=None, aweights=None, *, dtype=None):
    """(X − mean)(X − mean)ᵀ/f with one variable a row; f as NumPy counts it from the weights."""
    if ddof is not None and ddof != int(ddof):
        raise ValueError("ddof must be integer")
    x = _rows(m)
    if not rowvar and len(shape_of(as_array(m))) != 1:
        x = np.transpose(x)
    if not shape_of(x)[0]:
        return np.zeros((0, 0))
    if y is not None:
        y = _rows(y)
        x = np.concatenate([x, y if rowvar or shape_of(y)[0] == 1 else np.transpose(y)], axis=0)
    wide = np.dtype(dtype) if dtype is not None else np.result_type(dtype_of(x), np.float64)
    x = x if dtype_of(x) == wide else x.astype(wide)
    if ddof is None:
        ddof = 0 if bias else 1
    w = None
    if fweights is not None:
        w = np.asarray(value_of(fweights), float)
        if not np.all(w == np.around(w)):
            raise TypeError("fweights must be integer")
        if np.any(w < 0):
            raise ValueError("fweights cannot be negative")
    if aweights is not None:
        aweights = as_array(aweights)
        w = aweights if w is None else w * aweights
    average, total = np.average(x, axis=1, weights=w, returned=True)
    total = total[0]
    if w is None:
        f = shape_of(x)[1] - ddof
    elif ddof == 0:
        f = total
    elif aweights is None:
        f = total - ddof
    else:
        f = total - ddof * np.sum(w * aweights) / total
    if not is_staged(f) and value_of(f) <= 0:
        f = 0.0
    x = x - np.expand_dims(average, -1)
    xt = np.transpose(x if w is None else x * w)
    c = np.dot(x, conjugated(xt)) * np.true_divide(1, f)
    return np.squeeze(c)


@rule_for(np.corrcoef)
@composite("corrcoef")
def corrcoef(x, y=None, rowvar=True, *, dtype=None):
    c = cov(x, y, rowvar, dtype=dtype)
    if len(shape_of(c)) == 0:
        return c / c
    deviation = np.sqrt(np.real(np.diagonal(c)))
    c = c / np.expand_dims(deviation, -1)
    c = c / np.expand_dims(deviation, 0)
    # Rounding can leave [−1, 1]; a perfect correlation on the edge keeps its derivative, unlike under clip.
    if is_complex(c):
        return _within(np.real(c)) + 1j * _within(np.imag(c))
    return _within(c)


def _within(c):
    return np.where(c > 1, 1.0, np.where(c < -1, -1.0, c))


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
    return len(known) - np.searchsorted(bins[::-1], x, side="right" if right else "left")


def _edges(a, bins, range):
    """The edges as NumPy has them; those between the smallest and the largest entry move with these two."""
    if not isinstance(bins, (int, np.integer, str)):
        return as_array(bins)
    if is_staged(a) and (isinstance(bins, str) or range is None):
        raise messages.value_unknown(a, "the edges of np.histogram's bins")
    count = bins if not isinstance(bins, str) else len(np.histogram_bin_edges(value_of(a), bins, range)) - 1
    if range is not None:
        low, high = range
    elif not value_of(a).size:
        low, high = 0.0, 1.0
    else:
        low, high = np.min(a), np.max(a)
        if value_of(low) == value_of(high):
            low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, int(count) + 1)


@rule_for(np.histogram)
def histogram(a, bins=10, range=None, density=None, weights=None):
    """Which bin an entry falls into is held fixed: counts have derivative 0, sums of weights are linear in these."""
    a = as_array(a)
    edges = _edges(a, bins, range)
    if is_staged(a) or is_staged(edges):
        raise messages.value_unknown(a, "the bin of each entry in np.histogram")
    flat, known = np.ravel(value_of(a)), value_of(edges)
    bound = known if not isinstance(bins, (int, np.integer)) else bins
    counts = np.histogram(flat, bound, range)[0]
    if weights is not None:
        weights = np.ravel(as_array(weights))
        inside = np.flatnonzero((flat >= known[0]) & (flat <= known[-1]))
        places = np.clip(np.searchsorted(known, flat[inside], side="right") - 1, 0, len(known) - 2)
        counts = SCATTER_ADD(weights[inside], places, shape=(len(known) - 1,), key=("index",))
    if density:
        counts = counts / np.diff(edges) / np.sum(counts)
    return counts, edges
