"""The model file: bit for bit, whole or not at all, and never anything but an answer or a ModelFileError."""

import errno
import json
import os
import pickle
import stat
import struct
import sys

import numpy as np
import pytest
from safetensors.numpy import save

import backpass as bp
from backpass import nn
from backpass.data.prepare import prepare
from backpass.data.table import Table
from backpass.graph.errors import ModelFileError
from backpass.graph.program import Graph
from backpass.graph.pytree import leaves_of
from backpass.train import model_file
from backpass.train.model import _without_places
from backpass.train.model_file import check_writable, read_model, write_atomically, write_model
from backpass.train.recipe import Recipe
from backpass.train.session import train_table

draw = np.random.default_rng(0)
X = draw.normal(size=(80, 3))
Y = np.where(X[:, 0] > 0, "yes", "no")


def trained(network=None, x=X, y=Y, loss="cross_entropy", **options):
    return bp.fit(network or nn.mlp([6, 2]), (x, y), loss, epochs=2, progress=False, **options).model


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.bp"
    trained().save(path)
    return path


@pytest.fixture(scope="module")
def of_table():
    age = draw.uniform(0, 90, 60)
    table = Table.from_arrays(
        {
            "age": age,
            "colour": draw.choice(["red", "grün"], 60).tolist(),
            "kind": np.where(age > 40, "alt", "neu").tolist(),
        }
    )
    return table, train_table(prepare(table, "kind", validation=0), Recipe(hidden=(4,), epochs=2), progress=False).model


def bits(model):
    return [leaf.tobytes() for leaf in leaves_of((model.theta, model.state))]


# --- there and back


