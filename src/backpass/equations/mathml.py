"""Layout as MathML that browsers draw without a library."""

from __future__ import annotations

from html import escape

from .latex import HAT, unfenced
from .layout import Big, Call, Fraction, Layout, Letter, Name, Power, Range, Row, Script, Token, Whole

_OPERATORS = frozenset("+−·⊙/=≤≥<>≠←,")


def mathml(x: Layout) -> str:
    """The MathML of a part of a line, without the <math> element."""
    if isinstance(x, Token):
        return _token(x.text)
    if isinstance(x, Name):
        return _name(x)
    if isinstance(x, Letter):
        word = f"<mi>{escape(x.text.upper() if x.length and not x.barred else x.text)}</mi>"
        return f"<mo>|</mo>{word}<mo>|</mo>" if x.barred else word
    if isinstance(x, Whole):
        return _relative(x.value, x.relative)
    if isinstance(x, Row):
        return _row("".join(mathml(p) for p in x.parts))
    if isinstance(x, Script):
        return f"<msub>{_row(mathml(x.base))}{_row(_list(x.indices))}</msub>"
    if isinstance(x, Power):
        exponent = "<mi>⊤</mi>" if isinstance(x.exponent, Token) and x.exponent.text == "T" else mathml(x.exponent)
        return f"<msup>{_row(mathml(x.base))}{_row(exponent)}</msup>"
    if isinstance(x, Fraction):
        return f"<mfrac>{_row(mathml(unfenced(x.top)))}{_row(mathml(unfenced(x.bottom)))}</mfrac>"
    if isinstance(x, Big):
        return _big(x)
    if isinstance(x, Call):
        if x.name == "√":
            return f"<msqrt>{''.join(mathml(a) for a in x.arguments)}</msqrt>"
        inner = "<mo>,</mo>".join(mathml(a) for a in x.arguments)
        return f"<mi>{escape(x.name)}</mi><mo>&#x2061;</mo>{_row(f'<mo>(</mo>{inner}<mo>)</mo>')}"
    if isinstance(x, Range):
        under = f"<mi>{escape(x.letter)}</mi><mo>=</mo><mn>{x.first}</mn>"
        return f"<munderover><mo>∑</mo>{_row(under)}<mn>{x.last}</mn></munderover>{mathml(x.body)}"
    left, right = ("⌊", "⌋") if x.floor else ("[", "]") if x.square else ("(", ")")
    return _row(f"<mo>{left}</mo>{mathml(x.inner)}<mo>{right}</mo>")


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
    if bare in ("π", "∂"):
        return f"<mi>{bare}</mi>"
    if bare[:1].isdigit():
        if "e" in bare:
            mantissa, exponent = bare.replace("-", "−").split("e")
            return f"<mn>{mantissa}</mn><mo>×</mo><msup><mn>10</mn><mn>{exponent}</mn></msup>"
        return f"<mn>{bare}</mn>"
    return f"<mtext>{escape(text)}</mtext>"


def _name(x: Name) -> str:
    primes = len(x.base) - len(x.base.rstrip("′"))
    bare = x.base.rstrip("′")
    word = f"<mi>{escape(bare)}</mi>"
    if HAT in bare:
        letter, _, rest = bare.partition(HAT)
        word = f'<mover accent="true"><mi>{escape(letter)}</mi><mo>^</mo></mover>'
        word = f"<msub>{word}<mi>{escape(rest.lstrip('_'))}</mi></msub>" if rest else word
    word += "<mo>′</mo>" * primes
    if x.label is not None:
        word = f"<msup>{_row(word)}{_row('<mo>(</mo>' + _relative(x.label, x.relative) + '<mo>)</mo>')}</msup>"
    return f"<mfrac><mrow><mi>∂</mi><mi>L</mi></mrow>{_row('<mi>∂</mi>' + word)}</mfrac>" if x.partial else word


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
