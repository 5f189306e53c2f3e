"""Definitions folded back: Σ_l e_nl → s_n, e_nl / s_n → p_nl, Σ_l p_nl → 1, tanh(z_nk) → a_nk."""

from __future__ import annotations

import itertools

from .expr import ONE, Expr, coefficient_of, cost, factors_of, mul, num, opened, rewrite, substitute, total
from .pull import softmax_of


class Definitions:
    """What forward lines define, looked up by the shape of an expression."""

    def __init__(self) -> None:
        self._whole: dict[str, list[tuple[Expr, Expr]]] = {}
        self._products: dict[str, list[tuple[Expr, Expr]]] = {}
        self._known: dict[Expr, Expr] = {}

    def define(self, e: Expr, left: Expr) -> None:
        """Enter the line ``left = e``."""
        if e.kind in "nvd" or (e.kind == "r" and all(i.kind == "v" for i in e.parts)):
            return
        self._known.clear()
        self._whole.setdefault(e.shape_key, []).append((e, left))
        if e.kind != "*":
            if softmax_of(e) is not None:
                self._sums_to_one(e, left)
            return
        parts = factors_of(e)
        sums = [b for b, p in parts if b.kind == "S" and p == 1]
        rest = [(b, -p) for b, p in parts if b.kind != "S"]
        if len(sums) == 1 and all(b.kind == "d" for b, _ in rest):
            scaled_back = mul(num(1 / e.data[0]), left, *rest)
            self._whole.setdefault(sums[0].shape_key, []).append((sums[0], scaled_back))
        if len(parts) >= 2 and e.data[0] == 1 and all(b.kind in "rSf" for b, _ in parts):
            self._products.setdefault(parts[0][0].shape_key, []).append((e, left))
            self._sums_to_one(e, left)

    def _sums_to_one(self, e: Expr, left: Expr) -> None:
        """p_nl = e_nl / Σ_l e_nl: then Σ_l p_nl is 1."""
        found = softmax_of(e)
        if found is not None:
            binder, point = found
            if binder.parts[0].kind != "S":
                entry = total(point, left)
                self._whole.setdefault(entry.shape_key, []).append((entry, ONE))
            return
        above = [b for b, p in factors_of(e) if p == 1]
        below = [b for b, p in factors_of(e) if p == -1]
        if len(above) != 1 or len(below) != 1:
            return
        for v in above[0].free - below[0].free:
            if self.fold(total(v, above[0])) is below[0] or total(v, above[0]) is below[0]:
                entry = total(v, left)
                self._whole.setdefault(entry.shape_key, []).append((entry, ONE))

    def fold(self, e: Expr) -> Expr:
        """`e` with every definition put back in."""
        if not self._whole:
            return e
        known = self._known.get(e)
        if known is None:
            known = self._known[e] = rewrite(e, self._at)
        return known

    def _at(self, e: Expr) -> Expr:
        if e.kind in "nvd":
            return e
        for pattern, left in self._whole.get(e.shape_key, ()):
            by: dict[Expr, Expr] = {}
            if matches(pattern, e, by) and cost(left) <= cost(e):
                return substitute(left, by)
        if e.kind == "*":
            return self._product(e)
        return e

    def _product(self, e: Expr) -> Expr:
        parts = factors_of(e)
        for b, _ in parts:
            for pattern, left in self._products.get(b.shape_key, ()):
                found = _subset(factors_of(pattern), parts)
                if found is not None:
                    by, used = found
                    rest = [x for n, x in enumerate(parts) if n not in used]
                    over = [(parts[n][0], parts[n][1] - p) for n, p in used.items()]
                    return self._at(mul(num(e.data[0]), substitute(left, by), *over, *rest))
        return self._under_sum(e, parts)

    def _under_sum(self, e: Expr, parts: list[tuple[Expr, float]]) -> Expr:
        """(Σ_l g_l · e_nl) / s_n: the divisor belongs to an e under the Σ."""
        for n, (b, p) in enumerate(parts):
            if b.kind != "S" or b.data[0] != "Σ" or p != 1:
                continue
            for m, (x, q) in enumerate(parts):
                if q >= 0 or x.kind not in "rS":
                    continue
                v, body = opened(b)
                inside = [*factors_of(body), (x, -1)]
                for y, _ in inside[:-1]:
                    for pattern, left in self._products.get(y.shape_key, ()):
                        found = _subset(factors_of(pattern), inside)
                        if found is None or len(inside) - 1 not in found[1]:
                            continue
                        by, used = found
                        rest = [z for k, z in enumerate(inside) if k not in used]
                        new = total(v, self.fold(mul(num(coefficient_of(body)), substitute(left, by), *rest)))
                        others = [z for k, z in enumerate(parts) if k not in (n, m)]
                        return self._at(mul(num(e.data[0]), self._at(new), (x, q + 1), *others))
        return e


def _subset(
    pattern: list[tuple[Expr, float]], parts: list[tuple[Expr, float]]
) -> tuple[dict[Expr, Expr], dict[int, float]] | None:
    """The factors among `parts` that the pattern's factors match, with at least their powers."""
    states: list[tuple[dict[Expr, Expr], dict[int, float]]] = [({}, {})]
    for b, p in pattern:
        new = []
        for by, used in states:
            for n, (x, q) in enumerate(parts):
                if n in used or x.shape_key != b.shape_key or p * q < 0 or abs(q) < abs(p):
                    continue
                tried = dict(by)
                if matches(b, x, tried):
                    new.append((tried, {**used, n: p}))
        states = new[:8]
        if not states:
            return None
    return states[0]


def matches(pattern: Expr, e: Expr, by: dict[Expr, Expr]) -> bool:
    """Is `e` the pattern with other indices? Extends `by` with which."""
    if pattern.kind == "v" and pattern.data[1] > 0:
        if e.kind != "v":
            return False
        return by.setdefault(pattern, e) is e
    if pattern.kind != e.kind or pattern.data != e.data or len(pattern.parts) != len(e.parts):
        return False
    if not pattern.parts:
        return pattern is e
    tried = dict(by)
    if all(matches(p, x, tried) for p, x in zip(pattern.parts, e.parts, strict=True)):
        by.update(tried)
        return True
    if pattern.kind in "*+" and len(pattern.parts) <= 4:
        return _reordered(pattern, e, by)
    return False


def _reordered(pattern: Expr, e: Expr, by: dict[Expr, Expr]) -> bool:
    with_data = list(zip(pattern.parts, pattern.data[1] if pattern.kind == "*" else pattern.data, strict=True))
    other = list(zip(e.parts, e.data[1] if e.kind == "*" else e.data, strict=True))
    for order in itertools.permutations(other):
        if all(p.shape_key == x.shape_key and c == d for (p, c), (x, d) in zip(with_data, order, strict=True)):
            tried = dict(by)
            if all(matches(p, x, tried) for (p, _), (x, _) in zip(with_data, order, strict=True)):
                by.update(tried)
                return True
    return False


__all__ = ["Definitions", "matches"]
