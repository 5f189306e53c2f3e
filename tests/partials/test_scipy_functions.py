"""SciPy's Python functions by their rules: SciPy's values, and derivatives to second order in both modes."""

import importlib
from typing import Any

import numpy as np
import pytest
import scipy.integrate as si
import scipy.linalg as sl
import scipy.special as sp

import backpass as bp
from backpass.graph.errors import TracingError
from backpass.graph.op import FUNCTIONS
from backpass.partials.scipy_functions import RULES, enter_scipy
from backpass.partials.special import _OUTPUTS

from .complex_rows import matrix
from .family_rows import drawn, separated
from .references import close, differences, identical
from .test_complex import joined, like, loss_of

enter_scipy()
x, y, grid = drawn(5), drawn(4, 5), drawn(3, 4)
square, spd = separated(3, 3), separated(3, 3) @ separated(3, 3).T
lower = np.tril(square)
B = {"b": drawn(3, 4, low=0.5, high=2.0)}

ROWS: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
    (sp.logsumexp, (grid,), {}),
    (sp.logsumexp, (grid,), {"axis": 1, "keepdims": True}),
    (sp.logsumexp, (grid,), {"axis": (0, 1)}),
    (sp.logsumexp, (grid,), {"axis": 0, "b": B["b"]}),
    (sp.logsumexp, (grid,), {"axis": 1, "b": drawn(3, 4), "return_sign": True}),
    (sp.softmax, (grid,), {}),
    (sp.softmax, (grid,), {"axis": 1}),
    (sp.log_softmax, (grid,), {"axis": 0}),
    (sp.softplus, (x,), {}),
    (lambda t: _call(sp.polygamma)(2, t), (np.abs(x) + 0.5,), {}),
    (lambda t: _call(sp.polygamma)(0, t), (np.abs(x) + 0.5,), {}),
    (sp.multigammaln, (np.abs(x) + 3,), {"d": 3}),
    (lambda n, k: _call(sp.comb)(n, k), (np.abs(x) + 3.3, np.abs(x[::-1]) + 0.2), {}),
    (sp.factorial, (np.abs(x) + 0.5,), {}),
    (si.trapezoid, (y,), {"axis": 0}),
    (lambda a, b: _call(si.trapezoid)(a, b), (y, np.cumsum(np.abs(x))), {}),
    (si.cumulative_trapezoid, (y,), {"dx": 0.3, "initial": 0}),
    (lambda a, b: _call(si.cumulative_trapezoid)(a, b), (y, np.cumsum(np.abs(x))), {}),
    (si.simpson, (y,), {}),
    (si.simpson, (y,), {"axis": 0, "dx": 0.2}),
    (lambda a, b: _call(si.simpson)(a, x=b), (y, np.cumsum(np.abs(x) + 0.2)), {}),
    (lambda a, b: _call(si.simpson)(a, x=b, axis=0), (y, np.cumsum(np.abs(x[:4]) + 0.2)), {}),
    (sl.expm, (square * 0.3,), {}),
    (sl.expm, (matrix(2, 2, 2) * 0.4,), {}),
    (sl.sqrtm, (spd,), {}),
    (sl.solve_sylvester, (square, separated(2, 2), drawn(3, 2)), {}),
    (sl.solve_triangular, (lower, drawn(3)), {"lower": True}),
    (sl.solve_triangular, (square, drawn(3, 2)), {"trans": "T"}),
    (sl.solve_triangular, (matrix(3, 3), drawn(3)), {"trans": "C", "lower": True}),
    (sl.solve_triangular, (square, drawn(3)), {"unit_diagonal": True}),
    (lambda c, b: _call(sl.cho_solve)((c, True), b), (lower, drawn(3)), {}),
    (lambda c, b: _call(sl.cho_solve)((c, False), b), (lower.T.copy(), drawn(3, 2)), {}),
    (lambda a: _call(sl.cholesky)(a @ a.T, lower=True), (square,), {}),
    (lambda a: _call(sl.cholesky)(a @ a.T), (square,), {}),
    (lambda a: _call(sl.cho_solve)(_call(sl.cho_factor)(a @ a.T), np.ones(3)), (square,), {}),
    (sl.solve, (square, drawn(3)), {}),
    (sl.solve, (spd, drawn(3, 2)), {"assume_a": "pos"}),
    (sl.solve, (spd, drawn(3)), {"assume_a": "sym", "lower": True}),
    (lambda a, b: _call(sl.solve_banded)((1, 1), a, b), (drawn(3, 4) + [[0], [4.0], [0]], drawn(4)), {}),
    (sl.norm, (grid,), {}),
    (lambda a: np.multiply(_call(sl.norm)(a, 1), 1.0), (grid,), {}),
    (lambda a: _call(sl.eigh)(a + a.T, eigvals_only=True), (square,), {}),
    (lambda a: _call(sl.eigh)(a + a.T)[0], (square,), {}),
    (lambda a: _call(sl.eigvalsh)(a + a.T, lower=False), (square,), {}),
    (sl.svd, (square,), {"compute_uv": False}),
    (lambda a: _call(sl.svd)(a)[1], (square,), {}),
    (sl.svdvals, (separated(3, 2),), {}),
    (sl.pinv, (separated(3, 2),), {}),
    (sl.inv, (square,), {}),
    (sl.det, (square,), {}),
    (lambda a, b: _call(sl.block_diag)(a, b), (square, drawn(2)), {}),
    (sl.toeplitz, (x,), {}),
    (lambda c, r: _call(sl.toeplitz)(c, r), (x, drawn(3)), {}),
]
TESTED: set[str] = set()


