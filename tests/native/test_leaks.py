"""Memory after very many calls and compilations."""

import gc
import sys
from pathlib import Path

import numpy as np
import pytest

import backpass as bp
from backpass.native import code

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/statm"),
]
X = np.ones(50)


def resident() -> float:
    """MB that this process holds."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


def test_calls():
    """Both ways into a program: the short one of plain arrays, and that of pytrees."""
    short, long = bp.compile(lambda x: np.sum(np.tanh(x))), bp.compile(lambda tree: {"b": tree["a"] * 2})
    for _ in range(2_000):
        short(X), long({"a": X})
    before = resident()
    for _ in range(50_000):
        short(X), long({"a": X})
    assert resident() - before < 2


def test_compilations(monkeypatch):
    """LLVM's passes, as llvmlite runs them, keep 7 kB each time; nothing else may stay."""
    monkeypatch.setenv("BACKPASS_CACHE", "off")

    def compile_one(factor: float) -> None:
        assert bp.compile(lambda x: np.sum(x * factor))(X) == 50 * factor

    for k in range(2 * code.KEPT):
        compile_one(k + 0.5)
    before = resident()
    for k in range(1000):
        compile_one(1000.5 + k)
    assert resident() - before < 16
