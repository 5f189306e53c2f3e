"""The training loop as machine code: the interpreter's steps to rounding, and its own to the bit."""

from __future__ import annotations

import numpy as np
import pytest

import backpass as bp
from backpass import nn
from backpass.descent import adam, adamw, clip, cosine, momentum, rmsprop, sgd
from backpass.train.loop import Loop
from backpass.train.progress import Quiet
from backpass.train.stepping import Interpreted, Native

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(70, 5)).astype(np.float32)
Y = DRAW.integers(0, 3, size=70)


def loop_for(optimizer, dropout=0.2, batch=16, width=20, total=None):
    model = nn.Sequential(nn.Dense(width), nn.relu, nn.Dropout(dropout), nn.BatchNorm(), nn.Dense(3))
    theta, state = model.init(np.random.default_rng(3), X)

    def loss(theta, state, key, x, y):
        out, state = model.apply(theta, state, x, training=True, key=key)
        return nn.cross_entropy(out, y), state

    return Loop(loss, optimizer, theta, state, (X, Y), batch, seed=5, total=total)


RULES = [
    sgd(0.1),
    momentum(0.05),
    adam(1e-2),
    adamw(1e-2),
    rmsprop(1e-3),
    adam(cosine(0.01, steps=12)),
    clip(sgd(0.5), norm=0.1),
]


@pytest.mark.parametrize(("total", "who"), [(10, Interpreted), (10_000, Native), (None, Native)])
def test_few_steps_are_not_compiled(total, who):
    assert isinstance(loop_for(sgd(0.1), total=total)._stepper(16), who)


def test_a_loop_within_a_step_is_compiled_however_few_they_are():
    def loss(theta, state, key, x):
        end, _ = bp.scan(lambda c, row: (np.tanh(c * theta + row), c), np.zeros(4), x)
        return np.sum(end), state

    loop = Loop(loss, sgd(0.1), np.ones(()), {}, (DRAW.normal(size=(30, 4)),), 10, seed=0, total=3)
    assert isinstance(loop._stepper(10), Native)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_an_epoch_is_the_interpreters(rule, monkeypatch):
    fast = loop_for(rule)
    found = fast.run_epoch(Quiet())
    assert all(isinstance(stepper, Native) for stepper in fast._steppers.values())
    monkeypatch.setenv("BACKPASS_NATIVE", "0")
    slow = loop_for(rule)
    wanted = slow.run_epoch(Quiet())
    assert all(isinstance(stepper, Interpreted) for stepper in slow._steppers.values())
    np.testing.assert_allclose(found, wanted, rtol=2e-5)
    for a, b in zip(fast.carried, slow.carried, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5)


def bits(loop):
    return [np.asarray(leaf).tobytes() for leaf in loop.carried]


def test_the_same_bits_whatever_the_threads_and_the_steps_a_call():
    order = np.random.default_rng(1).permutation(70)
    found = []
    for threads, pieces in ((1, [4]), (1, [1, 1, 2]), (2, [4]), (3, [2, 2])):
        loop = loop_for(adam(1e-2), width=400, batch=16)
        stepper = loop._stepper(16)
        stepper.steps.memory.__init__(stepper.steps.code, 3)
        stepper.steps.bind()
        losses, at = [], 0
        for steps in pieces:
            losses += stepper.take((X, Y), order[16 * at :], steps, at, 5, threads)[0].tolist()
            at += steps
        found.append((losses, bits(loop)))
    assert all(other == found[0] for other in found[1:])


def test_it_stops_where_a_loss_is_not_finite():
    def loss(theta, state, key, x, y):
        return np.mean(np.log(x[:, 0] * theta)), state

    x = np.ones((12, 1))
    x[9] = -1.0
    loop = Loop(loss, sgd(0.0), np.ones(()), {}, (x, np.zeros(12)), 2, seed=0)
    losses, _ = loop._stepper(2).take(loop.data, np.arange(12), 6, 0, 0, 1)
    assert len(losses) == 5
    assert np.isnan(losses[4])
    assert np.isfinite(losses[:4]).all()


def test_an_island_in_a_step():
    def loss(theta, x, y):
        return np.mean((x @ np.linalg.solve(theta["A"], theta["b"]) - y) ** 2)

    theta = {"A": np.eye(5) * 2, "b": np.ones(5)}
    _, history = bp.descend(loss, theta, (X.astype(float), Y.astype(float)), sgd(1e-2), epochs=3, batch=16, seed=1)
    assert history.loss[-1] < history.loss[0]
