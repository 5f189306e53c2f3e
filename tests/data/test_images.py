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
from backpass.data.images import image_table, read_images
from backpass.data.read import read_table
from backpass.graph.errors import DataError

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
    assert table.names[:2] == ["pixel_0_0", "pixel_0_1"]
    assert len(table.columns) == 31
    assert table["label"].texts().tolist() == ["above"] * 14 + ["below"] * 14
    assert table.notices == ("28 images in grey, 6 by 5 pixels, in 2 folders ('above', 'below')",)
    assert image_table(tmp_path / "a", ["red_3_3"]).names[:2] == ["red_0_0", "red_0_1"]
    assert len(image_table(tmp_path / "a", side=3).columns) == 10


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
