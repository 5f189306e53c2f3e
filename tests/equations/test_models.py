"""Whole models: every printed line in every form equals autodiff to 1e-12, and reads as it should."""

from __future__ import annotations

import json

import numpy as np
import pytest
from models import MODELS, draw, relu_mlp

from backpass.equations import derive
from backpass.equations.text import WIDTH


@pytest.fixture(scope="module")
def derivations():
    made = {}

    def get(name):
        if name not in made:
            f, theta, args = MODELS[name]
            made[name] = derive(f)(theta, *args)
        return made[name]

    return get


@pytest.mark.parametrize("name", MODELS)
def test_every_printed_line_equals_autodiff(name, derivations):
    result = derivations(name).check()
    assert result, str(result)
    assert result.worst <= 1e-12
    assert not result.unfinite


@pytest.mark.parametrize("name", MODELS)
def test_every_theta_has_its_gradient(name, derivations):
    derivation = derivations(name)
    have = {line.of.position for line in derivation.backward if line.kind == "gradient"}
    used = {k for k in derivation.graph.inputs if k in derivation.sheet.at}
    thetas = {k for k in used if derivation.sheet.at[k].role == "theta"}
    assert have == thetas


@pytest.mark.parametrize("name", MODELS)
def test_forms_for_page_notebook_and_file(name, derivations):
    derivation = derivations(name)
    data = json.loads(json.dumps(derivation.to_dict()))
    assert len(data["lines"]) == len(derivation.lines)
    assert sorted(n for s in data["sections"] for r in s["rows"] for n in r["lines"]) == list(range(len(data["lines"])))
    html = derivation._repr_html_()
    assert html.count("<math") == html.count("</math>") > 0
    latex = derivation._repr_latex_()
    assert latex.count("{") == latex.count("}")
    assert latex.count(r"\begin{aligned}") == latex.count(r"\end{aligned}") == 2


@pytest.mark.parametrize("name", MODELS)
def test_text_fits_the_terminal(name, derivations):
    for line in derivations(name).text().splitlines():
        assert len(line) <= WIDTH or " " not in line.strip(), line


def body(derivation):
    return [line.strip() for line in str(derivation).splitlines()[1:]]


def test_tanh_network_has_the_five_equations_a_layer(derivations):
    assert body(derivations("tanh_mlp")) == [
        "forward",
        "z = x W1 + b1",
        "a = tanh(z)",
        "y = a W2 + b2",
        "L = (Σ_nj (y_nj − t_nj)²)/(J·N)",
        "backward",
        "δ⁽²⁾ = 2·(y − t) / (J·N)",
        "∂L/∂W2 = aᵀ δ⁽²⁾",
        "∂L/∂b2 = Σ_n δ⁽²⁾",
        "δ⁽¹⁾ = (δ⁽²⁾ W2ᵀ) ⊙ (1 − a²)",
        "∂L/∂W1 = xᵀ δ⁽¹⁾",
        "∂L/∂b1 = Σ_n δ⁽¹⁾",
    ]


def test_examples_as_columns_give_the_equations_of_the_textbook(derivations):
    """Nielsen, Neural Networks and Deep Learning, chapter 2: BP1 to BP4, with W stored inputs × outputs."""
    lines = [line.strip() for line in derivations("tanh_mlp").text("columns").splitlines()]
    assert "columns" in lines[0]
    assert "z = W1ᵀ x + b1" in lines
    assert "δ⁽¹⁾ = (W2 δ⁽²⁾) ⊙ (1 − a²)" in lines
    assert "∂L/∂b1 = Σ_n δ⁽¹⁾" in lines
    assert "∂L/∂W1 = x δ⁽¹⁾ᵀ" in lines


def test_layers_of_nn_read_as_the_field_writes_them():
    from backpass import nn

    model = nn.mlp([5, 4, 3], "sigmoid")
    x, y = draw(6, 7), np.array([0, 1, 2, 0, 1, 2])
    theta, state = model.init(np.random.default_rng(0), x)

    def loss(theta, x, y):
        return nn.cross_entropy(model.apply(theta, state, x)[0], y)

    derivation = derive(loss)(theta, x, y)
    assert derivation.check()
    lines = body(derivation)
    assert "z⁽l⁾ = x⁽l⁻¹⁾ W⁽l⁾ + b⁽l⁾      l = 1…3" in lines
    assert "x⁽l⁾ = σ(z⁽l⁾)      l = 1…2" in lines
    assert "∂L/∂W⁽l⁾ = x⁽l⁻¹⁾ᵀ δ⁽l⁾      l = 3…1" in lines
    assert "δ⁽l⁾ = (δ⁽l⁺¹⁾ W⁽l⁺¹⁾ᵀ) ⊙ x⁽l⁾ ⊙ (1 − x⁽l⁾)      l = 2…1" in lines


