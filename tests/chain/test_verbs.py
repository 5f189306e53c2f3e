"""What goes in and what comes out: pytrees, argnums, aux, constants, dtypes, shapes."""

import dataclasses
from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import pytest

import backpass as bp
from backpass.graph.errors import DtypeError, ShapeError, TracingError
from backpass.graph.pytree import flatten

Layer = namedtuple("Layer", "weight bias")


@dataclasses.dataclass
class Theta:
    first: Any
    rest: list[Any]


TREES = {
    "array": np.array([1.0, 2.0]),
    "dict": {"w": np.array([1.0, 2.0]), "b": 3.0},
    "list": [np.array([1.0]), [np.array([[2.0]]), 3.0]],
    "tuple": (np.array([1.0]), (2.0,)),
    "named tuple": Layer(np.array([[1.0, 2.0]]), np.array([3.0])),
    "dataclass": Theta(np.array([1.0]), [{"a": 2.0}, (3.0,)]),
    "with None": {"w": np.array([1.0]), "b": None, "c": [None, 2.0]},
    "ordered dict": OrderedDict(b=1.0, a=np.array([2.0])),
    "empty parts": {"w": np.array([1.0]), "none": {}, "more": ()},
    "zero-size": {"w": np.zeros((0, 3)), "b": np.array([1.0])},
}


def squares(theta: Any) -> Any:
    return sum((np.sum(leaf * leaf) for leaf in flatten(theta)[0]), 0.0)


@pytest.mark.parametrize("name", TREES)
def test_structure_is_kept(name: str) -> None:
    theta = TREES[name]
    leaves, tree = flatten(theta)
    value, gradient = bp.value_and_grad(squares)(theta)
    assert value == sum(float(np.sum(np.square(leaf))) for leaf in leaves)
    found, structure = flatten(gradient)
    assert structure == tree
    assert type(gradient) is type(theta)
    for leaf, g in zip(leaves, found, strict=True):
        np.testing.assert_array_equal(g, 2 * np.asarray(leaf))
        assert type(g) is type(leaf)
    assert [type(part) for part in flatten(bp.vjp(squares, theta)[1](1.0)[0])[0]] == [type(leaf) for leaf in leaves]
    _, tangent = bp.jvp(squares, (theta,), (theta,))
    np.testing.assert_allclose(tangent, 2 * value, rtol=1e-15)
    product = bp.hvp(squares, (theta,), theta)
    for leaf, part in zip(leaves, flatten(product)[0], strict=True):
        np.testing.assert_array_equal(part, 2 * np.asarray(leaf))


def test_jacobian_of_trees() -> None:
    theta = {"a": np.array([1.0, 2.0]), "b": 3.0}

    def outputs(theta: Any) -> Any:
        return [theta["a"] * theta["b"], {"s": np.sum(theta["a"])}]

    for mode in ("forward", "reverse", "auto"):
        found = bp.jacobian(outputs, mode=mode)(theta)
        np.testing.assert_array_equal(found[0]["a"], 3 * np.eye(2))
        np.testing.assert_array_equal(found[0]["b"], [1.0, 2.0])
        np.testing.assert_array_equal(found[1]["s"]["a"], [1.0, 1.0])
        assert found[1]["s"]["b"] == 0.0
    second = bp.hessian(lambda t: np.sum(t["a"] ** 2) * t["b"])(theta)
    np.testing.assert_array_equal(second["a"]["a"], 6 * np.eye(2))
    np.testing.assert_array_equal(second["a"]["b"], [2.0, 4.0])
    np.testing.assert_array_equal(second["b"]["a"], [2.0, 4.0])
    assert second["b"]["b"] == 0.0


@pytest.mark.parametrize("shape_in", [(), (2,), (2, 3), (0,)])
@pytest.mark.parametrize("shape_out", [(), (3,), (2, 2), (0,)])
def test_jacobian_has_the_shape_out_then_in(shape_in: tuple[int, ...], shape_out: tuple[int, ...]) -> None:
    x = np.ones(shape_in)
    scale = np.arange(1.0, 1 + np.prod(shape_out)).reshape(shape_out)
    for mode in ("forward", "reverse"):
        found = bp.jacobian(lambda x: np.sum(x) * scale, mode=mode)(x)
        assert found.shape == shape_out + shape_in
        np.testing.assert_array_equal(found, np.broadcast_to(scale.reshape(shape_out + (1,) * x.ndim), found.shape))


def three(a: Any, b: Any, c: Any) -> Any:
    return a * b**2 * c**3


