"""No argument is changed, no result shares memory, and in-place code does what NumPy does."""

from typing import Any

import numpy as np
import pytest

import backpass as bp
from backpass.graph.errors import DtypeError, ShapeError, TracingError
from backpass.graph.pytree import flatten

FUNCTIONS = {
    "identity": lambda a, b: a,
    "sum of both": lambda a, b: a + b,
    "views": lambda a, b: a.T.reshape(-1)[::-1] + np.ravel(b),
    "broadcast": lambda a, b: np.broadcast_to(np.sum(a), (3,)) * np.sum(b),
    "reductions": lambda a, b: np.sum(a, axis=0) * np.max(b, axis=0),
    "matmul": lambda a, b: a @ b,
    "constants": lambda a, b: np.ones((2, 2)) * 2,
    "where": lambda a, b: np.where(a > b, a, b),
    "entries": lambda a, b: np.stack([a[0], b[1]]),
    "same twice": lambda a, b: [a, a, b],
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nothing_is_changed_and_nothing_shared(name: str) -> None:
    function = FUNCTIONS[name]
    args = (np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.5, 2.5], [3.5, 0.25]]))
    for array in args:
        array.flags.writeable = False  # a write into an argument would raise
    outputs = flatten(function(*args))[0]
    given = [np.ones_like(out) for out in outputs]
    for array in given:
        array.flags.writeable = False
    value, pull = bp.vjp(function, *args)
    cotangent = flatten(value)[1].unflatten(given)
    results = [*flatten(pull(cotangent))[0]]
    tangents = (np.ones((2, 2)), np.ones((2, 2)))
    results += flatten(bp.jvp(function, args, tangents)[1])[0]
    results += flatten(bp.jacobian(function, argnums=(0, 1), mode="reverse")(*args))[0]
    results += flatten(bp.jacobian(function, argnums=(0, 1), mode="forward")(*args))[0]
    loss = lambda a, b: sum(np.sum(out) for out in flatten(function(a, b))[0])  # noqa: E731
    results += flatten(bp.grad(loss, argnums=(0, 1))(*args))[0]
    results += flatten(bp.hvp(loss, args, np.ones((2, 2))))[0]
    for k, result in enumerate(results):
        assert type(result) is np.ndarray
        assert result.flags.writeable
        for other in (*args, *given, *tangents, *results[k + 1 :]):
            assert not np.shares_memory(result, other)


def test_a_custom_rule_may_return_an_array_that_it_keeps() -> None:
    kept = np.array([1.0, 2.0])

    @bp.custom_rule(vjp=lambda g, out, x: kept)
    def total(x: Any) -> Any:
        return np.sum(x * kept)

    g = bp.grad(total)(np.zeros(2))
    g *= 0
    np.testing.assert_array_equal(kept, [1, 2])
    np.testing.assert_array_equal(bp.grad(lambda x: total(x) + np.sum(x[:1]))(np.zeros(2)), [2, 2])
    np.testing.assert_array_equal(kept, [1, 2])


def test_arguments_in_place() -> None:
    """``x += 1`` inside the function does not reach the caller's array, and is differentiated."""
    x = np.array([1.0, 2.0])

    def f(x: Any) -> Any:
        x += 1
        x *= x
        x -= np.array([0.5, 0.5])
        x /= 2.0
        return np.sum(x**2)

    gradient = bp.grad(f)(x)
    np.testing.assert_array_equal(x, [1, 2])
    y = ((x + 1) ** 2 - 0.5) / 2
    np.testing.assert_allclose(gradient, 2 * y * (x + 1), rtol=1e-15)


def test_in_place_reaches_every_name() -> None:
    def f(x: Any) -> Any:
        y = x * 2
        z = y
        z += 1
        return np.sum(y * x)

    np.testing.assert_array_equal(bp.grad(f)(np.array([1.0, 2.0])), [5.0, 9.0])


