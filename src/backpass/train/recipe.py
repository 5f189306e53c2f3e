"""`Recipe`: how a network for a table is built and trained when nobody says otherwise."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from backpass.data.table import listing
from backpass.descent.clipping import clip
from backpass.descent.optimizer import Optimizer
from backpass.descent.registry import named
from backpass.descent.schedules import one_cycle
from backpass.graph.errors import DataError
from backpass.nn.sequential import Sequential, mlp

ADAPTIVE = ("adam", "adamw", "rmsprop")
"""The rules that run on one cycle of the learning rate."""


@dataclass(frozen=True)
class Recipe:
    """The choices of one training run.

    A `learning_rate` or `weight_decay` of None is the optimiser's own default; for the adaptive rules the highest rate
    is `cycle_rate`, and for AdamW the decay is `adamw_decay`.
    """

    hidden: tuple[int, ...] = (256, 128)
    activation: str = "relu"
    dropout: float = 0.3
    batch_norm: bool = False
    optimizer: str = "adamw"
    learning_rate: float | None = None
    weight_decay: float | None = None
    clip_norm: float | None = None
    epochs: int = 80
    batch: int = 32
    patience: int | None = None
    class_weight: str | None = None
    """How much rows of each class count: "balanced", or such as "yes=3,no=1"."""
    cycle_rate: float = 1e-2
    adamw_decay: float = 0.05

    def with_choices(self, **choices: Any) -> Recipe:
        """The recipe with those of `choices` that are not None."""
        return replace(self, **{name: value for name, value in choices.items() if value is not None})

    def network(self, outputs: int) -> Sequential:
        return mlp([*self.hidden, outputs], self.activation, dropout=self.dropout, batch_norm=self.batch_norm)

    def rule(self, rows: int) -> Optimizer:
        """The optimiser; the adaptive ones on one cycle of the learning rate over the whole run (Smith 2018)."""
        rate: Any = self.learning_rate
        if self.optimizer in ADAPTIVE:
            steps = self.epochs * -(-rows // min(self.batch, rows))
            rate = one_cycle(self.rate, max(steps, 2))
        rule = named(self.optimizer, learning_rate=rate, weight_decay=self._decay())
        return clip(rule, norm=self.clip_norm) if self.clip_norm else rule

    @property
    def rate(self) -> float:
        """The learning rate, or the highest on the cycle, that is used."""
        default = self.cycle_rate if self.optimizer in ADAPTIVE else named(self.optimizer).learning_rate
        return default if self.learning_rate is None else self.learning_rate

    def _decay(self) -> float | None:
        return self.adamw_decay if self.weight_decay is None and self.optimizer == "adamw" else self.weight_decay


def class_weights(text: str | None, classes: Sequence[str]) -> str | dict[int, float] | None:
    """What `fit` takes: "balanced", or the weights in ``yes=3,no=1`` by the number of the class.

    >>> class_weights("yes=3", ("no", "yes")), class_weights("balanced", ("no", "yes"))
    ({1: 3.0}, 'balanced')
    """
    if text is None or text.strip() == "balanced":
        return text and text.strip()
    if not classes:
        raise DataError("class weights are for classes, and the target holds numbers")
    found: dict[int, float] = {}
    rest, names = text, "|".join(map(re.escape, sorted(classes, key=len, reverse=True)))
    while rest:
        match = re.match(rf"\s*({names})\s*=([^,]*)(,|$)", rest)  # a name may have a comma in it, or an equals sign
        if match is None or (number := _number(match[2])) is None:
            raise DataError(
                f"class weights are 'balanced' or such as {classes[-1]}=3, a number of 0 or above for a class; got "
                f"{text!r}. The classes are {listing(classes)}"
            )
        found[list(classes).index(match[1])] = number
        rest = rest[match.end() :]
    return found


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


SMALL = 1_000
"""Rows below which one hidden layer with strong weight decay did best."""

ENOUGH = 10_000
"""Rows from which some can be spared to choose the best epoch. On fewer, learning from them is worth more: the one
cycle of the learning rate ends in a θ that hardly needs choosing."""


def recipe_for(rows: int) -> Recipe:
    """Defaults by the number of rows that are not held out for the test.

    Chosen on scikit-learn's wine, breast cancer, diabetes and digits, by the mean over seeds.

    >>> recipe_for(178).hidden, recipe_for(1_500).epochs, recipe_for(1_000_000).epochs
    ((100,), 80, 5)
    """
    if rows < SMALL:
        return Recipe(hidden=(100,), dropout=0.3, epochs=60, cycle_rate=3e-3, adamw_decay=1.0)
    batch = 32 if rows < 20_000 else 128 if rows < 200_000 else 512
    epochs = min(80, max(5, round(200_000 * batch / 32 / rows)))
    return Recipe(batch=batch, epochs=epochs)


def validation_share(rows: int) -> float:
    """The share of so many rows that chooses the best epoch, when nobody says: a tenth, none below `ENOUGH` rows."""
    return 0.0 if rows < ENOUGH else 0.1
