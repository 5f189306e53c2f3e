"""Sparse derivatives: which entries can differ from zero is read off the graph; columns that share no row go together.

Index sets are propagated through the graph as bits: word w of an entry says which of the inputs 64w … 64w + 63 it
depends on. Columns of the Jacobian without a common row get one colour, and one forward sweep gives all columns of a
colour (Curtis, Powell & Reid 1974). A banded Jacobian of any size takes as many sweeps as its band is wide.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from backpass.graph.aval import Aval
from backpass.graph.capture import capture, leaf_aval
from backpass.graph.errors import MissingExtraError, ShapeError
from backpass.graph.op import Kind
from backpass.graph.program import Graph
from backpass.graph.pytree import flatten
from backpass.graph.traced import CONSTANT
from backpass.partials.declare import shape_of, value_of

from .batch import rule_of, vmap
from .derivatives import grad, jvp
from .loops import names_of

WORD = 64


def sparsity(function: Callable[..., Any]) -> Callable[..., Any]:
    """Where the Jacobian of ``f(x)`` can differ from zero: booleans of shape ``(f's size, x's size)``.

    One array in, one array out. The pattern holds for every x of this shape: it is read off the graph, not off values.
    Entries are never missing; where an operation mixes (a factorisation, a loop) all are there.

    >>> import numpy as np, backpass as bp
    >>> bp.sparsity(lambda x: x[1:] * x[:-1])(np.ones(4)).astype(int)
    array([[1, 1, 0, 0],
           [0, 1, 1, 0],
           [0, 0, 1, 1]])
    """

    @functools.wraps(function)
    def wrapped(x: Any, *args: Any) -> np.ndarray:
        bits, size = _bits(function, x, args)
        flat = np.ascontiguousarray(bits.reshape(bits.shape[0], -1).T)
        octets = flat.astype("<u8").view(np.uint8)
        return np.unpackbits(octets, axis=1, bitorder="little")[:, :size].astype(bool)

    return wrapped


def sparse_jacobian(function: Callable[..., Any]) -> Callable[..., Any]:
    """The Jacobian of ``f(x)`` as a scipy.sparse array in CSR form, shape ``(f's size, x's size)``.

    One forward sweep for each colour of the columns, all of them in one call. Needs SciPy.

    >>> import numpy as np, backpass as bp
    >>> bp.sparse_jacobian(lambda x: x[1:] * x[:-1])(np.array([1.0, 2.0, 3.0])).toarray()
    array([[2., 1., 0.],
           [0., 3., 2.]])
    """
    pattern_of = sparsity(function)

    @functools.wraps(function)
    def wrapped(x: Any, *args: Any) -> Any:
        sparse = _scipy_sparse()
        x = np.asarray(x)
        pattern = sparse.csc_array(pattern_of(x, *args))
        colours, count = _coloured(pattern)
        seeds = np.zeros((count, x.size), x.dtype)
        seeds[colours, np.arange(x.size)] = 1
        push = lambda v: np.ravel(jvp(lambda y: function(y, *args), (x,), (v,))[1])  # noqa: E731
        rows = vmap(push)(np.reshape(seeds, (count, *x.shape))) if count else np.zeros((0, pattern.shape[0]))
        places = pattern.tocoo()
        values = rows[colours[places.col], places.row]
        return sparse.csr_array((values, (places.row, places.col)), shape=pattern.shape)

    return wrapped


def sparse_hessian(function: Callable[..., Any]) -> Callable[..., Any]:
    """The Hessian of a scalar ``f(x)`` as a scipy.sparse array in CSR form: the sparse Jacobian of the gradient.

    >>> import numpy as np, backpass as bp
    >>> bp.sparse_hessian(lambda x: np.sum(x[1:] ** 2 * x[:-1]))(np.array([1.0, 2.0, 3.0])).toarray()
    array([[0., 4., 0.],
           [4., 2., 6.],
           [0., 6., 4.]])
    """
    return sparse_jacobian(grad(function))


def _scipy_sparse() -> Any:
    try:
        import scipy.sparse
    except ImportError as error:
        raise MissingExtraError("sparse derivatives need SciPy: pip install 'backpass[scipy]'") from error
    return scipy.sparse


def _coloured(pattern: Any) -> tuple[np.ndarray, int]:
    """A colour for each column, so that columns of one colour share no row: greedily, the fullest columns first."""
    rows, columns = pattern.shape
    colours = np.full(columns, -1)
    taken: list[np.ndarray] = []
    degree = np.diff(pattern.indptr)
    for j in np.argsort(-degree, kind="stable"):
        mine = pattern.indices[pattern.indptr[j] : pattern.indptr[j + 1]]
        k = next((k for k, used in enumerate(taken) if not used[mine].any()), len(taken))
        if k == len(taken):
            taken.append(np.zeros(rows, bool))
        taken[k][mine] = True
        colours[j] = k
    return colours, len(taken)


# ---- index sets
def _bits(function: Callable[..., Any], x: Any, args: tuple[Any, ...]) -> tuple[np.ndarray, int]:
    """(words, entries of the result) of index sets, and how many inputs there are."""
    leaves, tree = flatten((x,))
    if len(leaves) != 1:
        raise ShapeError("a sparsity pattern is of one array; put the parts of a pytree into one with np.concatenate")
    call = lambda y: function(y, *args)  # noqa: E731
    body = capture(call, [leaf_aval(x)], tree, names_of(function, tree, ["x"]))
    if body.result.size != 1:
        raise ShapeError("a sparsity pattern is of a function with one result")
    size = int(np.prod(shape_of(x)))
    words = -(-size // WORD) or 1
    start = np.zeros((words, size), np.uint64)
    start[np.arange(size) // WORD, np.arange(size)] = np.uint64(1) << (
        np.arange(size, dtype=np.uint64) % np.uint64(WORD)
    )
    start = start.reshape(words, *shape_of(x))
    return _propagated(body.graph, [None] * len(body.outside), start, [value_of(h) for h in body.outside]), size


def _propagated(graph: Graph, outside: list[Any], start: np.ndarray, values: list[Any]) -> np.ndarray:
    words = start.shape[0]
    sets: list[Any] = [None] * len(graph.nodes)
    known: list[Any] = [node.value if node.op is CONSTANT else None for node in graph.nodes]
    for position, bits in zip(graph.inputs, [*outside, start], strict=True):
        sets[position] = bits
    for position, value in zip(graph.inputs, values, strict=False):
        known[position] = value
    last = {i: k for k, node in enumerate(graph.nodes) for i in node.inputs}
    for k, node in enumerate(graph.nodes):
        if node.op.kind is Kind.SOURCE:
            continue
        mine = [sets[i] for i in node.inputs]
        if any(m is not None for m in mine) and node.op.kind is not Kind.DISCRETE:
            avals = [graph.nodes[i].aval for i in node.inputs]
            sets[k] = _through(node, mine, avals, [known[i] for i in node.inputs], words)
        elif all(known[i] is not None for i in node.inputs) and node.op.kind is not Kind.CONTROL:
            with np.errstate(all="ignore"):
                known[k] = node.op.run(*[known[i] for i in node.inputs], **node.attrs)
        for i in node.inputs:
            if last[i] == k and i not in graph.outputs:
                sets[i] = None
    found = sets[graph.outputs[0]]
    return np.zeros((words, *graph.nodes[graph.outputs[0]].shape), np.uint64) if found is None else found


_MOVES = ("alias", "cast", "reshape", "transpose", "broadcast_to", "slice", "unslice", "gather", "concatenate")
"""Each entry of the result is one entry of an argument, or zero."""


def _through(node: Any, sets: list[Any], avals: list[Aval], known: list[Any], words: int) -> np.ndarray:
    op, attrs = node.op, node.attrs
    shape = (words, *node.shape)
    if op.kind is Kind.POINTWISE or op.name in ("linspace", "cross"):
        total = np.zeros(shape, np.uint64)
        for bits, aval in zip(sets, avals, strict=True):
            if bits is not None:
                if op.name == "cross":  # an entry of a × b has the two others of either
                    bits = np.roll(bits, 1, axis=-1) | np.roll(bits, 2, axis=-1)
                total |= bits.reshape(words, *[1] * (len(node.shape) - aval.ndim), *aval.shape)
        return total
    if op.name in _MOVES and not (op.name == "gather" and any(v is None for v in known[1:])):
        flags = [b is not None for b in sets]
        plain = [
            b if b is not None else v if a.dtype.kind in "iub" and v is not None else np.zeros(a.shape, np.uint64)
            for b, a, v in zip(sets, avals, known, strict=True)
        ]
        if op.name == "cast":
            return plain[0]
        return rule_of(op)(op, plain, flags, avals, attrs, words)
    if op.kind is Kind.REDUCTION or op.name == "sum":
        axes = tuple([a + 1 for a in attrs["axis"]])
        return np.bitwise_or.reduce(sets[0], axis=axes, keepdims=attrs["keepdims"]).reshape(shape)
    if op.name == "trace":
        return np.bitwise_or.reduce(sets[0].diagonal(0, -2, -1), axis=-1)
    if op.name in ("cumsum", "cumprod"):
        return np.bitwise_or.accumulate(sets[0], axis=attrs["axis"] + 1)
    if op.name == "scatter_add" and all(v is not None for v in known[1:]):
        total = np.zeros(shape, np.uint64)
        indices = iter(known[1:])
        key = tuple([next(indices) if isinstance(part, str) else part for part in attrs["key"]])
        for w in range(words):
            np.bitwise_or.at(total[w], key, sets[0][w])
        return total
    if op.name == "matmul" and avals[0].ndim <= 2 and avals[1].ndim <= 2:
        return _product(sets, avals, known, shape)
    everything = np.zeros(words, np.uint64)
    for bits in sets:
        if bits is not None:
            everything |= np.bitwise_or.reduce(bits.reshape(words, -1), axis=1)
    return np.broadcast_to(everything.reshape(words, *[1] * len(node.shape)), shape).copy()


def _product(sets: list[Any], avals: list[Aval], known: list[Any], shape: tuple[int, ...]) -> np.ndarray:
    """A @ B: an entry depends on what its row of A and its column of B depend on, where the other factor is not 0."""
    words = shape[0]
    a_shape = avals[0].shape if avals[0].ndim == 2 else (1, *avals[0].shape)
    b_shape = avals[1].shape if avals[1].ndim == 2 else (*avals[1].shape, 1)
    total = np.zeros((words, a_shape[0], b_shape[1]), np.uint64)
    for bits, other, left in ((sets[0], known[1], True), (sets[1], known[0], False)):
        if bits is None:
            continue
        bits = bits.reshape(words, *(a_shape if left else b_shape))
        there = np.ones(b_shape if left else a_shape, bool)
        if other is not None:
            there = np.asarray(other).reshape(there.shape) != 0
        for k in range(a_shape[1]):
            mask = there[k] if left else there[:, k]
            where = np.flatnonzero(mask)
            if left:
                total[:, :, where] |= bits[:, :, k, None]
            else:
                total[:, where, :] |= bits[:, None, k, :]
    return total.reshape(shape)


__all__ = ["sparse_hessian", "sparse_jacobian", "sparsity"]