def test_in_place_in_a_loop() -> None:
    def f(x: Any) -> Any:
        total = np.zeros(2) + x
        for k in range(3):
            total += x**k
        total **= 2
        total @= np.eye(2)
        return np.sum(total)

    x = np.array([0.5, 2.0])
    wanted = 2 * (2 * x + 1 + x**2) * (2 + 2 * x)
    np.testing.assert_allclose(bp.grad(f)(x), wanted, rtol=1e-14)


def test_copies_of_views_may_be_changed() -> None:
    def f(x: Any) -> Any:
        row = x[0].copy()
        row += x[1]
        other = np.copy(x.T)
        other *= 2
        kept = x.copy()
        kept += 1
        return np.sum(row**2) + np.sum(other) + np.sum(kept * x)

    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    wanted = 2 * x.sum(axis=0) + 2 + 2 * x + 1
    np.testing.assert_allclose(bp.grad(f)(x), wanted, rtol=1e-15)


def test_an_entry_that_was_read_is_no_view() -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        first = y[0]
        y += first
        return np.sum(y * first)

    x = np.array([2.0, 3.0])
    np.testing.assert_array_equal(bp.grad(f)(x), [15.0, 2.0])  # 3 x₀² + x₀ x₁
    np.testing.assert_array_equal(bp.trace(bp.grad(f), x)(x), [15.0, 2.0])


@pytest.mark.parametrize(
    "view",
    [
        lambda y: y[:1],
        lambda y: y[..., 0, 0],
        lambda y: y.T,
        lambda y: y.reshape(1, 4),
        lambda y: y.ravel(),
        lambda y: y[0],
        lambda y: y[None],
    ],
)
def test_in_place_with_a_view(view: Any) -> None:
    def change_base(x: Any) -> Any:
        y = x * 1.0
        v = view(y)
        y += 1
        return np.sum(v)

    def change_view(x: Any) -> Any:
        y = x * 1.0
        v = view(y)
        v += 1
        return np.sum(y)

    x = np.ones((2, 2))
    seen = np.zeros((2, 2))
    view(seen)[...] = 1
    for function, value, gradient in (
        (change_base, 2 * np.sum(seen), seen),
        (change_view, 4 + np.sum(seen), np.ones((2, 2))),
    ):
        assert function(x) == value
        found, slope = bp.value_and_grad(function)(x)
        assert found == value
        np.testing.assert_array_equal(slope, gradient)
        np.testing.assert_array_equal(bp.trace(bp.grad(function), x)(x), gradient)


def test_in_place_keeps_shape_and_dtype_as_numpy_does() -> None:
    def wider(x: Any) -> Any:
        y = x * 1
        y += np.ones(2)  # float64 into float32: the result stays float32
        return np.sum(y)

    x = np.ones(2, np.float32)
    assert bp.value_and_grad(wider)(x)[0].dtype == np.float32

    def taller(x: Any) -> Any:
        y = x * 1
        y += np.ones((3, 2))
        return np.sum(y)

    with pytest.raises(ShapeError, match="non-broadcastable output"):
        bp.grad(taller)(x)

    def whole(x: Any) -> Any:
        n = np.floor(x).astype(int)
        n += x
        return np.sum(n)

    with pytest.raises(DtypeError, match="cannot store float"):
        bp.grad(whole)(x)


def test_numbers_in_place_rebind() -> None:
    def f(x: Any) -> Any:
        total = 0.0
        old = total
        total += x
        before = total
        total *= x
        return total + before + old

    assert bp.grad(f)(3.0) == 7.0
    assert bp.grad(f)(np.float64(3.0)) == 7.0


def test_arrays_without_axes_in_place() -> None:
    """np.array(2.0) is an array: ``y = x; y += 1`` changes both names."""

    def f(x: Any) -> Any:
        y = x * np.ones(())
        y = np.reshape(np.stack([y, y])[:1], ()).copy()
        z = y
        z += 1
        z *= z
        return y * x

    x = np.array(2.0)
    assert bp.value_and_grad(f)(x) == (18.0, 21.0)
    assert bp.grad(lambda x: _same_twice(x))(np.array(3.0)) == 8.0


