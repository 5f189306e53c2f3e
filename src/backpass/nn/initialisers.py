"""Initialisers: the numbers that θ starts from, ``f(rng, shape, dtype) -> array``.

The last two axes of a shape are (inputs, outputs), as in ``x @ W``; axes before them are a kernel's window. With R the
size of the window, fan_in = R · inputs and fan_out = R · outputs count the terms in a unit's sum forward and backward.
A setting is fixed by ``functools.partial(normal, std=0.02)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from .activations import ACTIVATIONS
from .named import name_of

Initialiser = Callable[[np.random.Generator, tuple[int, ...], Any], np.ndarray]


def zeros(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any = np.float64) -> np.ndarray:
    """All 0: for biases. Weights that start alike stay alike, so never for those.

    >>> zeros(np.random.default_rng(0), (2,))
    array([0., 0.])
    """
    return np.zeros(shape, dtype)


def ones(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any = np.float64) -> np.ndarray:
    """All 1: for the scales of a normalisation.

    >>> ones(np.random.default_rng(0), (2,))
    array([1., 1.])
    """
    return np.ones(shape, dtype)


def constant(
    rng: np.random.Generator, shape: tuple[int, ...], dtype: Any = np.float64, *, value: float = 0.0
) -> np.ndarray:
    """All `value`.

    >>> constant(np.random.default_rng(0), (2,), value=0.5)
    array([0.5, 0.5])
    """
    return np.full(shape, value, dtype)


def normal(
    rng: np.random.Generator, shape: tuple[int, ...], dtype: Any = np.float64, *, mean: float = 0.0, std: float = 0.01
) -> np.ndarray:
    """Independent normal numbers of this mean and standard deviation.

    >>> normal(np.random.default_rng(0), (2,), std=1.0).round(3)
    array([ 0.126, -0.132])
    """
    return (mean + std * rng.standard_normal(shape)).astype(dtype)


def glorot_uniform(
    rng: np.random.Generator, shape: tuple[int, ...], dtype: Any = np.float64, *, gain: float = 1.0
) -> np.ndarray:
    """U(−a, a) with a = gain · √(6 / (fan_in + fan_out)): keeps the variance of signals and gradients in tanh layers.

    Source: Glorot & Bengio, Understanding the difficulty of training deep feedforward neural networks, AISTATS 2010,
    eq. 16.

    >>> bool(np.abs(glorot_uniform(np.random.default_rng(0), (100, 50))).max() <= np.sqrt(6 / 150))
    True
    """
    return _uniform(rng, shape, dtype, gain * math.sqrt(2.0 / _at_least_one(sum(fans(shape)))))


def glorot_normal(
    rng: np.random.Generator, shape: tuple[int, ...], dtype: Any = np.float64, *, gain: float = 1.0
) -> np.ndarray:
    """N(0, σ²) with σ = gain · √(2 / (fan_in + fan_out)).

    Source: Glorot & Bengio, 2010, eq. 12.

    >>> float(glorot_normal(np.random.default_rng(0), (300, 300)).std().round(4))
    0.0578
    """
    return normal(rng, shape, dtype, std=gain * math.sqrt(2.0 / _at_least_one(sum(fans(shape)))))


def he_uniform(
    rng: np.random.Generator, shape: tuple[int, ...], dtype: Any = np.float64, *, slope: float = 0.0
) -> np.ndarray:
    """U(−a, a) with the variance of `he_normal`: a = √(6 / ((1 + slope²) fan_in)).

    Source: He, Zhang, Ren & Sun, Delving deep into rectifiers, ICCV 2015.

    >>> bool(np.abs(he_uniform(np.random.default_rng(0), (100, 50))).max() <= np.sqrt(6 / 100))
    True
    """
    return _uniform(rng, shape, dtype, math.sqrt(2.0 / ((1.0 + slope**2) * _at_least_one(fans(shape)[0]))))


def he_normal(
    rng: np.random.Generator, shape: tuple[int, ...], dtype: Any = np.float64, *, slope: float = 0.0
) -> np.ndarray:
    """N(0, σ²) with σ = √(2 / ((1 + slope²) fan_in)): keeps the variance of signals through (leaky) ReLU layers.

    `slope` is the leaky ReLU's; 0 for ReLU itself.

    Source: He, Zhang, Ren & Sun, Delving deep into rectifiers, ICCV 2015, eqs. 10 and 15.

    >>> float(he_normal(np.random.default_rng(0), (200, 300)).std().round(4))
    0.1
    """
    return normal(rng, shape, dtype, std=math.sqrt(2.0 / ((1.0 + slope**2) * _at_least_one(fans(shape)[0]))))


def lecun_uniform(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any = np.float64) -> np.ndarray:
    """U(−a, a) with a = √(3 / fan_in), the variance of `lecun_normal`.

    Source: LeCun, Bottou, Orr & Müller, Efficient BackProp, 1998.

    >>> bool(np.abs(lecun_uniform(np.random.default_rng(0), (100, 50))).max() <= np.sqrt(3 / 100))
    True
    """
    return _uniform(rng, shape, dtype, math.sqrt(1.0 / _at_least_one(fans(shape)[0])))


def lecun_normal(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any = np.float64) -> np.ndarray:
    """N(0, σ²) with σ = 1/√fan_in: inputs of variance 1 give sums of variance 1.

    Source: LeCun, Bottou, Orr & Müller, Efficient BackProp, 1998, eq. 16.

    >>> float(lecun_normal(np.random.default_rng(0), (200, 300)).std().round(4))
    0.0707
    """
    return normal(rng, shape, dtype, std=math.sqrt(1.0 / _at_least_one(fans(shape)[0])))


def orthogonal(
    rng: np.random.Generator, shape: tuple[int, ...], dtype: Any = np.float64, *, gain: float = 1.0
) -> np.ndarray:
    """A uniformly random orthogonal matrix times `gain`: orthonormal rows or columns, whichever are fewer.

    The QR factor Q of a normal matrix, with the signs of R's diagonal multiplied in, without which Q would not be
    uniform (Mezzadri, How to generate random matrices from the classical compact groups, 2007). Axes before the last
    are one.

    Source: Saxe, McClelland & Ganguli, Exact solutions to the nonlinear dynamics of learning, ICLR 2014.

    >>> Q = orthogonal(np.random.default_rng(0), (5, 3))
    >>> (Q.T @ Q).round(12) + 0.0
    array([[1., 0., 0.],
           [0., 1., 0.],
           [0., 0., 1.]])
    """
    if len(shape) < 2:
        raise ValueError(f"orthogonal needs a shape of at least two axes, got {shape}; use normal or zeros")
    rows, columns = math.prod(shape[:-1]), shape[-1]
    q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
    q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
    return (gain * (q.T if rows < columns else q)).reshape(shape).astype(dtype)


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """(fan_in, fan_out) of a shape: (…window, inputs, outputs). An axis alone is both.

    >>> fans((3, 3, 16, 32))
    (144, 288)
    """
    if len(shape) < 2:
        return math.prod(shape), math.prod(shape)
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


def initialiser_before(activation: Callable[..., Any] | None) -> Initialiser:
    """What suits weights whose sums go into `activation`.

    `he_normal` before one that passes the positive half and stops the negative (relu, leaky relu with its slope, elu,
    gelu, silu, softplus), else `glorot_uniform`.

    >>> initialiser_before(ACTIVATIONS["relu"]).__name__, initialiser_before(None).__name__
    ('he_normal', 'glorot_uniform')
    """
    name = name_of(activation, ACTIVATIONS) if activation is not None else None
    if name not in ("relu", "leaky_relu", "elu", "gelu", "silu", "softplus"):
        return glorot_uniform
    if name == "leaky_relu":
        slope = activation.keywords.get("slope", 0.01) if isinstance(activation, partial) else 0.01
        return partial(he_normal, slope=slope)
    return he_normal


def _uniform(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any, std: float) -> np.ndarray:
    limit = math.sqrt(3.0) * std
    return rng.uniform(-limit, limit, shape).astype(dtype)


def _at_least_one(fan: int) -> int:
    return max(fan, 1)


INITIALISERS: dict[str, Callable[..., Any]] = {
    "glorot_uniform": glorot_uniform,
    "glorot_normal": glorot_normal,
    "he_uniform": he_uniform,
    "he_normal": he_normal,
    "lecun_uniform": lecun_uniform,
    "lecun_normal": lecun_normal,
    "orthogonal": orthogonal,
    "zeros": zeros,
    "ones": ones,
    "constant": constant,
    "normal": normal,
}
"""Every initialiser, by the name a person types."""
