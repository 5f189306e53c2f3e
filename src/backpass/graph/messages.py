"""The words of every error that tracing raises: what happened, the user's line and values, and what to type instead."""

from __future__ import annotations

import contextlib
import dis
import re
import sys
from types import FrameType
from typing import Any

import numpy as np

from .aval import aval_of
from .errors import BackpassError, DtypeError, IndexingError, MatrixError, NoRuleError, ShapeError, TracingError
from .op import FUNCTIONS, REFUSALS, UFUNCS, Op
from .origin import Origin, _chain, _is_library, here, user_frame


def place(origin: Origin | None = None) -> str:
    """The user's line, marked; "" when no user frame is known."""
    where = (here(2) if origin is None else origin).user
    return "  " + where.show().replace("\n", "\n  ") if where else ""


def described(value: Any, name: str | None = None) -> str:
    """``W1: float32[4,16]``: a value's name, dtype and shape."""
    from .traced import Traced

    if type(value) is Traced:
        name = name or name_of(value)
        value = value.node.value
    try:
        text = repr(aval_of(value))
    except Exception:  # whatever the user passed, the message must still come
        text = type(value).__name__
    if np.ndim(value) == 0 and isinstance(value, (int, float, np.number)):
        text = f"{value!r}"
    return f"{name}: {text}" if name else text


def name_of(traced: Any) -> str | None:
    """The user's name for a traced value: a pytree path of an argument, or the variable it was assigned to."""
    node = traced.node
    if node.op.name == "alias":
        node = node.inputs[0] if not isinstance(node.inputs[0], (np.ndarray, np.generic, float, int)) else node
    if node.attrs and "name" in node.attrs:
        return node.attrs["name"]
    return node.origin.name if node.origin is not None else None


_KINDS = (
    (np.linalg.LinAlgError, MatrixError), (IndexError, IndexingError), (ValueError, ShapeError), (TypeError, DtypeError)
)  # fmt: skip


def operation_failed(op: Op, args: Any, attrs: dict[str, Any], error: Exception) -> BackpassError:
    """NumPy refused an operation: say with which shapes and names, in the type rule's words where it refuses too."""
    from .traced import Traced

    with contextlib.suppress(Exception):  # whatever the arguments are, NumPy's own error must still come
        try:
            op.aval(*[aval_of(a.node.value if type(a) is Traced else a) for a in args], **attrs)
        except (ValueError, IndexError) as plainer:
            error = plainer if isinstance(error, type(plainer)) else error
    inputs = "\n".join(f"    {described(arg)}" for arg in args)
    kind = next(kind for base, kind in _KINDS if isinstance(error, base))
    text = str(error).removeprefix(f"{op.name}: ")
    return kind(f"{op.name}: {text}\n  with\n{inputs}\n{place()}")


def no_rule(function: Any, kind: str = "function") -> NoRuleError:
    name = getattr(function, "__name__", str(function))
    full = full_name(function)
    FUNCTIONS["late"]()  # reasons of modules that came after the first import
    mend = "  To give it one: @bp.custom_rule(vjp=...) around a function that calls it."
    if function in REFUSALS:
        return NoRuleError(f"{full} is refused on a traced value: {REFUSALS[function]}.\n{place()}\n{mend}")
    import difflib  # here: importing it takes longer than most of a gradient

    known = {getattr(f, "__name__", "") for f in (*UFUNCS, *FUNCTIONS) if not isinstance(f, str)}
    near = difflib.get_close_matches(name, sorted(known - {name, ""}), 3, 0.65)
    hint = f"  The nearest that have one: {', '.join(near)}." if near else "  No other function of a like name has one."
    return NoRuleError(
        f"{full} has no derivative rule, so it cannot be applied to a traced value.\n{place()}\n{hint}\n{mend}"
    )


def full_name(function: Any) -> str:
    """``scipy.linalg.expm``, ``np.sort``, ``scipy.stats.norm.ppf``: as a person writes it."""
    name = getattr(function, "__name__", str(function))
    module = (getattr(function, "__module__", "") or "").replace("numpy", "np", 1)
    owner = getattr(getattr(function, "__self__", None), "name", None)
    parts = [part for part in module.split(".") if part and not part.startswith("_")]
    return ".".join([*parts, *([owner] if isinstance(owner, str) else []), name])


def out_refused(name: str) -> TracingError:
    return TracingError(
        f"{name}(..., out=...) would write a traced value into an existing array.\n{place()}\n"
        f"  Use the returned value: result = {name}(...)."
    )


def out_cast(name: str, have: np.dtype, want: np.dtype, casting: str) -> DtypeError:
    return DtypeError(
        f"{name}(..., out=...): cannot cast a result of {have} to {want} by rule {casting!r}\n{place()}\n"
        f"  An array of {have} holds it."
    )


def option_refused(name: str, option: str, instead: str) -> TracingError:
    return TracingError(f"{name}(..., {option}=...) is not differentiated yet.\n{place()}\n  {instead}")


