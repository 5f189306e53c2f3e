"""`custom_rule` and `stop_gradient`, and `check`, which would find them out."""

from typing import Any

import numpy as np
import pytest

import backpass as bp
from backpass.graph.errors import TracingError


@bp.custom_rule(vjp=lambda g, out, x, y: (g * y, g * x))
def product(x: Any, y: Any) -> Any:
    """x · y"""
    return x * y


@bp.custom_rule(
    vjp=lambda g, out, x: g * 2 * x,
    jvp=lambda tangents, out, x: tangents[0] * 2 * x,
)
def square(x: Any) -> Any:
    return x * x


def test_a_custom_rule_in_all_modes() -> None:
    x = np.array([1.0, 2.0])
    np.testing.assert_array_equal(bp.grad(lambda x: np.sum(square(x)))(x), 2 * x)
    np.testing.assert_array_equal(bp.jvp(square, (x,), (x,))[1], 2 * x * x)
    np.testing.assert_array_equal(bp.hessian(lambda x: np.sum(square(x)))(x), 2 * np.eye(2))
    assert bp.grad(product, argnums=(0, 1))(2.0, 3.0) == (3.0, 2.0)
    np.testing.assert_allclose(bp.jvp(product, (2.0, 3.0), (1.0, 10.0))[1], 23.0)  # from the vjp, transposed
    assert bp.hessian(lambda x: product(x, x))(2.0) == 2.0
    assert bp.trace(bp.grad(square), 1.0)(3.0) == 6.0
    assert square(3.0) == 9.0  # outside a trace it is the function itself


def test_a_rule_replaces_the_codes_own_derivative() -> None:
    """The straight-through estimator: a step with the slope of the identity."""
    through = bp.custom_rule(vjp=lambda g, out, x: g)(np.round)
    np.testing.assert_array_equal(
        bp.grad(lambda x: np.sum(through(x) * np.array([1.0, 2.0])))(np.array([0.2, 1.7])), [1, 2]
    )


def test_no_derivative_in_an_argument() -> None:
    weighted = bp.custom_rule(vjp=lambda g, out, x, w: (g * w, None))(lambda x, w: x * w)
    assert bp.grad(weighted, argnums=(0, 1))(2.0, 3.0) == (3.0, 0.0)


def test_a_custom_rule_is_masked() -> None:
    root = bp.custom_rule(vjp=lambda g, out, x: g * 0.5 / out)(np.sqrt)
    np.testing.assert_array_equal(
        bp.grad(lambda x: np.sum(np.where(x > 0, root(x), 0.0)))(np.array([0.0, 4.0])), [0, 0.25]
    )


def test_wrong_custom_rules_are_refused() -> None:
    short = bp.custom_rule(vjp=lambda g, out, x, y: (g,))(lambda x, y: x * y)
    with pytest.raises(TracingError, match="returned 1 cotangents for 2 arguments"):
        bp.grad(short)(1.0, 2.0)
    with pytest.raises(TracingError, match="not nested structures"):
        bp.grad(lambda x: product([x], 1.0))(1.0)


def test_stop_gradient() -> None:
    assert bp.grad(lambda x: x * bp.stop_gradient(x))(3.0) == 3.0
    assert bp.jvp(lambda x: x * bp.stop_gradient(x), (3.0,), (1.0,))[1] == 3.0
    assert bp.grad(bp.grad(lambda x: x**2 * bp.stop_gradient(x)))(3.0) == 6.0
    assert bp.stop_gradient(3.0) == 3.0


def test_check_agrees_and_finds_out() -> None:
    x = {"w": np.array([[0.5, 2.0]]), "b": 0.3}
    good = bp.check(lambda t: np.sum(np.exp(t["w"]) * t["b"] ** 2), x)
    assert good
    assert "3 of 3 partial derivatives agree" in str(good)
    wrong = bp.custom_rule(vjp=lambda g, out, x: g * 3 * x)(lambda x: x * x)
    bad = bp.check(lambda t: np.sum(wrong(t["w"])) + t["b"], x)
    assert not bad
    assert "∂L/∂t.w[0, 1]" in str(bad)
    assert "WRONG" in str(bad)
    assert len(bad.wrong) == 2
