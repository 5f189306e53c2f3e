"""Compile a module written by a test and call its functions; memory that ends where a page may not be touched."""

import ctypes
import mmap
from typing import Any

import numpy as np
from llvmlite import binding as llvm

from backpass.native import ir
from backpass.native.target import Target

_libc = ctypes.CDLL(None)
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


class Compiled:
    """A module as machine code. Keep it while its functions are called."""

    def __init__(self, module: ir.Module, target: Target, opt: int = 2) -> None:
        machine = target.machine(opt)
        parsed = llvm.parse_assembly(str(module))
        parsed.verify()
        options = llvm.create_pipeline_tuning_options(speed_level=opt)
        passes = llvm.create_pass_builder(machine, options)
        passes.getModulePassManager().run(parsed, passes)
        self.engine = llvm.create_mcjit_compiler(parsed, machine)
        self.engine.finalize_object()

    def function(self, name: str, *arguments: Any, result: Any = None) -> Any:
        return ctypes.CFUNCTYPE(result, *arguments)(self.engine.get_function_address(name))


class Guarded:
    """An array whose last byte (or, with `low`, first byte) is beside a page that faults when it is touched."""

    def __init__(self, array: np.ndarray, low: bool = False) -> None:
        page = mmap.PAGESIZE
        size = max(1, array.nbytes)
        room = -(-size // page) * page
        self._map = mmap.mmap(-1, room + 2 * page)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        for guard in (start, start + page + room):
            if _libc.mprotect(guard, page, 0):
                raise OSError("mprotect")
        offset = page if low else page + room - array.nbytes
        self.array = np.frombuffer(self._map, dtype=array.dtype, count=array.size, offset=offset)
        self.array = self.array.reshape(array.shape)
        self.array[...] = array
        self.address = start + offset
