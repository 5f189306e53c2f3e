"""The passes, in order: trace, names, forward lines, the chain rule in index form, and the algebra that shortens it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from backpass.graph.errors import ShapeError
from backpass.graph.program import Graph, GraphNode
from backpass.graph.pytree import flatten
from backpass.graph.staging import inspect_unwrapped, is_dynamic, trace
from backpass.graph.traced import CONSTANT

from .algebra import simplify, vanishes
from .alike import Neighbours
from .axes import Axes
from .choose import choose
from .complexes import conj
from .constants import GREEK, Hints
from .definitions import Definitions
from .differentiate import Backward
from .evaluate import evaluate
from .expr import ONE, ZERO, Expr, add, cost, factors_of, has_sum, mul, opened, substitute, var
from .line import Argument, Line
from .naming import Roles, assign, read_roles
from .observe import values_and_cotangents
from .opaque import opaque_backward
from .pull import opaque
from .sheet import Sheet, Symbol
from .shorten import contraction, put_in, shorten, under_sum
from .unroll import length_of, unrolled

BUDGET = 600
"""Unlike lines that are simplified; the algebra of further ones is left as the chain rule gives it."""
LIMIT = 20_000
"""Lines of a graph: a longer one is summarised, not derived."""


class Builder:
    """Holds the state of one derivation while it is made."""

    def __init__(self, function: Callable[..., Any], theta: Any, args: tuple[Any, ...]):
        traced = trace(function, theta, *args)
        self.leaves = leaves = [leaf for leaf in flatten((theta, *args))[0] if is_dynamic(leaf)]
        self.unrolled = unrolled(traced, leaves, LIMIT)
        self.graph: Graph = self.unrolled.graph
        if len(self.graph.outputs) != 1 or self.graph.nodes[self.graph.outputs[0]].shape != ():
            raise ShapeError(
                f"derive needs a function with one number as its result (the loss), and {self.graph.name} returns "
                f"{[self.graph.nodes[k].shape for k in self.graph.outputs]}.\n  Reduce it, for instance with np.mean."
            )
        self.code = getattr(inspect_unwrapped(function), "__code__", None)
        count = sum(map(is_dynamic, flatten(theta)[0]))
        self.thetas = set(self.graph.inputs[:count])
        short = length_of(self.graph) <= LIMIT
        values, self.cotangents = values_and_cotangents(self.graph, leaves) if short else ([], {})
        axes = Axes()
        axes.read(self.graph)
        self.sheet = Sheet(self.graph, values, axes)
        self.roles: Roles = read_roles(self.graph, self.thetas)
        self.definitions = Definitions()
        self.forward: list[Line] = []
        self.backward: list[Line] = []
        self.adjoint: dict[int, Symbol] = {}
        self.line_of: dict[int, Line] = {}
        self.late: list[Line] = []
        self.raw: dict[int, tuple[Expr, tuple[Expr, ...]]] = {}
        """Each adjoint before it was shortened, at its indices: alike layers start alike."""
        self.apart: set[tuple[str, str, float, float]] = set()
        """Pairs of adjoints that are longer when merged: alike layers need not be tried again."""
        self.spent = 0
        """How many lines have been simplified from scratch."""
        self.neighbours = Neighbours(self.sheet)
        self.dropped: list[str] = []
        self.run()

    def worn(self) -> bool:
        """Is the budget for algebra used up?"""
        return self.spent > BUDGET

    def run(self) -> None:
        if length_of(self.graph) > LIMIT:
            return
        wanted = choose(self.graph, self.thetas, self.roles, set())
        Hints(self.sheet, {w.base for w in wanted}).read()
        assign(self.sheet, wanted, self.roles)
        self.sheet.assumptions.update(self.unrolled.taken)
        self.name_starts()
        self.name_deltas()
        for symbol in [s for s in self.sheet.symbols if s.role == "value"]:
            self.add_forward(symbol)
        self.auto_softmax()
        self.chain_rule()
        shorten(self)

    # ---- forward
    def add_forward(self, symbol: Symbol) -> None:
        assert symbol.position is not None
        node = self.sheet.node(symbol.position)
        line = Line(symbol, (), None, "forward", where=node.where, position=symbol.position)
        if opaque(node):
            line.call = (node.op.name, call_arguments(self.sheet, node), node.attrs)
        else:
            line.indices = self.sheet.indices(symbol)
            line.expr = self.sheet.define(symbol.position, line.indices)
            if self.repeats(symbol, line):
                return
            if symbol.position != self.graph.outputs[0]:
                self.definitions.define(line.expr, self.sheet.ref(symbol, line.indices))
        self.forward.append(line)
        self.line_of[symbol.number] = line

    def repeats(self, symbol: Symbol, line: Line) -> bool:
        """Is it what an earlier line says already (a mean taken twice)? Then it is called as there."""
        assert line.expr is not None
        assert symbol.position is not None
        if not symbol.auto or symbol.position == self.graph.outputs[0]:
            return False
        e = self.definitions.fold(line.expr)
        free = tuple(i for i in line.indices if i.kind == "v")
        if e.kind != "r" or e.parts != free:
            return False
        other = self.sheet.symbols[e.data]
        if [n for n in other.shape if n != 1] != [n for n in symbol.shape if n != 1] or other.role != "value":
            return False
        if other.position is None:
            return False
        symbol.role, symbol.number = "repeat", other.number
        found = [self.cotangents[k] for k in (other.position, symbol.position) if k in self.cotangents]
        if found:
            self.cotangents[other.position] = sum(np.reshape(g, other.shape) for g in found)
        return True

    def auto_softmax(self) -> None:
        """exp and its sum without their quotient: the backward pass will want p = e / s."""
        quotients = {
            b.data
            for m in self.forward
            if m.expr is not None
            for b, p in factors_of(m.expr)
            if p == -1 and b.kind == "r"
        }
        for line in list(self.forward):
            e = line.expr
            if e is None or e.kind != "S" or e.data[0] != "Σ" or line.symbol.number in quotients:
                continue
            v, body = opened(e)
            made = self.line_of.get(body.data) if body.kind == "r" else None
            exp = body if made is None or made.expr is None else made.expr
            rows = [i for i in line.indices if i.kind == "v"]
            if exp.kind != "f" or exp.data != "exp" or len(rows) != 1 or line.position is None or has_sum(body):
                continue
            key = self.sheet.node(line.position).inputs[0]
            shape = self.sheet.node(key).shape
            if len(shape) != 2 or line.shape != (shape[0], 1):
                continue
            symbol = self.sheet.new(key, shape, None, "value", base=self.free("p", "softmax"), auto=True)
            quotient = mul(body, (self.sheet.ref(line.symbol, line.indices), -1))
            symbol.value = evaluate(self.sheet, quotient, (rows[0], v))
            new = Line(symbol, (rows[0], v), quotient, "forward", where=line.where)
            self.late.append(new)
            self.line_of[symbol.number] = new
            self.definitions.define(quotient, self.sheet.ref(symbol, new.indices))
            self.forward.append(new)

    def free(self, *names: str) -> str:
        used = {s.base for s in self.sheet.symbols}
        return next((n for n in names if n not in used), names[-1] + "′")

    def name_starts(self) -> None:
        """A constant that a loop starts from is h⁽⁰⁾, where its body calls the carry h."""
        have = {(s.base, s.label) for s in self.sheet.symbols}
        for position, name in self.unrolled.starts.items():
            base = GREEK.get(name, name)
            if position in self.sheet.at or (base, 0) in have or (base, 1) not in have:
                continue
            have.add((base, 0))
            self.sheet.symbol_at(position, "constant", base=base, label=0)

    # ---- backward
    def name_deltas(self) -> None:
        pres = [self.sheet.at[k] for k in self.roles.pre if k in self.roles.delta]
        self.delta_name: dict[int, tuple[str, int | None]] = {}
        for n, s in enumerate(pres):
            numbered = n + 1 if len(pres) > 1 else None
            self.delta_name[s.number] = ("δ" + s.suffix, s.label if s.suffix else numbered)
        if len(set(self.delta_name.values())) < len(pres):
            self.delta_name = {s.number: ("δ", n + 1) for n, s in enumerate(pres)}

    def chain_rule(self) -> None:
        sheet = self.sheet
        wanted = {
            s.number
            for s in sheet.symbols
            if s.position is not None and s.position in self.cotangents and s.role in ("theta", "value")
        }
        active = self.active(wanted)
        contributions: dict[int, list[Expr]] = {n: [] for n in active}
        targets = {n: sheet.indices(sheet.symbols[n]) for n in active}
        back = Backward(sheet, active, targets, lambda n, e: contributions[n].append(e))
        first: dict[int, float] = {}
        for line in self.forward:
            for n in line.reads if line.position is not None else ():
                first.setdefault(n, float(line.position or 0))
        loss = sheet.at[self.graph.outputs[0]]
        lines: list[tuple[float, Symbol]] = []
        for n in active:
            s = sheet.symbols[n]
            lines.append((float(s.position or 0) if s.role == "value" else first.get(n, 0.0) - 0.5, s))
        lines.sort(key=lambda item: -item[0])
        for _, s in lines:
            if s is loss:
                self.send(s, ONE, back, active)
                continue
            e = conj(add(*contributions.pop(s.number)))
            self.add_backward(s, targets[s.number], e)
            if s.role == "value" and s.number in self.adjoint:
                g = self.adjoint[s.number]
                self.send(s, conj(sheet.ref(g, targets[s.number])), back, active)

        self.order_gradients()

    def order_gradients(self) -> None:
        """A gradient stands below the last adjoint that it is made from."""
        place = {line.symbol.number: n for n, line in enumerate(self.backward)}

        def key(item: tuple[int, Line]) -> tuple[float, int]:
            n, line = item
            if line.kind != "gradient":
                return float(n), n
            return max([place.get(r, -1) for r in line.reads if r in place], default=-1) + 0.5, n

        self.backward = [line for _, line in sorted(enumerate(self.backward), key=key)]

    def active(self, wanted: set[int]) -> set[int]:
        """Symbols on a path from θ to the loss."""
        found: set[int] = {n for n in wanted if self.sheet.symbols[n].role == "theta"}
        for line in self.forward:
            if line.symbol.number in wanted and not line.reads.isdisjoint(found):
                found.add(line.symbol.number)
        return found

    def send(self, s: Symbol, g: Expr, back: Backward, active: set[int]) -> None:
        line = self.line_of[s.number]
        targets = back.targets[s.number]
        if line.expr is None:
            opaque_backward(self, s, self.adjoint[s.number], back, active)
            return
        by = {a: b for a, b in zip(line.indices, targets, strict=True) if a.kind == "v"}
        # The line is read at fresh indices of its own: the targets' stand for the entry asked for.
        own = {a: var(a.data[0]) for a in by}
        e = substitute(line.expr, own)
        cotangent = substitute(g, {b: own[a] for a, b in by.items()})
        left = self.sheet.ref(s, tuple(own.get(i, i) for i in line.indices))
        out = None if s.position == self.graph.outputs[0] and cost(line.expr) > 6 else left
        back.send(e, cotangent, out, tuple(own.values()))

    def add_backward(self, s: Symbol, indices: tuple[Expr, ...], e: Expr) -> None:
        assert s.position is not None
        value = self.cotangents[s.position]
        self.raw[s.number] = e, indices
        e = self.taken_over(s, indices, e) or self.shortened(s, e)
        if e is ZERO:
            self.dropped.append(s.name)
            return
        g = self.sheet.new(s.key, s.shape, value, "adjoint", of=s.number)
        g.base, g.label = self.delta_name.get(s.number, ("", None))
        self.adjoint[s.number] = g
        node = self.sheet.node(s.position)
        kind = "gradient" if s.role == "theta" else "backward"
        line = Line(g, indices, e, kind, of=s, where=node.where, position=s.position)
        self.backward.append(line)
        self.line_of[g.number] = line

    def taken_over(self, s: Symbol, indices: tuple[Expr, ...], e: Expr) -> Expr | None:
        """The line of the layer above, moved down, where the two layers are alike."""
        if s.label is None or s.position is None:
            return None
        above = self.neighbours.of(s, 1)
        if above is None or above not in self.raw or cost(self.raw[above][0]) != cost(e):
            return None
        value = self.cotangents[s.position]
        same = self.neighbours.same(*self.raw[above], e, indices)
        if above not in self.adjoint:
            return ZERO if same or np.all(np.abs(value) < 1e-12) else None
        line = self.line_of[self.adjoint[above].number]
        if line.expr is None:
            return None
        return self.neighbours.adjoint(line.expr, line.indices, indices, value, same)

    def shortened(self, s: Symbol, e: Expr) -> Expr:
        assert s.position is not None
        value = self.cotangents[s.position]
        self.spent += 1
        if self.spent > BUDGET:
            return self.definitions.fold(e)
        e = simplify(e, self.definitions.fold)
        if e is not ZERO and self.seems_zero(e, value):
            made = self.line_of[s.number].expr if s.number in self.line_of else None
            extreme = made is not None and made.kind == "S" and made.data[0] in ("max", "min")
            e = self.proved_zero(e, 4 if extreme else 1)
        return e if e is ZERO else self.inlined(s, e)

    def simple(self, e: Expr) -> Expr:
        """As short as it reads without the names of adjoints."""
        return simplify(e, self.definitions.fold)

    def seems_zero(self, e: Expr, value: Any) -> bool:
        """Is it nothing but rounding beside the adjoints that it is made of? In deep networks all of them are small."""
        if not np.size(value):
            return False
        made_of = [self.sheet.symbols[n].value for n in e.refs if self.sheet.symbols[n].role == "adjoint"]
        largest = max([float(np.max(np.abs(v), initial=0.0)) for v in made_of], default=1.0)
        return float(np.max(np.abs(value))) <= 1e-12 * (largest or 1.0)

    def lines_read(self, e: Expr) -> list[Line]:
        found = [self.line_of[n] for n in e.refs if n in self.line_of and self.line_of[n].kind == "backward"]
        return sorted(found, key=lambda line: line.symbol.number)

    def proved_zero(self, e: Expr, rounds: int) -> Expr:
        """A number that is 0: try to prove it, by putting definitions in."""
        x = e
        for _ in range(rounds):
            lines = [m for m in self.lines_read(x) if m.expr is not None]
            if not lines or cost(x) > 80:
                break
            for m in lines:
                x = put_in(x, m)
            if vanishes(x, self.definitions.fold):
                return ZERO
            x = simplify(x, self.definitions.fold)
        return e

    def inlined(self, s: Symbol, e: Expr) -> Expr:
        """Adjoints that are no longer than their name is worth, written in place."""
        for m in self.lines_read(e):
            if m.of is None or m.of.number in self.delta_name or m.expr is None or m.symbol.number not in e.refs:
                continue
            if (
                not m.of.auto
                and has_sum(m.expr)
                and self.read_count(m.of) > 1
                and len(s.shape) == 2
                and contraction(m.expr)
            ):
                continue
            if has_sum(m.expr) and cost(e) + cost(m.expr) > 12 and under_sum(e, m.symbol.number):
                continue  # a sum in a sum: what could cancel has been proved to vanish already
            new = simplify(put_in(e, m), self.definitions.fold)
            limit = max(cost(e), cost(m.expr)) + 0.35
            if m.of.auto:
                limit = max(limit, min(cost(e) + cost(m.expr) - 1, 9.0))
            if new is ZERO or cost(new) <= limit:
                e = new
        return e

    def read_count(self, s: Symbol) -> int:
        """How many adjoints read ∂L/∂s: one for each symbol in the line of s."""
        line = self.line_of.get(s.number)
        return 0 if line is None else len([n for n in line.reads if self.sheet.symbols[n].role in ("theta", "value")])


def call_arguments(sheet: Sheet, node: GraphNode) -> tuple[Argument, ...]:
    """The arguments of an operation that is written as a call."""
    out = []
    for i in node.inputs:
        source = sheet.node(i)
        shape = source.shape
        if i not in sheet.at:
            below = sheet.at.get(source.inputs[0]) if source.inputs else None
            if source.op is CONSTANT:
                sheet.symbol_at(i, "constant", base=f"c{i}", auto=True)
            elif source.op.name == "transpose" and below is not None:
                out.append(Argument(below, True, shape))
                continue
            elif below is not None:
                out.append(Argument(below, False, shape))
                continue
        out.append(Argument(sheet.at[i], False, shape))
    return tuple(out)


__all__ = ["Builder", "call_arguments"]
