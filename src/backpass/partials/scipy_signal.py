"""``scipy.signal``, ``scipy.ndimage`` and ``scipy.fft``: filters as sums over their taps, transforms as NumPy's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from backpass.graph import messages

from .declare import as_array, conjugated, floating, normal_axes, normal_axis, shape_of
from .scipy_functions import _rule
from .sliding import sliding_window_view

LETTERS = "abcdefgh"


# ---- scipy.signal
def _cut(full: Any, a: tuple[int, ...], b: tuple[int, ...], mode: str) -> Any:
    """The part of a full convolution that a mode keeps; its middle, as SciPy centres it."""
    if mode == "full":
        return full
    if mode == "same":
        want = a
    elif mode == "valid":
        want = tuple([abs(m - n) + 1 for m, n in zip(a, b, strict=True)])
    else:
        raise ValueError("acceptable mode flags are 'valid', 'same', or 'full'")
    starts = [(n - w) // 2 for n, w in zip(shape_of(full), want, strict=True)]
    return full[tuple([slice(s, s + w) for s, w in zip(starts, want, strict=True)])]


def _full_convolution(a: Any, b: Any) -> Any:
    """Σ over the entries of the smaller one, as one product of windows of the larger."""
    if np.prod(shape_of(a)) < np.prod(shape_of(b)):
        a, b = b, a
    if len(shape_of(a)) == 1:
        return np.convolve(a, b)
    sizes = shape_of(b)
    windows = sliding_window_view(np.pad(a, [(n - 1, n - 1) for n in sizes]), sizes)
    letters = LETTERS[: len(sizes)]
    flipped = b[(slice(None, None, -1),) * len(sizes)]
    return np.einsum(f"...{letters},{letters}->...", windows, flipped)


@_rule("signal", "convolve")
def convolve(in1, in2, mode="full", method="auto"):
    a, b = as_array(in1), as_array(in2)
    if len(shape_of(a)) != len(shape_of(b)):
        raise ValueError("in1 and in2 should have the same dimensionality")
    if not shape_of(a):
        return a * b
    return _cut(_full_convolution(a, b), shape_of(a), shape_of(b), mode)


@_rule("signal", "correlate")
def correlate(in1, in2, mode="full", method="auto"):
    b = as_array(in2)
    return convolve(in1, conjugated(b[(slice(None, None, -1),) * len(shape_of(b))]), mode)


@_rule("signal", "fftconvolve", "oaconvolve")
def fftconvolve(in1, in2, mode="full", axes=None):
    if axes is not None:
        raise messages.option_refused("scipy.signal.fftconvolve", "axes", "Leave it out.")
    return convolve(floating(in1), floating(in2), mode)


def _plane(name: str, boundary: str, fillvalue: Any) -> None:
    if boundary != "fill" or fillvalue != 0:
        raise messages.option_refused(f"scipy.signal.{name}", "boundary", "Pad with np.pad and use mode='valid'.")


@_rule("signal")
def convolve2d(in1, in2, mode="full", boundary="fill", fillvalue=0):
    _plane("convolve2d", boundary, fillvalue)
    return convolve(in1, in2, mode)


@_rule("signal")
def correlate2d(in1, in2, mode="full", boundary="fill", fillvalue=0):
    _plane("correlate2d", boundary, fillvalue)
    return correlate(in1, in2, mode)


@_rule("signal")
def lfilter(b, a, x, axis=-1, zi=None):
    """a₀ yₙ = Σ bₖ xₙ₋ₖ − Σ aₖ yₙ₋ₖ, one step after another."""
    if zi is not None:
        raise messages.option_refused("scipy.signal.lfilter", "zi", "Leave it out.")
    b, a, x = np.atleast_1d(as_array(b)), np.atleast_1d(as_array(a)), floating(x)
    b, a = b / a[0], a / a[0]
    axis = normal_axis(axis, len(shape_of(x)))
    x = np.moveaxis(x, axis, 0)
    n, order = shape_of(x)[0], shape_of(a)[0] - 1
    padded = np.concatenate([np.zeros((shape_of(b)[0] - 1, *shape_of(x)[1:])), x])
    fed: Any = sum(b[k] * padded[shape_of(b)[0] - 1 - k :][:n] for k in range(shape_of(b)[0]))
    if order:
        steps: list[Any] = []
        for i in range(n):
            back = [a[k] * steps[i - k] for k in range(1, min(order, i) + 1)]
            steps.append(fed[i] - sum(back[1:], back[0]) if back else fed[i])
        fed = np.stack(steps)
    return np.moveaxis(fed, 0, axis)


@_rule("signal")
def detrend(data, axis=-1, type="linear", bp=0, overwrite_data=False):
    data = floating(data)
    axis = normal_axis(axis, len(shape_of(data)))
    if type in ("constant", "c"):
        return data - np.mean(data, axis=axis, keepdims=True)
    if type not in ("linear", "l") or np.any(np.asarray(bp) != 0):
        raise messages.option_refused("scipy.signal.detrend", "bp", "Leave it out.")
    t = np.arange(1, shape_of(data)[axis] + 1) / shape_of(data)[axis]
    basis = np.linalg.qr(np.stack([t, np.ones_like(t)], axis=1))[0]
    moved = np.moveaxis(data, axis, -1)
    return np.moveaxis(moved - np.matmul(np.matmul(moved, basis), basis.T), -1, axis)


@_rule("signal")
def hilbert(x, N=None, axis=-1):
    """The analytic signal: negative frequencies taken away, positive ones doubled."""
    x = as_array(x)
    n = shape_of(x)[axis] if N is None else int(N)
    weights = np.zeros(n)
    weights[0] = 1.0
    weights[1 : (n + 1) // 2] = 2.0
    if n % 2 == 0:
        weights[n // 2] = 1.0
    place = normal_axis(axis, len(shape_of(x)))
    shaped = weights.reshape(tuple(-1 if i == place else 1 for i in range(len(shape_of(x)))))
    return np.fft.ifft(np.fft.fft(x, n, axis=axis) * shaped, axis=axis)


# ---- scipy.ndimage
_MODES = {"reflect": "symmetric", "constant": "constant", "nearest": "edge", "mirror": "reflect", "wrap": "wrap"}
_MODES |= {"grid-mirror": "symmetric", "grid-constant": "constant", "grid-wrap": "wrap"}


def _padded(x: Any, before: int, after: int, axis: int, mode: str, cval: Any) -> Any:
    widths = [(before, after) if k == axis else (0, 0) for k in range(len(shape_of(x)))]
    if mode not in _MODES:
        raise RuntimeError("boundary mode not supported")
    options = {"constant_values": cval} if _MODES[mode] == "constant" else {}
    return np.pad(x, widths, _MODES[mode], **options)  # type: ignore[call-overload]


def _no_output(name: str, output: Any) -> None:
    if output is not None:
        raise messages.option_refused(f"scipy.ndimage.{name}", "output", "Use the returned value.")


def _taps(x: Any, weights: Any, axis: int, mode: str, cval: Any, origin: int) -> Any:
    """Σₖ wₖ x[i + k − n // 2 − origin] along an axis."""
    n = shape_of(weights)[0]
    before = n // 2 + origin
    wide = _padded(x, before, n - 1 - before, axis, mode, cval)
    length = shape_of(x)[axis]
    head = (slice(None),) * axis
    parts = [weights[k] * wide[(*head, slice(k, k + length))] for k in range(n)]
    return sum(parts[1:], parts[0])


@_rule("ndimage")
def correlate1d(input, weights, axis=-1, output=None, mode="reflect", cval=0.0, origin=0):
    _no_output("correlate1d", output)
    x = floating(input)
    return _taps(x, as_array(weights), normal_axis(axis, len(shape_of(x))), mode, cval, origin)


@_rule("ndimage")
def convolve1d(input, weights, axis=-1, output=None, mode="reflect", cval=0.0, origin=0):
    w = as_array(weights)[::-1]
    return correlate1d(input, w, axis, output, mode, cval, -origin - (1 if shape_of(w)[0] % 2 == 0 else 0))


def _gaussian(sigma: Any, truncate: float, radius: Any, order: int) -> Any:
    if order:
        raise messages.option_refused("scipy.ndimage.gaussian_filter", "order", "Derivatives are np.gradient of it.")
    from .declare import value_of

    reach = int(truncate * float(value_of(sigma)) + 0.5) if radius is None else int(radius)
    k = np.arange(-reach, reach + 1)
    w = np.exp(-0.5 / (sigma * sigma) * k**2)
    return w / np.sum(w)


@_rule("ndimage")
def gaussian_filter1d(
    input, sigma, axis=-1, order=0, output=None, mode="reflect", cval=0.0, truncate=4.0, *, radius=None
):
    return correlate1d(input, _gaussian(sigma, truncate, radius, order), axis, output, mode, cval)


@_rule("ndimage")
def gaussian_filter(
    input, sigma, order=0, output=None, mode="reflect", cval=0.0, truncate=4.0, *, radius=None, axes=None
):
    x = floating(input)
    along = normal_axes(axes, len(shape_of(x)))
    sigmas = [sigma] * len(along) if not shape_of(as_array(sigma)) else list(sigma)
    modes = [mode] * len(along) if isinstance(mode, str) else list(mode)
    for axis, s, m in zip(along, sigmas, modes, strict=True):
        x = gaussian_filter1d(x, s, axis, order, output, m, cval, truncate, radius=radius)
    return x


@_rule("ndimage")
def uniform_filter1d(input, size, axis=-1, output=None, mode="reflect", cval=0.0, origin=0):
    return correlate1d(input, np.full(int(size), 1.0 / size), axis, output, mode, cval, origin)


@_rule("ndimage")
def uniform_filter(input, size=3, output=None, mode="reflect", cval=0.0, origin=0, *, axes=None):
    x = floating(input)
    for k in normal_axes(axes, len(shape_of(x))):
        x = uniform_filter1d(x, size if isinstance(size, int) else size[k], k, output, mode, cval, origin)
    return x


@_rule("ndimage", "correlate")
def correlate_nd(input, weights, output=None, mode="reflect", cval=0.0, origin=0, *, axes=None):
    _no_output("correlate", output)
    if axes is not None or np.any(np.asarray(origin) != 0):
        raise messages.option_refused("scipy.ndimage.correlate", "axes or origin", "Leave these out.")
    x, w = floating(input), as_array(weights)
    sizes = shape_of(w)
    wide = x
    for axis, n in enumerate(sizes):
        wide = _padded(wide, n // 2, n - 1 - n // 2, axis, mode, cval)
    letters = LETTERS[: len(sizes)]
    return np.einsum(f"...{letters},{letters}->...", sliding_window_view(wide, sizes), w)


@_rule("ndimage", "convolve")
def convolve_nd(input, weights, output=None, mode="reflect", cval=0.0, origin=0, *, axes=None):
    w = as_array(weights)
    if any(n % 2 == 0 for n in shape_of(w)):
        raise messages.option_refused("scipy.ndimage.convolve", "weights of even length", "Use an odd length.")
    return correlate_nd(input, w[(slice(None, None, -1),) * len(shape_of(w))], output, mode, cval, origin, axes=axes)


@_rule("ndimage")
def laplace(input, output=None, mode="reflect", cval=0.0, *, axes=None):
    x = floating(input)
    parts = [correlate1d(x, np.array([1.0, -2.0, 1.0]), k, output, mode, cval) for k in
             normal_axes(axes, len(shape_of(x)))]  # fmt: skip
    return sum(parts[1:], parts[0])


def _edge(smooth: list[float]) -> Any:
    def implementation(input, axis=-1, output=None, mode="reflect", cval=0.0):
        x = floating(input)
        axis = normal_axis(axis, len(shape_of(x)))
        found = correlate1d(x, np.array([-1.0, 0.0, 1.0]), axis, output, mode, cval)
        for k in range(len(shape_of(x))):
            if k != axis:
                found = correlate1d(found, np.array(smooth), k, output, mode, cval)
        return found

    return implementation


_rule("ndimage", "sobel")(_edge([1.0, 2.0, 1.0]))
_rule("ndimage", "prewitt")(_edge([1.0, 1.0, 1.0]))


# ---- scipy.fft
def _transform(name: str) -> None:
    def implementation(x, n=None, axis=-1, norm=None, overwrite_x=False, workers=None, *, plan=None):
        return getattr(np.fft, name)(x, n, axis, norm)

    _rule("fft", name)(implementation)


def _transforms(name: str, default: Any) -> None:
    def implementation(x, s=None, axes=default, norm=None, overwrite_x=False, workers=None, *, plan=None):
        return getattr(np.fft, name)(x, s, axes, norm)

    _rule("fft", name)(implementation)


for _name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"):
    _transform(_name)
for _name in ("fft2", "ifft2", "rfft2", "irfft2"):
    _transforms(_name, (-2, -1))
for _name in ("fftn", "ifftn", "rfftn", "irfftn"):
    _transforms(_name, None)
_rule("fft", "fftshift")(lambda x, axes=None: np.fft.fftshift(x, axes))
_rule("fft", "ifftshift")(lambda x, axes=None: np.fft.ifftshift(x, axes))


def _cosines(n: int, inverse: bool, norm: str | None) -> np.ndarray:
    """The matrix of the cosine transform II (Makhoul 1980), or of its inverse."""
    k, i = np.indices((n, n))
    m = 2.0 * np.cos(math.pi * k * (2 * i + 1) / (2 * n))
    if norm == "ortho":
        m *= np.where(k == 0, math.sqrt(1.0 / (4 * n)), math.sqrt(1.0 / (2 * n)))
        return m.T.copy() if inverse else m
    if norm == "forward":
        m /= 2 * n
    return np.linalg.inv(m) if inverse else m


def _cosine_transform(inverse: bool) -> Any:
    def implementation(x, type=2, n=None, axis=-1, norm=None, overwrite_x=False, workers=None, orthogonalize=None):
        name = "idct" if inverse else "dct"
        if type != 2 or n is not None or orthogonalize is not None:
            raise messages.option_refused(f"scipy.fft.{name}", "type, n or orthogonalize", "Type 2 has a rule.")
        moved = np.moveaxis(floating(x), axis, -1)
        found = np.matmul(moved, _cosines(shape_of(moved)[-1], inverse, norm).T)
        return np.moveaxis(found, -1, axis)

    return implementation


_rule("fft", "dct")(_cosine_transform(False))
_rule("fft", "idct")(_cosine_transform(True))

__all__ = ["convolve", "correlate"]
