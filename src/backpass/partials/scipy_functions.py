"""SciPy's Python functions, which pass through none of NumPy's protocols: found by identity.

``scipy.special.logsumexp(t)`` turns its argument into an array before anything can answer for it. So each is entered
into FUNCTIONS under the function itself once its module is there; `late` does that, and imports nothing. What
intercepts the call looks the function up there.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

import numpy as np

from backpass.graph import messages
from backpass.graph.aval import Aval

from .composite import LOGSUMEXP, _floating, log_softmax, softmax
from .declare import (
    FUNCTIONS,
    Kind,
    Op,
    as_array,
    conjugated,
    declare,
    dtype_of,
    normal_axes,
    normal_axis,
    shape_of,
    value_of,
)
from .decompositions import SOLVE, _mT, _square, adjoint_of
from .shape import unbroadcast
from .special import _apply, _polygamma

RULES: dict[str, dict[str, Any]] = {"scipy.special": {}, "scipy.linalg": {}, "scipy.integrate": {}}
"""Module → name → what does the same on traced values."""


def enter_scipy() -> None:
    """Enter the rules of those modules of SciPy that have been imported."""
    for module, rules in RULES.items():
        found = sys.modules.get(module)
        if found is not None:
            for name, rule in rules.items():
                if hasattr(found, name):
                    FUNCTIONS[getattr(found, name)] = rule


def _rule(module: str, *names: str) -> Any:
    def enter(implementation: Any) -> Any:
        for name in names or (implementation.__name__.rstrip("_"),):
            RULES[f"scipy.{module}"][name] = implementation
        return implementation

    return enter


# ---- scipy.special
@_rule("special")
def logsumexp(a, axis=None, b=None, keepdims=False, return_sign=False):
    """log Σ b exp(a); with `return_sign` of |Σ| and the sign apart."""
    a = _floating(a)
    axes = normal_axes(axis, len(shape_of(a)))
    if b is None and not return_sign:
        return LOGSUMEXP(a, axis=axes, keepdims=bool(keepdims))
    b = np.ones(shape_of(a)) if b is None else as_array(b)
    a, b = np.broadcast_arrays(a, b)
    axes = normal_axes(axis, len(shape_of(a)))
    used = np.where(np.equal(b, 0), -np.inf, np.real(value_of(a)))
    top = np.max(used, axis=axes, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    total = np.sum(np.where(np.equal(b, 0), 0.0, b * np.exp(a - top)), axis=axes, keepdims=True)
    sign = np.sign(total) if return_sign else None
    found = np.log(np.abs(total) if return_sign else total) + top
    parts = [part if keepdims else np.squeeze(part, axis=axes) for part in (found, sign) if part is not None]
    return tuple(parts) if return_sign else parts[0]


def _over_all(function: Any) -> Any:
    def implementation(x, axis=None):
        x = as_array(x)
        if axis is not None:
            return function(x, axis=axis)
        return np.reshape(function(np.ravel(x)), shape_of(x))

    return implementation


_rule("special", "softmax")(_over_all(softmax))
_rule("special", "log_softmax")(_over_all(log_softmax))
_rule("special", "softplus")(lambda x: np.logaddexp(0.0, x))


@_rule("special")
def polygamma(n, x):
    """ψ⁽ⁿ⁾(x), of whole order n."""
    n = np.asarray(value_of(n))
    if n.ndim:
        raise messages.option_refused("scipy.special.polygamma", "n", "Give one order at a time.")
    return _apply("psi")(x) if n == 0 else _polygamma(int(n), x)


@_rule("special")
def multigammaln(a, d):
    """log Γ_d(a) = d(d − 1)/4 log π + Σ_{j=1}^d log Γ(a + (1 − j)/2)"""
    a, d = as_array(a), int(value_of(d))
    if not d > 0:
        raise ValueError("d should be a positive integer (dimension)")
    total = d * (d - 1) * 0.25 * np.log(np.pi)
    for j in range(1, d + 1):
        total = total + _apply("loggamma")(a - (j - 1.0) / 2)
    return total


@_rule("special")
def comb(N, k, *, exact=False, repetition=False):
    if exact:
        raise messages.option_refused("scipy.special.comb", "exact", "Exact counts are whole numbers: leave it out.")
    if repetition:
        N = N + k - 1
    cond = (value_of(k) <= value_of(N)) & (value_of(N) >= 0) & (value_of(k) >= 0)
    return np.where(cond, _apply("binom")(N, k), 0.0)


@_rule("special")
def factorial(n, exact=False, extend="zero"):
    if exact:
        raise messages.option_refused(
            "scipy.special.factorial", "exact", "Exact counts are whole numbers: leave it out."
        )
    n = as_array(n)
    return np.where(value_of(n) < 0, 0.0, _apply("gamma")(np.where(value_of(n) < 0, 1.0, n) + 1))


# ---- scipy.integrate
@_rule("integrate")
def trapezoid(y, x=None, dx=1.0, axis=-1):
    return np.trapezoid(y, x, dx, axis)


@_rule("integrate")
def cumulative_trapezoid(y, x=None, dx=1.0, axis=-1, initial=None):
    y = as_array(y)
    axis = normal_axis(axis, len(shape_of(y)))
    head = (slice(None),) * axis
    steps = _steps(y, x, dx, axis)
    areas = steps * (y[(*head, slice(1, None))] + y[(*head, slice(None, -1))]) / 2.0
    total = np.cumsum(areas, axis=axis)
    if initial is None:
        return total
    return np.concatenate([np.full_like(value_of(y[(*head, slice(0, 1))]), initial), total], axis=axis)


def _steps(y: Any, x: Any, dx: Any, axis: int) -> Any:
    if x is None:
        return dx
    steps = np.diff(as_array(x), axis=-1 if len(shape_of(x)) == 1 else axis)
    if len(shape_of(steps)) == 1:
        steps = np.reshape(steps, tuple(-1 if i == axis else 1 for i in range(len(shape_of(y)))))
    return steps


@_rule("integrate")
def simpson(y, x=None, *, dx=1.0, axis=-1):
    """Composite Simpson; for an even number of points SciPy's correction of the last interval (Cartwright 2017)."""
    y = np.moveaxis(as_array(y), axis, -1)
    n = shape_of(y)[-1]
    if x is None:
        h = dx * np.ones(n - 1)
    else:
        x = as_array(x)
        h = np.diff(x if len(shape_of(x)) == 1 else np.moveaxis(x, axis, -1), axis=-1)
    if n == 1:
        return 0.0 * y[..., 0]
    if n == 2:
        return 0.5 * h[..., 0] * (y[..., 0] + y[..., 1])
    m = n if n % 2 else n - 1
    h0, h1 = h[..., 0 : m - 1 : 2], h[..., 1 : m - 1 : 2]
    y0, y1, y2 = y[..., 0 : m - 2 : 2], y[..., 1 : m - 1 : 2], y[..., 2:m:2]
    total = h0 + h1
    ratio = h0 / h1
    found = np.sum(
        total / 6.0 * (y0 * (2.0 - 1.0 / ratio) + y1 * (total * total / (h0 * h1)) + y2 * (2.0 - ratio)), axis=-1
    )
    if n % 2 == 0:
        a, b = h[..., -2], h[..., -1]
        found = (
            found
            + (2 * b**2 + 3 * a * b) / (6 * (b + a)) * y[..., -1]
            + (b**2 + 3 * a * b) / (6 * a) * y[..., -2]
            - b**3 / (6 * a * (a + b)) * y[..., -3]
        )
    return found


