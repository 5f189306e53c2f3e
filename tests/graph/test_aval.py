"""Types: an Aval is what NumPy would say of the value, weak numbers included."""

import itertools
import operator

import numpy as np
import pytest

import backpass as bp
from backpass.graph.aval import Aval, aval_of, promoted, promotion_type

DTYPES = [
    "bool",
    "int8",
    "uint8",
    "int32",
    "int64",
    "uint64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]
WEAK = [1, 1.5, 1 + 2j]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "bool"),
        (1, "int64~"),
        (1.5, "float64~"),
        (1j, "complex128~"),
        (np.float32(1), "float32"),
        (np.bool_(True), "bool"),
        (np.zeros((2, 3), "float16"), "float16[2,3]"),
        (np.zeros(0), "float64[0]"),
        ([[1, 2]], "int64[1,2]"),
    ],
)
def test_aval_of(value, text):
    assert repr(aval_of(value)) == text
    assert aval_of(aval_of(value)) == aval_of(value)


def test_facts():
    aval = Aval((2, 3), np.dtype("float32"))
    assert (aval.ndim, aval.size, aval.differentiable) == (2, 6, True)
    assert Aval((), np.dtype(int)).size == 1
    assert Aval((4, 0), np.dtype(int)).size == 0
    assert not Aval((), np.dtype(int)).differentiable
    assert Aval((), np.dtype(complex)).differentiable
    assert promotion_type(aval_of(1.5)) is float
    assert promotion_type(aval_of(np.float32(1))) == np.dtype("float32")


@pytest.mark.parametrize(("a", "b"), list(itertools.product(DTYPES, DTYPES)))
def test_promotion_of_dtypes_is_numpys(a, b):
    assert promoted(Aval((2,), np.dtype(a)), Aval((), np.dtype(b))) == np.result_type(np.dtype(a), np.dtype(b))


@pytest.mark.parametrize(("dtype", "number"), list(itertools.product(DTYPES, WEAK)))
def test_promotion_with_python_numbers_is_numpys(dtype, number):
    array = np.ones(2, dtype)
    assert promoted(aval_of(array), aval_of(number)) == (array + number).dtype


OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.lt, operator.floordiv]


@pytest.mark.parametrize("operation", OPERATORS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("left", ["float16", "float32", "float64", "int32", 2.0, 2])
@pytest.mark.parametrize("right", ["float16", "float32", "float64", "int64", 3.0, 3])
def test_a_staged_type_is_what_running_gives(operation, left, right):
    a, b = (np.ones(3, v) if isinstance(v, str) else v for v in (left, right))
    graph = (
        bp.trace(lambda x: operation(x, b), a) if isinstance(a, np.ndarray) else bp.trace(lambda y: operation(a, y), b)
    )
    given = a if isinstance(a, np.ndarray) else b
    if not isinstance(given, (np.ndarray, float)):
        return  # two Python integers: nothing to trace
    want = operation(a, b)
    have = graph(given)
    assert np.asarray(have).dtype == np.asarray(want).dtype
    assert np.array_equal(have, want)
    assert graph.nodes[graph.outputs[0]].dtype == np.asarray(want).dtype
