"""debug_nonfinite names the operation, the pass, the equation and the line, eagerly, compiled and inside loops."""

import threading
from typing import Any

import numpy as np
import pytest

import backpass as bp
from backpass.graph.errors import NonFiniteError


def shifted_root(x: Any) -> Any:
    y = x - 1.0
    return np.sum(np.sqrt(y))


def too_large(x: Any) -> Any:
    z = x * 1000.0
    return np.log(np.sum(np.exp(z)))


def in_a_loop(x: Any) -> Any:
    def step(c: Any, e: Any) -> Any:
        w = np.sqrt(e)
        return c + w, None

    return bp.scan(step, 0.0, x)[0]


def masked(x: Any) -> Any:
    scores = np.where(x > 1.5, x, -np.inf)
    return np.sum(np.exp(scores))


X = np.array([1.0, 2.0])
WAYS = {
    "grad": lambda f: bp.grad(f)(X),
    "compiled": lambda f: bp.compile(bp.grad(f))(X),
    "vjp": lambda f: bp.vjp(f, X)[1](np.float64(1.0)),
    "graph": lambda f: bp.trace(bp.grad(f), X)(X),
    "hessian": lambda f: bp.hessian(f)(X),
}


@pytest.mark.parametrize("way", WAYS)
def test_backward(way: str) -> None:
    with pytest.raises(NonFiniteError) as caught, np.errstate(all="ignore"), bp.debug_nonfinite():
        WAYS[way](shifted_root)
    text = str(caught.value)
    assert "divide in the backward pass, the derivative of" in text
    assert "return np.sum(np.sqrt(y))" in text
    assert "0 … " in text or "0.0" in text


@pytest.mark.parametrize("way", ["grad", "compiled", "vjp", "graph"])
def test_forward(way: str) -> None:
    with pytest.raises(NonFiniteError) as caught, np.errstate(all="ignore"), bp.debug_nonfinite():
        WAYS[way](too_large)
    text = str(caught.value)
    assert "exp in the forward pass" in text
    assert "exp(z)" in text
    assert "np.log(np.sum(np.exp(z)))" in text


def test_forward_mode() -> None:
    words = "forward pass, the derivative of"
    with pytest.raises(NonFiniteError, match=words), np.errstate(all="ignore"), bp.debug_nonfinite():
        bp.jvp(shifted_root, (X,), (np.ones(2),))


@pytest.mark.parametrize("way", ["grad", "compiled"])
def test_inside_a_loop(way: str) -> None:
    values = np.array([4.0, -1.0])
    with pytest.raises(NonFiniteError) as caught, np.errstate(all="ignore"), bp.debug_nonfinite():
        (bp.grad(in_a_loop) if way == "grad" else bp.compile(bp.grad(in_a_loop)))(values)
    assert "w = sqrt(" in str(caught.value) or "sqrt in the forward pass" in str(caught.value)
    assert "w = np.sqrt(e)" in str(caught.value)


def test_what_is_finite_is_the_same_and_what_is_meant_is_let_pass() -> None:
    f = lambda x: np.sum(np.sin(x) * x)  # noqa: E731
    with bp.debug_nonfinite():
        found = bp.value_and_grad(f)(X)
        assert list(bp.grad(masked)(X)) == [0.0, np.exp(2.0)]
        assert bp.hessian(f)(X).shape == (2, 2)
    wanted = bp.value_and_grad(f)(X)
    assert found[0] == wanted[0]
    np.testing.assert_array_equal(found[1], wanted[1])
    assert type(found[1]) is np.ndarray


def test_it_ends_with_its_block_and_stays_in_its_thread() -> None:
    with pytest.raises(ZeroDivisionError), bp.debug_nonfinite():
        raise ZeroDivisionError
    with np.errstate(all="ignore"):
        assert np.isinf(bp.grad(shifted_root)(X)[0])
    seen: list[Any] = []
    with np.errstate(all="ignore"), bp.debug_nonfinite():

        def work() -> None:
            with np.errstate(all="ignore"):
                seen.append(bp.grad(shifted_root)(X))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert np.isinf(seen[0][0])


def test_an_argument_that_is_not_finite_is_named() -> None:
    words = "argument x is not finite"
    with pytest.raises(NonFiniteError, match=words), np.errstate(all="ignore"), bp.debug_nonfinite():
        bp.grad(lambda x: np.sum(np.sin(x)))(np.array([np.inf]))
