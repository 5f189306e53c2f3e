"""Rows of the function table: shapes, joining, splitting, picking, padding, choosing."""

import numpy as np

from .rows import row

for _shape in ((3, 2), (-1,), (2, -1, 1), 6):
    row(np.reshape, (2, 3), call=lambda x, s=_shape: np.reshape(x, s), as_=str(_shape))
    row(np.reshape, (2, 3), call=lambda x, s=_shape: np.reshape(x, s, order="F"), as_=f"{_shape} F")
row(np.reshape, (0, 3), call=lambda x: np.reshape(x, (-1, 3)), as_="empty")
for _order in "CFAK":
    row(np.ravel, (2, 3), order=_order, eager_only="" if _order in "CF" else "it depends on memory")
    row(
        np.ravel,
        (2, 3),
        call=lambda x, o=_order: np.ravel(x.T, order=o),
        as_=f"transposed {_order}",
        eager_only="" if _order in "CF" else "it depends on memory",
    )
row(np.transpose, (2, 3, 2))
row(np.transpose, (2, 3, 2), axes=(1, -1, 0))
row(np.permute_dims, (2, 3), axes=(1, 0))
row(np.swapaxes, (2, 3, 2), axis1=0, axis2=-1)
row(np.matrix_transpose, (2, 3, 2))
row(np.linalg.matrix_transpose, (2, 3))
row(np.moveaxis, (2, 3, 4), source=0, destination=-1)
row(np.moveaxis, (2, 3, 4), source=[0, 1], destination=[-1, 0])
row(np.rollaxis, (2, 3, 4), axis=2)
row(np.rollaxis, (2, 3, 4), axis=0, start=3)
row(np.rollaxis, (2, 3, 4), axis=-1, start=1)
row(np.expand_dims, (2, 3), axis=(0, -1))
row(np.expand_dims, (2, 3), axis=1)
row(np.squeeze, (1, 3, 1))
row(np.squeeze, (1, 3, 1), axis=-1)
for _f in (np.atleast_1d, np.atleast_2d, np.atleast_3d):
    for _shape in ((), (3,), (2, 3), (2, 3, 2)):
        row(_f, _shape)
    row(_f, (), (2,))
row(np.broadcast_to, (3,), shape=(2, 3))
row(np.broadcast_to, (), shape=4)
row(np.broadcast_arrays, (3,), (2, 1))
row(np.concatenate, (2, 3), (1, 3), call=lambda a, b: np.concatenate([a, b]), as_="list")
row(np.concatenate, (2, 3), (2, 1), call=lambda a, b: np.concatenate((a, b), axis=-1), as_="axis=-1")
row(np.concatenate, (2, 3), (2,), call=lambda a, b: np.concatenate((a, b), axis=None), as_="axis=None")
row(np.concatenate, (2, 3), call=lambda a: np.concatenate(a), as_="one array")
row(np.concatenate, (2,), call=lambda a: np.concatenate([a, [1.0, 2.0]]), as_="with a list")
row(np.concatenate, (2,), (1,), call=lambda a, b: np.concatenate([a, b], dtype=np.float32), as_="dtype", float32=False)
row(np.concat, (2,), (3,), call=lambda a, b: np.concat([a, b]), as_="list")
for _f in (np.stack, np.vstack, np.hstack, np.dstack, np.column_stack):
    row(_f, (2, 3), (2, 3), call=lambda a, b, f=_f: f([a, b]), as_="2-d")
    row(_f, (3,), (3,), call=lambda a, b, f=_f: f((a, b)), as_="1-d")
row(np.stack, (2, 3), (2, 3), call=lambda a, b: np.stack([a, b], axis=-1), as_="axis=-1")
row(np.stack, (), (), call=lambda a, b: np.stack([a, b, 1.0]), as_="0-d with a number")
row(np.hstack, (), (), call=lambda a, b: np.hstack([a, b]), as_="0-d")
row(np.vstack, (3,), (2, 3), call=lambda a, b: np.vstack([a, b]), as_="mixed")
row(np.append, (2, 3), (2,))
row(np.append, (2, 3), (1, 3), axis=0)
row(np.block, (2, 2), (2, 1), (3,), call=lambda a, b, c: np.block([[a, b], [c]]), as_="2-d")
row(np.block, (2,), (), call=lambda a, b: np.block([a, b]), as_="1-d")
row(np.split, (6,), call=lambda x: np.split(x, 3), as_="3")
row(np.split, (2, 5), call=lambda x: np.split(x, [1, 3], axis=1), as_="cuts")
row(np.split, (5,), call=lambda x: np.split(x, [-2, 7]), as_="cuts beyond")
row(np.array_split, (7,), call=lambda x: np.array_split(x, 3), as_="3")
row(np.hsplit, (2, 4), call=lambda x: np.hsplit(x, 2), as_="2")
row(np.hsplit, (4,), call=lambda x: np.hsplit(x, 2), as_="1-d")
row(np.vsplit, (4, 2), call=lambda x: np.vsplit(x, 2), as_="2")
row(np.dsplit, (2, 1, 4), call=lambda x: np.dsplit(x, [1]), as_="cut")
row(np.unstack, (2, 3), axis=1)
row(np.tile, (2, 3), reps=2)
row(np.tile, (3,), reps=(2, 2))
row(np.tile, (2, 3), reps=(2, 1, 3))
row(np.repeat, (2, 3), repeats=2)
row(np.repeat, (2, 3), repeats=[1, 0, 2], axis=1)
row(np.flip, (2, 3))
row(np.flip, (2, 3), axis=(0, -1))
row(np.flip, (2, 3), axis=1)
row(np.flipud, (2, 3))
row(np.fliplr, (2, 3))
for _k in range(-1, 4):
    row(np.rot90, (2, 3), k=_k)
