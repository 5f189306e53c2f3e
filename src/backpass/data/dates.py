"""Dates and times written as text, read the way a person reads them.

`pyarrow.compute.strptime` is not used: it turns 31.02.2024 into 2 March (apache/arrow#31374). Instead a regular
expression takes a date apart, and NumPy's calendar says whether there is such a day.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from backpass.data.buffers import known_of, numbers_of
from backpass.data.extra import arrow

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
LONG_MONTHS = frozenset(
    ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november")
    + ("december",)
)
NEARLY_ALL = 0.95
"""The share of a column's values that must be readable for it to be numbers or dates; the rest is then missing."""

_CLOCK = r"(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:[.,](?P<f>\d{1,9}))?)? ?(?P<p>[AaPp][Mm])?"
_ZONE = r" ?(?P<z>Z|UTC|GMT|[+-]\d{2}:?\d{2})?"
_NAME = r"(?P<name>[A-Za-z]{3,9})\.?"
_WEEKDAY = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? )?"
FORMATS = {
    "year-month-day": r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})",
    "year-month": r"(?P<y>\d{4})[-/](?P<m>\d{1,2})",
    "day.month.year": r"(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4}|\d{2})",
    "month/day/year": r"(?P<m>\d{1,2})[/-](?P<d>\d{1,2})[/-](?P<y>\d{4}|\d{2})",
    "day/month/year": r"(?P<d>\d{1,2})[/-](?P<m>\d{1,2})[/-](?P<y>\d{4}|\d{2})",
    "day month year": _WEEKDAY + rf"(?P<d>\d{{1,2}})[ -]{_NAME},?[ -](?P<y>\d{{4}}|\d{{2}})",
    "month day, year": _WEEKDAY + rf"{_NAME} (?P<d>\d{{1,2}}),? (?P<y>\d{{4}})",
    "yearmonthday": r"(?P<y>(?:19|20)\d{2})(?P<m>\d{2})(?P<d>\d{2})",
}
PATTERNS = {name: rf"^{date}(?:(?:T|,? ){_CLOCK}{_ZONE})?$" for name, date in FORMATS.items()} | {
    "hour:minute": rf"^{_CLOCK}$"
}


class Dates(NamedTuple):
    """A text column read as dates: datetime64[us] of shape (n,), the format, and whether another fits as well."""

    values: np.ndarray
    format: str
    ambiguous: bool


def read_dates(texts: Any, least: float = NEARLY_ALL, prefer: str = "") -> Dates | None:
    """The dates of an Arrow string array, or None when fewer than the share `least` of its values are dates.

    Of several formats the one that reads most values is taken; on a tie the one named by `prefer`, else month/day
    before day/month, and then `ambiguous` is set. A time without a date falls on 1970-01-01. Zones are brought to UTC.

    >>> import pyarrow as pa
    >>> read_dates(pa.array(["31.01.2024", "1.2.2024 14:30", None])).values.astype("datetime64[m]").tolist()[1]
    datetime.datetime(2024, 2, 1, 14, 30)
    >>> read_dates(pa.array(["31.02.2024"])) is None
    True
    """
    pa, pc = arrow(), arrow("compute")
    known = len(texts) - texts.null_count
    first = texts.drop_null()[:20].to_pylist()
    order = sorted(PATTERNS, key=lambda name: name != prefer)
    formats = [name for name in order if any(re.match(PATTERNS[name], text) for text in first)]
    if not known or not formats:
        return None
    if "year-month-day" in formats:
        try:  # ISO 8601 without a zone: Arrow's own cast checks the calendar and is the quickest
            values = pc.cast(texts, pa.timestamp("us"))
            return Dates(numbers_of(values, "datetime64[us]", np.datetime64("NaT", "us")), "year-month-day", False)
        except pa.ArrowInvalid:
            pass
    read = {name: _read(texts, PATTERNS[name]) for name in formats}
    counts = {name: int((~np.isnat(values)).sum()) for name, values in read.items()}
    best = max(formats, key=lambda name: counts[name])
    if counts[best] < least * known or not counts[best]:
        return None
    ambiguous = best == "month/day/year" != prefer and counts.get("day/month/year") == counts[best]
    return Dates(read[best], best, ambiguous and bool(np.any(read[best] != read["day/month/year"])))


def _read(texts: Any, pattern: str) -> np.ndarray:
    """datetime64[us] of the texts that match the pattern and name a day that exists; NaT elsewhere."""
    pc = arrow("compute")
    struct = pc.extract_regex(texts, pattern=pattern)
    parts = {field.name: pc.struct_field(struct, [i]) for i, field in enumerate(struct.type)}
    n = len(texts)
    year, month, day = (_integers(parts.get(name), n, absent) for name, absent in (("y", 1970), ("m", 1), ("d", 1)))
    if "name" in parts:
        month = _translated(parts["name"], _month)
    if "y" in parts:
        short = numbers_of(pc.binary_length(parts["y"]), np.int32, 4) == 2
        year = np.where(short, year + np.where(year < 69, 2000, 1900), year)  # POSIX: 69-99 are 1969-1999
    months = (year - 1970) * 12 + month - 1
    days = months.astype("datetime64[M]").astype("datetime64[D]") + (day - 1)
    good = known_of(struct) & (month >= 1) & (month <= 12) & (day >= 1)
    good &= days.astype("datetime64[M]").astype(np.int64) == months
    hour, minute, second = (_integers(parts.get(name), n, 0) for name in "HMS")
    half = _translated(parts["p"], ("", "am", "pm").index)
    hour = np.where(half > 0, hour % 12 + 12 * (half == 2), hour)
    good &= (hour < 24) & (minute < 60) & (second < 60)
    micros = _integers(pc.utf8_slice_codeunits(pc.utf8_rpad(parts["f"], 6, "0"), 0, 6), n, 0) if "f" in parts else 0
    zone = _translated(parts["z"], _zone_minutes) if "z" in parts else 0
    ticks = ((hour * 60 + minute - zone) * 60 + second) * 1_000_000 + micros
    return np.where(good, days.astype("datetime64[us]") + ticks, np.datetime64("NaT", "us"))


def _integers(digits: Any, n: int, absent: int) -> np.ndarray:
    """int64 of texts of digits; 0 where a text is empty, `absent` where there is none."""
    if digits is None:
        return np.full(n, absent, np.int64)
    pa, pc = arrow(), arrow("compute")
    filled = pc.replace_substring_regex(digits, pattern="^$", replacement="0")
    return numbers_of(pc.cast(filled, pa.int64()), np.int64, absent)


def _translated(texts: Any, translate: Callable[[str], int]) -> np.ndarray:
    """int64 of texts of few kinds, each translated once in lower case; 0 where there is none."""
    encoded = arrow("compute").utf8_lower(texts).dictionary_encode()
    numbers = [translate(text) for text in encoded.dictionary.to_pylist()]
    return np.array([*numbers, 0], np.int64)[numbers_of(encoded.indices, np.int32, -1)]


def _month(name: str) -> int:
    """1 to 12 for the name of a month in lower case ('mar', 'march', 'sept'), 0 for anything else."""
    return MONTHS.index(name[:3]) + 1 if name in MONTHS or name == "sept" or name in LONG_MONTHS else 0


def _zone_minutes(zone: str) -> int:
    """The offset of a zone such as '+05:30' from UTC, in minutes; names and '' stand for UTC."""
    return int(f"{zone[0]}1") * (int(zone[1:3]) * 60 + int(zone[-2:])) if zone[:1] in ("+", "-") else 0
