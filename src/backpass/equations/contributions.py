"""How much each θ contributes to the error: its gradient, and the first-order change in loss of a step."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backpass.descent.registry import named
from backpass.graph.pytree import flatten

from .build import Builder
from .evaluate import evaluate
from .expr import Expr, opened, total
from .labelled import numeric
from .unit import shown


@dataclass(frozen=True)
class Contribution:
    """One θ."""

    name: str
    shape: tuple[int, ...]
    gradient: np.ndarray
    change: float
    """Σ ∂L/∂θ · Δθ: the change in loss that the step of this θ makes, to first order."""
    share: float
    """Its part of the whole first-order change."""
    layer: str = ""
    """The layer that it belongs to: 1 of W⁽¹⁾ and of W1, dense_1 of theta.dense_1.W; else nothing."""


@dataclass(frozen=True)
class Contributions:
    """How a step changes the loss, by θ and by example."""

    loss: float
    rows: tuple[Contribution, ...]
    predicted: float
    """The first-order change: the sum of the rows'."""
    actual: float
    """L(θ + Δθ) − L(θ)."""
    examples: np.ndarray | None
    """What each example adds to the loss, where the loss is a sum over examples; else None."""

    @property
    def layers(self) -> dict[str, float]:
        """Layer → its part of the whole first-order change, where θ belongs to layers."""
        out: dict[str, float] = {}
        for r in self.rows:
            if r.layer:
                out[r.layer] = out.get(r.layer, 0.0) + r.share
        return out

    def __str__(self) -> str:
        width = max([len(r.name) for r in self.rows], default=1)
        rows = [f"L = {shown(self.loss)}"]
        for r in self.rows:
            norm = float(np.linalg.norm(r.gradient))
            rows.append(
                f"  {r.name:<{width}}  ‖∂L/∂θ‖ {shown(norm):>10}  ΔL {shown(r.change):>11}  {100 * r.share:6.1f} %"
            )
        if 1 < len(self.layers) < len(self.rows):
            rows += [f"  layer {name}  {100 * share:.1f} %" for name, share in self.layers.items()]
        rows.append(f"  first order {shown(self.predicted)}, in fact {shown(self.actual)}")
        return "\n".join(rows)


def contributions(
    function: Callable[..., Any], theta: Any, *args: Any, step: Any = None, optimizer: Any = None, rate: float = 0.01
) -> Contributions:
    """How much each θ contributes to the change in loss of one step.

    Args:
        function: a loss as for `derive`; `theta` and `args` are its arguments.
        step: Δθ, shaped like θ; by default gradient descent's, −rate · ∂L/∂θ.
        optimizer: in place of a step, an optimiser of `bp.descent` or its name: its first step.

    >>> import numpy as np
    >>> def loss(theta, x, t):
    ...     return np.mean((x @ theta["w"] + theta["b"] - t) ** 2)
    >>> c = contributions(loss, {"w": np.array([1.0, 2.0]), "b": 0.0}, np.eye(2), np.zeros(2), rate=0.1)
    >>> [(r.name, round(r.change, 3)) for r in c.rows], c.examples
    ([('w', -0.5), ('b', -0.9)], array([0.5, 2. ]))
    """
    builder = Builder(function, theta, args)
    sheet = builder.sheet
    leaves, tree = flatten(theta)
    positions = builder.graph.inputs[: len(builder.thetas)]
    gradients = [numeric(builder.cotangents.get(k, np.zeros(builder.graph.nodes[k].shape))) for k in positions]
    if optimizer is not None and step is None:
        step = _step_of(
            optimizer,
            theta,
            tree.unflatten([g.astype(np.asarray(x).dtype) for g, x in zip(gradients, leaves, strict=True)]),
        )
    steps = [-rate * g for g in gradients] if step is None else [numeric(s) for s in flatten(step)[0]]
    changes = [float(np.sum(np.real(np.conj(g) * s))) for g, s in zip(gradients, steps, strict=True)]
    whole = sum(changes)
    names = [sheet.at[k].name if k in sheet.at else builder.graph.nodes[k].name or "θ" for k in positions]
    rows = [
        Contribution(name, g.shape, g, change, change / whole if whole else 0.0, _layer(builder, k))
        for k, name, g, change in zip(positions, names, gradients, changes, strict=True)
    ]
    loss = float(np.asarray(sheet.values[builder.graph.outputs[0]]))
    moved = tree.unflatten([_shaped(leaf, s) for leaf, s in zip(leaves, steps, strict=True)])
    actual = float(function(moved, *args)) - loss
    return Contributions(loss, tuple(rows), whole, actual, _examples(builder))


def _step_of(optimizer: Any, theta: Any, gradient: Any) -> Any:
    rule = named(optimizer)
    moved = rule.update(theta, gradient, rule.init(theta), 0)[0]
    after, tree = flatten(moved)
    return tree.unflatten([numeric(b) - numeric(a) for a, b in zip(flatten(theta)[0], after, strict=True)])


def _layer(builder: Builder, k: int) -> str:
    symbol = builder.sheet.at.get(k)
    if symbol is not None and symbol.label is not None:
        return str(symbol.label)
    path = (builder.graph.nodes[k].label or "").split(".")
    if len(path) > 2:
        return path[-2]
    number = re.search(r"\d+$", path[-1])
    return number[0] if number else ""


def _shaped(leaf: Any, step: np.ndarray) -> Any:
    return type(leaf)(leaf + step) if isinstance(leaf, (float, complex)) else np.asarray(leaf + step)


def _examples(builder: Builder) -> np.ndarray | None:
    """The terms of the loss's sum over the first axis of the data."""
    sheet = builder.sheet
    data = next((s for s in sheet.symbols if s.role == "data" and s.shape and s.shape[0] != 1), None)
    e = builder.line_of[sheet.at[builder.graph.outputs[0]].number].expr
    if data is None or e is None:
        return None
    axis = sheet.axes.classes(data.key)[0]
    sums = [x for x in _sums(e) if sheet.axes.find(x.data[1]) == axis]
    if len(sums) != 1 or e.kind == "+":
        return None
    v, body = opened(sums[0])
    outer = _without(e, sums[0], body)
    return np.asarray(evaluate(sheet, outer, (v,)))


def _sums(e: Expr) -> list[Expr]:
    """The sums over examples: Σ_nj is Σ_n Σ_j, and Σ_i Σ_n may be read as Σ_n Σ_i."""
    found = [e] if e.kind == "S" and e.data[0] == "Σ" else []
    return found + [x for p in e.parts for x in _sums(p)]


def _without(e: Expr, binder: Expr, body: Expr) -> Expr:
    from .expr import substitute

    if e.kind == "S" and e is not binder and binder.free - e.free:
        v, inner = opened(e)
        return total(v, _without(inner, binder, body))
    return substitute(e, {binder: body})


__all__ = ["Contribution", "Contributions", "contributions"]
