"""The index form: expressions over indices, in a normal form of sums of products.

An expression is built by the functions below and by nothing else, so equal expressions are the same object:

>>> i = var(0)
>>> a, b = ref(1, (i,)), ref(2, (i,))
>>> mul(a, b) is mul(b, a)
True
>>> add(mul(a, b), mul(num(-1), b, a)) is ZERO
True
>>> total(i, mul(num(2), a)) is mul(num(2), total(var(0), a)) or "bound indices have no name of their own"
'bound indices have no name of their own'

=====  ==========================================  ===========================================================
kind   data, parts                                 meaning
=====  ==========================================  ===========================================================
n      the number                                  a number
c      "i" or "π"                                  the imaginary unit, π
d      axis class                                  the length of an axis, as a symbol
v      axis class, number                          an index; bound ones have negative numbers
r      symbol; indices                             an entry of an array
\\*     coefficient, powers; factors                a product
\\+     coefficients; terms                         a sum of terms
S      word, axis class, bound index; body         Σ, Π, max, min or logsumexp over an index
f      name; arguments                             an elementwise function
I      sign; left, right                           Iverson bracket [left sign right], 1 or 0
B      axis class; entry                           [0 ≤ entry < length]
=====  ==========================================  ===========================================================
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any
from weakref import WeakValueDictionary


class Expr:
    """One interned expression; compare with ``is``."""

    __slots__ = ("__weakref__", "_cost", "data", "depth", "free", "key", "kind", "parts", "real", "refs", "shape_key")

    kind: str
    data: Any
    parts: tuple[Expr, ...]
    shape_key: str
    key: str
    free: frozenset[Expr]
    depth: int
    refs: frozenset[int]
    real: bool
    """Is its value a real number by what it is made of?"""
    _cost: float | None

    def __repr__(self) -> str:
        return self.key


class OfComplex(int):
    """The number of a symbol whose entries are complex."""


_table: WeakValueDictionary[Any, Expr] = WeakValueDictionary()
_NOTHING: frozenset[Any] = frozenset()
_numbers = itertools.count(1)


def _make(kind: str, data: Any, parts: tuple[Expr, ...] = ()) -> Expr:
    known = (kind, data, parts, type(data) is OfComplex)
    found = _table.get(known)
    if found is not None:
        return found
    e = Expr()
    e.kind, e.data, e.parts, e._cost = kind, data, parts, None
    e.real = _is_real(kind, data, parts)
    if kind == "v":
        e.shape_key = f"v{data[0]}" if data[1] > 0 else f"v{data[0]}.{-data[1]}"
        e.key = f"v{data[0]}.{data[1]:09d}"
        e.free = frozenset((e,))
        e.depth, e.refs = 0, _NOTHING
    else:
        # Powers and coefficients belong to the shape of an expression, index names do not.
        head = f"{kind}{data}"
        e.shape_key = f"{head}({','.join(p.shape_key for p in parts)})"
        e.key = f"{head}({','.join(p.key for p in parts)})"
        free: frozenset[Expr] = _NOTHING.union(*[p.free for p in parts]) if parts else _NOTHING
        depth = max((p.depth for p in parts), default=0)
        if kind == "S":
            depth += 1
            free = free - {_make("v", (data[1], data[2]))}
        e.free, e.depth = free, depth
        refs: frozenset[int] = _NOTHING.union(*[p.refs for p in parts]) if parts else _NOTHING
        e.refs = refs | {data} if kind == "r" else refs
    _table[known] = e
    return e


def _is_real(kind: str, data: Any, parts: tuple[Expr, ...]) -> bool:
    if kind == "c":
        return data != "i"
    if kind == "r":
        return type(data) is not OfComplex
    if kind == "f":
        from .complexes import gives_real

        return gives_real(data, tuple([p.real for p in parts]))
    return kind in "nvdIB" or all(p.real for p in parts)


def num(c: float) -> Expr:
    c = float(c)
    return _make("n", c + 0.0)


ZERO, ONE = num(0), num(1)
IMAGINARY, PI = _make("c", "i"), _make("c", "π")


def complex_num(z: complex) -> Expr:
    return add(num(z.real), mul(num(z.imag), IMAGINARY))


def dim(axis: int) -> Expr:
    return _make("d", axis)


def var(axis: int) -> Expr:
    """A fresh index along an axis of this class."""
    return _make("v", (axis, next(_numbers)))


def ref(symbol: int, indices: Iterable[Expr]) -> Expr:
    return _make("r", symbol, tuple(indices))


def fn(name: str, *args: Expr) -> Expr:
    return _make("f", name, args)


def bracket(sign: str, a: Expr, b: Expr) -> Expr:
    if a is b:
        return ONE if sign in ("=", "≤", "≥") else ZERO
    if a.kind == b.kind == "n":
        x, y = a.data, b.data
        holds = {"=": x == y, "≠": x != y, "<": x < y, "≤": x <= y, ">": x > y, "≥": x >= y}[sign]
        return ONE if holds else ZERO
    return _make("I", sign, (a, b))


def within(e: Expr, axis: int) -> Expr:
    """[0 ≤ e < length of the axis]"""
    return ONE if e.kind == "v" and e.data[0] == axis else _make("B", axis, (e,))


def is_binary(e: Expr) -> bool:
    """Is it 0 or 1 by construction?"""
    return e.kind in "IB" or (e.kind == "f" and e.data in ("not", "and", "or"))


# ---- products and sums
Factor = Expr | tuple[Expr, float]


def mul(*items: Factor) -> Expr:
    """The product of expressions and (base, power) pairs."""
    coefficient = 1.0
    powers: dict[Expr, float] = {}
    stack: list[Factor] = list(reversed(items))
    while stack:
        item = stack.pop()
        e, p = (item, 1) if isinstance(item, Expr) else item
        c: Any = e.data
        if e.kind == "n" and (c != 0 or p > 0) and (c > 0 or float(p).is_integer()):
            coefficient *= c**p
        elif e.kind == "*" and (p == 1 or float(p).is_integer()):
            coefficient *= e.data[0] ** p
            stack += [(b, q * p) for b, q in zip(e.parts, e.data[1], strict=True)]
        elif e.kind == "f" and e.data == "√" and p in (2, -2, 4, -4):
            stack.append((e.parts[0], p // 2))
        elif is_binary(e) and p > 0:
            powers[e] = 1
        else:
            powers[e] = powers.get(e, 0) + p
    if coefficient == 0:
        return ZERO
    turns = powers.get(IMAGINARY, 0)
    if float(turns).is_integer() and turns:
        coefficient *= -1 if turns % 4 in (2, 3) else 1
        powers[IMAGINARY] = turns % 2
    for b in [b for b in powers if b.kind == "f" and b.data == "conj"]:
        _squared_size(b, powers)
    factors: list[tuple[Expr, float]] = sorted([(b, p) for b, p in powers.items() if p != 0], key=_factor_key)
    if any(b.kind == "f" and b.data == "√" and p in (2, -2, 4, -4) for b, p in factors):
        return mul(num(coefficient), *factors)
    if not factors:
        return num(coefficient)
    if coefficient == 1 and len(factors) == 1 and factors[0][1] == 1:
        return factors[0][0]
    return _make("*", (coefficient, tuple(_whole(p) for _, p in factors)), tuple(b for b, _ in factors))


def _squared_size(conjugate: Expr, powers: dict[Expr, float]) -> None:
    """z conj(z) → |z|²"""
    z = conjugate.parts[0]
    p, q = powers[conjugate], powers.get(z, 0)
    if p * q > 0:
        shared = min(p, q, key=abs)
        size = fn("abs", z)
        powers[conjugate], powers[z], powers[size] = p - shared, q - shared, powers.get(size, 0) + 2 * shared


def _whole(p: float) -> float:
    return int(p) if float(p).is_integer() else p


def _factor_key(item: tuple[Expr, float]) -> tuple[str, str]:
    return item[0].shape_key, item[0].key


def factors_of(e: Expr) -> list[tuple[Expr, float]]:
    """(base, power) pairs without the coefficient."""
    if e.kind == "*":
        return list(zip(e.parts, e.data[1], strict=True))
    return [] if e.kind == "n" else [(e, 1)]


def coefficient_of(e: Expr) -> float:
    return e.data[0] if e.kind == "*" else e.data if e.kind == "n" else 1.0


def power(e: Expr, p: float) -> Expr:
    return mul((e, p))


def negate(e: Expr) -> Expr:
    return mul(num(-1), e)


def add(*items: Expr) -> Expr:
    terms: dict[Expr, float] = {}
    for item in items:
        for c, t in terms_of(item):
            terms[t] = terms.get(t, 0.0) + c
    kept = [(t, c) for t, c in terms.items() if abs(c) > 1e-15]
    if not kept:
        return ZERO
    if len(kept) == 1:
        return mul(num(kept[0][1]), kept[0][0])
    kept.sort(key=lambda item: (item[0].shape_key, item[0].key))
    return _make("+", tuple(c for _, c in kept), tuple(t for t, _ in kept))


def terms_of(e: Expr) -> list[tuple[float, Expr]]:
    """(coefficient, term) pairs; a number is a multiple of 1."""
    if e.kind == "+":
        return list(zip(e.data, e.parts, strict=True))
    if e.kind == "*":
        return [(e.data[0], mul(*factors_of(e)))]
    if e.kind == "n":
        return [(e.data, ONE)] if e.data else []
    return [(1.0, e)]


def scaled(terms: Iterable[tuple[float, Expr]]) -> Expr:
    return add(*[mul(num(c), t) for c, t in terms])


# ---- binders
def bind(word: str, v: Expr, body: Expr) -> Expr:
    """Σ, Π, max, min, logsumexp over the free index v, without simplifying."""
    number = -(body.depth + 1)
    bound = _make("v", (v.data[0], number))
    return _make("S", (word, v.data[0], number), (swap(body, v, bound),))


def opened(e: Expr) -> tuple[Expr, Expr]:
    """(a fresh index, the body at that index) of a binder."""
    _, axis, number = e.data
    v = var(axis)
    return v, swap(e.parts[0], _make("v", (axis, number)), v)


def inside(e: Expr) -> tuple[Expr, Expr]:
    """(the bound index, the body) of a binder as they are, for who only looks: inner binders have other numbers."""
    _, axis, number = e.data
    return _make("v", (axis, number)), e.parts[0]


def swap(e: Expr, old: Expr, new: Expr) -> Expr:
    """Rename one index, also a bound one whose binder was taken off."""
    return _rebuild(e, {old: new})


def total(v: Expr, e: Expr) -> Expr:
    """Σ_v e: factors without v come out, and [v = j] picks one term."""
    if v not in e.free:
        return mul(dim(v.data[0]), e)
    parts = factors_of(e)
    for b, p in parts:
        if b.kind == "I" and b.data == "=":
            for one, other in (b.parts, b.parts[::-1]):
                if one is v and v not in other.free and p == 1:
                    rest = mul(num(coefficient_of(e)), *[(x, q) for x, q in parts if x is not b])
                    return substitute(rest, {v: other})
    outside = [(b, p) for b, p in parts if v not in b.free]
    if e.kind == "*" and (outside or e.data[0] != 1):
        inside = [(b, p) for b, p in parts if v in b.free]
        return mul(num(e.data[0]), *outside, total(v, mul(*inside)))
    return bind("Σ", v, e)


# ---- substitution
def substitute(e: Expr, by: dict[Expr, Expr]) -> Expr:
    """Replace free indices (or whole subexpressions) throughout."""
    return _rebuild(e, by)


def _rebuild(e: Expr, by: dict[Expr, Expr], known: dict[Expr, Expr] | None = None) -> Expr:
    found = by.get(e)
    if found is not None:
        return found
    if not e.parts or not (any(k in e.free for k in by) or any(k.kind != "v" for k in by)):
        return e
    if known is None:
        known = {}
    found = known.get(e)
    if found is None:
        if e.kind == "S":
            found = _rebuilt_binder(e, by, known)
        else:
            found = with_parts(e, [_rebuild(p, by, known) for p in e.parts])
        known[e] = found
    return found


def _rebuilt_binder(e: Expr, by: dict[Expr, Expr], known: dict[Expr, Expr]) -> Expr:
    word, axis, _ = e.data
    bound, body = inside(e)
    if bound in by:
        by, known = {k: x for k, x in by.items() if k is not bound}, {}
    if not any(bound in x.free for x in by.values()):
        new = _rebuild(body, by, known)
        # Nothing but names has changed: the binder closes as it was. Opening it would take each nest three times.
        if new.depth == body.depth and new.kind == body.kind and cost(new) == cost(body):
            return _make("S", e.data, (new,))
    v = var(axis)
    body = _rebuild(_rebuild(body, {bound: v}), by)
    return total(v, body) if word == "Σ" else bind(word, v, body)


def with_parts(e: Expr, parts: list[Expr]) -> Expr:
    """The same head over other parts, brought to normal form (not for binders)."""
    if e.kind == "*":
        return mul(num(e.data[0]), *zip(parts, e.data[1], strict=True))
    if e.kind == "+":
        return scaled(zip(e.data, parts, strict=True))
    if e.kind == "I":
        return bracket(e.data, *parts)
    if e.kind == "B":
        return within(parts[0], e.data)
    if e.kind == "f" and e.data in ("conj", "Re", "Im"):
        from .complexes import PARTS

        return PARTS[e.data](parts[0])
    if e.kind == "f" and e.data in ("div", "mod"):
        from .integer import quotient, remainder

        return quotient(*parts) if e.data == "div" else remainder(*parts)
    return _make(e.kind, e.data, tuple(parts))


def rewrite(e: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """`change` at every subexpression, leaves first; binders are opened and closed again."""
    if e.kind == "S":
        v, body = opened(e)
        new = rewrite(body, change)
        if new is body:
            return change(e)
        return change(total(v, new) if e.data[0] == "Σ" else bind(e.data[0], v, new))
    if not e.parts or e.kind == "r":
        return change(e)
    parts = [rewrite(p, change) for p in e.parts]
    same = all(a is b for a, b in zip(parts, e.parts, strict=True))
    return change(e if same else with_parts(e, parts))


def cost(e: Expr) -> float:
    """How long it reads. Measured on what people write: an index is free, a name counts one, a Σ one and a half."""
    if e._cost is None:
        e._cost = _cost(e)
    return e._cost


def _cost(e: Expr) -> float:
    if e.kind == "v":
        return 0.0
    if e.kind in "nd":
        return 0.6
    if e.kind == "c":
        return 0.3
    if e.kind == "r":
        return 1.0
    if e.kind == "*":
        c, powers = e.data
        return (
            0.1
            + (0.0 if abs(c) == 1 else 0.6)
            + sum(cost(b) + (0.3 if abs(p) != 1 else 0.0) for b, p in zip(e.parts, powers, strict=True))
        )
    if e.kind == "+":
        return 0.3 + sum(cost(t) + 0.2 + (0.0 if abs(c) == 1 else 0.6) for c, t in zip(e.data, e.parts, strict=True))
    if e.kind == "S":
        return 1.5 + cost(e.parts[0])
    return {"conj": 0.2, "Re": 0.5, "Im": 0.5}.get(e.data, 1.0) + sum(cost(p) for p in e.parts)


def contains(part: Expr, expressions: Iterable[Expr]) -> bool:
    """Does it stand anywhere in them?"""
    stack, seen = list(expressions), set[Expr]()
    while stack:
        e = stack.pop()
        if e is part:
            return True
        if e not in seen:
            seen.add(e)
            stack += e.parts
    return False


def has_sum(e: Expr) -> bool:
    return e.depth > 0
