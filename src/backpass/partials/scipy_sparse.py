"""``scipy.sparse``: products of a sparse matrix that is held with traced values, and the solution of its equations."""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass.graph import messages
from backpass.graph.errors import NoRuleError

from .declare import as_array, rule_for, shape_of
from .indexing import GATHER, SCATTER_ADD
from .scipy_functions import _rule


@rule_for("sparse product")
def product(matrix: Any, x: Any) -> Any:
    """Σⱼ Aᵢⱼ xⱼ over the entries that A has, in their order."""
    x = as_array(x)
    if not shape_of(x):
        raise NoRuleError(
            f"A sparse matrix times a traced number would be a sparse matrix of traced values.\n{messages.place()}\n"
            "  Multiply the product instead: t * (A @ x)."
        )
    rows, columns = matrix.shape
    if len(shape_of(x)) > 2 or shape_of(x)[0] != columns:
        raise ValueError(f"matmul: dimension mismatch: {matrix.shape} and {shape_of(x)}")
    entries = matrix.tocoo()
    at_row, at_column = (np.asarray(c, np.intp) for c in (entries.row, entries.col))
    weights = entries.data if len(shape_of(x)) == 1 else entries.data[:, None]
    terms = weights * GATHER(x, at_column, key=("index",))
    return SCATTER_ADD(terms, at_row, shape=(rows, *shape_of(x)[1:]), key=("index",))


@rule_for("sparse matrix")
def refused(name: str) -> Any:
    raise NoRuleError(
        f"scipy.sparse's {name} would make a sparse matrix of traced values: that is not followed.\n"
        f"{messages.place()}\n"
        "  Its products are: A @ x. Weights go beside it: A @ (w * x) scales columns, w * (A @ x) scales rows."
    )


_rule("sparse", "issparse", "isspmatrix")(lambda x: False)
DENSE = 3000


@_rule("sparse.linalg")
def spsolve(A, b, permc_spec=None, use_umfpack=True):
    """A⁻¹ b, of an A that is held: by its full form, up to 3,000 rows."""
    if A.shape[0] > DENSE:
        raise messages.option_refused("scipy.sparse.linalg.spsolve", f"A of more than {DENSE} rows", "Use bp.implicit.")
    b = as_array(b)
    found = np.linalg.solve(A.toarray(), b)
    return found[:, 0] if len(shape_of(b)) == 2 and shape_of(b)[1] == 1 else found


@_rule("sparse.linalg", "cg", "gmres", "bicgstab", "minres")
def iterated(A, b, *args, **kwargs):
    """The solution that the iteration approaches, and that it succeeded."""
    return spsolve(A, b), 0


__all__ = ["product"]
