"""Loops and branches for machine code: bodies as plans of their own, and where each step finds what it works on.

A body finds its inputs, constants and outputs by a table of addresses. Before a step those entries are set that move:
the row of what is looped over, the row of what is stacked. A carry lies in one place and is changed there; one whose
values before each step are wanted lies in their stack, each step reading a row and writing the next. Nothing is copied
but the first carry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.graph.aval import Aval
from backpass.graph.program import Graph
from backpass.graph.traced import ALIAS, CONSTANT, INPUT
from backpass.partials.control import ITEM, ITEM_DISCRETE

from .alignment import LINE
from .kernel import Item, Kernel, Place, Plan
from .prepare import Line, Lines, NotNative, prepared
from .view import View, same_walk

if TYPE_CHECKING:
    from .lower import Access, Lowering


@dataclass(frozen=True, eq=False, slots=True)
class Feed:
    """An entry of a body's table: in step i it is the address of `source`, plus ``offset + step·i`` bytes."""

    slot: Item
    source: Item
    offset: int = 0
    step: int = 0


@dataclass(frozen=True, eq=False, slots=True)
class Move:
    """Bytes that are copied before the first step."""

    source: Item
    start: int
    target: Item
    at: int
    size: int
    each: int = 0
    """Bytes further for each step that there will be."""


@dataclass(frozen=True, eq=False, slots=True)
class Stack:
    """Rows of a loop that may end early: from row ``steps + more`` on they are set to 0, `last` being copied first."""

    item: Item
    size: int
    """Bytes of a row."""
    rows: int
    more: int = 0
    last: Item | None = None


@dataclass(eq=False)
class Body:
    """A plan that is run many times, or perhaps not."""

    graph: Graph
    plan: Plan
    feeds: list[Feed] = field(default_factory=list)


@dataclass(eq=False)
class Loop:
    """A scan, or with a `test` a while loop."""

    body: Body
    work: Item
    """The working memory of the bodies; its first line is for the verdict of the test."""
    length: int | None
    """Steps: so many, at most so many with `count` or a test; None: as the test has it."""
    reverse: bool = False
    count: Access | None = None
    test: Body | None = None
    steps: Item | None = None
    """Where their number goes."""
    begin: list[Move] = field(default_factory=list)
    stacks: list[Stack] = field(default_factory=list)

    @property
    def extent(self) -> str:
        """How many steps, to be read."""
        if self.test is not None:
            return "while" if self.length is None else f"while, ≤ {self.length}"
        return f"{'≤ ' if self.count is not None else ''}{self.length} steps"


@dataclass(eq=False)
class Branch:
    """Bodies of which a whole number, clipped, chooses one."""

    index: Access
    bodies: list[Body]
    work: Item

    @property
    def extent(self) -> str:
        """How many ways, to be read."""
        return f"1 of {len(self.bodies)}"


def bodies(kernel: Kernel) -> list[Body]:
    """The bodies of a loop or a branch."""
    match kernel.control:
        case Loop(body=body, test=test):
            return [body] if test is None else [test, body]
        case Branch(bodies=found):
            return found
    return []


# ---- lowering
def placed(lowering: Lowering, k: int) -> dict[int, Access]:
    """Lower line k, a control operation: where each of its results is."""
    line = lowering.lines[k]
    used = {
        item.attrs["k"]: item.position
        for item in lowering.lines
        if item.op in (ITEM, ITEM_DISCRETE) and item.inputs[0] == k
    }
    make = _MAKERS.get(line.op.name)
    if make is not None:
        try:
            return make(_Maker(lowering, line, used))
        except NotNative:
            pass
    return _island(lowering, line, used)


def _island(lowering: Lowering, line: Line, used: dict[int, int]) -> dict[int, Access]:
    operands = tuple(lowering._stored(i) for i in line.inputs)
    maker = _Maker(lowering, line, used)
    maker.home = lowering._new(Kernel("island", (), line=line, operands=operands))
    return {n: maker.result(aval, n) for n, aval in enumerate(line.aval.parts)}


