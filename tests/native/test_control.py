"""Loops and branches as machine code: the interpreter's values and gradients, and what ends them early."""

from __future__ import annotations

import signal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp
from backpass.graph.interpreter import run
from backpass.graph.pytree import flatten
from backpass.native.kernel import Kernel
from backpass.native.program import Memory, Program
from backpass.native.target import runnable
from backpass.partials.control import LoopError

DRAW = np.random.default_rng(4)
W = 0.4 * DRAW.normal(size=(5, 5))
X = DRAW.normal(size=(7, 5))
H = DRAW.normal(size=5)


def rnn(w, h, x):
    h, ys = bp.scan(lambda h, x: (np.tanh(w @ h + x), np.sum(h * x)), h, x)
    return np.sum(h**2) + np.sum(ys**3)


def counted(w, h, x):
    """A loop that may end early, and its backward pass over the steps that there were."""

    def onward(carry):
        k, h = carry
        return k + 1, np.tanh(w.T @ h) * (1 + 0.1 * k.astype(h.dtype))

    k, h = bp.while_loop(lambda c: (c[0] < 9) & (np.sum(c[1] ** 2) > 0.3), onward, (0, h), max_steps=12)
    return np.sum(h * k) + np.sum(x)


def nested(w, h, x):
    def outer(c, row):
        inner = bp.scan(lambda s, e: (np.sin(s * w[0, 0]) + e * c[1], s), np.sum(c), row)
        return c * 0.5 + inner[0], inner[1]

    c, ys = bp.scan(outer, h, x, reverse=True)
    return np.sum(c) + np.sum(ys**2)


def branched(w, h, x):
    def step(c, row):
        c = bp.cond(np.sum(c * row) > 0, lambda c: np.sin(w @ c), lambda c: c + row, c)
        k = np.floor(row[0]).astype(np.int8)
        return c, bp.switch(
            k, [np.sum, lambda c: c @ row, lambda c: bp.scan(lambda s, e: (s * e, None), c[0], c)[0]], c
        )

    c, ys = bp.scan(step, h, x)
    return np.sum(c) + np.sum(np.sin(ys))


def stretched(w, h, x):
    h, ys = bp.scan(lambda h, x: (np.tanh(w @ h + x), h), h, np.concatenate([x, x]), checkpoint=4)
    return np.sum(h * bp.checkpoint(lambda h: np.exp(np.sin(h)))(h)) + np.sum(ys)


def mapped(w, h, x):
    twice = bp.map(lambda row: np.sum(np.sin(row * h)) * row, x)
    return np.sum(bp.fori_loop(1, 5, lambda i, c: (c[0] * 0.7 + h[i] * c[1][i], c[1]), (0 * h, twice))[0])


def strided(w, h, x):
    """What is looped over lies backwards, with gaps, broadcast; what is read from outside is transposed."""
    table = np.arange(15).reshape(5, 3).astype(x.dtype)
    f = lambda h, xs: (np.tanh(w.T @ h) + xs[0], xs[1] * h[::2] + xs[2] @ table[::2])  # noqa: E731
    h, ys = bp.scan(f, h, (x[::-1], x[:, :3], np.broadcast_to(h[:3], (7, 3))))
    return np.sum(h) + np.sum(np.sin(ys))


def swapped(w, h, x):
    """Carries that change places, and one that stays."""
    (a, b, c), ys = bp.scan(lambda s, x: ((s[1], s[0] + x, s[2]), s[0] - s[2]), (h, 2 * h, w[0]), x)
    return np.sum(a * b * c) + np.sum(ys**2)


def with_island(w, h, x):
    """An operation that NumPy runs, in each step of the loop."""
    step = lambda h, row: (np.tanh(np.linalg.solve(w + 3 * np.eye(5, dtype=w.dtype), h) + np.sort(row)), h)  # noqa: E731
    h, ys = bp.scan(step, h, x)
    return np.sum(h) + np.sum(ys**2)


def empty(w, h, x):
    h, ys = bp.scan(lambda h, x: (h * x, h), h, x[:0])
    k = bp.while_loop(lambda k: np.sum(k) < -1e9, lambda k: k * 2, h, max_steps=3)
    return np.sum(h * k) + np.sum(ys)


