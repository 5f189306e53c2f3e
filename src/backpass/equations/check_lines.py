"""Every printed form of every line, read back and compared with autodiff."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .check import Checked, call_difference, index_difference, matrix_difference
from .latex import latex
from .layout import Row, Token
from .read import Unreadable
from .read_latex import as_text
from .text import plain
from .unit import spelled_out, unit_layout
from .write_matrix import upright

if TYPE_CHECKING:
    from .derivation import Derivation
    from .line import Line


def check_lines(derivation: Derivation, tolerance: float) -> Checked:
    names = derivation.names
    upright_names = as_columns(derivation)
    count, worst = 0, 0.0
    failed: list[tuple[str, str]] = []
    unfinite: list[str] = []
    for line in derivation.forward + derivation.backward:
        if not np.all(np.isfinite(np.asarray(line.symbol.value, float))):
            unfinite.append(derivation.text_of(line))
            continue
        for text, form, lengths in printed(derivation, line):
            count += 1
            try:
                gap = gap_of(text, form, upright_names if form == "columns" else names, lengths, line)
            except (Unreadable, ValueError, KeyError, IndexError, TypeError) as error:
                failed.append((text, f"{type(error).__name__}: {error}"))
                continue
            worst = max(worst, gap)
            if not gap <= tolerance:
                failed.append((text, f"differs by {gap:.1e}"))
    for text, form, lengths, line, before, after in printed_updates(derivation):
        count += 1
        try:
            gap = gap_of(text, form, before, lengths, line, after)
        except (Unreadable, ValueError, KeyError, IndexError, TypeError) as error:
            failed.append((text, f"{type(error).__name__}: {error}"))
            continue
        worst = max(worst, gap)
        if not gap <= tolerance:
            failed.append((text, f"differs by {gap:.1e}"))
    return Checked(count, worst, tuple(failed), tuple(unfinite))


Update = tuple[str, str, dict[str, int], "Line", dict[str, Any], dict[str, Any]]


def printed_updates(derivation: Derivation) -> Iterator[Update]:
    """(text, form, letter → length, line, names before, names after) of the update, in program order.

    The numbers are those of a step where no memory is zero: what multiplies one at the first step could be anything.
    """
    update = derivation.step
    if update is None:
        return
    before = derivation.names
    for n, value in update.probe.items():
        before[derivation.name(derivation.sheet.symbols[n])] = value
    for line in update.lines:
        name = derivation.name(line.symbol)
        after = {**before, name: update.after[line.symbol.number]}
        for text, form, lengths in printed(derivation, line):
            if form != "columns":
                yield text, form, lengths, line, before, after
        before = after


def as_columns(derivation: Derivation) -> dict[str, Any]:
    """The values of the names where each example is a column: examples last, vectors upright."""
    sheet, examples = derivation.sheet, derivation.letters.examples
    out = derivation.names
    for s in sheet.symbols:
        if s.role == "after":
            continue
        value = np.asarray(s.value)
        if upright(sheet, s, examples):
            value = value.T
        elif value.ndim == 1:
            value = value.reshape((1, -1) if sheet.axes.classes(s.key)[0] == examples else (-1, 1))
        out[derivation.name(s)] = value
    return out


def printed(derivation: Derivation, line: Line) -> list[tuple[str, str, dict[str, int]]]:
    """(text, form, letter → length) of every form: matrix, index, the LaTeX of both, one unit."""
    sheet, letters = derivation.sheet, derivation.letters
    out: list[tuple[str, str, dict[str, int]]] = []
    for form in ("matrix", "index", "columns"):
        found = line.layout(form, sheet, letters)
        if found is None:
            continue
        left, right, lengths = found
        if line.call is not None:
            out.append((f"{plain(left)} = {plain(right)}", "call", lengths))
            continue
        out.append((f"{plain(left)} {line.arrow} {plain(right)}", form, lengths))
        out.append((as_text(latex(Row((left, Token(f" {line.arrow} "), right)))), form, lengths))
    if line.expr is not None and 0 not in line.shape:
        at = tuple((n - 1) // 2 for n in line.shape if n != 1)
        left, right, lengths = unit_layout(sheet, letters, line, at)
        out.append((f"{plain(left)} {line.arrow} {spelled_out(plain(right))}", "index", lengths))
    return out


def gap_of(
    text: str,
    form: str,
    names: dict[str, Any],
    lengths: dict[str, int],
    line: Line,
    after: dict[str, Any] | None = None,
) -> float:
    """How far apart the two sides of a printed line are; the left of an update has its value from `after`."""
    left, right = text.split(f" {line.arrow} ", 1)
    if form == "call":
        assert line.call is not None
        return call_difference(left, right, names, [a.shape for a in line.call[1]], line.call[2], after)
    if form == "columns":
        return matrix_difference(left, right, names, lengths, columns=True)
    return (index_difference if form == "index" else matrix_difference)(left, right, names, lengths, after=after)


__all__ = ["check_lines", "gap_of", "printed", "printed_updates"]
