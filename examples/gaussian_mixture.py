"""A mixture of Gaussians fitted by gradient descent on its log-likelihood, instead of by expectation-maximisation.

    p(x) = Σₖ πₖ N(x; μₖ, Σₖ),        Σₖ⁻¹ = Aₖᵀ Aₖ,

with πₖ = softmax of `logits`, and Aₖ lower triangular with a positive diagonal, so that every θ is a valid mixture: the
diagonal of `factors` holds its logarithms, the part below holds the rest, and the part above is not used.

Source: Bishop, "Pattern Recognition and Machine Learning" (2006), section 9.2, eq. 9.14; the triangular parametrisation
is that of Srajer, Kukelova and Fitzgibbon, "A benchmark of selected algorithmic differentiation tools" (2018).
"""

import numpy as np

import backpass as bp

WEIGHTS = np.array([0.5, 0.3, 0.2])
MEANS = np.array([[0.0, 0.0], [4.0, 1.0], [-1.0, 4.0]])
COVARIANCES = np.array([[[1.0, 0.6], [0.6, 1.0]], [[0.5, -0.2], [-0.2, 0.8]], [[1.5, 0.0], [0.0, 0.3]]])


def logsumexp(a, axis):
    """log Σ exp(a), shifted by the largest entry so that nothing overflows."""
    top = np.max(a, axis=axis, keepdims=True)
    return np.squeeze(top, axis) + np.log(np.sum(np.exp(a - top), axis=axis))


def log_density(theta, x):
    """log p(x) for each row of x (n, d)."""
    d = x.shape[1]
    log_weights = theta["logits"] - logsumexp(theta["logits"], axis=0)
    log_diagonal = np.diagonal(theta["factors"], axis1=1, axis2=2)
    A = np.tril(theta["factors"], -1) + np.exp(log_diagonal)[:, :, None] * np.eye(d)
    white = np.einsum("kij,nkj->nki", A, x[:, None, :] - theta["means"])
    log_normal = log_diagonal.sum(axis=1) - 0.5 * np.sum(white**2, axis=2) - 0.5 * d * np.log(2 * np.pi)
    return logsumexp(log_weights + log_normal, axis=1)


def loss(theta, x):
    """Mean negative log-likelihood."""
    return -np.mean(log_density(theta, x))


def data(n=500, seed=0):
    """n draws from the true mixture, shape (n, 2)."""
    rng = np.random.default_rng(seed)
    component = rng.choice(3, size=n, p=WEIGHTS)
    noise = np.einsum("nij,nj->ni", np.linalg.cholesky(COVARIANCES)[component], rng.standard_normal((n, 2)))
    return MEANS[component] + noise


def covariances(theta):
    """Σₖ = (Aₖᵀ Aₖ)⁻¹ of a fitted θ."""
    A = np.tril(theta["factors"], -1) + np.exp(theta["factors"]) * np.eye(theta["means"].shape[1])
    return np.linalg.inv(np.swapaxes(A, 1, 2) @ A)


def fit(k=3, steps=500, rate=0.2, decay=0.9, seed=0):
    """Gradient descent with momentum; the means start at k of the points."""
    x = data()
    starts = x[np.random.default_rng(seed).choice(len(x), k, replace=False)]
    theta = {"logits": np.zeros(k), "means": starts, "factors": np.zeros((k, x.shape[1], x.shape[1]))}
    velocity = {name: np.zeros_like(value) for name, value in theta.items()}
    gradient = bp.grad(loss)
    for _ in range(steps):
        g = gradient(theta, x)
        velocity = {name: decay * velocity[name] - rate * g[name] for name in theta}
        theta = {name: theta[name] + velocity[name] for name in theta}
    return theta


def main():
    x = data()
    theta = fit()
    weights = np.exp(theta["logits"] - logsumexp(theta["logits"], axis=0))
    nearest = [int(np.argmin(np.sum((theta["means"] - mean) ** 2, axis=1))) for mean in MEANS]
    print("  weight            mean                     covariance xx, xy, yy      (truth above, found below)")
    for k, j in enumerate(nearest):
        truth, found = (WEIGHTS[k], MEANS[k], COVARIANCES[k]), (weights[j], theta["means"][j], covariances(theta)[j])
        for pi, mu, S in (truth, found):
            print(f"  {pi:6.3f}    ({mu[0]:7.3f}, {mu[1]:7.3f})         {S[0, 0]:8.3f} {S[0, 1]:8.3f} {S[1, 1]:8.3f}")
    print(f"  mean log-likelihood: {-loss(theta, x):.5f}")


if __name__ == "__main__":
    main()
