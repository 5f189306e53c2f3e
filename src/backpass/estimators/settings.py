"""The parameters of an estimator, read and checked when `fit` begins, as scikit-learn has it."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np

from backpass.descent.hyperparameter import HyperparameterError, count, fraction, not_negative, positive
from backpass.descent.optimizer import Optimizer
from backpass.descent.registry import OPTIMIZERS
from backpass.nn.activations import ACTIVATIONS
from backpass.nn.named import function_of

from .stopping import POLICIES
from .structure import frozen, plainly

BATCH = 64
"""Rows a step, at most, where ``batch_size="auto"``."""


def batch_of(n: int) -> int:
    """Rows a step where nobody says: all of up to 64, so that a row of weight 2 is two rows; of more an eighth, as the
    nearest power of two between 16 and 64.

    >>> [batch_of(n) for n in (10, 64, 120, 300, 1_000_000)]
    [10, 64, 16, 32, 64]
    """
    return n if n <= BATCH else min(BATCH, max(BATCH // 4, 1 << round(math.log2(n / 8))))


class Settings(NamedTuple):
    """The parameters that need reading, read."""

    hidden: tuple[int, ...]
    activation: Hashable
    rule: Hashable
    """What `structure.Design.rule` holds; None for lbfgs."""
    policy: str | None
    """How the rate goes from epoch to epoch; None where it is a schedule's or an optimiser's own affair."""
    alpha: float | None
    """None for "auto"."""
    batch: int | None
    patience: float


def settings_of(e: Any) -> Settings:
    """The settings of an estimator. Raises HyperparameterError, a ValueError, for the first that cannot be used."""
    sizes: Any = e.hidden_layer_sizes
    sizes = [sizes] if isinstance(sizes, Real) or not isinstance(sizes, Iterable) else list(sizes)
    for size in sizes:
        if not isinstance(size, Integral) or size < 1:
            raise HyperparameterError(
                "hidden_layer_sizes must be whole numbers > 0, such as (100,) or (64, 32); "
                f"got {e.hidden_layer_sizes!r}"
            )
    for name in ("learning_rate_init", "epsilon"):
        positive(name, getattr(e, name))
    for name in ("power_t", "tol"):
        not_negative(name, getattr(e, name))
    for name in ("momentum", "beta_1", "beta_2", "dropout", "validation_fraction"):
        fraction(name, getattr(e, name))
    if e.early_stopping and not e.validation_fraction:
        raise HyperparameterError("validation_fraction is 0, and early_stopping watches that share of the rows")
    if e.callback is not None and not callable(e.callback):
        raise HyperparameterError(f"callback is {e.callback!r}; it must be a function of an epoch's record, or None")
    for name in ("max_iter", "max_fun"):
        count(name, getattr(e, name))
    patience = e.n_iter_no_change if e.n_iter_no_change == np.inf else count("n_iter_no_change", e.n_iter_no_change)
    alpha = None if _is(e.alpha, "auto") else not_negative("alpha", e.alpha)
    batch = None if _is(e.batch_size, "auto") else count("batch_size", e.batch_size)
    if not (isinstance(e.standardize, (bool, np.bool_)) or _is(e.standardize, "auto")):
        raise HyperparameterError(f"standardize is {e.standardize!r}; it must be 'auto', True or False")
    if e.dtype is not None and not _is_float(e.dtype):
        raise HyperparameterError(f"dtype is {e.dtype!r}; it must be float32, float64, or None for that of X")
    activation = "sigmoid" if _is(e.activation, "logistic") else frozen(e.activation)
    function_of(plainly(activation), ACTIVATIONS, "activation")
    rule, policy = _rule(e)
    hidden = tuple(map(int, sizes))
    return Settings(hidden, activation, rule, policy, alpha, batch, patience)


def _rule(e: Any) -> tuple[Hashable, str | None]:
    """(the optimiser, how its rate goes)."""
    if isinstance(e.solver, Optimizer):
        return e.solver, None
    if _is(e.solver, "lbfgs"):
        given = {"dropout": e.dropout, "callback": e.callback is not None, "early_stopping": e.early_stopping,
                 "scoring": e.scoring is not None}  # fmt: skip
        what = next((name for name, there in given.items() if there), None)
        if what is not None:
            raise HyperparameterError(
                f"solver='lbfgs' minimises one whole loss and has no epochs: {what} goes with another solver"
            )
        return None, None
    moving = (("momentum", e.momentum),) if e.momentum else ()
    known = {
        "adam": ("adam", (("beta1", e.beta_1), ("beta2", e.beta_2), ("epsilon", e.epsilon))),
        "adamw": ("adamw", (("beta1", e.beta_1), ("beta2", e.beta_2), ("epsilon", e.epsilon))),
        "sgd": (("nesterov" if e.nesterovs_momentum else "momentum") if e.momentum else "sgd", moving),
        "momentum": ("momentum", (("momentum", e.momentum),)),
        "nesterov": ("nesterov", (("momentum", e.momentum),)),
    }
    if e.solver not in known and e.solver not in OPTIMIZERS:
        names = ", ".join(dict.fromkeys(["lbfgs", "sgd", "adam", *OPTIMIZERS]))
        raise HyperparameterError(f"solver is {e.solver!r}; it must be one of {names}, or an optimiser of bp.descent")
    name, fixed = known.get(e.solver, (e.solver, ()))
    if callable(e.learning_rate):
        return (name, (*fixed, ("learning_rate", e.learning_rate))), None
    if not isinstance(e.learning_rate, str) or e.learning_rate not in POLICIES:
        raise HyperparameterError(
            f"learning_rate is {e.learning_rate!r}; it must be one of {', '.join(POLICIES)}, or a schedule of "
            "bp.descent. The rate itself is learning_rate_init"
        )
    return (name, fixed), e.learning_rate


def _is_float(dtype: Any) -> bool:
    try:
        return np.dtype(dtype) in (np.dtype(np.float32), np.dtype(np.float64))
    except TypeError:
        return False


def _is(value: Any, word: str) -> bool:
    return isinstance(value, str) and value == word


def callbacks_of(verbose: Any, callback: Any, scored: str | None) -> Callable[[Any], Any] | None:
    """What is told of every epoch: scikit-learn's lines where `verbose` is true, and the user's own callback."""
    if not verbose:
        return callback

    def tell(record: Any) -> Any:
        print(f"Iteration {record.number}, loss = {record.loss:.8f}")
        if scored is not None:
            print(f"Validation score: {record.scores[scored]:.6f}")
        return callback(record) if callback is not None else None

    return tell
