"""The environment that every verb beside this file runs in: made once, checked in a moment, used from then on.

Nothing but Python is taken for granted, so this file uses the standard library alone, and its syntax is one that older
Pythons can read, to be told that they are too old. The environment is a folder in the clone: `.venv`, or what
BACKPASS_ENV names. A stamp in it records what was installed, and from which declaration; it is written last, so that an
installation cut short is repeated, not trusted.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / os.environ.get("BACKPASS_ENV", ".venv")
BIN = HOME / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
OLDEST = (3, 11)
NEWEST = (3, 20)


def run(extra, *command):
    """Become `command`, run in the environment with backpass[extra] installed in it."""
    prepare(extra)
    become([str(BIN / command[0]), *command[1:]])


def steps(extra, *commands):
    """Run each command in the environment, all of them even where one fails; exit with the first failure's code."""
    prepare(extra)
    codes = []
    for command in commands:
        say("$ " + " ".join(command))
        codes.append(subprocess.call([str(BIN / command[0]), *command[1:]], cwd=str(ROOT)))
    sys.exit(next((code for code in codes if code), 0))


def prepare(extra):
    """Make the environment if there is none or it is out of date, and install backpass[extra] unless it was already."""
    use_a_new_enough_python()
    stamp = HOME / ("installed-" + extra)
    stamps = {path.read_text() for path in HOME.glob("installed-*")}
    usable = PYTHON.exists() and starts(str(PYTHON)) and stamps <= {declaration()}
    if usable and stamp.is_file():
        return
    version = "Python %d.%d" % sys.version_info[:2]
    say("Installing backpass[%s] into %s with %s (once; a minute or two) ..." % (extra, os.path.relpath(HOME), version))
    if not usable:
        create()
    install(extra)
    stamp.write_text(declaration())


def use_a_new_enough_python():
    """Where this Python is too old, start again under the newest one on PATH; where there is none, say so."""
    if sys.version_info >= OLDEST:
        return
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        newer = shutil.which("python3.%d" % minor)
        if newer and starts(newer):
            become([newer, *sys.argv])
    sys.exit(
        "Backpass needs Python %d.%d or newer; this is %d.%d, and PATH has no newer one.\n"
        "Install one, then type: python%d.%d %s" % (*OLDEST, *sys.version_info[:2], *OLDEST, " ".join(sys.argv))
    )


def become(command):
    """Replace this process by `command`, so that Ctrl-C, the exit code and the terminal are the command's own."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name != "nt":
        os.execv(command[0], command)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Windows cannot replace a process; leave Ctrl-C to the child
    sys.exit(subprocess.call(command))


def starts(python):
    """Whether `python` runs: a version manager's stand-in may not, nor an environment whose base was upgraded away."""
    return subprocess.call([python, "-c", ""], stderr=subprocess.DEVNULL) == 0


def declaration():
    """What an installation depends on, its place included (an environment cannot be moved), as one digest."""
    parts = (str(HOME).encode(), (ROOT / "pyproject.toml").read_bytes(), Path(__file__).read_bytes())
    return hashlib.sha256(b"".join(parts)).hexdigest() + "\n"


def create():
    """An empty environment with a pip in it or beside it, by the first of the usual ways that this machine offers."""
    shutil.rmtree(str(HOME), ignore_errors=True)
    ways = (
        ("ensurepip", [sys.executable, "-m", "venv", str(HOME)]),
        ("pip", [sys.executable, "-m", "venv", "--without-pip", str(HOME)]),
        ("virtualenv", [sys.executable, "-m", "virtualenv", "--quiet", str(HOME)]),
    )
    for module, command in ways:
        if has(module) and subprocess.call(command) == 0:
            return
    if shutil.which("uv") and subprocess.call(["uv", "venv", "--quiet", "--python", sys.executable, str(HOME)]) == 0:
        return
    sys.exit(
        "This Python has neither ensurepip nor pip, and there is no virtualenv or uv: nothing can install a package.\n"
        "On Debian and Ubuntu type: sudo apt install python%d.%d-venv" % sys.version_info[:2]
    )


def has(module):
    """Whether this Python can import `module`, found out without importing it here."""
    return subprocess.call([sys.executable, "-c", "import " + module], stderr=subprocess.DEVNULL) == 0


def installer():
    """The command that installs into the environment: its own pip, this Python's pip pointed at it, or uv."""
    if subprocess.call([str(PYTHON), "-c", "import pip"], stderr=subprocess.DEVNULL) == 0:
        return [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check"]
    if has("pip"):
        return [sys.executable, "-m", "pip", "--python", str(PYTHON), "install", "--disable-pip-version-check"]
    return ["uv", "pip", "install", "--python", str(PYTHON)]


def install(extra):
    """backpass[extra] from this clone, editable, within the releases that pyproject.toml pins."""
    import tomllib  # not there before OLDEST

    pins = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["uv"]["constraint-dependencies"]
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder, "constraints.txt")
        constraints.write_text("\n".join(pins) + "\n")
        code = subprocess.call(
            [*installer(), "--quiet", "--constraint", str(constraints), "--editable", "%s[%s]" % (ROOT, extra)]
        )
    if code:
        sys.exit("The installation failed; the lines above say why. Mend that, then type the same command again.")


def say(text):
    """A line about the work itself, kept out of standard output, which is the command's."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
