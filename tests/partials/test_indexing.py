"""Indexing of every NumPy kind, and broadcasting, with keys and shapes drawn by hypothesis."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import backpass as bp

from .references import close, identical

quick = settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

lengths = st.integers(0, 4)
shapes = st.lists(lengths, min_size=0, max_size=3).map(tuple)


@st.composite
def keys(draw: Any, shape: tuple[int, ...]) -> Any:
    """A key that NumPy may or may not accept: numbers, slices, new axes, an ellipsis, index arrays, masks, mixed."""
    parts: list[Any] = []
    axis = 0
    spread = draw(st.sampled_from([(), (1,), (3,), (2, 1), (2, 3)]))
    ellipsis_at = draw(st.integers(-1, max(len(shape), 1)))
    while axis < len(shape):
        if len(parts) == ellipsis_at:
            parts.append(Ellipsis)
            axis += draw(st.integers(0, len(shape) - axis))
            if axis >= len(shape):
                break
        n = shape[axis]
        kind = draw(st.sampled_from(["number", "slice", "slice", "new", "array", "list", "mask", "masks", "stop"]))
        if kind == "stop":
            break
        if kind == "new":
            parts.append(None)
            continue
        if kind == "number":
            parts.append(draw(st.sampled_from([int, np.int64, np.int8]))(draw(st.integers(-n, n - 1)) if n else 0))
        elif kind == "slice":
            bound = st.none() | st.integers(-n - 2, n + 2)
            parts.append(slice(draw(bound), draw(bound), draw(st.none() | st.sampled_from([-3, -2, -1, 1, 2, 3]))))
        elif kind in ("array", "list"):
            size = draw(st.sampled_from([spread, (1,) * len(spread), spread[-1:]]))
            places = [draw(st.integers(-n, n - 1)) if n else 0 for _ in range(int(np.prod(size)))]
            array = np.array(places, dtype=draw(st.sampled_from([np.int64, np.int32]))).reshape(size)
            parts.append(array.tolist() if kind == "list" and size else array)
        elif kind == "mask":
            parts.append(np.array([draw(st.booleans()) for _ in range(n)], bool))
        else:
            block = shape[axis : axis + 2]
            parts.append(np.array([draw(st.booleans()) for _ in range(int(np.prod(block)))], bool).reshape(block))
            axis += 1
        axis += 1
    if len(parts) == 1 and draw(st.booleans()):
        return parts[0]
    return tuple(parts)


def entries(shape: tuple[int, ...]) -> np.ndarray:
    return np.linspace(-1.0, 2.0, int(np.prod(shape))).reshape(shape)


def agrees(x: np.ndarray, key: Any) -> None:
    """Value, reverse, forward and staged form of ``x[key]`` are NumPy's; what NumPy refuses is refused."""
    try:
        wanted = x[key]
    except IndexError:
        with pytest.raises(IndexError):
            bp.vjp(lambda y: y[key], x)
        return
    found, pullback = bp.vjp(lambda y: y[key], x)
    identical(found, wanted, f"{key}")
    g = entries(wanted.shape) + 1.0
    scattered = np.zeros_like(x)
    np.add.at(scattered, key, g)
    close(pullback(g[()])[0], scattered, 1e-14, f"reverse {key}")
    identical(bp.jvp(lambda y: y[key], (x,), (x * 2,))[1], x[key] * 2, f"forward {key}")
    graph = bp.trace(lambda y: y[key], x)
    identical(graph(x), wanted, f"staged {key}")
    identical(bp.Graph.from_json(graph.to_json())(x), wanted, f"staged, read back {key}")
    curved = bp.grad(lambda y: np.sum(bp.grad(lambda z: np.sum(z[key] ** 3))(y) ** 2))(x)
    inner = np.zeros_like(x)
    np.add.at(inner, key, 3 * wanted**2)
    count = np.zeros_like(x)
    np.add.at(count, key, 1.0)
    close(curved, 2 * inner * 6 * x * count, 1e-13, f"second order {key}")


@quick
@given(data=st.data(), shape=shapes)
def test_any_key(data: Any, shape: tuple[int, ...]) -> None:
    agrees(entries(shape), data.draw(keys(shape)))


@pytest.mark.parametrize(
    "key",
    [
        np.True_,
        True,
        False,
        np.array(True),
        (Ellipsis, None),
        (slice(None), np.array([0, 1]), None, np.array([1, 0])),
        (np.array([0, 1]), slice(None), np.array([1, 0])),
        (None, np.array([[0], [1]]), 0, slice(None, None, -1)),
        (0, np.array([1, 1])),
        (np.array([1, 1]), 0),
        (slice(None), 0, np.array([1, 1])),
        (np.array([], int),),
        [],
        [1, 0, 1],
        ([0, 1], [1, 2]),
        (np.zeros((2, 3), bool),),
        (np.ones((2, 3, 2), bool),),
        (Ellipsis, np.array([True, False])),
        (np.array([True, False]), np.array([0])),
        (np.array([True, True]), slice(None), [True, False]),
        (slice(-1, None, -1), slice(5, 0, -2), slice(9, 3)),
        (np.int64(1), np.uint8(0)),
        (1, 2, 1),
        7,
        (0, 0, 0, 0),
        (slice(None, None, None), 5),
        (np.array([0, 2]),),
        (Ellipsis, Ellipsis),
        1.0,
        np.array([0.5]),
        "x",
    ],
    ids=repr,
)
def test_chosen_key(key: Any) -> None:
    agrees(entries((2, 3, 2)), key)