def _call(function: Any) -> Any:
    """As what intercepts calls does: the rule where an argument is traced, SciPy's own function else."""
    TESTED.add(function.__name__)

    def called(*args: Any, **options: Any) -> Any:
        flat = [part for arg in args for part in (arg if isinstance(arg, tuple) else (arg,))]
        return (FUNCTIONS[function] if any(hasattr(part, "node") for part in flat) else function)(*args, **options)

    return called


def function_of(row: Any) -> Any:
    function, _, options = row
    if function.__name__ == "<lambda>":
        return function
    return lambda *args: _call(function)(*args, **options)


@pytest.mark.parametrize("row", ROWS, ids=[f"{i}-{row[0].__name__}" for i, row in enumerate(ROWS)])
def test_values_and_derivatives(row: Any) -> None:
    function, args = function_of(row), row[1]
    found, wanted = bp.vjp(function, *args)[0], function(*args)
    for a, b in zip(_parts(found), _parts(wanted), strict=True):
        assert np.shape(a) == np.shape(b)
        close(a, b, 1e-12, "SciPy's value")
    loss = loss_of(function)
    rng = np.random.default_rng(3)
    directions = tuple(like(a, rng) for a in args)
    moved = lambda t: [a + t * d for a, d in zip(args, directions, strict=True)]  # noqa: E731
    slope = differences(lambda t: loss(*moved(t)), (np.float64(0),), 0, step=1e-3)
    close(bp.jvp(loss, args, directions)[1], slope, 1e-8, "forward")
    gradient = bp.grad(loss, argnums=tuple(range(len(args))))
    back = gradient(*args)
    close(sum(float(np.real(np.sum(np.conj(g) * d))) for g, d in zip(back, directions, strict=True)), slope, 1e-8)
    curved = differences(lambda t: joined(gradient(*moved(t))), (np.float64(0),), 0, step=1e-3)
    close(joined(bp.jvp(gradient, args, directions)[1]), curved, 1e-7, "second order")


def _parts(result: Any) -> list[Any]:
    return list(result) if isinstance(result, tuple) else [result]


@pytest.mark.parametrize("name", sorted(_OUTPUTS))
def test_several_results(name: str) -> None:
    """The ufuncs that give several results at once; each result is an operation of the registry."""
    function = getattr(sp, name)
    args = (np.array([0.3, 0.7]),) * function.nin
    found, wanted = bp.vjp(function, *args)[0], function(*args)
    assert len(found) == len(wanted) == len(_OUTPUTS[name])
    for a, b in zip(found, wanted, strict=True):
        identical(a, b)


def test_every_rule_has_a_row() -> None:
    for row in ROWS:
        if row[0].__name__ == "<lambda>":
            function_of(row)(*row[1])
        else:
            TESTED.add(row[0].__name__)
    assert {name for rules in RULES.values() for name in rules} == TESTED


def test_every_rule_is_entered_under_its_function() -> None:
    for module, rules in RULES.items():
        for name in rules:
            assert getattr(importlib.import_module(module), name) in FUNCTIONS, name


def test_options_without_a_rule_are_refused() -> None:
    for function, args, options in (
        (sp.comb, (np.array([3.0]), 2), {"exact": True}),
        (sl.eigh, (np.eye(2),), {"subset_by_index": [0, 1]}),
        (sl.pinv, (np.eye(2),), {"return_rank": True}),
    ):
        with pytest.raises(TracingError, match="is not differentiated yet"):
            bp.grad(lambda a, f=function, r=args[1:], o=options: np.sum(FUNCTIONS[f](a, *r, **o)))(args[0])
