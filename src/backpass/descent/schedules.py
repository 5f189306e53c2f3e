"""Schedules: the learning rate as a function of the step, counted from 0.

A schedule is a plain function of `step`, which may be a Python number, a NumPy scalar or a traced scalar; any other
callable of the step serves as well. Past its last step a schedule holds its final value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .hyperparameter import (
    HyperparameterError,
    call_text,
    count,
    fraction,
    learning_rate_of,
    not_negative,
    plain,
    positive,
)
from .optimizer import cast, rate_at


@dataclass(frozen=True, eq=False, repr=False)
class Schedule:
    """A named function of the step that can be shown and stored.

    >>> schedule = cosine(0.1, steps=100)
    >>> schedule
    cosine(learning_rate=0.1, steps=100, final=0.0)
    >>> [round(float(schedule(step)), 3) for step in (0, 50, 100, 101)]
    [0.1, 0.05, 0.0, 0.0]
    """

    name: str
    hyperparameters: dict[str, Any]
    rate: Callable[[Any], Any]

    def __call__(self, step: Any) -> Any:
        # Narrow steps would count in their own dtype: uint8 wraps around, and int8 / int8 is a float16.
        return self.rate(cast(step, np.dtype(np.float64)))

    def to_json(self) -> dict[str, Any]:
        """Name and hyperparameters as plain data; `schedule_named` builds the same schedule from it."""
        return {"name": self.name, **{key: plain(value) for key, value in self.hyperparameters.items()}}

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by name and hyperparameters, as optimisers are."""
        from .registry import SCHEDULES, schedule_named

        if self.name in SCHEDULES and self.rate.__module__.startswith("backpass."):
            return schedule_named, ({"name": self.name, **self.hyperparameters},)
        return Schedule, (self.name, self.hyperparameters, self.rate)

    def __repr__(self) -> str:
        return call_text(self.name, self.hyperparameters)


def constant(learning_rate: float) -> Schedule:
    """The same rate at every step: η(k) = η₀.

    >>> float(constant(0.1)(1000))
    0.1
    """
    rate = not_negative("learning_rate", learning_rate)
    return Schedule("constant", {"learning_rate": rate}, lambda step: rate)


def step_decay(learning_rate: float, every: int, factor: float = 0.1) -> Schedule:
    """A staircase: η(k) = η₀ · factor^⌊k / every⌋.

    Source: customary; as in He, Zhang, Ren & Sun, Deep Residual Learning, 2016, section 3.4 (factor 0.1).

    >>> schedule = step_decay(1.0, every=10, factor=0.5)
    >>> [float(schedule(step)) for step in (0, 9, 10, 20)]
    [1.0, 1.0, 0.5, 0.25]
    """
    settings = {
        "learning_rate": not_negative("learning_rate", learning_rate),
        "every": count("every", every),
        "factor": positive("factor", factor),
    }
    initial, width, ratio = settings.values()
    return Schedule("step_decay", settings, lambda step: initial * np.power(ratio, np.floor(step / width)))


def cosine(learning_rate: float, steps: int, final: float = 0.0) -> Schedule:
    """Half a cosine: η(k) = η₁ + (η₀ − η₁)·(1 + cos(π k / steps)) / 2, from η₀ to η₁ = `final` at step `steps`.

    Source: Loshchilov & Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2017, eq. 5, without restarts.

    >>> [round(float(cosine(1.0, steps=4, final=0.2)(step)), 6) for step in range(6)]
    [1.0, 0.882843, 0.6, 0.317157, 0.2, 0.2]
    """
    settings = {
        "learning_rate": not_negative("learning_rate", learning_rate),
        "steps": count("steps", steps),
        "final": not_negative("final", final),
    }
    initial, length, last = settings.values()
    return Schedule("cosine", settings, lambda step: _between(initial, last, _half_cosine(_progress(step, length))))


def warmup(schedule: Any, steps: int) -> Schedule:
    """A linear climb over the first `steps` steps, then `schedule` from its own beginning.

    η(k) = s(max(k − steps, 0)) · min((k + 1) / (steps + 1), 1): even step 0 moves θ, and step `steps` has all of s(0).
    `schedule` is a schedule, any callable of the step, or a number.

    Source: Goyal et al., Accurate, Large Minibatch SGD, 2017, section 2.2 (gradual warm-up).

    >>> schedule = warmup(cosine(1.0, steps=10), steps=4)
    >>> [round(float(schedule(step)), 3) for step in (0, 1, 3, 4, 9, 14)]
    [0.2, 0.4, 0.8, 1.0, 0.5, 0.0]
    """
    after = learning_rate_of(schedule)
    length = count("steps", steps)

    def rate(step: Any) -> Any:
        return rate_at(after, np.maximum(step - length, 0)) * np.minimum((step + 1) / (length + 1), 1.0)

    return Schedule("warmup", {"schedule": after, "steps": length}, rate)


def one_cycle(
    learning_rate: float,
    steps: int,
    *,
    rise: float = 0.3,
    start_divisor: float = 25.0,
    final_divisor: float = 1e4,
    shape: Literal["cosine", "linear"] = "cosine",
) -> Schedule:
    """One climb and one descent: η/`start_divisor` at step 0, η = `learning_rate` at step `rise`·`steps`, and
    η/(`start_divisor`·`final_divisor`) at step `steps`.

    Each flank is half a cosine, or straight with ``shape="linear"``.

    Source: Smith & Topin, Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates, 2018;
    the two cosine flanks and the defaults are those the field settled on (fastai, PyTorch's OneCycleLR). The paper
    also lowers the momentum while the rate is high; this schedule leaves it alone.

    >>> schedule = one_cycle(1.0, steps=100)
    >>> [round(float(schedule(step)), 6) for step in (0, 15, 30, 65, 100)]
    [0.04, 0.52, 1.0, 0.500002, 4e-06]
    """
    settings = {
        "learning_rate": not_negative("learning_rate", learning_rate),
        "steps": count("steps", steps),
        "rise": fraction("rise", positive("rise", rise)),
        "start_divisor": positive("start_divisor", start_divisor),
        "final_divisor": positive("final_divisor", final_divisor),
        "shape": shape,
    }
    if shape not in ("cosine", "linear"):
        raise HyperparameterError(f"shape is {shape!r}; it must be 'cosine' or 'linear'")
    peak, length = settings["learning_rate"], settings["steps"]
    start = peak / settings["start_divisor"]
    final = start / settings["final_divisor"]
    top = settings["rise"] * length
    flank = _half_cosine if shape == "cosine" else _straight

    def rate(step: Any) -> Any:
        up = _between(start, peak, flank(_progress(step, top)))
        down = _between(peak, final, flank(_progress(step - top, length - top)))
        return np.where(step < top, up, down)

    return Schedule("one_cycle", settings, rate)


def _progress(step: Any, length: float) -> Any:
    """How much of `length` has passed: 0 before it, 1 after it."""
    return np.minimum(np.maximum(step / length, 0.0), 1.0)


def _half_cosine(progress: Any) -> Any:
    return (1 - np.cos(np.pi * progress)) / 2


def _straight(progress: Any) -> Any:
    return progress


def _between(first: float, last: float, progress: Any) -> Any:
    """From `first` to `last`; in this form both ends are exact."""
    return first * (1 - progress) + last * progress