# ---- scipy.linalg: operations that NumPy has not
def _scipy_linalg(name: str) -> Any:
    def run(*args: Any, **options: Any) -> Any:
        import scipy.linalg

        return getattr(scipy.linalg, name)(*args, **options)

    return run


@functools.lru_cache(maxsize=256)
def _dtype_as_run(name: str, *dtypes: np.dtype) -> np.dtype:
    """The dtype that SciPy's function gives, by asking it."""
    return _scipy_linalg(name)(*[np.eye(2, dtype=dtype) for dtype in dtypes]).dtype


def _dtype(name: str, *avals: Aval) -> np.dtype:
    return _dtype_as_run(name, *[aval.dtype for aval in avals])


def _frechet(a: Any, e: Any) -> Any:
    """The derivative of expm at A along E: the upper right block of expm [[A, E], [0, A]] (Mathias 1996)."""
    n = shape_of(a)[-1]
    upper = np.concatenate([a, e], axis=-1)
    lower = np.concatenate([np.zeros_like(e), a], axis=-1)
    return EXPM(np.concatenate([upper, lower], axis=-2))[..., :n, n:]


EXPM = declare(
    Op(
        name="expm",
        kind=Kind.CUSTOM,
        run=_scipy_linalg("expm"),
        aval=lambda a: (_square(a), Aval(a.shape, _dtype("expm", a)))[1],
        adjoints=(lambda g, out, a: _frechet(_mT(a), g),),
        tangent=lambda t, out, a: _frechet(a, t[0]),
        notation="expm({0})",
        domain={"low": -0.5, "high": 0.5, "matrix": "separated"},
        doc="The matrix exponential Σ Aᵏ/k!.",
    )
)


