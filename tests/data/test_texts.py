"""What columns of text turn out to be: numbers, dates, yes/no values or categories."""

from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpass.data.dates import read_dates
from backpass.data.table import Reading
from backpass.data.texts import STYLES, typed_text
from backpass.graph.errors import DataError

ENGLISH, CONTINENTAL = STYLES


def read(texts, reading=None, style=ENGLISH):
    notes = []
    column = typed_text("c", pa.array(texts, pa.string()), reading, style, notes)
    return column, notes


NUMBERS = {
    "plain": (["1", "-2.5", "+3", ".5", "1e3", "5."], [1, -2.5, 3, 0.5, 1000, 5], ""),
    "thousands": (["1,234", "12", "1,234,567.5", "-1,000"], [1234, 12, 1234567.5, -1000], ""),
    "spaced thousands": (["1 234", "12", "1\u00a0234\u202f567"], [1234, 12, 1234567], ""),
    "decimal commas": (["1,5", "2,25", "3"], [1.5, 2.25, 3], ""),
    "percent": (["12%", "3.5 %"], [12, 3.5], "%"),
    "money before": (["$1,200.50", "$7", "-$3"], [1200.5, 7, -3], "$"),
    "money behind": (["7 €", "8,50 €"], [7, 8.5], "€"),
    "units": (["12 kg", "3kg", "4.5 kg"], [12, 3, 4.5], "kg"),
}


@pytest.mark.parametrize("what", NUMBERS)
def test_numbers(what):
    texts, values, unit = NUMBERS[what]
    column, notes = read(texts)
    assert (column.kind, column.unit) == ("number", unit)
    np.testing.assert_array_equal(column.values, values)
    assert len(notes) == (what not in ("plain", "thousands", "spaced thousands"))


def test_units_and_decimal_commas_are_said():
    assert read(["$1,200.50", "$7"])[1] == ["column 'c' holds numbers with '$' ('$1,200.50', '$7'): read as numbers"]
    assert read(["1,5", "2"])[1] == ["column 'c' writes its numbers like 1.234,5 ('1,5'): read as numbers"]


@pytest.mark.parametrize(
    "texts",
    [
        ["1", "2", "A"],  # few different texts: A is a category
        ["12 kg", "3 lb", "4 kg"],  # two units are not one number
        ["1.2.3", "1.2.4", "2.0.0"],
        ["a1", "a2", "a3"],
        ["1st", "2nd", "3rd"],
        ["31.02.2024", "30.02.2024", "29.02.2023"],  # no such days
    ],
)
def test_neither_numbers_nor_dates(texts):
    column, notes = read(texts)
    assert (column.kind, notes) == ("text", [])
    assert list(column.levels) == texts


def test_codes_with_leading_zeros_stay_text():
    column, notes = read(["01234", "98765", "00501"])
    assert column.levels == ("01234", "98765", "00501")
    assert notes == ["column 'c' has values with leading zeros ('01234', '00501'): read as text"]
    assert read(["007", "12"])[0].kind == "number"


def test_a_slip_among_many_numbers_is_missing_and_said():
    texts = [str(i / 8) for i in range(99)] + ["n. d."]
    column, notes = read(texts)
    assert column.missing.tolist() == [False] * 99 + [True]
    assert notes == ["column 'c': 1 of 100 values is no number ('n. d.' in row 100): taken as missing"]


def test_a_cell_that_makes_categories_of_numbers_is_told_of():
    column, notes = read([str(i / 8) for i in range(15)] + ["Total"])
    assert column.kind == "text"
    told = "column 'c': 15 of 16 values are numbers, and the rest not ('Total' in row 16): all are read as categories."
    assert notes == [f"{told} If that is a slip, mend or empty it, or drop the row"]
    column, notes = read(["", *(f"2024-01-{day:02d}" for day in range(1, 10)), "soon", "later"])
    assert column.kind == "text"
    assert "9 of 11 values are dates, and the rest not ('soon' in row 11, 'later' in row 12)" in notes[0]
    assert "mend or empty them" in notes[0]
    assert read(["1", "2", "3", "4+"] * 9)[1] == []  # categories, as they are meant
    assert read(["a1", "7", "b", "9"])[1] == []


def test_rows_that_were_drawn_are_not_numbered():
    notes = []
    typed_text("c", pa.array([str(i / 8) for i in range(99)] + ["x"]), None, ENGLISH, notes, drawn=True)
    assert notes == ["column 'c': 1 of 100 values is no number ('x'): taken as missing"]


def test_a_reading_settles_what_a_single_row_leaves_open():
    assert read(["1.234"], Reading("number", "", CONTINENTAL), CONTINENTAL)[0].values == 1234
    assert read(["1.234"], Reading("number"), ENGLISH)[0].values == 1.234
    assert read(["2"], Reading("text"))[0].levels == ("2",)
    assert read(["yes"], Reading("boolean"))[0].values == 1
    assert read(["1/2/2024"], Reading("time", "", "day/month/year"))[0].texts().tolist() == ["2024-02-01"]


