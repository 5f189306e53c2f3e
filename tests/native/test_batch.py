"""Batches whose rows are read where the data lie: the interpreter's values; copies where rows are needed together."""

from __future__ import annotations

import numpy as np
import pytest

from backpass.descent import sgd
from backpass.native.steps import Steps
from backpass.train.loop import Loop
from backpass.train.progress import Quiet

ROWS, FEATURES, BATCH, HIDDEN = 200, 330, 64, 96


def data(dtype):
    draw = np.random.default_rng(1)
    return draw.normal(size=(ROWS, FEATURES)).astype(dtype), draw.integers(0, 3, size=ROWS)


def weights(dtype):
    draw = np.random.default_rng(7)
    first = draw.normal(size=(FEATURES, HIDDEN)) * np.sqrt(1 / FEATURES)
    return {"W": first.astype(dtype), "V": draw.normal(size=(HIDDEN, 3)).astype(dtype) / 10}


def classes(scores, y):
    return np.mean(np.log(np.sum(np.exp(scores), axis=1)) - np.take_along_axis(scores, y[:, None], 1)[:, 0])


def straight(theta, state, key, x, y):
    return classes(np.tanh(x @ theta["W"]) @ theta["V"], y), state


def part_of_the_columns(theta, state, key, x, y):
    return classes(np.tanh(x[:, 10:] @ theta["W"][10:]) @ theta["V"], y), state


def turned(theta, state, key, x, y):
    """The gradient has x as its right operand; the product itself has it turned, which needs a copy."""
    return classes(np.tanh((theta["W"].T @ x.T).T) @ theta["V"], y), state


def scaled(theta, state, key, x, y):
    return classes(np.tanh((2 * x) @ theta["W"]) @ theta["V"], y), state


def as_the_target(theta, state, key, x, y):
    return classes(np.tanh(x @ theta["W"]) @ theta["V"], y) + np.mean((x - 1) ** 2 @ theta["W"]), state


def one_column(theta, state, key, x, y):
    return np.mean((x @ theta["W"][:, 0] - y) ** 2) + np.sum(theta["V"] ** 2), state


def with_itself(theta, state, key, x, y):
    return np.mean((x @ x.T) ** 2) * 1e-6 + classes(x @ theta["W"] @ theta["V"], y), state


LOSSES = [
    (straight, True),
    (part_of_the_columns, True),
    (turned, False),
    (scaled, False),
    (as_the_target, False),
    (one_column, False),
    (with_itself, False),
]


def loop_for(loss, dtype, arrays):
    return Loop(loss, sgd(0.05), weights(dtype), {}, arrays, BATCH, seed=5)


CASES = [*[(np.float32, *case) for case in LOSSES], (np.float64, *LOSSES[1])]


@pytest.mark.parametrize(("dtype", "loss", "apart"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_an_epoch_is_the_interpreters(dtype, loss, apart, monkeypatch):
    arrays = data(dtype)
    fast = loop_for(loss, dtype, arrays)
    found = fast.run_epoch(Quiet())  # three whole batches and one of eight rows, which is small: a copy
    stepper = fast._steppers[BATCH]
    assert [item.apart for item in stepper.steps.code.plan.inputs[-2:]] == [apart, False]
    monkeypatch.setenv("BACKPASS_NATIVE", "0")
    slow = loop_for(loss, dtype, arrays)
    np.testing.assert_allclose(found, slow.run_epoch(Quiet()), rtol=1e-4 if dtype == np.float32 else 1e-10)
    for a, b in zip(fast.carried, slow.carried, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 if dtype == np.float32 else 1e-10)


@pytest.mark.parametrize("threads", [2, 3])
def test_the_same_bits_whatever_the_threads(threads):
    arrays = data(np.float32)
    order = np.random.default_rng(2).permutation(ROWS)
    found = []
    for many in (1, threads):
        loop = loop_for(straight, np.float32, arrays)
        steps = Steps(loop.graph, loop._held, arrays, BATCH, threads)
        losses, squares = steps.run(arrays, order, 3, 0, 0, many)
        found.append([losses.tobytes(), squares.tobytes(), *[leaf.tobytes() for leaf in loop._held]])
    assert found[0] == found[1]


def test_an_index_out_of_bounds_is_told_with_the_rows_of_its_own_batch():
    x, y = data(np.float32)
    y[150] = 5

    def picked(theta, state, key, x, y):
        scores = np.tanh(x @ theta["W"]) @ theta["V"]
        return np.mean(scores[np.arange(len(y)), y] ** 2), state

    loop = Loop(picked, sgd(0.05), weights(np.float32), {}, (x, y), BATCH, seed=5)
    with pytest.raises(IndexError, match="index 5 is out of bounds for axis 1 with size 3"):
        loop.run_epoch(Quiet())
