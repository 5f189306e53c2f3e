"""Filters, transforms and spectra of SciPy as people call them: scipy.signal, scipy.ndimage and scipy.fft."""

from typing import Any

import numpy as np
import scipy.fft as sf
import scipy.fftpack as sp
import scipy.ndimage as nd
import scipy.signal as sg
import scipy.signal.windows as sw

from .family_rows import drawn

x, y, long, tall = drawn(7), drawn(4, 5), drawn(40), drawn(12, 2)
image, volume = drawn(5, 6), drawn(3, 4, 2)
b, a = sg.butter(3, 0.3)
sections = np.delete(sg.butter(4, 0.3, output="sos"), 3, axis=1)
poles = np.array([1.5, 0.3, -0.2])
hann = sg.get_window("hann", 8)
stretches, chirped = sg.ShortTimeFFT(hann, 4, 10.0), sg.CZT(7, 5)
centred = sg.ShortTimeFFT(hann, 3, 10.0, fft_mode="centered", scale_to="psd", phase_shift=None)
doubled = sg.ShortTimeFFT(hann, 4, 10.0, fft_mode="onesided2X", scale_to="psd", mfft=12)
frames = drawn(5, 4)
uneven = np.cumsum(np.abs(drawn(7)) + 0.2)
cross = np.array([[0, 1, 0], [1, 1, 1]])
labels = np.arange(30).reshape(5, 6) % 3
places = np.array([[-4.31, -1.23, -0.31, 0.23, 2.69, 4.27, 9.31], [2.77, 1.31, 3.23, 5.27, -2.31, 7.69, 3.31]])
"""Between whole numbers and halves, where splines of all degrees are smooth."""
inside = np.array([[0.23, 2.31, 3.69], [4.27, 1.77, 0.31]])
turned = np.array([[0.9, 0.2], [-0.1, 1.1]])
MODES = ("reflect", "constant", "nearest", "mirror", "wrap", "grid-mirror", "grid-constant", "grid-wrap")


def whole(sections: Any) -> Any:
    """Sections with the entry that is 1."""
    return np.concatenate([sections[:, :3], np.ones((2, 1)), sections[:, 3:]], axis=1)


