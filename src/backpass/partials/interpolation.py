"""Functions put together from pieces: ``np.interp`` and ``np.piecewise``."""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass.graph.origin import forced_origin

from .declare import Traced, as_array, dtype_of, is_staged, rule_for, shape_of, value_of
from .indexing import GATHER, SCATTER_ADD


@rule_for(np.interp)
def interp(x, xp, fp, left=None, right=None, period=None):
    """fpⱼ + (x − xpⱼ)(fpⱼ₊₁ − fpⱼ)/(xpⱼ₊₁ − xpⱼ).

    At a knot the derivative in x is the slope of the piece to its right; beyond the ends it is 0. Which piece an x lies
    in is held fixed, so the derivative in xp is that of the piece.
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
    right = fp[-1] if right is None else right
    at = np.searchsorted(xp, x, side="right") - 1
    below, last = at < 0, at >= n - 1
    if n == 1:
        inside = np.broadcast_to(fp[0], shape_of(x))
    else:
        j = np.clip(at, 0, n - 2)
        low, high, start, end = (GATHER(part, k, key=("index",)) for part in (xp, fp) for k in (j, j + 1))
        inside = np.where(last, fp[-1], (end - start) / (high - low) * (x - low) + start)
    result = np.where(below, left, np.where(x > xp[-1], right, inside))
    return np.where(np.isnan(x), x, result)


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
