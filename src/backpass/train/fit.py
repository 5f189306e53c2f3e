"""`fit`: train a model on arrays, watch a validation set, keep the best θ."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backpass.data.split import split
from backpass.data.store import RowStore
from backpass.descent.hyperparameter import count
from backpass.descent.optimizer import Optimizer
from backpass.descent.registry import named
from backpass.graph.aval import Aval
from backpass.graph.errors import DataError, ShapeError
from backpass.graph.program import Graph
from backpass.graph.pytree import tree_map
from backpass.graph.staging import trace
from backpass.nn.activations import identity
from backpass.nn.layers import Embedding, Function, as_layer
from backpass.nn.losses import loss_of, meaning_of
from backpass.nn.module import is_layer
from backpass.nn.sequential import Sequential

from .history import Epoch, History
from .judge import Judge
from .loop import Loop, checked_data, run_epochs
from .model import CHUNK, Model
from .progress import Progress, progress_for
from .run_folder import RunFolder
from .saving import Saving, keep_model
from .spool import checked_weights, in_pieces, spooled


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """What a call of `fit` gives: the trained `model`, its `history`, and how it `stopped`."""

    model: Model
    history: History

    @property
    def stopped(self) -> str:
        """Why the run ended, in words."""
        return self.history.stopped

    def __repr__(self) -> str:
        loss = f", loss {self.history.loss[-1]:.4g}" if len(self.history) else ""
        return f"<Run: {len(self.history)} epochs, {self.stopped}{loss}; {self.model.summary()}>"


def fit(
    model: Any,
    data: Any,
    loss: str | dict[str, Any] | Callable[..., Any] = "cross_entropy",
    *,
    theta: Any = None,
    optimizer: str | Optimizer = "adam",
    epochs: int = 50,
    batch: int = 32,
    validation: float | tuple[Any, ...] | None = None,
    patience: int | None = None,
    sample_weight: Any = None,
    class_weight: dict[Any, float] | str | None = None,
    metrics: dict[str, Callable[[Any, Any], float]] | None = None,
    labels: int | None = None,
    seed: int = 0,
    dtype: Any = np.float32,
    progress: bool | Progress | None = None,
    callback: Callable[[Epoch], Any] | None = None,
    run: str | os.PathLike[str] | RunFolder | None = None,
) -> Run:
    """Train `model` on ``data = (X, y)``.

    Args:
        model: `nn.Sequential`, any object with ``init`` and ``apply``, or a function ``model(theta, x)`` with `theta`.
        data: X of shape (N, ...), y of shape (N,) or (N, K). For a loss of classes y may hold any labels. Data larger
            than memory: X from ``np.load(..., mmap_mode="r")``, a generator of pieces (X, y) or (X, y, weight), or a
            `RowStore`; its rows are put on disk once and shuffled as `RowStore` says.
        loss: a name of ``nn.LOSSES``, a dict with settings, or a function ``loss(output, target)`` → scalar.
        theta: where to start; required for a function, else the model's own initial θ.
        optimizer: a name or an optimiser of `bp.descent`.
        epochs, batch: passes over the data, and rows a step.
        validation: a share of the rows (held out at random, by class), or a pair (X, y). With it, the θ of the epoch
            with the lowest validation loss is kept. Weights of rows and classes count in that loss too; a pair may
            bring weights of its own, (X, y, weight). Scores count every row once.
        patience: stop after so many epochs without a lower validation loss.
        sample_weight: (N,), how much each row counts. class_weight: label → weight, or "balanced".
        metrics: name → ``metric(y, prediction)``, beside accuracy (classes) or R² (numbers).
        labels: y holds class numbers 0 … labels − 1 already, some of which may be absent here.
        seed: of θ, order and dropout: the same seed gives the same bits.
        dtype: floating inputs and θ are held in it; whole numbers stay so where the first layer is an `Embedding`.
        run: a folder for checkpoints, history and model, or a `RunFolder`. Where it holds this run already, the run
            goes on from its last checkpoint and ends with the bits of a run that was never stopped.

    Returns:
        A `Run`. Ctrl-C ends it early with the θ reached.

    Raises:
        DataError, ShapeError: the data cannot be used. NonFiniteError: a value stopped being finite (first one named).

    >>> import numpy as np, backpass as bp
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> run = bp.fit(bp.nn.mlp([16, 2]), (X, X[:, 0] > X[:, 1]), epochs=60, progress=False)
    >>> bool(np.mean(run.model.predict(X) == (X[:, 0] > X[:, 1])) > 0.95)
    True
    """
    network = _as_network(model, theta)
    loss_function = loss_of(loss)
    meaning = meaning_of(loss_function)
    kind = meaning.target if meaning else "number"
    stored = data if isinstance(data, RowStore) else None
    spooled_classes: tuple[Any, ...] = ()
    if stored is None and (pieces := in_pieces(data)) is not None:
        stored, watched_rows, spooled_classes = spooled(pieces(), kind, dtype, validation, seed)
        labels = labels or len(spooled_classes) or None
        validation = watched_rows or (validation if isinstance(validation, tuple) else None)
    if stored is not None:
        _check_store(stored, kind, dtype, labels, validation, sample_weight)
    x, y, classes = _arrays(data if stored is None else _some_of(stored), kind, network, dtype, labels)
    classes = spooled_classes or classes
    of_class = _class_weights(class_weight, y, classes, stored)
    weights = None if stored is not None else _weighed(_sample_weights(sample_weight, len(y)), of_class, y)
    train, held = _validation(validation, x, y, kind, classes if stored is None else (), seed)
    if patience is not None and held is None:
        raise DataError("patience needs rows to watch: give validation=0.2, or a pair (X, y)")

    start, state = network.init(np.random.default_rng(seed), x[:1])
    start, state = _held_in(dtype, start if theta is None else theta), _held_in(dtype, state)

    output_shape = np.shape(network.apply(start, state, x[:1])[0])
    _check_classes(kind, classes, y, output_shape, labels)

    def objective(theta: Any, state: Any, key: Any, x: Any, y: Any, *weight: Any) -> Any:
        output, state = network.apply(theta, state, x, training=True, key=key)
        if of_class is not None and stored is not None:
            each = np.take_along_axis(of_class, y, axis=0)
            weight = (each * weight[0] if weight else each,)
        return loss_function(output, y, weight=weight[0]) if weight else loss_function(output, y), state

    rows = (x[train], y[train]) if weights is None else (x[train], y[train], weights[train])
    loop = Loop(objective, named(optimizer), start, state, stored or rows, count("batch", batch), seed)
    link = meaning.link if meaning else (lambda output: output)
    if held is not None:
        held_x, held_y, *own = held
        if len(train) < len(x):  # a share of the rows, which have their weights
            weighed = None if weights is None else np.delete(weights, train)
        else:
            weighed = _weighed(own[0] if own else None, of_class, held_y)
        held = (held_x, held_y) if weighed is None else (held_x, held_y, weighed)
    watched = rows[:2] if held is None else held
    judge = Judge(network, loss_function, link, kind, watched, held is not None, metrics or {})
    chosen = progress_for(progress)
    most = None if patience is None else count("patience", patience)
    info = {"loss": loss if isinstance(loss, (str, dict)) else getattr(loss, "__name__", "loss"), "seed": seed,
            "optimizer": named(optimizer).to_json()}  # fmt: skip
    folder = RunFolder(run) if isinstance(run, (str, os.PathLike)) else run
    saving = None
    if folder is not None:
        settings = {**info, "model": repr(model), "epochs": epochs, "batch": loop.batch, "patience": patience,
                    "rows": loop.n, "inputs": list(x.shape[1:]), "dtype": np.dtype(dtype).name}  # fmt: skip
        saving = Saving(folder, loop, {"kind": "fit", "settings": settings}, {"validation": held or ()})
    history = run_epochs(loop, count("epochs", epochs), chosen, judge.measure, most, callback, saving)
    info |= {"epochs": len(history), "rows": loop.n}
    gives = _gives(kind, link, output_shape)
    task = "regression" if gives == "values" else "classification"
    graph = prediction_graph(network, link, loop.theta, loop.state, x)
    found = Model(graph, loop.theta, loop.state, task, classes, network, info=info, gives=gives)
    if folder is not None:
        keep_model(folder, found)
    return Run(found, history)


WATCHED, WATCHED_BYTES = 10_000, 64 << 20
"""Rows of a store whose scores are shown where no rows are held out, and what they may take."""


def _some_of(store: RowStore) -> tuple[np.ndarray, ...]:
    """(X, y) of some rows, evenly over the store."""
    return store.spread(min(WATCHED, max(1, WATCHED_BYTES // max(1, store.row_bytes))))[:2]


def _check_store(
    store: RowStore, kind: str, dtype: Any, labels: int | None, validation: Any, sample_weight: Any
) -> None:
    """Rows in a store are taken as they are: nothing of them can be converted, numbered or split here."""
    weighed = store.specs[2:] in ([], [(np.dtype(np.float32), ())])
    if len(store.specs) < 2 or not weighed or store.specs[0][0] != np.dtype(dtype):
        held = ", ".join(f"{spec.name} of shape (N, {str(shape)[1:]}" for spec, shape in store.specs)
        raise DataError(
            f"a store must hold X in {np.dtype(dtype).name}, and y, and it may hold weights in float32; it holds {held}"
        )
    if kind == "class" and labels is None and not store.specs[1][1]:
        raise DataError("y in a store holds class numbers: say how many there are, labels=10")
    if sample_weight is not None:
        raise DataError("weights of rows in pieces come with them: give pieces (X, y, weight)")
    if not (validation is None or isinstance(validation, tuple)):
        raise DataError("rows to watch are not taken out of a store: give validation=(X, y)")


def prediction_graph(network: Any, link: Callable[[Any], Any], theta: Any, state: Any, x: np.ndarray) -> Graph:
    """``(theta, state, x) → prediction`` for CHUNK rows; a single output unit is one number a row."""

    def predict(theta: Any, state: Any, x: Any) -> Any:
        output = network.apply(theta, state, x)[0]
        if len(output.shape) == 2 and output.shape[1] == 1:
            output = output[:, 0]
        return link(output)

    return trace(predict, theta, state, Aval((CHUNK, *x.shape[1:]), x.dtype))


def _as_network(model: Any, theta: Any) -> Any:
    if is_layer(model):
        return model
    if callable(model) and not isinstance(model, type):
        if theta is None:
            raise DataError("a model that is a function needs a θ to start from: fit(model, data, theta=...)")
        return Function(model, theta)
    return as_layer(model)


def _held_in(dtype: Any, tree: Any) -> Any:
    """A pytree with its floating leaves in `dtype` and its numbers as arrays: what a step can carry on."""

    def held(leaf: Any) -> Any:
        array = np.asarray(leaf)
        return array.astype(dtype) if array.dtype.kind == "f" and array.dtype != dtype else array

    return tree_map(held, tree)


def _takes_whole_numbers(network: Any) -> bool:
    while isinstance(network, Sequential) and network.layers:
        network = network.layers[0]
    return isinstance(network, Embedding)


def _arrays(
    data: Any, kind: str, network: Any, dtype: Any, labels: int | None
) -> tuple[np.ndarray, np.ndarray, tuple[Any, ...]]:
    """X and y as a step takes them, and the classes that y's numbers stand for."""
    if not (isinstance(data, (tuple, list)) and len(data) == 2):
        raise DataError("data must be a pair (X, y)")
    x, y = np.asarray(data[0]), np.asarray(data[1])
    if x.dtype.kind in "fiub" and not (x.dtype.kind in "iu" and _takes_whole_numbers(network)):
        x = x.astype(dtype)
    if kind in ("class", "binary") and y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    classes: tuple[Any, ...] = ()
    if labels is not None:
        classes = tuple(range(count("labels", labels)))
        if y.dtype.kind not in "iub" or (y.size and (y.min() < 0 or y.max() >= labels)):
            raise DataError(f"with labels={labels}, y must hold whole numbers from 0 to {labels - 1}")
        y = y.astype(np.int64)
    elif kind == "class" and y.ndim == 1:
        if y.dtype.kind == "f" and np.isfinite(y).all() and (y % 1 != 0).any():
            fraction = y[y % 1 != 0][0]
            raise DataError(
                f"y holds fractions, such as {fraction}, and the loss takes classes; for numbers use "
                "loss='squared_error'"
            )
        classes, y = _numbered(y)
    elif kind == "binary" and y.ndim == 1 and y.dtype.kind != "f":
        classes, y = _numbered(y)
        if len(classes) > 2:
            raise DataError(
                f"binary_cross_entropy takes two classes, y has {len(classes)}; use loss='cross_entropy' and a model "
                f"with {len(classes)} outputs"
            )
        y = y.astype(dtype)
    elif y.dtype.kind in "fiub" and not (kind == "class" and y.dtype.kind in "iub"):
        y = y.astype(dtype)
    x, y = checked_data((x, y), ("X", "y"))
    if kind == "binary" and not classes:
        classes = (0, 1)
    elif kind == "class" and not classes and y.dtype.kind == "f":
        classes = tuple(range(y.shape[-1]))
    elif kind == "class" and not classes:
        classes = tuple(range(int(y.max()) + 1))
    return x, y, classes


