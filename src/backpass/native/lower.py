"""Graph → kernels: which operations share a loop, what is kept in memory, and what is only in registers.

Two passes. Forward, each operation finds its home: the kernel of its latest argument where both walk the same places
in the same order, else a new one. Backward, each kernel asks for what it needs: a cheap value of another kernel is
computed again where it is used, a costly one is kept in memory. What nobody asks for is never computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from backpass.graph.aval import Aval
from backpass.graph.op import OPS, Kind
from backpass.graph.traced import CONSTANT, INPUT
from backpass.partials.control import ITEM, ITEM_DISCRETE

from . import control, memory, pointwise
from .arrange import arrange
from .batch import leave_apart
from .kernel import Dynamic, Gathered, Item, Kernel, Place, Plan, Ref, Root, RootKind, squeezed
from .prepare import Line, Lines
from .target import Target
from .totals import begin_in_products
from .view import View

LEAVES = 3
"""A value is computed again rather than loaded where it needs no more loads than this."""
DEPTH = 4
LIGHT = 16
"""Operations on arguments alone that each kernel does again for itself."""
MOST = 200
"""Values that one kernel computes: LLVM takes longer for each where they are more, and registers run out."""
FULL = 0.7
"""The part of the lanes that a product's columns must fill, if what follows is to be computed in its registers."""

NOWHERE = -1
"""The home of arguments, and of cheap values that need arguments alone: each kernel computes those for itself."""

Access = tuple[Item, View]


def lower(lines: Lines, target: Target, carried: dict[int, int], batch: range = range(0)) -> Plan:
    """Lower lines for a target. `carried` maps outputs to the inputs whose memory they take over; `batch` are the
    numbers of inputs that are rows of larger arrays, and may stay there."""
    plan = Lowering(lines, target, carried).finish()
    leave_apart(plan, batch)
    begin_in_products(plan, target)
    _arrange(plan, target.bits)  # keeps some values in memory
    memory.place(plan, carried)
    _arrange(plan, target.bits)  # the copies that came last
    return plan


def _arrange(plan: Plan, bits: int) -> None:
    for kernel in plan.kernels:
        if kernel.made is None and kernel.kind == "nest":
            kernel.made = arrange(kernel, bits)


