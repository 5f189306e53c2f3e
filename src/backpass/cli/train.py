"""``backpass train``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from backpass.graph.errors import DataError

from . import say

ACTIVATIONS = ("relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid", "softplus")
OPTIMIZERS = ("adamw", "adam", "sgd", "momentum", "nesterov", "adagrad", "rmsprop")


class Widths(click.ParamType):
    """Layer widths such as 128,64."""

    name = "widths"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            widths = tuple(int(part) for part in str(value).replace("x", ",").split(",")) if value.strip() else ()
        except ValueError:
            self.fail(f"{value!r} is not a list of widths; write for instance 128,64", param, ctx)
        if any(width < 1 for width in widths):
            self.fail(f"a layer needs at least one unit, got {value!r}", param, ctx)
        return widths


SHARE = click.FloatRange(0, 1, max_open=True)
CHOICES = (
    "hidden", "activation", "dropout", "batch_norm", "optimizer", "learning_rate", "weight_decay", "clip_norm",
    "epochs", "batch", "patience", "class_weight",
)  # fmt: skip
"""The settings that are a recipe's."""


@click.command(no_args_is_help=False)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("-t", "--target", metavar="COLUMN", help="The column to predict. Required with FILE.")
@click.option(
    "-o",
    "--output",
    type=click.Path(readable=False, path_type=Path),
    help="Where to save the model  [FILE's name with .bp, or digits.bp]",
)
@click.option(
    "--task", type=click.Choice(["classification", "regression"]), help="What the target sets  [found out, and said]"
)
@click.option("--exclude", multiple=True, metavar="COLUMN", help="A column not to learn from; may be given again.")
@click.option(
    "--keep",
    multiple=True,
    metavar="COLUMN",
    help="A column to learn from although it looks like row numbers or names.",
)
@click.option("--sample-weight", metavar="COLUMN", help="A column that says how much each row counts in training.")
@click.option(
    "--class-weight",
    metavar="WEIGHTS",
    help="How much rows of each class count: balanced, or such as yes=3,no=1  [all alike]",
)
@click.option(
    "--image-size",
    metavar="PIXELS",
    type=click.IntRange(1, 512),
    help="Side to which the images of a folder are brought  [their own up to 64, else 32]",
)
@click.option("--hidden", type=Widths(), help="Widths of the hidden layers, such as 128,64  [256,128; 100]")
@click.option("--activation", type=click.Choice(ACTIVATIONS), help="Between the layers  [relu]")
@click.option("--dropout", type=SHARE, help="Share of hidden units left out at random in training  [0.3]")
@click.option("--batch-norm/--no-batch-norm", default=None, help="Normalise each hidden layer over the batch  [no]")
@click.option("--optimizer", type=click.Choice(OPTIMIZERS), help="The rule of descent  [adamw]")
@click.option(
    "--learning-rate",
    "--lr",
    type=click.FloatRange(0, min_open=True),
    help="The (highest) size of a step  [0.01; 0.003; one cycle]",
)
@click.option("--weight-decay", type=click.FloatRange(0), help="Pull of the weights towards 0  [0.05; 1]")
@click.option("--clip-norm", type=click.FloatRange(0, min_open=True), help="Longest gradient allowed  [no limit]")
@click.option("--epochs", type=click.IntRange(1), help="Passes over the training rows  [80, fewer for large files; 60]")
@click.option("--batch", type=click.IntRange(1), help="Rows a step  [32, more for large files]")
@click.option("--patience", type=click.IntRange(1), help="Stop after so many epochs without improvement  [never]")
@click.option(
    "--validation",
    type=SHARE,
    help="Share of the rows that chooses the best epoch  [0; 0.1 from 10,000 rows, or with --patience]",
)
@click.option(
    "--test", type=SHARE, default=0.2, show_default=True, help="Share of the rows held out to judge the result."
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Of the split, θ and the order: same seed, same result.",
)
@click.option(
    "--split-group", metavar="COLUMN", help="Hold out whole groups: rows of one value of COLUMN stay together."
)
@click.option("--split-time", metavar="COLUMN", help="Hold out the latest rows by the dates or numbers in COLUMN.")
@click.option(
    "--split-column", metavar="COLUMN", help="COLUMN says train, validation or test of each row, in place of shares."
)
@click.option(
    "--stream/--no-stream",
    default=None,
    help="Read FILE in pieces, so that it may be larger than memory  [from 100 MB on]",
)
@click.option(
    "--run",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Keep the run in this new folder: config, history, checkpoints, model.",
)
@click.option(
    "--resume",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Go on with the run in this folder, from its last checkpoint, with the settings it was begun with; with "
    "--epochs, up to another number of them.",
)
@click.option(
    "--checkpoint-every",
    metavar="STEPS",
    type=click.IntRange(1),
    help="Steps between the checkpoints of --run  [by time: saving takes about 3 % of it]",
)
@click.option(
    "--keep-checkpoints",
    metavar="N",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="How many of the last checkpoints of --run stay; each holds the best θ so far too.",
)
@click.option("-q", "--quiet", is_flag=True, help="Only the result.")
@click.pass_context
def train(
    context: click.Context,
    run: Path | None,
    resume: Path | None,
    quiet: bool,
    output: Path | None,
    **settings: Any,
) -> None:
    """Train a network on FILE (CSV, Parquet, Arrow, npy, npz), or on the built-in handwritten digits. FILE may be a
    folder of images, with a folder in it for each class.

    Columns may hold numbers, categories, yes/no values or dates, with values missing. The result is judged on rows held
    out at random, beside a predictor that learned nothing, and the model is saved. Defaults stand in brackets; where
    there are two, the second is for tables of fewer than 1,000 rows.
    """
    with say.plainly(), say.warnings_as_notices():
        if resume is not None:
            _refuse_others(context, resume)
            folder, settings = _begun(resume, settings["epochs"])
            if folder.is_open():
                raise DataError(f"another process is training in {resume}; wait for it to end")
        else:
            folder = None if run is None else _new_run(run, settings)
        with say.termination_as_interrupt():
            _train(settings, output, quiet, folder)


