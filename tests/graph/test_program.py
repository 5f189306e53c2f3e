"""The graph: how it prints, what JSON keeps of it, when two are equal, and what no graph may be."""

import json
import subprocess
import sys
from collections import namedtuple
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings

import backpass as bp
from backpass.graph.aval import Aval
from backpass.graph.encode import decode, encode
from backpass.graph.errors import ShapeError
from backpass.graph.op import OPS
from backpass.graph.origin import Where
from backpass.graph.program import Graph, GraphError, GraphNode
from backpass.graph.pytree import flatten

from .programs import arguments, bits, function_of, steps

F64 = np.dtype("float64")
ONE = flatten(0.0)[1]
ONES = flatten((0.0,))[1]


def node(name, inputs=(), shape=(3,), dtype=F64, attrs=None, **rest):
    return GraphNode(
        OPS[name], tuple(inputs), attrs or {}, Aval(shape, np.dtype(dtype), rest.pop("weak", False)), **rest
    )


def graph_of(*nodes, inputs=(0,), outputs=(1,), in_tree=ONES, out_tree=ONE, **rest):
    return Graph(nodes, inputs, outputs, in_tree, out_tree, **rest)


def loss(theta, x):
    hidden = np.tanh(x @ theta["W"] + theta["b"])
    return np.mean((hidden - 0.5) ** 2)


THETA = {"W": np.linspace(-1, 1, 6).reshape(3, 2), "b": np.array([0.1, -0.2])}
X = np.linspace(-2, 2, 12).reshape(4, 3)


# ---- printing
def test_printing():
    graph = bp.trace(loss, THETA, X)
    lines = [" ".join(line.split("test_program.py")[0].split()) for line in str(graph).split("\n")]
    assert lines == [
        "graph loss: 3 inputs, 12 nodes, 1 outputs",
        "theta.W = input float64[3,2]",
        "theta.b = input float64[2]",
        "x = input float64[4,3]",
        "%3 = matmul(x, theta.W) float64[4,2]",
        "%4 = add(%3, theta.b) float64[4,2]",
        "hidden = tanh(%4) float64[4,2]",
        "%6 = 0.5 float64~",
        "%7 = subtract(hidden, %6) float64[4,2]",
        "%8 = square(%7) float64[4,2]",
        "%9 = sum(%8, axis=(0, 1), keepdims=False) float64",
        "%10 = 8 int64~",
        "loss = divide(%9, %10) float64",
        "return loss",
    ]
    assert repr(graph) == "<graph loss: 3 inputs, 12 nodes, 1 outputs>"
    assert len({line.index("float64") for line in graph.lines()[1:4]}) == 1  # types stand in a column


def test_backward_lines_say_what_they_derive():
    text = str(bp.trace(bp.grad(loss), THETA, X))
    assert "backward of hidden" in text
    assert "test_program.py" in text


def test_repeated_names_are_numbered():
    def f(x):
        for _ in range(3):
            x = np.sin(x)
        return x

    graph = bp.trace(f, 1.0)
    assert graph.display_names() == ["x", "x#2", "x#3", "x#4"]
    assert str(graph).endswith("return x#4")


def test_printing_attributes():
    text = str(
        bp.trace(lambda x: (x[..., None, 1:, ::2], x[:-1], x[np.array([1, 0])], np.sum(x, axis=1)), np.ones((3, 4)))
    )
    assert "slice(x, key=(…, None, 1:, ::2))" in text
    assert "key=(:-1,)" in text or "key=(:-1))" in text
    assert "constant" in text
    assert "axis=(1,), keepdims=False" in text


# ---- running
def test_running_is_the_function():
    graph = bp.trace(loss, THETA, X)
    assert bits(graph(THETA, X)) == bits(loss(THETA, X))


def test_a_graph_is_differentiated_like_a_function():
    graph = bp.trace(loss, THETA, X)
    want = bp.grad(loss)(THETA, X)
    have = bp.grad(graph)(THETA, X)
    assert {k: bits(v) for k, v in want.items()} == {k: bits(v) for k, v in have.items()}
    again = bp.trace(bp.grad(graph), THETA, X)(THETA, X)
    assert {k: bits(v) for k, v in again.items()} == {k: bits(v) for k, v in want.items()}


