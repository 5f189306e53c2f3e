"""NumPy's objects that are no functions, as user code sees them while a trace runs.

``np.r_[t, x]``, ``np.float64(t)``, ``np.nditer(t)``, ``np.vectorize(f)(t)`` and ``isinstance(t, float)`` ask no
argument, so each has a stand-in here. With plain arguments it is NumPy's own.

>>> import numpy as np, backpass as bp
>>> bp.grad(lambda x: np.sum(np.r_[x[0], x ** 2]))(np.array([3.0, 1.0]))
array([7., 2.])
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from types import new_class
from typing import Any

import numpy as np

from . import messages
from .aval import Aval
from .buffer import Buffer, depends, plain, watched
from .errors import from_trace
from .layout import ghost
from .op import FUNCTIONS
from .origin import state
from .traced import Traced, is_array


# ---- types
def stands_for(instance: Traced) -> Any:
    """What NumPy would have in place of a traced value: a number or an array of its type."""
    value = instance.node if instance.__class__ is Buffer else instance.node.value
    if type(value) is not Aval:
        return value
    if value.shape or is_array(instance.node):
        return np.broadcast_to(np.zeros((), value.dtype), value.shape)
    number = value.dtype.type(0)
    return number.item() if value.weak else number


def kind_of(instance: Any) -> type:
    """The type of a value, and of what NumPy would have in place of a traced one."""
    return type(stands_for(instance) if isinstance(instance, Traced) else instance)


def instance_of(instance: Any, classes: Any, /) -> bool:
    """``isinstance`` with traced numbers among the floats, and traced arrays among the arrays."""
    if isinstance(instance, classes):
        return True
    return isinstance(instance, Traced) and isinstance(stands_for(instance), classes)


class StandInType(type):
    """A class that stands for one of NumPy's or Python's, and is equal to it."""

    own: Any

    def __new__(mcs, name: str, bases: tuple[type, ...], scope: dict[str, Any], **options: Any) -> Any:
        """A class that the user's code derives from it meanwhile is one of the real class."""
        if any(isinstance(base, StandInType) for base in bases):
            real = tuple([base.own if isinstance(base, StandInType) else base for base in bases])
            return new_class(name, real, options, lambda made: made.update(scope))
        return super().__new__(mcs, name, bases, scope, **options)

    def __instancecheck__(cls, instance: Any) -> bool:
        if isinstance(instance, Traced):
            instance = stands_for(instance)
        return isinstance(instance, cls.own)

    def __subclasscheck__(cls, subclass: Any) -> bool:
        return issubclass(subclass.own if isinstance(subclass, StandInType) else subclass, cls.own)

    def __getattr__(cls, name: str) -> Any:
        return getattr(cls.own, name)

    def __getitem__(cls, item: Any) -> Any:
        return cls.own[item]

    def __eq__(cls, other: object) -> bool:
        if other is Traced or other is Buffer:
            raise messages.type_compared(cls.own.__name__)
        return other is cls or cls.own == other

    def __hash__(cls) -> int:
        return hash(cls.own)

    def __repr__(cls) -> str:
        return repr(cls.own)


class _ArrayType(StandInType):
    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return watched(np.ndarray(*args, **kwargs))


NDArray = _ArrayType(
    "ndarray", (np.ndarray,), {"own": np.ndarray, "__module__": "numpy", "__doc__": np.ndarray.__doc__}
)
"""numpy.ndarray."""


class _ScalarType(StandInType):
    def __call__(cls, *args: Any) -> Any:
        if not (state.depth and args and depends(args[0])):
            return cls.own(*map(plain, args))
        value, dtype = FUNCTIONS["asarray"](args[0]), np.dtype(cls.own)
        weak = (type(value.node.value) is Aval and value.node.value.weak) or isinstance(value.node.value, (int, float))
        value = value.astype(dtype) if weak or value.dtype != dtype else value
        return value[()] if not value.shape and is_array(value.node) else value


def scalar_type(own: Any) -> Any:
    """A stand-in for np.float64 and its like, also where a dtype is asked for."""
    return _ScalarType(own.__name__, (own,), {"own": own, "__module__": "numpy", "__doc__": own.__doc__})


TYPES: dict[type, Any] = {np.ndarray: NDArray} | {
    own: scalar_type(own) for own in (np.float64, np.float32, np.complex128, np.complex64, np.int64)
}
"""NumPy's type → what stands for it."""


