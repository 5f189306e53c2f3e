"""Index equations of the operations that only move entries: transpose, reshape, slices, gathers, concatenate."""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass.graph.program import GraphNode

from .axes import groups
from .expr import ONE, ZERO, Expr, add, bracket, dim, fn, mul, num, total, within
from .integer import quotient, remainder
from .keys import read_key, shape_after
from .sheet import Sheet, Symbol


def _broadcast(sheet: Sheet, k: int, node: GraphNode, idx: tuple[Expr, ...]) -> Expr:
    source = node.inputs[0]
    shape = sheet.node(source).shape
    at = idx[len(idx) - len(shape) :]
    return sheet.pull(source, tuple(ZERO if n == 1 else j for n, j in zip(shape, at, strict=True)))


def _transpose(sheet: Sheet, k: int, node: GraphNode, idx: tuple[Expr, ...]) -> Expr:
    inside = [ZERO] * len(idx)
    for out, i in enumerate(node.attrs["axes"]):
        inside[i] = idx[out]
    return sheet.pull(node.inputs[0], tuple(inside))


def _length(sheet: Sheet, key: Any, axis: int) -> Expr:
    classes = sheet.axes.classes(key)
    return num(1) if sheet.axes.length[classes[axis]] == 1 else dim(classes[axis])


def _reshape(sheet: Sheet, k: int, node: GraphNode, idx: tuple[Expr, ...]) -> Expr:
    """Entry (…) of the flat order: an index over a product of lengths is a mixed-radix number."""
    source = node.inputs[0]
    inside = [ZERO] * len(sheet.node(source).shape)
    for have, want in groups(sheet.node(source).shape, node.shape):
        if len(have) == len(want) == 1:
            inside[have[0]] = idx[want[0]]
            continue
        flat = ZERO
        for j in want:
            flat = add(mul(flat, _length(sheet, k, j)), idx[j])
        for n, i in enumerate(reversed(have)):
            length = _length(sheet, source, i)
            first = n == len(have) - 1
            inside[i] = flat if first else remainder(flat, length)
            if not first:
                flat = quotient(flat, length)
    return sheet.pull(source, tuple(inside))


def _slice(sheet: Sheet, k: int, node: GraphNode, idx: tuple[Expr, ...]) -> Expr:
    source = node.inputs[0]
    key = read_key(node.attrs["key"], sheet.node(source).shape, [])
    return sheet.pull(source, tuple(_place(part, idx) for part in key.parts))


def _place(part: Any, idx: tuple[Expr, ...]) -> Expr:
    if part.output is None:
        return num(part.start)
    return add(mul(num(part.step), idx[part.output]), num(part.start))


def _unslice(sheet: Sheet, k: int, node: GraphNode, idx: tuple[Expr, ...]) -> Expr:
    return _put_back(sheet, k, node, idx, [])


def _put_back(sheet: Sheet, k: int, node: GraphNode, idx: tuple[Expr, ...], arrays: list[int]) -> Expr:
    """Zeros with the argument at a key: Σ over the argument's entries of [its place is idx] · entry."""
    small = node.inputs[0]
    shape = sheet.node(small).shape
    key = read_key(node.attrs["key"], node.shape, [sheet.node(i).shape for i in arrays])
    inside: list[Expr] = [ZERO] * len(shape)
    spread = [sheet.index(small, key.at + i) for i in range(len(key.spread))] if arrays else []
    for i, v in enumerate(spread):
        inside[key.at + i] = v
    tests: list[Expr] = []
    bound = [v for v in spread if v.kind == "v"]
    for axis, part in enumerate(key.parts):
        if part.array is not None:
            entry = _entry(sheet, arrays[part.array], spread, k, axis)
            tests.append(_met(sheet, idx[axis], node.shape[axis], entry))
        elif part.output is None or shape[part.output] == 1:
            tests.append(bracket("=", idx[axis], num(part.start)))
        elif abs(part.step) == 1:
            place = add(mul(num(part.step), idx[axis]), num(-part.step * part.start))
            inside[part.output] = place
            tests.append(within(place, sheet.axes.classes(small)[part.output]))
        else:
            v = sheet.index(small, part.output)
            inside[part.output] = v
            bound.append(v)
            tests.append(bracket("=", idx[axis], _place(part, tuple(inside))))
    e = mul(*tests, sheet.pull(small, tuple(inside)))
    for v in reversed(bound):
        e = total(v, e)
    return e


def _met(sheet: Sheet, i: Expr, length: int, entry: Expr) -> Expr:
    """[i = entry]; an entry that is an index itself, 0, 1, 2, …, may end before i does."""
    shorter = entry.kind == "v" and sheet.axes.length[sheet.axes.find(entry.data[0])] < length
    test = bracket("=", i, entry)
    return mul(test, within(i, entry.data[0])) if shorter else test


