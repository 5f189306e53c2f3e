"""Every operation that HIPS autograd has too: time of value and gradient on 1,000 entries, in turns.

Prints a Markdown table of µs and ratios, the slowest ratio first; fails when one is slower than autograd's by more than
the 5 % that two runs of the same code differ by, or when autograd has a derivative of a function that is not here:

    pip install autograd scipy -e .
    python benchmarks/operations.py [name ...]

Libraries take turns in runs of a millisecond, and the least time of each counts: what another process takes away is
taken from both. Backpass is called as user code calls it, through the `np` of this module.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import autograd
import autograd.core
import autograd.numpy as anp
import autograd.scipy.linalg
import autograd.scipy.signal
import autograd.scipy.special
import autograd.tracer
import numpy as np
import scipy.linalg
import scipy.special

import backpass as bp
from backpass.partials.scipy_functions import RULES

N = 1000
SECONDS = 0.25
"""For each operation."""
NOISE = 1.05
RNG = np.random.default_rng(0)
X = RNG.uniform(0.1, 0.9, N)
Y = RNG.uniform(0.1, 0.9, N)
GRID = RNG.uniform(0.1, 0.9, (25, 40))
SQUARE = RNG.uniform(-0.1, 0.1, (30, 30)) + np.diag(np.arange(1.0, 31.0))
STACK = RNG.uniform(-0.1, 0.1, (10, 10, 10)) + np.diag(np.arange(1.0, 11.0))
WHOLE = RNG.integers(0, N, N)
UPPER = np.triu(SQUARE)
ORDERED = np.sort(Y)
SHARES = Y[:10] / np.sum(Y[:10])
SPREAD = STACK[0] @ STACK[0].T
BANDS = np.stack([Y[:100], X[:100] + 5.0, Y[100:200]])

# name → (function of the tool's NumPy and the arguments, arguments)
CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {}


def words(text: str) -> list[str]:
    return text.split()


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
    "trace of a square": (lambda np, x: np.trace(x), (SQUARE,)),
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
    "fft.ifft2": (lambda np, x: np.sum(np.real(np.fft.ifft2(x))), (GRID,)),
    "fft.fftn": (lambda np, x: np.sum(np.real(np.fft.fftn(x))), (GRID,)),
    "fft.ifftn": (lambda np, x: np.sum(np.real(np.fft.ifftn(x))), (GRID,)),
    "fft.rfft2": (lambda np, x: np.sum(np.real(np.fft.rfft2(x))), (GRID,)),
    "fft.rfftn": (lambda np, x: np.sum(np.real(np.fft.rfftn(x))), (GRID,)),
    "fft.irfft2": (lambda np, x: np.sum(np.fft.irfft2(x)), (GRID + 0j,)),
    "fft.irfftn": (lambda np, x: np.sum(np.fft.irfftn(x)), (GRID + 0j,)),
    "fft.fftshift": (lambda np, x: np.sum(np.fft.fftshift(x)), (X,)),
    "fft.ifftshift": (lambda np, x: np.sum(np.fft.ifftshift(x)), (X,)),
    "imag": (lambda np, x: np.sum(np.imag(x)), (X + 1j * Y,)),
    "conjugate": (lambda np, x: np.sum(np.real(np.conjugate(x))), (X + 1j * Y,)),
    "complex abs": (lambda np, x: np.sum(np.abs(x)), (X + 1j * Y,)),
    "real_if_close": (lambda np, x: np.sum(np.real_if_close(x)), (X,)),
    "linalg.eig": (lambda np, x: np.sum(np.real(np.linalg.eig(x)[0])), (SQUARE,)),
    "astype": (lambda np, x: np.sum(x.astype(np.float32)), (X,)),
    "array of numbers": (lambda np, x: np.sum(np.array([x[0], x[1], x[2]]) * 2.0), (X,)),
    "array of rows": (lambda np, x: np.sum(np.array([x, x])), (X,)),
    "atleast_1d": (lambda np, x: np.sum(np.atleast_1d(x)), (X,)),
    "atleast_2d": (lambda np, x: np.sum(np.atleast_2d(x)), (X,)),
    "atleast_3d": (lambda np, x: np.sum(np.atleast_3d(x)), (X,)),
    "array_split": (lambda np, x: np.sum(np.array_split(x, 3)[1]), (X,)),
    "hsplit": (lambda np, x: np.sum(np.hsplit(x, 4)[1]), (GRID,)),
    "vsplit": (lambda np, x: np.sum(np.vsplit(x, 5)[1]), (GRID,)),
    "dsplit": (lambda np, x: np.sum(np.dsplit(x, 5)[1]), (STACK,)),
    "column_stack": (lambda np, x, y: np.sum(np.column_stack([x, y])), (X, Y)),
    "append": (lambda np, x, y: np.sum(np.append(x, y)), (X, Y)),
    "select": (lambda np, x, y: np.sum(np.select([X > 0.6, X > 0.3], [x, y])), (X, Y)),
    "fliplr": (lambda np, x: np.sum(np.fliplr(x)), (GRID,)),
    "tril": (lambda np, x: np.sum(np.tril(x)), (GRID,)),
    "rollaxis": (lambda np, x: np.sum(np.rollaxis(x, 1)), (GRID,)),
    "partition": (lambda np, x: np.sum(np.partition(x, 10)), (X,)),
    "gradient": (lambda np, x: np.sum(np.gradient(x)), (X,)),
    "convolve": (lambda np, x: np.sum(np.convolve(x, Y[:50])), (X,)),
    "vstack rows": (lambda np, x: np.sum(np.vstack([x[0], x[1]])), (GRID,)),
    "method sum": (lambda np, x: x.sum(), (X,)),
    "method mean": (lambda np, x: x.mean(), (X,)),
    "method reshape": (lambda np, x: np.sum(x.reshape(40, 25)), (X,)),
    "method T": (lambda np, x: np.sum(x.T), (GRID,)),
    "complex": (lambda np, x: np.sum(np.abs(np.exp(1j * x) + x) ** 2), (X,)),
}
# What has derivative 0, beside something that has one.
for _name in words(
    "floor ceil rint round around fix trunc sign isfinite isinf isnan isneginf isposinf isreal iscomplex ones_like "
    "zeros_like logical_not all any argmax argmin count_nonzero size ndim"
):
    CASES[_name] = (lambda np, x, name=_name: np.sum(x * getattr(np, name)(x)), (X,))
for _name in words("""
floor_divide equal not_equal less less_equal greater greater_equal logical_and logical_or logical_xor isclose allclose
array_equal array_equiv
"""):
    CASES[_name] = (lambda np, x, y, name=_name: np.sum(x * getattr(np, name)(x, y)), (X, Y))
CASES |= {
    "empty_like": (lambda np, x: np.sum(x) * len(np.empty_like(x)), (X,)),
    "full_like": (lambda np, x: np.sum(x * np.full_like(x, 2.0)), (X,)),
    "argsort": (lambda np, x: np.sum(x[np.argsort(x)] * Y), (X,)),
    "argpartition": (lambda np, x: np.sum(x[np.argpartition(x, 10)[:10]]), (X,)),
    "nonzero": (lambda np, x: np.sum(x[np.nonzero(x)]), (X,)),
    "flatnonzero": (lambda np, x: np.sum(x[np.flatnonzero(x)]), (X,)),
    "argwhere": (lambda np, x: np.sum(x[np.argwhere(x)]), (X,)),
    "searchsorted": (lambda np, x: np.sum(x * np.searchsorted(ORDERED, x)), (X,)),
    "shape": (lambda np, x: np.sum(x) / np.shape(x)[0], (X,)),
    "result_type": (lambda np, x: np.sum(x.astype(np.result_type(x, np.float32))), (X,)),
    "isscalar": (lambda np, x: np.sum(x) * np.isscalar(x) + np.sum(x), (X,)),
    "iscomplexobj": (lambda np, x: np.sum(x) * np.iscomplexobj(x) + np.sum(x), (X,)),
    "full": (lambda np, x: np.sum(np.full(1000, x)), (0.3,)),
    "linspace": (lambda np, x, y: np.sum(np.linspace(x, y, 1000)), (0.1, 0.9)),
    "special.gammasgn": (lambda np, x: np.sum(x * np.special.gammasgn(x)), (X,)),
}
SPECIAL: dict[str, tuple[Any, ...]] = {"beta": (X, Y), "betaln": (X, Y)}
NAMES = ("gamma gammaln psi digamma rgamma erf erfc erfinv erfcinv logit expit", "i0 i1 j0 j1 y0 y1")
for _name in " ".join(NAMES).split():
    SPECIAL[_name] = (X,)
for _name, _args in SPECIAL.items():
    CASES[f"special.{_name}"] = (lambda np, *xs, name=_name: np.sum(getattr(np.special, name)(*xs)), _args)
CASES |= {
    "special.logsumexp": (lambda np, x: np.special.logsumexp(x), (X,)),
    "special.polygamma": (lambda np, x: np.sum(np.special.polygamma(1, x)), (X,)),
    "special.multigammaln": (lambda np, x: np.sum(np.special.multigammaln(x, 2)), (X + 2.0,)),
    "special.gammainc": (lambda np, x: np.sum(np.special.gammainc(2.0, x)), (X,)),
    "special.gammaincc": (lambda np, x: np.sum(np.special.gammaincc(2.0, x)), (X,)),
    "special.betainc": (lambda np, x: np.sum(np.special.betainc(2.0, 3.0, x)), (X,)),
    "special.jn": (lambda np, x: np.sum(np.special.jn(2, x)), (X,)),
    "special.yn": (lambda np, x: np.sum(np.special.yn(2, x)), (X,)),
    "special.iv": (lambda np, x: np.sum(np.special.iv(2.0, x)), (X,)),
    "special.ive": (lambda np, x: np.sum(np.special.ive(2.0, x)), (X,)),
    "scipy.linalg.solve_triangular": (
        lambda np, x: np.sum(np.scipy_linalg.solve_triangular(x, GRID[:, :30].T)),
        (UPPER,),
    ),
    "scipy.linalg.solve_banded": (lambda np, x: np.sum(np.scipy_linalg.solve_banded((1, 1), x, X[:100])), (BANDS,)),
    "scipy.linalg.solve_sylvester": (
        lambda np, x: np.sum(np.scipy_linalg.solve_sylvester(x, SQUARE, SQUARE)),
        (SQUARE,),
    ),
    "scipy.linalg.sqrtm": (lambda np, x: np.sum(np.scipy_linalg.sqrtm(x)), (SQUARE @ SQUARE.T,)),
}

for _method in words("pdf logpdf cdf sf logcdf logsf"):
    CASES[f"norm.{_method}"] = (lambda np, x, m=_method: np.sum(np.law("norm", m)(x, 0.1, 1.2)), (X,))
for _family, _method, *_parameters in (
    ("beta", "pdf", 2.0, 3.0), ("beta", "logpdf", 2.0, 3.0), ("beta", "cdf", 2.0, 3.0),
    ("chi2", "pdf", 3.0), ("chi2", "logpdf", 3.0), ("chi2", "cdf", 3.0),
    ("gamma", "pdf", 2.0), ("gamma", "logpdf", 2.0), ("gamma", "cdf", 2.0),
    ("t", "pdf", 3.0), ("t", "logpdf", 3.0), ("t", "cdf", 3.0), ("t", "logcdf", 3.0),
):  # fmt: skip
    CASES[f"{_family}.{_method}"] = (
        lambda np, x, family=_family, m=_method, p=tuple(_parameters): np.sum(np.law(family, m)(x, *p)),
        (X,),
    )
for _method in words("pmf logpmf cdf"):
    CASES[f"poisson.{_method}"] = (lambda np, x, m=_method: np.sum(np.law("poisson", m)(2, x)), (X,))
for _method in words("pdf logpdf"):
    CASES[f"dirichlet.{_method}"] = (
        lambda np, a, m=_method: np.law("dirichlet", m)(SHARES, a),
        (X[:10] + 1.0,),
    )
    CASES[f"multivariate_normal.{_method}"] = (
        lambda np, x, m=_method: np.sum(np.law("multivariate_normal", m)(x, X[:10], SPREAD)),
        (GRID[:, :10],),
    )


class Special:
    """scipy.special: its ufuncs ask their arguments, and what is written in Python has a rule of its own here."""

    def __getattr__(self, name: str) -> Any:
        return RULES["scipy.special"].get(name) or getattr(scipy.special, name)


class SciPyLinalg:
    def __getattr__(self, name: str) -> Any:
        return RULES["scipy.linalg"].get(name) or getattr(scipy.linalg, name)


class Ours:
    """NumPy as this module sees it."""

    special, scipy_linalg = Special(), SciPyLinalg()

    @staticmethod
    def law(family: str, method: str) -> Callable[..., Any]:
        return RULES["scipy.stats"][f"{family}.{method}"]

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


class Theirs:
    """autograd's NumPy, with its SciPy beside it."""

    special, scipy_linalg = autograd.scipy.special, autograd.scipy.linalg
    convolve = staticmethod(autograd.scipy.signal.convolve)

    @staticmethod
    def law(family: str, method: str) -> Callable[..., Any]:
        import autograd.scipy.stats

        return getattr(getattr(autograd.scipy.stats, family), method)

    def __getattr__(self, name: str) -> Any:
        return getattr(anp, name)


