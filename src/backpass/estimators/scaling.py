"""`Scaling`: columns shifted and scaled to where a network learns fastest, and back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

ALIKE = 10.0
"""How many times the median deviation of the columns the largest may be, for all to be taken to be in one unit."""
TINY, HUGE = 1e-140, 1e140
"""Below and above these a square vanishes or overflows: such values are brought to about 1 first."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """``(x − shift) / scale`` for each column; both have shape (d,), in float64."""

    shift: np.ndarray
    scale: np.ndarray

    def apply(self, x: np.ndarray, dtype: Any) -> np.ndarray:
        """x, (n, d), scaled; in `dtype`, but computed in float64 at least."""
        return ((x - self.shift) / self.scale).astype(dtype)

    def undo(self, x: np.ndarray) -> np.ndarray:
        """Scaled values in their own units."""
        return x * self.scale + self.shift


def none(columns: int) -> Scaling:
    """The scaling that changes nothing."""
    return Scaling(np.zeros(columns), np.ones(columns))


def standard(x: Any, weights: np.ndarray | None, each: bool | str) -> Scaling:
    """Columns brought to mean 0 and variance 1, by weighted moments; a constant column is only shifted.

    x is an array, or a SciPy sparse one, whose zeros must stay zeros: it is scaled and not shifted. With `each` "auto",
    columns that look like ones of one unit (pixels, lengths) share one scale, the root of their mean variance, so that
    they keep their proportions: that is so where no deviation is above ten times the median one.

    >>> x = np.array([[0.0, 10.0], [2.0, 14.0]])
    >>> standard(x, None, True).apply(x, float).tolist()
    [[-1.0, -1.0], [1.0, 1.0]]
    >>> standard(x, None, "auto").scale.round(3).tolist()
    [1.581, 1.581]
    """
    sparse = not isinstance(x, np.ndarray)
    largest = max(float(x.max()), -float(x.min()))
    if largest > 0 and not TINY < largest < HUGE:
        unit = 2.0 ** (math.frexp(largest)[1] - 1)  # a power of two: nothing is rounded
        found = standard(x / unit, weights, each)
        return Scaling(found.shift * unit, found.scale * unit)
    w = np.ones(x.shape[0]) if weights is None else weights.astype(np.float64)
    w = w / w.sum()
    mean = np.asarray(w @ x, np.float64).ravel()
    if sparse:
        variance = np.asarray(w @ x.multiply(x), np.float64).ravel() - mean**2
    else:
        variance = w @ np.square(x - mean)
    size = np.sqrt(np.maximum(variance, 0.0))
    # What rounding makes of a constant column is not its spread.
    size[size <= 10 * np.finfo(np.float64).eps * np.maximum(np.abs(mean), np.finfo(np.float64).tiny)] = 0.0
    moving = size > 0
    if each == "auto" and moving.any() and size.max() <= ALIKE * np.median(size[moving]):
        size = np.full(len(size), np.sqrt(np.mean(size[moving] ** 2)))
    return Scaling(np.zeros_like(mean) if sparse else mean, np.where(size > 0, size, 1.0))
