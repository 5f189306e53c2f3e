"""A file larger than memory -> rows that a network is trained, watched and judged on, the training rows on disk."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backpass.data.leaks import giveaways
from backpass.data.prepare import only_splits, weights_of
from backpass.data.preprocess import Preprocessor
from backpass.data.source import Pieces
from backpass.data.split import SplitBy, place_of
from backpass.data.store import RowStore
from backpass.data.table import Table, counted
from backpass.data.target import Target, Task, rare_classes
from backpass.graph.errors import DataError

HELD = 100_000
"""Rows that are held out at most, of a file that is read in pieces: more would judge no better."""

HELD_BYTES = 64 << 20
"""Bytes that they may take at most: they lie in memory."""


@dataclass(frozen=True)
class PreparedLarge:
    """Training rows (x, y), or (x, y, weight), in a store; rows to watch and to judge by, as arrays; `counts` of the
    target in training.

    Compare `Prepared`, of a table that fits into memory.
    """

    train: RowStore
    validation: tuple[np.ndarray, ...]
    """With weights where the rows have some."""
    test: tuple[np.ndarray, np.ndarray]
    train_target: np.ndarray
    """Classes: how many training rows each has, (classes,). Numbers: their mean, (1,)."""
    preprocessor: Preprocessor
    target: Target
    notices: list[str]

    @property
    def training(self) -> RowStore:
        """The rows that are learned from."""
        return self.train

    training_weights = None
    """They lie beside the rows in the store."""

    @property
    def sizes(self) -> tuple[int, int, int]:
        """How many rows each of the three parts has."""
        return len(self.train), len(self.validation[1]), len(self.test[1])


def prepare_large(
    stream: Pieces,
    target: str,
    task: Task | None = None,
    exclude: Iterable[str] = (),
    keep: Iterable[str] = (),
    validation: float = 0.1,
    test: float = 0.2,
    seed: int = 0,
    folder: Path | None = None,
    split_by: SplitBy | None = None,
    weight: str | None = None,
) -> PreparedLarge:
    """Two passes over a file: what its columns hold, over a sample; then every row, encoded, into one of three parts.

    Which part a row goes to is drawn by `seed`, or follows from a column by `split_by`: groups are told apart by a hash
    of their name, times by where they lie among those of the sample. Means, medians and categories come from the
    sample. `weight` names a column that says how much each row counts in training. `folder` is where the encoded
    training rows are put, in a file without a name.

    Raises DataError as `prepare` does.
    """
    survey = stream.survey(target, seed)
    known = survey.sample.where_known(target)
    notices = list(survey.sample.notices)
    found = Target.fit(known, target, task)
    notices.append(found.reason)
    if found.task == "classification":
        notices += rare_classes(found, found.encode(known), least=1)
    if weight is not None:
        weights_of(known, weight, target)
    exclude = (*exclude, *only_splits(split_by), *([] if weight is None else [weight]))
    preprocessor = Preprocessor.fit(known, target, exclude, keep)
    notices += preprocessor.notices
    notices += giveaways(known, target, (*exclude, *preprocessor.left_out))
    width = preprocessor.size
    most = min(HELD, HELD_BYTES // (4 * max(1, width)))
    shares = {"validation": validation, "test": test}
    for name, share in shares.items():
        if share * survey.rows > most and (split_by is None or split_by.how != "column"):
            shares[name] = most / survey.rows
            notices.append(
                f"{most:,} rows are held out for the {name}, not {share:g} of {survey.rows:,}: memory is bounded"
            )
    train = RowStore(folder)
    held: dict[str, list[tuple[np.ndarray, ...]]] = {"validation": [], "test": []}
    lots = Lots(split_by, survey.sample, shares["validation"], shares["test"], seed)
    counts = np.zeros(len(found.classes), np.int64)
    total, missing = 0.0, 0
    met: list[str] = []
    beside = [name for name in (None if split_by is None else split_by.column, weight) if name is not None]
    others = {name: survey.readings[survey.sample[name].name] for name in beside}
    for table in stream.tables({**others, **preprocessor.readings, target: found.reading}):
        place = lots.places(table)
        absent = table.unknown(target)
        missing += int(absent.sum())
        table, place = table.take(~absent), place[~absent]
        if not len(table):
            continue
        x, y = preprocessor.transform(table, met), found.encode(table)
        weights = () if weight is None else (weights_of(table, weight, target),)
        held["test"].append((x[place == 2], y[place == 2]))
        held["validation"].append(tuple(part[place == 1] for part in (x, y, *weights)))
        rows = place == 0
        if rows.any():
            train.add(*[part[rows] for part in (x, y, *weights)])
            if found.task == "classification":
                counts += np.bincount(y[rows], minlength=len(counts))
            else:
                total += float(np.sum(y[rows], dtype=np.float64))
    if not len(train):
        raise DataError(f"{stream.source} leaves no row to train on")
    if missing:
        notices.append(f"{counted(missing, 'row')} of {survey.rows:,} without a value in '{target}' left out")
    notices += merged(met)
    spread = counts if found.task == "classification" else np.array([total / len(train)])
    together = {name: _joined(parts, width, train) for name, parts in held.items()}
    return PreparedLarge(train, together["validation"], together["test"][:2], spread, preprocessor, found, notices)


class Lots:
    """Which part each row of a table goes to: 0 training, 1 validation, 2 test."""

    def __init__(self, by: SplitBy | None, sample: Table, validation: float, test: float, seed: int):
        self.by, self.validation, self.test, self.seed = by, validation, test, seed
        self.draw = np.random.default_rng(seed)
        if by is not None and by.how == "time":
            column = sample[by.column]
            if column.kind not in ("time", "number"):
                raise DataError(
                    f"rows cannot be held out by time: column '{by.column}' holds neither dates nor numbers"
                )
            self.ordered = np.sort(column.values[~column.missing])

    def places(self, table: Table) -> np.ndarray:
        lot = self._lot(table)
        if self.by is not None and self.by.how == "column":
            return lot.astype(np.int64)
        return np.where(lot < self.test, 2, np.where(lot < self.test + self.validation, 1, 0))

    def _lot(self, table: Table) -> np.ndarray:
        """A number from 0 to 1 a row; with "column" the part itself."""
        if self.by is None:
            return self.draw.random(len(table))
        column = table[self.by.column]
        if self.by.how == "time":  # the latest rows have the lowest lots; a missing time counts as the earliest
            lot = 1 - (np.searchsorted(self.ordered, column.values, "left") + 0.5) / (len(self.ordered) + 1)
            return np.where(column.missing, 1.0, lot)
        text = column.as_kind("text")
        if self.by.how == "column":
            places = [place_of(level, column.name) for level in text.levels]
            if column.missing.any():
                place_of(None, column.name)
            return np.array([*places, 0], np.float64)[text.values]
        marks = [zlib.crc32(f"{self.seed} {level}".encode()) / 2**32 for level in (*text.levels, "")]
        return np.array(marks)[text.values]


def merged(notices: list[str]) -> list[str]:
    """Notices of many blocks as of one: counts of the same thing are added, the first wording stays.

    >>> merged(["column 'a': 2 values far outside", "column 'a': 1 value far outside", "other"])
    ["column 'a': 3 values far outside", 'other']
    """
    sums: dict[str, tuple[int, str, str]] = {}
    for notice in notices:
        parts = re.match(r"^(column '.*?': )(\d+) (missing |infinite |)values?\b(.*)$", notice)
        if parts is None:
            sums.setdefault(notice, (0, notice, ""))
            continue
        key = re.sub(r"\(.*", "", f"{parts[1]}{parts[3]}{parts[4]}")
        before, head, tail = sums.get(key, (0, parts[1], ""))
        sums[key] = (before + int(parts[2]), head, tail or f"{parts[3]}value{{}}{parts[4]}")
    return [
        head if not tail else f"{head}{count} {tail.replace('{}', 's' * (count != 1))}"
        for count, head, tail in sums.values()
    ]


def _joined(parts: list[Any], width: int, train: RowStore) -> tuple[Any, ...]:
    if not parts:
        return np.empty((0, width), np.float32), np.empty(0, train.specs[1][0])
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


__all__ = ["PreparedLarge", "merged", "prepare_large"]