OURS, THEIRS = Ours(), Theirs()


def compared(name: str, seconds: float = SECONDS) -> tuple[float, float]:
    """Seconds for value and gradient: Backpass's and autograd's, the least of many short runs that take turns."""
    function, args = CASES[name]
    ours = bp.value_and_grad(lambda *xs: function(OURS, *xs))
    theirs = autograd.value_and_grad(lambda *xs: function(THEIRS, *xs))
    mine, its = ours(*args)[1], theirs(*args)[1]
    assert np.allclose(mine, np.conj(its)) or name in CHOICES, name
    clock = time.perf_counter
    best = [float("inf"), float("inf")]
    start = clock()
    theirs(*args)
    repeats = max(1, int(1e-3 / max(clock() - start, 1e-6)))
    end = clock() + seconds
    while clock() < end:
        for k, call in enumerate((ours, theirs)):
            start = clock()
            for _ in range(repeats):
                call(*args)
            best[k] = min(best[k], (clock() - start) / repeats)
    return best[0], best[1]


CHOICES = ("linalg.eigh", "linalg.cholesky")
"""Where both gradients are right and differ: this one is put onto the triangle that is read, that one differently."""


PARTS = """
array_from_args _array_from_scalar_or_array _make_dict container_take container_untake concatenate_args covector
dot_adjoint_0 dot_adjoint_1 inner_prod make_diagonal make_sequence mut_add scalar_mul sequence_extend_left
sequence_extend_right sparse_add tensordot_adjoint_0 tensordot_adjoint_1 truncate_pad untake
""".split()  # noqa: SIM905
"""What autograd's rules are made of: no function of NumPy's."""
ELSEWHERE = """
entropy odeint
""".split()  # noqa: SIM905
"""A distribution's entropy has no rule here, and ``bp.odeint`` takes other arguments."""


