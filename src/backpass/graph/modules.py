"""While a trace runs, the modules of user code see the `numpy` and `math` of namespace.py.

The globals of these modules that are numpy, math or one of their functions are exchanged when the first trace begins
and put back when the last one ends, whether it ended well or not. A thread that traces nothing sees the proxies too,
but each function of theirs first asks whether its own thread is tracing. Compiled modules keep the real NumPy, which
they may call past every check, and so do the standard library and large libraries with compiled parts.
"""

from __future__ import annotations

import ast
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CellType, FrameType, FunctionType, ModuleType
from typing import Any

import numpy as np

from . import namespace, scipy_names, stand_ins

_LIBRARIES = """
numpy scipy backpass pandas matplotlib sklearn skimage torch jax jaxlib tensorflow numba llvmlite pyarrow polars xarray
dask IPython ipykernel pytest _pytest pluggy xdist execnet hypothesis sympy PIL cv2 networkx h5py click rich
safetensors cupy autograd statsmodels plotly bokeh sqlalchemy pip setuptools pkg_resources joblib threadpoolctl
cloudpickle narwhals dateutil
"""
KEEP = frozenset(sys.stdlib_module_names - {"__main__"}) | frozenset(_LIBRARIES.split())
"""Packages whose modules are left alone."""
_COMPILED = (".so", ".pyd", ".dylib")
_GENERATED = ("cython_runtime", "_cython_", "_distutils_hack", "_sysconfigdata_")
"""Modules that nobody wrote begin like this."""

Slot = tuple[Any, Any, Any, Any]
"""Globals (or a `Cell`, or `Defaults`), a name in them, NumPy's object of that name, and its proxy."""

_lock = threading.RLock()
_running = 0
_known: tuple[int, int] = (-1, -1)
_dicts: list[dict[str, Any]] = []
_settled: dict[int, dict[str, Any]] = {}
"""id → globals of a module: the user's, whose slots are in `_slots`, and those of libraries that were met."""
_slots: list[Slot] = []
_placed: list[list[Slot]] = []
# A pattern that begins with a word's letters is looked for faster by far than one that begins with its edge.
_CALLED = {
    "isinstance": re.compile(rb"isinstance(?<=\bisinstance)\b"),
    "type": re.compile(rb"type(?<=\btype)\s*\("),
    "float": re.compile(rb"float(?<=\bfloat)\s*(?:(\()(?!\s*[\"'])|,)"),  # float("inf") is of no traced number
    "complex": re.compile(rb"complex(?<=\bcomplex)\s*(?:(\()(?!\s*[\"'])|,)"),
}
_NUMBERS = ("float", "complex")
_ROOMS = {
    name: re.compile(rb"(?<![\"']scipy\.)(?<!autograd\.scipy\.)\b%b\b" % name.encode())
    for name in ("stats", "sparse", "polynomial", "interpolate", "ShortTimeFFT", "CZT", "ZoomFFT")
}
"""Of SciPy and NumPy, with classes whose methods are exchanged."""
_OWN = re.compile(rb"\s*(?:self|cls)\s*\)")
"""Asked for its class, ``type(self)``: never a traced value."""
_asking: dict[str, list[str]] = {}
_scanned: dict[int, tuple[dict[str, Any], int, list[Slot]]] = {}
_MANY, _HELD, _FEW = 100, 64, 64
"""Names from which on globals count as many; how many of such globals are remembered; entries of a dictionary that is
looked into."""
_DEPTH = range(40)
"""How many callers are looked at."""


def is_users(name: str) -> bool:
    """Is a module of this name one that a trace follows?"""
    return name.partition(".")[0] not in KEEP and not name.startswith(_GENERATED)


def _is_user(module: Any) -> bool:
    if not isinstance(module, ModuleType) or isinstance(module, namespace.Namespace):
        return False
    name = module.__dict__.get("__name__")
    if not isinstance(name, str) or not is_users(name):
        return False
    file = module.__dict__.get("__file__")
    return not (isinstance(file, str) and file.endswith(_COMPILED))


