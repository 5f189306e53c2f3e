"""Clipping: a bound on the gradient, so that one steep batch cannot throw θ away."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph.pytree import leaves_of, tree_map
from .hyperparameter import HyperparameterError, positive
from .optimizer import Optimizer, cast


def clip_by_value(grad: Any, limit: float) -> Any:
    """Every entry of a gradient pytree, moved into [−limit, limit]: g ← min(max(g, −limit), limit).

    Shapes and dtypes are kept; NaN stays NaN. Raises `HyperparameterError` unless `limit` > 0.

    >>> clip_by_value({"W": np.array([0.5, -3.0]), "b": np.float32(2)}, 1.0)
    {'W': array([ 0.5, -1. ]), 'b': np.float32(1.0)}
    """
    limit = positive("limit", limit)
    return tree_map(lambda leaf: np.minimum(np.maximum(leaf, -limit), limit), grad)


def global_norm(tree: Any) -> Any:
    """The Euclidean norm of all leaves taken as one vector: √Σ g². A float64 scalar; 0 for a pytree without entries.

    Narrower leaves are summed in float64, so that float32 gradients above 1e19, whose squares float32 cannot hold,
    still have their norm.

    >>> float(global_norm({"W": np.array([3.0, 0.0]), "b": np.float32(4)}))
    5.0
    """
    squares = [np.sum(wide * wide) for wide in map(_wide, leaves_of(tree))]
    return np.sqrt(sum(squares[1:], start=squares[0])) if squares else np.float64(0)


def clip_by_global_norm(grad: Any, limit: float) -> Any:
    """A gradient pytree scaled down until its global norm is at most `limit`: g ← g · limit / max(‖g‖, limit).

    The direction is kept, and a gradient within the limit (zero included) is returned as it is. An infinite or NaN
    entry stays visible as NaN. Shapes and dtypes are kept. Raises `HyperparameterError` unless `limit` > 0.

    Source: Pascanu, Mikolov & Bengio, On the difficulty of training recurrent neural networks, 2013, algorithm 1.

    >>> clip_by_global_norm({"W": np.array([3.0, 0.0]), "b": np.array(4.0)}, 1.0)
    {'W': array([0.6, 0. ]), 'b': np.float64(0.8)}
    """
    limit = positive("limit", limit)
    scale = limit / np.maximum(global_norm(grad), limit)
    return tree_map(lambda leaf: leaf * cast(scale, getattr(leaf, "dtype", None)), grad)


def clip(optimizer: Optimizer, *, norm: float | None = None, value: float | None = None) -> Optimizer:
    """`optimizer`, given a clipped gradient: by `value` entry by entry, by global `norm`, or by value and then by norm.

    The result is an optimiser like any other; its state is that of the one it wraps. Raises `HyperparameterError`
    when neither bound is given, or one is not above 0.

    >>> from backpass.descent import sgd
    >>> rule = clip(sgd(1.0), norm=1.0)
    >>> rule
    clip(optimizer=sgd(learning_rate=1.0, weight_decay=0.0), norm=1.0)
    >>> rule.update(np.array([0.0, 0.0]), np.array([30.0, 40.0]), rule.init(np.zeros(2)), 0)[0]
    array([-0.6, -0.8])
    """
    if not isinstance(optimizer, Optimizer):
        raise HyperparameterError(f"clip wraps an optimiser, not {optimizer!r}; write clip(adam(), norm=1.0)")
    if norm is None and value is None:
        raise HyperparameterError("clip needs a bound: clip(optimizer, norm=1.0) or clip(optimizer, value=0.5)")
    settings: dict[str, Any] = {"optimizer": optimizer}
    if value is not None:
        settings["value"] = positive("value", value)
    if norm is not None:
        settings["norm"] = positive("norm", norm)

    def update(theta: Any, grad: Any, state: Any, step: Any) -> tuple[Any, Any]:
        if value is not None:
            grad = clip_by_value(grad, settings["value"])
        if norm is not None:
            grad = clip_by_global_norm(grad, settings["norm"])
        return optimizer.update(theta, grad, state, step)

    return Optimizer("clip", settings, optimizer.init, update)


def _wide(leaf: Any) -> Any:
    dtype = getattr(leaf, "dtype", None)
    return leaf if dtype is None or dtype.itemsize >= 8 else leaf.astype(np.float64)
