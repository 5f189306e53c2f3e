"""``scipy.stats``: statistics of samples, the tests that compare them, and densities estimated from them.

Sorting, ranks and limits are decided by the values; derivatives are those of the values between. Formulas: SciPy's own
documentation of each.
"""

from __future__ import annotations

import math
from collections import namedtuple
from typing import Any

import numpy as np

from backpass.graph import messages

from .declare import as_array, normal_axis, shape_of, value_of
from .decompositions import SOLVE, _mT
from .indexing import GATHER
from .scipy_functions import _rule, logsumexp
from .special import _apply


def _plain_only(name: str, nan_policy: str) -> None:
    if nan_policy != "propagate":
        raise messages.option_refused(f"scipy.stats.{name}", "nan_policy", "Use the nan-functions of NumPy.")


def _along(a: Any, axis: Any) -> tuple[Any, int]:
    """The samples, and the axis that they lie along: of None all in one."""
    a = as_array(a)
    return (np.ravel(a), 0) if axis is None else (a, normal_axis(axis, len(shape_of(a))))


def _kept(found: Any, a: Any, axis: Any, keepdims: bool) -> Any:
    """With the axis kept, of length 1; of None all axes."""
    if not keepdims:
        return found
    return np.expand_dims(found, tuple(range(len(shape_of(as_array(a))))) if axis is None else axis)


# ---- where they lie, and how far apart
@_rule("stats")
def zmap(scores, compare, axis=0, ddof=0, nan_policy="propagate"):
    _plain_only("zmap", nan_policy)
    compare = as_array(compare)
    centre = np.mean(compare, axis=axis, keepdims=True)
    return (as_array(scores) - centre) / np.std(compare, axis=axis, ddof=ddof, keepdims=True)


_rule("stats", "zscore")(lambda a, axis=0, ddof=0, nan_policy="propagate": zmap(a, a, axis, ddof, nan_policy))


@_rule("stats")
def gzscore(a, *, axis=0, ddof=0, nan_policy="propagate"):
    logs = np.log(as_array(a))
    return zmap(logs, logs, axis, ddof, nan_policy)


def _central(a: Any, order: int, axis: Any) -> Any:
    return np.mean((a - np.mean(a, axis=axis, keepdims=True)) ** order, axis=axis)


@_rule("stats")
def skew(a, axis=0, bias=True, nan_policy="propagate", *, keepdims=False):
    _plain_only("skew", nan_policy)
    samples, along = _along(a, axis)
    found = _central(samples, 3, along) / _central(samples, 2, along) ** 1.5
    if not bias:
        n = shape_of(samples)[along]
        found = math.sqrt(n * (n - 1.0)) / (n - 2.0) * found
    return _kept(found, a, axis, keepdims)


@_rule("stats")
def kurtosis(a, axis=0, fisher=True, bias=True, nan_policy="propagate", *, keepdims=False):
    _plain_only("kurtosis", nan_policy)
    samples, along = _along(a, axis)
    found = _central(samples, 4, along) / _central(samples, 2, along) ** 2
    if not bias:
        n = shape_of(samples)[along]
        found = ((n * n - 1.0) * found - 3.0 * (n - 1.0) ** 2) / ((n - 2.0) * (n - 3.0)) + 3.0
    return _kept(found - 3.0 if fisher else found, a, axis, keepdims)


@_rule("stats")
def gmean(a, axis=0, dtype=None, weights=None, nan_policy="propagate", keepdims=False):
    _plain_only("gmean", nan_policy)
    return np.exp(np.average(np.log(as_array(a)), axis=axis, weights=weights, keepdims=keepdims))


@_rule("stats")
def hmean(a, axis=0, dtype=None, *, weights=None, nan_policy="propagate", keepdims=False):
    _plain_only("hmean", nan_policy)
    return 1.0 / np.average(1.0 / as_array(a), axis=axis, weights=weights, keepdims=keepdims)


