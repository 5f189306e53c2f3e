"""Spectra: eigenvalues and eigenvectors of symmetric matrices, singular values and vectors. Batched over leading axes.

Vectors are determined up to a choice, and the derivative states which one it keeps:

- Signs are those that LAPACK returned; of complex vectors the phase holds still, vᴴ dv = 0 (for singular vectors the
  determined turn of u against v is shared by both).
- Beside equal values single ones have one derivative at most, so the second derivatives of λ (forward over forward) are
  NaN there. Σ f(λ) has all of them: derivatives of its gradient are right, since the gradient says what f is; of
  stacks, and in a graph of more than 16 values, they are NaN. Third derivatives beside equal values are NaN.
- Within a space of equal eigenvalues (closer than 4 n ε max|λ|) or equal singular values the vectors do not turn: their
  derivative there is 0. Right are then functions that treat equal values alike (Σ f(λ)) and functions of the space as a
  whole (its projector), and of the vectors of single values beside it, to second order. V f(λ) Vᵀ loses what its f
  changes within the space: no rule for V and λ apart can know it.
- Where singular values are 0 the same holds, and of Σ f(σ) with an even f second derivatives are right there, too.

Sources: Magnus (1985), "On differentiating eigenvalues and eigenvectors"; Giles (2008), "Collected matrix derivative
results"; Townsend (2016), "Differentiating the singular value decomposition". The form with 1/(sⱼ − sᵢ) and 1/(sⱼ + sᵢ)
apart keeps functions such as the polar factor U Vᵀ right at equal singular values.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from backpass.graph import messages
from backpass.graph.aval import Aval
from backpass.graph.op import OPS

from .arithmetic import STRONG_PRODUCT
from .declare import (
    FUNCTIONS,
    Kind,
    Op,
    Traced,
    as_array,
    bind,
    conjugated,
    declare,
    dtype_of,
    is_staged,
    rule_for,
    shape_of,
    value_of,
)
from .decompositions import (
    _floating_aval,
    _mT,
    _real,
    _square,
    adjoint_of,
    column,
    matrix,
    named,
    onto_triangle,
    read_triangle,
    row,
    symmetric_part,
)
from .indexing import section

Shapes = tuple[tuple[int, ...], ...]


# ---- several results in one value
def packed(parts: list[Any], ndims: tuple[int, ...]) -> Any:
    """Several results side by side in one last axis: an operation has one value, and LAPACK is asked once.

    Each part has so many axes of its own behind the batch axes.
    """
    flat = []
    for part, own in zip(parts, ndims, strict=True):
        shape = shape_of(part)
        batch = shape[: len(shape) - own]
        flat.append(part if own == 1 else part.reshape((*batch, math.prod(shape[len(shape) - own :]))))
    return np.concatenate(flat, axis=-1)


def unpacked(x: Any, shapes: Shapes) -> list[Any]:
    """The inverse of `packed`: parts of these shapes, behind the batch axes of x."""
    parts, start = [], 0
    batch = shape_of(x)[:-1]
    for shape in shapes:
        size = math.prod(shape)
        part = section(x, (Ellipsis, slice(start, start + size)))
        parts.append(part if len(shape) == 1 else part.reshape((*batch, *shape)))
        start += size
    return parts


def vanishes(g: Any) -> bool:
    """Is nothing made of these vectors? Then the values alone count."""
    return g.__class__ is np.ndarray and not np.count_nonzero(g)


def packed_aval(a: Aval, shapes: Shapes) -> Aval:
    size = sum(map(math.prod, shapes))
    return Aval((*a.shape[:-2], size), _floating_aval(a))


def _inverse_gaps(s: Any) -> Any:
    """1/(sⱼ − sᵢ), and 0 where the two count as equal."""
    gap = row(s) - column(s)
    return _inverse_but(_near(gap, s), gap) if shape_of(s)[-1] else gap


def _near(gap: Any, s: Any) -> Any:
    """Which two of s count as equal."""
    return np.abs(gap) <= matrix(_rounding(s) * np.max(np.abs(s), axis=-1))


def _rounding(s: Any) -> float:
    """How far apart LAPACK may put equal values, beside the largest: it was seen to be 2 n ε."""
    return 4 * shape_of(s)[-1] * np.finfo(dtype_of(s)).eps


def _inverse_but(near: Any, x: Any) -> Any:
    """1/x, and 0 where it is near 0."""
    if x.__class__ is np.ndarray and x.dtype.kind == "f":
        return 1.0 / np.where(near, np.inf, x)
    return np.where(near, 0.0, 1.0 / np.where(near, 1.0, x)).astype(dtype_of(x))


def _inverse(x: Any, s: Any) -> Any:
    """1/x, and 0 where x counts as 0 beside the largest singular value."""
    if not shape_of(s)[-1]:
        return x
    top = np.max(np.abs(s), axis=-1)
    top = np.reshape(top, shape_of(top) + (1,) * (len(shape_of(x)) - len(shape_of(top))))
    near = np.abs(x) <= _rounding(s) * top
    return _inverse_but(near, x)


def _diagonal(d: Any) -> Any:
    n = shape_of(d)[-1]
    return column(d) * np.eye(n, dtype=dtype_of(d))


def _diagonal_of(x: Any) -> Any:
    return np.diagonal(x, axis1=-2, axis2=-1)


# ---- symmetric eigenvalues
def _eigh_shapes(a: Any) -> Shapes:
    n = shape_of(a)[-1]
    return (n,), (n, n)


def _eigh_run(a: Any, uplo: Any) -> Any:
    w, v = np.linalg.eigh(a, uplo)
    return packed([w, v], (1, 2))


def _eigh_aval(a: Aval, uplo: str) -> Aval:
    _square(a)
    return packed_aval(a, _eigh_shapes(a))


def _between_equals(out: Any, w: Any, v: Any, a: Any, uplo: str) -> Any:
    """VᴴAV between different vectors of equal values: 0, but not its derivative, which second derivatives need."""
    if not isinstance(a, Traced) or not shape_of(w)[-1] or _is_read(out):
        return None
    between = _equals(w)
    if not is_staged(between) and not np.any(value_of(between)):
        return None
    return _zero(np.where(between, np.matmul(np.matmul(adjoint_of(v), read_triangle(a, uplo == "L")), v), 0.0))


def _is_read(out: Any) -> bool:
    """Is the rule traced to be read, of a result that stands for itself? Then nothing is derived from it."""
    return type(out) is Traced and out.node.op.kind is Kind.SOURCE


def _equals(w: Any) -> Any:
    """Which pairs of different eigenvalues count as equal."""
    return np.logical_and(_near(row(w) - column(w), w), ~np.eye(shape_of(w)[-1], dtype=bool))


_WRITTEN_OUT = 16
"""Eigenvalues up to which a graph holds all ∂gⱼ/∂λᵢ."""


def _slopes(gw: Any, out: Any, w: Any, start: int = 0) -> Any:
    """∂gⱼ/∂λᵢ of g = ∂L/∂λ; None where there are too many. `start` is where w begins in `out`."""
    n = shape_of(w)[-1]
    if type(gw) is not Traced:
        return np.zeros((n, n))
    if len(shape_of(w)) > 1 or (is_staged(w) and n > _WRITTEN_OUT):
        return None
    rows = []
    for j in range(n):
        found = FUNCTIONS["cotangents"](gw, np.eye(n)[j], out)
        rows.append(np.zeros(n) if found is None else np.real(section(found, (slice(start, start + n),))))
    return np.stack(rows)


def _within_equals(gw: Any, slopes: Any, w: Any, between: Any) -> Any:
    """What V diag(g) Vᴴ changes by within equal eigenvalues: (gⱼ − gᵢ)/(λⱼ − λᵢ) times what lies between them.

    Where g = ∂L/∂λ treats equal values alike this is, in the limit, ∂gⱼ/∂λⱼ − ∂gⱼ/∂λᵢ; else there is none: NaN.
    What lies between them is 0, so this is, too; only its derivative is another.
    """
    quotient: Any = np.nan
    if slopes is not None:
        quotient = row(_diagonal_of(slopes)) - _mT(slopes)
        quotient = 0.5 * (quotient + _mT(quotient))
    g = gw if is_staged(gw) else value_of(gw)
    size = np.abs(g)
    apart = np.abs(row(g) - column(g)) > 1e-9 * np.max(size, initial=0.0)
    quotient = np.where(apart, np.nan, quotient)
    return STRONG_PRODUCT(np.where(_equals(w), quotient, 0.0), between)


def _no_second(out: Any, w: Any, v: Any, a: Any, uplo: str) -> Any:
    """0, which has no derivative where two eigenvalues are equal: there single ones have no second derivative."""
    between = _between_equals(out, w, v, a, uplo)
    return None if between is None else _blur(w, between)


def _blur(w: Any, between: Any) -> Any:
    return np.sum(np.where(_equals(w), np.sqrt(np.abs(between)), 0.0), axis=-1)


def _turns(inverse: Any, x: Any, between: Any) -> Any:
    """C with C Λ − Λ C = X between unequal values, where Λ is diagonal but for what lies `between` equal ones: of that
    the first order."""
    c = inverse * x
    if between is None:
        return c
    return c + inverse * (np.matmul(between, c) - np.matmul(c, between))


def _eigh_adjoint(g: Any, out: Any, a: Any, uplo: str) -> Any:
    # V (diag(∂L/∂λ) + F ∘ VᴴG) Vᴴ, Fᵢⱼ = 1/(λⱼ − λᵢ): its symmetric part, put onto the triangle that is read.
    w, v = unpacked(out, _eigh_shapes(a))
    gw, gv = unpacked(conjugated(g), _eigh_shapes(a))
    if vanishes(gv) and type(a) is not Traced:
        return conjugated(onto_triangle(np.matmul(v * row(np.real(gw)), adjoint_of(v)), uplo == "L"))
    w = np.real(w)
    between = _between_equals(out, w, v, a, uplo)
    turned = _turns(_inverse_gaps(w), np.matmul(adjoint_of(v), gv), between)
    middle = _diagonal(np.real(gw)) + turned
    if between is not None:
        gw = np.real(gw)
        middle = middle + _within_equals(gw, _slopes(gw, out, w), w, between)
    return conjugated(onto_triangle(symmetric_part(np.matmul(np.matmul(v, middle), adjoint_of(v))), uplo == "L"))


def _eigh_tangent(t: Any, out: Any, a: Any, uplo: str) -> Any:
    # dλ = diag(Vᴴ dA V), dV = V (F ∘ Vᴴ dA V)
    w, v = unpacked(out, _eigh_shapes(a))
    turned = np.matmul(np.matmul(adjoint_of(v), read_triangle(t[0], uplo == "L")), v)
    w = np.real(w)
    c = _turns(_inverse_gaps(w), turned, _between_equals(out, w, v, a, uplo))
    dw, blur = np.real(_diagonal_of(turned)), _no_second(out, w, v, a, uplo)
    return packed([dw if blur is None else dw + blur, np.matmul(v, c)], (1, 2))


_SYMMETRIC = "Only one triangle is read, so ∂L/∂A is 0 in the other; along symmetric changes nothing else matters."
_CHOICE = " Vectors keep LAPACK's signs and do not turn within a space of equal values."
EIGH = declare(
    Op(
        name="eigh",
        kind=Kind.CUSTOM,
        run=_eigh_run,
        aval=_eigh_aval,
        adjoints=(_eigh_adjoint,),
        tangent=_eigh_tangent,
        notation="eigh({0})",
        domain={"low": -0.5, "high": 0.5, "matrix": "symmetric"},
        kinks=_SYMMETRIC + _CHOICE,
        doc="Eigenvalues, ascending, and orthonormal eigenvectors of a symmetric matrix, side by side in one value.",
    )
)


def _vectors(a: Any, uplo: str) -> Any:
    return unpacked(EIGH(a, uplo=uplo), _eigh_shapes(a))[1]


def _eigvalsh_adjoint(g: Any, out: Any, a: Any, uplo: str) -> Any:
    v = _vectors(a, uplo)
    between = _between_equals(out, out, v, a, uplo)
    if between is None:
        return conjugated(onto_triangle(np.matmul(v * row(g), adjoint_of(v)), uplo == "L"))
    middle = _diagonal(g) + _within_equals(g, _slopes(g, out, out), out, between)
    return conjugated(onto_triangle(symmetric_part(np.matmul(np.matmul(v, middle), adjoint_of(v))), uplo == "L"))


def _eigvalsh_tangent(t: Any, out: Any, a: Any, uplo: str) -> Any:
    v = _vectors(a, uplo)
    dw = np.real(np.sum(conjugated(v) * np.matmul(read_triangle(t[0], uplo == "L"), v), axis=-2))
    blur = _no_second(out, out, v, a, uplo)
    return dw if blur is None else dw + blur


EIGVALSH = declare(
    Op(
        name="eigvalsh",
        kind=Kind.CUSTOM,
        run=lambda a, uplo: np.linalg.eigvalsh(a, uplo),
        aval=lambda a, uplo: (_square(a), Aval(a.shape[:-1], _real(_floating_aval(a))))[1],
        adjoints=(_eigvalsh_adjoint,),
        tangent=_eigvalsh_tangent,
        notation="λ({0})",
        domain={"low": -0.5, "high": 0.5, "matrix": "symmetric"},
        kinks=_SYMMETRIC + " Equal eigenvalues: that of the vectors which LAPACK returned.",
        doc="Eigenvalues of a symmetric matrix, ascending.",
    )
)


# ---- singular values
def _svd_shapes(a: Any, full_matrices: bool) -> Shapes:
    m, n = shape_of(a)[-2:]
    k = min(m, n)
    return (m, m if full_matrices else k), (k,), (n if full_matrices else k, n)


def _svd_run(a: Any, full_matrices: bool) -> Any:
    return packed(list(np.linalg.svd(a, full_matrices=full_matrices)), (2, 1, 2))


def _at_least_a_matrix(a: Aval) -> Aval:
    if len(a.shape) < 2:
        raise ValueError(f"{len(a.shape)}-dimensional array given. Array must be at least two-dimensional")
    return a


def _svd_aval(a: Aval, full_matrices: bool) -> Aval:
    return packed_aval(_at_least_a_matrix(a), _svd_shapes(a, full_matrices))


def _beside_equals(out: Any, u: Any, s: Any, v: Any, a: Any) -> tuple[Any, Any, Any] | None:
    """What is 0 beside equal and beside vanishing singular values, but whose derivative second derivatives need.

    UᴴAV between different vectors of equal values, and of the vectors of value 0 what AV has outside of U and AᴴU
    outside of V.
    """
    if not isinstance(a, Traced) or not shape_of(s)[-1] or _is_read(out):
        return None
    gone = np.equal(_inverse(s, s), 0)
    equal = np.logical_or(_equals(s), np.logical_and(row(gone), column(gone)))
    if not is_staged(equal) and not np.any(value_of(equal)):
        return None
    av, au = np.matmul(a, v), np.matmul(adjoint_of(a), u)
    inner = np.matmul(adjoint_of(u), av)
    parts = (
        np.where(equal, inner - _diagonal(s), 0.0),
        np.where(row(gone), av - np.matmul(u, inner), 0.0),
        np.where(row(gone), au - np.matmul(v, adjoint_of(inner)), 0.0),
    )
    between, left, right = map(_zero, parts)
    return between, left, right


def _of_values(gs: Any, out: Any, s: Any, beside: Any, u: Any, v: Any, start: int = 0) -> Any:
    """What U diag(g) Vᴴ changes by within the spaces of equal and of vanishing values.

    Of values that vanish a smooth function is even, so g is odd: to first order it is its slope times what A has there.
    """
    between, left, right = beside
    slopes, n = _slopes(gs, out, s, start), shape_of(s)[-1]
    slope: Any = np.full(n, np.nan) if slopes is None else _diagonal_of(slopes)
    gone = np.equal(_inverse(s, s), 0)
    both = np.logical_and(row(gone), column(gone))
    within = _within_equals(gs, slopes, s, np.where(both, 0.0, symmetric_part(between)))
    turning = np.logical_and(both, ~np.eye(n, dtype=bool))
    within = within + STRONG_PRODUCT(np.where(turning, 0.5 * (row(slope) + column(slope)), 0.0), between)
    outside = np.where(row(gone), row(slope), 0.0)
    return np.matmul(np.matmul(u, within) + STRONG_PRODUCT(outside, left), adjoint_of(v)) + np.matmul(
        u, adjoint_of(STRONG_PRODUCT(outside, right))
    )


def _zero(x: Any) -> Any:
    """0 for what is rounded to almost 0, with its first derivative and no second one."""
    x = x - OPS["stop_gradient"](x)
    return x + np.abs(x) ** 1.5


def _svd_turned(p: Any, s: Any) -> tuple[Any, Any]:
    """Ω and Ψ, skew, with ΩS − SΨ = P off the diagonal: the turns of U and V."""
    together, apart = (p + adjoint_of(p)) * _inverse_gaps(s), (p - adjoint_of(p)) * _inverse(row(s) + column(s), s)
    return 0.5 * (together + apart), 0.5 * (together - apart)


def _svd_turned_back(a_u: Any, a_v: Any, s: Any) -> Any:
    """The adjoint of `_svd_turned`."""
    together, apart = (a_u + a_v) * _inverse_gaps(s), (a_u - a_v) * _inverse(row(s) + column(s), s)
    return 0.5 * (together + adjoint_of(together) + apart - adjoint_of(apart))


def _svd_adjoint(g: Any, out: Any, a: Any, full_matrices: bool) -> Any:
    shapes = _svd_shapes(a, full_matrices)
    (u, s, vt), (gu, gs, gvt) = unpacked(out, shapes), unpacked(conjugated(g), shapes)
    s, gs = np.real(s), np.real(gs)
    v, gv = adjoint_of(vt), adjoint_of(gvt)
    k = shapes[1][0]
    u1, v1, gu1, gv1 = u[..., :k], v[..., :k], gu[..., :k], gv[..., :k]
    beside = _beside_equals(out, u1, s, v1, a)
    if vanishes(gu) and vanishes(gv) and beside is None:
        return conjugated(np.matmul(u1 * row(gs), adjoint_of(v1)))
    a_u, a_v = np.matmul(adjoint_of(u1), gu1), np.matmul(adjoint_of(v1), gv1)
    turned = _svd_turned_back(a_u, a_v, s)
    over = row(_inverse(s, s))
    m, n = shape_of(a)[-2:]
    # The part of ∂U across its own columns: (I − UUᵀ) Gᵤ S⁻¹ Vᵀ, less what the other columns of a full U turn back.
    across_u = _across(u, gu, a_u, k, full_matrices) * over if m > n else None
    across_v = _across(v, gv, a_v, k, full_matrices) * over if n > m else None
    if beside is not None:
        between, left, right = beside
        b_u, b_v = -np.matmul(turned, adjoint_of(between)), np.matmul(adjoint_of(between), turned)
        if across_u is not None:
            b_v = b_v + np.matmul(adjoint_of(left), across_u)
            more = np.matmul(left, adjoint_of(turned)) - np.matmul(across_u, adjoint_of(between))
            across_u = across_u + more * over
        if across_v is not None:
            b_u = b_u + np.matmul(adjoint_of(right), across_v)
            more = np.matmul(right, turned) - np.matmul(across_v, between)
            across_v = across_v + more * over
        turned = turned + _svd_turned_back(b_u, b_v, s)
    total = np.matmul(np.matmul(u1, _diagonal(gs) + turned), adjoint_of(v1))
    if beside is not None and not vanishes(gs):
        total = total + _of_values(gs, out, s, beside, u1, v1, math.prod(shapes[0]))
    if across_u is not None:
        total = total + np.matmul(across_u, adjoint_of(v1))
    if across_v is not None:
        total = total + np.matmul(u1, adjoint_of(across_v))
    return conjugated(total)


def _across(w: Any, gw: Any, own: Any, k: int, full_matrices: bool) -> Any:
    across = gw[..., :k] - np.matmul(w[..., :k], own)
    if full_matrices:
        across = across - np.matmul(w[..., k:], np.matmul(adjoint_of(gw[..., k:]), w[..., :k]))
    return across


def _svd_tangent(t: Any, out: Any, a: Any, full_matrices: bool) -> Any:
    u, s, vt = unpacked(out, _svd_shapes(a, full_matrices))
    s = np.real(s)
    v, da = adjoint_of(vt), t[0]
    m, n = shape_of(a)[-2:]
    k = min(m, n)
    u1, v1 = u[..., :k], v[..., :k]
    p = np.matmul(np.matmul(adjoint_of(u1), da), v1)
    over = row(_inverse(s, s))
    across_u = (np.matmul(da, v1) - np.matmul(u1, p)) * over if m > n else None
    across_v = (np.matmul(adjoint_of(da), u1) - np.matmul(v1, adjoint_of(p))) * over if n > m else None
    turn_u, turn_v = _svd_turned(p, s)
    beside = _beside_equals(out, u1, s, v1, a)
    if beside is not None:
        between, left, right = beside
        more = np.matmul(between, turn_v) - np.matmul(turn_u, between)
        if across_u is not None:
            more = more + np.matmul(adjoint_of(across_u), left)
            across_u = across_u + (np.matmul(left, turn_v) - np.matmul(across_u, between)) * over
        if across_v is not None:
            more = more + np.matmul(adjoint_of(right), across_v)
            across_v = across_v + (np.matmul(right, turn_u) - np.matmul(across_v, adjoint_of(between))) * over
        more_u, more_v = _svd_turned(more, s)
        turn_u, turn_v = turn_u + more_u, turn_v + more_v
    du, dv = np.matmul(u1, turn_u), np.matmul(v1, turn_v)
    if across_u is not None:
        du = du + across_u
        if full_matrices:
            du = np.concatenate([du, -np.matmul(u1, np.matmul(adjoint_of(across_u), u[..., k:]))], axis=-1)
    if across_v is not None:
        dv = dv + across_v
        if full_matrices:
            dv = np.concatenate([dv, -np.matmul(v1, np.matmul(adjoint_of(across_v), v[..., k:]))], axis=-1)
    ds = np.real(_diagonal_of(p))
    return packed([du, ds if beside is None else ds + _blur(s, symmetric_part(beside[0])), adjoint_of(dv)], (2, 1, 2))


SVD = declare(
    Op(
        name="svd",
        kind=Kind.CUSTOM,
        run=_svd_run,
        aval=_svd_aval,
        adjoints=(_svd_adjoint,),
        tangent=_svd_tangent,
        notation="svd({0})",
        domain={"low": 0.05, "high": 0.35, "matrix": "separated"},
        kinks="Vectors keep LAPACK's signs and do not turn within equal singular values, nor beyond the rank.",
        doc="U, singular values (descending) and Vᵀ with U S Vᵀ = A, side by side in one value.",
    )
)


def _svdvals_vectors(a: Any) -> tuple[Any, Any]:
    u, _, vt = unpacked(SVD(a, full_matrices=False), _svd_shapes(a, False))
    return u, vt


def _svdvals_adjoint(g: Any, out: Any, a: Any) -> Any:
    u, vt = _svdvals_vectors(a)
    total, v = np.matmul(u * row(g), vt), adjoint_of(vt)
    beside = _beside_equals(out, u, out, v, a)
    return conjugated(total if beside is None else total + _of_values(g, out, out, beside, u, v))


def _svdvals_tangent(t: Any, out: Any, a: Any) -> Any:
    u, vt = _svdvals_vectors(a)
    ds = np.real(np.sum(np.matmul(adjoint_of(u), t[0]) * conjugated(vt), axis=-1))
    beside = _beside_equals(out, u, out, adjoint_of(vt), a)
    return ds if beside is None else ds + _blur(out, symmetric_part(beside[0]))


SVDVALS = declare(
    Op(
        name="svdvals",
        kind=Kind.CUSTOM,
        run=lambda a: np.linalg.svd(a, compute_uv=False),
        aval=lambda a: Aval(
            (*_at_least_a_matrix(a).shape[:-2], min(a.shape[-2:])),
            _real(_floating_aval(a)),
        ),
        adjoints=(_svdvals_adjoint,),
        tangent=_svdvals_tangent,
        notation="σ({0})",
        domain={"low": -0.3, "high": 0.3, "matrix": "separated"},
        kinks="Equal singular values: that of the vectors which LAPACK returned. At 0: along those vectors.",
        doc="Singular values, descending.",
    )
)


# ---- NumPy's functions
@rule_for(np.linalg.eigh)
def eigh(a, UPLO="L"):
    result = named(np.linalg.eigh)
    a = as_array(a)
    w, v = unpacked(bind(EIGH, (a,), {"uplo": UPLO.upper()}), _eigh_shapes(a))
    return result(np.real(w), v)


@rule_for(np.linalg.eigvalsh)
def eigvalsh(a, UPLO="L"):
    return bind(EIGVALSH, (as_array(a),), {"uplo": UPLO.upper()})


@rule_for(np.linalg.svd)
def svd(a, full_matrices=True, compute_uv=True, hermitian=False):
    a = as_array(a)
    if hermitian:
        return _hermitian_svd(a, compute_uv)
    if not compute_uv:
        return bind(SVDVALS, (a,))
    result = named(np.linalg.svd)
    full = bool(full_matrices) and shape_of(a)[-1:] != shape_of(a)[-2:-1]
    u, s, vt = unpacked(bind(SVD, (a,), {"full_matrices": full}), _svd_shapes(a, full))
    return result(u, np.real(s), vt)


def _hermitian_svd(a: Any, compute_uv: bool) -> Any:
    """By eigenvalues, as NumPy does it: σ = |λ|, sorted down, the sign goes into Vᵀ."""
    if not compute_uv:
        return np.sort(np.abs(eigvalsh(a)), axis=-1)[..., ::-1]
    w, u = eigh(a)
    sign = np.sign(w)
    s = np.abs(w)
    order = np.argsort(s, axis=-1)[..., ::-1]
    sign, s = np.take_along_axis(sign, order, axis=-1), np.take_along_axis(s, order, axis=-1)
    u = np.take_along_axis(u, order[..., None, :], axis=-1)
    return named(np.linalg.svd)(u, s, adjoint_of(u * row(sign)))


rule_for(np.linalg.svdvals)(lambda x, /: svd(x, compute_uv=False))


@rule_for(np.linalg.cond)
def cond(x, p=None):
    x = as_array(x)
    if 0 in shape_of(x)[-2:]:
        raise np.linalg.LinAlgError("cond is not defined on empty arrays")
    if p is None or p in (2, -2):
        s = svd(x, compute_uv=False)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return np.linalg.norm(x, p, axis=(-2, -1)) * np.linalg.norm(np.linalg.inv(x), p, axis=(-2, -1))


@rule_for(np.linalg.matrix_rank)
def matrix_rank(A, tol=None, hermitian=False, *, rtol=None):
    """A count: it holds still, so its derivative is 0."""
    if any(is_staged(part) for part in (A, tol, rtol)):
        raise messages.value_unknown(A, "np.linalg.matrix_rank")
    return np.linalg.matrix_rank(value_of(A), value_of(tol), hermitian, rtol=value_of(rtol))


__all__ = ["EIGH", "EIGVALSH", "SVD", "SVDVALS", "packed", "unpacked"]
