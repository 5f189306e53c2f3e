"""`backpass train` on real files: at or above scikit-learn's MLP with its own defaults, same splits, same features.

scikit-learn's wine, breast cancer and diabetes data are written out as people have them: with a text column, a date, a
row number, names, and holes. A single split of so few rows says little (one row more or less of wine's 36 is 3 %), so
means over several splits are compared.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from click.testing import CliRunner
from sklearn import datasets
from sklearn.neural_network import MLPClassifier, MLPRegressor

from backpass.cli import main
from backpass.data.prepare import prepare
from backpass.data.read import read_table
from backpass.train.recipe import recipe_for, validation_share
from backpass.train.session import train_table

LOADERS = {
    "wine": datasets.load_wine,
    "breast_cancer": datasets.load_breast_cancer,
    "diabetes": datasets.load_diabetes,
}
SEEDS = range(8)


def as_people_have_it(name: str) -> pa.Table:
    """The data set with its first column turned into text, holes in four columns, a date, a row number and a name."""
    data = LOADERS[name]()
    draw = np.random.default_rng(1)
    n = len(data.target)
    first, *others = (str(feature).replace("/", " or ") for feature in data.feature_names)
    low, high = np.quantile(data.data[:, 0], [0.3, 0.7])
    level = np.select([data.data[:, 0] < low, data.data[:, 0] < high], ["low", "middle"], "high").astype(object)
    columns = {
        "": pa.array(np.arange(n)),
        f"{first} (level)": pa.array(level, mask=draw.random(n) < 0.1),
        "visit": pa.array(np.datetime64("2021-03-01") + draw.integers(0, 900, n)),
        "patient": pa.array([f"no. {i}" for i in draw.permutation(n)]),
    }
    for k, column in enumerate(others):
        columns[column] = pa.array(data.data[:, k + 1], mask=draw.random(n) < 0.05 if k < 3 else None)
    names = getattr(data, "target_names", None)
    columns["answer"] = pa.array(data.target if names is None else np.asarray(names, object)[data.target])
    return pa.table(columns)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Each data set as CSV and as Parquet."""
    folder = tmp_path_factory.mktemp("real")
    for name in LOADERS:
        table = as_people_have_it(name)
        pyarrow.csv.write_csv(table, folder / f"{name}.csv")
        pyarrow.parquet.write_table(table, folder / f"{name}.parquet")
    return folder


def scores(path: Path) -> tuple[list[float], list[float]]:
    """Ours and scikit-learn's on the test rows of each split, as `backpass train` takes the file with no option set."""
    table = read_table(path)
    ours, theirs = [], []
    for seed in SEEDS:
        ready = prepare(table, "answer", validation=validation_share(len(table)), test=0.2, seed=seed)
        learned = np.concatenate([ready.parts.train, ready.parts.validation])
        session = train_table(ready, recipe_for(len(learned)), seed, progress=False)
        classes = ready.target.task == "classification"
        assert session.results is not None
        ours.append(session.results.model["accuracy" if classes else "R²"])
        peer = (MLPClassifier if classes else MLPRegressor)(random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # with its defaults it does not converge on these tables, and says so
            peer.fit(*ready.part(learned))
        theirs.append(float(peer.score(*ready.part(ready.parts.test))))
    return ours, theirs


@pytest.mark.slow
@pytest.mark.parametrize("name", LOADERS)
def test_at_or_above_scikit_learn(folder, name):
    ours, theirs = scores(folder / f"{name}.csv")
    assert np.mean(ours) >= np.mean(theirs), (np.round(ours, 3), np.round(theirs, 3))


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_one_command_trains_and_judges(folder, name, ending, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["train", str(folder / f"{name}.{ending}"), "--target", "answer"])
    assert done.exit_code == 0, done.output
    assert "column '' is left out: row numbers" in done.stderr or "column 'column_1' is left out" in done.stderr
    assert "column 'patient' is left out" in done.stderr
    if name == "diabetes":
        assert ": regression" in done.stderr
        assert float(re.search(r"^R² +(\S+) ", done.stdout, re.MULTILINE)[1]) > 0.3
    else:
        assert ": classification" in done.stderr
        assert float(re.search(r"^accuracy +(\S+) %", done.stdout, re.MULTILINE)[1]) > 90
    predicted = CliRunner().invoke(main, ["predict", f"{name}.bp", str(folder / f"{name}.{ending}")])
    assert predicted.exit_code == 0, predicted.output
    assert len(predicted.stdout.splitlines()) == 1 + pa.parquet.read_metadata(folder / f"{name}.parquet").num_rows
