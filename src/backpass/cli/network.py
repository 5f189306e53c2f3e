"""A trained model as a loss: what its equations are derived from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

from backpass.graph.pytree import tree_map


def loss_and_rows(model: Any, data: Path | None, rows: int) -> tuple[Callable[..., Any], tuple[Any, ...], list[str]]:
    """(loss(θ, x, y), (θ, x, y), what a person should know about them).

    θ and x are taken in float64: printed numbers and their check are not a matter of rounding then.
    """
    notes = []
    if data is None:
        x, y = _made_up(model, rows)
        notes.append(f"the numbers are those of {rows} made-up rows; --data FILE takes yours")
    else:
        x, y = _read(model, data, rows)
    if _draws(model):
        notes.append("the network is shown as it predicts: without dropout, and with kept means and variances")
    theta, state = tree_map(_wide, model.theta), tree_map(_wide, model.state)
    return _loss(model, state), (theta, _wide(x), y), notes


def _wide(leaf: Any) -> Any:
    array = np.asarray(leaf)
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _loss(model: Any, state: Any) -> Callable[..., Any]:
    from backpass.nn.losses import LOSSES, loss_of

    spec = model.info.get("loss", "squared_error")
    name = spec if isinstance(spec, str) else spec.get("name")
    if estimator := model.info.get("estimator"):
        raise click.ClickException(
            f"this file is that of a fitted {estimator}, and holds only what predicts. Its equations are in Python: "
            "print(estimator.equations_)    (--graph shows what the file holds)"
        )
    if model.network is None or name not in LOSSES:
        what = "layers of this model are" if model.network is None else f"loss {name!r} of this model is"
        raise click.ClickException(
            f"the {what} your own, and its file holds only what predicts. "
            "The equations are those of your code: backpass explain FILE.py:loss    (--graph shows what the file holds)"
        )
    loss_function, network = loss_of(spec), model.network

    def loss(theta: Any, x: Any, y: Any) -> Any:
        output = network.apply(theta, state, x)[0]
        return loss_function(output, y)

    return loss


def _draws(model: Any) -> bool:
    text = repr(model.network)
    return "Dropout" in text or "BatchNorm" in text


def _made_up(model: Any, rows: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    wanted = model.graph.nodes[model.graph.inputs[-1]]
    shape = (rows, *wanted.shape[1:])
    x = np.zeros(shape, wanted.dtype) if wanted.dtype.kind in "iu" else rng.normal(size=shape)
    if not model.classes:
        output = model.graph.nodes[model.graph.outputs[0]].shape
        y = rng.normal(size=(rows, *output[1:]))
        return x, np.floor(np.abs(y)) if model.info.get("loss") == "poisson" else y
    y = np.arange(rows) % len(model.classes)
    return x, y if model.gives in ("probabilities", "scores") else y.astype(np.float64)


def _read(model: Any, data: Path, rows: int) -> tuple[Any, Any]:
    from backpass.data.read import read_table

    if model.preprocessor is None or model.target is None:
        raise click.UsageError("--data goes with a model of a table; this one was trained on arrays")
    table = read_table(data, kinds=model.preprocessor.readings)
    if model.target.name not in table:
        raise click.UsageError(f"{data.name} lacks the column '{model.target.name}': the loss compares with it")
    table = table.take(np.arange(min(rows, len(table))))
    y = model.target.encode(table)
    if model.gives in ("probability", "score", "values"):
        y = np.asarray(y, np.float64)
    return model.preprocessor.transform(table), y
