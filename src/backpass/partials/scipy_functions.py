"""SciPy's Python functions, which pass through none of NumPy's protocols: found by identity.

``scipy.special.logsumexp(t)`` turns its argument into an array before anything can answer for it. So each is entered
into FUNCTIONS under the function itself once its module is there; `late` does that, and imports nothing. What
intercepts the call looks the function up there.
"""

from __future__ import annotations

import functools
import inspect
import math
import sys
from types import MethodType
from typing import Any

import numpy as np

from backpass.graph import messages

from .composite import LOGSUMEXP, log_softmax, softmax
from .declare import FUNCTIONS, as_array, floating, reduced_axes, rule_for, shape_of, value_of
from .special import _apply, _polygamma

RULES: dict[str, dict[str, Any]] = {}
"""Module → name → what does the same on traced values; of a distribution ``norm.pdf``."""


@rule_for("families")
def enter_families() -> None:
    """Declare the operations and rules of all families, also of those that only SciPy's functions need."""
    from . import of_scipy  # noqa: F401


def enter_scipy() -> None:
    """Enter the rules of those modules of SciPy that have been imported; a method's under (class, name)."""
    if "scipy" not in sys.modules:
        return
    enter_families()
    from .scipy_distributions import enter_private

    enter_private()
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


def _as_written(module: str, *names: str, source: str | None = None) -> None:
    """These functions by SciPy's own lines, which are in the module `source`, with what they call exchanged."""

    def implementation(name: str) -> Any:
        @functools.cache
        def copy() -> Any:
            from backpass.graph.followed import followed  # what only a trace needs is imported by the first one

            return followed(inspect.unwrap(getattr(sys.modules[f"scipy.{source or module}"], name)))

        return lambda *args, **kwargs: copy()(*args, **kwargs)

    for name in names:
        _rule(module, name)(implementation(name))


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


def _spherical_bessel(bessel: str, sign: float) -> Any:
    """√(π/2z) times a Bessel function of order n + ½ (DLMF 10.47); below |z| = 1 by ₀F₁ (10.53), which is regular."""

    def value(n: Any, z: Any) -> Any:
        near = np.abs(z) < 1.0
        small, large = np.where(near, z, 0.0), np.where(near, 1.0, z)
        factor = math.sqrt(math.pi) / (2.0 ** (n + 1) * _apply("gamma")(n + 1.5))
        series = factor * small**n * _apply("hyp0f1")(n + 1.5, sign * small * small / 4)
        return np.where(near, series, np.sqrt(np.pi / (2 * large)) * _apply(bessel)(n + 0.5, large))

    return value


def _spherical(name: str, bessel: str, sign: float) -> None:
    """The derivative is that of the neighbours (DLMF 10.51.1)."""
    value = _spherical_bessel(bessel, sign)

    def implementation(n, z, derivative=False):
        n, z = np.asarray(value_of(n)) + 0.0, as_array(z)
        if not derivative:
            return value(n, z)
        return (n * value(np.maximum(n - 1, 0), z) + sign * (n + 1) * value(n + 1, z)) / (2 * n + 1)

    _rule("special", name)(implementation)


_spherical("spherical_jn", "jv", -1.0)
_spherical("spherical_in", "iv", 1.0)


@_rule("special")
def spherical_yn(n, z, derivative=False):
    n, z = np.asarray(value_of(n)) + 0.0, as_array(z)
    value = lambda n: np.sqrt(np.pi / (2 * z)) * _apply("yv")(n + 0.5, z)  # noqa: E731
    return n / z * value(n) - value(n + 1) if derivative else value(n)


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


# ---- scipy.integrate, as SciPy writes it
_as_written("integrate", "trapezoid", "cumulative_trapezoid", "simpson", "cumulative_simpson", "romb", "fixed_quad")


__all__ = ["RULES", "enter_scipy"]
