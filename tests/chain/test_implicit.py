"""Implicit derivatives against those of the solver's own steps and of closed forms."""

from typing import Any

import numpy as np
import pytest

import backpass as bp
from backpass.graph.errors import ShapeError

A = np.array([[0.3, 0.1, 0.0], [0.1, 0.2, 0.1], [-0.1, 0.1, 0.3]])
B = np.array([0.1, 0.2, -0.3])
V = np.array([1.0, -0.5, 2.0])


def unrolled(a: Any, b: Any) -> Any:
    x: Any = np.zeros(3)
    for _ in range(150):
        x = np.tanh(a @ x + b)
    return x


def fixed_point(solve: str) -> Any:
    @bp.implicit(fixed_point=lambda x, a, b: np.tanh(a @ x + b), solve=solve)
    def solver(a: Any, b: Any) -> Any:
        return bp.fori_loop(0, 150, lambda i, x: np.tanh(a @ x + b), np.zeros(3))

    return solver


@pytest.mark.parametrize("solve", ["dense", "free"])
def test_fixed_points_of_any_order_in_both_modes(solve: str) -> None:
    loss = lambda f: lambda a, b: np.sum(f(a, b) ** 3 * V)  # noqa: E731
    mine, theirs = loss(fixed_point(solve)), loss(unrolled)
    both = (0, 1)
    close = lambda x, y: [np.testing.assert_allclose(p, q, rtol=1e-9, atol=1e-12) for p, q in zip(x, y, strict=True)]  # noqa: E731
    wanted = bp.grad(theirs, both)(A, B)
    close(bp.grad(mine, both)(A, B), wanted)
    close(bp.compile(bp.grad(mine, both))(A, B), wanted)
    np.testing.assert_allclose(bp.jvp(mine, (A, B), (A, V))[1], np.sum(wanted[0] * A) + wanted[1] @ V, rtol=1e-10)
    direction = lambda f: bp.jvp(lambda b: bp.grad(f, both)(A, b), (B,), (V,))[1]  # noqa: E731
    close(direction(mine), direction(theirs))
    close([bp.vjp(lambda b: bp.grad(mine, 1)(A, b), B)[1](V)[0]], [direction(theirs)[1]])
    rows = bp.vmap(bp.grad(mine, 1), (None, 0))(A, np.stack([B, -B]))
    close(rows, [bp.grad(theirs, 1)(A, B), bp.grad(theirs, 1)(A, -B)])


def test_any_solver_finds_the_minimum() -> None:
    """Ridge regression by SciPy's minimiser: the derivative by the penalty is known in closed form."""
    scipy_optimize = pytest.importorskip("scipy.optimize")
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(8, 3)), rng.normal(size=8)
    objective = lambda w, penalty: np.sum((x @ w["w"] - y) ** 2) + penalty * np.sum(w["w"] ** 2)  # noqa: E731

    @bp.implicit(minimum=objective)
    def ridge(penalty: float) -> Any:
        found = scipy_optimize.minimize(
            lambda w: objective({"w": w}, penalty),
            np.zeros(3),
            jac=lambda w: bp.grad(objective)({"w": w}, penalty)["w"],
        )
        return {"w": np.linalg.solve(x.T @ x + penalty * np.eye(3), x.T @ y) if not found.success else found.x}

    exact = lambda p: np.linalg.solve(x.T @ x + p * np.eye(3), x.T @ y)  # noqa: E731
    g = bp.jacobian(lambda p: ridge(p)["w"])(0.7)
    np.testing.assert_allclose(g, bp.jacobian(exact)(0.7), rtol=1e-5)


def test_roots_and_what_the_equation_reads_from_outside() -> None:
    def loss(a: Any, c: Any) -> Any:
        @bp.implicit(root=lambda x, a: x**3 - a * c)
        def cube_root(a: Any) -> Any:
            return np.cbrt(a * c)

        return cube_root(a) ** 2

    wanted = bp.grad(lambda a, c: (a * c) ** (2 / 3), (0, 1))(2.0, 3.0)
    np.testing.assert_allclose(bp.grad(loss, (0, 1))(2.0, 3.0), wanted, rtol=1e-13)
    third = bp.grad(bp.grad(bp.grad(loss)))(2.0, 3.0)
    np.testing.assert_allclose(third, bp.grad(bp.grad(bp.grad(lambda a: (3 * a) ** (2 / 3))))(2.0), rtol=1e-11)
    graph = bp.trace(bp.grad(loss, (0, 1)), 2.0, 3.0)
    assert bp.Graph.from_json(graph.to_json()) == graph
    np.testing.assert_allclose(graph(2.0, 3.0), wanted, rtol=1e-13)


def test_the_matrix_free_solution_forms_no_matrix() -> None:
    n = 3000

    @bp.implicit(root=lambda x, b: 3 * x - 0.5 * np.roll(x, 1) + 0.1 * np.sin(x) - b)
    def solver(b: Any) -> Any:
        x = b / 3
        for _ in range(60):
            x = (b + 0.5 * np.roll(x, 1) - 0.1 * np.sin(x)) / 3
        return x

    b = np.linspace(-1.0, 1.0, n)
    g = bp.grad(lambda b: np.sum(solver(b) ** 2))(b)
    v = np.cos(np.arange(n))
    step = 1e-5
    wanted = (np.sum(solver(b + step * v) ** 2) - np.sum(solver(b - step * v) ** 2)) / (2 * step)
    np.testing.assert_allclose(g @ v, wanted, rtol=1e-7)


def test_refusals() -> None:
    with pytest.raises(TypeError, match="exactly one"):
        bp.implicit(root=np.sin, minimum=np.sum)
    with pytest.raises(ValueError, match="'dense'"):
        bp.implicit(root=np.sin, solve="lu")
    wrong = bp.implicit(root=lambda x, a: np.stack([x, a]))(lambda a: a)
    with pytest.raises(ShapeError, match="one entry for each unknown"):
        bp.grad(wrong)(1.0)
    whole = bp.implicit(root=lambda x, a: x - a)(lambda a: 3)
    with pytest.raises(ShapeError, match="floating"):
        bp.grad(whole)(1.0)
