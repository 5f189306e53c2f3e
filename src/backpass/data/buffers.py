"""Arrow's memory as NumPy arrays, and a few small Arrow values, made from their buffers.

`pyarrow.array`, `pyarrow.scalar` and `Array.to_numpy` import pandas where it is installed, to recognise its objects:
0.6 s that no table needs. What is here does not (`tests/train/test_read.py` holds that).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from backpass.data.extra import arrow


def numbers_of(array: Any, dtype: Any, missing: Any) -> np.ndarray:
    """A copy of an Arrow array of fixed-width values as NumPy `dtype` (of that width), `missing` where it has none.

    >>> import pyarrow as pa
    >>> numbers_of(pa.array([1, None, 3])[1:], np.int64, -1).tolist()
    [-1, 3]
    """
    data = array.buffers()[1]
    if data is None or not len(array):
        return np.full(len(array), missing, dtype)
    values = np.frombuffer(data, dtype, count=array.offset + len(array))[array.offset :]
    return np.where(known_of(array), values, np.array(missing, dtype)) if array.null_count else values.copy()


def bits_of(array: Any) -> np.ndarray:
    """An Arrow boolean array as a NumPy one, False where it has no value."""
    return _bits(array.buffers()[1], array) & known_of(array)


def known_of(array: Any) -> np.ndarray:
    """Where an Arrow array has a value: booleans of shape (n,)."""
    return _bits(array.buffers()[0], array) if array.null_count else np.ones(len(array), bool)


def _bits(buffer: Any, array: Any) -> np.ndarray:
    if buffer is None or not len(array):
        return np.zeros(len(array), bool)
    end = array.offset + len(array)
    packed = np.frombuffer(buffer, np.uint8, count=(end + 7) // 8)
    return np.unpackbits(packed, bitorder="little")[array.offset : end].astype(bool)


def mask_array(mask: np.ndarray) -> Any:
    """An Arrow boolean array of a NumPy one.

    >>> mask_array(np.array([True, False, True])).to_pylist()
    [True, False, True]
    """
    pa = arrow()
    bits = pa.py_buffer(np.packbits(mask, bitorder="little"))
    return pa.BooleanArray.from_buffers(pa.bool_(), len(mask), [None, bits])


def text_array(texts: Sequence[str]) -> Any:
    """An Arrow string array of Python texts.

    >>> text_array(["a", "", "ä"]).to_pylist()
    ['a', '', 'ä']
    """
    pa = arrow()
    encoded = [text.encode() for text in texts]
    offsets = np.cumsum([0, *(len(part) for part in encoded)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded)))


def no_text() -> Any:
    """The Arrow scalar that is a missing text."""
    pa = arrow()
    return pa.nulls(1, pa.string())[0]
