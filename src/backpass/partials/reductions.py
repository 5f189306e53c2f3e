"""Reductions: sum, prod, max, min, any, all, counts and positions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from backpass.graph.aval import Aval

from .arithmetic import ANY
from .declare import (
    ALL_AXES,
    Kind,
    Op,
    Traced,
    along,
    as_array,
    bind,
    declare,
    dtype_of,
    linear,
    reduced_axes,
    reduced_shape,
    rule_for,
    shape_of,
    value_of,
)

Axes = tuple[int, ...]
OMITTED = np._NoValue
SMALL = 4096


def restore(g: Any, shape: tuple[int, ...], axis: Axes, keepdims: bool) -> Any:
    """Give a reduced value its axes back with length 1, so that it broadcasts against what was reduced."""
    if keepdims:
        return g
    if len(axis) == len(shape) and g.__class__ is np.float64:
        return g  # one number, which broadcasts as it is
    return np.reshape(g, tuple([1 if i in axis else n for i, n in enumerate(shape)]))


def _spread(g: Any, out: Any, x: Any, axis: Axes, keepdims: bool, dtype: Any = None) -> Any:
    shape = shape_of(x)
    if isinstance(g, np.generic) and x.__class__ is np.ndarray:
        # One number for all entries. A small array of it is made sooner than a view without strides.
        if x.size <= SMALL:
            spread = np.empty(shape, g.dtype)
            spread.fill(g)
            return spread
        return np.broadcast_to(g, shape)
    g = restore(g, shape, axis, keepdims)
    if g.__class__ is np.ndarray and x.__class__ is np.ndarray and x.size <= SMALL:
        spread = np.empty(shape, g.dtype)
        spread[...] = g
        return spread
    return np.broadcast_to(g, shape)


def _sum_dtype(dtype: np.dtype, ufunc: np.ufunc) -> np.dtype:
    """np.add.reduce sums small integers and booleans in the platform's word."""
    return ufunc.reduce(np.zeros(1, dtype)).dtype


def _sum_aval(x: Aval, axis: Axes, keepdims: bool, dtype: Any = None) -> Aval:
    return Aval(reduced_shape(x.shape, axis, keepdims), np.dtype(dtype) if dtype else _sum_dtype(x.dtype, np.add))


SUM = linear(
    "sum",
    np.add.reduce,
    _sum_aval,
    _spread,
    notation="Σ {0}",
    domain=ANY,
    doc="Sum of entries over axes.",
)


def _reduction(name: str, run: Any, partial: Any, dtype: Any = None, **record: Any) -> Op:
    def aval(x: Aval, axis: Axes, keepdims: bool, **attrs: Any) -> Aval:
        return Aval(reduced_shape(x.shape, axis, keepdims), dtype(x.dtype, attrs) if dtype else x.dtype)

    kind = Kind.REDUCTION if partial else Kind.DISCRETE
    return declare(Op(name=name, kind=kind, run=run, aval=aval, partials=(partial,), **record))


def _products_of_others(x: Any, axis: Axes) -> Any:
    """Π_{j≠i} x_j without dividing, so that zeros are right: products before i times products after i."""
    ndim = len(shape_of(x))
    rest = tuple(i for i in range(ndim) if i not in axis)
    order = rest + axis
    shape = shape_of(x)
    count = math.prod([shape[i] for i in axis])
    if x.__class__ is np.ndarray and not rest:
        flat = x.reshape(-1)
        others, after = np.empty((2, count), x.dtype)
        others[:1] = after[:1] = 1
        np.multiply.accumulate(flat[:-1], out=others[1:])
        np.multiply.accumulate(flat[:0:-1], out=after[1:])
        others *= after[::-1]
        return others.reshape(shape)
    flat = np.reshape(np.transpose(x, order), (*[shape[i] for i in rest], count))
    one = np.ones(shape_of(flat)[:-1] + (1,), dtype_of(x))
    before = np.cumprod(np.concatenate([one, flat[..., :-1]], axis=-1), axis=-1)
    after = np.cumprod(np.concatenate([one, flat[..., :0:-1]], axis=-1), axis=-1)[..., ::-1]
    others = np.reshape(before * after, tuple(shape[i] for i in order))
    return np.transpose(others, tuple(np.argsort(order).tolist()))


