"""SciPy's Python functions by their rules: SciPy's values, and derivatives to second order in both modes."""

import functools
import importlib
import math
from typing import Any

import numpy as np
import pytest
import scipy
import scipy.fft as sf
import scipy.fftpack as fftpack
import scipy.integrate as si
import scipy.linalg as sl
import scipy.ndimage as nd
import scipy.optimize as so
import scipy.signal as sg
import scipy.signal.windows as sw
import scipy.sparse
import scipy.sparse.linalg as ssl
import scipy.spatial as spatial
import scipy.spatial.distance as sd
import scipy.special as sp
import scipy.stats as ss
from scipy import linalg
from scipy.linalg import expm
from scipy.spatial.distance import cdist

import backpass as bp
from backpass.graph.errors import NoRuleError, TracingError
from backpass.graph.op import FUNCTIONS
from backpass.partials.scipy_functions import RULES, enter_scipy
from backpass.partials.special import _OUTPUTS

from .array_rows import ROWS as ARRAYS
from .complex_rows import matrix
from .family_rows import drawn, separated
from .references import close, differences, identical
from .sample_rows import ROWS as SAMPLES
from .spline_rows import ROWS as SPLINES
from .test_complex import joined, like, loss_of

enter_scipy()
x, y, grid = drawn(5), drawn(4, 5), drawn(3, 4)
square, spd = separated(3, 3), separated(3, 3) @ separated(3, 3).T
lower, B2 = np.tril(square), drawn(3, 2)
B = {"b": drawn(3, 4, low=0.5, high=2.0)}
BESIDE = np.array([1.0, 0.0, -1.0, 0.5])
SPARSE = scipy.sparse.csc_array(np.diag([3.0, 4.0, 5.0, 4.0, 3.0]) + np.diag(BESIDE, 1) + np.diag(BESIDE, -1))
METRICS = ("euclidean", "sqeuclidean", "cityblock", "chebyshev", "cosine", "correlation", "canberra", "braycurtis")


def projector(basis: Any) -> Any:
    """Of the space that a basis spans, which alone is determined."""
    return basis @ basis.T