SIGNAL: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
    *[(sg.convolve, (x, drawn(n)), {"mode": mode}) for n in (3, 4) for mode in ("full", "same", "valid")],
    *[(sg.convolve, (drawn(3), x), {"mode": mode}) for mode in ("same", "valid")],
    (sg.convolve, (image, drawn(3, 2)), {"mode": "same"}),
    (sg.convolve, (volume, drawn(2, 2, 2)), {"method": "direct"}),
    (sg.convolve, (drawn(2, 2), image), {"mode": "valid"}),
    (sg.convolve, (image, drawn(2, 3)), {"method": "fft"}),
    (lambda u, v: sg.convolve(u * 1j + u, v * 1j), (x, drawn(3)), {}),
    (sg.correlate, (image, drawn(2, 2)), {"mode": "valid"}),
    (sg.correlate, (drawn(3, 2), image), {}),
    (lambda u, v: sg.correlate(u, v * (1 + 2j)), (x, drawn(4)), {}),
    (sg.fftconvolve, (x, drawn(3)), {}),
    (lambda u, v: sg.fftconvolve(u, v, "same", axes=1), (y, drawn(4, 3)), {}),
    (sg.fftconvolve, (y, drawn(1, 3)), {"axes": -1}),
    (lambda u, v: sg.fftconvolve(u * 1j, v, "valid"), (x, drawn(3)), {}),
    (sg.oaconvolve, (long, drawn(3)), {"mode": "same"}),
    (sg.convolve2d, (image, drawn(3, 2)), {}),
    (sg.convolve2d, (image, drawn(3, 2)), {"mode": "same", "boundary": "wrap"}),
    (sg.convolve2d, (image, drawn(2, 2)), {"boundary": "symm"}),
    (sg.correlate2d, (image, drawn(3, 2)), {"mode": "same", "fillvalue": 0.5}),
    (sg.correlate2d, (image, drawn(2, 4)), {"mode": "same", "boundary": "symm"}),
    (sg.correlate2d, (image, drawn(2, 2)), {"mode": "valid"}),
    (sg.lfilter, (drawn(3), poles, y), {}),
    (sg.lfilter, (drawn(2), np.array([2.0]), x), {}),
    (sg.lfilter, (drawn(2), poles, tall), {"axis": 0}),
    (lambda b, a, u, z: sg.lfilter(b, a, u, zi=z), (drawn(3), poles, x, drawn(2)), {}),
    (lambda b, u, z: sg.lfilter(b, [1.0], u, axis=0, zi=z), (drawn(4), y[:2], drawn(3, 5)), {}),
    (lambda b, u: sg.lfilter(b, [1.0, 0.5j], u * (1 + 1j)), (drawn(3), x), {}),
    (sg.lfilter_zi, (drawn(3), poles), {}),
    (sg.lfilter_zi, (drawn(4), np.array([1.5, 0.3])), {}),
    (lambda u, v: sg.lfiltic(b, a, u, v), (drawn(3), drawn(3)), {}),
    (lambda b, a, u: sg.filtfilt(b, a, u, padlen=5), (b, a, long), {}),
    (lambda u: sg.filtfilt(b, a, u, axis=0, padtype="even", padlen=7), (tall,), {}),
    (lambda u: sg.filtfilt(b, a, u, method="gust"), (long,), {}),
    (lambda u: sg.filtfilt(b, a, u, method="gust", irlen=6), (long,), {}),
    (lambda s, u: sg.sosfilt(whole(s), u), (sections, x), {}),
    (lambda u, z: sg.sosfilt(sg.butter(4, 0.3, output="sos"), u, axis=0, zi=z), (tall, drawn(2, 2, 2)), {}),
    (lambda s: sg.sosfilt_zi(whole(s)), (sections,), {}),
    (lambda s, u: sg.sosfiltfilt(whole(s), u, padlen=4), (sections, x), {}),
    (lambda u, v: sg.deconvolve(u, v), (x, np.array([2.0, 0.3, 0.1])), {}),
    (lambda u: sg.savgol_filter(u, 5, 2), (y,), {}),
    (lambda u: sg.savgol_filter(u, 5, 3, deriv=1, delta=0.5, axis=0), (tall,), {}),
    (lambda u: sg.savgol_filter(u, 3, 1, mode="mirror"), (y,), {}),
    (sg.detrend, (y,), {}),
    (sg.detrend, (y,), {"type": "constant", "axis": 0}),
    (sg.detrend, (y,), {"bp": [0, 3]}),
    (sg.hilbert, (y,), {}),
    (sg.hilbert, (y,), {"N": 6, "axis": 0}),
    (sg.hilbert2, (y,), {}),
    (lambda u: sg.envelope(u), (x,), {}),
    (lambda u: sg.resample(u, 5), (x,), {}),
    (lambda u: sg.resample(u, 9, axis=1, window="hann"), (y,), {}),
    (lambda h, u: sg.upfirdn(h, u, 3, 2), (drawn(5), x), {}),
    (sg.upfirdn, (drawn(3), tall), {"up": 2, "down": 3, "axis": 0}),
    *[
        (sg.upfirdn, (drawn(5), x), {"up": 2, "down": 3, "mode": mode})
        for mode in ("symmetric", "reflect", "edge", "wrap", "line", "smooth")
    ],
    (sg.upfirdn, (drawn(5), x), {"up": 2, "down": 3, "cval": 0.3}),
    (lambda u: sg.resample_poly(u, 3, 2), (x,), {}),
    *[
        (lambda u, p=p: sg.resample_poly(u, 2, 3, axis=1, padtype=p), (y,), {})
        for p in ("line", "mean", "median", "maximum")
    ],
    (lambda u: sg.decimate(u, 2), (long,), {}),
    (lambda u: sg.decimate(u, 2, ftype="fir"), (long,), {}),
    (lambda u: sg.decimate(u, 2, zero_phase=False), (long,), {}),
    (lambda u: sg.medfilt(u, 3), (x,), {}),
    (lambda u: sg.medfilt2d(u, 3), (image,), {}),
    (lambda u: sg.order_filter(u, np.ones((3, 3)), 2), (image,), {}),
    (lambda u, n: sg.wiener(u, 3, n), (image, np.float64(0.3)), {}),
    (lambda u: sg.wiener(u, (3, 5)), (image,), {}),
    *[(lambda u, d=d: sg.welch(u, nperseg=16, detrend=d)[1], (long,), {}) for d in ("constant", "linear", False)],
    (lambda u: sg.welch(u, 10.0, "hamming", 8, 2, 12, axis=0, scaling="spectrum"), (tall,), {}),
    (lambda u: sg.welch(u, window=hann, average="median")[1], (long,), {}),
    (lambda u: sg.welch(u * (1 + 2j), nperseg=8, return_onesided=False)[1], (long,), {}),
    (lambda u, v: sg.csd(u, v, nperseg=16)[1], (long, drawn(30)), {}),
    (lambda u, v: sg.coherence(u, v, nperseg=8)[1], (long, drawn(40, seed=1)), {}),
    (lambda u: sg.periodogram(u, window="hann", nfft=9)[1], (x,), {}),
    (lambda u: sg.spectrogram(u, nperseg=16)[2], (long,), {}),
    (lambda u: sg.spectrogram(u, nperseg=8, mode="magnitude")[2], (long,), {}),
    (lambda u: sg.stft(u, nperseg=8)[2], (x.repeat(2),), {}),
    (lambda u: sg.stft(u, nperseg=8, boundary=None, padded=False, detrend="linear", scaling="psd")[2], (long,), {}),
    (lambda u: sg.istft(u, nperseg=8)[1], (frames,), {}),
    (lambda u: stretches.stft(u), (x.repeat(2),), {}),
    (lambda u: stretches.stft_detrend(u, "linear", padding="even"), (x.repeat(2),), {}),
    (lambda u: doubled.spectrogram(u, u[::-1] ** 2), (x.repeat(2),), {}),
    (lambda u: centred.stft(u * (1 + 1j), axis=0), (tall,), {}),
    (lambda u: stretches.istft(u, k1=9), (frames,), {}),
    (lambda u: centred.istft(np.concatenate([u, u[:3]]) * 1j), (frames,), {}),
    (lambda u: chirped(u), (x,), {}),
    (lambda u: sg.czt(u, 5), (x,), {}),
    (lambda u: sg.zoom_fft(u, [0.1, 0.4], 6), (x,), {}),
    (lambda u, f: sg.lombscargle(uneven, u, f), (x, np.array([0.5, 1.3, 2.0])), {}),
    (lambda b, a: sg.freqz(b, a, 8)[1], (drawn(4), poles), {}),
    (lambda b: sg.freqz(b, 1, [0.1, 0.5], fs=7.0)[1], (drawn(4),), {}),
    (lambda w: sg.freqz(b, a, w)[1], (np.array([0.1, 0.5, 2.0]),), {}),
    (lambda b, a: sg.freqs(b, a, [0.1, 0.5, 2.0])[1], (drawn(4), poles), {}),
    (lambda k: sg.freqz_zpk([0.3], [0.5, -0.2], k, 8)[1], (np.float64(1.3),), {}),
    (lambda s: sg.freqz_sos(whole(s), 8)[1], (sections,), {}),
    (lambda s: sg.sosfreqz(whole(s), 8)[1], (sections,), {}),
    (lambda b: sg.group_delay((b, [1.0, 0.2]), 8)[1], (np.abs(drawn(3)) + 1.0,), {}),
    (lambda b, a: sg.bilinear(b, a, 2.0), (drawn(2), drawn(3)), {}),
    (lambda s: sg.sos2tf(whole(s)), (sections,), {}),
    (lambda k: sg.zpk2tf([0.3], [0.5, -0.2], k), (np.float64(1.3),), {}),
    (lambda k: sg.zpk2sos([0.3, -0.1], [0.5, -0.2], k), (np.float64(1.3),), {}),
    (lambda b, a: sg.normalize(b, a), (drawn(2), poles), {}),
    (lambda w: sg.butter(3, w), (np.float64(0.3),), {}),
    (lambda w: sg.butter(2, w, "bandpass"), (np.array([0.2, 0.5]),), {}),
    (lambda w: sg.butter(3, w, "high", output="sos"), (np.float64(0.3),), {}),
    (lambda w: sg.cheby1(3, 1.0, w), (np.float64(0.3),), {}),
    (lambda w: sg.cheby2(2, 20.0, w, "stop"), (np.array([0.2, 0.5]),), {}),
    (lambda w: sg.iirfilter(2, w, btype="low", output="zpk")[2], (np.float64(0.3),), {}),
    (lambda w: sg.lp2lp_zpk(np.zeros(0), np.array([-1.0, -2.0]), 1.5, w)[1], (np.float64(0.7),), {}),
    (lambda w: sg.lp2hp_zpk(np.zeros(0), np.array([-1.0, -2.0]), 1.5, w), (np.float64(0.7),), {}),
    (lambda w: sg.lp2bp_zpk(np.zeros(0), np.array([-1.0, -2.0]), 1.5, w, 0.3)[1], (np.float64(0.7),), {}),
    (lambda w: sg.lp2bs_zpk(np.zeros(0), np.array([-1.0, -2.0]), 1.5, w, 0.3)[1], (np.float64(0.7),), {}),
    (lambda p: sg.bilinear_zpk(np.zeros(0), p, 1.5, 2.0), (np.array([-1.0, -2.0]),), {}),
    (lambda w, q: sg.iirnotch(w, q), (np.float64(0.3), np.float64(5.0)), {}),
    (lambda w, q: sg.iirpeak(w, q), (np.float64(0.3), np.float64(5.0)), {}),
    (lambda c: sg.firwin(7, c), (np.float64(0.3),), {}),
    (lambda g: sg.firwin2(7, [0, 0.5, 1], g), (np.array([1.0, 0.5, 0.2]),), {}),
    (lambda g: sg.firls(7, [0, 0.4, 0.6, 1], g), (np.array([1.0, 0.9, 0.2, 0.1]),), {}),
    (lambda t, f: sg.gausspulse(t, f, retquad=True, retenv=True), (x * 0.2, np.float64(2.0)), {}),
    *[
        (lambda t, f, g, m=m: sg.chirp(t, f, 1.5, g, m), (np.abs(x), np.float64(1.2), np.float64(2.7)), {})
        for m in ("linear", "quadratic", "logarithmic", "hyperbolic")
    ],
    (lambda t: sg.sweep_poly(t, [0.3, 1.0, 0.2]), (x,), {}),
    (lambda t, w: sg.sawtooth(t, w), (x, np.float64(0.4)), {}),
    (lambda t: t * sg.square(t, 0.3), (x,), {}),
    (lambda u: sg.gauss_spline(u, 3), (x,), {}),
    (lambda u: sg.cspline1d(u), (x,), {}),
    (lambda u, v: sg.cspline1d_eval(u, v), (x, np.array([1.3, 2.7, 5.1])), {}),
    (lambda u: sg.qspline1d(u), (x,), {}),
    (lambda u, v: sg.qspline1d_eval(u, v), (x, np.array([1.3, 2.7, 5.1])), {}),
    (lambda u: sg.vectorstrength(u, 2.0)[0], (x,), {}),
    (lambda u, v: sg.convolve(u, v, method=sg.choose_conv_method(u, v)), (x, drawn(3)), {}),
    (lambda u: u[sg.find_peaks(u)[0]], (long,), {}),
    (lambda u: tuple(sg.find_peaks(u, -9, 0, 2, 0, 0)[1].values()), (long,), {}),
    (lambda u: sg.peak_widths(u, sg.find_peaks(u)[0], 0.4), (long,), {}),
    (lambda u: sg.peak_prominences(u, sg.argrelmax(u)[0])[0], (long,), {}),
    (lambda u: u[sg.argrelmin(u)[0]] * u[sg.argrelextrema(u, np.less, order=2)[0][0]], (long,), {}),
    (lambda s: sw.gaussian(7, s), (np.float64(2.0),), {}),
    (lambda p, s: sw.general_gaussian(7, p, s), (np.float64(1.5), np.float64(2.0)), {}),
    (lambda s: sw.kaiser(7, s), (np.float64(3.0),), {}),
    (lambda s: sw.tukey(9, s), (np.float64(0.4),), {}),
    (lambda s: sw.general_hamming(7, s), (np.float64(0.6),), {}),
    (lambda s: sw.general_cosine(7, s), (drawn(3),), {}),
    (lambda s: sw.exponential(7, None, s), (np.float64(2.0),), {}),
    (lambda s: sw.kaiser_bessel_derived(8, s), (np.float64(3.0),), {}),
    (lambda s: sw.chebwin(7, s), (np.float64(60.0),), {}),
    (lambda s: sw.get_window(("general_gaussian", 1.5, s), 7), (np.float64(2.0),), {}),
    (lambda s: sg.get_window(("kaiser", s), 7, fftbins=False), (np.float64(3.0),), {}),
]

