"""`Labels` and `Numbers`: what y holds, as the numbers that a network learns, and the way back from its outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backpass.graph.errors import DataError
from backpass.nn.activations import sigmoid, softmax

KINDS = ("binary", "multiclass", "multilabel", "several", "numbers")
"""Two classes by one logit; classes by a logit each; yes or no for each of several labels; several columns of classes;
numbers."""


@dataclass(frozen=True, eq=False)
class Labels:
    """The classes of y: `classes` has an array for each column that is a question of its own."""

    kind: str
    classes: tuple[np.ndarray, ...]

    @property
    def outputs(self) -> int:
        """Units that the network ends in."""
        if self.kind in ("binary", "multilabel"):
            return len(self.classes[0]) if self.kind == "multilabel" else 1
        return sum(len(c) for c in self.classes)

    @property
    def cuts(self) -> tuple[int, ...]:
        """Where the logits of each column end, but for the last."""
        return tuple(np.cumsum([len(c) for c in self.classes])[:-1].tolist())

    def encode(self, y: np.ndarray, dtype: Any) -> np.ndarray:
        """y in numbers: 0 and 1 as `dtype`, or numbers of classes."""
        if self.kind == "multilabel":
            return y.astype(dtype)
        columns = [y] if y.ndim == 1 else list(y.T)
        coded = [np.searchsorted(known, column) for known, column in zip(self.classes, columns, strict=True)]
        if self.kind == "binary":
            return coded[0].astype(dtype)
        return np.stack(coded, axis=1) if self.kind == "several" else coded[0].astype(np.int64)

    def unknown(self, y: np.ndarray) -> list[Any]:
        """What y holds that no class stands for."""
        if self.kind == "multilabel":
            return [] if y.ndim == 2 and y.shape[1] == self.outputs else ["rows of another length"]
        columns = [y] if y.ndim == 1 else list(y.T)
        if len(columns) != len(self.classes):
            return [f"{len(columns)} columns"]
        return [v for known, column in zip(self.classes, columns, strict=True)
                for v in np.setdiff1d(column, known).tolist()]  # fmt: skip

    def decide(self, logits: np.ndarray) -> np.ndarray:
        """The classes that logits (n, outputs) stand for, shaped like y."""
        if self.kind == "multilabel":
            return (logits > 0).astype(np.int64)
        if self.kind == "binary":
            return self.classes[0][(logits[:, 0] > 0).astype(np.int64)]
        parts = np.split(logits, self.cuts, axis=1)
        found = [known[part.argmax(axis=1)] for known, part in zip(self.classes, parts, strict=True)]
        return np.stack(found, axis=1) if self.kind == "several" else found[0]

    def probabilities(self, logits: np.ndarray) -> list[np.ndarray]:
        """(n, classes) for each column; (n, labels) of the labels themselves for several labels."""
        logits = logits.astype(np.float64)
        if self.kind == "multilabel":
            return [sigmoid(logits)]
        return [shares(part) for part in np.split(logits, self.cuts, axis=1)]


def shares(logits: Any) -> Any:
    """The probabilities of one column's classes, (N, C), of a logit for each, or of one for the second of two.

    >>> shares(np.array([[0.0]])).tolist(), shares(np.zeros((1, 4))).tolist()
    ([[0.5, 0.5]], [[0.25, 0.25, 0.25, 0.25]])
    """
    if logits.shape[1] > 1:
        return softmax(logits, axis=-1)
    yes = sigmoid(logits[:, 0])
    return np.stack([1 - yes, yes], axis=1)


def labels_of(y: np.ndarray, kind: str, classes: Any = None) -> Labels:
    """The classes in y, sorted, or those that `classes` says; ``kind`` is what scikit-learn calls the target's type.

    Raises DataError where a column holds one class only.
    """
    if kind == "multilabel-indicator":
        return Labels("multilabel", (np.arange(y.shape[1]),))
    columns = [y] if y.ndim == 1 else list(y.T)
    given = [None] * len(columns) if classes is None else classes if len(columns) > 1 else [classes]
    found = tuple(
        np.unique(column if told is None else np.asarray(told)) for column, told in zip(columns, given, strict=True)
    )
    for known in found:
        if len(known) < 2:
            raise DataError(
                f"y holds one class only, {known.tolist()[0]!r}: there is nothing to tell apart. Where others will "
                "come, the first call names all: partial_fit(X, y, classes=[...])"
            )
    if len(columns) > 1:
        return Labels("several", found)
    return Labels("binary" if len(found[0]) == 2 else "multiclass", found)


@dataclass(frozen=True, eq=False)
class Numbers:
    """y of a regression: one column that was (n,), or several."""

    outputs: int
    flat: bool
    kind = "numbers"

    def encode(self, y: np.ndarray, dtype: Any) -> np.ndarray:
        return y.astype(dtype)
