"""A loop nest as machine code: the values of a kernel at each place of its domain, and what it leaves in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import ir, pointwise
from .arrange import Arrangement
from .kernel import Dynamic, Item, Kernel, Ref, Root, RootKind
from .lanes import I32, I64, Builder, Lanes, Value, constant, i64, loop, prefetch, widened

UNROLL = 4
"""Sums that run side by side, since one addition waits four cycles for the one before."""
SMALL = 8
"""Kernels of at most so many values are written out that often."""
LARGE = 32_768
"""Bytes of an array that is not counted on to be in the first cache."""
COPIES = {
    "alias", "stop_gradient", "reshape", "transpose", "broadcast_to", "slice", "cast", "cast_discrete", "einsum",
    "matmul",
}  # fmt: skip
"""What only moves entries, or what operands of a product were copied for."""
Where = dict[int, Value]
"""Group of axes → its index."""


def owner(item: Item) -> Item:
    """Whose memory it is."""
    return item.shared or item


class Body:
    """The values of a kernel at one place, or at the places of one vector of lanes."""

    def __init__(self, values: Values, lanes: Lanes, where: Where, row: bool, outside: dict[Item, Value]):
        self.of = values
        self.lanes = lanes
        self.where = where
        self.row = row
        self.known = dict(outside)
        self.loaded: dict[Any, Value] = {}

    def ref(self, ref: Ref, want: np.dtype | None = None) -> Value:
        """A value in the dtype asked for; a scalar where all lanes have the same."""
        item = ref.item
        if item.immediate:
            value = np.asarray(item.line.value).reshape(())[()]
            return constant(want or item.dtype, value)
        here = self.of.kernel.meets(ref, self.row, self.of.kernel.nodes.get(item, False))
        if here and item in self.known:
            value = self.known[item]
        elif here and self.of.computes(item, self):
            value = self.computed(item)
        else:
            value = self.load(ref)
        return value if want is None else self.lanes.cast(value, item.dtype, want)

    def computed(self, item: Item) -> Value:
        """A value of this kernel, here."""
        pending = [item]
        while pending:  # arguments first, so that no chain of values is too long for Python's stack
            last = pending[-1]
            first = [arg.item for arg in last.args if self._is_to_be_computed(arg)] if last not in self.known else []
            if first:
                pending += first
                continue
            if last not in self.known:
                self.known[last] = self.compute(last)
            pending.pop()
        return self.known[item]

    def _is_to_be_computed(self, ref: Ref) -> bool:
        """Is it a value of this kernel, here, that is not known yet?"""
        item, of = ref.item, self.of
        level = of.kernel.nodes.get(item)
        if level is None or item in self.known or not of.kernel.meets(ref, self.row, level):
            return False
        return of.computes(item, self)

    def load(self, ref: Ref) -> Value:
        key = (ref.item, ref.strides, ref.offset)
        if key not in self.loaded:
            index, stride = self.place(ref.strides, ref.offset)
            self.loaded[key] = self.lanes.load(self.of.pointer(ref.item), index, ref.item.dtype, stride)
        return self.loaded[key]

    def fetch(self) -> None:
        """Let what will be loaded here from large arrays come to the first cache, to be changed there if it is."""
        kernel = self.of.kernel
        changed = {owner(root.target) for root in kernel.roots}
        for ref in fetched(kernel):
            index, stride = self.place(ref.strides, ref.offset)
            if stride == 1:
                place = self.lanes.address(self.of.pointer(ref.item), index, ref.item.dtype)
                prefetch(self.lanes.b, place, owner(ref.item) in changed)

    def place(self, strides: tuple[int, ...], offset: int, row: bool | None = None) -> tuple[Value, int]:
        """(index of the first lane, step from lane to lane)."""
        of, b = self.of, self.lanes.b
        walk = of.made.strides(of.kernel.over_domain(strides, self.row if row is None else row))
        index: Value = i64(offset)
        for g, i in self.where.items():
            index = b.add(b.mul(i, i64(walk[g])), index)
        vector = of.made.vector
        return index, walk[vector] if vector is not None and self.lanes.width > 1 else 0

    def compute(self, item: Item) -> Value:
        line, lanes = item.line, self.lanes
        name = line.op.name
        if item.gathered is not None:
            return self.gathered(item)
        if name in COPIES or name in pointwise.REDUCED:
            return self.ref(item.args[0], item.dtype)
        if name == "where":
            condition, a, b = item.args
            values = self.level([self.ref(condition, np.dtype(bool)), self.ref(a, item.dtype), self.ref(b, item.dtype)])
            result = pointwise.where(lanes, *values)
        else:
            dtypes = pointwise.loop_dtypes(line.op, [arg.item.aval for arg in item.args])
            assert dtypes is not None
            values = self.level([self.ref(arg, want) for arg, want in zip(item.args, dtypes, strict=False)])
            result = lanes.cast(pointwise.compute(line.op, lanes, dtypes, values), dtypes[-1], item.dtype)
        if line.bounds is not None:
            self.check(self.ref(item.args[2]), item.args[2].item.dtype, line.bounds[1])
        return result

    def level(self, values: list[Value]) -> list[Value]:
        """All scalars, or all vectors."""
        if any(isinstance(value.type, ir.VectorType) for value in values):
            return [self.lanes.splat(value) for value in values]
        return values

    # ---- places that depend on values
    def dynamic(self, index: Value, dynamic: tuple[Dynamic, ...]) -> list[Value]:
        """The index, moved by index arrays: one entry for all lanes, or one a lane."""
        b = self.lanes.b
        total: Value | None = None
        for part in dynamic:
            value = self.ref(part.index)
            dtype = part.index.item.dtype
            self.check(value, dtype, part.length)
            value = self.lanes.cast(value, dtype, np.dtype(np.int64))
            width = value.type.count if isinstance(value.type, ir.VectorType) else 1
            inner = Lanes(b, width)
            zero = inner.constant(np.dtype(np.int64), 0)
            length = inner.constant(np.dtype(np.int64), part.length)
            value = b.select(b.icmp_signed("<", value, zero), b.add(value, length), value)
            value = b.select(b.icmp_unsigned("<", value, length), value, zero)
            step = b.mul(value, inner.constant(np.dtype(np.int64), part.stride))
            if total is None:
                total = step
            else:
                first, second = self.level([total, step])
                total = b.add(first, second)
        assert total is not None
        if not isinstance(total.type, ir.VectorType):
            return [b.add(index, total)]
        return [b.add(index, b.extract_element(total, ir.Constant(I32, k))) for k in range(self.lanes.count)]

    def check(self, value: Value, dtype: np.dtype, length: int) -> None:
        """Raise the flag where a whole number indexes no entry of an axis of this length."""
        b = self.lanes.b
        wide = self.lanes.cast(value, dtype, np.dtype(np.int64))
        inner = Lanes(b, wide.type.count if isinstance(wide.type, ir.VectorType) else 1, self.lanes.count)
        n = inner.constant(np.dtype(np.int64), length)
        bad = b.icmp_unsigned(">=", b.add(wide, n), inner.constant(np.dtype(np.int64), 2 * length))
        if inner.width > 1:
            bad = b.and_(bad, inner.mask()) if inner.count < inner.width else bad
            bits = b.bitcast(bad, ir.IntType(inner.width))
            bad = b.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))
        with b.if_then(bad, likely=False):
            b.store(ir.Constant(I64, 1), self.of.flag, align=8)

    def gathered(self, item: Item) -> Value:
        found = item.gathered
        assert found is not None
        index, stride = self.place(found.strides, found.offset)
        places = self.dynamic(index, found.dynamic)
        pointer = self.of.pointer(found.base)
        if len(places) == 1 and (self.lanes.width == 1 or self.lanes.count > 1 or stride in (0, 1)):
            return self.lanes.load(pointer, places[0], item.dtype, stride)
        if len(places) == 1:
            return self.lanes.gathered(pointer, places, item.dtype)
        if stride:
            places = [self.lanes.b.add(place, i64(k * stride)) for k, place in enumerate(places)]
        return self.lanes.gathered(pointer, places, item.dtype)

    def write(self, root: Root, value: Value) -> None:
        index, stride = self.place(root.strides, root.offset, root.row)
        target, lanes = root.target, self.lanes
        pointer = self.of.pointer(target)
        if root.kind is RootKind.STORE:
            if lanes.width > 1 and stride != 0:
                value = lanes.splat(value)
            elif isinstance(value.type, ir.VectorType):
                value = lanes.b.extract_element(value, ir.Constant(I32, 0))
            lanes.store(value, pointer, index, target.dtype, stride)
            return
        (at,) = self.dynamic(index, root.dynamic) if root.dynamic else [index]
        before = lanes.load(pointer, at, target.dtype, stride)
        before, value = self.level([before, value]) if lanes.width > 1 else (before, value)
        after = lanes.b.fadd(before, value) if target.dtype.kind == "f" else lanes.b.add(before, value)
        lanes.store(after, pointer, at, target.dtype, stride)


def fetched(kernel: Kernel) -> list[Ref]:
    """What a kernel loads from arrays too large to be counted on to be in the first cache."""
    return [ref for ref, _ in kernel.leaves if ref.item.aval.size * ref.item.dtype.itemsize >= LARGE]


class Values:
    """One kernel while it is written: its pointers, and which of its values are computed where."""

    def __init__(self, kernel: Kernel, made: Arrangement, pointers: dict[Item, Value], flag: Value):
        self.kernel = kernel
        self.made = made
        self.pointers = pointers
        self.flag = flag
        self.stage: int | None = None

    def pointer(self, item: Item) -> Value:
        return self.pointers[owner(item)]

    def computes(self, item: Item, body: Body) -> bool:
        """Is the value computed here, or loaded?"""
        row = self.kernel.nodes.get(item)
        if row is None or row != body.row:
            return False
        if self.stage is None or row or self.made.stage[item] == self.stage:
            return True
        return not any(root.target is item for root in self.kernel.roots)


class Nest:
    """Writes the loops of one kernel into a function's body."""

    def __init__(self, b: Builder, values: Values):
        self.b = b
        self.values = values
        self.kernel = values.kernel
        self.made = values.made

    def units(self) -> int:
        """Into how many parts the work can be divided."""
        made = self.made
        outer = [g for g in made.outer if g != made.vector]
        if outer:
            return made.extents[outer[0]]
        if made.vector is not None and made.vector not in made.reduced:
            return -(-made.extents[made.vector] // made.width)
        return 1

    def write(self, begin: Value, end: Value) -> None:
        made = self.made
        outer = [g for g in made.outer if g != made.vector]
        self._outer(outer, 0, {}, begin, end)

    def _outer(self, outer: list[int], depth: int, where: Where, begin: Value, end: Value) -> None:
        made = self.made
        if depth < len(outer):
            g = outer[depth]
            first, last = (begin, end) if depth == 0 else (i64(0), i64(made.extents[g]))
            with loop(self.b, first, last) as i:
                self._outer(outer, depth + 1, {**where, g: i}, begin, end)
        elif made.vector is not None and made.vector not in made.reduced:
            self._blocks(made.vector, where, (begin, end) if not outer else None, self._row)
        else:
            self._row(where, Lanes(self.b, 1))

    def _blocks(
        self,
        g: int,
        where: Where,
        units: tuple[Value, Value] | None,
        body: Callable[[Where, Lanes], None],
    ) -> None:
        """Vectors along a group of axes: full ones in a loop, and what is left."""
        b, made = self.b, self.made
        full, left = divmod(made.extents[g], made.width)
        if full == 1 and units is None:
            body({**where, g: i64(0)}, Lanes(b, made.width))
        elif full:
            first, last = units if units is not None else (i64(0), i64(full))
            if units is not None and left:
                last = b.select(b.icmp_signed("<", last, i64(full)), last, i64(full))
            with loop(b, first, last) as i:
                body({**where, g: b.mul(i, i64(made.width), flags=("nsw",))}, Lanes(b, made.width))
        if left:
            rest = lambda: body({**where, g: i64(full * made.width)}, Lanes(b, made.width, left))  # noqa: E731
            if units is None:
                rest()
            else:
                with b.if_then(b.icmp_signed(">", units[1], i64(full))):
                    rest()

    # ---- one row
    def _row(self, where: Where, lanes: Lanes) -> None:
        made, kernel = self.made, self.kernel
        if not made.reduced:
            body = Body(self.values, lanes, where, False, {})
            values = [(root, body.ref(root.ref, root.target.dtype)) for root in kernel.roots]
            for root, value in values:
                body.write(root, value)
        elif made.unrolled:
            self._in_registers(where, lanes)
        else:
            self._in_sweeps(where, lanes)

    def _positions(self, lanes: Lanes) -> list[tuple[Where, Lanes]]:
        """All places of a row, written out."""
        made = self.made
        found: list[tuple[Where, Lanes]] = [({}, lanes)]
        for g in made.reduced:
            if g != made.vector:
                found = [({**w, g: i64(k)}, v) for w, v in found for k in range(made.extents[g])]
                continue
            blocks = [(k, min(made.width, made.extents[g] - k)) for k in range(0, made.extents[g], made.width)]
            found = [({**w, g: i64(k)}, Lanes(self.b, made.width, n)) for w, _ in found for k, n in blocks]
        return found

    def _in_registers(self, where: Where, lanes: Lanes) -> None:
        kernel, values = self.kernel, self.values
        rows: dict[Item, Value] = {}
        row = Body(values, lanes, where, True, rows)
        bodies = [Body(values, inner, {**where, **place}, False, rows) for place, inner in self._positions(lanes)]
        for node, is_row in kernel.nodes.items():
            if node.reduces and is_row:
                total: Value | None = None
                for body in bodies:
                    part = self._part(node, body)
                    total = part if total is None else combine(node, body.lanes, total, part)
                assert total is not None
                value = self._across(node, bodies[0].lanes, total)
            elif is_row:
                value = row.computed(node)
            else:
                continue
            for body in (row, *bodies):
                body.known[node] = value
        written = [
            (body, root, body.ref(root.ref, root.target.dtype))
            for root in kernel.roots
            for body in ([row] if root.row else bodies)
        ]
        for body, root, value in written:
            body.write(root, value)

    def _part(self, node: Item, body: Body) -> Value:
        """What a place adds to a reduction, with nothing in the lanes that are not there."""
        dtype = node.dtype
        value = body.lanes.splat(body.ref(node.args[0], dtype))
        if body.lanes.count < body.lanes.width and self.made.vector in self.made.reduced:
            value = self.b.select(body.lanes.mask(), value, body.lanes.constant(dtype, identity(node)))
        return value

    def _across(self, node: Item, lanes: Lanes, total: Value) -> Value:
        """One value of all lanes, where the lanes lie along the row."""
        if lanes.width == 1 or self.made.vector not in self.made.reduced:
            return total
        b, width = self.b, lanes.width
        while width > 2:
            width //= 2
            halves = []
            for start in (0, width):
                order = range(start, start + width)
                halves.append(b.shuffle_vector(total, total, ir.Constant(widened(I32, width), order)))
            total = combine(node, Lanes(b, width), *halves)
        first, second = (b.extract_element(total, ir.Constant(I32, k)) for k in range(2))
        return combine(node, Lanes(b, 1), first, second)

    def _in_sweeps(self, where: Where, lanes: Lanes) -> None:
        kernel, made, values = self.kernel, self.made, self.values
        rows: dict[Item, Value] = {}
        row = Body(values, lanes, where, True, rows)
        for stage in range(made.stages):
            values.stage = stage
            nodes = [n for n, is_row in kernel.nodes.items() if is_row and n.reduces and made.stage[n] == stage + 1]
            roots = [root for root in kernel.roots if not root.row and made.stage.get(root.ref.item, 0) == stage]
            if nodes or roots:
                for node, value in zip(nodes, self._sweep(where, lanes, row.known, nodes, roots), strict=True):
                    row.known[node] = value
            for node, is_row in kernel.nodes.items():
                if is_row and not node.reduces and made.stage[node] == stage + 1:
                    row.computed(node)
        values.stage = None
        for root in kernel.roots:
            if root.row:
                row.write(root, row.ref(root.ref, root.target.dtype))

    def _sweep(
        self, where: Where, lanes: Lanes, rows: dict[Item, Value], nodes: list[Item], roots: list[Root]
    ) -> list[Value]:
        """One pass over the row; the results of its reductions."""
        b, made = self.b, self.made
        along = made.vector in made.reduced
        full = Lanes(b, made.width) if along else lanes
        groups: list[int] = [g for g in made.reduced if g != made.vector]
        if made.vector is not None and along:
            groups.append(made.vector)
        copies = UNROLL if nodes and not roots and len(self.kernel.nodes) <= SMALL else 1
        cells = [[self._cell(node, full) for node in nodes] for _ in range(copies)]

        def place(at: Where, inner: Lanes, copy: int) -> None:
            body = Body(self.values, inner, at, False, rows)
            parts = [self._part(node, body) for node in nodes]
            written = [(root, body.ref(root.ref, root.target.dtype)) for root in roots]
            for node, part, cell in zip(nodes, parts, cells[copy], strict=True):
                b.store(combine(node, full, b.load(cell, part.type), part), cell)
            for root, value in written:
                body.write(root, value)

        def inner(depth: int, at: Where) -> None:
            g = groups[depth]
            last = depth == len(groups) - 1
            step = made.width if g == made.vector else 1
            whole, left = divmod(made.extents[g], step)
            if not last:
                with loop(b, i64(0), i64(whole)) as i:
                    inner(depth + 1, {**at, g: i})
                return
            many = whole // copies * copies
            if copies > 1 and many:
                with loop(b, i64(0), i64(many * step), copies * step) as i:
                    for copy in range(copies):
                        place({**at, g: b.add(i, i64(copy * step))}, full, copy)
            else:
                many = 0
            if whole - many:
                with loop(b, i64(many * step), i64(whole * step), step) as i:
                    place({**at, g: i}, full, 0)
            if left:
                place({**at, g: i64(whole * step)}, Lanes(b, made.width, left), 0)

        inner(0, where)
        results = []
        for k, node in enumerate(nodes):
            type_ = full.type(node.dtype)
            total = b.load(cells[0][k], type_)
            for copy in range(1, copies):
                total = combine(node, full, total, b.load(cells[copy][k], type_))
            results.append(self._across(node, full, total))
        return results

    def _cell(self, node: Item, lanes: Lanes) -> Value:
        """A place for a running result; LLVM keeps it in a register."""
        b = self.b
        cell = b.alloca(lanes.type(node.dtype))
        b.store(lanes.splat(constant(node.dtype, identity(node))), cell)
        return cell


# ---- reductions
def identity(node: Item) -> Any:
    """What changes nothing."""
    dtype, name = node.dtype, node.line.op.name
    if name in ("sum", "any"):
        return -0.0 if dtype.kind == "f" else 0
    if name in ("prod", "all"):
        return 1
    if dtype.kind == "f":
        return -np.inf if name == "max" else np.inf
    if dtype.kind == "b":
        return name == "min"
    info = np.iinfo(dtype)
    return info.min if name == "max" else info.max


def combine(node: Item, lanes: Lanes, x: Value, y: Value) -> Value:
    """Two partial results as one."""
    b, dtype, name = lanes.b, node.dtype, node.line.op.name
    if name == "sum":
        return b.fadd(x, y) if dtype.kind == "f" else b.or_(x, y) if dtype.kind == "b" else b.add(x, y)
    if name == "prod":
        return b.fmul(x, y) if dtype.kind == "f" else b.mul(x, y)
    if name == "any":
        return b.or_(x, y)
    if name == "all":
        return b.and_(x, y)
    return pointwise.TABLE["maximum" if name == "max" else "minimum"][1](lanes, dtype, [x, y])


__all__ = ["Body", "Nest", "Values", "combine", "fetched", "identity", "owner"]
