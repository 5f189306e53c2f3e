"""Compact ↔ expanded: y = F(θ₁, θ₂, θ₃), then level by level what F is, down to θ and the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .expr import Expr
from .line import Line
from .shorten import put_in
from .text import plain

if TYPE_CHECKING:
    from .derivation import Derivation

LARGEST = 2_000
"""Entries, numbers and signs of an equation that is written out; a longer one is only counted."""


class Expansion:
    """One equation at every level of detail: level 0 names what it depends on, each further one puts definitions in."""

    def __init__(self, derivation: Derivation, line: Line):
        self.derivation = derivation
        self.line = line
        self.lines = {m.symbol.number: m for m in derivation.forward + derivation.backward}
        self.levels: list[Line] = []
        """The line, the line with the definitions of what it reads put in, and so on."""
        self.size = 0
        """How long the next level would be, when it is too long to be written out; else 0."""
        at = line
        while True:
            self.levels.append(at)
            if at.expr is None:
                break
            inner = [self.lines[n] for n in sorted(at.expr.refs, reverse=True) if self._opens(n)]
            if not inner:
                break
            sizes = {m.symbol.number: size(m.expr) for m in inner if m.expr is not None}
            length = size(at.expr, sizes)
            if length > LARGEST:
                self.size = length
                break
            e = at.expr
            for m in inner:
                e = put_in(e, m)
            at = Line(line.symbol, line.indices, e, line.kind, of=line.of, where=line.where, position=line.position)

    def _opens(self, n: int) -> bool:
        """Has this symbol an equation to put in? A call on whole arrays has none."""
        m = self.lines.get(n)
        return m is not None and m.expr is not None and m is not self.line

    def compact(self) -> str:
        """Level 0: ``L = F(W1, b1; x, t)``, θ before the semicolon, data behind it."""
        seen: set[int] = set()
        stack = [self.line.symbol.number]
        while stack:
            n = stack.pop()
            for k in self.lines[n].reads if n in self.lines else ():
                if k not in seen:
                    seen.add(k)
                    stack.append(k)
        symbols = [s for s in self.derivation.sheet.symbols if s.number in seen]
        thetas = [self.derivation.name(s) for s in symbols if s.role == "theta"]
        data = [self.derivation.name(s) for s in symbols if s.role == "data"]
        inside = "; ".join(", ".join(part) for part in (thetas, data) if part)
        name = next(f for f in ("F", "G", "H", "Φ") if f not in {s.base for s in self.derivation.sheet.symbols})
        return f"{self.derivation.name(self.line.symbol)} = {name}({inside})"

    def text(self, level: int | None = None, form: str = "matrix") -> str:
        """One level; by default the last. Level 0 is `compact`."""
        last = len(self.levels)
        level = last if level is None else level
        if not 0 <= level <= last:
            raise ValueError(f"level is {level}; {self.derivation.name(self.line.symbol)} has levels 0 to {last}")
        if level == 0:
            return self.compact()
        text = plain(self.derivation.layout(self.levels[level - 1], form))
        if level == last and self.size:
            text += f"   (level {last + 1} would have {self.size:,} entries)"
        return text


def size(e: Expr, inside: dict[int, int] | None = None) -> int:
    """How many entries, numbers and signs an expression has when it is written out; `inside` for those put in."""
    known: dict[Expr, int] = {}

    def of(x: Expr) -> int:
        found = known.get(x)
        if found is None:
            own = (inside or {}).get(x.data, 1) if x.kind == "r" else 1
            found = known[x] = own + sum(map(of, x.parts))
        return found

    return of(e)


__all__ = ["LARGEST", "Expansion", "size"]
