"""``scipy.stats``: the distributions of several variables, by their densities.

Of a covariance, and of every symmetric matrix, SciPy reads the lower triangle, and the derivative is that of what it
reads: 0 in the upper one, as of ``cholesky``. Formulas: SciPy's own documentation of each; Gupta & Nagar, Matrix
Variate Distributions (1999); Mardia & Jupp, Directional Statistics (2000), for ``vonmises_fisher``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from backpass.graph import messages

from .declare import as_array, is_staged, shape_of, value_of
from .decompositions import CHOLESKY, SOLVE, _mT, read_triangle
from .scipy_functions import _rule, multigammaln
from .scipy_stats import gammaln, xlogy
from .special import _apply

LOG_2PI = math.log(2 * math.pi)


def _density(name: str, log_density: Callable[..., Any], kind: str = "pdf") -> None:
    """Enter the logarithm of a density, and its exponential."""
    _rule("stats", f"{name}.log{kind}")(log_density)
    _rule("stats", f"{name}.{kind}")(lambda *args, **named: np.exp(log_density(*args, **named)))


def _symmetric(a: Any) -> Any:
    return read_triangle(as_array(a), True)


def _log_det(a: Any) -> Any:
    """log det of a positive definite matrix; of another one there is no density, and CHOLESKY says so."""
    return 2.0 * np.sum(np.log(np.diagonal(CHOLESKY(a), axis1=-2, axis2=-1)), axis=-1)


def _sized(x: Any, centre: Any, scatter: Any) -> tuple[Any, Any]:
    """The distances from the centre and the matrix of scatter of n variables, which x has along its last axis."""
    x, scatter = as_array(x), as_array(getattr(scatter, "covariance", scatter))  # a scipy.stats.Covariance has it
    sizes = [s[-1] for s in (shape_of(scatter), shape_of(as_array(0.0 if centre is None else centre))) if s]
    if not shape_of(x) or (len(shape_of(x)) == 1 and (not sizes or sizes[0] == 1)):
        x = np.expand_dims(x, -1)
    n = shape_of(x)[-1]
    if len(shape_of(scatter)) < 2:
        scatter = (scatter[:, None] if shape_of(scatter) else scatter) * np.eye(n)
    return x - (np.zeros(n) if centre is None else as_array(centre)), _symmetric(scatter)


def _square(d: Any, scatter: Any) -> Any:
    """dᵀ Σ⁻¹ d along the last axis."""
    n = shape_of(d)[-1]
    rows = np.reshape(d, (-1, n))
    return np.reshape(np.sum(rows * _mT(SOLVE(scatter, _mT(rows))), axis=-1), shape_of(d)[:-1])


def _regular(name: str, scatter: Any, allow_singular: bool) -> None:
    """Of a singular matrix SciPy takes the density on its range, whose dimension jumps: it has no derivative."""
    if not allow_singular:
        return
    if not is_staged(scatter):
        sizes = np.abs(np.linalg.eigvalsh(value_of(scatter)))
        if np.min(sizes) > 1e6 * np.finfo(sizes.dtype).eps * np.max(sizes):  # SciPy's bound of rank
            return
    raise messages.option_refused(
        f"scipy.stats.{name}", "allow_singular", "Without it, of a covariance that is positive definite."
    )


def multivariate_normal_logpdf(x, mean=None, cov=1, allow_singular=False):
    """−½ (n log 2π + log det Σ + (x − μ)ᵀ Σ⁻¹ (x − μ))"""
    d, cov = _sized(x, mean, cov)
    _regular("multivariate_normal", cov, allow_singular)
    return -0.5 * (shape_of(d)[-1] * LOG_2PI + _log_det(cov) + _square(d, cov))


def multivariate_t_logpdf(x, loc=None, shape=1, df=1, allow_singular=False):
    """log Γ((ν + n)/2) − log Γ(ν/2) − ½ (n log πν + log det Σ) − (ν + n)/2 log(1 + (x − μ)ᵀ Σ⁻¹ (x − μ)/ν)"""
    d, shape = _sized(x, loc, shape)
    _regular("multivariate_t", shape, allow_singular)
    n, df = shape_of(d)[-1], as_array(df)
    constant = gammaln((df + n) / 2) - gammaln(df / 2) - 0.5 * (n * np.log(np.pi * df) + _log_det(shape))
    return constant - 0.5 * (df + n) * np.log1p(_square(d, shape) / df)


def matrix_normal_logpdf(X, mean=None, rowcov=1, colcov=1):
    """−½ (n p log 2π + p log det R + n log det C + tr C⁻¹ (X − M)ᵀ R⁻¹ (X − M)), of X with n rows and p columns"""
    X = as_array(X)
    n, p = shape_of(X)[-2:]
    row, column = (
        _symmetric(as_array(c) * np.eye(size) if len(shape_of(c)) < 2 else c) for c, size in ((rowcov, n), (colcov, p))
    )
    d = X if mean is None else X - as_array(mean)
    sizes = p * _log_det(row) + n * _log_det(column)
    square = np.sum(SOLVE(row, d) * _mT(SOLVE(column, _mT(d))), axis=(-1, -2))
    return -0.5 * (n * p * LOG_2PI + sizes + square)


def _scatter(scale: Any) -> Any:
    """A matrix; a number is that of one variable, a row a diagonal."""
    scale = as_array(scale)
    n = len(shape_of(scale))
    return _symmetric(scale if n == 2 else np.diag(scale) if n else np.reshape(scale, (1, 1)))


def _stacked(x: Any, p: int) -> Any:
    """The matrices that SciPy takes side by side along the last axis; numbers are those of one variable."""
    x = as_array(x)
    if len(shape_of(x)) < 2:
        x = np.reshape(x, (1, 1, -1)) if p == 1 and shape_of(x) else x * np.eye(p)
    x = x if len(shape_of(x)) < 3 else np.moveaxis(x, -1, 0)
    return x[0] if len(shape_of(x)) == 3 and shape_of(x)[0] == 1 else x


def _trace_of_solution(a: Any, b: Any) -> Any:
    return np.trace(SOLVE(a, b), axis1=-2, axis2=-1)


def wishart_logpdf(x, df, scale):
    """½ ((ν − p − 1) log det X − tr V⁻¹ X − ν p log 2 − ν log det V) − log Γₚ(ν/2)"""
    scale, df = _scatter(scale), as_array(df)
    p = shape_of(scale)[-1]
    x = _stacked(x, p)
    spread = (df - p - 1) * _log_det(_symmetric(x)) - df * _log_det(scale) - _trace_of_solution(scale, x)
    return 0.5 * (spread - df * p * math.log(2.0)) - multigammaln(0.5 * df, p)


def invwishart_logpdf(x, df, scale):
    """½ (ν log det Ψ − (ν + p + 1) log det X − tr Ψ X⁻¹ − ν p log 2) − log Γₚ(ν/2)"""
    scale, df = _scatter(scale), as_array(df)
    p = shape_of(scale)[-1]
    x = _symmetric(_stacked(x, p))
    spread = df * _log_det(scale) - (df + p + 1) * _log_det(x) - _trace_of_solution(x, scale)
    return 0.5 * (spread - df * p * math.log(2.0)) - multigammaln(0.5 * df, p)


def vonmises_fisher_logpdf(x, mu=None, kappa=1):
    """κ μᵀ x + (n/2 − 1) log κ − n/2 log 2π − log I_{n/2 − 1}(κ)"""
    x, kappa = as_array(x), as_array(kappa)
    n = shape_of(x)[-1]
    constant = (n / 2 - 1) * np.log(kappa) - n / 2 * LOG_2PI - np.log(_apply("ive")(n / 2 - 1, kappa)) - kappa
    return constant + kappa * np.sum(x * as_array(mu), axis=-1)


def dirichlet_logpdf(x, alpha):
    """log Γ(Σ α) − Σ log Γ(αᵢ) + Σ (αᵢ − 1) log xᵢ

    The first axis of x is the variable's; its last entry may be left out.
    """
    x, alpha = as_array(x), as_array(alpha)
    column = np.reshape(alpha, shape_of(alpha) + (1,) * (len(shape_of(x)) - 1))
    if shape_of(x)[0] + 1 == shape_of(alpha)[0]:
        x = np.concatenate([x, np.expand_dims(1.0 - np.sum(x, axis=0), 0)], axis=0)
    return gammaln(np.sum(alpha)) - np.sum(gammaln(alpha)) + np.sum(xlogy(column - 1, x), axis=0)


def multinomial_logpmf(x, n, p):
    """log n! + Σ xᵢ log pᵢ − Σ log xᵢ!; the last of p is what the others leave, as SciPy takes it"""
    x, p = np.asarray(x), as_array(p)
    p = np.concatenate([p[..., :-1], 1.0 - np.sum(p[..., :-1], axis=-1, keepdims=True)], axis=-1)
    found = gammaln(np.add(n, 1.0)) + np.sum(xlogy(x, p) - gammaln(x + 1.0), axis=-1)
    return np.where(np.sum(x, axis=-1) == n, found, -np.inf)


def dirichlet_multinomial_logpmf(x, alpha, n):
    """log B(Σ α, n) n − Σ log (B(αᵢ, xᵢ) xᵢ), written with log Γ"""
    x, alpha = np.asarray(x), as_array(alpha)
    total = np.sum(alpha, axis=-1)
    whole = gammaln(total) + gammaln(np.add(n, 1.0)) - gammaln(total + n)
    parts = gammaln(alpha + x) - gammaln(alpha) - gammaln(x + 1.0)
    return np.where(np.sum(x, axis=-1) == n, whole + np.sum(parts, axis=-1), -np.inf)


_density("multivariate_normal", multivariate_normal_logpdf)
_density("multivariate_t", multivariate_t_logpdf)
_density("matrix_normal", matrix_normal_logpdf)
_density("wishart", wishart_logpdf)
_density("invwishart", invwishart_logpdf)
_density("vonmises_fisher", vonmises_fisher_logpdf)
_density("dirichlet", dirichlet_logpdf)
_density("multinomial", multinomial_logpmf, "pmf")
_density("dirichlet_multinomial", dirichlet_multinomial_logpmf, "pmf")


# ---- moments
@_rule("stats", "multivariate_normal.entropy")
def multivariate_normal_entropy(mean=None, cov=1):
    d, cov = _sized(np.zeros(1) if mean is None and not shape_of(cov) else np.zeros(shape_of(cov)[-1:]), mean, cov)
    return 0.5 * (shape_of(d)[-1] * (LOG_2PI + 1.0) + _log_det(cov))


_rule("stats", "dirichlet.mean")(lambda alpha: as_array(alpha) / np.sum(alpha))


@_rule("stats", "dirichlet.cov")
def dirichlet_cov(alpha):
    total = np.sum(alpha)
    mean = as_array(alpha) / total
    return (np.diag(mean) - np.outer(mean, mean)) / (total + 1.0)


_rule("stats", "dirichlet.var")(lambda alpha: np.diag(dirichlet_cov(alpha)))


@_rule("stats", "dirichlet.entropy")
def dirichlet_entropy(alpha):
    """log B(α) + (Σ α − n) ψ(Σ α) − Σ (αᵢ − 1) ψ(αᵢ)"""
    alpha = as_array(alpha)
    total, psi = np.sum(alpha), _apply("psi")
    log_beta = np.sum(gammaln(alpha)) - gammaln(total)
    return log_beta + (total - shape_of(alpha)[0]) * psi(total) - np.sum((alpha - 1.0) * psi(alpha))


__all__ = ["multivariate_normal_logpdf"]
