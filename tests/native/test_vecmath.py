"""Vector mathematics against exact values: the worst error of each function is the one that docs/native.md states."""

from __future__ import annotations

import ctypes
import functools
import itertools
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import scipy.special
from flint import arb, ctx
from llvmlite import binding

from backpass.native import ir
from backpass.native.target import PORTABLE, Target, host, runnable
from backpass.native.vecmath import NAMES, emit

from .machine_code import Compiled

PAGE = Path(__file__).resolve().parents[2] / "docs" / "native.md"
FLOATS = [np.float32, np.float64]
TARGETS = {"host": host(), "portable": PORTABLE}
"""This machine's vectors, with multiply-add where it has it; and the least that there is, on x86-64 without."""


def module(name: str, dtype: type, width: int, target: Target) -> ir.Module:
    """A loop of the function over arrays: k(x, [y,] out, n)."""
    number = ir.FloatType() if dtype is np.float32 else ir.DoubleType()
    type_ = ir.VectorType(number, width) if width > 1 else number
    pointer, i64 = ir.PointerType(), ir.IntType(64)
    written = ir.Module("vecmath")
    function = ir.Function(written, ir.FunctionType(ir.VoidType(), [pointer] * (NAMES[name] + 1) + [i64]), "k")
    *inputs, out, n = function.args
    b = ir.Builder(function)
    b.has_fma, b.has_avx512 = target.fma, target.bits == 512
    start, body, end = b.block, b.append_basic_block(), b.append_basic_block()
    b.branch(body)
    b.position_at_end(body)
    i = b.phi(i64)
    size = np.dtype(dtype).itemsize
    values = [b.load(b.gep(p, i, number), type_, align=size) for p in inputs]
    b.store(emit(b, name, *values), b.gep(out, i, number), align=size)
    following = b.add(i, ir.Constant(i64, width))
    i.add_incoming(ir.Constant(i64, 0), start)
    i.add_incoming(following, b.block)
    b.cbranch(b.icmp_signed("<", following, n), body, end)
    b.position_at_end(end)
    b.ret_void()
    return written


@functools.cache
def native(name: str, dtype: type, width: int, target: Target = TARGETS["host"]) -> Callable[..., np.ndarray]:
    compiled = Compiled(module(name, dtype, width, target), target, opt=1)
    kernel = compiled.function("k", *[ctypes.c_void_p] * (NAMES[name] + 1), ctypes.c_int64)

    def call(*xs: np.ndarray) -> np.ndarray:
        n = len(xs[0])
        padded = [np.concatenate([x, np.ones(-n % width, dtype)]).astype(dtype, copy=False) for x in xs]
        out = np.empty_like(padded[0])
        kernel(*[x.ctypes.data for x in padded], out.ctypes.data, len(out))
        return out[:n]

    call.compiled = compiled  # what is called lives as long as this
    return call


# --- what is right

WIDTH = {np.float32: 16, np.float64: 8}

EXACT: dict[str, Callable[..., arb]] = {
    "exp": arb.exp,
    "exp2": lambda x: (x * arb(2).log()).exp(),
    "expm1": arb.expm1,
    "expit": lambda x: 1 / (1 + (-x).exp()),
    "log": arb.log,
    "log2": lambda x: x.log() / arb(2).log(),
    "log10": lambda x: x.log() / arb(10).log(),
    "log1p": arb.log1p,
    "logaddexp": lambda x, y: (x.exp() + y.exp()).log(),
    "logaddexp2": lambda x, y: (arb(2) ** x + arb(2) ** y).log() / arb(2).log(),
    "exp10": lambda x: arb(10) ** x,
    "exprel": lambda x: x.expm1() / x,
    "log_expit": lambda x: -((-x).exp().log1p()),
    "logit": lambda x: (x / (1 - x)).log(),
    "xlogy": lambda x, y: x * y.log(),
    "xlog1py": lambda x, y: x * y.log1p(),
    "entr": lambda x: -x * x.log(),
    "rel_entr": lambda x, y: x * (x / y).log(),
    "tanh": arb.tanh,
    "sinh": arb.sinh,
    "cosh": arb.cosh,
    "arcsinh": arb.asinh,
    "arccosh": arb.acosh,
    "arctanh": arb.atanh,
    "sin": arb.sin,
    "cos": arb.cos,
    "tan": arb.tan,
    "arcsin": arb.asin,
    "arccos": arb.acos,
    "arctan": arb.atan,
    "arctan2": arb.atan2,
    "erf": arb.erf,
    "erfc": arb.erfc,
    "ndtr": lambda x: (-x / arb(2).sqrt()).erfc() / 2,
    "gammaln": arb.lgamma,
    "psi": arb.digamma,
    "power": lambda x, y: x**y,
    "cbrt": lambda x: x.root(3) if x > 0 else -((-x).root(3)),
    "sqrt": arb.sqrt,
    "hypot": lambda x, y: (x * x + y * y).sqrt(),
}


