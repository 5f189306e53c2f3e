"""What every loss does first and last: fit output and target together, refuse what cannot be meant, weigh the mean.

Shapes and dtypes are always known and always checked. Values are checked on plain arrays only: a traced target has none
yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..graph.errors import BackpassError, DtypeError, ShapeError
from ..graph.traced import Traced


class TargetError(BackpassError, ValueError):
    """A target, or a weight, has a value that the loss has no meaning for."""


def array(value: Any) -> Any:
    """`value` as NumPy would take it; traced values as they are."""
    return value if type(value) is Traced or isinstance(value, np.ndarray) else np.asarray(value)


def known(value: Any) -> bool:
    return isinstance(value, np.ndarray)


def alike(name: str, output: Any, target: Any) -> tuple[Any, Any]:
    """Output and target with one shape and the output's dtype.

    A single output unit (N, 1) goes with a target (N,), and the other way round: NumPy itself would broadcast the two
    to (N, N), and the loss would compare every example with every other.
    """
    output, target = array(output), array(target)
    need_real(name, "output", output)
    if output.shape == (*target.shape, 1):
        output = output[..., 0]
    elif target.shape == (*output.shape, 1):
        target = target[..., 0]
    if output.shape != target.shape:
        raise ShapeError(
            f"{name}: output and target must have the same shape\n"
            f"    output: shape {output.shape}\n    target: shape {target.shape}"
        )
    not_empty(name, output)
    return output, as_dtype_of(name, "target", target, output)


def need_real(name: str, what: str, value: Any) -> None:
    """Refuse an output that carries no derivative."""
    if value.dtype.kind != "f":
        raise DtypeError(f"{name}: the {what} must be floating-point, got {value.dtype}; use {what}.astype(np.float32)")


def not_empty(name: str, value: Any) -> None:
    if 0 in value.shape:
        raise ShapeError(f"{name}: the batch is empty, output has shape {value.shape}")


def as_dtype_of(name: str, what: str, value: Any, output: Any) -> Any:
    """`value` in the output's dtype, so that a float64 target does not drag a float32 network along."""
    if value.dtype.kind not in "fiub":
        raise DtypeError(f"{name}: the {what} must hold numbers, got {value.dtype}{_shown(value)}")
    return value if value.dtype == output.dtype else value.astype(output.dtype)


def several_scores(name: str, output: Any) -> None:
    """An output (..., C) of scores for C >= 2 classes."""
    need_real(name, "output", output)
    if output.ndim < 2 or output.shape[-1] == 1:
        raise ShapeError(
            f"{name}: output must hold a score for each class, shape (N, C) with C >= 2, got shape {output.shape}; "
            "for two classes by one score use binary_cross_entropy"
        )
    not_empty(name, output)


def distributions(name: str, output: Any, target: Any) -> Any:
    """A target of probabilities, one distribution over the classes for each row of the output."""
    need(name, target, probability, "a probability, from 0 to 1")
    target = as_dtype_of(name, "target", target, output)
    if known(target):
        total = target.sum(axis=-1)
        if (np.abs(total - 1.0) > 1e-2).any():
            row = [int(i) for i in np.argwhere(np.abs(total - 1.0) > 1e-2)[0]]
            raise TargetError(
                f"{name}: target{row} holds probabilities that sum to {total[tuple(row)]!s}; they must sum to 1"
            )
    return target


def class_numbers(name: str, output: Any, target: Any) -> Any:
    """A target of class numbers for an output (..., C): whole numbers from 0 to C − 1, with the output's other axes."""
    if target.shape == (*output.shape[:-1], 1) and output.shape[-1] != 1:
        target = target[..., 0]
    if target.dtype.kind not in "iub":
        raise DtypeError(
            f"{name}: target must be class numbers (integers of shape {output.shape[:-1]}), got {target.dtype} of "
            f"shape {target.shape}{_shown(target)}; use target.astype(np.int64) if they are whole"
        )
    if target.shape != output.shape[:-1]:
        raise ShapeError(
            f"{name}: target holds one class number for each row of the output, so its shape must be "
            f"{output.shape[:-1]}\n    output: shape {output.shape}\n    target: shape {target.shape}"
        )
    classes = output.shape[-1]
    if known(target) and target.dtype.kind != "b" and (target.min() < 0 or target.max() >= classes):
        wrong = int(target.min() if target.min() < 0 else target.max())
        raise TargetError(
            f"{name}: target holds class {wrong}; the output has {classes} classes, numbered from 0 to {classes - 1}"
        )
    return target.astype(np.int64) if target.dtype.kind == "b" else target


def need(name: str, target: Any, fits: Callable[[np.ndarray], np.ndarray], meaning: str) -> None:
    """Refuse a known target with an entry that does not fit; the message names the first."""
    if known(target):
        wrong = np.argwhere(~fits(target))
        if len(wrong):
            place = tuple(int(i) for i in wrong[0])
            raise TargetError(f"{name}: target{list(place)} is {target[place]!s}; it must be {meaning}")


def probability(target: np.ndarray) -> np.ndarray:
    return (target >= 0) & (target <= 1)


def class_weights(name: str, class_weight: Any, classes: int, output: Any) -> Any:
    """One weight for each class, as an array in the output's dtype."""
    weights = array(class_weight)
    if weights.shape != (classes,):
        raise ShapeError(
            f"{name}: class_weight must hold one weight for each of {classes} classes, got shape {weights.shape}"
        )
    return weight_like(name, "class_weight", weights, output)


def weight_like(name: str, what: str, weight: Any, output: Any) -> Any:
    weight = as_dtype_of(name, what, array(weight), output)
    need_not_negative(name, what, weight)
    return weight


def need_not_negative(name: str, what: str, weight: Any) -> None:
    if known(weight) and not (weight >= 0).all():
        raise TargetError(f"{name}: {what} must be 0 or above everywhere, its least is {weight.min()!s}")


def sample_weights(name: str, weight: Any, losses: Any) -> Any:
    """Weights (N,), or of the losses' shape, with as many axes as the losses."""
    weight = weight_like(name, "weight", weight, losses)
    if weight.ndim > losses.ndim or weight.ndim == 0 or weight.shape != losses.shape[: weight.ndim]:
        raise ShapeError(
            f"{name}: weight holds one number for each example\n"
            f"    losses: shape {losses.shape}\n    weight: shape {weight.shape}"
        )
    return weight.reshape(weight.shape + (1,) * (losses.ndim - weight.ndim))


def weighted_mean(losses: Any, weight: Any = None) -> Any:
    """Σ w l / Σ w, where w is broadcast over the losses; their plain mean without weights; 0 where all weights are 0.

    >>> float(weighted_mean(np.array([1.0, 5.0]), np.array([3.0, 1.0])))
    2.0
    """
    if weight is None:
        return np.mean(losses)
    repeats = losses.size // weight.size
    total = np.sum(weight) * float(repeats)
    return np.sum(weight * losses) / np.where(total > 0, total, 1.0)


def _shown(value: Any) -> str:
    """The first entries of a known array, for a message."""
    return f" ({', '.join(str(v) for v in value.ravel()[:3])}, ...)" if known(value) and value.size else ""
