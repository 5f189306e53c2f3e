"""A ufunc's other calling forms as operations: reduce, accumulate, outer, at, dtype=, where=; and stop_gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass.graph import messages
from backpass.graph.out import into

from .arithmetic import FRACTION
from .assignment import write_at
from .cumulative import running_extreme
from .declare import (
    FUNCTIONS,
    UFUNCS,
    Kind,
    Op,
    Traced,
    along,
    as_array,
    bind,
    declare,
    dtype_of,
    fresh,
    holds_traced,
    is_complex,
    is_whole,
    normal_axis,
    reduced_axes,
    rule_for,
    shape_of,
    value_of,
)

STOP_GRADIENT = declare(
    Op(
        name="stop_gradient",
        kind=Kind.DISCRETE,
        run=lambda x: x,
        aval=lambda x: x,
        partials=(None,),
        notation="{0}",
        doc="The value, held constant: no derivative flows through.",
    )
)


def stop_gradient(x: Any) -> Any:
    """The same value, treated as a constant: its derivative is zero.

    >>> import backpass as bp
    >>> bp.grad(lambda x: x * bp.stop_gradient(x))(3.0)
    3.0
    """
    return STOP_GRADIENT(x)


_REDUCE = {
    np.add: np.sum,
    np.multiply: np.prod,
    np.maximum: np.max,
    np.minimum: np.min,
    np.logical_or: np.any,
    np.logical_and: np.all,
}
_UNORDERED = (np.power, np.float_power, np.arctan2)
"""NumPy's own reductions of these do not go from left to right on every processor, so there is no value to agree on."""
_UNSET = object()