ROWS: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
    (sp.logsumexp, (grid,), {}),
    (sp.logsumexp, (grid,), {"axis": 1, "keepdims": True}),
    (sp.logsumexp, (grid,), {"axis": (0, 1)}),
    (sp.logsumexp, (grid,), {"axis": 0, "b": B["b"]}),
    (sp.logsumexp, (grid,), {"axis": 1, "b": drawn(3, 4), "return_sign": True}),
    (sp.softmax, (grid,), {}),
    (sp.softmax, (grid,), {"axis": 1}),
    (sp.log_softmax, (grid,), {"axis": 0}),
    (sp.softplus, (x,), {}),
    (lambda t: sp.polygamma(2, t), (np.abs(x) + 0.5,), {}),
    (lambda t: sp.polygamma(0, t), (np.abs(x) + 0.5,), {}),
    (sp.multigammaln, (np.abs(x) + 3,), {"d": 3}),
    (lambda n, k: sp.comb(n, k), (np.abs(x) + 3.3, np.abs(x[::-1]) + 0.2), {}),
    (sp.factorial, (np.abs(x) + 0.5,), {}),
    (si.trapezoid, (y,), {"axis": 0}),
    (lambda a, b: si.trapezoid(a, b), (y, np.cumsum(np.abs(x))), {}),
    (si.cumulative_trapezoid, (y,), {"dx": 0.3, "initial": 0}),
    (lambda a, b: si.cumulative_trapezoid(a, b), (y, np.cumsum(np.abs(x))), {}),
    (si.simpson, (y,), {}),
    (si.simpson, (y,), {"axis": 0, "dx": 0.2}),
    (lambda a, b: si.simpson(a, x=b), (y, np.cumsum(np.abs(x) + 0.2)), {}),
    (lambda a, b: si.simpson(a, x=b, axis=0), (y, np.cumsum(np.abs(x[:4]) + 0.2)), {}),
    (si.simpson, (x,), {"x": np.array([0.0, 0.0, 1.0, 2.0, 3.0])}),
    (si.cumulative_simpson, (y,), {"dx": 0.3, "axis": 0, "initial": 0}),
    (lambda a, b: si.cumulative_simpson(a, x=b, initial=1.0), (y, np.cumsum(np.abs(x) + 0.2)), {}),
    (sl.expm, (square * 0.3,), {}),
    (sl.expm, (matrix(2, 2, 2) * 0.4,), {}),
    (sl.sqrtm, (spd,), {}),
    (sl.solve_sylvester, (square, separated(2, 2), drawn(3, 2)), {}),
    (sl.solve_triangular, (lower, drawn(3)), {"lower": True}),
    (sl.solve_triangular, (square, drawn(3, 2)), {"trans": "T"}),
    (sl.solve_triangular, (matrix(3, 3), drawn(3)), {"trans": "C", "lower": True}),
    (sl.solve_triangular, (square, drawn(3)), {"unit_diagonal": True}),
    (lambda c, b: sl.cho_solve((c, True), b), (lower, drawn(3)), {}),
    (lambda c, b: sl.cho_solve((c, False), b), (lower.T.copy(), drawn(3, 2)), {}),
    (lambda a: sl.cholesky(a @ a.T, lower=True), (square,), {}),
    (lambda a: sl.cholesky(a @ a.T), (square,), {}),
    (lambda a: sl.cho_solve(sl.cho_factor(a @ a.T), np.ones(3)), (square,), {}),
    (sl.solve, (square, drawn(3)), {}),
    (sl.solve, (spd, drawn(3, 2)), {"assume_a": "pos"}),
    (sl.solve, (spd, drawn(3)), {"assume_a": "sym", "lower": True}),
    (lambda a, b: sl.solve(a, b, assume_a="pos"), (np.array(2.3), np.array([1.7])), {}),
    (lambda a, b: sl.solve_banded((1, 1), a, b), (drawn(3, 4) + [[0], [4.0], [0]], drawn(4)), {}),
    (sl.norm, (grid,), {}),
    (lambda a: np.multiply(sl.norm(a, 1), 1.0), (grid,), {}),
    (lambda a: sl.eigh(a + a.T, eigvals_only=True), (square,), {}),
    (lambda a: sl.eigh(a + a.T), (square,), {}),
    (lambda a, b: sl.eigh(a + a.T, b @ b.T + np.eye(len(b))), (square, square + 1), {}),
    (lambda a, b: sl.eigh(a, b @ b.T + np.eye(len(b)), lower=False, subset_by_index=[1, 2])[1], (spd, square), {}),
    (lambda a: sl.eigvalsh(a + a.T, np.diag(np.arange(1.0, len(a) + 1))), (square,), {}),
    (lambda a: sl.eigvalsh(a + a.T, lower=False), (square,), {}),
    (sl.svd, (square,), {"compute_uv": False}),
    (lambda a: sl.svd(a)[1], (square,), {}),
    (sl.svdvals, (separated(3, 2),), {}),
    (sl.pinv, (separated(3, 2),), {}),
    (sl.inv, (square,), {}),
    (sl.det, (square,), {}),
    (lambda a, b: sl.block_diag(a, b), (square, drawn(2)), {}),
    (sl.toeplitz, (x,), {}),
    (lambda c, r: sl.toeplitz(c, r), (x, drawn(3)), {}),
    (lambda n, k: sp.perm(n, k), (np.abs(x) + 3.3, np.abs(x[::-1]) + 0.2), {}),
    (lambda q: sp.zeta(2.5, q), (np.abs(x) + 0.5,), {}),
    (sp.diric, (x,), {"n": 5}),
    (lambda z: sp.jvp(1, z, 2), (np.abs(x) + 0.5,), {}),
    (lambda z: sp.yvp(1, z), (np.abs(x) + 0.5,), {}),
    (lambda z: sp.ivp(2, z, 3), (np.abs(x) + 0.5,), {}),
    (lambda z: sp.kvp(1, z, 1), (np.abs(x) + 0.5,), {}),
    (lambda z: sp.spherical_jn(2, z), (np.abs(x) + 0.5,), {}),
    (lambda z: np.real(sp.lambertw(z)), (np.abs(x) + 0.5,), {}),
    (lambda z: np.abs(sp.lambertw(z, k=-1)), (x,), {}),
    (lambda z: np.imag(sp.lambertw(z + 0.5j, [0, 1, -1, 2, 0])), (x,), {}),
    (lambda z: sp.spherical_jn(1, z, derivative=True), (np.abs(x) + 0.5,), {}),
    (lambda z: sp.spherical_yn(1, z), (np.abs(x) + 0.5,), {}),
    (lambda z: sp.spherical_in(1, z, derivative=True), (np.abs(x) + 0.5,), {}),
    (lambda z: sp.spherical_kn(1, z, derivative=True), (np.abs(x) + 0.5,), {}),
    (lambda x: so.rosen(x) * 0.01, (x * 0.2,), {}),
    (lambda x: so.rosen_der(x) * 0.01, (x * 0.2,), {}),
    (lambda x: so.rosen_hess(x) * 0.01, (x * 0.2,), {}),
    (lambda x, p: so.rosen_hess_prod(x, p) * 0.01, (x * 0.2, x[::-1].copy()), {}),
    (si.romb, (y,), {"dx": 0.3}),
    (
        lambda a, b, c: si.fixed_quad(lambda t: np.sin(a * t), b, c, n=4)[0],
        (np.float64(0.7), np.float64(0.1), np.float64(1.2)),
        {},
    ),
    (
        lambda a, b, c: np.sin(si.quad(lambda t: np.sin(a * t), b, c)[0]),
        (np.float64(0.7), np.float64(0.1), np.float64(1.2)),
        {},
    ),
    (sl.logm, (spd,), {}),
    (sl.sqrtm, (np.stack([spd, spd + np.eye(3)]),), {}),
    (sl.fractional_matrix_power, (spd, np.float64(0.3)), {}),
    (lambda a: projector(sl.null_space(a)), (drawn(2, 4),), {}),
    (lambda a: projector(sl.orth(a)), (separated(4, 2),), {}),
    (sl.subspace_angles, (separated(4, 2), drawn(4, 2)), {}),
    (lambda a: sl.pinvh(a + a.T), (square,), {}),
    (lambda a, b: sl.orthogonal_procrustes(a, b), (drawn(5, 3), drawn(5, 3, seed=1)), {}),
    (sl.expm_frechet, (square * 0.3, drawn(3, 3)), {"compute_expm": False}),
    (sl.cosm, (square,), {}),
    (sl.sinm, (square,), {}),
    (sl.tanm, (square * 0.3,), {}),
    (sl.coshm, (square,), {}),
    (sl.sinhm, (square,), {}),
    (sl.tanhm, (square,), {}),
    (sl.lu, (square,), {}),
    (sl.lu, (drawn(4, 3),), {"permute_l": True}),
    (lambda a, b: sl.lu_solve(sl.lu_factor(a), b), (square, drawn(3)), {}),
    (lambda a, b: sl.lu_solve(sl.lu_factor(a), b, trans=1), (square, drawn(3, 2)), {}),
    (sl.lu, (separated(3, 3, 2),), {}),
    (sl.qr, (square,), {"pivoting": True}),
    (sl.qr, (square,), {}),
    (sl.qr, (separated(4, 3),), {"mode": "economic"}),
    (lambda a: sl.eig(a + a.T)[0], (square,), {}),
    (lambda a: sl.eigvals(a), (square,), {}),
    (lambda a, b: sl.lstsq(a, b)[0], (separated(4, 3), drawn(4)), {}),
    (sl.solve_continuous_lyapunov, (square, drawn(3, 3)), {}),
    (lambda a, q: sl.solve_lyapunov(a, q), (square, drawn(3, 3)), {}),
    (lambda a, b, q, r: sl.solve_continuous_are(a, b, q @ q.T, r @ r.T), (square, drawn(3, 2), square, np.eye(2)), {}),
    (lambda a, b, q, r: sl.solve_discrete_are(a, b, q @ q.T, r @ r.T), (square, drawn(3, 2), square, np.eye(2)), {}),
    (lambda a, b, e, s: sl.solve_continuous_are(a, b, spd, np.eye(2), e, s), (square, B2, square + 1, B2 * 0.1), {}),
    (lambda a, b, e, s: sl.solve_discrete_are(a, b, spd, np.eye(2), e, s), (square, B2, square + 1, B2 * 0.1), {}),
    (sl.solve_discrete_lyapunov, (square * 0.3, drawn(3, 3)), {}),
    (sl.circulant, (x,), {}),
    (lambda c, r: sl.hankel(c, r), (x, drawn(3)), {}),
    (sl.companion, (np.abs(x) + 1,), {}),
    (sl.fiedler, (x,), {}),
    (sl.fiedler_companion, (np.abs(x) + 1,), {}),
    (sl.leslie, (drawn(4), drawn(3)), {}),
    (sl.convolution_matrix, (x,), {"n": 4, "mode": "same"}),
    (lambda c, r, v: sl.matmul_toeplitz((c, r), v), (drawn(4), drawn(3), drawn(3, 2)), {}),
    (sl.matmul_toeplitz, (x, drawn(5)), {}),
    (sl.khatri_rao, (drawn(2, 3), drawn(4, 3)), {}),
    (lambda c, b: sl.solve_toeplitz(c, b), (x + np.array([9.0, 0, 0, 0, 0]), drawn(5)), {}),
    (sl.solve_circulant, (x + np.array([9.0, 0, 0, 0, 0]), drawn(5)), {}),
    (sl.solveh_banded, (drawn(2, 4) + [[0.0], [5.0]], drawn(4)), {}),
    (sl.solveh_banded, (drawn(2, 4) + [[5.0], [0.0]], drawn(4)), {"lower": True}),
    (sl.polar, (square,), {}),
    (sl.eigh_tridiagonal, (drawn(5) + np.arange(5.0), drawn(4, low=0.2, high=0.6)), {}),
    (sl.eigvalsh_tridiagonal, (drawn(5) + np.arange(5.0), drawn(4, low=0.2, high=0.6)), {}),
    (sl.eigh_tridiagonal, (drawn(5) + np.arange(5.0), drawn(4)), {"select": "i", "select_range": (1, 3)}),
    (sl.eig_banded, (drawn(3, 5) * 0.3 + np.array([[0.0], [0.0], [1.0]]) * np.arange(5.0),), {}),
    (sl.eig_banded, (drawn(3, 5) * 0.3 + np.array([[1.0], [0.0], [0.0]]) * np.arange(5.0),), {"lower": True}),
    (lambda a: sl.eig_banded(a, eigvals_only=True, select="v", select_range=(-0.5, 3)), (drawn(2, 5),), {}),
    (sl.eigvals_banded, (drawn(2, 5),), {"lower": True}),
    (sl.polar, (square,), {"side": "left"}),
    (ss.zscore, (y,), {"ddof": 1}),
    (ss.skew, (y,), {"axis": 1, "bias": False}),
    (ss.kurtosis, (y,), {}),
    (ss.kurtosis, (y,), {"axis": None, "bias": False, "fisher": False}),
    (ss.gmean, (np.abs(y) + 0.2,), {}),
    (ss.hmean, (np.abs(y) + 0.2,), {"axis": 1}),
    (ss.sem, (y,), {}),
    (ss.entropy, (np.abs(y) + 0.2,), {}),
    (ss.entropy, (np.abs(x) + 0.2, np.abs(x[::-1]) + 0.3), {"base": 2}),
    *[(sd.cdist, (grid, drawn(2, 4)), {"metric": metric}) for metric in METRICS],
    (sd.pdist, (y,), {}),
    (sd.squareform, (drawn(6),), {}),
    *[(getattr(sd, metric), (drawn(4), drawn(4, low=1.0, high=3.0)), {}) for metric in METRICS[1:]],
    (lambda u, v: np.multiply(sd.euclidean(u, v), 1.0), (drawn(4), drawn(4, low=1.0, high=3.0)), {}),
    (sd.minkowski, (drawn(4), drawn(4, low=1.0, high=3.0)), {"p": 3}),
    (sd.minkowski, (drawn(4), drawn(4, low=1.0, high=3.0)), {"p": 3, "w": np.array([1.0, 0.5, 2.0, 0.3])}),
    *[
        (getattr(sd, metric), (drawn(4), drawn(4, low=1.0, high=3.0)), {"w": np.array([1.0, 0.5, 2.0, 0.3])})
        for metric in ("sqeuclidean", "cityblock", "cosine", "correlation", "canberra", "braycurtis")
    ],
    (lambda u, v: np.multiply(sd.euclidean(u, v, BESIDE + 1.5), 1.0), (drawn(4), drawn(4, low=1.0, high=3.0)), {}),
    (lambda u, v: np.multiply(sd.chebyshev(u, v, BESIDE**2), 1.0), (drawn(4), drawn(4, low=1.0, high=3.0)), {}),
    (lambda u, v: np.multiply(sd.seuclidean(u, v, BESIDE[:2] + 1.0), 1.0), (drawn(2), drawn(2, low=1.0)), {}),
    (sd.mahalanobis, (drawn(3), drawn(3, low=1.0, high=3.0), spd), {}),
    (sd.jensenshannon, (np.abs(x) + 0.2, np.abs(x[::-1]) + 0.3), {"base": 2}),
    (sd.cdist, (grid, drawn(2, 4)), {"metric": "seuclidean"}),
    (sd.cdist, (grid, drawn(2, 4)), {"metric": "minkowski", "p": 3, "w": np.array([1.0, 0.5, 2.0, 0.3])}),
    (sd.cdist, (drawn(5, 3), drawn(4, 3)), {"metric": "mahalanobis"}),
    (sd.cdist, (grid, drawn(2, 4)), {"metric": lambda u, v: np.sum(np.cos(u - v))}),
    (sd.pdist, (y,), {"metric": "canberra"}),
    (spatial.distance_matrix, (grid, drawn(2, 4)), {}),
    (spatial.minkowski_distance, (grid, drawn(4, low=1.0, high=3.0)), {"p": 3}),
    (lambda b: ssl.spsolve(SPARSE, b), (x,), {}),
    (lambda b: ssl.spsolve(SPARSE, b[:, None] * BESIDE), (x,), {}),
    (lambda b: ssl.cg(SPARSE, b, rtol=1e-15)[0], (x,), {}),
    (lambda b: ssl.minres(SPARSE, b, rtol=1e-15)[0], (x,), {}),
    (lambda b: ssl.gmres(SPARSE, b, rtol=1e-15)[0], (x,), {}),
    (lambda b: ssl.bicgstab(SPARSE, b, rtol=1e-15)[0], (x,), {}),
]


