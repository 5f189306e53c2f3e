"""`Sweep`: many runs over a space of settings, each in its own folder; poor ones end early, a stopped sweep goes on.

What to try next is Optuna's choice (tree-structured Parzen estimator; Bergstra et al. 2011), and so is which trial to
end early (below the median of the earlier ones at the same epoch). Both follow from the seed and from the trials that
are written down, so that a sweep that was stopped tries what it would have tried.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from backpass.data.extra import extra_module
from backpass.data.prepare import Prepared
from backpass.data.prepare_large import PreparedLarge
from backpass.descent.hyperparameter import HyperparameterError
from backpass.graph.errors import DataError, ModelFileError, NonFiniteError

from .history import Epoch
from .recipe import Recipe
from .run_folder import RunFolder
from .session import train_table
from .stored import write_atomically

FORMAT, VERSION = "backpass-sweep", 1

DEFAULT_SPACE = ("learning_rate=0.0003..0.03", "dropout=0..0.5", "hidden=64|128|256|128,64|256,128")
LOG_FROM = 10.0
"""A range whose ends are this many times apart is tried by factors, not by differences."""

FIRST = 5
"""Trials that are run to their end before any is ended early."""


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`; `log` by factors, `whole` whole ones."""

    low: float
    high: float
    log: bool
    whole: bool


@dataclass(frozen=True)
class Choice:
    """One of some values, as they are written."""

    values: tuple[str, ...]


def read_space(lines: Iterable[str]) -> dict[str, Range | Choice]:
    """The space that lines such as ``learning_rate=0.001..0.1``, ``hidden=64|128,64`` describe.

    Raises HyperparameterError for an unknown setting or values that it cannot have.

    >>> read_space(["learning_rate=0.001..0.1", "batch=16..64", "activation=relu|tanh"])["learning_rate"]
    Range(low=0.001, high=0.1, log=True, whole=False)
    """
    types = {field.name: str(field.type) for field in fields(Recipe) if field.name not in ("cycle_rate", "adamw_decay")}
    space: dict[str, Range | Choice] = {}
    for line in lines:
        name, equals, text = (part.strip() for part in line.partition("="))
        name = name.lstrip("-").replace("-", "_")
        if not equals or name not in types:
            raise HyperparameterError(
                f"{line!r} names no setting to search; write for instance learning_rate=0.001..0.1 or "
                f"hidden=64|128,64. The settings are {', '.join(types)}"
            )
        if ".." in text:
            space[name] = _range(line, text, "int" in types[name] and "tuple" not in types[name])
            if "float" not in types[name] and not space[name].whole:  # type: ignore[union-attr]
                raise HyperparameterError(f"{name} is no number; write the values to try, such as {name}=A|B")
        else:
            values = tuple(dict.fromkeys(value.strip() for value in text.split("|")))
            for value in values:
                setting(name, value)
            space[name] = Choice(values)
    return space


def _range(line: str, text: str, whole: bool) -> Range:
    try:
        low, high = (float(part) for part in text.split(".."))
    except ValueError:
        raise HyperparameterError(f"{line!r}: a range is two numbers, such as 0.001..0.1") from None
    if not (math.isfinite(low) and math.isfinite(high) and 0 <= low < high):
        raise HyperparameterError(f"{line!r}: a range goes from a number of 0 or above up to a larger one")
    return Range(low, high, low > 0 and high / low >= LOG_FROM, whole)


def setting(name: str, value: Any) -> Any:
    """The value of a recipe's setting, from how it is written.

    >>> setting("hidden", "128,64"), setting("batch", "32"), setting("batch_norm", "yes"), setting("clip_norm", "1")
    ((128, 64), 32, True, 1.0)
    """
    kind = str(next(field.type for field in fields(Recipe) if field.name == name))
    text = str(value)
    try:
        if "tuple" in kind:
            return tuple(int(part) for part in text.split(",") if part.strip())
        if "bool" in kind:
            return {"yes": True, "no": False, "true": True, "false": False}[text.lower()]
        if "int" in kind:
            return int(text)
        if "float" in kind:
            return float(text)
    except (ValueError, KeyError):
        words = "widths such as 128,64" if "tuple" in kind else "yes or no" if "bool" in kind else "a number"
        raise HyperparameterError(f"{name} takes {words}, not {text!r}") from None
    return text


@dataclass(frozen=True)
class Trial:
    """One run of a sweep: its settings as they are written, the lowest validation loss, and how it ended.

    `state` is "complete", "pruned" or "failed"; `losses` are the validation losses by epoch.
    """

    number: int
    settings: dict[str, Any]
    state: str
    value: float | None
    losses: list[float]


