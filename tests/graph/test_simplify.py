"""Simplification: fewer lines, the same bits."""

import numpy as np
import pytest
from hypothesis import given, settings

import backpass as bp
from backpass.graph.op import Kind
from backpass.graph.pytree import flatten
from backpass.graph.simplify import FOLD_LIMIT, simplify
from backpass.graph.staging import Compiled

from .programs import arguments, bits, function_of, steps


def operations(function, *args):
    """The operations that are left, without arguments and constants."""
    graph = bp.trace(function, *args)
    return [node.op.name for node in graph.nodes if node.op.kind is not Kind.SOURCE]


X = np.array([[0.0, -0.0, np.nan], [np.inf, -2.0, 3.0]])
C = np.array([1.0, 2.0, 3.0])

GONE = {
    "x * 1": lambda x: x * 1.0,
    "1 * x": lambda x: 1.0 * x,
    "x / 1": lambda x: x / 1.0,
    "x - 0": lambda x: x - 0.0,
    "-(-x)": lambda x: np.negative(-x),
    "+x": lambda x: +x,
    "transpose twice": lambda x: x.T.T,
    "transpose to itself": lambda x: np.transpose(x, (0, 1)),
    "reshape there and back": lambda x: x.reshape(-1).reshape(2, 3),
    "reshape to itself": lambda x: x.reshape(2, 3),
    "broadcast to itself": lambda x: np.broadcast_to(x, (2, 3)),
    "cast to itself": lambda x: x.astype(np.float64),
    "where of equals": lambda x: np.where(x > 0, x, x),
}


@pytest.mark.parametrize("name", GONE)
def test_what_only_repeats_is_gone(name):
    graph = bp.trace(GONE[name], X)
    kept = [
        node.op.name for node in graph.nodes if node.op.name in ("multiply", "divide", "subtract", "negative", "where")
    ]
    assert not kept
    assert len(graph) <= 3
    assert bits(graph(X)) == bits(GONE[name](X))


def test_turns_that_undo_each_other_are_gone():
    cube = np.zeros((2, 3, 4))
    graph = bp.trace(lambda x: x.transpose(2, 0, 1).transpose(2, 0, 1).transpose(2, 0, 1), cube)
    assert len(graph) == 1
    graph = bp.trace(lambda x: x.transpose(2, 0, 1).transpose(2, 0, 1), cube)
    assert [node.attrs for node in graph.nodes[1:]] == [{"axes": (1, 2, 0)}]
    assert graph(cube).shape == (3, 4, 2)


STAYS = {
    "x + 0 turns -0 into 0": lambda x: x + 0.0,
    "x - (-0) turns -0 into 0": lambda x: x - (-0.0),
    "x * 0 keeps NaN": lambda x: x * 0.0,
    "0 - x is not -x": lambda x: 0.0 - x,
    "1 / x": lambda x: 1.0 / x,
    "x / -1": lambda x: x / -1.0,
    "an integer becomes floating": lambda x: np.floor(x).astype(np.float32) * np.float64(1.0),
    "a sum over no axis turns -0 into 0": lambda x: np.sum(x, axis=()),
    "a wider one": lambda x: x * np.ones((2, 2, 3)),
    "x - 0 of more axes": lambda x: x - np.zeros((1, 2, 3)),
}


@pytest.mark.parametrize("name", STAYS)
def test_what_changes_a_bit_stays(name):
    graph = bp.trace(STAYS[name], X)
    assert len([node for node in graph.nodes if node.op.kind is not Kind.SOURCE]) >= 1
    with np.errstate(all="ignore"):
        assert bits(graph(X)) == bits(STAYS[name](X))


def test_common_subexpressions_are_computed_once():
    assert operations(lambda x: np.sin(x) + np.sin(x) * np.sin(x), X) == ["sin", "multiply", "add"]
    assert operations(lambda x: x[1:] + x[1:] - x[:1], X) == ["slice", "add", "slice", "subtract"]
    assert operations(lambda x: np.sum(x, axis=0) + np.sum(x, axis=1, keepdims=True), X).count("sum") == 2


def test_signed_zeros_and_types_of_constants_are_not_merged():
    def f(x):
        return np.arctan2(x, 0.0), np.arctan2(x, -0.0), x.astype("float32") * 2.0, x.astype("float32") * np.float64(2.0)

    a, b, c, d = bp.trace(f, X)(X)
    want = f(X)
    assert [bits(v) for v in (a, b, c, d)] == [bits(v) for v in want]
    assert (c.dtype, d.dtype) == (np.float32, np.float64)


