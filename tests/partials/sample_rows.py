"""Rows of ``scipy.stats`` for test_scipy_functions: statistics of samples, by the samples and what else they take."""

from typing import Any

import numpy as np
import scipy.sparse
import scipy.stats as ss

from .family_rows import drawn

x, y, z = drawn(7), 0.5 * drawn(7) + drawn(3, 7)[1], drawn(2, 5)[0]
table, size, share = drawn(4, 5), np.abs(drawn(7)) + 0.3, np.abs(drawn(3, 7)[2]) + 0.2
at = np.array([0.1, 0.4])
HELD = ss.gaussian_kde(drawn(2, 7), weights=size)
"""Made before any trace."""
OTHERS = np.array([[0.2, -0.3], [0.1, 0.6]])
POWER, LOW = np.float64(0.3), np.float64(2.5)

ROWS: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
    (ss.zmap, (x, y), {}),
    (ss.gzscore, (size,), {}),
    (ss.skew, (table,), {"axis": None, "keepdims": True}),
    (ss.moment, (x,), {"order": 3}),
    (ss.moment, (table,), {"order": [2, 3], "axis": 1}),
    (lambda a, c: ss.moment(a, 2, center=c), (x, np.float64(0.3)), {}),
    (lambda a, p: ss.pmean(a, p), (size, LOW), {}),
    (ss.pmean, (size,), {"p": 0, "weights": np.arange(1.0, 8.0)}),
    (ss.variation, (size,), {"ddof": 1}),
    (ss.gstd, (size,), {}),
    (ss.iqr, (table,), {"axis": 1, "rng": (10, 80), "scale": "normal"}),
    (ss.median_abs_deviation, (x,), {"scale": "normal"}),
    (ss.median_abs_deviation, (table,), {"axis": 1, "center": np.mean}),
    (ss.trim_mean, (table,), {"proportiontocut": 0.25, "axis": 1}),
    (ss.trim_mean, (table,), {"proportiontocut": 0.1, "axis": None, "keepdims": True}),
    (ss.tmean, (table,), {"limits": (-0.8, 0.9)}),
    (ss.tvar, (table,), {"limits": (None, 0.9), "inclusive": (True, False), "axis": 1}),
    (ss.tstd, (x,), {}),
    (ss.tsem, (x,), {"limits": (-1.0, None)}),
    (lambda a: ss.describe(a, axis=1)[2:], (table,), {}),
    (ss.circmean, (size,), {"high": 3.0}),
    (ss.circvar, (size,), {}),
    (ss.circstd, (table,), {"axis": 1}),
    (lambda a, m: tuple(ss.ttest_1samp(a, m)), (x, np.float64(0.3)), {}),
    (lambda a, b: tuple(ss.ttest_rel(a, b, alternative="less")), (x, y), {}),
    (lambda a, b: tuple(ss.ttest_ind(a, b)), (x, z), {}),
    (lambda a, b: ss.ttest_ind(a, b, equal_var=False).statistic, (x, z), {}),
    (lambda a, b, c: tuple(ss.f_oneway(a, b, c)), (x, z, size), {}),
    (lambda a, b: tuple(ss.pearsonr(a, b)), (x, y), {}),
    (lambda a, b: ss.pearsonr(a, b, axis=1).statistic, (table, table[::-1] ** 2), {}),
    (lambda a: ss.pointbiserialr(np.array([0, 1, 0, 1, 1, 0, 1]), a)[0], (x,), {}),
    (lambda a, b: (*ss.linregress(a, b), ss.linregress(a, b).intercept_stderr), (x, y), {}),
    (lambda a, b: ss.chisquare(a * np.sum(b) / np.sum(a), b).statistic, (size, share), {}),
    (lambda a: tuple(ss.power_divergence(a, lambda_="cressie-read")), (size,), {}),
    (lambda a: ss.power_divergence(a, lambda_="log-likelihood").statistic, (size,), {}),
    (lambda a: ss.power_divergence(a, lambda_=-1).statistic, (size,), {}),
    (ss.wasserstein_distance, (x, z), {}),
    (lambda a, b, w: ss.wasserstein_distance(a, b, w), (x, z, size), {}),
    (ss.energy_distance, (x, z), {}),
    (lambda a, p: ss.boxcox(a, p), (size, POWER), {}),
    (lambda a, p: ss.yeojohnson(a, p), (x, POWER), {}),
    (lambda p, a: ss.boxcox_llf(p, a), (POWER, size), {}),
    (lambda p, a: ss.yeojohnson_llf(p, a, keepdims=True), (POWER, x), {}),
    (lambda a: ss.gaussian_kde(a)(at), (x,), {}),
    (lambda a, w, h: ss.gaussian_kde(a, h, w).logpdf(OTHERS), (drawn(2, 7), size, POWER), {}),
    (lambda a: ss.gaussian_kde(a, "silverman").pdf(OTHERS), (drawn(2, 7),), {}),
    (lambda p: HELD(p) + HELD.evaluate(p) * HELD.pdf(p) + HELD.logpdf(p), (OTHERS,), {}),
    (lambda a: a if scipy.sparse.issparse(a) or scipy.sparse.isspmatrix(a) else a**2, (x,), {}),
]
