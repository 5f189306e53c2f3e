"""The short way into a compiled function of arrays: they are looked at by machine code, not by Python.

A call costs Python more than many a function costs the processor: the shape, the dtype and the address of each
argument are objects to be made. Here the arrays' own headers are read instead, as NumPy's C API has them
(`PyArrayObject_fields`, whose layout is part of NumPy's ABI). What is not just as compiled (another type, shape, dtype
or order) goes the long way.
"""

from __future__ import annotations

import ctypes
import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from . import MISS, ir
from .kernel import Place
from .lanes import I32, I64, POINTER, Value, i64, loop
from .module import ModuleWriter

if TYPE_CHECKING:
    from backpass.graph.program import Graph

    from .program import Program

NAME = "backpass_direct"
TYPE, DATA, AXES, SHAPE, DTYPE, FLAGS = 8, 16, 24, 32, 56, 64
"""Bytes from an array's beginning to its type, data, number of axes, shape, dtype and flags."""
PLAIN = 0x101
"""C_CONTIGUOUS and ALIGNED."""
TABLE, ARENA, FLAG, BARRIER, KIND, INPUTS, OUTPUTS, KNOWN, SLOTS, GIVEN = range(10)
"""Words that an entry is called with: memory, the type of arrays, how many there are, what is known of each input (its
dtype, its number of axes, its shape), the outputs' places in the table; then the inputs and the outputs."""
_ENTRY_TYPE = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)


@functools.cache
def readable() -> bool:
    """Do arrays lie in this process as the offsets above have it?"""
    array = np.zeros((2, 3), np.float32)
    at = id(array)
    word = lambda offset: ctypes.c_int64.from_address(at + offset).value  # noqa: E731
    half = lambda offset: ctypes.c_int32.from_address(at + offset).value  # noqa: E731
    if word(TYPE) != id(np.ndarray) or word(DATA) != array.ctypes.data or half(AXES) != 2:
        return False
    shape = word(SHAPE)
    lengths = [ctypes.c_int64.from_address(shape + 8 * k).value for k in range(2)]
    return lengths == [2, 3] and word(DTYPE) == id(array.dtype) and half(FLAGS) & PLAIN == PLAIN


def write(w: ModuleWriter) -> None:
    """Add ``i64 backpass_direct(ptr words)``: 0: it ran; 1: an argument is not as compiled; 2: the flag is set."""
    function = w.module.function(NAME, I64, [POINTER])
    b = ir.Builder(function)
    miss = b.append_basic_block("miss")
    (words,) = function.args

    def word(k: int) -> Value:
        return b.load(b.gep(words, i64(k), I64), I64, align=8)

    def pointer(k: int) -> Value:
        return b.inttoptr(word(k), POINTER)

    def at(array: Value, k: Value, type_: ir.Type = I64) -> Value:
        return b.load(b.gep(array, k, type_), type_, align=4 if type_ is I32 else 8)

    def require(condition: Value) -> None:
        go = b.append_basic_block("go")
        b.cbranch(condition, go, miss)
        b.position_at_end(go)

    def field(array: Value, offset: int, type_: ir.Type = I64) -> Value:
        place = b.inttoptr(b.add(array, i64(offset)), POINTER)
        return b.load(place, type_, align=4 if type_ is I32 else 8)

    table, arena, flag, barrier = (pointer(k) for k in (TABLE, ARENA, FLAG, BARRIER))
    kind, inputs, outputs, slots = word(KIND), word(INPUTS), word(OUTPUTS), pointer(SLOTS)
    given = b.gep(words, i64(GIVEN), I64)
    known = b.alloca(POINTER)
    b.store(pointer(KNOWN), known)
    with loop(b, i64(0), inputs) as k:
        array, wanted = at(given, k), b.load(known, POINTER)
        require(b.icmp_signed("==", field(array, TYPE), kind))
        require(b.icmp_signed("==", field(array, DTYPE), at(wanted, i64(0))))
        axes = at(wanted, i64(1))
        require(b.icmp_signed("==", b.sext(field(array, AXES, I32), I64), axes))
        flags = b.and_(field(array, FLAGS, I32), ir.Constant(I32, PLAIN))
        require(b.icmp_signed("==", flags, ir.Constant(I32, PLAIN)))
        shape, lengths = b.inttoptr(field(array, SHAPE), POINTER), b.gep(wanted, i64(2), I64)
        with loop(b, i64(0), axes) as axis:
            require(b.icmp_signed("==", at(shape, axis), at(lengths, axis)))
        b.store(b.gep(lengths, axes, I64), known)
        b.store(field(array, DATA), b.gep(table, k, I64), align=8)
    made = b.gep(given, inputs, I64)
    with loop(b, i64(0), outputs) as k:
        b.store(field(at(made, k), DATA), b.gep(table, at(slots, k), I64), align=8)
    b.store(i64(0), flag, align=8)
    b.call(w.main, [table, arena, flag, i64(0), i64(1), barrier])
    failed = b.icmp_signed("!=", b.load(flag, I64, align=8), i64(0))
    b.ret(b.select(failed, i64(2), i64(0)))
    b.position_at_end(miss)
    b.ret(i64(1))


