"""Zeros that win over an infinite slope, beside those of what was not selected (``rules.py``).

The chain rule multiplies slopes, and 0 · ∞ is NaN even where the whole has a derivative:

>>> import numpy as np, backpass as bp
>>> x = np.array([0.0, 4.0])
>>> bp.grad(lambda x: np.sum(np.sqrt(np.array([0.0, 1.0]) * x)))(x)
array([0.  , 0.25])
>>> bp.grad(lambda x: np.sqrt(np.sum(x**2)))(np.zeros(2))
array([0., 0.])
>>> bp.grad(lambda x: np.sum(np.sqrt(x) ** 2))(x)
array([1., 1.])

These zeros are known to win, by the mathematics of the whole and not of its value at one point:

- A factor that holds still (a constant, a mask) and is 0: F(0 · x) and 0 · F(x) do not change with x.
- The slope of an even function at 0: F(x²) has the same values on both sides of 0, so its derivative there is 0, or at
  a kink the mean of the two one-sided ones, as that of √x². So has a product u · v where both vanish, as in √(xᵀA x).
  It is the zero of one point, so it does not win over ∞ further down, nor over a slope that is steeper than the
  function is flat: ∛x² has a cusp, and (Σ |x|³)^⅓ has none.
- Under a square the root is gone: of √s² the derivative goes to s at once.
- A factor that is 0 and moves no faster than its arguments: of x √x the slope at 0 is 0, and so is that of w √x in x
  at w = 0.
- What is too large for a float: where 1/(1 + exp(800)) is 0, nothing depends on how large exp(800) is.

Any other 0 · ∞ stays NaN: √(2h − h²) at h = 2 has an infinite slope, which a zero by cancellation must not hide.
At first order this is asked for only where a gradient came out NaN, so plain code pays for one look at its result.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from backpass.graph.aval import Aval
from backpass.graph.op import Kind, Op
from backpass.graph.traced import ALIAS, Node
from backpass.partials.arithmetic import ABSOLUTE, DIVIDE, FLOAT_POWER, MULTIPLY, POWER, SQUARE, STRONG_PRODUCT
from backpass.partials.declare import dtype_of, shape_of
from backpass.partials.products import EINSUM, MATMUL, VECDOT
from backpass.partials.reductions import SUM, restore

from .rules import fitted, pulled, select, spread, unbroadcast_mask

POWERS = (POWER, FLOAT_POWER)
_DEEP = 4
"""How far back a factor is looked into."""
_KINK = 1 + 1e-9
_ROUNDED_UP = 1 + 1e-12
"""3 · ⅓ is 1."""


def steepness(node: Node) -> float:
    """The power of a distance by which the value changes where a partial is infinite; 1 where none is."""
    steep = node.op.steep
    if steep.__class__ is float:
        return steep  # type: ignore[return-value]
    return steep(*[None if q.__class__ is Node else q for q in node.inputs])  # type: ignore[operator]


def _still(q: Any, depth: int = _DEEP) -> bool:
    """Has this factor no derivative in anything: a constant, truth values, whole numbers, and what is made of them?"""
    if q.__class__ is not Node or not q.aval.differentiable:
        return True
    if q.op is ALIAS or not q.inputs or not depth or q.op.kind is Kind.CONTROL:
        return False
    return all(_still(p, depth - 1) for p in q.inputs)


def still_factor(node: Node, i: int) -> int | None:
    """Which argument is the factor whose zeros make the derivative in argument `i` 0 wherever they are."""
    op = node.op
    if op is MULTIPLY or termwise(node):
        k = 1 - i
    elif op is STRONG_PRODUCT and i == 0:
        k = 1
    elif op is DIVIDE and i == 1:
        k = 0
    elif op in POWERS and i == 0:
        return 1 if node.inputs[1].__class__ is not Node and not np.any(node.inputs[1]) else None
    else:
        return None
    return k if _still(node.inputs[k]) and _may_vanish(node.inputs[k]) else None


def termwise(node: Node) -> bool:
    """Is it a sum of products of two real arrays, entry by entry, each of which meets one entry of the result?"""
    op = node.op
    if op is EINSUM:
        terms, output = node.attrs["subscripts"].split("->")  # type: ignore[index]
        first, comma, second = terms.partition(",")
        if first != second or not comma or len(set(first)) < len(first) or not set(output) <= set(first):
            return False
    elif op is MATMUL:
        if any(len(shape_of(q.value if q.__class__ is Node else q)) != 1 for q in node.inputs):
            return False
    elif op is not VECDOT:
        return False
    return node.aval.dtype.kind == "f"


def _may_vanish(q: Any) -> bool:
    value = q.value if q.__class__ is Node else q
    return value.__class__ is Aval or not np.all(value)


def flatness(node: Node, i: int) -> float:
    """The power of a distance by which an even function changes at 0, so that its derivative in argument `i` is 0
    there: the values on both sides are the same. 0 for other functions."""
    op = node.op
    if node.aval.dtype.kind != "f" or any(map(_steep_below, node.inputs)):
        return 0.0
    if op.even or op is MULTIPLY or termwise(node):
        return 2.0
    if op in POWERS and i == 0 and node.inputs[1].__class__ is not Node:
        base, power = node.inputs
        if (base.__class__ is Node and base.op is ABSOLUTE) or np.all(np.equal(np.remainder(power, 2), 0)):
            return float(np.min(power)) * _ROUNDED_UP
    return 0.0


def _steep_below(q: Any, depth: int = _DEEP) -> bool:
    """Does this change faster than what it is made of: is √x · √x as flat as x alone?"""
    if q.__class__ is not Node or q.op is ALIAS or not q.inputs or not depth or q.op.kind is Kind.CONTROL:
        return False
    return (steepness(q) < 1 and not _is_length(q)) or any(_steep_below(p, depth - 1) for p in q.inputs)


def _is_length(r: Node) -> bool:
    """Is this a norm, a hypotenuse, |z|, or the root of what is even?"""
    if r.op.kind is Kind.REDUCTION or len(r.inputs) == 2 or r.op is ABSOLUTE:
        return bool(r.op.squared)
    q = r.inputs[0]
    if q.__class__ is Node and q.op is SUM:
        q = q.inputs[0]
    return bool(r.op.squared) and q.__class__ is Node and flatness(q, 0) > 0


def lipschitz_factor(node: Node, i: int) -> int | None:
    """Which argument is a factor that changes no faster than what it is made of, so that where it is 0 the derivative
    in argument `i` is 0, too, however steep that is. Only of first order: its own derivative meets that slope."""
    op = node.op
    if not (op is MULTIPLY or termwise(node) or (op is DIVIDE and i == 1)) or node.staged:
        return None
    k = 1 - i
    return k if _is_lipschitz(node.inputs[k]) and _may_vanish(node.inputs[k]) else None


def _is_lipschitz(q: Any, depth: int = _DEEP) -> bool:
    if q.__class__ is not Node or q.op is ALIAS or not q.inputs:
        return True
    if not depth or q.op.kind is Kind.CONTROL or steepness(q) < 1:
        return False
    return all(_is_lipschitz(p, depth - 1) for p in q.inputs)


def within_range(value: Any) -> bool:
    """Is a value known, and not too large for a float?"""
    return value.__class__ is not Aval and bool(np.all(np.isfinite(value)))


def strong_pull(op: Op, i: int, g: Any, out: Any, args: Any, attrs: dict[str, Any], still: bool, flat: float) -> Any:
    """As the rule has it, where a zero of the partial wins over an infinite g; of a factor that does not hold `still`
    only where the other one is 0, too. `flat` is the power of a distance by which the whole changes,
    0 of what holds still."""
    if op.kind is Kind.LINEAR:
        spread, partial = pulled(op, i, g, out, [np.ones(shape_of(a)) for a in args], attrs), args[1 - i]
    elif op.kind is Kind.REDUCTION:
        spread = restore(g, shape_of(args[0]), attrs["axis"], attrs["keepdims"])
        partial = op.partials[0](out, *args, **attrs)  # type: ignore[misc]
    else:
        spread, partial = g, op.partials[i](1.0, out, *args)  # type: ignore[misc]
    strong = _at_kink(STRONG_PRODUCT(spread, partial), spread, partial, flat)
    if still or not (op is MULTIPLY or op.kind is Kind.LINEAR) or args[0] is args[1]:
        return strong
    return np.where(np.equal(args[i], 0), strong, spread * partial)


def _at_kink(strong: Any, spread: Any, partial: Any, flat: float) -> Any:
    """At a kink, as a norm has it at 0, the slope is 0 and so is its own, as that of sign(x) is. A flatter function has
    a curvature there."""
    if flat > _KINK:
        return strong
    return np.where(np.logical_and(np.equal(partial, 0), np.isinf(spread)), 0.0, strong)


def strong_push(
    op: Op, tangents: list[Any], masks: list[Any], even: list[Any], out: Any, args: Any, flat: float
) -> Any:
    """The tangent of a steep operation, where the zeros of even functions win over its infinite partials."""
    total: Any = None
    for i, mine in enumerate(tangents):
        rule = op.partials[i] if mine is not None else None
        if rule is None:
            continue
        c = rule(mine, out, *args)
        if even[i] is not None:
            steep = rule(1.0, out, *args)
            c = np.where(even[i], c, _at_kink(STRONG_PRODUCT(steep, mine), steep, mine, flat))
        if masks[i] is not None:
            c = select(masks[i], c)
        total = c if total is None else total + c
    return spread(total, shape_of(out), dtype_of(out))


def not_zero(op: Op, k: int, args: Any, out: Any) -> Any:
    """Where a still factor lets the other through: where it is not 0, or where 0 · ∞ is the value."""
    if op in POWERS:
        return np.zeros(shape_of(out), bool)
    return np.logical_or(np.not_equal(args[k], 0), np.not_equal(out, 0))


def some_not_zero(op: Op, k: int, args: Any, attrs: dict[str, Any]) -> Any:
    """The same of a dot product: which of its results have a term."""
    ones = [np.ones(shape_of(a)) for a in args]
    ones[k] = np.not_equal(args[k], 0).astype(np.float64)
    return np.not_equal(op(*ones, **attrs), 0)


def apart_from_zero(op: Op, i: int, args: Any, t: Any, out: Any, attrs: dict[str, Any]) -> Any:
    """Where the tangent t passes a function that is even in argument `i`: not at 0, unless t is infinite there."""
    if op.kind is Kind.LINEAR:
        away = np.logical_or(some_not_zero(op, 0, args, attrs), some_not_zero(op, 1, args, attrs))
        return np.logical_or(away, np.logical_not(np.isfinite(out + np.sum(t))))
    if op.kind is Kind.REDUCTION:
        total = np.sum(t, axis=attrs["axis"], keepdims=attrs["keepdims"])
        return np.logical_or(np.not_equal(out, 0), np.logical_not(np.isfinite(total)))
    away = np.not_equal(args[i], 0)
    if op is MULTIPLY:
        away = np.logical_or(away, np.not_equal(args[1 - i], 0))
    return np.logical_or(away, np.logical_not(np.isfinite(t)))


# ---- squares of roots
class Root:
    """A power of a root, or of a multiple of one: out = uᵖ, where u = r, r · c, c · r or r / c, and r² has partials."""

    __slots__ = ("power", "u", "r", "scale")

    power: Any
    u: Node
    r: Node
    scale: int | None
    """Which argument of u is c."""

    def __init__(self, power: Any, u: Node, r: Node, scale: int | None):
        self.power, self.u, self.r, self.scale = power, u, r, scale

    @property
    def ends(self) -> list[Node]:
        """Where the derivative goes."""
        ends = [q for q, rule in zip(self.r.inputs, self.r.op.squared, strict=True) if q.__class__ is Node and rule]
        if self.scale is not None and self.u.inputs[self.scale].__class__ is Node:
            ends.append(self.u.inputs[self.scale])
        return ends

    def _factor(self, u: Any) -> Any:
        """∂uᵖ/∂u² = p/2 uᵖ⁻²"""
        return None if np.all(self.power == 2) else self.power / 2 * np.power(u, self.power - 2)

    def _scaled(self, g: Any, c: Any) -> Any:
        return g * (c * c) if self.u.op is MULTIPLY else g / (c * c)

    @property
    def flatness(self) -> float:
        return float(self.power) * _ROUNDED_UP if _is_length(self.r) else 0.0

    def pulled(self, g: Any, read: Any, steep: float) -> list[tuple[Node, Any]]:
        """The cotangents of `ends`; ``read(node)`` gives a node's value, or its handle."""
        u, r = read(self.u), read(self.r)
        if steep < 1 and steep * self.flatness >= 1:
            kink = steep * self.flatness <= _KINK
            g = np.where(np.equal(u, 0), 0.0, g) if kink else STRONG_PRODUCT(g, np.where(np.equal(u, 0), u, 1.0))
        factor = self._factor(u)
        g = g if factor is None else g * factor
        found = []
        mine = g
        if self.scale is not None:
            c = read(self.u.inputs[self.scale])
            mine = self._scaled(g, c)
        if self.r.op.kind is Kind.REDUCTION:
            mine = fitted(mine, shape_of(r), dtype_of(r))
        args = [read(q) for q in self.r.inputs]
        for i, q in enumerate(self.r.inputs):
            if q.__class__ is Node and self.r.op.squared[i] is not None:
                found.append((q, _of_square(self.r, i, mine, r, args, backward=True)))
        if self.scale is not None and self.u.inputs[self.scale].__class__ is Node:
            rule = self.u.op.partials[self.scale]
            found.append((self.u.inputs[self.scale], rule(g * (2 * u), u, *[read(q) for q in self.u.inputs])))  # type: ignore[misc]
        return found

    def mask(self, q: Node, mask: Any, read: Any) -> Any:
        """The mask that goes to q, one of `ends`."""
        mask = np.broadcast_to(mask, shape_of(read(self.u)))
        if self.scale is not None and q is self.u.inputs[self.scale]:
            return unbroadcast_mask(mask, shape_of(read(q)))
        mask = unbroadcast_mask(mask, shape_of(read(self.r)))
        shape = shape_of(read(q))
        if self.r.op.kind is Kind.REDUCTION:
            axis, kept = (self.r.attrs or {})["axis"], (self.r.attrs or {})["keepdims"]
            return np.broadcast_to(restore(mask, shape, axis, kept), shape)
        return unbroadcast_mask(mask, shape)

    def pushed(self, tangent_of: Any, read: Any) -> Any:
        """The result's tangent; None where none of `ends` has one."""
        u, r = read(self.u), read(self.r)
        total = None
        args = [read(q) for q in self.r.inputs]
        for i, q in enumerate(self.r.inputs):
            t = tangent_of(q) if q.__class__ is Node and self.r.op.squared[i] is not None else None
            if t is not None:
                c = _of_square(self.r, i, t, r, args, backward=False)
                total = c if total is None else total + c
        if self.scale is not None:
            q = self.u.inputs[self.scale]
            if total is not None:
                total = self._scaled(total, read(q))
            t = tangent_of(q) if q.__class__ is Node else None
            if t is not None:
                c = 2 * u * self.u.op.partials[self.scale](t, u, *[read(p) for p in self.u.inputs])  # type: ignore[misc]
                total = c if total is None else total + c
        factor = self._factor(u)
        return total if total is None or factor is None else total * factor


