"""`evaluate`: every number by scikit-learn's definition, and what a person reads of it."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn import metrics
from sklearn.base import BaseEstimator
from sklearn.inspection import permutation_importance as sk_importance

import backpass as bp
from backpass.cli import main
from backpass.data.prepare import prepare
from backpass.data.table import Table
from backpass.graph.errors import DataError
from backpass.train.evaluation import evaluate, permutation_importance
from backpass.train.recipe import Recipe
from backpass.train.session import train_table
from backpass.train.tally import NumberTally, matthews

draw = np.random.default_rng(0)
A, B = draw.normal(size=300), draw.normal(size=300)
COLUMNS = {
    "a": A,
    "b": B,
    "noise": draw.normal(size=300),
    "word": draw.choice(["x", "y"], 300).tolist(),
    "three": np.where(A > 0.5, "high", np.where(A + 0.3 * B > -0.5, "mid", "low")).tolist(),
    "two": np.where(A + 0.5 * B > 0, "yes", "no").tolist(),
    "number": 3 * A + 0.5 * draw.normal(size=300) + 20,
}
TABLE = Table.from_arrays(COLUMNS)
TARGETS = ("two", "three", "number")


@pytest.fixture(scope="module")
def models():
    recipe = Recipe(hidden=(16,), dropout=0.0, epochs=15, learning_rate=0.02)
    made = {}
    for target in TARGETS:
        others = [name for name in TARGETS if name != target]
        made[target] = train_table(prepare(TABLE, target, exclude=others), recipe, progress=False).model
    return made


@pytest.mark.parametrize("target", ["two", "three"])
def test_scores_of_classes(models, target):
    model = models[target]
    found = evaluate(model, TABLE, repeats=0)
    truth, chances = np.array(COLUMNS[target]), model.predict_proba(TABLE).astype(np.float64)
    predicted = model.predict(TABLE).astype(str)
    names = list(model.classes)
    chances /= chances.sum(axis=1, keepdims=True)
    expected = {
        "accuracy": metrics.accuracy_score(truth, predicted),
        "balanced accuracy": metrics.balanced_accuracy_score(truth, predicted),
        "macro F1": metrics.f1_score(truth, predicted, average="macro"),
        "weighted F1": metrics.f1_score(truth, predicted, average="weighted"),
        "Matthews": metrics.matthews_corrcoef(truth, predicted),
        "log loss": metrics.log_loss(truth, chances),
    }
    if target == "two":
        expected |= {
            "ROC AUC": metrics.roc_auc_score(truth, chances[:, 1]),
            "average precision": metrics.average_precision_score(truth == "yes", chances[:, 1]),
            "Brier score": metrics.brier_score_loss(truth == "yes", chances[:, 1]),
        }
    else:
        expected["ROC AUC"] = metrics.roc_auc_score(truth, chances, multi_class="ovr")
    ours = dict(found.scores)
    assert 0 <= ours.pop("calibration error") < 0.5
    assert ours == pytest.approx(expected, rel=1e-5)
    assert found.confusion.tolist() == metrics.confusion_matrix(truth, predicted, labels=names).tolist()
    precision, recall, f1, support = metrics.precision_recall_fscore_support(truth, predicted, labels=names)
    for row, *numbers in zip(found.per_class, precision, recall, f1, support, strict=True):
        assert [row["precision"], row["recall"], row["F1"], row["rows"]] == pytest.approx(numbers)


def test_scores_of_numbers(models):
    model = models["number"]
    found = evaluate(model, TABLE, repeats=0)
    truth, predicted = COLUMNS["number"], model.predict(TABLE)
    expected = {
        "R²": metrics.r2_score(truth, predicted),
        "MAE": metrics.mean_absolute_error(truth, predicted),
        "RMSE": metrics.root_mean_squared_error(truth, predicted),
        "median AE": metrics.median_absolute_error(truth, predicted),
        "largest error": metrics.max_error(truth, predicted),
        "explained variance": metrics.explained_variance_score(truth, predicted),
        "MAPE": metrics.mean_absolute_percentage_error(truth, predicted),
    }
    assert found.scores == pytest.approx(expected, rel=1e-5)
    assert sum(row["rows"] for row in found.residuals) == 300
    mean = sum(row["rows"] * row["mean"] for row in found.residuals) / 300
    assert mean == pytest.approx(np.mean(truth - predicted), abs=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_matthews_and_explained_variance_of_anything(seed):
    rng = np.random.default_rng(seed)
    truth, predicted = rng.integers(0, 4, (2, 30))
    assert matthews(metrics.confusion_matrix(truth, predicted)) == pytest.approx(
        metrics.matthews_corrcoef(truth, predicted)
    )
    assert matthews(np.array([[3, 0], [2, 0]])) == 0
    y, guess = rng.normal(size=(2, 20))
    tally = NumberTally(None)
    for part in np.array_split(np.arange(len(y)), 3):
        tally.add(y[part], guess[part])
    assert tally.result()[0]["explained variance"] == pytest.approx(metrics.explained_variance_score(y, guess))


def test_columns_that_are_needed_are_found(models):
    found = evaluate(models["number"], TABLE, repeats=4, seed=3)
    by_name = {row["column"]: row for row in found.importance}
    assert [row["lost"] for row in found.importance] == sorted((r["lost"] for r in found.importance), reverse=True)
    assert found.importance[0]["column"] == "a"
    assert by_name["a"]["lost"] > 1  # R² of shuffled values that matter lies below 0
    assert abs(by_name["noise"]["lost"]) < 0.1
    assert set(by_name) == {"a", "b", "noise", "word"}
    again = evaluate(models["number"], TABLE, repeats=4, seed=3)
    assert again.importance == found.importance


@pytest.mark.parametrize("target", TARGETS)
def test_importance_is_that_of_scikit_learn(models, target):
    """Both shuffle at random: means of many tries agree to what their deviations leave open."""
    model, repeats = models[target], 100
    x, truth = model.preprocessor.transform(TABLE, []), model.target.encode(TABLE)

    class Predictor(BaseEstimator):
        def fit(self, x, y):
            return self

        def predict(self, x):
            out = model.outputs(x)
            return out.argmax(axis=1) if model.task == "classification" else out

    score = "accuracy" if model.task == "classification" else "r2"
    theirs = sk_importance(Predictor(), x, truth, scoring=score, n_repeats=repeats, random_state=1)
    ours = {row["column"]: row for row in permutation_importance(model, x, truth, repeats)}
    for name, features in model.preprocessor.parts:
        if len(features) == 1:
            lost, deviation = theirs.importances_mean[features[0]], theirs.importances_std[features[0]]
            mine = ours[name]
            assert abs(mine["lost"] - lost) <= 5 * np.hypot(deviation, mine["deviation"]) / np.sqrt(repeats) + 1e-12
            assert mine["deviation"] == pytest.approx(deviation, rel=0.5, abs=1e-3)
    assert max(ours.values(), key=lambda row: row["lost"])["lost"] > 0.2


def test_what_is_not_known_is_left_out_and_what_cannot_be_is_refused(models):
    gaps = Table.from_arrays({**COLUMNS, "two": [None, *COLUMNS["two"][1:]]})
    notes = []
    assert evaluate(models["two"], gaps, repeats=0, notices=notes).rows == 299
    assert "1 of 300 rows has no value in 'two' and is left out" in notes
    strange = Table.from_arrays({**COLUMNS, "two": ["perhaps", *COLUMNS["two"][1:]]})
    with pytest.raises(DataError, match="has classes that training did not have: 'perhaps'"):
        evaluate(models["two"], strange)
    with pytest.raises(DataError, match="no column 'two'"):
        evaluate(models["two"], Table.from_arrays({"a": A}))
    x = draw.normal(size=(20, 2))
    plain = bp.fit(bp.nn.mlp([2]), (x, x[:, 0] > 0), epochs=1, progress=False).model
    with pytest.raises(DataError, match="was trained on arrays, not on a table"):
        evaluate(plain, TABLE)


def test_a_class_without_rows(models):
    rows = np.flatnonzero(np.array(COLUMNS["three"]) != "low")
    found = evaluate(models["three"], TABLE.take(rows), repeats=0)
    assert "ROC AUC" not in found.scores
    low = next(row for row in found.per_class if row["class"] == "low")
    assert (low["rows"], low["recall"], low["ROC AUC"]) == (0, 0.0, None)
    assert "nan" not in found.text()


# --- the command


def test_the_command(models, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = list(COLUMNS)
    lines = [",".join(map(str, row)) for row in zip(*(COLUMNS[name] for name in names), strict=True)]
    Path("data.csv").write_text("\n".join([",".join(names), *lines]) + "\n")
    for target in TARGETS:
        models[target].save(f"{target}.bp")
        done = CliRunner().invoke(main, ["evaluate", f"{target}.bp", "data.csv", "--repeats", "2"])
        assert done.exit_code == 0, done.output
        assert "judged on 300 rows of data.csv\n" in done.stdout
        assert max(map(len, done.stdout.splitlines())) <= 100
        assert "lost when a column's values are shuffled" in done.stdout
        shown = json.loads(CliRunner().invoke(main, ["evaluate", f"{target}.bp", "data.csv", "--json"]).stdout)
        expected = evaluate(models[target], TABLE).scores
        assert shown["scores"] == pytest.approx(expected, rel=1e-3)
    assert (
        "Confusion: a row a true class, a column a predicted one\ntruth   → high   → low   → mid"
        in CliRunner().invoke(main, ["evaluate", "three.bp", "data.csv", "--repeats", "0"]).stdout
    )
    done = CliRunner().invoke(main, ["evaluate", "none.bp", "data.csv"])
    assert done.exit_code == 1
    assert "there is no file none.bp" in done.stderr
