"""Imports in the middle of a trace: an ``import`` statement in a function, and ``importlib.import_module``.

>>> import numpy as np, backpass as bp
>>> __name__ = "yours"  # what stands here is this package's own, and would be left alone
>>> def f(x):
...     import numpy as np
...     out = np.zeros(2)
...     out[0] = x[1]
...     return np.sum(out ** 2)
>>> bp.grad(f)(np.array([1.0, 3.0]))
array([0., 6.])

What a function of user code gets is exchanged as the globals of its module are. A module that is loaded meanwhile runs
as outside of a trace, and then takes part in it like those that were there before.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import sys
from collections.abc import Callable
from typing import Any

from . import modules
from .namespace import replacement
from .origin import state


def _loaded(own: Callable[..., Any], *args: Any) -> Any:
    mine = state.__dict__  # this thread's
    before, count = dict(mine), len(sys.modules)
    mine["depth"], mine["origin"] = 0, None
    found = None
    try:
        found = own(*args)
        return found
    finally:
        mine.update(before)
        if len(sys.modules) != count or modules.is_new(found):
            modules.look_again()


def _seen_from(globals: dict[str, Any], module: Any) -> Any:
    return replacement(module) if modules.is_users(str(globals.get("__name__"))) else module


def _statement(own: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(own)
    def __import__(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        if not state.depth:
            return own(name, globals, locals, fromlist, level)
        found = _loaded(own, name, globals, locals, fromlist, level)
        return _seen_from(sys._getframe(1).f_globals, found)

    return __import__


STATEMENT: modules.Slot = (vars(builtins), "__import__", builtins.__import__, _statement(builtins.__import__))


@functools.wraps(importlib.import_module)
def import_module(name: str, package: str | None = None) -> Any:
    if not state.depth:
        return importlib.import_module(name, package)
    return _seen_from(sys._getframe(1).f_globals, _loaded(importlib.import_module, name, package))


__all__ = ["STATEMENT", "import_module"]
