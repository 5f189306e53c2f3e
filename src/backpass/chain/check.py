"""`check`: every derivative of a function held against an independent one, θ by θ."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backpass.graph.aval import aval_of
from backpass.graph.pytree import flatten, leaves_of
from backpass.graph.traced import Traced
from backpass.partials.declare import shape_of

from .derivatives import value_and_grad

COMPLEX_STEP = 1e-20
"""x + ih has no subtraction to cancel, so h can be as small as one likes (Squire & Trapp 1998)."""


@dataclass(frozen=True)
class Checked:
    """One partial derivative: autodiff beside an independent value. `relative` is |a − b| / max(|a|, |b|, scale)."""

    name: str
    index: tuple[int, ...]
    autodiff: float
    reference: float
    method: str
    relative: float
    tolerance: float

    @property
    def ok(self) -> bool:
        return self.relative <= self.tolerance or self.autodiff == self.reference

    def __str__(self) -> str:
        place = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        verdict = "ok" if self.ok else "WRONG"
        return (
            f"∂L/∂{self.name}{place}  autodiff {self.autodiff: .12g}  {self.method} {self.reference: .12g}"
            f"  relative difference {self.relative:.1e}  {verdict}"
        )


@dataclass(frozen=True)
class Report:
    """All partial derivatives that were checked. True when all agree; printing shows the worst and every wrong one."""

    checked: tuple[Checked, ...]
    count: int
    where: str
    types: tuple[tuple[str, str, int], ...] = ()
    """Of each θ its name, its dtype and shape, and how many partial derivatives it has."""

    def __bool__(self) -> bool:
        return all(c.ok for c in self.checked)

    @property
    def worst(self) -> Checked | None:
        return max(self.checked, key=lambda c: c.relative, default=None)

    @property
    def wrong(self) -> tuple[Checked, ...]:
        return tuple(c for c in self.checked if not c.ok)

    def __str__(self) -> str:
        wrong = self.wrong
        head = f"{len(self.checked) - len(wrong)} of {len(self.checked)} partial derivatives agree"
        if len(self.checked) < self.count:
            head += f" (drawn from {self.count})"
        lines = [head]
        if wrong:
            lines += [f"  {c}" for c in wrong[:20]] + ([f"  … {len(wrong) - 20} more"] if len(wrong) > 20 else [])
            lines.append(f"  the loss is computed by {self.where}")
            lines.append(
                "  A kink (|x|, max, where) at this very point, a custom rule, or a value read by int() can cause this."
            )
        elif self.worst is not None:
            lines.append(f"  worst: {self.worst}")
        return "\n".join([*lines, *self._by_theta()])

    def _by_theta(self) -> list[str]:
        """A line for each θ: how many of its partial derivatives agree, and the largest difference."""
        rows = []
        for name, type_, count in self.types if self.checked else ():
            mine = [c for c in self.checked if c.name == name]
            agree = sum(c.ok for c in mine)
            largest = f"largest difference {max(c.relative for c in mine):.1e}" if mine else "none drawn"
            verdict = "" if not mine else "  ok" if agree == len(mine) else "  WRONG"
            rows.append(
                (name, type_, f"{agree} of {len(mine)}{f' of {count}' if len(mine) < count else ''}", largest, verdict)
            )
        widths = [max((len(row[k]) for row in rows), default=0) for k in range(3)]
        return [
            f"  {name:<{widths[0]}}  {type_:<{widths[1]}}  {told:<{widths[2]}}  {largest}{verdict}"
            for name, type_, told, largest, verdict in rows
        ]


def check(
    function: Callable[..., Any],
    *args: Any,
    argnums: int | tuple[int, ...] = 0,
    tolerance: float | None = None,
    most: int = 200,
    seed: int = 0,
) -> Report:
    """Compare the gradient of a scalar function with an independent derivative of the same code.

    Where the plain NumPy code runs on complex numbers and stays analytic there, the complex step Im f(x + ih)/h, exact
    to rounding; else central differences with Richardson's extrapolation.

    Args:
        function, args: as one would call ``grad(function, argnums)(*args)``.
        tolerance: relative; by default 1e-10 for complex step and 1e-6 for differences (looser for float32).
        most: at most so many partial derivatives, drawn at random with `seed`.

    Returns:
        A `Report`, true when all agree; print it.

    >>> import numpy as np, backpass as bp
    >>> bool(bp.check(lambda x: np.sum(np.sin(x) * x), np.array([0.5, 2.0])))
    True
    """
    chosen = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    chosen = tuple(k % len(args) for k in chosen)
    value, gradient = value_and_grad(function, chosen)(*args)
    leaves, tree = flatten(tuple(args[k] for k in chosen))
    gradients = leaves_of(gradient)
    names = [path.partition(".")[2] or path for path in tree.paths]
    code = getattr(function, "__code__", None)
    if code is not None:
        names = [
            f"{code.co_varnames[chosen[int(p.partition('.')[0])]]}{'.' + p.partition('.')[2] if '.' in p else ''}"
            for p in tree.paths
        ]
    spots = [(k, index) for k, leaf in enumerate(leaves) for index in np.ndindex(*shape_of(leaf))]
    if len(spots) > most:
        rng = np.random.default_rng(seed)
        spots = [spots[i] for i in sorted(rng.choice(len(spots), most, replace=False))]

    def evaluate(k: int, index: tuple[int, ...], delta: complex) -> complex:
        moved = list(leaves)
        wide = np.array(moved[k], dtype=complex if isinstance(delta, complex) else np.float64)
        wide[index] += delta
        moved[k] = wide[()] if np.ndim(leaves[k]) == 0 else wide
        new = list(args)
        for place, part in zip(chosen, tree.unflatten(moved), strict=True):
            new[place] = part
        with np.errstate(all="ignore"):
            result = function(*new)
        return result.node.value if type(result) is Traced else result

    single = any(np.asarray(leaf).dtype.itemsize < 8 for leaf in leaves)
    scale = max([float(np.max(np.abs(g))) for g in gradients if np.size(g)] + [1e-300]) * 1e-3
    done = []
    for k, index in spots:
        found = float(np.asarray(gradients[k])[index])
        reference, method = _reference(evaluate, k, index, float(np.real(value)), float(np.asarray(leaves[k])[index]))
        floor = max(abs(found), abs(reference), scale)
        allowed = tolerance or (1e-3 if single else 1e-10 if method == "complex step" else 1e-6)
        difference = (
            abs(found - reference) / floor
            if np.isfinite(found) and np.isfinite(reference)
            else _infinite(found, reference)
        )
        done.append(Checked(names[k], index, found, reference, method, difference, allowed))
    where = f"{code.co_filename}:{code.co_firstlineno}" if code is not None else repr(function)
    sizes = [int(np.prod(shape_of(leaf))) for leaf in leaves]
    types = tuple((name, repr(aval_of(leaf)), size) for name, leaf, size in zip(names, leaves, sizes, strict=True))
    return Report(tuple(done), sum(sizes), where, types)


def _infinite(found: float, reference: float) -> float:
    return 0.0 if found == reference or (np.isnan(found) and np.isnan(reference)) else np.inf


def _reference(
    evaluate: Callable[..., Any], k: int, index: tuple[int, ...], value: float, x: float
) -> tuple[float, str]:
    # The complex step holds only where the code is analytic: |x|, max and comparisons are not, and then the real part
    # or the agreement with a coarse difference gives it away.
    step = 1e-4 * max(abs(x), 1.0)
    coarse = (np.real(evaluate(k, index, step)) - np.real(evaluate(k, index, -step))) / (2 * step)
    try:
        with warnings.catch_warnings():
            # Code that drops the imaginary part (int(x), a real array that is filled) is not analytic.
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            stepped = evaluate(k, index, complex(0, COMPLEX_STEP))
        if np.iscomplexobj(stepped) and abs(stepped.real - value) <= 1e-6 * max(abs(value), 1e-300):
            exact = float(stepped.imag / COMPLEX_STEP)
            if abs(exact - coarse) <= 1e-4 * max(abs(exact), abs(coarse), 1e-6):
                return exact, "complex step"
    except (TypeError, ValueError, np.linalg.LinAlgError, np.exceptions.ComplexWarning):
        pass
    half = (np.real(evaluate(k, index, step / 2)) - np.real(evaluate(k, index, -step / 2))) / step
    return float((4 * half - coarse) / 3), "central difference"
