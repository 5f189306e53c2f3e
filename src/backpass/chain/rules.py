"""From one declaration to both modes: what a node passes back to an argument, and forward from its arguments.

Beside each cotangent (or tangent) travels, where it is needed, a mask of its *structurally* non-zero entries. Where a
branch was not selected its zero is exact and must annihilate even an infinite partial:

>>> import numpy as np, backpass as bp
>>> bp.grad(lambda x: np.sum(np.where(x > 0, np.sqrt(x), 0.0)))(np.array([0.0, 4.0]))
array([0.  , 0.25])

Masks are born in operations that select (``where``, ``max``, indexing), follow the same rules as the derivative, and
are applied at operations whose partial can be infinite. None stands for "any entry may be non-zero".
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from backpass.graph.op import Kind, Op
from backpass.graph.traced import Node, Traced
from backpass.partials.arithmetic import STRONG_PRODUCT
from backpass.partials.declare import dtype_of, is_staged, shape_of, value_of
from backpass.partials.reductions import restore
from backpass.partials.shape import unbroadcast

from .control import pushed_control


def fitted(c: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """Give a cotangent the shape and dtype of the value it belongs to; a real value takes the real part."""
    if shape_of(c) != shape:
        c = unbroadcast(c, shape)
        if shape_of(c) != shape:
            c = np.broadcast_to(c, shape)
    return c if dtype_of(c) == dtype else cast(c, dtype)


def cast(c: Any, dtype: np.dtype) -> Any:
    """A cotangent or tangent in the dtype of its value; of a complex one, a real value takes the real part."""
    if dtype.kind != "c" and dtype_of(c).kind == "c":
        c = np.real(c)
    return c.astype(dtype) if hasattr(c, "astype") else dtype.type(c)


def pulled(op: Op, i: int, g: Any, out: Any, args: Any, attrs: dict[str, Any]) -> Any:
    """The cotangent that `g` sends to argument `i`, before broadcasting is undone; None when there is none."""
    kind = op.kind
    if kind is Kind.POINTWISE:
        rule = op.partials[i]
        return None if rule is None else rule(g, out, *args)
    if kind is Kind.REDUCTION:
        partial = op.partials[0](out, *args, **attrs)  # type: ignore[misc]
        if g.__class__ is np.float64:
            c = g * partial
            if not op.selects or math.isfinite(g):
                return c
        else:
            c = restore(g, shape_of(args[0]), attrs["axis"], attrs["keepdims"]) * partial
            if not op.selects:
                return c
        return np.where(np.not_equal(partial, 0), c, 0.0)
    if kind is Kind.DISCRETE or kind is Kind.SOURCE:
        return None
    if op.variadic:
        return op.adjoints[0](g, out, *args, **attrs, i=i)  # type: ignore[misc]
    rule = op.adjoints[i] if i < len(op.adjoints) else None
    return None if rule is None else rule(g, out, *args, **attrs)


def differentiable_in(op: Op, i: int) -> bool:
    """Does the operation have a derivative in argument `i` at all?"""
    smooth = op.smooth
    return smooth is None or (i < len(smooth) and smooth[i])


def _distinct(op: Op, i: int, args: Any) -> tuple[Any, ...]:
    """The other factors of a product as positive numbers that differ: a structural zero of a sum of products, or of a
    difference of two, is where no term is left."""
    if op.joint or (op.variadic and op.name == "concatenate"):
        return tuple(args)
    return tuple(
        a if j == i or dtype_of(a).kind not in "fc" else np.arange(1.0, 1 + math.prod(shape_of(a))).reshape(shape_of(a))
        for j, a in enumerate(args)
    )


def _all_ones(args: Any) -> tuple[Any, ...]:
    return tuple([np.ones(shape_of(a)) for a in args])


def is_risky(node: Node) -> bool:
    """Can a partial of this node be infinite or NaN, so that structural zeros must be kept from it?"""
    op = node.op
    if not op.risky:
        return False
    return op.tame is None or not op.tame(*[None if q.__class__ is Node else q for q in node.inputs])


def select(mask: Any, c: Any) -> Any:
    """Keep `c` where the mask holds, exact zeros elsewhere."""
    return np.where(mask, c, 0.0)


def masked_pull(op: Op, c: Any, mask: Any, args: Any, attrs: dict[str, Any]) -> Any:
    """Annihilate what an infinite partial made of a structural zero, in an operation marked risky."""
    if op.kind is Kind.REDUCTION:
        mask = restore(mask, shape_of(args[0]), attrs["axis"], attrs["keepdims"])
    return select(mask, c)


def masked_linear_pull(op: Op, i: int, c: Any, g: Any, mask: Any, out: Any, args: Any, attrs: dict[str, Any]) -> Any:
    """The same of a sum of products, whose other factors may be infinite or NaN where g is structurally zero."""
    doubtful = [np.logical_not(np.isfinite(a)) if dtype_of(a).kind in "fc" else None for a in args]
    others = [d for j, d in enumerate(doubtful) if j != i and d is not None]
    if op.variadic or is_staged(c) or not any(np.any(value_of(d)) for d in others):
        return c
    finite = [
        a if j == i or d is None else np.where(d, 0.0, a) for j, (a, d) in enumerate(zip(args, doubtful, strict=True))
    ]
    marks = [a if d is None else d.astype(np.float64) for a, d in zip(args, doubtful, strict=True)]
    kept = pulled(op, i, select(mask, g), out, finite, attrs)
    met = pulled(op, i, mask.astype(np.float64), out, marks, attrs)
    return np.where(np.not_equal(met, 0), c, kept)


def pulled_mask(op: Op, i: int, mask: Any, out: Any, args: Any, attrs: dict[str, Any]) -> Any:
    """The mask that goes to argument `i`, with that argument's shape; None for "no structural zeros known"."""
    if mask is None:
        if not op.selects:
            return None
        mask = np.ones(shape_of(out), bool)
    shape = shape_of(args[i])
    if shape and op.name == "item":
        return np.any(mask)  # into a control operation: is any of it more than a structural zero?
    if op.mixes or op.kind is Kind.CONTROL or (op.kind is Kind.CUSTOM and not op.structural):
        return None
    if op.kind is Kind.POINTWISE and not op.selects:
        return unbroadcast_mask(np.broadcast_to(mask, shape_of(out)), shape)
    if op.kind is Kind.REDUCTION and not op.selects:
        return np.broadcast_to(restore(mask, shape, attrs["axis"], attrs["keepdims"]), shape)
    number = mask.astype(np.float64)
    if op.kind is Kind.LINEAR:
        args = _distinct(op, i, args)
    elif op.structural:
        args, out = _all_ones(args), np.ones(shape_of(out))
    back = pulled(op, i, number, out, args, attrs)
    return None if back is None else unbroadcast_mask(np.not_equal(back, 0), shape)


