"""Layout as MathML that browsers draw without a library."""

from __future__ import annotations

from html import escape

from .latex import HAT, unfenced
from .layout import Big, Call, Fence, Fraction, Layout, Letter, Name, Power, Range, Row, Script, Token, Whole
from .text import UNITS

_LOWERED = {c: str(i) for i, c in enumerate("₀₁₂₃₄₅₆₇₈₉")}
_TURNED = {"T": "<mi>⊤</mi>", "H": '<mi mathvariant="normal">H</mi>'}
_OPERATORS = frozenset("+−·⊙/=≤≥<>≠←,")


def mathml(x: Layout) -> str:
    """The MathML of a part of a line, without the <math> element."""
    if isinstance(x, Token):
        return _token(x.text)
    if isinstance(x, Name):
        return _name(x)
    if isinstance(x, Letter):
        bare = x.text.rstrip("′")
        word = f"<mi>{escape(bare.upper() if x.length and not x.barred else bare)}</mi>"
        word += "<mo>′</mo>" * (len(x.text) - len(bare))
        return f"<mo>|</mo>{word}<mo>|</mo>" if x.barred else word
    if isinstance(x, Whole):
        return _relative(x.value, x.relative)
    if isinstance(x, Row):
        return _row("".join(mathml(p) for p in x.parts))
    if isinstance(x, Script) and isinstance(x.base, Name) and x.base.partial:
        below = f"<msub>{_row(_named(x.base))}{_row(_list(x.indices))}</msub>"
        return _adjoint(below)
    if isinstance(x, Script) and isinstance(x.base, Name) and x.base.label is not None:
        raised = _row("<mo>(</mo>" + _relative(x.base.label, x.base.relative) + "<mo>)</mo>")
        return f"<msubsup>{_word(x.base.base)}{_row(_list(x.indices))}{raised}</msubsup>"
    if isinstance(x, Script):
        return f"<msub>{_row(mathml(x.base))}{_row(_list(x.indices))}</msub>"
    if isinstance(x, Power):
        turned = _TURNED.get(x.exponent.text) if isinstance(x.exponent, Token) else None
        exponent = turned or mathml(x.exponent)
        return f"<msup>{_row(mathml(x.base))}{_row(exponent)}</msup>"
    if isinstance(x, Fraction):
        return f"<mfrac>{_row(mathml(unfenced(x.top)))}{_row(mathml(unfenced(x.bottom)))}</mfrac>"
    if isinstance(x, Big):
        return _big(x)
    if isinstance(x, Call):
        if x.name == "√":
            return f"<msqrt>{''.join(mathml(a) for a in x.arguments)}</msqrt>"
        inner = "<mo>,</mo>".join(mathml(a) for a in x.arguments)
        if x.name == "where":
            return _cases(x)
        if x.name == "abs":
            return _row(_fence("|") + inner + _fence("|"))
        if x.name == "conj":
            return f'<mrow style="border-top:0.06em solid;padding-top:0.1em">{inner}</mrow>'
        return f"<mi>{escape(x.name)}</mi><mo>&#x2061;</mo>{_row(_fence('(') + inner + _fence(')'))}"
    if isinstance(x, Range):
        under = f"<mi>{escape(x.letter)}</mi><mo>=</mo><mn>{x.first}</mn>"
        return f"<munderover><mo>∑</mo>{_row(under)}<mn>{x.last}</mn></munderover>{mathml(x.body)}"
    left, right = ("⌊", "⌋") if x.floor else ("[", "]") if x.square else ("(", ")")
    return _row(f"{_fence(left)}{mathml(x.inner)}{_fence(right)}")


def _fence(sign: str) -> str:
    return f'<mo lspace="0" rspace="0">{sign}</mo>'


def _row(inner: str) -> str:
    return f"<mrow>{inner}</mrow>"


def _list(items: tuple[Layout, ...]) -> str:
    by = "" if all(isinstance(i, Letter) for i in items) else "<mo>,</mo>"
    return by.join(mathml(i) for i in items)


