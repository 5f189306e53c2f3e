"""LLVM's intermediate representation as it is written: types, values, and a builder that appends instructions as text.

Each instruction becomes a line when it is asked for, so there is no second pass over objects that are turned into text.
What is asked for twice within a block is computed once, and whole numbers that are known are added and multiplied
here. Names are those of LLVM's language reference, https://llvm.org/docs/LangRef.html; pointers are opaque.
"""

from .builder import Builder
from .function import Block, Data, Function, Module, Phi
from .types import (
    DoubleType,
    FloatType,
    FunctionType,
    HalfType,
    IntType,
    PointerType,
    Type,
    VectorType,
    VoidType,
)
from .values import Constant, Undefined, Value

__all__ = [
    "Block",
    "Builder",
    "Constant",
    "Data",
    "DoubleType",
    "FloatType",
    "Function",
    "FunctionType",
    "HalfType",
    "IntType",
    "Module",
    "Phi",
    "PointerType",
    "Type",
    "Undefined",
    "Value",
    "VectorType",
    "VoidType",
]
