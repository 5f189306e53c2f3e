"""More of ``scipy.special``: error functions, Box–Cox, Huber, elliptic integrals, Bessel K.

Where a function has no rule in one of its arguments, a derivative in that one is refused; the others have theirs.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .special import TWO_OVER_ROOT_PI, _apply, in_order, modified_slope, real_only, special

_UNIT = {"low": 0.2, "high": 0.8}
_LARGER = {"low": 0.4, "high": 3.0}


# ---- error functions
special(
    "erfi",
    lambda g, out, x: g * (TWO_OVER_ROOT_PI * np.exp(x * x)),
    notation="erfi({0})",
    domain={"low": -2.0, "high": 2.0},
    doc="−i erf(ix) = 2/√π ∫₀ˣ exp(t²) dt.",
)
special(
    "erfcinv",
    lambda g, out, y: g * (-np.exp(out * out) / TWO_OVER_ROOT_PI),
    risky=True,
    notation="erfc⁻¹({0})",
    domain=_UNIT,
    doc="The x whose erfc is y.",
)


# ---- powers
def _moment(u: Any) -> Any:
    """∫₀¹ t exp(ut) dt = (exp(u)(u − 1) + 1)/u², by its series where that would cancel."""
    small = np.abs(u) < 0.5
    series = 0.0
    for k in range(15, -1, -1):
        series = series * np.where(small, u, 0.0) + 1.0 / (math.factorial(k) * (k + 2))
    safe = np.where(small, 1.0, u)
    return np.where(small, series, (np.exp(safe) * (safe - 1) + 1) / (safe * safe))


def _boxcox_in_lambda(log_x: Any, exponent: Any) -> Any:
    return log_x * log_x * _moment(exponent * log_x)


special(
    "boxcox",
    lambda g, out, x, p: g * np.power(x, p - 1),
    lambda g, out, x, p: g * _boxcox_in_lambda(np.log(x), p),
    risky=True,
    notation="({0}^{1} − 1)/{1}",
    domain=_LARGER,
    doc="Box–Cox transform (x^λ − 1)/λ, log x at λ = 0 (Box & Cox 1964).",
)
special(
    "boxcox1p",
    lambda g, out, x, p: g * np.exp((p - 1) * np.log1p(x)),
    lambda g, out, x, p: g * _boxcox_in_lambda(np.log1p(x), p),
    risky=True,
    notation="((1 + {0})^{1} − 1)/{1}",
    domain=_LARGER,
    doc="Box–Cox transform of 1 + x.",
)
special(
    "inv_boxcox",
    lambda g, out, y, p: g * np.power(out, 1 - p),
    lambda g, out, y, p: -g * _boxcox_in_lambda(np.log(out), p) * np.power(out, 1 - p),
    risky=True,
    notation="(1 + {1} {0})^(1/{1})",
    domain=_LARGER,
    doc="The x whose Box–Cox transform is y.",
)
special(
    "inv_boxcox1p",
    lambda g, out, y, p: g * np.exp((1 - p) * np.log1p(out)),
    lambda g, out, y, p: -g * _boxcox_in_lambda(np.log1p(out), p) * np.exp((1 - p) * np.log1p(out)),
    risky=True,
    notation="(1 + {1} {0})^(1/{1}) − 1",
    domain=_LARGER,
    doc="The x whose Box–Cox transform of 1 + x is y.",
)
special(
    "powm1",
    lambda g, out, x, y: g * y * np.power(x, y - 1),
    lambda g, out, x, y: g * (out + 1) * np.log(x),
    risky=True,
    notation="{0}^{1} − 1",
    domain=_LARGER,
    doc="x^y − 1 without cancellation.",
)
special(
    "poch",
    lambda g, out, z, m: g * out * (_apply("psi")(z + m) - _apply("psi")(z)),
    lambda g, out, z, m: g * out * _apply("psi")(z + m),
    risky=True,
    notation="Γ({0} + {1})/Γ({0})",
    domain=_LARGER,
    doc="Rising factorial Γ(z + m)/Γ(z) (DLMF 5.2.4).",
)


# ---- robust losses
special(
    "huber",
    lambda g, out, d, r: g * np.where(np.abs(r) <= d, 0.0, np.abs(r) - d),
    lambda g, out, d, r: g * np.where(np.abs(r) <= d, r, d * np.sign(r)),
    notation="huber({0}, {1})",
    domain=_LARGER,
    kinks="The second derivative at |r| = δ is that from inside.",
    doc="r²/2 within |r| ≤ δ, δ(|r| − δ/2) beyond (Huber 1964).",
)


def _stretch(d: Any, r: Any) -> Any:
    return np.sqrt(1 + (r / d) ** 2)


def _pseudo_huber_in_delta(d: Any, r: Any) -> Any:
    u2, s = (r / d) ** 2, _stretch(d, r)
    return d * u2 * (2 / (s + 1) - 1 / s)  # 2δ(s − 1) − δu²/s, with s − 1 = u²/(s + 1)


special(
    "pseudo_huber",
    lambda g, out, d, r: g * _pseudo_huber_in_delta(d, r),
    lambda g, out, d, r: g * r / _stretch(d, r),
    risky=True,
    notation="{0}² (√(1 + ({1}/{0})²) − 1)",
    domain=_LARGER,
    doc="δ² (√(1 + (r/δ)²) − 1).",
)


# ---- complete elliptic integrals, by their series where the closed form cancels
_K_SERIES = [(math.comb(2 * k, k) / 4**k) ** 2 for k in range(26)]
_K_SLOPE = [0.5 * math.pi * k * c for k, c in enumerate(_K_SERIES)][1:]
_E_SLOPE = [0.5 * math.pi * k * c / (1 - 2 * k) for k, c in enumerate(_K_SERIES)][1:]
_NEAR = 0.15


def _by_series(m: Any, slope: list[float], closed: Any) -> Any:
    near = np.abs(m) < _NEAR
    return np.where(near, np.polyval(slope[::-1], np.where(near, m, 0.0)), closed(np.where(near, 0.5, m)))


def _ellipk_slope(m: Any) -> Any:
    return _by_series(m, _K_SLOPE, lambda m: _k_closed(m, 1 - m, _apply("ellipk")(m)))


def _k_closed(m: Any, p: Any, k: Any) -> Any:
    return (_apply("ellipe")(m) - p * k) / (2 * m * p)


special(
    "ellipk",
    lambda g, out, m: g * _ellipk_slope(m),
    risky=True,
    notation="K({0})",
    domain={"low": -0.5, "high": 0.8},
    doc="Complete elliptic integral of the first kind, of the parameter m (DLMF 19.4.1).",
)
special(
    "ellipkm1",
    lambda g, out, p: -g * _by_series(1 - p, _K_SLOPE, lambda m: _k_closed(m, 1 - m, _apply("ellipkm1")(1 - m))),
    risky=True,
    notation="K(1 − {0})",
    domain={"low": 0.2, "high": 1.5},
    doc="K of m = 1 − p, exact near m = 1.",
)
special(
    "ellipe",
    lambda g, out, m: g * _by_series(m, _E_SLOPE, lambda m: (_apply("ellipe")(m) - _apply("ellipk")(m)) / (2 * m)),
    risky=True,
    notation="E({0})",
    domain={"low": -0.5, "high": 0.8},
    doc="Complete elliptic integral of the second kind, of the parameter m (DLMF 19.4.2).",
)


# ---- modified Bessel functions of the second kind
special(
    "k0",
    lambda g, out, x: -g * _apply("k1")(x),
    risky=True,
    notation="K₀({0})",
    domain=_LARGER,
    doc="Modified Bessel (DLMF 10.29.3).",
)
special(
    "k1",
    lambda g, out, x: -g * (_apply("k0")(x) + out / x),
    risky=True,
    notation="K₁({0})",
    domain=_LARGER,
    doc="Modified Bessel (DLMF 10.29.2).",
)
special(
    "k0e",
    lambda g, out, x: g * (out - _apply("k1e")(x)),
    risky=True,
    notation="exp({0}) K₀({0})",
    domain=_LARGER,
    doc="Scaled K₀.",
)
special(
    "k1e",
    lambda g, out, x: g * (out - _apply("k0e")(x) - out / x),
    risky=True,
    notation="exp({0}) K₁({0})",
    domain=_LARGER,
    doc="Scaled K₁.",
)


def _side(x: Any) -> Any:
    real_only(x)  # exp(−|Re x|) is not holomorphic
    return np.sign(x)


special(
    "ive",
    in_order("ive"),
    lambda g, out, v, x: g * (modified_slope("ive", out, v, x) - _side(x) * out),
    risky=True,
    notation="exp(−|{1}|) I_{0}({1})",
    domain=_LARGER,
    doc="Scaled modified Bessel (DLMF 10.29.1); in the order at real x > 0.",
)
special(
    "kve",
    in_order("kve"),
    lambda g, out, v, x: g * (out - 0.5 * (_apply("kve")(v - 1, x) + _apply("kve")(v + 1, x))),
    risky=True,
    notation="exp({1}) K_{0}({1})",
    domain={"low": 0.8, "high": 3.0},
    doc="Scaled modified Bessel (DLMF 10.29.1); in the order at real x > 0.",
)
