"""Rows of the function table: ufuncs called in other forms, methods, operators, elementwise pairs."""

import operator

import numpy as np
import scipy.special as sp

from .rows import row

ORDER = "NumPy reduces pairwise; the rule folds in order"

for _u in (np.add, np.multiply, np.maximum, np.minimum):
    row(_u, (2, 3), call=lambda x, u=_u: u.reduce(x), as_="reduce")
    row(_u, (2, 3), call=lambda x, u=_u: u.reduce(x, axis=1, keepdims=True), as_="reduce axis keepdims")
    row(_u, (2, 3), call=lambda x, u=_u: u.reduce(x, axis=None), as_="reduce all")
    row(_u, (2, 3), call=lambda x, u=_u: u.accumulate(x), as_="accumulate")
    row(_u, (2, 3), call=lambda x, u=_u: u.accumulate(x, axis=1), as_="accumulate axis")
for _u in (np.add, np.subtract, np.multiply, np.divide, np.maximum, np.hypot, np.arctan2, np.power):
    row(_u, (2, 2), (3,), call=lambda a, b, u=_u: u.outer(a, b), as_="outer", low=0.3)
for _u in (np.subtract, np.divide, np.logaddexp, np.hypot):
    row(_u, (3, 2), call=lambda x, u=_u: u.reduce(x), as_="reduce", low=0.3)
    row(_u, (3, 2), call=lambda x, u=_u: u.reduce(x, axis=1, keepdims=True), as_="reduce axis", low=0.3)
for _u in (np.subtract, np.divide, np.logaddexp):
    row(_u, (3, 2), call=lambda x, u=_u: u.accumulate(x, axis=0), as_="accumulate", low=0.3)
for _u in (np.logical_or, np.logical_and):
    row(_u, (2, 3), call=lambda x, u=_u: u.reduce(x > 0, axis=1), as_="reduce", smooth=False)
row(np.add, (3,), (3,), call=lambda a, b: np.add(a, b, dtype=np.float32), as_="dtype", float32=False)
row(np.exp, (3,), call=lambda a: np.exp(a, dtype=np.float32), as_="dtype", float32=False)
row(np.divmod, (3,), (3,), call=lambda a, b: np.divmod(a, b), low=0.3, as_="both")
row(np.divmod, (3,), (3,), call=divmod, low=0.3, as_="builtin")
row(np.modf, (3,), call=lambda a: np.modf(a), as_="both")
row(np.ldexp, (3,), call=lambda a: np.ldexp(a, 3), as_="3")
row(np.ldexp, (3,), call=lambda a: np.ldexp(a, np.array([1, -2, 0])), as_="array")
row(np.conjugate, (3,), call=lambda a: np.conjugate(a), as_="real")
row(np.fabs, (3,), call=lambda a: np.fabs(a), as_="")
row(np.radians, (3,), call=lambda a: np.radians(a) + np.degrees(a), as_="and degrees")
row(np.true_divide, (3,), (3,), call=lambda a, b: np.true_divide(a, b), low=0.3, as_="")
row(np.float_power, (3,), (3,), call=lambda a, b: np.float_power(a, b), low=0.3, float32=False, as_="")

# ---- operators
for _o in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    _f = getattr(operator, _o)
    row(_f, (2, 3), (3,), low=0.3)
    row(_f, (3,), call=lambda a, f=_f: f(a, 2), low=0.3, as_="by a whole number")
    row(_f, (3,), call=lambda a, f=_f: f(1.5, a), low=0.3, as_="of a number")
    row(_f, (3,), call=lambda a, f=_f: f(np.array([0.5, 1.5, 2.5]), a), low=0.3, as_="of an array")
    row(_f, (), call=lambda a, f=_f: f(f(a, 3.0), np.float64(0.7)), low=0.3, as_="0-d")
    row(_f, (3,), call=lambda a, f=_f: f(a, [0.5, 1.5, 2.5]), low=0.3, as_="by a list")
for _n in (-2, -1, -0.5, 0, 0.5, 1, 2, 3, 2.5, np.float64(2.0)):
    row(operator.pow, (3,), call=lambda a, n=_n: a**n, low=0.3, as_=f"{_n!r}")
    row(operator.pow, (), call=lambda a, n=_n: a**n, low=0.3, as_=f"0-d {_n!r}")
