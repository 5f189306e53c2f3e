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
