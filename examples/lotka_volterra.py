"""Fitting a differential equation: hares and lynxes of the Hudson Bay, integrated by Runge-Kutta.

    dh/dt = α h - β h l,        dl/dt = -γ l + δ h l.

θ holds the logarithms of α, β, γ, δ and of both populations in 1900. The loss compares the logarithms of the solution
and of the pelts that were traded, and its gradient goes back through every step of the integrator.

Source: Lotka (1925), Volterra (1926); the pelt counts and the Bayesian estimates below: Carpenter, "Predator-prey
population dynamics: the Lotka-Volterra model in Stan" (2018), data from Howard (2009).
"""

import numpy as np

import backpass as bp
from backpass.descent import lbfgs

# fmt: off
HARES = np.array([30.0, 47.2, 70.2, 77.4, 36.3, 20.6, 18.1, 21.4, 22.0, 25.4, 27.1,
                  40.3, 57.0, 76.6, 52.3, 19.5, 11.2, 7.6, 14.6, 16.2, 24.7])  # thousands of pelts, 1900 to 1920
LYNXES = np.array([4.0, 6.1, 9.8, 35.2, 59.4, 41.7, 19.0, 13.0, 8.3, 9.1, 7.4,
                   8.0, 12.3, 19.5, 45.7, 51.1, 29.7, 15.8, 9.7, 10.1, 8.6])
# fmt: on
PELTS = np.stack([HARES, LYNXES], axis=1)
NAMES = ("alpha", "beta", "gamma", "delta", "hares in 1900", "lynxes in 1900")
PUBLISHED = np.array([0.55, 0.028, 0.80, 0.024, 34.0, 5.9])  # posterior means


def rk4(f, state, dt):
    """One step of the classical fourth-order Runge-Kutta method."""
    k1 = f(state)
    k2 = f(state + 0.5 * dt * k1)
    k3 = f(state + 0.5 * dt * k2)
    k4 = f(state + dt * k3)
    return state + dt / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)


def solve(theta, years, substeps=5):
    """Populations at the start of each year, shape (years, 2)."""
    alpha, beta, gamma, delta = np.exp(theta[:4])

    def f(state):
        hares, lynxes = state
        return np.stack([(alpha - beta * lynxes) * hares, (delta * hares - gamma) * lynxes])

    state = np.exp(theta[4:])
    path = [state]
    for _ in range(years - 1):
        for _ in range(substeps):
            state = rk4(f, state, 1.0 / substeps)
        path.append(state)
    return np.stack(path)


def loss(theta, pelts):
    """Mean squared difference of the logarithms."""
    return np.mean((np.log(solve(theta, len(pelts))) - np.log(pelts)) ** 2)


def fit():
    """L-BFGS from a rough guess; returns θ and what the search has to say."""
    value_and_grad = bp.compile(bp.value_and_grad(loss))  # traced once, then run as one graph
    start = np.log([0.7, 0.03, 0.7, 0.03, 30.0, 4.0])
    return lbfgs(lambda theta: value_and_grad(theta, PELTS), start, tolerance=1e-6)


def main():
    theta, search = fit()
    steps = (len(PELTS) - 1) * 5
    print(f"  {search.iterations} iterations, {search.evaluations} gradients through {steps} Runge-Kutta steps")
    print("                     found   Carpenter 2018")
    for name, found, published in zip(NAMES, np.exp(theta), PUBLISHED, strict=True):
        print(f"  {name:15s} {found:9.4f}   {published:9.4f}")
    print(f"  typical error: a factor of {np.exp(np.sqrt(search.loss)):.2f}")
    hares, lynxes = np.round(solve(theta, len(PELTS))).astype(int).T
    print("  year    hares seen, modelled    lynxes seen, modelled")
    for i in range(0, len(PELTS), 4):
        print(f"  {1900 + i}    {HARES[i]:10.1f} {hares[i]:9d}    {LYNXES[i]:11.1f} {lynxes[i]:9d}")


if __name__ == "__main__":
    main()
