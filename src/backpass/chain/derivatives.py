"""The verbs: grad, value_and_grad, vjp, jvp, jacobian, hessian, hvp. They nest in any order."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from typing import Any

import numpy as np

from backpass.graph import messages
from backpass.graph.collector import collector_paused
from backpass.graph.errors import ShapeError, TracingError
from backpass.graph.kept import copied
from backpass.graph.pytree import flatten, tree_map
from backpass.graph.traced import Traced
from backpass.partials.declare import dtype_of, is_staged, shape_of, value_of

from .backward import backward
from .calls import Call, apart, argument_names, unwrapped
from .forward import forward

Argnums = int | tuple[int, ...]
ONES = {np.float64: np.float64(1), float: np.float64(1), np.float32: np.float32(1)}
"""∂L/∂L, for the usual classes of a loss."""


def value_and_grad(function: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The value of a scalar function and its gradient, in one forward and one backward sweep.

    Args:
        function: returns a real scalar (shape ``()``); with `has_aux`, a pair ``(scalar, aux)``.
        argnums: which positional arguments to differentiate; each is a pytree of floating arrays or numbers.
        has_aux: carry a second result through, undifferentiated.

    Returns:
        A function of the same arguments that returns ``(value, gradient)``, with `has_aux`
        ``((value, aux), gradient)``. The gradient has the structure, shapes and dtypes of the argument (a tuple of
        them for a tuple `argnums`).

    Raises:
        ShapeError: the result is not a scalar. DtypeError: an argument is not floating.

    Of a complex θ = x + iy the gradient is ∂L/∂x + i ∂L/∂y, so θ − ηg goes downhill.

    Formula: ∂L/∂θ = Σ over paths from θ to L of the products of partial derivatives, summed from the loss backwards
    (Linnainmaa 1970; Rumelhart, Hinton & Williams 1986).

    >>> import numpy as np, backpass as bp
    >>> bp.value_and_grad(lambda theta: np.sum(theta["w"] ** 2))({"w": np.array([1.0, 2.0])})
    (np.float64(5.0), {'w': array([2., 4.])})
    """
    chosen = argnums if isinstance(argnums, int) else tuple(argnums)
    names = argument_names(function)

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        collects = gc.isenabled()
        if collects:
            gc.disable()  # collector_paused, without another call
        try:
            call = Call(function, args, kwargs, chosen, names)
            result = call.result
            aux = None
            if has_aux:
                if not (isinstance(result, tuple) and len(result) == 2):
                    raise TracingError("has_aux=True needs a function that returns a pair (loss, aux)")
                result, aux = result
            one = ONES.get(result.node.value.__class__) if result.__class__ is Traced else None
            if one is not None:
                value = result if call.outer else result.node.value
                cotangents = backward([(result.node, one, None)], call.inputs)
            else:
                _check_scalar(result, function)
                value = unwrapped(result, call.outer)
                if type(result) is Traced:
                    cotangents = backward([(result.node, np.ones((), result.dtype)[()], None)], call.inputs)
                else:
                    cotangents = [None] * len(call.inputs)
            gradient = call.gradients(cotangents, [])
            return ((value, unwrapped(aux, call.outer)), gradient) if has_aux else (value, gradient)
        finally:
            if collects:
                gc.enable()

    return wrapped


