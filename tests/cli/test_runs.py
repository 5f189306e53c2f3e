"""``backpass runs`` and ``backpass sweep``: kept runs side by side, and many of them over a space."""

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import backpass as bp
from backpass.cli import main
from backpass.train.run_list import that_fit
from backpass.train.sweep import Choice, Range, read_space


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    x = draw.normal(size=(100, 2)).round(3)
    rows = [f"{a},{b},{'in' if a * a + b * b < 1 else 'out'}" for a, b in x]
    Path("disk.csv").write_text("\n".join(["a,b,where", *rows]) + "\n")
    return tmp_path


def train(name, *options):
    done = invoke("train", "disk.csv", "-t", "where", "-q", "--run", name, *options)
    assert done.exit_code == 0, done.output


# --- runs


def test_runs_are_listed_and_their_differences_shown(folder):
    train("runs/a", "--epochs", 2, "--validation", 0.2)
    train("runs/b", "--epochs", 3, "--hidden", "8,4", "--learning-rate", 0.1)
    bp.fit(bp.nn.mlp([2]), (np.eye(10), np.arange(10) % 2), epochs=1, progress=False, run="c")
    done = invoke("runs")
    assert done.exit_code == 0, done.output
    first, differ = done.stdout.split("\n\nThey differ in\n")
    head, *lines = first.splitlines()
    assert head.split()[:4] == ["run", "state", "epochs", "loss"]
    names = ["c", str(Path("runs/a")), str(Path("runs/b"))]
    assert [line.split()[:3] for line in lines] == [
        [name, "finished", f"{n}/{n}"] for name, n in zip(names, (1, 2, 3), strict=True)
    ]
    assert "test accuracy" in head
    settings = differ.splitlines()
    assert {"hidden", "learning_rate", "epochs", "validation"} <= set(settings[0].split())
    assert "8,4" in settings[3]
    assert max(map(len, lines)) == max(map(len, (line.rstrip() for line in lines)))


def test_runs_in_an_order(folder):
    for name, epochs in (("a", 1), ("b", 6), ("c", 3)):
        train(name, "--epochs", epochs)
    names = [line.split()[0] for line in invoke("runs", "--sort", "loss").stdout.split("\n\n")[0].splitlines()[1:]]
    assert names == ["b", "c", "a"]
    scores = json.loads(invoke("runs", "--json").stdout)
    assert [run["run"] for run in scores] == ["a", "b", "c"]
    assert scores[0]["config"]["command"]["epochs"] == 1
    best = [line.split()[0] for line in invoke("runs", "--sort", "test accuracy").stdout.splitlines()[1:4]]
    assert best[0] == max(scores, key=lambda run: run["test accuracy"])["run"]
    done = invoke("runs", "--sort", "speed")
    assert done.exit_code == 1
    assert "there is no column 'speed' to order by; there are run, state" in done.stderr


def test_a_run_that_is_damaged_or_killed_is_listed_as_far_as_it_can_be(folder):
    train("a", "--epochs", 1)
    status = json.loads(Path("a/status.json").read_text())
    Path("a/status.json").write_text(json.dumps({**status, "state": "running"}))
    Path("damaged").mkdir()
    Path("damaged/config.json").write_text("{")
    lines = invoke("runs").stdout.splitlines()
    assert lines[1].split()[:3] == ["a", "killed", "1/1"]
    assert len(lines) == 2


DAMAGE = {
    "config.json": ["null", "[]", '{"format": "backpass-run", "version": 1, "settings": [1]}', "{"],
    "status.json": ["[]", '{"state": 5}', '{"state": "finished", "epochs": "x"}', "{", '{"results": [1]}'],
    "environment.json": ["{}", "[1]", "{", "null"],
    "history.csv": ["garbage,,,", "epoch,loss\n1,x\n", "\0"],
}


