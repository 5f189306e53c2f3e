"""What a threshold trades, and whether probabilities mean what they say: ROC, precision and recall, calibration.

Definitions are scikit-learn's; `truth` holds 0 and 1, `scores` are higher the surer of 1, both of shape (n,).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Curve(NamedTuple):
    """Points (x, y) and the threshold that gives each: rows that score at least so much are called 1."""

    x: np.ndarray
    y: np.ndarray
    thresholds: np.ndarray


class Bins(NamedTuple):
    """Rows by the probability that they were given: how many, the mean of it, and the share that came true."""

    edges: np.ndarray
    counts: np.ndarray
    predicted: np.ndarray
    observed: np.ndarray


def roc_curve(truth: np.ndarray, scores: np.ndarray) -> Curve:
    """False positive rate (x) against true positive rate (y), thresholds falling, the first one infinite.

    >>> curve = roc_curve(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
    >>> curve.x.tolist(), curve.y.tolist()
    ([0.0, 0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0])
    """
    false, true, thresholds = _counts(truth, scores)
    with np.errstate(invalid="ignore"):
        x, y = np.r_[0, false] / false[-1], np.r_[0, true] / true[-1]
    return Curve(x, y, np.r_[np.inf, thresholds])


def precision_recall_curve(truth: np.ndarray, scores: np.ndarray) -> Curve:
    """Recall (x) against precision (y), thresholds rising; the last point, (0, 1), has no threshold.

    >>> curve = precision_recall_curve(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
    >>> curve.x.tolist(), curve.y.round(3).tolist()
    ([1.0, 1.0, 0.5, 0.5, 0.0], [0.5, 0.667, 0.5, 1.0, 1.0])
    """
    false, true, thresholds = _counts(truth, scores)
    with np.errstate(invalid="ignore"):
        precision, recall = true / (true + false), true / true[-1]
    return Curve(np.r_[recall[::-1], 0.0], np.r_[precision[::-1], 1.0], thresholds[::-1])


def average_precision(truth: np.ndarray, scores: np.ndarray) -> float:
    """Σ (Rₙ − Rₙ₋₁) Pₙ over the thresholds; NaN where no row is 1.

    >>> round(average_precision(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])), 4)
    0.8333
    """
    if not np.any(truth == 1):
        return float("nan")
    curve = precision_recall_curve(truth, scores)
    return float(-np.sum(np.diff(curve.x) * curve.y[:-1]))


def reliability(truth: np.ndarray, probabilities: np.ndarray, bins: int = 10) -> Bins:
    """Bins of equal width from 0 to 1, the upper edge belonging to the bin; empty ones have NaN.

    >>> found = reliability(np.array([0, 1, 1]), np.array([0.1, 0.9, 0.7]), bins=2)
    >>> found.counts.tolist(), found.predicted.tolist(), found.observed.tolist()
    ([1, 2], [0.1, 0.8], [0.0, 1.0])
    """
    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.clip(np.searchsorted(edges[1:-1], probabilities, "left"), 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        predicted = np.bincount(place, np.asarray(probabilities, np.float64), bins) / counts
        observed = np.bincount(place, np.asarray(truth, np.float64), bins) / counts
    return Bins(edges, counts, predicted, observed)


def calibration_error(bins: Bins) -> float:
    """The expected calibration error, Σ share · |observed − predicted| over the bins (Naeini et al. 2015).

    >>> round(calibration_error(reliability(np.array([0, 1, 1]), np.array([0.1, 0.9, 0.7]), bins=2)), 4)
    0.1667
    """
    full = bins.counts > 0
    gaps = np.abs(bins.observed[full] - bins.predicted[full])
    return float(np.sum(bins.counts[full] * gaps) / bins.counts.sum())


def _counts(truth: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(false positives, true positives) at each distinct score, from the highest down, and the scores."""
    order = np.argsort(scores, kind="stable")[::-1]
    truth, scores = np.asarray(truth)[order], np.asarray(scores)[order]
    last = np.r_[np.flatnonzero(np.diff(scores)), len(scores) - 1]
    true = np.cumsum(truth == 1)[last]
    return 1 + last - true, true, scores[last]
