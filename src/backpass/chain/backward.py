"""Backward: the chain rule from the outputs to the inputs, one sweep over the nodes in reverse order of construction.

No recursion: nodes are numbered when they are made, so sorting by number is a topological order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from backpass.graph.aval import Aval
from backpass.graph.op import FUNCTIONS, Kind, Op
from backpass.graph.origin import NOWHERE, Adjoint, here, state
from backpass.graph.quiet import quiet
from backpass.graph.traced import ALIAS, INPUT, Node, Traced, recorded
from backpass.partials.declare import dtype_of, shape_of, value_of

from .control import pulled_control
from .nonfinite import examine
from .rules import (
    fitted,
    is_risky,
    joined,
    masked_linear_pull,
    masked_pull,
    pulled,
    pulled_mask,
    select,
    unbroadcast_mask,
)
from .zeros import (
    Root,
    flatness,
    lipschitz_factor,
    not_zero,
    root_under,
    steepness,
    still_factor,
    strong_pull,
    within_range,
)

REAL = np.dtype(float)
ARRAY, FLOAT64 = np.ndarray, np.float64
CONTROL = Kind.CONTROL
ENTRYWISE = (Kind.POINTWISE, Kind.REDUCTION)
FIRST = [0]
"""The positions that lead back to an input, of an operation with one argument; below, of one with two."""
LEFT, RIGHT, BOTH = (0,), (1,), (0, 1)
Step = tuple[int, Node, Sequence[int]]
Seed = tuple[Node, Any, Any]
"""An output, its cotangent, and the cotangent's mask (or None)."""


def fresh(x: Any, name: str | None = None) -> Traced:
    """A new identity for a value: what one derivative differentiates with respect to, apart from every other."""
    if x.__class__ is Traced:
        return recorded(ALIAS, (x.node,), None, x.node.value, here(2))
    return recorded(INPUT, (), {"name": name} if name else None, x, NOWHERE)


