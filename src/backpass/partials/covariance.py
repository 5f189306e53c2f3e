"""Statistics: covariance and correlation."""

from __future__ import annotations

import numpy as np

from .composite import composite
from .declare import as_array, conjugated, dtype_of, is_complex, is_staged, rule_for, shape_of, value_of


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
