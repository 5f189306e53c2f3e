"""`steered`: an optimiser whose learning rate lies in its memory, where it can be changed between steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .hyperparameter import not_negative
from .optimizer import Optimizer

RATE = "learning_rate"
"""Where the rate lies in the memory."""


def steered(make: Callable[[Any], Optimizer], learning_rate: float) -> Optimizer:
    """The optimiser ``make(rate)``, with the rate taken from its state, where it is `learning_rate` at first.

    A schedule is a function of the step and part of the step's program. This rate is a number beside θ: whoever takes
    the steps may set it by what came of earlier ones, and the program of one rate is that of every other.

    >>> from backpass.descent import sgd
    >>> rule = steered(sgd, 0.5)
    >>> theta = np.array([1.0])
    >>> state = rule.init(theta)
    >>> theta, state = rule.update(theta, np.array([1.0]), state, 0)
    >>> state["learning_rate"] = np.float64(0.25)
    >>> rule.update(theta, np.array([1.0]), state, 1)[0]
    array([0.25])
    """
    rate = not_negative("learning_rate", learning_rate)

    def init(theta: Any) -> dict[str, Any]:
        return {RATE: np.float64(rate), "memory": make(rate).init(theta)}

    def update(theta: Any, grad: Any, state: Any, step: Any) -> tuple[Any, Any]:
        theta, memory = make(state[RATE]).update(theta, grad, state["memory"], step)
        return theta, {RATE: state[RATE], "memory": memory}

    return Optimizer("steered", {"optimizer": make(rate)}, init, update)


def steers(optimizer: Optimizer) -> bool:
    """Does this optimiser's rate lie in its memory?"""
    return optimizer.name == "steered"
