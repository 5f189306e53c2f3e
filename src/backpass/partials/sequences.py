"""Samples along an axis: their slope (``np.gradient``) and unwrapped phases."""

from __future__ import annotations

from typing import Any

import numpy as np

from .declare import as_array, dtype_of, normal_axes, normal_axis, rule_for, shape_of
from .indexing import section, take
from .shape import CONCATENATE


def _spacings(f: Any, varargs: tuple[Any, ...], axes: tuple[int, ...]) -> list[Any]:
    """One step, or one array of steps, for each axis; as ``np.gradient`` reads its arguments."""
    if not varargs:
        return [1.0] * len(axes)
    if len(varargs) == 1 and len(shape_of(varargs[0])) == 0:
        return list(varargs) * len(axes)
    if len(varargs) != len(axes):
        raise TypeError("invalid number of arguments")
    steps = []
    for axis, given in zip(axes, varargs, strict=True):
        given = as_array(given)
        if len(shape_of(given)) == 0:
            steps.append(given)
            continue
        if len(shape_of(given)) != 1:
            raise ValueError("distances must be either scalars or 1d")
        if shape_of(given)[0] != shape_of(f)[axis]:
            raise ValueError("when 1d, distances must match the length of the corresponding dimension")
        if dtype_of(given).kind in "iu":
            given = given.astype(np.float64)
        step = np.diff(given)
        # NumPy reads equal steps as one number. Where the positions are traced that would lose the derivative in all
        # but two of them, so there the formula for unequal steps stays: the same value to a few ulp.
        steps.append(step[0] if not hasattr(step, "node") and bool((step == step[0]).all()) else step)
    return steps


def _slope(f: Any, h: Any, axis: int, edge_order: int) -> Any:
    """The slope along one axis: second order inside, `edge_order` at both ends."""

    def part(start: int | None, stop: int | None) -> Any:
        return section(f, (slice(None),) * axis + (slice(start, stop),))

    n, even = shape_of(f)[axis], len(shape_of(h)) == 0
    if even and edge_order == 1 and h.__class__ is float and h == 1.0 and len(shape_of(f)) == 1:
        above, below = np.arange(1, n + 1), np.arange(-1, n - 1)
        above[-1], below[0] = n - 1, 0
        width = (above - below).astype(dtype_of(f))
        return (take(f, above, 0) - take(f, below, 0)) / width
    if even:
        inner = (part(2, None) - part(None, -2)) / (2.0 * h)
        first, last = h, h
    else:
        lengthened = (-1,) + (1,) * (len(shape_of(f)) - axis - 1)
        h1, h2 = h[:-1], h[1:]
        a, b, c = -(h2) / (h1 * (h1 + h2)), (h2 - h1) / (h1 * h2), h1 / (h2 * (h1 + h2))
        a, b, c = (np.reshape(w, lengthened) for w in (a, b, c))
        inner = a * part(None, -2) + b * part(1, -1) + c * part(2, None)
        first, last = h[0], h[-1]
    if edge_order == 1:
        low = (part(1, 2) - part(0, 1)) / first
        high = (part(n - 1, n) - part(n - 2, n - 1)) / last
        return CONCATENATE(low, inner, high, axis=axis)
    if even:
        a, b, c = -1.5 / h, 2.0 / h, -0.5 / h
    else:
        h1, h2 = h[0], h[1]
        a, b, c = -(2.0 * h1 + h2) / (h1 * (h1 + h2)), (h1 + h2) / (h1 * h2), -h1 / (h2 * (h1 + h2))
    low = a * part(0, 1) + b * part(1, 2) + c * part(2, 3)
    if even:
        a, b, c = 0.5 / h, -2.0 / h, 1.5 / h
    else:
        h1, h2 = h[-2], h[-1]
        a, b, c = h2 / (h1 * (h1 + h2)), -(h2 + h1) / (h1 * h2), (2.0 * h2 + h1) / (h2 * (h1 + h2))
    high = a * part(n - 3, n - 2) + b * part(n - 2, n - 1) + c * part(n - 1, n)
    return np.concatenate([low, inner, high], axis=axis)


@rule_for(np.gradient)
def gradient(f, *varargs, axis=None, edge_order=1):
    f = as_array(f)
    if dtype_of(f).kind not in "fc":
        f = f.astype(np.float64)
    axes = normal_axes(axis, len(shape_of(f)))
    if edge_order not in (1, 2):
        raise ValueError("'edge_order' greater than 2 not supported")
    for along in axes:
        if shape_of(f)[along] < edge_order + 1:
            raise ValueError(
                "Shape of array too small to calculate a numerical gradient, at least (edge_order + 1) elements are "
                f"required: axis {along} of shape {shape_of(f)}"
            )
    slopes = []
    for along, step in zip(axes, _spacings(f, varargs, axes), strict=True):
        slope = _slope(f, step, along, edge_order)
        slopes.append(slope if dtype_of(slope) == dtype_of(f) else slope.astype(dtype_of(f)))
    return slopes[0] if len(axes) == 1 else tuple(slopes)


@rule_for(np.unwrap)
def unwrap(p, discont=None, axis=-1, *, period=6.283185307179586):
    p = as_array(p)
    axis = normal_axis(axis, len(shape_of(p)))
    head = (slice(None),) * axis
    step = np.diff(p, axis=axis)
    discont = period / 2 if discont is None else discont
    dtype = np.result_type(dtype_of(step), dtype_of(period) if hasattr(period, "dtype") else period)
    if np.issubdtype(dtype, np.integer):
        high, remainder = divmod(period, 2)
        ambiguous = remainder == 0
    else:
        high, ambiguous = period / 2, True
    low = -high
    wrapped = np.mod(step - low, period) + low
    if ambiguous:
        wrapped = np.where(np.logical_and(wrapped == low, step > 0), high, wrapped)
    correction = np.where(np.abs(step) < discont, 0, wrapped - step)
    rest = p[(*head, slice(1, None))] + np.cumsum(correction, axis=axis)
    start = p[(*head, slice(None, 1))]
    joined = np.concatenate([start, rest], axis=axis)
    return joined if dtype_of(joined) == dtype else joined.astype(dtype)
