"""``scipy.interpolate``: piecewise polynomials, splines and tables, at traced places and of traced heights.

An interpolant that was made before is read at traced places: its pieces are evaluated again by NumPy, so that the
derivative of every order follows. Of heights that are traced it is made here. The places of the heights hold still.

>>> import numpy as np, backpass as bp
>>> from scipy.interpolate import CubicSpline
>>> at = np.array([0.0, 1.0, 2.0, 3.0])
>>> curve = CubicSpline(at, at**3)
>>> round(bp.grad(lambda t: curve(t))(2.0), 12)
12.0
>>> bp.grad(lambda y: CubicSpline(at, y)(1.0))(at**3).round(12) + 0.0
array([0., 1., 0., 0.])

Source: de Boor (1978), "A Practical Guide to Splines"; Fritsch & Butland (1984) for PCHIP.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from backpass.graph import messages
from backpass.graph.buffer import depends

from .declare import Traced, as_array, dtype_of, is_staged, shape_of, value_of
from .indexing import GATHER
from .scipy_functions import _rule


def _places(x: Any) -> tuple[Any, tuple[int, ...]]:
    x = as_array(x)
    shape = shape_of(x)
    flat = np.reshape(x, (-1,))
    return (flat if dtype_of(flat) == np.float64 else flat.astype(np.float64)), shape


def _shaped(out: Any, shape: tuple[int, ...], axis: int) -> Any:
    """The places' axes in the place of the axis that was interpolated."""
    rest = shape_of(out)[1:]
    out = np.reshape(out, shape + rest)
    if axis == 0:
        return out
    n, axes = len(shape), list(range(len(shape) + len(rest)))
    return np.transpose(out, axes[n : n + axis] + axes[:n] + axes[n + axis :])


def _column(x: Any, like: Any) -> Any:
    return np.reshape(x, shape_of(x) + (1,) * (len(shape_of(like)) - 1))


def _inside(out: Any, x: Any, low: Any, high: Any) -> Any:
    return np.where(_column(np.logical_and(x >= low, x <= high), out), out, np.nan)


def _at(a: Any, j: Any) -> Any:
    """a[j]"""
    return GATHER(a, j, key=("index",)) if isinstance(j, Traced) else a[j]


def _interval(knots: Any, x: Any, first: int, last: int) -> Any:
    """j with knots[j] ≤ x < knots[j + 1], of first … last."""
    return np.clip(np.searchsorted(knots, x, side="right") - 1, first, last)


# ---- piecewise polynomials
def evaluate_pieces(c: Any, knots: Any, x: Any, nu: int = 0, extrapolate: Any = True, axis: int = 0) -> Any:
    """Σₚ c[k − p] (x − knotsⱼ)ᵖ in the piece j of x, as SciPy sums it; or its nu-th derivative."""
    x, shape = _places(x)
    if extrapolate == "periodic":
        x = knots[0] + (x - knots[0]) % (knots[-1] - knots[0])
    falls = bool(knots[0] > knots[-1])
    j = _interval(-knots if falls else knots, -x if falls else x, 0, shape_of(c)[1] - 1)
    s = _column(x - _at(knots, j), c[0])
    order = shape_of(c)[0] - 1
    total: Any = 0.0 * (_at(c[0], j) + s)
    power: Any = 1.0
    for p in range(nu, order + 1):
        factor = float(np.prod(np.arange(p - nu + 1, p + 1)))
        term = _at(c[order - p], j) * power
        total = total + (term * factor if nu else term)
        power = power * s
    if not extrapolate or extrapolate == "periodic":
        total = _inside(total, x, min(knots[0], knots[-1]), max(knots[0], knots[-1]))
    total = np.where(_column(np.isnan(x), total), np.nan, total)
    return _shaped(total, shape, axis)