class Slice:
    """The part of the graph between inputs and outputs that a derivative runs through."""

    __slots__ = ("steps", "nested", "selects", "steep", "overflows", "rooted")

    steps: list[Step]
    """Nodes in order of construction, each with its number and the positions of arguments that lead to an input."""
    nested: bool
    """An outer trace's values take part, so the derivative may be differentiated again."""
    selects: bool
    """An operation on the way leaves entries out: structural zeros are born there."""
    steep: bool
    """A partial on the way can be infinite where the value is finite: see zeros.py."""
    overflows: bool
    """An operation on the way can be too large for a float."""
    rooted: bool
    """There is a root on the way, whose powers have partials of their own."""

    def __init__(self, outputs: list[Node], inputs: list[Node]):
        if len(inputs) == 1:
            floor = top = inputs[0].index
            wanted = {floor}
        else:
            wanted = {n.index for n in inputs}
            floor, top = min(wanted, default=0), max(wanted, default=-1)
        stack = list(outputs)
        seen = {outputs[0].index} if len(outputs) == 1 else {n.index for n in outputs}
        if len(seen) < len(outputs):
            stack = list({n.index: n for n in outputs}.values())
        steps: list[Step] = []
        nested = selects = steep = overflows = rooted = False
        loose = False  # something was met that no path from an input leads to
        places: Sequence[int]
        see, push, pop = seen.add, stack.append, stack.pop
        while stack:
            node = pop()
            index = node.index
            op = node.op
            arguments = node.inputs
            if index <= top:
                if index < floor:
                    nested = loose = True  # an outer trace's value
                    continue
                if index in wanted:
                    if op is ALIAS and arguments[0].index not in seen:
                        see(arguments[0].index)
                        push(arguments[0])
                    continue
            count = len(arguments)
            if count == 1:
                q = arguments[0]
                if q.__class__ is not Node:
                    loose = True
                    continue
                i = q.index
                if i not in seen:
                    see(i)
                    push(q)
                if not op.pair[0]:
                    loose = True
                    continue
                places = FIRST
            elif count == 2:
                a, b = arguments
                left, right = op.pair
                if a.__class__ is Node:
                    i = a.index
                    if i not in seen:
                        see(i)
                        push(a)
                else:
                    left = False
                if b.__class__ is Node:
                    i = b.index
                    if i not in seen:
                        see(i)
                        push(b)
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
                            see(q.index)
                            push(q)
                        if smooth is None or (i < len(smooth) and smooth[i]):
                            places.append(i)
                    i += 1  # noqa: SIM113  (enumerate costs a tuple for each of a million arguments)
                if not places:
                    loose = True
                    continue
            if op.notable:
                if op.selects:
                    selects = True
                elif op.squared:
                    rooted = True
                    steep = steep or op.steep != 1.0
                elif op.overflows:
                    overflows = True
                else:
                    steep = True
            steps.append((index, node, places))
        if len(steps) > 1:
            steps.sort()
        self.steps = _reached(steps, wanted) if loose else steps
        self.selects = selects
        self.steep = steep
        self.overflows = overflows
        self.rooted = rooted
        self.nested = nested and state.depth > 0

    @property
    def zeros_may_win(self) -> bool:
        """Can a NaN in a derivative be 0 · ∞, of which zeros.py knows the right value?"""
        return self.steep or self.selects or self.overflows

    def risky_from_inputs(self, masked: bool, still: dict[int, int]) -> set[int]:
        """Nodes that are risky or have a risky node between themselves and the inputs: masks are carried to these.

        None of them, when no mask can get there: it is given with a seed, or born where entries are left out of such
        or multiplied by a zero that holds still.
        """
        reached: set[int] = set()
        for _, node, places in self.steps:
            if reached and any(node.inputs[i].index in reached for i in places):
                reached.add(node.index)
                masked = masked or node.op.selects or node.index in still
            elif node.op.risky and is_risky(node):
                reached.add(node.index)
        return reached if masked else set()

    def still_factors(self) -> dict[int, int]:
        """Products with a factor that holds still and may be 0: which argument that is."""
        found = {}
        for index, node, places in self.steps:
            if len(places) == 1 and len(node.inputs) == 2:
                k = still_factor(node, places[0])
                if k is not None:
                    found[index] = k
        return found


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


@quiet
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
    if len(seeds) == 1 and kept is None and state.depth == 0:
        node, g, mask = seeds[0]
        if mask is None and g.__class__ is not Traced and node.value.__class__ is not Aval:
            return _first_order(node, g, wrt)
    record = masked = False
    outputs = []
    for node, g, mask in seeds:
        outputs.append(node)
        record = record or g.__class__ is Traced or node.value.__class__ is Aval
        masked = masked or mask is not None
    part = Slice(outputs, wrt)
    record = record or part.nested
    if record and (part.steep or part.rooted):
        found = _ends(_strong_sweep(part, seeds, masked, True, False), wrt)
        return _ends(_strong_sweep(part, seeds, masked, True, True), wrt) if has_nan(found) else found
    carried = part.risky_from_inputs(masked, {}) if masked or part.selects else set()
    if record or carried or kept is not None:
        cotangents = _sweep(part, seeds, record, carried, kept, None)
    else:
        cotangents = _plain_sweep(part, seeds)
    found = [cotangents.get(wrt[0].index)] if len(wrt) == 1 else _ends(cotangents, wrt)
    if part.zeros_may_win and kept is None and has_nan(found):
        return _ends(_strong_sweep(part, seeds, masked, record, True), wrt)
    return found


def _ends(cotangents: dict[int, Any], wrt: list[Node]) -> list[Any]:
    return [cotangents.get(n.index) for n in wrt]


def has_nan(derivatives: list[Any]) -> bool:
    for c in derivatives:
        if c.__class__ is Traced:
            c = c.node.value
        if c.__class__ is ARRAY:
            c = c.dot(c) if c.ndim == 1 else np.vdot(c, c)  # the shortest look at all of them: squares do not cancel
        if c is not None and c.__class__ is not Aval and c != c:
            return True
    return False


