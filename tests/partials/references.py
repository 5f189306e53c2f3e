"""Derivatives found without the chain rule: by complex step, by differences, and what to hold them against."""

from collections.abc import Callable
from typing import Any

import numpy as np

TINY = 1e-30
"""The complex step h: f(x + ih).imag / h has no rounding from a difference, so h may be as small as one likes."""

STEP = 3e-3
STENCIL = ((1, 4 / 5), (2, -1 / 5), (3, 4 / 105), (4, -1 / 280))
"""Central differences of order 8 (Fornberg 1988): truncation h⁸f⁽⁹⁾/630, rounding ε/h, both near 1e-12 at this step."""


def complex_step(function: Callable[..., Any], args: tuple[Any, ...], k: int) -> np.ndarray:
    """∂function/∂args[k] of an analytic function, shape ``out.shape + in.shape``, to the last few bits."""
    x = np.asarray(args[k])

    def slope(entry: tuple[int, ...]) -> Any:
        moved = x.astype(complex)
        moved[entry] += TINY * 1j
        with np.errstate(all="ignore"):
            return np.imag(function(*args[:k], moved[()], *args[k + 1 :])) / TINY

    return _by_entries(slope, x, function, args)


def cauchy(
    function: Callable[..., Any], args: tuple[Any, ...], k: int, radius: float = 0.05, points: int = 24
) -> np.ndarray:
    """∂function/∂args[k] by Cauchy's integral around each entry: for complex versions that lose a tiny imaginary part.

    The trapezoidal rule converges as (radius/distance to the next singularity)^points (Lyness & Moler 1967).
    """
    x = np.asarray(args[k])
    circle = np.exp(2j * np.pi * np.arange(points) / points)

    def slope(entry: tuple[int, ...]) -> Any:
        total: Any = 0.0
        for direction in circle:
            moved = x.astype(complex)
            moved[entry] += radius * direction
            total = total + function(*args[:k], moved[()], *args[k + 1 :]) / direction
        return np.real(total) / (points * radius)

    return _by_entries(slope, x, function, args)


def differences(function: Callable[..., Any], args: tuple[Any, ...], k: int, step: float = STEP) -> np.ndarray:
    """∂function/∂args[k] by central differences of order 8, shape ``out.shape + in.shape``."""
    x = np.asarray(args[k], dtype=np.float64)

    def slope(entry: tuple[int, ...]) -> Any:
        total: Any = 0.0
        for reach, weight in STENCIL:
            ends = []
            for side in (reach, -reach):
                moved = x.copy()
                moved[entry] += side * step
                ends.append(_wide(function(*args[:k], moved[()], *args[k + 1 :])))
            total = total + weight * (ends[0] - ends[1])
        return total / step

    return _by_entries(slope, x, function, args)


def _wide(x: Any) -> np.ndarray:
    return np.asarray(x, np.complex128 if np.iscomplexobj(x) else np.float64)


def _by_entries(slope: Callable[[tuple[int, ...]], Any], x: np.ndarray, function: Any, args: Any) -> np.ndarray:
    columns = [np.asarray(slope(entry)) for entry in np.ndindex(x.shape)]
    if not columns:
        return np.zeros(np.shape(function(*args)) + x.shape)
    return np.stack(columns, axis=-1).reshape(columns[0].shape + x.shape)


def close(found: Any, wanted: Any, tolerance: float, what: str = "") -> None:
    """Relative to each entry, and for small entries to the largest one: a sum cannot be truer than its terms."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.shape == wanted.shape, f"{what}: shape {found.shape}, not {wanted.shape}"
    largest = float(np.max(np.abs(wanted), initial=0.0))
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance * max(largest, 1e-3), err_msg=what)


def identical(found: Any, wanted: Any, what: str = "") -> None:
    """The same shape, dtype and bits (any NaN equals any other; −0 is not 0)."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.shape == wanted.shape, f"{what}: shape {found.shape}, not {wanted.shape}"
    assert found.dtype == wanted.dtype, f"{what}: dtype {found.dtype}, not {wanted.dtype}"
    np.testing.assert_array_equal(found, wanted, err_msg=what)
    if found.dtype.kind == "f":
        numbers = ~np.isnan(found)
        np.testing.assert_array_equal(np.signbit(found)[numbers], np.signbit(wanted)[numbers], err_msg=what)


def rearranged(x: np.ndarray) -> np.ndarray:
    """The same entries in other memory: every second place of a larger block, axes reversed, first axis backwards."""
    if x.ndim == 0:
        return np.array([x, x])[1:].reshape(())
    block = np.full(tuple(2 * n + 1 for n in x.shape[::-1]), np.nan, x.dtype) if x.dtype.kind == "f" else None
    if block is None:
        block = np.zeros(tuple(2 * n + 1 for n in x.shape[::-1]), x.dtype)
    view = block[tuple(slice(1, None, 2) for _ in x.shape)].T[::-1]
    view[...] = x
    return view