def test_damaged_files_of_a_run_end_in_words(folder):
    train("whole", "--epochs", 2, "--hidden", 4)
    for name, contents in DAMAGE.items():
        for k, content in enumerate(contents):
            path = Path(f"{name}-{k}")
            shutil.copytree("whole", path)
            (path / name).write_text(content)
            listed = invoke("runs", ".")
            assert listed.exit_code == 0, listed.output
            assert (f"{path}/config.json" in listed.stderr) == (name == "config.json")
            resumed = invoke("train", "--resume", path, "-q")
            assert resumed.exit_code == (name == "config.json"), resumed.output
            assert resumed.stderr.startswith("Error: ") == (name == "config.json")
            shutil.rmtree(path)


def test_folders_of_other_programs_are_passed_over(folder):
    train("whole", "--epochs", 1, "--hidden", 4)
    Path("other").mkdir()
    Path("other/config.json").write_text('{"a": 1}')
    done = invoke("runs")
    assert (done.exit_code, done.stderr) == (0, "")


def test_settings_edited_by_hand_are_checked(folder):
    train("a", "--epochs", 1, "--hidden", 4)
    config = json.loads(Path("a/config.json").read_text())
    config["command"]["epochs"] = "many"
    Path("a/config.json").write_text(json.dumps(config))
    done = invoke("train", "--resume", "a")
    assert done.exit_code == 1
    assert "config.json is damaged: its epochs: 'many' is not a valid integer" in done.stderr


def test_columns_that_fit():
    rows = [{"run": "a", "loss": 0.5, "test accuracy": 0.25, "test macro F1": 0.5, "seconds": 1.5}]
    names, first = list(rows[0]), ["run", "test accuracy", "seconds"]
    assert that_fit(rows, names, first, 200) == names
    assert that_fit(rows, names, first, 30) == ["run", "test accuracy", "seconds"]
    assert that_fit(rows, names, first, 1) == ["run"]


def test_where_there_are_no_runs(folder):
    done = invoke("runs")
    assert done.exit_code == 1
    assert "there is no run in this folder or below it; to begin one: backpass train FILE --run FOLDER" in done.stderr
    assert "there is no folder nowhere" in invoke("runs", "nowhere").stderr


# --- sweep


def test_a_space_is_read():
    space = read_space(["learning-rate=0.001..0.1", "dropout=0..0.5", "hidden=64|128,64", "batch=16..64", "epochs=5|9"])
    assert space == {
        "learning_rate": Range(0.001, 0.1, True, False),
        "dropout": Range(0.0, 0.5, False, False),
        "hidden": Choice(("64", "128,64")),
        "batch": Range(16.0, 64.0, False, True),
        "epochs": Choice(("5", "9")),
    }


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("learnin_rate=1..2", "names no setting to search"),
        ("learning_rate", "names no setting to search"),
        ("learning_rate=a..b", "a range is two numbers, such as 0.001..0.1"),
        ("learning_rate=2..1", "goes from a number of 0 or above up to a larger one"),
        ("hidden=8..64", "hidden is no number; write the values to try"),
        ("hidden=8|many", "hidden takes widths such as 128,64, not 'many'"),
        ("batch_norm=maybe", "batch_norm takes yes or no, not 'maybe'"),
    ],
)
def test_a_space_that_cannot_be_read(folder, line, message):
    done = invoke("sweep", "disk.csv", "-t", "where", "--run", "s", "--space", line)
    assert done.exit_code == 1
    assert message in done.stderr
    assert not Path("s").exists()


SWEEP = (
    "sweep",
    "disk.csv",
    "-t",
    "where",
    "--epochs",
    4,
    "--space",
    "learning_rate=0.0001..0.3",
    "--space",
    "hidden=4|8,4",
)


