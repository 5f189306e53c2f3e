"""Staged traces: one graph per signature, no value ever read, nothing left behind."""

import threading
import types

import numpy as np
import pytest

import backpass as bp
from backpass.graph.aval import Aval
from backpass.graph.errors import TracingError
from backpass.graph.origin import state
from backpass.graph.program import GraphError
from backpass.graph.staging import Compiled

X = np.linspace(-1.0, 1.0, 6).reshape(2, 3)


def loss(theta, x):
    return np.mean(np.tanh(x @ theta["W"]) ** 2)


THETA = {"W": np.linspace(-1, 1, 6).reshape(3, 2)}


@pytest.fixture(autouse=True)
def _nothing_left_behind():
    yield
    assert state.depth == 0
    assert state.origin is None


# ---- trace
def test_values_are_not_looked_at():
    graph = bp.trace(loss, {"W": Aval((3, 2), np.dtype(float))}, Aval((2, 3), np.dtype(float)))
    assert str(graph) == str(bp.trace(loss, THETA, X))
    assert graph(THETA, X) == loss(THETA, X)


def test_results_may_be_any_pytree():
    graph = bp.trace(lambda x: {"a": [x, None, 2], "b": (np.sin(x), "no" == "yes")}, X)
    result = graph(X)
    assert list(result) == ["a", "b"]
    assert result["a"][1] is None
    assert result["a"][2] == 2
    assert result["b"][1] is False


def test_values_of_another_trace_are_refused():
    kept = []
    bp.trace(lambda x: kept.append(x) or x * 2.0, X)
    with pytest.raises(GraphError, match="belongs to another trace: pass it to the function as an argument"):
        bp.trace(lambda y: y + kept[0], X)


def test_a_value_from_outside_is_an_argument_of_the_inner_trace():
    def f(x):
        graph = bp.trace(lambda y: np.sin(y) * 2.0, x)
        return np.sum(graph(x))

    assert np.array_equal(bp.grad(f)(X), 2.0 * np.cos(X))
    assert np.array_equal(bp.trace(bp.grad(f), X)(X), 2.0 * np.cos(X))


# ---- compile: the signature
def counted(function):
    calls = []

    def wrapped(*args):
        calls.append(args)
        return function(*args)

    return calls, Compiled(wrapped)


def test_one_trace_per_signature():
    calls, fast = counted(lambda x, y: x * y)
    for x, y in ((X, 2.0), (X + 1.0, 3.0), (X, -1.5)):
        assert np.array_equal(fast(x, y), x * y)
    assert len(calls) == 1
    for x, y in ((X.astype("float32"), 2.0), (X[0], 2.0), (X, np.float64(2.0)), (X, 2), (X, np.float32(2.0))):
        want = x * y
        assert fast(x, y).dtype == want.dtype
        assert np.array_equal(fast(x, y), want)
    assert len(calls) == 6
    assert len(fast.graphs) == 6


def test_how_it_lies_is_known_where_it_follows_from_the_graph():
    told = []
    square = np.eye(3)
    Compiled(lambda x: told.append([v.flags.c_contiguous for v in (x, x.T.copy(), x[:, ::2])]) or x)(square)
    assert told == [[True, True, False]]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_python_floats_promote_weakly(dtype):
    x = X.astype(dtype)
    fast = Compiled(lambda x, s: (x * s + 1.0) / 3 - 2 * s)
    assert fast(x, 0.5).dtype == x.dtype
    assert fast(x, np.float64(0.5)).dtype == np.float64
    assert np.array_equal(fast(x, 0.5), (x * 0.5 + 1.0) / 3 - 2 * 0.5)


def test_other_arguments_are_part_of_the_signature():
    def f(x, n, name, flag):
        return (x**n if flag is True else -x) * len(name)

    fast = Compiled(f)
    for args in ((X, 2, "ab", True), (X, 3, "ab", True), (X, 2, "abc", True), (X, 2, "ab", False), (X, 2, "ab", 1)):
        assert np.array_equal(fast(*args), f(*args))
    assert len(fast.graphs) == 5


def test_keyword_arguments_and_defaults_are_one_signature():
    def f(x, scale=2.0, n=3):
        return x * scale + n

    fast = Compiled(f)
    assert np.array_equal(fast(X, n=4), f(X, n=4))
    assert np.array_equal(fast(X, n=4, scale=2.0), f(X, n=4))
    assert np.array_equal(fast(x=X, scale=1.0), f(X, 1.0))
    assert len(fast.graphs) == 2
    assert np.array_equal(Compiled(bp.grad(lambda x, k: np.sum(x * k)))(X, k=2.0), np.full((2, 3), 2.0))
    with pytest.raises(TypeError, match="unexpected keyword argument 'm'"):
        fast(X, m=1)


def test_keyword_only_arguments_are_refused_with_a_way_out():
    def f(x, *, n):
        return x * n

    with pytest.raises(TypeError, match=r"n of f cannot\. Wrap it: bp\.compile\(lambda x: f\(x, n=\.\.\.\)\)"):
        Compiled(f)(X, n=2)


def test_what_cannot_be_in_a_signature_is_named():
    with pytest.raises(TypeError, match=r"\{1, 2\} is a set, which cannot be part of its signature"):
        Compiled(lambda x, s: x)(X, {1, 2})


def test_structure_is_part_of_the_signature():
    fast = Compiled(lambda t: t["a"] + t["b"] if isinstance(t, dict) else t[0])
    assert fast({"a": 1.0, "b": 2.0}) == 3.0
    assert fast({"b": 1.0, "a": 2.0}) == 3.0
    assert fast((5.0,)) == 5.0
    assert len(fast.graphs) == 3