@_rule("stats")
def sem(a, axis=0, ddof=1, nan_policy="propagate", *, keepdims=False):
    _plain_only("sem", nan_policy)
    a = as_array(a)
    n = np.size(a) if axis is None else shape_of(a)[axis]
    return np.std(a, axis=axis, ddof=ddof, keepdims=keepdims) / math.sqrt(n)


@_rule("stats")
def entropy(pk, qk=None, base=None, axis=0, *, nan_policy="propagate", keepdims=False):
    _plain_only("entropy", nan_policy)
    pk = as_array(pk)
    pk = pk / np.sum(pk, axis=axis, keepdims=True)
    if qk is None:
        parts = _apply("entr")(pk)
    else:
        qk = as_array(qk)
        parts = _apply("rel_entr")(pk, qk / np.sum(qk, axis=axis, keepdims=True))
    found = np.sum(parts, axis=axis, keepdims=keepdims)
    return found if base is None else found / np.log(base)


@_rule("stats")
def moment(a, order=1, axis=0, nan_policy="propagate", *, center=None, keepdims=False):
    """The mean of (x − c)ⁿ, of one order or of several along a first axis; c is the mean."""
    _plain_only("moment", nan_policy)
    samples, along = _along(a, axis)
    c = np.mean(samples, axis=along, keepdims=True) if center is None else as_array(center)
    orders = np.asarray(value_of(order))
    found = [_kept(np.mean((samples - c) ** int(n), axis=along), a, axis, keepdims) for n in orders.ravel()]
    return found[0] if not orders.ndim else np.stack(found)


@_rule("stats")
def pmean(a, p, *, axis=0, dtype=None, weights=None, nan_policy="propagate", keepdims=False):
    _plain_only("pmean", nan_policy)
    if np.ndim(value_of(p)) == 0 and value_of(p) == 0:
        return gmean(a, axis=axis, weights=weights, keepdims=keepdims)
    return np.average(as_array(a) ** p, axis=axis, weights=weights, keepdims=keepdims) ** (1.0 / as_array(p))


@_rule("stats")
def variation(a, axis=0, nan_policy="propagate", ddof=0, *, keepdims=False):
    _plain_only("variation", nan_policy)
    a = as_array(a)
    return np.std(a, axis=axis, ddof=ddof, keepdims=keepdims) / np.mean(a, axis=axis, keepdims=keepdims)


@_rule("stats")
def gstd(a, axis=0, ddof=1, *, keepdims=False, nan_policy="propagate"):
    _plain_only("gstd", nan_policy)
    return np.exp(np.std(np.log(as_array(a)), axis=axis, ddof=ddof, keepdims=keepdims))


@_rule("stats")
def iqr(x, axis=None, rng=(25, 75), scale=1.0, nan_policy="propagate", interpolation="linear", keepdims=False):
    _plain_only("iqr", nan_policy)
    scale = 2 * math.sqrt(2) * _apply("erfinv")(0.5) if scale == "normal" else scale
    options: dict[str, Any] = {"axis": axis, "method": interpolation, "keepdims": keepdims}
    low, high = (np.percentile(x, q, **options) for q in sorted(rng))
    return (high - low) / scale


@_rule("stats")
def median_abs_deviation(x, axis=0, center=None, scale=1.0, nan_policy="propagate", *, keepdims=False):
    _plain_only("median_abs_deviation", nan_policy)
    samples, along = _along(x, axis)
    centre = np.expand_dims((np.median if center is None else center)(samples, axis=along), along)
    scale = _apply("ndtri")(0.75) if scale == "normal" else scale
    return _kept(np.median(np.abs(samples - centre), axis=along) / scale, x, axis, keepdims)


@_rule("stats")
def trim_mean(a, proportiontocut, axis=0, *, nan_policy="propagate", keepdims=False):
    """The mean of what is left in the middle when as many of the least and of the greatest are cut off."""
    _plain_only("trim_mean", nan_policy)
    samples, along = _along(a, axis)
    n = shape_of(samples)[along]
    cut = int(proportiontocut * n)
    if 2 * cut >= n:
        raise ValueError("Proportion too big.")
    middle = np.sort(samples, axis=along)[(slice(None),) * along + (slice(cut, n - cut),)]
    return _kept(np.mean(middle, axis=along), a, axis, keepdims)


