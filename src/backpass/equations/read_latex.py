r"""LaTeX read back into the text grammar, so that what is typeset is checked by the same evaluation.

>>> as_text(r"\frac{\partial L}{\partial \mathit{W1}}_{ik} = \sum_{n} x_{ni} \cdot \delta ^{(1)}_{nk}")
'∂L/∂W1_ik = Σ_n x_ni ·δ⁽¹⁾_nk'
"""

from __future__ import annotations

import re

from .latex import GREEK, HAT
from .read import Unreadable
from .text import UNITS

_FROM_GREEK = {command: letter for letter, command in GREEK.items()}
_RAISED = str.maketrans("0123456789+-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻")
_LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_MARKS = {
    "cdot": "·", "odot": " ⊙ ", "le": "≤", "ge": "≥", "ne": "≠", "leftarrow": " ← ", "bmod": " mod ", "lvert": "|",
    "rvert": "|", "top": "ᵀ", "lfloor": "⌊", "rfloor": "⌋", "left": "", "right": "",
}  # fmt: skip
_WORDS = {"sum": "Σ", "prod": "Π", "max": "max", "min": "min"}


def as_text(source: str) -> str:
    """The line in text grammar."""
    return _Latex(source).read()


class _Latex:
    def __init__(self, source: str):
        self.source = source
        self.at = 0

    def read(self) -> str:
        out = self.run("")
        if self.at != len(self.source):
            raise Unreadable(f"left over: {self.source[self.at :]!r}")
        return re.sub(r" +", " ", re.sub(r" *\x08", "", out)).strip()

    def group(self) -> str:
        """The inside of the braces that stand here, in text."""
        if self.source[self.at : self.at + 1] != "{":
            raise Unreadable(f"expected {{ at {self.source[self.at :][:30]!r}")
        self.at += 1
        inner = self.run("}")
        self.at += 1
        return inner

    def raw(self) -> str:
        """The inside of the braces that stand here, as it is."""
        depth, start = 1, self.at + 1
        self.at += 1
        while depth:
            depth += {"{": 1, "}": -1}.get(self.source[self.at], 0)
            self.at += 1
        return self.source[start : self.at - 1]

    def run(self, until: str) -> str:
        out: list[str] = []
        while self.at < len(self.source):
            c = self.source[self.at]
            if until and c == until:
                return "".join(out)
            if c == "\\":
                out.append(self.command())
            elif c == "{":
                out.append(self.group())
            elif c == "^":
                self.at += 1
                out.append(self.raised())
            elif c == "_":
                self.at += 1
                out.append(self.lowered())
            elif c == "'":
                self.at += 1
                out.append("′")
            elif c == "-":
                self.at += 1
                out.append("−")
            else:
                self.at += 1
                out.append(c)
        return "".join(out)

    def command(self) -> str:
        found = re.compile(r"\\([A-Za-z]+|.)").match(self.source, self.at)
        assert found is not None
        self.at = found.end()
        word = found[1]
        follows = self.source[self.at : self.at + 1]
        if word in _FROM_GREEK or word in ("lvert", "le", "ge", "ne", "cdot", "odot"):
            self.at += follows == " "
        if word in _FROM_GREEK:
            if self.source[self.at : self.at + 1] == "_" and self.source[self.at + 1 : self.at + 2].isdigit():
                self.at += 2
                return _FROM_GREEK[word] + self.source[self.at - 1].translate(_LOWERED)
            return _FROM_GREEK[word]
        if word in ("left", "right") and self.source.startswith((r"\lvert", r"\rvert"), self.at):
            self.at += 6
            self.at += self.source[self.at : self.at + 1] == " "
            return "abs(" if word == "left" else ")"
        if word in _MARKS:
            return _MARKS[word]
        if word in ("frac", "dfrac"):
            return self.fraction()
        if word == "sqrt":
            return f"√({self.group()})"
        if word in _WORDS and follows == "_":
            self.at += 1
            return f"{_WORDS[word]}_{self.group()} "
        if word in ("mathit", "text"):
            return self.group()
        if word == "begin" and self.source.startswith("{cases}", self.at):
            return self.cases()
        if word == "mathrm" and self.source.startswith("{i}", self.at):
            self.at += 3
            return UNITS[1]
        if word == "mathsf":
            return {"H": "ᴴ"}[self.group()]
        if word == "overline":
            return f"conj({self.group()})"
        if word == "hat":
            return self.group() + HAT
        if word == "operatorname":
            name = self.raw().replace("\\_", "_")
            if self.source[self.at : self.at + 1] == "_":
                self.at += 1
                letters = self.group()
                self.at += self.source[self.at : self.at + 1] == " "
                return f"{name}_{letters}"
            return name
        if word == "partial":
            self.at += self.source[self.at : self.at + 1] == " "
            return "∂"
        if word == "times":
            return self.exponent()
        if word == ",":
            return " "
        if word == "_":
            return "_"
        return word  # exp, log, tanh, …

    def cases(self) -> str:
        """Two rows, "value & if condition" and "value & otherwise", as where(condition, value, value)."""
        start = at = self.at + len("{cases}")
        depth, cuts = 1, []
        while depth:
            found = re.compile(r"\\(begin|end)\{cases\}|\\\\|&").search(self.source, at)
            if found is None:
                raise Unreadable(f"cases without an end in {self.source!r}")
            at = found.end()
            depth += {"begin": 1, "end": -1}.get(found[1], 0)
            if found[1] is None and depth == 1:
                cuts.append(found)
        self.at = at
        ends = [start, *[c.end() for c in cuts]], [*[c.start() for c in cuts], found.start()]  # type: ignore[union-attr]
        parts = [self.source[a:b] for a, b in zip(*ends, strict=True)]
        if len(parts) != 4 or not parts[1].startswith(r" \text{if } ") or parts[3].strip() != r"\text{otherwise}":
            raise Unreadable(f"cases that are not a choice of two in {self.source!r}")
        chosen, condition, other = as_text(parts[0]), as_text(parts[1].removeprefix(r" \text{if } ")), as_text(parts[2])
        return f"where({f'[{condition}]' if _compares(condition) else condition}, {chosen}, {other})"

    def exponent(self) -> str:
        """× 10^{-5} → e-5"""
        found = re.compile(r" 10\^\{(-?\d+)\}").match(self.source, self.at)
        if found is None:
            raise Unreadable(f"a power of ten at {self.source[self.at :][:30]!r}")
        self.at = found.end()
        return f"\be{found[1]}"

    def fraction(self) -> str:
        if self.source.startswith(r"{\partial L}{\partial ", self.at):
            self.at += len(r"{\partial L}{\partial ")
            inner = self.run("}")
            self.at += 1
            return f"∂L/∂{inner}"
        top, bottom = self.group(), self.group()
        return f"({top})/({bottom})"

    def raised(self) -> str:
        label = re.compile(r"\{\((-?[0-9]+)\)(\\top|\\mathsf\{H\})?\}").match(self.source, self.at)
        if label:
            self.at = label.end()
            return f"⁽{label[1].translate(_RAISED)}⁾" + ("" if not label[2] else "ᵀ" if label[2] == r"\top" else "ᴴ")
        exponent = self.group().strip()
        return {"2": "²", "ᵀ": "ᵀ", "ᴴ": "ᴴ"}.get(exponent, f"^{exponent}" if _simple(exponent) else f"^({exponent})")

    def lowered(self) -> str:
        name = re.compile(r"\{\\mathrm\{([A-Za-z0-9]+)\}\}").match(self.source, self.at)
        if name:  # a part of the name, not an index
            self.at = name.end()
            return f"_{name[1]}"
        inner = self.group()
        letters = inner.replace(" ", "")
        if re.fullmatch(r"(?:[a-zα-ω]′*)+", letters):
            return "_" + letters
        return "_{" + inner.replace(", ", ",") + "}"


def _compares(text: str) -> bool:
    """Is it a comparison without its brackets?"""
    depth = 0
    for c in text:
        depth += (c in "([{") - (c in ")]}")
        if depth == 0 and c in "<>=≤≥≠":
            return True
    return False


def _simple(text: str) -> bool:
    return re.fullmatch(r"[\w.⁽⁾⁰-⁹]+", text) is not None


__all__ = ["as_text"]
