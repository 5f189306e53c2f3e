"""The matrix form: a pattern match on rank-2 index equations. What does not match has no matrix form.

Σ_i x_ni·W_ik is x W, Σ_n a_ni·δ_nj is aᵀ δ; elementwise factors meet with ⊙; a row vector broadcasts over rows.
"""

from __future__ import annotations

from .expr import Expr, has_sum, inside, mul, num
from .layout import Big, Call, Fence, Fraction, Layout, Letter, Power, Row, Script, Token
from .pull import softmax_of
from .sheet import Sheet, Symbol
from .text import bare
from .write_index import IndexWriter, Letters, divisor, factor_of, joined, number, one_first, powered

_RANK = {"S": 0, "r": 1, "I": 2, "+": 3, "f": 3}
TRANSPOSED, ADJOINT = Token("T"), Token("H")


class NoMatrix(Exception):
    """This expression is not one of matrices."""


class MatrixWriter:
    """Writes e(r, c) as a matrix with rows r and columns c; levels 0 sum, 1 elementwise, 2 product, 3 atom."""

    def __init__(self, sheet: Sheet, letters: Letters, batch: tuple[Expr, ...] = (), examples: int | None = None):
        self.sheet = sheet
        self.examples = examples
        """In the preset of columns, the axis class of the examples: arrays that run along it first stand upright."""
        self.index = IndexWriter(sheet, letters, batch)
        self.texts: dict[tuple[Expr, Expr | None, Expr | None], str] = {}
        """What terms are sorted by; kept, since a nest would be written again at every level of it."""
        self.batch = batch
        self.column = False
        self.whole: tuple[Expr, ...] = ()
        """For an elementwise line of any rank, its indices: what is read at exactly these is written without them."""
        self.shape: tuple[int, ...] = ()

    def write(self, e: Expr, r: Expr | None, c: Expr | None, level: int) -> Layout:
        kind = e.kind
        if kind in "ndc":
            return self.index.write(e, 2 if level else 0)
        if kind == "r":
            return self._entry(e, r, c)
        if kind == "f":
            return self._function(e, r, c)
        if kind == "I":
            return self._bracket(e, r, c)
        if kind == "+":
            return self._sum(e, r, c, level)
        if kind == "S" and e.data[0] == "Σ":
            return fenced(self._matmul(e, r, c), level > 2)
        if kind == "*":
            return self._elementwise(e, r, c, level)
        raise NoMatrix

    def _entry(self, e: Expr, r: Expr | None, c: Expr | None) -> Layout:
        symbol = self.sheet.symbols[e.data]
        name: Layout = self.index.name(e.data)
        indices = e.parts
        shape = tuple(n for n in symbol.shape)
        if self.whole and indices == self.whole and shape == self.shape:
            return name
        if self.batch:
            n = len(self.batch)
            if indices[:n] == self.batch:
                name = Script(name, tuple(Letter(self.index.letter(v)) for v in self.batch))
                indices, shape = indices[n:], shape[n:]
            elif any(v in i.free for v in self.batch for i in indices):
                raise NoMatrix
        long = [n != 1 for n in shape]
        if not indices:
            return name
        if any(
            i.kind == "v" and not self._full(i, n) for i, n in zip(indices, [n for n in shape if n != 1], strict=True)
        ):
            raise NoMatrix  # a part of the array: what is left out is a matter of indices
        if upright(self.sheet, symbol, self.examples):
            indices, long = indices[::-1], long[::-1]
        if self.examples is not None and long == [True]:
            along = self.sheet.axes.classes(symbol.key)[0] == self.examples
            if indices == ((c,) if along else (r,)):
                return name
            raise NoMatrix
        if indices == (r, c) and long == [True, True]:
            return name
        if indices == (c, r) and long == [True, True]:
            return Power(name, TRANSPOSED)
        if indices == (c,) and (long in ([True], [False, True])):
            return name
        if indices == (r,) and long == [True, False]:
            return name
        raise NoMatrix

    def _full(self, i: Expr, length: int) -> bool:
        return self.sheet.axes.length[self.sheet.axes.find(i.data[0])] == length

    def _function(self, e: Expr, r: Expr | None, c: Expr | None) -> Layout:
        found = softmax_of(e)
        if found is not None:
            binder, point = found
            v, body = inside(binder)
            if point is not (c if self.examples is None else r) or body.kind == "S":
                raise NoMatrix
            inner = self.write(body, r, v, 0) if self.examples is None else self.write(body, v, c, 0)
            return Call("softmax", (inner,))
        if e.data == "power":
            return Power(self.write(e.parts[0], r, c, 3), self.write(e.parts[1], r, c, 3))
        if e.data in ("div", "mod"):
            raise NoMatrix
        if e.data == "conj":
            inner = self.write(e.parts[0], r, c, 0)
            if isinstance(inner, Power) and inner.exponent is TRANSPOSED:
                return Power(inner.base, ADJOINT)
            return Call("conj", (inner,))
        return Call(e.data, tuple(self.write(a, r, c, 0) for a in e.parts))

    def _bracket(self, e: Expr, r: Expr | None, c: Expr | None) -> Layout:
        a, b = e.parts
        row, column = (r, c) if self.examples is None else (c, r)
        if e.data == "=" and a is column and b.kind == "r" and b.parts == (row,):
            return Call("onehot", (self.index.name(b.data),))
        if a.kind == "v" or b.kind == "v":
            raise NoMatrix
        inner = Row((self.write(a, r, c, 0), Token(f" {e.data} "), self.write(b, r, c, 0)))
        return Fence(inner, square=True)

    def _sum(self, e: Expr, r: Expr | None, c: Expr | None, level: int) -> Layout:
        terms = zip(e.data, e.parts, strict=True)
        ordered = one_first(self.index.ordered(terms, lambda t: self._bare(t, r, c)))
        parts: list[Layout] = []
        for n, (k, t) in enumerate(ordered):
            if n or k < 0:
                parts.append(Token(("−" if k < 0 else "") if n == 0 else " − " if k < 0 else " + "))
            parts.append(self.write(mul(num(abs(k)), t), r, c, 1))
        return fenced(Row(tuple(parts)), level > 0)

    def _bare(self, e: Expr, r: Expr | None, c: Expr | None) -> str:
        text = self.texts.get((e, r, c))
        if text is None:
            text = self.texts[e, r, c] = bare(self.write(e, r, c, 2))
        return text

    def _elementwise(self, e: Expr, r: Expr | None, c: Expr | None, level: int) -> Layout:
        scalars, arrays, below, units = [], [], [], []
        for b, p in zip(e.parts, e.data[1], strict=True):
            if b.kind == "c" and p == 1:
                units.append(self.index.unit_of(b))
            elif p < 0:
                below.append((b, -p))
            elif b.free.isdisjoint(self.whole or {r, c}):
                scalars.append((b, p))
            else:
                arrays.append((b, p))
        arrays.sort(key=lambda bp: (_RANK.get(bp[0].kind, 1), *self.index.priority(bp[0]), self._bare(bp[0], r, c)))
        size = abs(e.data[0])
        several = bool(below) or len(arrays) + len(scalars) + (size != 1 or bool(units)) > 1

        def factor(b: Expr, p: float, at: int = 2) -> Layout:
            body = self.write(b, r, c, (3 if b.kind == "S" or p != 1 else at) if several or p != 1 else 0)
            return body if p == 1 else powered(body, p)

        body: Layout | None = joined([factor(b, p) for b, p in arrays], " ⊙ ") if arrays else None
        front: list[Layout] = [factor(b, p, 3) for b, p in scalars]
        under = [factor(b, p, 3) for b, p in below]
        if (turned := divisor(size)) is not None:
            under.insert(0, Token(number(turned)))
            size = 1
        if size != 1 or units:
            front.insert(0, Token(factor_of(size, units)))
        if front:
            body = joined(front + ([body] if body is not None else []), "·")
        if body is None:
            body = Token("1")
        if under:
            body = Fraction(body, joined(under, "·"), True, top_fence=len(arrays) > 1, bottom_fence=len(under) > 1)
        if e.data[0] < 0:
            body = Row((Token("−"), body))
            return fenced(body, level > 0)
        return fenced(body, level > 1)

    def _matmul(self, e: Expr, r: Expr | None, c: Expr | None) -> Layout:
        v, body = inside(e)
        parts = [(b, p) for b, p in (zip(body.parts, body.data[1], strict=True) if body.kind == "*" else [(body, 1)])]
        if body.kind == "*" and body.data[0] != 1:
            raise NoMatrix
        rows, columns = [], []
        for b, p in parts:
            if v not in b.free or b.kind in "IB":
                raise NoMatrix
            if r in b.free and c not in b.free:
                rows.append((b, p))
            elif c in b.free and r not in b.free:
                columns.append((b, p))
            else:
                raise NoMatrix
        if not rows or not columns or r is None or c is None:
            raise NoMatrix
        return Row((self.write(mul(*rows), r, v, 2), Token(" "), self.write(mul(*columns), v, c, 3)))

    def vector(self, e: Expr, v: Expr, shape: tuple[int, ...]) -> Layout:
        """A vector: column sums Σ_n X, or elementwise."""
        if len(shape) == 1 and e.kind == "+" and all(t.kind == "S" for t in e.parts):
            parts: list[Layout] = []
            for n, (c, t) in enumerate(
                self.index.ordered(zip(e.data, e.parts, strict=True), lambda t: bare(self._column_sum(t, v)))
            ):
                if abs(c) != 1:
                    raise NoMatrix
                parts += [Token(" − " if c < 0 else " + ")] if n else [Token("−")] if c < 0 else []
                parts.append(self._column_sum(t, v))
            return Row(tuple(parts))
        if e.kind == "S" and len(shape) == 1:
            return self._column_sum(e, v)
        if e.kind in "+*f" and not has_sum(e):
            self.column = (len(shape) == 2 and shape[1] == 1) or (
                self.examples is not None and v.data[0] != self.examples
            )
            if self.examples is not None and v.data[0] == self.examples:
                self.column = False
            return self.write(e, v, None, 0) if self.column else self.write(e, None, v, 0)
        raise NoMatrix

    def _column_sum(self, e: Expr, v: Expr) -> Layout:
        if e.data[0] != "Σ":
            raise NoMatrix
        n, body = inside(e)
        if not {n, v} <= body.free or not _upright(body, n, v):
            raise NoMatrix
        if self.examples is not None and n.data[0] != self.examples:
            raise NoMatrix
        before = dict(self.index.of_index)
        inner = self.write(body, n, v, 1) if self.examples is None else self.write(body, v, n, 1)
        big = Big("Σ", (Letter(self.index.letter(n)),), inner)
        self.index.of_index = before
        return big


