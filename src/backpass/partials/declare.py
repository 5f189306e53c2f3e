"""Shared words of the families: type rules by kind, and shorthand to enter a record and its NumPy names."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from backpass.graph.aval import Aval, aval_of, promotion_type
from backpass.graph.op import FUNCTIONS, OUT, UFUNCS, WRITERS, Kind, Op, Window, declare
from backpass.graph.traced import Traced, bind

Rule = Callable[..., Any] | None


def passes(g: Any, out: Any, *args: Any) -> Any:
    """∂out/∂argᵢ = 1"""
    return g


def negates(g: Any, out: Any, *args: Any) -> Any:
    """∂out/∂argᵢ = −1"""
    return -g


def ufunc_aval(ufunc: np.ufunc) -> Callable[..., Aval]:
    """The type rule of an elementwise function: broadcast shapes, and NumPy's own type resolution."""

    def rule(*avals: Aval) -> Aval:
        shape = avals[0].shape
        for other in avals[1:]:
            if other.shape != shape:
                shape = np.broadcast_shapes(*[a.shape for a in avals])
                break
        dtypes = ufunc.resolve_dtypes((*[promotion_type(a) for a in avals], *[None] * ufunc.nout))
        return Aval(shape, dtypes[-1])

    return rule


def pointwise(
    ufunc: np.ufunc,
    *partials: Rule,
    name: str | None = None,
    also: tuple[Any, ...] = (),
    risky: bool = False,
    tame: Callable[..., bool] | None = None,
    steep: float | Callable[..., float] = 1.0,
    even: bool = False,
    squared: tuple[Rule, ...] = (),
    overflows: bool = False,
    selects: bool = False,
    complex_form: Callable[..., Any] | None = None,
    notation: str = "",
    domain: dict[str, Any] | None = None,
    kinks: str = "",
    doc: str = "",
) -> Op:
    """Declare an elementwise operation by its partials, one per argument."""
    op = declare(
        Op(
            name=name or ufunc.__name__,
            kind=Kind.POINTWISE if any(p is not None for p in partials) else Kind.DISCRETE,
            run=ufunc,
            aval=ufunc_aval(ufunc),
            partials=partials,
            risky=risky,
            tame=tame,
            steep=steep,
            even=even,
            squared=squared,
            overflows=overflows,
            selects=selects,
            complex_form=complex_form,
            notation=notation,
            domain=domain,
            kinks=kinks,
            doc=doc or (ufunc.__doc__ or "").partition("\n\n")[2].partition("\n")[0],
        )
    )
    for known in (ufunc, *also):
        UFUNCS[known] = op
    return op


def linear(
    name: str,
    run: Callable[..., Any],
    aval: Callable[..., Aval],
    *adjoints: Rule,
    variadic: bool = False,
    joint: bool = False,
    accumulate: Any = None,
    risky: bool = False,
    selects: bool = False,
    mixes: bool = False,
    window: Window | None = None,
    notation: str = "",
    domain: dict[str, Any] | None = None,
    doc: str = "",
) -> Op:
    """Declare an operation by the adjoint in each of its linear arguments (None: not linear in that one)."""
    return declare(
        Op(
            name=name,
            kind=Kind.LINEAR,
            run=run,
            aval=aval,
            adjoints=adjoints,
            variadic=variadic,
            joint=joint,
            accumulate=accumulate,
            risky=risky,
            selects=selects,
            mixes=mixes,
            window=window,
            notation=notation,
            domain=domain,
            doc=doc,
        )
    )


def read_only(x: Any, new: Any, **attrs: Any) -> None:
    """What NumPy says of a view that must not be written to."""
    raise ValueError("assignment destination is read-only")


