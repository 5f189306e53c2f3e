"""Operations without an index equation (solve, cholesky, cumprod): their adjoint rule is traced and read in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.chain.rules import differentiable_in, pulled
from backpass.graph.aval import Aval
from backpass.graph.interpreter import run
from backpass.graph.op import Kind
from backpass.graph.program import GraphNode
from backpass.graph.staging import trace
from backpass.graph.traced import CONSTANT, INPUT

from .differentiate import Backward
from .expr import ZERO
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
        back.receive(symbol.number, sheet.pull(at, idx))


def _splice(builder: Builder, node: GraphNode, i: int, symbols: list[Any], inputs: list[int]) -> int:
    """Append the traced adjoint rule to the sheet's lines; its arguments are the symbols that are there already."""
    sheet = builder.sheet
    op, attrs = node.op, node.attrs
    avals = [Aval(node.shape, node.dtype), Aval(node.shape, node.dtype)]
    avals += [Aval(sheet.node(j).shape, sheet.node(j).dtype) for j in inputs]
    graph = trace(lambda g, out, *args: pulled(op, i, g, out, args, attrs), *avals)
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
    for k, line in enumerate(graph.nodes):
        if opaque(line) and line.op.kind is not Kind.SOURCE:
            _step(builder, start + k, values[k])
    return start + graph.outputs[0]


def _as_alias(node: GraphNode, position: int) -> GraphNode:
    from backpass.graph.traced import ALIAS

    return GraphNode(ALIAS, (position,), {}, node.aval)


def _step(builder: Builder, position: int, value: Any) -> None:
    """A line of its own for an operation without an index equation inside an adjoint."""
    from .build import call_arguments

    sheet = builder.sheet
    node = sheet.node(position)
    for j in node.inputs:
        source = sheet.node(j)
        named = j in sheet.at or source.op is CONSTANT
        if not named and not (source.op.name == "transpose" and source.inputs[0] in sheet.at):
            symbol = sheet.symbol_at(j, "step", base=builder.free(*[f"u{n}" for n in range(1, 999)]), auto=True)
            line = Line(symbol, sheet.indices(symbol), None, "backward", where=node.where)
            line.expr = sheet.define(j, line.indices)
            builder.backward.append(line)
            builder.line_of[symbol.number] = line
    call = (node.op.name, call_arguments(sheet, node), node.attrs)
    for known in builder.backward:
        if known.call == call:
            sheet.at[position] = known.symbol
            return
    symbol = sheet.symbol_at(position, "step", base=builder.free(*[f"u{n}" for n in range(1, 999)]), auto=True)
    line = Line(symbol, (), None, "backward", where=node.where, call=call)
    builder.backward.append(line)
    builder.line_of[symbol.number] = line


__all__ = ["opaque_backward"]
