"""Distributions of scipy.stats by SciPy's own formulas, wherever a distribution is kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("scipy")

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
