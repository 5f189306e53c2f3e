"""``type(x)`` in the user's code: that of what a traced value stands for; all else that `type` does is as without."""

from __future__ import annotations

import dataclasses
import enum
import functools
import sys
import typing
from typing import Any

import numpy as np
import pytest
from numpy import ndarray

import backpass as bp
from backpass.graph.errors import TracingError

X = np.array([1.5, 2.0, 3.0])
KINDS = (list, np.ndarray)


def of_arrays(x):
    made = np.zeros(3)
    same = [type(x) is np.ndarray, type(x) is ndarray, type(x) == np.ndarray, type(x) in KINDS, type(x) is type(X)]  # noqa: E721
    same += [type(X) is np.ndarray, type(made) is type(x), type(2 * made) is np.ndarray, type(x[:2]) is type(x)]
    same += [issubclass(type(x), np.ndarray), issubclass(type(x), (list, ndarray)), not issubclass(type(x), float)]
    return x[0] * sum(2**k for k, holds in enumerate(same) if holds)


def of_numbers(x):
    t = x[0] * x[1]
    same = [
        type(t) is np.float64,
        type(t) in (float, int, np.float64),
        type(t) is type(X[0]),
        type(t) is type(np.sum(x)),
    ]
    same += [type(t) is not float, type(X[0]) is np.float64, type(np.zeros(2)[0]) is type(t), type(len(x)) is int]
    same += [issubclass(type(t), float), all(type(v) in [float, int, np.float64] for v in x)]
    return t * sum(2**k for k, holds in enumerate(same) if holds)


def keys(x):
    chosen = {np.ndarray: 2.0, list: 3.0}[type(x)] * {np.float64: 5.0, float: 7.0}[type(x[0])]
    return x[0] * chosen * list(map(type, [x, X, x[0]])).count(np.ndarray)


def called(x):
    made = type(x)((2,))
    made[0] = x[0] ** 2
    made[1] = type(x[0])(3.0) * type(x[0])(x[1])
    return np.sum(made)


def names(x):
    text = f"{type(x).__name__} {type(x)} {type(x[0]).__name__} {type(x[0])} {type(len(x))} {type} {type(type)}"
    return x[0] * sum(map(ord, text))


class Once(type):
    made: typing.ClassVar[dict[type, Any]] = {}

    def __call__(cls, *args):
        if cls not in Once.made:
            Once.made[cls] = type.__call__(cls, *args)
        return Once.made[cls]


class Single(metaclass=Once):
    def __init__(self):
        self.factor = 3.0


def metaclasses(x):
    class Meta(type):
        def __new__(mcs, name, bases, scope):
            scope["factor"] = 5.0
            return super().__new__(mcs, name, bases, scope)

    class Plain(metaclass=type):  # noqa: UP050
        pass

    class Made(metaclass=Meta):
        pass

    built = type("Built", (Made,), {"more": 2.0})
    same = [type(Made) is Meta, isinstance(Made, Meta), not isinstance(Plain, Meta), type(Plain) is type]
    same += [type(Meta) is type, type(type) is type, type(built) is Meta, issubclass(Meta, type), isinstance(int, type)]
    same += [not isinstance(3, type), not issubclass(type, Meta), type(np.ndarray) is type, type(np.float64) is type]
    same += [type(Single()) is Single, type(Single) is Once, {Meta: 1, type: 2}[type(Made)] == 1, Meta is not type]
    return x[0] * built.factor * built.more * Single().factor * sum(2**k for k, holds in enumerate(same) if holds)


def classes_of_the_user(x):
    @dataclasses.dataclass
    class Point:
        a: Any
        kind: type | None = None

    class Colour(enum.Enum):
        RED = 2.0

    pair = typing.NamedTuple("pair", [("a", Any), ("b", type[int])])(x[1], int)
    point = Point(x[0], type(x))
    again = type(point)(dataclasses.replace(point, a=x[1]).a * point.a)
    assert type(Colour.RED) is Colour
    assert typing.get_type_hints(lambda k: k) == {}
    return again.a * type(pair)(pair.a * 2.0, int).a * Colour.RED.value


