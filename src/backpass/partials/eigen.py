"""Eigenvalues and eigenvectors of a matrix that need not be symmetric, and the roots of a polynomial. Batched.

Eigenvectors are scaled as LAPACK scales them: length 1, the largest entry real. Their derivative keeps that; within
equal eigenvalues it is 0, and a defective matrix has none. Source: Magnus (1985); Giles (2008).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass.graph import messages
from backpass.graph.aval import Aval

from .declare import (
    Kind,
    Op,
    as_array,
    bind,
    declare,
    dtype_of,
    is_complex,
    is_staged,
    rule_for,
    shape_of,
    value_of,
)
from .decompositions import SOLVE, _floating_aval, _mT, _square, adjoint_of, column, named
from .spectral import Shapes, _diagonal, _diagonal_of, _inverse_gaps, packed, unpacked, vanishes


def _complex_aval(a: Aval) -> np.dtype:
    return np.result_type(_floating_aval(a), np.complex64)


def _shapes(a: Any) -> Shapes:
    n = shape_of(a)[-1]
    return (n,), (n, n)


def _eig_run(a: Any) -> Any:
    w, v = np.linalg.eig(a)
    dtype = np.result_type(w.dtype, np.complex64)
    return packed([w.astype(dtype), v.astype(dtype)], (1, 2))


def _largest(v: Any) -> Any:
    """1 at the entry of each column that LAPACK made real, 0 elsewhere."""
    at = np.argmax(np.where(np.equal(np.imag(v), 0), np.abs(v), -1.0), axis=-2)
    return np.equal(np.reshape(np.arange(shape_of(v)[-2]), (-1, 1)), np.expand_dims(at, -2)).astype(dtype_of(v))


def _column_sum(x: Any) -> Any:
    return np.sum(x, axis=-2, keepdims=True)


def _eig_adjoint(g: Any, out: Any, a: Any) -> Any:
    # With dV = V (E ∘ V⁻¹ dA V) before scaling: what the scaling takes away, then V⁻ᴴ (diag(∂L/∂λ) + Ē ∘ VᴴG) Vᴴ.
    w, v = unpacked(out, _shapes(a))
    gw, gv = map(np.conjugate, unpacked(g, _shapes(a)))
    if vanishes(gv):
        vh = adjoint_of(v)
        return np.conjugate(SOLVE(vh, column(gw) * vh))
    share = _column_sum(np.conjugate(gv) * v)
    spot = _largest(v)
    turned = np.imag(share) / np.real(_column_sum(spot * v))
    gv = gv - np.real(share) * v + turned * (1j * spot)
    vh = adjoint_of(v)
    middle = _diagonal(gw) + np.conjugate(_inverse_gaps(w)) * np.matmul(vh, gv)
    return np.conjugate(SOLVE(vh, np.matmul(middle, vh)))


def _eig_tangent(t: Any, out: Any, a: Any) -> Any:
    w, v = unpacked(out, _shapes(a))
    turned = SOLVE(v, np.matmul(t[0], v))
    dv = np.matmul(v, _inverse_gaps(w) * turned)
    spot = _largest(v)
    stretch = np.real(_column_sum(np.conjugate(v) * dv))
    phase = np.imag(_column_sum(spot * dv)) / np.real(_column_sum(spot * v))
    return packed([_diagonal_of(turned), dv - v * (stretch + 1j * phase)], (1, 2))


_DISTINCT = "Equal eigenvalues: their vectors do not turn within their space. A defective matrix has no derivative."
EIG = declare(
    Op(
        name="eig",
        kind=Kind.CUSTOM,
        run=_eig_run,
        aval=lambda a: (_square(a), Aval((*a.shape[:-2], a.shape[-1] * (a.shape[-1] + 1)), _complex_aval(a)))[1],
        adjoints=(_eig_adjoint,),
        tangent=_eig_tangent,
        notation="eig({0})",
        domain={"low": -0.3, "high": 0.3, "matrix": "separated"},
        kinks=_DISTINCT,
        doc="Eigenvalues and eigenvectors of a square matrix, complex, side by side in one value.",
    )
)


def _vectors(a: Any) -> Any:
    return unpacked(EIG(a), _shapes(a))[1]


def _eigvals_adjoint(g: Any, out: Any, a: Any) -> Any:
    # ∂L/∂A = V⁻ᵀ diag(g) Vᵀ
    vt = _mT(_vectors(a))
    return SOLVE(vt, column(g) * vt)


def _eigvals_tangent(t: Any, out: Any, a: Any) -> Any:
    v = _vectors(a)
    return _diagonal_of(SOLVE(v, np.matmul(t[0], v)))


def _eigvals_run(a: Any) -> Any:
    w = np.linalg.eigvals(a)
    return w.astype(np.result_type(w.dtype, np.complex64))


EIGVALS = declare(
    Op(
        name="eigvals",
        kind=Kind.CUSTOM,
        run=_eigvals_run,
        aval=lambda a: (_square(a), Aval(a.shape[:-1], _complex_aval(a)))[1],
        adjoints=(_eigvals_adjoint,),
        tangent=_eigvals_tangent,
        notation="λ({0})",
        domain={"low": -0.3, "high": 0.3, "matrix": "separated"},
        kinks=_DISTINCT,
        doc="Eigenvalues of a square matrix, complex.",
    )
)


# ---- NumPy's functions
def _as_numpy(a: Any, w: Any, *parts: Any) -> list[Any]:
    """NumPy gives real numbers where every eigenvalue of a real matrix is real."""
    if is_complex(a):
        return [w, *parts]
    if is_staged(w):
        raise messages.value_unknown(a, "np.linalg.eig of a real matrix (are its eigenvalues real?)")
    return [np.real(p) for p in (w, *parts)] if np.all(np.imag(value_of(w)) == 0) else [w, *parts]


@rule_for(np.linalg.eig)
def eig(a):
    a = as_array(a)
    result = named(np.linalg.eig)
    return result(*_as_numpy(a, *unpacked(bind(EIG, (a,)), _shapes(a))))


@rule_for(np.linalg.eigvals)
def eigvals(a):
    a = as_array(a)
    return _as_numpy(a, bind(EIGVALS, (a,)))[0]


@rule_for(np.roots)
def roots(p):
    """Eigenvalues of the companion matrix, as NumPy finds them."""
    p = np.atleast_1d(as_array(p))
    if len(shape_of(p)) != 1:
        raise ValueError("Input must be a rank-1 array.")
    if is_staged(p):
        raise messages.shape_depends_on_values("np.roots(p)", p)
    present = np.nonzero(value_of(p))[0]
    if not len(present):
        return np.array([])
    trailing = shape_of(p)[0] - int(present[-1]) - 1
    p = p[int(present[0]) : int(present[-1]) + 1]
    if dtype_of(p).kind not in "fc":
        p = p.astype(float)
    n = shape_of(p)[0]
    if n < 2:
        return np.zeros(trailing, dtype_of(p))
    below = np.diag(np.ones(n - 2, dtype_of(p)), -1)[1:]
    found = np.linalg.eigvals(np.concatenate([np.expand_dims(-p[1:] / p[0], 0), below], axis=0))
    return np.hstack([found, np.zeros(trailing, dtype_of(found))])


@rule_for(np.sort_complex)
def sort_complex(a):
    a = np.sort(as_array(a))
    if is_complex(a):
        return a
    wide = {"b": "F", "h": "F", "B": "F", "H": "F", "g": "G"}
    return a.astype(wide.get(dtype_of(a).char, "D"))


__all__ = ["EIG", "EIGVALS"]
