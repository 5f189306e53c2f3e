"""`Module`: what a layer and a model are, and how one is described as data.

A layer is any object with two methods, both plain NumPy:

``init(rng, x) -> (theta, state)``
    The θ that training starts from, and the state that training carries along without differentiating it (running
    means); both are pytrees, ``{}`` for none. `rng` is a Generator or a seed; `x` is a small batch of inputs, of which
    only shape and dtype matter.
``apply(theta, state, x, *, training=False, key=None) -> (y, state)``
    The layer's output and its new state. `key` is what random layers draw from in training (`backpass.nn.make_key`).

A model is the same thing, so there are three ways to write one's own:

- a function: ``Function(f, theta)`` makes a model of any ``f(theta, x)``;
- a class with ``init`` and ``apply``, or one that derives from `Module`, which brings ``model(theta, x)``;
- `Sequential`, of built-in layers, of one's own, and of plain functions such as ``np.tanh``.

>>> class Scale(Module):
...     def init(self, rng, x):
...         return {"factor": np.ones(x.shape[-1:], x.dtype)}, {}
...     def apply(self, theta, state, x, *, training=False, key=None):
...         return theta["factor"] * x, state
>>> model = Scale()
>>> theta, state = model.init(0, np.zeros((1, 3)))
>>> model(theta, np.array([[1.0, 2.0, 3.0]]))
array([[1., 2., 3.]])
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from ..graph.errors import ModelFileError
from ..graph.pytree import leaves_of
from .named import NotDescribableError

Layer = TypeVar("Layer", bound="type[Module]")

BUILT_IN: dict[str, type[Module]] = {}
"""The layers that `from_config` can build: its whole vocabulary, so that reading a model runs no code of others."""


class Module:
    """A layer or a model: derive from it, and write `init` and `apply` as the text above says."""

    def init(self, rng: np.random.Generator | int, x: np.ndarray) -> tuple[Any, Any]:
        """(theta, state) to start from; nothing, for a layer that learns nothing."""
        return {}, {}

    def apply(self, theta: Any, state: Any, x: Any, *, training: bool = False, key: Any = None) -> tuple[Any, Any]:
        """(output, state after it)."""
        raise NotImplementedError(f"{type(self).__name__} must define apply(theta, state, x, *, training, key)")

    def __call__(self, theta: Any, x: Any, *, state: Any = None) -> Any:
        """The output for x as after training: nothing dropped, running statistics used as they are.

        A model with state, such as one with `BatchNorm`, needs what training left: ``model(theta, x, state=state)``.
        """
        return self.apply(theta, {} if state is None else state, x)[0]

    def settings(self) -> dict[str, Any]:
        """The arguments of the constructor that rebuild this layer, as plain data."""
        return {}

    @classmethod
    def from_settings(cls, settings: dict[str, Any]) -> Module:
        """The layer that has these `settings`."""
        return cls(**settings)

    def config(self) -> dict[str, Any]:
        """This layer as plain data that JSON can hold; `from_config` builds the same layer from it.

        Raises `NotDescribableError` where the layer, or a function in it, is not a built-in one.

        >>> from backpass.nn import Dense
        >>> Dense(8).config()
        {'type': 'Dense', 'units': 8, 'bias': True, 'init': 'glorot_uniform'}
        """
        name = type(self).__name__
        if BUILT_IN.get(name) is not type(self):
            raise NotDescribableError(
                f"{name} is a layer of your own, so a model that uses it is stored only as its graph: it can be loaded "
                f"and predict, but its layers cannot be rebuilt. Built in: {', '.join(BUILT_IN)}"
            )
        return {"type": name, **self.settings()}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in self.settings().items())})"


def built_in(layer: Layer) -> Layer:
    """Decorator: enter a layer into the vocabulary of `from_config`."""
    BUILT_IN[layer.__name__] = layer
    return layer


def from_config(config: Any) -> Any:
    """The layer or model that `Module.config` described. Raises `ModelFileError` for anything else.

    >>> from_config({"type": "Dense", "units": 8})
    Dense(units=8, bias=True, init='glorot_uniform')
    """
    if not isinstance(config, Mapping) or not isinstance(config.get("type"), str):
        raise ModelFileError(f"a layer is described by a dict with its 'type', got {config!r}")
    kind = config["type"]
    if kind not in BUILT_IN:
        raise ModelFileError(
            f"there is no built-in layer {kind!r}; this version has {', '.join(BUILT_IN)}. "
            "A newer backpass may have written the description."
        )
    try:
        return BUILT_IN[kind].from_settings({key: value for key, value in config.items() if key != "type"})
    except (TypeError, ValueError, RecursionError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"the description of a {kind} layer cannot be used: {error}") from error


def is_layer(value: Any) -> bool:
    """Does `value` have what a layer has? (A class does not: it is not an object of itself.)"""
    return (
        not isinstance(value, type)
        and callable(getattr(value, "init", None))
        and callable(getattr(value, "apply", None))
    )


def parameter_count(theta: Any) -> int:
    """How many numbers a θ holds.

    >>> parameter_count({"W": np.zeros((3, 4)), "b": np.zeros(4)})
    16
    """
    return sum(int(np.size(leaf)) for leaf in leaves_of(theta))
