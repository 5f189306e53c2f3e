"""Who takes the training steps: machine code, many at a time, or the interpreter, one by one.

Both change the arrays of θ, the state and the optimiser's memory in place, step by whole step, and tell the loss and
the squared norm of the gradient of each.
"""

from __future__ import annotations

import math
import os
import time
from typing import Any, Protocol

import numpy as np

from backpass.graph.collector import collector_paused
from backpass.graph.interpreter import run
from backpass.graph.op import Kind
from backpass.graph.program import Graph
from backpass.native import available
from backpass.partials.random import make_key

THREADS = "BACKPASS_THREADS"
"""The environment variable that says how many threads may take a step together."""


Arrays = tuple[np.ndarray, ...]
"""Arrays that share their first axis."""


class Stepper(Protocol):
    """Takes steps on batches of one size."""

    threads: int
    """The most that may work together."""

    @property
    def done(self) -> int:
        """The steps that the last call took; right also where it was interrupted."""
        ...

    def take(
        self, data: Arrays, order: np.ndarray, steps: int, first: int, seed: int, threads: int, seconds: float = 0.0
    ) -> tuple[np.ndarray, np.ndarray]: ...


SHORT = 0.03
"""Seconds: to compile a step takes ten times as long. What the interpreter does in less is left to it."""
LINE, ELEMENT = 1e-6, 1e-9
"""Seconds that the interpreter takes for an operation, and for an element of its result: a rough count, so that the
same run is done in the same way, and with the same bits, on every machine and at every time."""


def is_short(graph: Graph, steps: int) -> bool:
    """Does the interpreter do so many steps about as soon as a step would be compiled?"""
    lines = [node for node in graph.nodes if node.op.kind is not Kind.SOURCE]
    if any(node.op.kind is Kind.CONTROL for node in lines):
        return False
    return steps * (LINE * len(lines) + ELEMENT * sum(math.prod(node.shape) for node in lines)) < SHORT


@collector_paused  # importing and writing machine code makes many objects, and keeps them
def stepper_for(graph: Graph, carried: list[np.ndarray], data: Arrays, rows: int, total: int | None = None) -> Stepper:
    """Machine code where it can be made and pays; else the interpreter. `total`: the steps of the run, where known."""
    if available() and (total is None or not is_short(graph, total)):
        from backpass.native.prepare import NotNative

        try:
            return Native(graph, carried, data, rows)
        except NotNative:
            pass
    return Interpreted(graph, carried, data, rows)


class Interpreted:
    """The graph of a step, run line by line."""

    threads = 1

    def __init__(self, graph: Graph, carried: list[np.ndarray], data: Arrays, rows: int):
        self.graph, self.carried, self.rows = graph, carried, rows
        self.done = 0

    def take(
        self, data: Arrays, order: np.ndarray, steps: int, first: int, seed: int, threads: int, seconds: float = 0.0
    ) -> tuple[np.ndarray, np.ndarray]:
        self.done = 0
        losses, squares = np.zeros(steps), np.zeros(steps)
        for k in range(steps):
            inputs = inputs_of(data, order[k * self.rows : (k + 1) * self.rows], first + k, seed)
            with np.errstate(all="ignore"):
                *after, loss, squared = run(self.graph, [*given(self.carried), *inputs])
            replace(self.carried, after)
            losses[k], squares[k] = loss, squared
            self.done = k + 1
            if not math.isfinite(losses[k] + squares[k]):
                break
        return losses[: self.done], squares[: self.done]


class Native:
    """The whole loop as machine code."""

    def __init__(self, graph: Graph, carried: list[np.ndarray], data: Arrays, rows: int):
        from backpass.native.steps import Steps

        self.threads = threads_allowed()
        self.steps = Steps(graph, carried, data, rows, self.threads)

    @property
    def done(self) -> int:
        return self.steps.done

    def take(
        self, data: Arrays, order: np.ndarray, steps: int, first: int, seed: int, threads: int, seconds: float = 0.0
    ) -> tuple[np.ndarray, np.ndarray]:
        return self.steps.run(data, order, steps, first, seed, threads, seconds)


def inputs_of(data: Arrays, rows: np.ndarray, number: int, seed: int) -> list[Any]:
    """What a step takes beside what it carries on: its number, its key, its batch."""
    return [np.int64(number), make_key(seed % 2**32, number % 2**32), *[array[rows] for array in data]]


