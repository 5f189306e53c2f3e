"""Optimisers and schedules by name: what the command line, `fit` and stored runs look up."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from . import first_order, schedules
from .clipping import clip
from .hyperparameter import HyperparameterError
from .optimizer import Optimizer
from .schedules import Schedule

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": first_order.sgd,
    "momentum": first_order.momentum,
    "nesterov": first_order.nesterov,
    "adagrad": first_order.adagrad,
    "rmsprop": first_order.rmsprop,
    "adam": first_order.adam,
    "adamw": first_order.adamw,
}
"""Every first-order optimiser, by the name a person types; the first line of each docstring is its help text."""

SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": schedules.constant,
    "step_decay": schedules.step_decay,
    "cosine": schedules.cosine,
    "warmup": schedules.warmup,
    "one_cycle": schedules.one_cycle,
}
"""Every schedule, by the name a person types."""


def named(spec: str | Mapping[str, Any] | Optimizer, **hyperparameters: Any) -> Optimizer:
    """The optimiser that `spec` names: a name, a dict from `Optimizer.to_json`, or an optimiser (returned as it is).

    Hyperparameters that are None keep their defaults. Raises `HyperparameterError` for an unknown name (it lists the
    known ones) or a hyperparameter that the optimiser does not have.

    >>> named("sgd", learning_rate=0.5, weight_decay=None)
    sgd(learning_rate=0.5, weight_decay=0.0)
    >>> named({"name": "sgd", "learning_rate": {"name": "cosine", "learning_rate": 0.1, "steps": 10}})
    sgd(learning_rate=cosine(learning_rate=0.1, steps=10, final=0.0), weight_decay=0.0)
    """
    if isinstance(spec, Optimizer):
        if any(value is not None for value in hyperparameters.values()):
            raise HyperparameterError(f"{spec!r} has its hyperparameters already; pass the new ones to its factory")
        return spec
    name, settings = _read(spec, hyperparameters, "optimizer")
    if name == "lbfgs":
        raise HyperparameterError(
            "lbfgs is no step rule: its line search evaluates the whole loss several times a step. "
            "Call backpass.descent.lbfgs(value_and_grad, theta), or choose one of " + ", ".join(OPTIMIZERS)
        )
    if isinstance(settings.get("learning_rate"), Mapping):
        settings["learning_rate"] = schedule_named(settings["learning_rate"])
    if name == "clip":
        return clip(named(settings.pop("optimizer")), **settings)
    return _build(OPTIMIZERS, "optimizer", name, settings)


def schedule_named(spec: str | Mapping[str, Any] | Schedule, **hyperparameters: Any) -> Schedule:
    """The schedule that `spec` names: a name, a dict from `Schedule.to_json`, or a schedule (returned as it is).

    >>> schedule_named("cosine", learning_rate=0.1, steps=10)
    cosine(learning_rate=0.1, steps=10, final=0.0)
    >>> schedule_named("cosin", learning_rate=0.1, steps=10)
    Traceback (most recent call last):
        ...
    backpass.descent.hyperparameter.HyperparameterError: there is no schedule 'cosin'; did you mean 'cosine'? ...
    """
    if isinstance(spec, Schedule):
        return spec
    name, settings = _read(spec, hyperparameters, "schedule")
    if isinstance(settings.get("schedule"), Mapping):
        settings["schedule"] = schedule_named(settings["schedule"])
    return _build(SCHEDULES, "schedule", name, settings)


def _read(spec: Any, hyperparameters: Mapping[str, Any], kind: str) -> tuple[str, dict[str, Any]]:
    """(name, settings) of a name or a stored dict; what the caller gives by keyword wins."""
    stored = {"name": spec} if isinstance(spec, str) else spec
    if not isinstance(stored, Mapping) or not isinstance(stored.get("name"), str):
        raise HyperparameterError(f"{spec!r} names no {kind}; pass a name such as {_example(kind)!r}")
    settings = {**stored, **{key: value for key, value in hyperparameters.items() if value is not None}}
    return settings.pop("name"), settings


def _build(table: Mapping[str, Callable[..., Any]], kind: str, name: str, settings: dict[str, Any]) -> Any:
    if name not in table:
        raise HyperparameterError(f"there is no {kind} {name!r};{_nearest(name, table)} There are: {', '.join(table)}")
    known = inspect.signature(table[name]).parameters
    for key in settings:
        if key not in known:
            raise HyperparameterError(
                f"{name} has no hyperparameter {key!r};{_nearest(key, known)} It has: {', '.join(known)}"
            )
    missing = [key for key, parameter in known.items() if parameter.default is parameter.empty and key not in settings]
    if missing:
        raise HyperparameterError(f"{name} needs {' and '.join(missing)}: {name}{inspect.signature(table[name])}")
    return table[name](**settings)


def _nearest(word: str, table: Mapping[str, Any]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(word, list(table), n=1)
    return f" did you mean {close[0]!r}?" if close else ""


def _example(kind: str) -> str:
    return "adam" if kind == "optimizer" else "cosine"
