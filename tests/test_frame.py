"""The frame around the package: what the documents say is what runs, and importing it stays cheap."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import click
import pytest

import backpass
from backpass.cli import main

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md"]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, *languages: str) -> list[tuple[str, str]]:
    """The fenced blocks of a page that are in one of these languages, as (language, text)."""
    return [found for found in FENCE.findall(page.read_text(encoding="utf-8")) if found[0] in languages]


def command_lines(page: Path) -> list[list[str]]:
    """What the page's shell blocks tell a person to type, split into words, without comments."""
    lines = [line for _, text in blocks(page, "bash") for line in text.replace("\\\n", " ").splitlines()]
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def pyproject() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


# --- the documents


def test_readme_names_the_two_commands_and_ci_runs_the_second():
    typed = [words for words in command_lines(ROOT / "README.md") if words[0] == "python3"]
    assert typed[:2] == [["python3", "scripts/train"], ["python3", "scripts/test"]]
    assert "'^python3 scripts/test' README.md" in (ROOT / ".ci" / "run").read_text()


def test_each_verb_is_in_the_contributors_guide():
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    verbs = [path.name for path in (ROOT / "scripts").iterdir() if path.is_file() and not path.suffix]
    assert verbs
    assert [verb for verb in verbs if f"scripts/{verb}" not in guide] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_exist(page):
    """`backpass VERB --option` and `scripts/VERB` on the page are there, by the command line's own account."""
    context = click.Context(main)
    for words in command_lines(page):
        script = next((word for word in words[:2] if word.startswith("scripts/")), None)
        if script:
            assert (ROOT / script).is_file(), words
        verb = {"scripts/train": ["train"]}.get(script or "", words[1:] if words[0].endswith("backpass") else None)
        if not verb or verb[0].startswith("-"):
            continue
        command = main.get_command(context, verb[0])
        assert command, words
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word.split("=")[0] for word in words if word.startswith("--")} <= known | {"--help"}, words


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=named)
def test_python_on_the_page_runs_and_prints_what_the_page_shows(page, tmp_path, monkeypatch, capsys):
    """A page's Python blocks run in turn as one program; a `text` block after one is what it prints."""
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "example.py"
    names: dict[str, object] = {"__name__": "__main__"}
    source, printed = "", None
    for language, text in [*blocks(page, "python", "text"), ("python", "")]:
        if language == "text":
            assert printed is not None, "a text block stands before every Python block"
            same = doctest.OutputChecker().check_output(text, printed, doctest.ELLIPSIS)
            assert same, f"the page shows\n{text}\nbut this was printed\n{printed}"
            continue
        # Earlier blocks stay in the file, so that what is printed can show lines of them.
        line = source.count("\n")
        source += text
        program.write_text(source, encoding="utf-8")
        exec(compile("\n" * line + text, str(program), "exec"), names)
        printed = capsys.readouterr().out


# --- the package


def test_version_is_stated_once_and_has_an_entry_in_the_changelog():
    assert pyproject()["project"]["dynamic"] == ["version"]
    assert pyproject()["tool"]["hatch"]["version"]["path"] == "src/backpass/__init__.py"
    assert f"## [{backpass.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_extras_that_errors_name_are_declared():
    declared = pyproject()["project"]["optional-dependencies"]
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    named_in_source = set(re.findall(r"backpass\[(\w+)\]", sources)) | set(re.findall(r'extra="(\w+)"', sources))
    assert named_in_source
    assert named_in_source <= set(declared)
    assert declared["all"] == ["backpass[data,scipy,sklearn,sweep,images]"]


def test_no_registry_is_named():
    """Which registry a machine installs from is its own business: no addresses, and no lock file that holds them."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    files = [ROOT / name for name in listed.split("\0") if name] or list((ROOT / "src").rglob("*.py"))
    hosts = re.compile("|".join([r"py" + r"pi\.(org|io)", "python" + r"hosted\.org", "npm" + r"js\.(org|com)"]))
    assert [path for path in files if path.name in {"uv.lock", "poetry.lock", "package-lock.json"}] == []
    texts = [path for path in files if path.suffix in {"", ".py", ".md", ".toml", ".cfg", ".yml", ".json"}]
    assert [path for path in texts if path.is_file() and hosts.search(path.read_text(encoding="utf-8"))] == []


LISTS_MODULES = """
import sys, numpy, numpy.random
before = set(sys.modules)
import backpass
print(*set(sys.modules) - before)
"""


def test_import_brings_in_nothing_but_numpy_and_the_standard_library():
    done = subprocess.run([sys.executable, "-c", LISTS_MODULES], capture_output=True, text=True, check=True)
    roots = {name.partition(".")[0] for name in done.stdout.split()}
    assert roots - set(sys.stdlib_module_names) == {"backpass"}


def import_seconds(module: str) -> float:
    """What an import costs in a new interpreter: processor time of the thread that imports, whatever else runs."""
    code = f"import time; start = time.thread_time(); import {module}; print(time.thread_time() - start)"
    keeps_bytecode = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run([sys.executable, "-c", code], env=keeps_bytecode, capture_output=True, text=True, check=True)
    return float(done.stdout)


@pytest.mark.slow
def test_import_costs_at_most_half_again_what_numpy_costs():
    """Measured in turns, so that a busy machine slows both. What else the machine does only adds: the least counts."""
    rounds = [(import_seconds("numpy"), import_seconds("backpass")) for _ in range(15)]
    ours, numpys = min(b for _, b in rounds), min(a for a, _ in rounds)
    assert ours <= 1.5 * numpys, rounds


@pytest.mark.slow
def test_the_wheel_alone_trains_and_predicts(tmp_path):
    """What a wheel holds is enough, with the base dependencies only: no clone beside it, no extra installed."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path, ROOT], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert {"backpass/data/digits.npz", "backpass/py.typed"} <= inside
    packed = {"backpass", "backpass_command.py", f"backpass-{backpass.__version__}.dist-info"}
    assert {name.partition("/")[0] for name in inside} == packed

    subprocess.run([sys.executable, "-m", "venv", tmp_path / "new"], check=True)
    programs = tmp_path / "new" / ("Scripts" if sys.platform == "win32" else "bin")
    subprocess.run([programs / "python", "-m", "pip", "-q", "install", wheel], check=True)
    trained = subprocess.run(
        [programs / "backpass", "train"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert trained.returncode == 0, trained.stdout + trained.stderr
    assert (tmp_path / "digits.bp").is_file()
