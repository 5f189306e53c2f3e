import json
from functools import partial

import numpy as np
import pytest

import backpass as bp
from backpass.graph.errors import BackpassError, ModelFileError, ShapeError
from backpass.graph.pytree import flatten
from backpass.graph.staging import Compiled
from backpass.nn import (
    BUILT_IN,
    BatchNorm,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Function,
    LayerNorm,
    Module,
    NotDescribableError,
    Sequential,
    cross_entropy,
    from_config,
    glorot_uniform,
    leaky_relu,
    make_key,
    mlp,
    parameter_count,
    relu,
    split,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 4))
Y = RNG.integers(0, 3, 6)


class Scale(Module):
    """A layer of one's own."""

    def init(self, rng, x):
        return {"factor": np.full(x.shape[-1:], 2.0, x.dtype)}, {}

    def apply(self, theta, state, x, *, training=False, key=None):
        return x * theta["factor"], state


def everything():
    return Sequential(
        Dense(8, bias=False), BatchNorm(), relu, Dropout(0.25), Scale(), lambda x: x + 1, np.tanh, LayerNorm(),
        Sequential(Dense(5), "gelu", Dropout(0.1)), Dense(3),
    )  # fmt: skip


def test_names_and_structure():
    model = everything()
    theta, state = model.init(0, X)
    assert model.names == (
        "dense_1", "batch_norm_1", "relu_1", "dropout_1", "scale_1", "function_1", "tanh_1", "layer_norm_1",
        "sequential_1", "dense_2",
    )  # fmt: skip
    assert flatten(theta)[1].paths == (
        "dense_1.W", "batch_norm_1.gamma", "batch_norm_1.beta", "scale_1.factor", "layer_norm_1.gamma",
        "layer_norm_1.beta", "sequential_1.dense_1.W", "sequential_1.dense_1.b", "dense_2.W", "dense_2.b",
    )  # fmt: skip
    assert list(state) == ["batch_norm_1"]
    assert parameter_count(theta) == 4 * 8 + 2 * 8 + 8 + 2 * 8 + 8 * 5 + 5 + 5 * 3 + 3
    again, _ = model.init(0, X)
    for a, b in zip(flatten(theta)[0], flatten(again)[0], strict=True):
        np.testing.assert_array_equal(a, b)


def test_is_the_composition():
    first, second = Dense(8), Dense(3)
    model = Sequential(first, np.tanh, second)
    theta, _ = model.init(0, X)
    expected = second(theta["dense_2"], np.tanh(first(theta["dense_1"], X)))
    np.testing.assert_array_equal(model(theta, X), expected)


def test_gradient_in_training_and_after(check_gradient):
    model = everything()
    theta, state = model.init(1, X)
    key = make_key(3, 1)
    for training in (True, False):

        def loss(theta, training=training):
            return cross_entropy(model.apply(theta, state, X, training=training, key=key)[0], Y)

        check_gradient(loss, theta)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_step_keeps_dtypes_and_structure(dtype):
    model = everything()
    x = X.astype(dtype)
    theta, state = model.init(0, x)

    def loss(theta, state, key):
        logits, state = model.apply(theta, state, x, training=True, key=key)
        return cross_entropy(logits, Y), state

    step = bp.value_and_grad(loss, has_aux=True)
    (value, after), grad = step(theta, state, make_key(0, 5))
    assert value.dtype == dtype
    assert flatten(after)[1] == flatten(state)[1]
    for old, new in zip(flatten((theta, state))[0], flatten((grad, after))[0], strict=True):
        assert (old.dtype, old.shape) == (dtype, old.shape) == (new.dtype, new.shape)
    staged = Compiled(step)(theta, state, make_key(0, 5))
    for plain, compiled in zip(flatten(((value, after), grad))[0], flatten(staged)[0], strict=True):
        np.testing.assert_array_equal(plain, compiled)


def test_children_draw_from_keys_of_their_own():
    model = Sequential(Dropout(0.5), Dropout(0.5))
    ones, key = np.ones((50, 50)), make_key(0)
    y, _ = model.apply({}, {}, ones, training=True, key=key)
    keys = split(key, 2)
    masks = [Dropout(0.5).apply({}, {}, ones, training=True, key=k)[0] for k in keys]
    np.testing.assert_array_equal(y, masks[0] * masks[1])
    assert not np.array_equal(*masks)


def test_initialisers_suit_the_activation():
    def chosen(*layers):
        return [layer.config()["init"] for layer in Sequential(*layers).layers if isinstance(layer, Dense)]

    he, glorot = "he_normal", "glorot_uniform"
    assert chosen(Dense(4), relu, Dense(4), BatchNorm(), Dropout(0.1), "silu", Dense(2)) == [he, he, glorot]
    assert chosen(Dense(4), np.tanh, Dense(4), Dense(2), "softmax") == [glorot] * 3
    assert chosen(Dense(4), partial(leaky_relu, slope=0.2)) == [{"name": he, "slope": 0.2}]
    assert chosen(Dense(4, init=glorot_uniform), relu) == [glorot]
    assert chosen(Dense(4, init="orthogonal"), relu) == ["orthogonal"]
    alone = Dense(4)
    Sequential(alone, relu)
    assert alone.config()["init"] == glorot  # the layer that was passed is left as it is


