"""Kalman filter: the variances of a state-space model by maximum likelihood.

The level of the Nile wanders, and each year's flow at Aswan is the level seen with an error:

    yₜ = H mₜ + εₜ,  εₜ ~ N(0, R),        mₜ = F mₜ₋₁ + ηₜ,  ηₜ ~ N(0, Q).

The filter gives log p(y) as a sum over one-step predictions; its gradient goes back through all 99 steps. The filter is
written for matrices of any size; here each is 1 x 1 (the "local level" model).

Source: Durbin and Koopman, "Time Series Analysis by State Space Methods" (2nd ed., 2012), chapter 2, with its data.
"""

import numpy as np
from scipy.optimize import minimize

import backpass as bp

# Annual flow of the Nile at Aswan, 1871 to 1970, in 10^8 m³ (Cobb, Biometrika 65, 1978).
# fmt: off
NILE = np.array(
    [1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180, 799, 958,
     1140, 1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833, 701, 916, 692, 1020, 1050,
     969, 831, 726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759,
     781, 865, 845, 944, 984, 897, 822, 1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890, 744,
     749, 838, 1050, 918, 986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740],
    dtype=float,
)
# fmt: on
PUBLISHED = np.array([15099.0, 1469.1])  # R and Q, Durbin and Koopman, section 2.10.3


def log_likelihood(y, F, H, Q, R, m, P):
    """log p(y) of observations y (T, d), given the state's mean m (n,) and covariance P (n, n) before the first."""
    total = 0.0
    for observed in y:
        m = F @ m  # predict
        P = F @ P @ F.T + Q
        surprise = observed - H @ m
        S = H @ P @ H.T + R  # the covariance of the surprise
        _, log_det = np.linalg.slogdet(S)
        total = total - 0.5 * (surprise @ np.linalg.solve(S, surprise) + log_det + len(observed) * np.log(2 * np.pi))
        gain = P @ H.T @ np.linalg.inv(S)  # update
        m = m + gain @ surprise
        P = P - gain @ H @ P
    return total


def loss(theta, y):
    """Negative log-likelihood of the local level model, θ = (log R, log Q); nothing is known before the first year."""
    R, Q = np.diag(np.exp(theta[:1])), np.diag(np.exp(theta[1:]))
    one = np.eye(1)
    return -log_likelihood(y[1:], one, one, Q, R, m=y[0], P=R)


def fit():
    """Quasi-Newton descent from R = Q = 10⁴; returns scipy's result."""
    y = NILE[:, None]
    start = np.log([1e4, 1e4])
    return minimize(bp.value_and_grad(loss), start, args=(y,), jac=True, method="BFGS", options={"gtol": 1e-6})


def main():
    result = fit()
    print(f"  {result.nit} iterations, {result.nfev} gradients through {len(NILE) - 1} filter steps")
    print("                               found   published")
    for name, found, published in zip(("observation", "level"), np.exp(result.x), PUBLISHED, strict=True):
        print(f"  variance of the {name:12s} {found:8.1f}    {published:8.1f}")
    print(f"  log-likelihood {-result.fun:.3f}")


if __name__ == "__main__":
    main()
