"""Shape: reshape, transpose, broadcast, cast, concatenate, and what NumPy builds from them."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from backpass.graph import messages
from backpass.graph.aval import Aval, promoted
from backpass.graph.layout import contiguous, ghost, packed
from backpass.graph.memory import OddView, View, shared, write
from backpass.graph.traced import is_array

from .arithmetic import ANY
from .declare import (
    Kind,
    Op,
    Traced,
    Window,
    as_array,
    bind,
    declare,
    fresh,
    is_whole,
    lengths,
    linear,
    normal_axes,
    normal_axis,
    read_only,
    reduced_axes,
    rule_for,
    shape_of,
)


def _reshape_back(x: Any, new: Any, shape: tuple[int, ...]) -> None:
    write(x, np.reshape(new, x.shape))


def _entry_of_reshaped(whole: tuple[int, ...], part: tuple[int, ...], entry: Any, shape: Any) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(np.ravel_multi_index(entry, part), whole)) if whole else ()


RESHAPE = linear(
    "reshape",
    lambda x, shape: x.reshape(shape) if x.__class__ is np.ndarray else np.reshape(x, shape),
    lambda x, shape: _checked_reshape(x, shape),
    lambda g, out, x, shape: g.reshape(shape_of(x)),
    window=Window(_reshape_back, _entry_of_reshaped),
    notation="{0}",
    domain=ANY,
    doc="The same entries in C order in another shape.",
)


def _checked_reshape(x: Aval, shape: tuple[int, ...]) -> Aval:
    result = Aval(tuple(shape), x.dtype)
    if result.size != x.size:
        raise ValueError(f"cannot reshape array of size {x.size} into shape {tuple(shape)}")
    return result


def _transpose_back(x: Any, new: Any, axes: tuple[int, ...]) -> None:
    write(x, np.transpose(new, _inverse(axes)))


def _inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    back = [0] * len(axes)
    for i, axis in enumerate(axes):
        back[axis] = i
    return tuple(back)


def _entry_of_transposed(whole: tuple[int, ...], part: tuple[int, ...], entry: Any, axes: Any) -> tuple[int, ...]:
    return tuple(entry[axes.index(i)] for i in range(len(axes)))


TRANSPOSE = linear(
    "transpose",
    lambda x, axes: x.transpose(axes) if x.__class__ is np.ndarray else np.transpose(x, axes),
    lambda x, axes: Aval(tuple(x.shape[i] for i in axes), x.dtype),
    lambda g, out, x, axes: g.transpose(axes if len(axes) == 2 else _inverse(axes)),
    window=Window(_transpose_back, _entry_of_transposed),
    notation="{0}ᵀ",
    domain=ANY,
    doc="Axes in another order.",
)


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Undo broadcasting: sum over the axes along which `shape` was stretched. The adjoint of ``broadcast_to``."""
    have = shape_of(g)
    if have == shape:
        return g
    extra = len(have) - len(shape)
    if not shape and g.__class__ is np.ndarray:
        return np.add.reduce(g, axis=None)
    stretched = tuple([i for i, n in enumerate(shape, extra) if n == 1 and have[i] != 1])
    add = np.add.reduce if g.__class__ is np.ndarray else np.sum
    if extra:
        g = add(g, axis=(*range(extra), *stretched), keepdims=bool(stretched))
        return np.reshape(g, shape) if stretched else g
    return add(g, axis=stretched, keepdims=True)


BROADCAST_TO = linear(
    "broadcast_to",
    lambda x, shape: np.broadcast_to(x, shape),
    lambda x, shape: Aval(_checked_broadcast(x.shape, tuple(shape)), x.dtype),
    lambda g, out, x, shape: unbroadcast(g, shape_of(x)),
    window=Window(read_only),
    notation="{0}",
    domain=ANY,
    doc="The same entries repeated along new or length-1 axes.",
)


