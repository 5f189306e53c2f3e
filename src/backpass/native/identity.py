"""What compiled code depends on, as one short name: lines, memory taken over, what is added, the target, versions.

Two graphs with the same lines have the same code, whatever their names and places. So what was compiled before is
found from the lines alone, and no code is written for it.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
from pathlib import Path
from types import FunctionType
from typing import Any

import llvmlite
import numpy as np
from llvmlite import binding as llvm

from backpass.graph.aval import Aval
from backpass.graph.program import Graph

from .prepare import Lines
from .target import Target

ROOMS = ("graph", "partials", "native")
"""The rooms whose source decides what is written for some lines."""


def identity(lines: Lines, carried: dict[int, int], more: object, target: Target, batch: range = range(0)) -> str:
    """The name of the code for these lines. `more` is what is added to them: a function of a
    module, or something whose repr tells it; `batch` the inputs that may lie apart."""
    added = f"{more.__module__}.{more.__qualname__}" if isinstance(more, FunctionType) else repr(more)
    parts = [*versions(), target.signature(), repr(sorted(carried.items())), added, repr(batch)]
    parts += [repr((lines.inputs, lines.outputs))]
    parts += [
        f"{line.op.name} {line.inputs} {told(line.attrs)} {told(line.aval)} {line.bounds} {told(line.value)}"
        for line in lines.lines
    ]
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=20).hexdigest()


def told(value: Any) -> str:
    """An attribute or a constant as text that is the same for equal ones only."""
    if value is None or isinstance(value, (bool, int, str, slice)) or value is Ellipsis:
        return repr(value)
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, Aval):
        return f"{value.shape}{value.dtype.str}{value.weak}{told(value.parts)}"
    if isinstance(value, (tuple, list)):
        return f"({','.join(map(told, value))})"
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}:{told(item)}' for key, item in value.items())}}}"
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.ascontiguousarray(value)
        digest = hashlib.blake2b(array.tobytes(), digest_size=16).hexdigest()
        return f"{type(value).__name__}{array.dtype.str}{np.shape(value)}{digest}"
    if isinstance(value, Graph):
        body = [f"{n.op.name} {n.inputs} {told(n.attrs)} {told(n.aval)} {told(n.value)}" for n in value.nodes]
        return f"[{';'.join(body)}|{value.inputs}{value.outputs}]"
    # What is no plain value (a function of a custom rule, say) goes to islands only, which run it from the graph.
    return f"{type(value).__module__}.{type(value).__qualname__}"


@functools.cache
def versions() -> tuple[str, ...]:
    """Versions of Backpass, llvmlite and LLVM, and the state of the source files: sizes and times."""
    # Read, not imported: the package's front door stands above this room.
    known = (sys.modules["backpass"].__version__, llvmlite.__version__, *map(str, llvm.llvm_version_info))
    files = []
    for room in ROOMS:
        folder = Path(__file__).parents[1] / room
        for place, _, names in os.walk(folder):
            for name in names:
                if name.endswith(".py"):
                    found = os.stat(os.path.join(place, name))
                    files.append(f"{room}/{name} {found.st_size} {found.st_mtime_ns}")
    return (*known, *sorted(files))


__all__ = ["identity", "told", "versions"]
