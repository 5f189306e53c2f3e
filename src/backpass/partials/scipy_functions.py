"""SciPy's Python functions, which pass through none of NumPy's protocols: found by identity.

``scipy.special.logsumexp(t)`` turns its argument into an array before anything can answer for it. So each is entered
into FUNCTIONS under the function itself once its module is there; `late` does that, and imports nothing. What
intercepts the call looks the function up there.
"""

from __future__ import annotations

import importlib
import sys
from types import MethodType
from typing import Any

import numpy as np

from backpass.graph import messages

from .composite import LOGSUMEXP, log_softmax, softmax
from .declare import FUNCTIONS, as_array, floating, normal_axis, reduced_axes, shape_of, value_of
from .special import _apply, _polygamma

LATE = {"scipy.interpolate": "splines"}
"""Module of SciPy → the family of its rules, which declares no operation and is imported where the module is."""
RULES: dict[str, dict[str, Any]] = {}
"""Module → name → what does the same on traced values; of a distribution ``norm.pdf``."""


def enter_scipy() -> None:
    """Enter the rules of those modules of SciPy that have been imported; a method's under (class, name)."""
    for module, family in LATE.items():
        if module in sys.modules:
            importlib.import_module(f"{__package__}.{family}")
    for module, rules in RULES.items():
        found = sys.modules.get(module)
        if found is not None:
            for name, rule in rules.items():
                owner, _, method = name.rpartition(".")
                holder = getattr(found, owner, None) if owner else found
                if isinstance(holder, type):
                    FUNCTIONS[holder, method] = rule
                elif hasattr(holder, method):
                    bound = getattr(holder, method)
                    own = getattr(bound, "__wrapped__", None) if owner else None  # exchanged, while a trace runs
                    FUNCTIONS[bound if own is None else MethodType(own, holder)] = rule


def _rule(module: str, *names: str) -> Any:
    def enter(implementation: Any) -> Any:
        for name in names or (implementation.__name__.rstrip("_"),):
            RULES.setdefault(f"scipy.{module}", {})[name] = implementation
        return implementation

    return enter