def adaptive(w, h, x):
    """Its own run in the middle of the code."""
    return np.sum(
        bp.odeint(lambda y, t: -y * h[0] ** 2 + np.sin(t), h, np.array([0.0, 0.4, 1.0]).astype(h.dtype)) ** 2
    ) + np.sum(w @ x.T)


PROGRAMS = [
    rnn, counted, nested, branched, stretched, mapped, strided, swapped, with_island, empty, adaptive
]  # fmt: skip


def close(found, wanted, tolerance):
    for a, b in zip(found, wanted, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * np.max(np.abs(b), initial=1e-30))


def kernels_of(plan):
    from backpass.native.control import bodies

    for kernel in plan.kernels:
        yield kernel
        for body in bodies(kernel):
            yield from kernels_of(body.plan)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-5)], ids=["f64", "f32"])
@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__.replace("_", "-"))
def test_the_interpreters_value_and_gradient(f, dtype, tolerance):
    args = [a.astype(dtype) for a in (W, H, X)]
    graph = bp.trace(bp.value_and_grad(f, argnums=(0, 1, 2)), *args)
    program = Program(graph)
    close(program.run(args), run(graph, args), tolerance)
    islands = [k.line.op.name for k in kernels_of(program.code.plan) if k.kind == "island"]
    assert not {"scan", "while", "cond", "checkpoint"} & set(islands)
    assert ("solve" in islands, "odeint" in islands) == (f is with_island, f is adaptive)


@pytest.mark.parametrize("target", runnable(), ids=lambda target: target.name)
def test_every_target(target):
    graph = bp.trace(bp.grad(branched, argnums=(0, 1, 2)), W, H, X)
    close(Program(graph, target).run([W, H, X]), run(graph, [W, H, X]), 1e-12)


@pytest.mark.parametrize("index", [np.True_, np.int8(-5), np.uint64(2**63), np.int64(1), np.uint8(200)])
def test_an_index_is_clipped_to_the_branches(index):
    def f(k, x):
        if k.dtype == bool:
            return bp.cond(k, np.sin, np.cos, x)
        return bp.switch(k, [np.sin, np.cos, lambda x: x * 2], x)

    assert bp.compile(f)(index, 0.3) == bp.trace(f, index, 0.3)(index, 0.3)


def test_values_that_are_not_finite():
    def f(x):
        c, ys = bp.scan(lambda c, x: (c / x, np.maximum(c, x)), np.float64(1.0), x)
        return c, ys, bp.while_loop(lambda v: v < np.inf, lambda v: v * v, 2.0)

    x = np.array([2.0, 0.0, -0.0, np.nan, 1.0])
    with np.errstate(all="ignore"):
        graph = bp.trace(f, x)
        wanted, result = graph(x), Program(graph).run([x])
    for found, expected in zip(result, wanted, strict=True):
        np.testing.assert_array_equal(found, expected)


def wide(w, h, x):
    """Bodies that are worth dividing: a product, a branch, a test that all ranks must decide alike."""

    def step(h, row):
        h = np.tanh(h @ w + row)
        return bp.cond(np.sum(h) > 0, lambda h: h * 0.5, lambda h: np.sin(h @ w), h), np.sum(h)

    h, ys = bp.scan(step, h, x)
    k, h = bp.while_loop(
        lambda c: (c[0] < 3) & (np.sum(c[1] @ w) < 1e9), lambda c: (c[0] + 1, np.cos(c[1] @ w)), (0, h), max_steps=4
    )
    return np.sum(h) * k + np.sum(ys**2)