def not_symmetric(name: str, matrix: Any, argument: str) -> MatrixError:
    return MatrixError(
        f"{name}: {argument} is not symmetric ({described(matrix)}).\n{place()}\n"
        f"  Its symmetric part is 0.5 * ({argument} + {argument}.T)."
    )


def stand_in_refused(what: str, instead: str) -> TracingError:
    return TracingError(f"{what} is not followed.\n{place()}\n  Instead: {instead}.")


def type_compared(name: str) -> TracingError:
    return TracingError(
        f"The class of a traced value was compared with np.{name}, and is neither it nor another of NumPy's types.\n"
        f"{place()}\n  type(x) and isinstance(x, np.{name}) know a traced value for what it stands for."
    )


def no_hash(traced: Any) -> TracingError:
    return TracingError(
        f"A traced value ({described(traced)}) is to be a member of a set or a key of a dictionary, where the number "
        f"would be kept and its derivative lost.\n{place()}\n"
        "  Use the place of the value as the key, or t.value for a key that carries no derivative."
    )


def swapped_by_code(traced: Any) -> TracingError:
    return TracingError(
        f"Rows of a traced array ({described(traced)}) were swapped by code that is not Python, as rng.shuffle does, "
        f"which knows how to do so for plain arrays only.\n{place()}\n"
        "  Shuffle the places: x = x[rng.permutation(len(x))]."
    )


def memory_asked(traced: Any, name: str) -> TracingError:
    return NoMemoryError(
        f".{name} of a traced value ({described(traced)}) would be plain memory without its derivative.\n{place()}\n"
        "  NumPy functions take it as it is; under bp.grad, t.value is the plain array."
    )


def subclass_view(traced: Any, kind: type) -> TracingError:
    return NoMemoryError(
        f".view({kind.__name__}) of a traced value ({described(traced)}) would make a subclass of ndarray, "
        f"which carries no derivative.\n{place()}\n  Leave it an array: x.view(np.ndarray), or no view at all."
    )


class NoMemoryError(TracingError, AttributeError):
    """hasattr says no where the attribute is refused."""


def value_unknown(traced: Any, what: str) -> TracingError:
    subject = what if what.endswith("()") else what[0].upper() + what[1:]
    hint = ""
    if what == "np.asarray()":
        hint = {
            "i": "  A plain array is indexed with it by np.take(array, index, axis=0).\n",
            "b": "  A mask keeps the shape in np.where(mask, array, 0).\n",
        }.get(traced.dtype.kind, "  A list of traced values becomes an array by np.stack(values).\n")
    elif what.startswith("use as an index"):
        hint = (
            "  To index a plain array with it, hand the array over as an argument (of a loop: among xs), so that\n"
            "  it is traced too; a loop of so many steps is bp.fori_loop(0, count, body, start).\n"
        )
    return TracingError(
        f"{subject} needs the value of a traced {described(traced)}, which is not known while a "
        f"function is traced for compilation: the graph must hold for all values.\n{place()}\n{hint}"
        "  Choose between values with np.where(condition, a, b), between computations with bp.cond; loop with\n"
        "  bp.scan or bp.while_loop. Or differentiate without bp.compile / bp.trace and these:\n"
        "  under bp.grad alone, Python's if and while on values work."
    )


def would_detach(traced: Any, what: str) -> TracingError:
    frame = user_frame(2)
    called, caller = _through_library(frame)
    if called:
        return TracingError(
            f"{what} of a traced value ({described(traced)}) in {called} would lose its derivative.\n"
            f"{place(_chain(caller) if caller is not None else None)}\n"
            f"  A trace does not follow {called.partition('.')[0]}. Write the formula in NumPy, or give the call a\n"
            "  rule: @bp.custom_rule(vjp=...) around a function that makes it."
        )
    if frame is not None and _stores_item(frame):
        return TracingError(
            f"A traced value ({described(traced)}) is assigned into a plain NumPy array, "
            f"which cannot carry its derivative.\n{place()}\n"
            "  It was made where a trace does not see it: outside of the function, by a method or an operator on a\n"
            "  plain array, or by a NumPy that was imported inside. Make it with np.zeros, np.array or np.copy of the\n"
            "  module's own np, or join a list of values: np.stack(values)."
        )
    library, function = _called_from(frame)
    hint = "  Leave it traced: NumPy functions take it as it is. np.stack(values) makes an array of a list of them."
    if library == "scipy":
        short = function.rpartition(".")[2]
        FUNCTIONS["late"]()  # the rules of what was imported since
        hint = (
            f"  SciPy's {short} was reached by a reference that a trace does not see (a default, a partial, a\n"
            "  dictionary, an argument). Call it by the name of its module in the function."
            if short in {getattr(known, "__name__", "") for known in FUNCTIONS}
            else f"  SciPy's {function} has no rule. Write the formula in NumPy, or give the call a rule:\n"
            "  @bp.custom_rule(vjp=...) around a function that makes it."
        )
    elif library == "numpy.ma":
        hint = "  Masked arrays are not traced: np.where(mask, 0.0, x) and np.sum(..., where=~mask) leave entries out."
    return TracingError(
        f"{what} of a traced value ({described(traced)}) would give a plain number or array without its derivative.\n"
        f"{place()}\n{hint}"
    )


