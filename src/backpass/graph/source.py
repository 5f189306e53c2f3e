"""The user's source as a syntax tree: the expression that an instruction is, and what its value was assigned to.

Bytecode alone knows the target of ``z = f(x)``. The targets of ``a, b = f(x), g(y)``, ``self.z = …`` and
``theta["W"] = …`` stand in the source, found by the columns of the instruction. Without source there is no answer, and
never a guess.
"""

from __future__ import annotations

import ast
import linecache
from typing import Any, NamedTuple

Span = tuple[int, int, int, int]
"""First line, last line, first column, last column."""


class Returned(NamedTuple):
    """The value leaves the function, at `path` inside what is returned: the caller says what it is called."""

    path: tuple[int | str, ...]


_trees: dict[str, tuple[list[str], dict[Span, ast.AST]]] = {}


def expression_at(file: str, span: tuple[int | None, ...]) -> ast.AST | None:
    """The expression (or augmented assignment) that fills exactly this span; its `parent` is set."""
    if None in span:
        return None
    lines = linecache.getlines(file)
    kept = _trees.get(file)
    if kept is None or kept[0] is not lines:
        kept = _trees[file] = lines, _indexed("".join(lines))
    return kept[1].get(span)  # type: ignore[arg-type]


def _indexed(text: str) -> dict[Span, ast.AST]:
    found: dict[Span, ast.AST] = {}
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return found
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            child.parent = node  # type: ignore[attr-defined]
        # The instruction of x += y spans the statement.
        if isinstance(node, (ast.expr, ast.AugAssign)) and node.end_lineno and node.end_col_offset is not None:
            found.setdefault((node.lineno, node.end_lineno, node.col_offset, node.end_col_offset), node)
    return found


def assigned(node: ast.AST, path: tuple[int | str, ...] = ()) -> str | Returned | None:
    """The name that the value of an expression gets (`path` says which part of the value), if it gets one."""
    if isinstance(node, ast.AugAssign):
        return target_name(node.target, path)
    while True:
        parent: Any = getattr(node, "parent", None)
        match parent:
            case ast.Tuple() | ast.List():
                if any(isinstance(item, ast.Starred) for item in parent.elts):
                    return None
                path = (next(i for i, item in enumerate(parent.elts) if item is node), *path)
            case ast.Dict():
                at = next((i for i, item in enumerate(parent.values) if item is node), None)
                key = None if at is None else parent.keys[at]
                if not isinstance(key, ast.Constant) or not isinstance(key.value, (str, int)):
                    return None
                path = (key.value, *path)
            case ast.IfExp() if node is not parent.test:
                pass
            case ast.Assign():
                return target_name(parent.targets[0], path)
            case ast.AnnAssign() | ast.NamedExpr() if node is parent.value:
                return target_name(parent.target, path)
            case ast.Return():
                return Returned(path)
            case ast.Lambda() if node is parent.body:
                return Returned(path)
            case _:
                return None
        node = parent


def target_name(target: ast.AST, path: tuple[int | str, ...] = ()) -> str | None:
    """``z``, ``theta.W`` for ``theta["W"]``, ``z`` for ``self.z``, ``h`` for ``h[t]``: a path as pytrees have it."""
    if isinstance(target, (ast.Tuple, ast.List)):
        if not path or not isinstance(path[0], int) or not 0 <= path[0] < len(target.elts):
            return None
        if any(isinstance(item, ast.Starred) for item in target.elts):
            return None
        return target_name(target.elts[path[0]], path[1:])
    base = dotted(target)
    return None if base is None else ".".join([base, *map(str, path)])


def dotted(node: ast.AST) -> str | None:
    """A variable, attribute or entry as a dotted path; None for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return node.attr if base == "self" else None if base is None else f"{base}.{node.attr}"
    if isinstance(node, ast.Subscript):
        base = dotted(node.value)
        key = node.slice
        if base is None or not isinstance(key, ast.Constant) or not isinstance(key.value, (str, int)):
            return base
        return f"{base}.{key.value}"
    return None