PUBLIC = {module: rules for module, rules in RULES.items() if "._" not in module}
"""Rules but those of SciPy's private functions, which the public ones call."""
ROWS += [*SPLINES, *ARRAYS, *SAMPLES]


def reached(module: str) -> Any:
    """The module as this one's own names have it, which are exchanged while a trace runs."""
    return {
        "special": sp, "linalg": sl, "integrate": si, "optimize": so, "signal": sg, "ndimage": nd, "fft": sf,
        "stats": ss, "spatial.distance": sd, "spatial": spatial, "sparse.linalg": ssl, "signal.windows": sw,
        "fftpack": fftpack,
    }[module.removeprefix("scipy.")]  # fmt: skip


def place_of(function: Any) -> tuple[str, str]:
    """Module and name of one of SciPy's functions."""
    for module, rules in PUBLIC.items():
        for name in rules:
            if getattr(reached(module), name, None) is function:
                return module, name
    raise LookupError(function)


def function_of(row: Any) -> Any:
    """The row's function as a person calls it."""
    function, _, options = row
    if function.__name__ == "<lambda>":
        return function
    module, name = place_of(function)
    return lambda *args: getattr(reached(module), name)(*args, **options)


@pytest.mark.parametrize("row", ROWS, ids=[f"{i}-{row[0].__name__}" for i, row in enumerate(ROWS)])
def test_values_and_derivatives(row: Any) -> None:
    function, args = function_of(row), row[1]
    found, wanted = bp.vjp(function, *args)[0], function(*args)
    for a, b in zip(_parts(found), _parts(wanted), strict=True):
        assert np.shape(a) == np.shape(b)
        close(a, b, 1e-12, "SciPy's value")
    loss = loss_of(function)
    rng = np.random.default_rng(3)
    directions = tuple(like(a, rng) for a in args)
    moved = lambda t: [a + t * d for a, d in zip(args, directions, strict=True)]  # noqa: E731
    slope = differences(lambda t: loss(*moved(t)), (np.float64(0),), 0, step=1e-3)
    close(bp.jvp(loss, args, directions)[1], slope, 1e-8, "forward")
    gradient = bp.grad(loss, argnums=tuple(range(len(args))))
    back = gradient(*args)
    close(sum(float(np.real(np.sum(np.conj(g) * d))) for g, d in zip(back, directions, strict=True)), slope, 1e-8)
    curved = differences(lambda t: joined(gradient(*moved(t))), (np.float64(0),), 0, step=1e-3)
    close(joined(bp.jvp(gradient, args, directions)[1]), curved, 1e-7, "second order")


