"""A folder of images, one folder inside it for each class, as arrays, as a table, or as a stream of tables.

Pillow (extra `images`) decodes them. Their order is that of their names, so that it is the same everywhere.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from backpass.data.extra import extra_module
from backpass.data.stream import BLOCK, ROWS, Survey
from backpass.data.table import LARGEST_SIDE, Column, Kind, Reading, Table, column_of, counted, listing
from backpass.graph.errors import DataError

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
SIDE = 32
"""Pixels to which images are brought that differ in size or are larger than `LARGEST`."""

LARGEST = 64
GREY = {"L", "1", "LA", "I", "I;16", "I;16B", "I;16L", "F"}

LARGE = 50_000_000
"""Bytes of pixels from which a folder is read in pieces: as features they take four times that, twice."""

SAMPLE_BYTES = 16 << 20
"""Pixels over which mean and deviation are taken, of a folder that is read in pieces."""

CAMERAS = ("JPEG", "MPO", "WEBP", "TIFF")
ORIENTATION, TURNED = 0x0112, (5, 6, 7, 8)
"""The entry in which a camera says how it was held, and its values for a quarter turn."""


class Size(NamedTuple):
    """The pixels that images are brought to; 1 channel for grey, 3 for colour."""

    height: int
    width: int
    channels: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.height, self.width, 3) if self.channels == 3 else (self.height, self.width)

    @property
    def bytes(self) -> int:
        return self.height * self.width * self.channels


def image_files(folder: str | os.PathLike[str]) -> list[tuple[Path, str | None]]:
    """The images in a folder's folders, each with its folder's name; where there are none, those in it, with None."""
    place = Path(folder)
    inside = sorted(entry for entry in place.iterdir() if not entry.name.startswith("."))
    labelled: list[tuple[Path, str | None]] = [
        (path, entry.name) for entry in inside if entry.is_dir() for path in _images_in(entry)
    ]
    return labelled or [(path, None) for path in _images_in(place)]


def _images_in(folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in ENDINGS and not path.name.startswith(".") and path.is_file()
    ]


def read_images(
    folder: str | os.PathLike[str], size: tuple[int, int] | None = None, colour: bool | None = None
) -> tuple[np.ndarray, list[str | None]]:
    """(images, labels): uint8 of shape (n, height, width), or (n, height, width, 3) in colour, and a label each.

    `size` is (height, width). None: that of the images, where they are all alike and of at most 64 pixels a side, else
    32 by 32. `colour` None: where any image has some. They stand as the camera was held. A model with convolutions
    takes ``images / 255``.

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
    files = _some_files(Path(folder))
    paths = [path for path, _ in files]
    return _decoded(paths, _size_for(paths, size, colour)), [label for _, label in files]


