"""Layout as LaTeX. A name of several letters is set as one word, W1 as \\mathit{W1}; labels are raised in brackets."""

from __future__ import annotations

import re

from .layout import Big, Call, Fence, Fraction, Layout, Letter, Name, Power, Range, Row, Script, Token, Whole
from .text import UNITS, plain

GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "varepsilon", "ζ": "zeta", "η": "eta", "θ": "theta",
    "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma",
    "τ": "tau", "φ": "varphi", "χ": "chi", "ψ": "psi", "ω": "omega", "Σ": "Sigma", "Φ": "Phi", "ℓ": "ell",
}  # fmt: skip
_LOWERED = {c: str(i) for i, c in enumerate("₀₁₂₃₄₅₆₇₈₉")}
OPERATORS = {
    "·": r" \cdot ", "⊙": r" \odot ", "−": "-", "≤": r" \le ", "≥": r" \ge ", "≠": r" \ne ", "<": " < ", ">": " > ",
    "←": r" \leftarrow ",
}  # fmt: skip
HAT = "\u0302"
"""The combining circumflex of m̂."""
KNOWN = frozenset(("exp", "log", "tanh", "sin", "cos", "tan", "sinh", "cosh", "max", "min", "det"))


def latex(x: Layout) -> str:
    """The LaTeX source of a line or a part of it."""
    if isinstance(x, Token):
        return _token(x.text)
    if isinstance(x, Name):
        return _name(x)
    if isinstance(x, Letter):
        return _letter(x)
    if isinstance(x, Whole):
        return _whole(x)
    if isinstance(x, Row):
        return "".join(latex(p) for p in x.parts)
    if isinstance(x, Script):
        indices = [latex(i) for i in x.indices]
        lowered = "".join(indices) if all(isinstance(i, Letter) for i in x.indices) else ", ".join(indices)
        if isinstance(x.base, Name) and x.base.partial:
            return rf"\dfrac{{\partial L}}{{\partial {_named(x.base, True)}_{{{lowered}}}}}"
        return f"{_named(x.base, True) if isinstance(x.base, Name) else latex(x.base)}_{{{lowered}}}"
    if isinstance(x, Power):
        if isinstance(x.base, Name) and x.base.label is not None and not x.base.partial and _transpose(x):
            return _named(x.base)[:-1] + _transpose(x) + "}"
        if isinstance(x.base, Name) and x.base.label is not None and not _transpose(x):
            return rf"\left({latex(x.base)}\right)^{{{latex(x.exponent)}}}"
        exponent = _transpose(x) or latex(x.exponent)
        base = latex(x.base).strip()
        return f"{{{base}}}^{{{exponent}}}" if "^" in base or "_" in base else f"{base}^{{{exponent}}}"
    if isinstance(x, Fraction):
        return rf"\frac{{{latex(unfenced(x.top))}}}{{{latex(unfenced(x.bottom))}}}"
    if isinstance(x, Big):
        return _big(x)
    if isinstance(x, Call):
        return _call(x)
    if isinstance(x, Range):
        return rf"\sum_{{{x.letter}={x.first}}}^{{{x.last}}} {latex(x.body)}"
    if x.floor:
        return rf"\left\lfloor {latex(x.inner)} \right\rfloor"
    left, right = ("[", "]") if x.square else ("(", ")")
    return rf"\left{left}{latex(x.inner)}\right{right}"


def unfenced(x: Layout) -> Layout:
    """Without round brackets that a long stroke makes superfluous."""
    return x.inner if isinstance(x, Fence) and not x.square and not x.floor else x