def _within(a: Any, limits: Any, inclusive: Any) -> Any:
    """Which samples lie within limits, of which None is none."""
    inside: Any = np.ones(shape_of(a), bool)
    if limits is not None:
        for bound, closed, beyond, beside in zip(
            limits, inclusive, (np.greater, np.less), (np.greater_equal, np.less_equal), strict=True
        ):
            if bound is not None:
                inside = np.logical_and(inside, (beside if closed else beyond)(a, bound))
    return inside


def _trimmed(a: Any, limits: Any, inclusive: Any, axis: Any) -> tuple[Any, Any, Any]:
    """How many samples lie within limits, their mean, and their sum of squares about it."""
    a, axis = _along(a, axis)
    inside = _within(a, limits, inclusive)
    count = np.sum(inside, axis=axis, keepdims=True).astype(float)
    mean = np.sum(np.where(inside, a, 0.0), axis=axis, keepdims=True) / count
    squares = np.sum(np.where(inside, a - mean, 0.0) ** 2, axis=axis)
    return np.squeeze(count, axis), np.squeeze(mean, axis), squares


@_rule("stats")
def tmean(a, limits=None, inclusive=(True, True), axis=None):
    return _trimmed(a, limits, inclusive, axis)[1]


@_rule("stats")
def tvar(a, limits=None, inclusive=(True, True), axis=0, ddof=1):
    count, _, squares = _trimmed(a, limits, inclusive, axis)
    return squares / (count - ddof)


@_rule("stats")
def tstd(a, limits=None, inclusive=(True, True), axis=0, ddof=1):
    return np.sqrt(tvar(a, limits, inclusive, axis, ddof))


@_rule("stats")
def tsem(a, limits=None, inclusive=(True, True), axis=0, ddof=1):
    count, _, squares = _trimmed(a, limits, inclusive, axis)
    return np.sqrt(squares / (count - ddof) / count)


DescribeResult = namedtuple("DescribeResult", "nobs minmax mean variance skewness kurtosis")


@_rule("stats")
def describe(a, axis=0, ddof=1, bias=True, nan_policy="propagate"):
    a, axis = _along(a, axis)
    extremes = np.min(a, axis=axis), np.max(a, axis=axis)
    shape = skew(a, axis, bias, nan_policy), kurtosis(a, axis, True, bias, nan_policy)
    return DescribeResult(shape_of(a)[axis], extremes, np.mean(a, axis=axis), np.var(a, axis=axis, ddof=ddof), *shape)


# ---- angles
def _resultant(samples: Any, high: Any, low: Any, axis: Any) -> tuple[Any, Any]:
    """The means of the sines and of the cosines, of samples that repeat from low to high."""
    turns = (as_array(samples) - low) * (2 * math.pi / (high - low))
    return np.mean(np.sin(turns), axis=axis), np.mean(np.cos(turns), axis=axis)


@_rule("stats")
def circmean(samples, high=2 * math.pi, low=0, axis=None, nan_policy="propagate"):
    _plain_only("circmean", nan_policy)
    sine, cosine = _resultant(samples, high, low, axis)
    return np.mod(np.arctan2(sine, cosine), 2 * math.pi) * (high - low) / (2 * math.pi) + low


@_rule("stats")
def circvar(samples, high=2 * math.pi, low=0, axis=None, nan_policy="propagate"):
    _plain_only("circvar", nan_policy)
    return 1.0 - np.hypot(*_resultant(samples, high, low, axis))


@_rule("stats")
def circstd(samples, high=2 * math.pi, low=0, axis=None, nan_policy="propagate", *, normalize=False):
    _plain_only("circstd", nan_policy)
    spread = np.sqrt(-2.0 * np.log(np.hypot(*_resultant(samples, high, low, axis))))
    return spread if normalize else spread * (high - low) / (2 * math.pi)


