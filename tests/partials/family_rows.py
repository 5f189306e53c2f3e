"""NumPy's functions that have a rule by parts, in the forms that people call: the rows of ``test_families.py``."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


def drawn(*shape: int, low: float = -2.0, high: float = 2.0, seed: int = 0) -> np.ndarray:
    """Entries spread evenly and shuffled: no two are near each other, so kinks are kept away from."""
    rng = np.random.default_rng([seed, *shape])
    size = int(np.prod(shape))
    places = rng.permutation((np.arange(size) + rng.uniform(0.25, 0.75, size)) / max(size, 1))
    return (low + (high - low) * places).reshape(shape)


def separated(m: int, n: int, *batch: int) -> np.ndarray:
    """A matrix with singular values well apart."""
    return drawn(*batch, m, n, low=-0.3, high=0.3) + np.eye(m, n) * np.arange(1.0, n + 1)


def symmetric(n: int, *batch: int) -> np.ndarray:
    a = separated(n, n, *batch)
    return 0.5 * (a + np.swapaxes(a, -1, -2))


def with_nan(*shape: int) -> np.ndarray:
    """About a third NaN, never a whole row or column."""
    x = drawn(*shape)
    x[np.arange(x.size).reshape(shape) % 4 == 1] = np.nan
    return x


@dataclass(frozen=True)
class Row:
    """``function(*args)``, differentiated in every argument. Values equal NumPy's to `ulp` (0: bit for bit)."""

    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    ulp: int = 0
    staged: bool = True
    smooth: bool = True
    """False where differences say nothing: NaN in the arguments, or a result of whole numbers."""


ROWS: list[Row] = []


def row(name: str, function: Callable[..., Any], *args: Any, **facts: Any) -> None:
    ROWS.append(Row(name, function, args, **facts))


f = drawn(5)
grid = drawn(4, 5)
positions = np.array([0.0, 0.7, 1.1, 2.5, 3.2])

# sequences
for mode in ("full", "same", "valid"):
    row("convolve", lambda a, v, m=mode: np.convolve(a, v, m), drawn(6), drawn(3))
    row("convolve", lambda a, v, m=mode: np.convolve(a, v, m), drawn(2), drawn(5))
    row("convolve", lambda a, v, m=mode: np.convolve(a, v, m), drawn(4), drawn(4))
    row("correlate", lambda a, v, m=mode: np.correlate(a, v, m), drawn(6), drawn(3))
    row("correlate", lambda a, v, m=mode: np.correlate(a, v, m), drawn(2), drawn(5))
    row("correlate", lambda a, v, m=mode: np.correlate(a, v, m), drawn(3), drawn(6))
row("convolve", lambda v: np.convolve([1, 2, 3], v), drawn(4))
row("gradient", np.gradient, f)
row("gradient", lambda x: np.gradient(x, 0.3), f)
row("gradient", lambda x: np.gradient(x, 0.3, edge_order=2), f)
row("gradient", lambda x, h: np.gradient(x, h, edge_order=2), f, np.float64(0.4))
row("gradient", lambda x: np.gradient(x, positions), f)
row("gradient", lambda x: np.gradient(x, positions, edge_order=2), f)
row("gradient", lambda x, p: np.gradient(x, p, edge_order=2), f, positions)
row("gradient", lambda x, p: np.gradient(x, p), f, np.arange(5.0), ulp=4)
row("gradient", lambda x: np.gradient(x, np.arange(5) * 2), f)
row("gradient", np.gradient, grid)
row("gradient", lambda x: np.gradient(x, 0.5, positions), grid)
row("gradient", lambda x: np.gradient(x, axis=-1), grid)
row("gradient", lambda x: np.gradient(x, axis=(1, 0), edge_order=2), grid)
row("unwrap", np.unwrap, drawn(8, low=-9, high=9))
row("unwrap", lambda p: np.unwrap(p, axis=0), drawn(4, 3, low=-9, high=9))
row("unwrap", lambda p: np.unwrap(p, discont=4.0, period=5.0), drawn(8, low=-9, high=9))
row("trapezoid", np.trapezoid, f)
row("trapezoid", lambda y: np.trapezoid(y, dx=0.2, axis=0), grid)
row("trapezoid", np.trapezoid, f, positions)
row("trapezoid", lambda y, x: np.trapezoid(y, x, axis=-1), grid, positions)

