"""Hyperbolic functions and their inverses."""

from __future__ import annotations

import math

from . import coefficients as table
from .arithmetic import Arithmetic, Number, widely
from .exponential import bounded, exp
from .logarithm import log1p


def tanh(w: Arithmetic, x: Number) -> Number:
    """1 − 2/(e^2|x| + 1); near 0, where that cancels, x + x³·P(x²)."""
    t = w.at_most(abs(x), 10.0 if w.single else 20.0)
    e = bounded(w, t + t)
    q = t * t
    near = t < 0.6
    if w.single:
        y = w.where(near, w.fma(t * q, w.poly(q, table.TANH[24]), t), 1.0 - 2.0 / (e + 1.0))
    else:
        # One division serves both: t + t³·P/Q there, 1 + (−2)/(e + 1) here.
        top = w.where(near, t * q * w.poly(q, table.TANH_TOP), -2.0)
        bottom = w.where(near, w.poly(q, table.TANH_BOTTOM), e + 1.0)
        y = w.where(near, t, 1.0) + top / bottom
    return w.copysign(y, x)


def sinh(w: Arithmetic, x: Number) -> Number:
    """E − 1/(4E) with E = e^|x|/2; near 0 x + x³·P(x²)."""
    t = abs(x)
    e = exp(w, t, halved=1)
    q = t * t
    near = w.fma(t * q, w.poly(q, table.SINH[w.digits]), t)
    return w.copysign(w.where(t < 1.0, near, e - 0.25 / e), x)


def cosh(w: Arithmetic, x: Number) -> Number:
    e = exp(w, abs(x), halved=1)
    return e + 0.25 / e


@widely
def arcsinh(w: Arithmetic, x: Number) -> Number:
    """log(1 + t + t²/(1 + √(1 + t²))), t = |x|, the logarithm's argument in two parts; log t + log 2 for large t."""
    large = abs(x) > 2.0**60
    t = w.where(large, 1.0, abs(x))
    if w.digits < 53:
        s = t * t
        a, low = t + s / (w.sqrt(s + 1.0) + 1.0), None
    else:
        s, s_low = w.times(t, t)
        u, u_low = w.two_sum(1.0, s)
        r, r_low = w.root(u, u_low + s_low)
        d, d_low = w.two_sum(1.0, r)
        q, q_low = w.quotient(s, s_low, d, d_low + r_low)
        a, a_low = w.two_sum(t, q)
        low = w.where(large, 0.0, a_low + q_low)
    y = log1p(w, w.where(large, abs(x), a), low)
    return w.copysign(w.where(large, y + table.LN2, y), x)


@widely
def arccosh(w: Arithmetic, x: Number) -> Number:
    """log(1 + z + √(z·(z + 2))), z = x − 1, the logarithm's argument in two parts; log x + log 2 for large x."""
    large = x > 2.0**60
    z = w.where(large, 1.0, x) - 1.0
    if w.digits < 53:
        a, low = z + w.sqrt(z * (z + 2.0)), None
    else:
        d, d_low = w.two_sum(2.0, z)
        s, s_low = w.times(z, d)
        r, r_low = w.root(s, w.fma(z, d_low, s_low))
        a, a_low = w.two_sum(z, r)
        low = w.where(large, 0.0, w.where(s > 0.0, a_low + r_low, 0.0))
    y = log1p(w, w.where(large, x, a), low)
    return w.where(x < 1.0, math.nan, w.where(large, y + table.LN2, y))


@widely
def arctanh(w: Arithmetic, x: Number) -> Number:
    """½·log(1 + 2t/(1 − t)), t = |x|, the logarithm's argument in two parts."""
    t = abs(x)
    if w.digits < 53:
        q, low = (t + t) / (1.0 - t), None
    else:
        d, d_low = w.two_sum(1.0, -t)
        q, q_low = w.quotient(t + t, 0.0, d, d_low)
        low = w.where(t < 1.0, q_low, 0.0)
    y = 0.5 * log1p(w, q, low)
    y = w.where(t > 1.0, math.nan, y)
    return w.copysign(w.where(t < 2.0**-28, t, y), x)
