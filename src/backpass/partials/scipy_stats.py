"""``scipy.stats``: densities and distribution functions by their formulas; ``scipy.spatial.distance``.

A distribution is the density and the distribution function of a standard variable z = (x − loc)/scale; ``pdf`` is exp
of ``logpdf``. Outside of the support the density is 0; at NaN everything is NaN. ``logcdf`` and ``logsf`` stand here
where a formula holds far out in the tail, too; the others' are in ``scipy_distributions.py``. Formulas: SciPy's own
documentation of each; Johnson, Kotz & Balakrishnan, Continuous Univariate Distributions (1994).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from backpass.graph import messages

from .declare import Traced, as_array, dtype_of, is_staged, shape_of, value_of
from .scipy_functions import _rule
from .special import _apply

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
INF = math.inf
LOC, SCALE = np.asarray(0.0), np.asarray(1.0)
"""The standard ones, which leave a number as it is."""


def _call(name: str) -> Callable[..., Any]:
    return lambda *args: _apply(name)(*map(as_array, args))


gammaln, betaln, xlogy, xlog1py = map(_call, ("gammaln", "betaln", "xlogy", "xlog1py"))


def _bound(args: tuple[Any, ...], named: dict[str, Any], names: tuple[str, ...], count: int) -> list[Any]:
    """The parameters of a call and then (loc, scale), by place or name."""
    values: dict[str, Any] = {"loc": LOC, "scale": SCALE}
    order = (*names, "loc", "scale")[:count]
    values.update(zip(order, args, strict=False))
    values.update(named)
    missing = [n for n in order if n not in values]
    if missing or len(args) > len(order):
        raise TypeError(f"the distribution takes {', '.join(order)}")
    return [as_array(values[n]) for n in order]


def _chosen(inside: Any, value: Any, other: float) -> Any:
    if isinstance(inside, (bool, np.bool_)):
        return value if inside else np.full_like(value, other)
    return np.where(inside, value, other)


def carried(z: Any, found: Any) -> Any:
    """What was found, and NaN with a derivative of NaN where z is NaN."""
    missing = np.isnan(z)
    if not is_staged(z) and not np.any(value_of(missing)):
        return found
    gap = np.where(missing, z * z, 1.0)
    return found * gap + (gap - 1.0)  # the factor for the parameters, the term for z


def _continuous(
    name: str,
    *names: str,
    logpdf: Callable[..., Any],
    cdf: Callable[..., Any],
    sf: Callable[..., Any],
    logcdf: Callable[..., Any] | None = None,
    logsf: Callable[..., Any] | None = None,
    ppf: Callable[..., Any] | None = None,
    support: tuple[float, float] = (-INF, INF),
) -> None:
    """Enter the methods of one distribution; the functions take z and the parameters."""
    low, high = support

    def rule(method: str, function: Callable[..., Any]) -> None:
        def call(x: Any, *args: Any, **named: Any) -> Any:
            *shapes, loc, scale = _bound(args, named, names, len(names) + 2)
            x = as_array(x)
            standard = loc is LOC and scale is SCALE and dtype_of(x) == np.float64
            return function(x if standard else (x - loc) / scale, scale, *shapes)

        _rule("stats", f"{name}.{method}")(call)

    def within(z: Any) -> Any:
        """(z where the density is, which z these are); z itself where all are."""
        if low == -INF and high == INF:
            return z, True
        known = z if is_staged(z) else value_of(z)
        inside = (known >= low) & (known <= high)
        if not is_staged(z) and np.all(inside):
            return z, True
        middle = low + 1.5 if high == INF else (low + high) / 2
        return np.where(inside, z, middle), inside

    def log_density(z: Any, scale: Any, *shapes: Any) -> Any:
        held, inside = within(z)
        density = logpdf(held, *shapes)
        density = density if scale is SCALE else density - np.log(scale)
        return density if inside is True else carried(z, _chosen(inside | np.isnan(z), density, -INF))

    def placed(function: Callable[..., Any], below: float, above: float) -> Callable[..., Any]:
        def call(z: Any, scale: Any, *shapes: Any) -> Any:
            held, inside = within(z)
            found = function(held, *shapes)
            if inside is True:
                return found
            return carried(z, np.where(inside | np.isnan(z), found, np.where(z > high, above, below)))

        return call

    rule("logpdf", log_density)
    rule("pdf", lambda z, scale, *shapes: np.exp(log_density(z, scale, *shapes)))
    for method, function, below, above in (
        ("cdf", cdf, 0.0, 1.0),
        ("sf", sf, 1.0, 0.0),
        ("logcdf", logcdf, -INF, 0.0),
        ("logsf", logsf, 0.0, -INF),
    ):
        if function is not None:
            rule(method, placed(function, below, above))
    if ppf is not None:

        def quantile(q: Any, *args: Any, **named: Any) -> Any:
            *shapes, loc, scale = _bound(args, named, names, len(names) + 2)
            return loc + scale * ppf(as_array(q), *shapes)

        _rule("stats", f"{name}.ppf")(quantile)
        _rule("stats", f"{name}.isf")(lambda q, *args, **named: quantile(1.0 - as_array(q), *args, **named))


def _log_t(z: Any, df: Any) -> Any:
    constant = gammaln((df + 1) / 2) - gammaln(df / 2) - 0.5 * np.log(df * math.pi)
    return constant - 0.5 * (df + 1) * np.log1p(z * z / df)


def _log_gamma(z: Any, a: Any) -> Any:
    return xlogy(a - 1, z) - z - gammaln(a)


def _log_beta(z: Any, a: Any, b: Any) -> Any:
    return xlog1py(b - 1, -z) + xlogy(a - 1, z) - betaln(a, b)


def _log_f(z: Any, n: Any, m: Any) -> Any:
    head = 0.5 * n * np.log(n) + 0.5 * m * np.log(m) + xlogy(n / 2 - 1, z)
    return head - 0.5 * (n + m) * np.log(m + n * z) - betaln(n / 2, m / 2)


_continuous(
    "norm",
    logpdf=lambda z: -0.5 * z * z - HALF_LOG_2PI,
    cdf=_call("ndtr"),
    sf=lambda z: _call("ndtr")(-z),
    logcdf=_call("log_ndtr"),
    logsf=lambda z: _call("log_ndtr")(-z),
    ppf=_call("ndtri"),
)
_continuous(
    "halfnorm",
    logpdf=lambda z: -0.5 * z * z - HALF_LOG_2PI + math.log(2.0),
    cdf=lambda z: _call("erf")(z / math.sqrt(2.0)),
    sf=lambda z: _call("erfc")(z / math.sqrt(2.0)),
    logsf=lambda z: math.log(2.0) + _call("log_ndtr")(-z),
    support=(0.0, INF),
)
_continuous(
    "expon",
    logpdf=lambda z: -z,
    cdf=lambda z: -np.expm1(-z),
    sf=lambda z: np.exp(-z),
    logsf=lambda z: -z,
    ppf=lambda q: -np.log1p(-q),
    support=(0.0, INF),
)
_continuous(
    "uniform", logpdf=lambda z: 0.0 * z, cdf=lambda z: z, sf=lambda z: 1.0 - z, ppf=lambda q: q, support=(0.0, 1.0)
)
_continuous(
    "laplace",
    logpdf=lambda z: -np.abs(z) - math.log(2.0),
    cdf=lambda z: np.where(z > 0, 1.0 - 0.5 * np.exp(-np.abs(z)), 0.5 * np.exp(-np.abs(z))),
    sf=lambda z: np.where(z > 0, 0.5 * np.exp(-np.abs(z)), 1.0 - 0.5 * np.exp(-np.abs(z))),
    logsf=lambda z: np.where(z > 0, -math.log(2.0) - np.where(z > 0, z, 0.0), np.log1p(-0.5 * np.exp(-np.abs(z)))),
)
_continuous(
    "logistic",
    logpdf=lambda z: -np.abs(z) - 2.0 * np.log1p(np.exp(-np.abs(z))),
    cdf=_call("expit"),
    sf=lambda z: _call("expit")(-z),
    logcdf=_call("log_expit"),
    logsf=lambda z: _call("log_expit")(-z),
    ppf=_call("logit"),
)
_continuous(
    "cauchy",
    logpdf=lambda z: -math.log(math.pi) - np.log1p(z * z),
    cdf=lambda z: np.arctan2(1.0, -z) / math.pi,
    sf=lambda z: np.arctan2(1.0, z) / math.pi,
    ppf=lambda q: np.tan(math.pi * q - math.pi / 2),
)
_continuous(
    "gumbel_r",
    logpdf=lambda z: -z - np.exp(-z),
    cdf=lambda z: np.exp(-np.exp(-z)),
    sf=lambda z: -np.expm1(-np.exp(-z)),
    logcdf=lambda z: -np.exp(-z),
    ppf=lambda q: -np.log(-np.log(q)),
)
_continuous(
    "lognorm",
    "s",
    logpdf=lambda z, s: -0.5 * (np.log(z) / s) ** 2 - np.log(s * z) - HALF_LOG_2PI,
    cdf=lambda z, s: _call("ndtr")(np.log(z) / s),
    sf=lambda z, s: _call("ndtr")(-np.log(z) / s),
    logcdf=lambda z, s: _call("log_ndtr")(np.log(z) / s),
    logsf=lambda z, s: _call("log_ndtr")(-np.log(z) / s),
    ppf=lambda q, s: np.exp(s * _call("ndtri")(q)),
    support=(0.0, INF),
)
_continuous(
    "gamma",
    "a",
    logpdf=_log_gamma,
    cdf=lambda z, a: _call("gammainc")(a, z),
    sf=lambda z, a: _call("gammaincc")(a, z),
    support=(0.0, INF),
)
_continuous(
    "invgamma",
    "a",
    logpdf=lambda z, a: -(a + 1) * np.log(z) - gammaln(a) - 1.0 / z,
    cdf=lambda z, a: _call("gammaincc")(a, 1.0 / z),
    sf=lambda z, a: _call("gammainc")(a, 1.0 / z),
    support=(0.0, INF),
)
_continuous(
    "chi2",
    "df",
    logpdf=lambda z, df: _log_gamma(z / 2, df / 2) - math.log(2.0),
    cdf=lambda z, df: _call("chdtr")(df, z),
    sf=lambda z, df: _call("chdtrc")(df, z),
    support=(0.0, INF),
)
_continuous(
    "beta",
    "a",
    "b",
    logpdf=_log_beta,
    cdf=lambda z, a, b: _call("betainc")(a, b, z),
    sf=lambda z, a, b: _call("betaincc")(a, b, z),
    support=(0.0, 1.0),
)
_continuous("t", "df", logpdf=_log_t, cdf=lambda z, df: _call("stdtr")(df, z), sf=lambda z, df: _call("stdtr")(df, -z))
_continuous(
    "f",
    "dfn",
    "dfd",
    logpdf=_log_f,
    cdf=lambda z, n, m: _call("fdtr")(n, m, z),
    sf=lambda z, n, m: _call("fdtrc")(n, m, z),
    support=(0.0, INF),
)
_continuous(
    "skewnorm",
    "a",
    logpdf=lambda z, a: math.log(2.0) - 0.5 * z * z - HALF_LOG_2PI + _call("log_ndtr")(a * z),
    cdf=lambda z, a: _call("ndtr")(z) - 2.0 * _call("owens_t")(z, a),
    sf=lambda z, a: _call("ndtr")(-z) + 2.0 * _call("owens_t")(z, a),
)
_continuous(
    "pareto",
    "b",
    logpdf=lambda z, b: np.log(b) - (b + 1) * np.log(z),
    cdf=lambda z, b: 1.0 - z**-b,
    sf=lambda z, b: z**-b,
    logsf=lambda z, b: -b * np.log(z),
    ppf=lambda q, b: (1.0 - q) ** (-1.0 / b),
    support=(1.0, INF),
)
_continuous(
    "weibull_min",
    "c",
    logpdf=lambda z, c: np.log(c) + xlogy(c - 1, z) - z**c,
    cdf=lambda z, c: -np.expm1(-(z**c)),
    sf=lambda z, c: np.exp(-(z**c)),
    logsf=lambda z, c: -(z**c),
    ppf=lambda q, c: (-np.log1p(-q)) ** (1.0 / c),
    support=(0.0, INF),
)


# ---- discrete: the probabilities as functions of the parameters; counts are held fixed
def _discrete(name: str, *names: str, logpmf: Callable[..., Any], top: Callable[..., Any] | None = None) -> None:
    def log_mass(k: Any, *args: Any, **named: Any) -> Any:
        *shapes, loc = _bound(args, named, names, len(names) + 1)
        k = as_array(k) - loc
        inside = (k >= 0) & np.equal(k, np.floor(k))
        if top is not None:
            inside = inside & (k <= top(*shapes))
        inside = inside | np.isnan(k)
        if type(inside) is not Traced and np.all(inside):
            return logpmf(k, *shapes)
        return np.where(inside, logpmf(np.where(inside, k, 0), *shapes), -INF)

    _rule("stats", f"{name}.logpmf")(log_mass)
    _rule("stats", f"{name}.pmf")(lambda *args, **named: np.exp(log_mass(*args, **named)))


def _log_choose(n: Any, k: Any) -> Any:
    return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)


_discrete("poisson", "mu", logpmf=lambda k, mu: xlogy(k, mu) - gammaln(k + 1) - mu)
_discrete("bernoulli", "p", logpmf=lambda k, p: xlogy(k, p) + xlog1py(1 - k, -p), top=lambda p: 1)
_discrete(
    "binom",
    "n",
    "p",
    logpmf=lambda k, n, p: _log_choose(n, k) + xlogy(k, p) + xlog1py(n - k, -p),
    top=lambda n, p: n,
)
_discrete(
    "nbinom",
    "n",
    "p",
    logpmf=lambda k, n, p: gammaln(n + k) - gammaln(k + 1) - gammaln(n) + xlogy(n, p) + xlog1py(k, -p),
)


@_rule("stats", "poisson.cdf")
def poisson_cdf(k, mu, loc=0):
    k = np.floor(as_array(k) - loc)
    return np.where(k < 0, 0.0, _call("pdtr")(np.where(k < 0, 0.0, k), mu))


# ---- scipy.spatial.distance
def _root(x: Any) -> Any:
    """√ of what is 0 at equal points, where the slope is 0."""
    return np.where(x > 0, np.sqrt(np.where(x > 0, x, 1.0)), 0.0)


def _length(d: Any, w: Any, p: Any) -> Any:
    if w is None:
        return np.linalg.norm(d, axis=-1) if p == 2 else np.linalg.norm(d, ord=p, axis=-1)
    total = np.sum(w * np.abs(d) ** p, axis=-1)
    return _root(total) if p == 2 else np.where(total > 0, np.where(total > 0, total, 1.0) ** (1.0 / p), 0.0)


def _angle(u: Any, v: Any, w: Any, centred: bool) -> Any:
    if w is not None:
        w = w / np.sum(w)
    if centred:
        u, v = (x - np.expand_dims(np.average(x, axis=-1, weights=w), -1) for x in (u, v))
    part = (lambda x, y: np.sum(x * y, axis=-1)) if w is None else (lambda x, y: np.sum(w * x * y, axis=-1))
    if w is None:
        return 1.0 - part(u, v) / (np.linalg.norm(u, axis=-1) * np.linalg.norm(v, axis=-1))
    return 1.0 - part(u, v) / np.sqrt(part(u, u) * part(v, v))


def _canberra(u: Any, v: Any, w: Any) -> Any:
    size = np.abs(u) + np.abs(v)
    parts = np.where(size > 0, np.abs(u - v) / np.where(size > 0, size, 1.0), 0.0)
    return np.sum(parts if w is None else w * parts, axis=-1)


def _braycurtis(u: Any, v: Any, w: Any) -> Any:
    w = 1.0 if w is None else w
    return np.sum(w * np.abs(u - v), axis=-1) / np.sum(w * np.abs(u + v), axis=-1)


def _jensenshannon(u: Any, v: Any, base: Any = None) -> Any:
    u, v = (x / np.sum(x, axis=-1, keepdims=True) for x in (u, v))
    middle = (u + v) / 2.0
    found = np.sum(_call("rel_entr")(u, middle) + _call("rel_entr")(v, middle), axis=-1)
    return _root((found if base is None else found / np.log(base)) / 2.0)


_SUMS: dict[str, Callable[..., Any]] = {
    "euclidean": lambda u, v, w: _length(u - v, w, 2),
    "sqeuclidean": lambda u, v, w: np.sum((u - v) ** 2 if w is None else w * (u - v) ** 2, axis=-1),
    "cityblock": lambda u, v, w: np.sum(np.abs(u - v) if w is None else w * np.abs(u - v), axis=-1),
    "chebyshev": lambda u, v, w: np.max(np.abs(u - v) if w is None else np.where(w > 0, np.abs(u - v), 0.0), axis=-1),
    "cosine": lambda u, v, w: _angle(u, v, w, False),
    "correlation": lambda u, v, w: _angle(u, v, w, True),
    "canberra": _canberra,
    "braycurtis": _braycurtis,
}
_ALIASES = {"manhattan": "cityblock", "cityblock": "cityblock", "cosine": "cosine", "l2": "euclidean"}


def _mahalanobis(d: Any, inverse: Any) -> Any:
    return _root(np.sum(np.matmul(d, inverse) * d, axis=-1))


def _between(u: Any, v: Any, metric: Any, together: Any, options: dict[str, Any]) -> Any:
    """Distances along the last axis; `together` gives all points, of which some metrics take moments."""
    w = options.pop("w", None)
    w = None if w is None else as_array(w)
    if callable(metric):
        lead = np.broadcast_shapes(shape_of(u)[:-1], shape_of(v)[:-1])
        u, v = (np.reshape(np.broadcast_to(x, (*lead, shape_of(x)[-1])), (-1, shape_of(x)[-1])) for x in (u, v))
        rows = [metric(u[i], v[i], **options) for i in range(shape_of(u)[0])]
        return np.reshape(np.stack([as_array(row) for row in rows]), lead) if rows else np.zeros(lead)
    metric = _ALIASES.get(metric.lower(), metric.lower())
    if metric == "minkowski":
        return _length(u - v, w, options.get("p", 2))
    if metric == "seuclidean":
        scale = options.get("V")
        scale = np.var(together(), axis=0, ddof=1) if scale is None else as_array(scale)
        return _root(np.sum((u - v) ** 2 / scale, axis=-1))
    if metric == "mahalanobis":
        inverse = options.get("VI")
        return _mahalanobis(u - v, np.linalg.inv(np.cov(together().T)).T if inverse is None else as_array(inverse))
    if metric == "jensenshannon":
        return _jensenshannon(u, v, options.get("base"))
    if metric not in _SUMS:
        raise messages.option_refused(
            "scipy.spatial.distance",
            f"metric={metric!r}",
            f"Metrics with a rule: {', '.join(_SUMS)}, minkowski, seuclidean, mahalanobis, jensenshannon, a function.",
        )
    return _SUMS[metric](u, v, w)


def _points(x: Any) -> Any:
    x = as_array(x)
    return x if dtype_of(x).kind == "f" else x.astype(float)


@_rule("spatial.distance")
def cdist(XA, XB, metric="euclidean", *, out=None, **options):
    a, b = _points(XA), _points(XB)
    return _between(a[:, None, :], b[None, :, :], metric, lambda: np.concatenate([a, b]), options)


@_rule("spatial.distance")
def pdist(X, metric="euclidean", *, out=None, **options):
    x = _points(X)
    i, j = np.triu_indices(shape_of(x)[0], 1)
    return _between(x[i], x[j], metric, lambda: x, options)


@_rule("spatial")
def distance_matrix(x, y, p=2, threshold=1000000):
    return cdist(x, y, "minkowski", p=p)


@_rule("spatial")
def minkowski_distance(x, y, p=2):
    return _length(as_array(y) - as_array(x), None, p)


@_rule("spatial.distance")
def squareform(X, force="no", checks=True):
    x = as_array(X)
    if len(shape_of(x)) == 2:
        return x[np.triu_indices(shape_of(x)[0], 1)]
    n = int(np.ceil(np.sqrt(shape_of(x)[0] * 2)))
    places = np.zeros((n, n), int)
    places[np.triu_indices(n, 1)] = np.arange(1, shape_of(x)[0] + 1)
    return np.concatenate([np.zeros(1, dtype_of(x)), x])[places + places.T]


def _of_two(metric: str) -> None:
    def implementation(u, v, w=None):
        return _SUMS[metric](_points(u), _points(v), None if w is None else as_array(w))

    _rule("spatial.distance", metric)(implementation)


for _metric in _SUMS:
    _of_two(_metric)


@_rule("spatial.distance")
def minkowski(u, v, p=2, w=None):
    return _length(_points(u) - _points(v), None if w is None else as_array(w), p)


@_rule("spatial.distance")
def seuclidean(u, v, V):
    return _root(np.sum((_points(u) - _points(v)) ** 2 / as_array(V), axis=-1))


@_rule("spatial.distance")
def mahalanobis(u, v, VI):
    return _mahalanobis(_points(u) - _points(v), as_array(VI))


@_rule("spatial.distance")
def jensenshannon(p, q, base=None, *, axis=0, keepdims=False):
    p, q = (np.moveaxis(_points(x), axis, -1) for x in (p, q))
    found = _jensenshannon(p, q, base)
    return np.expand_dims(found, axis) if keepdims else found


__all__ = ["carried", "gammaln", "xlogy"]
