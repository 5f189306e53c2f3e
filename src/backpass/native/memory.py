"""The memory plan: which items take over another one's place, and where the others lie in one arena.

An item is in use from the first kernel that writes it to the last one that reads it; two whose times do not meet may
have the same bytes. In a training step the new θ takes the old one's place, where nobody reads the old one any more.
"""

from __future__ import annotations

from .alignment import LINE
from .kernel import Item, Kernel, Place, Plan, Ref, Root, RootKind, squeezed


def reads(kernel: Kernel) -> list[Item]:
    """Everything in memory that a kernel looks at."""
    found = [ref.item for ref, _ in kernel.leaves] + [item for item, _ in kernel.operands]
    return found + [node.gathered.base for node in kernel.nodes if node.gathered is not None]


def writes(kernel: Kernel) -> list[Item]:
    """Everything in memory that a kernel changes."""
    found = [root.target for root in kernel.roots] + kernel.parts
    if kernel.opaque and kernel.result is not None:
        found.append(kernel.result)
    return found


def place(plan: Plan, carried: dict[int, int]) -> None:
    """Give every item of the plan its memory. `carried`: outputs that must end where inputs began."""
    late = [pair for pair in carried.items() if not _take_over(plan, *pair)]
    for number, source in late:
        output, target = plan.outputs[number], plan.inputs[source]
        if output is not target:
            plan.kernels.append(_copy(output, target))
            if output.place is Place.OUTPUT:
                output.place = Place.ARENA
    _arena(plan)


def _take_over(plan: Plan, number: int, source: int) -> bool:
    """Let an output lie where an input is, if no one then reads what is no longer there."""
    output, old = plan.outputs[number], plan.inputs[source]
    if output is old:
        return True
    if output.place is not Place.OUTPUT or output.number != number or output.dtype != old.dtype:
        return False
    writers = [k for k, kernel in enumerate(plan.kernels) if output in writes(kernel)]
    if len(writers) != 1:
        return False
    kernel = plan.kernels[writers[0]]
    roots = [root for root in kernel.roots if root.target is output]
    if len(roots) != 1 or roots[0].kind is not RootKind.STORE or (kernel.reduced and not roots[0].row):
        return False
    if any(old in reads(later) for later in plan.kernels[writers[0] + 1 :]):
        return False
    if any(item is old for item, _ in kernel.operands):
        return False
    if any(node.gathered is not None and node.gathered.base is old for node in kernel.nodes):
        return False
    same = (ref.aligned(roots[0].strides) and row == roots[0].row for ref, row in kernel.leaves if ref.item is old)
    if not all(same):
        return False
    output.shared = old
    return True


def _copy(source: Item, target: Item) -> Kernel:
    domain, strides = squeezed(source.view)
    kernel = Kernel("nest", domain)
    ref = Ref(source, strides)
    kernel.leaves.append((ref, False))
    kernel.roots.append(Root(ref, target, strides))
    return kernel


def _arena(plan: Plan) -> None:
    """First fit, in order of first use."""
    items: dict[Item, None] = {}
    for number, kernel in enumerate(plan.kernels):
        for item in writes(kernel) + reads(kernel):
            if item.place is Place.ARENA:
                items[item] = None
                item.first = number if item.first < 0 else item.first
                item.last = number
    taken: list[tuple[int, int, int]] = []  # (last use, from, to)
    for item in sorted(items, key=lambda item: item.first):
        size = rounded_up(item.line.aval.size * item.dtype.itemsize)
        taken = sorted([t for t in taken if t[0] >= item.first], key=lambda t: t[1])
        at = 0
        for _, start, end in taken:
            if start - at >= size:
                break
            at = max(at, end)
        item.offset = at
        taken.append((item.last, at, at + size))
        plan.arena = max(plan.arena, at + size)


def rounded_up(size: int) -> int:
    return -(-size // LINE) * LINE