# ---- comparisons
TestResult = namedtuple("TestResult", "statistic pvalue")


class LinregressResult(namedtuple("LinregressResult", "slope intercept rvalue pvalue stderr")):
    """Five results that unpack, and a sixth beside them."""

    intercept_stderr: Any


def _of_student(t: Any, df: Any, alternative: str) -> Any:
    """How likely a t of these degrees of freedom is to lie further out."""
    if alternative == "two-sided":
        return 2.0 * _apply("stdtr")(df, -np.abs(t))
    return _apply("stdtr")(df, t if alternative == "less" else -t)


def _means(a: Any, axis: Any, ddof: int = 1) -> tuple[Any, int, Any, Any]:
    a, axis = _along(a, axis)
    return a, shape_of(a)[axis], np.mean(a, axis=axis), np.var(a, axis=axis, ddof=ddof)


@_rule("stats")
def ttest_1samp(a, popmean, axis=0, nan_policy="propagate", alternative="two-sided"):
    _plain_only("ttest_1samp", nan_policy)
    _, n, mean, variance = _means(a, axis)
    t = (mean - as_array(popmean)) / np.sqrt(variance / n)
    return TestResult(t, _of_student(t, n - 1.0, alternative))


@_rule("stats")
def ttest_rel(a, b, axis=0, nan_policy="propagate", alternative="two-sided"):
    return ttest_1samp(as_array(a) - as_array(b), 0.0, axis, nan_policy, alternative)


@_rule("stats")
def ttest_ind(a, b, *, axis=0, equal_var=True, nan_policy="propagate", alternative="two-sided", trim=0, method=None):
    """Student's test, or Welch's where the variances may differ."""
    _plain_only("ttest_ind", nan_policy)
    if trim or method is not None:
        raise messages.option_refused("scipy.stats.ttest_ind", "trim or method", "Leave them out.")
    _, n, mean, variance = _means(a, axis)
    _, m, other, spread = _means(b, axis)
    if equal_var:
        df: Any = n + m - 2.0
        squared = ((n - 1) * variance + (m - 1) * spread) / df * (1.0 / n + 1.0 / m)
    else:
        first, second = variance / n, spread / m
        squared = first + second
        df = squared**2 / (first**2 / (n - 1) + second**2 / (m - 1))
    t = (mean - other) / np.sqrt(squared)
    return TestResult(t, _of_student(t, df, alternative))


@_rule("stats")
def f_oneway(*samples, axis=0, equal_var=True):
    if not equal_var:
        raise messages.option_refused("scipy.stats.f_oneway", "equal_var", "Leave it out.")
    groups = [_means(sample, axis, 0) for sample in samples]
    counts = [n for _, n, _, _ in groups]
    total, k = sum(counts), len(groups)
    mean = sum(n * m for _, n, m, _ in groups) / total
    between = sum(n * (m - mean) ** 2 for _, n, m, _ in groups) / (k - 1)
    within = sum(n * v for _, n, _, v in groups) / (total - k)
    return TestResult(between / within, _apply("fdtrc")(k - 1.0, float(total - k), between / within))


@_rule("stats")
def pearsonr(x, y, *, alternative="two-sided", method=None, axis=0):
    """r = Σ (x − x̄)(y − ȳ)/√(Σ (x − x̄)² Σ (y − ȳ)²), and how likely one further from 0 is."""
    if method is not None:
        raise messages.option_refused("scipy.stats.pearsonr", "method", "Leave it out.")
    x, along = _along(x, axis)
    y = _along(y, axis)[0]
    u, v = (a - np.mean(a, axis=along, keepdims=True) for a in (x, y))
    r = np.sum(u * v, axis=along) / np.sqrt(np.sum(u * u, axis=along) * np.sum(v * v, axis=along))
    df = shape_of(x)[along] - 2.0
    return TestResult(r, _of_student(r * np.sqrt(df / ((1.0 - r) * (1.0 + r))), df, alternative))


_rule("stats", "pointbiserialr")(lambda x, y: pearsonr(as_array(x).astype(float), y))


