"""Values: what an instruction, an argument or a constant is known by in the instructions that read it."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

from .types import DoubleType, FloatType, HalfType, IntType, PointerType, Type, VectorType

Undefined = object()
"""The content of a constant of which nothing is known: whatever suits LLVM."""


class Value:
    """A value of a type; `text` names it, and `typed` has the type before the name."""

    __slots__ = ("type", "text", "typed")
    number: int | float | None = None
    """What a constant holds in every lane."""

    def __init__(self, type_: Type, text: str) -> None:
        self.type = type_
        self.text = text
        self.typed = f"{type_.text} {text}"

    def __repr__(self) -> str:
        return self.typed


class Constant(Value):
    """A number, or in a vector one for each lane; None is zero in every lane, `Undefined` anything.

    A single number stands for all lanes of a vector. `number` is what every lane holds, None where they differ.

    >>> Constant(IntType(64), 3), Constant(VectorType(FloatType(), 4), 0.5).typed
    (i64 3, '<4 x float> splat (float 0x3fe0000000000000)')
    """

    __slots__ = ("number",)

    def __init__(self, type_: Type, value: Any) -> None:
        self.number: int | float | None = None
        super().__init__(type_, self._begin(type_, value))

    def _begin(self, type_: Type, value: Any) -> str:
        if value is Undefined:
            return "undef"
        if value is None:
            self.number = 0
            return _nothing(type_)
        if not isinstance(type_, VectorType):
            self.number = value
            return written(type_, value)
        if not isinstance(value, Sequence):
            self.number = value
            return f"splat ({type_.element.text} {written(type_.element, value)})"
        lanes = ", ".join(f"{type_.element.text} {written(type_.element, one)}" for one in value)
        return f"<{lanes}>"


def _nothing(type_: Type) -> str:
    if isinstance(type_, VectorType):
        return "zeroinitializer"
    return "null" if isinstance(type_, PointerType) else written(type_, 0)


def written(type_: Type, number: int | float) -> str:
    """A number of this type, exactly: floating ones by the bits of the double that has the same value.

    Raises OverflowError for a number beyond the type's range.
    """
    if isinstance(type_, IntType):
        return str(int(number))
    number = float(number)
    if isinstance(type_, FloatType):
        number = _rounded(number, "<f")
    elif isinstance(type_, HalfType):
        number = _rounded(number, "<e")
    elif not isinstance(type_, DoubleType):
        raise TypeError(f"no constant can be written of the type {type_}")
    (bits,) = struct.unpack("<Q", struct.pack("<d", number))
    return f"0x{bits:016x}"


def _rounded(number: float, code: str) -> float:
    return struct.unpack(code, struct.pack(code, number))[0] if math.isfinite(number) else number
