"""Comparisons, masks, and the functions that choose between values: ``where``, ``maximum``, ``minimum``, ``clip``."""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass.graph import messages
from backpass.graph.aval import Aval, promoted
from backpass.graph.traced import is_array

from .arithmetic import ANY
from .declare import (
    Kind,
    Op,
    Traced,
    as_array,
    bind,
    declare,
    dtype_of,
    fresh,
    is_complex,
    is_staged,
    passes,
    pointwise,
    rule_for,
    shape_of,
    value_of,
    writes,
)

for _ufunc, _sign in (
    (np.less, "<"),
    (np.less_equal, "≤"),
    (np.greater, ">"),
    (np.greater_equal, "≥"),
    (np.equal, "="),
    (np.not_equal, "≠"),
):
    pointwise(_ufunc, None, None, notation=f"[{{0}} {_sign} {{1}}]", domain=ANY)
for _ufunc, _sign in (
    (np.logical_and, "{0} ∧ {1}"),
    (np.logical_or, "{0} ∨ {1}"),
    (np.logical_xor, "{0} ⊻ {1}"),
):
    pointwise(_ufunc, None, None, notation=_sign, domain=ANY)
for _ufunc, _sign in (
    (np.logical_not, "¬{0}"),
    (np.isfinite, "[{0} is finite]"),
    (np.isnan, "[{0} is NaN]"),
    (np.isinf, "[{0} is infinite]"),
    (np.signbit, "[{0} has a minus sign]"),
    (np.spacing, "spacing({0})"),
):
    pointwise(_ufunc, None, notation=_sign, domain=ANY)


NEXTAFTER = pointwise(
    np.nextafter, passes, None, notation="nextafter({0}, {1})", domain=ANY, doc="The next number towards the second."
)


def _where_aval(condition: Aval, a: Aval, b: Aval) -> Aval:
    return Aval(np.broadcast_shapes(condition.shape, a.shape, b.shape), promoted(a, b))


WHERE = declare(
    Op(
        name="where",
        kind=Kind.POINTWISE,
        run=np.where,
        aval=_where_aval,
        partials=(
            None,
            lambda g, out, condition, a, b: np.where(condition, g, 0.0),
            lambda g, out, condition, a, b: np.where(condition, 0.0, g),
        ),
        selects=True,
        notation="{1} if {0} else {2}",
        domain={**ANY, "first": "bool"},
        kinks="The condition is held fixed: no derivative through the place where it switches.",
        doc="Entries of a where the condition holds, of b elsewhere.",
    )
)


@rule_for(np.where)
def where(condition, x=None, y=None, /):
    if x is None:
        return np.nonzero(condition)
    return bind(WHERE, (condition, x, y))


def _larger_gets(g, mine, other):
    # The complement of "other is larger", so that a NaN on either side keeps its cotangent.
    return _split(g, mine < other, mine == other)


def _smaller_gets(g, mine, other):
    return _split(g, mine > other, mine == other)


def _split(g, lost, tie):
    """g where one's own entry is taken, half of it at a tie, 0 where it is lost."""
    if g.__class__ is np.ndarray and lost.__class__ is np.ndarray and g.shape == lost.shape:
        mine = np.where(tie, g * 0.5, g) if np.count_nonzero(tie) else g.copy()
        np.putmask(mine, lost, 0.0)
        return mine
    return np.where(lost, 0.0, np.where(tie, g * 0.5, g))


_TIES = "At a tie each argument gets one half: the mean of the one-sided derivatives."
MAXIMUM = pointwise(
    np.maximum,
    lambda g, out, a, b: _larger_gets(g, a, b),
    lambda g, out, a, b: _larger_gets(g, b, a),
    selects=True,
    notation="max({0}, {1})",
    domain=ANY,
    kinks=_TIES,
)
MINIMUM = pointwise(
    np.minimum,
    lambda g, out, a, b: _smaller_gets(g, a, b),
    lambda g, out, a, b: _smaller_gets(g, b, a),
    selects=True,
    notation="min({0}, {1})",
    domain=ANY,
    kinks=_TIES,
)


def _present_gets(g, mine, other, sign):
    # fmax and fmin: a NaN loses against any number.
    return np.where(np.isnan(mine), 0.0, np.where(np.isnan(other), g, _larger_gets(g, sign * mine, sign * other)))