class Pieces:
    """A piecewise polynomial whose coefficients are traced, with what users call of a PPoly."""

    def __init__(self, c: Any, x: Any, extrapolate: Any = True, axis: int = 0):
        self.c, self.x, self.extrapolate, self.axis = c, x, True if extrapolate is None else extrapolate, axis

    def __call__(self, x: Any, nu: int = 0, extrapolate: Any = None) -> Any:
        return evaluate_pieces(
            self.c, self.x, x, int(nu), self.extrapolate if extrapolate is None else extrapolate, self.axis
        )

    def derivative(self, nu: int = 1) -> Any:
        if nu < 0:
            return self.antiderivative(-nu)
        order = shape_of(self.c)[0] - 1
        if nu > order:
            return Pieces(0.0 * self.c[:1], self.x, self.extrapolate, self.axis)
        factors = [float(np.prod(np.arange(p - nu + 1, p + 1))) for p in range(order, nu - 1, -1)]
        c = self.c[: order + 1 - nu]
        return Pieces(c * _column(np.array(factors), c), self.x, self.extrapolate, self.axis)

    def antiderivative(self, nu: int = 1) -> Any:
        found = self
        for _ in range(nu):
            c, order = found.c, shape_of(found.c)[0]
            c = c / _column(np.arange(order, 0, -1.0), c)
            steps = _column(np.diff(self.x), c[0])
            area: Any = 0.0
            for k in range(order):
                area = (area + c[k]) * steps
            begin = np.concatenate([0.0 * area[:1], np.cumsum(area, axis=0)[:-1]], axis=0)
            found = Pieces(np.concatenate([c, np.expand_dims(begin, 0)], axis=0), self.x, self.extrapolate, self.axis)
        return found

    def integrate(self, a: Any, b: Any, extrapolate: Any = None) -> Any:
        if (self.extrapolate if extrapolate is None else extrapolate) == "periodic":
            raise messages.option_refused("integrate", "extrapolate", "Integrate over parts of one period.")
        whole = self.antiderivative()
        return whole(b, extrapolate=extrapolate) - whole(a, extrapolate=extrapolate)

    def __getattr__(self, name: str) -> Any:
        raise messages.stand_in_refused(
            f"{name} of an interpolant of traced heights", "values, derivative, antiderivative and integrate are"
        )


@_rule("interpolate", "PPoly.__call__")
def ppoly(self, x, nu=0, extrapolate=None):
    from scipy.interpolate import BPoly, PPoly

    own = PPoly.from_bernstein_basis(self) if isinstance(self, BPoly) else self
    return Pieces(own.c, own.x, own.extrapolate, self.axis)(x, nu, extrapolate)


@_rule("interpolate", "PPoly.integrate")
def integrate(self, a, b, extrapolate=None):
    return Pieces(self.c, self.x, self.extrapolate, self.axis).integrate(a, b, extrapolate)


def _fixed(what: str, x: Any) -> np.ndarray:
    if depends(x):
        raise messages.stand_in_refused(
            f"{what} by the places x of its heights", "it is differentiated by the heights y and where it is read"
        )
    return np.asarray(value_of(x), dtype=np.float64)


def _heights(y: Any, axis: int) -> tuple[Any, int]:
    y = as_array(y)
    axis = axis % len(shape_of(y))
    y = y if dtype_of(y).kind in "fc" else y.astype(np.float64)
    return np.moveaxis(y, axis, 0), axis


def _applied(matrix: np.ndarray, y: Any) -> Any:
    """The coefficients that a linear method makes of heights: matrix · y over its last and their first axis."""
    rest = shape_of(y)[1:]
    flat = np.reshape(y, (shape_of(y)[0], -1))
    found = np.matmul(np.reshape(matrix, (-1, matrix.shape[-1])), flat)
    return np.reshape(found, matrix.shape[:-1] + rest)


