"""A graph as the lines that are compiled: composites opened, one-hot indexing spelled out, views marked.

Two rewrites make kernels of what would else be scattered memory accesses. With rows = arange(N), as in a cross-entropy,
``x[rows, y]`` is Σ_c [y_n = c]·x_nc, and its adjoint is [y_n = c]·g_n: both fuse with what stands around them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backpass.graph.aval import Aval
from backpass.graph.op import OPS, Op
from backpass.graph.program import Graph
from backpass.graph.traced import CONSTANT
from backpass.partials.control import CHECKPOINT, COND, ITEM, ITEM_DISCRETE

LINES = 10_000
"""Longer graphs would take LLVM longer, half a millisecond a line, than they are worth: the interpreter runs them."""
ONE_HOT_LIMIT = 64
"""Classes: up to here a sum over [y = c] beats a scattered access."""


@dataclass(eq=False)
class Line:
    """One operation on earlier lines."""

    op: Op
    inputs: tuple[int, ...]
    attrs: dict[str, Any]
    aval: Aval
    value: Any = None
    position: int = -1
    """The line of the graph that it stems from."""
    bounds: tuple[int, int] | None = field(default=None)
    """(input, length): whole numbers that must index an axis of this length, checked as the kernel runs."""


@dataclass
class Lines:
    """The lines, and where the graph's own lines went."""

    lines: list[Line]
    inputs: list[int]
    outputs: list[int]


class NotNative(Exception):
    """There is no machine code for this graph: it is too long, or works on complex numbers, half precision, text or
    another byte order."""


def prepared(graph: Graph) -> Lines:
    if len(graph) > LINES:
        raise NotNative(f"the graph has {len(graph):,} lines, and machine code is made of up to {LINES:,}")
    for node in graph.nodes:
        for dtype in [part.dtype for part in node.aval.parts or (node.aval,)]:
            if dtype.kind not in "biuf" or dtype == np.float16 or dtype.itemsize > 8 or not dtype.isnative:
                raise NotNative(f"it has {dtype.name} values, for which there is no machine code")
    return _Preparation(graph).finish()


class _Preparation:
    def __init__(self, graph: Graph):
        self.graph = graph
        self.lines: list[Line] = []
        self.at: dict[int, int] = {}
        self.position = -1
        self.constants: dict[Any, int] = {}
        self.parts: dict[int, list[int]] = {}
        """The results of bodies that were written out here, by the line of the graph that held them."""
        for position, node in enumerate(graph.nodes):
            self.position = position
            self._enter(position, node)

    def finish(self) -> Lines:
        return Lines(self.lines, [self.at[i] for i in self.graph.inputs], [self.at[i] for i in self.graph.outputs])

    def _enter(self, position: int, node: Any) -> None:
        """Write a line of the graph."""
        if node.op in (ITEM, ITEM_DISCRETE) and node.inputs[0] in self.parts:
            self.at[position] = self.parts[node.inputs[0]][node.attrs["k"]]
        elif (body := self._body_of(node)) is not None:
            self.parts[position] = self._opened(body, node)
        else:
            self.at[position] = self._line(node)

    def add(self, op: Op | str, *inputs: int, **attrs: Any) -> int:
        """Append a line whose type follows from its inputs."""
        op = OPS[op] if isinstance(op, str) else op
        return self._append(op, inputs, attrs, op.aval(*[self.lines[i].aval for i in inputs], **attrs))

    def constant(self, value: Any, weak: bool = False) -> int:
        array = np.asarray(value)
        key = (array.dtype, array.shape, weak, array.tobytes())
        if key not in self.constants:
            aval = Aval(array.shape, array.dtype, weak)
            self.constants[key] = self._append(CONSTANT, (), {}, aval, value)
        return self.constants[key]

    def _append(self, op: Op, inputs: tuple[int, ...], attrs: dict[str, Any], aval: Aval, value: Any = None) -> int:
        self.lines.append(Line(op, inputs, attrs, aval, value, self.position))
        return len(self.lines) - 1

    # ---- bodies that run once
    def _body_of(self, node: Any) -> Graph | None:
        """The body of a recomputation, or the one branch that there is to take."""
        if node.op is CHECKPOINT:
            return node.attrs["body"]
        if node.op is COND and (index := self.graph.nodes[node.inputs[0]]).op is CONSTANT:
            branches = node.attrs["branches"]
            return branches[min(max(int(index.value), 0), len(branches) - 1)]
        return None

    def _opened(self, body: Graph, node: Any) -> list[int]:
        """The body's lines, as lines here; those of its results."""
        given = [self.at[i] for i in (node.inputs[1:] if node.op is COND else node.inputs)]
        outer = self.graph, self.at, self.parts
        self.graph, self.at, self.parts = body, {}, {}
        for position, i in zip(body.inputs, given, strict=True):
            self.at[position] = self._typed(i, body.nodes[position].aval)
        for position, inner in enumerate(body.nodes):
            if position in self.at:
                continue
            self._enter(position, inner)
        results = [self._typed(self.at[k], body.nodes[k].aval._replace(weak=False)) for k in body.outputs]
        self.graph, self.at, self.parts = outer
        return results

    def _typed(self, i: int, aval: Aval) -> int:
        """The line as one of this type, where it promotes as a Python number and this one does not, or the reverse."""
        if self.lines[i].aval == aval:
            return i
        return self._append(OPS["cast"], (i,), {"dtype": aval.dtype}, aval)

    def _line(self, node: Any) -> int:
        inputs = tuple(self.at[i] for i in node.inputs)
        rewrite = REWRITES.get(node.op.name)
        if rewrite is not None:
            found = rewrite(self, inputs, node)
            if found is not None:
                return found
        return self._append(node.op, inputs, node.attrs, node.aval, node.value)

    def _shifted(self, x: int, axis: tuple[int, ...]) -> bool:
        """Is it a − max(a), as log_softmax makes it? Its own largest entry is then 0."""
        line = self.lines[x]
        if line.op.name != "subtract":
            return False
        top = self.lines[line.inputs[1]]
        while top.op.name in ("stop_gradient", "alias"):
            top = self.lines[top.inputs[0]]
        return (
            top.op.name == "max"
            and top.inputs == line.inputs[:1]
            and top.attrs["axis"] == axis
            and bool(top.attrs["keepdims"])
        )


