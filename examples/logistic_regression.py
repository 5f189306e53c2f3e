"""Logistic regression: did the cold break the O-rings of the space shuttle Challenger?

Each of the 23 flights before the accident has a launch temperature x and a mark y: was any O-ring damaged? The model is

    P(y = 1 | x) = 1 / (1 + exp(-(w x + b))),

and (w, b) minimise the mean negative log-likelihood. On the morning of 28 January 1986 it was 31 °F.

Source: Dalal, Fowlkes and Hoadley, "Risk analysis of the space shuttle", JASA 84 (1989), 945-957.
"""

import numpy as np

import backpass as bp

TEMPERATURE = np.array(
    [66, 70, 69, 68, 67, 72, 73, 70, 57, 63, 70, 78, 67, 53, 67, 75, 70, 81, 76, 79, 75, 76, 58], dtype=float
)  # °F at launch
DAMAGED = np.array([0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1], dtype=float)
PUBLISHED = {"w": -0.2322, "b": 15.0429}  # the maximum-likelihood fit


def loss(theta, x, y):
    """Mean negative log-likelihood: -log P(y) = log(1 + exp(z)) - y z, written so that no exp overflows."""
    z = x @ theta["w"] + theta["b"]
    return np.mean(np.logaddexp(0.0, z) - y * z)


def probability(theta, x):
    """P(damage) for each row of x."""
    return 1.0 / (1.0 + np.exp(-(x @ theta["w"] + theta["b"])))


def data():
    """Temperatures as one standardised column (23, 1), the marks (23,), and the mean and deviation that were used."""
    mean, deviation = TEMPERATURE.mean(), TEMPERATURE.std()
    return ((TEMPERATURE - mean) / deviation)[:, None], DAMAGED, mean, deviation


def fit(steps=600, rate=1.0):
    """Gradient descent, θ ← θ - rate · ∂L/∂θ; returns θ in units of 1/°F, and the last gradient."""
    x, y, mean, deviation = data()
    theta = {"w": np.zeros(1), "b": np.array(0.0)}
    gradient = bp.grad(loss)
    for _ in range(steps):
        g = gradient(theta, x, y)
        theta = {name: theta[name] - rate * g[name] for name in theta}
    w = theta["w"] / deviation
    return {"w": w, "b": theta["b"] - w[0] * mean}, gradient(theta, x, y)


def main():
    theta, g = fit()
    print("            found   published")
    print(f"  w      {theta['w'][0]:8.4f}    {PUBLISHED['w']:8.4f}   per °F")
    print(f"  b      {theta['b']:8.4f}    {PUBLISHED['b']:8.4f}")
    print(f"  gradient left: {max(np.abs(g['w']).max(), np.abs(g['b'])):.1e}")
    for degrees in (75.0, 53.0, 31.0):
        print(f"  P(damage at {degrees:.0f} °F) = {probability(theta, np.array([[degrees]]))[0]:.4f}")


if __name__ == "__main__":
    main()