@_rule("interpolate", "CubicSpline")
def cubic_spline(x, y, axis=0, bc_type: Any = "not-a-knot", extrapolate=None):
    """The spline is linear in its heights: those of unit heights make the matrix that is applied to them."""
    from scipy.interpolate import CubicSpline

    x = _fixed("scipy.interpolate.CubicSpline", x)
    if depends(bc_type):
        raise messages.option_refused("scipy.interpolate.CubicSpline", "bc_type", "Only heights may be traced.")
    heights, axis = _heights(y, axis)
    n = shape_of(heights)[0]
    units, held = np.eye(n), None
    bc: Any = bc_type
    if isinstance(bc_type, str):
        if bc_type == "periodic":
            units = np.concatenate([units[:-1], units[:1]])  # the last height is the first one
            if not is_staged(heights):
                CubicSpline(x, value_of(heights), bc_type=bc_type)  # raises where it is not
            extrapolate = "periodic" if extrapolate is None else extrapolate
    else:
        held = CubicSpline(x, np.zeros(shape_of(heights)), bc_type=bc_type).c
        bc = tuple([end if isinstance(end, str) else (end[0], np.zeros(n)) for end in bc_type])
    c = _applied(CubicSpline(x, units, bc_type=bc).c, heights)
    return Pieces(c if held is None else c + held, x, extrapolate, axis)


def _hermite(x: np.ndarray, y: Any, slopes: Any, extrapolate: Any, axis: int) -> Pieces:
    steps = _column(np.diff(x), y)
    slope = np.diff(y, axis=0) / steps
    t = (slopes[:-1] + slopes[1:] - 2 * slope) / steps
    c = np.stack([t / steps, (slope - slopes[:-1]) / steps - t, slopes[:-1], y[:-1]])
    return Pieces(c, x, extrapolate, axis)


@_rule("interpolate", "CubicHermiteSpline")
def cubic_hermite_spline(x, y, dydx, axis=0, extrapolate=None):
    x = _fixed("scipy.interpolate.CubicHermiteSpline", x)
    heights, place = _heights(y, axis)
    return _hermite(x, heights, _heights(dydx, axis)[0], extrapolate, place)


def _end_slope(h0: Any, h1: Any, m0: Any, m1: Any) -> Any:
    d = ((2 * h0 + h1) * m0 - h0 * m1) / (h0 + h1)
    away = np.sign(d) != np.sign(m0)
    steep = np.logical_and(np.sign(m0) != np.sign(m1), np.abs(d) > 3.0 * np.abs(m0))
    return np.where(away, 0.0, np.where(steep, 3.0 * m0, d))


@_rule("interpolate", "PchipInterpolator")
def pchip(x, y, axis=0, extrapolate=None):
    """Slopes: 0 where the heights turn, else a harmonic mean of those beside (Fritsch & Butland 1984)."""
    x = _fixed("scipy.interpolate.PchipInterpolator", x)
    heights, axis = _heights(y, axis)
    h = _column(np.diff(x), heights)
    m = np.diff(heights, axis=0) / h
    if shape_of(heights)[0] == 2:
        return _hermite(x, heights, np.concatenate([m, m], axis=0), extrapolate, axis)
    sign = np.sign(m)
    flat = np.logical_or(sign[1:] != sign[:-1], np.logical_or(m[1:] == 0, m[:-1] == 0))
    w1, w2 = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
    left, right = np.where(flat, 1.0, m[:-1]), np.where(flat, 1.0, m[1:])
    inner = np.where(flat, 0.0, (1.0 / ((w1 / left + w2 / right) / (w1 + w2))))
    first, last = _end_slope(h[0], h[1], m[0], m[1]), _end_slope(h[-1], h[-2], m[-1], m[-2])
    slopes = np.concatenate([np.expand_dims(first, 0), inner, np.expand_dims(last, 0)], axis=0)
    return _hermite(x, heights, slopes, extrapolate, axis)


# ---- B-splines
def evaluate_spline(t: Any, c: Any, k: int, x: Any, nu: int = 0, extrapolate: Any = True, axis: int = 0) -> Any:
    """Σ cᵢ Bᵢ(x) by de Boor's recursion; its nu-th derivative is the spline of differences of c."""
    x, shape = _places(x)
    n = shape_of(t)[0] - k - 1
    low, high = t[k], t[n]
    if extrapolate == "periodic":
        x = low + (x - low) % (high - low)
    c = c[:n]
    degree = k
    for _ in range(min(nu, k)):
        gaps = t[degree + 1 : degree + n] - t[1:n]
        gone = value_of(gaps) == 0
        c = _column(np.where(gone, 0.0, degree / np.where(gone, 1.0, gaps)), c) * (c[1:] - c[:-1])
        t, degree, n = t[1:-1], degree - 1, n - 1
    if nu > k:
        c = 0.0 * c
    j = _interval(value_of(t), x, degree, n - 1)
    part = [_at(c, j - degree + i) for i in range(degree + 1)]
    for r in range(1, degree + 1):
        for i in range(degree, r - 1, -1):
            start, stop = _at(t, j + i - degree), _at(t, j + 1 + i - r)
            share = _column((x - start) / (stop - start), c)
            part[i] = (1.0 - share) * part[i - 1] + share * part[i]
    out = part[degree] + 0.0 * _column(x, c)
    if not extrapolate or extrapolate == "periodic":
        out = _inside(out, x, low, high)
    return _shaped(out, shape, axis)


