"""Sums over all that a product computes, such as ‖∇‖²: begun in the product's epilogue, where the entries are.

A gradient that is needed for its norm alone is never written to memory then, nor read again. Each unit of the
product's work has a vector of sums of its own, so that no total depends on how many ranks share the work.
"""

from __future__ import annotations

from backpass.graph.aval import Aval

from . import gemm
from .gemm_plan import Tile, choose
from .kernel import Item, Kernel, Place, Plan, Ref, Root, RootKind
from .memory import reads
from .prepare import Line
from .product import product_of
from .target import Target
from .view import View

LEAST = 8192
"""Entries of a product below which its sums are not worth this."""


def begin_in_products(plan: Plan, target: Target) -> None:
    """Let products begin those sums of a plan that are over all of their entries, and over nothing else."""
    for kernel in plan.kernels:
        maker = _maker(plan, kernel, target)
        if maker is not None:
            parts = [ref.item for ref, row in kernel.leaves if not row]
            _begin(kernel, maker, target)
            _forget(plan, maker, parts)


def _maker(plan: Plan, kernel: Kernel, target: Target) -> Kernel | None:
    """The product that computes all that a nest does nothing with but sum it up; None if there is none such."""
    if kernel.kind != "nest" or not kernel.domain or kernel.reduced != tuple(range(len(kernel.domain))):
        return None
    sums = [node for node in kernel.nodes if node.reduces]
    inner = {node for node, row in kernel.nodes.items() if not row}
    parts = {ref.item: ref for ref, row in kernel.leaves if not row}
    known = all(
        arg.item.immediate or arg.item in inner or arg.item in parts for node in (*inner, *sums) for arg in node.args
    )
    plain = all(node.gathered is None and node.line.bounds is None for node in inner)
    if not (sums and parts and known and plain and all(root.row for root in kernel.roots)):
        return None
    for maker in plan.kernels:
        if maker.kind == "product" and maker.domain == kernel.domain and _suits(maker, sums, target):
            made = {r.target: (r.strides, r.offset) for r in maker.roots if r.ref.item is r.target and not r.dynamic}
            if all(made.get(ref.item) == (ref.strides, ref.offset) for ref, row in kernel.leaves if not row):
                return maker
    return None


def _suits(maker: Kernel, sums: list[Item], target: Target) -> bool:
    """Is the product large, computed tile by tile, and of the sums' dtype?"""
    product, swapped = product_of(maker)
    plan = choose(product, target)
    whole = isinstance(plan, Tile) and not plan.swapped and not swapped
    right = all(node.line.op.name == "sum" and node.dtype.name == product.dtype for node in sums)
    return whole and right and product.batch * product.m * product.n >= LEAST


def _begin(kernel: Kernel, maker: Kernel, target: Target) -> None:
    """Let the product compute the terms and a vector of sums for each unit of its work; the nest adds these up."""
    product, _ = product_of(maker)
    count = gemm.units(product, target) * target.lanes(product.dtype)
    maker.nodes |= {node: row for node, row in kernel.nodes.items() if not row}
    kernel.nodes = {node: row for node, row in kernel.nodes.items() if row}
    kernel.leaves = [(ref, row) for ref, row in kernel.leaves if row]
    kernel.domain, kernel.reduced = (count,), (0,)
    for node in kernel.nodes:
        if node.reduces:
            line = Line(node.line.op, (), {}, Aval((count,), node.dtype), position=node.line.position)
            begun = Item(line, View.dense((count,)), place=Place.ARENA)
            maker.roots.append(Root(node.args[0], begun, (0,) * len(maker.domain), kind=RootKind.TOTAL))
            node.args = (Ref(begun, (1,)),)
            kernel.leaves.append((node.args[0], False))


def _forget(plan: Plan, maker: Kernel, parts: list[Item]) -> None:
    """What was kept in memory for the sums alone is not kept any more."""
    read = {item for kernel in plan.kernels for item in reads(kernel)}
    for item in parts:
        if item.place is Place.ARENA and item not in read:
            item.place = Place.KERNEL
            maker.roots = [root for root in maker.roots if root.target is not item]