@_rule("stats")
def linregress(x, y, alternative="two-sided"):
    """The line through points by least squares."""
    x, y = as_array(x), as_array(y)
    df = shape_of(x)[0] - 2.0
    xx, yy = np.var(x), np.var(y)
    slope = np.mean((x - np.mean(x)) * (y - np.mean(y))) / xx
    r, p = pearsonr(x, y, alternative=alternative)
    error = np.sqrt((1.0 - r * r) * yy / xx / df)
    found = LinregressResult(slope, np.mean(y) - slope * np.mean(x), r, p, error)
    found.intercept_stderr = error * np.sqrt(xx + np.mean(x) ** 2)
    return found


@_rule("stats")
def power_divergence(f_obs, f_exp=None, ddof=0, axis=0, lambda_=None):
    """2/(λ (λ + 1)) Σ o ((o/e)^λ − 1), and its limits at λ = 0 and −1 (Cressie & Read 1984)"""
    names = {
        "pearson": 1, "log-likelihood": 0, "freeman-tukey": -0.5, "mod-log-likelihood": -1, "neyman": -2,
        "cressie-read": 2 / 3,
    }  # fmt: skip
    power = 1 if lambda_ is None else names.get(lambda_, lambda_) if isinstance(lambda_, str) else lambda_
    observed, axis = _along(f_obs, axis)
    expected = np.mean(observed, axis=axis, keepdims=True) if f_exp is None else as_array(f_exp)
    if power == 1:
        terms = (observed - expected) ** 2 / expected
    elif power == 0:
        terms = 2.0 * _apply("xlogy")(observed, observed / expected)
    elif power == -1:
        terms = 2.0 * _apply("xlogy")(expected, expected / observed)
    else:
        terms = observed * ((observed / expected) ** power - 1.0) / (0.5 * power * (power + 1))
    statistic = np.sum(terms, axis=axis)
    return TestResult(statistic, _apply("chdtrc")(shape_of(observed)[axis] - 1.0 - ddof, statistic))


@_rule("stats")
def chisquare(f_obs, f_exp=None, ddof=0, axis=0, *, sum_check=True):
    return power_divergence(f_obs, f_exp, ddof, axis)


# ---- distances of samples
def _steps(u: Any, v: Any, u_weights: Any, v_weights: Any) -> tuple[Any, Any]:
    """The gaps between all values, and by how much the two distribution functions differ in each."""
    u, v = as_array(u), as_array(v)
    values = np.sort(np.concatenate([u, v]))

    def shares(sample: Any, weights: Any) -> Any:
        below = np.searchsorted(np.sort(sample), values[:-1], "right")
        if weights is None:
            return below / shape_of(sample)[0]
        weights = as_array(weights)
        total = np.concatenate([np.zeros(1), np.cumsum(GATHER(weights, np.argsort(sample), key=("index",)))])
        return GATHER(total, below, key=("index",)) / np.sum(weights)

    return np.diff(values), shares(u, u_weights) - shares(v, v_weights)


@_rule("stats")
def wasserstein_distance(u_values, v_values, u_weights=None, v_weights=None):
    """∫ |U − V|, of the distribution functions of the samples"""
    gaps, differences = _steps(u_values, v_values, u_weights, v_weights)
    return np.sum(np.abs(differences) * gaps)


@_rule("stats")
def energy_distance(u_values, v_values, u_weights=None, v_weights=None):
    """√(2 ∫ (U − V)²)"""
    gaps, differences = _steps(u_values, v_values, u_weights, v_weights)
    return np.sqrt(2.0 * np.sum(differences**2 * gaps))


# ---- transformations to a normal distribution
def _parameter(name: str, value: Any) -> Any:
    if value is None:
        raise messages.option_refused(
            f"scipy.stats.{name}", "lmbda=None", "Give λ: the search for it has no derivative."
        )
    return as_array(value)


@_rule("stats")
def boxcox(x, lmbda=None, alpha=None, optimizer=None):
    return _apply("boxcox")(as_array(x), _parameter("boxcox", lmbda))


