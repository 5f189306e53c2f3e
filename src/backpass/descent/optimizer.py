"""`Optimizer`: a pair of plain functions that move θ downhill, and the one loop over leaves that all of them share.

`init` makes the state, `update` takes one step. Both are ordinary NumPy on pytrees, write nothing in place and branch
on no array's value, so that a step is traced, differentiated, compiled and printed like any other function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..graph.errors import DtypeError, ShapeError
from ..graph.pytree import PytreeError, Tree, flatten
from .hyperparameter import HyperparameterError, call_text, plain

Rule = Callable[..., tuple[Any, ...]]
Scalars = Callable[[Any, Any], tuple[Any, ...]]


@dataclass(frozen=True, eq=False, repr=False)
class Optimizer:
    """A rule of descent.

    `init(theta)` returns the state: a dict of pytrees, each shaped like θ (``{}`` where the rule remembers nothing).
    `update(theta, grad, state, step)` returns ``(theta, state)`` after step number `step`, counted from 0; `step` may
    be a Python number, a NumPy scalar or a traced scalar. Every leaf keeps its shape and dtype. A step that is compiled
    takes ``np.int64(step)``: a Python int belongs to the trace and stays as it was.

    >>> from backpass.descent import momentum
    >>> rule = momentum(0.1)
    >>> theta = np.array([1.0, -2.0])
    >>> state = rule.init(theta)
    >>> for step in range(3):
    ...     theta, state = rule.update(theta, 2 * theta, state, step)  # the gradient of sum(theta**2)
    >>> theta
    array([ 0.062, -0.124])
    >>> rule
    momentum(learning_rate=0.1, momentum=0.9, weight_decay=0.0)
    """

    name: str
    hyperparameters: dict[str, Any]
    init: Callable[[Any], Any]
    update: Callable[[Any, Any, Any, Any], tuple[Any, Any]]

    @property
    def learning_rate(self) -> Any:
        """The learning rate: a float, or the schedule; a wrapper such as `clip` answers for what it wraps."""
        if "optimizer" in self.hyperparameters:
            return self.hyperparameters["optimizer"].learning_rate
        return self.hyperparameters.get("learning_rate")

    def rate_at(self, step: Any) -> Any:
        """The learning rate of step number `step`, counted from 0.

        >>> from backpass.descent import cosine, sgd
        >>> float(sgd(cosine(0.5, steps=10)).rate_at(5))
        0.25
        """
        return rate_at(self.learning_rate, step)

    def to_json(self) -> dict[str, Any]:
        """Name and hyperparameters as plain data; `named` builds the same optimiser from it."""
        return {"name": self.name, **{key: plain(value) for key, value in self.hyperparameters.items()}}

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by name and hyperparameters: the rule itself is made of inner functions, which pickle cannot keep."""
        from .registry import OPTIMIZERS, named

        if self.name in (*OPTIMIZERS, "clip") and self.update.__module__.startswith("backpass."):
            return named, ({"name": self.name, **self.hyperparameters},)
        return Optimizer, (self.name, self.hyperparameters, self.init, self.update)

    def __repr__(self) -> str:
        return call_text(self.name, self.hyperparameters)


def rate_at(learning_rate: Any, step: Any) -> Any:
    """The value of a learning rate, which may be a schedule, at `step`."""
    return learning_rate(step) if callable(learning_rate) else learning_rate


def cast(value: Any, dtype: np.dtype | None) -> Any:
    """`value` in `dtype`; Python numbers stay as they are, since NumPy lets the array beside them decide."""
    if dtype is None or getattr(value, "dtype", dtype) == dtype:
        return value
    return value.astype(dtype)