row(operator.neg, (3,), call=lambda a: -a + +a * abs(a), as_="neg pos abs")
row(operator.matmul, (2, 3), (3, 2))
row(operator.matmul, (3,), call=lambda a: np.arange(6.0).reshape(2, 3) @ a, as_="of an array")
row(operator.matmul, (3,), call=lambda a: [[1.0, 2.0, 3.0]] @ a, as_="of a list")
for _o in ("lt", "le", "gt", "ge", "eq", "ne"):
    row(getattr(operator, _o), (3,), (3,), smooth=False)
row(operator.and_, (3,), call=lambda a: (a > 0) & (a < 2) | ~(a < 1) ^ (a == 0), smooth=False, as_="masks")
row(operator.iadd, (2, 3), (3,), call=lambda a, b: _in_place(a * 1.0, b), low=1.0, as_="in place")


def _in_place(y, b):
    y += b
    y *= 2.0
    y -= 1
    y /= b
    y **= 2
    return y


# ---- methods and attributes
for _label, _call in {
    "sum": lambda x: x.sum(axis=0),
    "prod": lambda x: x.prod(1),
    "mean": lambda x: x.mean(axis=1, keepdims=True),
    "var": lambda x: x.var(ddof=1),
    "std": lambda x: x.std(0),
    "max": lambda x: x.max(1),
    "min": lambda x: x.min(),
    "cumsum": lambda x: x.cumsum(1),
    "cumprod": lambda x: x.cumprod(),
    "clip": lambda x: x.clip(-1, 1),
    "dot": lambda x: x.dot(np.arange(3.0)),
    "take": lambda x: x.take([0, 0, 5]),
    "reshape": lambda x: x.reshape(3, 2) + x.reshape((3, -1)),
    "reshape F": lambda x: x.reshape(3, 2, order="F"),
    "ravel": lambda x: x.ravel(),
    "flatten": lambda x: x.flatten("F"),
    "squeeze": lambda x: x[None].squeeze(0),
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "transpose": lambda x: x.transpose() + x.transpose(1, 0) + x.transpose((1, 0)) + x.T + x.mT,
    "repeat": lambda x: x.repeat(2, axis=0),
    "diagonal": lambda x: x.diagonal(1),
    "trace": lambda x: x.trace(),
    "copy": lambda x: x.copy(),
    "astype": lambda x: x.astype(np.float64),
    "real": lambda x: x.real + x.conj() + x.conjugate(),
    "iteration": lambda x: sum(part * k for k, part in enumerate(x)),
    "flat": lambda x: sum(v * k for k, v in enumerate(x.flat)),
    "len": lambda x: x * 0.01 * len(x) * x.ndim * x.size * x.shape[1],
    "unpacking": lambda x: x[0] * x[1] if len((*x,)) == 2 else x,
}.items():
    row(f"method {_label}", (2, 3), call=_call)
for _label, _call in {
    "argmax": lambda x: x.argmax(1),
    "argmin": lambda x: x.argmin(),
    "argsort": lambda x: x.argsort(0),
    "round": lambda x: x.round(1),
    "any": lambda x: (x > 0).any(axis=1),
    "all": lambda x: (x > 0).all(),
    "int": lambda x: x.astype(int),
}.items():
    row(f"method {_label}", (2, 3), call=_call, smooth=False)

row(
    "method item",
    (2, 3),
    call=lambda x: x[0, 0].item() * 2 + x.item(4) + x.item((1, 2)),
    float32=False,
    as_="a Python number in NumPy",
)
row(
    "method tolist",
    (2, 3),
    call=lambda x: np.float64(1.0) * x.tolist()[1][2],
    float32=False,
    as_="a Python number in NumPy",
)

# ---- scipy.special
row(sp.expit, (3,), call=lambda x: sp.expit(x), as_="")
row(sp.logsumexp, (2, 3), call=lambda x: sp.erf(x) * sp.gammaln(x) + sp.xlogy(x, 2.0), low=0.3, as_="ufuncs together")
row(sp.zeta, (3,), call=lambda q: sp.zeta(2.5, q), low=0.5, as_="python function around a ufunc")
row(sp.zeta, (3,), call=lambda s: sp.zeta(s), low=1.5, as_="of one argument")

# ---- where=: what is not computed stays as it was, or is 0
for _u in (np.log, np.sqrt):
    row(_u, (4,), call=lambda a, u=_u: _into(u, a * 0.5, a > 1, a), as_="where out")