def test_softmax_and_cross_entropy_become_p_minus_onehot(derivations):
    lines = body(derivations("relu_mlp"))
    assert "δ⁽³⁾ = (p − onehot(y)) / N" in lines
    assert "o⁽l⁾ = h⁽l⁻¹⁾ W⁽l⁾ + b⁽l⁾      l = 1…3" in lines
    assert "δ⁽l⁾ = (δ⁽l⁺¹⁾ W⁽l⁺¹⁾ᵀ) ⊙ [o⁽l⁾ > 0]      l = 2…1" in lines
    assert "∂L/∂logits = (exp(log_p) − onehot(y)) / N" in body(derivations("softmax_regression"))


def test_attention_and_recurrence_read_as_in_the_field(derivations):
    lines = body(derivations("attention"))
    assert "S = (Q Kᵀ) / √(|k|)" in lines
    assert "∂L/∂S_nn′ = A_nn′·(∂L/∂A_nn′ − Σ_n′′ ∂L/∂A_nn′′·A_nn′′)" in lines
    assert "∂L/∂K = (∂L/∂Sᵀ Q) / √(|k|)" in lines
    lines = body(derivations("gru"))
    assert any(line.startswith("∂L/∂Uz = Σ_{") and line.endswith("δ_u⁽s⁾") for line in lines)
    assert len(lines) < 30


def test_a_scan_prints_its_recurrence_and_the_recursion_backwards_through_time(derivations):
    lines = str(derivations("rnn_scan")).splitlines()
    assert lines[1:] == [
        "  h⁽⁰⁾ is a constant of the code, 0 throughout (2 × 4)",
        "forward",
        "  x⁽s⁾_nj = xs_{s−1,n,j}      s = 1…5",
        "  z⁽s⁾ = h⁽s⁻¹⁾ U + x⁽s⁾ W + b      s = 1…5",
        "  h⁽s⁾ = tanh(z⁽s⁾)      s = 1…5",
        "  o = h⁽⁵⁾ V",
        "  L = (Σ_nk (o_nk − t_nk)²)/(K·N)",
        "backward",
        "  δ⁽⁶⁾ = 2·(o − t) / (K·N)",
        "  ∂L/∂V = h⁽⁵⁾ᵀ δ⁽⁶⁾",
        "  δ⁽⁵⁾ = (δ⁽⁶⁾ Vᵀ) ⊙ (1 − h⁽⁵⁾²)",
        "  δ⁽s⁾ = (δ⁽s⁺¹⁾ Uᵀ) ⊙ (1 − h⁽s⁾²)      s = 4…1",
        "  ∂L/∂U = Σ_{s=1..5} h⁽s⁻¹⁾ᵀ δ⁽s⁾",
        "  ∂L/∂W = Σ_{s=1..5} x⁽s⁾ᵀ δ⁽s⁾",
        "  ∂L/∂b = Σ_{s=1..5} Σ_n δ⁽s⁾",
    ]
    written, scanned = body(derivations("gru")), body(derivations("gru_scan"))
    assert len(scanned) == len(written)
    assert "∂L/∂Uz = Σ_{s=1..4} h⁽s⁻¹⁾ᵀ δ_u⁽s⁾" in scanned


def test_what_ran_of_loops_and_branches_is_said(derivations):
    text = str(derivations("loops_and_branches"))
    assert "the loop takes 4 steps" in text
    assert "branch 1 of 2 runs" in text


def test_a_long_scan_is_summarised(monkeypatch):
    from backpass.equations import build

    monkeypatch.setattr(build, "LIMIT", 30)
    f, theta, args = MODELS["rnn_scan"]
    assert "too many to derive line by line" in str(derive(f)(theta, *args))


