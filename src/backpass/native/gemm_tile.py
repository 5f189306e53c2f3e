"""Products by register tiles: a tile of C stays in registers while the inner index p runs.

Each round loads a piece of B's row p, spreads one number of A after another over a vector, and multiplies and adds.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from backpass.native.gemm_panel import pack_panel, pack_rows, transpose
from backpass.native.gemm_plan import FIRST_BYTES, Product, Tile
from backpass.native.gemm_writer import Index, Value, Writer
from backpass.native.lanes import prefetch
from backpass.native.target import Target

AHEAD = 8
"""Rows of a packed panel larger than the first cache that are fetched before they are needed."""
Hand = Callable[[Index, Index, Value, int, Index], None]
"""What takes a vector of sums: C's row, first column, value, valid lanes, unit of work."""


def tiles_of(product: Product, plan: Tile) -> int:
    """How many tiles of rows there are."""
    return math.ceil(product.m / plan.rows)


def panels_of(product: Product, plan: Tile, target: Target) -> int:
    """How many panels of columns there are."""
    return math.ceil(product.n / (plan.vectors * target.lanes(product.dtype)))


def rooms(product: Product, plan: Tile, target: Target) -> tuple[int, int, int]:
    """Elements for a packed panel, for packed rows of A, and for sums that wait; each a multiple of 64 bytes."""
    lanes = target.lanes(product.dtype)
    width = plan.vectors * lanes
    panels = panels_of(product, plan, target)
    panel = 0 if plan.panel == "direct" else packed_panel(plan, lanes) * (panels if plan.keep else 1)
    a = plan.block * packed_tile(plan) if plan.pack_a else 0
    sums = plan.block * plan.rows * panels * width if plan.depth < product.k else 0
    return math.ceil(panel / 16) * 16, math.ceil(a / 16) * 16, sums


def packed_panel(plan: Tile, lanes: int) -> int:
    """Elements of a packed panel."""
    return math.ceil(plan.depth / lanes) * lanes * plan.vectors * lanes


def packed_tile(plan: Tile) -> int:
    """Elements from one packed tile of A to the next: 64 bytes apart, so that they do not meet in the caches' sets."""
    return plan.rows * plan.depth + 16