# interpolation
places = np.array([1.1, -0.7, 0.2, -2.0, 0.5, 1.9, -1.1])  # between the knots, and beyond them
knots, heights = np.array([-1.5, -0.2, 0.9, 1.4]), drawn(4, seed=3)
row("interp", np.interp, places, knots, heights)
row("interp", np.interp, places[:6].reshape(2, 3), knots, heights)
row("interp", np.interp, np.float64(0.3), knots, heights)
row("interp", lambda x, h: np.interp(x, knots, h, left=-1.0, right=4.0), places, heights)
row("interp", lambda x, p, h: np.interp(x, p, h, period=3.5), 3 * places + 0.1, knots, heights)
row("interp", lambda x: np.interp(x, [0.0], [2.0]), drawn(3))
row("interp", lambda x: np.interp(x, knots, heights), np.zeros(0))
row("piecewise", lambda x: np.piecewise(x, [x < 0, x >= 0], [np.exp, np.sin]), f)
row("piecewise", lambda x: np.piecewise(x, [x < -1, x > 1], [lambda t: t**2, 3.0, lambda t: -t]), grid)
row("piecewise", lambda x: np.piecewise(x, [x < 1, x < 0], [np.exp, np.sin]), f)
row("piecewise", lambda x: np.piecewise(x, x > 0, [np.sqrt, 0.0]), f, staged=False)
row("piecewise", lambda x: np.piecewise(x, [x > 0], [lambda t, k: k * t, 1.0], 3.0), np.float64(0.5))

# polynomials
p3, p2 = drawn(4, seed=1), drawn(3, seed=2)
row("polyval", np.polyval, p3, f)
row("polyval", np.polyval, p3, grid)
row("polyval", np.polyval, p3, np.float64(0.7))
row("polyval", lambda x: np.polyval([1, 2, 3], x), f)
row("polyadd", np.polyadd, p3, p2)
row("polysub", np.polysub, p2, p3)
row("polymul", np.polymul, p3, p2)
row("polydiv", np.polydiv, drawn(5, low=1, high=2), drawn(3, low=1, high=2), staged=False)
row("polyder", lambda p: np.polyder(p, 2), drawn(5))
row("polyint", lambda p: np.polyint(p, 2, 0.5), p3)
row("polyint", lambda p: np.polyint(p, 2, [0.5, 1.0]), p3)
row("poly", np.poly, drawn(4))
row("poly", lambda a: np.poly(a + a.T), drawn(3, 3), staged=False)
row("polyfit", lambda x, y: np.polyfit(x, y, 2), drawn(6), drawn(6, seed=4))
row("polyfit", lambda x, y, w: np.polyfit(x, y, 1, w=w), drawn(6), drawn(6, seed=4), drawn(6, low=0.5, high=2))
row("polyfit", lambda x, y: np.polyfit(x, y, 1), drawn(6), drawn(6, 2, seed=4))
for columns, scale in ((6, True), ((6, 2), True), (6, "unscaled")):
    points = drawn(*np.atleast_1d(columns), seed=4)
    row("polyfit", lambda x, y, c=scale: np.polyfit(x, y, 2, cov=c)[1], drawn(6), points, ulp=64)
row("polyfit", lambda x, y: np.polyfit(x, y, 2, full=True)[1], drawn(6), drawn(6, seed=4), ulp=64)
row("polyfit", lambda x: np.polyfit(x, np.cos(x), 2, full=True)[3], drawn(6), ulp=4)
for columns in (None, 1, 3, 0):
    row("vander", lambda x, n=columns: np.vander(x, n), drawn(4))
