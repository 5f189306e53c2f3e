"""Parabolic cylinder functions D and V by their order, of every order of derivative.

Both are jets of Kummer's functions, D at x > 0 of Tricomi's. Sections of the NIST DLMF stand beside the formulas.
"""

from __future__ import annotations

import math

import numpy as np

from .jets import Linear, constant, derivative, over_gamma, times_exponential
from .special import _apply, repeated
from .special_hypergeometric import hyperu_derivative, kummer, parted


def _even_and_odd(n: int, v: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The jets of the two solutions of Weber's equation times exp(x²/4): ₁F₁(−ν/2; ½; x²/2) and, for x times itself,
    ₁F₁((1 − ν)/2; 3/2; x²/2) (12.2.8–9)."""
    one, square = constant((n,), np.ones(len(x))), 0.5 * x * x
    even = kummer(one, Linear(-0.5 * v, (-0.5,)), Linear(np.full(len(x), 0.5), (0,)), square)
    return even, kummer(one, Linear(0.5 - 0.5 * v, (-0.5,)), Linear(np.full(len(x), 1.5), (0,)), square)


def _d(n: int, v: np.ndarray, x: np.ndarray) -> np.ndarray:
    """2^{ν/2} exp(−x²/4) times U(−ν/2, ½, x²/2) at x > 0 (12.7.14), and elsewhere by the even and the odd solution
    (12.4.1)."""

    def right(v: np.ndarray, x: np.ndarray) -> np.ndarray:
        half = np.full(len(x), 0.5)
        orders = [hyperu_derivative(k, 0, 0, -0.5 * v, half, 0.5 * x * x) for k in range(n + 1)]
        return np.stack([(-0.5) ** k * u / math.factorial(k) for k, u in enumerate(orders)])

    def left(v: np.ndarray, x: np.ndarray) -> np.ndarray:
        even, odd = _even_and_odd(n, v, x)
        even = over_gamma(even, Linear(0.5 - 0.5 * v, (-0.5,)))
        return math.sqrt(math.pi) * (even - math.sqrt(2) * x * over_gamma(odd, Linear(-0.5 * v, (-0.5,))))

    jet = times_exponential(parted(x > 0, right, left, v, x), np.full(len(x), 0.5 * math.log(2)), (1,))
    return derivative(jet) * 2 ** (0.5 * v) * np.exp(-0.25 * x * x)


def _v(n: int, v: np.ndarray, x: np.ndarray) -> np.ndarray:
    """By the even and the odd solution (12.4.2, 12.2.8)."""
    even, odd = _even_and_odd(n, v, x)
    for _ in range(2):
        even, odd = over_gamma(even, Linear(1 + 0.5 * v, (0.5,))), over_gamma(odd, Linear(0.5 + 0.5 * v, (0.5,)))
    even, odd = over_gamma(even, Linear(-0.5 * v, (-0.5,))), over_gamma(odd, Linear(0.5 - 0.5 * v, (-0.5,)))
    jet = times_exponential(even + math.sqrt(2) * x * odd, np.full(len(x), -0.5 * math.log(2)), (1,))
    return derivative(jet) * math.pi * 2 ** (-0.5 * v) * np.exp(-0.25 * x * x)


for _name, _letter, _nth, _sign in (("pbdv", "D", _d, 1), ("pbvv", "V", _v, -1)):
    repeated(
        f"{_name}_by_order",
        f"{_name}_value",
        _nth,
        lambda g, out, n, v, x, name=_name: g * _apply(f"{name}_by_order")(n + 1, v, x),
        # D′_ν = x/2 D_ν − D_{ν+1}, V′_ν = V_{ν−1} − x/2 V_ν (12.8.3, 12.8.7)
        lambda g, out, n, v, x, name=_name, s=_sign: g * s * (0.5 * x * out - _apply(f"{name}_by_order")(n, v + s, x)),
        risky=True,
        notation=f"∂^{{0}}/∂{{1}}^{{0}} {_letter}_{{1}}({{2}})",
        domain={"low": 0.5, "high": 3.0},
        doc=f"The derivative of the parabolic cylinder function {_letter} by its order, taken n times.",
    )
