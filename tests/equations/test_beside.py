"""What stands beside the equations: local partials, levels of detail, the user's functions."""

from __future__ import annotations

import numpy as np
import pytest
from models import CLASSES, MODELS, draw

from backpass import nn
from backpass.equations import derive, expand
from backpass.equations.check import difference
from backpass.equations.check_lines import check_partials
from backpass.equations.expand import Expansion
from backpass.equations.read import read_index
from backpass.equations.text import plain


def made(name):
    f, theta, args = MODELS[name]
    return derive(f)(theta, *args)


def rows(derivation):
    return [plain(row.layout) for row in derivation.local_rows()]


@pytest.mark.parametrize("name", MODELS)
def test_local_partials_put_through_the_chain_rule_give_autodiff(name):
    count, worst, wrong = check_partials(made(name), 1e-12)
    assert count > 0
    assert not wrong
    assert worst <= 1e-12


def test_local_partials_read_as_in_the_field():
    assert rows(made("tanh_mlp")) == [
        "∂z_nk/∂W1_ik = x_ni",
        "∂z_nk/∂b1_k = 1",
        "∂a_nk/∂z_nk = 1 − a_nk²",
        "∂y_nj/∂W2_kj = a_nk",
        "∂y_nj/∂a_nk = W2_kj",
        "∂y_nj/∂b2_j = 1",
        "∂L/∂y_nj = 2·(y_nj − t_nj)/(J·N)",
    ]
    assert "∂S_nn′/∂K_n′k = Q_nk/√(|k|)" in rows(made("attention"))
    assert "∂log_p_nj/∂logits_nj′ = [j′ = j] − exp(log_p_nj′)" in rows(made("softmax_regression"))
    assert "∂z_nsop/∂K_siqr = P_niopqr" in rows(made("cnn"))
    text = made("tanh_mlp").text(partials=True)
    assert text.index("forward") < text.index("local partials") < text.index("∂z_nk/∂W1_ik") < text.index("backward")


def test_an_altered_local_partial_is_caught():
    derivation = made("tanh_mlp")
    first = derivation.partials[2]
    derivation.partials[2] = type(first)(first.line, first.to, first.there, first.here, derivation.partials[1].factor)
    assert check_partials(derivation, 1e-12)[2]


def test_levels_from_f_of_theta_down_to_the_last_operation():
    derivation = made("tanh_mlp")
    assert derivation.levels("y") == [
        "y = F(W1, b1, W2, b2; x)",
        "y = a W2 + b2",
        "y = tanh(z) W2 + b2",
        "y = tanh(x W1 + b1) W2 + b2",
    ]
    assert derivation.expanded() == "L = (Σ_nj (Σ_k tanh(Σ_i W1_ik·x_ni + b1_k)·W2_kj + b2_j − t_nj)²)/(J·N)"
    assert derivation.expanded("W1", 0) == "∂L/∂W1 = F(W1, b1, W2, b2; x, t)"
    with pytest.raises(ValueError, match="levels 0 to 3"):
        derivation.expanded("y", 9)


@pytest.mark.parametrize("name", ["tanh_mlp", "relu_mlp", "attention", "layer_norm", "vae", "logistic_regression"])
def test_every_level_has_the_value_of_the_line(name):
    derivation = made(name)
    for line in (derivation.line("L"), derivation.backward[-1]):
        for level in Expansion(derivation, line).levels:
            left, right, lengths = level.layout("index", derivation.sheet, derivation.letters)
            got = read_index(plain(right), derivation.names, lengths)
            reader = read_index(plain(left), derivation.names, lengths)
            order = [got.labels.index(c) for c in reader.labels]
            assert difference(reader.array, np.transpose(got.array, order)) <= 1e-12


def test_what_is_longer_than_a_page_is_counted(monkeypatch):
    monkeypatch.setattr(expand, "LARGEST", 12)
    text = made("tanh_mlp").expanded()
    assert "entries)" in text
    assert "level 2 would have" in text


def attend(p, x):
    Q, K, V = x @ p["q"], x @ p["k"], x @ p["v"]
    A = nn.softmax(Q @ K.T / np.sqrt(Q.shape[-1]))
    return A @ V


def feed(p, x):
    h = np.maximum(x @ p["a"] + p["c"], 0)
    return h @ p["b"]


def stack(theta, x, t):
    for p in theta:
        x = x + attend(p, x)
        x = x + feed(p, x)
    return np.mean((x - t) ** 2)


def test_lines_stand_under_the_functions_of_the_user():
    blocks = [{**{k: draw(4, 4) for k in "qkv"}, "a": draw(4, 6), "c": draw(6), "b": draw(6, 4)} for _ in range(2)]
    derivation = derive(stack)(blocks, draw(5, 4), draw(5, 4))
    assert derivation.check()
    lines = [line.rstrip() for line in str(derivation).splitlines()]
    at = lines.index(" attend")
    assert lines[at + 1].startswith("  Q⁽l⁾ = x′⁽l⁻¹⁾ q⁽l⁾")
    assert lines[at + 4].startswith("  S⁽l⁾ = (Q⁽l⁾ K⁽l⁾ᵀ) / √(")
    assert lines.index(" attend") < lines.index(" feed") < lines.index("backward")
    assert lines[lines.index("backward") :].count(" feed") == 1
    assert {"attend", "feed"} <= {g for line in derivation.to_dict()["lines"] for g in line["group"]}


def test_layers_of_nn_head_their_lines():
    model = nn.Sequential(nn.Dense(5), nn.LayerNorm(), nn.relu, nn.Dense(4))
    x = draw(6, 7)
    theta, state = model.init(np.random.default_rng(0), x)

    def loss(theta, x, y):
        return np.mean(nn.cross_entropy(model.apply(theta, state, x)[0], y))

    derivation = derive(loss)(theta, x, CLASSES)
    assert derivation.check()
    assert " LayerNorm" in str(derivation).splitlines()
    assert " cross_entropy" in str(derivation).splitlines()


def test_one_function_needs_no_heading():
    assert [line for line in str(made("gru")).splitlines() if line.startswith(" ") and line[1] != " "] == []
