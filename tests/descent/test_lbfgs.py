"""L-BFGS against SciPy's minimisers, and against functions that mislead it."""

import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

from backpass.descent import HyperparameterError, Minimum, lbfgs
from backpass.graph.errors import DtypeError, NonFiniteError, ShapeError
from backpass.graph.pytree import PytreeError


def rosenbrock(x):
    return optimize.rosen(x), optimize.rosen_der(x)


def rosenbrock_start(n):
    return np.where(np.arange(n) % 2 == 0, -1.2, 1.0)


def quadratic(condition, n=30, seed=0):
    rng = np.random.default_rng(seed)
    q, _ = np.linalg.qr(rng.normal(size=(n, n)))
    a = (q * np.logspace(0, -math.log10(condition), n)) @ q.T
    b = a @ rng.normal(size=n)
    return (lambda x: (0.5 * x @ a @ x - b @ x, a @ x - b)), np.linalg.solve(a, b)


@pytest.mark.parametrize("n", [2, 10, 20])
def test_rosenbrock_as_fast_as_scipy(n):
    x, found = lbfgs(rosenbrock, rosenbrock_start(n))
    theirs = optimize.minimize(
        optimize.rosen,
        rosenbrock_start(n),
        jac=optimize.rosen_der,
        method="L-BFGS-B",
        options={"gtol": 1e-5, "ftol": 0},
    )
    assert found.converged
    assert theirs.success
    np.testing.assert_allclose(x, 1.0, atol=1e-5)
    assert found.gradient_norm <= 1e-5
    assert found.loss < 1e-9
    assert found.evaluations <= 1.3 * theirs.nfev


@pytest.mark.parametrize("condition", [1.0, 1e2, 1e3])
def test_quadratics(condition):
    f, exact = quadratic(condition)
    x, found = lbfgs(f, np.zeros(30), tolerance=1e-9)
    theirs = optimize.minimize(
        f, np.zeros(30), jac=True, method="L-BFGS-B", options={"gtol": 1e-9, "ftol": 0, "maxiter": 1000}
    )
    assert found.converged
    np.testing.assert_allclose(x, exact, atol=1e-9 * 10 * condition)
    assert found.loss <= theirs.fun + 1e-12
    assert found.evaluations <= 1.3 * theirs.nfev + 5


def test_full_memory_solves_a_quadratic_in_about_n_steps():
    """With exact line searches BFGS ends in n steps; with loose ones it stays near."""
    f, exact = quadratic(1e3, n=8)
    x, found = lbfgs(f, np.zeros(8), memory=50, tolerance=1e-8)
    theirs = optimize.minimize(f, np.zeros(8), jac=True, method="BFGS", options={"gtol": 1e-8})
    assert found.converged
    assert found.iterations <= 1.5 * theirs.nit
    np.testing.assert_allclose(x, exact, atol=1e-4)


class Linear(NamedTuple):
    w: np.ndarray
    b: np.ndarray


def logistic(penalty: float = 1.0, dtype: type = np.float64):
    data = load_breast_cancer(return_X_y=True)
    x, y = np.asarray(data[0]), np.asarray(data[1])
    x = ((x - x.mean(0)) / x.std(0)).astype(dtype)
    sign = np.where(y == 1, 1, -1).astype(dtype)

    def value_and_grad(theta):
        linear = theta["model"]
        margin = sign * (x @ linear.w + linear.b)
        loss = np.sum(np.logaddexp(0, -margin)) + penalty / 2 * np.sum(linear.w**2)
        pull = -sign / (1 + np.exp(margin))
        return loss, {"model": Linear(x.T @ pull + penalty * linear.w, np.sum(pull)), "unused": None}

    return x, y, value_and_grad, {"model": Linear(np.zeros(30, dtype), np.zeros((), dtype)), "unused": None}


def test_logistic_regression_finds_scikit_learns_optimum():
    x, y, f, theta = logistic()
    theta, found = lbfgs(f, theta, tolerance=1e-6)
    theirs = LogisticRegression(C=1.0, tol=1e-8, max_iter=1000).fit(x, y)
    assert found.converged
    np.testing.assert_allclose(theta["model"].w, theirs.coef_[0], atol=1e-5)
    np.testing.assert_allclose(theta["model"].b, theirs.intercept_[0], atol=1e-5)


def test_float32_theta_stays_float32_and_reaches_float32s_optimum():
    seen = []
    _, _, f, theta = logistic(dtype=np.float32)

    def watched(theta):
        seen.append((theta["model"].w.dtype, theta["model"].b.shape))
        return f(theta)

    narrow, found = lbfgs(watched, theta, tolerance=1e-3)
    wide, best = lbfgs(*logistic()[2:], tolerance=1e-8)
    assert set(seen) == {(np.dtype(np.float32), ())}
    assert narrow["model"].w.dtype == narrow["model"].b.dtype == np.float32
    assert isinstance(narrow["model"], Linear)
    assert found.converged
    assert found.loss == pytest.approx(best.loss, rel=1e-6)
    np.testing.assert_allclose(narrow["model"].w, wide["model"].w, atol=1e-3)