FMAX = pointwise(
    np.fmax,
    lambda g, out, a, b: _present_gets(g, a, b, 1),
    lambda g, out, a, b: _present_gets(g, b, a, 1),
    selects=True,
    notation="fmax({0}, {1})",
    domain=ANY,
    kinks=_TIES + " A NaN gets nothing.",
)
FMIN = pointwise(
    np.fmin,
    lambda g, out, a, b: _present_gets(g, a, b, -1),
    lambda g, out, a, b: _present_gets(g, b, a, -1),
    selects=True,
    notation="fmin({0}, {1})",
    domain=ANY,
    kinks=_TIES + " A NaN gets nothing.",
)


@rule_for(np.clip)
def clip(a, a_min=None, a_max=None, out=None, *, min=None, max=None, where=True, dtype=None, casting=None, order="K"):
    if where is not True:
        raise messages.option_refused("np.clip", "where", "np.where(mask, np.clip(x, low, high), x) says what stays.")
    a = a if dtype is None else as_array(a).astype(dtype)
    low = min if a_min is None else a_min
    high = max if a_max is None else a_max
    if low is None and high is None:
        return np.positive(a)
    if low is not None:
        a = _chosen(MAXIMUM, a, low)
    return a if high is None else _chosen(MINIMUM, a, high)


def _chosen(op, a, bound):
    if a.__class__ is Traced and bound.__class__ is float:
        return bind(op, (a, bound))
    return op(as_array(a), bound if isinstance(bound, (float, int)) else as_array(bound))


@rule_for(np.select)
def select(condlist, choicelist, default=0):
    result = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = np.where(condition, choice, result)
    return result


@rule_for(np.choose)
def choose(a, choices, out=None, mode="raise"):
    a = as_array(a)
    count = len(choices)
    if mode == "wrap":
        a = a % count
    elif mode == "clip":
        a = np.clip(a, 0, count - 1)
    elif not is_staged(a) and (np.any(value_of(a) < 0) or np.any(value_of(a) >= count)):
        raise ValueError("invalid entry in choice array")
    choices = [as_array(choice) for choice in choices]
    result = np.broadcast_to(choices[-1], np.broadcast_shapes(shape_of(a), *map(shape_of, choices)))
    for k in range(count - 1):
        result = np.where(a == k, choices[k], result)
    return fresh(result)


@writes(np.nan_to_num)
def nan_to_num(x, copy=True, nan=0.0, posinf=None, neginf=None):
    if not copy:
        x[...] = nan_to_num(x, True, nan, posinf, neginf)
        return x
    if is_complex(x):
        parts = [nan_to_num(part, nan=nan, posinf=posinf, neginf=neginf) for part in (np.real(x), np.imag(x))]
        return (parts[0] + 1j * parts[1]).astype(x.dtype)
    if not is_staged(x) and np.isfinite(value_of(x)).all():
        return np.positive(x)
    info = np.finfo(x.dtype)
    x = np.where(np.isnan(x), nan, x)
    x = np.where(x == np.inf, info.max if posinf is None else posinf, x)
    return np.where(x == -np.inf, info.min if neginf is None else neginf, x)


@rule_for(np.isclose)
def isclose(a, b, rtol=1e-5, atol=1e-8, equal_nan=False):
    return np.isclose(value_of(a), value_of(b), value_of(rtol), value_of(atol), equal_nan)


@rule_for(np.allclose)
def allclose(a, b, rtol=1e-5, atol=1e-8, equal_nan=False):
    return np.allclose(value_of(a), value_of(b), value_of(rtol), value_of(atol), equal_nan)


@rule_for(np.array_equal)
def array_equal(a1, a2, equal_nan=False):
    return np.array_equal(value_of(a1), value_of(a2), equal_nan)


@rule_for(np.isreal)
def isreal(x):
    return np.equal(np.imag(x), 0) if is_complex(x) else np.ones(shape_of(x), bool)


@rule_for(np.can_cast)
def can_cast(from_, to, casting: Any = "safe"):
    return np.can_cast(dtype_of(from_) if isinstance(from_, Traced) else from_, to, casting)


@rule_for(np.min_scalar_type)
def min_scalar_type(a):
    return np.min_scalar_type(np.empty(shape_of(a), dtype_of(a)) if is_staged(a) else value_of(a))


@rule_for(np.common_type)
def common_type(*arrays):
    return np.common_type(*[np.empty(0, dtype_of(a)) for a in arrays])


@rule_for(np.isscalar)
def isscalar(element):
    return shape_of(element) == () and not (type(element) is Traced and is_array(element.node))


__all__ = ["FMAX", "FMIN", "MAXIMUM", "MINIMUM", "WHERE"]