@pytest.mark.parametrize("row", ARRAYS, ids=[f"{i}-{row[0].__name__}" for i, row in enumerate(ARRAYS)])
def test_single_precision(row: Any) -> None:
    """Of filters and transforms: SciPy's dtypes."""
    function = function_of(row)
    args = tuple([np.float32(a) for a in row[1]])
    for a, b in zip(_parts(bp.vjp(function, *args)[0]), _parts(function(*args)), strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        close(a, b, 2e-5, "SciPy's value")


def _parts(result: Any) -> list[Any]:
    return list(result) if isinstance(result, tuple) else [result]


@pytest.mark.parametrize("name", sorted(_OUTPUTS))
def test_several_results(name: str) -> None:
    """The ufuncs that give several results at once; each result is an operation of the registry."""
    function = getattr(sp, name)
    args = (np.array([0.3, 0.7]),) * function.nin
    found, wanted = bp.vjp(function, *args)[0], function(*args)
    assert len(found) == len(wanted) == len(_OUTPUTS[name])
    for a, b in zip(found, wanted, strict=True):
        identical(a, b)


def test_every_rule_has_a_row() -> None:
    tested = set()
    for function, _, _ in ROWS:
        own = function.__name__ == "<lambda>"
        tested |= set(function.__code__.co_names) if own else {place_of(function)[1]}
    assert not {name for rules in PUBLIC.values() for name in rules if "." not in name} - tested


def test_every_rule_is_entered_under_its_function() -> None:
    for module, rules in RULES.items():
        for name in rules:
            owner, _, method = name.rpartition(".")
            holder = functools.reduce(getattr, owner.split("."), importlib.import_module(module)) if owner else None
            key = (holder, method) if isinstance(holder, type) else None
            assert (key or functools.reduce(getattr, name.split("."), importlib.import_module(module))) in FUNCTIONS


def test_options_without_a_rule_are_refused() -> None:
    FUNCTIONS["late"]()
    for function, args, options in (
        (sp.comb, (np.array([3.0]), 2), {"exact": True}),
        (sl.eigh, (np.eye(2),), {"subset_by_value": [0.5, 1.5]}),
        (sl.pinv, (np.eye(2),), {"return_rank": True}),
    ):
        with pytest.raises(TracingError, match="is not differentiated yet"):
            bp.grad(lambda a, f=FUNCTIONS[function], r=args[1:], o=options: np.sum(f(a, *r, **o)))(args[0])


# ---- distributions
PARAMETERS = {
    "lognorm": (0.7,), "gamma": (1.7,), "invgamma": (1.7,), "chi2": (2.3,), "beta": (1.6, 2.2), "t": (3.1,),
    "f": (3.2, 4.1), "pareto": (1.8,), "weibull_min": (1.4,), "poisson": (1.9,), "bernoulli": (0.3,), "binom": (6, 0.3),
    "nbinom": (3, 0.4),
}  # fmt: skip
COUNTS = {"poisson": 0, "bernoulli": 0, "binom": 1, "nbinom": 1}
"""Distributions of whole numbers → how many of their parameters are whole numbers, too."""
BY_POINT_ONLY = {"gamma", "invgamma", "chi2", "beta", "t", "f"}
"""Their distribution functions have no derivative by the parameters: see the table of scipy.special."""
METHODS = sorted(
    name for name in RULES["scipy.stats"] if "." in name and hasattr(getattr(ss, name.partition(".")[0]), "ppf")
)


def points_of(family: str, method: str) -> np.ndarray:
    """Inside and outside of the support."""
    if method in ("ppf", "isf"):
        return np.array([0.2, 0.35, 0.6, 0.9])
    return np.array([3.2, 4.1, 2.45, 0.3]) if family == "pareto" else np.array([1.45, 2.1, 1.7, 0.2, 9.0])


@pytest.mark.parametrize("name", METHODS)
def test_distributions(name: str) -> None:
    """Values and derivatives by the point, the parameters, and where the distribution stands."""
    family, method = name.split(".")
    fixed: tuple[Any, ...] = ()
    free = PARAMETERS.get(family, ())
    if family in COUNTS:
        counts = np.array([0.0, 1.0, 3.0, -1.0])
        fixed, free = free[: COUNTS[family]], free[COUNTS[family] :]
        args = tuple(map(np.float64, free))
        function = lambda *free: getattr(getattr(ss, family), method)(counts, *fixed, *free)  # noqa: E731
    else:
        if method in ("cdf", "sf", "logcdf", "logsf") and family in BY_POINT_ONLY:
            fixed, free = free, ()
        args = (points_of(family, method), *map(np.float64, (*free, 1.1, 1.2)))

        def function(at: Any, *given: Any) -> Any:
            *free, loc, scale = given
            return getattr(getattr(ss, family), method)(at, *fixed, *free, loc, scale=scale)

    def loss(*args: Any) -> Any:
        value = function(*args)
        return np.sum(np.where(np.isfinite(value), value, 0.0) * np.cos(np.arange(np.size(value))))

    rng = np.random.default_rng(3)
    directions = tuple(0.1 * np.asarray(like(a, rng)) for a in args)
    moved = lambda t: [a + t * d for a, d in zip(args, directions, strict=True)]  # noqa: E731
    with np.errstate(divide="ignore", invalid="ignore"):
        found, wanted = bp.vjp(function, *args)[0], function(*args)
        np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-15)
        gradient = bp.grad(loss, argnums=tuple(range(len(args))))
        slope = differences(lambda t: loss(*moved(t)), (np.float64(0),), 0, step=1e-3)
        close(bp.jvp(loss, args, directions)[1], slope, 1e-8, "forward")
        back = gradient(*args)
        close(sum(float(np.sum(g * d)) for g, d in zip(back, directions, strict=True)), slope, 1e-8)
        curved = differences(lambda t: joined(gradient(*moved(t))), (np.float64(0),), 0, step=1e-3)
        close(joined(bp.jvp(gradient, args, directions)[1]), curved, 1e-7, "second order")


