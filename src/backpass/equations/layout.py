"""What stands on a printed line, before it is text, LaTeX or MathML: a small tree that all three are made from.

A fold works here too: two lines are alike when their trees differ only in labels that move together and in the choice
of index letters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Union

Layout = Union[
    "Token", "Name", "Letter", "Whole", "Row", "Script", "Power", "Fraction", "Big", "Call", "Fence", "Range"
]


@dataclass(frozen=True, slots=True)
class Token:
    """A number, an operator, or a word."""

    text: str


@dataclass(frozen=True, slots=True)
class Name:
    """A symbol: ∂L/∂, its base, its label; `relative` labels are distances from the l of a fold."""

    base: str
    label: int | None = None
    partial: bool = False
    relative: str | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """An index, or with `length` the number of its values."""

    text: str
    length: bool = False
    barred: bool = False


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number in an index: it moves with the labels of a fold."""

    value: int
    relative: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    parts: tuple[Layout, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """A name with indices."""

    base: Layout
    indices: tuple[Layout, ...]


@dataclass(frozen=True, slots=True)
class Power:
    base: Layout
    exponent: Layout
    """The token T is a transpose."""


@dataclass(frozen=True, slots=True)
class Fraction:
    top: Layout
    bottom: Layout
    wide: bool
    """Spaces around the stroke, as the matrix form has."""
    top_fence: bool = False
    bottom_fence: bool = False


@dataclass(frozen=True, slots=True)
class Big:
    """Σ, Π, max, min, softmax, logsumexp over letters."""

    word: str
    letters: tuple[Layout, ...]
    body: Layout


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    arguments: tuple[Layout, ...]


@dataclass(frozen=True, slots=True)
class Fence:
    """Round or square brackets."""

    inner: Layout
    square: bool = False
    floor: bool = False


@dataclass(frozen=True, slots=True)
class Range:
    """Σ_{t=1..4}: a folded sum over instances."""

    letter: str
    first: int
    last: int
    body: Layout


def children(x: Layout) -> tuple[Layout, ...]:
    if isinstance(x, Row):
        return x.parts
    if isinstance(x, Script):
        return (x.base, *x.indices)
    if isinstance(x, Power):
        return (x.base, x.exponent)
    if isinstance(x, Fraction):
        return (x.top, x.bottom)
    if isinstance(x, Big):
        return (*x.letters, x.body)
    if isinstance(x, Call):
        return x.arguments
    if isinstance(x, Fence):
        return (x.inner,)
    if isinstance(x, Range):
        return (x.body,)
    return ()


def mapped(x: Layout, parts: list[Layout]) -> Layout:
    """The same node over other children."""
    if isinstance(x, Row):
        return Row(tuple(parts))
    if isinstance(x, Script):
        return Script(parts[0], tuple(parts[1:]))
    if isinstance(x, Power):
        return Power(parts[0], parts[1])
    if isinstance(x, Fraction):
        return replace(x, top=parts[0], bottom=parts[1])
    if isinstance(x, Big):
        return Big(x.word, tuple(parts[:-1]), parts[-1])
    if isinstance(x, Call):
        return Call(x.name, tuple(parts))
    if isinstance(x, Fence):
        return replace(x, inner=parts[0])
    if isinstance(x, Range):
        return replace(x, body=parts[0])
    return x


def walk(x: Layout) -> Iterator[Layout]:
    yield x
    for part in children(x):
        yield from walk(part)


def transform(x: Layout, change: dict[type, object]) -> Layout:
    """Leaves replaced by ``change[type](leaf)``."""
    found = change.get(type(x))
    if found is not None:
        return found(x)  # type: ignore[operator]
    parts = children(x)
    return mapped(x, [transform(p, change) for p in parts]) if parts else x


def template(x: Layout, k: int) -> Layout:
    """The line with labels relative to k and letters numbered in the order in which they appear."""
    order: dict[str, str] = {}

    def letter(leaf: Letter) -> Layout:
        key = leaf.text.lower() if leaf.length else leaf.text
        return replace(leaf, text=order.setdefault(key, f"#{len(order)}"), barred=False)

    def name(leaf: Name) -> Layout:
        return leaf if leaf.label is None else replace(leaf, label=leaf.label - k, relative="l")

    def whole(leaf: Whole) -> Layout:
        return Whole(leaf.value - k, "l")

    return transform(x, {Letter: letter, Name: name, Whole: whole})


def at_label(x: Layout, k: int, letter: str) -> Layout:
    """The line as the member k of a fold shows it: labels as distances from k."""

    def name(leaf: Name) -> Layout:
        return leaf if leaf.label is None else replace(leaf, label=leaf.label - k, relative=letter)

    def whole(leaf: Whole) -> Layout:
        return Whole(leaf.value - k, letter)

    return transform(x, {Name: name, Whole: whole})


def labels(x: Layout) -> list[int]:
    return [leaf.label for leaf in walk(x) if isinstance(leaf, Name) and leaf.label is not None]


__all__ = [
    "Big", "Call", "Fence", "Fraction", "Layout", "Letter", "Name", "Power", "Range", "Row", "Script", "Token", "Whole",
    "at_label", "labels", "template", "transform", "walk",
]  # fmt: skip
