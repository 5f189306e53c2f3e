"""What the derivatives of eigenvectors, singular vectors and least squares keep where these are a choice."""

import functools

import numpy as np
import pytest

import backpass as bp

from .references import close, differences

RNG = np.random.default_rng(0)


def orthogonal(n: int) -> np.ndarray:
    return np.linalg.qr(RNG.standard_normal((n, n)))[0]


def with_spectrum(*values: float) -> np.ndarray:
    q = orthogonal(len(values))
    return q @ np.diag(values) @ q.T


def sym(x):
    return 0.5 * (x + x.T)


@pytest.mark.parametrize("values", [(1.0, 1.0, 3.0), (2.0, 2.0, 2.0), (0.0, 0.0, 1.0)])
def test_a_function_that_treats_equal_eigenvalues_alike(values) -> None:
    """Σ f(λ) = tr f(A), to first and second order along the eigenvectors: here Σ λ³ = tr A³."""
    a = with_spectrum(*values)

    def loss(x):
        return np.sum(np.linalg.eigvalsh(sym(x)) ** 3)

    def by_product(x):
        return np.trace(sym(x) @ sym(x) @ sym(x))

    close(bp.grad(loss)(a), bp.grad(by_product)(a), 1e-12)
    close(bp.grad(lambda x: np.sum(np.linalg.eigh(sym(x))[0] ** 3))(a), bp.grad(by_product)(a), 1e-12)


def along(function, directions):
    """The derivative along each direction in turn."""
    step = lambda f, d: lambda x: np.sum(bp.grad(f)(x) * d)  # noqa: E731
    return functools.reduce(step, directions, function)


def forward_along(function, directions):
    step = lambda f, d: lambda x: bp.jvp(f, (x,), (d,))[1]  # noqa: E731
    return functools.reduce(step, directions, function)


HALVES = np.eye(4) - 0.5 * np.ones((4, 4))
"""Orthogonal and symmetric, and exact: what it is put around keeps equal eigenvalues equal."""


@pytest.mark.parametrize(
    "values", [(1.0, 1.0, 3.0, 5.0), (2.0, 2.0, 2.0, 2.0), (0.0, 0.0, 1.0, 1.0), (1.0, 2.0, 4.0, 7.0)]
)
@pytest.mark.parametrize(
    "spectrum", [lambda x: np.linalg.eigvalsh(sym(x)), lambda x: np.linalg.eigh(sym(x))[0]], ids=["eigvalsh", "eigh"]
)
def test_traces_of_functions_of_a_matrix_along_every_direction(values, spectrum) -> None:
    """Σ λ³ = tr A³ and Σ λ⁴ − (Σ λ²)² = tr A⁴ − (tr A²)²: Hessians right also where eigenvalues are equal."""
    a = HALVES @ np.diag(values) @ HALVES
    distinct = len(set(values)) == 4
    directions = [sym(RNG.standard_normal((4, 4))) for _ in range(3)]

    def loss(x):
        w = spectrum(x)
        return np.sum(w**3) + np.sum(w**4) - np.sum(w**2) ** 2

    def by_products(x):
        square = sym(x) @ sym(x)
        return np.trace(square @ sym(x)) + np.trace(square @ square) - np.trace(square) ** 2

    hessian = bp.hessian(by_products)(a)
    close(bp.hessian(loss)(a), hessian, 1e-12)
    close(bp.jacobian(bp.grad(loss), mode="reverse")(a), hessian, 1e-12)
    close(bp.compile(bp.hessian(loss))(a), hessian, 1e-12)
    third, wanted = along(loss, directions)(a), along(by_products, directions)(a)
    if distinct:
        close(third, wanted, 1e-10)
        close(forward_along(loss, directions)(a), wanted, 1e-10)
    else:  # never another number
        assert np.isnan(third)
        assert np.isnan(forward_along(loss, directions[:2])(a))


def test_a_single_one_of_equal_eigenvalues_has_no_second_derivative() -> None:
    a = HALVES @ np.diag([1.0, 1.0, 1.0, 3.0]) @ HALVES
    assert np.isnan(bp.hessian(lambda x: np.linalg.eigvalsh(sym(x))[0] ** 2)(a)).any()
    single = lambda x: np.linalg.eigvalsh(sym(x))[3] ** 2  # noqa: E731
    close(bp.hessian(single)(a), differences(bp.grad(single), (a,), 0), 1e-7)
    whole = lambda x: np.sum(np.linalg.eigvalsh(sym(x))) ** 2  # noqa: E731
    close(bp.hessian(whole)(a), bp.hessian(lambda x: np.trace(x) ** 2)(a), 1e-12)


def test_singular_values_that_are_equal() -> None:
    columns = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 2)))[0]  # equal but for rounding
    for a in (np.eye(3), np.diag([2.0, 2.0, 3.0, 5.0]) @ HALVES, 1.5 * columns):
        hessian = bp.hessian(lambda x: np.trace(x.T @ x @ x.T @ x))(a)
        close(bp.hessian(lambda x: np.sum(np.linalg.svd(x, compute_uv=False) ** 4))(a), hessian, 1e-12)
        close(bp.hessian(lambda x: np.sum(np.linalg.svd(x)[1] ** 4))(a), hessian, 1e-12)
        nuclear = lambda x: np.linalg.norm(x, "nuc")  # noqa: E731
        close(bp.hessian(nuclear)(a), differences(bp.grad(nuclear), (a,), 0), 1e-7)


