"""Formulas of SciPy and of numpy.polynomial on traced values: copies of functions that see what a trace follows.

The modules of these libraries are left alone. But where they write a formula in NumPy, as the methods ``_logpdf`` of
SciPy's distributions, the product of two polynomials or ``scipy.signal.welch``, that formula is the definition, and
need not be written twice. A copy of such a function has the globals of its module, in which NumPy, SciPy and their
functions are exchanged as they are in the modules of user code, and the functions that it calls are copies, too.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from . import modules, namespace
from .layout import contiguous, packed
from .scipy_names import exchanged, rule_of
from .traced import Traced

_GLOBALS: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}
"""id of a module's globals → (those globals, the copy)."""
_COPIES: dict[FunctionType, FunctionType] = {}
_CLASSES: dict[tuple[type, bool], type] = {}


class _Extra:
    """``array_api_extra``, as far as SciPy's formulas use it."""

    @staticmethod
    def apply_where(cond: Any, args: Any, f1: Any, f2: Any = None, /, *, fill_value: Any = None, xp: Any = None) -> Any:
        """Each branch is computed and chosen from."""
        args = args if isinstance(args, tuple) else (args,)
        with np.errstate(all="ignore"):
            return np.where(cond, f1(*args), fill_value if f2 is None else f2(*args))

    @staticmethod
    def atleast_nd(x: Any, /, *, ndim: int, xp: Any = None) -> Any:
        return np.expand_dims(x, tuple(range(ndim - x.ndim))) if x.ndim < ndim else x

    @staticmethod
    def pad(x: Any, pad_width: Any, mode: Any = "constant", *, xp: Any = None, constant_values: Any = 0) -> Any:
        return np.pad(x, pad_width, mode, constant_values=constant_values)

    @staticmethod
    def sinc(x: Any, /, *, xp: Any = None) -> Any:
        return np.sinc(x)

    class at:
        """Places of an array, of which a changed copy is made."""

        def __init__(self, x: Any, places: Any):
            self.x, self.places = x, places

        def set(self, values: Any) -> Any:
            x = namespace.replacement(np.array)(self.x)
            x[self.places] = values
            return x


def _lazyselect(condlist: Any, choicelist: Any, arrays: Any, default: Any = 0) -> Any:
    with np.errstate(all="ignore"):
        return np.select(condlist, [choice(*arrays) for choice in choicelist], default)


def _common_type(*arrays: Any) -> Any:
    return np.result_type(*[a.dtype for a in arrays], np.float64)


def _in_one_piece(a: Any, dtype: Any = None) -> Any:
    found = namespace.replacement(np.asarray)(a, dtype)
    return packed(found.copy()) if type(found) is Traced and not contiguous(found.node) else found


# The loops of scipy.ndimage read all that they need before they write.
_OF_IMAGES = {"asarray": _in_one_piece, "may_share_memory": lambda *arrays: False}
_OF_NUMPY = {
    "numpy.polynomial.polyutils": {"common_type": _common_type},
    **{f"scipy.ndimage.{name}": _OF_IMAGES for name in ("_filters", "_fourier", "_interpolation")},
}
"""Module → functions of NumPy that are others in its copies."""


def _is_scipys(module: Any) -> bool:
    return str(module).partition(".")[0] == "scipy"


class _Module:
    """A private module whose functions are copies."""

    def __init__(self, own: ModuleType):
        self._own, self._globals = own, _copy_of(vars(own))

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._own, name)
        _follow((name,), vars(self._own), self._globals)
        return self._globals.get(name, found)


def _copy_of(globals: dict[str, Any]) -> dict[str, Any]:
    """The globals with NumPy's and SciPy's objects exchanged; functions are followed as `_follow` meets their names."""
    known = _GLOBALS.get(id(globals))
    if known is not None and known[0] is globals:
        return known[1]
    namespace.follow()
    made = dict(globals)
    _GLOBALS[id(globals)] = globals, made
    made.update({name: proxy for _, name, _, proxy in modules.slots_of(globals)})
    other = _OF_NUMPY.get(str(globals.get("__name__")))
    if other is not None:
        made["np"] = namespace.Namespace(np)
        vars(made["np"]).update(other)
    return made


