"""Jets: Taylor polynomials of a function's parameters, for derivatives of recurrences and series in parameters.

A jet is an array of coefficients, one axis a parameter, and the entries of arrays along the last axis: ``jet[i, j]`` is
that of εⁱδʲ, where the parameters have moved by ε and δ. What is beyond its shape is cut off.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .special import _apply, _polygamma, largest


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


def _moved(jet: np.ndarray, slopes: tuple[float, ...]) -> np.ndarray:
    """The jet times Σ slope · ε."""
    moved = np.zeros_like(jet)
    for axis, slope in enumerate(slopes):
        if slope:
            np.moveaxis(moved, axis, 0)[1:] += slope * np.moveaxis(jet, axis, 0)[:-1]
    return moved


def _reach(jet: np.ndarray, slopes: tuple[float, ...]) -> int:
    """The highest power of Σ slope · ε that the jet has room for."""
    return sum(n - 1 for n, slope in zip(jet.shape, slopes, strict=False) if slope)


def times(jet: np.ndarray, factor: Linear) -> np.ndarray:
    return factor.value * jet + _moved(jet, factor.slopes)


def over(jet: np.ndarray, divisor: Linear) -> np.ndarray:
    """1/(v + ε) = 1/v − ε/v² + …, as far as the jet goes."""
    term = total = jet / divisor.value
    for _ in range(_reach(jet, divisor.slopes)):
        term = -_moved(term, divisor.slopes) / divisor.value
        total = total + term
    return total


def rising(jet: np.ndarray, start: Linear, count: int) -> np.ndarray:
    """The jet times start (start + 1) … (start + count − 1)."""
    for k in range(count):
        jet = times(jet, start.plus(k))
    return jet


def times_exponential(jet: np.ndarray, logs: Any, slopes: tuple[float, ...], power: int = 1) -> np.ndarray:
    """The jet times exp(logs · (Σ slope · ε)^power)."""
    term = total = jet
    for k in range(1, _reach(jet, slopes) // power + 1):
        for _ in range(power):
            term = _moved(term, slopes)
        term = term * (logs / k)
        total = total + term
    return total


def times_gamma(jet: np.ndarray, x: Linear, power: int = 1) -> np.ndarray:
    """The jet times (Γ(x + ε)/Γ(x))^power; the derivatives of log Γ are ψ, ψ′, …"""
    for k in range(1, _reach(jet, x.slopes) + 1):
        slope = _apply("psi")(x.value) if k == 1 else _polygamma(k - 1, x.value)
        jet = times_exponential(jet, power * slope / math.factorial(k), x.slopes, k)
    return jet


def over_gamma(jet: np.ndarray, x: Linear) -> np.ndarray:
    """The jet over Γ(x + ε), at poles of Γ down to −200, too: 1/Γ(x) = x (x + 1) … (x + n − 1)/Γ(x + n)."""
    shift = np.clip(np.ceil(1 - x.value), 0.0, 200.0)
    for k in range(largest(shift, 200)):
        jet = np.where(k < shift, times(jet, x.plus(k)), jet)
    shifted = x.plus(shift)
    return times_gamma(jet, shifted, -1) * _apply("rgamma")(shifted.value)


__all__ = [
    "Linear",
    "constant",
    "derivative",
    "over",
    "over_gamma",
    "rising",
    "times",
    "times_exponential",
    "times_gamma",
]
