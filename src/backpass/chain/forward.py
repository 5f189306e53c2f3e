"""Forward: the chain rule from the inputs to the outputs, one sweep over the recorded nodes in order."""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass.graph.origin import Adjoint, state
from backpass.graph.traced import Node, Traced
from backpass.partials.declare import value_of

from .backward import Slice, fresh
from .nonfinite import examine
from .rules import is_risky, pushed, pushed_mask

Push = tuple[Node, Any, Any]
"""An input, its tangent, and the tangent's mask (or None)."""


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
    carry = (bool(masks) or part.selects) and any(is_risky(node) for _, node, _ in part.steps)
    last_use: dict[int, int] = {}
    for index, node, places in part.steps:
        for i in places:
            last_use[node.inputs[i].index] = index
    for node in outputs:
        last_use.pop(node.index, None)
    before = state.origin
    try:
        with np.errstate(all="ignore"):
            for _, node, places in part.steps:
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
                t = pushed(node.op, mine, theirs if is_risky(node) else None, out, args, attrs)
                if t is None:
                    continue
                tangents[node.index] = t
                if carry:
                    mask = pushed_mask(node.op, mine, theirs, plain_out, plain, attrs)
                    if mask is not None:
                        masks[node.index] = mask
                for i in places:
                    key = node.inputs[i].index
                    if last_use.get(key) == node.index:
                        tangents.pop(key, None)
                        masks.pop(key, None)
    finally:
        state.origin = before
    return [tangents.get(n.index) for n in outputs]
