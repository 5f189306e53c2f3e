"""`save`: what is in a model file predicts as the estimator does, in a process that has no scikit-learn."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from click.testing import CliRunner
from sklearn.datasets import load_diabetes, load_iris, load_linnerud
from sklearn.exceptions import NotFittedError

import backpass as bp
from backpass.cli import main

IRIS = load_iris(return_X_y=True, as_frame=True)
DIABETES = load_diabetes(return_X_y=True, as_frame=True)
SMALL: dict[str, Any] = {"hidden_layer_sizes": (8,), "random_state": 0, "max_iter": 20}
WORDS = np.array(["a", "b", "c"])


def run(*arguments: Any) -> Any:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize(
    "y",
    [IRIS[1], IRIS[1] > 0, WORDS[IRIS[1]], pd.Series(WORDS[IRIS[1]], name="species"), 1.0 * IRIS[1]],
    ids=["numbers", "yes or no", "words", "a named column", "whole floats"],
)
def test_classes(tmp_path: Path, y: Any) -> None:
    for X in (IRIS[0], IRIS[0].to_numpy()):
        net = bp.Classifier(**SMALL).fit(X, y)
        net.save(tmp_path / "net.bp")
        again = bp.load(tmp_path / "net.bp")
        assert np.array_equal(again.predict(X), net.predict(X))
        assert np.array_equal(again.predict(np.asarray(X)), net.predict(X))  # also as an array, raw values go in
        assert np.array_equal(again.predict_proba(X), net.predict_proba(X))


@pytest.mark.parametrize("y", [IRIS[1], IRIS[1] > 0], ids=["three", "two"])
def test_classes_without_probabilities(tmp_path: Path, y: Any) -> None:
    net = bp.Classifier(**SMALL, loss="hinge").fit(IRIS[0], y)
    net.save(tmp_path / "net.bp")
    again = bp.load(tmp_path / "net.bp")
    assert np.array_equal(again.predict(IRIS[0]), net.predict(IRIS[0]))
    with pytest.raises(ValueError, match="no class probabilities"):
        again.predict_proba(IRIS[0])


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "huber", {"name": "quantile", "q": 0.9}])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers(tmp_path: Path, loss: Any, dtype: Any) -> None:
    X, y = DIABETES
    for rows, target in ((X, y), (X.to_numpy(), y), (X.to_numpy(), np.stack([y, 2 * y], axis=1))):
        net = bp.Regressor(**SMALL, loss=loss, dtype=dtype).fit(rows, target)
        net.save(tmp_path / "net.bp")
        assert np.array_equal(bp.load(tmp_path / "net.bp").predict(rows), net.predict(rows))


def test_what_the_network_may_be_made_of(tmp_path: Path) -> None:
    X, y = IRIS
    for more in (
        {"batch_norm": True, "dropout": 0.2}, {"solver": "lbfgs", "max_iter": 1000}, {"activation": np.tanh},
        {"network": bp.nn.Sequential(bp.nn.Dense(5), bp.nn.LayerNorm(), np.sin, bp.nn.Dense(3))},
        {"standardize": False}, {"class_weight": "balanced"},
    ):  # fmt: skip
        net = bp.Classifier(**{**SMALL, **more}).fit(X, y)
        net.save(tmp_path / "net.bp")
        assert np.array_equal(bp.load(tmp_path / "net.bp").predict_proba(X), net.predict_proba(X))


LONE = """
import sys
for name in ("sklearn", "scipy", "pyarrow", "pandas", "optuna", "PIL", "rich", "llvmlite"):
    sys.modules[name] = None
