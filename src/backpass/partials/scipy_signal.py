"""``scipy.signal``: convolution, recursive and polyphase filters; all else as SciPy itself writes it in NumPy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from backpass.graph import messages
from backpass.graph.aval import Aval

from .declare import (
    Kind,
    Op,
    as_array,
    conjugated,
    declare,
    dtype_of,
    linear,
    shape_of,
    value_of,
)
from .scipy_functions import RULES, _as_written, _rule
from .sliding import CONVOLVE


# ---- convolution
def _cut(full: Any, sizes: Sequence[int], late: bool = False) -> Any:
    """The middle of a full convolution; where it has two, the first one, or the late one."""
    starts = [(n - w + late) // 2 for n, w in zip(shape_of(full), sizes, strict=True)]
    return full[tuple([slice(s, s + w) for s, w in zip(starts, sizes, strict=True)])]


def _convolved(a: Any, b: Any, mode: str) -> Any:
    big, small = shape_of(a), shape_of(b)
    if mode == "valid":
        if all(m <= n for m, n in zip(big, small, strict=True)):
            a, b = b, a
        elif not all(m >= n for m, n in zip(big, small, strict=True)):
            raise ValueError("For 'valid' mode, one must be at least as large as the other in every dimension")
        return CONVOLVE(a, b, mode="valid")
    if mode not in ("full", "same"):
        raise ValueError("acceptable mode flags are 'valid', 'same', or 'full'")
    whole = CONVOLVE(a, b, mode="full") if math.prod(big) >= math.prod(small) else CONVOLVE(b, a, mode="full")
    return whole if mode == "full" else _cut(whole, big)


@_rule("signal")
def choose_conv_method(in1, in2, mode="full", measure=False):
    """By shapes and dtypes."""
    import scipy.signal

    a, b = [np.broadcast_to(np.zeros((), dtype_of(x)), shape_of(x)) for x in map(as_array, (in1, in2))]
    return scipy.signal.choose_conv_method(a, b, mode)


@_rule("signal")
def convolve(in1, in2, mode="full", method="auto"):
    a, b = as_array(in1), as_array(in2)
    if len(shape_of(a)) != len(shape_of(b)):
        raise ValueError("volume and kernel should have the same dimensionality")
    if not shape_of(a):
        return a * b
    if method == "auto":
        method = choose_conv_method(a, b, mode)
    return RULES["scipy.signal"]["fftconvolve"](a, b, mode) if method == "fft" else _convolved(a, b, mode)


def _reversed(x: Any) -> Any:
    return conjugated(x[(slice(None, None, -1),) * len(shape_of(x))])


@_rule("signal")
def correlate(in1, in2, mode="full", method="auto"):
    return convolve(in1, _reversed(as_array(in2)), mode, method)


def _on_a_plane(name: str, swapped: bool) -> None:
    extensions = {"wrap": "wrap", "circular": "wrap", "symm": "symmetric", "symmetric": "symmetric"}

    def implementation(in1, in2, mode="full", boundary="fill", fillvalue=0):
        a, b = as_array(in1), as_array(in2)
        b = _reversed(b) if swapped else b
        if mode == "valid":
            return _convolved(a, b, mode)
        filled = {} if boundary in extensions else {"constant_values": fillvalue}
        widths = [(n - 1, n - 1) for n in shape_of(b)]
        whole = CONVOLVE(np.pad(a, widths, extensions.get(boundary, "constant"), **filled), b, mode="valid")  # type: ignore[call-overload]
        return whole if mode == "full" else _cut(whole, shape_of(a), late=swapped)

    _rule("signal", name)(implementation)


_on_a_plane("convolve2d", False)
_on_a_plane("correlate2d", True)


# ---- filters given by rational functions
def _reverse(x: Any) -> Any:
    return x[..., ::-1]


def _lagged(g: Any, x: Any, count: int) -> Any:
    """Σₙ gₙ xₙ₋ₖ for k = 0 … count − 1"""
    n = shape_of(x)[-1]
    return np.stack([np.sum(g[..., min(k, n) :] * x[..., : max(n - k, 0)]) for k in range(count)])


def _poles_adjoint(g: Any, a: Any) -> Any:
    return _reverse(LFILTER(np.ones(1, dtype_of(a)), a, _reverse(g)))


def _lfilter_tangent(t: Any, out: Any, b: Any, a: Any, x: Any) -> Any:
    db, da, dx = t
    fed = [] if dx is None else [LFILTER(b, np.ones(1, dtype_of(b)), dx)]
    fed += [] if db is None else [LFILTER(db, np.ones(1, dtype_of(b)), x)]
    fed += [] if da is None else [-LFILTER(da, np.ones(1, dtype_of(a)), out)]
    return LFILTER(np.ones(1, dtype_of(a)), a, sum(fed[1:], fed[0]))


def _lfilter_run(b: Any, a: Any, x: Any) -> Any:
    import scipy.signal

    dtype = np.result_type(b, a, x, np.float32)
    return scipy.signal.lfilter(*[part.astype(dtype, copy=False) for part in (b, a, x)])


def _lfilter_aval(b: Aval, a: Aval, x: Aval) -> Aval:
    if len(b.shape) != 1 or len(a.shape) != 1 or not x.shape:
        raise ValueError(f"lfilter: coefficients have one axis, not {b.shape} and {a.shape}; the signal {x.shape}")
    return Aval(x.shape, np.result_type(b.dtype, a.dtype, x.dtype, np.float32))


LFILTER = declare(
    Op(
        name="lfilter",
        kind=Kind.CUSTOM,
        run=_lfilter_run,
        aval=_lfilter_aval,
        adjoints=(
            lambda g, out, b, a, x: _lagged(_poles_adjoint(g, a), x, shape_of(b)[0]),
            lambda g, out, b, a, x: -_lagged(_poles_adjoint(g, a), out, shape_of(a)[0]),
            lambda g, out, b, a, x: _reverse(LFILTER(b, a, _reverse(g))),
        ),
        tangent=_lfilter_tangent,
        notation="({0}/{1}) ∗ {2}",
        domain={"low": 1.0, "high": 1.4},
        doc="The y of Σₖ aₖ yₙ₋ₖ = Σₖ bₖ xₙ₋ₖ along the last axis.",
    )
)


def _states(coefficients: Any, past: Any, count: int) -> Any:
    """Σₘ c[i + 1 + m] past[−1 − m] for i = 0 … count − 1: what the past adds to the outputs to come."""
    taps = shape_of(coefficients)[0]
    near = _reverse(past)[..., :count]
    places = np.arange(count)[:, None] + np.arange(shape_of(near)[-1]) + 1
    matrix = np.where(places < taps, coefficients[np.minimum(places, taps - 1)], 0.0)
    return np.matmul(near, np.transpose(matrix))


@_rule("signal")
def lfilter(b, a, x, axis=-1, zi=None):
    b, a, x = np.atleast_1d(as_array(b)), np.atleast_1d(as_array(a)), as_array(x)
    wide = np.result_type(dtype_of(b), dtype_of(a), dtype_of(x), *([] if zi is None else [dtype_of(as_array(zi))]))
    wide = wide if wide.kind in "fc" else np.dtype(np.float64)
    b, a, x = (part if dtype_of(part) == wide else part.astype(wide) for part in (b, a, x))
    x = np.moveaxis(x, axis, -1)
    y = LFILTER(b, a, x)
    if zi is None:
        return np.moveaxis(y, -1, axis)
    count, n = max(shape_of(b)[0], shape_of(a)[0]) - 1, shape_of(x)[-1]
    zi = np.broadcast_to(np.moveaxis(as_array(zi), axis, -1), (*shape_of(x)[:-1], count))
    late = np.concatenate([zi, np.zeros((*shape_of(x)[:-1], n), wide)], axis=-1)
    y = y + LFILTER(a[:1], a, late[..., :n])
    state = late[..., n : n + count] + (_states(b, x, count) - _states(a, y, count)) / a[0]
    return np.moveaxis(y, -1, axis), np.moveaxis(state, -1, axis)


@_rule("signal")
def sosfilt(sos, x, axis=-1, zi=None):
    """One section after another."""
    sos, x = as_array(sos), as_array(x)
    states = []
    for k in range(shape_of(sos)[0]):
        b, a = sos[k, :3], sos[k, 3:]
        if zi is None:
            x = lfilter(b, a, x, axis)
        else:
            x, state = lfilter(b, a, x, axis, zi[k])
            states.append(state)
    return x if zi is None else (x, np.stack(states))


@_rule("signal")
def lfilter_zi(b, a):
    """The z of z = Aᵀ z + b − a b₀ that a step leaves a filter in, A the companion of a."""
    b, a = (np.atleast_1d(as_array(part)) for part in (b, a))
    n, dtype = max(shape_of(b)[0], shape_of(a)[0]), np.result_type(dtype_of(b), dtype_of(a))
    b, a = (np.concatenate([part / a[0], np.zeros(n - shape_of(part)[0], dtype)]) for part in (b, a))
    shifts = np.concatenate([a[1:, None], np.zeros((n - 1, n - 2), dtype)], axis=1) - np.eye(n - 1, k=1, dtype=dtype)
    return np.linalg.solve(np.eye(n - 1, dtype=dtype) + shifts, b[1:] - a[1:] * b[0])


# ---- filters that change the rate
def _upfirdn_run(h: Any, x: Any, up: int, down: int) -> Any:
    import scipy.signal

    return scipy.signal.upfirdn(h, x, up, down)


def _upfirdn_aval(h: Aval, x: Aval, up: int, down: int) -> Aval:
    if len(h.shape) != 1 or not h.size or not x.shape or up < 1 or down < 1:
        raise ValueError(f"upfirdn: h of shape {h.shape} has one axis, rates {up} and {down} are 1 at least")
    length = ((x.shape[-1] - 1) * up + h.size - 1) // down + 1
    return Aval((*x.shape[:-1], length), np.result_type(h.dtype, x.dtype, np.float32))


def _upfirdn_taps(g: Any, out: Any, h: Any, x: Any, up: int, down: int) -> Any:
    # ∂L/∂hₖ = Σₘ gₘ x[(m down − k)/up]
    at = np.arange(shape_of(g)[-1])[:, None] * down - np.arange(shape_of(h)[0])
    inside = (at % up == 0) & (at >= 0) & (at < up * shape_of(x)[-1])
    seen = np.where(inside, np.take(x, np.where(inside, at // up, 0), axis=-1), 0.0)
    return np.tensordot(g, seen, len(shape_of(g)))


def _upfirdn_signal(g: Any, out: Any, h: Any, x: Any, up: int, down: int) -> Any:
    # The rates change places, and the filter runs backwards; it ends where a step of `up` does.
    taps, n = shape_of(h)[0], shape_of(x)[-1]
    whole = np.concatenate([h, np.zeros((1 - taps) % up, dtype_of(h))])
    first = (shape_of(whole)[0] - 1) // up
    back = UPFIRDN(_reverse(whole), g, up=down, down=up)[..., first : first + n]
    short = n - shape_of(back)[-1]
    return np.concatenate([back, np.zeros((*shape_of(back)[:-1], short), dtype_of(back))], axis=-1) if short else back


UPFIRDN = linear(
    "upfirdn",
    _upfirdn_run,
    _upfirdn_aval,
    _upfirdn_taps,
    _upfirdn_signal,
    mixes=True,
    notation="upfirdn({0}, {1})",
    domain={"low": -2.0, "high": 2.0},
    doc="yₘ = Σₙ h[m down − n up] xₙ along the last axis: zeros between the entries, a filter, and every down-th kept.",
)
_REPEATED = ("symmetric", "reflect", "edge", "wrap", "constant")


def _lengthened(x: Any, width: int, mode: str, cval: Any) -> Any:
    """x with `width` entries more on either side; "line" and "smooth" go straight on, by two of its entries."""
    ends = [(0, 0)] * (len(shape_of(x)) - 1) + [(width, width)]
    if mode in _REPEATED:
        filled = {"constant_values": cval} if mode == "constant" else {}
        return np.pad(x, ends, mode, **filled)  # type: ignore[call-overload]
    if mode not in ("line", "smooth"):
        raise messages.option_refused(
            "scipy.signal.upfirdn", f"mode={mode!r}", f"Use one of {', '.join(_REPEATED)}, line and smooth."
        )
    steps, reach = np.arange(1, width + 1, dtype=dtype_of(x)), shape_of(x)[-1] - 1 if mode == "line" else 1
    rise = (x[..., reach : reach + 1] - x[..., :1]) / reach, (x[..., -1:] - x[..., -1 - reach : -reach]) / reach
    return np.concatenate([x[..., :1] - rise[0] * steps[::-1], x, x[..., -1:] + rise[1] * steps], axis=-1)


@_rule("signal")
def upfirdn(h, x, up=1, down=1, axis=-1, mode="constant", cval=0):
    h, x, up, down = as_array(h), np.moveaxis(as_array(x), axis, -1), int(up), int(down)
    if mode == "constant" and not np.any(value_of(cval)):
        return np.moveaxis(UPFIRDN(h, x, up=up, down=down), -1, axis)
    step = down // math.gcd(up, down)
    width = -(-shape_of(h)[0] // (up * step)) * step
    whole = UPFIRDN(h, _lengthened(x, width, mode, cval), up=up, down=down)
    first, length = width * up // down, ((shape_of(x)[-1] - 1) * up + shape_of(h)[0] - 1) // down + 1
    return np.moveaxis(whole[..., first : first + length], -1, axis)


# ---- methods of its classes
def _method(owner: str, name: str) -> None:
    def implementation(self: Any, *args: Any, **kwargs: Any) -> Any:
        from backpass.graph.followed import followed_object  # what only a trace needs is imported by the first one

        return getattr(followed_object(self, public=True), name)(*args, **kwargs)

    _rule("signal", f"{owner}.{name}")(implementation)


for _name in ("stft", "stft_detrend", "spectrogram", "istft"):
    _method("ShortTimeFFT", _name)
_method("CZT", "__call__")


@_rule("signal._polyutils", "_lstsq")
def lstsq(a, b, xp=None, rcond=None):
    return np.linalg.lstsq(a, b, rcond)


@_rule("signal")
def medfilt2d(input, kernel_size=3):
    return RULES["scipy.signal"]["medfilt"](input, kernel_size)


# ---- as SciPy writes them
_as_written("signal", "bilinear", "butter", "cheby1", "cheby2", "chirp", "coherence", "csd", "czt", "decimate")
_as_written("signal", "deconvolve", "detrend", "envelope", "fftconvolve", "filtfilt", "firls", "firwin", "firwin2")
_as_written("signal", "freqs", "freqz", "freqz_sos", "freqz_zpk", "gausspulse", "group_delay", "hilbert", "hilbert2")
_as_written("signal", "iirfilter", "iirnotch", "iirpeak", "istft", "lfiltic", "lombscargle", "medfilt")
_as_written("signal", "normalize", "oaconvolve", "order_filter", "periodogram", "resample", "resample_poly")
_as_written("signal", "savgol_filter", "sawtooth", "sos2tf", "sosfilt_zi", "sosfiltfilt", "sosfreqz", "spectrogram")
_as_written("signal", "square", "stft", "sweep_poly", "vectorstrength", "welch", "wiener", "zoom_fft", "zpk2tf")
_as_written("signal", "gauss_spline", "cspline1d", "cspline1d_eval", "qspline1d", "qspline1d_eval")

_as_written("signal.windows", "gaussian", "general_gaussian", "kaiser", "tukey", "general_hamming", "general_cosine")
_as_written("signal", "lp2lp_zpk", "lp2hp_zpk", "lp2bp_zpk", "lp2bs_zpk", "bilinear_zpk", "zpk2sos", "get_window")
_as_written("signal.windows", "get_window", "exponential", "kaiser_bessel_derived", "chebwin")

__all__ = ["LFILTER", "UPFIRDN", "convolve", "correlate"]
