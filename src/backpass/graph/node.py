"""`GraphNode`: one line of a graph, and what JSON holds of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .aval import Aval
from .encode import GraphError, decode, decode_array, decode_aval, encode, encode_array, encode_aval, whole
from .op import Kind, Op, find
from .origin import Origin, Where
from .traced import CONSTANT


@dataclass(frozen=True, slots=True, eq=False)
class GraphNode:
    """One line of a graph: ``op(*inputs, **attrs)`` with the type `aval`; inputs are positions of earlier lines."""

    op: Op
    inputs: tuple[int, ...]
    attrs: dict[str, Any]
    aval: Aval
    value: Any = None
    """A constant's value."""
    label: str | None = None
    """An argument's pytree path (``theta.W1``), or a name read from a file."""
    origin: Origin | None = field(default=None, repr=False)
    place: Where | None = None
    """Where it stands in the source, when read from a file; see `where`."""
    composite: tuple[str, int] | None = None
    """The composite that this is a part of, and which call of it."""
    adjoint: tuple[str, int] | None = None
    """("backward" or "forward", the line whose derivative this step carries)."""
    symbols: Mapping[int, str] | None = None
    """How the source writes its constant operands, when read from a file; see `Graph.symbol`."""
    inner: bool = False
    """A part of a composite that is not its result: the user's name belongs to the result alone."""

    @property
    def shape(self) -> tuple[int, ...]:
        return self.aval.shape

    @property
    def dtype(self) -> np.dtype:
        return self.aval.dtype

    @property
    def bodies(self) -> tuple[Any, ...]:
        """The graphs that a control operation holds, in the order of its attributes."""
        if self.op.kind is not Kind.CONTROL:
            return ()
        held = [v for value in self.attrs.values() for v in (value if isinstance(value, tuple) else (value,))]
        return tuple([v for v in held if hasattr(v, "nodes")])

    @property
    def name(self) -> str | None:
        """The user's name: the argument's path, or the variable that the value was assigned to."""
        if (
            self.label is not None
            or self.origin is None
            or self.adjoint is not None
            or self.inner
            or self.op is CONSTANT
        ):
            return self.label
        return self.origin.name

    @property
    def where(self) -> Where | None:
        """The user's file, line and columns."""
        if self.place is not None or self.origin is None:
            return self.place
        return self.origin.where

    @property
    def scope(self) -> tuple[Where, ...]:
        """The calls that led to it, outermost first."""
        if self.origin is not None:
            return self.origin.scope
        return (self.place,) if self.place is not None else ()


def node_to_dict(node: GraphNode, files: dict[str, int], symbols: dict[str, str]) -> dict[str, Any]:
    out: dict[str, Any] = {"op": node.op.name, **encode_aval(node.aval)}
    if node.inputs:
        out["in"] = list(node.inputs)
    if node.attrs:
        out["attrs"] = {key: encode(value) for key, value in node.attrs.items()}
    if node.op is CONSTANT:
        out["value"] = encode_array(node.value)
    if node.name is not None:
        out["name"] = node.name
    where = node.where
    if where is not None:
        out["where"] = [files.setdefault(where.file, len(files)), *where[1:]]
    if symbols:
        out["symbols"] = symbols
    if node.composite:
        out["composite"] = list(node.composite)
    if node.adjoint:
        out["adjoint"] = list(node.adjoint)
    return out


def node_from_dict(item: dict[str, Any], files: list[str]) -> GraphNode:
    name = item["op"]
    op = find(name)
    if op is None:
        raise GraphError(f"the graph uses an operation that this Backpass does not know: {name!r}")
    where = item.get("where")
    place = None
    if where is not None:
        end_line, column, end_column = [None if w is None else whole(w) for w in where[2:5]]
        place = Where(files[whole(where[0])], whole(where[1]), end_line, column, end_column, str(where[5]))
    composite, adjoint = item.get("composite"), item.get("adjoint")
    if adjoint is not None and adjoint[0] not in ("backward", "forward"):
        raise GraphError(f"not a direction of the chain rule: {adjoint[0]!r:.40}")
    return GraphNode(
        op=op,
        inputs=tuple(map(whole, item.get("in", ()))),
        attrs={str(key): decode(value) for key, value in item.get("attrs", {}).items()},
        aval=decode_aval(item),
        value=decode_array(item["value"]) if op is CONSTANT else None,
        label=str(item["name"]) if "name" in item else None,
        place=place,
        symbols={int(a): str(text) for a, text in item.get("symbols", {}).items()},
        composite=(str(composite[0]), whole(composite[1])) if composite is not None else None,
        adjoint=(str(adjoint[0]), whole(adjoint[1])) if adjoint is not None else None,
    )
