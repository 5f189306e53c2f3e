"""A model that this version saved predicts the same bits in a process that has NumPy and safetensors alone."""

import os
import subprocess
import sys

import numpy as np
import pytest

import backpass as bp
from backpass.data.prepare import prepare
from backpass.data.table import Table
from backpass.train.recipe import Recipe
from backpass.train.session import train_table

BARE = """
import sys

ALLOWED = {"backpass", "numpy", "safetensors"}

class Bare:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top.startswith("_") or top in ALLOWED:
            return None
        raise ModuleNotFoundError(f"{name} is not installed here", name=name)

sys.meta_path.insert(0, Bare())
import numpy as np
import backpass as bp
from backpass.data.table import Table

model = bp.load(sys.argv[1])
with np.load(sys.argv[2], allow_pickle=False) as stored:
    data = dict(stored)
rows = data["X"] if set(data) == {"X"} else Table.from_arrays(data)
out = model.outputs(rows)
np.save(sys.argv[3], out)
site = {"sitecustomize", "usercustomize", "apport_python_hook"}  # what a distribution's Python starts with
outside = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names) - ALLOWED - site
print(sorted(name for name in outside if not name.startswith("_") and name != "cython_runtime"))
"""

draw = np.random.default_rng(0)
X = draw.normal(size=(300, 4))
COLUMNS = {
    "age": np.where(draw.random(300) < 0.1, np.nan, X[:, 0]),
    "colour": draw.choice(["red", "grün", "blue"], 300),
    "day": np.datetime64("2024-01-01") + draw.integers(0, 900, 300),
    "on": draw.random(300) < 0.5,
}


def of_table(target):
    table = Table.from_arrays({**COLUMNS, "kind": target})
    return train_table(prepare(table, "kind", validation=0), Recipe(hidden=(8,), epochs=2), progress=False).model


def own(theta, x):
    return np.tanh(np.einsum("nk,kj->nj", x, theta["W"])) @ theta["v"] + theta["c"]


MODELS = {
    "classes of a table": (lambda: of_table(np.where(X[:, 1] > 0, "a", "b")), COLUMNS),
    "numbers of a table": (lambda: of_table(X[:, 1]), COLUMNS),
    "arrays": (
        lambda: bp.fit(bp.nn.mlp([8, 3], "gelu", batch_norm=True), (X, draw.integers(0, 3, 300)), epochs=2).model,
        {"X": X},
    ),
    "one's own function": (
        lambda: (
            bp.fit(
                own, (X, X[:, 0]), "squared_error", theta={"W": np.ones((4, 3)), "v": np.ones(3), "c": 0.5}, epochs=2
            ).model
        ),
        {"X": X},
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_predicts_the_same_bits_without_the_extras(name, tmp_path):
    make, data = MODELS[name]
    model = make()
    model.save(tmp_path / "model.bp")
    np.savez(tmp_path / "rows.npz", **data)
    command = [sys.executable, "-c", BARE, tmp_path / "model.bp", tmp_path / "rows.npz", tmp_path / "out.npy"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"
    expected = model.outputs(X if "X" in data else Table.from_arrays(COLUMNS))
    found = np.load(tmp_path / "out.npy")
    assert found.dtype == expected.dtype
    assert found.tobytes() == expected.tobytes()
