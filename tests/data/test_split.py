"""Splits: the same every time, disjoint and complete, every class on both sides where that can be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpass.data.split import split, three_parts
from backpass.graph.errors import DataError


def test_a_seed_gives_the_same_rows_always():
    """The very indices are held fast: a later release must not shuffle a user's test rows into training."""
    assert split(12, 0.25, seed=7)[1].tolist() == np.sort(np.random.default_rng(7).permutation(12)[:3]).tolist()
    assert split(12, 0.25, seed=7)[1].tolist() != split(12, 0.25, seed=8)[1].tolist()
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1])
    assert np.array_equal(split(12, 0.25, 7, labels)[1], split(12, 0.25, 7, labels)[1])


@given(st.lists(st.integers(0, 6), min_size=10, max_size=80), st.floats(0.02, 0.98), st.integers(0, 5))
def test_parts_are_disjoint_complete_and_stratified(labels, fraction, seed):
    labels = np.array(labels)
    n = len(labels)
    kept, held = split(n, fraction, seed, labels)
    assert np.array_equal(np.sort(np.concatenate([kept, held])), np.arange(n))
    assert np.all(np.diff(kept) > 0)
    assert np.all(np.diff(held) > 0)
    classes, sizes = np.unique(labels, return_counts=True)
    assert set(labels[kept]) == set(classes)  # never a class's last row
    wanted = min(max(round(n * fraction), 1), n - 1)
    assert len(held) == min(wanted, int((sizes - 1).sum()))
    if wanted >= (sizes >= 2).sum():
        assert set(labels[held]) == set(classes[sizes >= 2])
    if wanted <= (sizes - 1).sum() and sizes.min() * min(fraction, 1 - fraction) >= 2:
        held_sizes = np.array([(labels[held] == c).sum() for c in classes])
        assert np.all(np.abs(held_sizes - sizes * wanted / n) < 1)


@given(st.integers(10, 200), st.floats(0, 0.45), st.floats(0, 0.45))
def test_three_parts(n, validation, test):
    parts = three_parts(n, validation, test, seed=3)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(n))
    assert len(parts.train) > 0
    assert bool(len(parts.test)) == (test > 0)
    if len(parts.train) + len(parts.validation) >= 10:
        assert bool(len(parts.validation)) == (validation > 0)
        assert abs(len(parts.validation) - validation * n) <= 1.6


def test_text_labels_stratify_too():
    labels = np.array(["b"] * 30 + ["a"] * 10)
    _, held = split(40, 0.1, stratify=labels)
    assert sorted(labels[held]) == ["a", "b", "b", "b"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: split(6, 0.2),
            (
                "too few rows to hold any out: 6, and at least 10 are needed; to train on all of them, "
                "hold out a fraction of 0"
            ),
        ),
        (lambda: split(60, 1.0), "the fraction to hold out must lie between 0 and 1, and is 1.0"),
        (lambda: split(60, 0.5, stratify=np.zeros(59)), "there are 60 rows and 59 labels to stratify by"),
        (
            lambda: three_parts(60, 0.5, 0.5),
            "validation (0.5) and test (0.5) are fractions of the rows, at least 0 and together below 1",
        ),
    ],
)
def test_what_cannot_be_split(call, message):
    with pytest.raises(DataError) as caught:
        call()
    assert str(caught.value) == message


def test_no_fraction_keeps_every_row():
    parts = three_parts(4, 0, 0)
    assert (parts.train.tolist(), parts.validation.tolist(), parts.test.tolist()) == ([0, 1, 2, 3], [], [])
