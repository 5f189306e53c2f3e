"""Reading the matrix form back: names are arrays, a space is the matrix product, ⊙ · / act on entries.

>>> read_matrix("(δ Wᵀ) ⊙ (1 − a²)", {"δ": np.ones((2, 3)), "W": np.ones((4, 3)), "a": np.zeros((2, 4))}, {}, 4)
array([[3., 3., 3., 3.],
       [3., 3., 3., 3.]])
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from .labelled import COMPARE, function, numeric
from .read import Reader, Unreadable

_PRODUCT_ENDS = re.compile(r" *([⊙·/+−)\]<>=≤≥≠,]|$)")


class MatrixReader(Reader):
    """The matrix grammar. `columns`: the width of a one-hot; `batch`: a shared first index as (letter, position)."""

    def __init__(
        self,
        text: str,
        names: Mapping[str, Any],
        lengths: Mapping[str, int],
        columns: int,
        batch: tuple[str, int] | None = None,
        upright: bool = False,
    ):
        super().__init__(text, names, lengths)
        self.columns = columns
        self.batch = batch
        self.upright = upright
        """Is each example a column?"""

    def expression(self) -> Any:
        self.skip()
        value = -self.term() if self.take("−") else self.term()
        while True:
            if self.take("+"):
                value = value + self.term()
            elif self.take("−"):
                value = value - self.term()
            else:
                return value

    def term(self) -> Any:
        value, mask = self._masked(self.chain())
        while True:
            if self.take("⊙") or self.take("·"):
                other, more = self._masked(self.chain())
                value, mask = value * other, mask & more
            elif self.take("/"):
                value = value / self.chain()
            else:
                return value if mask is np.True_ else np.where(mask, value, 0.0)

    @staticmethod
    def _masked(v: Any) -> tuple[Any, Any]:
        """A bracket annihilates what it multiplies where it does not hold."""
        return (np.float64(1), v) if np.asarray(v).dtype.kind == "b" else (v, np.True_)

    def chain(self) -> Any:
        value = self.factor()
        while self.rest.startswith(" ") and not _PRODUCT_ENDS.match(self.rest):
            value = value @ self.factor()
        return value

    def factor(self) -> Any:
        value = self.atom()
        while True:
            mark = self.rest[:1]
            if mark == "²":
                self.at += 1
                value = np.square(value)
            elif mark == "ᵀ":
                self.at += 1
                value = value.T
            elif mark == "ᴴ":
                self.at += 1
                value = np.conjugate(value.T)
            elif mark == "^":
                self.at += 1
                value = np.power(value, self.atom())
            else:
                return value

    def atom(self) -> Any:
        self.skip()
        if self.take("Σ_"):
            self.letters()
            return np.sum(self.term(), axis=1, keepdims=True) if self.upright else np.sum(self.term(), axis=0)
        if self.take("("):
            value = self.expression()
            self.need(")")
            return value
        if self.take("["):
            first = self.expression()
            sign = next((s for s in COMPARE if self.take(s)), None)
            if sign is None:
                raise Unreadable(f"no comparison at {self.rest[:30]!r} in {self.text!r}")
            value = COMPARE[sign](first, self.expression())
            self.need("]")
            return value
        number = self.number()
        if number is not None:
            return np.asarray(number)[()]
        for word in ("onehot(", "softmax("):
            if self.text.startswith(word, self.at):
                self.at += len(word)
                value = self.expression()
                self.need(")")
                if word == "onehot(":
                    return self._onehot(value).T if self.upright else self._onehot(value)
                return _softmax(value.T).T if self.upright else _softmax(value)
        called = self.called()
        if called is not None:
            arguments = [self.expression()]
            while self.take(","):
                arguments.append(self.expression())
            self.need(")")
            return function(called)(*arguments)
        name = self.name()
        if name is not None:
            return self._array(name)
        size = self.size()
        if size is not None:
            return np.float64(size)
        raise Unreadable(f"at {self.rest[:30]!r} in {self.text!r}")

    def _onehot(self, value: Any) -> Any:
        return (np.arange(self.columns) == np.asarray(value).reshape(-1, 1)).astype(float)

    def _array(self, name: str) -> Any:
        value = np.asarray(self.names[name])
        if self.batch is not None and self.text.startswith("_" + self.batch[0], self.at):
            self.at += 1 + len(self.batch[0])
            value = value[self.batch[1]]
        return value if value.dtype.kind == "b" else numeric(value)


def _softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def read_matrix(
    text: str,
    names: Mapping[str, Any],
    lengths: Mapping[str, int],
    columns: int,
    batch: tuple[str, int] | None = None,
    upright: bool = False,
) -> Any:
    """The value of an expression in matrix form."""
    reader = MatrixReader(text, names, lengths, columns, batch, upright)
    value = reader.expression()
    reader.finish()
    return value


__all__ = ["MatrixReader", "read_matrix"]
