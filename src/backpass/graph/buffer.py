"""`Buffer`: an array that the user's code makes while a trace runs, plain until a traced value is written into it.

``np.zeros(n)`` does not ask anybody, so a plain array would be filled with traced values in vain. While a trace runs,
the `numpy` that the user's module sees makes a Buffer in its place (``namespace.py``). What depends on no argument is
computed by NumPy itself, at once, and is a Buffer again. The first traced value that is written makes it, and every
view of it, an ordinary traced array.

>>> import numpy as np, backpass as bp
>>> def powers(x):
...     out = np.ones(4)
...     for i in range(1, 4):
...         out[i] = out[i - 1] * x
...     return np.sum(out)
>>> bp.grad(powers)(2.0)
17.0
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import numpy as np

from . import messages
from .aval import Aval, aval_of
from .memory import View, check_swap, derived, made_stale, memory_of, own_copy, root_of, shared, take_away
from .op import FUNCTIONS, HANDLES, OUT, REFUSALS, UFUNCS, WATCHED, WRITERS
from .origin import here, state
from .out import without_out
from .pytree import flatten
from .resize import reshaped
from .traced import CONSTANT, Flat, Traced, bind, recorded, shares_memory


def depends(value: Any) -> bool:
    """Is there a traced value in this (nested) argument, whose derivative or type would be lost in a plain one?"""
    kind = value.__class__
    if kind is Traced:
        known = value.node.value
        return type(known) is Aval or aval_of(known).differentiable
    if kind is list or kind is tuple:
        return any(map(depends, value))
    if kind is dict:
        return any(map(depends, value.values()))
    if kind is slice:
        return depends((value.start, value.stop, value.step))
    return False


def plain(value: Any) -> Any:
    """The argument with plain arrays in place of buffers, and of traced whole numbers and truth values."""
    kind = value.__class__
    if kind is Buffer:
        return value.captured()
    if kind is Traced:
        return value.node.value
    if kind is list:
        return [plain(v) for v in value]
    if kind is tuple:
        return tuple([plain(v) for v in value])
    if kind is dict:
        return {k: plain(v) for k, v in value.items()}
    return value


def watched(result: Any) -> Any:
    """A new array as a buffer, while a trace runs; anything else as it is."""
    if result.__class__ is np.ndarray and state.depth and result.dtype.kind in "fciub":
        return Buffer(result)
    return result


def plain_bind(op: Any, args: Any, attrs: dict[str, Any] | None) -> Any:
    """``op(*args, **attrs)`` where no argument is traced."""
    first = args[0]
    if op.window is not None and first.__class__ is Buffer:
        value = op.run(first.node, **(attrs or {}))
        if shares_memory(value, first.node):
            return shared(Buffer(value), View(first, op, attrs or {}))
        return watched(value)
    return watched(op.run(*[arg.captured() if arg.__class__ is Buffer else arg for arg in args], **(attrs or {})))


FUNCTIONS["plain"] = plain_bind


def without_rule(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Whole numbers and truth values carry no derivative, so a function of these alone needs no rule."""
    if depends(args) or depends(kwargs):
        held = [leaf for leaf in flatten((args, kwargs))[0] if isinstance(leaf, Traced)]
        if function not in REFUSALS and all(leaf.dtype.kind in "biu" for leaf in held):
            raise messages.value_unknown(held[0], f"what {messages.full_name(function)} is given")
        raise messages.no_rule(function)
    return watched(function(*plain(tuple(args)), **plain(kwargs)))


FUNCTIONS["no rule"] = without_rule


def promote(handle: Any) -> None:
    """Make the buffer and its family traced: something traced is about to be written into it."""
    root = root_of(handle)
    array = root.node
    if root.kin is not None:
        for reference in root.kin.views:
            view = reference()
            if view is not None and isinstance(view.kin, View):
                take_away(view)
                view.__class__ = Traced
    memory_of(root)
    root.__class__ = Traced
    root.node = recorded(CONSTANT, (), None, array, here(3)).node


def own(handle: Any) -> None:
    """Before a write: what a trace has read of this memory must not change, so the family moves to a copy."""
    root = root_of(handle)
    if root.kin is not None and root.kin.captured is not None:
        root.kin.captured = None
        root.node = own_copy(root.node)
        made_stale(root)


