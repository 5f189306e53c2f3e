"""Reading printed equations back: a parser for the index form, and what the matrix form shares with it.

Nothing here knows how a line was made: it sees the text, the values of the names, and how far each index letter runs.

>>> read_index("Σ_i x_ni·W_ik + b_k", {"x": np.ones((2, 3)), "W": np.ones((3, 4)), "b": np.ones(4)},
...            {"n": 2, "i": 3, "k": 4}).array
array([[4., 4., 4., 4.],
       [4., 4., 4., 4.]])
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from .labelled import COMPARE, Labelled, apply, entries, function, is_function, numeric, product, reduce
from .text import UNITS

_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e-?\d+)?")
_LETTER = re.compile(r"[a-zα-ωϕ]′*")
_WORD_GOES_ON = re.compile(r"[A-Za-z0-9⁽′]")
_CALL = re.compile(r"([A-Za-z√σ][A-Za-z0-9_]*)\(")


class Unreadable(ValueError):
    """The text is not an equation of this grammar."""


class Reader:
    """A position in a text, and the names that may stand there."""

    def __init__(self, text: str, names: Mapping[str, Any], lengths: Mapping[str, int]):
        self.text = text
        self.at = 0
        self.names = names
        self.lengths = lengths
        self.ordered = sorted(names, key=len, reverse=True)
        self.sizes = {f"|{c}|": n for c, n in lengths.items()}
        self.sizes |= {c.upper(): n for c, n in lengths.items() if c.upper() != c and c.upper() not in names}

    @property
    def rest(self) -> str:
        return self.text[self.at :]

    def skip(self) -> None:
        while self.at < len(self.text) and self.text[self.at] == " ":
            self.at += 1

    def take(self, mark: str) -> bool:
        self.skip()
        if self.text.startswith(mark, self.at):
            self.at += len(mark)
            return True
        return False

    def need(self, mark: str) -> None:
        if not self.take(mark):
            raise Unreadable(f"expected {mark!r} at {self.rest[:30]!r} in {self.text!r}")

    def finish(self) -> None:
        self.skip()
        if self.at != len(self.text):
            raise Unreadable(f"left over: {self.rest!r} in {self.text!r}")

    def number(self) -> complex | None:
        """A number with π and the imaginary unit behind it, 2πi, or without any of the three."""
        found = _NUMBER.match(self.text, self.at)
        at = self.at if found is None else found.end()
        value: complex = 1.0 if found is None else float(found[0])
        if self.text.startswith("π", at) and "π" not in self.names:
            at += 1
            value *= math.pi
        for unit in UNITS:
            own = unit == UNITS[1] or not (unit in self.names or unit in self.lengths)
            if own and self.text.startswith(unit, at) and not _WORD_GOES_ON.match(self.text[at + 1 : at + 2] or " "):
                at += 1
                value *= 1j
        if at == self.at:
            return None
        self.at = at
        return value

    def size(self) -> int | None:
        for name, n in self.sizes.items():
            after = self.text[self.at + len(name) : self.at + len(name) + 1]
            if self.text.startswith(name, self.at) and not re.match(r"[A-Za-z0-9⁽_]", after or " "):
                self.at += len(name)
                return n
        return None

    def name(self) -> str | None:
        for name in self.ordered:
            after = self.text[self.at + len(name) : self.at + len(name) + 1]
            if self.text.startswith(name, self.at) and not _WORD_GOES_ON.match(after or " "):
                self.at += len(name)
                return name
        return None

    def called(self) -> str | None:
        found = _CALL.match(self.text, self.at)
        if found is None or not is_function(found[1]):
            return None
        self.at = found.end()
        return found[1]

    def letters(self) -> list[str]:
        out = []
        while found := _LETTER.match(self.text, self.at):
            out.append(found[0])
            self.at = found.end()
        return out


class IndexReader(Reader):
    """The index grammar: every value carries the letters that it depends on."""

    def __init__(self, text: str, names: Mapping[str, Any], lengths: Mapping[str, int]):
        super().__init__(text, names, lengths)
        self.runs = _Runs(lengths)

    def expression(self) -> Labelled:
        self.skip()
        value = self._negative(self.term()) if self.take("−") else self.term()
        while True:
            if self.take("+"):
                value = apply(np.add, value, self.term())
            elif self.take("−"):
                value = apply(np.subtract, value, self.term())
            else:
                return value

    @staticmethod
    def _negative(v: Labelled) -> Labelled:
        return Labelled(np.negative(v.array), v.labels)

    def term(self) -> Labelled:
        return product(self.factors())

    def factors(self) -> list[Labelled]:
        out = [self.factor()]
        while True:
            if self.take("·"):
                out.append(self.factor())
            elif self.take("/"):
                v = self.factor()
                out.append(Labelled(1.0 / numeric(v.array), v.labels))
            else:
                return out

    def factor(self) -> Labelled:
        value = self.atom()
        while True:
            if self.text.startswith("²", self.at):
                self.at += 1
                value = Labelled(np.square(numeric(value.array)), value.labels)
            elif self.text.startswith("^", self.at):
                self.at += 1
                value = apply(lambda a, b: np.power(numeric(a), b), value, self.atom())
            else:
                return value

    def atom(self) -> Labelled:
        self.skip()
        for word in ("Σ", "Π", "max", "min"):
            if self.text.startswith(word + "_", self.at):
                self.at += len(word) + 1
                over = tuple(self.letters())
                if word == "Σ":
                    return product(self.factors(), over, self.runs)
                return reduce(word, self.term(), over)
        for word in ("softmax_", "logsumexp_"):
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return self._exponential(word, tuple(self.letters()))
        if self.take("("):
            value = self.expression()
            if self.take("mod "):
                value = apply(np.mod, value, self.expression())
            self.need(")")
            return value
        if self.take("⌊"):
            top = self.factor()
            self.need("/")
            value = apply(np.floor_divide, top, self.factor())
            self.need("⌋")
            return value
        if self.take("["):
            return self._bracket()
        number = self.number()
        if number is not None:
            return Labelled(np.asarray(number)[()])
        called = self.called()
        if called is not None:
            arguments = [self.expression()]
            while self.take(","):
                arguments.append(self.expression())
            self.need(")")
            return apply(function(called), *arguments)
        name = self.name()
        if name is not None:
            return self._entry(name)
        size = self.size()
        if size is not None:
            return Labelled(np.float64(size))
        found = _LETTER.match(self.text, self.at)
        if found:
            self.at = found.end()
            return self._index(found[0])
        raise Unreadable(f"at {self.rest[:30]!r} in {self.text!r}")

    def _index(self, letter: str) -> Labelled:
        return Labelled(np.arange(self.runs[letter]), (letter,))

    def _exponential(self, word: str, over: tuple[str, ...]) -> Labelled:
        self.need("(")
        inner = self.expression()
        self.need(")")
        total = reduce("lse", inner, over)
        return total if word == "logsumexp_" else apply(lambda a, b: np.exp(a - b), inner, total)

    def _bracket(self) -> Labelled:
        first = self.expression()
        if self.take("<"):
            second = self.expression()
            value = apply(np.less, first, second)
        elif self.take("≤"):
            second = self.expression()
            if self.take("<"):
                value = apply(lambda a, b, c: (a <= b) & (b < c), first, second, self.expression())
            else:
                value = apply(np.less_equal, first, second)
        else:
            sign = next((s for s in COMPARE if self.take(s)), None)
            if sign is None:
                raise Unreadable(f"no comparison at {self.rest[:30]!r} in {self.text!r}")
            value = apply(COMPARE[sign], first, self.expression())
        self.need("]")
        return value._replace(binary=True)

    def _entry(self, name: str) -> Labelled:
        array, places = self.placed(name)
        return entries(array, places)

    def placed(self, name: str) -> tuple[Any, list[Labelled]]:
        """The array of a name without axes of length 1, and the indices that stand behind the name."""
        array = np.asarray(self.names[name])
        array = array.reshape([n for n in array.shape if n != 1])
        places: list[Labelled] = []
        if self.text.startswith("_{", self.at):
            self.at += 2
            places.append(self.expression())
            while self.take(","):
                places.append(self.expression())
            self.need("}")
        elif self.text.startswith("_", self.at):
            self.at += 1
            places = [self._index(c) for c in self.letters()]
        if len(places) != array.ndim:
            raise Unreadable(f"{name} has {array.ndim} indices, {len(places)} are written in {self.text!r}")
        return array, places


class _Runs(dict[str, int]):
    """How far a letter runs; primed letters run as far as the letter itself."""

    def __missing__(self, letter: str) -> int:
        bare = letter.rstrip("′")
        if bare not in self:
            raise Unreadable(f"the index {letter!r} runs over nothing")
        return self[bare]


def read_index(text: str, names: Mapping[str, Any], lengths: Mapping[str, int]) -> Labelled:
    """The value of an expression in index form."""
    reader = IndexReader(text, names, lengths)
    value = reader.expression()
    reader.finish()
    return value


__all__ = ["IndexReader", "Reader", "Unreadable", "read_index"]
