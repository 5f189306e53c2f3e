"""Bundle adjustment: where the cameras stood and where the points are, from the pictures alone.

A point X is turned by the camera's rotation vector r (Rodrigues' formula, angle φ = |r|, axis k = r/φ),

    X' = X cos φ + (k × X) sin φ + k (k · X)(1 - cos φ),

moved by its translation t, and projected by a pinhole of focal length f: (u, v) = f (x/z, y/z). The residuals are the
distances in pixels to what was seen; Levenberg-Marquardt needs their Jacobian.

Source: Triggs, McLauchlan, Hartley and Fitzgibbon, "Bundle adjustment: a modern synthesis" (2000); Hartley and
Zisserman, "Multiple View Geometry in Computer Vision" (2nd ed., 2004), appendix A4.3.2 for the rotation.
"""

import numpy as np

import backpass as bp

CAMERAS, POINTS, FOCAL, PIXEL_NOISE = 4, 20, 800.0, 0.5


def rotate(points, r):
    """Turn points (..., 3) by the rotation vectors r (..., 3), not zero."""
    angle = np.linalg.norm(r, axis=-1, keepdims=True)
    axis = r / angle
    along = np.sum(axis * points, axis=-1, keepdims=True)
    return points * np.cos(angle) + np.cross(axis, points) * np.sin(angle) + axis * along * (1.0 - np.cos(angle))


def project(theta):
    """Pixels of every point in every camera, shape (cameras, points, 2)."""
    cameras = theta[: 6 * CAMERAS].reshape(CAMERAS, 1, 6)
    points = theta[6 * CAMERAS :].reshape(1, POINTS, 3)
    x = rotate(points, cameras[..., :3]) + cameras[..., 3:]
    return FOCAL * x[..., :2] / x[..., 2:]


def residuals(theta, seen):
    """What the model predicts minus what was seen, in pixels, flat."""
    return (project(theta) - seen).ravel()


def loss(theta, seen):
    """Half the sum of the squared residuals."""
    return 0.5 * np.sum(residuals(theta, seen) ** 2)


def data(seed=0):
    """True θ: four cameras in an arc, looking at a cloud of points; noisy pictures; a rough first guess."""
    rng = np.random.default_rng(seed)
    turns = np.stack([[0.05, 0.02, 0.01], [0.1, -0.4, 0.0], [-0.1, 0.4, 0.05], [0.3, 0.1, -0.1]])
    moves = np.stack([[0.0, 0.0, 6.0], [0.3, 0.1, 6.5], [-0.2, 0.0, 6.2], [0.0, -0.3, 5.8]])
    points = rng.uniform(-1.0, 1.0, (POINTS, 3))
    truth = np.concatenate([np.concatenate([turns, moves], axis=1).ravel(), points.ravel()])
    seen = project(truth)
    seen = seen + PIXEL_NOISE * rng.standard_normal(seen.shape)
    return truth, seen, truth + 0.05 * rng.standard_normal(truth.shape)


def fit(steps=12):
    """Levenberg-Marquardt: solve (JᵀJ + λI) step = -Jᵀr, with λ falling after a success and rising after a failure."""
    _, seen, theta = data()
    jacobian, damping = bp.jacobian(residuals), 1.0
    r = residuals(theta, seen)
    costs = [0.5 * r @ r]
    for _ in range(steps):
        J = jacobian(theta, seen)
        trial = theta - np.linalg.solve(J.T @ J + damping * np.eye(len(theta)), J.T @ r)
        r_trial = residuals(trial, seen)
        if r_trial @ r_trial < r @ r:
            theta, r, damping = trial, r_trial, damping / 10.0
        else:
            damping = damping * 10.0
        costs.append(0.5 * r @ r)
    return theta, np.array(costs)


def rms(theta, seen):
    """Root mean square of the residuals, in pixels."""
    return np.sqrt(np.mean(residuals(theta, seen) ** 2))


def main():
    truth, seen, start = data()
    theta, costs = fit()
    unknowns = len(theta) - 7  # the pictures cannot tell where the world stands, how it is turned, or its scale
    expected = PIXEL_NOISE * np.sqrt(1 - unknowns / seen.size)
    print(f"  {len(theta)} unknowns, {seen.size} residuals, {len(costs) - 1} steps")
    print(f"  error in the pictures (rms, pixels): {rms(start, seen):.3f} at the start, {rms(theta, seen):.4f} found,")
    print(f"  {rms(truth, seen):.4f} at the truth; about {expected:.4f} is expected of the best fit")
    print(f"  gradient left: {np.abs(bp.grad(loss)(theta, seen)).max():.1e}")


if __name__ == "__main__":
    main()
