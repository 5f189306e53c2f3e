"""sin, cos, tan by reduction to a quarter turn that is right for every argument, and their inverses."""

from __future__ import annotations

from . import coefficients as table
from .arithmetic import Arithmetic, Number, widely


def _quarter_turns(w: Arithmetic, x: Number) -> tuple[Number, Number, Number]:
    """(the whole number of quarter turns nearest to x in its low bits, the rest in radians as a sum of two).

    x = y·2^j with j = 0 or y whole, and row j of the table holds 2^j·2/π in parts, less a multiple of 4: so y·row is x
    in quarter turns, less whole turns, however large x is. The row of ∞ and NaN is NaN.
    """
    short = w.digits < 53
    bits = w.to_bits(x)
    j = ((bits >> 52) & 2047) - (1023 + (table.SHORT_TURNS.first if short else table.TURNS.first))
    j = w.where(j < 0, 0, j)
    if short:
        j = w.where(j > table.SHORT_TURNS.last, table.SHORT_TURNS.last, j)
    y = w.from_bits(bits - (j << 52))
    if short:
        a, c = w.look_up(table.SHORT_TURNS, j)
        # 24 bits by 29: exact.
        p = y * a
        t = w.fma(y, c, p) + w.shifter
        r = w.fma(y, c, p - (t - w.shifter)) * table.QUARTER[0]
        return t, r, w.constant(0.0)
    a, c, d, e = w.look_up(table.TURNS, j)
    p, p_low = w.times(y, a)
    m, m_low = w.times(y, c)
    k, k_low = w.times(y, d)
    s, lost = w.two_sum(w.fma(w.rint(0.25 * p), -4.0, p), p_low)
    s, more = w.two_sum(s, m)
    t = s + w.shifter
    s = s - (t - w.shifter)
    low = w.fma(y, e, k_low)
    # What is left may be as little as 2^-61: no bit of it may be lost on the way.
    for part in (lost, more, m_low, k):
        s, lost = w.two_sum(s, part)
        low = low + lost
    s, low = w.fast_two_sum(s, low)
    r, r_low = w.times(s, table.QUARTER[0])
    return t, r, r_low + w.fma(s, table.QUARTER[1], low * table.QUARTER[0])


def _sine(w: Arithmetic, r: Number, low: Number) -> tuple[Number, Number]:
    """sin(r + low) as a sum of two."""
    q = r * r
    return w.fast_two_sum(r, w.fma(r * q, w.poly(q, table.SIN[w.digits]), w.fma(-0.5 * q, low, low)))


def _cosine(w: Arithmetic, r: Number, low: Number) -> tuple[Number, Number]:
    q = r * r
    p = w.poly(q, table.COS[w.digits])
    half = 0.5 * q
    top = 1.0 - half
    return w.fast_two_sum(top, ((1.0 - top) - half) + w.fma(q * q, p, -(r * low)))


def _parts(w: Arithmetic, x: Number) -> tuple[Number, Number, Number]:
    """(whole quarter turns as integers, sin r, cos r)."""
    if w.single:
        wide = w.wide()
        t, r, _ = _quarter_turns(wide, w.widen(x))
        r = w.narrow(r)
        turns = Number(w, w.b.trunc(wide.to_bits(t).v, w.whole))
        q = r * r
        s = w.fma(r * q, w.poly(q, table.SIN[24]), r)
        return turns, s, w.fma(q, w.fma(q, w.poly(q, table.COS[24]), -0.5), 1.0)
    t, r, low = _quarter_turns(w, x)
    (s, _), (c, _) = _sine(w, r, low), _cosine(w, r, low)
    return w.to_bits(t), s, c


def _turned(w: Arithmetic, turns: Number, s: Number, c: Number) -> Number:
    """sin of the rest and `turns` quarter turns: ±s or ±c."""
    y = w.where((turns & 1).equals(0), s, c)
    return w.from_bits(w.to_bits(y) ^ ((turns & 2) << (w.bits - 2)))


