"""The program `backpass`, beside the package: Ctrl-C ends it quietly while NumPy is still imported, too."""

import os
import signal
import sys
from typing import Any


def main() -> None:
    """What the command line calls."""
    if heard := signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)
    from backpass.cli import main as command

    if heard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    command(prog_name="backpass")


def _leave(*_: Any) -> None:
    sys.stderr.write("interrupted\n")
    sys.stderr.flush()
    os._exit(130)  # nothing was begun yet


if __name__ == "__main__":
    main()
