"""The generator is Random123's Philox-4x32-10, and a stream is a function of its key alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import backpass as bp
from backpass.graph.staging import Compiled
from backpass.nn import fold, make_key, split
from backpass.partials import random
from backpass.partials.random import KeyWordsError, philox, random_bits, uniform

WORD = st.integers(0, 2**32 - 1)

# The known-answer file of Random123 1.14 (tests/kat_vectors), philox4x32 10.
KNOWN_ANSWERS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def words(text):
    return np.array([int(word, 16) for word in text.split()], np.uint64)


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_known_answers(counter, key, answer):
    np.testing.assert_array_equal(philox(words(counter)[:, None], words(key))[:, 0], words(answer))


def philox_in_python(counter, key):
    """The paper's figure, one word at a time in Python's whole numbers."""
    c, k = list(counter), list(key)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ k[1], p0 & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


@given(WORD, WORD, st.integers(0, 40))
def test_stream_counts_blocks(seed, counter, size):
    expected = [w for block in range(size // 4 + 1) for w in philox_in_python([block, 0, 0, 0], [seed, counter])][:size]
    assert random_bits(make_key(seed, counter), size).tolist() == expected


def test_high_words_of_the_block_counter():
    column = np.array([[5], [7], [0], [0]], np.uint64)
    assert philox(column, np.array([1, 2], np.uint64))[:, 0].tolist() == philox_in_python([5, 7, 0, 0], [1, 2])


@given(st.lists(st.integers(0, 7), max_size=3), WORD, st.integers(1, 5))
def test_stream_does_not_depend_on_chunks_or_shape(shape, seed, chunk):
    whole = random_bits(make_key(seed), tuple(shape))
    usual, random.CHUNK = random.CHUNK, chunk
    try:
        np.testing.assert_array_equal(random_bits(make_key(seed), tuple(shape)), whole)
    finally:
        random.CHUNK = usual
    assert whole.dtype == np.uint32
    assert whole.shape == tuple(shape)
    np.testing.assert_array_equal(random_bits(make_key(seed), 1000)[: whole.size], whole.ravel())


@pytest.mark.parametrize(("dtype", "digits"), [(np.float64, 53), (np.float32, 24), (np.float16, 11)])
def test_uniform(dtype, digits):
    u = uniform(make_key(3), (50_000,), dtype)
    assert u.dtype == dtype
    assert u.min() >= 0
    assert u.max() < 1
    np.testing.assert_array_equal(u.astype(np.float64) * 2.0**digits % 1, 0)
    expected = 4 * np.sqrt(1 / 12 / u.size)
    assert abs(u.mean(dtype=np.float64) - 0.5) < expected
    histogram = np.histogram(u, 20, (0, 1))[0]
    assert ((histogram - 2500) ** 2 / 2500).sum() < 43.8  # chi squared, 19 degrees of freedom, p = 0.001


def test_every_bit_is_fair():
    bits = random_bits(make_key(11), 20_000)
    ones = [((bits >> i) & 1).mean() for i in range(32)]
    np.testing.assert_allclose(ones, 0.5, atol=4 * 0.5 / np.sqrt(bits.size))


def test_keys_differ():
    key = make_key(0, 9)
    made = [key, *split(key, 50), *(fold(key, i) for i in range(50)), *(fold(split(key, 1)[0], i) for i in range(50))]
    assert len({tuple(k) for k in made}) == len(made)
    np.testing.assert_array_equal(split(key, 3), split(key, 50)[:3])
    np.testing.assert_array_equal(fold(key, np.uint32(7)), fold(key, 7))


def test_traced_key_and_number():
    for function, args in [(lambda k: random_bits(k, (3, 5)), (make_key(4),)), (fold, (make_key(4), np.array(9)))]:
        np.testing.assert_array_equal(Compiled(function)(*args), function(*args))
        assert bp.trace(function, *args)(*args).dtype == np.uint32


@pytest.mark.parametrize("wrong", [7, np.zeros(2), np.zeros(3, np.uint32), np.uint32(1), None])
def test_wrong_key(wrong):
    with pytest.raises(KeyWordsError, match="make_key"):
        random_bits(wrong, 3)


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "a"])
def test_wrong_seed(seed):
    with pytest.raises(KeyWordsError, match="seed is"):
        make_key(seed)