def _prod_partial(out: Any, x: Any, axis: Axes, keepdims: bool, dtype: Any = None) -> Any:
    if x.__class__ is np.ndarray and x.dtype.kind == "f" and out.dtype is x.dtype:
        # A product that neither vanishes nor leaves the normal numbers may be divided again.
        size, limits = abs(out), np.finfo(x.dtype)
        normal = (size >= limits.tiny) & (size <= limits.max)
        if normal if normal.__class__ is np.bool_ else normal.all():
            return restore(out, x.shape, axis, keepdims) / x
    return _products_of_others(x, axis) if math.prod(shape_of(x)) else np.ones(shape_of(x), dtype_of(x))


PROD = _reduction(
    "prod",
    np.multiply.reduce,
    _prod_partial,
    dtype=lambda dtype, attrs: np.dtype(attrs["dtype"]) if attrs.get("dtype") else _sum_dtype(dtype, np.multiply),
    risky=True,
    notation="Π {0}",
    domain=ANY,
    doc="Product of entries over axes; the derivative is the product of the others, exact at zeros.",
)


def _share_of_extreme(out: Any, x: Any, axis: Axes, keepdims: bool) -> Any:
    hit = np.equal(x, restore(out, shape_of(x), axis, keepdims))
    return hit / np.add.reduce(value_if_plain(hit), axis=axis, keepdims=True, dtype=dtype_of(x))


def value_if_plain(x: Any) -> Any:
    """A mask's own value when there is one: counting it needs no record."""
    return x.node.value if type(x) is Traced and not x.node.staged else x


_TIES = "At a tie of k entries each gets 1/k."
MAX = _reduction(
    "max",
    np.maximum.reduce,
    _share_of_extreme,
    selects=True,
    notation="max {0}",
    domain=ANY,
    kinks=_TIES,
    doc="Largest entry.",
)
MIN = _reduction(
    "min",
    np.minimum.reduce,
    _share_of_extreme,
    selects=True,
    notation="min {0}",
    domain=ANY,
    kinks=_TIES,
    doc="Smallest entry.",
)
_BOOL = lambda dtype, attrs: np.dtype(bool)  # noqa: E731
ANY_OP = _reduction("any", np.logical_or.reduce, None, dtype=_BOOL, notation="any {0}", doc="Is any entry non-zero?")
ALL_OP = _reduction(
    "all", np.logical_and.reduce, None, dtype=_BOOL, notation="all {0}", doc="Are all entries non-zero?"
)


def _position(name: str, function: Any) -> Op:
    def aval(x: Aval, axis: int, keepdims: bool) -> Aval:
        return Aval(reduced_shape(x.shape, (axis,), keepdims), np.dtype(np.intp))

    run = lambda x, axis, keepdims: function(x, axis=axis, keepdims=keepdims)  # noqa: E731
    return declare(
        Op(
            name=name,
            kind=Kind.DISCRETE,
            run=run,
            aval=aval,
            partials=(None,),
            notation=f"{name} {{0}}",
            doc=f"Position of the {name[3:]}imum.",
        )
    )


ARGMAX = _position("argmax", np.argmax)
ARGMIN = _position("argmin", np.argmin)


# ---- NumPy's functions
def _masked(a: Any, where: Any, identity: Any) -> Any:
    if a.__class__ is not Traced:
        a = as_array(a)
    return a if where is OMITTED or where is True else np.where(where, a, identity)


def _keep(keepdims: Any) -> bool:
    return False if keepdims is OMITTED else bool(keepdims)


def _summed_as(a: Any, attrs: dict[str, Any], dtype: np.dtype) -> Any:
    """Enter dtype= into the attributes. NumPy casts each entry first, which for whole numbers ends the derivative."""
    attrs["dtype"] = dtype.name
    return a if dtype.kind in "fc" else a.astype(dtype)


