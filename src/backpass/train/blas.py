"""One thread for small matrix products.

NumPy's BLAS wakes a thread per core for every product. For the products of a small network, which take microseconds,
waking and waiting cost more than is gained: twice the time on an idle machine, ten times on a busy one (two cores, a
64-256-128-10 network in batches of 32). So steps without a large product run on one thread.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from backpass.graph.program import Graph

LARGE = 50_000_000
"""Multiplications and additions in one product above which a second thread pays: about a millisecond on one core."""


def largest_product(graph: Graph) -> int:
    """Multiplications and additions in the largest matrix product of a graph.

    >>> from backpass.graph.staging import trace
    >>> largest_product(trace(lambda x, W: x @ W, np.zeros((32, 64)), np.zeros((64, 10))))
    40960
    """
    most = 0
    for node in graph.nodes:
        if node.op.name in ("matmul", "dot", "einsum", "tensordot", "inner"):
            sizes = [math.prod(graph.nodes[i].shape) for i in node.inputs]
            # For (m, k) by (k, n) the three sizes multiply to (m k n)², and so they do for every contraction.
            most = max(most, 2 * math.isqrt(math.prod([*sizes[:2], math.prod(node.shape)])))
    return most


@contextlib.contextmanager
def suited_threads(graph: Graph) -> Iterator[None]:
    """Run NumPy's products on one thread while a graph of small ones runs; do nothing where BLAS cannot be told."""
    calls = _openblas() if largest_product(graph) < LARGE else None
    if calls is None:
        yield
        return
    get, put = calls
    before = get()
    put(1)
    try:
        yield
    finally:
        put(before)


@functools.cache
def _openblas() -> tuple[Callable[[], int], Callable[[int], Any]] | None:
    """(get, set) of the number of threads of the OpenBLAS that comes with NumPy; None where there is no such."""
    import ctypes

    package = Path(np.__file__).parent
    for folder in (package.parent / "numpy.libs", package / ".dylibs"):
        for path in folder.glob("*openblas*"):
            try:
                library = ctypes.CDLL(str(path))  # NumPy has loaded it: this gives the same one
            except OSError:
                continue
            for prefix in ("scipy_openblas", "openblas"):
                for suffix in ("64_", "_64_", ""):
                    get = getattr(library, f"{prefix}_get_num_threads{suffix}", None)
                    put = getattr(library, f"{prefix}_set_num_threads{suffix}", None)
                    if get is not None and put is not None:
                        return get, put
    return None


__all__ = ["largest_product", "suited_threads"]
