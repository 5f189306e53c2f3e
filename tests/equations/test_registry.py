"""Every operation's equations, forward and backward, read back from print and compared with autodiff to 1e-12."""

from __future__ import annotations

import numpy as np
import pytest
from registry import OF_COMPLEX, OTHERS, differentiable_pointwise, pointwise_case, structural_case, written

from backpass.equations import derive
from backpass.graph.op import OPS, Kind

pytest.importorskip("scipy")

OF_COMPLEX_CASES = [(name, n) for name, cases in OF_COMPLEX.items() for n in range(len(cases))]
CASES = [(name, n) for name, cases in OTHERS.items() for n in range(len(cases))]
WITHOUT_DERIVATIVE = {"searchsorted", "interp_piece", "random_bits", "signdet", "argsort"}


def checked(case):
    loss, theta, args = case
    if not theta:
        pytest.skip("no argument of this operation has a derivative")
    with np.errstate(all="ignore"):
        derivation = derive(loss)(theta, *args)
    result = derivation.check()
    assert result, str(result)
    assert sum(line.kind == "gradient" for line in derivation.backward) == len(theta)
    return derivation


@pytest.mark.parametrize("name", sorted(set(differentiable_pointwise()) - set(OF_COMPLEX)))
def test_pointwise(name):
    import scipy.special  # noqa: F401

    checked(pointwise_case(OPS[name]))


@pytest.mark.parametrize(("name", "number"), CASES)
def test_structural(name, number):
    checked(structural_case(*OTHERS[name][number]))


@pytest.mark.parametrize(("name", "number"), OF_COMPLEX_CASES)
def test_complex(name, number):
    f, arguments = OF_COMPLEX[name][number]
    with np.errstate(all="ignore"):
        derivation = checked(structural_case(f, arguments))
    names = {node.op.name for node in derivation.graph.nodes}
    assert name in names or name not in OPS or number


@pytest.mark.parametrize(("key", "gone"), [(slice(None), "u0"), (slice(2, 2), "u1")])
def test_what_is_written_over_or_nowhere_has_no_gradient(key, gone):
    loss, theta, args = structural_case(written(key), [np.ones((4, 3)), np.arange(3.0)])
    derivation = derive(loss)(theta, *args)
    assert derivation.check()
    assert gone not in derivation.text()


def test_a_quotient_by_a_sum_keeps_its_brackets():
    loss = lambda theta: np.sum(1 / (theta["a"] + theta["b"]) + np.log(theta["a"] + theta["b"]))  # noqa: E731
    derivation = derive(loss)({"a": np.ones((4, 3)), "b": np.arange(1.0, 4)})
    assert derivation.check()


def test_every_differentiable_operation_is_covered():
    named = set(differentiable_pointwise()) | set(OTHERS) | set(OF_COMPLEX)
    for name, op in OPS.items():
        if op.kind in (Kind.LINEAR, Kind.REDUCTION, Kind.CUSTOM, Kind.POINTWISE) and name not in named:
            assert (op.domain or {}).get("dtype") is not None, f"no derivation case for {name}"
