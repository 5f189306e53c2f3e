"""Layout as LaTeX. A name of several letters is set as one word, W1 as \\mathit{W1}; labels are raised in brackets."""

from __future__ import annotations

import re

from .layout import Big, Call, Fence, Fraction, Layout, Letter, Name, Power, Range, Row, Script, Token, Whole

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
        plain = all(isinstance(i, Letter) for i in x.indices)
        return f"{latex(x.base)}_{{{''.join(indices) if plain else ', '.join(indices)}}}"
    if isinstance(x, Power):
        exponent = r"\top" if isinstance(x.exponent, Token) and x.exponent.text == "T" else latex(x.exponent)
        base = latex(x.base)
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
    if bare in ("π", "∂"):
        return {"π": r"\pi ", "∂": r"\partial "}[bare]
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


def _name(x: Name) -> str:
    base = _word(x.base)
    if x.label is not None:
        base += f"^{{({_relative(x.label, x.relative)})}}"
    return rf"\frac{{\partial L}}{{\partial {base}}}" if x.partial else base


def _relative(label: int, letter: str | None) -> str:
    if letter is None:
        return str(label)
    return letter + (f"{label:+d}" if label else "")


def _word(base: str) -> str:
    primes = len(base) - len(base.rstrip("′"))
    bare = base.rstrip("′")
    if len(bare) == 1:
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
    if x.name == "√":
        return rf"\sqrt{{{inner}}}"
    name = "\\" + x.name if x.name in KNOWN else r"\sigma " if x.name == "σ" else None
    if name is None:
        escaped = x.name.replace("_", r"\_")
        name = rf"\operatorname{{{escaped}}}"
    return rf"{name}\left({inner}\right)"


def aligned(lines: list[tuple[str, str]]) -> str:
    """A block of equations, aligned at their signs: (LaTeX of the line with & before its sign, remark)."""
    rows = [line + (rf" && {remark}" if remark else "") for line, remark in lines]
    return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"


__all__ = ["HAT", "aligned", "latex", "unfenced"]