class _TypeOf(type):
    """``type(x)`` of a traced value is what it stands for; of an array it is what its name gives meanwhile.

    Metaclasses that are made meanwhile are subclasses of `TypeOf`, and behave as those of `type` do.
    """

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is not TypeOf:
            return super().__call__(*args, **kwargs)
        if len(args) != 1 or kwargs:
            return type(*args, **kwargs)
        kind = kind_of(args[0])
        if kind in (StandInType, _ArrayType, _ScalarType, _NumberType, _VectorizeType, _TypeOf):
            kind = type
        return TYPES.get(kind, kind)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, type) if cls is TypeOf else super().__instancecheck__(instance)

    def __subclasscheck__(cls, subclass: Any) -> bool:
        return issubclass(subclass, type) if cls is TypeOf else super().__subclasscheck__(subclass)

    def __getitem__(cls, item: Any) -> Any:
        return type[item]

    def __eq__(cls, other: object) -> bool:
        return other is cls or (cls is TypeOf and other is type)

    def __hash__(cls) -> int:
        return hash(type) if cls is TypeOf else super().__hash__()

    def __repr__(cls) -> str:
        return repr(type) if cls is TypeOf else super().__repr__()


class TypeOf(type, metaclass=_TypeOf):
    """The builtin `type`."""


class _NumberType(StandInType):
    """``float(t)`` is Python's number of the value, as math gives them, and keeps its derivative."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if not (state.depth and depends(args)):
            return cls.own(*map(plain, args), **kwargs)
        given, *imaginary = args
        if imaginary:
            return cls(given) + cls(*imaginary) * 1j
        if given.__class__ is not Traced:
            return cls.own(given)
        value = given.node.value
        if type(value) is Aval:
            if value.shape:
                raise TypeError("only 0-dimensional arrays can be converted to Python scalars")
            number = None
        else:
            number = cls.own(value)  # also to raise what Python raises
        if given.dtype.kind == "c" and cls.own is float:
            raise TypeError("float() argument must be a string or a real number, not 'complex'")
        dtype = np.dtype(cls.own)
        result = FUNCTIONS["astype"](given, dtype) if given.dtype != dtype else given.copy()
        node = result.node
        node.value = node.value._replace(weak=True) if number is None else number
        return result


TYPES[type] = TypeOf
TYPES |= {
    own: _NumberType(own.__name__, (own,), {"own": own, "dtype": np.dtype(own), "__module__": "builtins"})
    for own in (float, complex)
}
BUILTINS = {"isinstance": instance_of, "type": TypeOf, "float": TYPES[float], "complex": TYPES[complex]}


def dispatched(function: Any) -> Callable[..., Any]:
    """A function of functools.singledispatch, which chooses by what a traced value stands for."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if args and isinstance(args[0], Traced):
            return function.dispatch(kind_of(args[0]))(*args, **kwargs)
        return function(*args, **kwargs)

    return call


# ---- np.r_ and np.c_
class Joined:
    """``np.r_[...]`` and ``np.c_[...]``: slices become ranges, numbers and arrays are joined along an axis."""

    def __init__(self, own: Any):
        self.own = own

    def __getitem__(self, key: Any) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        if not (state.depth and depends(parts)):
            found = self.own[plain(key)]
            return watched(found) if state.depth else found
        axis, ndmin, trans1d = self.own.axis, self.own.ndmin, self.own.trans1d
        if isinstance(parts[0], str):
            if parts[0] in ("r", "c"):
                raise messages.stand_in_refused(f"np.r_[{parts[0]!r}, ...]", "np.matrix is not traced; use np.block")
            numbers = [int(number) for number in parts[0].split(",")]
            axis, ndmin, trans1d = (*numbers, *(ndmin, trans1d)[len(numbers) - 1 :])
            parts = parts[1:]
        arrays = [self._part(part, ndmin, trans1d) for part in parts]
        kinds = {array.dtype for array in arrays}
        dtype = np.result_type(*kinds)
        return FUNCTIONS[np.concatenate](
            [array if array.dtype == dtype else FUNCTIONS["astype"](array, dtype) for array in arrays], axis=axis
        )

    def _part(self, part: Any, ndmin: int, trans1d: int) -> Any:
        if isinstance(part, slice):
            if depends(part):
                raise messages.stand_in_refused("np.r_[start:stop:step] of traced numbers", "np.linspace takes them")
            array = np.r_[plain(part)]
            have = 1
        else:
            array = FUNCTIONS["asarray"](part)
            have = array.ndim
        if array.ndim < ndmin:
            array = np.reshape(array, (1,) * (ndmin - array.ndim) + tuple(array.shape))
        if trans1d != -1 and have < ndmin and (have or isinstance(part, slice)):
            order = list(range(ndmin))
            place = trans1d + (ndmin + 1 if trans1d < 0 else 0)
            missing = ndmin - have
            array = np.transpose(array, order[missing:][:0] + _moved(order, missing, place))
        return array

    def __len__(self) -> int:
        return 0


