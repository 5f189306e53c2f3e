"""A table's columns -> the network's inputs: decided and learned once, kept as JSON, applied to any later table."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backpass.data.columns import (
    CHANNELS,
    ENCODERS,
    MAX_CATEGORIES,
    BooleanColumn,
    CategoryColumn,
    Encoder,
    ImageColumn,
    NumberColumn,
    RawColumn,
    TimeColumn,
)
from backpass.data.record import damaged, from_plain, to_plain
from backpass.data.table import LARGEST_SIDE, Column, Reading, Table, listing, missing_column, nearest
from backpass.graph.errors import DataError, ModelFileError

IDENTIFIER = re.compile(
    r"(?i:(^|[_\-. ])(id|uuid|guid|index|idx|key|rowid|row|no|nr)$|^unnamed: ?0$|^column_1$)|[a-z](ID|Id)$"
)
ONCE_ONLY = 0.5
"""A text column in which more than this share of the values occurs once only is a name or free text: left out."""


@dataclass(frozen=True)
class Preprocessor:
    """The encoders of the columns that are used, in the table's order, and the reason for each column that is not.

    >>> table = Table.from_arrays({"age": [20.0, 30.0, None, 50.0], "sex": ["f", "m", "f", "m"]})
    >>> pre = Preprocessor.fit(table)
    >>> pre.feature_names
    ['age', 'age is missing', 'sex=f', 'sex=m']
    >>> pre.transform(table)[1].tolist()
    [-0.26726123690605164, 0.0, 0.0, 1.0]
    >>> Preprocessor.from_json(pre.to_json()) == pre
    True
    """

    encoders: tuple[Encoder, ...]
    left_out: dict[str, str]

    @classmethod
    def fit(
        cls,
        table: Table,
        target: str | None = None,
        exclude: Iterable[str] = (),
        keep: Iterable[str] = (),
        rows: np.ndarray | None = None,
        max_categories: int = MAX_CATEGORIES,
    ) -> Preprocessor:
        """Learn from a table of n rows how its columns become features.

        Which columns are used, and as what, is decided over the whole table; means, medians and categories are learned
        from `rows` only (the training rows: indices or a mask; all by default). `target` and `exclude` are not used;
        `keep` names columns to use even where they look like row numbers, identifiers or free text.

        Raises DataError when a named column does not exist or no column is left.
        """
        left_out: dict[str, str] = {table[name].name: "excluded" for name in exclude}
        kept = {table[name].name for name in keep}
        if target is not None:
            left_out.pop(table[target].name, None)
        candidates = [column for column in table.columns if column.name not in left_out and column.name != target]
        reasons = {column.name: _not_to_learn_from(column) for column in candidates if column.name not in kept}
        if all(reasons.get(column.name) for column in candidates):  # better a row number than nothing: x = 0, 1, 2, ...
            reasons = {name: reason for name, reason in reasons.items() if reason and not reason.startswith("row")}
        encoders: list[Encoder] = []
        for column in candidates:
            reason = reasons.get(column.name)
            encoder = None if reason else _fit(column if rows is None else column.take(rows), max_categories)
            if encoder is not None:
                encoders.append(encoder)
            else:
                left_out[column.name] = reason or _nothing_varies(column, rows)
        if not encoders:
            why = "; ".join(f"'{name}': {reason}" for name, reason in left_out.items()) or "there is no other column"
            raise DataError(f"{table.source} has no column left to learn from ({why})")
        return cls(_on_one_scale(encoders), left_out)

    @property
    def feature_names(self) -> list[str]:
        """The name of each of the D features, such as 'age', 'sex=female', 'age is missing', 'date: month sin'."""
        return [name for encoder in self.encoders for name in encoder.names()]

    @property
    def size(self) -> int:
        """D, the number of features."""
        return sum(encoder.size for encoder in self.encoders)

    @property
    def parts(self) -> list[tuple[str, np.ndarray]]:
        """(name, which of the D features) of what can be missed apart: the columns, and of an image its tiles."""
        found, start = [], 0
        for encoder in self.encoders:
            found += [(name, start + places) for name, places in encoder.parts()]
            start += encoder.size
        return found

    @property
    def readings(self) -> dict[str, Reading]:
        """How each column's texts are to be read: `read_table(path, kinds=preprocessor.readings)`."""
        return {encoder.name: encoder.reading() for encoder in self.encoders}

    @property
    def notices(self) -> list[str]:
        """A sentence for each column that is left out, other than at the user's wish."""
        return [f"column '{name}' is left out: {why}" for name, why in self.left_out.items() if why != "excluded"]

    def transform(
        self, table: Table, notices: list[str] | None = None, fill_missing_columns: bool = False
    ) -> np.ndarray:
        """The features of a table of n rows: float32 of shape (n, D), all finite; float64 where columns go in raw.

        Sentences about what was met (missing values that training did not have, unseen categories, values far outside)
        are appended to `notices`. A column that the table lacks is a DataError, since predictions without it are worth
        little; with `fill_missing_columns` it is taken as missing in every row, and a notice says so. Columns that
        were not trained on are ignored.
        """
        notices = [] if notices is None else notices
        absent = [encoder.name for encoder in self.encoders if encoder.name not in table]
        self.require(table.names, table.source, fill_missing_columns)
        if absent:
            notices.append(f"{table.source} lacks {listing(absent)}: taken as missing in every row")
        raw = any(isinstance(encoder, RawColumn) for encoder in self.encoders)
        out = np.empty((len(table), self.size), np.float64 if raw else np.float32)
        start = 0
        for encoder in self.encoders:
            stop = start + encoder.size
            known = encoder.name in table
            column = table[encoder.name] if known else missing_column(encoder.name, encoder.reading().kind, len(table))
            encoder.encode(column, out[:, start:stop], notices if known else [])
            start = stop
        return out

    def require(self, names: list[str], source: str, fill_missing_columns: bool = False) -> None:
        """Raise the DataError that tells of columns which a table of these names lacks; images cannot be filled in."""
        there = set(names)
        absent = [encoder.name for encoder in self.encoders if encoder.name not in there]
        for encoder in self.encoders:
            if isinstance(encoder, ImageColumn) and encoder.name not in there:
                raise DataError(
                    f"the model was trained on images, and {source} holds none; give it a folder of images"
                    + (f", or an array of them as '{encoder.name}'" if encoder.name != "image" else "")
                )
        if absent and not fill_missing_columns:
            raise DataError(_absent(absent, names, source))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values that `from_json` reads."""
        return {"columns": [to_plain(encoder) for encoder in self.encoders], "left_out": dict(self.left_out)}

    @classmethod
    def from_json(cls, state: dict[str, Any] | str) -> Preprocessor:
        """The preprocessor that `to_json` wrote (or its JSON text); ModelFileError says what in it cannot be.

        >>> Preprocessor.from_json('{"columns": [{"encoder": "numbr"}], "left_out": {}}')
        Traceback (most recent call last):
            ...
        backpass.graph.errors.ModelFileError: the model file is damaged: preprocessor.columns[0].encoder should be \
