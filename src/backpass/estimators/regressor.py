"""`Regressor`: what MLPRegressor takes, and more."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score

from backpass.graph.errors import DataError
from backpass.nn.losses import LOSSES, MEANINGS
from backpass.nn.named import name_of

from .base import Perceptron
from .scaling import Scaling, none, standard
from .structure import SCALED, frozen, thawed
from .target import Numbers


class Regressor(RegressorMixin, Perceptron):
    """A multilayer perceptron that predicts numbers; scikit-learn's API and that of MLPRegressor.

    All that MLPRegressor takes is taken, by its names and with its meaning. What is beside it is told at `Classifier`,
    but for these:

    Args:
        loss: a name of `bp.nn.LOSSES` for numbers, a dict with settings, or a function ``loss(output, target)`` →
            scalar, of arrays (N,), or (N, k) for k columns. For "poisson" the network's output is the logarithm of a
            rate, and y is 0 or above.
        standardize: whether y is brought to mean 0 and variance 1 inside, too; a loss of one's own is told the numbers
            in the units of y, whatever is done inside.

        alpha: "auto" is 2 / n for n rows, for y of variance 1.

    Attributes: those of `Classifier` that have to do with no classes.

    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> bool(Regressor(random_state=0).fit(X, y).score(X, y) > 0.5)
    True
    """

    PRIOR = 2.0

    def __init__(
        self,
        loss: Any = "squared_error",
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
        dropout: float = 0.0,
        batch_norm: bool = False,
        network: Any = None,
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
        self.dropout = dropout
        self.batch_norm = batch_norm
        self.network = network
        self.standardize = standardize
        self.dtype = dtype
        self.scoring = scoring
        self.callback = callback
        self.progress = progress

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Regressor:  # fmt: skip
        """Train on rows X, (n, d), and their numbers y, (n,) or (n, k).

        ``X_val`` and ``y_val`` are rows to watch; with early_stopping they take the place of a share of X.
        """
        return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Regressor:
        """One pass over these rows."""
        return self._fit(X, y, sample_weight, None, incremental=True)

    def predict(self, X: Any) -> np.ndarray:
        """The numbers of each row, shaped like y."""
        found = self._outputs(X)
        if name_of(thawed(self._design.loss), LOSSES) == "poisson":
            found = np.exp(found)
        return found[:, 0] if self._target.flat else found

    @property
    def out_activation_(self) -> str:
        """What the last layer's sums go through."""
        return "exp" if name_of(thawed(self._design.loss), LOSSES) == "poisson" else "identity"

    # ---- what Perceptron asks for
    def _learn_target(self, y: Any, classes: Any, first: bool) -> np.ndarray:
        y = np.asarray(y, np.float64)
        found = Numbers(1 if y.ndim == 1 else y.shape[1], y.ndim == 1)
        if not first and found.outputs != self._target.outputs:
            raise ValueError(f"y has shape {y.shape}, and that of the first call had {self._target.outputs} columns")
        self._target = found
        return self._numbers_in(y, "y")

    def _watched_target(self, y_val: Any) -> np.ndarray:
        y = np.asarray(y_val, np.float64)
        if (1 if y.ndim == 1 else y.shape[1]) != self._target.outputs:
            raise ValueError(f"y_val has shape {y.shape}, and y had {self._target.outputs} columns")
        return self._numbers_in(y, "y_val")

    def _numbers_in(self, y: np.ndarray, name: str) -> np.ndarray:
        if self._loss_name() == "poisson" and y.size and y.min() < 0:
            raise ValueError(f"loss='poisson' takes y of 0 or above; the least of {name} is {y.min()}")
        return y

    def _loss_name(self) -> str | None:
        return name_of(thawed(frozen(self.loss)), LOSSES)

    def _loss_spec(self) -> tuple[Any, str, float]:
        name = self._loss_name()
        if name is not None and MEANINGS[name].target not in ("number", "count"):
            raise DataError(f"loss={self.loss!r} is one of classes, and a Regressor predicts numbers")
        return self.loss, "numbers", 0.0

    def _row_weights(self, y: np.ndarray, weights: np.ndarray | None) -> np.ndarray | None:
        return weights

    def _y_scaling(self, y: np.ndarray, weights: np.ndarray | None) -> tuple[Scaling, bool]:
        name = self._loss_name()
        if not self.standardize or name == "poisson":
            return none(self._target.outputs), False
        return standard(y.reshape(len(y), -1), weights, True), name in SCALED

    def _link(self) -> str:
        what = "rate" if self.out_activation_ == "exp" else "score"
        return what if self._target.flat else what + "s"

    def _score_of(self, truth: np.ndarray, outputs: np.ndarray, weights: np.ndarray | None) -> float:
        outputs = self._y_scaled.undo(outputs)
        if self._loss_name() == "poisson":
            outputs = np.exp(outputs)
        return float(r2_score(truth, outputs[:, 0] if self._target.flat else outputs, sample_weight=weights))


__all__ = ["Regressor"]
