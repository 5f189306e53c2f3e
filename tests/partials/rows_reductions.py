"""Rows of the function table: sums, means, extremes, order statistics, running sums, norms."""

import numpy as np

from .rows import row

MASK = np.array([[True, False, True], [True, True, False]])
MASKED = (
    "NumPy adds runs of unmasked entries, the rule adds zeros in the places left out: the order of additions differs"
)
HOLES = np.array([[1.5, np.nan, -0.5], [np.nan, 2.0, 0.25]])

for _f in (np.sum, np.prod, np.mean, np.max, np.min, np.std, np.var):
    row(_f, (2, 3))
    row(_f, ())
    row(_f, (2, 3), axis=0)
    row(_f, (2, 3), axis=-1, keepdims=True)
    row(_f, (2, 3, 2), axis=(0, -1))
    row(_f, (2, 3, 2), axis=(2, 1), keepdims=True)
    row(_f, (3, 40), axis=1, low=-1.5 if _f in (np.max, np.min) else 0.5, high=1.5)
    row(_f, (40, 3), axis=0, low=-4.5 if _f in (np.max, np.min) else 0.5, high=1.5)
for _f in (np.sum, np.prod, np.mean, np.var, np.std):
    row(_f, (2, 3), axis=1, where=MASK, ulps=2, why=MASKED)
    row(_f, (2, 3), where=MASK, keepdims=True, ulps=4, why=MASKED)
    row(_f, (2, 3), dtype=np.float32, float32=False)
for _f in (np.sum, np.prod):
    row(_f, (2, 3), axis=0, initial=2.0, ulps=2, why="NumPy starts from the initial value, the rule ends with it")
    row(_f, (2, 3), dtype=np.int64, smooth=False)
    row(_f, (0, 3), axis=0)
    row(_f, (2, 3), axis=())
for _f in (np.max, np.min):
    row(_f, (2, 3), axis=0, initial=0.5)
    row(_f, (2, 3), axis=1, where=MASK, initial=-5.0 if _f is np.max else 5.0)
    row(_f, (0, 3), axis=0, initial=0.5, as_="empty")
row(np.amax, (2, 3), axis=1)
row(np.amin, (2, 3), axis=1)
row(np.ptp, (2, 3))
row(np.ptp, (2, 3), axis=0, keepdims=True)
row(np.any, (2, 3), axis=1, smooth=False)
row(np.all, (2, 3), where=MASK, smooth=False)
row(np.count_nonzero, (2, 3), axis=0, smooth=False)
for _f in (np.argmax, np.argmin):
    row(_f, (2, 3), smooth=False)
    row(_f, (2, 3), axis=1, keepdims=True, smooth=False)
for _ddof in (1, 2.5):
    row(np.var, (2, 3), axis=1, ddof=_ddof)
    row(np.std, (2, 3), ddof=_ddof)
row(np.var, (2, 3), correction=1)
row(np.std, (2, 3), axis=0, correction=1, keepdims=True)
row(np.var, (2, 3), (1, 3), call=lambda x, m: np.var(x, axis=0, mean=m), as_="mean=")
row(np.std, (2, 3), (2, 1), call=lambda x, m: np.std(x, axis=1, mean=m, keepdims=True), as_="mean=")
row(np.average, (2, 3))
row(np.average, (2, 3), axis=1)
row(np.average, (2, 3), (2, 3), call=lambda x, w: np.average(x, weights=w), low=0.5, as_="weights")
row(np.average, (2, 3), (3,), call=lambda x, w: np.average(x, axis=1, weights=w), low=0.5, as_="weights 1-d")
row(np.average, (2, 3, 4), (4, 3), call=lambda x, w: np.average(x, axis=(2, 1), weights=w), low=0.5, as_="weights 2-d")
row(np.average, (2, 3), (2,), call=lambda x, w: np.average(x, 0, w, returned=True), low=0.5, as_="returned")
row(np.average, (2, 3), (2, 3), call=lambda x, w: np.average(x, 0, w, keepdims=True), low=0.5, as_="keepdims")
for _f in (np.nansum, np.nanprod, np.nanmean, np.nanmax, np.nanmin):
    row(_f, (2, 3), call=lambda x, f=_f: f(x + HOLES, axis=1), as_="axis=1 with NaN")
    row(_f, (2, 3), call=lambda x, f=_f: f(x + HOLES, keepdims=True), as_="keepdims with NaN")
for _f in (np.nanvar, np.nanstd):
    row(_f, (2, 3), call=lambda x, f=_f: f(x + HOLES, axis=1), as_="axis=1 with NaN")
    row(_f, (2, 3), call=lambda x, f=_f: f(x + HOLES, ddof=1), as_="ddof=1 with NaN")

# ---- order
for _f in (np.median,):
    for _shape in ((5,), (4,)):
        row(_f, _shape)
    row(_f, (3, 4), axis=1, keepdims=True)
    row(_f, (3, 2, 2), axis=(0, 2))
    row(_f, (3, 3), axis=None, keepdims=True)
for _q in (0.3, 0.0, 1.0, [0.1, 0.5, 0.9], [[0.25], [0.8]]):
    row(np.quantile, (5,), call=lambda x, q=_q: np.quantile(x, q), as_=f"q={_q}")
