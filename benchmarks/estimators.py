"""scikit-learn's MLP beside `Classifier` and `Regressor`, with defaults, on the tables that scikit-learn brings.

`scripts/bench estimators [repetitions]`. Scores are means of 5-fold cross-validation over the same folds and seeds;
seconds are the least of the repetitions' whole cross-validations, taken in turn.
"""

from __future__ import annotations

import sys
import time
import warnings
from typing import Any

import numpy as np
from sklearn import datasets
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.neural_network import MLPClassifier, MLPRegressor

import backpass as bp

CLASSES, NUMBERS = ("iris", "wine", "breast_cancer", "digits"), ("diabetes", "linnerud")


def rows_of(name: str) -> tuple[Any, Any]:
    return getattr(datasets, f"load_{name}")(return_X_y=True)


def taken(kind: Any, data: tuple[Any, Any], folds: Any, seed: int) -> tuple[float, float]:
    """(mean score, seconds) of one cross-validation."""
    began = time.perf_counter()
    score = float(np.mean(cross_val_score(kind(random_state=seed), *data, cv=folds)))
    return score, time.perf_counter() - began


def main() -> None:
    warnings.simplefilter("ignore")  # their default ends before it has converged, and says so
    repetitions = int(sys.argv[1]) if sys.argv[1:] else 3
    print(f"{'data':14}{'rows':>6} {'score of MLP':>14}{'ours':>9}{'seconds of MLP':>16}{'ours':>8}{'first':>8}")
    for name in (*CLASSES, *NUMBERS):
        data = rows_of(name)
        is_class = name in CLASSES
        theirs, ours = (MLPClassifier, bp.Classifier) if is_class else (MLPRegressor, bp.Regressor)
        each: list[list[tuple[float, float]]] = [[], []]
        for seed in range(repetitions):
            folds = (StratifiedKFold if is_class else KFold)(5, shuffle=True, random_state=seed)
            for kind, found in zip((theirs, ours), each, strict=True):
                found.append(taken(kind, data, folds, seed))
        (old, slow), (new, fast) = (np.array(found).T for found in each)
        print(
            f"{name:14}{len(data[0]):6} {old.mean():14.4f}{new.mean():9.4f}"
            f"{slow.min():16.2f}{fast.min():8.2f}{fast[0]:8.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
