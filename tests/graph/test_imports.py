"""Imports in the middle of a trace give what they give at the top of a module."""

from __future__ import annotations

import builtins
import importlib
import sys
import threading
from pathlib import Path
from typing import Any

import numpy
import pytest

import backpass as bp
from backpass.graph import namespace

X = numpy.array([1.5, 0.7])


def of_numpy(x):
    import numpy as np

    out = np.zeros(2)
    out[0] = x[1]
    return np.sum(out**2)


def names_of_numpy_and_math(x):
    from math import exp

    from numpy import array, zeros

    out = zeros(2)
    out[0] = exp(x[1])
    return array([out[0], x[0]]).sum()


def rooms_of_numpy(x):
    import numpy.fft as fourier
    import numpy.linalg as la
    from numpy.polynomial import Polynomial

    return numpy.sum(numpy.abs(fourier.fft(x)) ** 2) + la.norm(x) + Polynomial([1.0, 2.0, 3.0])(x[0])


def rooms_of_scipy(x):
    import scipy
    import scipy.special as sp
    from scipy import sparse

    return sp.logsumexp(x) + scipy.linalg.norm(x) + (sparse.eye(2) @ x).sum()


def of_a_spline(x):
    from scipy.interpolate import CubicSpline

    read = CubicSpline(numpy.arange(4.0), numpy.arange(4.0) ** 2)(x)
    return numpy.sum(read) + CubicSpline(numpy.arange(4.0), numpy.concatenate([x, x**2]))(1.3)


def of_distributions(x):
    import scipy.stats
    from scipy.stats import norm

    return norm.logpdf(x, x[0], 2.0).sum() + scipy.stats.gamma.logpdf(x, 2.0).sum()


def by_import_module(x):
    np = importlib.import_module("numpy")
    out = np.zeros(2)
    out[0] = x[1]
    return np.sum(out**2)


def by_the_builtin(x):
    np = __import__("numpy")
    out = np.zeros(2)
    out[0] = x[1]
    return np.sum(out**2)


def of_what_is_missing(x):
    try:
        import nothing_of_this_name as np  # type: ignore[import-not-found]
    except ImportError:
        import numpy as np
    out = np.zeros(2)
    out[0] = x[1]
    return np.sum(out**2)


def in_a_nested_derivative(x):
    def inner(y):
        import numpy as np

        out = np.empty(2)
        out[:] = y
        return np.sum(out**3)

    return bp.grad(inner)(x).sum()


FUNCTIONS = [
    *(of_numpy, names_of_numpy_and_math, rooms_of_numpy, rooms_of_scipy, of_a_spline, of_distributions),
    *(by_import_module, by_the_builtin, of_what_is_missing, in_a_nested_derivative),
]


def slopes(function: Any) -> numpy.ndarray:
    steps = 1e-6 * numpy.eye(2)
    return numpy.array([(function(X + step) - function(X - step)) / 2e-6 for step in steps])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_import_in_a_function_is_followed(function: Any) -> None:
    before = builtins.__import__, importlib.import_module
    for gradient in (bp.grad(function), bp.compile(bp.grad(function))):
        numpy.testing.assert_allclose(gradient(X.copy()), slopes(function), rtol=1e-6, atol=1e-8)
        assert (builtins.__import__, importlib.import_module) == before
        assert type(numpy.zeros(2)) is numpy.ndarray


FIRST = """
import numpy as np
from numpy import zeros

TABLE = np.zeros(3)
assert type(TABLE) is np.ndarray


def filled(x):
    out = zeros(3)
    out[0], out[1] = x[0] * x[1], np.exp(x[1])
    return np.array([out[0] * x[1], out[1]])
"""
SECOND = """
from backpass_tried_first import filled
from backpass_tried_first import np as numerics


def filled_twice(x):
    out = numerics.zeros(2)
    out[:] = x
    return filled(out)
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    names = {"backpass_tried_first": FIRST, "backpass_tried_second": SECOND}
    for name, text in names.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield list(names)
    for name in names:
        sys.modules.pop(name, None)


def test_a_module_that_is_first_imported_in_a_trace_is_followed_and_left_as_it_was(modules: list[str]) -> None:
    def first(x):
        import backpass_tried_first as own  # type: ignore[import-not-found]

        return own.filled(x).sum()

    def second(x):
        from backpass_tried_second import filled_twice  # type: ignore[import-not-found]

        return filled_twice(x).sum() + first(x)

    for function in (first, second, second):
        found = bp.grad(function)(X.copy())
        numpy.testing.assert_allclose(found, slopes(function), rtol=1e-6)
    stand_ins = {id(stand_in) for _, stand_in in namespace.REPLACED.values()}
    for name in modules:
        assert not [held for held in vars(sys.modules[name]).values() if id(held) in stand_ins]


def test_a_module_that_came_behind_the_back_of_a_trace_is_followed(modules: list[str]) -> None:
    """Loaded by another thread, or in the place of one that was taken away: there are as many modules as before."""

    def by_a_thread(x):
        thread = threading.Thread(target=importlib.import_module, args=(modules[0],))
        thread.start()
        thread.join()
        import backpass_tried_first as own  # type: ignore[import-not-found]

        return own.filled(x).sum()

    def in_its_place(x):
        del sys.modules[modules[0]]
        import backpass_tried_first as own  # type: ignore[import-not-found]

        return own.filled(x).sum()

    for function in (by_a_thread, in_its_place):
        numpy.testing.assert_allclose(bp.grad(function)(X.copy()), slopes(function), rtol=1e-6)
