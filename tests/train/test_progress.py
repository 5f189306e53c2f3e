"""Progress: a bar on a terminal, lines in a log, or nothing."""

import os
import re
import sys

import numpy as np
import pytest

import backpass as bp
from backpass.train.history import Epoch
from backpass.train.progress import Bar, Lines, Quiet, TimeLeft, describe, progress_for

X = np.linspace(-1, 1, 64)


def run(progress, epochs=20, **options):
    return bp.descend(
        lambda t, x: np.mean((t * x - 2 * x) ** 2), 0.0, (X,), epochs=epochs, progress=progress, **options
    )


def test_nothing_is_said_unless_asked_for(capfd):
    run(False)
    run(None)  # not a terminal
    assert capfd.readouterr() == ("", "")


def test_lines_for_a_log(capfd):
    run(True)
    out, err = capfd.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert [int(re.match(r"epoch +(\d+)/20  loss \S+$", line)[1]) for line in lines] == [1, *range(2, 21, 2)]
    assert "\x1b" not in err


def test_lines_say_why_a_run_ended_early():
    said = []
    run(Lines(said.append), callback=lambda epoch: epoch.number == 3)
    assert said[-1] == "stopped: callback"


def test_an_object_of_ones_own_is_told_everything():
    told = []

    class Tells:
        def start(self, epochs, steps):
            told.append(("start", epochs, steps))

        def step(self, done, loss):
            told.append("step")

        def epoch(self, record):
            told.append(record.number)

        def stop(self, reason):
            told.append(reason)

    run(Tells(), epochs=2)
    assert [t for t in told if t != "step"] == [("start", 2, 2), 1, 2, "all epochs done"]


def test_the_end_is_told_also_after_an_error():
    said = []
    with pytest.raises(ZeroDivisionError):
        run(Lines(said.append), callback=lambda epoch: 1 / 0)
    assert len(said) == 1


@pytest.mark.parametrize("choice", [True, None])
def test_a_terminal_gets_the_bar(choice, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert isinstance(progress_for(choice), Bar)
    assert isinstance(progress_for(False), Quiet)


def test_one_epoch_as_text():
    record = Epoch(7, 0.123456, None, {"R²": 0.5}, 0.1, 1.0, 0.1)
    assert describe(record, 1000) == "epoch    7/1000  loss 0.1235  R² 0.5000"


@pytest.mark.parametrize(
    ("done", "spent", "text"),
    [
        (0, 5.0, ""),
        (50, 1.0, "1 s left"),
        (1, 1.0, "99 s left"),
        (1, 10.0, "16 min left"),
        (1, 100.0, "2 h 45 min left"),
    ],
)
def test_time_left(done, spent, text):
    assert TimeLeft(100, now=0.0).text(done, now=spent) == text


PROGRAM = """
import numpy as np, sys, time, backpass as bp
x = np.linspace(-1, 1, 64)
def slow(epoch):
    time.sleep(0.12)
    if len(sys.argv) > 1 and epoch.number == 3:
        raise KeyboardInterrupt
def loss(theta, x):
    return np.mean((theta * x - 2 * x) ** 2)
theta, history = bp.descend(loss, 0.0, (x,), epochs=6, validation=(x,), callback=slow)
print(history.stopped)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
@pytest.mark.parametrize("columns", [120, 80, 40, 20])
@pytest.mark.parametrize("interrupted", [False, True])
def test_the_bar_on_a_real_terminal(columns, interrupted):
    """The bar moves on one line of the terminal's width, goes away at the end, and leaves the cursor as it was."""
    screen = in_terminal([sys.executable, "-c", PROGRAM, *(["stop"] if interrupted else [])], columns)
    assert "Traceback" not in screen
    assert "\x1b[?25l" not in screen  # the cursor is never hidden, so nothing has to bring it back
    if columns >= 40:
        assert re.search(r"epoch .*6", screen)
        assert "loss" in screen
        assert "s left" in screen
    if columns >= 80:
        assert "validation" in screen
    frames = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", part) for part in re.split(r"[\r\n]+", screen)]
    assert max(map(len, frames)) <= columns
    assert frames[-2 if frames[-1] == "" else -1] == ("interrupted" if interrupted else "all epochs done")
    assert screen.count("\n") < 4  # a bar that wraps would leave lines behind


def in_terminal(command, columns):
    """What a program writes to a terminal so wide."""
    import fcntl
    import pty
    import struct
    import subprocess
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    environment |= {"TERM": "xterm-256color", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, close_fds=True
    ) as process:
        os.close(theirs)
        said = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # Linux says so when the other end is closed
                break
            if not part:
                break
            said += part
        process.wait()
    os.close(ours)
    return said.decode()
