"""Every operation of the registry × every reading of it. An entry without cases, doc or notation fails by itself."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import backpass as bp
from backpass.chain.rules import fitted, pulled, pulled_mask, pushed, pushed_mask
from backpass.graph.aval import aval_of
from backpass.graph.errors import NoRuleError
from backpass.graph.op import OPS, Kind, Op
from backpass.graph.pytree import flatten
from backpass.partials.declare import dtype_of

from .references import cauchy, close, complex_step, differences, identical, rearranged
from .samples import (
    ANALYTIC,
    LOSES_A_TINY_IMAGINARY_PART,
    NOT_ANALYTIC,
    REAL_DEGREE,
    TOLERANCE,
    Case,
    arguments,
    cases_of,
    in_special_files,
    smooth_in,
)

FIRST = 1e-10
SECOND = 1e-8
"""Relative. A second derivative is held against differences of the first, which carry a rounding of ε/h."""
SINGLE = 3e-5
SINGLE_SECOND = 1e-3

Reading = Callable[[Op, Case], None]


def function_of(op: Op, chosen: Case, args: tuple[Any, ...]) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The operation as a function of its differentiable arguments alone, and those. Whole numbers are cast."""
    smooth = smooth_in(op, chosen)
    whole = [np.asarray(args[k]).dtype.kind == "i" for k in smooth]

    def function(*xs: Any) -> Any:
        filled = list(args)
        for k, x, cast in zip(smooth, xs, whole, strict=True):
            filled[k] = x.astype(np.int64) if cast else x
        return op(*filled, **chosen.attrs)

    return function, tuple(np.float64(args[k]) if cast else args[k] for k, cast in zip(smooth, whole, strict=True))


def loss_of(op: Op, chosen: Case, args: tuple[Any, ...]) -> tuple[Callable[[Any], Any], tuple[Any, ...]]:
    """A scalar of the result that is not linear in it, so that second derivatives of linear operations count."""
    function, xs = function_of(op, chosen, args)
    shape = np.shape(function(*xs))
    weights = np.random.default_rng(1).uniform(0.5, 1.5, shape)

    def loss(xs: Any) -> Any:
        out = function(*xs)
        parts = [np.real(out), 0.7 * np.imag(out)] if out.dtype.kind == "c" else [out]
        return sum(np.sum(np.sin(0.5 * part) * weights.astype(part.dtype)) for part in parts)

    return loss, xs


def carries(op: Op) -> bool:
    return op.kind not in (Kind.DISCRETE, Kind.SOURCE)


def joined(tree: Any) -> np.ndarray:
    """All entries of a pytree in one line."""
    return np.concatenate([np.ravel(leaf) for leaf in flatten(tree)[0]])


# ---- readings
def value(op: Op, chosen: Case) -> None:
    """The recorded value is NumPy's own, eagerly and from the graph, also after its round trip through JSON."""
    args = arguments(op, chosen)
    wanted = (chosen.numpy or op.run)(*args, **chosen.attrs)
    function, xs = function_of(op, chosen, args)
    identical(function(*xs), wanted, "plain")
    eager, _ = bp.vjp(function, *xs)
    identical(eager, wanted, "eager")
    if xs:
        graph = bp.trace(function, *xs)
        identical(graph(*xs), wanted, "graph")
        identical(bp.Graph.from_json(graph.to_json())(*xs), wanted, "graph after JSON")


NUMBERS = [
    np.complex64,
    np.complex128,
    complex,
    np.float16,
    np.float32,
    np.float64,
    np.int64,
    np.int32,
    np.uint8,
    np.bool_,
    float,
    int,
    bool,
]
PAIRS = [
    *[(d, d) for d in NUMBERS],
    (np.float32, np.float64),
    (np.float16, np.float32),
    (np.float32, np.int64),
    (np.float32, np.int32),
    (np.float16, np.uint8),
    (np.bool_, np.float32),
    (np.int32, np.uint8),
    (np.int64, np.bool_),
    (np.float32, float),
    (float, np.float32),
    (np.float32, int),
    (np.int64, float),
    (np.int32, int),
    (np.uint8, int),
    (np.bool_, int),
    (np.bool_, float),
    (int, np.float16),
    (float, int),
    (bool, float),
    (np.complex64, np.float64),
    (np.float32, np.complex64),
    (np.float32, complex),
    (complex, np.float32),
    (np.complex64, int),
    (np.int64, np.complex64),
    (np.complex64, float),
]


