"""Rows of the special-value table: where a derivative is easily NaN, wrong, or a choice; what is expected, and why."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.special as sp

from backpass.partials.composite import logsumexp

inf, nan, pi, e = np.inf, np.nan, np.pi, np.e


@dataclass(frozen=True)
class Special:
    """A scalar function, a point, and the gradient and Hessian that it has there (None: see `why`)."""

    label: str
    function: Callable[[Any], Any]
    x: Any
    gradient: Any
    hessian: Any
    why: str


TABLE: list[Special] = []


def at(label: str, function: Callable[[Any], Any], x: Any, gradient: Any, hessian: Any, why: str) -> None:
    """A Hessian given as a list of numbers is diagonal; 0 stands for all zeros."""
    x = np.asarray(x, dtype=np.float64)
    if hessian is not None:
        hessian = np.asarray(hessian, dtype=np.float64)
        if hessian.ndim == 0 and x.size != 1:
            hessian = np.full(x.shape * 2, float(hessian))
        elif hessian.ndim == x.ndim == 1:
            hessian = np.diag(hessian)
        hessian = hessian.reshape(x.shape * 2)
    TABLE.append(Special(label, function, x, np.asarray(gradient, dtype=np.float64), hessian, why))


# ---- a branch that is not taken
NOT_TAKEN = "the branch not selected sends an exact zero, which annihilates its infinite partial"
at("where sqrt", lambda x: np.sum(np.where(x > 0, np.sqrt(x), 0.0)), [0.0, 4.0], [0, 0.25], [0, -1 / 32], NOT_TAKEN)
at(
    "where sqrt of -1",
    lambda x: np.sum(np.where(x > 0, np.sqrt(x), x)),
    [-1.0, 4.0],
    [1, 0.25],
    [0, -1 / 32],
    NOT_TAKEN,
)
at("x log x", lambda x: np.sum(np.where(x > 0, x * np.log(x), 0.0)), [0.0, 1.0], [0, 1], [0, 1], NOT_TAKEN)
at("exp overflow", lambda x: np.sum(np.where(x < 100, np.exp(x), x)), [1.0, 1e3], [e, 1], [e, 0], NOT_TAKEN)
at(
    "softplus by hand",
    lambda x: np.sum(np.where(x > 50, x, np.log(1 + np.exp(x)))),
    [0.0, 1e3],
    [0.5, 1],
    [0.25, 0],
    NOT_TAKEN,
)
at("safe division", lambda x: np.where(x[1] != 0, x[0] / x[1], 0.0), [3.0, 0.0], [0, 0], 0, NOT_TAKEN)
at("arccos at 1", lambda x: np.sum(np.where(abs(x) < 1, np.arccos(x), 0.0)), [1.0, 0.0, 2.0], [0, -1, 0], 0, NOT_TAKEN)
at("log1p at -1", lambda x: np.sum(np.where(x > -1, np.log1p(x), x)), [-1.0, 1.0], [1, 0.5], [0, -0.25], NOT_TAKEN)
at("power", lambda x: np.sum(np.where(x > 0, x**-1.5, 0.0)), [0.0, 1.0], [0, -1.5], [0, 3.75], NOT_TAKEN)
at(
    "gammaln at 0",
    lambda x: np.sum(np.where(x > 0, sp.gammaln(x), 0.0)),
    [0.0, 2.0],
    [0, 1 - np.euler_gamma],
    [0, pi**2 / 6 - 1],
    NOT_TAKEN,
)
at(
    "inner where as well",
    lambda x: np.sum(np.where(x > 0, np.sqrt(np.where(x > 0, x, 1.0)), 0.0)),
    [0.0, 4.0],
    [0, 0.25],
    [0, -1 / 32],
    "the old remedy, still right",
)
at(
    "deeper",
    lambda x: np.sum(np.where(x > 0, np.exp(3 * np.sqrt(x) + 1) * 2, 0.0)),
    [0.0],
    [0],
    0,
    "the zero is kept through several operations",
)
at(
    "multiplied outside",
    lambda x: np.sum(5 * np.sin(np.where(x > 0, np.sqrt(x), 0.0))),
    [0.0],
    [0],
    0,
    "and starts where the branch was left",
)
at(
    "nested wheres",
    lambda x: np.sum(np.where(x > 1, np.where(x > 2, 1 / (x - 2), np.sqrt(x - 1)), x)),
    [1.0, 2.0],
    [1, 0.5],
    [0, -0.25],
    NOT_TAKEN,
)
at(
    "select",
    lambda x: np.sum(np.select([x > 0, x < -1], [np.log(x), 1 / (x + 1)], x)),
    [1.0, -1.0],
    [1, 1],
    [-1, 0],
    NOT_TAKEN,
)
at("NaN not taken", lambda x: np.sum(np.where(np.isnan(x), 0.0, 2 * x)), [nan, 1.0], [0, 2], 0, NOT_TAKEN)
at(
    "masked softmax",
    lambda x: _softmax(np.where(np.array([True, True, False]), x, -inf))[0],
    [0.0, 0.0, 5.0],
    [0.25, -0.25, 0],
    0,
    "the masked logit −inf has weight 0 and no gradient",
)


def _softmax(z: Any) -> Any:
    weights = np.exp(z - np.max(z))
    return weights / np.sum(weights)


# ---- an entry that is not read
NOT_READ = "an entry that is not read sends an exact zero back"
at("slice", lambda x: np.sum((1 / x)[1:]), [0.0, 2.0], [0, -0.25], [0, 0.25], NOT_READ)
at("one entry", lambda x: np.sqrt(x)[1], [0.0, 4.0], [0, 0.25], [0, -1 / 32], NOT_READ)
at("mask", lambda x: np.sum(np.log(x)[x > 0]), [0.0, 2.0], [0, 0.5], [0, -0.25], NOT_READ)
at("gather", lambda x: np.sum((1 / x)[np.array([1, 1])]), [0.0, 2.0], [0, -0.5], [0, 0.5], NOT_READ)
at(
    "take_along_axis",
    lambda x: np.sum(np.take_along_axis(1 / x, np.array([1]), 0)),
    [0.0, 2.0],
    [0, -0.25],
    [0, 0.25],
    NOT_READ,
)
at("concatenate", lambda x: np.sum(np.concatenate([np.sqrt(x), x])[2:]), [0.0, 4.0], [1, 1], 0, NOT_READ)
at("stack", lambda x: np.sum(np.stack([np.sqrt(x), x])[1]), [0.0, 4.0], [1, 1], 0, NOT_READ)
at(
    "reshape",
    lambda x: np.sum(np.reshape(1 / x, (2, 2))[1]),
    [0.0, 0.0, 1.0, 2.0],
    [0, 0, -1, -0.25],
    [0, 0, 2, 0.25],
    NOT_READ,
)
at(
    "transpose",
    lambda x: np.sum(np.reshape(1 / x, (2, 2)).T[1]),
    [0.0, 1.0, 0.0, 2.0],
    [0, -1, 0, -0.25],
    [0, 2, 0, 0.25],
    NOT_READ,
)
at(
    "sum over rows",
    lambda x: np.sum(np.reshape(np.sqrt(x), (2, 2)), axis=1)[1],
    [0.0, 0.0, 1.0, 4.0],
    [0, 0, 0.5, 0.25],
    [0, 0, -0.25, -1 / 32],
    NOT_READ,
)
at(
    "prod over rows",
    lambda x: np.prod(np.reshape(np.sqrt(x), (2, 2)), axis=1)[1],
    [0.0, 0.0, 1.0, 1.0],
    [0, 0, 0.5, 0.5],
    [[0] * 4, [0] * 4, [0, 0, -0.25, 0.25], [0, 0, 0.25, -0.25]],
    NOT_READ,
)
at("cumsum", lambda x: np.cumsum(np.sqrt(x))[0], [4.0, 0.0], [0.25, 0], [-1 / 32, 0], NOT_READ)
at(
    "cumprod",
    lambda x: np.cumprod(np.sqrt(x))[0],
    [4.0, 0.0],
    [0.25, 0],
    None,
    NOT_READ + "; in second-order reverse mode λ₁ = 0 is a matter of values: 0 · ∞",
)
at("roll", lambda x: np.sum(np.roll(1 / x, 1)[:1]), [0.0, 2.0], [0, -0.25], [0, 0.25], NOT_READ)
at("pad", lambda x: np.sum(np.pad(1 / x, 1)[2:]), [0.0, 2.0], [0, -0.25], [0, 0.25], NOT_READ)
at("broadcast", lambda x: np.sum(np.broadcast_to(1 / x, (3, 2))[:, 1]), [0.0, 2.0], [0, -0.75], [0, 0.75], NOT_READ)
at(
    "matmul, rows not read",
    lambda x: (np.reshape(np.sqrt(x), (2, 2)) @ np.ones(2))[1],
    [0.0, 0.0, 1.0, 4.0],
    [0, 0, 0.5, 0.25],
    [0, 0, -0.25, -1 / 32],
    NOT_READ,
)
at(
    "einsum, rows not read",
    lambda x: np.einsum("ij,j->i", np.reshape(np.sqrt(x), (2, 2)), np.ones(2))[1],
    [0.0, 0.0, 1.0, 4.0],
    [0, 0, 0.5, 0.25],
    [0, 0, -0.25, -1 / 32],
    NOT_READ,
)
at(
    "min of 1/x",
    lambda x: np.min(1 / x),
    [0.0, 2.0],
    [0, -0.25],
    [0, 0.25],
    "the entry that is not the least is not read",
)
at(
    "maximum of sqrt",
    lambda x: np.sum(np.maximum(np.sqrt(x), 1.0)),
    [0.0, 4.0],
    [0, 0.25],
    [0, -1 / 32],
    "the smaller side is not read",
)
at("sorted, least left out", lambda x: np.sum(np.sort(np.sqrt(x))[1:]), [4.0, 0.0], [0.25, 0], [-1 / 32, 0], NOT_READ)
at("median", lambda x: np.median(np.sqrt(x)), [0.0, 4.0, 9.0], [0, 0.25, 0], [0, -1 / 32, 0], NOT_READ)
at(
    "clip",
    lambda x: np.sum(np.clip(np.sqrt(x), 1.0, 2.5)),
    [0.0, 4.0, 16.0],
    [0, 0.25, 0],
    [0, -1 / 32, 0],
    "what is clipped is not read",
)

# ---- products with zeros
at(
    "prod, one zero",
    np.prod,
    [0.0, 2.0, 3.0],
    [6, 0, 0],
    [[0, 3, 2], [3, 0, 0], [2, 0, 0]],
    "the product of the others, without dividing",
)
at(
    "prod, two zeros",
    np.prod,
    [0.0, 0.0, 3.0],
    [0, 0, 0],
    [[0, 3, 0], [3, 0, 0], [0, 0, 0]],
    "its second derivative is the product of the others",
)
at("prod, three zeros", np.prod, [0.0, 0.0, 0.0], [0, 0, 0], 0, "only the third derivative is not 0")
at(
    "cumprod, a zero",
    lambda x: np.sum(np.cumprod(x)),
    [2.0, 0.0, 3.0],
    [1, 8, 0],
    [[0, 4, 0], [4, 0, 2], [0, 2, 0]],
    "x₀ + x₀x₁ + x₀x₁x₂",
)
at(
    "det of a singular matrix",
    np.linalg.det,
    [[1.0, 2.0], [2.0, 4.0]],
    [[4, -2], [-2, 1]],
    None,
    "the cofactors; A⁻¹ does not exist",
)

# ---- roots and norms at 0
SUBGRADIENT = "no derivative; the smallest subgradient, 0, held at 0"
at("norm", np.linalg.norm, [0.0, 0.0], [0, 0], 0, SUBGRADIENT)
at(
    "norm of a row",
    lambda x: np.sum(np.linalg.norm(x, axis=1)),
    [[0.0, 0.0], [3.0, 4.0]],
    [[0, 0], [0.6, 0.8]],
    None,
    SUBGRADIENT,
)
at("3-norm", lambda x: np.linalg.norm(x, 3), [0.0, 0.0], [0, 0], 0, SUBGRADIENT)
at("hypot", lambda x: np.hypot(x[0], x[1]), [0.0, 0.0], [0, 0], 0, SUBGRADIENT)
at("std of constants", np.std, [2.0, 2.0], [0, 0], 0, SUBGRADIENT)
at("std of one number", np.std, [2.0], [0], 0, "it is 0 everywhere")
at("var of constants", np.var, [2.0, 2.0], [0, 0], [[0.5, -0.5], [-0.5, 0.5]], "var is smooth: 2/n (δᵢⱼ − 1/n)")
at("abs", lambda x: np.sum(abs(x)), [0.0, -0.0, 2.0], [0, 0, 1], 0, "the mean of −1 and 1, for either zero")
at("1-norm", lambda x: np.linalg.norm(x, 1), [0.0, -2.0], [0, -1], 0, "as abs")
at("sqrt at 0", lambda x: np.sqrt(x[0]), [0.0], [inf], None, "truly infinite: nothing hides it")
at("sqrt squared", lambda x: np.sqrt(x[0]) ** 2, [0.0], [1], 0, "under a square the root is gone: √x² is x")
at(
    "√(x² + y²)",
    lambda x: np.sqrt(np.sum(x**2)),
    [0.0, 0.0],
    [0, 0],
    [0, 0],
    "a kink, as norm",
)
at("√(x · x)", lambda x: np.sqrt(x @ x), [0.0, 0.0], [0, 0], None, "as √(x² + y²)")
at("exp(−√(x²)²)", lambda x: np.exp(-(np.sqrt(np.sum(x**2)) ** 2)), [0.0, 0.0], [0, 0], [-2, -2], "exp(−x²)")
at("exp(−(√(x²)/l)²)", lambda x: np.exp(-((np.sqrt(x[0] ** 2) / x[1]) ** 2)), [0.0, 0.5], [0, 0], [-8, 0], "a kernel")
at("(c √x)³ at 0", lambda x: (2 * np.sqrt(x[0])) ** 3, [0.0], [0], None, "8 x^1.5")
at("norm squared", lambda x: np.linalg.norm(x) ** 2, [0.0, 0.0], [0, 0], [2, 2], "x² + y², to second order")
at("hypot squared", lambda x: np.hypot(x[0], x[1]) ** 2, [0.0, 0.0], [0, 0], [2, 2], "x² + y², to second order")
at("abs squared", lambda x: np.sum(np.abs(x) ** 2), [0.0, 1.0], [0, 2], [2, 2], "x², to second order")
at("0 · √x", lambda x: np.sum(np.array([0.0, 1.0]) * np.sqrt(x)), [0.0, 4.0], [0, 0.25], [0, -1 / 32], "0 for every x")
at(
    "√(0 · x)",
    lambda x: np.sum(np.sqrt(np.array([0.0, 1.0]) * x)),
    [0.0, 4.0],
    [0, 0.25],
    [0, -1 / 32],
    "0 for every x",
)
at(
    "0 / x under a root",
    lambda x: np.sum(np.sqrt(np.array([0.0, 1.0]) / x)),
    [2.0, 4.0],
    [0, -1 / 16],
    None,
    "0",
)
at("a mask · √x", lambda x: np.sum((x > 0) * np.sqrt(x)), [0.0, 4.0], [0, 0.25], [0, -1 / 32], "as where")
at(
    "w · √x, a dot product",
    lambda x: np.array([0.0, 1.0]) @ np.sqrt(x),
    [0.0, 4.0],
    [0, 0.25],
    [0, -1 / 32],
    "0 · √x is 0",
)
at("√(w · x)", lambda x: np.sqrt(np.array([0.0, 0.0]) @ x), [1.0, 4.0], [0, 0], 0, "0 for every x")
at("√(x⁰ − 1)", lambda x: np.sum(np.sqrt(x**0.0 - 1)), [2.0], [0], 0, "0 for every x")
at("0 · log x at 0", lambda x: 0 * np.log(x[0]), [0.0], [nan], [nan], "its value is NaN")
at("√|x|", lambda x: np.sqrt(np.abs(x[0])), [0.0], [nan], [nan], "a cusp, ±∞ on its sides: no choice is made")
at("∛(x²)", lambda x: np.cbrt(x[0] ** 2), [0.0], [nan], None, "a cusp")
at("√√(x²)", lambda x: np.sqrt(np.sqrt(x[0] ** 2)), [0.0], [nan], None, "a cusp")
at("acos(cos x)", lambda x: np.arccos(np.cos(x[0])), [0.0], [0], None, "|x|: a kink")
at(
    "arctan2 at the origin",
    lambda x: np.arctan2(x[0], x[1]),
    [0.0, 0.0],
    [nan, nan],
    None,
    "no derivative, and no subgradient",
)

# ---- powers
at("x**2 at 0", lambda x: np.sum(x**2), [0.0, -0.0], [0, 0], [2, 2], "2x")
at("x**1 at 0", lambda x: np.sum(x**1), [0.0], [1], 0, "1, although b · a^(b−1) reads 1 · 0⁰")
at("x**0 at 0", lambda x: np.sum(x**0), [0.0], [0], 0, "constant 1")
at("x**3 at 0", lambda x: np.sum(x**3), [0.0], [0], 0, "3x²")
at("power 2 at 0", lambda x: np.sum(np.power(x, 2)), [0.0], [0], [2], "as x**2")
at("power 1.0 at 0", lambda x: np.sum(np.power(x, 1.0)), [0.0], [1], 0, "as x**1")
at("power 0.0 at 0", lambda x: np.sum(np.power(x, 0.0)), [0.0], [0], 0, "as x**0")
at("power 0.5 at 0", lambda x: np.sum(np.power(x, 0.5)), [0.0], [inf], None, "as sqrt")
at("0 to the power x", lambda x: np.power(0.0, x[0]), [2.0], [0], 0, "0 for every positive exponent")
at("0 to the power 0", lambda x: np.power(0.0, x[0]), [0.0], [-inf], None, "(0^h − 1)/h falls without bound")
at("(-2)**x", lambda x: np.power(-2.0, x[0]), [2.0], [nan], None, "not real beside whole exponents")
at("base and exponent", lambda x: np.power(x[0], x[1]), [0.0, 2.0], [0, 0], [[2, 0], [0, 0]], "a² with a = 0")
at("negative base", lambda x: np.sum(x**3), [-2.0], [12], [-12], "3x², 6x")

# ---- ties
at("max, two of three", np.max, [1.0, 3.0, 3.0], [0, 0.5, 0.5], 0, "k entries at a tie get 1/k each")
at("min, all", np.min, [2.0, 2.0, 2.0, 2.0], [0.25] * 4, 0, "1/k")
at(
    "max by rows",
    lambda x: np.sum(np.max(x, axis=1)),
    [[1.0, 1.0], [0.0, 2.0]],
    [[0.5, 0.5], [0, 1]],
    0,
    "1/k in each row",
)
at("maximum", lambda x: np.maximum(x[0], x[1]), [1.0, 1.0], [0.5, 0.5], 0, "one half each")
at("minimum", lambda x: np.sum(np.minimum(x, 0.0)), [0.0, -0.0, -1.0], [0.5, 0.5, 1], 0, "one half, for either zero")
at("fmax", lambda x: np.fmax(x[0], x[1]), [1.0, 1.0], [0.5, 0.5], 0, "one half each")
at(
    "clip at its edges",
    lambda x: np.sum(np.clip(x, 0.0, 1.0)),
    [0.0, 1.0, 0.5, 2.0],
    [0.5, 0.5, 1, 0],
    0,
    "one half at an edge",
)
at("max of squares", lambda x: np.max(x**2), [-2.0, 2.0], [-2, 2], [1, 1], "half of −4 and of 4")
at(
    "sort",
    lambda x: np.sum(np.sort(x, kind="stable") * np.arange(3.0)),
    [1.0, 0.0, 1.0],
    [1, 0, 2],
    0,
    "a stable sort keeps the order of equals",
)
at(
    "maximum.accumulate",
    lambda x: np.sum(np.maximum.accumulate(x)),
    [1.0, 1.0, 2.0],
    [2, 0, 1],
    0,
    "the first of equals leads",
)

# ---- infinities
at("logaddexp of two −inf", lambda x: np.logaddexp(x[0], x[1]), [-inf, -inf], [0.5, 0.5], None, "the limit of equals")
at("logaddexp with −inf", lambda x: np.logaddexp(x[0], x[1]), [1.0, -inf], [1, 0], 0, "−inf adds nothing")
at("logaddexp with inf", lambda x: np.logaddexp(x[0], x[1]), [inf, 1.0], [1, 0], 0, "inf takes all")
at("logaddexp far apart", lambda x: np.logaddexp(x[0], x[1]), [0.0, 1000.0], [0, 1], 0, "no overflow on the way")
at(
    "logaddexp of equals",
    lambda x: np.logaddexp(x[0], x[1]),
    [1.0, 1.0],
    [0.5, 0.5],
    [[0.25, -0.25], [-0.25, 0.25]],
    "smooth",
)
at("logaddexp2 of two −inf", lambda x: np.logaddexp2(x[0], x[1]), [-inf, -inf], [0.5, 0.5], None, "the limit of equals")
at("logaddexp2 far apart", lambda x: np.logaddexp2(x[0], x[1]), [0.0, 2000.0], [0, 1], 0, "no overflow on the way")
at("logsumexp, one −inf", logsumexp, [0.0, 0.0, -inf], [0.5, 0.5, 0], None, "−inf adds nothing")
at("exp at −inf", lambda x: np.sum(np.exp(x)), [-inf, 0.0], [0, 1], [0, 1], "0")
at("tanh at ±inf", lambda x: np.sum(np.tanh(x)), [-inf, inf], [0, 0], 0, "flat")
at("arctan at inf", lambda x: np.sum(np.arctan(x)), [inf], [0], None, "flat")
at("log at inf", lambda x: np.sum(np.log(x)), [inf], [0], None, "1/∞")
at("1/x at inf", lambda x: np.sum(1 / x), [inf], [0], None, "1/∞²")
at("1/x at ±0", lambda x: np.sum(1 / x), [0.0, -0.0], [-inf, -inf], None, "−1/x² has no sign of zero")
at("expit far out", lambda x: np.sum(sp.expit(x)), [-800.0, 800.0], [0, 0], 0, "flat")
at(
    "erf at inf",
    lambda x: np.sum(sp.erf(x)),
    [-inf, inf],
    [0, 0],
    None,
    "flat; the second derivative x · exp(−x²) is 0 · ∞",
)
at("square overflow", lambda x: np.sum(x**2), [1e200], [2e200], [2], "the value is inf, the slope is not")


# ---- NaN
at("sum of NaN", np.sum, [nan, 1.0], [1, 1], 0, "a sum is linear whatever its entries")
at("nansum", np.nansum, [nan, 1.0], [0, 1], 0, "NaN is left out")
at("nanmean", np.nanmean, [nan, 1.0, 3.0], [0, 0.5, 0.5], 0, "NaN is left out, also of the count")
at("nanmax", np.nanmax, [nan, 1.0, 3.0], [0, 0, 1], 0, "NaN is left out")
at("fmax of NaN", lambda x: np.fmax(x[0], x[1]), [nan, 1.0], [0, 1], 0, "a NaN loses against a number")
at(
    "maximum with NaN",
    lambda x: np.maximum(x[0], x[1]),
    [nan, 1.0],
    [1, 1],
    0,
    "the value is NaN: neither side is known not to count",
)
at("square of NaN", lambda x: np.sum(x**2), [nan, 1.0], [nan, 2], [2, 2], "NaN in, NaN out, and only there")
at(
    "multiply by NaN",
    lambda x: x[0] * x[1],
    [nan, 2.0],
    [2, nan],
    [[0, 1], [1, 0]],
    "each factor's partial is the other",
)

# ---- analytic fill-ins
at("sinc at 0", lambda x: np.sum(np.sinc(x)), [0.0, -0.0], [0, 0], [-(pi**2) / 3] * 2, "sin(πx)/(πx) = 1 − π²x²/6 + …")
at("sinc near 0", lambda x: np.sum(np.sinc(x)), [1e-9], [-(pi**2) / 3 * 1e-9], [-(pi**2) / 3], "no cancellation")
at("xlogy at 0", lambda x: sp.xlogy(0.0, x[0]), [0.0], [0], 0, "0 · log y is 0 for every y")
at("expm1 near 0", lambda x: np.sum(np.expm1(x)), [1e-300], [1], [1], "eˣ")
at(
    "copysign",
    lambda x: np.sum(np.copysign(x, -1.0)),
    [0.0, -0.0, 2.0],
    [-1, 1, -1],
    0,
    "the sign bit counts, also of a zero",
)

# ---- empty
EMPTY: list[Any] = []
at("sum of nothing", np.sum, EMPTY, EMPTY, np.zeros((0, 0)), "an empty gradient")
at("prod of nothing", np.prod, EMPTY, EMPTY, np.zeros((0, 0)), "1, with an empty gradient")
at("norm of nothing", np.linalg.norm, EMPTY, EMPTY, np.zeros((0, 0)), "0, with an empty gradient")
at(
    "max of nothing and 1",
    lambda x: np.max(x, initial=1.0),
    EMPTY,
    EMPTY,
    np.zeros((0, 0)),
    "1, with an empty gradient",
)
at("where of nothing", lambda x: np.sum(np.where(x > 0, np.sqrt(x), x)), EMPTY, EMPTY, np.zeros((0, 0)), "empty")
