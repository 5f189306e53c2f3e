"""Code that fills arrays and writes in place, unchanged: NumPy's values, and derivatives of both modes and orders."""

from __future__ import annotations

import importlib
import math
import math as mathematics
import pickle
import sys
import threading
import warnings
from math import sqrt
from typing import Any

import numpy as np
import numpy.linalg as la
import pytest
from numpy import empty, zeros

import backpass as bp
from backpass.graph.errors import TracingError

X = np.array([0.7, 1.3, 0.4, 1.9])
M = np.array([[2.0, 0.3, 0.5], [0.1, 1.5, 0.4], [0.6, 0.2, 1.8]])

FORMS: dict[str, tuple[Any, Any]] = {}


def form(argument: Any, name: str | None = None) -> Any:
    def enter(function: Any) -> Any:
        FORMS[name or function.__name__] = function, argument
        return function

    return enter


# ---- filling
@form(X)
def loop_fill(x):
    out = np.zeros(len(x))
    for i in range(len(x)):
        out[i] = x[i] ** 2 * i
    return np.sum(out * x)


@form(X)
def fill_by_name(x):
    out = zeros(4)
    other = empty(4)
    for i, v in enumerate(x):
        out[i] = v * v
        other[-1 - i] = out[i] + 1
    return np.dot(out, other)


@form(X)
def fill_rows(x):
    out = np.zeros((4, 4))
    for i in range(4):
        out[i] = x * x[i]
        out[i, i] += 1.0
    return np.sum(np.sin(out))


@form(X)
def fill_columns_and_slices(x):
    out = np.empty_like(x, shape=(4, 3))
    out[:, 0] = x
    out[:, 1] = out[:, 0] * 2
    out[..., 2] = 1.0
    out[1:3, :2] *= x[:2, None]
    return np.sum(out**2)


@form(X)
def full_of_a_value(x):
    a = np.full(3, x[0])
    b = np.full_like(x, x[1] * 2)
    a[1] = x[2]
    b[0] += a[1]
    return np.prod(a) + np.sum(b**2)


@form(X)
def arrays_of_values(x):
    rotation = np.array([[np.cos(x[0]), -np.sin(x[0])], [np.sin(x[0]), np.cos(x[0])]])
    point = np.array([x[1], x[2]])
    nested = np.array([[[x[0], 1.0], [2, x[3]]]])
    more = np.asarray([x[0], x[0] * x[1]]) + np.array([0.5, x[2]], dtype=float)
    return np.sum(rotation @ point * more) + np.sum(nested**3)


@form(X)
def lists_for_arrays(x):
    a, b, c, d = x
    return (
        np.sum([a, b * c])
        + np.max([a, d])
        + np.mean([[a, b], [c, d]])
        + la.norm([a, b, c])
        + np.dot([a, b], [c, d])
        + np.sum(np.sin([a, b]))
        + np.sum(np.concatenate([[a, b], x, [c]]) ** 2)
        + np.linalg.det([[a, b], [c, d]])
    )


@form(X)
def generated(x):
    return np.sum(np.fromiter((v * v for v in x), float) * np.array(list(x)))


@form(X)
def copies(x):
    constant = np.array([1.0, 2.0, 3.0, 4.0])
    a = constant.copy()
    b = np.copy(a)
    c = a * 2
    a[0] = x[0]
    b[1] = x[1] * a[0]
    c[2:] = x[2:]
    return np.sum(a * b * c) + np.sum(constant)


@form(X)
def numbers_of_math(x):
    total = 0.0
    for v in x:
        total += math.sin(v) * math.exp(-v) + mathematics.atan2(v, 2.0) + sqrt(v) + math.pow(v, 1.5)
    return total + math.log(x[0], 3) + math.hypot(x[0], x[1]) + math.fsum(x) + math.prod(x) + math.dist(x[:2], x[2:])


@form(0.8)
def number_of_math(x):
    return math.tanh(x) * math.log1p(x) + math.fabs(-x) * math.degrees(x) + math.floor(x) * x + math.erf(x)


