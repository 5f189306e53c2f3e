"""A folder of images, one folder inside it for each class, as arrays or as a table with a column for each pixel.

Pillow (extra `images`) decodes them. Their order is that of their names, so that it is the same everywhere.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from backpass.data.extra import extra_module
from backpass.data.table import Column, Table, counted, listing
from backpass.graph.errors import DataError

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
SIDE = 32
"""Pixels to which images are brought that differ in size or are larger than `LARGEST`."""

LARGEST = 64
CHANNELS = ("red", "green", "blue")


def image_files(folder: str | os.PathLike[str]) -> list[tuple[Path, str | None]]:
    """The images in a folder's folders, each with its folder's name; where there are none, those in it, with None."""
    place = Path(folder)
    inside = sorted(entry for entry in place.iterdir() if not entry.name.startswith("."))
    labelled = [
        (path, entry.name)
        for entry in inside
        if entry.is_dir()
        for path in sorted(entry.iterdir())
        if path.suffix.lower() in ENDINGS and path.is_file()
    ]
    bare = [(path, None) for path in inside if path.suffix.lower() in ENDINGS and path.is_file()]
    return [*labelled] or [*bare]


def read_images(
    folder: str | os.PathLike[str], size: tuple[int, int] | None = None, colour: bool | None = None
) -> tuple[np.ndarray, list[str | None]]:
    """(images, labels): uint8 of shape (n, height, width), or (n, height, width, 3) in colour, and a label each.

    `size` is (height, width). None: that of the images, where they are all alike and of at most 64 pixels a side, else
    32 by 32. `colour` None: where any image has some. A model with convolutions takes ``images / 255``.

    Raises DataError where there are no images or one cannot be read, MissingExtraError without Pillow.

    >>> import tempfile, pathlib
    >>> from PIL import Image
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for label in ("dark", "light"):
    ...     (folder / label).mkdir()
    ...     Image.new("L", (4, 3), 200 * (label == "light")).save(folder / label / "1.png")
    >>> images, labels = read_images(folder)
    >>> images.shape, images[:, 0, 0].tolist(), labels
    ((2, 3, 4), [0, 200], ['dark', 'light'])
    """
    pillow = extra_module("PIL.Image", "images", "reading images")
    files = image_files(folder)
    if not files:
        raise DataError(f"there is no image ({', '.join(ENDINGS)}) in {folder}, nor in a folder in it")
    if size is None or colour is None:
        sizes, modes = set(), set()
        for path, _ in files:
            with _opened(pillow, path) as image:
                sizes.add((image.height, image.width))
                modes.add(image.mode)
        if colour is None:
            colour = not modes <= {"L", "1", "LA", "I", "I;16", "F"}
        if size is None:
            alike = len(sizes) == 1 and max(next(iter(sizes))) <= LARGEST
            size = next(iter(sizes)) if alike else (SIDE, SIDE)
    height, width = size
    out = np.empty((len(files), height, width, 3) if colour else (len(files), height, width), np.uint8)
    for k, (path, _) in enumerate(files):
        with _opened(pillow, path) as image:
            try:
                made = image.convert("RGB" if colour else "L")
                if made.size != (width, height):
                    made = made.resize((width, height), pillow.Resampling.BILINEAR, reducing_gap=2.0)
                out[k] = np.asarray(made)
            except (OSError, ValueError, SyntaxError, MemoryError) as error:
                raise DataError(f"{path} cannot be read: {error}") from error
    return out, [label for _, label in files]


def image_table(folder: str | os.PathLike[str], names: Iterable[str] = (), side: int | None = None) -> Table:
    """The images of a folder as a table: a column for each pixel, and `label`, the name of each one's folder.

    `names` are the columns that a model was trained on: images are brought to that size. `side` is a size to bring them
    to otherwise.
    """
    size, colour = _size_of(names)
    if size is None and side is not None:
        size = (side, side)
    images, labels = read_images(folder, size, colour)
    height, width = images.shape[1:3]
    pixels = images.reshape(len(images), height * width, -1).astype(np.float32)
    kinds = CHANNELS if images.ndim == 4 else ("pixel",)
    columns = [
        Column(f"{kind}_{r}_{c}", "number", np.ascontiguousarray(pixels[:, r * width + c, k]))
        for k, kind in enumerate(kinds)
        for r in range(height)
        for c in range(width)
    ]
    table = Table(tuple(columns), source=str(Path(folder).name))
    told = "in colour" if images.ndim == 4 else "in grey"
    notices = [f"{counted(len(images), 'image')} {told}, {height} by {width} pixels"]
    if labels[0] is not None:
        known = Table.from_arrays({"label": labels})
        table = Table((*table.columns, *known.columns), source=table.source)
        levels = known["label"].levels
        notices[0] += f", in {len(levels)} folders ({listing(levels, 5)})"
    return table.noted(*notices)


def holds_images(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder, or one in it, has images."""
    try:
        return bool(image_files(folder))
    except OSError:
        return False


def _size_of(names: Iterable[str]) -> tuple[tuple[int, int] | None, bool | None]:
    """(height, width) and whether in colour, from the names of pixel columns; what a model left out counts as well."""
    found = [re.fullmatch(r"(pixel|red|green|blue)_(\d+)_(\d+)", name) for name in names]
    places = [match for match in found if match]
    if not places:
        return None, None
    height, width = (1 + max(int(match[k]) for match in places) for k in (2, 3))
    return (height, width), places[0][1] != "pixel"


def _opened(pillow: Any, path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pillow.DecompressionBombWarning)
            return pillow.open(path)
    except (pillow.DecompressionBombWarning, pillow.DecompressionBombError) as error:
        raise DataError(f"{path} is too large an image: {error}") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{path} cannot be read as an image: {error}") from error


__all__ = ["holds_images", "image_files", "image_table", "read_images"]
