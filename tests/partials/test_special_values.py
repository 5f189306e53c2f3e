"""The special-value table in reverse and forward mode, at both orders, eagerly and as a graph."""

from typing import Any

import numpy as np
import pytest

import backpass as bp

from .special_values import TABLE, Special


def agree(found: Any, wanted: Any, what: str) -> None:
    assert np.shape(found) == np.shape(wanted), what
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14, err_msg=what)


WITHOUT_VALUES = {
    "mask": "the shape of x[mask] depends on the values",
    "det of a singular matrix": "a graph uses det(A) A⁻ᵀ: whether to take minors is decided by the value",
}
"""Rows that have no graph, or another one, and why."""


@pytest.mark.parametrize("chosen", TABLE, ids=lambda s: s.label)
def test_first_order(chosen: Special) -> None:
    with np.errstate(all="ignore"):
        agree(bp.grad(chosen.function)(chosen.x), chosen.gradient, "reverse")
        agree(bp.jacobian(chosen.function, mode="forward")(chosen.x), chosen.gradient, "forward")
        if not np.isnan(chosen.gradient).any():
            total = bp.jvp(chosen.function, (chosen.x,), (np.ones_like(chosen.x),))[1]
            agree(total, np.sum(chosen.gradient), "forward along all entries at once")
        if chosen.label not in WITHOUT_VALUES:
            agree(bp.trace(bp.grad(chosen.function), chosen.x)(chosen.x), chosen.gradient, "graph")


@pytest.mark.parametrize("chosen", [s for s in TABLE if s.hessian is not None], ids=lambda s: s.label)
@pytest.mark.parametrize("outer", ["forward", "reverse"])
@pytest.mark.parametrize("inner", ["forward", "reverse"])
def test_second_order(chosen: Special, outer: str, inner: str) -> None:
    with np.errstate(all="ignore"):
        gradient = bp.grad(chosen.function) if inner == "reverse" else bp.jacobian(chosen.function, mode="forward")
        agree(bp.jacobian(gradient, mode=outer)(chosen.x), chosen.hessian, f"{outer} over {inner}")