class Tiles:
    """Writes parts of a product C = A B, or, for a swapped plan, of the Cᵀ that it was made from."""

    def __init__(
        self,
        w: Writer,
        product: Product,
        plan: Tile,
        pack: Value,
        found: Callable[[Index], Index],
        hand: Hand,
        by_tiles: bool,
        inline: bool,
        ahead: Hand | None,
    ) -> None:
        self.w = w
        self.product = product
        self.plan = plan
        self.found = found
        self.hand = hand
        self.by_tiles = by_tiles
        self.inline = inline
        self.ahead = ahead
        self.full, self.over = divmod(product.m, plan.rows)
        self.width = plan.vectors * w.lanes
        panel, a, _ = rooms(product, plan, w.target)
        self.panel_room, self.a_room, self.sums_room = pack, w.at(pack, panel), w.at(pack, panel + a)
        self.blocked = plan.depth < product.k
        self.a = self.b = pack
        """Where A and B are, once `region` is told."""
        # Room on the stack: the optimiser drops what is not used.
        self._scratch = w.scratch(plan.rows * plan.vectors)
        self._turned = w.scratch(plan.vectors * w.lanes)

    def region(self, a: Value, b: Value, tiles: tuple[Index, Index], panels: tuple[Index, Index]) -> None:
        """Tiles of rows from one to before another, at least one, of a range of panels, at least one."""
        self.a, self.b = a, b
        if self.plan.keep:
            self._each_panel(*panels, lambda j, counts: self._pack_panel(j, counts, 0, self.product.k))
        if self.plan.block >= tiles_of(self.product, self.plan):
            self._block(*tiles, *panels)
            return
        with self.w.loop(*tiles, self.plan.block) as blocks:
            after = self.w.smaller(self.w.add(blocks.index, self.plan.block), tiles[1])
            self._block(blocks.index, after, *panels)

    def _block(self, begin: Index, end: Index, first: Index, last: Index) -> None:
        w, product = self.w, self.product
        if not self.blocked:
            self._pack_rows(begin, end, 0, product.k)
            self._each_panel(first, last, lambda j, counts: self._panel(j, counts, begin, end))
            return
        tile = self.plan.rows * self.width
        height = w.add(end, w.scale(begin, -1))

        def waiting(j: Index, t: Index) -> Value:
            """Where a tile's sums are between two depths."""
            place = w.add(w.scale(j, self.plan.block * tile), w.scale(w.add(t, w.scale(begin, -1)), tile))
            return w.at(self.sums_room, place)

        def load(j: Index, counts: list[int], t: Index, rows: int) -> list[Value]:
            return [w.load(w.at(waiting(j, t), place * w.lanes)) for place in range(rows * len(counts))]

        with w.loop(first, last) as clear:
            room = waiting(clear.index, begin)
            with w.loop(0, w.scale(height, tile), w.lanes) as zeros:
                w.store(w.zero, w.at(room, zeros.index))
        with w.loop(0, product.k, self.plan.depth) as depths:
            start = depths.index
            stop = w.smaller(w.add(start, self.plan.depth), product.k)
            self._pack_rows(begin, end, start, stop)

            def grow(j: Index, counts: list[int]) -> None:
                self._pack_panel(j, counts, start, stop)

                def tile(t: Index, rows: int) -> None:
                    sums = self._sums(j, counts, t, rows, begin, start, stop, load(j, counts, t, rows))
                    for place, value in enumerate(sums):
                        w.store(value, w.at(waiting(j, t), place * w.lanes))

                self._each_tile(begin, end, tile)

            self._each_panel(first, last, grow)

        def finish(j: Index, counts: list[int]) -> None:
            self._each_tile(begin, end, lambda t, rows: self._finish(j, counts, t, rows, load(j, counts, t, rows)))

        self._each_panel(first, last, finish)

    def _panel(self, j: Index, counts: list[int], begin: Index, end: Index) -> None:
        """Tiles begin to end of one panel, each to its end."""
        if not self.plan.keep:
            self._pack_panel(j, counts, 0, self.product.k)

        def tile(t: Index, rows: int) -> None:
            zeros: list[Value] = [self.w.zero] * (rows * len(counts))
            k = self.product.k
            self._announce(j, counts, t, rows)
            self._finish(j, counts, t, rows, self._sums(j, counts, t, rows, begin, 0, k, zeros) if k else zeros)

        self._each_tile(begin, end, tile)

    def _each_panel(self, first: Index, last: Index, write: Callable[[Index, list[int]], None]) -> None:
        """Write what is done with each whole panel of a range, then with the one of the columns left over."""
        w = self.w
        full, left = divmod(self.product.n, self.width)
        if full:
            with w.loop(first, w.smaller(last, full)) as panels:
                write(panels.index, [w.lanes] * self.plan.vectors)
        if left:
            with w.when(w.less(full, last)):
                write(full, [min(w.lanes, left - start) for start in range(0, left, w.lanes)])

    def _each_tile(self, begin: Index, end: Index, write: Callable[[Index, int], None]) -> None:
        """Write what is done with each whole tile of a range, then with the one of the rows left over."""
        w = self.w
        if self.full:
            with w.loop(begin, w.smaller(end, self.full)) as tiles:
                write(tiles.index, self.plan.rows)
        if self.over:
            with w.when(w.less(self.full, end)):
                write(self.full, self.over)

    def _pack_rows(self, begin: Index, end: Index, start: Index, stop: Index) -> None:
        if not self.plan.pack_a:
            return
        w, plan = self.w, self.plan

        # Column by column, as A lies: the other way round, lines of A would be fetched again and again.
        with w.loop(start, stop) as loop:
            column = w.at(self.a, w.scale(self._a_inner(loop.index), self.product.a[1]))
            depth = w.add(loop.index, w.scale(start, -1))

            def copy(t: Index, rows: int) -> None:
                to = w.at(self._packed_rows(t, begin), w.scale(depth, plan.rows))
                pack_rows(w, w.at(column, w.scale(t, plan.rows)), to, rows)

            self._each_tile(begin, end, copy)

    def _pack_panel(self, j: Index, counts: list[int], start: Index, stop: Index) -> None:
        if self.plan.panel != "direct" and self.product.k:
            b, to = self._columns(j), self._packed_panel(j)
            pack_panel(self.w, self.product, self.plan, b, to, self._b_inner, counts, start, stop)

    def _packed_panel(self, j: Index) -> Value:
        return self.w.at(
            self.panel_room, self.w.scale(j, packed_panel(self.plan, self.w.lanes) if self.plan.keep else 0)
        )

    def _columns(self, j: Index) -> Value:
        """Where a panel's columns begin in B."""
        return self.w.at(self.b, self.w.scale(j, self.width * self.product.b[1]))

    def _sums(
        self,
        j: Index,
        counts: list[int],
        t: Index,
        rows: int,
        begin: Index,
        start: Index,
        stop: Index,
        sums: list[Value],
    ) -> list[Value]:
        """The sums of a tile, grown by A[:, p] B[p, :] for p from start to stop."""
        w, product, plan = self.w, self.product, self.plan
        direct = plan.panel == "direct"
        row = w.scale(t, plan.rows)
        gathered = product.gather == "a rows"
        b, packed = self._columns(j), self._packed_panel(j)
        firsts: list[Value] = []
        first, between, along = self.a, product.a[0], product.a[1]
        if gathered:
            firsts = [w.at(self.a, w.scale(self.found(w.add(row, r)), between)) for r in range(rows)]
        elif plan.pack_a:
            first, between, along = self._packed_rows(t, begin), 1, plan.rows
        else:
            first = w.at(self.a, w.scale(row, between))

        with w.loop(start, stop, carried=sums) as inner:
            p = inner.index
            if direct:
                at = w.at(b, w.scale(self._b_inner(p), product.b[0]))
                pieces = [w.load(w.at(at, v * w.lanes), count) for v, count in enumerate(counts)]
            else:
                at = w.at(packed, w.scale(w.add(p, w.scale(start, -1)), w.lanes * len(counts)))
                pieces = [w.load(w.at(at, v * w.lanes)) for v in range(len(counts))]
                if packed_panel(plan, w.lanes) * w.size > FIRST_BYTES:
                    for v in range(len(counts)):
                        prefetch(w.builder, w.at(at, (AHEAD * len(counts) + v) * w.lanes))
            column = w.scale(w.add(p, w.scale(start, -1)) if plan.pack_a else self._a_inner(p), along)
            here = first if gathered else w.at(first, column)
            grown = []
            for r in range(rows):
                entry = w.load_scalar(w.at(firsts[r], column) if gathered else w.at(here, r * between))
                x = w.spread(entry)
                for v, piece in enumerate(pieces):
                    grown.append(w.multiply_add(x, piece, inner.carried[r * len(counts) + v]))
            inner.carried = grown
        return inner.results

    def _announce(self, j: Index, counts: list[int], t: Index, rows: int) -> None:
        """Hand on where a tile's sums will stand, before they are there."""
        if self.ahead is None or self.plan.swapped:
            return
        w = self.w
        for r in range(rows):
            for v, count in enumerate(counts):
                row, col = w.add(w.scale(t, self.plan.rows), r), w.add(w.scale(j, self.width), v * w.lanes)
                self.ahead(row, col, w.zero, count, t if self.by_tiles else j)

    def _finish(self, j: Index, counts: list[int], t: Index, rows: int, sums: list[Value]) -> None:
        """Hand a tile's sums on, row by row of C."""
        w, width = self.w, self.w.lanes * len(counts)
        row, col = w.scale(t, self.plan.rows), w.scale(j, self.width)
        unit = t if self.by_tiles else j
        if self.plan.swapped:
            self._finish_swapped(row, rows, col, sum(counts), sums, unit)
        elif self.inline or rows == 1:
            for r in range(rows):
                for v, count in enumerate(counts):
                    self.hand(w.add(row, r), w.add(col, v * w.lanes), sums[r * len(counts) + v], count, unit)
        else:
            scratch = self._spill(sums)
            with w.loop(0, rows) as each:
                for v, count in enumerate(counts):
                    value = w.load(w.at(scratch, w.add(w.scale(each.index, width), v * w.lanes)))
                    self.hand(w.add(row, each.index), w.add(col, v * w.lanes), value, count, unit)

    def _finish_swapped(self, row: Index, rows: int, col: Index, columns: int, sums: list[Value], unit: Index) -> None:
        """The tile's rows are columns of C, its columns rows of C."""
        w = self.w
        width = w.lanes * len(sums) // rows
        scratch = self._spill(sums)
        turned = rows > 4
        if turned:
            transpose(w, scratch, width, self._turned, w.lanes, columns, rows)
        with w.loop(0, columns) as each:
            if turned:
                value = w.load(w.at(self._turned, w.scale(each.index, w.lanes)))
            else:
                value = w.entries(w.at(scratch, each.index), width, rows)
            self.hand(w.add(col, each.index), row, value, rows, unit)

    def _spill(self, sums: list[Value]) -> Value:
        for place, value in enumerate(sums):
            self.w.store(value, self.w.at(self._scratch, place * self.w.lanes))
        return self._scratch

    def _a_inner(self, p: Index) -> Index:
        return self.found(p) if self.product.gather == "a inner" else p

    def _b_inner(self, p: Index) -> Index:
        return self.found(p) if self.product.gather == "b inner" else p

    def _packed_rows(self, t: Index, begin: Index) -> Value:
        w = self.w
        return w.at(self.a_room, w.scale(w.add(t, w.scale(begin, -1)), packed_tile(self.plan)))
