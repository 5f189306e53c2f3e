"""For each operation of the registry, a loss that uses it: what the derivation of every operation is tested on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special

from backpass.graph.op import OPS, Kind, Op

R = np.random.default_rng(7)


def sampled(op: Op, shape: tuple[int, ...], which: int) -> np.ndarray:
    """Arguments inside the operation's domain, away from its kinks."""
    domain = dict(op.domain or {"low": -2.0, "high": 2.0})
    x = R.uniform(domain.get("low", 0.3), domain.get("high", 3.0), shape)
    if domain.get("signs"):
        x = x * R.choice([-1.0, 1.0], shape)
    return x


COLUMN = np.array([[0], [1], [2], [3]])
COUNTS, TRIALS = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([4, 5, 6])
_POLYNOMIALS = """
chebyc chebys chebyt chebyu hermite hermitenorm laguerre legendre sh_chebyt sh_chebyu sh_legendre
"""
WHOLE: dict[str, dict[int, Any]] = {
    **{f"eval_{name}": {0: COLUMN} for name in _POLYNOMIALS.split()},
    **{name: {0: COLUMN} for name in ("expn", "kn", "yn")},
    **{
        f"{name}_by_order": {0: 1.0}
        for name in ("jv", "yv", "iv", "ive", "kv", "kve", "struve", "modstruve", "pbdv", "pbvv")
    },
    **{f"eval_{name}_derivative": {0: 0.0, 1: 1.0, 2: 0.0, 3: COLUMN} for name in ("gegenbauer", "genlaguerre")},
    "eval_jacobi_derivative": {0: 0.0, 1: 1.0, 2: 0.0, 3: 0.0, 4: COLUMN},
    "lpmv_by_degree": {0: 1.0, 1: np.array([0.0, 1.0, 2.0])},
    "hyp0f1_derivative": {0: 1.0, 1: 0.0},
    **{
        name: {0: 1.0, 1: 0.0, 2: 0.0}
        for name in ("hyp1f1_derivative", "hyperu_derivative", "wright_bessel_derivative")
    },
    "hyp2f1_derivative": {0: 1.0, 1: 0.0, 2: 0.0, 3: 0.0},
    **{name: {0: 1.0} for name in ("zeta_by_s", "zetac_by_s")},
    **{f"mathieu_{kind}": {0: COLUMN + 1.0} for kind in "ab"},
    **{f"mathieu_{kind}_by_q": {0: 1.0, 1: COLUMN + 1.0} for kind in "ab"},
    **{f"mathieu_{kind}_derivative": {0: 1.0, 1: 0.0, 2: COLUMN + 1.0} for kind in ("cem", "sem")},
    **{f"{kind}_cv": {0: 1.0, 1: COLUMN + 1.0} for kind in ("pro", "obl")},
    "spheroidal_by_gamma2": {0: 1.0, 1: 1.0, 2: COLUMN + 1.0},
    **{name: {0: COLUMN + 3} for name in ("smirnov", "smirnovi")},
    "smirnov_by_d": {0: 1.0, 1: COLUMN + 3},
    **{f"eval_{name}": {0: COLUMN} for name in ("gegenbauer", "genlaguerre", "jacobi", "sh_jacobi")},
    "lpmv": {0: np.array([0.0, 1.0, 2.0]), 1: np.array([[1.5], [2.0], [3.0], [3.5]])},
    **{name: {0: COUNTS, 1: TRIALS} for name in ("bdtr", "bdtrc", "bdtri")},
    **{name: {0: COLUMN, 1: TRIALS} for name in ("nbdtr", "nbdtrc", "nbdtri")},
    **{name: {0: COUNTS} for name in ("pdtr", "pdtrc")},
    "pdtri": {0: COLUMN},
    **{name: {1: np.float64(5.3)} for name in ("bdtrik", "nbdtrik")},
    **{name: {0: np.float64(2.2)} for name in ("bdtrin", "nbdtrin")},
    "pdtrik": {1: np.float64(1.7)},
    **{f"{name}_derivative": {0: 1, 1: 0} for name in ("gammainc", "stdtr")},
    "betaprime_derivative": {0: 0, 1: 1, 2: 0},
    "noncentral_gamma_derivative": {0: 1, 1: 0, 2: 0},
    "noncentral_beta_derivative": {0: 0, 1: 1, 2: 0, 3: 0},
    "nctdtr_derivative": {0: 1, 1: 0, 2: 0},
    **{name: {0: np.float64(2.3)} for name in ("nctdtrit", "nctdtrinc")},
    "nctdtridf": {1: np.float64(0.5), 2: np.float64(0.7)},
    **{
        f"mathieu_{kind}_{part}": {0: np.float64(1.0), 1: np.float64(0.7)}
        for kind in ("cem", "sem", "modcem1", "modcem2", "modsem1", "modsem2")
        for part in ("value", "slope")
    },
    **{
        f"{shape}_{kind}{cv}_{part}": {0: np.float64(1.0), 1: np.float64(2.0), 2: np.float64(1.3), **held}
        for shape, value in (("pro", 6.713257432559762), ("obl", 5.264546970108359))
        for kind in ("ang1", "rad1")
        for cv, held in (("", {}), ("_cv", {3: np.float64(value)}))
        for part in ("value", "slope")
    },
}
"""Arguments that are orders, degrees and counts: they are held, and the derivative is in the others."""


