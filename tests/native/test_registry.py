"""Every operation of the registry × machine code: the interpreter's values and gradients, in both precisions.

All cases of an operation are one program. What has no native form runs as an island in the midst of it.
"""

import warnings
from typing import Any

import numpy as np
import pytest

import backpass as bp
from backpass.graph.interpreter import run
from backpass.graph.op import OPS, Op
from backpass.native.pointwise import TABLE
from backpass.native.prepare import NotNative
from backpass.native.program import Program
from tests.partials.samples import Case, arguments, cases_of, smooth_in
from tests.partials.test_registry import carries, loss_of

NAMES = sorted(name for name in OPS if name not in ("input", "constant"))
ULPS = 16
"""Of the largest entry: sums are taken in another order, and products round once with the addition behind them."""
GRADIENT = {np.float64: 1e-9, np.float32: 2e-5}
"""Of the largest entry; the losses here turn a value of 170 into a sine, which makes an ulp of it twenty."""


def typed(args: list[Any], dtype: Any) -> list[Any]:
    """The floating arguments in this dtype."""
    floats = [isinstance(a, (np.ndarray, float)) and np.asarray(a).dtype.kind == "f" for a in args]
    return [np.asarray(a, dtype) if is_float else a for a, is_float in zip(args, floats, strict=True)]


def together(op: Op, cases: list[Case], dtype: Any) -> tuple[Any, list[np.ndarray]]:
    """(the results of all cases as one function of all arrays, those arrays)."""
    filled = [typed(arguments(op, case), dtype) for case in cases]
    places = [(i, k) for i, args in enumerate(filled) for k, a in enumerate(args) if isinstance(a, np.ndarray)]

    def function(*arrays: Any) -> Any:
        mine = [list(args) for args in filled]
        for (i, k), array in zip(places, arrays, strict=True):
            mine[i][k] = array
        return tuple(op(*args, **case.attrs) for args, case in zip(mine, cases, strict=True))

    return function, [filled[i][k] for i, k in places]


def agree(function: Any, arrays: list[np.ndarray], tolerance: float) -> None:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        graph = bp.trace(function, *arrays)
        try:
            program = Program(graph)
        except NotNative:
            assert any(node.dtype.kind in "cSUO" or node.dtype.itemsize > 8 for node in graph.nodes)
            return
        wanted, found = run(graph, arrays), program.run(list(arrays))
    for place, (a, b) in enumerate(zip(wanted, found, strict=True)):
        a, b = np.asarray(a), np.asarray(b)
        assert (a.shape, a.dtype) == (b.shape, b.dtype), place
        if a.dtype.kind != "f":
            np.testing.assert_array_equal(a, b, err_msg=f"result {place}")
            continue
        finite = np.isfinite(a)
        np.testing.assert_array_equal(np.where(finite, 0, a), np.where(finite, 0, b), err_msg=f"result {place}")
        scale = max(1e-30, np.max(np.abs(a[finite]), initial=0.0))
        assert np.max(np.abs(a - b)[finite], initial=0.0) <= tolerance * scale, place


@pytest.mark.parametrize("name", [name for name in NAMES if name in TABLE])
def test_values(name: str) -> None:
    function, arrays = together(OPS[name], list(cases_of(OPS[name])), np.float64)
    agree(function, arrays, ULPS * np.finfo(np.float64).eps)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", NAMES)
def test_values_in_both_precisions(name: str, dtype: Any) -> None:
    function, arrays = together(OPS[name], list(cases_of(OPS[name])), dtype)
    agree(function, arrays, ULPS * np.finfo(dtype).eps)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", [name for name in NAMES if carries(OPS[name])])
def test_gradients_in_both_precisions(name: str, dtype: Any) -> None:
    op, losses, arrays = OPS[name], [], []
    for case in cases_of(op):
        if smooth_in(op, case):
            loss, xs = loss_of(op, case, tuple(typed(arguments(op, case), dtype)))
            losses.append((bp.grad(loss), len(arrays), len(arrays) + len(xs)))
            arrays += xs
    agree(lambda *xs: [gradient(xs[a:b]) for gradient, a, b in losses], arrays, GRADIENT[dtype])
