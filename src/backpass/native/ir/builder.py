"""`Builder`: appends instructions to a block, as text."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .function import UNLIKELY, Block, Function, Phi
from .types import FunctionType, IntType, PointerType, Type, VectorType, VoidType, like
from .values import Constant, Undefined, Value

_I1 = IntType(1)
_POINTER = PointerType()
_VOID = VoidType()
_SIGNED = {"==": "eq", "!=": "ne", "<": "slt", "<=": "sle", ">": "sgt", ">=": "sge"}
_UNSIGNED = {"==": "eq", "!=": "ne", "<": "ult", "<=": "ule", ">": "ugt", ">=": "uge"}
_ORDERED = {"==": "oeq", "!=": "one", "<": "olt", "<=": "ole", ">": "ogt", ">=": "oge", "ord": "ord"}
_UNORDERED = {"==": "ueq", "!=": "une", "<": "ult", "<=": "ule", ">": "ugt", ">=": "uge", "uno": "uno"}


def _binary(name: str) -> Callable[[Builder, Value, Value], Value]:
    def write(self: Builder, x: Value, y: Value) -> Value:
        return self._computed(x.type, f"{name} {x.typed}, {y.text}")

    return write


def _exact(
    name: str, combine: Callable[[int, int], int], neutral: int, absorbing: int | None = None, commutes: bool = True
) -> Callable[..., Value]:
    """Of whole numbers; nothing is written where the result is known."""

    def write(self: Builder, x: Value, y: Value, flags: Sequence[str] = ()) -> Value:
        if commutes and isinstance(x, Constant):
            x, y = y, x
        if y.number is not None:
            if y.number == neutral:
                return x
            if x.number is not None:
                return _whole(x.type, combine(int(x.number), int(y.number)))
            if y.number == absorbing:
                return y
        return self._computed(x.type, f"{name} {''.join(f'{flag} ' for flag in flags)}{x.typed}, {y.text}")

    return write


def _cast(name: str) -> Callable[[Builder, Value, Type], Value]:
    def write(self: Builder, x: Value, type_: Type) -> Value:
        return x if x.type is type_ else self._computed(type_, f"{name} {x.typed} to {type_.text}")

    return write


class Builder:
    """Appends to the end of a block of a function.

    `has_fma` and `has_avx512` say what the machine is able to do that the code is for: with ``has_fma = False`` no
    formula asks for a multiplication and addition in one rounding, which would be a call.

    >>> from backpass.native import ir
    >>> f = ir.Function(ir.Module(), ir.FunctionType(ir.IntType(64), [ir.IntType(64)]), "twice")
    >>> b = Builder(f, f.append_basic_block("entry"))
    >>> b.ret(b.add(f.args[0], f.args[0]))
    >>> print(f)
    define i64 @twice(i64 %a0) {
    entry.1:
      %v2 = add i64 %a0, %a0
      ret i64 %v2
    }
    """

    def __init__(self, function: Function, block: Block | None = None) -> None:
        self.function = function
        self.module = function.module
        self.has_fma = True
        self.has_avx512 = False
        self.block = block or function.append_basic_block("entry")

    def position_at_end(self, block: Block) -> None:
        self.block = block

    def append_basic_block(self, name: str = "block") -> Block:
        return self.function.append_basic_block(name)

    def _named(self, type_: Type, instruction: str) -> Value:
        """Append an instruction that has a result."""
        function = self.function
        function.count += 1
        value = Value(type_, f"%v{function.count}")
        self.block.lines.append(f"{value.text} = {instruction}")
        return value

    def _computed(self, type_: Type, instruction: str) -> Value:
        """The result of an instruction that depends on its arguments alone."""
        known = self.block.known
        found = known.get(instruction)
        if found is None:
            found = known[instruction] = self._named(type_, instruction)
        return found

    def _end(self, line: str) -> None:
        """Append the instruction that ends the block."""
        assert not self.block.terminated
        self.block.lines.append(line)
        self.block.terminated = True

    # ---- whole numbers
    add = _exact("add", operator.add, 0)
    sub = _exact("sub", operator.sub, 0, commutes=False)
    mul = _exact("mul", operator.mul, 1, absorbing=0)
    sdiv = _binary("sdiv")
    udiv = _binary("udiv")
    srem = _binary("srem")
    urem = _binary("urem")
    and_ = _binary("and")
    or_ = _binary("or")
    xor = _binary("xor")
    shl = _binary("shl")
    lshr = _binary("lshr")
    ashr = _binary("ashr")

    def not_(self, x: Value) -> Value:
        """Every bit the other way."""
        return self.xor(x, Constant(x.type, -1))

    # ---- floating numbers
    fadd = _binary("fadd")
    fsub = _binary("fsub")
    fmul = _binary("fmul")
    fdiv = _binary("fdiv")
    frem = _binary("frem")

    def fneg(self, x: Value) -> Value:
        return self._computed(x.type, f"fneg {x.typed}")

    # ---- comparisons and choice
    def icmp_signed(self, sign: str, x: Value, y: Value) -> Value:
        return self._computed(like(x.type, _I1), f"icmp {_SIGNED[sign]} {x.typed}, {y.text}")

    def icmp_unsigned(self, sign: str, x: Value, y: Value) -> Value:
        return self._computed(like(x.type, _I1), f"icmp {_UNSIGNED[sign]} {x.typed}, {y.text}")

    def fcmp_ordered(self, sign: str, x: Value, y: Value) -> Value:
        """False where one is NaN."""
        return self._computed(like(x.type, _I1), f"fcmp {_ORDERED[sign]} {x.typed}, {y.text}")

    def fcmp_unordered(self, sign: str, x: Value, y: Value) -> Value:
        """True where one is NaN."""
        return self._computed(like(x.type, _I1), f"fcmp {_UNORDERED[sign]} {x.typed}, {y.text}")

    def select(self, condition: Value, x: Value, y: Value) -> Value:
        return x if x is y else self._computed(x.type, f"select {condition.typed}, {x.typed}, {y.typed}")

    # ---- conversions
    trunc = _cast("trunc")
    zext = _cast("zext")
    sext = _cast("sext")
    fptrunc = _cast("fptrunc")
    fpext = _cast("fpext")
    fptosi = _cast("fptosi")
    fptoui = _cast("fptoui")
    sitofp = _cast("sitofp")
    uitofp = _cast("uitofp")
    bitcast = _cast("bitcast")
    ptrtoint = _cast("ptrtoint")
    inttoptr = _cast("inttoptr")

    # ---- lanes
    def extract_element(self, vector: Value, lane: Value) -> Value:
        assert isinstance(vector.type, VectorType)
        return self._computed(vector.type.element, f"extractelement {vector.typed}, {lane.typed}")

    def insert_element(self, vector: Value, value: Value, lane: Value) -> Value:
        return self._computed(vector.type, f"insertelement {vector.typed}, {value.typed}, {lane.typed}")

    def shuffle_vector(self, x: Value, y: Value, lanes: Value) -> Value:
        """The lanes of x, then of y, that a constant vector of i32 names."""
        assert isinstance(x.type, VectorType)
        assert isinstance(lanes.type, VectorType)
        type_ = VectorType(x.type.element, lanes.type.count)
        return self._computed(type_, f"shufflevector {x.typed}, {y.typed}, {lanes.typed}")

    # ---- memory
    def gep(self, pointer: Value, index: Value, type_: Type, inbounds: bool = False) -> Value:
        """The address of the entry `index` of an array of `type_` at `pointer`; with a vector of indices, of each."""
        if isinstance(index, Constant) and index.number == 0 and not isinstance(index.type, VectorType):
            return pointer
        how = "getelementptr inbounds" if inbounds else "getelementptr"
        return self._computed(like(index.type, _POINTER), f"{how} {type_.text}, {pointer.typed}, {index.typed}")

    def alloca(self, type_: Type, size: Value | None = None) -> Value:
        """Room on the stack that the function has from its beginning on."""
        function = self.function
        function.count += 1
        place = Value(_POINTER, f"%v{function.count}")
        function.blocks[0].places.append(
            f"{place.text} = alloca {type_.text}{'' if size is None else f', {size.typed}'}"
        )
        return place

    def load(self, pointer: Value, type_: Type, align: int | None = None) -> Value:
        return self._named(type_, f"load {type_.text}, {pointer.typed}{'' if align is None else f', align {align}'}")

    def store(self, value: Value, pointer: Value, align: int | None = None) -> None:
        after = "" if align is None else f", align {align}"
        self.block.lines.append(f"store {value.typed}, {pointer.typed}{after}")

    def load_atomic(self, pointer: Value, ordering: str, align: int, type_: Type) -> Value:
        return self._named(type_, f"load atomic {type_.text}, {pointer.typed} {ordering}, align {align}")

    def store_atomic(self, value: Value, pointer: Value, ordering: str, align: int) -> None:
        self.block.lines.append(f"store atomic {value.typed}, {pointer.typed} {ordering}, align {align}")

    def atomic_rmw(self, operation: str, pointer: Value, value: Value, ordering: str) -> Value:
        return self._named(value.type, f"atomicrmw {operation} {pointer.typed}, {value.typed} {ordering}")

    # ---- control
    def call(self, function: Value, arguments: Sequence[Value], kind: FunctionType | None = None) -> Value:
        """Call a function, or what a pointer to one of this `kind` points to."""
        if isinstance(function, Function):
            kind = function.kind
        assert kind is not None
        assert len(kind.arguments) == len(arguments)
        given = ", ".join([argument.typed for argument in arguments])
        text = f"call {kind.result.text} {function.text}({given})"
        if kind.result is not _VOID:
            return self._named(kind.result, text)
        self.block.lines.append(text)
        return Constant(_VOID, Undefined)

    def phi(self, type_: Type) -> Phi:
        """To be asked for before anything else is appended to its block."""
        function = self.function
        function.count += 1
        phi = Phi(type_, f"%v{function.count}")
        self.block.lines.append(phi)
        return phi

    def branch(self, block: Block) -> None:
        self._end(f"br label {block.label}")

    def cbranch(self, condition: Value, yes: Block, no: Block, likely: bool = True) -> None:
        """Go to `yes` where the condition holds; with ``likely=False`` that is hardly ever so."""
        after = "" if likely else f", {UNLIKELY}"
        self.module.unlikely = self.module.unlikely or not likely
        self._end(f"br {condition.typed}, label {yes.label}, label {no.label}{after}")

    def switch(self, value: Value, other: Block, cases: Sequence[tuple[Value, Block]]) -> None:
        """Go to the block of the case that a value equals, elsewhere to another one."""
        told = " ".join(f"{case.typed}, label {block.label}" for case, block in cases)
        self._end(f"switch {value.typed}, label {other.label} [{told}]")

    def ret(self, value: Value) -> None:
        self._end(f"ret {value.typed}")

    def ret_void(self) -> None:
        self._end("ret void")

    @contextlib.contextmanager
    def if_then(self, condition: Value, likely: bool = True) -> Iterator[None]:
        """What is appended within runs where the condition holds."""
        yes, after = self.append_basic_block("then"), self.append_basic_block("after")
        self.cbranch(condition, yes, after, likely)
        self.position_at_end(yes)
        yield
        if not self.block.terminated:
            self.branch(after)
        self.position_at_end(after)


def _whole(type_: Type, number: int) -> Constant:
    """A whole number within its type's range, as processors wrap it."""
    element: Any = type_.element if isinstance(type_, VectorType) else type_
    half = 1 << (element.width - 1)
    return Constant(type_, (number + half) % (2 * half) - half)


__all__ = ["Builder"]
