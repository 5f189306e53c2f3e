"""Arrays that begin with a cache line: no vector lies across two lines, and no two threads write to one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

LINE = 64
"""Bytes of a cache line, and of the widest vector."""


def aligned_bytes(size: int) -> np.ndarray:
    """Memory that begins with a cache line, all zeros."""
    raw = np.zeros(size + LINE, np.uint8)
    start = -raw.ctypes.data % LINE
    return raw[start : start + size]


def aligned_zeros(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array of zeros that begins with a cache line."""
    return aligned_bytes(math.prod(shape) * dtype.itemsize).view(dtype).reshape(shape)


def aligned(values: Any) -> np.ndarray:
    """A copy that begins with a cache line.

    >>> aligned([[1.0, 2.0]])
    array([[1., 2.]])
    """
    values = np.asarray(values)
    array = aligned_zeros(values.shape, values.dtype)
    array[...] = values
    return array