# ---- accumulation, recurrences, dynamic programming
@form(X)
def histogram(x):
    counts = np.zeros(3)
    for k, v in zip([0, 2, 0, 1], x, strict=True):
        counts[k] += v**2
    return np.sum(counts**2 * np.arange(1, 4))


@form(X)
def add_at(x):
    sums = np.zeros(3)
    np.add.at(sums, [0, 2, 0, 1], x**2)
    np.subtract.at(sums, np.array([1, 1]), x[:2])
    return np.sum(sums**3)


@form(X)
def recurrence(x):
    y = np.empty(6)
    y[0], y[1] = x[0], x[1]
    for n in range(2, 6):
        y[n] = x[2] * y[n - 1] + x[3] * y[n - 2] ** 2
    return y[-1]


@form(X)
def state_rows(x):
    h = np.zeros((5, 2))
    for t in range(1, 5):
        h[t] = np.tanh(h[t - 1] * x[:2] + x[2:] * t)
    return np.sum(h**2)


@form(X)
def in_place_cumulative_product(x):
    for i in range(1, len(x)):
        x[i] *= x[i - 1]
    return np.sum(x)


@form(np.array([[1.0, 3.1, 1.2], [1.7, 5.3, 1.4], [4.5, 2.6, 1.1]]))
def cheapest_path(cost):
    best = np.zeros_like(cost)
    best[0, 0] = cost[0, 0]
    for i in range(1, 3):
        best[i, 0] = best[i - 1, 0] + cost[i, 0]
        best[0, i] = best[0, i - 1] + cost[0, i]
    for i in range(1, 3):
        for j in range(1, 3):
            best[i, j] = np.minimum(best[i - 1, j], best[i, j - 1]) + cost[i, j] ** 2
    return best[-1, -1]


# ---- stencils, elimination, rows
@form(X)
def stencil(x):
    u = np.zeros(6)
    u[1:-1] = x
    for _ in range(3):
        u[1:-1] += 0.2 * (u[2:] - 2 * u[1:-1] + u[:-2])
    return np.sum(u**2)


@form(X)
def gauss_seidel(x):
    u = np.concatenate([[0.0], x, [1.0]])
    for _ in range(2):
        for i in range(1, 5):
            u[i] = 0.5 * (u[i - 1] + u[i + 1])
    return np.sum(u**2)


@form(M)
def gauss(a):
    n = len(a)
    b = np.arange(1.0, n + 1)
    for i in range(n):
        b[i] /= a[i, i]
        a[i] /= a[i, i].copy()
        for j in range(i + 1, n):
            b[j] -= a[j, i] * b[i]
            a[j] -= a[j, i] * a[i]
    for i in range(n - 1, -1, -1):
        b[i] -= a[i, i + 1 :] @ b[i + 1 :]
    return np.sum(b**2)


@form(M @ M.T)
def cholesky(a):
    n = len(a)
    lower = np.zeros((n, n))
    for j in range(n):
        lower[j, j] = np.sqrt(a[j, j] - np.sum(lower[j, :j] ** 2))
        for i in range(j + 1, n):
            lower[i, j] = (a[i, j] - lower[i, :j] @ lower[j, :j]) / lower[j, j]
    return np.sum(lower * np.arange(1.0, 10.0).reshape(3, 3))


@form(M)
def swapped_rows(a):
    a[[0, 2]] = a[[2, 0]]
    a[:, [0, 1]] = a[:, [1, 0]]
    return np.sum(a * np.arange(9.0).reshape(3, 3) ** 2)


@form(M)
def rows_swapped_through_views(a):
    a[0], a[1] = a[1], a[0].copy()
    return np.sum(a**2 * np.arange(9.0).reshape(3, 3))


# ---- masks
@form(X)
def masks(x):
    y = x * 2
    y[y > 2] = 0.5
    z = np.zeros(4)
    z[x > 1] = x[x > 1] ** 2
    z[np.array([True, False, False, True])] += y[:2]
    return np.sum(y * x) + np.sum(z**2)


@form(X)
def masks_of_rows(x):
    out = np.outer(x, x)
    out[x > 1] *= 0.1
    out[out > 0.5] = x[0]
    return np.sum(out**2)


