"""`vmap`: a function of one example as a function of a batch, without a Python loop.

The function is traced once, on the types of one example, and its lines are run on whole batches: each operation says by
its kind what a further axis in front means to it. Pointwise operations broadcast, reductions and whatever names an axis
count one further, matrix factorisations take leading axes as they are; loops and branches have batched bodies. An
operation without a rule runs once for each example, and the results are stacked.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from backpass.graph import messages
from backpass.graph.aval import Aval
from backpass.graph.bundle import Bundle
from backpass.graph.capture import at_hand, capture, input_avals, leaf_aval
from backpass.graph.errors import ShapeError
from backpass.graph.op import FUNCTIONS, OPS, Kind, Op
from backpass.graph.origin import state
from backpass.graph.program import Graph
from backpass.graph.pytree import LEAF, Tree, flatten
from backpass.graph.traced import Traced
from backpass.partials.control import CHECKPOINT, COND, SCAN, WHILE, items
from backpass.partials.declare import as_array, dtype_of, is_staged, shape_of, value_of
from backpass.partials.indexing import GATHER, SCATTER_ADD, gathered_shape, shape_after

from .loops import names_of

Flags = tuple[Any, ...]
"""For each value: does it have the batch's axis in front? For a bundle, a tuple with one answer for each part."""
Rule = Callable[..., Any]


