"""Modules, the functions in them, and the blocks of instructions that these are made of."""

from __future__ import annotations

from collections.abc import Iterable

from .types import FunctionType, PointerType, Type
from .values import Value

UNLIKELY = "!prof !0"
"""After a branch: its first way is hardly ever taken."""
_WEIGHTS = '!0 = !{!"branch_weights", i32 1, i32 99}'


class Module:
    """Functions and tables by their names."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.globals: dict[str, Function | Data] = {}
        self.unlikely = False
        """Does a branch refer to the weights of what is hardly ever taken?"""

    def function(self, name: str, result: Type, arguments: Iterable[Type]) -> Function:
        """The function of a name, declared if it is not there yet."""
        found = self.globals.get(name)
        if found is None:
            found = Function(self, FunctionType(result, arguments), name)
        assert isinstance(found, Function)
        return found

    def __str__(self) -> str:
        parts = [f'; ModuleID = "{self.name}"', *map(str, self.globals.values())]
        return "\n".join([*parts, *([_WEIGHTS] if self.unlikely else []), ""])


class Data(Value):
    """Bytes of a module that do not change, from a multiple of 64 bytes on."""

    __slots__ = ("bytes",)

    def __init__(self, module: Module, name: str, content: bytes) -> None:
        super().__init__(PointerType(), f"@{name}")
        self.bytes = content
        assert name not in module.globals
        module.globals[name] = self

    def __str__(self) -> str:
        content = "".join(f"\\{byte:02x}" for byte in self.bytes)
        return f'{self.text} = internal constant [{len(self.bytes)} x i8] c"{content}", align 64'


class Argument(Value):
    """An argument of a function, and what is promised of it."""

    __slots__ = ("attributes",)

    def __init__(self, type_: Type, text: str) -> None:
        super().__init__(type_, text)
        self.attributes: list[str] = []

    def add_attribute(self, name: str) -> None:
        self.attributes.append(name)


class Phi(Value):
    """A value that depends on the block that control comes from."""

    __slots__ = ("incoming",)

    def __init__(self, type_: Type, text: str) -> None:
        super().__init__(type_, text)
        self.incoming: list[str] = []

    def add_incoming(self, value: Value, block: Block) -> None:
        self.incoming.append(f"[{value.text}, {block.label}]")

    def __str__(self) -> str:
        return f"{self.text} = phi {self.type.text} {', '.join(self.incoming)}"


class Block:
    """Instructions that run one after another; the last one says where to go on."""

    __slots__ = ("known", "label", "lines", "places", "terminated")

    def __init__(self, name: str) -> None:
        self.label = f"%{name}"
        self.places: list[str] = []
        """Room on the stack, which is taken before anything else is done."""
        self.lines: list[str | Phi] = []
        self.known: dict[str, Value] = {}
        """What is computed here from values alone, by its text."""
        self.terminated = False

    def __str__(self) -> str:
        return "\n  ".join([f"{self.label[1:]}:", *self.places, *map(str, self.lines)])


class Function(Value):
    """A function: declared only, as long as it has no block."""

    __slots__ = ("args", "attributes", "blocks", "count", "kind", "linkage", "module")

    def __init__(self, module: Module, kind: FunctionType, name: str) -> None:
        super().__init__(PointerType(), f"@{name}")
        assert name not in module.globals
        module.globals[name] = self
        self.module = module
        self.kind = kind
        self.args = tuple(Argument(type_, f"%a{k}") for k, type_ in enumerate(kind.arguments))
        self.attributes: set[str] = set()
        self.linkage = ""
        self.blocks: list[Block] = []
        self.count = 0
        """Values and blocks that have been named so far."""

    def append_basic_block(self, name: str = "block") -> Block:
        self.count += 1
        block = Block(f"{name}.{self.count}")
        self.blocks.append(block)
        return block

    def __str__(self) -> str:
        told = [" ".join([argument.type.text, *argument.attributes]) for argument in self.args]
        after = "".join(f" {attribute}" for attribute in sorted(self.attributes))
        result = self.kind.result.text
        if not self.blocks:
            return f"declare {result} {self.text}({', '.join(told)}){after}"
        told = [f"{one} {argument.text}" for one, argument in zip(told, self.args, strict=True)]
        head = " ".join(["define", *([self.linkage] if self.linkage else []), result])
        body = "\n".join(map(str, self.blocks))
        return f"{head} {self.text}({', '.join(told)}){after} {{\n{body}\n}}"