def _of_square(r: Node, i: int, g: Any, out: Any, args: Any, backward: bool) -> Any:
    rule: Any = r.op.squared[i]
    if r.op.kind is not Kind.REDUCTION:
        return rule(g, out, *args)
    axis, kept = (r.attrs or {})["axis"], (r.attrs or {})["keepdims"]
    if backward:
        return rule(restore(g, shape_of(args[0]), axis, kept), args[0])
    return np.sum(rule(g, args[0]), axis=axis, keepdims=kept)


def _same(a: Any, b: Any) -> bool:
    """Are these one value, or the same root taken twice?"""
    if a is b:
        return True
    both = a.__class__ is Node and b.__class__ is Node
    return (
        both
        and bool(a.op.squared)
        and a.op is b.op
        and a.attrs == b.attrs
        and all(map(operator.is_, a.inputs, b.inputs))
    )


def root_under(node: Node) -> Root | None:
    """The root whose power this is, where it is at least its square."""
    op = node.op
    if op is SQUARE:
        power: Any = 2
    elif op is MULTIPLY:
        if not _same(*node.inputs):
            return None
        power = 2
    elif op in POWERS:
        power = node.inputs[1]
        if power.__class__ is Node or not np.all(np.greater_equal(power, 2)) or np.ndim(power):
            return None
    else:
        return None
    u = node.inputs[0]
    if u.__class__ is not Node:
        return None
    if u.op.squared:
        return Root(power, u, u, None)
    if u.op is MULTIPLY or u.op is DIVIDE:
        for k in (0, 1) if u.op is MULTIPLY else (0,):
            r = u.inputs[k]
            if r.__class__ is Node and r.op.squared and r is not u.inputs[1 - k]:
                return Root(power, u, r, 1 - k)
    return None


__all__ = [
    "Root",
    "apart_from_zero",
    "flatness",
    "lipschitz_factor",
    "not_zero",
    "root_under",
    "some_not_zero",
    "steepness",
    "still_factor",
    "strong_pull",
    "strong_push",
    "within_range",
]