def test_the_same_bits_whatever_the_ranks():
    from threading import Thread

    draw = np.random.default_rng(0)
    args = [0.2 * draw.normal(size=(64, 64)), draw.normal(size=(32, 64)), draw.normal(size=(4, 32, 64))]
    graph = bp.trace(bp.value_and_grad(wide, argnums=(0, 1, 2)), *args)
    program = Program(graph)
    first = program.run(args)
    close(first, run(graph, args), 1e-11)
    plan = program.code.plan
    for ranks in (2, 3):
        memory = Memory(program.code, ranks)
        results = [np.empty(item.aval.shape, item.dtype) for item in plan.outputs]
        for item, array in zip([*plan.inputs, *plan.outputs], [*args, *results], strict=True):
            memory.set(item, array)
        memory.begin()
        table, arena, flag, _, _, barrier = memory.arguments
        threads = [
            Thread(target=program._entry, args=(table, arena, flag, rank, ranks, barrier)) for rank in range(ranks)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for a, b in zip(results, first, strict=True):
            np.testing.assert_array_equal(a, b)


# ---- what ends a loop early
def test_a_loop_beyond_its_bound_is_the_interpreters_error():
    fast = bp.compile(bp.grad(lambda x: bp.while_loop(lambda v: v < 100.0, lambda v: v * x, x, max_steps=5)))
    assert fast(3.0) == 5 * 3.0**4
    with pytest.raises(LoopError, match="more than max_steps=5"):
        fast(1.5)
    assert fast(3.0) == 5 * 3.0**4


def test_an_index_out_of_bounds_in_a_body():
    fast = bp.compile(lambda x, i: bp.scan(lambda c, k: (c + x[k], None), 0.0, i)[0])
    assert fast(H, np.array([0, -1, 4])) == H[0] + H[-1] + H[4]
    with pytest.raises(IndexError):
        fast(H, np.array([0, 5, 1]))


def test_an_error_in_an_island_of_a_body():
    fast = bp.compile(lambda a, n: bp.fori_loop(0, n, lambda i, a: np.linalg.inv(a) * i, a))
    with pytest.raises(np.linalg.LinAlgError):
        fast(np.eye(2), np.int64(10**9))
    np.testing.assert_array_equal(fast(np.eye(2), np.int64(1)), np.zeros((2, 2)))


def test_a_key_that_is_pressed_in_a_long_loop():
    """As Ctrl-C is: a signal whose handler raises, while machine code runs that would not end by itself."""
    fast = bp.compile(lambda x, stop: bp.while_loop(lambda v: v < stop, lambda v: np.sin(v), x))
    assert fast(0.5, -1.0) == 0.5

    def pressed(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, pressed)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            fast(0.5, 2.0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert fast(0.5, -1.0) == 0.5


def test_kernels_are_named_with_their_bodies():
    text = bp.compile(counted).kernels(W, H, X)
    assert "loop     while, ≤ 12" in text
    assert "\n       0  nest" in text
    assert "island   " in bp.compile(with_island).kernels(W, H, X)
    assert isinstance(next(kernels_of(Program(bp.trace(rnn, W, H, X)).code.plan)), Kernel)


def test_recurrent_models_train_as_machine_code(monkeypatch):
    from backpass.descent import adam
    from backpass.train.loop import Loop
    from backpass.train.progress import Quiet
    from backpass.train.stepping import Interpreted, Native

    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(20, 6, 3)).astype(np.float32), draw.normal(size=20).astype(np.float32)

    def loss(theta, state, key, x, y):
        def step(h, x):
            z = 1 / (1 + np.exp(-(x @ theta["Wz"] + h @ theta["Uz"])))
            return (1 - z) * h + z * np.tanh(x @ theta["Wh"] + h @ theta["Uh"]), None

        h = bp.scan(step, np.zeros((len(x), 8), np.float32), np.swapaxes(x, 0, 1))[0]
        return np.mean((h @ theta["v"] - y) ** 2), state

    def trained():
        draw = np.random.default_rng(1)
        shapes = {"Wz": (3, 8), "Uz": (8, 8), "Wh": (3, 8), "Uh": (8, 8), "v": (8,)}
        theta = {name: 0.3 * draw.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
        loop = Loop(loss, adam(1e-2), theta, {}, (x, y), 5, seed=2)
        found = [loop.run_epoch(Quiet()) for _ in range(3)]
        return loop, found

    fast, found = trained()
    assert all(isinstance(stepper, Native) for stepper in fast._steppers.values())
    monkeypatch.setenv("BACKPASS_NATIVE", "0")
    slow, wanted = trained()
    assert all(isinstance(stepper, Interpreted) for stepper in slow._steppers.values())
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
    close([np.asarray(a) for a in fast.carried], [np.asarray(a) for a in slow.carried], 1e-3)


# ---- random bodies
UNARY = [
    np.sin, np.negative, np.tanh, lambda a: a * a, lambda a: a[::-1], lambda a: np.where(a > 0, a, 0.3 * a),
    lambda a: np.broadcast_to(np.sum(a), (4,)), lambda a: np.concatenate([a[1:], a[:1]]), np.floor,
    lambda a: np.max(a) - a, lambda a: np.outer(a, a) @ a * 0.1, np.cumsum,
    lambda a: a.astype(np.float32).astype(a.dtype),
]  # fmt: skip
BINARY = [
    np.add,
    np.multiply,
    np.subtract,
    np.maximum,
    lambda a, b: np.where(a < b, a, b),
    lambda a, b: a / (2 + b * b),
]
LINES = st.lists(
    st.tuples(st.integers(0, len(UNARY) + len(BINARY) - 1), st.integers(0, 9), st.integers(0, 9)),
    min_size=2,
    max_size=9,
)


def random_body(lines, values):
    values = list(values)
    for number, i, j in lines:
        a, b = values[i % len(values)], values[j % len(values)]
        made = UNARY[number](a) if number < len(UNARY) else BINARY[number - len(UNARY)](a, b)
        values.append(np.tanh(made) if number % 3 else made)
    return values


def random_program(kinds, lines, inner):
    def bounded(v):
        return v / (1 + np.abs(v))

    def body(w, a, b, x):
        values = random_body(lines, (w, a, b, x))
        for kind in kinds:
            u, v = values[-1], values[-2]
            if kind == "cond":
                values.append(bp.cond(np.sum(u) > np.sum(v), lambda u=u: random_body(inner, (u, w))[-1], lambda v=v: v))
            elif kind == "scan":
                values.append(bp.scan(lambda c, e: (bounded(random_body(inner, (c, w * e))[-1]), None), u, v)[0])
            elif kind == "while":
                going = lambda c: (c[0] < 5) & (np.sum(c[1]) < 3.0)  # noqa: E731
                onward = lambda c, v=v: (c[0] + 1, bounded(random_body(inner, (c[1], v))[-1]) + 0.5)  # noqa: E731
                values.append(bp.while_loop(going, onward, (0, bounded(u)), max_steps=6)[1])
            else:
                values.append(bp.checkpoint(lambda u, v: random_body(inner, (u, v))[-1])(u, v))
        return (bounded(values[-1]), bounded(values[-2] + a)), values[-3]

    def f(w, a, x):
        (a, b), ys = bp.scan(lambda c, x: body(w, *c, x), (a, 2 * a), x)
        return np.sum(a * b) + np.sum(np.sin(ys))

    return f


def check(kinds, lines, inner, steps, seed):
    draw = np.random.default_rng(seed)
    args = [draw.normal(size=4), draw.normal(size=4), draw.normal(size=(steps, 4))]
    with np.errstate(all="ignore"):
        graph = bp.trace(bp.value_and_grad(random_program(kinds, lines, inner), argnums=(0, 1, 2)), *args)
        wanted = run(graph, flatten(args)[0])
    close(Program(graph).run(args), wanted, 1e-9)


KINDS = st.lists(st.sampled_from(["cond", "scan", "while", "checkpoint"]), max_size=2)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(KINDS, LINES, LINES, st.integers(0, 5), st.integers(0, 9))
def test_random_bodies(kinds, lines, inner, steps, seed):
    check(kinds, lines, inner, steps, seed)


@pytest.mark.slow
@settings(max_examples=30, deadline=None, derandomize=True)
@given(KINDS, LINES, LINES, st.integers(0, 5), st.integers(0, 99))
def test_thirty_random_bodies(kinds, lines, inner, steps, seed):
    check(kinds, lines, inner, steps, seed)