def _triangle(a: Any, lower: bool, unit: bool) -> Any:
    """1 where solve_triangular reads."""
    n = shape_of(a)[-1]
    ones = np.ones((n, n), dtype_of(a))
    return np.tril(ones, -int(unit)) if lower else np.triu(ones, int(unit))


def _triangular_matrix(g: Any, out: Any, a: Any, b: Any, lower: bool, unit: bool) -> Any:
    z = SOLVE_TRIANGULAR(_mT(a), g, lower=not lower, unit=unit)
    return unbroadcast(-np.matmul(z, _mT(out)) * _triangle(a, lower, unit), shape_of(a))


def _triangular_tangent(t: Any, out: Any, a: Any, b: Any, lower: bool, unit: bool) -> Any:
    right = t[1]
    if t[0] is not None:
        pushed = np.matmul(t[0] * _triangle(a, lower, unit), out)
        right = -pushed if right is None else right - pushed
    return SOLVE_TRIANGULAR(a, right, lower=lower, unit=unit)


def _triangular_run(a: Any, b: Any, lower: bool, unit: bool) -> Any:
    return _scipy_linalg("solve_triangular")(a, b, lower=lower, unit_diagonal=unit)


SOLVE_TRIANGULAR = declare(
    Op(
        name="solve_triangular",
        kind=Kind.CUSTOM,
        run=_triangular_run,
        aval=lambda a, b, lower, unit: (
            _square(a),
            Aval((*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), *b.shape[-2:]), _dtype("solve_triangular", a, b)),
        )[1],
        adjoints=(
            _triangular_matrix,
            lambda g, out, a, b, lower, unit: unbroadcast(
                SOLVE_TRIANGULAR(_mT(a), g, lower=not lower, unit=unit), shape_of(b)
            ),
        ),
        tangent=_triangular_tangent,
        notation="{0}⁻¹ {1}",
        domain={"low": -0.5, "high": 0.5, "matrix": "separated"},
        doc="The solution of a triangular system; only that triangle is read.",
    )
)


def _sylvester_tangent(t: Any, out: Any, a: Any, b: Any, q: Any) -> Any:
    right = t[2]
    for part in (
        None if t[0] is None else np.matmul(t[0], out),
        None if t[1] is None else np.matmul(out, t[1]),
    ):
        if part is not None:
            right = -part if right is None else right - part
    return SYLVESTER(a, b, right)


def _sylvester_adjoint(g: Any, a: Any, b: Any) -> Any:
    return SYLVESTER(_mT(a), _mT(b), g)