class Spline:
    """A B-spline whose coefficients are traced."""

    def __init__(self, t: Any, c: Any, k: int, extrapolate: Any = True, axis: int = 0):
        self.t, self.c, self.k, self.extrapolate, self.axis = t, c, int(k), extrapolate, axis

    @property
    def tck(self) -> tuple[Any, Any, int]:
        return self.t, self.c, self.k

    def __call__(self, x: Any, nu: int = 0, extrapolate: Any = None) -> Any:
        extrapolate = self.extrapolate if extrapolate is None else extrapolate
        return evaluate_spline(self.t, self.c, self.k, x, int(nu), extrapolate, self.axis)

    def __getattr__(self, name: str) -> Any:
        raise messages.stand_in_refused(f"{name} of a spline of traced coefficients", "its values are: spline(x, nu)")


@_rule("interpolate", "BSpline.__call__")
def bspline_value(self, x, nu=0, extrapolate=None):
    return Spline(self.t, self.c, self.k, self.extrapolate, self.axis)(x, nu, extrapolate)


@_rule("interpolate", "BSpline")
def bspline(t, c, k, extrapolate=True, axis=0):
    c = as_array(c)
    return Spline(as_array(t), np.moveaxis(c, axis, 0), k, extrapolate, axis % len(shape_of(c)))


@_rule("interpolate", "make_interp_spline")
def make_interp_spline(x, y, k=3, t=None, bc_type=None, axis=0, check_finite=True):
    """Linear in the heights, as `cubic_spline`."""
    from scipy.interpolate import make_interp_spline as own

    if bc_type is not None and not isinstance(bc_type, str):
        raise messages.option_refused("scipy.interpolate.make_interp_spline", "bc_type", "Its names are followed.")
    x = _fixed("scipy.interpolate.make_interp_spline", x)
    heights, axis = _heights(y, axis)
    units = np.eye(shape_of(heights)[0])
    if bc_type == "periodic":
        units = np.concatenate([units[:-1], units[:1]])
    made = own(x, units, k=k, t=t, bc_type=bc_type)
    return Spline(made.t, _applied(made.c, heights), made.k, "periodic" if bc_type == "periodic" else True, axis)


_EXTRAPOLATED = {0: 0, "extrapolate": 0, 1: 1, "zeros": 1, 2: 2, "raise": 2, 3: 3, "const": 3}


@_rule("interpolate", "splev")
def splev(x, tck, der=0, ext=0):
    t, c, k = tck.tck if hasattr(tck, "tck") else tck
    if isinstance(c, (list, tuple)) and not isinstance(c[0], (int, float)):
        return [splev(x, (t, part, k), der, ext) for part in c]
    t, c, mode = as_array(t), as_array(c), _EXTRAPOLATED[ext]
    x = as_array(x)
    low, high = t[k], t[shape_of(t)[0] - k - 1]
    outside = np.logical_or(x < low, x > high)
    if mode == 2 and not is_staged(outside) and np.any(value_of(outside)):
        raise ValueError("Error code returned by splev: 1")
    if mode == 3:
        x = np.clip(x, low, high)
    out = evaluate_spline(t, c, k, x, int(der))
    return np.where(outside, 0.0, out) if mode == 1 else out


@_rule("interpolate", "UnivariateSpline.__call__")
def univariate(self, x, nu=0, ext=None):
    return splev(x, self._eval_args, nu, self.ext if ext is None else ext)