def _stand_ins() -> dict[int, Any]:
    """id of what SciPy's private modules hold → what stands for it."""
    private = {
        "scipy._lib.array_api_extra": {"": _Extra},
        "scipy._lib.array_api_compat.numpy": {"": namespace.array_namespace()},
        "scipy._lib._util": {
            "_lazyselect": _lazyselect,
            "_asarray_validated": lambda a, *args, **options: namespace.replacement(np.asarray)(a),
        },
        "scipy._lib._array_api": {"array_namespace": lambda *arrays, **options: namespace.array_namespace()},
    }
    found = {}
    for module, names in private.items():
        own = sys.modules.get(module)
        for name, stand_in in names.items() if own is not None else ():
            found[id(getattr(own, name) if name else own)] = stand_in
    return found


def _follow(names: Iterator[str] | tuple[str, ...], globals: dict[str, Any], made: dict[str, Any]) -> None:
    """Exchange these names in a copy of globals."""
    stand_ins = _stand_ins()
    for name in names:
        value = globals.get(name)
        if value is not None and made.get(name) is value:
            made[name] = _followed_value(value, stand_ins)


def _followed_value(value: Any, stand_ins: dict[int, Any]) -> Any:
    stand_in = stand_ins.get(id(value))
    if stand_in is not None:
        return stand_in
    exchange = namespace.replacement(value)
    if exchange is not value:
        return exchange
    module = getattr(value, "__module__", "")
    if type(value) in (FunctionType, BuiltinFunctionType) and rule_of(value) is not None:
        return exchanged(value)
    if type(value) is FunctionType:
        return followed(value) if _is_scipys(module) or module.startswith("numpy.polynomial") else value
    if type(value) is ModuleType:
        private = "._" in value.__name__ and _is_scipys(value.__name__)
        return _Module(value) if private or value.__name__ == "numpy.polynomial.polyutils" else value
    if type(value) in (list, tuple):
        return type(value)([_followed_value(part, stand_ins) for part in value])
    if type(value) is dict and all(isinstance(key, str) for key in value):
        return {key: _followed_value(part, stand_ins) for key, part in value.items()}
    if isinstance(value, type):
        return followed_class(value, True) if module.startswith("scipy.signal.") else value
    return followed_object(value) if hasattr(value, "random_state") and _is_scipys(type(value).__module__) else value


def _names(code: CodeType) -> Iterator[str]:
    """The global names that a function's code may read, and that of the functions in it."""
    yield from code.co_names
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from _names(part)


def followed(function: FunctionType) -> FunctionType:
    """The function with the globals that a trace follows."""
    made = _COPIES.get(function)
    if made is None:
        globals = _copy_of(function.__globals__)
        made = _COPIES[function] = FunctionType(
            function.__code__, globals, function.__name__, function.__defaults__, function.__closure__
        )
        made.__kwdefaults__ = function.__kwdefaults__
        made.__dict__.update(function.__dict__)
        _follow(_names(function.__code__), function.__globals__, globals)
    return made


def followed_class(kind: type, public: bool = False) -> type:
    """The class with copies for the methods that SciPy wrote, private ones or all; a user's own stay as they are."""
    made = _CLASSES.get((kind, public))
    if made is None:
        names: dict[str, Any] = {}
        made = _CLASSES[kind, public] = type(kind.__name__, (kind,), {})  # before its methods, which may know it
        for base in reversed(kind.__mro__[:-1]):
            for name, value in vars(base).items():
                if (name.startswith("_") and not name.startswith("__")) or (public and name != "__new__"):
                    copy = _followed_method(value)
                    if not _is_scipys(base.__module__):
                        names.pop(name, None)
                    elif copy is not None:
                        names[name] = copy
        for name, value in names.items():
            setattr(made, name, value)
    return made


def _followed_method(value: Any) -> Any:
    if type(value) is FunctionType:
        return followed(inspect.unwrap(value))  # those that a trace exchanges are exchanged by now
    if type(value) is property:
        getter, setter = [f and followed(f) for f in (value.fget, value.fset)]
        return property(getter, setter)
    return None


def followed_object(owner: Any, public: bool = False) -> Any:
    """The object with the methods of `followed_class`."""
    copy = object.__new__(followed_class(type(owner), public))
    copy.__dict__.update(vars(owner))
    return copy
