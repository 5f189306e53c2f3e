"""`Perceptron`: what `Classifier` and `Regressor` share: fitting, attributes, doors to other readings."""

from __future__ import annotations

import os
import warnings
from abc import ABCMeta, abstractmethod
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import get_scorer
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from backpass.descent.lbfgs import lbfgs
from backpass.graph.errors import DataError
from backpass.graph.pytree import tree_map
from backpass.graph.staging import trace
from backpass.train.history import Epoch, History
from backpass.train.loop import Loop, run_epochs
from backpass.train.model import Model
from backpass.train.progress import progress_for

from .inputs import refused
from .parted import parted
from .rows import DENSE, SparseRows, count_of, dense, first
from .saved import columns_of, model_of, name_in
from .scaling import Scaling, none, standard
from .settings import Settings, batch_of, callbacks_of, settings_of
from .stopping import Stopping
from .structure import Design, Structure, frozen, structure_of, takes_weights

SHOWN = 8
"""Rows that are kept with a fitted estimator, for the numbers of its equations."""
FLOATS = (np.float64, np.float32)


class Perceptron(BaseEstimator, metaclass=ABCMeta):
    """A multilayer perceptron with scikit-learn's face. Use `Classifier` or `Regressor`."""

    PRIOR: float
    """The strength of the penalty where ``alpha="auto"``: loss = mean loss + ½ · PRIOR / n · ‖W‖² for n rows."""

    # What both take and `settings` reads, and what is known after the first call.
    activation: Any
    alpha: Any
    batch_norm: bool
    batch_size: Any
    callback: Any
    dropout: float
    dtype: Any
    early_stopping: bool
    learning_rate_init: float
    max_fun: int
    max_iter: int
    network: Any
    power_t: float
    progress: Any
    random_state: Any
    scoring: Any
    shuffle: bool
    standardize: Any
    tol: float
    validation_fraction: float
    verbose: Any
    warm_start: bool
    n_features_in_: int
    _target: Any

    @abstractmethod
    def __init__(self) -> None: ...

    # ---- what the two kinds differ in
    @abstractmethod
    def _learn_target(self, y: Any, classes: Any, first: bool) -> np.ndarray:
        """Set `_target` where it is the first, check y against it where it is not; y as an array."""

    @abstractmethod
    def _watched_target(self, y_val: Any) -> np.ndarray:
        """The y of rows that are watched, checked against `_target`; as an array."""

    @abstractmethod
    def _loss_spec(self) -> tuple[Any, str, float]:
        """(the loss, the kind of target, the label smoothing) for `structure.Design`."""

    @abstractmethod
    def _row_weights(self, y: np.ndarray, weights: np.ndarray | None) -> np.ndarray | None:
        """Weights of rows with those of their classes."""

    @abstractmethod
    def _y_scaling(self, y: np.ndarray, weights: np.ndarray | None) -> tuple[Scaling, bool]:
        """How y is scaled, and whether the target is (else the output is, within the loss)."""

    @abstractmethod
    def _link(self) -> str:
        """Which of `structure.LINKS` makes predictions of outputs."""

    @abstractmethod
    def _score_of(self, truth: np.ndarray, outputs: np.ndarray, weights: np.ndarray | None) -> float:
        """scikit-learn's score of the network's outputs for encoded y."""

    # ---- fitting
    def _fit(
        self, X: Any, y: Any, sample_weight: Any, held: tuple[Any, Any, Any] | None = None,
        incremental: bool = False, classes: Any = None,
    ) -> Any:  # fmt: skip
        settings = settings_of(self)
        if settings.rule is None and held is not None and held[0] is not None:
            raise DataError("solver='lbfgs' has no epochs after which to watch X_val: it goes with another solver")
        goes_on = hasattr(self, "theta_") and (incremental or self.warm_start)
        given = X, y
        X, y = self._checked(X, y, multi_output=True, reset=not goes_on)
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, X, dtype=np.float64)
        if weights is not None and not (weights >= 0).all():
            raise DataError(f"sample_weight must be 0 or above everywhere, its least is {weights.min()}")
        X, y, weights = _counting(X, y, weights)
        y = self._learn_target(y, classes, first=not goes_on)
        random = check_random_state(self.random_state)
        seed = int(random.randint(np.iinfo(np.int32).max))
        watched = self._held(X, y, weights, held, incremental, random)
        if watched is not None and watched[3] is not None:
            train = watched[3]
            X, y, weights = X[train], y[train], None if weights is None else weights[train]
        weights = self._row_weights(y, weights)
        dtype = np.dtype(self.dtype) if self.dtype is not None else np.dtype(X.dtype)
        if not goes_on:
            self._begin(X, y, weights, dtype)
            self._named(X, *given)
        structure = structure_of(self._designed(settings, weights is not None, dtype, goes_on))
        rows = self._prepared(X, y, weights)
        numbers = self._numbers(settings, weights, rows)
        start = self._start(structure, numbers, seed, goes_on)
        if not goes_on:
            self.t_, self.loss_curve_ = 0, []
        if settings.rule is None:
            self._minimise(structure, start, rows)
        else:
            self._descend(structure, settings, start, rows, watched, seed, incremental)
        self._keep_some(rows)
        self.n_layers_ = len(settings.hidden) + 2
        return self

    def _checked(self, X: Any, *y: Any, **options: Any) -> Any:
        """X, and y where it is given, as scikit-learn checks them."""
        try:
            return validate_data(self, X, *y, accept_sparse="csr", dtype=FLOATS, **options)
        except (ValueError, TypeError) as error:
            told = refused(X, error, type(self).__name__)
            if told is None:
                raise
            raise told from error

    def _begin(self, X: Any, y: np.ndarray, weights: np.ndarray | None, dtype: np.dtype) -> None:
        """What is decided once: how columns and y are scaled, and in which type the network computes."""
        columns = X.shape[1]
        self._scaling = standard(X, weights, self.standardize) if self.standardize else none(columns)
        self._y_scaled, self._y_inside = self._y_scaling(y, weights)
        self._dtype = dtype.name
        self.n_outputs_ = self._target.outputs
        for name in ("_memory", "_count"):
            vars(self).pop(name, None)

    def _named(self, x: Any, X: Any, y: Any) -> None:
        """What data frames are called by, for `save`."""
        names = getattr(self, "feature_names_in_", None)
        self._columns = None if names is None or not isinstance(x, np.ndarray) else columns_of(names, X, x)
        self._y_name = name_in(y)

    def _designed(self, settings: Settings, weighted: bool, dtype: np.dtype, goes_on: bool) -> Design:
        loss, kind, smoothing = self._loss_spec()
        if weighted and kind != "several" and callable(loss) and not takes_weights(loss):
            name = getattr(loss, "__name__", "loss")
            raise DataError(
                f"rows have weights, and the loss {name}(output, target) takes none: write it as "
                f"{name}(output, target, *, weight=None), and return Σ w·l / Σ w"
            )
        cuts = self._target.cuts if kind == "several" else ()
        design = Design(
            self.n_features_in_, settings.hidden, self._target.outputs, settings.activation, float(self.dropout),
            bool(self.batch_norm), self.network, frozen(loss), kind, cuts,
            settings.rule or ("sgd", ()), settings.policy is not None or settings.rule is None, weighted,
            settings.alpha is not None, smoothing, self._dtype if goes_on else dtype.name,
        )  # fmt: skip
        if goes_on and design[:7] != self._design[:7]:
            raise DataError(
                "the network of this call is not that of the last one (its sizes, activation, dropout, batch_norm or "
                "network differ), so its θ cannot be taken up: fit a new estimator, or set warm_start=False"
            )
        self._design = design
        return design

    def _prepared(self, X: Any, y: np.ndarray, weights: np.ndarray | None) -> Any:
        """The rows as a loop takes them."""
        dtype = np.dtype(self._dtype)
        target = self._target.encode(self._y_scaled.apply(y, np.float64) if self._y_inside else y, dtype)
        others = (target,) if weights is None else (target, weights.astype(dtype))
        if isinstance(X, np.ndarray) or X.shape[0] * X.shape[1] * dtype.itemsize <= DENSE:
            return (dense(X, self._scaling, dtype), *others)
        return SparseRows(X, others, self._scaling, dtype, self.shuffle)

    def _numbers(self, settings: Settings, weights: np.ndarray | None, rows: Any) -> dict[str, Any]:
        """The numbers that lie in the state: the strength of the penalty, and how outputs are scaled in the loss."""
        n = count_of(rows)
        if settings.alpha is None:
            # Weights may be counts of rows, or only shares: no row stands for less than one.
            strength = self.PRIOR / (n if weights is None else max(float(weights.sum()), n))
        elif weights is not None:
            strength = settings.alpha
        else:
            strength = settings.alpha / (n if settings.rule is None else self._batch(settings, n))
        dtype = np.dtype(self._dtype)
        found = {"penalty": np.array(strength, dtype)}
        if self._target.kind == "numbers":
            inside = none(self._target.outputs) if self._y_inside else self._y_scaled
            found |= {"scale": inside.scale.astype(dtype), "shift": inside.shift.astype(dtype)}
        return found

    def _batch(self, settings: Settings, n: int) -> int:
        if settings.batch is not None and settings.batch > n:
            warnings.warn(f"batch_size={settings.batch} is above the {n} rows: a step takes them all", stacklevel=5)
        return min(settings.batch or batch_of(n), n)

    def _start(self, structure: Structure, numbers: dict[str, Any], seed: int, goes_on: bool) -> tuple[Any, Any]:
        if not goes_on:
            return structure.init(seed, numbers)
        return self.theta_, {**self._state, **numbers}

    def _descend(
        self, structure: Structure, settings: Settings, start: tuple[Any, Any], rows: Any, held: Any, seed: int,
        incremental: bool,
    ) -> None:  # fmt: skip
        """Epochs of steps by the loop of `bp.fit`."""
        epochs = 1 if incremental else self.max_iter
        n = count_of(rows)
        batch = self._batch(settings, n)
        loop = Loop(
            structure.objective, structure.optimizer, *start, rows, batch, seed,
            shuffle=self.shuffle, fill=True, step=structure.step, total=epochs * -(-n // batch),
        )  # fmt: skip
        if incremental and hasattr(self, "_memory"):
            loop.carried = [*loop.carried[: -len(self._memory)], *self._memory] if self._memory else loop.carried
            loop.count, loop.seed = self._count, self._seed
        name = None if held is None else self._scored_as()
        rises = name if held is not None and self.early_stopping else None
        policy = "constant" if incremental and settings.policy == "cosine" else settings.policy
        stopping = Stopping(
            loop, policy=policy, start=self.learning_rate_init, power=self.power_t, epochs=self.max_iter, tol=self.tol,
            patience=np.inf if incremental else settings.patience, score=rises, seen=self.t_,
            also=callbacks_of(self.verbose, self.callback, name),
        )  # fmt: skip
        if not (incremental and hasattr(self, "_memory")) and policy is not None:
            stopping.begin()

        judged = None if held is None else self._judged_rows(*held[:3])

        def measure(theta: Any, state: Any) -> tuple[float | None, dict[str, float]]:
            assert name is not None
            return self._watched(structure, theta, state, held, judged, name)

        def watch(record: Epoch) -> float | None:
            return None if rises is None else -record.scores[rises]

        history = run_epochs(
            loop, epochs, progress_for(self.progress), None if name is None else measure, None, stopping, watch=watch
        )
        memory = len(loop.tree.children[2].paths)
        self._memory = loop.carried[-memory:] if memory else []
        self._count, self._seed = loop.count, loop.seed
        self._found(loop.theta, loop.state, history, name)
        self.t_ += len(history) * loop.n
        if history.stopped == "interrupted":
            warnings.warn("Training interrupted by user.", stacklevel=4)
        elif history.stopped == "all epochs done" and policy not in (None, "cosine") and not incremental:
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the optimization hasn't "
                "converged yet.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _minimise(self, structure: Structure, start: tuple[Any, Any], rows: Any) -> None:
        """All rows at once, by L-BFGS."""
        rows = first(rows, count_of(rows))
        theta, state = start
        history = History(stopped="interrupted")
        calls = 0

        def value_and_grad(at: Any) -> Any:
            nonlocal calls
            calls += 1
            with np.errstate(all="ignore"):
                return structure.whole(at, state, *rows)

        def each(number: int, loss: float, at: Any) -> bool:
            nonlocal theta
            theta = at
            history.epochs.append(Epoch(number, loss, None, {}, 1.0, 0.0, 0.0))
            if self.verbose:
                print(f"Iteration {number}, loss = {loss:.8f}")
            return calls >= self.max_fun

        try:
            theta, found = lbfgs(value_and_grad, theta, tolerance=self.tol, max_iterations=self.max_iter, callback=each)
            history.stopped = found.message
            if not history.epochs:
                history.epochs.append(Epoch(1, found.loss, None, {}, 1.0, found.gradient_norm, 0.0))
            limit = f"max_fun={self.max_fun}" if calls >= self.max_fun else f"max_iter={self.max_iter}"
            if calls >= self.max_fun or (not found.converged and len(found.losses) > self.max_iter):
                scaled = "" if self.standardize else ", or set standardize='auto'"
                told = f"lbfgs has not converged, and {limit} is reached: raise it{scaled}"
                warnings.warn(told, ConvergenceWarning, stacklevel=4)
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=4)
        _, state = structure.objective(theta, state, None, *rows)  # a BatchNorm's means, which take part in no loss
        self._found(theta, tree_map(np.asarray, state), history, None)
        self.t_ += len(history) * len(rows[0])

    def _found(self, theta: Any, state: Any, history: History, scored: str | None) -> None:
        self.theta_, self._state, self.history_ = theta, state, history
        self.n_iter_ = len(history)
        self.loss_curve_ = [*self.loss_curve_, *history.loss]
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else np.nan
        self.validation_scores_ = None if scored is None else [record.scores[scored] for record in history.epochs]
        self.best_validation_score_ = max(self.validation_scores_, default=None) if self.validation_scores_ else None
        watched = scored is not None and self.early_stopping
        self.best_loss_ = None if watched else min(self.loss_curve_, default=np.inf)

    def _keep_some(self, rows: Any) -> None:
        self._some = tuple(array.copy() for array in first(rows, SHOWN))

    # ---- rows that are watched
    def _held(
        self, X: Any, y: np.ndarray, weights: np.ndarray | None, given: Any, incremental: bool, random: Any
    ) -> tuple[Any, np.ndarray, np.ndarray | None, np.ndarray | None] | None:
        """(X, y, weights) to watch, and which rows are left to train on; None where nothing is watched."""
        if given is not None:
            X_val, y_val, w_val = given
            if (X_val is None) != (y_val is None):
                missing, there = ("y_val", "X_val") if y_val is None else ("X_val", "y_val")
                raise ValueError(f"{there} is provided, but {missing} was not provided.")
            if X_val is not None:
                X_val, y_val = self._checked(X_val, y_val, multi_output=True, reset=False)
                w_val = None if w_val is None else _check_sample_weight(w_val, X_val, dtype=np.float64)
                return X_val, self._watched_target(y_val), w_val, None
        if not self.early_stopping:
            return None
        if incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        train, test = parted(y, self._target.kind in ("binary", "multiclass"), self.validation_fraction, random)
        return X[test], y[test], None if weights is None else weights[test], train

    def _scored_as(self) -> str:
        """The name of the score that is watched."""
        if self.scoring is None:
            return "accuracy" if hasattr(self, "classes_") else "R²"
        return self.scoring if isinstance(self.scoring, str) else getattr(self.scoring, "__name__", "score")

    def _judged_rows(self, X: Any, y: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, ...]:
        """The rows that are watched, as the loss takes them: with weights where it was traced with some."""
        rows = self._prepared(X, y, weights)
        rows = first(rows, count_of(rows))
        if (weights is None) == self._design.weighted:
            rows = rows[:2] if weights is not None else (*rows, np.ones(len(rows[0]), self._dtype))
        return rows

    def _watched(
        self, structure: Structure, theta: Any, state: Any, held: Any, judged: Any, name: str
    ) -> tuple[float | None, dict[str, float]]:
        """(the loss of the rows that are watched, their score)."""
        X, y, weights, _ = held
        with np.errstate(all="ignore"):
            loss, outputs = structure.judge(theta, state, *judged)
        if self.scoring is None:
            return float(loss), {name: self._score_of(y, np.asarray(outputs), weights)}
        if self.scoring == "loss":
            return float(loss), {name: -float(loss)}
        self.theta_, self._state = theta, state
        options = {} if weights is None else {"sample_weight": weights}
        scorer = get_scorer(self.scoring) if isinstance(self.scoring, str) else self.scoring
        return float(loss), {name: float(scorer(self, X, y, **options))}

    # ---- prediction
    def _outputs(self, X: Any) -> np.ndarray:
        """The network's outputs for X: logits, or numbers in the units of y; (n, outputs) in float64."""
        check_is_fitted(self)
        X = self._checked(X, reset=False)
        model = self._model()
        if isinstance(X, np.ndarray):
            return model.outputs(X)
        each = max(1, DENSE // (8 * X.shape[1]))
        return np.concatenate([model.outputs(X[k : k + each].toarray()) for k in range(0, X.shape[0], each)])

    def _model(self, link: str = "scores") -> Model:
        """The network from raw rows to what `structure.LINKS` makes of its outputs."""
        structure = structure_of(self._design)
        state = {
            **self._state,
            "x_shift": self._scaling.shift, "x_scale": self._scaling.scale,
        }  # fmt: skip
        if self._target.kind == "numbers":
            # The loss has scaled the output already, or the target was: one of the two is left to be done here.
            state |= {"y_scale": self._y_scaled.scale, "y_shift": self._y_scaled.shift}
        graph = structure.prediction(self.theta_, state, link)
        return Model(graph, self.theta_, state, "regression")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted network to a model file. `bp.load(path)` predicts from it what this estimator predicts, in
        a process without scikit-learn; where X was a data frame, `backpass predict` does for the columns of any file.

        Raises DataError where y has several columns of classes, which a model file has no place for, and OSError where
        the place cannot be written. To keep the estimator itself, with all that it was given, use joblib or pickle.
        """
        check_is_fitted(self)
        model_of(self, self._link()).save(path)

    # ---- other readings
    def _reading(self) -> tuple[Any, tuple[Any, ...]]:
        """The loss that was descended, and (θ, x, y) of some rows, in float64."""
        check_is_fitted(self)
        wide = lambda leaf: leaf.astype(np.float64) if leaf.dtype.kind == "f" else leaf  # noqa: E731
        structure = structure_of(self._design._replace(dtype="float64"))
        state = tree_map(wide, self._state)

        def loss(theta: Any, x: Any, y: Any, *w: Any) -> Any:
            return structure.as_predicted(theta, state, x, y, *w)

        return loss, (tree_map(wide, self.theta_), *map(wide, self._some))

    @property
    def graph_(self) -> Any:
        """The traced graph of the training loss, (θ, x, y) → L, of some of the rows trained on; see `bp.trace`."""
        loss, arguments = self._reading()
        return trace(loss, *arguments)

    @property
    def equations_(self) -> Any:
        """The equations of the training loss and of its gradient, with the numbers of some rows; see `bp.derive`."""
        from backpass.equations import derive

        loss, arguments = self._reading()
        return derive(loss)(*arguments)

    @property
    def coefs_(self) -> list[np.ndarray]:
        """The weight matrices, as they act on X as it is given: scaling and BatchNorm are multiplied in."""
        return [w for w, _ in self._affine()]

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """The biases that go with `coefs_`."""
        return [b for _, b in self._affine()]

    def _affine(self) -> list[tuple[np.ndarray, np.ndarray]]:
        check_is_fitted(self)
        if self._design.network is not None:
            raise AttributeError("a network of your own may have other parameters than coefs_: see theta_")
        found: list[tuple[np.ndarray, np.ndarray]] = []
        for name, leaf in self.theta_.items():
            if "W" in leaf:
                found.append((leaf["W"].astype(np.float64), leaf["b"].astype(np.float64)))
            else:  # BatchNorm, on the sums of the layer before it
                known = self._state["layers"][name]
                scale = leaf["gamma"] / np.sqrt(known["variance"] + 1e-5)
                w, b = found.pop()
                found.append((w * scale, (b - known["mean"]) * scale + leaf["beta"]))
        w, b = found[0]
        w = w / self._scaling.scale[:, None]
        found[0] = (w, b - self._scaling.shift @ w)
        if self._target.kind == "numbers":
            w, b = found[-1]
            found[-1] = (w * self._y_scaled.scale, b * self._y_scaled.scale + self._y_scaled.shift)
        return found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.multi_output = True
        return tags


def _counting(X: Any, y: Any, weights: np.ndarray | None) -> tuple[Any, Any, np.ndarray | None]:
    """The rows that count: one of weight 0 is no row."""
    if weights is None or weights.all():
        return X, y, weights
    rows = np.flatnonzero(weights)
    if not len(rows):
        raise DataError("sample_weight is 0 for every row: there is nothing to learn from")
    return X[rows], y[rows], weights[rows]


__all__ = ["Perceptron"]
