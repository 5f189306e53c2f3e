"""From LLVM's text to machine code in this process, by way of an object file that can be kept.

Explicit vectors, and whole numbers that the builder has already added up, leave little for the optimiser to find: its
first level is as fast as its third, and quicker itself; combining instructions takes a tenth of all for nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from llvmlite import binding as llvm

from . import cache
from .target import Target, loader

ENTRY = "backpass_main"
LEVEL = 1
_lock = threading.Lock()
"""LLVM's own context is one for the process."""


def built(name: str, text: Callable[[], str], target: Target) -> bytes:
    """The object file of this name: the one that was kept; else `text` is compiled, and kept."""
    code = cache.load(name)
    if code is None:
        code = compiled(text(), target)
        cache.save(name, code)
    return code


def compiled(text: str, target: Target) -> bytes:
    """Compile LLVM assembly to an object file for this target."""
    with _lock:
        module = llvm.parse_assembly(text)
        machine = target.machine(LEVEL)
        _optimize(module, machine)
        return machine.emit_object(module)


def optimized(text: str, target: Target) -> tuple[str, str]:
    """(LLVM after optimisation, assembly), to be read."""
    with _lock:
        module = llvm.parse_assembly(text)
        machine = target.machine(LEVEL)
        _optimize(module, machine)
        return str(module), machine.emit_assembly(module)


def _optimize(module: llvm.ModuleRef, machine: llvm.TargetMachine) -> None:
    """Registers for places, what follows from constants, fewer blocks; the rest is in how the code is written."""
    options = llvm.create_pipeline_tuning_options()
    builder = llvm.create_pass_builder(machine, options)
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.add_sccp_pass()
    passes.add_simplify_cfg_pass()
    passes.run(module, builder)


class Loaded:
    """An object file in this process: its functions have addresses as long as it is referred to."""

    def __init__(self, code: bytes):
        with _lock:
            self._engine: Any = llvm.create_mcjit_compiler(llvm.parse_assembly(""), loader())
            self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
            self._engine.finalize_object()

    def address(self, name: str = ENTRY) -> int:
        """Where a function begins."""
        return self._engine.get_function_address(name)
