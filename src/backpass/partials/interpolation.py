"""Functions put together from pieces: ``np.interp`` and ``np.piecewise``."""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass.graph.aval import Aval
from backpass.graph.origin import forced_origin

from .arithmetic import joined
from .declare import Kind, Op, Traced, as_array, declare, dtype_of, is_staged, rule_for, shape_of, value_of
from .indexing import GATHER, SCATTER_ADD


def _pieces(xp: Any, x: Any) -> Any:
    """The piece that np.interp takes each x to lie in: from knot j on; −1 before all of them, n behind.

    Of knots that do not increase it depends on where the search for the x before ended, as it does in NumPy: this is
    NumPy's own search then.
    """
    xp, x = (np.asarray(part).astype(np.float64, casting="same_kind", copy=False) for part in (xp, x))
    if np.all(xp[1:] >= xp[:-1]):
        return np.searchsorted(xp, x, side="right") - np.less_equal(x, xp[-1])
    knots, j, found = xp.tolist(), 0, []
    for key in x.ravel().tolist():
        if key == key:
            j = _searched(key, knots, j)
        found.append(j)
    return np.reshape(np.array(found, np.intp), x.shape)


def _searched(key: float, knots: list[float], guess: int) -> int:
    """NumPy's search: at the ends, in order where there are four knots at most, around the guess, by bisection."""
    n = len(knots)
    if key > knots[-1]:
        return n
    if key < knots[0]:
        return -1
    if n <= 4:
        i = 1
        while i < n and key >= knots[i]:
            i += 1
        return i - 1
    guess = max(1, min(guess, n - 3))
    low, high = 0, n
    if key < knots[guess]:
        if not key < knots[guess - 1]:
            return guess - 1
        high = guess - 1
        if guess > _NEARBY and key >= knots[guess - _NEARBY]:
            low = guess - _NEARBY
    elif key < knots[guess + 1]:
        return guess
    elif key < knots[guess + 2]:
        return guess + 1
    else:
        low = guess + 2
        if guess < n - _NEARBY - 1 and key < knots[guess + _NEARBY]:
            high = guess + _NEARBY
    while low < high:
        middle = low + ((high - low) >> 1)
        if key >= knots[middle]:
            low = middle + 1
        else:
            high = middle
    return low - 1


def _pieces_aval(xp: Aval, x: Aval) -> Aval:
    if xp.dtype.kind == "c" or x.dtype.kind == "c":
        raise TypeError("interp: places and knots are real numbers")
    return Aval(x.shape, np.dtype(np.intp))


_NEARBY = 8
PIECE = declare(
    Op(
        name="interp_piece",
        kind=Kind.DISCRETE,
        run=_pieces,
        aval=_pieces_aval,
        partials=(None, None),
        notation="piece({0}, {1})",
        doc="Which piece between two knots np.interp takes values to lie in.",
    )
)


@rule_for(np.interp)
def interp(x, xp, fp, left=None, right=None, period=None):
    """fpⱼ + (x − xpⱼ)(fpⱼ₊₁ − fpⱼ)/(xpⱼ₊₁ − xpⱼ).

    At a knot the derivative in x is the slope of the piece to its right; beyond the ends it is 0. Which piece an x lies
    in is NumPy's choice, also of knots that do not increase, and it is held fixed: the derivative in xp is its own.
    """
    x, xp, fp = _double(x), _double(xp), _double(fp, complex_too=True)
    if len(shape_of(xp)) != 1 or shape_of(xp) != shape_of(fp):
        raise ValueError(f"interp: xp and fp need one axis of equal length, got {shape_of(xp)} and {shape_of(fp)}")
    if not shape_of(xp)[0]:
        raise ValueError("array of sample points is empty")
    if period is not None:
        if np.any(value_of(period) == 0):
            raise ValueError("period must be a non-zero value")
        period = np.abs(period)
        left = right = None
        x, xp = x % period, xp % period
        order = np.argsort(xp)
        xp, fp = xp[order], fp[order]
        xp = np.concatenate([xp[-1:] - period, xp, xp[0:1] + period])
        fp = np.concatenate([fp[-1:], fp, fp[0:1]])
    n = shape_of(xp)[0]
    left = fp[0] if left is None else left
    if n == 1:  # here a NaN counts as neither before nor behind
        return np.where(x < xp[0], left, np.where(x > xp[0], fp[0] if right is None else right, fp[0]))
    at = PIECE(xp, x)
    j = np.clip(at, 0, n - 2)
    low, high, start, end = (GATHER(part, k, key=("index",)) for part in (xp, fp) for k in (j, j + 1))
    with np.errstate(all="ignore"):  # np.interp says nothing of infinities either
        run = high - low
        slope = (end - start) * (1.0 / run) if dtype_of(fp).kind == "c" else (end - start) / run
        inside = slope * (x - low) + start
        tame = not is_staged(inside) and np.isfinite(value_of(inside)).all()
        if not tame and dtype_of(fp).kind == "c":
            halves = []
            for part in (np.real, np.imag):
                first, last = part(start), part(end)
                slope = (last - first) * (1.0 / run)
                halves.append(_finite_where_numpy_is(slope * (x - low) + first, slope, x, low, high, first, last))
            inside = joined(*halves)
        elif not tame:
            inside = _finite_where_numpy_is(inside, slope, x, low, high, start, end)
    result = np.where(at < 0, left, np.where(at >= n - 1, fp[-1], inside))
    if right is not None:
        result = np.where(at == n, right, result)
    return result if tame else np.where(np.isnan(x), x, result)


