"""`Sequential`: layers one after the other, and `mlp`, which builds the usual one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..descent.hyperparameter import HyperparameterError
from ..graph.pytree import leaves_of
from ..partials.random import split
from .activations import ACTIVATIONS
from .initialisers import initialiser_before
from .layers import Activation, Dense, Dropout, Flatten, Function, as_layer
from .module import Module, built_in, from_config
from .named import function_of
from .normalisation import BatchNorm, LayerNorm


@built_in
class Sequential(Module):
    """Layers one after the other: each takes the output of the one before.

    A layer is an object with ``init`` and ``apply``, a function of x such as ``np.tanh``, or an activation's name.
    Children are named by kind and count, and θ and the state are dicts by these names, without the children that have
    none: ``{"dense_1": {"W": ..., "b": ...}, "dense_2": ...}``. In training child i draws from ``split(key, n)[i]``.

    A `Dense` without an initialiser of its own gets the one that suits the next activation: He's before relu and its
    kin, Glorot's before tanh, sigmoid, softmax or none.

    >>> model = Sequential(Dense(16), "relu", Dropout(0.1), Dense(3))
    >>> theta, state = model.init(0, np.zeros((1, 4), np.float32))
    >>> [(name, value["W"].shape) for name, value in theta.items()]
    [('dense_1', (4, 16)), ('dense_2', (16, 3))]
    >>> model(theta, np.ones((5, 4), np.float32)).shape
    (5, 3)
    """

    def __init__(self, *layers: Any):
        if len(layers) == 1 and isinstance(layers[0], (list, tuple)):
            raise HyperparameterError(
                "Sequential takes its layers one by one: Sequential(*layers) instead of Sequential(layers)"
            )
        self.layers = _suited([as_layer(layer) for layer in layers])
        self.names = _names(self.layers)

    def init(self, rng: np.random.Generator | int, x: np.ndarray) -> tuple[Any, Any]:
        rng = np.random.default_rng(rng)
        theta, state = {}, {}
        for name, layer in zip(self.names, self.layers, strict=True):
            try:
                own_theta, own_state = layer.init(rng, x)
                with np.errstate(all="ignore"):  # only the shape of the example counts, its values may be anything
                    x = layer.apply(own_theta, own_state, x)[0]
            except Exception as error:
                self._note(error, name)
                raise
            if leaves_of(own_theta):
                theta[name] = own_theta
            if leaves_of(own_state):
                state[name] = own_state
        return theta, state

    def apply(self, theta: Any, state: Any, x: Any, *, training: bool = False, key: Any = None) -> tuple[Any, Any]:
        keys = split(key, len(self.layers)) if training and key is not None and self._draws() else None
        after = {}
        for i, (name, layer) in enumerate(zip(self.names, self.layers, strict=True)):
            own_key = None if keys is None else keys[i]
            try:
                x, own_state = layer.apply(theta.get(name, {}), state.get(name, {}), x, training=training, key=own_key)
            except Exception as error:
                self._note(error, name)
                raise
            if name in state:
                after[name] = own_state
        return x, after

    def _draws(self) -> bool:
        """May a child draw random numbers? Those known not to spare the splitting of the key."""
        return any(layer._draws() if type(layer) is Sequential else type(layer) not in KEYLESS for layer in self.layers)

    def _note(self, error: Exception, name: str) -> None:
        error.add_note(f"in {name}, layer {self.names.index(name) + 1} of {len(self.names)} of a Sequential")

    def settings(self) -> dict[str, Any]:
        return {
            "layers": [
                layer.config() if isinstance(layer, Module) else Function(layer).config() for layer in self.layers
            ]
        }

    @classmethod
    def from_settings(cls, settings: dict[str, Any]) -> Sequential:
        if set(settings) != {"layers"} or not isinstance(settings["layers"], list):
            raise TypeError(f"it must hold a list 'layers', and has {', '.join(settings) or 'nothing'}")
        return cls(*[from_config(layer) for layer in settings["layers"]])

    def __repr__(self) -> str:
        width = max(map(len, self.names), default=0)
        pairs = zip(self.names, self.layers, strict=True)
        rows = [f"\n  {name:{width}}  {repr(layer).replace(chr(10), chr(10) + '  ')}" for name, layer in pairs]
        return f"Sequential({','.join(rows)}\n)" if self.layers else "Sequential()"


KEYLESS = (Dense, Activation, Flatten, BatchNorm, LayerNorm, Function)
BETWEEN = (Dropout, BatchNorm, LayerNorm)
"""Layers that may stand between a Dense and its activation."""


def mlp(
    sizes: Sequence[int],
    activation: Any = "relu",
    *,
    dropout: float = 0.0,
    batch_norm: bool = False,
    init: Any = None,
) -> Sequential:
    """A multilayer perceptron: Dense layers of these widths with `activation` between them.

    ``sizes`` are the widths of the hidden layers and, last, the number of outputs; the number of inputs is that of the
    x that `init` sees. After each hidden Dense come BatchNorm (if asked for), the activation, and Dropout of this rate.

    >>> mlp([64, 10], "tanh", dropout=0.2)
    Sequential(
      dense_1    Dense(units=64, bias=True, init='glorot_uniform'),
      tanh_1     Activation(name='tanh'),
      dropout_1  Dropout(rate=0.2),
      dense_2    Dense(units=10, bias=True, init='glorot_uniform')
    )
    """
    if isinstance(sizes, (int, np.integer)) or len(sizes) == 0:
        raise HyperparameterError(f"sizes is {sizes!r}; give the widths of the layers, outputs last: mlp([64, 10])")
    function = function_of(activation, ACTIVATIONS, "activation")
    layers: list[Any] = []
    for units in sizes[:-1]:
        layers += [Dense(units, init=init), *([BatchNorm()] if batch_norm else []), function]
        layers += [Dropout(dropout)] if dropout else []
    return Sequential(*layers, Dense(sizes[-1], init=init))


def _suited(layers: list[Any]) -> tuple[Any, ...]:
    """The layers, each Dense that was given no initialiser with the one that suits its activation."""
    suited = list(layers)
    for i, layer in enumerate(layers):
        if type(layer) is Dense and not layer.chosen:
            following = next((other for other in layers[i + 1 :] if not isinstance(other, BETWEEN)), None)
            suited[i] = layer.with_initialiser(initialiser_before(_function(following)))
    return tuple(suited)


def _function(layer: Any) -> Callable[..., Any] | None:
    return layer.function if isinstance(layer, Activation) else None


def _names(layers: Sequence[Any]) -> tuple[str, ...]:
    seen: Counter[str] = Counter()
    names = []
    for layer in layers:
        kind = _kind(layer)
        seen[kind] += 1
        names.append(f"{kind}_{seen[kind]}")
    return tuple(names)


def _kind(layer: Any) -> str:
    """dense, batch_norm, relu: the layer's class in snake case, or the name of its function."""
    if isinstance(layer, Activation):
        return layer.name
    if isinstance(layer, Function):
        name = getattr(layer.function, "__name__", "function")
        return name if name.isidentifier() else "function"
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(layer).__name__).lower()
