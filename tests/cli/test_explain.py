"""``backpass explain``: the equations of a file's function and of a model, one line of them, files, and bad input."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

import backpass as bp
from backpass.cli import main

NET = """
import numpy as np

def loss(theta, x, t):
    a = np.tanh(x @ theta["W1"] + theta["b1"])
    y = a @ theta["W2"] + theta["b2"]
    return np.mean((y - t) ** 2)

def bare(theta, x, y, rate):
    return rate * np.sum((x @ theta["W"])[:, 0] * y)

def scaled(theta=np.ones(3), x=2.0):
    return np.sum(theta ** 2) * x

def stack(theta, x):
    for layer in theta:
        x = np.tanh(x @ layer["W"])
    return np.mean(x ** 2)

def loss_example():
    rng = np.random.default_rng(0)
    theta = {"W1": rng.normal(size=(3, 4)), "b1": np.zeros(4), "W2": rng.normal(size=(4, 2)), "b2": np.zeros(2)}
    return theta, rng.normal(size=(6, 3)), rng.normal(size=(6, 2))

number = 3
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET, encoding="utf-8")
    (tmp_path / "broken.py").write_text("import nothing_of_that_name\n", encoding="utf-8")
    return tmp_path


def explain(*arguments):
    return CliRunner().invoke(main, ["explain", *map(str, arguments)])


def shown(*arguments):
    done = explain(*arguments)
    assert done.exit_code == 0, done.stderr
    assert all(len(line) <= 80 for line in done.stdout.splitlines()), done.stdout
    return done.stdout


def test_the_equations_of_a_function(folder):
    text = shown("net.py:loss", "--optimizer", "sgd", "--check")
    for line in (
        "  z = x W1 + b1",
        "  δ⁽¹⁾ = (δ⁽²⁾ W2ᵀ) ⊙ (1 − a²)",
        "  ∂L/∂W1 = xᵀ δ⁽¹⁾",
        "update (sgd: η = 0.01)",
        "  W1 ← W1 − η·∂L/∂W1",
    ):
        assert line + "\n" in text
    assert "printed lines read back, largest difference from autodiff" in text


def test_one_theta_in_four_forms_with_its_paths_and_its_transposes(folder):
    text = shown("net.py:loss", "--theta", "W1", "--row", 2, "--unit", 3, "--why", "--paths", 2)
    assert text.startswith("matrix   ∂L/∂W1 = xᵀ δ⁽¹⁾\nindex    ∂L/∂W1_ik = Σ_n x_ni·δ⁽¹⁾_nk\nunit     ∂L/∂W1_{2,3} = ")
    assert "finite difference" in text
    assert "n is the other index of x, so x stands transposed: xᵀ." in text
    assert "the sum over 12 paths" in text
    assert "W1_{2,3} → z_{" in text
    assert "= x_{" in text
    text = shown("net.py:loss", "--theta", "W1", "--optimizer", "adam", "--form", "matrix")
    assert text.splitlines()[0] == "∂L/∂W1 = xᵀ δ⁽¹⁾"
    assert text.splitlines()[-1] == "W1 ← W1 − η·m̂_W1 / (√(v̂_W1) + ε)"


def test_a_layer_a_line_a_level_a_preset(folder):
    arguments = ("net.py:stack", "--arg", "theta.0.W=3x4", "--arg", "theta.1.W=4x4", "--arg", "x=5x3")
    lines = shown(*arguments, "--layer", 2, "--form", "matrix").splitlines()
    assert lines[0] == "z⁽²⁾ = x⁽¹⁾ W⁽²⁾"
    assert "∂L/∂W⁽²⁾ = x⁽¹⁾ᵀ δ⁽²⁾" in lines
    assert (
        shown("net.py:loss", "--line", "delta(1)", "--form", "index") == "δ⁽¹⁾_nk = (Σ_j δ⁽²⁾_nj·W2_kj)·(1 − a_nk²)\n"
    )
    assert shown("net.py:loss", "--level", 0) == "L = F(W1, b1, W2, b2; x, t)\n"
    assert shown("net.py:loss", "--line", "y", "--level", 3) == "y = tanh(x W1 + b1) W2 + b2\n"
    assert "  z = W1ᵀ x + b1\n" in shown("net.py:loss", "--preset", "columns")
    assert "  ∂a_nk/∂z_nk = 1 − a_nk²\n" in shown("net.py:loss", "--partials")
    assert "δ⁽²⁾_{1,0} = 2·(y_{1,0} − t_{1,0})/(J·N)\n" in shown(
        "net.py:loss", "--line", "δ⁽²⁾", "--row", 1, "--form", "unit"
    )
    assert " · autodiff " in shown("net.py:loss", "--form", "numbers")


