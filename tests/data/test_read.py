"""Every format gives the same table, and every unusable file a sentence that says what to do."""

import bz2
import gzip
import io
import lzma
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet
import pytest

from backpass.data.read import read_table
from backpass.data.table import Reading
from backpass.graph.errors import DataError, MissingExtraError

ARROW = pa.table(
    {
        "count": pa.array([1, None, 3], pa.int32()),
        "small": pa.array([1, 2, 3], pa.uint8()),
        "price": pa.array([1.5, 2.5, None]),
        "exact": pa.array([1, 2, None], pa.decimal128(5, 2)),
        "flag": pa.array([True, None, False]),
        "name": pa.array(["a", None, "b"]),
        "kind": pa.array(["x", "y", "x"]).dictionary_encode(),
        "written": pa.array(["1,234", "NA", "5"], pa.large_string()),
        "day": pa.array([0, 365, None], pa.date32()),
        "moment": pa.array([0, None, 1], pa.timestamp("ns", "Europe/Paris")),
        "clock": pa.array([3600, None, 0], pa.time32("s")),
        "length": pa.array([1500, None, 0], pa.duration("ms")),
        "nothing": pa.nulls(3),
        "vector": pa.array([[1.0], None, []]),
    }
)
EXPECTED = {
    "count": ("number", ["1", None, "3"]),
    "small": ("number", ["1", "2", "3"]),
    "price": ("number", ["1.5", "2.5", None]),
    "exact": ("number", ["1", "2", None]),
    "flag": ("boolean", ["true", None, "false"]),
    "name": ("text", ["a", None, "b"]),
    "kind": ("text", ["x", "y", "x"]),
    "written": ("number", ["1234", None, "5"]),
    "day": ("time", ["1970-01-01", "1971-01-01", None]),
    "moment": ("time", ["1970-01-01", None, "1970-01-01"]),
    "clock": ("time", ["1970-01-01T01:00:00", None, "1970-01-01T00:00:00"]),
    "length": ("number", ["1.5", None, "0"]),
    "nothing": ("number", [None, None, None]),
}


def write_stream(table, path):
    with pa.ipc.new_stream(path, table.schema) as sink:
        sink.write_table(table)


def write_file(table, path):
    with pa.ipc.new_file(path, table.schema) as sink:
        sink.write_table(table)


WRITERS = {
    "a.parquet": pa.parquet.write_table,
    "a.feather": pa.feather.write_feather,
    "a.arrow": write_file,
    "a.arrows": write_stream,
    "parquet_with_a_foreign_name.csv": pa.parquet.write_table,
}


@pytest.mark.parametrize("name", WRITERS)
def test_arrow_formats(tmp_path, name):
    path = tmp_path / name
    WRITERS[name](ARROW, str(path))
    table = read_table(path)
    assert {column.name: (column.kind, column.texts().tolist()) for column in table.columns} == EXPECTED
    assert len(table.notices) == 1
    assert table.notices[0].startswith("column 'vector' holds list<")
    assert table.notices[0].endswith("values, which cannot be learned from; it is left out")
    assert table["small"].values.dtype == np.float32