DTYPE_BY_VALUE = ("sqrtm", "logm")
"""SciPy's root of a real matrix is complex where it has to be: the type rule says real, which the values decide."""


def type_rule(op: Op, chosen: Case) -> None:
    """``op.aval`` gives the shape and dtype of ``op.run``, or refuses where that does."""
    if op.name in DTYPE_BY_VALUE:
        return
    args = arguments(op, chosen)
    places = [k for k, arg in enumerate(chosen.args) if isinstance(arg, tuple)]
    for pair in PAIRS:
        values = list(args)
        for order, k in enumerate(places):
            values[k] = _as(values[k], pair[min(order, 1)])
        told = f"{op.name}({', '.join(repr(aval_of(v)) for v in values)})"
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = op.run(*values, **chosen.attrs)
        except (OverflowError, np.linalg.LinAlgError):
            continue  # a matter of the values, not of their types
        except (TypeError, ValueError) as refusal:
            with pytest.raises((TypeError, ValueError)):
                pytest.fail(f"{told}: NumPy refuses ({refusal}), the rule gives {_aval(op, values, chosen)!r}")
            continue
        found = _aval(op, values, chosen)
        assert (found.shape, found.dtype) == (result.shape, result.dtype), told
        assert isinstance(found.shape, tuple)
        assert all(type(n) is int for n in found.shape), told


def _aval(op: Op, values: list[Any], chosen: Case) -> Any:
    return op.aval(*[aval_of(v) for v in values], **chosen.attrs)


def _as(x: Any, dtype: Any) -> Any:
    with np.errstate(all="ignore"):
        if dtype in (float, int, bool, complex):
            return dtype(x) if np.ndim(x) == 0 else np.asarray(x).astype(dtype)
        return np.asarray(x).astype(dtype)[()]


def _first(op: Op, chosen: Case, mode: str) -> None:
    args = arguments(op, chosen)
    function, xs = function_of(op, chosen, args)
    if not carries(op):
        found = [bp.grad(lambda x, k=k: np.sum(function(*xs[:k], x, *xs[k + 1 :]) * 1.0))(x) for k, x in enumerate(xs)]
        for x, zero in zip(xs, found, strict=True):
            if np.asarray(x).dtype.kind == "f":
                identical(zero, np.zeros_like(x), "a discrete result has derivative 0")
        return
    analytic = ANALYTIC.get(op.name)
    for k, place in enumerate(smooth_in(op, chosen)):
        found = bp.jacobian(function, argnums=k, mode=mode)(*xs)
        if analytic is not None:
            reference = cauchy if op.name in LOSES_A_TINY_IMAGINARY_PART else complex_step
            wanted = reference(lambda *a: analytic(*a, **chosen.attrs), args, place)
        else:
            assert op.name in NOT_ANALYTIC, (
                f"{op.name} needs an analytic form in samples.py, or a reason for having none"
            )
            wanted = differences(function, xs, k)
        close(found, wanted, FIRST if analytic is not None else TOLERANCE.get(op.name, SECOND), f"argument {place}")


def reverse(op: Op, chosen: Case) -> None:
    """Reverse mode against the complex step."""
    _first(op, chosen, "reverse")


def forward(op: Op, chosen: Case) -> None:
    """Forward mode against the complex step."""
    _first(op, chosen, "forward")


