"""Elliptic integrals and functions of ``scipy.special``: Legendre's incomplete ones, Jacobi's, Carlson's, and the
arithmetic–geometric mean. Sections of the NIST DLMF stand beside the rules.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .special import _apply, special
from .special_forms import _ellipk_slope

_AMPLITUDE = {"low": 0.2, "high": 0.8}


def _delta(phi: Any, m: Any) -> Any:
    return np.sqrt(1 - m * np.sin(phi) ** 2)


def _kinc_slope(phi: Any, m: Any, f: Any) -> Any:
    # 19.4.6: E/(2m(1 − m)) − F/(2m) − sin 2φ/(4(1 − m)Δ)
    e = _apply("ellipeinc")(phi, m)
    return e / (2 * m * (1 - m)) - f / (2 * m) - np.sin(2 * phi) / (4 * (1 - m) * _delta(phi, m))


_AT_ZERO = "At m = 0 the derivative in m is NaN."
special(
    "ellipkinc",
    lambda g, out, phi, m: g / _delta(phi, m),
    lambda g, out, phi, m: g * _kinc_slope(phi, m, out),
    risky=True,
    notation="F({0} | {1})",
    domain=_AMPLITUDE,
    kinks=_AT_ZERO,
    doc="Incomplete elliptic integral of the first kind, of the parameter m (19.2.4).",
)
special(
    "ellipeinc",
    lambda g, out, phi, m: g * _delta(phi, m),
    lambda g, out, phi, m: g * (out - _apply("ellipkinc")(phi, m)) / (2 * m),
    risky=True,
    notation="E({0} | {1})",
    domain=_AMPLITUDE,
    kinks=_AT_ZERO,
    doc="Incomplete elliptic integral of the second kind, of the parameter m (19.2.5).",
)


# ---- Jacobi's functions
def _jacobi(name: str) -> Any:
    return _apply(f"ellipj_{name}")


def _amplitude_slope(u: Any, m: Any) -> Any:
    """∂am/∂m = −dn ∂F/∂m, since F(am(u, m) | m) = u."""
    phi, dn = _jacobi("ph")(u, m), _jacobi("dn")(u, m)
    return -dn * _kinc_slope(phi, m, u)


def _dn_slope(u: Any, m: Any) -> Any:
    sn, cn, dn = (_jacobi(name)(u, m) for name in ("sn", "cn", "dn"))
    return -(sn * sn + 2 * m * sn * cn * _amplitude_slope(u, m)) / (2 * dn)


for _k, (_name, _in_u, _in_m) in enumerate(
    (
        (
            "sn",
            lambda u, m: _jacobi("cn")(u, m) * _jacobi("dn")(u, m),
            lambda u, m: _jacobi("cn")(u, m) * _amplitude_slope(u, m),
        ),
        (
            "cn",
            lambda u, m: -_jacobi("sn")(u, m) * _jacobi("dn")(u, m),
            lambda u, m: -_jacobi("sn")(u, m) * _amplitude_slope(u, m),
        ),
        ("dn", lambda u, m: -m * _jacobi("sn")(u, m) * _jacobi("cn")(u, m), _dn_slope),
        ("ph", lambda u, m: _jacobi("dn")(u, m), _amplitude_slope),
    )
):
    special(
        f"ellipj_{_name}",
        lambda g, out, u, m, slope=_in_u: g * slope(u, m),
        lambda g, out, u, m, slope=_in_m: g * slope(u, m),
        of="ellipj",
        output=_k,
        risky=True,
        notation=f"{'am' if _name == 'ph' else _name}({{0}} | {{1}})",
        domain=_AMPLITUDE,
        kinks=_AT_ZERO,
        doc="Jacobi's elliptic function or amplitude (22.13.1–3), of the parameter m.",
    )


# ---- Carlson's integrals
_CARLSON = {"low": 0.3, "high": 3.0}
_EQUAL = "Where two arguments are equal the second derivatives are NaN."


def _rd(x: Any, y: Any, z: Any) -> Any:
    return _apply("elliprd")(x, y, z)


def _rd_slope(x: Any, y: Any, z: Any, out: Any) -> Any:
    """∂R_D/∂x, by partial fractions of its integrand."""
    return 0.5 * (_rd(y, z, x) - out) / (x - z)


def _rc_slope(x: Any, y: Any, out: Any) -> Any:
    return (out - 1 / np.sqrt(x)) / (2 * (y - x))


special(
    "elliprc",
    lambda g, out, x, y: g * _rc_slope(x, y, out),
    lambda g, out, x, y: g * -(0.5 * out + x * _rc_slope(x, y, out)) / y,
    risky=True,
    notation="R_C({0}, {1})",
    domain=_CARLSON,
    kinks="At x = y the derivatives are NaN.",
    doc="Carlson's R_C (19.2.17), homogeneous of degree −1/2.",
)
special(
    "elliprf",
    lambda g, out, x, y, z: g * (-1 / 6) * _rd(y, z, x),
    lambda g, out, x, y, z: g * (-1 / 6) * _rd(x, z, y),
    lambda g, out, x, y, z: g * (-1 / 6) * _rd(x, y, z),
    risky=True,
    notation="R_F({0}, {1}, {2})",
    domain=_CARLSON,
    kinks=_EQUAL,
    doc="Carlson's R_F (19.16.1, 19.18.1).",
)
special(
    "elliprd",
    lambda g, out, x, y, z: g * _rd_slope(x, y, z, out),
    lambda g, out, x, y, z: g * _rd_slope(y, x, z, out),
    lambda g, out, x, y, z: g * -(1.5 * out + x * _rd_slope(x, y, z, out) + y * _rd_slope(y, x, z, out)) / z,
    risky=True,
    notation="R_D({0}, {1}, {2})",
    domain=_CARLSON,
    kinks="Where z equals x or y the derivatives are NaN.",
    doc="Carlson's R_D (19.16.5), homogeneous of degree −3/2.",
)


def _rj_slope(x: Any, y: Any, z: Any, p: Any, out: Any) -> Any:
    """∂R_J/∂x, by partial fractions of its integrand."""
    return 0.5 * (out - _rd(y, z, x)) / (p - x)


def _rj_last(x: Any, y: Any, z: Any, p: Any, out: Any) -> Any:
    moved = x * _rj_slope(x, y, z, p, out) + y * _rj_slope(y, z, x, p, out) + z * _rj_slope(z, x, y, p, out)
    return -(1.5 * out + moved) / p


special(
    "elliprj",
    lambda g, out, x, y, z, p: g * _rj_slope(x, y, z, p, out),
    lambda g, out, x, y, z, p: g * _rj_slope(y, z, x, p, out),
    lambda g, out, x, y, z, p: g * _rj_slope(z, x, y, p, out),
    lambda g, out, x, y, z, p: g * _rj_last(x, y, z, p, out),
    risky=True,
    notation="R_J({0}, {1}, {2}, {3})",
    domain=_CARLSON,
    kinks="Where p equals x, y or z the derivatives are NaN.",
    doc="Carlson's R_J (19.16.2), homogeneous of degree −3/2.",
)


def _rg_slope(x: Any, y: Any, z: Any) -> Any:
    return 0.25 * (_apply("elliprf")(x, y, z) - x * _rd(y, z, x) / 3)


special(
    "elliprg",
    lambda g, out, x, y, z: g * _rg_slope(x, y, z),
    lambda g, out, x, y, z: g * _rg_slope(y, x, z),
    lambda g, out, x, y, z: g * _rg_slope(z, x, y),
    risky=True,
    notation="R_G({0}, {1}, {2})",
    domain=_CARLSON,
    kinks=_EQUAL,
    doc="Carlson's R_G (19.16.3).",
)


def _agm(g: Any, out: Any, a: Any, b: Any) -> Any:
    # M(a, b) = π (a + b)/(4 K(m)), m = ((a − b)/(a + b))² (19.8.5): by K's own slope.
    total = a + b
    m = ((a - b) / total) ** 2
    k = math.pi * total / (4 * out)
    return g * out * (1 / total - _ellipk_slope(m) / k * 4 * b * (a - b) / total**3)


special(
    "agm",
    lambda g, out, a, b: _agm(g, out, a, b),
    lambda g, out, a, b: _agm(g, out, b, a),
    risky=True,
    notation="agm({0}, {1})",
    domain={"low": 0.5, "high": 2.0},
    doc="Arithmetic–geometric mean (19.8.1).",
)