def vmap(function: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Callable[..., Any]:
    """The function over a batch: each argument's axis `in_axes` counts the examples, None is the same for all of them.

    Args:
        function: of one example. It is traced on types, so Python's `if` on its values is refused as in `bp.compile`.
        in_axes: an axis, None, or one of them for each argument; for a pytree also a pytree of them.
        out_axes: where the batch's axis stands in the results, likewise.

    Nests with `grad`, `jvp`, `vmap` and the rest. The gradient of each example in one go:

    >>> import numpy as np, backpass as bp
    >>> loss = lambda w, x, y: (x @ w - y) ** 2
    >>> x, y = np.array([[1.0, 2.0], [3.0, 1.0], [1.0, 1.0]]), np.zeros(3)
    >>> bp.vmap(bp.grad(loss), in_axes=(None, 0, 0))(np.array([1.0, 1.0]), x, y)
    array([[ 6., 12.],
           [24.,  8.],
           [ 4.,  4.]])
    """

    @functools.wraps(function)
    def wrapped(*args: Any) -> Any:
        leaves, tree = flatten(args)
        axes = _axes_of(in_axes, tree, "in_axes")
        names = names_of(function, tree, [f"x{k}" for k in range(len(args))])
        size = _size(leaves, axes, names)
        dynamic = [
            axis is not None or isinstance(x, (Traced, np.ndarray, np.generic)) or type(x) in (float, complex)
            for x, axis in zip(leaves, axes, strict=True)
        ]

        @functools.wraps(function)
        def inner(*handles: Any) -> Any:
            rest = iter(handles)
            return function(*tree.unflatten([next(rest) if d else x for x, d in zip(leaves, dynamic, strict=True)]))

        given = [(x, a) for x, a, d in zip(leaves, axes, dynamic, strict=True) if d]
        values = [x if a is None else np.moveaxis(as_array(x), a, 0) for x, a in given]
        avals = [
            leaf_aval(v) if a is None else Aval(shape_of(v)[1:], dtype_of(v))
            for v, (_, a) in zip(values, given, strict=True)
        ]
        flat = Tree(tuple, len(given), (LEAF,) * len(given))
        told = [n for n, d in zip(names, dynamic, strict=True) if d]
        body = capture(inner, avals, flat, told)
        flags = (*[False] * len(body.outside), *[a is not None for _, a in given])
        outs, batched = batched_run(body.graph, [*at_hand(body.outside), *values], flags, size)
        results = []
        for out, flag, axis in zip(outs, batched, _axes_of(out_axes, body.result, "out_axes"), strict=True):
            if axis is None:
                if flag:
                    raise ShapeError("out_axes=None for a result that differs from example to example")
                results.append(out)
                continue
            out = lifted(out, flag, size)
            results.append(np.moveaxis(out, 0, axis) if axis else out)
        return body.result.unflatten(results)

    return wrapped


def _axes_of(axes: Any, tree: Tree, what: str) -> list[int | None]:
    """One axis for each leaf of the tree."""
    if axes is None or isinstance(axes, (int, np.integer)):
        return [None if axes is None else int(axes)] * tree.size
    keys: Any = tree.meta if isinstance(axes, dict) else range(len(tree.children))
    if tree.kind == "leaf" or len(axes) != len(tree.children) or (isinstance(axes, dict) and set(axes) != set(keys)):
        raise ShapeError(f"{what}={axes!r} does not fit the structure {tree!r}")
    return [a for key, child in zip(keys, tree.children, strict=True) for a in _axes_of(axes[key], child, what)]


def _size(leaves: list[Any], axes: list[int | None], names: list[str]) -> int:
    found: dict[int, str] = {}
    for leaf, axis, name in zip(leaves, axes, names, strict=True):
        if axis is None:
            continue
        shape = shape_of(leaf)
        if not -len(shape) <= axis < len(shape):
            raise ShapeError(f"vmap: {messages.described(leaf, name)} has no axis {axis}")
        found.setdefault(shape[axis], messages.described(leaf, name))
    if not found:
        raise ShapeError("vmap: no argument has a batch axis; in_axes is None for all of them")
    if len(found) > 1:
        told = "\n".join(f"    {n} examples in {what}" for n, what in found.items())
        raise ShapeError(f"vmap: the arguments differ in their number of examples:\n{told}")
    return next(iter(found))


# ---- running lines on batches
def batched_run(graph: Graph, leaves: list[Any], flags: Flags, size: int) -> tuple[list[Any], list[Any]]:
    """(outputs, which of them have the batch's axis): a graph's lines run on batches."""
    values: list[Any] = [node.value for node in graph.nodes]
    marks: list[Any] = [False] * len(values)
    for position, leaf, flag in zip(graph.inputs, leaves, flags, strict=True):
        values[position], marks[position] = leaf, flag
    before = state.origin
    try:
        for k, node in enumerate(graph.nodes):
            op = node.op
            if op.kind is Kind.SOURCE:
                continue
            state.origin = node.origin or before
            args = [values[i] for i in node.inputs]
            mine = [marks[i] for i in node.inputs]
            if not any(map(_any, mine)):
                values[k] = op(*args, **node.attrs)
                continue
            if op.kind is Kind.CONTROL:
                values[k], marks[k] = _CONTROL.get(op, _bundles_one_by_one)(op, args, mine, node.attrs, size)
                continue
            if op.name in ("item", "item_discrete"):
                values[k], marks[k] = op(*args, **node.attrs), mine[0][node.attrs["k"]]
                continue
            avals = [graph.nodes[i].aval for i in node.inputs]
            value = rule_of(op)(op, args, mine, avals, node.attrs, size)
            if dtype_of(value) != node.dtype:
                value = value.astype(node.dtype)  # a number that promoted weakly is an array here
            values[k], marks[k] = value, True
    finally:
        state.origin = before
    return [values[i] for i in graph.outputs], [marks[i] for i in graph.outputs]


def _any(flag: Any) -> bool:
    return any(flag) if isinstance(flag, tuple) else flag


def lifted(x: Any, flag: Any, size: int) -> Any:
    """The value with the batch's axis in front."""
    return x if flag else np.broadcast_to(x, (size, *shape_of(x)))


def _widened(x: Any, flag: Any, ndim: int, have: int) -> Any:
    """Axes of length 1 behind the batch's, so that one example's value has `ndim` axes."""
    if not flag or have == ndim:
        return x
    shape = shape_of(x)
    return np.reshape(x, (shape[0], *[1] * (ndim - have), *shape[1:]))


def _pointwise(op: Op, args: Any, flags: Any, avals: list[Aval], attrs: dict[str, Any], size: int) -> Any:
    ndim = max(a.ndim for a in avals)
    return op(*[_widened(x, f, ndim, a.ndim) for x, f, a in zip(args, flags, avals, strict=True)], **attrs)


def _along_axis(op: Op, args: Any, flags: Any, avals: list[Aval], attrs: dict[str, Any], size: int) -> Any:
    axis = attrs["axis"]
    if "by_dot" in attrs:  # a dot product of one vector is a sum over an axis of many
        attrs = {k: v for k, v in attrs.items() if k != "by_dot"}
    further = tuple([a + 1 for a in axis]) if isinstance(axis, tuple) else axis + 1
    return op(*[lifted(x, f, size) for x, f in zip(args, flags, strict=True)], **{**attrs, "axis": further})


def _leading_axes(op: Op, args: Any, flags: Any, avals: list[Aval], attrs: dict[str, Any], size: int) -> Any:
    return _pointwise(op, args, flags, avals, attrs, size)


def _one_by_one(op: Op, args: Any, flags: Any, avals: list[Aval], attrs: dict[str, Any], size: int) -> Any:
    if size == 0:
        result = op.aval(*avals, **attrs)
        return np.zeros((0, *result.shape), result.dtype)
    return np.stack([op(*[x[i] if f else x for x, f in zip(args, flags, strict=True)], **attrs) for i in range(size)])


def _reshape(op: Op, args: Any, flags: Any, avals: Any, attrs: dict[str, Any], size: int) -> Any:
    return op(args[0], shape=(size, *attrs["shape"]))


def _transpose(op: Op, args: Any, flags: Any, avals: Any, attrs: dict[str, Any], size: int) -> Any:
    return op(args[0], axes=(0, *[a + 1 for a in attrs["axes"]]))


def _broadcast(op: Op, args: Any, flags: Any, avals: list[Aval], attrs: dict[str, Any], size: int) -> Any:
    shape = attrs["shape"]
    return op(_widened(args[0], True, len(shape), avals[0].ndim), shape=(size, *shape))


def _slice(op: Op, args: Any, flags: Any, avals: Any, attrs: dict[str, Any], size: int) -> Any:
    return op(args[0], key=(slice(None), *attrs["key"]))


def _unslice(op: Op, args: Any, flags: Any, avals: Any, attrs: dict[str, Any], size: int) -> Any:
    return op(args[0], shape=(size, *attrs["shape"]), key=(slice(None), *attrs["key"]))


class _Indexed:
    """Where the axes that index arrays make stand in an indexed array, by NumPy's rules."""

    def __init__(self, key: tuple[Any, ...], ndim: int, indices: list[Aval]):
        self.axes = max(a.ndim for a in indices)
        places = [k for k, part in enumerate(key) if isinstance(part, (int, str))]
        self.adjacent = places[-1] - places[0] + 1 == len(places)
        used = sum(1 for part in key if part is not None and part is not Ellipsis)
        before = key[: places[0]]
        self.start = sum(ndim - used if part is Ellipsis else 1 for part in before) if self.adjacent else 0

    def moved(self, x: Any, back: bool) -> Any:
        """(batch, index axes, rest) to and from the order of the unbatched array behind the batch's axis."""
        front = tuple(range(1, 1 + self.axes))
        inside = tuple(range(1 + self.start, 1 + self.start + self.axes))
        return x if self.start == 0 else np.moveaxis(x, inside, front) if back else np.moveaxis(x, front, inside)


def _index_arrays(indices: Any, flags: Any, avals: Any, axes: int) -> list[Any]:
    return [_widened(x, f, axes, a.ndim) for x, f, a in zip(indices, flags, avals, strict=True)]


def _counter(size: int, axes: int) -> Any:
    return np.arange(size).reshape((size, *[1] * axes))


def _gather(op: Op, args: Any, flags: Any, avals: list[Aval], attrs: dict[str, Any], size: int) -> Any:
    key = attrs["key"]
    at = _Indexed(key, avals[0].ndim, avals[1:])
    indices = _index_arrays(args[1:], flags[1:], avals[1:], at.axes)
    if not any(flags[1:]):
        found = GATHER(args[0], *indices, key=(slice(None), *key))
        return found if at.adjacent else np.moveaxis(found, at.axes, 0)
    if not flags[0]:
        return np.moveaxis(GATHER(args[0], *indices, key=key), at.start, 0)
    found = GATHER(args[0], _counter(size, at.axes), *indices, key=("index", *key))
    return at.moved(found, back=False)


def _scatter_add(op: Op, args: Any, flags: Any, avals: list[Aval], attrs: dict[str, Any], size: int) -> Any:
    key, shape = attrs["key"], attrs["shape"]
    at = _Indexed(key, len(shape), avals[1:])
    g = lifted(args[0], flags[0], size)
    indices = _index_arrays(args[1:], flags[1:], avals[1:], at.axes)
    if not any(flags[1:]):
        g = g if at.adjacent else np.moveaxis(g, 0, at.axes)
        return SCATTER_ADD(g, *indices, shape=(size, *shape), key=(slice(None), *key))
    g = at.moved(g, back=True)
    return SCATTER_ADD(g, _counter(size, at.axes), *indices, shape=(size, *shape), key=("index", *key))


def _slot(value: Any, flag: Any, have: Aval, ndim: int, size: int) -> Any:
    """A written value against the entries that it is written to, which have so many axes behind the batch's."""
    return _widened(lifted(value, flag, size), True, ndim, have.ndim)


def _setitem(op: Op, args: Any, flags: Any, avals: list[Aval], attrs: dict[str, Any], size: int) -> Any:
    values = [
        _slot(v, f, a, len(shape_after(avals[0].shape, key)), size)
        for v, f, a, key in zip(args[1:], flags[1:], avals[1:], attrs["keys"], strict=True)
    ]
    keys = tuple([(slice(None), *key) for key in attrs["keys"]])
    return op(lifted(args[0], flags[0], size), *values, keys=keys)


def _write_at(op: Op, args: Any, flags: Any, avals: list[Aval], attrs: dict[str, Any], size: int) -> Any:
    x, key = lifted(args[0], flags[0], size), attrs["key"]
    if len(args) == 2:
        value = _slot(args[1], flags[1], avals[1], len(shape_after(avals[0].shape, key)), size)
        return op(x, value, key=(slice(None), *key))
    at = _Indexed(key, avals[0].ndim, avals[2:])
    indices = _index_arrays(args[2:], flags[2:], avals[2:], at.axes)
    whole = gathered_shape(avals[0], *avals[2:], key=key)
    value = np.broadcast_to(_slot(args[1], flags[1], avals[1], len(whole), size), (size, *whole))
    if not any(flags[2:]):
        value = value if at.adjacent else np.moveaxis(value, 0, at.axes)
        return op(x, value, *indices, key=(slice(None), *key))
    return op(x, at.moved(value, back=True), _counter(size, at.axes), *indices, key=("index", *key))


def _matmul(op: Op, args: Any, flags: Any, avals: list[Aval], attrs: dict[str, Any], size: int) -> Any:
    (a, b), (n, m) = args, [x.ndim for x in avals]
    if n == 1 and not flags[1] and m <= 2:
        return op(a, b)
    if m == 1 and not flags[0] and n <= 2:
        return op(b, a if n == 1 else np.swapaxes(a, -1, -2))
    if n == 1:
        a = np.expand_dims(a, -2)
    if m == 1:
        b = np.expand_dims(b, -1)
    ndim = max(n, m, 2)
    out = op(_widened(a, flags[0], ndim, max(n, 2)), _widened(b, flags[1], ndim, max(m, 2)))
    if n == 1:
        out = out[..., 0, :]
    return out[..., 0] if m == 1 else out


def _einsum(op: Op, args: Any, flags: Any, avals: Any, attrs: dict[str, Any], size: int) -> Any:
    inputs, output = attrs["subscripts"].split("->")
    free = next(c for c in "zyxwvutsrqponmlkjihgfedcbaZYXWVUTSRQPONMLKJIHGFEDCBA" if c not in attrs["subscripts"])
    terms = ",".join(free + t if f else t for t, f in zip(inputs.split(","), flags, strict=True))
    return op(*args, subscripts=f"{terms}->{free}{output}")


def _searchsorted(op: Op, args: Any, flags: Any, avals: list[Aval], attrs: dict[str, Any], size: int) -> Any:
    return _one_by_one(op, args, flags, avals, attrs, size) if flags[0] else op(*args, **attrs)


def _interp_piece(op: Op, args: Any, flags: Any, avals: list[Aval], attrs: dict[str, Any], size: int) -> Any:
    """Of knots that do not increase, each example's search begins anew."""
    one_call = not flags[0] and not is_staged(args[0]) and np.all(np.diff(value_of(args[0])) >= 0)
    return op(*args, **attrs) if one_call else _one_by_one(op, args, flags, avals, attrs, size)


def _linspace(op: Op, args: Any, flags: Any, avals: list[Aval], attrs: dict[str, Any], size: int) -> Any:
    """The points come first, before the axes of the ends."""
    return np.moveaxis(_pointwise(op, args, flags, avals, attrs, size), 1, 0)


def _solve_banded(op: Op, args: Any, flags: Any, avals: list[Aval], attrs: dict[str, Any], size: int) -> Any:
    """Right sides of one matrix are its columns; matrices are solved one after another."""
    if flags[0]:
        return _one_by_one(op, args, flags, avals, attrs, size)
    n, count = avals[1].shape
    columns = np.reshape(np.moveaxis(args[1], 0, 1), (n, size * count))
    return np.moveaxis(np.reshape(op(args[0], columns, **attrs), (n, size, count)), 1, 0)


def _of_one_filter(op: Op, args: Any, flags: Any, avals: list[Aval], attrs: dict[str, Any], size: int) -> Any:
    """Signals, the last argument, may have more axes; filters are taken one after another."""
    return _one_by_one(op, args, flags, avals, attrs, size) if any(flags[:-1]) else op(*args, **attrs)


def _convolve_nd(op: Op, args: Any, flags: Any, avals: list[Aval], attrs: dict[str, Any], size: int) -> Any:
    """Examples lie along an axis over which the kernel is one entry long."""
    if flags[1]:
        return _one_by_one(op, args, flags, avals, attrs, size)
    return op(args[0], np.expand_dims(args[1], 0), **attrs)


# ---- loops and branches
def batched_graph(graph: Graph, flags: Flags, size: int, forced: Flags | None = None) -> tuple[Graph, Flags]:
    """The body on batches, and which of its results have the batch's axis (those `forced` have it anyway)."""
    key = ("batched", flags, size, forced)
    if key not in graph.derived:
        told: list[Any] = []

        def make(*handles: Any) -> list[Any]:
            outs, marks = batched_run(graph, list(handles), flags, size)
            wanted = [m or f for m, f in zip(marks, forced or (False,) * len(marks), strict=True)]
            told[:] = wanted
            return [lifted(x, m, size) if w else x for x, m, w in zip(outs, marks, wanted, strict=True)]

        avals = [Aval((size, *a.shape), a.dtype) if f else a for a, f in zip(input_avals(graph), flags, strict=True)]
        flat = Tree(tuple, len(avals), (LEAF,) * len(avals))
        names = [graph.nodes[k].name or f"x{i}" for i, k in enumerate(graph.inputs)]
        made = capture(make, avals, flat, names, graph.name).graph
        graph.derived[key] = made, tuple(told)
    return graph.derived[key]


def _steady(body: Graph, outside: Flags, carry: Flags, entries: Flags, size: int) -> Flags:
    """The carry's flags when no further step changes them."""
    while True:
        found = batched_graph(body, (*outside, *carry, *entries), size)[1][: len(carry)]
        joined = tuple([bool(a or b) for a, b in zip(carry, found, strict=True)])
        if joined == carry:
            return carry
        carry = joined


def _scan(op: Op, args: Any, flags: Any, attrs: dict[str, Any], size: int) -> tuple[Any, Any]:
    c, k, counted = attrs["consts"], attrs["carry"], attrs["counted"]
    stop = len(args) - counted
    if counted and flags[-1]:
        return _scan_of_counts(op, args, flags, attrs, size)
    body, entries = attrs["body"], tuple(flags[c + k : stop])
    outside = tuple(flags[:c])
    carry = _steady(body, outside, tuple(flags[c : c + k]), entries, size)
    forced = (*carry, *[False] * (len(body.outputs) - k))
    made, marks = batched_graph(body, (*outside, *carry, *entries), size, forced)
    xs = [np.moveaxis(x, 0, 1) if f else x for x, f in zip(args[c + k : stop], entries, strict=True)]
    start = [lifted(x, f, size) if w else x for x, f, w in zip(args[c : c + k], flags[c : c + k], carry, strict=True)]
    bundle = SCAN(*args[:c], *start, *xs, *args[stop:], **{**attrs, "body": made})
    marks = (*marks, *(carry if attrs["keep"] else ()))
    found = items(bundle)
    stacked = [np.moveaxis(y, 1, 0) if m else y for y, m in zip(found[k:], marks[k:], strict=True)]
    return Bundle([*found[:k], *stacked]), marks


def _scan_of_counts(op: Op, args: Any, flags: Any, attrs: dict[str, Any], size: int) -> tuple[Any, Any]:
    """Each example has a number of steps of its own: all run as long as the longest, and the finished stand still."""
    c, k, length, body = attrs["consts"], attrs["carry"], attrs["length"], attrs["body"]
    counts = args[-1]
    types = input_avals(body)
    made, _ = batched_graph(
        body,
        (*flags[:c], *[True] * k, *flags[c + k : -1]),
        size,
        (True,) * len(body.outputs),
    )

    def make(*handles: Any) -> list[Any]:
        from backpass.graph.interpreter import replay

        count, i, rest = handles[0], handles[-1], list(handles[1:-1])
        going = i < count
        new = replay(made, rest)
        old = [*rest[c : c + k], *[0] * (len(new) - k)]
        return [np.where(_column(going, len(shape_of(x))), x, y) for x, y in zip(new, old, strict=True)]

    avals = [Aval((size,), dtype_of(counts)), *input_avals(made), Aval((), np.dtype(np.int64))]
    names = ["count", *[made.nodes[j].name or f"x{n}" for n, j in enumerate(made.inputs)], "i"]
    flat = Tree(tuple, len(avals), (LEAF,) * len(avals))
    masked = capture(make, avals, flat, names, body.name).graph
    xs = [np.moveaxis(x, 0, 1) if f else x for x, f in zip(args[c + k : -1], flags[c + k : -1], strict=True)]
    bundle = SCAN(
        counts,
        *args[:c],
        *[lifted(x, f, size) for x, f in zip(args[c : c + k], flags[c : c + k], strict=True)],
        *xs,
        np.arange(length),
        np.max(counts),
        **{**attrs, "body": masked, "consts": c + 1},
    )
    assert len(types) == len(made.inputs)
    found = items(bundle)
    return Bundle([*found[:k], *[np.moveaxis(y, 1, 0) for y in found[k:]]]), (True,) * len(found)


def _column(mask: Any, ndim: int) -> Any:
    return np.reshape(mask, (*shape_of(mask), *[1] * (ndim - 1))) if ndim > 1 else mask


def _while(op: Op, args: Any, flags: Any, attrs: dict[str, Any], size: int) -> tuple[Any, Any]:
    from backpass.graph.interpreter import replay

    t, c, test, body = attrs["tests"], attrs["consts"], attrs["test"], attrs["body"]
    outer, inner = tuple(flags[:t]), tuple(flags[t : t + c])
    given = flags[t + c :]
    k = len(given)
    carry = _steady(body, inner, tuple(given), (), size)
    differs = batched_graph(test, (*outer, *carry), size)[1][0]
    if not differs:
        made = batched_graph(body, (*inner, *carry), size, carry)[0]
        asked = batched_graph(test, (*outer, *carry), size)[0]
        start = [lifted(x, f, size) if w else x for x, f, w in zip(args[t + c :], given, carry, strict=True)]
        found = items(WHILE(*args[: t + c], *start, **{**attrs, "test": asked, "body": made}))
        marks = (*carry, False, *(carry if attrs["keep"] else ()))
        kept = [np.moveaxis(y, 1, 0) if m else y for y, m in zip(found[k + 1 :], marks[k + 1 :], strict=True)]
        return Bundle([*found[: k + 1], *kept]), marks
    # Examples end at different steps: those that are done stand still, each with a count of its own steps.
    every = (True,) * k
    asked = batched_graph(test, (*outer, *every), size, (True,))[0]
    made = batched_graph(body, (*inner, *every), size, every)[0]
    types = [Aval((size,), np.dtype(np.int64)), *input_avals(made)[c:]]
    names = ["steps", *[asked.nodes[j].name or "x" for j in asked.inputs[t:]]]
    first = input_avals(asked)[:t]
    any_left = capture(
        lambda *h: np.any(replay(asked, [*h[:t], *h[t + 1 :]])[0]),
        [*first, *types],
        Tree(tuple, t + k + 1, (LEAF,) * (t + k + 1)),
        [*[f"a{j}" for j in range(t)], *names],
        test.name,
    ).graph

    def onward(*h: Any) -> list[Any]:
        outside, inside, steps, old = h[:t], h[t : t + c], h[t + c], h[t + c + 1 :]
        going = replay(asked, [*outside, *old])[0]
        new = replay(made, [*inside, *old])
        moved = [np.where(_column(going, len(shape_of(x))), x, y) for x, y in zip(new, old, strict=True)]
        return [steps + going, *moved]

    total = t + c + k + 1
    stepped = capture(
        onward,
        [*first, *input_avals(made)[:c], *types],
        Tree(tuple, total, (LEAF,) * total),
        [*[f"a{j}" for j in range(t)], *[f"b{j}" for j in range(c)], *names],
        body.name,
    ).graph
    start = [lifted(x, f, size) for x, f in zip(args[t + c :], given, strict=True)]
    bundle = WHILE(
        *args[:t],
        *args[: t + c],
        np.zeros(size, np.int64),
        *start,
        **{**attrs, "test": any_left, "body": stepped, "consts": t + c},
    )
    found = items(bundle)
    kept = [np.moveaxis(y, 1, 0) for y in found[k + 3 :]]
    return Bundle([*found[1 : k + 1], found[0], *kept]), (True,) * (k + 1 + len(kept))


def _cond(op: Op, args: Any, flags: Any, attrs: dict[str, Any], size: int) -> tuple[Any, Any]:
    branches = attrs["branches"]
    if not flags[0]:
        marks = [batched_graph(branch, tuple(flags[1:]), size)[1] for branch in branches]
        forced = tuple([any(column) for column in zip(*marks, strict=True)])
        made = tuple([batched_graph(branch, tuple(flags[1:]), size, forced)[0] for branch in branches])
        return Bundle(items(COND(*args, branches=made))), forced
    index = np.clip(args[0].astype(np.int64), 0, len(branches) - 1)
    total: list[Any] = []
    for k, branch in enumerate(branches):
        outs, marks = batched_run(branch, list(args[1:]), tuple(flags[1:]), size)
        outs = [lifted(x, m, size) for x, m in zip(outs, marks, strict=True)]
        here = [_column(index == k, len(shape_of(x))) for x in outs]
        total = outs if k == 0 else [np.where(h, x, y) for h, x, y in zip(here, outs, total, strict=True)]
    return Bundle(total), (True,) * len(total)


def _checkpoint(op: Op, args: Any, flags: Any, attrs: dict[str, Any], size: int) -> tuple[Any, Any]:
    made, marks = batched_graph(attrs["body"], tuple(flags), size)
    return Bundle(items(CHECKPOINT(*args, body=made))), marks


def _bundles_one_by_one(op: Op, args: Any, flags: Any, attrs: dict[str, Any], size: int) -> tuple[Any, Any]:
    """A control operation without a rule: once for each example."""
    runs = [items(op(*[x[i] if f else x for x, f in zip(args, flags, strict=True)], **attrs)) for i in range(size)]
    parts = [np.stack(column) for column in zip(*runs, strict=True)]
    return Bundle(parts), (True,) * len(parts)


_CONTROL: dict[Op, Rule] = {SCAN: _scan, WHILE: _while, COND: _cond, CHECKPOINT: _checkpoint}

_RULES: dict[str, Rule] = {
    "reshape": _reshape,
    "transpose": _transpose,
    "broadcast_to": _broadcast,
    "slice": _slice,
    "unslice": _unslice,
    "gather": _gather,
    "scatter_add": _scatter_add,
    "setitem": _setitem,
    "put": _write_at,
    "add_at": _write_at,
    "matmul": _matmul,
    "einsum": _einsum,
    "vecdot": _leading_axes,
    "cross": _leading_axes,
    "trace": _leading_axes,
    "linspace": _linspace,
    "searchsorted": _searchsorted,
    "interp_piece": _interp_piece,
    "solve_banded": _solve_banded,
    "lfilter": _of_one_filter,
    "upfirdn": _of_one_filter,
    "convolve_nd": _convolve_nd,
}
_ENTRY_BY_ENTRY = ("alias", "cast", "cast_discrete", "round", "stop_gradient", "real", "imag", "conjugate")
_LEADING = (
    *("solve", "inv", "det", "cofactors", "logabsdet", "signdet", "phasedet", "cholesky"),
    *("eigh", "eigvalsh", "eig", "eigvals"),
    *("svd", "svdvals", "pinv", "qr", "solve_triangular"),
)


@functools.cache
def rule_of(op: Op) -> Rule:
    """What a further axis in front means to the operation."""
    if op.name in _RULES:
        return _RULES[op.name]
    if op.kind is Kind.POINTWISE or op.name in _ENTRY_BY_ENTRY:
        return _pointwise
    if op.name in _LEADING:
        return _leading_axes
    if op.kind is Kind.REDUCTION or op.name in _NAMES_ITS_AXIS:
        return _along_axis
    if op.kind is Kind.DISCRETE and isinstance(op.run, np.ufunc):
        return _pointwise
    return _one_by_one


_NAMES_ITS_AXIS = (
    *("sum", "any", "all", "argmax", "argmin", "lead", "argsort", "cumsum", "cumprod", "recurrence", "concatenate"),
    *("fft", "ifft", "rfft", "irfft", "dct", "dst", "spline_filter"),
)


def batching() -> dict[str, str]:
    """How each operation of the registry is batched: by a rule, or one example after another."""
    FUNCTIONS["families"]()
    told = {}
    for name, op in OPS.items():
        if op.kind is Kind.SOURCE or name in ("item", "item_discrete"):
            continue
        ruled = op in _CONTROL if op.kind is Kind.CONTROL else rule_of(op) is not _one_by_one
        told[name] = "one call" if ruled else "one by one"
    return told


__all__ = ["batched_graph", "batched_run", "batching", "lifted", "rule_of", "vmap"]
