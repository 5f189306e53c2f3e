"""Which rows are learned from and which are held out: the same every time for the same seed."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from backpass.graph.errors import DataError

FEWEST = 10
"""A table of fewer rows than this is not split: nothing could be said from what is held out."""


class Parts(NamedTuple):
    """Row indices, each in increasing order: learned from, watched during training, and looked at once, at the end."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split(n: int, fraction: float, seed: int = 0, stratify: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the rows that are kept and of those held out, each in increasing order; round(n · fraction) are held
    out.

    At least one row is held out and one kept. With `stratify`, an array of shape (n,) of labels, each class is held
    out in proportion to its size (largest remainders): one row of each class that has two or more where that many rows
    are held out, and never a class's last row. The draw is NumPy's PCG64 of `seed`.

    Raises DataError for fewer than 10 rows, or a fraction outside (0, 1).

    >>> kept, held = split(12, 0.25, seed=1, stratify=np.array([0] * 8 + [1] * 4))
    >>> len(kept), len(held), (held >= 8).sum()
    (9, 3, np.int64(1))
    """
    if not 0 < fraction < 1:
        raise DataError(f"the fraction to hold out must lie between 0 and 1, and is {fraction}")
    if n < FEWEST:
        raise DataError(
            f"too few rows to hold any out: {n}, and at least {FEWEST} are needed; to train on all of them, hold out "
            "a fraction of 0"
        )
    random = np.random.default_rng(seed)
    count = min(max(round(n * fraction), 1), n - 1)
    if stratify is None:
        held = random.permutation(n)[:count]
    else:
        _, labels = np.unique(np.asarray(stratify), return_inverse=True)
        if labels.shape != (n,):
            raise DataError(f"there are {n} rows and {labels.size} labels to stratify by")
        quota = _quota(np.bincount(labels), count)
        shuffled = random.permutation(n)
        by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
        start = np.concatenate([[0], np.cumsum(np.bincount(labels))[:-1]])
        rank = np.arange(n) - np.repeat(start, np.bincount(labels))
        held = by_class[rank < np.repeat(quota, np.bincount(labels))]
    mask = np.zeros(n, bool)
    mask[held] = True
    return np.flatnonzero(~mask), np.flatnonzero(mask)


def three_parts(
    n: int, validation: float = 0.2, test: float = 0.2, seed: int = 0, stratify: np.ndarray | None = None
) -> Parts:
    """Training, validation and test rows of n: fractions of the whole, either of which may be 0.

    >>> [len(part) for part in three_parts(150, stratify=np.arange(150) % 3)]
    [90, 30, 30]
    """
    if validation < 0 or test < 0 or validation + test >= 1:
        raise DataError(
            f"validation ({validation}) and test ({test}) are fractions of the rows, at least 0 and together below 1"
        )
    rows, none = np.arange(n), np.arange(0)
    tested, watched = none, none
    if test > 0:
        kept, held = split(n, test, seed, stratify)
        rows, tested = kept, held
    if validation > 0:
        labels = None if stratify is None else np.asarray(stratify)[rows]
        if len(rows) < FEWEST <= n:  # a table just large enough to split once is not split twice
            return Parts(rows, none, tested)
        kept, held = split(len(rows), validation / (1 - test), seed + 1, labels)
        rows, watched = rows[kept], rows[held]
    return Parts(rows, watched, tested)


class SplitBy(NamedTuple):
    """What decides which part a row goes to, other than chance: a column, and how.

    "group": rows of one value stay together. "time": the latest rows are held out. "column": the column says it, by the
    words train, validation (valid, val, dev) and test.
    """

    how: Literal["group", "time", "column"]
    column: str


WORDS = {"train": 0, "training": 0, "validation": 1, "valid": 1, "val": 1, "dev": 1, "test": 2, "testing": 2}


def parts_by_group(groups: np.ndarray, validation: float, test: float, seed: int = 0) -> Parts:
    """Whole groups, (n,) of any labels, in a random order: to the test rows until they have their share, and so on.

    No part but the first to be filled is given a group that would take it further from its share than it is.

    >>> parts = parts_by_group(np.repeat(np.arange(10), 5), 0.2, 0.2)
    >>> [len(part) for part in parts], set(parts.train // 5) & set(parts.test // 5)
    ([30, 10, 10], set())
    """
    _, codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(sizes) < 1 + (validation > 0) + (test > 0):
        raise DataError(f"rows cannot be held out by group: there are {len(sizes)} groups only")
    place = np.zeros(len(sizes), np.int64)
    order = np.random.default_rng(seed).permutation(len(sizes)).tolist()
    for part, share in ((2, test), (1, validation)):
        wanted, held = share * len(groups), 0.0
        for group in [each for each in order if place[each] == 0]:
            if share and (not held or abs(held + sizes[group] - wanted) < abs(held - wanted)):
                place[group], held = part, held + sizes[group]
    return _by_place(place[codes])


def parts_by_time(times: np.ndarray, validation: float, test: float) -> Parts:
    """The latest rows are the test rows, those before them the validation rows; rows of one time stay together.

    `times` are dates or numbers, (n,), none missing.

    >>> [part.tolist() for part in parts_by_time(np.array([3, 1, 4, 2, 5]), 0.2, 0.2)]
    [[0, 1, 3], [2], [4]]
    """
    ordered = np.sort(times)
    n = len(times)
    tested = ordered[n - max(1, round(test * n))] if test else None
    place = np.zeros(n, np.int64)
    watched = ordered[n - max(1, round((test + validation) * n))] if validation else None
    if watched is not None:
        place[times >= watched] = 1
    if tested is not None:
        place[times >= tested] = 2
    if not (place == 0).any() or (validation and not (place == 1).any()):
        raise DataError("rows cannot be held out by time: too many of them have one time")
    return _by_place(place)


def parts_by_column(words: np.ndarray, name: str) -> Parts:
    """Parts by words such as train, validation and test, an object array (n,).

    >>> [part.tolist() for part in parts_by_column(np.array(["train", "Test", "train"], object), "part")]
    [[0, 2], [], [1]]
    """
    return _by_place(np.array([place_of(word, name) for word in words.tolist()], np.int64))


def place_of(word: str | None, column: str) -> int:
    """0, 1 or 2 for a word that means training, validation or test; DataError for another one."""
    place = WORDS.get((word or "").strip().casefold())
    if place is None:
        said = "a missing value" if word is None else repr(word)
        raise DataError(f"column '{column}' says {said} where it should say train, validation or test")
    return place


def _by_place(place: np.ndarray) -> Parts:
    parts = Parts(*(np.flatnonzero(place == k) for k in range(3)))
    if not len(parts.train):
        raise DataError("no row is left to train on")
    return parts


def _quota(sizes: np.ndarray, count: int) -> np.ndarray:
    """How many rows of each class are held out, `count` in all: in proportion, by largest remainders."""
    share = sizes * count / sizes.sum()
    most = sizes - 1  # a class's last row is kept
    quota = np.minimum(np.floor(share).astype(np.int64), most)
    splittable = sizes >= 2
    if count >= splittable.sum():
        quota[splittable] = np.maximum(quota[splittable], 1)
    while quota.sum() > count:  # what the single rows of small classes cost is taken from the largest surplus
        surplus = np.where(quota > 1, quota - share, -np.inf)
        quota[np.argmax(surplus)] -= 1
    while quota.sum() < count and np.any(quota < most):
        deficit = np.where(quota < most, share - quota, -np.inf)
        quota[np.argmax(deficit)] += 1
    return quota
