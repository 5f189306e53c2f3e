"""Why is it transposed? The index swap and the shapes behind each product of a matrix line."""

from __future__ import annotations

from .expr import Expr, factors_of, opened
from .layout import Call, Layout, Letter, Row, Script, Token
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
    factors = [b for b, p in factors_of(body) if p == 1 and v in b.free]
    arrays = [a for a in map(_array, factors) if a is not None]
    conjugated = {a for a, b in zip(map(_array, factors), factors, strict=True) if a is not b}
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
        sides.append((name, turned, lengths[::-1] if turned else lengths, b in conjugated))
    first_entry, second_entry = (_entry(writer, b, b in conjugated) for b in (first, second))
    text = plain(Row((Token("Σ_"), Letter(k), Token(" "), first_entry, Token("·"), second_entry)))
    lines = [f"{text} sums over {k}."]
    for (name, turned, _, mirrored), where in zip(
        sides, ("second index of its left", "first index of its right"), strict=True
    ):
        if turned:
            lines.append(f"  A matrix product sums over the {where} factor.")
            so = f"  {k} is the other index of {name}, so {name} stands transposed"
            lines.append(f"{so}, and conjugated: {name}ᴴ." if mirrored else f"{so}: {name}ᵀ.")
        if mirrored:
            lines.append(
                "  Conjugated, since ∂L/∂z is ∂L/∂x + i ∂L/∂y for z = x + iy: the conjugate of what multiplies dz."
            )
    if not any(turned for _, turned, _, _ in sides):
        lines.append(
            f"  {k} is the second index of {sides[0][0]} and the first of {sides[1][0]}: nothing is transposed."
        )
    shapes = " ".join(f"({' × '.join(s[2])})" for s in sides)
    result = f"{sides[0][2][0]} × {sides[1][2][1]}"
    lines.append(f"  Shapes: {shapes} = {result}, as {plain(writer.name(line.symbol.number))} must have.")
    return "\n".join(lines)


def _array(e: Expr) -> Expr | None:
    """The entry of an array that stands here, conjugated or not."""
    inner = e.parts[0] if e.kind == "f" and e.data == "conj" else e
    return inner if inner.kind == "r" else None


def _entry(writer: IndexWriter, e: Expr, conjugated: bool) -> Layout:
    entry = Script(writer.name(e.data), tuple(Letter(writer.letter(i)) for i in e.parts))
    return Call("conj", (entry,)) if conjugated else entry


__all__ = ["why"]
