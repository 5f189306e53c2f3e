"""Linear algebra with rules of its own: solve, inverse, determinant, Cholesky. Batched over leading axes.

Source: Giles (2008), "Collected matrix derivative results for forward and reverse mode algorithmic differentiation".
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from backpass.graph.aval import Aval

from .declare import (
    Kind,
    Op,
    as_array,
    bind,
    conjugated,
    declare,
    dtype_of,
    is_complex,
    is_staged,
    rule_for,
    shape_of,
    value_of,
)
from .shape import unbroadcast

SQUARE_MATRIX = {"low": -1.0, "high": 1.0, "matrix": "well-conditioned"}


def _mT(x: Any) -> Any:
    return x.swapaxes(-1, -2)


def column(x: Any) -> Any:
    """A vector as a matrix of one column."""
    return x[..., None] if x.__class__ is np.ndarray else np.expand_dims(x, -1)


def row(x: Any) -> Any:
    """A vector as a matrix of one row."""
    return x[..., None, :] if x.__class__ is np.ndarray else np.expand_dims(x, -2)


def matrix(x: Any) -> Any:
    """A number as a matrix of one entry."""
    return x[..., None, None] if x.__class__ is np.ndarray else x if shape_of(x) == () else np.expand_dims(x, (-1, -2))


@functools.cache
def named(function: Any) -> Any:
    """The class of the several results of a function of numpy.linalg, such as EighResult."""
    return type(function(np.eye(1)))


def adjoint_of(x: Any) -> Any:
    """Xᴴ, the conjugate transpose; of a real matrix Xᵀ."""
    return conjugated(x.swapaxes(-1, -2))


def symmetric_part(x: Any) -> Any:
    """½ (X + Xᴴ)"""
    return 0.5 * (x + adjoint_of(x))


def _strictly(x: Any, lower: bool) -> Any:
    n = shape_of(x)[-1]
    return np.tri(n, k=-1, dtype=_real(dtype_of(x))) if lower else np.tri(n, k=-1, dtype=_real(dtype_of(x))).T


def read_triangle(x: Any, lower: bool) -> Any:
    """The symmetric (Hermitian) matrix that LAPACK sees: one triangle of x and its mirror image, the diagonal real."""
    half = x * _strictly(x, lower)
    return half + adjoint_of(half) + np.real(x) * np.eye(shape_of(x)[-1], dtype=_real(dtype_of(x)))


def onto_triangle(s: Any, lower: bool) -> Any:
    """The adjoint of `read_triangle` for a symmetric (Hermitian) s: each entry of the triangle stands for two."""
    return s * (2 * _strictly(s, lower) + np.eye(shape_of(s)[-1], dtype=_real(dtype_of(s))))


def _real(dtype: np.dtype) -> np.dtype:
    return dtype.type(0).real.dtype


def _floating_aval(*avals: Aval) -> np.dtype:
    if any(aval.dtype == np.float16 for aval in avals):
        raise TypeError("array type float16 is unsupported in linalg")
    return np.result_type(*[aval.dtype if aval.dtype.kind in "fc" else np.float64 for aval in avals])


def _square(a: Aval) -> None:
    if len(a.shape) < 2 or a.shape[-1] != a.shape[-2]:
        raise ValueError(f"Last 2 dimensions of the array must be square, got shape {a.shape}")


def _solve_aval(a: Aval, b: Aval) -> Aval:
    _square(a)
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(f"solve: a has shape {a.shape}, b has shape {b.shape}")
    return Aval((*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), *b.shape[-2:]), _floating_aval(a, b))


def _solve_matrix(g: Any, out: Any, a: Any, b: Any) -> Any:
    # X = A⁻¹B: ∂L/∂B = A⁻ᵀG, ∂L/∂A = −(A⁻ᵀG) Xᵀ
    return unbroadcast(-np.matmul(SOLVE(_mT(a), g), _mT(out)), shape_of(a))


SOLVE = declare(
    Op(
        name="solve",
        kind=Kind.CUSTOM,
        run=np.linalg.solve,
        aval=_solve_aval,
        adjoints=(_solve_matrix, lambda g, out, a, b: unbroadcast(SOLVE(_mT(a), g), shape_of(b))),
        tangent=lambda t, out, a, b: SOLVE(a, _difference(t[1], None if t[0] is None else np.matmul(t[0], out))),
        notation="{0}⁻¹ {1}",
        domain=SQUARE_MATRIX,
        doc="The solution X of A X = B, B with at least two axes.",
    )
)


def _difference(a: Any, b: Any) -> Any:
    return a if b is None else -b if a is None else a - b


INV = declare(
    Op(
        name="inv",
        kind=Kind.CUSTOM,
        run=np.linalg.inv,
        aval=lambda a: (_square(a), Aval(a.shape, _floating_aval(a)))[1],
        adjoints=(lambda g, out, a: -np.matmul(np.matmul(_mT(out), g), _mT(out)),),
        tangent=lambda t, out, a: -np.matmul(np.matmul(out, t[0]), out),
        notation="{0}⁻¹",
        domain=SQUARE_MATRIX,
        doc="The inverse of a square matrix.",
    )
)


def _cofactors(a: Any) -> Any:
    """∂ det(A)/∂A = the cofactor matrix, det(A) A⁻ᵀ where A is invertible; right for singular A too, by minors."""
    n = shape_of(a)[-1]
    rows = []
    for i in range(n):
        keep_rows = [k for k in range(n) if k != i]
        row = []
        for j in range(n):
            keep = [k for k in range(n) if k != j]
            minor = a[..., keep_rows, :][..., keep]
            row.append((-1.0) ** (i + j) * (DET(minor) if n > 1 else np.ones(shape_of(a)[:-2], dtype_of(a))))
        rows.append(np.stack(row, axis=-1))
    return np.stack(rows, axis=-2)


def _singular(a: Any, det: Any) -> bool:
    """Is any of these matrices singular, and small enough for minors?"""
    return shape_of(a)[-1] <= 8 and bool(np.any(value_of(det) == 0))


def _run_cofactors(a: np.ndarray) -> Any:
    det = np.linalg.det(a)
    return _cofactors(a) if _singular(a, det) else matrix(det) * _mT(np.linalg.inv(a))


COFACTORS = declare(
    Op(
        name="cofactors",
        kind=Kind.CUSTOM,
        run=_run_cofactors,
        aval=lambda a: (_square(a), Aval(a.shape, _floating_aval(a)))[1],
        # dC = C tr(A⁻¹ dA) − det(A) (A⁻¹ dA A⁻¹)ᵀ
        adjoints=(lambda g, out, a: _cofactors_change(np.sum(g * out, axis=(-1, -2)), g, a),),
        tangent=lambda t, out, a: _cofactors_tangent(t[0], out, a),
        notation="cof {0}",
        domain=SQUARE_MATRIX,
        doc="The matrix of cofactors, det(A) A⁻ᵀ; by minors for a singular matrix up to 8 × 8.",
    )
)


def _cofactors_change(along: Any, g: Any, a: Any) -> Any:
    inverse = INV(a)
    return _mT(matrix(along) * inverse - matrix(DET(a)) * np.matmul(np.matmul(inverse, g), inverse))


def _cofactors_tangent(t: Any, out: Any, a: Any) -> Any:
    inverse = INV(a)
    turned = np.matmul(np.matmul(inverse, t), inverse)
    return matrix(np.sum(_mT(inverse) * t, axis=(-1, -2))) * out - matrix(DET(a)) * _mT(turned)


def _det_partial(out: Any, a: Any) -> Any:
    if is_staged(a):
        return COFACTORS(a)
    return _cofactors(a) if _singular(a, out) else matrix(out) * _mT(INV(a))


DET = declare(
    Op(
        name="det",
        kind=Kind.CUSTOM,
        run=np.linalg.det,
        aval=lambda a: (_square(a), Aval(a.shape[:-2], _floating_aval(a)))[1],
        adjoints=(lambda g, out, a: matrix(g) * _det_partial(out, a),),
        tangent=lambda t, out, a: np.sum(_det_partial(out, a) * t[0], axis=(-1, -2)),
        notation="det {0}",
        domain=SQUARE_MATRIX,
        doc="The determinant; its derivative is the cofactor matrix, by minors for a singular matrix up to 8 × 8.",
    )
)

LOGABSDET = declare(
    Op(
        name="logabsdet",
        kind=Kind.CUSTOM,
        run=lambda a: np.linalg.slogdet(a)[1],
        aval=lambda a: (_square(a), Aval(a.shape[:-2], _real(_floating_aval(a))))[1],
        adjoints=(lambda g, out, a: matrix(g) * _mT(INV(a)),),
        tangent=lambda t, out, a: np.sum(_mT(INV(a)) * t[0], axis=(-1, -2)),
        notation="log |det {0}|",
        domain=SQUARE_MATRIX,
        doc="log |det A|.",
    )
)
SIGNDET = declare(
    Op(
        name="signdet",
        kind=Kind.DISCRETE,
        run=lambda a: np.linalg.slogdet(a)[0],
        aval=lambda a: (_square(a), Aval(a.shape[:-2], _floating_aval(a)))[1],
        partials=(None,),
        notation="sign det {0}",
        doc="The sign of the determinant.",
    )
)
PHASEDET = declare(
    Op(
        name="phasedet",
        kind=Kind.CUSTOM,
        run=lambda a: (a := np.linalg.slogdet(a)[0]).astype(np.result_type(a.dtype, np.complex64)),
        aval=lambda a: (_square(a), Aval(a.shape[:-2], np.result_type(_floating_aval(a), np.complex64)))[1],
        # d det/|det| = i Im(tr A⁻¹ dA) det/|det|
        adjoints=(lambda g, out, a: 1j * np.imag(matrix(g * out)) * _mT(INV(a)),),
        tangent=lambda t, out, a: 1j * np.imag(np.sum(_mT(INV(a)) * t[0], axis=(-1, -2))) * out,
        notation="det {0}/|det {0}|",
        domain=SQUARE_MATRIX,
        doc="det A/|det A| of a complex matrix.",
    )
)


def _lower_half(x: Any) -> Any:
    """Φ: the lower triangle with the diagonal halved."""
    n = shape_of(x)[-1]
    return x * (np.tri(n) - 0.5 * np.eye(n)).astype(dtype_of(x))


def _cholesky_adjoint(g: Any, out: Any, a: Any) -> Any:
    # ½ (S + Sᴴ), S = L⁻ᴴ Φ(LᴴG) L⁻¹, put onto the triangle that is read.
    lh = adjoint_of(out)
    middle = _lower_half(np.matmul(lh, conjugated(g)))
    s = SOLVE(lh, adjoint_of(SOLVE(lh, adjoint_of(middle))))
    return conjugated(onto_triangle(symmetric_part(s), True))


def _cholesky_tangent(t: Any, out: Any, a: Any) -> Any:
    dot = read_triangle(t[0], True)
    return np.matmul(out, _lower_half(SOLVE(out, adjoint_of(SOLVE(out, dot)))))


CHOLESKY = declare(
    Op(
        name="cholesky",
        kind=Kind.CUSTOM,
        run=np.linalg.cholesky,
        aval=lambda a: (_square(a), Aval(a.shape, _floating_aval(a)))[1],
        adjoints=(_cholesky_adjoint,),
        tangent=_cholesky_tangent,
        notation="chol {0}",
        domain={"low": -1.0, "high": 1.0, "matrix": "positive definite"},
        kinks="Only the lower triangle is read, so ∂L/∂A is 0 above it; along symmetric changes nothing else matters.",
        doc="The lower triangular L with L Lᴴ = A.",
    )
)


# ---- NumPy's functions
@rule_for(np.linalg.solve)
def solve(a, b):
    a, b = as_array(a), as_array(b)
    if len(shape_of(b)) == 1:
        return SOLVE(a, column(b))[..., 0]
    return SOLVE(a, b)


rule_for(np.linalg.inv)(lambda a: bind(INV, (a,)))
rule_for(np.linalg.det)(lambda a: bind(DET, (a,)))


@rule_for(np.linalg.slogdet)
def slogdet(a):
    a = as_array(a)
    return named(np.linalg.slogdet)((PHASEDET if is_complex(a) else SIGNDET)(a), LOGABSDET(a))


@rule_for(np.linalg.cholesky)
def cholesky(a, /, *, upper=False):
    # The upper factor of A is read from the upper triangle: it is the lower one of Aᵀ.
    a = as_array(a)
    return adjoint_of(CHOLESKY(adjoint_of(a))) if upper else CHOLESKY(a)
