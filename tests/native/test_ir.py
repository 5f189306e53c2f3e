"""LLVM's text as the builder writes it: LLVM itself reads it, and what runs is what was asked for."""

from __future__ import annotations

import ctypes
import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from llvmlite import binding as llvm

from backpass.native import ir
from backpass.native.target import host

from .machine_code import Compiled

I8, I32, I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
FLOAT, DOUBLE, POINTER, VOID = ir.FloatType(), ir.DoubleType(), ir.PointerType(), ir.VoidType()


def function(result: ir.Type, *arguments: ir.Type) -> tuple[ir.Function, ir.Builder]:
    made = ir.Module("test").function("f", result, arguments)
    return made, ir.Builder(made)


def stored(type_: ir.Type, value: object, size: int) -> bytes:
    """The bytes that a constant leaves in memory."""
    made, b = function(VOID, POINTER)
    b.store(ir.Constant(type_, value), made.args[0], align=1)
    b.ret_void()
    room = (ctypes.c_uint8 * size)()
    compiled = Compiled(made.module, host())
    compiled.function("f", ctypes.c_void_p)(ctypes.addressof(room))
    return bytes(room)


@pytest.mark.parametrize("number", [0.0, -0.0, 1 / 3, 1e-310, 1.7e308, math.inf, -math.inf, math.nan])
def test_a_floating_constant_has_the_bits_of_the_number(number: float) -> None:
    assert stored(DOUBLE, number, 8) == struct.pack("<d", number)
    narrow = np.float32(number) if abs(number) < 1e38 or not math.isfinite(number) else np.float32(3e38)
    assert stored(FLOAT, float(narrow), 4) == narrow.tobytes()


def test_lanes_hold_one_number_or_each_their_own() -> None:
    four = ir.VectorType(I32, 4)
    for value, lanes in ((7, [7] * 4), (range(4), [0, 1, 2, 3]), ([5, -1, 0, 2], [5, -1, 0, 2]), (None, [0] * 4)):
        assert stored(four, value, 16) == np.array(lanes, np.int32).tobytes()
    assert stored(ir.VectorType(FLOAT, 4), 0.1, 16) == np.full(4, 0.1, np.float32).tobytes()
    assert (ir.Constant(four, 7).number, ir.Constant(four, [7, 7, 7, 8]).number) == (7, None)


def test_a_type_without_numbers_has_no_constants() -> None:
    with pytest.raises(TypeError, match="void"):
        ir.Constant(VOID, 1)
    with pytest.raises(OverflowError):
        ir.Constant(FLOAT, 1e39)


@given(st.integers(-128, 127), st.integers(-128, 127))
def test_known_whole_numbers_wrap_as_processors_have_it(x: int, y: int) -> None:
    _, b = function(VOID)
    c, d = ir.Constant(I8, x), ir.Constant(I8, y)
    with np.errstate(over="ignore"):
        found = np.int8(x) + np.int8(y), np.int8(x) - np.int8(y), np.int8(x) * np.int8(y)
    for known, number in zip((b.add(c, d), b.sub(c, d), b.mul(c, d)), found, strict=True):
        assert isinstance(known, ir.Constant)
        assert known.number == int(number)
    assert b.block.lines == []


def test_nothing_is_written_for_what_changes_nothing() -> None:
    made, b = function(I64, I64, POINTER)
    x, place = made.args
    zero, one = ir.Constant(I64, 0), ir.Constant(I64, 1)
    assert all(same is x for same in (b.add(x, zero), b.add(zero, x), b.sub(x, zero), b.mul(x, one), b.mul(one, x)))
    assert b.mul(x, zero).text == "0"
    assert b.gep(place, zero, DOUBLE) is place
    assert b.trunc(x, I64) is b.select(b.icmp_signed("<", x, one), x, x)
    assert len(b.block.lines) == 1


def test_a_value_is_computed_once_within_a_block_and_anew_in_the_next() -> None:
    made, b = function(DOUBLE, DOUBLE)
    x = made.args[0]
    first = b.fmul(x, x)
    assert b.fmul(x, x) is first
    assert b.fadd(x, x) is not first
    following = b.append_basic_block("next")
    b.branch(following)
    b.position_at_end(following)
    assert b.fmul(x, x) is not first


def test_memory_is_read_each_time() -> None:
    made, b = function(I64, POINTER)
    place = made.args[0]
    before = b.load(place, I64, align=8)
    b.store(b.add(before, ir.Constant(I64, 1)), place, align=8)
    b.ret(b.add(before, b.load(place, I64, align=8)))
    compiled = Compiled(made.module, host())
    held = ctypes.c_int64(20)
    call = compiled.function("f", ctypes.c_void_p, result=ctypes.c_int64)
    assert call(ctypes.addressof(held)) == 41


def test_control_and_the_weight_of_what_is_hardly_ever_done() -> None:
    made, b = function(I64, I64)
    (n,) = made.args
    cell = b.alloca(I64)
    b.store(ir.Constant(I64, 1), cell)
    with b.if_then(b.icmp_signed(">", n, ir.Constant(I64, 5)), likely=False):
        b.store(n, cell)
    blocks = [b.append_basic_block() for _ in range(3)]
    b.switch(n, blocks[2], [(ir.Constant(I64, k), blocks[k]) for k in range(2)])
    for k, block in enumerate(blocks):
        b.position_at_end(block)
        b.ret(b.add(b.load(cell, I64), ir.Constant(I64, 100 * k)))
    text = str(made.module)
    assert "!prof !0" in text
    assert llvm.parse_assembly(text).name == "<string>"
    compiled = Compiled(made.module, host())
    f = compiled.function("f", ctypes.c_int64, result=ctypes.c_int64)
    assert [f(k) for k in (0, 1, 2, 7)] == [1, 101, 201, 207]


def test_a_block_ends_once() -> None:
    _, b = function(VOID)
    b.ret_void()
    with pytest.raises(AssertionError):
        b.ret_void()
