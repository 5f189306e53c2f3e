"""Where an operation comes from: the user's line, the calls that led there, and which derivation step made it.

Recording must cost next to nothing, so a node keeps only ``(code, instruction)`` of its frame and of its callers;
file, line, columns and the variable's name are worked out when something is printed.

>>> import numpy as np, backpass as bp
>>> def f(x):
...     z = np.sin(x)
...     return z * z
>>> [node.name for node in bp.trace(f, 1.0).nodes]
['x', 'z', 'f']
"""

from __future__ import annotations

import dis
import linecache
import os
import sys
import threading
from types import CodeType, FrameType
from typing import Any, NamedTuple

import numpy as np

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
# Rooms that only pass calls on. The layers of nn/ and the updates of descent/ are mathematics that readers want to see.
_ROOMS = ("graph", "partials", "chain", "native", "data", "train", "cli")
_MACHINERY = tuple(os.path.join(_PACKAGE, room) + os.sep for room in _ROOMS)
_LIBRARIES = (
    os.path.dirname(os.path.abspath(np.__file__)) + os.sep,
    os.sep + os.path.join("site-packages", "scipy") + os.sep,
)
_TOP = 2


class _Libraries(dict[str, int]):
    """File → is it no user's code: 0, 1, or `_TOP` for the command line's."""

    def __missing__(self, file: str) -> int:
        library = file.startswith(_MACHINERY) or file.startswith(_LIBRARIES[0]) or _LIBRARIES[1] in file
        found = self[file] = _TOP if file.startswith(_ENTRY) else int(library)
        return found


_is_library = _Libraries()


class Where(NamedTuple):
    """A place in source text. Lines count from 1, columns from 0; columns are None where Python does not know them."""

    file: str
    line: int
    end_line: int | None
    column: int | None
    end_column: int | None
    function: str

    @property
    def text(self) -> str:
        """The source line, or "" when the source is not at hand."""
        return linecache.getline(self.file, self.line).rstrip("\n")

    def show(self) -> str:
        """File, line and the marked expression, as a traceback would print them."""
        head = f'File "{self.file}", line {self.line}, in {self.function}'
        text = self.text
        body = text.strip()
        if not body:
            return head
        lines = [head, "    " + body]
        if self.column is not None and self.end_column is not None and self.end_line == self.line:
            # Columns count UTF-8 bytes.
            start = len(text.encode()[: self.column].decode(errors="ignore")) - (len(text) - len(text.lstrip()))
            width = len(text.encode()[self.column : self.end_column].decode(errors="ignore"))
            if 0 < width < len(body):
                lines.append("    " + " " * start + "^" * width)
        return "\n".join(lines)


class Part(NamedTuple):
    """Provenance: the operation is one part of a composite (``mean``, ``softmax``); one `instance` per call."""

    composite: str
    instance: object


class Adjoint(NamedTuple):
    """Provenance: the operation carries the chain rule back (or forward) through `node`."""

    node: Any
    mode: str


class Origin:
    """Where a node comes from: a frame's code and instruction, its callers', and its provenance."""

    __slots__ = ("code", "lasti", "parent", "note")

    def __init__(self, code: CodeType | None, lasti: int, parent: Origin | None, note: Part | Adjoint | None = None):
        self.code = code
        self.lasti = lasti
        self.parent = parent
        self.note = note

    def noted(self, note: Part | Adjoint) -> Origin:
        """The same place with another provenance."""
        return Origin(self.code, self.lasti, self.parent, note)

    @property
    def where(self) -> Where | None:
        """The innermost place that is not machinery."""
        if self.code is None:
            return None
        line, end_line, column, end_column = _positions(self.code, self.lasti)
        return Where(
            self.code.co_filename, line or self.code.co_firstlineno, end_line, column, end_column, self.code.co_name
        )

    @property
    def scope(self) -> tuple[Where, ...]:
        """The calls that led here, outermost first, this place last."""
        places: list[Where] = []
        at: Origin | None = self
        while at is not None:
            where = at.where
            if where is not None:
                places.append(where)
            at = at.parent
        return tuple(reversed(places))

    @property
    def user(self) -> Where | None:
        """The innermost place outside this package: the line to show in an error."""
        for where in reversed(self.scope):
            if not where.file.startswith(_PACKAGE):
                return where
        return self.where

    @property
    def name(self) -> str | None:
        """The variable that the value was assigned to, if it was; a returned value takes the caller's name."""
        path: tuple[int | str, ...] = ()
        at: Origin | None = self
        while at is not None and at.code is not None:
            target: Any = None if path else _targets(at.code).get(at.lasti)
            if target is None:
                target = at._assigned(path)
                if isinstance(target, tuple):
                    path, target = target[0], _RETURNED
            if target is not _RETURNED:
                return target
            if at.parent is None:
                return at.code.co_name if at.code.co_name.isidentifier() and not path else None
            at = at.parent
        return None

    def _assigned(self, path: tuple[int | str, ...]) -> Any:
        """What bytecode does not tell: targets that are tuples, attributes or entries."""
        assert self.code is not None
        expression = self.expression
        if expression is None:
            return None
        from .source import assigned

        return assigned(expression, path)

    @property
    def expression(self) -> Any:
        """The syntax tree of the expression that this place is; None without source."""
        if self.code is None:
            return None
        from .source import expression_at

        line, end_line, column, end_column = _positions(self.code, self.lasti)
        return expression_at(self.code.co_filename, (line, end_line, column, end_column))


NOWHERE = Origin(None, -1, None)


class _Origins(dict[int, Origin]):
    """Instruction → origin, within a function that is called from one place: each is made once."""

    __slots__ = ("code", "parent")

    def __init__(self, code: CodeType | None, parent: Origin | None):
        self.code = code
        self.parent = parent

    def __missing__(self, lasti: int) -> Origin:
        origin = self[lasti] = Origin(self.code, lasti, self.parent)
        return origin


