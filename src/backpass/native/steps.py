"""`Steps`: many training steps in one native call, on arrays that stay where they are.

A step's graph takes θ, the state, the optimiser's memory, the step's number, a key and a batch, and gives the new
ones, the loss and the squared norm of the gradient. Here the whole loop is machine code: gather the rows of the batch,
run the step, note its loss, go on. θ and the rest are changed in place; Python comes back between calls. Rows that
products alone read are not gathered (`batch`).
"""

from __future__ import annotations

import contextlib
import ctypes
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from backpass.graph.program import Graph

from . import denormal, ir
from .alignment import aligned_zeros
from .code import code_for
from .helpers import together
from .lanes import I8, I32, I64, POINTER, Builder, Value, i64, intrinsic, loop
from .module import COLD, ModuleWriter, Word
from .program import Memory
from .target import Target, host, x86

LOOP = "backpass_loop"
ORDER, COUNT, FIRST, SEED, LOSSES, SQUARES, LIMIT, DONE, CLOCK, STOP, DATA = range(11)
"""Words of the loop's own table: where the order of rows begins, how many steps, the first one's number, the seed,
where losses and squared norms go, the ticks after which no step is begun (0: no such limit); what comes back: how many
steps were done, in how many ticks, whether the limit was reached; and from there on the data."""
_P, _I = ctypes.c_void_p, ctypes.c_int64
LOOP_TYPE = ctypes.CFUNCTYPE(None, _P, _P, _P, _I, _I, _P, _P)