def _numbered(y: np.ndarray) -> tuple[tuple[Any, ...], np.ndarray]:
    """The labels in y, sorted, and y by their numbers."""
    try:
        found, numbers = np.unique(y, return_inverse=True)
    except TypeError as error:  # None, or numbers among texts, cannot be sorted
        kinds = sorted({type(label).__name__ for label in y.tolist()})
        several = ", ".join(kinds)
        raise DataError(f"y holds labels of several kinds ({several}); make them all texts or all numbers") from error
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise DataError(f"y has {int((~np.isfinite(y)).sum())} values that are not finite; drop those rows")
    if len(found) < 2:
        shown = f"one class only, {found.tolist()[0]!r}" if len(found) else "no rows"
        raise DataError(f"y holds {shown}: there is nothing to tell apart")
    return tuple(found.tolist()), numbers.astype(np.int64)


def _check_classes(
    kind: str, classes: tuple[Any, ...], y: np.ndarray, output_shape: tuple[int, ...], labels: int | None
) -> None:
    """A score for each class, before a step looks for the score of a class that has none."""
    if kind != "class" or not output_shape:
        return
    width = output_shape[-1] if len(output_shape) > 1 else 1
    if width in (1, len(classes)) and not (width == 1 and len(classes) != 2):
        return
    shown = ", ".join(map(repr, classes[:6])) + (", …" if len(classes) > 6 else "")
    hint = f"make the last layer Dense({len(classes)})"
    if labels is None and y.ndim == 1 and width > len(classes) and all(type(c) is int and c < width for c in classes):
        hint += f", or say that y holds class numbers of which some are absent: labels={width}"
    raise ShapeError(f"the model gives {width} scores a row, and y has {len(classes)} classes ({shown}): {hint}")