@functools.singledispatch
def by_type(x):
    return 0.0 * x


@by_type.register(np.ndarray)
def _(x):
    return 2.0 * x


@by_type.register(float)
def _(x):
    return 3.0 * x


def dispatched(x):
    return by_type(x)[0] + by_type(x[1]) + by_type(X)[0]


@pytest.mark.parametrize(
    "function",
    [of_arrays, of_numbers, keys, called, names, metaclasses, classes_of_the_user, dispatched],
)
def test_type_is_that_of_what_a_traced_value_stands_for(function):
    before = dict(globals())
    value, gradient = bp.value_and_grad(function)(X)
    assert value == function(X)
    step = 1e-6
    slopes = [(function(X + step * e) - function(X - step * e)) / (2 * step) for e in np.eye(3)]
    np.testing.assert_allclose(gradient, slopes, rtol=1e-8, atol=1e-5)
    np.testing.assert_allclose(bp.compile(bp.grad(function))(X), gradient, rtol=1e-14)
    assert globals() == before
    assert "type" not in globals()
    assert np.ndarray is sys.modules["numpy"].ndarray


def test_a_python_number_stays_one():
    def f(t):
        return (
            t * (2.0 if type(t) is float else 3.0) * type(X.item(0))(5) * (7.0 if type(t) is type(X.item(0)) else 1.0)
        )

    assert bp.value_and_grad(f)(2.0) == (f(2.0), 70.0)


# ---- classes, and NumPy itself, held elsewhere
REGISTRY = {"array": np.ndarray, "numbers": (float, np.floating), "zeros": np.zeros}


class Holder:
    kind = np.ndarray
    numbers = (float, np.float64)

    def __init__(self):
        self.own, self.np, self.zeros = np.ndarray, np, np.zeros

    def __call__(self, x):
        filled = self.np.zeros(2)
        filled[0] = x[0]
        more = self.zeros(1)
        more[:] = x[1]
        same = [isinstance(x, self.kind), isinstance(x, self.own), isinstance(x[0], self.numbers)]
        return (filled.sum() + more[0]) * sum(2**k for k, holds in enumerate(same) if holds)


HOLDER = Holder()


def method_of_an_object(x):
    return isinstance(x, HOLDER.kind) * isinstance(x, HOLDER.own) * isinstance(x[0], Holder.numbers) * x[0]


def in_a_registry(x):
    filled = REGISTRY["zeros"](2)
    filled[1] = x[1]
    same = [isinstance(x, REGISTRY["array"]), isinstance(x[0], REGISTRY["numbers"])]
    same += [type(x) is REGISTRY["array"], type(x) in REGISTRY.values()]
    return filled.sum() * sum(2**k for k, holds in enumerate(same) if holds)


def in_a_default(x, kind=np.ndarray, numbers=(float,), xp=np):
    filled = xp.zeros(2)
    filled[0] = x[0] ** 2
    return isinstance(x, kind) * isinstance(x[0], numbers) * filled.sum()


def _closed(xp, kind):
    def in_a_closure(x):
        filled = xp.asarray([x[0], 2 * x[1]])
        return filled.sum() * (1 + isinstance(x, kind) + 2 * (type(x) is kind))

    return in_a_closure


def _through(xp):
    def decorate(function):
        @functools.wraps(function)
        def call(x):
            return function(x, xp=xp)

        return call

    return decorate


@_through(np)
def decorated(x, /, xp):
    return xp.sum(xp.asarray(xp.sum(x) * x[0]))