# ---- views
@form(M)
def views_of_views(a):
    b = a * 1.0
    corner = b[1:, :2]
    column = corner.T[1]
    column[0] = 5 * b[0, 0]
    flat = b.reshape(-1)
    flat[::2] *= 2
    b.ravel()[1] = column[1] ** 2
    np.swapaxes(b, 0, 1)[2, 0] += corner[0, 0]
    return np.sum(b**2) + np.sum(corner) + np.sum(column) * flat[8]


@form(X)
def aliases(x):
    y = x
    z = y[::-1]
    y += 1.0
    z[0] = y[1] * 2
    w = y.copy()
    w *= 3.0
    return np.sum(x * np.arange(4.0)) + np.sum(z**2) + np.sum(w)


@form(M)
def diagonals(a):
    d = np.diagonal(a)
    np.fill_diagonal(a, d**2)
    e = np.einsum("ii->i", a)
    e += 1.0
    return np.sum(d) * np.sum(a**2) + np.diag(a, 1).sum()


@form(M)
def written_flat(a):
    a.flat[4] = a.flat[0] * 2
    a.flat[6:] = [a[0, 0], a[0, 1], 1.0]
    np.put(a, [1, -2], a[2, 2] ** 2)
    return np.sum(a**2)


@form(X)
def methods(x):
    y = x * 1.0
    y.sort()
    z = np.empty(4)
    z.fill(x[0])
    z.put([0, 2], y[1:3] ** 2)
    np.copyto(z, y * 2, where=np.array([False, True, False, False]))
    np.multiply(z, y, out=z)
    return np.sum(y * np.arange(4.0)) + np.sum(z**3)


@form(X)
def array_without_axes(x):
    total = np.zeros(())
    same = total
    for v in x:
        total += v**2
    total[...] *= 2
    return same * x[0]


def helper_that_fills(out, x):
    out[0] = x[0] * 2
    out[1:] = x[1:] ** 2


@form(X)
def through_a_helper(x):
    out = np.ones(4)
    helper_that_fills(out, x)
    helper_that_fills(out[::-1], out[::-1])
    return np.sum(out * x)


def numpys_value(function, x):
    return function(x.copy() if isinstance(x, np.ndarray) else x)


STEP = 1e-6


def shifted(x, place, step):
    if not isinstance(x, np.ndarray):
        return x + step
    y = x.copy()
    y[place] += step
    return y


def slopes(function, x):
    places = list(np.ndindex(np.shape(x)))
    found = [(function(shifted(x, p, STEP)) - function(shifted(x, p, -STEP))) / (2 * STEP) for p in places]
    return np.array(found).reshape(np.shape(x) + np.shape(found[0]))


