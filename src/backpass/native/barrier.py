"""A barrier for a few threads: each counts itself in, the last one opens the next generation, the others watch for it.

It spins for a while, which costs a fraction of a microsecond where every thread has a core, and then yields the core at
each look: on a busy machine the thread that it waits for may need just that one.
"""

from __future__ import annotations

from . import ir
from .lanes import I32, I64, POINTER, i64, intrinsic

SPINS = 2000
WORDS = 32
"""int64 words of memory: the count and the generation, each on cache lines of its own."""


def write(module: ir.Module) -> ir.Function:
    """Add ``void meet(ptr barrier, i64 ranks)``; with one rank it does nothing."""
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [POINTER, I64]), "meet")
    function.linkage = "internal"
    function.attributes.add("nounwind")
    bar, ranks = function.args
    entry, enter, last, wait, look, rest, done = (
        function.append_basic_block(name) for name in ("entry", "enter", "last", "wait", "look", "rest", "done")
    )
    b = ir.Builder(function, entry)
    b.cbranch(b.icmp_signed("==", ranks, i64(1)), done, enter)
    b.position_at_end(enter)
    place = b.gep(bar, i64(16), I64)
    generation = b.load_atomic(place, "acquire", 8, I64)
    before = b.atomic_rmw("add", bar, i64(1), "acq_rel")
    b.cbranch(b.icmp_signed("==", before, b.sub(ranks, i64(1))), last, wait)
    b.position_at_end(last)
    b.store_atomic(i64(0), bar, "monotonic", 8)
    b.store_atomic(b.add(generation, i64(1)), place, "release", 8)
    b.branch(done)
    b.position_at_end(wait)
    looks = b.phi(I64)
    looks.add_incoming(i64(0), enter)
    now = b.load_atomic(place, "acquire", 8, I64)
    b.cbranch(b.icmp_signed("==", now, generation), look, done)
    b.position_at_end(look)
    more = b.add(looks, i64(1))
    looks.add_incoming(more, look)
    b.cbranch(b.icmp_signed("<", more, i64(SPINS)), wait, rest)
    b.position_at_end(rest)
    looks.add_incoming(more, rest)
    b.call(intrinsic(b, "sched_yield", I32, []), [])
    b.branch(wait)
    b.position_at_end(done)
    b.ret_void()
    return function
