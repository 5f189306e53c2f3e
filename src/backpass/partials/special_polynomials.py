"""Orthogonal polynomials and Legendre functions of ``scipy.special``.

By its last argument each derivative is a function of the same family, one degree lower with shifted parameters (DLMF
18.9.15–28); those by real degrees and parameters stand in special_degrees.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .special import _apply, in_parameter, real_only, special, whole


def _lower(n: Any, value: Any) -> Any:
    """`value` of degree n − 1, and 0 for degree 0, below which there is nothing."""
    constant = np.equal(n, 0)
    return np.where(constant, 0.0, value(np.where(constant, n, n - 1)))


def _u(n: Any, x: Any) -> Any:
    return _apply("eval_chebyu")(n, x)


def _c2(n: Any, x: Any) -> Any:
    return _apply("eval_gegenbauer")(n, 2.0, x)


def _jacobi(n: Any, a: Any, b: Any, x: Any) -> Any:
    """P′_n^{(a,b)} = ½ (n + a + b + 1) P_{n−1}^{(a+1,b+1)}"""
    return 0.5 * (n + a + b + 1) * _lower(n, lambda k: _apply("eval_jacobi")(k, a + 1, b + 1, x))


def _legendre_in_degree(n: Any, x: Any) -> Any:
    return _apply("eval_jacobi_derivative")(1, 0, 0, 0, n, 0.0, 0.0, x)


def _laguerre_in_degree(n: Any, x: Any) -> Any:
    return _apply("eval_genlaguerre_derivative")(1, 0, 0, n, 0.0, x)


def _t_in_degree(n: Any, x: Any) -> Any:
    """T_n = cos nθ, x = cos θ (18.5.1)"""
    angle = np.arccos(x)
    return -angle * np.sin(n * angle)


def _u_in_degree(n: Any, x: Any) -> Any:
    """U_n = sin (n + 1)θ/sin θ (18.5.2)"""
    angle = np.arccos(x)
    return angle * np.cos((n + 1) * angle) / np.sin(angle)


def _in_degree(slope: Any) -> Any:
    def rule(g: Any, out: Any, n: Any, x: Any) -> Any:
        real_only(x)
        return g * slope(n, x)

    return rule


_INSIDE = {"low": -0.9, "high": 0.9}
_UNIT = {"low": 0.1, "high": 0.9}
_ANY = {"low": -2.0, "high": 2.0}
for _name, _by_degree, _slope, _text, _where in (
    ("eval_chebyt", _t_in_degree, lambda n, x: n * _lower(n, lambda k: _u(k, x)), "T_{0}({1})", _INSIDE),
    ("eval_chebyu", _u_in_degree, lambda n, x: 2.0 * _lower(n, lambda k: _c2(k, x)), "U_{0}({1})", _INSIDE),
    (
        "eval_chebyc",
        lambda n, x: 2 * _t_in_degree(n, 0.5 * x),
        lambda n, x: n * _lower(n, lambda k: _u(k, 0.5 * x)),
        "C_{0}({1})",
        _INSIDE,
    ),
    (
        "eval_chebys",
        lambda n, x: _u_in_degree(n, 0.5 * x),
        lambda n, x: _lower(n, lambda k: _c2(k, 0.5 * x)),
        "S_{0}({1})",
        _INSIDE,
    ),
    (
        "eval_sh_chebyt",
        lambda n, x: _t_in_degree(n, 2 * x - 1),
        lambda n, x: 2 * n * _lower(n, lambda k: _u(k, 2 * x - 1)),
        "T*_{0}({1})",
        _UNIT,
    ),
    (
        "eval_sh_chebyu",
        lambda n, x: _u_in_degree(n, 2 * x - 1),
        lambda n, x: 4.0 * _lower(n, lambda k: _c2(k, 2 * x - 1)),
        "U*_{0}({1})",
        _UNIT,
    ),
    ("eval_legendre", _legendre_in_degree, lambda n, x: _jacobi(n, 0.0, 0.0, x), "P_{0}({1})", _INSIDE),
    (
        "eval_sh_legendre",
        lambda n, x: _legendre_in_degree(n, 2 * x - 1),
        lambda n, x: 2.0 * _jacobi(n, 0.0, 0.0, 2 * x - 1),
        "P*_{0}({1})",
        _UNIT,
    ),
    (
        "eval_laguerre",
        _laguerre_in_degree,
        lambda n, x: -_lower(n, lambda k: _apply("eval_genlaguerre")(k, 1.0, x)),
        "L_{0}({1})",
        _ANY,
    ),
):
    special(
        _name,
        _in_degree(_by_degree),
        lambda g, out, n, x, slope=_slope: g * slope(n, x),
        notation=_text,
        domain=_where,
        doc="Orthogonal polynomial, by its last argument and by a real degree.",
    )
for _name, _factor, _text in (("eval_hermite", 2, "H_{0}({1})"), ("eval_hermitenorm", 1, "He_{0}({1})")):
    special(
        _name,
        whole("the degree"),
        lambda g, out, n, x, name=_name, c=_factor: g * c * n * _lower(n, lambda k: _apply(name)(k, x)),
        notation=_text,
        domain=_ANY,
        doc="Hermite's polynomial in its last argument; no derivative in the degree.",
    )
special(
    "eval_gegenbauer",
    in_parameter("eval_gegenbauer", 0, 3),
    in_parameter("eval_gegenbauer", 1, 3),
    lambda g, out, n, a, x: g * 2 * a * _lower(n, lambda k: _apply("eval_gegenbauer")(k, a + 1, x)),
    notation="C_{0}^{1}({2})",
    domain=_INSIDE,
    doc="Gegenbauer polynomial (18.9.19).",
)
special(
    "eval_genlaguerre",
    in_parameter("eval_genlaguerre", 0, 3),
    in_parameter("eval_genlaguerre", 1, 3),
    lambda g, out, n, a, x: -g * _lower(n, lambda k: _apply("eval_genlaguerre")(k, a + 1, x)),
    notation="L_{0}^{1}({2})",
    domain={"low": -0.9, "high": 2.0},
    doc="Generalised Laguerre polynomial (18.9.23).",
)
special(
    "eval_jacobi",
    in_parameter("eval_jacobi", 0, 4),
    in_parameter("eval_jacobi", 1, 4),
    in_parameter("eval_jacobi", 2, 4),
    lambda g, out, n, a, b, x: g * _jacobi(n, a, b, x),
    notation="P_{0}^{1},{2}({3})",
    domain=_INSIDE,
    doc="Jacobi polynomial (18.9.15).",
)


# ---- G_n^{(p,q)}(x) = P_n^{(p−q,q−1)}(2x − 1)/binom(2n + p − 1, n)
def _sh_jacobi(orders: tuple[tuple[int, tuple[int, int, int]], ...], logs: Any) -> Any:
    """Jacobi's derivatives of these orders over the binomial, less `out` times the slope of its logarithm."""

    def rule(g: Any, out: Any, n: Any, p: Any, q: Any, x: Any) -> Any:
        real_only(x)
        by = _apply("eval_jacobi_derivative")
        moved = sum(sign * by(nn, na, nb, 0, n, p - q, q - 1, 2 * x - 1) for sign, (nn, na, nb) in orders)
        return g * (moved / _apply("binom")(2 * n + p - 1, n) - out * logs(n, p))

    return rule