@pytest.mark.parametrize("shape", [(3, 3), (4, 3), (3, 4)])
@pytest.mark.parametrize("values", [(2.0, 1.0, 0.0), (2.0, 0.0, 0.0), (2.0, 2.0, 0.0), (0.0, 0.0, 0.0)])
def test_even_functions_of_singular_values_that_vanish(values, shape: tuple[int, int]) -> None:
    """Σ log(1 + σ²) is log det(1 + AᵀA), which is smooth where the values are not."""
    rng = np.random.default_rng(1)
    q, r = (np.linalg.qr(rng.standard_normal((n, n)))[0] for n in shape)
    a = q[:, :3] * values @ r[:3]
    whole = lambda x: np.linalg.slogdet(np.eye(shape[1]) + x.T @ x)[1]  # noqa: E731
    for values_of in (
        lambda x: np.linalg.svd(x, compute_uv=False),
        lambda x: np.linalg.svd(x)[1],
        lambda x: np.linalg.svd(x, full_matrices=False)[1],
    ):
        loss = lambda x, values_of=values_of: np.sum(np.log1p(values_of(x) ** 2))  # noqa: E731
        close(bp.grad(loss)(a), bp.grad(whole)(a), 1e-12)
        wanted = bp.hessian(whole)(a)
        close(bp.hessian(loss)(a), wanted, 1e-12)
        close(bp.compile(bp.hessian(loss))(a), wanted, 1e-12)
        step = rng.standard_normal(shape)
        back = bp.grad(lambda x, loss=loss, step=step: np.sum(bp.grad(loss)(x) * step))(a)
        close(back, np.tensordot(wanted, step, 2), 1e-12)


@pytest.mark.parametrize("values", [(1.0, 1.0, 3.0), (0.0, 0.0, 1.0)])
def test_the_projector_onto_a_whole_space_of_equal_eigenvalues(values) -> None:
    """It is smooth in A, though the vectors that span the space are not."""
    a = with_spectrum(*values)

    def loss(x):
        v = np.linalg.eigh(sym(x))[1][:, :2]
        return np.sum(np.sin(v @ v.T) * np.arange(9.0).reshape(3, 3))

    wanted = differences(loss, (a,), 0)
    close(bp.grad(loss)(a), wanted, 1e-8)
    close(bp.jacobian(loss, mode="forward")(a), wanted, 1e-8)


def test_the_sum_of_equal_eigenvalues() -> None:
    a = with_spectrum(2.0, 2.0, 5.0)
    g = bp.grad(lambda x: np.sum(np.linalg.eigvalsh(sym(x))[:2]))(a)
    v = np.linalg.eigh(a)[1][:, :2]
    close(g, v @ v.T, 1e-12)


def test_eigenvectors_do_not_turn_within_equal_eigenvalues() -> None:
    _, (_, dv) = bp.jvp(lambda x: tuple(np.linalg.eigh(x)), (np.eye(3),), (sym(RNG.standard_normal((3, 3))),))
    assert np.array_equal(dv, np.zeros((3, 3)))


SINGULAR = {
    "the polar factor": (lambda u, vt: u @ vt, (2.0, 2.0, 1.0)),
    "of equal values": (lambda u, vt: np.conj(vt[:2].T) @ vt[:2], (2.0, 2.0, 1.0)),
    "of the rank": (lambda u, vt: np.conj(vt[:2].T) @ vt[:2], (2.0, 1.0, 0.0, 0.0)),
    "of the rank, one less": (lambda u, vt: u[:, :2] @ np.conj(u[:, :2].T), (2.0, 1.0, 0.0)),
}


@pytest.mark.parametrize("imaginary", [0.0, 1j])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5)])
@pytest.mark.parametrize("name", SINGULAR)
def test_second_derivatives_of_singular_spaces(name: str, shape: tuple[int, int], full: bool, imaginary) -> None:
    """Of what does not ask how the vectors lie within a space of equal values, nor beyond the rank."""
    read, values = SINGULAR[name]
    k = min(shape)
    rng = np.random.default_rng(3)
    q, r = (np.linalg.qr(rng.standard_normal((n, n)) + imaginary * rng.standard_normal((n, n)))[0] for n in shape)
    values = (*values, 0.5)[:k]
    a = q[:, :k] * values @ r[:k]
    step = rng.standard_normal(shape) + imaginary * rng.standard_normal(shape)
    weights = rng.standard_normal((5, 5))

    def f(t):
        u, _, vt = np.linalg.svd(a + t * step, full_matrices=full)
        made = read(u[:, :k], vt[:k])
        return np.sum(weights[: made.shape[0], : made.shape[1]] * (np.real(made) + np.imag(made)))

    slope = bp.grad(f)
    close(slope(0.0), differences(f, (0.0,), 0), 1e-7)
    wanted = differences(slope, (0.0,), 0)
    close(bp.grad(slope)(0.0), wanted, 1e-6)
    close(bp.jvp(lambda t: bp.jvp(f, (t,), (1.0,))[1], (0.0,), (1.0,))[1], wanted, 1e-6)


