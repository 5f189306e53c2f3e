"""``scipy.linalg``: the matrix functions, factorisations and solvers that NumPy has not, and SciPy's own forms."""

from __future__ import annotations

import functools
import sys
from typing import Any

import numpy as np

from backpass.graph import messages
from backpass.graph.aval import Aval

from .declare import (
    Kind,
    Op,
    as_array,
    conjugated,
    declare,
    dtype_of,
    floating,
    is_complex,
    is_staged,
    shape_of,
    value_of,
)
from .decompositions import SOLVE, _mT, _square, adjoint_of
from .scipy_functions import RULES, _as_written, _rule
from .shape import unbroadcast


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


def _frechet(a: Any, e: Any, function: Any = None) -> Any:
    """The derivative of expm, or of another function, at A along E: the upper right block of expm [[A, E], [0, A]]
    (Mathias 1996)."""
    n = shape_of(a)[-1]
    upper = np.concatenate([a, e], axis=-1)
    lower = np.concatenate([np.zeros_like(e), a], axis=-1)
    return (function or EXPM)(np.concatenate([upper, lower], axis=-2))[..., :n, n:]


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


# ---- banded matrices, as SciPy holds them: A[i, j] stands in ab[upper + i − j, j]
def _along(n: int, lower: int, upper: int) -> tuple[Any, Any]:
    """For each row of ab, the place that it has beside each place j on the diagonal; and where that is inside."""
    beside = np.arange(n) + np.arange(-upper, lower + 1)[:, None]
    return np.clip(beside, 0, max(n - 1, 0)), (beside >= 0) & (beside < n)


def _transposed_band(ab: Any, lower: int, upper: int) -> Any:
    i, inside = _along(shape_of(ab)[-1], upper, lower)
    rows = np.arange(lower + upper, -1, -1)[:, None]
    return np.where(inside, ab[rows, i], 0.0)


def _banded_matrix(g: Any, out: Any, ab: Any, b: Any, lower: int, upper: int) -> Any:
    # ∂L/∂A = −(A⁻ᵀG) Xᵀ, where A has entries at all.
    z = SOLVE_BANDED(_transposed_band(ab, lower, upper), g, lower=upper, upper=lower)
    i, inside = _along(shape_of(ab)[-1], lower, upper)
    return np.where(inside, -np.sum(z[i] * out, axis=-1), 0.0)


def _banded_tangent(t: Any, out: Any, ab: Any, b: Any, lower: int, upper: int) -> Any:
    right = t[1]
    if t[0] is not None:
        j, inside = _along(shape_of(ab)[-1], upper, lower)
        rows = np.arange(lower + upper, -1, -1)[:, None]
        pushed = np.sum(np.expand_dims(np.where(inside, t[0][rows, j], 0.0), -1) * out[j], axis=0)
        right = -pushed if right is None else right - pushed
    return SOLVE_BANDED(ab, right, lower=lower, upper=upper)


@functools.lru_cache(maxsize=256)
def _banded_dtype(lower: int, upper: int, n: int, *dtypes: np.dtype) -> np.dtype:
    """The dtype that SciPy gives, by asking it: it has one solver for three diagonals, and divides where n is 1."""
    identity = np.zeros((lower + upper + 1, n), dtypes[0])
    identity[upper] = 1
    return _scipy_linalg("solve_banded")((lower, upper), identity, np.ones((n, 1), dtypes[1])).dtype


def _banded_aval(ab: Aval, b: Aval, lower: int, upper: int) -> Aval:
    if ab.shape[0] != lower + upper + 1 or ab.shape[-1] != b.shape[0]:
        raise ValueError(f"solve_banded: ab of shape {ab.shape} has {lower} + {upper} + 1 rows and b {b.shape} as many")
    return Aval(b.shape, _banded_dtype(lower, upper, min(b.shape[0], 2), ab.dtype, b.dtype))


