"""`numpy` and `math` as user code sees them while a trace runs, and as ``x.__array_namespace__()`` gives them.

Most of NumPy asks its arguments. What does not is replaced here: functions that create arrays make a `Buffer`, lists
that hold traced values become arrays, and the functions of `math` take traced numbers. All else is NumPy's own object.
Outside of a trace, and in other threads, each function here is NumPy's.
"""

from __future__ import annotations

import cmath
import functools
import importlib
import itertools
import math
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from . import messages, scipy_names, stand_ins
from .aval import Aval
from .buffer import Buffer, depends, plain, watched
from .layout import in_order
from .memory import base_of
from .op import FUNCTIONS, UFUNCS
from .origin import here, state
from .traced import Flat, Traced, bind, is_array, with_value

_IF_NEEDED = getattr(getattr(np, "_CopyMode", None), "IF_NEEDED", None)
"""Another word for ``copy=None``, which libraries use."""
FILLED = (np.zeros, np.ones, np.empty, np.zeros_like, np.ones_like, np.empty_like, np.full_like)
MADE = (
    np.eye, np.identity, np.arange, np.linspace, np.logspace, np.geomspace, np.tri, np.tile, np.repeat, np.concatenate,
    np.stack, np.hstack, np.vstack, np.column_stack, np.append, np.pad, np.diag, np.diagflat, np.fromfunction,
    np.indices, np.tril_indices, np.triu_indices,
)  # fmt: skip
CONVERTED = (
    np.array, np.asarray, np.asanyarray, np.ascontiguousarray, np.asfortranarray, np.copy, np.asarray_chkfinite,
)  # fmt: skip
OF_ARRAYS = frozenset((
    np.concatenate, np.stack, np.hstack, np.vstack, np.dstack, np.column_stack, np.block, np.select, np.choose,
    np.linalg.multi_dot, np.lexsort, np.piecewise, np.ix_, np.histogramdd, np.histogram2d,
))  # fmt: skip
"""Functions that take a sequence of arrays, which is no array itself."""


_ORDERS = {np.ascontiguousarray: "C", np.asfortranarray: "F"}


