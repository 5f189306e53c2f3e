"""Loops of Python that a trace unrolled: as loops again they give the same bits, on few lines."""

import numpy as np
import pytest

import backpass as bp
from backpass.graph.interpreter import run
from backpass.native.reroll import rerolled

DRAW = np.random.default_rng(0)
STEPS = 60
ARGS = [0.3 * DRAW.normal(size=(8, 8)), 0.3 * DRAW.normal(size=(4, 8)), DRAW.normal(size=(STEPS, 5, 4))]
START = np.zeros((5, 8))


def rows(w, u, x):
    h = START
    for t in range(STEPS):
        h = np.tanh(h @ w + x[t] @ u)
    return np.sum(h**2)


def numbers_and_stacked(w, u, x):
    h, out = START, []
    for t in range(STEPS):
        h = np.tanh(h @ w + x[-1 - t] @ u * (1 + 0.1 * t))
        out.append(h)
    return np.mean(np.stack(out) ** 3)


def totals(w, u, x):
    h, total = START, 0.0
    for t in range(STEPS):
        z = 1 / (1 + np.exp(-(h @ w + x[t] @ u)))
        h = (1 - z) * h + z * np.tanh(h @ w)
        total = total + np.sum(np.sin(h))
    return total


def nested(w, u, x):
    h = START
    for _ in range(12):
        for _ in range(10):
            h = np.tanh(h @ w)
        h = h * 2 + np.sum(h)
    return np.sum(h)


def two_back(w, u, x):
    s = [START]
    for k in range(70):
        s.append(np.tanh(s[-1] @ w) + (s[-2] * 0.5 if k else 0))
    return np.sum(s[-1] * s[3])


def crossed(w, u, x):
    p, q = START + 1, START
    for _ in range(70):
        p, q = np.sin(p @ w) + q, p
    return np.sum(p * q)


@pytest.mark.parametrize("f", [rows, numbers_and_stacked, totals, nested, two_back, crossed], ids=lambda f: f.__name__)
def test_the_same_bits(f):
    graph = bp.trace(bp.grad(f, argnums=(0, 1)), *ARGS)
    for found, wanted in zip(run(rerolled(graph), ARGS), run(graph, ARGS), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_a_long_loop_is_machine_code():
    def loss(a):
        y = np.array([10.0, 5.0])
        for _ in range(200):
            k = np.stack([y[0] * (a[0] - a[1] * y[1]), y[1] * (a[2] * y[0] - a[3])])
            y = y + 0.01 * k
        return np.sum(y * y)

    a = np.array([1.0, 0.1, 0.075, 1.5])
    graph = bp.trace(bp.grad(loss), a)
    assert len(graph) > 2500 > 10 * len(rerolled(graph))
    fast = bp.compile(bp.grad(loss))
    np.testing.assert_allclose(fast(a), graph(a), rtol=1e-12)
    assert "loop     19" in fast.kernels(a)
