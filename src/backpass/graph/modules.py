"""While a trace runs, the modules of user code see the `numpy` and `math` of namespace.py.

The globals of these modules that are numpy, math or one of their functions are exchanged when the first trace begins
and put back when the last one ends, whether it ended well or not. A thread that traces nothing sees the proxies too,
but each function of theirs first asks whether its own thread is tracing. Compiled modules keep the real NumPy, which
they may call past every check, and so do the standard library and large libraries with compiled parts.
"""

from __future__ import annotations

import sys
import threading
from types import ModuleType
from typing import Any

from . import namespace

_LIBRARIES = """
numpy scipy backpass pandas matplotlib sklearn skimage torch jax jaxlib tensorflow numba llvmlite pyarrow polars xarray
dask IPython ipykernel pytest _pytest pluggy xdist execnet hypothesis sympy PIL cv2 networkx h5py click rich
safetensors cupy statsmodels plotly bokeh sqlalchemy pip setuptools pkg_resources
"""
KEEP = frozenset(sys.stdlib_module_names - {"__main__"}) | frozenset(_LIBRARIES.split())
"""Packages whose modules are left alone."""
_COMPILED = (".so", ".pyd", ".dylib")

_lock = threading.RLock()
_running = 0
_known: tuple[int, int] = (-1, -1)
_dicts: list[dict[str, Any]] = []
_ids: set[int] = set()
_slots: list[tuple[dict[str, Any], str, Any, Any]] = []
_placed: list[tuple[dict[str, Any], str, Any, Any]] = []


def _is_user(module: Any) -> bool:
    if not isinstance(module, ModuleType) or isinstance(module, namespace.Namespace):
        return False
    name = module.__dict__.get("__name__")
    if not isinstance(name, str) or name.partition(".")[0] in KEEP:
        return False
    file = module.__dict__.get("__file__")
    return not (isinstance(file, str) and file.endswith(_COMPILED))


def _slots_of(globals: dict[str, Any]) -> list[tuple[dict[str, Any], str, Any, Any]]:
    replaced = namespace.REPLACED
    found = []
    for name, value in list(globals.items()):
        known = replaced.get(id(value))
        if known is not None and known[0] is value:
            found.append((globals, name, value, known[1]))
        elif type(value).__name__ == "CPUDispatcher" and hasattr(value, "py_func"):
            found.append((globals, name, value, namespace.dispatcher(value)))
    return found


def _look() -> None:
    """Find the user's modules again when some were imported, and their slots when some have new names."""
    global _known, _dicts, _ids, _slots
    modules = len(sys.modules)
    if modules != _known[0]:
        _dicts = [vars(module) for module in list(sys.modules.values()) if _is_user(module)]
        _ids = set(map(id, _dicts))
    names = sum(map(len, _dicts))
    if (modules, names) != _known:
        _slots = [slot for globals in _dicts for slot in _slots_of(globals)]
        _known = modules, names


def _extra(function: Any) -> list[dict[str, Any]]:
    """Globals that are no module's: code that was made by exec, as a notebook's or a document's is."""
    found: dict[int, dict[str, Any]] = {}
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    function = getattr(function, "func", function)
    frame = sys._getframe(2)
    seen = [getattr(getattr(function, "__func__", function), "__globals__", None)]
    for _ in range(40):
        if frame is None:
            break
        seen.append(frame.f_globals)
        frame = frame.f_back
    for globals in seen:
        if globals is None or id(globals) in _ids or id(globals) in found:
            continue
        name = str(globals.get("__name__"))
        if name.partition(".")[0] in KEEP:
            module = sys.modules.get(name)
            if module is None or vars(module) is globals:
                continue
        found[id(globals)] = globals
    return list(found.values())


def install(function: Any) -> Any:
    """Put the proxies in place for one trace more; returns what is to be called when it ends."""
    global _running
    if not namespace.REPLACED:
        namespace.fill()
    with _lock:
        _look()
        slots = _slots
        for globals in _extra(function):
            slots = slots + _slots_of(globals)
        for slot in slots:
            globals, name, real, proxy = slot
            if globals.get(name) is real:
                globals[name] = proxy
                _placed.append(slot)
        _running += 1
    return _remove


def _remove() -> None:
    global _running
    with _lock:
        _running -= 1
        if _running:
            return
        for globals, name, real, proxy in _placed:
            if globals.get(name) is proxy:
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
