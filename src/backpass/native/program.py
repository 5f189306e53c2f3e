"""`Program`: a graph as machine code, and what is needed to run it on NumPy arrays."""

from __future__ import annotations

import ctypes
import threading
from typing import Any

import numpy as np

from backpass.graph.errors import BackpassError
from backpass.graph.interpreter import run
from backpass.graph.program import Graph

from .engine import Loaded, build, optimized
from .kernel import Item, Kernel, Place, Plan
from .lower import lower
from .memory import place
from .module import ModuleWriter, arranged, slots
from .nest import owner
from .target import Target, host
from .view import View

CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_int64)
ENTRY_TYPE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)


class Code:
    """A graph's plan and LLVM text; compiled when asked for."""

    def __init__(self, graph: Graph, target: Target, carried: dict[int, int] | None = None):
        self.target = target
        carried = carried or {}
        self.plan: Plan = lower(graph, carried)
        self.arrangements = arranged(self.plan, target.bits)
        place(self.plan, carried)
        for kernel in self.plan.kernels:
            if kernel not in self.arrangements:
                self.arrangements.update(arranged(Plan([kernel], [], [], []), target.bits))
        writer = ModuleWriter(self.plan, target, self.arrangements)
        self.text = writer.text()
        self.bytes = self.plan.arena + writer.scratch + 64
        self.slots = slots(self.plan)
        self.loaded = Loaded(build(self.text, target), target)

    def llvm(self) -> str:
        return optimized(self.text, self.target)[0]

    def asm(self) -> str:
        return optimized(self.text, self.target)[1]


class Program:
    """One compiled graph. `run` takes and gives flat lists, as the interpreter does."""

    def __init__(self, graph: Graph, target: Target | None = None):
        self.graph = graph
        self.code = Code(graph, target or host())
        self.plan = self.code.plan
        self._lock = threading.Lock()
        self._entry = ENTRY_TYPE(self.code.loaded.entry)
        self._arena = aligned_bytes(self.code.bytes)
        self._flag = np.zeros(1, np.int64)
        self._table = np.zeros(len(self.code.slots) + 1, np.int64)
        self._kept: list[Any] = []
        self._values: dict[Item, np.ndarray] = {}
        self._error: BaseException | None = None
        self._islands = {k: kernel for k, kernel in enumerate(self.plan.kernels) if kernel.kind == "island"}
        for item, slot in self.code.slots.items():
            if item.place is Place.CONSTANT:
                array = np.array(item.line.value, dtype=item.dtype, order="C", ndmin=0)
                self._kept.append(array)
                self._values[item] = array
                self._table[slot] = array.ctypes.data
        self._outputs = [
            (k, item, self.code.slots[item]) for k, item in enumerate(self.plan.outputs) if item in self.code.slots
        ]
        self._callback = CALLBACK(self._island)
        self._table[-1] = ctypes.cast(self._callback, ctypes.c_void_p).value or 0
        self._arguments = (self._table.ctypes.data, self._arena.ctypes.data, self._flag.ctypes.data)

    def run(self, leaves: list[Any]) -> list[Any]:
        """Outputs for inputs, both flat."""
        with self._lock:
            held = []
            for item, leaf in zip(self.plan.inputs, leaves, strict=True):
                array = np.ascontiguousarray(leaf, dtype=item.dtype)
                held.append(array)
                self._values[item] = array
                self._table[self.code.slots[item]] = array.ctypes.data
            results: list[Any] = [None] * len(self.plan.outputs)
            for k, item, slot in self._outputs:
                array = results[k] = np.empty(item.line.aval.shape, item.dtype)
                self._values[item] = array
                self._table[slot] = array.ctypes.data
            self._flag[0] = 0
            self._entry(*self._arguments)
            error, self._error = self._error, None
            failed = bool(self._flag[0])
        if error is not None:
            raise error
        if failed:
            # An index out of bounds: the interpreter says which, in the user's words.
            run(self.graph, leaves)
            raise BackpassError("an index is out of bounds")
        return [_as_interpreted(value, item) for value, item in zip(results, self.plan.outputs, strict=True)]

    # ---- islands
    def _island(self, number: int) -> None:
        """An operation without a native form, run by NumPy in the middle of the native program."""
        if self._error is not None:
            return
        kernel = self._islands[number]
        try:
            assert kernel.line is not None and kernel.result is not None
            arguments = [self._array(item, view) for item, view in kernel.operands]
            arguments = [_as_given(a, item) for a, (item, _) in zip(arguments, kernel.operands, strict=True)]
            with np.errstate(all="ignore"):
                value = kernel.line.op.run(*arguments, **kernel.line.attrs)
            self._array(kernel.result, kernel.result.view)[...] = value
        except BaseException as error:
            self._error = error

    def _array(self, item: Item, view: View) -> np.ndarray:
        if item.immediate:
            base = np.asarray(item.line.value, dtype=item.dtype).reshape(1)
        elif owner(item).place is Place.ARENA:
            size = item.view.size * item.dtype.itemsize
            base = self._arena[owner(item).offset : owner(item).offset + size].view(item.dtype)
        else:
            base = self._values[owner(item)].reshape(-1)
        strides = tuple(s * item.dtype.itemsize for s in view.strides)
        return np.lib.stride_tricks.as_strided(base[view.offset :], view.shape, strides)


def _as_given(array: np.ndarray, item: Item) -> Any:
    if array.shape == ():
        return array[()].item() if item.aval.weak else array[()]
    return array


def _as_interpreted(value: np.ndarray, item: Item) -> Any:
    if value.shape == ():
        return value.item() if item.aval.weak else value[()]
    return value


def aligned_bytes(size: int) -> np.ndarray:
    """Memory that begins with a cache line."""
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size]


def islands_of(plan: Plan) -> list[Kernel]:
    return [kernel for kernel in plan.kernels if kernel.kind == "island"]
