"""A line search: how far to go along a direction that leads downhill.

φ(α) is the loss at distance α along the direction, φ'(α) its slope there. The strong Wolfe conditions ask that the loss
falls enough for the distance, and that the slope has flattened:

    φ(α) <= φ(0) + c₁ α φ'(0)        and        |φ'(α)| <= c₂ |φ'(0)|

Source: Nocedal & Wright, Numerical Optimization, 2nd ed., 2006: algorithm 3.5 brackets such an α, 3.6 closes in on it,
eq. 3.59 is the cubic that chooses each trial.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from .hyperparameter import HyperparameterError


class Trial(NamedTuple):
    """φ and φ' at one distance; `point` is whatever φ handed back beside them. An unusable trial has the value inf."""

    length: float
    value: float
    slope: float
    point: Any = None


class LineSearch(NamedTuple):
    """What a search found.

    `trial` is the accepted trial, None when no trial lowered the loss; `wolfe` tells whether it satisfies both
    conditions or is only lower than the start; `evaluations` counts the calls of φ; `bounded` is False when φ still
    fell as steeply at the farthest trial.
    """

    trial: Trial | None
    wolfe: bool
    evaluations: int
    bounded: bool


def strong_wolfe(
    phi: Callable[[float], tuple[float, float, Any]],
    value: float,
    slope: float,
    *,
    first: float = 1.0,
    c1: float = 1e-4,
    c2: float = 0.9,
    noise: float = 0.0,
    max_evaluations: int = 40,
) -> LineSearch:
    """A distance α > 0 that satisfies the strong Wolfe conditions.

    `phi(α)` returns (φ(α), φ'(α), point), the point being anything the caller wants back. `value` = φ(0) and
    `slope` = φ'(0) < 0. `first` is the first α tried. A trial where φ or φ' is NaN or infinite counts as too far.
    `noise` is how much of a difference between two losses may be rounding: within it, the slopes decide. Raises
    HyperparameterError unless `slope` < 0 and 0 < c1 < c2 < 1.

    >>> found = strong_wolfe(lambda a: ((a - 3) ** 2, 2 * (a - 3), None), 9.0, -6.0, c2=0.1)
    >>> round(found.trial.length, 12), found.wolfe, found.evaluations
    (3.0, True, 2)
    """
    if not slope < 0:
        raise HyperparameterError(
            f"the slope at the start is {slope}; a line search needs a direction that leads downhill"
        )
    if not 0 < c1 < c2 < 1:
        raise HyperparameterError(f"c1={c1} and c2={c2} do not satisfy 0 < c1 < c2 < 1")
    search = _Search(phi, Trial(0.0, value, slope), c1, c2, noise, max_evaluations)
    trial, wolfe = search.bracket(first)
    return LineSearch(trial, wolfe, search.evaluations, search.bounded)


class _Search:
    """One search: its start, its constants, and the evaluations it has left."""

    def __init__(self, phi: Any, start: Trial, c1: float, c2: float, noise: float, max_evaluations: int):
        self.phi = phi
        self.start = start
        self.c1 = c1
        self.flat = -c2 * start.slope
        self.noise = noise
        self.evaluations = 0
        self.max_evaluations = max_evaluations
        self.unusable = 0
        self.bounded = True

    def evaluate(self, length: float) -> Trial:
        self.evaluations += 1
        value, slope, point = self.phi(length)
        if math.isfinite(value) and math.isfinite(slope):
            return Trial(length, value, slope, point)
        self.unusable += 1
        return Trial(length, math.inf, math.nan)

    def too_high(self, trial: Trial, best: Trial) -> bool:
        """Not low enough for its distance, or no lower than a trial that was."""
        line = self.start.value + self.c1 * trial.length * self.start.slope
        return trial.value > line + self.noise or trial.value > best.value + self.noise

    def bracket(self, length: float) -> tuple[Trial | None, bool]:
        """Algorithm 3.5: go further until an interval holds an acceptable distance."""
        previous = self.start
        while self.evaluations < self.max_evaluations:
            trial = self.evaluate(length)
            if self.too_high(trial, previous):
                return self.zoom(previous, trial)
            if abs(trial.slope) <= self.flat:
                return trial, True
            if trial.slope >= 0:
                return self.zoom(trial, previous)
            length = _further(previous, trial)
            previous = trial
        self.bounded = False
        return self.settle(previous)

    def zoom(self, low: Trial, high: Trial) -> tuple[Trial | None, bool]:
        """Algorithm 3.6: shrink what lies between `low`, the lowest trial so far, and `high`, towards which φ falls."""
        widths = [math.inf, abs(high.length - low.length)]
        while self.evaluations < self.max_evaluations:
            # A cubic can creep along one end: when two rounds have not removed a third, halve.
            length = self.between(low, high, halve=widths[-1] > 0.66 * widths[-2])
            if length in (low.length, high.length):
                break
            trial = self.evaluate(length)
            if self.too_high(trial, low):
                high = trial
            elif abs(trial.slope) <= self.flat:
                return trial, True
            else:
                if trial.slope * (high.length - low.length) >= 0:
                    high = low
                low = trial
            widths = [widths[-1], abs(high.length - low.length)]
        return self.settle(low)

    def between(self, low: Trial, high: Trial, halve: bool) -> float:
        width = high.length - low.length
        if not math.isfinite(high.value):
            return low.length + width * (0.5 if self.unusable <= 2 else 0.1)
        length = math.nan if halve else _cubic_minimum(low, high)
        if math.isnan(length):
            return low.length + 0.5 * width
        nearest, farthest = sorted((low.length + 0.1 * width, high.length - 0.1 * width))
        return min(max(length, nearest), farthest)

    def settle(self, trial: Trial) -> tuple[Trial | None, bool]:
        """Out of evaluations: the best trial, if it is lower than the start at all."""
        return (trial, False) if trial.value < self.start.value else (None, False)


def _further(previous: Trial, trial: Trial) -> float:
    """The next, larger distance: where the cubic has its minimum, if that is within reach."""
    nearest = trial.length + 1.1 * (trial.length - previous.length)
    farthest = 10 * trial.length
    length = _cubic_minimum(previous, trial)
    return farthest if math.isnan(length) or length <= trial.length else min(max(length, nearest), farthest)


def _cubic_minimum(a: Trial, b: Trial) -> float:
    """Where the cubic through both values and slopes has its minimum (eq. 3.59); NaN when it has none."""
    d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.length - b.length)
    scale = max(abs(d1), abs(a.slope), abs(b.slope))  # slopes of any size: their squares might overflow or vanish
    if not 0 < scale < math.inf:
        return math.nan
    under = (d1 / scale) ** 2 - (a.slope / scale) * (b.slope / scale)
    if under < 0:
        return math.nan
    d2 = math.copysign(scale * math.sqrt(under), b.length - a.length)
    divisor = b.slope - a.slope + 2 * d2
    return b.length - (b.length - a.length) * (b.slope + d2 - d1) / divisor if divisor else math.nan