def _token(text: str) -> str:
    bare = text.strip()
    if bare == "∂":
        return r"\partial "
    units = re.fullmatch(rf"(\d[\d.e-]*)?(π?)([{''.join(UNITS)}]?)", bare)
    if units and (units[2] or units[3]):
        size = _token(units[1]) if units[1] else ""
        return size + (r"\pi " if units[2] else "") + (r"\mathrm{i}" if units[3] else "")
    if bare in OPERATORS:
        return OPERATORS[bare] if bare != "−" or text == "−" else " - "
    if bare == "mod":
        return r" \bmod "
    if text == " ":
        return r"\, "
    if "e" in bare and bare.replace("e", "").replace("-", "").replace(".", "").isdigit():
        mantissa, exponent = bare.split("e")
        return rf"{mantissa} \times 10^{{{exponent}}}"
    return text


def _transpose(x: Power) -> str:
    """⊤ or H, where the exponent is one of them."""
    return {"T": r"\top", "H": r"\mathsf{H}"}.get(x.exponent.text, "") if isinstance(x.exponent, Token) else ""


def _name(x: Name) -> str:
    return rf"\dfrac{{\partial L}}{{\partial {_named(x)}}}" if x.partial else _named(x)


def _named(x: Name, indexed: bool = False) -> str:
    """The base and its label; in braces where indices follow a base that ends low already."""
    word = _word(x.base)
    label = "" if x.label is None else f"^{{({_relative(x.label, x.relative)})}}"
    # {} after it: TeX opens braces around a lone accent again.
    return (f"{{{word}{{}}}}" if indexed and r"_{\mathrm" in word else word) + label


def _relative(label: int, letter: str | None) -> str:
    if letter is None:
        return str(label)
    return letter + (f"{label:+d}" if label else "")


def _word(base: str) -> str:
    primes = len(base) - len(base.rstrip("′"))
    bare = base.rstrip("′")
    head, _, tail = bare.partition("_")
    if tail and len(head.replace(HAT, "")) == 1 and tail.isascii() and tail.isalnum():
        word = rf"{_word(head).strip()}_{{\mathrm{{{tail}}}}}"
    elif len(bare) == 1:
        word = "\\" + GREEK[bare] + " " if bare in GREEK else bare
    elif len(bare) == 2 and bare[0] in GREEK and bare[1] in _LOWERED:
        word = rf"\{GREEK[bare[0]]}_{_LOWERED[bare[1]]}"
    elif len(bare) == 2 and bare[1] == HAT:
        word = rf"\hat{{{_word(bare[0])}}}"
    else:
        text = re.sub(f"(.){HAT}", r"\\hat{\1}", bare)
        text = "".join(rf"\text{{{c}}}" if ord(c) > 127 and c not in GREEK else c for c in text)
        for letter, command in GREEK.items():
            text = text.replace(letter, rf"\{command} ")
        word = rf"\mathit{{{text.replace('_', chr(92) + '_')}}}"
    return word + "'" * primes


def _letter(x: Letter) -> str:
    primes = len(x.text) - len(x.text.rstrip("′"))
    bare = x.text.rstrip("′")
    word = "\\" + GREEK[bare] + " " if bare in GREEK else bare
    if not x.length:
        return word + "'" * primes
    return rf"\lvert {word}\rvert " if x.barred else bare.upper()


def _whole(x: Whole) -> str:
    return str(x.value) if x.relative is None else _relative(x.value, x.relative)


def _big(x: Big) -> str:
    letters = "".join(latex(i) for i in x.letters)
    word = {"Σ": r"\sum", "Π": r"\prod", "max": r"\max", "min": r"\min"}.get(x.word, rf"\operatorname{{{x.word}}}")
    return f"{word}_{{{letters}}} {latex(x.body)}"


