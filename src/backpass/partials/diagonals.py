"""Diagonals and triangles of matrices: ``np.diagonal``, ``diag``, ``diagflat``, ``trace``, ``tril``, ``triu``."""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass.graph.memory import OddView, shared

from .declare import Traced, bind, dtype_of, normal_axis, read_only, rule_for, shape_of
from .indexing import SCATTER_ADD, section
from .products import EINSUM
from .reductions import sum_

_BATCH = "abcdefghjklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _square_last(a: Any, axis1: int, axis2: int) -> Any:
    """The array with these two axes last."""
    ndim = len(shape_of(a))
    i, j = normal_axis(axis1, ndim), normal_axis(axis2, ndim)
    return a if (i, j) == (ndim - 2, ndim - 1) else np.moveaxis(a, (i, j), (-2, -1))


def _entries(x: Any, offset: int) -> Any:
    """The diagonal of the last two axes, x[..., i, i + offset]."""
    n, m = shape_of(x)[-2:]
    if n != m or offset:
        row, column = max(-offset, 0), max(offset, 0)
        length = max(0, min(n - row, m - column))
        x = section(x, (Ellipsis, slice(row, row + length), slice(column, column + length)))
    batch = _BATCH[: len(shape_of(x)) - 2]
    return bind(EINSUM, (x,), {"subscripts": f"{batch}ii->{batch}i"})


@rule_for(np.diagonal)
def diagonal(a, offset=0, axis1=0, axis2=1):
    square = _square_last(a, axis1, axis2)
    result = _entries(square, offset)
    if not isinstance(result, Traced):
        return result
    return shared(result, OddView(square, lambda x: _entries(x, offset), read_only))


@rule_for(np.diag)
def diag(v, k=0):
    return diagonal(v, k) if len(shape_of(v)) == 2 else diagflat(v, k)


@rule_for(np.diagflat)
def diagflat(v, k=0):
    v = np.ravel(v)
    n = shape_of(v)[0]
    along = np.arange(n)
    size = n + abs(k)
    return SCATTER_ADD(v, along + max(-k, 0), along + max(k, 0), shape=(size, size), key=("index", "index"))


@rule_for(np.trace)
def trace(a, offset=0, axis1=0, axis2=1, dtype=None, out=None):
    return sum_(_entries(_square_last(a, axis1, axis2), offset), -1, dtype)


# np.linalg works on the last two axes, np on the first two.
rule_for(np.linalg.diagonal)(lambda x, /, *, offset=0: diagonal(x, offset, -2, -1))
rule_for(np.linalg.trace)(lambda x, /, *, offset=0, dtype=None: trace(x, offset, -2, -1, dtype))


@rule_for(np.tril)
def tril(m, k=0):
    return np.where(np.tri(*shape_of(m)[-2:], k=k, dtype=bool), m, np.zeros(1, dtype_of(m)))


@rule_for(np.triu)
def triu(m, k=0):
    return np.where(np.tri(*shape_of(m)[-2:], k=k - 1, dtype=bool), np.zeros(1, dtype_of(m)), m)
