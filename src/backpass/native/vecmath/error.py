"""The error function and the normal distribution."""

from __future__ import annotations

import math

from . import coefficients as table
from .arithmetic import Arithmetic, Number, widely
from .exponential import bounded, exp


def _erfcx(w: Arithmetic, t: Number) -> Number:
    """e^t²·erfc t for t ≥ 0: (1 + 2t) times it is a polynomial in (t − k)/(t + k), smooth from 0 to ∞."""
    k = table.ERFCX_CENTRE[w.digits]
    return w.poly((t - k) / (t + k), table.ERFCX[w.digits]) / w.fma(t, 2.0, 1.0)


def _tail(w: Arithmetic, t: Number, low: Number | None = None) -> Number:
    """erfc(t + low) for t ≥ 0, subnormal results included."""
    t = w.at_most(t, 28.0)
    square, lost = w.times(t, t)
    if low is not None:
        lost = w.fma(t + t, low, lost)
    return exp(w, -square, -lost) * _erfcx(w, t)


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
        far = 1.0 - bounded(w, -(t * t)) * _erfcx(w, t)
    return w.where(abs(x) < 1.0, _near(w, x), w.copysign(far, x))


@widely
def erfc(w: Arithmetic, x: Number) -> Number:
    return _complement(w, x, None)


def _complement(w: Arithmetic, x: Number, low: Number | None) -> Number:
    tail = _tail(w, abs(x), None if low is None else w.copysign(1.0, x) * low)
    far = w.where(x < 0.0, 2.0 - tail, tail)
    if w.digits < 53:
        return far
    near = _near(w, x) if low is None else _near(w, x) + low * (2.0 / math.sqrt(math.pi))
    return w.where(abs(x) < 0.5, 1.0 - near, far)


@widely
def ndtr(w: Arithmetic, x: Number) -> Number:
    """½·erfc(−x/√2), the argument in two parts."""
    t, low = w.times(x, -table.ROOT_HALF[0])
    low = w.fma(x, -table.ROOT_HALF[1], low)
    low = w.where(abs(x) < 50.0, low, 0.0)
    return 0.5 * _complement(w, t, low)