def _train(settings: dict[str, Any], output: Path | None, quiet: bool, folder: Any) -> None:
    from backpass.data.table import counted
    from backpass.train.session import train_table

    file, seed = settings["file"], settings["seed"]
    prepared, output = prepared_table(settings, output or (None if folder is None else folder.model_path))
    if folder is None or output != folder.model_path:
        _refuse_unwritable(output)
    if not quiet:
        say.notices(prepared.notices)
    rows, watched, judging = prepared.sizes
    recipe = recipe_of(settings, prepared)
    if not quiet:
        outputs = len(prepared.target.classes) or 1
        widths = " → ".join(map(str, (prepared.preprocessor.size, *recipe.hidden, outputs)))
        click.echo(
            f"Training {widths} ({recipe.activation}) on {rows} rows"
            + (f"; {watched} choose the best epoch" if watched else "")
            + (f"; {judging} are held out to judge" if judging else "")
            + f"; seed {seed}",
            err=True,
        )
        if folder is not None and folder.exists:
            click.echo(_where_it_stands(folder, recipe), err=True)
    session = train_table(prepared, recipe, seed, progress=not quiet, run=folder)
    history = session.history
    save_model(session.model, output)
    if not quiet:
        best = f"; θ of epoch {history.best}, the best on validation" if history.best else ""
        click.echo(f"{counted(len(history), 'epoch')}, {history.stopped}{best}", err=True)
    if session.results is not None:
        session.results.show()
    click.echo(f"\nsaved {output}")
    if not quiet:
        example = say.path(Path(file)) if file else "NEW.csv"
        again = "" if folder is None or history.stopped != "interrupted" else say.path(folder.path)
        told = f"backpass predict {say.path(output)} {example}    backpass explain {say.path(output)}"
        click.echo(f"next: backpass train --resume {again}" if again else f"next: {told}")
    if history.stopped == "interrupted":
        raise SystemExit(say.INTERRUPTED)


def prepared_table(settings: dict[str, Any], output: Path | None = None) -> tuple[Any, Path]:
    """The table that some settings name, prepared as they say, and where the model goes."""
    from backpass.data.prepare import prepare
    from backpass.data.table import Table
    from backpass.train.recipe import validation_share

    validation, test, patience = (settings[name] for name in ("validation", "test", "patience"))
    split_by = _split_by(settings)
    if (validation or 0.0) + test >= 1:
        raise click.UsageError(f"--validation {validation} and --test {test} leave no rows to train on")
    table, target, output = _opened(settings, output)
    if not isinstance(table, Table):
        return _large(table, target, settings, split_by, output), output
    if validation is None:
        share = validation_share(len(table)) if patience is None else 0.1
        validation = share if test < 0.9 else 0.0
    if patience is not None and not validation and settings["split_column"] is None:
        raise click.UsageError(f"--patience {patience} needs rows to watch: add --validation 0.1 (--test below 0.9)")
    columns = settings["exclude"], settings["keep"]
    made = prepare(
        table, target, settings["task"], *columns, validation, test, settings["seed"], split_by,
        settings["sample_weight"],
    )  # fmt: skip
    return made, output


