"""Loops and branches in LLVM: a table of addresses for each body, and calls of it.

One that has little to do in a step is the first rank's alone; in others all ranks take part, and meet at the end of
each body, so that no step begins before the one before it is whole.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from . import ir
from .alignment import LINE
from .control import Body, Branch, Feed, Loop, bodies
from .kernel import Item, Kernel, Plan
from .lanes import I1, I8, I64, POINTER, Lanes, Value, i64, intrinsic

if TYPE_CHECKING:
    from .module import ModuleWriter

LOOK = 100_000_000
"""Operations, roughly, after which Python is asked whether someone presses Ctrl-C: a fraction of a second."""
UNKNOWN = 10_000
"""What an island is taken to cost."""
CALL = 50
"""What calling a kernel costs, whatever it does."""


def work(kernel: Kernel) -> int:
    """Operations, roughly; of a loop, those of all its steps."""
    match kernel.kind:
        case "nest":
            return math.prod(kernel.domain) * (1 + len(kernel.nodes))
        case "product":
            (_, left), (_, right) = kernel.operands
            return left.size * right.shape[-1]
        case "random":
            return 16 * math.prod(kernel.domain)
        case "island":
            return UNKNOWN
    inner = [total(body.plan) for body in bodies(kernel)]
    if isinstance(kernel.control, Loop):
        return sum(inner) * (kernel.control.length or 1)
    return max(inner, default=0)


def total(plan: Plan) -> int:
    """Operations of a body, with what calls cost."""
    return sum(CALL + work(kernel) for kernel in plan.kernels)


def divides(plan: Plan, little: int) -> bool:
    """Is there a kernel in a body that is worth dividing among ranks?"""
    return any(
        any(divides(body.plan, little) for body in bodies(kernel))
        if kernel.control is not None
        else kernel.kind != "island" and work(kernel) >= little
        for kernel in plan.kernels
    )


class _Ranks:
    """Who runs a body, while it is written."""

    def __init__(self, w: ModuleWriter, alone: bool):
        self.alone = alone
        self.rank, self.ranks = (i64(0), i64(1)) if alone else (w.rank, w.ranks)


@contextlib.contextmanager
def _ranks(w: ModuleWriter, plans: list[Plan]) -> Iterator[_Ranks]:
    from .module import LITTLE

    if any(divides(plan, LITTLE) for plan in plans):
        yield _Ranks(w, alone=False)
        return
    with w.b.if_then(w.b.icmp_signed("==", w.rank, i64(0))):
        yield _Ranks(w, alone=True)


class _Written:
    """A body's function, and its table in the function that calls it."""

    def __init__(self, w: ModuleWriter, body: Body, prefix: str):
        from .module import ModuleWriter

        inner = ModuleWriter(body.plan, w.target, w, prefix)
        self.function = inner.write_body()
        self.slots = inner.slots
        self.table = w.b.alloca(I64, size=i64(max(1, len(self.slots))))
        self.bases: list[tuple[Feed, Value]] = [
            (feed, w.b.add(w.b.ptrtoint(w.address(feed.source), I64), i64(feed.offset)))
            for feed in body.feeds
            if feed.slot in self.slots
        ]

    def enter(self, w: ModuleWriter, step: Value | None = None) -> None:
        """Set the entries of the table that move, or those that do not."""
        for feed, base in self.bases:
            if bool(feed.step) != (step is not None):
                continue
            address = base if step is None else w.b.add(base, w.b.mul(step, i64(feed.step)))
            place = w.b.gep(self.table, i64(self.slots[feed.slot]), I64)
            w.b.store(address, place, align=8)

    def call(self, w: ModuleWriter, arena: Value, ranks: _Ranks) -> None:
        w.b.call(self.function, [self.table, arena, w.flag, ranks.rank, ranks.ranks, w.bar, w.packing])


