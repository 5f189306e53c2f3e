"""What a traced operation costs, forward and backward, beside PyTorch and HIPS autograd; and a graph of 10⁶ operations.

``python benchmarks/tracing.py`` runs whatever of the three is installed. Libraries take turns, one thread each, and the
least time of each counts. Peak memory is the growth of the process, each library in a process of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

LENGTH = 300
"""Rounds of a chain; each is three operations."""
OPERATIONS = 3 * LENGTH


def chain(np: Any, x: Any, rounds: int) -> Any:
    for _ in range(rounds):
        x = np.sin(x) * 0.5 + 0.25
    return x


def python_chain(x: Any, rounds: int) -> Any:
    for _ in range(rounds):
        x = (x * 0.5 + 0.25) * x
    return x


def backpass_runs() -> dict[str, Callable[[int], Any]]:
    import backpass as bp

    array = np.linspace(0.0, 1.0, 1000)
    return {
        "scalar": lambda n: bp.grad(lambda x: python_chain(x, n))(0.5),
        "1,000 entries": lambda n: bp.grad(lambda x: np.sum(chain(np, x, n)))(array),
    }


def torch_runs() -> dict[str, Callable[[int], Any]]:
    import torch

    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)

    def run(function: Callable[[Any], Any], start: Any) -> Any:
        x = start.clone().requires_grad_()
        function(x).backward()
        return x.grad

    scalar, array = torch.tensor(0.5), torch.linspace(0.0, 1.0, 1000)
    return {
        "scalar": lambda n: run(lambda x: python_chain(x, n), scalar),
        "1,000 entries": lambda n: run(lambda x: torch.sum(chain(torch, x, n)), array),
    }


def autograd_runs() -> dict[str, Callable[[int], Any]]:
    import autograd
    import autograd.numpy as anp

    array = np.linspace(0.0, 1.0, 1000)
    return {
        "scalar": lambda n: autograd.grad(lambda x: python_chain(x, n))(0.5),
        "1,000 entries": lambda n: autograd.grad(lambda x: anp.sum(chain(anp, x, n)))(array),
    }


LIBRARIES = {"Backpass": backpass_runs, "PyTorch": torch_runs, "autograd": autograd_runs}


def interleaved(rounds: int = 15) -> None:
    found = {}
    for name, make in LIBRARIES.items():
        with contextlib.suppress(ImportError):
            found[name] = make()
    print("| µs an operation, forward and backward | " + " | ".join(found) + " |")
    print("| --- |" + " ---: |" * len(found))
    for case in ("scalar", "1,000 entries"):
        best = dict.fromkeys(found, float("inf"))
        for _ in range(rounds):
            for name, runs in found.items():
                start = time.perf_counter()
                runs[case](LENGTH)
                best[name] = min(best[name], time.perf_counter() - start)
        print(f"| {case} | " + " | ".join(f"{1e6 * best[n] / OPERATIONS:.1f}" for n in found) + " |")


def large(name: str, operations: int) -> None:
    """In a process of its own: seconds and megabytes of a chain of so many scalar operations, as JSON."""
    run = LIBRARIES[name]()["scalar"]
    run(100)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    run(operations // 3)
    seconds = time.perf_counter() - start
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps({"seconds": seconds, "megabytes": grown / 1024}))


def main() -> None:
    interleaved()
    print()
    print("| 10⁶ scalar operations | seconds | MB |")
    print("| --- | ---: | ---: |")
    for name in ("Backpass", "PyTorch"):
        told = subprocess.run([sys.executable, __file__, name, str(10**6)], capture_output=True, text=True, check=False)
        if told.returncode == 0:
            row = json.loads(told.stdout)
            print(f"| {name} | {row['seconds']:.1f} | {row['megabytes']:.0f} |")


if __name__ == "__main__":
    if len(sys.argv) > 2:
        large(sys.argv[1], int(sys.argv[2]))
    else:
        main()
