"""A run that was stopped, in whatever way, and taken up again ends with the bits of one that was never stopped."""

import contextlib
import dataclasses
import errno
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import backpass as bp
from backpass.graph.errors import DataError, ModelFileError
from backpass.graph.pytree import leaves_of
from backpass.train.run_folder import RunFolder
from backpass.train.saving import SavingWarning

rng = np.random.default_rng(0)
X = rng.normal(size=(120, 4))
Y = X[:, 0] * X[:, 1] > 0
PROGRAM = Path(__file__).with_name("killed.py")
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}


def fit(run=None, callback=None, epochs=5, **options):
    options = {"optimizer": "adamw", "batch": 16, "validation": 0.2, "progress": False, **options}
    model = bp.nn.mlp([6, 2], dropout=0.2, batch_norm=True)
    return bp.fit(model, options.pop("data", (X, Y)), epochs=epochs, run=run, callback=callback, **options)


def bits(run):
    return [leaf.tobytes() for leaf in leaves_of((run.model.theta, run.model.state))]


def measured(history):
    return [{**epoch.to_json(), "seconds": 0} for epoch in history.epochs], history.best


def same(one, other):
    assert measured(one.history) == measured(other.history)
    assert bits(one) == bits(other)
    assert one.stopped == other.stopped
    return True


def interrupting(number):
    def callback(epoch):
        if epoch.number == number:
            raise KeyboardInterrupt

    return callback


@pytest.fixture(scope="module")
def whole():
    return fit()


# --- going on


@pytest.mark.parametrize("stop", [1, 3, 4])
def test_a_run_stopped_after_an_epoch_goes_on_to_the_same_bits(stop, whole, tmp_path):
    assert fit(tmp_path / "run", interrupting(stop)).stopped == "interrupted"
    assert same(fit(tmp_path / "run"), whole)


def test_checkpoints_change_no_bit(whole, tmp_path):
    assert same(fit(RunFolder(tmp_path / "run", every=1)), whole)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to itself")
@pytest.mark.parametrize("step", [1, 7, 12, 13, 29])
def test_ctrl_c_within_an_epoch_stops_between_two_steps(step, whole, tmp_path, monkeypatch):
    """6 steps an epoch: 12 ends one. The signal comes while a step runs, and the run stops after it."""
    from backpass.train import loop

    take = loop.Loop._take

    def taking(self, data, order, rows, most):
        if self.count == step - 1:
            signal.raise_signal(signal.SIGINT)
        return take(self, data, order, rows, 1)

    monkeypatch.setattr(loop.Loop, "_take", taking)
    stopped = fit(tmp_path / "run")
    monkeypatch.undo()
    assert stopped.stopped == "interrupted"
    folder = RunFolder(tmp_path / "run")
    assert folder.newest()[0].count == step
    assert folder.status()["state"] == "interrupted"
    assert same(fit(tmp_path / "run"), whole)


def test_a_second_ctrl_c_does_not_wait_and_saves_nothing_half(whole, tmp_path, monkeypatch):
    from backpass.train import loop

    take = loop.Loop._take

    def taking(self, data, order, rows, most):
        if self.count == 20:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return take(self, data, order, rows, 1)

    monkeypatch.setattr(loop.Loop, "_take", taking)
    assert fit(RunFolder(tmp_path / "run", every=9)).stopped == "interrupted"
    monkeypatch.undo()
    assert RunFolder(tmp_path / "run").newest()[0].count == 18
    assert same(fit(tmp_path / "run"), whole)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_finished_run_is_not_trained_again(whole, tmp_path):
    fit(tmp_path / "run")
    before = sorted((p.name, p.stat().st_mtime_ns) for p in (tmp_path / "run" / "checkpoints").iterdir())
    assert same(fit(tmp_path / "run", callback=lambda epoch: pytest.fail("an epoch was run")), whole)
    assert before == sorted((p.name, p.stat().st_mtime_ns) for p in (tmp_path / "run" / "checkpoints").iterdir())


def test_a_finished_run_can_be_given_more_epochs(tmp_path):
    fit(tmp_path / "run")
    assert same(fit(tmp_path / "run", epochs=8), fit(epochs=8))


