"""The ten models in examples/: each is right as a model, its gradient is right, and its fit arrives where it says.

Gradients are compared with the complex step Im f(θ + ih) / h (Squire and Trapp, SIAM Review 40, 1998), which has no
subtraction and so no rounding to speak of: the example's own function is run on complex numbers.
"""

import functools
import importlib.util
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.spatial.transform import Rotation

import backpass as bp
from backpass.graph.pytree import flatten

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py"))
FITTED = [name for name in NAMES if name != "black_scholes"]
STEP = 1e-30
multivariate_normal: Any = stats.multivariate_normal


@functools.cache
def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"examples_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def fitted(name: str) -> Any:
    """What the example's fit() returns; several tests look at it, and it runs once."""
    return load(name).fit()


# The functions to differentiate, each at a θ that is no optimum, the long series cut short.


def logistic_regression(m: ModuleType) -> tuple[Any, ...]:
    x, y, _, _ = m.data()
    return m.loss, {"w": np.array([0.7]), "b": np.array(-0.4)}, (x, y)


def gaussian_process(m: ModuleType) -> tuple[Any, ...]:
    x, y, _ = m.data()
    return m.loss, np.array([0.1, -0.4, -1.0]), (x, y)


def kalman_filter(m: ModuleType) -> tuple[Any, ...]:
    return m.loss, np.log([1.3e4, 900.0]), (m.NILE[:30, None],)


def lotka_volterra(m: ModuleType) -> tuple[Any, ...]:
    return m.loss, np.log([0.6, 0.03, 0.8, 0.025, 31.0, 5.0]), (m.PELTS[:7],)


def pca(m: ModuleType) -> tuple[Any, ...]:
    return m.loss, np.random.default_rng(0).standard_normal((4, 2)), (m.data(),)


def wave_equation(m: ModuleType) -> tuple[Any, ...]:
    shape, recording = m.data()
    return m.loss, {"speed": np.array(0.57), "shape": 0.8 * shape + 0.01}, (recording[:50],)


def gaussian_mixture(m: ModuleType) -> tuple[Any, ...]:
    rng = np.random.default_rng(1)
    theta = {"logits": rng.standard_normal(3), "means": m.MEANS + 0.3, "factors": 0.3 * rng.standard_normal((3, 2, 2))}
    return m.loss, theta, (m.data(60),)


def bundle_adjustment(m: ModuleType) -> tuple[Any, ...]:
    _, seen, start = m.data()
    return m.loss, start, (seen,)


def black_scholes(m: ModuleType) -> tuple[Any, ...]:
    at = {"spot": 42.0, "volatility": 0.2, "rate": 0.1, "years": 0.5, "strike": 40.0}
    return lambda theta: m.call(**theta), {name: np.array(value) for name, value in at.items()}, ()


def mixture_density_network(m: ModuleType) -> tuple[Any, ...]:
    return m.loss, m.initial(), m.data(40)


def case(name: str) -> tuple[Callable[..., Any], Any, tuple[Any, ...]]:
    return globals()[name](load(name))


# Four NumPy functions take a modulus or an order, and so are not analytic as they stand; here they are continued.


def _cholesky(a: np.ndarray) -> np.ndarray:
    lower = np.zeros_like(a)
    for j in range(len(a)):
        lower[j, j] = np.sqrt(a[j, j] - lower[j, :j] @ lower[j, :j])
        lower[j + 1 :, j] = (a[j + 1 :, j] - lower[j + 1 :, :j] @ lower[j, :j]) / lower[j, j]
    return lower


def _norm(a: np.ndarray, axis: int, keepdims: bool) -> np.ndarray:
    return np.sqrt(np.sum(a * a, axis=axis, keepdims=keepdims))


def _slogdet(a: np.ndarray) -> tuple[float, np.ndarray]:
    return 1.0, np.log(np.linalg.det(a))


def _logaddexp(a: float, b: np.ndarray) -> np.ndarray:
    top = np.maximum(a, np.real(b))
    return top + np.log(np.exp(a - top) + np.exp(b - top))


