"""Delimited text (CSV, TSV): which encoding, which delimiter, whether there is a header; pyarrow then parses it."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from collections.abc import Container
from typing import Any, NamedTuple

from backpass.data.arrow import table_of
from backpass.data.extra import arrow
from backpass.data.table import Reading, Table, listing, repeated
from backpass.data.texts import MISSING
from backpass.graph.errors import DataError

DELIMITERS = {"\t": "tabs", ";": "semicolons", "|": "bars", ",": "commas"}
"""In the order of preference: commas may stand inside the texts and numbers of files that other characters delimit."""

SAMPLE_ROWS = 200
MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_NUMBERLIKE = re.compile(r"^[+-]?[$€£]?(\d[\d,.' ]*|\.\d+)([eE][+-]?\d+)?\s*%?$|^[+-]?(inf|nan)$", re.I)


class Layout(NamedTuple):
    """How a delimited file is laid out: its column names and whether the first row holds them."""

    delimiter: str
    header: bool
    names: tuple[str, ...]


def read_delimited(
    raw: bytes,
    source: str,
    readings: dict[str, Reading],
    header: bool | None = None,
    known: Container[str] = (),
) -> Table:
    """The table in the bytes of a delimited text file; a notice says what was taken for granted. `known` are names that
    tell a header: a row with one of them in it is one.

    Raises DataError for text without columns or rows, rows of unequal length (with the line), names used twice, and
    quotes never closed.
    """
    csv_module = arrow("csv", f"reading {source}")
    notes: list[str] = []
    raw = _as_utf8(raw, source, notes)
    layout = layout_of(raw, source, header, notes, known)
    pa = arrow()
    names = list(layout.names)
    try:
        parsed = csv_module.read_csv(
            pa.py_buffer(raw),
            read_options=csv_module.ReadOptions(
                column_names=names, skip_rows_after_names=int(layout.header), block_size=1 << 24
            ),
            parse_options=csv_module.ParseOptions(delimiter=layout.delimiter, newlines_in_values=b'"' in raw),
            convert_options=csv_module.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        )
    except pa.ArrowInvalid as error:
        raise _parse_error(raw, layout, source, error) from error
    if parsed.num_rows == 0:
        raise DataError(f"{source} has a header ({listing(names)}) and no rows below it")
    if raw.count(b'"') % 2:
        _refuse_open_quote(raw, layout, source)
    return table_of(parsed, source, readings, layout.delimiter, tuple(notes))


def _as_utf8(raw: bytes, source: str, notes: list[str]) -> bytes:
    """The bytes as UTF-8 without a byte-order mark, whatever their encoding."""
    for mark, encoding in MARKS.items():
        if not raw.startswith(mark):
            continue
        raw = raw[len(mark) :]
        if encoding == "utf-8":
            break
        try:
            return raw.decode(encoding).encode()
        except UnicodeDecodeError as error:
            at = error.start + len(mark)
            raise DataError(f"{source} begins as {encoding} text and is damaged at byte {at}") from error
    control = sum(byte < 9 or 13 < byte < 32 for byte in raw[: 1 << 16])
    if 0 in raw[: 1 << 20] or control > len(raw[: 1 << 16]) * 0.02:
        raise DataError(
            f"{source} is neither text nor a format that can be read; give it as CSV, TSV, Parquet, Arrow, .npy or .npz"
        )
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(raw), 1 << 22):
            decoder.decode(raw[start : start + (1 << 22)])
        decoder.decode(b"", final=True)
        return raw
    except UnicodeDecodeError:
        pass
    try:
        text, spoken = raw.decode("cp1252"), "Windows-1252"
    except UnicodeDecodeError:
        text, spoken = raw.decode("latin-1"), "Latin-1"
    notes.append(f"{source} is not UTF-8; its letters are read as {spoken}")
    return text.encode()


def _rows(raw: bytes, delimiter: str) -> Any:
    """The standard library's reader over the file: slower than pyarrow's, and it knows its line (`line_num`)."""
    text = io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8", errors="replace", newline="")
    return csv.reader(text, delimiter=delimiter)


def layout_of(raw: bytes, source: str, header: bool | None, notes: list[str], known: Container[str]) -> Layout:
    head = raw[: 1 << 20]
    if len(raw) > len(head) and b"\n" in head:
        head = head[: head.rindex(b"\n")]
    samples = {}
    for delimiter in DELIMITERS:
        rows = (row for row in _rows(head, delimiter) if row)
        try:
            samples[delimiter] = list(itertools.islice(rows, SAMPLE_ROWS))
        except csv.Error as error:
            raise DataError(
                f"{source} has a field of more than {csv.field_size_limit()} characters among its first rows; "
                "is a quote opened there that is never closed?"
            ) from error
    if not samples[","]:
        raise DataError(f"{source} is empty")
    delimiter = _delimiter(samples)
    rows = [[cell.strip() for cell in row] for row in samples[delimiter]]
    first, rest = rows[0], rows[1:]
    named = any(cell in known for cell in first)
    has_header = named or _has_header(first, rest) if header is None else header
    if has_header and rest and all(len(row) == len(first) + 1 for row in rest):
        # Either each line but the header ends in a delimiter, or R's write.table gave the row names no header.
        first = [*first, ""] if all(row[-1] == "" for row in rest) else ["", *first]
    if not has_header:
        names = tuple(f"column_{i + 1}" for i in range(len(first)))
        if header is None:
            notes.append(f"{source} has no header (its first row: {listing(first, 3)}); columns: {listing(names, 3)}")
        return Layout(delimiter, False, names)
    names = tuple(name or f"column_{i + 1}" for i, name in enumerate(first))
    if twice := repeated(names):
        raise DataError(
            f"the header of {source} names more than one column {listing(twice)}; give each column a name of its own"
        )
    if not rest:
        raise DataError(f"{source} has a header ({listing(names)}) and no rows below it")
    return Layout(delimiter, True, names)


def _delimiter(samples: dict[str, list[list[str]]]) -> str:
    """The one under which most rows have as many fields as the first, more than one; commas when there is none."""
    best, best_share = ",", 0.0
    for delimiter, rows in samples.items():
        width = len(rows[0])
        share = sum(len(row) == width for row in rows) / len(rows) if width > 1 else 0.0
        if share > best_share:
            best, best_share = delimiter, share
    if not best_share:  # one column: its values may hold commas
        return next((each for each in (",", ";", "\t", "|") if all(len(row) == 1 for row in samples[each])), ",")
    return best


def _has_header(first: list[str], rest: list[list[str]]) -> bool:
    """Whether the first row names the columns.

    Each column votes: a text over numbers speaks for a header, a number over numbers against it; texts over texts and
    columns of the wrong length do not vote. A tie means a header, as does a first row that counts 0, 1, 2 or 1, 2, 3.
    """
    if first in ([str(i) for i in range(len(first))], [str(i + 1) for i in range(len(first))]):
        return len(first) > 1
    votes = 0
    for index, cell in enumerate(first):
        below = [row[index] for row in rest if len(row) > index and row[index] not in MISSING]
        numbers = sum(bool(_NUMBERLIKE.match(value)) for value in below)
        if below and numbers >= 0.9 * len(below):
            votes += -1 if _NUMBERLIKE.match(cell) else 1
        elif cell in below and len(set(below)) <= len(below) / 2:
            votes -= 1  # one of the column's own, repeated values
    return votes >= 0


def _parse_error(raw: bytes, layout: Layout, source: str, error: Exception) -> DataError:
    """What is wrong with the rows, found with the slower reader, which knows its line."""
    width, bad, first_bad = len(layout.names), 0, ""
    rows = _rows(raw, layout.delimiter)
    for row in rows:
        if row and len(row) != width:
            bad += 1
            if bad == 1:
                shown = layout.delimiter.join(row)
                first_bad = f"line {rows.line_num} has {len(row)} field{'s' * (len(row) != 1)}: {shown[:60]!r}"
    if not bad:
        return DataError(f"{source} cannot be read as text in columns: {error}")
    others = f" ({bad - 1} more such line{'s' * (bad > 2)})" if bad > 1 else ""
    where = "its header" if layout.header else "its first line"
    delimiters = DELIMITERS[layout.delimiter]
    return DataError(
        f"the rows of {source} differ in length: {where} has {width} field{'s' * (width != 1)} parted by {delimiters}, "
        f"{first_bad}{others}. Mend the line, or put quotes around fields that hold {delimiters}"
    )


def _refuse_open_quote(raw: bytes, layout: Layout, source: str) -> None:
    """An opened quote swallows the rest of the file without a word: it is found by the last row's many lines."""
    rows, before = _rows(raw, layout.delimiter), 0
    last: list[str] = []
    start = 1
    for row in rows:
        last, start, before = row, before + 1, rows.line_num
    if any("\n" in cell for cell in last):
        raise DataError(f"a quote that is opened in line {start} of {source} is never closed; close or remove it")
