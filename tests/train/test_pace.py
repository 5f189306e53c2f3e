"""How many threads take the steps: on an idle machine all, on a busy one, where they wait for each other, one."""

import pytest

from backpass.train import stepping
from backpass.train.stepping import LONGEST, Pace


class Machine:
    """One whose steps take so long for each number of threads, with a clock of its own."""

    def __init__(self, monkeypatch, **each):
        self.now = 100.0
        self.pace = Pace(2)
        self.each = {1: each["one"], 2: each["two"]}
        monkeypatch.setattr(stepping.time, "monotonic", lambda: self.now)

    def run(self, seconds):
        """Steps a second over so many seconds."""
        began, done = self.now, 0
        while self.now < began + seconds:
            steps, threads, most = self.pace.next()
            each = self.each[threads]
            if most:
                steps = max(1, min(steps, int(most / each) + 1))
            self.now += steps * each
            self.pace.took(steps, threads, steps * each)
            done += steps
        return done / (self.now - began)


@pytest.mark.parametrize("each", [30e-6, 200e-6, 5e-3, 0.2])
def test_two_threads_where_they_are_faster(monkeypatch, each):
    machine = Machine(monkeypatch, one=each, two=0.55 * each)
    assert machine.run(30) > 0.9 / (0.55 * each)


@pytest.mark.parametrize("slower", [1.05, 1.4, 3, 30, 300])
@pytest.mark.parametrize("each", [30e-6, 200e-6, 5e-3])
def test_hardly_slower_than_one_thread_where_two_are_slow(monkeypatch, each, slower):
    machine = Machine(monkeypatch, one=each, two=slower * each)
    assert machine.run(60) > 1 / (1.15 * each)


def test_a_machine_that_becomes_busy(monkeypatch):
    machine = Machine(monkeypatch, one=200e-6, two=110e-6)
    machine.run(5)
    assert machine.pace.threads == 2
    machine.each = {1: 300e-6, 2: 20e-3}
    assert machine.run(30) > 1 / (1.15 * 300e-6)
    machine.each = {1: 200e-6, 2: 110e-6}
    machine.run(LONGEST + 1)
    assert machine.pace.threads == 2


def test_a_step_of_microseconds_is_not_shared(monkeypatch):
    machine = Machine(monkeypatch, one=5e-6, two=1e-6)
    machine.run(3)
    assert machine.pace.seconds.keys() == {1}


def test_a_short_step_is_not_shared_on_a_busy_machine_either(monkeypatch):
    machine = Machine(monkeypatch, one=5e-6, two=5e-3)
    machine.run(1)
    machine.each[1] = 50e-6
    machine.run(3)
    assert machine.pace.seconds.keys() == {1}
