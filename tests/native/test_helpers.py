"""Threads that wait to help: each rank runs once, at the same time as the others, again and again."""

from __future__ import annotations

import os
import threading

import pytest

from backpass.native.helpers import together


def test_ranks_run_at_the_same_time_and_in_the_same_threads_again() -> None:
    met = threading.Barrier(3, timeout=60)
    names: list[dict[int, str]] = []
    for _ in range(3):
        seen: dict[int, str] = {}

        def call(rank: int, seen: dict[int, str] = seen) -> None:
            met.wait()
            seen[rank] = threading.current_thread().name if rank == 0 else str(threading.get_ident())

        together(call, 3)
        names.append(seen)
    assert [sorted(seen) for seen in names] == [[0, 1, 2]] * 3
    assert names[0][0] == threading.current_thread().name
    assert {names[0][1], names[0][2]} == {names[2][1], names[2][2]}


def test_what_a_helper_raises_is_raised_and_it_helps_on() -> None:
    def call(rank: int) -> None:
        if rank == 1:
            raise ValueError("rank 1")

    for _ in range(2):
        with pytest.raises(ValueError, match="rank 1"):
            together(call, 2)
    done: list[int] = []
    together(done.append, 2)
    assert sorted(done) == [0, 1]


def test_two_threads_may_ask_for_help_at_once() -> None:
    met = threading.Barrier(4, timeout=60)
    others = [threading.Thread(target=together, args=(lambda rank: met.wait(), 2)) for _ in range(2)]
    for other in others:
        other.start()
    for other in others:
        other.join(60)
    assert not any(other.is_alive() for other in others)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forking where there are threads
def test_a_forked_child_has_helpers_of_its_own() -> None:
    together(lambda rank: None, 2)
    child = os.fork()
    if child == 0:
        done: list[int] = []
        together(done.append, 2)
        os._exit(0 if sorted(done) == [0, 1] else 1)
    assert os.waitpid(child, 0)[1] == 0