class Sweep:
    """A sweep in a folder: `sweep.json` says what was asked for, `trials.json` what came out, `trial-003` is a run."""

    def __init__(self, path: Path, space: dict[str, Range | Choice], seed: int):
        self.path, self.space, self.seed = path, space, seed
        self.optuna = extra_module("optuna", "sweep", "a sweep")
        self.optuna.logging.set_verbosity(self.optuna.logging.WARNING)

    def folder(self, number: int) -> Path:
        return self.path / f"trial-{number + 1:03d}"

    def trials(self) -> list[Trial]:
        """The trials that have ended."""
        try:
            return [Trial(**content) for content in json.loads((self.path / "trials.json").read_text("utf-8"))]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as error:
            raise ModelFileError(f"{self.path / 'trials.json'} is damaged: {error}") from error

    def best(self) -> Trial | None:
        """The complete trial with the lowest validation loss."""
        complete = [trial for trial in self.trials() if trial.state == "complete" and trial.value is not None]
        return min(complete, key=lambda trial: trial.value or 0.0, default=None)

    def run(
        self,
        prepared: Prepared | PreparedLarge,
        base: Recipe,
        trials: int,
        told: Callable[[Trial], Any] = lambda trial: None,
    ) -> bool:
        """Run trials until there are so many; `told` hears of each that ends. False when Ctrl-C stopped it."""
        if not prepared.sizes[1]:
            raise DataError("a sweep chooses by validation rows, and there are none: give --validation 0.2")
        done = self.trials()
        while len(done) < trials:
            trial = self._run_one(prepared, base, done)
            if trial is None:
                return False
            done.append(trial)
            content = json.dumps([vars(each) for each in done], indent=1) + "\n"
            write_atomically(self.path / "trials.json", content.encode())
            told(trial)
        return True

    def _run_one(self, prepared: Prepared | PreparedLarge, base: Recipe, done: list[Trial]) -> Trial | None:
        number = len(done)
        study = self._study(done)
        asked = study.ask(self._distributions())
        settings = dict(asked.params)
        recipe = base.with_choices(**{name: setting(name, value) for name, value in settings.items()})
        folder = RunFolder(self.folder(number), command={"trial": number + 1, **settings})
        losses: list[float] = []
        if folder.exists:  # a trial that a stop cut short: what it told already is told again
            found = folder.newest()
            for epoch in found[0].history.epochs if found else ():
                self._hear(asked, losses, epoch)

        def after(epoch: Epoch) -> bool:
            self._hear(asked, losses, epoch)
            return number >= FIRST and bool(asked.should_prune())

        try:
            session = train_table(prepared, recipe, self.seed, progress=False, run=folder, callback=after)
        except NonFiniteError:
            return Trial(number, settings, "failed", None, losses)
        if session.history.stopped == "interrupted":
            return None
        state = "pruned" if session.history.stopped == "callback" else "complete"
        return Trial(number, settings, state, min(losses), losses)

    @staticmethod
    def _hear(asked: Any, losses: list[float], epoch: Epoch) -> None:
        loss = epoch.validation_loss
        losses.append(math.inf if loss is None else loss)
        asked.report(losses[-1], epoch.number)

    def _study(self, done: list[Trial]) -> Any:
        """A study that knows the trials that have ended. Its sampler's seed is of the sweep and the trial's number."""
        optuna = self.optuna
        study = optuna.create_study(
            direction="minimize",
            sampler=optuna.samplers.TPESampler(seed=self.seed * 100_003 + len(done)),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=FIRST, n_warmup_steps=2),
        )
        states = {
            "complete": optuna.trial.TrialState.COMPLETE,
            "pruned": optuna.trial.TrialState.PRUNED,
            "failed": optuna.trial.TrialState.FAIL,
        }
        for trial in done:
            study.add_trial(
                optuna.trial.create_trial(
                    state=states[trial.state],
                    params=trial.settings,
                    distributions=self._distributions(),
                    intermediate_values={k + 1: loss for k, loss in enumerate(trial.losses)},
                    value=trial.value if trial.state == "complete" else None,
                )
            )
        return study

    def _distributions(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, part in self.space.items():
            if isinstance(part, Choice):
                made[name] = self.optuna.distributions.CategoricalDistribution(part.values)
            elif part.whole:
                made[name] = self.optuna.distributions.IntDistribution(int(part.low), int(part.high), log=part.log)
            else:
                made[name] = self.optuna.distributions.FloatDistribution(part.low, part.high, log=part.log)
        return made


__all__ = ["DEFAULT_SPACE", "Choice", "Range", "Sweep", "Trial", "read_space", "setting"]
