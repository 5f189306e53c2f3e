"""Random programs of views and writes in place: NumPy's values to the bit, derivatives in both modes and orders.

A program is a list of instructions on a pool of arrays. It is drawn while it runs on NumPy, so that each instruction
fits the shapes that are there, and then replayed on traced values, staged, and on complex numbers for the reference.
"""

from __future__ import annotations

import contextlib
import math
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import backpass as bp
from backpass.graph.errors import TracingError

SHAPES = [(6,), (2, 3), (3, 2), (2, 3, 2), (4, 4), (1, 3), (2, 1, 3), ()]
KINDS = ["view"] * 3 + ["write"] * 3 + ["inplace"] * 2 + ["entry", "new", "copy", "method"]


def factored(size: int, random: Random) -> tuple[int, ...]:
    """A random shape of this size."""
    shape = []
    while size > 1 and random.random() < 0.8:
        n = random.choice([d for d in range(1, size + 1) if size % d == 0])
        shape.append(n)
        size //= n
    shape.append(size)
    return tuple(shape)


def basic_key(shape: tuple[int, ...], random: Random) -> tuple[Any, ...]:
    key: list[Any] = []
    for n in shape[: random.randint(0, len(shape))]:
        kind = random.random()
        if kind < 0.45 and n:
            key.append(random.randrange(-n, n))
        elif kind < 0.9:
            start = random.choice([None, *range(-n, n)])
            key.append(slice(start, random.choice([None, n - 1, -1]), random.choice([None, 1, 2, -1])))
        else:
            key.append(slice(None))
        if random.random() < 0.1:
            key.append(None)
    if random.random() < 0.2 and not all(type(k) is int for k in key):
        key.append(Ellipsis)
    return tuple(key)


def any_key(shape: tuple[int, ...], random: Random) -> Any:
    kind = random.random()
    if kind < 0.6 or not shape or 0 in shape:
        return basic_key(shape, random)
    if kind < 0.75:
        return np.array([random.randrange(shape[0]) for _ in range(random.randint(1, 3))])
    if kind < 0.85 and len(shape) > 1:
        return (slice(None), np.array([random.randrange(shape[1]) for _ in range(2)]))
    depth = random.randint(1, len(shape))
    return np.array([random.random() < 0.5 for _ in range(math.prod(shape[:depth]))]).reshape(shape[:depth])


def drawn(random: Random, x: np.ndarray, length: int) -> list[tuple[Any, ...]]:
    """A program for this argument. Instructions: (name, place in the pool, details...)."""
    pool: list[Any] = []
    program: list[tuple[Any, ...]] = []

    def do(*instruction: Any) -> None:
        program.append(instruction)
        step(pool, instruction, x)

    do("new", None, 1.5, -0.5)
    for _ in range(length):
        k = random.randrange(len(pool))
        a = pool[k]
        kind = random.choice(KINDS)
        if kind == "new":
            do("new", random.choice([None, k]), random.uniform(-1, 1), random.uniform(-1, 1))
        elif kind == "copy":
            do(random.choice(["copy", "flatten"]), k)
        elif kind == "view":
            way = random.choice(["slice", "slice", "T", "reshape", "ravel", "swapaxes", "flip", "diagonal", "squeeze"])
            if way == "slice":
                do("slice", k, basic_key(a.shape, random))
            elif way == "reshape":
                do("reshape", k, factored(a.size, random))
            elif way == "swapaxes" and a.ndim:
                do("swapaxes", k, random.randrange(a.ndim), random.randrange(a.ndim))
            elif way == "diagonal" and a.ndim > 1:
                do("diagonal", k, random.randint(-1, 1))
            elif way in ("T", "ravel", "flip", "squeeze"):
                do(way, k)
        elif not a.flags.writeable:
            continue
        elif kind == "entry" and a.size:
            place = tuple(random.randrange(-n, n) for n in a.shape)
            do("entry", k, place, random.choice(["=", "+", "*"]), random.randrange(len(pool)), random.uniform(-1, 1))
        elif kind == "write":
            key = any_key(a.shape, random)
            target = np.shape(a[key])
            sources = [i for i, b in enumerate(pool) if fits(np.shape(b), target)]
            if sources and random.random() < 0.7:
                do("write", k, key, random.choice(sources), random.uniform(-1, 1))
            else:
                do("fill", k, key, random.uniform(-1, 1))
        elif kind == "inplace":
            key = random.choice([None, None, any_key(a.shape, random)])
            target = a.shape if key is None else np.shape(a[key])
            sources = [i for i, b in enumerate(pool) if fits(np.shape(b), target)]
            do("inplace", k, key, random.choice("+-*"), random.choice([None, *sources]), random.uniform(-1, 1))
        elif kind == "method":
            way = random.choice(["sort", "fill", "flat", "put", "add.at"])
            if way == "sort" and a.ndim and np.min(np.diff(np.sort(a, axis=None)), initial=1) > 1e-3:
                do("sort", k)
            elif way == "fill":
                do("fill()", k, random.uniform(-1, 1))
            elif a.size:
                places = np.array([random.randrange(a.size) for _ in range(3)])
                if way == "flat":
                    do("flat", k, int(places[0]), random.uniform(-1, 1))
                elif way == "put":
                    do("put", k, places, random.randrange(len(pool)))
                elif a.ndim == 1:
                    do("add.at", k, places, random.uniform(-1, 1))
    return program


