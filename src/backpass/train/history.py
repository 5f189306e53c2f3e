"""`History`: what every epoch of a run measured, and how the run ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Epoch:
    """One pass over the data. `scores` are on the validation set, or on the training set where there is none."""

    number: int
    loss: float
    validation_loss: float | None
    scores: dict[str, float]
    learning_rate: float
    gradient_norm: float
    seconds: float

    def to_json(self) -> dict[str, Any]:
        return {**self.__dict__}


@dataclass
class History:
    """The epochs of a run, from first to last; a column by its name.

    `best` is the epoch whose θ was kept, `stopped` why the run ended: ``"all epochs done"``, ``"no improvement"``,
    ``"interrupted"`` or ``"callback"``.

    >>> history = History()
    >>> history.epochs.append(Epoch(1, 0.5, 0.6, {"accuracy": 0.8}, 0.01, 1.0, 0.1))
    >>> history["validation_loss"], history["accuracy"]
    ([0.6], [0.8])
    """

    epochs: list[Epoch] = field(default_factory=list)
    best: int | None = None
    stopped: str = ""

    def __len__(self) -> int:
        return len(self.epochs)

    def __getitem__(self, name: str) -> list[Any]:
        """The values of one column, an entry per epoch."""
        if self.epochs and name not in Epoch.__dataclass_fields__ and name not in self.epochs[0].scores:
            known = [*(n for n in Epoch.__dataclass_fields__ if n != "scores"), *self.epochs[0].scores]
            raise KeyError(f"there is no column {name!r}; there are {', '.join(known)}")
        return [getattr(e, name) if name in Epoch.__dataclass_fields__ else e.scores.get(name) for e in self.epochs]

    @property
    def loss(self) -> list[float]:
        """The mean training loss of each epoch, while θ moved."""
        return self["loss"]

    def to_json(self) -> dict[str, Any]:
        return {"epochs": [e.to_json() for e in self.epochs], "best": self.best, "stopped": self.stopped}

    def __str__(self) -> str:
        scores = list(self.epochs[0].scores) if self.epochs else []
        lines = ["epoch        loss  validation" + "".join(f"{name:>12}" for name in scores)]
        for e in self.epochs:
            held = f"{e.validation_loss:12.5g}" if e.validation_loss is not None else " " * 12
            mark = "  ←" if e.number == self.best else ""
            lines.append(f"{e.number:5d}{e.loss:12.5g}{held}" + "".join(f"{e.scores[n]:12.4f}" for n in scores) + mark)
        return "\n".join([*lines, self.stopped] if self.stopped else lines)