def _norm(self: _Preparation, inputs: tuple[int, ...], node: Any) -> int | None:
    """√Σx²"""
    (x,) = inputs
    if self.lines[x].aval.dtype.kind != "f":
        return None
    square = self.add("multiply", x, x)
    return self.add("sqrt", self.add("sum", square, axis=node.attrs["axis"], keepdims=node.attrs["keepdims"]))


def _logsumexp(self: _Preparation, inputs: tuple[int, ...], node: Any) -> int | None:
    """log Σ exp(x − m) + m, with the largest entry m, or 0 where that is not finite."""
    (x,) = inputs
    if self.lines[x].aval.dtype.kind != "f":
        return None
    axis, keepdims = node.attrs["axis"], node.attrs["keepdims"]
    if self._shifted(x, axis):
        return self.add("log", self.add("sum", self.add("exp", x), axis=axis, keepdims=keepdims))
    top = self.add("max", x, axis=axis, keepdims=True)
    safe = self.add("where", self.add("isfinite", top), top, self.constant(0.0, weak=True))
    total = self.add("sum", self.add("exp", self.add("subtract", x, safe)), axis=axis, keepdims=keepdims)
    if not keepdims:
        safe = self.add("reshape", safe, shape=self.lines[total].aval.shape)
    return self.add("add", self.add("log", total), safe)


def _one_hot(self: _Preparation, rows: int, classes: int, shape: tuple[int, ...], columns: int) -> int | None:
    """[y_n = c] as a line of shape (N, C), where `rows` is arange(N) and `classes` is y; None where it is not that."""
    n = shape[0]
    first, second = self.lines[rows], self.lines[classes]
    if first.op is not CONSTANT or first.aval.size != n or second.aval.size != n or n == 0:
        return None
    if second.aval.dtype.kind != "i" or not np.array_equal(np.ravel(first.value), np.arange(n)):
        return None
    y = self.add("reshape", classes, shape=(n, 1))
    length = self.constant(columns, weak=True)
    zero = self.constant(0, weak=True)
    wrapped = self.add("where", self.add("less", y, zero), self.add("add", y, length), y)
    self.lines[wrapped].bounds = (y, columns)
    return self.add("equal", wrapped, self.constant(np.arange(columns, dtype=second.aval.dtype)))


def _gather(self: _Preparation, inputs: tuple[int, ...], node: Any) -> int | None:
    if node.attrs["key"] != ("index", "index"):
        return None
    x, rows, classes = inputs
    aval = self.lines[x].aval
    if aval.ndim != 2 or aval.shape[1] > ONE_HOT_LIMIT or node.aval.size != aval.shape[0] or aval.dtype.kind != "f":
        return None
    hot = _one_hot(self, rows, classes, aval.shape, aval.shape[1])
    if hot is None:
        return None
    # −0 is what adds nothing: x + (−0) = x for every x, −0 included.
    chosen = self.add("where", hot, x, self.constant(-0.0, weak=True))
    total = self.add("sum", chosen, axis=(1,), keepdims=True)
    return self.add("reshape", total, shape=node.aval.shape)


def _scatter_add(self: _Preparation, inputs: tuple[int, ...], node: Any) -> int | None:
    shape = node.attrs["shape"]
    if node.attrs["key"] != ("index", "index") or len(shape) != 2 or shape[1] > ONE_HOT_LIMIT:
        return None
    g, rows, classes = inputs
    if self.lines[g].aval.size != shape[0] or self.lines[g].aval.dtype.kind != "f":
        return None
    hot = _one_hot(self, rows, classes, shape, shape[1])
    if hot is None:
        return None
    spread = self.add("reshape", g, shape=(shape[0], 1))
    return self.add("where", hot, spread, self.constant(0.0, weak=True))


def _cross(self: _Preparation, inputs: tuple[int, ...], node: Any) -> int:
    """a × b, entry by entry: each factor is read in two orders, from its entries and the first two once more."""

    def turned(x: int) -> tuple[int, int]:
        first = self.add("slice", x, key=(Ellipsis, slice(2)))
        wide = self.add("concatenate", x, first, axis=self.lines[x].aval.ndim - 1)
        return (
            self.add("slice", wide, key=(Ellipsis, slice(1, 4))),
            self.add("slice", wide, key=(Ellipsis, slice(2, 5))),
        )

    (a, b), (c, d) = map(turned, inputs)
    return self.add("subtract", self.add("multiply", a, d), self.add("multiply", b, c))


REWRITES: dict[str, Callable[[_Preparation, tuple[int, ...], Any], int | None]] = {
    "logsumexp": _logsumexp,
    "norm": _norm,
    "cross": _cross,
    "gather": _gather,
    "scatter_add": _scatter_add,
}