def _entry(sheet: Sheet, array: int, spread: list[Expr], large: Any, axis: int) -> Expr:
    """The whole number that an index array holds at the current place, along an axis of the large array."""
    shape = sheet.node(array).shape
    at = spread[len(spread) - len(shape) :]
    entry = sheet.pull(array, tuple(ZERO if n == 1 else j for n, j in zip(shape, at, strict=True)))
    from_end = sheet.values[array] is not None and np.any(np.asarray(sheet.values[array]) < 0)
    return remainder(entry, _length(sheet, large, axis)) if from_end else entry


def _gather(sheet: Sheet, k: int, node: GraphNode, idx: tuple[Expr, ...]) -> Expr:
    source, *arrays = node.inputs
    key = read_key(node.attrs["key"], sheet.node(source).shape, [sheet.node(i).shape for i in arrays])
    spread = list(idx[key.at : key.at + len(key.spread)])
    inside = [
        _place(part, idx) if part.array is None else _entry(sheet, arrays[part.array], spread, source, axis)
        for axis, part in enumerate(key.parts)
    ]
    return sheet.pull(source, tuple(inside))


def _scatter_add(sheet: Sheet, k: int, node: GraphNode, idx: tuple[Expr, ...]) -> Expr:
    return _put_back(sheet, k, node, idx, list(node.inputs[1:]))


def _concatenate(sheet: Sheet, k: int, node: GraphNode, idx: tuple[Expr, ...]) -> Expr:
    axis = node.attrs["axis"]
    start = 0
    out = []
    for part in node.inputs:
        n = sheet.node(part).shape[axis]
        if n == 1:
            test, place = bracket("=", idx[axis], num(start)), ZERO
        else:
            place = add(idx[axis], num(-start))
            test = within(place, sheet.axes.classes(part)[axis])
        inside = tuple(place if i == axis else j for i, j in enumerate(idx))
        if n:
            out.append(mul(test, sheet.pull(part, inside)))
        start += n
    return add(*out)


# ---- assignment
def _assigned(
    sheet: Sheet,
    k: int,
    idx: tuple[Expr, ...],
    v: int,
    template: tuple[Any, ...],
    arrays: list[int],
    last: Symbol | None = None,
) -> tuple[Expr, Expr]:
    """What a write of v at a key puts into entry idx: (Σ over v of [its place is idx] · v, [idx is written]).

    ``x[1:3] = v`` gives [0 ≤ i − 1 < D]·v_{i−1}. Where index arrays name a place twice, `last` is 1 for the entry that
    counts.
    """
    shape = sheet.node(k).shape
    key = read_key(template, shape, [sheet.node(i).shape for i in arrays])
    after = shape_after(shape, template, [sheet.node(i).shape for i in arrays])
    have = sheet.node(v).shape
    short = len(after) - len(have)
    inside: list[Expr] = [ZERO] * len(after)
    spread = [_along(sheet, arrays, len(key.spread) - i) for i in range(len(key.spread))]
    inside[key.at : key.at + len(spread)] = spread
    bound = [s for s in spread if s.kind == "v"]
    at_arrays, tests, holds = [], [], []
    for axis, part in enumerate(key.parts):
        if part.array is not None:
            at_arrays.append(_met(sheet, idx[axis], shape[axis], _entry(sheet, arrays[part.array], spread, k, axis)))
            continue
        n = 1 if part.output is None else after[part.output]
        low = min(part.start, part.start + part.step * (n - 1))
        high = max(part.start, part.start + part.step * (n - 1))
        wide = part.output is not None and part.output >= short and have[part.output - short] != 1
        place = add(mul(num(part.step), idx[axis]), num(-part.step * part.start))
        if n == 1:
            tests.append(bracket("=", idx[axis], num(low)) if shape[axis] > 1 else ONE)
            holds.append(tests[-1])
        elif n == shape[axis] or (wide and abs(part.step) == 1):
            assert part.output is not None
            inside[part.output] = place
            if n != shape[axis]:
                tests.append(within(place, sheet.axes.classes(v)[part.output - short]))
                holds.append(tests[-1])
        else:
            region = [bracket("≥", idx[axis], num(low)) if low else ONE]
            region.append(bracket("≤", idx[axis], num(high)) if high + abs(part.step) < shape[axis] else ONE)
            if abs(part.step) == 1:
                region[1] = bracket("≤", idx[axis], num(high)) if high + 1 < shape[axis] else ONE
            else:
                region.append(bracket("=", remainder(add(idx[axis], num(-low)), num(abs(part.step))), ZERO))
            holds += region
            if wide:
                assert part.output is not None
                u = sheet.index(v, part.output - short)
                inside[part.output] = u
                bound.append(u)
                tests.append(bracket("=", idx[axis], _place(part, tuple(inside))))
            else:
                tests += region
    at = tuple(ZERO if n == 1 else j for n, j in zip(have, inside[short:], strict=True))
    e = mul(*tests, *at_arrays, ONE if last is None else sheet.ref(last, tuple(spread)), sheet.pull(v, at))
    written = mul(*holds)
    if at_arrays:
        count = mul(*at_arrays)
        repeated = [s for s in spread if s.kind == "v"]
        for s in reversed(repeated):
            count = total(s, count)
        written = mul(written, bracket("≥", count, ONE) if repeated else count)
    for s in reversed(bound):
        e = total(s, e)
    return e, written


