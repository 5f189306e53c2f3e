"""Estimators within scikit-learn: routing of metadata, data frames, joblib, searches, calls one after the other."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier, VotingClassifier
from sklearn.exceptions import ConvergenceWarning, UnsetMetadataPassedError
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import backpass as bp

X, Y = load_iris(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)
FRAME = pd.DataFrame(X, columns=list("abcd"))
SMALL: dict[str, Any] = {"hidden_layer_sizes": (8,), "random_state": 0, "max_iter": 20}
LAST = np.where(Y == 2, 100.0, 0.01)
"""Weights by which only the last class counts."""


@pytest.fixture
def routing() -> Iterator[None]:
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("routing")
class TestRouting:
    def weighted(self) -> Any:
        net = bp.Classifier(**SMALL).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        return make_pipeline(StandardScaler().set_fit_request(sample_weight=False), net)

    def test_weights_through_a_pipeline(self) -> None:
        found = self.weighted().fit(X, Y, sample_weight=LAST)
        assert (found.predict(X) == 2).all()

    def test_weights_through_cross_validation(self) -> None:
        found = cross_validate(self.weighted(), X, Y, params={"sample_weight": LAST}, cv=3)
        assert (found["test_score"] > 0.99).all()  # each of its rows weighs as much as 10,000 others

    def test_weights_through_a_search(self) -> None:
        search = GridSearchCV(self.weighted(), {"classifier__alpha": [0.1, 1.0]}, cv=3)
        search.fit(X, Y, sample_weight=LAST)
        assert (search.predict(X) == 2).all()

    def test_rows_to_watch_go_through_the_transformers_before(self) -> None:
        net = bp.Classifier(**{**SMALL, "max_iter": 60}, early_stopping=True).set_fit_request(X_val=True, y_val=True)
        pipe = make_pipeline(StandardScaler(), net, transform_input=["X_val"])
        pipe.fit(X, Y, X_val=X[::3], y_val=Y[::3])
        assert pipe[-1].best_validation_score_ == pytest.approx(pipe.score(X[::3], Y[::3]))

    def test_metadata_that_nobody_asked_for_is_refused(self) -> None:
        with pytest.raises(UnsetMetadataPassedError):
            make_pipeline(StandardScaler(), bp.Classifier(**SMALL)).fit(X, Y, sample_weight=LAST)

    def test_partial_fit_has_requests_too(self) -> None:
        net = bp.Classifier().set_partial_fit_request(sample_weight=True, classes=True)
        assert "sample_weight" in str(net.get_metadata_routing())


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_come_from_set_output_with_their_names(library: str) -> None:
    pipe = make_pipeline(StandardScaler(), bp.Classifier(**SMALL)).set_output(transform=library)
    pipe.fit(FRAME, Y)
    assert pipe[-1].feature_names_in_.tolist() == list("abcd")
    assert np.array_equal(pipe.predict(FRAME), make_pipeline(StandardScaler(), pipe[-1]).fit(X, Y).predict(X))


@pytest.mark.parametrize("frame", [FRAME, pl.from_pandas(FRAME)], ids=["pandas", "polars"])
def test_columns_are_known_by_name(frame: Any) -> None:
    net = bp.Classifier(**SMALL).fit(frame, Y)
    renamed = frame.rename(columns={"a": "z"}) if isinstance(frame, pd.DataFrame) else frame.rename({"a": "z"})
    with pytest.raises(ValueError, match=r"unseen at fit time:\n- z"):
        net.predict(renamed)
    with pytest.raises(ValueError, match="same order"):
        net.predict(frame[["b", "a", "c", "d"]])
    with pytest.raises(ValueError, match=r"yet now missing:\n- d"):
        net.predict(frame[["a", "b", "c"]])
    with pytest.warns(UserWarning, match="valid feature names"):
        net.predict(X)


def test_strings_are_encoded_before() -> None:
    table = FRAME.assign(size=np.where(X[:, 0] > 5, "big", "small"))
    before = make_column_transformer((OneHotEncoder(), ["size"]), remainder="passthrough")
    assert make_pipeline(before, bp.Classifier(random_state=0)).fit(table, Y).score(table, Y) > 0.9


@pytest.mark.slow
def test_two_processes_of_joblib() -> None:
    net = bp.Classifier(**SMALL)
    assert np.array_equal(cross_val_score(net, X, Y, n_jobs=2), cross_val_score(net, X, Y))


def test_files_of_joblib(tmp_path: Path) -> None:
    net = bp.Classifier(**SMALL)
    joblib.dump(net.fit(X, Y), tmp_path / "net.joblib")
    assert np.array_equal(joblib.load(tmp_path / "net.joblib").predict_proba(X), net.predict_proba(X))


def test_a_search_over_objects() -> None:
    space = {
        "activation": ["relu", np.tanh],
        "hidden_layer_sizes": [8, (4, 4)],
        "solver": ["rmsprop", bp.descent.clip(bp.descent.sgd(0.1), norm=1.0)],
    }
    search = GridSearchCV(bp.Classifier(**SMALL), space, cv=2).fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert set(search.best_params_) == set(space)
    again = clone(search.best_estimator_).fit(X, Y)
    assert np.array_equal(again.predict_proba(X), search.predict_proba(X))


def test_partial_fit_then_fit_then_warm_start() -> None:
    net = bp.Classifier(**SMALL)
    net.partial_fit(X[:60], Y[:60], classes=[0, 1, 2])
    net.fit(X, Y)  # begins anew
    assert np.array_equal(net.predict_proba(X), bp.Classifier(**SMALL).fit(X, Y).predict_proba(X))
    assert (net.n_iter_, net.t_, len(net.loss_curve_)) == (20, 20 * 150, 20)
    net.set_params(warm_start=True).fit(X, Y)  # goes on
    assert (net.n_iter_, net.t_, len(net.loss_curve_)) == (20, 40 * 150, 40)
    assert net.loss_curve_[20] < net.loss_curve_[0]
    before = net.loss_
    net.partial_fit(X, Y)
    assert (net.n_iter_, net.t_, len(net.loss_curve_)) == (1, 41 * 150, 41)
    assert net.loss_ == pytest.approx(before, rel=0.2)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_ctrl_c_keeps_what_was_fitted_and_says_so(solver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is pressed when the third line is printed."""
    pressed = []

    class Screen:
        def write(self, text: str) -> int:
            if "Iteration 3" in text:
                pressed.append(text)
                signal.raise_signal(signal.SIGINT)
            return len(text)

        def flush(self) -> None: ...

    net = bp.Classifier(**SMALL, solver=solver, verbose=True)
    monkeypatch.setattr("sys.stdout", Screen())
    with pytest.warns(UserWarning, match="interrupted by user"):
        net.fit(X, Y)
    monkeypatch.undo()
    assert len(pressed) == 1
    assert net.n_iter_ == 3
    assert net.history_.stopped == "interrupted"
    untrained = bp.Classifier(**{**SMALL, "max_iter": 1}).fit(X, Y)
    assert net.score(X, Y) >= untrained.score(X, Y)
    assert net.predict_proba(X).shape == (150, 3)


