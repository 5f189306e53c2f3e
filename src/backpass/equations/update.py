"""The update: what an optimiser does with the gradients, from its traced update function, in program order.

Names on the right of ``←`` have the values from before the line, and from there on the one that the line gives them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.descent.optimizer import Optimizer
from backpass.descent.registry import OPTIMIZERS, named
from backpass.graph.interpreter import run
from backpass.graph.op import Kind
from backpass.graph.program import Graph, GraphNode
from backpass.graph.pytree import flatten
from backpass.graph.staging import is_dynamic, trace
from backpass.graph.traced import CONSTANT, INPUT

from .constants import GREEK, Hints
from .evaluate import evaluate
from .expr import ONE, Expr, add, factors_of, fn, mul, num, ref, rewrite, terms_of
from .line import Line
from .pull import opaque
from .sheet import Symbol

if TYPE_CHECKING:
    from .build import Builder

SLOTS = {"velocity": "v", "squares": "s"}
"""How the field calls what an optimiser remembers."""
_PROBE = 3.0
"""The step at which the lines are tested: at the first one a memory of zeros would hide what multiplies it."""


class Update:
    """The lines of one step of an optimiser, after those of the gradient."""

    def __init__(self, builder: Builder, optimizer: Any, theta: Any, state: Any, step: int):
        self.builder = builder
        self.sheet = builder.sheet
        self.rule = named(optimizer) if isinstance(optimizer, (str, Optimizer, Mapping)) else None
        self.name = getattr(optimizer, "__name__", "update") if self.rule is None else _name_of(self.rule)
        self.lines: list[Line] = []
        self.thetas: list[Symbol] = []
        """Every θ, in the order of its leaves."""
        self.owner: dict[int, int] = {}
        """Number of a symbol → number of the θ that it belongs to."""
        self.kept: dict[str, str] = {}
        """Name with its θ, ``m_W1`` → name alone, ``m``."""
        self.constants: list[Symbol] = []
        self.probe: dict[int, Any] = {}
        """Symbol → value, at a step where no memory is zero: what the lines are tested on."""
        self.after: dict[int, Any] = {}
        """Line's symbol → its value after the line, there."""
        init = getattr(self.rule or optimizer, "init", None)
        if state is None and init is not None:
            state = init(theta)
        self._build(optimizer, theta, {} if state is None else state, step)

    # ---- the graph
    def _build(self, optimizer: Any, theta: Any, state: Any, step: int) -> None:
        leaves, tree = flatten(theta)
        positions = iter(self.builder.graph.inputs)
        at = [next(positions) if is_dynamic(leaf) else None for leaf in leaves]
        gradients = tree.unflatten([np.zeros(np.shape(leaf), np.asarray(leaf).dtype) for leaf in leaves])
        rate = None if self.rule is None else self.rule.learning_rate
        self.rate = float(rate) if isinstance(rate, (int, float)) else None
        extra = () if self.rate is None else (np.float64(self.rate),)
        graph = trace(self._function(optimizer), theta, gradients, state, np.float64(step + 1), *extra)
        for leaf, k in zip(leaves, at, strict=True):
            self.thetas.append(self._theta(k, leaf))
        given = self._inputs(graph, tree, theta, state, step)
        self._place(graph, given)
        self.scheduled = self.rule is not None and self.rate is None
        self.outputs = graph.outputs[: len(graph.outputs) - self.scheduled]
        self._write(graph)

    def _function(self, optimizer: Any) -> Callable[..., Any]:
        rule, step_of = self.rule, (lambda t: t - 1.0)
        if rule is None:
            update = getattr(optimizer, "update", optimizer)

            def own(theta: Any, gradient: Any, state: Any, t: Any) -> Any:
                return update(theta, gradient, state, step_of(t))

            return own
        if self.rate is None:
            schedule = rule.learning_rate

            def scheduled(theta: Any, gradient: Any, state: Any, t: Any) -> Any:
                rate = schedule(step_of(t))
                return *_with_rate(rule, rate).update(theta, gradient, state, step_of(t)), rate

            return scheduled

        def constant(theta: Any, gradient: Any, state: Any, t: Any, rate: Any) -> Any:
            return _with_rate(rule, rate).update(theta, gradient, state, step_of(t))

        return constant

    def _theta(self, position: int | None, leaf: Any) -> Symbol:
        if position is None:
            raise TypeError(f"θ holds {leaf!r}, which no gradient step can move: keep it out of θ")
        if position in self.sheet.at:
            return self.sheet.at[position]
        label = self.builder.graph.nodes[position].label or f"θ{position}"
        base = label.rsplit(".", 1)[-1]
        return self.sheet.symbol_at(position, "theta", base=self.builder.free(GREEK.get(base, base)))

    def _inputs(self, graph: Graph, tree: Any, theta: Any, state: Any, step: int) -> list[tuple[Symbol | None, Any]]:
        """The symbol and the value of every input: θ, ∂L/∂θ, the memory, t, η."""
        out: list[tuple[Symbol | None, Any]] = [(s, s.value) for s in self.thetas]
        for s in self.thetas:
            g = self.builder.adjoint.get(s.number)
            out.append((g, np.zeros(s.shape) if g is None else g.value))
        leaves, places = flatten(state)
        paths = tree.paths
        for path, leaf in zip(places.paths, leaves, strict=True):
            if is_dynamic(leaf):
                out.append((self._memory(path, paths, leaf), leaf))
        self.step = self._scalar(self.builder.free("t", "τ", "step"), step + 1.0)
        out.append((self.step, step + 1.0))
        if self.rate is not None:
            out.append((self._scalar("η", self.rate), self.rate))
        assert len(out) == len(graph.inputs)
        return out

    def _memory(self, path: str, thetas: tuple[str, ...], leaf: Any) -> Symbol:
        """m of W1 is called m_W1, and m alone where there is one θ."""
        slot, own = path, None
        for n, name in enumerate(thetas):
            if name == "" or path.endswith("." + name):
                slot, own = path[: len(path) - len(name)].rstrip(".") if name else path, n
                if name:
                    break
        base = slot.rsplit(".", 1)[-1]
        base = SLOTS.get(base, GREEK.get(base, base))
        if base[:1].isdigit() or not base:
            base = "s" + base
        label = None
        if own is not None and len(thetas) > 1:
            s = self.thetas[own]
            self.kept[f"{base}_{s.base}"] = base
            base, label = f"{base}_{s.base}", s.label
        symbol = self.sheet.new(("memory", path), np.shape(leaf), leaf, "memory", base=self._unused(base, label))
        symbol.label = label
        self.sheet.axes.enter(symbol.key, symbol.shape)
        if own is not None:
            self.owner[symbol.number] = self.thetas[own].number
        return symbol

    def _unused(self, base: str, label: int | None) -> str:
        taken = {(s.base, s.label) for s in self.sheet.symbols}
        while (base, label) in taken:
            base += "′"
        return base

    def _scalar(self, base: str, value: float) -> Symbol:
        symbol = self.sheet.new(("update", base), (), np.float64(value), "constant", base=self._unused(base, None))
        self.sheet.axes.enter(symbol.key, ())
        self.constants.append(symbol)
        return symbol

    def _place(self, graph: Graph, given: list[tuple[Symbol | None, Any]]) -> None:
        """Append the graph to the sheet's lines."""
        sheet = self.sheet
        self.start = start = len(sheet.nodes)
        found: dict[int, Any] = {k: value for k, (_, value) in zip(graph.inputs, given, strict=True)}
        values = [np.asarray(v, graph.nodes[k].dtype) for k, (_, v) in zip(graph.inputs, given, strict=True)]
        with np.errstate(all="ignore"):
            run(graph, values, lambda k, node, a, value: found.__setitem__(k, value))
        rng = np.random.default_rng(0)
        probes = [self._probed(s, v, rng) for (s, _), v in zip(given, values, strict=True)]
        self.probed: dict[int, Any] = dict(zip(graph.inputs, probes, strict=True))
        with np.errstate(all="ignore"):
            run(graph, probes, lambda k, node, a, value: self.probed.__setitem__(k, value))
        for k, node in enumerate(graph.nodes):
            moved = GraphNode(
                CONSTANT if node.op is INPUT and given[graph.inputs.index(k)][0] is None else node.op,
                tuple(start + j for j in node.inputs),
                node.attrs,
                node.aval,
                value=found.get(k) if node.op is INPUT else node.value,
                label=node.label,
                origin=node.origin,
                composite=node.composite,
                inner=node.inner,
            )
            sheet.nodes.append(moved)
            sheet.values.append(node.value if node.op is CONSTANT else found.get(k))
            sheet.axes.enter(start + k, node.shape)
            sheet.axes.link(start + k, moved, sheet.nodes)
        for k, (symbol, _), probe in zip(graph.inputs, given, probes, strict=True):
            if symbol is None:
                continue
            sheet.at[start + k] = symbol
            self.probe[symbol.number] = probe
            for axis in range(len(symbol.shape)):
                sheet.axes.unite(symbol.key, axis, start + k, axis)
        before = len(sheet.symbols)
        names = {**GREEK, "b1": "β₁", "b2": "β₂", "rate": "η", "l2": "λ", "rho": "ρ"}
        Hints(sheet, {s.base for s in sheet.symbols}, sheet.nodes[start:], start, names).read()
        self.constants += [s for s in sheet.symbols[before:] if s.role == "constant"]

    def _probed(self, symbol: Symbol | None, value: Any, rng: Any) -> Any:
        if symbol is not None and symbol is self.step:
            return np.float64(_PROBE)
        if symbol is not None and symbol.role == "memory" and np.asarray(value).dtype.kind == "f":
            return np.asarray(rng.uniform(0.1, 1.0, np.shape(value)), np.asarray(value).dtype)
        return value

    # ---- the lines
    def _write(self, graph: Graph) -> None:
        start, sheet = self.start, self.sheet
        spread = _spread(graph)
        thetas = [start + k for k in self.outputs[: len(self.thetas)]]
        kept = list(zip(self.outputs[len(self.thetas) :], self._memories(), strict=True))
        if self.scheduled:
            self._named(start + graph.outputs[-1], graph.nodes[graph.outputs[-1]], "η")
        rank = {n: (i, 0) for i, n in enumerate(s.number for s in self.thetas)}
        for k, node in enumerate(graph.nodes):
            if node.op.kind is Kind.SOURCE or start + k in sheet.at or k in self.outputs:
                continue
            named = node.name is not None and (k in spread if node.aval.size == 1 else not _ours(node))
            if opaque(node) or named:
                self._named(start + k, node)
        lines: list[tuple[Any, Line]] = []
        shared = list(self.lines)
        self.lines = []
        done: set[int] = set()
        for k, symbol in kept:
            owner = rank.get(self.owner.get(symbol.number, -1), (len(rank), 0))
            if start + k in sheet.at or k in done:
                continue  # handed on as it is
            done.add(k)
            lines += [(owner, line) for line in self._assigned(start + k, symbol)]
        for n, (k, theta) in enumerate(zip(thetas, self.thetas, strict=True)):
            if k not in sheet.at:
                lines += [((n, 1), line) for line in self._assigned(k, theta)]
        self.lines = shared + [line for _, line in sorted(lines, key=lambda item: item[0])]
        for line in self.lines:
            if line.symbol.number not in self.after:
                self.after[line.symbol.number] = self._probe_value(line)

    def _memories(self) -> list[Symbol]:
        """The symbol that each entry of the new state replaces: states keep their structure."""
        found = [s for s in self.sheet.symbols if s.role == "memory"]
        if len(found) != len(self.outputs) - len(self.thetas):
            raise TypeError(
                f"{self.name} returns a state of {len(self.outputs) - len(self.thetas)} arrays "
                f"and was given {len(found)}: a state keeps its structure"
            )
        return found

    def _named(self, position: int, node: GraphNode, name: str = "") -> None:
        """A step on the way that the code has a name for."""
        name = name or node.name or "c"
        base = self._unused({"gradient": "g"}.get(name, GREEK.get(name, name)), None)
        symbol = self.sheet.symbol_at(position, "constant" if name == "η" else "step", base=base)
        del self.sheet.at[position]
        self.lines.append(self._line(position, symbol, "="))
        self.sheet.at[position] = symbol
        self.after[symbol.number] = self.probed[position - self.start]

    def _assigned(self, position: int, symbol: Symbol) -> list[Line]:
        """``symbol ← …``, after the bias-corrected memories that it reads."""
        sheet = self.sheet
        after = sheet.symbol_at(position, "after", base=symbol.base, label=symbol.label)
        del sheet.at[position]
        made = self._line(position, after, "←")
        sheet.at[position] = after
        self.owner[after.number] = self.owner.get(symbol.number, symbol.number)
        self.after[after.number] = self.probed[position - self.start]
        assert made.expr is not None
        hats: list[Line] = []
        made.expr = rewrite(_balanced(made.expr), lambda e: self._hatted(e, made, hats))
        made.before = symbol
        return [*sorted(hats, key=lambda line: line.symbol.of or 0), made]

    def _line(self, position: int, symbol: Symbol, arrow: str) -> Line:
        sheet = self.sheet
        node = sheet.node(position)
        line = Line(symbol, (), None, "update", where=node.where, position=position, arrow=arrow)
        if opaque(node):
            from .build import call_arguments

            line.call = (node.op.name, call_arguments(sheet, node), node.attrs)
            return line
        line.indices = sheet.indices(symbol)
        line.expr = sheet.define(position, line.indices)
        return line

    def _hatted(self, e: Expr, into: Line, hats: list[Line]) -> Expr:
        """m / (1 − β₁ᵗ) → m̂, in a line of its own."""
        if e.kind != "*":
            return e
        parts = factors_of(e)
        memory = [b for b, p in parts if p == 1 and b.kind == "r" and self.sheet.symbols[b.data].role == "after"]
        symbols = self.sheet.symbols
        below = [
            b for b, p in parts if p == -1 and b.kind == "+" and all(symbols[n].role == "constant" for n in b.refs)
        ]
        if len(memory) != 1 or len(below) != 1:
            return e
        m = symbols[memory[0].data]
        base, _, rest = m.base.partition("_") if m.base in self.kept else (m.base, "", "")
        known = next((x for x in hats if x.symbol.of == m.number), None)
        if known is None:
            hat = self.sheet.new(m.key, m.shape, None, "step", base=f"{base}\u0302" + (f"_{rest}" if rest else ""))
            hat.label, hat.of = m.label, m.number
            if rest:
                self.kept[hat.base] = f"{base}\u0302"
            self.owner[hat.number] = self.owner[m.number]
            indices = self.sheet.indices(m)
            right = mul(self.sheet.ref(m, indices), (below[0], -1))
            free = tuple(i for i in indices if i.kind == "v")
            hat.value = np.reshape(evaluate(self.sheet, right, free), m.shape)
            known = Line(hat, indices, right, "update", where=into.where, position=into.position)
            hats.append(known)
        hat = known.symbol
        used = (memory[0], below[0])
        rest_of = [(b, p) for b, p in parts if b not in used]
        return mul(num(e.data[0]), *rest_of, ref(hat.number, memory[0].parts))

    def _probe_value(self, line: Line) -> Any:
        """What a step on the way is at the probe, from the values of the lines before."""
        assert line.expr is not None
        symbols = self.sheet.symbols
        values = {**self.probe, **self.after}
        kept = {n: symbols[n].value for n in line.expr.refs if n in values}
        try:
            for n in kept:
                symbols[n].value = values[n]
            free = tuple(i for i in line.indices if i.kind == "v")
            return np.reshape(evaluate(self.sheet, line.expr, free), line.shape)
        finally:
            for n, value in kept.items():
                symbols[n].value = value

    @property
    def legend(self) -> list[tuple[str, float]]:
        """The numbers that the lines name: η, β₁, t."""
        used = {n for line in self.lines for n in line.reads}
        found = [(s.name, float(s.value)) for s in self.constants if s.number in used and np.ndim(s.value) == 0]
        order = {"η": 0, self.step.name: 2}
        return sorted(found, key=lambda item: (order.get(item[0], 1), item[0]))


