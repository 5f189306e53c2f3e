"""The short way into a compiled function of plain arrays: arguments are looked at by machine code, not by Python.

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

from . import ir
from .kernel import Place
from .lanes import I32, I64, POINTER, Builder, Value, i64
from .module import ModuleWriter

if TYPE_CHECKING:
    from .program import Program

NAME = "backpass_direct"
MISS = object()
"""The call must go the long way."""
TYPE, DATA, AXES, SHAPE, DTYPE, FLAGS = 8, 16, 24, 32, 56, 64
"""Bytes from an array's beginning to its type, data, number of axes, shape, dtype and flags."""
PLAIN = 0x101
"""C_CONTIGUOUS and ALIGNED."""
MOST = 12
"""Arguments and results that are taken this way."""
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
    """Add ``i64 backpass_direct(ptr words)``: 0 where it ran, 1 where an argument is not as compiled, 2 for the flag.

    The words: table, arena, flag, barrier, the type of arrays, the inputs' dtypes, the inputs, the outputs.
    """
    inputs = w.plan.inputs
    outputs = [o for o in w.plan.outputs if o.place is Place.OUTPUT and o.shared is None]
    if len(inputs) + len(outputs) > MOST:
        return
    function = ir.Function(w.module, ir.FunctionType(I64, [POINTER]), NAME)
    b: Builder = ir.Builder(function)
    miss = function.append_basic_block("miss")
    (words,) = function.args
    word = lambda k: b.load(b.gep(words, i64(k), I64), I64, align=8)  # noqa: E731
    table, arena, flag, barrier = (b.inttoptr(word(k), POINTER) for k in range(4))
    kind = word(4)

    def require(condition: Value) -> None:
        go = function.append_basic_block("go")
        b.cbranch(condition, go, miss)
        b.position_at_end(go)

    def field(array: Value, offset: int, type_: ir.Type = I64) -> Value:
        place = b.inttoptr(b.add(array, i64(offset)), POINTER)
        return b.load(place, type_, align=4 if type_ is I32 else 8)

    def put(item: Any, array: Value) -> None:
        b.store(field(array, DATA), b.gep(table, i64(w.slots[item]), I64), align=8)

    for k, item in enumerate(inputs):
        array = word(5 + len(inputs) + k)
        require(b.icmp_signed("==", field(array, TYPE), kind))
        require(b.icmp_signed("==", field(array, DTYPE), word(5 + k)))
        require(b.icmp_signed("==", field(array, AXES, I32), ir.Constant(I32, len(item.aval.shape))))
        flags = b.and_(field(array, FLAGS, I32), ir.Constant(I32, PLAIN))
        require(b.icmp_signed("==", flags, ir.Constant(I32, PLAIN)))
        if item.aval.shape:
            shape = field(array, SHAPE)
            for axis, length in enumerate(item.aval.shape):
                require(b.icmp_signed("==", field(shape, 8 * axis), i64(length)))
        put(item, array)
    for k, item in enumerate(outputs):
        put(item, word(5 + 2 * len(inputs) + k))
    b.store(i64(0), flag, align=8)
    b.call(w.main, [table, arena, flag, i64(0), i64(1), barrier])
    failed = b.icmp_signed("!=", b.load(flag, I64, align=8), i64(0))
    b.ret(b.select(failed, i64(2), i64(0)))
    b.position_at_end(miss)
    b.ret(i64(1))


class Direct:
    """The short way into one program."""

    def __init__(self, program: Program, tree: Any):
        self.lock = program.lock
        plan, memory = program.code.plan, program.memory
        self.count = len(plan.inputs)
        self.single = tree.size == 1 and not tree.children
        self.unflatten = (
            None if self.single or (tree.kind is tuple and tree.size == len(tree.children)) else tree.unflatten
        )
        self.entry = _ENTRY_TYPE(program.code.loaded.address(NAME))
        self.program = program
        outputs = plan.outputs
        words = [*memory.arguments[:3], memory.arguments[5], id(np.ndarray)]
        self._dtypes = [item.dtype for item in plan.inputs]
        words += [id(dtype) for dtype in self._dtypes]
        self.first = len(words)
        self.words = (ctypes.c_int64 * (self.first + self.count + len(outputs)))(*words)
        self.place = ctypes.addressof(self.words)
        self.made: list[tuple[int, tuple[int, ...], np.dtype]] = []
        self.numbers: list[tuple[int, np.ndarray, bool]] = []
        for k, item in enumerate(outputs):
            if item.aval.shape:
                self.made.append((k, item.aval.shape, item.dtype))
            else:
                array = np.zeros((), item.dtype)
                self.numbers.append((k, array, item.aval.weak))
                self.words[self.first + self.count + k] = id(array)
        self.results = len(outputs)

    def __call__(self, args: tuple[Any, ...]) -> Any:
        if len(args) != self.count:
            return MISS
        words, at = self.words, self.first
        results: list[Any] = [None] * self.results
        with self.lock:
            for arg in args:
                words[at] = id(arg)
                at += 1
            for k, shape, dtype in self.made:
                array = results[k] = np.empty(shape, dtype)
                words[at + k] = id(array)
            if self.entry(self.place):
                self.program.memory.stop()
                return MISS
            for k, array, weak in self.numbers:
                results[k] = array.item() if weak else array[()]
        if self.single:
            return results[0]
        return tuple(results) if self.unflatten is None else self.unflatten(results)


def direct_for(program: Program, graph: Any, args: tuple[Any, ...]) -> Direct | None:
    """The short way for such arguments, if there is one: plain arrays, nothing donated, no islands."""
    plan = program.code.plan
    if not readable() or program.donated or program.memory.islands or len(plan.inputs) != len(args):
        return None
    if any(type(arg) is not np.ndarray for arg in args) or graph.fixed:
        return None
    if len(plan.inputs) + len(plan.outputs) > MOST or any(o.place is not Place.OUTPUT for o in plan.outputs):
        return None
    # A type is one object for all arrays made in the usual ways; others go the long way.
    if any(item.dtype is not np.dtype(item.dtype.type) for item in plan.inputs):
        return None
    return Direct(program, graph.out_tree)
