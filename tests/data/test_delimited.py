"""Delimited text as people have it: delimiters, encodings, headers, quotes, and each way in which it can be broken."""

import numpy as np
import pytest

from backpass.data.read import read_table
from backpass.graph.errors import DataError


@pytest.fixture
def read(tmp_path):
    def read_text(text, encoding="utf-8", **options):
        path = tmp_path / "data.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return read_table(path, **options)

    return read_text


def values(table):
    return {column.name: column.texts().tolist() for column in table.columns}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_found(read, delimiter):
    table = read("a,b,c\n1,x,2.5\n2,y,3.5\n".replace(",", delimiter))
    assert values(table) == {"a": ["1", "2"], "b": ["x", "y"], "c": ["2.5", "3.5"]}


def test_commas_inside_a_semicolon_file_are_decimal_commas(read):
    table = read("weight;note\n1,5;red, round\n1.234,25;blue\n")
    assert values(table) == {"weight": ["1.5", "1234.25"], "note": ["red, round", "blue"]}
    assert table["weight"].kind == "number"


def test_decimal_comma_of_one_column_settles_the_thousands_of_another(read):
    assert values(read("a;b\n1.234;0,5\n999;1,5\n"))["a"] == ["1234", "999"]


def test_quotes_hold_delimiters_newlines_and_quotes(read):
    table = read('name,x\n"Doe, ""J""",1\n"two\nlines",2\n')
    assert values(table) == {"name": ['Doe, "J"', "two\nlines"], "x": ["1", "2"]}


def test_spaces_around_cells_do_not_count(read):
    assert values(read("a, b\n 1, x \n2 ,y\n")) == {"a": ["1", "2"], "b": ["x", "y"]}


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_line_ends(read, line_end):
    assert values(read("a,b\n1,2\n3,4".replace("\n", line_end) + line_end)) == {"a": ["1", "3"], "b": ["2", "4"]}


def test_last_line_without_an_end_and_blank_lines(read):
    assert values(read("a,b\n1,2\n\n3,4")) == {"a": ["1", "3"], "b": ["2", "4"]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode_encodings_need_no_notice(read, encoding):
    table = read("größe,b\n1,ä\n2,ö\n", encoding)
    assert values(table) == {"größe": ["1", "2"], "b": ["ä", "ö"]}
    assert table.notices == ()


def test_windows_and_latin_letters_are_read_with_a_notice(read):
    table = read("a,b\n1,é\n2,€\n", "cp1252")
    assert values(table)["b"] == ["é", "€"]
    assert table.notices == ("data.csv is not UTF-8; its letters are read as Windows-1252",)
    assert "Latin-1" in read(b"a,b\n1,\xe9\n2,\x81\n").notices[0]


def test_no_header_is_noticed(read):
    table = read("5.1,3.5,setosa\n4.9,3.0,setosa\n6.0,2.2,virginica\n")
    assert table.names == ["column_1", "column_2", "column_3"]
    assert len(table) == 3
    assert table.notices == (
        "data.csv has no header (its first row: '5.1', '3.5', 'setosa'); columns: 'column_1', 'column_2', 'column_3'",
    )


def test_header_can_be_said_to_be_there_or_not(read):
    assert read("2019,2020\n1,2\n3,4\n", header=True).names == ["2019", "2020"]
    assert len(read("a,b\nc,d\n", header=False)) == 2


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("0,1,2\n0.5,0.25,1.5\n1.5,2.5,3.5\n", ["0", "1", "2"]),  # a data frame without column names
        (",a\n0,1.5\n1,2.5\n", ["column_1", "a"]),  # a data frame's index
        ("a,b\nx,y\nz,w\n", ["a", "b"]),  # all text
        ("a,b\n1,2,\n3,4,\n", ["a", "b", "column_3"]),  # each row ends in a delimiter
        ('"a","b"\n"1",5,6\n"2",7,8\n', ["column_1", "a", "b"]),  # R's row names
        ("only\n1\n2\n", ["only"]),
    ],
)
def test_headers_of_other_tools(read, text, names):
    assert read(text).names == names


