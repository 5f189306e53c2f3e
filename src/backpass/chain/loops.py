"""The verbs of control: scan, map, fori_loop, while_loop, cond, switch, checkpoint.

Under `bp.compile` a Python loop would be unrolled and a Python `if` on a value is refused; these record the loop or the
branch itself. They have derivatives of both modes and any order, and work without a trace too.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backpass.graph import messages
from backpass.graph.aval import Aval, aval_of
from backpass.graph.bundle import Bundle
from backpass.graph.capture import Captured, at_hand, capture, leaf_aval, merged
from backpass.graph.errors import DtypeError, ShapeError, TracingError
from backpass.graph.origin import here
from backpass.graph.pytree import Tree, flatten
from backpass.graph.staging import inspect_unwrapped
from backpass.graph.traced import Traced, recorded
from backpass.partials.control import CHECKPOINT, COND, SCAN, WHILE, items, while_steps
from backpass.partials.declare import shape_of


def scan(
    f: Callable[..., Any],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    checkpoint: int | str | None = None,
) -> tuple[Any, Any]:
    """A loop with a carry: ``carry, y = f(carry, x)`` for each x in `xs`, with the ys stacked.

    Args:
        f: ``f(carry, x)`` returns ``(carry, y)``, the carry with the structure, shapes and dtypes that it came with; y
            is any pytree, or None. Traced once.
        init: the first carry, a pytree of arrays and numbers.
        xs: a pytree of arrays with one common first axis, the steps; None with `length`.
        length: the number of steps, needed where `xs` is None.
        reverse: from the last x to the first; each y stays at its x's place.
        checkpoint: store the carry only at every k-th step for the backward pass, and run each stretch again in it:
            memory n/k + k carries instead of n, time one more forward pass. ``"sqrt"`` is k = ⌈√n⌉, so 2√n carries
            (Griewank & Walther 2000; Chen et al. 2016).

    Returns:
        ``(carry, ys)``.

    Raises:
        ShapeError: the carry changes its type, or lengths differ.

    >>> import numpy as np, backpass as bp
    >>> bp.scan(lambda c, x: (c + x, c * x), 0.0, np.array([1.0, 2.0, 3.0]))
    (np.float64(6.0), array([0., 2., 9.]))
    """
    xs_leaves, xs_tree = flatten(xs)
    length = _length(xs_leaves, xs_tree, length)
    if checkpoint is not None and length > 0:
        k = math.isqrt(length - 1) + 1 if checkpoint == "sqrt" else checkpoint
        if isinstance(k, str) or k < 1:
            raise ValueError(f"checkpoint is a number of steps or 'sqrt', not {checkpoint!r}")
        return _in_stretches(f, init, xs_leaves, xs_tree, length, reverse, int(k))
    entries = [_entry(leaf_aval(x)) for x in xs_leaves]
    first, init_tree = flatten(init)
    body, first = _body_of(f, first, init_tree, entries, xs_tree)
    carry = len(first)
    y_tree = _pair(f, body)[1]
    outside = at_hand(body.outside)
    result = items(
        SCAN(
            *outside,
            *first,
            *xs_leaves,
            body=body.graph,
            consts=len(body.outside),
            carry=carry,
            length=length,
            reverse=bool(reverse),
            keep=any(type(x) is Traced for x in (*outside, *first, *xs_leaves)),
            counted=False,
        )
    )
    return init_tree.unflatten(result[:carry]), y_tree.unflatten(result[carry : carry + y_tree.size])


def _length(leaves: list[Any], tree: Tree, length: int | None) -> int:
    for leaf, path in zip(leaves, tree.paths, strict=True):
        shape = shape_of(leaf)
        if not shape:
            raise ShapeError(
                f"xs{'.' if path else ''}{path} is {messages.described(leaf)}: it has no axis to loop over"
            )
        if length is not None and shape[0] != length:
            raise ShapeError(
                f"xs{'.' if path else ''}{path} is {messages.described(leaf)}, of {shape[0]} steps; "
                f"the others, or length=, have {length}\n{messages.place()}"
            )
        length = shape[0]
    if length is None:
        raise TypeError("scan needs xs or length=: how many steps?")
    return int(length)


def _entry(aval: Aval) -> Aval:
    return Aval(aval.shape[1:], aval.dtype)


def names_of(f: Any, tree: Tree, fallback: Sequence[str]) -> list[str]:
    """What the body's arguments are called: its own parameters' names, with the paths of nests."""
    code = getattr(inspect_unwrapped(f), "__code__", None)
    told = list(code.co_varnames[: code.co_argcount]) if code is not None else []
    out = []
    for k, argument in enumerate(tree.children):
        name = told[k] if k < len(told) else fallback[k]
        out += [f"{name}.{path}" if path else name for path in argument.paths]
    return out


def _body_of(
    f: Callable[..., Any], first: list[Any], carry: Tree, entries: list[Aval], xs: Tree, of_pair: bool = True
) -> tuple[Captured, list[Any]]:
    """The traced body and the first carry; a Python number in the carry takes the dtype that the body gives it."""
    tree = Tree(tuple, 2, (carry, xs)) if of_pair else Tree(tuple, 1, (carry,))
    names = names_of(f, tree, ("carry", "x"))
    avals = [leaf_aval(leaf) for leaf in first]
    weak = [a.weak for a in avals]
    for _ in range(3):
        body = capture(f, [*[a._replace(weak=False) for a in avals], *entries], tree, names)
        found = _pair(f, body)[0] if of_pair else body.result
        if found != carry:
            raise ShapeError(
                f"{_called(f)} was given the carry {carry!r} and returned {found!r}: "
                "the carry must keep its structure, so that the next step can take it."
            )
        out = [body.graph.nodes[k].aval for k in body.graph.outputs[: len(avals)]]
        wrong = [k for k, (a, b) in enumerate(zip(avals, out, strict=True)) if a[:2] != b[:2]]
        if not wrong:
            return body, [_typed(leaf, a) for leaf, a in zip(first, avals, strict=True)]
        if any(not weak[k] or out[k].shape for k in wrong):
            k = next(k for k in wrong if not weak[k] or out[k].shape)
            raise ShapeError(
                f"{_called(f)} was given {names[k]} as {avals[k]!r} and returned it as {out[k]!r}: "
                f"the carry must keep its shape and dtype.\n  Start it as such, for instance "
                f"np.zeros({out[k].shape}, {out[k].dtype.name!r}), or cast with .astype({avals[k].dtype.name!r}) "
                f"in the body."
            )
        avals = [b._replace(weak=False) if k in wrong else a for k, (a, b) in enumerate(zip(avals, out, strict=True))]
    raise ShapeError(f"{_called(f)} gives its carry another dtype each time: start it with an array of a fixed dtype")


def _typed(leaf: Any, aval: Aval) -> Any:
    """The leaf as an array of the carry's dtype."""
    if type(leaf) is not Traced:
        return np.asarray(leaf, aval.dtype)[()]
    return leaf.astype(aval.dtype) if leaf.dtype != aval.dtype else np.positive(leaf) if leaf.node.aval.weak else leaf


