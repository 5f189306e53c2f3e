"""Complex numbers and Fourier transforms: NumPy's values, and derivatives as those of pairs of real numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import backpass as bp
from backpass.graph.errors import DtypeError
from backpass.graph.pytree import flatten

from .complex_rows import ROWS, Row, hermitian, matrix
from .references import close, differences
from .test_families import leaves, same

FIRST, SECOND = 1e-8, 1e-7
PARAMS = [pytest.param(row, id=f"{i}-{row.name}", marks=[pytest.mark.slow][: row.slow]) for i, row in enumerate(ROWS)]


def parts(result: Any) -> list[Any]:
    """All floating leaves, zeros held away from: LAPACK's ranks and empty residuals have no derivative."""
    found = flatten(tuple(result) if isinstance(result, (list, tuple)) else result)[0]
    return [part for part in found if part.dtype.kind in "fc" and np.size(part)]


def joined(result: Any) -> Any:
    return np.concatenate([np.ravel(part) + 0j for part in leaves(result)])


def loss_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """A real scalar of all results, of real and imaginary parts alike."""

    def loss(*args: Any) -> Any:
        total = 0.0
        for k, part in enumerate(parts(function(*args))):
            weights = np.linspace(0.5, 1.5, part.size).reshape(part.shape)
            total = total + np.sum(np.sin(0.5 * np.real(part) + k) * weights)
            total = total + np.sum(np.cos(0.4 * np.imag(part) + k) * weights)
        return total

    return loss


def like(x: Any, rng: np.random.Generator) -> Any:
    made = rng.uniform(-1.0, 1.0, np.shape(x))
    return (made + 1j * rng.uniform(-1.0, 1.0, np.shape(x)))[()] if np.iscomplexobj(x) else made[()]


@pytest.mark.parametrize("row", PARAMS)
def test_values_are_numpys(row: Row) -> None:
    wanted = row.function(*row.args)
    same(bp.vjp(row.function, *row.args)[0], wanted, row.ulp)
    if row.staged:
        graph = bp.trace(row.function, *row.args)
        same(graph(*row.args), wanted, row.ulp)


@pytest.mark.parametrize("row", [param for param in PARAMS if param.values[0].smooth])
def test_derivatives(row: Row) -> None:
    rng = np.random.default_rng(1)
    loss = loss_of(row.function)
    directions = tuple(like(x, rng) for x in row.args)
    moved = lambda t: [x + t * d for x, d in zip(row.args, directions, strict=True)]  # noqa: E731
    slope = differences(lambda t: loss(*moved(t)), (np.float64(0),), 0, step=1e-3)
    found = bp.jvp(loss, row.args, directions)[1]
    close(found, slope, FIRST, "forward")
    gradient = bp.grad(loss, argnums=tuple(range(len(row.args))))
    back = gradient(*row.args)
    for g, x in zip(back, row.args, strict=True):
        assert np.asarray(g).dtype == np.asarray(x).dtype
        assert np.shape(g) == np.shape(x)
    total = sum(float(np.real(np.sum(np.conj(g) * d))) for g, d in zip(back, directions, strict=True))
    close(total, found, 1e-9, "reverse: L changes by Re(conj(g) dz)")
    curved = differences(lambda t: joined(gradient(*moved(t))), (np.float64(0),), 0, step=1e-3)
    close(joined(bp.jvp(gradient, row.args, directions)[1]), curved, SECOND, "second order")
    if row.staged:
        for g, wanted in zip(leaves(bp.trace(gradient, *row.args)(*row.args)), leaves(back), strict=True):
            close(g, wanted, 1e-12, "as a graph")


