"""Columns and tables made from arrays, and the conversions between kinds."""

import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpass.data.table import Column, Table, column_of, number_text
from backpass.graph.errors import DataError


@pytest.mark.parametrize(
    ("values", "kind", "texts"),
    [
        (np.array([1, 2]), "number", ["1", "2"]),
        (np.array([0.1, np.nan], np.float32), "number", ["0.1", None]),
        ([1, None, 2.5], "number", ["1", None, "2.5"]),
        ([True, False], "boolean", ["true", "false"]),
        ([True, None], "number", ["1", None]),
        (["a", None, ""], "text", ["a", None, None]),
        (np.array(["a", "b"]), "text", ["a", "b"]),
        (np.array([b"a", b"\xc3\xa4"]), "text", ["a", "ä"]),
        (np.array(["x", 1, None], object), "text", ["x", "1", None]),
        ([datetime.date(2024, 1, 2), None], "time", ["2024-01-02", None]),
        (np.array(["2024-01-02T03", "NaT"], "datetime64[h]"), "time", ["2024-01-02T03:00:00", None]),
        (np.array([1500], "timedelta64[ms]"), "number", ["1.5"]),
        ([], "text", []),
    ],
)
def test_columns_of_arrays(values, kind, texts):
    column = column_of("c", values)
    assert (column.kind, column.texts().tolist()) == (kind, texts)
    assert column.missing.tolist() == [text is None for text in texts]


def test_the_users_array_is_not_touched():
    array = np.array([1.0, np.inf])
    column_of("c", array).values[0] = 5
    assert array[0] == 1.0


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.eye(2)}, "column 'a' must have one value a row; its array has shape (2, 2)"),
        ({"a": [1], "b": [1, 2]}, "the columns of the table differ in length: {'a': 1, 'b': 2}"),
        ({"a": np.ones(2, complex)}, "column 'a' has dtype complex128; numbers, booleans, texts and dates can be used"),
    ],
)
def test_arrays_that_are_no_columns(arrays, message):
    with pytest.raises(DataError) as caught:
        Table.from_arrays(arrays)
    assert str(caught.value) == message


def test_a_missing_column_lists_the_columns_and_the_nearest():
    table = Table.from_arrays({f"Column{i}": [1] for i in range(30)}, source="data.csv")
    with pytest.raises(DataError) as caught:
        table["colum7"]
    names = ", ".join(f"'Column{i}'" for i in range(20))
    expected = f"data.csv has no column 'colum7'; did you mean 'Column7'? Its columns: {names} and 10 more"
    assert str(caught.value) == expected
    with pytest.raises(DataError, match=r"^data.csv has no column 'zzz'\. Its columns: 'Column0'"):
        table.without(["zzz"])


def test_rows_without_a_value_are_dropped_and_said():
    table = Table.from_arrays({"y": [1.0, np.inf, None, 4.0], "s": ["a", "b", None, "d"]})
    assert table.where_known("y")["s"].texts().tolist() == ["a", "d"]
    assert table.where_known("y").notices == ("2 of 4 rows have no value in 'y' and are left out",)
    assert len(table.where_known("s")) == 3
    with pytest.raises(DataError) as caught:
        Table.from_arrays({"y": [None, None]}, source="d.csv").where_known("y")
    assert str(caught.value) == "column 'y' of d.csv has no value in any of its 2 rows"


def test_kinds_that_do_not_convert():
    column = Column("n", "number", np.array([1.0]))
    with pytest.raises(DataError) as caught:
        column.as_kind("time")
    assert str(caught.value) == "column 'n' holds numbers, which cannot be read as dates"


def test_conversion_keeps_what_it_can():
    text = column_of("c", ["1", "x", None, "yes", "2024-01-02"])
    assert text.as_kind("number").texts().tolist() == ["1", None, None, None, None]
    assert text.as_kind("boolean").texts().tolist() == ["true", None, None, "true", None]
    assert text.as_kind("time").missing.tolist() == [False, True, True, True, False]  # "1" is a year
    assert column_of("c", [0, 1, 2]).as_kind("boolean").texts().tolist() == ["false", "true", None]
    assert column_of("c", [True, False]).as_kind("number").values.tolist() == [1, 0]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_numbers_text_is_the_number(value):
    assert float(number_text(value)) == value
    single = np.float32(np.clip(value, -3e38, 3e38))
    assert np.float32(number_text(single)) == single