SHARES = np.abs(drawn(3)) / np.sum(np.abs(drawn(3)))
ALPHA = np.array([1.2, 2.5, 0.8])
OUTER = spd + np.eye(3)
UNIT = drawn(3) / np.linalg.norm(drawn(3))
UNITS = drawn(4, 3) / np.linalg.norm(drawn(4, 3), axis=1, keepdims=True)
HELD = [ss.multivariate_normal(drawn(3), spd), ss.multivariate_t(drawn(3), spd, 3.3), ss.dirichlet(ALPHA)]
"""Frozen before any trace."""
OF_SEVERAL: list[tuple[Any, tuple[Any, ...]]] = [
    (lambda x, m, c: ss.multivariate_normal.logpdf(x, m, c), (drawn(4, 3), drawn(3), spd)),
    (lambda x, m: ss.multivariate_normal.pdf(x, m, 0.7), (drawn(4, 3), drawn(3))),
    (lambda x, c: ss.multivariate_normal.logpdf(x, np.zeros(3), c), (drawn(2, 4, 3), np.array([0.5, 1.5, 0.7]))),
    (lambda x, c: ss.multivariate_normal(drawn(3), c).logpdf(x), (drawn(3), spd)),
    (lambda c: ss.multivariate_normal.entropy(drawn(3), c), (spd,)),
    (lambda x: HELD[0].logpdf(x), (drawn(4, 3),)),
    (lambda x, m, c, n: ss.multivariate_t.logpdf(x, m, c, n), (drawn(4, 3), drawn(3), spd, np.float64(3.3))),
    (lambda x: HELD[1].pdf(x), (drawn(4, 3),)),
    (lambda x, m, r, c: ss.matrix_normal.logpdf(x, m, r, c), (drawn(3, 2), drawn(3, 2), spd, spd[:2, :2])),
    (lambda x, n, s: ss.wishart.logpdf(x, n, s), (spd, np.float64(4.5), OUTER)),
    (lambda n, s: ss.wishart(n, s).pdf(np.stack([spd, OUTER], axis=-1)), (np.float64(4.5), OUTER)),
    (lambda x, n, s: ss.invwishart.logpdf(x, n, s), (spd, np.float64(4.5), OUTER)),
    (lambda k: ss.vonmises_fisher.logpdf(UNITS, UNIT, k), (np.float64(2.5),)),
    (lambda a: ss.dirichlet.logpdf(SHARES, a), (ALPHA,)),
    (lambda a: ss.dirichlet(a).pdf(SHARES), (ALPHA,)),
    (lambda a: np.concatenate([ss.dirichlet.mean(a), ss.dirichlet.var(a), [ss.dirichlet.entropy(a)]]), (ALPHA,)),
    (lambda p: ss.multinomial.pmf([[2, 3, 1], [6, 0, 0], [1, 1, 1]], 6, p / np.sum(p)), (SHARES,)),
    (lambda a: ss.dirichlet_multinomial.logpmf([[2, 3, 1], [6, 0, 0]], a, 6), (ALPHA,)),
    (lambda a: ss.dirichlet_multinomial(a, 6).pmf([2, 3, 1]), (ALPHA,)),
]


