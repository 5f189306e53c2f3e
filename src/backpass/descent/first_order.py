"""Gradient descent and its descendants: rules that move θ by its gradient and what they remember of earlier ones.

Throughout, g is the gradient at θ, η the learning rate of this step (a number, or a schedule), t = 1, 2, … the number
of the step (``step + 1``), and products, squares and roots are taken element by element. `weight_decay` λ > 0 replaces
g by g + λθ, the gradient of the loss plus λ/2·‖θ‖² (an L2 penalty), except in `adamw`, which decays θ itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .hyperparameter import fraction, learning_rate_of, not_negative, positive
from .optimizer import Optimizer, cast, per_leaf


def sgd(learning_rate: Any = 0.01, *, weight_decay: float = 0.0) -> Optimizer:
    """Stochastic gradient descent: θ ← θ − η g.

    Source: Robbins & Monro, A Stochastic Approximation Method, 1951; Cauchy, 1847, for the exact gradient.

    >>> rule = sgd(0.1)
    >>> rule.update({"w": np.array([1.0, 2.0])}, {"w": np.array([10.0, -10.0])}, rule.init({"w": np.zeros(2)}), 0)
    ({'w': array([0., 3.])}, {})
    """
    settings = {"learning_rate": learning_rate_of(learning_rate), "weight_decay": _decay(weight_decay)}

    def rule(theta: Any, grad: Any, rate: Any) -> tuple[Any, ...]:
        return (theta - rate * grad,)

    return per_leaf("sgd", settings, slots=(), scalars=_rate_only, rule=rule, l2=settings["weight_decay"])


def momentum(learning_rate: Any = 0.01, momentum: float = 0.9, *, weight_decay: float = 0.0) -> Optimizer:
    """Classical (heavy-ball) momentum: v ← μ v − η g, θ ← θ + v.

    Source: Polyak, Some methods of speeding up the convergence of iteration methods, 1964; in this form Sutskever,
    Martens, Dahl & Hinton, On the importance of initialization and momentum in deep learning, 2013, eqs. 1-2.
    Some libraries write v ← μ v + g, θ ← θ − η v: the same path while η is constant.

    >>> rule = momentum(0.1)
    >>> theta, state = rule.update(np.array([1.0]), np.array([1.0]), rule.init(np.array([1.0])), 0)
    >>> theta, state = rule.update(theta, np.array([0.0]), state, 1)  # rolls on without a gradient
    >>> theta.round(12), state["velocity"].round(12)
    (array([0.81]), array([-0.09]))
    """
    settings = {
        "learning_rate": learning_rate_of(learning_rate),
        "momentum": fraction("momentum", momentum),
        "weight_decay": _decay(weight_decay),
    }
    mu = settings["momentum"]

    def rule(theta: Any, grad: Any, velocity: Any, rate: Any) -> tuple[Any, ...]:
        velocity = mu * velocity - rate * grad
        return theta + velocity, velocity

    return per_leaf(
        "momentum", settings, slots=("velocity",), scalars=_rate_only, rule=rule, l2=settings["weight_decay"]
    )


def nesterov(learning_rate: Any = 0.01, momentum: float = 0.9, *, weight_decay: float = 0.0) -> Optimizer:
    """Nesterov's accelerated gradient: v ← μ v − η g, θ ← θ + μ v − η g.

    θ here is the look-ahead point θ' + μ v of the published form v ← μ v − η ∇L(θ' + μ v), θ' ← θ' + v: the gradient is
    then taken where θ is, and both forms visit the same points.

    Source: Nesterov, A method of solving a convex programming problem with convergence rate O(1/k²), 1983; Sutskever et
    al., 2013, eqs. 3-4; the change of variables is Bengio, Boulanger-Lewandowski & Pascanu, Advances in optimizing
    recurrent networks, 2013, eqs. 6-7.

    >>> rule = nesterov(0.1)
    >>> theta, state = rule.update(np.array([1.0]), np.array([1.0]), rule.init(np.array([1.0])), 0)
    >>> theta.round(12), state["velocity"]
    (array([0.81]), array([-0.1]))
    """
    settings = {
        "learning_rate": learning_rate_of(learning_rate),
        "momentum": fraction("momentum", momentum),
        "weight_decay": _decay(weight_decay),
    }
    mu = settings["momentum"]

    def rule(theta: Any, grad: Any, velocity: Any, rate: Any) -> tuple[Any, ...]:
        pull = rate * grad
        velocity = mu * velocity - pull
        return theta + mu * velocity - pull, velocity

    return per_leaf(
        "nesterov", settings, slots=("velocity",), scalars=_rate_only, rule=rule, l2=settings["weight_decay"]
    )


def adagrad(learning_rate: Any = 0.01, *, epsilon: float = 1e-10, weight_decay: float = 0.0) -> Optimizer:
    """Adagrad: s ← s + g², θ ← θ − η g / (√s + ε).

    Source: Duchi, Hazan & Singer, Adaptive Subgradient Methods for Online Learning and Stochastic Optimization, 2011,
    the diagonal matrix H = εI + diag(s)^½ of fig. 1.

    >>> rule = adagrad(0.5)
    >>> theta, state = rule.update(np.array([0.0, 0.0]), np.array([3.0, -0.1]), rule.init(np.zeros(2)), 0)
    >>> theta.round(6)  # the first step is η in every direction, however steep
    array([-0.5,  0.5])
    """
    settings = {
        "learning_rate": learning_rate_of(learning_rate),
        "epsilon": positive("epsilon", epsilon),
        "weight_decay": _decay(weight_decay),
    }
    eps = settings["epsilon"]

    def rule(theta: Any, grad: Any, squares: Any, rate: Any) -> tuple[Any, ...]:
        squares = squares + grad * grad
        return theta - rate * grad / (np.sqrt(squares) + eps), squares

    return per_leaf("adagrad", settings, slots=("squares",), scalars=_rate_only, rule=rule, l2=settings["weight_decay"])


def rmsprop(
    learning_rate: Any = 0.001, decay: float = 0.9, *, epsilon: float = 1e-8, weight_decay: float = 0.0
) -> Optimizer:
    """RMSprop: s ← ρ s + (1 − ρ) g², θ ← θ − η g / (√s + ε), with ρ = `decay`.

    Source: Tieleman & Hinton, Neural Networks for Machine Learning, lecture 6e, 2012, with η = 0.001 and ρ = 0.9; ε
    keeps a zero gradient from dividing by zero.

    >>> rule = rmsprop(0.1)
    >>> theta, state = rule.update(np.array([0.0]), np.array([2.0]), rule.init(np.zeros(1)), 0)
    >>> theta.round(6), state["squares"].round(6)
    (array([-0.316228]), array([0.4]))
    """
    settings = {
        "learning_rate": learning_rate_of(learning_rate),
        "decay": fraction("decay", decay),
        "epsilon": positive("epsilon", epsilon),
        "weight_decay": _decay(weight_decay),
    }
    rho, eps = settings["decay"], settings["epsilon"]

    def rule(theta: Any, grad: Any, squares: Any, rate: Any) -> tuple[Any, ...]:
        squares = rho * squares + (1 - rho) * grad * grad
        return theta - rate * grad / (np.sqrt(squares) + eps), squares

    return per_leaf("rmsprop", settings, slots=("squares",), scalars=_rate_only, rule=rule, l2=settings["weight_decay"])


def adam(
    learning_rate: Any = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    *,
    epsilon: float = 1e-8,
    weight_decay: float = 0.0,
) -> Optimizer:
    """Adam: m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², θ ← θ − η m̂ / (√v̂ + ε).

    m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ) undo the pull of the zeros that m and v start from. With c = √(1 − β₂ᵗ) the
    step equals (η c / (1 − β₁ᵗ)) · m / (√v + c ε), which is how it is computed: two divisions an element fewer.

    Source: Kingma & Ba, Adam: A Method for Stochastic Optimization, 2015, algorithm 1 and the end of section 2.

    >>> rule = adam(0.5)
    >>> theta, state = rule.update(np.array([0.0, 0.0]), np.array([3.0, -0.1]), rule.init(np.zeros(2)), 0)
    >>> theta.round(6)
    array([-0.5,  0.5])
    """
    settings = {
        "learning_rate": learning_rate_of(learning_rate),
        "beta1": fraction("beta1", beta1),
        "beta2": fraction("beta2", beta2),
        "epsilon": positive("epsilon", epsilon),
        "weight_decay": _decay(weight_decay),
    }
    b1, b2, eps = settings["beta1"], settings["beta2"], settings["epsilon"]

    def scalars(rate: Any, step: Any) -> tuple[Any, ...]:
        return _adam_scalars(rate, step, b1, b2, eps)

    def rule(theta: Any, grad: Any, m: Any, v: Any, scale: Any, floor: Any) -> tuple[Any, ...]:
        m, v = _moments(m, v, grad, b1, b2)
        return theta - scale * m / (np.sqrt(v) + floor), m, v

    return per_leaf("adam", settings, slots=("m", "v"), scalars=scalars, rule=rule, l2=settings["weight_decay"])


def adamw(
    learning_rate: Any = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    *,
    epsilon: float = 1e-8,
    weight_decay: float = 0.01,
) -> Optimizer:
    """Adam with decoupled weight decay: θ ← θ − η (m̂ / (√v̂ + ε) + λ θ), with m̂ and v̂ as in `adam`.

    λ = `weight_decay` never enters m and v, so that steep directions decay as fast as flat ones. It is multiplied by
    the learning rate, as every library has it; the paper's own λ is α times this one, α being its constant base rate.

    Source: Loshchilov & Hutter, Decoupled Weight Decay Regularization, 2019, algorithm 2.

    >>> rule = adamw(0.5, weight_decay=0.1)
    >>> theta, state = rule.update(np.array([2.0]), np.array([0.0]), rule.init(np.array([2.0])), 0)
    >>> theta  # no gradient: only the decay 0.5 * 0.1 * 2
    array([1.9])
    """
    settings = {
        "learning_rate": learning_rate_of(learning_rate),
        "beta1": fraction("beta1", beta1),
        "beta2": fraction("beta2", beta2),
        "epsilon": positive("epsilon", epsilon),
        "weight_decay": _decay(weight_decay),
    }
    b1, b2, eps, lam = settings["beta1"], settings["beta2"], settings["epsilon"], settings["weight_decay"]

    def scalars(rate: Any, step: Any) -> tuple[Any, ...]:
        return (*_adam_scalars(rate, step, b1, b2, eps), 1 - rate * lam)

    def rule(theta: Any, grad: Any, m: Any, v: Any, scale: Any, floor: Any, keep: Any) -> tuple[Any, ...]:
        m, v = _moments(m, v, grad, b1, b2)
        return keep * theta - scale * m / (np.sqrt(v) + floor), m, v

    return per_leaf("adamw", settings, slots=("m", "v"), scalars=scalars, rule=rule)


def _decay(weight_decay: Any) -> float:
    return not_negative("weight_decay", weight_decay)


def _rate_only(rate: Any, step: Any) -> tuple[Any, ...]:
    return (rate,)


def _moments(m: Any, v: Any, grad: Any, beta1: float, beta2: float) -> tuple[Any, Any]:
    return beta1 * m + (1 - beta1) * grad, beta2 * v + (1 - beta2) * grad * grad


def _adam_scalars(rate: Any, step: Any, beta1: float, beta2: float, epsilon: float) -> tuple[Any, Any]:
    """η c / (1 − β₁ᵗ) and c ε, with c = √(1 − β₂ᵗ)."""
    # float64 whatever the step's dtype: in float32, 1 − 0.999 would keep only four digits.
    t = cast(step, np.dtype(np.float64)) + 1
    # np.power, not **: of two numbers, NumPy computes ** by another routine than it does for arrays, which graphs run;
    # where the CPU has AVX-512, the two differ in the last bit.
    correction = np.sqrt(1 - np.power(beta2, t))
    return rate * correction / (1 - np.power(beta1, t)), epsilon * correction