def test_traced_indices() -> None:
    """An index computed from traced values: whole numbers carry no derivative, and work in a graph too."""
    x = np.array([3.0, 1.0, 2.0])
    for function in (
        lambda x: x[np.argmax(x)] ** 2,
        lambda x: np.sum(x[np.argsort(x)] * np.arange(3.0)),
        lambda x: np.sum(x[np.argsort(x)[1:]] ** 2),
        lambda x: x[x.astype(int)[1]],
        lambda x: np.sum(x[np.floor(x).astype(int) - 1] * x),
    ):
        wanted = bp.jacobian(function, mode="forward")(x)
        identical(bp.grad(function)(x), wanted)
        identical(bp.trace(bp.grad(function), x)(x), wanted)
    identical(bp.grad(lambda x: np.sum(x[x > 1.5] ** 2))(x), np.array([6.0, 0.0, 4.0]))
    without_largest = lambda x: np.sum(np.delete(x, np.argmax(x)) ** 2)  # noqa: E731
    identical(bp.grad(without_largest)(x), np.array([0.0, 2.0, 4.0]))
    with pytest.raises(bp.errors.TracingError, match=r"Np\.delete needs the value"):
        bp.compile(without_largest)(x)


def test_rows_are_added_up() -> None:
    """Many equal rows go by sort and segmented sums; they must add up as one by one."""
    table = entries((5, 3))
    rows = np.array([0, 3, 3, -1, 0] * 40)
    g = entries((200, 3))
    wanted = np.zeros_like(table)
    np.add.at(wanted, rows, g)
    close(bp.vjp(lambda t: t[rows], table)[1](g)[0], wanted, 1e-13)
    close(bp.trace(bp.grad(lambda t: np.sum(t[rows] * g)), table)(table), wanted, 1e-13)


def test_many_reads_of_one_array() -> None:
    """n reads of single entries stay one buffer each way: the gradient of a loop over entries."""
    x = entries((300,)) + 1.0
    identical(bp.grad(lambda x: sum(x[i] * x[i] for i in range(300)))(x), 2 * x)


@st.composite
def pairs(draw: Any) -> tuple[tuple[int, ...], ...]:
    """Three shapes that broadcast against each other."""
    full = draw(st.lists(st.integers(0, 3), min_size=0, max_size=3))
    found = []
    for _ in range(3):
        shape = [draw(st.sampled_from([n, 1])) for n in full]
        found.append(tuple(shape[draw(st.integers(0, len(shape))) :]))
    return tuple(found)


@quick
@given(drawn=pairs())
def test_any_broadcast(drawn: tuple[tuple[int, ...], ...]) -> None:
    """f(a, b, c) of arrays that broadcast: each gradient is the full one, summed over the stretched axes."""
    rng = np.random.default_rng(1)
    a, b, c = (rng.uniform(0.5, 2.0, shape)[()] for shape in drawn)
    full = np.broadcast_shapes(*drawn)

    def function(a: Any, b: Any, c: Any) -> Any:
        return np.where(c > 1, np.sin(a) * b, a / b) + np.hypot(b, c)

    stretched = [np.broadcast_to(x, full) for x in (a, b, c)]
    weights = rng.uniform(0.5, 1.5, full)[()]
    identical(bp.vjp(function, a, b, c)[0], function(a, b, c))
    narrow = bp.vjp(function, a, b, c)[1](weights)
    wide = bp.vjp(function, *[np.array(x)[()] for x in stretched])[1](weights)
    for x, g, whole in zip((a, b, c), narrow, wide, strict=True):
        extra = tuple(range(np.ndim(whole) - np.ndim(x)))
        summed = np.sum(whole, axis=extra)
        ones = tuple(i for i, n in enumerate(np.shape(x)) if n == 1)
        close(g, np.sum(summed, axis=ones, keepdims=True), 1e-13)
    tangents = tuple(rng.standard_normal(np.shape(x))[()] for x in (a, b, c))
    wanted = bp.jvp(
        function, tuple(np.array(x)[()] for x in stretched), tuple(np.broadcast_to(t, full) for t in tangents)
    )
    close(bp.jvp(function, (a, b, c), tangents)[1], wanted[1], 1e-13)