@pytest.mark.parametrize(("function", "args"), OF_SEVERAL)
def test_distributions_of_several_variables(function: Any, args: tuple[Any, ...]) -> None:
    """Of a symmetric matrix SciPy reads the lower triangle, so each entry may move alone."""
    places = tuple(range(len(args)))

    def loss(*args: Any) -> Any:
        value = function(*args)
        return np.sum(
            np.where(np.isfinite(value), value, 0.0) * np.cos(np.arange(np.size(value))).reshape(np.shape(value))
        )

    close(bp.vjp(function, *args)[0], function(*args), 1e-12, "value")
    gradient = bp.grad(loss, argnums=places)
    for k, found in enumerate(gradient(*args)):
        close(found, differences(loss, args, k, step=1e-3), 1e-7)
    ways = tuple([np.asarray(like(a, np.random.default_rng(2))) for a in args])
    moved = lambda t: joined(gradient(*[a + t * d for a, d in zip(args, ways, strict=True)]))  # noqa: E731
    close(joined(bp.jvp(gradient, args, ways)[1]), differences(moved, (np.float64(0),), 0, step=1e-3), 1e-6)


MASSES = scipy.sparse.csr_matrix(np.array([[0.0, 2.0, 0.0, -1.0], [1.5, 0.0, 0.3, 0.0], [0.0, 0.0, 0.0, 0.0]]))


