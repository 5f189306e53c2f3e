"""A Python loop that a trace unrolled, as a loop again: equal stretches of a graph become the body of a `scan`.

A stretch of lines that is repeated over and over is found by its operations; then it is looked at what each argument is
from step to step: a value of the same step, one of the step before (a carry), one that stays, a number or a row x[i]
that goes on, or a value of a loop that was found before, at the same step or counted from its end, as the steps of a
backward pass read the forward pass. Where that holds for many steps on end they are one loop, and what is read of its
values elsewhere is stacked. What remains of the first and the last steps stays as it is.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from backpass.graph.aval import Aval
from backpass.graph.node import GraphNode
from backpass.graph.op import OPS, Kind
from backpass.graph.program import Graph
from backpass.graph.pytree import LEAF, Tree
from backpass.graph.traced import CONSTANT, INPUT
from backpass.partials.control import ITEM, ITEM_DISCRETE, SCAN

from .identity import told

LONG = 600
"""Lines from which on a graph is looked through."""
REPEATS = 8
"""Fewer equal steps are no loop."""
WINDOW = 16
TRIED = 12
"""Lines that must be equal before a period is tried, and how many periods are tried at a place."""


def rerolled(graph: Graph) -> Graph:
    """The graph with loops in place of repeated lines; the graph itself where there are none."""
    while len(graph) > LONG:
        found = _Rolling(graph).finish()
        if found is None or len(found) >= len(graph):
            break
        graph = found
    return graph


@dataclass(eq=False)
class _Argument:
    """What an argument of a line of the body is, from step to step."""

    kind: str
    """inner: line `row` of the same step; carry: of the step before; outer: the line `first` in each step; number: the
    constants in `first`; rows: line `row` of `loop`, from step `start` on, `step` steps further each time; slices: row
    `start`, … of the line `first`."""
    row: int = -1
    first: Any = None
    loop: _Loop | None = None
    start: int = 0
    step: int = 0


@dataclass(eq=False)
class _Loop:
    """Steps `begin` to `end` of a stretch: line r of step t stands at ``at[t, r]``."""

    at: np.ndarray
    begin: int = 0
    end: int = 0
    arguments: dict[tuple[int, int], _Argument] = field(default_factory=dict)
    """(line, place of the argument)."""
    sliced: dict[int, _Argument] = field(default_factory=dict)
    """Lines that are a row of something: x[i] in step i."""
    wanted: set[int] = field(default_factory=set)
    """Lines whose values in all steps are read elsewhere."""

    @property
    def steps(self) -> int:
        return self.end - self.begin


class _Rolling:
    def __init__(self, graph: Graph):
        self.graph = graph
        nodes = graph.nodes
        self.order = [k for k, node in enumerate(nodes) if node.op.kind is not Kind.SOURCE]
        known: dict[Any, int] = {}
        self.signs = np.array([known.setdefault(_sign(nodes[k]), len(known)) for k in self.order], np.int64)
        count = len(nodes)
        self.loop_of: list[_Loop | None] = [None] * count
        self.step_of = np.full(count, -1)
        self.row_of = np.full(count, -1)
        self.loops: list[_Loop] = []
        self._find()

    # ---- equal stretches
    def _find(self) -> None:
        signs, n = self.signs, len(self.order)
        if n < REPEATS * 2:
            return
        weights = np.random.default_rng(0).integers(1, 1 << 62, size=WINDOW, dtype=np.uint64)
        padded = np.concatenate([signs, np.full(WINDOW, -1)]).astype(np.uint64)
        hashes = np.zeros(n, np.uint64)
        for k in range(WINDOW):
            hashes += padded[k : n + k] * weights[k]
        places: dict[int, list[int]] = {}
        for k, value in enumerate(hashes.tolist()):
            places.setdefault(value, []).append(k)
        s = 0
        while s < n:
            period, steps = self._repeated(s, places[int(hashes[s])], hashes)
            loop = self._loop(s, period, steps) if steps >= REPEATS else None
            if loop is None:
                s += 1
                continue
            self.loops.append(loop)
            s += loop.end * period

    def _repeated(self, s: int, places: list[int], hashes: np.ndarray) -> tuple[int, int]:
        """(period, steps) of the longest run of equal stretches that begins here."""
        n, best = len(self.order), (1, 0)
        if len(places) < REPEATS - 1:
            return best
        first = bisect_right(places, s)
        for place in places[first : first + TRIED]:
            d = place - s
            if s + 2 * d >= n or hashes[s + d] != hashes[s] or hashes[s + 2 * d] != hashes[s]:
                continue
            steps = 1 + self._equal(s, d) // d
            if steps * d > best[0] * best[1]:
                best = d, steps
        return best

    def _equal(self, s: int, d: int) -> int:
        """How many lines from s on are equal to those d further."""
        signs, at, size = self.signs, s, 256
        while at + d < len(signs):
            size = min(2 * size, len(signs) - d - at)
            differ = signs[at : at + size] != signs[at + d : at + d + size]
            if differ.any():
                return at + int(np.argmax(differ)) - s
            at += size
        return at - s

    # ---- what the arguments are
    def _loop(self, s: int, period: int, steps: int) -> _Loop | None:
        at = np.array(self.order[s : s + steps * period]).reshape(steps, period)
        loop = _Loop(at, 0, steps)
        rows = at.ravel().tolist()
        for k, position in enumerate(rows):
            self.loop_of[position] = loop
            self.step_of[position], self.row_of[position] = divmod(k, period)
        if not self._settled(loop):
            self._forget(rows)
            return None
        self._forget([*at[: loop.begin].ravel().tolist(), *at[loop.end :].ravel().tolist()])
        return loop

    def _forget(self, positions: list[int]) -> None:
        for position in positions:
            self.loop_of[position] = None
            self.step_of[position] = self.row_of[position] = -1

    def _settled(self, loop: _Loop) -> bool:
        """Find what each argument is, and the steps for which all of them are that."""
        nodes, middle = self.graph.nodes, len(loop.at) // 2
        for r in range(loop.at.shape[1]):
            line = nodes[loop.at[middle, r]]
            if line.op.kind is Kind.SOURCE:
                return False
            lines = [nodes[k] for k in loop.at[:, r].tolist()]
            if _rowwise(line) and not self._slices(loop, r, lines, middle):
                return False
            if r in loop.sliced:
                continue
            for a in range(len(line.inputs)):
                if not self._argument(loop, r, a, np.array([other.inputs[a] for other in lines]), middle):
                    return False
        while loop.steps >= REPEATS and not self._begins(loop):
            loop.begin += 1
        return loop.steps >= REPEATS

    def _narrowed(self, loop: _Loop, fits: np.ndarray, middle: int) -> None:
        """Keep the steps around the middle one for which something holds."""
        before, after = np.flatnonzero(~fits[:middle]), np.flatnonzero(~fits[middle:])
        loop.begin = max(loop.begin, int(before[-1]) + 1 if before.size else 0)
        loop.end = min(loop.end, middle + int(after[0]) if after.size else len(fits))

    def _slices(self, loop: _Loop, r: int, lines: list[GraphNode], middle: int) -> bool:
        """Is line r the next row of one array in each step? False where it is neither that nor the same one."""
        bases, rows = (np.array(v) for v in ([n.inputs[0] for n in lines], [_row(self.graph, n) for n in lines]))
        step = int(rows[middle + 1] - rows[middle])
        if step == 0:
            self._narrowed(loop, rows == rows[middle], middle)
            return True
        base = int(bases[middle])
        if self.loop_of[base] is loop or base >= loop.at[middle, 0]:
            return False
        fits = (rows == rows[middle] + step * (np.arange(len(rows)) - middle)) & (bases == base)
        self._narrowed(loop, fits, middle)
        loop.sliced[r] = _Argument("slices", first=base, start=int(rows[middle]) - step * middle, step=step)
        return True

    def _argument(self, loop: _Loop, r: int, a: int, found: np.ndarray, middle: int) -> bool:
        steps = np.arange(len(found))
        mine = np.array([self.loop_of[k] is loop for k in found.tolist()])
        at, row = self.step_of[found], self.row_of[found]
        here = int(found[middle])
        if mine[middle]:
            lag = middle - int(at[middle])
            same = mine & (row == row[middle]) & (at == steps - lag)
            if lag == 0:
                argument = _Argument("inner", int(row[middle]))
            elif lag == 1:
                argument = _Argument("carry", int(row[middle]), first=found)
                # The first step may begin with anything of the type.
                known = np.flatnonzero(~same[:middle])
                if known.size:
                    same[known[-1]] = self._alike(int(found[known[-1]]), here)
            elif (found == here).all():
                return False
            else:
                same = found == here
                argument = _Argument("outer", first=here)
        elif found[middle + 1] == here:
            same, argument = found == here, _Argument("outer", first=here)
        elif (other := self.loop_of[here]) is not None:
            step = int(at[middle + 1] - at[middle])
            if step == 0 or self.loop_of[int(found[middle + 1])] is not other:
                return False
            theirs = np.array([self.loop_of[k] is other for k in found.tolist()])
            same = theirs & (row == row[middle]) & (at == at[middle] + step * (steps - middle))
            argument = _Argument("rows", int(row[middle]), loop=other, start=int(at[middle]) - step * middle, step=step)
        elif self.graph.nodes[here].op is CONSTANT:
            nodes = self.graph.nodes
            same = np.array([nodes[k].op is CONSTANT and self._alike(k, here) for k in found.tolist()])
            argument = _Argument("number", first=found)
        else:
            return False
        self._narrowed(loop, same, middle)
        loop.arguments[r, a] = argument
        return loop.steps >= REPEATS

    def _alike(self, k: int, other: int) -> bool:
        return self.graph.nodes[k].aval[:2] == self.graph.nodes[other].aval[:2]

    def _begins(self, loop: _Loop) -> bool:
        """Is all that the loop starts from there before its first step?"""
        for argument in loop.arguments.values():
            start = {"carry": lambda a: a.first[loop.begin], "outer": lambda a: a.first}.get(argument.kind)
            if start is None:
                continue
            position = int(start(argument))
            if self.loop_of[position] is loop and self.step_of[position] >= loop.begin:
                return False
            if argument.kind == "carry" and not self._alike(position, int(loop.at[loop.begin, argument.row])):
                return False
            if self.loop_of[position] is not loop and position >= loop.at[loop.begin, 0]:
                if self.graph.nodes[position].op.kind is not Kind.SOURCE:
                    return False
        return True

    # ---- the new graph
    def finish(self) -> Graph | None:
        """The graph with its loops; None if there are none."""
        if not self.loops:
            return None
        for k in self.order:
            mine = self.loop_of[k]
            for i in self.graph.nodes[k].inputs:
                theirs = self.loop_of[i]
                if theirs is not None and theirs is not mine:
                    theirs.wanted.add(int(self.row_of[i]))
        for loop in self.loops:
            for argument in loop.arguments.values():
                if argument.kind == "carry":
                    start = int(argument.first[loop.begin])
                    if (other := self.loop_of[start]) is not None and other is not loop:
                        other.wanted.add(int(self.row_of[start]))
        for k in self.graph.outputs:
            if (loop := self.loop_of[k]) is not None:
                loop.wanted.add(int(self.row_of[k]))
        return _Writer(self).graph()


def _sign(node: GraphNode) -> Any:
    """What equal lines have in common."""
    attrs = node.attrs
    if _rowwise(node):
        attrs = {"key": node.attrs["key"][1:]}
    return node.op, len(node.inputs), told(attrs), node.aval


def _rowwise(node: GraphNode) -> bool:
    """Is it x[i, …] with a number i?"""
    key = node.attrs.get("key") if node.op.name == "slice" else None
    return bool(key) and type(key[0]) is int


def _row(graph: Graph, node: GraphNode) -> int:
    row = node.attrs["key"][0] if _rowwise(node) else 0
    return row + graph.nodes[node.inputs[0]].shape[0] if row < 0 else row


class _Writer:
    """Writes the new graph: sources first, lines as they come, a loop where its first step was."""

    def __init__(self, found: _Rolling):
        self.found = found
        self.old = found.graph
        self.nodes: list[GraphNode] = []
        self.moved: dict[int, int] = {}
        self.stacks: dict[tuple[int, int], int] = {}
        """(loop, line) → its values in all steps."""

    def graph(self) -> Graph:
        old, found = self.old, self.found
        for k, node in enumerate(old.nodes):
            if node.op.kind is Kind.SOURCE:
                self.moved[k] = self.add(node)
        firsts = {int(loop.at[loop.begin, 0]): loop for loop in found.loops}
        for k in found.order:
            if k in firsts:
                self._scan(firsts[k])
            if found.loop_of[k] is None:
                node = old.nodes[k]
                self.moved[k] = self.add(replace(node, inputs=tuple([self.at(i) for i in node.inputs]), adjoint=None))
        outputs = tuple([self.at(k) for k in old.outputs])
        inputs = tuple([self.moved[k] for k in old.inputs])
        return Graph(self.nodes, inputs, outputs, old.in_tree, old.out_tree, old.name, old.fixed)

    def add(self, node: GraphNode) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1

    def call(self, name: str, *inputs: int, like: Aval | None = None, **attrs: Any) -> int:
        op = OPS[name]
        aval = op.aval(*[self.nodes[i].aval for i in inputs], **attrs)
        weak = like is not None and like.weak
        return self.add(GraphNode(op, inputs, attrs, aval._replace(weak=weak)))

    def at(self, k: int) -> int:
        """Where the value of an old line is; one of a loop is read from its stack."""
        loop = self.found.loop_of[k]
        if k not in self.moved and loop is not None:
            step = int(self.found.step_of[k]) - loop.begin
            stack = self.stacks[id(loop), int(self.found.row_of[k])]
            self.moved[k] = self.call("slice", stack, key=(step,), like=self.old.nodes[k].aval)
        return self.moved[k]

    def over(self, loop: _Loop, argument: _Argument, key: tuple[Any, ...] = ()) -> int:
        """The array whose rows an argument is, in the order of the steps; of slices, `key` is what follows the row."""
        start, step = argument.start + argument.step * loop.begin, argument.step
        if argument.kind == "number":
            values = [self.old.nodes[k].value for k in argument.first[loop.begin : loop.end].tolist()]
            stacked = np.array(values, dtype=self.old.nodes[int(argument.first[loop.begin])].dtype)
            return self.add(GraphNode(CONSTANT, (), {}, Aval(stacked.shape, stacked.dtype), value=stacked))
        if argument.loop is not None:
            base, start, rest = self.stacks[id(argument.loop), argument.row], start - argument.loop.begin, ()
        else:
            base, rest = self.at(argument.first), key
        end = start + step * loop.steps
        return self.call("slice", base, key=(slice(start, end if end >= 0 else None, step), *rest))

    def _scan(self, loop: _Loop) -> None:
        old, steps = self.old.nodes, loop.steps
        period = loop.at.shape[1]
        example = [old[k] for k in loop.at[loop.begin + 1].tolist()]
        body = _BodyWriter()
        consts: dict[int, int] = {}
        carries: dict[tuple[int, int], int] = {}
        xs: dict[Any, tuple[_Argument, Aval]] = {}
        over: list[int] = []
        # Inputs of the body come first, by kind.
        for (r, a), argument in loop.arguments.items():
            aval = old[example[r].inputs[a]].aval
            if argument.kind == "outer" and not _single(old[argument.first]):
                consts.setdefault(argument.first, -1)
            elif argument.kind == "carry":
                start = int(argument.first[loop.begin])
                carries.setdefault((argument.row, start), -1)
            elif argument.kind in ("rows", "number"):
                xs.setdefault(_key(argument), (argument, aval))
        for r, argument in loop.sliced.items():
            xs.setdefault(("slices", r), (argument, example[r].aval))
        for k in consts:
            consts[k] = body.input(old[k].aval)
        for row, start in carries:
            carries[row, start] = body.input(example[row].aval)
        places: dict[Any, int] = {}
        for key, (argument, aval) in xs.items():
            rest = example[key[1]].attrs["key"][1:] if key[0] == "slices" else ()
            over.append(self.over(loop, argument, rest))
            places[key] = body.input(aval)
        lines: list[int] = []
        for r in range(period):
            if r in loop.sliced:
                lines.append(places["slices", r])
                continue
            inputs = []
            for a in range(len(example[r].inputs)):
                argument = loop.arguments[r, a]
                if argument.kind == "inner":
                    inputs.append(lines[argument.row])
                elif argument.kind == "carry":
                    inputs.append(carries[argument.row, int(argument.first[loop.begin])])
                elif argument.kind == "outer":
                    k = argument.first
                    inputs.append(consts[k] if k in consts else body.constant(k, old[k]))
                else:
                    inputs.append(places[_key(argument)])
            lines.append(body.add(replace(example[r], inputs=tuple(inputs), adjoint=None)))
        wanted = sorted(loop.wanted)
        outputs = [lines[row] for row, _ in carries] + [lines[row] for row in wanted]
        starts = [self.at(start) for _, start in carries]
        attrs = {
            "body": body.graph(outputs), "consts": len(consts), "carry": len(carries), "length": steps,
            "reverse": False, "keep": False, "counted": False,
        }  # fmt: skip
        inputs = (*[self.at(k) for k in consts], *starts, *over)
        aval = SCAN.aval(*[self.nodes[i].aval for i in inputs], **attrs)
        scan = self.add(GraphNode(SCAN, inputs, attrs, aval, origin=example[-1].origin))
        for n, (row, _) in enumerate(carries):
            self.moved.setdefault(int(loop.at[loop.end - 1, row]), self._item(scan, n, example[row]))
        for n, row in enumerate(wanted):
            self.stacks[id(loop), row] = self._item(scan, len(carries) + n, example[row], stacked=True)

    def _item(self, scan: int, k: int, like: GraphNode, stacked: bool = False) -> int:
        aval = self.nodes[scan].aval.parts[k]
        op = ITEM if aval.differentiable else ITEM_DISCRETE
        weak = like.aval.weak and not stacked
        return self.add(GraphNode(op, (scan,), {"k": k}, aval._replace(weak=weak), origin=like.origin))


class _BodyWriter:
    """Writes the body of one loop."""

    def __init__(self) -> None:
        self.nodes: list[GraphNode] = []
        self.inputs: list[int] = []
        self.constants: dict[int, int] = {}

    def add(self, node: GraphNode) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1

    def input(self, aval: Aval) -> int:
        self.inputs.append(self.add(GraphNode(INPUT, (), {}, aval)))
        return self.inputs[-1]

    def constant(self, k: int, node: GraphNode) -> int:
        if k not in self.constants:
            self.constants[k] = self.add(node)
        return self.constants[k]

    def graph(self, outputs: list[int]) -> Graph:
        flat = lambda n: Tree(tuple, n, (LEAF,) * n)  # noqa: E731
        return Graph(self.nodes, tuple(self.inputs), tuple(outputs), flat(len(self.inputs)), flat(len(outputs)), "step")


def _single(node: GraphNode) -> bool:
    return node.op is CONSTANT and node.aval.size == 1


def _key(argument: _Argument) -> Any:
    """Arguments that are the same rows have the same key."""
    if argument.kind == "number":
        return "number", argument.first.tobytes()
    return "rows", id(argument.loop), argument.row, argument.start, argument.step


__all__ = ["LONG", "rerolled"]
