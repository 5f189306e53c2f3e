"""Every operation that HIPS autograd has too: CPU time of value and gradient on 1,000 entries, in turns.

Prints a Markdown table of µs and ratios, the slowest ratio first; fails when one is slower than autograd's:

    pip install autograd scipy -e .
    python benchmarks/operations.py [name ...]
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import autograd
import autograd.numpy as anp
import autograd.scipy.linalg
import autograd.scipy.special
import numpy as np
import scipy.linalg
import scipy.special

import backpass as bp
from backpass.partials.composite import logsumexp

N = 1000
ROUNDS = 12
RNG = np.random.default_rng(0)
X = RNG.uniform(0.1, 0.9, N)
Y = RNG.uniform(0.1, 0.9, N)
GRID = RNG.uniform(0.1, 0.9, (25, 40))
SQUARE = RNG.uniform(-0.1, 0.1, (30, 30)) + np.diag(np.arange(1.0, 31.0))
STACK = RNG.uniform(-0.1, 0.1, (10, 10, 10)) + np.diag(np.arange(1.0, 11.0))
WHOLE = RNG.integers(0, N, N)

# name → (function of the tool's NumPy and the arguments, arguments)
CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {}


def elementwise(names: str, *args: Any) -> None:
    for name in names.split():
        CASES[name] = (lambda np, *xs, name=name: np.sum(getattr(np, name)(*xs)), args)


def reduced(names: str) -> None:
    for name in names.split():
        CASES[name] = (lambda np, x, name=name: getattr(np, name)(x) * 1.0, (X,))
        CASES[f"{name} axis"] = (lambda np, x, name=name: np.sum(getattr(np, name)(x, axis=1)), (GRID,))


elementwise(
    "negative abs exp log sqrt sin cos tan tanh sinh cosh arcsin arccos arctan arcsinh arctanh expm1 exp2 log1p log2 "
    "log10 square reciprocal sinc deg2rad rad2deg degrees radians fabs absolute real conj sort ravel cumsum diff angle",
    X,
)
elementwise("arccosh", X + 1.0)
elementwise(
    "add subtract multiply divide power maximum minimum fmax fmin logaddexp logaddexp2 arctan2 hypot mod remainder",
    X,
    Y,
)
reduced("sum mean prod var std max min")
CASES |= {
    "operators": (lambda np, x, y: np.sum((x + y) * x / y - x**2), (X, Y)),
    "add number": (lambda np, x: np.sum(x * 2.0 + 1.0), (X,)),
    "broadcast": (lambda np, x, y: np.sum(x * y), (GRID, GRID[0])),
    "where": (lambda np, x, y: np.sum(np.where(X > 0.5, x, y)), (X, Y)),
    "clip": (lambda np, x: np.sum(np.clip(x, 0.2, 0.8)), (X,)),
    "reshape": (lambda np, x: np.sum(np.reshape(x, (40, 25))), (X,)),
    "transpose": (lambda np, x: np.sum(np.transpose(x)), (GRID,)),
    "swapaxes": (lambda np, x: np.sum(np.swapaxes(x, 0, 1)), (GRID,)),
    "moveaxis": (lambda np, x: np.sum(np.moveaxis(x, 0, 1)), (GRID,)),
    "roll": (lambda np, x: np.sum(np.roll(x, 3)), (X,)),
    "repeat": (lambda np, x: np.sum(np.repeat(x, 2)), (X,)),
    "tile": (lambda np, x: np.sum(np.tile(x, 2)), (X,)),
    "pad": (lambda np, x: np.sum(np.pad(x, 3, "constant")), (X,)),
    "expand_dims": (lambda np, x: np.sum(np.expand_dims(x, 0)), (X,)),
    "squeeze": (lambda np, x: np.sum(np.squeeze(x)), (X[None],)),
    "flipud": (lambda np, x: np.sum(np.flipud(x)), (GRID,)),
    "rot90": (lambda np, x: np.sum(np.rot90(x)), (GRID,)),
    "triu": (lambda np, x: np.sum(np.triu(x)), (GRID,)),
    "diag": (lambda np, x: np.sum(np.diag(x)), (SQUARE,)),
    "trace": (lambda np, x: np.trace(x), (GRID,)),
    "diagonal": (lambda np, x: np.sum(np.diagonal(x, axis1=-1, axis2=-2)), (SQUARE,)),
    "broadcast_to": (lambda np, x: np.sum(np.broadcast_to(x, (25, 40))), (GRID[:1],)),
    "concatenate": (lambda np, x, y: np.sum(np.concatenate([x, y])), (X, Y)),
    "stack": (lambda np, x, y: np.sum(np.stack([x, y])), (X, Y)),
    "vstack": (lambda np, x, y: np.sum(np.vstack([x, y])), (X, Y)),
    "hstack": (lambda np, x, y: np.sum(np.hstack([x, y])), (X, Y)),
    "split": (lambda np, x: np.sum(np.split(x, 4)[1]), (X,)),
    "slice": (lambda np, x: np.sum(x[10:900:2]), (X,)),
    "item": (lambda np, x: x[3] * 2.0, (X,)),
    "fancy index": (lambda np, x: np.sum(x[WHOLE]), (X,)),
    "mask": (lambda np, x: np.sum(x[X > 0.5]), (X,)),
    "cumsum axis": (lambda np, x: np.sum(np.cumsum(x, axis=1)), (GRID,)),
    "average": (lambda np, x: np.sum(np.mean(x, axis=0)), (GRID,)),
    "nan_to_num": (lambda np, x: np.sum(np.nan_to_num(x)), (X,)),
    "dot vectors": (lambda np, x, y: np.dot(x, y), (X, Y)),
    "dot": (lambda np, x: np.sum(np.dot(x, x)), (SQUARE,)),
    "matmul": (lambda np, x: np.sum(np.matmul(x, x)), (SQUARE,)),
    "matmul batched": (lambda np, x: np.sum(np.matmul(x, x)), (STACK,)),
    "inner": (lambda np, x: np.sum(np.inner(x, x)), (SQUARE,)),
    "outer": (lambda np, x: np.sum(np.outer(x, x)), (X[:32],)),
    "tensordot": (lambda np, x: np.sum(np.tensordot(x, x, 1)), (SQUARE,)),
    "einsum": (lambda np, x: np.sum(np.einsum("ij,jk->ik", x, x)), (SQUARE,)),
    "einsum vectors": (lambda np, x, y: np.einsum("i,i->", x, y), (X, Y)),
    "kron": (lambda np, x: np.sum(np.kron(x, x)), (SQUARE[:5, :6],)),
    "cross": (lambda np, x: np.sum(np.cross(x, GRID[:, :3])), (GRID[:, :3],)),
    "linalg.inv": (lambda np, x: np.sum(np.linalg.inv(x)), (SQUARE,)),
    "linalg.det": (lambda np, x: np.linalg.det(x), (SQUARE[:10, :10],)),
    "linalg.slogdet": (lambda np, x: np.linalg.slogdet(x)[1], (SQUARE,)),
    "linalg.solve": (lambda np, x: np.sum(np.linalg.solve(x, GRID[:, :30].T)), (SQUARE,)),
    "linalg.cholesky": (lambda np, x: np.sum(np.linalg.cholesky(x)), (SQUARE @ SQUARE.T,)),
    "linalg.eigh": (lambda np, x: np.sum(np.linalg.eigh(x)[0]), (SQUARE + SQUARE.T,)),
    "linalg.svd": (lambda np, x: np.sum(np.linalg.svd(x, full_matrices=False)[1]), (SQUARE,)),
    "linalg.svd values": (lambda np, x: np.sum(np.linalg.svd(x, compute_uv=False)), (SQUARE,)),
    "linalg.pinv": (lambda np, x: np.sum(np.linalg.pinv(x)), (SQUARE,)),
    "linalg.norm": (lambda np, x: np.linalg.norm(x), (X,)),
    "linalg.norm axis": (lambda np, x: np.sum(np.linalg.norm(x, axis=1)), (GRID,)),
    "fft.fft": (lambda np, x: np.sum(np.real(np.fft.fft(x))), (X,)),
    "fft.ifft": (lambda np, x: np.sum(np.real(np.fft.ifft(x))), (X,)),
    "fft.rfft": (lambda np, x: np.sum(np.real(np.fft.rfft(x))), (X,)),
    "fft.irfft": (lambda np, x: np.sum(np.fft.irfft(x)), (X + 0j,)),
    "fft.fft2": (lambda np, x: np.sum(np.real(np.fft.fft2(x))), (GRID,)),
    "complex": (lambda np, x: np.sum(np.abs(np.exp(1j * x) + x) ** 2), (X,)),
}
SPECIAL: dict[str, tuple[Any, ...]] = {"beta": (X, Y), "betaln": (X, Y)}
NAMES = ("gamma gammaln psi digamma rgamma erf erfc erfinv erfcinv logit expit", "i0 i1 j0 j1 y0 y1")
for _name in " ".join(NAMES).split():
    SPECIAL[_name] = (X,)
for _name, _args in SPECIAL.items():
    CASES[f"special.{_name}"] = (lambda np, *xs, name=_name: np.sum(getattr(np.special, name)(*xs)), _args)
CASES["special.logsumexp"] = (lambda np, x: np.special.logsumexp(x), (X,))


class Tool:
    """A tool's NumPy, with its scipy.special beside it."""

    def __init__(self, numpy: Any, special: Any):
        self.numpy, self.special = numpy, special

    def __getattr__(self, name: str) -> Any:
        return getattr(self.numpy, name)