def _gives(kind: str, link: Callable[[Any], Any], output_shape: tuple[int, ...]) -> str:
    """What the model's output means; see `Model.gives`."""
    if kind == "binary":
        return "probability"
    if kind == "class":
        single = len(output_shape) < 2 or output_shape[-1] == 1
        return "score" if single else "scores" if link is identity else "probabilities"
    return "values"


def _sample_weights(sample: Any, rows: int) -> np.ndarray | None:
    weights = None if sample is None else checked_weights(sample, rows)
    if weights is not None and not weights.any():
        raise DataError("sample_weight must hold finite numbers of 0 or above, and not only 0")
    return weights


def _weighed(weights: np.ndarray | None, of_class: np.ndarray | None, y: np.ndarray) -> np.ndarray | None:
    """The weight of each row: its own times that of its class."""
    if of_class is None:
        return weights
    found = of_class[y.astype(np.int64)]
    return found if weights is None else weights * found


def _class_weights(
    by_class: Any, y: np.ndarray, classes: tuple[Any, ...], store: RowStore | None = None
) -> np.ndarray | None:
    """The weight of each class, float32; where the classes are to be balanced, by their rows in y or in the store."""
    if by_class is None:
        return None
    if not classes or y.ndim != 1:
        raise DataError("class_weight needs one class a row; for other targets use sample_weight")
    if isinstance(by_class, str) and by_class == "balanced":
        parts = [y] if store is None else store.column(1)
        counts = sum(np.bincount(part.astype(np.int64), minlength=len(classes)) for part in parts)
        each = np.sum(counts) / (len(classes) * np.maximum(counts, 1))
    elif isinstance(by_class, dict) and set(by_class) <= set(classes):
        each = np.array([by_class.get(c, 1.0) for c in classes], np.float64)
        if not (np.isfinite(each).all() and (each >= 0).all()):
            raise DataError(f"class_weight must hold finite numbers of 0 or above, got {by_class!r}")
    else:
        shown = ", ".join(map(repr, classes[:8])) + (", …" if len(classes) > 8 else "")
        raise DataError(f"class_weight must be 'balanced' or a dict with keys among {shown}; got {by_class!r}")
    return each.astype(np.float32)


