"""Delimited text (CSV, TSV): which encoding, which delimiter, whether there is a header; pyarrow then parses it."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Container, Iterator
from typing import NamedTuple

from backpass.data.arrow import table_of
from backpass.data.extra import arrow
from backpass.data.table import Reading, Table, counted, listing, repeated
from backpass.data.texts import MISSING
from backpass.graph.errors import DataError

DELIMITERS = {"\t": "tabs", ";": "semicolons", "|": "bars", ",": "commas"}
"""In the order of preference: commas may stand inside the texts and numbers of files that other characters delimit."""

SAMPLE_ROWS = 200
MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_NUMBERLIKE = re.compile(r"^[+-]?[$€£]?(\d[\d,.' ]*|\.\d+)([eE][+-]?\d+)?\s*%?$|^[+-]?(inf|nan)$", re.I)


MOST_LEADING = 20
"""Lines above a table (a title, remarks) that are passed over at most."""


class Layout(NamedTuple):
    """How a delimited file is laid out: its column names and whether the first row holds them, below `skip` lines that
    are no rows of the table."""

    delimiter: str
    header: bool
    names: tuple[str, ...]
    skip: int = 0


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
    raw = _spaces_as_tabs(_as_utf8(raw, source, notes), source, notes)
    layout = layout_of(raw, source, header, notes, known)
    pa = arrow()
    names = list(layout.names)
    try:
        parsed = csv_module.read_csv(
            pa.py_buffer(raw),
            read_options=csv_module.ReadOptions(
                column_names=names,
                skip_rows=layout.skip,
                skip_rows_after_names=int(layout.header),
                block_size=1 << 24,
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
    even, odd = raw[: 1 << 16 : 2], raw[1 : 1 << 16 : 2]
    for encoding, zeros, letters in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if zeros and zeros.count(0) > 0.7 * len(zeros) and letters.count(0) < 0.1 * len(letters):
            try:
                text = raw.decode(encoding)
            except UnicodeDecodeError:
                break
            notes.append(f"{source} is not UTF-8; its letters are read as UTF-16")
            return text.encode()
    control = sum(byte < 9 or 13 < byte < 32 for byte in raw[: 1 << 16])
    zero = raw.find(b"\0", 0, 1 << 20)
    if zero >= 0 and control <= 0.02 * len(raw[: 1 << 16]):
        raise DataError(
            f"{source} has a zero byte in line {raw.count(bytes([10]), 0, zero) + 1}, which text never has; was it "
            "damaged in copying? Copy it again, or take the byte out"
        )
    if zero >= 0 or control > len(raw[: 1 << 16]) * 0.02:
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


def _spaces_as_tabs(raw: bytes, source: str, notes: list[str]) -> bytes:
    """The text with tabs between its columns, where runs of spaces stand there in every line."""
    if not parted_by_spaces(raw[: 1 << 16]):
        return raw
    notes.append(f"{source} parts its columns by spaces")
    return re.sub(rb" +", b"\t", re.sub(rb"(?m)^ +| +(?=\r?$)", b"", raw))


def parted_by_spaces(head: bytes) -> bool:
    """Whether text has as many words in every line, two at least, nothing else between them, and a column of numbers.

    >>> parted_by_spaces(b"a b c\\n1  2 x\\n3  4 y\\n"), parted_by_spaces(b"New York\\nSan Diego\\n")
    (True, False)
    """
    if re.search(rb"[,;\t|\"]", head):
        return False
    lines = [line.split() for line in head.decode("utf-8", "replace").splitlines()[:SAMPLE_ROWS] if line.strip()]
    if len(lines) < 3 or len(lines[0]) < 2 or len({len(line) for line in lines[:-1]}) > 1:
        return False
    return any(all(_NUMBERLIKE.match(line[k]) for line in lines[1:-1]) for k in range(len(lines[0])))


def _rows(raw: bytes, delimiter: str, skip: int = 0) -> Iterator[tuple[list[str], int, int]]:
    """(row, its first line, its last line) by the standard library's reader: slower than pyarrow's, and it knows its
    lines. Empty lines are left out."""
    text = io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8", errors="replace", newline="")
    rows = csv.reader(itertools.islice(text, skip, None), delimiter=delimiter)
    before = skip
    for row in rows:
        if row:
            yield row, before + 1, rows.line_num + skip
        before = rows.line_num + skip


def layout_of(raw: bytes, source: str, header: bool | None, notes: list[str], known: Container[str]) -> Layout:
    head = raw[: 1 << 20]
    if len(raw) > len(head) and b"\n" in head:
        head = head[: head.rindex(b"\n")]
    samples = {}
    for delimiter in DELIMITERS:
        try:
            samples[delimiter] = list(itertools.islice(_rows(head, delimiter), SAMPLE_ROWS))
        except csv.Error as error:
            raise DataError(
                f"{source} has a field of more than {csv.field_size_limit()} characters among its first rows; "
                "is a quote opened there that is never closed?"
            ) from error
    if not samples[","]:
        raise DataError(f"{source} is empty")
    leading = {each: _leading([row for row, _, _ in rows]) for each, rows in samples.items()}
    delimiter = _delimiter({each: [row for row, _, _ in rows[leading[each] :]] for each, rows in samples.items()})
    above, below = samples[delimiter][: leading[delimiter]], samples[delimiter][leading[delimiter] :]
    skip = below[0][1] - 1
    if above:
        shown = listing([" ".join(filter(None, row)) for row, _, _ in above], 2)
        lines = f"line of {source} is no row" if len(above) == 1 else f"{len(above)} lines of {source} are no rows"
        notes.append(f"the first {lines} of the table ({shown}): left out")
    rows = [[cell.strip() for cell in row] for row, _, _ in below]
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
        return Layout(delimiter, False, names, skip)
    names = tuple(name or f"column_{i + 1}" for i, name in enumerate(first))
    if twice := repeated(names):
        raise DataError(
            f"the header of {source} names more than one column {listing(twice)}; give each column a name of its own"
        )
    if not rest:
        raise DataError(f"{source} has a header ({listing(names)}) and no rows below it")
    return Layout(delimiter, True, names, skip)


def _leading(rows: list[list[str]]) -> int:
    """How many of the first rows are a title, remarks or ``sep=;`` above the table: they have one field, begin with #
    and are of another length than the rows, or have one field that says something above a row of names.

    >>> _leading([["# 2024"], ["a", "b"], ["1", "2"], ["3", "4"]]), _leading([["a", "b"], ["1", "2"]])
    (1, 0)
    """
    if rows and re.fullmatch(r"sep=.?", rows[0][0].strip(), re.I):
        return 1
    (width, count), *_ = Counter(map(len, rows)).most_common(1) or [(0, 0)]
    if width < 2:
        return 0
    found = padded = 0
    for row in rows[: MOST_LEADING + 1]:
        said = sum(bool(cell.strip()) for cell in row)
        if len(row) == width and said > 1:
            break
        if not (len(row) == 1 or row[0].lstrip().startswith("#") or said <= 1):
            return 0
        padded += len(row) == width
        found += 1
    if found > min(MOST_LEADING, len(rows) - 2) or count - padded < 0.9 * (len(rows) - found):
        return 0
    names = rows[found]
    named = all(cell.strip() and not _NUMBERLIKE.match(cell.strip()) for cell in names)
    return found if named or not padded else 0


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
    for row, start, end in _rows(raw, layout.delimiter, layout.skip):
        if len(row) != width:
            bad += 1
            if bad == 1:
                shown = layout.delimiter.join(row)
                if end - start > 5:  # more likely a slip than a text of many lines
                    return DataError(
                        f"a quote that is opened in line {start} of {source} is closed in line {end}, and these "
                        f"{counted(end - start + 1, 'line')} are no row of {counted(width, 'field')}: "
                        f"{shown[:60]!r}. Close or remove the quote"
                    )
                where = f"line {start} has" if start == end else f"lines {start} to {end} have"
                first_bad = f"{where} {counted(len(row), 'field')}: {shown[:60]!r}"
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
    last: list[str] = []
    start = 1
    for row, first, _ in _rows(raw, layout.delimiter, layout.skip):
        last, start = row, first
    if any("\n" in cell for cell in last):
        raise DataError(f"a quote that is opened in line {start} of {source} is never closed; close or remove it")