def _token(text: str) -> str:
    bare = text.strip()
    if text == " ":
        return '<mspace width="0.2em"/>'
    if bare in _OPERATORS:
        return f"<mo>{escape(bare)}</mo>"
    if bare == "∂":
        return "<mi>∂</mi>"
    if bare and bare[-1] in ("π", *UNITS):
        unit = f'<mi mathvariant="normal">{UNITS[0]}</mi>'
        size = bare.rstrip("".join(("π", *UNITS)))
        return _token(size) * bool(size) + "<mi>π</mi>" * ("π" in bare) + unit * (bare[-1] in UNITS)
    if bare[:1].isdigit():
        if "e" in bare:
            mantissa, exponent = bare.replace("-", "−").split("e")
            return f"<mn>{mantissa}</mn><mo>×</mo><msup><mn>10</mn><mn>{exponent}</mn></msup>"
        return f"<mn>{bare}</mn>"
    return f"<mtext>{escape(text)}</mtext>"


def _cases(x: Call) -> str:
    test, chosen, other = x.arguments
    condition = mathml(test.inner if isinstance(test, Fence) and test.square else test)
    rows = ((mathml(chosen), f"<mtext>if&#xa0;</mtext>{condition}"), (mathml(other), "<mtext>otherwise</mtext>"))
    cells = "".join(
        f'<mtr><mtd style="text-align:left">{_row(value)}</mtd><mtd style="text-align:left">{_row(when)}</mtd></mtr>'
        for value, when in rows
    )
    return _row(f"<mo>{{</mo><mtable>{cells}</mtable>")


def _adjoint(below: str) -> str:
    fraction = f"<mfrac><mrow><mi>∂</mi><mi>L</mi></mrow>{_row('<mi>∂</mi>' + below)}</mfrac>"
    return f'<mstyle displaystyle="true" scriptlevel="0">{fraction}</mstyle>'


def _name(x: Name) -> str:
    return _adjoint(_named(x)) if x.partial else _named(x)


def _named(x: Name) -> str:
    """The base and its label."""
    word = _word(x.base)
    if x.label is None:
        return word
    return f"<msup>{word}{_row('<mo>(</mo>' + _relative(x.label, x.relative) + '<mo>)</mo>')}</msup>"


def _word(base: str) -> str:
    primes = len(base) - len(base.rstrip("′"))
    bare = base.rstrip("′")
    head, _, tail = bare.partition("_")
    if tail and len(head.replace(HAT, "")) == 1:
        word = f'<msub>{_letter(head)}<mi mathvariant="normal">{escape(tail)}</mi></msub>'
    else:
        word = _letter(bare)
    return _row(word + "<mo>′</mo>" * primes) if primes else word


def _letter(text: str) -> str:
    if text.endswith(HAT):
        return f'<mover accent="true"><mi>{escape(text[:-1])}</mi><mo>^</mo></mover>'
    if len(text) == 2 and text[1] in _LOWERED:
        return f"<msub><mi>{text[0]}</mi><mn>{_LOWERED[text[1]]}</mn></msub>"
    return f"<mi>{escape(text)}</mi>"


def _relative(value: int, letter: str | None) -> str:
    if letter is None:
        return f"<mn>{value}</mn>".replace("-", "−")
    sign = "+" if value > 0 else "−"
    return f"<mi>{escape(letter)}</mi>" + (f"<mo>{sign}</mo><mn>{abs(value)}</mn>" if value else "")


def _big(x: Big) -> str:
    under = _row("".join(mathml(i) for i in x.letters))
    sign = {"Σ": "<mo>∑</mo>", "Π": "<mo>∏</mo>"}.get(x.word, f"<mi>{escape(x.word)}</mi>")
    return f"<munder>{sign}{under}</munder>{mathml(x.body)}"


def equation(x: Layout, display: bool = True) -> str:
    """One <math> element."""
    return f'<math display="{"block" if display else "inline"}">{mathml(x)}</math>'


__all__ = ["equation", "mathml"]
