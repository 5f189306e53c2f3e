"""Files in pieces: the same rows as read whole, whatever the format, in bounded memory."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, ipc, parquet

from backpass.data import stream as module
from backpass.data.prepare_large import merged, prepare_large
from backpass.data.read import read_table
from backpass.data.split import SplitBy
from backpass.data.stream import Stream, is_large
from backpass.graph.errors import DataError

N = 5000
draw = np.random.default_rng(0)
COLUMNS = {
    "size": np.where(draw.random(N) < 0.05, np.nan, draw.normal(size=N)).round(3),
    "colour": draw.choice(["red", "blue", "grün", 'quoted "x", with comma'], N).tolist(),
    "day": (np.datetime64("2024-01-01") + draw.integers(0, 900, N)).astype(str).tolist(),
    "fed": draw.choice(["yes", "no"], N).tolist(),
    "number": np.arange(N) % 977,
}
COLUMNS["kind"] = np.where(np.nan_to_num(COLUMNS["size"]) > 0, "big", "small").tolist()
COLUMNS["kind"][4321] = "rare"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stream")
    table = pa.table({name: pa.array(values, from_pandas=True) for name, values in COLUMNS.items()})
    from pyarrow import csv

    csv.write_csv(table, folder / "a.csv")
    text = (folder / "a.csv").read_text()
    import gzip

    (folder / "a.csv.gz").write_bytes(gzip.compress(text.encode()))
    (folder / "latin.csv").write_bytes(text.encode("latin-1"))
    (folder / "mark.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    parquet.write_table(table, folder / "a.parquet", row_group_size=1700)
    feather.write_feather(table, folder / "a.feather")
    with ipc.new_stream(folder / "a.arrow", table.schema) as out:
        out.write_table(table, max_chunksize=999)
    return folder


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 1 << 14)
    monkeypatch.setattr(module, "ROWS", 700)
    monkeypatch.setattr(module, "SAMPLE", 1000)


FILES = ["a.csv", "a.csv.gz", "latin.csv", "mark.csv", "a.parquet", "a.feather", "a.arrow"]


@pytest.mark.parametrize("name", FILES)
def test_the_blocks_hold_the_rows_of_the_file(folder, name):
    stream = Stream(folder / name)
    survey = stream.survey("kind")
    assert survey.rows == N
    whole = read_table(folder / name, kinds=survey.readings)
    blocks = list(stream.tables(survey.readings))
    assert len(blocks) > 3
    for column in whole.columns:
        parts = [block[column.name].texts() for block in blocks]
        assert np.concatenate(parts).tolist() == column.texts().tolist(), column.name


def test_numpy_files(tmp_path):
    x = draw.normal(size=(2000, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    stream = Stream(tmp_path / "x.npy")
    assert stream.survey().rows == 2000
    first = next(stream.tables(stream.survey().readings))
    np.testing.assert_array_equal(first["column_2"].values, x[:700, 1])
    np.save(tmp_path / "flat.npy", np.zeros(10))
    with pytest.raises(DataError, match=r"too large to be read at once, and holds float64 of shape \(10,\)"):
        Stream(tmp_path / "flat.npy").survey()


def test_the_sample_is_drawn_evenly_with_a_row_of_each_class(folder):
    sample = Stream(folder / "a.csv").survey("kind").sample
    assert 1000 <= len(sample) <= 1003
    assert "rare" in sample["kind"].levels
    numbers = [Stream(folder / "a.csv").survey(seed=k).sample["number"].values for k in range(2)]
    assert not np.array_equal(*numbers)
    place = np.sort(np.concatenate(numbers)) / 977
    assert np.max(np.abs(place - np.linspace(0, 1, len(place)))) < 0.06  # Kolmogorov and Smirnov


def test_a_value_with_a_line_break(tmp_path):
    rows = [f'{k},"a\nb{k % 3}",{"x" if k % 2 else "y"}' for k in range(3000)]
    (tmp_path / "a.csv").write_text("n,text,kind\n" + "\n".join(rows) + "\n")
    stream = Stream(tmp_path / "a.csv")
    assert stream.survey("kind").rows == 3000


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("ragged.csv", b"a,b\n1,2\n" * 20 + b"1,2,3\n", "ragged.csv cannot be read as text in columns"),
        ("a.parquet", b"PAR1" + b"x" * 200, "a damaged Parquet file"),
        ("a.arrow", b"ARROW1" + b"\0" * 100, "a damaged Arrow file"),
        ("a.npy", b"\x93NUMPY" + b"\0" * 100, "a damaged NumPy file"),
        ("a.npz", b"PK\x03\x04" + b"\0" * 100, "too large to be read at once; write it as"),
        ("wide.csv", "a,b\n1,2\n".encode("utf-16"), "too large to be read at once, and is utf-16"),
        ("cut.csv.gz", b"\x1f\x8b\x08\0" + b"\0" * 30, "is damaged|cannot be read|is empty"),
    ],
)
def test_what_cannot_be_read_in_pieces_says_why(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        Stream(tmp_path / name).survey()


def test_which_files_are_large(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LARGE", 1000)
    for name, content, large in (
        ("a", b"x" * 1001, True),
        ("b", b"x" * 999, False),
        ("c", b"PAR1" + b"x" * 400, True),
        ("d", b"PAR1" + b"x" * 100, False),
    ):
        (tmp_path / name).write_bytes(content)
        assert is_large(tmp_path / name) == large, name
    assert not is_large(tmp_path)
    assert not is_large(tmp_path / "none")


# --- prepared


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_every_row_is_encoded_into_one_part(folder, name):
    ready = prepare_large(Stream(folder / name), "kind", validation=0.1, test=0.2, exclude=["number"])
    sizes = ready.sizes
    assert sum(sizes) == N
    assert sizes[1] == pytest.approx(500, abs=80)
    assert sizes[2] == pytest.approx(1000, abs=110)
    assert ready.target.classes == ("big", "rare", "small")
    assert ready.train_target.sum() == sizes[0]
    whole = read_table(folder / name, kinds={**ready.preprocessor.readings, "kind": ready.target.reading})
    x, y = ready.preprocessor.transform(whole), ready.target.encode(whole)
    together = [ready.train.read(0, N), ready.validation, ready.test]
    rows = np.concatenate([np.column_stack([part[0], part[1]]) for part in together])
    expected = np.column_stack([x, y])
    assert sorted(map(tuple, rows.tolist())) == sorted(map(tuple, expected.tolist()))
    assert any("decided over 1,00" in notice for notice in ready.notices)


def test_the_same_seed_gives_the_same_parts(folder):
    first, second, other = (
        prepare_large(Stream(folder / "a.csv"), "kind", seed=seed).train.digest for seed in (0, 0, 1)
    )
    assert first == second != other


def test_parts_by_group_time_and_column(folder, tmp_path):
    by_group = prepare_large(Stream(folder / "a.csv"), "kind", split_by=SplitBy("group", "number"))
    assert "number" in by_group.preprocessor.left_out
    by_time = prepare_large(Stream(folder / "a.csv"), "kind", split_by=SplitBy("time", "day"), exclude=["number"])
    place = by_time.preprocessor.feature_names.index("day: year")
    latest = by_time.train.read(0, N)[0][:, place].max()
    assert latest <= by_time.validation[0][:, place].min() <= by_time.test[0][:, place].min()
    assert by_time.sizes[2] == pytest.approx(1000, abs=100)
    text = (folder / "a.csv").read_text().splitlines()
    words = ["train", "validation", "test", "train"]
    rows = [f'{line},"{words[k % 4]}"' for k, line in enumerate(text[1:])]
    (tmp_path / "parts.csv").write_text("\n".join([f'{text[0]},"part"', *rows]))
    by_column = prepare_large(Stream(tmp_path / "parts.csv"), "kind", split_by=SplitBy("column", "part"))
    assert by_column.sizes == (2500, 1250, 1250)


def test_counts_in_notices_of_many_blocks_are_added():
    notices = ["column 'a': 1 value far outside what was trained on (0 to 3)", "b", "b"]
    assert merged(notices * 2) == ["column 'a': 2 values far outside what was trained on (0 to 3)", "b"]


# --- memory

MEASURED = """
import resource, sys
import backpass as bp
from backpass.cli import main
main(sys.argv[1:], standalone_mode=False)
if sys.platform == "linux":  # where ru_maxrss begins with what the process that started this one had
    peak = 1024 * int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print("peak", peak)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such measure")
