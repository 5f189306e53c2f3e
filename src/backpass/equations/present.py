"""A derivation as a page fragment with MathML, and as plain data for JSON."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from .latex import latex
from .layout import Row, Token
from .mathml import equation
from .text import plain

if TYPE_CHECKING:
    from .derivation import Derivation
    from .fold import Folded

VALUES = 4096
"""Entries: larger arrays are left out of the data, only their shape is given."""

_STYLE = (
    "<style>.bp-derivation{font-size:1.05em}.bp-derivation summary{cursor:pointer;list-style:none}"
    ".bp-derivation math{display:inline-block;margin:.15em 0}.bp-derivation .bp-note{color:#777;font-size:.8em;"
    "margin-left:1.5em}.bp-derivation details>div{margin:.1em 0 .4em 2em;font-size:.9em}"
    ".bp-derivation h5{margin:.6em 0 .1em;color:#555}</style>"
)


def page(derivation: Derivation, form: str, folded: bool) -> str:
    out = [_STYLE, '<div class="bp-derivation">']
    for title, rows in derivation.sections(form, folded):
        if title == "backward":
            out.append("<details><summary>local partials</summary>")
            out += [f"<div>{equation(r.layout)}{_note(r.range)}</div>" for r in derivation.local_rows(folded)]
            out.append("</details>")
        out.append(f"<h4>{escape(derivation.update_title() if title == 'update' else title)}</h4>")
        for heading, row in derivation.headed(rows):
            if heading:
                out.append(f"<h5>{escape(heading)}</h5>")
            out.append(_row(derivation, row))
    if derivation.assumptions:
        out.append(f'<p class="bp-note">holds where {escape("; ".join(derivation.assumptions))}</p>')
    out.append("</div>")
    return "\n".join(out)


def _row(derivation: Derivation, row: Folded) -> str:
    line = row.lines[0]
    shape = " × ".join(map(str, line.shape)) or "a number"
    place = f"{line.where.file.rsplit('/', 1)[-1]}:{line.where.line}" if line.where else ""
    index = equation(derivation.layout(line, "index")) if line.expr is not None else ""
    return (
        f"<details><summary>{equation(row.layout)}{_note(row.range)}</summary>"
        f"<div>{index}</div><div>shape {shape}{' · ' + escape(place) if place else ''}</div></details>"
    )


def _note(text: str) -> str:
    return f'<span class="bp-note">{escape(text)}</span>' if text else ""


def as_data(derivation: Derivation) -> dict[str, Any]:
    """Lines with their forms, shapes, places, values and links; and how they fold."""
    number = {line.symbol.number: n for n, line in enumerate(derivation.lines)}
    lines = []
    for line in derivation.lines:
        layout = derivation.layout(line)
        where = line.where
        value = np.asarray(line.symbol.value)
        lines.append(
            {
                "name": derivation.name(line.symbol),
                "kind": line.kind,
                "matrix": line.text("matrix", derivation.sheet, derivation.letters),
                "index": line.text("index", derivation.sheet, derivation.letters),
                "latex": latex(layout),
                "mathml": equation(layout),
                "shape": list(line.shape),
                "node": line.position,
                "source": None
                if where is None
                else {"file": where.file, "line": where.line, "text": where.text.strip()},
                "group": list(derivation.groups.get(line.symbol.number, ())),
                "reads": sorted(number[r] for r in line.reads if r in number),
                "value": _numbers(value),
            }
        )
    folds = [
        {
            "title": title,
            "rows": [
                {"text": plain(r.layout), "range": r.range, "lines": [number[x.symbol.number] for x in r.lines]}
                for r in rows
            ],
        }
        for title, rows in derivation.sections()
    ]
    return {
        "function": derivation.graph.name,
        "preset": "rows",
        "lines": lines,
        "sections": folds,
        "partials": _partials(derivation, number),
        "optimizer": None if derivation.step is None else derivation.step.name,
        "assumptions": derivation.assumptions,
    }


def _partials(derivation: Derivation, number: dict[int, int]) -> list[dict[str, Any]]:
    out = []
    for p in derivation.partials:
        left, right, _ = p.layout(derivation.sheet, derivation.letters)
        x = Row((left, Token(" = "), right))
        of = derivation.name(derivation.sheet.symbols[p.to])
        out.append({"line": number[p.line.symbol.number], "of": of, "text": plain(x), "latex": latex(x)})
    return out


def _numbers(value: np.ndarray) -> Any:
    if value.size > VALUES or value.dtype.kind not in "fiubc":
        return None
    if value.dtype.kind == "c":
        parts = {"real": _numbers(np.real(value)), "imag": _numbers(np.imag(value))}
        return None if None in parts.values() else parts
    if value.dtype.kind == "f" and not np.all(np.isfinite(value)):
        return None
    return value.tolist()


__all__ = ["as_data", "page"]