def _checked_broadcast(have: tuple[int, ...], want: tuple[int, ...]) -> tuple[int, ...]:
    if np.broadcast_shapes(have, want) != want:
        raise ValueError(f"cannot broadcast shape {have} to {want}")
    return want


CAST = linear(
    "cast",
    lambda x, dtype: x.astype(dtype) if isinstance(x, (np.ndarray, np.generic)) else np.asarray(x).astype(dtype)[()],
    lambda x, dtype: Aval(x.shape, np.dtype(dtype)),
    lambda g, out, x, dtype: g,
    notation="{0}",
    domain=ANY,
    doc="Another floating dtype.",
)
CAST_DISCRETE = declare(
    Op(
        name="cast_discrete",
        kind=Kind.DISCRETE,
        run=CAST.run,
        aval=CAST.aval,
        partials=(None,),
        notation="{0}",
        domain=ANY,
        kinks="A real value cast to whole numbers is a step function: its derivative is 0 between the jumps.",
        doc="Another dtype, of whole numbers or truth values.",
    )
)


def _concatenate_aval(*parts: Aval, axis: int) -> Aval:
    first = parts[0].shape
    for part in parts[1:]:
        if len(part.shape) != len(first) or any(
            n != m for i, (n, m) in enumerate(zip(part.shape, first, strict=True)) if i != axis
        ):
            raise ValueError(f"cannot concatenate shapes {[p.shape for p in parts]} along axis {axis}")
    joined = tuple(sum(p.shape[axis] for p in parts) if i == axis else n for i, n in enumerate(first))
    return Aval(joined, promoted(*parts))


def _concatenate_adjoint(g: Any, out: Any, *parts: Any, axis: int, i: int) -> Any:
    start = 0
    for part in parts[:i]:
        start += shape_of(part)[axis]
    return g[(slice(None),) * axis + (slice(start, start + shape_of(parts[i])[axis]),)]


CONCATENATE = linear(
    "concatenate",
    lambda *parts, axis: np.concatenate(parts, axis=axis),
    _concatenate_aval,
    _concatenate_adjoint,
    variadic=True,
    joint=True,
    notation="[{*}]",
    domain=ANY,
    doc="Arrays one after another along an axis.",
)


# ---- NumPy's functions
@rule_for(np.reshape)
def reshape(a, /, shape: Any = None, order="C", *, copy=None):
    if copy is not None:
        result = reshape(a, shape, order)
        if copy or not isinstance(a, Traced):
            return fresh(result)
        if result is not a and result.kin is None:
            raise ValueError("Unable to avoid creating a copy while reshaping.")
        return result
    have = shape_of(a)
    want = lengths(shape)
    if order != "C" and _memory_order(a, order) == "F":
        reverse = tuple(range(len(have)))[::-1]
        flipped = reshape(np.transpose(a, reverse), _filled(have[::-1], want)[::-1])
        return np.transpose(flipped, tuple(range(len(want)))[::-1])
    return bind(RESHAPE, (a,), {"shape": _filled(have, want)})