@rule_for(np.sum)
def sum_(a, axis=None, dtype=None, out=None, keepdims=OMITTED, initial=OMITTED, where=OMITTED):
    if a.__class__ is Traced and axis is None and keepdims is OMITTED and where is OMITTED:
        if dtype is None and initial is OMITTED:
            return bind(SUM, (a,), {"axis": ALL_AXES[len(a.shape)], "keepdims": False})
    a = _masked(a, where, 0)
    attrs = {"axis": reduced_axes(axis, len(a.shape)), "keepdims": _keep(keepdims)}
    if dtype is not None:
        a = _summed_as(a, attrs, np.dtype(dtype))
    total = bind(SUM, (a,), attrs)
    return total if initial is OMITTED else total + initial


@rule_for(np.prod)
def prod(a, axis=None, dtype=None, out=None, keepdims=OMITTED, initial=OMITTED, where=OMITTED):
    a = _masked(a, where, 1)
    attrs = {"axis": reduced_axes(axis, len(shape_of(a))), "keepdims": _keep(keepdims)}
    if dtype is not None:
        a = _summed_as(a, attrs, np.dtype(dtype))
    total = bind(PROD, (a,), attrs)
    return total if initial is OMITTED else total * initial


def _extreme(op, better, worst, a, axis, keepdims, initial, where):
    a = as_array(a)
    if where is not OMITTED and where is not True:
        if initial is OMITTED:
            raise ValueError(f"{op.name} with where= needs initial=, as in NumPy")
        a = np.where(where, a, worst)
    shape = shape_of(a)
    axes = reduced_axes(axis, len(shape))
    if initial is not OMITTED and any(shape[i] == 0 for i in axes):
        return np.full(reduced_shape(shape, axes, _keep(keepdims)), initial, dtype_of(a))
    result = bind(op, (a,), {"axis": axes, "keepdims": _keep(keepdims)})
    return result if initial is OMITTED else better(result, initial)


@rule_for(np.max, np.amax)
def max_(a, axis=None, out=None, keepdims=OMITTED, initial=OMITTED, where=OMITTED):
    return _extreme(MAX, np.maximum, -np.inf, a, axis, keepdims, initial, where)


@rule_for(np.min, np.amin)
def min_(a, axis=None, out=None, keepdims=OMITTED, initial=OMITTED, where=OMITTED):
    return _extreme(MIN, np.minimum, np.inf, a, axis, keepdims, initial, where)


@rule_for(np.ptp)
def ptp(a, axis=None, out=None, keepdims=OMITTED):
    return max_(a, axis, keepdims=keepdims) - min_(a, axis, keepdims=keepdims)


def _logical(op):
    def implementation(a, axis=None, out=None, keepdims=OMITTED, *, where=OMITTED):
        a = _masked(a, where, op is ALL_OP)
        return bind(op, (a,), {"axis": reduced_axes(axis, len(shape_of(a))), "keepdims": _keep(keepdims)})

    return implementation


rule_for(np.any)(_logical(ANY_OP))
rule_for(np.all)(_logical(ALL_OP))


def _argument(op):
    def implementation(a, axis=None, out=None, *, keepdims=OMITTED):
        a = as_array(a)
        if axis is None:
            found = bind(op, (np.ravel(a),), {"axis": 0, "keepdims": False})
            return np.reshape(found, (1,) * len(shape_of(a))) if _keep(keepdims) else found
        one, axis = along(a, axis)
        found = bind(op, (one,), {"axis": axis, "keepdims": _keep(keepdims)})
        return np.reshape(found, ()) if one is not a and _keep(keepdims) else found

    return implementation


rule_for(np.argmax)(_argument(ARGMAX))
rule_for(np.argmin)(_argument(ARGMIN))


@rule_for(np.count_nonzero)
def count_nonzero(a, axis=None, *, keepdims=False):
    return sum_(a != 0, axis=axis, keepdims=keepdims)


@rule_for(np.size)
def size(a, axis=None):
    return value_of(a.size) if axis is None else shape_of(a)[axis]


@rule_for(np.shape)
def shape(a):
    return shape_of(a)


@rule_for(np.ndim)
def ndim(a):
    return len(shape_of(a))
