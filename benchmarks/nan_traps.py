"""Twenty-six functions whose gradient is finite and known, and on which a chain rule that multiplies 0 by ∞ gives NaN.

``python benchmarks/nan_traps.py`` asks each library that is installed (Backpass, JAX, PyTorch, HIPS autograd) for the
gradient at the point and prints the table of docs/gradients.md. tests/chain/test_nan_traps.py holds Backpass to it.
"""

from __future__ import annotations

import contextlib
import importlib
import warnings
from collections.abc import Callable
from importlib import metadata
from typing import Any, NamedTuple

import numpy as np

INF = float("inf")


class Trap(NamedTuple):
    title: str
    """What is written in NumPy; `np` stands for each library's own namespace."""
    code: Callable[[Any, Any], Any]
    """``code(np, x)``, a scalar."""
    torch: Callable[[Any, Any], Any] | None
    """The same in PyTorch's words, where they differ."""
    x: Any
    right: Any
    """The derivative, of the branch that was chosen; at a kink the middle of the subdifferential."""
    kink: float = 0.0
    """How far from `right` a kink lets every choice be right."""


def _softmax(np: Any, s: Any) -> Any:
    e = np.exp(s - np.max(s))
    return e / np.sum(e)


MASK = np.array([True, False, False])
W = [0.0, 1.0]

# ruff: noqa: E501  (a trap is a row)
TRAPS = [
    Trap("sum(where(x > 0, sqrt(x), 0))", lambda np, x: np.sum(np.where(x > 0, np.sqrt(x), 0.0)), None, [0.0, 4.0], [0.0, 0.25]),
    Trap("sum(where(x > 0, log(x), 0))", lambda np, x: np.sum(np.where(x > 0, np.log(x), 0.0)), None, [0.0, 2.0], [0.0, 0.5]),
    Trap("sum(where(x > 0, x log x, 0))", lambda np, x: np.sum(np.where(x > 0, x * np.log(x), 0.0)), None, [0.0, 1.0], [0.0, 1.0]),
    Trap("where(x == 0, 1, sin(x) / x)", lambda np, x: np.sum(np.where(x == 0, 1.0, np.sin(x) / x)), None, [0.0], [0.0]),
    Trap("sinc(x)", lambda np, x: np.sum(np.sinc(x)), None, [0.0], [0.0]),
    Trap("where(x > 9, x, exp(x))", lambda np, x: np.sum(np.where(x > 9, x, np.exp(x))), None, [800.0, 0.0], [1.0, 1.0]),
    Trap("where(x < 9, log1p(exp(x)), x)", lambda np, x: np.sum(np.where(x < 9, np.log1p(np.exp(x)), x)), None, [800.0, 0.0], [1.0, 0.5]),
    Trap("sum((1 / x)[1:])", lambda np, x: np.sum((1 / x)[1:]), None, [0.0, 2.0], [0.0, -0.25]),
    Trap("sum(sqrt(x)[x > 0])", lambda np, x: np.sum(np.sqrt(x)[np.array([1])]), lambda t, x: t.sum(t.sqrt(x)[t.tensor([1])]), [0.0, 4.0], [0.0, 0.25]),
    Trap("max(sqrt(x))", lambda np, x: np.max(np.sqrt(x)), None, [0.0, 4.0], [0.0, 0.25]),
    Trap("max(sqrt(x), 1)", lambda np, x: np.sum(np.maximum(np.sqrt(x), 1.0)), lambda t, x: t.sum(t.maximum(t.sqrt(x), t.ones_like(x))), [0.0, 4.0], [0.0, 0.25]),
    Trap("prod(x)", lambda np, x: np.prod(x), None, [0.0, 2.0, 3.0], [6.0, 0.0, 0.0]),
    Trap("prod(x), two zeros", lambda np, x: np.prod(x), None, [0.0, 0.0, 3.0], [0.0, 0.0, 0.0]),
    Trap("norm(x)", lambda np, x: np.linalg.norm(x), None, [0.0, 0.0], [0.0, 0.0]),
    Trap("std(x) of constants", lambda np, x: np.std(x), lambda t, x: t.std(x, correction=0), [2.0, 2.0], [0.0, 0.0]),
    Trap("x ** 0", lambda np, x: np.sum(x ** np.zeros(1)), lambda t, x: t.sum(x ** t.zeros(1)), [0.0], [0.0]),
    Trap("x ** p by p, at 0", lambda np, p: np.sum(np.zeros(1) ** p), lambda t, p: t.sum(t.zeros(1) ** p), [2.0], [0.0]),
    Trap("hypot(x, 0)", lambda np, x: np.sum(np.hypot(x, np.zeros(1))), lambda t, x: t.sum(t.hypot(x, t.zeros(1))), [0.0], [0.0], 1.0),
    Trap("softmax of −inf masked scores, squared", lambda np, x: np.sum(_softmax(np, np.where(np.array(MASK), x, -INF)) ** 2), lambda t, x: t.sum(t.softmax(t.where(t.tensor(MASK), x, -INF), 0) ** 2), [1.0, 2.0, 3.0], [0.0, 0.0, 0.0]),
    Trap("where(x > 0, sqrt(x) @ A, 0)", lambda np, x: np.sum(np.where(x > 0, np.sqrt(x) @ np.ones((2, 2)), 0.0)), lambda t, x: t.sum(t.where(x > 0, t.sqrt(x) @ t.ones(2, 2), 0.0)), [0.0, 0.0], [0.0, 0.0]),
    Trap("sum(sqrt(w * x)), w = [0, 1]", lambda np, x: np.sum(np.sqrt(np.array(W) * x)), lambda t, x: t.sum(t.sqrt(t.tensor(W) * x)), [1.0, 4.0], [0.0, 0.25]),
    Trap("sum(w * sqrt(x)), w = [0, 1]", lambda np, x: np.sum(np.array(W) * np.sqrt(x)), lambda t, x: t.sum(t.tensor(W) * t.sqrt(x)), [0.0, 4.0], [0.0, 0.25]),
    Trap("sum((x > 0) * sqrt(x))", lambda np, x: np.sum((x > 0) * np.sqrt(x)), None, [0.0, 4.0], [0.0, 0.25]),
    Trap("sum(sqrt(x) ** 2)", lambda np, x: np.sum(np.sqrt(x) ** 2), None, [0.0, 4.0], [1.0, 1.0]),
    Trap("exp(−sqrt(sum(x ** 2)) ** 2)", lambda np, x: np.exp(-(np.sqrt(np.sum(x**2)) ** 2)), None, [0.0, 0.0], [0.0, 0.0]),
    Trap("sqrt(sum(x ** 2))", lambda np, x: np.sqrt(np.sum(x**2)), None, [0.0, 0.0], [0.0, 0.0]),
]  # fmt: skip