@pytest.mark.parametrize(
    "product",
    [
        lambda v: MASSES @ v,
        lambda v: MASSES * v,
        lambda v: MASSES.dot(v[:, None] * np.array([1.0, 2.0])),
        lambda v: v @ MASSES.T,
        lambda v: (np.array([[1.0], [2.0]]) * v) @ MASSES.tocoo().T,
        lambda v: scipy.sparse.csc_array(MASSES) @ v**2,
        lambda v: scipy.sparse.dia_array(MASSES).T @ v[1:],
        lambda v: MASSES.T @ (MASSES @ v) + (2.0 * MASSES[1]) @ v,
    ],
)
def test_sparse_products(product: Any) -> None:
    at, way = np.array([0.3, -1.2, 0.7, 2.0]), np.array([1.0, 0.4, -0.3, 0.2])
    loss = lambda v: np.sum(np.cos(product(v)))  # noqa: E731
    np.testing.assert_array_equal(bp.vjp(product, at)[0], product(at))
    slope = differences(lambda t: loss(at + t * way), (np.float64(0),), 0, step=1e-3)
    close(bp.grad(loss)(at) @ way, slope, 1e-9)
    close(bp.jvp(loss, (at,), (way,))[1], slope, 1e-9)
    close(bp.compile(bp.grad(loss))(at), bp.grad(loss)(at), 1e-12)
    curved = differences(lambda t: bp.grad(loss)(at + t * way) @ way, (np.float64(0),), 0, step=1e-3)
    close(bp.hvp(loss, (at,), way) @ way, curved, 1e-8)
    assert "_product" not in scipy.sparse.csr_matrix._matmul_dispatch.__qualname__


def test_a_sparse_matrix_of_traced_values_is_refused() -> None:
    v = np.array([0.3, -1.2, 0.7, 2.0])
    for f, words in (
        (lambda v: (MASSES * v[0]).sum(), r"t \* \(A @ x\)"),
        (lambda v: MASSES.multiply(v).sum(), r"A @ \(w \* x\)"),
        (lambda v: scipy.sparse.diags(v) @ v, r"d \* x"),
    ):
        with pytest.raises(NoRuleError, match=words) as caught:
            bp.grad(lambda v, f=f: np.sum(f(v)))(v)
        assert "test_scipy_functions.py" in str(caught.value)
    with pytest.raises(ValueError, match="dimension mismatch"):
        bp.grad(lambda v: np.sum(MASSES @ v[1:]))(v)


def test_compiled_functions_say_what_they_take() -> None:
    solved = ssl.splu(SPARSE)
    with pytest.raises(TracingError, match="compiled function takes plain arrays") as caught:
        bp.grad(lambda v: np.sum(solved.solve(v)))(x)
    assert "solved.solve(v)" in str(caught.value)


# ---- how it is called
def helper(a: Any) -> Any:
    return sl.expm(a)


class Kernel:
    def __init__(self, scale: Any) -> None:
        self.scale = scale

    def __call__(self, points: Any) -> Any:
        return np.exp(-cdist(points, points, "sqeuclidean") / self.scale)


@pytest.mark.parametrize(
    "way",
    [
        lambda t: sl.expm(t * square),
        lambda t: scipy.linalg.expm(t * square),
        lambda t: linalg.expm(t * square),
        lambda t: expm(t * square),
        lambda t: helper(t * square),
        lambda t: sum(map(expm, [t * square])),
    ],
)
def test_ways_to_call(way: Any) -> None:
    slope = differences(lambda t: np.sum(way(t)), (np.float64(0.4),), 0, step=1e-3)
    for verb in (bp.grad, lambda f: bp.compile(bp.grad(f))):
        close(verb(lambda t: np.sum(way(t)))(0.4), slope, 1e-8)
    assert expm is scipy.linalg.expm is linalg.expm


