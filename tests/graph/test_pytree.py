"""Pytrees: every nest comes apart and together again, with its own classes, order and paths."""

from collections import Counter, OrderedDict, defaultdict, namedtuple
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpass.graph.aval import Aval
from backpass.graph.pytree import LEAF, PytreeError, Tree, flatten, leaves_of, tree_map

Layer = namedtuple("Layer", ["W", "b"])


@dataclass
class Model:
    scale: float
    layers: list = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Frozen:
    a: float
    b: object = None

    def __post_init__(self):
        if isinstance(self.a, str):
            raise ValueError("a rebuilt nest must not run this again")


@pytest.mark.parametrize(
    ("value", "leaves", "paths"),
    [
        (1.0, [1.0], ("",)),
        (None, [], ()),
        ([], [], ()),
        ({}, [], ()),
        ((1, [2, None], {"c": 3}), [1, 2, 3], ("0", "1.0", "2.c")),
        ({"b": 1, "a": {"x": 2}}, [1, 2], ("b", "a.x")),
        (Layer(1, 2), [1, 2], ("W", "b")),
        (Model(1, [Layer(2, 3)]), [1, 2, 3], ("scale", "layers.0.W", "layers.0.b")),
        (Frozen(1, None), [1], ("a",)),
        ({3: "x", ("k", 1): "y"}, ["x", "y"], ("3", "('k', 1)")),
        (OrderedDict(z=1, y=2), [1, 2], ("z", "y")),
        (defaultdict(list, w=1), [1], ("w",)),
        (Counter(w=2), [2], ("w",)),
        (Aval((2,), np.dtype(float)), [Aval((2,), np.dtype(float))], ("",)),
    ],
)
def test_apart_and_together(value, leaves, paths):
    found, tree = flatten(value)
    assert (found, tree.paths, tree.size) == (leaves, paths, len(leaves))
    again = tree.unflatten(found)
    assert type(again) is type(value)
    assert again == value
    assert leaves_of(value) == leaves


def test_dict_keys_keep_their_order():
    leaves, tree = flatten({"b": 1, "a": 2})
    assert leaves == [1, 2]
    assert list(tree.unflatten(leaves)) == ["b", "a"]
    assert tree != flatten({"a": 2, "b": 1})[1]


def test_dataclass_is_rebuilt_without_its_init():
    _, tree = flatten(Frozen(1.0, [2.0]))
    new = tree.unflatten(["text", 3.0])
    assert (new.a, new.b) == ("text", [3.0])


def test_arrays_and_strings_are_leaves():
    array = np.ones((2, 2))
    leaves, tree = flatten([array, "text", b"bytes", {1, 2}])
    assert leaves[0] is array
    assert tree.size == 4


def test_trees_compare_and_hash_by_structure():
    one, other = flatten({"a": [1, 2]})[1], flatten({"a": [3.0, "x"]})[1]
    assert one == other
    assert hash(one) == hash(other)
    assert one != flatten({"a": (1, 2)})[1]
    assert one != flatten({"a": [1]})[1]
    assert one != "tree"
    assert flatten(5)[1] == LEAF
    assert repr(one) == "Tree({'a': ['*', '*']})"
    assert flatten(Layer(1, 2))[1] != flatten((1, 2))[1]


def test_tree_map_reads_several_pytrees():
    assert tree_map(lambda a, b: a + b, {"x": [1, 2]}, {"x": [10, 20]}) == {"x": [11, 22]}
    assert tree_map(abs, None) is None


def test_tree_map_refuses_other_structures():
    with pytest.raises(PytreeError, match=r"pytrees differ in structure:\n  Tree\(\{'W': '\*'\}\)\n  Tree\(\['\*'\]\)"):
        tree_map(lambda a, b: a, {"W": 1}, [1])


def test_a_nest_that_holds_itself_is_refused():
    nest: list = []
    nest.append(nest)
    with pytest.raises(PytreeError, match="this list is nested too deeply, or contains itself"):
        flatten(nest)


def test_too_few_leaves_are_not_padded():
    with pytest.raises((StopIteration, RuntimeError)):
        flatten([1, 2])[1].unflatten([1])


leaf = st.integers() | st.floats(allow_nan=False) | st.text(max_size=3)
nests = st.recursive(
    leaf | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        | st.builds(Layer, inner, inner)
        | st.builds(Model, inner, st.lists(inner, max_size=2))
    ),
    max_leaves=12,
)


@given(nests)
def test_any_nest_round_trips(value):
    leaves, tree = flatten(value)
    assert isinstance(tree, Tree)
    assert tree.unflatten(leaves) == value
    assert len(tree.paths) == tree.size == len(leaves)
    assert flatten(tree.unflatten(leaves))[1] == tree
    assert tree_map(lambda x: x, value) == value