def expit(x: np.ndarray) -> np.ndarray:
    """SciPy's is 0 where the value is subnormal."""
    e = np.exp(-abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


BETTER: dict[str, Callable[..., np.ndarray]] = {
    "expit": expit,
    "gammaln": lambda x: np.where(abs(x) < 1e-300, -np.log(abs(x)), scipy.special.gammaln(x)),
    "logit": lambda x: np.where((x > 0.3) & (x < 0.7), 2 * np.arctanh(2 * x - 1), scipy.special.logit(x)),
}


def in_double(name: str, *xs: np.ndarray) -> np.ndarray:
    """The value for these arguments, computed in float64."""
    function = BETTER.get(name) or getattr(np, name, None) or getattr(scipy.special, name)
    with np.errstate(all="ignore"):
        return function(*[x.astype(np.float64) for x in xs])


def numpys(name: str, dtype: type, *xs: np.ndarray) -> np.ndarray:
    """NumPy's function; SciPy's in float64, because some of its float32 functions turn subnormal results into 0."""
    with np.errstate(all="ignore"):
        return getattr(np, name)(*xs) if hasattr(np, name) else in_double(name, *xs).astype(dtype)


def samples(name: str, dtype: type, n: int) -> list[np.ndarray]:
    """Arguments of every size, and more of them where the function is interesting."""
    rng = np.random.default_rng(7)
    wide = dtype is np.float64
    top, digits = (1024, 52) if wide else (128, 23)

    def any_bits() -> np.ndarray:
        integer = np.int64 if wide else np.int32
        return rng.integers(np.iinfo(integer).min, np.iinfo(integer).max, n, dtype=integer).view(dtype)

    def sizes(low: float, high: float) -> np.ndarray:
        return (2.0 ** rng.uniform(low, high, n) * rng.choice([-1, 1], n)).astype(dtype)

    def even(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, n).astype(dtype)

    def near(x: float) -> np.ndarray:
        return (x + sizes(-digits, -1)).astype(dtype)

    turns = (np.round(rng.uniform(-1e5, 1e5, n)) * (np.pi / 2)).astype(dtype)
    log_top = top * np.log(2)
    one: dict[str, list[np.ndarray]] = {
        "exp": [even(-1.1 * log_top, log_top), even(-2, 2), sizes(-digits - 5, 7), any_bits()],
        "exp2": [even(-1.1 * top, top), even(-2, 2), sizes(-digits - 5, 7), any_bits()],
        "log": [abs(any_bits()), even(0.25, 4), near(1)],
        "log1p": [any_bits(), even(-1, 4), sizes(-digits - 5, 4), near(-1)],
        "arccosh": [even(1, 4), 1 + abs(sizes(-digits, 5)), abs(any_bits())],
        "arcsin": [even(-1, 1), sizes(-digits - 5, 0), near(1), near(-1)],
        "sin": [even(-10, 10), even(-1e4, 1e4), sizes(-digits, top - 1), any_bits(), turns],
        "erf": [even(-6, 6), even(-40, 28) if wide else even(-15, 11), sizes(-digits - 5, 3), even(-1.5, 1.5)],
        "cbrt": [any_bits(), even(-4, 4), sizes(-20, 20)],
        "exp10": [even(-0.31 * top, 0.31 * top), even(-2, 2), sizes(-digits - 5, 6), any_bits()],
        "gammaln": [even(0, 12), abs(any_bits()), abs(near(1)), abs(near(2)), even(0, 3)],
        "psi": [even(0, 12), abs(sizes(-top, top)), near(1.4616321449683623), even(0, 3)],
        "logit": [even(0, 1), abs(sizes(-top, 0)), near(0.5), 1 - abs(sizes(-digits - 1, -1))],
    }
    like = {
        "exp": ["expm1", "expit", "exprel", "log_expit", "sinh", "cosh", "tanh"],
        "log": ["log2", "log10", "sqrt", "entr"],
        "arcsin": ["arccos", "arctanh"],
        "sin": ["cos", "tan"],
        "erf": ["erfc", "ndtr"],
        "cbrt": ["arcsinh", "arctan"],
    }
    for name_, others in like.items():
        one |= dict.fromkeys(others, one[name_])
    pairs = {
        "power": [
            (abs(any_bits()), sizes(-12, 9)),
            (even(0, 4), even(-40, 40)),
            (near(1), sizes(0, digits + 6)),
            (abs(sizes(-9, 9)), even(-9, 9)),
        ],
        "logaddexp": [(even(-80, 80), even(-80, 80)), (even(-2, 2), even(-2, 2))],
        "xlogy": [(sizes(-9, 9), abs(any_bits())), (even(-2, 2), even(0, 4)), (sizes(-9, 9), near(1))],
        "xlog1py": [(sizes(-9, 9), any_bits()), (even(-2, 2), even(-1, 4)), (sizes(-9, 9), sizes(-digits, 4))],
        "rel_entr": [(abs(any_bits()), abs(any_bits())), (even(0, 2), even(0, 2)), (near(1), near(1))],
        "arctan2": [(any_bits(), any_bits()), (even(-2, 2), even(-2, 2)), (sizes(-9, 9), sizes(-9, 9))],
        "hypot": [
            (any_bits(), any_bits()),
            (sizes(-9, 9), sizes(-9, 9)),
            (sizes(-top, 9 - top), sizes(-top, 9 - top)),
            (sizes(top - 9, top - 1), sizes(top - 9, top - 1)),
        ],
    }
    pairs["logaddexp2"] = pairs["logaddexp"]
    chosen = [(x,) for x in one[name]] if NAMES[name] == 1 else pairs[name]
    return [np.concatenate(column) for column in zip(*chosen, strict=True)]


def error(name: str, got: np.ndarray, right: np.ndarray, xs: list[np.ndarray], apart: np.ndarray) -> np.ndarray:
    """|got − right| in units of the last place of `right`; `apart` is the difference of the two."""
    size = abs(right)
    if name in ("logaddexp", "logaddexp2"):
        # Near 0 a difference of larger numbers, whose last places count: of max(x, y) and log(1 + e^−|x − y|).
        size = np.maximum(size, np.maximum(*map(abs, xs)))
        size = np.maximum(size, np.logaddexp(0, -abs(xs[0] - xs[1]).astype(np.float64)))
    top = 2.0 ** (np.finfo(got.dtype).maxexp - 1)
    return abs(apart) / np.spacing(np.minimum(size, top).astype(got.dtype)).astype(np.float64)


def worst32(name: str, n: int, width: int, target: Target = TARGETS["host"]) -> tuple[float, str]:
    xs = samples(name, np.float32, n)
    got, right = native(name, np.float32, width, target)(*xs), in_double(name, *xs)
    proper = np.isfinite(right) & np.all(np.isfinite(xs), axis=0)
    # Beyond the largest number is ∞: for the error, the next power of two.
    with np.errstate(invalid="ignore"):
        clipped = [np.clip(v.astype(np.float64), -(2.0**128), 2.0**128) for v in (got, right)]
        errors = error(name, got, right, xs, clipped[0] - clipped[1])
    errors[np.isnan(got) & proper] = np.inf
    errors[~proper] = 0
    i = int(errors.argmax())
    return errors[i], f"{name}{tuple(float(x[i]) for x in xs)} = {right[i]!r}, not {got[i]!r}"


def worst64(name: str, n: int, width: int, target: Target = TARGETS["host"]) -> tuple[float, str]:
    ctx.prec = 160
    xs = samples(name, np.float64, n)
    got = native(name, np.float64, width, target)(*xs)
    finite = np.all(np.isfinite(xs), axis=0) & np.isfinite(got)
    worst = (-1.0, "")
    for *x, value in zip(*[x[finite].tolist() for x in xs], got[finite].tolist(), strict=True):
        exact = EXACT[name](*map(arb, x)).mid()
        size = np.array([abs(float(exact))])
        apart = np.array([float(arb(value) - exact)])
        if np.isnan(apart[0]) or size[0] == 0 == value:
            continue
        one = error(name, np.array([value]), size, [np.array([v]) for v in x], apart)[0]
        if one > worst[0]:
            worst = (one, f"{name}{tuple(x)} = {exact}, not {value!r}")
    return worst


def stated() -> dict[str, list[float]]:
    """The page's table: name → the worst error in float32 and float64, with fma and without."""
    rows = re.findall(r"^\| `(\w+)` \|((?: \d\.\d\d \|){4})", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: [float(cell) for cell in cells.split("|")[:-1]] for name, cells in rows}


# --- the tests


def test_every_function_is_in_the_table_and_within_two_units_of_the_last_place():
    assert sorted(stated()) == sorted(NAMES) == sorted(EXACT)
    assert max(max(fused) for *fused, _, _ in stated().values()) <= 2.0
    assert max(map(max, stated().values())) <= 2.5


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", NAMES)
def test_float32_is_as_near_as_stated(name: str, target: str):
    found, where = worst32(name, 20_000, 16, TARGETS[target])
    assert found <= stated()[name][2 * [*TARGETS].index(target)], where


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", NAMES)
def test_float64_is_as_near_as_stated(name: str, target: str):
    found, where = worst64(name, 150, 8, TARGETS[target])
    assert found <= stated()[name][2 * [*TARGETS].index(target) + 1], where


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", NAMES)
def test_one_number_and_the_vectors_of_every_target_give_the_same_bits(name: str, dtype: type):
    xs = samples(name, dtype, 50)
    one = native(name, dtype, 1)(*xs)
    for target in runnable():
        if target.fma == TARGETS["host"].fma:
            np.testing.assert_array_equal(one, native(name, dtype, target.lanes(dtype), target)(*xs))


SPECIAL = [0.0, 1.0, 2.0, 0.5, 3.0, 1e-30, 9.5, 30.0, 88.5, 90.0, 103.9, 150.0, 700.0, 709.5, 745.0, 1000.0, 1e30]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", NAMES)
def test_special_values_are_numpys(name: str, dtype: type, target: str):
    limits = np.finfo(dtype)
    points = [*SPECIAL, np.inf, limits.smallest_subnormal, limits.tiny, limits.max, np.nextafter(dtype(1), dtype(0))]
    values = np.array([sign * float(x) for x in points for sign in (1, -1)] + [np.nan], dtype)
    grid = np.array(list(itertools.product(values, repeat=NAMES[name])), dtype).T
    got, right = native(name, dtype, 4, TARGETS[target])(*grid), numpys(name, dtype, *grid)
    with np.errstate(all="ignore"):
        # NumPy's float32 functions are up to 4 units off, SciPy's ndtr is more; what is 0, ∞ or NaN is exact.
        near = abs(got - right) <= (512 if name == "ndtr" else 8) * np.spacing(abs(right))
        near &= np.isfinite(right) & (np.minimum(abs(got), abs(right)) > 0)
        if name in ("gammaln", "psi"):
            # SciPy's are not near around their zeros and poles; another test has numbers.
            near |= np.isfinite(right) & np.isfinite(got) & ((grid[0] < 0) | (abs(got - right) <= 4e-16))
        if name in ("xlogy", "xlog1py", "entr"):
            # Half of the smallest number is a tie, or is not by what the logarithm has rounded off.
            near |= abs(got - right) <= limits.smallest_subnormal
        if name in ("logaddexp", "logaddexp2"):
            near |= abs(got - right) <= 4 * np.spacing(np.maximum(*map(abs, grid)))
    same = (got == right) & (np.signbit(got) == np.signbit(right)) | np.isnan(got) & np.isnan(right)
    wrong = np.flatnonzero(~(same | near))
    assert not len(wrong), [(*grid[:, i].tolist(), "gives", got[i], "not", right[i]) for i in wrong[:5]]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["gammaln", "psi"])
