"""Distributions of scipy.stats by SciPy's own formulas, wherever a distribution is kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("scipy")

import scipy.linalg
import scipy.stats
from scipy.stats import norm

import backpass as bp

from .references import close, differences

SMOOTH = {
    "tukeylambda": ((0.7,), "pdf logpdf cdf sf"),
    "skewnorm": ((1.3,), "pdf logpdf cdf sf logcdf ppf mean var"),
    "truncnorm": ((-0.7, 2.1), "pdf logpdf cdf logsf ppf mean"),
    "invgauss": ((0.8,), "pdf logpdf cdf ppf mean var entropy"),
    "exponnorm": ((1.4,), "pdf logpdf cdf logsf mean var"),
    "genextreme": ((0.2,), "pdf logpdf cdf sf logcdf ppf mean"),
    "genpareto": ((0.2,), "pdf logpdf cdf sf isf mean entropy"),
    "loglaplace": ((2.4,), "pdf cdf ppf"),
    "nakagami": ((1.7,), "pdf logpdf cdf ppf mean var"),
    "rayleigh": ((), "pdf logpdf cdf sf ppf mean std median entropy interval"),
    "rice": ((0.8,), "pdf logpdf"),
    "triang": ((0.4,), "pdf cdf ppf mean var"),
    "burr12": ((2.1, 5.3), "pdf logpdf cdf sf ppf mean"),
    "vonmises": ((1.9,), "pdf logpdf entropy"),
    "gamma": ((1.9,), "cdf sf logcdf ppf isf mean var std stats entropy moment nnlf"),
    "invgamma": ((1.9,), "cdf sf logsf ppf"),
    "gengamma": ((1.9, 1.3), "cdf sf ppf"),
    "loggamma": ((1.9,), "cdf ppf"),
    "chi": ((1.9,), "cdf sf ppf"),
    "chi2": ((3.1,), "cdf sf logcdf ppf isf"),
    "beta": ((1.9, 2.7), "cdf sf logsf ppf isf mean var entropy"),
    "betaprime": ((1.9, 2.7), "cdf sf ppf"),
    "f": ((3.1, 5.3), "cdf sf logcdf ppf isf"),
    "ncx2": ((3.1, 1.3), "pdf logpdf cdf sf ppf"),
    "ncf": ((3.1, 5.3, 1.3), "pdf logpdf cdf sf ppf"),
    "nct": ((5.3, 0.7), "pdf cdf sf ppf"),
    "norm": ((), "mean var std stats entropy median interval moment nnlf rvs support"),
    "t": ((5.3,), "cdf sf logcdf ppf isf mean var entropy"),
}
"""A distribution → its shapes, and the methods that are tested."""


def call(name: str, method: str, at: Any, *given: Any) -> Any:
    *shapes, loc, scale = given
    found = getattr(scipy.stats, name)
    if method == "nnlf":
        return found.nnlf(given, at)
    if method == "rvs":
        return found.rvs(loc=loc, scale=scale, size=3, random_state=2)
    head = {"interval": (0.8,), "moment": (3,)}.get(method, ())
    if method in ("mean", "var", "std", "stats", "entropy", "median", "support", *("interval", "moment")):
        return getattr(found, method)(*head, *shapes, loc=loc, scale=scale)
    return getattr(found, method)(at, *shapes, loc, scale=scale)


@pytest.mark.parametrize("name", SMOOTH)
def test_values_and_derivatives(name: str) -> None:
    shapes, methods = SMOOTH[name]
    for method in methods.split():
        levels = np.array([0.2, 0.45, 0.8])
        at = levels if method in ("ppf", "isf") else getattr(scipy.stats, name).ppf(levels, *shapes, 0.3, 1.4)
        args = (at, *map(np.float64, (*shapes, 0.3, 1.4)))

        def joined(*args: Any, method: str = method) -> Any:
            found = call(name, method, *args)
            parts = found if isinstance(found, tuple) else (found,)
            parts = [p for p in parts if np.all(np.isfinite(p))]
            return sum(np.sum(p * np.cos(np.arange(np.size(p)) + k)) for k, p in enumerate(parts))

        ways = tuple(0.1 * np.cos(np.arange(np.size(a)) + i).reshape(np.shape(a)) for i, a in enumerate(args))
        along = lambda t: [a + t * d for a, d in zip(args, ways, strict=True)]  # noqa: E731, B023
        gradient = bp.grad(joined, argnums=tuple(range(len(args))))
        with np.errstate(all="ignore"):
            value, slope = bp.jvp(joined, args, ways)
            close(value, joined(*args), 1e-13, f"value of {method}")
            close(slope, differences(lambda t: joined(*along(t)), (np.float64(0),), 0, step=1e-3), 1e-8, method)  # noqa: B023
            back = sum(float(np.sum(g * d)) for g, d in zip(gradient(*args), ways, strict=True))
            close(back, slope, 1e-9, f"backward of {method}")
            second = lambda t: sum(np.sum(g * d) for g, d in zip(gradient(*along(t)), ways, strict=True))  # noqa: E731, B023
            curved = differences(second, (np.float64(0),), 0, step=1e-3)
            close(bp.grad(second)(0.0), curved, 1e-6, f"second order of {method}")


def test_counts() -> None:
    """Probabilities by the parameters, also by those distributions that SciPy sums."""
    k = np.array([1, 2, 4])
    for name, shapes, methods in (
        ("geom", (0.3,), "pmf logpmf cdf sf mean var"),
        ("betabinom", (5, 1.3, 2.1), "pmf logpmf cdf mean"),
        ("skellam", (1.3, 2.1), "mean var"),
        ("binom", (5, 0.3), "cdf sf mean var"),
        ("nbinom", (3, 0.4), "pmf mean var"),
        ("nbinom", (3.2, 0.4), "cdf sf logcdf"),
        ("poisson", (1.7,), "pmf mean var"),
        ("boltzmann", (0.4, 7), "pmf cdf"),
    ):
        free = [i for i, s in enumerate(shapes) if isinstance(s, float)]
        for method in methods.split():

            def f(t: Any, name: str = name, shapes: Any = shapes, free: Any = free, method: str = method) -> Any:
                given = [s + (t if i in free else 0) for i, s in enumerate(shapes)]
                head = () if method in ("mean", "var") else (k,)
                return np.sum(getattr(getattr(scipy.stats, name), method)(*head, *given) * np.float64(1.5))

            value, slope = bp.value_and_grad(f)(0.0)
            close(value, f(0.0), 1e-13, name)
            close(slope, differences(f, (np.float64(0),), 0, step=1e-3), 1e-8, f"{name}.{method}")


@pytest.mark.parametrize(("name", "shapes"), [("gamma", (2.3,)), ("beta", (1.9, 2.7)), ("t", (5.3,))])
def test_samples_move_with_the_shapes(name: str, shapes: tuple[float, ...]) -> None:
    law = getattr(scipy.stats, name)
    drawn = lambda *s: np.sum(np.sin(law.rvs(*s, size=4, random_state=3)))  # noqa: E731
    levels = law.cdf(law.rvs(*shapes, size=4, random_state=3), *shapes)
    held = lambda *s: np.sum(np.sin(law.ppf(levels, *s)))  # noqa: E731
    assert bp.value_and_grad(drawn)(*shapes)[0] == drawn(*shapes)
    for k in range(len(shapes)):
        slope = bp.grad(drawn, argnums=k)
        close(slope(*shapes), differences(held, shapes, k, step=1e-3), 1e-8)
        close(bp.grad(slope, argnums=k)(*shapes), bp.grad(bp.grad(held, argnums=k), argnums=k)(*shapes), 1e-7)


def test_samples_of_counts_are_refused() -> None:
    with pytest.raises(bp.errors.NoRuleError, match=r"poisson\.rvs"):
        bp.grad(lambda m: np.sum(scipy.stats.poisson.rvs(m, size=3, random_state=1) * 1.0))(2.0)


class Model:
    def __init__(self) -> None:
        self.prior = scipy.stats.gamma(2.0, scale=1.5)
        self.kinds = {"noise": norm(0.2, 1.3), "law": norm}

    def loss(self, x: Any) -> Any:
        return self.prior.logpdf(x) + self.kinds["noise"].logpdf(x) + self.kinds["law"].cdf(x, 0.1, x)


class Tent(scipy.stats.rv_continuous):
    def _pdf(self, x: Any, c: Any) -> Any:
        return np.exp(-np.abs(x) * c) * c / 2

    def _cdf(self, x: Any, c: Any) -> Any:
        return np.where(x < 0, np.exp(x * c) / 2, 1 - np.exp(-x * c) / 2)


tent = Tent(name="tent")
held = norm(0.1, 0.9)


@pytest.mark.parametrize(
    "f",
    [
        Model().loss,
        lambda x: tent.logpdf(x, 1.3) + tent.cdf(x, c=0.4 + x) + tent.ppf(0.3, x),
        lambda x: held.cdf(x) + held.logpdf(x),
        lambda x, law=scipy.stats.weibull_min: law.logpdf(x, 1.4, scale=2.0),
        lambda x: scipy.stats.rayleigh(x, scale=2.0).mean() + norm(loc=x).logpdf(0.3),
    ],
)
def test_wherever_a_distribution_is_kept(f: Any) -> None:
    value, slope = bp.value_and_grad(f)(0.7)
    close(value, f(0.7), 1e-14)
    close(slope, differences(f, (np.float64(0.7),), 0, step=1e-3), 1e-9)
    if f.__name__ != "<lambda>" or "ppf" not in f.__code__.co_names:
        close(bp.compile(bp.grad(f))(0.7), slope, 1e-12)


def test_outside_of_the_support_and_of_the_parameters() -> None:
    points = np.array([-1.0, 0.4, 7.0])
    for f in (
        lambda c: scipy.stats.triang.pdf(points, c),
        lambda c: scipy.stats.triang.cdf(points, c),
        lambda c: scipy.stats.triang.ppf(np.array([0.0, 1.0, 0.3, 2.0]), c),
    ):
        np.testing.assert_array_equal(bp.vjp(f, 0.7)[0], f(0.7))
        assert np.all(np.isfinite(bp.jvp(f, (0.7,), (1.0,))[1][:3]))
    assert np.isnan(bp.vjp(lambda s: scipy.stats.rayleigh.logpdf(1.0, scale=s), -1.0)[0])


def test_what_scipy_integrates_is_refused() -> None:
    for f, words in (
        (lambda c: scipy.stats.levy.entropy(scale=c), "entropy is an integral"),
        (lambda c: norm.expect(lambda x: x, scale=c), "scipy.integrate.quad"),
        (lambda c: scipy.stats.t.fit(np.array([1.0, 2.0]) * c)[0], "logpdf over the data"),
    ):
        with pytest.raises(bp.errors.NoRuleError, match=words) as caught:
            bp.grad(f)(1.3)
        assert "test_scipy_distributions.py" in str(caught.value)


def test_scipys_classes_are_as_they_were() -> None:
    own = scipy.stats.rv_continuous.logpdf

    def f(x: Any) -> Any:
        assert scipy.stats.rv_continuous.logpdf is not own
        return norm.logpdf(x) / 0

    with pytest.raises(ZeroDivisionError), np.errstate(all="ignore"):
        bp.grad(lambda x: f(x) + 1 // 0)(0.3)
    assert scipy.stats.rv_continuous.logpdf is own


TAILS = [
    (lambda x: norm.logsf(x), 50.0, -1254.8313611394199),
    (lambda x: scipy.stats.halfnorm.logsf(x), 50.0, -1254.8313611394199 + np.log(2)),
    (lambda x: scipy.stats.expon.logsf(x), 1000.0, -1000.0),
    (lambda x: scipy.stats.logistic.logsf(x), 1000.0, -1000.0),
    (lambda x: scipy.stats.laplace.logsf(x), 1000.0, -1000.0 - np.log(2)),
    (lambda x: scipy.stats.weibull_min.logsf(x, 2), 50.0, -2500.0),
    (lambda x: scipy.stats.pareto.logsf(x, 3.0), 1e200, -3 * np.log(1e200)),
    (lambda x: scipy.stats.lognorm.logsf(x, 0.1), 1e3, scipy.stats.lognorm.logsf(1e3, 0.1)),
]


@pytest.mark.parametrize(("f", "at", "wanted"), TAILS)
def test_far_out_in_the_tail(f: Any, at: float, wanted: float) -> None:
    value, slope = bp.value_and_grad(f)(at)
    close(value, wanted, 1e-14)
    step = 1e-3 * at
    close(slope, (bp.vjp(f, at + step)[0] - bp.vjp(f, at - step)[0]) / (2 * step), 1e-5)


@pytest.mark.parametrize(
    ("name", "shapes", "methods"),
    [
        *[
            (n, s, "pdf logpdf cdf sf logcdf logsf")
            for n, s in (("gamma", (1.7,)), ("beta", (1.7, 2.3)), ("uniform", ()))
        ],
        *[
            (n, s, "logpdf cdf logsf")
            for n, s in (("norm", ()), ("expon", ()), ("lognorm", (0.7,)), ("pareto", (1.7,)))
        ],
        *[(n, s, "logpdf cdf logsf") for n, s in (("logistic", ()), ("t", (2.5,)), ("triang", (0.4,)))],
        *[(n, s, "pmf logpmf") for n, s in (("poisson", (1.7,)), ("binom", (5, 0.3)), ("betabinom", (5, 1.3, 2.1)))],
        *[(n, s, "cdf") for n, s in (("poisson", (1.7,)), ("betabinom", (5, 1.3, 2.1)))],
    ],
)
def test_data_that_are_missing(name: str, shapes: tuple[Any, ...], methods: str) -> None:
    """NaN has the value and the derivative NaN, and changes no other entry."""
    whole = name in ("poisson", "binom", "betabinom")
    data = np.array([3.0, np.nan, 2.0]) * (1.0 if whole else 0.25)
    for method in methods.split():
        free = [k for k, s in enumerate(shapes) if isinstance(s, float)]
        moves = [*free, *(() if whole else ("x", "scale"))]
        for move in moves:

            def f(t: Any, x: Any, method: str = method, move: Any = move) -> Any:
                moved = [s + t if k == move else s for k, s in enumerate(shapes)]
                scale = {} if whole else {"scale": 1.0 + t if move == "scale" else 1.0}
                return getattr(getattr(scipy.stats, name), method)(
                    x + t * np.ones(np.shape(x)) if move == "x" else x, *moved, **scale
                )

            value, slope = bp.jvp(lambda t: f(t, data), (0.0,), (1.0,))
            np.testing.assert_allclose(value, f(0.0, data), rtol=1e-13)
            wanted = [np.nan if np.isnan(x) else bp.grad(f)(0.0, x) for x in data]
            np.testing.assert_allclose(slope, wanted, rtol=1e-12, err_msg=f"{method} by {move}")
            assert np.isnan(bp.grad(f)(0.0, np.nan)), (method, move)


@pytest.mark.parametrize("matrix", [np.array([[1.0, 2.0], [2.0, 1.0]]), -np.eye(2), np.ones((2, 2))])
def test_matrices_that_are_not_positive_definite(matrix: np.ndarray) -> None:
    point = np.array([0.3, 0.4])
    for density in (
        lambda c: scipy.stats.multivariate_normal.logpdf(point, None, c),
        lambda c: scipy.stats.multivariate_t.pdf(point, None, c, df=3.0),
        lambda c: scipy.stats.matrix_normal.logpdf(np.eye(2), None, c),
        lambda c: scipy.stats.matrix_normal.logpdf(np.eye(2), None, np.eye(2), c),
        lambda c: scipy.stats.wishart.logpdf(np.eye(2), 4, c),
        lambda c: scipy.stats.wishart.logpdf(c, 4, np.eye(2)),
        lambda c: scipy.stats.invwishart.logpdf(c, 4, np.eye(2)),
    ):
        with pytest.raises(np.linalg.LinAlgError, match="not positive definite") as caught:
            bp.grad(density)(matrix)
        assert "test_scipy_distributions.py" in str(caught.value)


def test_singular_covariances() -> None:
    point, regular = np.array([0.3, 0.4]), np.array([[2.0, 1.0], [1.0, 2.0]])
    several: Any = scipy.stats.multivariate_normal
    f = lambda c: several.logpdf(point, None, c, allow_singular=True)  # noqa: E731
    close(bp.value_and_grad(f)(regular)[0], f(regular), 1e-14)
    held = several(point, np.ones((2, 2)), allow_singular=True)
    for refused in (lambda t: f(t * np.ones((2, 2))), lambda t: held.logpdf(t * point)):
        with pytest.raises(bp.errors.TracingError, match="allow_singular"):
            bp.grad(refused)(1.0)
    given = lambda m: several.logpdf(point, m, scipy.stats.Covariance.from_diagonal([1.0, 2.0]))  # noqa: E731
    value, slope = bp.value_and_grad(given)(2 * point)
    close(value, given(2 * point), 1e-14)
    close(slope, differences(given, (2 * point,), 0, step=1e-3), 1e-9)


@pytest.mark.parametrize("name", ["wishart", "invwishart"])
def test_a_matrix_of_one_variable_or_on_a_diagonal(name: str) -> None:
    law = getattr(scipy.stats, name)
    for x, scale in ((1.5, 2.0), (np.array([1.5, 2.0]), 2.0), (1.5, np.array([1.0, 2.0])), (np.ones(2), np.eye(2))):
        f = lambda s: np.sum(law.logpdf(x, 4, s))  # noqa: E731, B023
        at = np.asarray(scale)
        close(bp.vjp(f, at)[0], f(at), 1e-13)
        close(bp.vjp(lambda s: law.logpdf(x, 4, s), at)[0], law.logpdf(x, 4, at), 1e-13)  # noqa: B023
        close(np.sum(bp.grad(f)(at) * at), differences(lambda t: f(t * at), (np.float64(1),), 0, step=1e-3), 1e-9)  # noqa: B023


@pytest.mark.parametrize("solve", [scipy.linalg.solve_continuous_are, scipy.linalg.solve_discrete_are])
@pytest.mark.parametrize("which", ["q", "r"])
def test_riccati_of_what_is_not_symmetric(solve: Any, which: str) -> None:
    parts = {"q": np.eye(2), "r": np.eye(2)}

    def f(part: Any) -> Any:
        q, r = (parts | {which: part}).values()
        return np.sum(solve(0.5 * np.eye(2), np.eye(2), q, r))

    close(bp.value_and_grad(f)(np.array([[1.0, 0.5], [0.5, 1.0]]))[0], f(np.array([[1.0, 0.5], [0.5, 1.0]])), 1e-12)
    skew = np.array([[1.0, 0.5], [0.0, 1.0]])
    with pytest.raises(ValueError, match="symmetric"):
        f(skew)
    with pytest.raises(ValueError, match=f"{which} is not symmetric"):
        bp.grad(f)(skew)
