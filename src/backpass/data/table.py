"""A table of named columns: what every data file becomes before anything is learned from it.

Vocabulary: a **column** has a **kind** (how its values are stored), maybe missing values, and, for text, **levels**
(the distinct texts). A **notice** is one sentence to the person whose data it is about something decided for them.

======= ======================================== ===================
kind    values                                   missing
======= ======================================== ===================
number  float32 or float64                       NaN
boolean float32, 0 or 1; levels = (false, true)  NaN
text    int32 index into levels                  -1
time    datetime64[us], UTC where zones are given NaT
image   uint8 (n, height, width[, 3])            none is
======= ======================================== ===================
"""

from __future__ import annotations

import datetime
import difflib
import functools
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np

from backpass.graph.errors import DataError

Kind = Literal["number", "boolean", "text", "time", "image"]
KIND_WORDS: dict[Kind, str] = {
    "number": "numbers", "boolean": "yes/no values", "text": "text", "time": "dates", "image": "images",
}  # fmt: skip


class Reading(NamedTuple):
    """How a column's texts are to be read: its kind, its unit and how it is written ("1.234,5", "day/month/year"; of
    images their shape, "32x32x3")."""

    kind: Kind
    unit: str = ""
    written: str = ""


@dataclass(frozen=True, eq=False)
class Column:
    """One named column of `n` values; see the module's table for what `values` holds for each kind.

    >>> age = Column("age", "number", np.array([31.0, np.nan, 54.0]))
    >>> len(age), age.missing.tolist()
    (3, [False, True, False])
    """

    name: str
    kind: Kind
    values: np.ndarray
    levels: tuple[str, ...] = ()
    unit: str = ""
    written: str = ""

    def __len__(self) -> int:
        return len(self.values)

    @property
    def missing(self) -> np.ndarray:
        """A boolean array of shape (n,): where there is no value."""
        if self.kind == "text":
            return self.values < 0
        if self.kind == "image":
            return np.zeros(len(self), bool)
        return np.isnat(self.values) if self.kind == "time" else np.isnan(self.values)

    def take(self, rows: np.ndarray) -> Column:
        """The same column at some rows (indices or a boolean mask); the levels stay."""
        return replace(self, values=self.values[rows])

    def texts(self) -> np.ndarray:
        """The values as people write them, an object array of shape (n,) with None where one is missing.

        >>> Column("n", "number", np.array([1.0, 2.5, np.nan])).texts().tolist()
        ['1', '2.5', None]
        """
        found = self.as_kind("text")
        return np.array([*found.levels, None], object)[found.values]

    def as_kind(self, kind: Kind) -> Column:
        """The same values as another kind; a value that cannot be converted becomes missing.

        Raises DataError when no value at all can be converted.

        >>> Column("zip", "number", np.array([1010.0, 8005.0])).as_kind("text").levels
        ('1010', '8005')
        >>> Column("n", "text", np.array([0, 1], np.int32), ("7", "x")).as_kind("number").values.tolist()
        [7.0, nan]
        """
        if kind == self.kind:
            return self
        convert = {
            ("number", "text"): _number_to_text, ("boolean", "text"): _boolean_to_text, ("time", "text"): _time_to_text,
            ("text", "number"): _text_to_number, ("text", "boolean"): _text_to_boolean, ("text", "time"): _text_to_time,
            ("boolean", "number"): lambda column: column.values, ("number", "boolean"): _number_to_boolean,
        }.get((self.kind, kind))  # fmt: skip
        if self.missing.all():
            return missing_column(self.name, kind, len(self))
        made = convert(self) if convert else None
        if made is None:
            raise DataError(
                f"column '{self.name}' holds {KIND_WORDS[self.kind]}, which cannot be read as {KIND_WORDS[kind]}"
            )
        values, levels = made if isinstance(made, tuple) else (made, ("false", "true") if kind == "boolean" else ())
        result = Column(self.name, kind, values, levels, self.unit if kind == "number" else "")
        if result.missing.all():
            shown = ", ".join(repr(text) for text in self.texts()[~self.missing][:3])
            raise DataError(f"column '{self.name}' should hold {KIND_WORDS[kind]}; none of its values is one: {shown}")
        return result


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of one length, where they came from, and the notices that reading them gave rise to.

    >>> table = Table.from_arrays({"age": [31, 54], "sex": ["f", "m"]})
    >>> table
    Table(2 rows, 2 columns: age (number), sex (text))
    """

    columns: tuple[Column, ...]
    notices: tuple[str, ...] = ()
    source: str = "the table"

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        twice = repeated(names)
        if twice:
            raise DataError(
                f"{self.source} has more than one column named {listing(twice)}; give each column a name of its own"
            )
        lengths = {column.name: len(column) for column in self.columns}
        if len(set(lengths.values())) > 1:
            raise DataError(f"the columns of {self.source} differ in length: {lengths}")

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def __repr__(self) -> str:
        kinds = ", ".join(f"{column.name} ({column.kind})" for column in self.columns[:8])
        more = f", {len(self.columns) - 8} more" if len(self.columns) > 8 else ""
        return f"Table({len(self)} rows, {len(self.columns)} columns: {kinds}{more})"

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @functools.cached_property
    def _places(self) -> dict[str, int]:
        """Where the column of each name is: a table may have tens of thousands."""
        return {column.name: place for place, column in enumerate(self.columns)}

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __getitem__(self, name: str) -> Column:
        """The column of that name; a DataError lists the columns and the nearest name when there is none.

        >>> Table.from_arrays({"weight": [2, 3]})["wieght"]
        Traceback (most recent call last):
            ...
        backpass.graph.errors.DataError: the table has no column 'wieght'; did you mean 'weight'? Its columns: 'weight'
        """
        place = self._places.get(name)
        if place is not None:
            return self.columns[place]
        near = nearest(name, self.names)
        hint = f"; did you mean '{near}'?" if near else "."
        raise DataError(f"{self.source} has no column '{name}'{hint} Its columns: {listing(self.names, 20)}")

    def take(self, rows: np.ndarray) -> Table:
        """The table at some rows (indices or a boolean mask)."""
        return replace(self, columns=tuple(column.take(rows) for column in self.columns))

    def without(self, names: Iterable[str]) -> Table:
        """The table without some of its columns (each must exist)."""
        gone = {self[name].name for name in names}
        return replace(self, columns=tuple(column for column in self.columns if column.name not in gone))

    def noted(self, *notices: str) -> Table:
        """The same table with more notices."""
        return replace(self, notices=self.notices + notices)

    def where_known(self, name: str) -> Table:
        """The rows whose column `name` has a value; a notice says how many were left out.

        >>> Table.from_arrays({"y": [1.0, np.nan, 3.0]}).where_known("y").notices
        ("1 of 3 rows has no value in 'y' and is left out",)
        """
        missing = self.unknown(name)
        count = int(missing.sum())
        if not count:
            return self
        if count == len(self):
            raise DataError(f"column '{name}' of {self.source} has no value in any of its {count} rows")
        verb = "has no value in '{}' and is" if count == 1 else "have no value in '{}' and are"
        return self.take(~missing).noted(f"{count} of {len(self)} rows {verb.format(name)} left out")

    def unknown(self, name: str) -> np.ndarray:
        """Which rows have no value in column `name`; of numbers, none that is finite."""
        column = self[name]
        return ~np.isfinite(column.values) if column.kind == "number" else column.missing

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], source: str = "the table") -> Table:
        """A table of NumPy arrays or lists, each of shape (n,): numbers, booleans, texts or dates; None is missing.
        uint8 of shape (n, height, width) or (n, height, width, 3) are images."""
        return cls(tuple(column_of(str(name), values) for name, values in arrays.items()), source=source)


def column_of(name: str, values: Any) -> Column:
    """The column that an array or a list of shape (n,) holds, by its dtype.

    >>> column_of("when", np.array(["2024-01-31"], "datetime64[D]")).kind
    'time'
    >>> column_of("sex", ["f", None, "m"]).levels
    ('f', 'm')
    """
    array = np.asarray(values) if not isinstance(values, (list, tuple)) else _from_list(list(values))
    if are_images(array):
        return Column(name, "image", array)
    if array.ndim != 1:
        raise DataError(f"column '{name}' must have one value a row; its array has shape {array.shape}")
    if array.dtype.kind == "O":
        array = _from_list(array.tolist())
    match array.dtype.kind:
        case "b":
            return Column(name, "boolean", array.astype(np.float32), ("false", "true"))
        case "i" | "u" | "f":
            return Column(name, "number", array.astype(number_type(array.dtype)))
        case "M":
            return Column(name, "time", array.astype("datetime64[us]"))
        case "m":
            return Column(name, "number", array / np.timedelta64(1, "s"))
        case "U" | "O":
            return text_column(name, array.tolist())
        case "S":
            return text_column(name, [text.decode("utf-8", "replace") for text in array.tolist()])
    raise DataError(f"column '{name}' has dtype {array.dtype}; numbers, booleans, texts and dates can be used")


LARGEST_SIDE = 512
"""Pixels a side of an image that a network takes at most."""


def are_images(array: np.ndarray) -> bool:
    """Whether an array holds images: uint8 of shape (n, height, width), or (n, height, width, 3) in colour."""
    shape = array.shape[1:]
    fits = len(shape) == 2 or (len(shape) == 3 and shape[2] == 3)
    return array.dtype == np.uint8 and fits and all(1 <= side <= LARGEST_SIDE for side in shape[:2])


def text_column(name: str, texts: list[str | None]) -> Column:
    """A column of texts; None and "" are missing."""
    codes: dict[str | None, int] = {None: -1, "": -1}
    for text in texts:
        if text not in codes:
            codes[text] = len(codes) - 2
    values = np.fromiter((codes[text] for text in texts), np.int32, len(texts))
    return Column(name, "text", values, tuple(str(text) for text in list(codes)[2:]))


def missing_column(name: str, kind: Kind, length: int) -> Column:
    """A column of some kind in which every value is missing."""
    if kind == "text":
        return Column(name, kind, np.full(length, -1, np.int32))
    if kind == "time":
        return Column(name, kind, np.full(length, "NaT", "datetime64[us]"))
    return Column(name, kind, np.full(length, np.nan, np.float32), ("false", "true") if kind == "boolean" else ())


def number_type(dtype: np.dtype) -> type[np.floating]:
    """float32 where it holds every value of `dtype` exactly, else float64."""
    return np.float32 if np.can_cast(dtype, np.float32) else np.float64


def number_text(value: float | np.floating) -> str:
    """A number as a person writes it: no '.0', no more digits than tell it apart.

    >>> number_text(3.0), number_text(np.float32(0.1)), number_text(1e20), number_text(-2.5)
    ('3', '0.1', '1e+20', '-2.5')
    """
    if abs(value) < 1e15 and value == int(value):
        return str(int(value))
    return str(value)  # the shortest digits of its own precision


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name most like `name`, whatever its case, or None when none is near."""
    by_case = {candidate.casefold(): candidate for candidate in names}
    found = difflib.get_close_matches(name.casefold(), list(by_case), n=1)
    return by_case[found[0]] if found else None


