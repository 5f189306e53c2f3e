"""log and its kin: x = 2^k·m with m in [√½, √2), log m = f + t with f = m − 1 exact and t from a polynomial."""

from __future__ import annotations

import math

from . import coefficients as table
from .arithmetic import Arithmetic, Number, widely
from .exponential import exp

ROOT_HALF = math.sqrt(0.5)


def split(w: Arithmetic, x: Number) -> tuple[Number, Number]:
    """(k, f) of x = 2^k·(1 + f), for positive finite x, subnormal or not."""
    small = x < w.tiny
    lift = w.mantissa + 2
    bits = w.to_bits(w.where(small, x * 2.0**lift, x))
    shifted = bits + (w.bits_of(1.0) - w.bits_of(ROOT_HALF))
    offset = 2.0**w.mantissa + w.bias
    # The biased exponent as the mantissa of 2^mantissa is a number: before AVX-512, 64-bit integers convert slowly.
    k = w.from_bits((shifted >> w.mantissa) | w.bits_of(2.0**w.mantissa)) - w.where(small, offset + lift, offset)
    m = w.from_bits((shifted & (2**w.mantissa - 1)) + w.bits_of(ROOT_HALF))
    return k, m - 1.0


def tail(w: Arithmetic, f: Number) -> Number:
    """log(1 + f) − f."""
    square = f * f
    if w.digits == 24:
        return square * w.fma(f, w.poly(f, table.LOG1P[24]), -0.5)
    s = f / (f + 2.0)
    z = s * s
    half = 0.5 * square
    return s * w.fma(z, w.poly(z, table.LOG[w.digits]), half) - half


def _ends(w: Arithmetic, x: Number, y: Number) -> Number:
    """y, with log's values at 0, ∞, NaN and below 0."""
    return w.where(x > 0.0, w.where(x < math.inf, y, x), w.where(x.equals(0.0), w.constant(-math.inf), math.nan))


def _sum(w: Arithmetic, k: Number, f: Number, t: Number) -> Number:
    ln2, low = table.LN2_PARTS[w.single]
    return w.fma(k, ln2, f + w.fma(k, low, t))


def log(w: Arithmetic, x: Number) -> Number:
    k, f = split(w, x)
    return _ends(w, x, _sum(w, k, f, tail(w, f)))


def _based(w: Arithmetic, x: Number, base: int) -> Number:
    """log x · (1/log base), the factor in two parts."""
    factor, low = table.PER_LOG[base][w.single]
    k, f = split(w, x)
    rest = w.fma(tail(w, f), factor, f * low)
    if w.fused:
        y = w.fma(f, factor, rest)
    else:
        p, lost = w.times(f, factor)
        y = p + (lost + rest)
    if base == 2:
        return _ends(w, x, y + k)
    two, two_low = table.LOG10_2_PARTS[w.single]
    return _ends(w, x, w.fma(k, two, w.fma(k, two_low, y)))


def log2(w: Arithmetic, x: Number) -> Number:
    return _based(w, x, 2)


def log10(w: Arithmetic, x: Number) -> Number:
    return _based(w, x, 10)


def log1p(w: Arithmetic, x: Number, low: Number | None = None) -> Number:
    """log(1 + x + low): of the rounded sum u, corrected by what rounding lost, over u."""
    u, lost = w.two_sum(1.0, x)
    if low is not None:
        lost = lost + low
    k, f = split(w, u)
    y = _sum(w, k, f, tail(w, f) + lost / u)
    y = w.where(abs(x) < 2.0 ** -(w.mantissa + 3), x, y)
    return w.where(x < math.inf, w.where(x > -1.0, y, w.where(x.equals(-1.0), w.constant(-math.inf), math.nan)), x)


@widely
def logaddexp(w: Arithmetic, x: Number, y: Number) -> Number:
    larger, smaller = w.where(x > y, x, y), w.where(x > y, y, x)
    # Two equal infinities: their difference would be NaN.
    apart = w.where(larger.equals(smaller), 0.0, smaller - larger)
    return larger + log1p(w, exp(w, apart))
