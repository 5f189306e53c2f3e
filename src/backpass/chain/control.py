"""The derivative of a loop is a loop, that of a branch a branch: transforms of the bodies of control operations.

Forward, the body carries its tangents along with its values. Backward, the steps are run from the last to the first:
each starts from the carry that was stored before it, computes its inner values again, and sends the cotangent on. What
comes out are control operations again, so derivatives nest to any order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backpass.graph.aval import Aval
from backpass.graph.bundle import Bundle
from backpass.graph.capture import capture, input_avals, output_avals
from backpass.graph.interpreter import replay
from backpass.graph.op import Op
from backpass.graph.program import Graph
from backpass.graph.pytree import LEAF, Tree
from backpass.graph.traced import Traced
from backpass.partials.control import CHECKPOINT, COND, SCAN, WHILE, items
from backpass.partials.declare import dtype_of, shape_of

Places = tuple[int, ...]


# ---- graphs made of a body
def derived(graph: Graph, key: Any, avals: list[Aval], names: list[str], make: Callable[..., Any], name: str) -> Graph:
    """The graph of ``make(*handles)``, a list, made once for each `key` and kept beside the body."""
    found = graph.derived.get(key)
    if found is None:
        flat = Tree(tuple, len(avals), (LEAF,) * len(avals))
        found = graph.derived[key] = capture(make, avals, flat, names, name).graph
    return found


def _names(graph: Graph) -> list[str]:
    return [graph.nodes[k].name or f"x{i}" for i, k in enumerate(graph.inputs)]


def pushforward(graph: Graph, active: Places) -> Graph:
    """(values, tangents of the active inputs) → (results, tangents of the floating results)."""
    from .backward import fresh
    from .forward import forward

    count = len(graph.inputs)
    avals = input_avals(graph)
    floating = floats(output_avals(graph))

    def make(*handles: Any) -> list[Any]:
        values = list(handles[:count])
        seeds = []
        for place, tangent in zip(active, handles[count:], strict=True):
            values[place] = fresh(values[place])
            seeds.append((values[place].node, tangent, None))
        outs = replay(graph, values)
        traced = [outs[k] for k in floating if type(outs[k]) is Traced]
        pushed = iter(forward(seeds, [out.node for out in traced]))
        tangents = [next(pushed) if type(outs[k]) is Traced else None for k in floating]
        return outs + [_or_zero(t, outs[k]) for t, k in zip(tangents, floating, strict=True)]

    names = _names(graph)
    return derived(
        graph,
        ("pushforward", active),
        [*avals, *[avals[i]._replace(weak=False) for i in active]],
        [*names, *[f"d{names[i]}" for i in active]],
        make,
        f"forward of {graph.name}",
    )


def pullback(graph: Graph, active: Places, given: Places) -> Graph:
    """(values, cotangents of the results `given`) → cotangents of the active inputs."""
    from .backward import backward, fresh

    count = len(graph.inputs)
    avals, results = input_avals(graph), output_avals(graph)

    def make(*handles: Any) -> list[Any]:
        values = list(handles[:count])
        for place in active:
            values[place] = fresh(values[place])
        outs = replay(graph, values)
        pairs = zip(given, handles[count:], strict=True)
        seeds = [(outs[k].node, g, None) for k, g in pairs if type(outs[k]) is Traced]
        found = backward(seeds, [values[i].node for i in active]) if seeds else [None] * len(active)
        return [_or_zero(c, values[i]) for c, i in zip(found, active, strict=True)]

    return derived(
        graph,
        ("pullback", active, given),
        [*avals, *[results[k] for k in given]],
        [*_names(graph), *[f"g{k}" for k in given]],
        make,
        f"backward of {graph.name}",
    )


def _or_zero(c: Any, like: Any) -> Any:
    return np.zeros(shape_of(like), dtype_of(like))[()] if c is None else c


def floats(avals: list[Aval]) -> Places:
    return tuple([k for k, a in enumerate(avals) if a.differentiable])


def _at(values: Any, places: Any) -> list[Any]:
    return [values[i] for i in places]


def _filled(found: list[Any], places: Places, count: int) -> list[Any]:
    """`found` at their places among `count`, None elsewhere."""
    out: list[Any] = [None] * count
    for i, value in zip(places, found, strict=True):
        out[i] = value
    return out


def _split_places(places: Any, *counts: int) -> list[Places]:
    """Places among all arguments as places within each stretch of them."""
    out, start = [], 0
    for n in counts:
        out.append(tuple([i - start for i in places if start <= i < start + n]))
        start += n
    return out


# ---- scan
def _scan_parts(args: Any, attrs: dict[str, Any]) -> tuple[int, int, int, int]:
    c, k = attrs["consts"], attrs["carry"]
    m = len(args) - c - k - attrs["counted"]
    return c, k, m, len(attrs["body"].outputs) - k


def _scan_push(tangents: Any, out: Any, args: Any, attrs: dict[str, Any]) -> Bundle:
    body = attrs["body"]
    c, k, m, ys = _scan_parts(args, attrs)
    given = [i for i, t in enumerate(tangents[: c + k + m]) if t is not None]
    consts, _, xs = _split_places(given, c, k, m)
    carry = floats(input_avals(body)[c : c + k])
    active = (*consts, *[c + i for i in carry], *[c + k + i for i in xs])
    floating = floats(output_avals(body))
    y_floats = [i for i in floating if i >= k]
    step = pushforward(body, active)
    n, r = len(active), len(body.outputs)

    # Values and tangents side by side: outside, carry, xs.
    order = [*range(c), *range(c + k + m, c + k + m + len(consts))]
    order += [*range(c, c + k), *range(c + k + m + len(consts), c + k + m + len(consts) + len(carry))]
    order += [*range(c + k, c + k + m), *range(c + k + m + n - len(xs), c + k + m + n)]
    results = [*range(k), *range(r, r + len(carry)), *range(k, r), *range(r + len(carry), r + len(floating))]
    rearranged = permuted(step, order, results)
    zeros = [_or_zero(tangents[c + i], args[c + i]) for i in carry]
    bundle = SCAN(
        *args[:c],
        *_at(tangents, consts),
        *args[c : c + k],
        *zeros,
        *args[c + k : c + k + m],
        *[tangents[c + k + i] for i in xs],
        *args[c + k + m :],
        **{**attrs, "body": rearranged, "consts": c + len(consts), "carry": k + len(carry)},
    )
    found = items(bundle)
    t_carry = _filled(found[k : k + len(carry)], carry, k)
    start = k + len(carry) + ys
    t_ys = _filled(found[start : start + len(y_floats)], tuple([i - k for i in y_floats]), ys)
    kept: list[Any] = []
    if attrs["keep"]:
        start += len(y_floats) + k
        kept = _filled(found[start : start + len(carry)], carry, k)
    return Bundle([*t_carry, *t_ys, *kept])


def permuted(graph: Graph, inputs: list[int], outputs: list[int]) -> Graph:
    """The graph with its inputs and outputs in another order."""
    key = ("permuted", tuple(inputs), tuple(outputs))
    found = graph.derived.get(key)
    if found is None:
        found = graph.derived[key] = Graph(
            graph.nodes,
            tuple([graph.inputs[i] for i in inputs]),
            tuple([graph.outputs[i] for i in outputs]),
            graph.in_tree,
            Tree(tuple, len(outputs), (LEAF,) * len(outputs)),
            graph.name,
        )
    return found


def _scan_pull(places: Any, g: Bundle, out: Any, args: Any, attrs: dict[str, Any]) -> dict[int, Any]:
    body = attrs["body"]
    c, k, m, ys = _scan_parts(args, attrs)
    consts, _, xs = _split_places([i for i in places if i < c + k + m], c, k, m)
    types, results = input_avals(body), output_avals(body)
    carry = floats(types[c : c + k])
    if not attrs["keep"]:
        out = SCAN(*args, **{**attrs, "keep": True})
    kept = items(out)[k + ys : k + ys + k]
    given_ys = tuple([k + i for i in range(ys) if g.parts[k + i] is not None])
    g_kept = [i for i in carry if attrs["keep"] and g.parts[k + ys + i] is not None]
    step = pullback(body, (*consts, *[c + i for i in carry], *[c + k + i for i in xs]), (*carry, *given_ys))
    a, b = len(consts), len(carry)

    def make(*handles: Any) -> list[Any]:
        at = iter(handles)
        take = lambda n: [next(at) for _ in range(n)]  # noqa: E731
        outside, cot, sums, state, x = take(c), take(b), take(a), take(k), take(m)
        cot_ys, cot_kept = take(len(given_ys)), take(len(g_kept))
        found = replay(step, [*outside, *state, *x, *cot, *cot_ys])
        total = [s + d for s, d in zip(sums, found[:a], strict=True)]
        before = list(found[a : a + b])
        for i, extra in zip(g_kept, cot_kept, strict=True):
            before[carry.index(i)] = before[carry.index(i)] + extra
        return [*before, *total, *found[a + b :]]

    sums = [types[i]._replace(weak=False) for i in consts]
    state = [t._replace(weak=False) for t in types[c : c + k]]
    avals = [*types[:c], *_at(state, carry), *sums, *state, *types[c + k :]]
    avals += [*_at(results, given_ys), *_at(state, g_kept)]
    names = _names(body)
    told = [*names[:c], *[f"g_{names[c + i]}" for i in carry], *[f"g_{names[i]}" for i in consts]]
    told += [*names[c:], *[f"g_y{i - k}" for i in given_ys], *[f"g_kept{i}" for i in g_kept]]
    backward = derived(
        body, ("scan", consts, xs, given_ys, tuple(g_kept)), avals, told, make, f"backward of {body.name}"
    )
    start = [_or_zero(g.parts[i], _Like(state[i])) for i in carry]
    bundle = SCAN(
        *args[:c],
        *start,
        *[np.zeros(s.shape, s.dtype)[()] for s in sums],
        *kept,
        *args[c + k : c + k + m],
        *_at(g.parts, given_ys),
        *[g.parts[k + ys + i] for i in g_kept],
        *args[c + k + m :],
        body=backward,
        consts=c,
        carry=b + a,
        length=attrs["length"],
        reverse=not attrs["reverse"],
        keep=_traced(*args, *g.parts, *kept),
        counted=attrs["counted"],
    )
    found = items(bundle)
    cotangents = dict(zip([c + i for i in carry], found[:b], strict=True))
    cotangents |= dict(zip(consts, found[b : b + a], strict=True))
    cotangents |= dict(zip([c + k + i for i in xs], found[b + a :], strict=False))
    return {i: cotangents[i] for i in places if i in cotangents}


class _Like:
    def __init__(self, aval: Aval):
        self.shape, self.dtype = aval.shape, aval.dtype


def _traced(*values: Any) -> bool:
    return any(type(v) is Traced for v in values)


# ---- while
def _while_push(tangents: Any, out: Any, args: Any, attrs: dict[str, Any]) -> Bundle:
    test, body, n, c = attrs["test"], attrs["body"], attrs["tests"], attrs["consts"]
    k = len(args) - n - c
    consts = _split_places([i for i, t in enumerate(tangents) if t is not None], n, c, k)[1]
    carry = floats(input_avals(body)[c:])
    step = pushforward(body, (*consts, *[c + i for i in carry]))
    order = [*range(c), *range(c + k, c + k + len(consts)), *range(c, c + k)]
    order += range(c + k + len(consts), c + k + len(consts) + len(carry))
    moved = permuted(step, order, list(range(k + len(carry))))
    types = input_avals(test)
    extra = [types[n + i]._replace(weak=False) for i in carry]
    names = _names(test)
    wider = derived(
        test,
        ("while", carry),
        [*types, *extra],
        [*names, *[f"d{names[n + i]}" for i in carry]],
        lambda *handles: replay(test, list(handles[: n + k])),
        test.name,
    )
    bundle = WHILE(
        *args[: n + c],
        *[tangents[n + i] for i in consts],
        *args[n + c :],
        *[_or_zero(tangents[n + c + i], args[n + c + i]) for i in carry],
        **{**attrs, "test": wider, "body": moved, "consts": c + len(consts)},
    )
    found = items(bundle)
    pushed = _filled(found[k : k + len(carry)], carry, k)
    kept: list[Any] = []
    if attrs["keep"]:
        kept = _filled(found[k + len(carry) + 1 + k :], carry, k)
    return Bundle([*pushed, None, *kept])


def _while_pull(places: Any, g: Bundle, out: Any, args: Any, attrs: dict[str, Any]) -> dict[int, Any]:
    body, n, c, bound = attrs["body"], attrs["tests"], attrs["consts"], attrs["bound"]
    k = len(args) - n - c
    if bound is None:
        return _while_pull_again(places, g, out, args, attrs)
    if not attrs["keep"]:
        out = WHILE(*args, **{**attrs, "keep": True})
    parts = items(out)
    # The steps that were taken, as a scan over the carries before them: its backward pass is that of the loop.
    scan = {"body": body, "consts": c, "carry": k, "length": bound, "reverse": False, "keep": True, "counted": True}
    as_scan = Bundle([*parts[:k], *parts[k + 1 :]])
    given = [i - n for i in places if i >= n]
    g_kept = g.parts[k + 1 :] if attrs["keep"] else [None] * k
    cotangents = _scan_pull(given, Bundle([*g.parts[:k], *g_kept]), as_scan, [*args[n:], parts[k]], scan)
    return {i + n: value for i, value in cotangents.items()}


def _while_pull_again(places: Any, g: Bundle, out: Any, args: Any, attrs: dict[str, Any]) -> dict[int, Any]:
    """By recomputation: a loop from the last step to the first, each of which runs the loop again up to its carry.

    Nothing is kept, and n steps are computed n²/2 times; `max_steps` buys the time back with memory.
    """
    from .loops import while_loop

    body, n, c = attrs["body"], attrs["tests"], attrs["consts"]
    k = len(args) - n - c
    consts, start = args[n : n + c], tuple(args[n + c :])
    outside = tuple([i - n for i in places if n <= i < n + c])
    types = input_avals(body)
    carry = floats(types[c:])
    step = pullback(body, (*outside, *[c + i for i in carry]), carry)

    def before(last: Any) -> Any:
        onward = lambda state: (state[0] + 1, tuple(replay(body, [*consts, *state[1]])))  # noqa: E731
        return while_loop(lambda state: state[0] < last, onward, (0, start))[1]

    def back(state: Any) -> Any:
        at, cotangents, sums = state
        found = replay(step, [*consts, *before(at), *cotangents])
        total = tuple([s + d for s, d in zip(sums, found[: len(outside)], strict=True)])
        return at - 1, tuple(found[len(outside) :]), total

    like = [_Like(types[i]._replace(weak=False)) for i in (*[c + i for i in carry], *outside)]
    cotangents = tuple([_or_zero(g.parts[i], like[j]) for j, i in enumerate(carry)])
    zeros = tuple([np.zeros(a.shape, a.dtype)[()] for a in like[len(carry) :]])
    _, found, sums = while_loop(lambda state: state[0] >= 0, back, (items(out)[k] - 1, cotangents, zeros))
    cotangents_of = dict(zip([n + c + i for i in carry], found, strict=True))
    cotangents_of |= dict(zip([n + i for i in outside], sums, strict=True))
    return {i: cotangents_of[i] for i in places if i in cotangents_of}


# ---- branches
def _cond_push(tangents: Any, out: Any, args: Any, attrs: dict[str, Any]) -> Bundle:
    active = tuple([i for i, t in enumerate(tangents[1:]) if t is not None])
    branches = tuple([pushforward(branch, active) for branch in attrs["branches"]])
    results = output_avals(attrs["branches"][0])
    found = items(COND(*args, *[tangents[1 + i] for i in active], branches=branches))
    return Bundle(_filled(found[len(results) :], floats(results), len(results)))


def _cond_pull(places: Any, g: Bundle, out: Any, args: Any, attrs: dict[str, Any]) -> dict[int, Any]:
    active = tuple([i - 1 for i in places if i])
    given = tuple([k for k, part in enumerate(g.parts) if part is not None])
    branches = tuple([pullback(branch, active, given) for branch in attrs["branches"]])
    found = items(COND(*args, *_at(g.parts, given), branches=branches))
    return {i + 1: c for i, c in zip(active, found, strict=True)}


# ---- recomputation
def _checkpoint_push(tangents: Any, out: Any, args: Any, attrs: dict[str, Any]) -> Bundle:
    active = tuple([i for i, t in enumerate(tangents) if t is not None])
    results = output_avals(attrs["body"])
    body = pushforward(attrs["body"], active)
    found = items(CHECKPOINT(*args, *_at(tangents, active), body=body))
    return Bundle(_filled(found[len(results) :], floats(results), len(results)))


def _checkpoint_pull(places: Any, g: Bundle, out: Any, args: Any, attrs: dict[str, Any]) -> dict[int, Any]:
    given = tuple([k for k, part in enumerate(g.parts) if part is not None])
    body = pullback(attrs["body"], tuple(places), given)
    return dict(zip(places, items(CHECKPOINT(*args, *_at(g.parts, given), body=body)), strict=True))


PUSH = {SCAN: _scan_push, WHILE: _while_push, COND: _cond_push, CHECKPOINT: _checkpoint_push}
PULL = {SCAN: _scan_pull, WHILE: _while_pull, COND: _cond_pull, CHECKPOINT: _checkpoint_pull}


def pushed_control(op: Op, tangents: list[Any], out: Any, args: Any, attrs: dict[str, Any]) -> Bundle:
    """The tangents of the results, from those of the arguments (None: none)."""
    held = [None if t is not None and dtype_of(a).kind not in "fc" else t for t, a in zip(tangents, args, strict=True)]
    return PUSH[op](held, out, args, attrs)


def pulled_control(
    op: Op, places: Sequence[int], g: Bundle, out: Any, args: Any, attrs: dict[str, Any]
) -> dict[int, Any]:
    """The cotangents of the arguments at `places`, all in one backward pass."""
    floating = [i for i in places if dtype_of(args[i]).kind in "fc"]
    return PULL[op](floating, g, out, args, attrs) if floating else {}


__all__ = ["floats", "pullback", "pulled_control", "pushed_control", "pushforward"]
