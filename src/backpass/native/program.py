"""`Program`: a graph as machine code, and what is needed to run it on NumPy arrays."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Generator
from typing import Any

import numpy as np

from backpass.graph.errors import BackpassError
from backpass.graph.interpreter import run
from backpass.graph.program import Graph

from . import direct
from .alignment import aligned_bytes
from .barrier import WORDS
from .code import Code, code_for
from .kernel import Item, Place
from .module import Word, islands
from .nest import owner
from .target import Target, host
from .view import View

CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_int64)
NEVER = -(1 << 62)
"""Where the count of what loops have done begins, so that they never ask about Ctrl-C."""
_P, _I = ctypes.c_void_p, ctypes.c_int64
ENTRY_TYPE = ctypes.CFUNCTYPE(None, _P, _P, _P, _I, _I, _P)


class Memory:
    """The arrays that a code works on: a table of addresses, an arena, constants, and islands' views of them."""

    def __init__(self, code: Code, ranks: int = 1, watchful: bool = False):
        self.code = code
        plan = code.plan
        arena, scratch = code.bytes
        self.arena = aligned_bytes(arena + ranks * scratch + 64)
        self.flag = np.zeros(len(Word), np.int64)
        self._spent = 0 if watchful else NEVER
        self.barrier = np.zeros(WORDS, np.int64)
        self.table = np.zeros(len(code.slots), np.int64)
        self.values: dict[Item, np.ndarray] = {}
        self.error: BaseException | None = None
        self.islands = islands(plan)
        for item in code.slots:
            if item.place is Place.CONSTANT:
                self.set(item, np.array(item.line.value, dtype=item.dtype, order="C"))
        waiting = self._answers()
        next(waiting)
        self._callback = CALLBACK(waiting.send)
        self.flag[Word.CALLBACK] = ctypes.cast(self._callback, ctypes.c_void_p).value or 0
        places = (self.table.ctypes.data, self.arena.ctypes.data, self.flag.ctypes.data)
        self.arguments = (*places, 0, 1, self.barrier.ctypes.data)

    def set(self, item: Item, array: np.ndarray) -> None:
        """Let an input, a constant or an output lie in this array."""
        self.values[item] = array
        self.table[self.code.slots[item]] = array.ctypes.data

    def begin(self) -> None:
        self.flag[Word.FLAG] = 0
        self.flag[Word.SPENT] = self._spent

    def end(self, graph: Graph, arguments: Callable[[], list[Any]]) -> None:
        """Raise what went wrong: an island's error, or the interpreter's for an index out of bounds."""
        self.stop()
        if self.flag[Word.FLAG]:
            run(graph, arguments())
            raise BackpassError("an index was out of bounds")

    def stop(self) -> None:
        """Raise what came up in an island, if anything did."""
        error, self.error = self.error, None
        if error is not None:
            raise error

    # ---- islands
    def _answers(self) -> Generator[None, int, None]:
        """What the code asks for: the number of an island, to be run by NumPy, or −1 for a look at Ctrl-C.

        A generator, since a key that was pressed raises where Python goes on: here that is within the `try`.
        """
        while True:
            try:
                number = yield
                if number >= 0 and self.error is None:
                    self._island(number)
            except GeneratorExit:
                return
            except BaseException as error:
                self.error = error
                self.flag[Word.FLAG] = 1

    def _island(self, number: int) -> None:
        """An operation without a native form, run by NumPy in the middle of the native program."""
        kernel, slots = self.islands[number]
        assert kernel.line is not None
        arguments = [_as_given(self.array(item, view, slots), item) for item, view in kernel.operands]
        with np.errstate(all="ignore"):
            value = kernel.line.op.run(*arguments, **kernel.line.attrs)
        if kernel.result is not None:
            self.array(kernel.result, kernel.result.view, slots)[...] = value
        else:
            for item, part in zip(kernel.parts, value.parts, strict=True):
                self.array(item, item.view, slots)[...] = part

    def array(self, item: Item, view: View, slots: dict[Item, int]) -> np.ndarray:
        """An item of the plan that asks, as NumPy sees it."""
        if item.immediate:
            base = np.asarray(item.line.value, dtype=item.dtype).reshape(1)
        else:
            mine = owner(item)
            if mine.place is Place.ARENA:
                address = int(self.flag[Word.ARENA]) + mine.offset
            else:
                slot = int(self.flag[Word.TABLE]) + 8 * slots[mine]
                address = ctypes.c_int64.from_address(slot).value
            size = max(1, item.view.size * item.dtype.itemsize)
            held = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))
            base = held[: item.view.size * item.dtype.itemsize].view(item.dtype)
        strides = tuple(s * item.dtype.itemsize for s in view.strides)
        return np.lib.stride_tricks.as_strided(base[view.offset :], view.shape, strides)


class Program:
    """One compiled graph. `run` takes and gives flat lists, as the interpreter does."""

    def __init__(self, graph: Graph, target: Target | None = None, donated: dict[int, int] | None = None):
        self.graph = graph
        self.code = code_for(graph, target or host(), donated, direct.write)
        self.memory = Memory(self.code, watchful=True)
        self.donated = donated or {}
        self.lock = threading.Lock()
        self._entry = ENTRY_TYPE(self.code.loaded.address())
        plan = self.code.plan
        self._outputs = [(k, item) for k, item in enumerate(plan.outputs) if k not in self.donated]

    def run(self, leaves: list[Any]) -> list[Any]:
        """Outputs for inputs, both flat."""
        plan, memory = self.code.plan, self.memory
        with self.lock:
            for item, leaf in zip(plan.inputs, leaves, strict=True):
                array = np.asarray(leaf, dtype=item.dtype, order="C")
                memory.set(item, array)
            results: list[Any] = [None] * len(plan.outputs)
            for k, item in self._outputs:
                results[k] = np.empty(item.aval.shape, item.dtype)
                memory.set(item, results[k])
            memory.begin()
            self._entry(*memory.arguments)
            for k, source in self.donated.items():
                results[k] = memory.values[plan.inputs[source]]
            memory.end(self.graph, lambda: leaves)
        return [_as_interpreted(value, item) for value, item in zip(results, plan.outputs, strict=True)]


def _as_given(array: np.ndarray, item: Item) -> Any:
    if array.shape == ():
        return array[()].item() if item.aval.weak else array[()]
    return array


def _as_interpreted(value: np.ndarray, item: Item) -> Any:
    if value.shape == ():
        return value.item() if item.aval.weak else value[()]
    return value