def pointwise_case(op: Op) -> tuple[Callable[..., Any], Any, tuple[Any, ...]]:
    """Σ w · op(u, v) where the arguments are θ; the second broadcasts along rows."""
    count = max(len(op.partials), 1)
    held = WHOLE.get(op.name, {})
    hold = {*(op.domain or {}).get("hold", ()), *held}
    shapes = [(4, 3), (3,), (4, 1), (4, 3), (4, 3), (3,), (4, 1), (4, 3)]
    arguments = [held[i] if i in held else sampled(op, shapes[i], i) for i in range(count)]
    if (op.domain or {}).get("first") == "bool":
        arguments[0] = arguments[0] > 0.3
        hold.add(0)
    if op.name == "ldexp":
        arguments[1] = np.array([1, 0, -2])
    w = R.normal(size=(4, 3))
    theta = {f"u{i}": a for i, a in enumerate(arguments) if i not in hold and op.partials[i] is not None}
    fixed = {i: a for i, a in enumerate(arguments) if f"u{i}" not in theta}

    def loss(theta, w):
        out = op(*[theta[f"u{i}"] if f"u{i}" in theta else fixed[i] for i in range(count)])
        return np.sum(w * out)

    return loss, theta, (w,)


def positive_definite(n: int) -> np.ndarray:
    a = R.normal(size=(n, n))
    return a @ a.T + n * np.eye(n)


def _apply(name: str, **attrs: Any) -> Callable[..., Any]:
    return lambda *args: OPS[name](*args, **attrs)


def _product_of(parts: Any) -> Any:
    u, s, vt = parts
    return (u * s) @ vt @ vt.T


INDEX = np.array([2, 0, 3, 2])
ONCE = np.array([2, 0, 3])


def written(key: Any) -> Callable[..., Any]:
    def f(x, v):
        y = x * 1.0
        y[key] = v
        return y

    return f


def _two_written(x: Any, a: Any, b: Any) -> Any:
    y = x * 1.0
    y[0] = a
    y[2:] = b
    return y


def added(key: Any) -> Callable[..., Any]:
    def f(x, v):
        y = x * 1.0
        np.add.at(y, key, v)
        return y

    return f


def _apply_scatter(v: Any) -> Any:
    return OPS["scatter_add"](v, np.arange(3), shape=(5,), key=("index",))


def _branch(x: Any) -> Any:
    import backpass as bp

    return bp.cond(True, lambda a: (a * a, np.sin(a)), lambda a: (a, a), x)[1]


def _complex(*shape: int) -> np.ndarray:
    return R.normal(size=shape) + 1j * R.normal(size=shape)