def _strong_sweep(part: Slice, seeds: list[Seed], masked: bool, record: bool, mends: bool) -> dict[int, Any]:
    """`mends` a NaN that was met: masks are carried everywhere, and values are looked at."""
    still = part.still_factors()
    if mends:
        return _sweep(part, seeds, record, {index for index, _, _ in part.steps}, None, still, True)
    carried = part.risky_from_inputs(masked, still) if masked or part.selects or still else set()
    return _sweep(part, seeds, record, carried, None, still)


def _recorded(seed: Seed) -> bool:
    return type(seed[1]) is Traced or seed[0].staged


def _first_order(output: Node, seed: Any, wrt: list[Node]) -> list[Any]:
    """Plain cotangents of one output: down the single path that it begins with, and on from where that divides."""
    if len(wrt) == 1:
        top = wrt[0].index
        wanted = {top}
    else:
        wanted = {n.index for n in wrt}
        top = max(wanted, default=-1)
    node, g, steep = _straight(output, seed, wanted, top)
    if node.index == top and len(wrt) == 1:
        found = [g]
    else:
        part = Slice([node], wrt)
        carried = part.risky_from_inputs(False, {}) if part.selects else set()
        seeds: list[Seed] = [(node, g, None)]
        cotangents = _sweep(part, seeds, False, carried, None, None) if carried else _plain_sweep(part, seeds)
        found = _ends(cotangents, wrt)
        steep = steep or part.zeros_may_win
    if steep and has_nan(found):
        return _ends(_strong_sweep(Slice([output], wrt), [(output, seed, None)], False, False, True), wrt)
    return found


def _straight(node: Node, g: Any, wanted: set[int], top: int) -> tuple[Node, Any, bool]:
    """As far as a single path leads: its cotangents are complete, so nothing need be looked up.

    Most functions end in such a path, as a mean of squares does, or are one. `wanted` are the inputs; above `top` there
    are none. Returns where the path divides, the cotangent there, and whether a partial on it can be infinite.
    """
    steep = free = False  # free: no mask is needed below
    while node.index > top:
        op = node.op
        inputs = node.inputs
        i = _only_source(op, inputs)
        if i is None:
            break
        source = inputs[i]
        if op.notable:
            steep = steep or op.selects or op.overflows or op.steep != 1.0
            if op.selects and not free:
                free = _is_tame(source, wanted, top)
                if not free:
                    break
        value = source.value
        values = (value,) if len(inputs) == 1 else [*inputs[:i], value, *inputs[i + 1 :]]
        if op.pulls is not None:
            rule, attrs = op.pulls[i], node.attrs
            try:
                c = rule(g, node.value, *values, **attrs) if attrs else rule(g, node.value, *values)  # type: ignore[misc]
            except ZeroDivisionError:
                c = _as_numpy(rule, g, node.value, values, attrs)
            g = _fitting(c, value)
        elif i == 0 and op.accumulate is not None:
            total = np.zeros(value.shape, value.dtype)
            op.accumulate(total, g, *values, **node.attrs or {})
            g = total
        elif op.kind is CONTROL:
            break
        else:
            c = pulled(op, i, g, node.value, values, node.attrs or {})
            if c is None:
                break
            g = _fitting(c, value)
        node = source
    return node, g, steep


def _only_source(op: Op, inputs: tuple[Any, ...]) -> int | None:
    """Which argument alone is a node, and the operation has a derivative in it; None if there is no such one."""
    count = len(inputs)
    if count == 1:
        return 0 if inputs[0].__class__ is Node and op.pair[0] else None
    if count == 2:
        i = 0 if inputs[0].__class__ is Node else 1
        return i if inputs[1 - i].__class__ is not Node and inputs[i].__class__ is Node and op.pair[i] else None
    nodes = [i for i, q in enumerate(inputs) if q.__class__ is Node]
    if len(nodes) != 1:
        return None
    i = nodes[0]
    smooth = op.smooth
    return i if smooth is None or (i < len(smooth) and smooth[i]) else None


