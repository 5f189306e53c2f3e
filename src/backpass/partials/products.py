"""Products of arrays: matmul and einsum, and everything that NumPy builds from them."""

from __future__ import annotations

import functools
import math
import operator
from typing import Any

import numpy as np

from backpass.graph.aval import Aval, promoted
from backpass.graph.memory import OddView, shared

from .arithmetic import ANY
from .declare import (
    FUNCTIONS,
    UFUNCS,
    Traced,
    as_array,
    bind,
    conjugated,
    dtype_of,
    is_whole,
    linear,
    normal_axes,
    rule_for,
    shape_of,
    value_of,
)
from .indexing import SCATTER_ADD

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _matmul_aval(a: Aval, b: Aval) -> Aval:
    if not a.shape or not b.shape:
        raise ValueError("matmul: a 0-d operand has no axis to sum over; multiply with * instead")
    left = a.shape if len(a.shape) > 1 else (1, *a.shape)
    right = b.shape if len(b.shape) > 1 else (*b.shape, 1)
    if left[-1] != right[-2]:
        raise ValueError(f"matmul: {a.shape} @ {b.shape}: the inner lengths {left[-1]} and {right[-2]} differ")
    shape = np.broadcast_shapes(left[:-2], right[:-2])
    shape += ((left[-2],) if len(a.shape) > 1 else ()) + ((right[-1],) if len(b.shape) > 1 else ())
    return Aval(shape, promoted(a, b))


def _matmul_left(g: Any, out: Any, a: Any, b: Any) -> Any:
    # ∂L/∂A = G Bᵀ
    if len(shape_of(b)) == 1:
        return g * b if len(shape_of(a)) == 1 else np.expand_dims(g, -1) * b
    if len(shape_of(a)) == 1:
        return np.matmul(b, np.expand_dims(g, -1))[..., 0] if len(shape_of(b)) > 2 else np.matmul(b, g)
    return np.matmul(g, np.swapaxes(b, -1, -2))


def _matmul_right(g: Any, out: Any, a: Any, b: Any) -> Any:
    # ∂L/∂B = Aᵀ G
    if len(shape_of(a)) == 1:
        return g * a if len(shape_of(b)) == 1 else np.expand_dims(a, -1) * np.expand_dims(g, -2)
    if len(shape_of(b)) == 1:
        left = np.swapaxes(a, -1, -2)
        return np.matmul(left, np.expand_dims(g, -1))[..., 0] if len(shape_of(a)) > 2 else np.matmul(left, g)
    if len(shape_of(b)) == 2 and len(shape_of(a)) > 2:
        # One product over all leading axes instead of one each and a sum.
        rows = np.reshape(a, (-1, shape_of(a)[-1]))
        return np.matmul(np.transpose(rows), np.reshape(g, (-1, shape_of(g)[-1])))
    return np.matmul(np.swapaxes(a, -1, -2), g)


MATMUL = linear(
    "matmul",
    np.matmul,
    _matmul_aval,
    _matmul_left,
    _matmul_right,
    notation="{0} {1}",
    domain=ANY,
    doc="Matrix product.",
)
UFUNCS[np.matmul] = MATMUL
rule_for(np.matmul, np.linalg.matmul)(lambda a, b, /: bind(MATMUL, (as_array(a), as_array(b))))


def _einsum_aval(*operands: Aval, subscripts: str) -> Aval:
    inputs, output = subscripts.split("->")
    lengths: dict[str, int] = {}
    for letters, operand in zip(inputs.split(","), operands, strict=True):
        if len(letters) != len(operand.shape):
            raise ValueError(f"einsum: {letters!r} names {len(letters)} axes, the operand has shape {operand.shape}")
        for letter, n in zip(letters, operand.shape, strict=True):
            if lengths.setdefault(letter, n) not in (n, 1) and n != 1:
                raise ValueError(f"einsum: index {letter!r} has lengths {lengths[letter]} and {n}")
            lengths[letter] = max(lengths[letter], n) if n and lengths[letter] else 0
    # Not `promoted`: einsum makes arrays of Python numbers, which then promote as float64.
    return Aval(tuple(lengths[letter] for letter in output), np.result_type(*[operand.dtype for operand in operands]))


def _einsum_run(operands: Any, subscripts: str) -> Any:
    if subscripts == "ii->i":  # NumPy has a shorter way
        x = operands[0]
        if x.__class__ is np.ndarray and x.ndim == 2 and len(x) == x.shape[1]:
            return x.diagonal()
    return np.einsum(subscripts, *operands)