def _special(name: str, *held: Any) -> Callable[..., Any]:
    """A function of SciPy, called as a user calls it."""

    def f(z: Any) -> Any:
        import scipy.special

        return getattr(scipy.special, name)(*held, z)

    return f


def _nth(name: str) -> Callable[..., Any]:
    return lambda v, x: OPS[name](1, v, x)


def _part_of(name: str, k: int) -> Callable[..., Any]:
    def f(x: Any) -> Any:
        import scipy.special

        return getattr(scipy.special, name)(x)[k]

    return f


def _turned(v: Any) -> Any:
    """What does not depend on the phase of eigenvectors."""
    return np.abs(v) ** 2


SPECTRUM = _complex(4, 5)
POSITIVE = R.uniform(0.5, 2.0, (4, 3))
OF_COMPLEX: dict[str, list[tuple[Callable[..., Any], list[np.ndarray]]]] = {
    "conjugate": [
        (np.conjugate, [_complex(4, 3)]),
        (lambda a, b: np.conj(a) * np.exp(b) + np.conj(np.tanh(a + b)), [_complex(4, 3), _complex(3)]),
        (lambda a, b: np.vdot(a, b), [_complex(4), _complex(4)]),
        (lambda z: z * np.conj(z - 1.0), [_complex(4)]),
    ],
    "real": [(np.real, [_complex(4, 3)]), (lambda z: np.real(1j * z * z) * z, [_complex(3)])],
    "imag": [(np.imag, [_complex(4, 3)]), (lambda z: np.imag(np.exp(z) / (2 + z)) * z, [_complex(3)])],
    "absolute": [(np.abs, [_complex(4, 3)]), (lambda z: np.abs(z) * z, [_complex(3)])],
    "angle": [(np.angle, [_complex(4, 3)])],
    "phase": [(np.sign, [_complex(4)])],
    "length": [(lambda z: np.linalg.norm(z, axis=1), [_complex(4, 3)])],
    "vecdot": [(np.vecdot, [_complex(4, 3), _complex(4, 3)])],
    "sqrt": [(np.sqrt, [_complex(4) + 3]), (lambda a, b: np.sqrt(a * b) / (a + 1j * b), [POSITIVE, POSITIVE + 1])],
    "power": [(lambda z: z**3 + z**-2, [_complex(4)]), (lambda z, p: z**p, [_complex(3) + 2, R.normal(size=3)])],
    "matmul": [
        (np.matmul, [_complex(4, 3), _complex(3, 5)]),
        (lambda x, w: x @ w, [R.normal(size=(4, 3)), _complex(3, 2)]),
        (lambda w: np.conj(w).T @ w, [_complex(4, 3)]),
    ],
    "multiply": [(lambda x: np.exp(1j * x) * (x + 2j), [R.normal(size=(4, 3))])],
    "convolve": [(np.convolve, [_complex(6), _complex(3)]), (np.correlate, [_complex(6), _complex(3)])],
    "prod": [(lambda z: np.prod(z, axis=0), [_complex(3, 2)])],
    "where": [(lambda z: np.where(np.real(z) > 0, z * z, np.conj(z)), [_complex(5)])],
    "solve": [(np.linalg.solve, [_complex(3, 3) + 3 * np.eye(3), _complex(3, 2)])],
    "inv": [(np.linalg.inv, [_complex(3, 3) + 3 * np.eye(3)])],
    "det": [(np.linalg.det, [_complex(3, 3)])],
    "cofactors": [(OPS["cofactors"], [_complex(3, 3)])],
    "phasedet": [(lambda a: np.linalg.slogdet(a)[0], [_complex(3, 3) + 2 * np.eye(3)])],
    "eig": [
        (lambda a: np.linalg.eig(a)[0], [_complex(3, 3)]),
        (lambda a: _turned(np.linalg.eig(a)[1]), [_complex(3, 3)]),
    ],
    "eigvals": [(np.linalg.eigvals, [_complex(3, 3)])],
    "eigh": [(lambda a: np.linalg.eigh(a + np.conj(a).T)[0], [_complex(3, 3)])],
    "svd": [(lambda a: np.linalg.svd(a, full_matrices=False)[1], [_complex(3, 2)])],
    "qr": [(lambda a: np.linalg.qr(a)[1], [_complex(4, 2)])],
    "cholesky": [(lambda a: np.linalg.cholesky(a @ np.conj(a).T + 4 * np.eye(3)), [_complex(3, 3)])],
    "lambertw": [
        (scipy.special.lambertw, [np.array([0.3, 0.7, 2.0])]),
        (lambda z: scipy.special.lambertw(z, -1), [np.array([0.4 + 0.3j, -1.2 + 0.8j, 0.9 - 0.5j])]),
    ],
    "fft": [
        (np.fft.fft, [R.normal(size=6)]),
        (np.fft.fft, [_complex(4, 6)]),
        (lambda z: np.fft.fft(z, axis=0, norm="ortho"), [_complex(4, 3)]),
        (lambda z: np.fft.fft(z, 4), [_complex(6)]),
        (lambda z: np.fft.fft(z, 8), [_complex(6)]),
        (lambda z: np.fft.fft(z, 5), [_complex(1)]),
        (np.fft.fft2, [R.normal(size=(4, 3))]),
    ],
    "ifft": [
        (np.fft.ifft, [_complex(5)]),
        (lambda z: np.fft.ifft(z, 7, norm="forward"), [_complex(5)]),
        (lambda x, h: np.real(np.fft.ifft(np.fft.fft(x) * np.fft.fft(h))), [R.normal(size=6), R.normal(size=6)]),
    ],
    "rfft": [
        (np.fft.rfft, [R.normal(size=(3, 6))]),
        (np.fft.rfft, [R.normal(size=5)]),
        (lambda x: np.fft.rfft(x, 8, axis=0, norm="ortho"), [R.normal(size=(5, 2))]),
        (np.fft.ihfft, [R.normal(size=6)]),
    ],
    "irfft": [
        (np.fft.irfft, [SPECTRUM]),
        (lambda z: np.fft.irfft(z, 7), [SPECTRUM]),
        (lambda z: np.fft.irfft(z, 12, axis=0, norm="forward"), [SPECTRUM]),
        (lambda z: np.fft.irfft(z, 4), [SPECTRUM]),
        (lambda z: np.fft.irfft(z, 1), [SPECTRUM]),
        (np.fft.hfft, [_complex(4)]),
        (np.fft.irfft2, [SPECTRUM]),
    ],
    "hankel1": [(_special("hankel1", 1.5), [POSITIVE]), (_special("hankel1", 0.5), [_complex(3) + 3])],
    "hankel2": [(_special("hankel2", 1.5), [POSITIVE])],
    "hankel1e": [(_special("hankel1e", 0.5), [POSITIVE])],
    "hankel2e": [(_special("hankel2e", 0.5), [POSITIVE])],
    **{
        f"{name}_by_order": [(_nth(f"{name}_by_order"), [POSITIVE, POSITIVE])]
        for name in ("hankel1", "hankel2", "hankel1e", "hankel2e")
    },
    "wofz": [(_special("wofz"), [_complex(4)]), (_special("wofz"), [POSITIVE])],
    "kelvin_be": [(_part_of("kelvin", 0), [POSITIVE]), (_special("ber"), [POSITIVE])],
    "kelvin_ke": [(_part_of("kelvin", 1), [POSITIVE]), (_special("ker"), [POSITIVE])],
    "kelvin_bep": [(_part_of("kelvin", 2), [POSITIVE]), (_special("berp"), [POSITIVE])],
    "kelvin_kep": [(_part_of("kelvin", 3), [POSITIVE]), (_special("kerp"), [POSITIVE])],
    **{
        f"modfresnel{sign}_{letter}": [(_part_of(f"modfresnel{sign}", k), [POSITIVE])]
        for sign in "pm"
        for k, letter in enumerate("fk")
    },
}
"""Operations on complex numbers, and others where an argument or a result is complex."""


