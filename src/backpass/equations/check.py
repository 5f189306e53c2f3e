"""A shown equation is a tested equation: each printed line is read back, evaluated, and compared with autodiff."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from backpass.graph.op import OPS

from .labelled import aligned, numeric
from .read import IndexReader, Unreadable, read_index
from .read_matrix import read_matrix

TOLERANCE = 1e-12


@dataclass(frozen=True)
class Checked:
    """What comparing the printed lines with autodiff found."""

    count: int
    worst: float
    """The largest difference, relative to the larger of 1 and the values."""
    failed: tuple[tuple[str, str], ...]
    """(line, what is wrong)."""
    unfinite: tuple[str, ...] = ()
    """Lines where autodiff itself gives infinities or NaN: nothing is claimed about them."""

    def __bool__(self) -> bool:
        return not self.failed

    def __str__(self) -> str:
        text = f"{self.count} printed lines read back, largest difference from autodiff {self.worst:.1e}"
        if self.unfinite:
            text += f"; {len(self.unfinite)} not compared, where autodiff is not finite"
        return text + "".join(f"\n  {line}: {what}" for line, what in self.failed)


def difference(left: Any, right: Any) -> float:
    """The largest difference, relative to the larger of 1 and the values."""
    left, right = numeric(left), numeric(right)
    if left.size == 0:
        return 0.0
    gap = np.abs(left - right)
    gap = np.where((left == right) | (np.isnan(left) & np.isnan(right)), 0.0, gap)
    worst = float(np.max(gap))
    scale = np.abs(left[np.isfinite(left)])
    return worst / max(1.0, float(scale.max()) if scale.size else 1.0)


def index_difference(
    left: str,
    right: str,
    names: Mapping[str, Any],
    lengths: Mapping[str, int],
    after: Mapping[str, Any] | None = None,
) -> float:
    """How far apart the two sides of a line in index form are; `after` holds what names on the left stand for."""
    reader = IndexReader(left, names if after is None else after, lengths)
    a = reader.atom()
    reader.finish()
    with np.errstate(all="ignore"):
        b = read_index(right, names, lengths)
    if set(b.labels) - set(a.labels):
        raise Unreadable(
            f"indices {sorted(map(str, set(b.labels) - set(a.labels)))} are free on the right of {right!r}"
        )
    (x, y), _ = aligned(a, b)
    return difference(*np.broadcast_arrays(x, y))


def matrix_difference(
    left: str,
    right: str,
    names: Mapping[str, Any],
    lengths: Mapping[str, int],
    columns: bool = False,
    after: Mapping[str, Any] | None = None,
) -> float:
    """How far apart the two sides of a line in matrix form are; shapes must agree."""
    with np.errstate(all="ignore"):
        after = names if after is None else after
        if left in after:
            value = np.asarray(after[left])
            width = value.shape[0 if columns else -1] if value.ndim else 0
            got = read_matrix(right, names, lengths, width, upright=columns)
            _same_shape(np.shape(got), value.shape, right)
            return difference(value, np.reshape(got, value.shape))
        base, _, letter = left.rpartition("_")
        value = np.asarray(after[base])
        worst = 0.0
        for k in range(len(value)):
            got = read_matrix(right, names, lengths, value.shape[-1], (letter, k))
            _same_shape(np.shape(got), value[k].shape, right)
            worst = max(worst, difference(value[k], got))
    return worst


def _same_shape(got: tuple[int, ...], want: tuple[int, ...], text: str) -> None:
    if got != want and got != (1, *want) and (1, *got) != want:
        raise Unreadable(f"{text!r} has shape {got}, not {want}")


def call_difference(
    left: str,
    right: str,
    names: Mapping[str, Any],
    shapes: list[tuple[int, ...]],
    attrs: Mapping[str, Any],
    after: Mapping[str, Any] | None = None,
) -> float:
    """How far apart the two sides of a line are whose right side calls an operation on whole arrays."""
    name, _, inside = right.partition("(")
    arguments = []
    for part in inside.removesuffix(")").split(", ")[: len(shapes)]:
        if "=" not in part:
            value = np.asarray(names[part.rstrip("ᵀ")])
            value = np.swapaxes(value, -1, -2) if part.endswith("ᵀ") else value
            arguments.append(value.reshape(shapes[len(arguments)]))
    with np.errstate(all="ignore"):
        return difference((names if after is None else after)[left], OPS[name].run(*arguments, **attrs))


__all__ = ["TOLERANCE", "Checked", "call_difference", "difference", "index_difference", "matrix_difference"]
