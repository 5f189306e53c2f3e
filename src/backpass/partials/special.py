"""Special functions, as in ``scipy.special``. SciPy is not required: it is recognised when the user's code brings it.

Formulas: NIST Digital Library of Mathematical Functions (DLMF), section numbers beside the rules.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from backpass.graph import messages
from backpass.graph.aval import Aval, aval_of

from .arithmetic import ANY, POSITIVE
from .declare import FUNCTIONS, UFUNCS, Kind, Op, declare, is_complex, ufunc_aval
from .trigonometric import INSIDE

TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)
ROOT_TWO_PI = math.sqrt(2 * math.pi)


def _scipy(name: str) -> Any:
    import scipy.special

    return getattr(scipy.special, name)


def _lazily(
    name: str, fallback: Callable[[float], float] | None, output: int | None = None, double: bool = False
) -> Callable[..., Any]:
    """SciPy's ufunc when SciPy is installed, else the standard library's function entry by entry; with `double` it
    computes in double precision whatever it is given."""
    found: list[Any] = []

    def run(*args: Any) -> Any:
        if not found:
            try:
                found.append(_scipy(name))
            except ImportError:
                if fallback is None:
                    raise
                found.append(_entrywise(fallback))
        if double:
            given = [type(a) if type(a) in (int, float) else np.asarray(a).dtype for a in args]
            dtypes = found[0].resolve_dtypes((*given, *[None] * found[0].nout))
            result = found[0](*[np.asarray(a, np.float64) for a in args])
            return (result if output is None else result[output]).astype(dtypes[found[0].nin + (output or 0)])
        return found[0](*args) if output is None else found[0](*args)[output]

    return run


def _entrywise(function: Callable[[float], float]) -> Callable[[Any], Any]:
    each = np.frompyfunc(function, 1, 1)

    def run(x: Any) -> Any:
        x = np.asarray(x)
        return np.asarray(each(x.astype(np.float64))).astype(x.dtype if x.dtype.kind == "f" else np.float64)[()]

    return run


_BY_NAME: dict[str, Op] = {}


_OF: dict[str, str] = {}
"""Operations that have another name than their ufunc."""

_OUTPUTS: dict[str, list[str]] = {}
"""Ufuncs with several results: the operation of each."""


def special(
    name: str,
    *partials: Any,
    fallback: Any = None,
    of: str | None = None,
    output: int | None = None,
    double: bool = False,
    **record: Any,
) -> Op:
    """Declare a ufunc of scipy.special by its partials; `of` is SciPy's name where another operation has it, `output`
    says which of several results this is, and `double` that single precision does not serve."""
    if of is not None:
        _OF[name] = of
    if output is not None:
        _OUTPUTS.setdefault(of or name, []).append(name)

    def aval(*avals: Aval) -> Aval:
        if not UFUNCS_OF:
            scipy_op(None)  # a function around the ufunc was the first of scipy.special to be met
        found = UFUNCS_OF.get(name)
        if found is not None:
            return ufunc_aval(found)(*avals)
        first = ufunc_aval(np.tanh)(avals[0])
        return functools.reduce(ufunc_aval(np.arctan2), avals[1:], first)

    op = declare(
        Op(
            name=name,
            kind=Kind.POINTWISE if any(p is not None for p in partials) else Kind.DISCRETE,
            run=_lazily(of or name, fallback, output, double),
            aval=aval,
            partials=partials,
            **record,
        )
    )
    _BY_NAME[name] = op
    return op


_BLOCK = 1024
"""Entries that are integrated or summed up together: what each needs on the way is some hundred numbers."""


def repeated(name: str, of: str, nth: Callable[..., Any], *partials: Any, numbers: int = 1, **record: Any) -> Op:
    """Declare the nth derivative of the operation `of` in one of its arguments, as an operation of n, a number, and of
    its arguments; with `numbers` in several, of as many n. ``nth(n, *args)`` computes it in double precision, of arrays
    with one axis and one length."""

    def aval(*given: Aval) -> Aval:
        avals = given[numbers:]
        if any(a.dtype.kind == "c" for a in avals):
            raise TypeError(f"{name} takes real arguments, not complex ones")
        return _BY_NAME[of].aval(*avals)

    def run(*given: Any) -> Any:
        found = aval(*map(aval_of, given))
        flat = [np.ravel(a) for a in np.broadcast_arrays(*[np.asarray(a, np.float64) for a in given[numbers:]])]
        orders = [int(np.max(n, initial=0)) for n in given[:numbers]]
        with np.errstate(all="ignore"):
            parts = [nth(*orders, *[a[k : k + _BLOCK] for a in flat]) for k in range(0, flat[0].size, _BLOCK)]
        return np.concatenate([np.empty(0), *parts]).reshape(found.shape).astype(found.dtype)[()]

    op = declare(
        Op(name=name, kind=Kind.POINTWISE, run=run, aval=aval, partials=(*[None] * numbers, *partials), **record)
    )
    _BY_NAME[name] = op
    return op


def largest(counts: Any, most: int) -> int:
    """The largest of the counts of terms that are at most so many; others, and NaN, are left out."""
    return int(np.max(counts, initial=0.0, where=counts <= most))


def family(name: str, of: str, count: int, nth: Callable[..., Any], **record: Any) -> Op:
    """Declare the derivatives of the operation `of` in all arguments that have any, as an operation of as many orders
    and of the arguments: its own derivatives are itself with one order more."""

    def partial(place: int) -> Callable[..., Any]:
        def rule(g: Any, out: Any, *args: Any) -> Any:
            orders = [n + (place == k) for k, n in enumerate(args[:count])]
            return g * op(*orders, *args[count:])

        return rule

    op = repeated(name, of, nth, *map(partial, range(count)), numbers=count, risky=True, **record)
    return op


def in_parameter(name: str, place: int, count: int) -> Callable[..., Any]:
    """The derivative of a function in one of its arguments by its `family`."""

    def rule(g: Any, out: Any, *args: Any) -> Any:
        real_only(args[-1])
        return g * _apply(f"{name}_derivative")(*[int(k == place) for k in range(count)], *args)

    return rule


def in_order(name: str) -> Callable[..., Any]:
    """∂/∂ν of a function of real order, see special_orders.py, special_struve.py and special_cylinders.py."""

    def rule(g: Any, out: Any, v: Any, x: Any) -> Any:
        real_only(x)
        return g * _apply(f"{name}_by_order")(1, v, x)

    return rule


def undefined(what: str) -> Callable[..., Any]:
    """A derivative that exists and has no rule: asked for, it is refused. Zero would be wrong."""

    def rule(g: Any, out: Any, *args: Any) -> Any:
        raise messages.NoRuleError(
            f"This special function has no derivative rule {what}.\n{messages.place()}\n"
            "  Hold that argument constant with bp.stop_gradient(...), if that is meant."
        )

    return rule


def whole(what: str) -> Callable[..., Any]:
    """Refuse a derivative in an argument that is a whole number: there is none between."""
    return undefined(f"in {what}, which SciPy takes as a whole number alone")


def real_only(x: Any) -> None:
    """Refuse a complex argument of a derivative that is known for real ones alone."""
    if is_complex(x):
        raise messages.NoRuleError(
            f"The derivative of this special function has a rule for real arguments alone, not for complex ones.\n"
            f"{messages.place()}\n  Take np.real(...) of the argument if it is real."
        )


UFUNCS_OF: dict[str, Any] = {}


def scipy_op(ufunc: Any) -> Op | None:
    """The operation of a scipy.special ufunc; all are entered on the first that is met."""
    module = sys.modules.get("scipy.special")
    if module is None:
        return None
    if not UFUNCS_OF:
        FUNCTIONS["families"]()
        for name, op in _BY_NAME.items():
            found = getattr(module, _OF.get(name, name), None)
            if not isinstance(found, np.ufunc):
                found = getattr(
                    module._ufuncs, f"_{name}", None
                )  # zeta: a function around a ufunc with a first underscore
            if isinstance(found, np.ufunc):
                UFUNCS_OF[name] = found
                if _OF.get(name) not in _OUTPUTS:
                    UFUNCS[found] = op
        for name, outputs in _OUTPUTS.items():
            FUNCTIONS[getattr(module, name)] = _each([_BY_NAME[output] for output in outputs])
    return UFUNCS.get(ufunc)


def _each(ops: list[Op]) -> Callable[..., Any]:
    return lambda *args: tuple([op(*args) for op in ops])


def _apply(name: str) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        if name not in _BY_NAME:
            FUNCTIONS["families"]()
        return _BY_NAME[name](*args)

    return call


ERF = special(
    "erf",
    lambda g, out, x: g * (TWO_OVER_ROOT_PI * np.exp(-x * x)),
    fallback=math.erf,
    notation="erf({0})",
    domain=ANY,
    doc="2/√π ∫₀ˣ exp(−t²) dt (DLMF 7.2.1).",
)
ERFC = special(
    "erfc",
    lambda g, out, x: g * (-TWO_OVER_ROOT_PI * np.exp(-x * x)),
    fallback=math.erfc,
    notation="erfc({0})",
    domain=ANY,
    doc="1 − erf(x) (DLMF 7.2.2).",
)
ERFCX = special(
    "erfcx",
    lambda g, out, x: g * (2 * x * out - TWO_OVER_ROOT_PI),
    risky=True,
    notation="erfcx({0})",
    domain={"low": -1.0, "high": 3.0},
    doc="exp(x²) erfc(x) (DLMF 7.2.3).",
)
ERFINV = special(
    "erfinv",
    lambda g, out, x: g * (np.exp(out * out) / TWO_OVER_ROOT_PI),
    risky=True,
    notation="erf⁻¹({0})",
    domain=INSIDE,
    doc="The inverse of erf (DLMF 7.17).",
)
NDTR = special(
    "ndtr",
    lambda g, out, x: g * (np.exp(-0.5 * x * x) / ROOT_TWO_PI),
    fallback=lambda x: 0.5 * math.erfc(-x / math.sqrt(2)),
    notation="Φ({0})",
    domain=ANY,
    doc="The normal distribution function.",
)
LOG_NDTR = special(
    "log_ndtr",
    lambda g, out, x: g * (np.exp(-0.5 * x * x - out) / ROOT_TWO_PI),
    risky=True,
    notation="log Φ({0})",
    domain=ANY,
    doc="Its logarithm, accurate in the lower tail.",
)
NDTRI = special(
    "ndtri",
    lambda g, out, p: g * (ROOT_TWO_PI * np.exp(0.5 * out * out)),
    risky=True,
    notation="Φ⁻¹({0})",
    domain={"low": 0.1, "high": 0.9},
    doc="The normal quantile function.",
)
EXPIT = special("expit", lambda g, out, x: g * (out * (1 - out)), notation="σ({0})", domain=ANY, doc="1/(1 + exp(−x)).")
LOG_EXPIT = special(
    "log_expit", lambda g, out, x: g * _apply("expit")(-x), notation="log σ({0})", domain=ANY, doc="log of expit."
)
LOGIT = special(
    "logit",
    lambda g, out, p: g / (p * (1 - p)),
    risky=True,
    notation="logit({0})",
    domain={"low": 0.1, "high": 0.9},
    doc="log(p/(1 − p)).",
)
GAMMALN = special(
    "gammaln",
    lambda g, out, x: g * _apply("psi")(x),
    fallback=math.lgamma,
    risky=True,
    notation="log Γ({0})",
    domain=POSITIVE,
    doc="log |Γ(x)| (DLMF 5.2).",
)
LOGGAMMA = special(
    "loggamma",
    lambda g, out, x: g * _apply("psi")(x),
    risky=True,
    notation="log Γ({0})",
    domain=POSITIVE,
    doc="log Γ(x).",
)
GAMMA = special(
    "gamma",
    lambda g, out, x: g * (out * _apply("psi")(x)),
    fallback=math.gamma,
    risky=True,
    notation="Γ({0})",
    domain=POSITIVE,
    doc="Γ(x) (DLMF 5.2.1).",
)
RGAMMA = special(
    "rgamma",
    lambda g, out, x: g * (-out * _apply("psi")(x)),
    risky=True,
    notation="1/Γ({0})",
    domain=POSITIVE,
    doc="1/Γ(x).",
)
PSI = special(
    "psi",
    lambda g, out, x: g * _polygamma(1, x),
    risky=True,
    notation="ψ({0})",
    domain=POSITIVE,
    doc="Γ'(x)/Γ(x) (DLMF 5.2.2).",
)


def _zeta_in_s(g: Any, out: Any, s: Any, q: Any) -> Any:
    real_only(s)
    return g * _apply("zeta_by_s")(1, s, q)


ZETA = special(
    "zeta",
    _zeta_in_s,
    lambda g, out, s, q: g * (-s * _apply("zeta")(s + 1, q)),
    risky=True,
    notation="ζ({0}, {1})",
    domain={"low": 1.5, "high": 4.0},
    doc="Hurwitz ζ(s, q); its derivatives in s (special_zeta.py) and in q (DLMF 25.11.17).",
)


def _polygamma(n: int, x: Any) -> Any:
    """ψ⁽ⁿ⁾(x) = (−1)ⁿ⁺¹ n! ζ(n + 1, x) (DLMF 5.15.1), and ψ itself."""
    if n == 0:
        return _apply("psi")(x)
    real_only(x)
    return (-1.0) ** (n + 1) * math.factorial(n) * _apply("zeta")(float(n + 1), x)


LAMBERTW = special(
    "lambertw",
    lambda g, out, z, k, tol: g * (np.exp(-out) / (1.0 + out)),
    None,
    None,
    risky=True,
    notation="W_{1}({0})",
    domain={"low": 0.3, "high": 3.0},
    doc="The branch k of the solutions of W exp(W) = z, complex (DLMF 4.13.1, 4.13.4).",
)
BETALN = special(
    "betaln",
    lambda g, out, a, b: g * (_apply("psi")(a) - _apply("psi")(a + b)),
    lambda g, out, a, b: g * (_apply("psi")(b) - _apply("psi")(a + b)),
    risky=True,
    notation="log B({0}, {1})",
    domain=POSITIVE,
    doc="log of the beta function (DLMF 5.12).",
)
BETA = special(
    "beta",
    lambda g, out, a, b: g * (out * (_apply("psi")(a) - _apply("psi")(a + b))),
    lambda g, out, a, b: g * (out * (_apply("psi")(b) - _apply("psi")(a + b))),
    risky=True,
    notation="B({0}, {1})",
    domain=POSITIVE,
    doc="The beta function (DLMF 5.12.1).",
)


def _quotient(x: Any, y: Any) -> Any:
    """x/y, and 0 for 0/0."""
    both = np.logical_and(np.equal(x, 0), np.equal(y, 0))
    return np.where(both, 0.0, x / np.where(both, 1.0, y))


XLOGY = special(
    "xlogy",
    lambda g, out, x, y: g * np.log(y),
    lambda g, out, x, y: g * _quotient(x, y),
    risky=True,
    steep=0.99,
    notation="{0} log({1})",
    domain=POSITIVE,
    doc="x log y, 0 where x = 0.",
)
XLOG1PY = special(
    "xlog1py",
    lambda g, out, x, y: g * np.log1p(y),
    lambda g, out, x, y: g * _quotient(x, 1 + y),
    risky=True,
    steep=0.99,
    notation="{0} log(1 + {1})",
    domain=POSITIVE,
    doc="x log(1 + y), 0 where x = 0.",
)
ENTR = special(
    "entr",
    lambda g, out, x: g * (-np.log(x) - 1),
    risky=True,
    steep=0.99,
    notation="−{0} log({0})",
    domain=POSITIVE,
    doc="−x log x.",
)
REL_ENTR = special(
    "rel_entr",
    lambda g, out, x, y: g * (np.log(x / y) + 1),
    lambda g, out, x, y: g * (-x / y),
    risky=True,
    notation="{0} log({0}/{1})",
    domain=POSITIVE,
    doc="x log(x/y).",
)
KL_DIV = special(
    "kl_div",
    lambda g, out, x, y: g * np.log(x / y),
    lambda g, out, x, y: g * (1 - x / y),
    risky=True,
    notation="{0} log({0}/{1}) − {0} + {1}",
    domain=POSITIVE,
    doc="x log(x/y) − x + y.",
)

J0 = special(
    "j0", lambda g, out, x: g * -_apply("j1")(x), notation="J₀({0})", domain=POSITIVE, doc="Bessel (DLMF 10.6.3)."
)
J1 = special(
    "j1",
    lambda g, out, x: g * (0.5 * (_apply("j0")(x) - _apply("jv")(2.0, x))),
    notation="J₁({0})",
    domain=POSITIVE,
    doc="Bessel (DLMF 10.6.1).",
)
Y0 = special(
    "y0",
    lambda g, out, x: g * -_apply("y1")(x),
    risky=True,
    notation="Y₀({0})",
    domain=POSITIVE,
    doc="Bessel (DLMF 10.6.3).",
)
Y1 = special(
    "y1",
    lambda g, out, x: g * (_apply("y0")(x) - out / x),
    risky=True,
    notation="Y₁({0})",
    domain=POSITIVE,
    doc="Bessel (DLMF 10.6.2).",
)
_ORDER = {"low": 0.5, "high": 3.0}


def modified_slope(name: str, out: Any, v: Any, x: Any) -> Any:
    """(C_{v−1} + C_{v+1})/2 of I and of exp(−x) I; away from 0 it is C_{v+1} + v/x C_v, by one call (10.29.2)."""
    if v.__class__ in (int, float) and v >= 0 and x.__class__ is np.ndarray and x.dtype.kind == "f" and np.all(x != 0):
        return _apply(name)(v + 1, x) + (v / x) * out
    return 0.5 * (_apply(name)(v - 1, x) + _apply(name)(v + 1, x))


def _bessel(name: str, sign: float, notation: str) -> Op:
    # C'_v = (C_{v−1} − s·C_{v+1})/2 with the family's signs (DLMF 10.6.1, 10.29.1).
    scale = -0.5 if name == "kv" else 0.5
    return special(
        name,
        in_order(name),
        (lambda g, out, v, x: g * modified_slope(name, out, v, x))
        if name == "iv"
        else lambda g, out, v, x: g * (scale * (_apply(name)(v - 1, x) + sign * _apply(name)(v + 1, x))),
        risky=True,
        notation=notation,
        domain=_ORDER,
        doc="Bessel of real order; in the order at real x > 0.",
    )


JV = _bessel("jv", -1.0, "J_{0}({1})")
YV = _bessel("yv", -1.0, "Y_{0}({1})")
IV = _bessel("iv", 1.0, "I_{0}({1})")
KV = _bessel("kv", 1.0, "K_{0}({1})")
I0 = special(
    "i0",
    lambda g, out, x: g * _apply("i1")(x),
    risky=True,
    notation="I₀({0})",
    domain=POSITIVE,
    doc="Modified Bessel (DLMF 10.29.3).",
)
I1 = special(
    "i1",
    lambda g, out, x: g * (0.5 * (_apply("i0")(x) + _apply("iv")(2.0, x))),
    risky=True,
    notation="I₁({0})",
    domain=POSITIVE,
    doc="Modified Bessel (DLMF 10.29.1).",
)
I0E = special(
    "i0e",
    lambda g, out, x: g * (_apply("i1e")(x) - np.sign(x) * out),
    notation="exp(−|{0}|) I₀({0})",
    domain=POSITIVE,
    doc="Scaled I₀.",
)
I1E = special(
    "i1e",
    lambda g, out, x: g * (0.5 * (_apply("i0e")(x) + _apply("ive")(2.0, x)) - np.sign(x) * out),
    notation="exp(−|{0}|) I₁({0})",
    domain=POSITIVE,
    doc="Scaled I₁.",
)
GAMMAINC = special(
    "gammainc",
    lambda g, out, a, x: g * _apply("gammainc_derivative")(1, 0, a, x),
    lambda g, out, a, x: g * np.exp((a - 1) * np.log(x) - x - _apply("gammaln")(a)),
    risky=True,
    notation="P({0}, {1})",
    domain=POSITIVE,
    doc="Regularised lower incomplete gamma (DLMF 8.8.13).",
)
GAMMAINCC = special(
    "gammaincc",
    lambda g, out, a, x: -g * _apply("gammainc_derivative")(1, 0, a, x),
    lambda g, out, a, x: g * -np.exp((a - 1) * np.log(x) - x - _apply("gammaln")(a)),
    risky=True,
    notation="Q({0}, {1})",
    domain=POSITIVE,
    doc="Regularised upper incomplete gamma.",
)
EXP1 = special(
    "exp1",
    lambda g, out, x: g * (-np.exp(-x) / x),
    risky=True,
    notation="E₁({0})",
    domain=POSITIVE,
    doc="Exponential integral (DLMF 6.2.1).",
)
EXPI = special(
    "expi",
    lambda g, out, x: g * (np.exp(x) / x),
    risky=True,
    notation="Ei({0})",
    domain=POSITIVE,
    doc="Exponential integral (DLMF 6.2.5).",
)
DAWSN = special(
    "dawsn",
    lambda g, out, x: g * (1 - 2 * x * out),
    notation="F({0})",
    domain=ANY,
    doc="Dawson's integral (DLMF 7.10.3).",
)
SPENCE = special(
    "spence",
    lambda g, out, x: g * (np.log(x) / (1 - x)),
    risky=True,
    notation="Li₂(1 − {0})",
    domain={"low": 1.2, "high": 3.0},
    doc="Spence's dilogarithm (DLMF 25.12.2).",
)
COSM1 = special("cosm1", lambda g, out, x: g * -np.sin(x), notation="cos({0}) − 1", domain=ANY, doc="cos x − 1.")
EXPREL = special(
    "exprel",
    lambda g, out, x: g * (0.5 * _apply("hyp1f1")(2.0, 3.0, x)),
    notation="(exp({0}) − 1)/{0}",
    domain=ANY,
    doc="(eˣ − 1)/x = ₁F₁(1, 2, x) (DLMF 13.3.15).",
)
EXP10 = special(
    "exp10", lambda g, out, x: g * (out * math.log(10)), risky=True, notation="10^{0}", domain=INSIDE, doc="10ˣ."
)


def erf(x: Any) -> Any:
    """The error function, elementwise, on plain and traced arrays; keeps shape and float dtype. DLMF 7.2.1.

    >>> round(float(erf(1.0)), 6)
    0.842701
    """
    return ERF(x)


def gammaln(x: Any) -> Any:
    """log |Γ(x)|, elementwise, on plain and traced arrays. DLMF 5.2.1.

    >>> round(float(gammaln(5.0)), 6)
    3.178054
    """
    return GAMMALN(x)
