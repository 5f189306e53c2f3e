"""`evaluate`: all that rows of known target say about a model: scores, where it errs, whether its probabilities hold,
and which columns it leans on. Definitions are scikit-learn's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backpass.data.prepare_large import merged
from backpass.data.source import Pieces
from backpass.data.table import Table, counted, listing
from backpass.graph.errors import DataError

from .curves import Bins
from .metrics import accuracy, r_squared
from .model import Model
from .run_list import table as columns_of
from .tally import ClassTally, NumberTally, RowSample


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores by name; for classes also the confusion matrix (rows are the truth), a table of the classes, and the bins
    of calibration; for numbers the residuals. `importance` has a row a column, the most needed first."""

    task: str
    rows: int
    scores: dict[str, float]
    classes: tuple[Any, ...] = ()
    confusion: np.ndarray | None = None
    per_class: list[dict[str, Any]] = field(default_factory=list)
    bins: Bins | None = None
    residuals: list[dict[str, Any]] = field(default_factory=list)
    importance: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain data."""
        bins = None if self.bins is None else {name: part.tolist() for name, part in self.bins._asdict().items()}
        return {
            "task": self.task,
            "rows": self.rows,
            "scores": self.scores,
            "classes": list(self.classes),
            "confusion": None if self.confusion is None else self.confusion.tolist(),
            "per_class": self.per_class,
            "calibration": bins,
            "residuals": self.residuals,
            "importance": self.importance,
        }

    def text(self, unit: str = "") -> str:
        """The evaluation as text of several tables."""
        from .report import shown

        width = max(map(len, self.scores))
        parts = [
            "\n".join(f"{name:{width}}   {shown(name, value, unit if name in IN_UNITS else '')}"
                      for name, value in self.scores.items())
        ]  # fmt: skip
        if self.per_class:
            parts.append("Classes\n" + columns_of(self.per_class, list(self.per_class[0])))
        if self.confusion is not None:
            parts.append(self._confusion_text())
        if self.bins is not None:
            parts.append(self._calibration_text())
        if self.residuals:
            rows = columns_of(self.residuals, list(self.residuals[0]))
            parts.append(
                "Residuals (truth − prediction), by a tenth of the rows from the lowest prediction up\n" + rows
            )
        if self.importance:
            score = "accuracy" if self.task == "classification" else "R²"
            rows = columns_of(self.importance, list(self.importance[0]))
            parts.append(f"Columns: how much {score} is lost when a column's values are shuffled\n{rows}")
        return "\n\n".join(parts)

    def _confusion_text(self) -> str:
        assert self.confusion is not None
        if len(self.classes) <= MOST_SHOWN:
            rows = [
                {"truth": str(name), **{f"→ {other}": int(n) for other, n in zip(self.classes, counts, strict=True)}}
                for name, counts in zip(self.classes, self.confusion, strict=True)
            ]
            return "Confusion: a row a true class, a column a predicted one\n" + columns_of(rows, list(rows[0]))
        wrong = self.confusion.copy()
        np.fill_diagonal(wrong, 0)
        order = np.argsort(wrong, axis=None)[::-1][:MOST_SHOWN]
        pairs = [np.unravel_index(k, wrong.shape) for k in order if wrong.flat[k]]
        rows = [{"truth": str(self.classes[i]), "predicted": str(self.classes[j]), "rows": int(wrong[i, j])}
                for i, j in pairs]  # fmt: skip
        return "Confusions, the most frequent\n" + (columns_of(rows, list(rows[0])) if rows else "none")

    def _calibration_text(self) -> str:
        assert self.bins is not None
        bins = self.bins
        rows = [
            {"said": f"{bins.edges[k]:.0%} to {bins.edges[k + 1]:.0%}", "rows": int(bins.counts[k]),
             "mean said": f"{bins.predicted[k]:.1%}", "came true": f"{bins.observed[k]:.1%}"}
            for k in np.flatnonzero(bins.counts)
        ]  # fmt: skip
        whose = f"'{self.classes[1]}'" if len(self.classes) == 2 else "the class predicted"
        return f"Calibration of the probability of {whose}\n" + columns_of(rows, list(rows[0]))


IN_UNITS = ("MAE", "RMSE", "median AE", "largest error")
MOST_SHOWN = 12
REPEATS, MANY = 5, 300
"""How often each column is shuffled where nobody says, and of how many columns at most."""

SAMPLE_BYTES = 8 << 20
"""What is kept in memory of a file that is read in pieces, for scores that need many rows at once."""


def evaluate(
    model: Model,
    table: Table | Pieces,
    *,
    bins: int = 10,
    repeats: int | None = None,
    seed: int = 0,
    fill_missing_columns: bool = False,
    notices: list[str] | None = None,
) -> Evaluation:
    """Evaluate a model that was trained on a table, on another table with the target in it, or on a `Stream` of one
    that is larger than memory.

    `bins` are those of calibration; `repeats` is how often each column is shuffled for its importance, 0 for none; by
    default 5 times, or not where there are more than 300 columns. Of a
    stream, areas under curves, medians, quantiles and importance are those of a sample where it has more rows than fit
    into 8 MB; `notices` then says of how many.

    Raises DataError where the table has no target, a class that training did not have, or lacks a column.

    >>> from backpass.data.prepare import prepare
    >>> from backpass.train.recipe import Recipe
    >>> from backpass.train.session import train_table
    >>> x = np.linspace(-1, 1, 80)
    >>> data = Table.from_arrays({"x": x, "sign": np.where(x > 0, "plus", "minus").tolist()})
    >>> model = train_table(prepare(data, "sign"), Recipe(hidden=(8,), learning_rate=0.05), progress=False).model
    >>> found = evaluate(model, data)
    >>> found.scores["accuracy"] > 0.9, found.confusion.sum(), found.importance[0]["column"]
    (True, np.int64(80), 'x')
    """
    prepare, target = model.require_table("compare model.predict(X) with y in Python")
    if model.task == "classification":
        model.require_probabilities()
    notes = [] if notices is None else notices
    if repeats is None:
        parts = len(prepare.parts)
        repeats = REPEATS if parts <= MANY else 0
        if not repeats:
            notes.append(f"how much each of {parts:,} columns is needed takes long to tell, and is left out; "
                         f"to see it add --repeats {REPEATS}")  # fmt: skip
    most = SAMPLE_BYTES // (8 + 4 * max(1, len(model.classes))) if not isinstance(table, Table) else None
    row = 8 + 4 * prepare.size
    few = None if isinstance(table, Table) else max(SAMPLE_BYTES, min(1000 * row, 8 * SAMPLE_BYTES)) // row
    classes = ClassTally(model.classes, bins, most) if model.task == "classification" else None
    numbers = NumberTally(most)
    needed = RowSample(few, seed)
    met: list[str] = []
    for block in _known_blocks(model, table, fill_missing_columns, notes):
        x, truth = prepare.transform(block, met, fill_missing_columns), target.encode(block)
        out = model.outputs(x)
        if classes is not None:
            classes.add(truth, out)
        else:
            numbers.add(target.decode(truth), target.decode(out))
        if repeats:
            needed.add(x, truth)
    notes += met if isinstance(table, Table) else merged(met)
    importance = []
    if repeats:
        x, truth = needed.arrays()
        importance = permutation_importance(model, x, truth, repeats, seed)
    tally = classes or numbers
    told = {"importance": needed, "areas under curves" if classes else "medians and quantiles": tally.sample}
    for what, sample in told.items():
        if sample.partial:
            notes.append(f"{what}: of {sample.most:,} rows drawn evenly from {sample.seen:,}")
    if classes is not None:
        scores, per_class, calibration = classes.result()
        return Evaluation(
            model.task, classes.sample.seen, scores, model.classes, classes.counts, per_class, calibration,
            importance=importance,
        )  # fmt: skip
    scores, residuals = numbers.result()
    return Evaluation(model.task, numbers.sample.seen, scores, residuals=residuals, importance=importance)


def _known_blocks(model: Model, table: Table | Pieces, fill: bool, notes: list[str]) -> Iterator[Table]:
    """The rows that have a target, in one table or block by block."""
    assert model.preprocessor is not None
    assert model.target is not None
    name = model.target.name
    if isinstance(table, Table):
        known = table.where_known(name)
        notes += known.notices[len(table.notices) :]
        yield known
        return
    names = table.names()
    if name not in names:
        raise DataError(f"{table.source} has no column '{name}', the target. Its columns: {listing(names, 20)}")
    model.preprocessor.require(names, table.source, fill)
    rows = missing = 0
    for block in table.tables({**model.preprocessor.readings, name: model.target.reading}):
        absent = block.unknown(name)
        rows, missing = rows + len(block), missing + int(absent.sum())
        if not absent.all():
            yield block.take(~absent)
    if missing == rows:
        raise DataError(f"column '{name}' of {table.source} has no value in any of its {rows:,} rows")
    if missing:
        notes.append(f"{counted(missing, 'row')} of {rows:,} without a value in '{name}' left out")


def permutation_importance(
    model: Model, x: np.ndarray, truth: np.ndarray, repeats: int = 5, seed: int = 0
) -> list[dict[str, Any]]:
    """What accuracy or R² is lost, on the mean of `repeats` tries, when one column's values are shuffled among the rows
    (Breiman 2001): {"column", "lost", "deviation"}, the most needed first.

    All features of a column are shuffled together, and those of a tile of an image. Of columns that say the same, each
    is little missed.
    """
    assert model.preprocessor is not None
    score = accuracy if model.task == "classification" else r_squared

    def judged(features: np.ndarray) -> float:
        out = model.outputs(features)
        return score(truth, out.argmax(axis=1) if model.task == "classification" else out)

    whole = judged(x)
    x = x.copy()
    draw = np.random.default_rng(seed)
    found = []
    for name, features in model.preprocessor.parts:
        own = x[:, features]
        lost = []
        for _ in range(repeats):
            x[:, features] = own[draw.permutation(len(x))]
            lost.append(whole - judged(x))
        x[:, features] = own
        found.append({"column": name, "lost": float(np.mean(lost)), "deviation": float(np.std(lost))})
    return sorted(found, key=lambda row: -row["lost"])


__all__ = ["Evaluation", "evaluate", "permutation_importance"]
