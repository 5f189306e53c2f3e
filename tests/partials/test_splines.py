"""Interpolants of scipy.interpolate in a trace: as graphs, what is refused, and that SciPy's classes come back."""

import threading
from typing import Any

import numpy as np
import pytest
import scipy.interpolate as sci
from scipy.interpolate import CubicSpline

import backpass as bp
from backpass.graph.errors import NoRuleError, TracingError

from .spline_rows import ROWS, at, cubic, heights, t


@pytest.mark.parametrize("row", ROWS, ids=[str(i) for i in range(len(ROWS))])
def test_as_a_graph(row: Any) -> None:
    function, args, _ = row
    wanted = function(*args)
    np.testing.assert_allclose(bp.trace(function, *args)(*args), wanted, rtol=1e-12, atol=1e-13)


def test_values_outside_are_those_of_scipy() -> None:
    for made in (CubicSpline(at, heights, extrapolate=False), sci.make_interp_spline(at, heights)):
        made.extrapolate = False
        x = np.array([-1.0, 0.0, at[2], 3.0, 3.5, np.nan])
        np.testing.assert_allclose(bp.vjp(lambda x, f=made: f(x), x)[0], made(x), atol=1e-15)
    with pytest.raises(ValueError, match="interpolation range"):
        bp.grad(lambda x: sci.interp1d(at, heights)(x))(9.0)
    with pytest.raises(ValueError, match="out of bounds"):
        bp.grad(lambda x: sci.RegularGridInterpolator((at,), heights)(x)[0])(np.array([9.0]))


def test_classes_stay_classes() -> None:
    def f(x: Any) -> Any:
        assert isinstance(cubic, CubicSpline)
        assert isinstance(cubic, sci.PPoly)
        assert issubclass(CubicSpline, sci.PPoly)
        plain = CubicSpline(at, heights)
        assert isinstance(plain, CubicSpline)
        return cubic(x) + plain(0.5) + float(sci.PPoly.from_spline(sci.make_interp_spline(at, heights))(0.5))

    assert abs(bp.grad(f)(1.0) - cubic(1.0, 1)) < 1e-14


def test_scipy_is_as_it_was_afterwards() -> None:
    before = [vars(c).get("__call__") for c in (*CubicSpline.__mro__, sci.BSpline, sci.interp1d, *sci.interp1d.__mro__)]
    bp.grad(lambda x: cubic(x))(1.0)
    with pytest.raises(ZeroDivisionError):
        bp.grad(lambda x: cubic(x) / (1 // 0))(1.0)
    after = [vars(c).get("__call__") for c in (*CubicSpline.__mro__, sci.BSpline, sci.interp1d, *sci.interp1d.__mro__)]
    assert all(a is b for a, b in zip(before, after, strict=True))


def test_another_thread_reads_plain_values() -> None:
    found, wanted = [], cubic(t)

    def f(x: Any) -> Any:
        thread = threading.Thread(target=lambda: found.append(cubic(t)))
        thread.start()
        thread.join()
        return cubic(x)

    bp.grad(f)(1.0)
    assert np.array_equal(found[0], wanted)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: np.sum(CubicSpline(x, heights)(t)), "by the places x of its heights is not followed"),
        (lambda x: np.sum(sci.Akima1DInterpolator(at, x)(t)), "Akima1DInterpolator has no derivative rule"),
        (lambda x: np.sum(sci.BarycentricInterpolator(at, heights)(x)), "BarycentricInterpolator at traced places"),
        (lambda x: np.sum(sci.interp1d(at, x, kind="cubic")(t)), "make_interp_spline(x, y, k=3)"),
        (lambda x: CubicSpline(at, x).roots()[0], "roots of an interpolant of traced heights"),
        (lambda x: np.sum(sci.RBFInterpolator(at[:, None], heights)(x[:, None])), "without its derivative"),
        (
            lambda x: sci.RegularGridInterpolator((at,), heights, method="pchip")(x[:, None])[0],
            "of method 'pchip'",
        ),
    ],
)
def test_what_is_refused_says_so(function: Any, said: str) -> None:
    with pytest.raises((TracingError, NoRuleError)) as refusal:
        bp.grad(function)(at)
    assert said in str(refusal.value)
