"""Optional dependencies: imported when first needed, and named with their install line when missing."""

from __future__ import annotations

import importlib
from typing import Any

from backpass.graph.errors import MissingExtraError


def extra_module(module: str, extra: str, what: str) -> Any:
    """The module of an optional dependency; MissingExtraError, with the line that installs it, where there is none.

    >>> extra_module("no_such_module", "data", "reading a.csv")
    Traceback (most recent call last):
        ...
    backpass.graph.errors.MissingExtraError: reading a.csv needs no_such_module; type: pip install "backpass[data]"
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingExtraError(f'{what} needs {package}; type: pip install "backpass[{extra}]"') from error


def arrow(module: str = "", what: str = "reading tables") -> Any:
    """pyarrow, or one of its modules.

    >>> arrow("compute").__name__
    'pyarrow.compute'
    """
    return extra_module(f"pyarrow.{module}" if module else "pyarrow", "data", what)
