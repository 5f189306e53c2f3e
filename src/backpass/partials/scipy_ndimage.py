"""``scipy.ndimage``: what its compiled loops do. Everything around them is followed as SciPy writes it in Python.

Each rule below stands for one loop, has its arguments, and writes into the array of results that it is given.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from backpass.graph.aval import Aval

from .arithmetic import ANY
from .declare import Kind, Op, as_array, declare, dtype_of, linear, shape_of
from .scipy_functions import _as_written, _rule
from .sliding import CONVOLVE, sliding_window_view

NEAREST, WRAP, REFLECT, MIRROR, CONSTANT, GRID_WRAP, GRID_CONSTANT = range(7)
"""SciPy's codes of what is beyond the edges."""
_PADDED = {NEAREST: "edge", REFLECT: "symmetric", MIRROR: "reflect"}
_PADDED |= dict.fromkeys((WRAP, GRID_WRAP), "wrap") | dict.fromkeys((CONSTANT, GRID_CONSTANT), "constant")


def _loop(name: str) -> Any:
    return _rule("ndimage._nd_image", name)


def _padded(x: Any, sizes: Any, origins: Any, mode: int, cval: Any) -> Any:
    """What windows of these sizes see, the one of each entry being moved by the origins."""
    before = [n // 2 + origin for n, origin in zip(sizes, origins, strict=True)]
    widths = [(b, n - 1 - b) for n, b in zip(sizes, before, strict=True)]
    filled = {"constant_values": cval} if _PADDED[mode] == "constant" else {}
    return np.pad(x, widths, _PADDED[mode], **filled)  # type: ignore[call-overload]


def _only_along(axis: int, ndim: int, there: int, elsewhere: int) -> list[int]:
    return [there if k == axis else elsewhere for k in range(ndim)]


# ---- sums over windows
@_loop("correlate")
def correlate(input, weights, output, mode, cval, origins):
    w, x = as_array(weights), as_array(input).astype(np.float64)
    wide = _padded(x, shape_of(w), origins, mode, cval)
    output[...] = CONVOLVE(wide, w[(slice(None, None, -1),) * len(shape_of(w))], mode="valid")


@_loop("correlate1d")
def correlate1d(input, weights, axis, output, mode, cval, origin):
    ndim = len(shape_of(input))
    w = as_array(weights)
    w = np.reshape(w, _only_along(axis, ndim, shape_of(w)[0], 1))
    correlate(input, w, output, mode, cval, _only_along(axis, ndim, origin, 0))


@_loop("uniform_filter1d")
def uniform_filter1d(input, size, axis, output, mode, cval, origin):
    correlate1d(input, np.full(size, 1.0 / size), axis, output, mode, cval, origin)


@_rule("ndimage._filters", "_gaussian_kernel1d")
def gaussian_kernel1d(sigma, order, radius):
    """q(x) φ(x), φ of the sum 1: a derivative makes q′ − q x/σ² of q."""
    x = np.arange(-radius, radius + 1)
    density = np.exp(-0.5 / (sigma * sigma) * x**2)
    q: list[Any] = [1.0]
    for _ in range(order):
        rise = [(k + 1) * q[k + 1] if k + 1 < len(q) else 0.0 for k in range(len(q) + 1)]
        q = [rise[k] - (q[k - 1] / (sigma * sigma) if k else 0.0) for k in range(len(q) + 1)]
    return sum(c * x**k for k, c in enumerate(q)) * density / np.sum(density)


# ---- one entry of each window
def _ranked(x: np.ndarray, footprint: np.ndarray, rank: int) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(x, footprint.shape)[..., footprint]
    chosen = np.argpartition(windows, rank, axis=-1)[..., rank]
    places = np.arange(x.size).reshape(x.shape)
    corners = places[tuple([slice(n - k + 1) for n, k in zip(x.shape, footprint.shape, strict=True)])]
    return corners + places[tuple([slice(k) for k in footprint.shape])][footprint][chosen]


def _ranked_aval(x: Aval, footprint: Aval, rank: int) -> Aval:
    shape = tuple([n - k + 1 for n, k in zip(x.shape, footprint.shape, strict=True)])
    if footprint.dtype.kind != "b" or min(shape, default=1) < 1:
        raise ValueError(f"rank_filter: windows of {footprint.shape} (bool, not {footprint.dtype}) in {x.shape}")
    return Aval(shape, np.dtype(np.intp))


RANKED = declare(
    Op(
        name="rank_filter",
        kind=Kind.DISCRETE,
        run=_ranked,
        aval=_ranked_aval,
        partials=(None, None),
        notation="rank({0})",
        doc="Of each window, the place in x of the entry that is the rank-th smallest; it holds still.",
    )
)


@_loop("rank_filter")
def rank_filter(input, rank, footprint, output, mode, cval, origins):
    wide = _padded(as_array(input), footprint.shape, origins, mode, cval)
    output[...] = np.take(np.ravel(wide), RANKED(wide, footprint, rank=int(rank)))


@_rule("ndimage._rank_filter_1d", "rank_filter")
def rank_filter1d(input, rank, size, output, mode, cval, origin):
    rank_filter(input, rank, np.ones(size, bool), output, mode, cval, [origin])


@_loop("min_or_max_filter")
def min_or_max_filter(input, footprint, structure, output, mode, cval, origins, minimum):
    wide = _padded(as_array(input), footprint.shape, origins, mode, cval)
    windows = sliding_window_view(wide, footprint.shape)[..., footprint]
    if structure is not None:
        heights = as_array(structure)[footprint]
        windows = windows - heights if minimum else windows + heights
    output[...] = (np.min if minimum else np.max)(windows, axis=-1)


@_loop("min_or_max_filter1d")
def min_or_max_filter1d(input, size, axis, output, mode, cval, origin, minimum):
    ndim = len(shape_of(input))
    footprint = np.ones(_only_along(axis, ndim, size, 1), bool)
    min_or_max_filter(input, footprint, None, output, mode, cval, _only_along(axis, ndim, origin, 0), minimum)


# ---- splines
_REFLECTED, _SHORT = (NEAREST, REFLECT), 24
"""Of so few reflected entries SciPy's coefficients are a little off, and their matrix is not symmetric."""


def _spline_adjoint(g: Any, out: Any, x: Any, order: int, axis: int, mode: int) -> Any:
    # Of mirrored entries the first and the last one stand for themselves, all others for two.
    n = shape_of(x)[axis]
    weights = np.ones(n, dtype_of(g))
    if mode not in (*_REFLECTED, GRID_WRAP):
        weights[[0, -1]] = 0.5
    weights = weights.reshape((-1,) + (1,) * (len(shape_of(x)) - axis - 1))
    return weights * SPLINE(g / weights, order=order, axis=axis, mode=mode)


def _spline_run(x: Any, order: int, axis: int, mode: int) -> Any:
    from scipy.ndimage import _nd_image  # type: ignore[attr-defined]

    if np.iscomplexobj(x):
        raise TypeError("Complex type not supported")
    output = np.empty(x.shape)
    _nd_image.spline_filter1d(x.astype(np.float64, copy=False), order, axis, output, mode)
    return output


def _spline_aval(x: Aval, order: int, axis: int, mode: int) -> Aval:
    if x.dtype.kind == "c":
        raise TypeError("Complex type not supported")
    return Aval(x.shape, np.dtype(np.float64))


SPLINE = linear(
    "spline_filter",
    _spline_run,
    _spline_aval,
    _spline_adjoint,
    mixes=True,
    notation="spline({0})",
    domain=ANY,
    doc="The coefficients of the B-spline of this order through x along an axis (Unser 1999).",
)


@_loop("spline_filter1d")
def spline_filter1d(input, order, axis, output, mode):
    x, order, mode = as_array(input).astype(np.float64), int(order), int(mode)
    n = shape_of(x)[axis]
    if mode in _REFLECTED and n < _SHORT:
        matrix = _spline_run(np.eye(n), order, 0, mode)
        output[...] = np.moveaxis(np.matmul(np.moveaxis(x, axis, -1), matrix.T), -1, axis)
    else:
        output[...] = SPLINE(x, order=order, axis=int(axis), mode=mode)


def _inside(c: Any, n: int, mode: int) -> Any:
    """A coordinate beyond the edges of n entries brought back between them; NaN where the constant is taken."""
    if mode == GRID_CONSTANT:
        return c
    if mode == CONSTANT:
        return np.where((c < 0) | (c > n - 1), np.nan, c)
    if n <= 1 or mode == NEAREST:
        return np.clip(c, 0, n - 1)
    if mode == MIRROR:
        c = np.abs(c) % (2 * n - 2)
        return np.where(c > n - 1, 2 * n - 2 - c, c)
    if mode == REFLECT:
        c = np.abs(c + 0.5) % (2 * n)
        return np.where(c > n, 2 * n - c, c) - 0.5
    within = (c >= 0) & (c <= n - 1)
    return np.where(within, c, c % (n - 1) if mode == WRAP else c % n)


def _b_spline(part: Any, order: int) -> list[Any]:
    """The order + 1 uniform B-splines that are not 0 at this part of an interval, by de Boor's recursion."""
    found: list[Any] = [1.0 + 0.0 * part]
    for p in range(1, order + 1):
        left = [(part + (p - k)) / p * found[k - 1] if k else 0.0 for k in range(p + 1)]
        right = [(1.0 - part + k) / p * found[k] if k < p else 0.0 for k in range(p + 1)]
        found = [a + b for a, b in zip(left, right, strict=True)]
    return found


def _taps(c: Any, n: int, order: int, mode: int) -> tuple[Any, Any, Any]:
    """Of each coordinate: the places of the coefficients that it reads, their weights, and where all is constant."""
    c = _inside(c, n, mode)
    beyond = np.isnan(c)
    c = np.where(beyond, 0.0, c)
    shifted = c if order % 2 else c + 0.5
    whole = np.floor(shifted)
    weights = np.stack(_b_spline(shifted - whole, order))
    places = np.stack([whole - order // 2 + k for k in range(order + 1)]).astype(np.intp)
    return places, weights, beyond


def _reached(places: Any, n: int, mode: int) -> Any:
    """Places of coefficients beyond the edges."""
    edges = MIRROR if mode in (CONSTANT, WRAP) else mode
    return np.rint(_inside(places.astype(np.float64), n, edges)).astype(np.intp)


def _sampled(coefficients: Any, coordinates: list[Any], output: Any, order: int, mode: int, cval: Any) -> None:
    """The spline at coordinates that broadcast against each other, one array for each axis."""
    x = as_array(coefficients).astype(np.float64)
    ndim = len(coordinates)
    beyond: Any = False
    index, weights = [], []
    for axis, (c, n) in enumerate(zip(coordinates, shape_of(x), strict=True)):
        places, w, outside = _taps(c, n, order, mode)
        beyond = np.logical_or(beyond, outside)
        if mode == GRID_CONSTANT:
            places = np.clip(places, -1, n) + 1
        else:
            places = _reached(places, n, mode)
        index.append(np.reshape(places, (*_only_along(axis, ndim, order + 1, 1), *shape_of(c))))
        weights.append(np.reshape(w, (order + 1, *(1,) * (ndim - 1 - axis), *shape_of(c))))
    if mode == GRID_CONSTANT:
        x = np.pad(x, 1, constant_values=cval)
    total = x[tuple(index)]
    for w in weights:
        total = np.sum(total * w, axis=0)
    output[...] = _rounded(np.where(beyond, cval, total), output)


def _rounded(values: Any, output: Any) -> Any:
    """Whole numbers are the nearest ones."""
    return np.trunc(values + np.copysign(0.5, values)) if dtype_of(output).kind in "iu" else values


@_loop("zoom_shift")
def zoom_shift(input, zoom, shift, output, order, mode, cval, npad, grid_mode):
    ndim = len(shape_of(input))
    coordinates = []
    for k, length in enumerate(shape_of(output)):
        c: Any = np.arange(float(length))
        c = c if shift is None else c + shift[k]
        if zoom is not None:
            c = (c + 0.5) * zoom[k] - 0.5 if grid_mode else c * zoom[k]
        coordinates.append(np.reshape(c + npad, _only_along(k, ndim, length, 1)))
    _sampled(input, coordinates, output, order, mode, cval)


@_loop("geometric_transform")
def geometric_transform(input, mapping, coordinates, matrix, offset, output, order, mode, cval, npad, args, named):
    if coordinates is not None:
        places = as_array(coordinates).astype(np.float64)
        found = [places[k] for k in range(shape_of(places)[0])]
    elif mapping is not None:
        rows = [mapping(place, *args, **named) for place in np.ndindex(*shape_of(output))]
        found = [
            np.reshape(np.stack([as_array(row[k]) for row in rows]), shape_of(output))
            for k in range(len(shape_of(input)))
        ]
    else:
        grid = np.indices(shape_of(output)).astype(np.float64)
        found = [
            sum(part * matrix[k, j] for j, part in enumerate(grid)) + offset[k] for k in range(len(shape_of(input)))
        ]
    _sampled(input, [c + npad for c in found], output, order, mode, cval)


# ---- filters of a spectrum
def _frequencies(shape: tuple[int, ...], n: int, axis: int) -> list[Any]:
    """k/n along each axis; of the axis of a real transform of n entries, of its half."""
    found = []
    for k, length in enumerate(shape):
        f = np.arange(length) / n if k == axis and n >= 0 else np.fft.fftfreq(length)
        found.append(np.reshape(f, _only_along(k, len(shape), length, 1)))
    return found


@_loop("fourier_shift")
def fourier_shift(input, shift, n, axis, output):
    x = as_array(input)
    along = [f * shift[k] for k, f in enumerate(_frequencies(shape_of(x), n, axis))]
    output[...] = x * np.exp(-2j * math.pi * sum(along[1:], along[0]))


@_loop("fourier_filter")
def fourier_filter(input, size, n, axis, output, kind):
    x = as_array(input)
    along = [f * size[k] for k, f in enumerate(_frequencies(shape_of(x), n, axis))]
    if kind == 0:
        factors = [np.exp(-2.0 * math.pi**2 * f * f) for f in along]
    elif kind == 1:
        factors = [np.sinc(f) for f in along]
    else:
        factors = [_ball(math.pi * np.sqrt(sum(f * f for f in along)), len(along))]
    for factor in factors:
        x = x * factor
    output[...] = x


def _ball(r: Any, ndim: int) -> Any:
    """The spectrum of a ball, at a distance from 0; 1 at 0."""
    from scipy.special import j1

    if ndim == 1:
        return np.sinc(r / math.pi)
    near = np.where(r > 0, r, 1.0)
    far = 2.0 * j1(near) / near if ndim == 2 else 3.0 * (np.sin(near) - near * np.cos(near)) / near**3
    return np.where(r > 0, far, 1.0)


# ---- as SciPy writes them
_FILTERS = """
affine_transform black_tophat center_of_mass convolve convolve1d correlate correlate1d extrema fourier_ellipsoid
fourier_gaussian fourier_shift fourier_uniform gaussian_filter gaussian_filter1d gaussian_gradient_magnitude
gaussian_laplace generic_gradient_magnitude generic_laplace geometric_transform grey_closing grey_dilation grey_erosion
grey_opening labeled_comprehension laplace map_coordinates maximum maximum_filter maximum_filter1d mean median
median_filter minimum minimum_filter minimum_filter1d morphological_gradient morphological_laplace percentile_filter
prewitt rank_filter rotate shift sobel spline_filter spline_filter1d standard_deviation sum sum_labels uniform_filter
uniform_filter1d variance vectorized_filter white_tophat zoom
"""
_as_written("ndimage", *_FILTERS.split())

__all__ = ["RANKED", "SPLINE"]
