"""The index form of an expression: Σ with its letters, products with ·, brackets for conditions."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable

from .expr import ONE, Expr, has_sum, inside, mul, num
from .layout import Big, Call, Fence, Fraction, Layout, Letter, Name, Power, Row, Script, Token, Whole
from .pull import softmax_of
from .sheet import Sheet, Symbol
from .text import UNITS, bare

POOL = "ijkmopqrstuvwabcdefghαβγκλμνρτφχψω"
_RANK = {"I": 0, "B": 0, "r": 1, "n": 1, "d": 1, "f": 2, "+": 3, "*": 3, "S": 5, "v": 1}


class Letters:
    """Index letters: a class of axes prefers one letter throughout; on one line every class has its own."""

    def __init__(self, sheet: Sheet, taken: set[str], imaginary: bool = False):
        self.sheet = sheet
        self.taken = taken
        self.preferred: dict[int, str] = {}
        self.pool = [c for c in POOL if c not in taken] or list(POOL)
        self._next = 0
        self.examples: int | None = None
        """The axis class of the examples: the first axis of the data."""
        self.unit = UNITS[UNITS[0] in taken]
        """How the imaginary unit is written; where there is one, no index is called i."""
        if imaginary:
            self.pool = [c for c in self.pool if c not in UNITS] or self.pool

    def prefer(self, axis: int, letter: str | None = None) -> str:
        axis = self.sheet.axes.find(axis)
        if axis not in self.preferred:
            if letter is None or letter in self.taken or letter in self.preferred.values():
                letter = self.pool[self._next % len(self.pool)]
                self._next += 1
                if letter == "n":
                    letter = self.pool[self._next % len(self.pool)]
            self.preferred[axis] = letter
        return self.preferred[axis]


def number(c: complex) -> str:
    """
    >>> number(2.5), number(1e6), number(3 - 0.5j)
    ('2.5', '1e6', '3 − 0.5i')
    """
    if isinstance(c, complex):
        sign = "−" if c.imag < 0 else "+"
        return f"{number(c.real)} {sign} {number(abs(c.imag))}i"
    if c == math.pi:
        return "π"
    if float(c).is_integer() and abs(c) < 1e15:
        text = str(int(c))
        zeros = len(text) - len(text.rstrip("0"))
        return text if zeros < 6 else f"{text[:-zeros]}e{zeros}"
    return re.sub(r"e([+-])0*(\d)", lambda m: "e" + m[1].replace("+", "") + m[2], repr(float(c)))


def name_of(symbol: Symbol, symbols: list[Symbol]) -> Name:
    if symbol.of is None:
        return Name(symbol.base, symbol.label)
    if symbol.base:
        return Name(symbol.base, symbol.label)
    of = symbols[symbol.of]
    return Name(of.base, of.label, partial=True)


class IndexWriter:
    """Writes the expressions of one line; letters stay the same within it."""

    def __init__(self, sheet: Sheet, letters: Letters, indices: tuple[Expr, ...] = ()):
        self.sheet = sheet
        self.letters = letters
        self.of_class: dict[int, str] = {}
        self.lengths: dict[str, int] = {}
        """Letter → number of its values: what a reader of the line needs."""
        self.of_index: dict[Expr, str] = {}
        self.outer = [v for v in indices if v.kind == "v"]
        self.sums = 0
        self.first: int | None = None
        """The symbol whose terms stand first: what an update moves."""
        self.texts: dict[Expr, str] = {}
        """What terms are sorted by; kept, since a nest would be written again at every level of it."""
        for v in self.outer:
            self.letter(v)

    # ---- letters
    def _class_letter(self, axis: int) -> str:
        axis = self.sheet.axes.find(axis)
        found = self.of_class.get(axis)
        if found is None:
            found = self.letters.prefer(axis)
            used = set(self.of_class.values())
            if found in used:
                found = next(c for c in [*self.letters.pool, *(f"{a}′" for a in POOL)] if c not in used)
            self.of_class[axis] = found
            self.lengths[found] = self.sheet.axes.length[axis]
        return found

    def letter(self, v: Expr) -> str:
        if v not in self.of_index:
            text = self._class_letter(v.data[0])
            while text in self.of_index.values():
                text += "′"
            self.of_index[v] = text
        return self.of_index[v]

    def length(self, axis: int) -> Letter:
        text = self._class_letter(axis)
        upper = text.upper()
        return Letter(text, True, barred=upper in self.letters.taken or upper == text)

    def name(self, symbol: int) -> Name:
        return name_of(self.sheet.symbols[symbol], self.sheet.symbols)

    def unit_of(self, e: Expr) -> str:
        return self.letters.unit if e.data == "i" else e.data

    def place(self, i: Expr) -> Layout:
        if i.kind == "n":
            return Whole(int(i.data))
        return self.write(i)

    def left(self, symbol: Symbol, indices: tuple[Expr, ...]) -> Layout:
        kept = [i for i, n in zip(indices, symbol.shape, strict=True) if n != 1]
        name = name_of(symbol, self.sheet.symbols)
        return Script(name, tuple(self.place(i) for i in kept)) if kept else name

    # ---- expressions; level 0 sum, 1 product, 2 atom
    def write(self, e: Expr, level: int = 0) -> Layout:
        kind = e.kind
        if kind == "n":
            text = number(abs(e.data))
            if e.data >= 0:
                return Token(text)
            row = Row((Token("−"), Token(text)))
            return row if level == 0 else Fence(row)
        if kind == "c":
            return Token(self.unit_of(e))
        if kind == "v":
            return Letter(self.letter(e))
        if kind == "d":
            return self.length(e.data)
        if kind == "r":
            name = self.name(e.data)
            return Script(name, tuple(self.place(i) for i in e.parts)) if e.parts else name
        if kind == "f":
            return self._function(e)
        if kind == "I":
            return Fence(Row((self.write(e.parts[0]), Token(f" {e.data} "), self.write(e.parts[1]))), square=True)
        if kind == "B":
            inner = Row((Token("0"), Token("≤"), self.write(e.parts[0]), Token("<"), self.length(e.data)))
            return Fence(inner, square=True)
        if kind == "S":
            return self._binder(e, level)
        if kind == "+":
            return self._sum(e, level)
        return self._product(e, level)

    def _function(self, e: Expr) -> Layout:
        found = softmax_of(e)
        if found is not None:
            binder, point = found
            v, body = inside(binder)
            before = dict(self.of_index)
            # One letter serves both for the place and for the index that runs.
            text = self.letter(point) if point.kind == "v" else self.letter(v)
            self.of_index[v] = text
            out = Call("softmax_" + text, (self.write(body),))
            self.of_index = before
            return Big("softmax", (Letter(text),), Fence(out.arguments[0]))
        if e.data == "power":
            return Power(self.write(e.parts[0], 2), self.write(e.parts[1], 2))
        if e.data == "div":
            return Fence(Row((self.write(e.parts[0], 1), Token("/"), self.write(e.parts[1], 2))), floor=True)
        if e.data == "mod":
            return Fence(Row((self.write(e.parts[0], 2), Token(" mod "), self.write(e.parts[1], 2))))
        return Call(e.data, tuple(self.write(a) for a in e.parts))

    def _binder(self, e: Expr, level: int) -> Layout:
        before = dict(self.of_index)
        word, body = e.data[0], e
        letters: list[Layout] = []
        while body.kind == "S" and body.data[0] == word:
            v, body = inside(body)
            letters.append(Letter(self.letter(v)))
        self.sums += 1
        inner = self.write(body) if word == "lse" else self.write(body, 1)
        self.sums -= 1
        self.of_index = before
        if word == "lse":
            return Big("logsumexp", tuple(letters), Fence(inner))
        big = Big(word, tuple(letters), inner)
        return Fence(big) if level >= 2 else big

    def _sum(self, e: Expr, level: int) -> Layout:
        terms = one_first(self.ordered(zip(e.data, e.parts, strict=True), self._bare))
        parts: list[Layout] = []
        for n, (c, t) in enumerate(terms):
            if n or c < 0:
                parts.append(Token(("−" if c < 0 else "") if n == 0 else " − " if c < 0 else " + "))
            parts.append(self.write(mul(num(abs(c)), t), 1))
        row = Row(tuple(parts))
        return Fence(row) if level >= 1 else row

    def _product(self, e: Expr, level: int) -> Layout:
        c, powers = e.data
        units = [self.unit_of(b) for b, p in zip(e.parts, powers, strict=True) if b.kind == "c" and p == 1]
        top = [(b, p) for b, p in zip(e.parts, powers, strict=True) if p > 0 and not (b.kind == "c" and p == 1)]
        bottom = [(b, -p) for b, p in zip(e.parts, powers, strict=True) if p < 0]
        first = self.outer[0] if self.outer else None
        last = self.outer[-1] if len(self.outer) > 1 else None

        def rank(item: tuple[Expr, float]) -> tuple[object, ...]:
            b = item[0]
            entry = b.kind == "r" and bool(self.sums)
            return (
                b.kind == "f" and not b.real,
                self.first is not None and not self._constant(b),
                entry and first not in b.free,
                entry and last in b.free,
                _RANK[b.kind],
                *self.priority(b),
                self._bare(b),
            )

        top.sort(key=rank)
        big = [x for x in top if x[0].kind == "S"]
        other = [x for x in top if x[0].kind != "S"]
        if big and any(b.kind in "+fIB" for b, _ in other):
            top = big + other
        above = [self._factor(b, p, n == len(top) - 1 and not bottom) for n, (b, p) in enumerate(top)]
        below = [self._factor(b, p, False) for b, p in bottom]
        size = abs(c)
        if (under := divisor(size)) is not None:
            below.insert(0, Token(number(under)))
            size = 1
        if size != 1 or units or not above:
            above.insert(0, Token(factor_of(size, units)))
        body = joined(above, "·")
        if below:
            body = Fraction(body, joined(below, "·"), False, bottom_fence=len(below) > 1)
        if c < 0:
            body = Row((Token("−"), body))
        return Fence(body) if level >= 2 or (c < 0 and level >= 1) else body

    def _constant(self, b: Expr) -> bool:
        """Is it made of named numbers alone? In an update these stand first: η·∂L/∂x."""
        return all(self.sheet.symbols[n].role == "constant" for n in b.refs)

    def _factor(self, b: Expr, p: float, last: bool) -> Layout:
        if b.kind == "+":
            body: Layout = Fence(self.write(b))
        else:
            body = self.write(b, 1 if p == 1 and last and b.kind == "S" else 2)
        return body if p == 1 else powered(body, p)

    def ordered(self, terms: Iterable[tuple[float, Expr]], text: Callable[[Expr], str]) -> list[tuple[float, Expr]]:
        """Products first, numbers and what is subtracted last; alike terms of several layers by their labels."""

        def key(item: tuple[float, Expr]) -> tuple[object, ...]:
            c, t = item
            labels = sorted((self._labelled(n).label or 0 for n in t.refs), reverse=True)
            return self.first not in t.refs, c < 0, t.kind == "n", t.kind == "r", not has_sum(t), text(t), labels

        return sorted(terms, key=key)

    def _bare(self, e: Expr) -> str:
        text = self.texts.get(e)
        if text is None:
            before = dict(self.of_index)
            text = self.texts[e] = bare(self.write(e, 2))
            self.of_index = before
        return text

    def _labelled(self, n: int) -> Symbol:
        symbol = self.sheet.symbols[n]
        return symbol if symbol.of is None or symbol.base else self.sheet.symbols[symbol.of]

    def priority(self, b: Expr) -> tuple[bool, str]:
        if b.kind != "r":
            return True, ""
        name = self.name(b.data)
        return not (name.partial or name.base.startswith("δ")), name.base


def divisor(size: float) -> float | None:
    """What a coefficient is better divided by: /3 for 0.333…, /31.5 for 0.031746…

    >>> divisor(1 / 3), divisor(2 / 63), divisor(0.7), divisor(6.02e-3)
    (3.0, 31.5, None, None)
    """
    if size >= 1:
        return None
    turned = float(f"{1 / size:.9g}")
    if abs(1 / size - turned) > 1e-12 * turned:
        return None
    return turned if turned.is_integer() or len(number(turned)) < len(number(size)) - 4 else None


def factor_of(size: float, units: list[str]) -> str:
    """A coefficient with the imaginary unit and π: 2πi."""
    units = sorted(units, key=lambda c: c != "π")
    return (number(size) if size != 1 or not units else "") + "".join(units)


def powered(base: Layout, p: float) -> Layout:
    """A power; that of ∂L/∂W is (∂L/∂W)², whose square ∂L/∂W² would leave open."""
    name = base.base if isinstance(base, Script) else base
    return Power(Fence(base) if isinstance(name, Name) and name.partial else base, Token(number(p)))


def one_first(terms: list[tuple[float, Expr]]) -> list[tuple[float, Expr]]:
    """1 − a², not −a² + 1."""
    one = [t for t in terms if t[1] is ONE and t[0] > 0]
    return one + [t for t in terms if t not in one] if one and terms[0][0] > 0 else terms


def joined(parts: list[Layout], by: str) -> Layout:
    if len(parts) == 1:
        return parts[0]
    out: list[Layout] = []
    for n, part in enumerate(parts):
        out += [Token(by), part] if n else [part]
    return Row(tuple(out))


__all__ = ["IndexWriter", "Letters", "divisor", "factor_of", "joined", "name_of", "number", "one_first", "powered"]