class Buffer(Traced):
    """A plain array that is watched. Its slot `node` holds the array itself."""

    __slots__ = ()
    node: Any  # type: ignore[assignment]

    def __init__(self, array: np.ndarray):
        self.node = array
        self.kin = None

    def captured(self) -> np.ndarray:
        """The array for reading: it stays as it is, since a later write will leave it behind."""
        root = root_of(self)
        memory = memory_of(root)
        if memory.captured is None:
            memory.captured = root.node.view()
            memory.captured.flags.writeable = False
        if root is self:
            return memory.captured
        array = self.node.view()
        array.flags.writeable = False
        return array

    def __getattr__(self, name: str) -> Any:
        if name == "node":
            return derived(self)
        return getattr(self.captured(), name)

    # ---- facts
    @property
    def shape(self) -> tuple[int, ...]:
        return self.node.shape

    @shape.setter
    def shape(self, shape: Any) -> None:
        reshaped(self, shape)

    @property
    def dtype(self) -> np.dtype:
        return self.node.dtype

    @property
    def size(self) -> int:
        return self.node.size

    @property
    def value(self) -> Any:
        return self.captured()

    def _in_memory(self) -> Any:
        return self.node

    def __repr__(self) -> str:
        return repr(self.node)

    def __str__(self) -> str:
        return str(self.node)

    def __format__(self, spec: str) -> str:
        return format(self.node, spec)

    def __hash__(self) -> int:
        return id(self)

    def __bool__(self) -> bool:
        return bool(self.node)

    def __int__(self) -> int:
        return int(self.node)

    def __index__(self) -> int:
        return operator.index(self.node)

    def __float__(self) -> float:
        return float(self.node)

    def __complex__(self) -> complex:
        return complex(self.node)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if copy or (dtype is not None and np.dtype(dtype) != self.dtype):
            return np.array(self.node, dtype=dtype)
        return self.captured()

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(self.shape[0]))

    def item(self, *index: Any) -> Any:
        return self.node.item(*index)

    def tolist(self) -> Any:
        return self.node.tolist()

    # ---- NumPy's protocols
    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        out = kwargs.pop("out", None)
        if depends(args) or depends(kwargs):
            if method == "at" and args[0].__class__ is Buffer:
                promote(args[0])
                return args[0].__array_ufunc__(ufunc, method, *args, **kwargs)
            if out is not None:
                kwargs["out"] = out
            return super().__array_ufunc__(ufunc, method, *args, **kwargs)
        if method == "at":
            if args[0].__class__ is not Buffer:
                return getattr(ufunc, method)(*map(plain, args), **plain(kwargs))
            own(args[0])
            return getattr(ufunc, method)(args[0].node, *map(plain, args[1:]), **plain(kwargs))
        if out is not None:
            if not _writable(out):
                return super().__array_ufunc__(ufunc, method, *args, out=out, **kwargs)
            return filled(getattr(ufunc, method), out, args, kwargs)
        result = getattr(ufunc, method)(*map(plain, args), **plain(kwargs))
        return tuple(map(watched, result)) if isinstance(result, tuple) else watched(result)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function in WRITERS or depends(args) or depends(kwargs):
            return super().__array_function__(function, types, args, kwargs)
        out, rest, options = without_out(function, args, kwargs)
        if out is not None:
            if not _writable(out):
                return super().__array_function__(function, types, args, kwargs)
            if rest is args:
                return filled(function, out, rest, options)
            place = OUT[function]
            given = lambda *a, out, **k: function(*a[:place], out, *a[place + 1 :], **k)  # noqa: E731
            return filled(given, out, rest, options)
        result = function(*plain(tuple(args)), **plain(kwargs))
        if _shared_with(result, (*args, *kwargs.values())):
            return super().__array_function__(function, types, args, kwargs)
        return watched(result)

    # ---- reading and writing
    def __getitem__(self, key: Any) -> Any:
        if not depends(key):
            result = self.node[plain(key)]
            if result.__class__ is not np.ndarray:
                return result
            if not np.may_share_memory(result, self.node):
                return watched(result)
        return FUNCTIONS["getitem"](self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        if depends(value) or depends(key):
            promote(self)
            self[key] = value
            return
        check_swap(self, value)
        value = plain(value)
        own(self)
        self.node[plain(key)] = value

    def conj(self, out: Any = None) -> Any:
        if out is not None:
            return np.conjugate(self, out=out)
        return watched(self.node.conj()) if self.dtype.kind == "c" else self

    conjugate = conj

    def copy(self, order: str = "C") -> Any:
        return watched(self.node.copy(order=order))

    def flatten(self, order: str = "C") -> Any:
        return watched(self.node.flatten(order))

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        result = self.node.astype(dtype, *args, **kwargs)
        return self if result is self.node else watched(result)

    @property
    def flat(self) -> Any:
        return Flat(self)

    @flat.setter
    def flat(self, value: Any) -> None:
        Flat(self)[:] = value


def _writable(out: Any) -> bool:
    """Are these all arrays that hold plain numbers?"""
    return all(target.__class__ is not Traced for target in (out if isinstance(out, tuple) else (out,)))


def filled(function: Any, out: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """NumPy itself fills the arrays of `out`, buffers among them."""
    args, kwargs = plain(tuple(args)), plain(kwargs)  # before: they may share memory with what is filled
    targets = out if isinstance(out, tuple) else (out,)
    arrays = []
    for target in targets:
        if target.__class__ is Buffer:
            own(target)
            target = target.node
        arrays.append(target)
    result = function(*args, out=tuple(arrays) if isinstance(out, tuple) else arrays[0], **kwargs)
    held = {id(array): target for array, target in zip(arrays, targets, strict=True)}
    parts = [held.get(id(part), part) for part in (result if isinstance(result, tuple) else (result,))]
    return tuple(parts) if isinstance(result, tuple) else parts[0]


HANDLES.add(Buffer)
WATCHED[Buffer] = bind


def _shared_with(result: Any, args: Any) -> bool:
    """Does the result, or a part of it, share memory with a buffer among the arguments?"""
    if isinstance(result, (list, tuple)):
        return any(_shared_with(part, args) for part in result)
    if not isinstance(result, np.ndarray):
        return False
    for arg in args:
        if arg.__class__ is Buffer:
            if np.may_share_memory(result, arg.node):
                return True
        elif isinstance(arg, (list, tuple)) and _shared_with(result, arg):
            return True
    return False


def _forwarded(name: str) -> Any:
    def method(self: Buffer, *args: Any, **kwargs: Any) -> Any:
        if depends(args) or depends(kwargs) or "out" in kwargs or len(args) >= OUT.get(getattr(np, name, None), 9):
            return getattr(Traced, name)(self, *args, **kwargs)
        return watched(getattr(self.captured(), name)(*map(plain, args), **plain(kwargs)))

    method.__name__ = name
    return method


_METHODS = """
sum prod mean var std max min any all argmax argmin argsort argpartition searchsorted choose compress cumsum cumprod
clip dot take round nonzero repeat trace
"""
for _name in _METHODS.split():
    setattr(Buffer, _name, _forwarded(_name))


def _binary(name: str, ufunc: Any, swapped: bool) -> Any:
    python = getattr(operator, name if name in ("and_", "or_") else f"__{name}__")

    def method(self: Buffer, other: Any) -> Any:
        kind = other.__class__
        if kind is Traced or ((kind is list or kind is tuple) and depends(other)):
            other = FUNCTIONS["asarray"](other)
            pair = (other, self) if swapped else (self, other)
            return FUNCTIONS[ufunc](*pair) if ufunc in FUNCTIONS else bind(UFUNCS[ufunc], pair)
        if not (isinstance(other, (np.ndarray, np.generic, bool, int, float, complex, list, tuple)) or kind is Buffer):
            if other is not None or name not in ("eq", "ne"):
                return NotImplemented
        other = plain(other)
        return watched(python(other, self.node) if swapped else python(self.node, other))

    return method


def _in_place(name: str) -> Any:
    python = getattr(operator, f"__{name}__")

    def method(self: Buffer, other: Any) -> Any:
        if depends(other):
            promote(self)
            return python(self, other)
        other = plain(other)
        own(self)
        array = self.node
        python(array, other)
        return self

    return method


def _unary(name: str) -> Any:
    python = getattr(operator, f"__{name}__")
    return lambda self: watched(python(self.node))


_OPERATORS = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "truediv": np.divide,
    "floordiv": np.floor_divide,
    "mod": np.remainder,
    "pow": np.power,
    "matmul": np.matmul,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "lshift": np.left_shift,
    "rshift": np.right_shift,
}
for _name, _ufunc in _OPERATORS.items():
    setattr(Buffer, f"__{_name}__", _binary(_name, _ufunc, False))
    setattr(Buffer, f"__r{_name}__", _binary(_name, _ufunc, True))
    if _name not in ("lshift", "rshift"):
        setattr(Buffer, f"__i{_name}__", _in_place(f"i{_name}"))
for _name, _ufunc in {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal,
}.items():  # fmt: skip
    setattr(Buffer, f"__{_name}__", _binary(_name, _ufunc, False))
for _name in ("neg", "pos", "abs", "invert"):
    setattr(Buffer, f"__{_name}__", _unary(_name))


def released(result: Any) -> Any:
    """What a traced function returned, with plain arrays in place of buffers."""
    kind = result.__class__
    if kind is Traced or kind is np.ndarray or kind is float:
        return result
    if kind is Buffer:
        return np.array(result.node)
    from .pytree import flatten

    leaves, tree = flatten(result)
    if not any(leaf.__class__ is Buffer for leaf in leaves):
        return result
    return tree.unflatten([np.array(leaf.node) if leaf.__class__ is Buffer else leaf for leaf in leaves])
