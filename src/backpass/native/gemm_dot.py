"""Products by dot products: p runs along the lanes, and the lanes of each sum are added up in the end.

For few rows or few columns, where both A's rows and B's columns lie together.
"""

from __future__ import annotations

from collections.abc import Callable

from backpass.native.gemm_panel import pack_columns
from backpass.native.gemm_plan import Dot, Product
from backpass.native.gemm_writer import Index, Value, Writer


class Dots:
    """Writes parts of a product."""

    def __init__(
        self,
        w: Writer,
        product: Product,
        plan: Dot,
        pack: Value,
        found: Callable[[Index], Index],
        hand: Callable[[Index, Index, Value, int, Index], None],
        by_rows: bool,
    ) -> None:
        self.w = w
        self.product = product
        self.plan = plan
        self.pack = pack
        self.found = found
        self.hand = hand
        self.by_rows = by_rows

    def region(self, a: Value, b: Value, rows: tuple[Index, Index], columns: tuple[Index, Index]) -> None:
        """Groups of rows from one to before another, at least one, of a range of groups of columns, at least one."""
        w, product, plan = self.w, self.product, self.plan
        stride = product.b[1]
        if plan.pack:
            pack_columns(w, product, b, self.pack, lambda p: self.found(p) if product.gather == "b inner" else p)
            b, stride = self.pack, product.k

        def across(i: Index, height: int) -> None:
            row = w.scale(i, plan.rows)
            starts = [self._row(a, w.add(row, r)) for r in range(height)]

            def group(j: Index, width: int) -> None:
                col = w.scale(j, plan.columns)
                first = w.at(b, w.scale(col, stride))
                self._group(row, col, i if self.by_rows else j, starts, [w.at(first, c * stride) for c in range(width)])

            self._each(columns, product.n, plan.columns, group)

        self._each(rows, product.m, plan.rows, across)

    def _each(self, limits: tuple[Index, Index], total: int, size: int, write: Callable[[Index, int], None]) -> None:
        """Write what is done with each whole group of a range, then with the group of what is left over."""
        w = self.w
        full, left = divmod(total, size)
        if full:
            with w.loop(limits[0], w.smaller(limits[1], full)) as groups:
                write(groups.index, size)
        if left:
            with w.when(w.less(full, limits[1])):
                write(full, left)

    def _row(self, a: Value, row: Index) -> Value:
        row = self.found(row) if self.product.gather == "a rows" else row
        return self.w.at(a, self.w.scale(row, self.product.a[0]))

    def _group(self, row: Index, col: Index, unit: Index, rows: list[Value], columns: list[Value]) -> None:
        """The dot products of each of some rows with each of some columns, handed on row by row."""
        w, k, partial = self.w, self.product.k, self.plan.partial
        cells = len(rows) * len(columns)

        def grow(p: Index, sums: list[Value], count: int | None = None) -> list[Value]:
            ys = [w.load(w.at(column, p), count) for column in columns]
            grown = []
            for r, start in enumerate(rows):
                x = w.load(w.at(start, p), count)
                grown += [w.multiply_add(x, y, sums[r * len(columns) + c]) for c, y in enumerate(ys)]
            return grown

        sums: list[Value] = [w.zero] * (cells * partial)
        step = partial * w.lanes
        whole = k // step * step
        if whole:
            with w.loop(0, whole, step, sums) as inner:
                for u in range(partial):
                    some = inner.carried[u * cells : (u + 1) * cells]
                    inner.carried[u * cells : (u + 1) * cells] = grow(w.add(inner.index, u * w.lanes), some)
            sums = inner.results
        for u, p in enumerate(range(whole, k, w.lanes)):
            some = sums[u * cells : (u + 1) * cells]
            sums[u * cells : (u + 1) * cells] = grow(p, some, min(w.lanes, k - p))
        total = sums[:cells]
        for u in range(1, partial):
            total = [w.builder.fadd(x, y) for x, y in zip(total, sums[u * cells :], strict=False)]
        if cells <= w.lanes:
            together = w.sums(total)
            for r in range(len(rows)):
                start = r * len(columns)
                lanes = [(start + c) % w.lanes for c in range(w.lanes)]
                self.hand(
                    w.add(row, r), col, w.shuffle(together, together, lanes) if r else together, len(columns), unit
                )
        else:
            for r in range(len(rows)):
                some = total[r * len(columns) : (r + 1) * len(columns)]
                self.hand(w.add(row, r), col, w.sums(some), len(columns), unit)