def _finite_where_numpy_is(inside, slope, x, low, high, start, end):
    """Beside infinite heights and knots that coincide: NaN in one direction, the other is tried, as in NumPy.

    At a knot that an infinite slope leaves the value is the knot's. The root adds 0 to it, and this slope.
    """
    back = slope * (x - high) + end
    level = np.logical_and(np.isnan(back), start == end)
    result = np.where(np.isnan(inside), np.where(level, start, back), inside)
    left_by = np.logical_and(x == low, np.logical_not(np.isfinite(slope)))
    steep = np.copysign(np.cbrt(x - low), slope)
    return np.where(left_by, start + steep, result)


def _double(x, complex_too=False):
    x = as_array(x)
    if dtype_of(x).kind == "c":
        if not complex_too:
            raise TypeError("interp: places are real numbers")
        return x if dtype_of(x) == np.complex128 else x.astype(np.complex128)
    return x if dtype_of(x) == np.float64 else x.astype(np.float64)


@rule_for(np.piecewise)
def piecewise(x, condlist, funclist, *args, **kw):
    """Which piece an entry belongs to is held fixed; where conditions overlap the last one wins, as in NumPy."""
    x = as_array(x)
    condlist = list(condlist) if _several(condlist, x) else [condlist]
    shape = shape_of(x)
    conditions = [np.broadcast_to(c if isinstance(c, Traced) else np.asarray(c, bool), shape) for c in condlist]
    if len(funclist) == len(conditions) + 1:
        anywhere = conditions[0]
        for condition in conditions[1:]:
            anywhere = np.logical_or(anywhere, condition)
        conditions.append(np.logical_not(anywhere))
    elif len(funclist) != len(conditions):
        n = len(conditions)
        raise ValueError(f"with {n} condition(s), either {n} or {n + 1} functions are expected")
    result = np.zeros(shape, dtype_of(x))
    for condition, function in zip(conditions, funclist, strict=True):
        piece: Any = _piece(function, x, condition, args, kw) if callable(function) else function
        if piece is not None:
            result = np.where(condition, piece, result)
    return result if dtype_of(result) == dtype_of(x) else result.astype(dtype_of(x))


def _piece(function, x, condition, args, kw):
    """The function's values at their places; None where it has none."""
    if is_staged(condition):
        # Which entries it gets is not known yet: an elementwise function gives the same on all of them.
        with forced_origin(None):  # what it calls has lines of its own
            return function(x, *args, **kw)
    # As NumPy: a function sees the entries where its condition holds, and no others.
    shape = shape_of(x)
    places = np.nonzero(np.ravel(value_of(condition)))[0]
    if not len(places):
        return None
    mine = np.ravel(x)[places]
    with forced_origin(None):
        made = np.broadcast_to(function(mine, *args, **kw), shape_of(mine))
    return np.reshape(SCATTER_ADD(made, places, shape=(int(np.prod(shape)),), key=("index",)), shape)


def _several(condlist, x) -> bool:
    """Is it a list of conditions, or one condition alone? Told apart as NumPy does."""
    if not isinstance(condlist, (list, tuple)) and not shape_of(condlist):
        return False
    return isinstance(condlist[0], (list, np.ndarray)) or bool(shape_of(condlist[0])) or not shape_of(x)
