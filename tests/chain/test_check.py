"""`bp.check`: right gradients pass, wrong ones are named entry by entry."""

from collections import namedtuple

import numpy as np
import pytest

import backpass as bp
from backpass.chain.check import check

Layer = namedtuple("Layer", ["W", "b"])
X = np.linspace(-1.0, 1.5, 6).reshape(3, 2)
THETA = {"layers": [Layer(np.linspace(-1, 1, 4).reshape(2, 2), np.array([0.1, 0.2]))], "scale": 1.5}


def network(theta, x):
    layer = theta["layers"][0]
    return theta["scale"] * np.sum(np.tanh(x @ layer.W + layer.b) ** 2)


@bp.custom_rule(vjp=lambda g, out, x: g * np.cos(x) * np.where(np.arange(x.size) == 1, 1.5, 1.0))
def wrong_sine(x):
    return np.sin(x)


def test_analytic_code_is_held_against_the_complex_step():
    report = check(network, THETA, X)
    assert report
    assert report.count == 7 == len(report.checked)
    assert {c.method for c in report.checked} == {"complex step"}
    assert report.worst is not None
    assert report.worst.relative < 1e-13
    assert report.wrong == ()
    assert [c.name for c in report.checked] == ["theta.layers.0.W"] * 4 + ["theta.layers.0.b"] * 2 + ["theta.scale"]
    assert str(report).startswith("7 of 7 partial derivatives agree\n  worst: ∂L/∂theta.layers.0.")


def test_a_line_for_each_theta():
    lines = str(check(network, THETA, X)).splitlines()[2:]
    assert [line.split()[:5] for line in lines] == [
        ["theta.layers.0.W", "float64[2,2]", "4", "of", "4"],
        ["theta.layers.0.b", "float64[2]", "2", "of", "2"],
        ["theta.scale", "float64~", "1", "of", "1"],
    ]
    assert all(line.endswith("  ok") and "largest difference" in line for line in lines)
    wrong = str(check(lambda x: np.sum(wrong_sine(x)), np.ones(3))).splitlines()[-1]
    assert wrong.split()[:5] == ["x", "float64[3]", "2", "of", "3"]
    assert wrong.endswith("WRONG")
    few = str(check(lambda x: np.sum(np.sin(x)), np.ones(9), most=4)).splitlines()[-1]
    assert few.split()[2:7] == ["4", "of", "4", "of", "9"]


def test_what_is_not_analytic_is_held_against_differences():
    report = check(lambda x: np.sum(np.abs(x) * np.maximum(x, 0.3)), np.array([-1.0, 0.5, 2.0]))
    assert report
    assert {c.method for c in report.checked} == {"central difference"}


def test_a_wrong_rule_is_named_with_its_entry_and_file():
    def loss(x):
        return np.sum(wrong_sine(x))

    report = check(loss, np.array([0.1, 0.2, 0.3]))
    assert not report
    assert [(c.name, c.index) for c in report.wrong] == [("x", (1,))]
    assert abs(report.wrong[0].relative - 1 / 3) < 1e-9
    text = str(report)
    assert text.startswith("2 of 3 partial derivatives agree\n  ∂L/∂x[1]  autodiff  1.470")
    assert "WRONG" in text
    assert f"the loss is computed by {__file__}:" in text
    assert "A kink (|x|, max, where) at this very point, a custom rule" in text


def test_a_value_read_by_int_is_found_out():
    assert not check(lambda x: x * int(x * 10.0) / 10.0 + bp.stop_gradient(x) ** 2, 1.55)


def test_single_precision():
    theta = np.linspace(0.5, 1.5, 4).astype("float32")
    report = check(lambda t: np.sum(np.exp(t) * t), theta)
    assert report
    assert report.checked[0].tolerance == 1e-3
    assert not check(lambda t: np.sum(wrong_sine(t)), theta)


def test_a_sample_of_many():
    report = check(lambda x: np.sum(np.sin(x)), np.linspace(0, 1, 1000), most=25, seed=3)
    assert report
    assert len(report.checked) == 25
    assert "25 of 25 partial derivatives agree (drawn from 1000)" in str(report)
    again = check(lambda x: np.sum(np.sin(x)), np.linspace(0, 1, 1000), most=25, seed=3)
    assert [c.index for c in again.checked] == [c.index for c in report.checked]


def test_argnums_and_tolerance():
    assert len(check(network, THETA, X, argnums=1).checked) == X.size
    assert len(check(network, THETA, X, argnums=(0, 1)).checked) == 13
    assert check(network, THETA, X, argnums=-1)
    assert check(lambda x: np.sum(wrong_sine(x)), np.array([0.1, 0.2]), tolerance=0.5)


def test_nothing_to_check():
    report = check(lambda x: 1.0 + np.sum(x), np.zeros(0))
    assert report
    assert report.worst is None
    assert str(report) == "0 of 0 partial derivatives agree"


@pytest.mark.parametrize("value", [np.array([1.0, 2.0]), (np.array([1.0]), 2.0)], ids=["array", "tuple"])
def test_arguments_are_not_changed(value):
    leaves = [np.array(leaf) for leaf in (value if isinstance(value, tuple) else (value,))]
    check(lambda v: np.sum(v[0] ** 2), value)
    for leaf, before in zip(value if isinstance(value, tuple) else (value,), leaves, strict=True):
        assert np.array_equal(leaf, before)
