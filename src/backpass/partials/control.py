"""Control: loops, branches and recomputation as operations whose attributes hold graphs.

A body is traced once, however often it runs, so a loop of 10,000 steps is one line of a graph. What a body reads from
outside comes first among an operation's arguments (``graph/capture.py``). The result is a bundle; ``item`` takes one
array out of it. Derivatives are made of the bodies' own (``chain/control.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from backpass.graph.aval import Aval, bundle_aval
from backpass.graph.bundle import Bundle
from backpass.graph.capture import input_avals, output_avals
from backpass.graph.errors import BackpassError
from backpass.graph.interpreter import run
from backpass.graph.program import Graph

from .declare import Kind, Op, Traced, declare


class LoopError(BackpassError, RuntimeError):
    """A loop ran past the bound that was given for it."""


# ---- bundles
def _item_tangent(tangents: Any, out: Any, bundle: Any, k: int) -> Any:
    return tangents[0].parts[k]


def _item_adjoint(g: Any, out: Any, bundle: Any, k: int) -> Any:
    return Bundle([g if i == k else None for i in range(bundle.shape[0])])


def _item_aval(bundle: Aval, k: int) -> Aval:
    return bundle.parts[k]


ITEM = declare(
    Op(
        name="item",
        kind=Kind.CUSTOM,
        run=lambda bundle, k: bundle.parts[k],
        aval=_item_aval,
        adjoints=(_item_adjoint,),
        tangent=_item_tangent,
        notation="{0}.{k}",
        doc="One of the results of a control operation.",
    )
)
ITEM_DISCRETE = declare(
    Op(
        name="item_discrete",
        kind=Kind.DISCRETE,
        run=ITEM.run,
        aval=_item_aval,
        partials=(None,),
        notation="{0}.{k}",
        doc="One of the results of a control operation, of whole numbers or truth values.",
    )
)


def items(bundle: Any) -> list[Any]:
    """The parts of a control operation's result, plain or traced."""
    if type(bundle) is not Traced:
        return list(bundle.parts)
    avals = bundle.node.aval.parts
    return [(ITEM if a.differentiable else ITEM_DISCRETE)(bundle, k=k) for k, a in enumerate(avals)]


# ---- checks
def _same(have: list[Aval], want: list[Aval], what: str) -> None:
    if [a[:2] for a in have] != [a[:2] for a in want]:
        raise ValueError(f"{what} takes {', '.join(map(repr, want))}, not {', '.join(map(repr, have))}")


def _whole(*counts: Any) -> None:
    if any(type(n) is not int or n < 0 for n in counts):
        raise ValueError(f"counts must be whole numbers, not {counts}")


# ---- scan
def _scan_split(args: Any, consts: int, carry: int, counted: bool) -> tuple[Any, Any, Any, Any]:
    """(outside values, carry, xs, count): the arguments of a scan by what they are."""
    stop = len(args) - 1 if counted else len(args)
    return args[:consts], args[consts : consts + carry], args[consts + carry : stop], args[stop] if counted else None


def _scan_run(
    *args: Any, body: Graph, consts: int, carry: int, length: int, reverse: bool, keep: bool, counted: bool
) -> Bundle:
    outside, state, xs, count = _scan_split(args, consts, carry, counted)
    steps = length if count is None else min(int(count), length)
    types = output_avals(body)
    make = np.empty if steps == length else np.zeros
    ys = [make((length, *a.shape), a.dtype) for a in types[carry:]]
    kept = [make((length, *a.shape), a.dtype) for a in types[:carry]] if keep else []
    lines = list(zip(ys, range(carry, len(types)), strict=True))
    for i in reversed(range(steps)) if reverse else range(steps):
        for buffer, value in zip(kept, state, strict=False):
            buffer[i] = value
        out = run(body, [*outside, *state, *[x[i] for x in xs]])
        state = out[:carry]
        for y, k in lines:
            y[i] = out[k]
    return Bundle([*state, *ys, *kept])


def _scan_aval(
    *args: Aval, body: Graph, consts: int, carry: int, length: int, reverse: bool, keep: bool, counted: bool
) -> Aval:
    _whole(consts, carry, length)
    outside, state, xs, count = _scan_split(args, consts, carry, counted)
    for x in xs:
        if not x.shape or x.shape[0] != length:
            raise ValueError(f"a scan of {length} steps over {x!r}")
    if count is not None and (count.shape or count.dtype.kind not in "iu"):
        raise TypeError(f"the count of steps must be a whole number, not {count!r}")
    entries = [Aval(x.shape[1:], x.dtype) for x in xs]
    _same([*outside, *state, *entries], input_avals(body), "the body of the scan")
    out = output_avals(body)
    _same(out[:carry], list(state), "the carry")
    stacked = [Aval((length, *a.shape), a.dtype) for a in [*out[carry:], *(out[:carry] if keep else ())]]
    return bundle_aval([*out[:carry], *stacked])