row(np.rot90, (2, 3, 2), k=1, axes=(1, 2))
row(np.roll, (5,), shift=2)
row(np.roll, (2, 3), shift=-1)
row(np.roll, (2, 3), shift=4, axis=1)
row(np.roll, (2, 3), shift=(1, 2), axis=(0, 1))
row(np.roll, (2, 3), shift=1, axis=(0, 1))
row(np.roll, (0, 3), shift=1, axis=0)

# ---- picking
row(np.take, (5,), indices=[0, -1, 0])
row(np.take, (2, 3), indices=[[0, 4]])
row(np.take, (2, 3), indices=1, axis=1)
row(np.take, (2, 3), indices=[5, -7], axis=1, mode="wrap")
row(np.take, (2, 3), indices=[5, -7], axis=1, mode="clip")
row(np.take_along_axis, (2, 3), indices=np.array([[0, -1], [2, 2]]), axis=1)
row(np.take_along_axis, (2, 3), indices=np.array([[1, 0, 1]]), axis=0)
row(np.take_along_axis, (2, 3), indices=np.array([5, 0]), axis=None)
row(np.take_along_axis, (1, 3), indices=np.array([[0], [2]]), axis=1, as_="broadcast")
row(np.compress, (3,), call=lambda x: np.compress([True, False, True], x), as_="1-d")
row(np.compress, (2, 3), call=lambda x: np.compress([0, 1], x, axis=0), as_="axis=0")
row(np.extract, (2, 3), call=lambda x: np.extract(np.array([[1, 0, 1], [0, 0, 1]]), x), as_="mask")
VALUES = "the shape depends on the values"
row(np.nonzero, (2, 3), smooth=False, eager_only=VALUES)
row(np.flatnonzero, (2, 3), smooth=False, eager_only=VALUES)
row(np.argwhere, (2, 3), smooth=False, eager_only=VALUES)
row(np.delete, (5,), obj=1)
row(np.delete, (2, 3), obj=[0, -1], axis=1)
row(np.delete, (2, 3), obj=slice(0, 2))
row(np.insert, (4,), (), call=lambda x, v: np.insert(x, 2, v), as_="one")
row(np.insert, (2, 3), (2,), call=lambda x, v: np.insert(x, 1, v, axis=1), as_="column")
row(np.insert, (4,), (2,), call=lambda x, v: np.insert(x, [1, 3], v), as_="two")
for _offset in (0, 1, -1):
    row(np.diagonal, (3, 4), offset=_offset)
    row(np.diag, (3, 4), k=_offset)
    row(np.diag, (3,), k=_offset)
    row(np.diagflat, (2, 2), k=_offset)
    row(np.trace, (3, 4), offset=_offset)
    row(np.tril, (3, 4), k=_offset)
    row(np.triu, (2, 3, 3), k=_offset)
    row(np.linalg.diagonal, (2, 3, 3), offset=_offset)
row(np.diagonal, (2, 3, 4), axis1=2, axis2=0)
row(np.diagonal, (3, 4), offset=5)
row(np.trace, (2, 3, 2), axis1=0, axis2=2)
row(np.linalg.trace, (2, 3, 3))
row(np.tril_indices_from, (3, 4), smooth=False)
row(np.triu_indices_from, (3, 4), k=1, smooth=False)
for _width in (1, (2, 1), ((1, 0), (0, 2))):
    for _mode in (
        "constant",
        "edge",
        "reflect",
        "symmetric",
        "wrap",
        "linear_ramp",
        "maximum",
        "minimum",
        "mean",
        "empty",
    ):
        if _mode != "empty":
            row(np.pad, (3, 4), pad_width=_width, mode=_mode)
