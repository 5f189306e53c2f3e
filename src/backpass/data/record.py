"""Frozen dataclasses to JSON and back, checked field by field: a model file is data from a stranger."""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from typing import Any, TypeVar

from backpass.graph.errors import ModelFileError

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """A dataclass (or a tuple, dict or scalar in one) as dicts, lists, numbers, texts and booleans.

    >>> to_plain((1, "a", {"k": (2.5,)}))
    [1, 'a', {'k': [2.5]}]
    """
    if dataclasses.is_dataclass(value):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    return value


def from_plain(cls: type[T], data: Any, where: str) -> T:
    """The dataclass that `to_plain` wrote; ModelFileError names the first field that is missing, unknown or of a wrong
    type.

    >>> @dataclasses.dataclass(frozen=True)
    ... class Point:
    ...     x: float
    >>> from_plain(Point, {"x": 2}, "point")
    Point(x=2.0)
    >>> from_plain(Point, {"x": "2"}, "point")
    Traceback (most recent call last):
        ...
    backpass.graph.errors.ModelFileError: the model file is damaged: point.x should be a finite number, and is '2'
    """
    if not isinstance(data, dict):
        raise damaged(where, "an object", data)
    names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    unknown = sorted(str(key) for key in set(data) - set(names))
    absent = [name for name in names if name not in data]
    if unknown or absent:
        what = f"lacks '{absent[0]}'" if absent else f"has an unknown field '{unknown[0]}'"
        raise ModelFileError(f"the model file is damaged, or from a newer version: {where} {what}")
    hints = _hints(cls)
    return cls(**{name: _checked(hints[name], data[name], f"{where}.{name}") for name in names})


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def damaged(where: str, expected: str, found: Any) -> ModelFileError:
    """The error for a value in a model file that cannot be what was written."""
    shown = repr(found)
    shown = shown if len(shown) < 60 else f"{shown[:57]}..."
    return ModelFileError(f"the model file is damaged: {where} should be {expected}, and is {shown}")


def _checked(hint: Any, value: Any, where: str) -> Any:
    """The value if it is of the annotated type (lists become tuples), else a ModelFileError."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        if isinstance(value, str) and value in arguments:
            return value
        raise damaged(where, " or ".join(repr(argument) for argument in arguments), value)
    if origin is tuple:
        if isinstance(value, (list, tuple)):
            return tuple(_checked(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
        raise damaged(where, "a list", value)
    if origin is dict:
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return {key: _checked(arguments[1], item, f"{where}['{key}']") for key, item in value.items()}
        raise damaged(where, "an object", value)
    if origin in (typing.Union, types.UnionType):
        raise TypeError(f"{where}: a record's fields have one type each, not {hint}")
    if hint is float:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
        raise damaged(where, "a finite number", value)
    if (hint is int and isinstance(value, bool)) or not isinstance(value, hint):
        raise damaged(where, {int: "a whole number", str: "a text", bool: "true or false"}.get(hint, str(hint)), value)
    return value