@_rule("stats")
def yeojohnson(x, lmbda=None):
    """((1 + x)^λ − 1)/λ, of the negative ones −((1 − x)^(2 − λ) − 1)/(2 − λ)"""
    x, power = as_array(x), _parameter("yeojohnson", lmbda)
    up, down = np.where(x >= 0, x, 0.0), np.where(x >= 0, 0.0, -x)
    return np.where(x >= 0, _apply("boxcox1p")(up, power), -_apply("boxcox1p")(down, 2.0 - power))


def _log_likelihood(transformed: Any, stretch: Any, axis: int) -> Any:
    n = shape_of(transformed)[axis]
    return stretch - 0.5 * n * np.log(np.var(transformed, axis=axis))


@_rule("stats")
def boxcox_llf(lmb, data, *, axis=0, keepdims=False, nan_policy="propagate"):
    _plain_only("boxcox_llf", nan_policy)
    samples, along = _along(data, axis)
    found = _log_likelihood(boxcox(samples, lmb), (as_array(lmb) - 1.0) * np.sum(np.log(samples), axis=along), along)
    return _kept(found, data, axis, keepdims)


@_rule("stats")
def yeojohnson_llf(lmb, data, *, axis=0, nan_policy="propagate", keepdims=False):
    _plain_only("yeojohnson_llf", nan_policy)
    samples, along = _along(data, axis)
    stretch = (as_array(lmb) - 1.0) * np.sum(np.sign(samples) * np.log1p(np.abs(samples)), axis=along)
    found = _log_likelihood(yeojohnson(samples, lmb), stretch, along)
    return _kept(found, data, axis, keepdims)


# ---- densities
@_rule("stats", "gaussian_kde")
class GaussianKDE:
    """The mean, with weights, of normal densities about the samples, of their own covariance, scaled."""

    def __init__(self, dataset, bw_method=None, weights=None):
        self.dataset = np.atleast_2d(as_array(dataset))
        self.d, self.n = shape_of(self.dataset)
        weights = np.full(self.n, 1.0 / self.n) if weights is None else as_array(weights)
        self.weights = weights / np.sum(weights)
        self.neff = 1.0 / np.sum(self.weights**2)
        self.factor = self._factor(bw_method)
        centred = self.dataset - np.sum(self.weights * self.dataset, axis=1, keepdims=True)
        spread = np.matmul(self.weights * centred, _mT(centred)) / (1.0 - np.sum(self.weights**2))
        self.covariance = spread * self.factor**2

    def _factor(self, method: Any) -> Any:
        if method is None or method == "scott":
            return np.power(self.neff, -1.0 / (self.d + 4))
        if isinstance(method, str) and method == "silverman":
            return np.power(self.neff * (self.d + 2.0) / 4.0, -1.0 / (self.d + 4))
        return method(self) if callable(method) else as_array(method)

    def logpdf(self, x):
        points = np.atleast_2d(as_array(x))
        if shape_of(points)[0] != self.d:
            points = np.reshape(points, (self.d, 1))
        apart = points[:, :, None] - self.dataset[:, None, :]
        flat = np.reshape(apart, (self.d, -1))
        square = np.sum(flat * SOLVE(self.covariance, flat), axis=0)
        log_norm = 0.5 * (self.d * math.log(2 * math.pi) + np.linalg.slogdet(self.covariance)[1])
        terms = np.log(self.weights) - 0.5 * np.reshape(square, shape_of(apart)[1:])
        return logsumexp(terms, axis=1) - log_norm

    def evaluate(self, points):
        return np.exp(self.logpdf(points))

    __call__ = pdf = evaluate


def _of_plain_samples(method: str) -> None:
    def read(kde, points):
        return getattr(GaussianKDE(kde.dataset, kde.factor, kde.weights), method)(points)

    _rule("stats", f"gaussian_kde.{method}")(read)


for _method in ("__call__", "evaluate", "pdf", "logpdf"):
    _of_plain_samples(_method)


__all__ = ["GaussianKDE"]
