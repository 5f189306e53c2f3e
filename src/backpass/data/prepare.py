"""A table and the name of its target -> the arrays that a network is trained, watched and judged on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from backpass.data.leaks import giveaways
from backpass.data.preprocess import Preprocessor
from backpass.data.split import FEWEST, Parts, SplitBy, parts_by_column, parts_by_group, parts_by_time, three_parts
from backpass.data.table import KIND_WORDS, Table, number_text
from backpass.data.target import Target, Task, rare_classes
from backpass.graph.errors import DataError


@dataclass(frozen=True)
class Prepared:
    """Inputs x, float32 (n, D); outputs y, int64 class indices or standardised float32 (n,); which rows are for what.

    `notices` holds, in the order in which they arose, the sentences that the person whose data it is should see.
    """

    x: np.ndarray
    y: np.ndarray
    parts: Parts
    preprocessor: Preprocessor
    target: Target
    notices: list[str]
    weights: np.ndarray | None = None
    """How much each row counts in training, float32 (n,); None: all alike."""

    def part(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The inputs and outputs of some rows: `prepared.part(prepared.parts.train)`."""
        return self.x[rows], self.y[rows]

    @property
    def training(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows that are learned from."""
        return self.part(self.parts.train)

    @property
    def training_weights(self) -> np.ndarray | None:
        """How much each of the rows that are learned from counts."""
        return None if self.weights is None else self.weights[self.parts.train]

    @property
    def validation(self) -> tuple[np.ndarray, ...]:
        """The rows that choose the best epoch, with their weights where they have some."""
        rows = self.parts.validation
        return (*self.part(rows), *([] if self.weights is None else [self.weights[rows]]))

    @property
    def test(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows that judge."""
        return self.part(self.parts.test)

    @property
    def sizes(self) -> tuple[int, int, int]:
        """How many rows each of the three parts has."""
        return len(self.parts.train), len(self.parts.validation), len(self.parts.test)

    @property
    def train_target(self) -> np.ndarray:
        """Classes: how many training rows each has, (classes,). Numbers: their mean, (1,)."""
        y = self.y[self.parts.train]
        if self.target.task == "classification":
            return np.bincount(y, minlength=len(self.target.classes))
        return np.array([np.mean(y, dtype=np.float64)])


def prepare(
    table: Table,
    target: str,
    task: Task | None = None,
    exclude: Iterable[str] = (),
    keep: Iterable[str] = (),
    validation: float = 0.2,
    test: float = 0.2,
    seed: int = 0,
    split_by: SplitBy | None = None,
    weight: str | None = None,
) -> Prepared:
    """Everything between a table and training: drop rows without a target, decide the task, split, learn the features.

    What is learned from the data (means, medians, categories) is learned from the training rows alone. Classes are
    split in proportion. A table of fewer than 10 rows is not split; a notice says so. `exclude` names columns not to
    use, `keep` columns to use although they look like row numbers, identifiers or free text. `split_by` says by which
    column the parts are made, in place of chance; `weight` names a column that says how much each row counts in
    training.

    Raises DataError where the table, the target or the names cannot be used.

    >>> table = Table.from_arrays({"x": np.linspace(0, 1, 50), "y": np.linspace(0, 1, 50) ** 2})
    >>> ready = prepare(table, "y")
    >>> ready.x.shape, [len(part) for part in ready.parts], ready.target.task
    ((50, 1), [30, 10, 10], 'regression')
    """
    known = table.where_known(target)
    notices = list(known.notices)
    whole = Target.fit(known, target, task)
    notices.append(whole.reason)
    labels = whole.encode(known) if whole.task == "classification" else None
    if labels is not None:
        notices += rare_classes(whole, labels)
    if len(known) < FEWEST and (validation or test):
        notices.append(f"{len(known)} rows are too few to hold any out: all are trained on, and nothing tells how well")
        validation = test = 0.0
    if split_by is not None and split_by.how != "column" and not (validation or test):
        split_by = None
    if split_by is None:
        parts = three_parts(len(known), validation, test, seed, labels)
    else:
        parts = _parts(known, split_by, validation, test, seed)
    final = Target.fit(known, target, task, rows=parts.train)
    weights = None if weight is None else weights_of(known, weight, target)
    excluded, kept = (*exclude, *only_splits(split_by), *([] if weight is None else [weight])), tuple(keep)
    preprocessor = Preprocessor.fit(known, target, excluded, kept, rows=parts.train)
    notices += preprocessor.notices
    notices += giveaways(known, target, (*excluded, *preprocessor.left_out))
    x = preprocessor.transform(known, notices)
    return Prepared(x, final.encode(known), parts, preprocessor, final, notices, weights)


def weights_of(table: Table, name: str, target: str) -> np.ndarray:
    """How much each row counts, from the column that says so: float32 (n,), all finite and 0 or above.

    >>> weights_of(Table.from_arrays({"w": [1, 2.5], "y": [0, 1]}), "w", "y").tolist()
    [1.0, 2.5]
    """
    column = table[name]
    if name == target:
        raise DataError(f"'{name}' cannot be both the target and the weights of the rows")
    if column.kind not in ("number", "boolean"):
        raise DataError(f"column '{name}' holds {KIND_WORDS[column.kind]}; weights are numbers of 0 or above")
    values = column.values.astype(np.float32)
    wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if len(wrong):
        value = "no value" if column.missing[wrong[0]] else number_text(float(values[wrong[0]]))
        raise DataError(
            f"column '{name}' of {table.source} cannot weigh the rows: it has {value} in row {wrong[0] + 1}; weights "
            "are numbers of 0 or above"
        )
    return values


def only_splits(split_by: SplitBy | None) -> tuple[str, ...]:
    """The column that makes the parts, where nothing is to be learned from it: a group's name, the part's name."""
    return () if split_by is None or split_by.how == "time" else (split_by.column,)


def _parts(table: Table, by: SplitBy, validation: float, test: float, seed: int) -> Parts:
    column = table[by.column]
    if by.how == "column":
        return parts_by_column(column.texts(), column.name)
    if column.missing.any():
        count = int(column.missing.sum())
        raise DataError(f"rows cannot be held out by '{column.name}': it has no value in {count} of {len(table)} rows")
    if by.how == "group":
        return parts_by_group(column.values, validation, test, seed)
    if column.kind not in ("time", "number"):
        raise DataError(f"rows cannot be held out by time: column '{column.name}' holds neither dates nor numbers")
    return parts_by_time(column.values, validation, test)