def complex_step(f: Callable[..., Any], theta: Any, direction: Any, args: tuple[Any, ...]) -> float:
    """The derivative of f along `direction`."""
    leaves, tree = flatten(theta)
    moved = [leaf + 1j * STEP * d for leaf, d in zip(leaves, flatten(direction)[0], strict=True)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np.linalg, "cholesky", _cholesky)
        patch.setattr(np.linalg, "norm", _norm)
        patch.setattr(np.linalg, "slogdet", _slogdet)
        patch.setattr(np, "logaddexp", _logaddexp)
        return float(np.imag(f(tree.unflatten(moved), *args)) / STEP)


def units(theta: Any) -> Iterator[tuple[int, tuple[int, ...], Any]]:
    """Each coordinate direction of θ, with the leaf and the index that it moves."""
    leaves, tree = flatten(theta)
    for i, leaf in enumerate(leaves):
        for index in np.ndindex(np.shape(leaf)):
            unit = [np.zeros(np.shape(other)) for other in leaves]
            unit[i][index] = 1.0
            yield i, index, tree.unflatten(unit)


def random_like(theta: Any, seed: int = 7) -> Any:
    rng = np.random.default_rng(seed)
    leaves, tree = flatten(theta)
    return tree.unflatten([rng.standard_normal(np.shape(leaf)) for leaf in leaves])


def dot(a: Any, b: Any) -> Any:
    total = 0.0
    for x, y in zip(flatten(a)[0], flatten(b)[0], strict=True):
        total = total + np.sum(x * y)
    return total


# Derivatives


def test_there_are_ten_and_each_has_a_case() -> None:
    assert len(NAMES) == 10
    assert all(name in globals() for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_gradient_equals_complex_step(name: str) -> None:
    f, theta, args = case(name)
    value, g = bp.value_and_grad(f)(theta, *args)
    assert value == f(theta, *args)
    leaves = flatten(g)[0]
    expected = [np.zeros(np.shape(leaf)) for leaf in leaves]
    for i, index, unit in units(theta):
        expected[i][index] = complex_step(f, theta, unit, args)
    for found, wanted, leaf in zip(leaves, expected, flatten(theta)[0], strict=True):
        assert np.shape(found) == np.shape(leaf)
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-11 * np.abs(wanted).max())


@pytest.mark.parametrize("name", NAMES)
def test_forward_mode_agrees(name: str) -> None:
    f, theta, args = case(name)
    v = random_like(theta)
    _, slope = bp.jvp(lambda t: f(t, *args), (theta,), (v,))
    np.testing.assert_allclose(slope, complex_step(f, theta, v, args), rtol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_second_derivative_along_a_direction(name: str) -> None:
    """∂/∂θ of (∇f · v), reverse over reverse and forward over reverse, against central differences of the gradient."""
    f, theta, args = case(name)
    v = random_like(theta)
    gradient = bp.grad(f)
    curved = flatten(bp.grad(lambda t: dot(gradient(t, *args), v))(theta))[0]
    product = flatten(bp.hvp(f, (theta, *args), v))[0]
    leaves, tree = flatten(theta)
    h = 1e-6
    ahead, behind = (
        flatten(gradient(tree.unflatten([a + s * h * b for a, b in zip(leaves, flatten(v)[0], strict=True)]), *args))[0]
        for s in (1, -1)
    )
    for reverse, forward, a, b in zip(curved, product, ahead, behind, strict=True):
        wanted = (np.asarray(a) - np.asarray(b)) / (2 * h)
        np.testing.assert_allclose(reverse, wanted, rtol=1e-6, atol=1e-6 * max(np.abs(wanted).max(), 1e-3))
        np.testing.assert_allclose(forward, reverse, rtol=1e-9, atol=1e-10 * np.abs(reverse).max())


@pytest.mark.parametrize("name", NAMES)
def test_compiled_gradient_is_the_same(name: str) -> None:
    f, theta, args = case(name)
    value, g = bp.value_and_grad(f)(theta, *args)
    compiled_value, compiled = bp.compile(bp.value_and_grad(f))(theta, *args)
    np.testing.assert_allclose(compiled_value, value, rtol=1e-13)
    for found, wanted in zip(flatten(compiled)[0], flatten(g)[0], strict=True):
        assert np.shape(found) == np.shape(wanted)
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-13 * np.abs(wanted).max())


