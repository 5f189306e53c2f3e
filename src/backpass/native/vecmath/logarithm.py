"""log and its kin: x = 2^k·m with m in [√½, √2), log m = f + t with f = m − 1 exact and t from a polynomial."""

from __future__ import annotations

import math

from . import coefficients as table
from .arithmetic import Arithmetic, Number, widely
from .exponential import exp2, exp_closely

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


def log_sum(w: Arithmetic, u: Number, low: Number) -> Number:
    """log(u + low) for positive finite u, low being less than a unit of its last place or little more."""
    k, f = split(w, u)
    return _sum(w, k, f, tail(w, f) + low / u)


def log1p(w: Arithmetic, x: Number, low: Number | None = None) -> Number:
    """log(1 + x + low): of the rounded sum, corrected by what rounding lost."""
    u, lost = w.two_sum(1.0, x)
    y = log_sum(w, u, lost if low is None else lost + low)
    y = w.where(abs(x) < 2.0 ** -(w.mantissa + 3), x, y)
    return w.where(x < math.inf, w.where(x > -1.0, y, w.where(x.equals(-1.0), w.constant(-math.inf), math.nan)), x)


def _log1p_of_exp(w: Arithmetic, x: Number) -> Number:
    """log(1 + e^x) for x ≤ 0."""
    e = exp_closely(w, x)
    u, lost = w.fast_two_sum(1.0, e)
    return w.where(e < 2.0 ** -(w.mantissa + 3), e, log_sum(w, u, lost))


def _larger_and_gap(w: Arithmetic, x: Number, y: Number) -> tuple[Number, Number]:
    """max(x, y) and min − max, 0 for two equal infinities."""
    larger, smaller = w.where(x > y, x, y), w.where(x > y, y, x)
    return larger, w.where(larger.equals(smaller), 0.0, smaller - larger)


def logaddexp(w: Arithmetic, x: Number, y: Number) -> Number:
    larger, gap = _larger_and_gap(w, x, y)
    return larger + _log1p_of_exp(w, gap)


@widely
def logaddexp2(w: Arithmetic, x: Number, y: Number) -> Number:
    larger, gap = _larger_and_gap(w, x, y)
    return larger + log1p(w, exp2(w, gap)) * table.PER_LOG[2][False][0]


def log_expit(w: Arithmetic, x: Number) -> Number:
    """min(x, 0) − log(1 + e^−|x|)."""
    y = _log1p_of_exp(w, -abs(x))
    return w.where(x < 0.0, x - y, -y)


@widely
def logit(w: Arithmetic, x: Number) -> Number:
    """log(x/(1 − x)), the quotient in two parts."""
    d, d_low = w.two_sum(1.0, -x)
    q, q_low = w.quotient(x, 0.0, d, d_low)
    inside = (x > 0.0) & (x < 1.0)
    y = log_sum(w, w.where(inside, q, 1.0), w.where(inside, q_low, 0.0))
    end = w.where(x.equals(0.0), w.constant(-math.inf), w.where(x.equals(1.0), w.constant(math.inf), math.nan))
    return w.where(inside, y, end)


def xlogy(w: Arithmetic, x: Number, y: Number) -> Number:
    return w.where(x.equals(0.0) & y.equals(y), 0.0, x * log(w, y))


def xlog1py(w: Arithmetic, x: Number, y: Number) -> Number:
    return w.where(x.equals(0.0) & y.equals(y), 0.0, x * log1p(w, y))


def entr(w: Arithmetic, x: Number) -> Number:
    y = -x * log(w, x)
    return w.where(x > 0.0, y, w.where(x.equals(0.0), 0.0, w.where(x < 0.0, w.constant(-math.inf), x)))


@widely
def rel_entr(w: Arithmetic, x: Number, y: Number) -> Number:
    """x·log(x/y), the quotient in two parts; 0 at x = 0 ≤ y, ∞ elsewhere outside of the positive numbers."""
    q = x / y
    steep, flat = q > 2.0**900, q < 2.0**-900
    # Where the quotient overflows or loses digits, both are scaled by 2^600, and the logarithm of that is added.
    up, down = w.constant(2.0**600), w.constant(2.0**-600)
    a, c = x * w.where(steep, down, w.where(flat, up, 1.0)), y * w.where(steep, up, w.where(flat, down, 1.0))
    inside = (x > 0.0) & (y > 0.0) & (x < math.inf) & (y < math.inf)
    if not w.fused:
        # The exact product behind the quotient's second part would overflow.
        both = w.where(c > 2.0**900, down, 1.0)
        a, c = a * both, c * both
    q, low = w.quotient(w.where(inside, a, 1.0), 0.0, w.where(inside, c, 1.0), 0.0)
    lacking = 1200 * table.LN2
    log_q = log_sum(w, q, low) + w.where(steep, w.constant(lacking), w.where(flat, w.constant(-lacking), 0.0))
    known = x.equals(x) & y.equals(y)
    edge = w.where(x.equals(0.0) & (y >= 0.0), w.constant(0.0), w.where(known, w.constant(math.inf), math.nan))
    edge = w.where((x > 0.0) & y.equals(math.inf), w.where(x < math.inf, w.constant(-math.inf), math.nan), edge)
    return w.where(inside, x * log_q, edge)
