"""The training loop: batches in a shuffled order, one compiled step a batch, and a θ that is never half updated.

A step is a pure function ``(theta, state, memory, step, key, *batch) → (theta, state, memory, loss, norm²)`` and one
graph: forward, backward, clipping and update. `stepping` runs it, many steps a call where there is machine code.
Between calls only whole steps are done, so Ctrl-C, a full disk or a value that is not finite leaves the last whole θ.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Generator
from typing import Any, Protocol

import numpy as np

from backpass.chain.derivatives import value_and_grad
from backpass.descent.optimizer import Optimizer
from backpass.descent.steered import RATE, steers
from backpass.graph.errors import DataError, NonFiniteError, ShapeError
from backpass.graph.interpreter import find_nonfinite
from backpass.graph.program import Graph
from backpass.graph.pytree import flatten, leaves_of
from backpass.graph.staging import Compiled
from backpass.native.alignment import aligned
from backpass.partials.random import make_key

from .blas import suited_threads
from .history import Epoch, History
from .interrupts import held_back
from .progress import Progress
from .saving import Saving, Standing, all_finite
from .stepping import Arrays, Pace, Stepper, given, inputs_of, replace, stepper_for

Loss = Callable[..., Any]
"""``loss(theta, state, key, *batch) → (scalar, state)``."""


class Rows(Protocol):
    """Rows that are not all in memory: a `RowStore`, or what reads like one."""

    @property
    def digest(self) -> str: ...
    def __len__(self) -> int: ...
    def read(self, start: int, stop: int) -> tuple[np.ndarray, ...]: ...
    def runs(self, rng: np.random.Generator, batch: int, first: int = 0) -> Generator[Any, None, None]:
        """Arrays of whole batches of the rows in a new order, from batch number `first` on."""
        ...


def training_step(loss: Loss, optimizer: Optimizer) -> Callable[..., Any]:
    """Forward, backward and update as one function, to be traced into one graph."""

    def step(theta: Any, state: Any, memory: Any, number: Any, key: Any, *batch: Any) -> Any:
        (value, new_state), gradient = value_and_grad(loss, has_aux=True)(theta, state, key, *batch)
        squared = sum(np.sum(np.square(leaf)) for leaf in leaves_of(gradient))
        theta, memory = optimizer.update(theta, gradient, memory, number)
        return theta, new_state, memory, value, squared

    return step


class Loop:
    """One run of gradient descent over arrays that share their first axis, or over rows in a store.

    What a step carries on (θ, state, the optimiser's memory) is held flat, in arrays that steps change in place.

    Without `shuffle` the rows keep their order. With `fill` the last batch of an epoch is filled up with rows of its
    first ones, so that all batches have one size and there is one program. `step` is a `training_step` of this loss and
    optimiser that was compiled before. `total` are the steps that will be taken in all, where that is known: machine
    code is not made for few.
    """

    def __init__(
        self,
        loss: Loss,
        optimizer: Optimizer,
        theta: Any,
        state: Any,
        data: tuple[Any, ...] | Rows,
        batch: int,
        seed: int,
        *,
        shuffle: bool = True,
        fill: bool = False,
        step: Compiled | None = None,
        total: int | None = None,
    ):
        self.store = None if isinstance(data, (tuple, list)) else data
        self.data = checked_data(data) if isinstance(data, (tuple, list)) else data.read(0, batch)
        self.n = len(self.data[0]) if self.store is None else len(self.store)
        self.batch = min(batch, self.n)
        self.optimizer = optimizer
        self.shuffle, self.fill, self.total = shuffle, fill, total
        self.step = step or Compiled(training_step(loss, optimizer))
        leaves, self.tree = flatten((theta, state, optimizer.init(theta)))
        self._held = [aligned(leaf) for leaf in leaves]
        memory = self.tree.unflatten(range(len(leaves)))[2]
        self._rate_at = memory[RATE] if steers(optimizer) else None  # among the leaves
        self._steppers: dict[int, Stepper] = {}
        self.graphs: dict[int, Graph] = {}
        self.count = 0
        self.seed = seed
        self.rng = np.random.default_rng(seed)
        self.order_state = self.rng.bit_generator.state  # before the rows of the epoch that is on were ordered
        self.position = 0  # steps of that epoch taken
        self.sums = (0.0, 0.0)  # over them: loss times rows, squares of the gradient's norm
        self.graph = self._graph_of(self.batch)
        self._paces: dict[int, Pace] = {}

    @property
    def steps(self) -> int:
        """Steps an epoch."""
        return -(-self.n // self.batch)

    @property
    def carried(self) -> list[Any]:
        """What the last whole step left, flat: copies."""
        return given([array.copy() for array in self._held])

    @carried.setter
    def carried(self, leaves: list[Any]) -> None:
        replace(self._held, leaves)

    @property
    def theta(self) -> Any:
        """θ after the last whole step."""
        return self.tree.unflatten(self.carried)[0]

    @property
    def state(self) -> Any:
        """The state after the last whole step."""
        return self.tree.unflatten(self.carried)[1]

    @property
    def rate(self) -> float:
        """The learning rate at the beginning of the epoch that is on. One that is `steered` can be set."""
        if self._rate_at is not None:
            return float(self._held[self._rate_at])
        return float(self.optimizer.rate_at(np.int64(self.count - self.position)) or 0.0)

    @rate.setter
    def rate(self, value: float) -> None:
        assert self._rate_at is not None
        self._held[self._rate_at][...] = value

    def run_epoch(self, progress: Progress, saving: Saving | None = None) -> tuple[float, float]:
        """One pass in a new order: the mean loss, and the root mean square of the gradient's norm.

        It begins after the `position` steps that a checkpoint has of it. `saving` is told where all that the loop
        carries belongs to one step.
        """
        self.order_state = self.rng.bit_generator.state
        told = time.monotonic()
        with contextlib.closing(self._pieces(saving)) as pieces:
            for data, order, rows, most in pieces:
                self._take(data, order, rows, most)
                if saving is not None and self.position < self.steps:
                    saving.after_step()
                now = time.monotonic()
                if now - told > 0.1:
                    told = now
                    progress.step(self.position, self.sums[0] / min(self.n, self.position * self.batch))
        total, squares = self.sums
        self.order_state, self.position, self.sums = self.rng.bit_generator.state, 0, (0.0, 0.0)
        return total / (self.steps * self.batch if self.fill else self.n), math.sqrt(squares / self.steps)

    def _pieces(self, saving: Saving | None) -> Generator[tuple[Arrays, np.ndarray, int, int], None, None]:
        """What is left of an epoch, from `position` on: (data, the order of its rows, rows a batch, batches)."""
        if self.store is not None:
            with contextlib.closing(self.store.runs(self.rng, self.batch, self.position)) as runs:
                for arrays in runs:
                    order, rows, begun = np.arange(len(arrays[0])), min(self.batch, len(arrays[0])), self.position
                    while (left := begun + len(order) // rows - self.position) > 0:
                        most = left if saving is None else min(left, saving.steps_left())
                        yield tuple(arrays), order[(self.position - begun) * rows :], rows, most
            return
        order = self.rng.permutation(self.n) if self.shuffle else np.arange(self.n)
        if self.fill:
            order = np.resize(order, self.steps * self.batch)
        full = len(order) // self.batch
        while self.position < self.steps:
            rows, most = (self.batch, full - self.position) if self.position < full else (self.n % self.batch, 1)
            if saving is not None:
                most = min(most, saving.steps_left())
            yield self.data, order[self.position * self.batch :], rows, most

    def _take(self, data: Arrays, order: np.ndarray, rows: int, most: int) -> None:
        """Take some steps on batches of `rows`, at most so many."""
        stepper = self._stepper(rows)
        pace = self._paces.setdefault(rows, Pace(stepper.threads))
        steps, threads, seconds = pace.next()
        steps = min(steps, most)
        before, first = [array.copy() for array in self._held], self.count
        began = time.perf_counter()
        try:
            losses, squares = stepper.take(data, order, steps, first, self.seed, threads, seconds)
        finally:
            self.count = first + stepper.done
        pace.took(len(losses), threads, time.perf_counter() - began)
        if not (math.isfinite(losses[-1]) and all_finite(self._held)):
            raise self._stopped_being_finite(before, first, data, order, rows, len(losses))
        self.sums = _added(self.sums[0], losses * rows), _added(self.sums[1], squares)
        self.position += len(losses)

    def _stopped_being_finite(
        self, before: list[np.ndarray], first: int, data: Arrays, order: np.ndarray, rows: int, steps: int
    ) -> NonFiniteError:
        """Go back to before the step that broke θ, and say which operation of it did."""
        stepper = self._stepper(rows)
        replace(self._held, before)
        for k in range(steps):
            mine = order[k * rows : (k + 1) * rows]
            loss, _ = stepper.take(data, mine, 1, first + k, self.seed, 1)
            if math.isfinite(loss[-1]) and all_finite(self._held):
                before = [array.copy() for array in self._held]
                continue
            replace(self._held, before)
            self.count = first + k
            inputs = inputs_of(data, mine, first + k, self.seed)
            error = find_nonfinite(self.graphs[rows], [*given(before), *inputs])
            break
        else:
            error = None
        why = "" if error is None else f" {error}"
        found = NonFiniteError(f"Training stopped being finite in step {self.count + 1}.{why}")
        found.add_note(_ADVICE)
        return found

    def _stepper(self, rows: int) -> Stepper:
        """Who takes steps on batches of so many rows; there are two sizes of batch at most."""
        if rows not in self._steppers:
            self._steppers[rows] = stepper_for(self._graph_of(rows), self._held, self.data, rows, self.total)
        return self._steppers[rows]

    def _graph_of(self, rows: int) -> Graph:
        """The graph of a step for so many rows."""
        if rows not in self.graphs:
            key = make_key(0, 0)
            theta, state, memory = self.tree.unflatten(self.carried)
            arrays = [array[:rows] for array in self.data]
            with np.errstate(all="ignore"):  # what depends on no argument is computed while tracing
                graph = self.step.graph(theta, state, memory, np.int64(0), key, *arrays)
            self._check_carried(graph)
            self.graphs[rows] = graph
        return self.graphs[rows]

    def _check_carried(self, graph: Graph) -> None:
        """What comes out of a step must be what goes into the next."""
        after = graph.out_tree.children[:3]
        if after != self.tree.children:
            wrong = next(k for k in range(3) if after[k] != self.tree.children[k])
            raise ShapeError(
                f"a step must leave the structure of {_CARRIED[wrong]} as it is:\n"
                f"    before: {self.tree.children[wrong]!r}\n    after:  {after[wrong]!r}"
            )
        names = [f"{what} {p}".rstrip() for what, t in zip(_CARRIED, self.tree.children, strict=True) for p in t.paths]
        for name, first, last in zip(names, graph.inputs, graph.outputs, strict=False):
            before, now = graph.nodes[first], graph.nodes[last]
            if (before.shape, before.dtype) != (now.shape, now.dtype):
                raise ShapeError(
                    f"a step must leave shape and dtype of {name} as they are: "
                    f"{before.aval!r} before it, {now.aval!r} after it"
                )


def _added(total: float, terms: np.ndarray) -> float:
    """The total and one term after another, so that it does not matter how many come at a time."""
    return float(np.add.accumulate(np.concatenate([[total], terms]))[-1])


_CARRIED = ("theta", "the state", "the memory of the optimiser")

_ADVICE = (
    "  The error's theta holds θ as it was before this step. Usual remedies: a smaller learning rate, clipping\n"
    "  (bp.descent.clip), inputs scaled to about 1, or a stable form of the operation named above."
)


def run_epochs(
    loop: Loop,
    epochs: int,
    progress: Progress,
    measure: Callable[[Any, Any], tuple[float | None, dict[str, float]]] | None,
    patience: int | None = None,
    callback: Callable[[Epoch], Any] | None = None,
    saving: Saving | None = None,
    watch: Callable[[Epoch], float | None] = lambda record: record.validation_loss,
) -> History:
    """Run up to `epochs`; keep the θ of the epoch with the least of what is watched, where there is any; stop early, on
    Ctrl-C or by callback.

    `measure(theta, state)`, if there is one, gives the validation loss (or None) and scores; the validation loss is
    watched, or what `watch` makes of an epoch. A callback stops by a true result, and may say why by a text. On return
    the loop holds the θ kept. With `saving`, what its folder holds of this run is taken up, and added to.
    """
    standing = Standing()
    with contextlib.ExitStack() as stack:
        if saving is not None:
            stack.enter_context(saving.folder.opened())
            saving.begin(standing)
            saving.interrupts = stack.enter_context(held_back())
        if not _has_ended(standing.history, epochs, patience):
            _run(loop, epochs, progress, measure, patience, callback, saving, watch, standing)
    loop.carried = standing.best or loop.carried
    return standing.history


def _run(
    loop: Loop,
    epochs: int,
    progress: Progress,
    measure: Callable[[Any, Any], tuple[float | None, dict[str, float]]] | None,
    patience: int | None,
    callback: Callable[[Epoch], Any] | None,
    saving: Saving | None,
    watch: Callable[[Epoch], float | None],
    standing: Standing,
) -> None:
    history = standing.history
    history.stopped = "all epochs done"
    try:
        if saving is not None:
            saving.starts()
        with suited_threads(loop.graph):
            progress.start(epochs, loop.steps)
            for record in history.epochs[-1:]:
                progress.epoch(record)  # where a run that is taken up stands
            for number in range(len(history) + 1, epochs + 1):
                began = time.monotonic() - standing.seconds
                if saving is not None:
                    saving.epoch_begins()
                rate = loop.rate
                loss, norm = loop.run_epoch(progress, saving)
                held, scores = (None, {}) if measure is None else measure(loop.theta, loop.state)
                record = Epoch(number, loss, held, scores, rate, norm, time.monotonic() - began)
                history.epochs.append(record)
                watched = watch(record)
                if watched is not None and watched < standing.best_loss:
                    standing.best_loss, standing.best, history.best = watched, loop.carried, number
                progress.epoch(record)
                if callback is not None and (told := callback(record)):
                    history.stopped = told if isinstance(told, str) else "callback"
                if patience is not None and watched is not None and number - (history.best or 0) >= patience:
                    history.stopped = f"no improvement in {patience} epochs"
                if saving is not None:
                    saving.epoch_ends()
                if history.stopped != "all epochs done":
                    break
    except KeyboardInterrupt:
        history.stopped = "interrupted"
    except NonFiniteError as error:
        loop.carried = standing.best or loop.carried
        error.theta, error.history = loop.theta, history  # type: ignore[attr-defined]
        if saving is not None:
            saving.fail(str(error))
        raise
    finally:
        progress.stop(history.stopped)
    if saving is not None:
        saving.end("interrupted" if history.stopped == "interrupted" else "finished")


def _has_ended(history: History, epochs: int, patience: int | None) -> bool:
    """Whether a run that is taken up has nothing left to do: it has its epochs, or stopped early for a reason that
    still holds."""
    waited = len(history) - (history.best or 0)
    out_of_patience = patience is not None and history.best is not None and waited >= patience
    return len(history) > 0 and (len(history) >= epochs or history.stopped == "callback" or out_of_patience)


def checked_data(data: tuple[Any, ...], names: tuple[str, ...] = ()) -> tuple[np.ndarray, ...]:
    """The arrays of a data set: at least one row, the same number of rows in each, nothing missing in them.

    `names` are what messages call them, ``data[0]``, ``data[1]`` … where there are none.
    """
    if not isinstance(data, (tuple, list)):
        raise DataError(f"data must be a tuple of arrays, such as (X, y); got {type(data).__name__}")
    arrays = tuple(np.asarray(array) for array in data)
    if not arrays:
        raise DataError("there is no data: pass a tuple of arrays, such as (X, y)")
    called = names or tuple(f"data[{k}]" for k in range(len(arrays)))
    for name, array in zip(called, arrays, strict=True):
        if array.ndim == 0:
            raise ShapeError(f"{name} is the single value {array[()]!r}; each array needs one row per example")
        if len(array) != len(arrays[0]):
            shapes = "\n".join(f"    {n}: shape {a.shape}" for n, a in zip(called, arrays, strict=True))
            raise ShapeError(f"the arrays have different numbers of rows\n{shapes}")
        if array.dtype.kind not in "fiub":
            shown = ", ".join(map(repr, array.ravel()[:3].tolist()))
            raise DataError(
                f"{name} holds {array.dtype.name} values, not real numbers: {shown}, …\n"
                "  Turn them into numbers first; tables with text and dates are what backpass train takes."
            )
        if array.dtype.kind == "f" and not np.all(np.isfinite(array)):
            bad = np.argwhere(~np.isfinite(array))
            count = f"{len(bad)} values that are" if len(bad) > 1 else "a value that is"
            raise DataError(
                f"{name}, shape {array.shape}, has {count} not finite: {array[tuple(bad[0])]} at {bad[0].tolist()}"
                f"{', the first' if len(bad) > 1 else ''}.\n  Drop such rows, for instance with "
                f"rows = np.isfinite({name}){'.all(axis=1)' if array.ndim == 2 else ''}, or fill them, for instance "
                "with a median."
            )
    if len(arrays[0]) == 0:
        raise DataError("the data has no rows")
    return arrays
