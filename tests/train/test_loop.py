"""`Loop`: batches, the graph of a step, and what a step carries on."""

import numpy as np
import pytest

from backpass.descent import adam, sgd
from backpass.graph.errors import ShapeError
from backpass.graph.staging import trace
from backpass.train import blas
from backpass.train.loop import Loop, run_epochs
from backpass.train.progress import Quiet

X = np.arange(10.0)


def mean(theta, state, key, x):
    return np.mean(theta * x), state


def test_every_row_is_seen_once_an_epoch_in_a_new_order():
    def loss(theta, state, key, x):
        # A place for each row: the state keeps the number of the step that saw it.
        rows = np.reshape(np.arange(10.0), (10, 1)) == np.reshape(x, (1, -1))
        number = state["number"] + 1
        return np.mean(theta * x), {"number": number, "seen": np.where(np.any(rows, axis=1), number, state["seen"])}

    loop = Loop(loss, sgd(0.0), np.float64(1.0), {"number": np.zeros(()), "seen": np.zeros(10)}, (X,), 4, seed=0)
    assert loop.steps == 3
    loop.run_epoch(Quiet())
    first = loop.state["seen"]
    loop.run_epoch(Quiet())
    second = loop.state["seen"]
    for seen, numbers in ((first, (1, 2, 3)), (second, (4, 5, 6))):
        assert [np.count_nonzero(seen == n) for n in numbers] == [4, 4, 2]
    assert list(first + 3) != list(second)
    assert loop.count == 6


def test_a_step_is_traced_once_for_each_size_of_batch():
    calls = []

    def loss(theta, state, key, x):
        calls.append(x.shape)
        return np.mean(theta * x), state

    loop = Loop(loss, sgd(0.1), np.float64(1.0), {}, (X,), 4, seed=0)
    for _ in range(3):
        loop.run_epoch(Quiet())
    assert calls == [(4,), (2,)]


def test_the_key_changes_with_the_step_and_not_with_the_clock():
    def draws(seed):
        def loss(theta, state, key, x):
            return np.mean(theta * x), {"key": key}

        loop = Loop(loss, sgd(0.0), np.float64(1.0), {"key": np.zeros(2, np.uint32)}, (X,), 10, seed)
        keys = []
        for _ in range(3):
            loop.run_epoch(Quiet())
            keys.append(tuple(loop.state["key"].tolist()))
        return keys

    assert len(set(draws(1))) == 3
    assert draws(1) == draws(1) != draws(2)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (lambda s: {"n": s["n"], "more": s["n"]}, "the structure of the state"),
        (lambda s: {"n": s["n"].astype(np.float32)}, "the state n as they are: float64.* before it, float32"),
        (
            lambda s: {"n": np.stack([s["n"], s["n"]])},
            r"the state n as they are: float64 before it, float64\[2\] after it",
        ),
    ],
)
def test_a_state_that_changes_its_type_is_refused_before_training(state, message):
    def loss(theta, old, key, x):
        return np.mean(theta * x), state(old)

    with pytest.raises(ShapeError, match=message):
        Loop(loss, sgd(0.1), np.float64(1.0), {"n": np.zeros(())}, (X,), 4, seed=0)


def test_an_interrupted_step_leaves_the_theta_before_it():
    loop = Loop(mean, adam(0.1), np.ones(10), {}, (X,), 10, seed=0)
    loop.run_epoch(Quiet())
    whole = loop.theta.copy(), loop.count

    class Interrupts:
        threads = done = 1

        def take(self, *_):
            raise KeyboardInterrupt

    loop._steppers[10] = Interrupts()
    Interrupts.done = 0
    history = run_epochs(loop, 5, Quiet(), lambda theta, state: (None, {}))
    assert history.stopped == "interrupted"
    np.testing.assert_array_equal(loop.theta, whole[0])
    assert loop.count == whole[1]


# --- threads of BLAS


def test_the_largest_product_of_a_graph():
    x, W, V = np.zeros((8, 5)), np.zeros((5, 7)), np.zeros((7, 2))
    assert blas.largest_product(trace(lambda x, W, V: np.tanh(x @ W) @ V, x, W, V)) == 2 * 8 * 5 * 7
    assert blas.largest_product(trace(lambda x, W: np.einsum("nk,km->nm", x, W), x, W)) == 2 * 8 * 5 * 7
    assert blas.largest_product(trace(lambda x: np.sum(x * x), x)) == 0


def test_threads_are_put_back(monkeypatch):
    told = []
    monkeypatch.setattr(blas, "_openblas", lambda: (lambda: 4, told.append))
    small = trace(lambda x, W: x @ W, np.zeros((8, 5)), np.zeros((5, 7)))
    with pytest.raises(KeyboardInterrupt), blas.suited_threads(small):
        raise KeyboardInterrupt
    assert told == [1, 4]
    told.clear()
    monkeypatch.setattr(blas, "LARGE", 100)
    with blas.suited_threads(small):
        pass
    assert told == []


def test_without_openblas_nothing_is_told(monkeypatch):
    monkeypatch.setattr(blas, "_openblas", lambda: None)
    with blas.suited_threads(trace(lambda x: x * 2, X)):
        pass
