"""Paths: exact sums, the largest first, flows that add up."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from models import MODELS

from backpass.equations import contributions, paths


@pytest.mark.parametrize(("name", "of"), [("tanh_mlp", ("W1", 0, 1)), ("relu_mlp", ("W(1)", 0, 1)), ("vae", ("b1", 2))])
def test_all_paths_sum_to_the_gradient(name, of):
    f, theta, args = MODELS[name]
    found = paths(f, theta, *args, of=of, k=10_000)
    assert len(found.largest) == found.count
    assert abs(found.remainder) < 1e-12
    sizes = [abs(p.product) for p in found.largest]
    assert sizes == sorted(sizes, reverse=True)
    for p in found.largest:
        assert np.prod([s.value for s in p.steps]) == pytest.approx(p.product, rel=1e-12)


def test_fewer_paths_are_the_largest_of_all_and_a_remainder():
    f, theta, args = MODELS["gru"]
    some = paths(f, theta, *args, of=("Uh", 0, 1), k=5)
    more = paths(f, theta, *args, of=("Uh", 0, 1), k=50)
    assert [p.product for p in some.largest] == pytest.approx([p.product for p in more.largest[:5]])
    assert some.count > 10_000
    assert sum(p.product for p in some.largest) + some.remainder == pytest.approx(some.total)


def test_flow_through_the_units_of_a_layer_sums_to_the_total():
    f, theta, args = MODELS["relu_mlp"]
    found = paths(f, theta, *args, of=("W(1)", 0, 1))
    for layer in ("h⁽¹⁾", "o⁽²⁾", "h⁽²⁾", "logp"):
        assert found.through(layer).sum() == pytest.approx(found.total, abs=1e-14)
    with pytest.raises(KeyError, match="no path"):
        found.through("nothing")


def test_a_path_names_and_values_its_factors():
    f, theta, args = MODELS["tanh_mlp"]
    found = paths(f, theta, args[0][:1], args[1][:1], of=("W1", 0, 1))
    assert found.count == 2
    assert [s.factor for s in found.largest[0].steps[1:3]] == ["x_{0}", "1 − a_{1}²"]
    assert "the sum over 2 paths" in str(found)


def test_a_wrong_theta_is_named():
    f, theta, args = MODELS["tanh_mlp"]
    with pytest.raises(NameError, match="not a θ"):
        paths(f, theta, *args, of=("z", 0, 0))
    with pytest.raises(IndexError, match="shape"):
        paths(f, theta, *args, of=("W1", 9, 9))


def test_contributions_add_up():
    f, theta, args = MODELS["tanh_mlp"]
    found = contributions(f, theta, *args, rate=1e-5)
    assert sum(r.share for r in found.rows) == pytest.approx(1.0)
    assert found.actual == pytest.approx(found.predicted, rel=1e-3)
    assert found.examples is not None
    assert found.examples.sum() == pytest.approx(found.loss)
    assert "first order" in str(found)


def test_contributions_by_layer_and_of_an_optimisers_step():
    f, theta, args = MODELS["relu_mlp"]
    found = contributions(f, theta, *args, optimizer="adam")
    assert set(found.layers) == {"1", "2", "3"}
    assert sum(found.layers.values()) == pytest.approx(1.0)
    assert found.layers["2"] == pytest.approx(sum(r.share for r in found.rows if "⁽²⁾" in r.name))
    assert "layer 2" in str(found)
    assert found.predicted < 0
    # Adam's first step is its rate in every direction that has a slope.
    assert found.predicted == pytest.approx(-0.001 * sum(np.abs(r.gradient).sum() for r in found.rows), rel=1e-3)
    f, theta, args = MODELS["tanh_mlp"]
    assert set(contributions(f, theta, *args).layers) == {"1", "2"}


def test_a_first_layer_weight_of_784_128_64_10_has_640_paths():
    rng = np.random.default_rng(0)
    sizes = (784, 128, 64, 10)
    theta = [rng.normal(size=s) / np.sqrt(s[0]) for s in pairwise(sizes)]

    def loss(theta, x, t):
        W1, W2, W3 = theta
        a = np.tanh(x @ W1)
        b = np.tanh(a @ W2)
        y = b @ W3
        return np.mean((y - t) ** 2)

    found = paths(loss, theta, rng.normal(size=(1, 784)), rng.normal(size=(1, 10)), of=("W1", 5, 7), k=640)
    assert found.count == len(found.largest) == 640
    assert found.remainder == pytest.approx(0, abs=1e-14)
    assert found.through("b").sum() == pytest.approx(found.total)