MODELS = {
    "classes": lambda: trained(),
    "batch norm and dropout": lambda: trained(
        nn.Sequential(nn.Dense(6), nn.BatchNorm(), "gelu", nn.Dropout(0.2), nn.LayerNorm(), nn.Dense(2))
    ),
    "float64": lambda: trained(dtype=np.float64),
    "one output": lambda: trained(nn.mlp([1]), loss="binary_cross_entropy"),
    "hinge": lambda: trained(nn.mlp([1]), loss="hinge"),
    "numbers": lambda: trained(nn.mlp([4, 1]), y=X[:, 0], loss="squared_error"),
    "rates": lambda: trained(nn.mlp([4, 1]), y=draw.poisson(2, 80), loss="poisson"),
    "settings": lambda: trained(loss={"name": "cross_entropy", "label_smoothing": 0.1}),
    "boolean labels": lambda: trained(y=X[:, 0] > 0),
    "own function": lambda: trained(
        lambda theta, x: np.sin(x @ theta["W"]) @ theta["V"],
        theta={"W": draw.normal(size=(3, 4)), "V": draw.normal(size=(4, 2))},
    ),
    "own layer": lambda: trained(nn.Sequential(nn.Dense(4), np.sin, nn.Dense(2))),
    "theta is a list": lambda: trained(
        lambda theta, x: x @ theta[0] + theta[1][0], theta=[np.zeros((3, 2)), (np.zeros(2),)]
    ),
    "theta has single numbers": lambda: trained(
        lambda theta, x: x @ theta["W"] * theta["size"], theta={"W": np.ones((3, 2)), "size": 2.0}
    ),
    "theta is an array": lambda: trained(lambda theta, x: x @ theta, theta=np.zeros((3, 2))),
    "names with dots, slashes and spaces": lambda: trained(
        lambda theta, x: x @ theta["a.b/c d"]["θ"], theta={"a.b/c d": {"θ": np.zeros((3, 2))}}
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_loaded_model_is_the_saved_one_to_the_last_bit(name, tmp_path):
    model = MODELS[name]()
    model.save(tmp_path / "model.bp")
    again = bp.load(tmp_path / "model.bp")
    assert bits(again) == bits(model)
    assert again.outputs(X).tobytes() == model.outputs(X).tobytes()
    assert again.predict(X).tolist() == model.predict(X).tolist()
    assert (again.task, again.gives, again.classes, again.info) == (model.task, model.gives, model.classes, model.info)
    assert str(again.graph) == str(model.graph)  # but for the folders of the files that its lines come from
    assert again.graph == Graph.from_dict(_without_places(model.graph.to_dict()))
    assert repr(again.network) == repr(model.network) or again.network is None
    again.save(tmp_path / "again.bp")
    assert (tmp_path / "again.bp").read_bytes() == (tmp_path / "model.bp").read_bytes() or again.network is None


def test_layers_of_ones_own_are_kept_as_the_graph_alone(tmp_path):
    model = MODELS["own layer"]()
    model.save(tmp_path / "model.bp")
    assert bp.load(tmp_path / "model.bp").network is None


def test_preparation_and_target_are_kept(of_table, tmp_path):
    table, model = of_table
    model.save(tmp_path / "model.bp")
    again = bp.load(tmp_path / "model.bp")
    assert again.preprocessor == model.preprocessor
    assert again.target == model.target
    assert again.classes == ("alt", "neu")
    assert again.predict_proba(table).tobytes() == model.predict_proba(table).tobytes()
    assert again.predict(table).tolist() == model.predict(table).tolist()


def test_the_same_model_gives_the_same_file(tmp_path):
    for name in ("a.bp", "b.bp"):
        trained(seed=3).save(tmp_path / name)
    assert (tmp_path / "a.bp").read_bytes() == (tmp_path / "b.bp").read_bytes()


def test_the_weights_are_a_safetensors_file_that_others_can_read(file):
    from safetensors.numpy import load_file

    weights = load_file(file)
    assert weights["theta/0/dense_1.W"].shape == (3, 6)


def test_names_of_files(tmp_path):
    model = trained()
    for name in ("with space.bp", "ümläut-θ.bp", "-dash", ".hidden", "no ending", "a" * 200):
        model.save(tmp_path / name)
        assert bits(bp.load(tmp_path / name)) == bits(model)
        model.save(str(tmp_path / name))
    assert not list(tmp_path.glob("*.part")) + list(tmp_path.glob(".*.part"))


# --- damage


def content_of(path):
    """All that a model file says, to compare two of them."""
    tensors, content = read_model(path)
    return {name: value.tobytes() for name, value in tensors.items()}, content


def test_a_file_cut_short_anywhere_is_refused(file, tmp_path):
    whole = file.read_bytes()
    lengths = {len(whole) * k // 20 for k in range(20)} | {1, 7, 8, 9, len(whole) - 1}
    for length in sorted(lengths):
        short = tmp_path / "short.bp"
        short.write_bytes(whole[:length])
        with pytest.raises(ModelFileError, match=r"short\.bp is (not a Backpass model|damaged|empty)"):
            bp.load(short)


def test_a_file_with_more_at_its_end_is_refused(file, tmp_path):
    (tmp_path / "long.bp").write_bytes(file.read_bytes() + b"more")
    with pytest.raises(ModelFileError, match="damaged"):
        bp.load(tmp_path / "long.bp")


def mutations(whole, random):
    """Bytes changed, swapped, doubled, dropped and zeroed, anywhere."""
    for _ in range(120):
        data = bytearray(whole)
        for _ in range(random.integers(1, 4)):
            data[random.integers(len(data))] ^= 1 << random.integers(8)
        yield bytes(data)
    for place in random.integers(0, len(whole), 80):
        yield whole[:place] + whole[place + 1 :]
        yield whole[:place] + whole[place : place + 1] * 2 + whole[place + 1 :]
        yield whole[:place] + bytes(random.integers(0, 256, 16, np.uint8)) + whole[place + 16 :]
    for place in range(200):  # the beginning of the header, byte by byte
        yield whole[:place] + bytes([random.integers(256)]) + whole[place + 1 :]


def test_changed_bytes_anywhere_are_refused_or_mean_the_same(file, tmp_path):
    expected, whole = content_of(file), file.read_bytes()
    path = tmp_path / "changed.bp"
    tried = refused = 0
    for data in mutations(whole, np.random.default_rng(1)):
        path.write_bytes(data)
        tried += 1
        try:
            bp.load(path)
        except ModelFileError as error:
            refused += "changed.bp" in str(error)
        else:
            refused += content_of(path) == expected  # spaces in the header's JSON, or the byte that was there
    assert tried >= 500
    assert refused == tried


def test_content_that_is_not_what_was_written_is_refused(of_table, tmp_path):
    """Past the checksum, as a stranger could write it: every value in the content replaced by others in turn."""
    _, model = of_table
    path = tmp_path / "model.bp"
    model.save(path)
    tensors, content = read_model(path)
    random = np.random.default_rng(2)
    others = [None, -1, 3.5, "x", [], {}, True, 10**30, [[[]]], {"a": 1}, "float32", "add", ""]
    places, messages = list(_places(content)), []
    for k in random.choice(len(places), 300):
        changed = json.loads(json.dumps(content))
        *way, last = places[k]
        inner = changed
        for step in way:
            inner = inner[step]
        if random.random() < 0.15 and isinstance(inner, dict):
            del inner[last]
        else:
            inner[last] = others[random.integers(len(others))]
        write_model(path, tensors, changed)
        try:
            str(bp.load(path))
        except ModelFileError as error:
            messages.append(str(error))
    assert len(messages) > 150
    assert all("model.bp" in message for message in messages)


def _places(value, way=()):
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield (*way, key)
        yield from _places(inner, (*way, key))


def test_weights_that_do_not_fit_the_graph_are_refused(file, tmp_path):
    tensors, content = read_model(file)
    name = "theta/0/dense_1.W"
    for wrong, message in [
        (
            {**tensors, name: tensors[name].T.copy()},
            r"weights theta/0/dense_1.W are float32\[6, 3\], not float32\[3,6\]",
        ),
        ({**tensors, name: tensors[name].astype(np.float64)}, "are float64"),
        ({key: value for key, value in tensors.items() if key != name}, "weights theta/0/dense_1.W are missing"),
    ]:
        write_model(tmp_path / "wrong.bp", wrong, content)
        with pytest.raises(ModelFileError, match=message):
            bp.load(tmp_path / "wrong.bp")


# --- foreign files


def test_foreign_files_are_refused(tmp_path):
    table = {
        "empty.bp": (b"", r"empty\.bp is empty"),
        "text.bp": (b"a,b\n1,2\n" * 50, "not a Backpass model"),
        "pickle.bp": (pickle.dumps({"theta": 1}), "not a Backpass model"),
        "other.safetensors": (save({"w": np.zeros(3)}), "a safetensors file, but not a Backpass model"),
        "tagged.safetensors": (save({"w": np.zeros(3)}, {"format": "pt"}), "but not a Backpass model"),
        "long header": (struct.pack("<Q", 2**40) + b"{}" * 50, "not a Backpass model"),
        "header is a number": (struct.pack("<Q", 2) + b"12" + b"\0" * 50, "not a Backpass model|damaged"),
        "bare.bp": (save({}, {"backpass-model": "1"}), "damaged"),
        "no version": (save({}, {"backpass-model": ""}), "damaged: its format version is ''"),
    }
    for name, (data, message) in table.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ModelFileError, match=message):
            bp.load(tmp_path / name)


def test_a_file_of_a_newer_version_says_so(file, tmp_path, monkeypatch):
    tensors, content = read_model(file)
    monkeypatch.setattr(model_file, "VERSION", 7)
    write_model(tmp_path / "new.bp", tensors, content)
    monkeypatch.undo()
    with pytest.raises(ModelFileError, match=r"newer Backpass \(format 7; this one reads 1\): update it"):
        bp.load(tmp_path / "new.bp")


def test_places_without_a_file(tmp_path):
    with pytest.raises(ModelFileError, match=r"there is no file .*none\.bp"):
        bp.load(tmp_path / "none.bp")
    with pytest.raises(ModelFileError, match="is a folder, not a model file"):
        bp.load(tmp_path)


RUNS_CODE = {"compile", "exec", "import", "os.system", "subprocess.Popen", "pickle.find_class"}


def test_loading_runs_no_code(file):
    """By Python's own audit: between first and last byte nothing is compiled, executed, imported or unpickled."""
    bp.load(file)  # what the package itself imports is there now
    events = []
    armed = True

    def hook(event, args):
        if armed and event in RUNS_CODE:
            events.append((event, args))

    sys.addaudithook(hook)
    bp.load(file)
    armed = False
    assert events == []


# --- writing


def test_a_full_disk_leaves_the_old_file(file, tmp_path, monkeypatch):
    path = tmp_path / "model.bp"
    path.write_bytes(file.read_bytes())

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        OSError, match=r"cannot write .*model\.bp: No space left on device. Nothing was changed there"
    ) as found:
        trained().save(path)
    assert found.value.errno == errno.ENOSPC
    assert path.read_bytes() == file.read_bytes()
    assert os.listdir(tmp_path) == ["model.bp"]


@pytest.mark.parametrize("call", ["replace", "chmod", "fsync"])
def test_whatever_fails_leaves_no_part_behind(call, tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fails(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, call, fails)
    with pytest.raises(PermissionError, match="Permission denied"):
        write_atomically(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_asking_whether_a_place_can_be_written_changes_nothing(tmp_path):
    (tmp_path / "old").write_bytes(b"old")
    (tmp_path / "folder").mkdir()
    check_writable(tmp_path / "old")
    check_writable(tmp_path / "new")
    for name, message in (("folder", "it is a folder"), ("none/new", "there is no folder")):
        with pytest.raises(OSError, match=message):
            check_writable(tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ["folder", "old"]
    assert (tmp_path / "old").read_bytes() == b"old"


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="there are no devices")
def test_a_device_is_written_to_and_stays_one():
    for _ in range(2):
        check_writable("/dev/null")
        write_atomically("/dev/null", b"data")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_an_interrupt_while_writing_leaves_no_part_behind(tmp_path, monkeypatch):
    def interrupts(handle):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupts)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file", b"new")
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_a_new_file_has_the_usual_permissions_and_a_link_stays_one(tmp_path):
    write_atomically(tmp_path / "file", b"1")
    (tmp_path / "usual").write_bytes(b"")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "usual").stat().st_mode
    (tmp_path / "link").symlink_to("file")
    write_atomically(tmp_path / "link", b"2")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"2"


def test_a_place_that_cannot_be_written(tmp_path):
    for path in (tmp_path / "none" / "model.bp", tmp_path):
        with pytest.raises(OSError, match="cannot write"):
            trained().save(path)
    assert os.listdir(tmp_path) == []
