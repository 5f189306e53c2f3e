"""Random programs: the machine code of each gives the interpreter's values, types and NaNs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp
from backpass.graph.interpreter import run
from backpass.graph.pytree import flatten
from backpass.native.prepare import NotNative
from backpass.native.program import Program

UNARY = [
    np.negative, np.abs, np.exp, np.tanh, np.square, np.sign, np.floor, np.transpose, np.ravel, np.sin, np.cbrt,
    lambda x: np.sum(x, axis=-1, keepdims=True), lambda x: np.max(x, axis=0), np.sum, np.mean, lambda x: x[..., ::-1],
    lambda x: x[:1], lambda x: np.reshape(x, (-1, 1)), lambda x: x.T @ x, lambda x: np.concatenate([x, x * 2], axis=0),
    lambda x: np.where(x > 0, x, 0.5 * x), lambda x: np.pad(x, 1), lambda x: np.std(x, axis=-1),
    lambda x: x.astype(np.float32),
    lambda x: x[np.array([0, -1, 0])], lambda x: np.cumsum(x, axis=0), lambda x: np.logaddexp(x, 0.0), lambda x: x * 3,
    lambda x: np.exp(x - np.max(x, axis=-1, keepdims=True)) / np.sum(np.exp(x), axis=-1, keepdims=True),
    lambda x: x - x[:1], lambda x: x * x[..., -1:], lambda x: np.where(x > x[0], x, 0.0), lambda x: x + x[::-1],
    lambda x: np.broadcast_to(x, (3, *x.shape)), lambda x: np.expand_dims(x, 0) + x, lambda x: np.sort(x, axis=-1),
]  # fmt: skip
BINARY = [
    np.add, np.multiply, np.subtract, np.maximum, np.divide, np.matmul, np.arctan2, np.hypot,
    lambda x, y: np.where(x < y, x, y), np.less, lambda x, y: np.outer(np.ravel(x)[:4], np.ravel(y)[:5]),
]  # fmt: skip
STEPS = st.lists(
    st.tuples(st.integers(0, len(UNARY) + len(BINARY) - 1), st.integers(0, 9), st.integers(0, 9)),
    min_size=3,
    max_size=14,
)
SHAPES = st.sampled_from([(4,), (3, 5), (2, 3, 4), (17, 9), (33,), (1, 6)])


def program(steps):
    def f(*args):
        values = list(args)
        for number, first, second in steps:
            x, y = values[first % len(values)], values[second % len(values)]
            try:
                made = UNARY[number](x) if number < len(UNARY) else BINARY[number - len(UNARY)](x, y)
            except (ValueError, TypeError, IndexError):
                continue
            if np.size(made) <= 4000:
                values.append(made)
        return tuple(values[len(args) :])

    return f


def agree(found, wanted, tolerance):
    for a, b in zip(found, wanted, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        if a.dtype.kind != "f":
            np.testing.assert_array_equal(a, b)
            continue
        np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
        fine = np.isfinite(b)
        np.testing.assert_array_equal(a[~fine], b[~fine])
        scale = np.max(np.abs(b[fine]), initial=1e-30)
        wide = 1e4 if a.dtype == np.float32 else 1.0
        np.testing.assert_allclose(a[fine], b[fine], rtol=tolerance * wide, atol=tolerance * wide * scale)


def check(shapes, steps, seed):
    draw = np.random.default_rng(seed)
    args = tuple(draw.normal(size=shape) for shape in shapes)
    with np.errstate(all="ignore"):
        graph = bp.trace(program(steps), *args)
        if not graph.outputs:
            return
        wanted = run(graph, flatten(args)[0])
        try:
            found = Program(graph).run(flatten(args)[0])
        except NotNative:
            return
    agree(found, wanted, 1e-9)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.lists(SHAPES, min_size=1, max_size=3), STEPS, st.integers(0, 9))
def test_random_programs(shapes, steps, seed):
    check(shapes, steps, seed)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(SHAPES, min_size=1, max_size=3), STEPS, st.integers(0, 99))
def test_two_hundred_random_programs(shapes, steps, seed):
    check(shapes, steps, seed)