def _filled(have: tuple[int, ...], want: tuple[int, ...]) -> tuple[int, ...]:
    """Replace one −1 by the length that fits."""
    if -1 not in want:
        return want
    size = math.prod(have)
    known = math.prod([n for n in want if n != -1])
    if want.count(-1) > 1 or (size % known if known else size):
        raise messages.ShapeError(f"cannot reshape array of shape {have} into shape {want}\n{messages.place()}")
    return tuple(size // max(known, 1) if n == -1 else n for n in want)


def _memory_order(a: Any, order: str) -> str:
    """C or F, where "A" and "K" ask for what the array's memory has."""
    if order in ("C", "F"):
        return order
    if len(shape_of(a)) < 2:
        return "C"
    lies = ghost(a)
    if lies is None:
        raise messages.option_refused(
            "np.ravel, np.reshape",
            f"order={order!r}",
            "It depends on memory, which a graph has not: use order='C' or 'F'.",
        )
    flags = lies.flags
    if order == "K" and not (flags.c_contiguous or flags.f_contiguous):
        raise messages.option_refused(
            "np.ravel", "order='K'", "It depends on how this array lies in memory: use order='C' or 'F'."
        )
    return "F" if flags.f_contiguous and not flags.c_contiguous else "C"


@rule_for(np.ravel)
def ravel(a, order="C"):
    if order != "C" and _memory_order(a, order) == "F":
        a = np.transpose(a)
    flat = bind(RESHAPE, (a,), {"shape": (math.prod(shape_of(a)),)})
    if isinstance(flat.kin, View):
        # Where np.reshape finds a view of what is not in one piece, np.ravel copies all the same.
        whole = contiguous(flat.kin.parent.node)
        if whole is None:
            flat.kin.sure = False
        elif not whole:
            flat.kin = None
            packed(flat)
    return flat


@rule_for(np.transpose, np.permute_dims)
def transpose(a, axes=None):
    ndim = len(shape_of(a))
    order = tuple(range(ndim - 1, -1, -1)) if axes is None else normal_axes(tuple(axes), ndim)
    if len(order) != ndim:
        raise ValueError("axes don't match array")
    return bind(TRANSPOSE, (a,), {"axes": order})


@rule_for(np.swapaxes)
def swapaxes(a, axis1, axis2):
    order = list(range(len(shape_of(a))))
    i, j = normal_axis(axis1, len(order)), normal_axis(axis2, len(order))
    order[i], order[j] = order[j], order[i]
    return bind(TRANSPOSE, (a,), {"axes": tuple(order)})


@rule_for(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x, /):
    return swapaxes(x, -1, -2)


@rule_for(np.moveaxis)
def moveaxis(a, source, destination):
    ndim = len(shape_of(a))
    sources, targets = normal_axes(source, ndim), normal_axes(destination, ndim)
    order = [i for i in range(ndim) if i not in sources]
    for target, origin in sorted(zip(targets, sources, strict=True)):
        order.insert(target, origin)
    return bind(TRANSPOSE, (a,), {"axes": tuple(order)})


@rule_for(np.rollaxis)
def rollaxis(a, axis, start=0):
    ndim = len(shape_of(a))
    axis = normal_axis(axis, ndim)
    start = start + ndim if start < 0 else start
    order = [i for i in range(ndim) if i != axis]
    order.insert(start - (axis < start), axis)
    return bind(TRANSPOSE, (a,), {"axes": tuple(order)})


@rule_for(np.expand_dims)
def expand_dims(a, axis):
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    ndim = len(shape_of(a)) + len(axes)
    new = normal_axes(tuple(axes), ndim)
    rest = iter(shape_of(a))
    return reshape(a, tuple(1 if i in new else next(rest) for i in range(ndim)))


@rule_for(np.squeeze)
def squeeze(a, axis=None):
    shape = shape_of(a)
    gone = tuple(i for i, n in enumerate(shape) if n == 1) if axis is None else reduced_axes(axis, len(shape))
    if any(shape[i] != 1 for i in gone):
        raise ValueError("cannot select an axis to squeeze out which has size not equal to one")
    return reshape(a, tuple(n for i, n in enumerate(shape) if i not in gone))


def _shaped(a: Any, shape: tuple[int, ...]) -> Any:
    """In another shape on the way to something else: nobody will write through it."""
    return bind(RESHAPE, (a,), {"shape": shape}, True) if a.__class__ is Traced else np.reshape(a, shape)


def _at_least(ndim: int, pad: Any) -> Any:
    def implementation(*arrays):
        done = [reshape(a, pad(shape_of(a))) if len(shape_of(a)) < ndim else a for a in map(as_array, arrays)]
        return done[0] if len(done) == 1 else tuple(done)

    return implementation


rule_for(np.atleast_1d)(_at_least(1, lambda shape: (1,)))
rule_for(np.atleast_2d)(_at_least(2, lambda shape: (1,) * (2 - len(shape)) + shape))
rule_for(np.atleast_3d)(_at_least(3, lambda shape: (1,) * (2 - len(shape)) + shape + (1,) * (1 if shape else 2 - 1)))


@rule_for(np.broadcast_to)
def broadcast_to(array, shape, subok=False):
    shape = lengths(shape)
    if shape_of(array) != shape or array.__class__ is not Traced or not is_array(array.node):
        return bind(BROADCAST_TO, (array,), {"shape": shape})
    return shared(type(array)(array.node), OddView(array, lambda x: type(x)(x.node), read_only))


@rule_for(np.broadcast_arrays)
def broadcast_arrays(*args, subok=False):
    arrays = [as_array(a) for a in args]
    shape = np.broadcast_shapes(*map(shape_of, arrays))
    if all(shape_of(a) == shape for a in arrays):
        return tuple(arrays)
    return tuple(np.broadcast_to(a, shape) for a in arrays)


@rule_for(np.meshgrid)
def meshgrid(*xi, copy=True, sparse=False, indexing="xy"):
    if indexing not in ("xy", "ij"):
        raise ValueError("Valid values for `indexing` are 'xy' and 'ij'.")
    grids = [np.reshape(x, (1,) * k + (-1,) + (1,) * (len(xi) - k - 1)) for k, x in enumerate(map(as_array, xi))]
    if indexing == "xy" and len(grids) > 1:
        grids = [np.swapaxes(g, 0, 1) for g in grids]
    grids = tuple(grids) if sparse else np.broadcast_arrays(*grids)
    return tuple(grid.copy() for grid in grids) if copy else grids


@rule_for("astype", np.astype)
def astype(x, dtype, /, *, copy=True, device=None):
    if not copy and isinstance(x, Traced) and x.dtype == np.dtype(dtype):
        return x
    target = np.dtype(dtype)
    if target.kind not in "fciub":
        raise messages.stand_in_refused(
            f"An array of dtype {target.name} that is made of traced numbers", "keep floats"
        )
    return bind(CAST if target.kind in "fc" else CAST_DISCRETE, (x,), {"dtype": target.name})


def _as_arrays(arrays: Any) -> list[Any]:
    if type(arrays) is Traced:
        return list(arrays)
    return [as_array(a) for a in arrays]


@rule_for(np.concatenate, np.concat)
def concatenate(arrays, /, axis=0, out=None, *, dtype=None, casting="same_kind"):
    parts = _as_arrays(arrays)
    if axis is None:
        parts, axis = [np.ravel(p) for p in parts], 0
    if () in map(shape_of, parts):
        raise ValueError("zero-dimensional arrays cannot be concatenated")
    joined = CONCATENATE(*parts, axis=normal_axis(axis, len(shape_of(parts[0]))))
    return joined if dtype is None else joined.astype(dtype)


@rule_for(np.stack)
def stack(arrays, axis=0, out=None, *, dtype=None, casting="same_kind"):
    parts = _as_arrays(arrays)
    shapes = {shape_of(p) for p in parts}
    if len(shapes) > 1:
        listed = "\n".join(f"    {messages.described(p)}" for p in parts[:8])
        raise messages.ShapeError(f"stack: all arrays must have the same shape\n  with\n{listed}\n{messages.place()}")
    shape = shape_of(parts[0])
    axis = normal_axis(axis, len(shape) + 1)
    longer = (*shape[:axis], 1, *shape[axis:])
    return concatenate([_shaped(p, longer) for p in parts], axis=axis, dtype=dtype)


@rule_for(np.vstack)
def vstack(tup, *, dtype=None, casting="same_kind"):
    parts = [p if len(shape_of(p)) > 1 else _shaped(p, (1, math.prod(shape_of(p)))) for p in _as_arrays(tup)]
    return concatenate(parts, axis=0, dtype=dtype)


@rule_for(np.hstack)
def hstack(tup, *, dtype=None, casting="same_kind"):
    parts = [p if shape_of(p) else _shaped(p, (1,)) for p in _as_arrays(tup)]
    return concatenate(parts, axis=0 if len(shape_of(parts[0])) == 1 else 1, dtype=dtype)


@rule_for(np.dstack)
def dstack(tup):
    return concatenate([np.atleast_3d(p) for p in _as_arrays(tup)], axis=2)


@rule_for(np.column_stack)
def column_stack(tup):
    parts = [p if len(shape_of(p)) > 1 else _shaped(p, (math.prod(shape_of(p)), 1)) for p in _as_arrays(tup)]
    return concatenate(parts, axis=1)


@rule_for(np.append)
def append(arr, values, axis=None):
    if axis is None:
        arr, values, axis = np.ravel(as_array(arr)), np.ravel(as_array(values)), 0
    return concatenate([arr, values], axis=axis)


@rule_for(np.block)
def block(arrays):
    def depth(x: Any) -> int:
        return 1 + max(map(depth, x)) if isinstance(x, list) else 0

    levels = depth(arrays)
    ndim = max(levels, *[len(shape_of(leaf)) for leaf in _leaves(arrays)])

    def join(x: Any, level: int) -> Any:
        if not isinstance(x, list):
            shape = shape_of(x)
            return np.reshape(x, (1,) * (ndim - len(shape)) + shape)
        return concatenate([join(item, level + 1) for item in x], axis=ndim - levels + level)

    return fresh(join(arrays, 0))


def _leaves(x: Any) -> list[Any]:
    return [leaf for item in x for leaf in _leaves(item)] if isinstance(x, list) else [x]


def _pieces(a: Any, sections: Any, axis: int, strict: bool) -> list[Any]:
    axis = normal_axis(axis, len(shape_of(a)))
    length = shape_of(a)[axis]
    if is_whole(sections):
        count = operator.index(sections)
        each, extra = divmod(length, count)
        if strict and extra:
            raise ValueError("array split does not result in an equal division")
        sizes: Sequence[int] = [each + 1] * extra + [each] * (count - extra)
        cuts = np.cumsum(sizes)[:-1].tolist()
    else:
        cuts = [int(c) for c in sections]
    edges = [0, *cuts, length]
    return [a[(slice(None),) * axis + (slice(i, j),)] for i, j in itertools.pairwise(edges)]


@rule_for(np.split)
def split(ary, indices_or_sections, axis=0):
    return _pieces(ary, indices_or_sections, axis, True)


@rule_for(np.array_split)
def array_split(ary, indices_or_sections, axis=0):
    return _pieces(ary, indices_or_sections, axis, False)


@rule_for(np.hsplit)
def hsplit(ary, indices_or_sections):
    return _pieces(ary, indices_or_sections, 1 if len(shape_of(ary)) > 1 else 0, True)


@rule_for(np.dsplit)
def dsplit(ary, indices_or_sections):
    if len(shape_of(ary)) < 3:
        raise ValueError("dsplit only works on arrays of 3 or more dimensions")
    return _pieces(ary, indices_or_sections, 2, True)


@rule_for(np.vsplit)
def vsplit(ary, indices_or_sections):
    if len(shape_of(ary)) < 2:
        raise ValueError("vsplit only works on arrays of 2 or more dimensions")
    return _pieces(ary, indices_or_sections, 0, True)


@rule_for(*[np.unstack] if hasattr(np, "unstack") else [])  # NumPy 2.1
def unstack(x, /, *, axis=0):
    axis = normal_axis(axis, len(shape_of(x)))
    return tuple(x[(slice(None),) * axis + (i,)] for i in range(shape_of(x)[axis]))