def transposed(op: Op, chosen: Case) -> None:
    """⟨u, J v⟩ = ⟨Jᵀu, v⟩ for random u and v, without the unit vectors whose zeros are known."""
    if not carries(op):
        return
    function, xs = function_of(op, chosen, arguments(op, chosen))
    rng = np.random.default_rng(2)
    v = tuple(rng.standard_normal(np.shape(x))[()] for x in xs)
    out, pullback = bp.vjp(function, *xs)
    if np.asarray(out).dtype.kind != "f":
        return
    u = rng.standard_normal(np.shape(out))[()].astype(out.dtype)
    _, jv = bp.jvp(function, xs, v)
    back = pullback(u)
    terms = [np.sum(np.asarray(u) * jv), *[-np.sum(np.asarray(b) * t) for b, t in zip(back, v, strict=True)]]
    scale = sum(float(np.sum(np.abs(np.asarray(b) * t))) for b, t in zip(back, v, strict=True))
    tolerance = 1e-5 if out.dtype == np.float32 else 1e-12
    assert abs(sum(map(float, terms))) <= tolerance * max(scale, 1.0)


def structural(op: Op, chosen: Case) -> None:
    """What the mask of a derivative calls a structural zero is 0 at random arguments, and so is what a sparsity pattern
    leaves out."""
    if not carries(op) or op.kind is Kind.CONTROL:
        return
    args = arguments(op, chosen)
    out = op.run(*args, **chosen.attrs)
    rng = np.random.default_rng(5)
    for place in smooth_in(op, chosen):
        for share in (1.0, 0.5):
            shape = np.shape(args[place])
            mask = rng.uniform(size=shape) < share
            only = lambda x, place=place: [x if i == place else None for i in range(len(args))]  # noqa: E731
            tangents = only(np.where(mask, rng.standard_normal(shape), 0.0))
            covered(
                pushed(op, tangents, None, out, args, chosen.attrs),
                pushed_mask(op, tangents, only(mask), out, args, chosen.attrs),
            )
            mask = np.broadcast_to(rng.uniform(size=np.shape(out)) < share, np.shape(out))
            g = np.where(mask, rng.standard_normal(np.shape(out)), 0.0)
            back = pulled(op, place, g, out, args, chosen.attrs)
            if back is not None:
                back = fitted(back, shape, dtype_of(args[place]))
                covered(back, pulled_mask(op, place, mask, out, args, chosen.attrs))
    if np.asarray(out).dtype.kind != "f":
        return
    function, xs = function_of(op, chosen, args)
    for k, x in enumerate(xs):
        of_one = lambda x, k=k: function(*xs[:k], x, *xs[k + 1 :])  # noqa: E731
        if x.dtype.kind == "f":
            covered(bp.jacobian(of_one)(x).reshape(np.size(out), np.size(x)), bp.sparsity(of_one)(x))


def covered(derivative: Any, told: Any) -> None:
    if told is not None and derivative is not None:
        assert not np.any(np.logical_and(np.not_equal(derivative, 0), np.logical_not(told)))


