"""`odeint`: solutions of y' = f(y, t, *args), and their derivatives: by the adjoint equation, or through the steps.

The adjoint of a solution is a solution: λ' = −λ ∂f/∂y, run backwards from the last time to the first, with λ raised by
the cotangent of y at each time that was asked for, and dL/dθ = ∫ λ ∂f/∂θ dt (Pontryagin 1962; Chen et al. 2018). It
needs no memory of the steps. Differentiating the steps themselves gives the exact derivative of the numbers that the
method computed, and stores the state before each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from backpass.graph.aval import Aval, bundle_aval
from backpass.graph.bundle import Bundle
from backpass.graph.capture import at_hand, capture, input_avals, leaf_aval, output_avals
from backpass.graph.errors import ShapeError
from backpass.graph.interpreter import replay, run
from backpass.graph.op import Kind, Op, declare
from backpass.graph.program import Graph
from backpass.graph.pytree import LEAF, Tree, flatten
from backpass.partials.control import items
from backpass.partials.declare import as_array, shape_of

from .batch import batched_run, lifted
from .control import PULL, PUSH, derived, permuted, pullback, pushforward
from .loops import fori_loop, names_of, scan, while_loop

# Dormand & Prince (1980), the 5(4) pair: the last stage of a step is the first of the next.
_C = (0.2, 0.3, 0.8, 8 / 9, 1.0, 1.0)
_A = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
_E = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)

Field = Callable[[list[Any], Any], list[Any]]


def _plus(y: list[Any], h: Any, slopes: list[list[Any]], weights: tuple[float, ...]) -> list[Any]:
    """y + h Σ wᵢ kᵢ"""
    out = []
    for j, v in enumerate(y):
        total = None
        for w, k in zip(weights, slopes, strict=True):
            if w:
                total = w * k[j] if total is None else total + w * k[j]
        out.append(v + h * total)
    return out


def _rk4(field: Field, y: list[Any], t0: Any, t1: Any, steps: int) -> list[Any]:
    """The classical Runge–Kutta method (Kutta 1901) in equal steps."""
    h = (t1 - t0) / steps

    def step(i: Any, y: Any) -> Any:
        t = t0 + i * h
        k1 = field(list(y), t)
        k2 = field(_plus(y, h, [k1], (0.5,)), t + h / 2)
        k3 = field(_plus(y, h, [k2], (0.5,)), t + h / 2)
        k4 = field(_plus(y, h, [k3], (1.0,)), t + h)
        return tuple(_plus(y, h, [k1, k2, k3, k4], (1 / 6, 1 / 3, 1 / 3, 1 / 6)))

    return list(fori_loop(0, steps, step, tuple(y)))


def _dopri5(field: Field, y: list[Any], t0: Any, t1: Any, rtol: float, atol: float, most: int) -> list[Any]:
    """Steps as long as the error estimate allows (Hairer, Nørsett & Wanner 1993, II.4)."""
    span = t1 - t0
    size = max(sum(int(np.prod(shape_of(v))) for v in y), 1)

    def attempt(y: list[Any], k1: list[Any], t: Any, h: Any) -> tuple[list[Any], list[Any], Any]:
        slopes = [k1]
        new = y
        for c, row in zip(_C, _A, strict=True):
            new = _plus(y, h, slopes, row)
            slopes.append(field(new, t + c * h))
        wrong = [e - v for e, v in zip(_plus(y, h, slopes, _E), y, strict=True)]
        scaled = [
            np.sum((e / (atol + rtol * np.maximum(np.abs(a), np.abs(b)))) ** 2)
            for e, a, b in zip(wrong, y, new, strict=True)
        ]
        return new, slopes[-1], sum(scaled[1:], scaled[0]) / size

    def going(state: Any) -> Any:
        return np.abs(t1 - state[0]) > 1e-14 * np.abs(span)

    def onward(state: Any) -> Any:
        t, h, y, k1 = state
        h = np.where(np.abs(h) > np.abs(t1 - t), t1 - t, h)
        new, last, squared = attempt(list(y), list(k1), t, h)
        good = squared <= 1.0
        factor = 0.9 * np.maximum(squared, 1e-10) ** -0.1
        keep = lambda a, b: tuple([np.where(good, p, q) for p, q in zip(a, b, strict=True)])  # noqa: E731
        return np.where(good, t + h, t), h * np.clip(factor, 0.2, 5.0), keep(new, y), keep(last, k1)

    first = field(y, t0)
    start = (t0, span / 16, tuple(y), tuple(first))
    return list(while_loop(going, onward, start, most)[2])


def _through(field: Field, y: list[Any], times: Any, options: dict[str, Any]) -> list[Any]:
    """The solution at every time, the first of which is that of y: stacked leaves."""

    def stretch(carry: Any, ends: Any) -> Any:
        t0, t1 = ends
        if options["method"] == "rk4":
            new = _rk4(field, list(carry), t0, t1, options["steps"])
        else:
            new = _dopri5(field, list(carry), t0, t1, options["rtol"], options["atol"], options["max_steps"])
        return tuple(new), tuple(new)

    later = scan(stretch, tuple(y), (times[:-1], times[1:]))[1]
    return [np.concatenate([np.expand_dims(a, 0), b]) for a, b in zip(y, later, strict=True)]


# ---- the adjoint, as an operation
def _split(args: Any, field: Graph) -> tuple[list[Any], list[Any], Any]:
    """(what the field reads from outside, y, times)"""
    n = len(field.outputs)
    return list(args[: len(args) - n - 1]), list(args[len(args) - n - 1 : -1]), args[-1]


def _run(*args: Any, field: Graph, **options: Any) -> Bundle:
    def whole(*h: Any) -> list[Any]:
        outside, y, times = _split(h, field)
        return _through(lambda y, t: replay(field, [*outside, *y, t]), y, times, options)

    key = ("solution", tuple(options.items()), shape_of(args[-1]))
    names = [f"a{k}" for k in range(len(args))]
    return Bundle(run(derived(field, key, [leaf_aval(a) for a in args], names, whole, "solution"), list(args)))


def _aval(*args: Aval, field: Graph, **options: Any) -> Aval:
    outside, y, times = _split(args, field)
    types = input_avals(field)
    if [a[:2] for a in types[:-1]] != [a[:2] for a in (*outside, *y)]:
        raise ValueError("the field takes other arguments")
    if [a[:2] for a in output_avals(field)] != [a[:2] for a in y] or times.ndim != 1:
        raise ValueError("y' must be shaped like y, and the times have one axis")
    return bundle_aval([Aval((times.shape[0], *a.shape), a.dtype) for a in y])


ODE = declare(
    Op(
        name="odeint",
        kind=Kind.CONTROL,
        run=_run,
        aval=_aval,
        risky=True,
        notation="odeint({*})",
        doc="The solution of y' = f(y, t) at given times.",
    )
)


def _push(tangents: Any, out: Any, args: Any, attrs: dict[str, Any]) -> Bundle:
    """The tangent of a solution solves the linearised equation beside it. A moved time moves y along f."""
    field = attrs["field"]
    outside, y, times = _split(args, field)
    n, c = len(y), len(outside)
    consts = tuple([i for i in range(c) if tangents[i] is not None])
    m = len(consts)
    step = pushforward(field, (*consts, *range(c, c + n)))

    def make(*h: Any) -> list[Any]:
        out, dout, state, dstate = h[:c], h[c : c + m], h[c + m : c + m + n], h[c + m + n : -1]
        return replay(step, [*out, *state, h[-1], *dout, *dstate])

    types = input_avals(field)
    strong = [a._replace(weak=False) for a in types]
    avals = [*types[:c], *[strong[i] for i in consts], *strong[c : c + n], *strong[c : c + n], types[-1]]
    wider = derived(field, ("ode", consts), avals, [f"a{k}" for k in range(len(avals))], make, field.name)
    dy = [_zero(a) if t is None else t for a, t in zip(strong[c:-1], tangents[c:-1], strict=True)]
    moved = tangents[-1] is not None
    dt: Any = tangents[-1]
    slopes = _slopes(field, outside, items(out), times) if moved else []
    dy = [d - s[0] * dt[0] for d, s in zip(dy, slopes, strict=True)] if slopes else dy
    found = items(ODE(*outside, *[tangents[i] for i in consts], *y, *dy, times, **{**attrs, "field": wider}))[n:]
    return Bundle([f + _column(dt, s) * s for f, s in zip(found, slopes, strict=True)] if slopes else found)


def _zero(aval: Aval) -> Any:
    return np.zeros(aval.shape, aval.dtype)[()]


def _slopes(field: Graph, outside: list[Any], states: list[Any], times: Any) -> list[Any]:
    """f along a solution."""
    size = shape_of(times)[0]
    flags = (*[False] * len(outside), *[True] * (len(states) + 1))
    outs, marks = batched_run(field, [*outside, *states, times], flags, size)
    return [lifted(x, m, size) for x, m in zip(outs, marks, strict=True)]


def _column(t: Any, like: Any) -> Any:
    return np.reshape(t, (*shape_of(t), *[1] * (len(shape_of(like)) - 1)))


def _pull(places: Any, g: Bundle, out: Any, args: Any, attrs: dict[str, Any]) -> dict[int, Any]:
    field = attrs["field"]
    outside, y, times = _split(args, field)
    n, c = len(y), len(outside)
    consts = tuple([i for i in places if i < c])
    m = len(consts)
    step = pullback(field, (*consts, *range(c, c + n)), tuple(range(n)))
    types = input_avals(field)
    strong = [a._replace(weak=False) for a in types]
    states = items(out)
    size = shape_of(times)[0]
    pairs = zip(g.parts, strong[c:-1], strict=True)
    given = [np.zeros((size, *a.shape), a.dtype) if p is None else p for p, a in pairs]

    def make(*h: Any) -> list[Any]:
        own, state, weights = list(h[:c]), list(h[c : c + n]), list(h[c + n : c + 2 * n])
        found = replay(step, [*own, *state, h[-1], *weights])
        return [*replay(field, [*own, *state, h[-1]]), *[-d for d in found[m:]], *[-d for d in found[:m]]]

    avals = [*types[:c], *strong[c : c + n], *strong[c : c + n], *[strong[i] for i in consts], types[-1]]
    names = [f"a{k}" for k in range(len(avals))]
    wider = derived(field, ("adjoint", consts), avals, names, make, f"adjoint of {field.name}")

    def back(carry: Any, x: Any) -> Any:
        weights, sums = carry
        state, raised, t0, t1 = x
        weights = [w + r for w, r in zip(weights, raised, strict=True)]
        ends = np.stack([t1, t0])
        found = items(ODE(*outside, *state, *weights, *sums, ends, **{**attrs, "field": wider}))
        last = [v[1] for v in found[n:]]
        return (last[:n], last[n:]), None

    steps = ([s[1:] for s in states], [r[1:] for r in given], times[:-1], times[1:])
    start = [_zero(a) for a in strong[c:-1]], [_zero(strong[i]) for i in consts]
    (weights, sums), _ = scan(back, start, steps, reverse=True)
    found = dict(zip(consts, sums, strict=True))
    found |= {c + j: w + r[0] for j, (w, r) in enumerate(zip(weights, given, strict=True))}
    if len(args) - 1 in places:
        slopes = _slopes(field, outside, states, times)
        rate = [np.sum(np.reshape(r * s, (size, -1)), axis=-1) for r, s in zip(given, slopes, strict=True)]
        begun = [np.sum(w * s[0]) for w, s in zip(weights, slopes, strict=True)]
        total: Any = sum(rate[1:], rate[0])
        first: Any = sum(begun[1:], begun[0])
        # At the first time the solution is y itself: moving that time moves only what follows.
        found[len(args) - 1] = np.concatenate([np.reshape(-first, (1,)), total[1:]])
    return {i: found[i] for i in places if i in found}


PUSH[ODE] = _push
PULL[ODE] = _pull


# ---- the verb
def odeint(
    f: Callable[..., Any],
    y0: Any,
    t: Any,
    *args: Any,
    method: str = "dopri5",
    rtol: float = 1e-8,
    atol: float = 1e-10,
    steps: int = 20,
    max_steps: int = 1000,
    adjoint: bool = True,
) -> Any:
    """The solution of ``y' = f(y, t, *args)`` with ``y(t[0]) = y0``, at the times `t`.

    Args:
        f: gives y' in y's structure and shapes; traced on types.
        y0: a pytree of floating arrays and numbers.
        t: increasing or decreasing times, shape ``(n,)``.
        args: pytrees for f; what f reads from outside is differentiated too.
        method: "dopri5", Dormand and Prince's 5(4) pair with steps by `rtol` and `atol`; or "rk4", the classical method
            with `steps` equal steps between two times.
        max_steps: of dopri5 between two times; LoopError beyond.
        adjoint: True: reverse mode solves the adjoint equation backwards, with constant memory; as exact as the
            solution is. False: reverse mode goes through the steps, whose states are stored: the exact derivative of
            what the method computes.

    Returns:
        y at each time: leaves with a first axis of length n. Forward mode and derivatives of any order work too.

    >>> import numpy as np, backpass as bp
    >>> decay = lambda k: bp.odeint(lambda y, t: -k * y, 1.0, np.array([0.0, 1.0]))[-1]
    >>> np.allclose([decay(2.0), bp.grad(decay)(2.0)], [np.exp(-2.0), -np.exp(-2.0)])
    True
    """
    if method not in ("dopri5", "rk4"):
        raise ValueError(f"method is 'dopri5' or 'rk4', not {method!r}")
    y, tree = flatten(y0)
    y = [_floating(v) for v in y]
    times = as_array(t)
    if len(shape_of(times)) != 1 or shape_of(times)[0] < 1:
        raise ShapeError(f"t is a line of times, not of shape {shape_of(times)}")
    times = times.astype(np.float64) if times.dtype.kind in "iu" else times
    more, args_tree = flatten(args)
    avals = [*[leaf_aval(v) for v in y], Aval((), times.dtype), *[leaf_aval(v) for v in more]]
    shape = Tree(tuple, 2 + len(args_tree.children), (tree, LEAF, *args_tree.children))

    def slope(*given: Any) -> list[Any]:
        found, found_tree = flatten(f(*given))
        if found_tree != tree or [shape_of(v) for v in found] != [shape_of(v) for v in y]:
            raise ShapeError(
                f"{getattr(f, '__name__', 'f')} must give y' in y's structure and shapes, "
                f"{[shape_of(v) for v in y]}; it gave {[shape_of(v) for v in found]}"
            )
        return [as_array(v).astype(a.dtype) for v, a in zip(found, avals, strict=False)]

    names = names_of(f, shape, ["y", "t", *[f"a{k}" for k in range(len(args))]])
    body = capture(slope, avals, shape, names, getattr(f, "__name__", "f"))
    options = {"method": method, "rtol": rtol, "atol": atol, "steps": int(steps), "max_steps": int(max_steps)}
    n, m = len(y), len(more)
    outside = at_hand(body.outside)
    if not adjoint:
        call = lambda state, at: replay(body.graph, [*outside, *state, at, *more])  # noqa: E731
        return tree.unflatten(_through(call, y, times, options))
    c = len(outside)
    field = permuted(body.graph, [*range(c), *range(c + n + 1, c + n + 1 + m), *range(c, c + n + 1)], list(range(n)))
    return tree.unflatten(items(ODE(*outside, *more, *y, times, field=field, **options)))


def _floating(v: Any) -> Any:
    """A part of the first state as a floating array that promotes as one."""
    v = as_array(v)
    if v.dtype.kind in "iu":
        v = v.astype(np.float64)
    return v[()] if isinstance(v, np.ndarray) else np.positive(v) if leaf_aval(v).weak else v


__all__ = ["odeint"]
