"""Every way in which NumPy writes into an array, and what is a view of what: NumPy's values, and the right derivatives.

A form is code that works on ``x``, the argument, and on ``y``, an array made of it in one of the ways of `MADE`.
"""

from __future__ import annotations

import inspect
import operator
import random
from typing import Any

import numpy as np
import pytest

import backpass as bp
from backpass.graph.errors import TracingError
from backpass.graph.op import FUNCTIONS, OUT

X = np.array([0.7, 1.3, 0.4, 1.9, -0.6, 2.2, 0.9, 1.6, -0.3, 1.1, 0.55, 2.05])
GENERATOR = np.random.default_rng(5)
MADE = {
    "traced": "y = x.reshape(4, 3) * 2.0",
    "in F order": "y = np.asfortranarray(x.reshape(4, 3) * 2.0)",
    "buffer": "y = np.ones((4, 3)); y[1] = 3.0",
    "half filled": "y = np.ones((4, 3), order='F'); y[1] = x[:3]",
    "a view": "y = np.concatenate([x, x]).reshape(8, 3)[::2]",
}
END = "return np.sum(y * y * weights(y)) + np.sum(x) * y[0, 0]"

WRITERS = """
np.put(y, [0, 2, 7], [x[1], x[0] * x[3], 3.0])
np.put(y, [0, 3, 3, -1], x[1:3])
np.put(y, [0, 55, -100], x[0], mode="wrap"); np.put(y, [55, -20], x[2], "clip")
np.put(a=y.T, ind=1, v=x[:2])
y.put([1, 4], x[0]); y[1].put([0, 2], x[:2], mode="clip")
np.place(y, PLACES, x[:2])
np.place(arr=y.T, mask=PLACES.T, vals=[x[0], 3.0, x[5]])
np.putmask(y, PLACES, x.reshape(4, 3))
np.putmask(y[1:], PLACES[1:], x[:4])
np.copyto(y, x.reshape(4, 3) ** 2)
np.copyto(y[:, 1], x[:4]); np.copyto(dst=y.T[0], src=3.0); np.copyto(y, x[0], where=PLACES)
np.copyto(y, x[:3] * 2, where=np.arange(3) > 0, casting="unsafe")
np.fill_diagonal(y, x[1])
np.fill_diagonal(a=y, val=x[:4], wrap=True)
np.fill_diagonal(y[:, ::-1], x[:3])
np.put_along_axis(y, np.array([[0], [2], [1], [1]]), x[0] * x[1], axis=1)
np.put_along_axis(arr=y, indices=np.array([[0, 3, 1]]), values=x[:3], axis=0)
y = y.copy(); np.put_along_axis(y, np.array([0, 5, 7]), x[:3], None)
np.random.default_rng(0).shuffle(y)
np.random.default_rng(0).shuffle(y, axis=1); np.random.default_rng(1).shuffle(y[0])
np.random.seed(3); np.random.shuffle(y); np.random.shuffle(y[:, 0])
np.random.RandomState(3).shuffle(y); np.random.Generator(np.random.PCG64(2)).shuffle(y)
np.random.default_rng(0).permuted(y, axis=1, out=y)
random.Random(0).shuffle(y[0]); rows = list(y); random.Random(1).shuffle(rows); y[1] = rows[0] * x[0]
rng = np.random.default_rng(7); y[:] = rng.permutation(y) * x[0]; y[:] = rng.permutation(y, axis=1)
rng = np.random.default_rng(7); y[0] = rng.choice(x, 3); y[1] = rng.permuted(x)[:3] + rng.normal(size=3)
np.random.seed(1); y[0] = np.random.choice(x, 3) * np.random.rand(); y[1:3] = np.random.permutation(y)[:2]
y.flat[3] = x[0] * x[1]; y.flat[-1] = 7; y.flat[2] *= x[0]; y.flat[5:9] += x[1]
y.flat[1:7:2] = x[:3]; y.flat[[0, 4, 4]] = x[:3]; y.flat[np.arange(12) % 5 == 0] = x[7]
y.flat[:] = x[::-1]; y.T.flat[1:4] = x[:3]
y.flat[...] = x * x
y.flat = x[:3]
y.sort(); y.sort(axis=0)
y[:, 1].sort(); y.T[0].sort(); y[::-1].sort(kind="stable")
y.fill(x[0] * x[1]); y[2].fill(x[3]); y.T[1].fill(2.0)
y.partition(1); y.partition(2, axis=0); y[:, 0].partition((1, 2))
y.resize((2, 5), refcheck=False); y[0, 1] = x[3]
y.resize(20, refcheck=False); y = y.reshape(4, 5); y[3, 4] = x[0] + y[0, 2]
y = y.copy(); y.shape = (2, 6); y[0] *= x[0]; y.shape = (12,); y[3] = x[5]; y.shape = -1, 4
y = y.copy(); v = y[1:]; u = v[::2]; y.shape = 12; v[0] = x[1]; y[3] = x[2]; u[1] *= x[3]; y = y.reshape(3, 4)
y = y.copy(); v = y[1:3]; w = v[0]; v.shape = 6; v[1] = x[0]; w[2] = x[1]; y[2] += x[2]; y = y + np.sum(v)
y.__setitem__(1, x[0]); y.__iadd__(x[3]); operator.setitem(y, slice(1, 3), x[:3]); y = operator.imul(y, x[1])
y.clip(0.5, 1.5, out=y); np.clip(y, 0.6, x[0] + 1, y)
y.round(1, y); y += x[0]
np.add.at(y, ([0, 1, 1], [2, 0, 0]), x[:3]); np.subtract.at(y, [1, 1, 3], x[4]); np.add.at(y, 2, x[:3])
np.add.at(y, (slice(None), [0, 0]), x[:8].reshape(4, 2)); np.add.at(y, ..., x[1]); np.add.at(y, PLACES, x[0])
np.multiply.at(y, [0, 0, 2, 0], x[:3]); np.divide.at(y, ([1, 1, 1], [0, 0, 2]), x[:3] + 3)
np.maximum.at(y, ([1, 1, 1, 3], [0, 0, 2, 1]), x[:4]); np.minimum.at(y[2], [0, 0, 1], x[3:6])
np.hypot.at(y, [0, 0], x[0]); np.arctan2.at(y, [2, 2], x[:3] + 2); np.logaddexp.at(y, ([3, 3], [1, 1]), x[3])
np.power.at(y, ([0, 1], [0, 0]), x[0]); np.multiply.at(y, slice(0, 2), x[0]); np.multiply.at(y, PLACES, x[1])
np.square.at(y, [0, 0, 2]); np.sin.at(y, ([1, 1], [1, 1])); np.negative.at(y, [3, 3, 3]); np.exp.at(y, 1)
y.T[...] = x.reshape(3, 4); y.T[1] *= x[0]
y.ravel()[3] = x[1]; np.ravel(y)[2:5] = x[:3]; y.ravel("F")[0] = x[2]
z = y.copy(); z.ravel("K")[1] = x[7]; y[:] = z; y.T.ravel()[2] = 9.0
y.reshape(-1)[2:5] = x[:3]; y.reshape(2, 6)[1] *= x[0]; np.reshape(y, (3, 4))[0, 0] = x[1]
y.flatten()[2] = x[0]; y.copy()[0] = 3.0; np.copy(y)[0] = x[0]; y.astype(float)[1] = 2.0; y *= x[0]
y.real[1] = x[0]; y.real = y.real * 2; np.real(y)[0] = x[3]; y.conj()[2] = x[5]; y.view()[3] = x[1]
z = np.zeros(12, complex); z.real[...] = x; z.imag[1:3] = x[0]; np.imag(z)[4] = x[2]; y[:] = np.abs(z).reshape(4, 3)
np.swapaxes(y, 0, 1)[0] = x[:4]; np.moveaxis(y, 0, 1)[1] = x[1:5]
np.rollaxis(y, 1)[2, 2] = x[9]; y.swapaxes(0, 1)[0] *= 2
np.expand_dims(y, 0)[0, 1] = x[:3]; y[None][0, 2] = x[1:4]
np.squeeze(y[None])[3] = x[1]; np.atleast_3d(y)[0, 0, 0] = x[8]
np.split(y, 2)[1][0] = x[:3]; a, b = np.hsplit(y, [1]); a[...] = x[1]; b *= 2; np.array_split(y, 3)[0][:] += x[2]
np.flip(y, 0)[0] = x[:3]; np.fliplr(y)[:, 0] = x[:4]; np.rot90(y)[0, 0] = x[1]; y[::-1, ::-1][0, 0] = x[6]
np.einsum("ij->ji", y)[0] = x[:4]; np.einsum("ii->i", y[:3])[...] = x[3]
for row, s in zip(y, x.reshape(4, 3)): row[:] = s * s; row[1] = row[0] * x[0]
a, b, c, d = y; a += b; c[:] = d; d[0] = x[5]
y[0], y[1] = y[1], y[0]; y[[2, 3]] = y[[3, 2]]; y[0, 0], y[1, 1] = y[1, 1], x[0]
z = y.copy(); z[0] = y[1]; z[2] = z[0]; y[:] = z * x[0]
y[1:] = y[:-1]; y[1:] += y[:-1]; y[::-1][:2] = y[:2]; y *= x[0]
r = np.multiply(y, x[0], out=y); r[0] = x[1]; np.add(y, x[:3], y); np.sin(y, y)
np.exp(x[:4], out=y[:, 1]); np.add(x[:3], 1, out=y[2])
np.subtract(y[1:], y[:-1], out=y[1:]); np.add(y, y, out=y[::-1])
np.log(np.abs(x[:3]) + 1, out=y[0], where=[True, False, True]); np.divide(1.0, K, out=y[1], where=K != 0); y *= x[0]
y[0] = 0.0; np.divide(1.0, K, y[0], where=K != 0); np.add(K, K, out=y[1], where=[True, True, False]); y += x[0]
np.divmod(x[:3] + 5, 1.3, out=(y[0], y[1])); np.modf(x[:3] + 5, y[2], y[3]); y *= x[0]
np.sum(x.reshape(4, 3), 0, None, y[0]); x.reshape(4, 3).mean(axis=0, out=y[1]); x.reshape(4, 3).max(0, y[2])
np.cumsum(x.reshape(4, 3), axis=0, out=y); x.reshape(4, 3).cumprod(1, None, y)
z = np.empty((4, 3)); np.dot(y, x[:9].reshape(3, 3), z)[0] = x[1]; y[:] = z
np.matmul(y.T, y, out=y[:3]); np.einsum("i,i->i", x[:3], x[1:4], out=y[3])
np.concatenate([x[:6], x[3:9]], out=y.reshape(-1) if y.flags.c_contiguous else np.empty(12)); y *= x[0]
np.stack([x[:3], x[3:6]], out=y[:2]); np.take(x, [0, 1, 1], out=y[2]); x.take([2, 1, 0], None, y[3], "clip")
np.add.reduce(x.reshape(4, 3), out=y[0]); np.multiply.accumulate(x[:3], out=y[1])
np.multiply.outer(x[:2], x[:3], out=y[2:])
np.choose([0, 1, 0], [x[:3], x[3:6]], out=y[0]); np.compress([1, 1, 1], x[:3], out=y[1])
x[:3].compress([1, 1, 1], out=y[2])
np.var(x.reshape(4, 3), 0, None, y[0]); np.median(x.reshape(4, 3), 0, out=y[1])
np.quantile(x, [0.2, 0.5, 0.7], out=y[2])
np.nansum(x.reshape(4, 3), axis=0, out=y[0]); np.nanmax(x.reshape(4, 3), axis=0, out=y[1])
np.prod(x.reshape(4, 3), 0, out=y[2])
np.nan_to_num(y, copy=False)[0] = x[3]; np.nan_to_num(y[1:], copy=False, nan=1.0)[0] *= x[1]
for v in np.nditer(y, op_flags=["readwrite"]): v[...] = v * v + x[0]
it = np.nditer([x[:3], y], op_flags=[["readonly"], ["readwrite"]])\\nfor a, b in it: b[...] = a * a + b
it = np.nditer(y, ["multi_index"], ["readwrite"])\\nwhile not it.finished: it[0] *= x[it.multi_index[0]]; it.iternext()
it = np.nditer([y, x[:3], None])\\nfor a, b, c in it: c[...] = a * b\\ny = it.operands[2] + it.nop + it.itersize
for k, v in enumerate(np.nditer(y)): v = v * k; y[k % 4, 0] += v
for k, v in enumerate(np.nditer(y[:, ::-1])): y[0, 1] = y[0, 1] + k * v
for k, v in enumerate(np.nditer(y.T, order="F")): y[0, 1] = y[0, 1] + k * v
it = np.nditer(y, ["c_index"])\\nfor v in it: y[0, 0] = y[0, 0] + v * it.index
it = np.nditer(y, ["f_index"])\\nfor v in it: y[0, 0] = y[0, 0] + v * it.index
for k, v in np.ndenumerate(y): y[k] = v * v * x[k[0]]
for k in np.ndindex(y.shape): y[k] = x[k[0]] ** 2 + y[k]
for k in np.ndindex(*y.shape): y[k] *= x[k[1]]
v = sliding_window_view(y, 2, axis=0); y[1] = x[:3]; y[2:] *= 2; y[0] = np.sum(v, axis=(0, 2))
z = y.copy(); v = as_strided(z, (3, 2), z.strides); z[1, 1] = x[0]; y[0, :2] = v[1] * v[2]
y[np.ix_([0, 2], [1, 2])] = np.outer(x[:2], x[1:3]); y[np.diag_indices(3)] = x[:3]; y[np.tril_indices(3, -1)] += x[0]
y[np.unravel_index([0, 3], (4, 3))] = x[:2]; y[1:3] = [x[:3], x[3:6]]; y[3] = (x[0], 2.0, x[1])
y[:, None, 1][:, 0] = x[:4]; y[..., 0] = x[0]; y[1, ...] = x[:3]; y[()] *= 2.0
""".strip().splitlines()

