"""Gradient descent and its descendants: optimisers, learning-rate schedules, clipping, line search and L-BFGS.

An optimiser is a pair of plain NumPy functions on pytrees, `init` and `update`; `lbfgs` minimises a whole function.

>>> import numpy as np
>>> from backpass.descent import adam, clip, cosine, warmup
>>> rule = clip(adam(warmup(cosine(0.1, steps=200), steps=10)), norm=1.0)
>>> theta = {"w": np.array([3.0, -4.0])}
>>> state = rule.init(theta)
>>> for step in range(200):
...     grad = {"w": 2 * theta["w"]}
...     theta, state = rule.update(theta, grad, state, step)
>>> bool(np.all(np.abs(theta["w"]) < 0.01))
True
"""

from .clipping import clip, clip_by_global_norm, clip_by_value, global_norm
from .first_order import adagrad, adam, adamw, momentum, nesterov, rmsprop, sgd
from .hyperparameter import HyperparameterError
from .lbfgs import Minimum, lbfgs
from .line_search import LineSearch, Trial, strong_wolfe
from .optimizer import Optimizer, per_leaf
from .registry import OPTIMIZERS, SCHEDULES, named, schedule_named
from .schedules import Schedule, constant, cosine, one_cycle, step_decay, warmup
from .steered import steered

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "HyperparameterError",
    "LineSearch",
    "Minimum",
    "Optimizer",
    "Schedule",
    "Trial",
    "adagrad",
    "adam",
    "adamw",
    "clip",
    "clip_by_global_norm",
    "clip_by_value",
    "constant",
    "cosine",
    "global_norm",
    "lbfgs",
    "momentum",
    "named",
    "nesterov",
    "one_cycle",
    "per_leaf",
    "rmsprop",
    "schedule_named",
    "sgd",
    "steered",
    "step_decay",
    "strong_wolfe",
    "warmup",
]