class Lowering:
    """The two passes over the lines of one plan."""

    def __init__(self, lines: Lines, target: Target, carried: dict[int, int]):
        self.source = lines
        self.target = target
        self.lines = lines.lines
        self.carried = carried
        self.kernels: list[Kernel] = []
        self.access: list[Access] = []
        self.inputs: list[Item] = []
        self.constants: list[Item] = []
        self.scalars: int | None = None
        self.front: list[Kernel] = []
        """Kernels of values that need arguments alone, found to be needed last, to be run first."""
        self.members: dict[int, list[Item]] = {}
        self.count = 0
        self.parts: dict[int, dict[int, Access]] = {}
        """Line of a control operation → where its results are, by their number."""
        order = self._order()
        self.access = [None] * len(self.lines)  # type: ignore[list-item]
        for k in order:
            line = self.lines[k]
            if line.op.kind is Kind.CONTROL:
                self.parts[k] = control.placed(self, k)
            elif line.op in (ITEM, ITEM_DISCRETE):
                self.access[k] = self.parts[line.inputs[0]][line.attrs["k"]]
            else:
                self.access[k] = self._placed(line)

    def _order(self) -> list[int]:
        """The lines, those first that need single numbers only: a step's rate must not wait for its gradient."""
        early = [False] * len(self.lines)
        for k, line in enumerate(self.lines):
            if line.op in (INPUT, CONSTANT):
                early[k] = line.aval.size == 1
            else:
                early[k] = line.aval.size == 1 and all(early[i] for i in line.inputs)
        first = [k for k in range(len(self.lines)) if early[k] or self.lines[k].op in (INPUT, CONSTANT)]
        chosen = set(first)
        return first + [k for k in range(len(self.lines)) if k not in chosen]

    # ---- forward: a home for each line
    def _placed(self, line: Line) -> Access:
        if line.op is INPUT:
            item = Item(line, View.dense(line.aval.shape), place=Place.INPUT, number=len(self.inputs))
            self.inputs.append(item)
            return item, item.view
        if line.op is CONSTANT:
            item = Item(line, View.dense(line.aval.shape), place=Place.CONSTANT, number=len(self.constants))
            self.constants.append(item)
            return item, item.view
        avals = [self.lines[i].aval for i in line.inputs]
        seen = VIEWS.get(line.op.name)
        if seen is not None:
            item, view = self.access[line.inputs[0]]
            found = seen(view, line)
            return (item, found) if found is not None else self._copied(line, (item, view), seen)
        if line.op.name in pointwise.REDUCED and reducible(line, avals[0]):
            return self._reduction(line, self.access[line.inputs[0]])
        if pointwise.supported(line.op, avals, line.aval):
            return self._pointwise(line, [self.access[i] for i in line.inputs])
        special = SPECIAL.get(line.op.name)
        if special is not None and line.aval.size and all(aval.size for aval in avals):
            found = special(self, line)
            if found is not None:
                return found
        return self._island(line)

    def _item(self, line: Line, home: int, row: bool = False, args: tuple[Ref, ...] = ()) -> Item:
        item = Item(line, View.dense(line.aval.shape), home=home, row=row, args=args, order=self.count)
        self.count += 1
        if home >= 0:
            self.members.setdefault(home, []).append(item)
        return item

    def _new(self, kernel: Kernel) -> int:
        self.kernels.append(kernel)
        return len(self.kernels) - 1

    def _pointwise(self, line: Line, arguments: list[Access]) -> Access:
        shape = line.aval.shape
        seen = [(item, view.broadcast(shape)) for item, view in arguments]
        refs = tuple(Ref(item, squeezed(view)[1], view.offset) for item, view in seen)
        domain = tuple(n for n in shape if n != 1)
        weight = 1 + sum(ref.item.weight for ref in refs)
        alone = all(ref.item.home == NOWHERE for ref in refs) and weight <= LIGHT
        if alone and domain and not pointwise.expensive(line.op):
            item = self._item(line, NOWHERE, False, refs)
            item.weight = weight
            return item, item.view
        home, row = self._home(refs, domain)
        item = self._item(line, home, row, refs)
        return item, item.view

    def _home(self, refs: tuple[Ref, ...], domain: tuple[int, ...]) -> tuple[int, bool]:
        """(kernel, is it a value of a row there?)"""
        latest = max([ref.item.home for ref in refs], default=-1)
        if latest < 0 and domain == ():
            if self.scalars is None or len(self.members.get(self.scalars, ())) >= MOST:
                self.scalars = self._new(Kernel("nest", ()))
            return self.scalars, False
        if latest >= 0:
            kernel = self.kernels[latest]
            mine = [ref for ref in refs if ref.item.home == latest]
            if self._may_grow(latest) and all(_computed(ref.item, kernel) for ref in mine):
                if domain == kernel.domain and all(ref.aligned(kernel.spread(ref.item)) for ref in mine):
                    return latest, False
                if (
                    kernel.reduced
                    and domain == kernel.rows
                    and all(
                        ref.item.row
                        and Ref(ref.item, kernel.over_domain(ref.strides, True), ref.offset).aligned(
                            kernel.spread(ref.item)
                        )
                        for ref in mine
                    )
                ):
                    return latest, True
        return self._new(Kernel("nest", domain)), False

    def _may_grow(self, home: int) -> bool:
        """May a kernel compute what follows, too? A product of few columns leaves lanes empty; a nest fills them."""
        kernel = self.kernels[home]
        if len(self.members.get(home, ())) >= MOST:
            return False
        if kernel.kind != "product" or kernel.line is None:
            return kernel.kind == "nest"
        columns = kernel.operands[1][1].shape[-1]
        lanes = self.target.lanes(kernel.line.aval.dtype)
        return columns == 1 or columns >= FULL * -(-columns // lanes) * lanes

    def _reduction(self, line: Line, access: Access) -> Access:
        item, view = access
        shape = view.shape
        places = [k for k, n in enumerate(shape) if n != 1]
        axes = tuple(places.index(a) for a in line.attrs["axis"] if shape[a] != 1)
        if not axes:
            return self._pointwise(line, [(item, _without(view, line.attrs["axis"], line.attrs["keepdims"]))])
        ref = Ref(item, squeezed(view)[1], view.offset)
        domain = squeezed(view)[0]
        home = item.home
        kernel = self.kernels[home] if home >= 0 else None
        if (
            kernel is None
            or kernel.kind != "nest"
            or not _computed(item, kernel)
            or kernel.domain != domain
            or kernel.reduced not in (None, axes)
            or item.row
            or not ref.aligned(kernel.spread(item))
        ):
            home = self._new(Kernel("nest", domain, axes))
        else:
            kernel.reduced = axes
        result = self._item(line, home, True, (ref,))
        result.reduces = True
        return result, result.view

    def _copied(self, line: Line, access: Access, seen: Callable[[View, Line], View | None]) -> Access:
        """A view of a view that strides cannot express: the inner one is written out first."""
        item, view = access
        inner = Line(line.op, line.inputs, {}, Aval(view.shape, item.dtype), position=line.position)
        copy, dense = self._pointwise(inner, [access])
        found = seen(dense, line)
        assert found is not None
        return copy, found

    def inner(self, lines: Lines, carried: dict[int, int]) -> Plan:
        """The plan of a body."""
        return lower(lines, self.target, carried)

    # ---- what is no plain loop
    def _stored(self, k: int) -> Access:
        """The value of a line as something in memory."""
        item, view = self.access[k]
        self._keep(item)
        return item, view

    def _keep(self, item: Item) -> None:
        """The item must lie in memory, which takes a kernel that writes it there."""
        if item.stored:
            return
        item.place = Place.ARENA
        if item.home == NOWHERE and item.args:
            item.home = self._in_front(item)
            self.members.setdefault(item.home, []).append(item)

    def _in_front(self, item: Item) -> int:
        """The kernel that writes a value of arguments alone: one over the same domain where that may be."""
        domain = squeezed(item.view)[0]
        homes = {arg.item.home for arg in item.args if arg.item.home != NOWHERE}
        pending = [arg.item for arg in item.args if arg.item.home == NOWHERE]
        made = []
        while pending:
            inner = pending.pop()
            made += [inner.order] if inner.args else []
            homes |= {arg.item.home for arg in inner.args if arg.item.home != NOWHERE}
            pending += [arg.item for arg in inner.args if arg.item.home == NOWHERE]
        for k, kernel in enumerate(self.front):
            # Its earlier members cannot read this value, nor does this one read theirs from memory. The kernel runs
            # where its first member stands; what this one is made of may get its own kernel, which must run before.
            orders = [member.order for member in self.members[-2 - k]]
            later = max(orders) < item.order and max(made, default=-1) < min(orders)
            if kernel.domain == domain and later and not homes and not kernel.closed:
                return -2 - k
        self.front.append(Kernel("nest", domain))
        return -1 - len(self.front)

    def _gather(self, line: Line) -> Access | None:
        base, view = self._stored(line.inputs[0])
        found = _indexed(view, line.attrs["key"], [self.lines[i].aval for i in line.inputs[1:]], line.aval.shape)
        if found is None:
            return None
        rest, places = found
        shape = line.aval.shape
        refs: tuple[Ref, ...] = ()
        dynamic = []
        for i, (axis_view, stride, length) in zip(line.inputs[1:], places, strict=True):
            item, seen = self.access[i]
            seen = axis_view(seen)
            ref = Ref(item, squeezed(seen)[1], seen.offset)
            refs += (ref,)
            dynamic.append(Dynamic(ref, stride, length))
        domain = tuple(n for n in shape if n != 1)
        if base.home >= max(ref.item.home for ref in refs):
            home, row = self._new(Kernel("nest", domain)), False  # the base must be whole before
        else:
            home, row = self._home(refs, domain)
        if row:
            home = self._new(Kernel("nest", domain))
        item = self._item(line, home, False, refs)
        item.gathered = Gathered(base, squeezed(rest)[1], rest.offset, tuple(dynamic))
        return item, item.view

    def _scatter(self, line: Line) -> Access | None:
        g, view = self.access[line.inputs[0]]
        target = self._item(line, -1)
        found = _indexed(target.view, line.attrs["key"], [self.lines[i].aval for i in line.inputs[1:]], view.shape)
        if found is None:
            return None
        rest, places = found
        self._filled(target)
        kernel = Kernel("nest", squeezed(view)[0])
        dynamic = []
        for i, (axis_view, stride, length) in zip(line.inputs[1:], places, strict=True):
            item, seen = self.access[i]
            seen = axis_view(seen)
            dynamic.append(Dynamic(Ref(item, squeezed(seen)[1], seen.offset), stride, length))
        target.home = self._new(kernel)
        source = Ref(g, squeezed(view)[1], view.offset)
        kernel.roots.append(Root(source, target, squeezed(rest)[1], rest.offset, RootKind.ADD, tuple(dynamic)))
        self._keep(target)
        return target, target.view

    def _filled(self, target: Item, value: Any = 0) -> None:
        """Write one number everywhere."""
        zero = Line(CONSTANT, (), {}, Aval((), target.dtype), target.dtype.type(value))
        item = Item(zero, View.dense(()), place=Place.CONSTANT)
        domain, strides = squeezed(target.view)
        kernel = Kernel("nest", domain)
        kernel.roots.append(Root(Ref(item, (0,) * len(domain)), target, strides))
        target.home = self._new(kernel)

    def _written(self, target: Item, region: View, access: Access) -> None:
        """Write a value into a part of the target."""
        item, view = access
        if view.size == 0:
            return
        domain, strides = squeezed(region)
        ref = Ref(item, squeezed(view)[1], view.offset)
        kernel = Kernel("nest", domain)
        kernel.roots.append(Root(ref, target, strides, region.offset))
        target.home = self._new(kernel)

    def _unslice(self, line: Line) -> Access:
        target = self._item(line, -1)
        self._filled(target)
        g, view = self.access[line.inputs[0]]
        region = target.view.sliced(line.attrs["key"])
        self._written(target, region, (g, view.broadcast(region.shape)))
        self._keep(target)
        return target, target.view

    def _concatenate(self, line: Line) -> Access | None:
        target = self._item(line, -1)
        axis, start = line.attrs["axis"], 0
        for i in line.inputs:
            item, view = self.access[i]
            if item.dtype != target.dtype:
                cast = Line(CAST, (i,), {"dtype": target.dtype}, Aval(view.shape, target.dtype), position=line.position)
                item, view = self._pointwise(cast, [(item, view)])
            n = view.shape[axis]
            key = (slice(None),) * axis + (slice(start, start + n),)
            self._written(target, target.view.sliced(key), (item, view))
            start += n
        self._keep(target)
        return target, target.view

    def _matmul(self, line: Line) -> Access | None:
        dtype = line.aval.dtype
        if dtype not in (np.float32, np.float64):
            return None
        operands = []
        for i in line.inputs:
            item, view = self._stored(i)
            if item.dtype != dtype:
                cast = Line(CAST, (i,), {"dtype": dtype}, Aval(view.shape, dtype), position=line.position)
                item, view = self._pointwise(cast, [(item, view)])
                self._keep(item)
            operands.append((item, view))
        (a, left), (b, right) = operands
        if len(left.shape) == 1:
            left = left.sliced((None, slice(None)))
        if len(right.shape) == 1:
            right = right.sliced((slice(None), None))
        batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
        left = left.broadcast((*batch, *left.shape[-2:]))
        right = right.broadcast((*batch, *right.shape[-2:]))
        return self._product(line, (a, left), (b, right))

    def _product(self, line: Line, a: Access, b: Access) -> Access:
        """A kernel of products: a (…, m, k) with b (…, k, n)."""
        if b[1].shape[-1] == 1 and (a[1].strides[-1] == 1 or a[1].shape[-2] == 1):
            return self._dots(line, a, b)
        a, b = self._steady(line, a), self._steady(line, b)
        kernel = Kernel("product", tuple(n for n in line.aval.shape if n != 1))
        kernel.operands = (a, b)
        kernel.line = line
        home = self._new(kernel)
        item = self._item(line, home)
        kernel.result = item
        return item, item.view

    def _dots(self, line: Line, a: Access, b: Access) -> Access:
        """Rows with one column each: sums along the rows."""
        turned = b[1].transposed((*range(len(b[1].shape) - 2), len(b[1].shape) - 1, len(b[1].shape) - 2))
        terms = Line(MULTIPLY, (), {}, Aval(a[1].shape, line.aval.dtype), position=line.position)
        item, view = self._pointwise(terms, [a, (b[0], turned)])
        attrs = {"axis": (len(view.shape) - 1,), "keepdims": False}
        total = Line(SUM, (), attrs, Aval(view.shape[:-1], line.aval.dtype), position=line.position)
        result, summed = self._reduction(total, (item, view))
        shaped = summed.reshaped(line.aval.shape)
        assert shaped is not None
        return result, shaped

    def _steady(self, line: Line, access: Access) -> Access:
        """An operand in memory whose products of a batch lie equally far apart."""
        item, view = access
        batch = View(view.shape[:-2], view.strides[:-2])
        even = all(s == 0 or n == 1 for n, s in zip(batch.shape, batch.strides, strict=True))
        if not item.immediate and (even or batch.reshaped((batch.size,)) is not None):
            return access
        copy = Line(line.op, (), {}, Aval(view.shape, item.dtype), position=line.position)
        found = self._pointwise(copy, [access])
        self._keep(found[0])
        return found

    def _einsum(self, line: Line) -> Access | None:
        """Two operands, each letter in the result or shared by both: a product over a batch."""
        if line.aval.dtype not in (np.float32, np.float64) or len(line.inputs) != 2:
            return None
        if any(self.lines[i].aval.dtype != line.aval.dtype for i in line.inputs):
            return None
        inputs, out = line.attrs["subscripts"].split("->")
        first, second = inputs.split(",")
        shapes = [self.lines[i].aval.shape for i in line.inputs]
        if any(len(set(t)) != len(t) for t in (first, second)):
            return None
        lengths: dict[str, int] = {}
        for t, shape in zip((first, second), shapes, strict=True):
            for letter, n in zip(t, shape, strict=True):
                if lengths.setdefault(letter, n) != n:
                    return None
        shared = [c for c in first if c in second and c not in out]
        batch = [c for c in out if c in first and c in second]
        rows = [c for c in out if c in first and c not in second]
        columns = [c for c in out if c in second and c not in first]
        alone = [c for t, other in ((first, second), (second, first)) for c in t if c not in out and c not in other]
        if alone or not shared or "".join(batch + rows + columns) != out:
            return None

        def group(k: int, letters: list[list[str]], term: str) -> Access:
            item, view = self._stored(line.inputs[k])
            order = [c for part in letters for c in part]
            view = view.transposed(tuple(term.index(c) for c in order))
            shape = (*[lengths[c] for c in letters[0]], *[math.prod(lengths[c] for c in part) for part in letters[1:]])
            found = view.reshaped(shape)
            if found is not None:
                return item, found
            copy = Line(line.op, (line.inputs[k],), {}, Aval(view.shape, item.dtype), position=line.position)
            other, dense = self._pointwise(copy, [(item, view)])
            self._keep(other)
            made = dense.reshaped(shape)
            assert made is not None
            return other, made

        left = group(0, [batch, rows, shared], first)
        right = group(1, [batch, shared, columns], second)
        return self._product(line, left, right)

    def _vecdot(self, line: Line) -> Access | None:
        if line.aval.dtype.kind != "f":
            return None
        shape = np.broadcast_shapes(*[self.lines[i].aval.shape for i in line.inputs])
        product = Line(MULTIPLY, line.inputs, {}, Aval(shape, line.aval.dtype), position=line.position)
        access = self._pointwise(product, [self.access[i] for i in line.inputs])
        total = Line(SUM, (), {"axis": (len(shape) - 1,), "keepdims": False}, line.aval, position=line.position)
        return self._reduction(total, access)

    def _random(self, line: Line) -> Access:
        key = self._stored(line.inputs[0])
        kernel = Kernel("random", tuple(n for n in line.aval.shape if n != 1), line=line, operands=(key,))
        item = self._item(line, self._new(kernel))
        kernel.result = item
        self._keep(item)
        return item, item.view

    def _island(self, line: Line) -> Access:
        kernel = Kernel("island", line.aval.shape, line=line, operands=tuple(self._stored(i) for i in line.inputs))
        item = self._item(line, self._new(kernel))
        kernel.result = item
        self._keep(item)
        return item, item.view

    # ---- backward: what is needed, and where
    def finish(self) -> Plan:
        outputs = [self._output(number, k) for number, k in enumerate(self.source.outputs)]
        for number in range(len(self.kernels) - 1, -1, -1):
            self._demand(number, self.kernels[number])
        for k, kernel in enumerate(self.front):  # grows as it runs
            self._demand(-2 - k, kernel)
        alive = [kernel for kernel in [*self._fronts(), *self.kernels] if kernel.roots or kernel.opaque]
        return Plan(alive, self.inputs, outputs, self.constants)

    def _fronts(self) -> list[Kernel]:
        """Those in front, a value after what it is made of."""
        first = lambda k: min(item.order for item in self.members[-2 - k])  # noqa: E731
        return [self.front[k] for k in sorted(range(len(self.front)), key=first)]

    def _output(self, number: int, k: int) -> Item:
        item, view = self.access[k]
        if item.place is Place.INPUT and view == item.view and self.carried.get(number) == item.number:
            return item  # it comes out as it went in
        if item.place in (Place.KERNEL, Place.ARENA) and view == item.view:
            self._keep(item)
            item.place, item.number = Place.OUTPUT, number
            return item
        target = self._item(self.lines[k], -1)
        self._written(target, target.view, (item, view))
        target.place, target.number = Place.OUTPUT, number
        return target

    def _demand(self, number: int, kernel: Kernel) -> None:
        """Collect what the kernel computes and loads, from what it has to leave in memory."""
        kernel.closed = True
        if kernel.opaque:
            return
        for item in self.members.get(number, ()):
            if item.stored and not any(root.target is item for root in kernel.roots):
                own = squeezed(item.view)[1]
                kernel.roots.append(Root(Ref(item, own), item, own, row=item.row))
        found: dict[Item, bool] = {}
        stack = [(ref, root.row) for root in kernel.roots for ref in (root.ref, *[d.index for d in root.dynamic])]
        while stack:
            ref, row = stack.pop()
            item = ref.item
            if item.immediate or (item in found and kernel.meets(ref, row, found[item])) or item is kernel.result:
                continue
            if item.home == number and _computed(item, kernel):
                row = item.row
            elif item in found or not self._again(ref, kernel, row):
                self._keep(item)
                kernel.leaves.append((ref, row))
                continue
            found[item] = row
            inner = row and not item.reduces
            stack += [(arg, inner) for arg in item.args]
            if item.gathered is not None:
                self._keep(item.gathered.base)
        kernel.nodes = dict(sorted(found.items(), key=lambda entry: entry[0].order))

    def _again(self, ref: Ref, kernel: Kernel, row: bool) -> bool:
        """Is it cheaper to compute this value here than to keep and load it?"""
        item = ref.item
        if item.stored or not self._cheap(item) or not ref.aligned(squeezed(item.view)[1]):
            return False
        if squeezed(item.view)[0] != (kernel.rows if row else kernel.domain):
            return False
        if item.home == NOWHERE:
            return True
        leaves, level = 0, [item]
        for _ in range(DEPTH):
            inner = [arg.item for part in level for arg in part.args if not arg.item.immediate]
            level = [part for part in inner if not part.stored and self._cheap(part)]
            leaves += len(inner) - len(level)
            if not level:
                break
        return not level and leaves <= LEAVES

    def _cheap(self, item: Item) -> bool:
        return (
            bool(item.args)
            and not item.row
            and item.gathered is None
            and not item.reduces
            and not pointwise.expensive(item.line.op)
        )


def _computed(item: Item, kernel: Kernel) -> bool:
    """Is it a value in its kernel's registers, not one that is only written there, a part at a time?"""
    return bool(item.args) or item.gathered is not None or item is kernel.result


def reducible(line: Line, x: Aval) -> bool:
    """Is there a native form of this reduction?"""
    if not set(line.attrs) <= {"axis", "keepdims", "dtype"} or x.size == 0:
        return False
    kinds = pointwise.ALL if line.op.name != "prod" else pointwise.NUMBERS
    return all(d.kind in kinds and d != np.float16 and d.itemsize <= 8 for d in (x.dtype, line.aval.dtype))


def _without(view: View, axes: tuple[int, ...], keepdims: bool) -> View:
    """The view without these axes, which have length 1."""
    if keepdims:
        return view
    return view.sliced(tuple(0 if k in axes else slice(None) for k in range(len(view.shape))))


Placing = Callable[[View], View]


def _indexed(
    view: View, key: tuple[Any, ...], indices: list[Aval], shape: tuple[int, ...]
) -> tuple[View, list[tuple[Placing, int, int]]] | None:
    """How indexing by arrays reaches an array: (what does not depend on them, for each its view, stride and length).

    The arrays must stand side by side in the key, where NumPy leaves their axes in place; else None.
    """
    places = [k for k, part in enumerate(key) if isinstance(part, str)]
    if places != list(range(places[0], places[-1] + 1)) or any(isinstance(part, int) for part in key):
        return None
    middle = np.broadcast_shapes(*[a.shape for a in indices])
    taken = sum(part is not None and part is not Ellipsis for part in key)
    before: list[Any] = list(key[: places[0]])
    if Ellipsis in before:
        at = before.index(Ellipsis)
        before[at : at + 1] = [slice(None)] * (len(view.shape) - taken)
    first = sum(part is not None for part in before)
    after = [slice(None) if part is Ellipsis else part for part in key[places[-1] + 1 :]]
    arrays = range(first, first + len(places))
    held = view.sliced((*before, *[0] * len(places), *after))
    split = len(before)
    strides = (*held.strides[:split], *[0] * len(middle), *held.strides[split:])
    if (*held.shape[:split], *middle, *held.shape[split:]) != shape:
        return None

    def placing(seen: View) -> View:
        return View(
            shape,
            (*[0] * split, *seen.broadcast(middle).strides, *[0] * (len(shape) - split - len(middle))),
            seen.offset,
        )

    return View(shape, strides, held.offset), [(placing, view.strides[a], view.shape[a]) for a in arrays]


VIEWS: dict[str, Callable[[View, Line], View | None]] = {
    "alias": lambda view, line: view,
    "stop_gradient": lambda view, line: view,
    "reshape": lambda view, line: view.reshaped(line.aval.shape),
    "transpose": lambda view, line: view.transposed(tuple(line.attrs["axes"])),
    "broadcast_to": lambda view, line: view.broadcast(line.aval.shape),
    "slice": lambda view, line: view.sliced(tuple(line.attrs["key"])),
}

SPECIAL: dict[str, Callable[[Lowering, Line], Access | None]] = {
    "gather": Lowering._gather,
    "scatter_add": Lowering._scatter,
    "unslice": Lowering._unslice,
    "concatenate": Lowering._concatenate,
    "matmul": Lowering._matmul,
    "einsum": Lowering._einsum,
    "vecdot": Lowering._vecdot,
    "random_bits": Lowering._random,
}

CAST, MULTIPLY, SUM = OPS["cast"], OPS["multiply"], OPS["sum"]
