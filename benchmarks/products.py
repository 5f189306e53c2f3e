"""Generated matrix products against the OpenBLAS that comes with NumPy, each on one thread, shape by shape.

Prints Markdown: for each shape and each layout (nn, B transposed in memory: nt, A transposed in memory: tn) the speed
of both in 10⁹ operations a second, their ratio, and how much processor time it took to write and to compile. Both are
called from a loop in machine code, in turns, on the same matrices, and their least times are compared.

    python benchmarks/products.py [--target avx512|avx2|portable] [--dtype float32|float64] [MxNxK ...]
"""

from __future__ import annotations

import argparse
import ctypes
import os
import time
from pathlib import Path
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy loads it

import numpy as np
from llvmlite import binding as llvm

from backpass.native import gemm, ir
from backpass.native.gemm_writer import I64, POINTER, Writer, constant
from backpass.native.target import TARGETS, Target, host

# fmt: off
SHAPES = [
    (32, 16, 4), (32, 3, 16), (4, 16, 32), (16, 3, 32), (32, 64, 13), (32, 64, 64), (32, 2, 64), (64, 64, 64),
    (64, 128, 784), (784, 128, 64), (64, 10, 128), (128, 10, 64), (64, 128, 10), (128, 128, 128), (256, 256, 256),
    (128, 512, 784), (128, 512, 512), (512, 512, 128), (784, 512, 128), (512, 512, 512), (768, 384, 128),
    (768, 128, 512), (1024, 1024, 1024), (512, 512, 4096), (1, 512, 512), (1, 4096, 1024),
]
# fmt: on
LAYOUTS = ("nn", "nt", "tn")
REPEATS = 25


def product(m: int, n: int, k: int, layout: str, dtype: str) -> gemm.Product:
    a = (k, 1) if layout[0] == "n" else (1, m)
    return gemm.Product(m, n, k, dtype, a, (n, 1) if layout[1] == "n" else (1, k))


class Generated:
    """A product as machine code that stores C, in a loop that repeats it."""

    def __init__(self, product: gemm.Product, target: Target, opt: int = 2) -> None:
        started = time.thread_time()
        module = ir.Module("product")
        machine = target.machine(opt)

        def epilogue(b: ir.Builder, cell: gemm.Cell, extra: Any) -> None:
            w = Writer(module, b, product.dtype, target)
            w.store(cell.value, w.at(extra[0], w.add(w.scale(cell.row, product.n), cell.col)), cell.count)

        function = gemm.emit(module, "product", product, target, epilogue, (POINTER,))
        kind = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, POINTER, I64, POINTER])
        repeat = ir.Function(module, kind, "repeat")
        w = Writer(module, ir.Builder(repeat), product.dtype, target)
        a, b, pack, times, c = repeat.args
        with w.loop(0, times):
            all_units = [constant(0), constant(gemm.units(product, target))]
            w.builder.call(function, [a, b, pack, *all_units, c])
        w.builder.ret_void()
        text = str(module)
        self.writing = time.thread_time() - started
        parsed = llvm.parse_assembly(text)
        passes = llvm.create_new_module_pass_manager()
        passes.add_sroa_pass()
        passes.add_instruction_combine_pass()
        passes.add_simplify_cfg_pass()
        passes.run(parsed, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))
        self.engine = llvm.create_mcjit_compiler(parsed, machine)
        self.engine.finalize_object()
        self.compiling = time.thread_time() - started - self.writing
        address = self.engine.get_function_address("repeat")
        self.run = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, ctypes.c_int64, ctypes.c_void_p)(address)
        self.pack = aligned(gemm.pack_size(product, target), product.dtype)


def blas(product: gemm.Product, layout: str) -> Any:
    """The same loop around OpenBLAS's gemm."""
    letter, scalar = ("s", ir.FloatType()) if product.dtype == "float32" else ("d", ir.DoubleType())
    address, width = openblas(letter)
    size, i32 = ir.IntType(width), ir.IntType(32)
    module = ir.Module("blas")
    machine = host().machine()
    repeat = ir.Function(module, ir.FunctionType(ir.VoidType(), [POINTER, POINTER, I64, POINTER]), "repeat")
    w = Writer(module, ir.Builder(repeat), product.dtype, host())
    a, b, times, c = repeat.args
    kind = ir.FunctionType(
        ir.VoidType(), [i32] * 3 + [size] * 3 + [scalar, POINTER, size, POINTER, size, scalar, POINTER, size]
    )
    gemm_pointer = w.builder.inttoptr(constant(address), POINTER)
    with w.loop(0, times):
        how = [ir.Constant(i32, x) for x in (101, 112 if layout[0] == "t" else 111, 112 if layout[1] == "t" else 111)]
        sizes = [ir.Constant(size, x) for x in (product.m, product.n, product.k)]
        strides = [ir.Constant(size, max(x)) for x in (product.a, product.b, (product.n, 1))]
        one, zero = ir.Constant(scalar, 1.0), ir.Constant(scalar, 0.0)
        w.builder.call(gemm_pointer, [*how, *sizes, one, a, strides[0], b, strides[1], zero, c, strides[2]], kind)
    w.builder.ret_void()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(str(module)), machine)
    engine.finalize_object()
    run = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2, ctypes.c_int64, ctypes.c_void_p)
    return engine, run(engine.get_function_address("repeat"))


