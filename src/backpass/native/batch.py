"""Batches that need not be copied: where products alone read one, they read its rows where the data lie.

A batch is rows of the data in a shuffled order. Copied together, they would wait for memory and then be read again;
a product waits for them while it computes.
"""

from __future__ import annotations

from .gemm_plan import Gather
from .kernel import Item, Kernel, Plan
from .memory import reads
from .view import View

LEAST = 65_536
"""Bytes of a batch below which it is copied: then it stays in the first cache, as do its rows."""


def leave_apart(plan: Plan, numbers: range) -> None:
    """Mark those of the inputs with these numbers, which are batches, whose rows can stay where the data lie."""
    for number in numbers:
        item = plan.inputs[number]
        readers = [kernel for kernel in plan.kernels if item in reads(kernel)]
        large = item.aval.size * item.dtype.itemsize >= LEAST
        item.apart = large and item not in plan.outputs and all(_gather(kernel, item) for kernel in readers)


def gather_of(kernel: Kernel) -> Gather:
    """How a product reads rows that lie apart; "" where it reads none."""
    apart = [item for item, _ in kernel.operands if item.apart]
    return _gather(kernel, apart[0]) if apart else ""


def _gather(kernel: Kernel, item: Item) -> Gather:
    """How a kernel can read the rows of an item that lie apart; "" if it cannot."""
    if kernel.kind != "product":
        return ""
    (a, left), (c, right) = kernel.operands
    if item in (ref.item for ref, _ in kernel.leaves) or (a is item) == (c is item) or len(left.shape) != 2:
        return ""
    if c is item:
        return "b inner" if len(right.shape) == 2 and _along(right, 0, item) else ""
    if _along(left, 0, item) and right.shape[-1] > 1:
        return "a rows"
    return "a inner" if _along(left, 1, item) else ""


def _along(view: View, axis: int, item: Item) -> bool:
    """Does this axis of a matrix count the item's rows, all of them, and the other one stay within a row?"""
    rows, across = item.aval.shape[0], 1 - axis
    size = item.aval.size // rows
    last = view.offset + (view.shape[across] - 1) * view.strides[across]
    return view.shape[axis] == rows > 1 and view.strides[axis] == size and 0 <= view.offset <= last < size
