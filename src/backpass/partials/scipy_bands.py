"""Eigenvalues of symmetric matrices that SciPy is given by their diagonals: ``eig_banded`` and ``eigh_tridiagonal``.

The matrix is written out and `eigh` taken of it; vectors have the signs that SciPy's own have.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass.graph import messages

from .declare import as_array, conjugated, is_staged, shape_of, value_of
from .scipy_functions import _rule


def _written_out(diagonals: list[Any]) -> Any:
    """The lower triangle of the matrix that has these as its main diagonal and those below it."""
    total: Any = 0.0
    for k, entries in enumerate(diagonals):
        total = total + np.diag(entries, -k)
    return total


def _chosen(name: str, w: Any, select: Any, select_range: Any) -> slice:
    kind = {0: "a", 1: "v", 2: "i", "all": "a", "value": "v", "index": "i"}.get(select, select)
    if kind == "a":
        return slice(None)
    low, high = select_range
    if kind == "i":
        return slice(int(low), int(high) + 1)
    if is_staged(w):
        raise messages.value_unknown(w, f"scipy.linalg.{name}(select='v')")
    inside = np.flatnonzero((value_of(w) > low) & (value_of(w) <= high))
    return slice(int(inside[0]), int(inside[-1]) + 1) if len(inside) else slice(0, 0)


def _spectrum(name: str, diagonals: list[Any], values_only: bool, select: Any, select_range: Any, plain: Any) -> Any:
    a = _written_out(diagonals)
    if values_only:
        w = np.linalg.eigvalsh(a, "L")
        return w[_chosen(name, w, select, select_range)]
    w, v = np.linalg.eigh(a, "L")
    taken = _chosen(name, w, select, select_range)
    w, v = w[taken], v[:, taken]
    if not any(map(is_staged, diagonals)):
        along = np.sum(np.conjugate(value_of(v)) * plain()[1], axis=0)
        size = np.abs(along)
        v = v * np.where(size > 0.5, along / np.where(size > 0.5, size, 1.0), 1.0)
    return w, v


@_rule("linalg")
def eigh_tridiagonal(
    d, e, eigvals_only=False, select="a", select_range=None, check_finite=True, tol=0.0, lapack_driver="auto"
):
    import scipy.linalg

    d, e = as_array(d), as_array(e)

    def plain() -> Any:
        return scipy.linalg.eigh_tridiagonal(value_of(d), value_of(e), select=select, select_range=select_range)

    return _spectrum("eigh_tridiagonal", [d, e], eigvals_only, select, select_range, plain)


@_rule("linalg")
def eigvalsh_tridiagonal(d, e, select="a", select_range=None, check_finite=True, tol=0.0, lapack_driver="auto"):
    return eigh_tridiagonal(d, e, True, select, select_range)


@_rule("linalg")
def eig_banded(
    a_band,
    lower=False,
    eigvals_only=False,
    overwrite_a_band=False,
    select="a",
    select_range=None,
    max_ev=0,
    check_finite=True,
):
    import scipy.linalg

    a_band = as_array(a_band)
    rows, n = shape_of(a_band)
    if lower:
        diagonals = [a_band[k, : n - k] for k in range(rows)]
    else:
        diagonals = [conjugated(a_band[rows - 1 - k, k:]) for k in range(rows)]

    def plain() -> Any:
        return scipy.linalg.eig_banded(value_of(a_band), lower, select=select, select_range=select_range)

    return _spectrum("eig_banded", diagonals, eigvals_only, select, select_range, plain)


@_rule("linalg")
def eigvals_banded(a_band, lower=False, overwrite_a_band=False, select="a", select_range=None, check_finite=True):
    return eig_banded(a_band, lower, True, False, select, select_range)


__all__ = ["eig_banded", "eigh_tridiagonal", "eigvals_banded", "eigvalsh_tridiagonal"]
