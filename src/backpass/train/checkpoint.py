"""`Checkpoint`: everything that a run needs to go on as if it had never stopped, as one checked file.

A run that goes on gives the bits of one that never stopped only if *all* that a step depends on comes back: θ, the
state, the optimiser's memory, the number of the step (it is in the key of dropout and in the schedule), the generator
that orders the rows, the place in that order, and the sums behind the epoch's mean loss. The least expected one is the
*memory layout* of θ: a product of matrices rounds by it, so a θ that was laid out by columns must come back so.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from backpass.graph.errors import ModelFileError

from .history import Epoch, History
from .stored import Format, read_stored, write_stored

FORM = Format("backpass-checkpoint", 1, "checkpoint", "An older checkpoint of the run may be whole")

Sums = tuple[float, float]
"""Over the steps of an epoch so far: loss times rows, and the squares of the gradient's norm."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Where a run stands after a whole step.

    `carried` holds the leaves of (θ, state, memory), `count` the steps taken since the beginning, `position` those of
    this epoch. `order` is the state of the generator before it ordered the rows of this epoch, so that the order itself
    (8 bytes a row) need not be kept. `best` are the leaves of the best epoch, `seconds` what this epoch has taken.
    """

    carried: list[Any]
    count: int
    position: int
    sums: Sums
    order: Mapping[str, Any]
    history: History
    best: list[Any] | None
    best_loss: float
    seconds: float

    def write(self, path: str | os.PathLike[str], names: tuple[str, ...], identity: dict[str, Any]) -> None:
        """Write it to one file, whole or not at all; `names` call the leaves. OSError where the disk refuses."""
        tensors: dict[str, np.ndarray] = {}
        content = {
            "identity": identity,
            "carried": _packed("carried", self.carried, names, tensors),
            "best": None if self.best is None else _packed("best", self.best, names, tensors),
            "best_loss": None if math.isinf(self.best_loss) else self.best_loss,
            "count": self.count,
            "position": self.position,
            "sums": [value.hex() for value in self.sums],
            "order": dict(self.order),
            "history": self.history.to_json(),
            "seconds": self.seconds,
        }
        write_stored(path, FORM, tensors, content)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> tuple[Checkpoint, dict[str, Any]]:
        """(checkpoint, identity of the run). Raises ModelFileError for a damaged, foreign or newer file."""
        tensors, content = read_stored(path, FORM)
        try:
            best = content["best"]
            loss = content["best_loss"]
            sums = [float.fromhex(value) for value in content["sums"]]
            found = cls(
                carried=_unpacked("carried", content["carried"], tensors),
                count=int(content["count"]),
                position=int(content["position"]),
                sums=(sums[0], sums[1]),
                order=dict(content["order"]),
                history=history_of(content["history"]),
                best=None if best is None else _unpacked("best", best, tensors),
                best_loss=math.inf if loss is None else float(loss),
                seconds=float(content["seconds"]),
            )
            return found, dict(content["identity"])
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise ModelFileError(f"{os.path.basename(path)} is damaged: {error!r}") from error


def history_of(content: dict[str, Any]) -> History:
    """The history that `History.to_json` wrote.

    >>> history = History([Epoch(1, 0.5, None, {"accuracy": 0.8}, 0.01, 1.0, 0.1)], None, "interrupted")
    >>> history_of(history.to_json()) == history
    True
    """
    return History([Epoch(**epoch) for epoch in content["epochs"]], content["best"], content["stopped"])


def _packed(what: str, leaves: list[Any], names: tuple[str, ...], tensors: dict[str, np.ndarray]) -> list[Any]:
    """Put the leaves' bytes into `tensors`; what is returned says how to make the same leaves of them again."""
    rows = []
    for k, (leaf, name) in enumerate(zip(leaves, names, strict=True)):
        array = np.asarray(leaf)
        layout = sorted(range(array.ndim), key=lambda axis, array=array: -abs(array.strides[axis]))
        flat = np.ascontiguousarray(array.transpose(layout)).reshape(-1)
        tensors[f"{what}/{k}/{name}"] = flat.view(np.uint8) if array.dtype.char not in _PLAIN else flat
        kind = "array" if isinstance(leaf, np.ndarray) else "scalar" if isinstance(leaf, np.generic) else "number"
        rows.append([f"{what}/{k}/{name}", kind, array.dtype.str, list(array.shape), layout])
    return rows


_PLAIN = "efdbhilqBHILQ?"
"""Types that safetensors knows; the bytes of others are stored."""


def _unpacked(what: str, rows: list[Any], tensors: dict[str, np.ndarray]) -> list[Any]:
    leaves = []
    for name, kind, code, shape, layout in rows:
        flat = tensors[name]
        if flat.dtype.str != code:
            flat = flat.view(np.dtype(code))
        array = flat.reshape([shape[axis] for axis in layout]).copy()
        array = array.transpose([layout.index(axis) for axis in range(len(shape))])
        leaves.append(array if kind == "array" else array[()] if kind == "scalar" else array.item())
    return leaves