SYLVESTER = declare(
    Op(
        name="solve_sylvester",
        kind=Kind.CUSTOM,
        run=_scipy_linalg("solve_sylvester"),
        aval=lambda a, b, q: (_square(a), _square(b), Aval(q.shape, _dtype("solve_sylvester", a, b, q)))[2],
        adjoints=(
            lambda g, out, a, b, q: -np.matmul(_sylvester_adjoint(g, a, b), _mT(out)),
            lambda g, out, a, b, q: -np.matmul(_mT(out), _sylvester_adjoint(g, a, b)),
            lambda g, out, a, b, q: _sylvester_adjoint(g, a, b),
        ),
        tangent=_sylvester_tangent,
        notation="X: {0} X + X {1} = {2}",
        domain={"low": -0.3, "high": 0.3, "matrix": "separated"},
        doc="The X of A X + X B = Q (Bartels & Stewart 1972).",
    )
)
SQRTM = declare(
    Op(
        name="sqrtm",
        kind=Kind.CUSTOM,
        run=_scipy_linalg("sqrtm"),
        aval=lambda a: (_square(a), Aval(a.shape, _dtype("sqrtm", a)))[1],
        # S dS + dS S = dA
        adjoints=(lambda g, out, a: SYLVESTER(_mT(out), _mT(out), g),),
        tangent=lambda t, out, a: SYLVESTER(out, out, t[0]),
        notation="{0}^½",
        domain={"low": -0.3, "high": 0.3, "matrix": "separated"},
        doc="The principal square root of a matrix.",
    )
)


# ---- scipy.linalg: its functions
@_rule("linalg")
def expm(A):
    A = as_array(A)
    return EXPM(A if dtype_of(A).kind in "fc" else A.astype(float))


@_rule("linalg")
def sqrtm(A):
    A = as_array(A)
    if len(shape_of(A)) != 2:
        raise messages.option_refused("scipy.linalg.sqrtm", "A", "One matrix at a time.")
    return SQRTM(A)


@_rule("linalg")
def solve_sylvester(a, b, q):
    return SYLVESTER(as_array(a), as_array(b), as_array(q))


def _with_columns(b: Any, solve: Any) -> Any:
    """SciPy takes b with one axis too."""
    b = as_array(b)
    return solve(np.expand_dims(b, -1))[..., 0] if len(shape_of(b)) == 1 else solve(b)


@_rule("linalg")
def solve_triangular(a, b, trans=0, lower=False, unit_diagonal=False, overwrite_b=False, check_finite=True):
    a = as_array(a)
    if trans in (1, "T", 2, "C"):
        a, lower = (_mT(a) if trans in (1, "T") else adjoint_of(a)), not lower
    options = {"lower": bool(lower), "unit": bool(unit_diagonal)}
    return _with_columns(b, lambda b: SOLVE_TRIANGULAR(a, b, **options))


@_rule("linalg")
def cho_solve(c_and_lower, b, overwrite_b=False, check_finite=True):
    c, lower = c_and_lower
    c = as_array(c)
    first = c if lower else adjoint_of(c)

    def solve(b: Any) -> Any:
        half = SOLVE_TRIANGULAR(first, b, lower=True, unit=False)
        return SOLVE_TRIANGULAR(adjoint_of(first), half, lower=False, unit=False)

    return _with_columns(b, solve)


@_rule("linalg")
def cholesky(a, lower=False, overwrite_a=False, check_finite=True):
    return np.linalg.cholesky(a, upper=not lower)


@_rule("linalg")
def cho_factor(a, lower=False, overwrite_a=False, check_finite=True):
    return np.linalg.cholesky(a, upper=not lower), lower


@_rule("linalg")
def solve(a, b, lower=False, overwrite_a=False, overwrite_b=False, check_finite=True, assume_a=None, transposed=False):
    a = as_array(a)
    if assume_a in ("pos", "sym", "her", "positive definite", "symmetric", "hermitian"):
        # One triangle is read, and stands for both.
        half = np.tril(a, -1) if lower else np.triu(a, 1)
        mirrored = _mT(half) if assume_a in ("sym", "symmetric") else adjoint_of(half)
        a = half + mirrored + a * np.eye(shape_of(a)[-1], dtype=dtype_of(a))
    if transposed:
        a = _mT(a)
    return _with_columns(b, lambda b: SOLVE(a, b))