def _through_library(frame: FrameType | None) -> tuple[str, FrameType | None]:
    """What the user's code called of a library that a trace leaves alone, and the user's frame that did."""
    from .modules import KEEP

    called = ""
    while frame is not None:
        parts = str(frame.f_globals.get("__name__")).split(".")
        if parts[0] not in KEEP or parts[0] == "backpass":
            break
        if "<locals>" not in frame.f_code.co_qualname or not called:  # a wrapper has no name of its own
            called = ".".join([*[part for part in parts if not part.startswith("_")], frame.f_code.co_qualname])
        frame = frame.f_back
    return called, frame


def formats(frame: FrameType) -> bool:
    """Is the frame executing ``text % values``, which asks for numbers only to print them?"""
    for instruction in dis.get_instructions(frame.f_code):
        if instruction.offset == frame.f_lasti:
            return instruction.opname == "BINARY_OP" and instruction.argrepr in ("%", "%=")
    return False


def _called_from(frame: FrameType | None) -> tuple[str, str]:
    """The library whose function the user's frame called, and that function's name; "" when it called none."""
    above = sys._getframe(2)
    called = None
    while above is not None and above is not frame:
        called, above = above, above.f_back
    module = str(called.f_globals.get("__name__")) if called is not None else ""
    library = "numpy.ma" if module.startswith("numpy.ma.") else module.partition(".")[0]
    return library, called.f_code.co_qualname.removesuffix(".__init__").lstrip("_") if called is not None else ""


def compiled_function(function: Any) -> TracingError:
    name = getattr(function, "__name__", "f")
    return TracingError(
        f"{name} is compiled by numba and takes no traced value.\n{place()}\n"
        f"  Trace the Python that it was made from: {name}.py_func(...); or give it a rule: @bp.custom_rule(vjp=...)."
    )


def compiled_argument(error: TypeError) -> TracingError | None:
    """Of a compiled function that takes nothing but an ndarray and was given what a trace watches; None for others."""
    said = str(error)
    if not re.search(r"\b(?:got|not) '?(?:Traced|Buffer)\b", said):
        return None
    at = error.__traceback__
    frame = None
    while at is not None:
        if not _is_library[at.tb_frame.f_code.co_filename]:
            frame = at.tb_frame
        at = at.tb_next
    return TracingError(
        f"A compiled function takes plain arrays, and was given one that a trace watches: {said}.\n"
        f"{place(_chain(frame) if frame is not None else None)}\n"
        "  A trace does not follow compiled code. Write the formula in NumPy, or give the call a rule:\n"
        "  @bp.custom_rule(vjp=...) around a function that makes it, which gets plain arrays."
    )


def overlapping_view() -> TracingError:
    return TracingError(
        "Windows and strided views, in which one entry occurs several times, can be read but not written to.\n"
        f"{place()}\n  Write into the array that they were taken from: they see it."
    )


def strided_outside(traced: Any, item: int) -> TracingError:
    return TracingError(
        f"as_strided steps from an entry of {described(traced)} to memory that is none of its entries "
        f"(an entry takes {item} bytes).\n{place()}\n  Take the view of the array that holds all of them."
    )


def maybe_view() -> TracingError:
    return TracingError(
        "A reshaped array and its original are both used after one of them was written to. Whether they share memory "
        f"depends on how an argument lies in memory, which a graph does not know.\n{place()}\n"
        "  Say which is meant: x.reshape(...).copy() for an array of its own, or write before you reshape."
    )


def in_place_shape(traced: Any, shape: tuple[int, ...]) -> ShapeError:
    return ShapeError(
        f"non-broadcastable output operand: {described(traced)} cannot hold a result of shape {shape}\n{place()}"
    )


def shape_depends_on_values(
    what: str, traced: Any, instead: str = "Use np.where(mask, x, 0) and keep the shape."
) -> TracingError:
    return TracingError(
        f"{what}: the result's shape depends on the values of {described(traced)}, which are not known while a "
        f"function is traced for compilation.\n{place()}\n  {instead}"
    )


def subclass_refused(value: Any) -> TracingError:
    kind = type(value).__name__
    instead = "value.filled(0.0) and np.where" if hasattr(value, "mask") else "np.asarray(value)"
    return TracingError(
        f"A {kind} of shape {value.shape} takes part in a traced computation, and what sets it apart from a plain "
        f"array would be lost.\n{place()}\n  Pass a plain array: {instead}."
    )


def not_holomorphic(name: str) -> DtypeError:
    return DtypeError(
        f"jacobian: {name} is not holomorphic here: its change is no complex number times dz, so it has no complex "
        "derivative.\n  Take bp.jvp along 1 and 1j; or write it as a function of np.real(z) and np.imag(z)."
    )


def _stores_item(frame: FrameType) -> bool:
    """Is the frame executing ``a[i] = ...``?"""
    for instruction in dis.get_instructions(frame.f_code):
        if instruction.offset == frame.f_lasti:
            return instruction.opname in ("STORE_SUBSCR", "STORE_SLICE")
    return False
