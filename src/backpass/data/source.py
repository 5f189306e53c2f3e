"""A file or a folder of any kind as a Table, or as a stream of Tables where it is larger than memory should hold."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from backpass.data.images import ImageStream, holds_images
from backpass.data.read import read_table
from backpass.data.stream import Stream, is_large
from backpass.data.table import Kind, Reading, Table

Pieces = Stream | ImageStream


def open_source(
    path: str | os.PathLike[str],
    kinds: Mapping[str, Kind | Reading] | None = None,
    stream: bool | None = None,
    image_size: int | None = None,
    names: Iterable[str] = (),
) -> Table | Pieces:
    """The table in a file or a folder of images, or a stream of its pieces: of a large one, or where `stream` says so.

    `kinds`, `image_size` and `names` as in `read_table`. Raises DataError where it cannot be used.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "pets.csv"
    >>> _ = file.write_text("name,kg\\nRex,31.5\\nMia,4\\n")
    >>> open_source(file)
    Table(2 rows, 2 columns: name (text), kg (number))
    """
    path = Path(path)
    if path.is_dir() and holds_images(path):
        images = ImageStream(path, kinds, image_size)
        return images if (images.is_large if stream is None else stream) else images.table()
    if path.is_file() and (is_large(path) if stream is None else stream):
        return Stream(path, kinds, names)
    return read_table(path, kinds, names=names)


__all__ = ["Pieces", "open_source"]
