"""Loops and branches as operations: their values and derivatives are those of the same code in plain Python."""

import tracemalloc
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp
from backpass.graph.encode import GraphError
from backpass.graph.errors import BackpassError, ShapeError, TracingError
from backpass.graph.op import OPS, Kind
from backpass.graph.pytree import flatten
from backpass.graph.traced import Traced
from backpass.partials.control import LoopError

RNG = np.random.default_rng(5)
W = 0.5 * RNG.normal(size=(3, 3))
X = RNG.normal(size=(6, 3))
H = RNG.normal(size=3)


class Program(NamedTuple):
    control: Callable[..., Any]
    plain: Callable[..., Any]
    args: tuple[Any, ...]


def _rnn(reverse: bool = False, checkpoint: Any = None) -> Program:
    def control(w: Any, h: Any, x: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            h = np.tanh(w @ h + x)
            return h, np.sum(h * x)

        h, ys = bp.scan(step, h, x, reverse=reverse, checkpoint=checkpoint)
        return np.sum(h**2) + np.sum(ys**3)

    def plain(w: Any, h: Any, x: Any) -> Any:
        total = 0.0
        for row in reversed(list(x)) if reverse else x:
            h = np.tanh(w @ h + row)
            total = total + np.sum(h * row) ** 3
        return np.sum(h**2) + total

    return Program(control, plain, (W, H, X))


def _nested_carry() -> Program:
    """A carry of several leaves, a whole number among them, with nested xs and ys."""

    def control(w: Any, x: Any) -> Any:
        def step(carry: Any, x: Any) -> Any:
            n, state = carry
            s = state["s"] * w + x["a"] * n
            return (n + 1, {"s": s}), {"y": s * x["b"], "n": n}

        carry, ys = bp.scan(step, (0, {"s": np.ones(2)}), {"a": x, "b": np.sin(x)})
        return np.sum(carry[1]["s"]) * carry[0] + np.sum(ys["y"] * np.reshape(ys["n"], (-1, 1)))

    def plain(w: Any, x: Any) -> Any:
        s, total = np.ones(2), 0.0
        for n in range(len(x)):
            s = s * w + x[n] * n
            total = total + np.sum(s * np.sin(x[n]) * n)
        return np.sum(s) * len(x) + total

    return Program(control, plain, (0.7, X[:4, :2]))


def _scan_in_scan() -> Program:
    def control(w: Any, x: Any) -> Any:
        def outer(c: Any, row: Any) -> Any:
            inner = bp.scan(lambda s, e: (np.sin(s * w[0]) + e * c, None), c, row)[0]
            return inner * w[1], inner

        c, ys = bp.scan(outer, 0.5, x)
        return c + np.sum(ys**2)

    def plain(w: Any, x: Any) -> Any:
        c, total = 0.5, 0.0
        for row in x:
            s = c
            for e in row:
                s = np.sin(s * w[0]) + e * c
            total = total + s**2
            c = s * w[1]
        return c + total

    return Program(control, plain, (np.array([0.8, -0.6]), X[:3]))


def _newton() -> Program:
    def control(a: Any) -> Any:
        return np.sum(a) * bp.while_loop(
            lambda x: np.abs(x * x - a[0] * a[1]) > 1e-3, lambda x: (x + a[0] * a[1] / x) / 2, a[0], max_steps=30
        )

    def plain(a: Any) -> Any:
        x = a[0]
        while np.abs(x * x - a[0] * a[1]) > 1e-3:
            x = (x + a[0] * a[1] / x) / 2
        return np.sum(a) * x

    return Program(control, plain, (np.array([3.0, 1.0]),))


def _while_with_state() -> Program:
    def control(w: Any, h: Any) -> Any:
        def onward(carry: Any) -> Any:
            k, h = carry
            return k + 1, np.tanh(w @ h) + 0.1 * h

        k, h = bp.while_loop(lambda c: (c[0] < 9) & (np.sum(c[1] ** 2) > 0.05), onward, (0, h), max_steps=12)
        return np.sum(h * k)

    def plain(w: Any, h: Any) -> Any:
        k = 0
        while k < 9 and np.sum(h**2) > 0.05:
            k, h = k + 1, np.tanh(w @ h) + 0.1 * h
        return np.sum(h * k)

    return Program(control, plain, (W, H))


def _branches(x: float) -> Program:
    def control(x: Any, y: Any) -> Any:
        first = bp.cond(x > 1, lambda x: np.sqrt(x) * y, lambda x: x**2 + 0 * y, x)
        return first * bp.switch(np.floor(x).astype(np.int64), [np.sin, lambda v: v * y, np.exp], x * y)

    def plain(x: Any, y: Any) -> Any:
        first = np.sqrt(x) * y if x > 1 else x**2
        k = min(max(int(np.floor(x)), 0), 2)
        return first * (np.sin(x * y), x * y * y, np.exp(x * y))[k]

    return Program(control, plain, (x, 0.7))


def _branch_in_scan() -> Program:
    """The condition is a value of the body, so the branch is chosen anew in each step."""

    def control(w: Any, x: Any) -> Any:
        def step(c: Any, e: Any) -> Any:
            c = bp.cond(c * e > 0, lambda c: np.sin(c * w), lambda c: c + e * w**2, c)
            return c, bp.cond(e > 0, lambda: c, lambda: c * w)

        c, ys = bp.scan(step, 0.3, x)
        return c * np.sum(ys)

    def plain(w: Any, x: Any) -> Any:
        c, total = 0.3, 0.0
        for e in x:
            c = np.sin(c * w) if c * e > 0 else c + e * w**2
            total = total + (c if e > 0 else c * w)
        return c * total

    return Program(control, plain, (0.9, X[:, 0]))


def _recomputed() -> Program:
    def control(w: Any, x: Any) -> Any:
        layer = bp.checkpoint(lambda p, h: np.tanh(h @ p["w"] + p["b"]))
        for _ in range(2):
            x = layer({"w": w, "b": 0.1}, x) * bp.checkpoint(lambda h: np.exp(h) * w[0, 0])(x)
        return np.sum(x)

    def plain(w: Any, x: Any) -> Any:
        for _ in range(2):
            x = np.tanh(x @ w + 0.1) * (np.exp(x) * w[0, 0])
        return np.sum(x)

    return Program(control, plain, (W, X))


def _loops_of_counts() -> Program:
    def control(w: Any, x: Any) -> Any:
        twice = bp.map(lambda row: np.sum(np.sin(row * w)) * row, x)
        return np.sum(bp.fori_loop(1, 5, lambda i, c: (c[0] * w + i * c[1][i], c[1]), (np.zeros(3), twice))[0]) * w

    def plain(w: Any, x: Any) -> Any:
        twice = [np.sum(np.sin(row * w)) * row for row in x]
        h: Any = np.zeros(3)
        for i in range(1, 5):
            h = h * w + i * twice[i]
        return np.sum(h) * w

    return Program(control, plain, (0.8, X))


def _gradient_inside() -> Program:
    """Gradient descent as a scan: the body takes a gradient, and the whole is differentiated by the rate."""

    def control(rate: Any, x: Any) -> Any:
        loss = lambda t: np.sum((np.sin(t) - x) ** 2) + rate * np.sum(t**2)  # noqa: E731
        return loss(bp.scan(lambda t, _: (t - rate * bp.grad(loss)(t), None), np.zeros(3), length=4)[0])

    def plain(rate: Any, x: Any) -> Any:
        t: Any = np.zeros(3)
        for _ in range(4):
            t = t - rate * (2 * (np.sin(t) - x) * np.cos(t) + 2 * rate * t)
        return np.sum((np.sin(t) - x) ** 2) + rate * np.sum(t**2)

    return Program(control, plain, (0.1, X[0]))


PROGRAMS = {
    "scan": _rnn(),
    "reversed scan": _rnn(reverse=True),
    "scan in stretches": _rnn(checkpoint=4),
    "reversed scan in stretches": _rnn(reverse=True, checkpoint=4),
    "scan in √n stretches": _rnn(checkpoint="sqrt"),
    "nested carry": _nested_carry(),
    "scan in scan": _scan_in_scan(),
    "newton": _newton(),
    "while with state": _while_with_state(),
    "branches low": _branches(0.6),
    "branches middle": _branches(1.5),
    "branches high": _branches(7.5),
    "branch in scan": _branch_in_scan(),
    "checkpoint": _recomputed(),
    "map and fori": _loops_of_counts(),
    "gradient inside": _gradient_inside(),
}


@pytest.fixture(params=PROGRAMS, ids=lambda name: name.replace(" ", "-"))
def program(request: Any) -> Program:
    return PROGRAMS[request.param]


def close(found: Any, wanted: Any) -> None:
    for a, b in zip(flatten(found)[0], flatten(wanted)[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)
        assert np.shape(a) == np.shape(b)


def directions(args: tuple[Any, ...], seed: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=np.shape(a))[()] for a in args)


def all_of(args: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(range(len(args)))


def test_value(program: Program) -> None:
    close(program.control(*program.args), program.plain(*program.args))


def test_first_order(program: Program) -> None:
    both = all_of(program.args)
    wanted = bp.grad(program.plain, both)(*program.args)
    close(bp.grad(program.control, both)(*program.args), wanted)
    close(bp.compile(bp.grad(program.control, both))(*program.args), wanted)
    v = directions(program.args, 1)
    close(bp.jvp(program.control, program.args, v)[1], sum(np.sum(a * b) for a, b in zip(wanted, v, strict=True)))
    assert bp.check(program.control, *program.args, argnums=both)


def test_second_order_in_every_mixture(program: Program) -> None:
    args, both = program.args, all_of(program.args)
    v, w = directions(args, 2), directions(args, 3)
    gradient = lambda f: bp.grad(f, both)  # noqa: E731
    wanted = bp.jvp(gradient(program.plain), args, v)[1]
    mixtures = {
        "forward over reverse": lambda *a: bp.jvp(gradient(program.control), a, v)[1],
        "reverse over reverse": lambda *a: bp.vjp(gradient(program.control), *a)[1](v),
        "reverse over forward": gradient(lambda *a: bp.jvp(program.control, a, v)[1]),
    }
    for mixture in mixtures.values():
        close(mixture(*args), wanted)
        close(bp.compile(mixture)(*args), wanted)
    twice = lambda *a: bp.jvp(lambda *b: bp.jvp(program.control, b, w)[1], a, v)[1]  # noqa: E731
    along = sum(np.sum(a * b) for a, b in zip(wanted, w, strict=True))
    close(twice(*args), along)
    close(bp.compile(twice)(*args), along)


def test_third_order(program: Program) -> None:
    if program is PROGRAMS["checkpoint"]:
        return  # its plain form alone takes seconds
    args = program.args
    v = directions(args, 4)

    def derivative(f: Any) -> Any:
        for _ in range(2):
            f = (lambda inner: lambda *a: bp.jvp(inner, a, v)[1])(f)
        return bp.grad(f, all_of(args))(*args)

    close(derivative(program.control), derivative(program.plain))


def test_graph_prints_and_survives_json(program: Program) -> None:
    graph = bp.trace(bp.grad(program.control, all_of(program.args)), *program.args)
    again = bp.Graph.from_json(graph.to_json())
    assert again == graph
    assert str(again) == str(graph)
    for a, b in zip(again(*program.args), graph(*program.args), strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(node.op.kind is Kind.CONTROL for node in graph.nodes)


def test_a_graph_is_differentiated_like_a_function(program: Program) -> None:
    graph = bp.trace(program.control, *program.args)
    wanted = bp.grad(program.plain, all_of(program.args))(*program.args)
    close(bp.grad(graph, all_of(program.args))(*program.args), wanted)


def test_every_control_operation_is_here() -> None:
    used: set[str] = set()

    def look(graph: Any) -> None:
        for node in graph.nodes:
            used.add(node.op.name)
            for body in node.bodies:
                look(body)

    for program in PROGRAMS.values():
        look(bp.trace(program.control, *program.args))
    elsewhere = {"implicit", "odeint"}  # test_implicit.py, test_ode.py
    wanted = {op.name for op in OPS.values() if op.kind is Kind.CONTROL} | {"item", "item_discrete"}
    assert used >= wanted - elsewhere


# ---- what the graph says
def test_names_and_lines_are_kept_in_bodies() -> None:
    def loss(w: Any, xs: Any) -> Any:
        def step(state: Any, x: Any) -> Any:
            z = w * state + x
            return np.tanh(z), None

        return bp.scan(step, 0.0, xs)[0]

    graph = bp.trace(bp.grad(loss), 0.5, X[:, 0])
    bodies = [body for node in graph.nodes for body in node.bodies]
    assert [body.name for body in bodies] == ["step", "backward of step"]
    names = {node.name for node in bodies[0].nodes}
    assert {"w", "state", "x", "z"} <= names
    z = next(node for node in bodies[0].nodes if node.name == "z")
    assert z.where is not None
    assert "z = w * state + x" in z.where.text
    assert any(node.adjoint for node in bodies[1].nodes)
    assert "graph step: 3 inputs" in str(graph)


def test_a_loop_is_one_line_however_long() -> None:
    f = lambda x, n: bp.fori_loop(0, n, lambda i, s: np.sin(s) + x, 0.0)  # noqa: E731
    assert len(bp.trace(bp.grad(lambda x: f(x, 10)), 1.0)) == len(bp.trace(bp.grad(lambda x: f(x, 10_000)), 1.0))


def test_carries_are_stored_only_when_they_are_read() -> None:
    f = lambda x: bp.scan(lambda c, e: (c * x + e, None), 0.0, X[:, 0])[0]  # noqa: E731
    keeps = lambda graph: [node.attrs["keep"] for node in graph.nodes if "keep" in node.attrs]  # noqa: E731
    assert keeps(bp.trace(f, 1.0)) == [False]
    assert keeps(bp.trace(lambda x: bp.jvp(f, (x,), (1.0,))[1], 1.0)) == [False]
    assert keeps(bp.trace(bp.grad(f), 1.0)) == [True, False]


def test_a_body_is_traced_once() -> None:
    calls = []

    def step(c: Any, e: Any) -> Any:
        calls.append(c.__class__ is Traced)
        return c + e, None

    bp.scan(step, 0.0, np.arange(50.0))
    assert calls == [True]


# ---- edges
def test_empty_and_single_loops() -> None:
    f = lambda x, n: bp.scan(lambda c, _: (c * x, c), 2.0, length=n)  # noqa: E731
    assert f(3.0, 0)[0] == 2.0
    assert f(3.0, 0)[1].shape == (0,)
    assert bp.grad(lambda x: f(x, 0)[0])(3.0) == 0.0
    assert bp.grad(lambda x: f(x, 1)[0])(3.0) == 2.0
    assert bp.grad(lambda x: bp.while_loop(lambda c: c > 100, lambda c: c * x, x))(3.0) == 1.0
    assert bp.fori_loop(3, 3, lambda i, c: c + 1, 5) == 5
    assert bp.fori_loop(4, 3, lambda i, c: c + 1, 5) == 5


def test_a_python_number_takes_the_dtype_of_the_body() -> None:
    x = np.arange(3, dtype=np.float32)
    carry, _ = bp.scan(lambda c, e: (c + e, None), 0.0, x)
    assert carry.dtype == np.float64  # a carry is an array: np.float64(0.0) + np.float32(1)
    carry, _ = bp.scan(lambda c, e: (c + e, None), np.float32(0), x)
    assert carry.dtype == np.float32
    assert bp.grad(lambda x: bp.scan(lambda c, e: (c + e, None), 0, x)[0])(x).dtype == np.float32
    assert bp.scan(lambda c, e: (c + e, None), 0, np.arange(3.0))[0] == 3.0


def test_structural_zeros_win_inside_and_around_loops() -> None:
    root = lambda x: bp.fori_loop(0, 1, lambda i, c: np.sqrt(c), x)  # noqa: E731
    assert bp.grad(lambda x: np.where(x > 0, root(x), 0.0))(0.0) == 0.0
    assert bp.grad(lambda x: bp.cond(x > 0, np.sqrt, lambda x: 0.0 * x, x))(0.0) == 0.0
    inside = lambda x: bp.scan(lambda c, e: (c + np.where(e > 0, np.sqrt(e), 0.0), None), 0.0, x)[0]  # noqa: E731
    assert list(bp.grad(inside)(np.array([0.0, 4.0]))) == [0.0, 0.25]
    with np.errstate(divide="ignore", invalid="ignore"):
        assert bp.compile(bp.grad(lambda x: np.where(x > 0, root(x), 0.0)))(0.0) == 0.0


def test_a_count_that_is_known_only_at_run_time() -> None:
    def power(x: Any, n: Any) -> Any:
        return bp.fori_loop(0, n, lambda i, p: p * x, 1.0, max_steps=10)

    fast = bp.compile(bp.value_and_grad(power))
    for n in (0, 1, 5, 10):
        value, slope = fast(2.0, np.int64(n))
        assert value == 2.0**n
        assert slope == (n * 2.0 ** (n - 1) if n else 0.0)
    second = bp.compile(bp.grad(bp.grad(power)))
    assert second(2.0, np.int64(5)) == 20 * 2.0**3


@settings(deadline=None, max_examples=25)
@given(
    n=st.integers(0, 9),
    k=st.integers(1, 10),
    reverse=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_stretches_change_nothing(n: int, k: int, reverse: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    w, xs = rng.normal(), rng.normal(size=n)

    def loss(w: Any, xs: Any, stretch: Any) -> Any:
        c, ys = bp.scan(lambda c, x: (np.sin(c * w) + x, c * x), 0.5, xs, reverse=reverse, checkpoint=stretch)
        return c + np.sum(ys**2)

    wanted = bp.value_and_grad(loss, (0, 1))(w, xs, None)
    close(bp.value_and_grad(loss, (0, 1))(w, xs, k), wanted)


def test_a_derivative_of_constants_in_a_body_leaves_no_trace() -> None:
    slope = lambda v: bp.jvp(np.sin, (np.float64(0.5),), (v,))[1]  # noqa: E731
    total, each = bp.scan(lambda c, e: (c + slope(e), slope(e)), 0.0, np.arange(3.0))
    assert type(total) is np.float64
    assert type(each) is np.ndarray
    assert type(bp.checkpoint(slope)(np.float64(2.0))) is np.float64
    assert type(bp.vmap(slope)(np.arange(3.0))) is np.ndarray
    assert type(bp.while_loop(lambda c: c < 3.0, lambda c: c + slope(np.ones_like(c)), 0.0)) is np.float64


# ---- refusals
REFUSED = {
    "carry changes its shape": (
        lambda x: bp.scan(lambda c, e: (np.stack([c, e]), None), 0.0, x),
        ShapeError,
        "keep its",
    ),
    "carry changes its structure": (lambda x: bp.scan(lambda c, e: ((c, c), None), 0.0, x), ShapeError, "structure"),
    "no pair": (lambda x: bp.scan(lambda c, e: c, 0.0, x), TracingError, r"pair \(carry, y\)"),
    "no axis": (lambda x: bp.scan(lambda c, e: (c, e), 0.0, x[0]), ShapeError, "no axis to loop over"),
    "no steps": (lambda x: bp.scan(lambda c, e: (c, e), 0.0), TypeError, "how many steps"),
    "lengths differ": (lambda x: bp.scan(lambda c, e: (c, e), 0.0, (x, x[1:])), ShapeError, "steps"),
    "value read in a body": (
        lambda x: bp.scan(lambda c, e: (c if e > 0 else e, None), 0.0, x),
        TracingError,
        "bp.cond",
    ),
    "branches differ": (
        lambda x: bp.trace(lambda p: bp.cond(p, lambda: x, lambda: 1.0), True),
        ShapeError,
        "branches differ",
    ),
    "array as a condition": (lambda x: bp.cond(x > 0, np.sin, np.cos, x), ShapeError, "one truth value"),
    "array as a test": (lambda x: bp.while_loop(lambda c: c > 0, np.sin, x), ShapeError, "one truth value"),
    "more steps than the bound": (
        lambda x: bp.while_loop(lambda c: c < 9, lambda c: c + 1, 0.0, max_steps=3),
        LoopError,
        "max_steps=3",
    ),
    "negative stretch": (lambda x: bp.scan(lambda c, e: (c, e), 0.0, x, checkpoint=0), ValueError, "checkpoint"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_say_what_to_do(name: str) -> None:
    attempt, kind, words = REFUSED[name]
    if name == "branches differ":
        attempt = lambda x: bp.trace(lambda p: bp.cond(p > 0, lambda: x, lambda: 1.0), 1.0)  # noqa: E731
    with pytest.raises(kind, match=words):
        attempt(np.arange(3.0))


def _until_large(theta: Any) -> Any:
    w, h = theta
    count, h = bp.while_loop(
        lambda state: (state[0] < 7) & (np.sum(state[1] ** 2) < 3.0),
        lambda state: (state[0] + 1, state[1] + np.tanh(w @ state[1])),
        (0, h),
    )
    return np.sum(h**2) * count


def test_without_a_bound_a_compiled_loop_is_run_again_backwards() -> None:
    theta = (np.array([[0.5, -0.3], [0.2, 0.1]]), np.array([0.3, 0.7]))
    wanted = bp.grad(_until_large)(theta)
    found = bp.compile(bp.grad(_until_large))(theta)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)
    turn = np.array([[1.0, 2.0], [3.0, 4.0]])
    second = bp.grad(lambda w: np.sum(bp.grad(_until_large)((w, theta[1]))[0] * turn))
    wanted = second(theta[0])
    np.testing.assert_allclose(bp.compile(second)(theta[0]), wanted, rtol=1e-12)
    forward = bp.compile(lambda w: bp.jvp(bp.grad(_until_large), ((w, theta[1]),), ((turn, 0.0 * theta[1]),))[1][0])
    np.testing.assert_allclose(forward(theta[0]), wanted, rtol=1e-12)  # H is symmetric
    none = bp.compile(bp.grad(lambda a: bp.while_loop(lambda c: c > 100.0, lambda c: c * a, a)))
    assert none(3.0) == 1.0


def test_a_loop_past_its_bound_stops_in_a_compiled_gradient() -> None:
    f = lambda a: bp.while_loop(lambda c: c < 100.0, lambda c: c * a, a, max_steps=4)  # noqa: E731
    with pytest.raises(BackpassError, match="max_steps=4"):
        bp.compile(bp.grad(f))(1.5)
    with pytest.raises(BackpassError, match="max_steps=4"):
        bp.grad(f)(1.5)


def test_a_damaged_body_is_refused() -> None:
    graph = bp.trace(lambda x: bp.scan(lambda c, e: (c + e, None), 0.0, x)[0], np.arange(3.0))
    content = graph.to_dict()
    line = next(item for item in content["nodes"] if item["op"] == "scan")
    line["attrs"]["length"] = 4
    with pytest.raises(GraphError, match="scan"):
        bp.Graph.from_dict(content)
    line["attrs"]["length"] = 3
    body = line["attrs"]["body"]["graph"]
    body["nodes"][-1]["op"] = "sin"
    with pytest.raises(GraphError):
        bp.Graph.from_dict(content)


# ---- memory
def _peak(function: Callable[[], Any]) -> int:
    function()
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_memory_of_a_checkpointed_scan_grows_as_the_root_of_its_length() -> None:
    """2√n carries for checkpoint="sqrt", n for none, n/k + k for k, and what a step takes, which does not grow."""
    size = 1000
    carry = 8 * size
    start = np.random.default_rng(0).normal(size=size)

    def gradient(n: int, checkpoint: Any) -> Any:
        body = lambda c, _: (np.sin(c) * 0.9 + 0.1, None)  # noqa: E731
        return bp.grad(lambda h: np.sum(bp.scan(body, h, length=n, checkpoint=checkpoint)[0]))(start)

    def peak(n: int, checkpoint: Any = None) -> float:
        return _peak(lambda: gradient(n, checkpoint)) / carry

    base = peak(1)
    allowed = lambda carries: carries * 1.05 + base + 25  # noqa: E731
    assert 10_000 < peak(10_000) < allowed(10_000)
    long = peak(10_000, "sqrt")
    assert 200 < long < allowed(200)
    assert 160 < long - peak(100, "sqrt") < 200
    assert peak(10_000, 500) < allowed(520)
    np.testing.assert_array_equal(gradient(1000, "sqrt"), gradient(1000, None))
