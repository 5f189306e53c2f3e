"""exp and its kin: 2^n · e^r with n = round(x / ln 2) and |r| ≤ ln(2)/2, e^r = 1 + r + r²·P(r)."""

from __future__ import annotations

import math

from . import coefficients as table
from .arithmetic import Arithmetic, Number

LOG2_E = math.log2(math.e)


def _reduced(w: Arithmetic, x: Number, shift: float) -> tuple[Number, Number]:
    """(the sum whose low bits hold n plus `shift`, r)."""
    shifter = w.shifter + shift
    t = w.fma(x, LOG2_E, shifter)
    n = t - shifter
    high, low = table.LN2_PARTS[w.single]
    return t, w.fma(n, -low, w.fma(n, -high, x))


def _scaled(w: Arithmetic, y: Number, t: Number) -> Number:
    """y · 2^n, n + 2·bias standing in the low bits of t: by two factors, so that any result is rounded once."""
    whole = w.to_bits(t)
    half = whole >> 1
    return y * w.from_bits(half << w.mantissa) * w.from_bits((whole - half) << w.mantissa)


def bounded(w: Arithmetic, x: Number) -> Number:
    """e^x where the caller knows that x and the result stay far from overflow and underflow."""
    t, r = _reduced(w, x, w.bias)
    y = w.fma(w.poly(r, table.EXP[w.digits]), r * r, r) + 1.0
    return y * w.from_bits(w.to_bits(t) << w.mantissa)


def exp(w: Arithmetic, x: Number, low: Number | None = None, halved: int = 0) -> Number:
    """e^(x + low) / 2^halved, rounded once wherever it ends; `low` is a correction to x, far smaller."""
    x = w.at_least(w.at_most(x, 90.0 if w.single else 712.0), -104.0 if w.single else -746.0)
    t, r = _reduced(w, x, 2.0 * w.bias - halved)
    p = w.poly(r, table.EXP[w.digits])
    if low is None:
        y = w.fma(p, r * r, r) + 1.0
    else:
        y = (w.fma(p, r * r, low) + r) + 1.0
    return _scaled(w, y, t)


def exp2(w: Arithmetic, x: Number) -> Number:
    x = w.at_least(w.at_most(x, 129.0 if w.single else 1025.0), -151.0 if w.single else -1076.0)
    shifter = w.shifter + 2.0 * w.bias
    t = x + shifter
    r = x - (t - shifter)
    return _scaled(w, w.fma(w.poly(r, table.EXP2[w.digits]), r, 1.0), t)


def expm1(w: Arithmetic, x: Number) -> Number:
    """2^n·(e^r − 1) + (2^n − 1); written with 2^(n−1), so that the largest results do not overflow on the way."""
    bounded = w.at_least(w.at_most(x, 88.8 if w.single else 709.9), -20.0 if w.single else -40.0)
    shifter = w.shifter + w.bias - 1.0
    t = w.fma(bounded, LOG2_E, shifter)
    n = t - shifter
    ln2, ln2_low = table.LN2_PARTS[w.single]
    high = w.fma(n, -ln2, bounded)
    r = w.fma(n, -ln2_low, high)
    low = w.fma(n, -ln2_low, high - r)
    s = w.from_bits(w.to_bits(t) << w.mantissa)
    # s·r and s − ½ are exact, so only their sum is rounded, and what that lost is known.
    total, lost = w.two_sum(s - 0.5, s * r)
    tail = w.fma(w.poly(r, table.EXP[w.digits]), r * r, low)
    y = 2.0 * (total + w.fma(s, tail, lost))
    return w.where(abs(x) < 2.0 ** -(w.mantissa + 3), x, y)


def expit(w: Arithmetic, x: Number) -> Number:
    """1/(1 + e^−x), and e^x/(1 + e^x) for x < 0, where the other would overflow."""
    e = exp(w, -abs(x))
    return w.where(x < 0.0, e, 1.0) / (e + 1.0)
