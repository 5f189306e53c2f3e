"""Forward: the chain rule from the inputs to the outputs, one sweep over the recorded nodes in order."""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass.graph.op import Kind
from backpass.graph.origin import Adjoint, state
from backpass.graph.quiet import quiet
from backpass.graph.traced import Node, Traced
from backpass.partials.declare import dtype_of, shape_of, value_of

from .backward import Slice, fresh, has_nan
from .nonfinite import examine
from .rules import is_risky, pushed, pushed_mask, select, spread
from .zeros import (
    Root,
    apart_from_zero,
    flatness,
    lipschitz_factor,
    not_zero,
    root_under,
    some_not_zero,
    steepness,
    strong_push,
    within_range,
)

Push = tuple[Node, Any, Any]
"""An input, its tangent, and the tangent's mask (or None)."""


@quiet
def forward(seeds: list[Push], outputs: list[Node]) -> list[Any]:
    """Tangents of `outputs`, given those of the inputs; None for an output that no path reaches."""
    if state.watching and state.depth == 0 and not any(type(s[1]) is Traced or s[0].staged for s in seeds):
        handles = [fresh(t, "tangent") for _, t, _ in seeds]
        found = forward([(s[0], h, s[2]) for s, h in zip(seeds, handles, strict=True)], outputs)
        examine([*[s[0] for s in seeds], *[h.node for h in handles]], [*map(Traced, outputs), *found])
        return [value_of(t) for t in found]
    part = Slice(outputs, [s[0] for s in seeds])
    record = part.nested or any(type(s[1]) is Traced for s in seeds) or any(n.staged for n in outputs)
    tangents: dict[int, Any] = {}
    masks: dict[int, Any] = {}
    for node, t, mask in seeds:
        tangents[node.index] = t
        if mask is not None:
            masks[node.index] = mask
    found = _push(part, outputs, dict(tangents), dict(masks), record, record and (part.steep or part.rooted))
    if part.zeros_may_win and has_nan(found):
        for node, t, mask in seeds:
            if mask is None and not np.all(value_of(t)):
                masks[node.index] = np.not_equal(value_of(t), 0)  # what does not move
        return _push(part, outputs, tangents, masks, record, True, True)
    return found


def _push(
    part: Slice,
    outputs: list[Node],
    tangents: dict[int, Any],
    masks: dict[int, Any],
    record: bool,
    strong: bool,
    mends: bool = False,
) -> list[Any]:
    """The sweep; where `strong`, the zeros of zeros.py win, and are carried to what is steep; all of them where it
    `mends` a NaN that was met."""
    moving = mends and not record
    ranged = mends and all(within_range(node.value) for node in outputs)
    still = part.still_factors() if strong else {}
    last_steep = max([index for index, node, _ in part.steps if steepness(node) < 1], default=-1) if strong else -1
    roots: dict[int, Root] = {}
    carry = bool(masks or part.selects or still or last_steep >= 0) and any(is_risky(n) for _, n, _ in part.steps)
    carry = carry or mends
    last_use: dict[int, int] = {}
    for index, node, places in part.steps:
        for i in places:
            last_use[node.inputs[i].index] = index
        root = root_under(node) if strong else None
        if root is not None:
            roots[index] = root
            for q in root.ends:
                last_use[q.index] = index
    for node in outputs:
        last_use.pop(node.index, None)
    infinite: set[int] = set()  # nodes whose tangent may be infinite
    evens: dict[int, Any] = {}  # masks of the zeros that even functions have at 0
    flat: dict[int, float] = {}  # how flat these are there
    before = state.origin
    try:
        for index, node, places in part.steps:
            mine = [tangents.get(q.index) if q.__class__ is Node else None for q in node.inputs]
            theirs = [masks.get(q.index) if q.__class__ is Node else None for q in node.inputs]
            attrs = node.attrs or {}
            values = [q.value if q.__class__ is Node else q for q in node.inputs]
            if record:
                args: Any = [Traced(q) if q.__class__ is Node else q for q in node.inputs]
                out: Any = Traced(node)
                state.origin = node.origin.noted(Adjoint(node, "forward"))
                plain, plain_out = (args, out) if node.staged else (values, node.value)
            else:
                args, out = values, node.value
                plain, plain_out = args, out
            steep = strong and not infinite.isdisjoint([node.inputs[i].index for i in places])
            power = steepness(node) if strong else 1.0
            level = [evens.get(q.index) if q.__class__ is Node else None for q in node.inputs] if evens else []
            least = _least(flat, node) if flat else np.inf
            root = roots.get(index)
            if root is not None:
                t = root.pushed(lambda q: tangents.get(q.index), _read(record))
                t = None if t is None else spread(t, shape_of(node.value), dtype_of(node.value))
            else:
                wins = {i for i in places if steep and (index in still or (moving and _moves(node, i)))}
                if wins and index in still and node.op.kind is Kind.LINEAR:  # a dot product
                    mine = [t if t is None else select(np.not_equal(args[still[index]], 0), t) for t in mine]
                t = pushed(node.op, mine, theirs if mends or is_risky(node) else None, out, args, attrs, wins)
                if power < 1 and level and power * least >= 1:
                    t = strong_push(node.op, mine, theirs, level, out, args, power * least)
            if t is None:
                continue
            if ranged and node.op.overflows:
                t = select(np.isfinite(plain_out), t)
            tangents[index] = t
            if steep or power < 1:
                infinite.add(index)
            if carry:
                mask = pushed_mask(node.op, mine, theirs, plain_out, plain, attrs)
                if index in still:
                    k = still[index]
                    linear = node.op.kind is Kind.LINEAR
                    own = some_not_zero(node.op, k, plain, attrs) if linear else not_zero(node.op, k, plain, plain_out)
                    mask = _both(mask, own, node)
                if mask is not None:
                    masks[index] = mask
            if index < last_steep:
                mask = pushed_mask(node.op, mine, level, plain_out, plain, attrs) if level and power == 1 else None
                own_flatness = flatness(node, places[0]) if root is None else root.flatness
                if root is not None and own_flatness:
                    mask = _both(mask, np.logical_or(np.not_equal(plain_out, 0), np.logical_not(np.isfinite(t))), node)
                elif own_flatness:
                    own = apart_from_zero(node.op, places[0], plain, mine[places[0]], plain_out, attrs)
                    mask = _both(mask, own, node)
                if mask is not None:
                    evens[index] = mask
                    flat[index] = min(least, own_flatness or least)
            for q in [node.inputs[i] for i in places] + (root.ends if root is not None else []):
                if last_use.get(q.index) == index:
                    tangents.pop(q.index, None)
                    masks.pop(q.index, None)
                    evens.pop(q.index, None)
    finally:
        state.origin = before
    return [tangents.get(n.index) for n in outputs]


def _moves(node: Node, i: int) -> bool:
    return within_range(node.value) and lipschitz_factor(node, i) is not None


def _least(flat: dict[int, float], node: Node) -> float:
    return min([flat[q.index] for q in node.inputs if q.__class__ is Node and q.index in flat], default=np.inf)


def _both(mask: Any, own: Any, node: Node) -> Any:
    own = np.broadcast_to(own, shape_of(node.value))
    return own if mask is None else np.logical_and(mask, own)


def _read(record: bool) -> Any:
    return lambda q: (Traced(q) if record else q.value) if q.__class__ is Node else q
