"""`History`: columns by name, as text, as JSON."""

import json

import pytest

from backpass.train.history import Epoch, History


def made(stopped="all epochs done"):
    history = History(stopped=stopped)
    history.epochs.append(Epoch(1, 0.5, 0.6, {"accuracy": 0.8}, 0.01, 1.0, 0.1))
    history.epochs.append(Epoch(2, 0.25, 0.7, {"accuracy": 0.75}, 0.005, 0.5, 0.1))
    history.best = 1
    return history


def test_columns():
    history = made()
    assert len(history) == 2
    assert history.loss == history["loss"] == [0.5, 0.25]
    assert history["validation_loss"] == [0.6, 0.7]
    assert history["accuracy"] == [0.8, 0.75]
    with pytest.raises(KeyError, match=r"no column 'acuracy'; there are .*accuracy"):
        history["acuracy"]


def test_text():
    lines = str(made()).splitlines()
    assert lines[0].split() == ["epoch", "loss", "validation", "accuracy"]
    assert lines[1].split() == ["1", "0.5", "0.6", "0.8000", "←"]
    assert lines[2].split() == ["2", "0.25", "0.7", "0.7500"]
    assert lines[3] == "all epochs done"
    assert str(History()).split() == ["epoch", "loss", "validation"]


def test_json():
    record = json.loads(json.dumps(made("interrupted").to_json()))
    assert (record["best"], record["stopped"]) == (1, "interrupted")
    assert record["epochs"][1]["scores"] == {"accuracy": 0.75}
