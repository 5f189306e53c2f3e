"""`coverage`: which functions of NumPy and scipy.special have a derivative rule, which are refused, and why."""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from backpass.graph.op import FUNCTIONS, REFUSALS, UFUNCS, Kind

from .refusals import enter_late
from .special import scipy_op

RULE, DISCRETE, REFUSED, NO_ARRAY, UNKNOWN = "rule", "derivative 0", "refused", "takes no traced value", "not named"

_BY_FORM = (np.divmod, np.modf)
"""Taken apart where a ufunc's call is read (``functional.py``)."""

_CREATION = "makes an array; in a traced function one that takes traced values"
_STATE = "settings and facts of NumPy itself"
_FILES = "reads or writes a file or bytes"
_WORDS = "makes text or reads it"
_KINDS = "is about types or shapes"
_CALLS = "makes a function or a context, not an array"
_NUMPY = {
    "array asanyarray asarray asarray_chkfinite ascontiguousarray asfortranarray asmatrix require": _CREATION,
    "empty eye full identity ones tri zeros indices fromfunction diag_indices mask_indices "
    "tril_indices triu_indices bartlett blackman hamming hanning kaiser": _CREATION,
    "fromiter from_dlpack frombuffer fromfile fromregex fromstring genfromtxt load loadtxt": _FILES,
    "base_repr binary_repr format_float_positional format_float_scientific typename datetime_data": _WORDS,
    "broadcast_shapes isdtype issubdtype iterable mintypecode promote_types": _KINDS,
    "get_include get_printoptions getbufsize geterr geterrcall set_printoptions setbufsize seterr seterrcall "
    "show_config show_runtime test info": _STATE,
    "frompyfunc nested_iters printoptions": _CALLS,
    "row_stack": "an old name of np.vstack, which has a rule",
}
_PLACES = {
    "numpy": _NUMPY,
    "numpy.linalg": {"test": _STATE},
    "numpy.fft": {"fftfreq rfftfreq": _CREATION, "test": _STATE},
    "scipy.special": {},
}


@dataclass(frozen=True)
class Covered:
    """One function: its full name, how it stands, and the reason or the operation that carries its rule."""

    name: str
    status: str
    note: str = ""


