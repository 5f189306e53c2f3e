"""``scipy.fft`` and ``scipy.fftpack``: NumPy's transforms, and those that sum cosines or sines.

The matrix of a cosine or sine transform is symmetric (types I and IV) or that of another type transposed (II and III),
but for the entries at the ends, which count once instead of twice.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from backpass.graph.aval import Aval

from .arithmetic import ANY
from .declare import Op, as_array, conjugated, dtype_of, floating, linear, normal_axis, shape_of
from .fourier import _SWAPPED, _lengths, _norm, _resized
from .scipy_functions import RULES, _as_written, _rule


# ---- NumPy's transforms
def _transform(name: str) -> None:
    def implementation(x, n=None, axis=-1, norm=None, overwrite_x=False, workers=None, *, plan=None):
        return getattr(np.fft, name)(x, n, axis, norm)

    _rule("fft", name)(implementation)


def _transforms(name: str, default: Any) -> None:
    def implementation(x, s=None, axes=default, norm=None, overwrite_x=False, workers=None, *, plan=None):
        return getattr(np.fft, name)(x, s, axes, norm)

    _rule("fft", name)(implementation)


def _swapped(norm: Any) -> Any:
    return _SWAPPED[_norm(norm)]


def _hermitian(name: str, default: Any) -> None:
    def implementation(x, s=None, axes=default, norm=None, overwrite_x=False, workers=None, *, plan=None):
        return np.fft.irfftn(conjugated(as_array(x)), s, axes, _swapped(norm))

    def inverse(x, s=None, axes=default, norm=None, overwrite_x=False, workers=None, *, plan=None):
        return np.conjugate(np.fft.rfftn(x, s, axes, _swapped(norm)))

    _rule("fft", name)(implementation)
    _rule("fft", f"i{name}")(inverse)


for _name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"):
    _transform(_name)
for _name in ("fft2", "ifft2", "rfft2", "irfft2"):
    _transforms(_name, (-2, -1))
for _name in ("fftn", "ifftn", "rfftn", "irfftn"):
    _transforms(_name, None)
_hermitian("hfft2", (-2, -1))
_hermitian("hfftn", None)
_rule("fft", "fftshift")(lambda x, axes=None: np.fft.fftshift(x, axes))
_rule("fft", "ifftshift")(lambda x, axes=None: np.fft.ifftshift(x, axes))
_as_written("fft", "fht", "ifht", source="fft._fftlog_backend")


# ---- sums of cosines and of sines
def _ends(x: Any, axis: int, first: float, last: float) -> Any:
    """The first and the last entry along an axis, times these."""
    n = shape_of(x)[axis]
    weights = np.ones(n, dtype_of(x))
    weights[0] *= first
    weights[-1] *= last
    return x * weights.reshape((-1,) + (1,) * (len(shape_of(x)) - axis - 1))


_TRANSPOSED = {1: 1, 2: 3, 3: 2, 4: 4}


def _cosine_adjoint(g: Any, out: Any, x: Any, type: int, axis: int) -> Any:
    if type == 1:
        return _ends(DCT(_ends(g, axis, 2.0, 2.0), type=1, axis=axis), axis, 0.5, 0.5)
    if type == 2:
        return DCT(_ends(g, axis, 2.0, 1.0), type=3, axis=axis)
    return _ends(DCT(g, type=2, axis=axis), axis, 0.5, 1.0) if type == 3 else DCT(g, type=4, axis=axis)


def _sine_adjoint(g: Any, out: Any, x: Any, type: int, axis: int) -> Any:
    if type == 2:
        return DST(_ends(g, axis, 1.0, 2.0), type=3, axis=axis)
    back = DST(g, type=_TRANSPOSED[type], axis=axis)
    return _ends(back, axis, 1.0, 0.5) if type == 3 else back


def _summed(name: str, adjoint: Any, least: int, doc: str) -> Op:
    def run(x: Any, type: int, axis: int) -> Any:
        import scipy.fft

        return getattr(scipy.fft, name)(x, type, axis=axis)

    def aval(x: Aval, type: int, axis: int) -> Aval:
        if type not in _TRANSPOSED or x.shape[axis] < (least if type == 1 else 1):
            raise ValueError(f"{name}: there is no type {type} of {x.shape[axis]} entries")
        return Aval(x.shape, run(np.zeros(2, x.dtype), type, 0).dtype)

    return linear(name, run, aval, adjoint, mixes=True, notation=f"{name}({{0}})", domain=ANY, doc=doc)


DCT = _summed(
    "dct",
    _cosine_adjoint,
    2,
    "2 Σ xᵢ cos(θ) along an axis, θ = π k i/(n − 1), π k (2i + 1)/2n, π (2k + 1) i/2n or π (2k + 1)(2i + 1)/4n "
    "by type, where the ends (I) or the first (III) count once.",
)
DST = _summed(
    "dst",
    _sine_adjoint,
    1,
    "2 Σ xᵢ sin(θ) along an axis, θ = π (k + 1)(i + 1)/(n + 1), π (k + 1)(2i + 1)/2n, π (2k + 1)(i + 1)/2n or "
    "π (2k + 1)(2i + 1)/4n by type, where the last (III) counts once.",
)


def _scale(op: Op, type: int, n: int, norm: Any, inverse: bool) -> float:
    """What the sums are multiplied by; they are n or so long, and twice as long when mirrored."""
    length = 2 * (n - 1 if op is DCT else n + 1) if type == 1 else 2 * n
    norm = _swapped(norm) if inverse else _norm(norm)
    return {"backward": 1.0, "ortho": 1 / math.sqrt(length), "forward": 1 / length}[norm]


def _root_ends(op: Op, x: Any, axis: int, by: float, both: bool) -> Any:
    """The entries that count once: both ends of a cosine transform I, the first of others, the last of a sine."""
    return _ends(x, axis, by if op is DCT else 1.0, by if both or op is DST else 1.0)


def _along(op: Op, x: Any, type: int, axis: int, norm: Any, orthogonalize: bool | None, inverse: bool) -> Any:
    type = _TRANSPOSED[type] if inverse else type
    root = (norm == "ortho" if orthogonalize is None else orthogonalize) and not (op is DST and type == 1)
    if root and type in (1, 3):
        x = _root_ends(op, x, axis, math.sqrt(2.0), type == 1)
    out = op(x, type=type, axis=axis)
    scale = _scale(op, type, shape_of(x)[axis], norm, inverse)
    out = out if scale == 1.0 else out * dtype_of(out).type(scale)
    return _root_ends(op, out, axis, math.sqrt(0.5), type == 1) if root and type in (1, 2) else out


def _sums(op: Op, inverse: bool) -> None:
    name = f"i{op.name}" if inverse else op.name

    def one(x, type=2, n=None, axis=-1, norm=None, overwrite_x=False, workers=None, orthogonalize=None):
        x = floating(x)
        axis = normal_axis(axis, len(shape_of(x)))
        x = x if n is None else _resized(x, int(n), axis)
        return _along(op, x, type, axis, norm, orthogonalize, inverse)

    def several(x, type=2, s=None, axes=None, norm=None, overwrite_x=False, workers=None, *, orthogonalize=None):
        x = floating(x)
        lengths, axes = _lengths(x, _as_list(s), _as_list(axes), False)
        for n, axis in zip(lengths, axes, strict=True):
            x = _along(op, _resized(x, n, axis), type, axis, norm, orthogonalize, inverse)
        return x

    _rule("fft", name)(one)
    _rule("fft", f"{name}n")(several)


def _as_list(given: Any) -> list[Any] | None:
    return None if given is None else list(np.atleast_1d(given))


for _op in (DCT, DST):
    _sums(_op, False)
    _sums(_op, True)


# ---- scipy.fftpack
def _older(name: str) -> None:
    _rule("fftpack", name)(lambda x, n=None, axis=-1, overwrite_x=False: getattr(np.fft, name)(x, n, axis))


def _older_over(name: str, default: Any) -> None:
    _rule("fftpack", name)(lambda x, shape=None, axes=default, overwrite_x=False: getattr(np.fft, name)(x, shape, axes))


def _older_sums(op: Op, inverse: bool) -> None:
    """An inverse is the transform of the type that undoes it, and not divided by its length."""

    def implementation(x, type=2, n=None, axis=-1, norm=None, overwrite_x=False):
        return RULES["scipy.fft"][op.name](x, _TRANSPOSED[type] if inverse else type, n, axis, norm)

    _rule("fftpack", f"i{op.name}" if inverse else op.name)(implementation)


for _name in ("fft", "ifft"):
    _older(_name)
for _name, _axes in (("fft2", (-2, -1)), ("ifft2", (-2, -1)), ("fftn", None), ("ifftn", None)):
    _older_over(_name, _axes)
for _op in (DCT, DST):
    _older_sums(_op, False)
    _older_sums(_op, True)

__all__ = ["DCT", "DST"]
