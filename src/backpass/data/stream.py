"""A data file in pieces: one larger than memory is read block by block, each block a Table of its own.

What a column holds is decided once, over a sample of rows drawn evenly from the whole file (`survey`); every block is
then read that way.
"""

from __future__ import annotations

import codecs
import contextlib
import os
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backpass.data.arrow import table_of
from backpass.data.delimited import DELIMITERS, MARKS, Layout, layout_of, parted_by_spaces
from backpass.data.extra import arrow
from backpass.data.table import Kind, Reading, Table, counted
from backpass.graph.errors import DataError

LARGE = 100_000_000
"""Bytes from which a file is read in pieces: read whole, its text, its values and its features would lie in memory
together, five times its size."""

BLOCK = 1 << 22
"""Bytes of text in a block."""

ROWS = 1 << 16
"""Rows in a block of a Parquet or NumPy file."""

SAMPLE = 50_000
"""Rows over which it is decided what columns hold."""

MOST_CLASSES = 1000
"""Different values of the target up to which the sample holds a row of each."""

Blocks = Generator[Any, None, None]
"""Arrow tables, one after another."""


def is_large(path: str | os.PathLike[str]) -> bool:
    """Whether a file is to be read in pieces: its values take more than `LARGE` bytes."""
    path = Path(path)
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            start = file.read(8)
    except OSError:
        return False
    if start.startswith((b"PAR1", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"PK\x03\x04")):
        size *= 4  # about what compression saves
    return size > LARGE and not path.is_dir()


@dataclass(frozen=True)
class Survey:
    """What one pass over a file found: its number of rows, a sample of them, and how each column is to be read."""

    rows: int
    sample: Table
    readings: dict[str, Reading]


