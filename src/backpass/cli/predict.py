"""``backpass predict``."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path
from typing import Any

import click

from . import say


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(readable=False, path_type=Path),
    help="Write the predictions to this CSV file  [standard output]",
)
@click.option("--probabilities", is_flag=True, help="A column for the probability of each class.")
@click.option("--fill-missing-columns", is_flag=True, help="Take columns that FILE lacks as missing in every row.")
def predict(model: Path, file: Path, output: Path | None, probabilities: bool, fill_missing_columns: bool) -> None:
    """Predict with MODEL the target of each row of FILE; the result is CSV, one row a row.

    FILE needs the columns that the model was trained on; the target may be there or not. It is a folder of images where
    the model was trained on images. Categories that training did not have, missing values and values far outside are
    reported.
    """
    with say.plainly():
        text = _predicted(model, file, probabilities, fill_missing_columns)
        if output is None:
            sys.stdout.write(text)
        else:
            from backpass.train.model_file import write_atomically

            write_atomically(output, text.encode())
            click.echo(f"saved {output}", err=True)


def _predicted(model_path: Path, file: Path, probabilities: bool, fill: bool) -> str:
    import backpass as bp
    from backpass.data.read import read_table
    from backpass.data.table import Reading, number_text
    from backpass.graph.errors import DataError, ModelFileError

    try:
        model = bp.load(model_path)
    except ModelFileError as error:
        if file.suffix == ".bp":
            error.add_note(f"MODEL comes first: backpass predict {say.path(file)} {say.path(model_path)}")
        raise
    prepare = model.preprocessor
    if prepare is None or model.target is None:
        raise DataError(f"{model_path.name} was trained on arrays, not on a table: use model.predict(X) in Python")
    notes: list[str] = []
    # A pixel that was left out in training still tells how large images were.
    kinds = (
        {**dict.fromkeys(prepare.left_out, Reading("number")), **prepare.readings}
        if file.is_dir()
        else prepare.readings
    )
    table = read_table(file, kinds=kinds)
    x = prepare.transform(table, notes, fill)
    say.notices([*table.notices, *notes])
    rows: list[list[Any]] = []
    if model.task == "classification":
        chances = model.outputs(x)  # cross-entropy: a probability for each class
        names = [f"{model.target.name}={label}" for label in model.classes] if probabilities else ["probability"]
        for label, chance in zip(model.decided(chances), chances, strict=True):
            shown = chance if probabilities else [chance.max()]
            rows.append([label, *(f"{value:.4f}" for value in shown)])
    else:
        names = []
        rows = [[number_text(float(f"{value:.7g}"))] for value in model.predict(x)]
    head = [model.target.name, *names]
    if file.is_dir():
        from backpass.data.images import image_files

        paths = [str(path.relative_to(file)) for path, _ in image_files(file)]
        head, rows = ["file", *head], [[path, *row] for path, row in zip(paths, rows, strict=True)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue()
