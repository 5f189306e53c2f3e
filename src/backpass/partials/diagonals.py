"""Diagonals and triangles of matrices: ``np.diagonal``, ``diag``, ``diagflat``, ``trace``, ``tril``, ``triu``."""

from __future__ import annotations

import functools
import operator
from typing import Any

import numpy as np

from backpass.graph.aval import Aval
from backpass.graph.memory import OddView, shared

from .arithmetic import ANY
from .declare import Traced, bind, dtype_of, linear, normal_axis, read_only, rule_for, shape_of
from .indexing import SCATTER_ADD, section
from .products import EINSUM, on_the_diagonal
from .reductions import sum_

_EQUAL_AXES = "axis1 and axis2 cannot be the same"
_BATCH = "abcdefghjklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


@functools.cache
def _subscripts(ndim: int, i: int, j: int) -> str:
    """Of the diagonal of axes i and j, which comes last: ``ii->i``, ``aii->ai``."""
    letters = list(_BATCH[: ndim - 2])
    for axis in sorted((i, j)):
        letters.insert(axis, "i")
    return "".join(letters) + "->" + _BATCH[: ndim - 2] + "i"


def _square(x: Any, offset: int, i: int, j: int) -> Any:
    """The part of x whose diagonal on axes i and j has the entries of x whose places there differ by the offset."""
    shape = shape_of(x)
    if i == j:
        raise ValueError(_EQUAL_AXES)
    n, m = shape[i], shape[j]
    if n != m or offset:
        row, column = max(-offset, 0), max(offset, 0)
        length = max(0, min(n - row, m - column))
        key = [slice(None)] * len(shape)
        key[i], key[j] = slice(row, row + length), slice(column, column + length)
        x = section(x, tuple(key))
    return x


def _entries(x: Any, offset: int, i: int, j: int) -> Any:
    """The entries of x whose places on axes i and j differ by the offset."""
    x = _square(x, offset, i, j)
    return bind(EINSUM, (x,), {"subscripts": _subscripts(len(shape_of(x)), i, j)})


@rule_for(np.diagonal)
def diagonal(a, offset=0, axis1=0, axis2=1):
    ndim = len(shape_of(a))
    i, j = normal_axis(axis1, ndim), normal_axis(axis2, ndim)
    result = _entries(a, offset, i, j)
    if not isinstance(result, Traced):
        return result
    return shared(result, OddView(a, lambda x: _entries(x, offset, i, j), read_only))


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


def _onto_the_diagonal(g: Any, out: Any, x: Any) -> Any:
    n, m = shape_of(x)[-2:]
    if isinstance(g, np.generic) and x.__class__ is np.ndarray:
        return on_the_diagonal(g, n, m)
    return np.expand_dims(g, (-2, -1)) * np.eye(n, m, dtype=dtype_of(x))


TRACE = linear(
    "trace",
    lambda x: x.trace(0, -2, -1),
    lambda x: Aval(x.shape[:-2], np.zeros((1, 1), x.dtype).trace().dtype),
    _onto_the_diagonal,
    notation="tr {0}",
    domain=ANY,
    doc="Sum of the entries on the diagonal of the last two axes, which need not be equally long.",
)


@rule_for(np.trace)
def trace(a, offset=0, axis1=0, axis2=1, dtype=None, out=None):
    ndim = len(shape_of(a))
    i, j = normal_axis(axis1, ndim), normal_axis(axis2, ndim)
    if dtype is not None:
        return sum_(_entries(a, offset, i, j), -1, dtype)
    if i == j:
        raise ValueError(_EQUAL_AXES)
    if (i, j) != (ndim - 2, ndim - 1):
        a = np.moveaxis(a, (i, j), (-2, -1))
    if offset:
        a = section(a, (Ellipsis, slice(max(-offset, 0), None), slice(max(offset, 0), None)))
    return TRACE(a)


# np.linalg works on the last two axes, np on the first two.
rule_for(np.linalg.diagonal)(lambda x, /, *, offset=0: diagonal(x, offset, -2, -1))
rule_for(np.linalg.trace)(lambda x, /, *, offset=0, dtype=None: trace(x, offset, -2, -1, dtype))


@rule_for(np.tril)
def tril(m, k=0):
    below = np.tri(*shape_of(m)[-2:], k=operator.index(k), dtype=bool)
    return np.where(below, m, np.zeros(1, dtype_of(m)))


@rule_for(np.triu)
def triu(m, k=0):
    below = np.tri(*shape_of(m)[-2:], k=operator.index(k) - 1, dtype=bool)
    return np.where(below, np.zeros(1, dtype_of(m)), m)
