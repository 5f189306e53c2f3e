"""Central differences against the chain rule, for θ of any shape, and the same function on the graph."""

import numpy as np
import pytest

import backpass as bp
from backpass.graph.pytree import flatten
from backpass.graph.staging import Compiled

STEP = 1e-5


def central_differences(function, theta):
    """∂function/∂θ by (f(θ + h) − f(θ − h)) / 2h, entry by entry."""
    leaves, tree = flatten(theta)
    slopes = []
    for k, leaf in enumerate(leaves):
        slope = np.zeros(leaf.shape)
        for index in np.ndindex(leaf.shape):
            ends = []
            for step in (STEP, -STEP):
                moved = leaf.copy()
                moved[index] += step
                ends.append(float(function(tree.unflatten([*leaves[:k], moved, *leaves[k + 1 :]]))))
            slope[index] = (ends[0] - ends[1]) / (2 * STEP)
        slopes.append(slope)
    return slopes


@pytest.fixture
def check_gradient():
    """Compare bp.grad with central differences, and bp.compile's value and gradient with the plain ones."""

    def check(function, theta, compiled=True):
        value, grad = bp.value_and_grad(function)(theta)
        found, tree = flatten(grad)
        assert tree == flatten(theta)[1]
        for path, g, slope, leaf in zip(
            tree.paths, found, central_differences(function, theta), flatten(theta)[0], strict=True
        ):
            assert g.dtype == leaf.dtype
            np.testing.assert_allclose(g, slope, rtol=2e-7, atol=1e-9, err_msg=path)
        if compiled:
            again, staged = Compiled(bp.value_and_grad(function))(theta)
            np.testing.assert_array_equal(again, value)
            for g, s in zip(found, flatten(staged)[0], strict=True):
                np.testing.assert_array_equal(s, g)

    return check