IMAGES: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
    *[(nd.correlate1d, (y, drawn(4)), {"mode": mode, "cval": 0.7}) for mode in MODES],
    (nd.correlate1d, (drawn(3), drawn(9)), {"mode": "reflect"}),
    (nd.correlate1d, (y, drawn(4)), {"axis": 0, "origin": -1}),
    (lambda u, w: nd.correlate1d(u * (1 + 2j), w * 1j), (x, drawn(3)), {}),
    (nd.convolve1d, (y, drawn(4)), {"origin": 1}),
    (nd.convolve1d, (y, drawn(3)), {"mode": "mirror"}),
    (nd.correlate, (image, drawn(3, 2)), {"origin": (1, 0)}),
    (nd.correlate, (volume, drawn(2, 2)), {"axes": (0, 2)}),
    (nd.convolve, (image, drawn(3, 2)), {"mode": "wrap"}),
    (nd.convolve, (image, drawn(2, 4)), {"origin": -1, "output": np.float64}),
    *[(nd.gaussian_filter1d, (x, np.float64(0.8)), {"order": k, "mode": "nearest"}) for k in range(4)],
    (nd.gaussian_filter, (image, np.float64(0.6)), {}),
    (nd.gaussian_filter, (image, np.array([0.6, 0.8])), {"order": (1, 0), "mode": ["wrap", "nearest"]}),
    (nd.gaussian_filter, (image,), {"sigma": (0, 0.7), "radius": 2}),
    (nd.uniform_filter1d, (y,), {"size": 4, "axis": 0, "mode": "constant", "cval": 0.3}),
    (nd.uniform_filter, (image,), {"size": (2, 3), "origin": (0, 1)}),
    (nd.laplace, (image,), {}),
    (nd.sobel, (image,), {"mode": ["wrap", "nearest"]}),
    (nd.prewitt, (image,), {"axis": 0}),
    (nd.gaussian_laplace, (image, np.float64(0.6)), {}),
    (nd.gaussian_gradient_magnitude, (image, np.float64(0.6)), {}),
    (lambda u: nd.generic_laplace(u, nd.sobel), (image,), {}),
    (lambda u: nd.generic_gradient_magnitude(u, nd.prewitt), (image,), {}),
    (nd.median_filter, (image,), {"size": 3}),
    (nd.median_filter, (image,), {"footprint": cross, "mode": "nearest"}),
    (nd.median_filter, (x,), {"size": 4}),
    (nd.percentile_filter, (image,), {"percentile": 30, "size": 3}),
    (nd.rank_filter, (image,), {"rank": -2, "size": 3, "origin": 1}),
    (nd.maximum_filter, (image,), {"size": 3}),
    (nd.maximum_filter, (image,), {"footprint": cross}),
    (nd.minimum_filter, (image,), {"size": (3, 2), "mode": "constant", "cval": 0.2}),
    (nd.maximum_filter1d, (y,), {"size": 3}),
    (nd.minimum_filter1d, (y,), {"size": 2, "axis": 0, "origin": -1}),
    *[
        (getattr(nd, name), (image,), {"size": (2, 2)})
        for name in (
            *("grey_erosion", "grey_dilation", "grey_opening", "grey_closing", "morphological_gradient"),
            *("morphological_laplace", "white_tophat", "black_tophat"),
        )
    ],
    (lambda u, s: nd.grey_dilation(u, structure=s), (image, drawn(2, 2, low=0.0, high=0.1)), {}),
    (lambda u: nd.vectorized_filter(u, np.mean, size=3), (image,), {}),
    *[(nd.spline_filter1d, (y,), {"order": 2 + k % 4, "axis": 0, "mode": mode}) for k, mode in enumerate(MODES)],
    (nd.spline_filter, (image,), {"order": 3}),
    *[(nd.map_coordinates, (image, places), {"order": 1 + k % 3, "mode": m, "cval": 0.7}) for k, m in enumerate(MODES)],
    *[(nd.map_coordinates, (image, inside), {"order": order}) for order in range(6)],
    *[(nd.shift, (image, np.array([0.31, -1.23])), {"order": 3, "mode": mode, "cval": 0.4}) for mode in MODES],
    (nd.shift, (image, np.float64(0.3)), {"order": 2, "prefilter": False}),
    *[(nd.zoom, (image,), {"zoom": (1.6, 0.7), "order": k % 6, "mode": m}) for k, m in enumerate(MODES)],
    (nd.zoom, (image,), {"zoom": 1.5, "mode": "grid-constant", "grid_mode": True}),
    (nd.rotate, (image, np.float64(20.0)), {"reshape": False}),
    (nd.rotate, (volume,), {"angle": 31.0, "axes": (0, 2), "order": 1, "mode": "reflect"}),
    (lambda u, m: nd.affine_transform(u, m, offset=0.237), (image, turned), {}),
    (
        lambda u, m, o: nd.affine_transform(u, m, o, mode="mirror"),
        (image, np.array([0.9, 1.2]), np.array([0.337, -0.237])),
        {},
    ),
    (lambda u: nd.geometric_transform(u, lambda c: (c[0] * 0.8 + 0.1, c[1] + 0.3), mode="nearest"), (y,), {}),
    (nd.sum, (image,), {}),
    (nd.sum_labels, (image,), {"labels": labels, "index": [0, 2]}),
    (nd.mean, (image,), {"labels": labels, "index": 1}),
    (nd.variance, (image,), {"labels": labels, "index": [2, 0]}),
    (nd.standard_deviation, (image,), {"labels": labels}),
    (nd.minimum, (image,), {"labels": labels, "index": [0, 1]}),
    (nd.maximum, (image,), {"labels": labels, "index": [0, 1]}),
    (nd.median, (image,), {"labels": labels, "index": [0, 1]}),
    (lambda u: nd.extrema(u, labels, [0, 1])[:2], (image,), {}),
    (nd.center_of_mass, (image**2,), {}),
    (lambda u: tuple(nd.center_of_mass(u, labels, 1)), (image**2,), {}),
    (lambda u: nd.labeled_comprehension(u, labels, [0, 1], np.mean, float, 0), (image,), {}),
    (nd.fourier_gaussian, (image, np.float64(0.7)), {}),
    (nd.fourier_gaussian, (image,), {"sigma": 0.7, "n": 10}),
    (lambda u: nd.fourier_uniform(u * 1j, 3), (image,), {}),
    (nd.fourier_ellipsoid, (image,), {"size": 3}),
    (nd.fourier_ellipsoid, (volume,), {"size": 2}),
    (nd.fourier_shift, (image, np.array([1.5, 0.2])), {}),
]

