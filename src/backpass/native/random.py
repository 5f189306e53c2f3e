"""Philox-4x32-10 in LLVM IR: the same bits as the interpreter's (`partials/random.py`), blocks of four in the lanes."""

from __future__ import annotations

from backpass.partials.random import GROWTH, MULTIPLIERS, ROUNDS

from . import ir
from .lanes import I1, I32, I64, Builder, Lanes, Value, i64, intrinsic, loop, suffix, widened

WORDS = 4


def units(size: int, width: int) -> int:
    """Into how many parts the work can be divided."""
    return -(-size // (WORDS * width))


def write(b: Builder, key: Value, out: Value, size: int, width: int, begin: Value, end: Value) -> None:
    """Fill `out` with `size` words from the stream of `key`."""
    lanes = Lanes(b, width)
    words = [lanes.splat(b.load(b.gep(key, i64(k), I32), I32, align=4)) for k in range(2)]
    full, left = divmod(size, WORDS * width)
    last = b.select(b.icmp_signed("<", end, i64(full)), end, i64(full))
    with loop(b, begin, last) as i:
        _store(b, out, i, _blocks(lanes, words, i), WORDS * width, width)
    if left:
        with b.if_then(b.icmp_signed(">", end, i64(full))):
            _store(b, out, i64(full), _blocks(lanes, words, i64(full)), left, width)


def _blocks(lanes: Lanes, key: list[Value], unit: Value) -> Value:
    """Four words a lane, one block after another."""
    b, width = lanes.b, lanes.width
    first = b.mul(unit, i64(width))
    block = b.add(lanes.splat(first), lanes.iota())
    narrow, wide = widened(I32, width), widened(I64, width)
    number = lambda value: lanes.splat(ir.Constant(I32, int(value)))  # noqa: E731
    c0, c1 = b.trunc(block, narrow), b.trunc(b.lshr(block, lanes.splat(i64(32))), narrow)
    c2 = c3 = number(0)

    def product(x: Value, factor: int) -> tuple[Value, Value]:
        both = b.mul(b.zext(x, wide), lanes.splat(i64(factor)))
        return b.trunc(b.lshr(both, lanes.splat(i64(32))), narrow), b.trunc(both, narrow)

    for k in range(ROUNDS):
        high0, low0 = product(c0, int(MULTIPLIERS[0, 0]))
        high1, low1 = product(c2, int(MULTIPLIERS[1, 0]))
        k0, k1 = (b.add(word, number(growth & 0xFFFFFFFF)) for word, growth in zip(key, GROWTH[k], strict=True))
        c0, c1, c2, c3 = b.xor(b.xor(high1, c1), k0), low1, b.xor(b.xor(high0, c3), k1), low0
    if width == 1:
        vector: Value = ir.Constant(ir.VectorType(I32, WORDS), ir.Undefined)
        for k, word in enumerate((c0, c1, c2, c3)):
            vector = b.insert_element(vector, word, ir.Constant(I32, k))
        return vector
    return _woven(b, _woven(b, c0, c2, width), _woven(b, c1, c3, width), 2 * width)


def _woven(b: Builder, x: Value, y: Value, width: int) -> Value:
    """x₀ y₀ x₁ y₁ …"""
    order = [k // 2 + (width if k % 2 else 0) for k in range(2 * width)]
    return b.shuffle_vector(x, y, ir.Constant(widened(I32, 2 * width), order))


def _store(b: Builder, out: Value, unit: Value, vector: Value, count: int, width: int) -> None:
    place = b.gep(out, b.mul(unit, i64(WORDS * width)), I32)
    if count == WORDS * width:
        b.store(vector, place, align=4)
        return
    mask = ir.Constant(widened(I1, WORDS * width), [int(k < count) for k in range(WORDS * width)])
    name = f"llvm.masked.store.{suffix(vector.type)}.p0"
    store = intrinsic(b, name, ir.VoidType(), [vector.type, place.type, mask.type])
    b.call(store, [vector, place, mask])
