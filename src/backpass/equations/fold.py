"""Alike lines of repeated layers folded into one, with the range of the label: δ⁽ˡ⁾ = …, l = 2…1.

Two lines are alike when they differ only in labels that move together. Unfolding gives the lines back, so a folded line
says nothing that was not checked.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .layout import Layout, Letter, Name, Range, Row, Token, Whole, at_label, labels, template, transform, walk
from .line import Line
from .sheet import Symbol
from .text import plain

if TYPE_CHECKING:
    from .update import Update


@dataclass(eq=False)
class Folded:
    """One printed line: a line, or a run of alike lines."""

    layout: Layout
    lines: list[Line]
    letter: str = ""
    first: int = 0
    last: int = 0
    over: str = ""
    """For lines that say the same of several θ, which: ``θ = W1, b1``."""

    @property
    def range(self) -> str:
        """``l = 1…3``, or nothing for a single line."""
        if self.over:
            return self.over
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


FEW = 6
"""Update lines that are printed for each θ by itself; of more, alike ones are printed once, for θ."""


def fold_over_theta(items: list[tuple[Line, Layout]], update: Update, letter: str) -> list[Folded]:
    """The lines of an update: alike ones once, where θ stands for every θ that they say the same of."""
    single = fold(items, letter)
    if len(single) <= FEW:
        return single
    members: dict[int, list[tuple[Line, Layout]]] = {s.number: [] for s in update.thetas}
    shared: list[tuple[Line, Layout]] = []
    for line, x in items:
        owner = update.owner.get(line.symbol.number)
        (shared if owner is None else members[owner]).append((line, x))
    alike: dict[tuple[Layout, ...], list[int]] = {}
    for s in update.thetas:
        if members[s.number]:
            alike.setdefault(tuple(_of_theta(x, s, update.kept) for _, x in members[s.number]), []).append(s.number)
    out = fold(shared, letter)
    names = {s.number: s for s in update.thetas}
    for rows, numbers in alike.items():
        if len(numbers) == 1:
            out += fold(members[numbers[0]], letter)
            continue
        over = "θ = " + ", ".join(_listed([names[n] for n in numbers], letter))
        for k, row in enumerate(rows):
            out.append(Folded(row, [members[n][k][0] for n in numbers], over=over))
    return out


def _of_theta(x: Layout, s: Symbol, kept: dict[str, str]) -> Layout:
    """The line with θ for the name of a θ, and m for m_W1."""

    def name(leaf: Name) -> Layout:
        if leaf.label == s.label and leaf.base == s.base:
            return Name("θ", None, leaf.partial)
        if leaf.label == s.label and leaf.base in kept:
            return Name(kept[leaf.base])
        return leaf

    return transform(x, {Name: name})


def _listed(thetas: list[Symbol], letter: str) -> list[str]:
    """W⁽¹⁾, W⁽²⁾, W⁽³⁾ as W⁽l⁾."""
    out: list[str] = []
    for s in thetas:
        mine = [t for t in thetas if t.base == s.base]
        name = plain(
            Name(
                s.base,
                s.label if len(mine) == 1 else 0 if s.label is not None else None,
                relative=None if len(mine) == 1 or s.label is None else letter,
            )
        )
        if name not in out:
            out.append(name)
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
