"""``backpass explain``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from . import say
from .train import OPTIMIZERS

FORMS = ("matrix", "index", "unit", "numbers", "all")


@click.command()
@click.argument("model", metavar="MODEL|FILE.py:function")
@click.option("--layer", metavar="NAME", help="The lines of one layer: 2, dense_1, or a function of yours.")
@click.option("--theta", metavar="NAME", help="The gradient of one θ, and its update.")
@click.option("--line", "line_name", metavar="NAME", help="One line by what stands on its left: z, 'delta(1)'.")
@click.option("--row", type=click.IntRange(0), help="With a layer, θ or line: its entry in this row (or example)  [0]")
@click.option("--unit", type=click.IntRange(0), help="With a layer, θ or line: its entry in this column  [0]")
@click.option("--form", type=click.Choice(FORMS), help="How lines are written  [matrix; all of one entry]")
@click.option(
    "--preset",
    type=click.Choice(["rows", "columns"]),
    default="rows",
    show_default=True,
    help="Examples as rows, as in the code, or as columns.",
)
@click.option("--optimizer", type=click.Choice(OPTIMIZERS), help="The update by this rule too  [that of MODEL]")
@click.option("--partials", is_flag=True, help="The local partials of every line too.")
@click.option("--level", type=click.IntRange(0), help="Put definitions in, level by level; 0 is L = F(θ).")
@click.option("--why", is_flag=True, help="With a θ or line: why a factor stands transposed.")
@click.option("--paths", type=click.IntRange(1), metavar="K", help="With a θ: the K largest paths to the loss.")
@click.option("--latex", type=click.Path(path_type=Path), metavar="OUT.tex", help="Write a LaTeX document.")
@click.option("--html", type=click.Path(path_type=Path), metavar="OUT.html", help="Write a page with MathML.")
@click.option("--json", type=click.Path(path_type=Path), metavar="OUT.json", help="Write everything as data.")
@click.option("--arg", "given", multiple=True, metavar="NAME=SHAPE", help="An argument of the function: x=6x3, y=6:4.")
@click.option(
    "--data", type=click.Path(path_type=Path), metavar="FILE", help="A table: its rows are the numbers  [made up]"
)
@click.option("--rows", type=click.IntRange(1), default=8, show_default=True, help="How many rows of it.")
@click.option("--check", is_flag=True, help="Read every printed line back and compare it with autodiff.")
@click.option("--graph", is_flag=True, help="The graph instead, one operation a line.")
def explain(model: str, **options: Any) -> None:
    """Show the equations of MODEL, or of a function in a Python FILE: forward, backward, the gradient of every θ, the
    update. FILE.py:function names a loss, whose first argument is θ.

    \b
    backpass explain flowers.bp                         every equation of the network
    backpass explain flowers.bp --layer dense_1 --unit 3 --row 0
    backpass explain net.py:loss --theta W1 --row 2 --unit 5 --paths 10
    backpass explain net.py:loss --optimizer adam --latex net.tex

    A function is called once, with what example() in its file returns, with its default values, or with arrays of the
    shapes in --arg.
    """
    with say.plainly():
        if ".py:" in model or model.endswith(".py"):
            _explain_function(model, options)
        else:
            _explain_model(Path(model), options)


def _explain_function(spec: str, options: dict[str, Any]) -> None:
    from .sample import arguments_of, function_of

    if options["data"] is not None:
        raise click.UsageError("--data goes with MODEL; a function takes its arguments from example() or --arg")
    if spec.endswith(".py"):
        raise click.UsageError(f"which function of {spec}? Write {spec}:NAME")
    function, module = function_of(spec)
    arguments = arguments_of(function, module, options["given"], spec)
    if not arguments:
        raise click.UsageError(f"{function.__name__} takes no argument: there is no θ to derive by")
    if options["graph"]:
        import backpass as bp

        click.echo(str(bp.trace(function, *arguments)))
        return
    _show(function, arguments, options["optimizer"], options)


def _explain_model(path: Path, options: dict[str, Any]) -> None:
    import backpass as bp

    from .network import loss_and_rows

    if options["given"]:
        raise click.UsageError("--arg goes with FILE.py:function; rows for MODEL come from --data")
    found = bp.load(path)
    if all(options[name] is None for name in ("layer", "theta", "line_name", "level")):
        _summary(found)
    if options["graph"]:
        click.echo(str(found.graph))
        return
    loss, arguments, notes = loss_and_rows(found, options["data"], options["rows"])
    say.notices(notes)
    _show(loss, arguments, options["optimizer"] or found.info.get("optimizer"), options)


def _summary(model: Any) -> None:
    click.echo(str(model))
    if model.preprocessor is not None:
        names = model.preprocessor.feature_names
        shown = ", ".join(names[:12]) + (f", … {len(names) - 12} more" if len(names) > 12 else "")
        click.echo(f"\ninputs: {len(names)} features: {shown}")
    if model.classes:
        click.echo(f"classes: {', '.join(map(str, model.classes))}")
    click.echo()


def _show(function: Any, arguments: tuple[Any, ...], optimizer: Any, options: dict[str, Any]) -> None:
    from backpass.equations import derive, paths

    chosen = [name for name in ("layer", "theta", "line_name") if options[name] is not None]
    if len(chosen) > 1:
        raise click.UsageError("--layer, --theta and --line each choose lines: give one of them")
    for name in ("row", "unit"):
        if options[name] is not None and not chosen:
            raise click.UsageError(f"--{name} chooses an entry of a line: add --layer, --theta or --line")
    if options["why"] and not (options["theta"] or options["line_name"]):
        raise click.UsageError("--why asks about one line: add --theta or --line")
    if options["paths"] is not None and options["theta"] is None:
        raise click.UsageError("--paths start at an entry of a θ: add --theta, --row and --unit")
    derivation = derive(function, optimizer=optimizer)(*arguments)
    try:
        _write(derivation, options)
        if chosen:
            _chosen(derivation, options)
        elif options["level"] is not None:
            _echo(derivation.expanded("L", options["level"]))
        else:
            _whole(derivation, options)
        if options["paths"] is not None:
            place = _entry(derivation.line(options["theta"]), options)
            click.echo()
            click.echo(str(paths(function, *arguments, of=(options["theta"], *place), k=options["paths"])))
    except (NameError, IndexError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    if options["check"]:
        result = derivation.check()
        click.echo(f"\n{result}")
        if not result:
            raise SystemExit(1)


def _whole(derivation: Any, options: dict[str, Any]) -> None:
    form = options["form"] or "matrix"
    if form in ("matrix", "index"):
        columns = form == "matrix" and options["preset"] == "columns"
        click.echo(derivation.text("columns" if columns else form, partials=options["partials"]))
        return
    for line in derivation.lines:
        _entry_text(derivation, line, options, form)


def _chosen(derivation: Any, options: dict[str, Any]) -> None:
    if options["layer"] is not None:
        lines = derivation.layer(options["layer"])
    elif options["theta"] is not None:
        lines = _of_theta(derivation, options["theta"])
    else:
        lines = [derivation.line(options["line_name"])]
    form = options["form"] or "all"
    for line in lines:
        if options["level"] is not None:
            _echo(derivation.expanded(derivation.key(line), options["level"]))
        elif form in ("matrix", "index"):
            columns = form == "matrix" and options["preset"] == "columns"
            _echo(derivation.text_of(line, "columns" if columns else form))
        else:
            _entry_text(derivation, line, options, form)
        if options["why"] and line.kind != "update":
            click.echo(derivation.why(derivation.key(line)))


def _of_theta(derivation: Any, name: str) -> list[Any]:
    line = derivation.line(name)
    if line.kind != "gradient":
        known = ", ".join(derivation.name(x.of) for x in derivation.backward if x.kind == "gradient")
        raise NameError(f"{name!r} is no θ; there are {known}")
    owner = {} if derivation.step is None else derivation.step.owner
    return [line, *[u for u in derivation.update if owner.get(u.symbol.number) == line.of.number]]


def _entry(line: Any, options: dict[str, Any]) -> tuple[int, ...]:
    """The entry of a line that --row and --unit choose; of a vector, whichever is given."""
    count = len([n for n in line.shape if n != 1])
    row, unit = options["row"], options["unit"]
    if count == 0:
        return ()
    if count == 1:
        return (unit if unit is not None else row or 0,)
    return (row or 0, *[0] * (count - 2), unit or 0)


def _entry_text(derivation: Any, line: Any, options: dict[str, Any], form: str) -> None:
    name = derivation.key(line)
    if line.expr is None:
        _echo(derivation.text_of(line))
        return
    place = _entry(line, options)
    if form == "unit":
        _echo(derivation.unit(name, *place))
    elif form == "numbers":
        _echo(derivation.numbers(name, *place))
    else:
        click.echo(derivation.panes(name, *place) + "\n")


def _echo(text: str) -> None:
    """A line, wrapped at its operators to the width of a terminal."""
    from backpass.equations.text import wrapped

    click.echo("\n".join(wrapped(text)))


def _write(derivation: Any, options: dict[str, Any]) -> None:
    form = "columns" if options["preset"] == "columns" else "index" if options["form"] == "index" else "matrix"
    files = {
        "latex": lambda: derivation.document(form),
        "html": lambda: f'<!doctype html>\n<meta charset="utf-8">\n{derivation.html(form)}\n',
        "json": lambda: _as_json(derivation),
    }
    for name, text in files.items():
        if options[name] is not None:
            options[name].write_text(text(), encoding="utf-8")
            click.echo(f"wrote {options[name]}", err=True)


def _as_json(derivation: Any) -> str:
    import json

    return json.dumps(derivation.to_dict(), ensure_ascii=False, indent=1)
