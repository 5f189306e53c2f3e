"""Layout as Unicode text: labels bracketed, since a² is a power; long lines wrap at an operator."""

from __future__ import annotations

import re
from dataclasses import replace

from .layout import Big, Call, Fence, Fraction, Layout, Letter, Name, Power, Range, Row, Script, Token, Whole, transform

_RAISED = str.maketrans("0123456789+-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻")
UNITS = ("i", "ⅈ")
"""The imaginary unit: the second where the code calls something i."""
_POWERS = {"T": "ᵀ", "H": "ᴴ", "2": "²"}
WIDTH = 80


def plain(x: Layout) -> str:
    if isinstance(x, Token):
        return x.text
    if isinstance(x, Name):
        return ("∂L/∂" if x.partial else "") + x.base + label(x)
    if isinstance(x, Letter):
        return (f"|{x.text}|" if x.barred else x.text.upper()) if x.length else x.text
    if isinstance(x, Whole):
        return _shifted(x.value, x.relative, "−") if x.relative else str(x.value).replace("-", "−")
    if isinstance(x, Row):
        return "".join(plain(p) for p in x.parts)
    if isinstance(x, Script):
        return plain(x.base) + subscript([plain(i) for i in x.indices])
    if isinstance(x, Power):
        if isinstance(x.exponent, Token) and x.exponent.text in _POWERS:
            return plain(x.base) + _POWERS[x.exponent.text]
        return f"{plain(x.base)}^{plain(x.exponent)}"
    if isinstance(x, Fraction):
        top = f"({plain(x.top)})" if x.top_fence else plain(x.top)
        bottom = f"({plain(x.bottom)})" if x.bottom_fence else plain(x.bottom)
        return top + (" / " if x.wide else "/") + bottom
    if isinstance(x, Big):
        space = "" if isinstance(x.body, Fence) and x.word in ("softmax", "logsumexp") else " "
        return f"{x.word}_{''.join(plain(i) for i in x.letters)}{space}{plain(x.body)}"
    if isinstance(x, Call):
        return f"{x.name}({', '.join(plain(a) for a in x.arguments)})"
    if isinstance(x, Range):
        return f"Σ_{{{x.letter}={x.first}..{x.last}}} {plain(x.body)}"
    if x.floor:
        return f"⌊{plain(x.inner)}⌋"
    return f"[{plain(x.inner)}]" if x.square else f"({plain(x.inner)})"


def bare(x: Layout) -> str:
    """The text without labels and index letters: what alike lines of different layers have in common."""
    change = {
        Name: lambda name: replace(name, label=None),
        Letter: lambda letter: replace(letter, text="i", barred=False),
    }
    return plain(transform(x, change))


def _shifted(distance: int, letter: str, minus: str) -> str:
    return letter + ("" if distance == 0 else ("+" if distance > 0 else minus) + str(abs(distance)))


def label(x: Name) -> str:
    if x.label is None:
        return ""
    if x.relative is None:
        return f"⁽{str(x.label).translate(_RAISED)}⁾"
    distance = f"{x.label:+d}".translate(_RAISED) if x.label else ""
    return f"⁽{x.relative}{distance}⁾"


def subscript(indices: list[str]) -> str:
    if all(re.fullmatch(r"[a-zα-ω]′*", i) for i in indices):
        return "_" + "".join(indices)
    return "_{" + ",".join(indices) + "}"


def wrapped(line: str, indent: int = 6, width: int = WIDTH) -> list[str]:
    """The line in pieces of at most `width`, broken before an operator outside all brackets where there is one."""
    out = []
    while len(line) > width:
        places = _breaks(line, width)
        if not places:
            break
        outermost = min(depth for _, depth in places)
        at = max(i for i, depth in places if depth == outermost)
        out.append(line[:at].rstrip())
        line = " " * indent + line[at:].lstrip()
    return [*out, line]


def _breaks(line: str, width: int) -> list[tuple[int, int]]:
    depth, found = 0, []
    start = len(line) - len(line.lstrip()) + 8
    for i, c in enumerate(line[:width]):
        depth += (c in "([{⌊") - (c in ")]}⌋")
        if i > start and (re.match(r" [+−⊙/·→] ", line[i : i + 3]) or (c == "·" and i > width // 2)):
            found.append((i, depth + (2 if c == "·" else 0)))
    return found


__all__ = ["UNITS", "WIDTH", "bare", "label", "plain", "subscript", "wrapped"]
