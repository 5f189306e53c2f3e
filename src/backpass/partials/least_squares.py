"""Least squares and orthogonal factors: pseudo-inverse, ``lstsq``, QR, and the tensor forms of solve and inverse.

Sources: Golub & Pereyra (1973) for the pseudo-inverse at constant rank; Roberts & Roberts (2020), "QR and LQ
decomposition matrix backpropagation algorithms", for QR of tall, square and wide matrices.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass.graph import messages
from backpass.graph.aval import Aval

from .composite import squared
from .declare import Kind, Op, as_array, bind, conjugated, declare, dtype_of, is_staged, rule_for, shape_of, value_of
from .decompositions import SOLVE, _floating_aval, _mT, adjoint_of, named
from .spectral import Shapes, _at_least_a_matrix, packed, packed_aval, unpacked

_RANK = "The rank is held: singular values below rcond stay 0."


# ---- pseudo-inverse
def _pinv_adjoint(g: Any, out: Any, a: Any, rcond: Any) -> Any:
    g = conjugated(g)
    gt = adjoint_of(g)
    first = np.matmul(np.matmul(adjoint_of(out), g), adjoint_of(out))
    # Each term is one of the three below, transposed; I − AA⁺ and I − A⁺A are multiplied out.
    left = np.matmul(np.matmul(gt, out), adjoint_of(out))
    right = np.matmul(np.matmul(adjoint_of(out), out), gt)
    return conjugated(
        -first + (left - np.matmul(a, np.matmul(out, left))) + (right - np.matmul(np.matmul(right, out), a))
    )


def _pinv_tangent(t: Any, out: Any, a: Any, rcond: Any) -> Any:
    # dA⁺ = −A⁺ dA A⁺ + A⁺A⁺ᵀ dAᵀ (I − AA⁺) + (I − A⁺A) dAᵀ A⁺ᵀA⁺
    da = t[0]
    dat, ot = adjoint_of(da), adjoint_of(out)
    left = np.matmul(np.matmul(out, ot), dat)
    right = np.matmul(np.matmul(dat, ot), out)
    return (
        -np.matmul(np.matmul(out, da), out)
        + (left - np.matmul(np.matmul(left, a), out))
        + (right - np.matmul(out, np.matmul(a, right)))
    )


def _pinv_aval(a: Aval, rcond: float) -> Aval:
    empty = 0 in _at_least_a_matrix(a).shape[-2:]  # NumPy hands these back before it asks for a floating dtype
    return Aval((*a.shape[:-2], *a.shape[:-3:-1]), a.dtype if empty else _floating_aval(a))


PINV = declare(
    Op(
        name="pinv",
        kind=Kind.CUSTOM,
        run=lambda a, rcond: np.linalg.pinv(a, rcond=rcond),
        aval=_pinv_aval,
        adjoints=(_pinv_adjoint,),
        tangent=_pinv_tangent,
        notation="{0}⁺",
        domain={"low": -0.3, "high": 0.3, "matrix": "separated"},
        kinks=_RANK,
        doc="The Moore–Penrose pseudo-inverse.",
    )
)


# ---- least squares
def _lstsq_aval(a: Aval, b: Aval, rcond: Any) -> Aval:
    if len(a.shape) != 2 or len(b.shape) != 2:
        raise ValueError(f"lstsq: a needs two axes and b one or two, got shapes {a.shape} and {b.shape}")
    if a.shape[0] != b.shape[0]:
        raise ValueError(f"lstsq: incompatible dimensions: a has shape {a.shape}, b has shape {b.shape}")
    return Aval((a.shape[1], b.shape[1]), _floating_aval(a, b))


def _pseudo_inverse(a: Any, dtype: Any, rcond: float) -> Any:
    # pinv cuts where s ≤ rcond · s₁ as lstsq does; float32 products are kept in the result's own precision.
    return PINV(a if dtype_of(a) == dtype else a.astype(dtype), rcond=rcond)


def _lstsq_matrix(g: Any, out: Any, a: Any, b: Any, rcond: float) -> Any:
    p = _pseudo_inverse(a, dtype_of(out), rcond)
    g = conjugated(g)
    z = np.matmul(adjoint_of(p), g)
    residual = b - np.matmul(a, out)
    w = np.matmul(p, z)
    off = g - np.matmul(p, np.matmul(a, g))
    return conjugated(
        -np.matmul(z, adjoint_of(out))
        + np.matmul(residual, adjoint_of(w))
        + np.matmul(np.matmul(adjoint_of(p), out), adjoint_of(off))
    )


def _lstsq_tangent(t: Any, out: Any, a: Any, b: Any, rcond: float) -> Any:
    # dx = A⁺(db − dA x) + A⁺A⁺ᵀ dAᵀ (b − A x) + (I − A⁺A) dAᵀ A⁺ᵀ x
    da, db = t
    p = _pseudo_inverse(a, dtype_of(out), rcond)
    total = None if db is None else np.matmul(p, db)
    if da is not None:
        pushed = np.matmul(adjoint_of(da), np.matmul(adjoint_of(p), out))
        part = (
            -np.matmul(p, np.matmul(da, out))
            + np.matmul(p, np.matmul(adjoint_of(p), np.matmul(adjoint_of(da), b - np.matmul(a, out))))
            + pushed
            - np.matmul(p, np.matmul(a, pushed))
        )
        total = part if total is None else total + part
    return total


LSTSQ = declare(
    Op(
        name="lstsq",
        kind=Kind.CUSTOM,
        run=lambda a, b, rcond: np.linalg.lstsq(a, b, rcond)[0],
        aval=_lstsq_aval,
        adjoints=(
            _lstsq_matrix,
            lambda g, out, a, b, rcond: np.matmul(_mT(_pseudo_inverse(a, dtype_of(out), rcond)), g),
        ),
        tangent=_lstsq_tangent,
        notation="argmin ‖{0} x − {1}‖",
        domain={"low": -0.3, "high": 0.3, "matrix": "separated"},
        kinks=_RANK,
        doc="The x of least norm that minimises ‖A x − B‖, B with two axes.",
    )
)


# ---- QR
def _qr_shapes(a: Any) -> Shapes:
    m, n = shape_of(a)[-2:]
    k = min(m, n)
    return (m, k), (k, n)


def _qr_aval(a: Aval) -> Aval:
    return packed_aval(_at_least_a_matrix(a), _qr_shapes(a))


def _upper(x: Any, k: int) -> Any:
    n = shape_of(x)[-1]
    return x * np.triu(np.ones((n, n), dtype_of(x)), k)


def _qr_adjoint(g: Any, out: Any, a: Any) -> Any:
    shapes = _qr_shapes(a)
    (q, r), (gq, gr) = unpacked(out, shapes), unpacked(conjugated(g), shapes)
    m, n = shape_of(a)[-2:]
    rest = None
    if m < n:
        # A = [X Y]: X = QU is square, and Y only meets R, as V = QᵀY.
        y, gv = a[..., m:], gr[..., m:]
        gq = gq + np.matmul(y, adjoint_of(gv))
        rest = np.matmul(q, gv)
        r, gr = r[..., :m], gr[..., :m]
    gr = _upper(gr, 0)
    middle = np.matmul(r, adjoint_of(gr)) - np.matmul(adjoint_of(gq), q)
    above = _upper(adjoint_of(middle), 1)
    total = gq + np.matmul(q, _real_diagonal(middle) + above + adjoint_of(above))
    total = adjoint_of(SOLVE(r, adjoint_of(total)))
    return conjugated(total if rest is None else np.concatenate([total, rest], axis=-1))


def _real_diagonal(x: Any) -> Any:
    """The diagonal's real part as a matrix: LAPACK keeps the diagonal of R real."""
    return np.real(x) * np.eye(shape_of(x)[-1], dtype=np.real(np.zeros(1, dtype_of(x))).dtype)