def _band(ab: Any, lower: int, upper: int) -> tuple[Any, Any]:
    """Where the entries of a banded matrix stand: rows and columns of the matrix, and of its diagonals."""
    n = shape_of(ab)[-1]
    i, j = np.indices((n, n)).reshape(2, -1)
    inside = (i - j <= lower) & (j - i <= upper)
    i, j = i[inside], j[inside]
    return (i, j), (upper + i - j, j)


@_rule("linalg")
def solve_banded(l_and_u, ab, b, overwrite_ab=False, overwrite_b=False, check_finite=True):
    """By the full matrix: the diagonals are laid out, then it is ``solve``."""
    from .indexing import SCATTER_ADD

    ab = as_array(ab)
    n = shape_of(ab)[-1]
    places, own = _band(ab, *map(int, l_and_u))
    full = SCATTER_ADD(ab[own], *places, shape=(n, n), key=("index", "index"))
    return _with_columns(b, lambda b: SOLVE(full, b))


@_rule("linalg")
def norm(a, ord=None, axis=None, keepdims=False, check_finite=True):
    return np.linalg.norm(a, ord, axis, keepdims)


@_rule("linalg")
def eigh(a, b=None, *, lower=True, eigvals_only=False, **options):
    _plainly(
        "eigh",
        b=b,
        **{
            k: v
            for k, v in options.items()
            if k in ("type", "subset_by_index", "subset_by_value") and v not in (1, None)
        },
    )
    side = "L" if lower else "U"
    return np.linalg.eigvalsh(a, side) if eigvals_only else tuple(np.linalg.eigh(a, side))


@_rule("linalg")
def eigvalsh(a, b=None, *, lower=True, **options):
    return eigh(a, b, lower=lower, eigvals_only=True, **options)


def _plainly(name: str, **options: Any) -> None:
    for option, value in options.items():
        if value is not None:
            raise messages.option_refused(f"scipy.linalg.{name}", option, "Leave it out.")


@_rule("linalg")
def svd(a, full_matrices=True, compute_uv=True, overwrite_a=False, check_finite=True, lapack_driver="gesdd"):
    found = np.linalg.svd(a, full_matrices, compute_uv)
    return tuple(found) if compute_uv else found


@_rule("linalg")
def pinv(a, *, atol=None, rtol=None, return_rank=False, check_finite=True):
    if atol is not None or return_rank:
        raise messages.option_refused("scipy.linalg.pinv", "atol or return_rank", "Give rtol alone.")
    a = as_array(a)
    return np.linalg.pinv(a, rtol=max(shape_of(a)[-2:]) * np.finfo(dtype_of(a)).eps if rtol is None else rtol)


@_rule("linalg")
def block_diag(*arrs):
    arrs = [np.atleast_2d(as_array(a)) for a in arrs]
    width = sum(shape_of(a)[-1] for a in arrs)
    rows, start = [], 0
    for a in arrs:
        m, n = shape_of(a)[-2:]
        parts = [np.zeros((m, start)), a, np.zeros((m, width - start - n))]
        rows.append(np.concatenate([p for p in parts if shape_of(p)[1]], axis=1))
        start += n
    return np.concatenate(rows, axis=0)


@_rule("linalg")
def toeplitz(c, r=None):
    c = np.ravel(as_array(c))
    r = conjugated(c) if r is None else np.ravel(as_array(r))
    m, n = shape_of(c)[0], shape_of(r)[0]
    values = np.concatenate([c[::-1], r[1:]])
    return values[(m - 1) - np.arange(m)[:, None] + np.arange(n)[None, :]]


_rule("linalg", "inv")(lambda a, overwrite_a=False, check_finite=True, **_: np.linalg.inv(a))
_rule("linalg", "det")(lambda a, overwrite_a=False, check_finite=True: np.linalg.det(a))
_rule("linalg", "svdvals")(lambda a, overwrite_a=False, check_finite=True: np.linalg.svd(a, compute_uv=False))

__all__ = ["EXPM", "RULES", "SOLVE_TRIANGULAR", "SQRTM", "SYLVESTER", "enter_scipy"]
