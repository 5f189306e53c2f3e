"""Solving t = I for the indices that are summed over: shifts, strides, merged and split axes, gathers.

>>> from .axes import Axes
>>> from .expr import add, ref, var
>>> axes = Axes(); axes.enter("u", (4, 5)); axes.enter("v", (8,))
>>> p, r, t = var(0), var(1), var(2)                   # u has axes p and r; v was read at p + r
>>> solved(axes, ref(1, (p, r)), (p, r), [(t, add(p, r))]).kind     # Σ_r u_{t − r, r} [0 ≤ t − r < P]
'S'
"""

from __future__ import annotations

from .axes import Axes
from .expr import ONE, ZERO, Expr, add, bracket, dim, mul, negate, num, scaled, substitute, terms_of, total, within
from .integer import quotient, remainder

Pairs = list[tuple[Expr, Expr]]


def solved(axes: Axes, g: Expr, scope: tuple[Expr, ...], pairs: Pairs) -> Expr:
    """Σ over `scope` of g · Π [t = I] for the (t, I) in `pairs`."""
    left = list(scope)
    while pairs:
        found = _plain(axes, pairs, left) or _radix(axes, pairs, left) or _parts(pairs, left) or _shift(pairs, left)
        if found is None:
            break
        used, by, test = found
        left = [v for v in left if v not in by]
        pairs = [(t, substitute(i, by)) for t, i in pairs if (t, i) not in used]
        g = mul(substitute(g, by), test)
    g = mul(g, *[bracket("=", t, i) for t, i in pairs])
    for v in reversed(left):
        g = total(v, g)
    return g


Found = tuple[Pairs, dict[Expr, Expr], Expr]


def _plain(axes: Axes, pairs: Pairs, left: list[Expr]) -> Found | None:
    """t = v; where v runs over the first entries of a longer axis only, t must be one of them."""
    for t, i in pairs:
        if i in left:
            shorter = t.kind == "v" and axes.length[axes.find(i.data[0])] < axes.length[axes.find(t.data[0])]
            return [(t, i)], {i: t}, within(t, i.data[0]) if shorter else ONE
    return None


def _radix(axes: Axes, pairs: Pairs, left: list[Expr]) -> Found | None:
    """t = (v₁ · D₂ + v₂) · D₃ + v₃: the digits of t."""
    for t, i in pairs:
        terms = terms_of(i) if i.kind == "+" else []
        digits = {}
        for c, term in terms:
            v = [x for x in term.free if x in left]
            if c == 1 and len(v) == 1:
                radix = mul(term, (v[0], -1))
                if v[0] not in radix.free:
                    digits[radix] = v[0]
        if len(digits) != len(terms) or not terms:
            continue
        by: dict[Expr, Expr] = {}
        radix, rest, size = ONE, t, 1
        while radix in digits:
            v = digits[radix]
            width = dim(v.data[0])
            size *= axes.length[axes.find(v.data[0])]
            last = len(by) + 1 == len(digits)
            by[v] = rest if last else remainder(rest, width)
            rest = quotient(rest, width)
            radix = mul(radix, width)
        if len(by) == len(digits) and t.kind == "v" and size == axes.length[axes.find(t.data[0])]:
            return [(t, i)], by, ONE
    return None


def _parts(pairs: Pairs, left: list[Expr]) -> Found | None:
    """t₁ = ⌊v / D⌋, t₂ = v mod D: v = t₁ · D + t₂."""
    for v in left:
        mine = [(t, i) for t, i in pairs if v in i.free]
        digits: dict[Expr, tuple[Expr, Expr | None]] = {}
        for t, i in mine:
            modulus, inner = (i.parts[1], i.parts[0]) if i.kind == "f" and i.data == "mod" else (None, i)
            radix, inner = (
                (inner.parts[1], inner.parts[0]) if inner.kind == "f" and inner.data == "div" else (ONE, inner)
            )
            if inner is v:
                digits[radix] = (t, modulus)
        if len(digits) < 2 or len(digits) != len(mine):
            continue
        radix, value, seen, modulus = ONE, ZERO, 0, ONE
        while radix in digits and modulus is not None:
            t, modulus = digits[radix]
            value = add(value, mul(t, radix))
            seen += 1
            if modulus is not None:
                radix = mul(radix, modulus)
        if seen == len(digits) and modulus is None:
            return mine, {v: value}, ONE
    return None


def _shift(pairs: Pairs, left: list[Expr]) -> Found | None:
    """t = ±v + rest: v = ±(t − rest), if it is an index at all."""
    for t, i in pairs:
        for c, term in terms_of(i):
            if term in left and abs(c) == 1:
                rest = add(i, mul(num(-c), term))
                if term not in rest.free:
                    place = scaled([(c * k, x) for k, x in terms_of(add(t, negate(rest)))])
                    return [(t, i)], {term: place}, within(place, term.data[0])
    return None


__all__ = ["solved"]