def backpass_gradient(trap: Trap) -> Any:
    import backpass as bp

    return bp.grad(lambda x: trap.code(np, x))(np.array(trap.x))


def jax_gradient(trap: Trap) -> Any:
    import jax

    jax.config.update("jax_enable_x64", True)
    return jax.grad(lambda x: trap.code(jax.numpy, x))(jax.numpy.array(trap.x))


def torch_gradient(trap: Trap) -> Any:
    import torch

    torch.set_default_dtype(torch.float64)
    x = torch.tensor(trap.x, requires_grad=True)
    code = trap.torch or trap.code
    code(torch, x).backward()
    return x.grad.numpy()


def autograd_gradient(trap: Trap) -> Any:
    import autograd
    import autograd.numpy as anp

    return autograd.grad(lambda x: trap.code(anp, x))(anp.array(trap.x))


LIBRARIES = {
    "Backpass": ("backpass", backpass_gradient),
    "JAX": ("jax", jax_gradient),
    "PyTorch": ("torch", torch_gradient),
    "autograd": ("autograd", autograd_gradient),
}
"""Each library by what it is imported as."""


def answer(gradient: Callable[[Trap], Any], trap: Trap) -> tuple[str, bool]:
    """What a library returns, in few words, and whether it is right."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            found = np.asarray(gradient(trap), dtype=float)
        except Exception as error:
            return type(error).__name__, False
    text = ", ".join("nan" if np.isnan(v) else f"{v + 0.0:.4g}" for v in np.ravel(found))
    return text, bool(np.allclose(found, trap.right, rtol=1e-12, atol=max(trap.kink, 1e-12)))


def main() -> None:
    names = []
    for name, (module, _) in LIBRARIES.items():
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
            names.append((name, metadata.version(module).partition("+")[0] if module != "backpass" else ""))
    print("| function | x | right | " + " | ".join(f"{n} {v}".strip() for n, v in names) + " |")
    print("| --- | --- | --- |" + " --- |" * len(names))
    right = dict.fromkeys([n for n, _ in names], 0)
    for trap in TRAPS:
        cells = []
        for name, _ in names:
            text, ok = answer(LIBRARIES[name][1], trap)
            right[name] += ok
            cells.append(text if ok else f"**{text}**")
        told = ", ".join(f"{v:g}" for v in trap.x), ", ".join(f"{v:g}" for v in trap.right)
        print(f"| `{trap.title}` | {told[0]} | {told[1]} | " + " | ".join(cells) + " |")
    print("| right | | | " + " | ".join(f"{right[n]} of {len(TRAPS)}" for n, _ in names) + " |")


if __name__ == "__main__":
    main()
