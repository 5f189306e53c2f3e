"""`Code`: lines of a graph as a plan and its machine code, made once for all graphs that have the same lines."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from backpass.graph.op import OPS
from backpass.graph.program import Graph

from .control import bodies
from .engine import Loaded, built, optimized
from .identity import identity
from .kernel import Plan
from .lower import lower
from .module import ModuleWriter, scratch, slots
from .prepare import Lines, prepared
from .reroll import rerolled
from .target import Target

KEPT = 64
"""Codes that are held ready for the next graph with the same lines: another fold of a cross-validation, say."""

More = Callable[[ModuleWriter], None]


class Code:
    """A plan and its machine code. It holds nothing of the graph that it was made for, and may serve several."""

    def __init__(
        self, lines: Lines, name: str, target: Target, carried: dict[int, int], more: More | None, batch: range
    ):
        self.target = target
        self.carried = carried
        self.more = more
        self.batch = batch
        self.plan: Plan = lower(lines, target, carried, batch)
        self.bytes = self.plan.arena, scratch(self.plan, target)
        self.slots = slots(self.plan)
        self.loaded = Loaded(built(name, self.text, target))

    def text(self) -> str:
        """The LLVM assembly as it is written."""
        writer = ModuleWriter(self.plan, self.target)
        writer.write()
        if self.more is not None:
            self.more(writer)
        return writer.text()

    def describe(self, graph: Graph) -> str:
        """The kernels in order, one a line, by the names of a graph that it is the code of; those of bodies beneath
        their loop."""
        graph = rerolled(graph)
        return "\n".join(told(graph, lower(prepared(graph), self.target, self.carried, self.batch)))

    def llvm(self) -> str:
        """The LLVM assembly, optimised."""
        return optimized(self.text(), self.target)[0]

    def asm(self) -> str:
        """The processor's assembly."""
        return optimized(self.text(), self.target)[1]


def told(graph: Graph, plan: Plan, margin: str = "") -> list[str]:
    """The kernels of a plan, one a line."""
    found = []
    for k, kernel in enumerate(plan.kernels):
        found.append(f"{margin}{k:>3}  {kernel.describe(graph)}")
        for body in bodies(kernel):
            found += told(body.graph, body.plan, margin + "     ")
    return found


_kept: OrderedDict[str, Code] = OrderedDict()
_lock = threading.Lock()


def code_for(
    graph: Graph,
    target: Target,
    carried: dict[int, int] | None = None,
    more: More | None = None,
    batch: range = range(0),
) -> Code:
    """The code of a graph. `carried` maps outputs to the inputs whose memory they take over.

    `more` may add functions to the module: a function, or what tells by its repr what it adds. `batch` are the numbers
    of inputs that are rows of larger arrays: those that the plan then has as `apart` are to be given as these arrays,
    with the rows' numbers at `Word.ROWS`.
    """
    lines = prepared(rerolled(graph))
    name = identity(lines, carried or {}, more, target, batch)
    with _lock:
        found = _kept.get(name)
        if found is not None:
            _kept.move_to_end(name)
            return found
    found = Code(lines, name, target, carried or {}, more, batch)
    if not any(_own(line) for line in lines.lines):
        with _lock:
            _kept[name] = found
            if len(_kept) > KEPT:
                _kept.popitem(last=False)
    return found


def _own(line: Any) -> bool:
    """Is it an operation with a rule of the user's, told from another one of its name by the object alone?"""
    bodies = [value for value in line.attrs.values() if isinstance(value, Graph)]
    return OPS.get(line.op.name) is not line.op or any(_own(node) for body in bodies for node in body.nodes)
