"""Functions of NumPy's own that follow from others by a formula: ``np.i0``, ``np.angle``, ``np.fix`` and their like."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from backpass.graph import messages

from .declare import as_array, dtype_of, is_complex, is_staged, rule_for, shape_of, value_of

# Chebyshev coefficients of exp(−x) I₀(x) on [0, 8] and of exp(−x) √x I₀(x) on [8, ∞), from Cephes (Moshier).
_BELOW_8 = (
    -4.4153416464793395e-18,
    3.3307945188222384e-17,
    -2.431279846547955e-16,
    1.715391285555133e-15,
    -1.1685332877993451e-14,
    7.676185498604936e-14,
    -4.856446783111929e-13,
    2.95505266312964e-12,
    -1.726826291441556e-11,
    9.675809035373237e-11,
    -5.189795601635263e-10,
    2.6598237246823866e-09,
    -1.300025009986248e-08,
    6.046995022541919e-08,
    -2.670793853940612e-07,
    1.1173875391201037e-06,
    -4.4167383584587505e-06,
    1.6448448070728896e-05,
    -5.754195010082104e-05,
    0.00018850288509584165,
    -0.0005763755745385824,
    0.0016394756169413357,
    -0.004324309995050576,
    0.010546460394594998,
    -0.02373741480589947,
    0.04930528423967071,
    -0.09490109704804764,
    0.17162090152220877,
    -0.3046826723431984,
    0.6767952744094761,
)
_ABOVE_8 = (
    -7.233180487874754e-18,
    -4.830504485944182e-18,
    4.46562142029676e-17,
    3.461222867697461e-17,
    -2.8276239805165836e-16,
    -3.425485619677219e-16,
    1.7725601330565263e-15,
    3.8116806693526224e-15,
    -9.554846698828307e-15,
    -4.150569347287222e-14,
    1.54008621752141e-14,
    3.8527783827421426e-13,
    7.180124451383666e-13,
    -1.7941785315068062e-12,
    -1.3215811840447713e-11,
    -3.1499165279632416e-11,
    1.1889147107846439e-11,
    4.94060238822497e-10,
    3.3962320257083865e-09,
    2.266668990498178e-08,
    2.0489185894690638e-07,
    2.8913705208347567e-06,
    6.889758346916825e-05,
    0.0033691164782556943,
    0.8044904110141088,
)


def _chebyshev(x: Any, coefficients: tuple[float, ...]) -> Any:
    """Clenshaw's recurrence, as NumPy runs it."""
    b0: Any = coefficients[0]
    b1: Any = 0.0
    b2: Any = 0.0
    for c in coefficients[1:]:
        b2 = b1
        b1 = b0
        b0 = x * b1 - b2 + c
    return 0.5 * (b0 - b2)


@rule_for(np.i0)
def i0(x):
    x = as_array(x)
    if is_complex(x):
        raise TypeError("i0 not supported for complex values")
    if dtype_of(x).kind != "f":
        x = x.astype(float)
    # |x|, but smooth through 0 to every order, as I₀ is even: sign(0) = 0 would end the second derivative there.
    x = np.where(x < 0, -x, x)
    small = x <= 8.0
    low, high = np.where(small, x, 0.0), np.where(small, 8.0, x)
    below = np.exp(low) * _chebyshev(low / 2.0 - 2, _BELOW_8)
    above = np.exp(high) * _chebyshev(32.0 / high - 2.0, _ABOVE_8) / np.sqrt(high)
    return np.where(small, below, above).astype(dtype_of(x))


@rule_for(np.kaiser)
def kaiser(M, beta):
    """I₀(β √(1 − (n/α − 1)²)) / I₀(β) at n = 0, …, M − 1, with α = (M − 1)/2."""
    count = operator.index(M)
    if count == 1:
        return np.ones(1)
    middle = (count - 1) / 2.0
    return i0(beta * np.sqrt(1 - ((np.arange(count) - middle) / middle) ** 2.0)) / i0(beta)


@rule_for(np.angle)
def angle(z, deg=False):
    """0 or π for real numbers: a step, so its derivative is 0."""
    a = np.arctan2(np.imag(z), np.real(z)) if is_complex(z) else np.arctan2(0, z)
    return a * (180 / np.pi) if deg else a


@rule_for(np.fix)
def fix(x, out=None):
    return np.trunc(x)


@rule_for(np.isposinf)
def isposinf(x, out=None):
    return np.logical_and(np.isinf(x), np.logical_not(np.signbit(x)))


@rule_for(np.isneginf)
def isneginf(x, out=None):
    return np.logical_and(np.isinf(x), np.signbit(x))


rule_for(np.iscomplex)(lambda x: np.not_equal(np.imag(x), 0) if is_complex(x) else np.zeros(shape_of(x), bool))


@rule_for(np.real_if_close)
def real_if_close(a, tol=100):
    if not is_complex(a):
        return a
    if is_staged(a):
        raise messages.value_unknown(a, "np.real_if_close")
    return np.real(a) if np.isrealobj(np.real_if_close(value_of(a), tol)) else a


@rule_for(np.frexp)
def frexp(x, /):
    """Mantissa and exponent. The exponent is held: x = m 2ᵉ gives ∂m/∂x = 2⁻ᵉ."""
    if is_staged(x):
        raise messages.value_unknown(x, "np.frexp")
    exponent = np.frexp(value_of(x))[1]
    return np.ldexp(x, -exponent), exponent


# ---- running sums of the array API
def _cumulative(running: Any, start: Any) -> Any:
    def implementation(x, /, *, axis=None, dtype=None, out=None, include_initial=False):
        x = np.atleast_1d(as_array(x))
        ndim = len(shape_of(x))
        if axis is None:
            if ndim != 1:
                raise ValueError("For arrays which have more than one dimension ``axis`` argument is required.")
            axis = 0
        result = running(x, axis=axis, dtype=dtype)
        if include_initial:
            shape = tuple(1 if i == axis % ndim else n for i, n in enumerate(shape_of(x)))
            result = np.concatenate([start(shape, dtype_of(result)), result], axis=axis)
        return result

    return implementation


# Some names came with later NumPys than the oldest that is supported.
for _name, _rule in (
    ("cumulative_sum", _cumulative(np.cumsum, np.zeros)),
    ("cumulative_prod", _cumulative(np.cumprod, np.ones)),
):
    if hasattr(np, _name):
        rule_for(getattr(np, _name))(_rule)
