"""The gamma function's logarithm and its derivative."""

from __future__ import annotations

import math

from . import coefficients as table
from .arithmetic import Arithmetic, Number, widely
from .logarithm import log
from .power import log_parts


def _sine_of_half_turns(w: Arithmetic, x: Number) -> tuple[Number, Number]:
    """(|sin πx|, |cos πx|): of the distance to the nearest whole or half number, both of which are exact."""
    d = abs(x - w.rint(x))
    near = d <= 0.25
    r = table.PI[0] * w.where(near, d, 0.5 - d)
    q = r * r
    s = w.fma(r * q, w.poly(q, table.SIN[w.digits]), r)
    c = w.fma(q, w.fma(q, w.poly(q, table.COS[w.digits]), -0.5), 1.0)
    return w.where(near, s, c), w.where(near, c, s)


def _gammaln_of_positive(w: Arithmetic, x: Number) -> Number:
    """Below 8 by Γ(x + 1) = x·Γ(x) from a number about 1 or 2, where log Γ is (x − 1)·P or (x − 2)·P; from 8 on
    by Stirling's series."""
    large = x >= 8.0
    y = w.where(large, 3.0, x)
    product = w.where(x < 0.75, x, 1.0)
    for _ in range(5):
        above = y >= 3.0
        y = w.where(above, y - 1.0, y)
        product = w.where(above, product * y, product)
    first = (y < 0.5) | ((y >= 0.75) & (y < 1.4))
    s = w.where(y < 0.5, y, w.where(y < 1.4, y - 1.0, y - 2.0))
    pairs = zip(table.GAMMALN_1[w.digits], table.GAMMALN_2[w.digits], strict=True)
    p, *others, last = [w.where(first, a, w.constant(c)) for a, c in pairs]
    for other in others:
        p = w.fma(p, s, other)
    p, p_low = w.fast_two_sum(last, p * s)
    high, low = log_parts(w, w.where(large & (x < math.inf), x, product))
    small = w.fma(s, p, w.fma(s, p_low, w.where(x < 0.75, -high, high)))
    # (x − ½)·(log x − 1) + (log(2π)/2 − ½) + P(1/x²)/x
    v = 1.0 / x
    t, t_low = w.two_sum(high, -1.0)
    m, m_low = w.times(x - 0.5, t)
    rest = w.fma(v, w.poly(v * v, table.STIRLING[w.digits]), table.HALF_LOG_TURN[0])
    far = m + (w.where(x < 2.0**900, w.fma(x, t_low + low, m_low), 0.0) + rest)
    return w.where(large, w.where(x < math.inf, w.where(m < math.inf, far, math.inf), x), small)


@widely
def gammaln(w: Arithmetic, x: Number) -> Number:
    """log |Γ(x)|; for x < 0 log(π/|x·sin πx|) − log Γ(−x)."""
    t = abs(x)
    right = _gammaln_of_positive(w, t)
    s, _ = _sine_of_half_turns(w, t)
    left = w.where(t < 2.0**-60, right, log(w, table.PI[0] / (t * s)) - right)
    pole = x.equals(w.rint(x)) & (x <= 0.0)
    return w.where(pole, w.where(t < math.inf, w.constant(math.inf), x), w.where(x < 0.0, left, right))


@widely
def psi(w: Arithmetic, x: Number) -> Number:
    """Γ'(x)/Γ(x): below 7 by ψ(x + 1) = ψ(x) + 1/x from a y between 1 and 3, where it is (y − y₀)·P, y₀ being its
    zero, in two parts; from 7 on by its asymptotic series; for x < 0 ψ(−x) − 1/x − π·cot πx."""
    t = abs(x)
    below, large = t < 1.0, t >= 7.0
    y, lost = w.two_sum(1.0, t)
    y, lost = w.where(below, y, w.where(large, 2.0, t)), w.where(below, lost, 0.0)
    # The sum of the reciprocals, as one fraction.
    top, bottom = w.where(below, w.constant(-1.0), 0.0), w.where(below, t, 1.0)
    for _ in range(4):
        above = y >= 3.0
        y = w.where(above, y - 1.0, y)
        top = w.where(above, w.fma(top, y, bottom), top)
        bottom = w.where(above, bottom * y, bottom)
    zero, zero_low = table.PSI_ZERO
    p = w.poly(y - 2.0, table.PSI[w.digits])
    q, q_low = w.quotient(top, 0.0, bottom, 0.0)
    small = w.fma(y - zero, p, q) + w.fma(lost - zero_low, p, w.where(abs(q_low) < 1.0, q_low, 0.0))
    v = 1.0 / t
    far = log(w, t) - w.fma(v * v, w.poly(v * v, table.PSI_TAIL[w.digits]), 0.5 * v)
    right = w.where(large, far, small)
    s, c = _sine_of_half_turns(w, t)
    cotangent = w.copysign(c / s, x - w.rint(x))
    left = right - 1.0 / x - table.PI[0] * cotangent
    pole = x.equals(w.rint(x)) | x.equals(-math.inf)
    left = w.where(pole, math.nan, w.where(t < 2.0**-60, -1.0 / x, left))
    return w.where(t.equals(0.0), w.copysign(math.inf, -x), w.where(x < 0.0, left, right))