@functools.lru_cache(1024)
def _turned_round(subscripts: str, i: int) -> tuple[str, str, str, str]:
    """(the subscripts with operand i and the result exchanged; i's letters; these once each; those that are left)."""
    inputs, output = subscripts.split("->")
    terms = inputs.split(",")
    mine = terms[i]
    others = terms[:i] + terms[i + 1 :]
    present = set(output).union(*others)
    wanted = "".join(dict.fromkeys(mine))
    kept = "".join(letter for letter in wanted if letter in present)
    return ",".join([output, *others]) + "->" + kept, mine, wanted, kept


def on_the_diagonal(g: Any, n: int, m: int) -> Any:
    """A matrix of n rows and m columns, 0 beside its diagonal; of plain values."""
    whole = np.zeros((n, m), g.dtype)
    whole.reshape(-1)[: m * m : m + 1] = g
    return whole


def _einsum_adjoint(g: Any, out: Any, *operands: Any, subscripts: str, i: int) -> Any:
    """The adjoint of an einsum is an einsum with its subscripts permuted: operand i and the result change places."""
    turned, mine, wanted, kept = _turned_round(subscripts, i)
    if len(mine) == 2 and len(wanted) == 1 and len(operands) == 1 and isinstance(g, (np.ndarray, np.generic)):
        return on_the_diagonal(g, *shape_of(operands[0]))
    same = turned == f"{kept}->{kept}"
    result = g if same else np.einsum(turned, g, *operands[:i], *operands[i + 1 :])
    shape = shape_of(operands[i])
    if kept == mine and shape_of(result) == shape:
        return result
    lengths = dict(zip(mine, shape, strict=True))
    if kept != wanted:
        # An index summed away inside the operand alone: its cotangent is the same along it.
        result = np.reshape(result, tuple(shape_of(result)[kept.index(c)] if c in kept else 1 for c in wanted))
        result = np.broadcast_to(
            result, tuple(lengths[c] if c not in kept else n for c, n in zip(wanted, shape_of(result), strict=True))
        )
    stretched = tuple(k for k, c in enumerate(wanted) if lengths[c] == 1 and shape_of(result)[k] != 1)
    if stretched:
        result = np.sum(result, axis=stretched, keepdims=True)
    if wanted != mine and result.__class__ is np.ndarray:
        whole = np.zeros(shape, result.dtype)
        np.einsum(f"{mine}->{wanted}", whole)[...] = result  # a view of the diagonal
        return whole
    if wanted != mine:
        # A repeated index reads a diagonal: put the cotangent back onto it.
        for k, letter in enumerate(wanted):
            n = lengths[letter]
            along = np.arange(n).reshape(tuple(-1 if j == k else 1 for j in range(len(wanted))))
            lengths[letter] = along  # type: ignore[assignment]
        indices = [lengths[c] for c in mine]
        result = SCATTER_ADD(result, *indices, shape=shape, key=("index",) * len(mine))
    return result


EINSUM = linear(
    "einsum",
    lambda *operands, subscripts: _einsum_run(operands, subscripts),
    _einsum_aval,
    _einsum_adjoint,
    variadic=True,
    notation="Σ {*}",
    domain=ANY,
    doc="Sum of products by index letters; no ellipsis (spelled out when traced).",
)


@rule_for(np.einsum)
def einsum(*operands, out=None, optimize=False, dtype=None, order="K", casting: Any = "safe"):
    if isinstance(operands[0], str):
        subscripts, arrays = operands[0].replace(" ", ""), [as_array(op) for op in operands[1:]]
    else:
        subscripts, arrays = _from_lists(operands)
    if dtype is not None:
        for a in arrays:
            if not np.can_cast(dtype_of(a), dtype, casting):
                raise TypeError(
                    f"einsum: cannot cast an operand of {dtype_of(a)} to {np.dtype(dtype)} by rule {casting!r}"
                )
        arrays = [as_array(a).astype(dtype) for a in arrays]
    plain = _spelled_out(subscripts, tuple([len(shape_of(a)) for a in arrays]))
    if optimize and len(arrays) > 2:
        return _pairwise(plain, arrays)
    if len(arrays) == 1 and isinstance(arrays[0], Traced):
        mine, _, wanted = plain.partition("->")
        if set(mine) == set(wanted):
            return _einsum_view(arrays[0], mine, wanted)
    return bind(EINSUM, arrays, {"subscripts": plain})


@rule_for(np.einsum_path)
def einsum_path(*operands, optimize="greedy", einsum_call=False):
    """The plan asks for shapes alone."""
    plan: Any = np.einsum_path
    return plan(
        *[np.broadcast_to(np.zeros(()), shape_of(o)) if isinstance(o, Traced) else o for o in operands],
        optimize=optimize,
    )


