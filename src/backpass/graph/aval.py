"""What is known of a value without the value itself: shape and dtype, the type in a typed graph."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from .bundle import BUNDLE_DTYPE, Bundle


class Aval(NamedTuple):
    """An abstract value: `shape`, `dtype`, and whether it promotes weakly as a bare Python number does (NEP 50).

    >>> Aval((3, 4), np.dtype("float32"))
    float32[3,4]
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    weak: bool = False
    parts: tuple[Aval, ...] = ()
    """The types of a bundle's parts, for a control operation with several results."""
    __leaf__ = True

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        size = 1
        for length in self.shape:
            size *= length
        return size

    @property
    def differentiable(self) -> bool:
        """Floating values, real and complex, carry derivatives; integers, booleans and strings do not."""
        return self.dtype.kind in "fc"

    def __repr__(self) -> str:
        if self.parts or self.dtype == BUNDLE_DTYPE:
            return f"({', '.join(map(repr, self.parts))})"
        shape = f"[{','.join(map(str, self.shape))}]" if self.shape else ""
        return f"{self.dtype.name}{shape}{'~' if self.weak else ''}"


_PYTHON_NUMBERS = {
    bool: np.dtype(bool),
    int: np.dtype(np.int64),
    float: np.dtype(np.float64),
    complex: np.dtype(complex),
}
_WEAK_TYPE = {"b": bool, "i": int, "f": float, "c": complex}


def aval_of(value: Any) -> Aval:
    """The abstract value of an array, a NumPy scalar or a Python number."""
    if isinstance(value, Aval):
        return value
    dtype = _PYTHON_NUMBERS.get(type(value))
    if dtype is not None:
        return Aval((), dtype, type(value) is not bool)
    if isinstance(value, (np.ndarray, np.generic)):
        return Aval(value.shape, value.dtype)
    if type(value) is Bundle:
        return bundle_aval([aval_of(part) for part in value.parts])
    value = np.asarray(value)
    return Aval(value.shape, value.dtype)


def bundle_aval(parts: Iterable[Aval]) -> Aval:
    """The type of a bundle. Its parts are arrays: none promotes as a Python number does."""
    strong = tuple([part._replace(weak=False) if part.weak else part for part in parts])
    return Aval((len(strong),), BUNDLE_DTYPE, parts=strong)


def promotion_type(aval: Aval) -> Any:
    """What NumPy's promotion takes for this value: its dtype, or the Python type of a weak number."""
    return _WEAK_TYPE[aval.dtype.kind] if aval.weak else aval.dtype


def promoted(*avals: Aval) -> np.dtype:
    """The common dtype by NumPy's promotion (NEP 50), as ``np.result_type`` gives it.

    >>> promoted(Aval((2,), np.dtype("float32")), aval_of(1.5))
    dtype('float32')
    """
    return np.result_type(*[_WEAK_TYPE[a.dtype.kind](0) if a.weak else a.dtype for a in avals])
