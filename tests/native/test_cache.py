"""The cache of compiled objects: found again, whole or not at all, bounded, and never in the way."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import backpass as bp
from backpass.native import cache, engine
from backpass.native.program import Code
from backpass.native.target import PORTABLE, host

X = np.linspace(-1, 1, 5)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("BACKPASS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def tanh(x):
    return np.sum(np.tanh(x) * 2)


def count_compilations(monkeypatch):
    made = []
    compiled = engine.compiled
    monkeypatch.setattr(engine, "compiled", lambda *args: (made.append(1), compiled(*args))[1])
    return made


def test_what_was_compiled_is_found_again(place, monkeypatch):
    made = count_compilations(monkeypatch)
    first = bp.compile(tanh)(X)
    assert bp.compile(tanh)(X) == first
    assert len(made) == 1
    assert [path.suffix for path in place.iterdir()] == [".o"]


def test_another_target_or_text_is_another_entry():
    graph = bp.trace(tanh, X)
    text = Code(graph, host()).text
    assert cache.key(text, host()) != cache.key(text + "\n", host())
    assert cache.key(text, host()) != cache.key(text, PORTABLE) or host() == PORTABLE


@pytest.mark.parametrize(
    "damage", [lambda b: b[: len(b) // 2], lambda b: b[:-1] + bytes([b[-1] ^ 1]), lambda b: b"", lambda b: b"ELF" + b]
)
def test_a_damaged_entry_is_compiled_anew(place, damage, monkeypatch):
    wanted = bp.compile(tanh)(X)
    (path,) = place.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    made = count_compilations(monkeypatch)
    assert bp.compile(tanh)(X) == wanted
    assert len(made) == 1
    assert path.read_bytes() == whole


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BACKPASS_CACHE", str(tmp_path / "file" / "cache"))
    assert bp.compile(tanh)(X) == tanh(X)


def test_off(tmp_path, monkeypatch):
    monkeypatch.setenv("BACKPASS_CACHE", "off")
    monkeypatch.chdir(tmp_path)
    assert bp.compile(tanh)(X) == tanh(X)
    assert list(tmp_path.iterdir()) == []


def test_it_is_bounded(place, monkeypatch):
    monkeypatch.setattr(cache, "MOST", 3000)
    for k in range(5):
        cache.save(f"{k:040}", bytes(1000))
        os.utime(place / f"{k:040}.o", (k, k))
    assert sorted(path.name[39] for path in place.iterdir()) == ["3", "4"]
    assert cache.load(f"{4:040}") == bytes(1000)
    assert cache.load(f"{0:040}") is None


def test_two_processes_and_two_threads_at_once(place):
    code = "import numpy as np, backpass as bp; print(bp.compile(lambda x: np.sum(np.exp(x)))(np.arange(4.0)))"
    env = {**os.environ, "BACKPASS_CACHE": str(place)}
    runs = [
        subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    found = []
    threads = [threading.Thread(target=lambda: found.append(bp.compile(tanh)(X))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outputs = {run.communicate()[0].strip() for run in runs}
    assert len(set(found)) == len(outputs) == 1
    assert all(path.suffix == ".o" for path in place.iterdir())
