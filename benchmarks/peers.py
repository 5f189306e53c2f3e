"""What PyTorch, JAX, scikit-learn's MLP, HIPS autograd, MyGrad and Backpass do with the same small programs.

Prints the measured rows of README's table as Markdown, each cell being what the tool answered here. Run it by a Python
that has the tools (a missing one gets empty cells):

    pip install torch jax scikit-learn autograd mygrad -e .
    python benchmarks/peers.py
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import re
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.special

TOOLS = {  # column title: (distribution, module)
    "PyTorch": ("torch", "torch"),
    "JAX": ("jax", "jax"),
    "scikit-learn MLP": ("scikit-learn", "sklearn.neural_network"),
    "autograd": ("autograd", "autograd"),
    "MyGrad": ("mygrad", "mygrad"),
    "Backpass": ("backpass", "backpass"),
}
POINT = np.array([0.5, 1.0, 2.0])

# Plain NumPy and SciPy, as it stands in code that was written without any of the tools in mind.
PLAIN: dict[str, Callable[[Any], Any]] = {
    "ufuncs": lambda x: np.sum(np.tanh(x) * np.exp(-x)),
    "matmul": lambda x: np.sum(np.ones((2, 3)) @ x),
    "dot": lambda x: np.dot(x, x),
    "outer": lambda x: np.sum(np.outer(x, x)),
    "einsum": lambda x: np.einsum("i,i->", x, x),
    "tensordot": lambda x: np.tensordot(x, x, axes=1),
    "mean": lambda x: np.mean(x),
    "var": lambda x: np.var(x),
    "max": lambda x: np.max(x),
    "prod": lambda x: np.prod(x),
    "cumsum": lambda x: np.sum(np.cumsum(x) ** 2),
    "sort": lambda x: np.sort(x)[0],
    "median": lambda x: np.median(x),
    "where": lambda x: np.sum(np.where(x > 0.8, x, x * x)),
    "clip": lambda x: np.sum(np.clip(x, 0.1, 1.5)),
    "fancy index": lambda x: np.sum(x[np.array([0, 0, 1])]),
    "concatenate": lambda x: np.sum(np.concatenate([x, x]) ** 2),
    "stack": lambda x: np.sum(np.stack([x, x]) ** 2),
    "pad": lambda x: np.sum(np.pad(x, 1) ** 2),
    "roll": lambda x: np.sum(np.roll(x, 1) * x),
    "linalg.norm": lambda x: np.linalg.norm(x),
    "linalg.solve": lambda x: np.sum(np.linalg.solve(np.diag(x), x * x)),
    "scipy expit": lambda x: np.sum(scipy.special.expit(x)),
    "scipy gammaln": lambda x: np.sum(scipy.special.gammaln(x)),
    "scipy logsumexp": lambda x: scipy.special.logsumexp(x),
}


def gradient(tool: str) -> Callable[[Callable[[Any], Any], np.ndarray], Any]:
    """The tool's own way to the gradient of a scalar function of one array."""
    module = importlib.import_module(TOOLS[tool][1])
    if tool == "PyTorch":

        def by_backward(f, x):
            leaf = module.tensor(x, requires_grad=True)
            f(leaf).backward()
            return leaf.grad.numpy()

        return by_backward
    if tool == "MyGrad":

        def by_node(f, x):
            leaf = module.tensor(x)
            f(leaf).backward()
            return leaf.grad

        return by_node
    return lambda f, x: np.asarray(module.grad(f)(x))


def namespace(tool: str) -> Any:
    """Where the tool keeps what takes the place of `np`."""
    return {
        "PyTorch": lambda: importlib.import_module("torch"),
        "JAX": lambda: importlib.import_module("jax.numpy"),
        "autograd": lambda: importlib.import_module("autograd.numpy"),
        "MyGrad": lambda: importlib.import_module("mygrad"),
        "Backpass": lambda: np,
    }[tool]()


def by_differences(f: Callable[[Any], Any], x: np.ndarray, h: float = 1e-6) -> np.ndarray:
    """Central differences: what a right answer is held against."""
    return np.array([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(x.size)])


