"""The model file: weights as safetensors, and beside them in its header the graph and everything else, as JSON.

Reading one runs no code: tensors are bytes, the graph's operations are looked up by name, layers come from a fixed
vocabulary. `docs/model-file.md` describes the format.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from .stored import Format, check_writable, read_stored, write_atomically, write_stored

FORMAT = "backpass-model"
VERSION = 1


def write_model(path: str | os.PathLike[str], tensors: dict[str, np.ndarray], content: dict[str, Any]) -> None:
    """Write a model file, whole or not at all. Raises OSError, with what to do, where the place cannot be written."""
    write_stored(path, _form(), tensors, content)


def read_model(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """(tensors, content) of a model file. Raises ModelFileError for a foreign, damaged or newer one."""
    return read_stored(path, _form())


def _form() -> Format:
    return Format(FORMAT, VERSION, "model", "Copy it again, or train anew")


__all__ = ["FORMAT", "VERSION", "check_writable", "read_model", "write_atomically", "write_model"]
