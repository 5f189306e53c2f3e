"""The chain rule in index form: what a line sends back to the symbols that it reads.

For a line u_J = e(J), each place where an entry v_I stands in e contributes Σ_J ∂L/∂u_J · ∂e/∂v_I · Π [t = I], where t
is the entry of v asked for. Solving the brackets for the summation indices is all there is: a matrix product turns into
the other two, a window into a shifted index, a gather into one-hot, and no rule knows what a layer is.

What is sent from a complex u is that number g for which L changes by Re(g du), as in `graph.op`: through a holomorphic
function it is multiplied by the derivative, and a real value takes its real part. ∂L/∂u is its conjugate.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from backpass.graph.errors import DtypeError
from backpass.graph.op import OPS, Kind
from backpass.graph.program import Graph
from backpass.graph.traced import CONSTANT, INPUT

from .complexes import PARTS, conj, part
from .evaluate import evaluate
from .expr import (
    IMAGINARY,
    ONE,
    ZERO,
    Expr,
    add,
    bracket,
    coefficient_of,
    complex_num,
    fn,
    mul,
    negate,
    num,
    opened,
    power,
    total,
)
from .inverse import solved
from .labelled import is_function
from .pull import NAMES, OP_OF, elementwise, invert
from .sheet import Sheet

Receive = Callable[[int, Expr], None]


class NoDerivative(Exception):
    """A step that has no derivative in index form."""


class Backward:
    """Sends cotangents from a line to the symbols in `wanted`; each adjoint is asked for at its `targets`."""

    def __init__(self, sheet: Sheet, wanted: set[int], targets: dict[int, tuple[Expr, ...]], receive: Receive):
        self.sheet = sheet
        self.wanted = wanted
        self.targets = targets
        self.receive = receive

    def send(self, e: Expr, cotangent: Expr, out: Expr | None, indices: tuple[Expr, ...]) -> None:
        """From the line ``out = e`` with the adjoint `cotangent`; `indices` are the line's own."""
        self._back(e, cotangent, tuple(v for v in indices if v.kind == "v"), out)

    def _back(self, e: Expr, g: Expr, scope: tuple[Expr, ...], out: Expr | None) -> None:
        if not self._reaches(e):
            return
        if e.kind == "r":
            self._arrive(e, g, scope)
        elif e.kind == "+":
            for c, t in zip(e.data, e.parts, strict=True):
                self._back(t, mul(num(c), g), scope, None)
        elif e.kind == "*":
            self._product(e, g, scope, out)
        elif e.kind == "S":
            self._binder(e, g, scope, out)
        elif e.kind == "f":
            if e.real and not all(a.real for a in e.parts):
                g = part("Re", g)
            for i, a in enumerate(e.parts):
                if self._reaches(a):
                    slope = self.partial(e, i, g, out)
                    if slope is not None:
                        self._back(a, slope, scope, None)

    def _arrive(self, e: Expr, g: Expr, scope: tuple[Expr, ...]) -> None:
        """An entry that is wanted, with the slope of what reads it and the indices of the lines and sums around it."""
        pairs = [(t, i) for t, i in zip(self._target(e), e.parts, strict=True)]
        self.receive(e.data, solved(self.sheet.axes, part("Re", g) if e.real else g, scope, pairs))

    def _reaches(self, e: Expr) -> bool:
        return not e.refs.isdisjoint(self.wanted)

    def _target(self, e: Expr) -> tuple[Expr, ...]:
        if e.data not in self.wanted:
            return ()
        symbol = self.sheet.symbols[e.data]
        return tuple(t for t, n in zip(self.targets[e.data], symbol.shape, strict=True) if n != 1)

    def _product(self, e: Expr, g: Expr, scope: tuple[Expr, ...], out: Expr | None) -> None:
        parts = list(zip(e.parts, e.data[1], strict=True))
        for n, (b, p) in enumerate(parts):
            if not self._reaches(b):
                continue
            if p == -1 and out is not None:
                slope = mul(num(-1), g, out, (b, -1))  # through the result: shorter than 1/b²
            else:
                rest = [x for m, x in enumerate(parts) if m != n]
                slope = mul(num(coefficient_of(e) * p), g, *rest, (b, p - 1))
            self._back(b, slope, scope, None)

    def _binder(self, e: Expr, g: Expr, scope: tuple[Expr, ...], out: Expr | None) -> None:
        word = e.data[0]
        whole = e if out is None else out
        bound = []
        body = e
        while body.kind == "S" and body.data[0] == word:
            v, body = opened(body)
            bound.append(v)
        inner = (*scope, *bound)
        if word == "Σ":
            self._back(body, g, inner, None)
        elif word == "lse":
            self._back(body, mul(g, fn("exp", add(body, negate(whole)))), inner, None)
        elif word == "Π":
            self.sheet.assumptions.add("no factor of a product is 0")
            self._back(body, mul(g, whole, (body, -1)), inner, None)
        else:
            hit = bracket("=", body, whole)
            count = hit
            for v in bound:
                count = total(v, count)
            free = tuple(sorted(count.free, key=lambda x: x.key))
            try:
                single = bool(np.all(evaluate(self.sheet, count, free) == 1))
            except (ValueError, KeyError, IndexError, MemoryError):
                single = True
            if single:
                self.sheet.assumptions.add(f"the {'largest' if word == 'max' else 'smallest'} entry of a {word} is one")
            self._back(body, mul(g, hit) if single else mul(g, hit, (count, -1)), inner, None)

    # ---- functions
    def partial(self, e: Expr, i: int, g: Expr, out: Expr | None) -> Expr | None:
        """g · ∂e/∂argument i; None where the derivative is zero."""
        whole = e if out is None else out
        name, a = str(e.data), e.parts
        if name == "relu":
            return mul(g, self._choice(a[0], ZERO))
        if name in ("max", "min"):
            mine, other = a[i], a[1 - i]
            return mul(g, self._choice(*((mine, other) if name == "max" else (other, mine))))
        if name == "where":
            test = a[0] if a[0].kind in "IB" else bracket("=", a[0], ONE)
            return None if i == 0 else mul(g, test if i == 1 else invert(test))
        if name == "√":
            return mul(num(0.5), g, (whole, -1))
        if name == "σ":
            return mul(g, whole, add(ONE, negate(whole)))
        if name == "tanh":
            return mul(g, add(ONE, negate(power(whole, 2))))
        if name == "abs":
            return mul(g, fn("sign", a[0])) if a[0].real else mul(g, conj(a[0]), (whole, -1))
        if name in PARTS:  # Re(g dz̄) = Re(ḡ dz), Im(dz) = Re(−i dz)
            return conj(g) if name == "conj" else g if name == "Re" else mul(num(-1), IMAGINARY, g)
        if name == "power":
            if i == 0:
                return mul(g, a[1], fn("power", a[0], add(a[1], num(-1))))
            return mul(g, whole, fn("log", a[0]))
        if name in ("logaddexp", "logaddexp2"):
            return mul(g, fn("exp" if name == "logaddexp" else "exp2", add(a[i], negate(whole))))
        if name in ("const", "not", "or", "and", "div", "mod", "trunc"):
            return None
        op = OPS[OP_OF.get(name, name)]
        if op.kind is Kind.DISCRETE or (op.kind is Kind.POINTWISE and op.partials[i] is None):
            return None
        return _run(_rule(op.name, i, (g.real, whole.real, *[x.real for x in a])), [g, whole, *a])

    def _choice(self, a: Expr, b: Expr) -> Expr:
        """[a > b], with one half at a tie when there is one among the given numbers."""
        free = tuple(sorted(a.free | b.free, key=lambda x: x.key))
        tie = False
        with contextlib.suppress(ValueError, KeyError, IndexError, MemoryError):
            tie = bool(np.any(evaluate(self.sheet, bracket("=", a, b), free)))
        if tie:
            return add(bracket(">", a, b), mul(num(0.5), bracket("=", a, b)))
        self.sheet.assumptions.add("no argument of max or relu is at the corner")
        return bracket(">", a, b)