row(np.divide, (4,), (4,), call=lambda a, b: _into(np.divide, a * 1.0, b > 1, a, b), as_="where out")

# ---- reduceat, and reductions and accumulations of any pair
for _u in (np.add, np.multiply, np.maximum, np.logaddexp):
    row(_u, (5, 2), call=lambda a, u=_u: u.reduceat(a, [0, 3, 1, 4]), as_="reduceat", low=0.3, ulps=2, why=ORDER)
    row(_u, (2, 5), call=lambda a, u=_u: u.reduceat(a, [1, 2], axis=1), as_="reduceat axis", low=0.3, ulps=2, why=ORDER)
for _u in (np.fmax, np.fmin, np.logaddexp2, np.hypot):
    row(_u, (4,), call=lambda a, u=_u: u.reduce(a), as_="reduce", low=0.3)
for _u in (np.hypot, np.power, np.logaddexp2):
    row(_u, (3, 2), call=lambda a, u=_u: u.accumulate(a, axis=1), as_="accumulate", low=0.3)
row(np.add, (4,), call=lambda a: np.add.reduce(a, initial=2.0, where=a > 1), as_="reduce initial where")
row(np.subtract, (4,), call=lambda a: np.subtract.reduce(a, initial=2.0), as_="reduce initial")
MASK = np.array([[True, False, True], [True, True, False]])
for _u in (np.logaddexp, np.logaddexp2, np.hypot, np.fmax):
    row(_u, (2, 3), call=lambda a, u=_u: u.reduce(a, axis=None), as_="reduce all", ulps=4, why=ORDER, low=0.3)
    row(_u, (2, 3, 2), call=lambda a, u=_u: u.reduce(a, (-1, 0), keepdims=True), as_="reduce axes", ulps=4, why=ORDER)
    row(_u, (2, 3), call=lambda a, u=_u: u.reduce(a, axis=()), as_="reduce none", low=0.3)
    row(_u, (2, 3), call=lambda a, u=_u: u.reduce(a, 1, initial=0.4, where=MASK), as_="reduce where", ulps=4, why=ORDER)
row(np.logaddexp, (0, 3), call=lambda a: np.logaddexp.reduce(a), as_="reduce empty")

COUNTED = "how many entries there are depends on values"
row(np.arange, (), (), call=lambda a, b: np.arange(a, 3.0, b), as_="ends", low=0.3, eager_only=COUNTED)
row(np.arange, (), call=lambda a: np.arange(2.0, 0.1, step=-a), as_="step", low=0.3, eager_only=COUNTED)
row(np.arange, (), call=lambda a: np.arange(a, stop=a + 2.2), as_="start", eager_only=COUNTED)

# ---- a number, of which NumPy reduces axis 0 and -1, too
for _u in (np.add, np.multiply, np.maximum, np.logaddexp, np.hypot):
    row(_u, (), call=lambda a, u=_u: u.reduce(a), as_="reduce number")
for _f in (np.sum, np.prod, np.max, np.min, np.ptp, np.cumsum, np.cumprod, np.nansum, np.nanmax, np.nanmean):
    row(_f, (), axis=-1, as_="number")
    row(_f, (), axis=0, as_="number")
for _f in (np.argmax, np.argmin, np.argsort, np.count_nonzero, np.all):
    row(_f, (), axis=-1, as_="number", smooth=False)
row(np.take, (), call=lambda a: np.take(a, [0, 0], axis=0), as_="number")
row(np.repeat, (), call=lambda a: np.repeat(a, 3, axis=-1), as_="number")
row(np.squeeze, (), axis=-1, as_="number")

