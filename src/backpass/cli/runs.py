"""``backpass runs``."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import click

from . import say


@click.command()
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--sort", metavar="COLUMN", help="Order by a column, such as loss, validation or began; best first  [by name]"
)
@click.option("--json", "as_json", is_flag=True, help="As JSON, with every setting, for other programs.")
def runs(folders: tuple[Path, ...], sort: str | None, as_json: bool) -> None:
    """List the runs in FOLDERS and below (the current folder by default), and the settings in which they differ.

    Where a run has validation rows, loss and scores are those of its best epoch; else those of its last one.
    """
    with say.plainly():
        from backpass.graph.errors import DataError
        from backpass.train.run_list import differences, find_runs, summary, table, that_fit

        notes: list[str] = []
        found = find_runs(folders or [Path()], notes)
        say.notices(notes)
        where = ", ".join(map(say.path, folders)) or "this folder"
        if not found:
            raise DataError(f"there is no run in {where} or below it; to begin one: backpass train FILE --run FOLDER")
        rows = [summary(folder) for folder in found]
        if as_json:
            together = [{**row, "config": folder.config()} for row, folder in zip(rows, found, strict=True)]
            click.echo(json.dumps(together, indent=2))
            return
        names = list(dict.fromkeys(name for row in rows for name in row))
        names = [name for name in names if name not in ("seconds", "began")] + ["seconds", "began"]
        if sort is not None:
            if sort not in names:
                raise DataError(f"there is no column '{sort}' to order by; there are {', '.join(names)}")
            from backpass.train.metrics import METRICS

            metric = METRICS.get(sort.removeprefix("test "))
            more = metric is not None and metric.more_is_better
            known = [row for row in rows if row.get(sort) is not None]
            known.sort(key=lambda row: row[sort], reverse=more)
            rows = known + [row for row in rows if row.get(sort) is None]
        shown = names
        if sys.stdout.isatty():
            scores = [name for name in names if name.startswith("test ")][:1]
            first = ["run", "state", "epochs", *([sort] if sort else []), "validation", *scores, "loss", "seconds"]
            shown = that_fit(rows, names, first, shutil.get_terminal_size().columns)
        click.echo(table(rows, shown))
        if left := [name for name in names if name not in shown and any(row.get(name) is not None for row in rows)]:
            say.notices([f"no room for {', '.join(left)}: widen the window, or add --json"])
        if len(found) > 1:
            by_name = {row["run"]: row for row in rows}
            differ = differences(found)
            if differ:
                each = {str(folder.path): {n: v[k] for n, v in differ.items()} for k, folder in enumerate(found)}
                click.echo("\nThey differ in")
                click.echo(table([{"run": name, **each[name]} for name in by_name], ["run", *differ]))
