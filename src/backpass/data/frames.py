"""Data frames of any library (pandas, polars, Arrow, DuckDB, ...) as Tables, through Arrow's own interface."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from backpass.data.arrow import table_of
from backpass.data.extra import arrow
from backpass.data.read import read_table
from backpass.data.table import Reading, Table
from backpass.graph.errors import DataError


def table_from(source: Any, readings: Mapping[str, Reading] | None = None) -> Table:
    """The Table of a data frame, a mapping of columns, a file, or a Table.

    A data frame is whatever gives its columns by Arrow's C interface (`__arrow_c_stream__`), or has `columns` and gives
    one by its name. `readings` says how columns are to be read, such as a trained preprocessor's `readings`.

    Raises DataError where a column cannot be read.

    >>> table_from({"age": [31, 54], "sex": ["f", "m"]})
    Table(2 rows, 2 columns: age (number), sex (text))
    >>> import pandas
    >>> table_from(pandas.DataFrame({"age": [31, None], "sex": pandas.Categorical(["f", "m"])}))["age"].values.tolist()
    [31.0, nan]
    """
    readings = dict(readings or {})
    if isinstance(source, Table):
        return source
    if isinstance(source, (str, os.PathLike)):
        return read_table(source, kinds=readings)
    if hasattr(source, "__arrow_c_stream__"):
        return _of_arrow(source, readings)
    if isinstance(source, Mapping):
        return Table.from_arrays(source)
    if hasattr(source, "columns") and hasattr(source, "__getitem__"):
        return Table.from_arrays({str(name): np.asarray(source[name]) for name in source.columns}, "the data frame")
    raise DataError(f"a table is a data frame, a mapping of columns or a file's name; got {type(source).__name__}")


def is_frame(source: Any) -> bool:
    """Whether something is a data frame or a Table, rather than an array."""
    if isinstance(source, Table) or hasattr(source, "__arrow_c_stream__"):
        return True
    return not isinstance(source, np.ndarray) and hasattr(source, "columns") and hasattr(source, "__getitem__")


def _of_arrow(source: Any, readings: dict[str, Reading]) -> Table:
    pa = arrow("", "reading a data frame")
    try:
        table = pa.table(source)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise DataError(f"the data frame has a column that cannot be read: {str(error).splitlines()[0]}") from error
    index = [name for name in table.column_names if name.startswith("__index_level_")]
    return table_of(table.drop_columns(index), "the data frame", readings)


__all__ = ["is_frame", "table_from"]
