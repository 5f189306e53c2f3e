"""Text as it stands in a file -> numbers, yes/no values, dates or categories.

A file's cells are all text at first. What a column holds is decided over all of its values, never from the first few;
the same code with a Reading given reads a later file the way the first was read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from backpass.data.buffers import known_of, no_text, numbers_of, text_array
from backpass.data.dates import NEARLY_ALL, read_dates
from backpass.data.extra import arrow
from backpass.data.table import BOOLEAN_PAIRS, BOOLEAN_WORDS, Column, Reading, missing_column

MISSING = (
    "", "NA", "na", "N/A", "n/a", "n.a.", "#N/A", "<NA>", "NaN", "nan", "NAN", "-nan", "NaT", "null", "NULL", "Null",
    "nil", "None", "none", "NONE", "?", "-", "--", ".",
)  # fmt: skip
"""The texts that mean "no value", after spaces around them are dropped."""

FEW = 20
"""A text column of at most this many distinct texts is read as numbers or dates only if every value is one: with few
distinct texts the odd one out is more likely a category than a slip."""
MANY, DISTINCT = 0.8, 5
"""A column of text with this share of numbers or dates, and so many distinct ones, is told of: it may have a slip."""

_EXPONENT = r"(?:[eE][+-]?\d+)?"
_DIGITS = {
    "1,234.5": r"(?:[1-9]\d{0,2}(?:[,' ]\d{3})+(?:\.\d+)?|\d+(?:\.\d*)?|\.\d+)",
    "1.234,5": r"(?:[1-9]\d{0,2}(?:[.' ]\d{3})+(?:,\d+)?|\d+(?:,\d*)?|,\d+)",
}
STYLES = tuple(_DIGITS)
_CURRENCY = r"[$€£¥]"
_UNIT = r"%|[$€£¥]|[A-Za-zµ°Ω²³/]{1,6}"
_NUMBER = {
    style: rf"^(?P<sign>[+-]?)(?P<before>{_CURRENCY}?) ?(?P<digits>{digits}{_EXPONENT}) ?(?P<after>{_UNIT})?$"
    for style, digits in _DIGITS.items()
}
_DECIMAL_COMMA = r"^[+-]?\d+,\d+$|^[+-]?\d{1,3}(?:[.]\d{3})+,\d+$"


def clean(array: Any) -> Any:
    """An Arrow string array with spaces around values dropped and null wherever a text means "no value"."""
    pc = arrow("compute")
    array = pc.utf8_trim_whitespace(array)
    return pc.if_else(pc.is_in(array, value_set=text_array(MISSING)), no_text(), array)


def text_style(arrays: Sequence[Any], delimiter: str, readings: Iterable[Reading] = ()) -> str:
    """How a file writes its numbers: "1.234,5" when commas do not part its columns, and some column has decimal commas
    or is known to be written so."""
    pa, pc = arrow(), arrow("compute")
    if delimiter == ",":
        return STYLES[0]
    if any(reading.written == STYLES[1] for reading in readings):
        return STYLES[1]
    for array in arrays:
        if pa.types.is_string(array.type):
            sample = pc.utf8_trim_whitespace(array[:1000])
            if pc.any(pc.match_substring_regex(sample, _DECIMAL_COMMA)).as_py():
                return STYLES[1]
    return STYLES[0]


def typed_text(
    name: str, array: Any, reading: Reading | None, style: str, notes: list[str], drawn: bool = False
) -> Column:
    """The column that an Arrow string array holds: read as `reading` says, or as what it turns out to be.

    Tried in turn: numbers, dates, pairs of words such as yes/no, and text. Notes say what a reader might not expect;
    they name rows, where these are not `drawn` from more.
    """
    array, kind = clean(array), reading.kind if reading else None
    if array.null_count == len(array):
        return missing_column(name, kind or "number", len(array))
    if kind == "text":
        return _text(name, array)
    if kind == "boolean":
        return _text(name, array).as_kind("boolean")
    if kind in (None, "number"):
        column = _numbers(name, array, style, kind is not None, notes, drawn)
        if column is not None:
            return column
    if kind in (None, "time"):
        column = _dates(name, array, reading, notes, drawn)
        if column is not None:
            return column
    text = _text(name, array)
    if kind is not None:
        return text.as_kind(kind)
    return _boolean(text) or text


def _text(name: str, array: Any) -> Column:
    encoded = array.dictionary_encode()
    codes = numbers_of(encoded.indices, np.int32, -1)
    return Column(name, "text", codes, tuple(encoded.dictionary.to_pylist()))


def _boolean(text: Column) -> Column | None:
    """The boolean column of two words that are opposites; `levels` keeps the words as they were written."""
    if len(text.levels) != 2:
        return None
    words = {level.casefold(): level for level in text.levels}
    for pair in BOOLEAN_PAIRS:
        if set(words) == set(pair):
            values = np.array([*(BOOLEAN_WORDS[level.casefold()] for level in text.levels), np.nan], np.float32)
            return Column(text.name, "boolean", values[text.values], (words[pair[0]], words[pair[1]]))
    return None


def _numbers(name: str, array: Any, style: str, given: bool, notes: list[str], drawn: bool) -> Column | None:
    pa, pc = arrow(), arrow("compute")
    if not given and _is_code(array):
        notes.append(f"column '{name}' has values with leading zeros ({_example(array, '^0')}): read as text")
        return None
    if style == STYLES[0] or not pc.any(pc.match_substring(array, ".")).as_py():
        try:
            values = numbers_of(pc.cast(array, pa.float64()), np.float64, np.nan)
        except pa.ArrowInvalid:
            pass
        else:
            if not given and blurred(array, values):
                notes.append(f"column '{name}' has {BLURRED} ({_example(array)}): read as text")
                return None
            return (None if given else _compact_dates(name, array, values, notes)) or Column(name, "number", values)
    if not given and not any(re.search(r"\d", text) for text in array.drop_null()[:100].to_pylist()):
        return None
    best: tuple[int, str, np.ndarray, str] | None = None
    for candidate in (style, *(other for other in STYLES if other != style)):
        values, unit = _parse(array, candidate)
        count = int(np.isfinite(values).sum())
        if best is None or count > best[0]:
            best = (count, candidate, values, unit)
    assert best is not None
    count, used, values, unit = best
    known = len(array) - array.null_count
    slips = known - count
    foreign = np.isnan(values) & known_of(array)
    if not count or (slips and not given and (count < NEARLY_ALL * known or pc.count_distinct(array).as_py() <= FEW)):
        if count >= MANY * known and len(np.unique(values[np.isfinite(values)])) >= DISTINCT:
            notes.append(_mixed(name, array, foreign, "number", drawn))
        return None
    if slips:
        notes.append(_slips(name, array, foreign, "number", drawn))
    if unit:
        notes.append(f"column '{name}' holds numbers with '{unit}' ({_example(array)}): read as numbers")
    elif used != style:
        notes.append(f"column '{name}' writes its numbers like {used} ({_example(array, '[.,]')}): read as numbers")
    return Column(name, "number", values, unit=unit, written=used)


def _parse(array: Any, style: str) -> tuple[np.ndarray, str]:
    """float64 of shape (n,), NaN where a text is no number, and the unit that all of them share ("" for none)."""
    pa, pc = arrow(), arrow("compute")
    for space in ("\u00a0", "\u202f"):  # the no-break spaces that stand between thousands
        array = pc.replace_substring(array, space, " ")
    parts = pc.extract_regex(array, pattern=_NUMBER[style])
    sign, before, digits, after = (pc.struct_field(parts, [i]) for i in range(4))
    nothing = text_array([""])[0]
    unit = pc.binary_join_element_wise(before, after, nothing)
    units = pc.drop_null(pc.unique(unit))
    if len(units) > 1:  # not one unit throughout: only the plain numbers count
        sign, digits = (pc.if_else(pc.equal(unit, nothing), part, no_text()) for part in (sign, digits))
    digits = pc.replace_substring_regex(digits, r"[,' ]" if style == STYLES[0] else r"[.' ]", "")
    if style != STYLES[0]:
        digits = pc.replace_substring(digits, ",", ".")
    values = pc.cast(pc.binary_join_element_wise(sign, digits, nothing), pa.float64())
    return numbers_of(values, np.float64, np.nan), units[0].as_py() if len(units) == 1 else ""


EXACT = 2.0**53
BLURRED = "whole numbers of more digits than a number holds, such as identifiers"


def blurred(array: Any, values: np.ndarray) -> bool:
    """Whether float64 `values` do not tell whole numbers apart that differ in the Arrow array: beyond 2**53 it has
    not all of them."""
    with np.errstate(invalid="ignore"):
        large = np.abs(values) >= EXACT
    if not large.any() or np.isinf(values).any():
        return False
    told_apart = 1 + np.count_nonzero(np.diff(np.sort(values[~np.isnan(values)])))
    return bool(arrow("compute").count_distinct(array).as_py() > told_apart)


def _is_code(array: Any) -> bool:
    """Whether these are codes written with digits (post codes): one width, some with a leading zero."""
    pc = arrow("compute")
    if not pc.any(pc.match_substring_regex(array, r"^0\d+$")).as_py():
        return False
    widths = pc.unique(pc.utf8_length(array)).drop_null()
    return len(widths) == 1 and bool(pc.all(pc.ascii_is_decimal(array)).as_py())


def _compact_dates(name: str, array: Any, values: np.ndarray, notes: list[str]) -> Column | None:
    """Numbers such as 20240131 that are dates, every one of them."""
    known = values[~np.isnan(values)]
    if len(known) < 2 or known.min() < 19000101 or known.max() > 20991231 or known.min() == known.max():
        return None
    dates = read_dates(array, least=1.0)
    if dates is None:
        return None
    notes.append(f"column '{name}' holds dates such as {_example(array)} (year, month, day): read as dates")
    return Column(name, "time", dates.values, written=dates.format)


def _dates(name: str, array: Any, reading: Reading | None, notes: list[str], drawn: bool) -> Column | None:
    pc = arrow("compute")
    known = len(array) - array.null_count
    few = reading is None and known < 1e6 and pc.count_distinct(array).as_py() <= FEW
    dates = read_dates(
        array, least=0.0 if reading else 1.0 if few else NEARLY_ALL, prefer=reading.written if reading else ""
    )
    if dates is None:
        if few and known >= DISTINCT and (most := read_dates(array, least=MANY)) is not None:
            notes.append(_mixed(name, array, np.isnat(most.values) & known_of(array), "date", drawn))
        return None
    unread = np.isnat(dates.values) & known_of(array)
    if unread.any():
        notes.append(_slips(name, array, unread, "date", drawn))
    if dates.ambiguous:
        notes.append(f"column '{name}' is read as {dates.format} ({_example(array)}); day/month/year would fit as well")
    return Column(name, "time", dates.values, written=dates.format)


def _slips(name: str, array: Any, foreign: np.ndarray, noun: str, drawn: bool) -> str:
    count, known = int(foreign.sum()), len(array) - array.null_count
    are = f"is no {noun}" if count == 1 else f"are no {noun}s"
    return f"column '{name}': {count} of {known} values {are} ({_placed(array, foreign, drawn)}): taken as missing"


def _mixed(name: str, array: Any, foreign: np.ndarray, noun: str, drawn: bool) -> str:
    count, known = int(foreign.sum()), len(array) - array.null_count
    it = "it" if count == 1 else "them"
    return (
        f"column '{name}': {known - count} of {known} values are {noun}s, and the rest not "
        f"({_placed(array, foreign, drawn)}): all are read as categories. If that is a slip, mend or empty {it}, "
        "or drop the row"
    )


def _placed(array: Any, chosen: np.ndarray, drawn: bool) -> str:
    """The first three values that are chosen, quoted, with the number of their row."""
    rows = np.flatnonzero(chosen)
    told = [f"'{array[int(row)].as_py()}'" + ("" if drawn else f" in row {row + 1}") for row in rows[:3]]
    return ", ".join(dict.fromkeys(told)) + ", …" * (len(rows) > 3)


def _example(array: Any, pattern: str = "") -> str:
    """Up to three distinct values, quoted."""
    pc = arrow("compute")
    found = array.drop_null()
    if pattern:
        found = found.filter(pc.match_substring_regex(found, pattern))
    shown = found[:1000].unique()[:3].to_pylist()
    return ", ".join(f"'{text}'" for text in shown)
