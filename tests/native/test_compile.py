"""Compiled functions: values, types and refusals as the interpreter's, and what can be looked at."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any, NamedTuple

import numpy as np
import pytest

import backpass as bp
from backpass.graph.errors import NonFiniteError
from backpass.graph.interpreter import run
from backpass.graph.pytree import flatten
from backpass.native.program import Program
from backpass.native.target import runnable

X = np.random.default_rng(0).normal(size=(5, 7))
SPECIAL = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1.0, -1.0, 2.5, -0.5, 1e-300, 1e300, 3.0])


def mlp(theta, x, y):
    a = np.tanh(x @ theta["W1"] + theta["b1"])
    return np.mean((a @ theta["W2"] + theta["b2"] - y) ** 2)


def network(dtype=np.float64, rows=9):
    draw = np.random.default_rng(1)
    theta = {
        "W1": draw.normal(size=(3, 20)),
        "b1": draw.normal(size=20),
        "W2": draw.normal(size=(20, 2)),
        "b2": np.zeros(2),
    }
    theta = {name: value.astype(dtype) for name, value in theta.items()}
    return theta, draw.normal(size=(rows, 3)).astype(dtype), draw.normal(size=(rows, 2)).astype(dtype)


def close(found, wanted, tolerance):
    for a, b in zip(flatten(found)[0], flatten(wanted)[0], strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * np.max(np.abs(b), initial=1e-30))


@pytest.mark.parametrize("target", runnable(), ids=lambda target: target.name)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_a_network_and_its_gradient_on_every_target(target, dtype, tolerance):
    args = network(dtype)
    graph = bp.trace(bp.value_and_grad(mlp), *args)
    close(Program(graph, target).run(flatten(args)[0]), run(graph, flatten(args)[0]), tolerance)


def long_softmax(z):
    e = np.exp(z - np.max(z, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


FUNCTIONS = {
    "softmax": lambda x: np.exp(x - np.max(x, axis=1, keepdims=True)) / np.sum(np.exp(x), axis=1, keepdims=True),
    "columns": lambda x: (np.sum(x, axis=0), np.max(x, axis=0), np.min(x, axis=0), np.prod(x, axis=0)),
    "all": lambda x: (np.sum(x), np.mean(x), np.std(x), np.any(x > 9), np.all(x < 9)),
    "views": lambda x: (x.T + 1, x[::-1, ::2] * 2, np.reshape(x.T, -1), np.broadcast_to(x[:1], (3, 7)) - x[1:4]),
    "pieces": lambda x: (np.concatenate([x, 2 * x[:2]]), np.stack([x, -x]), np.pad(x, 1)),
    "outer": lambda x: (np.outer(x[0], x[1]), x[0] @ x[1], x @ x[0], x.T @ x),
    "batch": lambda x: np.matmul(np.stack([x, 2 * x, x - 1]), np.stack([x.T, x.T, -x.T])),
    "einsum": lambda x: (np.einsum("ij,kj->ik", x, x), np.einsum("ij,ij->i", x, x), np.einsum("ii->i", x[:5, :5])),
    "gather": lambda x: (x[np.array([0, -1, 2])], x[np.arange(5), np.array([0, 1, -1, 3, 2])], x[:, np.array([1, 1])]),
    "long rows": lambda x: long_softmax(x[:, :1] * np.arange(300.0) / 30),
    "island": lambda x: np.linalg.solve(x[:, :5] + 9 * np.eye(5), x[:, 5]) * 2,
    "whole numbers": lambda x: ((x * 10).astype(np.int64) // 3, (x * 10).astype(np.int64) % -3, x > 0, ~(x > 0)),
    "norms": lambda x: (np.linalg.norm(x), np.linalg.norm(x, axis=1)),
    "nothing": lambda x: (x, x[0, 0], 1.0, np.zeros(3)),
    "empty": lambda x: (np.sum(x[:0]), x[:0] * 2, np.sum(x[:0], axis=0)),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_interpreters_values(name):
    f = FUNCTIONS[name]
    close(bp.compile(f)(X), bp.trace(f, X)(X), 1e-13)


@pytest.mark.parametrize(
    "name", ["softmax", "views", "pieces", "outer", "batch", "gather", "long rows", "island", "norms"]
)
def test_the_interpreters_gradients(name):
    def loss(x):
        results = FUNCTIONS[name](x)
        return sum(np.sum(np.sin(r)) for r in (results if isinstance(results, tuple) else (results,)))

    close(bp.compile(bp.grad(loss))(X), bp.grad(loss)(X), 1e-11)


@pytest.mark.parametrize(
    "f",
    [np.negative, np.sqrt, np.sign, np.square, np.floor, np.rint, np.abs, np.reciprocal, np.exp, np.log, np.tanh,
     np.isnan, np.signbit, lambda x: np.maximum(x, 0.0), lambda x: np.minimum(0.0, x),
     lambda x: np.where(x > 0, x, -0.0),
     lambda x: x % 2.5, lambda x: x // 2.5, lambda x: 1.0 / x, lambda x: np.max(x), lambda x: np.fmax(x, 1.0)],
)  # fmt: skip
def test_special_values(f):
    with np.errstate(all="ignore"):
        wanted = np.asarray(f(SPECIAL))
    found = np.asarray(bp.compile(f)(SPECIAL))
    np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted)) if wanted.dtype.kind == "f" else None
    np.testing.assert_allclose(found, wanted, rtol=4e-16)
    if wanted.dtype.kind == "f":
        zero = wanted == 0
        np.testing.assert_array_equal(np.signbit(found[zero]), np.signbit(wanted[zero]))


def test_division_of_whole_numbers():
    x = np.array([7, -7, 0, np.iinfo(np.int64).min, 5], np.int64)
    y = np.array([2, 2, 3, -1, 0], np.int64)
    with np.errstate(all="ignore"):
        wanted = x // y, x % y, np.fmod(x, y)
    close(bp.compile(lambda x, y: (x // y, x % y, np.fmod(x, y)))(x, y), wanted, 0)


def test_an_index_out_of_bounds_is_the_interpreters_error():
    fast = bp.compile(lambda x, i: np.sum(x[i]))
    assert fast(X[0], np.array([1, -1])) == X[0, 1] + X[0, -1]
    with pytest.raises(IndexError, match="index 7 is out of bounds for axis 0 with size 7"):
        fast(X[0], np.array([1, 7]))
    assert fast(X[0], np.array([0, 1])) == X[0, 0] + X[0, 1]


def test_an_error_in_an_island_comes_through():
    fast = bp.compile(lambda x: np.linalg.inv(x) * 2)
    with pytest.raises(np.linalg.LinAlgError):
        fast(np.zeros((2, 2)))
    close(fast(np.eye(2)), 2 * np.eye(2), 0)


def test_what_can_be_looked_at():
    fast = bp.compile(lambda x: np.linalg.inv(np.tanh(x)) * 2)
    told = fast.kernels(X[:, :5])
    assert "tanh" in told
    assert "inv(…), run by NumPy" in told
    assert "define" in fast.llvm(X[:, :5])
    assert "backpass_main" in fast.asm(X[:, :5])


def test_the_short_way_takes_what_is_as_compiled_and_nothing_else():
    fast = bp.compile(lambda x, y: (np.sum(x * y), x - y, x[0]))
    slow = lambda x, y: (np.sum(x * y), x - y, x[0])  # noqa: E731
    y = X[::-1].copy()
    for _ in range(2):
        close(fast(X, y), slow(X, y), 1e-13)
    assert fast._ways
    kept = fast(X, y)
    again = fast(X * 2, y)
    assert kept[1] is not again[1]
    close(kept, slow(X, y), 1e-13)
    others = [
        (X[:3], y[:3]),
        (X.T, y.T),
        (X[:, ::2], y[:, ::2]),
        (X.astype(np.float32), y.astype(np.float32)),
        (X.astype(">f8"), y),
        (X.tolist() and X, 2.0),
        (X[0], y[0]),
        (np.asfortranarray(X), y),
    ]
    for x, other in others:
        close(fast(x, other), slow(x, other), 1e-6 if x.dtype == np.float32 else 1e-13)
        close(fast(X, y), slow(X, y), 1e-13)
    with pytest.raises(TypeError):
        fast(X, y, y)
    close(bp.grad(lambda x: fast(x, y)[0])(X), y, 1e-13)


class Pair(NamedTuple):
    left: Any
    right: Any


@dataclasses.dataclass
class Layer:
    W: Any
    b: Any


def test_the_short_way_takes_nests_of_their_structure():
    theta = {"first": Layer(X[:, :3].copy(), X[0, :3].copy()), "rest": [Pair(X[1, :3].copy(), (X[2, :3].copy(), None))]}

    def f(theta, x):
        layer, (pair,) = theta["first"], theta["rest"]
        y = np.tanh(x @ layer.W + layer.b) * pair.left + pair.right[0]
        return {"loss": np.sum(y), "y": [y, Pair(y[0], None)]}

    fast = bp.compile(f)
    x = X @ X.T
    others = [
        ({**theta, "rest": [Pair(X[2, :3].copy(), (X[1, :3].copy(), None))]}, x),
        ({"rest": theta["rest"], "first": theta["first"]}, x),
        ({**theta, "rest": (theta["rest"][0],)}, x),
        (theta, x[:2]),
        ({**theta, "first": Layer(theta["first"].W, 0.5)}, x),
        (theta, x.T),
        ({**theta, "more": X}, x),
    ]
    for given in [(theta, x), *others, (theta, x)]:
        for _ in range(2):
            found, expected = fast(*given), f(*given)
            close(found["loss"], expected["loss"], 1e-13)
            close(found["y"][0], expected["y"][0], 1e-13)
            assert type(found["y"][1]) is Pair
            assert found["y"][1].right is None
    assert fast._ways
    for wrong in ({"first": theta["first"]}, {**theta, "rest": []}, {**theta, "rest": None}, X):
        with pytest.raises((KeyError, ValueError, TypeError, IndexError)):
            fast(wrong, x)
    close(fast(theta, x)["loss"], f(theta, x)["loss"], 1e-13)


def test_signatures_that_take_turns_all_go_the_short_way(monkeypatch):
    fast = bp.compile(lambda x: x * 2)
    shapes = [(8,), (3,), (2, 2), (1,)]
    for shape in shapes:
        fast(np.ones(shape))
    monkeypatch.setattr(fast, "_long_way", None)
    for shape in (*shapes, *shapes[::-1]):
        np.testing.assert_array_equal(fast(np.ones(shape)), np.full(shape, 2.0))


def test_debug_nonfinite_sees_what_the_short_way_would_not():
    fast = bp.compile(lambda x: np.log(x))
    fast(np.abs(X))
    assert fast._ways
    with np.errstate(all="ignore"), pytest.raises(NonFiniteError, match="comes from log"), bp.debug_nonfinite():
        fast(np.zeros_like(X))


def test_the_short_way_takes_many_arrays():
    fast = bp.compile(lambda arrays: [a * (k + 1) for k, a in enumerate(arrays)])
    arrays = [np.full((k % 3 + 1, 2), float(k)) for k in range(40)]
    for _ in range(2):
        for k, found in enumerate(fast(arrays)):
            np.testing.assert_array_equal(found, arrays[k] * (k + 1))
    assert fast._ways


def test_arrays_lie_as_the_short_way_has_it():
    from backpass.native.direct import readable

    assert readable()


def test_donated_arrays_are_written_over():
    fast = bp.compile(lambda theta, g: theta - 0.5 * g, donate=0)
    theta, g = np.ones(4), np.full(4, 2.0)
    result = fast(theta, g)
    assert result is theta
    np.testing.assert_array_equal(theta, np.zeros(4))
    np.testing.assert_array_equal(g, np.full(4, 2.0))


def test_results_and_arguments_share_nothing():
    fast = bp.compile(lambda x: (x, x, x[1:]))
    x = X.copy()
    a, b, c = fast(x)
    a[...], b[...], c[...] = 1, 2, 3
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(fast(x)[0], X)


def test_distances_between_all_rows():
    def f(x):
        return np.sum(np.sqrt(np.sum((x[:, None] - x[None]) ** 2, -1) + 1e-9))

    for g in (bp.grad(f), bp.grad(lambda x: np.sum(bp.grad(f)(x) ** 2))):
        close(bp.compile(g)(X), g(X), 1e-6)


def test_complex_numbers_run_on_the_interpreter():
    z = X[0] + 1j * X[1]
    fast = bp.compile(lambda z: np.abs(np.exp(z)))
    np.testing.assert_array_equal(fast(z), np.abs(np.exp(z)))
    with pytest.raises(RuntimeError, match="no machine code"):
        fast.llvm(z)


def test_each_signature_tells_its_own_reason():
    fast = bp.compile(lambda z: np.abs(z))
    for dtype in (np.complex128, np.float16):
        fast(np.ones(2, dtype))
    for dtype in (np.complex128, np.float16):
        with pytest.raises(RuntimeError, match=f"it has {np.dtype(dtype).name} values"):
            fast.kernels(np.ones(2, dtype))


def test_without_machine_code(monkeypatch):
    monkeypatch.setenv("BACKPASS_NATIVE", "0")
    close(bp.compile(FUNCTIONS["softmax"])(X), FUNCTIONS["softmax"](X), 0)


def test_two_threads_compile_and_call_at_the_same_time():
    fast = bp.compile(lambda x, k: np.sum(np.exp(x) * k))
    results = {}

    def work(k):
        results[k] = [fast(X[: 1 + k % 3], float(k)) for _ in range(20)]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, values in results.items():
        np.testing.assert_allclose(values, np.sum(np.exp(X[: 1 + k % 3]) * k), rtol=1e-13)


def unlike(n, kinds):
    """A function of `n` steps, no two stretches of which are alike."""
    draw = np.random.default_rng(n)
    ops = [np.sin, np.tanh, lambda v: -v, lambda v: np.maximum(v, 0.1), lambda v: v / (1 + v * v), lambda v: v + 0.5]
    pick, scale, back = draw.integers(6 - kinds, 6, n), draw.uniform(0.9, 1.1, n), draw.integers(1, 30, n)

    def f(x):
        values = [x]
        for k in range(n):
            values.append(ops[pick[k]](values[-1] * scale[k] + 0.03 * values[-min(back[k], len(values))]))
        return np.sum(values[-1])

    return f


@pytest.mark.parametrize(
    ("n", "kinds", "shape"),
    [(150, 6, (40,)), (150, 4, (40,)), (150, 4, ()), pytest.param(700, 6, (40,), marks=pytest.mark.slow)],
)
def test_long_graphs_whose_steps_are_unlike(n, kinds, shape):
    """Arguments of arguments of … are as many as the stack of Python has frames, and more."""
    f = unlike(n, kinds)
    g = bp.value_and_grad(f)
    x = np.random.default_rng(0).normal(size=shape)
    compiled = bp.compile(g)
    assert compiled.kernels(x).count("\n") >= n // 200
    for found, wanted in zip(compiled(x), g(x), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-10)


def test_what_two_calls_of_scipy_share_is_computed_before_both():
    sp = pytest.importorskip("scipy.special")
    x = np.array([0.3, 0.5, 0.7])

    def function(x):
        return sp.jv(3 * x, x), sp.jv(2 * x - 0.1, x), sp.jv(2 * x, x)

    for found, wanted in zip(bp.compile(function)(x), function(x), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-14)
