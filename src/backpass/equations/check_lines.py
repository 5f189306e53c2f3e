"""Every printed form of every line, read back and compared with autodiff."""

from __future__ import annotations

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
    for line in derivation.lines:
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
    return Checked(count, worst, tuple(failed), tuple(unfinite))


def as_columns(derivation: Derivation) -> dict[str, Any]:
    """The values of the names where each example is a column: examples last, vectors upright."""
    sheet, examples = derivation.sheet, derivation.letters.examples
    out = derivation.names
    for s in sheet.symbols:
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
        out.append((f"{plain(left)} = {plain(right)}", form, lengths))
        out.append((as_text(latex(Row((left, Token(" = "), right)))), form, lengths))
    if line.expr is not None and 0 not in line.shape:
        at = tuple((n - 1) // 2 for n in line.shape if n != 1)
        left, right, lengths = unit_layout(sheet, letters, line, at)
        out.append((f"{plain(left)} = {spelled_out(plain(right))}", "index", lengths))
    return out


def gap_of(text: str, form: str, names: dict[str, Any], lengths: dict[str, int], line: Line) -> float:
    """How far apart the two sides of a printed line are."""
    left, right = text.split(" = ", 1)
    if form == "call":
        assert line.call is not None
        return call_difference(left, right, names, [a.shape for a in line.call[1]], line.call[2])
    if form == "columns":
        return matrix_difference(left, right, names, lengths, columns=True)
    return (index_difference if form == "index" else matrix_difference)(left, right, names, lengths)


__all__ = ["check_lines", "gap_of", "printed"]
