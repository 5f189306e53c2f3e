"""One row of the function table: a NumPy function, how it is called, and what may differ."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Row:
    """`call` on arguments of these shapes (an array stands for itself and is not differentiated)."""

    function: Any
    call: Callable[..., Any]
    args: tuple[Any, ...]
    label: str
    low: float = -3.0
    high: float = 3.0
    ulps: int = 0
    """How many units in the last place the value may differ from NumPy's; 0 means bit for bit."""
    why: str = ""
    """Why it may."""
    eager_only: str = ""
    """Why it cannot be traced without values."""
    smooth: bool = True
    """False: the result is whole numbers or truth values, or steps; the derivative is 0 or absent."""
    float32: bool = True


ROWS: list[Row] = []


def row(function: Any, *args: Any, call: Callable[..., Any] | None = None, as_: str = "", **options: Any) -> None:
    """Enter ``function(*args, **kwargs)``, or ``call(*args)`` where the arguments are nested otherwise."""
    about = {
        k: options.pop(k) for k in ("low", "high", "ulps", "why", "eager_only", "smooth", "float32") if k in options
    }
    name = getattr(function, "__name__", str(function))
    shapes = ",".join(str(a).replace(" ", "") if isinstance(a, tuple) else "·" for a in args)
    told = ",".join(f"{k}={v}" for k, v in options.items()).replace(" ", "").replace("\n", "")
    label = f"{name}({';'.join(part for part in (shapes, told, as_) if part)})"
    kwargs = dict(options)
    ROWS.append(Row(function, call or (lambda *xs: function(*xs, **kwargs)), args, label, **about))


def values_of(chosen: Row) -> tuple[Any, ...]:
    """Distinct float64 entries between low and high, shuffled; the same in every run."""
    sizes = [int(np.prod(a)) for a in chosen.args if isinstance(a, tuple)]
    rng = np.random.default_rng(7)
    places = rng.permutation((np.arange(sum(sizes)) + rng.uniform(0.3, 0.7, sum(sizes))) / max(sum(sizes), 1))
    parts = iter(np.split(chosen.low + (chosen.high - chosen.low) * places, np.cumsum(sizes)[:-1]))
    return tuple(next(parts).reshape(a)[()] if isinstance(a, tuple) else a for a in chosen.args)