@pytest.mark.parametrize("kind", ["number", "boolean", "time", "text"])
def test_a_reading_of_nothing_is_missing(kind):
    column, notes = read(["", "NA"], Reading(kind))
    assert (column.kind, column.missing.all(), notes) == (kind, True, [])


def test_a_reading_that_does_not_fit_is_refused():
    with pytest.raises(DataError) as caught:
        read(["ada", "bob"], Reading("number"))
    assert str(caught.value) == "column 'c' should hold numbers; none of its values is one: 'ada', 'bob'"


@pytest.mark.parametrize("pair", [("no", "Yes"), ("FALSE", "TRUE"), ("n", "y"), ("F", "T"), ("off", "on")])
def test_opposite_words_are_yes_and_no(pair):
    column, _ = read([pair[1], None, pair[0], pair[1]])
    assert (column.kind, column.levels) == ("boolean", pair)
    np.testing.assert_array_equal(column.values, np.array([1, np.nan, 0, 1], np.float32))


DATES = {
    "2024-01-31": "2024-01-31",
    "2024-1-3": "2024-01-03",
    "2024/12/31": "2024-12-31",
    "2024-01": "2024-01-01",
    "2024-01-31 10:11": "2024-01-31T10:11:00",
    "2024-01-31T10:11:12.5": "2024-01-31T10:11:12",
    "2024-01-31T10:11:12Z": "2024-01-31T10:11:12",
    "2024-01-31 10:11:12+02:00": "2024-01-31T08:11:12",
    "2024-01-01T01:00:00 +0530": "2023-12-31T19:30:00",
    "31.12.2024": "2024-12-31",
    "1.2.99": "1999-02-01",
    "12/31/2024": "2024-12-31",
    "31/12/2024": "2024-12-31",
    "12/31/24 3:05 PM": "2024-12-31T15:05:00",
    "12/31/2024 12:00 am": "2024-12-31",
    "3 Jan 2024": "2024-01-03",
    "03-Sept-2024": "2024-09-03",
    "January 3, 2024": "2024-01-03",
    "Wed, 03 Jan 2024 10:00:00 GMT": "2024-01-03T10:00:00",
    "13:45": "1970-01-01T13:45:00",
}


@pytest.mark.parametrize(("text", "moment"), DATES.items())
def test_dates(text, moment):
    column, _ = read([text, None])
    assert column.kind == "time"
    assert column.texts().tolist() == [moment, None]


@pytest.mark.parametrize(
    "text", ["2024-02-30", "2024-13-01", "31.04.2024", "25:00", "10:60", "3 Foo 2024", "1/2", "12-3"]
)
def test_no_dates(text):
    assert read_dates(pa.array([text])) is None


def test_ambiguous_dates_are_said():
    column, notes = read(["1/2/2024", "3/2/2024"])
    assert column.texts().tolist() == ["2024-01-02", "2024-03-02"]
    assert notes == ["column 'c' is read as month/day/year ('1/2/2024', '3/2/2024'); day/month/year would fit as well"]
    column, notes = read(["1/2/2024", "13/2/2024"])
    assert (column.texts().tolist(), notes) == (["2024-02-01", "2024-02-13"], [])


def test_compact_dates_are_dates_only_if_all_are():
    column, notes = read(["20240131", "20231224"])
    assert column.texts().tolist() == ["2024-01-31", "2023-12-24"]
    assert notes == ["column 'c' holds dates such as '20240131', '20231224' (year, month, day): read as dates"]
    assert read(["20240131", "20240132"])[0].kind == "number"


def test_a_slip_among_many_dates_is_missing_and_said():
    texts = [f"{day}.{month}.2024" for month in range(1, 13) for day in range(1, 29)] + ["soon"]
    column, notes = read(texts)
    assert column.kind == "time"
    assert notes == ["column 'c': 1 of 337 values is no date ('soon' in row 337): taken as missing"]


@given(st.lists(st.datetimes(datetime(1800, 1, 1)), min_size=1, max_size=30))
def test_every_date_is_read_back(moments):
    texts = [f"{when.day}/{when.month}/{when.year:04d} {when:%H:%M:%S.%f}" for when in moments]
    dates = read_dates(pa.array(texts), prefer="day/month/year")
    assert dates is not None
    assert dates.values.tolist() == moments


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1), st.sampled_from(STYLES))
def test_every_number_is_read_back(numbers, style):
    texts = [f"{number:,.3f}" if abs(number) < 1e12 else repr(number) for number in numbers]
    expected = [float(text.replace(",", "")) for text in texts]
    if style == CONTINENTAL:
        texts = [text.translate(str.maketrans(",.", ".,")) for text in texts]
    column, _ = read(texts, Reading("number", "", style), style)
    np.testing.assert_array_equal(column.values, expected)
