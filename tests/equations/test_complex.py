"""Derivations with complex numbers: they read like real ones, with conjugates where ∂L/∂x + i ∂L/∂y needs them."""

from __future__ import annotations

import numpy as np
import pytest
from models import MODELS, complex_network, draw, filtered

from backpass.equations import contributions, derive, paths
from backpass.graph.errors import DtypeError

_, COMPLEX_THETA, COMPLEX_DATA = MODELS["complex_network"]


def test_a_complex_network_reads_as_a_real_one_with_conjugates():
    derivation = derive(complex_network)(COMPLEX_THETA, *COMPLEX_DATA)
    assert derivation.check()
    text = derivation.text()
    for line in ("δ⁽²⁾ = 2·(y − t) / (J·N)", "∂L/∂V = aᴴ δ⁽²⁾", "δ⁽¹⁾ = (δ⁽²⁾ Vᴴ) ⊙ (1 − conj(a)²)", "∂L/∂W = xᴴ δ⁽¹⁾"):
        assert line in text
    assert "∂L/∂W = conj(x) δ⁽¹⁾ᵀ" in derivation.text("columns")
    assert "∂a_nk/∂z_nk = 1 − a_nk²" in derivation.text(partials=True)
    assert "so x stands transposed, and conjugated: xᴴ." in derivation.why("W")
    assert r"x^{\mathsf{H}}" in derivation.latex()
    assert set(derivation.to_dict()["lines"][0]["value"]) == {"real", "imag"}
    numbers = derivation.numbers("W", 0, 1)
    value, autodiff, difference = numbers.rsplit(" = ", 1)[1].split(" · ")
    assert autodiff == f"autodiff {value}"
    assert difference == f"finite difference {value}"
    assert value.endswith("i")


def test_a_filter_in_the_frequencies_of_its_input():
    derivation = derive(filtered)({"phase": draw(5), "gain": draw(5)}, draw(8), draw(8))
    assert derivation.check()
    text = derivation.text()
    assert "F_k = Σ_n x_n·exp(−2πi·k·n/N)" in text
    assert "∂L/∂gain_k = (Σ_j Re(F_k·exp(2πi·k·j/J)·exp(i·phase_k))·∂L/∂y_j)·(2" in text


def descend(theta, gradient, state, step):
    return {name: theta[name] - 0.1 * gradient[name] for name in theta}, state


def test_a_step_of_ones_own_prints():
    derivation = derive(complex_network, optimizer=descend, state=())(COMPLEX_THETA, *COMPLEX_DATA)
    assert derivation.check()
    assert "W ← W − ∂L/∂W / 10" in derivation.text()


def test_the_step_of_a_complex_parameter_is_what_contributes():
    found = contributions(complex_network, COMPLEX_THETA, *COMPLEX_DATA, rate=1e-4)
    assert abs(found.predicted - found.actual) < 1e-3 * abs(found.actual)


def test_paths_through_complex_values_are_refused_with_the_line():
    with pytest.raises(DtypeError, match=r"F is complex here(?s:.*)np\.fft\.rfft"):
        paths(filtered, {"phase": draw(5), "gain": draw(5)}, draw(8), draw(8), of=("gain", 0))


def test_a_variable_called_i_leaves_the_unit_another_letter():
    def loss(theta):
        i = theta["i"]
        return np.sum(np.abs(np.exp(1j * i) + 2j) ** 2)

    derivation = derive(loss)({"i": draw(3)})
    assert derivation.check()
    assert "ⅈ" in derivation.text()