def test_a_tolerance_below_the_precision_ends_honestly():
    _, _, f, theta = logistic(dtype=np.float32)
    _, found = lbfgs(f, theta, tolerance=0.0)
    assert not found.converged
    assert "float32" in found.message
    assert found.iterations < 300
    assert found.gradient_norm < 1e-2


def test_theta_of_python_floats_scalars_and_empty_leaves():
    def f(theta):
        d, e = theta["a"] - 3, theta["b"] + 1
        return d * d + e * e, {"a": 2 * d, "b": 2 * e, "none": None, "empty": np.zeros((0, 2))}

    theta, found = lbfgs(f, {"a": 1.0, "b": np.float32(0), "none": None, "empty": np.zeros((0, 2))})
    assert found.converged
    assert type(theta["a"]) is float
    assert theta["a"] == pytest.approx(3)
    assert theta["b"].dtype == np.float32
    assert theta["b"] == pytest.approx(-1)
    assert theta["empty"].shape == (0, 2)
    assert lbfgs(lambda theta: (1.0, {}), {})[1].converged


def test_a_function_that_writes_into_its_theta_or_reuses_its_gradient_does_no_harm():
    start, buffer = np.array([-1.2, 1.0]), np.empty(2)
    given = start.copy()

    def careless(x):
        loss, buffer[:] = rosenbrock(x)
        x += 100.0
        return loss, buffer

    x, found = lbfgs(careless, given)
    same, expected = lbfgs(rosenbrock, start)
    np.testing.assert_array_equal(given, start)
    np.testing.assert_array_equal(x, same)
    assert found == expected
    assert found.converged


def test_trial_points_outside_the_domain_are_stepped_back_from():
    def barrier(x):  # NaN for x <= 0, with NumPy's warnings: nothing of that reaches the user
        return np.sum(x - np.log(x)), 1 - 1 / x

    x, found = lbfgs(barrier, np.array([1e-3, 50.0, 1e-6]))
    assert found.converged
    np.testing.assert_allclose(x, 1.0, atol=1e-4)

    def overflowing(x):
        return np.sum(np.exp(x) - 5 * x), np.exp(x) - 5

    x, found = lbfgs(overflowing, np.array([-700.0, 300.0]))
    assert found.converged
    np.testing.assert_allclose(x, np.log(5), atol=1e-5)


def test_an_exception_of_linear_algebra_is_a_step_too_far():
    rng = np.random.default_rng(0)
    data = rng.normal(size=(50, 2)) @ np.array([[1.0, 0.9], [0.0, 0.3]])
    scatter = data.T @ data / len(data)

    def negative_log_likelihood(p):  # of a Gaussian's precision matrix, which must stay positive definite
        precision = np.array([[p[0], p[1]], [p[1], p[2]]])
        chol = np.linalg.cholesky(precision)
        g = scatter - np.linalg.inv(precision)
        return np.sum(scatter * precision) - 2 * np.sum(np.log(np.diag(chol))), np.array(
            [g[0, 0], 2 * g[0, 1], g[1, 1]]
        )

    p, found = lbfgs(negative_log_likelihood, np.array([1.0, 0.0, 1.0]), tolerance=1e-8)
    assert found.converged
    exact = np.linalg.inv(scatter)
    np.testing.assert_allclose(p, [exact[0, 0], exact[0, 1], exact[1, 1]], rtol=1e-5)
    with pytest.raises(np.linalg.LinAlgError):  # but not at the start, where it is the user's to see
        lbfgs(negative_log_likelihood, np.array([1.0, 2.0, 1.0]))


@pytest.mark.parametrize("scale", [1e-200, 1e-12, 1e12, 1e200])
def test_the_scale_of_the_loss_does_not_matter(scale):
    def scaled(x):
        loss, g = rosenbrock(x)
        return scale * loss, scale * g

    x, found = lbfgs(scaled, rosenbrock_start(4), tolerance=1e-6 * scale)
    assert found.converged
    np.testing.assert_allclose(x, 1.0, atol=1e-5)


def test_saddles_and_negative_curvature():
    def himmelblau(x):
        a, b = x[0] ** 2 + x[1] - 11, x[0] + x[1] ** 2 - 7
        return a * a + b * b, np.array([4 * x[0] * a + 2 * b, 2 * a + 4 * x[1] * b])

    for start in ([0.0, 0.0], [-0.27, -0.92], [5.0, -5.0], [-1.0, 4.0]):
        _, found = lbfgs(himmelblau, np.array(start))
        assert found.converged, start
        assert found.loss < 1e-9, start


def test_a_flat_function_is_at_its_minimum():
    x, found = lbfgs(lambda x: (3.0, np.zeros(2)), np.array([1.0, 2.0]))
    assert found == Minimum(3.0, 0.0, 0, 1, True, "the gradient is within the tolerance 1e-05", (3.0,))
    np.testing.assert_array_equal(x, [1.0, 2.0])


