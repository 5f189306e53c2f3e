"""Reading a data file of any kind into a Table. The kind is told by the file's first bytes, not by its name."""

from __future__ import annotations

import bz2
import difflib
import gzip
import io
import lzma
import os
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from backpass.data.arrow import table_of
from backpass.data.delimited import read_delimited
from backpass.data.extra import arrow
from backpass.data.images import ImageStream, deeper, holds_images
from backpass.data.table import KIND_WORDS, Column, Kind, Reading, Table, are_images, column_of, listing
from backpass.graph.errors import DataError

FORMATS = "CSV, TSV, Parquet, Arrow, Feather, .npy or .npz"
COMPRESSED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
LARGEST_UNPACKED = 2_000_000_000
"""Bytes that a packed file may grow to where it is read whole: a few kilobytes can be made to grow without end."""

REFUSED = {
    b"\xd0\xcf\x11\xe0": "an old Excel workbook; save it as CSV",
    b"SQLite format 3": "an SQLite database; write the table out as CSV",
    b"\x89HDF": "an HDF5 file; write the table out as Parquet or CSV",
    b"%PDF": "a PDF document",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"\x80\x04\x95": "a Python pickle, which is never loaded since that would run its code; save it as .npz or Parquet",
    b"\x80\x05\x95": "a Python pickle, which is never loaded since that would run its code; save it as .npz or Parquet",
}

