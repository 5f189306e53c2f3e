"""`RunFolder`: a run as a folder that a person can read.

==================== ==================================================================================
config.json          what was asked for, and what tells this run from another one
environment.json     Python, NumPy, machine; an entry each time that the run was begun or taken up again
history.csv          a line an epoch
status.json          running, interrupted, finished or failed; how far; what it scored
checkpoints/         the last few, each with the best θ so far; named by the number of steps
model.bp             the model, once the run has ended
==================== ==================================================================================

Each of them is written beside its name and moved there in one step.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from backpass.descent.hyperparameter import count
from backpass.graph.errors import DataError, ModelFileError

from .checkpoint import Checkpoint
from .history import History
from .stored import write_atomically

FORMAT, VERSION = "backpass-run", 1


class RunFolder:
    """Where a run keeps what it needs to go on, and what a person wants to see of it.

    Args:
        path: the folder; it is made when the run begins.
        every: steps between checkpoints. None: by time, so that saving takes about 3 % of it, and at most one a second.
        keep: how many checkpoints stay. Each holds the best θ so far too.
        command: what config.json is to say of the command that begins the run.
        prolonged: whether the run is given another number of epochs, and config.json written anew; a schedule of the
            learning rate over all of them is then not the one it was begun with.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        every: int | None = None,
        keep: int = 3,
        command: dict[str, Any] | None = None,
        prolonged: bool = False,
    ):
        self.path = Path(path)
        self.command = command
        self.prolonged = prolonged
        self.every = None if every is None else count("every", every)
        self.keep = count("keep", keep)

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    @property
    def exists(self) -> bool:
        """Whether a run has begun here."""
        return (self.path / "config.json").is_file()

    @property
    def model_path(self) -> Path:
        return self.path / "model.bp"

    # ---- what is in it
    def config(self) -> dict[str, Any]:
        """What was asked for. DataError where there is no run, ModelFileError where it cannot be read."""
        if not self.exists:
            raise DataError(f"{self.path} holds no run: it has no config.json")
        found = self._read("config.json")
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise ModelFileError(f"{self.path / 'config.json'} is not the config of a run")
        if not isinstance(found.get("version"), int) or found["version"] > VERSION:
            raise ModelFileError(
                f"{self.path} was written by a newer Backpass (format {found.get('version')}; this one reads "
                f"{VERSION}): update it with\n  pip install --upgrade backpass"
            )
        for part in ("settings", "identity", "command"):
            if not isinstance(found.get(part) or {}, dict):
                raise ModelFileError(f"{self.path / 'config.json'} is damaged: its {part} should be an object")
        return found

    def status(self) -> dict[str, Any]:
        """How far the run is; "unknown" where that cannot be read. A run that says it is running, while nobody does,
        was killed."""
        found: dict[str, Any] = {"state": "begun", "epochs": 0, "steps": 0}
        try:
            kept = self._read("status.json", {})
        except ModelFileError:
            kept = None
        if not isinstance(kept, dict) or not all(isinstance(kept.get(k, v), type(v)) for k, v in found.items()):
            kept = {"state": "unknown"}  # the file is for people to read: a run goes on without it
        found |= kept
        if found["state"] == "running" and not self.is_open():
            found["state"] = "killed"
        return found

    def environment(self) -> list[dict[str, Any]]:
        """One entry for each time that the run was begun or taken up again."""
        try:
            found = self._read("environment.json", [])
        except ModelFileError:
            return []
        return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []

    def history(self) -> list[dict[str, float]]:
        """The epochs, from history.csv; a last line that was cut off by a kill is left out."""
        try:
            rows = list(csv.DictReader(io.StringIO((self.path / "history.csv").read_text(encoding="utf-8"))))
        except (OSError, UnicodeDecodeError):
            return []
        found = []
        for row in rows:
            try:
                found.append({str(name): float(value) for name, value in row.items() if value != ""})
            except (TypeError, ValueError):
                break
        return found

    def checkpoints(self) -> list[Path]:
        """The checkpoints, oldest first."""
        return sorted((self.path / "checkpoints").glob("*.ckpt"))

    def newest(self) -> tuple[Checkpoint, dict[str, Any], list[str]] | None:
        """(checkpoint, identity, what was wrong with newer ones) of the newest one that is whole; None where none is.

        Raises ModelFileError where there are some and none can be read.
        """
        wrong: list[str] = []
        for path in reversed(self.checkpoints()):
            try:
                return *Checkpoint.read(path), wrong
            except ModelFileError as error:
                wrong.append(str(error))
        if wrong:
            raise ModelFileError(
                f"no checkpoint of {self.path} can be read: {'; '.join(wrong)}. There is nothing to go on from: name "
                "another folder for a new run"
            )
        return None

    # ---- writing
    def begin(self, config: dict[str, Any]) -> None:
        """Make the folder and write what was asked for, where no run has begun or one is prolonged; note the
        environment."""
        (self.path / "checkpoints").mkdir(parents=True, exist_ok=True)
        for part in [*self.path.glob(".backpass-*.part"), *(self.path / "checkpoints").glob(".backpass-*.part")]:
            with contextlib.suppress(OSError):
                part.unlink()  # what a kill left of a file that was being written
        with contextlib.suppress(OSError):
            self._drop_old()  # a kill may have come between a new checkpoint and the end of the oldest
        if self.prolonged or not self.exists:
            command = {} if self.command is None else {"command": self.command}
            self._write("config.json", {"format": FORMAT, "version": VERSION, **command, **config})
        self._write("environment.json", [*self.environment(), environment()])

    def save(self, checkpoint: Checkpoint, names: tuple[str, ...], identity: dict[str, Any]) -> None:
        """Write a checkpoint, then drop the oldest beyond `keep`. OSError leaves the older ones as they were.

        On a full disk the oldest but one are given up for room first: the newest stays until another is complete.
        """
        path = self.path / "checkpoints" / f"{checkpoint.count:010d}.ckpt"
        while True:
            try:
                checkpoint.write(path, names, identity)
                break
            except OSError:
                others = [each for each in self.checkpoints() if each != path]
                if len(others) < 2:
                    raise
                others[0].unlink()
        self._drop_old()

    def _drop_old(self) -> None:
        for old in self.checkpoints()[: -self.keep]:
            old.unlink()

    def write_status(self, **content: Any) -> None:
        self._write("status.json", content)

    def write_history(self, history: History) -> None:
        """The whole history.csv."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if history.epochs:
            writer.writerow(_heading(history))
        writer.writerows(_line(history, k) for k in range(len(history)))
        write_atomically(self.path / "history.csv", text.getvalue().encode())

    def add_to_history(self, history: History) -> None:
        """The last epoch as one more line of history.csv."""
        if len(history) == 1:
            self.write_history(history)
            return
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(_line(history, len(history) - 1))
        with open(self.path / "history.csv", "a", encoding="utf-8") as file:
            file.write(text.getvalue())

    # ---- one at a time
    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Keep other processes out while a run goes on here; the system lets go of it when the process ends."""
        with self._handle() as handle:
            if not _lock(handle):
                raise DataError(f"another process is training in {self.path}; wait for it, or name another folder")
            yield

    def _handle(self) -> Any:
        make_folder(self.path)
        try:
            return open(self.path / ".lock", "a")
        except OSError as error:
            raise _no_place(error, f"cannot write in {self.path}") from error

    def is_open(self) -> bool:
        """Whether a process is training here now."""
        try:
            with open(self.path / ".lock", "a") as handle:
                return not _lock(handle)
        except OSError:
            return False

    def _read(self, name: str, default: Any = None) -> Any:
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            if default is not None:
                return default
            raise DataError(f"{self.path} has no {name}") from None
        except (OSError, ValueError, RecursionError) as error:
            raise ModelFileError(f"{self.path / name} is damaged: {error}") from error

    def _write(self, name: str, content: Any) -> None:
        text = json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n"
        write_atomically(self.path / name, text.encode())


