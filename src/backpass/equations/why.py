"""Why is it transposed? The index swap and the shapes behind each product of a matrix line."""

from __future__ import annotations

from .expr import Expr, factors_of, opened
from .layout import Letter, Row, Script, Token
from .line import Line
from .sheet import Sheet
from .text import plain
from .write_index import IndexWriter, Letters


def why(sheet: Sheet, letters: Letters, line: Line) -> str:
    """An answer for each matrix product of the line; says so when there is none."""
    if line.expr is None:
        return "This line is a call of an operation on whole arrays; it has no product of its own."
    out: list[str] = []
    seen: set[int] = set()
    stack = [line.expr]
    while stack:
        e = stack.pop()
        if e.kind == "S" and e.data[0] == "Σ" and id(e) not in seen:
            seen.add(id(e))
            answer = _product(sheet, letters, line, e)
            if answer:
                out.append(answer)
        stack += e.parts
    return "\n".join(out) or "No matrix product stands in this line: its factors meet entry by entry."


def _product(sheet: Sheet, letters: Letters, line: Line, e: Expr) -> str | None:
    v, body = opened(e)
    arrays = [b for b, p in factors_of(body) if p == 1 and b.kind == "r" and v in b.free]
    if len(arrays) != 2 or len(factors_of(body)) != 2 or any(len(b.parts) != 2 for b in arrays):
        return None
    writer = IndexWriter(sheet, letters, line.indices)
    outer = [i for i in line.indices if i.kind == "v"]
    first, second = arrays
    if len(outer) == 2 and outer[0] in second.free and outer[1] in first.free:
        first, second = second, first
    k = writer.letter(v)
    sides = []
    for b, want in ((first, 1), (second, 0)):
        turned = b.parts.index(v) != want
        name = plain(writer.name(b.data))
        lengths = [plain(writer.length(i.data[0])) for i in b.parts]
        numbers = sheet.symbols[b.data].shape
        sides.append((name, turned, lengths[::-1] if turned else lengths, numbers))
    text = plain(
        Row((Token("Σ_"), Letter(k), Token(" "), *_entries(writer, first), Token("·"), *_entries(writer, second)))
    )
    lines = [f"{text} sums over {k}."]
    for (name, turned, _, _), where in zip(
        sides, ("second index of its left", "first index of its right"), strict=True
    ):
        if turned:
            lines.append(f"  A matrix product sums over the {where} factor.")
            lines.append(f"  {k} is the other index of {name}, so {name} stands transposed: {name}ᵀ.")
    if not any(turned for _, turned, _, _ in sides):
        lines.append(
            f"  {k} is the second index of {sides[0][0]} and the first of {sides[1][0]}: nothing is transposed."
        )
    shapes = " ".join(f"({' × '.join(s[2])})" for s in sides)
    result = f"{sides[0][2][0]} × {sides[1][2][1]}"
    lines.append(f"  Shapes: {shapes} = {result}, as {plain(writer.name(line.symbol.number))} must have.")
    return "\n".join(lines)


def _entries(writer: IndexWriter, e: Expr) -> tuple[Script, ...]:
    return (Script(writer.name(e.data), tuple(Letter(writer.letter(i)) for i in e.parts)),)


__all__ = ["why"]