def _einsum_view(x: Any, mine: str, wanted: str) -> Any:
    """Axes rearranged, or a diagonal: NumPy returns a view, into which one may write."""
    if len(mine) == len(wanted):
        return np.transpose(x, [mine.index(letter) for letter in wanted])
    lengths = dict(zip(mine, shape_of(x), strict=True))
    places = np.ogrid[tuple(slice(lengths[letter]) for letter in wanted)]
    key = tuple(places[wanted.index(letter)] for letter in mine)
    subscripts = f"{mine}->{wanted}"

    def derive(x: Any) -> Any:
        return bind(EINSUM, (x,), {"subscripts": subscripts})

    return shared(derive(x), OddView(x, derive, lambda x, new: x.__setitem__(key, new)))


def _from_lists(operands: Any) -> tuple[str, list[Any]]:
    """``einsum(a, [0, 1], b, [1, 2], [0, 2])`` as a string of letters."""
    word = lambda places: "".join("..." if p is Ellipsis else _LETTERS[p] for p in places)  # noqa: E731
    pairs = len(operands) // 2
    arrays = [as_array(operands[2 * k]) for k in range(pairs)]
    text = ",".join(word(operands[2 * k + 1]) for k in range(pairs))
    return (text + "->" + word(operands[-1]) if len(operands) % 2 else text), arrays


@functools.lru_cache(1024)
def _spelled_out(subscripts: str, ndims: tuple[int, ...]) -> str:
    """Give the ellipsis letters of its own, and write the implicit output out."""
    inputs, arrow, output = subscripts.partition("->")
    terms = inputs.split(",")
    if len(terms) != len(ndims):
        raise ValueError(f"einsum: {subscripts!r} names {len(terms)} operands, {len(ndims)} were given")
    free = [c for c in _LETTERS if c not in subscripts]
    widths = [ndim - len(t.replace("...", "")) for t, ndim in zip(terms, ndims, strict=True)]
    widest = max([w for w, t in zip(widths, terms, strict=True) if "..." in t], default=0)
    dots = "".join(free[:widest])
    terms = [t.replace("...", dots[widest - w :] if w else "") for t, w in zip(terms, widths, strict=True)]
    if not arrow:
        letters = "".join(terms)
        output = dots + "".join(sorted(c for c in set(letters) - set(dots) if letters.count(c) == 1))
    else:
        if dots and "..." not in output:
            raise ValueError(
                f"einsum: the output of {subscripts!r} needs '...' for the axes that the operands' '...' stand for"
            )
        output = output.replace("...", dots)
    return ",".join(terms) + "->" + output


def _pairwise(subscripts: str, arrays: list[Any]) -> Any:
    """Contract two operands at a time along NumPy's own path (``optimize=True``)."""
    path = np.einsum_path(subscripts, *[np.broadcast_to(np.zeros(()), shape_of(a)) for a in arrays], optimize=True)[0][
        1:
    ]
    terms, output = subscripts.split("->")[0].split(","), subscripts.split("->")[1]
    arrays = list(arrays)
    for step, chosen in enumerate(path):
        picked = [(terms[i], arrays[i]) for i in chosen]
        terms = [t for i, t in enumerate(terms) if i not in chosen]
        arrays = [a for i, a in enumerate(arrays) if i not in chosen]
        if step == len(path) - 1:
            result = output
        else:
            needed = set(output).union(*[set(t) for t in terms])
            result = "".join(dict.fromkeys(c for t, _ in picked for c in t if c in needed))
        arrays.append(EINSUM(*[a for _, a in picked], subscripts=",".join(t for t, _ in picked) + "->" + result))
        terms.append(result)
    return arrays[0]


# ---- NumPy's functions
@rule_for(np.dot)
def dot(a, b, out=None):
    a, b = as_array(a), as_array(b)
    n, m = len(shape_of(a)), len(shape_of(b))
    if n == 0 or m == 0:
        return np.multiply(a, b)
    if m <= 2:
        return np.matmul(a, b)
    return np.tensordot(a, b, axes=((n - 1,), (m - 2,)))


@rule_for(np.inner)
def inner(a, b, /):
    a, b = as_array(a), as_array(b)
    n, m = len(shape_of(a)), len(shape_of(b))
    return np.multiply(a, b) if n == 0 or m == 0 else np.tensordot(a, b, axes=((n - 1,), (m - 1,)))


@rule_for(np.vdot)
def vdot(a, b, /):
    return np.matmul(conjugated(np.ravel(as_array(a))), np.ravel(as_array(b)))


