"""L-BFGS: Newton's direction from the last few gradients, for a loss that can be evaluated whole.

It asks for the loss and the gradient as often as its line search needs them, so it is a minimiser that drives a
function rather than a rule that takes one step. It shines on small and middle-sized problems
without sampling noise.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..graph.errors import NonFiniteError, ShapeError
from ..graph.pytree import flatten
from .hyperparameter import count, not_negative
from .line_search import strong_wolfe
from .optimizer import check_trainable, leaves_like

Pair = tuple[np.ndarray, np.ndarray, float, float]
"""s = Δθ, u = Δg / c, sᵀu, and c = max |Δg|: whatever the scale of the loss, uᵀu neither overflows nor vanishes."""

STALL = 20
"""Iterations in a row that may lower neither the loss nor the gradient before the search is called off."""


@dataclass(frozen=True)
class Minimum:
    """Where a minimiser stopped, and why.

    `loss` is the loss there, `gradient_norm` the largest |∂L/∂θᵢ|, `iterations` the steps taken, `evaluations` the
    calls of the function, `converged` whether the gradient came within the tolerance, `message` the reason in words,
    and `losses` the loss at the start and after every iteration.
    """

    loss: float
    gradient_norm: float
    iterations: int
    evaluations: int
    converged: bool
    message: str
    losses: tuple[float, ...] = field(repr=False, default=())

    def __str__(self) -> str:
        return (
            f"{'converged' if self.converged else 'not converged'}: {self.message}\n"
            f"loss {self.loss:.8g}, largest partial derivative {self.gradient_norm:.3g}, "
            f"{self.iterations} iterations, {self.evaluations} evaluations"
        )


def lbfgs(
    value_and_grad: Callable[[Any], tuple[Any, Any]],
    theta: Any,
    *,
    memory: int = 10,
    tolerance: float = 1e-5,
    max_iterations: int = 1000,
    callback: Callable[[int, float, Any], Any] | None = None,
) -> tuple[Any, Minimum]:
    """Minimise a loss by L-BFGS with a strong-Wolfe line search; returns (theta, `Minimum`).

    `value_and_grad(theta)` returns the scalar loss and its gradient, a pytree like θ. Each step goes along p = −H g,
    where H is the inverse Hessian that the last `memory` pairs s = Δθ, y = Δg imply, starting from (sᵀy / yᵀy) I. The
    search ends when every |∂L/∂θᵢ| <= `tolerance`, after `max_iterations`, when no step lowers the loss any more or
    the loss has no lower bound, or when `callback(iteration, loss, theta)`, called after every iteration, returns true.

    θ keeps its structure, shapes and dtypes, and the function only ever sees θ in those dtypes; the vectors between are
    float64 (2·`memory` + 6 copies of θ). A trial θ where the loss or the gradient is NaN or infinite, or where the
    function raises LinAlgError or an ArithmeticError, counts as a step too far.

    Raises NonFiniteError when the loss or the gradient at the given θ is not finite, DtypeError for a θ that is not
    floating point, PytreeError or ShapeError when the gradient does not fit θ.

    Source: Liu & Nocedal, On the limited memory BFGS method for large scale optimization, 1989; Nocedal & Wright,
    Numerical Optimization, 2nd ed., 2006, algorithms 7.4, 7.5 and eq. 7.20.

    >>> def bowl(theta):
    ...     return np.sum((theta["w"] - [3, 4]) ** 2), {"w": 2 * (theta["w"] - [3, 4])}
    >>> theta, found = lbfgs(bowl, {"w": np.zeros(2)})
    >>> theta["w"].round(6)
    array([3., 4.])
    >>> found.converged, found.iterations, found.message
    (True, 2, 'the gradient is within the tolerance 1e-05')
    """
    memory, max_iterations = count("memory", memory), count("max_iterations", max_iterations)
    tolerance = not_negative("tolerance", tolerance)
    problem = _Problem(value_and_grad, theta)
    here = problem.start()
    pairs: deque[Pair] = deque(maxlen=memory)
    losses = [here.loss]
    lowest, flattest, stalled = here.loss, here.peak, 0

    def stop(message: str, converged: bool = False) -> tuple[Any, Minimum]:
        found = Minimum(here.loss, here.peak, len(losses) - 1, problem.calls, converged, message, tuple(losses))
        return problem.theta(here.x), found

    while here.peak > tolerance:
        if len(losses) > max_iterations:
            return stop(f"the limit of {max_iterations} iterations is reached; raise max_iterations to go on")
        noise = 4 * problem.epsilon * abs(here.loss)
        there, bounded = _step(problem, here, pairs, noise)
        if there is None and pairs:
            pairs.clear()  # what was remembered may mislead: try once more along the gradient itself
            continue
        if there is None:
            return stop(
                f"no step along the negative gradient lowers the loss: it is as low as {problem.precision} can tell, "
                "or the gradient is not that of this loss (backpass.check compares the two)"
            )
        _remember(pairs, there.x - here.x, there.gradient - here.gradient)
        here = there
        losses.append(here.loss)
        if callback is not None and callback(len(losses) - 1, here.loss, problem.theta(here.x)):
            return stop("the callback asked to stop")
        if not bounded:
            return stop("the loss falls without end along a line: it has no lower bound")
        better = here.loss < lowest - noise or here.peak < 0.9 * flattest
        stalled = 0 if better else stalled + 1
        lowest, flattest = min(lowest, here.loss), min(flattest, here.peak)
        if stalled == STALL and here.peak > tolerance:
            return stop(f"{STALL} iterations lowered neither loss nor gradient: {problem.precision} goes no further")
    return stop(f"the gradient is within the tolerance {tolerance:g}", converged=True)


@dataclass(frozen=True)
class _Point:
    """A θ as a vector, with the loss and the gradient there; `peak` is the gradient's largest entry."""

    x: np.ndarray
    loss: float
    gradient: np.ndarray
    peak: float