def _moved(axes: list[int], missing: int, place: int) -> list[int]:
    """The old axes first at `place`, the new ones around them, as np.r_'s third number says."""
    new, old = axes[:missing], axes[missing:]
    return new[:place] + old + new[place:]


# ---- iteration
_FOLLOWED = frozenset(("multi_index", "c_index", "f_index", "zerosize_ok", "refs_ok", "copy_if_overlap", "grow_inner"))
"""Flags of ``np.nditer``; others hand out several entries at a time."""


class Entries:
    """``np.nditer``: the entries in NumPy's order, as arrays without axes that may be written to."""

    own = np.nditer

    def __init__(
        self, op: Any, flags: Any = (), op_flags: Any = None, op_dtypes: Any = None, order: Any = "K", **more: Any
    ):
        self.single = not isinstance(op, (list, tuple))
        given = [None if o is None else FUNCTIONS["asarray"](o) for o in ((op,) if self.single else op)]
        self.flags = frozenset(flags or ())
        if self.flags - _FOLLOWED or more or op_dtypes is not None:
            raise messages.stand_in_refused("np.nditer with these options", "for i in np.ndindex(*x.shape) reads x[i]")
        known = [o for o in given if o is not None]
        self.shape = np.broadcast_shapes(*[o.shape for o in known])
        self.places = self._in_order(known, order)
        self.operands = tuple([o if o is not None else self._allocated(known) for o in given])
        self.at = 0

    def _in_order(self, known: list[Any], order: str) -> list[tuple[int, ...]]:
        if order == "C" or len(self.shape) < 2 or 0 in self.shape:
            return list(np.ndindex(*self.shape))
        ghosts = [ghost(o) for o in known]
        if any(g is None for g in ghosts):
            raise messages.stand_in_refused("np.nditer of an array whose order in memory is not known", 'order="C"')
        it = np.nditer(ghosts, ["multi_index"], [["readonly"]] * len(ghosts), order=order)  # type: ignore[call-overload]
        return [it.multi_index for _ in it]

    def _allocated(self, known: list[Any]) -> Any:
        return watched(np.zeros(self.shape, np.result_type(*[o.dtype for o in known])))

    def __getattr__(self, name: str) -> Any:
        raise messages.stand_in_refused(f"np.nditer(...).{name}", "for i in np.ndindex(*x.shape) reads x[i]")

    @property
    def index(self) -> int:
        order = "C" if "c_index" in self.flags else "F"
        return int(np.ravel_multi_index(self.multi_index, self.shape, order=order)) if self.shape else 0

    @property
    def itersize(self) -> int:
        return len(self.places)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def nop(self) -> int:
        return len(self.operands)

    def reset(self) -> None:
        self.at = 0

    def close(self) -> None:
        pass

    @property
    def multi_index(self) -> tuple[int, ...]:
        return self.places[self.at]

    @property
    def finished(self) -> bool:
        return self.at >= len(self.places)

    @property
    def value(self) -> Any:
        found = [
            (o if o.shape == self.shape else np.broadcast_to(o, self.shape))[(*self.places[self.at], Ellipsis)]
            for o in self.operands
        ]
        return found[0] if self.single else tuple(found)

    def __getitem__(self, k: int) -> Any:
        return self.value if self.single and k == 0 else self.value[k]

    def __setitem__(self, k: int, value: Any) -> None:
        self[k][...] = value

    def iternext(self) -> bool:
        self.at += 1
        return not self.finished

    def __iter__(self) -> Iterator[Any]:
        while not self.finished:
            yield self.value
            self.at += 1

    def __enter__(self) -> Entries:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


def nditer(op: Any, *args: Any, **kwargs: Any) -> Any:
    held = op if isinstance(op, (list, tuple)) else (op,)
    if state.depth and any(isinstance(o, Traced) for o in held):
        return Entries(op, *args, **kwargs)
    return np.nditer(op, *args, **kwargs)


