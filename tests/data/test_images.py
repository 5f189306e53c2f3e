"""Folders of images: arrays, tables, and the command line on them."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import backpass as bp
from backpass.cli import main
from backpass.data.columns import ImageColumn
from backpass.data.images import ImageStream, read_images
from backpass.data.prepare import prepare
from backpass.data.prepare_large import prepare_large
from backpass.data.preprocess import Preprocessor
from backpass.data.read import read_table
from backpass.data.table import Column, Reading, Table
from backpass.graph.errors import DataError, ModelFileError

draw = np.random.default_rng(0)


def made(folder, each=14, size=(6, 5), mode="L", ending="png"):
    """Images of two classes: bright above, bright below."""
    for label in ("above", "below"):
        (folder / label).mkdir(parents=True)
        for k in range(each):
            pixels = draw.integers(0, 60, (*size, 3) if mode == "RGB" else size).astype(np.uint8)
            half = slice(0, size[0] // 2) if label == "above" else slice(size[0] // 2, None)
            pixels[half] += 150
            Image.fromarray(pixels).save(folder / label / f"{k:02d}.{ending}")
    (folder / "above" / "notes.txt").write_text("not an image")
    (folder / ".hidden").mkdir()
    return folder


def test_images_as_arrays(tmp_path):
    images, labels = read_images(made(tmp_path / "a"))
    assert images.shape == (28, 6, 5)
    assert images.dtype == np.uint8
    assert labels == ["above"] * 14 + ["below"] * 14
    assert images[0, :3].mean() > 100 > images[0, 3:].mean()
    np.testing.assert_array_equal(images[3], np.asarray(Image.open(tmp_path / "a/above/03.png")))
    colour, _ = read_images(made(tmp_path / "b", mode="RGB", ending="bmp"))
    assert colour.shape == (28, 6, 5, 3)
    grey, _ = read_images(tmp_path / "b", colour=False, size=(3, 4))
    assert grey.shape == (28, 3, 4)


def test_images_of_several_sizes_are_brought_to_one(tmp_path):
    folder = made(tmp_path / "a", each=2)
    Image.new("L", (300, 200), 90).save(folder / "above" / "large.jpg")
    images, _ = read_images(folder)
    assert images.shape == (5, 32, 32)
    assert abs(images[2].astype(int) - 90).max() <= 2


def test_images_as_a_table(tmp_path):
    table = read_table(made(tmp_path / "a"))
    assert table.names == ["image", "label"]
    assert (table["image"].kind, table["image"].values.shape) == ("image", (28, 6, 5))
    assert table["label"].texts().tolist() == ["above"] * 14 + ["below"] * 14
    assert table.notices == ("28 images in grey, 6 by 5 pixels, in 2 folders ('above', 'below')",)
    assert read_table(tmp_path / "a", {"image": Reading("image", "", "4x3x3")})["image"].values.shape == (28, 4, 3, 3)
    assert read_table(tmp_path / "a", image_size=3)["image"].values.shape == (28, 3, 3)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_the_features_of_images(tmp_path, mode):
    table = read_table(made(tmp_path / "a", mode=mode))
    pre = Preprocessor.fit(table, "label")
    pixels = table["image"].values.reshape(28, -1).astype(np.float64)
    x = pre.transform(table)
    np.testing.assert_allclose(x, (pixels - pixels.mean()) / pixels.std(), rtol=0, atol=1e-5)
    assert len(pre.feature_names) == pre.size == x.shape[1]
    assert pre.feature_names[:2] == (["pixel_0_0", "pixel_0_1"] if mode == "L" else ["red_0_0", "green_0_0"])
    assert Preprocessor.from_json(pre.to_json()) == pre
    tiles = dict(pre.parts)
    assert sorted(np.concatenate(list(tiles.values())).tolist()) == list(range(pre.size))
    assert pre.feature_names[tiles["image, rows 4, columns 2"][0]].endswith("_4_2")
    with pytest.raises(DataError, match=r"images of 5 by 6 pixels and \d channels, and the model was trained on"):
        pre.transform(Table((Column("image", "image", np.swapaxes(table["image"].values, 1, 2)),)))
    with pytest.raises(DataError, match="trained on images, and the table holds none"):
        pre.transform(Table.from_arrays({"a": [1, 2]}), fill_missing_columns=True)
    with pytest.raises(DataError, match="all of its pixels are alike"):
        Preprocessor.fit(Table.from_arrays({"image": np.full((12, 2, 2), 7, np.uint8)}))


@pytest.mark.parametrize(("field", "value"), [("height", 10**6), ("channels", 2), ("std", 0), ("width", 0)])
def test_a_damaged_record_of_images_is_refused(field, value):
    pre = Preprocessor((ImageColumn("image", 2, 2, 1, 0.0, 1.0),), {})
    state = pre.to_json()
    state["columns"][0][field] = value
    with pytest.raises(ModelFileError, match=r"the model file is damaged: preprocessor.columns\[0\]"):
        Preprocessor.from_json(state)


def test_a_folder_read_in_pieces_gives_the_same_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("backpass.data.images.BLOCK", 200)
    folder = ImageStream(made(tmp_path / "a", each=40))
    whole = folder.table()
    blocks = list(folder.tables({"image": Reading("image"), "label": Reading("text")}))
    assert max(map(len, blocks)) == 6
    np.testing.assert_array_equal(np.concatenate([b["image"].values for b in blocks]), whole["image"].values)
    assert [text for b in blocks for text in b["label"].texts()] == whole["label"].texts().tolist()
    ready = prepare_large(folder, "label", validation=0.1, test=0.2)
    assert sum(ready.sizes) == 80
    assert ready.train.specs[0] == (np.dtype(np.float32), (30,))
    encoder = prepare(whole, "label", validation=0, test=0).preprocessor.encoders[0]
    assert ready.preprocessor.encoders[0] == encoder
    monkeypatch.setattr("backpass.data.images.SAMPLE_BYTES", 300)
    survey = folder.survey("label")
    assert 10 <= len(survey.sample) <= 12
    assert set(survey.sample["label"].texts()) == {"above", "below"}


def test_a_large_folder_is_trained_and_judged_in_pieces(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("backpass.data.images.LARGE", 1000)
    made(tmp_path / "photos", each=40)
    run = CliRunner()
    done = run.invoke(main, ["train", "photos", "--epochs", "15", "--hidden", "16", "--lr", "0.01"])
    assert done.exit_code == 0, done.output
    assert "photos is large: it is read in pieces" in done.stderr
    judged = run.invoke(main, ["evaluate", "photos.bp", "photos", "--repeats", "1"])
    assert judged.exit_code == 0, judged.output
    assert "judged on 80 rows of photos" in judged.stdout
    assert "image, rows 0–1, columns 0–1" in judged.stdout
    predicted = run.invoke(main, ["predict", "photos.bp", "photos"])
    rows = list(csv.DictReader(io.StringIO(predicted.stdout)))
    assert [row["file"] for row in rows[:2]] == ["above/00.png", "above/01.png"]
    assert np.mean([row["file"].startswith(row["label"]) for row in rows]) > 0.9


def test_a_model_of_images_names_what_it_needs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made(tmp_path / "photos")
    run = CliRunner()
    assert run.invoke(main, ["train", "photos", "--epochs", "1", "-q"]).exit_code == 0
    Path("a.csv").write_text("a,label\n1,above\n")
    refused = run.invoke(main, ["predict", "photos.bp", "a.csv"])
    assert "the model was trained on images, and a.csv holds none; give it a folder of images" in refused.stderr


def test_pictures_stand_as_the_camera_was_held(tmp_path):
    folder = made(tmp_path / "a", each=1, size=(6, 5), ending="jpg")
    turned = Image.open(folder / "above" / "00.jpg")
    exif = turned.getexif()
    exif[0x0112] = 6  # to be turned by a quarter
    Image.fromarray(np.asarray(turned).T).save(folder / "above" / "01.jpg", exif=exif)
    images, _ = read_images(folder)
    assert images.shape == (3, 6, 5)


def test_sixteen_bits_a_pixel(tmp_path):
    (tmp_path / "a").mkdir()
    Image.fromarray(np.array([[0, 30000, 65535]], np.uint16)).save(tmp_path / "a" / "wide.png")
    images, _ = read_images(tmp_path)
    assert images[0].tolist() == [[0, 116, 255]]


def test_images_that_lie_elsewhere_are_told_of(tmp_path):
    folder = made(tmp_path / "set" / "train", each=2)
    with pytest.raises(DataError, match=r"set is a folder whose images lie one folder deeper; name one of '.*train'"):
        read_table(tmp_path / "set")
    Image.new("L", (5, 6)).save(folder / "stray.png")
    assert read_table(folder).notices[1] == "1 image in train lies in no folder: left out"


def test_images_in_an_npz_file(tmp_path):
    pixels = draw.integers(0, 256, (20, 4, 3, 3)).astype(np.uint8)
    np.savez(tmp_path / "a.npz", X=pixels, y=np.arange(20) % 2)
    table = read_table(tmp_path / "a.npz")
    assert table.names == ["image", "y"]
    np.testing.assert_array_equal(table["image"].values, pixels)
    assert table.notices == ("X of shape (20, 4, 3, 3) is read as 20 images",)
    assert prepare(table, "y").x.shape == (20, 36)


def test_the_command_line_on_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made(tmp_path / "photos", mode="RGB")
    run = CliRunner()
    done = run.invoke(main, ["train", "photos", "--epochs", "20", "--hidden", "16"])
    assert done.exit_code == 0, done.output
    assert "28 images in colour" in done.stderr
    (tmp_path / "new").mkdir()
    for k, (first, second) in enumerate([(200, 20), (20, 200)]):
        pixels = np.full((60, 50, 3), first, np.uint8)
        pixels[30:] = second
        Image.fromarray(pixels).save(tmp_path / "new" / f"{k}.png")
    done = run.invoke(main, ["predict", "photos.bp", "new"])
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(row["file"], row["label"]) for row in rows] == [("0.png", "above"), ("1.png", "below")]
    judged = run.invoke(main, ["evaluate", "photos.bp", "photos", "--repeats", "0"])
    assert judged.exit_code == 0, judged.output
    assert "judged on 28 rows of photos" in judged.stdout


def test_a_network_of_ones_own_on_images(tmp_path):
    images, labels = read_images(made(tmp_path / "a"))
    x = images.reshape(len(images), -1) / np.float32(255)
    run = bp.fit(bp.nn.mlp([8, 2]), (x, labels), epochs=30, optimizer=bp.descent.adam(0.02), progress=False)
    assert np.mean(run.model.predict(x) == labels) == 1


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n" + b"x" * 50, b"GIF89a", b"text"])
def test_an_image_that_cannot_be_read_is_named(tmp_path, content):
    folder = made(tmp_path / "a", each=1)
    (folder / "below" / "broken.png").write_bytes(content)
    with pytest.raises(DataError, match=r"broken\.png cannot be read"):
        read_images(folder)


def test_an_image_cut_short_is_named(tmp_path):
    folder = made(tmp_path / "a", each=1)
    whole = (folder / "below" / "00.png").read_bytes()
    (folder / "below" / "00.png").write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(DataError, match=r"00\.png cannot be read"):
        read_images(folder)


def test_folders_without_images(tmp_path):
    with pytest.raises(DataError, match="there is no image"):
        read_images(tmp_path)
    with pytest.raises(DataError, match="is a folder, without any data file"):
        read_table(tmp_path)


def test_the_size_of_images_can_be_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made(tmp_path / "photos", size=(20, 24))
    run = CliRunner()
    done = run.invoke(main, ["train", "photos", "--image-size", "6", "--epochs", "20", "--hidden", "16"])
    assert done.exit_code == 0, done.output
    assert "6 by 6 pixels" in done.stderr
    assert "Training 36 → 16 → 2" in done.stderr
    predicted = run.invoke(main, ["predict", "photos.bp", "photos"])
    assert predicted.stdout.count("above") + predicted.stdout.count("below") == 2 * 28  # a folder's name and a class
    Path("table.csv").write_text("a,b\n1,x\n")
    refused = run.invoke(main, ["train", "table.csv", "-t", "b", "--image-size", "6"])
    assert refused.exit_code == 2
    assert "--image-size is for a folder of images" in refused.stderr