def functions_of(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """The public functions of a module, by name: no classes, no modules; of scipy.special the ufuncs."""
    for name in sorted(dir(module)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = getattr(module, name, None)
        if name.startswith("_") or not callable(found) or inspect.isclass(found):
            continue
        if module.__name__ != "scipy.special" or isinstance(found, np.ufunc):
            yield name, found


def _covered(place: str, name: str, function: Any) -> Covered:
    full = f"{place}.{name}"
    op = UFUNCS.get(function)
    if op is not None:
        return Covered(full, DISCRETE if op.kind is Kind.DISCRETE else RULE, op.kinks)
    if function in FUNCTIONS or function in _BY_FORM:
        return Covered(full, RULE)
    if function in REFUSALS:
        return Covered(full, REFUSED, REFUSALS[function])
    for names, reason in _PLACES[place].items():
        if name in names.split():
            return Covered(full, NO_ARRAY, reason)
    return Covered(full, UNKNOWN)


class Coverage(tuple[Covered, ...]):
    """The rows of the table; ``counts()`` sums them up, ``markdown()`` and ``print`` write them out."""

    def counts(self) -> dict[str, int]:
        """How many functions stand how."""
        return {
            status: sum(row.status == status for row in self) for status in (RULE, DISCRETE, REFUSED, NO_ARRAY, UNKNOWN)
        }

    def __str__(self) -> str:
        width = max((len(row.name) for row in self), default=0)
        lines = [f"{row.name:<{width}}  {row.status}{': ' + row.note if row.note else ''}" for row in self]
        return "\n".join([*lines, ", ".join(f"{n} {status}" for status, n in self.counts().items() if n)])

    def untested(self, tested: Collection[str]) -> list[str]:
        """The names of functions with a rule, or with derivative 0, that are not among these."""
        return [row.name for row in self if row.status in (RULE, DISCRETE) and row.name not in tested]

    def markdown(self, tested: Collection[str] | None = None) -> str:
        """The table as a page: counts, then the functions of each module by how they stand.

        With `tested`, the full names of functions that are tested, it also counts the others."""
        places = [place for place in _PLACES if any(_place(row) == place for row in self)]
        page = [_HEAD.format(releases=_releases(places))]
        more = tested is not None
        page += [
            "| | rule | derivative 0 | refused | takes no traced value |" + " untested |" * more,
            "| --- | ---: | ---: | ---: | ---: |" + " ---: |" * more,
        ]
        for place in places:
            part = Coverage(row for row in self if _place(row) == place)
            counts = [part.counts()[status] for status in (RULE, DISCRETE, REFUSED, NO_ARRAY)]
            counts += [len(part.untested(tested))] if tested is not None else []
            page.append(f"| `{place}` | " + " | ".join(map(str, counts)) + " |")
        page += ["", _TESTED] if more else []
        for place in places:
            rows = [row for row in self if _place(row) == place]
            page.append(f"\n## {place}")
            for status, title in _TITLES.items():
                names = [row for row in rows if row.status == status]
                if names and status in (RULE, DISCRETE):
                    page += [f"\n**{title}** " + ", ".join(_short(row) for row in names) + "."]
                elif names:
                    page += [f"\n**{title}**\n", "| function | why |", "| --- | --- |"]
                    for note in dict.fromkeys(row.note for row in names):
                        page.append(f"| {', '.join(_short(row) for row in names if row.note == note)} | {note} |")
        return "\n".join(page) + "\n"


_TITLES = {
    RULE: "With a rule:",
    DISCRETE: "Whole numbers or truth values, derivative 0:",
    REFUSED: "Refused, and why:",
    NO_ARRAY: "Takes no traced value:",
    UNKNOWN: "Not named:",
}
_HEAD = """# Coverage

What each public function of NumPy, and each ufunc of `scipy.special`, does with a traced value. This page is what
`bp.coverage().markdown()` gives with {releases}; a test fails when it is out of date, or when NumPy has a
function that it does not name.
"""

_TESTED = """Tested is a function with a numerical sample in the test suite: its values are those of NumPy or SciPy, and
its derivatives in both modes those of differences or of the complex step. A test fails where a rule has no sample."""


def _place(row: Covered) -> str:
    return row.name.rpartition(".")[0]


def _releases(places: list[str]) -> str:
    """``NumPy 2.4 and SciPy 1.17``"""
    names = {"numpy": "NumPy", "scipy.special": "SciPy"}
    told = []
    for place in places:
        if place in names:
            release = importlib.import_module(place.partition(".")[0]).__version__
            told.append(f"{names[place]} {'.'.join(release.split('.')[:2])}")
    return " and ".join(told)


def _short(row: Covered) -> str:
    return f"`{row.name.rpartition('.')[2]}`"


def coverage() -> Coverage:
    """Every public function of numpy, numpy.linalg and numpy.fft, and every ufunc of scipy.special if SciPy is there.

    Each row has the function's `name`, a `status` ("rule", "derivative 0", "refused", "takes no traced value") and a
    `note`: the reason, or where the derivative is a choice.

    >>> import backpass as bp
    >>> table = {row.name: row for row in bp.coverage()}
    >>> table["numpy.linalg.svd"].status
    'rule'
    >>> print(table["numpy.packbits"].note)
    it works on the bits of whole numbers, which carry no derivative
    """
    rows = []
    for place in _PLACES:
        try:
            module = importlib.import_module(place)
        except ImportError:
            continue  # SciPy is not a dependency
        if place == "scipy.special":
            scipy_op(None)
        enter_late()
        rows += [_covered(place, name, function) for name, function in functions_of(module)]
    return Coverage(rows)


__all__ = ["Coverage", "Covered", "coverage"]
