"""`Checkpoint`: every leaf comes back with its bits, its type and its layout in memory."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from backpass.graph.errors import ModelFileError
from backpass.train.checkpoint import Checkpoint
from backpass.train.history import Epoch, History

HISTORY = History([Epoch(1, 0.5, None, {"accuracy": 0.25, "own": math.nan}, 0.01, math.inf, 0.1)], None, "interrupted")


def checkpoint(carried, best=None):
    order = np.random.default_rng(3).bit_generator.state
    return Checkpoint(carried, 7, 2, (0.1, 1e300), order, HISTORY, best, math.inf, 1.5)


def there_and_back(found, folder):
    names = tuple(f"theta.{k}" for k in range(len(found.carried)))
    found.write(folder / "one.ckpt", names, {"seed": 3})
    return Checkpoint.read(folder / "one.ckpt")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("checkpoints")


shapes = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
types = st.sampled_from(["f2", "f4", "f8", "c16", "i1", "u2", "i4", "u8", "i8", "?"])


@given(st.data(), types, shapes)
@settings(max_examples=60)
def test_a_leaf_comes_back_as_it_was(folder, data, dtype, shape):
    array = np.frombuffer(np.random.default_rng(0).bytes(16 * math.prod(shape)), np.uint8)
    array = array[: math.prod(shape) * np.dtype(dtype).itemsize].view(dtype).reshape(shape)
    if dtype == "?":
        array = np.zeros(shape, bool)
    if shape:
        axes = data.draw(st.permutations(range(len(shape))))
        array = array.copy().transpose(axes)
    leaf = array[()] if not shape and data.draw(st.booleans()) else array
    back = there_and_back(checkpoint([leaf], [leaf]), folder)[0]
    for found in (back.carried[0], back.best[0]):
        assert type(found) is type(leaf)
        assert found.dtype == leaf.dtype
        assert found.tobytes() == leaf.tobytes()
        assert found.shape == leaf.shape
        if leaf.size and leaf.ndim > 1 and min(leaf.shape) > 1:
            assert found.strides == leaf.strides


def test_the_rest_comes_back_too(folder):
    back, identity = there_and_back(checkpoint([np.float32(1), 2.5, 3]), folder)
    assert back.carried == [np.float32(1), 2.5, 3]
    assert [type(leaf) for leaf in back.carried] == [np.float32, float, int]
    assert (back.count, back.position, back.sums, back.best_loss, back.seconds) == (7, 2, (0.1, 1e300), math.inf, 1.5)
    assert repr(back.history) == repr(HISTORY)
    assert identity == {"seed": 3}
    rng = np.random.default_rng()
    rng.bit_generator.state = back.order
    assert rng.permutation(9).tolist() == np.random.default_rng(3).permutation(9).tolist()


def test_a_product_rounds_by_the_layout_that_is_kept(folder):
    """Why the layout is kept: the same numbers in another order in memory give another last bit."""
    rng = np.random.default_rng(0)
    x, theta = rng.normal(size=(33, 65)), np.asfortranarray(rng.normal(size=(65, 19)))
    (back,) = there_and_back(checkpoint([theta]), folder)[0].carried
    assert (x @ back).tobytes() == (x @ theta).tobytes()
    assert back.flags.f_contiguous


def test_the_same_checkpoint_gives_the_same_file(folder):
    names = ("theta.W",)
    for name in ("a", "b"):
        checkpoint([np.ones((2, 3))]).write(folder / name, names, {})
    assert (folder / "a").read_bytes() == (folder / "b").read_bytes()


def test_other_files_are_refused(folder):
    import backpass as bp

    (folder / "text").write_text("text" * 10)
    with pytest.raises(ModelFileError, match="text is not a Backpass checkpoint"):
        Checkpoint.read(folder / "text")
    x = np.zeros((20, 2))
    bp.fit(bp.nn.mlp([1]), (x, x[:, 0]), "squared_error", epochs=1, progress=False).model.save(folder / "model.bp")
    with pytest.raises(ModelFileError, match="a safetensors file, but not a Backpass checkpoint"):
        Checkpoint.read(folder / "model.bp")
    checkpoint([np.ones(3)]).write(folder / "one", ("a",), {})
    with pytest.raises(ModelFileError, match="one is a safetensors file, but not a Backpass model"):
        bp.load(folder / "one")


def test_damage_is_found(folder):
    path = folder / "whole"
    checkpoint([np.arange(12.0).reshape(3, 4)]).write(path, ("theta.W",), {})
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(200):
        data = bytearray(whole)
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        path.write_bytes(data[: rng.integers(1, len(data))] if rng.random() < 0.3 else data)
        try:
            found, _ = Checkpoint.read(path)
        except ModelFileError:
            continue
        assert found.carried[0].tolist() == np.arange(12.0).reshape(3, 4).tolist()
