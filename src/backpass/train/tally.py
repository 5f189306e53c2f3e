"""What an evaluation adds up, block after block of rows: a file larger than memory is judged like any other.

Scores that are sums (accuracy, log loss, R², …) are exact whatever the number of blocks. Those that need every row's
number at once (areas under curves, medians, quantiles) are those of a sample, drawn evenly, where a limit is given and
reached.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .curves import Bins, average_precision, calibration_error, reliability
from .metrics import balanced_accuracy_of, confusion, log_loss, macro_f1_of, r_squared_of, roc_auc


class RowSample:
    """At most `most` rows of arrays that come in pieces, drawn evenly from all of them, in their order; None: all.

    >>> sample = RowSample(3, seed=0)
    >>> for start in (0, 10, 20):
    ...     sample.add(np.arange(start, start + 10))
    >>> sample.seen, len(sample.arrays()[0]), bool(np.all(np.diff(sample.arrays()[0]) > 0))
    (30, 3, True)
    """

    def __init__(self, most: int | None = None, seed: int = 0):
        self.most, self.seen = most, 0
        self._draw = np.random.default_rng(seed)
        self._kept: list[tuple[np.ndarray, ...]] = []
        self._highest = np.inf

    def add(self, *arrays: np.ndarray) -> None:
        self.seen += len(arrays[0])
        if self.most is None:
            self._kept.append(arrays)
            return
        keys = self._draw.random(len(arrays[0]))
        chosen = np.flatnonzero(keys < self._highest)
        self._kept.append((keys[chosen], *[array[chosen] for array in arrays]))
        if sum(len(part[0]) for part in self._kept) > 2 * self.most:
            self._cut()

    def _cut(self) -> None:
        """Keep the rows of the lowest keys."""
        parts = [np.concatenate(part) for part in zip(*self._kept, strict=True)]
        if self.most is not None and len(parts[0]) > self.most:
            lowest = np.sort(np.argsort(parts[0], kind="stable")[: self.most])
            parts = [part[lowest] for part in parts]
            self._highest = float(parts[0].max())
        self._kept = [tuple(parts)]

    def arrays(self) -> tuple[np.ndarray, ...]:
        self._cut()
        return self._kept[0] if self.most is None else self._kept[0][1:]

    @property
    def partial(self) -> bool:
        """Are there rows that are not in it?"""
        return self.most is not None and self.seen > self.most


class Spread:
    """Count, mean and sum of squared deviations of numbers that come in pieces (Chan, Golub & LeVeque 1979).

    >>> spread = Spread()
    >>> spread.add(np.array([1.0, 2.0])), spread.add(np.array([6.0]))
    (None, None)
    >>> spread.mean, spread.squares
    (3.0, 14.0)
    """

    def __init__(self) -> None:
        self.count, self.mean, self.squares = 0, 0.0, 0.0

    def add(self, values: np.ndarray) -> None:
        if not len(values):
            return
        mean, n = float(np.mean(values, dtype=np.float64)), len(values)
        apart, whole = mean - self.mean, self.count + n
        self.squares += float(np.sum((values - mean) ** 2, dtype=np.float64)) + apart**2 * self.count * n / whole
        self.mean, self.count = self.mean + apart * n / whole, whole


class ClassTally:
    """Everything about classes: `add(truth, out)` takes class indices (n,) and probabilities (n, classes)."""

    def __init__(self, classes: tuple[Any, ...], bins: int, most: int | None):
        self.classes = classes
        self.sample = RowSample(most)
        self.counts = np.zeros((len(classes), len(classes)), np.int64)
        self.log_loss = self.squares = 0.0
        self.bins = reliability(np.empty(0), np.empty(0), bins)
        self.sums = np.zeros((3, bins))
        """Rows, probabilities and truths of each bin."""

    def add(self, truth: np.ndarray, out: np.ndarray) -> None:
        predicted, chances = out.argmax(axis=1), np.asarray(out, np.float64)
        self.counts += confusion(truth, predicted, len(self.classes))
        self.log_loss += log_loss(truth, out) * len(truth)
        if len(self.classes) == 2:
            said, true = chances[:, 1], truth
            self.squares += float(np.sum((said - true) ** 2))
        else:
            said, true = chances.max(axis=1), predicted == truth
        found = reliability(true, said, len(self.sums[0]))
        self.sums += [found.counts, *(np.nan_to_num(part) * found.counts for part in found[2:])]
        self.sample.add(truth, out)

    def result(self) -> tuple[dict[str, float], list[dict[str, Any]], Bins]:
        """(scores, a row a class, calibration)."""
        truth, out = self.sample.arrays()
        chances, two = np.asarray(out, np.float64), len(self.classes) == 2
        right, said, there = np.diag(self.counts), self.counts.sum(axis=0), self.counts.sum(axis=1)
        rows = int(there.sum())
        per_class = []
        for k, name in enumerate(self.classes):
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
        scores = {
            "accuracy": float(right.sum() / rows),
            "balanced accuracy": balanced_accuracy_of(self.counts),
            "macro F1": macro_f1_of(self.counts),
            "log loss": self.log_loss / rows,
        }
        if two:
            scores["ROC AUC"] = roc_auc(truth, chances[:, 1])
        scores["weighted F1"] = sum(row["F1"] * row["rows"] for row in per_class) / rows
        scores["Matthews"] = matthews(self.counts)
        if two:
            scores["average precision"] = average_precision(truth, chances[:, 1])
            scores["Brier score"] = self.squares / rows
        else:
            areas = [row["ROC AUC"] for row in per_class]
            if None not in areas:
                scores["ROC AUC"] = float(np.mean(areas))  # one against the rest, as the mean over the classes
        counts, predicted, observed = self.sums
        with np.errstate(invalid="ignore"):
            bins = Bins(self.bins.edges, counts.astype(np.int64), predicted / counts, observed / counts)
        scores["calibration error"] = calibration_error(bins)
        return scores, per_class, bins


class NumberTally:
    """Everything about numbers: `add(truth, predicted)`, both (n,) in the target's units."""

    def __init__(self, most: int | None):
        self.sample = RowSample(most)
        self.truth, self.residual = Spread(), Spread()
        self.squared = self.absolute = self.relative = self.largest = 0.0

    def add(self, truth: np.ndarray, predicted: np.ndarray) -> None:
        residual = truth - predicted
        size = np.abs(residual)
        self.truth.add(truth)
        self.residual.add(residual)
        self.squared += float(np.sum(residual**2, dtype=np.float64))
        self.absolute += float(np.sum(size, dtype=np.float64))
        self.relative += float(np.sum(size / np.maximum(np.abs(truth), np.finfo(np.float64).eps)))
        self.largest = max(self.largest, float(size.max(initial=0.0)))
        self.sample.add(truth, predicted)

    def result(self) -> tuple[dict[str, float], list[dict[str, Any]]]:
        """(scores, the residuals by tenths of the predictions)."""
        n = self.truth.count
        truth, predicted = self.sample.arrays()
        residual = truth - predicted
        scores = {
            "R²": r_squared_of(n, self.squared, self.truth.squares),
            "MAE": self.absolute / n,
            "RMSE": float(np.sqrt(self.squared / n)),
            "median AE": float(np.median(np.abs(residual))),
            "largest error": self.largest,
            "explained variance": explained_share(self.residual.squares, self.truth.squares),
            "MAPE": self.relative / n,
        }
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
        return scores, rows


def explained_share(left: float, all_of_it: float) -> float:
    """1 − left/all of it, where both are sums of squared deviations; 1 or 0 where there is nothing to explain."""
    if all_of_it == 0:
        return 1.0 if left == 0 else 0.0
    return 1 - left / all_of_it


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


def _share(part: Any, whole: Any) -> float:
    return float(part / whole) if whole else 0.0


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


__all__ = ["ClassTally", "NumberTally", "RowSample", "Spread", "explained_share", "matthews"]
