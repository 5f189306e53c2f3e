"""How a kernel's loops run: which axes walk as one, which one lies in the vector lanes, and in how many sweeps.

A row kernel, such as a softmax, needs its rows more than once: a value that depends on a reduction belongs to a later
*stage*. Short rows are kept in registers from stage to stage; long ones are swept once a stage, where costly values of
an earlier stage are kept in memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from . import pointwise
from .kernel import Item, Kernel, Place, Ref, Root, squeezed

REGISTERS = 16
"""Positions of a row that are kept in registers at most."""
TEXT = 400
"""Operations that a row in registers may be written out to."""
COSTLY, APART = 16, 1.2
"""Cycles of an elementary function or a division, and of reading a lane that does not lie beside the one before."""


@dataclass(eq=False)
class Arrangement:
    """The loops of a kernel. Axes of the domain are in groups, each of which is one loop."""

    groups: list[list[int]]
    extents: list[int]
    vector: int | None
    """The group in the lanes."""
    width: int
    reduced: list[int]
    """Groups that reductions sum over."""
    unrolled: bool = False
    """Are the rows kept in registers?"""
    stage: dict[Item, int] = field(default_factory=dict)
    """The sweep that computes a value; for a value of a row, the first sweep that may use it."""
    stages: int = 1

    @property
    def outer(self) -> list[int]:
        """The loops around the rows."""
        return [g for g in range(len(self.groups)) if g not in self.reduced]

    def strides(self, strides: tuple[int, ...]) -> list[int]:
        """Strides over the domain as strides over the groups."""
        return [strides[members[-1]] for members in self.groups]


def arrange(kernel: Kernel, bits: int) -> Arrangement:
    """Decide, and mark what has to be kept in memory from stage to stage."""
    addresses = list(_addresses(kernel))
    walks = [walk for walk, _, _ in addresses]
    reduced = set(kernel.reduced or ())
    groups: list[list[int]] = []
    for axis, n in enumerate(kernel.domain):
        last = groups[-1][-1] if groups else None
        if (
            last is not None
            and (last in reduced) == (axis in reduced)
            and all(walk[last] == walk[axis] * n for walk in walks)
        ):
            groups[-1].append(axis)
        else:
            groups.append([axis])
    extents = []
    for members in groups:
        extent = 1
        for axis in members:
            extent *= kernel.domain[axis]
        extents.append(extent)
    width = _width(kernel, bits)
    made = Arrangement(groups, extents, None, 1, [g for g, members in enumerate(groups) if members[0] in reduced])
    least = _cycles(kernel, made, None, 1, addresses)
    for g in range(len(groups)) if all(extents) else ():
        cycles = _cycles(kernel, made, g, width, addresses)
        if cycles < least:
            least, made.vector, made.width = cycles, g, width
    if made.reduced:
        _stages(kernel, made)
    return made


def _addresses(kernel: Kernel) -> Iterator[tuple[tuple[int, ...], bool, float]]:
    """Every walk over the domain: strides, whether over rows alone, and what a lane costs that lies apart."""
    for ref, row in kernel.leaves:
        yield kernel.over_domain(ref.strides, row), row, APART
    for root in kernel.roots:
        yield kernel.over_domain(root.strides, root.row), root.row, 1.5 * APART
        for dynamic in root.dynamic:
            yield kernel.over_domain(dynamic.index.strides, root.row), root.row, APART
    for node, row in kernel.nodes.items():
        if node.gathered is not None:
            yield kernel.over_domain(node.gathered.strides, row), row, APART
            for dynamic in node.gathered.dynamic:
                yield kernel.over_domain(dynamic.index.strides, row), row, 2 * APART


def _width(kernel: Kernel, bits: int) -> int:
    """Lanes: as many as entries of the largest floating dtype fill a register."""
    items = [*kernel.nodes, *[ref.item for ref, _ in kernel.leaves], *[root.target for root in kernel.roots]]
    sizes = [item.dtype.itemsize for item in items if item.dtype.kind == "f" and not item.immediate]
    return bits // 8 // max(sizes, default=8 if any(item.dtype.itemsize == 8 for item in items) else 4)


def _cycles(
    kernel: Kernel,
    made: Arrangement,
    g: int | None,
    width: int,
    addresses: list[tuple[tuple[int, ...], bool, float]],
) -> float:
    """About what the kernel takes with a group in the lanes, or with none."""
    inner, outer = math.prod(made.extents), math.prod(made.extents[k] for k in made.outer)
    along = g in made.reduced
    axis = -1
    if g is not None:
        axis, blocks = made.groups[g][-1], -(-made.extents[g] // width)
        inner = inner // made.extents[g] * blocks
        if not along:
            outer = outer // made.extents[g] * blocks
        for root in kernel.roots:
            if root.kind == "add" and kernel.over_domain(root.strides, root.row)[axis] == 0:
                return math.inf
            if root.dynamic and any(kernel.over_domain(d.index.strides, root.row)[axis] for d in root.dynamic):
                return math.inf  # two lanes could add to one place
    total = 0.0
    for node, row in kernel.nodes.items():
        cost = COSTLY if pointwise.expensive(node.line.op) else 1
        total += cost * (outer if row and not node.reduces else inner)
        if node.reduces and along:
            total += 3 * math.log2(width) * outer  # from all lanes to one
    for walk, row, apart in addresses:
        step = walk[axis] if g is not None else 1
        total += (0.5 if step == 0 else 1 if step == 1 else apart * width) * (outer if row else inner)
    return total


def _stages(kernel: Kernel, made: Arrangement) -> None:
    positions = 1
    for g in made.reduced:
        positions *= -(-made.extents[g] // made.width) if g == made.vector else made.extents[g]
    made.unrolled = positions <= REGISTERS and positions * len(kernel.nodes) <= TEXT
    stage = made.stage
    for node in kernel.nodes:
        before = [stage[arg.item] for arg in node.args if arg.item in kernel.nodes]
        stage[node] = max(before, default=0) + node.reduces
    made.stages = 1 + max([stage[n] for n, row in kernel.nodes.items() if not row], default=0)
    if made.unrolled:
        return
    for node, row in list(kernel.nodes.items()):
        if row and not node.reduces:
            continue
        at = stage[node] - node.reduces
        for arg in node.args:
            _kept_from(kernel, made, arg.item, at)
    for root in list(kernel.roots):
        if not root.row:
            _kept_from(kernel, made, root.ref.item, made.stage.get(root.ref.item, 0))


def _kept_from(kernel: Kernel, made: Arrangement, item: Item, stage: int) -> None:
    """A value used in this stage: where an earlier one computed it at some cost, it is kept in memory."""
    pending = [item]
    while pending:
        item = pending.pop()
        if item not in kernel.nodes or kernel.nodes[item] or made.stage[item] == stage:
            continue
        if item.place is Place.KERNEL and (pointwise.expensive(item.line.op) or item.gathered is not None):
            own = squeezed(item.view)[1]
            item.place = Place.ARENA
            kernel.roots.append(Root(Ref(item, own), item, own))
        if item.place is Place.KERNEL or not any(root.target is item for root in kernel.roots):
            pending += [arg.item for arg in item.args]
