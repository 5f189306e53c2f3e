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


def find_runs(places: Iterable[str | os.PathLike[str]]) -> list[RunFolder]:
    """The runs in some folders and below them, by name. DataError where a place is no folder."""
    found: dict[Path, RunFolder] = {}
    for place in map(Path, places):
        if not place.is_dir():
            raise DataError(f"there is no folder {place}")
        found |= {folder.path: folder for folder in _below(place, DEPTH)}
    return [found[path] for path in sorted(found)]


def _below(place: Path, depth: int) -> list[RunFolder]:
    folder = RunFolder(place)
    found = [folder] if folder.exists and _is_run(folder) else []
    if depth == 0:
        return found
    try:
        inside = sorted(entry for entry in place.iterdir() if entry.is_dir() and not entry.is_symlink())
    except OSError:
        return found
    for entry in inside:
        if not entry.name.startswith(".") and entry.name != "checkpoints":
            found += _below(entry, depth - 1)
    return found


def _is_run(folder: RunFolder) -> bool:
    try:
        folder.config()
    except BackpassError:
        return False
    return True


def summary(folder: RunFolder) -> dict[str, Any]:
    """A run in one row: its name, state, epochs, best losses and scores, when it began and how long it took."""
    config, status, history = folder.config(), folder.status(), folder.history()
    settings = config.get("settings", {})
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
    found |= {f"test {name}": value for name, value in (status.get("results") or {}).items()}
    found["seconds"] = sum(line.get("seconds", 0.0) for line in history)
    found["began"] = places[0]["began"] if places else ""
    return found


def differences(folders: list[RunFolder]) -> dict[str, list[Any]]:
    """The settings in which runs differ: name → one value a run, None where it has none.

    What a command of two runs says is compared beside what its runs came to.
    """
    flat = [{**_flat(folder.config().get("command") or {}), **_flat(folder.config().get("settings", {}))}
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


__all__ = ["differences", "find_runs", "shown", "summary", "table"]