RESULTS = (
    """
np.ravel(y); y.T; y[None]; np.squeeze(y[None]); np.flip(y); np.rot90(y); np.atleast_3d(y); np.moveaxis(y, 0, 1)
np.swapaxes(y, 0, 1); y.reshape(-1); y.view(); np.asarray(y); np.expand_dims(y, 1); y.swapaxes(0, 1); y.squeeze()
y.transpose(); np.split(y, 3, axis=1)[1]; np.array_split(y, 2)[1]; y.real; y.mT; np.real(y)
np.ascontiguousarray(y); np.asfortranarray(y); np.array(y, copy=False); y[...]; np.vsplit(y, 2)[0]
np.dsplit(y[None], 3)[1]; np.hsplit(y, 3)[2]; np.rollaxis(y, 1); np.require(y); np.asanyarray(y)
y.astype(float, copy=False); np.transpose(y); np.permute_dims(y, (1, 0)); np.matrix_transpose(y); np.unstack(y)[1]
np.fliplr(y); np.flipud(y); y.flatten(); y.copy(); np.asarray(y, copy=True); y.astype(float); np.asarray(y, float)
np.array(y, float, copy=None); np.nan_to_num(y, copy=False); np.nan_to_num(y); np.triu(y); np.tril(y)
np.round(y, 3); np.positive(y); np.conjugate(y); y.conj(); np.broadcast_to(y, (4, 3)); np.take(y, 0, 0)
np.atleast_1d(y); np.block(y); np.concatenate([y]); np.stack([y]); np.where(True, y, 0); np.copysign(y, y)
np.clip(y, None, 9); np.sort(y); np.roll(y, 0); np.resize(y, (4, 3)); np.repeat(y, 1, 0); np.tile(y, 1)
np.pad(y, 0); np.append(y, []); np.compress([1, 1, 1, 1], y, 0); np.extract([1, 1], y); np.choose([0], [y[0]])
np.select([True], [y]); np.cumsum(y, 0); np.diff(y, n=0); np.unwrap(y); np.trapezoid(y); np.squeeze(y)
np.linalg.matrix_power(y[:2, :2], 1); np.linalg.matrix_transpose(y); np.linalg.diagonal(y); np.diag(y)
y.diagonal(); np.ediff1d(y); np.nan_to_num(y, True); np.ravel(y, "A"); np.ravel(y, "F"); y.ravel("F")
y.reshape(3, 4, order="F"); y.reshape((12,), copy=True); np.reshape(y, (12,), copy=False)
np.reshape(y, (12,), copy=True); np.astype(y, float); np.astype(y, float, copy=False); y.sum(axis=())
np.sum(y, axis=()); np.max(y[None], axis=0); y.take([0], axis=0); y.clip(None, None); y.round(3); y.repeat(1)
np.apply_along_axis(lambda r: r, 0, y); np.vectorize(lambda a: a)(y); np.array(list(y)); np.asarray([y])[0]
np.c_[y]; np.r_[y]; np.einsum("ij", y); np.einsum("ij->ij", y); np.einsum("ij->ji", y); np.dot(y, np.eye(3))
np.hstack([y]); np.vstack([y]); np.dstack([y]); np.column_stack([y]); np.rot90(y, 0); np.rot90(y, 2)
np.moveaxis(y, 0, 0); np.real_if_close(y); np.asarray_chkfinite(y)
np.lib.stride_tricks.sliding_window_view(y, (1, 1)); np.fmod(y, 100.0); np.partition(y, 0)
np.put_along_axis(y, np.array([[0]]), 7.0, 0) or 0.0; np.piecewise(y, [y > 0], [lambda v: v, 0])
np.squeeze(y[:, :1]); y[:, 0]; y[..., 1]; y[1]; y[0:1]; y[::2, ::2]; y[:, [0, 1]]; y[[0, 1]]; y[None, 0]; y[0, ...]
y.T.T; y.reshape(4, 3); y.reshape(1, 12); y.T.reshape(12); y.T.ravel(); y.T.ravel("F"); y.T.ravel("A")
np.ravel(y.T, order="A"); y.T.reshape(4, 3, order="F"); y.T.reshape(12, order="A"); np.reshape(y.T, 12, order="A")
y.copy(order="F").ravel("A"); np.ravel(y[0]); np.ravel(y[:, 0]); y[:, 0].ravel(); y[:, 1:].ravel()
y[:, 1:].reshape(8); y[:1].ravel(); y.reshape(-1)[::2]; y.reshape(12)[1:3]; y.swapaxes(0, 1).reshape(3, 4)
np.asfortranarray(y.T); np.ascontiguousarray(y.T); np.ascontiguousarray(y[0]); np.asarray(y, order="F")
np.asarray(y.T, order="F"); np.array(y.T, order="C", copy=None); np.array(y, ndmin=3, copy=None)
np.array(y, ndmin=3); np.asarray(y, dtype="float64"); np.asarray(y, np.float32); np.asarray(y, complex)
np.require(y, requirements=["O"]); np.require(y.T, requirements="C"); np.require(y, float, ["F"])
np.require(y, requirements=["OWNDATA", "W"]); np.require(y[0], requirements=["O"]); np.copy(y)
np.copy(y.T, order="K"); np.copy(y.T); y.astype("f8", copy=False, order="F")
y.T.astype(float, order="C", copy=False); y.astype(float, order="F"); np.imag(y + 0j); np.rot90(y, 4)
np.rot90(y, axes=(1, 0)); np.flip(y, ()); np.flip(y, (0, 1)); np.roll(y, 1); np.expand_dims(y, (0, 1))
np.atleast_2d(y[0]); np.atleast_3d(y[0]); np.broadcast_arrays(y)[0]; np.broadcast_to(y, y.shape)
np.split(y, [1])[0]; np.unstack(y, axis=1)[0]; np.diagonal(y, 1); np.diag(y, -1); y.diagonal(offset=1)
np.squeeze(y, ()); y.view(np.float64); y.view(type=np.ndarray); np.conj(y); +y; np.abs(y)
np.hsplit(y, 1)[0]; np.dsplit(y[None], 1)[0]; next(iter(y)); list(y)[1]; y.item(0); y.tolist()[0][0]
np.moveaxis(y[None], 0, -1); np.rollaxis(y[None], 2); np.transpose(y, (0, 1)); np.permute_dims(y)
np.nditer(y).operands[0]; np.select([np.ones((4, 3), bool)], [y]); np.where(np.ones((4, 3), bool), y, y)
np.choose(np.zeros((4, 3), int), [y]); np.take_along_axis(y, np.array([[0], [0], [1], [2]]), 1); y.take(np.arange(12))
y.sum(axis=0); np.max(y, 0); np.mean(y, axis=0); np.median(y, 0); np.sort(y, 0); y.cumsum(0); np.triu(y, -9)
np.tril(y, 9); np.append(y[0], []); np.delete(y, 5, None); np.interp(y[0], [0, 1], [0, 1]); np.block([[y]])
np.einsum("ij->", y); np.einsum("ii->i", y[:2, :2]); np.einsum("ii", y[:2, :2]); np.einsum(y, [0, 1])
np.einsum(y, [0, 1], [1, 0]); np.einsum("...", y); np.einsum("i...->...i", y); np.fft.fftshift(y)
np.fft.ifftshift(y); np.diff(y, n=0); np.cov(y); np.meshgrid(y[0], copy=False)[0]
np.apply_along_axis(lambda r: r, 1, y); np.apply_over_axes(np.sum, y, [0]); np.array_split(y[0], 2)[0]
np.resize(y, 12); np.repeat(y, 1); np.concatenate([y, y]); np.stack([y])[0]; np.asarray(y[0])
np.asarray([y[0], y[1]]); np.array([y])[0]; np.vander(y[0], 2); np.outer(y[0], 1.0); np.kron(y, 1.0)
np.dot(y, 1.0); np.multiply(y, 1.0); y.clip(-9, 99); y.round(9); y.dot(np.eye(3)); y.repeat(1, 0)
y.compress([1, 1, 1, 1], 0); y.swapaxes(0, 0); y.transpose(0, 1); y.flat[:]; y.flat[0]; y.flat[[0, 1]]
y.reshape(4, 3, copy=True); np.reshape(y, (3, 4), copy=None); np.sum(y[None], 0)
np.squeeze(np.sum(y, 0, keepdims=True)); np.max(y[None], 0); np.prod(y[None], 0); np.mean(y[None], 0); np.ptp(y, 0)
np.flip(y.T, 1); np.expand_dims(y[0], 1); y.view(np.ndarray); np.require(y[0], float, "C")
y[:, 0].astype(float, copy=False, order="C"); np.ascontiguousarray(y[:, 0]); np.broadcast_arrays(y, y)[1]
np.ravel(y[:, :2])
""".replace("\n", ";")
    .strip(";")
    .split(";")
)
"""What may be a view of ``y``, or a copy."""

