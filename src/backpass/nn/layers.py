"""Layers: Dense, Dropout, Embedding, Flatten, and functions as layers. N counts the examples of a batch."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..descent.hyperparameter import HyperparameterError, count, fraction
from ..graph.errors import DtypeError, ShapeError
from ..graph.pytree import tree_map
from ..partials.indexing import take
from ..partials.random import random_bits
from .activations import ACTIVATIONS
from .initialisers import INITIALISERS, glorot_uniform, normal, zeros
from .module import Module, built_in, is_layer
from .named import NotDescribableError, description_of, function_of, name_of


@built_in
class Dense(Module):
    """z = x W + b: every output is a weighted sum of every input.

    x has shape (..., inputs), z (..., units); θ holds W (inputs, units) and b (units,), in the dtype of the x that
    `init` saw. `init` is an initialiser for W, by name, as a function or by a dict with settings; b starts at 0. Left
    out, it is `glorot_uniform`, or inside `Sequential` the one that suits the activation that follows
    (`initialiser_before`).

    Raises `DtypeError` when made for an x of whole numbers, `ShapeError` for an x of another width.

    >>> layer = Dense(2)
    >>> theta, state = layer.init(0, np.zeros((1, 3), np.float32))
    >>> layer(theta, np.ones((4, 3), np.float32)).shape
    (4, 2)
    """

    def __init__(self, units: int, bias: bool = True, init: Any = None):
        self.units = count("units", units)
        self.bias = bool(bias)
        self.chosen = init is not None
        self.initialiser = glorot_uniform if init is None else function_of(init, INITIALISERS, "initialiser")

    def with_initialiser(self, initialiser: Any) -> Dense:
        """The same layer with another initialiser."""
        return Dense(self.units, self.bias, initialiser)

    def init(self, rng: np.random.Generator | int, x: np.ndarray) -> tuple[Any, Any]:
        need_floating(self, x)
        if x.ndim < 2:
            raise ShapeError(
                f"{self!r} takes a batch of shape (N, ..., features), got shape {x.shape}; use x[:, None]?"
            )
        rng = np.random.default_rng(rng)
        theta = {"W": self.initialiser(rng, (x.shape[-1], self.units), x.dtype)}
        if self.bias:
            theta["b"] = zeros(rng, (self.units,), x.dtype)
        return theta, {}

    def apply(self, theta: Any, state: Any, x: Any, *, training: bool = False, key: Any = None) -> tuple[Any, Any]:
        if x.shape[-1:] != theta["W"].shape[:1]:
            raise ShapeError(
                f"{self!r}: x has {x.shape[-1] if x.shape else 'no'} features and W takes {theta['W'].shape[0]}\n"
                f"    x: shape {x.shape}\n    W: shape {theta['W'].shape}"
            )
        if self.bias:
            z = x @ theta["W"] + theta["b"]
        else:
            z = x @ theta["W"]
        return z, state

    def settings(self) -> dict[str, Any]:
        return {
            "units": self.units,
            "bias": self.bias,
            "init": description_of(self.initialiser, INITIALISERS, "initialiser"),
        }

    def __repr__(self) -> str:
        name = name_of(self.initialiser, INITIALISERS) or getattr(self.initialiser, "__name__", "...")
        return f"Dense(units={self.units}, bias={self.bias}, init={name!r})"


@built_in
class Dropout(Module):
    """In training each entry becomes 0 with probability `rate`, and the others are divided by 1 − rate; else y = x.

    The division keeps the mean, so that nothing needs to be scaled after training ("inverted" dropout). Needs `key` in
    training. Every entry is decided by its own 32 random bits, so that the true rate is `rate` to within 2⁻³³.

    Source: Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov, Dropout, JMLR 2014.

    >>> from backpass.nn import make_key
    >>> y, _ = Dropout(0.5).apply({}, {}, np.ones((2, 4)), training=True, key=make_key(0))
    >>> y
    array([[0., 2., 2., 2.],
           [2., 0., 2., 0.]])
    """

    def __init__(self, rate: float = 0.5):
        self.rate = fraction("rate", rate)

    def init(self, rng: np.random.Generator | int, x: np.ndarray) -> tuple[Any, Any]:
        need_floating(self, x)
        return {}, {}

    def apply(self, theta: Any, state: Any, x: Any, *, training: bool = False, key: Any = None) -> tuple[Any, Any]:
        if not training or self.rate == 0:
            return x, state
        if key is None:
            raise HyperparameterError(
                f"{self!r} draws random numbers in training: pass key=backpass.nn.make_key(seed, step)"
            )
        kept = random_bits(key, x.shape) >= min(round(self.rate * 2**32), 2**32 - 1)
        return np.where(kept, x * (1.0 / (1.0 - self.rate)), 0.0), state

    def settings(self) -> dict[str, Any]:
        return {"rate": self.rate}


@built_in
class Embedding(Module):
    """A row of numbers for each of `vocabulary` categories or tokens: y = table[x].

    x holds whole numbers from 0 to vocabulary − 1, of any shape; y has one more axis, of length `width`. θ holds
    table (vocabulary, width), of `dtype`. `init` is as in `Dense`; left out, it is `normal` with std = 1/√width, which
    makes rows of length 1.

    Raises `DtypeError` for an x that is not whole numbers, `ShapeError` for numbers outside the vocabulary.

    >>> layer = Embedding(10, 4)
    >>> theta, state = layer.init(0, np.array([[1, 2]]))
    >>> layer(theta, np.array([[3, 3, 9]])).shape
    (1, 3, 4)
    """

    def __init__(self, vocabulary: int, width: int, init: Any = None, dtype: Any = "float32"):
        self.vocabulary = count("vocabulary", vocabulary)
        self.width = count("width", width)
        self.initialiser = (
            partial(normal, std=1.0 / math.sqrt(self.width))
            if init is None
            else function_of(init, INITIALISERS, "initialiser")
        )
        self.dtype = np.dtype(dtype)
        if self.dtype.kind != "f":
            raise DtypeError(
                f"dtype is {self.dtype}; a table that learns holds floating-point numbers, such as float32"
            )

    def init(self, rng: np.random.Generator | int, x: np.ndarray) -> tuple[Any, Any]:
        self._check(x)
        rng = np.random.default_rng(rng)
        return {"table": self.initialiser(rng, (self.vocabulary, self.width), self.dtype)}, {}

    def apply(self, theta: Any, state: Any, x: Any, *, training: bool = False, key: Any = None) -> tuple[Any, Any]:
        self._check(x)
        return take(theta["table"], x, axis=0), state

    def _check(self, x: Any) -> None:
        if x.dtype.kind not in "iu":
            raise DtypeError(f"{self!r} takes whole numbers, got {x.dtype}; if they are whole, use x.astype(np.int64)")
        if isinstance(x, np.ndarray) and x.size and (x.min() < 0 or x.max() >= self.vocabulary):
            wrong = int(x.min() if x.min() < 0 else x.max())
            raise ShapeError(f"{self!r}: x holds {wrong}; its rows are numbered from 0 to {self.vocabulary - 1}")

    def settings(self) -> dict[str, Any]:
        return {
            "vocabulary": self.vocabulary,
            "width": self.width,
            "init": description_of(self.initialiser, INITIALISERS, "initialiser"),
            "dtype": self.dtype.name,
        }

    def __repr__(self) -> str:
        return f"Embedding(vocabulary={self.vocabulary}, width={self.width})"


@built_in
class Flatten(Module):
    """(N, ...) becomes (N, product of the rest).

    >>> Flatten()({}, np.zeros((5, 8, 8))).shape
    (5, 64)
    """

    def apply(self, theta: Any, state: Any, x: Any, *, training: bool = False, key: Any = None) -> tuple[Any, Any]:
        return x.reshape((x.shape[0], math.prod(x.shape[1:]))), state


@built_in
class Activation(Module):
    """A built-in activation by name, with its settings: ``Activation("leaky_relu", slope=0.2)``.

    `Sequential` makes one by itself of ``"relu"``, of the function `relu`, and of ``partial(leaky_relu, slope=0.2)``.

    >>> Activation("relu")({}, np.array([-1.0, 1.0]))
    array([0., 1.])
    """

    def __init__(self, name: Any, **settings: Any):
        self.function = function_of(
            {"name": name, **settings} if isinstance(name, str) else name, ACTIVATIONS, "activation"
        )
        described = description_of(self.function, ACTIVATIONS, "activation")
        self._settings = {"name": described} if isinstance(described, str) else described
        self.name = self._settings["name"]

    def apply(self, theta: Any, state: Any, x: Any, *, training: bool = False, key: Any = None) -> tuple[Any, Any]:
        return self.function(x), state

    def settings(self) -> dict[str, Any]:
        return dict(self._settings)


class Function(Module):
    """A plain function as a layer or a model: ``f(x)``, or ``f(theta, x)`` when `theta` is given.

    `theta` is the pytree to start from, or a function ``(rng, x) -> theta`` that makes it.

    >>> line = Function(lambda theta, x: x * theta["slope"] + theta["shift"], {"slope": 2.0, "shift": 1.0})
    >>> theta, state = line.init(0, np.zeros(1))
    >>> line(theta, np.array([0.0, 1.0]))
    array([1., 3.])
    """

    def __init__(self, function: Callable[..., Any], theta: Any = None):
        self.function = function
        self.theta = theta

    def init(self, rng: np.random.Generator | int, x: np.ndarray) -> tuple[Any, Any]:
        theta = self.theta(np.random.default_rng(rng), x) if callable(self.theta) else self.theta
        return {} if theta is None else tree_map(np.array, theta), {}

    def apply(self, theta: Any, state: Any, x: Any, *, training: bool = False, key: Any = None) -> tuple[Any, Any]:
        return (self.function(x) if self.theta is None else self.function(theta, x)), state

    def config(self) -> dict[str, Any]:
        raise NotDescribableError(
            f"{self!r} holds a function of your own, so a model that uses it is stored only as its graph: it can "
            "be loaded and predict, but its layers cannot be rebuilt. Only those of backpass.nn can"
        )

    def __repr__(self) -> str:
        return f"Function({getattr(self.function, '__name__', self.function)})"


def as_layer(value: Any) -> Any:
    """`value` as a layer: what has `init` and `apply` as it is, activations by name or function, plain functions of x.

    >>> as_layer(np.tanh), as_layer("relu"), as_layer(np.sin)
    (Activation(name='tanh'), Activation(name='relu'), Function(sin))
    """
    if is_layer(value):
        return value
    if isinstance(value, type):
        raise HyperparameterError(f"{value.__name__} is a class, a layer is an object: write {value.__name__}(...)")
    if isinstance(value, str):
        return Activation(value)
    if not callable(value):
        raise HyperparameterError(
            f"{value!r} is no layer: a layer has init(rng, x) and apply(theta, state, x, *, training, key), or is a "
            f"function of x, or names an activation ({', '.join(ACTIVATIONS)})"
        )
    try:
        return Activation(value)
    except NotDescribableError:
        pass
    needed = _required_arguments(value)
    if needed > 1:
        name = getattr(value, "__name__", repr(value))
        raise HyperparameterError(
            f"{name} takes {needed} arguments, a layer's function takes x alone; for a model(theta, x) of your own, "
            f"give the theta that it starts from: backpass.nn.Function({name}, theta)"
        )
    return Function(value)


def need_floating(layer: Any, x: Any) -> None:
    """Refuse whole numbers where a layer's θ takes its dtype from x."""
    if x.dtype.kind != "f":
        raise DtypeError(
            f"{layer!r} takes floating-point numbers, got {x.dtype}; use x.astype(np.float32), "
            "or Embedding for the numbers of categories"
        )


def _required_arguments(function: Callable[..., Any]) -> int:
    """How many positional arguments a call must give; 1 where Python cannot tell (ufuncs, builtins)."""
    if isinstance(function, np.ufunc):
        return function.nin
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 1
    return sum(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
