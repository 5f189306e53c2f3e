"""Predictions and scores of files that are read in pieces: the same as of files that are read whole."""

import csv

import numpy as np
import pytest
from click.testing import CliRunner

import backpass as bp
from backpass.cli import main
from backpass.data import stream as stream_module
from backpass.data.prepare import prepare
from backpass.data.read import read_table
from backpass.data.stream import Stream
from backpass.graph.errors import DataError
from backpass.train import evaluation
from backpass.train.predictions import predict_file
from backpass.train.recipe import Recipe
from backpass.train.session import train_table

ROWS = 900


WAYS = ("--stream", "--no-stream")


def rows_of_a_shop(seed, n=ROWS):
    draw = np.random.default_rng(seed)
    amount = draw.normal(20, 8, n).round(2)
    place = draw.choice(["Bern", "Basel", 'the "Hof",\nupstairs'], n)
    day = np.datetime64("2024-01-01") + draw.integers(0, 300, n)
    big = np.where(amount + 5 * (place == "Bern") + draw.normal(0, 3, n) > 22, "yes", "no")
    price = (3 * amount + 7 * (place == "Basel") + draw.normal(0, 2, n)).round(3)
    known = draw.random(n) > 0.05
    amounts = [f"{a}" if k else "" for a, k in zip(amount, known, strict=True)]
    return {"amount": amounts, "place": place, "day": day.astype(str), "big": big, "price": price}


def write(path, columns):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("shop")
    write(place / "shop.csv", rows_of_a_shop(0))
    write(place / "new.csv", rows_of_a_shop(1))
    table = read_table(place / "shop.csv")
    for target, other in (("big", "price"), ("price", "big")):
        recipe = Recipe(hidden=(8,), dropout=0.0, epochs=5)
        train_table(prepare(table, target, exclude=[other]), recipe, progress=False).model.save(place / f"{target}.bp")
    return place


@pytest.fixture(autouse=True)
def in_small_pieces(monkeypatch):
    monkeypatch.setattr(stream_module, "BLOCK", 1 << 12)
    monkeypatch.setattr(stream_module, "ROWS", 100)


