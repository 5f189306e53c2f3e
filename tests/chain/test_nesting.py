"""Derivatives of derivatives in every order, and the programs that confuse one perturbation with another."""

import itertools
from typing import Any

import numpy as np
import pytest

import backpass as bp

X = np.array([0.3, -0.7, 1.1])


def along(function: Any, v: Any) -> Any:
    """The directional derivative as a function of its own."""
    return lambda x: bp.jvp(function, (x,), (v,))[1]


# ---- scalars: every mix of modes agrees with calculus
def by_reverse(f: Any) -> Any:
    return bp.grad(f)


def by_forward(f: Any) -> Any:
    return along(f, 1.0)


def by_jacobian(f: Any) -> Any:
    return bp.jacobian(f)


def by_pullback(f: Any) -> Any:
    return lambda x: bp.vjp(f, x)[1](1.0)[0]


@pytest.mark.parametrize("modes", list(itertools.product((by_reverse, by_forward, by_jacobian, by_pullback), repeat=3)))
def test_third_derivative_in_all_mixtures(modes: Any) -> None:
    derivative = lambda x: x**4 * np.sin(x)  # noqa: E731
    for mode in modes:
        derivative = mode(derivative)
    x = 0.8
    wanted = (24 * x - 12 * x**3) * np.sin(x) + (36 * x**2 - x**4) * np.cos(x)
    np.testing.assert_allclose(derivative(x), wanted, rtol=1e-13)


def test_tenth_derivative() -> None:
    derivative = np.exp
    for _ in range(6):
        derivative = bp.grad(derivative)
    np.testing.assert_allclose(derivative(0.5), np.exp(0.5), rtol=1e-14)


# ---- arrays
def f(x: Any) -> Any:
    return np.sum(np.sin(x) * np.roll(x, 1) ** 2) * x[0]


def hessian_by_hand() -> np.ndarray:
    n = len(X)
    found = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            unit = np.eye(n)
            h = 1e-4
            found[i, j] = sum(s * t * f(X + h * (s * unit[i] + t * unit[j])) for s in (1, -1) for t in (1, -1)) / (
                4 * h * h
            )
    return found