def grad(function: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The gradient of a scalar function: ``grad(f)(theta, ...)`` is shaped like theta.

    See `value_and_grad` for arguments, errors and formula. With `has_aux` the result is ``(gradient, aux)``.

    >>> import numpy as np, backpass as bp
    >>> bp.grad(lambda x: np.tanh(x))(0.0)
    1.0
    >>> bp.grad(bp.grad(lambda x: x ** 3))(2.0)
    12.0
    """
    both = value_and_grad(function, argnums, has_aux)

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return wrapped


def _place(result: Any) -> str:
    return messages.place(result.node.origin) if type(result) is Traced else ""


def _check_scalar(result: Any, function: Callable[..., Any]) -> None:
    name = getattr(function, "__name__", "function")
    if isinstance(result, (dict, list, tuple)) or result is None:
        raise ShapeError(
            f"grad needs a scalar, but {name} returned a {type(result).__name__}.\n"
            "  Return one number (the loss); with has_aux=True a pair (loss, anything); or use bp.jacobian."
        )
    if shape_of(result) != ():
        traced = type(result) is Traced
        place = messages.place(result.node.origin) if traced else ""
        value = messages.described(result.node.value if traced else result)
        raise ShapeError(
            f"grad needs a scalar, but {name} returned {value}.\n{place}\n"
            "  Reduce it to one number, for instance np.mean(...) or np.sum(...); or take bp.jacobian for all of them."
        )
    if isinstance(result, (bool, np.bool_)) or (type(result) is Traced and result.dtype.kind in "biu"):
        raise messages.DtypeError(
            f"grad needs a real number, but {name} returned {messages.described(result)}: whole numbers and truth "
            f"values have no derivative (it would be 0 everywhere).\n{_place(result)}\n"
            "  Return the quantity before it is compared, counted or rounded."
        )
    if dtype_of(result).kind == "c":
        raise messages.DtypeError(
            f"grad needs a real scalar, but {name} returned a complex one: take np.real or np.abs of it; "
            "the derivative of a holomorphic function is bp.jacobian's."
        )


@collector_paused
def vjp(function: Callable[..., Any], *args: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """The value of a function and its pullback: cotangent of the result → cotangents of all arguments.

    ``pullback(v)`` returns a tuple with vᵀJ for each argument; `v` has the structure and shapes of the result. It may
    be called again with other cotangents. Complex numbers count as pairs of real ones: of a holomorphic f it is
    conj(f'(z)) v.

    >>> import numpy as np, backpass as bp
    >>> value, pullback = bp.vjp(lambda x, y: x * y, np.array([1.0, 2.0]), 3.0)
    >>> value, pullback(np.array([1.0, 1.0]))
    (array([3., 6.]), (array([3., 3.]), 3.0))
    """
    # The pullback may be called much later, when the caller's arrays hold something else.
    held = tree_map(lambda leaf: copied(leaf) if type(leaf) is np.ndarray else leaf, args)
    call = Call(function, held, {}, tuple(range(len(args))))
    outs, tree = flatten(call.result)

    @collector_paused
    def pullback(cotangent: Any) -> tuple[Any, ...]:
        given, structure = flatten(cotangent)
        if structure != tree:
            raise ShapeError(f"the cotangent's structure {structure!r} is not the result's {tree!r}")
        seeds = []
        for out, v in zip(outs, given, strict=True):
            if shape_of(v) != shape_of(out):
                raise ShapeError(f"the cotangent has shape {shape_of(v)}, the result {messages.described(out)}")
            if type(out) is Traced:
                seeds.append((out.node, _as_cotangent(v, out), None))
        found = backward(seeds, call.inputs) if seeds else [None] * len(call.inputs)
        return call.gradients(found, [seed[1] for seed in seeds])

    return unwrapped(call.result, call.outer), pullback


def _as_cotangent(v: Any, out: Traced) -> Any:
    if out.dtype.kind == "c":
        v = np.conjugate(v)
    elif dtype_of(v).kind == "c":
        raise messages.DtypeError(f"the cotangent is complex, the result {messages.described(out)} is real")
    return v if type(v) is Traced else np.asarray(v, out.dtype)[()]


@collector_paused
def jvp(function: Callable[..., Any], primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    """The value of a function and its directional derivative J·t, by forward mode.

    `tangents` has one entry per primal, of the same structure and shapes; None holds that argument constant.

    >>> import numpy as np, backpass as bp
    >>> bp.jvp(np.sin, (0.0,), (2.0,))
    (np.float64(0.0), np.float64(2.0))
    """
    if len(primals) != len(tangents):
        raise ShapeError(f"jvp needs one tangent for each primal: {len(primals)} primals, {len(tangents)} tangents")
    chosen = tuple(k for k, t in enumerate(tangents) if t is not None)
    call = Call(function, primals, {}, chosen)
    given, structure = flatten(tuple(tangents[k] for k in chosen))
    if structure != call.tree:
        raise ShapeError(f"the tangents' structure {structure!r} is not the primals' {call.tree!r}")
    seeds = []
    for node, leaf, t in zip(call.inputs, call.leaves, given, strict=True):
        if shape_of(t) != shape_of(leaf):
            raise ShapeError(f"a tangent has shape {shape_of(t)}, its primal {messages.described(leaf)}")
        seeds.append((node, t if type(t) is Traced else np.asarray(t, dtype_of(leaf))[()], None))
    outs, tree = flatten(call.result)
    nodes = [out.node for out in outs if type(out) is Traced]
    pushed = iter(forward(seeds, nodes))
    result = [_tangent_like(out, next(pushed) if type(out) is Traced else None) for out in outs]
    return unwrapped(call.result, call.outer), tree.unflatten(apart(result, [seed[1] for seed in seeds]))


def _tangent_like(out: Any, t: Any) -> Any:
    return np.zeros(shape_of(out), dtype_of(out) if dtype_of(out).kind in "fc" else float)[()] if t is None else t


def jacobian(function: Callable[..., Any], argnums: Argnums = 0, mode: str = "auto") -> Callable[..., Any]:
    """All partial derivatives of an array function: shape ``out.shape + in.shape``.

    Args:
        function: returns a pytree of arrays.
        argnums: as in `grad`.
        mode: ``"reverse"`` (one sweep per output entry), ``"forward"`` (one per input entry) or ``"auto"``, the fewer.

    Returns:
        A function of the same arguments. Its result has the structure of the output, with at each leaf the structure of
        the argument. The derivative of a complex result in a complex argument is dw/dz; DtypeError where the function
        is not holomorphic. That of a real result in a complex argument is ∂/∂x + i ∂/∂y, as `grad` has it.

    >>> import numpy as np, backpass as bp
    >>> bp.jacobian(lambda x: np.array([2.0, 3.0]) * x)(np.array([1.0, 1.0]))
    array([[2., 0.],
           [0., 3.]])
    """
    if mode not in ("auto", "reverse", "forward"):
        raise ValueError(f"mode must be 'auto', 'reverse' or 'forward', not {mode!r}")
    chosen = argnums if isinstance(argnums, int) else tuple(argnums)

    @functools.wraps(function)
    @collector_paused
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        call = Call(function, args, kwargs, chosen)
        outs, tree = flatten(call.result)
        rows = sum(int(np.prod(shape_of(out))) for out in outs)
        columns = sum(int(np.prod(shape_of(leaf))) for leaf in call.leaves)
        by_rows = mode == "reverse" or (mode == "auto" and rows <= columns)
        name = getattr(function, "__name__", "the function")
        blocks = (_by_rows if by_rows else _by_columns)(call, outs, name)
        return tree.unflatten([call.tree.unflatten(block) for block in blocks])

    return wrapped


def _unit_vectors(shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """Each unit vector of a shape, with the mask that marks its zeros as structural."""
    size = int(np.prod(shape))
    for k in range(size):
        unit = np.zeros(size, dtype)
        unit[k] = 1
        unit = unit.reshape(shape)
        yield unit[()], unit != 0


def _by_rows(call: Call, outs: list[Any], name: str) -> list[list[Any]]:
    blocks = []
    for out in outs:
        rows: list[list[Any]] = []
        for unit, mask in _unit_vectors(shape_of(out), dtype_of(out)):
            if type(out) is not Traced:
                rows.append([_tangent_like(leaf, None) for leaf in call.leaves])
                continue
            found = backward([(out.node, unit, mask)], call.inputs)
            if dtype_of(out).kind == "c":
                # Re(unit · dw) and Re(−i unit · dw) = Im(unit · dw) change apart.
                turned = backward([(out.node, -1j * unit, mask)], call.inputs)
                found = [_complex_row(leaf, *c, name) for leaf, *c in zip(call.leaves, found, turned, strict=True)]
            else:
                found = [np.conjugate(c) if c is not None and dtype_of(c).kind == "c" else c for c in found]
            rows.append([_tangent_like(leaf, c) for leaf, c in zip(call.leaves, found, strict=True)])
        blocks.append(
            [
                _stacked(
                    [row[k] for row in rows],
                    shape_of(out),
                    shape_of(leaf),
                    np.result_type(dtype_of(leaf), np.complex64) if dtype_of(out).kind == "c" else dtype_of(leaf),
                )
                for k, leaf in enumerate(call.leaves)
            ]
        )
    return blocks


def _complex_row(leaf: Any, along_real: Any, along_imaginary: Any, name: str) -> Any:
    """∂w/∂leaf of a complex w, from those of its real and its imaginary part."""
    if along_real is None:
        return None
    if dtype_of(leaf).kind != "c":
        return along_real + 1j * along_imaginary
    _holomorphic(along_imaginary, -1j * along_real, name)
    return along_real


def _holomorphic(found: Any, wanted: Any, name: str) -> None:
    """Refuse what has no complex derivative; in a staged trace nothing is known to refuse."""
    if is_staged(found) or is_staged(wanted):
        return
    found, wanted = value_of(found), value_of(wanted)
    allowed = np.sqrt(np.finfo(dtype_of(wanted)).eps) * np.max(np.abs(wanted), initial=1e-300)
    if not np.all(np.abs(found - wanted) <= allowed) and np.all(np.isfinite(found - wanted)):
        raise messages.not_holomorphic(name)


def _complex_column(out: Any, t: Any, along_imaginary: Any, name: str) -> Any:
    """The derivative of `out` in a complex argument, from the tangents along x and along y."""
    if t is None:
        return None
    if dtype_of(out).kind != "c":
        return t + 1j * along_imaginary
    _holomorphic(along_imaginary, 1j * t, name)
    return t


def _by_columns(call: Call, outs: list[Any], name: str) -> list[list[Any]]:
    nodes = [out.node for out in outs if type(out) is Traced]
    blocks: list[list[Any]] = [[] for _ in outs]
    for node, leaf in zip(call.inputs, call.leaves, strict=True):
        columns: list[list[Any]] = [[] for _ in outs]
        for unit, mask in _unit_vectors(shape_of(leaf), dtype_of(leaf)):
            pushed = forward([(node, unit, mask)], nodes)
            if dtype_of(leaf).kind == "c":
                turned = forward([(node, 1j * unit, mask)], nodes)
                handles = [out for out in outs if type(out) is Traced]
                pushed = [_complex_column(out, *t, name) for out, *t in zip(handles, pushed, turned, strict=True)]
            found = iter(pushed)
            for k, out in enumerate(outs):
                columns[k].append(_tangent_like(out, next(found) if type(out) is Traced else None))
        for k, out in enumerate(outs):
            shape = shape_of(out)
            dtype = dtype_of(out)
            dtype = np.result_type(dtype, np.complex64) if dtype_of(leaf).kind == "c" else dtype
            block = _stacked(columns[k], shape_of(leaf), shape, dtype)
            n = len(shape_of(leaf))
            blocks[k].append(
                np.moveaxis(block, tuple(range(n)), tuple(range(len(shape), len(shape) + n))) if n else block
            )
    return blocks


def _stacked(parts: list[Any], lead: tuple[int, ...], rest: tuple[int, ...], dtype: np.dtype) -> Any:
    if not parts:
        return np.zeros(lead + rest, dtype)
    return parts[0] if lead == () else np.reshape(np.stack(parts), lead + rest)


def hessian(function: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """Second derivatives of a scalar function: shape ``in.shape + in.shape`` (a pytree of pytrees of blocks).

    Forward over reverse: the columns of the Hessian are the directional derivatives of the gradient.

    >>> import numpy as np, backpass as bp
    >>> bp.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 3.0]))
    array([[6., 2.],
           [2., 0.]])
    """
    return jacobian(grad(function, argnums), argnums, mode="forward")


def hvp(function: Callable[..., Any], args: tuple[Any, ...], v: Any, argnums: int = 0) -> Any:
    """Hessian-vector product H·v without forming H: the directional derivative of the gradient (Pearlmutter 1994).

    `v` has the structure and shapes of ``args[argnums]``; so has the result.

    >>> import numpy as np, backpass as bp
    >>> bp.hvp(lambda x: np.sum(x ** 4), (np.array([1.0, 2.0]),), np.array([1.0, 1.0]))
    array([12., 48.])
    """
    tangents = tuple(v if k == argnums else None for k in range(len(args)))
    return jvp(grad(function, argnums), args, tangents)[1]


__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"]