def test_functions_of_singular_values_and_vectors_together() -> None:
    q, r = orthogonal(4), orthogonal(4)
    a, step = q * [2.0, 2.0, 1.0, 0.5] @ r, RNG.standard_normal((4, 4))

    def f(t):
        u, s, vt = np.linalg.svd(a + t * step)
        return np.sum(np.exp(s)) + np.sum(step * (u @ vt))

    close(bp.grad(bp.grad(f))(0.0), differences(bp.grad(f), (0.0,), 0), 1e-6)


def test_the_polar_factor_is_right_at_equal_singular_values() -> None:
    """U Vᵀ is smooth at every invertible A, the identity and multiples of rotations included."""
    for a in (np.eye(3), 2.0 * orthogonal(3), np.diag([1.0, 1.0, 4.0]) @ orthogonal(3)):

        def loss(x):
            u, _, vt = np.linalg.svd(x)
            return np.sum(np.sin(u @ vt) * np.arange(9.0).reshape(3, 3))

        wanted = differences(loss, (a,), 0)
        close(bp.grad(loss)(a), wanted, 1e-8)
        close(bp.jacobian(loss, mode="forward")(a), wanted, 1e-8)


@pytest.mark.parametrize("shape", [(5, 2), (2, 5)])
def test_full_matrices(shape) -> None:
    """Of the further columns only the space that they span is determined; its projector is differentiated right."""
    a = RNG.standard_normal(shape)
    k = min(shape)

    def loss(x):
        u, s, vt = np.linalg.svd(x)
        rest = u[:, k:] if shape[0] > shape[1] else vt[k:].T
        p = rest @ rest.T
        return np.sum(np.sin(p) * np.arange(p.size).reshape(p.shape)) + np.sum(s**2)

    wanted = differences(loss, (a,), 0)
    close(bp.grad(loss)(a), wanted, 1e-8)
    close(bp.jacobian(loss, mode="forward")(a), wanted, 1e-8)
    close(bp.hessian(loss)(a), differences(bp.grad(loss), (a,), 0), 1e-7)


def test_rank_is_held() -> None:
    """pinv and lstsq of a matrix that lost its rank: the derivative along matrices of the same rank."""
    left, right = RNG.standard_normal((5, 2)), RNG.standard_normal((2, 4))
    b = RNG.standard_normal(5)

    def of_factors(function):
        return lambda l, r: np.sum(np.sin(function(l @ r)))  # noqa: E741

    for function in (lambda a: np.linalg.pinv(a, rcond=1e-10), lambda a: np.linalg.lstsq(a, b, rcond=1e-10)[0]):
        loss = of_factors(function)
        for k in (0, 1):
            wanted = differences(loss, (left, right), k, step=1e-3)
            close(bp.grad(loss, argnums=k)(left, right), wanted, 1e-7)
            close(bp.jacobian(loss, argnums=k, mode="forward")(left, right), wanted, 1e-7)


def test_an_ill_conditioned_spectrum() -> None:
    """Gradients of eigenvalues are exact projections however close these are to each other."""
    a = with_spectrum(1.0, 1.0 + 1e-9, 1e6)
    v = np.linalg.eigh(a)[1]
    weights = np.array([0.3, 0.3, -1.0])
    found = bp.grad(lambda x: np.sum(np.linalg.eigvalsh(sym(x)) * weights))(a)
    close(found, (v * weights) @ v.T, 1e-9)


def test_interp_at_a_knot_takes_the_piece_to_its_right() -> None:
    knots, heights = np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 5.0])
    slope = bp.grad(lambda x: np.interp(x, knots, heights))
    assert [slope(x) for x in (0.0, 0.5, 1.0, 2.5, -1.0)] == [1.0, 1.0, 4.0, 0.0, 0.0]


def test_piecewise_calls_a_function_only_where_its_condition_holds() -> None:
    g = bp.grad(lambda x: np.sum(np.piecewise(x, [x > 0], [np.log, lambda t: t])))(np.array([-1.0, 2.0]))
    assert np.array_equal(g, [1.0, 0.5])


def test_i0_is_smooth_through_zero() -> None:
    second = bp.grad(bp.grad(np.i0))(0.0)
    assert abs(second - 0.5) < 1e-13


def test_residuals_of_lstsq_need_full_rank_in_a_graph() -> None:
    a, b = np.array([[1.0, 1.0], [1.0, 1.0], [2.0, 2.0]]), np.array([1.0, 2.0, 3.0])
    graph = bp.trace(lambda a, b: np.linalg.lstsq(a, b)[1], a, b)
    assert np.isnan(graph(a, b)).all()
    assert np.linalg.lstsq(a, b)[1].size == 0
