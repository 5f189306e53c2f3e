"""Taylor mode: all derivatives of a function along one direction, up to a high order, in one pass.

A value becomes its series in t, y(t) = Σ yₖ tᵏ. Nothing is declared for it: an operation's forward rule says that
ẏ = T(ẋ, x, y), so yₖ = [T]ₖ₋₁ / k, with T's own series found in the same way. For exp this is the classical recurrence
k yₖ = Σ j xⱼ yₖ₋ⱼ (Griewank & Walther 2008, chapter 13); nested `grad` grows as 2ⁿ with the order, this as n².
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from backpass.graph import messages
from backpass.graph.aval import Aval
from backpass.graph.capture import at_hand, capture, leaf_aval
from backpass.graph.errors import NoRuleError, ShapeError
from backpass.graph.op import OPS, Kind, Op
from backpass.graph.program import Graph
from backpass.graph.pytree import LEAF, Tree, flatten
from backpass.partials.declare import dtype_of, shape_of

from .loops import names_of
from .rules import pushed


def taylor(function: Callable[..., Any], x: Any, order: int, direction: Any = None) -> list[Any]:
    """f and its derivatives along a direction v up to an order: [f(x), Dᵥf, Dᵥ²f, …], with Dᵥᵏf = dᵏ/dtᵏ f(x + tv).

    Args:
        function: of one argument; traced on types.
        x: a number, an array or a pytree; `direction` is shaped like it, by default ones.
        order: of the highest derivative.

    Returns:
        order + 1 pytrees shaped like f(x).

    >>> import numpy as np, backpass as bp
    >>> bp.taylor(lambda x: np.exp(2 * x), 0.0, 4)
    [np.float64(1.0), np.float64(2.0), np.float64(4.0), np.float64(8.0), np.float64(16.0)]
    """
    leaves, tree = flatten((x,))
    along = [np.ones(shape_of(v), dtype_of(v))[()] for v in leaves] if direction is None else flatten((direction,))[0]
    if [shape_of(v) for v in leaves] != [shape_of(v) for v in along]:
        raise ShapeError(f"the direction must have x's structure and shapes: {messages.described(x)}")
    if order < 0:
        raise ValueError(f"an order is a whole number from 0 on, not {order}")
    body = capture(function, [leaf_aval(v) for v in leaves], tree, names_of(function, tree, ("x",)))
    program = _Program(order)
    inputs = [program.given([v]) for v in at_hand(body.outside)]
    inputs += [program.given([v, d]) for v, d in zip(leaves, along, strict=True)]
    with np.errstate(all="ignore"):
        outs = program.enter(body.graph, inputs)
        found = [[program.coefficient(k, n) for k in outs] for n in range(order + 1)]
    scaled = [[c if n < 2 else c * math.factorial(n) for c in row] for n, row in enumerate(found)]
    return [body.result.unflatten(row) for row in scaled]


class _Step:
    """One value of the program, with the coefficients of its series that are known so far."""

    __slots__ = ("op", "inputs", "attrs", "aval", "series", "slope", "still")

    def __init__(self, op: Op | None, inputs: tuple[int, ...], attrs: dict[str, Any], aval: Any, series: list[Any]):
        self.op = op
        self.inputs = inputs
        self.attrs = attrs
        self.aval = aval
        self.series = series
        self.slope: int | None = None
        """The step whose series is that of this one's derivative."""
        self.still = op is None and len(series) == 1
        """Nothing that moves leads here: there is no coefficient beyond the first."""