def test_a_deep_network_folds_to_the_same_lines():
    def lines(depth):
        layers = [(draw(4, 4), draw(4)) for _ in range(depth)]
        made = derive(relu_mlp)(layers, draw(5, 4), np.array([0, 1, 2, 3, 1]))
        return [line.replace(str(depth), "D").replace(str(depth - 1), "C") for line in body(made)]

    assert len(lines(4)) == len(lines(15))


def test_folding_says_nothing_that_was_not_checked(derivations):
    """Each member of a fold, shown at its own label, is that line's own text."""
    from backpass.equations.fold import folded_sum
    from backpass.equations.layout import template

    derivation = derivations("relu_mlp")
    for _, rows in derivation.sections():
        for row in rows:
            if len(row.lines) > 1:
                step = 1 if row.last > row.first else -1
                labels = list(range(row.first, row.last + step, step))
                assert len(labels) == len(row.lines)
                shapes = {
                    template(folded_sum(derivation.layout(line), row.letter), k)
                    for line, k in zip(row.lines, labels, strict=True)
                }
                assert len(shapes) == 1


def test_constants_are_written_as_in_the_source(derivations):
    lines = body(derivations("adam"))
    assert "mhat = m′ / (1 − β₁^step)" in lines
    assert "v′ = (1 − β₂)·g² + β₂·v" in lines or "v′ = β₂·v + (1 − β₂)·g²" in lines


def test_panes_end_with_autodiff_and_finite_differences(derivations):
    text = derivations("tanh_mlp").panes("W1", 1, 2)
    assert text.startswith("matrix   ∂L/∂W1 = xᵀ δ⁽¹⁾\nindex")
    numbers = " ".join(text.split("numbers")[1].split())
    value = numbers.split(" = ")[-1].split(" · ")
    assert value[1].removeprefix("autodiff ") == value[0] == value[2].removeprefix("finite difference ")


def test_long_sums_are_cut_and_can_be_counted_on():
    from backpass.equations.unit import spelled_out

    def loss(theta, x):
        return np.sum(np.tanh(x @ theta["W"]))

    derivation = derive(loss)({"W": draw(30, 2)}, draw(3, 30))
    text = derivation.unit("z", 0, 1)
    assert " + … + " in text
    assert spelled_out(text).count("x_{0,") == 30


def test_why_transposed_names_the_index_and_the_shapes(derivations):
    answer = derivations("tanh_mlp").why("W1")
    assert "xᵀ" in answer
    assert "Shapes: (I × N) (N × K) = I × K" in answer


def test_a_wrong_name_lists_those_there_are(derivations):
    with pytest.raises(NameError, match="there are z, a, y"):
        derivations("tanh_mlp").line("W9")
    with pytest.raises(IndexError, match="shape"):
        derivations("tanh_mlp").unit("W1", 9, 9)
    with pytest.raises(ValueError, match="'matrix', 'index', 'columns'"):
        derivations("tanh_mlp").text("prose")


def test_ties_are_shared_and_said_where_there_are_some():
    def loss(theta):
        return np.sum(np.maximum(theta["x"], 0) ** 2) + np.max(theta["x"])

    derivation = derive(loss)({"x": np.array([0.0, 1.0, 1.0, -2.0])})
    assert derivation.check()
    derivation = derive(loss)({"x": np.array([0.5, 1.0, 1.5, -2.0])})
    assert derivation.check()
    assert "holds where" in str(derivation)


def test_many_unlike_lines_keep_to_a_budget_and_say_so(monkeypatch):
    from backpass.equations import build

    monkeypatch.setattr(build, "BUDGET", 3)

    def loss(theta):
        v = theta["x"]
        v = np.sin(v)
        v = v * theta["x"]
        v = np.tanh(v) - theta["x"]
        v = v + np.cos(v)
        v = v * 0.5
        v = np.exp(-v)
        return np.sum(v)

    derivation = derive(loss)({"x": draw(3)})
    assert derivation.check()
    assert "are many and unlike" in str(derivation)


def test_a_graph_too_long_to_derive_is_summarised(monkeypatch):
    from backpass.equations import build

    monkeypatch.setattr(build, "LIMIT", 5)
    f, theta, args = MODELS["tanh_mlp"]
    assert "too many to derive line by line" in str(derive(f)(theta, *args))


def test_a_result_that_is_no_number_is_refused():
    from backpass.graph.errors import ShapeError

    with pytest.raises(ShapeError, match=r"np\.mean"):
        derive(lambda theta: theta["x"] * 2.0)({"x": draw(3)})