class Stream:
    """A file of rows: CSV and TSV (also gzip, bzip2, xz), Parquet, Arrow, Feather and two-dimensional .npy.

    `kinds` and `names` as in `read_table`. Raises DataError where the file cannot be read in pieces.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        kinds: Mapping[str, Kind | Reading] | None = None,
        names: Iterable[str] = (),
    ):
        self.path = Path(path)
        self.source = self.path.name
        self.fixed = {n: k if isinstance(k, Reading) else Reading(k) for n, k in (kinds or {}).items()}
        self.known = {*self.fixed, *names}
        self.notices: list[str] = []
        self.delimiter = ","
        self.quoted = self.surveyed = False
        arrow("", f"reading {self.source}")
        with open(self.path, "rb") as file:
            start = file.read(8)
        if start.startswith(b"PAR1"):
            self.blocks = self._parquet
        elif start.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
            self.blocks = self._arrow
        elif start.startswith(b"\x93NUMPY"):
            self.blocks = self._npy
        elif start.startswith((b"PK\x03\x04", b"FEA1")):
            raise DataError(f"{self.source} is too large to be read at once; write it as .npy, Parquet or CSV")
        else:
            self.layout, self.encoding = self._text_layout()
            self.delimiter = self.layout.delimiter
            self.blocks = self._delimited

    # ---- blocks of each kind of file
    def _text_layout(self) -> tuple[Layout, str]:
        """How the text is laid out, from its first megabyte, and its encoding, from all of it."""
        encoding = "utf-8"
        with self._bytes() as file:
            head = _read(file, 1 << 20, self.source)
            for mark, name in MARKS.items():
                if head.startswith(mark) and name != "utf-8":
                    raise DataError(f"{self.source} is too large to be read at once, and is {name}; write it as UTF-8")
            decoder, part = codecs.getincrementaldecoder("utf-8")(), head
            try:
                while part:
                    decoder.decode(part)
                    part = _read(file, 1 << 22, self.source)
                decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                encoding = "cp1252"
                self.notices.append(f"{self.source} is not UTF-8; its letters are read as Windows-1252")
        text = head.decode(encoding, "replace").removeprefix("\ufeff").encode()
        if parted_by_spaces(text[: 1 << 16]):
            raise DataError(
                f"{self.source} parts its columns by spaces, and is too large to be read at once; write it as CSV"
            )
        return layout_of(text, self.source, None, self.notices, self.known), encoding

    def _bytes(self) -> Any:
        """The file's bytes, decompressed."""
        pa = arrow()
        try:
            return pa.input_stream(str(self.path), compression=_compression(self.path), buffer_size=1 << 20)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self.source} cannot be read: {error}") from error

    def _delimited(self) -> Blocks:
        csv, pa = arrow("csv"), arrow()
        names = list(self.layout.names)
        with self._bytes() as file:
            try:
                reader = csv.open_csv(
                    file,
                    read_options=csv.ReadOptions(
                        column_names=names,
                        skip_rows=self.layout.skip,
                        skip_rows_after_names=int(self.layout.header),
                        block_size=BLOCK,
                        encoding=self.encoding,
                        use_threads=False,
                    ),
                    parse_options=csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=self.quoted),
                    convert_options=csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
                )
                for batch in reader:
                    if batch.num_rows:
                        yield pa.Table.from_batches([batch])
            except pa.ArrowInvalid as error:
                if not self.quoted and "straddling" in str(error):
                    raise _Straddling from error
                raise DataError(
                    f"{self.source} cannot be read as text in columns: {error}. Mend that row, or put quotes around "
                    f"fields that hold {DELIMITERS[self.delimiter]}"
                ) from error
            except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
                raise DataError(f"{self.source} cannot be read: {error}") from error

    def _parquet(self) -> Blocks:
        pa = arrow()
        try:
            with arrow("parquet").ParquetFile(self.path, buffer_size=1 << 20, pre_buffer=False) as file:
                for batch in file.iter_batches(batch_size=ROWS, use_threads=False):
                    yield _checked(pa.Table.from_batches([batch]))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise DataError(f"{self.source} is a damaged Parquet file ({_line(error)}); write it again") from error

    def _arrow(self) -> Blocks:
        pa, ipc = arrow(), arrow("ipc")
        try:
            with pa.OSFile(str(self.path), "rb") as file:
                if file.read(6) == b"ARROW1":
                    reader = ipc.open_file(file)
                    batches = (reader.get_batch(k) for k in range(reader.num_record_batches))
                else:
                    file.seek(0)
                    batches = iter(ipc.open_stream(file))
                for batch in batches:
                    for start in range(0, batch.num_rows, ROWS):
                        yield _checked(pa.Table.from_batches([batch.slice(start, ROWS)]))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise DataError(f"{self.source} is a damaged Arrow file ({_line(error)}); write it again") from error

    def _npy(self) -> Blocks:
        pa = arrow()
        try:
            array = np.load(self.path, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            raise DataError(f"{self.source} is a damaged NumPy file ({error}); write it again") from error
        if array.ndim != 2 or array.dtype.kind not in "fiub":
            raise DataError(
                f"{self.source} is too large to be read at once, and holds {array.dtype} of shape {array.shape}; "
                "rows of numbers, (rows, columns), can be read in pieces"
            )
        names = [f"column_{k + 1}" for k in range(array.shape[1])]
        for start in range(0, len(array), ROWS):
            # Read, not mapped: mapped pages would count as this process's memory.
            block = np.ascontiguousarray(array[start : start + ROWS].T)
            yield pa.table({name: pa.array(column) for name, column in zip(names, block, strict=True)})

    def names(self) -> list[str]:
        """The names of the columns. Raises DataError where there are no rows."""
        self.quoted = self.quoted or not self.surveyed
        with contextlib.closing(self.blocks()) as blocks:
            for block in blocks:
                return block.column_names
        raise DataError(f"{self.source} has no rows")

    # ---- two passes
    def survey(self, target: str | None = None, seed: int = 0) -> Survey:
        """One pass: count the rows, draw `SAMPLE` of them evenly, and one more for each value of the target that the
        draw missed; decide over them what each column holds."""
        self.surveyed = True
        try:
            return self._survey(target, seed)
        except _Straddling:  # a value with a line break in it, in quotes
            self.quoted = True
            return self._survey(target, seed)

    def _survey(self, target: str | None, seed: int) -> Survey:
        pa, pc = arrow(), arrow("compute")
        draw = np.random.default_rng(seed)
        kept: list[tuple[np.ndarray, Any]] = []
        seen: dict[str, None] = {}
        firsts: list[Any] = []
        rows = 0
        highest = np.inf
        for block in self.blocks():
            keys = draw.random(block.num_rows)
            chosen = np.flatnonzero(keys < highest)
            kept.append((keys[chosen], block.take(pa.array(chosen))))
            rows += block.num_rows
            if sum(len(part) for part, _ in kept) > 2 * SAMPLE:
                kept = [_lowest(kept, SAMPLE)]
                highest = kept[0][0].max()
            if target in block.column_names and len(seen) <= MOST_CLASSES:
                values = pc.cast(block[target], pa.string()).combine_chunks()
                for text in pc.unique(values).to_pylist():
                    if text is not None and text not in seen and len(seen) <= MOST_CLASSES:
                        seen[text] = None
                        place = pc.index(values, text).as_py()
                        firsts.append(block.slice(place, 1).take(pa.array([0])))
        if not rows:
            raise DataError(f"{self.source} has no rows")
        sample = _lowest(kept, SAMPLE)[1]
        if len(seen) <= MOST_CLASSES:
            sample = pa.concat_tables([sample, *firsts])
        table = table_of(sample, self.source, self.fixed, self.delimiter, tuple(self.notices), drawn=True)
        readings = {column.name: Reading(column.kind, column.unit, column.written) for column in table.columns}
        pa.default_memory_pool().release_unused()
        table = table.noted(
            f"{self.source} is large: it is read in pieces, and what its columns hold was decided over "
            f"{counted(sample.num_rows, 'row')} drawn from {rows:,}"
        )
        return Survey(rows, table, readings)

    def tables(self, readings: dict[str, Reading]) -> Iterator[Table]:
        """Every block as a Table, its columns read as `readings` say; other columns are left out.

        Without a survey before it, values with a line break in them are looked for in every line of a text file.
        """
        pool = arrow().default_memory_pool()
        self.quoted = self.quoted or not self.surveyed
        for block in self.blocks():
            wanted = [name for name in block.column_names if name in readings]
            yield table_of(block.select(wanted), self.source, readings, self.delimiter, drawn=True)
            pool.release_unused()


class _Straddling(Exception):
    """A value reaches beyond its line, which is only looked for where it has to be."""


def _lowest(kept: list[tuple[np.ndarray, Any]], count: int) -> tuple[np.ndarray, Any]:
    """The rows with the lowest keys, in the order of the file."""
    pa = arrow()
    keys = np.concatenate([part for part, _ in kept])
    rows = np.sort(np.argsort(keys, kind="stable")[:count])
    table = pa.concat_tables([block for _, block in kept])
    return keys[rows], table.take(pa.array(rows)).combine_chunks()


def _checked(table: Any) -> Any:
    table.validate(full=True)  # damaged offsets would be read as addresses
    return table


def _compression(path: Path) -> str | None:
    with open(path, "rb") as file:
        start = file.read(6)
    if start.startswith(b"\xfd7zXZ"):
        raise DataError(f"{path.name} is too large to be read at once; unpack it: xz --decompress {path.name}")
    return "gzip" if start.startswith(b"\x1f\x8b") else "bz2" if start.startswith(b"BZh") else None


def _read(file: Any, size: int, source: str) -> bytes:
    try:
        return file.read(size)
    except (OSError, arrow().ArrowException) as error:
        raise DataError(f"{source} is damaged: {_line(error)}") from error


def _line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0]


__all__ = ["LARGE", "Stream", "Survey", "is_large"]
