"""scikit-learn's own checks of an estimator: all of them, none skipped or expected to fail here."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.utils.estimator_checks import check_estimator

import backpass as bp


@pytest.mark.parametrize(("kind", "least"), [(bp.Classifier, 60), (bp.Regressor, 55)])
def test_every_check_of_scikit_learn(kind: Any, least: int) -> None:
    results = check_estimator(kind(), on_fail=None, on_skip=None)
    assert not {r["check_name"]: r["exception"] for r in results if r["status"] not in ("passed", "skipped")}
    assert sum(r["status"] == "passed" for r in results) >= least
    # The one that scikit-learn skips by itself, unless SCIPY_ARRAY_API is set.
    assert {r["check_name"] for r in results if r["status"] == "skipped"} <= {"check_array_api_input"}
