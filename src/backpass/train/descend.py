"""`descend`: gradient descent on any loss of θ, written as a plain NumPy function."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from backpass.descent.hyperparameter import count
from backpass.descent.optimizer import Optimizer, check_trainable
from backpass.descent.registry import named
from backpass.graph.errors import DataError, ShapeError
from backpass.graph.pytree import flatten
from backpass.native.compile import compile

from .history import Epoch, History
from .loop import Loop, checked_data, run_epochs
from .progress import Progress, progress_for
from .run_folder import RunFolder
from .saving import Saving


def descend(
    loss: Callable[..., Any],
    theta: Any,
    data: tuple[Any, ...] = (),
    optimizer: str | Optimizer = "adam",
    *,
    epochs: int = 100,
    batch: int | None = 32,
    validation: tuple[Any, ...] | None = None,
    patience: int | None = None,
    seed: int = 0,
    progress: bool | Progress | None = None,
    callback: Callable[[Epoch], Any] | None = None,
    run: str | os.PathLike[str] | RunFolder | None = None,
) -> tuple[Any, History]:
    """Walk θ downhill on ``loss(theta, *data)``.

    Args:
        loss: a plain NumPy function ``loss(theta, *batch)`` → scalar.
        theta: where to start; a pytree of floating arrays. It is not changed.
        data: arrays that share their first axis, N rows; batches of them are passed on. Empty: the loss takes θ alone,
            and an epoch is one step.
        optimizer: a name ("adam") or an optimiser (``bp.descent.adam(1e-3)``).
        batch: rows a step; None for all of them.
        validation: arrays like `data` that are never trained on. The θ with the lowest loss on them is returned.
        patience: stop after so many epochs without a lower validation loss.
        seed: of the order of batches. The same seed gives the same bits.
        progress: None shows a bar on a terminal, True always something, False nothing.
        callback: called with each `Epoch`; a true result stops.
        run: a folder for checkpoints, or a `RunFolder`. Where it holds this run already, the run goes on from its last
            checkpoint and ends with the bits of a run that was never stopped.

    Returns:
        ``(theta, history)``. Ctrl-C stops and returns the θ of the last whole step.

    Raises:
        NonFiniteError: a value stopped being finite; the message names the first operation, and the error's ``theta``
            holds the θ before that step. DataError, ShapeError: the data do not fit together.

    Formula: θ ← θ − η ∂L/∂θ, in the form of the chosen optimiser (Cauchy 1847; Robbins & Monro 1951).

    >>> import numpy as np, backpass as bp
    >>> x = np.linspace(-1, 1, 64)
    >>> line = lambda theta, x, y: np.mean((theta["w"] * x + theta["b"] - y) ** 2)
    >>> theta, history = bp.descend(line, {"w": 0.0, "b": 0.0}, (x, 3 * x + 1), bp.descent.adam(0.05), epochs=100)
    >>> round(theta["w"], 2), round(theta["b"], 2)
    (3.0, 1.0)
    """
    leaves, tree = flatten(theta)
    for path, leaf in zip(tree.paths, leaves, strict=True):
        check_trainable(path, leaf)
    numbers = [type(leaf) is float for leaf in leaves]
    theta = tree.unflatten([np.float64(leaf) if number else leaf for leaf, number in zip(leaves, numbers, strict=True)])
    rule = named(optimizer)
    whole = len(data) == 0
    arrays = (np.zeros(1),) if whole else checked_data(data)

    def objective(theta: Any, state: Any, key: Any, *batch: Any) -> Any:
        return loss(theta, *(() if whole else batch)), state

    objective.__name__ = getattr(loss, "__name__", "loss")
    rows = len(arrays[0]) if batch is None or whole else count("batch", batch)
    loop = Loop(objective, rule, theta, {}, arrays, rows, seed)
    held = None if validation is None else _held(validation, arrays, whole)
    if patience is not None and held is None:
        raise DataError("patience needs rows to watch: give validation=(x, y), arrays like data")
    evaluate = compile(loss)

    def measure(theta: Any, state: Any) -> tuple[float | None, dict[str, float]]:
        if held is None:
            return None, {}
        with np.errstate(all="ignore"):
            return float(evaluate(theta, *held)), {}

    most = None if patience is None else count("patience", patience)
    saving = None
    if run is not None:
        settings = {
            "loss": objective.__name__, "optimizer": rule.to_json(), "epochs": epochs, "batch": loop.batch,
            "patience": patience, "seed": seed, "rows": len(arrays[0]),
        }  # fmt: skip
        folder = run if isinstance(run, RunFolder) else RunFolder(run)
        saving = Saving(folder, loop, {"kind": "descend", "settings": settings}, {"validation": held or ()})
    history = run_epochs(loop, count("epochs", epochs), progress_for(progress), measure, most, callback, saving)
    found = flatten(loop.theta)[0]
    return tree.unflatten(
        [float(leaf) if number else leaf for leaf, number in zip(found, numbers, strict=True)]
    ), history


def _held(validation: Any, arrays: tuple[np.ndarray, ...], whole: bool) -> tuple[np.ndarray, ...]:
    """The validation arrays, which must be to the loss what the data are."""
    if not isinstance(validation, (tuple, list)) or whole or len(validation) != len(arrays):
        raise ShapeError(f"validation must hold {0 if whole else len(arrays)} arrays, as data does")
    held = checked_data(tuple(validation), tuple(f"validation[{k}]" for k in range(len(validation))))
    for k, (new, old) in enumerate(zip(held, arrays, strict=True)):
        if new.shape[1:] != old.shape[1:]:
            raise ShapeError(f"validation[{k}] has rows of shape {new.shape[1:]}, data[{k}] of {old.shape[1:]}")
    return held
