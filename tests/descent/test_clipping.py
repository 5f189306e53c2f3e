"""Clipping keeps directions, dtypes and honest non-finite values."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from backpass.descent import (
    HyperparameterError,
    adam,
    clip,
    clip_by_global_norm,
    clip_by_value,
    cosine,
    global_norm,
    sgd,
)

GRAD = {"W": np.array([[3.0, -4.0]]), "b": [np.array(12.0, np.float32), None]}


def test_global_norm_is_that_of_one_long_vector():
    assert float(global_norm(GRAD)) == 13.0
    assert float(global_norm({})) == 0.0
    assert float(global_norm({"empty": np.zeros((0, 3))})) == 0.0
    assert float(global_norm([3.0, 4.0])) == 5.0


def test_the_norm_of_large_float32_gradients_does_not_overflow():
    grad = np.array([3e30, 4e30], np.float32)
    np.testing.assert_allclose(global_norm(grad), 5e30, rtol=1e-6)
    clipped = clip_by_global_norm(grad, 1.0)
    assert clipped.dtype == np.float32
    np.testing.assert_allclose(clipped, [0.6, 0.8], rtol=1e-6)


def test_clip_by_global_norm_scales_all_leaves_alike():
    clipped = clip_by_global_norm(GRAD, 6.5)
    np.testing.assert_allclose(clipped["W"], [[1.5, -2.0]])
    np.testing.assert_allclose(clipped["b"][0], 6.0)
    assert clipped["b"][0].dtype == np.float32
    assert clipped["b"][1] is None


def test_a_gradient_within_the_limit_is_untouched():
    clipped = clip_by_global_norm(GRAD, 13.0)
    np.testing.assert_array_equal(clipped["W"], GRAD["W"])
    np.testing.assert_array_equal(clipped["b"][0], GRAD["b"][0])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_zero_gradients_stay_zero(dtype):
    zero = {"w": np.zeros(3, dtype), "b": np.zeros((), dtype)}
    with np.errstate(all="raise"):
        for clipped in (clip_by_global_norm(zero, 1.0), clip_by_value(zero, 1.0)):
            assert [leaf.dtype for leaf in clipped.values()] == [dtype, dtype]
            assert not np.any(clipped["w"])
            assert not np.any(clipped["b"])
        for norm in (1e-30, 1e30):
            assert not np.any(clip_by_global_norm({"w": np.zeros(3)}, norm)["w"])


def test_non_finite_gradients_stay_visible():
    for bad in (math.nan, math.inf):
        with np.errstate(invalid="ignore"):
            clipped = clip_by_global_norm({"w": np.array([1.0, bad])}, 1.0)
        assert np.isnan(clipped["w"][1])
    by_value = clip_by_value(np.array([math.nan, math.inf, -math.inf]), 2.0)
    np.testing.assert_array_equal(by_value, [math.nan, 2.0, -2.0])


def test_clip_by_value_bounds_each_entry():
    clipped = clip_by_value(GRAD, 3.5)
    np.testing.assert_array_equal(clipped["W"], [[3.0, -3.5]])
    assert clipped["b"][0] == np.float32(3.5)
    assert clipped["b"][0].dtype == np.float32


leaves = hnp.arrays(np.float64, st.integers(0, 5), elements=st.floats(-1e100, 1e100))


@settings(max_examples=80, deadline=None)
@given(a=leaves, b=leaves, limit=st.floats(1e-3, 1e3))
def test_norm_clipping_bounds_the_norm_and_keeps_the_direction(a, b, limit):
    clipped = clip_by_global_norm({"a": a, "b": b}, limit)
    before, after = np.concatenate([a, b]), np.concatenate([clipped["a"], clipped["b"]])
    assert np.linalg.norm(after) <= limit * (1 + 1e-12)
    length = np.linalg.norm(before)
    if length <= limit:
        np.testing.assert_array_equal(after, before)
    else:
        np.testing.assert_allclose(after / limit, before / length, rtol=1e-9, atol=1e-12)


def test_clip_wraps_an_optimiser():
    rule = clip(adam(cosine(0.1, steps=10)), norm=1.0)
    inner = adam(cosine(0.1, steps=10))
    theta = np.array([1.0, 2.0])
    state, inner_state = rule.init(theta), inner.init(theta)
    for step in range(4):
        grad = np.array([30.0, 40.0]) / (step + 1) ** 4
        theta_clipped, state = rule.update(theta, grad, state, step)
        expected, inner_state = inner.update(theta, clip_by_global_norm(grad, 1.0), inner_state, step)
        np.testing.assert_array_equal(theta_clipped, expected)
    assert rule.learning_rate is rule.hyperparameters["optimizer"].learning_rate
    assert float(rule.rate_at(5)) == pytest.approx(0.05)
    assert repr(rule).endswith(", norm=1.0)")
    assert repr(rule).startswith("clip(optimizer=adam(learning_rate=cosine(")


def test_value_comes_before_norm_and_wrappers_nest_from_outside_in():
    theta, grad = np.zeros(2), np.array([10.0, 1.0])
    both = clip(sgd(1.0), norm=1.0, value=1.0)
    np.testing.assert_allclose(both.update(theta, grad, {}, 0)[0], [-math.sqrt(0.5)] * 2)
    nested = clip(clip(sgd(1.0), norm=1.0), value=1.0)
    np.testing.assert_array_equal(nested.update(theta, grad, {}, 0)[0], both.update(theta, grad, {}, 0)[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: clip(sgd()), "clip needs a bound"),
        (lambda: clip(sgd(), norm=0), "norm is 0; it must be a finite number above 0"),
        (lambda: clip(sgd(), value=-1.0), r"value is -1\.0"),
        (lambda: clip("sgd", norm=1.0), "clip wraps an optimiser, not 'sgd'"),  # type: ignore[arg-type]
        (lambda: clip_by_value(GRAD, math.nan), "limit is nan"),
        (lambda: clip_by_global_norm(GRAD, 0.0), r"limit is 0\.0"),
    ],
)
def test_unusable_bounds_are_refused(make, message):
    with pytest.raises(HyperparameterError, match=message):
        make()