def test_hessian_in_all_mixtures() -> None:
    wanted = bp.hessian(f)(X)
    np.testing.assert_allclose(wanted, hessian_by_hand(), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(wanted, wanted.T, rtol=1e-14)
    for outer, inner in itertools.product(("forward", "reverse"), repeat=2):
        np.testing.assert_allclose(bp.jacobian(bp.jacobian(f, mode=inner), mode=outer)(X), wanted, rtol=1e-13)
    np.testing.assert_allclose(bp.jacobian(bp.grad(f))(X), wanted, rtol=1e-13)


def test_hessian_vector_products_agree() -> None:
    v = np.array([1.0, 2.0, -0.5])
    wanted = bp.hessian(f)(X) @ v
    np.testing.assert_allclose(bp.hvp(f, (X,), v), wanted, rtol=1e-13)
    np.testing.assert_allclose(bp.grad(along(f, v))(X), wanted, rtol=1e-13)  # reverse over forward
    np.testing.assert_allclose(bp.grad(lambda x: np.sum(bp.grad(f)(x) * v))(X), wanted, rtol=1e-13)
    np.testing.assert_allclose(along(bp.grad(f), v)(X), wanted, rtol=1e-13)
    np.testing.assert_allclose(bp.vjp(bp.grad(f), X)[1](v)[0], wanted, rtol=1e-13)


def test_gradient_of_a_jacobian_and_of_a_hessian() -> None:
    g = lambda x: np.sin(x) * x[::-1]  # noqa: E731
    wanted = bp.grad(lambda x: np.sum(np.stack([np.cos(x) * x[::-1], np.sin(x)]) ** 2))(X)
    found = bp.grad(lambda x: np.sum(bp.jacobian(g)(x) ** 2))(X)
    jacobian = lambda x: np.diag(np.cos(x) * x[::-1]) + np.diag(np.sin(x)) @ np.eye(3)[::-1]  # noqa: E731
    wanted = bp.grad(lambda x: np.sum(jacobian(x) ** 2))(X)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    trace = bp.grad(lambda x: np.trace(bp.hessian(lambda y: np.sum(y**4))(x)))(X)
    np.testing.assert_allclose(trace, 24 * X, rtol=1e-13)


# ---- perturbation confusion
def test_siskind_and_pearlmutter() -> None:
    """d/dx (x · d/dy (x + y)) is 1 everywhere; a system that confuses dx and dy says 2 (Siskind & Pearlmutter 2005)."""
    for outer, inner in itertools.product((by_reverse, by_forward, by_jacobian), repeat=2):
        assert outer(lambda x, inner=inner: x * inner(lambda y: x + y)(1.0))(1.0) == 1.0
        assert outer(lambda x, inner=inner: x * inner(lambda y: x * y)(2.0))(3.0) == 6.0


def test_the_same_value_inside_and_outside() -> None:
    assert bp.grad(lambda x: bp.grad(lambda y: x * y)(x))(3.0) == 1.0
    assert bp.grad(lambda x: bp.grad(lambda y: y * y)(x) * x)(3.0) == 12.0
    assert along(lambda x: along(lambda y: x * y, 1.0)(x), 1.0)(3.0) == 1.0
    assert bp.grad(lambda x: along(lambda y: x**2 * y**3, 1.0)(x))(2.0) == 12 * 2.0**3


def test_a_function_that_gives_back_functions() -> None:
    """Manzyuk et al. 2012: the derivative of a function of functions must not mix its calls up."""
    shift = lambda x: lambda g: lambda y: g(x + y)  # noqa: E731
    twice = bp.grad(lambda x: bp.grad(shift(x)(np.sin))(1.0))(0.5)
    np.testing.assert_allclose(twice, -np.sin(1.5), rtol=1e-14)
    once_more = lambda h: lambda y: bp.grad(lambda x: shift(x)(h)(y))(0.0)  # noqa: E731
    np.testing.assert_allclose(once_more(once_more(np.exp))(1.0), np.e, rtol=1e-14)


def test_outer_values_in_closures() -> None:
    def outer(a: Any) -> Any:
        inner = bp.grad(lambda b: np.sum(a**2 * b**3))(a)
        return np.sum(inner)

    np.testing.assert_allclose(bp.grad(outer)(X), 12 * X**3, rtol=1e-13)

    def unused(a: Any) -> Any:
        return bp.grad(lambda b: b**2)(3.0) * a

    assert bp.grad(unused)(2.0) == 6.0

    def inner_constant(a: Any) -> Any:
        return bp.grad(lambda b: a**2)(a) + a  # constant in b

    assert bp.grad(inner_constant)(2.0) == 1.0


def test_gradient_in_a_loop() -> None:
    """Gradient descent, differentiated with respect to its step width and its start."""
    target = np.array([1.0, -2.0])

    def after_descent(rate: Any, start: Any) -> Any:
        x = start
        for _ in range(5):
            x = x - rate * bp.grad(lambda y: np.sum((y - target) ** 2))(x)
        return np.sum((x - target) ** 2)

    start, rate = np.array([0.5, 0.5]), 0.1
    shrink = (1 - 2 * rate) ** 10
    distance = float(np.sum((start - target) ** 2))
    np.testing.assert_allclose(after_descent(rate, start), shrink * distance, rtol=1e-13)
    slope, back = bp.grad(after_descent, argnums=(0, 1))(rate, start)
    np.testing.assert_allclose(slope, -20 * (1 - 2 * rate) ** 9 * distance, rtol=1e-12)
    np.testing.assert_allclose(back, 2 * shrink * (start - target), rtol=1e-12)


def test_newtons_method_inside() -> None:
    """The derivative of a root found by Newton's method, whose steps use derivatives."""

    def root(a: Any) -> Any:
        x = 1.5
        for _ in range(20):
            value, slope = bp.value_and_grad(lambda y: y**3 - a)(x)
            x = x - value / slope
        return x

    np.testing.assert_allclose(bp.grad(root)(2.0), 2.0 ** (-2 / 3) / 3, rtol=1e-12)
    np.testing.assert_allclose(bp.grad(bp.grad(root))(2.0), -2 / 9 * 2.0 ** (-5 / 3), rtol=1e-11)


def test_several_calls_in_one_function() -> None:
    def both(x: Any) -> Any:
        a, pull = bp.vjp(np.sin, x)
        b, c = bp.jvp(np.exp, (x,), (a,))
        return np.sum(pull(b)[0] * c)

    # cos(x) e^x · e^x sin(x) = ½ e^{2x} sin 2x
    np.testing.assert_allclose(bp.grad(both)(X), np.exp(2 * X) * (np.sin(2 * X) + np.cos(2 * X)), rtol=1e-13)


def test_a_pullback_may_be_called_again() -> None:
    value, pull = bp.vjp(lambda x: np.outer(x, x), X)
    one, two = pull(np.ones((3, 3)))[0], pull(np.eye(3))[0]
    np.testing.assert_array_equal(one, np.full(3, 2 * X.sum()))
    np.testing.assert_array_equal(two, 2 * X)
    np.testing.assert_array_equal(pull(np.ones((3, 3)))[0], one)
    assert value.shape == (3, 3)


def test_staged_and_eager_nest_in_each_other() -> None:
    fast = bp.compile(bp.grad(f))
    np.testing.assert_allclose(fast(X), bp.grad(f)(X), rtol=1e-14)
    np.testing.assert_allclose(bp.jacobian(fast)(X), bp.hessian(f)(X), rtol=1e-13)
    np.testing.assert_allclose(bp.compile(bp.hessian(f))(X), bp.hessian(f)(X), rtol=1e-13)
    np.testing.assert_allclose(bp.compile(lambda x: bp.hvp(f, (x,), x))(X), bp.hessian(f)(X) @ X, rtol=1e-13)
    graph = bp.trace(bp.grad(lambda x: np.sum(bp.jacobian(np.sin)(x) ** 2)), X)
    np.testing.assert_allclose(graph(X), -np.sin(2 * X), rtol=1e-13)
