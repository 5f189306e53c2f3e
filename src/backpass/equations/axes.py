"""Axis classes: which axes of all arrays are one and the same index, found by union-find over axes, never over sizes.

Two axes of equal length that never meet in an operation keep different letters, so that square matrices stay safe.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass.graph.op import Kind
from backpass.graph.program import Graph, GraphNode
from backpass.graph.traced import CONSTANT

from .keys import read_key, shape_after

_SAME = ("cast", "alias", "stop_gradient", "real", "imag", "cumsum", "cumprod", "recurrence", "argsort", "cholesky")
_TRANSFORMS = ("fft", "ifft", "rfft", "irfft")
_REDUCED = ("sum", "max", "min", "prod", "norm", "logsumexp", "any", "all", "argmax", "argmin")


class Axes:
    """Class numbers of the axes of arrays; ``classes(key)`` gives one per axis of the array called `key`."""

    def __init__(self) -> None:
        self._parent: list[int] = []
        self._of: dict[Any, tuple[int, ...]] = {}
        self.length: dict[int, int] = {}

    def enter(self, key: Any, shape: tuple[int, ...]) -> None:
        start = len(self._parent)
        self._parent += range(start, start + len(shape))
        self._of[key] = tuple(range(start, start + len(shape)))
        self.length.update(zip(self._of[key], shape, strict=True))

    def find(self, a: int) -> int:
        while self._parent[a] != a:
            self._parent[a] = self._parent[self._parent[a]]
            a = self._parent[a]
        return a

    def classes(self, key: Any) -> tuple[int, ...]:
        return tuple(self.find(a) for a in self._of[key])

    def unite(self, key: Any, axis: int, other: Any, other_axis: int) -> None:
        a, b = self._of[key][axis], self._of[other][other_axis]
        if self.length[a] == self.length[b] and self.length[a] != 1:
            a, b = sorted((self.find(a), self.find(b)))
            self._parent[b] = a

    def alike(self, key: Any, other: Any) -> None:
        """The trailing axes of both arrays are the same, as in broadcasting."""
        n, m = len(self._of[key]), len(self._of[other])
        for i in range(1, min(n, m) + 1):
            self.unite(key, n - i, other, m - i)

    def read(self, graph: Graph) -> None:
        """Enter every line of a graph; lines are called by their position."""
        for k, node in enumerate(graph.nodes):
            self.enter(k, node.shape)
            self.link(k, node, graph.nodes)

    def link(self, k: int, node: GraphNode, nodes: Any, call: Any = lambda i: i) -> None:
        """Unite the axes of one line with those of its arguments."""
        inputs = [call(i) for i in node.inputs]
        name, attrs = node.op.name, node.attrs
        if not inputs:
            return
        first = inputs[0]
        shape = nodes[node.inputs[0]].shape
        if name in _SAME or node.op.kind is Kind.POINTWISE or (node.op.kind is Kind.DISCRETE and not attrs):
            for i in inputs:
                self.alike(i, k)
        elif name in _REDUCED:
            axes = attrs["axis"] if isinstance(attrs["axis"], tuple) else (attrs["axis"],)
            at = 0
            for i in range(len(shape)):
                if i not in axes:
                    self.unite(first, i, k, at)
                at += i not in axes or attrs["keepdims"]
        elif name == "broadcast_to":
            self.alike(first, k)
        elif name == "transpose":
            for out, i in enumerate(attrs["axes"]):
                self.unite(first, i, k, out)
        elif name == "reshape":
            for group_in, group_out in groups(shape, node.shape):
                if len(group_in) == len(group_out) == 1:
                    self.unite(first, group_in[0], k, group_out[0])
        elif name == "matmul":
            self._matmul(k, inputs, [nodes[i].shape for i in node.inputs], node.shape)
        elif name == "vecdot":
            lengths = [len(nodes[i].shape) for i in node.inputs]
            self.unite(first, lengths[0] - 1, inputs[1], lengths[1] - 1)
            for x, n in zip(inputs, lengths, strict=True):
                for i in range(n - 1):
                    self.unite(x, i, k, len(node.shape) - n + 1 + i)
        elif name == "einsum":
            self._einsum(k, inputs, attrs["subscripts"])
        elif name == "trace":
            n = len(shape)
            self.unite(first, n - 2, first, n - 1)
            for axis in range(n - 2):
                self.unite(first, axis, k, axis)
        elif name == "concatenate":
            for i in inputs:
                for axis in range(len(node.shape)):
                    if axis != attrs["axis"]:
                        self.unite(i, axis, k, axis)
        elif name in _TRANSFORMS:
            for axis in range(len(shape)):
                if axis != attrs["axis"]:
                    self.unite(first, axis, k, axis)
        elif name in ("slice", "gather", "unslice", "scatter_add"):
            constants = [nodes[i].value if nodes[i].op is CONSTANT else None for i in node.inputs[1:]]
            self._keyed(k, node, inputs, [nodes[i].shape for i in node.inputs], constants)
        elif name in ("setitem", "put", "add_at"):
            self.alike(first, k)
            self._assigned(node, inputs, [nodes[i].shape for i in node.inputs])
        elif name == "solve":
            self._solve(k, inputs, len(shape), len(node.shape))
        elif name == "inv":
            n = len(shape)
            self.unite(first, n - 1, k, n - 2)
            self.unite(first, n - 2, k, n - 1)

    def _matmul(self, k: int, inputs: list[Any], shapes: list[Any], out: tuple[int, ...]) -> None:
        (a, b), (la, lb), lo = inputs, map(len, shapes), len(out)
        self.unite(a, la - 1, b, max(lb - 2, 0))
        if la > 1:
            self.unite(a, la - 2, k, lo - (2 if lb > 1 else 1))
        if lb > 1:
            self.unite(b, lb - 1, k, lo - 1)
        batch = lo - (la > 1) - (lb > 1)
        for x, n in ((a, la), (b, lb)):
            for i in range(n - 2):
                self.unite(x, i, k, batch - (n - 2) + i)

    def _einsum(self, k: int, inputs: list[Any], subscripts: str) -> None:
        terms, out = subscripts.split("->")
        met: dict[str, tuple[Any, int]] = {}
        for x, letters in [*zip(inputs, terms.split(","), strict=True), (k, out)]:
            for i, c in enumerate(letters):
                if c in met and self.length[self._of[met[c][0]][met[c][1]]] != 1:
                    self.unite(*met[c], x, i)
                else:
                    met[c] = (x, i)

    def _keyed(self, k: int, node: GraphNode, inputs: list[Any], shapes: list[Any], constants: list[Any]) -> None:
        forward = node.op.name in ("slice", "gather")
        large, small = (inputs[0], k) if forward else (k, inputs[0])
        whole = shapes[0] if forward else node.shape
        key = read_key(node.attrs["key"], whole, shapes[1:])
        for axis, part in enumerate(key.parts):
            if part.output is not None and part.start == 0 and part.step == 1:
                self.unite(large, axis, small, part.output)
        for array in inputs[1:]:
            n = len(self._of[array])
            for i in range(n):
                self.unite(array, i, small, key.at + len(key.spread) - n + i)
        for axis, part in enumerate(key.parts):
            along = None if part.array is None else _counting(constants[part.array], key.spread)
            if along is not None:
                self.unite(large, axis, small, key.at + along)

    def _assigned(self, node: GraphNode, inputs: list[Any], shapes: list[tuple[int, ...]]) -> None:
        keys = node.attrs["keys"] if "keys" in node.attrs else (node.attrs["key"],)
        values = range(1, len(inputs)) if "keys" in node.attrs else (1,)
        for n, template in zip(values, keys, strict=True):
            arrays = [] if "keys" in node.attrs else list(range(2, len(inputs)))
            key = read_key(template, node.shape, [shapes[i] for i in arrays])
            after = shape_after(node.shape, template, [shapes[i] for i in arrays])
            short = len(after) - len(shapes[n])
            for axis, part in enumerate(key.parts):
                whole = part.output is not None and part.step == 1 and after[part.output] == node.shape[axis]
                if whole and part.output >= short and shapes[n][part.output - short] != 1:  # type: ignore[operator]
                    self.unite(inputs[0], axis, inputs[n], part.output - short)  # type: ignore[operator]
            end = key.at + len(key.spread)
            for i in arrays:
                for axis, length in enumerate(shapes[i]):
                    place = end - len(shapes[i]) + axis
                    if place >= short and length != 1 and shapes[n][place - short] != 1:
                        self.unite(inputs[i], axis, inputs[n], place - short)

    def _solve(self, k: int, inputs: list[Any], n: int, m: int) -> None:
        a, b = inputs
        row = 0 if len(self._of[b]) == 1 else m - 2
        if row:
            self.unite(b, len(self._of[b]) - 1, k, m - 1)
        self.unite(a, n - 2, b, min(row, len(self._of[b]) - 1))
        self.unite(a, n - 1, k, row)


def _counting(value: Any, spread: tuple[int, ...]) -> int | None:
    """The axis of the common shape along which an index array only counts 0, 1, 2, …"""
    array = np.asarray(value) if value is not None else np.empty(0)
    long = [i for i, n in enumerate(array.shape) if n != 1]
    if len(long) != 1 or not np.array_equal(array.reshape(-1), np.arange(array.size)):
        return None
    return len(spread) - array.ndim + long[0]


def groups(have: tuple[int, ...], want: tuple[int, ...]) -> list[tuple[list[int], list[int]]]:
    """Split a reshape into its smallest independent parts: runs of axes with equal products.

    >>> groups((2, 3, 4), (2, 12))
    [([0], [0]), ([1, 2], [1])]
    >>> groups((5,), (5, 1))
    [([0], [0]), ([], [1])]
    """
    out: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(have) or j < len(want):
        a = [i] if i < len(have) else []
        b = [j] if j < len(want) else []
        if a and have[i] == 1 and not (b and want[j] == 1):
            out.append((a, []))
            i += 1
            continue
        if b and want[j] == 1 and not (a and have[i] == 1):
            out.append(([], b))
            j += 1
            continue
        p, q = have[i] if a else 1, want[j] if b else 1
        i, j = i + len(a), j + len(b)
        while p != q and (i < len(have) or j < len(want)):
            if p < q and i < len(have):
                p *= have[i]
                a.append(i)
                i += 1
            elif j < len(want):
                q *= want[j]
                b.append(j)
                j += 1
            else:
                break
        out.append((a, b))
    return out


__all__ = ["Axes", "groups"]
