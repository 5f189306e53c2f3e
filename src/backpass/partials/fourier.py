"""Fourier transforms: ``numpy.fft``. Four operations along one axis; the others are these, axis after axis.

The matrix of a transform is symmetric, so the adjoint of ``fft`` is ``fft`` itself, with its own normalisation. A real
transform keeps half a spectrum: every frequency but 0 and n/2 stands for two.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from backpass.graph.aval import Aval

from .arithmetic import ANY
from .declare import Op, as_array, conjugated, dtype_of, linear, normal_axes, normal_axis, rule_for, shape_of

_SWAPPED = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


def _result_dtype(name: str, dtype: np.dtype) -> np.dtype:
    return getattr(np.fft, name)(np.zeros(2, dtype)).dtype


def _resized(x: Any, n: int, axis: int) -> Any:
    """Cut to n entries along an axis, or filled up with zeros: what every transform does first."""
    have = shape_of(x)[axis]
    if have > n:
        return x[(slice(None),) * axis + (slice(n),)]
    if have < n:
        rest = tuple(n - have if i == axis else k for i, k in enumerate(shape_of(x)))
        return np.concatenate([x, np.zeros(rest, dtype_of(x))], axis=axis)
    return x


def _counted(n: int, axis: int, ndim: int, dtype: np.dtype, inside: float) -> Any:
    """`inside` for the frequencies that stand for two, 1 for 0 and n/2."""
    weights = np.full(n // 2 + 1, inside, dtype)
    weights[0] = 1
    if n % 2 == 0:
        weights[-1] = 1
    return weights.reshape((-1,) + (1,) * (ndim - axis - 1))


def _fft_adjoint(g: Any, out: Any, x: Any, n: int, axis: int, norm: str) -> Any:
    return _resized(FFT(g, n=n, axis=axis, norm=norm), shape_of(x)[axis], axis)


def _ifft_adjoint(g: Any, out: Any, x: Any, n: int, axis: int, norm: str) -> Any:
    return _resized(IFFT(g, n=n, axis=axis, norm=norm), shape_of(x)[axis], axis)


def _rfft_adjoint(g: Any, out: Any, x: Any, n: int, axis: int, norm: str) -> Any:
    # Re Σₖ gₖ exp(−2πi jk/n)
    half = np.conjugate(g) * _counted(n, axis, len(shape_of(x)), dtype_of(x), 0.5)
    return _resized(IRFFT(half, n=n, axis=axis, norm=_SWAPPED[norm]), shape_of(x)[axis], axis)


def _irfft_adjoint(g: Any, out: Any, x: Any, n: int, axis: int, norm: str) -> Any:
    spectrum = np.conjugate(RFFT(g, n=n, axis=axis, norm=_SWAPPED[norm]))
    spectrum = spectrum * _counted(n, axis, len(shape_of(x)), dtype_of(g), 2.0)
    return _resized(spectrum, shape_of(x)[axis], axis)


def _transform(name: str, adjoint: Any, notation: str, doc: str) -> Op:
    def aval(x: Aval, n: int, axis: int, norm: str) -> Aval:
        if name == "rfft" and x.dtype.kind == "c":
            raise TypeError("ufunc 'rfft_n_even' did not contain a loop with signature matching complex types")
        if n < 1:
            raise ValueError(f"Invalid number of FFT data points ({n}) specified.")
        length = n // 2 + 1 if name == "rfft" else n
        return Aval(x.shape[:axis] + (length,) + x.shape[axis + 1 :], _result_dtype(name, x.dtype))

    run = lambda x, n, axis, norm: getattr(np.fft, name)(x, n=n, axis=axis, norm=norm)  # noqa: E731
    return linear(name, run, aval, adjoint, mixes=True, notation=notation, domain=ANY, doc=doc)


FFT = _transform("fft", _fft_adjoint, "fft({0})", "Σⱼ xⱼ exp(−2πi jk/n) along an axis, x cut or filled up to length n.")
IFFT = _transform(
    "ifft", _ifft_adjoint, "fft⁻¹({0})", "1/n Σₖ xₖ exp(2πi jk/n) along an axis, x cut or filled up to length n."
)
RFFT = _transform("rfft", _rfft_adjoint, "rfft({0})", "fft of real x at the frequencies 0 … n/2.")
IRFFT = _transform(
    "irfft", _irfft_adjoint, "rfft⁻¹({0})", "The n real numbers whose spectrum at 0 … n/2 is x; Im x₀ is not read."
)


# ---- NumPy's functions
def _norm(norm: Any) -> str:
    norm = "backward" if norm is None else norm
    if norm not in _SWAPPED:
        raise ValueError(f'Invalid norm value {norm}; should be "backward", "ortho" or "forward".')
    return norm


def _along(op: Op) -> Any:
    """The transform along one axis."""

    def implementation(a, n=None, axis=-1, norm=None, out=None):
        a = as_array(a)
        axis = normal_axis(axis, len(shape_of(a)))
        if n is None:
            n = 2 * (shape_of(a)[axis] - 1) if op is IRFFT else shape_of(a)[axis]
        return op(a, n=operator.index(n), axis=axis, norm=_norm(norm))

    return implementation


_fft, _ifft, _rfft, _irfft = map(_along, (FFT, IFFT, RFFT, IRFFT))


def _lengths(a: Any, s: Any, axes: Any, half: bool) -> tuple[list[int], list[int]]:
    """The lengths and axes of a transform over several axes, as NumPy fills them in."""
    shape = shape_of(a)
    axes = list(range(-len(s), 0) if s is not None else range(len(shape))) if axes is None else list(axes)
    axes = [normal_axes(axis, len(shape))[0] for axis in axes]  # one may come twice
    if s is None:
        lengths = [shape[axis] for axis in axes]
        if half and lengths:
            lengths[-1] = 2 * (lengths[-1] - 1)
    else:
        lengths = [shape[axis] if n == -1 else operator.index(n) for n, axis in zip(s, axes, strict=True)]
    return lengths, axes


def _over(op: Op, both: tuple[int, int] | None = None) -> Any:
    """The transform over several axes, the last one first."""

    def implementation(a, s=None, axes=both, norm=None, out=None):
        a = as_array(a)
        lengths, axes = _lengths(a, s, axes, False)
        for k, (n, axis) in enumerate(zip(lengths[::-1], axes[::-1], strict=True)):
            step = op if k == 0 else FFT if op is RFFT else op
            a = step(a, n=n, axis=axis, norm=_norm(norm))
        return a

    return implementation


def _half_inverse(both: tuple[int, int] | None = None) -> Any:
    def implementation(a, s=None, axes=both, norm=None, out=None):
        a = as_array(a)
        lengths, axes = _lengths(a, s, axes, True)
        for n, axis in zip(lengths[:-1], axes[:-1], strict=True):
            a = IFFT(a, n=n, axis=axis, norm=_norm(norm))
        return IRFFT(a, n=lengths[-1], axis=axes[-1], norm=_norm(norm))

    return implementation


def _hfft(a, n=None, axis=-1, norm=None, out=None):
    a = as_array(a)
    return _irfft(conjugated(a), n, axis, _SWAPPED[_norm(norm)])


def _ihfft(a, n=None, axis=-1, norm=None, out=None):
    return np.conjugate(_rfft(a, n, axis, _SWAPPED[_norm(norm)]))


def _fftshift(x, axes=None):
    return np.roll(x, *_shift(x, axes, lambda n: n // 2))


def _ifftshift(x, axes=None):
    return np.roll(x, *_shift(x, axes, lambda n: -(n // 2)))


def _shift(x, axes, by):
    shape = shape_of(x)
    axes = tuple(range(len(shape))) if axes is None else tuple(np.atleast_1d(axes).tolist())
    return tuple(by(shape[a]) for a in axes), axes


RULES = {
    "fft": _fft,
    "ifft": _ifft,
    "rfft": _rfft,
    "irfft": _irfft,
    "hfft": _hfft,
    "ihfft": _ihfft,
    "fftn": _over(FFT),
    "ifftn": _over(IFFT),
    "rfftn": _over(RFFT),
    "irfftn": _half_inverse(),
    "fft2": _over(FFT, (-2, -1)),
    "ifft2": _over(IFFT, (-2, -1)),
    "rfft2": _over(RFFT, (-2, -1)),
    "irfft2": _half_inverse((-2, -1)),
    "fftshift": _fftshift,
    "ifftshift": _ifftshift,
}
"""``import numpy`` leaves numpy.fft out: these are entered when it is there (``refusals.enter_late``)."""


def enter_fourier() -> None:
    for name, rule in RULES.items():
        rule_for(getattr(np.fft, name))(rule)


__all__ = ["FFT", "IFFT", "IRFFT", "RFFT", "enter_fourier"]
