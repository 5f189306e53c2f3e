"""Names: which lines of a graph become equations, and what each is called.

A line gets a name of its own when the user gave it one, when it is an argument, a pre-activation or its activation,
when it is read more than once, or when what hangs below it without a name has grown long. All else is written in place.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass, field

from backpass.graph.program import Graph, GraphNode

from .constants import GREEK, expression_at
from .pull import stable_sigmoid
from .sheet import Sheet, Symbol

ACTIVATIONS = frozenset(("tanh", "expit", "maximum", "where", "erf", "sin", "cos", "exp"))


@dataclass
class Wanted:
    """A line that will be a symbol: its name before repeats are told apart."""

    position: int
    base: str
    place: object
    """Where in the source: repeats of one place are instances of a loop."""
    role: str = "value"
    auto: bool = False
    label: int | None = None
    group: str = ""
    suffix: str = ""
    """What tells this pre-activation's δ from those of other places: δ_u."""
    of: int | None = None
    """For an unnamed activation, the line of its pre-activation."""


@dataclass
class Roles:
    """What naming found out about the graph."""

    pre: list[int] = field(default_factory=list)
    delta: set[int] = field(default_factory=set)
    activation: dict[int, int] = field(default_factory=dict)
    """Pre-activation → its activation."""
    readers: dict[int, list[int]] = field(default_factory=dict)


def _result_of(node: GraphNode, composite: str) -> bool:
    return node.composite is not None and node.composite[0] == composite and not node.inner


def effective_inputs(graph: Graph, k: int) -> tuple[int, ...]:
    """The lines that an equation of line k reads; a softmax reads its argument, not its parts."""
    node = graph.nodes[k]
    if node.composite is not None and node.composite[0] == "softmax" and not node.inner and node.op.name == "divide":
        exp, below = (graph.nodes[i] for i in node.inputs)
        if exp.op.name == "exp" and below.op.name == "sum":
            return (graph.nodes[exp.inputs[0]].inputs[0],)
    if node.op.name == "divide" and (found := stable_sigmoid(graph.nodes, k)) is not None:
        return (found,)
    if _result_of(node, "log_softmax") and node.op.name == "subtract":
        shifted, below = (graph.nodes[i] for i in node.inputs)
        if shifted.op.name == "subtract" and below.op.name == "logsumexp":
            return (shifted.inputs[0],)
    return node.inputs


def read_roles(graph: Graph, thetas: set[int]) -> Roles:
    roles = Roles()
    readers: dict[int, list[int]] = defaultdict(list)
    live = {*graph.outputs[:1]}
    for k in range(len(graph.nodes) - 1, -1, -1):
        if k in live:
            for i in effective_inputs(graph, k):
                readers[i].append(k)
                live.add(i)
    roles.readers = {k: sorted(v) for k, v in readers.items()}
    affine: set[int] = set()
    for k, node in enumerate(graph.nodes):
        if k not in live:
            continue
        if node.op.name in ("matmul", "einsum"):
            if any(_is_theta(graph, i, thetas) for i in node.inputs):
                affine.add(k)
        elif node.op.name == "add" and any(i in affine for i in node.inputs):
            affine.add(k)
    output = graph.outputs[0]
    roles.pre = [k for k in sorted(affine) if k != output and not any(r in affine for r in roles.readers.get(k, ()))]
    for k in roles.pre:
        found = _activation(graph, k, roles)
        if found is not None:
            roles.activation[k] = found
    roles.delta = set(roles.activation)
    if roles.activation and len(roles.activation) >= len(roles.pre) - 1:
        roles.delta = set(roles.pre)
    return roles


def _is_theta(graph: Graph, k: int, thetas: set[int]) -> bool:
    while graph.nodes[k].op.name in ("transpose", "reshape", "cast", "slice"):
        k = graph.nodes[k].inputs[0]
    return k in thetas


def _activation(graph: Graph, k: int, roles: Roles) -> int | None:
    for r in roles.readers.get(k, ()):
        name = graph.nodes[r].op.name
        if name == "divide" and stable_sigmoid(graph.nodes, r) == k:
            return r
        if name in ACTIVATIONS and not (name == "exp" and graph.nodes[r].composite):
            return r
        if name == "negative":  # 1/(1 + exp(−z))
            at = r
            for step in ("exp", "add", "divide"):
                follow = [q for q in roles.readers.get(at, ()) if graph.nodes[q].op.name in (step, "reciprocal")]
                if len(roles.readers.get(at, ())) != 1 or not follow:
                    break
                at = follow[0]
            else:
                return at
    return None


