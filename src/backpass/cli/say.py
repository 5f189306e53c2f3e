"""How the command line speaks: notices, errors and files, in the same form everywhere."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from backpass.graph.errors import BackpassError

INTERRUPTED = 130
"""The exit code of a program that Ctrl-C ended, by convention of the shell."""


def notices(lines: Iterable[str]) -> None:
    """What a person should know about the data, one line each, on standard error."""
    for line in lines:
        click.echo(click.style("note: ", dim=True) + line, err=True)


def path(name: Path) -> str:
    """A file's name as it can be typed.

    >>> path(Path("my data.csv")), path(Path("-x.bp"))
    ("'my data.csv'", './-x.bp')
    """
    text = str(name)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def error_text(error: BaseException) -> str:
    """The message of an error with its notes."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        named = error.filename is None or str(error.filename) in error.strerror
        text = error.strerror if named else f"{error.filename}: {error.strerror}"
    return "\n".join([text, *getattr(error, "__notes__", ())])


@contextlib.contextmanager
def plainly() -> Iterator[None]:
    """Turn the package's own errors, and those of files, into a message without a traceback and exit code 1."""
    try:
        yield
    except (BackpassError, OSError) as error:
        raise click.ClickException(error_text(error)) from error
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        raise SystemExit(INTERRUPTED) from None
