"""A program that gives the readers damaged and hostile files, within bounds on memory, and counts what they say.

``python mutated.py KIND COUNT SEED``: KIND is one of `KINDS`. Whatever is neither an answer nor a clear error of the
package ends it, with the file kept; so do code that runs and a process that dies.
"""

import codecs
import contextlib
import importlib
import json
import os
import re
import signal
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

import numpy as np

import backpass as bp
from backpass.data.read import read_table
from backpass.graph.errors import BackpassError, DataError, ModelFileError

MEMORY = 2_000_000_000
"""Bytes of address space that a reader may take beyond what the program has when it begins."""

SECONDS = 60
"""After which a reader hangs; a file takes milliseconds."""

RUNS_CODE = {"exec", "os.system", "os.exec", "subprocess.Popen", "pickle.find_class", "ctypes.dlopen"}


def bounded():
    """Limit memory where the system can; a reader that hangs is ended by a signal."""
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0]) if os.path.exists("/proc/self/statm") else 0
    if pages:
        limit = pages * os.sysconf("SC_PAGE_SIZE") + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


# --- what is changed


def changed(whole, draw):
    """Bytes of a file flipped, dropped, doubled, replaced, moved or cut off."""
    data = bytearray(whole)
    for _ in range(draw.integers(1, 5)):
        place = int(draw.integers(len(data))) if data else 0
        size = int(2 ** draw.uniform(0, 8))
        part = data[place : place + size]
        match draw.integers(8):
            case 0:
                if data:
                    data[place] ^= 1 << int(draw.integers(8))
            case 1:
                del data[place : place + size]
            case 2:
                data[place:place] = part
            case 3:
                data[place : place + size] = draw.bytes(len(part))
            case 4:
                data[place : place + size] = bytes([draw.choice([0, 255])]) * len(part)
            case 5:
                other = int(draw.integers(len(data) + 1))
                data[other : other + len(part)] = part
            case 6:
                data = data[:place]
            case 7:
                number = int(draw.choice([-1, 0, 1, 127, 2**16, 2**31 - 1, 2**31, 2**40]))
                data[place : place + 8] = (number % 2**64).to_bytes(8, "little")
    return bytes(data)


TOKENS = [
    b'"', b'""', b",", b";", b"\t", b"|", b"\n", b"\r\n", b"\r", b"\0", b"\xff", b"\xef\xbb\xbf", b"1e999",
    b"-nan", b"inf", b"9" * 400, b"0x1F", b"31.02.2024", b"2024-01-31", b"99999999999-01-01", b"$1,2,3.4",
    "θ’€".encode(), b"'", b"\\",
    b"=cmd|' /C calc'!A0", b"{}[]", b"a" * 5000, b"," * 300, b"\n" * 50, b"NA", b"TRUE", b" ", b"-", b"+", b"\xc3\x28",
]  # fmt: skip


def changed_text(whole, draw):
    """A text file with pieces that mean something to a reader of tables put in, or bytes changed."""
    if draw.random() < 0.3:
        return changed(whole, draw)
    data = bytearray(whole)
    for _ in range(draw.integers(1, 6)):
        place = int(draw.integers(len(data) + 1))
        if draw.random() < 0.3:  # at the beginning of a cell
            cells = [found.end() for found in re.finditer(rb"[,;\n]", data)]
            place = cells[draw.integers(len(cells))] if cells else place
        data[place : place + int(draw.integers(0, 6))] = TOKENS[draw.integers(len(TOKENS))]
    return bytes(data)


VALUES = [
    None, -1, 0, 1, 3.5, 2**31, 10**30, float("nan"), float("inf"), "", "x", "float32", "add", "exp", [], {}, True,
    [[[]]], {"a": 1}, [1, 2], ["*"], "*", "__import__('os').system('true')", "../../x", [2**40], {"array": {}},
    {"float": "inf"},
]  # fmt: skip


def places(value, way=()):
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield (*way, key)
        yield from places(inner, (*way, key))