def absent() -> list[str]:
    """The functions that autograd has a derivative of, or knows to have none, and this file has no case for."""
    told = {word for name in CASES for word in name.replace(".", " ").split()}
    have = {f.__name__ for f in autograd.core.primitive_vjps}
    have |= {f.__name__ for f in autograd.tracer.notrace_primitives[autograd.core.VJPNode]}
    known = told | {*PARTS, *ELSEWHERE} | ALSO.keys()
    return sorted(have - known)


ALSO = {
    "__getitem__": "slice", "amax": "max", "amin": "min", "jv": "special.jn",
}  # fmt: skip
"""autograd's own name → the case."""


def main() -> int:
    warnings.simplefilter("ignore")
    rows = []
    for name in sys.argv[1:] or CASES:
        try:
            rows.append((name, *compared(name)))
        except Exception as error:  # a gap of either tool is a row too
            rows.append((name, float("nan"), float("nan")))
            print(f"{name}: {type(error).__name__}: {str(error)[:120]}", file=sys.stderr)
    missing = [] if sys.argv[1:] else absent()
    rows.sort(key=lambda row: -(row[1] / row[2]) if row[1] == row[1] else 0.0)
    print("| operation | Backpass, µs | autograd, µs | ratio |\n| --- | ---: | ---: | ---: |")
    for name, mine, its in rows:
        print(f"| {name} | {mine * 1e6:.1f} | {its * 1e6:.1f} | {mine / its:.2f} |")
    slower = [name for name, mine, its in rows if not mine <= its * NOISE]
    ratio = np.exp(np.mean([np.log(mine / its) for _, mine, its in rows]))
    print(
        f"\n{len(rows)} operations, {sum(mine > its for _, mine, its in rows)} slower than autograd's, "
        f"{len(slower)} by more than {NOISE - 1:.0%}: {', '.join(slower) or 'none'}; geometric mean {ratio:.2f}"
    )
    if missing:
        print(f"without a case: {', '.join(missing)}")
    return bool(slower or missing)


if __name__ == "__main__":
    sys.exit(main())
