"""``numpy.polynomial``: polyval, chebval, legval, hermval, hermeval, lagval at a point; the rest as NumPy writes it.

Clenshaw's recurrence (1955), in the order of NumPy's own code, so that values are NumPy's to the bit.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import numpy as np

from backpass.graph.op import FUNCTIONS

from .declare import as_array, floating, rule_for, shape_of

Step = Callable[[Any, Any, Any, Any, int], tuple[Any, Any]]


def _chebyshev(c: Any, c0: Any, c1: Any, x: Any, n: int) -> tuple[Any, Any]:
    return c - c1, c0 + c1 * (2 * x)


def _legendre(c: Any, c0: Any, c1: Any, x: Any, n: int) -> tuple[Any, Any]:
    return c - c1 * ((n - 1) / n), c0 + c1 * x * ((2 * n - 1) / n)


def _hermite(c: Any, c0: Any, c1: Any, x: Any, n: int) -> tuple[Any, Any]:
    return c - c1 * (2 * (n - 1)), c0 + c1 * (x * 2)


def _hermite_e(c: Any, c0: Any, c1: Any, x: Any, n: int) -> tuple[Any, Any]:
    return c - c1 * (n - 1), c0 + c1 * x


def _laguerre(c: Any, c0: Any, c1: Any, x: Any, n: int) -> tuple[Any, Any]:
    return c - (c1 * (n - 1)) / n, c0 + (c1 * ((2 * n - 1) - x)) / n


def _of(x: Any, c: Any, tensor: bool) -> tuple[Any, Any]:
    """The point and the coefficients, lowest first, as floats; with `tensor` each column of c has all points."""
    c, x = floating(c), as_array(x)
    c = np.reshape(c, (1,)) if not shape_of(c) else c
    if tensor and len(shape_of(x)):
        c = np.reshape(c, shape_of(c) + (1,) * len(shape_of(x)))
    return x, c


def polyval(x: Any, c: Any, tensor: bool = True) -> Any:
    x, c = _of(x, c, tensor)
    total = c[-1] + x * 0
    for k in range(2, shape_of(c)[0] + 1):
        total = c[-k] + total * x
    return total


def _clenshaw(step: Step, first: Callable[[Any], Any]) -> Callable[..., Any]:
    """`first` is the polynomial of degree 1; `step` takes the last two sums one degree down."""

    def value(x: Any, c: Any, tensor: bool = True) -> Any:
        x, c = _of(x, c, tensor)
        count = shape_of(c)[0]
        if count == 1:
            return c[0] + 0 * first(x)
        c0, c1 = c[-2], c[-1]
        for k in range(3, count + 1):
            c0, c1 = step(c[-k], c0, c1, x, count + 2 - k)
        return c0 + c1 * first(x)

    return value


RULES = {
    "polynomial.polyval": polyval,
    "chebyshev.chebval": _clenshaw(_chebyshev, lambda x: x),
    "legendre.legval": _clenshaw(_legendre, lambda x: x),
    "hermite.hermval": _clenshaw(_hermite, lambda x: 2 * x),
    "hermite_e.hermeval": _clenshaw(_hermite_e, lambda x: x),
    "laguerre.lagval": _clenshaw(_laguerre, lambda x: 1 - x),
}
"""Function of numpy.polynomial → what does the same on traced values. NumPy imports that package late."""


MODULES = ("polynomial", "chebyshev", "legendre", "hermite", "hermite_e", "laguerre")


def _followed_when_called(function: Any) -> Callable[..., Any]:
    made: list[Callable[..., Any]] = []

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not made:
            from backpass.graph.followed import followed  # what only a trace needs is imported by the first one

            made.append(followed(getattr(function, "_implementation", function)))
        return made[0](*args, **kwargs)

    return call


def written_in_numpy() -> dict[str, Any]:
    """The functions of numpy.polynomial without a rule above: sums, products, derivatives, roots, fits and the like."""
    functions = {
        f"{module}.{name}": getattr(getattr(np.polynomial, module), name)
        for module in MODULES
        for name in getattr(np.polynomial, module).__all__
    }
    return {n: f for n, f in functions.items() if n not in RULES and callable(f) and not isinstance(f, type)}


def enter_series() -> None:
    for name, rule in RULES.items():
        rule_for(attrgetter(name)(np.polynomial))(rule)
    for function in written_in_numpy().values():
        FUNCTIONS.setdefault(function, _followed_when_called(function))


__all__ = ["enter_series", "written_in_numpy"]