def _is_tame(node: Any, wanted: set[int], top: int) -> bool:
    """Does a single path lead on to an input, past nothing that a structural zero must be kept from?"""
    while node.index > top:
        i = _only_source(node.op, node.inputs)
        if i is None or is_risky(node):
            return False
        node = node.inputs[i]
    return node.index in wanted


def _as_numpy(rule: Any, g: Any, out: Any, values: Any, attrs: dict[str, Any] | None) -> Any:
    """Python's numbers raise where NumPy's give inf."""
    return rule(g, np.asarray(out)[()], *[np.asarray(v)[()] for v in values], **attrs or {})


def _fitting(c: Any, value: Any) -> Any:
    """A plain cotangent with the shape and dtype of its plain value."""
    kind = c.__class__
    if kind is ARRAY and value.__class__ is ARRAY:
        if c.shape == value.shape and c.dtype is value.dtype:
            return c
        return fitted(c, value.shape, value.dtype)
    if value.__class__ is float:
        return c if kind is FLOAT64 else fitted(c, (), REAL)
    if value.__class__ is FLOAT64 and kind is FLOAT64:
        return c
    if hasattr(value, "dtype"):
        return fitted(c, value.shape, value.dtype)
    return fitted(c, (), dtype_of(value))  # a complex number of Python's, or a truth value


def _plain_sweep(part: Slice, seeds: list[Seed]) -> dict[int, Any]:
    """The sweep at first order where no structural zero can meet an infinite partial: nothing is recorded or masked."""
    cotangents: dict[int, Any] = {}
    owned: set[int] = set()  # arrays that were made here by adding, so that more can be added in place
    for node, g, _ in seeds:
        _add(cotangents, owned, node.index, g)
    take = cotangents.pop
    for index, node, places in reversed(part.steps):
        g = take(index, None)
        if g is None:
            continue
        op = node.op
        rules = op.pulls
        out = node.value
        inputs = node.inputs
        attrs = node.attrs
        values: Any
        if places is FIRST:
            values = (inputs[0].value,)
        elif len(inputs) == 2:
            a, b = inputs
            values = (a.value if a.__class__ is Node else a, b.value if b.__class__ is Node else b)
        else:
            values = [q.value if q.__class__ is Node else q for q in inputs]
        found = None
        if rules is None and op.kind is CONTROL:
            found = pulled_control(op, places, g, out, values, attrs or {})
        for i in places:
            key = inputs[i].index
            if rules is not None:
                try:
                    c = rules[i](g, out, *values, **attrs) if attrs else rules[i](g, out, *values)  # type: ignore[misc]
                except ZeroDivisionError:
                    c = _as_numpy(rules[i], g, out, values, attrs)
            elif i == 0 and op.accumulate is not None:
                _accumulate(op, cotangents, owned, key, g, values, attrs or {})
                continue
            elif found is not None:
                c = found.get(i)
                if c is None:
                    continue
            else:
                c = pulled(op, i, g, out, values, attrs or {})
                if c is None:
                    continue
            value = values[i]
            if c.__class__ is not FLOAT64 or (value.__class__ is not float and value.__class__ is not FLOAT64):
                c = _fitting(c, value)
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


