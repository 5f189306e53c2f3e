"""Operations without an index equation (solve, cholesky, cumprod): their adjoint rule is traced and read in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.chain.rules import differentiable_in, fitted, pulled
from backpass.graph.aval import Aval
from backpass.graph.interpreter import run
from backpass.graph.op import Kind
from backpass.graph.program import Graph, GraphNode
from backpass.graph.staging import trace
from backpass.graph.traced import CONSTANT, INPUT
from backpass.partials.declare import conjugated

from .complexes import conj, part
from .differentiate import Backward
from .expr import ZERO, substitute
from .line import Line
from .pull import opaque
from .sheet import Symbol

if TYPE_CHECKING:
    from .build import Builder


def opaque_backward(builder: Builder, s: Symbol, g: Symbol, back: Backward, active: set[int]) -> None:
    """Send ∂L/∂s through the operation that made s."""
    from .build import call_arguments

    sheet = builder.sheet
    assert s.position is not None
    node = sheet.node(s.position)
    arguments = call_arguments(sheet, node)
    for i, (symbol, turned, shape) in enumerate(arguments):
        if symbol.number not in active or not differentiable_in(node.op, i):
            continue
        at = _splice(builder, node, i, [g, s, *[sheet.at.get(j) for j in node.inputs]], list(node.inputs))
        idx = back.targets[symbol.number]
        if turned:
            idx = (*idx[:-2], idx[-1], idx[-2])
        elif shape != symbol.shape:
            long = iter([j for j, n in zip(idx, symbol.shape, strict=True) if n != 1])
            idx = tuple(next(long) if n != 1 else ZERO for n in shape)
        sent = conj(sheet.pull(at, idx))
        back.receive(symbol.number, part("Re", sent) if sheet.node(node.inputs[i]).dtype.kind != "c" else sent)


def _splice(builder: Builder, node: GraphNode, i: int, symbols: list[Any], inputs: list[int]) -> int:
    """Append the traced adjoint rule to the sheet's lines; its arguments are the symbols that are there already.

    From ∂L/∂ of the result to that of the argument: both are conjugates of what the rule itself deals in.
    """
    sheet = builder.sheet
    op, attrs = node.op, node.attrs
    avals = [Aval(node.shape, node.dtype), Aval(node.shape, node.dtype)]
    avals += [Aval(sheet.node(j).shape, sheet.node(j).dtype) for j in inputs]
    own = avals[2 + i]

    def adjoint(g: Any, out: Any, *args: Any) -> Any:
        return conjugated(fitted(pulled(op, i, conjugated(g), out, args, attrs), own.shape, own.dtype))

    graph = trace(adjoint, *avals)
    start = len(sheet.nodes)
    given = dict(zip(graph.inputs, [*symbols], strict=True))
    values: list[Any] = []
    arrays = [symbols[0].value, symbols[1].value, *[sheet.values[j] for j in inputs]]

    def observe(k: int, n: GraphNode, a: list[Any], value: Any) -> None:
        found[k] = value

    found: dict[int, Any] = dict(zip(graph.inputs, arrays, strict=True))
    run(graph, [np.asarray(a) for a in arrays], observe)
    for k, line in enumerate(graph.nodes):
        values.append(line.value if line.op is CONSTANT else found.get(k))
    for k, line in enumerate(graph.nodes):
        position = start + k
        moved = GraphNode(
            line.op, tuple(start + j for j in line.inputs), line.attrs, line.aval, value=line.value, place=node.where
        )
        sheet.nodes.append(moved)
        sheet.values.append(values[k])
        sheet.axes.enter(position, line.shape)
        sheet.axes.link(position, moved, sheet.nodes)
        if line.op is INPUT:
            symbol = given[k]
            if symbol is None:  # a transposed or constant argument: read it through its own line
                position_of = inputs[graph.inputs.index(k) - 2]
                sheet.nodes[position] = _as_alias(sheet.node(position_of), position_of)
                symbol = None
            else:
                sheet.at[position] = symbol
            key = symbol.key if symbol is not None else inputs[graph.inputs.index(k) - 2]
            for axis in range(len(line.shape)):
                sheet.axes.unite(key, axis, position, axis)
    named = _long_parts(graph)
    for k, line in enumerate(graph.nodes):
        if line.op.kind is Kind.SOURCE or start + k in sheet.at:
            continue
        if opaque(line):
            _step(builder, start + k)
        elif k in named:
            _named(builder, start + k, node)
    return start + graph.outputs[0]


LONGEST = 7
"""How many operations of an adjoint rule may be written into one equation; what is longer gets a name on the way."""
_SILENT = ("transpose", "slice", "reshape", "broadcast_to", "negative", "cast", "alias", "concatenate", "unslice")


def _long_parts(graph: Graph) -> set[int]:
    """Lines of an adjoint rule that become equations of their own: products read twice, and where text grows long."""
    count = [0] * len(graph.nodes)
    for node in graph.nodes:
        for i in node.inputs:
            count[i] += 1
    length = [0] * len(graph.nodes)
    found: set[int] = set()
    for k, node in enumerate(graph.nodes):
        if node.op.kind is Kind.SOURCE or opaque(node):
            continue
        inner = sum(length[i] for i in node.inputs)
        length[k] = inner + (node.op.name not in _SILENT)
        big = node.aval.size > 1 and k not in graph.outputs and node.op.name not in _SILENT
        if big and (length[k] > LONGEST or (node.op.name == "matmul" and (count[k] > 1 or inner > 2))):
            found.add(k)
            length[k] = 0
    return found


def _named(builder: Builder, position: int, origin: GraphNode) -> None:
    """An equation of its own for a part of an adjoint rule."""
    sheet = builder.sheet
    idx = tuple(sheet.index(position, axis) for axis in range(len(sheet.node(position).shape)))
    e = builder.definitions.fold(sheet.define(position, idx))
    for line in builder.backward:
        if line.symbol.role == "step" and line.expr is not None and line.shape == sheet.node(position).shape:
            by = dict(zip(idx, line.indices, strict=True))
            if substitute(e, {a: b for a, b in by.items() if a.kind == "v"}) is line.expr:
                sheet.at[position] = line.symbol
                return
    symbol = sheet.symbol_at(position, "step", base=_free(builder), auto=True)
    line = Line(symbol, idx, e, "backward", where=origin.where)
    builder.backward.append(line)
    builder.line_of[symbol.number] = line


def _free(builder: Builder) -> str:
    return builder.free(*[f"u{n}" for n in range(1, 999)])


def _as_alias(node: GraphNode, position: int) -> GraphNode:
    from backpass.graph.traced import ALIAS

    return GraphNode(ALIAS, (position,), {}, node.aval)


def _step(builder: Builder, position: int) -> None:
    """A line of its own for an operation without an index equation inside an adjoint."""
    from .build import call_arguments

    sheet = builder.sheet
    node = sheet.node(position)
    for j in node.inputs:
        source = sheet.node(j)
        named = j in sheet.at or source.op is CONSTANT
        if not named and not (source.op.name == "transpose" and source.inputs[0] in sheet.at):
            symbol = sheet.symbol_at(j, "step", base=_free(builder), auto=True)
            line = Line(symbol, sheet.indices(symbol), None, "backward", where=node.where)
            line.expr = sheet.define(j, line.indices)
            builder.backward.append(line)
            builder.line_of[symbol.number] = line
    call = (node.op.name, call_arguments(sheet, node), node.attrs)
    for known in builder.backward:
        if known.call == call:
            sheet.at[position] = known.symbol
            return
    symbol = sheet.symbol_at(position, "step", base=_free(builder), auto=True)
    line = Line(symbol, (), None, "backward", where=node.where, call=call)
    builder.backward.append(line)
    builder.line_of[symbol.number] = line


__all__ = ["opaque_backward"]
