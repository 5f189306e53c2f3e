"""`View`: how an array of some shape lies in a buffer, as NumPy's strides have it, in entries instead of bytes.

Reshapes, transposes, slices and broadcasts move no data: they are other strides over the same buffer.

>>> View.dense((2, 3)).transposed((1, 0))
View(shape=(3, 2), strides=(1, 3), offset=0)
>>> View.dense((2, 3)).reshaped((6,))
View(shape=(6,), strides=(1,), offset=0)
>>> View.dense((2, 3)).transposed((1, 0)).reshaped((6,)) is None
True
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class View:
    """Entry (i, j, …) stands at ``offset + i·strides[0] + j·strides[1] + …`` of its buffer."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0

    @staticmethod
    def dense(shape: tuple[int, ...], order: tuple[int, ...] | None = None) -> View:
        """All entries without gaps; `order` names the axes from the slowest to the fastest (C order without it)."""
        strides = [0] * len(shape)
        step = 1
        for axis in reversed(order if order is not None else range(len(shape))):
            strides[axis] = step
            step *= shape[axis]
        return View(shape, tuple(strides))

    @property
    def size(self) -> int:
        size = 1
        for n in self.shape:
            size *= n
        return size

    def transposed(self, axes: tuple[int, ...]) -> View:
        return View(tuple(self.shape[a] for a in axes), tuple(self.strides[a] for a in axes), self.offset)

    def broadcast(self, shape: tuple[int, ...]) -> View:
        """Stretched to `shape` as NumPy does it: stride 0 along new and length-1 axes."""
        extra = len(shape) - len(self.shape)
        strides = [0] * extra + [
            0 if have == 1 and want != 1 else stride
            for have, want, stride in zip(self.shape, shape[extra:], self.strides, strict=True)
        ]
        return View(shape, tuple(strides), self.offset)

    def sliced(self, key: Any) -> View:
        """Basic indexing: whole numbers, slices, new axes, an ellipsis."""
        taken = sum(part is not None and part is not Ellipsis for part in key)
        shape, strides, offset, axis = [], [], self.offset, 0
        parts: list[Any] = list(key) if Ellipsis in key else [*key, Ellipsis]
        for part in parts:
            if part is None:
                shape.append(1)
                strides.append(0)
            elif part is Ellipsis:
                rest = len(self.shape) - taken
                shape += self.shape[axis : axis + rest]
                strides += self.strides[axis : axis + rest]
                axis += rest
            elif isinstance(part, slice):
                start, stop, step = part.indices(self.shape[axis])
                count = len(range(start, stop, step))
                offset += start * self.strides[axis] if count else 0
                shape.append(count)
                strides.append(self.strides[axis] * step)
                axis += 1
            else:
                n = self.shape[axis]
                offset += (part + n if part < 0 else part) * self.strides[axis]
                axis += 1
        return View(tuple(shape), tuple(strides), offset)

    def reshaped(self, shape: tuple[int, ...]) -> View | None:
        """The same entries in C order in another shape, or None where only a copy can be that."""
        if self.size == 0:
            return View.dense(shape)
        if shape == self.shape:
            return self
        have = [(n, s) for n, s in zip(self.shape, self.strides, strict=True) if n != 1]
        strides: list[int] = []
        want = list(shape)
        k = 0
        for n, step in _runs(have):
            run: list[int] = []
            left = n
            while left != 1:
                if k == len(want):
                    return None
                if left % want[k]:
                    return None
                run.append(want[k])
                left //= want[k]
                k += 1
            at = n
            for length in run:
                at //= length
                strides.append(step * at)
        strides += [0] * (len(want) - k)
        return View(shape, tuple(strides), self.offset)

    def is_dense(self) -> bool:
        """Are the entries in C order without gaps, from the buffer's beginning?"""
        return self.offset == 0 and same_walk(self, View.dense(self.shape))


def _runs(axes: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Neighbouring axes that walk as one: (entries, step)."""
    runs: list[tuple[int, int]] = []
    for n, s in axes:
        if runs and runs[-1][1] == n * s:
            runs[-1] = (runs[-1][0] * n, s)
        else:
            runs.append((n, s))
    return runs


def same_walk(a: View, b: View) -> bool:
    """Do both visit the same places? Steps along axes of length 1 do not matter."""
    return a.offset == b.offset and all(n == 1 or s == t for n, s, t in zip(a.shape, a.strides, b.strides, strict=True))