def test_weak_numbers_stay_weak():
    w = np.ones(3, "float32")
    graph = bp.trace(lambda s, w: np.sum((s * 2.0) * w), 1.5, w)
    for s in (1.5, np.float64(1.5), np.array(1.5)):
        assert graph(s, w).dtype == np.float32
    assert bp.grad(lambda w: graph(1.5, w))(w).dtype == np.float32
    assert bp.grad(graph)(1.5, w) == 6.0
    assert bp.trace(lambda s, w: graph(s, w), 1.5, w)(1.5, w).dtype == np.float32
    strong = bp.trace(lambda s, w: s * w, np.float64(1.5), w)
    assert strong(1.5, w).dtype == np.float64


def test_wrong_arguments():
    graph = bp.trace(loss, THETA, X)
    with pytest.raises(
        ShapeError, match=r"graph loss takes the arguments Tree\(\({'W': '\*', 'b': '\*'}, '\*'\)\), not Tree"
    ):
        graph(X, THETA)
    with pytest.raises(ShapeError, match=r"argument x is float64\[5,3\], the graph was traced for float64\[4,3\]"):
        graph(THETA, np.ones((5, 3)))
    with pytest.raises(ShapeError, match=r"argument x is float32\[4,3\], the graph was traced for float64\[4,3\]"):
        graph(THETA, X.astype("float32"))
    with pytest.raises(ShapeError, match=r"argument theta\.b is"):
        graph({"W": THETA["W"], "b": "text"}, X)


def power(x, n, name="up", flags=(True, None)):
    return x**n if name == "up" else x * flags[0]


def test_arguments_that_are_held_fixed():
    x = np.array([1.0, 2.0])
    graph = bp.trace(power, x, 3, "up", (True, None))
    for g in (graph, Graph.from_json(graph.to_json())):
        assert np.array_equal(g(x, 3, "up", (True, None)), x**3)
        with pytest.raises(
            ShapeError, match=r"traced with argument 1 = 3, .* called with 4\. Trace the function again"
        ):
            g(x, 4, "up", (True, None))
        with pytest.raises(ShapeError, match="argument 2 = 'up'"):
            g(x, 3, "down", (True, None))
        with pytest.raises(ShapeError, match=r"argument 3\.0 = True"):
            g(x, 3, "up", (1, None))
        with pytest.raises(ShapeError, match="takes the arguments"):
            g(x)
        assert np.array_equal(bp.grad(lambda x, g=g: np.sum(g(x, 3, "up", (True, None))))(x), 3 * x**2)
    assert Graph.from_json(graph.to_json()) == graph


def test_functions_among_the_arguments_are_kept_by_name():
    graph = bp.trace(lambda f, x: f(x) * 2.0, np.tanh, X)
    again = Graph.from_json(graph.to_json())
    assert bits(again(np.tanh, X)) == bits(np.tanh(X) * 2.0)
    with pytest.raises(ShapeError, match=r"traced with argument 0 = .*tanh"):
        again(np.sinh, X)


Layer = namedtuple("Layer", ["W", "b"])


@dataclass
class Model:
    layer: Layer


def test_a_graph_from_a_file_takes_the_users_own_classes():
    model = Model(Layer(THETA["W"], THETA["b"]))

    def predict(model, x):
        return Layer(x @ model.layer.W, model.layer.b)

    graph = bp.trace(predict, model, X)
    assert type(graph(model, X)) is Layer
    again = Graph.from_json(graph.to_json())
    assert again == graph
    W, b = again(model, X)
    assert np.array_equal(W, X @ model.layer.W)
    assert b is not model.layer.b


def test_nobody_shares_a_graphs_constants_or_results():
    c = np.array([1.0, 2.0])

    def f(x):
        return c, x + c, x + c, x, np.broadcast_to(x[0], (2,))

    graph = bp.trace(f, c)
    x = np.array([5.0, 6.0])
    first = graph(x)
    assert len({id(v) for v in first}) == 5
    for value in first:
        value[:] = -1.0  # a result may be written to
    c[:] = 100.0  # and the user's array may change after the trace
    assert np.array_equal(x, [5.0, 6.0])
    assert [v.tolist() for v in graph(x)] == [[1, 2], [6, 8], [6, 8], [5, 6], [5, 5]]