class _Special:
    logsumexp = staticmethod(logsumexp)

    def __getattr__(self, name: str) -> Any:
        return getattr(scipy.special, name)


OURS, THEIRS = Tool(np, _Special()), Tool(anp, autograd.scipy.special)


def once(call: Callable[[], Any], repeats: int) -> float:
    start = time.process_time()
    for _ in range(repeats):
        call()
    return (time.process_time() - start) / repeats


def compared(name: str) -> tuple[float, float]:
    """Seconds for value and gradient: Backpass's and autograd's, the least of rounds that take turns."""
    function, args = CASES[name]
    ours = bp.value_and_grad(lambda *xs: function(OURS, *xs))
    theirs = autograd.value_and_grad(lambda *xs: function(THEIRS, *xs))
    mine, its = ours(*args)[1], theirs(*args)[1]
    assert np.allclose(mine, np.conj(its)) or name in CHOICES, name
    repeats = max(2, int(3e-3 / max(once(lambda: theirs(*args), 2), 1e-6)))
    rounds = [(once(lambda: ours(*args), repeats), once(lambda: theirs(*args), repeats)) for _ in range(ROUNDS)]
    return min(r[0] for r in rounds), min(r[1] for r in rounds)


CHOICES = ("linalg.eigh", "linalg.cholesky")
"""Where both gradients are right and differ: this one is put onto the triangle that is read, that one differently."""


def main() -> int:
    warnings.simplefilter("ignore")
    rows = []
    for name in sys.argv[1:] or CASES:
        try:
            rows.append((name, *compared(name)))
        except Exception as error:  # a gap of either tool is a row too
            rows.append((name, float("nan"), float("nan")))
            print(f"{name}: {type(error).__name__}: {str(error)[:120]}", file=sys.stderr)
    rows.sort(key=lambda row: -(row[1] / row[2]) if row[1] == row[1] else 0.0)
    print("| operation | Backpass, µs | autograd, µs | ratio |\n| --- | ---: | ---: | ---: |")
    for name, mine, its in rows:
        print(f"| {name} | {mine * 1e6:.1f} | {its * 1e6:.1f} | {mine / its:.2f} |")
    slower = [name for name, mine, its in rows if mine > its]
    print(f"\n{len(rows)} operations, {len(slower)} slower than autograd's: {', '.join(slower) or 'none'}")
    return bool(slower)


if __name__ == "__main__":
    sys.exit(main())
