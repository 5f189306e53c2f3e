"""``backpass sweep``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from . import say
from .train import CHOICES, prepared_table, recipe_of, save_model, train

SHARED = {
    "file", "target", "task", "exclude", "keep", "validation", "test", "seed", "split_group", "split_time",
    "split_column", "stream", "sample_weight", "image_size", *CHOICES,
}  # fmt: skip


@click.command()
@click.option(
    "--space",
    multiple=True,
    metavar="NAME=VALUES",
    help="What to try: learning_rate=0.001..0.1, hidden=64|128,64; may be given again.  "
    "[learning_rate, dropout and hidden]",
)
@click.option("--trials", type=click.IntRange(1), default=20, show_default=True, help="How many runs.")
@click.option(
    "--run", metavar="FOLDER", type=click.Path(path_type=Path), help="Keep the sweep and its runs in this new folder."
)
@click.option(
    "--resume",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Go on with the sweep in this folder, to --trials runs in all.",
)
def sweep(space: tuple[str, ...], trials: int, run: Path | None, resume: Path | None, **settings: Any) -> None:
    """Search the settings of a network for FILE: many runs, chosen by what the earlier ones came to.

    Runs that do worse than the median of the earlier ones are ended early. The best run, by the loss on its validation
    rows, is judged on the test rows, which no choice has seen. Every run is kept in FOLDER, and `backpass runs FOLDER`
    lists them. Options that are not searched are those of `backpass train`.
    """
    with say.plainly(), say.warnings_as_notices(), say.termination_as_interrupt():
        from backpass.train.sweep import DEFAULT_SPACE

        context = click.get_current_context()
        if resume is not None:
            _refuse_others(context, resume)
            lines, settings = _begun(resume)
            path = resume
        elif run is None:
            raise click.UsageError("--run FOLDER is missing: where the runs of the sweep are kept, such as runs/sweep")
        else:
            lines, path = space or DEFAULT_SPACE, run
        _sweep(path, tuple(lines), trials, settings, resume is None)


def _sweep(path: Path, lines: tuple[str, ...], trials: int, settings: dict[str, Any], new: bool) -> None:
    from backpass.train.recipe import class_weights
    from backpass.train.run_folder import make_folder
    from backpass.train.run_list import shown, table
    from backpass.train.stored import write_atomically
    from backpass.train.sweep import FORMAT, VERSION, Sweep, Trial, read_space

    space = read_space(lines)
    given = [name for name in space if settings[name] is not None]
    if given:
        raise click.UsageError(f"{', '.join(given)} is both given and searched; leave one of the two out")
    _check_values(space)
    search = Sweep(path, space, settings["seed"])
    if new and (path / "sweep.json").exists():
        raise click.UsageError(f"{path} holds a sweep already; go on with it: backpass sweep --resume {say.path(path)}")
    file = settings["file"]
    kept = {**settings, "file": None if file is None else str(Path(file).absolute())}
    if settings["validation"] is None:
        settings = {**settings, "validation": 0.2}
    prepared = prepared_table(settings)[0]
    for value in getattr(space.get("class_weight"), "values", ()):
        class_weights(value, prepared.target.classes)
    if new:  # now that the data are known to be of use
        make_folder(path)
        content = {"format": FORMAT, "version": VERSION, "space": lines, "command": kept}
        write_atomically(path / "sweep.json", (json.dumps(content, indent=2) + "\n").encode())
    say.notices(prepared.notices)
    base = recipe_of(settings, prepared)
    click.echo(f"{trials} trials of up to {base.epochs} epochs each, over {', '.join(lines)}", err=True)

    def told(trial: Trial) -> None:
        tried = "  ".join(f"{name} {shown(value)}" for name, value in trial.settings.items())
        value = "" if trial.value is None else f"  validation {trial.value:.4g}"
        ended = "" if trial.state == "complete" else f"  ({trial.state} after {len(trial.losses)} epochs)"
        click.echo(f"trial {trial.number + 1:{len(str(trials))}d}/{trials}{value}  {tried}{ended}", err=True)

    whole = search.run(prepared, base, trials, told)
    done = search.trials()
    best = search.best()
    order = sorted(done, key=lambda trial: (trial.state != "complete", trial.value is None, trial.value))
    rows = [{"trial": t.number + 1, "state": t.state, "validation": t.value, **t.settings} for t in order]
    if rows:
        click.echo(table(rows[:10], list(rows[0])))
    if best is not None:
        _judge(search.folder(best.number), prepared, path)
    elif whole:
        raise click.ClickException(
            "no trial came to its end: in each of them a number stopped being finite. Search smaller learning rates, "
            "or add --clip-norm 1"
        )
    if not whole:
        click.echo(f"\nnext: backpass sweep --resume {say.path(path)} --trials {trials}")
        raise SystemExit(say.INTERRUPTED)


def _check_values(space: dict[str, Any]) -> None:
    """Each value that is searched must be one that backpass train takes: find that out before the first run."""
    from backpass.train.sweep import Choice

    types = {parameter.name: parameter for parameter in train.params}
    for name, part in space.items():
        values = (
            part.values if isinstance(part, Choice) else [int(v) if part.whole else v for v in (part.low, part.high)]
        )
        for value in values:
            try:
                types[name].type_cast_value(click.Context(train), value)
            except click.BadParameter as error:
                raise click.UsageError(f"--space {name}: {error.message}") from error


def _judge(folder: Path, prepared: Any, path: Path) -> None:
    import backpass as bp
    from backpass.train.session import judged

    model = bp.load(folder / "model.bp")
    results = judged(model, prepared)
    save_model(model, path / "model.bp")
    if results is not None:
        click.echo()
        results.show()
    click.echo(f"\nsaved {path / 'model.bp'}, the model of {folder}")


def _begun(path: Path) -> tuple[list[str], dict[str, Any]]:
    from backpass.graph.errors import DataError

    try:
        content = json.loads((path / "sweep.json").read_text(encoding="utf-8"))
        lines, command = content["space"], content["command"]
    except FileNotFoundError:
        raise DataError(f"{path} holds no sweep: it has no sweep.json") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path / 'sweep.json'} cannot be read: {error}") from error
    if set(command) != {parameter.name for parameter in train.params} & SHARED:
        raise DataError(f"{path / 'sweep.json'} does not hold the settings of this version's backpass sweep")
    settings: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in command.items()
    }
    settings["file"] = None if settings["file"] is None else Path(settings["file"])
    return lines, settings


def _refuse_others(context: click.Context, resume: Path) -> None:
    from .train import given_options

    if given := given_options(context, {"resume", "trials"}):
        raise click.UsageError(
            f"--resume {resume} goes on with the settings in {resume / 'sweep.json'}; leave out {given}"
        )


sweep.params = [*(parameter for parameter in train.params if parameter.name in SHARED), *sweep.params]