def slots_of(globals: dict[str, Any]) -> list[Slot]:
    """What is exchanged among the globals of user code, and for what."""
    replaced = namespace.REPLACED
    classes = scipy_names.CLASSES
    found = []
    answers = False
    for name, value in list(globals.items()):
        if classes and not answers:
            answers = type(value) in classes or (type(value) is type and value in classes)
        known = replaced.get(id(value))
        if known is not None and known[0] is value:
            found.append((globals, name, value, known[1]))
        elif type(value).__name__ == "CPUDispatcher" and hasattr(value, "py_func"):
            found.append((globals, name, value, namespace.dispatcher(value)))
        elif type(value).__name__ == "Generator" and type(value).__module__ == "numpy.random._generator":
            found.append((globals, name, value, namespace.generator(value)))
        elif type(value) is FunctionType and "dispatch" in value.__dict__ and "registry" in value.__dict__:
            found.append((globals, name, value, stand_ins.dispatched(value)))
        elif type(value) is np.vectorize:
            found.append((globals, name, value, stand_ins.Vectorized(value)))
        if type(value) is FunctionType:
            if value.__closure__ or value.__defaults__:
                found += _held_by(value)
        elif type(value) is dict and len(value) <= _FEW and value is not globals:
            found += _entries(value)
    for name in _asked(globals):
        if name in ("stats", "sparse", "polynomial"):
            found.append(scipy_names.DENSITIES)
        elif name in _ROOMS:
            answers = bool(classes)
        elif name not in globals:
            found.append((globals, name, None, stand_ins.BUILTINS[name]))
    if answers:
        found.append(scipy_names.ANSWERS)
    return found


class Cell:
    """A variable of a closure: decorators keep NumPy in one, as those of array_api_compat do."""

    __slots__ = ("cell",)

    def __init__(self, cell: CellType):
        self.cell = cell

    def get(self, name: str) -> Any:
        return self.cell.cell_contents

    def __setitem__(self, name: str, value: Any) -> None:
        self.cell.cell_contents = value


class Defaults:
    """The defaults of a function, as ``def f(x, xp=np)`` has them."""

    __slots__ = ("function",)

    def __init__(self, function: FunctionType):
        self.function = function

    def get(self, name: str) -> Any:
        return self.function.__defaults__

    def __setitem__(self, name: str, value: Any) -> None:
        self.function.__defaults__ = value


def _held_by(function: FunctionType) -> list[Slot]:
    """NumPy's objects in a function's closure and among its defaults."""
    replaced = namespace.REPLACED
    classes = scipy_names.CLASSES
    found: list[Slot] = []
    for cell in function.__closure__ or ():
        try:
            value = cell.cell_contents
        except ValueError:  # still empty
            continue
        known = replaced.get(id(value))
        if known is not None and known[0] is value:
            found.append((Cell(cell), "cell_contents", value, known[1]))
        if value.__class__ in classes:
            found.append(scipy_names.ANSWERS)
    defaults = function.__defaults__
    for value in defaults or ():
        if _stand_in(value) is not value:
            found.append((Defaults(function), "", defaults, tuple(map(_stand_in, defaults or ()))))
            break
    if found and str(function.__globals__.get("__name__")).partition(".")[0] in KEEP:
        return []  # what stands for NumPy's functions has these in its closure
    return found


def _entries(held: dict[Any, Any]) -> list[Slot]:
    """NumPy's objects among the values of a dictionary."""
    found = []
    for key, value in list(held.items()):
        stand_in = _stand_in(value)
        if stand_in is not value:
            found.append((held, key, value, stand_in))
    return found


def _stand_in(value: Any) -> Any:
    """What stands for an object of NumPy's. Python's own classes stay: code asks ``kind is float``."""
    found = namespace.replacement(value)
    return value if found is not value and getattr(value, "__module__", "") == "builtins" else found


def _asked(globals: dict[str, Any]) -> Iterable[str]:
    """The builtins about classes that this code may call, and which of `_ROOMS` it may have to do with.

    Its file tells; a new name among its globals, put there and taken away for each trace, would make Python look up all
    others anew, and exchanging the methods of SciPy's classes takes its time, so that is done only where needed."""
    file = globals.get("__file__")
    if not isinstance(file, str) or (globals.get("__name__") == "__main__" and hasattr(sys, "ps1")):
        return (*stand_ins.BUILTINS, *_ROOMS)
    found = _asking.get(file)
    if found is None:
        try:
            found = _asked_by(Path(file).read_bytes())
        except (OSError, SyntaxError, ValueError):
            found = [*stand_ins.BUILTINS, *_ROOMS]
        _asking[file] = found
    return found


