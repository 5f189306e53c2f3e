"""`custom_rule`: give a function of one's own a derivative, by a decorator."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from backpass.graph.aval import Aval, aval_of
from backpass.graph.errors import TracingError
from backpass.graph.op import Kind, Op, find
from backpass.graph.pytree import flatten
from backpass.graph.traced import Traced, bind


def custom_rule(
    *, vjp: Callable[..., Any], jvp: Callable[..., Any] | None = None, shape: Callable[..., Aval] | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: the function below is one operation, with the derivative given here instead of its code's own.

    Use it for a function that has no rule (compiled code, a solver), or whose derivative is known in a better form.

    Args:
        vjp: ``vjp(g, out, *args)`` returns one cotangent per array argument, as a tuple (a single one for a single
            argument); None for an argument without derivative. Written in NumPy it can itself be differentiated.
        jvp: ``jvp(tangents, out, *args)``, the tangent of the result (None in `tangents`: no tangent). Without it,
            forward mode transposes `vjp`.
        shape: ``shape(*avals)`` → `Aval`, the type of the result, needed only under `bp.trace` and `bp.compile`;
            without it the function is run on ones.

    The function takes arrays and numbers as positional arguments and returns one array.

    >>> import numpy as np, backpass as bp
    >>> @bp.custom_rule(vjp=lambda g, out, x: g / (1 + np.exp(-x)))
    ... def softplus(x):
    ...     return np.logaddexp(0.0, x)
    >>> bp.grad(softplus)(0.0), bp.grad(bp.grad(softplus))(0.0)
    (0.5, 0.25)
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        name = getattr(function, "__name__", "custom")
        if find(name) is not None:
            name += "_"  # readings know an operation by its name

        def adjoint(g: Any, out: Any, *args: Any, i: int) -> Any:
            result = vjp(g, out, *args)
            parts = result if isinstance(result, (tuple, list)) else (result,)
            if len(parts) != len(args):
                raise TracingError(f"the vjp of {name} returned {len(parts)} cotangents for {len(args)} arguments")
            # A rule may return an array that it keeps; the sweep and the caller may write into what they get.
            return parts[i].copy() if type(parts[i]) is np.ndarray else parts[i]

        op = Op(
            name=name,
            kind=Kind.CUSTOM,
            run=function,
            aval=shape or (lambda *avals: aval_of(function(*[np.ones(a.shape, a.dtype)[()] for a in avals]))),
            adjoints=(adjoint,),
            variadic=True,
            tangent=jvp,
            risky=True,
            doc=(function.__doc__ or "").partition("\n")[0],
        )

        @functools.wraps(function)
        def wrapped(*args: Any) -> Any:
            if any(type(leaf) is Traced for leaf in flatten(args)[0]):
                if not all(type(a) is Traced or isinstance(a, (np.ndarray, np.generic, int, float)) for a in args):
                    raise TracingError(
                        f"{name} has a custom rule, so it takes arrays and numbers, not nested structures"
                    )
                return bind(op, args)
            return function(*args)

        return wrapped

    return decorate
