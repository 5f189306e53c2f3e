"""Gradients of linear algebra to 1e-9: batched, ill-conditioned and degenerate, against closed forms, in fractions."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import backpass as bp

TOLERANCE = 1e-9


def exact_inverse(a: np.ndarray) -> list[list[Fraction]]:
    """Gauss–Jordan in fractions: every float is one."""
    n = len(a)
    rows = [[Fraction(float(v)) for v in row] + [Fraction(int(i == k)) for k in range(n)] for i, row in enumerate(a)]
    for k in range(n):
        pivot = max(range(k, n), key=lambda i: abs(rows[i][k]))
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [v / rows[k][k] for v in rows[k]]
        for i in range(n):
            if i != k and rows[i][k]:
                factor = rows[i][k]
                rows[i] = [v - factor * w for v, w in zip(rows[i], rows[k], strict=True)]
    return [row[n:] for row in rows]


def product(*matrices: list[list[Fraction]]) -> list[list[Fraction]]:
    out = matrices[0]
    for b in matrices[1:]:
        out = [
            [sum((x * y for x, y in zip(row, column, strict=True)), Fraction(0)) for column in zip(*b, strict=True)]
            for row in out
        ]
    return out


def transposed(a: list[list[Fraction]]) -> list[list[Fraction]]:
    return [list(column) for column in zip(*a, strict=True)]


def fractions(a: np.ndarray) -> list[list[Fraction]]:
    return [[Fraction(float(v)) for v in row] for row in a]


def floats(a: list[list[Fraction]]) -> np.ndarray:
    return np.array([[float(v) for v in row] for row in a])


def near(found: np.ndarray, wanted: np.ndarray) -> None:
    assert np.max(np.abs(found - wanted)) <= TOLERANCE * np.max(np.abs(wanted))


def conditioned(n: int, condition: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    u, v = (np.linalg.qr(rng.standard_normal((n, n)))[0] for _ in range(2))
    return u @ np.diag(np.geomspace(1.0, 1.0 / condition, n)) @ v


CONDITIONS = [1.0, 1e3, 1e6]


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("seed", [0, 1])
def test_solve_inv_and_det_against_fractions(condition: float, seed: int) -> None:
    """L = Σ W ∘ f(A): −A⁻ᵀ W A⁻ᵀ for the inverse, −A⁻ᵀ W (A⁻¹B)ᵀ for solve, A⁻ᵀ for log |det|."""
    a = conditioned(5, condition, seed)
    rng = np.random.default_rng(seed + 7)
    w, b, wb = rng.standard_normal((5, 5)), rng.standard_normal((5, 2)), rng.standard_normal((5, 2))
    inverse = exact_inverse(a)
    back = transposed(inverse)
    wanted = -floats(product(back, fractions(w), back))
    scale = condition * np.finfo(float).eps * 50 + TOLERANCE
    # The inverse itself is known to κε: the gradient is held to that, and to 1e-9 where κε allows it.
    allowed = max(TOLERANCE, scale if condition > 1e4 else 0.0)
    found = bp.grad(lambda a: np.sum(w * np.linalg.inv(a)))(a)
    assert np.max(np.abs(found - wanted)) <= allowed * np.max(np.abs(wanted))
    found = bp.grad(lambda a: np.sum(wb * np.linalg.solve(a, b)))(a)
    wanted = -floats(product(back, fractions(wb), transposed(product(inverse, fractions(b)))))
    assert np.max(np.abs(found - wanted)) <= allowed * np.max(np.abs(wanted))
    found = bp.grad(lambda b: np.sum(wb * np.linalg.solve(a, b)))(b)
    near(found, floats(product(back, fractions(wb))))
    near(bp.grad(lambda a: np.linalg.slogdet(a)[1])(a), floats(back))


def test_det_of_singular_matrices_is_exact() -> None:
    """The cofactors, in whole numbers."""
    for a in ([[1.0, 2.0], [2.0, 4.0]], [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [5.0, 7.0, 9.0]], np.zeros((3, 3)).tolist()):
        matrix = np.array(a)
        n = len(a)
        wanted = np.empty((n, n))
        for i in range(n):
            for j in range(n):
                minor = np.delete(np.delete(matrix, i, 0), j, 1)
                wanted[i, j] = (-1) ** (i + j) * (
                    minor[0, 0] if n == 2 else minor[0, 0] * minor[1, 1] - minor[0, 1] * minor[1, 0]
                )
        for gradient in (bp.grad(np.linalg.det), bp.compile(bp.grad(lambda a: np.linalg.det(a)))):
            assert np.max(np.abs(gradient(matrix) - wanted)) <= TOLERANCE * max(np.max(np.abs(wanted)), 1.0)


def spectrum(values: list[float], seed: int) -> np.ndarray:
    q = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values),) * 2))[0]
    return q @ np.diag(values) @ q.T


@pytest.mark.parametrize(
    "values",
    [
        [1.0, 2.0, 3.0, 4.0],
        [1.0, 1.0, 1.0, 1.0],
        [1.0, 1.0 + 1e-9, 2.0, 2.0],
        [1e-6, 1.0, 1e3, 1e6],
        [0.0, 0.0, 1.0, 2.0],
    ],
    ids=str,
)
def test_functions_of_a_spectrum(values: list[float]) -> None:
    """Σ λᵏ = tr Aᵏ, whose gradient k Aᵏ⁻¹ needs no eigenvalues; also where they are equal, nearly equal or zero."""
    a = spectrum(values, 3)
    a = 0.5 * (a + a.T)
    wanted = 3 * a @ a
    mirror = lambda g: 0.5 * (g + g.T)  # noqa: E731
    near(mirror(bp.grad(lambda a: np.sum(np.linalg.eigvalsh(a) ** 3))(a)), wanted)
    near(mirror(bp.grad(lambda a: np.sum(np.linalg.eigh(a)[0] ** 3))(a)), wanted)
    near(bp.grad(lambda a: np.sum(np.linalg.svd(a, compute_uv=False) ** 4))(a), 4 * a @ a @ a)
    near(bp.grad(lambda a: np.sum(np.linalg.svd(a)[1] ** 4))(a), 4 * a @ a @ a)
    near(bp.grad(lambda a: np.linalg.norm(a) ** 2)(a), 2 * a)


def _single(a: Any) -> Any:
    """Of a single eigenvalue, all others may be equal: a rotation's quaternion is found so."""
    values, vectors = np.linalg.eigh(0.5 * (a + a.T))
    return np.sum(np.outer(vectors[:, -1], vectors[:, -1]) * WEIGHTS) + values[-1] ** 2


