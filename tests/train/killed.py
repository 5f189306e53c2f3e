"""A program that trains in child processes, kills them, lets others take the run up, and compares bits.

``python killed.py FOLDER HOW COUNT``: HOW is "kill" (SIGKILL after a random time, COUNT times) or "write" (the process
ends at one of its writes to the disk, at each of them in turn, up to COUNT of them).
"""

import hashlib
import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

import backpass as bp
from backpass.graph.pytree import leaves_of

rng = np.random.default_rng(0)
X = rng.normal(size=(150, 4)).astype(np.float32)
Y = X[:, 0] * X[:, 1] > 0


def train(folder, epochs):
    network = bp.nn.mlp([8, 2], dropout=0.2, batch_norm=True)
    rule = bp.descent.adamw(bp.descent.cosine(0.01, steps=10 * epochs))
    where = bp.RunFolder(folder, every=3, keep=2)
    run = bp.fit(network, (X, Y), optimizer=rule, epochs=epochs, batch=16, validation=0.2, progress=False, run=where)
    bits = hashlib.sha256(b"".join(leaf.tobytes() for leaf in leaves_of((run.model.theta, run.model.state))))
    losses = [run.history["loss"], run.history["validation_loss"], run.history["gradient_norm"], run.history.best]
    return f"{bits.hexdigest()} {losses}"


def child(folder, epochs, prepare=lambda: None):
    """The number of a new process that trains and writes what it reached beside its folder."""
    process = os.fork()
    if process:
        return process
    try:
        prepare()
        reached = train(folder, epochs)
        (folder.parent / f"{folder.name}.reached").write_text(reached)
        os._exit(0)
    except BaseException as error:
        print(repr(error), file=sys.stderr)
        os._exit(1)


def finished(folder, epochs):
    """What a process that takes the run up reaches."""
    assert os.waitpid(child(folder, epochs), 0)[1] == 0
    return (folder.parent / f"{folder.name}.reached").read_text()


def dies_at(number):
    """Make the process end at its number-th call that changes the disk, before or after the call."""
    calls = [0]

    def dying(call):
        def called(*args, **kwargs):
            calls[0] += 1
            if calls[0] == number:
                os._exit(9)
            result = call(*args, **kwargs)
            calls[0] += 1
            if calls[0] == number:
                os._exit(9)
            return result

        return called

    for name in ("fsync", "replace", "chmod", "unlink"):
        setattr(os, name, dying(getattr(os, name)))


def main(where, how, count):
    epochs = 12 if how == "kill" else 2
    whole = where / "whole"
    expected = finished(whole, epochs)
    began = time.monotonic()
    assert finished(where / "again", epochs) == expected
    usual = time.monotonic() - began
    draw = random.Random(0)
    killed = 0
    for k in range(100 * count):
        if killed == count:
            break
        folder = where / f"run{k}"
        if how == "kill":
            process = child(folder, epochs)
            time.sleep(draw.uniform(0, usual))
            os.kill(process, signal.SIGKILL)
            died = os.WIFSIGNALED(os.waitpid(process, 0)[1])
        else:
            process = child(folder, epochs, lambda k=k: dies_at(k + 1))
            died = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 9
            if not died:
                break
        if not died and how == "write":
            break  # it has no more writes than that
        if not died:
            usual *= 0.9
            continue  # it had finished
        killed += 1
        assert finished(folder, epochs) == expected, f"{folder} differs"
        parts = list(folder.rglob("*.part"))
        assert not parts, parts
        assert len(list((folder / "checkpoints").iterdir())) <= 2
    print(f"{killed} killed, each resumed to the same bits")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