row("vander", lambda x: np.vander(x, 4, increasing=True), drawn(3))
row("i0", lambda x: 1e-4 * np.i0(x), drawn(6, low=-12, high=12), ulp=1)
row("i0", np.i0, np.float64(0.3), ulp=1)
row("kaiser", lambda beta: np.kaiser(6, beta), np.float64(2.3), ulp=4)
row("kaiser", lambda beta: np.kaiser(1, beta[0]) * beta, np.array([1.5, 2.0]))

# statistics
row("cov", np.cov, drawn(3, 6))
row("cov", np.cov, drawn(6))
row("cov", np.cov, drawn(6), drawn(6, seed=5))
row("cov", lambda x: np.cov(x, rowvar=False, bias=True), drawn(6, 2))
row("cov", lambda x, w: np.cov(x, aweights=w), drawn(2, 5), drawn(5, low=0.5, high=2), ulp=4)
row("cov", lambda x: np.cov(x, fweights=[1, 2, 1, 3, 1], ddof=0), drawn(2, 5), ulp=4)
row("corrcoef", np.corrcoef, drawn(3, 6))
row("corrcoef", lambda x: np.corrcoef(x, rowvar=False), drawn(6, 2))
row("corrcoef", np.corrcoef, drawn(6), drawn(6, seed=5))
row("bincount", lambda w: np.bincount([0, 2, 2, 5, 0], w, minlength=8), f)
row("digitize", lambda x: np.digitize(x, knots), f, smooth=False)
row("digitize", lambda x: np.digitize(x, knots[::-1], right=True), f, smooth=False)
row("digitize", lambda x: np.digitize(x, knots[::-1]), knots, smooth=False)

# NaN left out
for axis in (None, 0, 1, (0, 1)):
    for keep in (False, True):
        for name in ("nansum", "nanprod", "nanmean", "nanmax", "nanmin", "nanvar", "nanstd", "nanmedian"):
            row(
                name,
                lambda x, n=name, a=axis, k=keep: getattr(np, n)(x, axis=a, keepdims=k),
                with_nan(4, 3),
                smooth=False,
                ulp=0 if name != "nanstd" else 1,
            )
for name in ("nancumsum", "nancumprod"):
    row(name, lambda x, n=name: getattr(np, n)(x, axis=1), with_nan(4, 3), smooth=False)
    row(name, lambda x, n=name: getattr(np, n)(x), with_nan(4, 3), smooth=False)
for name in ("nanargmax", "nanargmin"):
    row(name, lambda x, n=name: getattr(np, n)(x, axis=1), with_nan(4, 3), smooth=False)
    row(name, lambda x, n=name: getattr(np, n)(x), with_nan(4, 3), smooth=False)
row("nanvar", lambda x: np.nanvar(x, axis=0, ddof=1), with_nan(4, 3), smooth=False)
row("nansum", lambda x: np.nansum(x, initial=2.0, where=[True, False, True]), with_nan(4, 3), smooth=False)
row("nanmean", lambda x: np.nanmean(x, where=[True, False, True]), with_nan(4, 3), smooth=False)
for method in ("linear", "lower", "higher", "nearest", "midpoint"):
    for q in (0.3, [0.0, 0.25, 1.0], [[0.1, 0.6]]):
        row(
            "nanquantile",
            lambda x, q=q, m=method: np.nanquantile(x, q, axis=1, method=m),
            with_nan(4, 5),
            smooth=False,
            ulp=1,
        )
for method in ("inverted_cdf", "averaged_inverted_cdf", "closest_observation", "hazen", "weibull", "normal_unbiased"):
    call = lambda x, m=method: np.nanquantile(x, [0.2, 0.7], axis=0, method=m)  # noqa: E731
    row("nanquantile", call, with_nan(4, 5), smooth=False)