NEEDS_VALUES = ("np.place", "PLACES]", ".partition(", ".flags", "PLACES, x[1]")
"""What a graph for all values cannot hold; with these a refusal while compiling is right."""


def test_out_by_place_is_known_of_every_function():
    for function in FUNCTIONS:
        if callable(function) and not isinstance(function, np.ufunc) and function.__module__.startswith("numpy"):
            try:
                given = inspect.signature(function).parameters.values()
            except ValueError:
                continue
            places = [p.name for p in given if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
            if "out" in places:
                assert OUT[function] == places.index("out"), function


def weights(y: Any) -> np.ndarray:
    return np.cos(np.arange(y.size)).reshape(y.shape) + 1.5


def made(code: str) -> Any:
    scope: dict[str, Any] = {
        "np": np,
        "random": random,
        "operator": operator,
        "weights": weights,
        "PLACES": np.arange(12).reshape(4, 3) % 3 == np.array([[1], [0], [2], [0]]),
        "PLAIN": np.zeros((4, 3)),
        "K": np.array([2.0, 0.0, 4.0]),
        "sliding_window_view": np.lib.stride_tricks.sliding_window_view,
        "as_strided": np.lib.stride_tricks.as_strided,
    }
    exec("def f(x):\n    x = np.array(x)\n" + "\n".join("    " + line for line in code.split("\\n")), scope)
    return scope["f"]


def refused_or(call: Any) -> Any:
    try:
        return call()
    except (TracingError, ValueError) as error:
        return error


@pytest.mark.parametrize("code", WRITERS)
def test_writers(code: str) -> None:
    for how, start in MADE.items():
        f = made(f"{start}\\n{code}\\n{END}")
        try:
            wanted = f(X)
        except ValueError:
            with pytest.raises(ValueError, match=r"own|contiguous|C-Array|C-array|referenced"):
                bp.grad(f)(X)  # NumPy will not have it either
            continue
        value, gradient = bp.value_and_grad(f)(X)
        assert np.array_equal(value, wanted), how
        direction = np.sin(1.0 + np.arange(X.size))
        step = 1e-6
        slope = (f(X + step * direction) - f(X - step * direction)) / (2 * step)
        np.testing.assert_allclose(gradient @ direction, slope, rtol=1e-6, atol=1e-5, err_msg=how)
        np.testing.assert_allclose(bp.jvp(f, (X,), (direction,))[1], gradient @ direction, rtol=1e-9, atol=1e-10)
        staged = refused_or(lambda f=f: bp.trace(bp.value_and_grad(f), X)(X))
        if isinstance(staged, TracingError):
            assert any(part in code for part in NEEDS_VALUES) or ("memory" in str(staged) and how != "traced"), staged
        else:
            np.testing.assert_allclose(staged[0], wanted, rtol=1e-13)
            np.testing.assert_allclose(staged[1], gradient, rtol=1e-10, atol=1e-11)


INTO_A_GLOBAL = (
    """
PLAIN[0] = x[:3]; PLAIN += x[0]; np.exp(x[:3], out=PLAIN[0]); np.exp(x[:3], PLAIN[0]); np.cumsum(x[:3], out=PLAIN[0])
x[:3].sum(out=PLAIN[0, 0:1].reshape(())); np.dot(x[:3], np.eye(3), PLAIN[0]); np.copyto(PLAIN, x[0])
np.put(PLAIN, [0], x[0]); np.place(PLAIN, PLACES, x[:1]); np.putmask(PLAIN, PLACES, x); np.fill_diagonal(PLAIN, x[0])
np.put_along_axis(PLAIN, np.array([[0]]), x[:1], 0); PLAIN.fill(x[0]); PLAIN.put([0], x[0]); PLAIN.real = x[0]
np.add.at(PLAIN, [0], x[:3]); np.multiply.at(PLAIN, [0], x[:3]); np.stack([x[:3], x[:3]], out=PLAIN[:2])
PLAIN.clip(0, x[0], out=PLAIN); np.take(x, [0, 1, 2], out=PLAIN[0]); np.multiply.accumulate(x[:3], out=PLAIN[0])
""".replace("\n", ";")
    .strip(";")
    .split(";")
)


@pytest.mark.parametrize("code", [part.strip() for part in INTO_A_GLOBAL])
def test_a_plain_array_takes_no_traced_value(code: str) -> None:
    f = made(f"global PLAIN\\n{code}\\nreturn np.sum(PLAIN) + x[0]")
    with pytest.raises(TracingError, match="in f"):
        bp.grad(f)(X)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("sliding_window_view(y, 2, axis=0, writeable=True)[0] = 1.0", "Write into the array"),
        ("as_strided(y, (2, 2), y.strides)[0] = x[0]", "Write into the array"),
        ("as_strided(y[::2], (3, 3), y.strides)", "none of its entries"),
        ("for v in np.nditer(y, ['external_loop']): y = y + np.sum(v)", "np.ndindex"),
        ("np.nditer(y).remove_axis(0)", "remove_axis is not followed"),
        ("y.astype(complex).view(float)[0] = x[0]", "plain memory"),
        ("y.byteswap(inplace=True)", "plain memory"),
        ("y.setfield(x[0], float)", "plain memory"),
        ("z = np.zeros(3, [('a', float)]); z['a'] = x[:3]", "cannot carry its derivative"),
        ("z = np.arange(3); z[:] = x[:3]", "cannot carry its derivative"),
        ("z = np.zeros(3, int); np.add(x[:3], 0.5, out=z)", "cannot cast"),
        ("z = np.zeros(3, int); np.cumsum(x[:3], out=z)", "cannot cast"),
        ("z = np.zeros((2, 3)); np.cumsum(x[:3], out=z)", "cannot hold a result"),
        ("z = np.zeros(2); np.add(x[:3], 1.0, out=z)", "cannot hold a result"),
    ],
)
def test_what_is_refused(code: str, words: str) -> None:
    with pytest.raises((TracingError, ValueError, TypeError), match=words) as caught:
        bp.grad(made("\\n".join([MADE["traced"], code, END])))(X)
    assert "in f" in str(caught.value)


