"""`Structure`: all of a training that is not a number: traced once, compiled once, and shared by fits that are alike.

What changes from fit to fit of one structure, as in a cross-validation or a grid of learning rates and penalties, is
data, θ, or a number in the state: the strength of the penalty and the scale of y lie beside the layers' own state, the
learning rate lies in the optimiser's memory.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple

import numpy as np

from backpass.chain.derivatives import value_and_grad
from backpass.descent.optimizer import Optimizer
from backpass.descent.registry import named
from backpass.descent.steered import steered
from backpass.graph.aval import Aval
from backpass.graph.errors import DataError, ShapeError
from backpass.graph.program import Graph
from backpass.graph.pytree import leaves_of
from backpass.graph.staging import Compiled, trace
from backpass.native.compile import compile
from backpass.nn.losses import LOSSES, cross_entropy, loss_of
from backpass.nn.module import is_layer
from backpass.nn.named import name_of
from backpass.nn.sequential import mlp
from backpass.train.loop import training_step
from backpass.train.model import CHUNK

from .target import shares

SCALED = ("squared_error", "absolute_error", "quantile")
"""Losses for which y may be brought to variance 1: that only divides them by a number."""


LINKS: dict[str, Callable[[Any], Any]] = {
    "scores": lambda z: z,
    "score": lambda z: z[:, 0],
    "probabilities": shares,
    "rates": np.exp,
    "rate": lambda z: np.exp(z[:, 0]),
}
"""What is made of outputs (N, k), by what it is called; "score" and "rate" are one number a row."""


class Design(NamedTuple):
    """What decides how a network is trained, but for numbers that may differ without another program."""

    inputs: int
    hidden: tuple[int, ...]
    outputs: int
    activation: Hashable
    dropout: float
    batch_norm: bool
    network: Any
    """A network of the user's own, in place of the four before."""
    loss: Hashable
    kind: str
    """See `target.KINDS`."""
    cuts: tuple[int, ...]
    rule: Hashable
    """The optimiser: (name, settings), or one of the user's own."""
    steered: bool
    """Is the learning rate set from epoch to epoch, not a schedule of the step?"""
    weighted: bool
    by_batch: bool
    """Is the penalty divided by the weights of each batch?"""
    smoothing: float
    """Label smoothing: of the loss that is descended, not of that which is watched."""
    dtype: str


