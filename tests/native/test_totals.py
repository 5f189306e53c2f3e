"""Sums over all that a product computes: begun in its epilogue, and the same number."""

from __future__ import annotations

import numpy as np
import pytest

import backpass as bp
from backpass.native.steps import Steps
from backpass.native.target import TARGETS
from backpass.train.loop import Loop

DRAW = np.random.default_rng(3)


def arrays(dtype, m=130, n=150, k=40):
    return DRAW.normal(size=(m, k)).astype(dtype), DRAW.normal(size=(k, n)).astype(dtype)


def squares(a, b):
    return np.sum((a @ b) ** 2)


def two_sums_and_more(a, b):
    c = np.tanh(a @ b)
    return np.sum(c), 3 + np.sum(np.abs(c), axis=(0, 1)), np.max(c, axis=1)


def kept(a, b):
    c = a @ b
    return c, np.sum(c * c)


def many(a, b):
    return np.sum(np.exp(-((np.stack([a, 2 * a]) @ b) ** 2)))


def of_a_row(a, b):
    c = a @ b
    return np.sum(np.exp(c - np.max(c, axis=1, keepdims=True)))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("f", [squares, two_sums_and_more, kept, many, of_a_row], ids=lambda f: f.__name__)
def test_the_numbers_are_the_interpreters(f, dtype, target, monkeypatch):
    monkeypatch.setenv("BACKPASS_TARGET", target)
    given = arrays(dtype)
    found, wanted = bp.compile(f)(*given), f(*given)
    if not isinstance(wanted, tuple):
        found, wanted = (found,), (wanted,)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, *((2e-5, 1e-4) if dtype == np.float32 else (1e-12, 1e-12)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_comes_through(value):
    a, b = arrays(np.float32)
    a[77, 3] = value
    assert not np.isfinite(bp.compile(squares)(a, b))


def test_what_is_summed_alone_is_not_kept():
    a, b = arrays(np.float64)
    told = bp.compile(squares)

    product, nest = (line.split() for line in told.kernels(a, b).splitlines())
    assert product[1:3] == ["product", "130×150"]
    assert nest[1] == "nest"
    assert int(nest[2]) < 130 * 150 / 8


def test_the_norm_of_a_gradient_is_the_same_bits_whatever_the_threads():
    x, w = arrays(np.float32, 64, 200, 170)

    def loss(theta, state, key, x):
        return np.mean(np.tanh(x @ theta) ** 2), state

    found = []
    for threads in (1, 2, 3):
        loop = Loop(loss, bp.descent.sgd(0.1), w, {}, (x,), 64, seed=0)
        steps = Steps(loop.graph, loop._held, (x,), 64, 3)
        losses, norms = steps.run((x,), np.arange(64), 1, 0, 0, threads)
        found.append((losses[0], norms[0]))
        gradient = bp.grad(lambda theta: loss(theta, {}, None, x)[0])(w)
        np.testing.assert_allclose(norms[0], np.sum(gradient**2), rtol=1e-5)
    assert found[0] == found[1] == found[2]
