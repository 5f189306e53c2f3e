"""Backward: the chain rule from the outputs to the inputs, one sweep over the nodes in reverse order of construction.

No recursion: nodes are numbered when they are made, so sorting by number is a topological order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from backpass.graph.aval import Aval
from backpass.graph.op import Kind, Op
from backpass.graph.origin import NOWHERE, Adjoint, here, state
from backpass.graph.traced import ALIAS, INPUT, Node, Traced
from backpass.partials.declare import dtype_of, value_of

from .control import pulled_control
from .nonfinite import examine
from .rules import fitted, is_risky, joined, masked_pull, pulled, pulled_mask

REAL, COMPLEX = np.dtype(float), np.dtype(complex)
ARRAY, FLOAT64 = np.ndarray, np.float64
POINTWISE, LINEAR = Kind.POINTWISE, Kind.LINEAR
CONTROL = Kind.CONTROL
FIRST = [0]
"""The positions that lead back to an input, of an operation with one argument; below, of one with two."""
LEFT, RIGHT, BOTH = (0,), (1,), (0, 1)
Step = tuple[int, Node, Sequence[int]]
Seed = tuple[Node, Any, Any]
"""An output, its cotangent, and the cotangent's mask (or None)."""


def fresh(x: Any, name: str | None = None) -> Traced:
    """A new identity for a value: what one derivative differentiates with respect to, apart from every other."""
    if x.__class__ is Traced:
        return Traced(Node(ALIAS, (x.node,), None, x.node.value, here(2)))
    return Traced(Node(INPUT, (), {"name": name} if name else None, x, NOWHERE))


class Slice:
    """The part of the graph between inputs and outputs that a derivative runs through."""

    __slots__ = ("steps", "nested", "selects")

    steps: list[Step]
    """Nodes in order of construction, each with its number and the positions of arguments that lead to an input."""
    nested: bool
    """An outer trace's values take part, so the derivative may be differentiated again."""
    selects: bool
    """An operation on the way leaves entries out: structural zeros are born there."""

    def __init__(self, outputs: list[Node], inputs: list[Node]):
        wanted = {inputs[0].index} if len(inputs) == 1 else {n.index for n in inputs}
        floor = min(wanted, default=0)
        stack = list(outputs)
        seen = {outputs[0].index} if len(outputs) == 1 else {n.index for n in outputs}
        if len(seen) < len(outputs):
            stack = list({n.index: n for n in outputs}.values())
        steps: list[Step] = []
        nested = selects = False
        loose = False  # something was met that no path from an input leads to
        places: Sequence[int]
        while stack:
            node = stack.pop()
            index = node.index
            if index < floor:
                nested = loose = True  # an outer trace's value
                continue
            op = node.op
            if index in wanted:
                if op is ALIAS and node.inputs[0].index not in seen:
                    seen.add(node.inputs[0].index)
                    stack.append(node.inputs[0])
                continue
            arguments = node.inputs
            count = len(arguments)
            if count == 1:
                q = arguments[0]
                if q.__class__ is Node and q.index not in seen:
                    seen.add(q.index)
                    stack.append(q)
                if q.__class__ is not Node or not op.pair[0]:
                    loose = True
                    continue
                places = FIRST
            elif count == 2:
                a, b = arguments
                left, right = op.pair
                if a.__class__ is Node:
                    if a.index not in seen:
                        seen.add(a.index)
                        stack.append(a)
                else:
                    left = False
                if b.__class__ is Node:
                    if b.index not in seen:
                        seen.add(b.index)
                        stack.append(b)
                else:
                    right = False
                if left:
                    places = BOTH if right else LEFT
                elif right:
                    places = RIGHT
                else:
                    loose = True
                    continue
            else:
                smooth = op.smooth
                places = []
                i = 0
                for q in arguments:
                    if q.__class__ is Node:
                        if q.index not in seen:
                            seen.add(q.index)
                            stack.append(q)
                        if smooth is None or (i < len(smooth) and smooth[i]):
                            places.append(i)
                    i += 1  # noqa: SIM113  (enumerate costs a tuple for each of a million arguments)
                if not places:
                    loose = True
                    continue
            if op.selects:
                selects = True
            steps.append((index, node, places))
        steps.sort()
        self.steps = _reached(steps, wanted) if loose else steps
        self.selects = selects
        self.nested = nested and state.depth > 0

    def risky_from_inputs(self, masked: bool) -> set[int]:
        """Nodes that are risky or have a risky node between themselves and the inputs: masks are carried to these.

        None of them, when no mask can get there: it is given with a seed, or born where entries are left out of such.
        """
        reached: set[int] = set()
        for _, node, places in self.steps:
            if reached and any(node.inputs[i].index in reached for i in places):
                reached.add(node.index)
                masked = masked or node.op.selects
            elif node.op.risky and is_risky(node):
                reached.add(node.index)
        return reached if masked else set()


