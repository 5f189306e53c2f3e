"""`Classifier`: what MLPClassifier takes, and more."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d

from backpass.descent.hyperparameter import fraction
from backpass.graph.errors import DataError
from backpass.nn.losses import LOSSES
from backpass.nn.named import name_of

from .base import Perceptron
from .scaling import Scaling, none
from .structure import frozen, thawed
from .target import labels_of

PROBABLE = ("cross_entropy", "binary_cross_entropy")
"""Losses whose logits stand for probabilities."""


class Classifier(ClassifierMixin, Perceptron):
    """A multilayer perceptron that tells classes apart; scikit-learn's API and that of MLPClassifier.

    All that MLPClassifier takes is taken, by its names and with its meaning. Beside it:

    Args:
        loss: "cross_entropy"; a function ``loss(output, target)`` → scalar, of logits (N, C) and class numbers (N,), or
            for two classes of one logit and of 0 and 1, both (N,). It takes ``weight=None`` where rows have weights.
        activation, solver, learning_rate: also any of `bp.nn.ACTIVATIONS` or a NumPy function; any of
            `bp.descent.OPTIMIZERS` or an optimiser of `bp.descent`; "cosine" (the default) or a schedule of the step.
        alpha: "auto" is 1 / n for n rows, which is to expect weights of about 1; numbers mean what they mean in
            MLPClassifier.
        label_smoothing: the share ε of every label that is spread evenly over the classes while training, for
            loss="cross_entropy".
        dropout, batch_norm: of the hidden layers.
        network: a layer or model of `bp.nn`, in place of the hidden layers.
        class_weight: label → weight, or "balanced"; for one column of classes.
        standardize: whether columns are brought to mean 0 and variance 1 inside; with "auto", columns of one unit share
            one scale.
        dtype: float32 or float64 to compute in; None for that of X.
        scoring: the score of rows that are watched, a name or a function as of scikit-learn, or "loss".
        callback: called with every epoch's record; a true result ends the fit. progress: as of `bp.fit`.

    Attributes:
        classes_, coefs_, intercepts_, n_iter_, loss_, loss_curve_, best_loss_, validation_scores_,
        best_validation_score_, n_layers_, n_outputs_, out_activation_, t_, n_features_in_, feature_names_in_: as in
        MLPClassifier. history_: the record of every epoch. equations_, graph_: of the training loss.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> bool(Classifier(random_state=0).fit(X, y).score(X, y) > 0.95)
    True
    """

    PRIOR = 1.0

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: Any = "auto",
        batch_size: Any = "auto",
        learning_rate: Any = "cosine",
        learning_rate_init: float = 0.01,
        power_t: float = 0.5,
        max_iter: int = 100,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: Any = 10,
        max_fun: int = 15000,
        loss: Any = "cross_entropy",
        label_smoothing: float = 0.03,
        dropout: float = 0.0,
        batch_norm: bool = False,
        network: Any = None,
        class_weight: Any = None,
        standardize: Any = "auto",
        dtype: Any = None,
        scoring: Any = None,
        callback: Any = None,
        progress: Any = False,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.loss = loss
        self.label_smoothing = label_smoothing
        self.dropout = dropout
        self.batch_norm = batch_norm
        self.network = network
        self.class_weight = class_weight
        self.standardize = standardize
        self.dtype = dtype
        self.scoring = scoring
        self.callback = callback
        self.progress = progress

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Classifier:  # fmt: skip
        """Train on rows X, (n, d), and their classes y, (n,), or labels or several columns of classes, (n, k).

        ``X_val`` and ``y_val`` are rows to watch; with early_stopping they take the place of a share of X.
        """
        return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Classifier:
        """One pass over these rows. `classes` are all that will ever come, as the first call must know them."""
        return self._fit(X, y, sample_weight, None, incremental=True, classes=classes)

    def predict(self, X: Any) -> np.ndarray:
        """The likeliest class of each row."""
        outputs = self._outputs(X)
        return self._target.decide(outputs)

    def decision_function(self, X: Any) -> np.ndarray:
        """The logits: (n,) for two classes, else (n, outputs)."""
        logits = self._outputs(X)
        return logits[:, 0] if self._target.kind == "binary" else logits

    def predict_proba(self, X: Any) -> Any:
        """Probabilities, (n, classes); (n, labels) for labels; for several columns of classes a list, one of each."""
        outputs = self._outputs(X)
        if not self._is_probable():
            raise AttributeError("this loss gives scores, no probabilities: see decision_function")
        found = self._target.probabilities(outputs)
        return found if self._target.kind == "several" else found[0]

    def predict_log_proba(self, X: Any) -> Any:
        """Logarithms of `predict_proba`."""
        found = self.predict_proba(X)
        with np.errstate(divide="ignore"):
            return [np.log(part) for part in found] if isinstance(found, list) else np.log(found)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The share of rows that are right; for several columns, right in all of them."""
        return _accuracy(np.asarray(y), self.predict(X), sample_weight)

    @property
    def classes_(self) -> Any:
        """The labels, sorted; a list of them for several columns of classes."""
        if "_target" not in self.__dict__:
            raise AttributeError("classes_ is there after fit")
        return list(self._target.classes) if self._target.kind == "several" else self._target.classes[0]

    @property
    def out_activation_(self) -> str:
        """What makes probabilities of the logits."""
        return "softmax" if self._target.kind in ("multiclass", "several") else "logistic"

    # ---- what Perceptron asks for
    def _learn_target(self, y: Any, classes: Any, first: bool) -> np.ndarray:
        y, kind = _labels_in(y)
        if first:
            self._target = labels_of(y, kind, classes)
        elif classes is not None and not np.array_equal(np.asarray(classes), np.asarray(self.classes_)):
            raise ValueError(f"`classes={classes!r}` is not the same as on last call to partial_fit, {self.classes_!r}")
        if wrong := self._target.unknown(y):
            raise ValueError(
                f"y has {wrong[:5]}, which the first call did not have; it knows {self.classes_!r}. A first "
                "partial_fit may name all that will come: classes=[...]"
            )
        return y

    def _watched_target(self, y_val: Any) -> np.ndarray:
        y, _ = _labels_in(y_val)
        if wrong := self._target.unknown(y):
            raise ValueError(f"y_val has {wrong[:5]}, which y did not have; it knows {self.classes_!r}")
        return y

    def _loss_spec(self) -> tuple[Any, str, float]:
        kind = self._target.kind
        smoothing = fraction("label_smoothing", self.label_smoothing)
        if kind == "several" and self.loss != "cross_entropy":
            raise DataError("several columns of classes are trained by loss='cross_entropy' only")
        if kind == "several":
            return None, kind, smoothing
        if isinstance(self.loss, str) and self.loss in PROBABLE:
            return ("cross_entropy" if kind == "multiclass" else "binary_cross_entropy"), kind, smoothing
        loss = thawed(frozen(self.loss))
        if isinstance(self.loss, str) and name_of(loss, LOSSES) != "hinge":
            raise DataError(f"loss={self.loss!r} is not one of classes: take 'cross_entropy', 'hinge' or a function")
        return self.loss, kind, 0.0

    def _is_probable(self) -> bool:
        spec = self._design.loss
        return spec is None or name_of(thawed(spec), LOSSES) in PROBABLE

    def _row_weights(self, y: np.ndarray, weights: np.ndarray | None) -> np.ndarray | None:
        if self.class_weight is None:
            return weights
        if self._target.kind not in ("binary", "multiclass"):
            raise DataError("class_weight needs one column of classes; for other targets use sample_weight")
        known = self.classes_
        if not (isinstance(self.class_weight, dict) or str(self.class_weight) == "balanced"):
            raise ValueError(f"class_weight is {self.class_weight!r}; it must be 'balanced', a dict or None")
        if isinstance(self.class_weight, dict) and not set(self.class_weight) <= set(known.tolist()):
            raise ValueError(f"class_weight must have keys among {known.tolist()}; got {self.class_weight!r}")
        if isinstance(self.class_weight, dict):
            each = np.array([self.class_weight.get(c, 1.0) for c in known.tolist()], np.float64)
            if not (np.isfinite(each).all() and (each >= 0).all()):
                raise ValueError(f"class_weight must hold finite numbers of 0 or above, got {self.class_weight!r}")
        else:
            there = np.unique(y)
            each = np.ones(len(known))
            each[np.searchsorted(known, there)] = compute_class_weight(
                self.class_weight, classes=there, y=y, sample_weight=weights
            )
        found = each[np.searchsorted(known, y)]
        return found if weights is None else weights * found

    def _y_scaling(self, y: np.ndarray, weights: np.ndarray | None) -> tuple[Scaling, bool]:
        return none(self._target.outputs), False

    def _link(self) -> str:
        return "probabilities" if self._is_probable() else "score" if self._target.kind == "binary" else "scores"

    def _score_of(self, truth: np.ndarray, outputs: np.ndarray, weights: np.ndarray | None) -> float:
        return _accuracy(truth, self._target.decide(outputs), weights)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _labels_in(y: Any) -> tuple[np.ndarray, str]:
    """(y as an array, what scikit-learn calls its type)."""
    check_classification_targets(y)
    kind = type_of_target(y)
    y = np.asarray(y.toarray() if hasattr(y, "toarray") else y)
    return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y, kind


def _accuracy(truth: np.ndarray, found: np.ndarray, weights: Any) -> float:
    if found.ndim == 2 and truth.ndim == 2:
        right = (truth == found).all(axis=1)
        return float(np.average(right, weights=weights))
    return float(accuracy_score(truth, found, sample_weight=weights))


__all__ = ["Classifier"]