special(
    "eval_sh_jacobi",
    _sh_jacobi(
        ((1, (1, 0, 0)),),
        lambda n, p: 2 * _apply("psi")(2 * n + p) - _apply("psi")(n + 1) - _apply("psi")(n + p),
    ),
    _sh_jacobi(((1, (0, 1, 0)),), lambda n, p: _apply("psi")(2 * n + p) - _apply("psi")(n + p)),
    _sh_jacobi(((-1, (0, 1, 0)), (1, (0, 0, 1))), lambda n, p: 0.0),
    lambda g, out, n, p, q, x: g * 2 * _jacobi(n, p - q, q - 1, 2 * x - 1) / _apply("binom")(2 * n + p - 1, n),
    notation="G_{0}^{1},{2}({3})",
    domain=_UNIT,
    doc="Shifted Jacobi polynomial.",
)


def _lpmv_in_degree(g: Any, out: Any, m: Any, v: Any, x: Any) -> Any:
    real_only(x)
    return g * _apply("lpmv_by_degree")(1, m, v, x)


special(
    "lpmv",
    whole("the order"),
    _lpmv_in_degree,
    lambda g, out, m, v, x: g * (v * x * out - (v + m) * _apply("lpmv")(m, v - 1, x)) / (x * x - 1),
    risky=True,
    notation="P_{1}^{0}({2})",
    domain=_INSIDE,
    doc="Associated Legendre function of whole order (14.10.5); no derivative in the order.",
)
special(
    "binom",
    lambda g, out, n, k: g * out * (_apply("psi")(n + 1) - _apply("psi")(n - k + 1)),
    lambda g, out, n, k: g * out * (_apply("psi")(n - k + 1) - _apply("psi")(k + 1)),
    risky=True,
    notation="binom({0}, {1})",
    domain={"low": 0.3, "high": 3.0},
    doc="Γ(n + 1)/(Γ(k + 1) Γ(n − k + 1)) (1.2.6), of real n and k.",
)