def plain_numpy(tool: str) -> str:
    """How many of PLAIN the tool differentiates, unchanged and rightly."""
    d, right, failed = gradient(tool), 0, []
    for name, f in PLAIN.items():
        try:
            good = np.allclose(d(f, POINT), by_differences(f, POINT), rtol=1e-5, atol=1e-8)
        except Exception:
            good = False
        right += good
        if not good:
            failed.append(name)
    if failed:
        print(f"  {tool}: not {', '.join(failed)}", file=sys.stderr)
    return f"{right} of {len(PLAIN)}"


def at(f: Callable[[Any, Any], Any], x: list[float]) -> Callable[[str], str]:
    """A row: the gradient of f(namespace, x) at one awkward point."""

    def row(tool: str) -> str:
        np_ = namespace(tool)
        g = np.ravel(gradient(tool)(lambda v: f(np_, v), np.array(x)))
        return "(" + ", ".join("NaN" if np.isnan(v) else f"{v + 0:g}" for v in g) + ")"

    return row


def second_order(tool: str) -> str:
    """d²(x³)/dx² at 2, which is 12."""
    module = importlib.import_module(TOOLS[tool][1])
    if tool == "PyTorch":
        got = float(module.func.grad(module.func.grad(lambda x: x**3))(module.tensor(2.0)))
    elif tool == "MyGrad":
        leaf = module.tensor(2.0)
        (leaf**3).backward()
        leaf.grad.backward()  # its gradients are plain arrays
        got = float(leaf.grad)
    else:
        got = float(module.grad(module.grad(lambda x: x**3))(2.0))
    return "yes" if got == 12 else f"wrong: {got:g}"


def forward_mode(tool: str) -> str:
    """The derivative of x² along 1 at 3, by a forward pass."""
    module = importlib.import_module(TOOLS[tool][1])
    if tool == "PyTorch":
        got = module.func.jvp(lambda x: x * x, (module.tensor(3.0),), (module.tensor(1.0),))[1]
    elif tool == "autograd":
        got = module.make_jvp(lambda x: x * x)(3.0)(1.0)[1]
    else:
        got = module.jvp(lambda x: x * x, (3.0,), (1.0,))[1]
    return "yes" if float(got) == 6 else f"wrong: {float(got):g}"


def assignment(tool: str) -> str:
    """`a[0] = x[1]` into an array that came of x, inside the function."""

    def f(x):
        a = x * 1.0
        a[0] = x[1]
        return (a * a).sum()

    return "yes" if np.allclose(gradient(tool)(f, POINT), [0, 4, 4]) else "wrong"


def complex_numbers(tool: str) -> str:
    """The gradient of |(1 + 2i) x|² through complex values."""
    np_ = namespace(tool)
    got = gradient(tool)(lambda x: np_.sum(np_.abs(x * (1 + 2j)) ** 2), POINT)
    return "yes" if np.allclose(got, 10 * POINT) else "wrong"


def shape_message(tool: str) -> str:
    """What the message says of a product that does not fit: both shapes? the user's names? the user's line?"""
    np_ = namespace(tool)
    # MyGrad and autograd take arrays as they are; PyTorch and JAX need their own.
    inputs = np_.ones((5, 4)) if tool in ("PyTorch", "JAX") else np.ones((5, 4))

    def loss(weights):
        return (inputs @ weights.reshape(3, 1)).sum()

    try:
        gradient(tool)(loss, POINT)
    except Exception as error:
        text = str(error)
    else:
        return "no error"
    marks = {
        "shapes": re.search(r"5\D{1,3}4", text) and re.search(r"3\D{1,3}1\b", text),
        "names": "weights" in text and "inputs" in text,
        "line": "peers.py" in text or "inputs @ weights" in text,
    }
    return ", ".join(name for name, found in marks.items() if found) or "the sizes"


def deep_loop(tool: str) -> str:
    """Seconds for the derivative of 20,000 additions one after the other, run as they come."""

    def f(x):
        for _ in range(20_000):
            x = x + 1.0
        return x.sum()

    gradient(tool)(lambda x: (x + 1.0).sum(), POINT)
    start = time.perf_counter()
    gradient(tool)(f, POINT)
    return f"{time.perf_counter() - start:.2g} s"


