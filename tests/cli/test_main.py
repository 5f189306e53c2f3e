"""The command line as a whole: help, hints, version, quickness."""

import os
import re
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

import backpass
from backpass.cli import main
from backpass.cli.main import COMMANDS

ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def invoke(*arguments):
    return CliRunner().invoke(main, arguments)


def test_version():
    done = invoke("--version")
    assert done.exit_code == 0
    assert re.fullmatch(rf"backpass {re.escape(backpass.__version__)} \(Python \S+, NumPy \S+\)\n", done.stdout)


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_the_commands(arguments):
    done = invoke(*arguments)
    text = done.stdout + (done.stderr if arguments == [] else "")
    for name, what in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(what)}$", text, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_option_and_argument_has_help(name):
    done = invoke(name, "--help")
    assert done.exit_code == 0
    assert max(map(len, done.stdout.splitlines())) <= 100
    command = main.get_command(click.Context(main), name)
    assert command is not None
    summary = (command.help or "").split("\n\n")[0]
    assert len(summary) > 20
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
            assert parameter.opts[0] in done.stdout
        else:
            assert parameter.name is not None
            assert parameter.name.upper() in summary  # an argument is explained in the text


@pytest.mark.parametrize("width", [70, 80])
def test_help_fits_a_narrow_terminal(width):
    done = CliRunner().invoke(main, ["train", "--help"], terminal_width=width)
    assert done.exit_code == 0
    assert max(map(len, done.stdout.splitlines())) <= width


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        (["trian"], "There is no command 'trian'. Did you mean 'train'?"),
        (["fit"], "There is no command 'fit'. There are: train, predict, evaluate, sweep, runs, explain."),
        (["train", "--epoch", "3"], "No such option '--epoch'. (Did you mean one of: '--epochs'"),
        (["train", "--epochs", "0"], "Invalid value for '--epochs': 0 is not in the range x>=1."),
        (["train", "--epochs", "many"], "Invalid value for '--epochs': 'many' is not a valid integer"),
        (["train", "--hidden", "a,b"], "'a,b' is not a list of widths; write for instance 128,64"),
        (["train", "--hidden", "8,x"], "'8,x' is not a list of widths; write for instance 128,64"),
        (["train", "--hidden", "8,0"], "a layer needs at least one unit, got '8,0'"),
        (["train", "--test", "1"], "1.0 is not in the range 0<=x<1."),
        (["train", "--test", "0.6", "--validation", "0.4"], "--validation 0.4 and --test 0.6 leave no rows to train"),
        (["train", "--learning-rate", "0"], "range x>0"),
        (["train", "--optimizer", "adan"], "'adan' is not one of 'adamw', 'adam'"),
        (["train", "--target", "x"], "--target needs a FILE: backpass train FILE --target COLUMN"),
        (["train", "--validation", "0", "--patience", "3"], "--patience 3 needs rows to watch"),
        (["predict"], "Missing argument 'MODEL'."),
        (["predict", "a.bp"], "Missing argument 'FILE'."),
        (["explain"], "Missing argument 'MODEL|FILE.py:function'."),
        (["explain", "a", "b"], "Got unexpected extra argument (b)"),
    ],
)  # fmt: skip
def test_what_is_mistyped_gets_a_hint(typed, hint):
    done = invoke(*typed)
    assert done.exit_code == 2
    assert hint in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_help_imports_neither_numpy_nor_rich():
    program = "import sys; from backpass.cli.main import COMMANDS; print(*sys.modules)"
    names = subprocess.run([sys.executable, "-c", program], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert not {"rich", "pyarrow", "sklearn", "pandas", "safetensors"} & set(names.stdout.split())


def test_a_pipe_that_closes_early_is_no_error(tmp_path):
    done = subprocess.run(
        f'"{sys.executable}" -m backpass train --help | head -n 1',
        shell=True, env=ENVIRONMENT, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.startswith("Usage:")
    assert "Traceback" not in done.stderr