PATHS = {
    "numbers": lambda x: np.sum(x) * 2.0 + 1.0,
    "constants on both sides": lambda x: np.sum(3.0 / (1.0 - np.exp(x)) ** 2),
    "selected": lambda x: np.sum(np.clip(x, 0.2, 0.6) * 3.0),
    "selected above what is steep": lambda x: np.sum(np.maximum(np.sqrt(x), 0.5)),
    "selected twice": lambda x: np.max(np.where(WEIGHTS > 0.5, x, 0.0)),
    "slices": lambda x: np.sum(np.sin(x[1:4])[::2]),
    "an entry": lambda x: x[2] ** 3,
    "places": lambda x: np.sum(np.exp(x)[[0, 0, 3]]),
    "reductions": lambda x: np.prod(np.cumsum(x)) + 1.0,
    "a divided path": lambda x: np.sum(np.sin(x) * x),
    "divided above": lambda x: np.log(np.sum(np.exp(x)) + np.sum(x[::2] ** 2)),
    "a norm": lambda x: np.linalg.norm(np.reshape(x, (2, 3)) @ np.ones((3, 2))),
    "steep at 0": lambda x: np.sum(np.sqrt((x - x[0]) ** 2)),
    "√ of 0": lambda x: np.sum(np.sqrt(x - 0.1) * np.array([0.0, 1.0, 1.0, 1.0, 1.0, 1.0])),
    "joined": lambda x: np.sum(np.concatenate([x, WEIGHTS]) ** 2),
    "another precision": lambda x: np.sum(x.astype(np.float32) * 2.0),
}
WEIGHTS = np.linspace(0.1, 0.9, 6)


@pytest.mark.parametrize("name", PATHS)
def test_a_single_path_gives_what_many_give(name: str) -> None:
    """One output is followed down its path at first; two are sorted with all that is between."""
    f = PATHS[name]
    x = np.array([0.1, 0.7, 0.4, 0.9, 0.3, 0.5])
    gradient = bp.grad(f)(x)
    (again,) = bp.vjp(lambda x: (f(x), np.sum(0.0 * x)), x)[1]((dtype_one(f(x)), np.float64(0.0)))
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(gradient, again)
    both = bp.grad(lambda x, y: f(x), argnums=(0, 1))(x, x)
    np.testing.assert_array_equal(both[0], gradient)
    np.testing.assert_array_equal(both[1], np.zeros(6))


def dtype_one(value: Any) -> Any:
    return np.asarray(value).dtype.type(1)


def test_argnums() -> None:
    assert bp.grad(three)(2.0, 3.0, 1.0) == 9.0
    assert bp.grad(three, argnums=1)(2.0, 3.0, 1.0) == 12.0
    assert bp.grad(three, argnums=-1)(2.0, 3.0, 1.0) == 54.0
    assert bp.grad(three, argnums=(0, 2))(2.0, 3.0, 1.0) == (9.0, 54.0)
    assert bp.grad(three, argnums=(-1, 0))(2.0, 3.0, 1.0) == (54.0, 9.0)
    assert bp.grad(three, argnums=(1,))(2.0, 3.0, 1.0) == (12.0,)
    assert bp.jacobian(three, argnums=(0, 1))(2.0, 3.0, 1.0) == (9.0, 12.0)
    assert bp.hessian(three, argnums=2)(2.0, 3.0, 1.0) == 108.0
    assert bp.hvp(three, (2.0, 3.0, 1.0), 2.0, argnums=1) == 8.0
    for argnums in (3, -4, (0, 5)):
        with pytest.raises(TypeError, match="called with 3 positional arguments"):
            bp.grad(three, argnums=argnums)(2.0, 3.0, 1.0)
    with pytest.raises(ValueError, match="twice"):
        bp.grad(three, argnums=(0, -3))(2.0, 3.0, 1.0)


def test_keyword_arguments_are_held_constant() -> None:
    def f(x: Any, *, power: Any, data: Any) -> Any:
        return np.sum(x**power * data["scale"])

    assert bp.grad(f)(2.0, power=3, data={"scale": 10.0}) == 120.0
    with_default = lambda x, n=2: x**n  # noqa: E731
    assert bp.grad(with_default)(3.0) == 6.0
    assert bp.grad(with_default)(3.0, n=3) == 27.0


def test_whole_numbers_and_other_things_may_be_other_arguments() -> None:
    def f(x: Any, index: int, name: str, table: Any) -> Any:
        return x[index] * table[name]

    np.testing.assert_array_equal(bp.grad(f)(np.ones(3), 1, "a", {"a": 2.0}), [0, 2, 0])


