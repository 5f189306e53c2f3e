"""``backpass evaluate``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from . import say


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--bins", type=click.IntRange(2, 100), default=10, show_default=True, help="Bins of the calibration.")
@click.option(
    "--repeats",
    type=click.IntRange(0, 1000),
    help="How often each column is shuffled, to see how much it is needed  [5; 0 of more than 300 columns]",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the shuffling.")
@click.option("--fill-missing-columns", is_flag=True, help="Take columns that FILE lacks as missing in every row.")
@click.option(
    "--stream/--no-stream",
    default=None,
    help="Read FILE in pieces, so that it may be larger than memory  [from 100 MB on]",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON, with every number, for other programs.")
def evaluate(
    model: Path,
    file: Path,
    bins: int,
    repeats: int | None,
    seed: int,
    fill_missing_columns: bool,
    stream: bool | None,
    as_json: bool,
) -> None:
    """Judge MODEL on FILE, which has the target in it: best on rows that no training has seen.

    Classes: accuracy and its kin, a table of the classes, confusions, ROC and precision-recall areas, calibration.
    Numbers: R², errors in the target's units, residuals. And which columns the model needs.
    """
    with say.plainly():
        import backpass as bp
        from backpass.data.source import open_source
        from backpass.train.evaluation import evaluate as evaluated

        found = bp.load(model)
        prepare, target = found.require_table("compare model.predict(X) with y in Python", model.name)
        table = open_source(file, {**prepare.readings, target.name: target.reading}, stream)
        notes: list[str] = []
        result = evaluated(
            found,
            table,
            bins=bins,
            repeats=repeats,
            seed=seed,
            fill_missing_columns=fill_missing_columns,
            notices=notes,
        )
        say.notices([*table.notices, *notes])
        if as_json:
            click.echo(json.dumps(result.to_json(), indent=2))
        else:
            click.echo(f"{found.summary()}\njudged on {result.rows:,} rows of {file.name}\n")
            click.echo(result.text(target.unit))