row(np.pad, (2, 3), pad_width=1, constant_values=((1.0, 2.0), (3.0, 4.0)))
row(np.pad, (3,), pad_width=7, mode="reflect", as_="further than the array")
row(np.pad, (3,), pad_width=7, mode="symmetric", as_="further than the array")
row(np.pad, (3,), pad_width=2, mode="reflect", reflect_type="odd")
row(np.pad, (3,), pad_width=2, mode="symmetric", reflect_type="odd")
row(np.pad, (2, 5), pad_width=((0, 0), (1, 2)), mode="mean", stat_length=2)
row(np.pad, (2, 5), pad_width=((0, 0), (1, 2)), mode="maximum", stat_length=((1, 2), (2, 3)))
row(np.pad, (2, 3), pad_width=2, mode="linear_ramp", end_values=(1, -2))
row(np.pad, (2, 3), pad_width={1: 2})
row(np.pad, (2, 5), pad_width=((0, 0), (1, 2)), mode="median", stat_length=((1, 1), (3, 2)))
row(np.pad, (2, 0), pad_width=((1, 2), (0, 0)), mode="maximum")
row(np.pad, (2, 3), call=lambda x: np.pad(x, 1, mode="empty")[1:-1, 1:-1], as_="empty")
row(np.pad, (), pad_width=0)
row(np.meshgrid, (2,), (3,))
row(np.meshgrid, (2,), (3,), call=lambda a, b: np.meshgrid(a, b, indexing="ij", sparse=True), as_="ij sparse")

# ---- choosing
MASK = np.array([[True, False, True], [False, True, False]])
row(np.where, (2, 3), (3,), call=lambda a, b: np.where(MASK, a, b), as_="mask")
row(np.where, (2, 3), call=lambda a: np.where(a > 0, a, 0.0), as_="of itself")
row(np.where, (2, 3), call=lambda a: np.where(a > 0)[0], as_="positions", smooth=False, eager_only=VALUES)
row(np.clip, (2, 3), a_min=-1.0, a_max=1.0)
row(np.clip, (2, 3), (3,), call=lambda a, low: np.clip(a, low, None), as_="traced bound")
row(np.clip, (2, 3), call=lambda a: np.clip(a, min=0.1), as_="min=")
row(np.clip, (2, 3), call=lambda a: np.clip(a, -1, 1), as_="whole bounds")
row(np.select, (4,), call=lambda x: np.select([x > 1, x > 0], [x**2, np.sin(x)], 0.5), as_="two")
row(np.choose, (3,), (3,), call=lambda a, b: np.choose(np.array([0, 1, 0]), [a, b]), as_="two")
row(np.nan_to_num, (3,), call=lambda x: np.nan_to_num(x + np.array([0, np.nan, np.inf]), posinf=9.0), as_="NaN inf")
row(np.copy, (2, 3))
row(np.real, (2, 3))
row(np.imag, (2, 3), smooth=False)
row(np.isclose, (3,), call=lambda x: np.isclose(x, x + 1e-12), smooth=False, eager_only="its tolerance looks at values")
row(np.allclose, (3,), call=lambda x: np.allclose(x, x + 1.0), smooth=False, eager_only="it looks at values")
row(np.array_equal, (3,), call=lambda x: np.array_equal(x, x + 1.0), smooth=False, eager_only="it looks at values")
row(np.isreal, (3,), smooth=False)
row(np.isscalar, (3,), smooth=False, call=lambda x: np.isscalar(x))
row(np.iscomplexobj, (3,), smooth=False)
row(np.isrealobj, (3,), smooth=False)
row(np.shape, (2, 3), smooth=False)
row(np.ndim, (2, 3), smooth=False)
row(np.size, (2, 3), smooth=False)
row(np.size, (2, 3), axis=1, smooth=False)
row(np.result_type, (2,), call=lambda x: np.zeros(2, np.result_type(x, np.float32)), smooth=False)
row(np.zeros_like, (2, 3), smooth=False)
row(np.ones_like, (2, 3), smooth=False)
row(np.empty_like, (2, 3), call=lambda x: np.shape(np.empty_like(x)), smooth=False)
row(np.full_like, (2, 3), (), as_="traced value")
row(np.full_like, (2, 3), fill_value=2.5, smooth=False)
row(np.sinc, (2, 3))
row(np.round, (2, 3), decimals=1, smooth=False)
row(np.around, (2, 3), decimals=1, smooth=False)
row(np.astype, (2, 3), call=lambda x: np.astype(x, np.float32), float32=False, as_="float32")
row(np.astype, (2, 3), call=lambda x: np.astype(x, int), smooth=False, as_="int")
