"""Grids of points: ``np.linspace`` and its logarithmic kin, ``np.meshgrid``, ``np.ix_``."""

from __future__ import annotations

import operator

import numpy as np

from backpass.graph import messages
from backpass.graph.aval import Aval, promoted

from .arithmetic import ANY
from .declare import Traced, as_array, dtype_of, is_staged, linear, rule_for, shape_of, value_of

_FLOAT = np.dtype(float)


def _inexact(*parts):
    if all(dtype_of(p) is _FLOAT for p in parts):
        return _FLOAT
    dtype = np.result_type(*[dtype_of(p) if shape_of(p) or hasattr(p, "dtype") else p for p in parts])
    return dtype if dtype.kind in "fc" else np.result_type(dtype, np.float64)


def _as(x, dtype):
    return x if dtype_of(x) == dtype else as_array(x).astype(dtype)


def _weights(num, endpoint, dtype):
    """How far along each point is: 0 at the start, 1 at the stop."""
    parts = num - 1 if endpoint else num
    return np.arange(num, dtype=dtype) / max(parts, 1)


def _summed(g, weights):
    return np.dot(weights, g) if len(shape_of(g)) == 1 else np.tensordot(weights, g, 1)


LINSPACE = linear(
    "linspace",
    lambda start, stop, num, endpoint: np.linspace(start, stop, num, endpoint),
    lambda start, stop, num, endpoint: Aval(
        (num, *np.broadcast_shapes(start.shape, stop.shape)), np.result_type(promoted(start, stop), 0.0)
    ),
    lambda g, out, start, stop, num, endpoint: _summed(g, 1 - _weights(num, endpoint, dtype_of(out))),
    lambda g, out, start, stop, num, endpoint: _summed(g, _weights(num, endpoint, dtype_of(out))),
    joint=True,
    notation="{0} … {1}",
    domain=ANY,
    doc="Points at equal distances from the first argument to the second, along a new first axis.",
)


@rule_for(np.linspace)
def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0, *, device=None):
    """start + i (stop − start)/(num − 1): linear in both ends."""
    num = operator.index(num)
    if num < 0:
        raise ValueError(f"Number of samples, {num}, must be non-negative.")
    start, stop = (end if type(end) in (float, Traced) else as_array(end) for end in (start, stop))
    own = _inexact(start, stop)
    if own is not _FLOAT:
        start, stop = _as(start, own), _as(stop, own)
    y = LINSPACE(start, stop, num=num, endpoint=bool(endpoint))
    if axis != 0:
        y = np.moveaxis(y, 0, axis)
    if dtype is not None:
        y = (np.floor(y) if np.issubdtype(np.dtype(dtype), np.integer) else y).astype(dtype)
    if not retstep:
        return y
    parts = num - 1 if endpoint else num
    return y, (stop - start) / parts if parts > 0 else np.nan


@rule_for(np.arange)
def arange(*ends, device=None, like=None, **named):
    """start + i·step, of as many entries as there are values of start, stop and step; stop only counts them."""
    if len(ends) == 1 and "stop" not in named:
        ends = (named.pop("start", 0), ends[0])
    given = dict(zip(("start", "stop", "step", "dtype"), ends, strict=False)) | named
    start, stop, step = given.get("start", 0), given.get("stop"), given.get("step", 1)
    step, dtype = 1 if step is None else step, given.get("dtype")
    for part in (start, stop, step):
        if is_staged(part):
            raise messages.shape_depends_on_values("np.arange", part, "np.linspace(start, stop, num) has num entries.")
    values = np.arange(value_of(start), value_of(stop), value_of(step), dtype=dtype)
    if not any(isinstance(part, Traced) for part in (start, step)) or values.dtype.kind not in "fc" or not values.size:
        return values
    second = start + step
    first = as_array(start).astype(values.dtype)
    if values.size == 1:
        return np.stack([first])
    second = as_array(second).astype(values.dtype)
    rest = first + np.arange(2, values.size) * (second - first)  # as NumPy fills it
    return np.concatenate([np.stack([first, second]), rest.astype(values.dtype)])


@rule_for(np.logspace)
def logspace(start, stop, num=50, endpoint=True, base=10.0, dtype=None, axis=0):
    """baseʸ at evenly spaced y."""
    if len(shape_of(base)):
        start, stop, base = np.broadcast_arrays(as_array(start), as_array(stop), as_array(base))
        base = np.expand_dims(base, axis)
    y = linspace(start, stop, num=num, endpoint=endpoint, axis=axis)
    power = np.power(base, y)
    return power if dtype is None else power.astype(dtype)


@rule_for(np.geomspace)
def geomspace(start, stop, num=50, endpoint=True, dtype=None, axis=0):
    """start (stop/start)^(i/(num − 1)), both ends exact."""
    start, stop = as_array(start), as_array(stop)
    for end in (start, stop):
        if not is_staged(end) and np.any(value_of(end) == 0):
            raise ValueError("Geometric sequence cannot include zero")
    own = _inexact(start, stop, float(num))
    start, stop = start.astype(own), stop.astype(own)
    sign = np.sign(start)
    start, stop = start / sign, stop / sign
    result = logspace(np.log10(start), np.log10(stop), num=num, endpoint=endpoint, base=10.0)
    shape = (1, *shape_of(result)[1:])
    if num > 0:
        ends = [np.broadcast_to(np.expand_dims(end, 0), shape) for end in (start, stop)]
        last = num > 1 and endpoint
        result = np.concatenate([ends[0], result[1 : num - 1 if last else num], *ends[1:][: int(last)]], axis=0)
    result = result * sign
    if axis != 0:
        result = np.moveaxis(result, 0, axis)
    return result if dtype is None else result.astype(dtype)


@rule_for(np.ix_)
def ix_(*args):
    """Index arrays that pick a block; a mask stands for the positions where it holds."""
    n = len(args)
    out = []
    for k, sequence in enumerate(args):
        sequence = as_array(sequence)
        if len(shape_of(sequence)) != 1:
            raise ValueError("Cross index must be 1 dimensional")
        if dtype_of(sequence).kind == "b":
            (sequence,) = np.nonzero(sequence)
        out.append(np.reshape(sequence, tuple(-1 if j == k else 1 for j in range(n))))
    return tuple(out)


@rule_for(np.diag_indices_from)
def diag_indices_from(arr):
    shape = shape_of(arr)
    if len(shape) < 2 or len(set(shape)) > 1:
        raise ValueError(f"input array must be at least 2-d with all dimensions of equal length, got shape {shape}")
    return np.diag_indices(shape[0], len(shape))
