"""A pause for Python's cyclic garbage collector while a trace is built and swept.

A trace is a million small objects, all of them in use: the collector would walk them again and again and free none, for
half of the time. When the trace is done its nodes go by reference counting; there are no cycles in it.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from typing import Any


def collector_paused(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: no collection while the function runs; afterwards it is as it was, also after an error."""

    isenabled, disable, enable = gc.isenabled, gc.disable, gc.enable

    @functools.wraps(function)
    def paused(*args: Any, **kwargs: Any) -> Any:
        if not isenabled():
            return function(*args, **kwargs)
        disable()
        try:
            return function(*args, **kwargs)
        finally:
            enable()

    return paused
