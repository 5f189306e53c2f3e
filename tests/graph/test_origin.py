"""Names, lines and columns: where a value comes from, as the user wrote it."""

import numpy as np
import pytest

import backpass as bp
from backpass.graph.origin import NOWHERE, forced_origin, state
from backpass.graph.source import expression_at


def names(function, *args):
    """The user's names of all lines but the arguments, in order."""
    graph = bp.trace(function, *args or (1.5,), simplified=False)
    return [node.name for node in graph.nodes if node.op.name not in ("input", "constant")]


def simple(x):
    z = np.sin(x)
    z2 = z * z
    return z2 + 1.0


def chained(x):
    a = b = np.sin(x)
    return (c := np.cos(a)) + b + c


def augmented(x):
    total = np.sin(x)
    total += np.cos(x)
    total *= 2.0
    return total


def looped(x):
    h = x
    for _ in range(3):
        h = np.tanh(h)
    return h


def tuples(x):
    a, b = np.sin(x), np.cos(x)
    (c, d), [e, f, g, h] = (a + 1.0, a + 2.0), [b + 1.0, b + 2.0, b + 3.0, b + 4.0]
    return a * c + b * d + e + f + g + h


class Holder:
    def __init__(self):
        self.z = self.other = None

    def run(self, x):
        self.z = np.sin(x)
        self.z += 1.0
        return self.z


def attributes(x):
    holder = Holder()
    out = holder.run(x)
    holder.other = np.cos(x)
    return out + holder.other


def entries(x):
    theta = {}
    theta["W"] = np.sin(x)
    theta["W"] *= 2.0
    rows = [None] * 2
    rows[0] = np.cos(x)
    for t in (1,):
        rows[t] = np.exp(x)
    return theta["W"] + rows[0] + rows[1]


def annotated(x):
    z: float = np.sin(x)
    return z * 2.0


def chosen(x):
    z = np.sin(x) if state.depth else np.cos(x)
    return z * 2.0


def layer(x):
    u = x * 2.0
    return np.tanh(u)


def caller(x):
    first = layer(x)
    second = layer(first)
    return first + second


def pair(x):
    return np.sin(x), np.cos(x) * 2.0


def record(x):
    return {"W": np.sin(x), "b": np.cos(x)}


def pairs(x):
    s, c = pair(x)
    both = pair(s)
    theta = record(c)
    return both[0] + both[1] + theta["W"] + theta["b"]


def starred(x):
    first, *rest = np.sin(x), np.cos(x), np.exp(x)
    return first + rest[0] + rest[1]


def unpacked(x):
    a, b = x
    return a * b


def in_a_call(x):
    return np.exp(np.sin(x) + 1.0)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (simple, ["z", "z2", "simple"]),
        (chained, ["a", "c", None, "chained"]),
        (augmented, ["total", None, "total", "total"]),
        (looped, ["h", "h", "h"]),
        (tuples, [*"abcdefgh", *[None] * 6, "tuples"]),
        (attributes, ["z", "z", "holder.other", "attributes"]),
        (entries, ["theta.W", "theta.W", "rows.0", "rows", None, "entries"]),
        (annotated, ["z", "annotated"]),
        (chosen, ["z", "chosen"]),
        (caller, ["u", "first", "u", "second", "caller"]),
        (pairs, ["s", None, "c", "both.0", None, "both.1", "theta.W", "theta.b", None, None, "pairs"]),
        (in_a_call, [None, None, "in_a_call"]),
        (lambda x: np.sin(x) * 2.0, [None, None]),
    ],
    ids=lambda v: v.__name__ if callable(v) else "",
)
def test_names(function, expected):
    assert names(function) == expected


def test_a_starred_target_names_nothing_by_guess():
    assert [n for n in names(starred) if n is not None] == ["starred"]


def test_an_unpacked_array_does_not_name_all_its_parts_by_the_first():
    assert names(unpacked, np.ones(2)) == [None, None, "unpacked"]


