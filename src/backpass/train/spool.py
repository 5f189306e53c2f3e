"""Data that comes in pieces, or from a file mapped into memory, put into a `RowStore` while it goes by once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from backpass.data.store import RowStore
from backpass.graph.errors import DataError, ShapeError

from .loop import checked_data

LARGE = 256 << 20
"""Bytes of a memory-mapped X from which its rows are not brought into memory."""

ROWS = 1 << 14

HELD_BYTES = 256 << 20
"""Bytes of rows to watch that are held in memory at most."""

Rows = tuple[np.ndarray, ...]
"""X, y, and weights where there are some."""


def in_pieces(data: Any) -> Callable[[], Iterator[Any]] | None:
    """A way to the pieces of data that is not to be held in memory; None for data that is.

    Pieces come from a generator (or any iterator), from a function that gives one, or from X mapped from a file.
    """
    if callable(data):
        return lambda: iter(data())  # type: ignore[call-overload]
    if isinstance(data, Iterator):
        return lambda: data
    if isinstance(data, (tuple, list)) and len(data) == 2 and isinstance(data[0], np.memmap) and data[0].nbytes > LARGE:
        x, y = data[0], np.asarray(data[1])
        if len(x) != len(y):
            raise DataError(f"X has {len(x)} rows and y has {len(y)}")
        return lambda: ((x[k : k + ROWS], y[k : k + ROWS]) for k in range(0, len(x), ROWS))
    return None


def spooled(
    pieces: Iterable[Any], kind: str, dtype: Any, validation: Any, seed: int
) -> tuple[RowStore, Rows | None, tuple[Any, ...]]:
    """(store, rows to watch, classes) of pieces (X, y) or (X, y, weight).

    A share `validation` of the rows is drawn at random to be watched. For a loss of classes y may hold any labels; they
    are numbered in their order, as `fit` numbers them.

    >>> store, held, classes = spooled([(np.zeros((2, 3)), ["b", "a"])], "class", np.float32, None, 0)
    >>> classes, store.read(0, 2)[1].tolist()
    (('a', 'b'), [1, 0])
    """
    store, draw = RowStore(), np.random.default_rng(seed)
    share = float(validation) if isinstance(validation, (int, float)) and not isinstance(validation, bool) else 0.0
    if not 0 <= share < 1:
        raise DataError(f"validation must be a share between 0 and 1, and is {validation}")
    held: list[Rows] = []
    size = 0
    codes: dict[Any, int] = {}
    for piece in pieces:
        x, y, *weights = _checked(piece, kind, dtype, codes)
        watched = draw.random(len(x)) < share
        if watched.any():
            held.append((x[watched], y[watched], *[weight[watched] for weight in weights]))
            size += held[-1][0].nbytes
            if size > HELD_BYTES:
                raise DataError(
                    f"a share of {share:g} held out of this data takes more than {HELD_BYTES >> 20} MB: "
                    "give a smaller one, or validation=(X, y)"
                )
        if not watched.all():
            store.add(x[~watched], y[~watched], *[weight[~watched] for weight in weights])
    if not len(store):
        raise DataError("the data has no rows to train on")
    order: list[Any] = []
    if codes:
        order = _in_order(list(codes))
        place = np.array([order.index(label) for label in codes], np.int64)
        store.replace(1, lambda y: place[y])
        held = [(x, place[y], *weights) for x, y, *weights in held]
    if share and not held:
        raise DataError(f"a share of {share:g} of {len(store)} rows holds none out; give a larger one")
    together = tuple(np.concatenate(parts) for parts in zip(*held, strict=True)) if held else None
    return store, together, tuple(order)


def checked_weights(weights: Any, rows: int) -> np.ndarray:
    """Weights of rows as float32 (rows,). Raises where they are not one number of 0 or above for each."""
    array = np.asarray(weights, np.float32)
    if array.shape != (rows,):
        raise ShapeError(f"sample_weight has shape {array.shape}; it needs one number for each of {rows} rows")
    if not (np.isfinite(array).all() and (array >= 0).all()):
        raise DataError("sample_weight must hold finite numbers of 0 or above, and not only 0")
    return array


def _checked(piece: Any, kind: str, dtype: Any, codes: dict[Any, int]) -> tuple[np.ndarray, ...]:
    if not (isinstance(piece, (tuple, list)) and len(piece) in (2, 3)):
        raise DataError(
            f"each piece of the data must be rows (X, y), or with weights (X, y, weight); got {type(piece).__name__}"
        )
    x, y = np.asarray(piece[0]), np.asarray(piece[1])
    if kind == "class" and y.ndim == 1:
        y = np.array([codes.setdefault(label, len(codes)) for label in y.tolist()], np.int64)
        if len(codes) > 100_000:
            raise DataError("y holds more than 100,000 different values, and the loss takes classes")
    elif y.dtype.kind in "fiub":
        y = y.astype(dtype)
    if x.dtype.kind in "fiub":
        x = x.astype(dtype)
    x, y = checked_data((x, y), ("X", "y"))
    return (x, y, *[checked_weights(weight, len(x)) for weight in piece[2:]])


def _in_order(labels: list[Any]) -> list[Any]:
    try:
        return sorted(labels)
    except TypeError as error:
        kinds = ", ".join(sorted({type(label).__name__ for label in labels}))
        raise DataError(f"y holds labels of several kinds ({kinds}); make them all texts or all numbers") from error


__all__ = ["in_pieces", "spooled"]