def per_leaf(
    name: str,
    hyperparameters: dict[str, Any],
    *,
    slots: tuple[str, ...],
    scalars: Scalars,
    rule: Rule,
    l2: float = 0.0,
) -> Optimizer:
    """An optimiser that treats every leaf of θ alike.

    `rule(leaf, grad, *slots, *scalars)` returns the new leaf and the new slots, all shaped like the leaf.
    `scalars(rate, step)` is what the rule needs that does not depend on the leaf; it is computed once a step and
    handed to the rule in the leaf's dtype. `l2` > 0 adds l2·θ to the gradient before the rule sees it.

    >>> sign_descent = per_leaf(
    ...     "sign_descent", {"learning_rate": 0.5}, slots=(),
    ...     scalars=lambda rate, step: (rate,), rule=lambda theta, grad, rate: (theta - rate * np.sign(grad),),
    ... )
    >>> sign_descent.update(np.array([3.0, 4.0]), np.array([-7.0, 0.1]), {}, 0)[0]
    array([3.5, 3.5])
    """

    def init(theta: Any) -> dict[str, Any]:
        leaves, tree = flatten(theta)
        for path, leaf in zip(tree.paths, leaves, strict=True):
            check_trainable(path, leaf)
            _check_epsilon(path, leaf, hyperparameters.get("epsilon"))
        return {slot: tree.unflatten([np.zeros_like(leaf) for leaf in leaves]) for slot in slots}

    def update(theta: Any, grad: Any, state: Any, step: Any) -> tuple[Any, Any]:
        leaves, tree = flatten(theta)
        grads = leaves_like(tree, leaves, grad, "the gradient")
        columns = [leaves_like(tree, leaves, state[slot], f"the state's {slot!r}") for slot in slots]
        values = scalars(rate_at(hyperparameters["learning_rate"], step), step)
        values_of: dict[Any, list[Any]] = {}
        rows = []
        for leaf, gradient, *memory in zip(leaves, grads, *columns, strict=True):
            dtype = getattr(leaf, "dtype", None)
            if dtype not in values_of:
                values_of[dtype] = [cast(value, dtype) for value in values]
            gradient = cast(gradient, dtype)
            if l2:
                gradient = gradient + l2 * leaf
            rows.append(rule(leaf, gradient, *memory, *values_of[dtype]))
        after = [tree.unflatten([row[k] for row in rows]) for k in range(1 + len(slots))]
        return after[0], dict(zip(slots, after[1:], strict=True))

    return Optimizer(name, hyperparameters, init, update)


def check_trainable(path: str, leaf: Any) -> None:
    """Refuse a leaf that gradient descent cannot move: integers, booleans, complex numbers, text."""
    dtype = getattr(leaf, "dtype", None)
    if isinstance(leaf, float) or (dtype is not None and np.issubdtype(dtype, np.floating)):
        return
    what = f"has dtype {dtype}" if dtype is not None else f"is the {type(leaf).__name__} {leaf!r}"
    raise DtypeError(
        f"{_label(path)} {what}; descent moves real floating-point numbers only. "
        "Convert it (for example with .astype(np.float32)), or keep it out of theta."
    )


def _check_epsilon(path: str, leaf: Any, epsilon: float | None) -> None:
    """Refuse an epsilon that rounds to 0 in the leaf's dtype: the first zero gradient would give 0/0."""
    dtype = getattr(leaf, "dtype", None)
    if epsilon is not None and dtype is not None and dtype.type(epsilon) == 0:
        raise HyperparameterError(
            f"epsilon={epsilon!r} is 0 in {dtype}, the dtype of {_label(path)}; "
            "convert theta to float32, or pass an epsilon that its dtype can hold, such as 1e-4"
        )


def leaves_like(tree: Tree, leaves: list[Any], value: Any, what: str) -> list[Any]:
    """The leaves of `value`, which must have θ's structure (`tree`) and the shapes of θ's `leaves`."""
    found, structure = flatten(value)
    if structure != tree:
        raise PytreeError(f"{what} does not have the structure of theta:\n  theta: {tree!r}\n  {what}: {structure!r}")
    for index, (leaf, other) in enumerate(zip(leaves, found, strict=True)):
        if getattr(leaf, "shape", ()) != getattr(other, "shape", ()):
            raise ShapeError(
                f"{what} at {_label(tree.paths[index])} has shape {getattr(other, 'shape', ())}, "
                f"but theta there has shape {getattr(leaf, 'shape', ())}"
            )
    return found


def _label(path: str) -> str:
    return f"theta.{path}" if path else "theta"