def test_patience_counts_on_over_a_stop(tmp_path):
    options = {"optimizer": bp.descent.sgd(3.0), "patience": 3, "epochs": 60}
    whole = fit(**options)
    assert whole.stopped == "no improvement in 3 epochs"
    fit(tmp_path / "run", interrupting(len(whole.history) - 1), **options)
    assert same(fit(tmp_path / "run", **options), whole)
    assert same(fit(tmp_path / "run", **options), whole)


def test_descend_goes_on_too(tmp_path):
    def loss(theta, x, y):
        return np.mean((np.tanh(x @ theta["W"]) @ theta["v"] + theta["c"] - y) ** 2)

    def walk(run=None, callback=None):
        theta = {"W": np.linspace(-1, 1, 12).reshape(4, 3), "v": np.ones(3), "c": 0.5}
        return bp.descend(loss, theta, (X, X[:, 0]), epochs=6, run=run, callback=callback, progress=False)

    theta, history = walk()
    assert walk(tmp_path / "run", interrupting(4))[1].stopped == "interrupted"
    again, resumed = walk(tmp_path / "run")
    assert measured(resumed) == measured(history)
    assert [np.asarray(leaf).tobytes() for leaf in leaves_of(again)] == [
        np.asarray(leaf).tobytes() for leaf in leaves_of(theta)
    ]
    assert type(again["c"]) is float


# --- being killed


def killed(tmp_path, how, count):
    done = subprocess.run(
        [sys.executable, PROGRAM, tmp_path, how, str(count)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(re.match(r"(\d+) killed, each resumed to the same bits", done.stdout)[1])


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")


@needs_fork
def test_kill_9_loses_nothing(tmp_path):
    assert killed(tmp_path, "kill", 3) == 3


@needs_fork
@pytest.mark.slow
def test_fifty_times_kill_9(tmp_path):
    assert killed(tmp_path, "kill", 50) == 50


@needs_fork
@pytest.mark.slow
def test_a_process_that_ends_at_any_write_loses_nothing(tmp_path):
    assert killed(tmp_path, "write", 30) == 30


# --- disks


@contextlib.contextmanager
def full_disk(monkeypatch, calls):
    """fsync finds the disk full in its calls of these numbers."""
    real, number = os.fsync, [0]

    def fsync(handle):
        number[0] += 1
        if number[0] in calls:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        yield


def test_a_full_disk_stops_no_training_and_harms_no_checkpoint(whole, tmp_path, monkeypatch):
    folder = RunFolder(tmp_path / "run", every=2, keep=1)
    with full_disk(monkeypatch, range(30, 10**6)), pytest.warns(SavingWarning) as told:
        reached = fit(folder)
    messages = [str(warning.message) for warning in told]
    assert len(messages) == 2, messages  # once for the run, and once for its model
    assert re.search(r"No space left on device.*Training goes on.*last good checkpoint is .*ckpt", messages[0])
    assert re.search(r"cannot write .*model\.bp: No space left on device.*The checkpoints stay", messages[1])
    assert same(reached, whole)
    checkpoint = folder.newest()[0]
    assert 0 < checkpoint.count < 30
    assert not list(tmp_path.rglob("*.part"))
    assert same(fit(tmp_path / "run"), whole)


def test_on_a_full_disk_older_checkpoints_make_room(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path / "run", every=2, keep=3)
    fit(folder, interrupting(3))
    assert len(folder.checkpoints()) == 3
    newest = folder.newest()[0].count
    real = os.fsync

    def fsync(handle):
        if len(folder.checkpoints()) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        checkpoint, identity, _ = folder.newest()
        later = dataclasses.replace(checkpoint, count=newest + 1)
        folder.save(later, tuple(map(str, range(len(checkpoint.carried)))), identity)
    assert [int(path.stem) for path in folder.checkpoints()] == [newest, newest + 1]


def test_a_damaged_checkpoint_is_passed_over(whole, tmp_path):
    folder = RunFolder(tmp_path / "run", every=2)
    fit(folder, interrupting(3))
    newest = folder.checkpoints()[-1]
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    with pytest.warns(SavingWarning, match=r"ckpt is damaged.*; the checkpoint before it is taken"):
        assert same(fit(folder), whole)


def test_when_no_checkpoint_can_be_read_that_is_said(tmp_path):
    folder = RunFolder(tmp_path / "run")
    fit(folder, interrupting(3))
    for path in folder.checkpoints():
        path.write_bytes(b"")
    with pytest.raises(ModelFileError, match=r"no checkpoint of .*run can be read: .*ckpt is empty"):
        fit(folder)


# --- what a run is


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 1}, "the θ to start from differs, and the data differ, and the seed differs"),
        ({"batch": 8}, "the loss, the model or the optimizer differs, and the batch size differs"),
        ({"optimizer": "sgd"}, "the loss, the model or the optimizer differs"),
        ({"data": (X + 1, Y)}, "the data differ"),
    ],
)
def test_another_run_is_not_taken_for_this_one(change, words, tmp_path):
    fit(tmp_path / "run", interrupting(2))
    before = sorted((p.name, p.read_bytes()) for p in (tmp_path / "run" / "checkpoints").iterdir())
    with pytest.raises(DataError, match=f"holds another run: here .*{words}"):
        fit(tmp_path / "run", **change)
    assert before == sorted((p.name, p.read_bytes()) for p in (tmp_path / "run" / "checkpoints").iterdir())


