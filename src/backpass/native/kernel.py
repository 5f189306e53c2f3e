"""What the lowering makes of a graph: items that lie in buffers, and kernels that compute them, in order.

An *item* is a value with a place in memory, or one that exists only inside the kernel that computes it. A *ref* is how
a kernel's loops see an item: by strides over the loops' domain. Domains are written without axes of length 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from backpass.graph.aval import Aval
from backpass.graph.program import Graph

from .prepare import Line
from .view import View

Domain = tuple[int, ...]


class Place(StrEnum):
    """Where an item lies."""

    INPUT = "input"
    CONSTANT = "constant"
    OUTPUT = "output"
    ARENA = "arena"
    KERNEL = "kernel"
    """Nowhere: it exists only in registers."""


@dataclass(eq=False)
class Item:
    """A value: the result of a line that is no view of another one."""

    line: Line
    view: View
    """How it lies in its own buffer, without gaps."""
    home: int = -1
    """The kernel that computes it; −1 for arguments and constants."""
    row: bool = False
    """One entry for each row of its kernel: what remains after the reduction."""
    reduces: bool = False
    """Is it a reduction over its kernel's rows?"""
    args: tuple[Ref, ...] = ()
    gathered: Gathered | None = None
    """Where it is read from, if index arrays decide that."""
    order: int = -1
    """Arguments have lower numbers than results."""
    weight: int = 0
    """How many operations on arguments alone make it up, where each kernel computes it for itself."""
    place: Place = Place.KERNEL
    number: int = -1
    """Which input, constant or output it is."""
    shared: Item | None = None
    """Another item whose memory it takes over: a step's new θ lies where the old one was."""
    apart: bool = False
    """Do its rows stay where an index array says, instead of one behind the other?"""
    offset: int = 0
    """Bytes from the arena's beginning."""
    first: int = -1
    last: int = -1
    """The kernels between which its memory is in use."""

    @property
    def dtype(self) -> np.dtype:
        return self.line.aval.dtype

    @property
    def aval(self) -> Aval:
        return self.line.aval

    @property
    def stored(self) -> bool:
        return self.place is not Place.KERNEL

    @property
    def immediate(self) -> bool:
        """A single number, written into the code."""
        return self.place is Place.CONSTANT and self.line.aval.size == 1


@dataclass(frozen=True, eq=False, slots=True)
class Ref:
    """An item as seen from a domain: entry (i, j, …) is ``offset + Σ strides·(i, j, …)``."""

    item: Item
    strides: tuple[int, ...]
    offset: int = 0

    def aligned(self, other: tuple[int, ...] | None) -> bool:
        return self.offset == 0 and self.strides == other


@dataclass(frozen=True, slots=True)
class Dynamic:
    """A place that an index array decides: ``wrapped(index)·stride``, the index checked against `length`."""

    index: Ref
    stride: int
    length: int


@dataclass(frozen=True, slots=True)
class Gathered:
    """Entries of `base` at places that depend on the loops and on index arrays."""

    base: Item
    strides: tuple[int, ...]
    offset: int
    dynamic: tuple[Dynamic, ...]


class RootKind(StrEnum):
    STORE = "store"
    ADD = "add"
    TOTAL = "total"
    """Added to a vector of sums that each unit of a product's work has."""


@dataclass(eq=False)
class Root:
    """What a kernel leaves in memory: the value `ref`, at these places of `target`."""

    ref: Ref
    target: Item
    strides: tuple[int, ...]
    offset: int = 0
    kind: RootKind = RootKind.STORE
    dynamic: tuple[Dynamic, ...] = ()
    row: bool = False


@dataclass(eq=False)
class Kernel:
    """One loop nest over `domain`, or one call of something that is no loop nest (`kind`)."""

    kind: str
    """nest, product, random, island, straight, loop, branch."""
    domain: Domain
    reduced: tuple[int, ...] | None = None
    """The axes of the domain that its reductions sum over."""
    roots: list[Root] = field(default_factory=list)
    nodes: dict[Item, bool] = field(default_factory=dict)
    """Every value that it computes, arguments before results, and whether that is one of a row."""
    leaves: list[tuple[Ref, bool]] = field(default_factory=list)
    """Every ref that it loads, and whether it runs over rows alone."""
    closed: bool = False
    """Is it settled what it computes?"""
    made: Any = None
    """The arrangement of its loops."""
    line: Line | None = None
    operands: tuple[tuple[Item, View], ...] = ()
    result: Item | None = None
    parts: list[Item] = field(default_factory=list)
    """What a loop or a branch gives and works in, or the several results of an island."""
    control: Any = None
    """The bodies of a loop or a branch."""

    @property
    def opaque(self) -> bool:
        """One call, of which only operands and results are known, rather than values over a domain."""
        return self.kind not in ("nest", "product")

    def describe(self, graph: Graph) -> str:
        """What it computes, in the user's names where there are any."""
        shown = graph.display_names()
        told = lambda line: shown[line.position] if line.position >= 0 else line.op.name  # noqa: E731
        domain = "×".join(map(str, self.domain)) or "1"
        if self.kind == "island":
            assert self.line is not None
            return f"island   {domain:<14} {told(self.line)} = {self.line.op.name}(…), run by NumPy"
        if self.control is not None:
            names = ", ".join([told(part.line) for part in self.parts if part.line.position >= 0])
            return f"{self.kind:<8} {self.control.extent:<14} {names}"
        targets = [root.target for root in self.roots] or ([self.result] if self.result is not None else [])
        made = ", ".join(dict.fromkeys(told(item.line) for item in targets))
        summed = f", summed over axis {', '.join(map(str, self.reduced))}" if self.reduced else ""
        ops = [node.line.op.name for node in self.nodes]
        if self.kind == "product":
            ops.insert(0, "matmul")
        return f"{self.kind:<8} {domain:<14} {made}: {' '.join(ops) or 'copy'}{summed}"

    @property
    def rows(self) -> Domain:
        """The domain without the reduced axes."""
        reduced = self.reduced or ()
        return tuple(n for k, n in enumerate(self.domain) if k not in reduced)

    def spread(self, item: Item) -> tuple[int, ...]:
        """The strides over the domain by which the kernel's own item meets the loops."""
        return self.over_domain(squeezed(item.view)[1], item.row)

    def meets(self, ref: Ref, row: bool, level: bool) -> bool:
        """Does a ref, from a value of a row or not, see its item as the loops compute it, and not another place of it?

        `level` tells whether the item is one of a row.
        """
        own = squeezed(ref.item.view)[1]
        if len(own) != len(self.rows if level else self.domain):
            return False
        return ref.offset == 0 and self.over_domain(ref.strides, row) == self.over_domain(own, level)

    def over_domain(self, strides: tuple[int, ...], row: bool) -> tuple[int, ...]:
        """Strides over the rows, as strides over the domain."""
        if not row:
            return strides
        inner = iter(strides)
        reduced = self.reduced or ()
        return tuple(0 if k in reduced else next(inner) for k in range(len(self.domain)))


def squeezed(view: View) -> tuple[Domain, tuple[int, ...]]:
    """Shape and strides without axes of length 1."""
    kept = [k for k, n in enumerate(view.shape) if n != 1]
    return tuple(view.shape[k] for k in kept), tuple(view.strides[k] for k in kept)


@dataclass(eq=False)
class Plan:
    """A graph, lowered."""

    kernels: list[Kernel]
    inputs: list[Item]
    outputs: list[Item]
    constants: list[Item]
    arena: int = 0
    """Bytes of working memory."""