def unbroadcast_mask(mask: Any, shape: tuple[int, ...]) -> Any:
    if shape_of(mask) == shape:
        return mask
    return np.not_equal(fitted(mask.astype(np.float64), shape, np.dtype(np.float64)), 0)


def joined(first: Any, second: Any) -> Any:
    """The mask of a sum."""
    return None if first is None or second is None else np.logical_or(first, second)


# ---- forward
def pushed(
    op: Op,
    tangents: list[Any],
    masks: list[Any] | None,
    out: Any,
    args: Any,
    attrs: dict[str, Any],
    strong: Any = (),
) -> Any:
    """The result's tangent, from those of the arguments (None: no tangent). `masks` are given where it is risky.

    In the arguments of `strong` a zero of a pointwise partial wins over an infinite tangent.
    """
    active = [i for i, t in enumerate(tangents) if t is not None]
    kind = op.kind
    if kind is Kind.POINTWISE:
        total = None
        for i in active:
            rule = op.partials[i]
            if rule is None:
                continue
            c = STRONG_PRODUCT(tangents[i], rule(1.0, out, *args)) if i in strong else rule(tangents[i], out, *args)
            if masks is not None and masks[i] is not None:
                c = select(masks[i], c)
            total = c if total is None else total + c
    elif kind is Kind.REDUCTION:
        partial = op.partials[0](out, *args, **attrs)  # type: ignore[misc]
        c = tangents[0] * partial
        if op.selects:
            c = np.where(np.not_equal(partial, 0), c, 0.0)
        if masks is not None and masks[0] is not None:
            c = select(masks[0], c)
        total = np.sum(c, axis=attrs["axis"], keepdims=attrs["keepdims"])
    elif kind is Kind.LINEAR:
        total = _pushed_linear(op, active, tangents, args, attrs)
    elif kind is Kind.CUSTOM:
        total = (
            op.tangent(tuple(tangents), out, *args, **attrs)
            if op.tangent
            else _transposed(op, active, tangents, out, args, attrs)
        )
    elif kind is Kind.CONTROL:
        return pushed_control(op, tangents, out, args, attrs)
    else:
        return None
    return None if total is None else spread(total, shape_of(out), dtype_of(out))