def _qr_tangent(t: Any, out: Any, a: Any) -> Any:
    # With C = dX R⁻¹ and M = QᵀC: dQ = C − Q (M − Ω), dR = (M − Ω) R, Ω the antisymmetric matrix with M's lower half.
    q, r = unpacked(out, _qr_shapes(a))
    da = t[0]
    m, n = shape_of(a)[-2:]
    square = r[..., : min(m, n)]
    c = adjoint_of(SOLVE(adjoint_of(square), adjoint_of(da[..., : min(m, n)])))
    middle = np.matmul(adjoint_of(q), c)
    below = adjoint_of(_upper(adjoint_of(middle), 1))
    kept = _real_diagonal(middle) + _upper(middle, 1) + adjoint_of(below)
    dq = c - np.matmul(q, kept)
    dr = np.matmul(kept, square)
    if m < n:
        y, dy = a[..., m:], da[..., m:]
        dr = np.concatenate([dr, np.matmul(adjoint_of(dq), y) + np.matmul(adjoint_of(q), dy)], axis=-1)
    return packed([dq, dr], (2, 2))


QR = declare(
    Op(
        name="qr",
        kind=Kind.CUSTOM,
        run=lambda a: packed(list(np.linalg.qr(a)), (2, 2)),
        aval=_qr_aval,
        adjoints=(_qr_adjoint,),
        tangent=_qr_tangent,
        notation="qr({0})",
        domain={"low": -0.3, "high": 0.3, "matrix": "separated"},
        kinks="The first min(m, n) columns must be independent. Signs are those that LAPACK returned.",
        doc="Q with orthonormal columns and upper triangular R with Q R = A, side by side in one value.",
    )
)


