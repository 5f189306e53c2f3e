"""One chosen unit: an equation at fixed indices with its Σ written out, and the same with the numbers put in."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from .evaluate import evaluate
from .expr import Expr, num, opened, substitute
from .labelled import numeric
from .layout import Fence, Layout, Row, Token
from .line import Line
from .pull import softmax_of
from .sheet import Sheet
from .write_index import IndexWriter, Letters

MOST = 8
"""Terms written out; of more, the first three and the last."""


class UnitWriter(IndexWriter):
    """The index form at chosen indices, outermost sums written out; with `numbers`, entries give way to their values.

    Factors and terms stand in the order of the index form.
    """

    def __init__(
        self,
        sheet: Sheet,
        letters: Letters,
        indices: tuple[Expr, ...] = (),
        at: tuple[int, ...] = (),
        numbers: bool = False,
    ):
        super().__init__(sheet, letters, indices)
        self.chosen: dict[Expr, Expr] = dict(zip(self.outer, map(num, at), strict=True))
        self.numbers = numbers
        self.inside = False

    def place(self, i: Expr) -> Layout:
        return super().place(substitute(i, self.chosen))

    def write(self, e: Expr, level: int = 0) -> Layout:
        if e in self.chosen:
            return super().write(self.chosen[e], level)
        if e.kind == "S" and e.data[0] == "Σ" and not self.inside:
            return self._terms(e, level)
        if e.kind == "f" and softmax_of(e) is not None:
            e = substitute(e, self.chosen)  # at one place a softmax is exp(x − logsumexp)
        if self.numbers and e.kind in "rSdI":
            fixed = substitute(e, self.chosen)
            if not fixed.free:
                return self._value(fixed, level)
        return super().write(e, level)

    def _value(self, e: Expr, level: int) -> Layout:
        text = shown(evaluate(self.sheet, e)[()])
        return Fence(Token(text)) if level and (text.startswith("−") or " " in text) else Token(text)

    def _terms(self, e: Expr, level: int) -> Layout:
        v, body = opened(e)
        length = self.sheet.axes.length[self.sheet.axes.find(v.data[0])]
        chosen = list(range(length)) if length <= MOST else [0, 1, 2, length - 1]
        parts: list[Layout] = []
        self.inside = True
        self.sums += 1
        for n, i in enumerate(chosen):
            if n and i != chosen[n - 1] + 1:
                parts.append(Token(" + …"))
            self.chosen[v] = num(i)
            term = self.write(body, 1)
            parts += [Token(" + "), term] if n else [term]
        del self.chosen[v]
        self.inside = False
        self.sums -= 1
        row = Row(tuple(parts))
        return Fence(row) if level >= 1 and len(chosen) > 1 else row


def shown(x: complex) -> str:
    """A number for the eye: four significant digits."""
    if np.iscomplexobj(x):
        return f"{shown(x.real)} {'−' if x.imag < 0 else '+'} {shown(abs(x.imag))}i"
    return f"{x:.4g}".replace("-", "−").replace("e−0", "e−").replace("e+0", "e")


def unit_layout(
    sheet: Sheet, letters: Letters, line: Line, at: tuple[int, ...], numbers: bool = False
) -> tuple[Layout, Layout, dict[str, int]]:
    """(left, right, letter → length) of a line at fixed indices, one per axis longer than 1."""
    assert line.expr is not None
    writer = UnitWriter(sheet, letters, line.indices, at, numbers)
    writer.first = None if line.before is None else line.before.number
    return writer.left(line.symbol, line.indices), writer.write(line.expr), writer.lengths


def unit_value(line: Line, at: tuple[int, ...]) -> complex:
    """The value of a line's left side there, by autodiff."""
    array = np.asarray(line.symbol.value)
    return array.reshape([n for n in array.shape if n != 1])[at]


_NUMBER = re.compile(r"(?<![\w.])\d+(?![\w.])")


def spelled_out(text: str) -> str:
    """A sum with a gap, ``a_{0} + a_{1} + a_{2} + … + a_{5}``, with the gap filled in by counting on.

    >>> spelled_out("x_{0}·W_{0,2} + x_{1}·W_{1,2} + x_{2}·W_{2,2} + … + x_{4}·W_{4,2}").count("+")
    4
    """
    gap = text.find(" + … + ")
    if gap < 0:
        return text
    start = _term_start(text, gap)
    end = _term_end(text, gap + 7)
    terms = _split(text[start:gap])
    last = text[gap + 7 : end]
    second, third = terms[-2], terms[-1]
    a, b = _NUMBER.findall(second), _NUMBER.findall(third)
    filled = []
    k = 1
    while True:
        values = iter([str(int(y) + k * (int(y) - int(x))) for x, y in zip(a, b, strict=True)])
        term = _NUMBER.sub(lambda m, values=values: next(values), third)
        if term == last or k > 1_000_000:
            break
        filled.append(term)
        k += 1
    return text[:gap] + "".join(f" + {t}" for t in filled) + f" + {last}" + spelled_out(text[end:])


def _term_start(text: str, at: int) -> int:
    depth = 0
    for i in range(at - 1, -1, -1):
        depth += (text[i] in ")]}") - (text[i] in "([{")
        if depth < 0:
            return i + 1
    return 0


def _term_end(text: str, at: int) -> int:
    depth = 0
    for i in range(at, len(text)):
        depth += (text[i] in "([{") - (text[i] in ")]}")
        if depth < 0 or (depth == 0 and text[i : i + 3] in (" + ", " − ")):
            return i
    return len(text)


def _split(text: str) -> list[str]:
    out, depth, start = [], 0, 0
    for i, c in enumerate(text):
        depth += (c in "([{") - (c in ")]}")
        if depth == 0 and text[i : i + 3] == " + ":
            out.append(text[start:i])
            start = i + 3
    return [*out, text[start:]]


def finite_difference(graph: Any, leaves: list[Any], position: int, at: tuple[int, ...]) -> complex:
    """∂L/∂ of one entry of an argument by central differences, h = 10⁻⁶ · max(1, |θ|); of x + iy, ∂L/∂x + i ∂L/∂y."""
    from backpass.graph.interpreter import run

    which = graph.inputs.index(position)
    full = numeric(leaves[which])
    places = iter(at)
    index = tuple(next(places) if n != 1 else 0 for n in full.shape)
    h = 1e-6 * max(1.0, abs(full[index]))

    def along(way: complex) -> float:
        found = []
        for sign in (1.0, -1.0):
            moved = np.array(full)
            moved[index] += sign * h * way
            found.append(float(run(graph, [moved if n == which else leaf for n, leaf in enumerate(leaves)])[0]))
        return (found[0] - found[1]) / (2 * h)

    return along(1) + 1j * along(1j) if full.dtype.kind == "c" else along(1)


__all__ = ["MOST", "finite_difference", "shown", "spelled_out", "unit_layout", "unit_value"]
