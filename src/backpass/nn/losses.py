"""Losses: how wrong an output is, as one number, ``loss(output, target, *, weight=None)``.

N examples have losses lₙ; the result is their mean, or Σ wₙ lₙ / Σ wₙ with weights (N,), so that a weight of 2 counts
as the example given twice. An example with several entries has the mean over them. Where the output has a single unit,
(N, 1), the target may be (N,). The result has the output's dtype; a target of another is converted.

All keep their value and gradient finite for outputs up to 1e4 in size (except `poisson`, whose rate exp(s) really
overflows), and raise `ShapeError`, `DtypeError` or `TargetError` with the shapes and values that do not fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..descent.hyperparameter import HyperparameterError, fraction, not_negative, positive
from ..graph.errors import ShapeError
from ..partials.indexing import take
from ..partials.special import gammaln
from .activations import identity, log_softmax, sigmoid, softmax
from .loss_inputs import (
    alike,
    array,
    class_numbers,
    class_weights,
    distributions,
    need,
    probability,
    sample_weights,
    several_scores,
    weighted_mean,
)
from .named import function_of, name_of


def squared_error(output: Any, target: Any, *, weight: Any = None) -> Any:
    """Mean squared error: l = (o − t)². Its minimum is the mean of t. In squared units of t.

    Source: Gauss, Theoria motus corporum coelestium, 1809. No ½ stands before it.

    >>> float(squared_error(np.array([1.0, 2.0]), np.array([0.0, 0.0])))
    2.5
    """
    output, target = alike("squared_error", output, target)
    residual = output - target
    return _mean("squared_error", residual * residual, weight)


def absolute_error(output: Any, target: Any, *, weight: Any = None) -> Any:
    """Mean absolute error: l = |o − t|. Its minimum is the median of t. The derivative at o = t is taken as 0.

    Source: Laplace, 1793; Bloomfield & Steiger, Least absolute deviations, 1983.

    >>> float(absolute_error(np.array([1.0, -2.0]), np.array([0.0, 0.0])))
    1.5
    """
    output, target = alike("absolute_error", output, target)
    return _mean("absolute_error", np.abs(output - target), weight)


def huber(output: Any, target: Any, *, delta: float = 1.0, weight: Any = None) -> Any:
    """Huber's loss: l = ½ r² where |r| <= δ, else δ (|r| − ½ δ), with r = o − t: squared near 0, absolute far away.

    `delta` > 0 is in the units of t.

    Source: Huber, Robust estimation of a location parameter, 1964.

    >>> huber(np.array([0.5, 3.0]), np.array([0.0, 0.0]), weight=np.array([0.0, 1.0]))
    np.float64(2.5)
    """
    delta = positive("delta", delta)
    output, target = alike("huber", output, target)
    residual = output - target
    # With c = r cut off at ±δ, both branches are c (r − ½ c): nothing large is squared, and 0 is no corner.
    cut = np.minimum(np.maximum(residual, -delta), delta)
    return _mean("huber", cut * (residual - 0.5 * cut), weight)


def cross_entropy(
    output: Any, target: Any, *, label_smoothing: float = 0.0, class_weight: Any = None, weight: Any = None
) -> Any:
    """Cross-entropy of logits: l = −Σ_c q_c log softmax(o)_c. In nats.

    `output` holds logits (..., C); `target` holds class numbers (...), whole numbers below C, or probabilities (...,
    C). q is the target's distribution, with label smoothing ε mixed with the uniform one: (1 − ε) q + ε/C.
    `class_weight` (C,) multiplies an example's weight by that of its class (of its mean class, for probabilities).

    Source: Bishop, Pattern recognition and machine learning, 2006, eq. 4.108; smoothing: Szegedy, Vanhoucke, Ioffe,
    Shlens & Wojna, Rethinking the Inception architecture, CVPR 2016, section 7.

    >>> float(cross_entropy(np.array([[0.0, 0.0], [1e4, 0.0]]), np.array([1, 0])).round(4))
    0.3466
    """
    name = "cross_entropy"
    smoothing = fraction("label_smoothing", label_smoothing)
    output, target = array(output), array(target)
    several_scores(name, output)
    log_p = log_softmax(output)
    if target.shape == output.shape:
        target = distributions(name, output, target)
        losses = -np.sum(target * log_p, axis=-1)
    else:
        target = class_numbers(name, output, target)
        losses = -np.take_along_axis(log_p, target[..., None], axis=-1)[..., 0]
    if smoothing:
        losses = (1.0 - smoothing) * losses - smoothing * np.mean(log_p, axis=-1)
    of_class = None
    if class_weight is not None:
        per_class = class_weights(name, class_weight, output.shape[-1], output)
        if target.shape == output.shape:
            of_class = np.sum(target * per_class, axis=-1)
        else:
            of_class = take(per_class, target, axis=0)
    return _mean(name, losses, weight, of_class)


def binary_cross_entropy(
    output: Any, target: Any, *, pos_weight: float = 1.0, label_smoothing: float = 0.0, class_weight: Any = None,
    weight: Any = None,
) -> Any:  # fmt: skip
    """Cross-entropy of one logit: l = −p t log σ(o) − (1 − t) log (1 − σ(o)), with p = `pos_weight`. In nats.

    `target` holds 0 and 1, or probabilities; with label smoothing ε it is (1 − ε) t + ε/2. `pos_weight` makes positives
    count more without entering Σ w; `class_weight`, a pair for 0 and 1, multiplies the examples' weights, and does.
    Several logits are several questions, averaged.

    Source: Bishop, 2006, eq. 4.90.

    >>> float(binary_cross_entropy(np.array([0.0, 1e4]), np.array([1, 1])).round(4))
    0.3466
    """
    name = "binary_cross_entropy"
    pos_weight = not_negative("pos_weight", pos_weight)
    smoothing = fraction("label_smoothing", label_smoothing)
    output, target = array(output), array(target)
    if output.ndim == target.ndim + 1 and output.shape[-1] > 1:
        raise ShapeError(
            f"{name}: one logit answers one yes-or-no question, and output has shape {output.shape} for a target of "
            f"shape {target.shape}; for {output.shape[-1]} classes use cross_entropy"
        )
    output, target = alike(name, output, target)
    need(name, target, probability, "0, 1 or a probability between")
    # −log σ(o) = max(−o, 0) + s and −log(1 − σ(o)) = max(o, 0) + s with s = log(1 + exp(−|o|)): nothing large is
    # taken from something large.
    positive_logit = output >= 0
    shared = np.log1p(np.exp(np.where(positive_logit, -output, output)))
    if_one = np.where(positive_logit, 0.0, -output) + shared
    if_zero = np.where(positive_logit, output, 0.0) + shared
    smooth = (1.0 - smoothing) * target + 0.5 * smoothing if smoothing else target
    losses = pos_weight * smooth * if_one + (1.0 - smooth) * if_zero
    of_class = None
    if class_weight is not None:
        pair = class_weights(name, class_weight, 2, output)
        of_class = pair[0] + (pair[1] - pair[0]) * target
    return _mean(name, losses, weight, of_class)


def hinge(output: Any, target: Any, *, weight: Any = None) -> Any:
    """Hinge loss: l = max(0, 1 − t o) for t = ±1, or for C >= 2 scores max(0, 1 + max_{j≠t} oⱼ − o_t).

    One score a row, `output` (N,) or (N, 1), goes with targets −1 and 1, or 0 and 1; scores (N, C) with class numbers
    (N,). At the corner the derivative is taken as 0 for one score; among tied largest scores it is shared equally.

    Source: Cortes & Vapnik, Support-vector networks, 1995; Crammer & Singer, On the algorithmic implementation of
    multiclass kernel-based vector machines, JMLR 2001.

    >>> float(hinge(np.array([0.5, -3.0]), np.array([1, 0])))
    0.25
    >>> float(hinge(np.array([[2.0, 1.5, 0.0]]), np.array([0])))
    0.5
    """
    name = "hinge"
    output, target = array(output), array(target)
    if output.ndim == target.ndim + 1 and output.shape[-1] > 1:
        several_scores(name, output)
        target = class_numbers(name, output, target)
        others = (np.arange(output.shape[-1]) != target[..., None]).astype(output.dtype)
        own = np.take_along_axis(output, target[..., None], axis=-1)[..., 0]
        # Over all j, with the margin of 1 left out at j = t, where the term is 0: the largest is never below 0.
        return _mean(name, np.max(output + others, axis=-1) - own, weight)
    output, target = alike(name, output, target)
    need(name, target, lambda t: (np.abs(t) == 1) | (t == 0), "−1 or 1, or else 0 or 1")
    margin = 1.0 - np.where(target > 0, output, -output)
    return _mean(name, np.where(margin <= 0, 0.0, margin), weight)


def poisson(output: Any, target: Any, *, full: bool = False, weight: Any = None) -> Any:
    """Poisson loss of a logarithmic rate: l = exp(o) − t o, the negative log-likelihood without log t!. In nats.

    `target` holds counts, 0 or above. With `full` log t! is added, which changes no gradient.

    Source: McCullagh & Nelder, Generalized linear models, 1989, chapter 6.

    >>> float(poisson(np.array([0.0]), np.array([3])))
    1.0
    >>> float(poisson(np.array([0.0]), np.array([3]), full=True).round(4))  # log 3! = 1.7918
    2.7918
    """
    output, target = alike("poisson", output, target)
    need("poisson", target, lambda t: t >= 0, "a count, 0 or above")
    losses = np.exp(output) - target * output
    return _mean("poisson", losses + gammaln(target + 1.0) if full else losses, weight)


def quantile(output: Any, target: Any, *, q: float = 0.5, weight: Any = None) -> Any:
    """Quantile (pinball) loss: l = max(q r, (q − 1) r) with r = t − o. Its minimum is the q-quantile of t, 0 < q < 1.

    At r = 0 the derivative is taken as the mean of the one-sided ones, ½ − q.

    Source: Koenker & Bassett, Regression quantiles, Econometrica 1978.

    >>> float(quantile(np.array([0.0, 0.0]), np.array([1.0, -1.0]), q=0.9).round(4))
    0.5
    """
    if fraction("q", q) == 0.0:
        raise HyperparameterError(f"q is {q!r}; it must be between 0 and 1, such as 0.9")
    output, target = alike("quantile", output, target)
    residual = target - output
    return _mean("quantile", np.maximum(float(q) * residual, (float(q) - 1.0) * residual), weight)


def _mean(name: str, losses: Any, weight: Any, of_class: Any = None) -> Any:
    """The weighted mean of the losses; the weights of the examples and of their classes multiply."""
    if weight is not None:
        weight = sample_weights(name, weight, losses)
    if of_class is not None:
        weight = of_class if weight is None else weight * of_class
    return weighted_mean(losses, weight)


@dataclass(frozen=True)
class Meaning:
    """What a loss takes its arguments for: the kind of `target`, and the `link` from output to prediction."""

    target: str
    """"number", "class" (numbers of classes), "binary" (0 and 1) or "count"."""
    link: Callable[[Any], Any]
    """Softmax or sigmoid for probabilities, exp for a rate, identity where the output itself is the prediction."""


LOSSES: dict[str, Callable[..., Any]] = {
    "squared_error": squared_error,
    "absolute_error": absolute_error,
    "huber": huber,
    "cross_entropy": cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
    "hinge": hinge,
    "poisson": poisson,
    "quantile": quantile,
}
"""Every loss, by the name a person types."""

MEANINGS: dict[str, Meaning] = {
    "squared_error": Meaning("number", identity),
    "absolute_error": Meaning("number", identity),
    "huber": Meaning("number", identity),
    "cross_entropy": Meaning("class", softmax),
    "binary_cross_entropy": Meaning("binary", sigmoid),
    "hinge": Meaning("class", identity),
    "poisson": Meaning("count", np.exp),
    "quantile": Meaning("number", identity),
}


def loss_of(spec: Any) -> Callable[..., Any]:
    """The loss that `spec` names: ``"huber"``, ``{"name": "huber", "delta": 2.0}``, or a function, returned as it is.

    >>> loss_of({"name": "huber", "delta": 2.0})(np.array([5.0]), np.array([0.0]))
    np.float64(8.0)
    """
    return function_of(spec, LOSSES, "loss")


def meaning_of(loss: Callable[..., Any]) -> Meaning | None:
    """What a built-in loss takes its arguments for; None for a loss of one's own.

    >>> meaning_of(cross_entropy).target
    'class'
    """
    name = name_of(loss, LOSSES)
    return None if name is None else MEANINGS[name]