def _of_a_space(a: Any) -> Any:
    vectors = np.linalg.eigh(0.5 * (a + a.T))[1][:, 1:3]
    return np.sum(vectors @ vectors.T * WEIGHTS) ** 2


WEIGHTS = np.random.default_rng(12).standard_normal((4, 4))


@pytest.mark.parametrize(
    ("values", "function"),
    [
        ([-1 / 3, -1 / 3, -1 / 3, 1.0], _single),
        ([-1.0, 0.5, 0.5, 2.0], _single),
        ([-1.0, 0.5, 0.5, 2.0], _of_a_space),
    ],
)
def test_second_derivatives_beside_equal_eigenvalues(values: list[float], function: Any) -> None:
    a = spectrum(values, 3)
    along, across = np.random.default_rng(13).standard_normal((2, 4, 4))

    def slope(a: Any) -> Any:
        return np.sum(bp.grad(function)(a) * along)

    def second(h: float) -> Any:  # of values alone: the gradient at a displaced matrix has no equal values to show
        at = lambda s, t: function(a + s * along + t * across)  # noqa: E731
        return (at(h, h) - at(h, -h) - at(-h, h) + at(-h, -h)) / (4 * h * h)

    wanted = (4 * second(1e-3) - second(2e-3)) / 3
    for found in (
        np.sum(bp.grad(slope)(a) * across),
        bp.jvp(slope, (a,), (across,))[1],
        bp.jvp(lambda a: bp.jvp(function, (a,), (along,))[1], (a,), (across,))[1],
        np.sum(bp.compile(bp.grad(slope))(a) * across),
    ):
        assert abs(found - wanted) <= 1e-6 * max(1.0, abs(wanted))


@pytest.mark.parametrize("condition", [3.0, 1e2, 1e4])
def test_factors_put_together_again(condition: float) -> None:
    """Q R = A, L Lᵀ = A, U S Vᵀ = A: the loss of the product is that of A, for distinct singular values."""
    a = conditioned(4, condition, 5)
    w = np.random.default_rng(6).standard_normal((4, 4))
    allowed = max(TOLERANCE, 1e3 * condition * np.finfo(float).eps)

    def held(found: np.ndarray, wanted: np.ndarray) -> None:
        assert np.max(np.abs(found - wanted)) <= allowed * np.max(np.abs(wanted))

    held(bp.grad(lambda a: np.sum(w * np.matmul(*np.linalg.qr(a))))(a), w)

    def from_svd(a: np.ndarray) -> np.ndarray:
        u, s, vt = np.linalg.svd(a)
        return np.sum(w * ((u * s) @ vt))

    held(bp.grad(from_svd)(a), w)
    spd = a @ a.T + np.eye(4) / condition

    def from_cholesky(a: np.ndarray) -> np.ndarray:
        low = np.linalg.cholesky(a)
        return np.sum(w * (low @ low.T))

    found = bp.grad(from_cholesky)(spd)
    held(0.5 * (found + found.T), 0.5 * (w + w.T))


def test_batches_are_matrices_one_by_one() -> None:
    stack = np.stack([conditioned(3, c, k) for k, c in enumerate((1.0, 10.0, 1e3, 1e5))]).reshape(2, 2, 3, 3)
    spd = stack @ np.swapaxes(stack, -1, -2) + 0.1 * np.eye(3)
    for function, of in (
        (np.linalg.inv, stack),
        (np.linalg.det, stack),
        (lambda a: np.linalg.slogdet(a)[1], stack),
        (np.linalg.pinv, stack),
        (lambda a: np.linalg.svd(a, compute_uv=False), stack),
        (lambda a: np.linalg.qr(a)[1], stack),
        (np.linalg.cholesky, spd),
        (np.linalg.eigvalsh, spd),
        (lambda a: np.linalg.solve(a, np.ones((3, 2))), stack),
    ):
        loss = lambda a, f=function: np.sum(np.sin(f(a)))  # noqa: E731
        found = bp.grad(loss)(of)
        for place in np.ndindex(2, 2):
            wanted = bp.grad(loss)(of[place])
            assert np.max(np.abs(found[place] - wanted)) <= TOLERANCE * np.max(np.abs(wanted))
