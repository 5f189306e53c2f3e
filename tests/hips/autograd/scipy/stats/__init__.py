"""Densities and distribution functions as their formulas: SciPy's own are methods of objects."""

import types

import numpy as np
import scipy.special as sp
import scipy.stats

from . import multivariate_normal


def _family(**functions):
    return types.SimpleNamespace(**functions)


def _normal(x, loc, scale):
    return (x - loc) / scale


def _norm_logpdf(x, loc=0.0, scale=1.0):
    return -0.5 * _normal(x, loc, scale) ** 2 - np.log(scale * np.sqrt(2 * np.pi))


norm = _family(
    pdf=lambda x, loc=0.0, scale=1.0: np.exp(_norm_logpdf(x, loc, scale)),
    logpdf=_norm_logpdf,
    cdf=lambda x, loc=0.0, scale=1.0: sp.ndtr(_normal(x, loc, scale)),
    sf=lambda x, loc=0.0, scale=1.0: sp.ndtr(-_normal(x, loc, scale)),
    logcdf=lambda x, loc=0.0, scale=1.0: sp.log_ndtr(_normal(x, loc, scale)),
    logsf=lambda x, loc=0.0, scale=1.0: sp.log_ndtr(-_normal(x, loc, scale)),
)


def _gamma_logpdf(x, a):
    return (a - 1) * np.log(x) - x - sp.gammaln(a)


gamma = _family(pdf=lambda x, a: np.exp(_gamma_logpdf(x, a)), logpdf=_gamma_logpdf, cdf=lambda x, a: sp.gammainc(a, x))


def _chi2_logpdf(x, df):
    return _gamma_logpdf(x / 2, df / 2) - np.log(2)


chi2 = _family(pdf=lambda x, df: np.exp(_chi2_logpdf(x, df)), logpdf=_chi2_logpdf, cdf=lambda x, df: sp.chdtr(df, x))


def _beta_logpdf(x, a, b):
    return (a - 1) * np.log(x) + (b - 1) * np.log1p(-x) - sp.betaln(a, b)


beta = _family(
    pdf=lambda x, a, b: np.exp(_beta_logpdf(x, a, b)), logpdf=_beta_logpdf, cdf=lambda x, a, b: sp.betainc(a, b, x)
)


def _poisson_logpmf(k, mu):
    return k * np.log(mu) - mu - sp.gammaln(k + 1)


poisson = _family(
    pmf=lambda k, mu: np.exp(_poisson_logpmf(k, mu)), logpmf=_poisson_logpmf, cdf=lambda k, mu: sp.pdtr(k, mu)
)


def _t_logpdf(x, df, loc=0.0, scale=1.0):
    z = _normal(x, loc, scale)
    constant = sp.gammaln((df + 1) / 2) - sp.gammaln(df / 2) - 0.5 * np.log(df * np.pi) - np.log(scale)
    return constant - 0.5 * (df + 1) * np.log1p(z * z / df)


def _t_cdf(x, df, loc=0.0, scale=1.0):
    return sp.stdtr(df, _normal(x, loc, scale))


t = _family(
    pdf=lambda *args: np.exp(_t_logpdf(*args)),
    logpdf=_t_logpdf,
    cdf=_t_cdf,
    logcdf=lambda *args: np.log(_t_cdf(*args)),
)


def _dirichlet_logpdf(x, alpha):
    return sp.gammaln(np.sum(alpha)) - np.sum(sp.gammaln(alpha)) + np.sum((alpha - 1) * np.log(x))


dirichlet = _family(
    pdf=lambda x, alpha: np.exp(_dirichlet_logpdf(x, alpha)),
    logpdf=_dirichlet_logpdf,
    rvs=scipy.stats.dirichlet.rvs,
)
__all__ = ["beta", "chi2", "dirichlet", "gamma", "multivariate_normal", "norm", "poisson", "t"]
