"""Arrays whose axes are called by index letters: the arithmetic in which equations are evaluated.

>>> a, b = Labelled(np.ones((2, 3)), ("n", "i")), Labelled(np.ones((3, 4)), ("i", "j"))
>>> product([a, b], summed=("i",)).array
array([[3., 3., 3., 3.],
       [3., 3., 3., 3.]])
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from backpass.graph.op import OPS


class Labelled(NamedTuple):
    array: Any
    labels: tuple[Hashable, ...] = ()
    binary: bool = False
    """The value of a bracket: where it is 0 it annihilates even what is undefined (Iverson's convention)."""


def aligned(*values: Labelled) -> tuple[list[Any], tuple[Hashable, ...]]:
    """The arrays with common axes in a common order, ready to broadcast."""
    labels = tuple(dict.fromkeys(label for v in values for label in v.labels))
    arrays = []
    for v in values:
        own = [label for label in labels if label in v.labels]
        array = np.transpose(v.array, [v.labels.index(label) for label in own]) if len(own) > 1 else np.asarray(v.array)
        lengths = iter(array.shape)
        arrays.append(array.reshape([next(lengths) if label in v.labels else 1 for label in labels]))
    return arrays, labels


def numeric(x: Any) -> np.ndarray:
    """As floating-point numbers, real or complex."""
    array = np.asarray(x)
    return array if array.dtype.kind == "c" else array.astype(float, copy=False)


def apply(f: Callable[..., Any], *values: Labelled) -> Labelled:
    arrays, labels = aligned(*values)
    return Labelled(f(*arrays), labels)


def product(values: Sequence[Labelled], summed: tuple[Hashable, ...] = (), lengths: Any = None) -> Labelled:
    """The product, summed over some labels; an index that occurs nowhere counts its length."""
    values = list(values) or [Labelled(np.float64(1))]
    factor = math.prod([lengths[s] for s in summed if not any(s in v.labels for v in values)])
    if factor != 1:
        values.append(Labelled(np.float64(factor)))
    summed = tuple(s for s in summed if any(s in v.labels for v in values))
    brackets = [v for v in values if v.binary]
    plain = [v for v in values if not v.binary]
    if brackets:
        inner = product(plain)
        mask = apply(lambda *m: np.logical_and.reduce(np.broadcast_arrays(*m)), *brackets)
        chosen = apply(lambda m, x: np.where(m, x, 0.0), mask, inner)
        binary = not plain and not summed
        axes = tuple(chosen.labels.index(s) for s in summed)
        left = tuple(x for x in chosen.labels if x not in summed)
        return Labelled(np.sum(chosen.array, axis=axes) if axes else chosen.array, left, binary)
    if not summed:
        return apply(lambda *a: math.prod(a[1:], start=a[0]), *plain)
    labels = tuple(dict.fromkeys(label for v in plain for label in v.labels))
    left = tuple(x for x in labels if x not in summed)
    number = {label: i for i, label in enumerate(labels)}
    operands: list[Any] = []
    for v in plain:
        operands += [numeric(v.array), [number[x] for x in v.labels]]
    return Labelled(np.einsum(*operands, [number[x] for x in left], optimize=len(plain) > 2), left)


def reduce(word: str, v: Labelled, over: tuple[Hashable, ...]) -> Labelled:
    axes = tuple(v.labels.index(s) for s in over if s in v.labels)
    left = tuple(x for x in v.labels if x not in over)
    run = {"Π": np.prod, "max": np.max, "min": np.min, "Σ": np.sum, "lse": _logsumexp}[word]
    return Labelled(run(v.array, axis=axes) if axes else v.array, left)


def _logsumexp(x: Any, axis: tuple[int, ...]) -> Any:
    top = np.max(x, axis=axis, keepdims=True)
    return np.squeeze(np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top, axis=axis)


def entries(array: Any, places: Sequence[Labelled]) -> Labelled:
    """``array[places]``. A place outside is a matter for the bracket beside it: here it is moved inside."""
    if all(len(p.labels) == 1 and p.array is None for p in places) and len({p.labels for p in places}) == len(places):
        return Labelled(array, tuple(p.labels[0] for p in places))
    full = [
        Labelled(np.arange(n), p.labels) if p.array is None else p for p, n in zip(places, array.shape, strict=True)
    ]
    arrays, labels = aligned(*full)
    inside = [_positions(a, n) for a, n in zip(arrays, array.shape, strict=True)]
    return Labelled(array[tuple(np.broadcast_arrays(*inside))] if inside else array, labels)


def _positions(a: Any, n: int) -> Any:
    whole = np.asarray(a).astype(np.intp)
    if not np.array_equal(whole, a):
        raise ValueError("an index is not a whole number")
    return np.clip(whole, 0, n - 1)


def _sigmoid(x: Any) -> Any:
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


_OWN: dict[str, Callable[..., Any]] = {
    "√": np.sqrt,
    "σ": _sigmoid,
    "relu": lambda x: np.maximum(x, 0),
    "abs": np.abs,
    "atan2": np.arctan2,
    "max": np.maximum,
    "min": np.minimum,
    "const": lambda x: x,
    "not": lambda x: 1.0 - np.asarray(x, bool),
    "or": lambda a, b: np.logical_or(a, b) * 1.0,
    "and": lambda a, b: np.logical_and(a, b) * 1.0,
    "where": lambda c, a, b: np.where(c, a, b),
    "div": lambda a, b: np.floor_divide(a, b),
    "mod": lambda a, b: np.mod(a, b),
    "conj": np.conjugate,
    "Re": np.real,
    "Im": np.imag,
    "power": lambda a, b: np.power(numeric(a), b),
}


def function(name: str) -> Callable[..., Any]:
    """The elementwise function that an equation calls by this name."""
    if name in _OWN:
        return _OWN[name]
    run = OPS[name].run
    ufunc = getattr(sys.modules.get("scipy.special"), name, None)
    types = ufunc.types if isinstance(ufunc, np.ufunc) else ()
    counts = {i for t in types for i, c in enumerate(t.split("->")[0]) if c == "l"}
    return partial(_of_counts, run, counts) if counts else run


def _of_counts(run: Callable[..., Any], counts: set[int], *arguments: Any) -> Any:
    """An equation's numbers are floats; what a function takes as a count (a degree, an order) it gets as one."""
    return run(*[_whole(a) if i in counts else a for i, a in enumerate(arguments)])


def _whole(a: Any) -> Any:
    """As whole numbers, if they are."""
    a = np.asarray(a)
    with np.errstate(invalid="ignore"):
        whole = a.astype(np.int64)
    return whole if np.array_equal(whole, a) else a


def is_function(name: str) -> bool:
    return name in _OWN or name in OPS


COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": np.equal,
    "≠": np.not_equal,
    "<": np.less,
    "≤": np.less_equal,
    ">": np.greater,
    "≥": np.greater_equal,
}

__all__ = [
    "COMPARE",
    "Labelled",
    "aligned",
    "apply",
    "entries",
    "function",
    "is_function",
    "numeric",
    "product",
    "reduce",
]