def test_aux() -> None:
    def f(x: Any) -> Any:
        y = np.sin(x)
        return np.sum(y), {"y": y, "n": 3, "text": "kept"}

    x = np.array([0.5, 1.0])
    gradient, aux = bp.grad(f, has_aux=True)(x)
    np.testing.assert_array_equal(gradient, np.cos(x))
    np.testing.assert_array_equal(aux["y"], np.sin(x))
    assert type(aux["y"]) is np.ndarray
    assert (aux["n"], aux["text"]) == (3, "kept")
    (value, aux), again = bp.value_and_grad(f, has_aux=True)(x)
    assert value == np.sum(np.sin(x))
    np.testing.assert_array_equal(again, gradient)
    with pytest.raises(TracingError, match="pair"):
        bp.grad(np.sum, has_aux=True)(x)

    def nested(x: Any) -> Any:
        gradient, aux = bp.grad(f, has_aux=True)(x)
        return np.sum(gradient * aux["y"])  # aux carries the outer derivative

    np.testing.assert_allclose(bp.grad(nested)(x), np.cos(2 * x), rtol=1e-14)


def test_results_that_do_not_depend_on_the_input() -> None:
    x = np.array([1.0, 2.0])
    np.testing.assert_array_equal(bp.grad(lambda x: 3.0)(x), [0, 0])
    np.testing.assert_array_equal(bp.grad(lambda x: np.sum(np.ones(3)))(x), [0, 0])
    np.testing.assert_array_equal(bp.grad(lambda x: np.sum(x > 1) * 1.0)(x), [0, 0])
    assert bp.grad(lambda x: 1)(2.0) == 0.0
    np.testing.assert_array_equal(bp.jacobian(lambda x: np.ones(3))(x), np.zeros((3, 2)))
    np.testing.assert_array_equal(bp.jacobian(lambda x: [x, 5.0], mode="forward")(x)[1], [0, 0])
    np.testing.assert_array_equal(bp.hessian(np.sum)(x), np.zeros((2, 2)))
    np.testing.assert_array_equal(bp.hessian(lambda x: 1.0)(x), np.zeros((2, 2)))
    np.testing.assert_array_equal(bp.hvp(np.sum, (x,), x), [0, 0])
    value, tangent = bp.jvp(lambda x: (x * 2, 7.0), (x,), (x,))
    np.testing.assert_array_equal(tangent[0], [2, 4])
    assert tangent[1] == 0.0
    assert value[1] == 7.0
    value, pull = bp.vjp(lambda x: np.arange(3.0), x)
    np.testing.assert_array_equal(pull(np.ones(3))[0], [0, 0])


def test_arguments_that_are_not_used() -> None:
    first, second, third = bp.grad(lambda a, b, c: np.sum(a), argnums=(0, 1, 2))(np.ones(2), np.ones((2, 2)), 4.0)
    np.testing.assert_array_equal(first, [1, 1])
    np.testing.assert_array_equal(second, np.zeros((2, 2)))
    assert third == 0.0
    assert type(third) is float
    one, two = bp.vjp(lambda a, b: a * 2, 1.0, np.float32(2))[1](1.0)
    assert (one, two) == (2.0, 0.0)
    assert type(two) is np.float32


def test_the_argument_itself_as_result() -> None:
    assert bp.grad(lambda x: x)(3.0) == 1.0
    x = np.array([1.0, 2.0])
    np.testing.assert_array_equal(bp.jacobian(lambda x: x)(x), np.eye(2))
    np.testing.assert_array_equal(bp.jacobian(lambda x: [x, x], mode="forward")(x)[1], np.eye(2))
    np.testing.assert_array_equal(bp.vjp(lambda x: (x, x), x)[1]((x, x))[0], 2 * x)
    np.testing.assert_array_equal(bp.vjp(lambda x, y: (y, x), x, x)[1]((x, 5 * x))[1], x)


DTYPES = (np.float16, np.float32, np.float64)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 0)])
def test_dtype_and_shape_are_kept(dtype: Any, shape: tuple[int, ...]) -> None:
    x = np.full(shape, 0.5, dtype)

    def f(x: Any) -> Any:
        return np.sum(np.tanh(x) * np.float64(2.0) + x * np.ones(shape, np.float32))

    gradient = bp.grad(f)(x)
    assert (type(gradient), gradient.dtype, gradient.shape) == (np.ndarray, dtype, shape)
    assert bp.hvp(f, (x,), x).dtype == dtype
    assert bp.hvp(f, (x,), x).shape == shape
    assert bp.jacobian(lambda x: x * x)(x).dtype == dtype
    assert bp.jacobian(lambda x: x * x, mode="forward")(x).dtype == dtype
    assert bp.hessian(lambda x: np.sum(x * x * x))(x).dtype == dtype
    value, tangent = bp.jvp(lambda x: x * x, (x,), (x,))
    assert value.dtype == tangent.dtype == dtype
    scalar = dtype(0.5)
    for found in (bp.grad(np.sin)(scalar), bp.grad(bp.grad(np.sin))(scalar), bp.jvp(np.sin, (scalar,), (1.0,))[1]):
        assert type(found) is dtype