class _Program:
    """Steps in order; coefficients are worked out where they are asked for, without recursion over the depth."""

    def __init__(self, order: int):
        self.order = order
        self.steps: list[_Step] = []
        self.known: dict[Any, int] = {}

    def given(self, series: list[Any]) -> int:
        """A value whose series is known, and zero beyond."""
        first = series[0]
        self.steps.append(_Step(None, (), {}, leaf_aval(first), list(series)))
        return len(self.steps) - 1

    def enter(self, graph: Graph, inputs: list[int]) -> list[int]:
        """A graph's lines as steps; its outputs."""
        place = dict(zip(graph.inputs, inputs, strict=True))
        for k, node in enumerate(graph.nodes):
            if k in place:
                continue
            if node.op.kind is Kind.SOURCE:
                place[k] = self.given([node.value])
                continue
            if node.op.kind is Kind.CONTROL:
                raise NoRuleError(f"taylor: {node.op.name} has no series yet; nest bp.jvp, or write the loop in Python")
            mine = tuple([place[i] for i in node.inputs])
            # sin's derivative is cos, whose derivative is sin again: one step, not a chain of them.
            key = (node.op, mine, repr(node.attrs))
            if key not in self.known:
                self.known[key] = len(self.steps)
                step = _Step(node.op, mine, node.attrs, node.aval, [])
                step.still = node.op.kind is Kind.DISCRETE or all(self.steps[i].still for i in mine)
                self.steps.append(step)
            place[k] = self.known[key]
        return [place[k] for k in graph.outputs]

    def coefficient(self, step: int, n: int) -> Any:
        """Coefficient n of a step's series; None for an exact zero."""
        stack = [(step, n)]
        while stack:
            at, k = stack[-1]
            this = self.steps[at]
            if self._has(at, k):
                stack.pop()
                continue
            if isinstance(this, _Derivative):
                stack.append((this.of, k + 1))
                continue
            if len(this.series) < k:
                stack.append((at, k - 1))
                continue
            needed = [(i, j) for i, j in self._needed(at, k) if not self._has(i, j)]
            if needed:
                stack += needed
                continue
            this.series.append(self._computed(at, k))
            stack.pop()
        value = self._get(step, n)
        return np.zeros(self.steps[step].aval.shape, self.steps[step].aval.dtype)[()] if value is None else value

    def _has(self, step: int, n: int) -> bool:
        this = self.steps[step]
        if isinstance(this, _Derivative):
            return self._has(this.of, n + 1)
        return this.op is None or len(this.series) > n

    def _get(self, step: int, n: int) -> Any:
        this = self.steps[step]
        if isinstance(this, _Derivative):
            c = self._get(this.of, n + 1)
            return None if c is None else c * (n + 1)
        return this.series[n] if n < len(this.series) else None

    def _first(self, step: int) -> Any:
        value, aval = self._get(step, 0), self.steps[step].aval
        return np.zeros(aval.shape, aval.dtype)[()] if value is None else value

    def _needed(self, at: int, k: int) -> list[tuple[int, int]]:
        this = self.steps[at]
        if k and this.still:
            return []
        if k == 0 or self._by_products(this) or this.op is _DIVIDE or this.op in _JOINTLY:
            return [(i, k) for i in this.inputs]
        needed = [(i, k) for i in this.inputs]
        if any(not self._has(i, j) for i, j in needed):
            return needed
        return [(self._slope_of(at), k - 1)]

    @staticmethod
    def _by_products(step: _Step) -> bool:
        """Linear in each of its smooth arguments: the coefficients are sums of the operation's own products."""
        op = step.op
        return op is not None and (op.kind is Kind.LINEAR or op.name in _BILINEAR)

    def _computed(self, at: int, k: int) -> Any:
        this = self.steps[at]
        op = this.op
        assert op is not None
        if k == 0:
            args = [self._first(i) for i in this.inputs]
            value = op(*args, **this.attrs)
            if this.aval.weak and hasattr(value, "item"):
                value = value.item()
            return value
        if this.still:
            return None
        if op in _JOINTLY or op.joint:
            return self._sum_of_all(this, k)
        if op is _DIVIDE:
            return self._quotient(this, k)
        if self._by_products(this):
            return self._product(this, k)
        slope = self._get(self._slope_of(at), k - 1)
        return None if slope is None else slope / k

    def _sum_of_all(self, this: _Step, k: int) -> Any:
        """Linear in all arguments together: the operation itself, on the coefficients."""
        parts = [self._get(i, k) for i in this.inputs]
        if all(p is None for p in parts):
            return None
        avals = [self.steps[i].aval for i in this.inputs]
        filled = [np.zeros(a.shape, a.dtype)[()] if p is None else p for p, a in zip(parts, avals, strict=True)]
        op = this.op
        assert op is not None
        if op.smooth is not None:  # index arrays do not move
            for j, i in enumerate(this.inputs):
                if j >= len(op.smooth) or not op.smooth[j]:
                    filled[j] = self._first(i)
        return op(*filled, **this.attrs)

    def _quotient(self, this: _Step, k: int) -> Any:
        """From y b = a: yₖ = (aₖ − Σⱼ bⱼ yₖ₋ⱼ) / b₀."""
        a, b = this.inputs
        total = self._get(a, k)
        for j in range(1, k + 1):
            pair = self._get(b, j), this.series[k - j]
            if pair[0] is not None and pair[1] is not None:
                total = -pair[0] * pair[1] if total is None else total - pair[0] * pair[1]
        return None if total is None else _DIVIDE(total, self._get(b, 0))

    def _product(self, this: _Step, k: int) -> Any:
        """Σ over all ways to share k among the arguments of the operation applied to those coefficients (Cauchy)."""
        op = this.op
        assert op is not None
        smooth = [j for j in range(len(this.inputs)) if op.smooth is None or (j < len(op.smooth) and op.smooth[j])]
        args = [self._first(i) for i in this.inputs]
        total: Any = None

        def shared(left: int, places: list[int], chosen: list[Any]) -> None:
            nonlocal total
            j, rest = places[0], places[1:]
            for n in range(left + 1) if rest else (left,):
                c = self._get(this.inputs[j], n)
                if c is None:
                    continue
                picked = [*chosen]
                picked[j] = c
                if rest:
                    shared(left - n, rest, picked)
                else:
                    term = op(*picked, **this.attrs)
                    total = term if total is None else total + term

        shared(k, smooth, args)
        return total

    def _slope_of(self, at: int) -> int:
        """The step whose series is ẏ: the forward rule of the operation, entered as further steps."""
        this = self.steps[at]
        if this.slope is not None:
            return this.slope
        op = this.op
        assert op is not None
        moving = [j for j, i in enumerate(this.inputs) if not self.steps[i].still]
        avals = [self.steps[i].aval for i in this.inputs]
        tangents = [avals[j]._replace(weak=False) for j in moving if avals[j].differentiable]
        places = [j for j in moving if avals[j].differentiable]
        count = len(avals)

        def make(*handles: Any) -> list[Any]:
            given: list[Any] = [None] * count
            for j, t in zip(places, handles[count + 1 :], strict=True):
                given[j] = t
            found = pushed(op, given, None, handles[count], list(handles[:count]), this.attrs)
            return [np.zeros(this.aval.shape, this.aval.dtype) if found is None else found]

        types = [*avals, this.aval._replace(weak=False), *tangents]
        flat = Tree(tuple, len(types), (LEAF,) * len(types))
        body = capture(make, types, flat, [f"x{j}" for j in range(len(types))], op.name)
        slopes = [self._derivative(this.inputs[j]) for j in places]
        this.slope = self.enter(body.graph, [*this.inputs, at, *slopes])[0]
        return this.slope

    def _derivative(self, i: int) -> int:
        """ẋ of a step as a step: its coefficients are (k + 1) xₖ₊₁."""
        key = ("derivative", i)
        if key not in self.known:
            aval = self.steps[i].aval._replace(weak=False)
            self.steps.append(_Derivative(i, aval))
            self.known[key] = len(self.steps) - 1
        return self.known[key]


class _Derivative(_Step):
    """ẋ, read off x's own series as that grows."""

    __slots__ = ("of",)

    def __init__(self, of: int, aval: Aval):
        super().__init__(None, (), {}, aval, [])
        self.of = of


_BILINEAR = ("multiply", "negative", "positive")
"""Pointwise, and linear in each argument."""

_DIVIDE = OPS["divide"]
_JOINTLY = (OPS["add"], OPS["subtract"])
"""Pointwise, and linear in both arguments together."""

__all__ = ["taylor"]
