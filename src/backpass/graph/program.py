"""`Graph`: a function as a flat, typed, immutable program, one node a line, in an order in which it can run.

>>> import numpy as np, backpass as bp
>>> graph = bp.trace(lambda x: np.sum(np.tanh(x) * 2.0), np.zeros(3))
>>> [node.op.name for node in graph.nodes]
['input', 'tanh', 'constant', 'multiply', 'sum']
>>> graph(np.zeros(3))
np.float64(0.0)
>>> Graph.from_json(graph.to_json()) == graph
True
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .aval import aval_of
from .encode import GraphError, decode_fixed, decode_tree, encode_fixed, encode_tree, whole
from .errors import ShapeError
from .node import GraphNode, node_from_dict, node_to_dict
from .op import OPS, Kind
from .pytree import Tree, flatten
from .traced import CONSTANT, INPUT, Traced

FORMAT = "backpass-graph"
VERSION = 1


class Graph:
    """A checked program. `inputs` and `outputs` are positions in `nodes`; trees say how arguments and results nest.

    `fixed` holds the arguments that the trace held fixed (Python ints, strings, …), by their place among the leaves.
    """

    __slots__ = ("nodes", "inputs", "outputs", "in_tree", "out_tree", "name", "fixed", "_plan", "_symbols", "derived")

    def __init__(
        self,
        nodes: Iterable[GraphNode],
        inputs: tuple[int, ...],
        outputs: tuple[int, ...],
        in_tree: Tree,
        out_tree: Tree,
        name: str = "f",
        fixed: Mapping[int, Any] | None = None,
    ):
        self.nodes = tuple(nodes)
        self.inputs = inputs
        self.outputs = outputs
        self.in_tree = in_tree
        self.out_tree = out_tree
        self.name = name
        self.fixed = dict(fixed or {})
        self._plan: Any = None
        self._symbols: Any = None
        self.derived: dict[Any, Any] = {}  # graphs made of this one (its derivatives), by what they are
        self._check()

    def _check(self) -> None:
        """Refuse an ill-formed program: order, arity of the trees, and the type of every line."""
        leaves = self.in_tree.size - len(self.fixed)
        if len(self.inputs) != leaves or len(self.outputs) != self.out_tree.size:
            raise GraphError(
                f"graph {self.name}: the trees do not fit {len(self.inputs)} inputs and {len(self.outputs)} outputs"
            )
        if any(not 0 <= k < self.in_tree.size for k in self.fixed):
            raise GraphError(f"graph {self.name}: an argument held fixed has no place")
        for position in (*self.inputs, *self.outputs):
            if not 0 <= position < len(self.nodes):
                raise GraphError(f"graph {self.name}: there is no line {position}")
        arguments = set(self.inputs)
        if len(arguments) != len(self.inputs):
            raise GraphError(f"graph {self.name}: one line stands for two arguments")
        for position, node in enumerate(self.nodes):
            at = f"graph {self.name}, line {position}"
            if any(not 0 <= i < position for i in node.inputs):
                raise GraphError(f"{at}: {node.op.name} reads a line that does not come before it")
            if node.adjoint is not None and not 0 <= node.adjoint[1] < position:
                raise GraphError(f"{at}: {node.op.name} derives a line that does not come before it")
            if node.aval.weak and (node.shape or node.aval != aval_of(node.dtype.type(0).item())):
                raise GraphError(f"{at}: {node.op.name} is typed {node.aval}, which is no Python number")
            if node.op.kind is Kind.SOURCE:
                if node.inputs or node.attrs or (node.op is INPUT) != (position in arguments):
                    raise GraphError(f"{at}: a source that is neither argument nor constant")
                if node.op is CONSTANT and aval_of(node.value)[:2] != node.aval[:2]:
                    raise GraphError(f"{at}: constant {aval_of(node.value)} typed {node.aval}")
                continue
            try:
                found = node.op.aval(*[self.nodes[i].aval for i in node.inputs], **node.attrs)
            except Exception as error:  # a type rule meets whatever a damaged file holds
                raise GraphError(f"{at}: {node.op.name}: {error}") from error
            if (found.shape, found.dtype, found.parts) != (node.shape, node.dtype, node.aval.parts):
                raise GraphError(f"{at}: {node.op.name} gives {found}, typed {node.aval}")

    def __len__(self) -> int:
        return len(self.nodes)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Graph)
            and [node.op for node in self.nodes] == [node.op for node in other.nodes]
            and self._content() == other._content()
        )

    def __hash__(self) -> int:
        return hash((self.name, len(self.nodes), self.inputs, self.outputs))

    def __call__(self, *args: Any) -> Any:
        """Run on the interpreter. Traced arguments record, so a graph can be differentiated like any function."""
        from .interpreter import apart, run

        leaves, tree = flatten(args)
        # A graph from a file knows no foreign class: it takes a named tuple where it holds a tuple.
        if tree != self.in_tree and encode_tree(tree) != encode_tree(self.in_tree):
            raise ShapeError(f"graph {self.name} takes the arguments {self.in_tree!r}, not {tree!r}")
        if self.fixed:
            self._check_fixed(leaves, tree)
            leaves = [leaf for k, leaf in enumerate(leaves) if k not in self.fixed]
        given = []
        for leaf, position in zip(leaves, self.inputs, strict=True):
            node = self.nodes[position]
            try:
                have = leaf.node.aval if type(leaf) is Traced else aval_of(leaf)
            except (TypeError, ValueError) as error:
                raise ShapeError(f"graph {self.name}: argument {node.name} is {leaf!r:.60}: {error}") from error
            if have.shape != node.shape or have.dtype != node.dtype:
                raise ShapeError(
                    f"graph {self.name}: argument {node.name} is {have}, the graph was traced for {node.aval}"
                )
            if have.weak != node.aval.weak and type(leaf) is not Traced:
                # float and np.float64 promote differently; the graph's types hold for what it was traced with.
                leaf = np.asarray(leaf)
                leaf = leaf.item() if node.aval.weak else leaf[()]
            given.append(leaf)
        return self.out_tree.unflatten(apart(run(self, given), leaves))

    def _check_fixed(self, leaves: list[Any], tree: Tree) -> None:
        if not self.fixed:
            return
        import json

        for k, wanted in self.fixed.items():
            if json.dumps(encode_fixed(leaves[k])) != json.dumps(encode_fixed(wanted)):
                raise ShapeError(
                    f"graph {self.name} was traced with argument {tree.paths[k]} = {wanted!r}, which is part of the "
                    f"graph; it was called with {leaves[k]!r:.60}. Trace the function again for another value."
                )

    # ---- text
    def __str__(self) -> str:
        return "\n".join(self.lines())

    def __repr__(self) -> str:
        return f"<graph {self.name}: {len(self.inputs)} inputs, {len(self.nodes)} nodes, {len(self.outputs)} outputs>"

    def lines(self) -> list[str]:
        """One line a node: position, name, operation, type, source line; backward steps name the line they derive."""
        out = [f"graph {self.name}: {len(self.inputs)} inputs, {len(self.nodes)} nodes, {len(self.outputs)} outputs"]
        names = self.display_names()
        left = [f"  {names[k]} = {self._expression(k, names)}" for k in range(len(self.nodes))]
        width = min(max(map(len, left), default=0), 72)
        for k, node in enumerate(self.nodes):
            where = node.where
            note = f"{where.file.rsplit('/', 1)[-1]}:{where.line}" if where and node.op.kind is not Kind.SOURCE else ""
            if node.adjoint:
                note = f"{node.adjoint[0]} of {names[node.adjoint[1]]}"
            elif node.composite:
                note = f"{note} ({node.composite[0]})"
            out.append(f"{left[k]:<{width}}  {node.aval!r:<16} {note}".rstrip())
            for body in node.bodies:
                out += [f"      {line}" for line in body.lines()]
        out.append("  return " + ", ".join(names[k] for k in self.outputs))
        return out

    def display_names(self) -> list[str]:
        """A unique name for each line: the user's where there is one (numbered when it repeats), else its position."""
        taken: dict[str, int] = {}
        names = []
        for k, node in enumerate(self.nodes):
            name = node.name
            if name is None:
                names.append(f"%{k}")
                continue
            taken[name] = taken.get(name, 0) + 1
            names.append(name if taken[name] == 1 else f"{name}#{taken[name]}")
        return names

    def _expression(self, k: int, names: list[str]) -> str:
        node = self.nodes[k]
        if node.op is INPUT:
            return "input"
        if node.op is CONSTANT:
            return f"{node.value!r}" if node.aval.size == 1 and np.ndim(node.value) == 0 else "constant"
        attrs = ", ".join(f"{key}={_brief(value)}" for key, value in node.attrs.items())
        return f"{node.op.name}({', '.join([names[i] for i in node.inputs] + ([attrs] if attrs else []))})"

    def symbol(self, position: int, operand: int) -> str | None:
        """How the source writes a constant operand of a line (``1 - beta1``, ``N``); None where that is not certain."""
        node = self.nodes[position]
        if node.origin is None:
            return (node.symbols or {}).get(operand)
        if self._symbols is None:
            from .symbols import Symbols

            self._symbols = Symbols(self)
        return self._symbols.text(position, operand)

    # ---- JSON
    def to_json(self) -> str:
        """The whole graph as JSON text: names and source lines resolved, constants included."""
        import json

        return json.dumps(self.to_dict(), separators=(",", ":"))

    def to_dict(self) -> dict[str, Any]:
        """What `to_json` writes, as dicts and lists."""
        self._check_storable()
        return self._content()

    def _check_storable(self) -> None:
        for node in self.nodes:
            if OPS.get(node.op.name) is not node.op:
                raise GraphError(
                    f"{node.op.name} has a custom rule: its code is yours, and a stored graph holds no code. "
                    "Write it with NumPy's functions where the graph is to be stored."
                )
            for body in node.bodies:
                body._check_storable()

    def _content(self) -> dict[str, Any]:
        files: dict[str, int] = {}
        return {
            "format": FORMAT,
            "version": VERSION,
            "name": self.name,
            "nodes": [node_to_dict(node, files, self._texts(k)) for k, node in enumerate(self.nodes)],
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
            "in_tree": encode_tree(self.in_tree),
            "out_tree": encode_tree(self.out_tree),
            "fixed": [[k, encode_fixed(value)] for k, value in self.fixed.items()],
            "files": list(files),
        }

    def _texts(self, position: int) -> dict[str, str]:
        """The symbols of a line that say more than the number itself."""
        inputs = self.nodes[position].inputs
        found = {a: self.symbol(position, a) for a, i in enumerate(inputs) if self.nodes[i].op is CONSTANT}
        return {str(a): text for a, text in found.items() if text is not None and not _is_number(text)}

    @classmethod
    def from_json(cls, text: str) -> Graph:
        """Read a graph. Runs no code: operations are looked up by name in the registry, every line is type-checked."""
        import json

        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise GraphError(f"not a graph: {error}") from error
        return cls.from_dict(content)

    @classmethod
    def from_dict(cls, content: Any) -> Graph:
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise GraphError("not a graph: the format mark is missing")
        if content.get("version") != VERSION:
            raise GraphError(
                f"this graph has format version {content.get('version')!r}; this Backpass reads version {VERSION}"
            )
        try:
            files = [str(f) for f in content["files"]]
            nodes = [node_from_dict(item, files) for item in content["nodes"]]
            inputs, outputs = tuple(map(whole, content["inputs"])), tuple(map(whole, content["outputs"]))
            trees = decode_tree(content["in_tree"]), decode_tree(content["out_tree"])
            fixed = {whole(k): decode_fixed(value) for k, value in content.get("fixed", ())}
            return cls(nodes, inputs, outputs, *trees, str(content["name"]), fixed)
        except GraphError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError, OverflowError) as error:
            raise GraphError(f"the stored graph is damaged: {type(error).__name__}: {error}") from error


def _brief(value: Any) -> str:
    if isinstance(value, Graph):
        return value.name
    if isinstance(value, slice):
        parts = ["" if v is None else str(v) for v in (value.start, value.stop, value.step)]
        return ":".join(parts if parts[2] else parts[:2])
    if isinstance(value, tuple):
        return (
            "(" + ", ".join("…" if v is Ellipsis else _brief(v) for v in value) + ("," if len(value) == 1 else "") + ")"
        )
    return str(value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


__all__ = ["FORMAT", "VERSION", "Graph", "GraphError", "GraphNode"]
