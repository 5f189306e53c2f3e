"""Numbers too small for a full mantissa, about 1e-38 in float32, taken for zero while a training loop runs.

Adam's memory of a unit that is dead decays to such numbers and stays there, for 0.9 times the least of them rounds to
itself; an addition or a product that meets one takes a hundred cycles longer on x86.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from . import ir
from .lanes import I32, POINTER, Builder, Value, intrinsic
from .target import x86

FLUSH = 0x8040
"""Flush to zero what an instruction makes, and take for zero what it is given: bits of the register MXCSR."""
USUAL = 0x1F80


@contextlib.contextmanager
def flushed(b: Builder) -> Iterator[None]:
    """Code in which such numbers are zero; elsewhere than on x86 it is as any other."""
    if not x86():
        yield
        return
    before = _state(b)
    _set(b, b.or_(before, ir.Constant(I32, FLUSH)))
    yield
    _set(b, before)


@contextlib.contextmanager
def usual(b: Builder) -> Iterator[None]:
    """Code that calls NumPy, which works with such numbers as they are."""
    if not x86():
        yield
        return
    before = _state(b)
    _set(b, ir.Constant(I32, USUAL))
    yield
    _set(b, before)


def _state(b: Builder) -> Value:
    cell = b.alloca(I32)
    b.call(intrinsic(b, "llvm.x86.sse.stmxcsr", ir.VoidType(), [POINTER]), [cell])
    return b.load(cell, I32)


def _set(b: Builder, value: Value) -> None:
    cell = b.alloca(I32)
    b.store(value, cell)
    b.call(intrinsic(b, "llvm.x86.sse.ldmxcsr", ir.VoidType(), [POINTER]), [cell])