SPECTRA: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
    *[(getattr(sf, n), (x,), {}) for n in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft", "fftshift", "ifftshift")],
    *[
        (getattr(sf, n), (y,), {})
        for n in (
            *("fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn"),
            *("hfft2", "ihfft2", "hfftn", "ihfftn"),
        )
    ],
    (sf.rfftn, (y,), {"s": (3, 8), "axes": (0, 1), "norm": "ortho"}),
    (lambda u: sf.hfftn(u * (1 + 2j), s=(4, 6), norm="forward"), (y,), {}),
    *[
        (getattr(sf, name), (y,), {"type": type, "norm": norm})
        for name in ("dct", "idct", "dst", "idst")
        for type, norm in ((1, "ortho"), (2, None), (3, "forward"), (4, "ortho"), (2, "ortho"), (3, "ortho"), (1, None))
    ],
    (sf.dct, (y,), {"axis": 0, "n": 6, "orthogonalize": True}),
    (sf.dst, (y,), {"axis": 0, "n": 3, "norm": "ortho", "orthogonalize": False}),
    (lambda u: sf.dct(u * (1 + 2j)), (y,), {}),
    (sf.dctn, (volume,), {"type": 1, "s": (3, 4), "axes": (0, 1)}),
    *[(getattr(sf, name), (volume,), {"norm": "ortho"}) for name in ("idctn", "dstn", "idstn")],
    (lambda u: sf.fht(u, 0.1, 0.3, offset=0.1, bias=0.2), (x,), {}),
    (lambda u: sf.ifht(u, 0.1, 0.3), (x,), {}),
]

OLDER = [
    *[
        (getattr(sp, n), (y,), {})
        for n in ("fft", "ifft", "fft2", "ifft2", "fftn", "ifftn", "dct", "idct", "dst", "idst")
    ],
    (sp.idct, (x,), {"type": 3, "norm": "ortho"}),
]

ROWS = [*SIGNAL, *IMAGES, *SPECTRA, *OLDER]
