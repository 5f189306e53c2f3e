"""`Classifier` and `Regressor`: what MLPClassifier and MLPRegressor have, and what they have not."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_linnerud
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import backpass as bp

IRIS = load_iris(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)
SMALL: dict[str, Any] = {"hidden_layer_sizes": (8,), "random_state": 0, "max_iter": 20}


def softsquare(x: Any) -> Any:
    return x * np.tanh(x)


def cubed_error(output: Any, target: Any, *, weight: Any = None) -> Any:
    each = np.abs(output - target) ** 1.5
    return np.mean(each) if weight is None else np.sum(weight * each) / np.sum(weight)


def weightless(output: Any, target: Any) -> Any:
    return np.mean((output - target) ** 2)


@pytest.mark.parametrize(("ours", "theirs"), [(bp.Classifier, MLPClassifier), (bp.Regressor, MLPRegressor)])
def test_takes_what_theirs_takes_and_has_what_theirs_has(ours: Any, theirs: Any) -> None:
    assert set(theirs().get_params()) <= set(ours().get_params())
    X, y = IRIS
    old = theirs(max_iter=300, random_state=0, early_stopping=True).fit(X, y)
    new = ours(max_iter=300, random_state=0, early_stopping=True).fit(X, y)
    fitted = {n for n in vars(old) if n.endswith("_") and not n.startswith("_")}
    assert not {n for n in fitted if not hasattr(new, n)}
    assert [w.shape for w in new.coefs_] == [(4, 100), (100, old.coefs_[-1].shape[1])]
    assert new.out_activation_ == old.out_activation_
    assert new.n_layers_ == 3


def test_coefs_are_the_network_as_it_acts_on_raw_rows() -> None:
    X, y = DIABETES
    for more in ({}, {"batch_norm": True}):
        m = bp.Regressor(**SMALL, dtype=np.float64, **more).fit(X, y)
        hidden = np.maximum(X @ m.coefs_[0] + m.intercepts_[0], 0)
        assert np.allclose((hidden @ m.coefs_[1] + m.intercepts_[1])[:, 0], m.predict(X), rtol=1e-8)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs", "adamw", "rmsprop"])
def test_solvers_learn(solver: str) -> None:
    m = bp.Classifier(solver=solver, random_state=0, max_iter=100).fit(*IRIS)
    assert m.score(*IRIS) > 0.9


def test_learning_rates_go_as_they_say() -> None:
    def rates(policy: str) -> list[float]:
        m = bp.Classifier(**{**SMALL, "max_iter": 4}, solver="sgd", learning_rate=policy, learning_rate_init=0.1)
        if policy == "cosine":
            m.fit(*IRIS)
        else:
            with pytest.warns(ConvergenceWarning):
                m.fit(*IRIS)
        return [round(e.learning_rate, 6) for e in m.history_.epochs]

    assert rates("constant") == [0.1] * 4
    assert rates("cosine") == [0.1, 0.085355, 0.05, 0.014645]
    assert rates("invscaling") == [0.1, *[round(0.1 / (150 * k + 1) ** 0.5, 6) for k in (1, 2, 3)]]


def test_a_row_of_weight_two_is_two_rows() -> None:
    X, y = IRIS
    weights = np.where(np.arange(len(y)) % 3 == 0, 2.0, 1.0)
    rows = np.repeat(np.arange(len(y)), weights.astype(int))
    options: dict[str, Any] = {"solver": "lbfgs", "random_state": 0, "alpha": 0.5, "max_iter": 2000,
                               "standardize": False, "hidden_layer_sizes": (4,), "activation": "tanh",
                               "dtype": np.float64, "tol": 1e-8}  # fmt: skip
    one = bp.Classifier(**options).fit(X, y, weights)
    two = bp.Classifier(**options).fit(X[rows], y[rows])
    assert np.allclose(one.predict_proba(X), two.predict_proba(X), atol=1e-4)


def test_class_weight() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    few = np.concatenate([np.flatnonzero(y == 1), np.flatnonzero(y == 0)[:15]])
    plain = bp.Classifier(**SMALL, alpha=1.0).fit(X[few], y[few])
    even = bp.Classifier(**SMALL, alpha=1.0, class_weight="balanced").fit(X[few], y[few])
    told = bp.Classifier(**SMALL, alpha=1.0, class_weight={0: 50.0}).fit(X[few], y[few])
    found = [int(np.sum(m.predict(X) == 0)) for m in (plain, even, told)]
    assert found[0] < min(found[1:])
    with pytest.raises(ValueError, match="class_weight must have keys"):
        bp.Classifier(class_weight={"a": 1.0}).fit(X, y)


def test_rows_of_ones_own_to_watch() -> None:
    X, y = IRIS
    m = bp.Classifier(**SMALL, early_stopping=True, n_iter_no_change=3).fit(
        X[::2], y[::2], X_val=X[1::2], y_val=y[1::2]
    )
    assert m.best_validation_score_ == max(m.validation_scores_)
    assert m.score(X[1::2], y[1::2]) == pytest.approx(m.best_validation_score_)  # the best θ is kept
    assert len(m.validation_scores_) == m.n_iter_
    with pytest.raises(ValueError, match="y_val was not provided"):
        bp.Classifier().fit(X, y, X_val=X)


@pytest.mark.parametrize("scoring", ["f1_macro", "neg_log_loss", "loss"])
def test_early_stopping_by_any_score(scoring: str) -> None:
    m = bp.Classifier(**SMALL, early_stopping=True, scoring=scoring).fit(*IRIS)
    assert m.history_.best is not None
    assert m.best_validation_score_ == m.validation_scores_[m.history_.best - 1]


def test_several_labels_and_several_columns_of_classes() -> None:
    X, y = IRIS
    labels = np.stack([y == 0, y > 0, X[:, 0] > 5.8], axis=1).astype(int)
    m = bp.Classifier(random_state=0).fit(X, labels)
    assert m.predict(X).shape == labels.shape
    assert m.predict_proba(X).shape == labels.shape
    assert m.score(X, labels) > 0.9
    words = np.stack([np.array(["a", "b", "c"])[y], np.where(X[:, 0] > 5.8, "long", "short")], axis=1)
    m = bp.Classifier(random_state=0).fit(X, words)
    assert [p.shape for p in m.predict_proba(X)] == [(150, 3), (150, 2)]
    assert m.score(X, words) > 0.9


def test_several_numbers() -> None:
    X, y = load_linnerud(return_X_y=True)
    m = bp.Regressor(random_state=0).fit(X, y)
    assert m.predict(X).shape == y.shape
    assert m.score(X, y) > 0.3


def test_partial_fit_goes_on_and_knows_its_classes() -> None:
    X, y = IRIS
    m = bp.Classifier(random_state=0)
    m.partial_fit(X[:60], y[:60], classes=[0, 1, 2])
    for _ in range(40):
        m.partial_fit(X, y)
    assert m.score(X, y) > 0.9
    assert m.t_ == 60 + 40 * 150
    with pytest.raises(ValueError, match="first call did not have"):
        m.partial_fit(X, y + 1)


def test_warm_start_takes_theta_up() -> None:
    X, y = DIABETES
    m = bp.Regressor(**SMALL, warm_start=True).fit(X, y)
    first = m.loss_curve_[-1]
    m.fit(X, y)
    assert m.loss_curve_[20] < m.loss_curve_[0]
    assert m.loss_ < first * 1.1
    m.set_params(hidden_layer_sizes=(9,))
    with pytest.raises(ValueError, match="cannot be taken up"):
        m.fit(X, y)


def test_one_seed_gives_the_same_bits_and_dropout_changes_them() -> None:
    one, two, drop = (bp.Classifier(**SMALL, dropout=p).fit(*IRIS).predict_proba(IRIS[0]) for p in (0.0, 0.0, 0.3))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, drop)


def test_loss_and_activation_of_ones_own() -> None:
    X, y = DIABETES
    m = bp.Regressor(loss=cubed_error, activation=softsquare, random_state=0)
    m.fit(X, y, np.ones(len(y)) * 2)
    assert m.score(X, y) > 0.4
    with pytest.raises(ValueError, match="takes none"):
        bp.Regressor(loss=weightless).fit(X, y, np.arange(len(y)) + 1.0)


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "poisson", {"name": "quantile", "q": 0.5}])
def test_losses_of_numbers(loss: Any) -> None:
    X, y = DIABETES
    m = bp.Regressor(loss=loss, random_state=0).fit(X, y)
    assert m.score(X, y) > 0.35
    if loss == "poisson":
        assert m.out_activation_ == "exp"
        assert (m.predict(X) > 0).all()
        with pytest.raises(ValueError, match="0 or above"):
            m.fit(X, y - 1000)


def test_hinge_gives_no_probabilities() -> None:
    m = bp.Classifier(loss="hinge", random_state=0).fit(*IRIS)
    assert m.score(*IRIS) > 0.9
    with pytest.raises(AttributeError, match="scores, no probabilities"):
        m.predict_proba(IRIS[0])


def test_a_network_of_ones_own() -> None:
    net = bp.nn.Sequential(bp.nn.Dense(12), np.tanh, bp.nn.LayerNorm(), bp.nn.Dense(3))
    assert bp.Classifier(network=net, random_state=0).fit(*IRIS).score(*IRIS) > 0.9
    with pytest.raises(ValueError, match=r"Dense\(3\)"):
        bp.Classifier(network=bp.nn.Sequential(bp.nn.Dense(2))).fit(*IRIS)


def test_callbacks_end_a_fit() -> None:
    seen = []

    def stop(record: Any) -> bool:
        seen.append(record.number)
        return record.number == 3

    m = bp.Classifier(**SMALL, callback=stop).fit(*IRIS)
    assert seen == [1, 2, 3]
    assert m.n_iter_ == 3
    assert m.history_.stopped == "callback"


def test_frames() -> None:
    X = pd.DataFrame(IRIS[0], columns=["a", "b", "c", "d"])
    y = pd.Series(np.array(["x", "y", "z"])[IRIS[1]])
    m = bp.Classifier(random_state=0).fit(X, y)
    assert m.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    assert m.score(X, y) > 0.9
    other = pl.DataFrame(IRIS[0], schema=["a", "b", "c", "d"])
    assert np.array_equal(bp.Classifier(random_state=0).fit(other, y).predict(other), m.predict(X))
    with pytest.raises(ValueError, match="feature names"):
        m.predict(X[["b", "a", "c", "d"]])
    with pytest.raises(ValueError, match="in the column 'e'"):
        bp.Classifier().fit(X.assign(e="text"), y)


def test_sparse_rows_learn_what_dense_ones_do(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = IRIS
    rows = sparse.csr_array(X)
    options: dict[str, Any] = {**SMALL, "standardize": False}
    dense = bp.Classifier(**options).fit(X, y).predict_proba(X)
    assert np.array_equal(bp.Classifier(**options).fit(rows, y).predict_proba(rows), dense)
    for module in ("base", "rows"):
        monkeypatch.setattr(f"backpass.estimators.{module}.DENSE", 1)
    assert np.allclose(bp.Classifier(**options).fit(rows, y).predict_proba(rows), dense, atol=1e-5)


def test_pipelines_searches_clones_and_pickles() -> None:
    X, y = IRIS
    pipe = make_pipeline(StandardScaler(), bp.Classifier(hidden_layer_sizes=(8,), random_state=0))
    search = GridSearchCV(pipe, {"classifier__alpha": [0.001, 0.1], "classifier__dropout": [0.0, 0.2]}, cv=3)
    search.fit(X, y)
    assert search.best_score_ > 0.8
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    assert np.array_equal(again.predict_proba(X), search.predict_proba(X))
    assert clone(bp.Regressor(activation=softsquare)).activation is softsquare
    assert cross_val_score(bp.Regressor(**SMALL), *DIABETES, cv=3).mean() > 0.2


def test_other_readings() -> None:
    m = bp.Classifier(hidden_layer_sizes=(2,), random_state=0, max_iter=3).fit(IRIS[0][:, :2], IRIS[1])
    assert len(m.history_) == m.n_iter_ == 3
    assert isinstance(m.graph_, bp.Graph)
    assert "∂" in str(m.equations_)


def test_optimisers_and_schedules_of_ones_own() -> None:
    rule = bp.descent.adam(0.01)
    for more in ({"solver": rule}, {"learning_rate": bp.descent.cosine(0.01, steps=180)}):
        assert bp.Classifier(random_state=0, **more).fit(*IRIS).score(*IRIS) > 0.9


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"hidden_layer_sizes": (-1,)}, "hidden_layer_sizes"),
        ({"solver": "newton"}, "solver is 'newton'"),
        ({"learning_rate": "fast"}, "learning_rate is 'fast'"),
        ({"activation": "relux"}, "relux"),
        ({"solver": "lbfgs", "dropout": 0.1}, "dropout goes with another solver"),
        ({"solver": "lbfgs", "scoring": "f1_macro"}, "scoring goes with another solver"),
        ({"standardize": "no"}, "standardize"),
        ({"loss": "squared_error"}, "not one of classes"),
        ({"dtype": np.int64}, "dtype"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_parameters_that_cannot_be_used(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        bp.Classifier(**wrong).fit(*IRIS)


def test_lbfgs_watches_no_rows() -> None:
    with pytest.raises(ValueError, match="X_val"):
        bp.Classifier(solver="lbfgs").fit(*IRIS, X_val=IRIS[0], y_val=IRIS[1])


def test_an_optimiser_object_is_pickled_with_its_estimator() -> None:
    rule = bp.descent.clip(bp.descent.adam(bp.descent.cosine(0.01, steps=300)), norm=1.0)
    net = bp.Classifier((8,), solver=rule, random_state=0, max_iter=20).fit(*IRIS)
    again = pickle.loads(pickle.dumps(net))
    assert repr(again.solver) == repr(rule)
    assert (again.predict(IRIS[0]) == net.predict(IRIS[0])).all()
    assert (again.fit(*IRIS).predict_proba(IRIS[0]) == net.predict_proba(IRIS[0])).all()


@pytest.mark.parametrize("few", [2, 3])
def test_labels_are_smoothed_where_the_loss_is_descended_only(few: int) -> None:
    X, y = (part[IRIS[1] < few] for part in IRIS)
    fits = [bp.Classifier(random_state=0, label_smoothing=s, scoring="loss", alpha=0).fit(X, y, X_val=X, y_val=y)
            for s in (0.0, 0.3)]  # fmt: skip
    for m in fits:
        assert -m.validation_scores_[-1] == pytest.approx(log_loss(y, m.predict_proba(X)), rel=1e-5)
    plain, smooth = (m.predict_proba(X).max(axis=1) for m in fits)
    assert np.median(plain) > 0.99
    # The smoothed loss is least where the likeliest class has 1 − ε + ε/C.
    assert np.median(smooth) == pytest.approx(0.7 + 0.3 / few, abs=0.05)
    with pytest.raises(ValueError, match="label_smoothing is 1"):
        bp.Classifier(label_smoothing=1).fit(X, y)


def test_smoothed_labels_of_several_kinds() -> None:
    X, y = IRIS
    for target in (np.eye(3, dtype=int)[y], np.stack([y, y % 2], axis=1)):
        curves = [bp.Classifier(**SMALL, label_smoothing=s, alpha=0).fit(X, target).loss_curve_ for s in (0.0, 0.5)]
        assert curves[1][-1] > curves[0][-1]
    one = bp.Classifier(**SMALL, loss="hinge", label_smoothing=0.5).fit(X, y)
    assert one.loss_ == bp.Classifier(**SMALL, loss="hinge").fit(X, y).loss_
