"""Running sums and products, differences, and the linear recurrence behind their derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass.graph.aval import Aval, promoted

from .arithmetic import ANY
from .declare import Kind, Op, along, as_array, bind, declare, dtype_of, linear, normal_axis, rule_for, shape_of
from .indexing import section
from .reductions import _sum_dtype

_WHOLE = (slice(None),) * 64


def _reverse(x: Any, axis: int) -> Any:
    return section(x, (*_WHOLE[:axis], slice(None, None, -1)))


def _part(x: Any, axis: int, start: int | None, stop: int | None) -> Any:
    return section(x, (*_WHOLE[:axis], slice(start, stop)))


def _cumsum_adjoint(g: Any, axis: int) -> Any:
    if g.__class__ is not np.ndarray:
        return _reverse(np.cumsum(_reverse(g, axis), axis=axis), axis)
    total = np.empty(g.shape, g.dtype)
    np.add.accumulate(_reverse(g, axis), axis=axis, out=_reverse(total, axis))
    return total


CUMSUM = linear(
    "cumsum",
    lambda x, axis: np.cumsum(x, axis=axis),
    lambda x, axis: Aval(x.shape, _sum_dtype(x.dtype, np.add)),
    lambda g, out, x, axis: _cumsum_adjoint(g, axis),
    notation="cumsum({0})",
    domain=ANY,
    doc="Running sum along an axis.",
)


def _recurrence(a: Any, b: Any, axis: int) -> Any:
    dtype = np.result_type(a, b)
    a, b = np.moveaxis(np.asarray(a), axis, 0), np.moveaxis(np.asarray(b), axis, 0)
    y = np.empty(b.shape, dtype)
    if len(b):
        y[0] = b[0]
        for i in range(1, len(b)):
            y[i] = b[i] + a[i] * y[i - 1]
    return np.ascontiguousarray(np.moveaxis(y, 0, axis))


def _adjoint_recurrence(g: Any, a: Any, axis: int) -> Any:
    """λ_i = g_i + a_{i+1} λ_{i+1}: the same recurrence, run backwards."""
    shifted = np.concatenate([_part(a, axis, 1, None), np.zeros_like(_part(a, axis, 0, 1))], axis=axis)
    return _reverse(RECURRENCE(_reverse(shifted, axis), _reverse(g, axis), axis=axis), axis)


def _recurrence_coefficient(g: Any, out: Any, a: Any, b: Any, axis: int) -> Any:
    before = np.concatenate([np.zeros_like(_part(out, axis, 0, 1)), _part(out, axis, None, -1)], axis=axis)
    return _adjoint_recurrence(g, a, axis) * before


def _recurrence_tangent(tangents: Any, out: Any, a: Any, b: Any, axis: int) -> Any:
    da, db = tangents
    source = db
    if da is not None:
        before = np.concatenate([np.zeros_like(_part(out, axis, 0, 1)), _part(out, axis, None, -1)], axis=axis)
        source = da * before if db is None else db + da * before
    return RECURRENCE(a, source, axis=axis)


RECURRENCE = declare(
    Op(
        name="recurrence",
        kind=Kind.CUSTOM,
        run=_recurrence,
        aval=lambda a, b, axis: Aval(b.shape, promoted(a, b)),
        adjoints=(_recurrence_coefficient, lambda g, out, a, b, axis: _adjoint_recurrence(g, a, axis)),
        tangent=_recurrence_tangent,
        structural=True,
        notation="y_i = {1}_i + {0}_i · y_{{i−1}}",
        domain=ANY,
        doc="First-order linear recurrence y_i = b_i + a_i y_{i−1} along an axis; a_0 is not read.",
    )
)


def _before(out: Any, axis: int) -> Any:
    return np.concatenate([np.ones_like(_part(out, axis, 0, 1)), _part(out, axis, None, -1)], axis=axis)


def _cumprod_tangent(tangents: Any, out: Any, x: Any, axis: int) -> Any:
    # p_i = x_i p_{i−1}, so p'_i = x'_i p_{i−1} + x_i p'_{i−1}: no division, so zeros are right.
    return RECURRENCE(x, tangents[0] * _before(out, axis), axis=axis)


CUMPROD = declare(
    Op(
        name="cumprod",
        kind=Kind.CUSTOM,
        run=lambda x, axis: np.cumprod(x, axis=axis),
        aval=lambda x, axis: Aval(x.shape, _sum_dtype(x.dtype, np.multiply)),
        adjoints=(lambda g, out, x, axis: _adjoint_recurrence(g, x, axis) * _before(out, axis),),
        tangent=_cumprod_tangent,
        structural=True,
        notation="cumprod({0})",
        domain=ANY,
        doc="Running product along an axis.",
    )
)


def _running(op: Op) -> Any:
    def implementation(a, axis=None, dtype=None, out=None):
        a = as_array(a)
        if dtype is not None:
            a = a.astype(dtype)
        if axis is None:
            a, axis = a if len(shape_of(a)) == 1 else np.ravel(a), 0
        a, axis = along(a, axis)
        return bind(op, (a,), {"axis": axis})

    return implementation


rule_for(np.cumsum)(_running(CUMSUM))
rule_for(np.cumprod)(_running(CUMPROD))


def _lead(x: Any, axis: int, largest: bool) -> Any:
    """Position of the entry that leads so far, the first one at a tie; a NaN leads from where it stands."""
    x = np.moveaxis(np.asarray(x), axis, 0)
    lead = np.zeros(x.shape, np.intp)
    best = x[:1].copy()
    for i in range(1, len(x)):
        wins = ((x[i] > best[0]) if largest else (x[i] < best[0])) | (np.isnan(x[i]) & ~np.isnan(best[0]))
        best[0] = np.where(wins, x[i], best[0])
        lead[i] = np.where(wins, i, lead[i - 1])
    return np.ascontiguousarray(np.moveaxis(lead, 0, axis))


LEAD = declare(
    Op(
        name="lead",
        kind=Kind.DISCRETE,
        run=_lead,
        aval=lambda x, axis, largest: Aval(x.shape, np.dtype(np.intp)),
        partials=(None,),
        notation="leader so far of {0}",
        domain=ANY,
        kinks="At a tie the first entry leads.",
        doc="Along an axis, the position of the largest (or smallest) entry so far.",
    )
)


def running_extreme(ufunc: Any, a: Any, axis: int) -> Any:
    """``np.maximum.accumulate`` and ``np.minimum.accumulate``: the leader's position is found, then it is a gather."""
    return np.take_along_axis(a, LEAD(a, axis=axis, largest=ufunc is np.maximum), axis)