def _name_of(rule: Optimizer) -> str:
    inner = rule.hyperparameters.get("optimizer")
    return rule.name if inner is None else f"{_name_of(inner)} with {rule.name}"


def _with_rate(rule: Optimizer, rate: Any) -> Optimizer:
    """The same rule with a learning rate that is traced."""
    from backpass.descent.clipping import clip

    settings = dict(rule.hyperparameters)
    if "optimizer" in settings:
        return clip(_with_rate(settings.pop("optimizer"), rate), **settings)
    return OPTIMIZERS[rule.name](**{**settings, "learning_rate": rate})


def _spread(graph: Graph) -> set[int]:
    """Lines that come from a reduction: one number for all θ, such as the norm of the gradient."""
    found: set[int] = set()
    for k, node in enumerate(graph.nodes):
        if node.op.name in ("sum", "max", "norm", "logsumexp") or any(i in found for i in node.inputs):
            found.add(k)
    return found


def _ours(node: GraphNode) -> bool:
    where = node.where
    return where is not None and where.file.replace("\\", "/").rsplit("/", 2)[-2:-1] == ["descent"]


def _balanced(e: Expr) -> Expr:
    """√k · m / (√v + √k · ε) → m / (√(v/k) + ε): what stands above and below is divided out."""

    def at(x: Expr) -> Expr:
        if x.kind != "*":
            return x
        parts = factors_of(x)
        roots = [b for b, p in parts if p == 1 and b.kind == "f" and b.data == "√" and not b.free]
        sums = [b for b, p in parts if p == -1 and b.kind == "+"]
        for root in roots:
            for b in sums:
                terms = terms_of(b)
                if any(root in dict(factors_of(t)) for _, t in terms):
                    new = add(*[mul(num(c), _under(t, root)) for c, t in terms])
                    rest = [(y, p) for y, p in parts if y is not root and y is not b]
                    return mul(num(x.data[0]), *rest, (new, -1))
        return x

    return rewrite(e, at)


def _under(t: Expr, root: Expr) -> Expr:
    """t / √k, as one root where t is one."""
    if t is root:
        return ONE
    if t.kind == "f" and t.data == "√":
        return fn("√", mul(t.parts[0], (root.parts[0], -1)))
    return mul(t, (root, -1))


__all__ = ["Update"]
