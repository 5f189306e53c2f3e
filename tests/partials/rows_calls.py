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
