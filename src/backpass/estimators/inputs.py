"""What is wrong with an X that cannot be used, in words: which columns, and what to do about them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from sklearn.utils import check_array

from backpass.data.table import listing

TABLES = "`backpass train FILE --target COLUMN` takes the table as it is"


def refused(X: Any, error: Exception, estimator: str) -> ValueError | None:
    """The error to raise in place of scikit-learn's or NumPy's own; None where theirs says it all."""
    found = str(error)
    if "could not convert string to float" in found:
        return ValueError(
            f"{found}. X has text{_where(_columns(X, 'text'))}, and an estimator takes numbers.\n  Encode it before: "
            "make_pipeline(make_column_transformer((OneHotEncoder(handle_unknown='ignore'), [...]),\n  "
            f"remainder='passthrough'), {estimator}()); {TABLES}."
        )
    if dates := _columns(X, "dates"):
        return ValueError(
            f"X has dates or durations{_where(dates)}, and an estimator takes numbers.\n"
            f"  Make numbers of them before, such as X['month'] = X[column].dt.month; {TABLES}."
        )
    if missing := re.match(r"Input X contains (NaN|infinity)", found):
        return _not_finite(X, missing[1], estimator)
    return None


def _not_finite(X: Any, what: str, estimator: str) -> ValueError | None:
    if hasattr(X, "tocsr"):
        return None
    x = check_array(X, dtype="float64", ensure_all_finite=False)
    bad = np.isnan(x) if what == "NaN" else np.isinf(x)
    rows, columns = np.nonzero(bad)
    if not len(rows):  # of float64, and too large for float32
        return None
    names = getattr(X, "columns", range(x.shape[1]))
    state = "missing" if what == "NaN" else "infinite"
    count = f"{len(rows)} values are {state}" if len(rows) > 1 else f"one value is {state}"
    where = f"{_where([names[k] for k in np.unique(columns)])}, {'first ' * (len(rows) > 1)}in row {rows.min()}"
    if what == "NaN":
        filled = f"make_pipeline(SimpleImputer(add_indicator=True), {estimator}())"
        remedy = f"Fill them before: {filled}, or drop such rows; {TABLES}"
    else:
        remedy = "Drop such rows, or bring them into bounds before: X.clip(low, high)"
    return ValueError(f"Input X contains {what}: {count}{where}.\n  {remedy}.")


def _where(columns: list[Any]) -> str:
    if not columns:
        return ""
    shown = listing(columns)
    if not isinstance(columns[0], str):
        shown = shown.replace("'", "")  # numbers of columns
    return f" in the column{'s' * (len(columns) > 1)} {shown}"


def _columns(X: Any, what: str) -> list[Any]:
    """The columns of a data frame that hold text, or dates."""
    types = getattr(X, "dtypes", None)
    if types is None:
        return []
    found = []
    for name, kind in zip(X.columns, list(types), strict=True):
        word = str(kind).lower()
        is_date = word.startswith(("date", "time", "duration"))
        is_number = word.startswith(("int", "uint", "float", "double", "bool", "decimal"))
        if is_date if what == "dates" else not (is_date or is_number):
            found.append(name)
    return found


__all__ = ["refused"]
