"""A stored file: arrays as safetensors, and beside them in its header one record as JSON.

Reading one runs no code. A checksum over all of it finds damage; it is written beside its name and then moved there in
one step, so that there is never half of one. What the record means is the business of the format: a model
(`model_file`), a checkpoint (`checkpoint`).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from backpass.graph.errors import ModelFileError

LARGEST_HEADER = 100_000_000


class Format(NamedTuple):
    """What a stored file is: the key of its record, the version that is written and the newest that is read, what
    people call it, and what they can do about a damaged one."""

    key: str
    version: int
    noun: str
    remedy: str


def write_stored(
    path: str | os.PathLike[str], form: Format, tensors: dict[str, np.ndarray], content: dict[str, Any]
) -> None:
    """Write a stored file, whole or not at all. Raises OSError, with what to do, where the place cannot be written."""
    from safetensors.numpy import save

    stored = {name: np.asarray(value, order="C") for name, value in tensors.items()}
    text = json.dumps(content, separators=(",", ":"), allow_nan=True)
    # One entry only: safetensors writes several in no fixed order, and the same content must give the same bytes.
    write_atomically(path, save(stored, {form.key: f"{form.version} {_digest(stored, text)} {text}"}))


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Put `data` at `path` in one step; see `new_file`."""
    with new_file(path) as place, open(place, "wb") as file:
        file.write(data)


@contextlib.contextmanager
def new_file(path: str | os.PathLike[str]) -> Iterator[str]:
    """A file to write, which takes its place at `path` in one step at the end of the block, and not at all after an
    error: a reader sees the old file or the new one, never a part.

    A link stays one: what it points to is replaced. Devices and pipes are written to. OSError says what to do.
    """
    with _new_file(path) as (target, temporary):
        yield str(temporary or target)
        if temporary is not None:
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, target)
            _remember_name(target.parent)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise the OSError that `write_atomically` would raise; leave everything as it is."""
    with _new_file(path) as (_, temporary):
        if temporary is not None:
            with open(temporary, "wb") as file:
                file.write(bytes(4096))
                file.flush()
                os.fsync(file.fileno())


@contextlib.contextmanager
def _new_file(path: str | os.PathLike[str]) -> Iterator[tuple[Path, str | None]]:
    """(target, a new file beside it); None in place of a new file for a device. OSErrors are put in words."""
    target = Path(os.path.realpath(path))
    temporary = None
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, "the file that is there is write-protected")
        if target.is_file() or not target.exists():
            handle, temporary = tempfile.mkstemp(prefix=".backpass-", suffix=".part", dir=target.parent)
            os.close(handle)
        yield target, temporary
    except OSError as error:
        reason = error.strerror or str(error)
        if not target.parent.is_dir():
            reason = f"there is no folder {target.parent}"
        raise type(error)(
            error.errno, f"cannot write {path}: {reason}. Nothing was changed there; choose another place"
        ) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def _remember_name(folder: Path) -> None:
    """Have the folder's new entry itself written to the disk, where the system can: a power cut undoes no rename."""
    with contextlib.suppress(OSError, AttributeError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def read_stored(path: str | os.PathLike[str], form: Format) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """(tensors, content) of a stored file. Raises ModelFileError for a foreign, damaged or newer one."""
    from safetensors import SafetensorError, safe_open

    name = Path(path).name
    try:
        size = os.path.getsize(path)
        if os.path.isdir(path):
            raise ModelFileError(f"{name} is a folder, not a {form.noun} file")
        with open(path, "rb") as file:
            start = file.read(8)
    except FileNotFoundError:
        raise ModelFileError(f"there is no file {path}") from None
    except OSError as error:
        raise ModelFileError(f"{name} cannot be read: {error.strerror or error}") from error
    if not size:
        raise ModelFileError(f"{name} is empty")
    if len(start) < 8 or not 0 < int.from_bytes(start, "little") <= min(size - 8, LARGEST_HEADER):
        raise ModelFileError(f"{name} is not a Backpass {form.noun} (or is cut short): it does not begin with a header")
    try:
        with safe_open(str(path), "numpy") as stored:
            header = (stored.metadata() or {}).get(form.key)
            if header is None:
                raise ModelFileError(f"{name} is a safetensors file, but not a Backpass {form.noun}")
            version, _, rest = header.partition(" ")
            _check_version(name, version, form)
            digest, _, text = rest.partition(" ")
            tensors = {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, OverflowError, TypeError, KeyError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"{name} is damaged or not a Backpass {form.noun}: {error}") from error
    if digest != _digest(tensors, text):
        raise ModelFileError(f"{name} is damaged: its checksum does not fit its content. {form.remedy}")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{name} is damaged: {error}") from error
    if not isinstance(content, dict):
        raise ModelFileError(f"{name} is damaged: its content is not a record")
    return tensors, content


def _check_version(name: str, version: str, form: Format) -> None:
    if not version.isdigit():
        raise ModelFileError(f"{name} is damaged: its format version is {version!r}")
    if int(version) > form.version:
        raise ModelFileError(
            f"{name} was written by a newer Backpass (format {version}; this one reads {form.version}): update it "
            "with\n  pip install --upgrade backpass"
        )


def _digest(tensors: dict[str, np.ndarray], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name}:{value.dtype.str}:{value.shape}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()
