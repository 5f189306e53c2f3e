"""``out=``: where NumPy is asked to put a result, by name or by place, and the writing of it there."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import messages
from .op import OUT, WATCHED


def without_out(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
    """(out, args, kwargs): what a call of one of NumPy's functions names as its `out`, and the call without it."""
    out = kwargs.get("out") if kwargs else None
    if out is not None:
        return out, args, {name: value for name, value in kwargs.items() if name != "out"}
    if len(args) > 1:
        place = OUT.get(function)
        if place is not None and len(args) > place and args[place] is not None:
            return args[place], (*args[:place], None, *args[place + 1 :]), kwargs
    return None, args, kwargs


def into(out: Any, result: Any, name: str, casting: Any = "same_kind", stretched: bool = False) -> Any:
    """The result, or each of several, written into the array that was given for it; a plain one cannot hold them.

    With `stretched` the array may be larger, as it may for ufuncs."""
    several = isinstance(out, (tuple, list))
    targets = tuple(out) if several else (out,)
    for target, part in zip(targets, result if isinstance(result, tuple) else (result,), strict=True):
        if target is None:
            continue
        if target.__class__ not in WATCHED:
            raise messages.out_refused(name)
        have, want = np.shape(part), target.shape
        if have != want and not (stretched and _fits(have, want)):
            raise messages.in_place_shape(target, have)
        if not np.can_cast(part.dtype, target.dtype, casting):
            raise messages.out_cast(name, part.dtype, target.dtype, casting)
        target[...] = part
    return targets[0] if len(targets) == 1 else targets


def _fits(have: tuple[int, ...], want: tuple[int, ...]) -> bool:
    ours = want[len(want) - len(have) :]
    return len(have) <= len(want) and all(n in (1, m) for n, m in zip(have, ours, strict=True))


__all__ = ["into", "without_out"]