def test_a_generator_goes_on_from_where_it_was() -> None:
    def f(x):
        y = x * 1.0
        GENERATOR.shuffle(y)
        assert type(GENERATOR) is np.random.Generator
        assert isinstance(GENERATOR, np.random.Generator)
        return np.sum(y * np.arange(12.0)) + GENERATOR.normal()

    GENERATOR.bit_generator.state = np.random.default_rng(5).bit_generator.state
    wanted = f(X), f(X)
    GENERATOR.bit_generator.state = np.random.default_rng(5).bit_generator.state
    assert (bp.vjp(f, X)[0], bp.vjp(f, X)[0]) == wanted
    assert type(GENERATOR) is np.random.Generator


SHARED = (
    "y[0] = x[:3] * 2; y[1, 1] = x[4]; y += x[0]",
    "y[0, 0] = x[5]; v *= x[1]; y[1] = x[0]",
)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("code", [part.strip() for part in RESULTS])
def test_what_is_a_view_is_one_and_what_is_a_copy_is_one(code: str) -> None:
    end = "return np.sum(weights(v) * v) * 3 + np.sum(weights(y) * y) * x[0]"
    for start in ("traced", "buffer", "a view"):
        for write in SHARED:
            f = made("\\n".join([MADE[start], f"v = np.asarray({code})", write, end]))
            wanted = refused_or(lambda f=f: f(X))
            if isinstance(wanted, ValueError):  # NumPy's read-only views
                with pytest.raises(ValueError, match=r"read-only|copy"):
                    bp.vjp(f, X)
                continue
            np.testing.assert_allclose(bp.vjp(f, X)[0], wanted, rtol=1e-13, err_msg=start)
            staged = refused_or(lambda f=f: bp.trace(f, X)(X))
            if isinstance(staged, Exception):
                assert isinstance(staged, TracingError), staged
            else:
                np.testing.assert_allclose(staged, wanted, rtol=1e-13, err_msg=start)