VECDOT = linear(
    "vecdot",
    np.vecdot,
    lambda a, b: _vecdot_aval(a, b),
    lambda g, out, a, b: conjugated(np.expand_dims(g, -1) * b),
    lambda g, out, a, b: np.expand_dims(g, -1) * conjugated(a),
    notation="Σ {0} · {1}",
    domain=ANY,
    doc="Dot products along the last axis; the first factor is conjugated.",
)


def _vecdot_aval(a: Aval, b: Aval) -> Aval:
    if not a.shape or not b.shape or a.shape[-1] != b.shape[-1]:
        raise ValueError(f"vecdot: shapes {a.shape} and {b.shape} differ in the length of their last axis")
    return Aval(np.broadcast_shapes(a.shape[:-1], b.shape[:-1]), promoted(a, b))


@rule_for(np.linalg.vecdot, np.vecdot)
def vecdot(x1, x2, /, *, axis=-1):
    x1, x2 = as_array(x1), as_array(x2)
    return VECDOT(np.moveaxis(x1, axis, -1), np.moveaxis(x2, axis, -1))


def matvec(x1, x2, /):
    return np.matmul(as_array(x1), np.expand_dims(as_array(x2), -1))[..., 0]


def vecmat(x1, x2, /):
    return np.matmul(np.expand_dims(conjugated(as_array(x1)), -2), as_array(x2))[..., 0, :]


UFUNCS[np.vecdot] = VECDOT
for _name, _rule in (("matvec", matvec), ("vecmat", vecmat)):
    if hasattr(np, _name):  # NumPy 2.2
        FUNCTIONS[getattr(np, _name)] = _rule


@rule_for(np.outer, np.linalg.outer)
def outer(a, b, out=None):
    a, b = (x if len(shape_of(x)) == 1 else np.ravel(x) for x in (as_array(a), as_array(b)))
    return EINSUM(a, b, subscripts="i,j->ij")


@rule_for(np.tensordot, np.linalg.tensordot)
def tensordot(a, b, /, axes: Any = 2):
    a, b = as_array(a), as_array(b)
    n, m = len(shape_of(a)), len(shape_of(b))
    if is_whole(axes):
        count = operator.index(axes)
        left, right = tuple(range(n - count, n)), tuple(range(count))
    else:
        left, right = normal_axes(axes[0], n), normal_axes(axes[1], m)
    keep_left = tuple(i for i in range(n) if i not in left)
    keep_right = tuple(i for i in range(m) if i not in right)
    if left == (n - 1,) and n <= 2 and right == (0,) and m <= 2 and shape_of(a)[-1:] == shape_of(b)[:1]:
        return np.matmul(a, b)
    size = math.prod([shape_of(a)[i] for i in left])
    if [shape_of(a)[i] for i in left] != [shape_of(b)[i] for i in right]:
        raise ValueError(f"tensordot: shapes {shape_of(a)} and {shape_of(b)} do not match on axes {axes}")
    rows = np.reshape(np.transpose(a, keep_left + left), (-1, size) if size else (_product(a, keep_left), 0))
    columns = np.reshape(np.transpose(b, right + keep_right), (size, -1) if size else (0, _product(b, keep_right)))
    shape = tuple(shape_of(a)[i] for i in keep_left) + tuple(shape_of(b)[i] for i in keep_right)
    return np.reshape(np.matmul(rows, columns), shape)


def _product(x: Any, axes: tuple[int, ...]) -> int:
    return math.prod([shape_of(x)[i] for i in axes])


@rule_for(np.kron)
def kron(a, b):
    a, b = as_array(a), as_array(b)
    ndim = max(len(shape_of(a)), len(shape_of(b)))
    left = (1,) * (ndim - len(shape_of(a))) + shape_of(a)
    right = (1,) * (ndim - len(shape_of(b))) + shape_of(b)
    spread = np.reshape(a, tuple(n for s in left for n in (s, 1))) * np.reshape(
        b, tuple(n for s in right for n in (1, s))
    )
    return np.reshape(spread, tuple(n * m for n, m in zip(left, right, strict=True)))


def _to_last(x: Any, axis: int) -> Any:
    return x if axis in (-1, len(shape_of(x)) - 1) else np.moveaxis(x, axis, -1)


def _cross_run(a: Any, b: Any) -> Any:
    # With the first two entries once more behind the last, entries 1 to 3 and 2 to 4 are those of either order.
    a, b = (np.concatenate((x, x[..., :2]), axis=-1) for x in (a, b))
    return a[..., 1:4] * b[..., 2:] - a[..., 2:] * b[..., 1:4]