# ---- objects
row(np.r_.__class__, (3,), call=lambda a: np.r_[a[0], a, 0:2, [a[1], 0.5]], as_="r_")
row(np.r_.__class__, (3,), call=lambda a: np.r_["0,2", a, a * 2], as_="r_ 0,2")
row(np.r_.__class__, (3,), call=lambda a: np.r_["1,2,0", a, [0.5, 0.1, a[2]]], as_="r_ 1,2,0")
row(np.r_.__class__, (2, 3), call=lambda a: np.r_["-1", a, a], as_="r_ -1")
row(np.c_.__class__, (3,), (3, 2), call=lambda a, b: np.c_[a, b, [1.0, 2.0, 3.0]], as_="c_")
row(np.float64, (3,), call=lambda a: np.float64(a[0]) * np.float64(a), as_="")
row(
    np.vectorize,
    (2, 3),
    (3,),
    call=lambda a, b: np.vectorize(_branch)(a, b),
    as_="",
    eager_only=True,
    low=0.3,
    float32=False,
)
row(np.vectorize, (2, 3), call=lambda a: _decorated(a, 2.0), as_="decorated", eager_only=True, low=0.3)
row(np.vectorize, (2, 3), (3,), call=lambda a, b: np.vectorize(np.dot, signature="(n),(n)->()")(a, b), as_="signature")
row(np.vectorize, (3,), call=lambda a: np.vectorize(_two, otypes=[float, float])(a)[1], as_="two results")
row(
    np.vectorize,
    (3,),
    call=lambda a: np.vectorize(_branch, excluded=[1])(a, 2.0),
    as_="excluded",
    eager_only=True,
    float32=False,
)
row(
    np.frompyfunc,
    (3,),
    (3,),
    call=lambda a, b: np.frompyfunc(_branch, 2, 1)(a, b).astype(float),
    eager_only=True,
    as_="",
)
row(np.nditer, (2, 3), call=lambda a: sum(v * v for v in np.nditer(a)), as_="")
row(np.nditer, (2, 3), call=lambda a: _written(a * 1.0), as_="written")
row(np.nditer, (2, 3), (3,), call=lambda a, b: sum(v * w for v, w in np.nditer([a, b])), as_="two")
row(np.ndenumerate, (2, 3), call=lambda a: sum(v * (i + 2 * j) for (i, j), v in np.ndenumerate(a)), as_="")
row(np.ndarray, (3,), call=lambda a: _made(a), as_="made")

# ---- series
_P = np.polynomial
for _m, _n in (
    ("polynomial", "polyval"), ("chebyshev", "chebval"), ("legendre", "legval"), ("hermite", "hermval"),
    ("hermite_e", "hermeval"), ("laguerre", "lagval"),
):  # fmt: skip
    for _k in (1, 2, 4):
        _label = f"of {_k} coefficients"
        row(
            getattr(getattr(_P, _m), _n),
            (2, 3),
            (_k,),
            call=lambda x, c, m=_m, n=_n: getattr(getattr(np.polynomial, m), n)(x, c),
            as_=_label,
            low=-0.4,
            high=0.4,
        )
    row(
        getattr(getattr(_P, _m), _n),
        (3,),
        (4, 2),
        call=lambda x, c, m=_m, n=_n: getattr(getattr(np.polynomial, m), n)(x, c),
        as_="columns",
    )
row(_P.Polynomial, (3,), (4,), call=lambda x, c: np.polynomial.Polynomial(c)(x), as_="of traced coefficients")
row(_P.Chebyshev, (3,), call=lambda x: np.polynomial.Chebyshev([1.0, 2.0, 0.5], domain=[0, 4])(x), as_="with a domain")
row(np.poly1d, (3,), call=lambda x: np.poly1d([1.0, 2.0])(x) + np.poly1d([1.0, 2.0, 3.0]).deriv()(x), as_="")
row(np.poly1d, (3,), call=lambda c: np.poly1d(c)(0.7), as_="of traced coefficients", eager_only=True)

# ---- roots and logarithms that become complex
for _n in ("sqrt", "log", "log2", "log10", "arccos", "arcsin", "arctanh"):
    _low, _high = (-0.9, 0.9) if "arc" in _n else (0.2, 2.0)
    row(
        getattr(np.emath, _n),
        (4,),
        call=lambda a, n=_n: getattr(np.emath, n)(a),
        low=_low,
        high=_high,
        as_="",
        eager_only=True,
    )
    row(
        getattr(np.emath, _n), (4,), call=lambda a, n=_n: np.abs(getattr(np.emath, n)(a * [-1.0, 1, 1, 1])),
        low=1.2, high=2.0, as_="complex", eager_only=True,
    )  # fmt: skip
row(np.emath.logn, (), (4,), call=lambda n, x: np.emath.logn(n, x), low=1.3, as_="", eager_only=True)
row(np.emath.power, (4,), (), call=lambda x, p: np.emath.power(x, p), low=0.3, as_="", eager_only=True)