# ---- loops
def write_loop(w: ModuleWriter, name: str, made: Loop) -> None:
    """Write a scan or a while loop into the function that `w` writes."""
    plans = [made.body.plan, *([made.test.plan] if made.test is not None else [])]
    with _ranks(w, plans) as ranks:
        _loop(w, name, made, ranks)


def _loop(w: ModuleWriter, name: str, made: Loop, ranks: _Ranks) -> None:
    b = w.b
    body = _Written(w, made.body, f"{name}_")
    test = _Written(w, made.test, f"{name}_test_") if made.test is not None else None
    for part in (body, test):
        if part is not None:
            part.enter(w)
    verdict = w.address(made.work)
    arena = b.gep(verdict, i64(LINE if test is not None else 0), I8)
    length = None if made.length is None else i64(made.length)
    if made.count is not None:
        length = _clipped(w, made.count, i64(0), i64(made.length or 0))
    with _first(w, ranks):
        for move in made.begin:
            at: Value = i64(move.at)
            if move.each and length is not None:
                at = b.add(at, b.mul(i64(move.each), length))
            _copy(w, _at(w, move.target, at), _at(w, move.source, i64(move.start)), move.size)
    _meet(w, ranks)
    head, step, end = (b.append_basic_block(what) for what in ("head", "step", "end"))
    before = b.block
    b.branch(head)
    b.position_at_end(head)
    i = b.phi(I64)
    i.add_incoming(i64(0), before)
    if test is None:
        assert length is not None
        go = b.and_(b.icmp_signed("<", i, length), b.not_(_stopped(w, ranks)))
    else:
        test.enter(w, i)
        test.call(w, arena, ranks)
        go = _verdict(w, made, verdict, ranks)
        if length is not None:
            over = b.and_(go, b.icmp_signed("==", i, length))
            with b.if_then(over, likely=False):
                b.store(i64(1), w.flag, align=8)
            go = b.and_(go, b.not_(over))
    b.cbranch(go, step, end)
    b.position_at_end(step)
    if made.reverse:
        assert length is not None
        body.enter(w, b.sub(b.sub(length, i), i64(1)))
    else:
        body.enter(w, i)
    body.call(w, arena, ranks)
    _look(w, sum(total(part.plan) for part in (made.body, made.test) if part is not None), ranks)
    i.add_incoming(b.add(i, i64(1)), b.block)
    b.branch(head)
    b.position_at_end(end)
    with _first(w, ranks):
        _finish(w, made, i)


def _finish(w: ModuleWriter, made: Loop, steps: Value) -> None:
    """The last carry and the rows without a step, where their number was not known before."""
    b = w.b
    if made.steps is not None:
        b.store(steps, w.address(made.steps), align=8)
    for stack in made.stacks:
        behind = b.mul(b.add(steps, i64(stack.more)), i64(stack.size))
        place = _at(w, stack.item, behind)
        if stack.last is not None:
            _copy(w, w.address(stack.last), place, stack.size)
        left = b.sub(i64(stack.rows * stack.size), behind)
        clear = intrinsic(b, "llvm.memset.p0.i64", ir.VoidType(), [POINTER, I8, I64, I1])
        b.call(clear, [place, ir.Constant(I8, 0), left, ir.Constant(I1, 0)])


def _verdict(w: ModuleWriter, made: Loop, place: Value, ranks: _Ranks) -> Value:
    """Does the test hold? Where something went wrong the loop ends, for all ranks at once."""
    b = w.b
    assert made.test is not None
    dtype = made.test.plan.outputs[0].dtype
    if ranks.alone:
        holds = Lanes(b, 1).load(place, i64(0), dtype, 0)
        return b.and_(Lanes(b, 1).cast(holds, dtype, np.dtype(bool)), b.not_(_failed(w)))
    with b.if_then(b.icmp_signed("==", w.rank, i64(0))), b.if_then(_failed(w), likely=False):
        Lanes(b, 1).store(Lanes(b, 1).constant(dtype, 0), place, i64(0), dtype, 0)
    w.meet()
    return Lanes(b, 1).cast(Lanes(b, 1).load(place, i64(0), dtype, 0), dtype, np.dtype(bool))