class _Problem:
    """The function as one of a float64 vector, and the count of its calls."""

    def __init__(self, value_and_grad: Callable[[Any], tuple[Any, Any]], theta: Any):
        self.function = value_and_grad
        self.leaves, self.tree = flatten(theta)
        for path, leaf in zip(self.tree.paths, self.leaves, strict=True):
            check_trainable(path, leaf)
        dtypes = [np.asarray(leaf).dtype for leaf in self.leaves]
        self.work = np.result_type(np.float64, *dtypes)
        coarsest = max(dtypes, key=lambda dtype: np.finfo(dtype).eps, default=np.dtype(np.float64))
        self.precision, self.epsilon = coarsest.name, float(np.finfo(coarsest).eps)
        self.calls = 0

    def vector(self, leaves: Iterable[Any]) -> np.ndarray:
        return np.concatenate([np.zeros(0, self.work), *(np.ravel(leaf) for leaf in leaves)])

    def theta(self, x: np.ndarray) -> Any:
        """The pytree that `x` stands for, in θ's own shapes and dtypes, sharing no memory with `x`."""
        parts, offset = [], 0
        for leaf in self.leaves:
            part = x[offset : offset + np.size(leaf)].reshape(np.shape(leaf))
            parts.append(part.astype(leaf.dtype) if hasattr(leaf, "dtype") else float(part))
            offset += np.size(leaf)
        return self.tree.unflatten(parts)

    def at(self, x: np.ndarray) -> _Point:
        theta = self.theta(x)
        # θ may be narrower than x: keep the θ that is evaluated, so that Δθ and Δg belong together.
        rounded = self.vector(flatten(theta)[0])
        self.calls += 1
        loss, gradient = self.function(theta)
        if np.shape(loss) != ():
            raise ShapeError(f"the loss has shape {np.shape(loss)}; a minimiser needs one number, such as its mean")
        g = self.vector(leaves_like(self.tree, self.leaves, gradient, "the gradient"))
        return _Point(rounded, float(loss), g, float(np.max(np.abs(g), initial=0.0)))

    def start(self) -> _Point:
        point = self.at(self.vector(self.leaves))
        if not math.isfinite(point.loss):
            raise NonFiniteError(f"the loss at the starting theta is {point.loss}; start where it is finite")
        if not math.isfinite(point.peak):
            bad = _first_non_finite(self.tree.paths, flatten(self.theta(point.gradient))[0])
            raise NonFiniteError(f"the gradient at the starting theta is not finite in {bad}, though the loss is")
        return point


def _first_non_finite(paths: tuple[str, ...], leaves: list[Any]) -> str:
    for path, leaf in zip(paths, leaves, strict=True):
        if not np.all(np.isfinite(leaf)):
            return f"theta.{path}" if path else "theta"
    return "theta"


def _step(problem: _Problem, here: _Point, pairs: deque[Pair], noise: float) -> tuple[_Point | None, bool]:
    """The next point, or None when the line search finds nothing lower; and whether the loss has a floor there."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        direction = _newton(here.gradient, pairs) if pairs else None
        first = 1.0
        if direction is None or not -math.inf < float(here.gradient @ direction) < 0:
            pairs.clear()
            direction = -here.gradient / here.peak  # scaled, so that no square of it overflows
            first = 1 / float(np.linalg.norm(direction))
        slope = float(here.gradient @ direction)

        def phi(length: float) -> tuple[float, float, Any]:
            try:
                point = problem.at(here.x + length * direction)
            except (ArithmeticError, np.linalg.LinAlgError):
                return math.inf, math.nan, None
            return point.loss, float(point.gradient @ direction), point

        found = strong_wolfe(phi, here.loss, slope, first=first, noise=noise)
    if found.trial is None or np.array_equal(found.trial.point.x, here.x):
        return None, found.bounded
    return found.trial.point, found.bounded


def _newton(gradient: np.ndarray, pairs: deque[Pair]) -> np.ndarray:
    """−H g by the two-loop recursion (algorithm 7.4), with y = c·u in place of y."""
    q = gradient.copy()
    weights = []
    for s, u, curvature, _ in reversed(pairs):
        weight = (s @ q) / curvature
        q -= weight * u
        weights.append(weight)
    s, u, curvature, c = pairs[-1]
    q *= curvature / (u @ u) / c
    for (s, u, curvature, c), weight in zip(pairs, reversed(weights), strict=True):
        q += (weight / c - (u @ q) / curvature) * s
    return -q


def _remember(pairs: deque[Pair], s: np.ndarray, y: np.ndarray) -> None:
    """Keep the pair if the gradient grew along the step: H stays positive definite."""
    c = float(np.max(np.abs(y), initial=0.0))
    if not 0 < c < math.inf:
        return
    u = y / c
    curvature = float(s @ u)
    if np.finfo(float).eps * np.linalg.norm(s) * np.linalg.norm(u) < curvature < math.inf:
        pairs.append((s, u, curvature, c))