OTHERS: dict[str, list[tuple[Callable[..., Any], list[np.ndarray]]]] = {
    "sum": [
        (_apply("sum", axis=(0,), keepdims=False), [R.normal(size=(4, 3))]),
        (_apply("sum", axis=(1,), keepdims=True), [R.normal(size=(4, 3))]),
        (_apply("sum", axis=(0, 1), keepdims=False), [R.normal(size=(4, 3))]),
    ],
    "prod": [(_apply("prod", axis=(1,), keepdims=False), [R.uniform(0.5, 2, (4, 3))])],
    "max": [
        (_apply("max", axis=(1,), keepdims=False), [R.normal(size=(4, 3))]),
        (_apply("max", axis=(1,), keepdims=False), [np.array([[1.0, 1.0, 0.0], [2.0, 0.0, 1.0]])]),
    ],
    "min": [(_apply("min", axis=(0,), keepdims=True), [R.normal(size=(4, 3))])],
    "var": [
        (_apply("var", axis=(1,), keepdims=False, ddof=1), [R.normal(size=(4, 3))]),
        (lambda x: np.var(x, axis=0, ddof=1), [R.normal(size=(5, 3))]),
    ],
    "norm": [(_apply("norm", axis=(1,), keepdims=False), [R.normal(size=(4, 3))])],
    "logsumexp": [(_apply("logsumexp", axis=(1,), keepdims=False), [R.normal(size=(4, 3))])],
    "matmul": [
        (_apply("matmul"), [R.normal(size=(4, 3)), R.normal(size=(3, 5))]),
        (_apply("matmul"), [R.normal(size=(4, 4)), R.normal(size=(4, 4))]),
        (_apply("matmul"), [R.normal(size=(4, 3)), R.normal(size=3)]),
        (_apply("matmul"), [R.normal(size=3), R.normal(size=(3, 4))]),
        (_apply("matmul"), [R.normal(size=(2, 4, 3)), R.normal(size=(3, 5))]),
        (_apply("matmul"), [R.normal(size=(2, 4, 3)), R.normal(size=(2, 3, 5))]),
        (_apply("matmul"), [R.normal(size=(2, 1, 4, 3)), R.normal(size=(6, 3, 5))]),
    ],
    "einsum": [
        (_apply("einsum", subscripts="ni,io->no"), [R.normal(size=(4, 3)), R.normal(size=(3, 5))]),
        (_apply("einsum", subscripts="nhd,mhd->hnm"), [R.normal(size=(4, 2, 3)), R.normal(size=(5, 2, 3))]),
        (_apply("einsum", subscripts="ii->i"), [R.normal(size=(4, 4))]),
        (_apply("einsum", subscripts="ij,kl->ik"), [R.normal(size=(4, 3)), R.normal(size=(2, 5))]),
    ],
    "vecdot": [
        (_apply("vecdot"), [R.normal(size=(4, 3)), R.normal(size=(4, 3))]),
        (_apply("vecdot"), [R.normal(size=(2, 4, 3)), R.normal(size=3)]),
    ],
    "trace": [
        (_apply("trace"), [R.normal(size=(4, 4))]),
        (_apply("trace"), [R.normal(size=(4, 3))]),
        (_apply("trace"), [R.normal(size=(2, 3, 4))]),
    ],
    "linspace": [
        (_apply("linspace", num=5, endpoint=True), [R.normal(size=()), R.normal(size=())]),
        (_apply("linspace", num=4, endpoint=False), [R.normal(size=3), R.normal(size=(2, 3))]),
    ],
    "cross": [
        (_apply("cross"), [R.normal(size=(4, 3)), R.normal(size=(4, 3))]),
        (_apply("cross"), [R.normal(size=(2, 4, 3)), R.normal(size=3)]),
    ],
    "correlate": [
        (_apply("correlate"), [R.normal(size=6), R.normal(size=3)]),
        (lambda a, v: np.convolve(a, v, "same"), [R.normal(size=6), R.normal(size=3)]),
    ],
    "convolve_nd": [
        (_apply("convolve_nd", mode="full"), [R.normal(size=(4, 3)), R.normal(size=(2, 2))]),
        (_apply("convolve_nd", mode="valid"), [R.normal(size=(4, 3)), R.normal(size=(3, 2))]),
    ],
    "lfilter": [(_apply("lfilter"), [R.normal(size=3), R.uniform(1.0, 1.2, 2), R.normal(size=(2, 5))])],
    "upfirdn": [(_apply("upfirdn", up=2, down=3), [R.normal(size=4), R.normal(size=(2, 5))])],
    "dct": [(_apply("dct", type=2, axis=0), [R.normal(size=(4, 3))])],
    "dst": [(_apply("dst", type=3, axis=1), [R.normal(size=(4, 3))])],
    "spline_filter": [(_apply("spline_filter", order=3, axis=0, mode=3), [R.normal(size=(5, 3))])],
    "reshape": [
        (_apply("reshape", shape=(2, 12)), [R.normal(size=(2, 3, 4))]),
        (_apply("reshape", shape=(2, 3, 4)), [R.normal(size=(2, 12))]),
        (_apply("reshape", shape=(2, 1, 12)), [R.normal(size=(2, 12))]),
        (_apply("reshape", shape=(4, 6)), [R.normal(size=(3, 8))]),
        (_apply("reshape", shape=(30,)), [R.normal(size=(2, 3, 5))]),
    ],
    "transpose": [(_apply("transpose", axes=(2, 0, 1)), [R.normal(size=(2, 3, 4))])],
    "broadcast_to": [(_apply("broadcast_to", shape=(4, 3)), [R.normal(size=(1, 3))])],
    "cast": [(lambda x: np.tanh(x).astype(np.float64), [R.normal(size=3)])],
    "alias": [(_apply("alias"), [R.normal(size=3)])],
    "concatenate": [
        (lambda a, b: OPS["concatenate"](a, b, axis=1), [R.normal(size=(2, 3)), R.normal(size=(2, 4))]),
        (lambda a, b: np.stack([a, b]), [R.normal(size=(2, 3)), R.normal(size=(2, 3))]),
    ],
    "slice": [
        (lambda x: x[1:3, ::2], [R.normal(size=(4, 6))]),
        (lambda x: x[:, -1], [R.normal(size=(4, 6))]),
        (lambda x: x[:2, :5], [R.normal(size=(4, 6))]),
        (lambda x: x[::-1, None, 2:], [R.normal(size=(4, 6))]),
    ],
    "unslice": [
        (_apply("unslice", shape=(4, 6), key=(slice(1, 3), slice(None, None, 2))), [R.normal(size=(2, 3))]),
        (_apply("unslice", shape=(4, 6), key=(2, slice(None, None, -1))), [R.normal(size=6)]),
    ],
    "gather": [
        (lambda x: x[INDEX], [R.normal(size=(4, 5))]),
        (lambda x: x[:, INDEX], [R.normal(size=(3, 5))]),
        (lambda x: np.take_along_axis(x, INDEX[:, None], axis=1), [R.normal(size=(4, 5))]),
        (lambda x: x[np.array([[0, 2], [1, 1]])], [R.normal(size=(3, 2))]),
        (lambda x: x[np.array([-1, 1])], [R.normal(size=4)]),
        (lambda x: x[np.array([-1, 1, -3])], [R.normal(size=(4, 2))]),
        (lambda x: np.diagonal(x), [R.normal(size=(4, 4))]),
    ],
    "scatter_add": [
        (lambda v: np.diagflat(v, 1), [R.normal(size=4)]),
        (_apply_scatter, [R.normal(size=3)]),
    ],
    "cumsum": [(_apply("cumsum", axis=1), [R.normal(size=(3, 4))])],
    "cumprod": [(_apply("cumprod", axis=0), [R.uniform(0.5, 2, (4, 3))])],
    "recurrence": [(_apply("recurrence", axis=0), [R.uniform(0.2, 0.9, (4, 3)), R.normal(size=(4, 3))])],
    "solve": [
        (_apply("solve"), [positive_definite(3), R.normal(size=(3, 2))]),
        (np.linalg.solve, [positive_definite(3), R.normal(size=3)]),
    ],
    "solve_banded": [
        (_apply("solve_banded", lower=1, upper=1), [R.uniform(1.0, 1.2, size=(3, 3)), R.normal(size=(3, 2))]),
    ],
    "solve_triangular": [
        (_apply("solve_triangular", lower=True, unit=False), [positive_definite(3), R.normal(size=(3, 2))]),
        (_apply("solve_triangular", lower=False, unit=True), [positive_definite(3), R.normal(size=(3, 1))]),
    ],
    "solve_sylvester": [
        (_apply("solve_sylvester"), [positive_definite(3), positive_definite(2), R.normal(size=(3, 2))])
    ],
    "solve_are": [
        (
            _apply("solve_are", discrete=False),
            [R.normal(size=(3, 3)) / 3, R.normal(size=(3, 2)), positive_definite(3), positive_definite(2)],
        )
    ],
    "logm": [(_apply("logm"), [R.normal(size=(3, 3)) / 9 + np.eye(3)])],
    "expm": [(_apply("expm"), [R.normal(size=(3, 3)) / 3])],
    "sqrtm": [(_apply("sqrtm"), [positive_definite(3)])],
    "item": [(_branch, [R.normal(size=3)])],
    "setitem": [
        (written((slice(1, 3), slice(None, None, 2))), [R.normal(size=(4, 6)), R.normal(size=(2, 3))]),
        (written(2), [R.normal(size=(4, 6)), R.normal(size=6)]),
        (written((slice(None), 1)), [R.normal(size=(4, 6)), R.normal()]),
        (written(slice(None, None, -2)), [R.normal(size=(4, 3)), R.normal(size=3)]),
        (written(slice(None, None, -2)), [R.normal(size=(4, 3)), R.normal(size=(2, 3))]),
        (written((slice(1, 3), None, slice(4))), [R.normal(size=(4, 6)), R.normal(size=(2, 1, 4))]),
        (written(slice(1, 2)), [R.normal(size=4), R.normal(size=1)]),
        (_two_written, [R.normal(size=(4, 3)), R.normal(size=3), R.normal(size=(2, 3))]),
    ],
    "put": [
        (written(ONCE), [R.normal(size=(4, 5)), R.normal(size=(3, 5))]),
        (written(INDEX), [R.normal(size=(4, 5)), R.normal(size=(4, 5))]),
        (written(np.array([-1, 1])), [R.normal(size=4), R.normal(size=2)]),
        (written((slice(None), ONCE)), [R.normal(size=(2, 5)), R.normal(size=3)]),
        (written(ONCE), [R.normal(size=4), R.normal()]),
        (written(np.arange(3)), [R.normal(size=5), R.normal(size=3)]),
        (written((ONCE, ONCE)), [R.normal(size=(5, 5)), R.normal(size=3)]),
        (written((INDEX, slice(1, 5, 2))), [R.normal(size=(5, 5)), R.normal(size=2)]),
        (written((np.array([[0], [2]]), ONCE)), [R.normal(size=(5, 5)), R.normal(size=(2, 3))]),
    ],
    "add_at": [
        (added(INDEX), [R.normal(size=(4, 5)), R.normal(size=(4, 5))]),
        (added(INDEX), [R.normal(size=4), R.normal()]),
        (added(np.arange(3)), [R.normal(size=5), R.normal(size=3)]),
        (added((slice(None), INDEX)), [R.normal(size=(2, 5)), R.normal(size=4)]),
        (added(slice(1, 3)), [R.normal(size=(4, 2)), R.normal(size=2)]),
    ],
    "inv": [(_apply("inv"), [positive_definite(3)])],
    "det": [(_apply("det"), [positive_definite(3)])],
    "cofactors": [(_apply("cofactors"), [positive_definite(3)])],
    "logabsdet": [(_apply("logabsdet"), [positive_definite(3)])],
    "cholesky": [(_apply("cholesky"), [positive_definite(3)])],
    "eigh": [
        (lambda a: np.linalg.eigh(a)[0], [positive_definite(3)]),
        (lambda a: np.abs(np.linalg.eigh(a)[1]), [positive_definite(3)]),
    ],
    "eigvalsh": [(np.linalg.eigvalsh, [positive_definite(3)])],
    "svd": [
        (lambda a: np.linalg.svd(a, full_matrices=False)[1], [R.normal(size=(3, 2))]),
        (lambda a: _product_of(np.linalg.svd(a, full_matrices=False)), [R.normal(size=(3, 2))]),
        (lambda a: np.abs(np.linalg.svd(a)[0]), [R.normal(size=(2, 3))]),
    ],
    "svdvals": [(lambda a: np.linalg.svd(a, compute_uv=False), [R.normal(size=(3, 2))])],
    "pinv": [(np.linalg.pinv, [R.normal(size=(4, 2))])],
    "lstsq": [
        (lambda a, b: np.linalg.lstsq(a, b, rcond=None)[0], [R.normal(size=(4, 2)), R.normal(size=4)]),
        (lambda a, b: np.linalg.lstsq(a, b, rcond=None)[0], [R.normal(size=(4, 2)), R.normal(size=(4, 3))]),
    ],
    "qr": [
        (lambda a: np.linalg.qr(a)[1], [R.normal(size=(4, 2))]),
        (lambda a: np.linalg.qr(a)[0], [R.normal(size=(3, 3))]),
    ],
    "stop_gradient": [(lambda x: x * OPS["stop_gradient"](x), [R.normal(size=3)])],
    "sort": [(lambda x: np.sort(x, axis=0), [R.normal(size=(4, 3))])],
    "median": [(lambda x: np.median(x, axis=0), [R.normal(size=(5, 3))])],
    "std": [(lambda x: np.std(x, axis=1), [R.normal(size=(5, 3))])],
    "clip": [(lambda x: np.clip(x, -1.0, 1.0), [R.normal(size=(5, 3))])],
    "pad": [(lambda x: np.pad(x, 1), [R.normal(size=(2, 3))])],
    "roll": [(lambda x: np.roll(x, 1, axis=1), [R.normal(size=(2, 3))])],
    "tile": [(lambda x: np.tile(x, (2, 3)), [R.normal(size=(2, 3))])],
    "kron": [(np.kron, [R.normal(size=(2, 3)), R.normal(size=(2, 2))])],
    "tensordot": [(lambda a, b: np.tensordot(a, b, 1), [R.normal(size=(2, 3)), R.normal(size=(3, 2, 2))])],
    "triu": [(np.triu, [R.normal(size=(3, 3))])],
    "outer": [(np.outer, [R.normal(size=3), R.normal(size=4)])],
}


def structural_case(
    f: Callable[..., Any], arguments: list[np.ndarray]
) -> tuple[Callable[..., Any], Any, tuple[Any, ...]]:
    """Σ w · f(θ)² where f only needs to be differentiable; of complex values its real part."""
    theta = {f"u{i}": a for i, a in enumerate(arguments)}
    found = np.asarray(f(*arguments))
    w = R.normal(size=found.shape)
    if np.iscomplexobj(found):
        w = w + 1j * R.normal(size=found.shape)

    def loss(theta, w):
        out = f(*[theta[f"u{i}"] for i in range(len(arguments))])
        return np.sum(np.real(w * out * out))

    return loss, theta, (w,)


def differentiable_pointwise() -> list[str]:
    return [
        name
        for name, op in OPS.items()
        if op.kind is Kind.POINTWISE and (op.domain or {}).get("dtype") is None and any(op.partials)
    ]
