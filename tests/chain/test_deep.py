"""Long chains, many values, several threads: no recursion, no state that leaks, no quadratic cost."""

import gc
import sys
import threading
import weakref
from typing import Any

import numpy as np
import pytest

import backpass as bp
from backpass.graph.origin import state


def chain(x: Any, steps: int) -> Any:
    y = x
    for _ in range(steps):
        y = y + x
    return y


def test_a_deep_chain() -> None:
    assert sys.getrecursionlimit() < 100_000
    assert bp.grad(lambda x: chain(x, 100_000))(2.0) == 100_001.0
    assert bp.jvp(lambda x: chain(x, 20_000), (2.0,), (1.0,))[1] == 20_001.0


def test_a_deep_chain_at_second_order() -> None:
    def f(x: Any) -> Any:
        y = x
        for _ in range(3_000):
            y = y * 0.5 + np.sin(x)
        return y

    np.testing.assert_allclose(bp.grad(bp.grad(f))(1.0), -2 * np.sin(1.0), rtol=1e-12)


@pytest.mark.slow
def test_a_chain_of_a_million() -> None:
    assert bp.grad(lambda x: chain(x, 1_000_000))(2.0) == 1_000_001.0


def test_a_graph_of_a_deep_chain() -> None:
    graph = bp.trace(lambda x: chain(x, 20_000), np.ones(1))
    np.testing.assert_array_equal(graph(np.ones(1)), [20_001.0])


def test_wide_fans() -> None:
    x = np.linspace(0.0, 1.0, 2_000)
    np.testing.assert_array_equal(bp.grad(lambda x: sum(x[i] * i for i in range(2_000)))(x), np.arange(2_000.0))
    parts = [np.float64(v) for v in x]
    found = bp.grad(lambda parts: np.sum(np.stack(parts) ** 2))(parts)
    np.testing.assert_array_equal(found, 2 * x)


def test_the_trace_is_freed() -> None:
    """Nothing keeps a finished trace alive: the arrays of the forward pass go when the gradient is there."""
    watched: list[Any] = []

    def f(x: Any) -> Any:
        y = np.sin(x)
        watched.append(weakref.ref(y.value))
        return np.sum(y)

    bp.grad(f)(np.ones(3))
    gc.collect()
    assert watched[0]() is None


def test_an_error_leaves_no_state() -> None:
    def broken(x: Any) -> Any:
        bp.grad(lambda y: y * x)(1.0)
        raise KeyError("mine")

    for transform in (bp.grad, bp.jacobian, bp.hessian):
        with pytest.raises(KeyError, match="mine"):
            transform(broken)(1.0)
        assert state.depth == 0
        assert state.origin is None
    with pytest.raises(KeyError):
        bp.trace(broken, 1.0)
    assert state.depth == 0
    assert gc.isenabled()
    assert np.geterr() == np.seterr()
    assert bp.grad(lambda x: x * x)(2.0) == 4.0


def test_threads() -> None:
    """Each thread's trace is its own: gradients taken at once in several threads, nested, with errors among them."""
    results: dict[int, list[float]] = {}
    barrier = threading.Barrier(4)

    def work(k: int) -> None:
        barrier.wait()
        found = []
        for i in range(60):
            x = float(k + i / 10)
            found.append(bp.grad(bp.grad(lambda y: y**3 * k))(x) - 6 * k * x)
            if i % 7 == 0:
                with pytest.raises(TypeError):
                    bp.grad(lambda y: np.packbits(y)[0])(x)
            a = np.full(3, x)
            found.append(float(np.max(np.abs(bp.grad(lambda a: np.sum(np.sin(a) * a))(a) - np.cos(a) * a - np.sin(a)))))
        results[k] = found

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [1, 2, 3, 4]
    for found in results.values():
        np.testing.assert_allclose(found, 0, atol=1e-9)
    assert gc.isenabled()


def test_threads_inside_a_trace() -> None:
    """A value that is traced in one thread can be used in another that the function itself starts."""
    from concurrent.futures import ThreadPoolExecutor

    def f(x: Any) -> Any:
        with ThreadPoolExecutor(2) as pool:
            return sum(pool.map(lambda k: np.sum(x**k), [1, 2, 3]))

    x = np.array([0.5, 2.0])
    np.testing.assert_allclose(bp.grad(f)(x), 1 + 2 * x + 3 * x**2, rtol=1e-15)
