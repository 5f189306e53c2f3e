"""Delimited text as people have it: delimiters, encodings, headers, quotes, and each way in which it can be broken."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from backpass.data.read import read_table
from backpass.data.stream import Stream
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
    assert table.notices == ("column 'a': 1 of 20001 values is no number ('x' in row 20001): taken as missing",)


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


ROWS = "".join(f"{k % 7},{k / 4},{'xy'[k % 2]}\n" for k in range(40))


@pytest.mark.parametrize(
    ("above", "told"),
    [
        (
            "# made by a tool\n# version 2\n",
            "the first 2 lines of a.csv are no rows of the table ('# made by a tool', ",
        ),
        ("Report of 2024\n\n", "the first line of a.csv is no row of the table ('Report of 2024'): left out"),
        ("Report of 2024,,\n,,\n", "the first 2 lines of a.csv are no rows of the table ('Report of 2024', '')"),
        ("sep=,\n", "the first line of a.csv is no row of the table ('sep=')"),
        ("\n\n", ""),
    ],
)
def test_lines_above_the_table_are_passed_over(tmp_path, above, told):
    (tmp_path / "a.csv").write_text(f"{above}a,b,kind\n{ROWS}")
    survey = Stream(tmp_path / "a.csv").survey()
    whole = read_table(tmp_path / "a.csv")
    assert (len(whole), whole.names) == (40, ["a", "b", "kind"]) == (survey.rows, survey.sample.names)
    assert [column.kind for column in whole.columns] == ["number", "number", "text"]
    for table in (whole, survey.sample):
        assert table.notices[0].startswith(told) if told else not any("first" in notice for notice in table.notices)


@pytest.mark.parametrize("header", ["#a,b,kind", "a,,", "2019,2020,kind"])
def test_a_header_stays_one(tmp_path, header):
    (tmp_path / "a.csv").write_text(f"{header}\n{ROWS}")
    table = read_table(tmp_path / "a.csv", names=["kind"])
    assert len(table) == 40
    assert table.names[0] == header.split(",")[0]


def test_errors_count_the_lines_above(tmp_path):
    (tmp_path / "a.csv").write_text(f"title\n\na,b,kind\n{ROWS}1,2\n")
    with pytest.raises(DataError, match="line 44 has 2 fields: '1,2'"):
        read_table(tmp_path / "a.csv")
    with pytest.raises(DataError, match=r"Row #4\d: Expected 3 columns, got 2: 1,2. Mend that row"):
        Stream(tmp_path / "a.csv").survey()


def test_a_quote_is_named_by_the_line_in_which_it_opens(tmp_path):
    (tmp_path / "a.csv").write_text(f'a,b,kind\n1,"2,x\n{ROWS}')
    with pytest.raises(DataError, match=r"a quote that is opened in line 2 of a.csv is closed in line 42, and"):
        read_table(tmp_path / "a.csv")


def test_columns_parted_by_spaces(tmp_path):
    (tmp_path / "a.txt").write_text("a   b kind\r\n" + "".join(f"  {k}   {k / 4} x{k % 2} \r\n" for k in range(30)))
    table = read_table(tmp_path / "a.txt")
    assert (table.names, table["b"].values[3]) == (["a", "b", "kind"], 0.75)
    assert table.notices == ("a.txt parts its columns by spaces",)
    with pytest.raises(DataError, match="parts its columns by spaces, and is too large"):
        Stream(tmp_path / "a.txt")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_its_mark(tmp_path, encoding):
    (tmp_path / "a.csv").write_bytes(f"a,b,kind\n{ROWS}".encode(encoding))
    table = read_table(tmp_path / "a.csv")
    assert (table.names, len(table)) == (["a", "b", "kind"], 40)
    assert table.notices == ("a.csv is not UTF-8; its letters are read as UTF-16",)


def test_a_zero_byte_is_named_by_its_line(tmp_path):
    (tmp_path / "a.csv").write_text(f"a,b,kind\n{ROWS}1,2\0,x\n")
    with pytest.raises(DataError, match="a zero byte in line 42, which text never has"):
        read_table(tmp_path / "a.csv")


def test_whole_numbers_beyond_what_a_number_holds_are_texts(tmp_path):
    ids, times = [2**60 + k for k in range(20)], [1_700_000_000_000_000_000 + 1000 * k for k in range(20)]
    (tmp_path / "a.csv").write_text("id,ns\n" + "".join(f"{i},{t}\n" for i, t in zip(ids, times, strict=True)))
    parquet.write_table(pa.table({"id": ids, "ns": times}), tmp_path / "a.parquet")
    for name in ("a.csv", "a.parquet"):
        table = read_table(tmp_path / name)
        assert [column.kind for column in table.columns] == ["text", "number"]
        assert table["id"].levels == tuple(map(str, ids))
        assert "column 'id' has whole numbers of more digits than a number holds" in table.notices[0]
        assert read_table(tmp_path / name, {"id": "text"})["id"].levels == tuple(map(str, ids))
