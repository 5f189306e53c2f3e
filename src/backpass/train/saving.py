"""`Saving`: when a loop's state goes into its run folder, and how it comes back.

The loop says after which steps it stands whole (`after_step`); here is decided whether that is the time to save. Saving
reads the state and changes nothing, so that a run with checkpoints has the bits of one without.
"""

from __future__ import annotations

import hashlib
import math
import time
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.graph.encode import encode
from backpass.graph.errors import DataError
from backpass.graph.program import Graph
from backpass.graph.traced import CONSTANT

from .checkpoint import Checkpoint
from .history import History
from .interrupts import Interrupts
from .run_folder import RunFolder, changes

if TYPE_CHECKING:
    from .loop import Loop
    from .model import Model

SHARE = 0.03
"""Of the time, what saving may take when nobody says how often to save."""

WHOLE = 1 << 26
"""Bytes of an array up to which all of it tells it from another one; of more, some thousand rows do."""


class SavingWarning(UserWarning):
    """A checkpoint could not be written, or a run goes on in another environment than it began in."""


@dataclass
class Standing:
    """What is carried from epoch to epoch beside the loop: the history, and the best θ so far."""

    history: History = field(default_factory=lambda: History(stopped="all epochs done"))
    best: list[Any] | None = None
    best_loss: float = math.inf
    seconds: float = 0.0
    """What the epoch that is not finished took before the run stopped."""


class Saving:
    """The checkpoints of one call of `fit` or `descend`.

    `config` is written to the folder when the run begins. `parts` are the numbers that make the run what it is besides
    the loop's own (the validation rows): the same call must bring the same ones to take it up again.
    """

    def __init__(
        self, folder: RunFolder, loop: Loop, config: dict[str, Any], parts: dict[str, Iterable[Any]] | None = None
    ):
        self.folder, self.loop, self.config = folder, loop, config
        self.identity = identity_of(loop, parts or {})
        self.names = tuple(f"{what}.{path}".rstrip(".") for what, tree in
                           zip(("theta", "state", "memory"), loop.tree.children, strict=True)
                           for path in tree.paths)  # fmt: skip
        self.standing = Standing()
        self.interrupts = Interrupts()
        self.saved_at = -1
        self.saved_when = self.epoch_began = time.monotonic()
        self.cost = 0.0
        self.failing = False

    # ---- taking up
    def begin(self, standing: Standing) -> None:
        """Bring the loop and `standing` to where the run in the folder stands, or begin one there."""
        self.standing = standing
        found = self.folder.newest() if self.folder.exists else None
        if self.folder.exists:
            self._check_same(self.folder.config().get("identity", {}))
        if found is not None:
            checkpoint, _, wrong = found
            for text in wrong:
                warnings.warn(f"{text}; the checkpoint before it is taken", SavingWarning, stacklevel=4)
            self._bring_back(checkpoint)
        self.folder.begin({**self.config, "identity": self.identity})
        places = self.folder.environment()
        if found is not None and (differ := changes(places[0], places[-1])):
            told = ", ".join(differ)
            warnings.warn(
                f"the run in {self.folder.path} began in another environment ({told}): its last bits may differ "
                "from those of a run that was never stopped",
                SavingWarning,
                stacklevel=4,
            )
        if standing.history.epochs:
            self.folder.write_history(standing.history)

    def _check_same(self, before: dict[str, Any]) -> None:
        passed = {"step"} if self.folder.prolonged else set()  # its schedule may be another
        differ = [words for key, words in WORDS.items() if before.get(key) != self.identity.get(key)
                  and key not in passed]  # fmt: skip
        if not differ:
            return
        was = self.folder.environment()[:1]
        theirs, ours = (was[0].get("backpass") if was else None), _version()
        other = f" (it was begun with Backpass {theirs}, and this is {ours})" if theirs != ours else ""
        raise DataError(
            f"{self.folder.path} holds another run{other}: here {', and '.join(differ)}.\n"
            "  Give what it was begun with to take it up again, or name another folder for a new run."
        )

    def _bring_back(self, checkpoint: Checkpoint) -> None:
        loop, standing = self.loop, self.standing
        loop.carried, loop.count = checkpoint.carried, checkpoint.count
        loop.position, loop.sums = checkpoint.position, checkpoint.sums
        loop.rng.bit_generator.state = checkpoint.order
        standing.history, standing.seconds = checkpoint.history, checkpoint.seconds
        standing.best, standing.best_loss = checkpoint.best, checkpoint.best_loss
        self.saved_at = checkpoint.count

    # ---- along the way
    def starts(self) -> None:
        self._write_status("running")
        self.saved_when = time.monotonic()

    def epoch_begins(self) -> None:
        self.epoch_began = time.monotonic() - self.standing.seconds

    def after_step(self) -> None:
        """The loop stands whole within an epoch: save where it is time, stop where Ctrl-C was pressed."""
        if self._is_time():
            self.save()
        self.interrupts.check()

    def epoch_ends(self) -> None:
        """The loop stands whole between two epochs, and the history has a line more."""
        self.standing.seconds = 0.0
        self.epoch_began = time.monotonic()
        self._attempt(lambda: self.folder.add_to_history(self.standing.history))
        if self._is_time():
            self.save()
        self.interrupts.check()

    def steps_left(self) -> int:
        """Steps that may be taken before the next look at whether it is time to save."""
        if self.folder.every is None:
            return 1 << 62
        return max(1, self.folder.every - (self.loop.count - max(self.saved_at, 0)))

    def _is_time(self) -> bool:
        if self.folder.every is not None:
            return self.loop.count - max(self.saved_at, 0) >= self.folder.every
        return time.monotonic() - self.saved_when >= max(1.0, self.cost / SHARE)

    def save(self) -> bool:
        """Write a checkpoint; whether it could be written. A disk that refuses is told of once, and asked again.

        None is written of a θ that is not finite, which the next step will find, nor where an interrupt came between
        a step and its number.
        """
        began = time.monotonic()
        loop, standing = self.loop, self.standing
        if loop.count != len(standing.history) * loop.steps + loop.position or not all_finite(loop.carried):
            return False
        checkpoint = Checkpoint(
            loop.carried, loop.count, loop.position, loop.sums, loop.order_state, standing.history, standing.best,
            standing.best_loss, began - self.epoch_began if loop.position else 0.0,
        )  # fmt: skip
        done = self._attempt(lambda: self.folder.save(checkpoint, self.names, self.identity))
        self.saved_at, self.saved_when = loop.count, time.monotonic()
        self.cost = self.saved_when - began
        if done:
            self.failing = False
            self._write_status("running")
        return done

    def end(self, state: str) -> None:
        """The run has ended: a last checkpoint, from which more epochs can follow, and how it ended."""
        if not self.interrupts.forced:
            self.save()
        self._attempt(lambda: self.folder.write_history(self.standing.history))
        self._write_status(state)

    def fail(self, why: str) -> None:
        """The run broke: the checkpoints stay as they are."""
        self._write_status("failed", why=why)

    def _write_status(self, state: str, **more: Any) -> None:
        history = self.standing.history
        content = {
            "state": state, "stopped": history.stopped if state not in ("running", "failed") else "",
            "epochs": len(history), "steps": self.loop.count, "best": history.best, **more,
        }  # fmt: skip
        self._attempt(lambda: self.folder.write_status(**content))

    def _attempt(self, write: Any) -> bool:
        """Whether a file could be written. Training goes on where it could not: θ in memory is worth more than it."""
        try:
            write()
        except OSError as error:
            if not self.failing:
                last = self.folder.checkpoints()[-1:]
                safe = f"the last good checkpoint is {last[0]}" if last else "there is no checkpoint yet"
                warnings.warn(
                    f"{error.strerror or error}. Training goes on, and saving is tried again; {safe}",
                    SavingWarning,
                    stacklevel=5,
                )
            self.failing = True
            return False
        return True


