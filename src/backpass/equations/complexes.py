"""Complex numbers in the index form: conjugates, real and imaginary parts, in a normal form.

A conjugate stands at the entries that have one, a part around what is complex and nothing else:

>>> from .expr import IMAGINARY, OfComplex, fn, mul, ref
>>> z, x = ref(OfComplex(1), ()), ref(2, ())
>>> conj(mul(IMAGINARY, x, z)) is mul(num(-1), IMAGINARY, x, conj(z)), conj(conj(z)) is z
(True, True)
>>> part("Re", mul(IMAGINARY, x, z)) is mul(num(-1), x, fn("Im", z)), part("Re", conj(z)) is fn("Re", z)
(True, True)
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from backpass.graph.aval import Aval
from backpass.graph.op import OPS

from .expr import (
    IMAGINARY,
    ZERO,
    Expr,
    Factor,
    add,
    bind,
    coefficient_of,
    cost,
    factors_of,
    fn,
    mul,
    num,
    opened,
    scaled,
    terms_of,
    total,
)

_REAL, _COMPLEX = Aval((), np.dtype(float)), Aval((), np.dtype(complex))


@lru_cache(maxsize=4096)
def gives_real(name: str, real: tuple[bool, ...]) -> bool:
    """Is a function's value real, where its arguments are as `real` says?"""
    if name in ("abs", "Re", "Im"):
        return True
    from .pull import OP_OF

    op = OPS.get(OP_OF.get(name, name))
    if op is not None:
        try:
            return op.aval(*[_REAL if r else _COMPLEX for r in real]).dtype.kind != "c"
        except (TypeError, ValueError):  # counts and degrees: SciPy takes whole numbers there
            pass
    return all(real)


def conj(e: Expr) -> Expr:
    """The complex conjugate."""
    if e.real:
        return e
    if e is IMAGINARY:
        return mul(num(-1), IMAGINARY)
    if e.kind == "*":
        each: list[Factor] = [(conj(b), p) if _whole(p) else fn("conj", mul((b, p))) for b, p in factors_of(e)]
        return mul(num(e.data[0]), *each)
    if e.kind == "+":
        apart, whole = scaled([(c, conj(t)) for c, t in terms_of(e)]), fn("conj", e)
        return apart if cost(apart) <= cost(whole) else whole
    if e.kind == "S" and e.data[0] in ("Σ", "Π"):
        v, body = opened(e)
        return total(v, conj(body)) if e.data[0] == "Σ" else bind("Π", v, conj(body))
    if e.kind == "f" and e.data == "conj":
        return e.parts[0]
    if e.kind == "f" and e.data == "exp":
        inner = conj(e.parts[0])
        if not _conjugated(inner):
            return fn("exp", inner)
    if e.kind == "f" and e.data == "where":
        return fn("where", e.parts[0], *map(conj, e.parts[1:]))
    return fn("conj", e)


def _whole(p: float) -> bool:
    return float(p).is_integer()


def _conjugated(e: Expr) -> bool:
    return (e.kind == "f" and e.data == "conj") or any(_conjugated(p) for p in e.parts)


def part(which: str, e: Expr) -> Expr:
    """The real ("Re") or imaginary ("Im") part."""
    if e.real:
        return e if which == "Re" else ZERO
    if e.kind == "+":
        return _part_of_sum(which, e)
    if e.kind == "S" and e.data[0] == "Σ":
        v, body = opened(e)
        return total(v, part(which, body))
    if e.kind == "f" and e.data == "conj":
        return mul(num(1 if which == "Re" else -1), part(which, e.parts[0]))
    return _part_of_product(which, e)


def _part_of_product(which: str, e: Expr) -> Expr:
    parts = factors_of(e)
    outside: list[Factor] = [(b, p) for b, p in parts if b.real]
    inner = [(b, p) for b, p in parts if not b.real and b is not IMAGINARY]
    sign = coefficient_of(e)
    if any(b is IMAGINARY and p == 1 for b, p in parts):  # Re(i z) = −Im z, Im(i z) = Re z
        sign, which = (-sign, "Im") if which == "Re" else (sign, "Re")
    elif len(inner) + len(outside) < len(parts):
        inner = [(b, p) for b, p in parts if not b.real]
    if not inner:
        return mul(num(sign), *outside) if which == "Re" else ZERO
    z = mul(*inner)
    mirrored = conj(z)
    if cost(mirrored) < cost(z):
        z = mirrored
        sign = sign if which == "Re" else -sign
    if z.kind == "*" and z.parts and (z.data[0] != 1 or any(b.real or b is IMAGINARY for b in z.parts)):
        return mul(num(sign), *outside, part(which, z))
    if z.kind in "S+" or z.real:
        return mul(num(sign), *outside, part(which, z))
    return mul(num(sign), *outside, fn(which, z))


def _part_of_sum(which: str, e: Expr) -> Expr:
    terms = terms_of(e)
    each = [(c, part(which, t)) for c, t in terms]
    if all(_plain(t) for _, t in each):
        return scaled(each)
    out = [mul(num(c), p) for (c, p), (_, t) in zip(each, terms, strict=True) if _plain(p)]
    rest = scaled([(c, t) for (c, t), (_, p) in zip(terms, each, strict=True) if not _plain(p)])
    return add(*out, fn(which, rest) if rest.kind == "+" else part(which, rest))


def _plain(e: Expr) -> bool:
    """Is no part taken in it that was not there before?"""
    return not any(b.kind == "f" and b.data in ("Re", "Im") for b in (e, *e.parts)) and e.kind != "S"


PARTS = {"conj": conj, "Re": lambda e: part("Re", e), "Im": lambda e: part("Im", e)}

__all__ = ["PARTS", "conj", "gives_real", "part"]