def test_jacobian_of_the_reprojection() -> None:
    m = load("bundle_adjustment")
    _, seen, theta = m.data()
    J = bp.jacobian(m.residuals)(theta, seen)
    weights = np.random.default_rng(0).standard_normal(seen.size)
    rows = [complex_step(lambda t: m.residuals(t, seen) @ weights, theta, unit, ()) for _, _, unit in units(theta)]
    assert J.shape == (seen.size, theta.size)
    np.testing.assert_allclose(weights @ J, rows, rtol=1e-10, atol=1e-9)


# Models: each plain NumPy function against another way to compute the same thing


def test_gaussian_process_likelihood_is_a_multivariate_normal() -> None:
    m = load("gaussian_process")
    x, y, _ = m.data()
    theta = np.array([0.2, -0.1, -1.2])
    covariance = m.kernel(theta, x, x) + np.exp(2 * theta[2]) * np.eye(len(x))
    expected = multivariate_normal(np.zeros(len(x)), covariance).logpdf(y)
    np.testing.assert_allclose(m.loss(theta, x, y), -expected, rtol=1e-11)


def test_kalman_likelihood_is_a_multivariate_normal() -> None:
    """A point that moves in the plane, seen with noise: all the observations are jointly normal."""
    m = load("kalman_filter")
    steps, n, d = 12, 4, 2
    F = np.eye(4) + np.eye(4, k=2)
    H = np.eye(2, 4)
    Q, R, P = np.diag([0.1, 0.2, 0.05, 0.1]), np.array([[0.5, 0.2], [0.2, 0.4]]), np.diag([1.0, 2.0, 0.5, 0.3])
    start = np.array([1.0, -1.0, 0.3, 0.2])
    y = np.cumsum(np.random.default_rng(2).standard_normal((steps, d)), axis=0)
    power = [np.linalg.matrix_power(F, k) for k in range(steps + 1)]
    # state t = Fᵗ state 0 + Σₛ Fᵗ⁻ˢ ηₛ: one linear map of (state 0, η₁, ..., η_T)
    lift = np.zeros((steps * n, (steps + 1) * n))
    for t in range(1, steps + 1):
        for s in range(t + 1):
            lift[(t - 1) * n : t * n, s * n : (s + 1) * n] = power[t - s]
    prior = np.kron(np.eye(steps + 1), Q)
    prior[:n, :n] = P
    see = np.kron(np.eye(steps), H) @ lift
    mean = see[:, :n] @ start
    covariance = see @ prior @ see.T + np.kron(np.eye(steps), R)
    expected = multivariate_normal(mean, covariance).logpdf(y.ravel())
    np.testing.assert_allclose(m.log_likelihood(y, F, H, Q, R, start, P), expected, rtol=1e-12)


def test_mixture_density_is_scipys() -> None:
    m = load("gaussian_mixture")
    x = m.data()
    inverse = np.linalg.inv(m.COVARIANCES)
    factors = np.swapaxes(np.linalg.cholesky(inverse[:, ::-1, ::-1])[:, ::-1, ::-1], 1, 2)  # Aᵀ A = inverse, A lower
    diagonal = np.einsum("kii->ki", factors)
    theta = {"logits": np.log(m.WEIGHTS) + 3.0, "means": m.MEANS, "factors": np.tril(factors, -1)}
    theta["factors"] = theta["factors"] + np.log(diagonal)[:, :, None] * np.eye(2)
    np.testing.assert_allclose(m.covariances(theta), m.COVARIANCES, rtol=1e-12)
    parts = zip(m.WEIGHTS, m.MEANS, m.COVARIANCES, strict=True)
    density = sum(w * multivariate_normal.pdf(x, mean, cov) for w, mean, cov in parts)
    np.testing.assert_allclose(m.log_density(theta, x), np.log(density), rtol=1e-11, atol=1e-12)


def test_lotka_volterra_keeps_its_invariant() -> None:
    """δ h - γ log h + β l - α log l does not change along a solution."""
    m = load("lotka_volterra")
    alpha, beta, gamma, delta = 0.55, 0.028, 0.8, 0.024
    h, lynx = m.solve(np.log([alpha, beta, gamma, delta, 34.0, 5.9]), 21, substeps=40).T
    invariant = delta * h - gamma * np.log(h) + beta * lynx - alpha * np.log(lynx)
    np.testing.assert_allclose(invariant, invariant[0], rtol=1e-6)


