"""A mixture density network: a small net whose output is a whole distribution, for an inverse problem with many
answers.

t is drawn evenly from [0, 1] and x = t + 0.3 sin(2πt) + noise. Going back, one x may come from up to three t, and a
network trained on squared error answers with their average, which is none of them. Here the net's output at x is the
weights, means and deviations of three Gaussians, and the loss is the negative log-likelihood of t:

    L = -mean log Σₖ πₖ(x) N(t; μₖ(x), σₖ(x)²).

Source: Bishop, "Mixture density networks", technical report NCRG/94/004 (1994), section 5, with its inverse problem.
"""

import numpy as np

import backpass as bp
from backpass.descent import adam

NOISE, HIDDEN, COMPONENTS = 0.05, 20, 3


def forward(t):
    """The direct problem, without noise."""
    return t + 0.3 * np.sin(2 * np.pi * t)


def mixture(theta, x):
    """Log weights, means and log deviations of the mixture at each x (n, 1): three arrays (n, components)."""
    hidden = np.tanh(x @ theta["W1"] + theta["b1"])
    logits, means, log_deviations = np.split(hidden @ theta["W2"] + theta["b2"], 3, axis=1)
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True)), means, log_deviations


def loss(theta, x, t):
    """Mean negative log-likelihood of t (n, 1)."""
    log_weights, means, log_deviations = mixture(theta, x)
    scores = (t - means) * np.exp(-log_deviations)
    terms = log_weights - log_deviations - 0.5 * scores**2 - 0.5 * np.log(2 * np.pi)
    top = terms.max(axis=1, keepdims=True)
    return -np.mean(top[:, 0] + np.log(np.sum(np.exp(terms - top), axis=1)))


def data(n=500, seed=0):
    """Columns x and t, each (n, 1)."""
    rng = np.random.default_rng(seed)
    t = rng.uniform(0.0, 1.0, (n, 1))
    return forward(t) + NOISE * rng.standard_normal((n, 1)), t


def initial(seed=1):
    """Random θ; the components start at different places."""
    rng = np.random.default_rng(seed)
    return {
        "W1": rng.standard_normal((1, HIDDEN)) * 3.0,
        "b1": rng.standard_normal(HIDDEN) * 1.5,
        "W2": rng.standard_normal((HIDDEN, 3 * COMPONENTS)) / np.sqrt(HIDDEN) * 0.3,
        "b2": np.concatenate([np.zeros(COMPONENTS), np.linspace(0.1, 0.9, COMPONENTS), np.full(COMPONENTS, -1.0)]),
    }


def fit(steps=1500, rate=0.01):
    """Adam over the whole data set; returns θ and the loss at each step."""
    x, t = data()
    theta, rule = initial(), adam(rate)
    state = rule.init(theta)
    value_and_grad = bp.compile(bp.value_and_grad(loss))  # traced once, then run as one graph
    history = []
    for step in range(steps):
        value, g = value_and_grad(theta, x, t)
        history.append(value)
        theta, state = rule.update(theta, g, state, step)
    return theta, np.array(history)


def true_loss(x, t, grid=4001):
    """The loss of the true conditional density p(t|x) ∝ N(x; forward(t), NOISE²), normalised on a grid over [0, 1]."""
    every = np.linspace(0.0, 1.0, grid)
    normaliser = np.mean(np.exp(-0.5 * ((x - forward(every)) / NOISE) ** 2), axis=1)
    return -np.mean(-0.5 * ((x - forward(t)) / NOISE)[:, 0] ** 2 - np.log(normaliser))


def main():
    theta, history = fit()
    x, t = data()
    fresh = data(n=5000, seed=99)
    print(f"  negative log-likelihood: {history[0]:.4f} at first, {loss(theta, x, t):.4f} after {len(history)} steps")
    print(f"  on 5,000 fresh pairs: {loss(theta, *fresh):.4f}; the true density's: {true_loss(*fresh):.4f}")
    log_weights, means, log_deviations = mixture(theta, np.array([[0.5]]))
    print("  at x = 0.5, where t may be 0.210, 0.5 or 0.790, and a single answer would be 0.5:")
    for k in np.argsort(means[0]):
        print(
            f"    weight {np.exp(log_weights[0, k]):.2f}   mean {means[0, k]:.3f}"
            f"   deviation {np.exp(log_deviations[0, k]):.3f}"
        )


if __name__ == "__main__":
    main()
