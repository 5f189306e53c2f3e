"""`Traced`: the handle that stands for an array while a function is traced, and `bind`, which records one operation.

A handle is not an ndarray (``np.asarray`` would silently detach a subclass): it speaks NumPy's protocols, so plain
NumPy code records itself. It points to a `Node`; a node is never changed. Nodes know their inputs and count up in order
of construction, so a topological order is a sort and nothing recurses over the depth of a graph.
"""

from __future__ import annotations

import builtins
import itertools
import operator
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import messages
from .aval import Aval, aval_of
from .errors import BackpassError, DtypeError, NoRuleError, ShapeError, TracingError
from .kept import kept
from .layout import contiguous, in_order, lying, packed, shared_when_staged, strides_of
from .memory import Memory, OddView, View, derived, read_entry, shared, type_of, write
from .op import FUNCTIONS, HANDLES, OUT, PACKED, UFUNCS, WATCHED, Kind, Op, declare
from .origin import Origin, here, state
from .out import into, without_out
from .resize import reshaped, resized

_count = itertools.count().__next__


class Node:
    """One recorded value: ``op(*inputs, **attrs)``.

    `inputs` holds nodes and plain constants. `value` is the concrete array, or an `Aval` in a staged trace, where only
    shape and dtype are known. `recorded` makes one.
    """

    __slots__ = ("op", "inputs", "attrs", "value", "origin", "index")

    op: Op
    inputs: tuple[Any, ...]
    attrs: dict[str, Any] | None
    value: Any
    origin: Origin
    index: int

    @property
    def staged(self) -> bool:
        return type(self.value) is Aval

    @property
    def aval(self) -> Aval:
        return aval_of(self.value)

    def __repr__(self) -> str:
        return f"<node {self.index} {self.op.name} {self.aval}>"


INPUT = declare(
    Op(
        name="input",
        kind=Kind.SOURCE,
        run=lambda: None,
        aval=lambda *a, **k: a[0],
        doc="An argument of the traced function.",
    )
)
CONSTANT = declare(
    Op(
        name="constant",
        kind=Kind.SOURCE,
        run=lambda: None,
        aval=lambda *a, **k: a[0],
        doc="A value that depends on no input.",
    )
)
ALIAS = declare(
    Op(
        name="alias",
        kind=Kind.LINEAR,
        run=lambda x, order=None: x.copy(order=order) if order and isinstance(x, np.ndarray) else x,
        aval=lambda x, order=None: x,
        adjoints=(lambda g, out, x, order=None: g,),
        notation="{0}",
        doc="The value itself under a new identity: what a nested derivative differentiates with respect to; a copy.",
    )
)


def recorded(op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any] | None, value: Any, origin: Origin) -> Traced:
    """A new node, and the handle on it. (One function for both: an ``__init__`` of each would cost as much again.)"""
    node = Node()
    node.op = op
    node.inputs = inputs
    node.attrs = attrs
    node.value = value
    node.origin = origin
    node.index = _count()
    result = _new(Traced)
    result.node = node
    result.kin = None
    return result


_new = object.__new__
_PLAIN: set[type] = {np.ndarray, np.float64, float, int}


def check_plain(value: Any) -> None:
    """Refuse arrays that mean something else by the same calls: a masked array's mask or a matrix's product is lost."""
    kind = value.__class__
    if kind is not np.ndarray and issubclass(kind, np.ndarray) and kind is not np.memmap:
        raise messages.subclass_refused(value)
    _PLAIN.add(kind)


