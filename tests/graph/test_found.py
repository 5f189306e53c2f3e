"""Forms that public code uses and that were found there: each against NumPy's value and differences."""

from __future__ import annotations

import cmath
import itertools
import math
import statistics
from cmath import sqrt as complex_root
from typing import Any

import numpy as np
import pytest

import backpass as bp

X = np.array([0.7, -1.3, 0.4])
DATA = np.array([1.0, 2.0, 3.0])


def roots(x):
    d = complex_root(x[0] ** 2 - 4 * x[1] * x[2] - 9)
    r = (-x[0] + d) / 2
    return abs(r) + r.imag


def logarithms(x):
    turned = (cmath.log(x[1]) * cmath.exp(1j * x[0])).real
    return turned + abs(cmath.log(x[0] + 1j * x[2], 2)) + cmath.log10(x[1]).imag * x[0]


OF_ONE = "sin cos tan sinh cosh tanh asin acos atan asinh acosh atanh"


def complex_functions(x):
    z = complex(x[0], x[1])
    return sum((getattr(cmath, name)(z) * complex(x[2], 1)).real for name in OF_ONE.split())


def polar(x):
    r, phi = cmath.polar(complex(x[0], x[1]))
    z = cmath.rect(r * x[2], phi**2)
    return z.real + z.imag**2 + cmath.phase(z) * x[0] + abs(z)


def rounded(x):
    n = round(x[1])
    assert isinstance(n, int)
    return x[0] * n + round(x[2], 1) * 0 + [1, 2, 3][round(x[0])] * x[2] + (n & 1) * x[1]


def negative_base(x):
    v = float(x[1]) ** 2.4
    w: Any = float(x[1]) ** float(x[0])
    return abs(v) + v.real + w.real * float(x[2]) + w.imag


def filled(x):
    out = np.full_like(x, -3.0)
    out[1:] = x[:2]
    more = np.full_like(x, [1, 2, 3])
    more[0] = x[0]
    return np.sum(out * more * x) + np.sum(np.full_like(x, [x[0], x[1], 2.0]) * x)


def ranges(x):
    return (
        np.sum(np.arange(x[1], 1.0, x[2]) ** 2)
        + np.sum(np.arange(x[0]) * x[1])
        + np.sum(np.arange(x[1], 2.0) * x[0])
        + np.sum(np.arange(0.1, stop=0.3, step=x[0]) * x[1])
        + np.arange(x[2], x[2] + 0.1).sum()
    )


def spelled_otherwise(x):
    same = np.sin(x).view(np.ndarray) * np.array(x, copy=np._CopyMode.IF_NEEDED)
    return np.sum(same + np.clip(x, -1, 1, casting="no"))


def until_it_is_definite(x):
    a = np.array([[x[0], x[1]], [x[1], x[2]]])
    for k in range(10):
        try:
            return np.linalg.cholesky(a + k * np.eye(2))[1, 0]
        except np.linalg.LinAlgError:
            continue
    raise AssertionError


def singular(x):
    try:
        return np.linalg.inv(np.outer(x, x) * 0).sum()
    except np.linalg.LinAlgError:
        return np.sum(x**2)


def grids(x):
    a, b = np.meshgrid(10.0 ** (x[0] / 20.0), np.radians(np.linspace(0, 3, 4)))
    c, d = np.meshgrid(np.arange(3.0), x[1] * np.ones(2), sparse=True)
    return np.sum(a * b) + np.sum(c * d) + np.flip(x[0]) * np.sum(np.broadcast_to(np.ones(3), (3,)) * x)


def one_bin(x):
    counts, edges = np.histogram(x[0], bins=4)
    both = np.histogram(x[:2], bins=3)[1]
    return np.sum(edges * np.arange(5)) + np.sum(counts * x[1]) + np.sum(both**2)


def whole_numbers_at(x):
    counts = np.zeros(3, int)
    np.add.at(counts, [0, 0, 1], x + 1.2)
    np.subtract.at(counts, [2, 2, 2], np.abs(x) + 0.63)
    return np.sum(counts * x)


def flattened(x):
    rows = np.outer(x, x)
    entries = np.array(rows.flat)
    return (
        np.dot(rows.flat, rows.T.flat) + np.sum(np.sin(rows.flat)) + entries[2] + np.max(rows.flat.copy()) + x.flat[1]
    )


def together(x):
    pairs = np.broadcast(x, np.ones((2, 1)))
    total = sum(a * b * pairs.index for a, b in pairs)
    return total * pairs.size + x[0] * len(pairs.shape) * pairs.nd


def parts_apart(x):
    z = x + 0j
    z.imag[1] = np.inf
    z.imag += [0.5, 0.0, np.nan]
    z.real *= x
    return np.sum(z.real * x) + z.imag[0] * x[0]


