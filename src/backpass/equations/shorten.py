"""Shortening a backward pass: adjoints that nothing reads go, those with one reader move into it if shorter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .algebra import simplify
from .expr import Expr, cost, factors_of, rewrite, substitute
from .line import Line

if TYPE_CHECKING:
    from .build import Builder


def shorten(builder: Builder) -> None:
    """Drop and merge until nothing changes."""
    for _ in range(6):
        before = [(line.symbol.number, line.expr) for line in builder.backward]
        drop(builder)
        merge(builder)
        drop(builder)
        if before == [(line.symbol.number, line.expr) for line in builder.backward]:
            break
    builder.order_gradients()
    for line in builder.late:
        others = [m for m in builder.forward + builder.backward if m is not line]
        if not any(line.symbol.number in m.reads for m in others):
            builder.forward.remove(line)


def readers_of(lines: list[Line]) -> dict[int, list[Line]]:
    out: dict[int, list[Line]] = {}
    for line in lines:
        for n in line.reads:
            out.setdefault(n, []).append(line)
    return out


def drop(builder: Builder) -> None:
    """Adjoints that nothing reads."""
    readers = readers_of(builder.backward)
    gone: set[int] = set()
    for line in reversed(builder.backward):
        if line.kind != "gradient" and all(id(m) in gone for m in readers.get(line.symbol.number, [])):
            gone.add(id(line))
    builder.backward = [line for line in builder.backward if id(line) not in gone]


def merge(builder: Builder) -> None:
    """Adjoints with one reader go into it where that is shorter."""
    changed = True
    while changed:
        changed = False
        readers = readers_of(builder.backward)
        gone: set[int] = set()
        for line in builder.backward:
            mine = [m for m in readers.get(line.symbol.number, []) if id(m) not in gone]
            new = _merged(builder, line, mine[0]) if len(mine) == 1 and mine[0] is not line else None
            if new is None:
                continue
            m = mine[0]
            m.expr = new
            m.forms.clear()
            gone.add(id(line))
            for n in new.refs:
                readers.setdefault(n, []).append(m)
            changed = True
        builder.backward = [line for line in builder.backward if id(line) not in gone]


def _merged(builder: Builder, line: Line, into: Line) -> Expr | None:
    """The right side of `into` with the line put in, where that is worth it."""
    if line.of is None or into.of is None or line.expr is None or into.expr is None:
        return None
    if line.kind == "gradient" or line.of.number in builder.delta_name:
        return None
    if into.of.role == "theta" and into.of.shape != ():
        return None
    own, other = cost(line.expr), cost(into.expr)
    if builder.worn() or own > 14 or own + other > 30:
        return None
    pair = (line.of.base, into.of.base, own, other)
    if pair in builder.apart:
        return None
    new = simplify(put_in(into.expr, line), builder.definitions.fold)
    if cost(new) > min(own + other - 1, _limit(builder, line, into)):
        builder.apart.add(pair)
        return None
    return new


def _limit(builder: Builder, line: Line, into: Line) -> float:
    """An activation's adjoint always goes into its δ."""
    assert into.of is not None
    assert line.of is not None
    activation = builder.roles.activation.get(into.of.position if into.of.position is not None else -1)
    return 12.0 if into.of.number in builder.delta_name and activation == line.of.position else 6.0


def under_sum(e: Expr, symbol: int) -> bool:
    """Is the symbol read under a Σ?"""
    if symbol not in e.refs:
        return False
    return e.kind == "S" or any(under_sum(p, symbol) for p in e.parts)


def contraction(e: Expr) -> bool:
    """Is it one product of arrays, up to numbers?"""
    arrays = [b for b, _ in factors_of(e) if b.free]
    return len(arrays) == 1 and arrays[0].kind == "S"


def put_in(e: Expr, line: Line) -> Expr:
    """The right side of a line in place of its left."""
    symbol, right = line.symbol.number, line.expr
    assert right is not None
    own = [i for i in line.indices if i.kind == "v"]

    def at(x: Expr) -> Expr:
        if x.kind != "r" or x.data != symbol:
            return x
        return substitute(right, dict(zip(own, x.parts, strict=True)))

    return rewrite(e, at)


__all__ = ["contraction", "put_in", "shorten", "under_sum"]