@pytest.mark.parametrize(("suffix", "compress"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
def test_compressed_text(tmp_path, suffix, compress):
    path = tmp_path / f"a.csv.{suffix}"
    packed = compress(b"a,b\n1,2\n")
    path.write_bytes(packed)
    assert read_table(path).names == ["a", "b"]
    path.write_bytes(packed[:-9])
    with pytest.raises(DataError, match=r"a\.csv\.\w+ is a damaged compressed file .* copy it again"):
        read_table(path)


def test_npy_of_two_axes_one_axis_and_records(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.array([[1.0, 2.0], [3.0, np.nan]]))
    assert read_table(path)["column_2"].texts().tolist() == ["2", None]
    np.save(path, np.arange(3))
    assert read_table(path)["column_1"].texts().tolist() == ["0", "1", "2"]
    np.save(path, np.array([(1, "x"), (2, "y")], [("n", int), ("s", "U5")]))
    assert read_table(path)["s"].levels == ("x", "y")


def test_npz_of_x_and_y_and_of_columns(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, X=np.zeros((5, 2, 3), np.float32), y=np.arange(5)[:, None])
    table = read_table(path)
    assert table.names == ["x1", "x2", "x3", "x4", "x5", "x6", "y"]
    assert table.notices == ("X of shape (5, 2, 3) is laid out flat, 6 columns a row",)
    assert table["x1"].values.dtype == np.float32
    np.savez(path, age=np.arange(3), sex=np.array(["f", "m", "f"]))
    assert read_table(path, kinds={"age": "text"})["age"].levels == ("0", "1", "2")


def office(names):
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return memory.getvalue()


def npy(array):
    memory = io.BytesIO()
    np.save(memory, array)
    return memory.getvalue()


def npz(**arrays):
    memory = io.BytesIO()
    np.savez(memory, **arrays)
    return memory.getvalue()


def parquet():
    sink = pa.BufferOutputStream()
    pa.parquet.write_table(pa.table({"a": [1]}), sink)
    return sink.getvalue().to_pybytes()


OBJECTS = npy(np.array([{"a": 1}], object))
REFUSED = {
    "an Excel workbook": (
        office(["[Content_Types].xml", "xl/workbook.xml"]),
        "f is an Excel workbook (or another office document); save it as CSV",
    ),
    "a zip archive": (
        office(["data.csv"]),
        "f is a zip archive that holds 'data.csv'; unpack it and name the data file",
    ),
    "a cut zip": (npz(a=np.arange(9))[:40], "f is a damaged .npz file (File is not a zip file); write it again"),
    "a pickle": (
        pickle.dumps([1], protocol=4),
        (
            "f is a Python pickle, which is never loaded since that would run its code; save it as .npz or Parquet. "
            "What can be read: CSV, TSV, Parquet, Arrow, Feather, .npy or .npz"
        ),
    ),
    "a database": (
        b"SQLite format 3\x00" + bytes(100),
        (
            "f is an SQLite database; write the table out as CSV. "
            "What can be read: CSV, TSV, Parquet, Arrow, Feather, .npy or .npz"
        ),
    ),
    "objects": (
        OBJECTS,
        (
            "f holds Python objects, which are never loaded since that would run their code; save numbers or texts: "
            "array.astype(float) or array.astype(str)"
        ),
    ),
    "three axes": (
        npy(np.zeros((2, 3, 4))),
        (
            "f holds an array of shape (2, 3, 4); a table has two axes, (rows, columns). Images belong in an .npz file "
            "with X of shape (n, height, width) and y of shape (n,)"
        ),
    ),
    "no rows": (npy(np.zeros((0, 4))), "f holds an array of shape (0, 4): there is no row in it"),
    "lengths": (npz(X=np.zeros((3, 2)), y=np.zeros(4)), "X in f has 3 rows and y has 4"),
    "a scalar": (npz(X=np.zeros((3, 2)), y=np.zeros(())), "y in f has shape (): there is no row in it"),
    "complex": (
        npy(np.ones((2, 2), complex)),
        "column 'column_1' has dtype complex128; numbers, booleans, texts and dates can be used",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_files(tmp_path, what):
    content, message = REFUSED[what]
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / "f")
    assert str(caught.value) == message


@pytest.mark.parametrize("content", [parquet()[:-20], parquet()[:8], b"ARROW1" + bytes(50), npy(np.arange(9.0))[:-8]])
def test_damaged_files(tmp_path, content):
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(DataError, match=r"^f is a damaged (Parquet or Arrow|NumPy) file \(.+\); write it again$"):
        read_table(tmp_path / "f")


def test_no_file(tmp_path):
    (tmp_path / "iris.csv").write_text("a\n1\n")
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / "irsi.csv")
    assert str(caught.value) == f"there is no file {tmp_path}/irsi.csv; did you mean {tmp_path}/iris.csv?"
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / "no" / "iris.csv")
    assert str(caught.value) == f"there is no file {tmp_path}/no/iris.csv; there is no folder {tmp_path}/no either"


def test_a_folder(tmp_path):
    with pytest.raises(DataError) as caught:
        read_table(tmp_path)
    formats = "CSV, TSV, Parquet, Arrow, Feather, .npy or .npz"
    assert str(caught.value) == f"{tmp_path} is a folder, without any data file ({formats}) in it"
    (tmp_path / "b.parquet").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        read_table(tmp_path)
    assert str(caught.value) == f"{tmp_path} is a folder; name one file in it, such as {tmp_path}/b.parquet"


def test_two_columns_of_one_name_in_parquet(tmp_path):
    two = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    pa.parquet.write_table(two, tmp_path / "f")
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / "f")
    assert str(caught.value) == "f has more than one column named 'a'; give each column a name of its own"