def keep_model(folder: RunFolder, model: Model, scores: Mapping[str, float] | None = None) -> None:
    """Put the model of a run that has ended into its folder, and what it scores. Where it cannot be written that is
    told, and the caller still has it."""
    try:
        model.save(folder.model_path)
        if scores is not None:
            folder.write_status(**{**folder.status(), "results": dict(scores)})
    except OSError as error:
        stay = ". The checkpoints stay" if folder.checkpoints() else ""
        warnings.warn(f"{error.strerror or error}{stay}", SavingWarning, stacklevel=3)


def all_finite(leaves: list[Any]) -> bool:
    return all(np.asarray(leaf).dtype.kind != "f" or bool(np.isfinite(leaf).all()) for leaf in leaves)


WORDS = {
    "step": "the loss, the model or the optimizer differs",
    "theta": "the θ to start from differs",
    "data": "the data differ",
    "seed": "the seed differs",
    "batch": "the batch size differs",
    "validation": "the validation rows differ",
}
"""The parts of a run's identity, and what is said where one of them differs."""


def identity_of(loop: Loop, parts: dict[str, Iterable[Any]]) -> dict[str, Any]:
    """What tells a run from others: digests of its step, data and θ, its seed and batch. Patience and the number of
    epochs are not in it, so that a run can be given more."""
    return {
        "step": graph_digest(loop.graph),
        "theta": digest(loop.carried),
        "data": digest(loop.data) if loop.store is None else loop.store.digest,
        "seed": loop.seed,
        "batch": loop.batch,
        **{name: digest(arrays) for name, arrays in parts.items()},
    }


def digest(arrays: Iterable[Any]) -> str:
    """SHA-256 of arrays. Of one with more than 64 MB, 4,096 evenly spaced rows stand for it.

    >>> digest([np.zeros(3)]) == digest([np.zeros(3)]) != digest([np.zeros(4)])
    True
    """
    total = hashlib.sha256()
    for item in arrays:
        array = item if hasattr(item, "nbytes") and hasattr(item, "shape") else np.asarray(item)
        total.update(f"{np.dtype(array.dtype).str}{tuple(array.shape)};".encode())
        if array.nbytes > WHOLE:
            array = array[np.linspace(0, len(array) - 1, 4096).astype(np.int64)]
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


def graph_digest(graph: Graph) -> str:
    """SHA-256 of what a graph computes: its operations, types and constants, not its names and lines."""
    total = hashlib.sha256()
    for node in graph.nodes:
        attrs = sorted((key, repr(encode(value))) for key, value in node.attrs.items())
        total.update(repr((node.op.name, node.inputs, attrs, node.aval)).encode())
        if node.op is CONSTANT:
            total.update(np.ascontiguousarray(node.value).tobytes())
    total.update(repr((graph.inputs, graph.outputs)).encode())
    return total.hexdigest()


def _version() -> str:
    from backpass import __version__

    return __version__


__all__ = ["Saving", "SavingWarning", "Standing", "all_finite", "digest", "graph_digest", "identity_of", "keep_model"]
