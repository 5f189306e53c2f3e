"""Every printed form of every line, read back and compared with autodiff."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .check import Checked, call_difference, difference, index_difference, matrix_difference
from .labelled import Labelled, aligned, apply, entries, numeric, product
from .latex import latex
from .layout import Row, Token
from .read import IndexReader, Unreadable, read_index
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
        if not np.all(np.isfinite(numeric(line.symbol.value))):
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
    partials, gap, wrong = check_partials(derivation, tolerance)
    return Checked(count + partials, max(worst, gap), (*failed, *wrong), tuple(unfinite))


def check_partials(derivation: Derivation, tolerance: float) -> tuple[int, float, list[tuple[str, str]]]:
    """(how many local partials are printed, the largest difference, what is wrong).

    They are read back and put through the chain rule: Σ ∂L/∂u · ∂u/∂v over all of them must be autodiff's ∂L/∂v. With
    complex numbers that is Σ ∂L/∂u · conj(∂u/∂v) + conj(∂L/∂u) · ∂u/∂conj(v), of a real u Σ ∂L/∂u · ∂u/∂v.
    """
    sheet = derivation.sheet
    back = derivation.cotangents
    got: dict[int, Any] = {}
    texts: dict[int, list[str]] = {}
    names = derivation.names
    for local in derivation.partials:
        left, right, lengths = local.layout(sheet, derivation.letters)
        for text in (f"{plain(left)} = {plain(right)}", as_text(latex(Row((left, Token(" = "), right))))):
            texts.setdefault(local.to, []).append(text)
        u = back[local.line.symbol.position]  # type: ignore[index]
        sent = sent_back(texts[local.to][-2], names, lengths, u)
        got[local.to] = got[local.to] + sent if local.to in got else sent
        typeset = sent_back(_upright_fraction(texts[local.to][-1]), names, lengths, u)
        if not difference(sent, typeset) <= tolerance:
            return len(derivation.partials), difference(sent, typeset), [(text, "LaTeX and text differ")]
    whole = {n for line in derivation.forward if line.call is not None for n in line.reads}
    worst, wrong = 0.0, []
    for n, value in got.items():
        position = sheet.symbols[n].position
        want = None if position is None else back.get(position)
        if n in whole or want is None or not np.all(np.isfinite(want)):
            continue
        gap = difference(np.reshape(want, value.shape), value)
        worst = max(worst, gap)
        if not gap <= tolerance:
            wrong.append(("; ".join(texts[n][::2]), f"together they differ by {gap:.1e}"))
    return len(derivation.partials), worst, wrong


def _upright_fraction(text: str) -> str:
    """(∂u)/(∂v), as a fraction reads in LaTeX, on one line."""
    return text.replace("(∂", "∂", 1).replace(")/(∂", "/∂", 1).replace(") = ", " = ", 1)


def sent_back(text: str, names: Mapping[str, Any], lengths: Mapping[str, int], back: Any) -> Any:
    """Σ ∂L/∂u · ∂u/∂v for one printed local partial, with the shape of v without axes of length 1."""
    left, right = text.split(" = ", 1)
    reader = IndexReader(left, names, lengths)
    reader.need("∂")
    u, there = reader.placed(_need(reader))
    reader.need("/∂")
    mirrored = reader.take("conj(")
    v, here = reader.placed(_need(reader))
    if mirrored:
        reader.need(")")
    reader.finish()
    with np.errstate(all="ignore"):
        slope = read_index(right, names, lengths)
        g = entries(np.reshape(numeric(back), u.shape), there)
        if mirrored:
            g = apply(np.conjugate, g)
        elif np.iscomplexobj(u):
            slope = apply(np.conjugate, slope)
        sent = _collected(slope, g, v, here, reader.runs)
    return sent if np.iscomplexobj(v) else np.real(sent)


def _collected(slope: Labelled, g: Labelled, v: Any, here: list[Labelled], sizes: Mapping[str, int]) -> Any:
    """Σ g · slope into the entries `here` of an array like v."""
    plain_places = [
        p.labels[0]
        for p, n in zip(here, v.shape, strict=True)
        if len(p.labels) == 1 and np.array_equal(p.array, np.arange(n))
    ]
    if len(plain_places) == len(here) == len(set(plain_places)):
        over = tuple(x for x in dict.fromkeys((*g.labels, *slope.labels)) if x not in plain_places)
        sent = product([slope, g], over, sizes)
        blank = [Labelled(np.zeros(n), (c,)) for c, n in zip(plain_places, v.shape, strict=True)]
        arrays, labels = aligned(*blank, sent)
        array = np.broadcast_to(arrays[-1], [sizes[str(c)] for c in labels])
        return np.transpose(array, [labels.index(c) for c in plain_places])
    arrays, _ = aligned(product([slope, g]), *here)
    weight, *places = np.broadcast_arrays(*arrays)
    out = np.zeros(v.shape, weight.dtype)
    inside = [np.clip(np.asarray(p).astype(np.intp), 0, n - 1) for p, n in zip(places, v.shape, strict=True)]
    np.add.at(out, tuple(inside), weight)
    return out


def _need(reader: IndexReader) -> str:
    name = reader.name()
    if name is None:
        raise Unreadable(f"no name at {reader.rest[:30]!r} in {reader.text!r}")
    return name


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
            if form == "columns":
                turned = as_columns(derivation, before), as_columns(derivation, after)
                yield text, form, lengths, line, *turned
            else:
                yield text, form, lengths, line, before, after
        before = after


def as_columns(derivation: Derivation, names: dict[str, Any] | None = None) -> dict[str, Any]:
    """The values of the names where each example is a column: examples last, vectors upright."""
    sheet, examples = derivation.sheet, derivation.letters.examples
    out = dict(derivation.names if names is None else names)
    given = dict(out)
    for s in sheet.symbols:
        if s.role in ("after", "repeat"):
            continue
        value = np.asarray(given[derivation.name(s)])
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
        return matrix_difference(left, right, names, lengths, columns=True, after=after)
    return (index_difference if form == "index" else matrix_difference)(left, right, names, lengths, after=after)


__all__ = ["check_lines", "gap_of", "printed", "printed_updates"]