def test_arguments_are_named_by_their_path():
    def f(theta, x, *rest):
        return theta["W"] * x + theta["layers"][0] + rest[0]

    graph = bp.trace(f, {"W": 1.0, "layers": [2.0]}, np.ones(2), 3.0)
    assert [graph.nodes[i].name for i in graph.inputs] == ["theta.W", "theta.layers.0", "x", "arg2"]


def test_a_lambda_returns_under_the_name_of_what_it_is_assigned_to():
    def f(x):
        square = lambda v: v * v  # noqa: E731
        z = square(x)
        return z + 1.0

    assert names(f) == ["z", "f"]


SOURCELESS = "def f(x):\n  z, y = np.sin(x), np.cos(x)\n  k = z * y\n  self.k = k * 2.0\n  return self.k"


def test_code_without_source_has_lines_and_what_bytecode_tells():
    space = {"np": np, "self": type("Self", (), {})()}
    exec(SOURCELESS, space)
    graph = bp.trace(space["f"], 1.0)
    nodes = [n for n in graph.nodes if n.op.name not in ("input", "constant")]
    assert [n.where.line for n in nodes] == [2, 2, 3, 4]
    assert {n.where.file for n in nodes} == {"<string>"}
    assert nodes[2].name == "k"
    assert nodes[0].name is None
    assert nodes[0].where.text == ""
    assert nodes[0].where.show() == 'File "<string>", line 2, in f'


def test_lines_and_columns():
    def f(α):
        z = 1.0 + np.sin(α) * np.cos(α)  # the sine stands after a Greek letter
        return z * α

    graph = bp.trace(f, 1.5)
    sine, cosine = (next(n for n in graph.nodes if n.op.name == name) for name in ("sin", "cos"))
    text = sine.where.text.encode()
    assert text[sine.where.column : sine.where.end_column].decode() == "np.sin(α)"
    assert text[cosine.where.column : cosine.where.end_column].decode() == "np.cos(α)"
    head, line, marks = sine.where.show().split("\n")
    assert head == f'File "{__file__}", line {sine.where.line}, in f'
    assert line[marks.index("^") : marks.rindex("^") + 1] == "np.sin(α)"
    marked = cosine.where.show().split("\n")[2]
    assert line[marked.index("^") : marked.rindex("^") + 1] == "np.cos(α)"


def test_an_expression_over_several_lines_has_its_first_and_last():
    def f(x):
        return np.add(
            x,
            np.sin(x),
        )

    added = bp.trace(f, 1.5).nodes[-1].where
    assert added.end_line == added.line + 3
    assert "^" not in added.show()


def test_the_scope_of_nested_calls():
    graph = bp.trace(caller, 1.5)
    # bp.trace is machinery: what called it is not part of the scope.
    scopes = {n.name: [w.function for w in n.scope] for n in graph.nodes if n.origin and n.op.name != "input"}
    assert scopes["u"] == scopes["first"] == scopes["second"] == ["caller", "layer"]
    assert scopes["caller"] == ["caller"]


def test_backward_lines_belong_to_the_line_they_derive():
    graph = bp.trace(bp.grad(lambda x: np.sin(x) ** 3.0), 1.5)
    steps = [n for n in graph.nodes if n.adjoint]
    assert steps
    assert all(n.adjoint[0] == "backward" and n.name is None and n.where.file == __file__ for n in steps)


def test_parts_of_a_composite_leave_the_name_to_its_result():
    def f(x):
        m = np.var(x)
        return m * 2.0

    graph = bp.trace(f, np.ones(3))
    assert [n.name for n in graph.nodes if n.name] == ["x", "m", "f"]
    assert len([n for n in graph.nodes if n.composite]) > 1


def test_forced_origin_is_undone_by_errors():
    with pytest.raises(KeyError), forced_origin(NOWHERE):
        raise KeyError
    assert state.origin is None
    assert NOWHERE.where is None
    assert NOWHERE.name is None
    assert NOWHERE.expression is None


def test_source_that_cannot_be_parsed_gives_nothing(tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("def (:\n")
    assert expression_at(str(broken), (1, 1, 0, 3)) is None
    assert expression_at(str(tmp_path / "missing.py"), (1, 1, 0, 3)) is None
    assert expression_at(__file__, (1, None, 0, 3)) is None