def invoke(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.mark.parametrize("target", ["big", "price"])
@pytest.mark.parametrize("more", [(), ("--probabilities",)])
def test_predictions_in_pieces_are_those_of_the_whole(folder, target, more):
    whole = invoke("predict", folder / f"{target}.bp", folder / "new.csv", *more)
    pieces = invoke("predict", folder / f"{target}.bp", folder / "new.csv", "--stream", *more)
    assert whole.exit_code == pieces.exit_code == 0
    assert pieces.stdout == whole.stdout
    assert len(list(csv.reader(whole.stdout.splitlines()))) == ROWS + 1
    assert pieces.stderr == whole.stderr


def test_predictions_as_parquet(folder, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    model, notes = bp.load(folder / "big.bp"), []
    made = tmp_path / "made.parquet"
    assert predict_file(model, folder / "new.csv", made, probabilities=True, stream=True, notices=notes) == ROWS
    table = parquet.read_table(made)
    frame = read_table(folder / "new.csv", kinds=model.preprocessor.readings)
    assert table["big"].to_pylist() == model.predict(frame).tolist()
    chances = np.stack([table["big=no"], table["big=yes"]], axis=1)
    assert np.array_equal(chances, model.predict_proba(frame))
    assert parquet.ParquetFile(made).num_row_groups > 3
    assert model.predict_file(folder / "new.csv", tmp_path / "made.csv") == ROWS


@pytest.mark.parametrize("target", ["big", "price"])
def test_scores_in_pieces_are_those_of_the_whole(folder, target):
    model = bp.load(folder / f"{target}.bp")
    known = {**model.preprocessor.readings, target: model.target.reading}
    whole = evaluation.evaluate(model, read_table(folder / "new.csv", kinds=known))
    notes = []
    pieces = evaluation.evaluate(model, Stream(folder / "new.csv", known), notices=notes)
    assert pieces.scores == pytest.approx(whole.scores, rel=1e-9)
    assert list(pieces.scores) == list(whole.scores)
    assert pieces.importance == whole.importance
    assert (pieces.rows, pieces.residuals) == (whole.rows, whole.residuals)
    if target == "big":
        assert np.array_equal(pieces.confusion, whole.confusion)
        assert pieces.per_class == whole.per_class
        for mine, other in zip(pieces.bins, whole.bins, strict=True):
            assert np.allclose(mine, other, equal_nan=True)
    assert not any("drawn evenly" in note for note in notes)
    done = invoke("evaluate", folder / f"{target}.bp", folder / "new.csv", "--stream")
    assert f"judged on {ROWS} rows of new.csv" in done.stdout


@pytest.mark.parametrize("target", ["big", "price"])
def test_what_needs_every_row_at_once_is_told_to_be_of_a_sample(folder, target, monkeypatch):
    monkeypatch.setattr(evaluation, "SAMPLE_BYTES", 4000)
    model = bp.load(folder / f"{target}.bp")
    known = {**model.preprocessor.readings, target: model.target.reading}
    notes = []
    found = evaluation.evaluate(model, Stream(folder / "new.csv", known), notices=notes)
    whole = evaluation.evaluate(model, read_table(folder / "new.csv", kinds=known))
    exact = {"big": ("accuracy", "log loss", "Brier score", "Matthews"), "price": ("R²", "MAE", "largest error")}
    for name in exact[target]:
        assert found.scores[name] == pytest.approx(whole.scores[name])
    sampled = {"big": ("ROC AUC", "average precision"), "price": ("median AE",)}
    for name in sampled[target]:
        assert found.scores[name] == pytest.approx(whole.scores[name], rel=0.3)
        assert found.scores[name] != whole.scores[name]
    told = "areas under curves" if target == "big" else "medians and quantiles"
    assert any(note.startswith(f"{told}: of ") and note.endswith(f"drawn evenly from {ROWS}") for note in notes)
    assert any(note.startswith("importance: of ") for note in notes)


def test_what_a_later_file_lacks_is_said_as_of_a_file_that_fits(folder, tmp_path):
    columns = rows_of_a_shop(2)
    columns["place"] = np.where(np.arange(ROWS) % 300 == 0, "Chur", columns["place"])
    write(tmp_path / "unseen.csv", columns)
    kinds = [
        invoke("predict", folder / "big.bp", tmp_path / "unseen.csv", flag) for flag in ("--stream", "--no-stream")
    ]
    assert kinds[0].stdout == kinds[1].stdout
    assert [line for line in kinds[0].stderr.splitlines() if "Chur" in line]
    del columns["amount"]
    write(tmp_path / "less.csv", columns)
    kinds = [invoke("predict", folder / "big.bp", tmp_path / "less.csv", flag) for flag in WAYS]
    assert "less.csv lacks a column that the model was trained on: 'amount'" in kinds[0].stderr
    assert kinds[0].stderr == kinds[1].stderr
    filled = invoke("predict", folder / "big.bp", tmp_path / "less.csv", "--stream", "--fill-missing-columns")
    assert filled.stderr.count("taken as missing in every row") == 1
    done = invoke("evaluate", folder / "price.bp", write(tmp_path / "bare.csv", {"amount": [1.0]}), "--stream")
    assert "bare.csv has no column 'price', the target. Its columns: 'amount'" in done.stderr


def test_a_yes_no_target_is_judged_in_whatever_words(folder, tmp_path):
    columns = rows_of_a_shop(3)
    one = invoke("evaluate", folder / "big.bp", write(tmp_path / "a.csv", columns), "--json", "--repeats", 0)
    columns["big"] = np.where(np.array(columns["big"]) == "yes", "TRUE", "FALSE")
    other = invoke("evaluate", folder / "big.bp", write(tmp_path / "b.csv", columns), "--json", "--repeats", 0)
    assert one.exit_code == 0, one.stderr
    assert other.stdout == one.stdout


def test_a_failure_leaves_the_output_as_it_was(folder, tmp_path):
    with open(tmp_path / "new.csv", "w") as file:
        file.write((folder / "new.csv").read_text() + "1,2,3,4,5,6,7\n")
    (tmp_path / "out.csv").write_text("before")
    with pytest.raises(DataError, match="cannot be read"):
        predict_file(bp.load(folder / "big.bp"), tmp_path / "new.csv", tmp_path / "out.csv", stream=True)
    assert (tmp_path / "out.csv").read_text() == "before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new.csv", "out.csv"]


@pytest.mark.parametrize("name", ["told.xlsx", "told.JSON", "told.bp"])
def test_an_ending_of_another_format_is_refused_before_anything_is_read(folder, tmp_path, name):
    with pytest.raises(DataError, match=r"written as CSV or Parquet, and not as .*told\.csv or .*told\.parquet"):
        predict_file(bp.load(folder / "big.bp"), folder / "new.csv", tmp_path / name)
    assert not list(tmp_path.iterdir())
