"""vmap is the loop over examples, stacked: for every operation of the registry, and nested with everything else."""

import zlib
from typing import Any

import numpy as np
import pytest

import backpass as bp
from backpass.chain.batch import batching
from backpass.graph.errors import ShapeError, TracingError
from backpass.graph.op import OPS, Kind, Op
from backpass.graph.pytree import flatten

from ..partials.samples import Case, arguments, cases_of
from .test_control import PROGRAMS, close

SIZE = 3
RNG = np.random.default_rng(11)
SAMPLED = [op for op in OPS.values() if op.kind not in (Kind.SOURCE, Kind.CONTROL) and cases_of(op)]


def examples(op: Op, chosen: Case, args: tuple[Any, ...], places: tuple[int, ...]) -> list[tuple[Any, ...]]:
    """Examples of one case: the sampled argument, then others near it, in the domain still."""
    rng = np.random.default_rng(zlib.crc32(op.name.encode()))
    made = []
    for i in range(SIZE):
        row = list(args)
        for k in places:
            x = np.asarray(args[k])
            row[k] = (
                x if x.dtype.kind not in "fc" else (x * (1 + 0.01 * i * rng.uniform(0.5, 1, x.shape))).astype(x.dtype)
            )
        made.append(tuple(row))
    return made


@pytest.mark.parametrize("op", SAMPLED, ids=lambda op: op.name)
def test_every_operation_is_the_stacked_loop(op: Op) -> None:
    for chosen in cases_of(op):
        args = arguments(op, chosen)
        arrays = tuple(k for k, a in enumerate(args) if isinstance(a, (np.ndarray, np.generic)))
        for places in {arrays, *[(k,) for k in arrays]}:
            if not places:
                continue
            rows = examples(op, chosen, args, places)
            with np.errstate(all="ignore"):
                wanted = np.stack([np.asarray(op.run(*row, **chosen.attrs)) for row in rows])
                batch = [np.stack([row[k] for row in rows]) if k in places else args[k] for k in range(len(args))]
                f = lambda *xs: op(*xs, **chosen.attrs)  # noqa: B023, E731
                if any(isinstance(a, int) and not isinstance(a, bool) for a in args):
                    held = {k: a for k, a in enumerate(args) if isinstance(a, int)}
                    f = lambda *xs: op(*[held.get(k, x) for k, x in enumerate(xs)], **chosen.attrs)  # noqa: B023, E731
                found = bp.vmap(f, tuple(0 if k in places else None for k in range(len(args))))(*batch)
            assert found.dtype == wanted.dtype, chosen.label
            assert found.shape == wanted.shape, chosen.label
            np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-13, err_msg=f"{chosen.label} {places}")


def test_few_operations_go_one_by_one() -> None:
    """Whoever adds an operation sees here that it has no rule for a batch."""
    slow = {name for name, how in batching().items() if how == "one by one"}
    differentiable = {name for name in slow if OPS[name].kind is not Kind.DISCRETE}
    assert differentiable <= {
        "correlate",
        "lstsq",
        "expm",
        "sqrtm",
        "logm",
        "solve_sylvester",
        "solve_are",
        "implicit",
        "odeint",
    }


@pytest.mark.parametrize("name", PROGRAMS)
def test_loops_and_branches(name: str) -> None:
    program = PROGRAMS[name]
    rng = np.random.default_rng(3)
    both = tuple(range(len(program.args)))
    gradient = bp.grad(program.control, both)
    for places in {both, both[:1], both[-1:]}:
        axes = tuple(0 if k in places else None for k in both)
        batch = tuple(
            np.stack([np.asarray(a) * (1 + 0.3 * i * rng.uniform(0.2, 1)) for i in range(SIZE)]) if k in places else a
            for k, a in enumerate(program.args)
        )
        rows = [tuple(a[i] if k in places else a for k, a in enumerate(batch)) for i in range(SIZE)]
        wanted = [bp.value_and_grad(program.plain, both)(*row) for row in rows]
        close(bp.vmap(program.control, axes)(*batch), np.stack([value for value, _ in wanted]))
        stacked = [np.stack([w[1][k] for w in wanted]) for k in both]
        close(bp.vmap(gradient, axes)(*batch), stacked)
        close(bp.compile(bp.vmap(gradient, axes))(*batch), stacked)
        total = bp.grad(lambda *a: np.sum(bp.vmap(program.control, axes)(*a)), both)(*batch)  # noqa: B023
        close(total, [s if k in places else np.sum(s, axis=0) for k, s in enumerate(stacked)])


# ---- nesting
def loss(theta: Any, x: Any, y: Any) -> Any:
    h = np.tanh(theta["w"] @ x + theta["b"])
    return np.sum((h - y) ** 2)


THETA = {"w": RNG.normal(size=(2, 3)), "b": RNG.normal(size=2)}
XS, YS = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 2))