def _reached(steps: list[Step], wanted: set[int]) -> list[Step]:
    """The steps that a path from an input leads to, with the arguments that it comes by."""
    active = set(wanted)
    found: list[Step] = []
    for index, node, places in steps:
        if places is FIRST:
            if node.inputs[0].index not in active:
                continue
        else:
            places = [i for i in places if node.inputs[i].index in active]
            if not places:
                continue
        active.add(index)
        found.append((index, node, places))
    return found


def backward(seeds: list[Seed], wrt: list[Node], kept: dict[int, Any] | None = None) -> list[Any]:
    """Cotangents of `wrt`, given those of the outputs; None for a node that no path reaches.

    With `kept`, the cotangent of every node on the way is entered there under the node's index.

    Plain arrays at first order. Traced when an outer trace is under way and its values take part, when a seed is
    traced, or in a staged trace: then every step is recorded in turn.
    """
    if state.watching and state.depth == 0 and kept is None and not any(_recorded(s) for s in seeds):
        handles = [fresh(g, "cotangent") for _, g, _ in seeds]
        found = backward([(s[0], h, s[2]) for s, h in zip(seeds, handles, strict=True)], wrt)
        examine([*wrt, *[h.node for h in handles]], [*[Traced(s[0]) for s in seeds], *found])
        return [value_of(c) for c in found]
    record = masked = False
    outputs = []
    for node, g, mask in seeds:
        outputs.append(node)
        record = record or g.__class__ is Traced or node.value.__class__ is Aval
        masked = masked or mask is not None
    part = Slice(outputs, wrt)
    carried = part.risky_from_inputs(masked) if masked or part.selects else set()
    if record or part.nested or carried or kept is not None:
        cotangents = _sweep(part, seeds, record or part.nested, carried, kept)
    else:
        cotangents = _plain_sweep(part, seeds)
    return [cotangents.get(wrt[0].index)] if len(wrt) == 1 else [cotangents.get(n.index) for n in wrt]


def _recorded(seed: Seed) -> bool:
    return type(seed[1]) is Traced or seed[0].staged


@np.errstate(all="ignore")
def _plain_sweep(part: Slice, seeds: list[Seed]) -> dict[int, Any]:
    """The sweep at first order where no structural zero can meet an infinite partial: nothing is recorded or masked."""
    cotangents: dict[int, Any] = {}
    owned: set[int] = set()  # arrays that were made here by adding, so that more can be added in place
    for node, g, _ in seeds:
        if node.index in cotangents:
            _add(cotangents, owned, node.index, g)
        else:
            cotangents[node.index] = g
    for index, node, places in reversed(part.steps):
        g = cotangents.pop(index, None)
        if g is None:
            continue
        op = node.op
        kind = op.kind
        out = node.value
        inputs = node.inputs
        values: Any
        if places is FIRST:
            values = (inputs[0].value,)
        elif len(inputs) == 2:
            a, b = inputs
            values = (a.value if a.__class__ is Node else a, b.value if b.__class__ is Node else b)
        else:
            values = [q.value if q.__class__ is Node else q for q in inputs]
        found = pulled_control(op, places, g, out, values, node.attrs or {}) if kind is CONTROL else None
        for i in places:
            key = inputs[i].index
            if kind is POINTWISE:
                try:
                    c = op.partials[i](g, out, *values)  # type: ignore[misc]
                except ZeroDivisionError:  # Python's numbers raise where NumPy's give inf
                    c = op.partials[i](g, np.asarray(out)[()], *[np.asarray(v)[()] for v in values])  # type: ignore[misc]
            elif i == 0 and op.accumulate is not None:
                _accumulate(op, cotangents, owned, key, g, values, node.attrs or {})
                continue
            elif found is not None:
                c = found.get(i)
                if c is None:
                    continue
            elif kind is LINEAR and not op.variadic:
                c = op.adjoints[i](g, out, *values, **node.attrs or {})  # type: ignore[misc]
            else:
                c = pulled(op, i, g, out, values, node.attrs or {})
                if c is None:
                    continue
            value = values[i]
            kind_of = c.__class__
            if kind_of is ARRAY and value.__class__ is ARRAY:
                if c.shape != value.shape or c.dtype is not value.dtype:
                    c = fitted(c, value.shape, value.dtype)
            elif kind_of is not FLOAT64 or (value.__class__ is not float and value.__class__ is not FLOAT64):
                if value.__class__ is float:
                    c = fitted(c, (), REAL)
                elif value.__class__ is complex:
                    c = fitted(c, (), COMPLEX)
                else:
                    c = fitted(c, value.shape, value.dtype)
            before = cotangents.get(key)
            if before is None:
                cotangents[key] = c
            elif c.__class__ is FLOAT64:
                cotangents[key] = before + c
            else:
                _add(cotangents, owned, key, c)
    return cotangents


