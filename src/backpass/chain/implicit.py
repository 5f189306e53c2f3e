"""`implicit`: the derivative of what a solver finds, from the equation that it solves, not from the solver's steps.

Where F(x, θ) = 0 defines x(θ), differentiating gives ∂F/∂x dx + ∂F/∂θ dθ = 0: one linear system, whatever the
solver was and however many steps it took (Krantz & Parks 2002; Blondel et al. 2022).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from backpass.graph.aval import Aval, bundle_aval
from backpass.graph.bundle import Bundle
from backpass.graph.capture import Captured, at_hand, capture, input_avals, leaf_aval, merged, output_avals
from backpass.graph.errors import ShapeError
from backpass.graph.interpreter import replay, run
from backpass.graph.op import Kind, Op, declare
from backpass.graph.origin import here
from backpass.graph.program import Graph
from backpass.graph.pytree import LEAF, Tree, flatten
from backpass.graph.traced import Traced, recorded
from backpass.partials.control import items
from backpass.partials.declare import shape_of

from .control import PULL, PUSH, floats, pullback, pushforward
from .derivatives import grad
from .loops import names_of

DENSE = 2000
"""Unknowns: larger systems are not formed as a matrix."""


# ---- the operation
def _implicit_run(*args: Any, condition: Graph, solver: Graph | None, unknowns: int, solve: str) -> Bundle:
    assert solver is not None
    types = input_avals(condition)[len(args) :]
    return Bundle(run(solver, [*args, *[np.zeros(a.shape, a.dtype)[()] for a in types]]))


def _implicit_aval(*args: Aval, condition: Graph, solver: Graph | None, unknowns: int, solve: str) -> Aval:
    types = input_avals(condition)
    found = output_avals(condition)
    x = types[len(types) - unknowns :]
    if [a[:2] for a in types[: len(types) - unknowns]] != [a[:2] for a in args]:
        raise ValueError("the condition takes other arguments")
    if [a[:2] for a in found] != [a[:2] for a in x]:
        raise ValueError(f"the condition gives {found}, for unknowns {x}")
    if solver is not None and [a[:2] for a in output_avals(solver)] != [a[:2] for a in x]:
        raise ValueError("the solver gives other unknowns than the condition takes")
    return bundle_aval(x)


IMPLICIT = declare(
    Op(
        name="implicit",
        kind=Kind.CONTROL,
        run=_implicit_run,
        aval=_implicit_aval,
        risky=True,
        notation="solve({*})",
        doc="The x at which a condition F(x, θ) = 0 holds; its derivative comes from F alone.",
    )
)


def _flat(parts: list[Any], batch: bool = False) -> Any:
    """The leaves of a vector as one array, behind the batch's axis if there is one."""
    lines = [np.reshape(p, (shape_of(p)[0], -1) if batch else (-1,)) for p in parts]
    return lines[0] if len(lines) == 1 else np.concatenate(lines, axis=-1)


def _parted(vector: Any, avals: list[Aval], batch: tuple[int, ...] = ()) -> list[Any]:
    out, start = [], 0
    for a in avals:
        out.append(np.reshape(vector[..., start : start + a.size], (*batch, *a.shape)))
        start += a.size
    return out


def _matrix(condition: Graph, values: list[Any], unknowns: int) -> Any:
    """(∂F/∂x)ᵀ: row j is the directional derivative of F along the j-th unknown."""
    from .batch import batched_run, lifted

    count = len(values)
    places = tuple(range(count - unknowns, count))
    types = input_avals(condition)[count - unknowns :]
    size = sum(a.size for a in types)
    units = _parted(np.eye(size, dtype=types[0].dtype), types, (size,))
    step = pushforward(condition, places)
    outs, marks = batched_run(step, [*values, *units], (*[False] * count, *[True] * unknowns), size)
    rows = [lifted(x, m, size) for x, m in zip(outs[unknowns:], marks[unknowns:], strict=True)]
    return _flat(rows, batch=True)


def _solved(condition: Graph, values: list[Any], unknowns: int, right: Any, transposed: bool, solve: str) -> list[Any]:
    """A⁻¹ r, or A⁻ᵀ r, for A = ∂F/∂x and a right-hand side of the unknowns' types."""
    types = input_avals(condition)[len(values) - unknowns :]
    if solve == "dense" or (solve == "auto" and sum(a.size for a in types) <= DENSE):
        across = _matrix(condition, values, unknowns)
        return _parted(np.linalg.solve(across if transposed else np.transpose(across), _flat(right)), types)
    return _matrix_free(condition, values, unknowns, right, transposed)