def test_a_sweep_that_is_stopped_goes_on_to_the_same_trials(folder, monkeypatch):
    done = invoke(*SWEEP, "--run", "whole", "--trials", 7)
    assert done.exit_code == 0, done.output
    trials = json.loads(Path("whole/trials.json").read_text())
    assert [trial["number"] for trial in trials] == list(range(7))
    assert all(1e-4 <= trial["settings"]["learning_rate"] <= 0.3 for trial in trials)
    assert {trial["state"] for trial in trials} <= {"complete", "pruned"}
    best = min((t for t in trials if t["state"] == "complete"), key=lambda t: t["value"])
    assert "the model of " + str(Path("whole", f"trial-{best['number'] + 1:03d}")) in done.stdout
    assert Path("whole/model.bp").read_bytes() == Path(f"whole/trial-{best['number'] + 1:03d}/model.bp").read_bytes()

    from backpass.train import loop

    take, steps = loop.Loop._take, [0]

    def taking(self, data, order, rows, most):
        steps[0] += 1
        if steps[0] == 24:  # within the third trial
            raise KeyboardInterrupt
        return take(self, data, order, rows, 1)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Loop, "_take", taking)
        stopped = invoke(*SWEEP, "--run", "stopped", "--trials", 7)
    assert stopped.exit_code == 130
    assert "next: backpass sweep --resume stopped --trials 7" in stopped.stdout
    assert len(json.loads(Path("stopped/trials.json").read_text())) == 2
    resumed = invoke("sweep", "--resume", "stopped", "--trials", 7)
    assert resumed.exit_code == 0, resumed.output
    assert Path("stopped/trials.json").read_text() == Path("whole/trials.json").read_text()
    assert Path("stopped/model.bp").read_bytes() == Path("whole/model.bp").read_bytes()
    assert len(re.findall(r"trial-\d+", invoke("runs", "stopped").stdout)) == 14  # once in each of two tables


def test_poor_trials_end_early(folder):
    options = (
        "--space",
        "learning_rate=0.0000001..1",
        "--epochs",
        12,
        "--trials",
        14,
        "--run",
        "s",
        "--optimizer",
        "sgd",
    )
    done = invoke("sweep", "disk.csv", "-t", "where", *options)
    assert done.exit_code == 0, done.output
    trials = json.loads(Path("s/trials.json").read_text())
    pruned = [trial for trial in trials if trial["state"] == "pruned"]
    assert pruned
    assert all(len(trial["losses"]) < 12 for trial in pruned)
    assert all(trial["state"] != "pruned" for trial in trials[:5])


@pytest.mark.parametrize(
    "space",
    ["optimizer=foo", "dropout=0..2", "learning_rate=0..1", "activation=relu|tanhh", "class_weight=none"],
)
def test_a_value_that_cannot_be_is_told_before_anything_is_kept(folder, space):
    done = invoke("sweep", "disk.csv", "-t", "where", "--run", "s", "--space", space)
    assert done.exit_code in (1, 2)
    assert "Error: " in done.stderr
    assert not Path("s").exists()
    assert "no column 'were'" in invoke("sweep", "disk.csv", "-t", "were", "--run", "s").stderr
    assert not Path("s").exists()


def test_a_sweep_of_which_no_trial_ends(folder):
    done = invoke("sweep", "disk.csv", "-t", "where", "--run", "s", "--trials", 1, "--optimizer", "sgd",
                  "--space", "learning_rate=1e30..1e31", "--hidden", 4)  # fmt: skip
    assert done.exit_code == 1
    assert "no trial came to its end" in done.stderr


def test_what_a_sweep_refuses(folder):
    assert "--run FOLDER is missing" in invoke("sweep", "disk.csv", "-t", "where").stderr
    done = invoke(*SWEEP, "--run", "s", "--hidden", "8")
    assert done.exit_code == 2
    assert "hidden is both given and searched; leave one of the two out" in done.stderr
    assert "s holds no sweep: it has no sweep.json" in invoke("sweep", "--resume", "s").stderr
    assert invoke(*SWEEP, "--run", "s", "--trials", 1).exit_code == 0
    assert "s holds a sweep already" in invoke(*SWEEP, "--run", "s").stderr
    assert "leave out FILE, --target" in invoke("sweep", "disk.csv", "-t", "where", "--resume", "s").stderr
    assert os.listdir("s")