def assign(sheet: Sheet, wanted: list[Wanted], roles: Roles) -> None:
    """Make the symbols: instances of one place get labels, other repeats primes, and every name is unique."""
    by_base: dict[str, list[Wanted]] = defaultdict(list)
    for w in wanted:
        by_base[w.base].append(w)
    bases = set(by_base)
    done: dict[int, tuple[str, int | None]] = {}
    for base, members in list(by_base.items()):
        _leaves(base, [w for w in members if w.place == "argument"], members, done)
        places: dict[object, list[Wanted]] = defaultdict(list)
        for w in members:
            if w.place != "argument":
                places[w.place].append(w)
        _suffixes(list(places.values()), roles, {w.position: w for w in wanted})
        _values(base, list(places.values()), roles, bases, done)
    zero = _loop_starts(sheet, wanted, done)
    taken: set[tuple[str, int | None]] = set()
    for w in wanted:
        base, label = done[w.position]
        if w.of is not None and label is None:
            label = done[w.of][1]
        while (base, label) in taken:
            base += "′"
        taken.add((base, label))
        symbol = sheet.symbol_at(w.position, w.role, base=base, label=label, auto=w.auto)
        symbol.suffix = w.suffix
        if w.position in zero:
            symbol.loops = base
            symbol.base, symbol.label = zero[w.position], 0


def _leaves(base: str, leaves: list[Wanted], members: list[Wanted], done: dict[int, tuple[str, int | None]]) -> None:
    if not leaves:
        return
    groups: dict[str, list[Wanted]] = defaultdict(list)
    for w in leaves:
        groups[w.group].append(w)
    largest = max(groups, key=lambda g: len(groups[g]))
    for group, own in groups.items():
        name = base if group == largest or not group else f"{base}_{group.rsplit('.', 1)[-1]}"
        labels = [w.label for w in own]
        numbered = len(own) > 1
        distinct = len(set(labels)) == len(own) and None not in labels
        for n, w in enumerate(own):
            done[w.position] = (name, (w.label if distinct else n + 1) if numbered else None)


def _suffixes(places: list[list[Wanted]], roles: Roles, at: dict[int, Wanted]) -> None:
    """Unnamed pre-activations from several places of one loop are told apart by what they are activated into."""
    mine = [g for g in places if all(w.auto and w.position in roles.delta for w in g)]
    if len(mine) > 1 and max(map(len, mine)) > 1:
        for group in mine:
            for w in group:
                a = roles.activation.get(w.position)
                w.suffix = "_" + (at[a].base if a is not None and a in at else str(mine.index(group) + 1))


def _values(
    base: str,
    places: list[list[Wanted]],
    roles: Roles,
    bases: set[str],
    done: dict[int, tuple[str, int | None]],
) -> None:
    if len(places) > 4 and not any(group[0].suffix for group in places):
        # So many places give one name that primes would not tell them apart: they are numbered as they come.
        for n, w in enumerate(sorted((w for group in places for w in group), key=lambda w: w.position)):
            done[w.position] = (GREEK.get(base, base), n + 1)
        return
    all_pre = [all(w.position in roles.pre for w in group) for group in places]
    primes = 0
    for n, group in enumerate(places):
        name = GREEK.get(base, base)
        if group[0].suffix and len({g[0].suffix for g in places}) == len(places):
            name += group[0].suffix
        elif len(places) > 1 and max(map(len, places)) == 1 and group[0].auto and group[0].position in roles.delta:
            done[group[0].position] = (name, n + 1)
            continue
        if len(places) > 1 and all_pre[n] and not all(all_pre) and not group[0].auto:
            name = next(c for c in ("z", "o", "s", "v", "pre", f"{base}_pre") if c not in bases)
            bases.add(name)
        elif primes and not group[0].suffix:
            name += "′" * primes
            primes += 1
        else:
            primes += 1
        for m, w in enumerate(group):
            done[w.position] = (name, m + 1 if len(group) > 1 else None)


def _loop_starts(sheet: Sheet, wanted: list[Wanted], done: dict[int, tuple[str, int | None]]) -> dict[int, str]:
    """``h = x`` before a loop that assigns h: the argument x is h⁽⁰⁾."""
    first: dict[tuple[str, int | None], Wanted] = {done[w.position]: w for w in wanted}
    out: dict[int, str] = {}
    for w in wanted:
        if w.role != "data" or w.place != "argument":
            continue
        name = _assigned_from(sheet, w)
        bases = {done[v.position][0] for v in wanted if v.base == name and v.place != "argument"}
        bases = {b for b in bases if (b, 1) in first and (b, 2) in first}
        # What the loop assigns last is what its next turn reads.
        for base in sorted(bases, key=lambda b: (b.rstrip("′") != name, -first[b, 1].position)):
            if (base, 0) not in first:
                out[w.position] = base
                break
    return out


def _assigned_from(sheet: Sheet, w: Wanted) -> str | None:
    """The variable that an argument is called by where it is first read, when that is another than its own."""
    graph = sheet.graph
    for k, node in enumerate(graph.nodes):
        if w.position in node.inputs:
            e = expression_at(node.where)
            operands = (
                [e.left, e.right] if isinstance(e, ast.BinOp) else list(e.args) if isinstance(e, ast.Call) else []
            )
            for i, operand in zip(node.inputs, operands, strict=False):
                if i == w.position and isinstance(operand, ast.Name):
                    return operand.id
            if k:
                return None
    return None


__all__ = ["Roles", "Symbol", "Wanted", "assign", "effective_inputs", "read_roles"]
