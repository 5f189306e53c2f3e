"""Wave functions of ``scipy.special``: Mathieu's, and the spheroidal ones, prolate and oblate.

Each ufunc gives a function and its derivative in the coordinate x, so the first one's derivative is the second, and the
second one's follows from the differential equation. Its constant is the characteristic value, a function of the orders
and of q or c. By q there is a derivative of Mathieu's periodic functions, by q or c there is none of the others.
Numbers: DLMF. SciPy takes Mathieu's angle in degrees.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .special import _apply, special, undefined, whole
from .special_characteristic import DEGREE

_ORDER, _SHAPE = whole("an order"), undefined("in q, c or the characteristic value")


def _waves(
    ufunc: str,
    letter: str,
    places: int,
    slope: float,
    curve: Callable[..., Any],
    domain: dict[str, Any],
    in_shape: tuple[Any, Any] = (_SHAPE, _SHAPE),
) -> None:
    """Two operations; ``curve(y, y′, *args)`` is y″, and `slope` is dx of a change of the coordinate by 1. `in_shape`
    has the derivatives of both by q or c."""
    orders, shapes = (1, 1) if places == 3 else (2, places - 3)
    # In single precision SciPy's own search for a characteristic value may not come to an end.
    about = {"risky": True, "double": True, "domain": {**domain, "hold": tuple(range(places - 1))}}
    value, derivative = f"{ufunc}_value", f"{ufunc}_slope"
    special(
        value,
        *[_ORDER] * orders,
        *[in_shape[0]] * shapes,
        lambda g, out, *args: g * slope * _apply(derivative)(*args),
        of=ufunc,
        output=0,
        notation=f"{letter}({', '.join(f'{{{k}}}' for k in range(places))})",
        doc=f"Wave function {letter}.",
        **about,
    )
    special(
        derivative,
        *[_ORDER] * orders,
        *[in_shape[1]] * shapes,
        lambda g, out, *args: g * slope * curve(_apply(value)(*args), out, *args),
        of=ufunc,
        output=1,
        notation=f"{letter}′({', '.join(f'{{{k}}}' for k in range(places))})",
        doc=f"Derivative of the wave function {letter} in the coordinate.",
        **about,
    )


# ---- Mathieu: y″ + (a − 2q cos 2x) y = 0 (28.2.1), modified: y″ − (a − 2q cosh 2x) y = 0 (28.20.1)
def _angular(name: str) -> Callable[..., Any]:
    return lambda y, yp, m, q, x: -(_apply(name)(m, q) - 2 * q * np.cos(2 * DEGREE * x)) * y


def _modified(name: str) -> Callable[..., Any]:
    return lambda y, yp, m, q, x: (_apply(name)(m, q) - 2 * q * np.cosh(2 * x)) * y


def _by_q(name: str) -> tuple[Any, Any]:
    def rule(nx: int) -> Any:
        return lambda g, out, m, q, x: g * _apply(f"{name}_derivative")(1, nx, m, q, x)

    return rule(0), rule(1)


_ANGLE, _RADIUS = {"low": 10.0, "high": 80.0}, {"low": 0.3, "high": 1.2}
_waves("mathieu_cem", "ce", 3, DEGREE, _angular("mathieu_a"), _ANGLE, _by_q("mathieu_cem"))
_waves("mathieu_sem", "se", 3, DEGREE, _angular("mathieu_b"), _ANGLE, _by_q("mathieu_sem"))
_waves("mathieu_modcem1", "Mc⁽¹⁾", 3, 1.0, _modified("mathieu_a"), _RADIUS)
_waves("mathieu_modcem2", "Mc⁽²⁾", 3, 1.0, _modified("mathieu_a"), _RADIUS)
_waves("mathieu_modsem1", "Ms⁽¹⁾", 3, 1.0, _modified("mathieu_b"), _RADIUS)
_waves("mathieu_modsem2", "Ms⁽²⁾", 3, 1.0, _modified("mathieu_b"), _RADIUS)


# ---- spheroidal: ((1 − x²) y′)′ + (λ − γ²x² − m²/(1 − x²)) y = 0 (30.2.1), γ² = c² for prolate, −c² for oblate ones
def _prolate(y: Any, yp: Any, m: Any, c: Any, value: Any, x: Any) -> Any:
    side = 1 - x * x
    return (2 * x * yp - (value - c * c * x * x - m * m / side) * y) / side


def _oblate(y: Any, yp: Any, m: Any, c: Any, value: Any, x: Any) -> Any:
    side = 1 - x * x
    return (2 * x * yp - (value + c * c * x * x - m * m / side) * y) / side


def _oblate_radial(y: Any, yp: Any, m: Any, c: Any, value: Any, x: Any) -> Any:
    side = 1 + x * x
    return (-2 * x * yp + (value - c * c * x * x - m * m / side) * y) / side


for _kind, _letter, _curve, _where in (
    ("pro_ang1", "Ps", _prolate, {"low": 0.2, "high": 0.8}),
    ("pro_rad1", "S⁽¹⁾", _prolate, {"low": 1.3, "high": 2.0}),
    ("obl_ang1", "Os", _oblate, {"low": 0.2, "high": 0.8}),
    ("obl_rad1", "R⁽¹⁾", _oblate_radial, {"low": 0.3, "high": 1.2}),
):
    _cv = _kind[:3] + "_cv"
    _waves(
        _kind,
        _letter,
        4,
        1.0,
        lambda y, yp, m, n, c, x, cv=_cv, curve=_curve: curve(y, yp, m, c, _apply(cv)(m, n, c), x),
        _where,
    )
    _waves(
        f"{_kind}_cv", _letter, 5, 1.0, lambda y, yp, m, n, c, cv, x, curve=_curve: curve(y, yp, m, c, cv, x), _where
    )
