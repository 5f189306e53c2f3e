"""Jets: Taylor polynomials of a function's parameters, for derivatives of recurrences and series in parameters.

A jet is an array of coefficients, one axis a parameter, and the entries of arrays along the last axis: ``jet[i, j]`` is
that of εⁱδʲ, where the parameters have moved by ε and δ. What is beyond its shape is cut off.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .special import _apply


class Linear(NamedTuple):
    """A linear function of the parameters: its value, and its slope in each."""

    value: Any
    slopes: tuple[float, ...]

    def plus(self, shift: Any) -> Linear:
        return Linear(self.value + shift, self.slopes)


def constant(orders: tuple[int, ...], value: Any) -> np.ndarray:
    jet = np.zeros((*[n + 1 for n in orders], len(value)))
    jet[(0,) * len(orders)] = value
    return jet


def derivative(jet: np.ndarray) -> np.ndarray:
    """The derivative of the highest orders that the jet has."""
    return jet[(-1,) * (jet.ndim - 1)] * math.prod(math.factorial(n - 1) for n in jet.shape[:-1])


def _moved(jet: np.ndarray, axis: int) -> np.ndarray:
    """The jet times ε of this axis."""
    moved = np.zeros_like(jet)
    np.moveaxis(moved, axis, 0)[1:] = np.moveaxis(jet, axis, 0)[:-1]
    return moved


def _turned(jet: np.ndarray, slopes: tuple[float, ...]) -> Any:
    return sum(slope * _moved(jet, axis) for axis, slope in enumerate(slopes) if slope and jet.shape[axis] > 1)


def times(jet: np.ndarray, factor: Linear) -> np.ndarray:
    return factor.value * jet + _turned(jet, factor.slopes)


def over(jet: np.ndarray, divisor: Linear) -> np.ndarray:
    """1/(v + ε) = 1/v − ε/v² + …, as far as the jet goes."""
    term = total = jet / divisor.value
    for _ in range(sum(n - 1 for n, slope in zip(jet.shape, divisor.slopes, strict=False) if slope)):
        term = -_turned(term, divisor.slopes) / divisor.value
        total = total + term
    return total


def times_exponential(jet: np.ndarray, logs: Any, power: int = 1) -> np.ndarray:
    """The jet times exp(logs · ε^power), ε of the first parameter."""
    term = total = jet
    for k in range(1, (jet.shape[0] - 1) // power + 1):
        for _ in range(power):
            term = _moved(term, 0)
        term = term * (logs / k)
        total = total + term
    return total


def times_gamma(jet: np.ndarray, x: Any, power: int = 1) -> np.ndarray:
    """The jet times Γ(x + ε)^±1, ε of the first parameter: log Γ has the derivatives ψ, ψ′, …"""
    for k in range(1, jet.shape[0]):
        slope = _apply("psi")(x) if k == 1 else (-1.0) ** k * math.factorial(k - 1) * _apply("zeta")(float(k), x)
        jet = times_exponential(jet, power * slope / math.factorial(k), k)
    return jet * (_apply("gamma" if power > 0 else "rgamma")(x))


__all__ = ["Linear", "constant", "derivative", "over", "times", "times_exponential", "times_gamma"]
