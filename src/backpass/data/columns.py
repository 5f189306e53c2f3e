"""How each column becomes features: one frozen record a kind, learned from the training rows and kept as JSON.

Each record has `names()`, its features, `size` of them; `encode(column, out, notices)`, which fills `out` of shape
(n, size); `reading()`, how the column's texts are to be read in a later file; and `parts()`, what of it can be missed
apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from backpass.data.table import Column, Reading, listing, number_text
from backpass.graph.errors import DataError

FAR = 1e4
"""Standardised numbers stop here: a training value lies at most sqrt(n) deviations from its mean, so that only a value
foreign to the training data is cut, and none overflows the network's float32."""

MAX_CATEGORIES = 50
RARE = 3
"""Categories seen in fewer training rows are pooled into "other" (of under 100 rows: fewer than 2; under 50: none)."""


class _Encoder:
    """What the records have in common."""

    name: str

    def names(self) -> list[str]:
        raise NotImplementedError

    @property
    def size(self) -> int:
        """How many features there are."""
        return len(self.names())

    def parts(self) -> list[tuple[str, np.ndarray]]:
        """(name, which of the features): what is shuffled together to see how much it is needed."""
        return [(self.name, np.arange(self.size))]


@dataclass(frozen=True)
class NumberColumn(_Encoder):
    """(x − mean) / std, with the training rows' median where x is missing or infinite, and a 0/1 feature that says so.

    The indicator exists only if some training value was missing. std = 0 means that only the indicator varies.
    Taking logarithms of skewed positive columns was measured on breast cancer and wine (12 splits each): no
    difference outside the noise, so numbers are not bent.
    """

    name: str
    mean: float
    std: float
    fill: float
    low: float
    high: float
    indicator: bool
    unit: str
    written: str
    encoder: Literal["number"] = "number"

    @classmethod
    def fit(cls, column: Column) -> NumberColumn | None:
        """The record of some training values, or None where nothing varies.

        >>> NumberColumn.fit(Column("age", "number", np.array([1.0, 3.0, np.nan]))).names()
        ['age', 'age is missing']
        """
        finite = np.isfinite(column.values)
        known = column.values[finite].astype(np.float64)
        if not len(known):
            return None
        mean, std = moments(known)
        indicator = not finite.all()
        if std == 0 and not indicator:
            return None
        low, high, fill = float(known.min()), float(known.max()), float(np.median(known))
        return cls(column.name, mean, std, fill, low, high, indicator, column.unit, column.written)

    def names(self) -> list[str]:
        return [self.name] * (self.std > 0) + [f"{self.name} is missing"] * self.indicator

    def reading(self) -> Reading:
        return Reading("number", self.unit, self.written)

    def encode(self, column: Column, out: np.ndarray, notices: list[str]) -> None:
        column = column.as_kind("number")
        if self.unit and column.unit and column.unit != self.unit:
            raise DataError(
                f"column '{self.name}' was learned with '{self.unit}', and here it is in '{column.unit}'; convert it"
            )
        values = column.values.astype(np.float64)
        filled = _filled(self, values, notices)
        if self.indicator:
            out[:, -1] = ~np.isfinite(values)
        if self.std > 0:
            with np.errstate(over="ignore"):
                out[:, 0] = np.clip((filled - self.mean) / self.std, -FAR, FAR)


@dataclass(frozen=True)
class RawColumn(_Encoder):
    """x as it is, for a network that scales its inputs itself; the median of training where x is missing or infinite.

    >>> out = np.zeros((2, 1))
    >>> RawColumn("age", 30.0, 18.0, 60.0).encode(Column("age", "number", np.array([41.0, np.nan])), out, [])
    >>> out[:, 0].tolist()
    [41.0, 30.0]
    """

    name: str
    fill: float
    low: float
    high: float
    encoder: Literal["raw"] = "raw"
    indicator: ClassVar[bool] = False

    def names(self) -> list[str]:
        return [self.name]

    def reading(self) -> Reading:
        return Reading("number")

    def encode(self, column: Column, out: np.ndarray, notices: list[str]) -> None:
        out[:, 0] = _filled(self, column.as_kind("number").values.astype(np.float64), notices)