row(
    "nanquantile",
    lambda x: np.nanquantile(x, 0.6, axis=1, method="inverted_cdf", weights=np.tile([1, 0, 3, 1, 2], (4, 1))),
    with_nan(4, 5),
    smooth=False,
)
row("nanquantile", lambda x: np.nanquantile(x, 0.4, keepdims=True), with_nan(4, 3), smooth=False, ulp=1)
row("nanpercentile", lambda x: np.nanpercentile(x, [20, 50], axis=0), with_nan(4, 3), smooth=False, ulp=1)
row("nanmedian", lambda x: np.nanmedian(x, axis=1), drawn(3, 4))
row("nanpercentile", lambda x: np.nanpercentile(x, [20, 55], axis=1), drawn(3, 4), ulp=1)
row("nanstd", lambda x: np.nanstd(x, axis=1, ddof=1), drawn(3, 4), ulp=1)

# grids
row("linspace", lambda a, b: np.linspace(a, b, 5), np.float64(0.3), np.float64(2.0))
row("linspace", lambda a, b: np.linspace(a, b, 4, endpoint=False, axis=1), drawn(3), drawn(3, seed=6))
row("linspace", lambda a: np.linspace(0, a, 1), np.float64(2.0))
row("linspace", lambda a: np.linspace(a, 1.0, 4, retstep=True), np.float64(0.4))
row("logspace", lambda a, b: np.logspace(a, b, 4), np.float64(0.3), np.float64(2.0))
row("logspace", lambda a: np.logspace(a, 2.0, 4, base=3.0), drawn(2))
row("geomspace", lambda a, b: np.geomspace(a, b, 5), np.float64(0.3), np.float64(2.0))
row("geomspace", lambda a, b: np.geomspace(a, b, 4, endpoint=False), np.float64(-0.3), np.float64(-2.0))
for options in ({}, {"indexing": "ij"}, {"sparse": True}):
    row("meshgrid", lambda a, b, o=options: np.meshgrid(a, b, **o), drawn(3), drawn(2))
row("meshgrid", lambda a, b: np.meshgrid(a, b, [1.0, 2.0], indexing="xy"), drawn(3), drawn(2))
row("diag_indices_from", lambda x: x[np.diag_indices_from(x)], drawn(3, 3))
row("ix_", lambda x: x[np.ix_([0, 2], [True, False, True, True, False])], grid)

# entries elsewhere
row("insert", lambda a, v: np.insert(a, 2, v), f, np.float64(0.5))
row("insert", lambda a, v: np.insert(a, [1, 3], v), f, drawn(2))
row("insert", lambda a, v: np.insert(a, 1, v, axis=1), grid, drawn(4))
row("insert", lambda a, v: np.insert(a, [1], v, axis=1), grid, drawn(4, 1))
row("insert", lambda a, v: np.insert(a, [0, -1], v, axis=0), grid, drawn(2, 5))
row("insert", lambda a, v: np.insert(a, slice(0, 4, 2), v), f, np.float64(0.5))
row("insert", lambda a: np.insert(a, np.array([True, False, True, False, False]), 9.0), f)
row("resize", lambda a: np.resize(a, (3, 4)), f)
row("resize", lambda a: np.resize(a, 3), grid)
row("choose", lambda a, b: np.choose([0, 1, 1, 0, 1], [a, b]), f, drawn(5, seed=7))
row("choose", lambda a: np.choose([[3], [-1]], [a, 0.0], mode="wrap"), f)
row("trim_zeros", np.trim_zeros, np.array([0.0, 0.0, 1.5, 0.0, 2.0, 0.0]), staged=False, smooth=False)
row("apply_along_axis", lambda a: np.apply_along_axis(lambda v: np.sum(v**2), 0, a), grid)
row("apply_along_axis", lambda a: np.apply_along_axis(lambda v: np.outer(v, v), 1, a), drawn(2, 3))
row("apply_along_axis", lambda a: np.apply_along_axis(np.cumsum, -1, a), drawn(2, 2, 3))
row("apply_over_axes", lambda a: np.apply_over_axes(np.sum, a, [0, 2]), drawn(2, 2, 3))
row("unique", np.unique, np.array([2.0, 1.0, 2.0, 3.0]), staged=False, smooth=False)
row("unique", lambda a: np.unique(a, True, True, True), np.array([2.0, 1.0, 2.0]), staged=False, smooth=False)
row("unique", lambda a: np.unique(a, axis=0), np.array([[2.0, 1.0], [2.0, 1.0]]), staged=False, smooth=False)
for name in ("unique_values", "unique_counts", "unique_inverse", "unique_all"):
    row(name, getattr(np, name), np.array([2.0, 1.0, 2.0, 3.0]), staged=False, smooth=False)