class _Maker:
    """One control operation, while it is lowered: its operands, then its kernel, then its results."""

    def __init__(self, lowering: Lowering, line: Line, used: dict[int, int]):
        self.lowering = lowering
        self.line = line
        self.used = used
        self.operands: list[Access] = []
        self.home = -1

    # ---- bodies
    def body(self, graph: Graph, outside: tuple[int, ...], wanted: list[int], kept: dict[int, int]) -> _Lowered:
        """A body that reads the lines `outside` first. `kept`: result → the argument whose memory it takes over."""
        lines = prepared(graph)
        for i, at in zip(outside, lines.inputs, strict=False):
            value = self.lowering.lines[i]
            if value.op is CONSTANT and value.aval.size == 1:  # a number is written into the code
                number = np.asarray(value.value).reshape(lines.lines[at].aval.shape)[()]
                lines.lines[at] = Line(CONSTANT, (), {}, lines.lines[at].aval, number)
        inputs = [at for at, line in enumerate(lines.lines) if line.op is INPUT]
        carried = {number: inputs.index(lines.inputs[j]) for number, j in kept.items()}
        plan = self.lowering.inner(Lines(lines.lines, lines.inputs, [lines.outputs[j] for j in wanted]), carried)
        by_line = {id(item.line): item for item in plan.inputs}
        return _Lowered(Body(graph, plan), [by_line.get(id(lines.lines[at])) for at in lines.inputs])

    def fed(self, lowered: _Lowered, outside: tuple[int, ...]) -> None:
        """Feed a body what it reads from outside, and its constants."""
        for i, slot in zip(outside, lowered.inputs, strict=False):
            if slot is not None:
                lowered.body.feeds.append(Feed(slot, *self.operand(i)))
        for slot in lowered.body.plan.constants:
            if not slot.immediate:
                constants = self.lowering.constants
                outer = Item(slot.line, slot.view, place=Place.CONSTANT, number=len(constants))
                constants.append(outer)
                lowered.body.feeds.append(Feed(slot, outer))

    # ---- operands
    def operand(self, i: int) -> tuple[Item, int]:
        """The value of a line in memory, in C order without gaps: (whose memory, bytes from its beginning)."""
        item, offset, _ = self._dense(i, 0)
        return item, offset

    def rows(self, i: int) -> tuple[Item, int, int]:
        """As `operand`, for what is looped over: (whose memory, bytes to row 0, bytes from row to row)."""
        return self._dense(i, 1)

    def _dense(self, i: int, axes: int) -> tuple[Item, int, int]:
        lowering = self.lowering
        item, view = lowering.access[i]
        entry = View(view.shape[axes:], view.strides[axes:])
        if item.immediate or not (view.size == 0 or same_walk(entry, View.dense(entry.shape))):
            copy = Line(ALIAS, (i,), {}, Aval(view.shape, item.dtype), position=lowering.lines[i].position)
            item, view = lowering._pointwise(copy, [(item, view)])
        lowering._keep(item)
        self.operands.append((item, view))
        size = item.dtype.itemsize
        return item, view.offset * size, view.strides[0] * size if axes else 0

    # ---- the kernel and its results
    def kernel(self, kind: str, domain: tuple[int, ...]) -> Kernel:
        kernel = Kernel(kind, domain, line=self.line, operands=tuple(self.operands))
        self.home = self.lowering._new(kernel)
        return kernel

    def result(self, aval: Aval, number: int | None = None) -> Access:
        """Memory that the kernel writes: that of result `number`."""
        position = self.used.get(number, self.line.position) if number is not None else -1
        item = self.lowering._item(Line(self.line.op, (), {}, aval._replace(weak=False), position=position), self.home)
        self.lowering._keep(item)
        self.lowering.kernels[self.home].parts.append(item)
        return item, item.view

    def work(self, lowered: list[_Lowered], verdict: int = 0) -> Item:
        """Working memory for any one of the bodies."""
        size = verdict + max(found.body.plan.arena for found in lowered)
        return self.result(Aval((max(size, 1),), np.dtype(np.uint8)))[0]


@dataclass
class _Lowered:
    body: Body
    inputs: list[Item | None]
    """The items of the graph's inputs; None for a number that is in the code."""


def _bytes(aval: Aval) -> int:
    return aval.size * aval.dtype.itemsize


def _carries(maker: _Maker, found: _Lowered, types: list[Aval], first: int, kept: dict[int, int], loop: Loop) -> Any:
    """Let the carries begin as the operands have them; the accesses of the last ones, and of those that are kept.

    `first`: the body's input that is the first carry; `kept`: carry → number of the result that stacks it.
    """
    length, dynamic = loop.length or 0, loop.count is not None or loop.test is not None
    last: list[Access] = []
    stacked: dict[int, Access] = {}
    starts = maker.operands[-len(types) :] if types else []
    for j, (aval, (source, view)) in enumerate(zip(types, starts, strict=True)):
        size, start = _bytes(aval), view.offset * source.dtype.itemsize
        into, out = found.inputs[first + j], found.body.plan.outputs[j]
        assert into is not None
        if j not in kept:
            item, whole = maker.result(aval, j)
            loop.begin.append(Move(source, start, item, 0, size))
            found.body.feeds.append(Feed(into, item))
            last.append((item, whole))
            continue
        item, whole = maker.result(Aval((length + 1, *aval.shape), aval.dtype), kept[j])
        back = loop.reverse
        far = length * size if back and not dynamic else 0
        loop.begin.append(Move(source, start, item, far, size, size if back and dynamic else 0))
        found.body.feeds.append(Feed(into, item, size if back else 0, size))
        found.body.feeds.append(Feed(out, item, 0 if back else size, size))
        stacked[kept[j]] = item, whole.sliced((slice(1, None) if back else slice(0, length),))
        if back or not dynamic:
            last.append((item, whole.sliced((0 if back else length,))))
        else:
            last.append(maker.result(aval, j))
        if dynamic:
            loop.stacks.append(Stack(item, size, length + 1, int(back), None if back else last[-1][0]))
    return last, stacked