@pytest.mark.parametrize(
    "around",
    [
        lambda net: BaggingClassifier(net, 2, random_state=0),
        lambda net: VotingClassifier([("one", net), ("two", clone(net))], voting="soft"),
        lambda net: AdaBoostClassifier(net, n_estimators=2, random_state=0),
        lambda net: CalibratedClassifierCV(net, cv=2),
    ],
    ids=["bagging", "voting", "boosting", "calibration"],
)
def test_within_other_estimators(around: Any) -> None:
    assert around(bp.Classifier(**SMALL)).fit(X, Y).score(X, Y) > 0.6


def test_inspection_and_transformed_targets() -> None:
    net = bp.Classifier(**SMALL).fit(X, Y)
    assert permutation_importance(net, X, Y, n_repeats=2, random_state=0).importances_mean[2] > 0.1
    assert partial_dependence(net, X, [0], kind="average", grid_resolution=5)["average"].shape == (3, 5)
    scaled = TransformedTargetRegressor(bp.Regressor(**SMALL), transformer=StandardScaler())
    assert scaled.fit(*DIABETES).score(*DIABETES) > 0.2


# ---- what comes on a Monday
def message(kind: Any, rows: Any, y: Any, **settings: Any) -> str:
    with pytest.raises((ValueError, TypeError)) as told:
        kind(**{**SMALL, **settings}).fit(rows, y)
    return str(told.value)


def with_value(value: float) -> np.ndarray:
    rows = X.copy()
    rows[3, 2] = rows[7, 1] = value
    return rows