for name in ("union1d", "intersect1d", "setdiff1d", "setxor1d", "isin"):
    pair = np.array([2.0, 1.0, 2.0, 3.0]), np.array([3.0, 5.0])
    row(name, getattr(np, name), *pair, staged=False, smooth=False)
row("lexsort", lambda a, b: np.lexsort((a, b)), f, drawn(5, seed=8), staged=False, smooth=False)
row("array_equiv", np.array_equiv, f, f, staged=False, smooth=False)
row("dsplit", lambda a: np.dsplit(a, 2), drawn(2, 2, 4))
row("fft.fftshift", np.fft.fftshift, f)
row("fft.fftshift", lambda a: np.fft.fftshift(a, axes=1), grid)
row("fft.ifftshift", np.fft.ifftshift, grid)


# writing into an array
def written(function: Callable[..., Any], *args: Any, **options: Any) -> Callable[..., Any]:
    """The array after ``function(array, *args)`` wrote into one like x; "v" stands for the second argument."""

    def call(x: Any, v: Any) -> Any:
        y = x + 0.0 * np.sum(v)
        assert function(y, *[v if isinstance(a, str) else a for a in args], **options) is None
        return y

    return call


row("put", written(np.put, [0, -2, 7], "v"), grid, drawn(3))
row("put", written(np.put, [0, 3, 0, 3, 1], "v"), f, drawn(2))
row("put", written(np.put, [9, -7], "v", mode="wrap"), f, drawn(2))
row("put", written(np.put, [9, -7], "v", mode="clip"), f, drawn(2))
row("place", written(np.place, grid > 0.3, "v"), grid, drawn(2))
row("putmask", written(np.putmask, f > 0, "v"), f, drawn(2))
row("putmask", written(np.putmask, grid < 0, "v"), grid, grid[::-1] * 1.5)
row("copyto", written(np.copyto, "v"), grid, f)
row("copyto", written(np.copyto, "v", where=f > 0), grid, f)
row("fill_diagonal", written(np.fill_diagonal, "v"), grid, np.float64(0.5))
row("fill_diagonal", written(np.fill_diagonal, "v", wrap=True), drawn(7, 2), drawn(2))
row("fill_diagonal", written(np.fill_diagonal, "v"), drawn(2, 2, 2), np.float64(0.5))
row("put_along_axis", written(np.put_along_axis, np.array([[1, 0, 1, 0, 3]]), "v", 0), grid, drawn(1, 5))
row("put_along_axis", written(np.put_along_axis, np.array([4, 1]), "v", None), grid, drawn(2))

# other spellings
row("angle", lambda x: np.angle(x, deg=True), f, smooth=False)
row("around", lambda x: np.around(x, 1), f, smooth=False)
row("fix", np.fix, f, smooth=False)
row("isposinf", np.isposinf, np.array([1.0, np.inf, -np.inf, np.nan]), smooth=False)
row("isneginf", np.isneginf, np.array([1.0, np.inf, -np.inf, np.nan]), smooth=False)
row("imag", np.imag, f, smooth=False)
row("iscomplex", np.iscomplex, f, smooth=False)
row("real_if_close", np.real_if_close, f)
row("frexp", np.frexp, f, staged=False)
row("modf", np.modf, f)
row("ldexp", lambda x: np.ldexp(x, [1, 2, 3, -1, -2]), f)
row("divmod", lambda x, y: np.divmod(x, y), f, np.float64(5.3))
row("cumulative_sum", lambda x: np.cumulative_sum(x, axis=1, include_initial=True), grid)
row("cumulative_prod", np.cumulative_prod, f)
row("cumulative_prod", lambda x: np.cumulative_prod(x, include_initial=True), f)
row("vecdot", np.vecdot, grid, f, ulp=2)
row("vecdot", lambda a, b: np.vecdot(a, b, axis=0), drawn(3, 2), drawn(3, 2, seed=1), ulp=2)
row("matvec", np.matvec, drawn(2, 3, 4), drawn(4), ulp=2)
row("vecmat", np.vecmat, drawn(3), drawn(2, 3, 4), ulp=2)
row("linalg.cross", np.linalg.cross, drawn(2, 3), drawn(3))
row("linalg.diagonal", lambda a: np.linalg.diagonal(a, offset=1), drawn(2, 3, 3))
row("linalg.matmul", np.linalg.matmul, drawn(2, 3), drawn(3, 2))
row("linalg.tensordot", lambda a, b: np.linalg.tensordot(a, b, axes=1), drawn(2, 3), drawn(3, 2))
row("linalg.vecdot", np.linalg.vecdot, grid, f, ulp=2)


