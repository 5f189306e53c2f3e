"""Which lines of a graph become symbols: everything else is written in place."""

from __future__ import annotations

import ast
import re

from backpass.graph.op import Kind
from backpass.graph.program import Graph, GraphNode
from backpass.graph.traced import CONSTANT, INPUT

from .constants import GREEK, expression_at
from .naming import Roles, Wanted, effective_inputs
from .pull import opaque

_TRIVIAL = frozenset(
    ("negative", "transpose", "slice", "broadcast_to", "reshape", "cast", "alias", "stop_gradient", "gather")
    + ("greater", "less", "equal", "greater_equal", "less_equal", "not_equal", "sign")
)
_AUTO = {
    "exp": "e", "sum": "s", "max": "m", "matmul": "z", "add": "u", "subtract": "d", "sqrt": "r", "log": "ℓ",
    "expit": "g", "tanh": "h", "divide": "q", "multiply": "u", "maximum": "h", "einsum": "c", "square": "q",
    "cholesky": "C", "solve": "X", "inv": "V", "concatenate": "c", "where": "w", "gather": "g",
}  # fmt: skip
LONGEST = 30
"""How many lines may be written into one equation."""
GENERIC = frozenset(("theta", "params", "parameters", "weights", "p", "self"))


def choose(graph: Graph, thetas: set[int], roles: Roles, hidden: set[int]) -> list[Wanted]:
    """The lines that become symbols, in order, with their names before repeats are told apart."""
    output = graph.outputs[0]
    wanted: dict[int, Wanted] = {}
    for k in graph.inputs:
        if k in roles.readers or k in thetas:
            wanted[k] = _leaf(graph, k, thetas, roles)
    user = {w.base for w in wanted.values()}
    user |= {n.name for n in graph.nodes if n.name and n.op is not INPUT}
    live = set(roles.readers) | {output}
    length: dict[int, int] = {}
    inner = _inner_steps(graph)
    for k, node in enumerate(graph.nodes):
        if k not in live or node.op is INPUT or node.op is CONSTANT or k in hidden:
            continue
        inputs = effective_inputs(graph, k)
        length[k] = 1 + sum(0 if i in wanted else length.get(i, 0) for i in inputs)
        if k == output:
            wanted[k] = Wanted(k, "L", None)
        elif node.name and node.name != "_" and k not in inner:
            wanted[k] = Wanted(k, node.name, node.where)
        elif opaque(node):
            wanted[k] = Wanted(k, _AUTO.get(node.op.name, "c"), node.where, auto=True)
        elif _spread_again(graph, k, node, roles):
            wanted[k] = Wanted(k, _reduction_name(node), node.where, auto=True)
        elif node.op.name in ("fft", "rfft"):
            wanted[k] = Wanted(k, "F", node.where, auto=True)
        elif _shared(graph, k, node, inputs, wanted, roles) or length[k] > LONGEST:
            wanted[k] = Wanted(k, _AUTO.get(node.op.name, "u"), node.where, auto=True)
        if softmax_like(node) and len(inputs) == 1 and inputs[0] not in wanted:
            source = graph.nodes[inputs[0]]
            if source.op is not CONSTANT and source.op.name not in _TRIVIAL:
                wanted[inputs[0]] = Wanted(inputs[0], "S", source.where, auto=True)
        if opaque(node):
            for i in inputs:
                source = graph.nodes[i]
                if i not in wanted and source.op is not CONSTANT and not _same_entries(graph, i, wanted):
                    wanted[i] = Wanted(i, source.name or _AUTO.get(source.op.name, "c"), source.where, auto=True)
        if opaque(node) and wanted[k].auto:
            readers = roles.readers.get(k, ())
            if len(readers) == 1 and graph.nodes[readers[0]].aval.size == node.aval.size:
                only = graph.nodes[readers[0]]
                if only.name and only.op.name in ("slice", "reshape"):
                    wanted[k] = Wanted(k, only.name, only.where)
                    inner.add(readers[0])
    _pre_activations(graph, roles, wanted, user)
    return [wanted[k] for k in sorted(wanted)]


def softmax_like(node: GraphNode) -> bool:
    """Is it the result of a softmax? What it is taken of has a name: the adjoint of a softmax is written by it."""
    return node.op.name == "divide" and node.composite is not None and node.composite[0] == "softmax" and not node.inner


def _same_entries(graph: Graph, i: int, wanted: dict[int, Wanted]) -> bool:
    """A named array with axes of length 1 added: a call takes the array itself."""
    node = graph.nodes[i]
    if node.op.name not in ("reshape", "slice") or node.inputs[0] not in wanted:
        return False
    source = graph.nodes[node.inputs[0]]
    return [n for n in source.shape if n != 1] == [n for n in node.shape if n != 1]