def test_files_for_latex_a_browser_and_programs(folder):
    done = explain("net.py:loss", "--latex", "net.tex", "--html", "net.html", "--json", "net.json")
    assert done.exit_code == 0
    source = (folder / "net.tex").read_text(encoding="utf-8")
    assert source.startswith(r"\documentclass")
    assert r"\begin{align*}" in source
    assert "<math" in (folder / "net.html").read_text(encoding="utf-8")
    data = json.loads((folder / "net.json").read_text(encoding="utf-8"))
    assert {"lines", "sections", "partials"} <= set(data)
    assert "wrote net.tex" in done.stderr


def test_arguments_by_shape_and_by_default(folder):
    assert "∂L/∂W" in shown(
        "net.py:bare", "--arg", "theta.W=3x2", "--arg", "x=5x3", "--arg", "y=5:4", "--arg", "rate=0.1"
    )
    assert "∂L/∂θ" in shown("net.py:scaled")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope.py:f"], "there is no file nope.py"),
        (["net.py"], "which function of net.py? Write net.py:NAME"),
        (["net.py:losss"], "'losss' is not there in net.py; its functions: loss, bare, scaled, stack, loss_example"),
        (["net.py:number"], "'number' is no function in net.py"),
        (["broken.py:f"], "running broken.py failed: ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        (["net.py:bare"], "def example(): return theta, x, y, rate"),
        (["net.py:bare", "--arg", "theta.W=3x2"], "add --arg x=SHAPE and --arg y=SHAPE and --arg rate=SHAPE"),
        (["net.py:bare", "--arg", "x"], "'x'; write NAME=SHAPE, such as x=6x3"),
        (["net.py:bare", "--arg", "x=many"], "'x=many'; a shape is 6x3, whole numbers below 4 are 6:4"),
        (["net.py:bare", "--arg", "z=3"], "the function has no argument 'z'; it takes theta, x, y, rate"),
        (["net.py:bare", "--arg", "x=3", "--arg", "x.W=3"], "'x.W' goes on below what is an array already"),
        (["net.py:loss", "--layer", "7"], "there is no layer '7'"),
        (["net.py:loss", "--theta", "W9"], "there is no equation of 'W9'; there are z, a, y, L"),
        (["net.py:loss", "--theta", "z"], "'z' is no θ; there are W2, b2, W1, b1"),
        (["net.py:loss", "--theta", "W1", "--row", "8"], "∂L/∂W1 has shape (3, 4); the entry (8, 0) is not in it"),
        (["net.py:loss", "--line", "y", "--level", "9"], "level is 9; y has levels 0 to 3"),
        (["net.py:loss", "--unit", "3"], "--unit chooses an entry of a line: add --layer, --theta or --line"),
        (["net.py:loss", "--why"], "--why asks about one line: add --theta or --line"),
        (["net.py:loss", "--paths", "3"], "--paths start at an entry of a θ: add --theta, --row and --unit"),
        (["net.py:loss", "--theta", "W1", "--line", "z"], "give one of them"),
        (["net.py:loss", "--data", "x.csv"], "--data goes with MODEL"),
        (["net.py:loss", "--form", "prose"], "'prose' is not one of 'matrix', 'index', 'unit', 'numbers', 'all'"),
    ],
)  # fmt: skip
def test_bad_input_is_answered(folder, arguments, message):
    done = explain(*arguments)
    assert done.exit_code in (1, 2)
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_model_of_arrays_and_one_of_layers_of_ones_own(folder):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 3))
    bp.fit(bp.nn.mlp([4, 2]), (x, x[:, 0] > 0), epochs=1, progress=False).model.save("arrays.bp")
    text = shown("arrays.bp", "--theta", "dense_1.W", "--unit", 1)
    assert text.startswith("matrix   ∂L/∂W⁽¹⁾ = xᵀ δ⁽¹⁾\n")
    assert "W⁽¹⁾ ← W⁽¹⁾ − η·m̂_W⁽¹⁾" in text
    assert "dense_1" in explain("arrays.bp", "--layer", "none").stderr
    done = explain("arrays.bp", "--arg", "x=3")
    assert "rows for MODEL come from --data" in done.stderr
    done = explain("arrays.bp", "--data", "net.py")
    assert "this one was trained on arrays" in done.stderr
