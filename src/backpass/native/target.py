"""What machine code is written for: the width of a vector, how many registers hold one, and LLVM's name for it."""

from __future__ import annotations

import functools
import os
import platform
from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import binding as llvm

FORCED = "BACKPASS_TARGET"
"""The environment variable that forces a target by its name."""


@dataclass(frozen=True)
class Target:
    """A kind of processor: vectors of `bits` bits, `registers` of them, and `fma`, multiply-add in one rounding.

    >>> AVX512.lanes("float32"), AVX2.lanes("float64")
    (16, 4)
    """

    name: str
    bits: int
    registers: int
    fma: bool

    def lanes(self, dtype: Any) -> int:
        """How many numbers of a dtype one vector holds."""
        return self.bits // (8 * np.dtype(dtype).itemsize)

    def machine(self, opt: int = 2) -> llvm.TargetMachine:
        """LLVM's machine that writes code for this target; `opt` is its level, 0 to 3."""
        _initialize()
        cpu, features = self._cpu()
        return llvm.Target.from_default_triple().create_target_machine(cpu=cpu, features=features, opt=opt, jit=True)

    def signature(self) -> str:
        """What compiled code depends on: the target, LLVM's processor and its features. A cache's key holds it."""
        return "/".join([self.name, *self._cpu()])

    def _cpu(self) -> tuple[str, str]:
        if self == PORTABLE:
            return ("x86-64" if x86() else "generic"), ""
        if self == _widest():
            features = _features()
            # Without this LLVM halves 512-bit vectors on processors that once lowered their clock for them.
            return llvm.get_host_cpu_name(), f"{features.flatten()},-prefer-256-bit"
        return ("x86-64-v4", "-prefer-256-bit") if self == AVX512 else ("x86-64-v3", "")


def loader() -> llvm.TargetMachine:
    """LLVM's machine that only loads what another one has written."""
    _initialize()
    return llvm.Target.from_default_triple().create_target_machine(jit=True)


AVX512 = Target("avx512", 512, 32, True)
AVX2 = Target("avx2", 256, 16, True)
# 128 bits are in every processor that LLVM compiles NumPy's wheels for. Arm's have 32 such registers and multiply-add.
_ARM = platform.machine().lower() in ("aarch64", "arm64")
PORTABLE = Target("portable", 128, 32 if _ARM else 16, _ARM)
TARGETS = {target.name: target for target in (AVX512, AVX2, PORTABLE)}


def host() -> Target:
    """The widest target that this processor runs, or the one that the environment variable BACKPASS_TARGET names.

    Raises ValueError if the variable names no target, or one that this processor cannot run.

    >>> host() in runnable()
    True
    """
    name = os.environ.get(FORCED, "").strip().lower()
    if not name:
        return _widest()
    if name not in TARGETS:
        raise ValueError(f"{FORCED}={name} names no target; there are {', '.join(TARGETS)}")
    if TARGETS[name] not in runnable():
        names = ", ".join(target.name for target in runnable())
        raise ValueError(f"{FORCED}={name}, but this processor ({llvm.get_host_cpu_name()}) runs only {names}")
    return TARGETS[name]


@functools.cache
def runnable() -> tuple[Target, ...]:
    """The targets that this processor can run, widest first."""
    features = _features()

    def has(*names: str) -> bool:
        return all(features.get(name, False) for name in names)

    wide = has("avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd", "avx2", "fma", "bmi", "bmi2")
    middle = has("avx2", "fma", "bmi", "bmi2", "f16c", "lzcnt", "movbe")
    return tuple(target for target, there in ((AVX512, wide), (AVX2, middle), (PORTABLE, True)) if there)


def _widest() -> Target:
    return runnable()[0]


@functools.cache
def _features() -> Any:
    _initialize()
    return llvm.get_host_cpu_features()


@functools.cache
def _initialize() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


def x86() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64", "i386", "i686", "x86")
