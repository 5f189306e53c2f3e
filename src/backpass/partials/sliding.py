"""Products that slide along each other: ``np.correlate`` and ``np.convolve``, and convolution over several axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass.graph import messages
from backpass.graph.aval import Aval
from backpass.graph.layout import strides_of
from backpass.graph.memory import OddView, shared

from .arithmetic import ANY
from .declare import as_array, conjugated, linear, normal_axes, read_only, rule_for, shape_of


def _aval(a: Aval, v: Aval) -> Aval:
    if len(a.shape) != 1 or len(v.shape) != 1:
        raise ValueError("object too deep for desired array" if a.shape and v.shape else "needs 1-d arrays")
    if not a.size or not v.size:
        raise ValueError("an argument of correlate cannot be empty")
    return Aval((a.size + v.size - 1,), np.result_type(a.dtype, v.dtype))


CORRELATE = linear(
    "correlate",
    lambda a, v: np.correlate(a, v, "full"),
    _aval,
    # out_j = Σ_n a_{n+j−(m−1)} conj(v_n); np.correlate conjugates its second argument.
    lambda g, out, a, v: np.convolve(g, conjugated(v), "valid"),
    lambda g, out, a, v: conjugated(np.correlate(g, conjugated(a), "valid")[::-1]),
    notation="{0} ⋆ {1}",
    domain=ANY,
    doc="Cross-correlation at every overlap: out_j = Σ_n a_{n+j−(m−1)} conj(v_n), m the length of v.",
)


_MODES = ("valid", "same", "full")


@rule_for(np.correlate)
def correlate(a: Any, v: Any, mode: Any = "valid") -> Any:
    a, v = as_array(a), as_array(v)
    mode = _MODES[mode] if mode in (0, 1, 2) else mode
    if mode not in _MODES:
        raise ValueError(f"Use one of 'valid', 'same', or 'full' for convolve/correlate mode, not {mode!r}")
    full = CORRELATE(a, v)
    n, m = shape_of(a)[0], shape_of(v)[0]
    long, short = max(n, m), min(n, m)
    if mode == "full":
        return full
    if mode == "valid":
        return full[short - 1 : long]
    # As NumPy: short // 2 places hang over on the left, of the array that is the longer one.
    start = short - 1 - short // 2
    if n < m:
        start = (n + m - 1) - start - long
    return full[start : start + long]


@rule_for(np.convolve)
def convolve(a: Any, v: Any, mode: Any = "full") -> Any:
    a, v = np.atleast_1d(as_array(a)), np.atleast_1d(as_array(v))
    if not shape_of(a)[0] or not shape_of(v)[0]:
        raise ValueError(f"{'v' if shape_of(a)[0] else 'a'} cannot be empty")
    if shape_of(v)[0] > shape_of(a)[0]:
        a, v = v, a
    return correlate(a, conjugated(v[::-1]), mode)


def _convolve_run(a: Any, b: Any, mode: Any) -> Any:
    """A sum over the entries of b, or one for each result, whichever are fewer."""
    if a.ndim == 1:
        return np.convolve(a, b, mode)
    if mode == "full":
        a = np.pad(a, [(n - 1, n - 1) for n in b.shape])
    shape = tuple([m - n + 1 for m, n in zip(a.shape, b.shape, strict=True)])
    out = np.zeros(shape, np.result_type(a, b))
    backwards = _turned(b)
    if b.size <= out.size:
        for place, weight in np.ndenumerate(backwards):
            out += weight * a[tuple([slice(k, k + n) for k, n in zip(place, shape, strict=True)])]
    else:
        for place in np.ndindex(shape):
            out[place] = np.sum(backwards * a[tuple([slice(k, k + n) for k, n in zip(place, b.shape, strict=True)])])
    return out


def _convolve_aval(a: Aval, b: Aval, mode: str) -> Aval:
    way = 1 if mode == "full" else -1
    shape = tuple([m + way * (n - 1) for m, n in zip(a.shape, b.shape, strict=True)])
    if not shape or not a.size or not b.size or min(shape) < 1:
        raise ValueError(
            f"{mode} convolution of {a.shape} and {b.shape}: one has no entry, or is longer than the other"
        )
    return Aval(shape, np.result_type(a.dtype, b.dtype))


def _turned(x: Any) -> Any:
    return x[(slice(None, None, -1),) * len(shape_of(x))]


CONVOLVE = linear(
    "convolve_nd",
    _convolve_run,
    _convolve_aval,
    lambda g, out, a, b, mode: CONVOLVE(g, _turned(b), mode="valid" if mode == "full" else "full"),
    lambda g, out, a, b, mode: (
        CONVOLVE(g, _turned(a), mode="valid") if mode == "full" else CONVOLVE(_turned(a), g, mode="valid")
    ),
    mixes=True,
    notation="{0} ∗ {1}",
    domain=ANY,
    doc="Convolution over all axes, out_j = Σₖ a[j − k] b[k], where the two overlap at all (full) or wholly (valid).",
)


@rule_for(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False):
    """Every window of x, by a gather: the windows' axes come last."""
    x = as_array(x)
    sizes = tuple(window_shape) if isinstance(window_shape, (list, tuple)) else (int(window_shape),)
    axes = normal_axes(axis, len(shape_of(x)))
    if len(sizes) != len(axes):
        raise ValueError("Since axis is None, must provide window_shape for all dimensions of `x`")
    if any(not 0 <= size <= shape_of(x)[along] for size, along in zip(sizes, axes, strict=True)):
        raise ValueError("window shape cannot be larger than input array shape")

    def derive(x: Any) -> Any:
        for size, along in zip(sizes, axes, strict=True):
            places = np.arange(shape_of(x)[along] - size + 1)[:, None] + np.arange(size)
            x = np.moveaxis(np.take(x, places, axis=along), along + 1, len(shape_of(x)))
        return type(x)(x.node)

    return shared(derive(x), OddView(x, derive, _overlap if writeable else read_only))


@rule_for(np.lib.stride_tricks.as_strided)
def as_strided(x: Any, shape: Any = None, strides: Any = None, subok: bool = False, writeable: bool = True) -> Any:
    """The entries at these steps of memory, by a gather; steps out of the array are refused."""
    item = x.dtype.itemsize
    have = strides_of(x)
    shape = shape_of(x) if shape is None else (shape,) if isinstance(shape, int) else tuple(shape)
    strides = have if strides is None else (strides,) if isinstance(strides, int) else tuple(strides)
    if len(shape) != len(strides):
        raise ValueError("mismatch in length of strides and shape")
    own, asked = _offsets(shape_of(x), have), _offsets(shape, strides)
    order = np.argsort(own, axis=None)
    found = np.minimum(np.searchsorted(own.ravel(), asked, sorter=order), max(own.size - 1, 0))
    places = order[found] if own.size else np.zeros(asked.shape, np.intp)
    if asked.size and not (own.size and np.array_equal(own.ravel()[places], asked)):
        raise messages.strided_outside(x, item)

    def derive(x: Any) -> Any:
        return np.take(np.reshape(x, (-1,)), places)

    return shared(derive(x), OddView(x, derive, _overlap if writeable else read_only))


def _offsets(shape: tuple[int, ...], strides: tuple[int, ...]) -> np.ndarray:
    """How far from the first entry each one lies, in bytes."""
    out = np.zeros(shape, np.int64)
    for axis, (n, step) in enumerate(zip(shape, strides, strict=True)):
        out += (np.arange(n) * step).reshape((-1,) + (1,) * (len(shape) - axis - 1))
    return out


def _overlap(x: Any, new: Any, **attrs: Any) -> None:
    raise messages.overlapping_view()
