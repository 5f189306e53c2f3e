"""A ufunc's other calling forms as operations: reduce, accumulate, outer, at, dtype=, where=; and stop_gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass.graph import messages

from .arithmetic import FRACTION
from .assignment import write_at
from .cumulative import running_extreme
from .declare import (
    FUNCTIONS,
    UFUNCS,
    Kind,
    Op,
    Traced,
    as_array,
    bind,
    declare,
    holds_traced,
    is_complex,
    normal_axis,
    rule_for,
    shape_of,
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
_UNSET = object()


def _call(ufunc: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    name = ufunc.__name__
    out = kwargs.pop("out", None)
    if out is not None:
        return _into(out, _call(ufunc, args, kwargs), f"np.{name}")
    dtype = kwargs.pop("dtype", None)
    where = kwargs.pop("where", True)
    kwargs.pop("casting", None)
    kwargs.pop("order", None)
    kwargs.pop("subok", None)
    if where is not True:
        raise messages.option_refused(
            f"np.{name}", "where", f"Without out= the other entries are undefined; use np.where(mask, np.{name}(x), 0)."
        )
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
        raise messages.no_rule(ufunc)
    if any(isinstance(a, (list, tuple)) and holds_traced(a) for a in args):
        args = [as_array(a) for a in args]
    if dtype is not None:
        args = [np.asarray(a, dtype) if not hasattr(a, "node") else a.astype(dtype) for a in args]
    return bind(op, args)


def _into(out: Any, result: Any, name: str) -> Any:
    """The results written into traced arrays; a plain one cannot hold them."""
    for target, part in zip(out, result if isinstance(result, tuple) else (result,), strict=True):
        if not isinstance(target, Traced):
            raise messages.out_refused(name)
        target[...] = part
    return out[0] if len(out) == 1 else out


@rule_for("ufunc")
def ufunc(function: Any, method: str, args: Any, kwargs: dict[str, Any]) -> Any:
    """Everything that ``__array_ufunc__`` may be asked for beyond a plain call."""
    name = f"np.{function.__name__}.{method}"
    if method == "__call__":
        return _call(function, args, kwargs)
    out = kwargs.pop("out", None)
    if out is not None:
        return _into(out, ufunc(function, method, args, kwargs), name)
    if method == "reduce":
        known = _REDUCE.get(function)
        if known is not None:
            dtype = kwargs.pop("dtype", None)
            if dtype is not None:
                kwargs["dtype"] = dtype
            kwargs.setdefault("axis", 0)
            return known(*args, **kwargs)
        if function in (np.logaddexp, np.subtract, np.divide, np.hypot):
            return _fold(function, *args, **kwargs)
    if method == "accumulate":
        a, axis = (
            as_array(args[0]),
            normal_axis(args[1] if len(args) > 1 else kwargs.get("axis", 0), len(shape_of(args[0]))),
        )
        if function is np.add:
            return np.cumsum(a, axis=axis, dtype=kwargs.get("dtype"))
        if function is np.multiply:
            return np.cumprod(a, axis=axis, dtype=kwargs.get("dtype"))
        if function in (np.maximum, np.minimum):
            return running_extreme(function, a, axis)
        if function in (np.logaddexp, np.subtract, np.divide):
            return _scan(function, a, axis)
    if method == "outer":
        a, b = (as_array(x) for x in args)
        return function(np.reshape(a, shape_of(a) + (1,) * len(shape_of(b))), b, **kwargs)
    if method == "at":
        if isinstance(args[0], Traced):
            return write_at(function, args[0], args[1], args[2] if len(args) > 2 else None)
        raise messages.would_detach(next(a for a in args if type(a) is Traced), name)
    raise messages.no_rule(_Named(name))


class _Named:
    def __init__(self, name: str):
        self.__name__ = name
        self.__module__ = ""


def _fold(
    function: Any,
    a: Any,
    axis: int = 0,
    dtype: Any = None,
    keepdims: bool = False,
    initial: Any = _UNSET,
    where: Any = True,
) -> Any:
    if initial is not _UNSET or where is not True or dtype is not None:
        raise messages.option_refused(f"np.{function.__name__}.reduce", "initial, where or dtype", "Leave these out.")
    a = as_array(a)
    axis = normal_axis(axis, len(shape_of(a)))
    last = _scan(function, a, axis)[(slice(None),) * axis + (slice(-1, None),)]
    return last if keepdims else np.squeeze(last, axis=axis)


def _scan(function: Any, a: Any, axis: int) -> Any:
    parts = [a[(slice(None),) * axis + (slice(i, i + 1),)] for i in range(shape_of(a)[axis])]
    for i in range(1, len(parts)):
        parts[i] = function(parts[i - 1], parts[i])
    return np.concatenate(parts, axis=axis)
