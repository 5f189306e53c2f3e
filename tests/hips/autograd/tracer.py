"""`primitive`: a function with rules given later, as a Backpass custom rule that looks them up."""

import functools

import backpass as bp
from backpass.graph.traced import Traced


def isbox(x):
    return x.__class__ is Traced


def primitive(function):
    rules = {}

    def pulled(g, out, *args):
        if not rules:
            raise NotImplementedError(f"VJP of {function} not defined")
        return tuple(rules[i](out, *args)(g) if rules.get(i) else None for i in range(len(args)))

    ruled = bp.custom_rule(vjp=pulled)(function)

    @functools.wraps(function)
    def wrapped(*args):
        return ruled(*args)

    wrapped.rules = rules
    return wrapped


def getval(x):
    return x.value if x.__class__ is Traced else x


__all__ = ["getval", "isbox", "primitive"]