def test_equal_constant_arrays_of_one_place_are_one():
    graph = bp.trace(lambda x: x * C + x[::-1] * C, X)
    assert [node.op.name for node in graph.nodes].count("constant") == 1


def test_custom_rules_of_one_name_stay_apart():
    def tripled(x):
        return 3.0 * x

    triple = bp.custom_rule(vjp=lambda g, out, x: 3.0 * g)(tripled)

    def tripled(x):
        return 5.0 * x

    five = bp.custom_rule(vjp=lambda g, out, x: 5.0 * g)(tripled)
    assert Compiled(lambda x: (triple(x), five(x), triple(x)))(1.0) == (3.0, 5.0, 3.0)


def test_dead_lines_are_dropped_and_arguments_kept():
    graph = bp.trace(lambda x, y: (np.exp(y), np.sin(x))[1], X, X, simplified=False)
    assert [node.op.name for node in simplify(graph).nodes] == ["input", "input", "sin"]


def test_constants_are_folded():
    def f(x):
        scale = np.exp(bp.stop_gradient(x) * 0.0 + 1.0)
        return x * scale

    assert "exp" in operations(f, 1.0)  # it depends on x: NaN · 0 is not 0

    graph = bp.trace(bp.grad(lambda x: np.sum(x * 2.0)), X)
    assert [node.op.name for node in graph.nodes] == ["input", "constant"]
    assert np.array_equal(graph(X), np.full((2, 3), 2.0))


def test_large_results_are_not_folded():
    big = np.ones(FOLD_LIMIT + 1)
    graph = bp.trace(bp.grad(lambda x: np.sum(x * np.sin(x * 0.0 + 1.0) * big)), big)
    assert len(graph.to_json()) < 40 * big.nbytes


def test_broadcasts_are_left_to_elementwise_operations():
    assert operations(lambda x: x * np.broadcast_to(x[0], (2, 3)), X) == ["slice", "multiply"]
    assert (
        operations(lambda x: np.broadcast_to(x[0], (2, 3)) + np.broadcast_to(x[1], (2, 3)), X).count("broadcast_to")
        == 1
    )
    assert "broadcast_to" in operations(lambda x: np.broadcast_to(x[0], (2, 3)) @ x.T, X)


def test_names_lines_and_links_are_carried_over():
    def f(theta, x):
        hidden = np.tanh(x @ theta["W"]) * 1.0
        loss = np.mean((hidden - 0.0) ** 2)
        return loss + theta["b"]

    theta, x = {"W": np.ones((3, 2)), "b": 0.5}, X
    graph = bp.trace(bp.value_and_grad(f), theta, x)
    names = [node.name for node in graph.nodes]
    assert "theta.W" in names
    assert "loss" in names
    assert all(node.where.file == __file__ for node in graph.nodes if node.op.kind is not Kind.SOURCE)
    assert all(node.adjoint[1] < k for k, node in enumerate(graph.nodes) if node.adjoint)
    assert any(node.adjoint for node in graph.nodes)
    assert any(node.composite and node.composite[0] == "mean" for node in graph.nodes)


def test_simplifying_twice_changes_nothing():
    graph = bp.trace(bp.value_and_grad(lambda x: np.mean(np.tanh(x * 2.0) ** 2)), X)
    assert simplify(graph) == graph


def test_what_fails_fails_when_it_is_run():
    def f(x):
        return np.linalg.inv(bp.stop_gradient(x) * 0.0) + x

    with np.errstate(all="ignore"), pytest.raises(np.linalg.LinAlgError):
        Compiled(f)(np.eye(2))


@settings(max_examples=300)
@given(arguments(), steps())
def test_simplified_graphs_give_the_same_bits(args, program):
    function = function_of(program, args)
    with np.errstate(all="ignore"):
        plain = bp.trace(function, *args, simplified=False)
        simple = simplify(plain)
        assert len(simple) <= len(plain)
        wanted = [bits(v) for v in flatten(function(*args))[0]]
        assert [bits(v) for v in flatten(plain(*args))[0]] == wanted
        assert [bits(v) for v in flatten(simple(*args))[0]] == wanted
        assert [(n.shape, n.dtype) for n in (simple.nodes[k] for k in simple.outputs)] == [w[:2] for w in wanted]
        assert bp.Graph.from_json(simple.to_json()) == simple
        for leaf in flatten(simple(*args))[0]:
            assert not isinstance(leaf, np.ndarray) or leaf.flags.writeable
