"""Constants as the source writes them: √d from ``np.sqrt(Q.shape[-1])``, 1 − β₁, N from ``len(x)``, where equal."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from backpass.graph.origin import Where
from backpass.graph.program import GraphNode
from backpass.graph.traced import CONSTANT

from .expr import ONE, ZERO, Expr, add, bracket, dim, fn, mul, negate, num, power
from .sheet import Sheet, Symbol

GREEK = {
    "alpha": "α", "beta": "β", "beta1": "β₁", "beta2": "β₂", "gamma": "γ", "delta": "δ_", "eps": "ε", "epsilon": "ε",
    "eta": "η", "theta": "θ", "lam": "λ", "lambda_": "λ", "mu": "μ", "rho": "ρ", "sigma": "σ_", "tau": "τ", "phi": "φ",
    "lr": "η", "learning_rate": "η", "beta_1": "β₁", "beta_2": "β₂", "var_": "var", "omega": "ω", "nu": "ν",
}  # fmt: skip


def array_pattern(value: np.ndarray, idx: tuple[Expr, ...]) -> Expr | None:
    """A constant array that follows from its indices: one number, the positions 0, 1, 2…, a triangle, the identity."""
    if value.dtype.kind == "c" and not np.any(np.imag(value)):
        value = np.real(value)
    if value.size == 0 or value.dtype.kind not in "biuf":
        return None
    if np.all(value == value.flat[0]):
        return num(float(value.flat[0]))
    long = [i for i, n in enumerate(value.shape) if n != 1]
    if long and value.dtype.kind in "iu":
        first = int(value.flat[0])
        steps = [int(value[tuple(int(i == axis) for i in range(value.ndim))]) - first for axis in long]
        places = np.indices(value.shape)
        if np.array_equal(value, first + sum(s * places[axis] for s, axis in zip(steps, long, strict=True))):
            return add(num(first), *[mul(num(s), idx[axis]) for s, axis in zip(steps, long, strict=True)])
    if value.ndim == 2 and value.shape[0] == value.shape[1]:
        i, j = np.indices(value.shape)
        for sign, holds in (("=", i == j), ("≥", i >= j), (">", i > j), ("≤", i <= j), ("<", i < j)):
            if np.array_equal(value, holds):
                return bracket(sign, idx[0], idx[1])
    return None


@lru_cache(maxsize=64)
def _expressions(file: str) -> dict[tuple[int, int, int, int], ast.expr]:
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except SyntaxError:
        return {}
    found: dict[tuple[int, int, int, int], ast.expr] = {}
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            child.parent = node  # type: ignore[attr-defined]
        if isinstance(node, ast.expr) and node.end_lineno is not None and node.end_col_offset is not None:
            found[node.lineno, node.end_lineno, node.col_offset, node.end_col_offset] = node
        elif isinstance(node, ast.AugAssign) and node.end_lineno is not None and node.end_col_offset is not None:
            # The instruction of x += y spans the statement.
            found[node.lineno, node.end_lineno, node.col_offset, node.end_col_offset] = ast.BinOp(
                node.target, node.op, node.value
            )
    return found


def expression_at(where: Where | None) -> ast.expr | None:
    """The source expression that made a line."""
    if where is None or where.column is None or where.end_line is None or where.end_column is None:
        return None
    return _expressions(where.file).get((where.line, where.end_line, where.column, where.end_column))


def _operands(e: ast.expr | None, count: int) -> list[ast.expr]:
    if isinstance(e, ast.BinOp):
        return [e.left, e.right]
    if isinstance(e, ast.Call) and len(e.args) == count:
        return list(e.args)
    if isinstance(e, ast.Compare) and len(e.comparators) == 1:
        return [e.left, e.comparators[0]]
    return []


class Hints:
    """Finds the source form of scalar constants and of constant arrays."""

    def __init__(
        self,
        sheet: Sheet,
        taken: set[str],
        nodes: Sequence[GraphNode] | None = None,
        start: int = 0,
        spelled: Mapping[str, str] = GREEK,
    ):
        self.sheet = sheet
        self.taken = taken
        self.nodes = sheet.graph.nodes if nodes is None else nodes
        self.start = start
        """The position of the first of these lines."""
        self.spelled = spelled
        self.names: dict[tuple[str, float], Symbol] = {}
        self.by_name: dict[str, list[int]] = {}

    def read(self) -> None:
        nodes = self.sheet.nodes
        found: list[tuple[int, int, ast.expr, Any]] = []
        for k, node in enumerate(self.nodes, self.start):
            if node.name:
                name = node.name if node.label is None else node.name.split(".")[-1]
                self.by_name.setdefault(name, []).append(k)
            if node.adjoint or not any(nodes[i].op is CONSTANT for i in node.inputs):
                continue
            operands = _operands(expression_at(node.where), len(node.inputs))
            if node.composite is not None:
                continue
            for a, (i, operand) in enumerate(zip(node.inputs, operands, strict=False)):
                if nodes[i].op is CONSTANT:
                    found.append((k, a, operand, nodes[i].value))
        for only_names in (True, False):
            for k, a, operand, value in found:
                if isinstance(operand, ast.Name) is only_names and (k, a) not in self.sheet.hints:
                    self._enter(k, a, operand, value)

    def _enter(self, k: int, a: int, operand: ast.expr, value: Any) -> None:
        position = self.sheet.nodes[k].inputs[a]
        if np.size(value) != 1:
            name = operand.id if isinstance(operand, ast.Name) else None
            idx = tuple(ZERO for _ in np.shape(value))
            if name and position not in self.sheet.at and array_pattern(np.asarray(value), idx) is None:
                self.sheet.symbol_at(position, "constant", base=name)
            return
        if np.iscomplexobj(value):
            return
        number = float(np.reshape(value, -1)[0])
        try:
            e, seen = self._read(operand, number, k)
        except (KeyError, TypeError, ValueError, ZeroDivisionError, IndexError, OverflowError):
            return
        if e.kind != "n" and abs(seen - number) <= 1e-15 * abs(number):
            self.sheet.hints[k, a] = e

    def _read(self, e: ast.expr, number: float | None, k: int) -> tuple[Expr, float]:
        if isinstance(e, ast.Constant) and isinstance(e.value, (int, float)):
            return num(e.value), float(e.value)
        if isinstance(e, ast.Name):
            return self._name(e, number, k)
        if isinstance(e, ast.UnaryOp) and isinstance(e.op, ast.USub):
            x, v = self._read(e.operand, None if number is None else -number, k)
            return negate(x), -v
        if isinstance(e, ast.BinOp):
            return self._binary(e, k)
        if isinstance(e, ast.Call) and len(e.args) == 1 and not e.keywords:
            called = e.func.attr if isinstance(e.func, ast.Attribute) else getattr(e.func, "id", "")
            if called == "sqrt":
                x, v = self._read(e.args[0], None if number is None else number**2, k)
                return fn("√", x), v**0.5
            if called in ("float", "int"):
                return self._read(e.args[0], number, k)
            if called == "len":
                return self._length(e.args[0], 0, k)
        if isinstance(e, ast.Subscript) and isinstance(e.value, ast.Attribute) and e.value.attr == "shape":
            return self._length(e.value.value, ast.literal_eval(e.slice), k)
        if isinstance(e, ast.Attribute) and e.attr == "size":
            position = self._array(e.value, k)
            shape = self.sheet.node(position).shape
            classes = self.sheet.axes.classes(position)
            return mul(*[dim(c) for c, n in zip(classes, shape, strict=True) if n != 1]), float(np.prod(shape))
        raise TypeError

    def _binary(self, e: ast.BinOp, k: int) -> tuple[Expr, float]:
        (a, x), (b, y) = self._read(e.left, None, k), self._read(e.right, None, k)
        match e.op:
            case ast.Add():
                return add(a, b), x + y
            case ast.Sub():
                return add(a, negate(b)), x - y
            case ast.Mult():
                return mul(a, b), x * y
            case ast.Div():
                return mul(a, power(b, -1)), x / y
            case ast.Pow():
                return (power(a, b.data) if b.kind == "n" else fn("power", a, b)), x**y
        raise TypeError

    def _array(self, e: ast.expr, k: int) -> int:
        """The latest value before line k that the source calls by this name."""
        if isinstance(e, ast.Name):
            found = self.by_name[e.id]
        elif isinstance(e, ast.Subscript) and isinstance(e.slice, ast.Constant):
            found = self.by_name[str(e.slice.value)]
        else:
            raise TypeError
        return max([i for i in found if i < k] or found[:1])

    def _length(self, e: ast.expr, axis: int, k: int) -> tuple[Expr, float]:
        position = self._array(e, k)
        shape = self.sheet.node(position).shape
        length = shape[axis]
        return (ONE if length == 1 else dim(self.sheet.axes.classes(position)[axis])), float(length)

    def _name(self, e: ast.Name, number: float | None, k: int) -> tuple[Expr, float]:
        assigned = _assignment(e)
        if assigned is not None and not isinstance(assigned, (ast.Constant, ast.Name)):
            try:
                x, v = self._read(assigned, number, k)
                if number is None or abs(v - number) <= 1e-15 * abs(number):
                    return x, v
            except (KeyError, TypeError, ValueError, ZeroDivisionError, IndexError):
                pass
        name = self.spelled.get(e.id, e.id)
        if number is None:
            known = [v for n, v in self.names if n == name]
            if len(known) == 1:
                number = known[0]
            elif isinstance(assigned, ast.Constant) and isinstance(assigned.value, (int, float)):
                number = float(assigned.value)
            else:
                raise KeyError(name)
        symbol = self.names.get((name, number))
        if symbol is None:
            if name in self.taken or any(n == name for n, _ in self.names):
                raise KeyError(name)
            symbol = self.sheet.new(("name", name, number), (), np.float64(number), "constant", base=name)
            self.sheet.axes.enter(symbol.key, ())
            self.names[name, number] = symbol
        return self.sheet.ref(symbol, ()), number


def _assignment(e: ast.Name) -> ast.expr | None:
    """The right-hand side of the one assignment to this name in its function, if there is exactly one."""
    scope: Any = e
    while scope is not None and not isinstance(scope, (ast.FunctionDef, ast.Lambda, ast.Module)):
        scope = getattr(scope, "parent", None)
    if not isinstance(scope, ast.FunctionDef):
        return None
    found: list[ast.expr] = []
    for s in ast.walk(scope):
        if not isinstance(s, ast.Assign):
            continue
        for target in s.targets:
            pairs: list[tuple[ast.expr, ast.expr]] = [(target, s.value)]
            if isinstance(target, ast.Tuple) and isinstance(s.value, ast.Tuple):
                pairs = list(zip(target.elts, s.value.elts, strict=False))
            found += [value for t, value in pairs if isinstance(t, ast.Name) and t.id == e.id]
    return found[0] if len(found) == 1 else None


__all__ = ["GREEK", "Hints", "array_pattern", "expression_at"]