def _pushed_linear(op: Op, active: list[int], tangents: list[Any], args: Any, attrs: dict[str, Any]) -> Any:
    active = [i for i in active if differentiable_in(op, i)]
    if not active:
        return None
    if op.joint or (op.variadic and op.name == "concatenate"):
        inputs = [
            tangents[i] if i in active else np.zeros(shape_of(a), dtype_of(a)) if differentiable_in(op, i) else a
            for i, a in enumerate(args)
        ]
        return op(*inputs, **attrs)
    total = None
    for i in active:
        c = op(*args[:i], tangents[i], *args[i + 1 :], **attrs)
        total = c if total is None else total + c
    return total


def _transposed(op: Op, active: list[int], tangents: list[Any], out: Any, args: Any, attrs: dict[str, Any]) -> Any:
    """Forward mode where only the adjoint is declared: the adjoint is linear in g, so transpose it in turn."""
    from .backward import backward, fresh

    g = fresh(np.zeros(shape_of(out), dtype_of(out)))
    seeds = []
    for i in active:
        back = pulled(op, i, g, out, args, attrs)
        if type(back) is Traced:
            seeds.append((fitted(back, shape_of(args[i]), dtype_of(args[i])).node, tangents[i], None))
    return backward(seeds, [g.node])[0] if seeds else None


def spread(t: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    if shape_of(t) != shape:
        t = np.broadcast_to(t, shape)
    return t if dtype_of(t) == dtype else cast(t, dtype)


def pushed_mask(op: Op, tangents: list[Any], masks: list[Any], out: Any, args: Any, attrs: dict[str, Any]) -> Any:
    """The mask of the result's tangent."""
    active = [i for i, t in enumerate(tangents) if t is not None and differentiable_in(op, i)]
    if not active or op.mixes or op.kind is Kind.CONTROL or (op.kind is Kind.CUSTOM and not op.structural):
        return None
    if not op.selects and all(masks[i] is None for i in active):
        return None
    total: Any = False
    for i in active:
        mask = masks[i]
        if mask is None:
            if not op.selects and op.name != "concatenate":
                return None
            mask = np.ones(shape_of(args[i]), bool)
        if op.kind is Kind.POINTWISE and not op.selects:
            part = np.broadcast_to(mask, shape_of(out))
        elif op.kind is Kind.REDUCTION:
            part = np.any(mask, axis=attrs["axis"], keepdims=attrs["keepdims"])
        else:
            number = mask * (1 + 1j) if dtype_of(args[i]).kind == "c" else mask.astype(np.float64)
            others, result = args, np.zeros(shape_of(out))
            if op.kind is Kind.LINEAR:
                others = _distinct(op, i, args)
            elif op.structural:
                others, result = _all_ones(args), np.ones(shape_of(out))
            only = [number if j == i else None for j in range(len(args))]
            part = np.not_equal(pushed(op, only, None, result, others, attrs), 0)
        total = part if total is False else np.logical_or(total, part)
    return None if total is False else total