def _upright(e: Expr, n: Expr, v: Expr) -> bool:
    """Does no array stand on its side? Under a bare Σ_n the reader takes n for the rows."""
    if e.kind == "r":
        if not {n, v} <= e.free:
            return True
        return n in e.parts and v in e.parts and e.parts.index(n) < e.parts.index(v)
    return all(_upright(p, n, v) for p in e.parts)


def upright(sheet: Sheet, symbol: Symbol, examples: int | None) -> bool:
    """Is an array with examples as rows written with examples as columns?"""
    if examples is None or len(symbol.shape) != 2:
        return False
    first, second = sheet.axes.classes(symbol.key)
    return first == examples != second


def fenced(x: Layout, needed: bool) -> Layout:
    return Fence(x) if needed else x


def matrix_line(
    sheet: Sheet,
    letters: Letters,
    symbol: Symbol,
    indices: tuple[Expr, ...],
    e: Expr,
    examples: int | None = None,
    before: Symbol | None = None,
) -> tuple[Layout, Layout, IndexWriter] | None:
    """(left side, right side, the writer with its letters), or None when the line stays in index form."""
    free = [i for i in indices if i.kind == "v"]
    if not e.free.issuperset(free):
        return None  # the same along an axis: a matrix on the right would have another shape
    rank = len(symbol.shape)
    if (rank > 2 or before is not None) and free:
        found = _entrywise(sheet, letters, symbol, tuple(free), e, before)
        if found is not None:
            return found
    try:
        if rank == 2 and len(free) == 2:
            writer = MatrixWriter(sheet, letters, (), examples)
            r, c = free[::-1] if upright(sheet, symbol, examples) else free
            right = writer.write(e, r, c, 0)
        elif rank == 3 and len(free) == 3 and examples is None:
            writer = MatrixWriter(sheet, letters, (free[0],))
            right = writer.write(e, free[1], free[2], 0)
        elif len(free) == 1:
            writer = MatrixWriter(sheet, letters, (), examples)
            right = writer.vector(e, free[0], symbol.shape)
        else:
            return None
    except NoMatrix:
        return None
    left: Layout = writer.index.name(symbol.number)
    if writer.batch:
        left = Script(left, (Letter(writer.index.letter(writer.batch[0])),))
    return left, right, writer.index


def _entrywise(
    sheet: Sheet, letters: Letters, symbol: Symbol, free: tuple[Expr, ...], e: Expr, before: Symbol | None
) -> tuple[Layout, Layout, IndexWriter] | None:
    """A line that reads every array at its own indices, whatever their number."""
    writer = MatrixWriter(sheet, letters)
    writer.whole, writer.shape = free, symbol.shape
    writer.index.first = None if before is None else before.number
    if len(free) != len([n for n in symbol.shape if n != 1]) or has_sum(e):
        return None
    try:
        right = writer.write(e, None, None, 0)
    except NoMatrix:
        return None
    return writer.index.name(symbol.number), right, writer.index


__all__ = ["MatrixWriter", "NoMatrix", "matrix_line"]
