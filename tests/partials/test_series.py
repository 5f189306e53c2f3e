"""numpy.polynomial: the arithmetic of polynomials with traced coefficients, and its functions as NumPy writes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.polynomial as npp
import pytest
from numpy.polynomial import Chebyshev, Legendre, Polynomial

import backpass as bp
from backpass.partials.series import MODULES, written_in_numpy

from .references import close, differences

KINDS = ("Polynomial", "Chebyshev", "Legendre", "Hermite", "HermiteE", "Laguerre")
C, WAY = np.array([0.7, -0.3, 0.4, 1.1]), np.array([0.2, -0.4, 0.3, 0.1])
AT = np.array([0.3, -0.8])


def agrees(f: Any, at: Any = C, way: Any = WAY) -> None:
    loss = lambda c: np.sum(np.real(f(c)) * np.cos(np.arange(np.size(f(c)))).reshape(np.shape(f(c))))  # noqa: E731
    value, pullback = bp.vjp(loss, at)
    np.testing.assert_allclose(value, loss(at), rtol=1e-13, atol=1e-14)
    slope = differences(lambda t: loss(at + t * way), (np.float64(0),), 0, step=1e-3)
    close(np.sum(pullback(1.0)[0] * way), slope, 1e-8)
    curved = differences(lambda t: bp.grad(loss)(at + t * way) @ way, (np.float64(0),), 0, step=1e-3)
    close(bp.hvp(loss, (at,), way) @ way, curved, 1e-6)


@pytest.mark.parametrize("name", KINDS)
def test_arithmetic(name: str) -> None:
    kind = lambda *args, **named: getattr(npp, name)(*args, **named)  # noqa: E731
    other, held = kind([1.0, 2.0]), kind([0.3, -0.4, 0.2], domain=[-1, 2])
    for f in (
        lambda c: (kind(c) + other - kind([0.5]) * 2)(AT),
        lambda c: (kind(c) * kind(c[:2]) - c[0])(AT),
        lambda c: (2 - kind(c) ** 2)(AT),
        lambda c: (other - kind(c))(AT) + (other * kind(c))(AT) + ((other * 2) // kind(c[:2]))(AT),
        lambda c: held(c) + held.deriv()(c[0]),
        lambda c: (kind(c) // other)(AT) + (kind(c) % other)(AT),
        lambda c: kind(c, domain=[-2, 3]).deriv()(AT),
        lambda c: kind(c).integ(2, k=[0.3, 0.2])(AT),
        lambda c: kind(c).roots(),
        lambda c: kind(c).truncate(3).trim()(AT),
        lambda c: getattr(npp, name).fit(np.arange(4.0), c, 2)(AT),
        lambda c: kind(c).convert(kind=Polynomial)(AT),
    ):
        agrees(f)


def test_from_roots() -> None:
    agrees(lambda c: Polynomial.fromroots(c)(AT))
    agrees(lambda c: Polynomial(c)(Polynomial([0.1, 0.4]))(AT))
    agrees(lambda c: Chebyshev(c).convert(kind=Legendre).coef)


OPERANDS = {
    "weight": lambda f, c: f(c * 0.5),
    "line": lambda f, c: f(c[0], c[1]),
    "x": lambda f, c: f(c),
    "fit": lambda f, c: f(np.arange(4.0), c, 2),
    "pow": lambda f, c: f(c, 2),
    "vander": lambda f, c: f(c, 3),
    "vander2d": lambda f, c: f(c, c[::-1], [1, 2]),
    "vander3d": lambda f, c: f(c, c[::-1], c * 2, [1, 2, 1]),
    "val2d": lambda f, c: f(AT, AT * 2, np.outer(c, c[:2])),
    "val3d": lambda f, c: f(AT, AT * 2, AT, np.multiply.outer(np.outer(c, c[:2]), c[:2])),
    "grid2d": lambda f, c: f(AT, AT * 2, np.outer(c, c[:2])),
    "grid3d": lambda f, c: f(AT, AT * 2, AT, np.multiply.outer(np.outer(c, c[:2]), c[:2])),
    "valfromroots": lambda f, c: f(AT, c),
    "div": lambda f, c: f(c, c[:2])[0],
}
ONE = ("mulx", "der", "int", "trim", "roots", "fromroots", "companion")
TWO = ("add", "sub", "mul")
PREFIX = {
    "polynomial": "poly",
    "chebyshev": "cheb",
    "legendre": "leg",
    "hermite": "herm",
    "hermite_e": "herme",
    "laguerre": "lag",
}


@pytest.mark.parametrize("module", MODULES)
def test_functions(module: str) -> None:
    tested = 0
    for full, function in written_in_numpy().items():
        owner, name = full.split(".")
        short = name.removeprefix(PREFIX[module])
        if owner != module or short == name:
            continue
        found = getattr(getattr(npp, module), name)
        assert found is function
        if short in ONE:
            agrees(lambda c, n=name: getattr(getattr(npp, module), n)(c))
        elif short in TWO:
            agrees(lambda c, n=name: getattr(getattr(npp, module), n)(c, c[:2]))
        elif short in OPERANDS:
            agrees(lambda c, n=name, s=short: OPERANDS[s](getattr(getattr(npp, module), n), c))
        else:
            continue
        tested += 1
    assert tested >= 18
