"""make_vjp and make_jvp by bp.vjp and bp.jvp."""

import backpass as bp
from backpass.graph.pytree import flatten

from .tracer import primitive

primitive_vjps = {}


def floating(x):
    """Whole numbers as floats: autograd differentiates in them."""
    leaves, tree = flatten(x)
    return tree.unflatten([float(leaf) if type(leaf) is int else leaf for leaf in leaves])


def make_vjp(f, x):
    value, pullback = bp.vjp(f, floating(x))
    return (lambda g: pullback(g)[0]), value


def make_jvp(f, x):
    return lambda v: bp.jvp(f, (floating(x),), (v,))


__all__ = ["make_jvp", "make_vjp", "primitive", "primitive_vjps"]