def test_per_example_gradients() -> None:
    found = bp.vmap(bp.grad(loss), (None, 0, 0))(THETA, XS, YS)
    for name in ("w", "b"):
        rows = [bp.grad(loss)(THETA, x, y)[name] for x, y in zip(XS, YS, strict=True)]
        np.testing.assert_allclose(found[name], np.stack(rows), rtol=1e-13)
    mean = bp.grad(lambda t: np.mean(bp.vmap(loss, (None, 0, 0))(t, XS, YS)))(THETA)
    np.testing.assert_allclose(mean["w"], np.mean(found["w"], axis=0), rtol=1e-13)


def test_vmap_of_vmap_and_of_every_verb() -> None:
    xs, ys = XS[:4], YS[:3]
    grid = bp.vmap(bp.vmap(loss, (None, None, 0)), (None, 0, None))(THETA, xs, ys)
    np.testing.assert_allclose(grid, [[loss(THETA, x, y) for y in ys] for x in xs], rtol=1e-13)
    f = lambda x: np.sin(x) * np.sum(x**2)  # noqa: E731
    one = lambda g: np.stack([g(x) for x in XS])  # noqa: E731
    for g in (
        bp.jacobian(f, mode="forward"),
        bp.jacobian(f, mode="reverse"),
        bp.hessian(lambda x: np.prod(np.sin(x))),
        lambda x: bp.jvp(f, (x,), (np.ones(3),))[1],
        lambda x: bp.vjp(f, x)[1](np.ones(3))[0],
        lambda x: bp.hvp(lambda x: np.sum(f(x)), (x,), x),
    ):
        np.testing.assert_allclose(bp.vmap(g)(XS), one(g), rtol=1e-12)
    both = lambda x: bp.jvp(bp.vmap(f), (x,), (np.ones_like(x),))[1]  # noqa: E731
    np.testing.assert_allclose(both(XS), one(lambda x: bp.jvp(f, (x,), (np.ones(3),))[1]), rtol=1e-12)
    hessian = bp.jacobian(bp.grad(lambda x: np.sum(np.exp(bp.vmap(f)(x)))))(XS[:2])
    direct = bp.jacobian(bp.grad(lambda x: sum(np.sum(np.exp(f(row))) for row in x)))(XS[:2])
    np.testing.assert_allclose(hessian, direct, rtol=1e-11)


def test_closures_over_traced_values_and_axes() -> None:
    g = bp.grad(lambda w: np.sum(bp.vmap(lambda x: np.sum(x * w) ** 2)(XS)))(np.ones(3))
    np.testing.assert_allclose(g, bp.grad(lambda w: np.sum((XS @ w) ** 2))(np.ones(3)), rtol=1e-13)
    np.testing.assert_array_equal(bp.vmap(np.sin, 1, 1)(XS), np.sin(XS))
    np.testing.assert_array_equal(bp.vmap(np.sum, -1)(XS), np.sum(XS, axis=0))
    np.testing.assert_array_equal(bp.vmap(lambda x: x * 2.0, out_axes=-1)(XS), 2 * XS.T)
    tree = bp.vmap(lambda t: {"s": t["a"] + t["b"], "c": 1.0}, ({"a": 0, "b": None},))({"a": XS, "b": 1.0})
    np.testing.assert_array_equal(tree["s"], XS + 1)
    np.testing.assert_array_equal(tree["c"], np.ones(5))
    assert bp.vmap(lambda x: x * 2, 0, None) is not None
    assert flatten(bp.vmap(lambda x, k: x**k, (0, None))(XS, 3))[0][0].shape == XS.shape


def test_empty_batches() -> None:
    assert bp.vmap(lambda x: np.sum(x))(np.zeros((0, 3))).shape == (0,)
    assert bp.vmap(bp.grad(lambda x: np.sum(np.sin(x))))(np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize(
    ("attempt", "kind", "words"),
    [
        (lambda: bp.vmap(loss, (None, 0, 0))(THETA, XS, YS[:2]), ShapeError, "5 examples in x.*\n.*2 examples in y"),
        (lambda: bp.vmap(np.sin)(1.0), ShapeError, "no axis 0"),
        (lambda: bp.vmap(np.sin, None)(XS), ShapeError, "no argument has a batch axis"),
        (lambda: bp.vmap(np.sin, 0, None)(XS), ShapeError, "differs from example to example"),
        (lambda: bp.vmap(loss, (0, 0))(THETA, XS, YS), ShapeError, "does not fit the structure"),
        (lambda: bp.vmap(lambda x: x if x > 0 else -x)(XS[:, 0]), TracingError, "bp.cond"),
    ],
)
def test_refusals(attempt: Any, kind: Any, words: str) -> None:
    with pytest.raises(kind, match=words):
        attempt()