def test_left_of_zero_the_last_place_is_that_of_the_largest_term(name: str, target: str):
    ctx.prec = 160
    rng = np.random.default_rng(5)
    x = -np.concatenate([rng.uniform(0, 9, 300), 2.0 ** rng.uniform(-60, 6, 300), np.arange(9) + 1e-9])
    for value, got in zip(x.tolist(), native(name, np.float64, 8, TARGETS[target])(x).tolist(), strict=True):
        turned, right = arb(value).sin_pi(), EXACT[name](arb(-value))
        if name == "gammaln":
            terms = [right, (arb.pi() / abs(turned * value)).log()]
            exact = terms[1] - right
        else:
            terms = [right, 1 / arb(value), arb.pi() * arb(value).cot_pi()]
            exact = right - terms[1] - terms[2]
        unit = np.spacing(max(1.0, *[abs(float(term)) for term in (*terms, exact)]))
        assert abs(float(arb(got) - exact)) <= 3 * unit, (value, got, exact)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    ("name", "edge"),
    [("exp", np.log), ("exp2", np.log2), ("expm1", np.log), ("sinh", np.arcsinh), ("cosh", np.arccosh)],
)
def test_overflow_begins_where_numpys_does(name: str, edge: Callable, dtype: type):
    start = edge(np.finfo(dtype).max)
    x = [start]
    for _ in range(40):
        x = [np.nextafter(x[0], dtype(0)), *x, np.nextafter(x[-1], dtype(np.inf))]
    x = np.array(x, dtype)
    right = numpys(name, dtype, x) if dtype is np.float64 else in_double(name, x)
    with np.errstate(over="ignore"):
        right = right.astype(dtype)
    assert {True, False} == set(np.isinf(right).tolist())
    np.testing.assert_array_equal(np.isinf(native(name, dtype, 4)(x)), np.isinf(right))


