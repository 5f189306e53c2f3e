"""Powers and roots."""

from __future__ import annotations

import math

from . import coefficients as table
from .arithmetic import Arithmetic, Number, widely
from .exponential import exp2, exp_parts
from .logarithm import log, log2, split

# What a third of the bits of a float64 (the upper 32) lacks to be the bits of its cube root, about.
CBRT_GUESS = (1023 * 2 / 3 - 0.0330624) * 2.0**20


def log_parts(w: Arithmetic, x: Number) -> tuple[Number, Number]:
    """log x as a sum of two, for positive finite x."""
    if w.digits < 53:
        return log(w, x), w.constant(0.0)
    k, f = split(w, x)
    ln2, ln2_low = table.LN2_PARTS[False]
    d, d_low = w.two_sum(2.0, f)
    s = f / d
    p, lost = w.times(s, d)
    s_low = (((f - p) - lost) - s * d_low) / d
    z, z_low = w.times(s, s)
    z_low = w.fma(s + s, s_low, z_low)
    # log((1 + s)/(1 − s)) = 2s + s³·(2/3 + z·P(z)), z = s².
    c, c_low = w.fast_two_sum(table.TWO_THIRDS[0], z * w.poly(z, table.LOG_TAIL[53]))
    c_low = c_low + table.TWO_THIRDS[1]
    cube, cube_low = w.times(s, z)
    cube_low = w.fma(s, z_low, w.fma(s_low, z, cube_low))
    v, v_low = w.times(cube, c)
    v_low = w.fma(cube, c_low, w.fma(cube_low, c, v_low))
    total, a = w.two_sum(k * ln2, s + s)
    total, e = w.two_sum(total, v)
    return w.fast_two_sum(total, ((a + e) + (v_low + (s_low + s_low))) + k * ln2_low)


@widely
def power(w: Arithmetic, x: Number, y: Number) -> Number:
    """e^(y·log|x|), the logarithm and the product in two parts, and the values that C's pow has at the edges."""
    t = abs(x)
    edge = t.equals(0.0)
    infinite = t.equals(math.inf)
    if w.digits < 53:
        # By powers of 2, which then are exact.
        result = exp2(w, y * log2(w, t))
    else:
        high, low = log_parts(w, w.where(edge, w.constant(1.0), t))
        p, lost = w.times(y, high)
        low = w.fma(y, low, lost)
        # Where y is so large that this overflows, the result is 0, 1 or ∞ without it.
        e, e_low, scaled = exp_parts(w, p, w.where(abs(low) < 1.0, low, 0.0))
        result = scaled(e + e_low)
    falls = y < 0.0
    result = w.where(edge | infinite, w.where(edge ^ falls, w.constant(0.0), math.inf), result)
    whole = w.rint(y).equals(y)
    half = 0.5 * y
    odd = whole & w.rint(half).differs(half)
    result = w.where((w.to_bits(x) < 0) & odd, -result, result)
    result = w.where((x < 0.0) & (x > -math.inf) & ~whole, math.nan, result)
    result = w.where(x.differs(x) | y.differs(y), x + y, result)
    endless = abs(y).equals(math.inf)
    return w.where(y.equals(0.0) | x.equals(1.0) | (t.equals(1.0) & endless), 1.0, result)


@widely
def cbrt(w: Arithmetic, x: Number) -> Number:
    """Newton's steps from a guess that has a third of the exponent; the last one on a guess with exact squares."""
    t = abs(x)
    small, large = t < w.tiny, t > 2.0**900
    scaled = t * w.where(small, 2.0**54, w.where(large, w.constant(2.0**-54), 1.0))
    # The bits of a float64 are nearly 2^52 times its logarithm: a third of them, taken as a number, has a third of it.
    bits = w.from_bits((w.to_bits(scaled) >> 32) | w.bits_of(2.0**52)) - 2.0**52
    third = w.fma(bits, 1 / 3, w.shifter + CBRT_GUESS)
    r = w.from_bits(w.to_bits(third) << 32)
    for _ in range(2 if w.digits == 53 else 1):
        # Halley: three times the right bits a step.
        cube = r * r * r
        r = r * ((cube + (scaled + scaled)) / ((cube + cube) + scaled))
    r = w.from_bits(w.to_bits(r) & -(2**30))
    q = scaled / (r * r)
    r = r + r * ((q - r) / ((r + r) + q))
    r = r * w.where(small, 2.0**-18, w.where(large, w.constant(2.0**18), 1.0))
    return w.copysign(w.where((t > 0.0) & (t < math.inf), r, t), x)


@widely
def hypot(w: Arithmetic, x: Number, y: Number) -> Number:
    """√(a² + b²) of numbers scaled to neither overflow nor vanish, corrected once by the exact residual."""
    x, y = abs(x), abs(y)
    a, b = w.where(x > y, x, y), w.where(x > y, y, x)
    if w.digits < 53:
        return _infinite(w, w.sqrt(w.fma(a, a, b * b)), x, y)
    scale = w.where(a > 2.0**500, 2.0**-600, w.where(a < 2.0**-400, w.constant(2.0**600), 1.0))
    back = w.where(a > 2.0**500, 2.0**600, w.where(a < 2.0**-400, w.constant(2.0**-600), 1.0))
    a, b = a * scale, b * scale
    s, s_low = w.times(a, a)
    z, z_low = w.times(b, b)
    h, lost = w.fast_two_sum(s, z)
    r = w.sqrt(h)
    p, p_low = w.times(r, r)
    rest = (((h - p) - p_low) + (lost + (s_low + z_low))) / (r + r)
    return _infinite(w, w.where(r > 0.0, r + rest, r) * back, x, y)


def _infinite(w: Arithmetic, y: Number, *args: Number) -> Number:
    for x in args:
        y = w.where(x.equals(math.inf), math.inf, y)
    return y
