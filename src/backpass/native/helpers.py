"""Threads that wait to help: a new one for each call would often begin on its maker's core, and two work by turns."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable


class Helper:
    """A thread that does one task after another, and sleeps between them."""

    def __init__(self) -> None:
        self._task: Callable[[], None] = lambda: None
        self._error: BaseException | None = None
        self._begin, self._end = threading.Lock(), threading.Lock()
        self._begin.acquire()
        self._end.acquire()
        threading.Thread(target=self._work, name="backpass-helper", daemon=True).start()

    def _work(self) -> None:
        while True:
            self._begin.acquire()
            try:
                self._task()
            except BaseException as error:
                self._error = error
            self._end.release()

    def begin(self, task: Callable[[], None]) -> None:
        """Do a task meanwhile."""
        self._task = task
        self._begin.release()

    def wait(self) -> None:
        """Until it is done; what it raised is raised here."""
        self._end.acquire()
        self._task = lambda: None
        error, self._error = self._error, None
        if error is not None:
            raise error


_free: list[Helper] = []


def _helper() -> Helper:
    try:
        return _free.pop()
    except IndexError:
        return Helper()


def together(call: Callable[[int], None], ranks: int) -> None:
    """``call(rank)`` for each rank at the same time, for the first one in this thread."""
    helpers = [_helper() for _ in range(1, ranks)]
    for rank, helper in enumerate(helpers, 1):
        helper.begin(lambda rank=rank: call(rank))
    try:
        call(0)
    finally:
        for helper in helpers:
            helper.wait()
        _free.extend(helpers)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_free.clear)  # threads do not live on in a child


__all__ = ["together"]