def direction(xs: tuple[Any, ...], seed: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(seed)
    return tuple(rng.uniform(-1.0, 1.0, np.shape(x)).astype(x.dtype)[()] for x in xs)


def second(op: Op, chosen: Case) -> None:
    """All four orders of nesting give the Hessian that differences of the gradient give, along a random direction v.

    A wrong entry of H shows in H·v; the first case of each operation compares H itself, found row by row and column
    by column.
    """
    if not carries(op):
        return
    args = arguments(op, chosen)
    loss, xs = loss_of(op, chosen, args)
    if np.asarray(function_of(op, chosen, args)[0](*xs)).dtype != float:
        return  # a cast to float32 is not smooth to a difference
    gradient = bp.grad(loss)
    v, w = direction(xs, 3), direction(xs, 4)
    along = lambda t: joined(gradient(tuple(x + t * d for x, d in zip(xs, v, strict=True))))  # noqa: E731
    wanted = differences(along, (np.float64(0),), 0)
    for nesting, found in {
        "forward over reverse": joined(bp.jvp(gradient, (xs,), (v,))[1]),
        "reverse over reverse": joined(bp.vjp(gradient, xs)[1](v)[0]),
        "reverse over forward": joined(bp.grad(lambda y: bp.jvp(loss, (y,), (v,))[1])(xs)),
    }.items():
        close(found, wanted, TOLERANCE.get(op.name, SECOND), nesting)
    twice = bp.jvp(lambda y: bp.jvp(loss, (y,), (w,))[1], (xs,), (v,))[1]
    close(twice, joined(w) @ wanted, TOLERANCE.get(op.name, SECOND), "forward over forward")
    if chosen is cases_of(op)[0]:
        for mode in ("forward", "reverse"):
            close(
                _square(bp.jacobian(gradient, mode=mode)(xs), xs) @ joined(v),
                wanted,
                TOLERANCE.get(op.name, SECOND),
                f"all of H, {mode}",
            )


def _square(blocks: Any, xs: tuple[Any, ...]) -> np.ndarray:
    """The Hessian's blocks as one square matrix."""
    rows = [
        np.concatenate([np.reshape(block, (np.size(x), np.size(y))) for block, y in zip(row, xs, strict=True)], axis=1)
        for row, x in zip(blocks, xs, strict=True)
    ]
    return np.concatenate(rows, axis=0)


def single(op: Op, chosen: Case) -> None:
    """float32 in, float32 out, at both orders and in both modes; close to float64 at the same points."""
    args = arguments(op, chosen)
    narrow = tuple(
        np.float32(a) if isinstance(spec, tuple) and np.asarray(a).dtype.kind == "f" else a
        for a, spec in zip(args, chosen.args, strict=True)
    )
    wide = tuple(np.float64(a) if getattr(a, "dtype", None) == np.float32 else a for a in narrow)
    identical(function_of(op, chosen, narrow)[0](*function_of(op, chosen, narrow)[1]), op.run(*narrow, **chosen.attrs))
    if not carries(op):
        return
    f32, xs32 = function_of(op, chosen, narrow)
    f64, xs64 = function_of(op, chosen, wide)
    dtype = f32(*xs32).dtype
    for mode in ("reverse", "forward"):
        for k in range(len(xs32)):
            found = bp.jacobian(f32, argnums=k, mode=mode)(*xs32)
            narrow_one = np.complex64 if dtype.kind == "c" else np.float32
            assert found.dtype == (narrow_one if mode == "reverse" else dtype), mode
            close(found, bp.jacobian(f64, argnums=k, mode=mode)(*xs64), SINGLE, mode)
    if dtype != np.float32:
        return
    loss32, loss64 = loss_of(op, chosen, narrow)[0], loss_of(op, chosen, wide)[0]
    found, wanted = (bp.jvp(bp.grad(f), (x,), (direction(x, 3),))[1] for f, x in ((loss32, xs32), (loss64, xs64)))
    for block, reference in zip(flatten(found)[0], flatten(wanted)[0], strict=True):
        assert block.dtype == np.float32
        close(block, reference, SINGLE_SECOND, "second order")


def memory(op: Op, chosen: Case) -> None:
    """Arguments in any memory layout; none is changed, and no result shares memory with one or with another result."""
    args = arguments(op, chosen)
    function, xs = function_of(op, chosen, args)
    strided = tuple(rearranged(np.asarray(x)) for x in xs)
    before = [np.array(x) for x in strided]
    identical(bp.vjp(function, *strided)[0], function(*strided), "value")
    if carries(op) and np.asarray(function(*xs)).dtype.kind == "f":
        loss, _ = loss_of(op, chosen, args)
        found = bp.grad(loss)(strided)
        for g, wanted, x in zip(found, bp.grad(loss)(xs), strided, strict=True):
            close(g, wanted, 1e-12, "gradient")
            assert isinstance(g, np.ndarray)
            assert g.flags.writeable
            assert not any(np.shares_memory(g, y) for y in strided)
            assert g.dtype == x.dtype
        for i, g in enumerate(found):
            assert not any(np.shares_memory(g, h) for h in found[i + 1 :])
    for x, y in zip(strided, before, strict=True):
        identical(x, y, "an argument was changed")


def staged(op: Op, chosen: Case) -> None:
    """The gradient and H·v as graphs: traced without values, then run, they are the eager ones."""
    if not carries(op):
        return
    loss, xs = loss_of(op, chosen, arguments(op, chosen))
    for transform in (bp.grad(loss), lambda x: bp.jvp(bp.grad(loss), (x,), (direction(xs, 3),))[1]):
        wanted = flatten(transform(xs))[0]
        graph = bp.trace(transform, xs)
        found = flatten(graph(xs))[0]
        assert len(found) == len(wanted)
        for block, reference in zip(found, wanted, strict=True):
            assert np.asarray(block).dtype == np.asarray(reference).dtype
            close(block, reference, 1e-12, "graph against eager")
        again = flatten(bp.Graph.from_json(graph.to_json())(xs))[0]
        for block, reference in zip(again, found, strict=True):
            identical(block, reference, "graph after JSON")


def complex_numbers(op: Op, chosen: Case) -> None:
    """Complex arguments, all and one by one, held against differences in the real and the imaginary parts: value, both
    modes, and H·v. Where NumPy takes none, so is the recorded operation refused."""
    args = arguments(op, chosen)
    real = REAL_ORDERS.get(op.name, 0)
    places = [k for k in smooth_in(op, chosen) if np.asarray(args[k]).dtype.kind == "f" and k >= real]
    if not carries(op) or not places:
        return
    for turned in {tuple(places), *[(k,) for k in places]}:
        _complex_in(op, chosen, args, places, turned)


def _complex_in(op: Op, chosen: Case, args: tuple[Any, ...], places: list[int], turned: tuple[int, ...]) -> None:
    rng = np.random.default_rng(5)
    values = list(args)
    for k in turned:
        reach = 0.2 if "matrix" in (op.domain or {}) else 0.6
        values[k] = (values[k] + 1j * rng.uniform(-reach, reach, np.shape(values[k])))[()]
    xs = [values[k] for k in places]

    def function(*xs: Any, values: Any = tuple(values)) -> Any:
        filled = list(values)
        for k, x in zip(places, xs, strict=True):
            filled[k] = x
        return op(*filled, **chosen.attrs)

    try:
        with np.errstate(all="ignore"):
            wanted = function(*xs)
    except TypeError:
        with pytest.raises(TypeError):
            bp.vjp(function, *xs)
        return
    out, pullback = bp.vjp(function, *xs)
    identical(out, wanted, "value")
    if op.name in REAL_DERIVATIVE:
        with pytest.raises(NoRuleError, match="real arguments alone"):
            pullback(np.ones_like(out))
        return
    directions = [_like(x, rng) for x in xs]
    _, found = bp.jvp(function, tuple(xs), tuple(directions))
    exact = np.asarray(out).dtype in (np.float64, np.complex128) and op.name not in FREE_PHASE
    if exact:
        along = lambda t: function(*[x + t * d for x, d in zip(xs, directions, strict=True)])  # noqa: E731
        close(found, _along_a_line(along), TOLERANCE.get(op.name, SECOND), f"forward, complex in {turned}")
    u = _like(np.asarray(out), rng)
    back = pullback(u)
    terms = [np.sum(np.conj(b) * d) for b, d in zip(back, directions, strict=True)]
    close(
        np.real(sum(terms)),
        np.real(np.sum(np.conj(u) * found)),
        1e-9 if exact else 1e-6,
        f"reverse, complex in {turned}",
    )
    for b, x in zip(back, xs, strict=True):
        assert np.asarray(b).dtype == np.asarray(x).dtype
    if not exact or chosen is not cases_of(op)[0]:
        return

    def loss(*xs: Any, function: Any = function) -> Any:
        out = function(*xs)
        return np.sum(np.sin(0.5 * np.real(out) + 0.3) + 1.2 * np.cos(0.4 * np.imag(out) - 0.2))

    if op.name in REAL_SECOND_DERIVATIVE:
        with pytest.raises(NoRuleError, match="real arguments alone"):
            bp.jvp(bp.grad(loss, argnums=len(xs) - 1), tuple(xs), tuple(directions))
        return
    gradient = bp.grad(loss, argnums=tuple(range(len(xs))))
    line = lambda t: joined(gradient(*[x + t * d for x, d in zip(xs, directions, strict=True)]))  # noqa: E731
    curved = joined(bp.jvp(gradient, tuple(xs), tuple(directions))[1])
    close(curved, _along_a_line(line), 10 * SECOND, f"second order, complex in {turned}")
    over = joined(bp.vjp(gradient, *xs)[1](tuple(directions)))
    close(over, curved, 1e-9, "reverse over reverse")  # the Hessian of pairs of real numbers is symmetric


REAL_DERIVATIVE = ("ive", "psi", "jve", "yve", "airye_bi", "airye_bip", "zeta", "riemann_zeta")
"""Complex values without a complex derivative rule: refused."""

REAL_ORDERS = {
    **dict.fromkeys(["jv", "yv", "iv", "kv", "kve", "hankel1", "hankel2", "hankel1e", "hankel2e", "hyp0f1"], 1),
    **dict.fromkeys([f"eval_{name}" for name in REAL_DEGREE], 1),
    **dict.fromkeys(["hyp1f1", "eval_gegenbauer", "eval_genlaguerre"], 2),
    **dict.fromkeys(["eval_jacobi", "eval_sh_jacobi"], 3),
    "hyp2f1": 3,
}
"""Of complex arguments but of as many real orders, in which derivatives are of real arguments: test_special_orders."""

REAL_SECOND_DERIVATIVE = ("gamma", "loggamma", "rgamma")

FREE_PHASE = ("eigh", "svd")
"""LAPACK's choice of the phase of vectors is not the one whose derivative is given: see ``test_complex.py``."""


def _like(x: Any, rng: np.random.Generator) -> Any:
    made = rng.uniform(-1.0, 1.0, np.shape(x))
    return (made + 1j * rng.uniform(-1.0, 1.0, np.shape(x)))[()] if np.asarray(x).dtype.kind == "c" else made[()]


def _along_a_line(function: Callable[[float], Any]) -> Any:
    return differences(function, (np.float64(0),), 0)


READINGS: tuple[Reading, ...] = (
    value,
    type_rule,
    reverse,
    forward,
    transposed,
    second,
    structural,
    single,
    memory,
    staged,
    complex_numbers,
)


def many(op: Op, reading: Reading) -> bool:
    """The later files of scipy.special are many functions of one form: their other readings are for the slow suite."""
    return in_special_files(op) and reading not in (value, reverse)


BY_PROGRAMS = {op.name for op in OPS.values() if op.kind is Kind.CONTROL} | {"item", "item_discrete"}
"""Their arguments are graphs and bundles: tests/chain/test_control.py runs every one of them in programs."""

SAMPLED = [op for op in OPS.values() if op.kind is not Kind.SOURCE and op.name not in BY_PROGRAMS]


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
@pytest.mark.parametrize(
    ("op", "reading"),
    [
        pytest.param(op, reading, id=f"{op.name}-{reading.__name__}", marks=[pytest.mark.slow][: many(op, reading)])
        for op in SAMPLED
        for reading in READINGS
    ],
)
def test_registry(op: Op, reading: Reading) -> None:
    for chosen in cases_of(op):
        try:
            reading(op, chosen)
        except BaseException as error:
            error.add_note(f"in {op.name}[{chosen.label}]")
            raise


NOTATION_IS_THE_NAME = ("input", "constant")
"""A source is written as the name that the user gave it."""


@pytest.mark.parametrize("op", OPS.values(), ids=lambda op: op.name)
def test_every_record_is_complete(op: Op) -> None:
    assert op.doc.strip(), "no doc"
    assert op.notation or op.name in NOTATION_IS_THE_NAME, "no notation"
    assert op.kind is Kind.SOURCE or op.name in BY_PROGRAMS or cases_of(op), (
        "no cases in tests/partials/samples.py, and no domain to make them from"
    )
    if op.name in BY_PROGRAMS:
        return
    if carries(op):
        assert (op.name in ANALYTIC) != (op.name in NOT_ANALYTIC), "an analytic form, or the reason for having none"
    declared = op.partials if op.kind in (Kind.POINTWISE, Kind.REDUCTION) else op.adjoints
    if carries(op):
        assert any(rule is not None for rule in declared), "no derivative"


def test_no_row_without_an_operation() -> None:
    from .samples import CASES

    assert not (set(CASES) | set(ANALYTIC) | set(NOT_ANALYTIC)) - set(OPS)
