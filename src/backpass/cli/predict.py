"""``backpass predict``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from . import say


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(readable=False, path_type=Path),
    help="Write the predictions to this file, CSV, or Parquet where it ends so  [standard output]",
)
@click.option("--probabilities", is_flag=True, help="A column for the probability of each class.")
@click.option("--fill-missing-columns", is_flag=True, help="Take columns that FILE lacks as missing in every row.")
@click.option(
    "--stream/--no-stream",
    default=None,
    help="Read FILE in pieces, so that it may be larger than memory  [from 100 MB on]",
)
def predict(
    model: Path, file: Path, output: Path | None, probabilities: bool, fill_missing_columns: bool, stream: bool | None
) -> None:
    """Predict with MODEL the target of each row of FILE; the result is CSV, one row a row.

    FILE needs the columns that the model was trained on; the target may be there or not. It is a folder of images where
    the model was trained on images. Categories that training did not have, missing values and values far outside are
    reported.
    """
    with say.plainly():
        import backpass as bp
        from backpass.graph.errors import ModelFileError
        from backpass.train.predictions import predict_file, predicted, write_csv

        try:
            found = bp.load(model)
        except ModelFileError as error:
            if file.suffix == ".bp":
                error.add_note(f"MODEL comes first: backpass predict {say.path(file)} {say.path(model)}")
            raise
        found.require_table("use model.predict(X) in Python", model.name)
        notes: list[str] = []
        if output is None:
            write_csv(sys.stdout, predicted(found, file, probabilities, fill_missing_columns, stream, notes))
        else:
            predict_file(
                found,
                file,
                output,
                probabilities=probabilities,
                fill_missing_columns=fill_missing_columns,
                stream=stream,
                notices=notes,
            )
        say.notices(notes)
        if output is not None:
            click.echo(f"saved {output}", err=True)