def test_python_numbers_stay_python_numbers() -> None:
    for found in (
        bp.grad(lambda x: x * x)(3.0),
        bp.grad(np.sin)(3.0),
        bp.grad(bp.grad(lambda x: x**3))(3.0),
        bp.vjp(lambda x: x * 2, 3.0)[1](1.0)[0],
        bp.grad(lambda t: t["a"] * np.float32(2))({"a": 1.5})["a"],
    ):
        assert type(found) is float
    assert type(bp.value_and_grad(lambda x: x * x + 1)(3.0)[0]) is float


def test_a_python_number_promotes_weakly() -> None:
    """NEP 50: x · 2.5 stays float32, also for a number that is being differentiated."""
    x = np.ones(3, np.float32)
    value, (gx, gs) = bp.value_and_grad(lambda x, s: np.sum(x * (s * 2 + 1)), argnums=(0, 1))(x, 2.5)
    assert value.dtype == np.float32
    assert gx.dtype == np.float32
    assert (gs, type(gs)) == (6.0, float)
    assert bp.trace(lambda x, s: x * (s * 2 + 1), x, 2.5)(x, 2.5).dtype == np.float32
    mixed = bp.vjp(lambda x, s: x * np.sin(s), x, 2.5)[0]
    assert mixed.dtype == (x * np.sin(2.5)).dtype == np.float64


def test_mixed_dtypes_in_one_tree() -> None:
    theta = {"half": np.float16(1.5), "single": np.ones(2, np.float32), "double": np.ones((1, 2)), "number": 2.0}
    gradient = bp.grad(lambda t: np.sum(t["half"] * t["single"] * t["double"] * t["number"]))(theta)
    assert type(gradient["half"]) is np.float16
    assert gradient["single"].dtype == np.float32
    assert gradient["double"].dtype == np.float64
    assert type(gradient["number"]) is float
    assert gradient["half"] == 4.0


def test_what_cannot_be_differentiated_is_refused() -> None:
    for x in (3, np.arange(3), np.array([True]), "text", np.array(["a"])):
        with pytest.raises(DtypeError, match="Cannot differentiate with respect to x"):
            bp.grad(lambda x: x)(x)
    with pytest.raises(DtypeError, match=r"theta\.layers\.0\.n"):
        bp.grad(lambda theta: 1.0)({"layers": [{"n": 3}]})
    with pytest.raises(DtypeError, match="returned a complex one"):
        bp.grad(lambda x: np.exp(1j * x))(1.0)
    for function, match in (
        (lambda x: x, r"grad needs a scalar, but <lambda> returned float64\[2\]"),
        (lambda x: [x], "returned a list"),
        (lambda x: None, "returned a NoneType"),
        (lambda x: np.ones(3), r"returned float64\[3\]"),
    ):
        with pytest.raises(ShapeError, match=match):
            bp.grad(function)(np.ones(2))


def test_cotangents_and_tangents_must_fit() -> None:
    x = np.ones(2)
    _, pull = bp.vjp(lambda x: {"a": x}, x)
    with pytest.raises(ShapeError, match="structure"):
        pull(x)
    with pytest.raises(ShapeError, match=r"shape \(3,\)"):
        pull({"a": np.ones(3)})
    with pytest.raises(ShapeError, match="structure"):
        bp.jvp(np.sum, (x,), ([x],))
    with pytest.raises(ShapeError, match=r"shape \(3,\)"):
        bp.jvp(np.sum, (x,), (np.ones(3),))
    with pytest.raises(ShapeError, match="one tangent for each primal"):
        bp.jvp(np.sum, (x,), ())
    with pytest.raises(ValueError, match="mode must be"):
        bp.jacobian(np.sum, mode="sideways")
    value, tangent = bp.jvp(lambda a, b: a * b, (2.0, 3.0), (None, 1.0))
    assert (value, tangent) == (6.0, 2.0)
    assert bp.jvp(lambda a, b: a * b, (2.0, 3.0), (None, None))[1] == 0.0


def test_wrapped_functions_keep_their_names() -> None:
    assert bp.grad(three).__name__ == "three"
    assert bp.jacobian(three).__doc__ is three.__doc__


def test_methods_partials_and_ufuncs_can_be_differentiated() -> None:
    import functools

    class Model:
        scale = 3.0

        def loss(self, x: Any) -> Any:
            return np.sum(x * x) * self.scale

        def __call__(self, x: Any) -> Any:
            return self.loss(x)

    np.testing.assert_array_equal(bp.grad(Model().loss)(np.ones(2)), [6, 6])
    np.testing.assert_array_equal(bp.grad(Model())(np.ones(2)), [6, 6])
    assert bp.grad(functools.partial(three, 2.0))(3.0, 1.0) == 12.0
    assert bp.grad(np.sin)(0.0) == 1.0
    assert bp.grad(np.sum)(1.0) == 1.0