# ---- JSON
@pytest.mark.parametrize(
    "constant",
    [
        *[np.array([[1, 0, 1]]).astype(d) for d in "?bBhiIqQefdF"],
        np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324]),
        np.float32("nan"),
        np.float64("-inf"),
        np.float64(-0.0),
        np.int8(-3),
        np.bool_(True),
        np.zeros((0, 3)),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(6.0)[::-2],
        2.5,
        -0.0,
        float("inf"),
        7,
        2**62,
        True,
    ],
    ids=repr,
)
def test_constants_round_trip(constant):
    graph = bp.trace(lambda x: (x * 1.5, constant), 1.0)
    again = Graph.from_json(graph.to_json())
    value = again(2.0)[1]
    assert bits(value) == bits(constant)
    assert isinstance(value, (np.ndarray, np.generic)) == isinstance(constant, (np.ndarray, np.generic))
    assert again == graph
    assert again.to_json() == graph.to_json()
    json.loads(graph.to_json(), parse_constant=pytest.fail)  # no NaN or Infinity, which are not JSON


@pytest.mark.parametrize(
    "value",
    [
        None, True, False, 0, -3, 2**70, 1.5, -0.0, float("inf"), "text", "π", (), (1, (2, "a", None)), ...,
        slice(None), slice(1, None, -2), (..., None, slice(0, 3), 1),
        np.array([1, 2]), np.float32(2.5), np.array([True, False]),
    ],
    ids=repr,
)  # fmt: skip
def test_attributes_round_trip(value):
    again = decode(json.loads(json.dumps(encode(value))))
    assert type(again) is type(value)
    assert np.array_equal(again, value) if isinstance(value, np.ndarray) else again == value
    assert repr(again) == repr(value)


def test_nan_attributes_round_trip():
    assert np.isnan(decode(json.loads(json.dumps(encode(float("nan"))))))


@pytest.mark.parametrize(
    "value",
    [object(), {1, 2}, {"a": 1}, np.array(["a"]), 1j, np.array([None])],
    ids=["object", "set", "dict", "text", "complex", "objects"],
)
def test_attributes_that_cannot_be_stored(value):
    with pytest.raises(GraphError, match="cannot be stored"):
        encode(value)


def test_names_lines_composites_and_links_round_trip():
    graph = bp.trace(bp.value_and_grad(loss), THETA, X)
    again = Graph.from_json(graph.to_json())
    assert again == graph
    assert str(again) == str(graph)
    for a, b in zip(graph.nodes, again.nodes, strict=True):
        assert (a.name, a.where, a.composite, a.adjoint, a.aval, a.attrs) == (
            b.name,
            b.where,
            b.composite,
            b.adjoint,
            b.aval,
            b.attrs,
        )
    assert any(n.composite for n in again.nodes)
    assert any(n.adjoint for n in again.nodes)
    value, gradient = again(THETA, X)
    want = bp.value_and_grad(loss)(THETA, X)
    assert bits(value) == bits(want[0])
    assert bits(gradient["W"]) == bits(want[1]["W"])


def test_custom_rules_are_not_stored():
    @bp.custom_rule(vjp=lambda g, out, x: g)
    def exp(x):
        return x + 1.0

    graph = bp.trace(lambda x: exp(x), 1.0)
    assert graph(1.0) == 2.0
    with pytest.raises(GraphError, match="exp_ has a custom rule: its code is yours, and a stored graph holds no code"):
        graph.to_json()
    assert graph == graph
    assert graph != bp.trace(lambda x: np.exp(x), 1.0)


def test_equality():
    def same():
        return bp.trace(loss, THETA, X)

    assert same() == same()
    assert hash(same()) == hash(same())
    assert same() != bp.trace(loss, THETA, X[:2])
    assert same() != "graph"
    assert bp.trace(lambda x: x * 2.0, 1.0) != bp.trace(lambda x: x * 3.0, 1.0)


@settings(max_examples=100)
@given(arguments(), steps())
def test_any_program_round_trips(args, program):
    with np.errstate(all="ignore"):
        graph = bp.trace(function_of(program, args), *args, simplified=False)
        again = Graph.from_json(graph.to_json())
        assert again == graph
        assert [bits(v) for v in flatten(again(*args))[0]] == [bits(v) for v in flatten(graph(*args))[0]]