def make_folder(path: Path) -> None:
    """Make a folder for runs, before anything is read or trained for it. OSError says what to do where that fails."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _no_place(error, f"cannot make the folder {path}") from error


def _no_place(error: OSError, what: str) -> OSError:
    told = f"{what}: {error.strerror}. A run is kept in a folder that can be written: name another one"
    return type(error)(error.errno, told)


def environment() -> dict[str, Any]:
    """What the bits of a run may depend on besides its config."""
    from backpass import __version__

    return {
        "backpass": __version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "process": os.getpid(),
    }


BITS = ("backpass", "numpy", "processor")
"""What may change the last bits of a run that goes on elsewhere."""


def changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What in the environment differs that may change bits.

    >>> changes({"numpy": "2.3.0", "backpass": "0.1.0"}, {"numpy": "2.4.0", "backpass": "0.1.0"})
    ['numpy 2.3.0 → 2.4.0']
    """
    return [f"{name} {before.get(name)} → {now.get(name)}" for name in BITS if before.get(name) != now.get(name)]


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _heading(history: History) -> list[str]:
    return ["epoch", "loss", "validation_loss", *history.epochs[0].scores, "learning_rate", "gradient_norm", "seconds"]


def _line(history: History, k: int) -> list[Any]:
    epoch = history.epochs[k]
    held = "" if epoch.validation_loss is None else repr(epoch.validation_loss)
    scores = [repr(epoch.scores.get(name, "")) for name in history.epochs[0].scores]
    return [
        epoch.number, repr(epoch.loss), held, *scores, repr(epoch.learning_rate), repr(epoch.gradient_norm),
        f"{epoch.seconds:.3f}",
    ]  # fmt: skip


def _lock(handle: Any) -> bool:
    """Whether the file could be locked for this process alone; True where the system knows no such lock."""
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a network disk without locks
    return True


__all__ = ["RunFolder", "changes", "environment", "make_folder"]
