"""Strong zeros: 26 functions on which a chain rule that multiplies 0 by ∞ gives NaN, and the page of them."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import backpass as bp

ROOT = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location("nan_traps", ROOT / "benchmarks" / "nan_traps.py")
assert _spec is not None
assert _spec.loader is not None
_module: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
TRAPS = _module.TRAPS


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.title)
def test_the_gradient_is_right(trap: Any) -> None:
    f = lambda x: trap.code(np, x)  # noqa: E731
    x = np.array(trap.x)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(bp.grad(f)(x), trap.right, atol=1e-12)
        np.testing.assert_allclose(bp.jacobian(f, mode="forward")(x), trap.right, atol=1e-12)
        if "[np.array" not in trap.title:
            np.testing.assert_allclose(bp.compile(bp.grad(f))(x), trap.right, atol=1e-12)
        found = bp.grad(lambda x: np.sum(bp.vmap(f)(x)))(np.stack([x, x]))
        np.testing.assert_allclose(found, [trap.right, trap.right], atol=1e-12)


def test_there_are_26_and_the_page_shows_each() -> None:
    assert len(TRAPS) == 26
    page = (ROOT / "docs" / "gradients.md").read_text(encoding="utf-8")
    for trap in TRAPS:
        row = next(line for line in page.splitlines() if f"| `{trap.title}` |" in line)
        assert row.split("|")[4].strip() == ", ".join(f"{v:.4g}" for v in trap.right)


def test_machine_code_of_strong_products_that_are_read_through_views() -> None:
    x = np.array([[0.0, 2.0, 3.0], [0.5, -1.0, 0.0]])
    f = lambda x: np.sum(np.arccos(1 - 0.1 * np.concatenate([x**2, x**4 / 9]).T))  # noqa: E731
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(bp.compile(bp.grad(f))(x), bp.grad(f)(x), rtol=1e-12)
        assert np.isfinite(bp.grad(f)(x)).all()


W = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 10.0]])
GAPS = np.array([1.0, np.nan, 3.0])
ROWS = np.array([[1.0, 2.0], [np.nan, 4.0], [5.0, 6.0]])
METRIC = np.array([[2.0, 0.5], [0.5, 1.0]])
MORE: list[tuple[Any, Any, Any]] = [
    (lambda x: np.sqrt(np.vdot(x, x)), [0.0, 0.0], [0.0, 0.0]),
    (lambda x: np.sqrt(x[0] * x[0] + x[1] * x[1]), [0.0, 0.0], [0.0, 0.0]),
    (lambda x: np.sqrt(x @ METRIC @ x), [0.0, 0.0], [0.0, 0.0]),
    (lambda x: np.sqrt(np.var(x)), [2.0, 2.0], [0.0, 0.0]),
    (lambda x: np.sum(np.sqrt(np.var(x, axis=1))), [[2.0, 2.0], [1.0, 3.0]], [[0.0, 0.0], [-0.5, 0.5]]),
    (lambda x: np.sum((x - np.mean(x)) / np.sqrt(np.var(x) + 1.0) * x), [2.0, 2.0], [0.0, 0.0]),
    (
        lambda x: np.sum(np.sqrt(np.sum((x @ METRIC) * x, axis=-1))),
        [[0.0, 0.0], [2.0, 0.0]],
        [[0.0, 0.0], [2**0.5, 8**-0.5]],
    ),
    (lambda x: np.sum(np.abs(x) ** 3) ** (1 / 3), [0.0, 0.0], [0.0, 0.0]),
    (lambda x: np.sum(x**4) ** 0.25, [0.0, 0.0], [0.0, 0.0]),
    (lambda x: np.sqrt(np.linalg.norm(x) ** 2), [0.0, 0.0], [0.0, 0.0]),
    (lambda x: np.nanmean(np.abs(GAPS - x)), [0.0, 1.0, 2.0], [-0.5, 0.0, -0.5]),
    (
        lambda x: np.sum(np.select([x < 0, x < 1], [0.0, np.sqrt(np.abs(x))], np.log(np.abs(x)))),
        [-1.0, 0.25, 2.0],
        [0, 1, 0.5],
    ),
]
"""Functions, where, and the gradient."""
BY_VALUES: list[tuple[Any, Any, Any]] = [
    (lambda x: np.sum(x * np.sqrt(x)), [0.0, 4.0], [0.0, 3.0]),
    (lambda x: x[0] * np.sqrt(x[1]), [0.0, 0.0], [0.0, 0.0]),
    (lambda x: np.sqrt(x[1]) / (1 + x[0]) * np.sin(x[0]), [0.0, 0.0], [0.0, 0.0]),
    (lambda x: np.sum(1 / (1 + np.exp(-x))), [-800.0, 0.0], [0.0, 0.25]),
    (lambda x: np.sum(1 / np.cosh(x)), [800.0, 0.0], [0.0, 0.0]),
    (lambda x: np.sum(np.exp(-np.exp(-x))), [-800.0, 0.0], [0.0, np.exp(-1.0)]),
    (lambda x: np.nansum((GAPS - ROWS @ x) ** 2), [0.5, -0.2], [-18.8, -24.0]),
]
"""Those of which values have to be known."""


@pytest.mark.parametrize(("f", "x", "right"), MORE + BY_VALUES)
def test_more_zeros_that_win(f: Any, x: Any, right: Any) -> None:
    x = np.array(x)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(bp.grad(f)(x), right, atol=1e-12)
        np.testing.assert_allclose(bp.jacobian(f, mode="forward")(x), right, atol=1e-12)
        if any(f is row[0] for row in MORE):
            np.testing.assert_allclose(bp.compile(bp.grad(f))(x), right, atol=1e-12)
            assert np.isfinite(bp.hessian(f)(x)).all()


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: np.sqrt(2 * x - x * x), 2.0),
        (lambda x: np.sqrt(x * (2 - x)), 2.0),
        (lambda x: np.cbrt(x * x), 0.0),
        (lambda x: np.sqrt(np.abs(x)), 0.0),
        (lambda x: np.sum(np.array([x, 2 * x]) ** 2) ** 0.25, 0.0),
        (lambda x: np.log1p(np.exp(x)), 800.0),
    ],
)
def test_zeros_that_hide_an_infinite_slope_do_not_win(f: Any, x: float) -> None:
    with np.errstate(all="ignore"):
        assert not np.isfinite(bp.grad(f)(x))
        assert not np.isfinite(bp.jvp(f, (x,), (1.0,))[1])


def test_second_derivatives_of_distances_of_points_among_themselves() -> None:
    x = np.array([[0.0, 1.0], [2.0, 3.0], [1.0, -1.0]])
    forms = [
        lambda x: np.linalg.norm(x[:, None] - x[None], axis=-1),
        lambda x: np.sqrt(np.sum((x[:, None] - x[None]) ** 2, axis=-1)),
        lambda x: np.sqrt(np.einsum("ijk,ijk->ij", x[:, None] - x[None], x[:, None] - x[None])),
    ]
    hessians = [bp.hessian(lambda x, d=d: np.sum(W * np.exp(-d(x))))(x) for d in forms]
    slope = bp.grad(lambda x: np.sum(W * np.exp(-forms[0](x))))
    for at in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[at] = 1e-5
        for hessian in hessians:
            np.testing.assert_allclose(hessian[at], (slope(x + step) - slope(x - step)) / 2e-5, rtol=1e-6, atol=1e-8)
    compiled = bp.compile(bp.hessian(lambda x: np.sum(W * np.exp(-forms[1](x)))))
    np.testing.assert_allclose(compiled(x), hessians[0], rtol=1e-9, atol=1e-12)
