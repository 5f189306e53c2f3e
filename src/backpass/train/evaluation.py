"""`evaluate`: all that rows of known target say about a model: scores, where it errs, whether its probabilities hold,
and which columns it leans on. Definitions are scikit-learn's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backpass.data.table import Table
from backpass.graph.errors import DataError

from .curves import Bins, average_precision, calibration_error, reliability
from .metrics import accuracy, classification_scores, confusion, r_squared, regression_scores, roc_auc
from .model import Model
from .run_list import table as columns_of


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


def evaluate(
    model: Model, table: Table, *, bins: int = 10, repeats: int = 5, seed: int = 0, fill_missing_columns: bool = False,
    notices: list[str] | None = None,
) -> Evaluation:  # fmt: skip
    """Evaluate a model that was trained on a table, on another table with the target in it.

    `bins` are those of calibration; `repeats` is how often each column is shuffled for its importance, 0 for none.

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
    if model.preprocessor is None or model.target is None:
        raise DataError("the model was trained on arrays, not on a table: compare model.predict(X) with y in Python")
    notes = [] if notices is None else notices
    before = len(table)
    table = table.where_known(model.target.name)
    if len(table) < before:
        notes.append(table.notices[-1])
    x = model.preprocessor.transform(table, notes, fill_missing_columns)
    truth = model.target.encode(table)
    out = model.outputs(x)
    if model.task == "classification":
        found = _classes(model, truth, out, bins)
    else:
        found = _numbers(model.target.decode(truth), model.target.decode(out))
    importance = permutation_importance(model, x, truth, repeats, seed) if repeats else []
    return Evaluation(**{**vars(found), "importance": importance})


def _classes(model: Model, truth: np.ndarray, out: np.ndarray, bins: int) -> Evaluation:
    predicted = out.argmax(axis=1)
    chances = np.asarray(out, np.float64)
    counts = confusion(truth, predicted, len(model.classes))
    right, said, there = np.diag(counts), counts.sum(axis=0), counts.sum(axis=1)
    per_class = []
    for k, name in enumerate(model.classes):
        own = (truth == k).astype(np.int64)
        per_class.append(
            {
                "class": str(name),
                "precision": _share(right[k], said[k]),
                "recall": _share(right[k], there[k]),
                "F1": _share(2 * right[k], said[k] + there[k]),
                "ROC AUC": _known(roc_auc(own, chances[:, k])),
                "average precision": _known(average_precision(own, chances[:, k])),
                "rows": int(there[k]),
            }
        )
    scores = classification_scores(truth, out)
    present = [row for row in per_class if row["rows"]]
    scores["weighted F1"] = sum(row["F1"] * row["rows"] for row in present) / len(truth)
    scores["Matthews"] = matthews(counts)
    if len(model.classes) == 2:
        scores["average precision"] = average_precision(truth, chances[:, 1])
        scores["Brier score"] = float(np.mean((chances[:, 1] - truth) ** 2))
        found = reliability(truth, chances[:, 1], bins)
    else:
        areas = [row["ROC AUC"] for row in per_class]
        if None not in areas:
            scores["ROC AUC"] = float(np.mean(areas))  # one against the rest, as the mean over the classes
        found = reliability(predicted == truth, chances.max(axis=1), bins)
    scores["calibration error"] = calibration_error(found)
    return Evaluation("classification", len(truth), scores, model.classes, counts, per_class, found)


def matthews(counts: np.ndarray) -> float:
    """The correlation of truth and prediction from their confusion matrix (Matthews 1975; Gorodkin 2004); 0 where one
    of them is constant.

    >>> round(matthews(np.array([[2, 1], [0, 3]])), 4)
    0.7071
    """
    counts = counts.astype(np.float64)
    n, right, said, there = counts.sum(), np.trace(counts), counts.sum(axis=0), counts.sum(axis=1)
    below = np.sqrt((n**2 - said @ said) * (n**2 - there @ there))
    return float((right * n - said @ there) / below) if below > 0 else 0.0


def _numbers(truth: np.ndarray, predicted: np.ndarray) -> Evaluation:
    residual = truth - predicted
    scores = regression_scores(truth, predicted)
    size = np.abs(residual)
    scores["median AE"] = float(np.median(size))
    scores["largest error"] = float(size.max())
    scores["explained variance"] = explained_variance(truth, predicted)
    scores["MAPE"] = float(np.mean(size / np.maximum(np.abs(truth), np.finfo(np.float64).eps)))
    parts = np.array_split(np.argsort(predicted, kind="stable"), min(10, len(truth)))
    rows = [
        {
            "predicted": f"{predicted[part].min():.4g} to {predicted[part].max():.4g}",
            "mean": float(residual[part].mean()),
            "deviation": float(residual[part].std()),
            "5 %": float(np.quantile(residual[part], 0.05)),
            "median": float(np.median(residual[part])),
            "95 %": float(np.quantile(residual[part], 0.95)),
            "rows": len(part),
        }
        for part in parts
    ]
    return Evaluation("regression", len(truth), scores, residuals=rows)


def explained_variance(truth: np.ndarray, predicted: np.ndarray) -> float:
    """1 − var(y − ŷ) / var(y): R² of predictions freed of their mean error. 1 or 0 where y is constant.

    >>> explained_variance(np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0]))
    1.0
    """
    left, all_of_it = float(np.var(truth - predicted)), float(np.var(truth))
    if all_of_it == 0:
        return 1.0 if left == 0 else 0.0
    return 1 - left / all_of_it


def permutation_importance(
    model: Model, x: np.ndarray, truth: np.ndarray, repeats: int = 5, seed: int = 0
) -> list[dict[str, Any]]:
    """What accuracy or R² is lost, on the mean of `repeats` tries, when one column's values are shuffled among the rows
    (Breiman 2001): {"column", "lost", "deviation"}, the most needed first.

    All features of a column are shuffled together. Of columns that say the same, each is little missed.
    """
    assert model.preprocessor is not None
    score = accuracy if model.task == "classification" else r_squared

    def judged(features: np.ndarray) -> float:
        out = model.outputs(features)
        return score(truth, out.argmax(axis=1) if model.task == "classification" else out)

    whole = judged(x)
    draw = np.random.default_rng(seed)
    owners = np.array(model.preprocessor.feature_columns)
    found = []
    for encoder in model.preprocessor.encoders:
        mine = owners == encoder.name
        lost = []
        for _ in range(repeats):
            shuffled = x.copy()
            shuffled[:, mine] = x[draw.permutation(len(x))][:, mine]
            lost.append(whole - judged(shuffled))
        found.append({"column": encoder.name, "lost": float(np.mean(lost)), "deviation": float(np.std(lost))})
    return sorted(found, key=lambda row: -row["lost"])


def _share(part: Any, whole: Any) -> float:
    return float(part / whole) if whole else 0.0


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


__all__ = ["Evaluation", "evaluate", "explained_variance", "matthews", "permutation_importance"]