def _call(x: Call) -> str:
    inner = ", ".join(latex(a) for a in x.arguments)
    if x.name == "where":
        test, chosen, other = x.arguments
        condition = latex(test.inner if isinstance(test, Fence) and test.square else test)
        rows = (rf"{latex(chosen)} & \text{{if }} {condition}", rf"{latex(other)} & \text{{otherwise}}")
        return rf"\begin{{cases}} {rows[0]} \\ {rows[1]} \end{{cases}}"
    if x.name == "conj":
        return rf"\overline{{{inner}}}"
    if x.name == "abs":
        return rf"\left\lvert {inner}\right\rvert "
    if x.name == "√":
        return rf"\sqrt{{{inner}}}"
    name = "\\" + x.name if x.name in KNOWN else r"\sigma " if x.name == "σ" else None
    if name is None:
        escaped = x.name.replace("_", r"\_")
        name = rf"\operatorname{{{escaped}}}"
    return rf"{name}\left({inner}\right)"


LONG = 78
"""Characters of plain text: what is longer is broken before a + or −."""


def broken(line: Row) -> list[str]:
    """The LaTeX of an equation, & before its sign, in pieces that fit a page."""
    left, sign, right = line.parts
    out = [f"{latex(left)} &{latex(sign)}"]
    width = len(plain(left))
    for piece in _pieces(right):
        length = len(plain(piece))
        if width + length > LONG and width > len(plain(left)):
            out.append(r"&\quad ")
            width = 4
        out[-1] += latex(piece)
        width += length
    return out


def _pieces(x: Layout) -> list[Layout]:
    """The terms of a sum, each with its sign."""
    if not isinstance(x, Row) or len(plain(x)) <= LONG:
        return [x]
    out: list[list[Layout]] = [[]]
    for part in x.parts:
        if isinstance(part, Token) and part.text in (" + ", " − ", " ⊙ "):
            out.append([])
        out[-1].append(part)
    return [Row(tuple(parts)) for parts in out if parts]


def aligned(lines: list[tuple[list[str], str]]) -> str:
    """A block of equations, aligned at their signs: (pieces of the line with & before its sign, remark)."""
    rows = []
    for pieces, remark in lines:
        # Breaks of one equation stand on one line of the source.
        note = rf" && {_remark(remark)}" if remark else ""
        rows.append(" \\\\ ".join(pieces) + note)
    return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"


def _remark(text: str) -> str:
    """``l = 3…1`` and ``θ = W⁽l⁾, b``."""
    name, _, rest = text.partition(" = ")
    if "…" in rest:
        return f"{_word(name).strip()} = " + rest.replace("…", r" \ldots ")
    words = [w.partition("⁽") for w in rest.split(", ")]
    shown = [
        _word(base).strip() + (f"^{{({label.rstrip('⁾').translate(_DOWN)})}}" if label else "")
        for base, _, label in words
    ]
    return rf"{_word(name).strip()} = " + r",\ ".join(shown)


def document(title: str, blocks: list[tuple[str, str]]) -> str:
    """A whole document: amsmath and geometry are all that it needs."""
    out = [
        r"\documentclass[fleqn]{article}",
        r"\usepackage[a4paper, landscape, margin=1.5cm]{geometry}",
        r"\usepackage{amsmath}",
        r"\allowdisplaybreaks",
        r"\setlength{\parindent}{0pt}",
        r"\begin{document}",
        rf"\section*{{{_escaped(title)}}}",
    ]
    for heading, block in blocks:
        body = block.replace("{aligned}", "{align*}")
        out += [rf"\subsection*{{{_escaped(heading)}}}", body]
    return "\n".join([*out, r"\end{document}", ""])


_DOWN = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_ESCAPED = {**{c: "\\" + c for c in "_&%$#{}"}, "\\": r"\textbackslash{}", "~": r"\textasciitilde{}"}


def _escaped(text: str) -> str:
    def one(c: str) -> str:
        if c in GREEK:
            return rf"$\{GREEK[c]}$"
        if c in _LOWERED:
            return rf"$_{_LOWERED[c]}$"
        return "$'$" if c == "′" else _ESCAPED.get(c, c)

    return "".join(one(c) for c in text)


__all__ = ["HAT", "aligned", "broken", "document", "latex", "unfenced"]