# ---- scipy.special
@_rule("special")
def logsumexp(a, axis=None, b=None, keepdims=False, return_sign=False):
    """log Σ b exp(a); with `return_sign` of |Σ| and the sign apart."""
    a = floating(a)
    axes = reduced_axes(axis, len(shape_of(a)))
    if b is None and not return_sign:
        return LOGSUMEXP(a, axis=axes, keepdims=bool(keepdims))
    b = np.ones(shape_of(a)) if b is None else as_array(b)
    a, b = np.broadcast_arrays(a, b)
    axes = reduced_axes(axis, len(shape_of(a)))
    used = np.where(np.equal(b, 0), -np.inf, np.real(value_of(a)))
    top = np.max(used, axis=axes, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    total = np.sum(np.where(np.equal(b, 0), 0.0, b * np.exp(a - top)), axis=axes, keepdims=True)
    sign = np.sign(total) if return_sign else None
    found = np.log(np.abs(total) if return_sign else total) + top
    parts = [part if keepdims else np.squeeze(part, axis=axes) for part in (found, sign) if part is not None]
    return tuple(parts) if return_sign else parts[0]


def _over_all(function: Any) -> Any:
    def implementation(x, axis=None):
        x = as_array(x)
        if axis is not None:
            return function(x, axis=axis)
        return np.reshape(function(np.ravel(x)), shape_of(x))

    return implementation


_rule("special", "softmax")(_over_all(softmax))
_rule("special", "log_softmax")(_over_all(log_softmax))
_rule("special", "softplus")(lambda x: np.logaddexp(0.0, x))


@_rule("special")
def polygamma(n, x):
    """ψ⁽ⁿ⁾(x), of whole order n."""
    n = np.asarray(value_of(n))
    if n.ndim:
        raise messages.option_refused("scipy.special.polygamma", "n", "Give one order at a time.")
    return _polygamma(int(n), x)


@_rule("special")
def multigammaln(a, d):
    """log Γ_d(a) = d(d − 1)/4 log π + Σ_{j=1}^d log Γ(a + (1 − j)/2)"""
    a, d = as_array(a), int(value_of(d))
    if not d > 0:
        raise ValueError("d should be a positive integer (dimension)")
    total = d * (d - 1) * 0.25 * np.log(np.pi)
    for j in range(1, d + 1):
        total = total + _apply("loggamma")(a - (j - 1.0) / 2)
    return total


@_rule("special")
def lambertw(z, k=0, tol=1e-8):
    return _apply("lambertw")(as_array(z), k if isinstance(k, int) else np.asarray(value_of(k), np.dtype("long")), tol)


@_rule("special")
def comb(N, k, *, exact=False, repetition=False):
    if exact:
        raise messages.option_refused("scipy.special.comb", "exact", "Exact counts are whole numbers: leave it out.")
    if repetition:
        N = N + k - 1
    cond = (value_of(k) <= value_of(N)) & (value_of(N) >= 0) & (value_of(k) >= 0)
    return np.where(cond, _apply("binom")(N, k), 0.0)


@_rule("special")
def factorial(n, exact=False, extend="zero"):
    if exact:
        raise messages.option_refused(
            "scipy.special.factorial", "exact", "Exact counts are whole numbers: leave it out."
        )
    n = as_array(n)
    return np.where(value_of(n) < 0, 0.0, _apply("gamma")(np.where(value_of(n) < 0, 1.0, n) + 1))


@_rule("special")
def perm(N, k, exact=False):
    """N!/(N − k)! = (N − k + 1)ₖ"""
    if exact:
        raise messages.option_refused("scipy.special.perm", "exact", "Exact counts are whole numbers: leave it out.")
    cond = (value_of(k) <= value_of(N)) & (value_of(N) >= 0) & (value_of(k) >= 0)
    return np.where(cond, _apply("poch")(as_array(N) - k + 1, k), 0.0)


@_rule("special")
def zeta(x, q=None, out=None):
    """ζ(x, q) = Σ (k + q)⁻ˣ, by q"""
    return _apply("riemann_zeta")(x) if q is None else _apply("zeta")(x, q)


@_rule("special")
def diric(x, n):
    """sin(n x/2)/(n sin(x/2)), and its limit ±1 where the sine is 0"""
    x = as_array(x)
    n = float(value_of(n))
    half = np.sin(x / 2)
    flat = np.abs(half) < 1e-9
    limit = np.power(-1.0, np.rint(value_of(x) / (2 * np.pi)) * (n - 1))
    return np.where(flat, limit, np.sin(n * x / 2) / (n * np.where(flat, 1.0, half)))


def _bessel_derivative(name: str, same_sign: bool, phase: float) -> None:
    """The n-th derivative of a Bessel function by those of neighbouring orders (DLMF 10.6.7, 10.29.5)."""

    def implementation(v, z, n=1):
        order = np.asarray(value_of(v)) + 0.0
        n = int(value_of(n))
        if n < 0:
            raise ValueError("n must be a non-negative integer")
        sign, total, weight = (1.0 if same_sign else -1.0), 0.0, 1.0
        for k in range(n + 1):
            total = total + sign**k * weight * _apply(name)(order - n + 2 * k, z)
            weight = weight * (n - k) / (k + 1)
        return phase**n * total / 2.0**n

    _rule("special", f"{name}p")(implementation)


_bessel_derivative("jv", False, 1.0)
_bessel_derivative("yv", False, 1.0)
_bessel_derivative("iv", True, 1.0)
_bessel_derivative("kv", True, -1.0)


def _spherical(name: str, bessel: str, above: float) -> None:
    """√(π/2z) times a Bessel function of order n + ½ (DLMF 10.47); its derivative from the neighbours (10.51.2)."""

    def value(n: Any, z: Any) -> Any:
        z = as_array(z)
        return np.sqrt(np.pi / (2 * z)) * _apply(bessel)(n + 0.5, z)

    def implementation(n, z, derivative=False):
        n = np.asarray(value_of(n)) + 0.0
        if derivative:
            return n / as_array(z) * value(n, z) + above * value(n + 1, z)
        return value(n, z)

    _rule("special", name)(implementation)


_spherical("spherical_jn", "jv", -1.0)
_spherical("spherical_yn", "yv", -1.0)
_spherical("spherical_in", "iv", 1.0)


@_rule("special")
def spherical_kn(n, z, derivative=False):
    n, z = np.asarray(value_of(n)) + 0.0, as_array(z)
    value = lambda n: np.sqrt(np.pi / (2 * z)) * _apply("kv")(n + 0.5, z)  # noqa: E731
    return n / z * value(n) - value(n + 1) if derivative else value(n)


# ---- scipy.optimize: Rosenbrock's function
def _rosen_curvature(x: Any) -> Any:
    """The diagonal and the one beside it of the Hessian of Rosenbrock's function."""
    inner = 1200.0 * x[:-1] ** 2 - 400.0 * x[1:] + 2.0
    zero = np.zeros(1)
    return np.concatenate([inner, zero]) + np.concatenate([zero, np.full(shape_of(x)[0] - 1, 200.0)]), -400.0 * x[:-1]


@_rule("optimize")
def rosen(x):
    """Σ 100 (xᵢ₊₁ − xᵢ²)² + (1 − xᵢ)²"""
    x = as_array(x)
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2.0) ** 2.0 + (1 - x[:-1]) ** 2.0, axis=0)