row(np.quantile, (3, 4), call=lambda x: np.quantile(x, [0.2, 0.7], axis=1, keepdims=True), as_="axis keepdims")
row(np.quantile, (3, 2, 2), call=lambda x: np.quantile(x, 0.4, axis=(0, 2)), as_="axes")
for _method in (
    "lower",
    "higher",
    "nearest",
    "midpoint",
    "inverted_cdf",
    "averaged_inverted_cdf",
    "closest_observation",
    "interpolated_inverted_cdf",
    "hazen",
    "weibull",
    "median_unbiased",
    "normal_unbiased",
):
    row(np.quantile, (6,), call=lambda x, m=_method: np.quantile(x, [0.1, 0.33, 0.5, 0.9], method=m), as_=_method)
_WEIGHTS = np.array([2.0, 0.0, 1.0, 3.0])
row(
    np.quantile,
    (4, 3),
    call=lambda x: np.quantile(x, [0.0, 0.3, 1.0], axis=0, method="inverted_cdf", weights=_WEIGHTS),
    as_="weights",
)
row(
    np.percentile,
    (2, 4, 3),
    call=lambda x: np.percentile(
        x, 40, axis=(2, 1), method="inverted_cdf", weights=np.outer([1, 2, 1], _WEIGHTS), keepdims=True
    ),
    as_="weights of two axes",
)
row(
    np.quantile,
    (5,),
    (5,),
    call=lambda x, w: np.quantile(x, 0.4, method="inverted_cdf", weights=w),
    low=0.5,
    as_="traced weights",
)
row(np.quantile, (5,), (), call=lambda x, q: np.quantile(x, 0.5 + 0.1 * q), as_="traced q", eager_only="q is checked")
row(np.percentile, (5,), call=lambda x: np.percentile(x, 37), as_="37")
row(np.percentile, (3, 4), call=lambda x: np.percentile(x, [10, 90], axis=0), as_="axis")
row(np.sort, (5,))
row(np.sort, (2, 3), axis=0)
row(np.sort, (2, 3), axis=None)
row(np.sort, (2, 3), kind="stable")
row(np.argsort, (2, 3), axis=1, smooth=False)
row(np.argsort, (2, 3), axis=None, kind="stable", smooth=False)
row(
    np.partition,
    (6,),
    call=lambda x: np.partition(x, 2),
    as_="2",
    eager_only="NumPy's order within the parts depends on the values",
)
row(np.argpartition, (6,), call=lambda x: np.argpartition(x, 2), as_="2", smooth=False, eager_only="as partition")
row(np.searchsorted, (3,), call=lambda v: np.searchsorted(np.arange(-2.0, 3.0), v), smooth=False, as_="v")
row(
    np.searchsorted,
    (3,),
    call=lambda v: np.searchsorted(np.arange(-2.0, 3.0), v, side="right"),
    smooth=False,
    as_="right",
)

# ---- running
for _f in (np.cumsum, np.cumprod):
    row(_f, (4,))
    row(_f, (2, 3))
    row(_f, (2, 3), axis=0)
    row(_f, (2, 3), axis=-1, dtype=np.float32, float32=False)
row(np.diff, (5,))
row(np.diff, (5,), n=2)
row(np.diff, (2, 3), axis=0)
row(np.diff, (2, 3), (2, 1), call=lambda x, p: np.diff(x, prepend=p, append=0.5), as_="prepend append")
row(np.ediff1d, (2, 3))
row(np.ediff1d, (4,), (2,), call=lambda x, e: np.ediff1d(x, to_begin=e, to_end=[0.5]), as_="ends")
row(np.trapezoid, (5,))
row(np.trapezoid, (2, 4), dx=0.5, axis=0)
row(np.trapezoid, (5,), (5,), call=lambda y, x: np.trapezoid(y, np.sort(x)), as_="x")
row(np.trapezoid, (2, 4), (4,), call=lambda y, x: np.trapezoid(y, x), as_="x 1-d")
row(np.trapezoid, (2, 4), (2, 4), call=lambda y, x: np.trapezoid(y, x, axis=1), as_="x 2-d")

# ---- norms
for _ord in (None, 2, 1, np.inf, -np.inf, 3, 2.5, -1, 0.5):
    row(np.linalg.norm, (4,), call=lambda x, o=_ord: np.linalg.norm(x, o), as_=f"ord={_ord}")
    row(np.linalg.norm, (2, 3), call=lambda x, o=_ord: np.linalg.norm(x + 4, o, axis=1), as_=f"ord={_ord} axis=1")
row(np.linalg.norm, (4,), call=lambda x: np.linalg.norm(x, 0), as_="ord=0", smooth=False)
for _ord in (None, "fro", 1, -1, np.inf, -np.inf):
    row(np.linalg.norm, (3, 4), call=lambda x, o=_ord: np.linalg.norm(x, o), as_=f"matrix {_ord}")
    row(np.linalg.norm, (2, 3, 2), call=lambda x, o=_ord: np.linalg.norm(x, o, (0, 2), True), as_=f"axes {_ord}")
row(np.linalg.norm, (2, 3, 2), as_="3-d")
row(np.linalg.norm, (20, 30), keepdims=True, as_="large")
row(np.linalg.vector_norm, (2, 3))
row(np.linalg.vector_norm, (2, 3), axis=1, keepdims=True)
row(np.linalg.vector_norm, (2, 3), ord=3)
row(np.linalg.vector_norm, (2, 3), keepdims=True)
row(np.linalg.matrix_norm, (2, 3, 4))
row(np.linalg.matrix_norm, (3, 4), ord=1, keepdims=True)
