"""`quiet`: a function during which NumPy warns of nothing.

``np.errstate`` makes its setting anew for each call, which takes as long as a small operation. It keeps the setting in
a context variable, as each thread and task has its own; here what it has made once is set again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from typing import ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
T = TypeVar("T")


def _setting() -> tuple[ContextVar[object], object] | None:
    """The variable that ``np.errstate`` sets, and what it sets it to; None where it keeps the setting elsewhere."""
    before = copy_context()
    with np.errstate(all="ignore"):
        within = copy_context()
    changed = [variable for variable, value in within.items() if before.get(variable) is not value]
    return (changed[0], within[changed[0]]) if len(changed) == 1 else None


_SETTING = _setting()


def quiet(function: Callable[P, T]) -> Callable[P, T]:
    """Decorator: ``np.errstate(all="ignore")`` for each call.

    >>> quiet(lambda: np.float64(1) / 0.0)()
    np.float64(inf)
    """
    if _SETTING is None:
        return np.errstate(all="ignore")(function)
    variable, ignore = _SETTING
    of_users = np.errstate(all="ignore")(function)

    @functools.wraps(function)
    def quieted(*args: P.args, **kwargs: P.kwargs) -> T:
        if variable.get(None) is not None:  # a setting of the user's, whose callback and buffer size stay
            return of_users(*args, **kwargs)
        before = variable.set(ignore)
        try:
            return function(*args, **kwargs)
        finally:
            variable.reset(before)

    return quieted


__all__ = ["quiet"]