def test_kinds_are_obeyed_and_checked(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("zip,when\n1010,1/2/2024\n8005,2/3/2024\n")
    table = read_table(path, kinds={"zip": "text", "when": Reading("time", "", "day/month/year")})
    assert table["zip"].levels == ("1010", "8005")
    assert table["when"].texts().tolist() == ["2024-02-01", "2024-03-02"]
    with pytest.raises(DataError) as caught:
        read_table(path, kinds={"zip": "txt"})
    expected = "column 'zip' cannot be of kind 'txt'; the kinds are 'number', 'boolean', 'text', 'time', 'image'"
    assert str(caught.value) == expected
    path.write_text("name,x\nada,1\nbob,2\n")
    with pytest.raises(DataError) as caught:
        read_table(path, kinds={"name": "time"})
    assert str(caught.value) == "column 'name' should hold dates; none of its values is one: 'ada', 'bob'"


def test_without_pyarrow_the_install_line_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    np.save(tmp_path / "a.npy", np.eye(2))
    for module in [name for name in sys.modules if name.split(".")[0] == "pyarrow"]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError) as caught:
        read_table(tmp_path / "a.csv")
    assert str(caught.value) == 'reading a.csv needs pyarrow; type: pip install "backpass[data]"'
    assert len(read_table(tmp_path / "a.npy")) == 2


def test_no_table_imports_pandas(tmp_path):
    """pyarrow imports pandas, where it is installed, to recognise its objects; it costs more than all the rest."""
    pa.parquet.write_table(ARROW, tmp_path / "a.parquet")
    columns = "a,b,c,d,e\n1,x,31.01.2024 10:00,$5,yes\nNA,y,1.2.2024 11:00,$6,no\n,z,,$1,\n" + "4,x,,$2,no\n" * 30
    (tmp_path / "a.csv").write_text(columns + "oops,x,,$7,no\n")
    program = (
        "import sys; from backpass.data.read import read_table; from backpass.data.prepare import prepare\n"
        "for name, target in zip(sys.argv[1:], ['b', 'small']): prepare(read_table(name), target, 'classification')\n"
        "print(sorted(set(sys.modules) & {'pandas', 'scipy', 'sklearn'}))"
    )
    names = [str(tmp_path / "a.csv"), str(tmp_path / "a.parquet")]
    ran = subprocess.run([sys.executable, "-c", program, *names], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("[]\n", "")


def test_a_small_file_that_grows_without_end_is_refused(tmp_path, monkeypatch):
    import bz2
    import gzip
    import lzma

    from backpass.data import read

    monkeypatch.setattr(read, "LARGEST_UNPACKED", 100_000)
    text = b"a,b\n" + b"1,2\n" * 50_000
    for name, packed in (("a.gz", gzip.compress(text)), ("a.bz2", bz2.compress(text)), ("a.xz", lzma.compress(text))):
        (tmp_path / name).write_bytes(packed)
        assert len(packed) < 2000
        with pytest.raises(DataError, match=f"the text packed in {name} would take more than 0.0001 GB"):
            read_table(tmp_path / name)
    np.savez_compressed(tmp_path / "a.npz", X=np.zeros((50_000, 2)))
    with pytest.raises(DataError, match=r"the arrays packed in a\.npz would take more"):
        read_table(tmp_path / "a.npz")
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table({"x": np.zeros(50_000)}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"the values packed in a\.parquet would take more"):
        read_table(tmp_path / "a.parquet")
