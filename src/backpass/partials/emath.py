"""``np.emath``: roots, logarithms and inverse functions that become complex where they leave the real numbers.

Whether a result is complex depends on the values: one entry outside of the domain makes all of them complex.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from backpass.graph import messages

from .declare import as_array, is_complex, is_staged, rule_for, value_of


def _widened(x: Any, outside: Callable[[Any], Any], name: str) -> Any:
    """x as complex numbers, if one of its entries is outside of the domain."""
    x = as_array(x)
    if is_complex(x):
        return x
    if is_staged(x):
        raise messages.value_unknown(x, f"np.emath.{name}, which is real or complex as the values are,")
    return x.astype(complex) if np.any(outside(value_of(x))) else x


def _enter(name: str, function: Any, outside: Callable[[Any], Any]) -> None:
    rule_for(getattr(np.emath, name))(lambda x: function(_widened(x, outside, name)))


def _negative(x: Any) -> Any:
    return x < 0


def _beyond_one(x: Any) -> Any:
    return np.abs(x) > 1


_enter("sqrt", np.sqrt, _negative)
_enter("log", np.log, _negative)
_enter("log2", np.log2, _negative)
_enter("log10", np.log10, _negative)
_enter("arccos", np.arccos, _beyond_one)
_enter("arcsin", np.arcsin, _beyond_one)
_enter("arctanh", np.arctanh, _beyond_one)


@rule_for(np.emath.logn)
def logn(n, x):
    return np.log(_widened(x, _negative, "logn")) / np.log(_widened(n, _negative, "logn"))


@rule_for(np.emath.power)
def power(x, p):
    return np.power(_widened(x, _negative, "power"), as_array(p))