def _matrix_free(condition: Graph, values: list[Any], unknowns: int, right: list[Any], transposed: bool) -> list[Any]:
    """BiCGSTAB (van der Vorst 1992) on products with A: itself an implicit equation, A z − r = 0, of any order."""
    count = len(values)
    places = tuple(range(count - unknowns, count))
    types = input_avals(condition)[count - unknowns :]
    step = pullback(condition, places, tuple(range(unknowns))) if transposed else pushforward(condition, places)
    skip = 0 if transposed else unknowns

    def product(args: list[Any], z: list[Any]) -> list[Any]:
        return replay(step, [*args, *z])[skip:]

    def equation(*h: Any) -> list[Any]:
        args, r, z = list(h[:count]), h[count : count + unknowns], list(h[count + unknowns :])
        return [a - b for a, b in zip(product(args, z), r, strict=True)]

    def solver(*h: Any) -> list[Any]:
        args, r = list(h[:count]), _flat(list(h[count : count + unknowns]))
        times = lambda v: _flat(product(args, _parted(v, types)))  # noqa: E731
        return _parted(_bicgstab(times, r), types)

    names = [f"x{k}" for k in range(count + 2 * unknowns)]
    avals = [*input_avals(condition), *types, *types]
    flat = Tree(tuple, len(avals), (LEAF,) * len(avals))
    return items(
        IMPLICIT(
            *values,
            *right,
            condition=capture(equation, avals, flat, names, "A z − r").graph,
            solver=capture(solver, avals, flat, names, "bicgstab").graph,
            unknowns=unknowns,
            solve="free",
        )
    )


def _bicgstab(times: Callable[[Any], Any], r: Any) -> Any:
    from .loops import while_loop

    tiny = float(np.finfo(r.dtype).eps)
    goal = tiny**2 * 16 * np.sum(r * r)

    def going(state: Any) -> Any:
        return (np.sum(state[1] ** 2) > goal) & (state[4] < 20 * r.shape[0] + 100)

    def onward(state: Any) -> Any:
        x, rest, p, rho, k = state
        v = times(p)
        alpha = rho / np.sum(r * v)
        s = rest - alpha * v
        t = times(s)
        tt = np.sum(t * t)
        omega = np.where(tt > 0, np.sum(t * s) / np.where(tt > 0, tt, 1.0), 0.0)
        new = s - omega * t
        rho2 = np.sum(r * new)
        beta = np.where(omega != 0, (rho2 / rho) * (alpha / np.where(omega != 0, omega, 1.0)), 0.0)
        return x + alpha * p + omega * s, new, new + beta * (p - omega * v), rho2, k + 1

    return while_loop(going, onward, (np.zeros_like(r), r, r, np.sum(r * r), 0))[0]


def _implicit_push(tangents: Any, out: Any, args: Any, attrs: dict[str, Any]) -> Bundle:
    condition, unknowns = attrs["condition"], attrs["unknowns"]
    active = tuple([i for i, t in enumerate(tangents) if t is not None])
    values = [*args, *items(out)]
    pushed = replay_or_run(pushforward(condition, active), [*values, *[tangents[i] for i in active]])[unknowns:]
    found = _solved(condition, values, unknowns, [-p for p in pushed], False, attrs["solve"])
    return Bundle(found)


def _implicit_pull(places: Any, g: Bundle, out: Any, args: Any, attrs: dict[str, Any]) -> dict[int, Any]:
    condition, unknowns = attrs["condition"], attrs["unknowns"]
    types = input_avals(condition)[len(args) :]
    right = [np.zeros(a.shape, a.dtype)[()] if p is None else p for p, a in zip(g.parts, types, strict=True)]
    values = [*args, *items(out)]
    weights = _solved(condition, values, unknowns, right, True, attrs["solve"])
    step = pullback(condition, tuple(places), tuple(range(unknowns)))
    found = replay_or_run(step, [*values, *[-w for w in weights]])
    return dict(zip(places, found, strict=True))


def replay_or_run(graph: Graph, leaves: list[Any]) -> list[Any]:
    return (replay if any(type(x) is Traced for x in leaves) else run)(graph, leaves)


PUSH[IMPLICIT] = _implicit_push
PULL[IMPLICIT] = _implicit_pull