def _split_by(settings: dict[str, Any]) -> Any:
    """What is to decide which rows are held out; chance where nothing was said."""
    from backpass.data.split import SplitBy

    chosen = [SplitBy(how, settings[f"split_{how}"]) for how in ("group", "time", "column") if settings[f"split_{how}"]]
    if len(chosen) > 1:
        names = " and ".join(f"--split-{by.how}" for by in chosen)
        raise click.UsageError(f"{names} cannot both decide which rows are held out; give one")
    return chosen[0] if chosen else None


def _large(pieces: Any, target: str, settings: dict[str, Any], split_by: Any, output: Path) -> Any:
    """A source that is read in pieces, prepared. The encoded rows lie beside the model, in a file without a name."""
    from backpass.data.prepare_large import prepare_large

    validation, test = settings["validation"], settings["test"]
    validation = validation if validation is not None else 0.1 if test < 0.9 else 0.0
    columns = settings["exclude"], settings["keep"]
    place = output.absolute().parent
    return prepare_large(
        pieces, target, settings["task"], *columns, validation, test, settings["seed"],
        place if place.is_dir() else None, split_by, settings["sample_weight"],
    )  # fmt: skip


def recipe_of(settings: dict[str, Any], prepared: Any) -> Any:
    """The recipe for a prepared table, with what the settings choose."""
    from backpass.train.recipe import recipe_for

    return recipe_for(sum(prepared.sizes[:2])).with_choices(**{name: settings[name] for name in CHOICES})


def _new_run(path: Path, settings: dict[str, Any]) -> Any:
    """The folder of a run that begins, with the command in its config."""
    from backpass.data.table import counted
    from backpass.train.run_folder import RunFolder, make_folder

    file = settings["file"]
    command = {**settings, "file": None if file is None else str(Path(file).absolute())}
    folder = RunFolder(path, settings["checkpoint_every"], settings["keep_checkpoints"], command)
    if folder.exists:
        status = folder.status()
        raise click.UsageError(
            f"{path} holds a run already ({status['state']}, {counted(status['epochs'], 'epoch')}). To go on with it: "
            f"backpass train --resume {say.path(path)}    To begin another one, name another folder"
        )
    if path.is_file():
        raise click.UsageError(f"--run {path} is a file; name a folder, such as runs/first")
    make_folder(path)
    return folder


def _begun(path: Path, epochs: int | None) -> tuple[Any, dict[str, Any]]:
    """The folder of a run that goes on, and the settings it was begun with; `epochs` is a new number of them."""
    from backpass.train.run_folder import RunFolder

    command = RunFolder(path).config().get("command")
    if not isinstance(command, dict):
        raise DataError(
            f"the run in {path} was begun in Python, by bp.fit or bp.descend; call it again with run={str(path)!r} "
            "to go on with it"
        )
    known = {parameter.name for parameter in train.params} - {"run", "resume", "quiet", "output"}
    if set(command) != known:
        raise DataError(f"{path / 'config.json'} does not hold the settings of this version's backpass train")
    settings: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in command.items()
    }
    for parameter in train.params:
        if parameter.name in settings and settings[parameter.name] is not None:
            try:
                settings[parameter.name] = parameter.type_cast_value(click.Context(train), settings[parameter.name])
            except (click.BadParameter, TypeError) as error:
                raise DataError(f"{path / 'config.json'} is damaged: its {parameter.name}: {error}") from error
    if epochs is not None:
        settings["epochs"] = command["epochs"] = epochs
    keep = settings["checkpoint_every"], settings["keep_checkpoints"]
    folder = RunFolder(path, *keep, command, prolonged=epochs is not None)
    if epochs is not None and epochs < (done := folder.status()["epochs"]):
        raise click.UsageError(f"--epochs {epochs} are fewer than the {done} that the run in {path} has already")
    return folder, settings