def given(carried: list[np.ndarray]) -> list[Any]:
    """Arrays as the graph takes them: NumPy's numbers where there are no axes."""
    return [array if array.ndim else array[()] for array in carried]


def replace(carried: list[np.ndarray], after: list[Any]) -> None:
    """Put the values of a whole step in the place of those before it."""
    for array, value in zip(carried, after, strict=True):
        array[...] = value


def threads_allowed() -> int:
    """Cores that this process may use, or what BACKPASS_THREADS says."""
    told = os.environ.get(THREADS, "")
    if told.isdigit() and int(told) > 0:
        return int(told)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


SLOW = 20e-6
"""Seconds: a step that takes less is not worth a second thread."""
CHUNK = 0.08
"""Seconds of work between two looks at progress and Ctrl-C."""
TASTE, PROBE = 1e-3, 0.01
"""Seconds of work by which the other number of threads is tried: first a little, and if that was not bad, more."""
TASTES = 2
"""So many times a little: the first also wakes the threads, and is not judged."""
BAD = 1.5
"""A taste that took so many times longer is enough: on a busy machine two threads may take a hundred times as long."""
AGAIN, LONGEST = 0.5, 2.0
"""Seconds until it is tried again; twice as many after each try in vain."""
CHANGED = 0.75
"""If a step takes so much less than at the last try, the machine is another one: it is tried again."""


class Pace:
    """How many steps to take at a time, and with how many threads: what was fastest when it was last tried.

    On a busy machine threads wait for each other, and one alone is faster; so both are tried again every now and then.
    The number of threads changes no result.
    """

    def __init__(self, most: int):
        self.most = most
        self.threads = 1
        self.seconds: dict[int, float] = {}
        """Of a step, when so many threads last took some."""
        self._least = math.inf
        """Seconds of a step alone, at the best: on a busy machine a short one seems long."""
        self._calls = 0
        """Of the try that is on."""
        self._spent = 0.0
        self._tried = 0.0
        self._wait = 0.0
        self._then = 0.0
        self._bad = 0
        """Calls in a row that took far longer than one thread alone."""
        self._slow = 0.0
        """Seconds of calls in a row that took longer than one thread alone: the few milliseconds by which two threads
        are tried tell little of a busy machine."""

    def next(self) -> tuple[int, int, float]:
        """(steps, threads, seconds at most) of the next call; 0 for as long as it takes."""
        if 1 not in self.seconds:
            return 4, 1, 0.0
        alone = self.seconds[1]
        if self.most > 1 and self._least >= SLOW and (self._calls or time.monotonic() - self._tried > self._wait):
            other, work = self.most if self.threads == 1 else 1, PROBE if self._calls == TASTES else TASTE
            return self._steps(work, alone, 2), other, BAD * work
        return self._steps(CHUNK, self.seconds[self.threads], 1), self.threads, BAD * CHUNK * (self.threads > 1)

    @staticmethod
    def _steps(seconds: float, each: float, least: int) -> int:
        return max(least, min(100_000, int(seconds / max(each, 1e-8))))

    def took(self, steps: int, threads: int, seconds: float) -> None:
        """Note what a call took, and go on with the faster number of threads."""
        each = seconds / max(steps, 1)
        if threads == 1:
            self._least = min(self._least, each)
        if threads == self.threads:
            self.seconds[threads] = each
            self._bad = self._bad + 1 if threads > 1 and each > BAD * self.seconds[1] else 0
            self._slow = self._slow + seconds if threads > 1 and each > self.seconds[1] else 0.0
            if self._bad == 2 or self._slow > 2 * CHUNK:
                self._waits_on(1, max(self._slow, seconds))
            elif each < CHANGED * self._then:
                self._wait, self._then = AGAIN, each
            return
        usual = self.seconds[self.threads]
        self._spent += seconds
        if self._calls < TASTES and (self._calls + 1 < TASTES or each < BAD * usual):
            self._calls += 1
            return
        self.seconds[threads] = each
        if each < usual:
            self.threads, self._wait = threads, AGAIN / 2
        self._waits_on(self.threads, self._spent)

    def _waits_on(self, threads: int, seconds: float) -> None:
        """Go on with so many threads, and wait twice as long until the next try, and many times what this one took."""
        self.threads, self._calls, self._spent, self._bad, self._slow = threads, 0, 0.0, 0, 0.0
        self._tried, self._then = time.monotonic(), self.seconds[threads]
        self._wait = max(min(max(AGAIN, 2 * self._wait), LONGEST), 20 * seconds)
