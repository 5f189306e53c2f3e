"""`symbol`: how the source writes a constant operand: ``np.sqrt(Q.shape[-1])``, ``1 - beta1``, ``N``.

The text is looked up when it is asked for, by the columns of the operation. It is given only where it is certain: it is
a name by itself, or its value was worked out (numbers, arithmetic, lengths of named arrays) and is the constant's.

>>> import numpy as np, backpass as bp
>>> def scaled(Q, K):
...     return Q @ K.T / np.sqrt(Q.shape[-1])
>>> graph = bp.trace(scaled, np.ones((2, 9)), np.ones((5, 9)))
>>> print(graph.nodes[4].value, graph.symbol(5, 1))
3.0 np.sqrt(Q.shape[-1])
"""

from __future__ import annotations

import ast
import math
import operator
from typing import Any

import numpy as np

from .op import Kind
from .source import dotted, expression_at
from .traced import CONSTANT

_BINARY: dict[type, Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_FUNCTIONS: dict[str, Any] = {
    "float": float, "int": int, "abs": abs, "min": min, "max": max, "prod": math.prod, "sqrt": math.sqrt,
    "log": math.log, "exp": math.exp, "float32": np.float32, "float64": np.float64,
}  # fmt: skip
_NUMBERS = {"pi": math.pi, "e": math.e, "inf": math.inf}
_REFLECTED = {"less": ast.Gt, "greater": ast.Lt, "less_equal": ast.GtE, "greater_equal": ast.LtE}
_LARGEST = 2.0**53


class Unknown(Exception):
    """A part of the text whose value the source does not tell."""


class Symbols:
    """The texts of one graph's constants."""

    def __init__(self, graph: Any):
        self.nodes = graph.nodes
        self.shapes: dict[str, set[tuple[int, ...]]] = {}
        for node in self.nodes:
            if node.op is not CONSTANT and node.name is not None:
                self.shapes.setdefault(node.name, set()).add(node.shape)
        self.known: dict[tuple[Any, str], Any] = {}
        for k, node in enumerate(self.nodes):
            for operand in self._places(node):
                e = self._operand(k, operand)
                name = None if e is None else dotted(e)
                if name is not None:
                    # A name that stands for two values is not known.
                    key, value = (_function_of(e), name), self._value(k, operand)
                    self.known[key] = value if self.known.get(key, value) == value else None

    def _places(self, node: Any) -> list[int]:
        if node.adjoint is not None or node.composite is not None or node.op.kind is Kind.SOURCE:
            return []
        return [a for a, i in enumerate(node.inputs) if self.nodes[i].op is CONSTANT and self.nodes[i].aval.size == 1]

    def _value(self, position: int, operand: int) -> Any:
        value = self.nodes[self.nodes[position].inputs[operand]].value
        return value.item() if hasattr(value, "item") else value

    def _operand(self, position: int, operand: int) -> ast.expr | None:
        node = self.nodes[position]
        where = node.where
        e = None if where is None else expression_at(where.file, where[1:5])
        operands: list[ast.expr] = []
        if isinstance(e, ast.BinOp):
            operands = [e.left, e.right]
        elif isinstance(e, ast.AugAssign):
            operands = [e.target, e.value]
        elif isinstance(e, ast.Compare) and len(e.comparators) == 1:
            operands = [e.left, e.comparators[0]]
            if isinstance(e.ops[0], _REFLECTED.get(node.op.name, ())):
                operands.reverse()  # Python asks the traced value: 0 < x is x > 0
        elif isinstance(e, ast.Call) and not any(isinstance(a, ast.Starred) for a in e.args):
            operands = list(e.args)
            if len(operands) == len(node.inputs) - 1 and isinstance(e.func, ast.Attribute):
                operands.insert(0, e.func.value)
        return operands[operand] if len(operands) == len(node.inputs) else None

    def text(self, position: int, operand: int) -> str | None:
        """The source of the constant that is this operand of the line at `position`; None where it is not certain."""
        if operand not in self._places(self.nodes[position]):
            return None
        e = self._operand(position, operand)
        if e is None:
            return None
        value = self._value(position, operand)
        try:
            found = self._evaluate(e, 0)
        except Unknown:
            return ast.unparse(e) if dotted(e) is not None and _plain(e) else None
        except (ArithmeticError, ValueError, TypeError, IndexError):
            return None
        return ast.unparse(e) if found == value or (found != found and value != value) else None

    def _evaluate(self, e: ast.expr, depth: int) -> Any:
        """The value of a text, from numbers and from what the graph knows. Runs none of the user's code."""
        if depth > 20:
            raise Unknown
        match e:
            case ast.Constant(value=int() | float()):
                return e.value
            case ast.UnaryOp(op=ast.USub()):
                return -self._evaluate(e.operand, depth + 1)
            case ast.UnaryOp(op=ast.UAdd()):
                return self._evaluate(e.operand, depth + 1)
            case ast.BinOp():
                return self._binary(e, depth)
            case ast.Subscript(value=inner) if _is_shape(inner):
                return self._evaluate(inner, depth)[self._evaluate(e.slice, depth + 1)]
            case ast.Attribute(value=array, attr="shape"):
                return self._shape(array)
            case ast.Attribute(value=array, attr="size") if dotted(array) in self.shapes:
                return math.prod(self._shape(array))
            case ast.Attribute(value=ast.Name(id="np" | "numpy" | "math"), attr=name) if name in _NUMBERS:
                return _NUMBERS[name]
            case ast.Call(func=ast.Name(id="len"), args=[array], keywords=[]):
                return self._shape(array)[0]
            case ast.Call(args=args, keywords=[]):
                return self._call(e, [self._evaluate(a, depth + 1) for a in args])
        return self._name(e, depth)

    def _binary(self, e: ast.BinOp, depth: int) -> Any:
        a, b = self._evaluate(e.left, depth + 1), self._evaluate(e.right, depth + 1)
        if isinstance(e.op, ast.Pow):
            if abs(b) > 64 or abs(a) > _LARGEST:
                raise Unknown  # no power tower holds up the printing of a graph
            return a**b
        if type(e.op) not in _BINARY or (isinstance(a, tuple) or isinstance(b, tuple)):
            raise Unknown
        return _BINARY[type(e.op)](a, b)

    def _call(self, e: ast.Call, args: list[Any]) -> Any:
        function = e.func
        if isinstance(function, ast.Attribute) and dotted(function.value) in ("np", "numpy", "math"):
            name = function.attr
        elif isinstance(function, ast.Name) and function.id in ("float", "int", "abs", "min", "max", "sqrt"):
            name = function.id
        else:
            raise Unknown
        if name not in _FUNCTIONS:
            raise Unknown
        return _FUNCTIONS[name](*args)

    def _shape(self, array: ast.expr) -> tuple[int, ...]:
        name = dotted(array)
        shapes = self.shapes.get(name or "", set())
        if len(shapes) != 1 or not _plain(array):
            raise Unknown
        return next(iter(shapes))

    def _name(self, e: ast.expr, depth: int) -> Any:
        name = dotted(e)
        if name is None or not _plain(e):
            raise Unknown
        function = _function_of(e)
        if isinstance(e, ast.Name):
            written = _written(e, function)
            if written is not None:
                try:
                    return self._evaluate(written, depth + 1)
                except Unknown:
                    pass
        value = self.known.get((function, name))
        if value is None:
            raise Unknown
        return value


def _is_shape(e: ast.AST) -> bool:
    return isinstance(e, ast.Attribute) and e.attr == "shape"


def _plain(e: ast.AST) -> bool:
    """A path of names, attributes and constant keys: no ``h[t]``."""
    while isinstance(e, (ast.Attribute, ast.Subscript)):
        if isinstance(e, ast.Subscript) and not isinstance(e.slice, ast.Constant):
            return False
        e = e.value
    return isinstance(e, ast.Name)


def _function_of(e: ast.AST | None) -> ast.AST | None:
    while e is not None and not isinstance(e, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        e = getattr(e, "parent", None)
    return e


def _written(e: ast.Name, function: ast.AST | None) -> ast.expr | None:
    """What a name is set to, if that is written once: in its function, as a default, or around it."""
    while True:
        scope: Any = function
        if scope is None:
            top: Any = e
            while getattr(top, "parent", None) is not None:
                top = top.parent
            scope = top
        arguments = scope.args if function is not None else None
        if arguments is not None:
            positional = [*arguments.posonlyargs, *arguments.args]
            for argument in (*positional, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
                if argument is not None and argument.arg == e.id:
                    return None  # the caller's; its default is only one of its values
        found = [
            n for n in ast.walk(scope)
            if isinstance(n, ast.Name) and n.id == e.id and not isinstance(n.ctx, ast.Load)
            and _function_of(n) is function
        ]  # fmt: skip
        if found:
            parent: Any = getattr(found[0], "parent", None)
            once = len(found) == 1 and isinstance(parent, (ast.Assign, ast.AnnAssign))
            return parent.value if once else None
        if function is None:
            return None
        function = _function_of(getattr(function, "parent", None))