def by_turns(x):
    whole, rest = divmod(7.0, x[2])
    assert x[1] in np.outer(x, np.ones(2))
    assert 9.0 not in np.outer(x, x)
    held = x.conj(np.zeros(3)) * 2 + x.flat.__array__()
    falling = np.digitize(x, [0.6, 0.5, -1.2]) + 4 * np.digitize(x, [0.6, 0.5, -1.2], right=True)
    return rest * whole + np.sum(held * falling) + np.linalg.norm(x[:0], np.inf)


def along_other_axes(x):
    rows, columns = np.outer(x, x), np.outer(np.sin(x), x)
    total = np.sum(np.vecdot(rows, x, axis=0) * x) + np.sum(np.vecdot(rows, columns, keepdims=True) * rows)
    total += np.sum(np.matmul(rows, columns, axes=[(1, 0), (0, 1), (1, 0)]) * rows)
    return total + np.sum(np.vecdot(rows, x, axes=[0, 0, ()]) ** 2) + np.sum(np.kaiser(5, x[0]) * np.arange(5))


def signs_of_infinities(x):
    z = np.array([complex(np.inf, 0), complex(0, -np.inf), 0]) + x
    return np.sum(np.sign(z).real * x) + np.sum(np.sign(z).imag)


class Cell:
    def __init__(self, sides):
        self.sides = np.zeros(3)
        self.sides[:] = sides

    def __array__(self, dtype=None, copy=None):
        return self.sides


def wrapped(x):
    outer, plain = Cell(x), Cell(1.0)
    return np.sum(np.asarray(outer) ** 2) + np.dot(outer, x) + np.sum(np.array(plain) * x)


def shaped(x):
    rows = np.outer(x, x[:2]).reshape(np.sort(np.array([3, 2])))
    return np.sum(rows[0] * x) + np.sum(rows.ravel()[:4])


class Place:
    def __init__(self, place):
        self.place = place

    def __index__(self):
        return self.place


def compared_with_nothing(x):
    made = np.ones(3)
    assert not (x == None).any()  # noqa: E711
    assert (made != None).all()  # noqa: E711
    return x[Place(1)] * np.sum(made)


def drawn_into(x):
    rng = np.random.default_rng(3)
    noise, mixed = np.zeros(3), np.empty((2, 3))
    rng.standard_normal(out=noise)
    mixed[0] = x
    rng.random(out=mixed)
    return np.sum(noise * x) + np.sum(mixed * x)


def counted(x):
    counts = DATA.astype(np.float16)
    np.add.at(counts, np.array([0, 0, 2]), 1.0)
    sums = np.add.reduceat(x, np.array([0, 2])), np.add.reduceat(x, np.zeros(0, int))
    some = np.fromiter((v * v for v in itertools.cycle(x)), float, 5)
    close = np.sum(np.isclose(x, 0.7, atol=x[0]))
    return np.sum(counts * x) * close + np.sum(sums[0] ** 2) + np.sum(sums[1]) + np.sum(some)


def of_nothing(x):
    double = np.vectorize(lambda v: v * v, otypes=[float])
    return np.sum(double(x)) + np.sum(double(x[:0]))


def of_a_plane(x):
    y = np.array([[1.0, 2.0], [0.5, -3.0]])
    return np.sum(np.cross(x, y)) + np.cross(x[:2], y[1]) * x[2] + np.sum(np.cross(x[1:], x))


def moved(x, axes=range(2), combine=np.subtract):
    rows = np.moveaxis(np.outer(x, x[:2]), axes, reversed_axes(axes))
    sign = -1 if combine is np.subtract else 1
    return np.sum(np.cumsum(rows, axis=1)) * sign + np.sum(np.convolve(x, x, 1)) + np.convolve(x[0], x)[1]


def reversed_axes(axes):
    return range(len(axes) - 1, -1, -1)


def kept_as_arrays(x):
    windows = np.lib.stride_tricks.as_strided(x, (2, 2), (8, 8))
    windows.setflags(write=False)
    number = np.broadcast_to(x[0], ())[..., np.newaxis]
    same = (x.flat == x) & (np.outer(x, x).flat != np.zeros(9))[:3]
    return np.sum(windows**2) + np.sum(number * x * same) + np.sum(np.concatenate([x.flat, np.sin(x)]) ** 2)


def across(x):
    return np.sum(np.cross(np.sqrt(x * [1.0, 0.0, 1.0] + [0.0, 0.0, 1.0]), [0.0, 1.0, 0.0]) * x)


def parts_of_numbers(x):
    rest, whole = math.modf(x[0] * 3.3)
    mantissa, exponent = math.frexp(x[1])
    assert isinstance(exponent, int)
    return rest * x[2] + whole * x[1] + mantissa * exponent * x[2]


