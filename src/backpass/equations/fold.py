"""Alike lines of repeated layers folded into one, with the range of the label: δ⁽ˡ⁾ = …, l = 2…1.

Two lines are alike when they differ only in labels that move together. Unfolding gives the lines back, so a folded line
says nothing that was not checked.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from .layout import Layout, Letter, Name, Range, Row, Token, Whole, at_label, labels, template, transform, walk
from .line import Line
from .text import plain


@dataclass(eq=False)
class Folded:
    """One printed line: a line, or a run of alike lines."""

    layout: Layout
    lines: list[Line]
    letter: str = ""
    first: int = 0
    last: int = 0

    @property
    def range(self) -> str:
        """``l = 1…3``, or nothing for a single line."""
        return f"{self.letter} = {self.first}…{self.last}" if len(self.lines) > 1 else ""


def fold(items: list[tuple[Line, Layout]], letter: str) -> list[Folded]:
    """Fold lines, given with their layouts, in order; each run stands where its first member stood."""
    rows = [(line, folded_sum(x, letter), own_label(x)) for line, x in items]
    keys = _keys(rows)
    groups: dict[object, Folded] = {}
    out: list[Folded] = []
    for (line, x, k), key in zip(rows, keys, strict=True):
        if k is None or key is None:
            out.append(Folded(x, [line]))
            continue
        group = groups.get(key)
        if group is not None and abs(k - group.last) == 1 and (len(group.lines) == 1 or k - group.last == _step(group)):
            group.lines.append(line)
            group.last = k
            continue
        group = groups[key] = Folded(x, [line], letter, k, k)
        out.append(group)
    for group in out:
        if len(group.lines) > 1:
            group.layout = _shown(group, letter, keys, rows)
    return out


def _step(group: Folded) -> int:
    return 1 if group.last > group.first else -1


def _shown(group: Folded, letter: str, keys: list[object], rows: list[tuple[Line, Layout, int | None]]) -> Layout:
    number = next(n for n, (line, _, _) in enumerate(rows) if line is group.lines[0])
    moving = isinstance(keys[number], tuple) and keys[number][0]  # type: ignore[index]
    x = at_label(group.layout, group.first, letter)
    if moving:
        return x
    return _fixed(x, group.layout)


def _fixed(x: Layout, original: Layout) -> Layout:
    """Put whole numbers that do not move with the label back as they were."""
    values = iter([leaf for leaf in walk(original) if isinstance(leaf, Whole)])
    return transform(x, {Whole: lambda leaf: next(values)})


def _keys(rows: list[tuple[Line, Layout, int | None]]) -> list[object]:
    """What alike lines share. Whole numbers in indices may move with the label or stand still, whichever folds more."""
    both: list[tuple[object, object] | None] = []
    for line, x, k in rows:
        if k is None:
            both.append(None)
            continue
        moving = template(x, k)
        still = _fixed(moving, x)
        both.append(((True, line.kind, moving), (False, line.kind, still)))
    counts = Counter(key for pair in both if pair is not None for key in pair)
    return [None if pair is None else (pair[0] if counts[pair[0]] > counts[pair[1]] else pair[1]) for pair in both]


def own_label(x: Layout) -> int | None:
    """The label of the left side."""
    return next((leaf.label for leaf in walk(x) if isinstance(leaf, Name)), None)


def folded_sum(x: Layout, letter: str) -> Layout:
    """``a⁽¹⁾ + a⁽²⁾ + a⁽³⁾`` → ``Σ_{t=1..3} a⁽t⁾`` on the right side of a line."""
    if not isinstance(x, Row) or not isinstance(x.parts[-1], Row):
        return x
    right = x.parts[-1].parts
    terms, marks = right[::2], right[1::2]
    if len(terms) < 3 or any(mark != Token(" + ") for mark in marks):
        return x
    ks = [labels(t)[-1] if labels(t) else None for t in terms]
    known = [k for k in ks if k is not None]
    if len(known) != len(ks) or sorted(known) != list(range(min(known), max(known) + 1)):
        return x
    if len({template(t, k) for t, k in zip(terms, known, strict=True)}) != 1:
        return x
    body = at_label(terms[0], known[0], letter)
    return Row((*x.parts[:-1], Range(letter, min(known), max(known), body)))


def loop_letter(items: list[tuple[Line, Layout]], layered: bool) -> str:
    """l where θ itself is repeated, t where one θ is used again and again; no index letter and no name of the lines."""
    used = {leaf.text for _, x in items for leaf in walk(x) if isinstance(leaf, Letter)}
    used |= {plain(Name(leaf.base)) for _, x in items for leaf in walk(x) if isinstance(leaf, Name)}
    order = ["l", "t", "s", "k"] if layered else ["t", "s", "l", "k"]
    return next((c for c in order if c not in used), "ℓ")


__all__ = ["Folded", "fold", "loop_letter"]