@pytest.mark.parametrize(
    "token", ["", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "?", "-", "#N/A", " ", '""']
)
def test_missing_values_in_numbers_and_text(read, token):
    table = read(f"a,b\n1,x\n{token},{token}\n2,y\n")
    assert table["a"].kind == "number"
    assert values(table) == {"a": ["1", None, "2"], "b": ["x", None, "y"]}


def test_long_files_have_one_kind_a_column(read):
    """A column that turns to text in its last row is text throughout, however long the file."""
    rows = "\n".join(f"{i},{i % 7}" for i in range(20_000))
    table = read(f"a,b\n{rows}\nx,1\n" * 1)
    assert table["b"].kind == "number"
    assert len(table) == 20_001
    assert np.isnan(table["a"].values[-1])
    assert table.notices == ("column 'a': 1 of 20001 values are no numbers ('x'): taken as missing",)


BROKEN = {
    "a,b\n1,2\n3\n4,5,6\n": (
        "the rows of data.csv differ in length: its header has 2 fields parted by commas, line 3 has 1 field: '3' "
        "(1 more such line). Mend the line, or put quotes around fields that hold commas"
    ),
    'a,b\n"1\n\n1",2\n\n3,4,5\n': (
        "the rows of data.csv differ in length: its header has 2 fields parted by commas, line 6 has 3 fields: '3,4,5'"
        ". Mend the line, or put quotes around fields that hold commas"
    ),
    "x,y,x,y,z\n1,2,3,4,5\n": (
        "the header of data.csv names more than one column 'x', 'y'; give each column a name of its own"
    ),
    "x,y\n": "data.csv has a header ('x', 'y') and no rows below it",
    "x,y": "data.csv has a header ('x', 'y') and no rows below it",
    "": "data.csv is empty",
    " \n\n": "data.csv is empty",
    'a,b\n1,2\n3,"4\n5,6\n7,8\n': "a quote that is opened in line 3 of data.csv is never closed; close or remove it",
    bytes(range(256)) * 40: (
        "data.csv is neither text nor a format that can be read; give it as CSV, TSV, Parquet, Arrow, .npy or .npz"
    ),
    b"\xff\xfe" + b"a\x00" * 3 + b"\xd8": "data.csv begins as utf-16-le text and is damaged at byte 8",
}


@pytest.mark.parametrize(("text", "message"), BROKEN.items(), ids=range(len(BROKEN)))
def test_broken_files_say_what_is_wrong(read, text, message):
    with pytest.raises(DataError) as caught:
        read(text)
    assert str(caught.value) == message


def test_inches_are_no_open_quotes(read):
    assert len(read('size,x\n5" pipe,1\n6in,2\n7in,3\n')) == 3


def test_a_quote_opened_in_a_huge_file_is_suspected(read):
    with pytest.raises(
        DataError, match=r"a field of more than \d+ characters .* quote opened there that is never closed"
    ):
        read('a,b\n"1,2\n' + "3,4\n" * 60_000)


def test_a_single_column_may_hold_commas(read):
    assert values(read("x\n1,5\n2\n")) == {"x": ["1.5", "2"]}
    assert values(read("x\n1,2;5\n2\n")) == {"x": ["1,2;5", "2"]}


def test_a_mark_of_utf_8_before_other_letters(read):
    table = read(b"\xef\xbb\xbfa,b\n1,\xe9\n2,x\n")
    assert values(table) == {"a": ["1", "2"], "b": ["é", "x"]}
    assert len(table.notices) == 1


def test_names_that_a_model_knows_are_a_header(read):
    assert read("2019,2020\n1,2\n").names == ["column_1", "column_2"]
    assert read("2019,2020\n1,2\n", kinds={"2020": "number"}).names == ["2019", "2020"]