def test_values_that_are_missing_or_infinite_are_located() -> None:
    for rows, where in ((with_value(np.nan), "columns 1, 2"), (FRAME + with_value(np.nan) * 0, "columns 'b', 'c'")):
        told = message(bp.Classifier, rows, Y)
        assert f"contains NaN: 2 values are missing in the {where}, first in row 3" in told
        assert "SimpleImputer" in told
    assert "infinity: 2 values are infinite in the columns 1, 2, first in row 3" in message(
        bp.Regressor, with_value(np.inf), Y
    )
    net = bp.Classifier(**SMALL).fit(X, Y)
    with pytest.raises(ValueError, match="2 values are missing"):
        net.predict(with_value(np.nan))


def test_columns_of_text_and_dates_are_named() -> None:
    words = FRAME.assign(size="big", kind=pd.Categorical(["a"] * 150))
    for table in (words, pl.from_pandas(words)):
        assert "text in the columns 'size', 'kind'" in message(bp.Regressor, table, Y)
    assert "Regressor()); `backpass train" in message(bp.Regressor, words, Y)
    assert "dates or durations in the column 'day'" in message(
        bp.Classifier, FRAME.assign(day=pd.Timestamp("2026-01-01")), Y
    )


def test_labels_that_are_not_known() -> None:
    one = message(bp.Classifier, X[:50], Y[:50])
    assert "one class only, 0" in one
    assert "partial_fit(X, y, classes=[...])" in one
    with pytest.raises(ValueError, match=r"y_val has \[2\], which y did not have"):
        bp.Classifier(**SMALL).fit(X[:100], Y[:100], X_val=X, y_val=Y)
    with pytest.raises(ValueError, match="A first partial_fit may name all"):
        bp.Classifier(**SMALL).partial_fit(X[:100], Y[:100]).partial_fit(X, Y)
    assert bp.Classifier(**SMALL).fit(X[:100], Y[:100]).score(X, Y) <= 2 / 3  # labels of later rows count as errors
    with pytest.raises(ValueError, match=r"y_val has shape \(150, 2\), and y had 1 columns"):
        bp.Regressor(**SMALL).fit(X, Y, X_val=X, y_val=np.stack([Y, Y], axis=1))


def test_early_stopping_of_few_rows_and_rare_classes() -> None:
    rare = np.r_[Y[:100], 2]  # one row of class 2
    assert bp.Classifier(**SMALL, early_stopping=True).fit(X[:101], rare).n_iter_ > 0
    few = np.arange(0, 150, 15)  # 10 rows: a tenth is one, and there are three classes
    assert len(bp.Classifier(**SMALL, early_stopping=True).fit(X[few], Y[few]).validation_scores_) > 0
    assert "early_stopping watches 0.1 of the rows, and n_samples=2 are too few" in message(
        bp.Regressor, X[:2], Y[:2], early_stopping=True
    )


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"class_weight": "balance"}, "class_weight is 'balance'; it must be 'balanced', a dict or None"),
        ({"early_stopping": True, "validation_fraction": 0}, "validation_fraction is 0"),
        ({"dtype": "flot32"}, "dtype is 'flot32'"),
        ({"callback": 5}, "callback is 5"),
        ({"hidden_layer_sizes": None}, "hidden_layer_sizes must be whole numbers"),
    ],
)
def test_parameters_that_are_refused_in_words(wrong: dict[str, Any], told: str) -> None:
    assert told in message(bp.Classifier, X, Y, **wrong)


@pytest.mark.parametrize("size", [1e-300, 1e-30, 1e30, 1e300])
def test_numbers_of_any_size(size: float) -> None:
    net = bp.Classifier(random_state=0).fit(X * size, Y)
    assert net.score(X * size, Y) > 0.9
    far = bp.Regressor(random_state=0).fit(X * size, Y * size)
    assert np.corrcoef(far.predict(X * size) / size, Y)[0, 1] > 0.9


def test_odd_shapes_of_plain_things() -> None:
    flat = bp.Regressor(**SMALL).fit(np.ones((30, 2)), np.full(30, 7.0))
    assert np.allclose(flat.predict(np.ones((3, 2))), 7.0, atol=0.1)
    one = bp.Regressor(**SMALL).fit(X[:1], [3.0])
    assert one.predict(X[:1]) == pytest.approx([3.0], abs=0.1)
    assert bp.Classifier(**SMALL).fit(X[[0, 60]], Y[[0, 60]]).predict(X[[0, 60]]).shape == (2,)
    assert bp.Classifier(**SMALL).fit(X.tolist(), [["a", "b", "c"][k] for k in Y]).predict(X[:2].tolist()).shape == (2,)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        wide = np.c_[X, np.ones(150), np.arange(150.0)[:, None] * 0]
        assert np.isfinite(bp.Classifier(**SMALL).fit(wide.astype(np.float32), Y).predict_proba(wide)).all()