def _scan(maker: _Maker) -> dict[int, Access]:
    line, attrs = maker.line, maker.line.attrs
    graph, c, k, length = attrs["body"], attrs["consts"], attrs["carry"], attrs["length"]
    counted = attrs["counted"]
    ys = len(graph.outputs) - k
    kept = {j: k + ys + j for j in range(k) if k + ys + j in maker.used}
    wanted = [y for y in range(k, k + ys) if y in maker.used]
    outside = line.inputs[:c]
    found = maker.body(graph, outside, [*range(k), *wanted], {j: c + j for j in range(k) if j not in kept})
    maker.fed(found, outside)
    over = line.inputs[c + k : len(line.inputs) - counted]
    for i, slot in zip(over, found.inputs[c + k :], strict=True):
        if slot is not None:
            found.body.feeds.append(Feed(slot, *maker.rows(i)))
    count = None
    if counted:
        maker.operand(line.inputs[-1])
        count = maker.operands[-1]
    for i in line.inputs[c : c + k]:
        maker.operand(i)
    kernel = maker.kernel("loop", (length,))
    loop = kernel.control = Loop(found.body, maker.work([found]), length, attrs["reverse"], count)
    parts = line.aval.parts
    last, stacked = _carries(maker, found, list(parts[:k]), c, kept, loop)
    results = dict(enumerate(last)) | stacked
    for number, y in enumerate(wanted):
        results[y] = maker.result(parts[y], y)
        size = _bytes(parts[y]) // length if length else 0
        found.body.feeds.append(Feed(found.body.plan.outputs[k + number], results[y][0], 0, size))
        if counted:
            loop.stacks.append(Stack(results[y][0], size, length))
    return results


def _while(maker: _Maker) -> dict[int, Access]:
    line, attrs = maker.line, maker.line.attrs
    tests, consts, bound = attrs["tests"], attrs["consts"], attrs["bound"]
    state = line.inputs[tests + consts :]
    k = len(state)
    kept = {j: k + 1 + j for j in range(k) if k + 1 + j in maker.used}
    inside = line.inputs[tests : tests + consts]
    outside = line.inputs[:tests]
    found = maker.body(attrs["body"], inside, list(range(k)), {j: consts + j for j in range(k) if j not in kept})
    test = maker.body(attrs["test"], outside, [0], {})
    maker.fed(found, inside)
    maker.fed(test, outside)
    for i in state:
        maker.operand(i)
    kernel = maker.kernel("loop", (bound,) if bound is not None else ())
    loop = kernel.control = Loop(found.body, maker.work([found, test], LINE), bound, test=test.body)
    parts = line.aval.parts
    last, stacked = _carries(maker, found, list(parts[:k]), consts, kept, loop)
    test.body.feeds.append(Feed(test.body.plan.outputs[0], loop.work))
    steps: dict[Item, Feed] = {feed.slot: feed for feed in found.body.feeds}
    for own, theirs in zip(test.inputs[tests:], found.inputs[consts:], strict=True):
        assert own is not None
        assert theirs is not None
        feed = steps[theirs]
        test.body.feeds.append(Feed(own, feed.source, feed.offset, feed.step))
    number = maker.result(parts[k], k)
    loop.steps = number[0]
    return dict(enumerate([*last, number])) | stacked


def _branch(maker: _Maker) -> dict[int, Access]:
    line = maker.line
    given = line.inputs[1:]
    wanted = sorted(maker.used)
    found = [maker.body(graph, given, wanted, {}) for graph in line.attrs["branches"]]
    maker.operand(line.inputs[0])
    index = maker.operands[-1]
    for one in found:
        maker.fed(one, given)
    kernel = maker.kernel("branch", ())
    kernel.control = Branch(index, [one.body for one in found], maker.work(found))
    results = {n: maker.result(line.aval.parts[n], n) for n in wanted}
    for one in found:
        one.body.feeds += [Feed(slot, results[n][0]) for n, slot in zip(wanted, one.body.plan.outputs, strict=True)]
    return results


_MAKERS: dict[str, Callable[[_Maker], dict[int, Access]]] = {"scan": _scan, "while": _while, "cond": _branch}

__all__ = ["Body", "Branch", "Feed", "Loop", "Move", "Stack", "bodies", "placed"]
