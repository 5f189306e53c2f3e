"""Interpolants of SciPy as people call them: made before and read at traced places, or made of traced heights."""

from typing import Any

import numpy as np
import scipy.interpolate as sci
from scipy import interpolate
from scipy.interpolate import BSpline, CubicHermiteSpline, CubicSpline, PchipInterpolator, interp1d, interpn

from .family_rows import drawn

at = np.array([0.0, 0.7, 1.5, 2.2, 3.0])
heights = np.array([0.1, 0.9, 1.4, 0.6, 0.3])
two = np.stack([heights, heights**2 - 1])
t = np.array([-0.2, 0.13, 0.8, 1.9, 2.9, 3.3])
inside = t[1:-1]
block = inside.reshape(2, 2)
cubic, natural = CubicSpline(at, heights), CubicSpline(at, two, axis=1, bc_type="natural")
periodic = CubicSpline(at, [0.2, 1.0, -0.3, 0.5, 0.2], bc_type="periodic")
pchip, akima = PchipInterpolator(at, heights), sci.Akima1DInterpolator(at, heights)
spline, columns = sci.make_interp_spline(at, heights), sci.make_interp_spline(at, two.T, k=2)
bernstein = sci.BPoly.from_derivatives(at, np.stack([heights, heights[::-1]], axis=1))
tables = {
    kind: interp1d(at, heights, kind=kind, bounds_error=False, fill_value=(1.0, 2.0))
    for kind in ("linear", "nearest", "nearest-up", "previous", "next", "zero", "slinear", "quadratic", "cubic")
}
wide = interp1d(at, two, fill_value="extrapolate")
smooth, constant = sci.UnivariateSpline(at, heights, s=0.01), sci.InterpolatedUnivariateSpline(at, heights, k=2, ext=3)
tck = sci.splrep(at, heights)
axes = (np.linspace(0, 1, 4), np.linspace(0, 2, 5))
surface = np.sin(axes[0][:, None] + axes[1] ** 2)
grid = sci.RegularGridInterpolator(axes, surface)
beyond = sci.RegularGridInterpolator(axes, np.stack([surface, surface**2], -1), bounds_error=False, fill_value=None)
points = np.array([[0.1, 0.2], [0.55, 1.7]])

ROWS: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
    *[
        (f, (t,), {})
        for f in (
            lambda t: cubic(t),
            lambda t: cubic(t, 1),
            lambda t: cubic(t, nu=2, extrapolate=True),
            lambda t: natural(t),
            lambda t: periodic(t),
            lambda t: pchip(t),
            lambda t: bernstein(t),
            lambda t: cubic.derivative()(t),
            lambda t: cubic.antiderivative(2)(t),
            lambda t: cubic.integrate(t[0], t[2]),
            lambda t: spline(t),
            lambda t: spline(t, 1),
            lambda t: columns(t),
            lambda t: sci.PPoly(cubic.c, cubic.x)(t),
            lambda t: interpolate.PPoly.from_spline(spline)(t),
            lambda t: smooth(t),
            lambda t: constant(t),
            lambda t: sci.splev(t, tck),
            lambda t: sci.splev(t, tck, der=1, ext=1),
            lambda t: interpolate.splev(t, tck, ext=3),
            lambda t: wide(t),
        )
    ],
    *[(lambda t, f=f: f(t), (inside,), {}) for f in (akima, *tables.values())],
    (lambda t: cubic(t), (block,), {}),
    (lambda t: natural(t), (block,), {}),
    (lambda t: wide(t), (block,), {}),
    (lambda t: tables["linear"](t), (t,), {}),
    (lambda t: cubic(t), (np.float64(0.3),), {}),
    (lambda p: grid(p), (points,), {}),
    (lambda p: grid((p[0], p[1])), (points[0],), {}),
    (lambda p: grid(p, method="nearest"), (points,), {}),
    (lambda p: beyond(p), (points + np.array([[-0.3, 0.0], [0.0, 0.7]]),), {}),
    (lambda v, p: interpn(axes, v, p), (surface, points), {}),
    (lambda v: sci.RegularGridInterpolator(axes, v)(points), (surface,), {}),
    (lambda y: CubicSpline(at, y)(t), (heights,), {}),
    (lambda y, t: CubicSpline(at, y)(t, 1), (heights, t), {}),
    (lambda y: sci.CubicSpline(at, y, axis=1, bc_type="natural")(t), (two,), {}),
    (lambda y: CubicSpline(at, y, bc_type=((1, 0.3), (2, -0.1)))(t), (heights,), {}),
    (lambda y: CubicSpline(np.append(at, 4.0), np.append(y, y[0]), bc_type="periodic")(t), (heights,), {}),
    (lambda y: CubicSpline(at, y).derivative(2)(t), (heights,), {}),
    (lambda y, b: CubicSpline(at, y).integrate(0.3, b), (heights, np.float64(2.5)), {}),
    (lambda y: PchipInterpolator(at, y)(t), (heights,), {}),
    (lambda y: PchipInterpolator(at, y, axis=-1)(t), (two + drawn(2, 5) / 9,), {}),
    (lambda y: PchipInterpolator([0.0, 1.0], y)(t), (heights[:2],), {}),
    (lambda y, d: CubicHermiteSpline(at, y, d)(t), (heights, two[1]), {}),
    (lambda y: sci.make_interp_spline(at, y, k=2)(t), (heights,), {}),
    (lambda y: sci.make_interp_spline(at, y, bc_type="natural", axis=1)(t, 1), (two,), {}),
    (lambda c: BSpline(spline.t, c, 3)(t), (spline.c,), {}),
    (lambda c: sci.splev(t, (tck[0], c, 3)), (tck[1],), {}),
    (lambda y: interp1d(at, y)(inside), (heights,), {}),
    (lambda y, t: interp1d(at[::-1], y, kind="nearest", bounds_error=False, fill_value=0.0)(t), (two, t), {}),
]
