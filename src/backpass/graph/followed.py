"""Formulas of SciPy and of numpy.polynomial on traced values: copies of functions that see what a trace follows.

The modules of these libraries are left alone. But where they write a formula in NumPy, as the methods ``_logpdf`` of
SciPy's distributions or the product of two polynomials, that formula is the definition, and need not be written twice.
A copy of such a function has the globals of its module, in which NumPy, SciPy and their functions are exchanged as they
are in the modules of user code.
"""

from __future__ import annotations

import sys
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from . import modules, namespace

_GLOBALS: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}
"""id of a module's globals → (those globals, the copy)."""
_CLASSES: dict[type, type] = {}


class _Extra:
    """``array_api_extra``, of which SciPy's formulas use one function: each branch is computed and chosen from."""

    @staticmethod
    def apply_where(cond: Any, args: Any, f1: Any, f2: Any = None, /, *, fill_value: Any = None, xp: Any = None) -> Any:
        args = args if isinstance(args, tuple) else (args,)
        with np.errstate(all="ignore"):
            return np.where(cond, f1(*args), fill_value if f2 is None else f2(*args))


def _lazyselect(condlist: Any, choicelist: Any, arrays: Any, default: Any = 0) -> Any:
    with np.errstate(all="ignore"):
        return np.select(condlist, [choice(*arrays) for choice in choicelist], default)


def _common_type(*arrays: Any) -> Any:
    return np.result_type(*[a.dtype for a in arrays], np.float64)


def _is_scipys(module: str) -> bool:
    return module.partition(".")[0] == "scipy"


def _copy_of(globals: dict[str, Any]) -> dict[str, Any]:
    known = _GLOBALS.get(id(globals))
    if known is not None and known[0] is globals:
        return known[1]
    made = dict(globals)
    _GLOBALS[id(globals)] = globals, made
    namespace.follow()
    extra = sys.modules.get("scipy._lib.array_api_extra")
    select = getattr(sys.modules.get("scipy._lib._util"), "_lazyselect", None)
    for name, value in globals.items():
        if type(value) is FunctionType and value.__globals__ is globals:
            made[name] = followed(value)
        elif extra is not None and value is extra:
            made[name] = _Extra
        elif select is not None and value is select:
            made[name] = _lazyselect
        elif type(value) is ModuleType and value.__name__ == "numpy.polynomial.polyutils":
            made[name] = SimpleNamespace(**_copy_of(vars(value)))
        elif hasattr(value, "rvs") and _is_scipys(type(value).__module__):
            made[name] = followed_object(value)
    made.update({name: proxy for _, name, _, proxy in modules.slots_of(globals)})
    if globals.get("__name__") == "numpy.polynomial.polyutils":
        made["np"] = namespace.Namespace(np)
        vars(made["np"])["common_type"] = _common_type
    return made


def followed(function: FunctionType) -> FunctionType:
    """The function with the globals that a trace follows."""
    made = FunctionType(
        function.__code__,
        _copy_of(function.__globals__),
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def followed_object(owner: Any) -> Any:
    """The object with copies for the private methods that SciPy wrote; those of a user's class stay as they are."""
    kind = type(owner)
    made = _CLASSES.get(kind)
    if made is None:
        names: dict[str, Any] = {}
        made = _CLASSES[kind] = type(kind.__name__, (kind,), {})  # before its methods, which may know the object
        for base in reversed(kind.__mro__[:-1]):
            for name, value in vars(base).items():
                if type(value) is not FunctionType or name.startswith("__"):
                    continue
                if not _is_scipys(base.__module__):
                    names.pop(name, None)
                elif name.startswith("_"):
                    names[name] = followed(value)
        for name, value in names.items():
            setattr(made, name, value)
    copy = object.__new__(made)
    copy.__dict__.update(vars(owner))
    return copy
