"""Exponentials, logarithms and roots."""

from __future__ import annotations

import math

import numpy as np

from .arithmetic import ANY, NONZERO, POSITIVE
from .declare import passes, pointwise

LN2 = math.log(2.0)
LN10 = math.log(10.0)

EXP = pointwise(np.exp, lambda g, out, a: g * out, risky=True, overflows=True, notation="exp({0})", domain=ANY)
EXP2 = pointwise(np.exp2, lambda g, out, a: g * (out * LN2), risky=True, overflows=True, notation="2^{0}", domain=ANY)
EXPM1 = pointwise(
    np.expm1, lambda g, out, a: g * (out + 1), risky=True, overflows=True, notation="exp({0}) − 1", domain=ANY
)
LOG = pointwise(np.log, lambda g, out, a: g / a, risky=True, notation="log({0})", domain=POSITIVE)
LOG2 = pointwise(np.log2, lambda g, out, a: g / (a * LN2), risky=True, notation="log₂({0})", domain=POSITIVE)
LOG10 = pointwise(np.log10, lambda g, out, a: g / (a * LN10), risky=True, notation="log₁₀({0})", domain=POSITIVE)
LOG1P = pointwise(np.log1p, lambda g, out, a: g / (1 + a), risky=True, notation="log(1 + {0})", domain=POSITIVE)
SQRT = pointwise(
    np.sqrt,
    lambda g, out, a: g * (0.5 / out),
    risky=True,
    steep=0.5,
    squared=(passes,),
    notation="√{0}",
    domain=POSITIVE,
)
CBRT = pointwise(
    np.cbrt, lambda g, out, a: g / (3 * out * out), risky=True, steep=1 / 3, notation="∛{0}", domain=NONZERO
)


def _part(a, b, total, half):
    """log of a's share of the sum: a − total, and at infinities its limit, `half` for two equal ones."""
    # Only infinities are set apart: at finite ties a − total still has a second derivative.
    return np.where(np.isinf(total) & (a == total), np.where(a == b, half, 0.0), a - total)


LOGADDEXP = pointwise(
    np.logaddexp,
    lambda g, out, a, b: g * np.exp(_part(a, b, out, -LN2)),
    lambda g, out, a, b: g * np.exp(_part(b, a, out, -LN2)),
    risky=True,
    notation="log(exp({0}) + exp({1}))",
    domain=ANY,
    kinks="At two equal infinities each argument gets one half, the limit of equals.",
)
LOGADDEXP2 = pointwise(
    np.logaddexp2,
    lambda g, out, a, b: g * np.exp2(_part(a, b, out, -1.0)),
    lambda g, out, a, b: g * np.exp2(_part(b, a, out, -1.0)),
    risky=True,
    notation="log₂(2^{0} + 2^{1})",
    domain=ANY,
    kinks="As logaddexp.",
)
