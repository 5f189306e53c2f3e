"""The value of an expression, from those of its symbols: how passes ask whether a step holds on the given numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .expr import Expr, opened
from .labelled import COMPARE, Labelled, aligned, apply, entries, function, numeric, product, reduce
from .sheet import Sheet


def evaluate(sheet: Sheet, e: Expr, order: tuple[Expr, ...] = ()) -> Any:
    """An array with one axis per index in `order` (every free index must be among them)."""
    lengths = _Lengths(sheet)
    with np.errstate(all="ignore"):
        found = _value(sheet, e, lengths)
    blank = [Labelled(np.zeros(lengths[v]), (v,)) for v in order]
    arrays, labels = aligned(*blank, found)
    if len(labels) != len(order):
        raise ValueError("an index is not bound")
    return np.broadcast_to(arrays[-1], tuple(lengths[v] for v in order))


class _Lengths:
    def __init__(self, sheet: Sheet):
        self.axes = sheet.axes

    def __getitem__(self, v: Any) -> int:
        return self.axes.length[self.axes.find(v.data[0])]

    def of(self, axis: int) -> int:
        return self.axes.length[self.axes.find(axis)]


def _value(sheet: Sheet, e: Expr, lengths: _Lengths) -> Labelled:
    kind = e.kind
    if kind == "n":
        return Labelled(np.float64(e.data))
    if kind == "c":
        return Labelled(np.complex128(1j) if e.data == "i" else np.float64(math.pi))
    if kind == "d":
        return Labelled(np.float64(lengths.of(e.data)))
    if kind == "v":
        return Labelled(np.arange(lengths[e]), (e,))
    if kind == "r":
        value = sheet.symbols[e.data].value
        array = np.reshape(value, [n for n in np.shape(value) if n != 1])
        whole = [i.kind == "v" and lengths[i] == n for i, n in zip(e.parts, array.shape, strict=True)]
        places = zip(e.parts, whole, strict=True)
        return entries(array, [Labelled(None, (i,)) if w else _value(sheet, i, lengths) for i, w in places])
    if kind == "S":
        word, vs, body = e.data[0], [], e
        while body.kind == "S" and body.data[0] == word:
            v, body = opened(body)
            vs.append(v)
        if word == "Σ":
            return product(_factors(sheet, body, lengths), tuple(vs), lengths)
        return reduce(word, _value(sheet, body, lengths), tuple(vs))
    if kind == "*":
        return product(_factors(sheet, e, lengths))
    values = [_value(sheet, p, lengths) for p in e.parts]
    if kind == "+":
        return apply(lambda *a: sum(c * x for c, x in zip(e.data, a, strict=True)), *values)
    if kind == "I":
        return apply(COMPARE[e.data], *values)._replace(binary=True)
    if kind == "B":
        n = lengths.of(e.data)
        return apply(lambda x: (x >= 0) & (x < n), *values)._replace(binary=True)
    return apply(function(e.data), *values)


def _factors(sheet: Sheet, e: Expr, lengths: _Lengths) -> list[Labelled]:
    if e.kind != "*":
        return [_value(sheet, e, lengths)]
    out = [Labelled(np.float64(e.data[0]))]
    for b, p in zip(e.parts, e.data[1], strict=True):
        v = _value(sheet, b, lengths)
        out.append(v if p == 1 else Labelled(numeric(v.array) ** p, v.labels))
    return out


__all__ = ["evaluate"]