UNREADABLE = (
    ValueError, EOFError, OSError, TypeError, SyntaxError, NotImplementedError, RuntimeError, MemoryError,
    tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What NumPy and zipfile raise over damaged bytes."""


def read_table(
    path: str | os.PathLike[str],
    kinds: Mapping[str, Kind | Reading] | None = None,
    header: bool | None = None,
    image_size: int | None = None,
    names: Iterable[str] = (),
) -> Table:
    """The table in a data file: CSV, TSV (also gzip, bzip2, xz), Parquet, Arrow, Feather, .npy (2-D, structured), .npz;
    or a folder of images, as the columns `image` and `label`.

    Delimiter, encoding, header, missing values and each column's kind are found out; `table.notices` says what a reader
    might not expect. `kinds` fixes the kind of columns by name ("number", "boolean", "text" or "time"; a trained
    preprocessor's `readings` makes a later file be read the way the first was); `header` says whether the first row of
    a delimited file holds names, and `names` are some that a header is to have; `image_size` is the side, in pixels, to
    which images are brought. An .npz file holds `X` of shape (n, d), or (n, height, width) for images, and `y` of shape
    (n,); or columns.

    Raises DataError where the file cannot be used, and MissingExtraError without pyarrow (.npy and .npz need none).

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "pets.csv"
    >>> _ = file.write_text("name,kg,fed\\nRex,31.5,yes\\nMia,NA,no\\nTom,4.1,yes\\n")
    >>> read_table(file)
    Table(3 rows, 3 columns: name (text), kg (number), fed (boolean))
    """
    path = Path(path)
    if path.is_dir() and holds_images(path):
        return ImageStream(path, kinds, image_size).table()
    raw, source = _bytes(path), path.name
    for magic, decompress in COMPRESSED.items():
        if raw.startswith(magic):
            try:
                raw = _unpacked(decompress, raw, source)
            except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
                raise DataError(f"{source} is a damaged compressed file ({error}); copy it again") from error
    if not raw[:4096].strip() and not raw.strip():
        raise DataError(f"{source} is empty")
    fixed = {name: _reading(name, kind) for name, kind in (kinds or {}).items()}
    if raw.startswith(b"\x93NUMPY"):
        return _refined(_npy(raw, source), fixed)
    if raw.startswith(b"PK\x03\x04"):
        return _refined(_npz(raw, source), fixed)
    if raw.startswith((b"PAR1", b"ARROW1", b"FEA1", b"\xff\xff\xff\xff")):
        return table_of(_arrow_table(raw, source), source, fixed)
    for magic, what in REFUSED.items():
        if raw.startswith(magic):
            raise DataError(f"{source} is {what}. What can be read: {FORMATS}")
    return read_delimited(raw, source, fixed, header, {*fixed, *names})


def _unpacked(opened: Any, raw: bytes, source: str) -> bytes:
    with opened(io.BytesIO(raw)) as file:
        data = file.read(LARGEST_UNPACKED + 1)
    if len(data) > LARGEST_UNPACKED:
        raise DataError(_too_large(source, "text"))
    return data


def _too_large(source: str, what: str) -> str:
    return (
        f"the {what} packed in {source} would take more than {LARGEST_UNPACKED / 1e9:g} GB; as a CSV, Parquet or .npy "
        "file backpass train reads it in pieces"
    )


def _bytes(path: Path) -> bytes:
    """The file's content; a DataError where there is none says what there is instead."""
    if path.is_dir():
        suffixes = (".csv", ".tsv", ".parquet", ".arrow", ".feather", ".npy", ".npz")
        inside = sorted(str(entry) for entry in path.iterdir() if entry.suffix in suffixes)
        hint = f"; name one file in it, such as {inside[0]}" if inside else f", without any data file ({FORMATS}) in it"
        if not inside and (below := deeper(path)):
            hint = f" whose images lie one folder deeper; name one of {listing(map(str, below), 3)}"
        raise DataError(f"{path} is a folder{hint}")
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        folder = path.parent
        beside = [entry.name for entry in folder.iterdir() if entry.is_file()] if folder.is_dir() else []
        near = difflib.get_close_matches(path.name, beside, n=1)
        hint = f"; did you mean {folder / near[0]}?" if near else ""
        if not folder.is_dir():
            hint = f"; there is no folder {folder} either"
        raise DataError(f"there is no file {path}{hint}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def _arrow_table(raw: bytes, source: str) -> Any:
    pa = arrow("", f"reading {source}")
    buffer = pa.BufferReader(raw)
    try:
        if raw.startswith(b"PAR1"):
            file = arrow("parquet").ParquetFile(buffer)
            if 4 * file.metadata.num_rows * file.metadata.num_columns > LARGEST_UNPACKED:
                raise DataError(_too_large(source, "values"))
            table = file.read()
        elif raw.startswith(b"\xff\xff\xff\xff"):
            table = arrow("ipc").open_stream(buffer).read_all()
        else:
            table = arrow("feather").read_table(buffer)
        table.validate(full=True)  # damaged offsets would be read as addresses
        return table
    except (pa.ArrowException, OSError, ValueError, EOFError) as error:
        detail = str(error).splitlines()[0]
        raise DataError(f"{source} is a damaged Parquet or Arrow file ({detail}); write it again") from error


def _npy(raw: bytes, source: str) -> Table:
    array = _load(raw, source)
    if array.dtype.names:
        return Table.from_arrays({name: array[name] for name in array.dtype.names}, source)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise DataError(
            f"{source} holds an array of shape {array.shape}; a table has two axes, (rows, columns). Images belong in "
            "an .npz file with X of shape (n, height, width) and y of shape (n,)"
        )
    return Table.from_arrays({f"column_{i + 1}": array[:, i] for i in range(array.shape[1])}, source)


def _npz(raw: bytes, source: str) -> Table:
    try:
        members = zipfile.ZipFile(io.BytesIO(raw)).infolist()
        names = [member.filename for member in members]
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise DataError(f"{source} is a damaged .npz file ({error}); write it again") from error
    if "[Content_Types].xml" in names:
        raise DataError(f"{source} is an Excel workbook (or another office document); save it as CSV")
    if not names or not all(name.endswith(".npy") for name in names):
        raise DataError(f"{source} is a zip archive that holds {listing(names, 3)}; unpack it and name the data file")
    if sum(member.file_size for member in members) > LARGEST_UNPACKED:
        raise DataError(_too_large(source, "arrays"))
    archive = _load(raw, source)
    arrays = {name: _member(archive, name, source) for name in archive.files}
    by_case = {name.casefold(): name for name in arrays}
    if "x" not in by_case:
        return Table.from_arrays(arrays, source)
    x = arrays.pop(by_case["x"])
    notices: tuple[str, ...] = ()
    features: list[Column] = []
    if are_images(x):
        features = [column_of("image", x)]
        notices = (f"X of shape {x.shape} is read as {len(x):,} images",)
    elif x.ndim > 2:
        notices = (f"X of shape {x.shape} is laid out flat, {int(np.prod(x.shape[1:]))} columns a row",)
        x = x.reshape(len(x), -1)
    x = x[:, None] if x.ndim == 1 else x
    features = features or [column_of(f"x{i + 1}", np.ascontiguousarray(x[:, i])) for i in range(x.shape[1])]
    rest: list[Column] = []
    for name, array in arrays.items():
        if len(array) != len(x):
            raise DataError(f"X in {source} has {len(x)} rows and {name} has {len(array)}")
        rest.append(column_of(name, array.ravel() if array.size == len(x) else array))
    return Table((*features, *rest), notices, source)


def _load(raw: bytes, source: str) -> Any:
    try:
        loaded = np.load(io.BytesIO(raw), allow_pickle=False)
    except UNREADABLE as error:
        raise _damaged(source, error) from error
    if isinstance(loaded, np.ndarray) and (loaded.size == 0 or loaded.ndim == 0):
        raise DataError(f"{source} holds an array of shape {loaded.shape}: there is no row in it")
    return loaded


def _member(archive: Any, name: str, source: str) -> np.ndarray:
    try:
        array = archive[name]
    except UNREADABLE as error:
        raise _damaged(source, error) from error
    if array.ndim == 0 or array.size == 0:
        raise DataError(f"{name} in {source} has shape {array.shape}: there is no row in it")
    return array


def _damaged(source: str, error: Exception) -> DataError:
    if "allow_pickle" in str(error):
        return DataError(
            f"{source} holds Python objects, which are never loaded since that would run their code; "
            "save numbers or texts: array.astype(float) or array.astype(str)"
        )
    return DataError(f"{source} is a damaged NumPy file ({error}); write it again")


def _reading(name: str, kind: Kind | Reading) -> Reading:
    if isinstance(kind, Reading):
        return kind
    if kind not in KIND_WORDS:
        raise DataError(f"column '{name}' cannot be of kind '{kind}'; the kinds are {listing(KIND_WORDS)}")
    return Reading(kind)


def _refined(table: Table, readings: dict[str, Reading]) -> Table:
    """The table with the kinds that were asked for."""
    columns = (
        column.as_kind(readings[column.name].kind) if column.name in readings else column for column in table.columns
    )
    return Table(tuple(columns), table.notices, table.source)