def _add(cotangents: dict[int, Any], owned: set[int], key: int, c: Any) -> None:
    before = cotangents.get(key)
    if before is None:
        cotangents[key] = c
    elif key in owned:
        before += c
    else:
        total = cotangents[key] = before + c
        if total.__class__ is np.ndarray:
            owned.add(key)


@np.errstate(all="ignore")
def _sweep(
    part: Slice, seeds: list[Seed], record: bool, risky: set[int], kept: dict[int, Any] | None
) -> dict[int, Any]:
    """The sweep that can record itself, and that carries masks of structural zeros to the nodes in `risky`."""
    cotangents: dict[int, Any] = {}
    masks: dict[int, Any] = {}
    owned: set[int] = set()
    for node, g, mask in seeds:
        if node.index in cotangents:
            masks[node.index] = joined(masks.get(node.index), mask)
            cotangents[node.index] = cotangents[node.index] + g
        else:
            cotangents[node.index] = g
            if mask is not None:
                masks[node.index] = mask
    before = state.origin
    try:
        for index, node, places in reversed(part.steps):
            if index not in cotangents:
                continue
            g = cotangents.pop(index)
            if kept is not None:
                kept[index] = g
            mask = masks.pop(index, None)
            owned.discard(index)
            op = node.op
            attrs = node.attrs or {}
            values = [q.value if q.__class__ is Node else q for q in node.inputs]
            if record:
                args: Any = [Traced(q) if q.__class__ is Node else q for q in node.inputs]
                out: Any = Traced(node)
                state.origin = node.origin.noted(Adjoint(node, "backward"))
                plain, plain_out = (args, out) if node.staged else (values, node.value)
            else:
                args, out = values, node.value
                plain, plain_out = args, out
            found = pulled_control(op, places, g, out, args, attrs) if op.kind is CONTROL else None
            for i in places:
                key = node.inputs[i].index
                carried = key in risky
                if i == 0 and op.accumulate is not None and not record and not carried and mask is None:
                    _accumulate(op, cotangents, owned, key, g, values, attrs)
                    continue
                c = found.get(i) if found is not None else pulled(op, i, g, out, args, attrs)
                if c is None:
                    continue
                if mask is not None and is_risky(node):
                    c = masked_pull(op, c, mask, args, attrs)
                value = values[i]
                if value.__class__ is np.ndarray or hasattr(value, "dtype"):
                    c = fitted(c, value.shape, value.dtype)
                else:
                    c = fitted(c, (), dtype_of(value))
                new = pulled_mask(op, i, mask, plain_out, plain, attrs) if carried else None
                if key in cotangents:
                    cotangents[key] = cotangents[key] + c
                    owned.add(key)
                    if key in masks:
                        both = joined(masks[key], new)
                        if both is None:
                            del masks[key]
                        else:
                            masks[key] = both
                else:
                    cotangents[key] = c
                    if new is not None:
                        masks[key] = new
    finally:
        state.origin = before
    return cotangents


def _accumulate(
    op: Op, cotangents: dict[int, Any], owned: set[int], key: int, g: Any, values: list[Any], attrs: dict[str, Any]
) -> None:
    """Add an indexing operation's cotangent in place, so that reading n entries one by one stays linear in n."""
    value = values[0]
    buffer = cotangents.get(key)
    if buffer is None:
        buffer = cotangents[key] = np.zeros(value.shape, value.dtype)
        owned.add(key)
    elif key not in owned or not isinstance(buffer, np.ndarray) or not buffer.flags.writeable:
        buffer = cotangents[key] = np.array(buffer)
        owned.add(key)
    op.accumulate(buffer, g, *values, **attrs)  # type: ignore[misc]