def test_powers_of_two_and_ten_have_whole_logarithms():
    for dtype, digits in ((np.float32, 11), (np.float64, 23)):
        k = np.arange(-40, 41).astype(dtype)
        np.testing.assert_array_equal(native("log2", dtype, 4)(2**k), k)
        np.testing.assert_array_equal(native("exp2", dtype, 4)(k), 2**k)
        k = np.arange(digits).astype(dtype)
        np.testing.assert_array_equal(native("log10", dtype, 4)(np.array([10.0 ** int(i) for i in k], dtype)), k)


def test_the_nearest_float64_to_a_quarter_turn_is_reduced_exactly():
    # 6381956970095103·2^797 is 4.7e-19 from a multiple of π/2, the nearest that any float64 comes.
    x = np.full(8, 6381956970095103.0 * 2.0**797)
    assert abs(native("cos", np.float64, 8)(x)[0]) == pytest.approx(4.6871659242546277e-19, rel=2e-16)
    assert abs(native("sin", np.float64, 8)(x)[0]) == 1.0


@pytest.mark.parametrize("name", NAMES)
def test_no_function_calls_or_branches(name: str):
    for dtype, target in itertools.product(FLOATS, runnable()):
        machine = target.machine(1)
        written = module(name, dtype, target.lanes(dtype), target)
        written.triple = machine.triple
        text = machine.emit_assembly(binding.parse_assembly(str(written)))
        assert not re.findall(r"^\s+callq?\s.*$", text, re.MULTILINE)
        assert len(re.findall(r"^\s+j\w+\s", text, re.MULTILINE)) == 1


