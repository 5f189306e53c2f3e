"""Jacobi's, Gegenbauer's and Laguerre's polynomials and Legendre's functions by degree and parameters, of every order.

At a whole degree and by parameters alone they are the jets of the recurrence in the degree; at others those of the
hypergeometric function by which they are defined. Sections of the NIST DLMF stand beside the formulas.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .jets import Linear, constant, derivative, over, over_gamma, rising, times, times_gamma
from .special import _apply, family, largest, repeated, whole
from .special_hypergeometric import kummer, parted, series, started

Jet = np.ndarray
_DEGREES = 20_000
"""Recurrences are not taken to higher degrees, or orders of Legendre's functions: these have no derivatives here."""


def _at_degree(degree: np.ndarray, before: Jet, first: Jet, next_one: Callable[[int, Jet, Jet], Jet]) -> Jet:
    """The polynomial of each entry's own whole degree; ``next_one(k, P_{k−1}, P_{k−2})`` is P_k."""
    found = np.where(degree < 0, 0.0, np.where(degree == 0, before, first))
    for k in range(2, largest(degree, _DEGREES) + 1):
        before, first = first, next_one(k, first, before)
        found = np.where(degree == k, first, found)
    return found


def _whole(order: int, degree: np.ndarray) -> np.ndarray:
    return np.full(len(degree), order == 0) & (degree >= 0) & (degree <= _DEGREES) & (degree == np.floor(degree))


def _jacobi(nn: int, na: int, nb: int, nx: int, degree: Any, a: Any, b: Any, x: Any) -> np.ndarray:
    by_n, by_a, by_b = (1, 0, 0), (0, 1, 0), (0, 0, 1)
    orders = (nn, na, nb)

    def recurrence(degree: Any, a: Any, b: Any, x: Any) -> np.ndarray:
        """18.9.1–2, and ½ⁿ (k + a + b + 1)ₙ of the nth derivative by x (18.9.15)."""
        scale = rising(constant(orders, np.full(len(x), 0.5**nx)), Linear(degree + a + b + 1, (0, 1, 1)), nx)
        degree, a, b = degree - nx, a + nx, b + nx
        total, apart = Linear(a + b, (0, 1, 1)), Linear(a - b, (0, 1, -1))
        linear = times(scale, Linear(a + 1, by_a)) + times(scale * (0.5 * (x - 1)), total.plus(2))

        def next_one(k: int, one: Jet, two: Jet) -> Jet:
            middle = total.plus(2 * k - 1)
            squares = times(times(one * x, middle.plus(1)), middle.plus(-1)) + times(times(one, total), apart)
            last = times(times(times(two, Linear(a + k - 1, by_a)), Linear(b + k - 1, by_b)), middle.plus(1))
            return over(over(times(squares, middle) - 2 * last, total.plus(k)), middle.plus(-1)) / (2 * k)

        return derivative(_at_degree(degree, scale, linear, next_one))

    def hypergeometric(degree: Any, a: Any, b: Any, x: Any) -> np.ndarray:
        """Γ(n + a + 1)/(Γ(n + 1) Γ(a + 1)) ₂F₁(−n, n + a + b + 1; a + 1; (1 − x)/2) (18.5.7)"""
        upper = [Linear(-degree, (-1, 0, 0)), Linear(degree + a + b + 1, (1, 1, 1))]
        lower = [Linear(a + 1, by_a)]
        jet = started(orders, upper, lower, nx, len(x)) * (-0.5) ** nx
        jet = series(jet, [u.plus(nx) for u in upper], [lower[0].plus(nx)], 0.5 * (1 - x))
        jet = times_gamma(jet, Linear(degree + a + 1, (1, 1, 0))) * _apply("gamma")(degree + a + 1)
        return derivative(over_gamma(over_gamma(jet, lower[0]), Linear(degree + 1, by_n)))

    return parted(_whole(nn, degree), recurrence, hypergeometric, degree, a, b, x)


def _gegenbauer(nn: int, na: int, nx: int, degree: Any, a: Any, x: Any) -> np.ndarray:
    by_a, orders = (0, 1), (nn, na)

    def recurrence(degree: Any, a: Any, x: Any) -> np.ndarray:
        """18.9.1, and 2ⁿ (a)ₙ of the nth derivative by x (18.9.19)."""
        scale = rising(constant(orders, np.full(len(x), 2.0**nx)), Linear(a, by_a), nx)
        degree, a = degree - nx, a + nx

        def next_one(k: int, one: Jet, two: Jet) -> Jet:
            return (times(2 * x * one, Linear(a + k - 1, by_a)) - times(two, Linear(2 * a + k - 2, (0, 2)))) / k

        return derivative(_at_degree(degree, scale, times(2 * x * scale, Linear(a, by_a)), next_one))

    def hypergeometric(degree: Any, a: Any, x: Any) -> np.ndarray:
        """Γ(n + 2a)/(Γ(n + 1) Γ(2a)) ₂F₁(−n, n + 2a; a + ½; (1 − x)/2) (18.5.9)"""
        upper = [Linear(-degree, (-1, 0)), Linear(degree + 2 * a, (1, 2))]
        lower = [Linear(a + 0.5, by_a)]
        jet = started(orders, upper, lower, nx, len(x)) * (-0.5) ** nx
        jet = series(jet, [u.plus(nx) for u in upper], [lower[0].plus(nx)], 0.5 * (1 - x))
        jet = times_gamma(jet, upper[1]) * _apply("gamma")(degree + 2 * a)
        return derivative(over_gamma(over_gamma(jet, Linear(2 * a, (0, 2))), Linear(degree + 1, (1, 0))))

    return parted(_whole(nn, degree), recurrence, hypergeometric, degree, a, x)


