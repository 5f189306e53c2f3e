"""NumPy's functions of complex arguments, and Fourier transforms in every calling form: the rows of test_complex."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .family_rows import drawn


def complex_drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return drawn(*shape, seed=seed) + 1j * drawn(*shape, low=-1.0, high=1.0, seed=seed + 1)


def matrix(*shape: int, seed: int = 0) -> np.ndarray:
    """Singular values and eigenvalues well apart."""
    small = drawn(*shape, low=-0.3, high=0.3, seed=seed) + 1j * drawn(*shape, low=-0.3, high=0.3, seed=seed + 1)
    return small + np.eye(*shape[-2:]) * np.arange(1.0, shape[-1] + 1)


def hermitian(x: Any) -> Any:
    return 0.5 * (x + np.conj(np.swapaxes(x, -1, -2)))


@dataclass(frozen=True)
class Row:
    """``function(*args)``; `ulp` as in ``family_rows``."""

    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    ulp: int = 0
    staged: bool = True
    slow: bool = False
    smooth: bool = True
    """False where a coefficient that is 0 counts: moved, it makes another polynomial."""


ROWS: list[Row] = []


def row(name: str, function: Callable[..., Any], *args: Any, **facts: Any) -> None:
    ROWS.append(Row(name, function, args, **facts))


z, w, grid = complex_drawn(5), complex_drawn(5, seed=3), complex_drawn(3, 4)
x, block = drawn(6), drawn(4, 5)


# ---- Fourier transforms
def transforms(norm: Any, n: Any, slow: bool) -> None:
    for name in ("fft", "ifft", "irfft", "hfft", "rfft", "ihfft"):
        call = lambda a, f=getattr(np.fft, name): f(a, n, norm=norm)  # noqa: B008, E731
        if name not in ("rfft", "ihfft"):
            row(f"fft.{name}", call, complex_drawn(6), slow=slow)
        row(f"fft.{name}", call, x, slow=slow)


def transforms_of_axes(norm: Any, slow: bool) -> None:
    for name in ("fft2", "ifft2", "fftn", "ifftn", "irfft2", "irfftn", "rfft2", "rfftn"):
        call = getattr(np.fft, name)
        row(f"fft.{name}", lambda a, f=call: f(a, norm=norm), block if name in ("rfft2", "rfftn") else grid, slow=slow)
        row(f"fft.{name}", lambda a, f=call: f(a, (3, 6), (1, 0), norm), block, slow=slow)
        row(f"fft.{name}", lambda a, f=call: f(a, axes=(0,), norm=norm), block, slow=True)


for norm in (None, "ortho", "forward"):
    for n in (None, 4, 5, 8):
        transforms(norm, n, slow=(norm, n) not in ((None, None), ("ortho", 5)))
    transforms_of_axes(norm, slow=norm is None)
for name in ("fft", "ifft", "irfft", "hfft"):
    row(f"fft.{name}", lambda a, name=name: getattr(np.fft, name)(a, axis=0), grid)
row("fft.fftn", lambda a: np.fft.fftn(a, s=(2, -1), axes=(0, 1)), grid)
row("fft.fftn", lambda a: np.fft.fftn(a, axes=(0, 0)), grid)
row("fft.fftshift", lambda a: np.fft.fftshift(a, 1), grid)
row("fft.ifftshift", lambda a: np.fft.ifftshift(a), grid)
row("fft.fft", lambda a: np.fft.irfft(np.fft.rfft(a) * np.exp(1j * np.arange(4.0))), x)

# ---- parts
for name in ("real", "imag", "conj", "angle", "abs", "sign", "square", "nan_to_num", "real_if_close", "positive"):
    row(name, getattr(np, name), z, staged=name != "real_if_close", ulp=2 if name == "sign" else 0)
row("angle", lambda a: np.angle(a, deg=True), grid)
row("real", lambda a: a.real * a.imag + abs(a) + a.conj() * a.conjugate(), z)
row("isreal", lambda a: np.where(np.isreal(a) | np.iscomplex(a), a, 0.0), z)
row("add", lambda a, b: a + 1j * b, x, x[::-1].copy())
row("exp", lambda a: np.exp(1j * a) * (2 - 3j) / a ** (1 + 1j), x + 3.0)
row("power", lambda a: (a * a - 1 / a) ** 3 * (1j - a), 1.5 - 0.5j)
row("power", lambda a: 2.0**a + a**2 + a**-1 + a**0.5, z)
row("ndarray.astype", lambda a: a.astype(complex) * 1j, x)

# ---- sums and orders
for axis in (None, 0, (0, 1)):
    for name in ("sum", "prod", "mean", "var", "std", "nansum", "nanmean", "nanvar", "nanstd", "nanprod"):
        row(
            name,
            lambda a, name=name, axis=axis: getattr(np, name)(a, axis),
            grid,
            ulp=4 if "nan" in name or name in ("var", "std") else 0,
        )
row("sum", lambda a: np.sum(a, axis=1, keepdims=True, initial=1j, where=np.arange(4) % 2 == 0), grid)
row("mean", lambda a: np.mean(a, axis=1, where=np.arange(4) % 2 == 0), grid)
row("var", lambda a: np.var(a, axis=1, ddof=1, keepdims=True), grid, ulp=4)
for name in ("cumsum", "cumprod", "max", "min", "sort", "diff", "gradient", "ptp", "median", "sort_complex"):
    row(name, lambda a, name=name: getattr(np, name)(a), z, ulp=8 if name == "cumprod" else 0)
row("sort_complex", np.sort_complex, x)
row("average", lambda a, b: np.average(a, weights=b), z, w, ulp=2)
row("maximum", np.maximum, z, w)
row("clip", lambda a: np.clip(a, -1 - 1j, 1 + 1j), z)
row("cov", np.cov, grid, ulp=4)
row("corrcoef", np.corrcoef, grid, ulp=8)
row("interp", lambda f, at: np.interp(at, np.arange(5.0), f), z, np.array([0.3, 2.6, 3.9]), ulp=4)
row("trapezoid", np.trapezoid, z)

# ---- products
for name in ("dot", "vdot", "inner", "outer", "matmul", "convolve", "kron", "multiply", "tensordot"):
    options = {"axes": 0} if name == "tensordot" else {}
    row(name, lambda a, b, name=name, o=options: getattr(np, name)(a, b, **o), z, w, ulp=8)
    row(name, lambda a, b, name=name, o=options: getattr(np, name)(a, b, **o), z, drawn(5), ulp=8)
for mode in ("full", "same", "valid"):
    row("correlate", lambda a, b, mode=mode: np.correlate(a, b, mode), z, complex_drawn(3), ulp=4)
    row("convolve", lambda a, b, mode=mode: np.convolve(a, b, mode), complex_drawn(3), z, ulp=4)
row("einsum", lambda a, b: np.einsum("ij,kj->ik", a, np.conj(b)), grid, complex_drawn(2, 4), ulp=4)
row("linalg.vecdot", np.linalg.vecdot, grid, complex_drawn(4), ulp=4)
row("vecdot", np.vecdot, grid, complex_drawn(4), ulp=4)
row("matvec", np.matvec, grid, complex_drawn(4), ulp=4)
row("vecmat", np.vecmat, complex_drawn(3), grid, ulp=8)
row("cross", np.cross, complex_drawn(2, 3), complex_drawn(3), ulp=2)
row("polyval", np.polyval, z, w)
row("vander", lambda a: np.vander(a, 4), z)

# ---- matrices
square, stack, tall, wide = matrix(3, 3), matrix(2, 2, 2), matrix(4, 2), matrix(2, 4)
for a in (square, stack):
    for name in ("inv", "det", "slogdet", "eig", "eigvals", "pinv", "svdvals", "qr", "matrix_norm"):
        row(f"linalg.{name}", getattr(np.linalg, name), a, ulp=8 if name == "matrix_norm" else 0)
    row("linalg.cholesky", lambda b: np.linalg.cholesky(b @ np.conj(np.swapaxes(b, -1, -2))), a, ulp=8)
    row("linalg.cholesky", lambda b: np.linalg.cholesky(b @ np.conj(np.swapaxes(b, -1, -2)), upper=True), a, ulp=8)
    row("linalg.eigvalsh", lambda b: np.linalg.eigvalsh(hermitian(b)), a)
    row("linalg.eigh", lambda b: np.linalg.eigh(hermitian(b))[0], a)
    row("linalg.matrix_power", lambda b: np.linalg.matrix_power(b, -3), a, ulp=8)
    row("linalg.svd", lambda b: np.linalg.svd(b, compute_uv=False), a)
row("linalg.solve", np.linalg.solve, square, complex_drawn(3))
row("linalg.solve", np.linalg.solve, square, drawn(3, 2))
for a in (tall, wide):
    row("linalg.pinv", np.linalg.pinv, a)
    row("linalg.qr", np.linalg.qr, a)
    row("linalg.lstsq", lambda a, b: np.linalg.lstsq(a, b)[0], a, complex_drawn(a.shape[0]))
    row("linalg.norm", np.linalg.norm, a, ulp=4)
    for order in (1, np.inf, 2, "nuc", "fro"):
        row("linalg.norm", lambda a, order=order: np.linalg.norm(a, order), a, ulp=4)
for order in (1, 2, 3, np.inf):
    row("linalg.norm", lambda a, order=order: np.linalg.norm(a, order), z, ulp=4)
row("linalg.norm", lambda a: np.linalg.norm(a, axis=1, keepdims=True), grid, ulp=4)
for a in (
    np.array([[0.0, -2.0], [1.0, 0.5]]),
    np.diag([1.0, 2.0, -1.0, 3.0]) + drawn(4, 4, low=-0.4, high=0.4),
    np.diag([1.0, 2.0, 4.0]) + drawn(3, 3, low=-0.2, high=0.2),
):
    row("linalg.eig", np.linalg.eig, a, staged=False)
    row("linalg.eigvals", np.linalg.eigvals, a, staged=False)
row("roots", np.roots, np.array([2.0, -3.0, 1.0, 5.0]), staged=False)
row("roots", np.roots, np.array([0.0, 1.0, -6.0, 11.0, -6.0, 0.0]), staged=False, smooth=False)
row("roots", np.roots, complex_drawn(4), staged=False)
row("poly", np.poly, z, ulp=4, staged=False)
