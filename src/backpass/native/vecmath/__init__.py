"""Vector mathematics: what `libm` does for one number, as instructions for a vector, without a call or a branch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from backpass.native import ir

from . import error, exponential, gamma, hyperbolic, logarithm, power, trigonometric
from .arithmetic import Arithmetic, Number

_UNARY: tuple[Callable[[Arithmetic, Number], Number], ...] = (
    exponential.exp,
    exponential.exp2,
    exponential.expm1,
    exponential.expit,
    exponential.exp10,
    exponential.exprel,
    logarithm.log,
    logarithm.log2,
    logarithm.log10,
    logarithm.log1p,
    logarithm.log_expit,
    logarithm.logit,
    logarithm.entr,
    hyperbolic.tanh,
    hyperbolic.sinh,
    hyperbolic.cosh,
    hyperbolic.arcsinh,
    hyperbolic.arccosh,
    hyperbolic.arctanh,
    trigonometric.sin,
    trigonometric.cos,
    trigonometric.tan,
    trigonometric.arcsin,
    trigonometric.arccos,
    trigonometric.arctan,
    error.erf,
    error.erfc,
    error.ndtr,
    gamma.gammaln,
    gamma.psi,
    power.cbrt,
    Arithmetic.sqrt,
)
_BINARY: tuple[Callable[[Arithmetic, Number, Number], Number], ...] = (
    logarithm.logaddexp,
    logarithm.logaddexp2,
    logarithm.xlogy,
    logarithm.xlog1py,
    logarithm.rel_entr,
    trigonometric.arctan2,
    power.power,
    power.hypot,
)

_FUNCTIONS: dict[str, Callable[..., Number]] = {function.__name__: function for function in (*_UNARY, *_BINARY)}

NAMES: dict[str, int] = {function.__name__: 1 for function in _UNARY} | {function.__name__: 2 for function in _BINARY}
"""What `emit` can write: the operation's name → the number of its arguments."""


def emit(b: ir.Builder, name: str, *args: Any) -> Any:
    """The value of the function at `args`, one float type or vector of floats for all, by instructions at b's position.

    The builder says what machine it writes for. With ``b.has_fma = False`` llvm.fma is not used, where it would be a
    call. With ``b.has_avx512 = True`` vectors of 512 bits use AVX-512's own instructions, to the same bits.
    """
    w = Arithmetic(b, args[0].type)
    return _FUNCTIONS[name](w, *(Number(w, x) for x in args)).v