SCAN = declare(
    Op(
        name="scan",
        kind=Kind.CONTROL,
        run=_scan_run,
        aval=_scan_aval,
        risky=True,
        notation="scan({*})",
        doc="A loop of so many steps: (carry, x_i) → (carry, y_i); `keep` stores the carry before each step as well.",
    )
)


# ---- while
def _while_split(args: Any, tests: int, consts: int) -> tuple[Any, Any, Any]:
    return args[:tests], args[tests : tests + consts], args[tests + consts :]


def while_steps(test: Graph, body: Graph, outside: Any, inside: Any, state: Any) -> Iterator[Any]:
    """The carry before each step, and last the one at which the test failed."""
    yield list(state)
    while run(test, [*outside, *state])[0]:
        state = run(body, [*inside, *state])
        yield state


def _while_run(*args: Any, test: Graph, body: Graph, tests: int, consts: int, bound: int | None, keep: bool) -> Bundle:
    outside, inside, state = _while_split(args, tests, consts)
    kept = [np.zeros((bound, *a.shape), a.dtype) for a in output_avals(body)] if keep and bound is not None else []
    steps = -1
    for state in while_steps(test, body, outside, inside, state):  # noqa: B020  (the last one is the result)
        steps += 1
        if bound is not None and steps > bound:
            raise LoopError(
                f"while_loop took more than max_steps={bound} steps, so its result is not known.\n"
                "  Raise max_steps, or end the loop earlier in its test."
            )
        if steps < (bound or 0):
            for buffer, value in zip(kept, state, strict=False):
                buffer[steps] = value
    return Bundle([*state, np.int64(steps), *kept])


def _while_aval(*args: Aval, test: Graph, body: Graph, tests: int, consts: int, bound: int | None, keep: bool) -> Aval:
    _whole(tests, consts, *(() if bound is None else (bound,)))
    outside, inside, state = _while_split(args, tests, consts)
    _same([*outside, *state], input_avals(test), "the test of the loop")
    _same([*inside, *state], input_avals(body), "the body of the loop")
    out = output_avals(body)
    _same(out, list(state), "the carry")
    if [a.shape for a in output_avals(test)] != [()]:
        raise ValueError("the test of a loop gives one truth value")
    kept = [Aval((bound, *a.shape), a.dtype) for a in out] if keep and bound is not None else []
    return bundle_aval([*out, Aval((), np.dtype(np.int64)), *kept])


WHILE = declare(
    Op(
        name="while",
        kind=Kind.CONTROL,
        run=_while_run,
        aval=_while_aval,
        risky=True,
        notation="while({*})",
        doc="carry → body(carry) as long as test(carry) holds; gives the carry and the number of steps.",
    )
)


# ---- branches
def _cond_run(index: Any, *args: Any, branches: tuple[Graph, ...]) -> Bundle:
    k = min(max(int(index), 0), len(branches) - 1)
    return Bundle(run(branches[k], list(args)))


def _cond_aval(index: Aval, *args: Aval, branches: tuple[Graph, ...]) -> Aval:
    if index.shape or index.dtype.kind not in "biu":
        raise TypeError(f"a branch is chosen by one whole number or truth value, not {index!r}")
    results = [output_avals(branch) for branch in branches]
    for branch, result in zip(branches, results, strict=True):
        _same(list(args), input_avals(branch), "a branch")
        _same(result, results[0], "every branch gives what the first one")
    return bundle_aval(results[0])


COND = declare(
    Op(
        name="cond",
        kind=Kind.CONTROL,
        run=_cond_run,
        aval=_cond_aval,
        risky=True,
        notation="cond({*})",
        doc="The branch that a whole number chooses, clipped to those that there are.",
    )
)


# ---- recomputation
def _checkpoint_aval(*args: Aval, body: Graph) -> Aval:
    _same(list(args), input_avals(body), "the function")
    return bundle_aval(output_avals(body))


CHECKPOINT = declare(
    Op(
        name="checkpoint",
        kind=Kind.CONTROL,
        run=lambda *args, body: Bundle(run(body, list(args))),
        aval=_checkpoint_aval,
        risky=True,
        notation="checkpoint({*})",
        doc="A function whose inner values are not stored for the backward pass but computed again in it.",
    )
)

__all__ = [
    "CHECKPOINT",
    "COND",
    "ITEM",
    "ITEM_DISCRETE",
    "SCAN",
    "WHILE",
    "LoopError",
    "items",
    "while_steps",
]