def _validation(
    choice: Any, x: np.ndarray, y: np.ndarray, kind: str, classes: tuple[Any, ...], seed: int
) -> tuple[np.ndarray, tuple[np.ndarray, ...] | None]:
    """The rows to train on, and the arrays to watch: X and y, and weights where the choice has them."""
    if choice is None:
        return np.arange(len(x)), None
    if isinstance(choice, (int, float, np.number)) and not isinstance(choice, bool):
        train, held = split(len(x), float(choice), seed, y if kind == "class" and y.ndim == 1 else None)
        return train, (x[held], y[held])
    if not (isinstance(choice, (tuple, list)) and len(choice) in (2, 3)):
        raise DataError(
            f"validation must be a share such as 0.2, or (X, y), or (X, y, weight); got {type(choice).__name__}"
        )
    held_x, held_y = np.asarray(choice[0]), np.asarray(choice[1])
    if y.ndim == 1 and held_y.ndim == 2 and held_y.shape[1] == 1:
        held_y = held_y[:, 0]
    if classes and y.ndim == 1 and held_y.ndim == 1 and (kind == "class" or classes != (0, 1)):
        place = {label: k for k, label in enumerate(classes)}
        strange = sorted({label for label in held_y.tolist() if label not in place}, key=str)
        if strange:
            raise DataError(
                f"the validation set has classes that the training set lacks: {', '.join(map(repr, strange[:8]))}"
            )
        held_y = np.array([place[label] for label in held_y.tolist()])
    for name, held, trained in (("X", held_x, x), ("y", held_y, y)):
        if held.shape[1:] != trained.shape[1:] or held.ndim == 0:
            raise ShapeError(
                f"rows of the validation set differ from those trained on\n"
                f"    validation {name}: shape {held.shape}\n    training {name}: shape {trained.shape}"
            )
    pair = checked_data((held_x, held_y), ("validation X", "validation y"))
    weights = [checked_weights(weight, len(pair[0])) for weight in choice[2:]]
    return np.arange(len(x)), (pair[0].astype(x.dtype), pair[1].astype(y.dtype), *weights)


__all__ = ["Run", "fit", "prediction_graph"]
