"""Index equations of the operations that only move entries: transpose, reshape, slices, gathers, concatenate."""

from __future__ import annotations

from typing import Any

from backpass.graph.program import GraphNode

from .axes import groups
from .expr import ZERO, Expr, add, bracket, dim, mul, num, total, within
from .integer import quotient, remainder
from .keys import read_key
from .sheet import Sheet


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
    return _put_back(sheet, node, idx, [])


def _put_back(sheet: Sheet, node: GraphNode, idx: tuple[Expr, ...], arrays: list[int]) -> Expr:
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
            tests.append(bracket("=", idx[axis], _entry(sheet, arrays[part.array], spread)))
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


def _entry(sheet: Sheet, array: int, spread: list[Expr]) -> Expr:
    """The whole number that an index array holds at the current place."""
    shape = sheet.node(array).shape
    at = spread[len(spread) - len(shape) :]
    return sheet.pull(array, tuple(ZERO if n == 1 else j for n, j in zip(shape, at, strict=True)))


def _gather(sheet: Sheet, k: int, node: GraphNode, idx: tuple[Expr, ...]) -> Expr:
    source, *arrays = node.inputs
    key = read_key(node.attrs["key"], sheet.node(source).shape, [sheet.node(i).shape for i in arrays])
    spread = list(idx[key.at : key.at + len(key.spread)])
    inside = [
        _entry(sheet, arrays[part.array], spread) if part.array is not None else _place(part, idx) for part in key.parts
    ]
    return sheet.pull(source, tuple(inside))


def _scatter_add(sheet: Sheet, k: int, node: GraphNode, idx: tuple[Expr, ...]) -> Expr:
    return _put_back(sheet, node, idx, list(node.inputs[1:]))


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


PULL = {
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