def _failed(w: ModuleWriter) -> Value:
    return w.b.icmp_signed("!=", w.b.load(w.flag, I64, align=8), i64(0))


def _stopped(w: ModuleWriter, ranks: _Ranks) -> Value:
    """Did something go wrong? Ranks that work together go on, or some would wait for others that left."""
    failed = _failed(w)
    return failed if ranks.alone else w.b.and_(failed, w.b.icmp_signed("==", w.ranks, i64(1)))


def _look(w: ModuleWriter, cost: int, ranks: _Ranks) -> None:
    """From time to time, let Python look at what keys were pressed."""
    from .module import Word

    b = w.b
    place = w.word(Word.SPENT)
    with contextlib.ExitStack() as stack:
        if not ranks.alone:
            stack.enter_context(b.if_then(b.icmp_signed("==", w.ranks, i64(1))))
        spent = b.add(b.load(place, I64, align=8), i64(cost + CALL))
        b.store(spent, place, align=8)
        with b.if_then(b.icmp_signed(">", spent, i64(LOOK)), likely=False):
            b.store(i64(0), place, align=8)
            w.ask(-1)


# ---- branches
def write_branch(w: ModuleWriter, name: str, made: Branch) -> None:
    """Write a choice between bodies into the function that `w` writes."""
    with _ranks(w, [body.plan for body in made.bodies]) as ranks:
        b = w.b
        chosen = _clipped(w, made.index, i64(0), i64(len(made.bodies) - 1))
        arena = w.address(made.work)
        end = b.append_basic_block("end")
        blocks = [b.append_basic_block("branch") for _ in made.bodies]
        b.switch(chosen, blocks[0], [(i64(k), block) for k, block in enumerate(blocks)])
        for k, (body, block) in enumerate(zip(made.bodies, blocks, strict=True)):
            b.position_at_end(block)
            written = _Written(w, body, f"{name}_{k}_")
            written.enter(w)
            written.call(w, arena, ranks)
            b.branch(end)
        b.position_at_end(end)


# ---- pieces
def _clipped(w: ModuleWriter, access: tuple[Item, object], low: Value, high: Value) -> Value:
    """A whole number or truth value in memory, between two others."""
    b = w.b
    item, view = access
    value = Lanes(b, 1).load(w.address(item), i64(view.offset), item.dtype, 0)  # type: ignore[attr-defined]
    wide = Lanes(b, 1).cast(value, item.dtype, np.dtype(np.int64))
    if item.dtype.kind == "u":
        return b.select(b.icmp_unsigned("<", wide, high), wide, high)
    wide = b.select(b.icmp_signed("<", wide, low), low, wide)
    return b.select(b.icmp_signed("<", wide, high), wide, high)


def _at(w: ModuleWriter, item: Item, offset: Value) -> Value:
    return w.b.gep(w.address(item), offset, I8)


def _copy(w: ModuleWriter, target: Value, source: Value, size: int) -> None:
    b = w.b
    copy = intrinsic(b, "llvm.memcpy.p0.p0.i64", ir.VoidType(), [POINTER, POINTER, I64, I1])
    b.call(copy, [target, source, i64(size), ir.Constant(I1, 0)])


@contextlib.contextmanager
def _first(w: ModuleWriter, ranks: _Ranks) -> Iterator[None]:
    """What the first rank does."""
    if ranks.alone:
        yield
        return
    with w.b.if_then(w.b.icmp_signed("==", w.rank, i64(0))):
        yield


def _meet(w: ModuleWriter, ranks: _Ranks) -> None:
    if not ranks.alone:
        w.meet()


__all__ = ["divides", "total", "work", "write_branch", "write_loop"]
