"""Index equations of the operations: what entry of the result an index names, in terms of entries of the arguments.

This is where array noise goes: broadcasting, transposes, reshapes and slices become substitutions of indices. An
operation that has no index equation (solve, cholesky, a running product) is *opaque*: it keeps its own line, as a call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from backpass.graph.op import FUNCTIONS, OPS, Kind
from backpass.graph.program import GraphNode
from backpass.graph.traced import CONSTANT

from . import positions, spectra
from .complexes import PARTS, conj
from .expr import (
    ONE,
    ZERO,
    Expr,
    add,
    bind,
    bracket,
    dim,
    fn,
    mul,
    negate,
    num,
    opened,
    power,
    substitute,
    swap,
    total,
    within,
)
from .sheet import Sheet

Pull = Callable[[Sheet, int, GraphNode, tuple[Expr, ...]], Expr]
PULL: dict[str, Pull] = {**positions.PULL, **spectra.PULL}


def entry_of(*names: str) -> Callable[[Pull], Pull]:
    def enter(rule: Pull) -> Pull:
        for name in names:
            PULL[name] = rule
        return rule

    return enter


def arguments(sheet: Sheet, k: int, node: GraphNode, idx: tuple[Expr, ...]) -> list[Expr]:
    """The entries that an elementwise operation reads, with its constants as the source writes them."""
    out = []
    for a, i in enumerate(node.inputs):
        shape = sheet.node(i).shape
        at = tuple(ZERO if n == 1 else j for n, j in zip(shape, idx[len(idx) - len(shape) :], strict=True))
        out.append(sheet.hints.get((k, a)) or sheet.pull(i, at))
    return out


# ---- elementwise
_SIGNS = {"less": "<", "less_equal": "≤", "greater": ">", "greater_equal": "≥", "equal": "=", "not_equal": "≠"}
_OPPOSITE = {"<": "≥", "≤": ">", ">": "≤", "≥": "<", "=": "≠", "≠": "="}
NAMES = {
    "length": "√",
    "sqrt": "√",
    "expit": "σ",
    "absolute": "abs",
    "arctan2": "atan2",
    "stop_gradient": "const",
    "maximum": "max",
    "minimum": "min",
    "logical_or": "or",
    "logical_and": "and",
    "logical_not": "not",
    "float_power": "power",
    "conjugate": "conj",
    "real": "Re",
    "imag": "Im",
}
"""How a function is called in an equation, where not by its own name."""
OP_OF = {shown: name for name, shown in NAMES.items()}


def invert(e: Expr) -> Expr:
    return bracket(_OPPOSITE[e.data], *e.parts) if e.kind == "I" else fn("not", e)


def elementwise(name: str, a: list[Expr]) -> Expr | None:
    """The normal form of an elementwise operation; None when it is written as a function."""
    if name == "add":
        return add(*a)
    if name == "subtract":
        return add(a[0], negate(a[1]))
    if name in ("multiply", "strong_product"):
        return mul(*a)
    if name == "divide":
        return as_sigmoid(mul(a[0], (a[1], -1)))
    if name == "negative":
        return negate(a[0])
    if name == "square":
        return power(a[0], 2)
    if name == "reciprocal":
        return as_sigmoid(power(a[0], -1))
    if name in ("power", "float_power") and a[1].kind == "n":
        return power(a[0], a[1].data)
    if name == "ldexp":
        return mul(a[0], fn("power", num(2), a[1]))
    if name in ("positive", "cast", "alias"):
        return a[0]
    if NAMES.get(name) in PARTS:
        return PARTS[NAMES[name]](a[0])
    if name in _SIGNS:
        return bracket(_SIGNS[name], a[0], a[1])
    if name == "logical_not":
        return invert(a[0])
    if name == "logical_and" and all(x.kind in "IB" for x in a):
        return mul(*a)
    if name == "maximum" and ZERO in a:
        return fn("relu", a[0] if a[1] is ZERO else a[1])
    if name == "where":
        return _where(*a)
    return None


def _where(c: Expr, a: Expr, b: Expr) -> Expr:
    if c.kind == "I" and c.data == "=" and a is ZERO:
        # where(x = 0, 0, √where(x = 0, 1, x)) is how a root is kept from dividing by zero.
        guarded = fn("where", c, ONE, c.parts[0])
        bare = substitute(b, {guarded: c.parts[0]})
        if bare is not b:
            return bare
    if c.kind == "I" and c.parts[1] is ZERO and (c.data, a, b) in (("≤", ZERO, c.parts[0]), (">", c.parts[0], ZERO)):
        return fn("relu", c.parts[0])
    if c.kind in "IB":
        if b is ZERO:
            return mul(c, a)
        if a is ZERO:
            return mul(invert(c), b)
    return fn("where", c, a, b)


def stable_sigmoid(nodes: Any, k: int) -> int | None:
    """x, when line k is where(x ≥ 0, 1, s) / (1 + s) with s = exp(where(x ≥ 0, −x, x)): a σ(x) that cannot overflow."""
    if nodes[k].op.name != "divide":
        return None
    top, below = (nodes[i] for i in nodes[k].inputs)
    if top.op.name != "where" or below.op.name != "add" or top.inputs[2] not in below.inputs:
        return None
    test, small = nodes[top.inputs[0]], nodes[top.inputs[2]]
    if test.op.name != "greater_equal" or small.op.name != "exp":
        return None
    x, zero = test.inputs
    size = nodes[small.inputs[0]]
    if size.op.name != "where" or size.inputs[2] != x or nodes[size.inputs[0]].op is not test.op:
        return None
    minus = nodes[size.inputs[1]]
    other = [nodes[i] for i in below.inputs if i != top.inputs[2]]
    ones = [nodes[top.inputs[1]], *other]
    constant = all(n.op is CONSTANT and np.size(n.value) == 1 and np.all(n.value == 1) for n in ones)
    if not constant or nodes[zero].op is not CONSTANT or np.any(nodes[zero].value):
        return None
    return x if minus.op.name == "negative" and minus.inputs == (x,) and other else None


def as_sigmoid(e: Expr) -> Expr:
    """1/(1 + exp(−x)) → σ(x)"""
    from .expr import coefficient_of, factors_of, terms_of

    out: list[Any] = [num(coefficient_of(e))]
    for b, p in factors_of(e):
        if p == -1 and b.kind == "+" and b.data == (1.0, 1.0) and ONE in b.parts:
            other = next(t for t in b.parts if t is not ONE)
            if other.kind == "f" and other.data == "exp" and all(c < 0 for c, _ in terms_of(other.parts[0])):
                out.append(fn("σ", negate(other.parts[0])))
                continue
        out.append((b, p))
    return mul(*out)


def _elementwise(sheet: Sheet, k: int, node: GraphNode, idx: tuple[Expr, ...]) -> Expr:
    a = arguments(sheet, k, node, idx)
    name = node.op.name
    if node.composite is not None and not node.inner and node.composite[0] == "softmax" and name == "divide":
        return _softmax(sheet, node, idx)
    if node.composite is not None and not node.inner and node.composite[0] == "log_softmax" and name == "subtract":
        found = _log_softmax(sheet, node, idx)
        if found is not None:
            return found
    if name == "cast" and sheet.node(node.inputs[0]).dtype.kind == "f" and node.dtype.kind in "iu":
        return fn("trunc", *a)
    if name == "divide" and (source := stable_sigmoid(sheet.nodes, k)) is not None:
        return fn("σ", sheet.pull(source, idx))
    if name == "divide" and (count := _count(sheet, k, node)) is not None:
        a[1] = count
    found = elementwise(name, a)
    return fn(NAMES.get(name, name), *a) if found is None else found


def _softmax(sheet: Sheet, node: GraphNode, idx: tuple[Expr, ...]) -> Expr:
    """The composite softmax: exp(x − log Σ exp(x)); the shift by the largest entry cancels."""
    exp = sheet.node(node.inputs[0])
    below = sheet.node(node.inputs[1])
    if exp.op.name != "exp" or below.op.name != "sum":
        return elementwise("divide", [sheet.pull(i, idx) for i in node.inputs])  # type: ignore[return-value]
    shifted = sheet.node(exp.inputs[0])
    x = shifted.inputs[0]
    return _exp_share(sheet, x, idx, below.attrs["axis"])


def _log_softmax(sheet: Sheet, node: GraphNode, idx: tuple[Expr, ...]) -> Expr | None:
    shifted, total_ = (sheet.node(i) for i in node.inputs)
    if shifted.op.name != "subtract" or total_.op.name != "logsumexp":
        return None
    return _exp_share(sheet, shifted.inputs[0], idx, total_.attrs["axis"]).parts[0]


def _exp_share(sheet: Sheet, x: int, idx: tuple[Expr, ...], axis: tuple[int, ...]) -> Expr:
    inside = list(idx)
    bound = []
    for i in axis:
        v = sheet.index(x, i)
        inside[i] = v
        bound += [v] if v.kind == "v" else []
    body = sheet.pull(x, tuple(inside))
    for v in reversed(bound):
        body = bind("lse", v, body)
    return fn("exp", add(sheet.pull(x, idx), negate(body)))


def softmax_of(e: Expr) -> tuple[Expr, Expr] | None:
    """(the binder, the point) when e is exp(x − lse(x)): then it is written softmax."""
    if e.kind != "f" or e.data != "exp" or e.parts[0].kind != "+" or len(e.parts[0].parts) != 2:
        return None
    terms = dict(zip(e.parts[0].parts, e.parts[0].data, strict=True))
    for t, c in terms.items():
        if c == -1 and t.kind == "S" and t.data[0] == "lse":
            rest = add(e.parts[0], t)
            v, body = opened(t)
            for point in rest.free - t.free:
                if swap(body, v, point) is rest:
                    return t, point
    return None


def _count(sheet: Sheet, k: int, node: GraphNode) -> Expr | None:
    """The divisor of a mean or variance, as the lengths that it stands for: J·N, or N − 1."""
    if node.composite is None or node.composite[0] not in ("mean", "var", "std", "average"):
        return None
    top, below = (sheet.node(i) for i in node.inputs)
    while top.op.name in ("reshape", "cast"):
        top = sheet.node(top.inputs[0])
    if below.op is not CONSTANT or np.ndim(below.value) or top.op.name != "sum":
        return None
    source = top.inputs[0]
    axes = [i for i in top.attrs["axis"] if sheet.node(source).shape[i] != 1]
    classes = sheet.axes.classes(source)
    product = int(np.prod([sheet.node(source).shape[i] for i in axes], dtype=np.int64))
    less = product - float(below.value)
    if less not in (0.0, 1.0):
        return None
    return add(mul(*[dim(classes[i]) for i in axes]), num(-less))


# ---- reductions
_WORDS = {"sum": "Σ", "max": "max", "min": "min", "prod": "Π", "logsumexp": "lse"}


@entry_of(*_WORDS, "norm")
def _reduction(sheet: Sheet, k: int, node: GraphNode, idx: tuple[Expr, ...]) -> Expr:
    source = node.inputs[0]
    shape = sheet.node(source).shape
    given = iter(idx)
    inside: list[Expr] = []
    bound: list[Expr] = []
    for i in range(len(shape)):
        if i in node.attrs["axis"]:
            if node.attrs["keepdims"]:
                next(given)
            v = sheet.index(source, i)
            inside.append(v)
            bound += [v] if v.kind == "v" else []
        else:
            inside.append(next(given))
    e = sheet.pull(source, tuple(inside))
    if node.op.name == "norm":
        e = power(e if e.real else fn("abs", e), 2)
    word = _WORDS.get(node.op.name, "Σ")
    for v in reversed(bound):
        e = total(v, e) if word == "Σ" else bind(word, v, e)
    return fn("√", e) if node.op.name == "norm" else e


# ---- products
@entry_of("matmul")
def _matmul(sheet: Sheet, k: int, node: GraphNode, idx: tuple[Expr, ...]) -> Expr:
    a, b = node.inputs
    shape_a, shape_b = sheet.node(a).shape, sheet.node(b).shape
    v = sheet.index(a, len(shape_a) - 1)
    rest = list(idx)
    batch = rest[: len(idx) - (len(shape_a) > 1) - (len(shape_b) > 1)]
    rest = rest[len(batch) :]
    row = [rest.pop(0)] if len(shape_a) > 1 else []
    column = [rest.pop(0)] if len(shape_b) > 1 else []

    def lead(shape: tuple[int, ...]) -> list[Expr]:
        n = max(len(shape) - 2, 0)
        at = batch[len(batch) - n :]
        return [ZERO if length == 1 else j for length, j in zip(shape[:n], at, strict=True)]

    left = sheet.pull(a, (*lead(shape_a), *row, v))
    right = sheet.pull(b, (*lead(shape_b), v, *column))
    e = mul(left, right)
    return e if v is ZERO else total(v, e)


@entry_of("vecdot")
def _vecdot(sheet: Sheet, k: int, node: GraphNode, idx: tuple[Expr, ...]) -> Expr:
    shapes = [sheet.node(i).shape for i in node.inputs]
    longer = next((i for i, s in zip(node.inputs, shapes, strict=True) if s[-1] != 1), node.inputs[0])
    v = sheet.index(longer, len(sheet.node(longer).shape) - 1)
    entries = []
    for i, shape in zip(node.inputs, shapes, strict=True):
        at = (*idx[len(idx) - len(shape) + 1 :], v)
        entries.append(sheet.pull(i, tuple(ZERO if n == 1 else j for n, j in zip(shape, at, strict=True))))
    e = mul(conj(entries[0]), entries[1])
    return e if v is ZERO else total(v, e)


@entry_of("correlate")
def _correlate(sheet: Sheet, k: int, node: GraphNode, idx: tuple[Expr, ...]) -> Expr:
    """out_j = Σ_n a_{n + j − (m − 1)} · conj(v_n) over the overlap."""
    a, v = node.inputs
    n = sheet.index(v, 0)
    place = add(n, idx[0], num(1 - sheet.node(v).shape[0]))
    if sheet.node(a).shape[0] == 1:
        entry = mul(bracket("=", place, ZERO), sheet.pull(a, (ZERO,)))
    else:
        entry = mul(within(place, sheet.axes.classes(a)[0]), sheet.pull(a, (place,)))
    e = mul(entry, conj(sheet.pull(v, (n,))))
    return e if n is ZERO else total(n, e)


@entry_of("einsum")
def _einsum(sheet: Sheet, k: int, node: GraphNode, idx: tuple[Expr, ...]) -> Expr:
    terms, out = node.attrs["subscripts"].split("->")
    at = dict(zip(out, idx, strict=True))
    bound = []
    operands = list(zip(node.inputs, terms.split(","), strict=True))
    for x, letters in operands:
        for i, c in enumerate(letters):
            if c not in at and sheet.node(x).shape[i] != 1:
                at[c] = sheet.index(x, i)
                bound.append(at[c])
    e = ONE
    for x, letters in operands:
        shape = sheet.node(x).shape
        e = mul(e, sheet.pull(x, tuple(ZERO if n == 1 else at[c] for n, c in zip(shape, letters, strict=True))))
    for v in reversed(bound):
        e = total(v, e)
    return e


@entry_of("trace")
def _trace(sheet: Sheet, k: int, node: GraphNode, idx: tuple[Expr, ...]) -> Expr:
    (x,) = node.inputs
    n, m = sheet.node(x).shape[-2:]
    v = sheet.index(x, len(idx) + (m < n))
    e = sheet.pull(x, (*idx, ZERO if n == 1 else v, ZERO if m == 1 else v))
    return e if v is ZERO else total(v, e)


@entry_of("cumsum")
def _cumsum(sheet: Sheet, k: int, node: GraphNode, idx: tuple[Expr, ...]) -> Expr:
    axis = node.attrs["axis"]
    v = sheet.index(node.inputs[0], axis)
    inside = tuple(v if i == axis else j for i, j in enumerate(idx))
    e = sheet.pull(node.inputs[0], inside)
    return e if v is ZERO else total(v, mul(bracket("≤", v, idx[axis]), e))


@entry_of("argmax", "argmin", "argsort", "any", "all")
def _unreachable(sheet: Sheet, k: int, node: GraphNode, idx: tuple[Expr, ...]) -> Expr:
    raise KeyError(node.op.name)  # opaque: always a symbol of its own


def opaque(node: GraphNode) -> bool:
    """Has this operation no index equation?"""
    rule = PULL.get(node.op.name)
    return rule is None or rule is _unreachable


FUNCTIONS["families"]()
for _op in OPS.values():
    if (_op.kind is Kind.POINTWISE and _op.name not in PULL) or (
        _op.kind is Kind.DISCRETE
        and _op.partials
        and _op.name not in PULL
        and _op.name
        not in (
            "searchsorted",
            "interp_piece",
            "signdet",
            "random_bits",
        )
    ):
        PULL[_op.name] = _elementwise
for _name in ("cast", "alias", "stop_gradient", "real", "imag"):
    PULL[_name] = _elementwise

__all__ = ["NAMES", "OP_OF", "PULL", "elementwise", "invert", "opaque", "softmax_of"]
