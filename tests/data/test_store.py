"""`RowStore`: rows on disk come back as they were, in an order that is new, seeded, and can be taken up anywhere."""

import errno
import itertools
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backpass.data.store import RowStore, ahead
from backpass.graph.errors import DataError


def store(n, block=64, window=512, width=2):
    made = RowStore(block=block, window=window)
    x = np.arange(n * width, dtype=np.float32).reshape(n, width)
    for start in range(0, n, 7):
        made.add(x[start : start + 7], np.arange(start, min(start + 7, n)))
    return made


def test_rows_come_back_as_they_were():
    made = store(50)
    assert len(made) == 50
    x, y = made.read(10, 20)
    assert y.tolist() == list(range(10, 20))
    np.testing.assert_array_equal(x, np.arange(20, 40).reshape(10, 2))
    assert x.dtype == np.float32
    assert made.read(45, 99)[1].tolist() == [45, 46, 47, 48, 49]
    assert made.gathered([(3, 5), (40, 41)])[1].tolist() == [3, 4, 40]


def test_other_rows_are_refused():
    made = store(5)
    with pytest.raises(DataError, match="cannot be followed by"):
        made.add(np.zeros((1, 3), np.float32), np.zeros(1, np.int64))
    with pytest.raises(DataError, match="cannot be followed by"):
        made.add(np.zeros((2, 2), np.float32), np.zeros(1, np.int64))


def test_the_digest_is_of_the_rows():
    assert store(30).digest == store(30).digest != store(31).digest


def batches(made, rng, batch, first=0):
    """What `runs` gives, batch by batch."""
    for run in made.runs(rng, batch, first):
        assert len(run[0]) <= batch or len(run[0]) % batch == 0
        for start in range(0, len(run[0]), batch):
            yield [array[start : start + batch] for array in run]


def rows_of(batches):
    return [batch[1].tolist() for batch in batches]


@settings(max_examples=40)
@given(st.integers(1, 90), st.integers(1, 40), st.integers(0, 5), st.sampled_from([16, 64, 1024]))
def test_every_row_once_and_the_rest_of_an_epoch_from_anywhere(n, batch, first, block):
    made = store(n, block)
    whole = rows_of(batches(made, np.random.default_rng(3), batch))
    assert [len(rows) for rows in whole] == [batch] * (n // batch) + [n % batch] * (n % batch > 0)
    assert sorted(itertools.chain(*whole)) == list(range(n))
    assert rows_of(batches(made, np.random.default_rng(3), batch, first)) == whole[first:]


def test_the_order_is_of_the_generator_alone():
    made = store(60)
    rng = np.random.default_rng(0)
    first, second = (rows_of(batches(made, rng, 8)) for _ in range(2))
    assert first != second
    again = np.random.default_rng(0)
    assert [first, second] == [rows_of(batches(made, again, 8)) for _ in range(2)]
    assert rng.bit_generator.state == again.bit_generator.state


def test_the_stated_quality_of_the_shuffle():
    """A file sorted by class, 192 blocks a window: the class's share in batches spreads as the module says."""
    rows, block = 20_000, 8
    made = RowStore(block=block * 4, window=192 * block * 4)
    made.add((np.arange(rows) >= rows // 2).astype(np.float32))
    shares = [float(batch[0].mean()) for k in range(6) for batch in batches(made, np.random.default_rng(k), 512)]
    window = np.sqrt(0.25 / 192 * (1 - 192 * block / rows))
    expected = np.sqrt(window**2 + 0.25 / 512 * (1 - 512 / (192 * block)))
    assert np.std(shares) == pytest.approx(expected, rel=0.2)
    complete = np.sqrt(0.25 / 512)
    assert complete < np.std(shares) < 2.5 * complete


def test_rows_spread_over_the_store():
    made = store(1000, block=80)
    rows = made.spread(100)[1]
    assert len(rows) == 100
    assert rows.min() == 0
    assert rows.max() == 999
    assert made.spread(5000)[1].tolist() == list(range(1000))


def test_the_next_window_is_read_while_this_one_is_used():
    made, used = threading.Event(), []

    def items():
        yield 1
        made.set()
        yield 2

    for item in ahead(items()):
        if item == 1:
            assert made.wait(10)  # the second is made before the first is given back
        used.append(item)
    assert used == [1, 2]


def test_what_fails_ahead_fails_here_and_leaves_no_thread():
    def items():
        yield 1
        raise OSError(errno.EIO, "Input/output error")

    before = threading.active_count()
    with pytest.raises(OSError, match="Input/output error"):
        list(ahead(items()))
    stopped = ahead(k for k in range(10**9))
    assert next(stopped) == 0
    stopped.close()
    assert threading.active_count() == before
