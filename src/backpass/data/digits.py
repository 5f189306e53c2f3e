"""The handwritten digits that come with the package.

They are the 1,797 test images of the UCI data set "Optical Recognition of Handwritten Digits" by E. Alpaydin and
C. Kaynak (1998), https://archive.ics.uci.edu/dataset/80, licence CC BY 4.0, in the order in which scikit-learn
distributes them. 13 people wrote them. Each image of 8 × 8 pixels counts, in every 4 × 4 block of a 32 × 32 scan, the
pixels with ink: 0 to 16.
"""

from __future__ import annotations

from importlib.resources import files

import numpy as np


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """The images, uint8 of shape (1797, 8, 8) with values 0 to 16, and their digits, int64 of shape (1797,).

    >>> images, labels = load_digits()
    >>> images.shape, images.dtype, labels[:3].tolist()
    ((1797, 8, 8), dtype('uint8'), [0, 1, 2])
    """
    with (
        (files("backpass") / "data" / "digits.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as stored,
    ):
        return stored["images"], stored["labels"].astype(np.int64)
