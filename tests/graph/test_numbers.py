"""``float(t)`` and ``complex(t)`` in the user's code; functions that exec made; text made with ``%``."""

from __future__ import annotations

import functools
import importlib
import sys
from typing import Any, cast

import numpy
import numpy as np
import pytest

import backpass as bp
from backpass.graph.modules import _asked_by

X = np.array([1.5, 2.0, 0.5])
RESTS = (int, float)


def numbers(x):
    a = float(x[0]) ** 2
    return a * complex(x[1], a).real + abs(complex(x[2])) * float(np.sum(x)) + float(np.array(x[0] * x[1])) * float("2")


def python_numbers(x):
    same = [type(float(x[0])) is float, isinstance(float(x[0]), float), type(float(x[0])) in RESTS, float(3) == 3.0]
    same += [type(float("1e3")) is float, issubclass(float, float), {float: 1}[type(float(x[1]))] == 1]
    same += [
        type(complex(x[0])) is complex,
        not isinstance(2, float),
        type(x.shape[0] / 2) is float,
        isinstance(2.0, (int, float)),
    ]
    return float(x[0]) * sum(2**k for k, holds in enumerate(same) if holds)


def mapped(x):
    a, b, c = map(float, x)
    out = np.zeros(3, dtype=float)
    out[:] = [float(v) for v in (b, c, a)]
    return np.sum(out * x.astype(float)) + sum(float(v) ** 2 for v in x.tolist()) + np.array([a, b], float)[0]


def narrow(x):
    small = np.float32(1.0) * x.astype(np.float32)
    return float(small[0]) * float(small[1]) * 1.0000001


def subclass(x):
    class Length(float):
        def twice(self):
            return 2.0 * self

    class Plain(np.ndarray):
        pass

    class Wide(np.float64):
        pass

    kept, wide, plain = Length(3.0), Wide(2.0), X.view(Plain)
    same = [type(kept) is Length, isinstance(kept, float), not isinstance(3.0, Length)]
    same += [
        type(wide) is Wide,
        isinstance(wide, np.float64),
        not isinstance(np.float64(1.0), Wide),
    ]
    same += [
        type(plain) is Plain,
        isinstance(plain, np.ndarray),
        not isinstance(X, Plain),
        {Length: 1}[Length],
    ]
    same += [issubclass(Length, float), not issubclass(float, Length), f"{Length}".endswith("Length'>")]
    return x[0] * kept.twice() * sum(2**k for k, holds in enumerate(same) if holds)


def written(x):
    text = "%f and %.1f" % (x[0], x[1])  # noqa: UP031
    text += "%g" % float(x[2])  # noqa: UP031
    return x[0] * len(text)


def by_name(x):
    return (
        numpy.__getattribute__("sin")(x[0])  # pyright: ignore[reportAttributeAccessIssue]
        + vars(numpy)["prod"](x)
        + vars(numpy.linalg)["norm"]([x[0], x[1]])
    )


@pytest.mark.parametrize("function", [numbers, python_numbers, mapped, narrow, subclass, written, by_name])
def test_they_are_the_numbers_with_their_derivative(function):
    value, gradient = bp.value_and_grad(function)(X)
    assert value == function(X)
    step = 1e-2 if function is narrow else 1e-6
    slopes = [(function(X + step * e) - function(X - step * e)) / (2 * step) for e in np.eye(3)]
    np.testing.assert_allclose(gradient, slopes, rtol=1e-5, atol=1e-8)
    along = bp.jvp(function, (X,), (np.ones(3),))[1]
    np.testing.assert_allclose(along, np.sum(gradient), rtol=1e-7)
    if function is not written:
        np.testing.assert_allclose(bp.compile(bp.grad(function))(X), gradient, rtol=1e-14)
    assert not {"float", "complex", "type"} & set(globals())


def test_the_value_is_pythons():
    value = bp.vjp(lambda x: float(x[0]), X)[0]
    assert type(value) is float
    assert type(bp.vjp(lambda x: complex(x[0]), X)[0]) is complex
    for wrong in (lambda x: float(x), lambda x: float(cast(Any, [x[0]])), lambda x: float(cast(Any, complex(x[0])))):
        with pytest.raises(TypeError) as own:
            wrong(X)
        for way in (bp.grad(wrong), bp.compile(bp.grad(wrong))):
            with pytest.raises(TypeError) as traced:
                way(X)
            assert str(traced.value) == str(own.value)


