"""Whole-number arithmetic of positions: where an entry goes when axes are merged and split.

>>> from .expr import add, dim, mul, num, var
>>> h, e = var(0), var(1)
>>> flat = add(mul(h, dim(1)), e)
>>> quotient(flat, dim(1)) is h, remainder(flat, dim(1)) is e
(True, True)
"""

from __future__ import annotations

from .expr import ZERO, Expr, add, coefficient_of, dim, factors_of, fn, mul, num, power, scaled, terms_of


def _divided(c: float, t: Expr, by: Expr) -> Expr | None:
    """(c · t) / by, when by is one of its factors."""
    if by.kind == "n":
        return mul(num(c / by.data), t) if (c / by.data).is_integer() else None
    wanted = dict(factors_of(by))
    have = dict(factors_of(t))
    if all(have.get(b, 0) >= p for b, p in wanted.items()) and (c / coefficient_of(by)).is_integer():
        return mul(num(c), t, power(by, -1))
    return None


def _below(e: Expr, by: Expr) -> bool:
    """Is 0 <= e < by for certain? e is a mixed-radix number: its highest index ranges over what is left of `by`."""
    if e.kind == "v":
        return by is dim(e.data[0])
    if e.kind == "f" and e.data == "mod":
        return e.parts[1] is by
    if e.kind != "+":
        return False
    for c, t in terms_of(e):
        for b, p in factors_of(t):
            if b.kind == "v" and p == 1 and c == 1:
                radix = mul(*[(x, q) for x, q in factors_of(t) if x is not b])
                rest = add(e, mul(num(-1), t))
                if mul(radix, dim(b.data[0])) is by and _below(rest, radix):
                    return True
    return False


def _split(e: Expr, by: Expr) -> tuple[Expr, Expr]:
    """e = by · first + second, by the terms that `by` divides."""
    first, second = [], []
    for c, t in terms_of(e):
        q = _divided(c, t, by)
        if q is None:
            second.append((c, t))
        else:
            first.append(q)
    return add(*first), scaled(second)


def quotient(e: Expr, by: Expr) -> Expr:
    """⌊e / by⌋"""
    if by.kind == "n" and by.data == 1:
        return e
    if e.kind == by.kind == "n":
        return num(e.data // by.data)
    if e.kind == "f" and e.data == "div":
        return quotient(e.parts[0], mul(e.parts[1], by))
    first, second = _split(e, by)
    if second is ZERO or _below(second, by):
        return first
    return fn("div", e, by)


def remainder(e: Expr, by: Expr) -> Expr:
    """e mod by"""
    if by.kind == "n" and by.data == 1:
        return ZERO
    if e.kind == by.kind == "n":
        return num(e.data % by.data)
    _, second = _split(e, by)
    if second is ZERO or _below(second, by):
        return second
    return fn("mod", second, by)


__all__ = ["quotient", "remainder"]
