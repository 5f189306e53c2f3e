"""One equation of a derivation, with everything it came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from backpass.graph.origin import Where

from .expr import Expr
from .layout import Call, Layout, Power, Row, Token
from .sheet import Sheet, Symbol
from .text import plain
from .write_index import IndexWriter, Letters, name_of
from .write_matrix import TRANSPOSED, matrix_line


class Argument(NamedTuple):
    """What a call takes: a symbol, its transpose, or its entries in another shape."""

    symbol: Symbol
    turned: bool
    shape: tuple[int, ...]


@dataclass(eq=False)
class Line:
    symbol: Symbol
    """What stands on the left."""
    indices: tuple[Expr, ...]
    expr: Expr | None
    """The right side; None for an operation without an index equation, which is written as a call."""
    kind: str
    """"forward", "backward" (∂L/∂ of a value), "gradient" (of a θ) or "update"."""
    of: Symbol | None = None
    """For a backward line, the symbol whose adjoint this is."""
    call: tuple[str, tuple[Argument, ...], dict[str, Any]] | None = None
    """Operation, arguments, attributes."""
    alias: Symbol | None = None
    where: Where | None = None
    position: int | None = None
    """The line of the graph."""
    arrow: str = "="
    before: Symbol | None = None
    """For an update, what stands on the left as it was before."""
    forms: dict[str, tuple[Layout, Layout, dict[str, int]] | None] = field(default_factory=dict, repr=False)

    @property
    def reads(self) -> frozenset[int]:
        if self.alias is not None:
            return frozenset((self.alias.number,))
        if self.expr is not None:
            return self.expr.refs
        return frozenset(a.symbol.number for a in self.call[1]) if self.call else frozenset()

    @property
    def shape(self) -> tuple[int, ...]:
        return self.symbol.shape

    def layout(self, form: str, sheet: Sheet, letters: Letters) -> tuple[Layout, Layout, dict[str, int]] | None:
        """(left, right, letter → length) in "index" or "matrix" form; None where the line has no such form."""
        if form not in self.forms:
            self.forms[form] = self._layout(form, sheet, letters)
        return self.forms[form]

    def _layout(self, form: str, sheet: Sheet, letters: Letters) -> tuple[Layout, Layout, dict[str, int]] | None:
        name = name_of(self.symbol, sheet.symbols)
        if self.alias is not None:
            return name, name_of(self.alias, sheet.symbols), {}
        if self.expr is None:
            return (name, self._call(sheet), {}) if form == "matrix" else None
        if form in ("matrix", "columns"):
            examples = letters.examples if form == "columns" else None
            if form == "columns" and examples is None:
                return None
            found = matrix_line(sheet, letters, self.symbol, self.indices, self.expr, examples, self.before)
            return None if found is None else (found[0], found[1], found[2].lengths)
        writer = IndexWriter(sheet, letters, self.indices)
        writer.first = None if self.before is None else self.before.number
        left = writer.left(self.symbol, self.indices)
        return left, writer.write(self.expr), writer.lengths

    def _call(self, sheet: Sheet) -> Layout:
        assert self.call is not None
        op, arguments, attrs = self.call
        shown: list[Layout] = []
        for symbol, turned, _ in arguments:
            name: Layout = name_of(symbol, sheet.symbols)
            shown.append(Power(name, TRANSPOSED) if turned else name)
        for key, value in attrs.items():
            if isinstance(value, (int, tuple)) and key != "keepdims":
                shown.append(Row((Token(f"{key}={value}"),)))
        return Call(op, tuple(shown))

    def text(self, form: str, sheet: Sheet, letters: Letters) -> str | None:
        found = self.layout(form, sheet, letters)
        return None if found is None else f"{plain(found[0])} {self.arrow} {plain(found[1])}"


__all__ = ["Argument", "Line"]
