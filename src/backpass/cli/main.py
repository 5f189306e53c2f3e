"""The group of commands, and the entry point."""

from __future__ import annotations

import difflib
import importlib
from typing import Any

import click

from . import say

COMMANDS = {
    "train": "Train a network on a table, or on the built-in handwritten digits.",
    "predict": "Predict the target of new rows with a trained model.",
    "evaluate": "Judge a trained model on rows of known target.",
    "sweep": "Search the settings of a network: many runs, poor ones ended early.",
    "runs": "List and compare the runs that were kept.",
    "explain": "Show the equations of a trained model, or of your function.",
}


class Commands(click.Group):
    """Commands are imported when they are called: help and completion stay quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        with say.plainly():  # Ctrl-C may come while it is imported
            return getattr(importlib.import_module(f".{cmd_name}", __package__), cmd_name)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            hint = f" Did you mean '{near[0]}'?" if near else f" There are: {', '.join(COMMANDS)}."
            raise click.UsageError(f"There is no command '{args[0]}'.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        import platform

        import numpy as np

        from backpass import __version__

        click.echo(f"backpass {__version__} (Python {platform.python_version()}, NumPy {np.__version__})")
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def main() -> None:
    """Backpass trains neural networks, and shows how.

    \b
    backpass train                               the built-in handwritten digits
    backpass train flowers.csv --target species  your own table
    backpass predict flowers.bp new.csv          predictions of the trained model
    """