def test_wave_at_the_critical_speed_is_dalemberts_solution() -> None:
    m = load("wave_equation")
    shape, _ = m.data()
    heard = m.simulate(1.0, shape, steps=100)
    split = [0.5 * (np.roll(shape, t) + np.roll(shape, -t))[m.MICROPHONES] for t in range(100)]
    np.testing.assert_allclose(heard, split, atol=1e-12)


def test_rotation_is_scipys() -> None:
    m = load("bundle_adjustment")
    rng = np.random.default_rng(0)
    points, r = rng.standard_normal((7, 3)), rng.standard_normal((7, 3))
    np.testing.assert_allclose(m.rotate(points, r), Rotation.from_rotvec(r).apply(points), rtol=1e-12, atol=1e-13)


def test_call_is_the_expected_payoff() -> None:
    m = load("black_scholes")
    spot, strike, volatility, rate, years = 42.0, 40.0, 0.2, 0.1, 0.5

    def payoff(z: float) -> float:
        share = spot * np.exp((rate - 0.5 * volatility**2) * years + volatility * np.sqrt(years) * z)
        return max(share - strike, 0.0) * np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)

    money = (np.log(strike / spot) - (rate - 0.5 * volatility**2) * years) / (volatility * np.sqrt(years))
    expected = np.exp(-rate * years) * integrate.quad(payoff, money, 12.0, epsabs=1e-13)[0]
    np.testing.assert_allclose(m.call(spot, volatility, rate, years, strike), expected, rtol=1e-11)


@pytest.mark.parametrize("x", [0.1, 0.5, 0.8])
def test_mixture_density_network_is_a_density(x: float) -> None:
    m = load("mixture_density_network")
    t = np.linspace(-12.0, 12.0, 20001)

    def density(at: float) -> float:
        return np.exp(-m.loss(m.initial(), np.array([[x]]), np.array([[at]])))

    values = [density(at) for at in t[::20]]
    np.testing.assert_allclose(integrate.simpson(values, x=t[::20]), 1.0, rtol=1e-8)


# Fits


def test_logistic_regression_finds_the_published_estimate() -> None:
    m = load("logistic_regression")
    theta, g = fitted("logistic_regression")
    np.testing.assert_allclose(theta["w"], [m.PUBLISHED["w"]], atol=5e-5)
    np.testing.assert_allclose(theta["b"], m.PUBLISHED["b"], atol=5e-5)
    assert max(np.abs(g["w"]).max(), abs(g["b"])) < 1e-12


def test_gaussian_process_finds_a_maximum_near_the_truth() -> None:
    m = load("gaussian_process")
    x, y, _ = m.data()
    theta, search = fitted("gaussian_process")
    assert search.converged
    assert search.loss < m.loss(m.TRUTH, x, y)
    deviations = np.sqrt(np.diag(np.linalg.inv(bp.hessian(m.loss)(theta, x, y))))
    assert np.all(np.abs(theta - m.TRUTH) < 2.5 * deviations)


def test_kalman_filter_finds_durbin_and_koopmans_variances() -> None:
    m = load("kalman_filter")
    result = fitted("kalman_filter")
    np.testing.assert_allclose(np.exp(result.x), m.PUBLISHED, rtol=1e-4)
    np.testing.assert_allclose(result.fun, 632.546, atol=1e-3)


def test_lotka_volterra_finds_the_published_estimate() -> None:
    m = load("lotka_volterra")
    theta, search = fitted("lotka_volterra")
    assert search.converged
    np.testing.assert_allclose(np.exp(theta), m.PUBLISHED, rtol=0.04)


def test_pca_finds_the_singular_value_decomposition() -> None:
    m = load("pca")
    X = m.data()
    W, history = fitted("pca")
    singular, directions = np.linalg.svd(X, full_matrices=False)[1:]
    np.testing.assert_allclose(history[-1], np.sum(singular[2:] ** 2) / len(X), rtol=1e-12)
    np.testing.assert_allclose(W @ W.T, directions[:2].T @ directions[:2], atol=1e-10)
    np.testing.assert_allclose(np.corrcoef(X.T)[0, 1], 0.8018733, atol=1e-6)  # the table is the published one


