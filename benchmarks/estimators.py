"""scikit-learn's MLP beside `Classifier` and `Regressor`, with defaults, on the tables that scikit-learn brings.

`scripts/bench estimators [seeds]`. Scores are means of 5-fold cross-validation over the same folds and seeds (of
digits ten at most); seconds are medians of the whole cross-validations, taken in turn. The last three columns are the
seconds of the first one in a new process: theirs, ours where nothing was compiled before, and ours where it lies on
disk; the least of five.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
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


def first(name: str, who: str, times: int) -> list[float]:
    """Seconds of one cross-validation in each of some new processes that share a cache, empty at first; imports not
    counted."""
    with tempfile.TemporaryDirectory() as folder:
        known = {**os.environ, "BACKPASS_CACHE": folder}
        known.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode
        told = [subprocess.run([sys.executable, __file__, name, who], env=known, capture_output=True, check=True)
                for _ in range(times)]  # fmt: skip
    return [float(each.stdout) for each in told]


def pair(name: str) -> tuple[Any, Any]:
    return (MLPClassifier, bp.Classifier) if name in CLASSES else (MLPRegressor, bp.Regressor)


def folds_of(name: str, seed: int) -> Any:
    return (StratifiedKFold if name in CLASSES else KFold)(5, shuffle=True, random_state=seed)


def main() -> None:
    warnings.simplefilter("ignore")  # their default ends before it has converged, and says so
    if len(sys.argv) > 2:
        name, who = sys.argv[1:]
        print(taken(pair(name)[who == "ours"], rows_of(name), folds_of(name, 0), 0)[1])
        return
    seeds = int(sys.argv[1]) if sys.argv[1:] else 40
    head = f"{'score of MLP':>14}{'ours':>9}{'seconds of MLP':>16}{'ours':>8}{'first of MLP':>14}{'ours':>8}{'kept':>8}"
    print(f"{'data':14}{'rows':>6} {head}")
    for name in (*CLASSES, *NUMBERS):
        data = rows_of(name)
        each: list[list[tuple[float, float]]] = [[], []]
        cold: list[list[list[float]]] = [[], []]
        for seed in range(seeds if len(data[0]) < 1000 else min(seeds, 10)):
            for k, who in enumerate(("theirs", "ours")):
                each[k].append(taken(pair(name)[k], data, folds_of(name, seed), seed))
                if seed < 5:
                    cold[k].append(first(name, who, 1 + k))
        (old, slow), (new, fast) = (np.array(found).T for found in each)
        print(
            f"{name:14}{len(data[0]):6} {old.mean():14.4f}{new.mean():9.4f}"
            f"{np.median(slow):16.2f}{np.median(fast):8.2f}"
            f"{min(cold[0])[0]:14.2f}" + "".join(f"{min(one):8.2f}" for one in zip(*cold[1], strict=True)),
            flush=True,
        )


if __name__ == "__main__":
    main()