def test_code_that_asks_for_the_very_class_keeps_it(tmp_path, monkeypatch):
    """Where float is compared by `is`, it stays Python's, and a traced value is refused to it."""
    (tmp_path / "told_apart.py").write_text(
        "def f(x, kind=float):\n    return x[0] * (2 if kind is float else 3)\ndef g(x):\n    return float(x[0])\n"
    )
    (tmp_path / "told_by_type.py").write_text(
        "def f(x):\n    return float(x[0]) * (2 if type(2.0) is float and not type(x[0]) is float else 3)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    apart, by_type = importlib.import_module("told_apart"), importlib.import_module("told_by_type")
    np.testing.assert_array_equal(bp.grad(apart.f)(X), [2.0, 0.0, 0.0])
    with pytest.raises(bp.errors.TracingError, match=r"float\(\) of a traced value"):
        bp.grad(apart.g)(X)
    np.testing.assert_array_equal(bp.grad(by_type.f)(X), [2.0, 0.0, 0.0])
    del sys.modules["told_apart"], sys.modules["told_by_type"]


# ---- functions whose globals are no module's
def made(body: str, **scope: Any) -> Any:
    """As sympy.lambdify makes them: exec in a dictionary that holds all of NumPy."""
    scope |= vars(np)
    exec(f"def f(x, y):\n    return {body}\n", scope)
    return scope.pop("f")


MATRIX = made("array([[x * y, cos(x)], [y**2, 1]])")
LIST = made("zeros(2) + asarray([x * y, sqrt(y)])")
MODEL = {"made": made("ImmutableDenseMatrix([[x], [y * x]])", ImmutableDenseMatrix=np.array)}


class Plant:
    def __init__(self):
        self.matrix = made("array([x, x * y])")

    def energy(self, x):
        return np.sum(self.matrix(x[0], x[1]) ** 2)


def called(x):
    return np.sum(MATRIX(x[0], x[1]) ** 2) + deeper(x)


def deeper(x):
    return np.linalg.norm(LIST(x[1], x[2]))


def closure():
    inner = made("array([y, x])")
    return lambda x: np.prod(inner(x[0], x[1]))


@pytest.mark.parametrize(
    "function",
    [
        called,
        closure(),
        Plant().energy,
        lambda x: np.sum(MATRIX(x[0], x[1])),
        functools.partial(lambda k, x: k * np.sum(LIST(x[0], x[1])), 3.0),
    ],
)
def test_functions_that_exec_made_are_followed(function):
    for _ in range(2):  # what was found is remembered
        value, gradient = bp.value_and_grad(function)(X)
        assert value == function(X)
        slopes = [(function(X + 1e-6 * e) - function(X - 1e-6 * e)) / 2e-6 for e in np.eye(3)]
        np.testing.assert_allclose(gradient, slopes, rtol=1e-7, atol=1e-8)
    assert MATRIX.__globals__["array"] is np.array


def test_a_function_of_exec_itself():
    np.testing.assert_allclose(bp.jacobian(MATRIX)(0.5, 1.5), [[1.5, -np.sin(0.5)], [0.0, 0.0]])
    np.testing.assert_allclose(bp.jacobian(MODEL["made"])(0.5, 1.5), [[1.0], [1.5]])
    changed = made("array([x, y])")
    np.testing.assert_allclose(bp.jacobian(changed)(0.5, 1.5), [1.0, 0.0])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"y = float(x)", ["float"]),
        (b"y = float (x) + complex( x )", ["float", "complex"]),
        (b"ys = list(map(float, xs))", ["float"]),
        (b"ys = map(\n        complex,\n        xs,\n    )", ["complex"]),
        (b"if isinstance (x, int): pass", ["isinstance"]),
        (b"y = np.float(x) if type(x) in kinds else 0", ["type", "float"]),
        (b"inf = float('inf'); y = x.astype(float)", []),
        (b"def make(name, float, x=float): return as_float(x) + my_type(x) + isinstance_of(x)", []),
        (b"def copy(self): return type(self)(type( cls ))", []),
        (b"try: f()\nexcept ValueError as error: print(type(error).__name__)", []),
        (b"try: f()\nexcept ValueError as error: print(type(error))", ["type"]),
        (b"def f(x): return type(x).__name__ == 'ndarray'", ["type"]),
        (b"from scipy import stats", ["stats"]),
        (b"import scipy.sparse as sp\nfrom numpy.polynomial import Polynomial", ["sparse", "polynomial"]),
        (
            b"import scipy\ny = scipy.stats.norm.pdf(x) + scipy.interpolate.CubicSpline(t, u)(x)",
            ["stats", "interpolate"],
        ),
        (b"RULES['scipy.stats']; import autograd.scipy.stats; statsmodels", []),
    ],
)
def test_what_a_file_may_call_is_found_by_its_text(text, found):
    assert sorted(_asked_by(text)) == sorted(found)


def fourier_of_list(x):
    return np.sum(np.abs(numpy.fft.fft([x[0], x[1], x[0] * x[2]])) ** 2)


def test_a_module_that_numpy_imports_late_takes_lists_of_traced_numbers():
    gradient = bp.grad(fourier_of_list)(X)
    a, b, c = X  # by Parseval's theorem 3 (a² + b² + a²c²)
    np.testing.assert_allclose(gradient, [6 * a * (1 + c * c), 6 * b, 6 * a * a * c], rtol=1e-12)