@dataclass(frozen=True)
class BooleanColumn(_Encoder):
    """0 or 1; the commoner of the two where it is missing, and a 0/1 feature that says so if training values were."""

    name: str
    words: tuple[str, ...]
    fill: bool
    indicator: bool
    encoder: Literal["boolean"] = "boolean"

    @classmethod
    def fit(cls, column: Column) -> BooleanColumn | None:
        """The record of a boolean column, or of a number column that holds only 0 and 1; None where nothing varies.

        >>> BooleanColumn.fit(Column("fed", "boolean", np.array([1.0, 0.0]), ("no", "yes"))).names()
        ['fed=yes']
        """
        known = column.values[~column.missing]
        indicator = len(known) < len(column)
        if not len(known) or (not indicator and known.min() == known.max()):
            return None
        return cls(column.name, column.levels, bool(known.mean() >= 0.5), indicator)

    def names(self) -> list[str]:
        first = f"{self.name}={self.words[1]}" if self.words else self.name
        return [first] + [f"{self.name} is missing"] * self.indicator

    def reading(self) -> Reading:
        return Reading("boolean" if self.words else "number")

    def encode(self, column: Column, out: np.ndarray, notices: list[str]) -> None:
        values = column.as_kind("boolean").values
        missing = np.isnan(values)
        strange = missing & ~column.missing
        words = self.words or ("0", "1")
        _note(self, strange, f"value neither '{words[0]}' nor '{words[1]}', taken as missing", notices)
        _note_missing(self, missing & ~strange, f"the commoner '{words[self.fill]}'", notices)
        out[:, 0] = np.where(missing, self.fill, values)
        if self.indicator:
            out[:, -1] = missing


