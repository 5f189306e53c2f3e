"""``scipy.linalg``: the equations of control, Lyapunov's and Riccati's.

Of Riccati's equation F(X) = 0 the change of X solves Lyapunov's equation of the closed loop A − B K, with the change of
F at X held still on its right side. Source: Laub (1979); Kao & Hennequin (2020) for the derivatives.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass.graph import messages
from backpass.graph.aval import Aval

from .declare import Kind, Op, as_array, conjugated, declare, floating, is_complex, is_staged, shape_of, value_of
from .decompositions import SOLVE, _mT, adjoint_of, symmetric_part
from .scipy_functions import _rule
from .scipy_linalg import SYLVESTER, _scipy_linalg


@_rule("linalg", "solve_continuous_lyapunov", "solve_lyapunov")
def solve_continuous_lyapunov(a, q):
    """A X + X Aᴴ = Q"""
    a = as_array(a)
    return SYLVESTER(a, adjoint_of(a), as_array(q))


@_rule("linalg")
def solve_discrete_lyapunov(a, q, method=None):
    """A X Aᴴ − X + Q = 0, as one linear system: (I − A ⊗ Ā) vec X = vec Q"""
    a, q = as_array(a), as_array(q)
    n = shape_of(a)[0]
    full = np.eye(n * n) - np.kron(a, conjugated(a))
    return np.reshape(SOLVE(full, np.reshape(q, (-1, 1))), (n, n))


# ---- Riccati's equations
def _gain(x: Any, a: Any, b: Any, r: Any, discrete: bool) -> Any:
    """K, of the feedback u = −K x that the solution stands for."""
    bx = np.matmul(_mT(b), x)
    return SOLVE(symmetric_part(r) + np.matmul(bx, b), np.matmul(bx, a)) if discrete else SOLVE(symmetric_part(r), bx)


def _sides(out: Any, a: Any, b: Any, r: Any, discrete: bool) -> tuple[Any, Any, Any]:
    """K, A − B K, and the matrix M of the change M dA + (M dA)ᵀ of F."""
    gain = _gain(out, a, b, r, discrete)
    closed = a - np.matmul(b, gain)
    return gain, closed, np.matmul(_mT(closed), out) if discrete else out


def _lyapunov(closed: Any, q: Any, discrete: bool) -> Any:
    """The Y of C Y Cᵀ − Y + Q = 0, or of C Y + Y Cᵀ + Q = 0."""
    return solve_discrete_lyapunov(closed, q) if discrete else SYLVESTER(closed, _mT(closed), -q)


def _riccati_tangent(t: Any, out: Any, a: Any, b: Any, q: Any, r: Any, discrete: bool) -> Any:
    gain, closed, side = _sides(out, a, b, r, discrete)
    da, db, dq, dr = t
    parts = [] if dq is None else [symmetric_part(dq)]
    parts += [] if dr is None else [np.matmul(_mT(gain), np.matmul(symmetric_part(dr), gain))]
    parts += [] if da is None else [2.0 * symmetric_part(np.matmul(side, da))]
    parts += [] if db is None else [-2.0 * symmetric_part(np.matmul(side, np.matmul(db, gain)))]
    return _lyapunov(_mT(closed), sum(parts[1:], parts[0]), discrete)


def _riccati_adjoint(which: str) -> Any:
    def adjoint(g: Any, out: Any, a: Any, b: Any, q: Any, r: Any, discrete: bool) -> Any:
        gain, closed, side = _sides(out, a, b, r, discrete)
        spread = _lyapunov(closed, symmetric_part(g), discrete)
        if which == "q":
            return spread
        if which == "r":
            return np.matmul(gain, np.matmul(spread, _mT(gain)))
        change = 2.0 * np.matmul(_mT(side), spread)
        return change if which == "a" else -np.matmul(change, _mT(gain))

    return adjoint


def _riccati_run(a: Any, b: Any, q: Any, r: Any, discrete: bool) -> Any:
    if any(map(is_complex, (a, b, q, r))):
        raise TypeError("solve_are: of real matrices alone")
    a, b, q, r = (part.astype(np.float64) for part in (a, b, q, r))
    solve = _scipy_linalg(f"solve_{'discrete' if discrete else 'continuous'}_are")
    try:
        return solve(a, b, symmetric_part(q), symmetric_part(r))
    except ValueError as error:  # shapes fit, so these values have no solution
        raise np.linalg.LinAlgError(str(error)) from error


def _riccati_aval(a: Aval, b: Aval, q: Aval, r: Aval, discrete: bool) -> Aval:
    n, m = b.shape
    if (a.shape, q.shape, r.shape) != ((n, n), (n, n), (m, m)):
        raise ValueError(f"solve_are: a {a.shape}, b {b.shape}, q {q.shape} and r {r.shape} do not fit")
    if any(map(is_complex, (a, b, q, r))):
        raise TypeError("solve_are: of real matrices alone")
    return Aval(q.shape, np.dtype(np.float64))


RICCATI = declare(
    Op(
        name="solve_are",
        kind=Kind.CUSTOM,
        run=_riccati_run,
        aval=_riccati_aval,
        adjoints=tuple(map(_riccati_adjoint, "abqr")),
        tangent=_riccati_tangent,
        notation="riccati({0}, {1}, {2}, {3})",
        domain={"low": 0.05, "high": 0.3, "matrix": "separated"},
        doc="The stabilising X of AᵀX + X A − X B R⁻¹ BᵀX + Q = 0, or of its discrete form, of symmetric Q and R.",
    )
)


def _riccati(name: str, discrete: bool) -> None:
    def implementation(a, b, q, r, e=None, s=None, balanced=True):
        a, b, q, r = (np.atleast_2d(floating(part)) for part in (a, b, q, r))
        if any(map(is_complex, (a, b, q, r))) or any(len(shape_of(part)) > 2 for part in (a, b, q, r)):
            raise messages.option_refused(f"scipy.linalg.{name}", "complex matrices or stacks", "One real equation.")
        for letter, part in (("q", q), ("r", r)):
            known = None if is_staged(part) else value_of(part)
            # SciPy's own bound, in the norm of columns
            if known is not None and np.linalg.norm(known - known.T, 1) > 100 * np.spacing(np.linalg.norm(known, 1)):
                raise messages.not_symmetric(f"scipy.linalg.{name}", part, letter)
        if e is not None:  # X stays, in the state E x
            e = as_array(e)
            a, q = _mT(SOLVE(_mT(e), _mT(a))), SOLVE(_mT(e), _mT(SOLVE(_mT(e), _mT(q))))
        if s is not None:
            s = as_array(s) if e is None else SOLVE(_mT(e), as_array(s))
            back = _mT(SOLVE(r, _mT(s)))
            a, q = a - np.matmul(b, _mT(back)), q - np.matmul(back, _mT(s))
        return RICCATI(a, b, q, r, discrete=discrete)

    _rule("linalg", name)(implementation)


_riccati("solve_continuous_are", False)
_riccati("solve_discrete_are", True)

__all__ = ["RICCATI"]
