"""Arrays that begin with a cache line: no vector lies across two lines, and no two threads write to one."""

from __future__ import annotations

from typing import Any

import numpy as np

LINE = 64
"""Bytes of a cache line, and of the widest vector."""


def aligned_bytes(size: int) -> np.ndarray:
    """Memory that begins with a cache line, all zeros."""
    raw = np.zeros(size + LINE, np.uint8)
    start = -raw.ctypes.data % LINE
    return raw[start : start + size]


def aligned(values: Any) -> np.ndarray:
    """A copy that begins with a cache line.

    >>> aligned([[1.0, 2.0]])
    array([[1., 2.]])
    """
    values = np.asarray(values)
    array = aligned_bytes(values.nbytes).view(values.dtype).reshape(values.shape)
    array[...] = values
    return array