def bind(op: Op, args: Any, attrs: dict[str, Any] | None = None, apart: bool = False) -> Traced:
    """Record ``op(*args, **attrs)``; `args` are traced values and plain constants.

    With `apart` nobody will write through the result, so that it need not be known as a view of the argument.
    """
    origin = here(3)
    if len(args) == 1 and args[0].__class__ is Traced:  # most operations, on a shorter way
        node = args[0].node
        x = node.value
        if x.__class__ is np.ndarray:
            try:
                value = op.run(x, **attrs) if attrs else op.run(x)
            except BackpassError:
                raise
            except (ValueError, TypeError, IndexError) as error:
                raise messages.operation_failed(op, args, attrs or {}, error) from error
            result = recorded(op, (node,), attrs, value, origin)
            if op.window is not None and not apart and shares_memory(value, x):
                shared(result, View(args[0], op, attrs or {}))
            return result
    inputs: list[Any] = []
    values: list[Any] = []
    staged = False
    for arg in args:
        kind = arg.__class__
        if kind is Traced:
            node = arg.node
            value = node.value
            inputs.append(node)
            values.append(value)
            if value.__class__ is Aval:
                staged = True
        elif kind is np.ndarray:
            # The value is computed from the array itself, whose layout decides how a product rounds.
            inputs.append(kept(arg, origin))
            values.append(arg)
        else:
            if kind not in _PLAIN:
                if kind in HANDLES:
                    if not any(a.__class__ is Traced for a in args):
                        return FUNCTIONS["plain"](op, args, attrs)
                    arg = arg.captured()
                elif kind is Aval:
                    staged = True
                else:
                    check_plain(arg)
            inputs.append(arg)
            values.append(arg)
    try:
        if staged:
            avals = [aval_of(v) for v in values]
            value = op.aval(*avals, **attrs) if attrs else op.aval(*avals)
        else:
            value = op.run(*values, **attrs) if attrs else op.run(*values)
    except BackpassError:
        raise
    except (ValueError, TypeError, IndexError) as error:
        raise messages.operation_failed(op, args, attrs or {}, error) from error
    result = recorded(op, tuple(inputs), attrs, value, origin)
    if op.window is not None and not apart and args[0].__class__ is Traced:
        shares = _shares(op, args[0].node, value, attrs)
        if shares is not False:
            shared(result, View(args[0], op, attrs or {}, shares is True))
    return result


def _shares(op: Op, source: Node, value: Any, attrs: dict[str, Any] | None) -> bool | None:
    """Does the result share memory with its argument? In a staged trace None where that depends on memory's order."""
    x = source.value
    if value.__class__ is Aval:
        return is_array(source) and not _is_entry(value, attrs) and shared_when_staged(op, source, attrs or {})
    return shares_memory(value, x)


def shares_memory(value: Any, x: Any) -> bool:
    if value.__class__ is not np.ndarray or value.base is None or not isinstance(x, np.ndarray):
        return False
    base = value.base
    return base is x or base is x.base or bool(np.may_share_memory(value, x))


def is_array(node: Node) -> bool:
    """Does NumPy hold this as an array, which ``+=`` changes under all its names, and not as a number?"""
    value = node.value
    if value.__class__ is not Aval:
        return isinstance(value, np.ndarray)
    while node.op is ALIAS:
        node = node.inputs[0]
    if value.shape or node.op.name in ("where", "setitem", "put"):
        return True
    if node.op is INPUT:
        return bool((node.attrs or {}).get("array"))
    return node.op.window is not None and not _is_entry(value, node.attrs)


def _is_entry(value: Any, attrs: dict[str, Any] | None) -> bool:
    """Is it a single entry, ``x[0, 1]``? NumPy copies that one; ``x[..., 0]`` and the like are views without axes."""
    key = attrs.get("key") if attrs else None
    return value.shape == () and key is not None and Ellipsis not in key


def _operator(ufunc: Any, python: Callable[..., Any], swapped: bool = False) -> Any:
    """A method for one of Python's operators. Concrete values go through that very operator, so that numbers stay what
    they are without the trace (Python numbers promote weakly, NEP 50) and cost no more than they must."""
    op: list[Op] = []

    def method(self: Traced, other: Any) -> Any:
        kind = other.__class__
        if kind is not Traced and kind is not float and kind is not int:
            if kind is list or kind is tuple:
                other = FUNCTIONS["asarray"](other)
            elif kind in HANDLES:
                other = other.captured()
            elif not _operand(other):
                if other is None and ufunc in (np.equal, np.not_equal):
                    return np.full(self.shape, ufunc is np.not_equal)[()]
                return NotImplemented
            elif kind not in _PLAIN:
                check_plain(other)
        if not op:
            op.append(UFUNCS[ufunc])
        mine = self.node
        theirs = other.node if other.__class__ is Traced else other
        x = mine.value
        y = theirs.value if theirs.__class__ is Node else theirs
        if x.__class__ is Aval or y.__class__ is Aval:
            return _weak(op[0], (other, self) if swapped else (self, other))
        origin = here(3)
        if theirs.__class__ is np.ndarray:
            theirs = kept(theirs, origin)
        try:
            if swapped:
                return recorded(op[0], (theirs, mine), None, python(y, x), origin)
            return recorded(op[0], (mine, theirs), None, python(x, y), origin)
        except ZeroDivisionError:
            return _weak(op[0], (other, self) if swapped else (self, other))  # inf or NaN, as NumPy's numbers have it
        except (ValueError, TypeError) as error:
            pair = (other, self) if swapped else (self, other)
            raise messages.operation_failed(op[0], pair, {}, error) from error

    method.__name__ = f"__{'r' if swapped else ''}{python.__name__.strip('_')}__"
    return method


