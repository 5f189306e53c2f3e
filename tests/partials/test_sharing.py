"""What shares memory with its argument, and how results lie in memory, is as in NumPy: writes go by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import backpass as bp
from backpass.graph.memory import root_of
from backpass.graph.traced import Traced

from .family_rows import ROWS as FAMILIES
from .test_functions import ROWS, values_of

NOT_NUMPYS_ORDER = {
    "cross": "the products are stacked along the axis that is asked for",
    "histogram2d": "NumPy cuts the bins of outliers off",
    "histogramdd": "NumPy cuts the bins of outliers off",
    "einsum": "a path of products ends in another order",
    "linalg.svd": "of a matrix said to be hermitian, from its eigenvectors",
    "as_strided": "the entries are gathered",
    "sliding_window_view": "the windows are gathered",
    "cholesky": "the upper factor is a transposed one",
}
"""Functions whose result lies in another order here; a reshape of it that is then written to may copy where NumPy's
does not."""


def parts(result: Any) -> list[Any]:
    if isinstance(result, (list, tuple)):
        return [part for item in result for part in parts(item)]
    return [part for item in result.values() for part in parts(item)] if isinstance(result, dict) else [result]


def proper_strides(array: np.ndarray) -> tuple[int, ...]:
    return tuple(s for n, s in zip(array.shape, array.strides, strict=True) if n > 1)


def compare(name: str, call: Callable[..., Any], args: tuple[Any, ...]) -> None:
    handles: list[Any] = []
    found: list[Any] = []

    def watched(*traced: Any) -> Any:
        handles.extend(traced)
        result = call(*traced)
        found.extend(parts(result))
        return result

    with np.errstate(all="ignore"):
        wanted = parts(call(*args))
        bp.vjp(watched, *args)
    for ours, theirs in zip(found, wanted, strict=True):
        if not isinstance(theirs, np.ndarray) or type(ours) is not Traced or theirs.size == 0:
            continue
        for argument, handle in zip(args, handles, strict=True):
            if isinstance(argument, np.ndarray):
                assert (root_of(ours) is root_of(handle)) == np.shares_memory(theirs, argument)
        if theirs.ndim > 1 and name.partition("(")[0] not in NOT_NUMPYS_ORDER and min(theirs.shape) > 1:
            assert proper_strides(ours.node.value) == proper_strides(theirs)


@pytest.mark.parametrize("chosen", ROWS, ids=lambda r: r.label)
def test_functions(chosen: Any) -> None:
    compare(chosen.label, chosen.call, values_of(chosen))


@pytest.mark.parametrize("chosen", FAMILIES, ids=lambda r: r.name)
def test_families(chosen: Any) -> None:
    compare(chosen.name, chosen.function, chosen.args)
