"""Derivatives of special functions by orders and parameters, against numbers of 20 digits that other means gave."""

import math
from typing import Any

import numpy as np
import pytest
import scipy.special as sp

import backpass as bp
from backpass.graph.errors import NoRuleError

from .references import close

BESSEL = {
    "jv": (
        (0.5, 0.3, -0.82806773864264623, 1.1845684751659335),
        (2.5, 0.001, -1.4640995312731689e-8, 1.2688039727665035e-7),
        (2.5, 4.0, 0.056334712116954603, -0.35596591429328462),
        (10.0, 9.5, -0.088166475196866004, 0.020350212961892489),
        (30.0, 6.0, -1.3392521222444897e-18, 3.0738545308733696e-18),
        (0.3, 120.0, -0.068016947354002018, -0.14356177076003719),
        (-1.7, 2.2, -1.4012543699543523, 1.0021387436477983),
        (120.0, 121.0, -0.016099788305822645, -0.0017273322364756437),
    ),
    "yv": (
        (0.5, 0.3, -1.1302430731181836, -1.1693118812845136),
        (2.5, 0.001, -628567343.76458714, -5256777446.6834079),
        (2.5, 4.0, -0.41148599571987014, 0.029708740199208526),
        (10.0, 9.5, -0.16185611873909962, -0.041085756125144243),
        (30.0, 6.0, -42487467459180359.0, -97303723341963503.0),
        (0.3, 120.0, -0.091771236192645619, 0.1071558916969184),
        (-1.7, 2.2, 0.20305529401138106, 3.0713666373502307),
        (120.0, 121.0, -0.030130968377269597, 0.0021897231155684331),
    ),
    "iv": (
        (0.5, 0.3, -0.86215929182541956, 1.2667873222924678),
        (2.5, 0.001, -1.4640997472959269e-8, 1.2688041663683854e-7),
        (2.5, 4.0, -3.1210808122094619, 1.0092819104652953),
        (10.0, 9.5, -10.2320222681588, 8.8895614520656986),
        (30.0, 6.0, -2.4129894534039829e-18, 5.5850412875400411e-18),
        (0.3, 120.0, -1.193190690723184e48, -3.9742983233864386e48),
        (-1.7, 2.2, 0.8514093380192224, 1.3645076298906169),
        (120.0, 121.0, -6.46476632583431e26, 5.6301822669285771e26),
    ),
    "kv": (
        (0.5, 0.3, 1.4034805167168527, 3.7524332760681688),
        (2.5, 0.001, 987350972.03377942, 8257324355.1798548),
        (2.5, 4.0, 0.012041432378398088, 0.010996836022071162),
        (10.0, 9.5, 0.0029875728412510054, 0.002909420248497605),
        (30.0, 6.0, 36212983724159062.0, 83681013047318421.0),
        (0.3, 120.0, 2.1826573674404748e-56, 7.2809438140247426e-56),
        (-1.7, 2.2, -0.095237509340964583, 0.11067888381947398),
        (120.0, 121.0, 3.4789080630089253e-30, 3.0620484279406279e-30),
    ),
}
"""Function → (order, x, ∂/∂order, ∂²/∂order²), by mpmath's functions of 50 digits."""

BY_THE_OTHERS: dict[str, Any] = {
    "jve": (["jv"], lambda x, j: j),
    "yve": (["yv"], lambda x, y: y),
    "ive": (["iv"], lambda x, i: math.exp(-x) * i),
    "kve": (["kv"], lambda x, k: math.exp(x) * k),
    "hankel1": (["jv", "yv"], lambda x, j, y: j + 1j * y),
    "hankel2": (["jv", "yv"], lambda x, j, y: j - 1j * y),
    "hankel1e": (["jv", "yv"], lambda x, j, y: np.exp(-1j * x) * (j + 1j * y)),
    "hankel2e": (["jv", "yv"], lambda x, j, y: np.exp(1j * x) * (j - 1j * y)),
}
"""Function → those that it is made of, and how."""


def slopes(function: Any, v: Any, x: Any) -> tuple[Any, Any]:
    """∂/∂v and ∂²/∂v² of function(v, x), entry by entry."""
    one = np.ones_like(v)
    first = lambda v: bp.jvp(lambda v: function(v, x), (v,), (one,))[1]  # noqa: E731
    return bp.jvp(first, (v,), (one,))


def agree(found: Any, wanted: Any, tolerance: float) -> None:
    np.testing.assert_array_less(np.abs(np.asarray(found) - wanted), tolerance * np.abs(wanted))


@pytest.mark.parametrize("name", BESSEL)
def test_bessel_functions_by_their_order(name: str) -> None:
    v, x, *wanted = np.array(BESSEL[name]).T
    for found, known in zip(slopes(getattr(sp, name), v, x), wanted, strict=True):
        agree(found, known, 1e-12)


@pytest.mark.parametrize("name", BY_THE_OTHERS)
def test_their_scaled_forms_and_hankel_functions(name: str) -> None:
    parts, made = BY_THE_OTHERS[name]
    v, x = (np.array([row[k] for row in BESSEL[parts[0]]]) for k in (0, 1))
    wanted = [
        [made(row[0][1], *[r[k] for r in row]) for row in zip(*map(BESSEL.get, parts), strict=True)] for k in (2, 3)
    ]
    for found, known in zip(slopes(getattr(sp, name), v, x), wanted, strict=True):
        agree(found, np.array(known), 1e-12)


def test_the_order_of_a_kernel_is_learned() -> None:
    """Matérn's covariance of distance r, by its smoothness ν."""

    def matern(v, r):
        return 2 ** (1 - v) / sp.gamma(v) * r**v * sp.kv(v, r)

    r = np.array([1e-3, 0.5, 2.0, 30.0])
    found = bp.jvp(lambda v: matern(v, r), (1.5,), (1.0,))[1]
    h = 1e-3
    stencil = [(1, 4 / 5), (2, -1 / 5), (3, 4 / 105), (4, -1 / 280)]
    wanted = sum(w * (matern(1.5 + k * h, r) - matern(1.5 - k * h, r)) for k, w in stencil) / h
    close(found, wanted, 1e-10)


def test_where_there_is_no_derivative_by_the_order_it_is_nan() -> None:
    found = slopes(sp.jv, np.array([0.5, 0.5, 2.0]), np.array([0.0, -1.0, -1.0]))[0]
    np.testing.assert_array_equal(found, [0.0, np.nan, np.nan])


@pytest.mark.parametrize("name", ["jv", "kv", "hankel1", "jve"])
def test_complex_arguments_are_refused_by_the_order_alone(name: str) -> None:
    z = np.array([1.0 + 0.5j])
    with pytest.raises(NoRuleError, match="real arguments alone"):
        bp.vjp(lambda v: getattr(sp, name)(v, z), 1.5)[1](np.ones(1, complex))
