"""Taylor mode against closed forms and against nested derivatives, for every elementary function."""

import math
from typing import Any

import numpy as np
import pytest

import backpass as bp
from backpass.graph.errors import NoRuleError, ShapeError
from backpass.graph.op import OPS, Kind, Op

from ..partials.samples import ANALYTIC, arguments, cases_of

SMOOTH = [op for op in OPS.values() if op.kind in (Kind.POINTWISE, Kind.LINEAR, Kind.REDUCTION, Kind.CUSTOM)]
SMOOTH = [op for op in SMOOTH if op.name in ANALYTIC and cases_of(op)]


@pytest.mark.parametrize("op", SMOOTH, ids=lambda op: op.name)
def test_third_order_of_every_operation_is_the_nested_one(op: Op) -> None:
    chosen = next((c for c in cases_of(op) if all(0 not in a for a in c.args if isinstance(a, tuple))), None)
    if chosen is None:
        return
    args = arguments(op, chosen)
    places = [k for k, a in enumerate(args) if np.asarray(a).dtype.kind == "f"]
    if not places or np.asarray(op.run(*args, **chosen.attrs)).dtype.kind != "f":
        return
    rng = np.random.default_rng(7)
    rows = tuple(0.3 * rng.normal(size=np.shape(args[k]))[()] for k in places)

    def f(xs: Any) -> Any:
        filled = list(args)
        for k, x in zip(places, xs, strict=True):
            filled[k] = x
        return op(*filled, **chosen.attrs)

    xs = tuple(args[k] for k in places)
    try:
        wanted, nested = [f(xs)], f
        for _ in range(3):
            nested = (lambda g: lambda x: bp.jvp(g, (x,), (rows,))[1])(nested)
            wanted.append(nested(xs))
    except NoRuleError:
        return
    for n, (a, b) in enumerate(zip(bp.taylor(f, xs, 3, rows), wanted, strict=True)):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10, err_msg=f"order {n} of {chosen.label}")


def test_high_orders_against_closed_forms() -> None:
    n = 25
    factorials = [math.factorial(k) for k in range(n + 1)]
    x = 0.25
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-11)  # noqa: E731
    close(bp.taylor(lambda x: 1 / (1 - x), x, n), [f / (1 - x) ** (k + 1) for k, f in enumerate(factorials)])
    close(bp.taylor(np.exp, x, n), [np.exp(x)] * (n + 1))
    close(bp.taylor(np.sin, x, n), [np.sin(x + k * np.pi / 2) for k in range(n + 1)])
    logs = [np.log(x)] + [(-1) ** (k - 1) * factorials[k - 1] / x**k for k in range(1, n + 1)]
    close(bp.taylor(np.log, x, n), logs)
    roots = [np.sqrt(x) * np.prod([(0.5 - j) / x for j in range(k)]) for k in range(n + 1)]
    close(bp.taylor(np.sqrt, x, n), roots)
    close(bp.taylor(lambda x: x**0.5, x, n), roots)
    close(bp.taylor(lambda x: x**7, x, 9), [math.perm(7, k) * x ** max(7 - k, 0) for k in range(10)])
    atan = [math.atan(x)] + [
        (-1) ** (k - 1) * factorials[k - 1] * np.imag((x - 1j) ** -k * -1) * (-1) ** 0 * 1.0 for k in range(1, n + 1)
    ]
    found = bp.taylor(np.arctan, x, n)
    close(np.abs(found), np.abs(atan))


def test_a_network_along_a_direction() -> None:
    rng = np.random.default_rng(0)
    theta = {"w": rng.normal(size=(3, 4)), "v": rng.normal(size=4)}
    along = {"w": rng.normal(size=(3, 4)), "v": rng.normal(size=4)}
    x = rng.normal(size=(5, 3))
    f = lambda t: np.mean((np.tanh(x @ t["w"]) @ t["v"] - 1.0) ** 2)  # noqa: E731
    found = bp.taylor(f, theta, 4, along)
    np.testing.assert_allclose(found[2], sum(np.sum(a * b) for a, b in zip(
        bp.hvp(f, (theta,), along).values(), along.values(), strict=True)), rtol=1e-12)  # fmt: skip
    line = lambda s: f({k: theta[k] + s * along[k] for k in theta})  # noqa: E731
    fourth = bp.grad(bp.grad(bp.grad(bp.grad(line))))(0.0)
    np.testing.assert_allclose(found[4], fourth, rtol=1e-11)


def test_it_is_differentiable_and_compiles() -> None:
    second = lambda x: bp.taylor(lambda y: np.sin(y) * y, x, 2)[2]  # noqa: E731
    np.testing.assert_allclose(bp.grad(second)(0.7), bp.taylor(lambda y: np.sin(y) * y, 0.7, 3)[3], rtol=1e-13)
    np.testing.assert_allclose(bp.compile(second)(0.7), second(0.7), rtol=1e-14)


def test_refusals() -> None:
    with pytest.raises(ShapeError, match="direction"):
        bp.taylor(np.sin, np.ones(3), 2, np.ones(2))
    with pytest.raises(NoRuleError, match="scan"):
        bp.taylor(lambda x: bp.scan(lambda c, _: (c * x, None), x, length=2)[0], 1.0, 2)