# ---- NumPy's functions
_UNSET: Any = np._NoValue


@rule_for(np.linalg.pinv)
def pinv(a, rcond=None, hermitian=False, *, rtol=_UNSET):
    a = as_array(a)
    if hermitian:
        raise messages.option_refused("np.linalg.pinv", "hermitian", "Leave it out: the result is the same.")
    if rtol is not _UNSET and rtol is not None:
        rcond = rtol
    elif rcond is None:
        eps = np.finfo(dtype_of(a) if dtype_of(a).kind in "fc" else np.float64).eps
        rcond = 1e-15 if rtol is _UNSET else max(shape_of(a)[-2:]) * eps
    if shape_of(rcond):
        raise messages.option_refused("np.linalg.pinv", "rcond", "Give one number for all matrices.")
    return bind(PINV, (a,), {"rcond": float(value_of(rcond))})


@rule_for(np.linalg.lstsq)
def lstsq(a, b, rcond=None):
    """x, the sums of squared residuals, the rank, the singular values.

    The residuals are summed from b − A x; NumPy's differ by rounding. Their shape depends on the rank, so in a staged
    trace full rank is assumed, and they are NaN where it turns out not to be.
    """
    a, b = as_array(a), as_array(b)
    line = len(shape_of(b)) == 1
    if line:
        b = np.reshape(b, (-1, 1))
    if len(shape_of(a)) != 2:
        raise ValueError(f"{len(shape_of(a))}-dimensional array given. Array must be two-dimensional")
    m, n = shape_of(a)
    eps = np.finfo(np.result_type(dtype_of(a), dtype_of(b))).eps
    rcond = float(eps * max(m, n) if rcond is None else rcond if rcond != -1 else eps)
    x = LSTSQ(a, b, rcond=rcond)
    s = np.linalg.svd(a, compute_uv=False)
    top = s[..., :1]
    counted = np.sum((s > rcond * top).astype(np.int32), dtype=np.int32)  # LAPACK's integer
    squares = np.sum(squared(b - np.matmul(a, x)), axis=0)
    if is_staged(counted):
        residuals = np.where(counted == n, squares, np.nan) if m > n else np.zeros(0, dtype_of(x))
        rank = counted
    else:
        rank = value_of(counted)
        residuals = squares if rank == n and m > n else np.zeros(0, dtype_of(x))
    return (x[..., 0] if line else x), residuals, rank, s


@rule_for(np.linalg.qr)
def qr(a, mode="reduced"):
    a = as_array(a)
    if mode not in ("reduced", "r", "complete") or (mode == "complete" and shape_of(a)[-2] > shape_of(a)[-1]):
        raise messages.option_refused(
            "np.linalg.qr", f"mode={mode!r}", "The further columns of Q are an arbitrary choice: mode='reduced' or 'r'."
        )
    q, r = unpacked(bind(QR, (a,)), _qr_shapes(a))
    return r if mode == "r" else named(np.linalg.qr)(q, r)


@rule_for(np.linalg.tensorsolve)
def tensorsolve(a, b, axes=None):
    a, b = as_array(a), as_array(b)
    ndim = len(shape_of(a))
    if axes is not None:
        order = [k for k in range(ndim) if k not in axes] + list(axes)
        a = np.transpose(a, order)
    shape = shape_of(a)[-(ndim - len(shape_of(b))) :]
    size = int(np.prod(shape))
    if int(np.prod(shape_of(a))) != size**2:
        raise np.linalg.LinAlgError(
            "Input arrays must satisfy the requirement prod(a.shape[b.ndim:]) == prod(a.shape[:b.ndim])"
        )
    return np.reshape(np.linalg.solve(np.reshape(a, (size, size)), np.ravel(b)), shape)


@rule_for(np.linalg.tensorinv)
def tensorinv(a, ind=2):
    a = as_array(a)
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    shape = shape_of(a)
    size = int(np.prod(shape[ind:]))
    return np.reshape(np.linalg.inv(np.reshape(a, (size, -1))), (*shape[ind:], *shape[:ind]))


__all__ = ["LSTSQ", "PINV", "QR"]