@pytest.mark.parametrize("wrong", [lambda x: -2 * x, lambda x: np.ones(2), lambda x: np.array([1e-3, 0.0])])
def test_a_wrong_gradient_is_called_one(wrong):
    start = np.array([0.0, 1e-9]) if wrong(np.ones(2))[0] > 0 else np.ones(2)  # where it leads uphill
    _, found = lbfgs(lambda x: (np.sum(x**2), wrong(x)), start)
    assert not found.converged
    assert "the gradient is not that of this loss" in found.message
    assert found.evaluations < 200


def test_a_loss_without_bound_ends_and_says_so():
    for f in (
        lambda x: (-x[0], np.array([-1.0])),
        lambda x: (-np.sum(x**2), -2 * x),
        lambda x: (-np.sum(x**4), -4 * x**3),
        lambda x: (-np.sum(np.exp(x)), -np.exp(x)),  # overflows before the search has gone far
    ):
        x, found = lbfgs(f, np.array([1.0]))
        assert not found.converged
        assert math.isfinite(found.loss)
        assert found.loss < -1e6
        assert x[0] > 10
        assert "no lower bound" in found.message or "float64" in found.message, found.message
        assert found.evaluations < 500


def test_nan_in_the_middle_of_a_valley():
    """Half of the line is a hole: the search must end at a finite θ no higher than its start."""

    def holed(x):
        return (np.sum(x**2), 2 * x) if np.all(x > 0.5) else (math.nan, x * math.nan)

    x, found = lbfgs(holed, np.array([2.0, 3.0]))
    assert not found.converged
    assert np.all(np.isfinite(x))
    assert math.isfinite(found.loss)
    assert found.loss <= 13.0


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 8), memory=st.integers(1, 12), condition=st.floats(1, 1e3))
def test_random_quadratics(seed, n, memory, condition):
    f, exact = quadratic(condition, n=n, seed=seed)
    x, found = lbfgs(f, np.zeros(n), memory=memory, tolerance=1e-7)
    assert found.converged
    np.testing.assert_allclose(x, exact, atol=1e-6 * condition)
    assert len(found.losses) == found.iterations + 1
    assert all(b <= a + 1e-12 * abs(a) for a, b in zip(found.losses, found.losses[1:], strict=False))


def test_limits_and_callback():
    x, found = lbfgs(rosenbrock, rosenbrock_start(2), max_iterations=3)
    assert not found.converged
    assert found.iterations == 3
    assert "the limit of 3 iterations" in found.message
    assert found.loss == pytest.approx(optimize.rosen(x))
    calls = []

    def watch(iteration, loss, theta):
        calls.append((iteration, loss, optimize.rosen(theta)))
        theta += 1.0  # its own copy
        return iteration == 4

    x, found = lbfgs(rosenbrock, rosenbrock_start(2), callback=watch)
    assert [call[0] for call in calls] == [1, 2, 3, 4]
    assert all(loss == same for _, loss, same in calls)
    assert found.message == "the callback asked to stop"
    assert not found.converged
    assert found.losses[1:] == tuple(loss for _, loss, _ in calls)


def test_the_result_reads_well():
    _, found = lbfgs(rosenbrock, rosenbrock_start(2))
    assert str(found).startswith("converged: the gradient is within the tolerance 1e-05\nloss ")
    assert f"{found.iterations} iterations, {found.evaluations} evaluations" in str(found)
    assert "losses" not in repr(found)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_start_that_is_not_finite_is_refused(bad):
    with pytest.raises(NonFiniteError, match=f"the loss at the starting theta is {bad}"):
        lbfgs(lambda x: (bad, x), np.ones(2))
    with pytest.raises(NonFiniteError, match=r"the gradient at the starting theta is not finite in theta\.b"):
        lbfgs(lambda x: (1.0, {"a": 1.0, "b": np.array([1.0, bad])}), {"a": 0.0, "b": np.zeros(2)})


def test_bad_arguments_are_refused():
    with pytest.raises(DtypeError, match="theta has dtype int64"):
        lbfgs(rosenbrock, np.array([1, 2]))
    with pytest.raises(ShapeError, match=r"the loss has shape \(2,\); a minimiser needs one number"):
        lbfgs(lambda x: (x, x), np.ones(2))
    with pytest.raises(ShapeError, match=r"the gradient at theta has shape \(3,\)"):
        lbfgs(lambda x: (1.0, np.ones(3)), np.ones(2))
    with pytest.raises(PytreeError, match="the gradient does not have the structure of theta"):
        lbfgs(lambda x: (1.0, [x]), np.ones(2))
    with pytest.raises(HyperparameterError, match="memory is 0"):
        lbfgs(rosenbrock, np.ones(2), memory=0)
    with pytest.raises(HyperparameterError, match="tolerance is nan"):
        lbfgs(rosenbrock, np.ones(2), tolerance=math.nan)