def _operand(other: Any) -> bool:
    return isinstance(other, (np.ndarray, np.generic, bool, int, float, complex))


def _weak(op: Op, pair: tuple[Any, Any]) -> Any:
    """A Python number stays one under operators with Python numbers: it promotes weakly, as NEP 50 has it."""
    result = bind(op, pair)
    for part in pair:
        value = part.node.value if type(part) is Traced else part
        if not (type(value) in (int, float, complex) or (type(value) is Aval and value.weak)):
            return result
    value = result.node.value
    if type(value) is Aval:
        result.node.value = value._replace(weak=value.dtype.kind != "b")
    elif value.dtype.kind in "ifc":
        result.node.value = value.item()
    return result


def _unary(ufunc: Any, python: Callable[..., Any]) -> Any:
    def method(self: Traced) -> Any:
        value = self.node.value
        result = bind(UFUNCS[ufunc], (self,))
        if type(value) is Aval:
            if value.weak:
                result.node.value = result.node.value._replace(weak=True)
        elif type(value) in (int, float, complex, np.complex128):
            result.node.value = python(value)
        return result

    return method


def _in_place(ufunc: Any) -> Any:
    """``x += y``. On a number it rebinds, as NumPy's scalars do. On an array all names and views see the change."""

    def method(self: Traced, other: Any) -> Any:
        if not self.shape and self.kin is None and not is_array(self.node):
            return NotImplemented
        result = FUNCTIONS[ufunc](self, other) if ufunc is np.matmul else ufunc(self, other)
        if result.shape != self.shape:
            raise messages.in_place_shape(self, result.shape)
        if not np.can_cast(result.dtype, self.dtype, "same_kind"):
            raise DtypeError(f"cannot store {result.dtype} into an array of {self.dtype} in place\n{messages.place()}")
        write(self, result if result.dtype == self.dtype else result.astype(self.dtype))
        return self

    return method


def _in_c_order(result: Any) -> Any:
    if type(result) is Traced:
        value = result.node.value
        if value.__class__ is np.ndarray:
            return result if value.ndim < 2 or value.flags.c_contiguous else packed(Traced(result.node))
        return result if len(result.shape) < 2 or contiguous(result.node) else packed(Traced(result.node))
    if isinstance(result, (list, tuple)):
        parts = map(_in_c_order, result)
        return type(result)(*parts) if hasattr(result, "_fields") else type(result)(parts)
    return result


def _method(function: Any) -> Any:
    def method(self: Traced, *args: Any, **kwargs: Any) -> Any:
        if not args and not kwargs:
            return FUNCTIONS[function](self)
        if "out" in kwargs or len(args) >= OUT.get(function, 9):
            return self.__array_function__(function, (), (self, *args), kwargs)
        return FUNCTIONS[function](self, *args, **kwargs)

    method.__name__ = function.__name__
    return method