def changed_record(record, draw):
    """A record with some of its values replaced, dropped, doubled, or put in each other's place."""
    record = json.loads(json.dumps(record))
    for _ in range(draw.integers(1, 4)):
        ways = list(places(record))
        if not ways:
            return record
        *way, last = ways[draw.integers(len(ways))]
        inner = record
        for step in way:
            inner = inner[step]
        match draw.integers(5):
            case 0 | 1:
                inner[last] = VALUES[draw.integers(len(VALUES))]
            case 2:
                del inner[last]
            case 3:
                *other, end = ways[draw.integers(len(ways))]
                found = record
                with contextlib.suppress(KeyError, IndexError, TypeError):
                    for step in other:
                        found = found[step]
                    inner[last] = json.loads(json.dumps(found[end]))
            case 4:
                if type(inner[last]) is int:
                    inner[last] += int(draw.choice([-1, 1, 2, 255, 10**6]))
                elif isinstance(inner[last], list):
                    inner[last] = inner[last] * 2
    return record


# --- whole files


def models(folder):
    """Models of a table, of arrays, of a network with batch norm, of one's own function."""
    from backpass.data.prepare import prepare
    from backpass.data.table import Table
    from backpass.train.recipe import Recipe
    from backpass.train.session import train_table

    draw = np.random.default_rng(0)
    x = draw.normal(size=(60, 3))
    days = np.datetime64("2024-01-01", "us") + draw.integers(0, 1000, 60) * np.timedelta64(1, "D")
    colours = draw.choice(["red", "green", "blue"], 60).tolist()
    table = Table.from_arrays(
        {"age": draw.uniform(0, 9, 60), "colour": colours, "on": x[:, 0] > 0, "day": days, "kind": (x[:, 1] > 0) * 1.0}
    )
    made = [
        train_table(prepare(table, "kind", validation=0), Recipe(hidden=(3,), epochs=1), progress=False).model,
        bp.fit(bp.nn.mlp([3, 2]), (x, x[:, 0] > 0), epochs=1, progress=False).model,
        bp.fit(bp.nn.mlp([3, 1], batch_norm=True), (x, x[:, 0]), "squared_error", epochs=1, progress=False).model,
        bp.fit(
            lambda theta, x: np.sin(np.einsum("nk,k->n", x, theta["w"])) * theta["list"][1],
            (x, x[:, 0]), "squared_error", theta={"w": np.ones(3), "list": [1.0, 2.0]}, epochs=1, progress=False,
        ).model,
    ]  # fmt: skip
    for k, model in enumerate(made):
        model.save(folder / f"{k}.bp")
        bp.load(folder / f"{k}.bp")  # the types of its records are worked out once
    return [folder / f"{k}.bp" for k in range(len(made))]


def texts():
    draw = np.random.default_rng(1)
    n = 40
    number, word = draw.normal(size=n).round(3), draw.choice(["red", "blue", "grün"], n)
    day = [str(np.datetime64("2024-01-01") + int(d)) for d in draw.integers(0, 999, n)]
    rows = [
        f"{a},{b},{c},{'yes' if a > 0 else 'no'},{int(abs(a) * 1000)}"
        for a, b, c in zip(number, word, day, strict=True)
    ]
    comma = "\n".join(["x,colour,day,on,id", *rows])
    german = "\n".join(
        [
            "x;betrag;wort",
            *(
                f'{str(a).replace(".", ",")};1.{abs(int(a)):03d},5 €;"{b};{b}"'
                for a, b in zip(number, word, strict=True)
            ),
        ]
    )
    bare = "\n".join(f"{a}\t{a * 2:.2f}" for a in number)
    return [comma.encode(), german.encode(), bare.encode(), comma.encode("utf-16"), german.encode("cp1252")]