def _call(ufunc: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    name = ufunc.__name__
    out, where = kwargs.pop("out", None), kwargs.pop("where", True)
    if where is not True:
        return _where(ufunc, args, kwargs, out, as_array(where))
    if out is not None:
        casting = kwargs.get("casting", "same_kind")
        return into(out, _call(ufunc, args, kwargs), f"np.{name}", casting, stretched=True)
    if ufunc.signature is not None and kwargs.keys() & {"axes", "axis", "keepdims"}:
        return _along_axes(ufunc, args, **kwargs)
    dtype = kwargs.pop("dtype", None)
    kwargs.pop("casting", None)
    kwargs.pop("order", None)
    kwargs.pop("subok", None)
    if ufunc is np.divmod:
        return np.floor_divide(*args), np.remainder(*args)
    if ufunc is np.modf:
        return FRACTION(args[0]), np.trunc(args[0])
    op = UFUNCS.get(ufunc)
    if op is None and ufunc not in FUNCTIONS:
        from .special import scipy_op

        op = scipy_op(ufunc)
    if ufunc in FUNCTIONS:
        return FUNCTIONS[ufunc](*args, **kwargs)
    if op is not None and op.complex_form is not None and any(is_complex(a) for a in args):
        return op.complex_form(*args)
    if op is None or kwargs:
        return FUNCTIONS["no rule"](ufunc, args, kwargs)
    if any(isinstance(a, (list, tuple)) and holds_traced(a) for a in args):
        args = [as_array(a) for a in args]
    if dtype is not None:
        args = [np.asarray(a, dtype) if not hasattr(a, "node") else a.astype(dtype) for a in args]
    return bind(op, args)


def _where(ufunc: Any, args: Any, kwargs: dict[str, Any], out: Any, where: Any) -> Any:
    """The ufunc where the mask holds: what `out` has elsewhere stays, and is 0 where there is none (in NumPy anything).

    Elsewhere the function is taken of 1, so that it warns of nothing that NumPy does not compute."""
    held = [np.where(where, arg, np.ones((), dtype_of(arg))) for arg in args]
    result = _call(ufunc, held, kwargs)
    name = f"np.{ufunc.__name__}"
    parts = result if isinstance(result, tuple) else (result,)
    if out is None:
        chosen = tuple([np.where(where, part, np.zeros((), dtype_of(part))) for part in parts])
        return chosen if isinstance(result, tuple) else chosen[0]
    if not all(isinstance(target, Traced) for target in out):
        raise messages.out_refused(name)
    casting = kwargs.get("casting", "same_kind")
    kept = tuple([np.where(where, part, target) for part, target in zip(parts, out, strict=True)])
    return into(out, kept if isinstance(result, tuple) else kept[0], name, casting)


def _along_axes(ufunc: Any, args: Any, axes: Any = None, axis: Any = None, keepdims: bool = False, **rest: Any) -> Any:
    """A generalized ufunc whose core axes lie elsewhere: they are moved to the end, and those of the result back."""
    inner, _, outer = ufunc.signature.partition("->")
    cores = [core.strip("()") for core in (*inner.split("),("), outer)]
    sizes = [core.count(",") + 1 if core else 0 for core in cores]
    if axis is not None:
        axes = [(axis,) * size for size in sizes]
    places = [tuple(range(-size, 0)) for size in sizes]
    for k, at in enumerate(axes or ()):
        places[k] = (at,) if is_whole(at) else tuple(at)
    ends = [tuple(range(-len(at), 0)) for at in places]
    moved = [np.moveaxis(as_array(a), at, end) for a, at, end in zip(args, places[:-1], ends[:-1], strict=True)]
    result = _call(ufunc, moved, rest)
    if keepdims:
        return np.expand_dims(result, places[0])
    return np.moveaxis(result, ends[-1], places[-1]) if ends[-1] else result


@rule_for("ufunc")
def ufunc(function: Any, method: str, args: Any, kwargs: dict[str, Any]) -> Any:
    """Everything that ``__array_ufunc__`` may be asked for beyond a plain call."""
    name = f"np.{function.__name__}.{method}"
    if method == "__call__":
        return _call(function, args, kwargs)
    out = kwargs.pop("out", None)
    if out is not None:
        return into(out, ufunc(function, method, args, kwargs), name)
    if method == "reduce":
        known = _REDUCE.get(function)
        if known is not None:
            dtype = kwargs.pop("dtype", None)
            if dtype is not None:
                kwargs["dtype"] = dtype
            kwargs.setdefault("axis", 0)
            return known(*args, **kwargs)
        if _is_binary(function) and function not in _UNORDERED:
            return _fold(function, *args, **kwargs)
    if method == "accumulate":
        a, axis = along(as_array(args[0]), args[1] if len(args) > 1 else kwargs.get("axis", 0))
        if function is np.add:
            return np.cumsum(a, axis=axis, dtype=kwargs.get("dtype"))
        if function is np.multiply:
            return np.cumprod(a, axis=axis, dtype=kwargs.get("dtype"))
        if function in (np.maximum, np.minimum):
            return running_extreme(function, a, axis)
        if _is_binary(function):
            return _scan(function, a, axis)
    if method == "reduceat" and _is_binary(function):
        return _reduceat(function, *args, **kwargs)
    if method == "outer":
        a, b = (as_array(x) for x in args)
        return function(np.reshape(a, shape_of(a) + (1,) * len(shape_of(b))), b, **kwargs)
    if method == "at":
        if isinstance(args[0], Traced):
            return write_at(function, args[0], args[1], args[2] if len(args) > 2 else None)
        raise messages.would_detach(next(a for a in args if type(a) is Traced), name)
    raise messages.no_rule(_Named(name))


def _is_binary(function: Any) -> bool:
    return function in UFUNCS and function.nin == 2 and function.nout == 1


def _reduceat(function: Any, a: Any, indices: Any, axis: int = 0, dtype: Any = None) -> Any:
    """Of each stretch from one index to the next; where the next is no larger, the entry at the index."""
    a = as_array(a)
    axis = normal_axis(axis, len(shape_of(a)))
    head = (slice(None),) * axis
    starts = [int(i) for i in np.asarray(value_of(indices))]
    if not starts:
        return a[(*head, slice(0, 0))]
    parts = []
    for k, start in enumerate(starts):
        stop = starts[k + 1] if k + 1 < len(starts) else shape_of(a)[axis]
        stretch = a[(*head, slice(start, max(stop, start + 1)))]
        parts.append(ufunc(function, "reduce", (stretch,), {"axis": axis, "keepdims": True, "dtype": dtype}))
    return np.concatenate(parts, axis=axis)


class _Named:
    def __init__(self, name: str):
        self.__name__ = name
        self.__module__ = ""


def _fold(
    function: Any,
    a: Any,
    axis: Any = 0,
    dtype: Any = None,
    keepdims: bool = False,
    initial: Any = _UNSET,
    where: Any = True,
) -> Any:
    a = as_array(a)
    a = a if dtype is None else a.astype(dtype)
    shape = shape_of(a)
    axes = reduced_axes(axis, len(shape))
    if len(axes) > 1:
        function.reduce(np.ones((1,) * len(axes)), axis=None)  # NumPy refuses this where the order matters
    parts = _entries(a, axes)
    first = None if initial is _UNSET else initial
    if first is None and (where is not True or not parts):
        first = function.identity
        if first is None:
            raise ValueError(
                f"reduction operation '{function.__name__}' has no identity: give it initial=, as in NumPy"
            )
    chosen: list[Any] = [True] * len(parts) if where is True else _entries(np.broadcast_to(where, shape), axes)
    if first is not None:
        first = as_array(first).astype(dtype_of(a))
        rest = tuple([n for i, n in enumerate(shape) if i not in axes])
        total, start = np.broadcast_to(first, rest) if rest else first, 0
    else:
        total, start = parts[0], 1
    for part, mask in zip(parts[start:], chosen[start:], strict=True):
        total = function(total, part) if mask is True else np.where(mask, function(total, part), total)
    return fresh(np.expand_dims(total, axes) if keepdims and axes else total)


def _entries(a: Any, axes: tuple[int, ...]) -> list[Any]:
    """What lies along these axes, one after the other."""
    shape = shape_of(a)
    places = np.ndindex(*[shape[i] for i in axes])
    return [a[tuple([at[axes.index(i)] if i in axes else slice(None) for i in range(len(shape))])] for at in places]


def _scan(function: Any, a: Any, axis: int) -> Any:
    parts = [a[(slice(None),) * axis + (slice(i, i + 1),)] for i in range(shape_of(a)[axis])]
    for i in range(1, len(parts)):
        parts[i] = function(parts[i - 1], parts[i])
    return np.concatenate(parts, axis=axis)
