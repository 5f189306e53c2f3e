from functools import partial

import numpy as np
import pytest
import scipy.special as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson as poisson_distribution
from sklearn import metrics

import backpass as bp
from backpass.graph.errors import BackpassError, DtypeError, ShapeError
from backpass.graph.staging import Compiled
from backpass.nn import (
    LOSSES,
    TargetError,
    absolute_error,
    binary_cross_entropy,
    cross_entropy,
    hinge,
    huber,
    loss_of,
    meaning_of,
    poisson,
    quantile,
    squared_error,
)

N, C = 7, 4
RNG = np.random.default_rng(0)
OUTPUT = RNG.normal(size=N)
NUMBERS = RNG.normal(size=N)
LOGITS = RNG.normal(size=(N, C)) * 3
CLASSES = RNG.integers(0, C, N)
BINARY = np.array([0, 1, 1, 0, 1, 0, 0])
COUNTS = np.array([0, 3, 1, 7, 2, 0, 40])
WEIGHT = RNG.uniform(0.1, 2, N)
DISTRIBUTIONS = RNG.dirichlet(np.ones(C), N)

# name: (loss, output, target, what it must be, given the weights)
CASES = {
    "squared_error": (
        squared_error, OUTPUT, NUMBERS, lambda w: metrics.mean_squared_error(NUMBERS, OUTPUT, sample_weight=w),
    ),
    "absolute_error": (
        absolute_error, OUTPUT, NUMBERS, lambda w: metrics.mean_absolute_error(NUMBERS, OUTPUT, sample_weight=w),
    ),
    "huber": (
        partial(huber, delta=0.7), OUTPUT, NUMBERS,
        lambda w: np.average(sp.huber(0.7, OUTPUT - NUMBERS), weights=w),
    ),
    "cross_entropy": (
        cross_entropy, LOGITS, CLASSES,
        lambda w: metrics.log_loss(CLASSES, sp.softmax(LOGITS, axis=1), sample_weight=w, labels=range(C)),
    ),
    "cross_entropy, smoothed": (
        partial(cross_entropy, label_smoothing=0.2), LOGITS, CLASSES,
        lambda w: np.average(-(((0.8 * np.eye(C)[CLASSES] + 0.05) * sp.log_softmax(LOGITS, axis=1)).sum(1)), weights=w),
    ),
    "cross_entropy, probabilities": (
        cross_entropy, LOGITS, DISTRIBUTIONS,
        lambda w: np.average(-((DISTRIBUTIONS * sp.log_softmax(LOGITS, axis=1)).sum(1)), weights=w),
    ),
    "binary_cross_entropy": (
        binary_cross_entropy, OUTPUT, BINARY,
        lambda w: metrics.log_loss(BINARY, sp.expit(OUTPUT), sample_weight=w),
    ),
    "binary_cross_entropy, smoothed": (
        partial(binary_cross_entropy, label_smoothing=0.2), OUTPUT, BINARY,
        lambda w: np.average(-(0.8 * BINARY + 0.1) * sp.log_expit(OUTPUT)
                             - (0.9 - 0.8 * BINARY) * sp.log_expit(-OUTPUT), weights=w),
    ),
    "binary_cross_entropy, pos_weight": (
        partial(binary_cross_entropy, pos_weight=3.0), OUTPUT, BINARY,
        lambda w: np.average(-3 * BINARY * sp.log_expit(OUTPUT) - (1 - BINARY) * sp.log_expit(-OUTPUT), weights=w),
    ),
    "hinge, one score": (
        hinge, OUTPUT, BINARY, lambda w: metrics.hinge_loss(2 * BINARY - 1, OUTPUT, sample_weight=w),
    ),
    "hinge, classes": (
        hinge, LOGITS, CLASSES, lambda w: metrics.hinge_loss(CLASSES, LOGITS, labels=range(C), sample_weight=w),
    ),
    "poisson": (poisson, OUTPUT, COUNTS, lambda w: np.average(np.exp(OUTPUT) - COUNTS * OUTPUT, weights=w)),
    "poisson, full": (
        partial(poisson, full=True), OUTPUT, COUNTS,
        lambda w: np.average(-poisson_distribution.logpmf(COUNTS, np.exp(OUTPUT)), weights=w),
    ),
    "quantile": (
        partial(quantile, q=0.8), OUTPUT, NUMBERS,
        lambda w: metrics.mean_pinball_loss(NUMBERS, OUTPUT, alpha=0.8, sample_weight=w),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_values(case, weight):
    loss, output, target, expected = CASES[case]
    assert loss(output, target, weight=weight) == pytest.approx(expected(weight), rel=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_gradient(case, check_gradient):
    loss, output, target, _ = CASES[case]
    check_gradient(lambda output: loss(output, target), output)
    check_gradient(lambda output: loss(output, target, weight=WEIGHT), output)


@pytest.mark.parametrize("case", CASES)
def test_single_precision_stays(case):
    loss, output, target, expected = CASES[case]
    value, grad = bp.value_and_grad(lambda o: loss(o, target, weight=WEIGHT))(output.astype(np.float32))
    assert value.dtype == np.float32
    assert grad.dtype == np.float32
    assert value == pytest.approx(expected(WEIGHT), rel=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_target_unknown_while_compiled(case):
    loss, output, target, _ = CASES[case]
    function = bp.value_and_grad(lambda o, t, w: loss(o, t, weight=w))
    value, grad = Compiled(function)(output, target, WEIGHT)
    plain_value, plain_grad = function(output, target, WEIGHT)
    assert value == plain_value
    np.testing.assert_array_equal(grad, plain_grad)


@pytest.mark.parametrize("case", [case for case in CASES if "poisson" not in case])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_huge_outputs(case, dtype):
    loss, output, target, _ = CASES[case]
    for scale in (1e4, -1e4):
        value, grad = bp.value_and_grad(lambda o: loss(o, target))((scale * np.sign(output)).astype(dtype))
        assert np.isfinite(value)
        assert np.isfinite(grad).all()


@pytest.mark.parametrize("case", CASES)
def test_weight_two_is_an_example_given_twice(case):
    loss, output, target, _ = CASES[case]
    twice = np.r_[0, 0, 1:N]
    assert loss(output, target, weight=np.r_[2.0, np.ones(N - 1)]) == pytest.approx(loss(output[twice], target[twice]))
    assert loss(output, target, weight=np.zeros(N)) == 0


@pytest.mark.parametrize("case", CASES)
def test_nan_is_not_hidden(case):
    loss, output, target, _ = CASES[case]
    spoilt = output.copy()
    spoilt[3] = np.nan
    assert np.isnan(loss(spoilt, target))
    assert np.isnan(Compiled(lambda o: loss(o, target))(spoilt))


def test_class_weights():
    class_weight = [1.0, 0.0, 5.0, 2.0]
    expected = cross_entropy(LOGITS, CLASSES, weight=np.array(class_weight)[CLASSES] * WEIGHT)
    assert cross_entropy(LOGITS, CLASSES, class_weight=class_weight, weight=WEIGHT) == pytest.approx(expected)
    assert cross_entropy(LOGITS, np.eye(C)[CLASSES], class_weight=class_weight, weight=WEIGHT) == pytest.approx(
        expected
    )
    expected = binary_cross_entropy(OUTPUT, BINARY, weight=np.where(BINARY, 4.0, 0.5))
    assert binary_cross_entropy(OUTPUT, BINARY, class_weight=(0.5, 4.0)) == pytest.approx(expected)


def test_class_weights_gradient(check_gradient):
    check_gradient(lambda o: cross_entropy(o, CLASSES, class_weight=[1, 2, 3, 4], label_smoothing=0.1), LOGITS)
    check_gradient(
        lambda o: binary_cross_entropy(o, BINARY, class_weight=[1, 2], pos_weight=3, label_smoothing=0.1), OUTPUT
    )


@pytest.mark.parametrize(
    "name", ["squared_error", "absolute_error", "huber", "binary_cross_entropy", "poisson", "quantile", "hinge"]
)
def test_column_goes_with_vector(name):
    """(N, 1) against (N,) must not broadcast to (N, N)."""
    target = BINARY
    expected = LOSSES[name](OUTPUT, target)
    assert LOSSES[name](OUTPUT[:, None], target) == expected
    assert LOSSES[name](OUTPUT, target[:, None]) == expected
    assert LOSSES[name](OUTPUT[:, None], target[:, None]) == expected


def test_sequences():
    """More than one entry an example: their mean, or weights for each entry."""
    logits, target = RNG.normal(size=(3, 5, C)), RNG.integers(0, C, (3, 5))
    each = -np.take_along_axis(sp.log_softmax(logits, axis=-1), target[..., None], -1)[..., 0]
    assert cross_entropy(logits, target) == pytest.approx(each.mean())
    weight = np.array([1.0, 2.0, 0.5])
    assert cross_entropy(logits, target, weight=weight) == pytest.approx(np.average(each.mean(1), weights=weight))
    mask = (RNG.uniform(size=(3, 5)) < 0.5).astype(float)
    assert cross_entropy(logits, target, weight=mask) == pytest.approx(np.average(each, weights=mask))
    assert squared_error(logits, 0 * logits, weight=weight) == pytest.approx(
        np.average((logits**2).mean((1, 2)), weights=weight)
    )


@given(st.floats(0.05, 0.95), st.integers(0, 2**32 - 1))
def test_minimum_is_the_quantile(q, seed):
    target = np.random.default_rng(seed).normal(size=51)
    best = min(target, key=lambda c: quantile(np.full(51, c), target, q=q))
    assert np.mean(target < best) <= q + 1e-9
    assert np.mean(target <= best) >= q - 1e-9


@given(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4))
def test_two_classes_are_one_logit(a, b):
    two = cross_entropy(np.array([[a, b]]), np.array([1]))
    one = binary_cross_entropy(np.array([b - a]), np.array([1]))
    np.testing.assert_allclose(two, one, rtol=1e-9, atol=1e-12)


def test_binary_cross_entropy_keeps_its_digits():
    np.testing.assert_allclose(binary_cross_entropy(np.array([40.0]), np.array([1])), np.exp(-40.0), rtol=1e-12)


def test_kinks():
    assert bp.grad(absolute_error)(np.zeros(1), np.zeros(1)) == 0
    assert bp.grad(hinge)(np.ones(1), np.ones(1)) == 0
    assert bp.grad(partial(quantile, q=0.9))(np.zeros(1), np.zeros(1)) == pytest.approx(-0.4)
    assert bp.grad(huber)(np.ones(1), np.zeros(1)) == 1
    assert bp.hessian(huber)(np.zeros(1), np.zeros(1)) == 1


def test_names():
    assert loss_of("hinge") is hinge
    assert loss_of({"name": "quantile", "q": 0.9})(np.zeros(1), np.ones(1)) == pytest.approx(0.9)
    own = lambda output, target: np.sum(output)  # noqa: E731
    assert loss_of(own) is own
    assert meaning_of(own) is None
    assert meaning_of(partial(cross_entropy, label_smoothing=0.1)).link(np.zeros((1, 2))).tolist() == [[0.5, 0.5]]
    assert {meaning_of(loss).target for loss in LOSSES.values()} == {"number", "class", "binary", "count"}


ERRORS = {
    "shapes": (lambda: squared_error(np.zeros((3, 2)), np.zeros(3)), ShapeError, r"\(3, 2\).*\n.*\(3,\)"),
    "shapes, transposed": (lambda: huber(np.zeros((1, 3)), np.zeros(3)), ShapeError, r"\(1, 3\)"),
    "whole-number output": (lambda: squared_error(np.zeros(3, int), np.zeros(3)), DtypeError, "int64"),
    "text target": (lambda: squared_error(np.zeros(1), np.array(["cat"])), DtypeError, "numbers, got <U3.*cat"),
    "empty batch": (lambda: squared_error(np.zeros(0), np.zeros(0)), ShapeError, "empty"),
    "empty classes": (lambda: cross_entropy(np.zeros((0, 3)), np.zeros(0, int)), ShapeError, "empty"),
    "class too large": (lambda: cross_entropy(LOGITS, np.full(N, 4)), TargetError, "class 4; the output has 4"),
    "class below 0": (lambda: cross_entropy(LOGITS, np.full(N, -1)), TargetError, "class -1"),
    "float classes": (lambda: cross_entropy(LOGITS, np.zeros(N)), DtypeError, r"float64 of shape \(7,\).*astype"),
    "class shape": (lambda: cross_entropy(LOGITS, np.zeros(3, int)), ShapeError, r"must be \(7,\)"),
    "one column": (lambda: cross_entropy(np.zeros((3, 1)), np.zeros(3, int)), ShapeError, "binary_cross_entropy"),
    "one-dimensional logits": (lambda: cross_entropy(np.zeros(3), np.zeros(3, int)), ShapeError, r"\(N, C\)"),
    "not a distribution": (lambda: cross_entropy(LOGITS, np.full((N, C), 0.5)), TargetError, r"target\[0\].*sum to 2"),
    "not probabilities": (lambda: cross_entropy(LOGITS, LOGITS), TargetError, "from 0 to 1"),
    "binary out of range": (lambda: binary_cross_entropy(OUTPUT, BINARY * 2 - 1), TargetError, r"target\[0\] is -1"),
    "binary NaN": (lambda: binary_cross_entropy(OUTPUT, NUMBERS * np.nan), TargetError, r"target\[0\] is nan"),
    "two logits": (lambda: binary_cross_entropy(LOGITS, BINARY), ShapeError, "use cross_entropy"),
    "hinge target": (lambda: hinge(OUTPUT, NUMBERS), TargetError, "−1 or 1"),
    "negative count": (lambda: poisson(OUTPUT, COUNTS - 5), TargetError, r"target\[0\] is -5.0; it must be a count"),
    "quantile": (lambda: quantile(OUTPUT, NUMBERS, q=1.0), BackpassError, "q is 1.0"),
    "quantile 0": (lambda: quantile(OUTPUT, NUMBERS, q=0.0), BackpassError, "q is 0.0"),
    "delta": (lambda: huber(OUTPUT, NUMBERS, delta=0.0), BackpassError, "delta is 0.0"),
    "smoothing": (lambda: cross_entropy(LOGITS, CLASSES, label_smoothing=1.0), BackpassError, "label_smoothing is 1.0"),
    "weight shape": (lambda: squared_error(OUTPUT, NUMBERS, weight=np.ones(3)), ShapeError, r"\(7,\).*\n.*\(3,\)"),
    "weight column": (lambda: squared_error(OUTPUT, NUMBERS, weight=np.ones((N, 1))), ShapeError, r"\(7, 1\)"),
    "negative weight": (lambda: squared_error(OUTPUT, NUMBERS, weight=-WEIGHT), TargetError, "must be 0 or above"),
    "class weights": (lambda: cross_entropy(LOGITS, CLASSES, class_weight=[1, 2]), ShapeError, "each of 4 classes"),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
def test_errors(case):
    call, error, message = ERRORS[case]
    with pytest.raises(error, match=message):
        call()
