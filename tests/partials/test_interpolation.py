"""np.interp of any knots: increasing or not, repeated, infinite, NaN; NumPy's value, and the slope of the piece."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

import backpass as bp

SPECIAL = st.sampled_from([0.0, -0.0, 1.0, 2.0, 0.5, -1.5, np.inf, -np.inf, np.nan])
NUMBERS = st.one_of(SPECIAL, st.floats(-3, 3), st.integers(-3, 3).map(float))
ENDS = st.one_of(st.none(), NUMBERS)


@st.composite
def calls(draw: Any) -> tuple[Any, ...]:
    count = draw(st.integers(1, 30))
    xp = np.array(draw(st.lists(NUMBERS, min_size=count, max_size=count)))
    kind = draw(st.sampled_from(["any", "sorted", "falling", "nearly"]))
    if kind == "sorted":
        xp = np.sort(xp)
    elif kind == "falling":
        xp = np.sort(xp)[::-1].copy()
    elif kind == "nearly" and count > 3:
        xp = np.sort(xp)
        xp[[0, count // 2]] = xp[[count // 2, 0]]
    fp = np.array(draw(st.lists(NUMBERS, min_size=count, max_size=count)))
    x = np.array(draw(st.lists(st.one_of(NUMBERS, st.sampled_from(xp.tolist())), max_size=40)))
    period = draw(st.one_of(st.none(), st.sampled_from([2.0, -1.5, 3.0])))
    return x, xp, fp, draw(ENDS), draw(ENDS), period


@given(calls())
def test_values_are_numpys(call: tuple[Any, ...]) -> None:
    x, xp, fp, left, right, period = call
    with np.errstate(all="ignore"):
        wanted = np.interp(x, xp, fp, left, right, period)
        f = lambda x, xp, fp: np.interp(x, xp, fp, left, right, period)  # noqa: E731
        np.testing.assert_array_equal(bp.vjp(f, x, xp, fp)[0], wanted)
        np.testing.assert_array_equal(bp.trace(f, x, xp, fp)(x, xp, fp), wanted)


@given(st.data())
def test_the_slope_is_that_of_the_piece_which_numpy_takes(data: Any) -> None:
    """Of finite heights at knots in any order: NumPy's own value a little beside, where the piece stays the same."""
    n = data.draw(st.integers(2, 12))
    xp = np.array(data.draw(st.permutations(range(n))), float)
    fp = np.array(data.draw(st.lists(st.integers(-4, 4), min_size=n, max_size=n)), float)
    x = np.array(data.draw(st.lists(st.integers(-1, n), min_size=1, max_size=6))) + 0.25
    g = bp.grad(lambda x: np.sum(np.interp(x, xp, fp)))(x)
    forward = bp.jvp(lambda x: np.interp(x, xp, fp), (x,), (np.ones_like(x),))[1]
    wanted = (np.interp(x + 0.125, xp, fp) - np.interp(x - 0.125, xp, fp)) / 0.25
    np.testing.assert_allclose(g, wanted, atol=1e-12)
    np.testing.assert_allclose(forward, wanted, atol=1e-12)
    by_height = bp.jacobian(lambda fp: np.interp(x, xp, fp))(fp)
    np.testing.assert_allclose(by_height @ fp, np.interp(x, xp, fp), atol=1e-12)


def test_a_search_that_begins_where_the_last_one_ended() -> None:
    """Of knots that do not increase NumPy's value depends on the x before."""
    xp = np.array([0.0, 5.0, 1.0, 6.0, 2.0, 7.0, 3.0, 8.0, 4.0, 9.0])
    x = np.array([3.5, 8.5, 3.5, 0.5, 3.5, 6.5, 3.5])
    fp = np.arange(10.0) ** 2
    assert len(set(np.interp(x, xp, fp)[x == 3.5])) > 1
    f = lambda x: np.interp(x, xp, fp)  # noqa: E731
    for found in (bp.vjp(f, x)[0], bp.compile(f)(x)):
        np.testing.assert_array_equal(found, np.interp(x, xp, fp))
    rows = sliding_window_view(x, 3)
    wanted = np.array([np.interp(row, xp, fp) for row in rows])
    np.testing.assert_array_equal(bp.vmap(f)(rows), wanted)
    np.testing.assert_array_equal(bp.vmap(f)(np.sort(rows)), [np.interp(row, xp, fp) for row in np.sort(rows)])


@pytest.mark.parametrize(
    ("x", "xp", "fp", "slope"),
    [
        (1.0, [0.0, 1.0, 2.0], [0.0, 1.0, np.inf], np.inf),
        (1.0, [0.0, 1.0, 2.0], [0.0, 1.0, -np.inf], -np.inf),
        (0.5, [0.0, 1.0], [2.0, np.inf], np.inf),
        (0.5, [0.0, 1.0], [np.nan, 1.0], np.nan),
        (0.5, [0.0, np.inf], [2.0, 3.0], 0.0),
        (1.0, [0.0, 1.0, 1.0, 2.0], [0.0, 1.0, 3.0, 7.0], 4.0),
    ],
)
def test_slopes_beside_what_is_not_finite(x: float, xp: list[float], fp: list[float], slope: float) -> None:
    f = lambda x: np.interp(x, xp, fp)  # noqa: E731
    np.testing.assert_array_equal(bp.grad(f)(x), slope)
    np.testing.assert_array_equal(bp.jvp(f, (x,), (1.0,))[1], slope)
    np.testing.assert_array_equal(bp.compile(bp.grad(f))(np.array(x)), slope)


@pytest.mark.parametrize(
    "height", [complex(-np.inf, 0), complex(1, np.inf), complex(np.inf, -np.inf), complex(np.nan, 1)]
)
def test_complex_heights_that_are_not_finite_in_one_part(height: complex) -> None:
    heights = np.array([1.0, height, 2.0])
    x = np.array([0.5, 1.0, 1.5, 7.0])
    found, pullback = bp.vjp(lambda x: np.interp(x, [0.0, 1.0, 5.0], heights), x)
    np.testing.assert_array_equal(found, np.interp(x, [0.0, 1.0, 5.0], heights))
    assert pullback(np.array([0, 0, 0, 1j]))[0][-1] == 0