def matched(x):
    total = 0.0
    for value in (x, x[0], 3, "a", [x], {"k": x[1]}, float(x[1]), x[0] * 2.0):
        match value:
            case np.ndarray(shape=(3,)):
                total += np.sum(value)
            case float(number):
                total += 10 * number
            case int() | str():
                total += 0.5
            case [np.ndarray() as inner]:
                total += 100 * inner[0]
            case {"k": float(number)}:
                total += 1000 * number
    return total


HELD = [
    method_of_an_object,
    Holder().__call__,
    in_a_registry,
    in_a_default,
    _closed(np, np.ndarray),
    decorated,
    matched,
]


@pytest.mark.parametrize("function", HELD, ids=lambda f: f.__name__)
def test_classes_and_numpy_held_elsewhere(function):
    before = dict(REGISTRY), function.__closure__ and [cell.cell_contents for cell in function.__closure__]
    wanted = function(X)
    value, gradient = bp.value_and_grad(function)(X)
    assert value == wanted
    steps = [(function(X + h) - function(X - h)) / 2e-6 for h in 1e-6 * np.eye(3)]
    np.testing.assert_allclose(gradient, steps, atol=1e-6)
    np.testing.assert_array_equal(bp.compile(bp.grad(function))(X), gradient)
    after = dict(REGISTRY), function.__closure__ and [cell.cell_contents for cell in function.__closure__]
    assert all(REGISTRY[k] is before[0][k] for k in REGISTRY)
    assert before == after
    assert in_a_default.__defaults__ == (np.ndarray, (float,), np)
    assert in_a_default.__defaults__[2] is np


def test_dunder_class_is_of_the_trace_itself():
    """`x.__class__` cannot be answered for: compared by == it is refused, and the page says to write type(x)."""
    with pytest.raises(TracingError, match="type\\(x\\) and isinstance"):
        bp.grad(lambda x: np.sum(x) * (x.__class__ == np.ndarray))(X)


def test_code_of_array_api_compat():
    compat = pytest.importorskip("array_api_compat")
    import array_api_compat.numpy as xnp

    def standard(x):
        xp = compat.array_namespace(x)
        assert xp.__name__.endswith("numpy")
        assert compat.is_array_api_obj(x)
        z = xp.concat([xp.astype(x, xp.float64), xp.zeros_like(x)], axis=0)
        z = xp.permute_dims(z, (1, 0))
        u = xp.matmul(z, xp.matrix_transpose(z))
        total = xp.sum(xp.std(z, axis=0, correction=1)) + xp.linalg.trace(u) + xp.sum(xp.cumulative_sum(z, axis=0))
        total += xp.sum(xp.linalg.vector_norm(z[:, :2], axis=0)) + xp.vecdot(z[0], z[1]) + xp.sum(xp.clip(z, 0.1, 1.2))
        total += xp.sum(xp.take(z, xp.asarray([0, 1]), axis=0)) + compat.size(x) * xp.prod(z[:, 0])
        total += xp.sum(xp.linalg.solve(u + xp.eye(3), z[:, 0]))
        return total + xp.sum(xp.linalg.qr(u + xp.eye(3))[1]) + xp.sum(xp.where(z > 0, xp.exp(-z), xp.asarray(0.0)))

    def module(x):
        z = xnp.permute_dims(xnp.concat([x, x**2], axis=0), (1, 0))
        return xnp.sum(xnp.std(z, axis=0, correction=1)) + xnp.linalg.matrix_norm(z) + xnp.sum(xnp.acos(0.1 * z))

    x = np.array([[1.0, 2.0, 3.0], [0.5, -1.0, 1.7]])
    for function in (standard, module):
        steps = [(function(x + h) - function(x - h)) / 2e-6 for h in 1e-6 * np.eye(6).reshape(6, 2, 3)]
        gradient = bp.grad(function)(x)
        np.testing.assert_allclose(gradient.ravel(), steps, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(bp.compile(bp.grad(function))(x), gradient, rtol=1e-12, atol=1e-12)