class Traced:
    """A value that remembers how it was computed. Use it as the array it stands for."""

    __slots__ = ("node", "kin", "__weakref__")
    __array_priority__ = 1000.0

    node: Node
    kin: View | Memory | None
    """What shares its memory: a `View` says of what it is a view; `Memory` knows the views of a root. See memory.py."""

    def __init__(self, node: Node):
        self.node = node
        self.kin = None

    def __getattr__(self, name: str) -> Any:
        if name == "node":  # taken away, because the memory was written to
            return derived(self)
        if name in _MEMORY:
            raise messages.memory_asked(self, name)
        raise AttributeError(f"a traced value has no attribute {name!r}")

    # ---- facts
    @property
    def shape(self) -> tuple[int, ...]:
        value = self.node.value if self.kin is None else type_of(self)
        if value.__class__ is np.ndarray:
            return value.shape
        return value.shape if hasattr(value, "shape") else ()

    @shape.setter
    def shape(self, shape: Any) -> None:
        reshaped(self, shape)

    @property
    def dtype(self) -> np.dtype:
        value = self.node.value if self.kin is None else type_of(self)
        if value.__class__ is np.ndarray:
            return value.dtype
        return value.dtype if hasattr(value, "dtype") else aval_of(value).dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return aval_of(type_of(self)).size

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self.size * self.itemsize

    @property
    def value(self) -> Any:
        """The concrete value; `TracingError` in a staged trace, where there is none."""
        value = self.node.value
        if type(value) is Aval:
            raise messages.value_unknown(self, "reading or formatting it")
        return value

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(self.shape[0]))

    def __repr__(self) -> str:
        value = self.node.value
        return f"Traced({value!r})"

    def __format__(self, spec: str) -> str:
        return format(self.value, spec)

    def __str__(self) -> str:
        value = self.node.value
        return repr(self) if type(value) is Aval else str(value)

    def __hash__(self) -> int:
        if self.shape or is_array(self.node):
            raise TypeError("unhashable type: 'numpy.ndarray'")
        if type(self.node.value) is Aval:
            raise messages.value_unknown(self, "hash()")
        if aval_of(self.node.value).differentiable:
            raise messages.no_hash(self)
        return hash(self.node.value)

    def __reduce__(self) -> Any:
        raise messages.memory_asked(self, "__reduce__")

    # ---- leaving the trace: allowed only where no derivative is lost
    def __bool__(self) -> bool:
        value = self.node.value
        if type(value) is Aval:
            raise messages.value_unknown(self, "a Python condition (if, while, and, or, not)")
        return bool(value)

    def __int__(self) -> int:
        if type(self.node.value) is Aval:
            raise messages.value_unknown(self, "int()")
        return int(self.node.value)

    def __index__(self) -> int:
        if type(self.node.value) is Aval:
            raise messages.value_unknown(self, "use as an index or a count")
        return operator.index(self.node.value)

    def __float__(self) -> float:
        if type(self.node.value) is Aval:
            raise messages.value_unknown(self, "float()")
        if aval_of(self.node.value).differentiable and not messages.formats(sys._getframe(1)):
            raise messages.would_detach(self, "float()")
        return float(self.node.value)

    def __complex__(self) -> complex:
        if type(self.node.value) is Aval:
            raise messages.value_unknown(self, "complex()")
        if aval_of(self.node.value).differentiable:
            raise messages.would_detach(self, "complex()")
        return complex(self.node.value)

    def __round__(self, digits: int | None = None) -> Any:
        if digits is None and not self.shape:  # a whole number, as Python's and NumPy's numbers give
            value = self.node.value
            return self if self.dtype.kind in "iu" else round(value) if type(value) is not Aval else self._rounded()
        return FUNCTIONS[np.round](self, digits or 0)

    def _rounded(self) -> Any:
        return FUNCTIONS["astype"](bind(UFUNCS[np.rint], (self,)), np.int64)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if type(self.node.value) is Aval:
            raise messages.value_unknown(self, "np.asarray()")
        if aval_of(self.node.value).differentiable:
            raise messages.would_detach(self, "np.asarray()")
        return np.array(self.node.value, dtype=dtype)

    def item(self, *index: Any) -> Any:
        """The single entry as a 0-d traced value (the derivative is kept, unlike a Python number)."""
        if index:
            if len(index) == 1 and not isinstance(index[0], tuple):
                return FUNCTIONS[np.ravel](self)[index[0]]
            return self[index[0] if isinstance(index[0], tuple) else index]
        return self if self.ndim == 0 else FUNCTIONS[np.reshape](self, ())

    def tolist(self) -> Any:
        return [row.tolist() for row in self] if self.ndim else self

    # ---- NumPy's protocols
    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        if method == "__call__" and not kwargs:
            op = UFUNCS.get(ufunc)
            if op is not None and op.complex_form is None:
                for arg in args:
                    if arg.__class__ is list or arg.__class__ is tuple:
                        args = tuple([FUNCTIONS["asarray"](a) for a in args])
                        break
                return bind(op, args)
        return FUNCTIONS["ufunc"](ufunc, method, args, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        implementation = FUNCTIONS.get(function)
        if implementation is None:
            FUNCTIONS["late"]()
            implementation = FUNCTIONS.get(function)
        if implementation is None:
            return FUNCTIONS["no rule"](function, args, kwargs)
        mine = state.__dict__
        before = mine["origin"]
        if before is None:
            mine["origin"] = here(3)  # one place for all operations that the function is made of
        try:
            out = None
            if kwargs or len(args) > 1:
                out, args, kwargs = without_out(function, args, kwargs)
            if out is None:
                result = implementation(*args, **kwargs)
                return _in_c_order(result) if function in PACKED else result
            name = f"np.{function.__name__}"
            return into(out, implementation(*args, **kwargs), name, kwargs.get("casting", "same_kind"))
        finally:
            mine["origin"] = before

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        """NumPy, as code that is written to the array API standard asks for it."""
        from .namespace import array_namespace

        return array_namespace()

    @property
    def device(self) -> str:
        return "cpu"

    def to_device(self, device: str, /, *, stream: Any = None) -> Any:
        if device != "cpu":
            raise ValueError(f"there is one device, 'cpu', not {device!r}")
        return self

    def __contains__(self, item: Any) -> bool:
        return bool(np.any(self == item))

    def __getitem__(self, key: Any) -> Any:
        if self.kin is not None:
            found = read_entry(self, key)
            if found is not None:
                return found
        return FUNCTIONS["getitem"](self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        FUNCTIONS["setitem"](self, key, value)

    # ---- shape
    @property
    def T(self) -> Any:
        return FUNCTIONS[np.transpose](self)

    @property
    def mT(self) -> Any:
        return FUNCTIONS[np.swapaxes](self, -1, -2)

    @property
    def real(self) -> Any:
        return self if self.dtype.kind != "c" else FUNCTIONS[np.real](self)

    @real.setter
    def real(self, value: Any) -> None:
        self.real[...] = value

    @property
    def imag(self) -> Any:
        return FUNCTIONS[np.imag](self)

    @imag.setter
    def imag(self, value: Any) -> None:
        if self.dtype.kind != "c":
            raise TypeError("array does not have imaginary part to set")
        self.imag[...] = value

    @property
    def flags(self) -> Any:
        return lying(self).flags

    def setflags(self, write: Any = None, align: Any = None, uic: Any = None) -> None:
        """Windows and diagonals, which a trace does not write to, stay so, and what SciPy closes it does not write to;
        other memory cannot be closed."""
        kept = isinstance(self.kin, OddView) or str(sys._getframe(1).f_globals.get("__name__")).startswith("scipy.")
        if write is not None and not write and not kept:
            raise messages.memory_asked(self, "setflags(write=False)")

    @property
    def strides(self) -> tuple[int, ...]:
        return strides_of(self)

    @property
    def flat(self) -> Any:
        return Flat(self)

    @flat.setter
    def flat(self, value: Any) -> None:
        Flat(self)[:] = value

    def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> Any:
        target = shape[0] if len(shape) == 1 else shape
        return FUNCTIONS[np.reshape](self, target, order=order, copy=copy)

    def transpose(self, *axes: Any) -> Any:
        if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list))):
            return FUNCTIONS[np.transpose](self, axes[0])
        return FUNCTIONS[np.transpose](self, axes or None)

    def flatten(self, order: str = "C") -> Any:
        return Traced(FUNCTIONS[np.ravel](self, order=order).node)  # the entries of a view, as an array of its own

    def astype(
        self, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
    ) -> Any:
        if casting != "unsafe" and not np.can_cast(self.dtype, dtype, casting):  # type: ignore[arg-type]
            raise DtypeError(f"cannot cast {self.dtype} to {np.dtype(dtype)} by rule {casting!r}\n{messages.place()}")
        result = FUNCTIONS["astype"](self, dtype, copy=copy)
        return in_order(result, order) if order in ("C", "F") else result

    def copy(self, order: str = "C") -> Any:
        return bind(ALIAS, (self,), {"order": order})

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    # ---- writing
    def fill(self, value: Any) -> None:
        self[...] = value

    def sort(self, axis: int = -1, kind: Any = None, order: Any = None, *, stable: bool | None = None) -> None:
        self[...] = FUNCTIONS[np.sort](self, axis=axis, kind=kind, order=order, stable=stable)

    def partition(self, kth: Any, axis: int = -1, kind: Any = "introselect", order: Any = None) -> None:
        self[...] = FUNCTIONS[np.partition](self, kth, axis=axis, kind=kind, order=order)

    def put(self, indices: Any, values: Any, mode: str = "raise") -> None:
        FUNCTIONS[np.put](self, indices, values, mode)

    def resize(self, *shape: Any, refcheck: bool = True) -> None:
        resized(self, shape[0] if len(shape) == 1 else shape)

    def compress(self, condition: Any, axis: int | None = None, out: Any = None) -> Any:
        return self.__array_function__(np.compress, (), (condition, self), {"axis": axis, "out": out})

    def view(self, dtype: Any = None, type: Any = None) -> Any:
        kind = dtype if isinstance(dtype, builtins.type) and issubclass(dtype, np.ndarray) else type
        if kind is not None and kind != np.ndarray:
            raise messages.subclass_view(self, kind)
        if dtype is not None and dtype is not kind and np.dtype(dtype) != self.dtype:
            if self.dtype.kind not in "biu" or np.dtype(dtype).kind not in "biu":
                raise messages.memory_asked(self, "view")
            bits = np.asarray(self.value).view(dtype)
            bits.flags.writeable = False
            return bits
        return self[...]

    def conj(self, out: Any = None) -> Any:
        if out is not None:
            return np.conjugate(self, out=out)
        return self if self.dtype.kind != "c" else FUNCTIONS[np.conjugate](self)

    conjugate = conj

    ravel = _method(np.ravel)
    squeeze = _method(np.squeeze)
    swapaxes = _method(np.swapaxes)
    repeat = _method(np.repeat)
    diagonal = _method(np.diagonal)
    trace = _method(np.trace)

    # ---- reductions and the rest
    sum = _method(np.sum)
    prod = _method(np.prod)
    mean = _method(np.mean)
    var = _method(np.var)
    std = _method(np.std)
    max = _method(np.max)
    min = _method(np.min)
    any = _method(np.any)
    all = _method(np.all)
    argmax = _method(np.argmax)
    argmin = _method(np.argmin)
    argsort = _method(np.argsort)
    argpartition = _method(np.argpartition)
    searchsorted = _method(np.searchsorted)
    choose = _method(np.choose)
    cumsum = _method(np.cumsum)
    cumprod = _method(np.cumprod)
    clip = _method(np.clip)
    dot = _method(np.dot)
    take = _method(np.take)
    round = _method(np.round)
    nonzero = _method(np.nonzero)

    # ---- operators
    __add__ = _operator(np.add, operator.add)
    __radd__ = _operator(np.add, operator.add, swapped=True)
    __sub__ = _operator(np.subtract, operator.sub)
    __rsub__ = _operator(np.subtract, operator.sub, swapped=True)
    __mul__ = _operator(np.multiply, operator.mul)
    __rmul__ = _operator(np.multiply, operator.mul, swapped=True)
    __truediv__ = _operator(np.divide, operator.truediv)
    __rtruediv__ = _operator(np.divide, operator.truediv, swapped=True)
    __rpow__ = _operator(np.power, operator.pow, swapped=True)
    __floordiv__ = _operator(np.floor_divide, operator.floordiv)
    __rfloordiv__ = _operator(np.floor_divide, operator.floordiv, swapped=True)
    __mod__ = _operator(np.remainder, operator.mod)
    __rmod__ = _operator(np.remainder, operator.mod, swapped=True)
    __lt__ = _operator(np.less, operator.lt)
    __le__ = _operator(np.less_equal, operator.le)
    __gt__ = _operator(np.greater, operator.gt)
    __ge__ = _operator(np.greater_equal, operator.ge)
    __eq__ = _operator(np.equal, operator.eq)  # type: ignore[assignment]
    __ne__ = _operator(np.not_equal, operator.ne)  # type: ignore[assignment]
    __and__ = _operator(np.bitwise_and, operator.and_)
    __rand__ = _operator(np.bitwise_and, operator.and_, swapped=True)
    __or__ = _operator(np.bitwise_or, operator.or_)
    __ror__ = _operator(np.bitwise_or, operator.or_, swapped=True)
    __xor__ = _operator(np.bitwise_xor, operator.xor)
    __rxor__ = _operator(np.bitwise_xor, operator.xor, swapped=True)
    __lshift__ = _operator(np.left_shift, operator.lshift)
    __rlshift__ = _operator(np.left_shift, operator.lshift, swapped=True)
    __rshift__ = _operator(np.right_shift, operator.rshift)
    __rrshift__ = _operator(np.right_shift, operator.rshift, swapped=True)
    __neg__ = _unary(np.negative, operator.neg)
    __pos__ = _unary(np.positive, operator.pos)
    __abs__ = _unary(np.absolute, abs)
    __invert__ = _unary(np.invert, operator.invert)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __pow__(self, exponent: Any, modulo: None = None) -> Any:
        # ndarray.__pow__ itself takes these shortcuts, so values stay NumPy's to the bit.
        if type(exponent) in (int, float) and self.ndim and self.dtype.kind in "fc":
            if exponent == 2:
                return bind(UFUNCS[np.square], (self,))
            if exponent == 1:
                return bind(UFUNCS[np.positive], (self,))
            if exponent == 0.5:
                return bind(UFUNCS[np.sqrt], (self,))
            if exponent == -1:
                return bind(UFUNCS[np.reciprocal], (self,))
        return _power(self, exponent)

    def __matmul__(self, other: Any) -> Any:
        kind = other.__class__
        if kind is not Traced and kind is not np.ndarray and hasattr(other, "tocoo"):
            return NotImplemented  # a sparse matrix, which knows its products
        return FUNCTIONS[np.matmul](self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return FUNCTIONS[np.matmul](other, self)

    __iadd__ = _in_place(np.add)
    __isub__ = _in_place(np.subtract)
    __imul__ = _in_place(np.multiply)
    __itruediv__ = _in_place(np.divide)
    __ifloordiv__ = _in_place(np.floor_divide)
    __imod__ = _in_place(np.remainder)
    __ipow__ = _in_place(np.power)
    __iand__ = _in_place(np.bitwise_and)
    __ior__ = _in_place(np.bitwise_or)
    __ixor__ = _in_place(np.bitwise_xor)
    __imatmul__ = _in_place(np.matmul)


WATCHED[Traced] = bind
_power = _operator(np.power, operator.pow)
_MEMORY = frozenset((
    "tobytes", "tofile", "dump", "dumps", "data", "ctypes", "base", "byteswap", "getfield", "setfield",
    "newbyteorder", "__array_interface__", "__array_struct__", "__buffer__", "__dlpack__",
))  # fmt: skip
"""What an ndarray has and a traced value refuses."""


def with_value(traced: Traced, value: Any, origin: Origin | None = None) -> Traced:
    """The same operation with the value that another library gives for it, to the bit."""
    node = traced.node
    return recorded(node.op, node.inputs, node.attrs, value, node.origin if origin is None else origin)


class Flat:
    """``x.flat``: the entries in C order. Reading copies, writing writes through."""

    __slots__ = ("array", "at")

    def __init__(self, array: Traced):
        self.array = array
        self.at = -1

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        return getattr(ufunc, method)(*map(_entries, args), **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return function(*map(_entries, args), **kwargs)

    def copy(self) -> Any:
        return self.array.flatten()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        entries = self.copy()
        return entries if dtype is None else entries.astype(dtype)

    def __len__(self) -> int:
        return self.array.size

    def __iter__(self) -> Flat:
        return self

    def __next__(self) -> Any:
        if self.at + 1 >= self.array.size:
            raise StopIteration
        self.at += 1
        return self.array[self._place(self.at)]

    def _place(self, k: int) -> tuple[int, ...]:
        return tuple(int(i) for i in np.unravel_index(k, self.array.shape))

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, (int, np.integer)):
            return self.array[self._place(range(self.array.size)[key])]
        return FUNCTIONS[np.ravel](self.array)[key].copy()

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(key, (int, np.integer)):
            self.array[self._place(range(self.array.size)[key])] = value
        else:
            places = np.arange(self.array.size)[key]
            if places.size:
                FUNCTIONS[np.put](self.array, places, value)


def _entries(value: Any) -> Any:
    if value.__class__ is list or value.__class__ is tuple:
        return type(value)(map(_entries, value))
    return value.copy() if value.__class__ is Flat else value


def _compared(compare: Callable[[Any, Any], Any]) -> Any:
    return lambda self, other: compare(self.copy(), _entries(other))


for _compare in (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge):
    setattr(Flat, f"__{_compare.__name__}__", _compared(_compare))


__all__ = [
    "ALIAS",
    "CONSTANT",
    "INPUT",
    "DtypeError",
    "Node",
    "NoRuleError",
    "ShapeError",
    "Traced",
    "TracingError",
    "bind",
    "recorded",
    "with_value",
]