class Broadcast:
    """``np.broadcast``: the shape that arrays have together, and their entries side by side, in C order."""

    def __init__(self, *operands: Any):
        self.operands = tuple([FUNCTIONS["asarray"](o) for o in operands])
        self.shape = np.broadcast_shapes(*[o.shape for o in self.operands])
        self.index = 0

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.intp))

    @property
    def ndim(self) -> int:
        return len(self.shape)

    nd = ndim

    @property
    def numiter(self) -> int:
        return len(self.operands)

    def reset(self) -> None:
        self.index = 0

    def __iter__(self) -> Broadcast:
        return self

    def __next__(self) -> tuple[Any, ...]:
        if self.index >= self.size:
            raise StopIteration
        place = tuple(map(int, np.unravel_index(self.index, self.shape)))
        self.index += 1
        return tuple([np.broadcast_to(o, self.shape)[place] for o in self.operands])


def broadcast(*args: Any) -> Any:
    if state.depth and any(isinstance(arg, Traced) for arg in args):
        return Broadcast(*args)
    return np.broadcast(*args)


def ndenumerate(arr: Any) -> Any:
    if state.depth and isinstance(arr, Traced):
        return ((place, arr[place]) for place in np.ndindex(*arr.shape))
    return np.ndenumerate(arr)


# ---- functions of entries
class Vectorized:
    """``np.vectorize(f)``: f of each entry, or of each block that a signature names; the results stacked."""

    def __init__(self, own: np.vectorize):
        self.own = own
        functools.update_wrapper(self, own)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.own, name)

    def __get__(self, instance: Any, owner: Any) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not state.depth:
            return self.own(*args, **kwargs)
        if not (depends(args) or depends(kwargs)):
            try:
                return watched(self.own(*map(plain, args), **plain(kwargs)))
            except Exception as error:
                if not from_trace(error):
                    raise
        own = self.own
        varying = [k for k in range(len(args)) if k not in own.excluded]
        named = [k for k in kwargs if k not in own.excluded]
        arrays = [FUNCTIONS["asarray"](args[k]) for k in varying] + [FUNCTIONS["asarray"](kwargs[k]) for k in named]

        def function(*entries: Any) -> Any:
            given, options = list(args), dict(kwargs)
            for k, entry in zip(varying, entries, strict=False):
                given[k] = entry
            options.update(zip(named, entries[len(varying) :], strict=True))
            return own.pyfunc(*given, **options)

        inner = [0] * len(arrays)
        if own.signature is None:
            arrays = [_of_numbers(a) for a in arrays]
        if own.signature is not None:
            inner = [len([n for n in part.split(",") if n.strip()]) for part in
                     re.findall(r"\(([^)]*)\)", own.signature.partition("->")[0])]  # fmt: skip
        return mapped(function, arrays, inner, own.otypes)


def _of_numbers(array: Any) -> Any:
    """NumPy hands the entries over as Python's numbers, which are of double precision."""
    return FUNCTIONS["astype"](array, np.float64) if array.dtype.kind == "f" and array.dtype != np.float64 else array


def mapped(function: Callable[..., Any], arrays: list[Any], inner: list[int], types: Any = None) -> Any:
    """`function` of each block, whose last `inner` axes are its own, stacked over the others; or a tuple of these."""
    outer = [tuple(a.shape[: a.ndim - n]) for a, n in zip(arrays, inner, strict=True)]
    shape = np.broadcast_shapes(*outer)
    wide = [
        a if o == shape else np.broadcast_to(a, shape + tuple(a.shape[len(o) :]))
        for a, o in zip(arrays, outer, strict=True)
    ]
    results = [function(*[a[place] for a in wide]) for place in np.ndindex(*shape)]
    if not results:
        if types:
            empty = [watched(np.empty(shape, kind)) for kind in types]
            return tuple(empty) if len(empty) > 1 else empty[0]
        raise ValueError("cannot call `vectorize` on size 0 inputs unless `otypes` is set")
    several = isinstance(results[0], tuple)
    stacks = []
    for k, column in enumerate(zip(*results, strict=True) if several else [results]):
        stack = FUNCTIONS["asarray"](list(column))
        stack = np.reshape(stack, shape + tuple(stack.shape[1:])) if shape else stack[0]
        if types and np.dtype(types[k]).kind != "O" and stack.dtype != np.dtype(types[k]):
            stack = FUNCTIONS["astype"](stack, np.dtype(types[k]))
        stacks.append(stack)
    return tuple(stacks) if several else stacks[0]


