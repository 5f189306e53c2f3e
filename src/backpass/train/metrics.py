"""How good predictions are: each metric by scikit-learn's definition, and what a predictor that learned nothing
scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backpass.graph.errors import DataError


def accuracy(truth: np.ndarray, predicted: np.ndarray) -> float:
    """The share of labels that are right; both arrays have shape (n,).

    >>> accuracy(np.array([0, 1, 1]), np.array([0, 1, 0]))
    0.6666666666666666
    """
    return float(np.mean(truth == predicted))


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """counts[i, j]: how many rows of class i were predicted as j, int64 of shape (classes, classes).

    >>> confusion(np.array([0, 1, 1]), np.array([0, 1, 0]), 2).tolist()
    [[1, 0], [1, 1]]
    """
    return np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def balanced_accuracy(truth: np.ndarray, predicted: np.ndarray) -> float:
    """The mean over the classes in `truth` of the share of each that was recognised (its recall).

    >>> balanced_accuracy(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0]))
    0.5
    """
    return balanced_accuracy_of(confusion(truth, predicted, int(max(truth.max(), predicted.max())) + 1))


def balanced_accuracy_of(counts: np.ndarray) -> float:
    """The same from a confusion matrix."""
    sizes = counts.sum(axis=1)
    return float(np.mean(np.diag(counts)[sizes > 0] / sizes[sizes > 0]))


def macro_f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    """The mean over the classes (in truth or predictions) of F1 = 2·TP / (2·TP + FP + FN).

    >>> round(macro_f1(np.array([0, 1, 1]), np.array([0, 1, 0])), 4)
    0.6667
    """
    return macro_f1_of(confusion(truth, predicted, int(max(truth.max(), predicted.max())) + 1))


def macro_f1_of(counts: np.ndarray) -> float:
    """The same from a confusion matrix."""
    both = counts.sum(axis=0) + counts.sum(axis=1)
    return float(np.mean(2 * np.diag(counts)[both > 0] / both[both > 0]))


def log_loss(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """−mean log p(true class), in nats; probabilities of shape (n, classes), each kept off 0 by its dtype's epsilon.

    >>> round(log_loss(np.array([0, 1]), np.array([[0.5, 0.5], [0.5, 0.5]])), 6)
    0.693147
    """
    tiny = np.finfo(probabilities.dtype).eps
    chosen = np.clip(probabilities, tiny, 1 - tiny)[np.arange(len(truth)), truth]
    return float(-np.mean(np.log(chosen), dtype=np.float64))


def roc_auc(truth: np.ndarray, scores: np.ndarray) -> float:
    """The chance that a row of class 1 scores above one of class 0, ties counting half; NaN when one class is absent.

    From ranks: (Σ ranks of class 1 − n₁(n₁+1)/2) / (n₀·n₁) (Mann & Whitney, 1947). Both arrays have shape (n,).

    >>> roc_auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
    0.75
    """
    positive = truth == 1
    ones, zeros = int(positive.sum()), int((~positive).sum())
    if not ones or not zeros:
        return float("nan")
    _, where, counts = np.unique(scores, return_inverse=True, return_counts=True)
    middle_rank = np.cumsum(counts) - (counts - 1) / 2
    return float((middle_rank[where][positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def r_squared(truth: np.ndarray, predicted: np.ndarray) -> float:
    """1 − Σ(y − ŷ)² / Σ(y − ȳ)². Where y is constant: 1 for a perfect prediction, else 0; NaN for fewer than two rows.

    >>> r_squared(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0]))
    0.5
    """
    residual = float(np.sum((truth - predicted) ** 2, dtype=np.float64))
    total = float(np.sum((truth - np.mean(truth, dtype=np.float64)) ** 2, dtype=np.float64)) if len(truth) else 0.0
    return r_squared_of(len(truth), residual, total)


def r_squared_of(n: int, residual: float, total: float) -> float:
    """The same from Σ(y − ŷ)² and Σ(y − ȳ)² over n rows."""
    if n < 2:
        return float("nan")
    if total == 0:
        return 1.0 if residual == 0 else 0.0
    return 1 - residual / total


def mean_absolute_error(truth: np.ndarray, predicted: np.ndarray) -> float:
    """mean |y − ŷ|, in the target's units.

    >>> mean_absolute_error(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    1.0
    """
    return float(np.mean(np.abs(truth - predicted), dtype=np.float64))


def root_mean_squared_error(truth: np.ndarray, predicted: np.ndarray) -> float:
    """√ mean (y − ŷ)², in the target's units.

    >>> root_mean_squared_error(np.array([1.0, 2.0]), np.array([1.0, 4.0])) ** 2
    2.0000000000000004
    """
    return float(np.sqrt(np.mean((truth - predicted) ** 2, dtype=np.float64)))


@dataclass(frozen=True)
class Metric:
    """A metric's name, whether more of it is better, and whether the target's unit is its unit."""

    name: str
    more_is_better: bool
    of: Callable[[np.ndarray, np.ndarray], float]
    has_unit: bool = False


LABEL_METRICS = (
    Metric("accuracy", True, accuracy),
    Metric("balanced accuracy", True, balanced_accuracy),
    Metric("macro F1", True, macro_f1),
)
LOG_LOSS = Metric("log loss", False, log_loss)
ROC_AUC = Metric("ROC AUC", True, roc_auc)
NUMBER_METRICS = (
    Metric("R²", True, r_squared),
    Metric("MAE", False, mean_absolute_error, has_unit=True),
    Metric("RMSE", False, root_mean_squared_error, has_unit=True),
)
METRICS = {metric.name: metric for metric in (*LABEL_METRICS, LOG_LOSS, ROC_AUC, *NUMBER_METRICS)}


def classification_scores(truth: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Every metric of class probabilities (n, classes) against labels (n,); ROC AUC where there are two classes.

    The predicted class is the most probable one, the first of equals.

    >>> classification_scores(np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]]))["ROC AUC"]
    1.0
    """
    truth, probabilities = np.asarray(truth), np.asarray(probabilities)
    if probabilities.ndim != 2 or truth.shape != probabilities.shape[:1] or not len(truth):
        raise DataError(f"labels of shape {truth.shape} do not fit probabilities of shape {probabilities.shape}")
    predicted = probabilities.argmax(axis=1)
    scores = {metric.name: metric.of(truth, predicted) for metric in LABEL_METRICS}
    scores[LOG_LOSS.name] = log_loss(truth, probabilities)
    if probabilities.shape[1] == 2:
        scores[ROC_AUC.name] = roc_auc(truth, probabilities[:, 1])
    return scores


def regression_scores(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """R², MAE and RMSE of predictions (n,) against values (n,), both in the target's units.

    >>> regression_scores(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0]))["R²"]
    0.5
    """
    truth, predicted = np.asarray(truth, np.float64), np.asarray(predicted, np.float64)
    if truth.ndim != 1 or truth.shape != predicted.shape or not len(truth):
        raise DataError(f"values of shape {truth.shape} do not fit predictions of shape {predicted.shape}")
    return {metric.name: metric.of(truth, predicted) for metric in NUMBER_METRICS}


def class_baseline(train_labels: np.ndarray, classes: int, n: int) -> np.ndarray:
    """The classes' shares in training, as the prediction for each of n rows: shape (n, classes); its class is the
    majority.

    >>> class_baseline(np.array([0, 1, 1, 1]), 2, 1).tolist()
    [[0.25, 0.75]]
    """
    shares = np.bincount(train_labels, minlength=classes) / len(train_labels)
    return np.broadcast_to(shares, (n, classes))


def number_baseline(train_values: np.ndarray, n: int) -> np.ndarray:
    """The training mean, as the prediction for each of n rows: shape (n,).

    >>> number_baseline(np.array([1.0, 3.0]), 2).tolist()
    [2.0, 2.0]
    """
    return np.full(n, np.mean(train_values, dtype=np.float64))