def test_descent_goes_downhill() -> None:
    z = np.array([1.0 + 2.0j, -0.5j])

    def loss(z):
        return np.sum(np.abs(z * z - (1 + 1j)) ** 2)

    g = bp.grad(loss)(z)
    assert loss(z - 1e-3 * g) < loss(z)
    h = 1e-6
    wanted = [(loss(z + h * e) - loss(z - h * e)) / (2 * h) for e in np.eye(2)]
    turned = [(loss(z + 1j * h * e) - loss(z - 1j * h * e)) / (2 * h) for e in np.eye(2)]
    close(g, np.array(wanted) + 1j * np.array(turned), 1e-7)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_a_holomorphic_function_has_a_complex_derivative(mode: str) -> None:
    z = np.array([1.0 + 2.0j, -0.5j, 0.3])
    found = bp.jacobian(lambda z: np.exp(z) * z, mode=mode)(z)
    close(found, np.diag(np.exp(z) * (z + 1)), 1e-14)
    close(bp.jvp(np.exp, (1 + 1j,), (1.0,))[1], np.exp(1 + 1j), 1e-15)
    close(bp.vjp(np.exp, 1 + 1j)[1](1.0)[0], np.conj(np.exp(1 + 1j)), 1e-15)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("function", [np.conj, lambda z: z * np.conj(z), lambda z: z + 1j * np.imag(z)])
def test_what_is_not_holomorphic_has_none(mode: str, function: Any) -> None:
    with pytest.raises(DtypeError, match="not holomorphic"):
        bp.jacobian(function, mode=mode)(np.array([1.0 + 2.0j]))


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_real_and_complex_sides_of_a_jacobian(mode: str) -> None:
    x = np.array([0.3, 1.2])
    close(bp.jacobian(lambda x: np.exp(1j * x), mode=mode)(x), np.diag(1j * np.exp(1j * x)), 1e-14)
    z = np.array([0.3 + 1j, 1.2])
    close(bp.jacobian(lambda z: np.abs(z) ** 2, mode=mode)(z), np.diag(2 * z), 1e-14)


def test_a_complex_loss_is_refused() -> None:
    with pytest.raises(DtypeError, match=r"np\.real or np\.abs") as caught:
        bp.grad(lambda z: z * z)(1 + 1j)
    assert "bp.jacobian" in str(caught.value)


def test_a_complex_cotangent_of_a_real_result_is_refused() -> None:
    _, pullback = bp.vjp(np.abs, np.array([1 + 1j]))
    with pytest.raises(DtypeError, match="cotangent is complex"):
        pullback(np.array([1j]))


def test_abs_and_sign_at_zero() -> None:
    assert bp.grad(np.abs)(0j) == 0
    assert bp.grad(lambda z: np.real(np.sign(z)))(0j) == 0


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 3, 3)])
def test_singular_vectors_apart_from_their_phase(shape: tuple[int, ...]) -> None:
    """U f(σ) Vᴴ is smooth; the phases of U and V alone are LAPACK's choice."""
    a = matrix(*shape)

    def polar(a):
        u, s, vh = np.linalg.svd(a, full_matrices=False)
        return np.matmul(u * np.expand_dims(np.sin(s), -2), vh)

    _check(loss_of(polar), a)


@pytest.mark.parametrize("shape", [(3, 3), (2, 3, 3)])
def test_eigenvectors_apart_from_their_phase(shape: tuple[int, ...]) -> None:
    a = matrix(*shape)

    def part(a):
        w, v = np.linalg.eigh(hermitian(a))
        return np.matmul(v * np.expand_dims(np.exp(0.3 * w), -2), np.conj(np.swapaxes(v, -1, -2)))

    _check(loss_of(part), a)


def test_eigenvalues_of_a_hermitian_matrix_that_are_equal() -> None:
    q = np.linalg.qr(matrix(3, 3))[0]
    a = q @ np.diag([1.0, 1.0, 3.0]) @ np.conj(q.T)
    found = bp.grad(lambda a: np.sum(np.linalg.eigvalsh(hermitian(a)) ** 3))(a)
    close(found, 3 * a @ a, 1e-12)


def _check(loss: Callable[[Any], Any], a: np.ndarray) -> None:
    rng = np.random.default_rng(2)
    d = like(a, rng)
    slope = differences(lambda t: loss(a + t * d), (np.float64(0),), 0, step=1e-3)
    close(bp.jvp(loss, (a,), (d,))[1], slope, FIRST)
    close(np.real(np.sum(np.conj(bp.grad(loss)(a)) * d)), slope, FIRST)
    curved = differences(lambda t: bp.grad(loss)(a + t * d), (np.float64(0),), 0, step=1e-3)
    close(bp.jvp(bp.grad(loss), (a,), (d,))[1], curved, SECOND)