class Structure:
    """A design with its network and its functions: the training step, the loss alone, predictions."""

    def __init__(self, design: Design):
        self.design = design
        self.network = _network(design)
        self.loss = thawed(design.loss)
        self.optimizer = _optimizer(design.rule, design.steered)
        self.step = Compiled(training_step(self.objective, self.optimizer))
        self.whole = compile(value_and_grad(self._whole))
        """(θ, state, *rows) → the loss of all rows and its gradient."""
        self.judge = Compiled(self._judged)
        """(θ, state, *rows) → the loss without the penalty, and the network's outputs."""
        self._predictions: dict[str, Graph] = {}

    def init(self, seed: int, state: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """(θ, state) to start from; `state` holds the numbers beside the layers' own."""
        x = np.zeros((2, self.design.inputs), self.design.dtype)
        theta, layers = self.network.init(np.random.default_rng(seed), x)
        output = np.shape(self.network.apply(theta, layers, x)[0])
        wanted = (2, self.design.outputs)
        if output != wanted and not (output == (2,) and self.design.outputs == 1):
            raise ShapeError(
                f"the network must give {wanted[1]} numbers a row, shape (N, {wanted[1]}), for this y; for two rows it "
                f"gives shape {output}. Make its last layer Dense({wanted[1]})"
            )
        return theta, {"layers": layers, **state}

    # ---- functions that are traced
    def objective(self, theta: Any, state: Any, key: Any, *rows: Any) -> Any:
        """The loss of a batch with its penalty, as a step descends it."""
        output, layers = self.network.apply(theta, state["layers"], rows[0], training=True, key=key)
        return self._descended(output, theta, state, *rows[1:]), {**state, "layers": layers}

    def as_predicted(self, theta: Any, state: Any, *rows: Any) -> Any:
        """The loss with its penalty, of a network that drops nothing and holds its means and variances."""
        output = self.network.apply(theta, state["layers"], rows[0])[0]
        return self._descended(output, theta, state, *rows[1:])

    def _whole(self, theta: Any, state: Any, *rows: Any) -> Any:
        return self.objective(theta, state, None, *rows)[0]

    def _judged(self, theta: Any, state: Any, *rows: Any) -> Any:
        output = self.network.apply(theta, state["layers"], rows[0])[0]
        return self._loss(output, state, *rows[1:]), self._in_two(output)

    def _in_two(self, output: Any) -> Any:
        return output if output.ndim == 2 else output[:, None]

    def _descended(self, output: Any, theta: Any, state: Any, y: Any, *weight: Any) -> Any:
        smoothing = {"label_smoothing": self.design.smoothing} if self.design.smoothing else {}
        return self._loss(output, state, y, *weight, **smoothing) + self._penalty(theta, state, *weight)

    def _loss(self, output: Any, state: Any, y: Any, weight: Any = None, **options: Any) -> Any:
        if weight is not None:
            options["weight"] = weight
        output = self._in_two(output)
        if self.design.kind == "several":
            parts = np.split(output, list(self.design.cuts), axis=1)
            return sum(cross_entropy(part, y[:, k], **options) for k, part in enumerate(parts)) / len(parts)
        if self.design.kind == "numbers":
            output = output * state["scale"] + state["shift"]
        if self.design.outputs == 1:
            output = output[:, 0]
        value = self.loss(output, y, **options)
        # Half the square, as scikit-learn has it: a penalty then weighs the same beside it.
        return 0.5 * value if name_of(self.loss, LOSSES) == "squared_error" else value

    def _penalty(self, theta: Any, state: Any, weight: Any = None) -> Any:
        """½ λ ‖W‖² over the weights, not the biases."""
        total = sum(np.sum(np.square(leaf)) for leaf in leaves_of(theta) if leaf.ndim > 1)
        strength = state["penalty"]
        if self.design.by_batch and weight is not None:
            summed = np.sum(weight)
            strength = strength / np.where(summed > 0, summed, 1.0)
        return 0.5 * strength * total

    # ---- predictions
    def prediction(self, theta: Any, state: Any, link: str = "scores") -> Graph:
        """``(theta, state, x) → LINKS[link] of the outputs`` for x of raw values, in float64; see `Model.graph`."""
        if link not in self._predictions:
            x = Aval((CHUNK, self.design.inputs), np.dtype(np.float64))

            def predict(theta: Any, state: Any, x: Any) -> Any:
                return LINKS[link](self._outputs(theta, state, x))

            self._predictions[link] = trace(predict, theta, state, x)
        return self._predictions[link]

    def _outputs(self, theta: Any, state: Any, x: Any) -> Any:
        x = ((x - state["x_shift"]) / state["x_scale"]).astype(self.design.dtype)
        output = self._in_two(self.network.apply(theta, state["layers"], x)[0]).astype(np.float64)
        if self.design.kind == "numbers":
            output = output * state["y_scale"] + state["y_shift"]
        return output


def structure_of(design: Design) -> Structure:
    """The structure of a design: the one that was made before, where the design can be looked up."""
    try:
        return _remembered(design)
    except TypeError:  # an object of the user's own that has no hash
        return Structure(design)


@functools.lru_cache(maxsize=64)
def _remembered(design: Design) -> Structure:
    return Structure(design)


# ---- designs hold nothing that can change


def frozen(spec: Any) -> Any:
    """A name, or a function with its settings, as something that can be looked up.

    >>> frozen({"name": "huber", "delta": 2.0})
    ('spec', (('delta', 2.0), ('name', 'huber')))
    """
    if isinstance(spec, Mapping):
        return ("spec", tuple(sorted((key, frozen(value)) for key, value in spec.items())))
    if isinstance(spec, functools.partial) and not spec.args:
        return ("partial", spec.func, tuple(sorted(spec.keywords.items())))
    return spec


def thawed(spec: Any) -> Any:
    """The loss that `frozen` was given; ``None`` for that of several columns of classes."""
    if spec is None:
        return None
    return loss_of(plainly(spec))


def plainly(spec: Any) -> Any:
    """What `frozen` was given."""
    if isinstance(spec, tuple) and spec and spec[0] == "spec":
        return {key: plainly(value) for key, value in spec[1]}
    if isinstance(spec, tuple) and spec and spec[0] == "partial":
        return functools.partial(spec[1], **dict(spec[2]))
    return spec


def _network(design: Design) -> Any:
    if design.network is not None:
        if not is_layer(design.network):
            raise DataError(
                f"network must be a layer or a model of bp.nn, with init and apply; got {design.network!r:.80}"
            )
        return design.network
    return mlp(
        [*design.hidden, design.outputs],
        plainly(design.activation),
        dropout=design.dropout,
        batch_norm=design.batch_norm,
    )


def _optimizer(rule: Any, is_steered: bool) -> Optimizer:
    if isinstance(rule, Optimizer):
        return rule
    name, settings = rule
    fixed = {key: plainly(value) for key, value in settings}
    if not is_steered:
        return named(name, **fixed)
    return steered(lambda rate: named(name, learning_rate=rate, **fixed), 0.001)


def takes_weights(loss: Any) -> bool:
    """May a loss be called with weight=?"""
    try:
        parameters = inspect.signature(loss).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.name == "weight" or p.kind is p.VAR_KEYWORD for p in parameters)


__all__ = ["SCALED", "Design", "Structure", "frozen", "plainly", "structure_of", "takes_weights", "thawed"]
