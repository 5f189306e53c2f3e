"""An indexing key, axis by axis: which entry of the large array an entry of the small one is."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Part(NamedTuple):
    """How one axis of the large array is indexed."""

    output: int | None
    """The axis of the small array that runs along it, as start + step · index; None for a number or an index array."""
    start: int
    step: int
    array: int | None
    """Which index array picks the entry."""


class Key(NamedTuple):
    parts: tuple[Part, ...]
    at: int
    """Where the axes of the index arrays stand in the small array."""
    spread: tuple[int, ...]
    """The common shape of the index arrays."""
    new: tuple[int, ...]
    """Axes of length 1 that the key adds."""


def read_key(key: tuple[Any, ...], shape: tuple[int, ...], arrays: list[tuple[int, ...]]) -> Key:
    """Read a key in the normal form of `partials.indexing`: numbers, slices, None, Ellipsis, and "index" for an array.

    >>> read_key((slice(None), "index"), (4, 5), [(4,)]).at
    1
    >>> read_key((1, slice(None, None, -1)), (4, 5), []).parts[1]
    Part(output=0, start=4, step=-1, array=None)
    """
    spread = np.broadcast_shapes(*arrays) if arrays else ()
    used = sum(part is not None and part is not Ellipsis for part in key)
    fill = [slice(None)] * (len(shape) - used)
    full: list[Any] = []
    for part in key:
        full += fill if part is Ellipsis else [part]
    if Ellipsis not in [p for p in key if not isinstance(p, (slice, str))]:
        full += fill
    advanced = [i for i, part in enumerate(full) if isinstance(part, str) or (arrays and isinstance(part, int))]
    together = bool(advanced) and advanced == list(range(advanced[0], advanced[-1] + 1))
    parts: list[Part] = []
    new: list[int] = []
    out = 0 if together or not arrays else len(spread)
    at = 0
    axis = number = 0
    for i, part in enumerate(full):
        if together and arrays and i == advanced[0]:
            at = out
            out += len(spread)
        if part is None:
            new.append(out)
            out += 1
            continue
        if isinstance(part, str):
            parts.append(Part(None, 0, 0, number))
            number += 1
        elif isinstance(part, slice):
            start, _, step = part.indices(shape[axis])
            parts.append(Part(out, start, step, None))
            out += 1
        else:
            parts.append(Part(None, int(part) % max(shape[axis], 1), 0, None))
        axis += 1
    return Key(tuple(parts), at, spread, tuple(new))


def shape_after(shape: tuple[int, ...], key: tuple[Any, ...], arrays: list[tuple[int, ...]]) -> tuple[int, ...]:
    """The shape of what a key picks.

    >>> shape_after((4, 5), (slice(None, None, 2), "index"), [(3,)])
    (2, 3)
    """
    given = iter(arrays)
    full = tuple(np.zeros(next(given), np.intp) if isinstance(part, str) else part for part in key)
    return np.broadcast_to(np.float64(0), shape)[full].shape


__all__ = ["Key", "Part", "read_key", "shape_after"]