# ---- tables
class Table:
    """interp1d of traced heights, of the kinds that take two of them or one."""

    def __init__(self, x: Any, y: Any, kind: str, axis: int, own: Any):
        self.x, self.y, self.kind, self.axis, self.own = x, y, kind, axis, own

    def __call__(self, x: Any) -> Any:
        return _read_table(self.own, self.x, self.y, self.kind, self.axis, x)


def _read_table(own: Any, at: np.ndarray, y: Any, kind: str, axis: int, x: Any) -> Any:
    """Heights `y` along their first axis; what is beyond the ends, and what is said of it, as `own` has it."""
    x, shape = _places(x)
    if own.bounds_error and not is_staged(x):
        own._check_bounds(value_of(x))
    if kind == "spline":
        spline = own._spline
        out = evaluate_spline(spline.t, spline.c, spline.k, x, 0, True)
        out = np.reshape(out, (shape_of(x)[0], *shape_of(y)[1:]))
    elif kind == "linear":
        j = np.clip(np.searchsorted(at, x), 1, len(at) - 1)
        low, high, start, end = _at(at, j - 1), _at(at, j), _at(y, j - 1), _at(y, j)
        slope = (end - start) / _column(high - low, y)
        out = slope * _column(x - low, y) + start
    else:
        if kind in ("nearest", "nearest-up"):
            j = np.clip(np.searchsorted(own.x_bds, x, side=own._side), 0, len(at) - 1)
        else:
            j = np.searchsorted(own._x_shift, x, side=own._side)
            j = np.clip(j, 1 - own._ind, len(at) - own._ind) + own._ind - 1
        out = _at(y, j) + _column(0.0 * x, y)  # a step: its slope is 0
    if not own._extrapolate:
        rest = shape_of(y)[1:]
        for beyond, filled in ((x < at[0], own._fill_value_below), (x > at[-1], own._fill_value_above)):
            filled = np.reshape(np.broadcast_to(filled, rest or (1,)), rest)
            out = np.where(_column(beyond, out), filled, out)
    if axis != 0 and not shape:
        axis = 0
    return _shaped(out, shape, axis)


@_rule("interpolate", "interp1d.__call__")
def interp1d_value(self, x):
    from scipy.interpolate import interp1d

    if not isinstance(self, interp1d):
        raise messages.stand_in_refused(
            f"scipy.interpolate.{type(self).__name__} at traced places",
            "scipy.interpolate.CubicSpline, PchipInterpolator, make_interp_spline and interp1d are",
        )
    if self._call is type(self)._call_nan_spline:
        return np.nan * as_array(x)
    y = np.moveaxis(self.y, self.axis, 0)
    return _read_table(self, self.x, y, self._kind, self.axis, x)


@_rule("interpolate", "interp1d")
def interp1d(x, y, kind="linear", axis=-1, copy=True, bounds_error=None, fill_value=np.nan, assume_sorted=False):
    import scipy.interpolate

    x = _fixed("scipy.interpolate.interp1d", x)
    if depends(fill_value):
        raise messages.option_refused("scipy.interpolate.interp1d", "fill_value", "Only heights may be traced.")
    heights, axis = _heights(y, axis)
    if not assume_sorted:
        order = np.argsort(x, kind="mergesort")
        x, heights = x[order], heights[order]
    if kind not in ("linear", "nearest", "nearest-up", "previous", "next"):
        degree = {"zero": 0, "slinear": 1, "quadratic": 2, "cubic": 3}.get(kind, kind)
        raise messages.stand_in_refused(
            f"scipy.interpolate.interp1d of kind {kind!r} of traced heights",
            f"scipy.interpolate.make_interp_spline(x, y, k={degree})(t)",
        )
    own = scipy.interpolate.interp1d(
        x, np.moveaxis(np.zeros(shape_of(heights)), 0, axis), kind, axis, True, bounds_error, fill_value, True
    )
    return Table(x, heights, kind, axis, own)