@lru_cache(maxsize=512)
def _rule(name: str, i: int, real: tuple[bool, ...]) -> Graph:
    """An operation's own partial as a graph over (g, result, *arguments), all scalars."""
    from backpass.graph.staging import trace

    op = OPS[name]
    rule = op.partials[i]
    assert rule is not None
    slope = lambda g, out, *a: rule(g, out, *a)  # noqa: E731
    g, out, *halves = [np.float64(0.5) if r else np.complex128(0.5) for r in real]
    try:
        return trace(slope, g, out, *halves)
    except DtypeError:
        # Orders, degrees and counts stand beside the argument: SciPy takes whole numbers there and nothing else.
        return trace(slope, g, out, *[half if k == i else np.int64(2) for k, half in enumerate(halves)])


def _run(graph: Graph, arguments: list[Expr]) -> Expr:
    """A scalar graph on expressions instead of numbers."""
    given = iter(arguments)
    values: list[Expr] = []
    for node in graph.nodes:
        if node.op is INPUT:
            values.append(next(given))
        elif node.op is CONSTANT:
            values.append(complex_num(node.value) if node.dtype.kind == "c" else num(float(node.value)))
        else:
            values.append(_applied(node.op.name, [values[i] for i in node.inputs]))
    return values[graph.outputs[0]]


def _applied(name: str, given: Sequence[Expr]) -> Expr:
    if name == "where" and given[1].kind == "n" and given[1].data != given[1].data:
        return given[2]  # NaN where the operation itself is not defined
    found = elementwise(name, list(given))
    shown = NAMES.get(name, name)
    if found is None and not is_function(shown):
        raise NoDerivative(name)
    return fn(shown, *given) if found is None else found


__all__ = ["Backward", "NoDerivative"]
