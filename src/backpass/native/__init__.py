"""The machine reading: a graph as native code, by LLVM.

`ir` writes LLVM's text. `prepare` spells composites out, `lower` decides which operations share a loop, `arrange` how
the loops run, `memory` where everything lies; `nest`, `gemm` and `random` write the kernels, `module` puts them
together, `engine` compiles and `program` runs them. `steps` is the training loop, `compile` what `bp.compile` is.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import warnings

OFF = "BACKPASS_NATIVE"
"""The environment variable that, set to 0, leaves everything to the interpreter."""

MISS = object()
"""What a short way gives for a call that is not its own."""


def available() -> bool:
    """Can machine code be made here? Where llvmlite is missing it is said once, and the interpreter does the work."""
    return not switched_off() and _has_llvmlite()


def switched_off() -> bool:
    """Does the environment say that the interpreter shall do everything?"""
    return os.environ.get(OFF, "1") == "0"


@functools.cache
def _has_llvmlite() -> bool:
    if importlib.util.find_spec("llvmlite") is not None:
        return True
    warnings.warn(
        "llvmlite is not installed here, so Backpass runs on NumPy, slower than its machine code; "
        "pip install llvmlite mends that where there is a wheel for this machine",
        RuntimeWarning,
        stacklevel=3,
    )
    return False


__all__ = ["MISS", "OFF", "available", "switched_off"]
