"""An inverse problem: hear how a ring was plucked, and how fast waves run on it, from four microphones.

A ring of 40 points obeys the wave equation ∂²u/∂t² = c² ∂²u/∂x², stepped by the leapfrog scheme

    uₙ₊₁ = 2 uₙ - uₙ₋₁ + s² (uₙ shifted left - 2 uₙ + uₙ shifted right),        s = c Δt / Δx,

from rest. Only four points are recorded, with noise. θ holds s and the whole initial shape; the gradient runs the
simulation backwards (the "adjoint-state method" of seismology, without writing it).

Source: Courant, Friedrichs and Lewy (1928) for the scheme; Plessix, "A review of the adjoint-state method for computing
the gradient of a functional with geophysical applications", Geophys. J. Int. 167 (2006), for the inversion.
"""

import numpy as np

import backpass as bp
from backpass.descent import lbfgs

POINTS, STEPS, NOISE, SPEED = 40, 100, 0.02, 0.6
MICROPHONES = np.array([3, 11, 23, 32])


def simulate(speed, shape, steps=STEPS):
    """What the microphones hear, shape (steps, 4), when the ring is let go from rest in `shape`."""

    def curvature(u):
        return np.roll(u, -1) - 2.0 * u + np.roll(u, 1)

    before, now = shape, shape + 0.5 * speed**2 * curvature(shape)
    heard = [before[MICROPHONES]]
    for _ in range(steps - 1):
        heard.append(now[MICROPHONES])
        before, now = now, 2.0 * now - before + speed**2 * curvature(now)
    return np.stack(heard)


def loss(theta, recording, smoothness=0.05):
    """Mean squared misfit, plus a small penalty on differences between neighbours."""
    shape = theta["shape"]
    misfit = np.mean((simulate(theta["speed"], shape, len(recording)) - recording) ** 2)
    return misfit + smoothness * NOISE * np.mean(np.diff(shape, append=shape[:1]) ** 2)


def data(seed=1):
    """The true shape, a tall and a low hump, and a noisy recording of what follows."""
    x = np.arange(POINTS)
    shape = np.exp(-0.5 * ((x - 13) / 3.0) ** 2) - 0.5 * np.exp(-0.5 * ((x - 28) / 4.0) ** 2)
    clean = simulate(SPEED, shape)
    return shape, clean + NOISE * np.random.default_rng(seed).standard_normal(clean.shape)


def fit():
    """L-BFGS from a flat ring and a speed 10 % too high; returns θ and what the search has to say."""
    _, recording = data()
    value_and_grad = bp.compile(bp.value_and_grad(loss))  # traced once, then run as one graph
    start = {"speed": 1.1 * SPEED, "shape": np.zeros(POINTS)}
    return lbfgs(lambda theta: value_and_grad(theta, recording), start, max_iterations=50)


def main():
    shape, recording = data()
    theta, search = fit()
    speed, found = theta["speed"], theta["shape"]
    print(f"  {search.iterations} iterations, {search.evaluations} gradients through {STEPS} time steps")
    print(f"  speed: {SPEED} in truth, {1.1 * SPEED:.3f} at the start, {speed:.5f} found")
    error = np.sqrt(np.mean((found - shape) ** 2))
    print(f"  initial shape: error {error:.4f} (rms), height {np.abs(shape).max():.2f}")
    misfit = np.sqrt(np.mean((simulate(speed, found) - recording) ** 2))
    print(f"  misfit of the recording: {misfit:.4f}, its noise: {NOISE}")
    for name, u in (("truth", shape), ("found", found)):
        print(f"  {name}  " + "".join(" .:-=+*#%@"[int(level)] for level in np.clip((u + 0.6) / 1.7 * 10, 0, 9)))


if __name__ == "__main__":
    main()
