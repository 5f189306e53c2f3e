"""Local partials as they are printed: ∂a_nk/∂z_nk = 1 − a_nk², one for each way in which a line reads a symbol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .differentiate import Backward
from .expr import ONE, ZERO, Expr, add, bracket, mul, substitute, total, var
from .layout import Fraction, Layout, Row, Script, Token
from .line import Line
from .write_index import IndexWriter, Letters, name_of

if TYPE_CHECKING:
    from .build import Builder
    from .sheet import Sheet


@dataclass(frozen=True, eq=False)
class Local:
    """∂u/∂v: u at `there`, read at v's entry `here`."""

    line: Line
    """The line of u."""
    to: int
    there: tuple[Expr, ...]
    here: tuple[Expr, ...]
    factor: Expr

    def layout(self, sheet: Sheet, letters: Letters) -> tuple[Layout, Layout, dict[str, int]]:
        """(left, right, letter → length)"""
        writer = IndexWriter(sheet, letters, self.there)
        u = name_of(self.line.symbol, sheet.symbols)
        v = name_of(sheet.symbols[self.to], sheet.symbols)
        sides: list[Layout] = []
        for name, places in ((u, self.there), (v, self.here)):
            written = Script(name, tuple(writer.place(i) for i in places)) if places else name
            sides.append(Row((Token("∂"), written)))
        return Fraction(sides[0], sides[1], False), writer.write(self.factor), writer.lengths


class _Occurrences(Backward):
    """Collects (symbol, its indices, slope, indices summed over) instead of solving for the symbol's own indices."""

    def __init__(self, sheet: Sheet, wanted: set[int]):
        super().__init__(sheet, wanted, {}, lambda n, e: None)
        self.found: list[tuple[Expr, Expr, tuple[Expr, ...]]] = []

    def _arrive(self, e: Expr, g: Expr, scope: tuple[Expr, ...]) -> None:
        self.found.append((e, g, scope))


def locals_of(builder: Builder, line: Line) -> list[Local]:
    """The partials of a forward line by every symbol that it reads and that lies between θ and the loss."""
    assert line.expr is not None
    sheet = builder.sheet
    active = {s.number for s in sheet.symbols if s.position in builder.cotangents and s.role in ("theta", "value")}
    by = {i: var(i.data[0]) for i in line.indices if i.kind == "v"}
    there = tuple(by[i] for i in line.indices if i.kind == "v")
    out = sheet.ref(line.symbol, tuple(by.get(i, i) for i in line.indices))
    seen = _Occurrences(sheet, set(line.expr.refs & active))
    seen.send(substitute(line.expr, by), ONE, out if line.symbol.shape else None, there)
    merged: dict[Expr, Expr] = {}
    for e, g, scope in seen.found:
        for v in scope:
            if v not in there and v not in e.free:
                g = total(v, g)
        _enter(merged, e, g, there)
    simple = builder.simple
    found = [(e, simple(g)) for e, g in merged.items()]
    return [Local(line, e.data, there, e.parts, g) for e, g in found if g is not ZERO]


def _enter(merged: dict[Expr, Expr], e: Expr, g: Expr, there: tuple[Expr, ...]) -> None:
    """Add a slope to those of the same entry: what is read at every v and at v = t besides gets a term with [v = t]."""
    for old in merged:
        if old.data != e.data:
            continue
        own, other = _freed(e, old, there), _freed(old, e, there)
        if own is not None:  # e is read at an index that runs, old at one of its values or at another such index
            plain = all(b.kind == "v" and b not in there for b in own.values())
            if plain:
                merged[old] = add(merged[old], substitute(g, own))
            else:
                merged[e] = add(g, mul(merged.pop(old), *[bracket("=", a, b) for a, b in own.items()]))
            return
        if other is not None:
            merged[old] = add(merged[old], mul(g, *[bracket("=", a, b) for a, b in other.items()]))
            return
    merged[e] = g


def _freed(e: Expr, other: Expr, there: tuple[Expr, ...]) -> dict[Expr, Expr] | None:
    """What turns e's indices into those of the other: values for indices of e that no index of the line fixes."""
    by: dict[Expr, Expr] = {}
    for a, b in zip(e.parts, other.parts, strict=True):
        if a is b:
            continue
        if a.kind != "v" or a in there or by.setdefault(a, b) is not b:
            return None
    return by


__all__ = ["Local", "locals_of"]