def _called(f: Any) -> str:
    return f"the body {getattr(f, '__name__', 'function')}"


def _pair(f: Any, body: Captured) -> tuple[Tree, Tree]:
    tree = body.result
    if tree.kind is not tuple or len(tree.children) != 2:
        raise TracingError(f"{_called(f)} must return a pair (carry, y); y may be None. It returned {tree!r}")
    return tree.children[0], tree.children[1]


def _in_stretches(
    f: Callable[..., Any], init: Any, leaves: list[Any], tree: Tree, length: int, reverse: bool, k: int
) -> tuple[Any, Any]:
    """A scan of scans: each step of the outer one is k of the inner, whose carries only its own backward step sees."""
    whole = length // k
    rest = length - whole * k

    def stretch(carry: Any, x: Any) -> Any:
        return scan(f, carry, x, k, reverse)

    name = getattr(f, "__name__", "body")
    stretch.__name__ = f"stretch of {name}"
    at = (rest, length) if reverse else (0, whole * k)
    folded = [np.reshape(x[at[0] : at[1]], (whole, k, *shape_of(x)[1:])) for x in leaves]
    left = tree.unflatten([x[:rest] if reverse else x[whole * k :] for x in leaves])
    carry, ys = scan(stretch, init, tree.unflatten(folded), whole, reverse)
    parts, y_tree = flatten(ys)
    parts = [np.reshape(y, (whole * k, *shape_of(y)[2:])) for y in parts]
    if rest:
        carry, more = scan(f, carry, left, rest, reverse)
        ends = flatten(more)[0]
        parts = [np.concatenate([e, y] if reverse else [y, e]) for y, e in zip(parts, ends, strict=True)]
    return carry, y_tree.unflatten(parts)