def test_wave_equation_finds_speed_and_shape() -> None:
    m = load("wave_equation")
    shape, recording = m.data()
    theta, _ = fitted("wave_equation")
    assert abs(theta["speed"] - m.SPEED) < 1.5e-3
    assert np.sqrt(np.mean((theta["shape"] - shape) ** 2)) < m.NOISE
    assert np.sqrt(np.mean((m.simulate(theta["speed"], theta["shape"]) - recording) ** 2)) < m.NOISE


def test_gaussian_mixture_recovers_its_components() -> None:
    m = load("gaussian_mixture")
    theta = fitted("gaussian_mixture")
    g = bp.grad(m.loss)(theta, m.data())
    assert max(np.abs(leaf).max() for leaf in g.values()) < 1e-7
    weights = np.exp(theta["logits"]) / np.sum(np.exp(theta["logits"]))
    for weight, mean in zip(m.WEIGHTS, m.MEANS, strict=True):
        j = int(np.argmin(np.sum((theta["means"] - mean) ** 2, axis=1)))
        np.testing.assert_allclose(theta["means"][j], mean, atol=0.2)
        np.testing.assert_allclose(weights[j], weight, atol=0.06)


@pytest.mark.slow
def test_gaussian_mixture_reaches_the_likelihood_of_expectation_maximisation() -> None:
    mixture = pytest.importorskip("sklearn.mixture")

    m = load("gaussian_mixture")
    x = m.data()
    em = mixture.GaussianMixture(3, reg_covar=0.0, tol=1e-12, max_iter=2000, means_init=m.MEANS, random_state=0).fit(x)
    np.testing.assert_allclose(-m.loss(fitted("gaussian_mixture"), x), em.score(x), atol=1e-7)


def test_bundle_adjustment_reaches_the_noise() -> None:
    m = load("bundle_adjustment")
    _, seen, start = m.data()
    theta, costs = fitted("bundle_adjustment")
    expected = m.PIXEL_NOISE * np.sqrt(1 - (len(theta) - 7) / seen.size)
    assert m.rms(start, seen) > 10
    np.testing.assert_allclose(m.rms(theta, seen), expected, rtol=0.15)
    assert np.all(np.diff(costs) <= 0)
    assert np.abs(bp.grad(m.loss)(theta, seen)).max() < 1e-3


@pytest.mark.parametrize("spot", [30.0, 42.0, 60.0])
def test_greeks_are_the_closed_forms(spot: float) -> None:
    m = load("black_scholes")
    at = (spot, 0.25, 0.05, 0.75, 40.0)
    expected = m.closed_form(*at)
    for name, value in m.greeks(*at).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-11, err_msg=name)
    np.testing.assert_allclose(m.implied_volatility(m.call(*at), spot, *at[2:]), 0.25, rtol=1e-10)


@pytest.mark.slow
def test_mixture_density_network_comes_close_to_the_true_density() -> None:
    m = load("mixture_density_network")
    theta, history = fitted("mixture_density_network")
    fresh = m.data(n=5000, seed=99)
    assert history[-1] < history[0] - 1.0
    assert m.loss(theta, *fresh) < m.true_loss(*fresh) + 0.15
    _, means, _ = m.mixture(theta, np.array([[0.5]]))
    np.testing.assert_allclose(np.sort(means[0]), [0.2096, 0.5, 0.7904], atol=0.06)


# The pages themselves


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if "network" in n else ()) for n in NAMES])
def test_main_prints(name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(name)
    if name in FITTED:
        result = fitted(name)
        monkeypatch.setattr(module, "fit", lambda: result)
    module.main()
    assert "nan" not in capsys.readouterr().out.split()


@pytest.mark.parametrize("name", NAMES)
def test_the_mathematics_is_plain_numpy(name: str) -> None:
    module = load(name)
    uses = {key for key, f in vars(module).items() if hasattr(f, "__code__") and "bp" in f.__code__.co_names}
    assert uses <= {"fit", "main", "greeks", "implied_volatility"}


@pytest.mark.parametrize("name", NAMES)
def test_readme_has_the_example_and_its_length(name: str) -> None:
    lines = len((EXAMPLES / f"{name}.py").read_text(encoding="utf-8").splitlines())
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    row = re.search(rf"^\|.*\({name}\.py\).*$", readme, re.MULTILINE)
    assert row is not None
    assert f"| {lines} |" in row[0]