'number', 'raw', 'boolean', 'category', 'time' or 'image', and is 'numbr'
        """
        if isinstance(state, str):
            try:
                state = json.loads(state)
            except (json.JSONDecodeError, RecursionError) as error:
                raise ModelFileError(f"the model file is damaged: its preprocessor is not JSON ({error})") from error
        if not isinstance(state, dict) or set(state) != {"columns", "left_out"}:
            raise damaged("preprocessor", "an object with 'columns' and 'left_out'", state)
        columns, left_out = state["columns"], state["left_out"]
        if not isinstance(columns, list) or not columns:
            raise damaged("preprocessor.columns", "a list of columns", columns)
        if not isinstance(left_out, dict) or not all(
            isinstance(part, str) for pair in left_out.items() for part in pair
        ):
            raise damaged("preprocessor.left_out", "an object of texts", left_out)
        encoders = tuple(_encoder(data, f"preprocessor.columns[{i}]") for i, data in enumerate(columns))
        names = [encoder.name for encoder in encoders]
        if len(set(names)) < len(names):
            raise damaged("preprocessor.columns", "columns of different names", names)
        return cls(encoders, left_out)


def _on_one_scale(encoders: list[Encoder]) -> tuple[Encoder, ...]:
    """Columns that are one quantity at many places (the pixels of an image) keep their proportions: one mean and one
    deviation for all of them.

    They are told by their ranges: at least `MANY_ALIKE` number columns, nearly all with one minimum, and half or more
    of these with one maximum. Each standardised by itself, pixels that hardly ever hold ink would weigh as much as the
    rest: on the handwritten digits that costs 2 % accuracy.
    """
    numbers = [e for e in encoders if isinstance(e, NumberColumn) and e.std > 0]
    if len(numbers) < MANY_ALIKE:
        return tuple(encoders)
    low = Counter(e.low for e in numbers).most_common(1)[0][0]
    alike = [e for e in numbers if e.low == low]
    high, count = Counter(e.high for e in alike).most_common(1)[0]
    if len(alike) < 0.9 * len(numbers) or 2 * count < len(alike) or any(e.high > high for e in alike):
        return tuple(encoders)
    mean = float(np.mean([e.mean for e in alike]))
    std = float(np.sqrt(np.mean([e.std**2 + (e.mean - mean) ** 2 for e in alike])))
    names = {e.name for e in alike}
    return tuple(
        replace(e, mean=mean, std=std) if isinstance(e, NumberColumn) and e.name in names else e for e in encoders
    )


MANY_ALIKE = 16


def _fit(column: Column, max_categories: int) -> Encoder | None:
    if column.kind == "text":
        return CategoryColumn.fit(column, max_categories)
    if column.kind == "time":
        return TimeColumn.fit(column)
    if column.kind == "image":
        return ImageColumn.fit(column)
    if column.kind == "boolean":
        return BooleanColumn.fit(column)
    zero_one = (column.values == 0) | (column.values == 1) | np.isnan(column.values)
    return BooleanColumn.fit(column) if zero_one.all() and not column.unit else NumberColumn.fit(column)


def _not_to_learn_from(column: Column) -> str:
    """Why a whole column tells nothing about new rows, or "" where it may."""
    if column.missing.all():
        return "every value is missing"
    if column.kind == "text":
        counts = np.bincount(column.values[column.values >= 0])
        known = int(counts.sum())
        if (counts == 1).sum() > ONCE_ONLY * known and known >= 10:
            distinct = int((counts > 0).sum())
            return f"{distinct} different texts in {known} rows: a name or free text, not a category"
    if column.kind == "number" and len(column) >= 10 and not column.unit:
        values = column.values
        if np.isfinite(values).all() and np.array_equal(values, np.floor(values)):
            ordered = np.sort(values)
            if ordered[0] in (0, 1) and np.array_equal(ordered, np.arange(len(values)) + ordered[0]):
                return f"row numbers ({int(ordered[0])} to {int(ordered[-1])}, each once)"
            if IDENTIFIER.search(column.name) and bool(np.all(np.diff(ordered) > 0)):
                return "an identifier (whole numbers, each once)"
    return ""


def _nothing_varies(column: Column, rows: np.ndarray | None) -> str:
    known = column if rows is None else column.take(rows)
    if column.kind == "image":
        return "all of its pixels are alike"
    if known.missing.all():
        return "every value in the training rows is missing"
    value = known.texts()[~known.missing][0]
    return f"one value only, '{value}'" + (" in the training rows" if rows is not None else "")


def _absent(absent: list[str], names: list[str], source: str) -> str:
    first = nearest(absent[0], names)
    hint = f" (rename '{first}'?)" if first else ""
    count = "a column" if len(absent) == 1 else f"{len(absent)} columns"
    return (
        f"{source} lacks {count} that the model was trained on: {listing(absent)}{hint}. "
        f"Its columns: {listing(names, 20)}"
    )


def _encoder(data: Any, where: str) -> Encoder:
    """One encoder from JSON, with what its fields must fulfil together."""
    kind = data.get("encoder") if isinstance(data, dict) else data
    if not isinstance(kind, str) or kind not in ENCODERS:
        raise damaged(f"{where}.encoder", "'number', 'raw', 'boolean', 'category', 'time' or 'image'", kind)
    encoder = from_plain(ENCODERS[kind], data, where)
    if isinstance(encoder, (NumberColumn, TimeColumn)) and encoder.std < 0:
        raise damaged(f"{where}.std", "at least 0", encoder.std)
    if isinstance(encoder, BooleanColumn) and len(encoder.words) not in (0, 2):
        raise damaged(f"{where}.words", "two words or none", encoder.words)
    if isinstance(encoder, CategoryColumn) and len(set(encoder.categories)) < len(encoder.categories):
        raise damaged(f"{where}.categories", "different texts", encoder.categories)
    if isinstance(encoder, ImageColumn):
        shape = (encoder.height, encoder.width, encoder.channels)
        if not all(1 <= side <= LARGEST_SIDE for side in shape[:2]) or shape[2] not in CHANNELS:
            raise damaged(where, f"an image of up to {LARGEST_SIDE} pixels a side, and 1 or 3 channels", shape)
        if encoder.std <= 0:
            raise damaged(f"{where}.std", "more than 0", encoder.std)
    if isinstance(encoder, TimeColumn):
        if not set(encoder.cycles) <= {"month", "weekday", "hour"} or len(set(encoder.cycles)) < len(encoder.cycles):
            raise damaged(f"{where}.cycles", "some of 'month', 'weekday', 'hour'", encoder.cycles)
        if abs(encoder.fill) >= 2**62:
            raise damaged(f"{where}.fill", "a time in microseconds", encoder.fill)
    return encoder
