"""The update: lines of the traced optimiser, with ← and in program order, each read back and compared with a step."""

from __future__ import annotations

import numpy as np
import pytest
from models import MODELS

from backpass import descent
from backpass.equations import derive
from backpass.equations.check_lines import printed_updates

RULES = {
    **{name: name for name in ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw")},
    "decayed": descent.sgd(0.1, weight_decay=0.1),
    "scheduled": descent.adam(descent.cosine(0.1, steps=10)),
    "clipped": descent.clip(descent.momentum(0.1), norm=1.0),
    "bounded": descent.clip(descent.adam(0.1), value=0.01),
}


def made(model, optimizer, **more):
    f, theta, args = MODELS[model]
    return derive(f, optimizer=optimizer, **more)(theta, *args)


def update_of(derivation):
    lines = str(derivation).splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("update"))
    return [line.strip() for line in lines[start:] if not line.startswith("holds")]


@pytest.mark.parametrize(
    ("model", "rule"),
    [("tanh_mlp", r) for r in RULES] + [("scalar", r) for r in RULES] + [("cnn", "adam"), ("relu_mlp", "adamw")],
)
def test_every_update_line_equals_a_step_of_the_optimiser(model, rule):
    result = made(model, RULES[rule]).check()
    assert result, str(result)
    assert result.worst <= 1e-12


def test_gradient_descent_is_the_fifth_equation_of_a_layer():
    assert update_of(made("tanh_mlp", "sgd")) == [
        "update (sgd: η = 0.01)",
        "W1 ← W1 − η·∂L/∂W1",
        "b1 ← b1 − η·∂L/∂b1",
        "W2 ← W2 − η·∂L/∂W2",
        "b2 ← b2 − η·∂L/∂b2",
    ]
    assert update_of(made("relu_mlp", "sgd"))[1:] == [
        "W⁽l⁾ ← W⁽l⁾ − η·∂L/∂W⁽l⁾      l = 1…3",
        "b⁽l⁾ ← b⁽l⁾ − η·∂L/∂b⁽l⁾      l = 1…3",
    ]


def test_adam_reads_as_in_its_paper():
    """Kingma & Ba 2015, algorithm 1: the code divides twice less, the algebra takes that back."""
    of = "      θ = W⁽l⁾, b⁽l⁾"
    assert update_of(made("relu_mlp", "adam")) == [
        "update (adam: η = 0.001, β₁ = 0.9, β₂ = 0.999, ε = 1e-8, t = 1)",
        "m ← β₁·m + (1 − β₁)·∂L/∂θ" + of,
        "v ← β₂·v + (1 − β₂)·(∂L/∂θ)²" + of,
        "m̂ = m / (1 − β₁^t)" + of,
        "v̂ = v / (1 − β₂^t)" + of,
        "θ ← θ − η·m̂ / (√(v̂) + ε)" + of,
    ]
    assert update_of(made("scalar", "adamw"))[-1] == "x ← (1 − η·λ)·x − η·m̂/(√(v̂) + ε)"
    assert update_of(made("tanh_mlp", "momentum"))[1:] == [
        "v ← μ·v − η·∂L/∂θ      θ = W1, b1, W2, b2",
        "θ ← θ + v      θ = W1, b1, W2, b2",
    ]


def test_a_schedule_has_its_own_line_and_a_norm_its_own_name():
    assert any(
        line.startswith("η = first·") and "cos(π" in line for line in update_of(made("scalar", RULES["scheduled"]))
    )
    lines = update_of(made("tanh_mlp", RULES["clipped"]))
    assert lines[1].startswith("scale = limit/max(√(")
    assert "v ← μ·v − η·scale·∂L/∂θ      θ = W1, b1, W2, b2" in lines


def test_an_update_function_of_the_users_own():
    def update(theta, gradient, state, step):
        lr, decay = 0.1, 0.5
        average = {k: decay * state["average"][k] + gradient[k] for k in theta}
        return {k: theta[k] - lr * average[k] for k in theta}, {"average": average}

    f, theta, args = MODELS["logistic_regression"]
    state = {"average": {k: np.zeros_like(v) for k, v in theta.items()}}
    derivation = derive(f, optimizer=update, state=state)(theta, *args)
    assert derivation.check()
    assert update_of(derivation)[0].startswith("update (update: ")
    assert "average_w ← decay·average_w + ∂L/∂w" in update_of(derivation)
    assert "w ← w − η·average_w" in update_of(derivation)


def test_names_mean_what_they_hold_at_that_moment():
    """A wrong order would not pass: m̂ after the new m, θ last."""
    derivation = made("scalar", "adam")
    names = [derivation.name(line.symbol) for line in derivation.update]
    assert names == ["m", "v", "m̂", "v̂", "x"]
    lines = derivation.step.lines
    derivation.step.lines = [lines[2], *lines[:2], *lines[3:]]
    assert not derivation.check()


def test_numbers_of_an_update():
    f, theta, args = MODELS["scalar"]
    derivation = derive(f, optimizer=descent.sgd(0.5))(theta, *args)
    text = derivation.panes("x←")
    moved = theta["x"] - 0.5 * float(derivation.line("x").symbol.value)
    assert text.splitlines()[1] == "index    x ← x − η·∂L/∂x"
    assert f"= {moved:.4g}".replace("-", "−") in text


def test_a_state_that_changes_its_structure_is_refused():
    def update(theta, gradient, state, step):
        return theta, {}

    f, theta, args = MODELS["scalar"]
    with pytest.raises(TypeError, match="keeps its structure"):
        derive(f, optimizer=update, state={"m": theta})(theta, *args)


def test_update_lines_are_checked_with_examples_as_columns_too():
    derivation = made("tanh_mlp", "adam")
    forms = [form for _, form, *_ in printed_updates(derivation)]
    assert forms.count("columns") == 2 * len(derivation.update)
    columns = next(p for p in printed_updates(derivation) if p[1] == "columns" and p[3].symbol.shape == (4,))
    assert columns[4][derivation.name(columns[3].symbol)].shape == (4, 1)
