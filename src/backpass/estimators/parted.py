"""Rows that early stopping watches, taken out of those to train on."""

from __future__ import annotations

import math

import numpy as np
from sklearn.model_selection import train_test_split


def parted(y: np.ndarray, is_class: bool, share: float, random: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """(rows to train on, rows to watch), `share` of them.

    Classes have their share in both, and at least one row of each is watched, where each has two rows or more; else
    chance decides. Raises ValueError where fewer than two rows would be watched.

    >>> train, watched = parted(np.array([0, 1, 2] * 4), True, 0.1, np.random.RandomState(0))
    >>> len(train), len(watched)
    (9, 3)
    """
    size = math.ceil(share * len(y))
    least = 2
    stratify = None
    if is_class:
        counts = np.unique(y, return_counts=True)[1]
        if counts.min() >= 2 and len(y) >= 2 * len(counts):
            stratify, least = y, max(2, len(counts))
    if not 0 < max(size, least) < len(y):
        raise ValueError(
            f"early_stopping watches {share:g} of the rows, and n_samples={len(y)} are too few for that. Set "
            "early_stopping=False, or watch rows of your own: fit(X, y, X_val=..., y_val=...)"
        )
    train, watched = train_test_split(
        np.arange(len(y)), random_state=random, test_size=max(size, least), stratify=stratify
    )
    return np.asarray(train), np.asarray(watched)


__all__ = ["parted"]
