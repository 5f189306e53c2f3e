"""Alike layers: the adjoint of layer l taken over from that of layer l + 1, with every label moved by one.

Deriving the same line again for each of 96 layers would say nothing new. The moved line is accepted only where it
equals autodiff on the given numbers; otherwise the line is derived from scratch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .evaluate import evaluate
from .expr import Expr, _make, add, mul, num, with_parts

if TYPE_CHECKING:
    from .sheet import Sheet, Symbol


class NotAlike(Exception):
    """A symbol of the line has no counterpart one layer down."""


class Neighbours:
    """Finds the symbol one label below another, and moves expressions there."""

    def __init__(self, sheet: Sheet):
        self.sheet = sheet
        self.known: dict[tuple[str, str, int | None], int] = {}
        self.seen = 0

    def _read(self) -> None:
        for symbol in self.sheet.symbols[self.seen :]:
            self.known[self._key(symbol, 0)] = symbol.number
        self.seen = len(self.sheet.symbols)

    def _key(self, s: Symbol, step: int) -> tuple[str, str, int | None]:
        own = s if s.of is None else self.sheet.symbols[s.of]
        adjoint = "" if s.of is None else "∂"
        return adjoint, own.base, None if own.label is None else own.label + step

    def of(self, s: Symbol, step: int) -> int | None:
        """The number of the symbol `step` labels further; the symbol itself when it has no label."""
        self._read()
        own = s if s.of is None else self.sheet.symbols[s.of]
        return s.number if own.label is None else self.known.get(self._key(s, step))

    def moved(self, e: Expr, indices: tuple[Expr, ...], to: tuple[Expr, ...]) -> Expr:
        """`e`, one layer down, at the indices `to` in place of `indices`."""
        symbols: dict[int, int] = {}
        classes: dict[int, int] = {a.data[0]: b.data[0] for a, b in zip(indices, to, strict=True) if a.kind == "v"}
        for number in e.refs:
            symbol = self.sheet.symbols[number]
            other = self.of(symbol, -1)
            if other is None or len(self.sheet.symbols[other].shape) != len(symbol.shape):
                raise NotAlike(symbol.name)
            symbols[number] = other
            mine, theirs = self.sheet.axes.classes(symbol.key), self.sheet.axes.classes(self.sheet.symbols[other].key)
            for a, b in zip(mine, theirs, strict=True):
                classes.setdefault(a, b)
        names = {a: b for a, b in zip(indices, to, strict=True) if a.kind == "v"}
        return _moved(e, symbols, classes, names)

    def same(self, e: Expr, indices: tuple[Expr, ...], other: Expr, to: tuple[Expr, ...]) -> bool:
        """Is the other expression this one, one layer down, sign by sign?"""
        try:
            return self.moved(e, indices, to) is other
        except NotAlike:
            return False

    def adjoint(
        self, line_expr: Expr, indices: tuple[Expr, ...], to: tuple[Expr, ...], value: np.ndarray, same: bool
    ) -> Expr | None:
        """The moved right side, if it equals autodiff; zeros throughout show that only where both started the same."""
        try:
            e = self.moved(line_expr, indices, to)
            free = tuple(i for i in to if i.kind == "v")
            got = evaluate(self.sheet, e, free)
        except (NotAlike, ValueError, KeyError, IndexError):
            return None
        want = np.asarray(value).reshape(got.shape)
        scale = float(np.max(np.abs(want))) if want.size else 0.0
        if scale < 1e-290:
            return e if same and not np.any(np.abs(got) > 1e-290) else None
        return e if np.all(np.abs(got - want) <= 1e-11 * scale) else None


def _moved(e: Expr, symbols: dict[int, int], classes: dict[int, int], names: dict[Expr, Expr]) -> Expr:
    if e in names:
        return names[e]
    kind = e.kind
    if kind == "v":
        return _make("v", (classes.get(e.data[0], e.data[0]), e.data[1]))
    if kind == "d":
        return _make("d", classes.get(e.data, e.data))
    parts = [_moved(p, symbols, classes, names) for p in e.parts]
    if kind == "r":
        return _make("r", symbols[e.data], tuple(parts))
    if kind == "S":
        word, axis, number = e.data
        return _make("S", (word, classes.get(axis, axis), number), tuple(parts))
    if kind == "B":
        return _make("B", classes.get(e.data, e.data), tuple(parts))
    if kind == "n":
        return e
    if kind == "+":
        return add(*[mul(num(c), p) for c, p in zip(e.data, parts, strict=True)])
    return with_parts(e, parts)


__all__ = ["Neighbours", "NotAlike"]