class _VectorizeType(StandInType):
    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        made = np.vectorize(*args, **kwargs)
        if not (args or "pyfunc" in kwargs):
            return lambda pyfunc: Vectorized(np.vectorize(pyfunc, **kwargs))
        return Vectorized(made)


class Vectorize(metaclass=_VectorizeType):
    """numpy.vectorize."""

    own = np.vectorize


class EntryFunction:
    """``np.frompyfunc(f, nin, nout)``; of traced values it gives an array of numbers, where NumPy's is of objects."""

    def __init__(self, function: Any, nin: int, nout: int, **options: Any):
        self.function = function
        self.own = np.frompyfunc(function, nin, nout, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.own, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not (state.depth and depends(args)):
            return self.own(*map(plain, args), **plain(kwargs))
        arrays = [_of_numbers(FUNCTIONS["asarray"](a)) for a in args]
        return mapped(self.function, arrays, [0] * len(arrays))


# ---- series
def _copy(function: Any) -> Any:
    from .followed import followed  # which knows this module's stand-ins

    return followed(getattr(function, "_implementation", function))


def _by_rule(function: Any) -> Any:
    """A function of polynomials; of traced coefficients by its rule."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        traced = any(depends(a) for a in (*args, *kwargs.values()))
        return (FUNCTIONS[function] if traced else function)(*args, **kwargs)

    return call


def series(own: Any, value: Any) -> Any:
    """A stand-in for np.polynomial.Polynomial and its like: evaluated at traced points, or of traced coefficients."""

    class Series(own):
        def __init__(self, coef: Any, domain: Any = None, window: Any = None, symbol: str = "x"):
            if not depends(coef):
                super().__init__(plain(coef), plain(domain), plain(window), symbol)
                return
            coef = FUNCTIONS["asarray"](coef)
            super().__init__(np.ones(coef.shape), domain, window, symbol)
            self.coef = coef

        def __call__(self, arg: Any) -> Any:
            if not (depends(arg) or depends(self.coef)):
                return super().__call__(plain(arg))
            (a, b), (c, d) = self.domain, self.window
            if isinstance(arg, own.__base__):
                return _copy(value)((b * c - a * d) / (b - a) + (d - c) / (b - a) * arg, self.coef)
            arg = FUNCTIONS["asarray"](arg)
            scale = (d - c) / (b - a)
            return FUNCTIONS[value]((b * c - a * d) / (b - a) + scale * arg, self.coef)

        @classmethod
        def of(cls, other: Any) -> Any:
            """A polynomial that was made outside of the trace, as one of these."""
            same = type(other) is not own
            return other if same else cls(other.coef, other.domain, other.window, other.symbol)

        def _get_coefficients(self, other: Any) -> Any:
            return super()._get_coefficients(self.of(other))

        def roots(self) -> Any:
            return _copy(own.roots)(self) if depends(self.coef) else super().roots()

        def trim(self, tol: float = 0) -> Any:
            return _copy(own.trim)(self, tol) if depends(self.coef) else super().trim(tol)

        @classmethod
        def fromroots(cls, roots: Any, *args: Any, **kwargs: Any) -> Any:
            if depends((roots, *args)):
                return _copy(own.fromroots.__func__)(cls, roots, *args, **kwargs)
            return super().fromroots(plain(roots), *map(plain, args), **plain(kwargs))

    def swapped(operator: str) -> Any:
        reflected = getattr(own, f"__r{operator}__")

        def method(self: Any, other: Any) -> Any:
            if type(other) is own:
                return getattr(self.of(other), f"__{operator}__")(self)
            return reflected(self, other)

        return method

    for operator in ("add", "sub", "mul", "floordiv", "mod", "divmod"):
        setattr(Series, f"__r{operator}__", swapped(operator))
    for name, function in vars(own).items():
        if isinstance(function, staticmethod):
            setattr(Series, name, staticmethod(_by_rule(function.__func__)))
    Series.__name__, Series.__qualname__, Series.__doc__ = own.__name__, own.__qualname__, own.__doc__
    return Series


__all__ = [
    "BUILTINS", "TYPES", "Entries", "EntryFunction", "Joined", "Vectorize", "Vectorized", "broadcast", "dispatched",
    "instance_of", "mapped", "ndenumerate", "nditer", "scalar_type", "series",
]  # fmt: skip