@_rule("optimize")
def rosen_der(x):
    x = as_array(x)
    gap = x[1:] - x[:-1] ** 2
    zero = np.zeros(1)
    return np.concatenate([-400 * gap * x[:-1] - 2 * (1 - x[:-1]), zero]) + np.concatenate([zero, 200 * gap])


@_rule("optimize")
def rosen_hess(x):
    diagonal, beside = _rosen_curvature(np.atleast_1d(as_array(x)))
    return np.diag(beside, 1) + np.diag(beside, -1) + np.diag(diagonal)


@_rule("optimize")
def rosen_hess_prod(x, p):
    return np.matmul(rosen_hess(x), as_array(p))


# ---- scipy.integrate
@_rule("integrate")
def trapezoid(y, x=None, dx=1.0, axis=-1):
    return np.trapezoid(y, x, dx, axis)


@_rule("integrate")
def cumulative_trapezoid(y, x=None, dx=1.0, axis=-1, initial=None):
    y = as_array(y)
    axis = normal_axis(axis, len(shape_of(y)))
    head = (slice(None),) * axis
    steps = _steps(y, x, dx, axis)
    areas = steps * (y[(*head, slice(1, None))] + y[(*head, slice(None, -1))]) / 2.0
    total = np.cumsum(areas, axis=axis)
    if initial is None:
        return total
    return np.concatenate([np.full_like(value_of(y[(*head, slice(0, 1))]), initial), total], axis=axis)


def _steps(y: Any, x: Any, dx: Any, axis: int) -> Any:
    if x is None:
        return dx
    steps = np.diff(as_array(x), axis=-1 if len(shape_of(x)) == 1 else axis)
    if len(shape_of(steps)) == 1:
        steps = np.reshape(steps, tuple(-1 if i == axis else 1 for i in range(len(shape_of(y)))))
    return steps


@_rule("integrate")
def simpson(y, x=None, *, dx=1.0, axis=-1):
    """Composite Simpson; for an even number of points SciPy's correction of the last interval (Cartwright 2017)."""
    y = np.moveaxis(as_array(y), axis, -1)
    n = shape_of(y)[-1]
    if x is None:
        h = dx * np.ones(n - 1)
    else:
        x = as_array(x)
        h = np.diff(x if len(shape_of(x)) == 1 else np.moveaxis(x, axis, -1), axis=-1)
    if n == 1:
        return 0.0 * y[..., 0]
    if n == 2:
        return 0.5 * h[..., 0] * (y[..., 0] + y[..., 1])
    m = n if n % 2 else n - 1
    h0, h1 = h[..., 0 : m - 1 : 2], h[..., 1 : m - 1 : 2]
    y0, y1, y2 = y[..., 0 : m - 2 : 2], y[..., 1 : m - 1 : 2], y[..., 2:m:2]
    total = h0 + h1
    ratio = h0 / h1
    found = np.sum(
        total / 6.0 * (y0 * (2.0 - 1.0 / ratio) + y1 * (total * total / (h0 * h1)) + y2 * (2.0 - ratio)), axis=-1
    )
    if n % 2 == 0:
        a, b = h[..., -2], h[..., -1]
        found = (
            found
            + (2 * b**2 + 3 * a * b) / (6 * (b + a)) * y[..., -1]
            + (b**2 + 3 * a * b) / (6 * a) * y[..., -2]
            - b**3 / (6 * a * (a + b)) * y[..., -3]
        )
    return found


@_rule("integrate")
def romb(y, dx=1.0, axis=-1, show=False):
    """Romberg: trapezoids of 1, 2, 4, … steps, extrapolated to none."""
    y = np.moveaxis(as_array(y), axis, -1)
    count = shape_of(y)[-1] - 1
    levels = count.bit_length() - 1
    if count < 1 or count != 1 << levels:
        raise ValueError("Number of samples must be one plus a non-negative power of 2.")
    h = count * dx
    row = [(y[..., 0] + y[..., -1]) / 2.0 * h]
    step = count
    for i in range(1, levels + 1):
        half = step // 2
        h = h / 2.0
        new = [0.5 * (row[0] + 2 * h * np.sum(y[..., half::step], axis=-1))]
        for k in range(1, i + 1):
            new.append(new[k - 1] + (new[k - 1] - row[k - 1]) / (4.0**k - 1))
        row, step = new, half
    return row[-1]


@_rule("integrate")
def fixed_quad(func, a, b, args=(), n=5):
    """Gauss and Legendre's rule of n points; also by the ends, and by what `func` reads."""
    points, weights = np.polynomial.legendre.leggauss(int(n))
    y = (b - a) * (points + 1) / 2.0 + a
    return (b - a) / 2.0 * np.sum(weights * func(y, *args), axis=-1), None


__all__ = ["RULES", "enter_scipy"]
