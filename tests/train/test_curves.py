"""ROC, precision and recall, calibration: scikit-learn's numbers, ties and absent classes included."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.calibration import calibration_curve

from backpass.train import curves


@st.composite
def judged(draw):
    n = draw(st.integers(2, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    truth = rng.integers(0, 2, n)
    truth[:2] = 0, 1
    levels = draw(st.sampled_from([2, 5, 10**6]))
    return truth, rng.integers(0, levels, n) / levels


@settings(max_examples=60)
@given(judged())
def test_curves_are_those_of_scikit_learn(case):
    truth, scores = case
    false, true, thresholds = metrics.roc_curve(truth, scores, drop_intermediate=False)
    ours = curves.roc_curve(truth, scores)
    np.testing.assert_allclose(ours.x, false)
    np.testing.assert_allclose(ours.y, true)
    np.testing.assert_array_equal(ours.thresholds, thresholds)
    precision, recall, thresholds = metrics.precision_recall_curve(truth, scores)
    ours = curves.precision_recall_curve(truth, scores)
    np.testing.assert_allclose(ours.y, precision)
    np.testing.assert_allclose(ours.x, recall)
    np.testing.assert_array_equal(ours.thresholds, thresholds)
    ap = curves.average_precision(truth, scores)
    assert ap == pytest.approx(metrics.average_precision_score(truth, scores))


@settings(max_examples=60)
@given(judged(), st.integers(2, 12))
def test_reliability_is_the_calibration_curve_of_scikit_learn(case, bins):
    truth, chances = case
    observed, predicted = calibration_curve(truth, chances, n_bins=bins)
    ours = curves.reliability(truth, chances, bins)
    full = ours.counts > 0
    np.testing.assert_allclose(ours.observed[full], observed)
    np.testing.assert_allclose(ours.predicted[full], predicted)
    assert ours.counts.sum() == len(truth)


def test_the_calibration_error_of_known_probabilities():
    rng = np.random.default_rng(0)
    chances = rng.uniform(size=100_000)
    truth = (rng.uniform(size=100_000) < chances).astype(int)
    assert curves.calibration_error(curves.reliability(truth, chances)) < 0.01
    overdone = np.where(chances > 0.5, 1.0, 0.0)
    assert curves.calibration_error(curves.reliability(truth, overdone)) == pytest.approx(0.25, abs=0.01)


def test_without_a_row_of_a_class():
    assert np.isnan(curves.average_precision(np.zeros(3), np.ones(3)))
    assert np.isnan(curves.roc_curve(np.ones(3), np.arange(3.0)).x).all()