# ---- the verb
def implicit(
    *,
    root: Callable[..., Any] | None = None,
    fixed_point: Callable[..., Any] | None = None,
    minimum: Callable[..., Any] | None = None,
    solve: str = "auto",
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: the solver below finds x; its derivative by θ comes from the equation given here, exactly one of

    Args:
        root: ``F(x, *args)`` that is zero at x, with x's structure and shapes.
        fixed_point: ``T(x, *args)`` with x = T(x).
        minimum: ``f(x, *args)``, a scalar that is least at x.
        solve: of the linear system: "dense", "free" (BiCGSTAB on products with ∂F/∂x, which is not formed), or "auto":
            dense up to 2000 unknowns.

    The solver ``solver(*args)`` returns x, a pytree of floats. Under `bp.grad` it gets plain arrays and may be any
    code, SciPy's too; in a compiled function it is traced, so loops are `bp.while_loop`. Its own steps are never
    differentiated, so derivatives are as exact as x is.

    Formula: dx = −(∂F/∂x)⁻¹ ∂F/∂θ dθ, for dense or matrix-free solution; any order and both modes.

    >>> import numpy as np, backpass as bp
    >>> @bp.implicit(root=lambda x, a: x * x - a)
    ... def root(a):
    ...     return np.sqrt(a)                      # any code that finds it
    >>> bp.grad(root)(4.0), bp.grad(bp.grad(root))(4.0)
    (0.25, -0.03125)
    """
    given = [f for f in (root, fixed_point, minimum) if f is not None]
    if len(given) != 1:
        raise TypeError("implicit takes exactly one of root=, fixed_point= and minimum=")
    if solve not in ("auto", "dense", "free"):
        raise ValueError(f"solve is 'auto', 'dense' or 'free', not {solve!r}")
    condition = root or (_residual(fixed_point) if fixed_point else grad(given[0]))

    def decorate(solver: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(solver)
        def wrapped(*args: Any) -> Any:
            return _call(condition, given[0], solver, args, solve)

        return wrapped

    return decorate


def _residual(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def residual(x: Any, *args: Any) -> Any:
        leaves, tree = flatten(function(x, *args))
        return tree.unflatten([t - v for t, v in zip(leaves, flatten(x)[0], strict=True)])

    return residual


def _call(condition: Any, shown: Any, solver: Any, args: tuple[Any, ...], solve: str) -> Any:
    leaves, tree = flatten(args)
    dynamic = [isinstance(v, (Traced, np.ndarray, np.generic)) or type(v) is float for v in leaves]
    given = [v for v, d in zip(leaves, dynamic, strict=True) if d]

    def rebuilt(handles: Any) -> Any:
        rest = iter(handles)
        return tree.unflatten([next(rest) if d else v for v, d in zip(leaves, dynamic, strict=True)])

    names = [n for n, d in zip(names_of(solver, tree, [f"a{k}" for k in range(len(args))]), dynamic, strict=True) if d]
    avals = [leaf_aval(v) for v in given]
    flat = lambda n: Tree(tuple, n, (LEAF,) * n)  # noqa: E731
    found: Any = None
    if any(type(v) is Traced and v.node.staged for v in given):
        found = capture(lambda *h: solver(*rebuilt(h)), avals, flat(len(given)), names, solver.__name__)
        x_tree = found.result
        x_avals = output_avals(found.graph)
        x: list[Any] = []
    else:
        x, x_tree = flatten(solver(*rebuilt([v.node.value if type(v) is Traced else v for v in given])))
        x = [np.asarray(v.node.value if type(v) is Traced else v)[()] for v in x]
        x_avals = [leaf_aval(v) for v in x]
    if floats(x_avals) != tuple(range(len(x_avals))):
        raise ShapeError(f"the solver {solver.__name__} must return floating arrays; it gave {x_avals}")

    def equation(*handles: Any) -> list[Any]:
        own = handles[: len(given)]
        out, out_tree = flatten(condition(x_tree.unflatten(handles[len(given) :]), *rebuilt(own)))
        if out_tree != x_tree or [shape_of(v) for v in out] != [a.shape for a in x_avals]:
            raise ShapeError(
                f"the equation of {solver.__name__} must have one entry for each unknown: for {x_avals} it gave "
                f"shapes {[shape_of(v) for v in out]}"
            )
        return out

    unknown = [f"x.{p}" if p else "x" for p in x_tree.paths]
    body = capture(equation, [*avals, *x_avals], flat(len(given) + len(x_avals)), [*names, *unknown], shown.__name__)
    attrs = {"unknowns": len(x_avals), "solve": solve}
    if found is not None:
        from backpass.graph.capture import widened

        outside = [h.node.aval for h in found.outside]
        wider = widened(found.graph, list(range(len(outside) + len(given))), [*outside, *avals, *x_avals])
        pair = [Captured(wider, found.outside, found.result), body]
        graphs, handles = merged(pair, len(given) + len(x_avals))
        bundle: Any = IMPLICIT(*at_hand(handles), *given, condition=graphs[1], solver=graphs[0], **attrs)
        return x_tree.unflatten(items(bundle))
    inputs = [*at_hand(body.outside), *given]
    if not any(type(v) is Traced for v in inputs):
        return x_tree.unflatten(x)
    attrs |= {"condition": body.graph, "solver": None}
    nodes = tuple([v.node if type(v) is Traced else v for v in inputs])
    return x_tree.unflatten(items(recorded(IMPLICIT, nodes, attrs, Bundle(x), here(3))))


__all__ = ["implicit"]