def _laguerre(nn: int, na: int, nx: int, degree: Any, a: Any, x: Any) -> np.ndarray:
    by_a, orders = (0, 1), (nn, na)

    def recurrence(degree: Any, a: Any, x: Any) -> np.ndarray:
        """18.9.1, and (−1)ⁿ of the nth derivative by x (18.9.23)."""
        scale = constant(orders, np.full(len(x), (-1.0) ** nx))
        degree, a = degree - nx, a + nx

        def next_one(k: int, one: Jet, two: Jet) -> Jet:
            return (times(one, Linear(2 * k - 1 + a - x, by_a)) - times(two, Linear(k - 1 + a, by_a))) / k

        return derivative(_at_degree(degree, scale, times(scale, Linear(1 + a - x, by_a)), next_one))

    def hypergeometric(degree: Any, a: Any, x: Any) -> np.ndarray:
        """Γ(n + a + 1)/(Γ(n + 1) Γ(a + 1)) ₁F₁(−n; a + 1; x) (18.5.12)"""
        upper, lower = Linear(-degree, (-1, 0)), Linear(a + 1, by_a)
        jet = kummer(started(orders, [upper], [lower], nx, len(x)), upper.plus(nx), lower.plus(nx), x)
        jet = times_gamma(jet, Linear(degree + a + 1, (1, 1))) * _apply("gamma")(degree + a + 1)
        return derivative(over_gamma(over_gamma(jet, lower), Linear(degree + 1, (1, 0))))

    return parted(_whole(nn, degree), recurrence, hypergeometric, degree, a, x)


def _legendre(n: int, m: np.ndarray, degree: np.ndarray, x: np.ndarray) -> np.ndarray:
    """(−½)ᵐ (v − m + 1)_{2m} (1 − x²)^{m/2}/m! ₂F₁(m − v, v + m + 1; m + 1; (1 − x)/2), n times by v (14.3.4); of −m
    without the sign and the product (14.9.3)."""
    order = np.abs(m)
    upper = [Linear(order - degree, (-1,)), Linear(degree + order + 1, (1,))]
    jet = series(constant((n,), np.ones(len(x))), upper, [Linear(order + 1, (0,))], 0.5 * (1 - x))
    for k in range(2 * largest(m, _DEGREES)):
        jet = np.where(k < 2 * m, times(jet, Linear(degree - m + 1 + k, (1,))), jet)
    scale = np.where(m > 0, -0.5, 0.5) ** order * (1 - x * x) ** (0.5 * order) * _apply("rgamma")(order + 1)
    return np.where((np.abs(x) < 1) & (order <= _DEGREES) & (m == np.floor(m)), scale * derivative(jet), np.nan)


def _legendre_slope(g: Any, out: Any, n: Any, m: Any, v: Any, x: Any) -> Any:
    """That of P (14.10.5), (v x P_v − (v + m) P_{v−1})/(x² − 1), n times by v."""
    below = _apply("lpmv_by_degree")
    moved = v * x * out - (v + m) * below(n, m, v - 1, x)
    return g * (moved + n * (x * below(n - 1, m, v, x) - below(n - 1, m, v - 1, x))) / (x * x - 1)


for _name, _count, _nth, _text, _where in (
    ("eval_jacobi", 4, _jacobi, "∂^({0},{1},{2},{3}) P_{4}^({5},{6})({7})", {"low": 0.3, "high": 0.8}),
    ("eval_gegenbauer", 3, _gegenbauer, "∂^({0},{1},{2}) C_{3}^({4})({5})", {"low": 0.3, "high": 0.8}),
    ("eval_genlaguerre", 3, _laguerre, "∂^({0},{1},{2}) L_{3}^({4})({5})", {"low": 0.3, "high": 1.5}),
):
    family(
        f"{_name}_derivative",
        _name,
        _count,
        _nth,
        notation=_text,
        domain=_where,
        doc=f"The derivatives of {_name}, taken in each argument as often as the first numbers say.",
    )
repeated(
    "lpmv_by_degree",
    "lpmv",
    _legendre,
    whole("the order"),
    lambda g, out, n, m, v, x: g * _apply("lpmv_by_degree")(n + 1, m, v, x),
    _legendre_slope,
    risky=True,
    notation="∂^{0}/∂{2}^{0} P_{2}^{1}({3})",
    domain={"low": 0.3, "high": 0.8},
    doc="The derivative of Legendre's function of whole order by its degree, taken n times.",
)
