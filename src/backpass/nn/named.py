"""Functions by name: how an activation, an initialiser or a loss is written in a model file and on the command line.

A function of a table is named by a string, ``"relu"``; with settings by a dict, ``{"name": "huber", "delta": 2.0}``; in
code it is the function itself, or ``functools.partial(huber, delta=2.0)``. `function_of` reads any of these,
`description_of` writes the first two. What is in no table (a lambda, a function of one's own) can be used but not
written.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import partial
from typing import Any

import numpy as np

from ..graph.errors import BackpassError

Table = Mapping[str, Callable[..., Any]]


class UnknownNameError(BackpassError, ValueError):
    """No built-in function has this name, or it lacks this setting."""


class NotDescribableError(BackpassError, TypeError):
    """A model holds code of its own, so data alone cannot describe how to rebuild its layers."""


def function_of(spec: Any, table: Table, kind: str) -> Callable[..., Any]:
    """The function that `spec` names: a name, or a dict with ``"name"`` and settings; a callable is returned as it is.

    Raises `UnknownNameError`, listing what there is, for a name or a setting that `table` does not know.

    >>> from backpass.nn.activations import ACTIVATIONS
    >>> function_of({"name": "leaky_relu", "slope": 0.5}, ACTIVATIONS, "activation")(np.array([-4.0, 4.0]))
    array([-2.,  4.])
    """
    if callable(spec):
        return spec
    stored = {"name": spec} if isinstance(spec, str) else spec
    if not isinstance(stored, Mapping) or not isinstance(stored.get("name"), str):
        raise UnknownNameError(f"{spec!r} names no {kind}; pass one of {', '.join(table)}, or a function")
    settings = {key: value for key, value in stored.items() if key != "name"}
    name = stored["name"]
    if name not in table:
        raise UnknownNameError(f"there is no {kind} {name!r};{_nearest(name, table)} there are {', '.join(table)}")
    known = settings_of(table[name])
    for key in settings:
        if key not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise UnknownNameError(f"{kind} {name!r} has no setting {key!r};{_nearest(key, known)} {has}")
    return partial(table[name], **settings) if settings else table[name]


def description_of(function: Callable[..., Any], table: Table, kind: str) -> str | dict[str, Any]:
    """The name of a function in `table`, or its name with the settings that a ``functools.partial`` fixes.

    Raises `NotDescribableError` for any other function.

    >>> from backpass.nn.activations import ACTIVATIONS, relu
    >>> description_of(relu, ACTIVATIONS, "activation")
    'relu'
    """
    name = name_of(function, table)
    if name is None:
        raise NotDescribableError(
            f"{getattr(function, '__name__', function)!r} is no built-in {kind}, so a model that uses it is stored "
            "only as its graph: it can be loaded and predict, but its layers cannot be rebuilt. Built in: "
            + ", ".join(table)
        )
    settings = function.keywords if isinstance(function, partial) else {}
    return {"name": name, **settings} if settings else name


def name_of(function: Callable[..., Any], table: Table) -> str | None:
    """The name of a function, or of a ``functools.partial`` of one by keywords, in `table`; None where it has none."""
    if isinstance(function, partial):
        return None if function.args else name_of(function.func, table)
    return next((name for name, known in table.items() if known is function), None)


def settings_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The settings of a function and their defaults: its parameters that have one, but for those of a single call."""
    if isinstance(function, np.ufunc):
        return {}
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty and p.name not in PER_CALL}


PER_CALL = ("dtype", "weight")
"""Parameters that belong to a call and not to the function: an array's dtype, the weights of a batch."""


def _nearest(word: str, table: Mapping[str, Any]) -> str:
    close = get_close_matches(word, list(table), n=1)
    return f" did you mean {close[0]!r}?" if close else ""
