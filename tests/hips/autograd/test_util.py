"""Derivatives held against differences, in both modes and to the order that is asked for, on any pytree."""

import itertools

import numpy as np

from backpass.graph.pytree import flatten
from backpass.graph.traced import Traced

from .core import floating, make_jvp, make_vjp
from .wrap_util import get_name, unary_to_nary

STEP, TOLERANCE = 1e-6, 1e-6
RNG = np.random.default_rng(42)


def scalar_close(a, b):
    return abs(a - b) < TOLERANCE or abs(a - b) / abs(a + b) < TOLERANCE


def _leaves(x):
    return [leaf.value if leaf.__class__ is Traced else leaf for leaf in flatten(x)[0]]


def _like(x):
    leaves, tree = flatten(x)

    def drawn(leaf):
        if leaf.__class__ is Traced:
            leaf = leaf.value
        made = RNG.standard_normal(np.shape(leaf))
        if np.iscomplexobj(leaf):
            made = made + 1j * RNG.standard_normal(np.shape(leaf))
        return made if np.ndim(leaf) else np.asarray(made)[()]

    return tree.unflatten([drawn(leaf) for leaf in leaves])


def _inner(x, y):
    return sum(float(np.real(np.sum(np.conj(a) * b))) for a, b in zip(_leaves(x), _leaves(y), strict=True))


def _moved(x, v, t):
    xs, tree = flatten(x)
    return tree.unflatten([a + t * b for a, b in zip(xs, flatten(v)[0], strict=True)])


def _difference(f, x, v):
    after, tree = flatten(f(_moved(x, v, STEP / 2)))
    before = _leaves(f(_moved(x, v, -STEP / 2)))
    return tree.unflatten([(np.asarray(a) - b) / STEP for a, b in zip(_leaves(after), before, strict=True)])


def check_vjp(f, x):
    vjp, y = make_vjp(f, x)
    x_v, y_v = _like(x), _like(y)
    back = vjp(y_v)
    assert [np.shape(a) for a in _leaves(back)] == [np.shape(a) for a in _leaves(x)]
    exact, numeric = _inner(x_v, back), _inner(y_v, _difference(f, x, x_v))
    assert scalar_close(numeric, exact), (
        f"Derivative (VJP) check of {get_name(f)} failed with arg {x}:\nanalytic: {exact}\nnumeric:  {numeric}"
    )


def check_jvp(f, x):
    v = _like(x)
    check_equivalent(make_jvp(f, x)(v)[1], _difference(f, x, v))


def check_equivalent(x, y):
    xs, ys = _leaves(x), _leaves(y)
    assert [np.shape(a) for a in xs] == [np.shape(b) for b in ys]
    v = _like(x)
    assert scalar_close(_inner(x, v), _inner(y, v)), f"Value mismatch:\nx: {x}\ny: {y}"


@unary_to_nary
def check_grads(f, x, modes=("fwd", "rev"), order=2):
    x = floating(x)
    if "fwd" in modes:
        check_jvp(f, x)
        if order > 1:
            pushed = lambda x, v: make_jvp(f, x)(v)[1]  # noqa: E731
            pushed.__name__ = f"jvp_{get_name(f)}"
            check_grads(pushed, (0, 1), modes=modes, order=order - 1)(x, _like(x))
    if "rev" in modes:
        check_vjp(f, x)
        if order > 1:
            pulled = lambda x, v: make_vjp(f, x)[0](v)  # noqa: E731
            pulled.__name__ = f"vjp_{get_name(f)}"
            check_grads(pulled, (0, 1), modes=modes, order=order - 1)(x, _like(f(x)))


def combo_check(function, *args, **kwargs):
    def run(*choices, **options):
        named = [[(name, value) for value in values] for name, values in options.items()]
        for chosen in itertools.product(*choices):
            for chosen_options in itertools.product(*named):
                check_grads(function, *args, **kwargs)(*chosen, **dict(chosen_options))

    return run


__all__ = ["check_equivalent", "check_grads", "combo_check", "scalar_close"]