import numpy as np, backpass as bp
np.save(sys.argv[2], bp.load(sys.argv[1]).predict_proba(np.load(sys.argv[3])))
"""


def test_a_process_without_the_extras_predicts_the_same_bits(tmp_path: Path) -> None:
    X, y = IRIS[0].to_numpy(), IRIS[1]
    net = bp.Classifier(**SMALL).fit(X, y)
    net.save(tmp_path / "net.bp")
    np.save(tmp_path / "x.npy", X)
    subprocess.run(
        [sys.executable, "-c", LONE, tmp_path / "net.bp", tmp_path / "p.npy", tmp_path / "x.npy"], check=True
    )
    assert np.array_equal(np.load(tmp_path / "p.npy"), net.predict_proba(X))


def test_the_command_line_takes_it(tmp_path: Path) -> None:
    X, y = IRIS[0].assign(**{"is long": IRIS[0].iloc[:, 0] > 5.5}), pd.Series(WORDS[IRIS[1]], name="species")
    net = bp.Classifier(**SMALL).fit(X, y)
    net.save(tmp_path / "net.bp")
    rows = X.assign(species=y)
    rows.to_csv(tmp_path / "rows.csv", index=False)
    found = run("predict", tmp_path / "net.bp", tmp_path / "rows.csv", "-o", tmp_path / "out.csv")
    assert found.exit_code == 0, found.output
    out = pd.read_csv(tmp_path / "out.csv")
    assert out["species"].tolist() == net.predict(X).tolist()
    assert np.allclose(out["probability"], net.predict_proba(X).max(axis=1), atol=1e-4)
    judged = run("evaluate", tmp_path / "net.bp", tmp_path / "rows.csv")
    assert judged.exit_code == 0, judged.output
    assert f"{100 * net.score(X, y):.1f} %" in judged.output
    rows.loc[3, "petal width (cm)"] = np.nan
    rows.to_csv(tmp_path / "rows.csv", index=False)
    assert "its median 1.3 stands in" in run("predict", tmp_path / "net.bp", tmp_path / "rows.csv").output
    rows.drop(columns="is long").to_csv(tmp_path / "rows.csv", index=False)
    lacking = run("predict", tmp_path / "net.bp", tmp_path / "rows.csv")
    assert "lacks a column that the model was trained on: 'is long'" in lacking.output
    told = run("explain", tmp_path / "net.bp")
    assert "estimator.equations_" in told.output


def test_evaluate_numbers_and_two_classes(tmp_path: Path) -> None:
    X, y = DIABETES
    net = bp.Regressor(**SMALL).fit(X, y)
    net.save(tmp_path / "net.bp")
    X.assign(target=y).to_csv(tmp_path / "rows.csv", index=False)
    assert f"{net.score(X, y):.4f}" in run("evaluate", tmp_path / "net.bp", tmp_path / "rows.csv").output
    both = bp.Classifier(**SMALL).fit(X, y > 140)
    both.save(tmp_path / "net.bp")
    X.assign(target=y > 140).to_csv(tmp_path / "rows.csv", index=False)
    assert f"{100 * both.score(X, y > 140):.1f} %" in run("evaluate", tmp_path / "net.bp", tmp_path / "rows.csv").output


def test_frames_of_polars(tmp_path: Path) -> None:
    frame = pl.from_pandas(IRIS[0])
    net = bp.Classifier(**SMALL).fit(frame, IRIS[1])
    net.save(tmp_path / "net.bp")
    assert np.array_equal(bp.load(tmp_path / "net.bp").predict(frame), net.predict(frame))


def test_what_no_file_can_hold(tmp_path: Path) -> None:
    X, y = IRIS
    path = tmp_path / "net.bp"
    with pytest.raises(NotFittedError):
        bp.Classifier().save(path)
    labels = np.stack([y == 0, y > 0], axis=1).astype(int)
    with pytest.raises(ValueError, match=r"several labels a row.*joblib"):
        bp.Classifier(**SMALL).fit(X, labels).save(path)
    with pytest.raises(ValueError, match="several columns of classes"):
        bp.Classifier(**SMALL).fit(X, np.stack([y, y > 0], axis=1)).save(path)
    assert not path.exists()


def test_what_a_file_cannot_do(tmp_path: Path) -> None:
    path = tmp_path / "net.bp"
    X, y = load_linnerud(return_X_y=True, as_frame=True)
    X.to_csv(tmp_path / "rows.csv", index=False)
    bp.Regressor(**SMALL).fit(X, y).save(path)
    assert "several numbers a row, not one column" in run("predict", path, tmp_path / "rows.csv").output
    bp.Regressor(**SMALL).fit(X.to_numpy(), y).save(path)
    assert "was trained on arrays, not on a table" in run("predict", path, tmp_path / "rows.csv").output
    IRIS[0].assign(y=IRIS[1]).to_csv(tmp_path / "rows.csv", index=False)
    bp.Classifier(**SMALL, loss="hinge").fit(IRIS[0], IRIS[1].to_numpy()).save(path)
    assert run("predict", path, tmp_path / "rows.csv").exit_code == 0
    for command in (
        ("predict", path, tmp_path / "rows.csv", "--probabilities"),
        ("evaluate", path, tmp_path / "rows.csv"),
    ):
        assert "scores, as of a hinge loss" in run(*command).output