def installed(tool: str) -> str:
    """What the tool and all that it needs take on disk."""
    seen: set[str] = set()
    waiting, size = [TOOLS[tool][0]], 0
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if name == "backpass":  # installed in place: its own source is what counts
            home = Path(importlib.import_module("backpass").__path__[0])
            size += sum(p.stat().st_size for p in home.rglob("*") if p.is_file())
        else:
            paths = [Path(str(file.locate())) for file in distribution.files or ()]
            size += sum(path.stat().st_size for path in paths if path.is_file())
        needs = [need for need in distribution.requires or () if "extra ==" not in need]
        waiting += [re.split(r"[^A-Za-z0-9._-]", need, maxsplit=1)[0] for need in needs]
    return f"{size / 1e6:,.0f} MB"


def import_times(repeats: int = 7) -> dict[str, str]:
    """Seconds from a bare Python to the tool imported, NumPy's own import included; medians of interleaved runs."""
    commands = {"": "pass", **{tool: f"import {module}" for tool, (_, module) in TOOLS.items()}}
    taken: dict[str, list[float]] = {tool: [] for tool in commands}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for _ in range(repeats):
        for tool, command in commands.items():
            start = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", command], env=environment, stderr=subprocess.DEVNULL, check=False
            )
            if done.returncode == 0:
                taken[tool].append(time.perf_counter() - start)
    bare = statistics.median(taken.pop(""))
    return {tool: f"{statistics.median(runs) - bare:.2f} s" if runs else "" for tool, runs in taken.items()}


ROWS: dict[str, Callable[[str], str]] = {
    "plain NumPy differentiated unchanged": plain_numpy,
    "∇ where(x > 0, √x, 0) at (0, 1)": at(lambda n, x: n.sum(n.where(x > 0, n.sqrt(x), x * 0)), [0.0, 1.0]),
    "∇ ‖x‖ at (0, 0)": at(lambda n, x: n.linalg.norm(x), [0.0, 0.0]),
    "∇ std(x) at (1, 1)": at(lambda n, x: n.std(x, **({"correction": 0} if n.__name__ == "torch" else {})), [1.0, 1.0]),
    "∇ prod(x) at (0, 3)": at(lambda n, x: n.prod(x), [0.0, 3.0]),
    "∇ sinc(x) at (0)": at(lambda n, x: n.sum(n.sinc(x)), [0.0]),
    "second derivatives": second_order,
    "forward mode": forward_mode,
    "complex numbers inside": complex_numbers,
    "assignment into an array": assignment,
    "a shape error's message names": shape_message,
    "20,000 additions in a loop": deep_loop,
}


def main() -> None:
    """Print the versions, then one Markdown row for each entry of ROWS, then sizes and import times."""
    warnings.simplefilter("ignore")
    present = {}
    for tool, (distribution, module) in TOOLS.items():
        try:
            importlib.import_module(module)
            present[tool] = importlib.metadata.version(distribution)
        except ImportError:
            print(f"  {tool}: not installed", file=sys.stderr)
    if "JAX" in present:
        importlib.import_module("jax").config.update("jax_enable_x64", True)
    print("| | " + " | ".join(f"{tool} {present.get(tool, '')}".strip() for tool in TOOLS) + " |")
    print("| --- " * (len(TOOLS) + 1) + "|")
    for title, row in ROWS.items():
        cells = []
        for tool in TOOLS:
            if tool not in present or tool == "scikit-learn MLP":  # it differentiates its own network only
                cells.append("–" if tool in present else "")
                continue
            try:
                cells.append(row(tool))
            except Exception as error:
                print(f"  {tool}, {title}: {type(error).__name__}: {str(error)[:160]!r}", file=sys.stderr)
                cells.append("no")
        print(f"| {title} | " + " | ".join(cells) + " |", flush=True)
    print("| installed, with all it needs | " + " | ".join(installed(t) if t in present else "" for t in TOOLS) + " |")
    print("| import | " + " | ".join(import_times().values()) + " |")


if __name__ == "__main__":
    main()
