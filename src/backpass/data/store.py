"""`RowStore`: prepared rows on disk, for data that does not fit into memory; read in a shuffled order, ahead of use.

**How well it shuffles.** The rows are cut into blocks of about `BLOCK` bytes. Each epoch puts the blocks into a new
random order, reads as many as fill a window of `WINDOW` bytes (256 blocks), and shuffles the rows of the window. So a
batch is a uniform draw from a window, and a window a uniform draw of blocks from the whole file. The worst case is a
file sorted by the target: the share p of a class in a window then varies by sqrt(p (1 − p) / 256), ± 3.1 % for halves,
and in a batch of 512 by ± 3.8 %, where a complete shuffle has ± 2.2 %. Data of one window or less is shuffled
completely.
"""

from __future__ import annotations

import contextlib
import hashlib
import queue
import tempfile
import threading
import weakref
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from backpass.graph.errors import DataError

BLOCK = 1 << 16
WINDOW = 16 << 20


class RowStore:
    """Arrays that share their first axis, in a file without a name that ends with the process, however that ends.

    Rows are added with `add`, each array of them of the same dtype and trailing shape as before; `read(start, stop)`
    gives them back. `digest` is a SHA-256 of all that was added.

    >>> store = RowStore()
    >>> store.add(np.arange(6.0).reshape(3, 2), np.array([1, 2, 3]))
    >>> store.add(np.ones((1, 2)), np.array([4]))
    >>> len(store), store.read(2, 4)[1].tolist()
    (4, [3, 4])
    """

    def __init__(self, folder: Path | None = None, block: int = BLOCK, window: int = WINDOW):
        self.files: list[Any] = []
        self.specs: list[tuple[np.dtype, tuple[int, ...]]] = []
        self.folder, self.block, self.window = folder, block, window
        self.rows = 0
        self._hash = hashlib.sha256()
        self._lock = threading.Lock()
        weakref.finalize(self, _close, self.files)

    def __len__(self) -> int:
        return self.rows

    @property
    def row_bytes(self) -> int:
        return sum(dtype.itemsize * int(np.prod(shape)) for dtype, shape in self.specs)

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def add(self, *arrays: np.ndarray) -> None:
        """Put rows at the end. Raises OSError on a full disk, DataError where arrays differ from those before."""
        specs = [(array.dtype, array.shape[1:]) for array in arrays]
        if not self.files:
            self.specs = specs
            self.files.extend(tempfile.TemporaryFile(dir=self.folder, buffering=0) for _ in arrays)  # noqa: SIM115
        if specs != self.specs or len({len(array) for array in arrays}) > 1:
            raise DataError(f"rows of {self.specs} cannot be followed by {[(a.dtype, a.shape) for a in arrays]}")
        for file, array in zip(self.files, arrays, strict=True):
            data = np.ascontiguousarray(array)
            self._hash.update(_bytes(data))
            left = _bytes(data)
            while left:
                left = left[file.write(left) :]
        self.rows += len(arrays[0])

    def replace(self, which: int, function: Callable[[np.ndarray], np.ndarray]) -> None:
        """Put `function(rows)`, of the same shape and dtype, in place of the rows of one of the arrays."""
        dtype, shape = self.specs[which]
        size = dtype.itemsize * int(np.prod(shape))
        start = 0
        for before in self.column(which):
            rows = np.ascontiguousarray(function(before), dtype)
            self._hash.update(_bytes(rows))
            self.files[which].seek(start * size)
            self.files[which].write(_bytes(rows))
            start += len(rows)
        self.files[which].seek(0, 2)

    def column(self, which: int) -> Iterator[np.ndarray]:
        """One of the arrays alone, piece by piece."""
        for start in range(0, self.rows, 1 << 16):
            yield self.gathered([(start, min(start + (1 << 16), self.rows))], slice(which, which + 1))[0]

    def read(self, start: int, stop: int) -> tuple[np.ndarray, ...]:
        """The arrays of the rows from `start` up to `stop`."""
        return self.gathered([(start, min(stop, self.rows))])

    def gathered(self, spans: list[tuple[int, int]], which: slice = slice(None)) -> tuple[np.ndarray, ...]:
        """The arrays (or some of them) of several spans of rows, one after another."""
        count = sum(stop - start for start, stop in spans)
        found = []
        for file, (dtype, shape) in zip(self.files[which], self.specs[which], strict=True):
            out = np.empty((count, *shape), dtype)
            view = _bytes(out)
            size, place = dtype.itemsize * int(np.prod(shape)), 0
            for start, stop in spans:
                with self._lock:
                    file.seek(start * size)
                    part = view[place : place + (stop - start) * size]
                    while part:
                        done = file.readinto(part)
                        if not done:
                            raise OSError("the rows that were put aside are gone")
                        part = part[done:]
                place += (stop - start) * size
            found.append(out)
        return tuple(found)

    def spread(self, count: int) -> tuple[np.ndarray, ...]:
        """About `count` rows from blocks evenly over the store, in order."""
        if count >= self.rows:
            return self.read(0, self.rows)
        each = max(1, min(self._block_rows, count))
        starts = np.linspace(0, self.rows - each, max(1, count // each)).astype(np.int64).tolist()
        return self.gathered([(start, start + each) for start in starts])

    @property
    def _block_rows(self) -> int:
        return max(1, self.block // max(1, self.row_bytes))

    def shuffled(self, rng: np.random.Generator, skip: int = 0) -> Iterator[tuple[np.ndarray, ...]]:
        """The rows in a new order, window by window, without the first `skip` rows of that order."""
        draw = np.random.default_rng(rng.integers(2**63))
        size = self._block_rows
        order = draw.permutation(-(-self.rows // size))
        many = max(1, self.window // (size * max(1, self.row_bytes)))
        for first in range(0, len(order), many):
            spans = [(int(b) * size, min((int(b) + 1) * size, self.rows)) for b in order[first : first + many]]
            count = sum(stop - start for start, stop in spans)
            rows = draw.permutation(count)
            if skip >= count:
                skip -= count
                continue
            yield tuple(array[rows[skip:]] for array in self.gathered(spans))
            skip = 0

    def runs(self, rng: np.random.Generator, batch: int, first: int = 0) -> Generator[list[np.ndarray], None, None]:
        """The rows in a new order, from batch number `first` on, in runs of whole batches, as many as lie in a window;
        last of all what is less than a batch. The next window is read meanwhile."""
        rest: tuple[np.ndarray, ...] = ()
        with contextlib.closing(ahead(self.shuffled(rng, first * batch))) as windows:
            for window in windows:
                start = 0
                if rest and len(rest[0]):  # a batch that reaches from one window into the next
                    start = min(batch - len(rest[0]), len(window[0]))
                    rest = tuple(np.concatenate([a, b[:start]]) for a, b in zip(rest, window, strict=True))
                    if len(rest[0]) < batch:
                        continue
                    yield list(rest)
                whole = start + (len(window[0]) - start) // batch * batch
                if whole > start:
                    yield [array[start:whole] for array in window]
                rest = tuple(array[whole:].copy() for array in window)
        if rest and len(rest[0]):
            yield list(rest)


def _close(files: list[Any]) -> None:
    for file in files:
        file.close()


def _bytes(array: np.ndarray) -> memoryview:
    return array.reshape(-1).view(np.uint8).data if array.size else memoryview(b"")


def ahead(items: Iterable[Any]) -> Generator[Any, None, None]:
    """The items, each made in a thread while the one before it is used.

    >>> list(ahead(k * k for k in range(4)))
    [0, 1, 4, 9]
    """
    made: queue.Queue[tuple[str, Any]] = queue.Queue(maxsize=1)
    over = threading.Event()

    def put(kind: str, item: Any) -> bool:
        while not over.is_set():
            try:
                made.put((kind, item), timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def make() -> None:
        try:
            for item in items:
                if not put("item", item):
                    return
            put("end", None)
        except BaseException as error:  # it belongs to whoever asks for the item
            put("error", error)

    thread = threading.Thread(target=make, name="backpass-ahead", daemon=True)
    thread.start()
    try:
        while True:
            kind, item = made.get()
            if kind == "end":
                return
            if kind == "error":
                raise item
            yield item
    finally:
        over.set()
        thread.join()


__all__ = ["RowStore", "ahead"]