def fits(have: tuple[int, ...], want: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(have, want) == want
    except ValueError:
        return False


def step(pool: list[Any], instruction: tuple[Any, ...], x: Any) -> None:
    name, k, *rest = instruction
    a = None if k is None else pool[k]
    if name == "new":
        pool.append((x if a is None else a) * rest[0] + rest[1] if np.ndim(x if a is None else a) else x * rest[0])
    elif name in ("copy", "flatten", "ravel", "squeeze"):
        pool.append(getattr(a, name)())
    elif name == "slice":
        b = a[rest[0]]
        pool.append(b if np.ndim(b) else x * b)
    elif name == "T":
        pool.append(a.T)
    elif name == "reshape":
        pool.append(a.reshape(rest[0]))
    elif name == "swapaxes":
        pool.append(np.swapaxes(a, *rest))
    elif name == "flip":
        pool.append(np.flip(a))
    elif name == "diagonal":
        pool.append(np.diagonal(a, rest[0]))
    elif name == "entry":
        place, how, other, factor = rest
        source = pool[other]
        value = factor * (source.ravel()[0] if source.size else 1.0) + 0.1
        if how == "=":
            a[place] = value
        elif how == "+":
            a[place] += value
        else:
            a[place] *= value
    elif name == "write":
        a[rest[0]] = pool[rest[1]] * rest[2]
    elif name == "fill":
        a[rest[0]] = rest[1]
    elif name == "inplace":
        key, how, other, factor = rest
        value = factor if other is None else pool[other] * factor
        if key is None:
            if how == "+":
                a += value
            elif how == "-":
                a -= value
            else:
                a *= value
        elif how == "+":
            a[key] += value
        elif how == "-":
            a[key] -= value
        else:
            a[key] *= value
    elif name == "sort":
        a.sort(axis=-1)
    elif name == "fill()":
        a.fill(rest[0])
    elif name == "flat":
        a.flat[rest[0]] = rest[1] * x.ravel()[0]
    elif name == "put":
        np.put(a, rest[0], pool[rest[1]] * 0.5)
    elif name == "add.at":
        np.add.at(a, rest[0], rest[1] * x.ravel()[0])


def function_of(program: list[tuple[Any, ...]]) -> Any:
    def f(x: Any) -> Any:
        pool: list[Any] = []
        for instruction in program:
            step(pool, instruction, x)
        total = 0.0
        for k, a in enumerate(pool):
            weights = np.cos(k + np.arange(a.size)).reshape(a.shape)
            total = total + np.sum(a * weights) + 0.1 * np.sum(a * a)
        return total

    return f


def same(found: Any, wanted: Any, tolerance: float) -> None:
    scale = 1 + np.max(np.abs(wanted), initial=0)
    assert np.max(np.abs(found - wanted), initial=0) <= tolerance * scale, (found, wanted)


def check(random: Random) -> None:
    shape = random.choice([s for s in SHAPES if s])
    x = np.array([random.uniform(0.2, 1.8) for _ in range(math.prod(shape))]).reshape(shape)
    if random.random() < 0.2:
        x = np.asfortranarray(x)
    before = x.copy()
    program = drawn(random, x, random.randint(3, 14))
    f = function_of(program)
    wanted = f(x)
    value, gradient = bp.value_and_grad(f)(x)
    assert np.array_equal(x, before)
    assert value == wanted
    reference = np.zeros(shape)
    for place in np.ndindex(shape):
        z = x.astype(complex)
        z[place] += 1e-30j
        reference[place] = f(z).imag / 1e-30
    same(gradient, reference, 1e-12)
    v = np.empty_like(x)  # in x's order, so that x + v has it too
    v[...] = np.cos(np.arange(x.size)).reshape(shape)
    same(bp.jvp(f, (x,), (v,))[1], np.sum(reference * v), 1e-12)
    # A graph does not know how a diagonal lies in memory, nor an array that is neither in C nor in F order.
    with contextlib.suppress(TracingError):
        graph = bp.trace(bp.value_and_grad(f), x)
        same(graph(x)[0], wanted, 1e-14)
        same(graph(x)[1], gradient, 1e-13)
    step_ = 1e-5
    second = (bp.grad(f)(x + step_ * v) - bp.grad(f)(x - step_ * v)) / (2 * step_)
    same(bp.hvp(f, (x,), v), second, 1e-5)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.randoms(use_true_random=False))
def test_programs(random: Random) -> None:
    check(random)


@pytest.mark.slow
@settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.randoms(use_true_random=False))
def test_two_thousand_programs(random: Random) -> None:
    check(random)
