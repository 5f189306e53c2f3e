"""Orthogonal polynomials and Legendre functions of ``scipy.special``.

Each derivative is a function of the same family, one degree lower with shifted parameters (DLMF 18.9.15–28). Degrees
and parameters are held: a derivative in one is refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .special import _apply, special, undefined

_DEGREE, _PARAMETER = undefined("in the degree"), undefined("in its parameters")


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


_INSIDE = {"low": -0.9, "high": 0.9}
_UNIT = {"low": 0.1, "high": 0.9}
_ANY = {"low": -2.0, "high": 2.0}
for _name, _slope, _text, _where in (
    ("eval_chebyt", lambda n, x: n * _lower(n, lambda k: _u(k, x)), "T_{0}({1})", _INSIDE),
    ("eval_chebyu", lambda n, x: 2.0 * _lower(n, lambda k: _c2(k, x)), "U_{0}({1})", _INSIDE),
    ("eval_chebyc", lambda n, x: n * _lower(n, lambda k: _u(k, 0.5 * x)), "C_{0}({1})", _INSIDE),
    ("eval_chebys", lambda n, x: _lower(n, lambda k: _c2(k, 0.5 * x)), "S_{0}({1})", _INSIDE),
    ("eval_sh_chebyt", lambda n, x: 2 * n * _lower(n, lambda k: _u(k, 2 * x - 1)), "T*_{0}({1})", _UNIT),
    ("eval_sh_chebyu", lambda n, x: 4.0 * _lower(n, lambda k: _c2(k, 2 * x - 1)), "U*_{0}({1})", _UNIT),
    ("eval_legendre", lambda n, x: _jacobi(n, 0.0, 0.0, x), "P_{0}({1})", _INSIDE),
    ("eval_sh_legendre", lambda n, x: 2.0 * _jacobi(n, 0.0, 0.0, 2 * x - 1), "P*_{0}({1})", _UNIT),
    ("eval_laguerre", lambda n, x: -_lower(n, lambda k: _apply("eval_genlaguerre")(k, 1.0, x)), "L_{0}({1})", _ANY),
    ("eval_hermite", lambda n, x: 2 * n * _lower(n, lambda k: _apply("eval_hermite")(k, x)), "H_{0}({1})", _ANY),
    ("eval_hermitenorm", lambda n, x: n * _lower(n, lambda k: _apply("eval_hermitenorm")(k, x)), "He_{0}({1})", _ANY),
):
    special(
        _name,
        _DEGREE,
        lambda g, out, n, x, slope=_slope: g * slope(n, x),
        notation=_text,
        domain=_where,
        doc="Orthogonal polynomial in its last argument; no derivative in the degree.",
    )
special(
    "eval_gegenbauer",
    _DEGREE,
    _PARAMETER,
    lambda g, out, n, a, x: g * 2 * a * _lower(n, lambda k: _apply("eval_gegenbauer")(k, a + 1, x)),
    notation="C_{0}^{1}({2})",
    domain=_INSIDE,
    doc="Gegenbauer polynomial in its last argument; no derivative in the others.",
)
special(
    "eval_genlaguerre",
    _DEGREE,
    _PARAMETER,
    lambda g, out, n, a, x: -g * _lower(n, lambda k: _apply("eval_genlaguerre")(k, a + 1, x)),
    notation="L_{0}^{1}({2})",
    domain=_ANY,
    doc="Generalised Laguerre polynomial in its last argument; no derivative in the others.",
)
special(
    "eval_jacobi",
    _DEGREE,
    _PARAMETER,
    _PARAMETER,
    lambda g, out, n, a, b, x: g * _jacobi(n, a, b, x),
    notation="P_{0}^{1},{2}({3})",
    domain=_INSIDE,
    doc="Jacobi polynomial in its last argument; no derivative in the others.",
)
special(
    "eval_sh_jacobi",
    _DEGREE,
    _PARAMETER,
    _PARAMETER,
    # G_n^{(p,q)}(x) = P_n^{(p−q,q−1)}(2x − 1)/binom(2n + p − 1, n)
    lambda g, out, n, p, q, x: g * 2 * _jacobi(n, p - q, q - 1, 2 * x - 1) / _apply("binom")(2 * n + p - 1, n),
    notation="G_{0}^{1},{2}({3})",
    domain=_UNIT,
    doc="Shifted Jacobi polynomial in its last argument; no derivative in the others.",
)
special(
    "lpmv",
    undefined("in the order"),
    _DEGREE,
    lambda g, out, m, v, x: g * (v * x * out - (v + m) * _apply("lpmv")(m, v - 1, x)) / (x * x - 1),
    risky=True,
    notation="P_{1}^{0}({2})",
    domain=_INSIDE,
    doc="Associated Legendre function of whole order (14.10.5); no derivative in order and degree.",
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