def map(f: Callable[..., Any], xs: Any) -> Any:
    """f of each entry along the first axis of `xs` (a pytree of arrays), one after another, the results stacked.

    `bp.vmap` gives the same with one call for all entries: faster, and all at once in memory.

    >>> import numpy as np, backpass as bp
    >>> bp.map(lambda x: np.sum(x ** 2), np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([ 5., 25.])
    """

    @functools.wraps(f)
    def step(carry: Any, x: Any) -> Any:
        return None, f(x)

    return scan(step, None, xs)[1]


def fori_loop(
    lower: Any, upper: Any, body: Callable[..., Any], init: Any, max_steps: int | None = None, checkpoint: Any = None
) -> Any:
    """``carry = body(i, carry)`` for i from `lower` to `upper` − 1; the last carry.

    Bounds that are Python ints make a `scan` (`checkpoint` as there); traced ones a `while_loop`, whose reverse mode
    needs `max_steps` in a compiled function.

    >>> import backpass as bp
    >>> bp.grad(lambda x: bp.fori_loop(0, 5, lambda i, p: p * x, 1.0))(2.0)
    80.0
    """
    if isinstance(lower, (int, np.integer)) and isinstance(upper, (int, np.integer)):

        @functools.wraps(body)
        def step(carry: Any, i: Any) -> Any:
            return body(i, carry), None

        return scan(step, init, np.arange(lower, max(upper, lower)), checkpoint=checkpoint)[0]

    def going(carry: Any) -> Any:
        return carry[0] < upper

    @functools.wraps(body)
    def onward(carry: Any) -> Any:
        i, inner = carry
        return i + 1, body(i, inner)

    start = lower if type(lower) is Traced else np.int64(lower)
    return while_loop(going, onward, (start, init), max_steps)[1]


def while_loop(test: Callable[..., Any], body: Callable[..., Any], init: Any, max_steps: int | None = None) -> Any:
    """``carry = body(carry)`` as long as ``test(carry)`` holds; the last carry.

    Forward mode always works. Reverse mode reads the carries of all steps again. Under `bp.grad` their number is known
    when the loop has run. In a compiled function it is not: there each step of the backward pass runs the loop again up
    to its carry, n²/2 steps for n; or `max_steps` is the room that is kept for the carries, and a loop that needs more
    raises LoopError.

    >>> import backpass as bp
    >>> def root(a):                                           # Newton's method
    ...     return bp.while_loop(lambda x: abs(x * x - a) > 1e-12, lambda x: (x + a / x) / 2, a)
    >>> root(2.0), bp.grad(root)(2.0)
    (np.float64(1.41421356237...), 0.35355339059...)
    """
    first, tree = flatten(init)
    inside, first = _body_of(body, first, tree, [], tree, of_pair=False)
    whole = Tree(tuple, 1, (tree,))
    avals = [leaf_aval(leaf)._replace(weak=False) for leaf in first]
    outside = capture(test, avals, whole, names_of(test, whole, ("carry",)))
    told = [outside.graph.nodes[k].aval for k in outside.graph.outputs]
    if [a.shape for a in told] != [()]:
        raise ShapeError(f"the test of while_loop must give one truth value; it gave {', '.join(map(repr, told))}")
    attrs = {
        "test": outside.graph,
        "body": inside.graph,
        "tests": len(outside.outside),
        "consts": len(inside.outside),
        "bound": None if max_steps is None else int(max_steps),
        "keep": False,
    }
    args = [*at_hand(outside.outside), *at_hand(inside.outside), *first]
    traced = [type(a) is Traced for a in args]
    if any(a.node.staged for a in args if type(a) is Traced):
        attrs["keep"] = max_steps is not None
    elif any(traced):
        return tree.unflatten(items(_counted(args, attrs, len(first)))[: len(first)])
    return tree.unflatten(items(WHILE(*args, **attrs))[: len(first)])


def _counted(args: list[Any], attrs: dict[str, Any], carry: int) -> Traced:
    """A while loop on known values: it is run, and so many carries are kept as it took steps."""
    values = [a.node.value if type(a) is Traced else a for a in args]
    n, m = attrs["tests"], attrs["tests"] + attrs["consts"]
    states = []
    for state in while_steps(attrs["test"], attrs["body"], values[:n], values[n:m], values[m:]):
        states.append(state)
        if attrs["bound"] is not None and len(states) > attrs["bound"] + 1:
            WHILE.run(*values, **attrs)  # raises
    steps = len(states) - 1
    kept = [
        np.array([s[k] for s in states[:-1]], dtype=aval_of(v).dtype).reshape(steps, *shape_of(v))
        for k, v in enumerate(states[-1])
    ]
    attrs = {**attrs, "bound": steps, "keep": True}
    inputs = tuple([a.node if type(a) is Traced else a for a in args])
    return recorded(WHILE, inputs, attrs, Bundle([*states[-1], np.int64(steps), *kept]), here(3))


