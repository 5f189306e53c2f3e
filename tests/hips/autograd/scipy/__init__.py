"""autograd.scipy is SciPy; a function that has a rule goes by it where an argument is traced."""

import functools
import importlib
import sys
import types

from backpass.graph.op import FUNCTIONS
from backpass.graph.traced import Traced


def _ruled(function):
    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        traced = any(a.__class__ is Traced for a in (*args, *kwargs.values()))
        FUNCTIONS["late"]()
        rule = FUNCTIONS.get(function) if traced else None
        return (rule or function)(*args, **kwargs)

    return wrapped


class _SciPy(types.ModuleType):
    def __getattr__(self, name):
        found = getattr(self.behind, name)
        return _ruled(found) if isinstance(found, types.FunctionType) else found


for _name in ("special", "linalg", "integrate", "signal"):
    _module = _SciPy(f"{__name__}.{_name}")
    _module.behind = importlib.import_module(f"scipy.{_name}")
    sys.modules[_module.__name__] = globals()[_name] = _module
