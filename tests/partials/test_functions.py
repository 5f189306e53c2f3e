"""Every NumPy function that has a rule: NumPy's own bits, and the slope that differences give; eager and staged."""

from operator import attrgetter
from typing import Any

import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
import scipy.special as sp

import backpass as bp
from backpass.graph.op import FUNCTIONS
from backpass.graph.pytree import flatten
from backpass.partials.scipy_distributions import PRIVATE
from backpass.partials.scipy_functions import RULES
from backpass.partials.series import written_in_numpy
from backpass.partials.special import _OUTPUTS

from . import rows_calls, rows_products, rows_reductions, rows_shapes  # noqa: F401  (they enter the rows)
from .complex_rows import ROWS as COMPLEX
from .family_rows import ROWS as FAMILIES
from .references import close, differences, identical
from .rows import ROWS, Row, values_of

FIRST = 1e-9
SECOND = 1e-7


def outputs(result: Any) -> list[Any]:
    return flatten(result)[0]


def same(found: Any, wanted: Any, chosen: Row, what: str) -> None:
    found, wanted = outputs(found), outputs(wanted)
    assert len(found) == len(wanted), what
    for a, b in zip(found, wanted, strict=True):
        if chosen.ulps and np.asarray(b).dtype.kind == "f":
            assert np.shape(a) == np.shape(b)
            assert np.asarray(a).dtype == np.asarray(b).dtype
            np.testing.assert_array_max_ulp(np.asarray(a), np.asarray(b), chosen.ulps)
        else:
            identical(a, b, what)


def floating(args: tuple[Any, ...], chosen: Row) -> list[int]:
    return [k for k, spec in enumerate(chosen.args) if isinstance(spec, tuple)]


def _real(part: Any) -> bool:
    return isinstance(part, float) or (hasattr(part, "dtype") and part.dtype.kind == "f")


def joined(result: Any) -> Any:
    """Everything real that a call returns, in one line."""
    parts = [np.ravel(part) for part in outputs(result) if np.asarray(part).dtype.kind == "f"]
    return np.concatenate(parts) if parts else np.zeros(0)


@pytest.mark.parametrize("chosen", ROWS, ids=lambda r: r.label)
def test_value(chosen: Row) -> None:
    args = values_of(chosen)
    with np.errstate(all="ignore"):
        wanted = chosen.call(*args)
        eager, _ = bp.vjp(chosen.call, *args)
        same(eager, wanted, chosen, "eager")
        if not chosen.eager_only:
            same(bp.trace(chosen.call, *args)(*args), wanted, chosen, "staged")
        if chosen.float32:
            narrow = tuple(np.float32(a) if isinstance(s, tuple) else a for a, s in zip(args, chosen.args, strict=True))
            same(bp.vjp(chosen.call, *narrow)[0], chosen.call(*narrow), chosen, "float32")


@pytest.mark.parametrize("chosen", [r for r in ROWS if r.smooth], ids=lambda r: r.label)
def test_gradient(chosen: Row) -> None:
    args = values_of(chosen)
    places = floating(args, chosen)
    with np.errstate(all="ignore"):
        rng = np.random.default_rng(3)
        weights = [rng.uniform(0.5, 1.5, np.shape(part)) for part in outputs(chosen.call(*args))]

        def loss(xs: Any) -> Any:
            filled = list(args)
            for k, x in zip(places, xs, strict=True):
                filled[k] = x
            parts = [p for p in zip(outputs(chosen.call(*filled)), weights, strict=True) if _real(p[0])]
            return sum(np.sum(np.sin(0.5 * part) * w) for part, w in parts)

        xs = tuple(args[k] for k in places)
        narrowing = any(np.asarray(part).dtype == np.float32 for part in outputs(chosen.call(*args)))
        tolerance = 3e-3 if narrowing else FIRST
        direction = tuple(rng.standard_normal(np.shape(x)) for x in xs)
        along = lambda t: tuple(x + t * d for x, d in zip(xs, direction, strict=True))  # noqa: E731
        found = bp.grad(loss)(xs)
        for k, x in enumerate(xs):
            assert np.shape(found[k]) == np.shape(x)
            assert np.asarray(found[k]).dtype == np.float64
            wanted = differences(lambda y, k=k: loss((*xs[:k], y, *xs[k + 1 :])), (x,), 0, 0.05 if narrowing else 3e-3)
            close(found[k], wanted, tolerance, f"argument {k}")
        slope = sum(float(np.sum(g * d)) for g, d in zip(found, direction, strict=True))
        close(bp.jvp(loss, (xs,), (direction,))[1], slope, 1e-6 if narrowing else 1e-12, "forward mode")
        if narrowing:
            return
        wanted = differences(
            lambda t: np.concatenate([np.ravel(g) for g in bp.grad(loss)(along(t))]), (np.float64(0),), 0
        )
        curved = bp.jvp(bp.grad(loss), (xs,), (direction,))[1]
        close(np.concatenate([np.ravel(c) for c in curved]), wanted, SECOND, "second order")
        if not chosen.eager_only:
            for part, reference in zip(outputs(bp.trace(bp.grad(loss), xs)(xs)), found, strict=True):
                close(part, reference, 1e-13, "staged gradient")


@pytest.mark.parametrize("chosen", [r for r in ROWS if not r.smooth], ids=lambda r: r.label)
def test_steps_have_no_slope(chosen: Row) -> None:
    args = values_of(chosen)
    with np.errstate(all="ignore"):
        found = bp.grad(lambda xs: sum((np.sum(part * 1.0) for part in outputs(chosen.call(*xs))), 0.0))(args)
    for g, x in zip(found, args, strict=True):
        identical(g, np.zeros_like(x))


BY_NAME = {
    "ufunc": "rows_calls",
    "asarray": "rows_calls",
    "getitem": "test_indexing",
    "setitem": "tests/graph/test_mutation",
    "plain": "tests/graph/test_mutation",
    "no rule": "tests/graph/test_whole_numbers",
    "astype": "rows_shapes",
    "late": "test_coverage",
    "families": "tests/graph/test_program",
    "cotangents": "test_conventions",
    "distribution": "test_scipy_distributions",
    "sparse product": "test_scipy_functions",
    "sparse matrix": "test_scipy_functions",
}
"""Entries that no NumPy function stands for, and where they are tested."""


def test_every_function_has_a_row() -> None:
    rows = {id(r.function) for r in ROWS} | {id(attrgetter(r.name)(np)) for r in (*FAMILIES, *COMPLEX)}
    scipys = {id(getattr(sp, name)) for name in _OUTPUTS}
    scipy_paths = [f"{place}.{name}" for place, rules in RULES.items() for name in rules]
    methods = {attrgetter(path.partition(".")[2])(scipy) for path in scipy_paths}  # test_scipy_functions
    series = set(written_in_numpy().values())  # test_series
    read = {f for f in FUNCTIONS if isinstance(f, tuple)}  # a class and a method: test_splines
    private = {getattr(scipy.special._ufuncs, name, None) for name in PRIVATE}  # test_scipy_distributions
    missing = [
        getattr(f, "__name__", f)
        for f in FUNCTIONS
        if id(f) not in rows | scipys and f not in BY_NAME and f not in methods | private | series | read
    ]
    assert not missing


def test_every_exception_from_numpys_bits_has_a_reason() -> None:
    assert [r.label for r in ROWS if r.ulps and not r.why] == []