def _sweep(
    part: Slice,
    seeds: list[Seed],
    record: bool,
    risky: set[int],
    kept: dict[int, Any] | None,
    still: dict[int, int] | None,
    mends: bool = False,
) -> dict[int, Any]:
    """The sweep that can record itself, and that carries masks of structural zeros to the nodes in `risky`.

    With `still`, the factors that hold still, the zeros of zeros.py win; and all of them where it `mends` a NaN.
    """
    ranged = mends and all(within_range(node.value) for node, _, _ in seeds)
    steep: dict[int, float] = {}  # nodes whose cotangent may be infinite, and by which power of a distance
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
            power = steep.get(index, 1.0)
            if still is not None:
                root = root_under(node)
                if root is not None:
                    _pull_root(root, g, mask, record, cotangents, masks, owned, risky, steep, power)
                    continue
            found = pulled_control(op, places, g, out, args, attrs) if op.kind is CONTROL else None
            for i in places:
                key = node.inputs[i].index
                carried = key in risky
                flat = power * flatness(node, i) if power < 1 and index not in still else 0.0  # type: ignore[operator]
                if i == 0 and op.accumulate is not None and not record and not carried and mask is None:
                    _accumulate(op, cotangents, owned, key, g, values, attrs)
                    if power < 1:
                        steep[key] = min(steep.get(key, 1.0), power)
                    continue
                if found is not None:
                    c = found.get(i)
                elif power < 1 and (index in still or flat >= 1):  # type: ignore[operator]
                    c = strong_pull(op, i, g, out, args, attrs, index in still, flat)  # type: ignore[operator]
                else:
                    c = pulled(op, i, g, out, args, attrs)
                if c is None:
                    continue
                if mask is not None and mends and op.kind is Kind.LINEAR:
                    c = masked_linear_pull(op, i, c, g, mask, out, args, attrs)
                elif mask is not None and (is_risky(node) or (mends and op.kind in ENTRYWISE)):
                    c = masked_pull(op, c, mask, args, attrs)
                if ranged and op.overflows:
                    c = select(np.isfinite(plain_out), c)
                new = pulled_mask(op, i, mask, plain_out, plain, attrs) if carried else None
                k = still.get(index) if carried and still is not None else None
                if k is None and mends and not record and power == 1:
                    k = lipschitz_factor(node, i)
                if k is not None:
                    own = np.not_equal(plain[k], 0) if op.kind is Kind.LINEAR else not_zero(op, k, plain, plain_out)
                    own = unbroadcast_mask(own, shape_of(values[i]))
                    new = own if new is None else np.logical_and(new, own)
                if still is not None:
                    below = power * steepness(node)
                    if below < 1:
                        steep[key] = min(steep.get(key, 1.0), below)
                _give(cotangents, masks, owned, key, c, new, values[i])
    finally:
        state.origin = before
    return cotangents


def _give(
    cotangents: dict[int, Any], masks: dict[int, Any], owned: set[int], key: int, c: Any, mask: Any, value: Any
) -> None:
    """Add a cotangent to those of a node, and its mask."""
    if value.__class__ is np.ndarray or hasattr(value, "dtype"):
        c = fitted(c, value.shape, value.dtype)
    else:
        c = fitted(c, (), dtype_of(value))
    if key in cotangents:
        cotangents[key] = cotangents[key] + c
        owned.add(key)
        if key in masks:
            both = joined(masks[key], mask)
            if both is None:
                del masks[key]
            else:
                masks[key] = both
    else:
        cotangents[key] = c
        if mask is not None:
            masks[key] = mask


def _pull_root(
    root: Root,
    g: Any,
    mask: Any,
    record: bool,
    cotangents: dict[int, Any],
    masks: dict[int, Any],
    owned: set[int],
    risky: set[int],
    steep: dict[int, float],
    power: float,
) -> None:
    """What the power of a root sends to what is under the root."""

    def read(q: Any) -> Any:
        return (Traced(q) if record else q.value) if q.__class__ is Node else q

    wanted = {q.index for q in root.ends}
    for q, c in root.pulled(g, read, power):
        if q.index not in wanted:
            continue
        new = root.mask(q, mask, read) if mask is not None and q.index in risky else None
        if power < 1:
            steep[q.index] = min(steep.get(q.index, 1.0), power)
        _give(cotangents, masks, owned, q.index, c, new, q.value)


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


def _cotangents(result: Traced, seed: Any, of: Traced) -> Any:
    """For rules that need a derivative of what they are given: that of ``sum(seed * result)``; None where it is 0."""
    return backward([(result.node, seed, None)], [of.node])[0]


FUNCTIONS["cotangents"] = _cotangents