def rule_for(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: the function below does what these NumPy functions do, on traced values."""

    def enter(implementation: Callable[..., Any]) -> Callable[..., Any]:
        own = implementation
        while hasattr(own, "__wrapped__"):
            own = own.__wrapped__  # type: ignore[attr-defined]
        code = getattr(own, "__code__", None)
        places = code.co_varnames[: code.co_argcount] if code is not None else ()
        for function in functions:
            FUNCTIONS[function] = implementation
            if "out" in places:
                OUT[function] = places.index("out")
        return implementation

    return enter


def writes(function: Any) -> Any:
    """Decorator: the function below writes into its first argument, as this one of NumPy's does."""
    WRITERS.add(function)
    return rule_for(function)


def shape_of(x: Any) -> tuple[int, ...]:
    kind = x.__class__
    if kind is np.ndarray or kind is Traced:
        return x.shape
    if kind is float or kind is int:
        return ()
    return x.shape if hasattr(x, "shape") else np.shape(x)


def dtype_of(x: Any) -> np.dtype:
    kind = x.__class__
    if kind is np.ndarray or kind is Traced:
        return x.dtype
    return x.dtype if hasattr(x, "dtype") else aval_of(x).dtype


def is_complex(x: Any) -> bool:
    return dtype_of(x).kind == "c"


def conjugated(x: Any) -> Any:
    """The complex conjugate; a real value as it is."""
    return np.conjugate(x) if dtype_of(x).kind == "c" else x


def value_of(x: Any) -> Any:
    """The concrete value of a traced value, or the value itself."""
    return x.value if type(x) is Traced else x


def is_staged(x: Any) -> bool:
    return type(x) is Traced and x.node.staged


def as_array(x: Any) -> Any:
    """What NumPy's functions do first with an argument; a list that holds traced values is stacked."""
    if type(x) is Traced or isinstance(x, (np.ndarray, np.generic, Traced)):
        return x
    if isinstance(x, (list, tuple)) and holds_traced(x):
        return FUNCTIONS[np.stack]([as_array(item) for item in x])
    own: Any = getattr(x, "__array__", None)
    made = None if own is None else own()  # an object of the user's own may hold a traced value
    return made if isinstance(made, Traced) else np.asarray(x)


rule_for("asarray")(as_array)


def floating(x: Any) -> Any:
    """An array of real or complex floating numbers; whole numbers and booleans become float64."""
    x = as_array(x)
    return x if dtype_of(x).kind in "fc" else x.astype(np.float64)


def fresh(x: Any) -> Any:
    """An array of its own, where NumPy makes one of what was found as a view."""
    if type(x) is Traced:
        return Traced(x.node) if x.kin is not None else x
    return x.copy() if isinstance(x, (np.ndarray, Traced)) else x


def holds_traced(x: Any) -> bool:
    """Is there a traced value in this (nested) list?"""
    if type(x) is Traced:
        return True
    return isinstance(x, (list, tuple)) and any(holds_traced(item) for item in x)


def scalar_if_0d(x: Any) -> Any:
    """A result without axes as NumPy's reductions give it: a number, not an array (``np.where`` makes arrays)."""
    return x[()] if shape_of(x) == () else x


ALL_AXES = [tuple(range(ndim)) for ndim in range(65)]


def normal_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """An axis argument as a tuple of non-negative axes."""
    if axis is None:
        return ALL_AXES[ndim]
    if axis.__class__ is int and -ndim <= axis < ndim:
        return (axis % ndim,)
    axes = axis if isinstance(axis, (tuple, list, range)) else (axis,)
    out = []
    for a in axes:
        a = operator.index(a)
        if not -ndim <= a < ndim:
            raise np.exceptions.AxisError(a, ndim)
        out.append(a % ndim)
    if len(set(out)) != len(out):
        raise ValueError("duplicate value in 'axis'")
    return tuple(out)


def normal_axis(axis: int, ndim: int) -> int:
    return normal_axes(axis, ndim)[0]


def lengths(shape: Any) -> tuple[int, ...]:
    """A shape, or the length that is all of it."""
    return (operator.index(shape),) if is_whole(shape) else tuple(map(operator.index, shape))


def is_whole(n: Any) -> bool:
    """Is it one whole number, traced or not?"""
    return hasattr(n, "__index__") and not shape_of(n)


def reduced_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """The axes of a reduction. Of a number NumPy's ufuncs reduce axis 0 or -1, too, which it has not."""
    return () if not ndim and axis in (0, -1) else normal_axes(axis, ndim)


def along(a: Any, axis: int) -> tuple[Any, int]:
    """An array and one of its axes; a number counts as one entry along axis 0 or -1."""
    shape = shape_of(a)
    return (np.reshape(a, (1,)), 0) if not shape and axis in (0, -1) else (a, normal_axis(axis, len(shape)))


def reduced_shape(shape: tuple[int, ...], axis: tuple[int, ...], keepdims: bool) -> tuple[int, ...]:
    if any(not 0 <= a < len(shape) for a in axis):
        raise ValueError(f"there is no axis {max(axis)} in shape {shape}")
    if keepdims:
        return tuple(1 if i in axis else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in axis)


__all__ = [
    "ALL_AXES",
    "FUNCTIONS",
    "UFUNCS",
    "Aval",
    "Kind",
    "Op",
    "Traced",
    "Window",
    "as_array",
    "bind",
    "conjugated",
    "declare",
    "floating",
    "dtype_of",
    "holds_traced",
    "is_complex",
    "is_staged",
    "is_whole",
    "lengths",
    "linear",
    "negates",
    "along",
    "normal_axes",
    "reduced_axes",
    "normal_axis",
    "passes",
    "pointwise",
    "read_only",
    "reduced_shape",
    "rule_for",
    "scalar_if_0d",
    "shape_of",
    "ufunc_aval",
    "value_of",
]