def test_facts_of_the_wrapped_function():
    fast = Compiled(loss)
    assert fast.__name__ == "loss"
    assert fast.__wrapped__ is loss
    graph = fast.graph(THETA, X)
    assert [graph.nodes[i].name for i in graph.inputs] == ["theta.W", "x"]


# ---- nesting
def test_compile_inside_grad_and_grad_inside_compile():
    want = bp.grad(loss)(THETA, X)["W"]
    fast = Compiled(loss)
    fast(THETA, X)
    for gradient in (
        bp.grad(fast),
        Compiled(bp.grad(fast)),
        Compiled(bp.grad(loss)),
        bp.grad(Compiled(Compiled(loss))),
    ):
        assert np.array_equal(gradient(THETA, X)["W"], want)
    second = bp.grad(lambda s: Compiled(bp.grad(lambda s: s**3))(s))
    assert second(2.0) == 12.0
    assert Compiled(second)(2.0) == 12.0
    hessian = bp.hessian(lambda x: np.sum(np.sin(x)))
    assert np.allclose(Compiled(hessian)(X[0]), hessian(X[0]), rtol=0, atol=0)


def test_custom_rules_are_staged():
    @bp.custom_rule(vjp=lambda g, out, x: g * 10.0)
    def f(x):
        return np.sin(x)

    assert np.array_equal(Compiled(lambda x: f(x) * 2.0)(X), np.sin(X) * 2.0)
    assert np.array_equal(Compiled(bp.grad(lambda x: np.sum(f(x))))(X), np.full((2, 3), 10.0))

    @bp.custom_rule(vjp=lambda g, out, x: g, shape=lambda x: Aval((), np.dtype(float)))
    def total(x):
        assert not np.array_equal(x, np.ones(np.shape(x)))
        return np.float64(np.sum(x))

    assert Compiled(total)(X) == np.sum(X)


# ---- refusals
def branch(x):
    if x > 0:
        return x
    return -x


OUTSIDE = types.SimpleNamespace(array=np.array, float=float, ones=np.ones(1))
"""What a trace does not see being made: references that were taken before it began."""
REFUSED = {
    "A Python condition (if, while, and, or, not) needs the value of a traced bool": branch,
    "float() needs the value of a traced x: float64~": lambda x: OUTSIDE.float(x),
    "int() needs the value of a traced x": lambda x: int(x),
    "Use as an index or a count needs the value of a traced": lambda x: range(np.floor(x).astype(int)),
    "np.asarray() needs the value of a traced x": lambda x: OUTSIDE.array(x),
    "A list of traced values becomes an array by np.stack(values).": lambda x: OUTSIDE.array([x, x]),
    "A plain array is indexed with it by np.take(array, index, axis=0).": lambda x: OUTSIDE.ones[x.astype(int)],
    "A mask keeps the shape in np.where(mask, array, 0).": lambda x: OUTSIDE.ones[np.reshape(x > 0, 1)],
    "np.nonzero(x): the result's shape depends on the values of x: float64~": lambda x: np.nonzero(x),
    "Reading or formatting it needs the value of a traced x": lambda x: f"{x:.3f}",
}


@pytest.mark.parametrize("message", REFUSED)
def test_reading_a_value_is_refused(message):
    for run in (lambda: bp.trace(REFUSED[message], 1.5), lambda: Compiled(REFUSED[message])(1.5)):
        with pytest.raises(TracingError) as caught:
            run()
        text = str(caught.value)
        assert message in text
        assert f'File "{__file__}"' in text
    if "value of a traced" in message:
        assert "np.where(condition, a, b)" in text
        assert "under bp.grad alone, Python's if and while on values work" in text


def test_boolean_masks_change_shapes_and_are_refused():
    with pytest.raises(TracingError, match=r"shape depends on the values of .*\n(.*\n)*.*np\.where\(mask, x, 0\)"):
        bp.trace(lambda x: x[x > 0], X)
    with pytest.raises(TracingError):
        bp.trace(lambda x: np.ones((2, 3))[x > 0], X)


def test_the_same_code_runs_under_grad_alone():
    assert bp.grad(branch)(-2.0) == -1.0
    assert np.array_equal(bp.grad(lambda x: np.sum(x[x > 0]))(X), (X > 0) * 1.0)


def test_errors_leave_no_state():
    fast = Compiled(branch)
    for _ in range(2):
        with pytest.raises(TracingError):
            fast(1.0)
        assert (state.depth, state.origin) == (0, None)
    assert not fast.graphs

    def inner(x):
        with pytest.raises(ZeroDivisionError):
            bp.grad(lambda y: y / 0 if y.ndim else 1 / 0)(x)
        with pytest.raises(TracingError):
            bp.trace(branch, x)
        return np.sin(x)

    assert bp.grad(inner)(0.5) == np.cos(0.5)


def test_threads_trace_for_themselves():
    found, wrong = [], []
    barrier = threading.Barrier(4)

    def work(k):
        try:
            barrier.wait()
            for i in range(20):
                x = np.full(3, 0.1 * k + i)
                fast = Compiled(bp.value_and_grad(lambda x: np.sum(np.sin(x) * k)))
                value, gradient = fast(x)
                assert value == np.sum(np.sin(x) * k)
                assert np.array_equal(gradient, np.cos(x) * k)
                assert state.depth == 0
            found.append(k)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(float(k + 1),)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(found) == 4


def test_one_compiled_function_in_many_threads():
    fast = Compiled(bp.grad(loss))
    want = bp.grad(loss)(THETA, X)["W"]
    results = []
    threads = [threading.Thread(target=lambda: results.append(fast(THETA, X)["W"])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert all(np.array_equal(r, want) for r in results)
    assert len({id(r) for r in results}) == 8
