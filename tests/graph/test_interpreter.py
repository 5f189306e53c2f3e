"""The interpreter: NumPy's own results, values freed after their last use, and the first value that is not finite."""

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings

import backpass as bp
from backpass.graph.errors import NonFiniteError
from backpass.graph.interpreter import find_nonfinite, run
from backpass.graph.program import Graph
from backpass.graph.pytree import flatten
from backpass.graph.staging import Compiled

from .programs import arguments, bits, function_of, steps


def first_nonfinite(function, *args):
    with np.errstate(all="ignore"):
        graph = bp.trace(function, *args)
        found = find_nonfinite(graph, flatten(args)[0])
        again = find_nonfinite(Graph.from_json(graph.to_json()), flatten(args)[0])
    assert (found is None) == (again is None)
    if found is not None:
        assert str(found).split("\n")[:2] == str(again).split("\n")[:2]
        assert isinstance(found, NonFiniteError)
    return None if found is None else str(found)


@settings(max_examples=150)
@given(arguments(), steps())
def test_the_same_bits_as_without_a_graph(args, program):
    function = function_of(program, args)
    with np.errstate(all="ignore"):
        wanted = [bits(v) for v in flatten(function(*args))[0]]
        assert [bits(v) for v in flatten(Compiled(function)(*args))[0]] == wanted


@settings(max_examples=80)
@given(arguments(), steps())
def test_the_same_gradient_bits_as_without_a_graph(args, program):
    """Backward is traced, simplified and run; the eager sweep must have added in the same order."""
    function = function_of(program, args)

    def loss(*given):
        return sum((np.sum(v) for v in function(*given) if v.dtype.kind == "f"), start=0.0 * given[0].sum())

    args = [np.atleast_1d(np.asarray(a)) for a in args]
    function = function_of(program, args)
    numbers = tuple(range(len(args)))
    with np.errstate(all="ignore"):
        eager = bp.grad(loss, numbers)(*args)
        staged = Compiled(bp.grad(loss, numbers))(*args)
    assert [bits(v) for v in flatten(eager)[0]] == [bits(v) for v in flatten(staged)[0]]


def test_values_are_freed_after_their_last_use():
    alive = []

    @bp.custom_rule(vjp=lambda g, out, x: g)
    def step(x):
        out = np.array(x) + 1.0
        alive.append(weakref.ref(out))
        most[0] = max(most[0], sum(r() is not None for r in alive))
        return out

    most = [0]

    def f(x):
        for _ in range(20):
            x = step(x)
        return x

    graph = bp.trace(f, np.ones(3))
    alive.clear()
    most[0] = 0
    assert np.array_equal(graph(np.ones(3)), np.full(3, 21.0))
    assert most[0] <= 3
    gc.collect()
    assert sum(r() is not None for r in alive) == 0


def test_observers_see_every_line():
    graph = bp.trace(lambda x: np.sin(x) * np.cos(x), 1.5)
    seen = []
    run(graph, [1.5], lambda k, node, args, value: seen.append((k, node.op.name, len(args), float(value))))
    assert [s[:3] for s in seen] == [(1, "sin", 1), (2, "cos", 1), (3, "multiply", 2)]
    assert seen[-1][3] == np.sin(1.5) * np.cos(1.5)


def test_a_deep_graph_runs_without_recursion():
    def f(x):
        for _ in range(5000):
            x = x + 1.0
        return x

    graph = bp.trace(f, 0.0)
    assert graph(0.0) == 5000.0
    assert Graph.from_json(graph.to_json())(1.0) == 5001.0


def test_a_line_that_fails_names_itself():
    def f(A):
        L = np.linalg.cholesky(A)
        return np.sum(L)

    with pytest.raises(np.linalg.LinAlgError) as caught:
        Compiled(f)(-np.eye(2))
    note = caught.value.__notes__[0]
    assert note.startswith("  in L = cholesky(A)\n")
    assert f'File "{__file__}"' in note
    assert "L = np.linalg.cholesky(A)" in note


# ---- what stopped being finite
def log_loss(theta, x):
    z = x @ theta["W"]
    p = np.log(z)
    return np.sum(p * 2.0)


def test_finite_values_are_not_reported():
    assert first_nonfinite(log_loss, {"W": np.ones((2, 1))}, np.ones((3, 2))) is None


def test_the_first_operation_its_equation_inputs_and_line():
    text = first_nonfinite(log_loss, {"W": np.array([[1.0], [0.0]])}, np.array([[0.0, 1.0], [2.0, 1.0]]))
    lines = text.split("\n")
    assert lines[0] == "The first value that is not finite comes from log in the forward pass:"
    assert lines[1] == "    p = log(z) → float64[2,1], 0.6931 … 0.6931, 1 not finite"
    assert lines[2:4] == ["  with", "    z: float64[2,1], 0 … 2"]
    assert lines[4].startswith(f'  File "{__file__}", line')
    assert lines[5].strip() == "p = np.log(z)"
    assert lines[6].strip() == "^^^^^^^^^"


def test_in_the_backward_pass():
    def root(x):
        y = np.sqrt(x)
        return np.sum(y)

    text = first_nonfinite(bp.grad(root), np.array([0.0, 1.0]))
    assert text.startswith(
        "The first value that is not finite comes from divide in the backward pass, the derivative of y:"
    )
    assert "y: float64[2], 0 … 1" in text
    assert "y = np.sqrt(x)" in text


def test_an_argument_that_is_not_finite():
    text = first_nonfinite(log_loss, {"W": np.array([[np.nan], [1.0]])}, np.ones((3, 2)))
    assert text == "the argument theta.W is not finite: float64[2,1], 1 … 1, 1 not finite"


def test_infinities_that_are_meant_are_not_the_cause():
    mask = np.array([True, False, True])

    def masked(x):
        scores = np.where(mask, x, -np.inf)
        weights = np.exp(scores - np.max(scores))
        return np.sum(weights / np.sum(weights))

    assert first_nonfinite(masked, np.ones(3)) is None

    def broken(x):
        scores = np.where(mask, x, -np.inf)
        bad = scores - scores
        return np.sum(bad)

    text = first_nonfinite(broken, np.ones(3))
    assert "bad = scores − scores" in text or "bad = scores - scores" in text
    assert text.count("scores: float64[3]") == 1


def test_overflow_in_single_precision():
    def f(x):
        y = np.exp(x)
        return np.sum(y)

    assert "y = exp(x) → float32[2], 2.718 … 2.718, 1 not finite" in first_nonfinite(
        f, np.array([1.0, 100.0], "float32")
    )
