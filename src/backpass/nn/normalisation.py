"""Normalisation: features brought to mean 0 and variance 1, then scaled by γ and shifted by β, which are learned.

x has shape (N, C) or (N, ..., C): the last axis holds the C features, every other axis is a batch axis.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..descent.hyperparameter import fraction, positive
from ..graph.errors import ShapeError
from ..graph.pytree import PytreeError
from .layers import need_floating
from .module import Module, built_in


@built_in
class BatchNorm(Module):
    """y = γ (x − μ) / √(σ² + ε) + β, with μ and σ² of each feature: the batch's in training, running ones afterwards.

    θ holds gamma (C,) and beta (C,). The state holds mean (C,), variance (C,) and steps (1,). The t-th batch enters the
    running mean with weight r = max(1 − momentum, 1/t), mean ← mean + r (μ − mean), so that the first batches are
    averaged plainly and the start at 0 leaves no trace; the variance likewise, from the unbiased σ² n/(n − 1) of n
    entries. `epsilon` is in squared units of x.

    Source: Ioffe & Szegedy, Batch normalization, ICML 2015, algorithms 1 and 2.

    >>> layer = BatchNorm()
    >>> x = np.array([[1.0], [3.0]])
    >>> theta, state = layer.init(0, x)
    >>> y, state = layer.apply(theta, state, x, training=True)
    >>> y.round(3).ravel(), state["mean"], state["variance"]
    (array([-1.,  1.]), array([2.]), array([2.]))
    >>> layer(theta, np.array([[2.0]]), state=state)
    array([[0.]])
    """

    def __init__(self, momentum: float = 0.9, epsilon: float = 1e-5):
        self.momentum = fraction("momentum", momentum)
        self.epsilon = positive("epsilon", epsilon)

    def init(self, rng: np.random.Generator | int, x: np.ndarray) -> tuple[Any, Any]:
        theta = gain_and_shift(self, x)
        features, dtype = theta["gamma"].shape, x.dtype
        state = {"mean": np.zeros(features, dtype), "variance": np.ones(features, dtype), "steps": np.zeros(1, dtype)}
        return theta, state

    def apply(self, theta: Any, state: Any, x: Any, *, training: bool = False, key: Any = None) -> tuple[Any, Any]:
        check_features(self, theta, x)
        if "mean" not in state:
            raise PytreeError(
                f"{self!r} uses running statistics, and its state is {state!r}; pass the state that init or training "
                "gave: model(theta, x, state=state)"
            )
        if not training:
            scale = theta["gamma"] / np.sqrt(state["variance"] + self.epsilon)
            return (x - state["mean"]) * scale + theta["beta"], state
        axes = tuple(range(x.ndim - 1))
        n = math.prod(x.shape[:-1])
        mean = np.mean(x, axis=axes)
        centred = x - mean
        variance = np.mean(centred * centred, axis=axes)
        y = centred * (theta["gamma"] / np.sqrt(variance + self.epsilon)) + theta["beta"]
        steps = state["steps"] + 1.0
        weight = np.maximum(1.0 - self.momentum, 1.0 / steps)
        unbiased = variance * (n / max(n - 1, 1))
        after = {
            "mean": state["mean"] + weight * (mean - state["mean"]),
            "variance": state["variance"] + weight * (unbiased - state["variance"]),
            "steps": steps,
        }
        return y, after

    def settings(self) -> dict[str, Any]:
        return {"momentum": self.momentum, "epsilon": self.epsilon}


@built_in
class LayerNorm(Module):
    """y = γ (x − μ) / √(σ² + ε) + β, with μ and σ² of each example over its features (the last axis).

    θ holds gamma (C,) and beta (C,). `epsilon` is in squared units of x. Training and prediction are the same.

    Source: Ba, Kiros & Hinton, Layer normalization, arXiv 1607.06450, eq. 3.

    >>> layer = LayerNorm()
    >>> x = np.array([[1.0, 3.0], [10.0, 30.0]])
    >>> theta, state = layer.init(0, x)
    >>> layer(theta, x).round(3)
    array([[-1.,  1.],
           [-1.,  1.]])
    """

    def __init__(self, epsilon: float = 1e-5):
        self.epsilon = positive("epsilon", epsilon)

    def init(self, rng: np.random.Generator | int, x: np.ndarray) -> tuple[Any, Any]:
        return gain_and_shift(self, x), {}

    def apply(self, theta: Any, state: Any, x: Any, *, training: bool = False, key: Any = None) -> tuple[Any, Any]:
        check_features(self, theta, x)
        centred = x - np.mean(x, axis=-1, keepdims=True)
        variance = np.mean(centred * centred, axis=-1, keepdims=True)
        return centred / np.sqrt(variance + self.epsilon) * theta["gamma"] + theta["beta"], state

    def settings(self) -> dict[str, Any]:
        return {"epsilon": self.epsilon}


def gain_and_shift(layer: Module, x: np.ndarray) -> dict[str, np.ndarray]:
    """γ = 1 and β = 0 for the features of x."""
    need_floating(layer, x)
    if x.ndim < 2:
        raise ShapeError(f"{layer!r} takes a batch of shape (N, ..., features), got shape {x.shape}")
    return {"gamma": np.ones(x.shape[-1:], x.dtype), "beta": np.zeros(x.shape[-1:], x.dtype)}


def check_features(layer: Module, theta: Any, x: Any) -> None:
    """Refuse an x of another width, which would else broadcast or fail far from its cause."""
    if x.shape[-1:] != theta["gamma"].shape:
        raise ShapeError(f"{layer!r}: x has shape {x.shape}, and its theta is for {theta['gamma'].shape[0]} features")
