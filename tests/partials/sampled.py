"""Which functions of the table of coverage have a numerical sample that the tests run.

A sample is held against NumPy's or SciPy's own values, and its derivative, in both modes, against differences or the
complex step: those of operations by test_registry, those of functions by test_functions, test_families and
test_complex, and SciPy's functions with several results by test_coverage.
"""

from __future__ import annotations

import importlib
from operator import attrgetter
from typing import Any

import numpy as np

from backpass.graph.op import OPS, UFUNCS
from backpass.partials.coverage import Coverage
from backpass.partials.special import _OUTPUTS

from .complex_rows import ROWS as COMPLEX
from .family_rows import ROWS as FAMILIES
from .samples import arguments, cases_of
from .test_functions import ROWS


def several_results() -> dict[str, tuple[Any, ...]]:
    """SciPy's functions that give several results → arguments, those of the operation that gives one of them."""
    found = {}
    for name, parts in _OUTPUTS.items():
        op = OPS[parts[0]]
        cases = [case for case in cases_of(op) if all(np.size(a) for a in arguments(op, case))]
        if cases:
            found[name] = arguments(op, cases[0])
    return found


def sampled(table: Coverage) -> set[str]:
    rows = {id(row.function) for row in ROWS} | {id(attrgetter(row.name)(np)) for row in (*FAMILIES, *COMPLEX)}
    several = several_results()
    found = set()
    for row in table:
        place, _, name = row.name.rpartition(".")
        function = getattr(importlib.import_module(place), name, None)
        op = UFUNCS.get(function)
        has_cases = op is not None and bool(cases_of(op))
        if has_cases or id(function) in rows or (place == "scipy.special" and name in several):
            found.add(row.name)
    return found


if __name__ == "__main__":
    import backpass as bp

    whole = bp.coverage()
    print(whole.markdown(sampled(whole)), end="")
