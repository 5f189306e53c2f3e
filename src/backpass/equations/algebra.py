"""Cost-chosen algebra: factor or distribute only where the text gets shorter, and fold definitions back.

``simplify`` tries the sum as it stands, factored, expanded, and partly factored, and keeps the cheapest to read.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from .expr import (
    Expr,
    add,
    bind,
    cost,
    factors_of,
    has_sum,
    mul,
    num,
    opened,
    rewrite,
    scaled,
    substitute,
    terms_of,
    total,
    with_parts,
)

LARGE = 60.0
"""Cost above which an expression is left as it is: nobody reads it, and expanding it could take for ever."""
Fold = Callable[[Expr], Expr]


def factor(e: Expr) -> Expr:
    """Common factors out of every sum."""
    if e.kind == "+":
        e = scaled([(c, factor(t)) for c, t in terms_of(e)])
        return _common(e) if e.kind == "+" else e
    if e.kind == "*":
        return mul(num(e.data[0]), *[(factor(b), p) for b, p in factors_of(e)])
    if e.kind == "S":
        v, body = opened(e)
        inner = factor(body)
        if inner is body:
            return e
        return total(v, inner) if e.data[0] == "Σ" else bind(e.data[0], v, inner)
    if e.kind == "f":
        return with_parts(e, [factor(a) for a in e.parts])
    return e


def _common(e: Expr) -> Expr:
    terms = terms_of(e)
    maps = [dict(factors_of(t)) for _, t in terms]
    first = maps[0]
    common = {
        b: min((m[b] for m in maps), key=abs)
        for b in first
        if all(b in m and (m[b] > 0) == (first[b] > 0) for m in maps)
    }
    coefficients = [c for c, _ in terms]
    c = 1.0
    if all(abs(abs(x) - abs(coefficients[0])) < 1e-15 for x in coefficients) and abs(coefficients[0]) != 1:
        c = abs(coefficients[0])
    if all(x < 0 for x in coefficients):
        c = -c
    if not common and c == 1:
        return e
    inverse = [(b, -p) for b, p in common.items()]
    inner = add(*[mul(num(x / c), t, *inverse) for x, t in terms])
    if cost(inner) < cost(e):
        inner = factor(inner)
    return mul(num(c), *common.items(), inner)


def expand(e: Expr) -> Expr:
    """Products of sums multiplied out, also under a Σ."""
    if e.kind == "*":
        parts = [(expand(b), p) for b, p in factors_of(e)]
        sums = [terms_of(b) for b, p in parts if b.kind == "+" and p == 1]
        rest = [(b, p) for b, p in parts if not (b.kind == "+" and p == 1)]
        count = 1
        for s in sums:
            count *= len(s)
        if sums and count <= 64:
            return add(
                *[
                    mul(num(e.data[0]), *rest, *[mul(num(c), t) for c, t in choice])
                    for choice in itertools.product(*sums)
                ]
            )
        return mul(num(e.data[0]), *parts)
    if e.kind == "+":
        return scaled([(c, expand(t)) for c, t in terms_of(e)])
    if e.kind == "S" and e.data[0] == "Σ":
        v, body = opened(e)
        inner = expand(body)
        if inner.kind == "+":
            return scaled([(c, expand_total(v, t)) for c, t in terms_of(inner)])
        return total(v, inner)
    return e


def expand_total(v: Expr, e: Expr) -> Expr:
    return total(v, e)


def partly(e: Expr) -> Expr:
    """A factor that some terms share, taken out of those, while that makes the text shorter."""
    if e.kind == "*":
        return mul(num(e.data[0]), *[(partly(b), p) for b, p in factors_of(e)])
    if e.kind != "+":
        return e
    terms = terms_of(e)
    sharing: dict[Expr, list[tuple[float, Expr]]] = {}
    for c, t in terms:
        for b, p in factors_of(t):
            if b.kind != "d" and p == 1:
                sharing.setdefault(b, []).append((c, t))
    best: Expr | None = None
    for b, mine in sharing.items():
        if len(mine) < 2:
            continue
        rest = [x for x in terms if x not in mine]
        inner = add(*[mul(num(c), t, (b, -1)) for c, t in mine])
        new = add(scaled(rest), mul(b, factor(inner)))
        if cost(new) < (cost(best) if best is not None else cost(e) + 0.25):
            best = new
    return partly(best) if best is not None else e


def distributed(e: Expr) -> Iterator[Expr]:
    """One sum multiplied out, the others kept, so that (1 − p)/(1 − p) can cancel."""
    if e.kind == "*":
        parts = factors_of(e)
        for n, (b, p) in enumerate(parts):
            if b.kind == "+" and p == 1:
                others = [x for m, x in enumerate(parts) if m != n]
                yield add(*[mul(num(c * e.data[0]), t, *others) for c, t in terms_of(b)])
    if e.kind == "+":
        terms = terms_of(e)
        for n, (c, t) in enumerate(terms):
            for x in distributed(t):
                yield add(*[mul(num(d), u) for m, (d, u) in enumerate(terms) if m != n], mul(num(c), x))


def sift(e: Expr) -> Expr:
    """[l = y] · f(l) → [l = y] · f(y)"""
    if e.kind == "+":
        return scaled([(c, sift(t)) for c, t in terms_of(e)])
    if e.kind != "*":
        return e
    parts = factors_of(e)
    for b, _ in parts:
        if b.kind == "I" and b.data == "=" and b.parts[0].kind == "v" and b.parts[1].kind == "r":
            v, place = b.parts
            return mul(num(e.data[0]), b, *[(substitute(x, {v: place}), q) for x, q in parts if x is not b])
    return mul(num(e.data[0]), *[(sift(b), p) for b, p in parts])


def inside_sums(e: Expr, change: Fold) -> Expr:
    """`change` at the body of every Σ: what stands under the sum is simplified by itself."""

    def at(x: Expr) -> Expr:
        if x.kind == "S" and x.data[0] == "Σ":
            v, body = opened(x)
            new = change(body)
            if new is not body:
                other = total(v, new)
                return other if cost(other) < cost(x) else x
        return x

    return rewrite(e, at) if has_sum(e) else e


def split_sums(e: Expr) -> Expr:
    """Σ (a + b) → Σ a + Σ b where that is shorter: one of them may pick a single term or vanish."""

    def at(x: Expr) -> Expr:
        if x.kind == "S" and x.data[0] == "Σ":
            v, body = opened(x)
            if body.kind == "+":
                parts = scaled([(c, total(v, t)) for c, t in terms_of(body)])
                if cost(parts) < cost(x):
                    return parts
        return x

    return rewrite(e, at) if has_sum(e) else e


def vanishes(e: Expr, fold: Fold) -> bool:
    """Is it 0 by algebra alone? Everything is multiplied out, whatever the length on the way."""
    for _ in range(3):
        e = fold(sift(fold(expand(e))))
        if e.kind == "n":
            return e.data == 0
        if cost(e) > 4 * LARGE:
            return False
    return False


def simplify(e: Expr, fold: Fold) -> Expr:
    """The cheapest of the equal forms that these steps reach."""
    best = fold(split_sums(e))
    if cost(best) > LARGE:
        return best
    for _ in range(4):
        candidates = [best, factor(best)]
        if cost(best) <= LARGE / 2:
            wide = expand(best)
            candidates += [factor(wide), fold(sift(wide)), inside_sums(best, lambda body: simplify(body, fold))]
            candidates.append(factor(candidates[3]))
            for x in itertools.islice(distributed(best), 6):
                candidates += [factor(x), factor(expand(x))]
        candidates = [fold(split_sums(c)) for c in dict.fromkeys(candidates)]
        candidates += [partly(c) for c in candidates]
        new = min(candidates, key=cost)
        if cost(new) >= cost(best) - 1e-9:
            return best
        best = new
    return best


__all__ = ["expand", "factor", "simplify", "vanishes"]
