"""Layers, losses, initialisers and models: ordinary NumPy functions of θ.

>>> import numpy as np
>>> model = Sequential(Dense(16), relu, Dropout(0.1), Dense(3))
>>> theta, state = model.init(0, np.zeros((1, 4), np.float32))
>>> logits, state = model.apply(theta, state, np.ones((2, 4), np.float32), training=True, key=make_key(seed=0))
>>> logits.shape, logits.dtype
((2, 3), dtype('float32'))
"""

from ..partials.random import fold, make_key, split
from .activations import (
    ACTIVATIONS,
    elu,
    gelu,
    identity,
    leaky_relu,
    log_softmax,
    relu,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from .initialisers import (
    INITIALISERS,
    constant,
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    initialiser_before,
    lecun_normal,
    lecun_uniform,
    normal,
    ones,
    orthogonal,
    zeros,
)
from .layers import Activation, Dense, Dropout, Embedding, Flatten, Function, as_layer
from .loss_inputs import TargetError
from .losses import (
    LOSSES,
    Meaning,
    absolute_error,
    binary_cross_entropy,
    cross_entropy,
    hinge,
    huber,
    loss_of,
    meaning_of,
    poisson,
    quantile,
    squared_error,
)
from .module import BUILT_IN, Module, from_config, is_layer, parameter_count
from .named import NotDescribableError, UnknownNameError, description_of, function_of
from .normalisation import BatchNorm, LayerNorm
from .sequential import Sequential, mlp

__all__ = [
    "absolute_error",
    "Activation",
    "ACTIVATIONS",
    "as_layer",
    "BatchNorm",
    "binary_cross_entropy",
    "BUILT_IN",
    "constant",
    "cross_entropy",
    "Dense",
    "description_of",
    "Dropout",
    "elu",
    "Embedding",
    "Flatten",
    "fold",
    "from_config",
    "Function",
    "function_of",
    "gelu",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "hinge",
    "huber",
    "identity",
    "initialiser_before",
    "INITIALISERS",
    "is_layer",
    "LayerNorm",
    "leaky_relu",
    "lecun_normal",
    "lecun_uniform",
    "log_softmax",
    "loss_of",
    "LOSSES",
    "make_key",
    "Meaning",
    "meaning_of",
    "mlp",
    "Module",
    "normal",
    "NotDescribableError",
    "ones",
    "orthogonal",
    "parameter_count",
    "poisson",
    "quantile",
    "relu",
    "Sequential",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "split",
    "squared_error",
    "tanh",
    "TargetError",
    "UnknownNameError",
    "zeros",
]
