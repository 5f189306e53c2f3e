"""Polynomials by their coefficients, highest power first: ``np.polyval`` and its family, Vandermonde matrices, fits."""

from __future__ import annotations

import numpy as np

from backpass.graph import messages

from .declare import as_array, dtype_of, is_complex, is_staged, rule_for, shape_of, value_of


def _coefficients(p):
    p = as_array(p)
    if isinstance(p, np.poly1d):
        p = p.coeffs
    return np.reshape(p, (1,)) if len(shape_of(p)) == 0 else p


@rule_for(np.polyval)
def polyval(p, x):
    """Horner's rule, as NumPy has it."""
    p = _coefficients(p)
    if isinstance(x, np.poly1d):
        raise messages.option_refused("np.polyval", "x", "A polynomial of a polynomial has no rule; give x as numbers.")
    x = as_array(x)
    y = np.zeros(shape_of(x), dtype_of(x))
    for i in range(shape_of(p)[0]):
        y = y * x + p[i]
    return y


def _same_length(a, b):
    a, b = _coefficients(a), _coefficients(b)
    n, m = shape_of(a)[0], shape_of(b)[0]
    if n < m:
        a = np.concatenate([np.zeros(m - n, dtype_of(a)), a])
    elif m < n:
        b = np.concatenate([np.zeros(n - m, dtype_of(b)), b])
    return a, b


@rule_for(np.polyadd)
def polyadd(a1, a2):
    return np.add(*_same_length(a1, a2))


@rule_for(np.polysub)
def polysub(a1, a2):
    return np.subtract(*_same_length(a1, a2))


@rule_for(np.polymul)
def polymul(a1, a2):
    return np.convolve(_coefficients(a1), _coefficients(a2))


@rule_for(np.polydiv)
def polydiv(u, v):
    """Long division. Leading zeros that a value leaves in the remainder are cut off, as NumPy cuts them."""
    u, v = _coefficients(u) + 0.0, _coefficients(v) + 0.0
    m, n = shape_of(u)[0] - 1, shape_of(v)[0] - 1
    scale = 1.0 / v[0]
    quotient = []
    r = u
    for k in range(m - n + 1):
        d = scale * r[k]
        quotient.append(d)
        r = np.concatenate([r[:k], r[k : k + n + 1] - d * v, r[k + n + 1 :]])
    q = np.stack(quotient) if quotient else np.zeros(1, dtype_of(r))
    known = _known(r)
    if known is None:
        raise messages.shape_depends_on_values("np.polydiv(u, v)", r)
    while np.allclose(known[0], 0, rtol=1e-14) and known.shape[-1] > 1:
        r, known = r[1:], known[1:]
    return q, r


def _known(x):
    """The concrete value, or None in a staged trace."""
    if not hasattr(x, "node"):
        return x
    return None if x.node.staged else x.node.value


@rule_for(np.polyder)
def polyder(p, m=1):
    p = _coefficients(p)
    for _ in range(int(m)):
        n = shape_of(p)[0] - 1
        p = p[:-1] * np.arange(n, 0, -1)
    return p


@rule_for(np.polyint)
def polyint(p, m=1, k=None):
    p = _coefficients(p)
    m = int(m)
    constants = np.zeros(m) if k is None else _coefficients(k)
    if shape_of(constants)[0] == 1 and m > 1:
        constants = np.broadcast_to(constants, (m,))
    if shape_of(constants)[0] < m:
        raise ValueError("k must be a scalar or a rank-1 array of length 1 or >m.")
    for i in range(m):
        p = np.concatenate([p / np.arange(shape_of(p)[0], 0, -1), constants[i : i + 1]])
    return p


@rule_for(np.poly)
def poly(seq_of_zeros):
    """∏(x − rᵢ) for roots r, or for the eigenvalues of a matrix: its characteristic polynomial."""
    roots = _coefficients(seq_of_zeros)
    shape = shape_of(roots)
    if len(shape) == 2 and shape[0] == shape[1] and shape[0]:
        roots = np.linalg.eigvals(roots)
    elif len(shape) != 1:
        raise ValueError("input must be 1d or non-empty square 2d array.")
    if not shape[0]:
        return 1.0
    a = np.ones(1, dtype_of(roots))
    for i in range(shape[0]):
        a = np.convolve(a, np.stack([np.ones((), dtype_of(roots)), -roots[i]]), mode="full")
    return np.real(a).copy() if is_complex(a) and _in_conjugate_pairs(roots) else a


def _in_conjugate_pairs(roots) -> bool:
    """Are the coefficients of the polynomial with these roots real, as NumPy tells by their values?"""
    if is_staged(roots):
        raise messages.value_unknown(roots, "whether the roots of np.poly come in conjugate pairs")
    known = value_of(roots)
    return bool(np.all(np.sort(known) == np.sort(known.conjugate())))


@rule_for(np.vander)
def vander(x, N=None, increasing=False):
    x = as_array(x)
    if len(shape_of(x)) != 1:
        raise ValueError("x must be a one-dimensional array or sequence.")
    n = shape_of(x)[0]
    columns = n if N is None else N
    if columns == 0:
        return np.zeros((n, 0), dtype_of(x))
    powers = np.ones((n, 1), dtype_of(x))
    if columns > 1:
        repeated = np.broadcast_to(np.reshape(x, (n, 1)), (n, columns - 1))
        powers = np.concatenate([powers, np.cumprod(repeated, axis=1)], axis=1)
    return powers if increasing else powers[:, ::-1]


@rule_for(np.polyfit)
def polyfit(x, y, deg, rcond=None, full=False, w=None, cov=False):
    """Least squares on the Vandermonde matrix with columns of length 1, as NumPy solves it."""
    x, y = as_array(x) + 0.0, as_array(y) + 0.0
    order = int(deg) + 1
    if rcond is None:
        rcond = shape_of(x)[0] * np.finfo(dtype_of(x)).eps
    left, right = vander(x, order), y
    if w is not None:
        w = as_array(w) + 0.0
        left = left * np.reshape(w, (-1, 1))
        right = right * (w if len(shape_of(y)) == 1 else np.reshape(w, (-1, 1)))
    scale = np.sqrt(np.sum(left * left, axis=0))
    left = left / scale
    c, residuals, rank, singular = np.linalg.lstsq(left, right, rcond)
    c = c / (scale if len(shape_of(c)) == 1 else np.reshape(scale, (-1, 1)))
    if full:
        return c, residuals, rank, singular, rcond
    if not cov:
        return c
    spread = np.linalg.inv(np.matmul(left.T, left)) / np.multiply.outer(scale, scale)
    if cov != "unscaled":
        freedom = shape_of(x)[0] - order
        if freedom <= 0:
            raise ValueError("the number of data points must exceed order to scale the covariance matrix")
        residuals = residuals / freedom
    factor = 1 if cov == "unscaled" else residuals
    return c, (spread if len(shape_of(y)) == 1 else spread[:, :, np.newaxis]) * factor