# ---- the type check
WRONG = {
    "the trees do not fit 0 inputs": lambda: graph_of(node("input"), node("exp", [0]), inputs=()),
    "the trees do not fit 1 inputs and 2 outputs": lambda: graph_of(node("input"), node("exp", [0]), outputs=(1, 1)),
    "there is no line 7": lambda: graph_of(node("input"), node("exp", [0]), outputs=(7,)),
    "there is no line -1": lambda: graph_of(node("input"), node("exp", [0]), outputs=(-1,)),
    "one line stands for two arguments": lambda: graph_of(
        node("input"), node("exp", [0]), inputs=(0, 0), in_tree=flatten((0.0, 0.0))[1]
    ),
    "line 1: exp reads a line that does not come before it": lambda: graph_of(node("input"), node("exp", [1])),
    "line 1: add reads a line": lambda: graph_of(node("input"), node("add", [0, 2]), node("exp", [0])),
    "line 1: add reads a line ": lambda: graph_of(node("input"), node("add", [0, -1])),
    "line 1: a source that is neither argument": lambda: graph_of(node("input"), node("constant", attrs={"a": 1})),
    "line 1: a source that is neither": lambda: graph_of(node("input"), node("input")),
    "line 1: a source that is neither argument nor constant": lambda: graph_of(
        node("input"), node("constant", [0], value=np.ones(3))
    ),
    r"line 1: constant float64\[2\] typed float64\[3\]": lambda: graph_of(
        node("input"), node("constant", value=np.ones(2))
    ),
    r"line 1: exp gives float64\[3\], typed float64\[4\]": lambda: graph_of(node("input"), node("exp", [0], (4,))),
    r"line 1: exp gives float64\[3\], typed float32\[3\]": lambda: graph_of(
        node("input"), node("exp", [0], dtype="float32")
    ),
    r"line 2: add: .*broadcast": lambda: graph_of(
        node("input"), node("constant", shape=(2,), value=np.ones(2)), node("add", [0, 1]), outputs=(2,)
    ),
    r"line 1: add: ": lambda: graph_of(node("input"), node("add", [0])),
    r"line 1: exp: .*unexpected": lambda: graph_of(node("input"), node("exp", [0], attrs={"axis": 0})),
    r"line 1: sum: ": lambda: graph_of(node("input"), node("sum", [0], attrs={"axis": (4,), "keepdims": False})),
    r"line 1: transpose: ": lambda: graph_of(node("input"), node("transpose", [0])),
    r"line 1: exp derives a line that does not come before": lambda: graph_of(
        node("input"), node("exp", [0], adjoint=("backward", 1))
    ),
    r"line 1: exp is typed float64\[3\]~, which is no Python number": lambda: graph_of(
        node("input"), node("exp", [0], weak=True)
    ),
    "an argument held fixed has no place": lambda: graph_of(
        node("input"), node("exp", [0]), in_tree=flatten((0.0, 0.0))[1], fixed={5: 1}
    ),
}


@pytest.mark.parametrize("message", WRONG)
def test_ill_formed_graphs_do_not_exist(message):
    with pytest.raises(GraphError, match=message):
        WRONG[message]()


def test_a_well_formed_graph_by_hand():
    graph = graph_of(node("input"), node("exp", [0], label="y", place=Where("f.py", 3, 3, 0, 5, "f")))
    assert np.array_equal(graph(np.zeros(3)), np.ones(3))
    assert graph.nodes[1].name == "y"
    assert graph.nodes[1].scope == (Where("f.py", 3, 3, 0, 5, "f"),)
    assert "f.py:3" in str(graph)
    assert Graph.from_json(graph.to_json()) == graph
    assert replace(graph.nodes[1], label=None).name is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a graph"),
        ("[]", "the format mark is missing"),
        ("{}", "the format mark is missing"),
        ("null", "the format mark is missing"),
        ('{"format":"other"}', "the format mark is missing"),
        ('{"format":"backpass-graph","version":99}', "format version 99; this Backpass reads version 1"),
        ('{"format":"backpass-graph","version":1}', "the stored graph is damaged: KeyError"),
        ("[" * 100_000, "not a graph"),
    ],
    ids=range(8),
)
def test_text_that_is_no_graph(text, message):
    with pytest.raises(GraphError, match=message):
        Graph.from_json(text)


def test_unknown_operations_are_named():
    graph = bp.trace(np.exp, 1.0).to_dict()
    graph["nodes"][1]["op"] = "os.system"
    with pytest.raises(GraphError, match=r"an operation that this Backpass does not know: 'os\.system'"):
        Graph.from_dict(graph)


READS = """
import sys
import backpass as bp
graph = bp.Graph.from_json(sys.stdin.read())
assert "scipy" not in sys.modules
print(repr(float(graph(0.7))))
"""


def test_a_graph_of_scipys_functions_is_read_before_scipy_is_imported():
    special = pytest.importorskip("scipy.special")
    graph = bp.trace(bp.grad(lambda v: special.kv(v, 1.2) * special.betainc(2.0, v, 0.3)), 0.7)
    done = subprocess.run(
        [sys.executable, "-c", READS], input=graph.to_json(), capture_output=True, text=True, check=True
    )
    assert float(done.stdout) == graph(0.7)
