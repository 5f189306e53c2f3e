"""Predictions for the rows of a file, written while it is read: neither has to fit into memory."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, TextIO

import numpy as np

from backpass.data.extra import arrow
from backpass.data.images import ImageStream
from backpass.data.prepare_large import merged
from backpass.data.source import open_source
from backpass.data.table import Table, number_text
from backpass.graph.errors import DataError

from .model import Model
from .stored import new_file

OTHER_ENDINGS = (
    ".xlsx", ".xls", ".ods", ".json", ".jsonl", ".feather", ".arrow", ".npy", ".npz", ".orc", ".bp", ".db",
)  # fmt: skip
"""Endings of formats that predictions are not written in."""

Block = dict[str, np.ndarray]
"""Columns of some rows: texts, values (float64) or probabilities (float32)."""


def predict_file(
    model: Model,
    file: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    probabilities: bool = False,
    fill_missing_columns: bool = False,
    stream: bool | None = None,
    notices: list[str] | None = None,
) -> int:
    """Predict the target of each row of a file, and write the predictions to another: CSV, or Parquet by its ending.

    The output is written whole or not at all. Returns how many rows it has.

    Args:
        probabilities: a column for the probability of each class, in place of the likeliest one's alone.
        fill_missing_columns: take columns that the file lacks as missing in every row.
        stream: read the file in pieces; by default from 100 MB on.
        notices: sentences about what was met are appended to it.

    Raises DataError where the file cannot be used or the output's ending means another format, OSError where the output
    cannot be written.
    """
    notes = [] if notices is None else notices
    ending = Path(output).suffix.lower()
    if ending in OTHER_ENDINGS:
        raise DataError(
            f"predictions are written as CSV or Parquet, and not as {ending}: name the output "
            f"{Path(output).with_suffix('.csv')} or {Path(output).with_suffix('.parquet')}"
        )
    blocks = predicted(model, file, probabilities, fill_missing_columns, stream, notes)
    with new_file(output) as place:
        if os.fspath(output).endswith((".parquet", ".pq")):
            return write_parquet(place, blocks)
        with open(place, "w", encoding="utf-8", newline="") as text:
            return write_csv(text, blocks)


def predicted(
    model: Model,
    file: str | os.PathLike[str],
    probabilities: bool = False,
    fill_missing_columns: bool = False,
    stream: bool | None = None,
    notices: list[str] | None = None,
) -> Iterator[Block]:
    """The predictions block by block; `notices` is complete when they are at their end. See `predict_file`."""
    notes = [] if notices is None else notices
    file = Path(file)
    prepare, target = model.require_table("use model.predict(X) in Python")
    if probabilities and model.task == "classification":
        model.require_probabilities()
    readings = prepare.readings
    found = open_source(file, readings, True if file.is_dir() else stream)
    notes += found.notices
    if isinstance(found, Table):
        tables: Iterable[Table] = [found]
    else:
        prepare.require(found.names(), found.source, fill_missing_columns)
        tables = found.tables(readings)
    images = found.files if isinstance(found, ImageStream) else None
    met: list[str] = []
    done = 0
    for table in tables:
        x = prepare.transform(table, met, fill_missing_columns)
        block: Block = {} if images is None else {"file": np.array(images[done : done + len(table)], object)}
        done += len(table)
        out = model.outputs(x)
        block[target.name] = model.decided(out)
        chances: Block = {}
        if probabilities and model.task == "classification":
            chances = {f"{target.name}={label}": out[:, k] for k, label in enumerate(model.classes)}
        elif model.gives == "probabilities":
            chances = {"probability": out.max(axis=1)}
        yield {**block, **{name: np.asarray(chance, np.float32) for name, chance in chances.items()}}
    notes += merged(met)


class _Cell(Protocol):
    def __call__(self, value: Any, /) -> str: ...


def _cell(values: np.ndarray) -> _Cell:
    """How a value of the column is written."""
    if values.dtype == np.float32:
        return lambda value: f"{value:.4f}"
    if values.dtype.kind == "f":
        return lambda value: number_text(float(f"{value:.7g}"))
    return str


def write_csv(file: TextIO, blocks: Iterable[Block]) -> int:
    """Write blocks as CSV; the number of rows."""
    writer, rows = csv.writer(file, lineterminator="\n"), 0
    for k, block in enumerate(blocks):
        if not k:
            writer.writerow(block)
        columns = [list(map(_cell(values), values.tolist())) for values in block.values()]
        writer.writerows(zip(*columns, strict=True))
        rows += len(columns[0])
    return rows


def write_parquet(path: str | os.PathLike[str], blocks: Iterable[Block]) -> int:
    """Write blocks as Parquet, a row group a block; the number of rows."""
    pa, parquet = arrow("", "writing Parquet"), arrow("parquet")
    writer, rows = None, 0
    try:
        for block in blocks:
            table = pa.table(
                {name: values.tolist() if values.dtype == object else values for name, values in block.items()},
            )
            writer = writer or parquet.ParquetWriter(path, table.schema)
            writer.write_table(table)
            rows += len(table)
    finally:
        if writer is not None:
            writer.close()
    return rows


__all__ = ["predict_file", "predicted", "write_csv", "write_parquet"]
