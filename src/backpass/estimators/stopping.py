"""`Stopping`: what happens between two epochs, by scikit-learn's rules: go on, lower the learning rate, or stop."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from backpass.train.history import Epoch
from backpass.train.loop import Loop

POLICIES = ("constant", "invscaling", "adaptive", "cosine")
LOWEST = 1e-6
"""The rate at which "adaptive" gives up."""


def cosine(start: float, done: int, epochs: int) -> float:
    """Half a cosine from `start` down to 0, in as many epochs; after `done` of them.

    Source: Loshchilov & Hutter, SGDR: stochastic gradient descent with warm restarts, ICLR 2017, eq. 5.

    >>> [round(cosine(1.0, k, 4), 3) for k in range(5)]
    [1.0, 0.854, 0.5, 0.146, 0.0]
    """
    return start * 0.5 * (1 + math.cos(math.pi * min(done / epochs, 1.0)))


class Stopping:
    """Called with each epoch. `score` names the score that is to rise; else the training loss is to fall.

    After more than `patience` epochs in a row that are better by less than `tol`, training stops, or "adaptive" divides
    the rate by 5. The rate of "invscaling" after t rows is start / (t + 1)^power.
    """

    def __init__(
        self,
        loop: Loop,
        *,
        policy: str | None,
        start: float,
        power: float,
        epochs: int,
        tol: float,
        patience: float,
        score: str | None,
        seen: int,
        also: Callable[[Epoch], Any] | None = None,
    ):
        self.loop, self.policy, self.start, self.power, self.epochs = loop, policy, start, power, epochs
        self.tol, self.patience, self.score, self.seen, self.also = tol, patience, score, seen, also
        self.best = -math.inf
        self.waited = 0

    def begin(self) -> None:
        """Set the rate of the first epoch."""
        if self.policy is not None:
            self.loop.rate = self._rate(0)

    def __call__(self, record: Epoch) -> str | None:
        self.seen += self.loop.n
        if self.policy is not None and self.policy != "adaptive":
            self.loop.rate = self._rate(record.number)
        worth = -record.loss if self.score is None else record.scores[self.score]
        # Written so that NaN is no improvement.
        self.waited = 0 if worth >= self.best + self.tol else self.waited + 1
        self.best = max(self.best, worth)
        if self.also is not None and (told := self.also(record)):
            return told if isinstance(told, str) else "callback"
        if self.waited <= self.patience:
            return None
        if self.policy == "adaptive" and self.loop.rate > LOWEST:
            self.loop.rate /= 5
            self.waited = 0
            return None
        what = "the training loss did not fall" if self.score is None else f"{self.score} did not rise"
        return f"{what} by {self.tol:g} in {self.patience:g} epochs"

    def _rate(self, done: int) -> float:
        if self.policy == "invscaling":
            return self.start / (self.seen + 1) ** self.power if self.seen else self.start
        return cosine(self.start, done, self.epochs) if self.policy == "cosine" else self.start
