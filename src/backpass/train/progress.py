"""Progress: what a person sees while training: a moving bar on a terminal, a line at times elsewhere, or nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

from .history import Epoch


class Progress(Protocol):
    """What the loop tells: the start, each group of steps, each epoch, the end."""

    def start(self, epochs: int, steps: int) -> None: ...
    def step(self, done: int, loss: float) -> None: ...
    def epoch(self, record: Epoch) -> None: ...
    def stop(self, reason: str) -> None: ...


class Quiet:
    """Says nothing."""

    def start(self, epochs: int, steps: int) -> None: ...
    def step(self, done: int, loss: float) -> None: ...
    def epoch(self, record: Epoch) -> None: ...
    def stop(self, reason: str) -> None: ...


class Lines:
    """One line for about every tenth of the epochs: for logs and pipes."""

    def __init__(self, write: Callable[[str], Any] | None = None):
        self.write = write or (lambda line: print(line, file=sys.stderr, flush=True))
        self.epochs = 0

    def start(self, epochs: int, steps: int) -> None:
        self.epochs = epochs
        self.began = time.monotonic()

    def step(self, done: int, loss: float) -> None: ...

    def epoch(self, record: Epoch) -> None:
        every = max(1, self.epochs // 10)
        if record.number % every == 0 or record.number in (1, self.epochs):
            self.write(describe(record, self.epochs))

    def stop(self, reason: str) -> None:
        if reason != "all epochs done":
            self.write(f"stopped: {reason}")


class Bar:
    """A bar with the loss and the time left, by rich, on standard error.

    The cursor is never hidden, so that nothing has to be put right when the program is killed.
    """

    def __init__(self) -> None:
        self.bar: Any = None

    def start(self, epochs: int, steps: int) -> None:
        from rich import console, progress

        class Console(console.Console):
            def show_cursor(self, show: bool = True) -> bool:
                return False

        screen = Console(stderr=True)
        self.wide = screen.width >= 60
        self.bar = progress.Progress(
            progress.TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            *([progress.BarColumn(bar_width=24 if screen.width >= 100 else 8)] if self.wide else []),
            progress.TextColumn("{task.fields[told]}"),
            progress.TextColumn("{task.fields[left]}"),
            console=screen,
            transient=True,
        )
        self.steps = steps
        self.finished = 0
        self.scores = ""
        self.rate = TimeLeft(epochs * steps)
        self.bar.start()
        self.task = self.bar.add_task("", total=epochs * steps, epoch=1, epochs=epochs, told="", left="")

    def step(self, done: int, loss: float) -> None:
        done += self.finished
        self.bar.update(
            self.task,
            completed=done,
            epoch=min(done // self.steps + 1, -(-self.rate.total // self.steps)),
            told=f"loss {loss:.4g}{self.scores}",
            left=self.rate.text(done),
        )

    def epoch(self, record: Epoch) -> None:
        self.finished = record.number * self.steps
        shown = [f"  {name} {value:.4g}" for name, value in record.scores.items()]
        if record.validation_loss is not None:
            shown.insert(0, f"  validation {record.validation_loss:.4g}")
        self.scores = "".join(shown) if self.wide else ""
        self.step(0, record.loss)

    def stop(self, reason: str) -> None:
        if self.bar is not None:
            self.bar.stop()


class TimeLeft:
    """How long the rest takes, at the pace so far.

    >>> left = TimeLeft(steps=100, now=0.0)
    >>> left.text(20, now=5.0), left.text(50, now=10.0), left.text(100, now=20.0)
    ('20 s left', '10 s left', '')
    """

    def __init__(self, steps: int, now: float | None = None):
        self.total = steps
        self.began = time.monotonic() if now is None else now

    def text(self, done: int, now: float | None = None) -> str:
        spent = (time.monotonic() if now is None else now) - self.began
        if not 0 < done < self.total or spent <= 0:
            return ""
        seconds = round(spent * (self.total - done) / done)
        minutes = seconds // 60
        if minutes < 2:
            return f"{seconds} s left"
        return f"{minutes} min left" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min left"


def describe(record: Epoch, epochs: int) -> str:
    """One epoch as a line of text.

    >>> describe(Epoch(3, 0.25, 0.5, {"accuracy": 0.9}, 0.01, 1.0, 0.5), 10)
    'epoch  3/10  loss 0.25  validation 0.5  accuracy 0.9000'
    """
    held = "" if record.validation_loss is None else f"  validation {record.validation_loss:.4g}"
    scores = "".join(f"  {name} {value:.4f}" for name, value in record.scores.items())
    return f"epoch {record.number:{len(str(epochs))}d}/{epochs}  loss {record.loss:.4g}{held}{scores}"


def progress_for(choice: bool | Progress | None) -> Progress:
    """None: a bar on a terminal and nothing elsewhere; True: a bar or lines; False: nothing; an object: itself."""
    if choice is not None and not isinstance(choice, bool):
        return choice
    if choice is False:
        return Quiet()
    if sys.stderr.isatty():
        return Bar()
    return Lines() if choice else Quiet()