def sin(w: Arithmetic, x: Number) -> Number:
    turns, s, c = _parts(w, x)
    # Keeps −0, and the smallest numbers.
    return w.where(abs(x) < 2.0 ** -(w.mantissa // 2 + 4), x, _turned(w, turns, s, c))


def cos(w: Arithmetic, x: Number) -> Number:
    turns, s, c = _parts(w, x)
    return _turned(w, turns + 1, s, c)


def tan(w: Arithmetic, x: Number) -> Number:
    if w.single:
        return w.narrow(tan(w.wide(), w.widen(x)))
    t, r, low = _quarter_turns(w, x)
    even = (w.to_bits(t) & 1).equals(0)
    if w.digits < 53:
        q = r * r
        s = w.fma(r * q, w.poly(q, table.SIN[w.digits]), r)
        c = w.fma(q, w.fma(q, w.poly(q, table.COS[w.digits]), -0.5), 1.0)
        y = w.where(even, s, -c) / w.where(even, c, s)
    else:
        (s, s_low), (c, c_low) = _sine(w, r, low), _cosine(w, r, low)
        y, y_low = w.quotient(
            w.where(even, s, -c), w.where(even, s_low, -c_low), w.where(even, c, s), w.where(even, c_low, s_low)
        )
        y = y + y_low
    return w.where(abs(x) < 2.0 ** -(w.mantissa // 2 + 4), x, y)


def arctan(w: Arithmetic, x: Number) -> Number:
    """u + u³·P(u²) for u = |x| ≤ 1, and π/2 less that of u = 1/|x| beyond."""
    t = abs(x)
    beyond = t > 1.0
    u = w.where(beyond, 1.0 / t, t)
    q = u * u
    y = w.fma(u * q, w.poly(q, table.ATAN[w.digits]), u)
    high, low = table.QUARTER32 if w.single else table.QUARTER[:2]
    return w.copysign(w.where(beyond, high - (y - low), y), x)


@widely
def arctan2(w: Arithmetic, y: Number, x: Number) -> Number:
    """The angle of the smaller over the larger of |x| and |y|, in two parts, from the axis that it is nearest to."""
    a, c = abs(y), abs(x)
    steep = a > c
    top, bottom = w.where(steep, c, a), w.where(steep, a, c)
    if w.digits == 53:
        scale = w.where(bottom > 2.0**900, 2.0**-100, w.where(bottom < 2.0**-800, w.constant(2.0**200), 1.0))
        top, bottom = top * scale, bottom * scale
    # Two zeros and two infinities have angles too: those of the quotients 0 and 1.
    u = w.where(top.equals(bottom), w.where(bottom.equals(0.0), w.constant(0.0), 1.0), top / bottom)
    q = u * u
    if w.digits < 53:
        s, low = w.fma(u * q, w.poly(q, table.ATAN[w.digits]), u), w.constant(0.0)
    else:
        p, lost = w.times(u, bottom)
        rest = ((top - p) - lost) / bottom
        rest = w.where(abs(rest) < 2.0**-52, rest, 0.0)
        s, low = w.fast_two_sum(u, w.fma(u * q, w.poly(q, table.ATAN[w.digits]), rest / (q + 1.0)))
    left = w.to_bits(x) < 0
    back = steep ^ left
    half, pi = table.QUARTER, [2 * part for part in table.QUARTER]
    base = w.where(steep, half[0], w.where(left, w.constant(pi[0]), 0.0))
    y_low = w.where(back, -low, low) + w.where(steep, half[1], w.where(left, w.constant(pi[1]), 0.0))
    return w.copysign(base + (w.where(back, -s, s) + y_low), y)


def _arcsine(w: Arithmetic, x: Number) -> tuple[Number, Number, Number, Number, Number]:
    """(where |x| < ½, s, s² and what s lacks, (arcsin s − s)/s), s being |x| there and √((1 − |x|)/2) beyond."""
    t = abs(x)
    near = t < 0.5
    z = w.where(near, t * t, 0.5 - 0.5 * t)
    root = w.sqrt(z)
    p, lost = w.times(root, root)
    rest = w.where(near, 0.0, w.where(z > 0.0, ((z - p) - lost) / (root + root), 0.0))
    return near, w.where(near, t, root), z, rest, z * w.poly(z, table.ASIN[w.digits])


def arcsin(w: Arithmetic, x: Number) -> Number:
    near, s, _, rest, p = _arcsine(w, x)
    high, low = table.QUARTER32 if w.single else table.QUARTER[:2]
    y = w.fma(s, p, rest)
    far = high - (2.0 * s - (low - 2.0 * y))
    return w.copysign(w.where(near, s + y, far), x)


def arccos(w: Arithmetic, x: Number) -> Number:
    near, s, _, rest, p = _arcsine(w, x)
    high, low = table.QUARTER32 if w.single else table.QUARTER[:2]
    y = w.fma(s, p, rest)
    left = x < 0.0
    # π/2 ∓ arcsin |x| near 0; 2·arcsin of the root at the right end, π less that at the left one.
    middle = high - (w.copysign(s, x) - (low - w.copysign(y, x)))
    far = 2.0 * (s + y)
    return w.where(near, middle, w.where(left, 2.0 * high - (far - 2.0 * low), far))