def listing(names: Iterable[str], most: int = 8) -> str:
    """Names quoted and joined by commas, the tail counted.

    >>> listing("abcd", 2)
    "'a', 'b' and 2 more"
    """
    names = list(names)
    shown = ", ".join(f"'{name}'" for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def repeated(names: Iterable[str]) -> list[str]:
    """The names that stand there more than once.

    >>> repeated(["a", "b", "a"])
    ['a']
    """
    return sorted(name for name, count in Counter(names).items() if count > 1)


def counted(number: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "epoch"), counted(2500, "epoch")
    ('1 epoch', '2,500 epochs')
    """
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _from_list(values: list[Any]) -> np.ndarray:
    """The typed array of a list of Python values, in which None is missing."""
    known = [value for value in values if value is not None and value == value]
    if all(isinstance(value, str) for value in known):
        return np.array([value if isinstance(value, str) else None for value in values], object)
    if any(isinstance(value, datetime.date) or type(value) is np.datetime64 for value in known):
        return np.array([value if value == value else None for value in values], "datetime64[us]")
    if all(isinstance(value, (bool, np.bool_)) for value in known) and len(known) == len(values):
        return np.array(values, bool)
    if all(isinstance(value, (bool, int, float, np.bool_, np.integer, np.floating)) for value in known):
        return np.array([np.nan if value is None else value for value in values], np.float64)
    return np.array([None if value is None or value != value else str(value) for value in values], object)


def _number_to_text(column: Column) -> tuple[np.ndarray, tuple[str, ...]]:
    missing = column.missing
    found, codes = np.unique(np.where(missing, column.values.dtype.type(0), column.values), return_inverse=True)
    return np.where(missing, -1, codes).astype(np.int32), tuple(number_text(value) for value in found)


def _boolean_to_text(column: Column) -> tuple[np.ndarray, tuple[str, ...]]:
    return np.where(column.missing, -1, column.values).astype(np.int32), column.levels


def _time_to_text(column: Column) -> tuple[np.ndarray, tuple[str, ...]]:
    found, codes = np.unique(column.values, return_inverse=True)
    unit = "D" if np.array_equal(found.astype("datetime64[D]"), found, equal_nan=True) else "s"
    return np.where(column.missing, -1, codes).astype(np.int32), tuple(np.datetime_as_string(found, unit).tolist())


def _by_level(column: Column, convert: Any, missing: Any, dtype: str) -> np.ndarray:
    """Each level converted once (or missing where it cannot be), then looked up by row."""
    found = []
    for level in column.levels:
        try:
            found.append(convert(level))
        except (ValueError, KeyError):
            found.append(missing)
    return np.array([*found, missing], dtype)[column.values]


def _text_to_number(column: Column) -> np.ndarray:
    return _by_level(column, float, np.nan, "float64")


def _text_to_time(column: Column) -> np.ndarray:
    return _by_level(column, lambda level: np.datetime64(level, "us"), np.datetime64("NaT", "us"), "datetime64[us]")


def _text_to_boolean(column: Column) -> np.ndarray:
    return _by_level(column, lambda level: BOOLEAN_WORDS[level.casefold()], np.nan, "float32")


def _number_to_boolean(column: Column) -> np.ndarray:
    return np.where((column.values == 0) | (column.values == 1), column.values, np.nan).astype(np.float32)


BOOLEAN_PAIRS = (("false", "true"), ("no", "yes"), ("n", "y"), ("f", "t"), ("off", "on"))
BOOLEAN_WORDS = {word: value for pair in (*BOOLEAN_PAIRS, ("0", "1")) for value, word in enumerate(pair)}
