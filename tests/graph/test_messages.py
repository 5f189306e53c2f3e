"""Messages: what happened, the user's names, values and line, and what to type next."""

import re
import types

import numpy as np
import pytest

import backpass as bp
from backpass.graph.errors import BackpassError, DtypeError, NoRuleError, ShapeError, TracingError
from backpass.graph.messages import no_rule

W, X = np.ones((4, 2)), np.ones((5, 3))
OUTSIDE = np.zeros((4, 2))
HELD = types.SimpleNamespace(asarray=np.asarray, float=float, complex=complex)


def matmul(W):
    return np.sum(X @ W)


def adding(theta):
    hidden = np.tanh(theta["W"])
    return np.sum(hidden + theta["b"])


def unknown(W):
    return np.sum(np.packbits(W))


def filling(W):
    out = OUTSIDE
    out[0, 0] = W[0, 0]
    return np.sum(out)


def into(W):
    return np.sum(np.sin(W, out=OUTSIDE))


def number(W):
    return HELD.float(np.sum(W))


def array(W):
    return np.sum(HELD.asarray(W))


MESSAGES = {
    "matmul": (matmul, W, ShapeError),
    "names of both operands": (adding, {"W": np.ones(3), "b": np.ones(4)}, ShapeError),
    "a function without a rule": (unknown, W, NoRuleError),
    "assignment into a plain array": (filling, W, TracingError),
    "out=": (into, W, TracingError),
    "float()": (number, W, TracingError),
    "np.asarray": (array, W, TracingError),
}
TEXTS = {
    "matmul": """matmul: …
  with
    float64[5,3]
    W: float64[4,2]
  File "…", line …, in matmul
      return np.sum(X @ W)
                    ^^^^^""",
    "names of both operands": """add: …
  with
    hidden: float64[3]
    theta.b: float64[4]
  File "…", line …, in adding
      return np.sum(hidden + theta["b"])
                    ^^^^^^^^^^^^^^^^^^^""",
    "a function without a rule": """np.packbits is refused on a traced value: \
it works on the bits of whole numbers, which carry no derivative.
  File "…", line …, in unknown
      return np.sum(np.packbits(W))
                    ^^^^^^^^^^^^^^
  To give it one: @bp.custom_rule(vjp=...) around a function that calls it.""",
    "assignment into a plain array": """A traced value (…) is assigned into a plain NumPy array, \
which cannot carry its derivative.
  File "…", line …, in filling
      out[0, 0] = W[0, 0]
      ^^^^^^^^^
  It was made where a trace does not see it: outside of the function, by a method or an operator on a
  plain array, or by a NumPy that was imported inside. Make it with np.zeros, np.array or np.copy of the
  module's own np, or join a list of values: np.stack(values).""",
    "out=": """np.sin(..., out=...) would write a traced value into an existing array.
  File "…", line …, in into
      return np.sum(np.sin(W, out=OUTSIDE))
                    ^^^^^^^^^^^^^^^^^^^^^^
  Use the returned value: result = np.sin(...).""",
    "float()": """float() of a traced value (np.float64(8.0)) would give a plain number or array without its derivative.
  File "…", line …, in number
      return HELD.float(np.sum(W))
             ^^^^^^^^^^^^^^^^^^^^^
  Leave it traced: NumPy functions take it as it is. np.stack(values) makes an array of a list of them.""",
    "np.asarray": """np.asarray() of a traced value (W: float64[4,2]) would give a plain number or array \
without its derivative.
  File "…", line …, in array
      return np.sum(HELD.asarray(W))
                    ^^^^^^^^^^^^^^^
  Leave it traced: NumPy functions take it as it is. np.stack(values) makes an array of a list of them.""",
}


def says(text, wanted):
    """The text is the wanted one, where … stands for anything on a line."""
    return re.fullmatch(re.escape(wanted).replace("…", ".*"), text) is not None


@pytest.mark.parametrize("name", MESSAGES)
def test_messages(name):
    function, argument, kind = MESSAGES[name]
    with pytest.raises(kind) as caught:
        bp.grad(function)(argument)
    assert says(str(caught.value), TEXTS[name]), str(caught.value)
    assert isinstance(caught.value, BackpassError)
    assert f'File "{__file__}"' in str(caught.value)


@pytest.mark.parametrize("name", ["matmul", "names of both operands", "a function without a rule"])
def test_messages_while_staged(name):
    function, argument, kind = MESSAGES[name]
    with pytest.raises(kind) as caught:
        bp.trace(function, argument)
    assert says(str(caught.value), TEXTS[name]), str(caught.value)


def test_the_nearest_function_with_a_rule_is_named():
    def arctann():
        pass

    assert "The nearest that have one: arctan" in str(no_rule(arctann))


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (
            np.arange(3),
            r"with respect to x = int64\[3\]: a derivative needs a floating dtype\.\n  Convert it first",
        ),
        (3, r"with respect to x = 3: a derivative needs a floating dtype"),
        ({"W": np.ones(2, bool)}, r"with respect to x\.W = bool\[2\]"),
        ("text", r"with respect to x = 'text'"),
    ],
    ids=repr,
)
def test_arguments_without_derivative(argument, message):
    def f(x):
        return x

    with pytest.raises(DtypeError, match=message):
        bp.grad(f)(argument)


def test_a_loss_that_is_no_number():
    def f(x):
        return x * 2.0

    with pytest.raises(ShapeError, match=r"grad needs a scalar, but f returned float64\[3\]") as caught:
        bp.grad(f)(np.ones(3))
    assert "np.mean(...) or np.sum(...)" in str(caught.value)


def test_complex_numbers_leave_the_trace_only_by_a_refusal():
    with pytest.raises(TracingError, match=r"complex\(\) of a traced value") as caught:
        bp.grad(lambda z: abs(HELD.complex(z)))(1 + 2j)
    assert f'File "{__file__}"' in str(caught.value)
