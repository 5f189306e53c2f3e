"""Symbols: constants as the source writes them, only where that is certain."""

import math

import numpy as np
import pytest

import backpass as bp
from backpass.graph.program import Graph

RATE = 0.125
TWICE = 1.5
TWICE = 2.0 * TWICE


def symbols(function, *args, simplified=True):
    """The texts of all constant operands, in order, from the graph and from its JSON."""
    graph = bp.trace(function, *args, simplified=simplified)
    found = []
    for k, node in enumerate(graph.nodes):
        for operand, i in enumerate(node.inputs):
            if graph.nodes[i].op.name == "constant":
                found.append(graph.symbol(k, operand))
    again = Graph.from_json(graph.to_json())
    for k, node in enumerate(graph.nodes):
        for operand in range(len(node.inputs)):
            text = graph.symbol(k, operand)
            number = text is not None and text.replace(".", "").lstrip("-").isdigit()
            assert again.symbol(k, operand) == (None if number else text)
    return found


Q, K = np.ones((2, 9)), np.ones((5, 9))


def attention(Q, K):
    return Q @ K.T / np.sqrt(Q.shape[-1])


def by_length(Q, K):
    return np.sum(Q) / len(Q)


def by_size(Q, K):
    return np.sum(Q) / Q.size


def by_local(Q, K):
    N = len(Q)
    return Q * N + (Q.shape[0] * Q.shape[1])


def of_theta(Q, theta):
    return Q * theta["W"].shape[1] + theta["W"][0, 0]


def literals(Q, K):
    return 2.0 * Q - 0.5 + np.maximum(Q, -1.5) + Q * (3 / 4)


def closure(beta):
    eps = 1e-8

    def f(Q, K):
        return beta * Q + (1 - beta) * Q**3 / (Q + eps)

    return f


def constants_of_mathematics(Q, K):
    return Q * np.pi + np.log(2 * np.pi) * Q + Q / math.sqrt(2.0) + Q * math.e


def of_the_module(Q, K):
    return RATE * Q + (1 - RATE) * Q


def compared(Q, K):
    return np.where(RATE < Q, Q, 0.0) + np.where(Q >= RATE, 1.0, Q)


def in_place(Q, K):
    total = np.sin(Q)
    total *= RATE
    return total


class Config:
    rate = 0.25


def of_an_object(Q, K):
    config = Config()
    return Q * config.rate


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (attention, ["np.sqrt(Q.shape[-1])"]),
        (by_length, ["len(Q)"]),
        (by_size, ["Q.size"]),
        (by_local, ["N", "Q.shape[0] * Q.shape[1]"]),
        (literals, ["2.0", "0.5", "-1.5", "3 / 4"]),
        (closure(0.75), ["beta", "1 - beta", "3", "eps"]),
        (constants_of_mathematics, ["np.pi", "np.log(2 * np.pi)", "math.sqrt(2.0)", "math.e"]),
        (of_the_module, ["RATE", "1 - RATE"]),
        (compared, ["RATE", "0.0", "RATE", "1.0"]),
        (in_place, ["RATE"]),
        (of_an_object, ["config.rate"]),
    ],
    ids=lambda v: v.__name__ if callable(v) else "",
)
def test_what_the_source_says(function, expected):
    assert sorted(map(str, symbols(function, Q, K))) == sorted(expected)


def test_shapes_of_entries():
    assert symbols(of_theta, Q, {"W": np.ones((4, 9))}) == ["theta['W'].shape[1]"]


def hidden(n):
    return n + 1.0


def test_what_is_not_certain_has_no_text():
    secret = [0.7]

    def f(Q, K):
        a = Q * hidden(1.0)  # a call of the user's own
        b = Q * secret[len(secret) - 1]  # an index that is worked out
        c = Q * (lambda: 5.0)()
        return a + b + c + Q * (2.0 * hidden(0.5))

    assert symbols(f, Q, K) == [None] * 4


def test_a_name_that_changes_in_a_loop_is_what_it_says():
    def f(Q, K):
        for k in (0.3, 0.6):
            Q = Q * k + (1 - k)
        return Q

    assert symbols(f, Q, K) == ["k", None, "k", None]


def test_a_name_that_is_written_twice_is_not_evaluated():
    def f(Q, K):
        return Q * TWICE + Q * (1 - TWICE / 4)

    # TWICE stands alone in one place, which tells its value in the other.
    assert symbols(f, Q, K) == ["TWICE", "1 - TWICE / 4"]

    def g(Q, K):
        return Q * (1 - TWICE / 4)

    assert symbols(g, Q, K) == [None]


def test_a_default_is_only_one_of_an_arguments_values():
    def step(Q, rate=0.1):
        return Q * (1 - rate)

    def f(Q, K):
        return step(Q, 0.2)

    assert symbols(f, Q, K) == [None]


def test_parts_of_composites_and_backward_lines_have_none():
    assert symbols(lambda Q, K: np.var(Q), Q, K) == [None] * len(symbols(lambda Q, K: np.var(Q), Q, K))
    graph = bp.trace(bp.grad(lambda Q: np.sum(Q * RATE)), Q)
    assert all(graph.symbol(k, 0) is None for k, n in enumerate(graph.nodes) if n.adjoint)


def test_no_power_holds_up_the_printing():
    def f(Q, K):
        return Q * (0.0 * 9**9**3 + 1.0 if False else 1.0)

    assert symbols(f, Q, K, simplified=False) == [None]


def test_code_without_source():
    space = {"np": np}
    exec("def f(Q, K):\n  return Q / np.sqrt(Q.shape[-1])", space)
    assert symbols(space["f"], Q, K) == [None]
