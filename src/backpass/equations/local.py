"""Local partials as they are printed: ∂a_nk/∂z_nk = 1 − a_nk², one for each way in which a line reads a symbol.

Of complex numbers they are the derivatives of a holomorphic function; where there is none, ∂u/∂z and ∂u/∂conj(z).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .algebra import expand
from .complexes import conj, part
from .differentiate import Backward
from .expr import IMAGINARY, ONE, ZERO, Expr, OfComplex, add, bracket, mul, negate, num, ref, substitute, total, var
from .layout import Call, Fraction, Layout, Row, Script, Token
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
    mirrored: bool = False
    """By conj(v): a function that is not holomorphic has a slope along v and one along its conjugate."""

    def layout(self, sheet: Sheet, letters: Letters) -> tuple[Layout, Layout, dict[str, int]]:
        """(left, right, letter → length)"""
        writer = IndexWriter(sheet, letters, self.there)
        u = name_of(self.line.symbol, sheet.symbols)
        v = name_of(sheet.symbols[self.to], sheet.symbols)
        sides: list[Layout] = []
        for name, places in ((u, self.there), (v, self.here)):
            written = Script(name, tuple(writer.place(i) for i in places)) if places else name
            if self.mirrored and name is v:
                written = Call("conj", (written,))
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
    sent = ONE if out.real else _MARK
    seen.send(substitute(line.expr, by), sent, out if line.symbol.shape else None, there)
    merged: dict[Expr, Expr] = {}
    for e, g, scope in seen.found:
        for v in scope:
            if v not in there and v not in e.free:
                g = total(v, g)
        _enter(sheet, merged, e, g, there)
    found = []
    for e, g in merged.items():
        for slope, mirrored in _slopes(g, out.real, e.real):
            slope = builder.simple(slope)
            if slope is not ZERO:
                found.append(Local(line, e.data, there, e.parts, slope, mirrored))
    return found


_MARK = ref(OfComplex(-1), ())
"""Stands for what is sent from a complex u."""


def _slopes(g: Expr, real_from: bool, real_to: bool) -> list[tuple[Expr, bool]]:
    """The slopes of u by v, and by conj(v) where they are wanted, from what v receives; see `Backward`.

    Of a real u by a complex v = x + iy it is ∂u/∂x + i ∂u/∂y, as of the loss.
    """
    if real_from:
        return [(part("Re", g) if real_to else conj(g), False)]
    one, turned = substitute(g, {_MARK: ONE}), substitute(g, {_MARK: IMAGINARY})
    if turned is mul(IMAGINARY, one):
        return [(one, False)]
    # g ↦ A g + B conj(g), with A = ∂u/∂v and B = conj(∂u/∂conj(v))
    half, other = expand(mul(num(0.5), one)), expand(mul(num(0.5), IMAGINARY, turned))
    along, across = add(half, negate(other)), conj(add(half, other))
    return [(add(along, across), False)] if real_to else [(along, False), (across, True)]


def _enter(sheet: Sheet, merged: dict[Expr, Expr], e: Expr, g: Expr, there: tuple[Expr, ...]) -> None:
    """Add a slope to those of the same entry: what is read at every v and at v = t besides gets a term with [v = t]."""
    for old in merged:
        if old.data != e.data:
            continue
        own, other = _freed(sheet, e, old, there), _freed(sheet, old, e, there)
        if own is not None:  # e is read at an index that runs, old at one of its values or at another such index
            plain = all(b.kind == "v" and b not in there for b in own.values())
            if plain:
                merged[old] = add(merged[old], substitute(g, own))
            else:
                merged[e] = add(g, _picked(merged.pop(old), own, old, e, there))
            return
        if other is not None:
            merged[old] = add(merged[old], _picked(g, other, e, old, there))
            return
    merged[e] = g


def _picked(g: Expr, own: dict[Expr, Expr], e: Expr, into: Expr, there: tuple[Expr, ...]) -> Expr:
    """A slope by the entries e, as one by the entries `into` that run over more: 0 but at those of e."""
    g = mul(g, *[bracket("=", a, b) for a, b in own.items()])
    for v in sorted(e.free - into.free - set(there), key=lambda v: v.key):
        g = total(v, g)
    return g


def _freed(sheet: Sheet, e: Expr, other: Expr, there: tuple[Expr, ...]) -> dict[Expr, Expr] | None:
    """What turns e's indices into those of the other: values for indices of e that no index of the line fixes."""
    by: dict[Expr, Expr] = {}
    lengths = [n for n in sheet.symbols[e.data].shape if n != 1]
    for a, b, n in zip(e.parts, other.parts, lengths, strict=True):
        if a is b:
            continue
        if a.kind != "v" or a in there or sheet.axes.length[a.data[0]] != n or by.setdefault(a, b) is not b:
            return None
    return by


__all__ = ["Local", "locals_of"]