class Steps:
    """The compiled loop for batches of one size.

    `carried` are the arrays of θ, the state and the optimiser's memory, in the order of the graph's inputs; they are
    changed in place and may be shared with another `Steps`. `data` are arrays such as batches of `rows` are taken from.
    """

    def __init__(
        self,
        graph: Graph,
        carried: list[np.ndarray],
        data: tuple[np.ndarray, ...],
        rows: int,
        ranks: int = 1,
        target: Target | None = None,
    ):
        self.graph = graph
        self.rows = rows
        held = len(carried)
        around = Around(tuple(array[0:1].nbytes for array in data), rows, held)
        batch = range(held + 2, held + 2 + len(data))
        self.code = code_for(graph, target or host(), {k: k for k in range(held)}, around, batch)
        self.memory = Memory(self.code, ranks)
        self._rows_of = [self.code.plan.inputs[k] for k in batch]
        self._batch = [
            aligned_zeros((0 if item.apart else rows, *array.shape[1:]), array.dtype)
            for item, array in zip(self._rows_of, data, strict=True)
        ]
        self._number = np.zeros((), np.int64)
        self._key = np.zeros(2, np.uint32)
        self._results = [np.zeros((), self.code.plan.outputs[held + k].dtype) for k in range(2)]
        self._carried = carried
        self.bind()
        self._table = np.zeros(DATA + len(data), np.int64)
        self._given: tuple[np.ndarray, ...] = ()
        self._order = np.zeros(0, np.int64)
        self._data: list[np.ndarray] = []
        self._entry = LOOP_TYPE(self.code.loaded.address(LOOP))
        self._rate = 0.0
        """Ticks of the processor's clock a second, once known."""

    def bind(self) -> None:
        """Tell the memory where everything lies."""
        plan, held = self.code.plan, len(self._carried)
        inputs = [*self._carried, self._number, self._key, *self._batch]
        for item, array in zip(plan.inputs, inputs, strict=True):
            self.memory.set(item, array)
        for item, array in zip(plan.outputs[held:], self._results, strict=True):
            self.memory.set(item, array)

    def _read_from(self, data: tuple[np.ndarray, ...]) -> None:
        """Let batches come from these arrays."""
        if data is not self._given:
            self._given, self._data = data, [np.ascontiguousarray(array) for array in data]
            self._table[DATA:] = [array.ctypes.data for array in self._data]
            for item, array in zip(self._rows_of, self._data, strict=True):
                if item.apart:
                    self.memory.set(item, array)

    def run(
        self,
        data: tuple[np.ndarray, ...],
        order: np.ndarray,
        steps: int,
        first: int,
        seed: int,
        ranks: int = 1,
        seconds: float = 0.0,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Take up to `steps` steps on the rows of `data` that `order` names, the first one numbered `first`.

        Returns losses and squared norms of the steps done. It stops after one whose loss or norm is not finite, and,
        where the processor has a clock, begins none after so many `seconds` (0: whenever).
        """
        self._read_from(data)
        losses, squares = np.zeros(steps), np.zeros(steps)
        self._order = order = np.ascontiguousarray(order, np.int64)
        table = self._table
        limit = int(seconds * self._rate)
        table[:DATA] = (
            order.ctypes.data, steps, first, seed, losses.ctypes.data, squares.ctypes.data, limit, 0, 0, 0,
        )  # fmt: skip
        self.memory.begin()
        arguments = self.memory.arguments

        def call(rank: int) -> None:
            self._entry(*arguments[:3], rank, ranks, arguments[5], table.ctypes.data)

        began = time.perf_counter()
        with _undisturbed() if ranks > 1 else contextlib.nullcontext():
            together(call, ranks)
        if ranks == 1:
            self._rate = int(table[CLOCK]) / (time.perf_counter() - began)
        self.memory.end(self.graph, self._arguments)
        return losses[: self.done], squares[: self.done]

    @property
    def done(self) -> int:
        """The steps that the last call took."""
        return int(self._table[DONE])

    def _arguments(self) -> list[Any]:
        """What the last step was given."""
        rows = self._order[(self.done - 1) * self.rows : self.done * self.rows]
        values = [(item, self.memory.values[item]) for item in self.code.plan.inputs]
        return [array[rows] if item.apart else array for item, array in values]


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold Ctrl-C back until the block is through: ranks wait for each other, so none may be left alone.

    The handler that was in place is called then, by which Ctrl-C does what it would have done.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    pressed: list[Any] = []
    signal.signal(signal.SIGINT, lambda *told: pressed.append(told))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if pressed:
            before(*pressed[0])


@dataclass(frozen=True)
class Around:
    """The loop around the entry: `sizes` are the bytes of a row of each array that batches of `rows` are taken from,
    `held` how many arrays are carried on."""

    sizes: tuple[int, ...]
    rows: int
    held: int

    def __call__(self, writer: ModuleWriter) -> None:
        _write_loop(writer, self.sizes, self.rows, self.held)


def _write_loop(w: ModuleWriter, sizes: tuple[int, ...], rows: int, held: int) -> None:
    type_ = ir.FunctionType(ir.VoidType(), [*w.main.kind.arguments, POINTER])
    function = ir.Function(w.module, type_, LOOP)
    if w.cold:
        function.attributes |= COLD
    b = ir.Builder(function)
    table, _, flag, rank, ranks, bar, own = function.args

    def word(k: int) -> Value:
        return b.load(b.gep(own, i64(k), I64), I64, align=8)

    def slot(item: Any) -> Value:
        return b.load(b.gep(table, i64(w.slots[item]), I64), POINTER, align=8)

    pointer = lambda k: b.inttoptr(word(k), POINTER)  # noqa: E731
    order, steps, first, seed = pointer(ORDER), word(COUNT), word(FIRST), word(SEED)
    losses, squares = pointer(LOSSES), pointer(SQUARES)
    limit = word(LIMIT)
    began = _clock(b)
    sources = [pointer(DATA + k) for k in range(len(sizes))]
    number, key, *batch = [slot(item) for item in w.plan.inputs[held:]]
    items = w.plan.inputs[held + 2 :]
    results = w.plan.outputs[held : held + 2]
    ends = [slot(item) for item in results]
    is_first = b.icmp_signed("==", rank, i64(0))
    cut = lambda k: b.sdiv(b.mul(k, i64(rows)), ranks)  # noqa: E731
    mine = cut(rank), cut(b.add(rank, i64(1)))
    copy = intrinsic(b, "llvm.memcpy.p0.p0.i64", ir.VoidType(), [POINTER, POINTER, I64, ir.IntType(1)])
    out = function.append_basic_block("out")
    with denormal.flushed(b):
        with loop(b, i64(0), steps) as s:
            with loop(b, *mine) as r:
                at = b.add(b.mul(s, i64(rows)), r)
                row = b.load(b.gep(order, at, I64), I64, align=8)
                for bytes_, source, target, item in zip(sizes, sources, batch, items, strict=True):
                    if item.apart:
                        continue
                    size = i64(bytes_)
                    place = b.gep(target, b.mul(r, size), I8)
                    begin = b.gep(source, b.mul(row, size), I8)
                    b.call(copy, [place, begin, size, ir.Constant(ir.IntType(1), 0)])
            current = b.add(first, s)
            with b.if_then(is_first):
                b.store(current, number, align=8)
                mine_at = b.gep(order, b.mul(s, i64(rows)), I64)
                b.store(b.ptrtoint(mine_at, I64), b.gep(flag, i64(Word.ROWS), I64), align=8)
                b.store(b.trunc(seed, I32), key, align=4)
                b.store(b.trunc(current, I32), b.gep(key, i64(1), I32), align=4)
                late = b.icmp_signed(">", b.sub(_clock(b), began), limit)
                late = b.and_(b.and_(late, b.icmp_signed("!=", limit, i64(0))), b.icmp_signed(">", s, i64(0)))
                b.store(b.zext(late, I64), b.gep(own, i64(STOP), I64), align=8)
            b.call(w.meeting, [bar, ranks])
            on = function.append_basic_block("on")
            b.cbranch(b.icmp_signed("!=", word(STOP), i64(0)), out, on)
            b.position_at_end(on)
            b.call(w.main, function.args[:6])
            values = []
            for item, end in zip(results, ends, strict=True):
                type_ = ir.FloatType() if item.dtype == np.float32 else ir.DoubleType()
                value = b.load(end, type_, align=item.dtype.itemsize)
                values.append(b.fpext(value, ir.DoubleType()) if item.dtype == np.float32 else value)
            with b.if_then(is_first):
                for value, place in zip(values, (losses, squares), strict=True):
                    b.store(value, b.gep(place, s, ir.DoubleType()), align=8)
                b.store(b.add(s, i64(1)), b.gep(own, i64(DONE), I64), align=8)
            both = b.fadd(*values)
            zero = b.fsub(both, both)
            go = function.append_basic_block("go")
            failed = b.icmp_signed("!=", b.load(flag, I64, align=8), i64(0))
            b.cbranch(b.or_(b.fcmp_unordered("uno", zero, zero), failed), out, go)
            b.position_at_end(go)
        b.branch(out)
        b.position_at_end(out)
    with b.if_then(is_first):
        b.store(b.sub(_clock(b), began), b.gep(own, i64(CLOCK), I64), align=8)
    b.ret_void()


def _clock(b: Builder) -> Value:
    """The processor's count of ticks, which on x86 go at one rate; 0 elsewhere, where a program may not ask for it."""
    return b.call(intrinsic(b, "llvm.readcyclecounter", I64, []), []) if x86() else i64(0)
