"""`SparseRows`: rows of a SciPy sparse array as the training loop takes them, made dense a batch at a time."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np

from backpass.train.saving import digest

from .scaling import Scaling

DENSE = 1 << 28
"""Bytes up to which a sparse array is made dense as a whole: batches of it are machine code's own affair then."""


def dense(x: Any, scaling: Scaling, dtype: Any) -> np.ndarray:
    """Rows scaled and in an array, whether they come in a sparse one or not."""
    return scaling.apply(x if isinstance(x, np.ndarray) else x.toarray(), dtype)


def count_of(rows: Any) -> int:
    """How many rows there are, in arrays or in a `SparseRows`."""
    return len(rows) if isinstance(rows, SparseRows) else len(rows[0])


def first(rows: Any, count: int) -> tuple[np.ndarray, ...]:
    """The first ones as arrays."""
    return rows.read(0, count) if isinstance(rows, SparseRows) else tuple(array[:count] for array in rows)


class SparseRows:
    """Rows (x, *others): x sparse by rows, the others arrays. The last batch is filled up with rows of the first ones.

    >>> from scipy.sparse import csr_array
    >>> from .scaling import none
    >>> rows = SparseRows(csr_array(np.eye(3)), (np.arange(3),), none(3), np.float32)
    >>> [y.tolist() for x, y in rows.runs(np.random.default_rng(0), 2)]
    [[2, 0], [1, 2]]
    """

    def __init__(self, x: Any, others: tuple[np.ndarray, ...], scaling: Scaling, dtype: Any, shuffle: bool = True):
        self.x, self.others, self.scaling, self.dtype, self.shuffle = x, others, scaling, dtype, shuffle

    def __len__(self) -> int:
        return self.x.shape[0]

    @property
    def digest(self) -> str:
        return digest([self.x.data, self.x.indices, self.x.indptr, *self.others])

    def read(self, start: int, stop: int) -> tuple[np.ndarray, ...]:
        """The rows from `start` up to `stop`."""
        return self._taken(np.arange(start, min(stop, len(self))))

    def runs(self, rng: np.random.Generator, batch: int, first: int = 0) -> Generator[list[np.ndarray], None, None]:
        """Batches in a new order, from batch number `first` on."""
        steps = -(-len(self) // batch)
        order = np.resize(rng.permutation(len(self)) if self.shuffle else np.arange(len(self)), steps * batch)
        for k in range(first, steps):
            yield list(self._taken(order[k * batch : (k + 1) * batch]))

    def _taken(self, rows: np.ndarray) -> tuple[np.ndarray, ...]:
        return dense(self.x[rows], self.scaling, self.dtype), *(array[rows] for array in self.others)