def _where_it_stands(folder: Any, recipe: Any) -> str:
    from backpass.data.table import counted
    from backpass.train.recipe import ADAPTIVE

    status = folder.status()
    done, stopped = status["epochs"], status.get("stopped")
    if not folder.checkpoints():
        return f"The run in {folder.path} has no checkpoint: it begins anew"
    if status["state"] == "finished" and folder.prolonged and recipe.epochs > done and stopped == "all epochs done":
        told = f"The run in {folder.path} has {counted(done, 'epoch')}; it goes on to {recipe.epochs}"
        if recipe.optimizer in ADAPTIVE:
            told += (
                f". The learning rate of {recipe.optimizer} goes through one cycle over all epochs, so it rises again, "
                f"to where it is in a run of {recipe.epochs}; the bits are not those of one that was begun with them"
            )
        return told
    if status["state"] == "finished":
        why = "" if stopped == "all epochs done" else f" ({stopped})"
        return f"The run in {folder.path} is finished, after {counted(done, 'epoch')}{why}: nothing is trained"
    steps = counted(status["steps"], "step")
    return f"The run in {folder.path} was {status['state']}; it goes on after {steps}"


def given_options(context: click.Context, beside: set[str]) -> str:
    """The options on the command line other than those in `beside`, as they are typed; "" where there are none."""
    source = click.core.ParameterSource.COMMANDLINE
    given = [p for p in context.command.params if p.name and context.get_parameter_source(p.name) is source]
    return ", ".join(
        max(p.opts, key=len) if p.param_type_name == "option" else "FILE" for p in given if p.name not in beside
    )


def _refuse_others(context: click.Context, resume: Path) -> None:
    """A run goes on with the settings it was begun with: others beside --resume would not be followed."""
    if given := given_options(context, {"resume", "quiet", "output", "epochs"}):
        raise click.UsageError(
            f"--resume {resume} goes on with the settings in {resume / 'config.json'}; leave out {given}"
        )


def _opened(settings: dict[str, Any], output: Path | None) -> tuple[Any, str, Path]:
    """The table or the pieces of it that some settings name, the target's name, and where the model goes."""
    from backpass.data.source import open_source
    from backpass.data.table import Table, listing

    file, target, image_size = (settings[name] for name in ("file", "target", "image_size"))
    if image_size is not None and (file is None or not file.is_dir()):
        raise click.UsageError("--image-size is for a folder of images: backpass train FOLDER --image-size 32")
    if file is None:
        if target is not None:
            raise click.UsageError("--target needs a FILE: backpass train FILE --target COLUMN")
        return digits_table(), "digit", output or Path("digits.bp")
    named = [settings[name] for name in ("target", "sample_weight", "split_group", "split_time", "split_column")]
    found = open_source(file, None, settings["stream"], image_size, [name for name in named if name is not None])
    if target is None and file.is_dir():
        target = "label"  # a folder of images: the name of the folder that each is in
    if target is None:
        names = found.names if isinstance(found, Table) else found.names()
        raise DataError(
            f"which column of {file.name} is to be predicted? Add --target COLUMN. Its columns: {listing(names, 20)}"
        )
    return found, target, output or Path(_stem(file)).with_suffix(".bp")


def _stem(file: Path) -> str:
    name = file.name
    for ending in (".gz", ".bz2", ".xz"):
        name = name.removesuffix(ending)
    return name


def digits_table() -> Any:
    """The built-in digits as a table: 64 pixel columns with values 0 to 16, and the digit as text."""
    from backpass.data.digits import load_digits
    from backpass.data.table import Table

    images, labels = load_digits()
    pixels = images.reshape(len(images), 64).astype(np.float32)
    columns = {f"pixel_{row}_{column}": pixels[:, 8 * row + column] for row in range(8) for column in range(8)}
    return Table.from_arrays({**columns, "digit": [str(label) for label in labels]}, source="the digits")


def save_model(model: Any, output: Path) -> None:
    """Save the model; where its place cannot be written any more, save it elsewhere rather than lose it."""
    import tempfile

    try:
        model.save(output)
    except OSError as error:
        rescued = Path(tempfile.mkdtemp(prefix="backpass-")) / "model.bp"
        model.save(rescued)
        error.add_note(f"The trained model is safe in {rescued}")
        raise


def _refuse_unwritable(output: Path) -> None:
    """Find out before training, not after, that the model has no place to go."""
    from backpass.train.model_file import check_writable

    if output.is_dir():
        raise click.UsageError(f"--output {output} is a folder; name a file, such as {output / 'model.bp'}")
    check_writable(output)