@pytest.mark.parametrize("name", FORMS)
def test_forms(name):
    function, x = FORMS[name]
    before = np.array(x)
    wanted = numpys_value(function, x)
    value, gradient = bp.value_and_grad(function)(x)
    assert value == wanted
    assert np.array_equal(x, before)
    reference = slopes(function, x)
    np.testing.assert_allclose(gradient, reference, rtol=1e-7, atol=1e-7)
    v = np.cos(1.0 + np.arange(np.size(x))).reshape(np.shape(x))[()]
    np.testing.assert_allclose(bp.jvp(function, (x,), (v,))[1], np.sum(gradient * v), rtol=1e-12)
    second = slopes(bp.grad(function), x)
    np.testing.assert_allclose(bp.hessian(function)(x), second, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(bp.jacobian(bp.grad(function), mode="reverse")(x), second, rtol=1e-6, atol=1e-6)


READS_VALUES = {"masks", "masks_of_rows", "number_of_math"}
"""A mask that selects entries, and math.floor as a whole number: refused while a function is compiled."""


@pytest.mark.parametrize("name", sorted(set(FORMS) - READS_VALUES))
def test_forms_while_compiled(name):
    function, x = FORMS[name]
    fast = bp.compile(bp.value_and_grad(function))
    wanted = bp.value_and_grad(function)(x)
    np.testing.assert_allclose(fast(x)[0], wanted[0], rtol=1e-14)
    np.testing.assert_allclose(fast(x)[1], wanted[1], rtol=1e-12, atol=1e-13)
    graph = bp.trace(function, x)
    np.testing.assert_allclose(bp.Graph.from_json(graph.to_json())(x), wanted[0], rtol=1e-14)


def test_a_mask_for_one_value_is_compiled():
    def f(x):
        x[x > 1] = 0.5
        x[x < 0.5] = x[0]
        return np.sum(x**2)

    np.testing.assert_allclose(bp.compile(bp.grad(f))(X), bp.grad(f)(X))
    with pytest.raises(TracingError, match="shape depends on the values"):
        bp.compile(lambda x: masks(x))(X)


# ---- structural zeros
def test_what_was_written_over_is_a_structural_zero():
    def f(x):
        y = np.sqrt(x)
        y[0] = 1.0
        y[[1]] = x[3]
        return np.sum(y)

    x = np.array([0.0, 0.0, 4.0, 9.0])
    assert np.array_equal(bp.grad(f)(x), [0.0, 0.0, 0.25, 1 / 6 + 1])
    np.testing.assert_allclose(bp.jvp(f, (x,), (np.ones(4),))[1], 0.25 + 1 / 6 + 1, rtol=1e-15)
    with np.errstate(all="ignore"):
        assert np.array_equal(bp.compile(bp.grad(f))(x), bp.grad(f)(x))

    def masked(x):
        y = np.zeros(4)
        y[x > 0] = np.sqrt(x)[x > 0]
        return np.sum(y)

    assert np.array_equal(bp.grad(masked)(x), [0.0, 0.0, 0.25, 1 / 6])


def test_of_several_writes_to_one_place_the_last_counts():
    def f(x):
        y = np.zeros(2)
        y[[0, 0, 1]] = x
        return y @ np.array([3.0, 5.0])

    assert np.array_equal(bp.grad(f)(np.ones(3)), [0.0, 3.0, 5.0])
    assert np.array_equal(bp.compile(bp.grad(f))(np.ones(3)), [0.0, 3.0, 5.0])


# ---- linear in the number of writes
def test_filling_makes_one_node_for_all_entries():
    def f(x):
        out = np.zeros(300)
        for i in range(1, 300):
            out[i] = out[i - 1] + x
        return np.sum(out)

    names = [node.op.name for node in bp.trace(f, 0.5).nodes]
    assert names.count("setitem") == 1
    assert bp.grad(f)(0.5) == sum(range(300))


def made_by_a_default(x, make=np.zeros):
    out = make(3)
    out[:] = x[:3]
    return out.sum()


def test_a_function_of_numpy_that_is_held_by_a_default():
    assert np.array_equal(bp.grad(made_by_a_default)(X), np.arange(X.size) < 3)
    assert np.array_equal(bp.compile(bp.grad(made_by_a_default))(X), np.arange(X.size) < 3)
    assert made_by_a_default.__defaults__ == (np.zeros,)


# ---- refused, never wrong
OUTSIDE = np.zeros(3)


def into_a_global(x):
    OUTSIDE[0] = x[0]
    return np.sum(OUTSIDE)


def into_an_argument(x, buffer):
    buffer[1] = x[0]
    return np.sum(buffer)


def held_float(x, number=float):
    return number(x[0]) * x[1]


def written_read_only(x):
    np.diagonal(np.outer(x, x))[0] = 1.0
    return x[0]


def method_of_a_plain_array(x):
    return OUTSIDE.dot(x[:3])


@pytest.mark.parametrize(
    "function",
    [
        into_a_global,
        lambda x: into_an_argument(x, np.zeros(3) if False else OUTSIDE),
        held_float,
    ],
)
@pytest.mark.parametrize("way", [bp.grad, lambda f: bp.compile(bp.grad(f))])
def test_what_cannot_be_followed_is_refused(function, way):
    with pytest.raises(TracingError):
        way(function)(X)
    assert np.array_equal(OUTSIDE, np.zeros(3))


def test_a_read_only_view_is_not_written_to():
    with pytest.raises(ValueError, match="read-only"):
        bp.grad(written_read_only)(X)
    with pytest.raises(ValueError, match="read-only"):
        bp.grad(lambda x: np.broadcast_to(x, (2, 4)).fill(0.0))(X)


def test_a_reshape_that_may_be_a_view_is_refused_when_that_matters():
    def f(x):
        flat = x.reshape(-1)
        x *= 2.0
        return np.sum(flat * np.arange(8.0))

    x = np.arange(16.0).reshape(4, 4)[::2]
    assert np.array_equal(bp.grad(f)(x), np.arange(8.0).reshape(2, 4))  # a copy: the array does not lie in one piece
    with pytest.raises(TracingError, match="Whether they share memory"):
        bp.compile(bp.grad(f))(x)
    assert np.array_equal(bp.compile(bp.grad(f))(x.copy()), 2 * np.arange(8.0).reshape(2, 4))
    assert np.array_equal(bp.compile(bp.grad(f))(np.asfortranarray(x)), np.arange(8.0).reshape(2, 4))


def test_errors_of_assignment_are_numpys():
    for call, kind in (
        (lambda x: x.__setitem__(7, 1.0), IndexError),
        (lambda x: x.__setitem__(slice(0, 2), x[:3]), ValueError),
        (lambda x: x.__setitem__(0, x[:2]), ValueError),
        (lambda x: x[0].__setitem__(0, 1.0), TypeError),
        (lambda x: x.__setitem__(1.5, 1.0), IndexError),
    ):
        with pytest.raises(kind):
            bp.grad(lambda x, call=call: [call(x), np.sum(x)][1])(X)


def test_values_are_cast_as_numpy_casts_them():
    def f(x):
        whole = np.zeros(3, int)
        whole[0] = x[3] * 2
        whole[1] = 1.7
        single = np.zeros(2, np.float32)
        single[0] = x[0]
        return np.sum(whole) * x[1] + np.sum(single)

    value, gradient = bp.value_and_grad(f)(X)
    assert value == f(X)
    np.testing.assert_allclose(gradient, [1.0, 4.0, 0.0, 0.0])


# ---- the user's modules
def state_of_modules():
    return [(id(globals), name, id(value)) for globals in (globals_of_this(),) for name, value in globals.items()]


def globals_of_this():
    return globals()


def test_modules_are_as_they_were():
    real = np, zeros, math, mathematics, sqrt, la

    def seen(x):
        assert (np, zeros, math, sqrt, la) != real
        assert isinstance(x, np.ndarray)
        assert isinstance(np.zeros(2), np.ndarray)
        assert not isinstance(x[0], np.ndarray)
        assert np.zeros(3).dtype == np.float64
        assert x.dtype in (np.float32, np.float64)
        assert issubclass(np.float32, np.floating)
        assert np.pi == math.pi
        assert repr(np.add) is not None
        return np.sum(x)

    before = state_of_modules()
    bp.grad(seen)(X)
    bp.trace(seen, X)
    for way in (bp.grad, lambda f: bp.compile(f)):
        with pytest.raises(ZeroDivisionError):
            way(lambda x: np.sum(x) / (1 // 0))(X)
    assert state_of_modules() == before
    assert all(a is b for a, b in zip((np, zeros, math, mathematics, sqrt, la), real, strict=True))
    assert np is sys.modules["numpy"]


def test_a_module_that_is_imported_meanwhile(tmp_path, monkeypatch):
    (tmp_path / "traced_meanwhile_a.py").write_text("import numpy as np\nfrom numpy import zeros\n")
    (tmp_path / "traced_meanwhile_b.py").write_text("from traced_meanwhile_a import np, zeros\nmake = zeros\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    first = importlib.import_module("traced_meanwhile_a")

    def f(x):
        assert first.np is not sys.modules["numpy"]
        importlib.import_module("traced_meanwhile_b")
        return np.sum(x)

    bp.grad(f)(X)
    second = sys.modules.pop("traced_meanwhile_b")
    sys.modules.pop("traced_meanwhile_a")
    assert second.np is np
    assert second.zeros is np.zeros
    assert second.make is np.zeros


def test_a_module_gets_no_name_that_it_does_not_ask_for(tmp_path, monkeypatch):
    (tmp_path / "traced_plain.py").write_text("import numpy as np\ndef f(x):\n    return np.sum(x), len(globals())\n")
    (tmp_path / "traced_asking.py").write_text(
        "import numpy as np\ndef f(x):\n    return np.sum(x) * (2 if isinstance(x[0], float) else 3)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    plain, asking = importlib.import_module("traced_plain"), importlib.import_module("traced_asking")
    names = len(vars(plain))
    assert bp.value_and_grad(plain.f, has_aux=True)(X)[0][1] == names
    np.testing.assert_array_equal(bp.grad(asking.f)(X), np.full(4, 2.0))
    assert "isinstance" not in vars(asking)
    del sys.modules["traced_plain"], sys.modules["traced_asking"]


def test_code_without_a_module():
    scope: dict[str, Any] = {"bp": bp}
    exec("import numpy as np\ndef f(x):\n    y = np.zeros(2)\n    y[0] = x\n    return np.sum(y)\n", scope)
    assert bp.grad(scope["f"])(1.0) == 1.0
    exec("g = bp.grad(lambda x: np.array([x, x]).sum())(1.0)", scope)
    assert scope["g"] == 2.0
    assert scope["np"] is np


def test_threads_fill_while_others_use_numpy():
    wrong: list[BaseException] = []
    stop = threading.Event()
    graph = bp.value_and_grad(loop_fill)
    wanted = graph(X)

    def traces():
        try:
            for k in range(60):
                if k % 3 == 2:
                    with pytest.raises(ZeroDivisionError):
                        bp.grad(lambda x: np.zeros(1)[0] + x[0] / (1 // 0))(X)
                value, gradient = graph(X)
                assert value == wanted[0]
                assert np.array_equal(gradient, wanted[1])
        except BaseException as error:
            wrong.append(error)

    def computes():
        try:
            while not stop.is_set():
                out = np.zeros(3)
                assert type(out) == np.ndarray  # noqa: E721  (whichever of the two stands there at this moment)
                assert out.__class__ is sys.modules["numpy"].ndarray
                out[1] = math.sin(0.5) + sqrt(2.0)
                assert isinstance(np.array([out[1], 2.0]).sum(), float)
                assert isinstance(out, np.ndarray)
        except BaseException as error:
            wrong.append(error)

    others = [threading.Thread(target=computes) for _ in range(2)]
    tracing = [threading.Thread(target=traces) for _ in range(4)]
    for thread in (*others, *tracing):
        thread.start()
    for thread in tracing:
        thread.join()
    stop.set()
    for thread in others:
        thread.join()
    assert not wrong, wrong[0]
    assert np is sys.modules["numpy"]
    assert zeros is np.zeros


class CPUDispatcher:
    """What a global looks like that numba has compiled."""

    def __init__(self, function):
        self.py_func = function
        self.__name__ = function.__name__

    def __call__(self, *args):
        assert not any(hasattr(a, "node") for a in args)
        return self.py_func(*args)


def _cubed(v):
    return v**3


cubed = CPUDispatcher(_cubed)


def test_a_function_that_numba_compiled_is_refused_with_a_way_out():
    with pytest.raises(TracingError, match=r"compiled by numba(.|\n)*py_func"):
        bp.grad(lambda x: np.sum(cubed(x)))(X)
    assert np.array_equal(bp.grad(lambda x: np.sum(x) * np.sum(cubed(np.ones(2))))(X), np.full(4, 2.0))
    np.testing.assert_allclose(bp.grad(lambda x: np.sum(_cubed(x)))(X), 3 * X**2)


# ---- what depends on no argument stays plain
def test_plain_values_stay_plain():
    def f(x):
        grid = np.linspace(0.0, 1.0, 5)
        assert float(grid[1]) == 0.25
        assert math.sin(grid[2]) == math.sin(0.5)
        assert grid.sum() == 2.5
        assert (grid > 0.5).any()
        assert np.interp(0.3, grid, grid**2) > 0
        assert np.histogram(grid, 2)[0].tolist() == [2, 3]
        part = grid[1:3]
        part[0] = 7.0
        assert grid[1] == 7.0
        assert np.asarray(grid) is grid
        assert len(grid.tobytes()) == 40
        grid.sort()
        grid[0] = x[0]
        part += x[1]
        return np.sum(grid * x[2]) + np.sum(part)

    value, gradient = bp.value_and_grad(f)(X)
    assert value == f(X)
    np.testing.assert_allclose(gradient, slopes(f, X), rtol=1e-7)


def test_a_buffer_that_was_read_may_be_written_again():
    def f(x):
        buffer, total = np.zeros(3), 0.0
        for k in range(3):
            buffer[:] = k + 1.0
            total += np.sum(x[:3] * buffer)
            view = buffer[1:]
            view *= 2.0
            total += np.sum(x[:2] * view) * x[3]
        buffer[0] = x[0]
        return total + buffer[0]

    assert bp.value_and_grad(f)(X)[0] == f(X)
    np.testing.assert_allclose(bp.grad(f)(X), slopes(f, X), rtol=1e-7)


def test_results_are_plain_arrays():
    def f(x):
        out = np.zeros(3)
        out[1] = 2.0
        return np.sum(x), {"out": out, "value": np.eye(2)}

    (_, aux), _ = bp.value_and_grad(f, has_aux=True)(X)
    assert type(aux["out"]) is np.ndarray
    assert aux["out"].flags.writeable
    assert type(bp.vjp(lambda x: np.ones(2), X)[0]) is np.ndarray
    assert type(bp.trace(lambda x: (x, np.ones(2)), X)(X)[1]) is np.ndarray


def test_the_body_of_a_loop_fills_arrays():
    def body(c, t):
        h = np.zeros(2)
        h[0] = c * t
        h[1] = np.sin(c)
        h[0] += h[1]
        return np.sum(h), h

    def f(x):
        total, rows = bp.scan(body, x[0], x)
        return total + np.sum(rows**2)

    assert isinstance(f(X), float)
    np.testing.assert_allclose(bp.grad(f)(X), slopes(f, X), rtol=1e-7)
    np.testing.assert_allclose(bp.compile(bp.grad(f))(X), bp.grad(f)(X), rtol=1e-13)


# ---- the array API
def standardised(x, y):
    xp = x.__array_namespace__()
    z = xp.concat([x, xp.astype(y, xp.float64)])
    z = xp.permute_dims(xp.reshape(z, (2, -1)), (1, 0))
    w = xp.matmul(z, xp.matrix_transpose(z)) + xp.eye(z.shape[0])
    out = xp.zeros((3,), dtype=xp.float64)
    out[0] = xp.sum(xp.linalg.inv(w))
    out[1] = xp.linalg.vector_norm(x) + xp.linalg.trace(w)
    out[2] = xp.mean(xp.where(x > 1, xp.asin(x / 4), xp.pow(x, 2)))
    other = xp.stack([xp.asarray(1.0), xp.max(x), xp.vecdot(x, x)])
    return xp.sum(out * other) + xp.sum(xp.expm1(xp.take(x, xp.asarray([0, 1]))))


def test_code_of_the_array_api_standard():
    y = np.array([0.3, 0.9, 1.1, 0.2])
    wanted = standardised(X, y)
    assert bp.value_and_grad(standardised)(X, y)[0] == wanted
    np.testing.assert_allclose(bp.grad(standardised)(X, y), slopes(lambda x: standardised(x, y), X), rtol=1e-7)
    np.testing.assert_allclose(bp.compile(bp.grad(standardised))(X, y), bp.grad(standardised)(X, y), rtol=1e-13)
    assert bp.grad(lambda x: x.to_device(x.device).sum())(X).tolist() == [1.0] * 4


# ---- what looks at a traced value from outside
def asked_for_its_type(x):
    return x[0] * (2 if isinstance(x[0], float) and isinstance(x[1], (int, np.floating)) else 3)


def asked_for_an_array(x):
    return x[0] * (2 if isinstance(x, np.ndarray) and not isinstance(x[0], np.ndarray) else 3)


def asked_for_a_scalar(x):
    return x[0] * (2 if np.isscalar(x[0]) and not np.isscalar(x) and isinstance(x[0], np.float64) else 3)


def an_array_without_axes(x):
    h = np.asarray(x[0] * 6.0)
    h[np.asarray(h > 3.0)] = 2.0 * x[1]
    return np.sum(h) * (2 if isinstance(h, np.ndarray) else 3)


def its_layout(x):
    return np.sum(x) * x.strides[0] * (2 if x.flags.c_contiguous else 3)


def methods_of_arrays(x):
    places = x.argpartition(2)[:2].sum() + np.sort(x).searchsorted(1.0)
    return np.sum(x.compress(x > 1)) * places + np.sum(x.view() * x.view(np.float64))


def imaginary_part(x):
    z = np.zeros(4, complex)
    z.real = x
    z.imag = x**2
    return np.sum(np.abs(z))


def text_of_it(x):
    return x[0] * len(str(x[0])) * len(f"{x[1]:.3f}")


@pytest.mark.parametrize(
    "function",
    [
        asked_for_its_type, asked_for_an_array, asked_for_a_scalar, an_array_without_axes, its_layout,
        methods_of_arrays, imaginary_part, text_of_it,
    ],
)  # fmt: skip
def test_it_answers_as_what_it_stands_for(function):
    value, gradient = bp.value_and_grad(function)(X)
    assert np.array_equal(value, function(X))
    # Along 1e-7 the text of a number is another one, so the differences are of the value's own slope.
    assert np.any(gradient != 0)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: len({x[0], x[1]}) * x[0], "a member of a set"),
        (lambda x: {0.7: 2.0}.get(x[0], 1.0) * x[0], "key of a dictionary"),
        (lambda x: (2 if x.__class__ == np.ndarray else 3) * x[0], "isinstance"),
        (lambda x: np.frombuffer(x.tobytes())[0], "tobytes"),
        (lambda x: pickle.loads(pickle.dumps(x))[0], "without its derivative"),
        (lambda x: np.array([x[0], x[1]], dtype=object)[0], "dtype object"),
        (lambda x: shuffled(np.outer(x, x))[0, 0], "rng.permutation"),
    ],
)
def test_what_would_lose_the_derivative_unseen_is_refused(function, words):
    with pytest.raises(TracingError, match=words):
        bp.grad(function)(X)


class Unseen:
    """A trace finds generators among the globals, but not in here."""

    generator = np.random.default_rng(0)


def shuffled(rows):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's own
        Unseen.generator.bit_generator.state = np.random.default_rng(0).bit_generator.state
        Unseen.generator.shuffle(rows)
    return rows


def test_rows_of_a_filled_array_are_not_shuffled_either():
    def f(x):
        rows = np.zeros((4, 2))
        rows[1] = 3.0
        return x[0] * shuffled(rows)[0, 0]

    with pytest.raises(TracingError, match=r"rng\.permutation"):
        bp.grad(f)(X)


def test_entries_are_shuffled_and_rows_are_swapped_as_in_numpy():
    def f(x):
        entries = x * 1.0
        shuffled(entries)
        rows = np.outer(x, x)
        rows[0], rows[1] = rows[1], rows[0]  # of views: the second is stored as it was overwritten
        return np.sum(entries * np.arange(4.0)) + np.sum(rows * np.arange(4.0)[:, None])

    assert np.array_equal(bp.vjp(f, X)[0], f(X))


def test_an_attribute_that_is_refused_is_not_there():
    def f(x):
        assert not hasattr(x, "tobytes")
        assert not hasattr(x, "no_such_thing")
        return x[0]

    assert np.array_equal(bp.grad(f)(X), [1.0, 0.0, 0.0, 0.0])


def test_windows_see_what_is_written():
    def f(x):
        x = x * 1.0
        windows = np.lib.stride_tricks.sliding_window_view(x, 2)
        x[1] = x[0] ** 2
        return np.sum(windows * np.arange(6.0).reshape(3, 2))

    assert np.array_equal(bp.vjp(f, X)[0], f(X))


def test_a_mask_without_out_leaves_zeros():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        f = lambda x: np.sum(np.where(x > 1, np.log(x - 1, where=x > 1), 0.0))  # noqa: E731
        assert np.allclose(bp.grad(f)(X), np.where(X > 1, 1 / (X - 1), 0.0))