class Direct:
    """The short way into one program, for arguments of one structure."""

    def __init__(self, program: Program, graph: Graph):
        self.lock = program.lock
        self.program = program
        plan, memory, slots = program.code.plan, program.memory, program.code.slots
        inputs, outputs = plan.inputs, plan.outputs
        self.takes = graph.in_tree.takes
        self.plain = all(not child.children for child in graph.in_tree.children)
        tree = graph.out_tree
        self.single = tree.size == 1 and not tree.children
        self.unflatten = (
            None if self.single or (tree.kind is tuple and tree.size == len(tree.children)) else tree.unflatten
        )
        self.entry = _ENTRY_TYPE(program.code.loaded.address(NAME))
        self._dtypes = [item.dtype for item in inputs]
        known = [[id(item.dtype), len(item.aval.shape), *item.aval.shape] for item in inputs]
        self._known = np.array([number for one in known for number in one], np.int64)
        self._slots = np.array([slots[item] for item in outputs], np.int64)
        words = [*memory.arguments[:3], memory.arguments[5], id(np.ndarray), len(inputs), len(outputs)]
        words += [self._known.ctypes.data, self._slots.ctypes.data]
        self.count, self.results = len(inputs), len(outputs)
        self.end = GIVEN + self.count
        self.words = (ctypes.c_int64 * (self.end + self.results))(*words)
        self.place = ctypes.addressof(self.words)
        self.made: list[tuple[int, tuple[int, ...], np.dtype]] = []
        self.numbers: list[tuple[int, np.ndarray, bool]] = []
        for k, item in enumerate(outputs):
            if item.aval.shape:
                self.made.append((k, item.aval.shape, item.dtype))
            else:
                array = np.zeros((), item.dtype)
                self.numbers.append((k, array, item.aval.weak))
                self.words[self.end + k] = id(array)

    def __call__(self, args: tuple[Any, ...]) -> Any:
        leaves: Any = args
        if not self.plain or len(args) != self.count:
            leaves = []
            if not self.takes(args, leaves):
                return MISS
        words, at, end = self.words, GIVEN, self.end
        results: list[Any] = [None] * self.results
        with self.lock:
            for leaf in leaves:
                words[at] = id(leaf)
                at += 1
            for k, shape, dtype in self.made:
                array = results[k] = np.empty(shape, dtype)
                words[end + k] = id(array)
            if self.entry(self.place):
                self.program.memory.stop()
                return MISS
            for k, array, weak in self.numbers:
                results[k] = array.item() if weak else array[()]
        if self.single:
            return results[0]
        return tuple(results) if self.unflatten is None else self.unflatten(results)


def direct_for(program: Program, graph: Graph, leaves: list[Any]) -> Direct | None:
    """The short way for such arguments, if there is one: arrays alone, nothing donated, no islands."""
    plan = program.code.plan
    if not readable() or program.donated or program.memory.islands or graph.fixed:
        return None
    if any(type(leaf) is not np.ndarray for leaf in leaves) or any(o.place is not Place.OUTPUT for o in plan.outputs):
        return None
    # A type is one object for all arrays made in the usual ways; others go the long way.
    if any(item.dtype is not np.dtype(item.dtype.type) for item in plan.inputs):
        return None
    return Direct(program, graph)
