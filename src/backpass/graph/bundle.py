"""`Bundle`: the several results of a control operation as one value; ``item`` takes one of them out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

BUNDLE_DTYPE = np.dtype(object)


class Bundle:
    """Arrays of any shapes and dtypes side by side. As a cotangent or tangent, None stands for "no derivative here"."""

    __slots__ = ("parts",)

    def __init__(self, parts: Iterable[Any]):
        self.parts = tuple(parts)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.parts),)

    @property
    def dtype(self) -> np.dtype:
        return BUNDLE_DTYPE

    def __add__(self, other: Bundle) -> Bundle:
        pairs = zip(self.parts, other.parts, strict=True)
        return Bundle([b if a is None else a if b is None else a + b for a, b in pairs])

    def __repr__(self) -> str:
        return f"Bundle({', '.join(map(repr, self.parts))})"


__all__ = ["BUNDLE_DTYPE", "Bundle"]
