"""`Judge`: loss and scores after each epoch, on the rows that are watched, with θ held and nothing dropped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from backpass.native.compile import compile

ROWS = 1024
"""Rows that are judged at a time."""


class Judge:
    """The rows (x, y) that are watched, or (x, y, weight): weights count in the loss, and not in the scores.

    `held` says that they are not trained on: only then does their loss count.
    """

    def __init__(
        self,
        network: Any,
        loss: Callable[..., Any],
        link: Callable[[Any], Any],
        kind: str,
        rows: tuple[np.ndarray, ...],
        held: bool,
        metrics: dict[str, Callable[[Any, Any], float]],
    ):
        self.x, self.y, *self.weights = rows
        self.kind, self.held, self.metrics = kind, held, metrics

        def evaluate(theta: Any, state: Any, x: Any, y: Any, *weight: Any) -> Any:
            output = network.apply(theta, state, x)[0]
            return loss(output, y, weight=weight[0]) if weight else loss(output, y), link(output)

        self.evaluate = compile(evaluate)

    def measure(self, theta: Any, state: Any) -> tuple[float | None, dict[str, float]]:
        """The mean loss (None where the rows are trained on), and the scores by name."""
        total = counted = 0.0
        outputs = []
        for start in range(0, len(self.x), ROWS):
            x, y, *weights = (part[start : start + ROWS] for part in (self.x, self.y, *self.weights))
            with np.errstate(all="ignore"):
                loss, output = self.evaluate(theta, state, x, y, *weights)
            counts = float(np.sum(weights[0], dtype=np.float64)) if weights else len(x)
            total += float(loss) * counts if counts else 0.0
            counted += counts
            outputs.append(output)
        output = np.concatenate(outputs)
        scores = self._scores(output)
        for name, metric in self.metrics.items():
            scores[name] = float(metric(self.y, output))
        return (total / counted if self.held else None), scores

    def _scores(self, output: np.ndarray) -> dict[str, float]:
        y = self.y
        if self.kind == "class":
            if output.ndim == y.ndim + 1 and output.shape[-1] > 1:
                return {"accuracy": float(np.mean(output.argmax(axis=-1) == y))}
            if output.shape == y.shape and output.ndim > 1 and output.shape[-1] > 1:
                return {"accuracy": float(np.mean(output.argmax(axis=-1) == y.argmax(axis=-1)))}
            return {"accuracy": float(np.mean((output.reshape(y.shape) > 0) == (y > 0)))}
        if self.kind == "binary":
            return {"accuracy": float(np.mean((output.reshape(y.shape) > 0.5) == (y > 0.5)))}
        if self.kind == "number" and output.size == y.size and y.dtype.kind in "fiub":
            truth = y.astype(np.float64)
            residual = truth - output.reshape(y.shape)
            spread = np.sum((truth - truth.mean(axis=0)) ** 2)
            return {"R²": float(1 - np.sum(residual**2) / spread)} if spread > 0 else {}
        return {}
