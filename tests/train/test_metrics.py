"""Every metric equals scikit-learn's, and the baselines equal its dummy predictors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as theirs
from sklearn.dummy import DummyClassifier, DummyRegressor

from backpass.graph.errors import DataError
from backpass.train import metrics as ours

SEEDS = st.integers(0, 2**32 - 1)


@pytest.mark.filterwarnings("ignore:A single label was found")
@settings(max_examples=60)
@given(SEEDS, st.integers(2, 5), st.integers(2, 40))
def test_label_metrics(seed, classes, n):
    random = np.random.default_rng(seed)
    truth, predicted = random.integers(0, classes, (2, n))
    absent = np.setdiff1d(predicted, truth)  # scikit-learn warns there, and leaves those classes out as we do
    assert ours.accuracy(truth, predicted) == theirs.accuracy_score(truth, predicted)
    if not len(absent):
        assert ours.balanced_accuracy(truth, predicted) == pytest.approx(
            theirs.balanced_accuracy_score(truth, predicted), abs=1e-15
        )
    expected = theirs.f1_score(truth, predicted, average="macro", zero_division=0)
    assert ours.macro_f1(truth, predicted) == pytest.approx(expected, abs=1e-15)
    counts = theirs.confusion_matrix(truth, predicted, labels=range(classes))
    assert np.array_equal(ours.confusion(truth, predicted, classes), counts)


@settings(max_examples=60)
@given(SEEDS, st.integers(2, 5), st.integers(1, 40), st.sampled_from([np.float32, np.float64]))
def test_log_loss(seed, classes, n, dtype):
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, n)
    weights = random.random((n, classes)) ** 8
    probabilities = (weights / weights.sum(axis=1, keepdims=True)).astype(dtype)
    probabilities[0] = np.eye(classes, dtype=dtype)[(truth[0] + 1) % classes]  # certain, and wrong
    expected = theirs.log_loss(truth, probabilities, labels=range(classes))
    assert ours.log_loss(truth, probabilities) == pytest.approx(expected, rel=1e-12 if dtype is np.float64 else 1e-5)


@settings(max_examples=60)
@given(SEEDS, st.integers(2, 60), st.integers(1, 9))
def test_roc_auc(seed, n, ties):
    random = np.random.default_rng(seed)
    truth, scores = random.integers(0, 2, n), random.integers(0, ties, n) / ties
    if truth.min() == truth.max():
        assert np.isnan(ours.roc_auc(truth, scores))
    else:
        assert ours.roc_auc(truth, scores) == pytest.approx(theirs.roc_auc_score(truth, scores), abs=1e-14)


@settings(max_examples=60)
@given(SEEDS, st.integers(2, 60))
def test_number_metrics(seed, n):
    truth, predicted = np.random.default_rng(seed).normal(3.0, 10.0, (2, n))
    assert ours.r_squared(truth, predicted) == pytest.approx(theirs.r2_score(truth, predicted), abs=1e-12)
    assert ours.mean_absolute_error(truth, predicted) == pytest.approx(theirs.mean_absolute_error(truth, predicted))
    expected = theirs.root_mean_squared_error(truth, predicted)
    assert ours.root_mean_squared_error(truth, predicted) == pytest.approx(expected)


@pytest.mark.parametrize("predicted", [[2.0, 2.0], [2.0, 3.0]])
def test_r_squared_of_a_constant(predicted):
    truth = np.array([2.0, 2.0])
    assert ours.r_squared(truth, np.array(predicted)) == theirs.r2_score(truth, predicted)
    assert np.isnan(ours.r_squared(truth[:1], truth[:1]))


def test_baselines_are_the_dummy_predictors():
    random = np.random.default_rng(0)
    train, test = random.choice(3, 50, p=[0.2, 0.5, 0.3]), random.integers(0, 3, 20)
    dummy = DummyClassifier(strategy="prior").fit(np.zeros((50, 1)), train)
    baseline = ours.class_baseline(train, 3, 20)
    np.testing.assert_allclose(baseline, dummy.predict_proba(np.zeros((20, 1))))
    scores = ours.classification_scores(test, baseline)
    assert scores["accuracy"] == dummy.score(np.zeros((20, 1)), test)
    assert list(scores) == ["accuracy", "balanced accuracy", "macro F1", "log loss"]
    values, held = random.normal(size=50), random.normal(size=20)
    mean = DummyRegressor().fit(np.zeros((50, 1)), values)
    scores = ours.regression_scores(held, ours.number_baseline(values, 20))
    assert scores["R²"] == pytest.approx(mean.score(np.zeros((20, 1)), held))


def test_two_classes_have_a_roc_curve():
    scores = ours.classification_scores(np.array([0, 1]), np.array([[0.7, 0.3], [0.6, 0.4]], np.float32))
    assert scores["ROC AUC"] == 1.0


@pytest.mark.parametrize(
    ("score", "truth", "output", "message"),
    [
        (ours.classification_scores, (3,), (4, 2), "labels of shape (3,) do not fit probabilities of shape (4, 2)"),
        (ours.classification_scores, (3,), (3,), "labels of shape (3,) do not fit probabilities of shape (3,)"),
        (ours.regression_scores, (3,), (3, 1), "values of shape (3,) do not fit predictions of shape (3, 1)"),
        (ours.regression_scores, (0,), (0,), "values of shape (0,) do not fit predictions of shape (0,)"),
    ],
)
def test_shapes_that_do_not_fit(score, truth, output, message):
    with pytest.raises(DataError) as caught:
        score(np.zeros(truth, int), np.zeros(output))
    assert str(caught.value) == message