def test_an_unknown_name_is_a_key_error_that_tells_it():
    b = ir.Builder(ir.Module().function("f", ir.VoidType(), []))
    with pytest.raises(KeyError, match="no_such"):
        emit(b, "no_such", ir.Constant(ir.FloatType(), 1.0))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_stated_errors_are_the_measured_ones(name: str):
    """Two million float32 and about 20,000 float64 arguments of each function on each target."""
    n = (1 << 21) // len(samples(name, np.float32, 1)[0])
    for t, target in enumerate(TARGETS.values()):
        for d, measure in enumerate((worst32, worst64)):
            found, where = measure(name, (n, 5_000)[d], WIDTH[FLOATS[d]], target)
            said = stated()[name][2 * t + d]
            assert said - 0.5 < found <= said, f"{target.name}: {found:.3f}, {said} stated; {where}"


def measured(names: Iterable[str] = NAMES) -> str:
    """Rows for the page's table, with a little room for what was not sampled."""
    rows = []
    for name in names:
        n = (1 << 22) // len(samples(name, np.float32, 1)[0])
        cells = [
            measure(name, n if measure is worst32 else 10_000, width, target)[0]
            for target in TARGETS.values()
            for measure, width in ((worst32, 16), (worst64, 8))
        ]
        rows.append(f"| `{name}` | " + " | ".join(f"{np.ceil(20 * c + 1) / 20:.2f}" for c in cells) + " |")
    return "\n".join(rows)