SOLVE_BANDED = declare(
    Op(
        name="solve_banded",
        kind=Kind.CUSTOM,
        run=lambda ab, b, lower, upper: _scipy_linalg("solve_banded")((lower, upper), ab, b),
        aval=_banded_aval,
        adjoints=(
            _banded_matrix,
            lambda g, out, ab, b, lower, upper: SOLVE_BANDED(
                _transposed_band(ab, lower, upper), g, lower=upper, upper=lower
            ),
        ),
        tangent=_banded_tangent,
        notation="{0}⁻¹ {1}",
        domain={"low": 1.0, "high": 1.2},
        doc="The solution of a banded system, the matrix given by its diagonals, in time and memory that grow with n.",
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
    return EXPM(floating(A))


def _each(op: Op, a: Any) -> Any:
    """Of each matrix of a stack."""
    a = floating(a)
    if len(shape_of(a)) == 2:
        return op(a)
    flat = np.reshape(a, (-1, *shape_of(a)[-2:]))
    return np.reshape(np.stack([op(flat[k]) for k in range(shape_of(flat)[0])]), shape_of(a))


@_rule("linalg")
def sqrtm(A):
    return _each(SQRTM, A)


@_rule("linalg")
def logm(A):
    return _each(LOGM, A)


@_rule("linalg")
def fractional_matrix_power(A, t):
    """exp(t log A)"""
    return EXPM(t * LOGM(_one_matrix("fractional_matrix_power", A)))


def _one_matrix(name: str, a: Any) -> Any:
    if len(shape_of(a := as_array(a))) != 2:
        raise messages.option_refused(f"scipy.linalg.{name}", "A", "One matrix at a time.")
    return floating(a)


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
    a, b = np.atleast_2d(as_array(a)), np.atleast_1d(as_array(b))
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
    lower, upper = map(int, l_and_u)
    return _with_columns(b, lambda b: SOLVE_BANDED(as_array(ab), b, lower=lower, upper=upper))


@_rule("linalg")
def norm(a, ord=None, axis=None, keepdims=False, check_finite=True):
    return np.linalg.norm(a, ord, axis, keepdims)


def _hermitian(a: Any, lower: bool) -> Any:
    """The matrix of which `a` gives one triangle."""
    half = np.tril(a) if lower else np.triu(a)
    return half + adjoint_of(np.tril(a, -1) if lower else np.triu(a, 1))


def _as_scipy_signs(vectors: Any, a: Any, b: Any, options: dict[str, Any]) -> Any:
    """The same eigenvectors with the signs of those that SciPy's own driver finds."""
    if is_staged(a) or is_staged(b):
        return vectors
    wanted = sys.modules["scipy.linalg"].eigh(value_of(a), value_of(b), **options)[1]
    along = np.sum(np.conj(value_of(vectors)) * wanted, axis=0)
    return vectors * (along / np.where(along == 0, 1.0, np.abs(along)) + (along == 0))


@_rule("linalg")
def eigh(a, b=None, *, lower=True, eigvals_only=False, subset_by_index=None, **options):
    """A v = λ v, or A v = λ B v with vᴴ B v = 1, by B = L Lᴴ and the matrix L⁻¹ A L⁻ᴴ."""
    named = {k: v for k, v in options.items() if k in ("type", "subset_by_value") and v not in (1, None)}
    _plainly("eigh", **named)
    a = as_array(a)
    first, last = (0, shape_of(a)[-1] - 1) if subset_by_index is None else map(int, subset_by_index)
    kept = slice(first, last + 1)
    low = None
    if b is None:
        whole, side = a, "L" if lower else "U"
    else:
        low = np.linalg.cholesky(_hermitian(as_array(b), lower))
        whole, side = np.linalg.solve(low, adjoint_of(np.linalg.solve(low, _hermitian(a, lower)))), "L"
    if eigvals_only:
        return np.linalg.eigvalsh(whole, side)[kept]
    values, vectors = np.linalg.eigh(whole, side)
    if low is not None:
        vectors = np.linalg.solve(adjoint_of(low), vectors)
    if subset_by_index is not None:
        values, vectors = values[kept], vectors[:, kept]
    return values, _as_scipy_signs(vectors, a, b, {"lower": lower, "subset_by_index": subset_by_index})


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


def _logm_run(a: Any) -> Any:
    """In double precision: in single, SciPy finds its own result inaccurate."""
    found = _scipy_linalg("logm")(a.astype(np.result_type(a, np.float64)))
    return (
        found.astype(np.result_type(a, np.complex64))
        if is_complex(found)
        else found.astype(_dtype_as_run("logm", a.dtype))
    )


LOGM = declare(
    Op(
        name="logm",
        kind=Kind.CUSTOM,
        run=_logm_run,
        aval=lambda a: (_square(a), Aval(a.shape, _dtype("logm", a)))[1],
        adjoints=(lambda g, out, a: _frechet(_mT(a), g, LOGM),),
        tangent=lambda t, out, a: _frechet(a, t[0], LOGM),
        notation="logm({0})",
        domain={"low": -0.3, "high": 0.3, "matrix": "separated"},
        doc="The principal logarithm of a matrix, the inverse of expm.",
    )
)


@_rule("linalg")
def expm_frechet(A, E, method=None, compute_expm=True, check_finite=True):
    a, e = as_array(A), as_array(E)
    return (EXPM(a), _frechet(a, e)) if compute_expm else _frechet(a, e)


def _of_exponentials(name: str, function: Any) -> None:
    """A function of a matrix by exponentials of it and of its negative; by those of iA for the trigonometric ones."""
    _rule("linalg", name)(lambda A: function(as_array(A)))


def _waves(a: Any) -> tuple[Any, Any]:
    if is_complex(a):
        up, down = EXPM(1j * a), EXPM(-1j * a)
        return (up + down) / 2, (up - down) / 2j
    wave = EXPM(1j * a)
    return np.real(wave), np.imag(wave)


_of_exponentials("cosm", lambda a: _waves(a)[0])
_of_exponentials("sinm", lambda a: _waves(a)[1])
_of_exponentials("tanm", lambda a: SOLVE(*_waves(a)))
_of_exponentials("coshm", lambda a: (EXPM(a) + EXPM(-a)) / 2)
_of_exponentials("sinhm", lambda a: (EXPM(a) - EXPM(-a)) / 2)
_of_exponentials("tanhm", lambda a: SOLVE((EXPM(a) + EXPM(-a)) / 2, (EXPM(a) - EXPM(-a)) / 2))


# ---- factorisations by elimination
def _eliminated(a: Any) -> tuple[np.ndarray, Any, Any]:
    """(order of the rows, L, U) with A[order] = L U, column after column; the pivots are LAPACK's."""
    if is_staged(a):
        raise messages.value_unknown(a, "the choice of pivots in scipy.linalg.lu")
    m, n = shape_of(a)
    order = np.argmax(_scipy_linalg("lu")(np.asarray(value_of(a)))[0], axis=0)
    rest, k = a[order], min(m, n)
    below, above = [], []
    for i in range(k):
        row = rest[0]
        column = rest[:, 0] / row[0]
        below.append(np.concatenate([np.zeros(i), column]))
        above.append(np.concatenate([np.zeros(i), row]))
        rest = rest[1:, 1:] - column[1:, None] * row[None, 1:]
    return order, np.stack(below, axis=1), np.stack(above)


@_rule("linalg")
def lu(a, permute_l=False, overwrite_a=False, check_finite=True, p_indices=False):
    a = as_array(a)
    if len(shape_of(a)) > 2:
        parts = [lu(a[k], permute_l, p_indices=p_indices) for k in range(shape_of(a)[0])]
        return tuple([np.stack(part) for part in zip(*parts, strict=True)])
    order, below, above = _eliminated(floating(a))
    back = np.argsort(order)
    if permute_l:
        return below[back], above
    return (back if p_indices else np.eye(len(order))[:, order]), below, above


@_rule("linalg")
def lu_factor(a, overwrite_a=False, check_finite=True):
    """L without its diagonal and U in one array, and LAPACK's exchanges of rows."""
    a = _one_matrix("lu_factor", a)
    _, below, above = _eliminated(a)
    n = shape_of(a)[0]
    pivots = _scipy_linalg("lu_factor")(np.asarray(value_of(a)))[1]
    return below[:, :n] - np.eye(n, shape_of(below)[1]) + above, pivots


@_rule("linalg")
def lu_solve(lu_and_piv, b, trans=0, overwrite_b=False, check_finite=True):
    both, pivots = lu_and_piv
    both = as_array(both)
    order = np.arange(shape_of(both)[0])
    for i, other in enumerate(np.asarray(value_of(pivots))):
        order[[i, other]] = order[[other, i]]

    def solve(b: Any) -> Any:
        if trans in (0, "N"):
            half = SOLVE_TRIANGULAR(both, b[order], lower=True, unit=True)
            return SOLVE_TRIANGULAR(both, half, lower=False, unit=False)
        turned = _mT(both) if trans == 1 else adjoint_of(both)
        half = SOLVE_TRIANGULAR(turned, b, lower=True, unit=False)
        return SOLVE_TRIANGULAR(turned, half, lower=False, unit=True)[np.argsort(order)]

    return _with_columns(b, solve)


@_rule("linalg")
def qr(a, overwrite_a=False, lwork=None, mode="full", pivoting=False, check_finite=True):
    modes: Any = {"full": "complete", "economic": "reduced", "r": "r"}
    if mode not in modes:
        raise messages.option_refused("scipy.linalg.qr", "mode", "Modes with a rule: full, economic, r.")
    if pivoting:
        if is_staged(a):
            raise messages.value_unknown(a, "the choice of columns in scipy.linalg.qr")
        order = _scipy_linalg("qr")(np.asarray(value_of(a)), mode="r", pivoting=True)[1]
        return (*qr(as_array(a)[:, order], mode=mode), order)
    if mode == "r":
        r = np.linalg.qr(a, "complete")[1] if shape_of(a)[-2] > shape_of(a)[-1] else np.linalg.qr(a, "r")
        return (r,)
    return tuple(np.linalg.qr(a, modes[mode]))


@_rule("linalg")
def eig(a, b=None, left=False, right=True, overwrite_a=False, overwrite_b=False, check_finite=True, **options):
    _without_another("eig", b)
    if left:
        raise messages.option_refused("scipy.linalg.eig", "left", "The left ones are those of the transposed matrix.")
    values, vectors = np.linalg.eig(_complex_if(a))
    return (values, vectors) if right else values


@_rule("linalg")
def eigvals(a, b=None, overwrite_a=False, check_finite=True, **options):
    _without_another("eigvals", b)
    return np.linalg.eigvals(_complex_if(a))


def _without_another(name: str, b: Any) -> None:
    if b is not None:
        raise messages.option_refused(f"scipy.linalg.{name}", "b", f"Use np.linalg.{name}(np.linalg.solve(b, a)).")


def _complex_if(a: Any) -> Any:
    """SciPy's eigenvalues are complex numbers always."""
    a = as_array(a)
    return a if is_complex(a) else a.astype(complex)


@_rule("linalg")
def lstsq(a, b, cond=None, overwrite_a=False, overwrite_b=False, check_finite=True, lapack_driver=None):
    found = np.linalg.lstsq(a, b, rcond=cond)
    return tuple(found)


# ---- matrices with a pattern
@_rule("linalg")
def circulant(c):
    c = as_array(c)
    n = shape_of(c)[-1]
    return np.take(c, (np.arange(n)[:, None] - np.arange(n)[None, :]) % n, axis=-1)


@_rule("linalg")
def hankel(c, r=None):
    c = np.ravel(as_array(c))
    r = np.zeros(shape_of(c)) if r is None else np.ravel(as_array(r))
    values = np.concatenate([c, r[1:]])
    return values[np.arange(shape_of(c)[0])[:, None] + np.arange(shape_of(r)[0])[None, :]]


@_rule("linalg")
def companion(a):
    a = as_array(a)
    n = shape_of(a)[0] - 1
    first = np.reshape(-a[1:] / a[0], (1, n))
    return np.concatenate([first, np.eye(n)[:-1]], axis=0)


@_rule("linalg")
def matmul_toeplitz(c_or_cr, x, check_finite=False, workers=None):
    """The diagonals, from the upper right to the lower left, slide along x."""
    c, r = (np.ravel(as_array(part)) for part in (c_or_cr if isinstance(c_or_cr, tuple) else (c_or_cr, c_or_cr)))
    r = r if isinstance(c_or_cr, tuple) else conjugated(r)
    diagonals = np.concatenate([r[:0:-1], c])
    return _with_columns(x, lambda x: RULES["scipy.signal"]["fftconvolve"](diagonals[:, None], x, "valid", axes=0))


@_rule("linalg")
def khatri_rao(a, b):
    a, b = as_array(a), as_array(b)
    return np.reshape(a[:, None, :] * b[None, :, :], (shape_of(a)[0] * shape_of(b)[0], shape_of(a)[1]))


@_rule("linalg")
def solve_toeplitz(c_or_cr, b, check_finite=True):
    c, r = c_or_cr if isinstance(c_or_cr, tuple) else (c_or_cr, None)
    return _with_columns(b, lambda b: SOLVE(toeplitz(c, r), b))


@_rule("linalg")
def solve_circulant(c, b, singular="raise", tol=None, caxis=-1, baxis=0, outaxis=0):
    if (singular, caxis, baxis, outaxis) != ("raise", -1, 0, 0):
        raise messages.option_refused("scipy.linalg.solve_circulant", "singular or an axis", "Leave these out.")
    return _with_columns(b, lambda b: SOLVE(circulant(c), b))


@_rule("linalg")
def solveh_banded(ab, b, overwrite_ab=False, overwrite_b=False, lower=False, check_finite=True):
    """By the full matrix, whose other half mirrors the diagonals that are given."""
    from .indexing import SCATTER_ADD

    ab = as_array(ab)
    width, n = shape_of(ab)
    u = width - 1
    places, own = _band(ab, u, 0) if lower else _band(ab, 0, u)
    half = SCATTER_ADD(ab[own], *places, shape=(n, n), key=("index", "index"))
    strict = half * (1.0 - np.eye(n))
    return _with_columns(b, lambda b: SOLVE(half + adjoint_of(strict), b))


@_rule("linalg")
def polar(a, side="right"):
    """A = U P with P the positive root of AᴴA (right), or A = P U (left)."""
    u, s, vh = np.linalg.svd(as_array(a), full_matrices=False)
    v = adjoint_of(vh)
    spread = np.matmul(v * s, vh) if side == "right" else np.matmul(u * s, adjoint_of(u))
    return np.matmul(u, vh), spread


# ---- as SciPy writes them
_as_written("linalg", "convolution_matrix", "fiedler", "fiedler_companion", "leslie", "null_space", "orth", "pinvh")
_as_written("linalg", "orthogonal_procrustes", "subspace_angles")

__all__ = ["EXPM", "LOGM", "SOLVE_TRIANGULAR", "SQRTM", "SYLVESTER"]