def _cross_aval(a: Aval, b: Aval) -> Aval:
    dtype = promoted(a, b)
    if dtype == np.bool_:
        raise TypeError("cross: truth values have no difference")
    return Aval(np.broadcast_shapes(a.shape, b.shape), dtype)


CROSS = linear(
    "cross",
    _cross_run,
    _cross_aval,
    lambda g, out, a, b: CROSS(b, g),
    lambda g, out, a, b: CROSS(g, a),
    notation="{0} × {1}",
    domain=ANY,
    doc="Cross products of vectors along the last axis: ⟨g, a × b⟩ = ⟨b × g, a⟩ = ⟨g × a, b⟩.",
)


@rule_for(np.cross)
def cross(a, b, axisa=-1, axisb=-1, axisc=-1, axis=None):
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = _to_last(as_array(a), axisa), _to_last(as_array(b), axisb)
    lengths = shape_of(a)[-1], shape_of(b)[-1]
    if not set(lengths) <= {2, 3}:
        raise ValueError(f"cross: arguments need length 2 or 3 along their axis, got {shape_of(a)} and {shape_of(b)}")
    if lengths == (2, 2):
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    a, b = _in_space(a), _in_space(b)
    c = (_cross_run if _has_still_zeros(a) or _has_still_zeros(b) else CROSS)(a, b)
    ndim = len(shape_of(c))
    return c if ndim == 1 or axisc in (-1, ndim - 1) else np.moveaxis(c, -1, axisc)


def _has_still_zeros(x: Any) -> bool:
    """Entries of a constant that are 0 win over infinite slopes, product by product."""
    return x.__class__ is not Traced and not np.all(value_of(x))


def _in_space(x: Any) -> Any:
    """Vectors of a plane as vectors of space."""
    shape = shape_of(x)
    return x if shape[-1] == 3 else np.concatenate([x, np.zeros((*shape[:-1], 1), dtype_of(x))], axis=-1)


@rule_for(np.linalg.cross)
def _cross_in_space(x1, x2, /, *, axis=-1):
    if shape_of(x1)[axis] != 3 or shape_of(x2)[axis] != 3:
        raise ValueError(
            f"Both input arrays must be (arrays of) 3-dimensional vectors, not {shape_of(x1)} and {shape_of(x2)}"
        )
    return cross(x1, x2, axis=axis)


@rule_for(np.linalg.multi_dot)
def multi_dot(arrays, *, out=None):
    """The product in the order that takes the fewest multiplications, as NumPy chooses it."""
    if len(arrays) < 2:
        raise ValueError("Expecting at least two arrays.")
    first, *inner, last = map(as_array, arrays)
    lines = [len(shape_of(end)) == 1 for end in (first, last)]
    if lines[0]:
        first = np.reshape(first, (1, -1))
    if lines[1]:
        last = np.reshape(last, (-1, 1))
    chain = [first, *inner, last]
    result = _product_of(chain, (*[shape_of(a)[0] for a in chain], shape_of(last)[1]))
    return result[0, 0] if all(lines) else np.ravel(result) if any(lines) else result


def _product_of(chain: list[Any], lengths: tuple[int, ...]) -> Any:
    if len(chain) == 1:
        return chain[0]
    cut = _multiplications(lengths)[1]
    return np.dot(_product_of(chain[:cut], lengths[: cut + 1]), _product_of(chain[cut:], lengths[cut:]))


@functools.lru_cache(4096)
def _multiplications(lengths: tuple[int, ...]) -> tuple[int, int]:
    """The fewest that a chain of matrices of these lengths takes, and after how many matrices it is cut then."""
    if len(lengths) == 2:
        return 0, 0
    ends = lengths[0] * lengths[-1]
    return min(
        (_multiplications(lengths[: k + 1])[0] + _multiplications(lengths[k:])[0] + ends * lengths[k], k)
        for k in range(1, len(lengths) - 1)
    )


@rule_for(np.linalg.matrix_power)
def matrix_power(a, n):
    if len(shape_of(a)) < 2 or shape_of(a)[-1] != shape_of(a)[-2]:
        raise np.linalg.LinAlgError("Last 2 dimensions of the array must be square")
    if n < 0:
        a, n = np.linalg.inv(a), -n
    if n == 0:
        return np.broadcast_to(np.eye(shape_of(a)[-1], dtype=dtype_of(a)), shape_of(a))
    if n == 3:
        return np.matmul(np.matmul(a, a), a)  # NumPy's own short cut
    result = None
    while n:
        if n & 1:
            result = a if result is None else np.matmul(result, a)
        n >>= 1
        if n:
            a = np.matmul(a, a)
    return result
