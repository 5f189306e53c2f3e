"""Runs side by side: which folders hold one, how each is doing, and in which settings they differ."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from backpass.graph.errors import BackpassError, DataError

from .run_folder import RunFolder

DEPTH = 3
"""Levels of folders below the one that is named in which runs are looked for."""


def find_runs(places: Iterable[str | os.PathLike[str]], notices: list[str] | None = None) -> list[RunFolder]:
    """The runs in some folders and below them, by name. DataError where a place is no folder.

    What a damaged or newer run is left out for is appended to `notices`; folders of other programs are passed over.
    """
    found: dict[Path, RunFolder] = {}
    notes = [] if notices is None else notices
    for place in map(Path, places):
        if not place.is_dir():
            raise DataError(f"there is no folder {place}")
        found |= {folder.path: folder for folder in _below(place, DEPTH, notes)}
    return [found[path] for path in sorted(found)]


def _below(place: Path, depth: int, notes: list[str]) -> list[RunFolder]:
    folder = RunFolder(place)
    found = [folder] if _is_run(folder, notes) else []
    if depth == 0:
        return found
    try:
        inside = sorted(entry for entry in place.iterdir() if entry.is_dir() and not entry.is_symlink())
    except OSError:
        return found
    for entry in inside:
        if not entry.name.startswith(".") and entry.name != "checkpoints":
            found += _below(entry, depth - 1, notes)
    return found


def _is_run(folder: RunFolder, notes: list[str]) -> bool:
    try:
        if not folder.exists:
            return False
        folder.config()
    except (BackpassError, OSError) as error:
        if (folder.path / "checkpoints").exists():  # else it is the config.json of something else
            notes.append(f"{str(error).splitlines()[0]}; left out")
        return False
    return True


def summary(folder: RunFolder) -> dict[str, Any]:
    """A run in one row: its name, state, epochs, best losses and scores, when it began and how long it took."""
    config, status, history = folder.config(), folder.status(), folder.history()
    settings = config.get("settings") or {}
    results = status.get("results")
    places = folder.environment()
    best = status.get("best")
    row = history[best - 1] if isinstance(best, int) and 0 < best <= len(history) else history[-1] if history else {}
    found: dict[str, Any] = {
        "run": str(folder.path),
        "state": status["state"],
        "epochs": f"{len(history)}/{settings.get('epochs', '?')}",
        "loss": row.get("loss"),
        "validation": row.get("validation_loss"),
    }
    known = ("epoch", "loss", "validation_loss", "learning_rate", "gradient_norm", "seconds")
    found |= {name: value for name, value in row.items() if name not in known}
    found |= {f"test {name}": value for name, value in (results if isinstance(results, dict) else {}).items()}
    found["seconds"] = sum(line.get("seconds", 0.0) for line in history)
    found["began"] = places[0].get("began", "") if places else ""
    return found


def differences(folders: list[RunFolder]) -> dict[str, list[Any]]:
    """The settings in which runs differ: name → one value a run, None where it has none.

    What a command of two runs says is compared beside what its runs came to.
    """
    flat = [{**_flat(folder.config().get("command") or {}), **_flat(folder.config().get("settings") or {})}
            for folder in folders]  # fmt: skip
    names = list(dict.fromkeys(name for each in flat for name in each))
    columns = {name: [each.get(name) for each in flat] for name in names}
    return {name: values for name, values in columns.items() if any(value != values[0] for value in values)}


def _flat(content: dict[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in content.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{before}{name}.")
        else:
            found[before + name] = value
    return found


def shown(value: Any) -> str:
    """A cell of the table.

    >>> shown(0.123456), shown(None), shown([64, 32]), shown(True)
    ('0.1235', '', '64,32', 'yes')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    text = " ".join(str(value).split())
    return text if len(text) <= 40 else f"{text[:39]}…"


def that_fit(rows: list[dict[str, Any]], names: list[str], first: list[str], width: int) -> list[str]:
    """Those of the columns that fit beside each other into `width` characters: `first` ones before others.

    >>> that_fit([{"run": "a", "loss": 0.5, "seconds": 1.0}], ["run", "loss", "seconds"], ["run", "seconds"], 14)
    ['run', 'seconds']
    """
    chosen: list[str] = []
    for name in dict.fromkeys([*[name for name in first if name in names], *names]):
        trial = [each for each in names if each in (*chosen, name)]
        if max(map(len, table(rows, trial).splitlines())) <= width or not chosen:
            chosen = trial
    return chosen


def table(rows: list[dict[str, Any]], names: list[str]) -> str:
    """Rows as text in columns; numbers stand to the right. Columns in which nothing stands are left out.

    >>> print(table([{"run": "a", "loss": 0.5}, {"run": "bb", "loss": 10.25}], ["run", "loss", "score"]))
    run    loss
    a       0.5
    bb    10.25
    """
    cells = {name: [shown(row.get(name)) for row in rows] for name in names}
    cells = {name: column for name, column in cells.items() if any(column)}
    widths = {name: max(len(name), *map(len, column)) for name, column in cells.items()}
    right = {name: any(isinstance(row.get(name), (int, float)) for row in rows) for name in cells}
    lines = [{name: name for name in cells}, *({name: cells[name][k] for name in cells} for k in range(len(rows)))]
    return "\n".join(
        "   ".join(
            text.rjust(widths[name]) if right[name] else text.ljust(widths[name]) for name, text in line.items()
        ).rstrip()
        for line in lines
    )


__all__ = ["differences", "find_runs", "shown", "summary", "table", "that_fit"]