def test_going_on_elsewhere_is_told(tmp_path):
    folder = RunFolder(tmp_path / "run")
    fit(folder, interrupting(2))
    path = tmp_path / "run" / "environment.json"
    path.write_text(path.read_text().replace(np.__version__, "1.0"))
    with pytest.warns(SavingWarning, match=r"began in another environment \(numpy 1\.0 → .*its last bits may differ"):
        fit(folder)


def test_two_processes_do_not_train_in_one_folder(tmp_path):
    folder = RunFolder(tmp_path / "run")
    with folder.opened():
        assert folder.is_open()
        with pytest.raises(DataError, match=r"another process is training in .*run"):
            fit(tmp_path / "run")
    assert not folder.is_open()


def test_what_a_person_finds_in_the_folder(tmp_path):
    folder = RunFolder(tmp_path / "run", every=5, keep=2)
    run = fit(folder)
    assert sorted(os.listdir(tmp_path / "run")) == [
        ".lock", "checkpoints", "config.json", "environment.json", "history.csv", "model.bp", "status.json",
    ]  # fmt: skip
    assert len(folder.checkpoints()) == 2
    assert folder.config()["settings"]["optimizer"]["name"] == "adamw"
    assert [row["loss"] for row in folder.history()] == run.history["loss"]
    assert folder.status() == {
        "state": "finished", "stopped": "all epochs done", "epochs": 5, "steps": 30, "best": run.history.best,
    }  # fmt: skip
    assert bp.load(folder.model_path).predict(X).tolist() == run.model.predict(X).tolist()
    with open(tmp_path / "run" / "history.csv", "a") as file:
        file.write("6,0.12")  # as a kill may leave it
    assert len(folder.history()) == 5


def test_a_killed_run_says_so(tmp_path):
    folder = RunFolder(tmp_path / "run")
    fit(folder, interrupting(2))
    folder.write_status(**{**folder.status(), "state": "running"})
    assert folder.status()["state"] == "killed"


def test_a_run_that_broke_says_why_and_keeps_its_checkpoints(tmp_path):
    folder = RunFolder(tmp_path / "run", every=1)
    with pytest.raises(bp.errors.NonFiniteError):
        fit(folder, optimizer=bp.descent.sgd(1e30), epochs=30)
    assert folder.status()["state"] == "failed"
    assert "stopped being finite" in folder.status()["why"]
    with contextlib.suppress(ModelFileError):
        found = folder.newest()
        assert found is None or all(np.isfinite(leaf).all() for leaf in found[0].carried)


def test_folders_that_are_no_runs(tmp_path):
    with pytest.raises(DataError, match=r"holds no run: it has no config\.json"):
        RunFolder(tmp_path).config()
    (tmp_path / "config.json").write_text("[")
    with pytest.raises(ModelFileError, match=r"config\.json is damaged"):
        RunFolder(tmp_path).config()
    (tmp_path / "config.json").write_text('{"format": "backpass-run", "version": 99}')
    with pytest.raises(ModelFileError, match="newer Backpass"):
        RunFolder(tmp_path).config()
