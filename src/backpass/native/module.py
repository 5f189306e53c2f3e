"""A plan as one LLVM module: a function for each kernel, and the entry that calls them in order.

The entry is ``backpass_main(table, arena, flag)``: `table` holds the addresses of inputs, constants and outputs (in that
order, then that of the callback for islands), `flag` an int64 that a kernel sets where an index is out of bounds.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir

from . import gemm, random
from .arrange import Arrangement, arrange
from .engine import ENTRY
from .kernel import Item, Kernel, Place, Plan
from .lanes import I8, I64, POINTER, Lanes, i64
from .memory import aligned
from .nest import Body, Nest, Values, Where, owner
from .target import Target
from .view import View

LONG = 6
"""An epilogue of more values than this is written once, in a loop over a tile's rows."""


class ModuleWriter:
    """Writes one plan."""

    def __init__(self, plan: Plan, target: Target, arrangements: dict[Kernel, Arrangement]):
        self.plan = plan
        self.target = target
        self.arrangements = arrangements
        self.module = ir.Module("backpass")
        self.scratch = 0
        """Bytes that products pack into, behind the arena."""
        self.slots = slots(plan)

    def text(self) -> str:
        """The module's LLVM assembly."""
        main = ir.Function(self.module, ir.FunctionType(ir.VoidType(), [POINTER, POINTER, POINTER]), ENTRY)
        self.b = ir.IRBuilder(main.append_basic_block("entry"))
        self.table, self.arena, self.flag = main.args
        for number, kernel in enumerate(self.plan.kernels):
            self._kernel(number, kernel)
        self.b.ret_void()
        return str(self.module)

    # ---- memory
    def address(self, item: Item) -> ir.Value:
        """In the entry: where an item begins."""
        item = owner(item)
        if item.place is Place.ARENA:
            return self.b.gep(self.arena, [i64(item.offset)], source_etype=I8)
        slot = self.b.gep(self.table, [i64(self.slots[item])], source_etype=I64)
        return self.b.load(slot, typ=POINTER, align=8)

    # ---- kernels
    def _kernel(self, number: int, kernel: Kernel) -> None:
        name = f"k{number}_{kernel.kind}"
        match kernel.kind:
            case "nest":
                self._nest(name, kernel)
            case "product":
                self._product(name, kernel)
            case "random":
                self._random(name, kernel)
            case _:
                self._island(number)

    def _nest(self, name: str, kernel: Kernel) -> None:
        items = memory_of(kernel)
        function, b = self._function(name, len(items))
        begin, end, flag, *pointers = function.args
        values = Values(kernel, self.arrangements[kernel], dict(zip(items, pointers, strict=True)), flag)
        nest = Nest(b, values)
        nest.write(begin, end)
        b.ret_void()
        self.b.call(function, [i64(0), i64(nest.units()), self.flag, *[self.address(item) for item in items]])

    def _function(self, name: str, pointers: int) -> tuple[ir.Function, ir.IRBuilder]:
        type_ = ir.FunctionType(ir.VoidType(), [I64, I64, POINTER, *[POINTER] * pointers])
        function = ir.Function(self.module, type_, name)
        function.linkage = "internal"
        function.attributes.add("noinline")
        function.attributes.add("nounwind")
        for argument in function.args[2:]:
            argument.add_attribute("noalias")
        return function, ir.IRBuilder(function.append_basic_block("entry"))

    def _product(self, name: str, kernel: Kernel) -> None:
        assert kernel.line is not None
        (a, left), (c, right) = kernel.operands
        shape = full_shape(kernel)
        product, swapped = product_of(left, right, kernel.line.aval.dtype)
        items = memory_of(kernel)
        extra = [POINTER] * (1 + len(items))
        made = self.arrangements[kernel]

        def epilogue(b: ir.IRBuilder, cell: gemm.Cell, given: list[ir.Value]) -> None:
            flag, *pointers = given
            values = Values(kernel, made, dict(zip(items, pointers, strict=True)), flag)
            lanes = Lanes(b, self.target.lanes(product.dtype), cell.count)
            where = product_place(kernel, shape, cell, swapped, b)
            body = Body(values, lanes, where, False, {kernel.result: cell.value})  # type: ignore[dict-item]
            written = [(root, body.ref(root.ref, root.target.dtype)) for root in kernel.roots]
            for root, value in written:
                body.write(root, value)

        function = gemm.emit(
            self.module, name, product, self.target, epilogue, extra, inline=len(kernel.nodes) <= LONG
        )
        pack = gemm.pack_size(product, self.target) * kernel.line.aval.dtype.itemsize
        self.scratch = max(self.scratch, aligned(pack))
        packing = self.b.gep(self.arena, [i64(self.plan.arena)], source_etype=I8)
        first, second = ((c, right), (a, left)) if swapped else ((a, left), (c, right))
        places = [
            self.b.gep(self.address(item), [i64(view.offset * item.dtype.itemsize)], source_etype=I8)
            for item, view in (first, second)
        ]
        self.b.call(
            function,
            [
                *places,
                packing,
                i64(0),
                i64(gemm.units(product, self.target)),
                self.flag,
                *[self.address(item) for item in items],
            ],
        )

    def _random(self, name: str, kernel: Kernel) -> None:
        assert kernel.line is not None and kernel.result is not None
        ((key, view),) = kernel.operands
        function, b = self._function(name, 2)
        begin, end, _, start, out = function.args
        width = self.target.bits // 32
        size = kernel.line.aval.size
        place = b.gep(start, [i64(view.offset)], source_etype=ir.IntType(32))
        random.write(b, place, out, size, width, begin, end)
        b.ret_void()
        addresses = [self.address(key), self.address(kernel.result)]
        self.b.call(function, [i64(0), i64(random.units(size, width)), self.flag, *addresses])

    def _island(self, number: int) -> None:
        b = self.b
        slot = b.gep(self.table, [i64(len(self.slots))], source_etype=I64)
        function = ir.FunctionType(ir.VoidType(), [I64])
        b.call(b.inttoptr(b.load(slot, typ=I64, align=8), function.as_pointer()), [i64(number)])