class ImageStream:
    """A folder of images as a table of the columns `image` and, where they lie in folders, `label`: whole, or in pieces
    like a `Stream`.

    `kinds` may hold how a model reads `image`: the size that it was trained on. `side` is a size to bring them to
    otherwise, (side, side).
    """

    def __init__(
        self, folder: str | os.PathLike[str], kinds: Mapping[str, Kind | Reading] | None = None, side: int | None = None
    ):
        place = Path(folder)
        self.source = place.name or str(place)
        files = _some_files(place)
        self.paths = [path for path, _ in files]
        self.files = [str(path.relative_to(place)) for path in self.paths]
        known = next((k for k in (kinds or {}).values() if isinstance(k, Reading) and k.kind == "image"), None)
        if known is not None:
            self.size = Size(*map(int, known.written.split("x")))
        else:
            self.size = _size_for(self.paths, None if side is None else (side, side), None)
        told = "in colour" if self.size.channels == 3 else "in grey"
        notice = f"{counted(len(files), 'image')} {told}, {self.size.height} by {self.size.width} pixels"
        self.notices: list[str] = []
        self.labels: list[str] = [label for _, label in files if label is not None]
        if self.labels:
            levels = sorted(set(self.labels))
            notice += f", in {counted(len(levels), 'folder')} ({listing(levels, 5)})"
            if beside := len(_images_in(place)):
                verb = "lies" if beside == 1 else "lie"
                self.notices.append(f"{counted(beside, 'image')} in {self.source} {verb} in no folder: left out")
        self.notices.insert(0, notice)

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def is_large(self) -> bool:
        """Whether the images are to be read in pieces."""
        return len(self) * self.size.bytes > LARGE

    def names(self) -> list[str]:
        """The names of the columns."""
        return ["image", "label"] if self.labels else ["image"]

    def table(self, rows: Sequence[int] | None = None) -> Table:
        """The images of some rows, or all of them."""
        chosen = range(len(self)) if rows is None else rows
        columns = [Column("image", "image", _decoded([self.paths[k] for k in chosen], self.size))]
        if self.labels:
            columns.append(column_of("label", [self.labels[k] for k in chosen]))
        return Table(tuple(columns), tuple(self.notices) if rows is None else (), self.source)

    def survey(self, target: str | None = None, seed: int = 0) -> Survey:
        """Some images drawn evenly, with one of each class at least; see `Stream.survey`."""
        most = max(1, SAMPLE_BYTES // self.size.bytes)
        drawn = set(np.random.default_rng(seed).permutation(len(self))[:most].tolist())
        drawn |= set({label: k for k, label in enumerate(self.labels)}.values())
        table = self.table(sorted(drawn)).noted(
            *self.notices,
            f"{self.source} is large: it is read in pieces, and the mean and deviation of the pixels are those of "
            f"{counted(len(drawn), 'image')}",
        )
        readings = {column.name: Reading(column.kind) for column in table.columns}
        return Survey(len(self), table, readings)

    def tables(self, readings: Mapping[str, Reading]) -> Iterator[Table]:
        """All rows, as many at a time as take a few megabytes."""
        step = min(ROWS, max(1, BLOCK // self.size.bytes))
        for start in range(0, len(self), step):
            table = self.table(range(start, min(start + step, len(self))))
            yield table.without(name for name in table.names if name not in readings)


def holds_images(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder, or one in it, has images."""
    try:
        return bool(image_files(folder))
    except OSError:
        return False


def _some_files(folder: Path) -> list[tuple[Path, str | None]]:
    files = image_files(folder)
    if not files:
        raise DataError(f"there is no image ({', '.join(ENDINGS)}) in {folder}, nor in a folder in it")
    return files


def deeper(folder: Path) -> list[Path]:
    """Folders in a folder that themselves are folders of images in folders: train and test, most often."""
    return [entry for entry in sorted(folder.iterdir()) if entry.is_dir() and holds_images(entry)]


def _size_for(paths: Sequence[Path], size: tuple[int, int] | None, colour: bool | None) -> Size:
    """What images are brought to where something is left open: looked up in the heads of all files."""
    if size is None or colour is None:
        sizes, modes = set(), set()
        for path in paths:
            with _opened(path) as image:
                try:
                    turned = image.format in CAMERAS and image.getexif().get(ORIENTATION) in TURNED
                except (OSError, ValueError, SyntaxError) as error:
                    raise DataError(f"{path} cannot be read: {error}. Mend or remove it") from error
                sizes.add((image.width, image.height) if turned else (image.height, image.width))
                modes.add(image.mode)
        if colour is None:
            colour = not modes <= GREY
        if size is None:
            alike = len(sizes) == 1 and max(next(iter(sizes))) <= LARGEST
            size = next(iter(sizes)) if alike else (SIDE, SIDE)
    if not all(1 <= side <= LARGEST_SIDE for side in size):
        raise DataError(f"images can be brought to 1 to {LARGEST_SIDE} pixels a side, not to {size[0]} by {size[1]}")
    return Size(size[0], size[1], 3 if colour else 1)


def _decoded(paths: Sequence[Path], size: Size) -> np.ndarray:
    """uint8 of shape (n, height, width[, 3])."""
    pillow = extra_module("PIL.Image", "images", "reading images")
    turned = extra_module("PIL.ImageOps", "images", "reading images").exif_transpose
    out = np.empty((len(paths), *size.shape), np.uint8)
    for k, path in enumerate(paths):
        with _opened(path) as image:
            try:
                made = turned(image) if image.format in CAMERAS else image
                if made.mode.startswith("I"):  # 16 bits a pixel, which `convert` would cut off at 255
                    wide = np.asarray(made).astype(np.float32)
                    made = pillow.fromarray((wide / (257 if wide.max(initial=0) > 255 else 1)).astype(np.uint8))
                made = made.convert("RGB" if size.channels == 3 else "L")
                if made.size != (size.width, size.height):
                    made = made.resize((size.width, size.height), pillow.Resampling.BILINEAR, reducing_gap=2.0)
                out[k] = np.asarray(made)
            except (OSError, ValueError, SyntaxError, MemoryError) as error:
                raise DataError(f"{path} cannot be read: {error}. Mend or remove it") from error
    return out


def _opened(path: Path) -> Any:
    pillow = extra_module("PIL.Image", "images", "reading images")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pillow.DecompressionBombWarning)
            return pillow.open(path)
    except (pillow.DecompressionBombWarning, pillow.DecompressionBombError) as error:
        raise DataError(f"{path} is too large an image: {error}") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{path} cannot be read as an image: {error}. Mend or remove it") from error


__all__ = ["ImageStream", "deeper", "holds_images", "image_files", "read_images"]
