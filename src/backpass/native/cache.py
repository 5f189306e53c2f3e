"""Compiled objects on disk, so that a program is compiled once and not once a process.

An entry is a file named by what it depends on (`identity`). It is written beside and renamed into place, and carries a
checksum, so that neither two processes at once nor one that is killed can leave half an entry; what does not check is
compiled anew. The oldest entries go when all together are over `MOST` bytes. A folder that cannot be written to only
means that nothing is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from pathlib import Path

FOLDER = "BACKPASS_CACHE"
"""The environment variable that names the folder; ``off`` keeps nothing."""
MOST = 256 << 20
MARK = b"backpass object 1\n"
SUFFIX = ".o"


def folder() -> Path | None:
    """Where entries lie; None where nothing is kept."""
    told = os.environ.get(FOLDER, "")
    if told == "off":
        return None
    if told:
        return Path(told)
    home = os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME", "")
    if home:
        return Path(home, "backpass")
    try:
        inside = ("Library", "Caches") if sys.platform == "darwin" else (".cache",)
        return Path.home().joinpath(*inside, "backpass")
    except RuntimeError:
        return None


def load(name: str) -> bytes | None:
    """The object kept under this name; None where there is none, or none that is whole."""
    place = folder()
    if place is None:
        return None
    path = place / (name + SUFFIX)
    try:
        content = path.read_bytes()
    except OSError:
        return None
    head = len(MARK)
    digest, code = content[head : head + 32], content[head + 32 :]
    if content[:head] != MARK or hashlib.sha256(code).digest() != digest:
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # it was of use: the oldest go first
    return code


def save(name: str, code: bytes) -> None:
    """Keep an object, if the folder lets it."""
    place = folder()
    if place is None:
        return
    temporary = None
    try:
        place.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=place, prefix="." + name)
        with os.fdopen(handle, "wb") as file:
            file.write(MARK + hashlib.sha256(code).digest() + code)
        os.replace(temporary, place / (name + SUFFIX))
        temporary = None
        _trim(place)
    except OSError:
        pass
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def _trim(place: Path) -> None:
    """Remove the entries that were not used for longest, and what killed processes left, beyond `MOST` bytes."""
    entries = []
    for item in os.scandir(place):
        with contextlib.suppress(OSError):
            found = item.stat()
            entries.append((found.st_mtime, found.st_size, item.path))
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if total <= MOST:
            return
        with contextlib.suppress(OSError):
            os.unlink(path)
            total -= size
