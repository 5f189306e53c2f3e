"""``scipy.signal``'s peaks: which samples they are holds still, found on plain numbers; heights and widths are traced.

A side of a peak, where the signal passes a height between two samples, moves with both of these and the height.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass.graph import messages

from .declare import as_array, is_staged, value_of
from .scipy_functions import _rule


def _plain(name: str, x: Any) -> np.ndarray:
    if is_staged(x):
        raise messages.value_unknown(x, f"scipy.signal.{name}")
    return np.asarray(value_of(x))


def _sides(x: Any, heights: Any, places: Any, step: int) -> Any:
    """Where the signal passes the heights, found at these places: the sample before, seen in this direction, is low."""
    seen, levels = np.asarray(value_of(x)), np.asarray(value_of(heights))
    low = (np.floor if step > 0 else np.ceil)(places).astype(np.intp)
    between = seen[low] < levels
    high = np.where(between, low + step, low)
    rise = np.where(between, x[high] - x[low], 1.0)
    return low + step * np.where(between, (heights - x[low]) / rise, 0.0)


def _widths(x: Any, peaks: Any, rel_height: Any, prominences: Any, left: Any, right: Any) -> tuple[Any, Any, Any, Any]:
    heights = x[peaks] - prominences * rel_height
    starts, ends = _sides(x, heights, left, 1), _sides(x, heights, right, -1)
    return ends - starts, heights, starts, ends


def _prominences(x: Any, peaks: Any, left: Any, right: Any) -> Any:
    return x[peaks] - np.maximum(x[left], x[right])


@_rule("signal")
def peak_prominences(x, peaks, wlen=None):
    import scipy.signal

    x = as_array(x).astype(np.float64)
    _, left, right = scipy.signal.peak_prominences(_plain("peak_prominences", x), peaks, wlen)
    return _prominences(x, peaks, left, right), left, right


@_rule("signal")
def peak_widths(x, peaks, rel_height=0.5, prominence_data=None, wlen=None):
    import scipy.signal

    x = as_array(x).astype(np.float64)
    data = peak_prominences(x, peaks, wlen) if prominence_data is None else prominence_data
    held = tuple(np.asarray(value_of(part)) for part in data)
    found = scipy.signal.peak_widths(_plain("peak_widths", x), peaks, value_of(rel_height), held)
    return _widths(x, peaks, rel_height, data[0], *found[2:])


@_rule("signal")
def find_peaks(x, height=None, threshold=None, distance=None, prominence=None, width=None, wlen=None, rel_height=0.5,
               plateau_size=None):  # fmt: skip
    import scipy.signal

    x = as_array(x).astype(np.float64)
    conditions: Any = [value_of(part) for part in (height, threshold, distance, prominence, width, wlen, rel_height)]
    peaks, found = scipy.signal.find_peaks(_plain("find_peaks", x), *conditions, plateau_size=plateau_size)
    if "peak_heights" in found:
        found["peak_heights"] = x[peaks]
    if "left_thresholds" in found:
        found["left_thresholds"], found["right_thresholds"] = x[peaks] - x[peaks - 1], x[peaks] - x[peaks + 1]
    if "prominences" in found:
        found["prominences"] = _prominences(x, peaks, found["left_bases"], found["right_bases"])
    if "widths" in found:
        sides = found["left_ips"], found["right_ips"]
        names = ("widths", "width_heights", "left_ips", "right_ips")
        found.update(zip(names, _widths(x, peaks, rel_height, found["prominences"], *sides), strict=True))
    return peaks, found


def _extrema(name: str) -> None:
    def implementation(data, *args, **options):
        import scipy.signal

        return getattr(scipy.signal, name)(_plain(name, data), *args, **options)

    _rule("signal", name)(implementation)


for _name in ("argrelextrema", "argrelmax", "argrelmin"):
    _extrema(_name)


__all__ = ["find_peaks", "peak_prominences", "peak_widths"]
