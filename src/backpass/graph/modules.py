"""While a trace runs, the modules of user code see the `numpy` and `math` of namespace.py.

The globals of these modules that are numpy, math or one of their functions are exchanged when the first trace begins
and put back when the last one ends, whether it ended well or not. A thread that traces nothing sees the proxies too,
but each function of theirs first asks whether its own thread is tracing. Compiled modules keep the real NumPy, which
they may call past every check, and so do the standard library and large libraries with compiled parts.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from types import FrameType, FunctionType, ModuleType
from typing import Any

import numpy as np

from . import namespace, stand_ins

_LIBRARIES = """
numpy scipy backpass pandas matplotlib sklearn skimage torch jax jaxlib tensorflow numba llvmlite pyarrow polars xarray
dask IPython ipykernel pytest _pytest pluggy xdist execnet hypothesis sympy PIL cv2 networkx h5py click rich
safetensors cupy autograd statsmodels plotly bokeh sqlalchemy pip setuptools pkg_resources
"""
KEEP = frozenset(sys.stdlib_module_names - {"__main__"}) | frozenset(_LIBRARIES.split())
"""Packages whose modules are left alone."""
_COMPILED = (".so", ".pyd", ".dylib")
_GENERATED = ("cython_runtime", "_cython_", "_distutils_hack", "_sysconfigdata_")
"""Modules that nobody wrote begin like this."""

Slot = tuple[dict[str, Any], str, Any, Any]
"""Globals, a name in them, NumPy's object of that name, and its proxy."""

_lock = threading.RLock()
_running = 0
_known: tuple[int, int] = (-1, -1)
_dicts: list[dict[str, Any]] = []
_settled: dict[int, dict[str, Any]] = {}
"""id → globals of a module: the user's, whose slots are in `_slots`, and those of libraries that were met."""
_slots: list[Slot] = []
_placed: list[list[Slot]] = []
_CALLED = {"isinstance": re.compile(rb"\bisinstance\b"), "type": re.compile(rb"\btype\s*\(")}
_asking: dict[str, list[str]] = {}
_DEPTH = range(40)
"""How many callers are looked at."""


def _is_user(module: Any) -> bool:
    if not isinstance(module, ModuleType) or isinstance(module, namespace.Namespace):
        return False
    name = module.__dict__.get("__name__")
    if not isinstance(name, str) or name.partition(".")[0] in KEEP or name.startswith(_GENERATED):
        return False
    file = module.__dict__.get("__file__")
    return not (isinstance(file, str) and file.endswith(_COMPILED))


def _slots_of(globals: dict[str, Any]) -> list[Slot]:
    replaced = namespace.REPLACED
    found = []
    for name, value in list(globals.items()):
        known = replaced.get(id(value))
        if known is not None and known[0] is value:
            found.append((globals, name, value, known[1]))
        elif type(value).__name__ == "CPUDispatcher" and hasattr(value, "py_func"):
            found.append((globals, name, value, namespace.dispatcher(value)))
        elif type(value) is FunctionType and "dispatch" in value.__dict__ and "registry" in value.__dict__:
            found.append((globals, name, value, stand_ins.dispatched(value)))
        elif type(value) is np.vectorize:
            found.append((globals, name, value, stand_ins.Vectorized(value)))
    found += [(globals, name, None, stand_ins.BUILTINS[name]) for name in _asked(globals) if name not in globals]
    return found


def _asked(globals: dict[str, Any]) -> Iterable[str]:
    """The builtins about classes that this code may call. Its file tells; a new name among its globals, put there and
    taken away for each trace, would make Python look up all others anew, so it goes only where it is needed."""
    file = globals.get("__file__")
    if not isinstance(file, str) or (globals.get("__name__") == "__main__" and hasattr(sys, "ps1")):
        return stand_ins.BUILTINS
    found = _asking.get(file)
    if found is None:
        try:
            text = Path(file).read_bytes()
            found = [name for name, call in _CALLED.items() if call.search(text)]
        except OSError:
            found = list(stand_ins.BUILTINS)
        _asking[file] = found
    return found


def _look() -> None:
    """Find the user's modules again when some were imported, and their slots when some have new names."""
    global _known, _dicts, _settled, _slots
    modules, names = len(sys.modules), sum(map(len, _dicts))
    if modules != _known[0]:
        namespace.follow()
        _dicts = [vars(module) for module in list(sys.modules.values()) if _is_user(module)]
        _settled = {id(globals): globals for globals in _dicts}
        names = sum(map(len, _dicts))
    _slots = [slot for globals in _dicts for slot in _slots_of(globals)]
    _known = modules, names


def _extra(function: Any) -> list[Slot]:
    """Slots in globals that are no module's: code that was made by exec, as a notebook's or a document's is."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    if function.__class__ is not FunctionType:
        function = getattr(function, "func", function)
        function = getattr(function, "__func__", function)
    found: list[Slot] = []
    globals = getattr(function, "__globals__", None)
    if globals is not None and id(globals) not in _settled and not _settles(globals):
        found += _slots_of(globals)
    frame: FrameType | None = sys._getframe(5)  # above install, tracing, and two more of this package
    settled = _settled
    for _ in _DEPTH:
        if frame is None:
            break
        globals = frame.f_globals
        if id(globals) not in settled and not _settles(globals) and all(slot[0] is not globals for slot in found):
            found += _slots_of(globals)
        frame = frame.f_back
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
        slots = _slots + found if found else _slots
        for globals, name, real, proxy in slots:
            if globals.get(name) is real:
                globals[name] = proxy
        if not _placed or _placed[-1] is not slots:
            _placed.append(slots)
        _running += 1
    return _remove


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
            _put_back_copies()


def _put_back_copies() -> None:
    """A module that was imported meanwhile may have taken a proxy from one that was being traced."""
    real_of = {id(proxy): real for real, proxy in namespace.REPLACED.values()}
    for module in list(sys.modules.values()):
        if _is_user(module):
            globals = vars(module)
            for name, value in list(globals.items()):
                if id(value) in real_of and value is not real_of[id(value)]:
                    globals[name] = real_of[id(value)]
