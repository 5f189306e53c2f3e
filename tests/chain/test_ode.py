"""Solutions of differential equations and their derivatives, by the adjoint and through the steps."""

from typing import Any

import numpy as np
import pytest

import backpass as bp
from backpass.graph.errors import ShapeError
from backpass.partials.control import LoopError

T = np.array([0.0, 0.7, 1.5])
Y = np.array([1.0, 0.5])
WAYS = {
    "dopri5": {},
    "dopri5 steps": {"adjoint": False},
    "rk4": {"method": "rk4", "steps": 40},
    "rk4 steps": {"method": "rk4", "steps": 40, "adjoint": False},
}


def van_der_pol(y: Any, t: Any, mu: Any) -> Any:
    return np.stack([y[1], mu * (1 - y[0] ** 2) * y[1] - y[0] + 0.1 * np.sin(t)])


def loss(mu: Any, y: Any, t: Any, **way: Any) -> Any:
    return np.sum(bp.odeint(van_der_pol, y, t, mu, **way)[1:] ** 2)


@pytest.mark.parametrize("way", WAYS)
def test_values_are_scipys(way: str) -> None:
    integrate = pytest.importorskip("scipy.integrate")
    wanted = integrate.solve_ivp(lambda t, y: van_der_pol(y, t, 0.8), (0, 1.5), Y, t_eval=T, rtol=1e-12, atol=1e-12).y.T
    np.testing.assert_allclose(bp.odeint(van_der_pol, Y, T, 0.8, **WAYS[way]), wanted, rtol=1e-7)
    back = bp.odeint(van_der_pol, wanted[-1], T[::-1].copy(), 0.8, **WAYS[way])
    np.testing.assert_allclose(back[-1], Y, rtol=1e-6)


@pytest.mark.parametrize("way", [pytest.param(w, marks=pytest.mark.slow if "rk4" in w else ()) for w in WAYS])
def test_derivatives_in_both_modes(way: str) -> None:
    options = WAYS[way]
    f = lambda *args: loss(*args, **options)  # noqa: E731
    found = bp.grad(f, (0, 1, 2))(0.8, Y, T)
    step = 1e-4
    for k, argument in enumerate((0.8, Y, T)):
        fast = bp.compile(f)
        for index in np.ndindex(*np.shape(argument)):
            unit = np.zeros(np.shape(argument))
            unit[index] = step
            args: list[Any] = [0.8, Y, T]
            shifted = lambda s: fast(*args[:k], args[k] + s * unit, *args[k + 1 :])  # noqa: B023, E731
            wanted = (8 * (shifted(1) - shifted(-1)) - (shifted(2) - shifted(-2))) / (12 * step)
            np.testing.assert_allclose(np.asarray(found[k])[index], wanted, rtol=2e-6, atol=1e-8)
    tangents = (0.3, np.array([1.0, -1.0]), np.array([0.5, 1.0, -2.0]))
    total = sum(np.sum(a * b) for a, b in zip(found, tangents, strict=True))
    np.testing.assert_allclose(bp.jvp(f, (0.8, Y, T), tangents)[1], total, rtol=1e-7)
    np.testing.assert_allclose(bp.compile(bp.grad(f))(0.8, Y, T), found[0], rtol=1e-12)
    second = bp.grad(bp.grad(f))(0.8, Y, T)
    np.testing.assert_allclose(second, bp.jvp(bp.grad(lambda m: f(m, Y, T)), (0.8,), (1.0,))[1], rtol=1e-6)


def test_trees_closures_and_batches() -> None:
    """x' = −k x, q' = x: both known in closed form."""

    def end(k: Any, x: Any) -> Any:
        field = lambda s, t: {"x": -k * s["x"], "q": s["x"]}  # noqa: E731
        return bp.odeint(field, {"x": x, "q": 0.0}, np.array([0.0, 2.0]))["q"][-1]

    exact = lambda k, x: x * (1 - np.exp(-2 * k)) / k  # noqa: E731
    np.testing.assert_allclose(end(0.5, 3.0), exact(0.5, 3.0), rtol=1e-8)
    wanted = bp.grad(exact, (0, 1))(0.5, 3.0)
    np.testing.assert_allclose(bp.grad(end, (0, 1))(0.5, 3.0), wanted, rtol=1e-7)
    k = np.array([0.5, 1.0, 2.0])
    found = bp.vmap(bp.grad(end), (0, None))(k, 3.0)
    np.testing.assert_allclose(found, [bp.grad(exact)(v, 3.0) for v in k], rtol=1e-7)


def test_refusals() -> None:
    with pytest.raises(ValueError, match="dopri5"):
        bp.odeint(van_der_pol, Y, T, 0.8, method="euler")
    with pytest.raises(ShapeError, match="line of times"):
        bp.odeint(van_der_pol, Y, 1.0, 0.8)
    with pytest.raises(ShapeError, match="y's structure"):
        bp.odeint(lambda y, t: y[0], Y, T)
    with pytest.raises(LoopError, match="max_steps=3"):
        bp.odeint(van_der_pol, Y, T, 0.8, max_steps=3)
