"""Activations: the functions between layers, elementwise but for softmax, in plain NumPy.

All keep shape and dtype, take |x| up to 1e4 without a warning, and have finite derivatives there: where a formula has
two branches, the argument of the branch not taken is replaced before the function that could overflow sees it, since an
infinite derivative times the zero of ``np.where`` would be NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..partials.composite import composite, log_softmax, softmax
from ..partials.special import NDTR

tanh = np.tanh
"""Hyperbolic tangent: NumPy's own function is the activation."""


def identity(x: Any) -> Any:
    """x itself: what a layer without an activation computes.

    >>> identity(2.0)
    2.0
    """
    return x


@composite("relu")
def relu(x: Any) -> Any:
    """Rectified linear unit: x where x > 0, else 0. The derivative at 0 is taken as 0.

    Source: Nair & Hinton, Rectified linear units improve restricted Boltzmann machines, ICML 2010.

    >>> relu(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """
    # Not where(x > 0, x, 0): a NaN is not above 0, and would leave as a harmless 0.
    return np.where(x <= 0, 0.0, x)


@composite("leaky_relu")
def leaky_relu(x: Any, slope: float = 0.01) -> Any:
    """x where x > 0, else slope·x. The derivative at 0 is taken as `slope`.

    Source: Maas, Hannun & Ng, Rectifier nonlinearities improve neural network acoustic models, ICML 2013.

    >>> leaky_relu(np.array([-1.0, 2.0]))
    array([-0.01,  2.  ])
    """
    return np.where(x > 0, x, slope * x)


@composite("elu")
def elu(x: Any, alpha: float = 1.0) -> Any:
    """Exponential linear unit: x where x > 0, else α (exp(x) − 1). The derivative at 0 is taken as α.

    Source: Clevert, Unterthiner & Hochreiter, Fast and accurate deep network learning by ELUs, ICLR 2016, eq. 15.

    >>> elu(np.array([-1e4, -1.0, 2.0])).round(4)
    array([-1.    , -0.6321,  2.    ])
    """
    return np.where(x > 0, x, alpha * np.expm1(np.where(x > 0, 0.0, x)))


@composite("gelu")
def gelu(x: Any, approximate: bool = False) -> Any:
    """Gaussian error linear unit: x Φ(x), with Φ the normal distribution function.

    With `approximate`: ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))), within 5e-4 of it.

    Source: Hendrycks & Gimpel, Gaussian error linear units, arXiv 1606.08415, section 2.

    >>> gelu(np.array([-1.0, 0.0, 1.0]), approximate=True).round(4)
    array([-0.1588,  0.    ,  0.8412])
    """
    if approximate:
        return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)))
    # Not ½ (1 + erf(x/√2)): in the lower tail that is a difference of two ones, and loses every digit.
    return x * NDTR(x)


@composite("sigmoid")
def sigmoid(x: Any) -> Any:
    """Logistic function: 1 / (1 + exp(−x)), to full relative precision in both tails.

    >>> sigmoid(np.array([-1e4, 0.0, 1e4]))
    array([0. , 0.5, 1. ])
    """
    small = _exp_of_minus_magnitude(x)
    return np.where(x >= 0, 1.0, small) / (1.0 + small)


@composite("silu")
def silu(x: Any) -> Any:
    """Sigmoid linear unit, also called swish: x / (1 + exp(−x)).

    Source: Hendrycks & Gimpel, arXiv 1606.08415, section 4; Ramachandran, Zoph & Le, Searching for activation
    functions, 2017.

    >>> silu(np.array([-1.0, 0.0, 1.0])).round(4)
    array([-0.2689,  0.    ,  0.7311])
    """
    return x * sigmoid(x)


@composite("softplus")
def softplus(x: Any) -> Any:
    """log(1 + exp(x)), computed as max(x, 0) + log(1 + exp(−|x|)).

    Source: Dugas, Bengio, Bélisle, Nadeau & Garcia, Incorporating second-order functional knowledge, NIPS 2000.

    >>> softplus(np.array([-1e4, 0.0, 1e4])).round(4)
    array([0.000e+00, 6.931e-01, 1.000e+04])
    """
    return np.where(x >= 0, x, 0.0) + np.log1p(_exp_of_minus_magnitude(x))


def _exp_of_minus_magnitude(x: Any) -> Any:
    # exp(−|x|) by where: np.abs has derivative 0 at 0, and the two halves must meet there with their own, −1 and 1.
    return np.exp(np.where(x >= 0, -x, x))


ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "identity": identity,
    "relu": relu,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "gelu": gelu,
    "silu": silu,
    "tanh": tanh,
    "sigmoid": sigmoid,
    "softplus": softplus,
    "softmax": softmax,
    "log_softmax": log_softmax,
}
"""Every activation, by the name a person types."""