@rule_for(np.diff)
def diff(a, n=1, axis=-1, prepend: Any = np._NoValue, append: Any = np._NoValue):
    a = as_array(a)
    axis = normal_axis(axis, len(shape_of(a)))
    edge = shape_of(a)[:axis] + (1,) + shape_of(a)[axis + 1 :]
    for extra, first in ((prepend, True), (append, False)):
        if extra is not np._NoValue:
            extra = extra if np.ndim(extra) else np.broadcast_to(extra, edge)
            a = np.concatenate([extra, a] if first else [a, extra], axis=axis)
    for _ in range(n):
        a = _part(a, axis, 1, None) - _part(a, axis, None, -1)
    return a


@rule_for(np.ediff1d)
def ediff1d(ary, to_end=None, to_begin=None):
    inner = diff(np.ravel(as_array(ary)))
    # The ends take the array's dtype.
    ends = [None if p is None else np.ravel(as_array(p)).astype(dtype_of(inner)) for p in (to_begin, to_end)]
    parts = [p for p in (ends[0], inner, ends[1]) if p is not None]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


@rule_for(np.trapezoid)
def trapezoid(y, x=None, dx=1.0, axis=-1):
    y = as_array(y)
    axis = normal_axis(axis, len(shape_of(y)))
    if x is None:
        d = dx
    else:
        d = np.diff(as_array(x), axis=-1 if len(shape_of(x)) == 1 else axis)
        if len(shape_of(d)) == 1:
            d = np.reshape(d, tuple(-1 if i == axis else 1 for i in range(len(shape_of(y)))))
    return np.sum(d * (_part(y, axis, 1, None) + _part(y, axis, None, -1)) / 2.0, axis=axis)
