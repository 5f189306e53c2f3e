"""The column that each Arrow type becomes."""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass.data.buffers import numbers_of
from backpass.data.extra import arrow as pyarrow
from backpass.data.table import Column, Reading, Table, missing_column, number_type
from backpass.data.texts import BLURRED, blurred, text_style, typed_text
from backpass.graph.errors import DataError


def table_of(
    arrow: Any, source: str, readings: dict[str, Reading], delimiter: str = ",", notices: tuple[str, ...] = (),
    drawn: bool = False,
) -> Table:  # fmt: skip
    """The Table of an Arrow table; `readings` fixes how some columns are read, the others follow from their values.
    `drawn`: its rows are some of more, so that no notice names them by number.

    Nested and binary columns are left out, and a notice says so.
    """
    notes = list(notices)
    arrays = [_joined(name, chunks) for name, chunks in zip(arrow.column_names, arrow.columns, strict=True)]
    style = text_style(arrays, delimiter, readings.values())
    columns = []
    for name, array in zip(arrow.column_names, arrays, strict=True):
        column = _column(name, array, readings.get(name), style, notes, drawn)
        if column is not None:
            columns.append(column)
    return Table(tuple(columns), tuple(notes), source)


def _joined(name: str, chunks: Any) -> Any:
    """A column's chunks as one array, extension types and dictionaries taken off, texts of one Arrow type."""
    pa = pyarrow()
    try:
        array = chunks.combine_chunks()
        if isinstance(array.type, pa.BaseExtensionType):
            array = array.storage
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        return array.cast(pa.string()) if str(array.type) in ("large_string", "string_view") else array
    except pa.ArrowInvalid as error:  # 32-bit offsets
        raise DataError(f"column '{name}' holds more than 2 GB of text, which is too much for one column") from error


def _column(name: str, array: Any, reading: Reading | None, style: str, notes: list[str], drawn: bool) -> Column | None:
    pa, pc = pyarrow(), pyarrow("compute")
    is_a, kind_of = pa.types, array.type
    if len(array) == array.null_count:
        return missing_column(name, reading.kind if reading else "number", len(array))
    if is_a.is_string(kind_of):
        return typed_text(name, array, reading, style, notes, drawn)
    if is_a.is_boolean(kind_of):
        column = Column(
            name, "boolean", numbers_of(pc.cast(array, pa.float32()), np.float32, np.nan), ("false", "true")
        )
    elif is_a.is_integer(kind_of) or is_a.is_floating(kind_of) or is_a.is_decimal(kind_of):
        dtype = (
            np.float64
            if is_a.is_decimal(kind_of)
            else number_type(np.dtype("float16" if is_a.is_float16(kind_of) else str(kind_of)))
        )
        if is_a.is_integer(kind_of) and reading is not None and reading.kind == "text":
            return typed_text(name, pc.cast(array, pa.string()), reading, style, notes)
        arrow_type = pa.float32() if dtype == np.float32 else pa.float64()
        column = Column(name, "number", numbers_of(pc.cast(array, arrow_type, safe=False), dtype, np.nan))
        if reading is None and is_a.is_integer(kind_of) and blurred(array, column.values):
            notes.append(f"column '{name}' has {BLURRED}: read as text")
            return typed_text(name, pc.cast(array, pa.string()), Reading("text"), style, notes)
    elif is_a.is_timestamp(kind_of) or is_a.is_date(kind_of):
        zone = kind_of.tz if is_a.is_timestamp(kind_of) else None
        column = Column(name, "time", _times(pc.cast(array, pa.timestamp("us", zone), safe=False)))
    elif is_a.is_time(kind_of):
        column = Column(name, "time", _times(pc.cast(array, pa.time64("us"), safe=False)))
    elif is_a.is_duration(kind_of):
        micros = pc.cast(pc.cast(array, pa.duration("us"), safe=False), pa.int64())
        seconds = numbers_of(pc.cast(micros, pa.float64(), safe=False), np.float64, np.nan) / 1e6
        column = Column(name, "number", seconds, unit="s")
    else:
        notes.append(f"column '{name}' holds {kind_of} values, which cannot be learned from; it is left out")
        return None
    return column.as_kind(reading.kind) if reading else column


def _times(micros: Any) -> np.ndarray:
    """datetime64[us] of an Arrow array that counts microseconds from 1970."""
    return numbers_of(micros, "datetime64[us]", np.datetime64("NaT", "us"))