VALUES_NEEDED = (
    rounded,
    parts_of_numbers,
    negative_base,
    one_bin,
    whole_numbers_at,
    ranges,
    until_it_is_definite,
    singular,
    counted,
    by_turns,
    signs_of_infinities,
)
"""What a compiled function refuses or, for lack of values, computes as NumPy's types do."""


FORMS = (
    flattened,
    together,
    compared_with_nothing,
    drawn_into,
    of_nothing,
    of_a_plane,
    moved,
    across,
    kept_as_arrays,
    wrapped,
    shaped,
    parts_apart,
    along_other_axes,
)


@pytest.mark.filterwarnings("ignore:Arrays of 2-dimensional vectors:DeprecationWarning")
@pytest.mark.parametrize(
    "function",
    [roots, logarithms, complex_functions, polar, filled, grids, spelled_otherwise, *FORMS, *VALUES_NEEDED],
)
def test_forms_that_public_code_uses(function):
    value, gradient = bp.value_and_grad(function)(X)
    assert value == function(X)
    slopes = [(function(X + 1e-6 * e) - function(X - 1e-6 * e)) / 2e-6 for e in np.eye(3)]
    np.testing.assert_allclose(gradient, slopes, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(bp.jvp(function, (X,), (np.ones(3),))[1], np.sum(gradient), rtol=1e-12)

    def along(x):
        return np.sum(bp.grad(function)(x))

    curved = [(along(X + 1e-6 * e) - along(X - 1e-6 * e)) / 2e-6 for e in np.eye(3)]
    np.testing.assert_allclose(bp.grad(along)(X), curved, rtol=1e-6, atol=1e-7)
    if function not in VALUES_NEEDED:
        np.testing.assert_allclose(bp.compile(bp.grad(function))(X), gradient, rtol=1e-12)


def test_a_matrix_that_has_no_solution_is_an_error_of_linear_algebra_with_the_line():
    with pytest.raises(np.linalg.LinAlgError, match=r"not positive definite(?s:.*)cholesky\(-np.outer") as caught:
        bp.grad(lambda x: np.linalg.cholesky(-np.outer(x, x))[0, 0])(X)
    assert isinstance(caught.value, bp.errors.ShapeError)


def test_complex_constants_in_a_graph():
    def f(x):
        return (np.exp(1j * x) * (1 + 0j) + 0j).real

    np.testing.assert_allclose(bp.compile(bp.grad(f))(0.3), -np.sin(0.3))


def test_a_subclass_of_ndarray_is_refused():
    class Plain(np.ndarray):
        pass

    with pytest.raises(bp.errors.TracingError, match=r"view\(Plain\).*subclass of ndarray"):
        bp.grad(lambda x: np.sum(x.view(Plain)))(X)
    with pytest.raises(bp.errors.TracingError, match="Masked arrays are not traced"):
        bp.grad(lambda x: np.ma.array(x, mask=[0, 1, 0]).sum())(X)


def test_a_library_that_is_not_followed_is_named_with_the_users_line():
    metrics = pytest.importorskip("sklearn.metrics")
    for loss in (lambda x: metrics.mean_squared_error(np.ones(3), x), lambda x: statistics.fmean(x)):
        with pytest.raises(bp.errors.TracingError, match=r"A trace does not follow (sklearn|statistics)") as caught:
            bp.grad(loss)(X)
        assert "metrics.mean_squared_error(" in str(caught.value) or "statistics.fmean would lose" in str(caught.value)
        assert __file__ in str(caught.value)


def test_a_reference_to_scipy_is_named():
    stats = pytest.importorskip("scipy.stats")
    held = {"cdf": stats.norm.cdf}
    with pytest.raises(bp.errors.TracingError, match="SciPy's cdf was reached by a reference"):
        bp.grad(lambda x: held["cdf"](x[0]))(X)


def test_memory_that_is_closed_in_the_middle_of_a_trace_is_refused():
    def closed(x):
        y = x * 2
        y.setflags(write=False)
        return np.sum(np.require(y, requirements="W"))

    with pytest.raises(bp.errors.TracingError, match=r"setflags\(write=False\)"):
        bp.grad(closed)(X)


def test_a_users_setting_of_errors_stays_in_the_backward_pass():
    found = []

    def backward(g, out, x):
        found.append((np.geterrcall(), np.geterr()["divide"]))
        return g

    rule = bp.custom_rule(vjp=backward)(lambda x: x * 1.0)
    before = np.seterrcall(print)
    try:
        bp.grad(rule)(2.0)
        with np.errstate(divide="call"):
            bp.grad(rule)(2.0)
    finally:
        np.seterrcall(before)
    assert found == [(print, "ignore")] * 2