def test_mlp():
    model = mlp([8, 6, 3], "relu", dropout=0.2, batch_norm=True)
    assert model.names[:4] == ("dense_1", "batch_norm_1", "relu_1", "dropout_1")
    assert model.names[-1] == "dense_3"
    assert len(model.names) == 9
    theta, state = model.init(0, X)
    assert model(theta, X, state=state).shape == (6, 3)
    assert mlp([3]).names == ("dense_1",)
    assert mlp([4, 3], init="orthogonal").config()["layers"][2]["init"] == "orthogonal"
    for wrong in (10, []):
        with pytest.raises(BackpassError, match=r"mlp\(\[64, 10\]\)"):
            mlp(wrong)


DESCRIBABLE = Sequential(
    Embedding(9, 4), Flatten(), Dense(8, init=partial(glorot_uniform, gain=2.0)), BatchNorm(momentum=0.5), relu,
    partial(leaky_relu, slope=0.3), Dropout(0.5), LayerNorm(epsilon=1e-3), Sequential(Dense(2, bias=False), "softmax"),
)  # fmt: skip


def test_config_round_trip():
    config = json.loads(json.dumps(DESCRIBABLE.config()))
    model = from_config(config)
    assert model.config() == config
    assert repr(model) == repr(DESCRIBABLE)
    x = np.array([[1, 8, 0]])
    theta, state = DESCRIBABLE.init(5, x)
    again, _ = model.init(5, x)
    np.testing.assert_array_equal(model(again, x, state=state), DESCRIBABLE(theta, x, state=state))


def test_every_built_in_layer_is_in_the_round_trip():
    def kinds(layer):
        return {type(layer).__name__}.union(*[kinds(child) for child in getattr(layer, "layers", ())])

    assert kinds(DESCRIBABLE) == set(BUILT_IN)


@pytest.mark.parametrize(
    "model",
    [
        Sequential(lambda x: x),
        Scale(),
        Sequential(Scale()),
        Function(np.sin),
        Dense(2, init=lambda rng, shape, dtype: np.zeros(shape)),
    ],
)
def test_code_of_ones_own_is_not_described(model):
    with pytest.raises(NotDescribableError, match="stored only as its graph"):
        model.config()


def test_subclass_of_a_built_in_layer_is_not_described():
    class Dense(BUILT_IN["Dense"]):
        pass

    with pytest.raises(NotDescribableError, match="Dense is a layer of your own"):
        Dense(3).config()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"type": "Conv2D", "filters": 3}, "no built-in layer 'Conv2D'.*newer"),
        ({"type": "Dense"}, "Dense layer cannot be used"),
        ({"type": "Dense", "units": -3}, "units is -3"),
        ({"type": "Dense", "units": 3, "evil": 1}, "evil"),
        ({"type": "Dense", "units": 3, "init": "os.system"}, "no initialiser 'os.system'"),
        ({"type": "Activation", "name": "eval"}, "no activation 'eval'"),
        ({"type": "Activation", "name": "relu", "x": 3}, "no setting 'x'"),
        ({"type": "Sequential", "layers": "Dense"}, "list 'layers'"),
        ({"type": "Sequential", "layers": [{"type": "Dense", "units": 0}]}, "units is 0"),
        ({"type": "Sequential", "layers": [None]}, "described by a dict"),
        ({"type": ["Dense"]}, "described by a dict"),
        ("Dense", "described by a dict"),
    ],
)
def test_from_config_refuses(config, message):
    with pytest.raises(ModelFileError, match=message):
        from_config(config)


def test_errors():
    model = Sequential(Dense(8), relu, Dense(3))
    theta, _ = model.init(0, X)
    with pytest.raises(ShapeError, match="x has 3 features and W takes 4") as caught:
        model(theta, X[:, :3])
    assert caught.value.__notes__ == ["in dense_1, layer 1 of 3 of a Sequential"]
    with pytest.raises(BackpassError, match=r"Sequential\(\*layers\)"):
        Sequential([Dense(3)])
    with pytest.raises(BackpassError, match="make_key"):
        Sequential(Dropout(0.5)).apply({}, {}, X, training=True)
    with pytest.raises(BackpassError, match="running statistics"):
        Sequential(BatchNorm())(Sequential(BatchNorm()).init(0, X)[0], X)


def test_empty_and_repr():
    assert Sequential()({}, X) is X
    assert repr(Sequential()) == "Sequential()"
    assert "sequential_1  Sequential(" in repr(everything())


def test_example_values_do_not_matter():
    theta, _ = Sequential(np.log, Dense(2)).init(0, np.zeros((1, 3)))
    assert theta["dense_1"]["W"].shape == (3, 2)


def test_learns():
    """Two interleaved classes: plain gradient descent on the built-in parts separates them."""
    angle = np.linspace(0.5, 3 * np.pi, 60)
    arm = np.c_[np.cos(angle), np.sin(angle)] * (angle[:, None] / 9)
    x = np.concatenate([arm, -arm])
    y = np.repeat([0, 1], 60)
    model = mlp([32, 32, 2], "gelu", batch_norm=True)
    theta, state = model.init(0, x)

    def loss(theta, state):
        logits, state = model.apply(theta, state, x, training=True, key=make_key(0))
        return cross_entropy(logits, y), state

    step = Compiled(bp.value_and_grad(loss, has_aux=True))
    for _ in range(200):
        (_, state), grad = step(theta, state)
        theta = bp.graph.pytree.tree_map(lambda t, g: t - 0.5 * g, theta, grad)
    assert (model(theta, x, state=state).argmax(axis=1) == y).mean() > 0.98
