"""exp and its kin: 2^n · e^r with n = round(x / ln 2) and |r| ≤ ln(2)/2, e^r = 1 + r + r²·P(r)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from . import coefficients as table
from .arithmetic import Arithmetic, Number, widely

LOG2_E = math.log2(math.e)


def _reduced(w: Arithmetic, x: Number, shift: float) -> tuple[Number, Number, Number]:
    """(the sum whose low bits hold n plus `shift`, r, what rounding r lost)."""
    shifter = w.shifter + shift
    t = w.fma(x, LOG2_E, shifter)
    n = t - shifter
    ln2, ln2_low = table.LN2_PARTS[w.single]
    high = w.fma(n, -ln2, x)
    r = w.fma(n, -ln2_low, high)
    return t, r, w.fma(n, -ln2_low, high - r)


def _scaled(w: Arithmetic, y: Number, t: Number) -> Number:
    """y · 2^n, n + 2·bias standing in the low bits of t: by two factors, so that any result is rounded once."""
    if w.scales:
        return w.scale(y, t - (w.shifter + 2.0 * w.bias))
    whole = w.to_bits(t)
    half = whole >> 1
    return y * w.from_bits(half << w.mantissa) * w.from_bits((whole - half) << w.mantissa)


def _limited(w: Arithmetic, x: Number) -> Number:
    """x, no farther out than where e^x has long become 0 or ∞."""
    return w.at_least(w.at_most(x, 90.0 if w.single else 720.0), -104.0 if w.single else -746.0)


def bounded(w: Arithmetic, x: Number) -> Number:
    """e^x where the caller knows that x and the result stay far from overflow and underflow."""
    t, r, _ = _reduced(w, x, w.bias)
    y = w.fma(w.poly(r, table.EXP[w.digits]), r * r, r) + 1.0
    if w.scales:
        return w.scale(y, t - (w.shifter + w.bias))
    return y * w.from_bits(w.to_bits(t) << w.mantissa)


def exp(w: Arithmetic, x: Number, halved: int = 0) -> Number:
    """e^x / 2^halved, rounded once wherever it ends."""
    t, r, _ = _reduced(w, _limited(w, x), 2.0 * w.bias - halved)
    return _scaled(w, w.fma(w.poly(r, table.EXP[w.digits]), r * r, r) + 1.0, t)


def exp_parts(w: Arithmetic, x: Number, low: Any = 0.0) -> tuple[Number, Number, Callable[[Number], Number]]:
    """e^(x + low) before it is scaled, as a sum of two, and what scales it; `low` is far smaller than x."""
    t, r, lost = _reduced(w, _limited(w, x), 2.0 * w.bias)
    q = w.poly(r, table.EXP[w.digits]) * (r * r)
    s, s_low = w.fast_two_sum(r, q + w.fma(q + r, lost + low, lost + low))
    y, y_low = w.fast_two_sum(1.0, s)
    return y, y_low + s_low, lambda y: _scaled(w, y, t)


def exp2(w: Arithmetic, x: Number) -> Number:
    x = w.at_least(w.at_most(x, 129.0 if w.single else 1025.0), -151.0 if w.single else -1076.0)
    shifter = w.shifter + 2.0 * w.bias
    t = x + shifter
    r = x - (t - shifter)
    return _scaled(w, w.fma(w.poly(r, table.EXP2[w.digits]), r, 1.0), t)


def expm1(w: Arithmetic, x: Number) -> Number:
    """2^n·(e^r − 1) + (2^n − 1); written with 2^(n−1), so that the largest results do not overflow on the way."""
    bounded = w.at_least(w.at_most(x, 88.8 if w.single else 709.9), -20.0 if w.single else -40.0)
    t, r, low = _reduced(w, bounded, w.bias - 1.0)
    s = w.from_bits(w.to_bits(t) << w.mantissa)
    # s·r and s − ½ are exact, so only their sum is rounded, and what that lost is known.
    total, lost = w.two_sum(s - 0.5, s * r)
    tail = w.fma(w.poly(r, table.EXP[w.digits]), r * r, low)
    y = 2.0 * (total + w.fma(s, tail, lost))
    return w.where(abs(x) < 2.0 ** -(w.mantissa + 3), x, y)


def exp_closely(w: Arithmetic, x: Number) -> Number:
    """exp, with what rounding the reduced argument lost: for functions that round what they make of it again."""
    t, r, lost = _reduced(w, _limited(w, x), 2.0 * w.bias)
    return _scaled(w, (w.fma(w.poly(r, table.EXP[w.digits]), r * r, lost) + r) + 1.0, t)


def expit(w: Arithmetic, x: Number) -> Number:
    """1/(1 + e^−x), and e^x/(1 + e^x) for x < 0, where the other would overflow."""
    e = exp_closely(w, -abs(x))
    left = x < 0.0
    y = w.where(left, e, 1.0) / (e + 1.0)
    # e − e·y is y with the roundings above made smaller by e.
    return w.where(left, w.fma(-e, y, e), y)


@widely
def exp10(w: Arithmetic, x: Number) -> Number:
    """e^(x·log 10), the product in two parts."""
    x = w.at_least(w.at_most(x, 400.0), -400.0)
    p, lost = w.times(x, table.LN10[0])
    e, e_low, scaled = exp_parts(w, p, w.fma(x, table.LN10[1], lost))
    return scaled(e + e_low)


@widely
def exprel(w: Arithmetic, x: Number) -> Number:
    """(e^x − 1)/x, 1 at 0; where e^x may overflow, divided before it is scaled."""
    e, e_low, scaled = exp_parts(w, x)
    y = w.where(x < 40.0, expm1(w, x) / x, scaled((e + e_low) / x))
    return w.where(x.equals(0.0), 1.0, w.where(x > 717.0, math.inf, y))
