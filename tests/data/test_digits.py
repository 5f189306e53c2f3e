"""The digits that come with the package are the ones that scikit-learn distributes."""

import numpy as np
from sklearn import datasets

from backpass.data.digits import load_digits


def test_every_pixel_and_label():
    images, labels = load_digits()
    original = datasets.load_digits()
    assert (images.dtype, labels.dtype) == (np.uint8, np.int64)
    assert np.array_equal(images, original.images)
    assert np.array_equal(labels, original.target)


def test_each_call_gives_arrays_of_its_own():
    load_digits()[0][:] = 0
    assert load_digits()[0].any()
