"""Which machine code is written, and how one is forced."""

from __future__ import annotations

import ctypes

import pytest

from backpass.native import ir
from backpass.native import target as targets
from backpass.native.target import AVX2, AVX512, FORCED, PORTABLE, TARGETS, host, runnable

from .machine_code import Compiled


def test_the_widest_is_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FORCED, raising=False)
    assert host() == runnable()[0]
    assert runnable()[-1] == PORTABLE
    assert [target.bits for target in runnable()] == sorted((target.bits for target in runnable()), reverse=True)


@pytest.mark.parametrize("target", runnable(), ids=lambda target: target.name)
def test_forced(target: targets.Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FORCED, f" {target.name.upper()} ")
    assert host() == target


def test_a_name_that_there_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FORCED, "avx1024")
    with pytest.raises(ValueError, match="BACKPASS_TARGET=avx1024 names no target; there are avx512, avx2, portable"):
        host()


def test_one_that_does_not_run_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FORCED, "avx512")
    monkeypatch.setattr(targets, "runnable", lambda: (AVX2, PORTABLE))
    with pytest.raises(ValueError, match=r"BACKPASS_TARGET=avx512, but this processor \(.+\) runs only avx2, portable"):
        host()


@pytest.mark.parametrize("target", runnable(), ids=lambda target: target.name)
def test_machine(target: targets.Target) -> None:
    """A vector of its width is loaded, added and stored."""
    lanes = target.lanes("float32")
    module = ir.Module("double")
    vector, pointer = ir.VectorType(ir.FloatType(), lanes), ir.PointerType()
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [pointer]), "double")
    b = ir.Builder(function)
    value = b.load(function.args[0], vector, align=4)
    b.store(b.fadd(value, value), function.args[0], align=4)
    b.ret_void()
    data = (ctypes.c_float * lanes)(*range(lanes))
    compiled = Compiled(module, target)
    compiled.function("double", ctypes.c_void_p)(ctypes.addressof(data))
    assert list(data) == [2.0 * lane for lane in range(lanes)]


def test_signatures_differ() -> None:
    assert len({target.signature() for target in TARGETS.values()}) == len(TARGETS)
    assert AVX512.lanes("float64") == 8