def test_memory_does_not_grow_with_the_file(tmp_path):
    """The file grows by 100 MB and the peak by less, until the parts that are held are full; read whole, a table takes
    five times its file."""
    rows = "".join(
        f"{a:.6f},{b:.6f},{c:.6f},{d:.6f},c{k % 30},{'in' if a * b > 0 else 'out'}\\n"
        for k, (a, b, c, d) in enumerate(np.random.default_rng(0).normal(size=(20_000, 4)).tolist())
    ).replace("\\n", "\n")
    peaks: dict[str, list[int]] = {"train": [], "predict": [], "evaluate": []}
    sizes = []
    for times in (60, 180):
        path = tmp_path / f"{times}.csv"
        with open(path, "w") as file:
            file.write("a,b,c,d,word,kind\n")
            for _ in range(times):
                file.write(rows)
        model, out = tmp_path / "a.bp", tmp_path / "out.csv"
        commands = {
            "train": (path, "-t", "kind", "--stream", "--epochs", "1", "--hidden", "16", "-q", "-o", model),
            "predict": (model, path, "--stream", "-o", out),
            "evaluate": (model, path, "--stream"),
        }
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
        for name, arguments in commands.items():
            command = [sys.executable, "-c", MEASURED, name, *arguments]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            peaks[name].append(int(done.stdout.split("peak ")[1]))
        with open(out) as file:
            assert sum(1 for _ in file) == 20_000 * times + 1
        sizes.append(path.stat().st_size)
        Path(path).unlink()
    grown = sizes[1] - sizes[0]
    assert grown > 80_000_000
    for low, high in peaks.values():
        assert high - low < grown
        assert high < 500_000_000
