"""The error function and the normal distribution."""

from __future__ import annotations

import math
from typing import Any

from . import coefficients as table
from .arithmetic import Arithmetic, Number, widely
from .exponential import bounded, exp, exp_parts


def _erfcx_top(w: Arithmetic, t: Number) -> tuple[Number, Number]:
    """(1 + 2t)·e^t²·erfc t for t ≥ 0 as a sum of two: a polynomial in (t − k)/(t + k), smooth from 0 to ∞."""
    k = table.ERFCX_CENTRE[w.digits]
    u = (t - k) / (t + k)
    *higher, last = table.ERFCX[w.digits]
    return w.fast_two_sum(last, u * w.poly(u, higher))


def _tail(w: Arithmetic, t: Number, low: Any = 0.0) -> Number:
    """erfc(t + low) for t ≥ 0, subnormal results included."""
    t = w.at_most(t, 28.0)
    if w.digits < 53:
        p, p_low = _erfcx_top(w, t)
        return exp(w, -(t * t)) * (p + p_low) / w.fma(t, 2.0, 1.0)
    square, lost = w.times(t, t)
    e, e_low, scaled = exp_parts(w, -square, -w.fma(t + t, low, lost))
    p, p_low = _erfcx_top(w, t)
    d, d_low = w.two_sum(t + t, 1.0)
    top, top_low = w.times(e, p)
    y, y_low = w.quotient(top, w.fma(e, p_low, w.fma(e_low, p, top_low)), d, d_low)
    return scaled(y + y_low)


def _near(w: Arithmetic, x: Number) -> Number:
    """erf x for |x| < 1: x + x·P(x²)."""
    return w.fma(x, w.poly(x * x, table.ERF[w.digits]), x)


def erf(w: Arithmetic, x: Number) -> Number:
    t = abs(x)
    if w.single:
        # 1 − erfc t, erfc t = e^(t·P(t)).
        t = w.at_most(t, 4.0)
        far = 1.0 - bounded(w, t * w.poly(t, table.ERFC_LOG[24]))
    else:
        t = w.at_most(t, 6.0)
        far = 1.0 - bounded(w, -(t * t)) * _erfcx_top(w, t)[0] / w.fma(t, 2.0, 1.0)
    return w.where(abs(x) < 1.0, _near(w, x), w.copysign(far, x))


def _complement(w: Arithmetic, x: Number, low: Any) -> Number:
    """erfc(x + low)."""
    if w.digits < 53:
        tail = _tail(w, abs(x))
        return w.where(x < 0.0, 2.0 - tail, tail)
    tail = _tail(w, abs(x), w.copysign(1.0, x) * low)
    far = w.where(x < 0.0, 2.0 - tail, tail)
    one, lost = w.fast_two_sum(1.0, -x)
    near = one + w.fma(-x, w.poly(x * x, table.ERF[w.digits]), lost - 2 / math.sqrt(math.pi) * low)
    return w.where(abs(x) < 0.6, near, far)


@widely
def erfc(w: Arithmetic, x: Number) -> Number:
    return _complement(w, x, w.constant(0.0))


def ndtr(w: Arithmetic, x: Number) -> Number:
    """The normal distribution's share below x: ½·erfc(−x/√2), the argument in two parts."""
    if w.single and w.fused:
        return _ndtr32(w, x)
    if w.single:
        return w.narrow(ndtr(w.wide(), w.widen(x)))
    if w.digits < 53:
        return 0.5 * _complement(w, -table.ROOT_HALF[0] * x, w.constant(0.0))
    t, low = w.times(x, -table.ROOT_HALF[0])
    low = w.where(abs(x) < 50.0, w.fma(x, -table.ROOT_HALF[1], low), 0.0)
    return 0.5 * _complement(w, t, low)


def _ndtr32(w: Arithmetic, x: Number) -> Number:
    """e^(−t²/2)·P(u)/(t + 3), t = |x|, u = (t − 3)/(t + 3): every factor in two parts, rounded once."""
    t = w.at_most(abs(x), 15.0)
    d = t + 3.0
    v = 1.0 / d
    v_low = v * (w.fma(-v, d, 1.0) - v * (t - (d - 3.0)))
    u = w.fma(v_low, -6.0, w.fma(v, -6.0, 1.0))
    *higher, last = table.NDTR[24]
    p, p_low = w.fast_two_sum(last, u * w.poly(u, higher))
    m = p * v
    m_low = w.fma(p_low + table.NDTR_LOW, v, w.fma(p, v_low, w.fma(p, v, -m)))
    half = 0.5 * t
    square, lost = w.times(half, t)
    e, e_low, scaled = exp_parts(w, -square, -lost)
    tail = scaled(w.fma(e, m, w.fma(e, m_low, e_low * m)))
    return w.where(x > 0.0, 1.0 - tail, tail)