def binaries(folder):
    """Parquet, Arrow, Feather and NumPy files of one table."""
    import pyarrow as pa
    from pyarrow import feather, ipc, parquet

    draw = np.random.default_rng(2)
    n = 50
    table = pa.table(
        {
            "x": draw.normal(size=n),
            "i": pa.array([None if k % 7 == 0 else k for k in range(n)], pa.int32()),
            "word": pa.array(draw.choice(["red", "blue"], n).tolist()).dictionary_encode(),
            "text": [f"t{k % 5}" for k in range(n)],
            "on": [k % 2 == 0 for k in range(n)],
            "day": pa.array(np.datetime64("2024-01-01", "us") + np.arange(n) * np.timedelta64(1, "D")),
            "price": pa.array([k * 100 for k in range(n)], pa.int64()).cast(pa.decimal128(21, 2)),
        }
    )
    for k, compression in enumerate(["none", "snappy", "zstd"]):
        parquet.write_table(table, folder / f"{k}.parquet", compression=compression, row_group_size=20)
    feather.write_feather(table, folder / "3.feather", compression="uncompressed")
    with ipc.new_stream(folder / "4.arrow", table.schema) as stream:
        stream.write_table(table)
    np.savez(folder / "5.npz", X=draw.normal(size=(n, 3)), y=np.arange(n) % 2)
    np.save(folder / "6.npy", draw.normal(size=(n, 3)))
    return sorted(folder.glob("[0-6].*"))


# --- one try of each kind


def try_model_bytes(files, path, draw):
    whole = files[draw.integers(len(files))].read_bytes()
    path.write_bytes(changed(whole, draw))
    return used(path)


def try_model_record(files, path, draw):
    from backpass.train.model_file import read_model, write_model

    tensors, record = read_model(files[draw.integers(len(files))])
    write_model(path, tensors, changed_record(record, draw))
    return used(path)


def used(path):
    """Whether a model file is read, told about, and used."""
    try:
        model = bp.load(path)
    except ModelFileError as error:
        if path.name not in str(error):
            raise AssertionError(f"an error that does not name the file: {error}") from error
        return False
    str(model)
    shape = model.graph.nodes[model.graph.inputs[-1]].shape
    try:
        model.outputs(np.zeros((2, *shape[1:])) if np.prod(shape[1:], dtype=float) < 1e6 else np.zeros(2))
    except BackpassError:
        return False
    return True


def read(path):
    try:
        table = read_table(path)
    except DataError as error:
        if not str(error):
            raise AssertionError("an error without words") from error
        return False
    assert len({len(column) for column in table.columns}) <= 1
    repr(table)
    for column in table.columns:
        column.as_kind(column.kind).take(np.arange(min(3, len(column)))).texts()
    return True


def try_text(files, path, draw):
    path.write_bytes(changed_text(files[draw.integers(len(files))], draw))
    return read(path)


def try_binary(files, path, draw):
    path.write_bytes(changed(files[draw.integers(len(files))].read_bytes(), draw))
    return read(path)


KINDS = {
    "model-bytes": (models, try_model_bytes),
    "model-record": (models, try_model_record),
    "text": (lambda folder: texts(), try_text),
    "binary": (binaries, try_binary),
}


def main(kind, count, seed):
    make, attempt = KINDS[kind]
    draw = np.random.default_rng(seed)
    armed = False

    def hook(event, args):
        if armed and event in RUNS_CODE:
            print(f"code runs: {event} {args}", file=sys.stderr, flush=True)
            traceback.print_stack()
            os._exit(3)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = make(folder)
        path = folder / "mutated.file"
        for module in ("pyarrow.csv", "pyarrow.feather", "pyarrow.ipc", "pyarrow.parquet", "pyarrow.compute"):
            importlib.import_module(module)
        importlib.import_module("backpass.partials.of_scipy")  # which an unknown operation is looked for in
        for encoding in ("cp1252", "latin-1", "utf-16-le", "utf-16-be"):
            codecs.lookup(encoding)
        for _ in range(30):  # what is imported at first use is there when the hook is armed
            attempt(files, path, draw)
        bounded()
        sys.addaudithook(hook)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        armed = True
        answers = 0
        kept = Path(tempfile.gettempdir()) / f"mutated-{kind}-{seed}"
        for k in range(count):
            signal.alarm(SECONDS)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    answers += attempt(files, path, draw)
            except BaseException:
                armed = False
                kept.write_bytes(path.read_bytes())
                print(f"{kind} {k} of seed {seed}; the file is kept as {kept}", file=sys.stderr, flush=True)
                raise
        signal.alarm(0)
        armed = False
    print(f"{count} {kind}: {answers} answers, {count - answers} clear errors")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
