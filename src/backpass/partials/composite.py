"""Composites: means, variances, norms and the softmax family, defined by their parts in NumPy.

Their derivatives follow from the parts. Each call marks its parts with the composite's name, so that a reader can fold
them back together.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from backpass.graph import messages
from backpass.graph.origin import Part, here, state

from .arithmetic import ANY, POSITIVE
from .declare import (
    Kind,
    Op,
    Traced,
    as_array,
    bind,
    conjugated,
    declare,
    dtype_of,
    floating,
    is_complex,
    is_staged,
    normal_axes,
    passes,
    rule_for,
    shape_of,
    ufunc_aval,
    value_of,
)
from .reductions import OMITTED, SUM, _keep, _masked, _reduction, restore, sum_


def composite(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: mark all operations that one call makes as the parts of one composite."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def marked(*args: Any, **kwargs: Any) -> Any:
            before = state.origin
            if before is None or before.note is None:
                state.origin = (before or here(3)).noted(Part(name, object()))
            try:
                return function(*args, **kwargs)
            finally:
                state.origin = before

        return marked

    return decorate


def _count(a: Any, axes: tuple[int, ...], where: Any) -> Any:
    if where is OMITTED or where is True:
        shape = shape_of(a)
        return math.prod([shape[i] for i in axes])
    return np.sum(np.broadcast_to(where, shape_of(a)), axis=axes, keepdims=True)


@rule_for(np.mean)
@composite("mean")
def mean(a, axis=None, dtype=None, out=None, keepdims=OMITTED, *, where=OMITTED):
    a = as_array(a)
    axes = normal_axes(axis, len(shape_of(a)))
    own = dtype_of(a)
    if where is OMITTED and dtype is None and own.char in "fdFD":
        return SUM(a, axis=axes, keepdims=_keep(keepdims)) / _count(a, axes, where)
    # As NumPy: whole numbers are summed in float64, half precision in single and rounded at the end.
    wide = np.dtype(dtype or (np.float64 if own.kind in "iub" else np.float32 if own == np.float16 else own))
    total = np.sum(_masked(a, where, 0), axis=axes, dtype=None if wide == own else wide, keepdims=_keep(keepdims))
    count = _count(a, axes, where)
    result = total / (count if isinstance(count, int) else np.reshape(count, shape_of(total)))
    target = np.dtype(dtype) if dtype else own if own.kind in "fc" else wide
    return result if dtype_of(result) == target else result.astype(target)


def _deviation(a: Any, axes: tuple[int, ...], where: Any, dtype: Any) -> Any:
    """x − mean(x), with 0 where entries are left out."""
    total = sum_(_masked(a, where, 0), axes, dtype, keepdims=True)
    return _masked(a - _divided(total, _count(a, axes, where)), where, 0)


def squared(x: Any) -> Any:
    """|x|², real."""
    return np.real(np.multiply(x, np.conjugate(x))) if is_complex(x) else np.square(x)


def _divided(total: Any, count: Any) -> Any:
    """total / count in the dtype of the total, as NumPy writes it into place."""
    result = total / count
    return result if dtype_of(result) == dtype_of(total) else result.astype(dtype_of(total))


def _deviations(x: Any, axis: tuple[int, ...]) -> tuple[Any, int]:
    """x − mean(x), and how many entries each mean is of."""
    count = _count(x, axis, OMITTED)
    return x - SUM(x, axis=axis, keepdims=True) / count, count


def _var_run(x: Any, axis: tuple[int, ...], keepdims: bool, ddof: Any) -> Any:
    d, count = _deviations(x, axis)
    return np.add.reduce(d * d, axis=axis, keepdims=keepdims) / max(count - ddof, 0)


def _var_partial(out: Any, x: Any, axis: tuple[int, ...], keepdims: bool, ddof: Any) -> Any:
    # 2 (x − x̄)/(n − ddof): what the mean adds, the sum of x − x̄, is 0.
    d, count = _deviations(x, axis)
    return d * (2 / max(count - ddof, 0))


VAR = _reduction(
    "var",
    _var_run,
    _var_partial,
    dtype=lambda dtype, attrs: (np.zeros(1, dtype) / 1).dtype,
    even=True,
    notation="var {0}",
    domain=ANY,
    doc="Variance of real numbers over axes, whose values are known; staged it is composed of its parts.",
)


@rule_for(np.var)
@composite("var")
def var(
    a,
    axis=None,
    dtype=None,
    out=None,
    ddof: Any = 0,
    keepdims=OMITTED,
    *,
    where=OMITTED,
    mean=OMITTED,
    correction=OMITTED,
):
    a = as_array(a)
    ddof = ddof if correction is OMITTED else correction
    own = dtype_of(a)
    if where is OMITTED and mean is OMITTED and dtype is None and own.char in "fdFD":
        axes = normal_axes(axis, len(shape_of(a)))
        if own.kind == "f" and a.__class__ is Traced and a.node.value.__class__ is np.ndarray:
            return bind(VAR, (a,), {"axis": axes, "keepdims": _keep(keepdims), "ddof": ddof})
        d, count = _deviations(a, axes)
        return SUM(squared(d), axis=axes, keepdims=_keep(keepdims)) / max(count - ddof, 0)
    wide = dtype or (np.float64 if own.kind not in "fc" else np.float32 if own == np.float16 else None)
    axes = normal_axes(axis, len(shape_of(a)))
    x = _deviation(a, axes, where, wide) if mean is OMITTED else _masked(a - mean, where, 0)
    total = sum_(squared(x), axes, wide, keepdims=keepdims)
    count = _count(a, axes, where)
    divisor = (
        max(count - ddof, 0) if isinstance(count, int) else np.maximum(np.reshape(count, shape_of(total)) - ddof, 0)
    )
    result = _divided(total, divisor)
    return result.astype(own) if own == np.float16 and dtype is None else result


@rule_for(np.std)
@composite("std")
def std(
    a,
    axis=None,
    dtype=None,
    out=None,
    ddof=0,
    keepdims=OMITTED,
    *,
    where=OMITTED,
    mean=OMITTED,
    correction=OMITTED,
):
    return _root_of_squares(var(a, axis, dtype, None, ddof, keepdims, where=where, mean=mean, correction=correction))


def _length_partial(g: Any, out: Any, x: Any) -> Any:
    zero = np.equal(out, 0)
    return g * np.where(zero, 0.0, 0.5 / np.where(zero, 1.0, out))


LENGTH = declare(
    Op(
        name="length",
        kind=Kind.POINTWISE,
        run=np.sqrt,
        aval=ufunc_aval(np.sqrt),
        partials=(_length_partial,),
        squared=(passes,),
        notation="√{0}",
        domain=POSITIVE,
        kinks="0 at 0, the smallest subgradient of a norm.",
        doc="The root of a sum of squares.",
    )
)


def _root_of_squares(x: Any) -> Any:
    """√x with derivative 0 at 0, the smallest subgradient of a norm."""
    return np.sqrt(x) if not is_staged(x) and np.greater(value_of(x), 0).all() else LENGTH(x)


def weights_beside(a: Any, weights: Any, axis: Any) -> Any:
    """Weights in the shape of the entries; they may be given for the axes that are summed over alone."""
    weights, shape = as_array(weights), shape_of(a)
    if shape_of(weights) == shape:
        return weights
    if axis is None:
        raise TypeError("Axis must be specified when shapes of a and weights differ.")
    axes = normal_axes(axis, len(shape))
    if shape_of(weights) != tuple([shape[i] for i in axes]):
        raise ValueError("Shape of weights must be consistent with shape of a along specified axis.")
    weights = np.transpose(weights, sorted(range(len(axes)), key=axes.__getitem__))
    weights = np.reshape(weights, tuple([n if i in axes else 1 for i, n in enumerate(shape)]))
    return np.broadcast_to(weights, shape)


@rule_for(np.average)
@composite("average")
def average(a, axis=None, weights=None, returned=False, *, keepdims=OMITTED):
    a = as_array(a)
    if weights is None:
        result = np.mean(a, axis=axis, keepdims=keepdims)
        weight_sum = np.full(shape_of(result), float(a.size) / max(result.size, 1))
    else:
        weights = weights_beside(a, weights, axis)
        weight_sum = np.sum(weights, axis=axis, keepdims=_keep(keepdims))
        if not is_staged(weight_sum) and np.any(value_of(weight_sum) == 0):
            raise ZeroDivisionError("Weights sum to zero, can't be normalized")
        result = np.sum(a * weights, axis=axis, keepdims=_keep(keepdims)) / weight_sum
    return (result, weight_sum) if returned else result


# ---- norms
def _norm_run(x: Any, axis: tuple[int, ...], keepdims: bool, by_dot: bool = False) -> Any:
    return np.sqrt(np.dot(x, x) if by_dot else np.add.reduce(x * x, axis=axis, keepdims=keepdims))


def _norm_partial(out: Any, x: Any, axis: tuple[int, ...], keepdims: bool, by_dot: bool = False) -> Any:
    # x/‖x‖, and 0 at x = 0.
    length = out if out.__class__ is np.float64 else restore(out, shape_of(x), axis, keepdims)
    if x.__class__ is np.ndarray:
        return x / (length + (length == 0))  # where the length is 0, so is all of x
    zero = np.equal(length, 0)
    return np.where(zero, 0.0, x / np.where(zero, 1.0, length))


NORM = _reduction(
    "norm",
    _norm_run,
    _norm_partial,
    dtype=lambda dtype, attrs: np.sqrt(np.add.reduce(np.ones(1, dtype) * np.ones(1, dtype))).dtype,
    notation="‖{0}‖",
    domain={"low": -3.0, "high": 3.0},
    kinks="0 at x = 0, the smallest subgradient.",
    squared=(lambda g, x: g * (2 * conjugated(x)),),
    doc="Euclidean (Frobenius) norm over axes; `by_dot` sums the squares of a vector by a dot product, as NumPy does.",
)


@rule_for(np.linalg.norm)
def norm(x, ord=None, axis=None, keepdims=False):
    if ord is None and axis is None and not keepdims and x.__class__ is Traced:
        if len(x.shape) == 1 and x.dtype.kind == "f":
            return bind(NORM, (x,), {"axis": (0,), "keepdims": False, "by_dot": True})
    return _norm(as_array(x), ord, axis, keepdims)


@composite("norm")
def _norm(x, ord, axis, keepdims):
    ndim = len(shape_of(x))
    if dtype_of(x).kind not in "fc":
        x = x.astype(np.float64)
    axes = normal_axes(axis, ndim)
    if ord in (1, 2, np.inf) and not math.prod([shape_of(x)[i] for i in axes]):
        return np.sum(np.abs(x), axis=axes, keepdims=keepdims)
    if is_complex(x) and (ord in (None, "fro") or (ord == 2 and len(axes) == 1)):
        return _root_of_squares(np.sum(squared(x), axis=axes, keepdims=keepdims))
    if axis is None and (ord is None or (ord == "fro" and ndim == 2) or (ord == 2 and ndim == 1)):
        flat = x if ndim == 1 else np.reshape(x, (-1,))
        length = NORM(flat, axis=(0,), keepdims=False, by_dot=True)
        return np.reshape(length, (1,) * ndim) if keepdims else length
    if len(axes) == 2 and ord in (None, "fro"):
        return NORM(x, axis=axes, keepdims=keepdims)
    if len(axes) == 1:
        if ord is None or ord == 2:
            return NORM(x, axis=axes, keepdims=keepdims)
        if ord == np.inf:
            return np.max(np.abs(x), axis=axes, keepdims=keepdims)
        if ord == -np.inf:
            return np.min(np.abs(x), axis=axes, keepdims=keepdims)
        if ord == 0:
            return np.sum((x != 0).astype(dtype_of(x)), axis=axes, keepdims=keepdims)
        if ord == 1:
            return np.sum(np.abs(x), axis=axes, keepdims=keepdims)
        if isinstance(ord, (int, float)):
            total = np.sum(np.abs(x) ** ord, axis=axes, keepdims=keepdims)
            zero = np.equal(total, 0)
            return np.where(zero, 0.0, np.where(zero, 1.0, total) ** (1.0 / ord))
    if len(axes) == 2 and ord in (1, -1, np.inf, -np.inf):
        rows, columns = axes
        first, second = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = np.sum(np.abs(x), axis=first, keepdims=True)
        extreme = (np.max if ord > 0 else np.min)(sums, axis=second, keepdims=True)
        return extreme if keepdims else np.squeeze(extreme, axis=axes)
    if len(axes) == 2 and ord in (2, -2, "nuc"):
        s = np.linalg.svd(np.moveaxis(x, axes, (-2, -1)), compute_uv=False)
        length = np.sum(s, axis=-1) if ord == "nuc" else s[..., 0 if ord == 2 else -1]
        return np.expand_dims(length, tuple(sorted(axes))) if keepdims else length
    raise messages.option_refused(
        "np.linalg.norm",
        f"ord={ord!r}",
        "Norms with a rule: vectors of any order; matrices 'fro', 'nuc', ±1, ±2, ±inf.",
    )


@rule_for(np.linalg.vector_norm)
def vector_norm(x, /, *, axis=None, keepdims=False, ord=2):
    if axis is None:
        result = norm(np.ravel(x), ord=ord)
        return np.reshape(result, (1,) * len(shape_of(x))) if keepdims else result
    if isinstance(axis, tuple):
        # Several axes are one vector.
        shape = shape_of(x)
        axes = normal_axes(axis, len(shape))
        rest = tuple(i for i in range(len(shape)) if i not in axes)
        flat = np.reshape(np.transpose(x, axes + rest), (-1, *[shape[i] for i in rest]))
        result = norm(flat, ord=ord, axis=0)
        return np.reshape(result, tuple(1 if i in axes else n for i, n in enumerate(shape))) if keepdims else result
    return norm(x, ord=ord, axis=axis, keepdims=keepdims)


@rule_for(np.linalg.matrix_norm)
def matrix_norm(x, /, *, keepdims=False, ord="fro"):
    return norm(x, ord=ord, axis=(-2, -1), keepdims=keepdims)


# ---- the softmax family
def _logsumexp_run(x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    x = np.asarray(x)
    if x.dtype.kind not in "fc":
        x = x.astype(np.float64)
    top = (
        np.max(x.real, axis=axis, keepdims=True)
        if x.size
        else np.full(tuple(1 if i in axis else n for i, n in enumerate(x.shape)), -np.inf)
    )
    safe = np.where(np.isfinite(top), top, 0).astype(x.real.dtype)
    with np.errstate(divide="ignore"):
        out = np.log(np.sum(np.exp(x - safe), axis=axis, keepdims=True)) + safe
    return out if keepdims else np.squeeze(out, axis=axis)[()]


def _softmax_of(out: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    # ∂ log Σ exp(x) / ∂x = exp(x − logsumexp(x)): the softmax. Where every entry is −inf the result is constant.
    total = restore(out, shape_of(x), axis, keepdims)
    return np.exp(x - np.where(np.isfinite(total), total, 0.0))


LOGSUMEXP = _reduction(
    "logsumexp",
    _logsumexp_run,
    _softmax_of,
    dtype=lambda dtype, attrs: dtype if dtype.kind in "fc" else np.dtype(np.float64),
    notation="log Σ exp({0})",
    domain={"low": -3.0, "high": 3.0},
    doc="log Σ exp(x), shifted by the largest entry so that it does not overflow (Blanchard et al. 2021).",
)


@composite("logsumexp")
def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """log Σ exp(x) over `axis`, without overflow; −inf where all entries are.

    >>> float(logsumexp(np.array([1000.0, 1000.0])))
    1000.6931471805599
    """
    x = floating(x)
    return LOGSUMEXP(x, axis=normal_axes(axis, len(shape_of(x))), keepdims=keepdims)


@composite("softmax")
def softmax(x: Any, axis: Any = -1) -> Any:
    """exp(xᵢ) / Σ exp(xⱼ) along `axis`, shifted by the largest entry; the shape and dtype of x.

    >>> softmax(np.array([0.0, np.log(3.0)]))
    array([0.25, 0.75])
    """
    x = floating(x)
    shifted = x - constant_max(x, axis)
    e = np.exp(shifted)
    return e / np.sum(e, axis=axis, keepdims=True)


@composite("log_softmax")
def log_softmax(x: Any, axis: Any = -1) -> Any:
    """log softmax(x) = x − log Σ exp(x) along `axis`; the shape and dtype of x.

    >>> np.exp(log_softmax(np.array([0.0, np.log(3.0)])))
    array([0.25, 0.75])
    """
    x = floating(x)
    # The shift comes before the sum, not after: logits near 1e4 would else leave float32 three digits.
    shifted = x - constant_max(x, axis)
    return shifted - LOGSUMEXP(shifted, axis=normal_axes(axis, len(shape_of(x))), keepdims=True)


def constant_max(x: Any, axis: Any) -> Any:
    """The largest entry as a constant: a shift that cancels, so it needs no derivative."""
    from .functional import stop_gradient

    return stop_gradient(np.max(np.real(x), axis=axis, keepdims=True))


__all__ = ["composite", "log_softmax", "logsumexp", "softmax", "weights_beside"]