def _listed(function: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments with an array in place of each list that holds traced values."""
    array = FUNCTIONS["asarray"]
    if function is np.block:
        return args
    if function in OF_ARRAYS:
        return tuple(
            [
                type(a)([array(part) if isinstance(part, (list, tuple)) else part for part in a])
                if isinstance(a, list) or (isinstance(a, tuple) and type(a) is tuple)
                else a
                for a in args
            ]
        )
    return tuple([array(a) if isinstance(a, (list, tuple)) and _holds(a) else a for a in args])


def _held(value: Any) -> Any:
    """A traced value in this (nested) list; None where there is none."""
    if value.__class__ is Traced:
        return value
    if isinstance(value, (list, tuple)):
        for part in value:
            found = _held(part)
            if found is not None:
                return found
    return None


def _holds(value: Any) -> bool:
    """Is there a traced value in this (nested) list?"""
    return _held(value) is not None


def _asks(function: Any) -> Callable[..., Any]:
    """A function that dispatches on its arguments: lists among them are looked into, too."""
    implementation = FUNCTIONS.get(function)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and args[0].__class__ is Traced:  # most calls, on a shorter way
            return args[0].__array_function__(function, (), args, kwargs)
        if state.depth:
            for arg in args:
                kind = arg.__class__
                if kind is list or kind is tuple:
                    held = _held(arg)
                    if held is not None:
                        args = _listed(function, args)
                        if function in OF_ARRAYS and implementation is not None:
                            return held.__array_function__(function, (), args, kwargs)
                        break
            for arg in (*args, *kwargs.values()) if kwargs else args:
                if arg.__class__ is Traced:  # NumPy itself asks some of the arguments only
                    return arg.__array_function__(function, (), args, kwargs)
        return function(*args, **kwargs)

    return call


def _of_ufunc(ufunc: np.ufunc) -> Callable[..., Any]:
    """A ufunc: a traced argument is recorded without NumPy's own detour, a list that holds one becomes an array."""
    op = UFUNCS.get(ufunc)
    direct = op is not None and op.complex_form is None and ufunc not in FUNCTIONS
    nin = ufunc.nin

    def call(x: Any, /, *rest: Any, **kwargs: Any) -> Any:
        if x.__class__ is Traced and not rest and direct and nin == 1 and not kwargs:
            return bind(op, (x,))  # type: ignore[arg-type]
        args = (x, *rest)
        if state.depth:
            for arg in args:
                kind = arg.__class__
                if (kind is list or kind is tuple) and _holds(arg):
                    args = _listed(ufunc, args)
                    break
        return ufunc(*args, **kwargs)

    functools.update_wrapper(call, ufunc, ("__name__", "__qualname__", "__doc__"), ())
    call.__module__ = "numpy"
    for name in dir(ufunc):
        if not name.startswith("_"):
            setattr(call, name, getattr(ufunc, name))
    return call


def _creates(function: Any, whole_numbers: bool) -> Callable[..., Any]:
    """A function that makes an array: while a trace runs, a buffer."""
    ask = _asks(function)

    @functools.wraps(function)
    def create(*args: Any, **kwargs: Any) -> Any:
        if not state.depth:
            return function(*args, **kwargs)
        result = ask(*args, **kwargs)
        if result.__class__ is np.ndarray and (whole_numbers or result.dtype.kind in "fc") and result.flags.writeable:
            return watched(result)
        return result

    return create


@functools.wraps(np.full)
def _full(shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C", **kwargs: Any) -> Any:
    if not state.depth:
        return np.full(shape, fill_value, dtype, order, **kwargs)
    shape = shape if depends(shape) else plain(shape)
    if depends(fill_value):
        value = FUNCTIONS["asarray"](fill_value)
        if dtype is None and type(value) is Traced:
            return FUNCTIONS[np.broadcast_to](value, shape).copy(order)
        out = Buffer(np.empty(shape, value.dtype if dtype is None else dtype, order))
        out[...] = value
        return out
    return watched(np.full(shape, plain(fill_value), dtype, order, **kwargs))


@functools.wraps(np.fromiter)
def _fromiter(iter: Any, dtype: Any, count: int = -1, **kwargs: Any) -> Any:
    if not state.depth:
        return np.fromiter(iter, dtype, count, **kwargs)
    values = list(iter if count < 0 else itertools.islice(iter, count))
    if len(values) < count:
        raise ValueError(f"iterator too short: Expected {count} but iterator had only {len(values)} items.")
    return _converted(np.array, values, (dtype,), {}) if _holds(values) else watched(np.fromiter(values, dtype))


def _converts(function: Any) -> Callable[..., Any]:
    """np.array and its kin: of a list that holds traced values, of a traced array, of anything else a buffer."""

    @functools.wraps(function)
    def convert(*args: Any, **kwargs: Any) -> Any:
        if not state.depth or not args:
            return function(*args, **kwargs)
        first = args[0].copy() if args[0].__class__ is Flat else args[0]
        if hasattr(first.__class__, "__array__") and not isinstance(first, (np.ndarray, np.generic)):
            first = FUNCTIONS["asarray"](first)
        if isinstance(first, Traced) or (isinstance(first, (list, tuple)) and _holds(first)):
            return _converted(function, first, args[1:], kwargs)
        result = function(*args, **kwargs)
        if result is first or result.__class__ is not np.ndarray or result.dtype.kind not in "fc":
            return result
        if isinstance(first, np.ndarray) and np.may_share_memory(first, result):
            return result
        return watched(result)

    return convert


def _converted(function: Any, value: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    options = dict(zip(("dtype", "order") if function is not np.copy else ("order",), args, strict=False)) | kwargs
    dtype, ndmin = options.get("dtype"), options.get("ndmin", 0)
    copied = options.get("copy", function is np.array or function is np.copy) not in (None, False, _IF_NEEDED)
    order = _ORDERS.get(function) or options.get("order")
    given = isinstance(value, Traced)
    result = value if given else FUNCTIONS["asarray"](value)
    if dtype is not None and result.dtype != np.dtype(dtype):
        result = result.astype(dtype)
        result = in_order(result, order) if order in ("C", "F") else result
    elif given and copied and result.shape:
        result = result.copy(order=order or "K")
    elif order in ("C", "F"):
        result = in_order(result, order)
    if not result.shape and type(result) is Traced and (copied or not is_array(result.node)):
        result = Traced(FUNCTIONS[np.reshape](result, ()).node)  # an array without axes
        if type(result.node.value) is not Aval:
            result.node.value = np.asarray(result.node.value)
    if result.ndim < ndmin:
        result = FUNCTIONS[np.reshape](result, (1,) * (ndmin - result.ndim) + result.shape)
    return result


@functools.wraps(np.lib.stride_tricks.as_strided)
def _as_strided(x: Any, *args: Any, **kwargs: Any) -> Any:
    own = np.lib.stride_tricks.as_strided
    return (
        Traced.__array_function__(x, own, (), (x, *args), kwargs) if isinstance(x, Traced) else own(x, *args, **kwargs)
    )


@functools.wraps(np.require)
def _require(a: Any, dtype: Any = None, requirements: Any = None, **kwargs: Any) -> Any:
    if not isinstance(a, Traced) and not _holds(a):
        return np.require(a, dtype, requirements, **kwargs)
    wanted = {str(name)[0].upper() for name in requirements or ()}
    if wanted >= {"C", "F"}:
        raise ValueError('Cannot specify both "C" and "F" order')
    result = _converted(np.asarray, a, (dtype, "C" if "C" in wanted else "F" if "F" in wanted else None), {})
    return result.copy("K") if "O" in wanted and base_of(result) is not None else result


# ---- math
def _sum(values: Any) -> Any:
    return np.sum(FUNCTIONS["asarray"](list(values)))


def _product(values: Any, *, start: Any = 1) -> Any:
    return np.prod(FUNCTIONS["asarray"](list(values))) * start


def _special(name: str) -> Callable[..., Any]:
    def call(x: Any) -> Any:
        import scipy.special

        return getattr(scipy.special, name)(x)

    return call


def _hypot(first: Any, *parts: Any) -> Any:
    return functools.reduce(np.hypot, parts, first) if parts else np.abs(first)


def _dist(p: Any, q: Any) -> Any:
    array = FUNCTIONS["asarray"]
    return np.linalg.norm(array(list(p)) - array(list(q)))


_SAME = """
sin cos tan sinh cosh tanh exp exp2 expm1 log1p log2 log10 sqrt cbrt fabs degrees radians copysign fmod ldexp modf frexp
isnan isinf isfinite isclose nextafter
"""
MATH: dict[str, Callable[..., Any]] = {
    name: getattr(np, name) for name in _SAME.split() if hasattr(math, name)
} | {
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "asinh": np.arcsinh, "acosh": np.arccosh,
    "atanh": np.arctanh, "atan2": np.arctan2, "pow": np.power, "hypot": _hypot, "dist": _dist, "fsum": _sum,
    "prod": _product, "log": lambda x, *base: np.log(x) / np.log(base[0]) if base else np.log(x),
    "remainder": lambda x, y: x - y * np.rint(x / y),
    "erf": _special("erf"), "erfc": _special("erfc"), "gamma": _special("gamma"), "lgamma": _special("gammaln"),
    "floor": lambda x: np.floor(x).astype(int), "ceil": lambda x: np.ceil(x).astype(int),
    "trunc": lambda x: np.trunc(x).astype(int),
}  # fmt: skip
"""Function of math → the same of traced numbers. Others (gcd, factorial, …) take whole numbers, which are plain."""


def _number(value: Any) -> Any:
    """The plain value of a traced number, for math itself; lists of them too."""
    if isinstance(value, (list, tuple)):
        return type(value)(map(_number, value))
    if value.__class__ is Traced:
        value = value.node.value
    elif value.__class__ is Buffer:
        value = value.node
    return value


def _scalar(value: Any) -> Any:
    """math takes an array of one entry for a number."""
    if value.__class__ is Traced and value.shape and value.size == 1:
        return FUNCTIONS[np.reshape](value, ())
    return [_scalar(v) for v in value] if isinstance(value, (list, tuple)) else value


def _is_staged(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(map(_is_staged, value))
    return value.__class__ is Traced and type(value.node.value) is Aval


def _of_math(name: str, own: Any) -> Callable[..., Any]:
    """The value is math's own, a Python number, to the bit; the derivative is that of NumPy's function."""
    of_traced = MATH[name]

    @functools.wraps(own)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not state.depth:
            return own(*args, **kwargs)
        args = tuple([list(a) if hasattr(a, "__next__") else a for a in args])
        if not depends(args):
            return own(*map(_number, args), **kwargs)
        args = tuple(map(_scalar, args))
        origin = here(2)
        if _is_staged(args):
            before = state.origin
            state.origin = origin
            try:
                result = of_traced(*args, **kwargs)
            finally:
                state.origin = before
            if type(result) is Traced and type(result.node.value) is Aval and result.dtype.kind == "f":
                result.node.value = result.node.value._replace(weak=True)
            return result
        value = own(*map(_number, args), **kwargs)  # also to raise what math raises
        if isinstance(value, (bool, int, np.bool_, np.integer)):
            return value  # a step function: its derivative is 0
        with np.errstate(all="ignore"):
            result = of_traced(*args, **kwargs)
        if isinstance(value, tuple):  # of modf and frexp
            return tuple(
                [with_value(r, v, origin) if type(r) is Traced else v for r, v in zip(result, value, strict=True)]
            )
        if type(result) is Traced and isinstance(value, float):
            return with_value(result, value, origin)
        return result

    return call


_ALSO_COMPLEX = """
sqrt exp log log10 sin cos tan sinh cosh tanh asin acos atan asinh acosh atanh
"""
CMATH: dict[str, Callable[..., Any]] = {name: MATH[name] for name in _ALSO_COMPLEX.split()} | {
    "phase": np.angle,
    "polar": lambda z: (np.abs(z), np.angle(z)),
    "rect": lambda r, phi: r * np.exp(1j * phi),
}
"""Function of cmath → the same of traced numbers, which it takes for complex ones."""


def _of_cmath(name: str, own: Any) -> Callable[..., Any]:
    """As `_of_math`: the value is cmath's own, and real numbers count as complex ones."""
    of_traced = CMATH[name]

    @functools.wraps(own)
    def call(*args: Any) -> Any:
        if not (state.depth and depends(args)):
            return own(*map(_number, args))
        args = tuple(map(_scalar, args))
        value = None if _is_staged(args) else own(*map(_number, args))
        with np.errstate(all="ignore"):
            if name != "rect":
                args = tuple([FUNCTIONS["astype"](FUNCTIONS["asarray"](a), np.complex128) for a in args])
            result = of_traced(*args)
        if name == "polar":
            return result if value is None else tuple(map(with_value, result, value))
        return result if value is None else with_value(result, value)

    return call


def dispatcher(compiled: Any) -> Any:
    """A function that numba has compiled: it cannot be traced, but the Python that it was made from can."""

    @functools.wraps(compiled.py_func)
    def call(*args: Any, **kwargs: Any) -> Any:
        if state.depth:
            if depends(args) or depends(kwargs):
                raise messages.compiled_function(compiled)
            args, kwargs = plain(args), plain(kwargs)
        return compiled(*args, **kwargs)

    return call


def generator(own: Any) -> Any:
    """A generator of np.random that was made outside of a trace."""
    from .shuffled import watching

    return watching(own)


# ---- the namespaces
_names_of: Callable[[ModuleType], dict[str, Any]] = vars(ModuleType)["__dict__"].__get__
"""A module's own names: a `Namespace` that is asked for its ``__dict__`` fills it first."""


class Namespace(ModuleType):
    """A module with some of its functions replaced, each when it is first asked for."""

    def __init__(self, module: ModuleType):
        super().__init__(module.__name__, module.__doc__)
        own = _names_of(self)
        own["_module"] = module
        own["__getattribute__"] = self._by_name

    def __getattr__(self, name: str) -> Any:
        own = _names_of(self)
        value = getattr(own["_module"], name)
        if isinstance(value, ModuleType):
            follow()
        found = replacement(value)
        if not name.startswith("__"):
            own[name] = found
        return found

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        """All names, for ``vars(numpy)``."""
        own = _names_of(self)
        for name, value in _names_of(own["_module"]).items():
            if not name.startswith("__") and not isinstance(value, ModuleType) and name not in own:
                own[name] = replacement(value)
        return own

    def _by_name(self, name: str) -> Any:
        """``numpy.__getattribute__("sin")``, which does not look further where nothing is held."""
        return getattr(self, name)

    def __dir__(self) -> list[str]:
        return dir(_names_of(self)["_module"])

    def __repr__(self) -> str:
        return repr(_names_of(self)["_module"])

    def __setattr__(self, name: str, value: Any) -> None:
        own = _names_of(self)
        setattr(own["_module"], name, value)
        own.pop(name, None)


class _Later:
    """What makes the replacement of a function when it is first asked for: few of NumPy's are, in one program."""

    __slots__ = ("make",)

    def __init__(self, make: Callable[[Any], Any]):
        self.make = make


class _Replacements(dict[int, tuple[Any, Any]]):
    """id of NumPy's object → (the object, what stands for it)."""

    def get(self, key: int, default: Any = None) -> Any:
        known = super().get(key, default)
        if known is not None and type(known[1]) is _Later:
            known = self[key] = known[0], known[1].make(known[0])
        return known


NUMPY = Namespace(np)
REPLACED = _Replacements()


def _enter(value: Any, found: Any) -> None:
    REPLACED[id(value)] = value, found


def replacement(value: Any) -> Any:
    """What stands for an object of NumPy or math while a trace runs; the object itself where nothing needs to."""
    known = REPLACED.get(id(value))
    if known is not None and known[0] is value:
        return known[1]
    return value


def fill() -> None:
    from .imports import import_module  # which knows this module

    asks, of_ufunc = _Later(_asks), _Later(_of_ufunc)
    _enter_module(np.linalg)
    for name in dir(np):
        if name.startswith("_") or name in ("test", "matrix", "bmat"):
            continue
        value = np.__dict__.get(name)
        if isinstance(value, np.ufunc):
            if value in UFUNCS or value in FUNCTIONS:
                _enter(value, of_ufunc)
        elif callable(value) and not isinstance(value, type) and value in FUNCTIONS:
            _enter(value, asks)
    for functions, make in (
        (FILLED, lambda function: _creates(function, True)),
        (MADE, lambda function: _creates(function, False)),
        (CONVERTED, _converts),
    ):
        for function in functions:
            _enter(function, _Later(make))
    for own, stand_in in stand_ins.TYPES.items():
        _enter(own, stand_in)
    for joined in (np.r_, np.c_):
        _enter(joined, stand_ins.Joined(joined))
    _enter(np.nditer, stand_ins.nditer)
    _enter(np.ndenumerate, stand_ins.ndenumerate)
    _enter(np.broadcast, stand_ins.broadcast)
    _enter(np.vectorize, stand_ins.Vectorize)
    _enter(np.frompyfunc, stand_ins.EntryFunction)
    for module in (np.emath, np.lib.stride_tricks, np.lib):
        _enter(module, Namespace(module))
    _enter(np.lib.stride_tricks.as_strided, _as_strided)
    _enter(np.require, _require)
    _enter(np.full, _full)
    _enter(np.fromiter, _fromiter)
    _enter(np, NUMPY)
    _enter(math, Namespace(math))
    for name in MATH:
        own = getattr(math, name)
        _enter(own, _of_math(name, own))
    _enter(importlib, Namespace(importlib))
    _enter(importlib.import_module, import_module)
    _enter(cmath, Namespace(cmath))
    for name in CMATH:
        own = getattr(cmath, name)
        _enter(own, _of_cmath(name, own))


def _enter_module(module: ModuleType) -> None:
    """Enter a module of NumPy's and those of its functions that take traced values."""
    _enter(module, Namespace(module))
    for name in module.__all__:
        function = getattr(module, name)
        if callable(function) and function in FUNCTIONS:
            _enter(function, _Later(_asks))


def _fill_fourier() -> None:
    """numpy.fft, which NumPy imports when it is first asked for."""
    FUNCTIONS["late"]()
    _enter_module(np.fft)


def _fill_random() -> None:
    """numpy.random, which NumPy imports when it is first asked for."""
    from . import shuffled

    _enter(np.random, Namespace(np.random))
    _enter(np.random.default_rng, shuffled.default_rng)
    _enter(np.random.Generator, shuffled.Generator)
    _enter(np.random.RandomState, shuffled.RandomState)
    for name in ("shuffle", "permutation", "choice"):
        _enter(getattr(np.random, name), getattr(shuffled.GLOBAL, name))


def _fill_series() -> None:
    """numpy.polynomial: its functions ask no argument, and its classes call them."""
    FUNCTIONS["late"]()
    _enter(np.polynomial, Namespace(np.polynomial))
    base = np.polynomial.Polynomial.__base__
    assert base is not None
    scipy_names.exchange_call(base, lambda self, arg: replacement(type(self)).of(self)(arg))
    for module, own, value in (
        (np.polynomial.polynomial, np.polynomial.Polynomial, np.polynomial.polynomial.polyval),
        (np.polynomial.chebyshev, np.polynomial.Chebyshev, np.polynomial.chebyshev.chebval),
        (np.polynomial.legendre, np.polynomial.Legendre, np.polynomial.legendre.legval),
        (np.polynomial.hermite, np.polynomial.Hermite, np.polynomial.hermite.hermval),
        (np.polynomial.hermite_e, np.polynomial.HermiteE, np.polynomial.hermite_e.hermeval),
        (np.polynomial.laguerre, np.polynomial.Laguerre, np.polynomial.laguerre.lagval),
    ):
        _enter(module, Namespace(module))
        _enter(own, stand_ins.series(own, value))
        for name in module.__all__:
            function = getattr(module, name)
            if callable(function) and not isinstance(function, type):
                _enter(function, _asks(function))


def follow() -> None:
    """Enter what was imported meanwhile of SciPy, and of NumPy itself."""
    if "numpy.polynomial" in sys.modules and replacement(np.polynomial) is np.polynomial:
        _fill_series()
    if "numpy.fft" in sys.modules and replacement(np.fft) is np.fft:
        _fill_fourier()
    if "numpy.random" in sys.modules and replacement(np.random) is np.random:
        _fill_random()
    if "scipy" in sys.modules:
        scipy_names.enter(_enter, Namespace)
    compat = sys.modules.get("array_api_compat.numpy.linalg")
    if compat is not None:  # it calls LAPACK past NumPy
        _enter(compat.solve, replacement(np.linalg.solve))


def array_namespace() -> Namespace:
    """What ``x.__array_namespace__()`` gives."""
    if not REPLACED:
        fill()
    return NUMPY
