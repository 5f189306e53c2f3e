"""Hyperparameters: the numbers a person sets by hand, checked where they are given rather than where they go wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np

from ..graph.errors import BackpassError


class HyperparameterError(BackpassError, ValueError):
    """A hyperparameter has a value, or a name, that cannot be used."""


def not_negative(name: str, value: Any) -> float:
    """`value` as a float, refused unless it is finite and 0 or above.

    >>> not_negative("weight_decay", 1)
    1.0
    """
    return _checked(name, value, lambda number: number >= 0, "0 or above")


def positive(name: str, value: Any) -> float:
    """`value` as a float, refused unless it is finite and above 0.

    >>> positive("epsilon", -1e-8)
    Traceback (most recent call last):
        ...
    backpass.descent.hyperparameter.HyperparameterError: epsilon is -1e-08; it must be a finite number above 0
    """
    return _checked(name, value, lambda number: number > 0, "above 0")


def fraction(name: str, value: Any) -> float:
    """`value` as a float, refused unless 0 <= value < 1."""
    return _checked(name, value, lambda number: 0 <= number < 1, "from 0 up to, but not including, 1")


def count(name: str, value: Any) -> int:
    """`value` as an int, refused unless it is a whole number of at least 1."""
    whole = isinstance(value, Real) and math.isfinite(value) and float(value).is_integer()
    if not whole or value < 1:
        raise HyperparameterError(f"{name} is {value!r}; it must be a whole number, 1 or above")
    return int(float(value))


def _checked(name: str, value: Any, accepts: Callable[[float], bool], words: str) -> float:
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if not isinstance(value, Real) or not math.isfinite(value) or not accepts(float(value)):
        raise HyperparameterError(f"{name} is {value!r}; it must be a finite number {words}")
    # A Python float is weak in NumPy's promotion, so it leaves float32 arrays float32; a np.float64 would not.
    return float(value)


def learning_rate_of(value: Any) -> Any:
    """A learning rate as optimisers keep it: a float, a schedule (any callable of the step), or a traced scalar."""
    if callable(value):
        return value
    if not isinstance(value, (Real, np.ndarray)) and getattr(value, "shape", None) == ():
        return value  # traced: its value may not exist yet, and a derivative may be wanted through it
    return not_negative("learning_rate", value)


def plain(value: Any) -> Any:
    """A hyperparameter as JSON can hold it: optimisers and schedules as their own dicts, other callables by name."""
    if hasattr(value, "to_json"):
        return value.to_json()
    if callable(value):
        return {"name": getattr(value, "__qualname__", type(value).__name__)}
    return value


def call_text(name: str, hyperparameters: dict[str, Any]) -> str:
    """How a person would type it: ``adam(learning_rate=0.001, ...)``."""
    shown = (f"{key}={_text(value)}" for key, value in hyperparameters.items())
    return f"{name}({', '.join(shown)})"


def _text(value: Any) -> str:
    if callable(value) and not hasattr(value, "to_json"):
        return plain(value)["name"]
    return repr(value)
