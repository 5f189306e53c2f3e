"""Random numbers as a function of a key: Philox-4x32-10, a counter-based generator.

There is no hidden state. A *key* is two uint32 words (seed, counter), and `random_bits(key, shape)` is a plain function
of it: the same key gives the same bits on every machine, in every order, in one piece or in many. So a training step
that draws a dropout mask is still a pure function of its arguments, and its graph can be differentiated, compiled and
replayed. One key serves one purpose: `split` and `fold` make the keys of others from it.

Source: Salmon, Moraes, Dror & Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011, section 3.3. The output is
that of the authors' own Random123 library, word for word: block b of a stream is Philox of the counter (b mod 2³², b ÷
2³², 0, 0).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from backpass.graph.aval import Aval
from backpass.graph.errors import BackpassError, DtypeError
from backpass.graph.op import Kind, Op, declare

ROUNDS = 10
MULTIPLIERS = np.array([[0xD2511F53], [0xCD9E8D57]], np.uint64)
WEYL = np.array([0x9E3779B9, 0xBB67AE85], np.uint64)
"""The golden ratio and √3 − 1, as fractions of 2³²: what the key's two words grow by from round to round."""
GROWTH = np.arange(ROUNDS, dtype=np.uint64)[:, None] * WEYL

LOW = 0xFFFFFFFF
WORDS = 4
CHUNK = 8192
"""Blocks computed at a time, so that the ten rounds run in the cache."""

FOLDED = 0x464F4C44
"""Keeps the keys of `fold` apart from those of `split`: the ASCII codes of "FOLD"."""


class KeyWordsError(BackpassError, ValueError):
    """A value is not a key: two uint32 words."""


def make_key(seed: int, counter: int = 0) -> np.ndarray:
    """The key (seed, counter), uint32 of shape (2,); both are whole numbers from 0 to 2³² − 1.

    Count steps of training in `counter`: each step then has a stream of its own.

    >>> make_key(7, counter=1)
    array([7, 1], dtype=uint32)
    """
    for name, word in (("seed", seed), ("counter", counter)):
        if not isinstance(word, (int, np.integer)) or not 0 <= word <= LOW:
            raise KeyWordsError(f"{name} is {word!r}; it must be a whole number from 0 to {LOW}")
    return np.array([int(seed), int(counter)], dtype=np.uint32)


def philox(counter: Any, key: Any) -> Any:
    """Philox-4x32-10: a key (2,) turns each column of `counter` (4, n) into the same column of the result (4, n).

    All three are 32-bit words held in uint64, so that their products fit: nothing overflows, so nothing can warn.

    >>> [hex(word) for word in philox(np.zeros((4, 1), np.uint64), np.zeros(2, np.uint64))[:, 0]]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    keys = ((key + GROWTH) & LOW).reshape(ROUNDS, 2, 1)
    even, odd = counter[0::2], counter[1::2]
    for i in range(ROUNDS):
        product = even * MULTIPLIERS
        even, odd = (product >> 32)[::-1] ^ odd ^ keys[i], (product & LOW)[::-1]
    return np.stack([even[0], odd[0], even[1], odd[1]])


def random_bits(key: Any, shape: int | tuple[int, ...]) -> Any:
    """Uniformly random uint32 of this shape, in C order from the stream of `key`.

    A shorter draw is the beginning of a longer one. Raises `KeyWordsError` if `key` is not uint32 of shape (2,).

    >>> random_bits(make_key(0), 4)
    array([1713891541, 3781805453, 3159862348, 2600524760], dtype=uint32)
    >>> random_bits(make_key(0), (2, 1))
    array([[1713891541],
           [3781805453]], dtype=uint32)
    """
    check_key(key)
    return RANDOM_BITS(key, shape=(int(shape),) if isinstance(shape, (int, np.integer)) else tuple(map(int, shape)))


def _bits(key: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    size = math.prod(shape)
    blocks = -(-size // WORDS)
    words = key.astype(np.uint64)
    pieces = [np.zeros(0, np.uint32)]
    for start in range(0, blocks, CHUNK):
        block = np.arange(start, min(start + CHUNK, blocks), dtype=np.uint64)
        zero = np.zeros_like(block)
        stream = philox(np.stack([block & LOW, block >> 32, zero, zero]), words)
        pieces.append(stream.T.astype(np.uint32).reshape(-1))
    return np.concatenate(pieces)[:size].reshape(shape)


RANDOM_BITS = declare(
    Op(
        name="random_bits",
        kind=Kind.DISCRETE,
        run=_bits,
        aval=lambda key, shape: Aval(tuple(shape), np.dtype(np.uint32)),
        partials=(None,),
        notation="random bits({0})",
        doc="Uniformly random 32-bit words from the stream of a key, by Philox-4x32-10.",
    )
)


def uniform(key: Any, shape: int | tuple[int, ...], dtype: Any = np.float64) -> Any:
    """Uniform random numbers u, 0 <= u < 1, of this shape: multiples of 2⁻⁵³, 2⁻²⁴, 2⁻¹¹ for float64, float32, float16.

    >>> uniform(make_key(1), 3, np.float32)
    array([0.89025915, 0.8946847 , 0.5857259 ], dtype=float32)
    """
    dtype = np.dtype(dtype)
    shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    if dtype == np.float64:
        bits = random_bits(key, (*shape, 2))
        return ((bits[..., 0] >> 5).astype(dtype) * 2.0**26 + (bits[..., 1] >> 6).astype(dtype)) * 2.0**-53
    if dtype not in (np.float32, np.float16):
        raise DtypeError(f"uniform draws float64, float32 or float16, not {dtype}")
    digits = np.finfo(dtype).nmant + 1
    return (random_bits(key, shape) >> (32 - digits)).astype(dtype) * 2.0**-digits


def split(key: Any, count: int) -> Any:
    """`count` new keys, the rows of a uint32 array of shape (count, 2); row i does not depend on `count`.

    >>> split(make_key(0), 2)
    array([[1713891541, 3781805453],
           [3159862348, 2600524760]], dtype=uint32)
    """
    return random_bits(key, (count, 2))


def fold(key: Any, number: Any) -> Any:
    """A new key from `key` and a number from 0 to 2³² − 1, which may be traced: a step, an epoch, a worker's rank.

    >>> fold(make_key(0), 1)
    array([2415475864, 2084885060], dtype=uint32)
    """
    if isinstance(number, int):
        number = np.array([number], np.uint32)
    number = number.reshape((1,)).astype(np.uint32)
    return random_bits(random_bits(key, 2) ^ np.concatenate([number, np.array([FOLDED], np.uint32)]), 2)


def check_key(key: Any) -> None:
    """Refuse what is not a key."""
    dtype, shape = getattr(key, "dtype", None), getattr(key, "shape", None)
    if dtype != np.uint32 or shape != (2,):
        found = repr(key) if dtype is None else f"{dtype} of shape {shape}"
        raise KeyWordsError(f"a key is uint32 of shape (2,), got {found}; make one by backpass.nn.make_key(seed)")
