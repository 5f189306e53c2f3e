"""LLVM's types. There is one object for each, so that they are told apart by identity."""

from __future__ import annotations

from typing import Any, ClassVar, Self


class Type:
    """A type; `text` is how LLVM writes it. Asked for again it is the same object.

    >>> VectorType(IntType(1), 4) is VectorType(IntType(1), 4), VectorType(IntType(1), 4).text
    (True, '<4 x i1>')
    """

    text: str
    _made: ClassVar[dict[Any, Any]] = {}

    def __new__(cls, *parts: Any) -> Self:
        key = (cls, *parts)
        found = Type._made.get(key)
        if found is None:
            found = super().__new__(cls)
            found._begin(*parts)
            # Where two threads make the same type at once, both get the first one's.
            found = Type._made.setdefault(key, found)
        return found

    def _begin(self, *parts: Any) -> None:
        """Take the parts that the type is made of."""

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text


class VoidType(Type):
    """What a function without a result returns."""

    text = "void"


class PointerType(Type):
    """An address; what lies there is for each instruction to say."""

    text = "ptr"


class HalfType(Type):
    """Floating numbers of 16 bits."""

    text = "half"


class FloatType(Type):
    """Floating numbers of 32 bits."""

    text = "float"


class DoubleType(Type):
    """Floating numbers of 64 bits."""

    text = "double"


class IntType(Type):
    """Whole numbers of `width` bits, signed or not as an instruction takes them."""

    width: int

    def _begin(self, width: int) -> None:  # type: ignore[override]
        self.width = width
        self.text = f"i{width}"


class VectorType(Type):
    """`count` numbers side by side in a register."""

    element: Type
    count: int

    def _begin(self, element: Type, count: int) -> None:  # type: ignore[override]
        self.element, self.count = element, count
        self.text = f"<{count} x {element.text}>"


class FunctionType(Type):
    """A function's result and arguments."""

    result: Type
    arguments: tuple[Type, ...]

    def __new__(cls, result: Type, arguments: Any) -> Self:
        return super().__new__(cls, result, tuple(arguments))

    def _begin(self, result: Type, arguments: tuple[Type, ...]) -> None:  # type: ignore[override]
        self.result, self.arguments = result, arguments
        self.text = f"{result.text} ({', '.join(argument.text for argument in arguments)})"


def like(type_: Type, element: Type) -> Type:
    """`element` in as many lanes as a type has."""
    return VectorType(element, type_.count) if isinstance(type_, VectorType) else element