def _same_twice(x: Any) -> Any:
    y = x
    y += 1
    return x * y


def test_plain_arrays_cannot_take_traced_values() -> None:
    buffer = np.zeros(2)

    def f(x: Any) -> Any:
        a = buffer
        a += x
        return np.sum(a)

    with pytest.raises(TracingError) as caught:
        bp.grad(f)(np.ones(2))
    assert "a += x" in str(caught.value)
    np.testing.assert_array_equal(buffer, 0)


def test_a_read_only_or_strided_argument() -> None:
    base = np.arange(12.0).reshape(3, 4)
    x = base[::2, ::-2]
    x.flags.writeable = False
    g = bp.grad(lambda x: np.sum(x**2))(x)
    np.testing.assert_array_equal(g, 2 * x)
    assert g.flags.writeable


# ---- buffers that the user's code fills again
def test_a_buffer_that_is_filled_again() -> None:
    """Each step keeps what the buffer held then, eagerly and in a graph; the value is the plain code's too."""

    def small(x: Any) -> Any:
        buffer, total = np.empty(3), 0.0
        for k in range(4):
            buffer[:] = k
            total = total + np.sum(x * buffer) + np.sum(np.multiply(buffer, x))
        return total

    def large(x: Any) -> Any:
        buffer, total = np.empty((1000, 3)), 0.0
        for k in range(4):
            buffer[k:] = k
            total = total + np.sum(buffer @ x) + np.sum(x * buffer[-1])
        return total

    def order(x: Any) -> Any:
        places, total = np.arange(3), 0.0
        for k in range(3):
            total = total + x[places[:2]].sum() * k
            places[:] = np.roll(places, 1)
        return total

    def drawn(x: Any) -> Any:
        places, total, rng = np.arange(3), 0.0, np.random.default_rng(0)
        for _ in range(3):
            rng.shuffle(places)
            total = total + x[places] @ np.arange(3.0)
        return total

    x = np.array([0.5, 1.0, 2.0])
    for function in (small, large, order, drawn):
        value, gradient = bp.value_and_grad(function)(x)
        assert value == function(x)
        wanted = [function(unit) - function(np.zeros(3)) for unit in np.eye(3)]  # all are linear in x
        np.testing.assert_allclose(gradient, wanted, rtol=1e-14)
        graph = bp.trace(bp.value_and_grad(function), x)
        np.testing.assert_array_equal(graph(x)[1], gradient)
        assert graph(x)[0] == value


def test_a_large_buffer_in_a_loop_is_copied_once_while_it_does_not_change() -> None:
    from backpass.graph.origin import state

    data = np.ones((1000, 3))

    def f(x: Any) -> Any:
        log: dict[int, Any] = {}
        for k in range(5):
            log[k] = np.sum(data @ x)
        assert len(state.kept) == 1
        return log[4]

    np.testing.assert_array_equal(bp.grad(f)(np.ones(3)), [1000.0] * 3)
    assert state.kept == {}


def test_memory_order_is_kept_so_that_products_round_alike() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(7)
    for matrix in (
        rng.standard_normal((7, 9)).T,
        rng.standard_normal((9, 14))[:, ::2],
        rng.standard_normal((18, 7))[::-2],
    ):
        np.testing.assert_array_equal(bp.vjp(lambda x, m=matrix: m @ x, x)[0], matrix @ x)


def test_a_pullback_is_of_the_point_where_it_was_taken() -> None:
    theta = {"w": np.array([1.0, 2.0])}
    _, pull = bp.vjp(lambda t: np.sum(t["w"] ** 2), theta)
    theta["w"] -= 10.0
    np.testing.assert_array_equal(pull(1.0)[0]["w"], [2.0, 4.0])