def slots(plan: Plan) -> dict[Item, int]:
    """Item → its place in the table: inputs, constants that are no single numbers, outputs."""
    items = [*plan.inputs, *[c for c in plan.constants if not c.immediate]]
    items += [o for o in plan.outputs if o.place is Place.OUTPUT and o.shared is None]
    return {item: k for k, item in enumerate(items)}


def memory_of(kernel: Kernel) -> list[Item]:
    """The memory that a nest, or a product's epilogue, touches; each once."""
    found = [owner(ref.item) for ref, _ in kernel.leaves]
    found += [owner(root.target) for root in kernel.roots]
    found += [owner(node.gathered.base) for node in kernel.nodes if node.gathered is not None]
    return list(dict.fromkeys(item for item in found if not item.immediate))


def product_of(left: View, right: View, dtype: np.dtype) -> tuple[gemm.Product, bool]:
    """The product's sizes and strides, and whether it is computed as Cᵀ = Bᵀ Aᵀ."""
    *batch, m, k = left.shape
    n = right.shape[-1]
    count = 1
    for length in batch:
        count *= length
    product = gemm.Product(
        m,
        n,
        k,
        dtype.name,
        left.strides[-2:],  # type: ignore[arg-type]
        right.strides[-2:],  # type: ignore[arg-type]
        count,
        (_batch_stride(left), _batch_stride(right)),
    )
    return (product.transposed(), True) if n == 1 and m > 1 else (product, False)


def _batch_stride(view: View) -> int:
    walks = [(n, s) for n, s in zip(view.shape[:-2], view.strides[:-2], strict=True) if n != 1]
    return walks[-1][1] if walks else 0


def product_place(kernel: Kernel, shape: tuple[int, ...], cell: gemm.Cell, swapped: bool, b: ir.IRBuilder) -> Where:
    """Where in the kernel's domain a vector of sums stands."""
    row, col = (cell.col, cell.row) if swapped else (cell.row, cell.col)
    index: list[ir.Value] = [col, row]
    rest = cell.item
    batch = [n for n in shape[:-2] if n != 1]
    for k, n in reversed(list(enumerate(batch))):
        index.append(b.urem(rest, i64(n)) if k else rest)
        rest = b.udiv(rest, i64(n)) if k else rest
    index.reverse()
    long = [*batch, *[n for n in shape[-2:] if n != 1]]
    kept = [*index[:-2], *[i for i, n in zip(index[-2:], shape[-2:], strict=True) if n != 1]]
    assert len(long) == len(kernel.domain)
    return dict(enumerate(kept))


def product_arrangement(kernel: Kernel, bits: int) -> Arrangement:
    """The epilogue's loops are the product's own: columns in the lanes, or rows where it is computed transposed."""
    assert kernel.line is not None
    shape = full_shape(kernel)
    _, swapped = product_of(kernel.operands[0][1], kernel.operands[1][1], kernel.line.aval.dtype)
    axes = len(kernel.domain)
    along = 0 if swapped else 1
    vector = None
    if shape[-2:][along] != 1:
        vector = axes - 1 - (along == 0 and shape[-1] != 1)
    width = bits // 8 // kernel.line.aval.dtype.itemsize
    return Arrangement([[k] for k in range(axes)], list(kernel.domain), vector, width, [])


def full_shape(kernel: Kernel) -> tuple[int, ...]:
    """(…, m, n), whatever NumPy leaves away of it."""
    (_, left), (_, right) = kernel.operands
    return (*left.shape[:-1], right.shape[-1])


def arranged(plan: Plan, bits: int) -> dict[Kernel, Arrangement]:
    """How each kernel's loops run."""
    made = {}
    for kernel in plan.kernels:
        if kernel.kind == "nest":
            made[kernel] = arrange(kernel, bits)
        elif kernel.kind == "product":
            made[kernel] = product_arrangement(kernel, bits)
    return made