def test_within_a_class() -> None:
    loss = lambda s: np.sum(sl.cho_solve(sl.cho_factor(Kernel(s)(y) + 0.1 * np.eye(4)), np.ones(4)))  # noqa: E731
    slope = differences(loss, (np.float64(1.3),), 0, step=1e-3)
    close(bp.grad(loss)(1.3), slope, 1e-8)


@pytest.mark.parametrize(
    "function",
    [
        lambda a, b, c: si.quad(lambda u: np.sin(u * a) * np.exp(-u * b), 0.0, 2.0)[0],
        lambda a, b, c: si.quad(lambda u, k: math.exp(-k * u * u), 0, np.inf, args=(b,))[0] * a,
        lambda a, b, c: si.quad(lambda u: np.exp(-((u - a) ** 2) / c), -np.inf, np.inf)[0],
        lambda a, b, c: si.quad(lambda u: np.exp(u * b), -np.inf, a)[0],
        lambda a, b, c: si.quad(lambda u: 1 / np.sqrt(b * (1 + u) ** 3 + 1 - b), a, 3 * c)[0],
        lambda a, b, c: si.quad(lambda u: float(np.exp(-u * a)), b, 0.1, full_output=True)[0],
        lambda a, b, c: si.quad(lambda u: np.exp(-u * a), np.inf, b)[0] + si.quad(np.cos, a, a)[0],
        lambda a, b, c: si.quad(lambda u: np.cos(20 * u * a) * u**2, 0.0, c)[0] + si.quad(np.exp, b, c)[0],
    ],
)
def test_quad(function: Any) -> None:
    """By the ends, by arguments, and by what the integrand reads; halved intervals and infinite ranges."""
    args = (0.7, 0.9, 0.4)
    value, gradient = bp.value_and_grad(function, argnums=(0, 1, 2))(*args)
    assert value == function(*args)
    for k in range(3):

        def along(t: Any, k: int = k) -> Any:
            return function(*[v + t * (i == k) for i, v in enumerate(args)])

        def slope(t: Any, k: int = k) -> Any:
            return bp.grad(function, argnums=k)(*[v + t * (i == k) for i, v in enumerate(args)])

        close(gradient[k], differences(along, (np.float64(0),), 0, step=1e-3), 1e-8)
        close(bp.grad(slope)(0.0), differences(slope, (np.float64(0),), 0, step=1e-3), 1e-7)


def test_quad_refuses_what_it_extrapolates_and_what_has_no_value() -> None:
    with pytest.raises(NoRuleError, match="quad has no derivative rule"):
        bp.compile(lambda t: si.quad(lambda u: u * t, 0.0, 1.0)[0])(0.7)
    with pytest.raises(bp.errors.TracingError, match="singular end"):
        bp.grad(lambda t: si.quad(lambda u: t * np.log(u), 0.0, 3.0)[0])(0.7)
    for kinked in (np.abs, lambda v: np.maximum(v, 0.0), lambda v: np.where(v > 0, 1.0 + v, 0.0)):
        with pytest.raises(bp.errors.TracingError, match="where it jumps"):
            bp.grad(lambda t, f=kinked: si.quad(lambda u: f(u - t), 0.0, 1.0)[0])(0.3)
    with pytest.raises(bp.errors.TracingError, match="weight"):
        bp.grad(lambda t: si.quad(lambda u: t * u, 0.0, 3.0, weight="sin", wvar=2.0)[0])(0.7)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda t: sl.schur(t * square)[0], "order that can jump"),
        (lambda t: si.dblquad(lambda u, v: np.sin(u * v * t), 0.0, 1.0, 0.0, 1.0)[0], "scipy.integrate.fixed_quad"),
        (lambda t: so.brentq(lambda u: u**3 - t, 0.0, 5.0), "bp.implicit"),
        (lambda t: so.fsolve(lambda u: u**3 - t, 1.0), "bp.implicit"),
        (lambda t: so.root(fun=lambda u: u**3 - t, x0=1.0).x, "bp.implicit"),
        (lambda t: so.minimize(lambda u: np.sum((u - t) ** 2), np.zeros(2)).x, "bp.implicit"),
        (lambda t: ss.spearmanr(t * x, y[0]).statistic, "ranks are a step function"),
        (lambda t: ss.landau.pdf(t), "_landau_pdf has no derivative rule"),
        (lambda t: nd.generic_filter(y * t, np.sum, 3), "vectorized_filter"),
    ],
)
def test_what_has_no_rule_is_refused_by_its_name(function: Any, words: str) -> None:
    with pytest.raises(NoRuleError, match=words) as caught:
        bp.grad(lambda t: np.sum(function(t)))(0.7)
    assert "test_scipy_functions.py" in str(caught.value)


def test_plain_arguments_stay_scipys_own() -> None:
    def loss(t: Any) -> Any:
        low = sl.cholesky(spd, lower=True)
        low[0, 0] = low[0, 0] * t  # what SciPy made may be written to
        return np.sum(low) + ss.norm.pdf(0.3) + sg.find_peaks(x)[0].size

    close(bp.grad(loss)(1.0), sl.cholesky(spd, lower=True)[0, 0], 1e-12)