def _position(indices: list[Any], grid: Any) -> Any:
    """Where the entry of these indices is among all entries."""
    place: Any = 0
    for j, knots in zip(indices, grid, strict=True):
        place = place * len(knots) + j
    return place


def _read_grid(own: Any, values: Any, xi: Any, method: str | None) -> Any:
    method = own.method if method is None else method
    if method not in ("linear", "nearest"):
        raise messages.stand_in_refused(
            f"scipy.interpolate.RegularGridInterpolator of method {method!r}", "methods 'linear' and 'nearest' are"
        )
    grid = own.grid
    ndim = len(grid)
    if isinstance(xi, tuple):
        xi = np.stack(np.broadcast_arrays(*[as_array(part) for part in xi]), axis=-1)
    elif len(shape_of(xi := as_array(xi))) == 1:
        xi = np.reshape(xi, (-1, 1) if ndim == 1 else (1, -1))
    if shape_of(xi)[-1] != ndim:
        raise ValueError(f"The requested sample points xi have dimension {shape_of(xi)[-1]}, the grid has {ndim}")
    lead = shape_of(xi)[:-1]
    places = [np.reshape(xi[..., i], (-1,)) for i in range(ndim)]
    outside: Any = False
    indices, parts = [], []
    for knots, x in zip(grid, places, strict=True):
        knots = np.asarray(knots)
        beyond = np.logical_or(x < knots[0], x > knots[-1])
        if own.bounds_error and not is_staged(beyond) and np.any(value_of(beyond)):
            raise ValueError(f"One of the requested xi is out of bounds in dimension {len(indices)}")
        outside = np.logical_or(outside, beyond)
        j = np.clip(np.searchsorted(knots, x, side="right") - 1, 0, max(len(knots) - 2, 0))
        indices.append(j)
        parts.append((x - _at(knots, j)) / (_at(knots, j + 1) - _at(knots, j)) if len(knots) > 1 else 0.0 * x)
    flat = np.reshape(values, (-1, *shape_of(values)[ndim:]))
    if method == "nearest":
        near = [np.where(part <= 0.5, j, j + 1) for part, j in zip(parts, indices, strict=True)]
        out = _at(flat, _position(near, grid)) + _column(0.0 * sum(parts), flat)
    else:
        out = 0.0
        for corner in itertools.product((0, 1), repeat=ndim):
            weight: Any = 1.0
            for side, part in zip(corner, parts, strict=True):
                weight = weight * (part if side else 1 - part)
            chosen = [np.minimum(j + side, len(g) - 1) for side, j, g in zip(corner, indices, grid, strict=True)]
            term = _at(flat, _position(chosen, grid))
            out = out + term * _column(weight, term)
    if not own.bounds_error and own.fill_value is not None:
        out = np.where(_column(outside, out), own.fill_value, out)
    return np.reshape(out, lead + shape_of(values)[ndim:])


@_rule("interpolate", "RegularGridInterpolator.__call__")
def regular_grid(self, xi, method=None, *, nu=None):
    if nu is not None:
        raise messages.option_refused("RegularGridInterpolator", "nu", "Differentiate its value.")
    return _read_grid(self, self.values, xi, method)


class Grid:
    """RegularGridInterpolator of traced values."""

    def __init__(self, own: Any, values: Any):
        self.own, self.values = own, values

    def __call__(self, xi: Any, method: Any = None) -> Any:
        return _read_grid(self.own, self.values, xi, method)


@_rule("interpolate", "RegularGridInterpolator")
def regular_grid_interpolator(points, values, method="linear", bounds_error=True, fill_value=np.nan, **options):
    import scipy.interpolate

    points = [_fixed("scipy.interpolate.RegularGridInterpolator", p) for p in points]
    values = as_array(values)
    like = np.zeros(shape_of(values))
    return Grid(scipy.interpolate.RegularGridInterpolator(points, like, method, bounds_error, fill_value), values)


@_rule("interpolate", "interpn")
def interpn(points, values, xi, method="linear", bounds_error=True, fill_value=np.nan):
    return regular_grid_interpolator(points, values, method, bounds_error, fill_value)(xi)


__all__ = ["evaluate_pieces", "evaluate_spline"]
