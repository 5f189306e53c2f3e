"""Ctrl-C between two steps: a run that is saved must stop where everything it carries belongs to one step."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any


class Interrupts:
    """Whether Ctrl-C was pressed; `check` raises the KeyboardInterrupt that was held back.

    A second Ctrl-C does not wait (a step may be long) and is told by `forced`.
    """

    def __init__(self) -> None:
        self.asked = False
        self.forced = False

    def check(self) -> None:
        if self.asked:
            raise KeyboardInterrupt

    def _pressed(self, *_: Any) -> None:
        if self.asked:
            self.forced = True
            raise KeyboardInterrupt
        self.asked = True


@contextlib.contextmanager
def held_back() -> Iterator[Interrupts]:
    """Hold Ctrl-C back while the block runs, where Python's own handler is in place and this is the main thread."""
    found = Interrupts()
    mine = threading.current_thread() is threading.main_thread()
    if not mine or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield found
        return
    before = signal.signal(signal.SIGINT, found._pressed)
    try:
        yield found
    finally:
        signal.signal(signal.SIGINT, before)