# ---- counts and windows
_W = np.lib.stride_tricks.sliding_window_view
row(_W, (5,), call=lambda a: np.lib.stride_tricks.sliding_window_view(a, 3), as_="")
row(_W, (3, 4), call=lambda a: np.lib.stride_tricks.sliding_window_view(a, (2, 3)), as_="2-d")
row(_W, (3, 4), call=lambda a: np.lib.stride_tricks.sliding_window_view(a, 2, axis=0), as_="axis")
_S = np.lib.stride_tricks.as_strided
row(_S, (5,), call=lambda a: np.lib.stride_tricks.as_strided(a, (3, 2), a.strides * 2), as_="windows")
row(_S, (3, 4), call=lambda a: np.lib.stride_tricks.as_strided(a, (3, 3), (a.strides[0], a.strides[1])), as_="part")
_B = np.array([0.1, 0.2, 0.3, 0.5, 0.9])
row(np.histogram, (5,), call=lambda w: np.histogram(_B, 3, weights=w)[0], as_="weights")
row(
    np.histogram,
    (5,),
    call=lambda w: np.histogram(_B, [0.0, 0.25, 0.5, 0.6], weights=w, density=True)[0],
    as_="density",
    float32=False,
)
row(np.histogram, (5,), call=lambda a: np.histogram(a, 4)[1], as_="edges", eager_only=True)
row(np.histogram, (5,), call=lambda a: np.histogram(a, 4)[0], as_="counts", smooth=False, eager_only=True)
row(
    np.histogram,
    (5,),
    call=lambda a: np.histogram(a, "auto", range=(0.0, 3.0))[0],
    as_="by a rule",
    smooth=False,
    eager_only=True,
)
row(np.histogram, (5,), call=lambda a: np.histogram(a, np.argmax(a) + 2)[1], as_="traced bins", eager_only=True)
row(np.histogram_bin_edges, (5,), call=lambda a: np.histogram_bin_edges(a, 4), as_="", eager_only=True)
_C = np.array([0.2, 0.4, 0.1, 0.8, 0.5])
row(np.histogram2d, (5,), call=lambda w: np.histogram2d(_B, _C, (2, 3), weights=w)[0], as_="weights")
row(np.histogram2d, (5,), call=lambda a: np.histogram2d(a, _C, 3)[1], as_="edges", eager_only=True)
row(
    np.histogram2d,
    (5,),
    call=lambda a: np.histogram2d(a, a * a, [0.0, 0.5, 2.0, 9.0])[0],
    as_="counts",
    smooth=False,
    eager_only=True,
)
row(
    np.histogramdd,
    (5,),
    (5, 3),
    call=lambda w, a: np.histogramdd(a, (2, 1, 3), density=True, weights=w)[0],
    low=0.5,
    as_="density",
    eager_only=True,
    float32=False,
)
row(
    np.histogramdd,
    (2,),
    (2,),
    call=lambda a, b: (
        np.histogramdd([a, b], bins=[np.array([-9.0, 0.0, 9.0]), 3])[1][1] * np.histogramdd((a, b), 2)[0][0, 0]
    ),
    as_="a list of coordinates",
    eager_only=True,
)
row(np.common_type, (3,), call=lambda a: a.astype(np.common_type(a, np.ones(2, np.float32))), as_="")
row(np.can_cast, (3,), call=lambda a: a * np.can_cast(a, np.complex128), as_="")
row(np.min_scalar_type, (3,), call=lambda a: a.astype(np.min_scalar_type(a)), as_="")
row(np.einsum_path, (2, 3), call=lambda a: a * len(np.einsum_path("ij,ij->", a, a)[0]), as_="")
row(np.take, (3,), call=lambda a: np.take(np.array([1.0, 2.0, 3.0]), np.argsort(a)) * a, as_="of a plain array")
row(np.pad, (3,), call=lambda a: np.pad(a, 1, constant_values=a[0]), as_="with a traced value")
row(
    np.pad,
    (3,),
    call=lambda a: np.pad(a, 2, "linear_ramp", end_values=a[0]),
    as_="ramp to a traced value",
    float32=False,
)


def _into(function, out, where, *args):
    function(*args, out=out, where=where)
    return out


def _branch(a, b):
    return a * b if a > b else np.sin(a) + b


@np.vectorize
def _decorated(a, b):
    return _branch(a, b)


def _two(a):
    return a * 2.0, a**2


def _written(a):
    with np.nditer(a, op_flags=["readwrite"]) as entries:
        for v in entries:
            v[...] = v * v
    return a


def _made(a):
    out = np.ndarray((3,))
    out[:] = a * a
    return out