# linear algebra
def sym(x: Any) -> Any:
    return 0.5 * (x + np.swapaxes(x, -1, -2))


for a in (symmetric(3), symmetric(2, 2), symmetric(1), np.zeros((0, 2, 2))):
    row("linalg.eigh", lambda x: np.linalg.eigh(sym(x)), a)
    row("linalg.eigh", lambda x: np.linalg.eigh(sym(x), UPLO="U"), a)
    row("linalg.eigvalsh", lambda x: np.linalg.eigvalsh(sym(x)), a)
for m, n in ((3, 3), (4, 2), (2, 4), (1, 1)):
    for a in (separated(m, n), separated(m, n, 2)):
        row("linalg.svd", lambda x: np.linalg.svd(x, full_matrices=False), a)
        row("linalg.svd", lambda x: np.linalg.svd(x, compute_uv=False), a)
        row("linalg.svdvals", np.linalg.svdvals, a)
        row("linalg.qr", np.linalg.qr, a)
        row("linalg.qr", lambda x: np.linalg.qr(x, mode="r"), a)
        row("linalg.pinv", np.linalg.pinv, a)
        row("linalg.cond", np.linalg.cond, a)
        row("linalg.cond", lambda x: np.linalg.cond(x, -2), a)
        row("linalg.norm", lambda x: np.linalg.norm(x, 2, axis=(-2, -1)), a)
        row("linalg.norm", lambda x: np.linalg.norm(x, "nuc", axis=(-2, -1), keepdims=True), a)
        row("linalg.matrix_norm", lambda x: np.linalg.matrix_norm(x, ord=-2), a)
        row("linalg.matrix_rank", np.linalg.matrix_rank, a, staged=False, smooth=False)
    row("linalg.svd", lambda x: np.linalg.svd(x)[1], separated(m, n))
    row("linalg.lstsq", lambda a, b: np.linalg.lstsq(a, b), separated(m, n), drawn(m, 2), ulp=64)
    row("linalg.lstsq", lambda a, b: np.linalg.lstsq(a, b)[0], separated(m, n), drawn(m))
row("linalg.svd", lambda x: np.linalg.svd(sym(x), hermitian=True), symmetric(3) - 2 * np.eye(3))
row("linalg.svd", lambda x: np.linalg.svd(sym(x), hermitian=True, compute_uv=False), symmetric(3) - 2 * np.eye(3))
for p in (1, -1, np.inf, "fro"):
    row("linalg.cond", lambda x, p=p: np.linalg.cond(x, p), separated(3, 3), ulp=2)
row("linalg.pinv", lambda x: np.linalg.pinv(x, rtol=None), separated(3, 2))
row("linalg.tensorsolve", np.linalg.tensorsolve, separated(6, 6).reshape(2, 3, 6), drawn(2, 3))
row(
    "linalg.tensorsolve",
    lambda a, b: np.linalg.tensorsolve(a, b, axes=(0,)),
    separated(6, 6).reshape(6, 2, 3),
    drawn(2, 3),
)
row("linalg.tensorinv", np.linalg.tensorinv, separated(6, 6).reshape(2, 3, 6))
