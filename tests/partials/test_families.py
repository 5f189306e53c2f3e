"""NumPy's functions by parts: NumPy's values, and derivatives to second order in both modes, eager and as graphs."""

from typing import Any

import numpy as np
import pytest

import backpass as bp
from backpass.graph.pytree import flatten

from .family_rows import ROWS, Row
from .references import close, differences

FIRST, SECOND = 1e-8, 1e-7
"""Relative: differences of order 8 of a value, and of a derivative."""


def leaves(result: Any) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in flatten(tuple(result) if isinstance(result, (list, tuple)) else result)[0]]


def same(found: Any, wanted: Any, ulp: int) -> None:
    found, wanted = leaves(found), leaves(wanted)
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        if ulp and b.dtype.kind in "fc":
            near = np.abs(a - b) <= ulp * np.spacing(np.max(np.abs(b), initial=1e-300))
            assert np.all(near | (np.isnan(a) & np.isnan(b))), (a, b)
        else:
            np.testing.assert_array_equal(a, b)


def loss_of(row: Row) -> Any:
    """A scalar of all results, not linear in them."""

    def loss(*args: Any) -> Any:
        total = 0.0
        for k, part in enumerate(flatten(tuple_of(row.function(*args)))[0]):
            if part.dtype.kind == "f" and part.size:
                weights = np.linspace(0.5, 1.5, part.size).reshape(part.shape)
                total = total + np.sum(np.sin(0.5 * np.nan_to_num(part) + k) * weights)
        return total + 0.0 * np.sum(np.nan_to_num(args[0]))

    return loss


def tuple_of(result: Any) -> Any:
    return tuple(result) if isinstance(result, (list, tuple)) else result


NAMES = [f"{i}-{row.name}" for i, row in enumerate(ROWS)]


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_values_are_numpys(row: Row) -> None:
    wanted = row.function(*row.args)
    same(bp.vjp(row.function, *row.args)[0], wanted, row.ulp)
    if row.staged:
        graph = bp.trace(row.function, *row.args)
        same(graph(*row.args), wanted, row.ulp)
        same(bp.Graph.from_json(graph.to_json())(*row.args), wanted, row.ulp)


SMOOTH = [row for row in ROWS if row.smooth]
SMOOTH_NAMES = [name for name, row in zip(NAMES, ROWS, strict=True) if row.smooth]


@pytest.mark.parametrize("row", SMOOTH, ids=SMOOTH_NAMES)
def test_first_derivatives(row: Row) -> None:
    loss = loss_of(row)
    for k in range(len(row.args)):
        wanted = differences(loss, row.args, k, step=1e-3)
        for mode in ("reverse", "forward"):
            close(bp.jacobian(loss, argnums=k, mode=mode)(*row.args), wanted, FIRST, f"{mode}, argument {k}")
    if row.staged:
        gradient = bp.grad(loss, argnums=tuple(range(len(row.args))))
        for g, wanted in zip(
            leaves(bp.trace(gradient, *row.args)(*row.args)), leaves(gradient(*row.args)), strict=True
        ):
            close(g, wanted, 1e-12, "as a graph")


@pytest.mark.parametrize("row", SMOOTH, ids=SMOOTH_NAMES)
def test_second_derivatives(row: Row) -> None:
    loss = loss_of(row)
    for k in range(len(row.args)):
        if np.size(row.args[k]) > 16:
            continue
        gradient = bp.grad(loss, argnums=k)
        wanted = differences(gradient, row.args, k, step=1e-3)
        for mode in ("reverse", "forward"):
            close(bp.jacobian(gradient, argnums=k, mode=mode)(*row.args), wanted, SECOND, f"{mode}, argument {k}")


NANS = [row for row in ROWS if not row.smooth and row.name.startswith("nan") and "arg" not in row.name]


@pytest.mark.parametrize("row", NANS, ids=[f"{i}-{row.name}" for i, row in enumerate(NANS)])
def test_derivatives_beside_nan(row: Row) -> None:
    """NaN entries get 0, the others what differences say when the NaN stay where they are."""
    (x,) = row.args
    there = ~np.isnan(x)
    loss = loss_of(row)

    def of_numbers(numbers: Any) -> Any:
        full = x.copy()
        full[there] = numbers
        return loss(full)

    wanted = np.zeros_like(x)
    wanted[there] = differences(of_numbers, (x[there],), 0, step=1e-3)
    for mode in ("reverse", "forward"):
        close(bp.jacobian(loss, mode=mode)(x), wanted, FIRST, mode)
    second = bp.jacobian(bp.grad(loss))(x)
    assert np.all(np.isfinite(second))