def _asked_by(text: bytes) -> list[str]:
    found = [name for name in _CALLED if _calls(name, text)]
    if "type" in found:  # and may compare what it gets
        found += [name for name in _NUMBERS if name not in found and re.search(rb"\b%b\b" % name.encode(), text)]
    found = [name for name in found if name not in _NUMBERS or not _told_apart(name, text)]
    return found + [name for name, word in _ROOMS.items() if word.search(text)]


def _calls(name: str, text: bytes) -> bool:
    """May this code call a builtin, or, for a number's class, hand it on first of all, as ``map(float, xs)`` does?"""
    for found in _CALLED[name].finditer(text):
        if name == "type" and (_OWN.match(text, found.end()) or _caught(text, found.end())):
            continue
        if name not in _NUMBERS or found.group(1):
            return True
        if text[max(0, found.start() - 200) : found.start()].rstrip().endswith(b"("):
            return True
    return False


def _caught(text: bytes, at: int) -> bool:
    """Is it ``type(error).__name__`` of what an except clause caught?"""
    named = re.compile(rb"\s*(\w+)\s*\)\s*\.\s*__name__\b").match(text, at)
    return named is not None and re.search(rb"\bexcept\b[^:\n]*\bas\s+%b\b" % named[1], text) is not None


def _told_apart(name: str, text: bytes) -> bool:
    """Does this code ask whether something is the very class, as ``dtype is float``?"""
    if not re.search(rb"\bis\s+(not\s+)?%b\b" % name.encode(), text):
        return False
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Compare) and any(isinstance(o, (ast.Is, ast.IsNot)) for o in node.ops):
            sides = [node.left, *node.comparators]
            if any(isinstance(s, ast.Name) and s.id == name for s in sides) and not any(
                isinstance(s, ast.Call) and isinstance(s.func, ast.Name) and s.func.id == "type" for s in sides
            ):
                return True
    return False