@dataclass(frozen=True)
class CategoryColumn(_Encoder):
    """One 0/1 feature a category, one for "other" where rare ones were pooled, one for "is missing" if any were.

    A category never seen in training goes to "other"; where there is no "other", all of its features are 0.
    """

    name: str
    categories: tuple[str, ...]
    other: bool
    indicator: bool
    encoder: Literal["category"] = "category"

    @classmethod
    def fit(cls, column: Column, most: int = MAX_CATEGORIES) -> CategoryColumn | None:
        """The record of a text column: the `most` frequent categories, most frequent first; None where nothing varies.

        >>> sex = Column("sex", "text", np.array([0, 1, 0, -1]), ("m", "f"))
        >>> CategoryColumn.fit(sex).names()
        ['sex=m', 'sex=f', 'sex is missing']
        """
        codes = column.values[column.values >= 0]
        counts = np.bincount(codes, minlength=len(column.levels))
        order = sorted(np.flatnonzero(counts).tolist(), key=lambda code: (-counts[code], column.levels[code]))
        kept = [code for code in order if counts[code] >= min(RARE, 1 + len(column) // 50)]
        if len(order) - len(kept) == 1:  # alone in "other" it would only lose its name
            kept = order
        kept = kept[: max(most, 1)]
        other, indicator = len(order) > len(kept), len(codes) < len(column)
        if len(kept) + other + indicator < 2:
            return None
        return cls(column.name, tuple(column.levels[code] for code in kept), other, indicator)

    def names(self) -> list[str]:
        names = [f"{self.name}={category}" for category in self.categories]
        return names + [f"{self.name}: other"] * self.other + [f"{self.name} is missing"] * self.indicator

    def reading(self) -> Reading:
        return Reading("text")

    def encode(self, column: Column, out: np.ndarray, notices: list[str]) -> None:
        column = column.as_kind("text")
        place = {category: index for index, category in enumerate(self.categories)}
        unseen = len(place) if self.other else -1
        lookup = np.array([*(place.get(level, unseen) for level in column.levels), -1])
        strange = np.array([*(level not in place for level in column.levels), False])[column.values]
        missing = column.values < 0
        where = lookup[column.values]
        out[:] = 0.0
        rows = np.flatnonzero(where >= 0)
        out[rows, where[rows]] = 1.0
        if self.indicator:
            out[:, -1] = missing
        else:
            _note_missing(self, missing, "no category", notices)
        if not self.other:
            found = [column.levels[code] for code in np.unique(column.values[strange])]
            _note(self, strange, f"value that training did not have ({listing(found, 3)}): no category", notices)


CYCLES = {"month": "month", "weekday": "day of the week", "hour": "time of day"}


@dataclass(frozen=True)
class TimeColumn(_Encoder):
    """The date as a standardised number of years; sine and cosine of month, weekday and time of day, where they vary.

    A cycle of period P enters as sin(2πt/P) and cos(2πt/P), so that December lies beside January. Missing dates become
    the median date.
    """

    name: str
    mean: float
    std: float
    fill: float
    cycles: tuple[str, ...]
    indicator: bool
    written: str
    encoder: Literal["time"] = "time"

    @classmethod
    def fit(cls, column: Column) -> TimeColumn | None:
        """The record of a column of dates, or None where nothing varies.

        >>> days = np.array(["2023-01-02", "2024-06-03", "2025-12-01"], "datetime64[us]")
        >>> TimeColumn.fit(Column("day", "time", days)).names()
        ['day: year', 'day: month sin', 'day: month cos']
        """
        known = column.values[~column.missing]
        indicator = len(known) < len(column)
        if not len(known):
            return None
        mean, std = moments(years(known))
        if std == 0 and not indicator:
            return None
        micros = int(np.median(known.astype("datetime64[us]").astype(np.int64)))
        phases = {name: phase for name, phase in cycle_phases(known).items() if len(np.unique(phase[1])) > 1}
        return cls(column.name, mean, std, float(micros), tuple(phases), indicator, column.written)

    def names(self) -> list[str]:
        cycles = [f"{self.name}: {CYCLES[cycle]} {wave}" for cycle in self.cycles for wave in ("sin", "cos")]
        return [f"{self.name}: year"] * (self.std > 0) + cycles + [f"{self.name} is missing"] * self.indicator

    def reading(self) -> Reading:
        return Reading("time", "", self.written)

    def encode(self, column: Column, out: np.ndarray, notices: list[str]) -> None:
        column = column.as_kind("time")
        missing = column.missing
        fill = np.datetime64(int(self.fill), "us")
        _note_missing(self, missing, f"the median date {np.datetime_as_string(fill, 's')}", notices)
        times = np.where(missing, fill, column.values)
        if self.indicator:
            out[:, -1] = missing
        place = 0
        if self.std > 0:
            out[:, 0] = np.clip((years(times) - self.mean) / self.std, -FAR, FAR)
            place = 1
        phases = cycle_phases(times)
        for cycle in self.cycles:
            angle = 2 * np.pi * phases[cycle][0]
            out[:, place], out[:, place + 1] = np.sin(angle), np.cos(angle)
            place += 2


CHANNELS = {1: ("pixel",), 3: ("red", "green", "blue")}
TILES = 4
"""An image is cut into so many by so many parts, to see which are needed."""


@dataclass(frozen=True)
class ImageColumn(_Encoder):
    """(pixel − mean) / std, with one mean and one deviation for all pixels; row by row, the channels of a pixel side by
    side."""

    name: str
    height: int
    width: int
    channels: int
    mean: float
    std: float
    encoder: Literal["image"] = "image"

    @classmethod
    def fit(cls, column: Column) -> ImageColumn | None:
        """The record of some images, or None where all pixels are alike.

        >>> ImageColumn.fit(Column("image", "image", np.array([[[0, 4]], [[0, 4]]], np.uint8)))
        ImageColumn(name='image', height=1, width=2, channels=1, mean=2.0, std=2.0, encoder='image')
        """
        counts = np.zeros(256, np.int64)
        for image in column.values:
            counts += np.bincount(image.reshape(-1), minlength=256)
        levels = np.flatnonzero(counts)
        if len(levels) < 2:
            return None
        mean = float(np.average(levels, weights=counts[levels]))
        std = float(np.sqrt(np.average((levels - mean) ** 2, weights=counts[levels])))
        return cls(column.name, *_image_shape(column.values), mean, std)

    @property
    def size(self) -> int:
        return self.height * self.width * self.channels

    def names(self) -> list[str]:
        places = [f"{r}_{c}" for r in range(self.height) for c in range(self.width)]
        return [f"{channel}_{place}" for place in places for channel in CHANNELS[self.channels]]

    def parts(self) -> list[tuple[str, np.ndarray]]:
        """Tiles of the image, by the rows and columns of their pixels."""
        features = np.arange(self.size).reshape(self.height, self.width, self.channels)
        return [
            (f"{self.name}, rows {_span(rows)}, columns {_span(columns)}", features[np.ix_(rows, columns)].reshape(-1))
            for rows in np.array_split(np.arange(self.height), min(TILES, self.height))
            for columns in np.array_split(np.arange(self.width), min(TILES, self.width))
        ]

    def reading(self) -> Reading:
        return Reading("image", "", f"{self.height}x{self.width}x{self.channels}")

    def encode(self, column: Column, out: np.ndarray, notices: list[str]) -> None:
        values = column.as_kind("image").values
        height, width, channels = _image_shape(values)
        if (height, width, channels) != (self.height, self.width, self.channels):
            raise DataError(
                f"column '{self.name}' has images of {height} by {width} pixels and {channels} channels, and the model "
                f"was trained on {self.height} by {self.width} and {self.channels}"
            )
        out[:] = values.reshape(len(values), -1)
        out -= np.float32(self.mean)
        out /= np.float32(self.std)


def _image_shape(values: np.ndarray) -> tuple[int, int, int]:
    """(height, width, channels) of images, (n, height, width) where they are grey."""
    height, width, channels = (*values.shape[1:], 1)[:3]
    return height, width, channels


def _span(places: np.ndarray) -> str:
    return f"{places[0]}–{places[-1]}" if len(places) > 1 else str(places[0])


Encoder = NumberColumn | RawColumn | BooleanColumn | CategoryColumn | TimeColumn | ImageColumn
ENCODERS = {
    "number": NumberColumn, "raw": RawColumn, "boolean": BooleanColumn, "category": CategoryColumn, "time": TimeColumn,
    "image": ImageColumn,
}  # fmt: skip


def moments(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation (of the population) in float64; scaled first, so that 1e300 does not overflow.

    >>> moments(np.array([2e300, 6e300]))
    (4e+300, 2e+300)
    """
    if values.min() == values.max():
        return float(values[0]), 0.0
    size = 2.0 ** (int(np.frexp(np.max(np.abs(values)))[1]) - 1)  # a power of two: scaling rounds nothing
    scaled = values / size
    mean = float(np.mean(scaled))
    return mean * size, float(np.sqrt(np.mean((scaled - mean) ** 2))) * size


def years(times: np.ndarray) -> np.ndarray:
    """datetime64 as float64 years: 2024.5 is the middle of 2024."""
    year = times.astype("datetime64[Y]")
    start, end = year.astype("datetime64[us]"), (year + np.timedelta64(1, "Y")).astype("datetime64[us]")
    return year.astype(np.int64) + 1970 + (times - start) / (end - start)


def cycle_phases(times: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For each cycle the phase in [0, 1) of each time, and the step of the cycle that it falls in (month 0-11, ...)."""
    month, day = times.astype("datetime64[M]"), times.astype("datetime64[D]")
    start, end = month.astype("datetime64[us]"), (month + np.timedelta64(1, "M")).astype("datetime64[us]")
    months = month.astype(np.int64) % 12
    weekdays = (day.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0
    micros = (times - day.astype("datetime64[us]")).astype(np.int64)
    return {
        "month": ((months + (times - start) / (end - start)) / 12, months),
        "weekday": (weekdays / 7, weekdays),
        "hour": (micros / 86_400e6, micros),
    }


def _filled(record: NumberColumn | RawColumn, values: np.ndarray, notices: list[str]) -> np.ndarray:
    """Numbers with the median where they are missing or infinite; what was met is noted."""
    infinite, missing = np.isinf(values), ~np.isfinite(values)
    _note_missing(record, missing & ~infinite, f"its median {number_text(record.fill)}", notices)
    _note(record, infinite, "infinite value, taken as missing", notices)
    filled = np.where(missing, record.fill, values)
    width = record.high - record.low
    if width > 0:
        far = (filled > record.high + width) | (filled < record.low - width)
        span = f"{number_text(record.low)} to {number_text(record.high)}"
        _note(record, far, f"value far outside what was trained on ({span})", notices)
    return filled


def _note(record: Encoder, mask: np.ndarray, what: str, notices: list[str]) -> None:
    """A sentence on the values where mask is set, if any; `what` begins with what kind of value they are."""
    count = int(mask.sum())
    if count:
        notices.append(f"column '{record.name}': {count} {what.replace('value', 'value' + 's' * (count > 1), 1)}")


def _note_missing(
    record: NumberColumn | RawColumn | BooleanColumn | CategoryColumn | TimeColumn,
    missing: np.ndarray,
    filled_with: str,
    notices: list[str],
) -> None:
    """Missing values are worth a word only where training had none: then no feature carries them."""
    if not record.indicator:
        _note(record, missing, f"missing value (training had none): {filled_with} stands in", notices)
