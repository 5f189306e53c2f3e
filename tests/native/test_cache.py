"""The cache of compiled objects: found again, whole or not at all, bounded, and never in the way."""

import os
import re
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

import backpass as bp
from backpass.native import cache, code, direct, engine
from backpass.native import identity as identities
from backpass.native.identity import identity
from backpass.native.prepare import prepared
from backpass.native.steps import Around
from backpass.native.target import host, runnable

X = np.linspace(-1, 1, 5)


@pytest.fixture
def place(tmp_path, monkeypatch):
    code._kept.clear()
    monkeypatch.setenv("BACKPASS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def tanh(x):
    return np.sum(np.tanh(x) * 2)


def count_compilations(monkeypatch):
    made = []
    code._kept.clear()
    compiled = engine.compiled
    monkeypatch.setattr(engine, "compiled", lambda *args: (made.append(1), compiled(*args))[1])
    return made


def test_what_was_compiled_is_found_again(place, monkeypatch):
    made = count_compilations(monkeypatch)
    first = bp.compile(tanh)(X)
    code._kept.clear()
    assert bp.compile(tanh)(X) == first
    assert len(made) == 1
    assert [path.suffix for path in place.iterdir()] == [".o"]


def name(function, *args, carried=None, more=None, target=None, batch=range(0)):
    return identity(prepared(bp.trace(function, *args)), carried or {}, more, target or host(), batch)


ONES = np.ones((3, 4))
ALIKE = [
    lambda x: np.sum(x, axis=0),
    lambda x: np.sum(x, axis=1),
    lambda x: np.sum(x, axis=0, keepdims=True),
    lambda x: np.sum(x.astype(np.float32), axis=0),
    lambda x: np.sum(x, axis=0) * 2,
    lambda x: np.sum(x, axis=0) * 2.0,
    lambda x: np.sum(x, axis=0) * np.float64(2.0),
    lambda x: np.sum(x, axis=0) * 0.0,
    lambda x: np.sum(x, axis=0) * -0.0,
    lambda x: np.sum(x, axis=0) * np.arange(4.0),
    lambda x: np.sum(x, axis=0) * np.arange(1.0, 5.0),
    lambda x: np.sum(x[np.array([0, 1])], axis=0),
    lambda x: np.sum(x[np.array([0, 2])], axis=0),
    lambda x: (np.sum(x, axis=0), x),
    lambda x: (x, np.sum(x, axis=0)),
]


def test_whatever_changes_the_code_changes_its_name():
    names = [name(f, ONES) for f in ALIKE]
    names += [name(ALIKE[0], np.ones((4, 3))), name(ALIKE[0], ONES.astype(np.float32))]
    names += [name(lambda x: x * 2, ONES), name(lambda x: x * 2, ONES, carried={0: 0})]
    names += [name(ALIKE[0], ONES, more=direct.write), name(ALIKE[0], ONES, batch=range(1))]
    around = Around((8, 4), 32, 1)
    names += [name(ALIKE[0], ONES, more=m) for m in (around, replace(around, rows=31), replace(around, sizes=(8, 8)))]
    names += [name(ALIKE[0], ONES, target=target) for target in runnable() if target != host()]
    assert len(set(names)) == len(names)


def test_what_changes_no_code_changes_no_name():
    def renamed(values):
        return np.sum(values, axis=0)

    assert name(renamed, ONES) == name(ALIKE[0], ONES * 2)
    assert not re.search("0x[0-9a-f]{6}", repr(Around((8, 4), 32, 1)))  # an address is another one in each process


def test_other_source_is_another_name(monkeypatch):
    known = name(tanh, X)
    before = identities.versions()
    monkeypatch.setattr(identities, "versions", lambda: (*before[:-1], before[-1] + "1"))
    assert name(tanh, X) != known


def test_nothing_is_written_where_it_is_kept(place, monkeypatch):
    wanted = bp.compile(tanh)(X)
    code._kept.clear()
    monkeypatch.setattr(code.Code, "text", lambda self: pytest.fail("code was written"))
    assert bp.compile(tanh)(X) == wanted


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


def test_one_code_serves_all_functions_with_the_same_lines():
    def first(x, k):
        scaled = np.tanh(x) * 3.5
        return np.cumsum(scaled), x[k]

    def second(values, k):
        other = np.tanh(values) * 3.5
        return np.cumsum(other), values[k]

    one, two = bp.compile(first), bp.compile(second)
    for f in (one, two):
        f(X, np.array([1]))
    assert next(iter(one._programs.values())).code is next(iter(two._programs.values())).code
    assert "scaled" in one.kernels(X, np.array([1]))
    assert "other" in two.kernels(X, np.array([1]))
    with pytest.raises(IndexError, match="out of bounds"):
        two(X, np.array([9]))


def test_rules_of_ones_own_are_not_mixed_up():
    def made(factor):
        @bp.custom_rule(vjp=lambda g, out, x: factor * g)
        def scale(x):
            return factor * x

        return bp.compile(bp.value_and_grad(lambda x: np.sum(scale(x)) + 1))

    assert made(2.0)(X)[1].tolist() == [2.0] * 5
    assert made(3.0)(X)[1].tolist() == [3.0] * 5


@pytest.mark.parametrize("name", ["exp", "norm", "max", "reshape", "alias", "matmul", "sum", "subtract"])
def test_a_rule_of_ones_own_may_have_any_name(name):
    def run(x):
        return 7 * x

    run.__name__ = name
    own = bp.custom_rule(vjp=lambda g, out, x: 7 * g)(run)
    assert bp.compile(lambda x: own(x) + 1)(X).tolist() == (7 * X + 1).tolist()