def _inner_steps(graph: Graph) -> set[int]:
    """Lines that one call of a NumPy function made on the way to its result: the user's name belongs to the last.

    Lines of one place in the source that repeat a pattern of operations are turns of a loop instead.
    """
    inner: set[int] = set()
    run: list[int] = []

    def close() -> None:
        ops = [graph.nodes[k].op.name for k in run]
        period = next(p for p in range(1, len(ops) + 1) if len(ops) % p == 0 and ops[:p] * (len(ops) // p) == ops)
        inner.update(k for n, k in enumerate(run) if (n + 1) % period)

    for k, node in enumerate(graph.nodes):
        if node.op.kind is Kind.SOURCE:
            continue
        if run and node.origin is not None and node.origin is graph.nodes[run[-1]].origin:
            run.append(k)
            continue
        if len(run) > 1:
            close()
        run = [k]
    if len(run) > 1:
        close()
    return inner


def _reduction_name(node: GraphNode) -> str:
    if node.composite is not None and node.composite[0] in ("var", "std") and not node.inner:
        return node.composite[0]
    return "μ" if node.op.name == "divide" else _AUTO.get(node.op.name, "r")


def _spread_again(graph: Graph, k: int, node: GraphNode, roles: Roles) -> bool:
    """A reduction that is broadcast back against something larger: written in place it would hide the line's shape."""
    if node.composite is not None and node.composite[0] in ("var", "std") and not node.inner:
        return node.aval.size > 1
    if (
        node.op.name == "divide"
        and node.composite is not None
        and node.composite[0] in ("mean", "var", "std", "average")
    ):
        if graph.nodes[node.inputs[0]].op.name != "sum":
            return False
    elif node.op.name not in ("sum", "max", "min", "prod", "norm", "logsumexp"):
        return False
    if node.aval.size == 1:
        return False
    at, seen = [k], 0
    while at and seen < 6:
        i = at.pop()
        seen += 1
        for r in roles.readers.get(i, ()):
            reader = graph.nodes[r]
            if (reader.composite is not None and reader.inner and reader.op.name == "divide") or (
                node.op.name == "sum"
                and reader.op.name == "divide"
                and reader.composite is not None
                and reader.composite[0] in ("mean", "var", "std", "average")
            ):
                continue
            if reader.op.kind is Kind.POINTWISE and reader.aval.size > node.aval.size:
                return True
            if reader.op.name == "broadcast_to" and reader.aval.size > node.aval.size:
                return True
            if reader.op.name in _TRIVIAL or (reader.op.kind is Kind.POINTWISE and not reader.name):
                at.append(r)
    return False


def _shared(
    graph: Graph, k: int, node: GraphNode, inputs: tuple[int, ...], wanted: dict[int, Wanted], roles: Roles
) -> bool:
    if len(roles.readers.get(k, ())) < 2 or node.op.name in _TRIVIAL:
        return False
    if node.op.kind is Kind.DISCRETE:
        return False
    small = node.op.name in ("add", "subtract", "multiply") or (
        node.op.kind is Kind.POINTWISE and len(inputs) == 1 and node.op.name == "square"
    )
    if small and all(i in wanted or graph.nodes[i].op is CONSTANT for i in inputs):
        distinct = {i for i in inputs if graph.nodes[i].op is not CONSTANT}
        return len(distinct) > (2 if node.op.name == "subtract" else 1)
    return True


def _pre_activations(graph: Graph, roles: Roles, wanted: dict[int, Wanted], user: set[str]) -> None:
    letter = next(c for c in ("z", "o", "s", "v", "pre") if c not in user)
    for k in roles.pre:
        if k in roles.delta and (k not in wanted or wanted[k].auto):
            wanted[k] = Wanted(k, letter, graph.nodes[k].where, auto=True)
    letter = next(c for c in ("a", "h", "act", "act_") if c not in user)
    for k, a in roles.activation.items():
        if k not in roles.delta or k not in wanted or a == graph.outputs[0]:
            continue
        if a not in wanted or wanted[a].auto:
            wanted[a] = Wanted(a, letter, graph.nodes[a].where, auto=True, of=k)


def _leaf(graph: Graph, k: int, thetas: set[int], roles: Roles) -> Wanted:
    node = graph.nodes[k]
    path = (node.label or f"x{k}").split(".")
    numbers = [int(p) + 1 for p in path[1:] if p.isdigit()]
    words = [p for p in path[1:] if not p.isdigit()]
    group = []
    for word in words[:-1]:
        found = re.fullmatch(r"(.*?)_?(\d+)", word)
        if found:
            numbers.append(int(found[2]))
            word = found[1]
        group.append(word)
    role = "theta" if k in thetas else "data"
    if words:
        base = words[-1]
    elif len(path) == 1 and (role == "data" or path[0] not in GENERIC):
        base = path[0]
    else:
        base = _operand_name(graph, k, roles) or {2: "W", 1: "b"}.get(len(node.shape), "θ")
    base = GREEK.get(base, base)
    label = numbers[0] if numbers else None
    return Wanted(k, base, "argument", role, label=label, group=".".join(group))


def _operand_name(graph: Graph, k: int, roles: Roles) -> str | None:
    """The variable that the source calls an argument by, at the first operation that reads it."""
    for r in roles.readers.get(k, ()):
        node = graph.nodes[r]
        e = expression_at(node.where)
        operands: list[ast.expr] = []
        if isinstance(e, ast.BinOp):
            operands = [e.left, e.right]
        elif isinstance(e, ast.Call) and len(e.args) == len(node.inputs):
            operands = list(e.args)
        for i, operand in zip(node.inputs, operands, strict=False):
            if isinstance(operand, ast.Attribute) and operand.attr == "T":
                operand = operand.value
            if i == k and isinstance(operand, ast.Name):
                return operand.id
    return None


__all__ = ["choose"]