def _elsewhere(values: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Globals of functions that are no module's: exec made them, as sympy.lambdify does."""
    for value in values:
        if value.__class__ is FunctionType:
            globals = value.__globals__
            if id(globals) not in _settled and not _settles(globals):
                yield globals


def _slots_elsewhere(globals: dict[str, Any]) -> list[Slot]:
    """The slots of globals that are no module's; those of sympy are all of NumPy, and are looked through once."""
    if len(globals) < _MANY:
        return slots_of(globals)
    held = _scanned.get(id(globals))
    if held is None or held[0] is not globals or held[1] != len(globals):
        if len(_scanned) >= _HELD:
            del _scanned[next(iter(_scanned))]
        held = _scanned[id(globals)] = globals, len(globals), slots_of(globals)
    return held[2]


def _look() -> None:
    """Find the user's modules again when some were imported, and their slots when some have new names."""
    from .imports import STATEMENT  # which knows this module

    global _known, _dicts, _settled, _slots
    modules, names = len(sys.modules), sum(map(len, _dicts))
    if modules != _known[0]:
        namespace.follow()
        _dicts = [vars(module) for module in list(sys.modules.values()) if _is_user(module)]
        _settled = {id(globals): globals for globals in _dicts}
        names = sum(map(len, _dicts))
    _slots = [slot for globals in _dicts for slot in slots_of(globals)]
    made = {id(found): found for globals in _dicts for found in _elsewhere(list(globals.values()))}
    _slots += [slot for globals in made.values() for slot in _slots_elsewhere(globals)]
    _slots.append(STATEMENT)
    _known = (-1, -1) if _running else (modules, names)  # what has been exchanged already is not among these slots


def _extra(function: Any) -> list[Slot]:
    """Slots in globals that are no module's: code that was made by exec, as a notebook's or a document's is.

    The gradient of something small waits for this, so it is written to be quick."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    owner = None
    if function.__class__ is not FunctionType:
        function = getattr(function, "func", function)
        owner = getattr(function, "__self__", None)
        function = getattr(function, "__func__", function)
    scopes: dict[int, dict[str, Any]] = {}
    settled = _settled
    held: list[Slot] = []
    if function.__class__ is FunctionType:
        globals = last = function.__globals__
        if id(globals) not in settled and not _settles(globals):
            scopes[id(globals)] = globals
        if function.__closure__ or function.__defaults__:
            held += _held_by(function)
        for value in _within_reach(function, globals, owner):
            if value.__class__ is FunctionType:
                if value.__closure__ or value.__defaults__:
                    held += _held_by(value)
                if value.__globals__ is not last:
                    last = value.__globals__
                    if id(last) not in settled and not _settles(last):
                        scopes[id(last)] = last
        if owner is not None:
            held += _entries(getattr(owner, "__dict__", {}))
    frame: FrameType | None = sys._getframe(5)  # above install, run_user, and two more of this package
    last = None
    for _ in _DEPTH:
        if frame is None:
            break
        globals = frame.f_globals
        if globals is not last:
            last = globals
            if id(globals) not in settled and id(globals) not in scopes and not _settles(globals):
                scopes[id(globals)] = globals
        frame = frame.f_back
    return held + [slot for globals in scopes.values() for slot in _slots_elsewhere(globals)] if scopes else held


def _within_reach(function: FunctionType, globals: dict[str, Any], owner: Any) -> list[Any]:
    """What the function may call: by a global name, from its closure, or as an attribute of its object."""
    found = list(map(globals.get, function.__code__.co_names))
    for cell in function.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # still empty
            continue
    if owner is not None:
        found += getattr(owner, "__dict__", {}).values()
    return found


def _settles(globals: dict[str, Any]) -> bool:
    """Are these the globals of a library, which are left alone?"""
    name = str(globals.get("__name__"))
    if name.partition(".")[0] not in KEEP:
        return False
    module = sys.modules.get(name)
    if module is not None:
        if vars(module) is not globals:
            return False
        _settled[id(globals)] = globals
    return True


def install(function: Any) -> Any:
    """Put the proxies in place for one trace more; returns what is to be called when it ends."""
    global _running
    if not namespace.REPLACED:
        namespace.fill()
    with _lock:
        if (len(sys.modules), sum(map(len, _dicts))) != _known:
            _look()
        found = _extra(function)
        _place(_slots + found if found else _slots)
        _running += 1
    return _remove


def _place(slots: list[Slot]) -> None:
    for globals, name, real, proxy in slots:
        if globals.get(name) is real:
            globals[name] = proxy
    if not _placed or _placed[-1] is not slots:
        _placed.append(slots)


def is_new(module: Any) -> bool:
    """Is this a user's module that was loaded since the trace began, by another thread or in the place of another?"""
    return _is_user(module) and id(vars(module)) not in _settled


def look_again() -> None:
    """In the middle of a trace, after an import: follow the modules that came, which may have taken proxies."""
    global _known
    with _lock:
        _put_back_copies(list(filter(is_new, list(sys.modules.values()))))
        _known = (-1, -1)  # as many modules need not be the same
        _look()
        _place([*_slots, scipy_names.DENSITIES, scipy_names.ANSWERS])
        scipy_names.place_methods()


def _remove() -> None:
    global _running
    with _lock:
        _running -= 1
        if _running:
            return
        for slots in _placed:
            for globals, name, real, proxy in slots:
                if globals.get(name) is proxy:
                    if real is None:  # a builtin, which had no name here
                        del globals[name]
                    else:
                        globals[name] = real
        _placed.clear()
        if (len(sys.modules), sum(map(len, _dicts))) != _known:
            _put_back_copies([m for m in list(sys.modules.values()) if _is_user(m)])


def _put_back_copies(modules: Iterable[ModuleType]) -> None:
    """A module that was imported meanwhile may have taken a proxy from one that was being traced."""
    real_of = {id(proxy): real for real, proxy in namespace.REPLACED.values()}
    for globals in map(vars, modules):
        for name, value in list(globals.items()):
            if id(value) in real_of and value is not real_of[id(value)]:
                globals[name] = real_of[id(value)]
