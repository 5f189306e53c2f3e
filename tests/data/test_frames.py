"""Data frames of several libraries give the same table, and a model takes them as they are."""

import numpy as np
import pandas
import polars
import pyarrow
import pytest

from backpass.data.frames import table_from
from backpass.data.prepare import prepare
from backpass.data.table import Table
from backpass.graph.errors import DataError
from backpass.train.recipe import Recipe
from backpass.train.session import train_table

DAYS = np.array(["2024-01-31", "2024-02-01", "NaT", "2024-05-09"] * 10, "datetime64[us]")
COLUMNS = {
    "age": [31.5, None, 22.0, 54.0] * 10,
    "count": [1, 2, 3, 4] * 10,
    "colour": ["red", "blue", None, "red"] * 10,
    "on": [True, False, True, True] * 10,
    "kind": ["a", "b", "b", "a"] * 10,
}
FRAMES = {
    "pandas": lambda: pandas.DataFrame({**COLUMNS, "day": DAYS}),
    "pandas with an index": lambda: pandas.DataFrame({**COLUMNS, "day": DAYS}, index=[f"r{k}" for k in range(40)]),
    "pandas categories": lambda: pandas.DataFrame({**COLUMNS, "day": DAYS}).astype({"colour": "category"}),
    "pandas nullable": lambda: pandas.DataFrame({**COLUMNS, "day": DAYS}).convert_dtypes(),
    "polars": lambda: polars.DataFrame({**COLUMNS, "day": DAYS}),
    "arrow": lambda: pyarrow.table({**COLUMNS, "day": DAYS}),
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_is_the_table_of_its_columns(name):
    table = table_from(FRAMES[name]())
    assert table.names == [*COLUMNS, "day"]
    assert [column.kind for column in table.columns] == ["number", "number", "text", "boolean", "text", "time"]
    np.testing.assert_array_equal(table["age"].values, np.array([31.5, np.nan, 22, 54] * 10))
    assert table["colour"].texts().tolist() == COLUMNS["colour"]
    np.testing.assert_array_equal(table["day"].values, DAYS)


def test_a_model_predicts_the_same_from_every_frame():
    first = table_from(FRAMES["pandas"]())
    model = train_table(prepare(first, "kind", validation=0), Recipe(hidden=(4,), epochs=2), progress=False).model
    expected = model.predict_proba(first)
    for make in FRAMES.values():
        assert model.predict_proba(make()).tobytes() == expected.tobytes()


def test_half_precision_numbers(tmp_path):
    table = table_from(pyarrow.table({"x": pyarrow.array(np.array([1, 2], np.float16))}))
    assert table["x"].values.tolist() == [1.0, 2.0]
    assert table["x"].values.dtype == np.float32


def test_what_is_no_frame_is_refused():
    with pytest.raises(DataError, match="a table is a data frame, a mapping of columns or a file's name; got int"):
        table_from(3)
    with pytest.raises(DataError, match="the data frame has a column that cannot be read"):
        table_from(pandas.DataFrame({"x": [object(), 1, "a"]}))
    table = Table.from_arrays({"x": [1.0]})
    assert table_from(table) is table
