"""Gaussian-process regression: the kernel's parameters by maximising the marginal likelihood.

With K = a² exp(-(x - x')² / 2l²) + s² I, the negative log marginal likelihood of n observations y is

    L = ½ yᵀ K⁻¹ y + ½ log|K| + ½ n log 2π,

computed through the Cholesky factor K = C Cᵀ. θ = (log a, log l, log s): amplitude, length scale, noise.

Source: Rasmussen and Williams, "Gaussian Processes for Machine Learning" (2006), eq. 2.30 and algorithm 2.1.
"""

import numpy as np

import backpass as bp
from backpass.descent import lbfgs

TRUTH = np.log([1.5, 0.8, 0.2])  # log amplitude, log length scale, log noise


def kernel(theta, x1, x2):
    """Squared-exponential covariance, shape (len(x1), len(x2))."""
    amplitude, length, _ = np.exp(theta)
    return amplitude**2 * np.exp(-0.5 * ((x1[:, None] - x2[None, :]) / length) ** 2)


def loss(theta, x, y):
    """Negative log marginal likelihood of the observations."""
    noise = np.exp(theta[2])
    factor = np.linalg.cholesky(kernel(theta, x, x) + noise**2 * np.eye(len(x)))
    alpha = np.linalg.solve(factor.T, np.linalg.solve(factor, y))
    return 0.5 * y @ alpha + np.sum(np.log(np.diag(factor))) + 0.5 * len(x) * np.log(2.0 * np.pi)


def predict(theta, x, y, new):
    """Posterior mean and standard deviation of the noise-free function at `new`."""
    covariance = kernel(theta, x, x) + np.exp(theta[2]) ** 2 * np.eye(len(x))
    cross = kernel(theta, new, x)
    mean = cross @ np.linalg.solve(covariance, y)
    variance = np.exp(theta[0]) ** 2 - np.sum(cross * np.linalg.solve(covariance, cross.T).T, axis=1)
    return mean, np.sqrt(variance)


def data(n=120, seed=3):
    """One function drawn from the prior at TRUTH, seen with noise at n places; also the function itself."""
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(0.0, 30.0, n))
    function = np.linalg.cholesky(kernel(TRUTH, x, x) + 1e-10 * np.eye(n)) @ rng.standard_normal(n)
    return x, function + np.exp(TRUTH[2]) * rng.standard_normal(n), function


def fit():
    """L-BFGS from amplitude = length = noise = 1; returns θ and what the search has to say."""
    x, y, _ = data()
    value_and_grad = bp.value_and_grad(loss)
    return lbfgs(lambda theta: value_and_grad(theta, x, y), np.zeros(3), tolerance=1e-6)


def main():
    x, y, function = data()
    theta, search = fit()
    print(f"  {len(x)} observations, {search.iterations} iterations, {search.evaluations} gradients")
    print("                   truth    found")
    for name, truth, found in zip(("amplitude", "length scale", "noise"), np.exp(TRUTH), np.exp(theta), strict=True):
        print(f"  {name:13s} {truth:8.3f} {found:8.3f}")
    print(f"  negative log marginal likelihood: {loss(TRUTH, x, y):.3f} at the truth, {search.loss:.3f} found")
    mean, deviation = predict(theta, x, y, x)
    print(f"  the function is recovered to {np.sqrt(np.mean((mean - function) ** 2)):.3f} (rms),")
    print(f"  {np.mean(np.abs(mean - function) < 2 * deviation):.0%} of it inside two posterior deviations")


if __name__ == "__main__":
    main()