Seat = tuple[FrameType | None, int, _Origins]
"""A caller's frame, the instruction at which it stands, and the origins in what it called."""
NO_SEAT: Seat = (None, -1, _Origins(None, None))

_RETURNED = "<returned>"
_target_cache: dict[CodeType, dict[int, str]] = {}
_SKIPPED = frozenset(("CACHE", "NOP", "RESUME", "EXTENDED_ARG", "PRECALL"))
_COPIES = frozenset(("COPY", "DUP_TOP"))


def _targets(code: CodeType) -> dict[int, str]:
    """Instruction offset → name that its result is stored to, from the instruction that follows."""
    table = _target_cache.get(code)
    if table is None:
        table = {}
        instructions = [i for i in dis.get_instructions(code) if i.opname not in _SKIPPED]
        for at, this in enumerate(instructions[:-1]):
            if this.opname.startswith("UNPACK_"):
                continue  # it makes several values, and what follows stores the first
            after = instructions[at + 1]
            if after.opname in _COPIES and at + 2 < len(instructions):
                after = instructions[at + 2]
            if after.opname.startswith("STORE_") and after.opname not in ("STORE_SUBSCR", "STORE_ATTR", "STORE_SLICE"):
                names = after.argval if isinstance(after.argval, tuple) else (after.argval,)
                target = str(names[0])
            elif after.opname == "RETURN_VALUE":
                target = _RETURNED
            else:
                continue
            # A frame that is inside a call stands on one of the call's cache entries.
            for offset in range(this.offset, instructions[at + 1].offset, 2):
                table[offset] = target
        _target_cache[code] = table
    return table


_position_cache: dict[CodeType, list[Any]] = {}


def _positions(code: CodeType, lasti: int) -> tuple[int | None, int | None, int | None, int | None]:
    table = _position_cache.get(code)
    if table is None:
        table = _position_cache[code] = list(code.co_positions())
    index = lasti // 2
    return table[index] if 0 <= index < len(table) else (code.co_firstlineno, None, None, None)


class _State(threading.local):
    """Per thread: the origin forced on nodes made now (by a composite or a derivative rule), and interned origins."""

    def __init__(self) -> None:
        self.origin: Origin | None = None
        self.depth = 0  # how many traces are under way; above 0, derivatives are themselves recorded
        self.watching = 0  # how many `debug_nonfinite` are under way
        self.interned: dict[tuple[int, int], _Origins] = {}
        self.seat: Seat = NO_SEAT
        self.kept: dict[int, tuple[np.ndarray, np.ndarray]] = {}  # see kept.py
        self.layouts: dict[int, Any] = {}  # written arrays by index → the node as which they lie in memory: layout.py


state = _State()


def _first_watch(function: Any) -> Any:
    from . import modules

    global watch
    watch = modules.install
    return watch(function)


watch = _first_watch
"""Puts the proxies in place, and returns what takes them away: modules.py, imported by the first trace."""


_ENTRY = os.path.join(_PACKAGE, "cli") + os.sep
"""Above the command line there is no user's code, only the program that called it."""


def user_frame(depth: int) -> FrameType | None:
    """The innermost frame that is neither machinery nor a library, `depth` frames up or higher."""
    frame: FrameType | None = sys._getframe(depth)
    while frame is not None:
        library = _is_library[frame.f_code.co_filename]
        if not library:
            return frame
        if library == _TOP:
            return None
        frame = frame.f_back
    return None


def here(depth: int = 2) -> Origin:
    """The origin for a node made now: the forced one, or that of the user's frame and its callers."""
    mine = state.__dict__  # this thread's, asked for once: every operation waits for this
    forced = mine["origin"]
    if forced is not None:
        return forced
    frame: FrameType | None = sys._getframe(depth - 1)
    while library := _is_library[(code := frame.f_code).co_filename]:  # user_frame, without a call for each operation
        frame = frame.f_back
        if frame is None or library == _TOP:
            return NOWHERE
    back = frame.f_back
    # While a function runs, its caller stands still: the caller's origin is worked out once, not for each operation.
    caller, standing, origins = mine["seat"]
    if caller is not back or origins.code is not code or back is None or standing != back.f_lasti:
        origins = _origins_in(code, None if back is None else _chain(back))
        if back is not None:
            mine["seat"] = back, back.f_lasti, origins
    return origins[frame.f_lasti]


def _origins_in(code: CodeType | None, parent: Origin | None) -> _Origins:
    # Keyed by id: hashing a code object walks its constants. What is found keeps the code alive and its id valid.
    interned = state.interned
    key = (id(code), id(parent))
    found = interned.get(key)
    if found is None:
        found = interned[key] = _Origins(code, parent)
    return found


def _chain(frame: FrameType) -> Origin | None:
    """The origin of a frame and of its callers, up to the first that is machinery; None if that is the frame itself."""
    chain: list[tuple[CodeType, int]] = []
    at: FrameType | None = frame
    while at is not None and len(chain) < 23:
        code = at.f_code
        if _is_library[code.co_filename]:
            break
        chain.append((code, at.f_lasti))
        at = at.f_back
    origin: Origin | None = None
    for code, lasti in reversed(chain):
        origin = _origins_in(code, origin)[lasti]
    return origin


class forced_origin:
    """``with forced_origin(origin):`` nodes made inside carry that origin instead of their own frame's."""

    __slots__ = ("origin", "before")

    def __init__(self, origin: Origin | None):
        self.origin = origin

    def __enter__(self) -> None:
        self.before = state.origin
        state.origin = self.origin

    def __exit__(self, *exc: object) -> None:
        state.origin = self.before
