"""A fitted estimator as a `Model`, which is saved to a file and predicts without scikit-learn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from backpass.data.columns import BooleanColumn, RawColumn
from backpass.data.preprocess import Preprocessor
from backpass.data.table import number_text
from backpass.data.target import Target
from backpass.graph.errors import DataError
from backpass.train.model import Model

from .target import Labels


class Columns(NamedTuple):
    """Of each column of a data frame its name, its least, median and largest value, and whether it is of yes and no."""

    names: list[str]
    low: list[float]
    median: list[float]
    high: list[float]
    boolean: list[bool]


def columns_of(names: Any, frame: Any, x: np.ndarray) -> Columns:
    """The columns of a data frame, whose values are x, (n, d)."""
    low, median, high = np.quantile(x, [0.0, 0.5, 1.0], axis=0, method="nearest").astype(np.float64).tolist()
    types = [str(kind).lower() for kind in getattr(frame, "dtypes", [])]
    boolean = [kind.startswith("bool") for kind in types] or [False] * len(low)
    return Columns(list(map(str, names)), low, median, high, boolean)


def name_in(y: Any) -> str:
    """The name that a column of a data frame has, "y" where it has none."""
    names = getattr(y, "columns", None)
    name = names[0] if names is not None and len(names) == 1 else getattr(y, "name", None)
    return name if isinstance(name, str) and name else "y"


def preprocessor_of(columns: Columns) -> Preprocessor:
    """X's columns by their names; the network scales them itself."""
    return Preprocessor(
        tuple(
            BooleanColumn(name, ("false", "true"), median > 0, False) if yes else RawColumn(name, median, low, high)
            for name, low, median, high, yes in zip(*columns, strict=True)
        ),
        {},
    )


def target_of(name: str, classes: tuple[Any, ...]) -> Target:
    """The column that is predicted: its classes, or numbers where there are none."""
    if not classes:
        return Target(name, "regression", "", (), 0.0, 1.0, "number", "", "")
    if all(isinstance(label, bool) for label in classes):
        return Target(name, "classification", "", ("false", "true"), 0.0, 1.0, "boolean", "", "")
    if all(isinstance(label, (int, float)) for label in classes):
        texts = tuple(map(number_text, classes))
        return Target(name, "classification", "", texts, 0.0, 1.0, "number", "", "")
    return Target(name, "classification", "", tuple(map(str, classes)), 0.0, 1.0, "text", "", "")


def classes_of(target: Labels) -> tuple[Any, ...]:
    """The labels as a file can hold them. Raises DataError for more than one column of classes, and other labels."""
    if target.kind in ("multilabel", "several"):
        what = "several labels a row" if target.kind == "multilabel" else "several columns of classes"
        raise DataError(
            f"y holds {what}, and a model file has one column of classes. Save an estimator for each column, or this "
            "one with joblib.dump(estimator, path), to be loaded where scikit-learn is"
        )
    labels = tuple(label.item() if isinstance(label, np.generic) else label for label in target.classes[0])
    strange = next((label for label in labels if not isinstance(label, (str, bool, int, float))), None)
    if strange is not None:
        raise DataError(f"a model file holds labels that are texts or numbers, and {strange!r:.60} is none of them")
    return labels


def model_of(estimator: Any, link: str) -> Model:
    """The model of a fitted estimator: raw rows in; out of it what `structure.LINKS` makes of its outputs."""
    is_class = estimator._target.kind != "numbers"
    classes = classes_of(estimator._target) if is_class else ()
    found = estimator._model(link)
    preprocessor = target = None
    if estimator._columns is not None:
        preprocessor = preprocessor_of(estimator._columns)
        if is_class or estimator._target.flat:
            target = target_of(estimator._y_name, classes)
    loss = estimator.loss if isinstance(estimator.loss, (str, dict)) else getattr(estimator.loss, "__name__", "loss")
    return replace(
        found,
        task="classification" if is_class else "regression",
        gives=link if is_class else "values",
        classes=classes,
        preprocessor=preprocessor,
        target=target,
        info={"loss": loss, "epochs": estimator.n_iter_, "estimator": type(estimator).__name__},
    )


__all__ = ["Columns", "columns_of", "model_of", "name_in"]
