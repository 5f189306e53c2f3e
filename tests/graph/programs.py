"""Random NumPy programs: steps drawn from a table, run the same way on arrays and on traced values."""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

SPECIAL = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1.0, -1.0, 2.5, -0.5, 1e-300, 1e300, 3.0])


def _array(x: Any) -> Any:
    """Not a 0-d value: NumPy's own scalars round ``(-0.0) ** 0.5`` otherwise than np.power does."""
    if np.ndim(x) == 0:
        raise ValueError
    return x


UNARY: list[Callable[..., Any]] = [
    np.negative,
    np.positive,
    np.absolute,
    np.exp,
    np.log,
    np.sqrt,
    np.sin,
    np.tanh,
    np.square,
    np.sign,
    np.floor,
    np.isnan,
    np.reciprocal,
    np.cumsum,
    np.transpose,
    np.ravel,
    lambda x: np.negative(-x),
    lambda x: x * 1.0,
    lambda x: 1.0 * x,
    lambda x: x / 1.0,
    lambda x: x - 0.0,
    lambda x: x + 0.0,
    lambda x: x - (-0.0),
    lambda x: x * 0.0,
    lambda x: x * -1.0,
    lambda x: x + np.float32(1.0),
    lambda x: x * np.ones(3),
    lambda x: x * np.float64(1.0),
    lambda x: x - np.zeros((2, 3), "float32"),
    lambda x: x**2,
    lambda x: _array(x) ** 0.5,
    lambda x: _array(x) ** -1,
    lambda x: x / np.float32(1),
    lambda x: 0.0 - x,
    lambda x: 0 - x,
    lambda x: x - 0,
    lambda x: x * 1,
    lambda x: np.transpose(np.transpose(x)),
    lambda x: np.reshape(np.reshape(x, -1), np.shape(x)),
    lambda x: np.reshape(np.reshape(x, -1), (-1, 1)),
    lambda x: np.sum(x, axis=()),
    lambda x: np.sum(x),
    lambda x: np.sum(_array(x), axis=0),
    lambda x: np.sum(_array(x), axis=-1, keepdims=True),
    lambda x: np.max(x),
    lambda x: np.mean(x),
    lambda x: np.broadcast_to(x, (2, 3)),
    lambda x: np.broadcast_to(x, (2, 3)) * 2.0,
    lambda x: x[..., None],
    lambda x: x[::-1],
    lambda x: x[0],
    lambda x: x[[0, 0]],
    lambda x: x.astype("float32"),
    lambda x: x.astype("float64"),
    lambda x: np.where(x > 0, x, 0.0),
    lambda x: np.where(np.isnan(x), x, x),
    lambda x: np.concatenate([x, x]),
    lambda x: np.sin(0.5) * x,
    lambda x: x * np.broadcast_to(np.float64(-0.0), (2, 3)),
]
BINARY: list[Callable[..., Any]] = [
    np.add,
    np.subtract,
    np.multiply,
    np.divide,
    np.maximum,
    np.minimum,
    np.power,
    np.arctan2,
    np.hypot,
    np.less,
    np.equal,
    np.matmul,
    np.logaddexp,
    np.copysign,
    lambda x, y: x + np.broadcast_to(y, (2, 3)),
    lambda x, y: np.broadcast_to(x, (2, 3)) * np.broadcast_to(y, (2, 3)),
    lambda x, y: np.where(x < y, x, y),
    lambda x, y: np.where(x < y, x, x),
    lambda x, y: np.stack([x, y]),
    lambda x, y: x * y + y * x,
    lambda x, y: np.einsum("i,i->", x, y),
]
SHAPES = [(), (3,), (2, 3), (3, 3), (1, 3), (0,), (2, 1)]

Step = tuple[int, int, int]
"""The operation's number in UNARY + BINARY, and which earlier values it reads."""


def steps() -> st.SearchStrategy[list[Step]]:
    one = st.tuples(st.integers(0, len(UNARY + BINARY) - 1), st.integers(0, 30), st.integers(0, 30))
    return st.lists(one, min_size=1, max_size=12)


@st.composite
def arguments(draw: Any) -> list[Any]:
    """One to three arrays or Python floats, special values among them."""
    out: list[Any] = []
    for _ in range(draw(st.integers(1, 3))):
        if draw(st.integers(0, 5)) == 0:
            out.append(float(draw(st.sampled_from(list(SPECIAL)))))
            continue
        shape = draw(st.sampled_from(SHAPES))
        n = int(np.prod(shape))
        picks = draw(st.lists(st.integers(0, len(SPECIAL) - 1), min_size=n, max_size=n))
        with np.errstate(all="ignore"):
            array = SPECIAL[picks].reshape(shape).astype(draw(st.sampled_from(["float32", "float64"])))
        out.append(array if shape else array[()])
    return out


def function_of(program: list[Step], args: list[Any]) -> Callable[..., Any]:
    """A function that runs the steps that NumPy accepts for these arguments, and returns all its values."""
    table = UNARY + BINARY
    values = list(args)
    taken: list[tuple[int, list[int]]] = []
    for number, i, j in program:
        reads = [i % len(values)] if number < len(UNARY) else [i % len(values), j % len(values)]
        # Plain Python floats have no methods; an operation on them alone is not traced in NumPy either.
        try:
            with np.errstate(all="ignore"):
                value = table[number](*[values[k] for k in reads])
        except (ValueError, TypeError, IndexError, AttributeError, ArithmeticError):
            continue
        taken.append((number, reads))
        values.append(value)

    def run(*given: Any) -> tuple[Any, ...]:
        values = list(given)
        for number, reads in taken:
            values.append(table[number](*[values[k] for k in reads]))
        return tuple(values[len(given) :])

    return run


def bits(value: Any) -> tuple[Any, ...]:
    """What two results must share: shape, dtype and every bit, but not the payload of a NaN."""
    array = np.asarray(value)
    if array.dtype.kind == "f":
        array = np.where(np.isnan(array), np.asarray(np.nan, array.dtype), array)
    return array.shape, array.dtype, array.tobytes()