def _along(sheet: Sheet, arrays: list[int], from_end: int) -> Expr:
    """An index along the axis, counted from the end, that index arrays share."""
    for i in arrays:
        shape = sheet.node(i).shape
        if len(shape) >= from_end and shape[-from_end] != 1:
            return sheet.index(i, len(shape) - from_end)
    return ZERO


def _kept(written: Expr) -> Expr:
    """Where nothing is written."""
    if written in (ONE, ZERO):
        return ZERO if written is ONE else ONE
    if written.kind == "I":
        return bracket({"=": "≠", "≥": "<", "≤": ">"}[written.data], *written.parts)
    return fn("not", written)


def _setitem(sheet: Sheet, k: int, node: GraphNode, idx: tuple[Expr, ...]) -> Expr:
    """x_i where nothing is written, and each value where its key says."""
    x, *values = node.inputs
    out = []
    keep = ONE
    for v, key in zip(values, node.attrs["keys"], strict=True):
        if 0 in shape_after(node.shape, key, []):
            continue
        e, written = _assigned(sheet, k, idx, v, key, [])
        out.append(e)
        keep = mul(keep, _kept(written))
    return add(mul(keep, sheet.pull(x, idx)), *out)


def _put(sheet: Sheet, k: int, node: GraphNode, idx: tuple[Expr, ...]) -> Expr:
    """As an assignment at slices, with the places from index arrays."""
    x, v, *arrays = node.inputs
    if 0 in shape_after(node.shape, node.attrs["key"], [sheet.node(i).shape for i in arrays]):
        return sheet.pull(x, idx)
    last = _last(sheet, k, arrays)
    e, written = _assigned(sheet, k, idx, v, node.attrs["key"], arrays, last)
    return add(mul(_kept(written), sheet.pull(x, idx)), e)


def _last(sheet: Sheet, k: int, arrays: list[int]) -> Symbol | None:
    """1 for the entry that counts of those with the same place, as a constant; None where every place is named once."""
    shape = sheet.node(k).shape
    key = read_key(sheet.node(k).attrs["key"], shape, [sheet.node(i).shape for i in arrays])
    lengths = {part.array: shape[axis] for axis, part in enumerate(key.parts) if part.array is not None}
    places = np.broadcast_arrays(*[np.asarray(sheet.values[i]) % lengths[n] for n, i in enumerate(arrays)])
    rows = list(zip(*[p.reshape(-1).tolist() for p in places], strict=True))
    at = {row: n for n, row in enumerate(rows)}
    if len(at) == len(rows):
        sheet.assumptions.add("index arrays that are written at name no place twice")
        return None
    known = next((s for s in sheet.symbols if s.key == ("last", *arrays)), None)
    if known is not None:
        return known
    value = np.array([at[row] == n for n, row in enumerate(rows)], float).reshape(places[0].shape)
    sheet.axes.enter(("last", *arrays), value.shape)
    for i in arrays:
        sheet.axes.alike(i, ("last", *arrays))
    used = {s.base for s in sheet.symbols}
    base = next(b for b in ("last", *(f"last{n}" for n in range(2, 999))) if b not in used)
    sheet.assumptions.add(f"{base} is 1 for the last entry that is written at a place and 0 for those before it")
    return sheet.new(("last", *arrays), value.shape, value, "constant", base=base, auto=True)


def _add_at(sheet: Sheet, k: int, node: GraphNode, idx: tuple[Expr, ...]) -> Expr:
    """x_i + Σ of the values whose place is i."""
    x, v, *arrays = node.inputs
    if 0 in shape_after(node.shape, node.attrs["key"], [sheet.node(i).shape for i in arrays]):
        return sheet.pull(x, idx)
    return add(sheet.pull(x, idx), _assigned(sheet, k, idx, v, node.attrs["key"], arrays)[0])


PULL = {
    "setitem": _setitem,
    "put": _put,
    "add_at": _add_at,
    "broadcast_to": _broadcast,
    "transpose": _transpose,
    "reshape": _reshape,
    "slice": _slice,
    "unslice": _unslice,
    "gather": _gather,
    "scatter_add": _scatter_add,
    "concatenate": _concatenate,
}

__all__ = ["PULL"]
