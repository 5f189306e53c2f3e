"""Products with matrices of curvature that are never formed: Gauss–Newton and Fisher."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from backpass.graph.pytree import flatten, tree_map
from backpass.partials.declare import shape_of

from .batch import vmap
from .derivatives import grad, hvp, jvp, vjp


def gnvp(model: Callable[..., Any], loss: Callable[..., Any], theta: Any, v: Any) -> Any:
    """Gauss–Newton product G·v = Jᵀ H J v for ``loss(model(theta))``: J the Jacobian of the model, H the Hessian of
    the loss by the model's output (Schraudolph 2002). G is what the Hessian becomes where the model is linear; it is
    positive semidefinite for every convex loss.

    Args:
        model: θ → outputs, a pytree. loss: outputs → a scalar. v: of θ's structure and shapes; so is the result.

    >>> import numpy as np, backpass as bp
    >>> bp.gnvp(lambda t: t ** 2, lambda y: 0.5 * np.sum(y ** 2), np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    array([ 4., 16.])
    """
    out, pushed = jvp(model, (theta,), (v,))
    _, pullback = vjp(model, theta)
    return pullback(hvp(loss, (out,), pushed))[0]


def fvp(log_likelihood: Callable[..., Any], theta: Any, v: Any, *examples: Any) -> Any:
    """Product with the empirical Fisher matrix: F·v = mean over examples of gᵢ (gᵢ·v), gᵢ the gradient of
    ``log_likelihood(theta, *exampleᵢ)``.

    Args:
        examples: pytrees of arrays whose first axis counts the examples. v: of θ's structure; so is the result.

    The gradients of all examples are taken in one call of `vmap`; F is not formed.

    >>> import numpy as np, backpass as bp
    >>> x = np.array([[1.0, 0.0], [1.0, 2.0]])
    >>> bp.fvp(lambda w, x: x @ w, np.zeros(2), np.array([1.0, 1.0]), x)
    array([2., 3.])
    """
    each = vmap(grad(log_likelihood), (None, *[0] * len(examples)))(theta, *examples)
    rows, along = flatten(each)[0], flatten(v)[0]
    count = shape_of(rows[0])[0]
    parts = [np.sum(np.reshape(g * d, (count, -1)), axis=1) for g, d in zip(rows, along, strict=True)]
    weights = sum(parts[1:], parts[0]) / count
    return tree_map(lambda g: np.tensordot(weights, g, axes=1), each)


__all__ = ["fvp", "gnvp"]