def cond(pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any) -> Any:
    """``true_fun(*operands)`` where the truth value `pred` holds, ``false_fun(*operands)`` otherwise. Only one runs.

    Both must give the same structure, shapes and dtypes. Unlike `np.where`, which computes both sides.

    >>> import numpy as np, backpass as bp
    >>> bp.grad(lambda x: bp.cond(x > 0, np.sqrt, lambda x: 0.0 * x, x))(4.0)
    0.25
    """
    if np.shape(_value(pred)) != () if not _staged(pred) else pred.shape != ():
        raise ShapeError(f"cond takes one truth value, not {messages.described(pred)}; np.where chooses entry by entry")
    if not _staged(pred):
        index: Any = int(bool(_value(pred)))
    else:
        index = pred if pred.dtype.kind == "b" else pred != 0
    return _branch(index, [false_fun, true_fun], operands)


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """``branches[index](*operands)``; an index outside is clipped. Only that branch runs.

    >>> import numpy as np, backpass as bp
    >>> bp.switch(2, [np.sin, np.cos, np.square], 3.0)
    np.float64(9.0)
    """
    if not branches:
        raise ValueError("switch needs at least one branch")
    if not _staged(index):
        index = int(_value(index))
    elif index.dtype.kind not in "iu":
        raise DtypeError(f"switch takes a whole number, not {messages.described(index)}")
    return _branch(index, list(branches), operands)


def _value(x: Any) -> Any:
    return x.node.value if type(x) is Traced else x


def _staged(x: Any) -> bool:
    return type(x) is Traced and x.node.staged


def _branch(index: Any, branches: list[Callable[..., Any]], operands: tuple[Any, ...]) -> Any:
    leaves, tree = flatten(operands)
    avals = [leaf_aval(leaf) for leaf in leaves]
    if not _staged(index):
        index = min(max(index, 0), len(branches) - 1)
    bodies = [capture(b, avals, tree, names_of(b, tree, [f"x{k}" for k in range(len(operands))])) for b in branches]
    told = [[body.graph.nodes[k].aval[:2] for k in body.graph.outputs] for body in bodies]
    for branch, body, types in zip(branches, bodies, told, strict=True):
        if body.result != bodies[0].result or types != told[0]:
            shown = [", ".join(repr(Aval(*a)) for a in t) for t in (told[0], types)]
            raise ShapeError(
                f"the branches differ in what they return: {getattr(branches[0], '__name__', 'one')} gives {shown[0]}, "
                f"{getattr(branch, '__name__', 'another')} gives {shown[1]}. Cast or reshape one of them."
            )
    graphs, outside = merged(bodies, len(leaves))
    result = items(COND(index, *at_hand(outside), *leaves, branches=tuple(graphs)))
    return bodies[0].result.unflatten(result)


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, whose inner values are not kept for the backward pass but computed again in it.

    Memory: what goes in, instead of every inner value. Time: f is run once more.

    >>> import numpy as np, backpass as bp
    >>> bp.grad(lambda x: np.sum(bp.checkpoint(lambda x: np.sin(np.exp(x)))(x)))(np.zeros(2))
    array([0.54030231, 0.54030231])
    """

    @functools.wraps(f)
    def wrapped(*args: Any) -> Any:
        leaves, tree = flatten(args)
        dynamic = [isinstance(x, (Traced, np.ndarray, np.generic)) or type(x) is float for x in leaves]
        given = [x for x, d in zip(leaves, dynamic, strict=True) if d]
        shown = Tree(tuple, len(given), (flatten(0.0)[1],) * len(given))

        @functools.wraps(f)
        def inner(*handles: Any) -> Any:
            rest = iter(handles)
            return f(*tree.unflatten([next(rest) if d else x for x, d in zip(leaves, dynamic, strict=True)]))

        names = [n for n, d in zip(names_of(f, tree, [f"x{k}" for k in range(len(args))]), dynamic, strict=True) if d]
        body = capture(inner, [leaf_aval(x) for x in given], shown, names)
        result = items(CHECKPOINT(*at_hand(body.outside), *given, body=body.graph))
        return body.result.unflatten(result)

    return wrapped


__all__ = ["checkpoint", "cond", "fori_loop", "map", "scan", "switch", "while_loop"]
