"""scikit-learn's own checks of an estimator: all of them, none skipped or expected to fail here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.utils.estimator_checks import check_estimator

import backpass as bp

WEIGHTS = {"check_sample_weight_equivalence_on_dense_data", "check_sample_weight_equivalence_on_sparse_data"}
PARTIAL = {"check_fit_score_takes_y", "check_n_features_in_after_fitting", "check_estimators_partial_fit_n_features"}
REFITS = {"check_supervised_y_2d", "check_classifiers_multilabel_representation_invariance"}

SETTINGS: list[tuple[dict[str, Any], set[str], str]] = [
    ({"dropout": 0.2}, WEIGHTS, "a row of weight 2 is dropped out in one way, two rows in two"),
    ({"batch_norm": True}, WEIGHTS, "a batch's means count its rows, whatever they weigh"),
    (
        {"early_stopping": True},
        WEIGHTS | PARTIAL,
        "chance says which rows are watched; partial_fit goes on with no epochs to stop after, as MLPClassifier's",
    ),
    ({"batch_size": 8}, WEIGHTS, "batches of another number of rows are others"),
    ({"dtype": np.float32}, WEIGHTS, "sums in single precision differ by more than 1e-7"),
    ({"solver": "lbfgs"}, WEIGHTS, "two ways to one minimum end within tol of it, not within 1e-7"),
    ({"warm_start": True}, REFITS, "a second fit goes on from the first, and its result is another"),
    ({"standardize": False}, set(), ""),
    ({"shuffle": False}, set(), ""),
    (
        {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.02},
        WEIGHTS,
        "the rate falls with every row that is seen, whatever it weighs, as MLPClassifier's",
    ),
    ({"solver": "rmsprop", "learning_rate": "adaptive"}, set(), ""),
    ({"solver": "adamw", "learning_rate": bp.descent.cosine(0.01, steps=200)}, set(), ""),
    ({"activation": "tanh", "hidden_layer_sizes": (20, 10)}, set(), ""),
]


@pytest.mark.parametrize(("kind", "least"), [(bp.Classifier, 60), (bp.Regressor, 55)])
def test_every_check_of_scikit_learn(kind: Any, least: int) -> None:
    results = check_estimator(kind(), on_fail=None, on_skip=None)
    assert not {r["check_name"]: r["exception"] for r in results if r["status"] not in ("passed", "skipped")}
    assert sum(r["status"] == "passed" for r in results) >= least
    # The one that scikit-learn skips by itself, unless SCIPY_ARRAY_API is set.
    assert {r["check_name"] for r in results if r["status"] == "skipped"} <= {"check_array_api_input"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", [bp.Classifier, bp.Regressor])
@pytest.mark.parametrize(("settings", "allowed", "why"), SETTINGS, ids=lambda v: str(v) if isinstance(v, dict) else "")
def test_every_check_with_other_settings(kind: Any, settings: dict[str, Any], allowed: set[str], why: str) -> None:
    """All pass but those that the setting itself contradicts; `why` says how."""
    assert bool(allowed) == bool(why)
    results = check_estimator(kind(**settings), on_fail=None, on_skip=None)
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] not in ("passed", "skipped")}
    assert not {name: error for name, error in failed.items() if name not in allowed}
