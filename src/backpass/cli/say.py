"""How the command line speaks: notices, errors and files, in the same form everywhere."""

from __future__ import annotations

import contextlib
import shlex
import signal
import threading
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

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
    except BrokenPipeError:
        raise  # the reader of the output has seen enough: click ends the command quietly
    except (BackpassError, OSError) as error:
        raise click.ClickException(error_text(error)) from error
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        raise SystemExit(INTERRUPTED) from None


@contextlib.contextmanager
def warnings_as_notices() -> Iterator[None]:
    """Show the package's own warnings (a checkpoint that could not be written) as notices, once each, without a line of
    code."""
    from backpass.train.saving import SavingWarning

    told: set[str] = set()

    with warnings.catch_warnings():
        before = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
            if issubclass(category, SavingWarning):
                notices([str(message)] if str(message) not in told else [])
                told.add(str(message))
            else:
                before(message, category, *rest, **more)

        warnings.simplefilter("always", SavingWarning)
        warnings.showwarning = show
        yield


@contextlib.contextmanager
def termination_as_interrupt() -> Iterator[None]:
    """Let a polite kill, as batch systems send it, end training as Ctrl-C does: with everything saved."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
