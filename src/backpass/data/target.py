"""What is to be predicted: the target column, whether it is classes or numbers, and the reason for that in words."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from backpass.data.columns import moments
from backpass.data.record import damaged, from_plain, to_plain
from backpass.data.table import KIND_WORDS, Column, Reading, Table, listing, number_text
from backpass.graph.errors import DataError, ModelFileError

Task = Literal["classification", "regression"]

MOST_WHOLE_CLASSES = 20
ROWS_A_CLASS = 5
"""Whole numbers are classes when there are at most MOST_WHOLE_CLASSES of them, with ROWS_A_CLASS rows each on
average."""


@dataclass(frozen=True)
class Target:
    """The target column: class names for classification, mean and deviation for regression.

    >>> table = Table.from_arrays({"species": ["cat", "dog", "cat", "owl"]})
    >>> target = Target.fit(table, "species")
    >>> target.reason
    "target 'species' has 3 different texts: classification"
    >>> target.encode(table).tolist(), target.decode(np.array([2, 0])).tolist()
    ([0, 1, 0, 2], ['owl', 'cat'])
    """

    name: str
    task: Task
    reason: str
    classes: tuple[str, ...]
    mean: float
    std: float
    kind: Literal["number", "boolean", "text", "time"]
    unit: str
    written: str

    @classmethod
    def fit(cls, table: Table, name: str, task: Task | None = None, rows: np.ndarray | None = None) -> Target:
        """Decide what kind of task column `name` sets; `task` overrides the decision.

        Text, yes/no values and at most two numbers are classes; so are whole numbers when there are at most 20
        different ones with 5 rows each on average; other numbers are regression. Classes come from the whole table,
        mean and standard deviation from `rows` (the training rows; all by default). Rows without a target do not
        count; take them out with `table.where_known(name)`.

        Raises DataError for a missing column (listing the columns), a target with one value, dates, texts that hardly
        ever repeat, or texts where regression is asked for.
        """
        if task not in (None, "classification", "regression"):
            raise DataError(f"there is no task '{task}'; the tasks are 'classification' and 'regression'")
        column = table[name]
        if column.kind == "image":
            raise DataError(f"target '{name}' holds images; a target is one class or number a row")
        known = table.where_known(name)[name]  # raises where no row has a value
        distinct = len(np.unique(known.values))
        if distinct == 1:
            where = "its one row" if len(known) == 1 else f"all of its {len(known)} rows"
            raise DataError(
                f"target '{name}' of {table.source} has one value only, '{known.texts()[0]}', in {where}: there is "
                "nothing to tell apart"
            )
        decided, why = _decide(known, distinct)
        if task is None or task == decided:
            reason = f"target '{name}' has {why}: {decided}"
        else:
            reason = f"target '{name}' has {why}: {task}, as asked for"
        task = task or decided
        if column.kind == "time":
            raise DataError(
                f"target '{name}' holds dates; write it as a number (say, days since some day) to predict it"
            )
        if task == "classification":
            if distinct > len(known) / 2 and len(known) > 10:
                other = "" if column.kind == "text" else ", or regression"
                raise DataError(
                    f"target '{name}' has {distinct} different values in {len(known)} rows; classes must repeat to be "
                    f"learned. Is it a name? Choose another target{other}"
                )
            return cls(name, task, reason, tuple(_classes(known)), 0.0, 1.0, column.kind, column.unit, column.written)
        if column.kind == "text":
            raise DataError(
                f"target '{name}' holds text ({listing(_classes(known), 3)}), and regression predicts numbers; "
                "choose classification"
            )
        values = column.values if rows is None else column.values[rows]
        finite = values[np.isfinite(values)].astype(np.float64)
        if not len(finite):
            raise DataError(f"target '{name}' has no value in the training rows")
        mean, std = moments(finite)
        return cls(name, task, reason, (), mean, std or 1.0, column.kind, column.unit, column.written)

    @property
    def reading(self) -> Reading:
        """How the column's texts are to be read in a later file."""
        return Reading(self.kind, self.unit, self.written)

    def encode(self, table: Table) -> np.ndarray:
        """What the network learns from a table of n rows: int64 class indices, or standardised float32, of shape (n,).

        Raises DataError where a value is missing or is a class that was not there in training.
        """
        column = table[self.name].as_kind(self.kind)
        missing = column.missing if column.kind in ("text", "boolean") else ~np.isfinite(column.values)
        if missing.any():
            rows = np.flatnonzero(missing)
            raise DataError(
                f"target '{self.name}' of {table.source} has no value in {len(rows)} of {len(column)} rows "
                f"(the first is row {rows[0] + 1}); take those rows out"
            )
        if self.task == "regression":
            return ((column.values.astype(np.float64) - self.mean) / self.std).astype(np.float32)
        if self.kind == "boolean":  # the classes stand for false and true, whatever words a file has for them
            return column.values.astype(np.int64)
        text = column.as_kind("text")
        place = {name: index for index, name in enumerate(self.classes)}
        used = [text.levels[code] for code in np.unique(text.values)]
        strange = [level for level in used if level not in place]
        if strange:
            raise DataError(
                f"target '{self.name}' of {table.source} has classes that training did not have: {listing(strange)}; "
                f"the model knows {listing(self.classes)}"
            )
        return np.array([place.get(level, -1) for level in text.levels], np.int64)[text.values]

    def decode(self, output: np.ndarray) -> np.ndarray:
        """The names of class indices, or standardised numbers in the target's own units (float64); shape stays.

        >>> table = Table.from_arrays({"y": [1.5, 2.5, 4.0, 8.0]})
        >>> target = Target.fit(table, "y")
        >>> target.decode(target.encode(table)).round(5).tolist()
        [1.5, 2.5, 4.0, 8.0]
        """
        if self.task == "classification":
            return np.array(self.classes, object)[np.asarray(output)]
        return np.asarray(output, np.float64) * self.std + self.mean

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values that `from_json` reads."""
        return to_plain(self)

    @classmethod
    def from_json(cls, state: dict[str, Any] | str) -> Target:
        """The target that `to_json` wrote (or its JSON text); ModelFileError says what in it cannot be."""
        if isinstance(state, str):
            try:
                state = json.loads(state)
            except (json.JSONDecodeError, RecursionError) as error:
                raise ModelFileError(f"the model file is damaged: its target is not JSON ({error})") from error
        target = from_plain(cls, state, "target")
        if target.task == "classification" and not 2 <= len(set(target.classes)) == len(target.classes):
            raise damaged("target.classes", "two or more different names", target.classes)
        if target.std <= 0:
            raise damaged("target.std", "more than 0", target.std)
        return target


def rare_classes(target: Target, labels: np.ndarray, least: int = 5) -> list[str]:
    """A sentence when some classes have fewer than `least` of the rows (labels: int64 of shape (n,)).

    >>> target = Target.fit(Table.from_arrays({"y": ["a", "b", "a", "a"]}), "y")
    >>> rare_classes(target, np.array([0, 1, 0, 0]), least=2)
    ["class 'b' has 1 row: too few to learn or to judge it by"]
    """
    counts = np.bincount(labels, minlength=len(target.classes))
    rare = [name for name, count in zip(target.classes, counts, strict=True) if count < least]
    if not rare:
        return []
    if len(rare) == 1:
        count = int(counts[target.classes.index(rare[0])])
        return [f"class '{rare[0]}' has {count} row{'s' * (count != 1)}: too few to learn or to judge it by"]
    return [
        f"{len(rare)} classes ({listing(rare, 3)}) have fewer than {least} rows each: too few to learn or to judge by"
    ]


def _classes(known: Column) -> list[str]:
    """The distinct values as texts: numbers in order of size, false before true, texts in order of the alphabet."""
    text = known.as_kind("text")
    used = [text.levels[code] for code in np.unique(text.values)]
    return sorted(used) if known.kind == "text" else used


def _decide(known: Column, distinct: int) -> tuple[Task, str]:
    """The task that a target sets, and what about it decides that."""
    if known.kind == "text":
        return "classification", f"{distinct} different texts"
    if known.kind == "boolean":
        return "classification", f"the two values '{known.levels[0]}' and '{known.levels[1]}'"
    if known.kind == "time":
        return "regression", KIND_WORDS["time"]
    values = known.values
    if distinct == 2:
        low, high = number_text(values.min()), number_text(values.max())
        return "classification", f"two values, {low} and {high}"
    if np.array_equal(values, np.floor(values)):
        if distinct <= MOST_WHOLE_CLASSES and len(values) >= ROWS_A_CLASS * distinct:
            return "classification", f"{distinct} different whole numbers in {len(values)} rows"
        return "regression", f"{distinct} different whole numbers in {len(values)} rows"
    return "regression", "numbers with decimals"