def openblas(letter: str) -> tuple[int, int]:
    """The address of OpenBLAS's gemm in the library that NumPy brings, and the width of its integers."""
    package = Path(np.__file__).parent
    for folder in (package.parent / "numpy.libs", package / ".dylibs"):
        for path in folder.glob("*openblas*"):
            library = ctypes.CDLL(str(path))
            for width, suffix in ((64, "64_"), (64, "_64_"), (32, "")):
                for prefix in ("scipy_", ""):
                    found = getattr(library, f"{prefix}cblas_{letter}gemm{suffix}", None)
                    if found is not None:
                        return ctypes.cast(found, ctypes.c_void_p).value or 0, width
    raise SystemExit("this NumPy does not bring OpenBLAS")


def aligned(size: int, dtype: str) -> np.ndarray:
    """Zeros that start at a multiple of 64 bytes."""
    raw = np.zeros(size * np.dtype(dtype).itemsize + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size * np.dtype(dtype).itemsize].view(dtype)


def compare(shape: tuple[int, int, int], layout: str, dtype: str, target: Target) -> dict[str, float]:
    m, n, k = shape
    wanted = product(m, n, k, layout, dtype)
    rng = np.random.default_rng(0)
    a, b, c, c_blas = (aligned(size, dtype) for size in (m * k, k * n, m * n, m * n))
    a[:], b[:] = rng.standard_normal(m * k), rng.standard_normal(k * n)
    ours = Generated(wanted, target)
    engine, theirs = blas(wanted, layout)

    def run_ours(times: int) -> None:
        ours.run(a.ctypes.data, b.ctypes.data, ours.pack.ctypes.data, times, c.ctypes.data)

    def run_theirs(times: int) -> None:
        theirs(a.ctypes.data, b.ctypes.data, times, c_blas.ctypes.data)

    run_ours(1)
    run_theirs(1)
    bound = 10 * k * np.finfo(dtype).eps * max(1.0, float(np.abs(c_blas).max()))
    assert float(np.abs(c - c_blas).max()) <= bound, f"{shape} {layout}: not the same product"
    times = max(1, int(1e8 / (2 * m * n * k + 5000)))
    least = [np.inf, np.inf]
    for _ in range(REPEATS):
        for which, run in enumerate((run_ours, run_theirs)):
            started = time.thread_time()
            run(times)
            least[which] = min(least[which], (time.thread_time() - started) / times)
    del engine
    operations = 2e-9 * m * n * k
    return {
        "ours": operations / least[0],
        "blas": operations / least[1],
        "ratio": least[1] / least[0],
        "writing": ours.writing * 1e3,
        "compiling": ours.compiling * 1e3,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("shapes", nargs="*", metavar="MxNxK", help="shapes (default: a list of them)")
    parser.add_argument("--target", choices=list(TARGETS))
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    options = parser.parse_args()
    target = TARGETS[options.target] if options.target else host()
    print(f"{target.name}, {options.dtype}")
    print("10⁹ operations a second: generated / OpenBLAS (ratio), processor ms to write + compile\n")
    print("| m × n × k | " + " | ".join(LAYOUTS) + " |")
    print("| --- |" + " --- |" * len(LAYOUTS))
    ratios = []
    for shape in [tuple(map(int, text.split("x"))) for text in options.shapes] or SHAPES:
        cells = []
        for layout in LAYOUTS:
            got = compare(shape, layout, options.dtype, target)
            ratios.append(got["ratio"])
            cells.append("{ours:.1f} / {blas:.1f} ({ratio:.2f}), {writing:.1f} + {compiling:.1f}".format(**got))
        print(f"| {' × '.join(map(str, shape))} | " + " | ".join(cells) + " |", flush=True)
    ahead = sum(ratio >= 1 for ratio in ratios)
    print(f"\nahead in {ahead} of {len(ratios)}, geometric mean of the ratios {np.exp(np.mean(np.log(ratios))):.2f}")


if __name__ == "__main__":
    main()
